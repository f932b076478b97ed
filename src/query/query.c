/* query.c: the life of a query, top to bottom.
 *
 * Each step is one function and returns the next.  A query runs from S_ADMIT in the core's scratch place; S_FORWARD
 * parks it; the reply brings it back at S_RESTORE.  Steps that end it return S_WAIT or S_DONE, and the query must not
 * be touched after that. */
#include "query_priv.h"

enum step query_answer_rcode(struct query *q, unsigned rcode)
{
	if (dq_answer_rcode(&q->dq, rcode, NULL) < 0)
		return end_drop(q, REASON_QUERY_MALFORMED);
	q->self = true;
	return S_FINISH;
}

/* admit_empty answers a query without a question: a bare header. */
static enum step admit_empty(struct query *q)
{
	if (settings(q)->drop_empty)
		return end_drop(q, REASON_QUERY_EMPTY);
	stat_inc(q->core->counters, COUNTER_EMPTY_QUERIES);
	q->dq.len = DNS_HEADER;
	memset(q->dq.msg + 4, 0, 8);
	dns_set_flags(q->dq.msg, DNS_QR | (q->dq.ask_flags & (DNS_OPCODE | DNS_RD)) | RCODE_NOTIMP);
	q->dq.question->len = 1;
	q->dq.question->lower[0] = 0;
	q->dq.ask_name[0] = 0;
	q->dq.question->qtype = q->dq.question->qclass = 0;
	q->client_size = DNS_UDP_MIN;
	q->self = true;
	return S_FINISH;
}

/* refuse answers FORMERR to a query whose first question could be read. */
static enum step refuse(struct query *q, enum reason why)
{
	struct dq *dq = &q->dq;

	stat_reason(q->core->counters, why);
	q->client_size = DNS_UDP_MIN;
	memcpy(dq->ask_name, dq->msg + DNS_HEADER, dq->question->len);
	dq->len = dq->question->end; /* nothing after it counts */
	memset(dq->msg + 6, 0, 6);
	dns_set_count(dq->msg, SECTION_QUESTION, 1);
	return query_answer_rcode(q, RCODE_FORMERR);
}

/* ---- ACL, header, question ---- */
static bool acl_allows(struct query *q, const struct conf *conf)
{
	const struct addr *from = &q->client.remote;
	struct addr *last = &q->core->acl_client;

	if (q->client.inner && !conf->set.proxy_acl_inner)
		return true;
	if (from->family == last->family && memcmp(from->ip, last->ip, sizeof(from->ip)) == 0)
		return true;
	if (!netset_match(conf->acl, from))
		return false;
	*last = *from;
	return true;
}

static enum step step_admit(struct query *q)
{
	struct dq *dq = &q->dq;
	struct counters *c = q->core->counters;
	const struct conf *conf = q->hold->conf;
	unsigned questions;

	if (!acl_allows(q, conf))
		return end_drop(q, REASON_ACL);
	stat_inc(c, COUNTER_QUERIES);
	if (dq->len < DNS_HEADER)
		return end_drop(q, REASON_QUERY_SHORT);
	q->ask_id = dns_id(dq->msg);
	dq->ask_flags = dns_flags(dq->msg);
	if (dq->ask_flags & DNS_QR)
		return end_drop(q, REASON_QUERY_IS_ANSWER);
	if (dq->ask_flags & DNS_TC)
		return end_drop(q, REASON_QUERY_TRUNCATED);
	questions = dns_count(dq->msg, SECTION_QUESTION);
	if (questions == 0)
		return admit_empty(q);
	if (question_parse(dq->question, dq->msg, dq->len) < 0)
		return end_drop(q, REASON_QUERY_MALFORMED);
	if (questions > 1) /* RFC 9619 */
		return refuse(q, REASON_QUERY_MANY);
	if (!dns_bare(dq->msg) && edns_find(&dq->ask_edns, dq->msg, dq->len) < 0)
		return refuse(q, REASON_QUERY_MALFORMED); /* RFC 6891 6.1.1: two OPTs */
	dq->edns = dq->ask_edns;
	dq->edns_known = true;
	dq->had_edns = dq->ask_edns.present;
	copy_short(dq->ask_name, dq->msg + DNS_HEADER, dq->question->len);
	q->client_size = dq->had_edns && dq->ask_edns.payload > DNS_UDP_MIN ? dq->ask_edns.payload : DNS_UDP_MIN;
	dq->payload_size = conf->set.payload_self;
	dq->ecs_override = conf->set.ecs_override;
	dq->ecs_bits4 = (uint8_t)conf->set.ecs_bits4;
	dq->ecs_bits6 = (uint8_t)conf->set.ecs_bits6;
	if (dq->ask_flags & DNS_RD)
		stat_inc(c, COUNTER_RDQUERIES);
	return S_RECORD;
}

/* ---- the query ring ---- */
static enum step step_record(struct query *q)
{
	struct core *core = q->core;
	const struct settings *set = settings(q);

	if (core->query_ring && (set->ring_sampling < 2 || ++core->sample % set->ring_sampling == 0))
		ring_put(core->query_ring, core->wall_ms, &q->client.remote, NULL, 0, q->dq.ask_name,
			q->dq.question->len, q->dq.question->qtype, (uint16_t)q->dq.len, q->dq.ask_flags, 0,
			q->client.proto);
	return S_RULES;
}

/* rules_ended turns what a query chain decided into the next step. */
static enum step rules_ended(struct query *q, enum act act, enum step go_on)
{
	struct counters *c = q->core->counters;

	switch (act) {
	case ACT_NEXT:
	case ACT_ALLOW:
	case ACT_POOL:
		if (!(dns_flags(q->dq.msg) & DNS_QR))
			return go_on;
		query_drop_own_opt(q); /* a rule's own code made it an answer */
		break;
	case ACT_DROP:
		return end_drop(q, REASON_RULE_DROP);
	case ACT_RCODE:
		switch (dns_rcode(q->dq.msg)) {
		case RCODE_NXDOMAIN:
			stat_inc(c, COUNTER_RULE_NXDOMAIN);
			break;
		case RCODE_REFUSED:
			stat_inc(c, COUNTER_RULE_REFUSED);
			break;
		case RCODE_SERVFAIL:
			stat_inc(c, COUNTER_RULE_SERVFAIL);
			break;
		default:
			break;
		}
		break;
	case ACT_TRUNCATE:
		if (q->client.stream) /* a stream carries answers of any size */
			return go_on;
		stat_inc(c, COUNTER_RULE_TRUNCATED);
		break;
	case ACT_ANSWER:
		query_drop_own_opt(q);
		break;
	case ACT_ERROR:
		stat_reason(c, REASON_RULE_ERROR);
		if (dq_answer_rcode(&q->dq, RCODE_SERVFAIL, NULL) < 0)
			return end_drop(q, REASON_RULE_ERROR);
		break;
	}
	q->self = true;
	return S_SELF_RULES;
}

static inline enum step rules_said(struct query *q, enum act act, enum step go_on)
{
	return act == ACT_NEXT && !(dns_flags(q->dq.msg) & DNS_QR) ? go_on : rules_ended(q, act, go_on);
}

static enum step step_rules(struct query *q)
{
	if (q->client.proto >= PROTO_DOH && is_xfr(q))
		return query_answer_rcode(q, RCODE_NOTIMP);
	return rules_said(q, chain_run(&q->hold->conf->chain[CHAIN_QUERY], &q->dq), S_LOOKUP);
}

/* ---- the packet cache ---- */
/* found puts a cached answer in place of the query. */
static enum step found(struct query *q, size_t len, unsigned hit)
{
	struct query *refresh = hit & CACHE_REFRESH ? query_clone(q) : NULL;
	struct dq *dq = &q->dq;

	dq->msg = q->core->reply;
	dq->len = len;
	dq->cap = QUERY_BUF;
	query_restore_header(q);
	dq->from_cache = true;
	dq->stale_hit = hit & CACHE_STALE;
	stat_inc(q->core->counters, COUNTER_CACHE_HITS);
	if (dq->stale_hit)
		stat_inc(q->core->counters, COUNTER_CACHE_STALE_HITS);
	if (refresh) {
		stat_inc(q->core->counters, COUNTER_CACHE_PREFETCHES);
		refresh->dq.msg = refresh->ask;
		refresh->dq.len = refresh->ask_len;
		refresh->dq.cap = refresh->ask_cap;
		query_fail(refresh, REASON_NONE); /* starts it at S_CHOOSE */
	}
	return S_HIT_RULES;
}

static inline ssize_t look(struct query *q, unsigned stale_s, unsigned *hit_r)
{
	*hit_r = 0;
	return cache_get(q->pool->cache, &q->key, q->dq.ask_name, q->core->reply, QUERY_BUF, q->core->now_ms, stale_s,
		hit_r);
}

ssize_t query_look_expired(struct query *q, unsigned *hit_r)
{
	*hit_r = 0;
	return q->has_key && !q->nobody && settings(q)->stale_s ? look(q, settings(q)->stale_s, hit_r) : 0;
}

enum step query_found_expired(struct query *q, size_t len, unsigned hit)
{
	return found(q, len, hit & ~(unsigned)CACHE_REFRESH);
}

static inline bool make_key(struct query *q)
{
	q->has_key = cache_key_make(&q->key, cache_options(q->pool->cache), q->dq.msg, q->dq.len, q->dq.question,
			     dq_edns(&q->dq), q->client.stream && q->client.proto != PROTO_DOH) == 0;
	if (q->has_key && !q->dq.had_edns && dq_edns(&q->dq)->present) /* its answer will have no OPT */
		q->key.hash = hash_mix(q->key.hash, 1, 1);
	return q->has_key;
}

static enum step step_lookup(struct query *q)
{
	struct dq *dq = &q->dq;
	unsigned hit = 0;
	bool cached, ecs;
	ssize_t n;

	q->pool = conf_pool(q->hold->conf, dq->pool);
	cached = q->pool && q->pool->cache && !dq->skip_cache && !is_xfr(q);
	ecs = query_wants_ecs(q) && !is_xfr(q); /* parts of a transfer go as they come: nothing is taken out of them */
	if (ecs) {
		q->zero_scope = cached && query_wants_zero_scope(q) && make_key(q);
		q->plain_hash = q->key.hash;
		if (q->zero_scope && (n = look(q, 0, &hit)) > 0)
			return found(q, (size_t)n, hit & ~(unsigned)CACHE_REFRESH);
		if (query_add_ecs(q) < 0)
			return end_drop(q, REASON_QUERY_TOO_LARGE);
	}
	q->has_key = false;
	if (!cached || !make_key(q))
		return S_MISS_RULES;
	n = look(q, 0, &hit);
	if (n > 0)
		return found(q, (size_t)n, hit);
	stat_inc(q->core->counters, COUNTER_CACHE_MISSES);
	return S_MISS_RULES;
}

static enum step step_hit_rules(struct query *q)
{
	q->dq.is_response = true;
	if (chain_run(&q->hold->conf->chain[CHAIN_CACHE_HIT], &q->dq) == ACT_DROP)
		return end_drop(q, REASON_RESPONSE_RULE_DROP);
	return S_FINISH;
}

static enum step step_self_rules(struct query *q)
{
	stat_inc(q->core->counters, COUNTER_SELF_ANSWERED);
	q->dq.is_response = true;
	dq_changed(&q->dq);
	if (chain_run(&q->hold->conf->chain[CHAIN_SELF_ANSWERED], &q->dq) == ACT_DROP)
		return end_drop(q, REASON_RESPONSE_RULE_DROP);
	return S_FINISH;
}

static enum step step_miss_rules(struct query *q)
{
	const char *pool = q->dq.pool;
	enum act act = chain_run(&q->hold->conf->chain[CHAIN_CACHE_MISS], &q->dq);

	if (q->dq.pool != pool) {
		const struct pool *was = q->pool;

		q->pool = conf_pool(q->hold->conf, q->dq.pool);
		if (!q->pool || !was || q->pool->cache != was->cache)
			q->has_key = false; /* the key is one of the cache that was looked at */
	}
	return rules_said(q, act, S_CHOOSE);
}

/* ---- on the way to a backend ---- */
enum reason query_why_not(int err)
{
	switch (err) {
	case -EAGAIN:
		return REASON_IDS_EXHAUSTED;
	case -ENETUNREACH:
	case -EHOSTUNREACH:
	case -ENETDOWN:
	case -EADDRNOTAVAIL:
		return REASON_NO_ROUTE;
	case -ETIME:
		return REASON_TIMEOUT;
	default:
		return REASON_SEND_ERROR;
	}
}

/* forward parks the query and hands it to the backend's way out. */
static enum step step_forward(struct query *q)
{
	struct core *core = q->core;
	struct server *server = q->dq.backend;
	enum reason why;
	struct query *p = query_park(q, &why);
	int err;

	if (!p) {
		if (!q->client.stream)
			return end_drop(q, why);
		stat_reason(core->counters, why);
		return query_answer_rcode(q, RCODE_SERVFAIL);
	}
	p->ask_has_opt = dq_edns(&q->dq)->present;
	p->xfr = is_xfr(p) && p->client.stream;
	p->over_stream = server_streams(server) || (p->client.stream && p->client.proto != PROTO_DOH) || p->tc_retried;
	err = query_send(p, server);
	if (err == 0 && p->resort)
		stat_inc(core->counters, COUNTER_LAST_RESORT);
	if (err < 0) {
		if (err != -ETIME)
			atomic_fetch_add_explicit(&server->send_errors, 1, memory_order_relaxed);
		query_fail(p, query_why_not(err));
	}
	return S_WAIT;
}

/* ---- the reply: the client's id, flags and case come back, what we added goes ---- */
static enum step step_restore(struct query *q)
{
	struct dq *dq = &q->dq;

	query_restore_header(q);
	if (settings(q)->fixup_case && dns_count(dq->msg, SECTION_QUESTION) == 1)
		memcpy(dq->msg + DNS_HEADER, dq->ask_name, dq->question->len);
	if (q->added_ecs)
		query_read_scope(q);
	if (query_strip_edns(q) < 0) {
		query_fail(q, REASON_REPLY_MALFORMED);
		return S_WAIT;
	}
	if ((dns_flags(dq->msg) & DNS_TC) && settings(q)->truncate_tc && msg_truncate(dq->msg, &dq->len) == 0)
		dq_changed(dq);
	return S_REPLY_RULES;
}

static enum step step_reply_rules(struct query *q)
{
	struct dq *dq = &q->dq;
	enum act act;

	dq->is_response = true;
	act = chain_run(&q->hold->conf->chain[q->xfr ? CHAIN_XFR : CHAIN_RESPONSE], dq);
	if (query_may_restart(q))
		return query_restart(q);
	if (act == ACT_DROP)
		return end_drop(q, REASON_RESPONSE_RULE_DROP);
	if (act == ACT_TRUNCATE && !q->client.stream && msg_truncate(dq->msg, &dq->len) == 0)
		dq_changed(dq);
	return S_STORE;
}

static enum step step_store(struct query *q)
{
	struct dq *dq = &q->dq;
	const struct pool *pool = q->pool;

	if (q->has_key && !dq->skip_cache && !q->xfr && pool->cache) {
		struct cache_key key = q->key;

		if (q->scope_zero) {
			key.hash = q->plain_hash;
			key.ecs.net.family = 0;
		}
		if (cache_put(pool->cache, &key, dq->msg, dq->len, q->core->now_ms, dq->temp_failure_ttl) > 0 &&
			q->hold->conf->chain[CHAIN_CACHE_INSERTED].n)
			if (chain_run(&q->hold->conf->chain[CHAIN_CACHE_INSERTED], dq) == ACT_DROP)
				return end_drop(q, REASON_RESPONSE_RULE_DROP);
	}
	return S_FINISH;
}

/* ---- the answer leaves: TTL cap, OPT, extended errors, size, counters, ring ---- */
static void count_answer(struct query *q)
{
	struct core *core = q->core;
	struct counters *c = core->counters;
	struct dq *dq = &q->dq;
	bool forwarded = !q->self && !dq->from_cache;
	struct addr from;
	uint64_t us = forwarded ? core->now_us - dq->born_us : 0;

	stat_inc(c, COUNTER_RESPONSES);
	switch (dns_rcode(dq->msg)) {
	case RCODE_NOERROR:
		stat_inc(c, COUNTER_FRONTEND_NOERROR);
		break;
	case RCODE_NXDOMAIN:
		stat_inc(c, COUNTER_FRONTEND_NXDOMAIN);
		break;
	case RCODE_SERVFAIL:
		stat_inc(c, COUNTER_FRONTEND_SERVFAIL);
		break;
	default:
		break;
	}
	stat_latency(c, q->client.proto, us);
	if (core->reply_ring)
		ring_put(core->reply_ring, core->wall_ms, &q->client.remote, forwarded ? server_addr(dq->backend, &from) : NULL,
			(uint32_t)us, dq->ask_name, dq->question->len, dq->question->qtype, (uint16_t)dq->len,
			dns_flags(dq->msg), dns_count(dq->msg, SECTION_ANSWER), q->client.proto);
}

/* dress adds what an answer shows only to this client. */
static int dress(struct query *q)
{
	struct dq *dq = &q->dq;
	int err = 0;

	if (q->self && dq->had_edns && settings(q)->edns_self && !dq_edns(dq)->present)
		err = edns_add(dq->msg, &dq->len, dq->cap, settings(q)->payload_self, dq->ask_edns.flags & EDNS_DO,
			dq->ext_rcode);
	if (err == 0 && dq->max_returned_ttl != UINT32_MAX)
		err = msg_limit_ttls(dq->msg, dq->len, 0, dq->max_returned_ttl, NULL, 0);
	for (unsigned i = 0; err == 0 && dq->had_edns && i < dq->edes; i++) {
		uint8_t data[512];
		size_t n = ede_build(data, sizeof(data), dq->ede[i].code, dq->ede[i].text ? dq->ede[i].text : "");

		err = edns_set_option(dq->msg, &dq->len, dq->cap, settings(q)->payload_self, EDNS_EDE, data, n, false);
	}
	return err;
}

static enum step step_finish(struct query *q)
{
	struct dq *dq = &q->dq;

	if (q->nobody) {
		query_end(q);
		return S_DONE;
	}
	put16(dq->msg, q->ask_id);
	if ((q->self || dq->edes || dq->max_returned_ttl != UINT32_MAX) && dress(q) < 0)
		return end_drop(q, REASON_REPLY_MALFORMED);
	if (!q->client.stream && dq->len > q->client_size && msg_truncate(dq->msg, &dq->len) < 0)
		return end_drop(q, REASON_TRUNCATE_FAILED);
	count_answer(q);
	if (unlikely(dq->delay_ms) && !q->client.stream)
		query_delay(q, dq->delay_ms);
	else
		query_answer(q);
	return S_DONE;
}

/* ---- the steps, and the one loop ----
 * Most steps lead to one further down.  The compiler sees where each can lead, and goes there without asking. */
void query_run(struct query *q, enum step s)
{
	while (s < S_WAIT) {
#define STEP(id, f) \
	if (s == id) \
		s = step_##f(q)
		STEP(S_ADMIT, admit);             /* drop, answer */
		STEP(S_RECORD, record);
		STEP(S_RULES, rules);             /* drop, answer, delay, pool */
		STEP(S_LOOKUP, lookup);           /* answer */
		STEP(S_MISS_RULES, miss_rules);   /* drop, answer, pool */
		STEP(S_CHOOSE, choose);           /* stale answer, SERVFAIL, drop */
		STEP(S_FORWARD, forward);         /* waits */
		STEP(S_RESTORE, restore);
		STEP(S_REPLY_RULES, reply_rules); /* drop, delay, restart */
		STEP(S_STORE, store);
		STEP(S_HIT_RULES, hit_rules);     /* drop */
		STEP(S_SELF_RULES, self_rules);   /* drop */
		STEP(S_FINISH, finish);           /* done */
#undef STEP
	}
}

void query_start(struct core *core, struct client *client, const uint8_t *msg, size_t len)
{
	must(!core->busy && len <= DNS_MAX);
	core->busy = true;
	query_run(query_init(core, client, msg, len), S_ADMIT);
	core->busy = false;
}
