/* server.h: backends as decisions see them: what they are, whether they are up, which one is next.
 *
 * No sockets here.  A server outlives configurations: a reload that defines the same server keeps the object,
 * so its health, counters and connections survive.  Fields that change while running are atomics; |conf| never
 * changes. */
#ifndef SHREWD_SERVER_H
#define SHREWD_SERVER_H

#include "arg.h"
#include "cache.h"
#include "dns.h"
#include "hash.h"
#include "log.h"
#include <stdatomic.h>

enum { SERVER_SOCKETS_MAX = 64 };
enum health_mode { HEALTH_ACTIVE, HEALTH_LAZY, HEALTH_UP, HEALTH_DOWN };
enum lazy_mode { LAZY_TIMEOUT_OR_SERVFAIL, LAZY_TIMEOUT_ONLY };

/* newServer's keys (inventory 2.2, 2.3): one row each in server_fields[]. */
struct server_conf {
	char *address; /* as written: address or host name, with port */
	char *id, *name, *source, *check_name, *check_type;
	struct field_list pools;
	double qps; /* 0: none */
	uint32_t order, weight, retries, connect_timeout_s, send_timeout_s, recv_timeout_s, udp_timeout_s, sockets,
		max_in_flight, max_connections, max_udp_outstanding, max_outstanding, dscp;
	uint32_t check_class, check_interval_s, check_timeout_ms, max_check_failures, rise;
	uint32_t lazy_sample_size, lazy_min_samples, lazy_threshold_percent, lazy_failed_interval_s, lazy_max_backoff_s;
	bool tcp_fast_open, bind_no_port, disable_zero_scope, use_ecs, use_proxy, reconnect_on_up, tcp_only, check_tcp,
		set_cd, must_resolve, lazy_backoff;
	enum health_mode health_mode;
	enum lazy_mode lazy_mode;
	/* encrypted ones; empty strings where they are not set */
	char *tls, *doh_path, *subject_name, *subject_addr, *ca_store, *ciphers, *ciphers13, *key_log;
	struct field_list curves, pins, bootstrap; /* pins: hexadecimal SHA-256, from a DNS stamp */
	uint32_t keep_warm_s; /* a connection is kept this long after the last query, 0: as others */
	bool validate, release_buffers, renegotiation, ktls, x_forwarded, advertise_tls, ignore_dates;
	const struct lua_func *check_function, *validator; /* owned by the configuration's Lua state */
};
extern const struct field server_fields[];
extern const size_t server_field_count;
/* server_conf_check: do the keys fit each other, and this build?  0 or -EINVAL with a sentence. */
int server_conf_check(const struct server_conf *, const char **error_r) WUNUSED NONNULL;

/* The word that readers look at: no lock, one load.  FORCED: UP says what was forced.  SUSPECT: up, but silent right
 * now: passed over while another is not. */
enum { SERVER_UP = 1, SERVER_FORCED = 2, SERVER_SUSPECT = 4, SERVER_ADDRS = 8 };

struct token_bucket { /* a rate limit shared by all workers; its own small lock */
	atomic_flag lock;
	double rate, burst, tokens; /* per second */
	uint64_t at_ms;
};
void bucket_init(struct token_bucket *, double rate, double burst) NONNULL;
bool bucket_take(struct token_bucket *, uint64_t now_ms) NONNULL; /* takes one token if there is one */
bool bucket_peek(struct token_bucket *, uint64_t now_ms) NONNULL;

struct server {
	uint32_t magic;
	_Atomic uint32_t refs;
	struct server_conf conf;
	struct addr addr;      /* family 0 while the name is not resolved; see server_set_addr() */
	bool is_name;          /* conf.address is a host name: read |addr| by server_addr() */
	_Atomic uint32_t addr_busy; /* of such a server: somebody reads or writes |addr|, |addrs| */
	struct server_addrs *addrs; /* of such a server: all of them; private to server_addr.c */
	uint8_t uuid[16];
	char id[37];
	uint32_t index;        /* small number, unique among live servers: workers index their backs by it */
	_Atomic uint32_t state; /* SERVER_UP | SERVER_FORCED */
	_Atomic uint32_t order, weight;
	_Atomic uint32_t outstanding, connections;
	_Atomic uint32_t latency_us, tcp_latency_us; /* average of the last 128 */
	_Atomic uint64_t queries, responses, drops, send_errors, noncompliant, tcp_died_sending,
		tcp_died_reading, tcp_gave_up, tcp_connect_timeouts, tcp_read_timeouts, tcp_write_timeouts,
		tcp_new_connections, tcp_reused_connections, tcp_max_connections, tcp_too_many,
		check_failures, check_parse, check_timeout, check_network, check_mismatch, check_invalid;
	struct token_bucket qps;
	struct health *health; /* private to health.c; worker 0 */
	_Atomic bool qps_limited; /* |qps| says something */
	struct server_points *_Atomic ring_points; /* chashed: |weight| hashes, sorted; private to policy_hash.c */
	struct { /* filled by server_rates(), in tenths per second */
		_Atomic uint32_t queries10, drops10;
		uint64_t queries, drops, at_ms;
	} rate;
	struct server *_Atomic successor; /* the running server that conf_inherit() put in this one's place */
	void *user;            /* bind/'s: nothing here looks at it */
	char *where;           /* "FILE:LINE: newServer" of its definition, for messages; NULL: not from a file */
	struct log_pace trouble; /* why connections to it fail */
};
enum { SERVER_MAGIC = 0x73727672 };

/* server_new takes over |conf| (emptied), also on failure.  The address is parsed; a host name is accepted
 * with is_name.  NULL and |*error_r| when the address is neither. */
struct server *server_new(struct server_conf *conf, struct rng *, const char **error_r) WUNUSED;
struct server *server_ref(struct server *) NONNULL;
void server_free(struct server **) NONNULL; /* drops one reference */
/* server_of: one with the options of |table|, as for fields_apply(), whose keys fit each other. */
struct server *server_of(const struct arg *table, void (*unknown)(void *ctx, const char *key, const char *near), void *ctx,
	struct rng *, const char **error_r) WUNUSED;
/* server_same: would a newly defined server do the same work?  Then a reload keeps the old one. */
bool server_same(const struct server *, const struct server *) NONNULL;
/* server_now follows a server that was defined anew but does the same work as a running one to that one; objects of
 * the language (variables of the new file) go through it.  Borrowed; lives as long as its argument. */
struct server *server_now(struct server *) NONNULL;
/* server_set_addr: worker 0; new address of a host name.  Port 0 keeps the configured one (addr.port, which is set
 * from the start; conf.address is always "host:port"). */
void server_set_addr(struct server *, const struct addr *) NONNULL;
const struct addr *server_addr_slow(const struct server *, struct addr *buf) NONNULL;
/* server_addr: the address now; that of a host name may change while running and is copied to |buf|.  Any thread. */
HOT const struct addr *server_addr(const struct server *s, struct addr *buf)
{
	return s->is_name ? server_addr_slow(s, buf) : &s->addr;
}
/* server_addrs: all addresses of a host name (one of a literal), the one that worked last first; how many. */
unsigned server_addrs(const struct server *, struct addr out[SERVER_ADDRS]) NONNULL;
void server_set_addrs(struct server *, const struct addr *, unsigned n) NONNULL; /* as server_set_addr() */
void server_addr_good(struct server *, const struct addr *) NONNULL; /* a connection to it was made.  Any thread */
bool server_turn_addr(struct server *) NONNULL; /* the first goes last: it is silent; false: there is no other */
/* server_proto: PROTO_UDP, PROTO_TCP (tcpOnly), PROTO_DOT or PROTO_DOH: how it is asked. */
unsigned server_proto(const struct server *) NONNULL;
static inline bool server_streams(const struct server *s) { return s->conf.tcp_only || (s->conf.tls && s->conf.tls[0]); }
/* server_suspect: policies pass a suspect server over; its next good sign makes it a usual one.  Any thread. */
void server_suspect(struct server *, bool) NONNULL;
int server_set_weight(struct server *, uint32_t) WUNUSED NONNULL; /* 0, -EINVAL (weight 0) or -ENOMEM; one caller at a time */
void server_set_qps(struct server *, double) NONNULL;
double server_qps(const struct server *) NONNULL; /* what was set; 0: no limit */
static inline bool server_up(const struct server *s)
{
	return atomic_load_explicit(&s->state, memory_order_relaxed) & SERVER_UP;
}
const char *server_status(const struct server *) NONNULL; /* "up", "down", "UP", "DOWN": capitals when forced */
const char *server_name(const struct server *) NONNULL;   /* its name, else its address with port */
void server_latency(struct server *, uint32_t us, bool stream) NONNULL; /* enters one answer */
/* server_can_accept: up, below its most outstanding queries and, with |enforce_qps|, below its rate: that takes a
 * token of it. */
bool server_can_accept(struct server *, bool enforce_qps, uint64_t now_ms) NONNULL;
/* server_rates computes queries and drops per second since the last call; about once a second, worker 0. */
void server_rates(struct server *, uint64_t now_ms) NONNULL;

/* ---- stamp.c: DNS stamps (sdns://…, dnscrypt.info/stamps-specifications) ---- */
enum stamp_kind { STAMP_PLAIN = 0, STAMP_DOH = 2, STAMP_DOT = 3 };
enum { STAMP_LIST = 8, STAMP_TEXT = 256 };
struct stamp {
	enum stamp_kind kind;
	struct addr addr; /* family 0: |host| is to be resolved; port 0: the protocol's */
	char host[STAMP_TEXT], path[STAMP_TEXT]; /* host: name or address in its certificate */
	unsigned pins, bootstraps;
	uint8_t pin[STAMP_LIST][32]; /* SHA-256 */
	struct addr bootstrap[STAMP_LIST];
};
/* stamp_parse: 0, or -EINVAL with a sentence of what is wrong, or not supported.  Pure. */
int stamp_parse(struct stamp *, const char *text, const char **error_r) WUNUSED NONNULL;

/* ---- pools and policies ---- */
struct dq;
struct policy;
struct pool {
	char *name; /* "" is the default pool */
	struct server **servers; /* sorted by order */
	size_t n;
	const struct policy *policy; /* NULL: the configuration's */
	struct cache *cache;
	bool use_ecs, zero_scope;
	bool wants_ecs; /* the pool or one of its servers does; set by conf_freeze() */
};
void pool_sort(struct pool *) NONNULL;
bool pool_available(const struct pool *) NONNULL; /* some server is up */
uint32_t pool_outstanding(const struct pool *) NONNULL;
/* pool_last_resort: whom to ask when a policy found nobody: one that is up but suspect, else one that is down but was not
 * forced to be; in turn.  NULL: there is none. */
struct server *pool_last_resort(const struct pool *, uint32_t *turn, const struct dq *,
	bool (*tried)(const struct dq *, const struct server *));

struct choose { /* what a policy may look at */
	uint64_t name_hash;        /* keyed by the process: not stable; see |lower| for whashed, chashed */
	const uint8_t *lower;
	size_t lower_len;
	uint64_t now_ms;
	struct rng *rng;
	const struct dq *dq;       /* for Lua policies and orderedWrandUntag */
	bool (*tried)(const struct dq *, const struct server *); /* tagged as tried already? may be NULL */
	uint32_t perturbation;     /* setWHashedPerturbation */
	double weighted_factor, hash_factor; /* balancing factors, 0: off */
	bool roundrobin_fail;
	uint32_t *turn;            /* roundrobin's counter, the worker's own */
};
struct policy {
	const char *name;
	bool is_lua;
	struct server *(*choose)(const struct policy *, const struct pool *, const struct choose *); /* NULL: none */
	void *arg;
};
extern const struct policy *const policies[]; /* the built-in ones, NULL at the end */
extern const struct policy policy_least_outstanding;
const struct policy *policy_find(const char *name) NONNULL;

#endif
