/* tls.h: TLS for both directions, and wires: the bytes of a socket, encrypted or not.  No OpenSSL type is seen here.
 *
 * A wire belongs to one worker.  struct tls_server and struct tls_client may be used by several workers at once. */
#ifndef SHREWD_TLS_H
#define SHREWD_TLS_H

#include "net.h"
#include "text.h"

/* ---- wire.c: always there; without FEATURE_TLS only plain ones ---- */
struct tls;
struct wire {
	struct io io;
	struct tls *tls; /* NULL: plain */
	bool blocked;    /* the kernel takes no more bytes for now */
	bool wants_write; /* TLS has something to write before it can read: a handshake under way */
};
/* wire_init: |tls| (taken over) may be NULL; |ready| is called when the socket is; wants nothing yet. */
void wire_init(struct wire *, struct loop *, int fd, struct tls *tls, void (*ready)(struct io *, short what));
/* wire_read, wire_write: bytes moved (> 0); 0 at the end of the stream (read); -EAGAIN; -EPROTO: TLS failed, see
 * tls_error(); other -errno: broken.  Both move a handshake on.  wire_write gives all of |len| bytes to one record and
 * one system call where they fit (16 kB); what it did not take must be offered again, from the same first byte on. */
ssize_t wire_read(struct wire *, uint8_t *buf, size_t cap) WUNUSED NONNULL;
ssize_t wire_write(struct wire *, const uint8_t *p, size_t len) WUNUSED NONNULL;
/* Between wire_gather and wire_release records gather, and leave with one system call; nothing else may be done on this
 * thread's wires meanwhile.  wire_release: 0, -EAGAIN: the wire keeps some of them and is |blocked|: release again when
 * it can be written; other -errno: broken. */
void wire_gather(struct wire *) NONNULL;
int wire_release(struct wire *) WUNUSED NONNULL;
/* wire_shake moves a handshake on without reading: 0 when it is done (or the wire is plain), -EAGAIN, -EPROTO, -errno. */
int wire_shake(struct wire *) WUNUSED NONNULL;
bool wire_shaken(const struct wire *) NONNULL; /* no handshake is under way */
/* wire_more: bytes, or an end, that the kernel will not announce wait in the TLS layer: read again before waiting. */
bool wire_more(const struct wire *) NONNULL;
/* wire_held: bytes that the TLS layer keeps of unfinished records, and of those that the kernel did not take. */
size_t wire_held(const struct wire *) NONNULL;
bool wire_greets(const struct wire *) NONNULL; /* a handshake is under way, and the TLS layer has its memory for it */
/* wire_want waits for what the caller and the TLS layer need; |write|: there are bytes to write.  0 or -ENOMEM. */
int wire_want(struct wire *, bool read, bool write) WUNUSED NONNULL;
/* wire_bye says good-bye (TLS close_notify), that no more is sent, and frees the TLS state: what is still read is of no use. */
void wire_bye(struct wire *) NONNULL;
/* wire_close says good-bye (TLS close_notify) unless |broken|, closes the descriptor and frees the TLS state. */
void wire_close(struct wire *, bool broken) NONNULL;

/* ---- failures of TLS; counters and showTLSErrorCounters() have a row for each of the first ---- */
enum tls_fail {
	TLS_FAIL_NONE, TLS_FAIL_DH_KEY_TOO_SMALL, TLS_FAIL_INAPPROPRIATE_FALLBACK, TLS_FAIL_NO_SHARED_CIPHER,
	TLS_FAIL_UNKNOWN_CIPHER_TYPE, TLS_FAIL_UNKNOWN_KEY_EXCHANGE_TYPE, TLS_FAIL_UNKNOWN_PROTOCOL,
	TLS_FAIL_UNSUPPORTED_EC, TLS_FAIL_UNSUPPORTED_PROTOCOL,
	TLS_FAIL_CERTIFICATE, /* the peer's certificate was refused, or the peer refused ours */
	TLS_FAIL_ALPN, TLS_FAIL_OTHER, TLS_FAILS
};
const char *tls_fail_name(enum tls_fail); /* dnsdist's name: "dhKeyTooSmall" … */
enum tls_version { TLS_V_UNKNOWN, TLS_V_10, TLS_V_11, TLS_V_12, TLS_V_13, TLS_VERSIONS };

/* What is known of a connection once it is shaken. */
struct tls_info {
	enum tls_version version;
	bool resumed;
	const char *sni;    /* the client's, "" none; until its next handshake, if it may have one more */
	const char *alpn;   /* chosen, "" none */
	const char *cipher; /* static */
};
void tls_info(const struct tls *, struct tls_info *) NONNULL;
enum tls_fail tls_failure(const struct tls *) NONNULL;
const char *tls_error(const struct tls *) NONNULL; /* a sentence: "certificate has expired"; "" when nothing failed */

/* ---- server side ---- */
struct tls_cert { /* all borrowed */
	const char *cert;     /* PEM with the chain, or PKCS#12 when |key| is NULL or "" */
	const char *key, *password;
	const char *ocsp;     /* file with a DER staple, or NULL */
};
struct tls_server_conf {
	const char *where;               /* what warnings about certificates begin with; NULL: "TLS" */
	const struct tls_cert *certs;
	size_t ncerts;
	const char *ciphers, *ciphers13, *curves; /* NULL or "": the library's; curves joined by ':' */
	const char *ticket_file, *key_log;
	enum tls_version min_version;    /* TLS_V_10 and TLS_V_11 are raised to 1.2 */
	bool tickets, prefer_server, release_buffers, renegotiation, ktls, ignore_errors;
	uint32_t ticket_rotation_s, ticket_keys, stored_sessions, session_timeout_s;
	const char *const *alpn;         /* acceptable ones in order of preference, NULL at the end */
	bool alpn_required;              /* a client that offers only others is refused (RFC 7301 3.2) */
};
struct tls_stats {
	_Atomic uint64_t version[TLS_VERSIONS]; /* queries that came over it: the front counts */
	_Atomic uint64_t full, resumed;         /* handshakes */
	_Atomic uint64_t unknown_ticket_key, inactive_ticket_key;
	_Atomic uint64_t fail[TLS_FAILS];
};
struct tls_server;
/* tls_server_new: NULL with |*error_r| ("cert.pem: does not fit the key key.pem").  |conf| is borrowed, copied. */
struct tls_server *tls_server_new(const struct tls_server_conf *, const char **error_r) WUNUSED;
void tls_server_where(struct tls_server *, const char *where) NONNULL; /* conf.where of a file that was read again */
struct tls_server *tls_server_ref(struct tls_server *) NONNULL;
void tls_server_free(struct tls_server **) NONNULL;
/* tls_server_load reads certificates anew (|certs| NULL: the same files).  As many as before and none with a staple: they
 * get the files of staples that those before had; what does not fit is left out.  On failure the old ones stay;
 * connections keep what they began with.  Any thread.  0 or -EINVAL. */
int tls_server_load(struct tls_server *, const struct tls_cert *certs, size_t n, const char **error_r) WUNUSED;
/* Ticket keys: 80 bytes each (16 name, 32 AES, 32 HMAC).  The newest encrypts; conf.ticket_keys decrypt. */
enum { TLS_TICKET_KEY = 80 };
int tls_server_ticket_key(struct tls_server *, const uint8_t *key, size_t len, const char **error_r) WUNUSED;
int tls_server_ticket_file(struct tls_server *, const char *path, const char **error_r) WUNUSED;
int tls_server_rotate(struct tls_server *) WUNUSED NONNULL; /* a fresh random key; 0 or -E… */
/* tls_server_inherit: a server that takes the place of |old| counts on with it, and has its ticket keys where |tickets|;
 * before it is used. */
void tls_server_inherit(struct tls_server *, struct tls_server *old, bool tickets) NONNULL;
/* tls_server_tick rotates by age; about once a second, one thread.  True: a key was made (|key_r| gets it). */
bool tls_server_tick(struct tls_server *, uint64_t now_ms, uint8_t key_r[TLS_TICKET_KEY]) NONNULL;
struct tls_stats *tls_server_stats(struct tls_server *) NONNULL;
size_t tls_server_certs(const struct tls_server *) NONNULL; /* how many could be loaded */
struct tls *tls_accept(struct tls_server *, int fd) WUNUSED NONNULL; /* NULL: memory is out, or it has no certificate */

/* ---- client side ---- */
struct tls_session; /* a ticket to resume with */
struct tls_client_conf {
	const char *name, *addr;        /* subjectName: SNI and the name to validate; subjectAddr: the IP to validate */
	const char *ca_store;           /* bundle or directory; NULL or "": the system's, found where it is */
	const char *ciphers, *ciphers13, *curves, *key_log;
	bool validate, release_buffers, renegotiation, ktls;
	bool ignore_dates;              /* validity periods are not looked at while the clock is plainly wrong */
	const uint8_t (*pins)[32];      /* SHA-256 of a certificate's TBS part anywhere in the chain (DNS stamps) */
	size_t npins;
	const char *const *alpn;        /* NULL at the end; the peer must choose one of them when |alpn_required| */
	bool alpn_required;
	void (*session)(void *ctx, struct tls_session *); /* a ticket came with a connection made with |ctx|: taken over */
};
struct tls_client;
struct tls_client *tls_client_new(const struct tls_client_conf *, const char **error_r) WUNUSED; /* copies */
struct tls_client *tls_client_ref(struct tls_client *) NONNULL;
void tls_client_free(struct tls_client **) NONNULL;
/* tls_connect: |session| may be NULL and stays the caller's; |ctx| goes to conf.session.  NULL: memory is out. */
struct tls *tls_connect(struct tls_client *, int fd, struct tls_session *session, void *ctx) WUNUSED;
void tls_session_free(struct tls_session **) NONNULL;
bool tls_session_once(const struct tls_session *) NONNULL;      /* TLS 1.3: to be used once */
uint64_t tls_session_end_s(const struct tls_session *) NONNULL; /* wall clock, when the server forgets it */
bool tls_clock_wrong(uint64_t wall_s); /* earlier than the day this program was built */

/* ---- certificates and staples that we make ourselves ---- */
/* tls_self_signed makes a P-256 key and a certificate for |names| (names and addresses, comma-separated), kept in memory
 * and used wherever a certificate file is called TLS_SELF_SIGNED.  |print_r|: SHA-256 fingerprint, colon-separated. */
#define TLS_SELF_SIGNED "self-signed"
int tls_self_signed(const char *names, char print_r[96], const char **error_r) WUNUSED;
int tls_ocsp_make(const char *cert, const char *ca_cert, const char *ca_key, const char *out, unsigned days,
	unsigned minutes, const char **error_r) WUNUSED;
int tls_load_provider(const char *name, const char **error_r) WUNUSED;
int tls_load_engine(const char *name, const char *default_string, const char **error_r) WUNUSED;

#endif
