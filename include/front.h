/* front.h: edges towards clients.  A listener is one address and protocol of the configuration, process-wide; a front
 * is a listener at work on one worker. */
#ifndef SHREWD_FRONT_H
#define SHREWD_FRONT_H

#include "lane.h"

enum { HTTP_CODES = 6 };
extern const unsigned doh_codes[HTTP_CODES]; /* 200, 400, 403, 500, 502, 0: others */
struct conn_ops;
struct doh_site;
struct front;
struct listener;
struct tls_server;
/* One static const row per protocol. */
struct front_ops {
	const char *name;                              /* as showBinds() prints it */
	uint8_t proto;
	bool datagram;
	int (*open)(struct listener *, const char **error_r); /* one more socket: descriptor or -errno */
	int (*start)(struct front *);                  /* read from front->fd on this worker; 0 or -E… */
	void (*stop)(struct front *);                  /* stop accepting; queries in flight still answer */
	const struct conn_ops *conn;                   /* streams: what its connections speak, private to front/ */
};
extern const struct front_ops front_udp, front_tcp, front_dot, front_doh;
extern const struct front_ops *const registry_fronts[]; /* those of this build, NULL at the end */

struct listener {
	uint32_t magic;
	_Atomic uint32_t refs;
	const struct front_ops *ops;
	struct bind_conf conf; /* never changes; the options below do, at a reload */
	_Atomic uint32_t max_in_flight, max_connections;
	_Atomic bool enable_proxy;
	_Atomic bool proxy_outside; /* the PROXY header comes before the TLS handshake */
	_Atomic bool pad;           /* answers with EDNS, whether or not the client padded */
	_Atomic bool late_acl;      /* DoH: the ACL is for each request, not for the connection */
	uint32_t recv_buffer, send_buffer;
	uint8_t fast_open_key[16];
	bool has_fast_open_key;
	bool share_port;     /* several workers listen: SO_REUSEPORT */
	_Atomic bool muted;
	_Atomic uint64_t queries, responses, accepted, died_reading, died_sending, client_timeouts;
	_Atomic uint32_t conns, conns_max;
	struct tls_server *_Atomic tls; /* encrypted ones, NULL otherwise; under |site_lock|: listener_tls() */
	uint64_t tls_print;             /* of the options it was made with */
	uint64_t ticket_print;          /* and of those that say where its ticket keys come from */
	struct doh_site *_Atomic site;  /* DoH: paths, headers, response map; swapped under |site_lock| */
	atomic_flag site_lock;          /* held for a few instructions */
	_Atomic uint64_t http_get, http_post, http_version[3], http_connects, http_bad, http_valid, http_error, http_redirect,
		http_status[3][HTTP_CODES]; /* by version (0: other) and doh_codes[] */
};

enum { LISTENER_MAGIC = 0x6c69736e, FRONT_MAGIC = 0x66726f6e };

struct front {
	uint32_t magic;
	const struct front_ops *ops;
	struct lane *lane;
	struct listener *listener; /* a reference */
	int fd;
	struct io io;
	struct wheel_node pause;   /* accept rests until then */
	struct addr local;
	bool any;                  /* bound to a wildcard address */
	unsigned queries, responses; /* since the listener's counters were told */
	unsigned users;            /* connections and waiting queries that point here */
	bool stopped;
	struct front *next;
};

/* listener_new copies |conf| and loads its certificates: NULL with a sentence. */
struct listener *listener_new(const struct front_ops *, const struct bind_conf *, const char **error_r) WUNUSED;
struct listener *listener_ref(struct listener *) NONNULL;
void listener_free(struct listener **) NONNULL;
/* listener_same: is its socket the one that |conf| asks for?  listener_update then takes over the other options, and reads
 * the files that TLS has of them again. */
bool listener_same(const struct listener *, const struct front_ops *, const struct bind_conf *) NONNULL;
int listener_update(struct listener *, const struct bind_conf *, const char **error_r); /* -EINVAL: TLS stays as it was */
/* listener_certs reads certificates anew (NULL: the same files); 0, or -EINVAL and the old ones stay.  Any thread. */
int listener_certs(struct listener *, const struct bind_tls *, const char **error_r) WUNUSED;
int listener_map(struct listener *, struct doh_map *) WUNUSED NONNULL; /* DoH: takes a reference; 0, -ENOMEM.  Any thread */
struct tls_server *listener_tls(struct listener *) NONNULL; /* a reference; NULL: plain.  Any thread */
/* front_start puts |fd| (taken over) to work on |lane|, on its worker or before it runs.  0 or -E… (|fd| closed). */
int front_start(struct lane *, struct listener *, int fd) WUNUSED NONNULL;
void front_stop(struct lane *, const struct listener *) NONNULL; /* on its worker */
void front_release(struct front *) NONNULL;  /* a user less; frees a stopped front with the last one */
void front_tell_all(struct lane *) NONNULL;   /* the listeners' counters, which all workers share, learn of the turn */
void conn_flush_all(struct lane *) NONNULL;   /* writes what connections have queued */
void conn_close_all(struct lane *) NONNULL;

/* ---- clients.c: limits per client, shared by all workers ---- */
struct clients *clients_new(void) WUNUSED;
void clients_free(struct clients **) NONNULL;
/* clients_enter: may |a| open one more connection?  REASON_NONE, else why not.  |*who_r|: where it was counted, to be
 * given to clients_leave(); NULL when no limit is set.  Any thread. */
struct who;
enum reason clients_enter(struct clients *, const struct settings *, const struct addr *, uint64_t now_ms,
	struct who **who_r) WUNUSED NONNULL;
void clients_leave(struct clients *, struct who **) NONNULL; /* |*who| may be NULL, and is after it */
/* clients_shake: |a| has ended a TLS handshake: REASON_NONE, or why the connection has to go.  Any thread. */
enum reason clients_shake(struct clients *, const struct settings *, const struct addr *, bool resumed, uint64_t now_ms)
	WUNUSED NONNULL;
void clients_ban(struct clients *, const struct settings *, const struct addr *, uint64_t until_ms) NONNULL;
/* clients_hold: what a connection holds back has changed from |before| to |now| bytes; the sum of that kind of all workers'
 * connections.  Any thread. */
enum hold_kind { /* messages and answers, those of transfers, many small requests that have just begun, handshakes */
	HOLD_MESSAGE, HOLD_TRANSFER, HOLD_YOUNG, HOLD_SHAKE, HOLDS
};
size_t clients_hold(struct clients *, enum hold_kind, size_t before, size_t now) NONNULL;
void clients_clean(struct clients *, uint64_t now_ms) NONNULL; /* forgets who is neither here nor banned */

#endif
