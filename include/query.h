/* query.h: the life of a query.  src/query/query.c is read from top to bottom.
 *
 * Each worker has one core.  A query is born in the core's scratch place and runs there; one that has to wait is
 * parked: moved to a block of its own.  No sockets, no Lua, no clock here: time is set by core_set_time(). */
#ifndef SHREWD_QUERY_H
#define SHREWD_QUERY_H

#include "conf.h"
#include "edge.h"
#include "map.h"
#include "mem.h"
#include "rule.h"
#include "stat.h"

/* A configuration as one worker holds it: queries in flight count here, without atomics. */
struct hold {
	struct conf *conf;
	unsigned queries;
	bool current;
};

struct query {
	uint32_t magic;
	bool parked;      /* in a block of its own */
	bool waiting;     /* |back| has it */
	bool nobody;      /* nobody waits for the answer: a refresh of the cache, or an orphan */
	bool over_stream; /* sent to the backend over a stream */
	bool ask_has_opt; /* the query as sent has an OPT */
	bool added_opt, added_ecs, had_ecs; /* what we put into the query and take out of the reply */
	bool has_key;     /* |key| is set */
	bool xfr;         /* AXFR or IXFR over a stream */
	bool tc_retried;
	bool relay;       /* another worker's query, or a hedge: only carried, see query_relay() */
	bool sole;        /* a relay: its pool has no other backend */
	bool others;      /* a relay: when it came another backend was fine, and it has not been to many */
	bool hedged;      /* a second backend was asked */
	bool resort;      /* sent to a backend that was not up: its silence is no news */
	bool barred;      /* |dq.backend| lost it at once: it is not the next one to ask */
	bool self;        /* |msg| is an answer of our own, not a backend's or the cache's */
	bool zero_scope;  /* the cache may be keyed without the client subnet */
	bool scope_zero;  /* and the reply said so */
	uint8_t tries;    /* times it was sent */
	uint8_t back_tries; /* the back's own: connections that died under it */
	uint8_t soas;     /* zone transfer: SOA records of its serial seen */
	uint8_t soas_need; /* how many of them end it */
	uint16_t back_id; /* id towards the backend, while waiting */
	uint16_t was_id;  /* with |was_slot| */
	uint16_t ask_id;
	uint16_t client_size; /* longest datagram the client takes */
	uint32_t block_size;
	uint32_t xfr_serial;
	struct core *core;
	struct hold *hold;
	const struct pool *pool;
	uint64_t plain_hash; /* key.hash before a client subnet was added */
	struct dq dq;
	/* from here on nothing is cleared at birth */
	struct client client;
	struct cache_key key;         /* with |has_key| */
	uint64_t sent_us;
	uint64_t end_ms;              /* of this attempt */
	uint64_t deadline_ms;         /* of the query: over streams it does not move; 0 not set */
	struct query *hedge;          /* the relay that asks a second backend */
	struct back *back;            /* while waiting */
	void *back_slot;              /* the back's own: socket or connection it went out on */
	struct query *back_next, *back_prev, *back_chain; /* the back's own lists */
	void *was_slot;               /* the back's own: a connection that it moved from and that may still answer */
	struct query *was_next, *was_prev;
	struct query *all_next, *all_prev;   /* all parked queries of the core */
	struct wheel_node timer;
	uint8_t *ask;       /* parked: the query as it was sent, |ask_len| bytes, id not set */
	size_t ask_len, ask_cap;
	uint8_t *late;      /* delayed answer, or a query that outgrew its block */
	size_t late_len;
};
enum { QUERY_MAGIC = 0x71727921, QUERY_BLOCK = 1024, QUERY_BUF = DNS_MAX };
_Static_assert(sizeof(struct query) <= 880, "a waiting query fits its block with a usual message");

struct core {
	uint64_t now_ms, now_us; /* monotonic */
	uint64_t wall_ms;
	struct counters *counters;
	struct ring *query_ring, *reply_ring; /* or NULL */
	struct wheel *wheel;
	struct rng rng;
	struct hold *hold;
	const struct edge_ops *edge;
	void *worker;            /* the edge's own */
	struct freelist blocks;
	struct query *all;       /* parked queries */
	unsigned parked, parked_max; /* cap on them, and on their memory: so many blocks */
	uint64_t parked_bytes;
	uint32_t turn;           /* roundrobin */
	uint32_t sample;         /* ring sampling */
	uint32_t hedge_credit;   /* a hedge costs 100, each query that is forwarded brings its share */
	uint32_t resort;         /* whose turn it is when no backend is up */
	uint32_t perturbation;   /* of this process, when the configuration has none */
	bool busy;               /* a query runs in |scratch| */
	struct addr acl_client;  /* the client that the ACL let in last: most come again */
	struct query scratch;
	struct question question;
	uint8_t ask_name[NAME_WIRE + 1];
	uint8_t *work, *reply;   /* QUERY_BUF bytes each */
};

/* core_init: |wheel| and |counters| are borrowed.  0 or -ENOMEM.  core_done drops every parked query. */
int core_init(struct core *, struct wheel *, struct counters *, const struct edge_ops *, unsigned parked_max) WUNUSED;
void core_done(struct core *) NONNULL;
void core_tidy(struct core *) NONNULL; /* frees what it keeps for the next crowd of queries */
/* core_set_conf: queries that start from now on use |conf| (takes over the reference).  0 or -ENOMEM (kept the
 * old one, reference dropped). */
int core_set_conf(struct core *, struct conf *) WUNUSED NONNULL;
void core_set_time(struct core *, uint64_t now_us, uint64_t wall_ms) NONNULL;
static inline const struct conf *core_conf(const struct core *c)
{
	return c->hold->conf;
}

/* ---- the only ways in from an edge ---- */
/* query_client: where an edge may write the client that query_start() is given next: it is not copied then. */
static inline struct client *query_client(struct core *c)
{
	return &c->scratch.client;
}
/* query_start runs one message of a client until it is answered, dropped or waits.  |msg| is copied. */
void query_start(struct core *, struct client *, const uint8_t *msg, size_t len) NONNULL;
/* query_relay carries the query |msg| of another worker to |server|: no rules, no cache, no counting; the reply goes
 * to |client| as it came.  Calls drop at once when it cannot be sent, and returns NULL. */
struct query *query_relay(struct core *, struct client *, struct server *, bool stream, const uint8_t *msg, size_t len) NONNULL;
/* query_forget ends a relay whose reply nobody wants any more; its client is not told. */
void query_forget(struct query *relay) NONNULL;
/* query_matches: is |msg| the reply that |q| waits for?  Counts under its reason and remembers nothing if not. */
bool query_matches(struct query *, const uint8_t *msg, size_t len) NONNULL;
/* query_reply: the reply came (query_matches() said so, and the back has forgotten |q|). */
void query_reply(struct query *, const uint8_t *msg, size_t len) NONNULL;
/* query_is_last: is |msg| the last one that |q| waits for?  False only within zone transfers (RFC 5936, 1995): then
 * the back keeps |q| and hands the message to query_part(). */
bool query_is_last(struct query *, const uint8_t *msg, size_t len) NONNULL;
void query_part(struct query *, const uint8_t *msg, size_t len) NONNULL;
/* query_lost: no reply will come (the back has forgotten |q|). */
void query_lost(struct query *, enum reason) NONNULL;
/* query_orphan: the client of |c| left; the query finishes alone, its answer may still be cached. */
void query_orphan(struct client *c) NONNULL;
static inline struct query *query_of(struct client *c)
{
	return container_of(c, struct query, client);
}

#endif
