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
	const struct lua_func *check_function, *validator; /* owned by the configuration's Lua state */
};
extern const struct field server_fields[];
extern const size_t server_field_count;

/* The word that readers look at: no lock, one load. */
enum { SERVER_UP = 1, SERVER_FORCED = 2 }; /* FORCED: UP says what was forced */

struct token_bucket { /* a rate limit shared by all workers; its own small lock */
	atomic_flag lock;
	double rate, burst, tokens; /* per second */
	uint64_t at_ms;
};
void bucket_init(struct token_bucket *, double rate, double burst) NONNULL;
bool bucket_take(struct token_bucket *, uint64_t now_ms) NONNULL; /* takes one token if there is one */
bool bucket_peek(struct token_bucket *, uint64_t now_ms) NONNULL;

enum lazy_state { LAZY_HEALTHY, LAZY_POTENTIAL, LAZY_FAILED };
struct server {
	uint32_t magic;
	_Atomic uint32_t refs;
	struct server_conf conf;
	struct addr addr;      /* family 0 while the name is not resolved; see server_set_addr() */
	bool is_name;          /* conf.address is a host name: read |addr| by server_addr() */
	_Atomic uint32_t addr_busy; /* of such a server: somebody reads or writes |addr| */
	uint8_t uuid[16];
	char id[37];
	uint32_t index;        /* small number, unique among live servers: workers index their backs by it */
	_Atomic uint32_t state; /* SERVER_UP | SERVER_FORCED */
	_Atomic uint32_t order, weight;
	_Atomic uint32_t outstanding, connections;
	_Atomic uint32_t latency_us, tcp_latency_us; /* average of the last 128 */
	_Atomic uint64_t queries, responses, drops, send_errors, noncompliant, reuseds, tcp_died_sending,
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
};
enum { SERVER_MAGIC = 0x73727672 };

/* server_new takes over |conf| (emptied), also on failure.  The address is parsed; a host name is accepted
 * with is_name.  NULL and |*error_r| when the address is neither. */
struct server *server_new(struct server_conf *conf, struct rng *, const char **error_r) WUNUSED;
struct server *server_ref(struct server *) NONNULL;
void server_free(struct server **) NONNULL; /* drops one reference */
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

/* ---- health: the logic, on booleans and times.  Worker 0 only, but health_outcome(): any worker ---- */
void server_set_up(struct server *) NONNULL;   /* forced */
void server_set_down(struct server *) NONNULL; /* forced */
/* server_set_auto: back to checks.  HEALTH_ACTIVE or HEALTH_LAZY choose; any other value keeps the automatic mode it
 * had before.  status: 1, 0, -1 keep. */
void server_set_auto(struct server *, enum health_mode, int status) NONNULL;
enum health_mode server_health_mode(const struct server *) NONNULL;
const char *health_mode_name(enum health_mode);
/* health_due: should a probe be sent now?  Marks it as under way. */
bool health_due(struct server *, uint64_t now_ms) NONNULL;
/* health_next_ms: when to ask again; UINT64_MAX: never, or not before health_result() was called.  In the lazy mode an
 * outcome on any worker may bring it forward: ask at least once a second. */
uint64_t health_next_ms(const struct server *) NONNULL;
/* health_result enters a probe's end; returns true when the server's state changed. */
bool health_result(struct server *, bool ok, uint64_t now_ms) NONNULL;
/* health_outcome enters a real query's end for the lazy mode. */
void health_outcome(struct server *, bool timed_out, bool servfail, uint64_t now_ms) NONNULL;
enum lazy_state health_lazy_state(const struct server *) NONNULL;
/* What setHealthCheckParams() may change; begins as in |conf|.  Probes take their timeout from here. */
struct health_params {
	uint32_t max_check_failures, rise, check_timeout_ms, check_interval_s;
};
struct health_params health_params(const struct server *) NONNULL;
void health_set_params(struct server *, const struct health_params *) NONNULL;
/* health_query writes the probe; length, or -ENOBUFS.  |name|, |qtype|, |qclass| as configured or as its check
 * function said. */
ssize_t health_query(const struct server *, uint8_t *out, size_t cap, uint16_t id, const struct name *, unsigned qtype,
	unsigned qclass) WUNUSED NONNULL;
/* health_answer_ok: is |reply| a good answer to |query|?  Counts what is wrong with it. */
bool health_answer_ok(struct server *, const uint8_t *query, size_t query_len, const uint8_t *reply, size_t len) NONNULL;

/* ---- pools and policies ---- */
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
