/* back_tcp.c: queries over TCP to one backend: few connections, many queries in flight on each.
 *
 * A connection that breaks gives its queries back; the core sends them again on another, up to its tries.  One on
 * which a query timed out gets no new ones and closes when it is empty: a dead path is left after one deadline. */
#include "back_priv.h"
#include <unistd.h>

enum { TCP_MAGIC = 0x62746370, UP_MAGIC = 0x75702121, PIPELINE = 200, UPS_MAX = 64, IN_MAX = DNS_MAX + 2 };

struct back_tcp {
	struct back base;
	uint32_t magic;
	struct lane *lane;
	struct up *ups;
	unsigned n;
};

/* A connection to the backend. */
struct up {
	uint32_t magic;
	bool connected, dirty, blocked;
	bool drain;      /* takes no new queries */
	bool exclusive;  /* a zone transfer, or a PROXY header: one query only */
	uint8_t dead;    /* enum reason */
	struct back_tcp *back;
	struct io io;
	struct bytes in, out;
	struct query_map map;
	struct wheel_node timer;
	uint64_t since_ms; /* connecting or idle since */
	uint64_t queries;
	struct up *next, *dirty_next;
};

static struct back_tcp *tcp_of(struct back *b)
{
	struct back_tcp *t = container_of(b, struct back_tcp, base);

	MAGIC_CHECK(t, TCP_MAGIC);
	return t;
}

static uint64_t now_of(const struct up *u)
{
	return loop_ms(&u->back->lane->loop);
}

static void make_dirty(struct up *u)
{
	if (u->dirty)
		return;
	u->dirty = true;
	u->dirty_next = u->back->lane->dirty_up;
	u->back->lane->dirty_up = u;
}

static void kill_up(struct up *u, enum reason why)
{
	if (u->dead == REASON_NONE)
		u->dead = (uint8_t)why;
	make_dirty(u);
}

/* up_free closes; its queries go back to the core, which may send them on another connection. */
static void up_free(struct up *u)
{
	struct back_tcp *t = u->back;
	struct server *s = t->base.server;
	struct query_map map = u->map;
	enum reason why = u->connected ? REASON_CONNECTION_LOST : REASON_CONNECT_FAILED;

	must(!u->dirty);
	for (struct up **p = &t->ups; *p; p = &(*p)->next)
		if (*p == u) {
			*p = u->next;
			break;
		}
	t->n--;
	if (map.count)
		atomic_fetch_add_explicit(u->connected ? &s->tcp_died_reading : &s->tcp_gave_up, 1,
			memory_order_relaxed);
	stat_reason(&t->lane->counters, (enum reason)u->dead);
	atomic_fetch_sub_explicit(&s->connections, 1, memory_order_relaxed);
	wheel_disarm(&t->lane->loop.wheel, &u->timer);
	io_stop(&u->io);
	close(io_fd(&u->io));
	bytes_free(&u->in);
	bytes_free(&u->out);
	u->magic = 0;
	mem_free(u);
	while (map.first) {
		struct query *q = map.first;

		query_map_del(&map, q);
		query_lost(q, why);
	}
	query_map_free(&map);
}

/* ---- reading ---- */
static void rest(struct up *u)
{
	const struct settings *set = &core_conf(&u->back->lane->core)->set;
	unsigned idle = 0;

	if (u->map.count)
		return;
	for (const struct up *o = u->back->ups; o; o = o->next)
		idle += o->map.count == 0 && o->dead == REASON_NONE;
	if (u->drain || u->exclusive || idle > set->tcp_idle_backend || set->tcp_backend_idle_s == 0) {
		kill_up(u, REASON_CONN_IDLE);
		return;
	}
	u->since_ms = now_of(u);
	wheel_arm(&u->back->lane->loop.wheel, &u->timer, u->since_ms + 1000ull * set->tcp_backend_idle_s);
}

static void reply(struct up *u, const uint8_t *msg, size_t len)
{
	struct query *q = query_map_find(&u->map, dns_id(msg));
	struct counters *c = &u->back->lane->counters;

	if (!q) {
		stat_inc(c, COUNTER_RESPONSES);
		stat_reason(c, REASON_REPLY_UNASKED);
		atomic_fetch_add_explicit(&u->back->base.server->noncompliant, 1, memory_order_relaxed);
		return;
	}
	if (!query_matches(q, msg, len))
		return;
	if (!query_is_last(q, msg, len)) {
		query_part(q, msg, len);
		return;
	}
	query_map_del(&u->map, q);
	query_reply(q, msg, len);
}

static size_t feed(struct up *u, const uint8_t *p, size_t len)
{
	size_t used = 0;

	while (u->dead == REASON_NONE) {
		const uint8_t *msg;
		size_t n;
		int got = frame_next(p + used, len - used, &msg, &n);

		if (got < 0)
			kill_up(u, REASON_REPLY_SHORT);
		if (got <= 0)
			break;
		reply(u, msg, n);
		used += n + 2;
	}
	return used;
}

static void readable(struct up *u)
{
	uint8_t *p = u->back->lane->scratch;
	ssize_t n = read(io_fd(&u->io), p, LANE_SCRATCH);
	size_t used;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		kill_up(u, n == 0 ? REASON_CONN_CLOSED : REASON_CONN_RESET);
		return;
	}
	if (u->in.len) {
		if (bytes_add(&u->in, p, (size_t)n) < 0) {
			kill_up(u, REASON_CONN_OUT_OF_MEMORY);
			return;
		}
		bytes_drop(&u->in, feed(u, u->in.p + u->in.at, u->in.len));
	} else {
		used = feed(u, p, (size_t)n);
		if (bytes_add(&u->in, p + used, (size_t)n - used) < 0)
			kill_up(u, REASON_CONN_OUT_OF_MEMORY);
	}
	if (u->in.len == 0)
		bytes_free(&u->in);
	must(u->in.len <= LANE_SCRATCH + IN_MAX);
	if (u->dead == REASON_NONE)
		rest(u);
}

/* ---- writing ---- */
static void write_out(struct up *u)
{
	while (u->out.len) {
		ssize_t n = send(io_fd(&u->io), u->out.p + u->out.at, u->out.len, MSG_NOSIGNAL);

		if (n > 0) {
			bytes_drop(&u->out, (size_t)n);
		} else if (n < 0 && errno == EAGAIN) {
			u->blocked = true;
			return;
		} else if (n < 0 && errno != EINTR) {
			atomic_fetch_add_explicit(&u->back->base.server->tcp_died_sending, 1, memory_order_relaxed);
			u->dead = REASON_CONN_RESET;
			return;
		}
	}
	u->blocked = false;
	bytes_free(&u->out);
}

static void connected(struct up *u)
{
	int err = sock_error(io_fd(&u->io));

	if (err < 0) {
		log_limited(&u->back->lane->log_connect, now_of(u), LOG_WARN_, TAG_BACK, "backend %s: connect: %s",
			server_name(u->back->base.server), strerror(-err));
		kill_up(u, REASON_CONNECT_FAILED);
		return;
	}
	u->connected = true;
	wheel_disarm(&u->back->lane->loop.wheel, &u->timer);
	rest(u);
}

static void up_ready(struct io *io, short what)
{
	struct up *u = container_of(io, struct up, io);

	MAGIC_CHECK(u, UP_MAGIC);
	if (what & IO_WRITE) {
		u->blocked = false;
		if (!u->connected)
			connected(u);
	}
	if ((what & IO_READ) && u->dead == REASON_NONE)
		readable(u);
	make_dirty(u);
}

void back_flush_all(struct lane *lane)
{
	while (lane->dirty_up) {
		struct up *u = lane->dirty_up;

		lane->dirty_up = u->dirty_next;
		if (u->connected && u->dead == REASON_NONE)
			write_out(u);
		u->dirty = false;
		if (u->dead == REASON_NONE &&
			io_want(&u->io, u->connected && !u->blocked ? IO_READ : (short)(IO_READ | IO_WRITE)) < 0)
			u->dead = REASON_CONN_OUT_OF_MEMORY;
		if (u->dead)
			up_free(u);
	}
}

/* ---- deadlines: connecting, idle ---- */
static void up_clock(struct wheel_node *node, uint64_t now_ms)
{
	struct up *u = container_of(node, struct up, timer);

	(void)now_ms;
	if (!u->connected) {
		atomic_fetch_add_explicit(&u->back->base.server->tcp_connect_timeouts, 1, memory_order_relaxed);
		kill_up(u, REASON_CONNECT_FAILED);
	} else if (u->map.count == 0) {
		kill_up(u, REASON_CONN_IDLE);
	}
}

/* ---- opening and choosing ---- */
static struct up *up_new(struct back_tcp *t, int *err_r)
{
	struct server *s = t->base.server;
	struct up *u;
	struct sock_opts o;
	struct addr source;
	char interface[32];
	struct addr buf;
	const struct addr *to = server_addr(s, &buf);
	unsigned max = s->conf.max_connections;
	int fd;

	*err_r = -EAGAIN;
	if (max && atomic_load_explicit(&s->connections, memory_order_relaxed) >= max) {
		atomic_fetch_add_explicit(&s->tcp_too_many, 1, memory_order_relaxed);
		return NULL;
	}
	*err_r = -EADDRNOTAVAIL; /* the host name is not resolved yet */
	if (to->family == 0)
		return NULL;
	*err_r = -ENOMEM;
	u = mem_zalloc(sizeof(*u));
	if (!u)
		return NULL;
	back_sock_opts(s, &o, &source, interface);
	fd = sock_connect(to, &o);
	*err_r = fd;
	if (fd < 0) {
		log_limited(&t->lane->log_connect, loop_ms(&t->lane->loop), LOG_WARN_, TAG_BACK,
			"backend %s: connect: %s", server_name(s), strerror(-fd));
		mem_free(u);
		return NULL;
	}
	u->magic = UP_MAGIC;
	u->back = t;
	u->timer.fire = up_clock;
	io_init(&u->io, &t->lane->loop, fd, up_ready);
	u->next = t->ups;
	t->ups = u;
	t->n++;
	u->since_ms = now_of(u);
	wheel_arm(&t->lane->loop.wheel, &u->timer, u->since_ms + 1000ull * s->conf.connect_timeout_s);
	make_dirty(u);
	atomic_fetch_add_explicit(&s->tcp_new_connections, 1, memory_order_relaxed);
	if (atomic_fetch_add_explicit(&s->connections, 1, memory_order_relaxed) + 1 >
		atomic_load_explicit(&s->tcp_max_connections, memory_order_relaxed))
		atomic_store_explicit(&s->tcp_max_connections,
			atomic_load_explicit(&s->connections, memory_order_relaxed), memory_order_relaxed);
	return u;
}

/* choose: a connection with room, the emptiest; else a new one. */
static struct up *choose(struct back_tcp *t, const struct query *q, int *err_r)
{
	unsigned cap = t->base.server->conf.max_in_flight ? t->base.server->conf.max_in_flight : PIPELINE;
	bool alone = q->xfr || t->base.server->conf.use_proxy;
	struct up *best = NULL;

	for (struct up *u = t->ups; u && !alone; u = u->next)
		if (!u->drain && !u->exclusive && u->dead == REASON_NONE && u->map.count < cap &&
			(!best || u->map.count < best->map.count))
			best = u;
	if (best) {
		atomic_fetch_add_explicit(&t->base.server->tcp_reused_connections, 1, memory_order_relaxed);
		return best;
	}
	if (t->n >= UPS_MAX && t->base.server->conf.max_connections == 0) {
		*err_r = -EAGAIN;
		return NULL;
	}
	best = up_new(t, err_r);
	if (best)
		best->exclusive = alone;
	return best;
}

static int tcp_send(struct back *b, struct query *q)
{
	struct back_tcp *t = tcp_of(b);
	int err = 0;
	struct up *u = choose(t, q, &err);
	size_t before;

	if (!u)
		return err;
	err = query_map_add_next(&u->map, q, QUERY_IDS);
	if (err < 0)
		return err;
	before = u->out.len;
	put16(q->ask, q->back_id);
	if (b->server->conf.use_proxy) {
		uint8_t header[PROXY_HEADER + 36];

		err = bytes_add(&u->out, header, back_proxy_header(q, header));
	}
	if (err == 0)
		err = bytes_add_frame(&u->out, q->ask, q->ask_len);
	if (err < 0) {
		if (u->out.len != before)
			kill_up(u, REASON_CONN_OUT_OF_MEMORY);
		query_map_del(&u->map, q);
		return err;
	}
	if (u->connected)
		wheel_disarm(&t->lane->loop.wheel, &u->timer);
	u->queries++;
	q->back_slot = u;
	make_dirty(u);
	return 0;
}

static void tcp_cancel(struct back *b, struct query *q)
{
	struct up *u = q->back_slot;

	(void)tcp_of(b);
	MAGIC_CHECK(u, UP_MAGIC);
	atomic_fetch_add_explicit(&b->server->tcp_read_timeouts, 1, memory_order_relaxed);
	query_map_del(&u->map, q);
	u->drain = true;
	rest(u);
}

const struct back_ops back_tcp_ops = {"TCP", tcp_send, tcp_cancel};

struct back *back_tcp_new(struct lane *lane, struct server *server)
{
	struct back_tcp *t = mem_zalloc(sizeof(*t));

	if (!t)
		return NULL;
	t->magic = TCP_MAGIC;
	t->base.ops = &back_tcp_ops;
	t->base.server = server_ref(server);
	t->lane = lane;
	return &t->base;
}

void back_tcp_reset(struct back *b)
{
	for (struct up *u = tcp_of(b)->ups; u; u = u->next) {
		u->drain = true;
		rest(u);
	}
}

void back_tcp_close(struct back *b)
{
	struct back_tcp *t = tcp_of(b);

	back_flush_all(t->lane);
	while (t->ups) {
		t->ups->dead = REASON_SHUTDOWN;
		up_free(t->ups);
	}
	server_free(&t->base.server);
	t->magic = 0;
	mem_free(t);
}

void back_tcp_show(const struct back *b, struct text *out)
{
	const struct back_tcp *t = (const struct back_tcp *)(const void *)b; /* base is its first member */

	for (const struct up *u = t->ups; u; u = u->next)
		text_addf(out, "%s: %s, %u in flight, %llu queries\n", server_name(b->server),
			u->connected ? "connected" : "connecting", u->map.count, (unsigned long long)u->queries);
}
