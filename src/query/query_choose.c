/* query_choose.c: which backend a query goes to, and what becomes of it when none is fine. */
#include "health.h"
#include "query_priv.h"

static struct server *choose(struct query *q)
{
	struct core *core = q->core;
	const struct conf *conf = q->hold->conf;
	const struct policy *policy = q->pool->policy ? q->pool->policy : conf->policy;
	struct choose c = {
		.name_hash = q->dq.question->hash,
		.lower = q->dq.question->lower,
		.lower_len = q->dq.question->len,
		.now_ms = core->now_ms,
		.rng = &core->rng,
		.dq = &q->dq,
		.tried = query_tried,
		.perturbation = conf->set.perturbation ? conf->set.perturbation : core->perturbation,
		.weighted_factor = conf->set.weighted_factor,
		.hash_factor = conf->set.hash_factor,
		.roundrobin_fail = conf->set.roundrobin_fail,
		.turn = &core->turn,
	};

	return q->pool->n ? policy->choose(policy, q->pool, &c) : NULL;
}

/* ask_aside sends a copy of the query to |s|, for its own sake: to learn whether it is back. */
static void ask_aside(struct query *q, struct server *s)
{
	bool idle = atomic_load_explicit(&s->outstanding, memory_order_relaxed) == 0;
	struct query *copy = idle && !is_xfr(q) ? query_clone(q) : NULL;

	if (!copy)
		return;
	copy->ask_has_opt = dq_edns(&q->dq)->present;
	copy->dq.backend = s;
	copy->over_stream = server_streams(s);
	copy->resort = true;
	if (query_send(copy, s) < 0)
		query_end(copy);
	else
		stat_inc(q->core->counters, COUNTER_LAST_RESORT);
}

/* may_answer: it is not known to be down. */
static bool may_answer(const struct server *s)
{
	return server_up(s) || !health_decided(s);
}

/* no_server: no backend is fine.  Those that are not are asked all the same: nothing waits for the next check.  Where
 * SERVFAIL is wanted, one that is known to be down is asked aside; one that is up, but suspect, may yet answer. */
static enum step no_server(struct query *q)
{
	struct server *last = q->pool ? pool_last_resort(q->pool, &q->core->resort, &q->dq, query_tried) : NULL;
	unsigned hit;
	ssize_t n = query_look_expired(q, &hit);

	if (last && n <= 0 && (!settings(q)->servfail_no_server || may_answer(last))) {
		if (last == q->dq.backend && q->tries && q->core->now_us - q->sent_us < 500000)
			return query_give_up(q, true); /* it was asked just now */
		q->dq.backend = last;
		q->resort = true;
		return S_FORWARD;
	}
	if (q->nobody && q->resort)
		return end_drop(q, REASON_NONE); /* it was such a copy, and has found out */
	if (last)
		ask_aside(q, last);
	if (n > 0)
		return query_found_expired(q, (size_t)n, hit);
	if (!settings(q)->servfail_no_server)
		return end_drop(q, REASON_NO_SERVER);
	stat_reason(q->core->counters, REASON_NO_SERVER);
	return query_answer_rcode(q, RCODE_SERVFAIL);
}

/* instead: another backend than the one that just lost the query; NULL: there is none, and the query ends. */
static struct server *instead(struct query *q)
{
	struct server *s = query_rival(q);

	q->resort = false;
	if (s)
		return s;
	s = pool_last_resort(q->pool, &q->core->resort, &q->dq, query_tried);
	if (!s || s == q->dq.backend || (settings(q)->servfail_no_server && !may_answer(s)))
		return NULL;
	q->resort = true;
	return s;
}

enum step step_choose(struct query *q)
{
	struct server *s = q->pool ? choose(q) : NULL;

	if (q->barred && s == q->dq.backend) {
		s = instead(q);
		if (!s)
			return query_give_up(q, true);
	} else if (s) {
		q->resort = false;
	}
	q->barred = false;
	if (!s)
		return no_server(q);
	q->dq.backend = s;
	return S_FORWARD;
}
