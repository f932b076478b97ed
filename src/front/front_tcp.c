/* front_tcp.c: plain DNS over TCP: pipelined queries, answers out of order, limits against slow and greedy clients.
 *
 * A connection owns memory only while bytes of it are under way: reads go to the lane's scratch place, a rest of a
 * message and unsent answers are kept in buffers that go when they are empty. */
#include "conn.h"
#include <sys/socket.h>
#include <unistd.h>

/* OUT_MAX: no new queries above it.  OUT_END: a transfer that is read so much slower than it comes is given up. */
enum { IN_FLIGHT = 100, OUT_MAX = 256 << 10, OUT_END = 16 << 20 };

_Static_assert(sizeof(struct conn) <= 560, "an idle TCP client is small");

static const struct settings *settings(const struct conn *c)
{
	return &core_conf(&c->lane->core)->set;
}

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

static void touch(struct conn *c)
{
	c->last_ms = loop_ms(&c->lane->loop);
	if (c->idle_next) {
		idle_del(c);
		idle_add(c);
	}
}

static void make_dirty(struct conn *c)
{
	if (c->dirty)
		return;
	c->dirty = true;
	c->dirty_next = c->lane->dirty;
	c->lane->dirty = c;
}

/* kill closes at the end of the turn: nobody on the stack loses its connection. */
static void kill_conn(struct conn *c, enum reason why)
{
	if (c->dead == REASON_NONE)
		c->dead = (uint8_t)why;
	make_dirty(c);
}

/* ---- end ---- */
static void count_close(struct conn *c, enum reason why)
{
	struct listener *l = c->front->listener;

	stat_reason(&c->lane->counters, why);
	if (why == REASON_CONN_READ_TIMEOUT || why == REASON_CONN_WRITE_TIMEOUT || why == REASON_CONN_IDLE)
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
	count_close(c, why);
	while (c->waiting) {
		struct client *q = c->waiting;

		c->waiting = q->next;
		query_orphan(q);
	}
	wheel_disarm(&lane->loop.wheel, &c->timer);
	io_stop(&c->io);
	close(io_fd(&c->io));
	idle_del(c);
	clients_leave(lane->clients, &c->who);
	atomic_fetch_sub_explicit(&c->front->listener->conns, 1, memory_order_relaxed);
	front_release(c->front);
	bytes_free(&c->in);
	bytes_free(&c->out);
	c->magic = 0;
	slab_put(&lane->conn_slab, c);
}

/* ---- deadlines: one node per connection, moved only when it fires ---- */
static bool overloaded(const struct conn *c)
{
	const struct listener *l = c->front->listener;
	uint64_t max = l->max_connections;

	return max && (uint64_t)l->conns * 100 > max * settings(c)->tcp_overload_percent;
}

static void look_at_clock(struct wheel_node *node, uint64_t now_ms)
{
	struct conn *c = container_of(node, struct conn, timer);
	const struct settings *set = settings(c);
	bool over = overloaded(c);
	uint64_t recv_ms = over ? 500 : 1000ull * set->tcp_recv_timeout_s;
	uint64_t life_s = over ? 5 : set->tcp_duration_s, at = UINT64_MAX, t;

#define DUE(when, why)                                                                                                 \
	do {                                                                                                           \
		t = (when);                                                                                            \
		if (now_ms >= t) {                                                                                     \
			kill_conn(c, (why));                                                                           \
			return;                                                                                        \
		}                                                                                                      \
		at = t < at ? t : at;                                                                                  \
	} while (0)
	if (life_s)
		DUE(c->born_ms + life_s * 1000, REASON_CONN_DURATION);
	if (c->blocked)
		DUE(c->blocked_ms + 1000ull * set->tcp_send_timeout_s, REASON_CONN_WRITE_TIMEOUT);
	if (c->message_ms)
		DUE(c->message_ms + recv_ms, REASON_CONN_READ_TIMEOUT);
	else if (c->pending == 0 && c->out.len == 0)
		DUE(c->last_ms + recv_ms, REASON_CONN_IDLE);
#undef DUE
	if (at == UINT64_MAX)
		at = now_ms + 1000;
	wheel_arm(&c->lane->loop.wheel, node, at);
}

/* look_soon makes sure that a deadline at |at_ms| is not missed. */
static void look_soon(struct conn *c, uint64_t at_ms)
{
	if (!wheel_armed(&c->timer) || c->timer.at_ms > at_ms)
		wheel_arm(&c->lane->loop.wheel, &c->timer, at_ms);
}

/* ---- queries ---- */
static unsigned in_flight_max(const struct conn *c)
{
	unsigned n = c->front->listener->max_in_flight;

	return n ? n : IN_FLIGHT;
}

static bool may_take(const struct conn *c)
{
	return c->dead == REASON_NONE && c->pending < in_flight_max(c) && c->out.len < OUT_MAX;
}

static void tcp_waits(struct client *q)
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

static void tcp_leave(struct client *q)
{
	struct conn *c = q->conn;

	if (!query_of(q)->parked)
		return;
	if (q->next)
		q->next->prev = q->prev;
	*(q->prev ? &q->prev->next : &c->waiting) = q->next;
	c->pending--;
	make_dirty(c); /* there may be room for the next query */
}

static void tcp_part(struct client *q, const uint8_t *msg, size_t len)
{
	struct conn *c = q->conn;

	MAGIC_CHECK(c, CONN_MAGIC);
	c->front->responses++;
	if (c->out.len > OUT_END)
		kill_conn(c, REASON_CONN_WRITE_TIMEOUT);
	else if (bytes_add_frame(&c->out, msg, len) < 0)
		kill_conn(c, REASON_CONN_OUT_OF_MEMORY);
	make_dirty(c);
}

static void tcp_answer(struct client *q, const uint8_t *msg, size_t len)
{
	tcp_part(q, msg, len);
	tcp_leave(q);
}

static void tcp_drop(struct client *q, enum reason why)
{
	struct conn *c = q->conn;

	(void)why;
	MAGIC_CHECK(c, CONN_MAGIC);
	tcp_leave(q);
	make_dirty(c);
}

static const struct client_ops tcp_client = {tcp_answer, tcp_drop, tcp_part, tcp_waits};

static void start_query(struct conn *c, const uint8_t *msg, size_t len)
{
	struct client q = {
		.ops = &tcp_client,
		.front = c->front,
		.conn = c,
		.remote = c->remote,
		.local = c->local,
		.peer = c->peer,
		.proto = PROTO_TCP,
		.stream = true,
		.inner = c->inner,
	};
	uint32_t max = overloaded(c) ? 1 : settings(c)->tcp_queries;

	c->queries++;
	c->reads = 0;
	c->front->queries++;
	if (max && c->queries >= max)
		c->eof = true; /* this one is still answered */
	query_start(&c->lane->core, &q, msg, len);
}

/* take_proxy reads the PROXY header; bytes used, 0 when more are needed, -EBADMSG. */
static ssize_t take_proxy(struct conn *c, const uint8_t *p, size_t len)
{
	struct proxy x;
	ssize_t n = proxy_parse(&x, p, len, settings(c)->proxy_max);

	if (n <= 0)
		return n;
	c->proxied = true;
	c->inner = true;
	if (!x.local) {
		c->remote = x.source;
		c->local = x.destination;
	}
	return n;
}

/* feed runs the whole messages in |p|; returns bytes used. */
static size_t feed(struct conn *c, const uint8_t *p, size_t len)
{
	size_t used = 0;

	while (may_take(c) && !(c->eof && c->queries)) {
		const uint8_t *msg;
		size_t n;
		ssize_t got;

		if (!c->proxied) {
			got = take_proxy(c, p + used, len - used);
			if (got < 0)
				kill_conn(c, REASON_PROXY_HEADER);
			if (got <= 0)
				break;
			used += (size_t)got;
			continue;
		}
		got = frame_next(p + used, len - used, &msg, &n);
		if (got < 0)
			kill_conn(c, REASON_CONN_BAD_LENGTH);
		if (got <= 0)
			break;
		start_query(c, msg, n);
		used += n + 2;
	}
	return used;
}

/* keep stores what feed() left, and notes since when a message is incomplete. */
static void keep(struct conn *c, const uint8_t *p, size_t len)
{
	if (len && bytes_add(&c->in, p, len) < 0)
		kill_conn(c, REASON_CONN_OUT_OF_MEMORY);
	if (c->in.len == 0) {
		bytes_free(&c->in);
		c->message_ms = 0;
	} else if (may_take(c)) {
		c->message_ms = c->message_ms && c->reads > 1 ? c->message_ms : c->last_ms;
		look_soon(c, c->message_ms + 1000ull * settings(c)->tcp_recv_timeout_s);
	} else {
		c->message_ms = 0; /* it is us who do not read */
	}
}

static void want(struct conn *c)
{
	short what = c->blocked ? IO_WRITE : 0;

	if (may_take(c) && !c->eof)
		what |= IO_READ;
	if (io_want(&c->io, what) < 0)
		kill_conn(c, REASON_CONN_OUT_OF_MEMORY);
}

/* count_read: a client that needs many reads for one query drips bytes to hold us. */
static void count_read(struct conn *c)
{
	const struct settings *set = settings(c);

	c->reads++; /* keep() counts on it, too */
	if (set->tcp_reads_per_query == 0 || c->reads <= set->tcp_reads_per_query)
		return;
	clients_ban(c->lane->clients, set, &c->peer, c->last_ms + 1000ull * set->tcp_reads_ban_s);
	kill_conn(c, REASON_CONN_TOO_MANY_READS);
}

static void readable(struct conn *c)
{
	uint8_t *p = c->lane->scratch;
	ssize_t n = read(io_fd(&c->io), p, LANE_SCRATCH);
	size_t used;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		c->eof = true;
		if (n < 0 || (c->pending == 0 && c->out.len == 0))
			kill_conn(c, n < 0 ? REASON_CONN_RESET : REASON_CONN_CLOSED);
		return;
	}
	touch(c);
	count_read(c);
	if (c->in.len) {
		if (bytes_add(&c->in, p, (size_t)n) < 0) {
			kill_conn(c, REASON_CONN_OUT_OF_MEMORY);
			return;
		}
		bytes_drop(&c->in, feed(c, c->in.p + c->in.at, c->in.len));
		keep(c, NULL, 0);
	} else {
		used = feed(c, p, (size_t)n);
		keep(c, p + used, (size_t)n - used);
	}
}

/* ---- writing, once at the end of the turn ---- */
static void write_out(struct conn *c)
{
	while (c->out.len) {
		ssize_t n = send(io_fd(&c->io), c->out.p + c->out.at, c->out.len, MSG_NOSIGNAL);

		if (n > 0) {
			bytes_drop(&c->out, (size_t)n);
			c->blocked_ms = loop_ms(&c->lane->loop);
		} else if (n < 0 && errno == EAGAIN) {
			if (!c->blocked)
				c->blocked_ms = loop_ms(&c->lane->loop);
			c->blocked = true;
			look_soon(c, c->blocked_ms + 1000ull * settings(c)->tcp_send_timeout_s);
			return;
		} else if (n < 0 && errno != EINTR) {
			bytes_free(&c->out);
			kill_conn(c, REASON_CONN_RESET);
			return;
		}
	}
	c->blocked = false;
	if (c->out.cap)
		touch(c);
	bytes_free(&c->out);
}

/* settle brings a connection to rest after a turn: write, read on from the buffer, close or wait. */
static void settle(struct conn *c)
{
	for (;;) {
		size_t before;

		if (c->dead == REASON_NONE || c->dead == REASON_CONN_QUERIES)
			write_out(c);
		before = c->in.len;
		if (c->dead || before == 0 || !may_take(c))
			break;
		bytes_drop(&c->in, feed(c, c->in.p + c->in.at, before));
		keep(c, NULL, 0);
		if (c->in.len == before || c->out.len == 0)
			break;
	}
	if (c->dead == REASON_NONE && c->eof && c->pending == 0 && c->out.len == 0)
		c->dead = c->in.len || c->queries < settings(c)->tcp_queries || !settings(c)->tcp_queries
				  ? REASON_CONN_CLOSED
				  : REASON_CONN_QUERIES;
	if (c->dead == REASON_NONE)
		want(c);
}

void conn_flush_all(struct lane *lane)
{
	while (lane->dirty) {
		struct conn *c = lane->dirty;

		lane->dirty = c->dirty_next;
		settle(c); /* still marked: it is not queued twice */
		c->dirty = false;
		if (c->dead)
			conn_free(c, c->dead);
	}
}

void conn_close_all(struct lane *lane)
{
	conn_flush_all(lane);
	while (lane->idle_first)
		conn_free(lane->idle_first, REASON_SHUTDOWN);
}

static void conn_ready(struct io *io, short what)
{
	struct conn *c = container_of(io, struct conn, io);

	MAGIC_CHECK(c, CONN_MAGIC);
	if (what & IO_WRITE)
		c->blocked = false;
	if (what & IO_READ)
		readable(c);
	make_dirty(c);
}

/* ---- birth ---- */
struct conn *conn_new(struct front *f, int fd, const struct addr *peer, struct who *who)
{
	struct conn *c;
	const struct conf *conf = core_conf(&f->lane->core);
	struct listener *l = f->listener;
	uint32_t now;

	if (f->lane->conn_slab.size == 0)
		slab_init(&f->lane->conn_slab, sizeof(*c));
	c = slab_get(&f->lane->conn_slab);
	if (!c)
		return NULL;
	c->magic = CONN_MAGIC;
	c->lane = f->lane;
	c->front = f;
	c->who = who;
	c->remote = c->peer = *peer;
	c->local = f->local;
	if (f->any)
		sock_local(fd, &c->local);
	c->proxied = !(l->enable_proxy && netset_size(conf->proxy_acl) && netset_match(conf->proxy_acl, peer));
	c->born_ms = c->last_ms = loop_ms(&f->lane->loop);
	c->timer.fire = look_at_clock;
	io_init(&c->io, &f->lane->loop, fd, conn_ready);
	if (io_want(&c->io, IO_READ) < 0) {
		slab_put(&f->lane->conn_slab, c);
		return NULL;
	}
	look_soon(c, c->born_ms + 1000ull * conf->set.tcp_recv_timeout_s);
	idle_add(c);
	f->users++;
	stat_inc(&f->lane->counters, COUNTER_TCP_ACCEPTED);
	atomic_fetch_add_explicit(&l->accepted, 1, memory_order_relaxed);
	now = atomic_fetch_add_explicit(&l->conns, 1, memory_order_relaxed) + 1;
	if (now > atomic_load_explicit(&l->conns_max, memory_order_relaxed))
		atomic_store_explicit(&l->conns_max, now, memory_order_relaxed);
	return c;
}
