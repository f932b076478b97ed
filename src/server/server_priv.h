/* server_priv.h: what the files of server/ share. */
#ifndef SERVER_SERVER_PRIV_H
#define SERVER_SERVER_PRIV_H

#include "server.h"

/* ---- bucket.c ---- */
void spin_lock(atomic_flag *) NONNULL;
static inline void spin_unlock(atomic_flag *lock)
{
	atomic_flag_clear_explicit(lock, memory_order_release);
}
void bucket_set(struct token_bucket *, double rate, double burst) NONNULL; /* of a bucket in use */

/* ---- server_addr.c ---- */
/* address_set reads conf.address and writes it again in its one form, with the port; a stamp sets other keys, too.
 * 0, -EINVAL or -ENOMEM with a sentence. */
int address_set(struct server *, const char **error_r) WUNUSED NONNULL;
void address_free(struct server *) NONNULL;
bool is_host_name(const char *, size_t len) NONNULL;
/* server_mutable: the lock inside a server is no part of its value. */
static inline struct server *server_mutable(const struct server *s)
{
	union {
		const struct server *in;
		struct server *out;
	} u = {.in = s};

	return u.out;
}

/* ---- health.c ---- */
int health_new(struct server *) WUNUSED NONNULL; /* after |conf|; 0 or -ENOMEM */
void health_free(struct server *) NONNULL;

/* ---- policy_hash.c ----
 * Points of a server on the ring of chashed.  Readers hold no lock: a block is rewritten in place (a reader that
 * sees a mix of old and new points still chooses a server) and stays allocated as long as its server; blocks grow
 * by doubling, so that all that were outgrown are together smaller than the one in use. */
struct server_points {
	struct server_points *older;
	uint32_t cap;
	_Atomic uint32_t n;
	_Atomic uint32_t v[];
};
enum { SERVER_POINTS_MAX = 65536 }; /* larger weights count as this one */
int points_set(struct server *, uint32_t weight) WUNUSED NONNULL; /* 0 or -ENOMEM: as before */
void points_free(struct server *) NONNULL;

/* ---- policy.c: which servers a policy may take ---- */
struct eligible {
	double bound;                /* most outstanding queries per unit of weight; 0: no bound */
	bool by_order;               /* only servers of |order| */
	uint32_t order;
	const struct choose *untried; /* only servers not tried in this query; NULL: all */
};
static inline uint32_t server_load(const struct server *s)
{
	return atomic_load_explicit(&s->outstanding, memory_order_relaxed);
}
static inline uint32_t server_weight(const struct server *s)
{
	return atomic_load_explicit(&s->weight, memory_order_relaxed);
}
static inline uint32_t server_order(const struct server *s)
{
	return atomic_load_explicit(&s->order, memory_order_relaxed);
}
/* server_usable: up, not suspect, and below its most outstanding queries. */
static inline bool server_usable(const struct server *s)
{
	return (atomic_load_explicit(&s->state, memory_order_relaxed) & (SERVER_UP | SERVER_SUSPECT)) == SERVER_UP &&
	       (s->conf.max_outstanding == 0 || server_load(s) < s->conf.max_outstanding);
}
bool eligible(const struct eligible *, const struct server *) NONNULL;
/* load_bound: for a balancing factor, what eligible.bound must be; 0 when the factor is off. */
double load_bound(const struct pool *, double factor) NONNULL;
/* weight_sum adds the weights of the eligible servers (and drops a bound that leaves none); weight_pick finds the one
 * at |at| < sum. */
uint64_t weight_sum(const struct pool *, struct eligible *) NONNULL;
struct server *weight_pick(const struct pool *, const struct eligible *, uint64_t at) NONNULL;

extern const struct policy policy_whashed, policy_chashed;

#endif
