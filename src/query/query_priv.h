/* query_priv.h: what the files of this room share. */
#ifndef QUERY_PRIV_H
#define QUERY_PRIV_H

#include "query.h"

/* The steps, in the order of src/query/query.c. */
enum step {
	S_ADMIT, S_RECORD, S_RULES, S_LOOKUP, S_MISS_RULES, S_CHOOSE, S_FORWARD, /* on the way out */
	S_RESTORE, S_REPLY_RULES, S_STORE,                                       /* the reply */
	S_HIT_RULES, S_SELF_RULES,                                               /* answers that cost no backend */
	S_FINISH, S_WAIT, S_DONE
};

static inline const struct settings *settings(const struct query *q)
{
	return &q->hold->conf->set;
}
static inline bool is_xfr(const struct query *q)
{
	return q->dq.question->qtype == QTYPE_AXFR || q->dq.question->qtype == QTYPE_IXFR;
}

/* query.c */
void query_run(struct query *, enum step from);
/* query_answer_rcode turns the message into an answer of our own that is only an rcode. */
enum step query_answer_rcode(struct query *, unsigned rcode);

/* query_send hands a parked query to |server|'s way out and arms its deadline; 0 or -E…. */
int query_send(struct query *, struct server *) WUNUSED;
enum reason query_why_not(int err); /* of query_send() */
/* query_look_expired: bytes of an answer whose TTL is over, where that is wanted; query_found_expired makes it the answer. */
ssize_t query_look_expired(struct query *, unsigned *hit_r);
enum step query_found_expired(struct query *, size_t len, unsigned hit);

/* query_choose.c: S_CHOOSE */
enum step step_choose(struct query *);

/* query_edns.c */
bool query_wants_ecs(const struct query *);
bool query_wants_zero_scope(const struct query *); /* may the cache be keyed without the subnet? */
int query_add_ecs(struct query *) WUNUSED;
void query_read_scope(struct query *); /* of a reply */
int query_strip_edns(struct query *) WUNUSED; /* from a reply: an OPT nobody asked for, or our subnet only */
void query_drop_own_opt(struct query *);

/* query_reply.c */
void query_restore_header(struct query *); /* of a reply: the client's id, RD and CD */
/* query_may_restart: a rule asked for it, and nothing of a transfer has been seen yet. */
static inline bool query_may_restart(const struct query *q)
{
	return q->dq.restart && q->soas == 0 && q->dq.restarts < UINT8_MAX;
}
/* query_restart sends the query through the rules again, as it left them. */
enum step query_restart(struct query *);
/* query_fail: the backend did not take or lost the query.  Others may be tried; else SERVFAIL or silence.
 * REASON_NONE starts a query at S_CHOOSE that has not been sent yet. */
void query_fail(struct query *, enum reason);
/* query_give_up ends a query that no backend answered.  Silence is for those who may still hope: where it is known that
 * there is no way, |tell|, it is kinder to say so at once. */
enum step query_give_up(struct query *, bool tell);
void query_timeout(struct wheel_node *, uint64_t now_ms); /* the deadline of a query that waits */
void query_stop_waiting(struct query *); /* the backend is done with it; a hedge ends */

enum { HEDGE_CREDIT = 1000 }; /* most that is saved up: ten hedges */
/* query_hedge.c: a second backend is asked when the first is slow (setHedging) */
/* query_hedge_at: when to do so, ms; UINT64_MAX never.  query_hedge does it. */
uint64_t query_hedge_at(const struct query *);
void query_hedge(struct query *);
/* query_rival: the least busy one that is fine, of whatever order, but not |dq.backend| nor one tried; NULL: none. */
struct server *query_rival(const struct query *);
bool query_tried(const struct dq *, const struct server *); /* orderedWrandUntag's mark: it was sent there before */

/* query_state.c */
/* query_init makes the core's scratch place a new query of |client|; the message is in core->work. */
struct query *query_init(struct core *, const struct client *, const uint8_t *msg, size_t len);
/* query_park moves a scratch query to a block of its own, with its message; returns it, or NULL (memory, or the cap
 * is reached: |*why_r| says which).  A parked query is returned as it is, its message stored again. */
struct query *query_park(struct query *, enum reason *why_r);
/* query_clone makes a parked copy that nobody waits for; NULL when memory is out. */
struct query *query_clone(struct query *);
/* query_end frees what the query holds; a parked one is gone afterwards. */
void query_end(struct query *);
/* query_answer and query_drop tell the client, once, and end the query. */
void query_answer(struct query *);
void query_drop(struct query *, enum reason);
static inline enum step end_drop(struct query *q, enum reason why)
{
	query_drop(q, why);
	return S_DONE;
}
void query_delay(struct query *, uint32_t ms); /* answers later; ends or parks the query */
/* query_wait_at arms the query's deadline; |fire| runs when it passes. */
void query_wait_at(struct query *, uint64_t at_ms, void (*fire)(struct wheel_node *, uint64_t));

#endif
