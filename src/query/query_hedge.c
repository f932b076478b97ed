/* query_hedge.c: a backend that is slow to answer gets a rival: after a while the query goes to a second one of its
 * pool, and the first answer counts (setHedging).  A share of the queries at most, so that a slow day is not made twice
 * as busy. */
#include "query_priv.h"

enum { COST = 100 };

uint64_t query_hedge_at(const struct query *q)
{
	struct core *core = q->core;
	const struct settings *set = settings(q);

	if (set->hedge_delay_ms == 0 || q->relay || q->hedged || q->xfr || !q->pool || q->pool->n < 2)
		return UINT64_MAX;
	core->hedge_credit += core->hedge_credit < HEDGE_CREDIT ? set->hedge_percent : 0;
	return core->now_ms + set->hedge_delay_ms;
}

bool query_tried(const struct dq *dq, const struct server *s)
{
	return dq_tag(dq, s->id) != NULL;
}

struct server *query_rival(const struct query *q)
{
	struct server *best = NULL;
	uint32_t least = UINT32_MAX;

	for (size_t i = 0; i < q->pool->n; i++) {
		struct server *s = q->pool->servers[i];
		uint32_t load = atomic_load_explicit(&s->outstanding, memory_order_relaxed);

		if (s != q->dq.backend && load < least && server_can_accept(s, false, q->core->now_ms) &&
			!query_tried(&q->dq, s)) {
			best = s;
			least = load;
		}
	}
	return best;
}

/* The client of the rival's query is the query that waits: |conn|. */
static void hedge_answer(struct client *c, const uint8_t *msg, size_t len)
{
	struct query *q = c->conn, *relay = query_of(c);

	q->hedge = NULL;
	q->back->ops->cancel(q->back, q);
	query_stop_waiting(q);
	stat_inc(q->core->counters, COUNTER_HEDGES_WON);
	q->dq.backend = relay->dq.backend;
	q->back = relay->back;
	q->over_stream = relay->over_stream;
	q->sent_us = relay->sent_us;
	query_reply(q, msg, len);
}

static void hedge_drop(struct client *c, enum reason why)
{
	struct query *q = c->conn;

	(void)why; /* the first backend may still answer, and has a deadline */
	q->hedge = NULL;
}

static const struct client_ops hedge_client = {hedge_answer, hedge_drop, NULL, NULL};

void query_hedge(struct query *q)
{
	struct core *core = q->core;
	struct server *s = core->hedge_credit >= COST ? query_rival(q) : NULL;
	struct client c = {.ops = &hedge_client, .conn = q, .stream = q->client.stream, .proto = q->client.proto,
		.remote = q->client.remote, .local = q->client.local};

	if (!s)
		return;
	core->hedge_credit -= COST;
	q->hedged = true;
	q->hedge = query_relay(core, &c, s, server_streams(s) || q->over_stream, q->ask, q->ask_len);
	if (q->hedge) {
		atomic_fetch_add_explicit(&s->queries, 1, memory_order_relaxed);
		stat_inc(core->counters, COUNTER_HEDGES);
	}
}
