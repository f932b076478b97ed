/* query_reply.c: a query that waits: how it is sent, and what comes back: its reply, parts of a transfer, a loss, its
 * deadline. */
#include "health.h"
#include "query_priv.h"

/* Resolvers ask again after 5 s: an answer after that, over a datagram, has nobody who waits for it; those who ask over a
 * connection are a little more patient. */
enum { DATAGRAM_MS = 4950, STREAM_MS = 10000, USUAL_S = 30 };

/* deadline of an attempt: over a stream one for the whole query, whatever becomes of its connections. */
static uint64_t deadline(struct query *p, const struct server *server)
{
	uint64_t now_ms = p->core->now_ms, wait_ms = settings(p)->query_deadline_ms;

	if (p->deadline_ms == 0 && wait_ms)
		p->deadline_ms = p->dq.born_us / 1000 + wait_ms;
	if (p->over_stream) {
		wait_ms = 1000ull * server->conf.recv_timeout_s;
		if (!p->client.stream && wait_ms > DATAGRAM_MS)
			wait_ms = DATAGRAM_MS;
		else if (!p->xfr && server->conf.recv_timeout_s == USUAL_S)
			wait_ms = STREAM_MS; /* nobody has said how long */
		if (p->deadline_ms == 0)
			p->deadline_ms = now_ms + wait_ms;
		return p->deadline_ms;
	}
	wait_ms = 1000ull * (server->conf.udp_timeout_s ? server->conf.udp_timeout_s : settings(p)->udp_timeout_s);
	return p->deadline_ms && p->deadline_ms < now_ms + wait_ms ? p->deadline_ms : now_ms + wait_ms;
}

/* wait arms the timer for what comes first: asking a second backend, or the end. */
static void wait(struct query *q)
{
	uint64_t hedge_ms = query_hedge_at(q);

	query_wait_at(q, hedge_ms < q->end_ms ? hedge_ms : q->end_ms, query_timeout);
}

int query_send(struct query *p, struct server *server)
{
	struct core *core = p->core;
	struct back *back = core->edge->back(core, server, p->over_stream);
	int err;

	p->dq.msg = NULL; /* the message is |ask| now */
	p->back = back;
	p->sent_us = core->now_us;
	p->tries += p->tries < UINT8_MAX;
	p->back_tries = 0;
	p->end_ms = deadline(p, server);
	if (p->end_ms <= core->now_ms)
		return -ETIME;
	err = back ? back->ops->send(back, p) : -ENOMEM;
	if (err < 0)
		return err;
	p->waiting = true;
	if (!p->relay) {
		atomic_fetch_add_explicit(&server->queries, 1, memory_order_relaxed);
		atomic_fetch_add_explicit(&server->outstanding, 1, memory_order_relaxed);
	}
	wait(p);
	return 0;
}

bool query_matches(struct query *q, const uint8_t *msg, size_t len)
{
	struct counters *c = q->core->counters;
	enum reason why;

	MAGIC_CHECK(q, QUERY_MAGIC);
	if (len < DNS_HEADER)
		why = REASON_REPLY_SHORT;
	else if (!(dns_flags(msg) & DNS_QR))
		why = REASON_REPLY_NOT_ANSWER;
	else if (dns_count(msg, SECTION_QUESTION) == 0 &&
		 (settings(q)->allow_empty ||
			 (dns_rcode(msg) != RCODE_NOERROR && dns_rcode(msg) != RCODE_NXDOMAIN)))
		return true;
	else if (q->soas && dns_count(msg, SECTION_QUESTION) == 0)
		return true; /* later messages of a transfer need no question, RFC 5936 2.2.1 */
	else if (question_same(q->dq.question, msg, len))
		return true;
	else
		why = REASON_REPLY_QUESTION;
	stat_inc(c, COUNTER_RESPONSES);
	stat_reason(c, why);
	atomic_fetch_add_explicit(&q->back->server->noncompliant, 1, memory_order_relaxed);
	return false;
}

void query_stop_waiting(struct query *q)
{
	struct query *hedge = q->hedge;

	if (!q->waiting)
		return;
	q->waiting = false;
	wheel_disarm(q->core->wheel, &q->timer);
	if (!q->relay)
		atomic_fetch_sub_explicit(&q->dq.backend->outstanding, 1, memory_order_relaxed);
	q->hedge = NULL;
	if (hedge)
		query_forget(hedge);
}

/* take_reply copies the reply to where it may grow, and sets the query up to work on it. */
static void take_reply(struct query *q, const uint8_t *msg, size_t len)
{
	struct dq *dq = &q->dq;

	if (msg != q->core->reply) /* a hedge's reply is there already */
		memcpy(q->core->reply, msg, len);
	dq->msg = q->core->reply;
	dq->len = len;
	dq->cap = QUERY_BUF;
	dq->now_ms = q->core->now_ms;
	dq->now_us = q->core->now_us;
	dq_changed(dq);
}

void query_reply(struct query *q, const uint8_t *msg, size_t len)
{
	struct server *s = q->dq.backend;
	bool servfail = dns_rcode(msg) == RCODE_SERVFAIL;

	query_stop_waiting(q);
	if (q->relay) {
		take_reply(q, msg, len);
		query_answer(q);
		return;
	}
	atomic_fetch_add_explicit(&s->responses, 1, memory_order_relaxed);
	server_latency(s, (uint32_t)(q->core->now_us - q->sent_us), q->over_stream);
	health_outcome(s, false, servfail, q->core->now_ms);
	if (servfail)
		stat_inc(q->core->counters, COUNTER_SERVFAIL_RESPONSES);
	take_reply(q, msg, len);
	if ((dns_flags(msg) & DNS_TC) && !q->over_stream && !q->tc_retried &&
		(q->client.stream || settings(q)->tc_retry)) {
		q->tc_retried = true; /* ask again over a stream, where the whole answer fits */
		q->dq.msg = q->ask;
		q->dq.len = q->ask_len;
		query_run(q, S_FORWARD);
		return;
	}
	query_run(q, S_RESTORE);
}

/* count_soas walks one message of a transfer; returns how many answer records it has, or -EBADMSG. */
static int count_soas(struct query *q, const uint8_t *msg, size_t len)
{
	struct walk w;
	struct rr rr;
	int records = 0;

	if (walk_start(&w, msg, len) < 0)
		return -EBADMSG;
	while (walk_next(&w, &rr) == 1 && rr.section == SECTION_ANSWER) {
		uint32_t serial = 0;
		ssize_t at;

		records++;
		if (rr.type == QTYPE_SOA) {
			at = name_skip(msg, len, rr.rdata_at);
			at = at < 0 ? at : name_skip(msg, len, (size_t)at);
			if (at < 0 || (size_t)at + 4 > rr.end)
				return -EBADMSG;
			serial = get32(msg + at);
			if (q->soas == 0)
				q->xfr_serial = serial;
			if (serial == q->xfr_serial && q->soas < 4)
				q->soas++;
		}
		if (q->soas_need == 0 && (q->soas > 1 || records > 1)) /* the second record tells the style */
			q->soas_need = rr.type == QTYPE_SOA && serial != q->xfr_serial ? 3 : 2;
	}
	return records;
}

bool query_is_last(struct query *q, const uint8_t *msg, size_t len)
{
	bool first = q->soas == 0;
	int records;

	if (!q->xfr || dns_rcode(msg) != RCODE_NOERROR)
		return true;
	records = count_soas(q, msg, len);
	if (records <= 0 || q->soas == 0)
		return true; /* nothing, or not a transfer */
	if (first && records == 1 && q->dq.question->qtype == QTYPE_IXFR)
		return true; /* "up to date"; a server that sends the SOA alone first is not seen with IXFR */
	return q->soas_need && q->soas >= q->soas_need;
}

void query_restore_header(struct query *q)
{
	struct dq *dq = &q->dq;
	unsigned flags = dns_flags(dq->msg) & ~(unsigned)(DNS_RD | DNS_CD);

	put16(dq->msg, q->ask_id);
	dns_set_flags(dq->msg, flags | (dq->ask_flags & (DNS_RD | DNS_CD)));
	dq_changed(dq);
}

void query_part(struct query *q, const uint8_t *msg, size_t len)
{
	struct dq *dq = &q->dq;

	q->end_ms = q->core->now_ms + (uint64_t)dq->backend->conf.recv_timeout_s * 1000; /* of each part */
	wheel_arm(q->core->wheel, &q->timer, q->end_ms);
	if (q->relay) {
		q->client.ops->part(&q->client, msg, len);
		return;
	}
	take_reply(q, msg, len);
	query_restore_header(q);
	dq->is_response = true;
	if (chain_run(&q->hold->conf->chain[CHAIN_XFR], dq) == ACT_DROP) {
		stat_reason(q->core->counters, REASON_RESPONSE_RULE_DROP);
		return;
	}
	if (q->client.ops->part)
		q->client.ops->part(&q->client, dq->msg, dq->len);
}

/* ask_again makes the stored query the message under work. */
static void ask_again(struct query *q)
{
	struct dq *dq = &q->dq;

	if (dq->msg != q->core->work) {
		memcpy(q->core->work, q->ask, q->ask_len);
		dq->msg = q->core->work;
		dq->len = q->ask_len;
		dq->cap = QUERY_BUF;
	}
	dq->is_response = false;
	dq->now_ms = q->core->now_ms;
	dq->now_us = q->core->now_us;
	dq_changed(dq);
}

enum step query_give_up(struct query *q, bool tell)
{
	if (q->tc_retried && !q->client.stream && dq_answer_truncated(&q->dq) == 0) {
		q->self = true; /* the whole answer did not come, but that there is one is known */
		return S_FINISH;
	}
	if (tell || settings(q)->servfail_on_timeout)
		return query_answer_rcode(q, RCODE_SERVFAIL);
	query_drop(q, REASON_NONE);
	return S_DONE;
}

void query_fail(struct query *q, enum reason why)
{
	enum { TRIES_MAX = 3 };

	ask_again(q);
	if (why != REASON_NONE)
		stat_reason(q->core->counters, why);
	if (why == REASON_TIMEOUT)
		query_run(q, query_give_up(q, false));
	else if ((q->tries == 0 || q->tries < TRIES_MAX) && !q->soas)
		query_run(q, S_CHOOSE);
	else
		query_run(q, query_give_up(q, q->client.stream || q->over_stream || why == REASON_NO_ROUTE));
}

/* relay_drop: its own worker, or the query that it hedges, hears of it and counts. */
static void relay_drop(struct query *q, enum reason why)
{
	q->client.ops->drop(&q->client, why);
	query_end(q);
}

/* is_ours: no fault of the backend's. */
static bool is_ours(enum reason why)
{
	return why == REASON_NO_ROUTE || why == REASON_TOO_MANY_WAITING || why == REASON_OUT_OF_MEMORY ||
	       why == REASON_IDS_EXHAUSTED || why == REASON_QUEUE_FULL;
}

void query_lost(struct query *q, enum reason why)
{
	enum { LONG_US = 500000 };
	bool longer = q->core->now_us - q->sent_us >= LONG_US;

	query_stop_waiting(q);
	if (q->relay) {
		relay_drop(q, why);
		return;
	}
	atomic_fetch_add_explicit(&q->dq.backend->send_errors, 1, memory_order_relaxed);
	if (longer && q->tries)
		q->tries--; /* only quick failures are counted: the deadline ends the others */
	if (!q->resort && !is_ours(why))
		health_outcome(q->dq.backend, true, false, q->core->now_ms);
	q->barred = q->over_stream && !longer; /* its transport has tried several times */
	query_fail(q, why);
}

/* query_restart takes out what was added for the first server: the next one may not want it. */
enum step query_restart(struct query *q)
{
	struct dq *dq = &q->dq;

	dq->msg = q->core->work;
	memcpy(dq->msg, q->ask, q->ask_len);
	dq->len = q->ask_len;
	dq->cap = QUERY_BUF;
	if (q->added_ecs && !q->had_ecs)
		(void)!(q->added_opt ? edns_remove(dq->msg, &dq->len)
				     : edns_remove_option(dq->msg, &dq->len, EDNS_ECS));
	q->added_opt = q->added_ecs = q->zero_scope = q->scope_zero = false;
	dq->is_response = dq->restart = false;
	dq->restarts++;
	dq->backend = NULL;
	q->has_key = false;
	q->deadline_ms = 0; /* another backend, another wait; setQueryDeadline's begins at birth */
	dq_changed(dq);
	return S_RULES;
}

void query_timeout(struct wheel_node *node, uint64_t now_ms)
{
	struct query *q = container_of(node, struct query, timer);
	struct core *core = q->core;
	struct server *s = q->dq.backend;
	struct addr from;

	if (now_ms < q->end_ms) {
		query_hedge(q);
		query_wait_at(q, q->end_ms, query_timeout);
		return;
	}
	q->back->ops->cancel(q->back, q);
	query_stop_waiting(q);
	if (q->relay) {
		relay_drop(q, REASON_TIMEOUT);
		return;
	}
	stat_reason(core->counters, REASON_TIMEOUT);
	atomic_fetch_add_explicit(&s->drops, 1, memory_order_relaxed);
	if (!q->resort)
		health_outcome(s, true, false, now_ms);
	if (core->reply_ring)
		ring_put(core->reply_ring, core->wall_ms, &q->client.remote, server_addr(s, &from), UINT32_MAX, q->dq.ask_name,
			q->dq.question->len, q->dq.question->qtype, 0, q->dq.ask_flags, 0, q->client.proto);
	ask_again(q);
	q->dq.is_response = true;
	if (chain_run(&q->hold->conf->chain[CHAIN_TIMEOUT], &q->dq) != ACT_DROP && query_may_restart(q)) {
		query_run(q, query_restart(q));
		return;
	}
	q->dq.is_response = false;
	query_run(q, query_give_up(q, false));
}

void query_forget(struct query *q)
{
	must(q->relay && q->parked);
	if (q->waiting) {
		q->back->ops->cancel(q->back, q);
		query_stop_waiting(q);
	}
	query_end(q);
}

struct query *query_relay(struct core *core, struct client *client, struct server *server, bool stream,
	const uint8_t *msg, size_t len)
{
	struct query *q = query_init(core, client, msg, len), *p;
	enum reason why = REASON_QUERY_MALFORMED;
	int err;

	q->relay = true;
	q->over_stream = stream;
	q->dq.backend = server;
	p = question_parse(q->dq.question, q->dq.msg, len) == 0 ? query_park(q, &why) : NULL;
	if (!p) {
		relay_drop(q, why);
		return NULL;
	}
	memcpy(p->dq.ask_name, msg + DNS_HEADER, p->dq.question->len);
	p->ask_id = dns_id(msg);
	p->xfr = p->dq.question->qtype == QTYPE_AXFR || (p->dq.question->qtype == QTYPE_IXFR && stream);
	err = query_send(p, server);
	if (err == 0)
		return p;
	relay_drop(p, query_why_not(err));
	return NULL;
}
