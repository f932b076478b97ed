/* back_udp.c: queries over UDP to one backend: connected sockets, random ids and ports, replies matched by id and
 * question.  Predictable ids are for those who ask for them. */
#include "back_priv.h"
#include <unistd.h>

enum { UDP_MAGIC = 0x62756470, ROUNDS = 4 };

struct udp_sock {
	struct back_udp *back;
	struct io io;
	struct query_map map;
};

struct back_udp {
	struct back base;
	uint32_t magic;
	struct lane *lane;
	unsigned turn;
	unsigned n;               /* sockets, all open or none */
	struct udp_sock sock[];
};

static struct back_udp *udp_of(struct back *b)
{
	struct back_udp *u = container_of(b, struct back_udp, base);

	MAGIC_CHECK(u, UDP_MAGIC);
	return u;
}

/* one reply: matched or counted and ignored. */
static void reply(struct udp_sock *s, const uint8_t *msg, size_t len)
{
	struct back_udp *u = s->back;
	struct query *q = len >= DNS_HEADER ? query_map_find(&s->map, dns_id(msg)) : NULL;

	if (!q) {
		stat_inc(&u->lane->counters, COUNTER_RESPONSES);
		stat_reason(&u->lane->counters, len < DNS_HEADER ? REASON_REPLY_SHORT : REASON_REPLY_UNASKED);
		atomic_fetch_add_explicit(&u->base.server->noncompliant, 1, memory_order_relaxed);
		return;
	}
	if (!query_matches(q, msg, len))
		return;
	query_map_del(&s->map, q);
	query_reply(q, msg, len);
}

static void udp_ready(struct io *io, short what)
{
	struct udp_sock *s = container_of(io, struct udp_sock, io);
	struct lane *lane = s->back->lane;

	(void)what;
	for (unsigned round = 0; round < ROUNDS && io_fd(io) >= 0; round++) {
		int n = dgram_read(lane->in, io_fd(io), false);

		if (n == -ECONNREFUSED)
			continue; /* nobody listens there: health checks and deadlines tell */
		if (n <= 0)
			break;
		for (int i = 0; i < n; i++) {
			struct dgram d;

			dgram_get(lane->in, (unsigned)i, &d);
			if (d.truncated)
				stat_reason(&lane->counters, REASON_REPLY_TOO_LARGE);
			else
				reply(s, d.msg, d.len);
		}
		dgram_flush(lane->out);
		if ((unsigned)n < dgram_batch(lane->in))
			break;
	}
}

static void close_sockets(struct back_udp *u, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct udp_sock *s = &u->sock[i];
		int fd = io_fd(&s->io);

		if (fd < 0)
			continue;
		io_stop(&s->io);
		dgram_forget(u->lane->out, fd);
		close(fd);
		io_init(&s->io, &u->lane->loop, -1, udp_ready);
	}
}

static int open_one(struct back_udp *u, struct udp_sock *s)
{
	struct sock_opts o;
	struct addr source;
	struct sockaddr_storage ss;
	char interface[32];
	struct addr buf;
	const struct addr *to = server_addr(u->base.server, &buf);
	socklen_t len = addr_to_sockaddr(to, &ss);
	int fd, err;

	if (to->family == 0)
		return -EADDRNOTAVAIL; /* the host name is not resolved yet */
	back_sock_opts(u->base.server, &o, &source, interface);
	fd = sock_udp(to->family, &o);
	if (fd < 0)
		return fd;
	if (connect(fd, (struct sockaddr *)&ss, len) < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	io_init(&s->io, &u->lane->loop, fd, udp_ready);
	return io_want(&s->io, IO_READ);
}

static int open_sockets(struct back_udp *u)
{
	for (unsigned i = 0; i < u->n; i++) {
		int err = open_one(u, &u->sock[i]);

		if (err < 0) {
			log_paced(&u->base.server->trouble, loop_ms(&u->lane->loop), LOG_WARN_, TAG_BACK,
				"backend %s: no UDP socket: %s", server_name(u->base.server), strerror(-err));
			close_sockets(u, i + 1);
			return err;
		}
	}
	return 0;
}

static int add(struct back_udp *u, struct udp_sock *s, struct query *q, const struct settings *set)
{
	uint32_t cap = u->base.server->conf.max_udp_outstanding;

	if (cap == 0)
		cap = set->udp_outstanding;
	if (set->udp_random_ids)
		return query_map_add_random(&s->map, q, cap, &u->lane->core.rng);
	return query_map_add_next(&s->map, q, cap);
}

static void put_out(struct udp_sock *s, const struct query *q)
{
	struct back_udp *u = s->back;
	uint8_t header[PROXY_HEADER + 36], *p;
	size_t n;

	if (!u->base.server->conf.use_proxy) {
		dgram_send(u->lane->out, io_fd(&s->io), NULL, NULL, 0, q->ask, q->ask_len);
		return;
	}
	n = back_proxy_header(q, header);
	p = dgram_room(u->lane->out, io_fd(&s->io), NULL, NULL, 0, n + q->ask_len);
	memcpy(p, header, n);
	memcpy(p + n, q->ask, q->ask_len);
}

static int udp_send(struct back *b, struct query *q)
{
	struct back_udp *u = udp_of(b);
	const struct settings *set = &q->hold->conf->set;
	struct udp_sock *s = &u->sock[0];
	int err;

	if (io_fd(&s->io) < 0 && (err = open_sockets(u)) < 0)
		return err;
	if (u->n > 1)
		s = &u->sock[set->udp_random_sockets ? rng_below(&u->lane->core.rng, u->n) : u->turn++ % u->n];
	err = add(u, s, q, set);
	if (err < 0)
		return err;
	q->back_slot = s;
	put16(q->ask, q->back_id);
	put_out(s, q);
	return 0;
}

static void udp_cancel(struct back *b, struct query *q)
{
	struct udp_sock *s = q->back_slot;

	(void)udp_of(b);
	query_map_give_up(&s->map, q);
}

const struct back_ops back_udp_ops = {"UDP", udp_send, udp_cancel};

struct back *back_udp_new(struct lane *lane, struct server *server)
{
	unsigned n = server->conf.sockets ? server->conf.sockets : 1;
	struct back_udp *u;

	n = n > SERVER_SOCKETS_MAX ? SERVER_SOCKETS_MAX : n;
	u = mem_zalloc(sizeof(*u) + n * sizeof(u->sock[0]));
	if (!u)
		return NULL;
	u->magic = UDP_MAGIC;
	u->base.ops = &back_udp_ops;
	u->base.server = server_ref(server);
	u->lane = lane;
	u->n = n;
	for (unsigned i = 0; i < n; i++) {
		u->sock[i].back = u;
		io_init(&u->sock[i].io, &lane->loop, -1, udp_ready);
	}
	return &u->base;
}

void back_udp_reset(struct back *b)
{
	struct back_udp *u = udp_of(b);

	/* queries in flight keep their deadlines: those that were sent to the old address may still be lost */
	close_sockets(u, u->n);
}

void back_udp_network(struct back *b, const struct addr *have, size_t n)
{
	struct back_udp *u = udp_of(b);
	struct addr local;

	if (io_fd(&u->sock[0].io) < 0)
		return;
	sock_local(io_fd(&u->sock[0].io), &local);
	if (back_here(&local, have, n))
		return;
	close_sockets(u, u->n);
	if (open_sockets(u) < 0)
		return; /* deadlines end them, and the next query tries again */
	for (unsigned i = 0; i < u->n; i++)
		for (const struct query *q = u->sock[i].map.first; q; q = q->back_next)
			put_out(&u->sock[i], q);
	dgram_flush(u->lane->out);
}

void back_udp_close(struct back *b)
{
	struct back_udp *u = udp_of(b);

	close_sockets(u, u->n);
	for (unsigned i = 0; i < u->n; i++) {
		struct query_map *m = &u->sock[i].map;

		while (m->first) {
			struct query *q = m->first;

			query_map_del(m, q);
			query_lost(q, REASON_CONNECTION_LOST);
		}
		query_map_free(m);
	}
	server_free(&u->base.server);
	u->magic = 0;
	mem_free(u);
}
