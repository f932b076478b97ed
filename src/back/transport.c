/* transport.c: the queries to one backend over streams: its queue, what is sent, what comes back, what is sent again.
 * See transport.h for the whole. */
#include "transport.h"

struct transport *transport_of(struct back *b)
{
	struct transport *t = container_of(b, struct transport, base);

	MAGIC_CHECK(t, TRANSPORT_MAGIC);
	return t;
}

/* ---- queues ---- */
static void queue_insert(struct queue *k, struct query *q, struct query *before)
{
	q->back_slot = k;
	q->back_chain = NULL;
	q->back_next = before;
	q->back_prev = before ? before->back_prev : k->last;
	*(q->back_prev ? &q->back_prev->back_next : &k->first) = q;
	*(before ? &before->back_prev : &k->last) = q;
	k->n++;
}

void queue_push(struct queue *k, struct query *q)
{
	queue_insert(k, q, NULL);
}

void queue_del(struct queue *k, struct query *q)
{
	*(q->back_prev ? &q->back_prev->back_next : &k->first) = q->back_next;
	*(q->back_next ? &q->back_next->back_prev : &k->last) = q->back_prev;
	q->back_next = q->back_prev = NULL;
	q->back_slot = NULL;
	k->n--;
}

static bool goes_alone(const struct transport *t, const struct query *q)
{
	return q->xfr || t->base.server->conf.use_proxy;
}

static unsigned tries_of(const struct transport *t)
{
	return TRY * (t->base.server->conf.retries < TRIES_MAX ? t->base.server->conf.retries : TRIES_MAX);
}

void transport_wait_first(struct transport *t, struct query *q)
{
	struct queue *k = goes_alone(t, q) ? &t->alone : &t->shared;

	queue_insert(k, q, k->first);
}

void transport_requeue(struct link *l, unsigned weight)
{
	struct transport *t = l->t;

	while (l->map.last) { /* from the youngest on: the oldest becomes the head of the queue */
		struct query *q = l->map.last;

		query_map_del(&l->map, q);
		q->back_tries = (uint8_t)(q->back_tries + weight);
		if (q->soas || q->back_tries >= tries_of(t))
			queue_push(&t->leaving, q);
		else
			transport_wait_first(t, q);
	}
}

void transport_lose(struct transport *t, enum reason why)
{
	while (t->leaving.first) {
		struct query *q = t->leaving.first;

		queue_del(&t->leaving, q);
		query_moved_end(q);
		t->losing = true;
		query_lost(q, why);
		t->losing = false;
	}
}

/* ---- out ---- */
struct forwarded { /* what a DoH backend is told of the client (addXForwardedHeaders) */
	struct http_field field[3];
	char ip[ADDR_TEXT], port[8];
};

static size_t forwarded_fields(struct forwarded *f, const struct query *q)
{
	const struct client *c = &q->client;
	const char *scheme = c->envelope ? c->envelope->scheme : NULL;
	bool plain = c->proto == PROTO_UDP || c->proto == PROTO_TCP;

	snprintf(f->port, sizeof(f->port), "%u", c->remote.port);
	f->field[0] = (struct http_field){"x-forwarded-for", addr_print(&c->remote, false, f->ip)};
	f->field[1] = (struct http_field){"x-forwarded-port", f->port};
	f->field[2] = (struct http_field){"x-forwarded-proto", scheme ? scheme : plain ? "http" : "https"};
	return LEN(f->field);
}

/* link_send: 0 and the query is out; else it is nowhere. */
static int link_send(struct link *l, struct query *q)
{
	struct transport *t = l->t;
	const struct server_conf *conf = &t->base.server->conf;
	uint8_t header[PROXY_HEADER + 36];
	size_t head = conf->use_proxy ? back_proxy_header(q, header) : 0, fields;
	struct forwarded f;
	struct query *old;
	int err = query_map_add_next(&l->map, q, QUERY_IDS);

	if (err < 0)
		return err;
	old = l->moved ? link_moved(l, q->back_id) : NULL;
	if (old) /* all ids have been used meanwhile */
		query_moved_end(old);
	fields = conf->x_forwarded && server_proto(t->base.server) == PROTO_DOH ? forwarded_fields(&f, q) : 0;
	err = t->ops->send(l->up, q->back_id, head ? header : NULL, head, q->ask, q->ask_len, fields ? f.field : NULL,
		fields);
	if (err < 0) {
		query_map_del(&l->map, q);
		l->drain = l->drain || err == -EPIPE;
		return err;
	}
	q->back_slot = l;
	l->rest_ms = transport_now(t);
	if (l->map.count == 1)
		l->busy_ms = l->rest_ms;
	if (l->sent++)
		atomic_fetch_add_explicit(&t->base.server->tcp_reused_connections, 1, memory_order_relaxed);
	if (l->doubt && !l->alone)
		link_suspect(l, false, l->rest_ms);
	l->doubt = false;
	return 0;
}

/* choose: the newest healthy link with room: others fall idle and close.  A suspect one is better than none: what it
 * holds moves when another opens. */
static struct link *choose(const struct transport *t)
{
	unsigned cap = t->base.server->conf.max_in_flight;
	bool healthy = transport_healthy(t);

	cap = cap ? cap : PIPELINE;
	if (!healthy && t->open_err)
		return NULL; /* silent, and there is no way to race it: no route */
	for (struct link *l = t->links; l; l = l->next)
		if (l->open && !l->alone && !l->drain && l->suspect == !healthy && l->map.count + l->moved < cap &&
			!link_used(l) && t->ops->room(l->up) > 0)
			return l;
	return NULL;
}

static struct link *choose_alone(const struct transport *t)
{
	for (struct link *l = t->links; l; l = l->next)
		if (l->open && l->alone && !l->drain && l->sent == 0 && t->ops->room(l->up) > 0)
			return l;
	return NULL;
}

static void pump_queue(struct queue *k, struct link *(*pick)(const struct transport *), struct transport *t)
{
	while (k->first) {
		struct query *q = k->first;
		struct link *l = pick(t);
		int err;

		if (!l)
			return;
		queue_del(k, q);
		err = link_send(l, q);
		if (err == 0)
			continue;
		queue_insert(k, q, k->first);
		if (err != -EPIPE)
			return; /* no room or memory now: the clock tries again */
	}
}

void transport_pump(struct transport *t)
{
	pump_queue(&t->shared, choose, t);
	pump_queue(&t->alone, choose_alone, t);
	transport_hunt(t);
	transport_rearm(t);
}

/* ---- what connections say ---- */
static void link_opened(struct up *u)
{
	struct link *l = u->owner;
	struct transport *t = l->t;
	struct way *w = transport_way(t, &u->to);

	MAGIC_CHECK(l, LINK_MAGIC);
	l->open = l->busy = true;
	l->rest_ms = transport_now(t);
	l->shake_ms = (unsigned)(l->rest_ms - l->born_ms);
	if (w)
		w->bad = false;
	server_addr_good(t->base.server, &u->to);
	for (struct link *o = t->links; o && !l->alone; o = o->next) {
		if (!o->suspect || o->alone)
			continue;
		if (o->mute && o->map.count)
			t->mute_ms = t->mute_ms < MUTE_MAX_MS / 2 ? t->mute_ms * 2 : MUTE_MAX_MS;
		link_leave(o);
	}
	transport_alive(t, false);
	transport_pump(t);
	transport_drop_attempts(t);
	l->busy = false;
	link_rest(l);
	transport_lose(t, REASON_CONNECTION_LOST);
}

/* learn: the link delivered an answer. */
static void answered(struct link *l, const struct query *q, bool moved)
{
	struct transport *t = l->t;
	uint64_t took_us = q->core->now_us - q->sent_us;

	l->answers++;
	l->rest_ms = transport_now(t);
	if (q->back_tries == 0 && !moved && took_us < 60000000)
		t->reply_us = t->reply_us ? t->reply_us - t->reply_us / 8 + (uint32_t)took_us / 8 : (uint32_t)took_us;
	if (transport_quota(t) == 0 && l->answers > 64)
		t->quota_grace_ms = 0; /* it does not close early, or not any more */
	l->suspect = l->mute = false;
	for (struct link *o = t->links, *next; o; o = next) { /* the slower ones of a race */
		next = o->next;
		if (o->suspect && link_empty(o))
			link_close(o, REASON_CONN_RACED);
	}
	transport_alive(t, true);
}

static void unasked(struct link *l)
{
	struct transport *t = l->t;

	if (l->forgotten) {
		l->forgotten--;
		return;
	}
	stat_inc(&t->lane->counters, COUNTER_RESPONSES);
	stat_reason(&t->lane->counters, REASON_REPLY_UNASKED);
	atomic_fetch_add_explicit(&t->base.server->noncompliant, 1, memory_order_relaxed);
}

static void link_refused(struct up *u, uint16_t id, enum reason why, bool unseen)
{
	struct link *l = u->owner;
	struct transport *t = l->t;
	struct query *q = query_map_find(&l->map, id), *moved = q ? NULL : link_moved(l, id);

	MAGIC_CHECK(l, LINK_MAGIC);
	if (moved) {
		link_unremember(l, moved);
		link_rest(l);
	}
	if (!q)
		return;
	query_map_del(&l->map, q);
	l->busy = true;
	if (unseen && !q->soas && q->back_tries + 1u < tries_of(t)) {
		q->back_tries++; /* no try, but not for ever */
		l->drain = true;
		transport_wait_first(t, q);
	} else {
		queue_push(&t->leaving, q);
	}
	transport_pump(t);
	l->busy = false;
	link_rest(l);
	transport_lose(t, why);
}

static void link_reply(struct up *u, uint16_t id, const uint8_t *msg, size_t len)
{
	struct link *l = u->owner;
	struct transport *t = l->t;
	struct query *here = query_map_find(&l->map, id), *q = here ? here : link_moved(l, id);
	bool moved;

	MAGIC_CHECK(l, LINK_MAGIC);
	if (!q) {
		unasked(l);
		return;
	}
	if (!query_matches(q, msg, len)) {
		if (server_proto(t->base.server) == PROTO_DOH) /* its request has ended: no other reply will come */
			link_refused(u, id, REASON_REPLY_MALFORMED, false);
		return;
	}
	if (!here)
		link_take_back(l, q);
	if (!query_is_last(q, msg, len)) {
		query_part(q, msg, len);
		return;
	}
	query_map_del(&l->map, q);
	q->back_slot = NULL;
	l->busy = true;
	moved = q->was_slot != NULL;
	query_moved_end(q);
	answered(l, q, moved);
	if (t->shared.n || t->alone.n)
		transport_pump(t);
	transport_drop_attempts(t);
	l->busy = false;
	link_rest(l); /* may be its end */
	query_reply(q, msg, len);
}

/* died: an open link is gone.  One that had answered others says little about the queries that were out on it: it
 * counts a quarter of a try.  And the peer may be of those that close after so many answers. */
static void died(struct link *l)
{
	struct transport *t = l->t;
	uint64_t now = transport_now(t);

	if (l->map.count)
		atomic_fetch_add_explicit(&t->base.server->tcp_died_reading, 1, memory_order_relaxed);
	if (l->answers == 0) {
		struct way *w = transport_way(t, &l->up->to);

		if (w && (t->fails++ || l->map.count == 0))
			w->bad = true; /* the first time it may be tried again at once */
	} else if (l->map.count && !l->alone) {
		t->quota_grace_ms = t->quota_grace_ms ? t->quota_grace_ms * 4 : 250;
		if (t->quota_grace_ms > 60000)
			t->quota_grace_ms = 60000;
		t->quota = l->answers;
		t->quota_until_ms = now + t->quota_grace_ms;
	} else if (l->answers == t->quota && !l->alone) {
		t->quota_until_ms = now + t->quota_grace_ms; /* it does it again */
	}
	transport_requeue(l, l->answers ? 1 : TRY);
}

static void attempt_failed(struct link *l, enum reason why)
{
	struct transport *t = l->t;
	struct way *w = transport_way(t, &l->up->to);

	if (t->shared.n || t->alone.n)
		atomic_fetch_add_explicit(&t->base.server->tcp_gave_up, 1, memory_order_relaxed);
	if (w)
		w->bad = true;
	t->why = why;
}

static void link_closed(struct up *u, enum reason why)
{
	struct link *l = u->owner;
	struct transport *t = l->t;

	MAGIC_CHECK(l, LINK_MAGIC);
	link_take_out(l, why);
	if (l->open)
		died(l);
	else
		attempt_failed(l, why);
	query_map_free(&l->map);
	l->magic = 0;
	mem_free(l);
	transport_pump(t);
	transport_lose(t, REASON_CONNECTION_LOST);
	transport_judge(t);
}

/* link_ended: those that are out may still be answered; with none it closes now, not when the peer gets round to it. */
static void link_ended(struct up *u)
{
	struct link *l = u->owner;
	struct transport *t = l->t;

	MAGIC_CHECK(l, LINK_MAGIC);
	l->drain = true;
	link_rest(l);
	transport_pump(t);
}

const struct up_events link_events = {link_opened, link_reply, link_refused, link_closed, link_ended};

/* ---- the back's own ops ---- */
static int stream_send(struct back *b, struct query *q)
{
	struct transport *t = transport_of(b);
	struct queue *k = goes_alone(t, q) ? &t->alone : &t->shared;
	int err;

	t->wanted_ms = transport_now(t);
	q->was_slot = NULL;
	if (t->shared.n + t->alone.n >= QUEUE_MAX)
		return -EAGAIN;
	queue_push(k, q);
	transport_pump(t);
	if (q->back_slot != k)
		return 0;
	if (b->server->conf.max_connections &&
		atomic_load_explicit(&b->server->connections, memory_order_relaxed) >= b->server->conf.max_connections)
		atomic_fetch_add_explicit(&b->server->tcp_too_many, 1, memory_order_relaxed);
	err = transport_hopeless(t, q);
	if (err < 0)
		queue_del(k, q);
	return err;
}

static void stream_cancel(struct back *b, struct query *q)
{
	struct queue *k = q->back_slot;
	struct link *l = q->back_slot;

	(void)transport_of(b);
	query_moved_end(q);
	if (k->magic == QUEUE_MAGIC) {
		queue_del(k, q);
		return;
	}
	MAGIC_CHECK(l, LINK_MAGIC);
	link_give_up(l, q);
	if (q->core->now_ms >= q->end_ms) { /* else another backend was faster, or all ends */
		atomic_fetch_add_explicit(&b->server->tcp_read_timeouts, 1, memory_order_relaxed);
		if (l->up->heard_ms <= q->sent_us / 1000)
			l->drain = true; /* nothing at all came in all that time */
	}
	link_rest(l);
}

static const struct back_ops tcp_ops = {"TCP", stream_send, stream_cancel},
	dot_ops = {"DoT", stream_send, stream_cancel}, doh_ops = {"DoH", stream_send, stream_cancel};

bool back_is_stream(const struct back *b)
{
	return b->ops->send == stream_send;
}

struct back *back_stream_new(struct lane *lane, struct server *server, const struct up_ops *ops)
{
	struct transport *t = mem_keep(sizeof(*t));
	unsigned proto = server_proto(server);

	if (!t)
		return NULL;
	t->magic = TRANSPORT_MAGIC;
	t->base.ops = proto == PROTO_DOH ? &doh_ops : proto == PROTO_DOT ? &dot_ops : &tcp_ops;
	t->base.server = server_ref(server);
	t->lane = lane;
	t->ops = ops ? ops : up_ops_of(server);
	t->bare = ops != NULL;
	t->shared.magic = t->alone.magic = t->leaving.magic = QUEUE_MAGIC;
	t->clock.fire = transport_clock;
	t->mute_ms = MUTE_MS;
	t->wanted_ms = transport_now(t);
	return &t->base;
}

void back_stream_close(struct back *b)
{
	struct transport *t = transport_of(b);

	while (t->links) {
		transport_requeue(t->links, 0);
		link_close(t->links, REASON_SHUTDOWN);
	}
	wheel_disarm(&t->lane->loop.wheel, &t->clock);
	while (t->shared.first || t->alone.first) {
		struct queue *k = t->shared.first ? &t->shared : &t->alone;
		struct query *q = k->first;

		queue_del(k, q);
		queue_push(&t->leaving, q);
	}
	transport_lose(t, REASON_CONNECTION_LOST);
	if (t->suspect)
		server_suspect(b->server, false);
	if (t->sessions)
		session_cache_free(&t->sessions);
	if (t->tls)
		tls_client_free(&t->tls);
	transport_ways_free(t);
	server_free(&t->base.server);
	t->magic = 0;
	mem_unkeep(t, sizeof(*t));
}

void back_stream_reset(struct back *b)
{
	struct transport *t = transport_of(b);

	for (struct link *l = t->links, *next; l; l = next) {
		next = l->next;
		l->drain = true; /* what is under way there is still heard */
		if (l->open)
			link_rest(l);
		else
			link_close(l, REASON_CONN_RACED);
	}
	t->trouble_ms = 0; /* that was before */
	transport_pump(t);
}
