/* conn.c: connections of clients, whatever they speak: birth, deadlines, queries, end. */
#include "conn.h"
#include <unistd.h>

/* OUT_MAX: bytes of answers above which no query is taken before they have left: a record's worth. */
enum { IN_FLIGHT = 100, OUT_MAX = 15 << 10, PAD_BLOCK = 468 };

_Static_assert(sizeof(struct conn) <= 448, "an idle TCP client is small");

/* ---- lists of the lane: by last activity; to be written ---- */
static void idle_del(struct conn *c)
{
	struct lane *l = c->lane;

	*(c->idle_prev ? &c->idle_prev->idle_next : &l->idle_first) = c->idle_next;
	*(c->idle_next ? &c->idle_next->idle_prev : &l->idle_last) = c->idle_prev;
	__atomic_store_n(&l->conns, l->conns - 1, __ATOMIC_RELAXED); /* others may read it */
}

static void idle_add(struct conn *c)
{
	struct lane *l = c->lane;

	c->idle_prev = l->idle_last;
	c->idle_next = NULL;
	*(l->idle_last ? &l->idle_last->idle_next : &l->idle_first) = c;
	l->idle_last = c;
	__atomic_store_n(&l->conns, l->conns + 1, __ATOMIC_RELAXED);
}

void conn_active(struct conn *c)
{
	c->last_ms = loop_ms(&c->lane->loop);
	if (c->idle_next) {
		idle_del(c);
		idle_add(c);
	}
}

void conn_dirty(struct conn *c)
{
	if (c->dirty)
		return;
	c->dirty = true;
	c->dirty_next = c->lane->dirty;
	c->lane->dirty = c;
}

void conn_kill(struct conn *c, enum reason why)
{
	if (c->dead == REASON_NONE)
		c->dead = (uint8_t)why;
	conn_dirty(c);
}

/* ---- end ---- */
static void count_close(struct conn *c, enum reason why)
{
	struct listener *l = c->front->listener;

	stat_reason(&c->lane->counters, why);
	if (why == REASON_CONN_READ_TIMEOUT || why == REASON_CONN_WRITE_TIMEOUT || why == REASON_CONN_IDLE ||
		why == REASON_CONN_TLS_SLOW)
		atomic_fetch_add_explicit(&l->client_timeouts, 1, memory_order_relaxed);
	else if (c->in.len)
		atomic_fetch_add_explicit(&l->died_reading, 1, memory_order_relaxed);
	else if (c->out.len)
		atomic_fetch_add_explicit(&l->died_sending, 1, memory_order_relaxed);
}

void conn_free(struct conn *c, enum reason why)
{
	struct lane *lane = c->lane;

	must(!c->dirty);
	c->dirty = true; /* whatever ends with it does not mark it again */
	count_close(c, why);
	hold_end(c);
	if (why == REASON_CONN_IDLE || why == REASON_CONN_DURATION || why == REASON_CONN_EVICTED || why == REASON_SHUTDOWN)
		conn_bye(c);
	if (c->codec)
		conn_ops_of(c)->close(c);
	while (c->waiting) {
		struct client *q = c->waiting;

		c->waiting = q->next;
		query_orphan(q);
	}
	wheel_disarm(&lane->loop.wheel, &c->timer);
	wire_close(&c->wire, why == REASON_CONN_RESET || why == REASON_CONN_TLS || c->out.len > 0);
	idle_del(c);
	clients_leave(lane->clients, &c->who);
	atomic_fetch_sub_explicit(&c->front->listener->conns, 1, memory_order_relaxed);
	front_release(c->front);
	bytes_free(&c->in);
	bytes_free(&c->out);
	mem_free(c->envelope);
	mem_free(c->source);
	c->magic = 0;
	slab_put(&lane->conn_slab, c);
}

/* ---- deadlines: one node per connection, moved only when it fires ---- */
static bool overloaded(const struct conn *c)
{
	const struct listener *l = c->front->listener;
	uint64_t max = l->max_connections;

	return max && (uint64_t)l->conns * 100 > max * conn_settings(c)->tcp_overload_percent;
}

bool conn_last(const struct conn *c)
{
	uint32_t max = overloaded(c) ? 1 : conn_settings(c)->tcp_queries;

	return max && c->queries >= max;
}

static void look_at_clock(struct wheel_node *node, uint64_t now_ms)
{
	struct conn *c = container_of(node, struct conn, timer);
	const struct settings *set = conn_settings(c);
	bool over = overloaded(c);
	uint64_t recv_ms = over ? 500 : 1000ull * set->tcp_recv_timeout_s;
	uint64_t life_s = over ? 5 : set->tcp_duration_s, at = UINT64_MAX, t;

#define DUE(when, why)                                                                                                 \
	do {                                                                                                           \
		t = (when);                                                                                            \
		if (now_ms >= t) {                                                                                     \
			conn_kill(c, (why));                                                                           \
			return;                                                                                        \
		}                                                                                                      \
		at = t < at ? t : at;                                                                                  \
	} while (0)
	if (c->rest) {
		c->rest = false;
		conn_dirty(c);
	}
	if (c->linger)
		DUE(c->blocked_ms + LINGER_MS, c->linger);
	if (life_s)
		DUE(c->born_ms + life_s * 1000, REASON_CONN_DURATION);
	if (c->blocked || c->kept)
		DUE(c->blocked_ms + 1000ull * set->tcp_send_timeout_s, REASON_CONN_WRITE_TIMEOUT);
	if (c->shaking)
		DUE(c->born_ms + recv_ms, REASON_CONN_TLS_SLOW);
	else if (c->message_ms)
		DUE(c->message_ms + recv_ms, REASON_CONN_READ_TIMEOUT);
	else if (c->pending || c->out.len || c->kept)
		at = at < now_ms + 1000 ? at : now_ms + 1000; /* when that is over it may be idle for long */
	else
		DUE(c->last_ms + (over || !conn_ops_of(c)->idle_ms ? recv_ms : conn_ops_of(c)->idle_ms(c)), REASON_CONN_IDLE);
#undef DUE
	wheel_arm(&c->lane->loop.wheel, node, at);
	hold_look(c);
}

void conn_look(struct conn *c, uint64_t at_ms)
{
	if (!wheel_armed(&c->timer) || c->timer.at_ms > at_ms)
		wheel_arm(&c->lane->loop.wheel, &c->timer, at_ms);
}

/* ---- queries ---- */
bool conn_may_take(const struct conn *c)
{
	unsigned max = c->front->listener->max_in_flight;

	if (conn_ops_of(c)->drain) /* the codec bounds what is in flight and what it holds */
		return c->dead == REASON_NONE && !c->blocked && !(conn_state(c) & CODEC_WAITS);
	return c->dead == REASON_NONE && !c->blocked && c->pending < (max ? max : IN_FLIGHT) && c->out.len < OUT_MAX;
}

void conn_waits(struct client *q)
{
	struct conn *c = q->conn;

	MAGIC_CHECK(c, CONN_MAGIC);
	q->prev = NULL;
	q->next = c->waiting;
	if (q->next)
		q->next->prev = q;
	c->waiting = q;
	c->pending++;
}

void conn_leave(struct client *q)
{
	struct conn *c = q->conn;

	if (!query_of(q)->parked)
		return;
	if (q->next)
		q->next->prev = q->prev;
	*(q->prev ? &q->prev->next : &c->waiting) = q->next;
	c->pending--;
	conn_dirty(c); /* there may be room for the next query */
}

/* wants_pad: RFC 8467 4: only who padded, or by option who can be padded, on what is encrypted. */
static bool wants_pad(const struct listener *l, const uint8_t *msg, size_t len)
{
	struct edns e;
	size_t at, n;

	if (l->ops->proto == PROTO_TCP || len < DNS_HEADER || dns_bare(msg) || edns_find(&e, msg, len) < 0)
		return false;
	return e.present && (l->pad || edns_option(&e, msg, EDNS_PADDING, &at, &n));
}

size_t conn_pad(struct client *q, const uint8_t *msg, size_t len)
{
	struct dq *dq = &query_of(q)->dq;

	if (likely(!q->pad) || dq->msg != msg || dq->len != len)
		return len;
	return msg_pad(dq->msg, &dq->len, dq->cap, PAD_BLOCK) < 0 ? len : dq->len;
}

void conn_query(struct conn *c, const struct client_ops *ops, const struct addr *from, const struct envelope *envelope,
	void *stream_user, const uint8_t *msg, size_t len)
{
	struct client *q = query_client(&c->lane->core);

	*q = (struct client){
		.ops = ops,
		.front = c->front,
		.conn = c,
		.stream_user = stream_user,
		.envelope = envelope,
		.remote = *from,
		.local = c->local,
		.peer = c->peer,
		.proto = c->front->ops->proto,
		.stream = true,
		.inner = c->inner,
		.pad = wants_pad(c->front->listener, msg, len),
	};
	c->queries++;
	c->reads = 0;
	c->front->queries++;
	if (c->tls_stats)
		atomic_fetch_add_explicit(&c->tls_stats->version[c->version], 1, memory_order_relaxed);
	query_start(&c->lane->core, q, msg, len);
}

/* ---- birth ---- */
static void count_birth(struct conn *c)
{
	struct listener *l = c->front->listener;
	uint32_t now;

	stat_inc(&c->lane->counters, COUNTER_TCP_ACCEPTED);
	atomic_fetch_add_explicit(&l->accepted, 1, memory_order_relaxed);
	now = atomic_fetch_add_explicit(&l->conns, 1, memory_order_relaxed) + 1;
	if (now > atomic_load_explicit(&l->conns_max, memory_order_relaxed))
		atomic_store_explicit(&l->conns_max, now, memory_order_relaxed);
}

enum reason conn_new(struct front *f, int fd, const struct addr *peer, struct who *who)
{
	const struct conf *conf = core_conf(&f->lane->core);
	struct listener *l = f->listener;
	enum reason why = REASON_NONE;
	struct conn *c;

	if (f->lane->conn_slab.size == 0)
		slab_init(&f->lane->conn_slab, sizeof(*c));
	c = slab_get(&f->lane->conn_slab);
	if (!c) {
		close(fd);
		return REASON_CONN_OUT_OF_MEMORY;
	}
	c->magic = CONN_MAGIC;
	c->lane = f->lane;
	c->front = f;
	c->who = who;
	c->peer = *peer;
	c->local = f->local;
	if (f->any)
		sock_local(fd, &c->local);
	c->proxied = !(l->enable_proxy && netset_size(conf->proxy_acl) && netset_match(conf->proxy_acl, peer));
	c->born_ms = c->last_ms = loop_ms(&f->lane->loop);
	c->timer.fire = look_at_clock;
	c->shaking = atomic_load_explicit(&l->tls, memory_order_relaxed) != NULL;
	wire_init(&c->wire, &f->lane->loop, fd, NULL, conn_ready);
	if (c->shaking && (c->proxied || !l->proxy_outside))
		why = conn_begin_tls(c);
	if (why == REASON_NONE && wire_want(&c->wire, true, false) < 0)
		why = REASON_CONN_OUT_OF_MEMORY;
	if (why != REASON_NONE) {
		wire_close(&c->wire, true);
		slab_put(&f->lane->conn_slab, c);
		return why;
	}
	conn_look(c, c->born_ms + (overloaded(c) ? 500 : 1000ull * conf->set.tcp_recv_timeout_s));
	if (conf->set.tcp_duration_s)
		conn_look(c, c->born_ms + 1000ull * conf->set.tcp_duration_s);
	idle_add(c);
	f->users++;
	count_birth(c);
	return REASON_NONE;
}
