/* tls_priv.h: what the files of tls/ share.
 *
 * Who does what: conn.c moves one connection; context.c has what both directions set; server.c and set.c have
 * certificates, their choice and staples, ticket.c the ring of ticket keys; client.c, verify.c and session.c the other
 * direction; cert.c reads files; fail.c turns the library's errors into sentences and classes.  The library's strings of
 * errors are not loaded. */
#ifndef SHREWD_TLS_PRIV_H
#define SHREWD_TLS_PRIV_H

#include "mem.h"
#include "tls.h"
#include "tls_wire.h"
#include <openssl/ssl.h>
#include <stdatomic.h>
#include <sys/types.h>
#include <time.h>

/* ---- conn.c ---- */
struct tls_set; /* set.c: the certificates of one load */
struct tls {
	SSL *ssl;                  /* NULL: a server that has not seen a whole record yet */
	struct tls_server *server; /* a reference; NULL: we are the client */
	struct tls_client *client; /* a reference; NULL: we are the server */
	union {
		struct tls_set *set; /* server: a reference */
		void *user;          /* client: |ctx| of tls_connect() */
	};
	const char *alpn;          /* chosen; of the server's or client's copy of its configuration; NULL none */
	uint8_t *part;             /* the beginning of a record: the library is given whole ones only */
	uint8_t *rest;             /* records that the kernel did not take */
	char *said;                /* what failed */
	uint32_t part_len, rest_len;
	uint32_t offered;          /* bytes of a write that the library keeps back and wants to be offered again */
	int fd;
	uint8_t fail;              /* enum tls_fail */
	uint8_t version;           /* enum tls_version, once shaken */
	bool shaken : 1, resumed : 1;
	bool swollen : 1;          /* client: a ticket came, for which the library took its large buffers */
	bool drained : 1;          /* the kernel has given all it has, until it says otherwise */
	bool ended : 1;            /* the peer's stream is over */
	bool untold : 1;           /* it ended or broke in one flight with its last bytes: the next read says so */
	bool broken : 1;           /* the connection cannot be used any more, not even to say good-bye */
};

/* tls_start prepares the library; called before anything else of it, as often as one likes. */
void tls_start(void);
/* tls_conn_new: a connection without library state; NULL: memory is out. */
struct tls *tls_conn_new(int fd) WUNUSED;
/* tls_conn_attach gives it its SSL (taken over, freed on failure); |ktls|: through the library's own socket BIO.
 * 0 or -ENOMEM. */
int tls_conn_attach(struct tls *, SSL *, bool ktls) WUNUSED NONNULL;
/* tls_now: the connection that this thread is in a call of the library for; for callbacks, never NULL there.  (An
 * ex_data slot would cost every connection two allocations.) */
struct tls *tls_now(void);

/* ---- called by conn.c ---- */
/* tls_client_shaken: the handshake is over as far as the library is concerned: the last checks (ALPN; resumed sessions
 * that no longer please).  0, or -EPROTO after tls_set_fail(). */
int tls_client_shaken(struct tls *) WUNUSED NONNULL;
/* tls_client_failed: the handshake failed because of the certificate: a sentence that says why ("certificate has
 * expired"), or NULL to have it made from the error queue. */
const char *tls_client_failed(const struct tls *) NONNULL;
/* tls_server_hello: the first record is there: makes t->ssl.  0 or -ENOMEM. */
int tls_server_hello(struct tls *) WUNUSED NONNULL;
void tls_server_shaken(struct tls *) NONNULL;
void tls_server_failed(struct tls *) NONNULL; /* counts t->fail */
void tls_set_free(struct tls_set **) NONNULL;

/* ---- fail.c ---- */
/* tls_set_fail keeps the first failure of a connection, its sentence copied. */
void tls_set_fail(struct tls *, enum tls_fail, const char *sentence) NONNULL;
/* tls_queue_* look at the first error in this thread's queue of the library's; sentence: this thread's until its next
 * call ("no shared cipher", "error 0x0a0000c1").  tls_queue_clear empties it. */
enum tls_fail tls_queue_fail(void);
const char *tls_queue_sentence(void);
void tls_queue_clear(void);

/* ---- cert.c: files ---- */
struct tls_chain {
	X509 *cert;
	STACK_OF(X509) *more; /* the rest of the chain, may be NULL */
	EVP_PKEY *key;
};
/* tls_chain_load reads |c| (PEM, PKCS#12, or TLS_SELF_SIGNED) and checks that key and certificate fit.
 * 0 or -EINVAL with a sentence that names the file. */
int tls_chain_load(struct tls_chain *, const struct tls_cert *c, const char **error_r) WUNUSED;
void tls_chain_free(struct tls_chain *) NONNULL;
/* tls_file_read: a whole file of up to |max| bytes, to be given to mem_free(); NUL-terminated behind |*len_r|.  NULL with
 * "x.pem: No such file or directory". */
uint8_t *tls_file_read(const char *path, size_t max, size_t *len_r, const char **error_r) WUNUSED;
X509 *tls_cert_read(const char *path, const char **error_r) WUNUSED;                      /* the first of a PEM file */
EVP_PKEY *tls_key_read(const char *path, const char *password, const char **error_r) WUNUSED; /* PEM */
enum { TLS_FILE_MAX = 1 << 20 };

/* ---- ocsp_with_ocsp.c ---- */
/* tls_ocsp_check: is the response |der| a good one about |cert|?  |path| is for the sentence.  0 or -EINVAL. */
int tls_ocsp_check(const uint8_t *der, size_t len, X509 *cert, X509 *issuer, const char *path, const char **error_r) WUNUSED;

/* ---- context.c: what both directions set in an SSL_CTX ---- */
struct tls_common {
	const char *ciphers, *ciphers13, *curves, *key_log;
	enum tls_version min_version; /* raised to 1.2 */
	bool release_buffers, renegotiation, ktls;
};
/* tls_ctx_new: |server|: which method.  NULL with a sentence that names the option. */
SSL_CTX *tls_ctx_new(bool server, const struct tls_common *, const char **error_r) WUNUSED;
/* tls_ctx_get: the context of all clients that want the same; |set| fills in a new one.  NULL as above.  Any thread. */
SSL_CTX *tls_ctx_get(const struct tls_common *, void (*set)(SSL_CTX *), const char **error_r) WUNUSED;
void tls_ctx_put(SSL_CTX **) NONNULL; /* NULL is fine */
/* tls_key_empty gives back what |key| holds, whoever has references to it: it has done its work. */
void tls_key_empty(EVP_PKEY *key) NONNULL;
/* tls_list_copy: a copy of a NULL-terminated list of strings in one allocation, for mem_free(); NULL: memory is out. */
const char *const *tls_list_copy(const char *const *list) WUNUSED NONNULL;
/* tls_list_put: the same, at |at|, which is aligned for pointers and has tls_list_size() bytes. */
const char *const *tls_list_put(void *at, const char *const *list) WUNUSED NONNULL;
size_t tls_list_size(const char *const *list) NONNULL;
/* tls_alpn_wire: the list as the protocol has it (RFC 7301 3.1): length, or -EINVAL for a word that is empty or too long
 * or when it does not fit in |cap|. */
ssize_t tls_alpn_wire(const char *const *list, uint8_t *out, size_t cap) WUNUSED NONNULL;
/* tls_alpn_find: the string of |list| that is |len| bytes at |p|, or NULL. */
const char *tls_alpn_find(const char *const *list, const uint8_t *p, size_t len) NONNULL;

/* ---- ticket.c ---- */
struct tls_ring;
struct tls_ring *tls_ring_new(unsigned keys) WUNUSED; /* keeps at most |keys| (at least 1) */
void tls_ring_free(struct tls_ring **) NONNULL;
void tls_ring_add(struct tls_ring *, const uint8_t key[TLS_TICKET_KEY]) NONNULL;
int tls_ring_rotate(struct tls_ring *, uint8_t key_r[TLS_TICKET_KEY]) WUNUSED; /* |key_r| may be NULL; 0 or -EIO */
void tls_ring_copy(struct tls_ring *, struct tls_ring *old) NONNULL; /* the keys of |old|, in its order; |old| lives on */
int tls_ring_load(struct tls_ring *, const char *path, const char **error_r) WUNUSED; /* keys in file order */
/* tls_ring_ctx makes a context use the ring of tls_server_ring(). */
void tls_ring_ctx(SSL_CTX *) NONNULL;
struct tls_ring *tls_server_ring(struct tls_server *) NONNULL;

/* ---- ca_store.c: whom we trust; one for all clients that want the same ---- */
struct ca_store;
struct ca_store *tls_ca_get(const char *path, const char **error_r) WUNUSED; /* NULL or "": the system's */
void tls_ca_put(struct ca_store **) NONNULL;
X509_STORE *tls_ca_x509(const struct ca_store *) NONNULL; /* borrowed */

/* ---- ca_bundle.c ---- */
struct tls_stamp { /* which state of a file or a directory was read */
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec mtime;
};
bool tls_stamp_of(struct tls_stamp *, const char *path) NONNULL; /* false, all zero: it is not there */
/* tls_bundle_add: certificates of |path| are found when they are looked for; a store has at most one such bundle.  Not
 * from two threads at once.  0, -ENOMEM; with |check| also -ENOENT: not to be read or no certificate in it. */
int tls_bundle_add(X509_STORE *, const char *path, bool check) WUNUSED NONNULL;
/* tls_bundle_load decodes and keeps them at once while |*count|, of all files so far, is below |max|. */
int tls_bundle_load(X509_STORE *, const char *path, unsigned max, unsigned *count) WUNUSED NONNULL;

/* ---- session.c ---- */
/* tls_session_new copies |s|; |trust|: what made us trust the peer.  NULL: memory is out, or it cannot be used. */
struct tls_session *tls_session_new(SSL_SESSION *s, uint64_t trust) WUNUSED NONNULL;
SSL_SESSION *tls_session_load(const struct tls_session *, uint64_t trust) WUNUSED NONNULL; /* NULL: not ours, or past its end */

/* ---- verify.c ---- */
struct tls_verify {
	bool validate, ignore_dates;
	const uint8_t (*pins)[32];
	size_t npins;
};
/* tls_verify_ctx makes a context check peers as tls_client_verify() says of the connection at hand. */
void tls_verify_ctx(SSL_CTX *) NONNULL;
const struct tls_verify *tls_client_verify(const struct tls *) NONNULL; /* client.c */
void tls_client_wanted(const struct tls *, struct text *) NONNULL; /* client.c: adds the names a certificate must have */
const char *tls_verify_sentence(long result) WUNUSED; /* of an X509_V_…; static; NULL: not about certificates */
uint64_t tls_now_s(void);                  /* the wall clock */
uint64_t tls_built_s(void);                /* the day this program was built */
extern _Atomic uint64_t tls_test_now_s;    /* tests set the clock by hand; 0: the real one */

/* ---- self_signed.c ---- */
EVP_PKEY *tls_own_key(void); /* what tls_self_signed() made, NULL before; the program's */
X509 *tls_own_cert(void);

#endif
