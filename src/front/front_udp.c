/* front_udp.c: plain DNS over UDP: a batch is read, each datagram runs, the answers leave in a batch. */
#include "front.h"
#include <sys/socket.h>
#include <unistd.h>

/* ROUNDS: batches in one turn, so that others get theirs.  LAST_ROUNDS: for what a usual receive buffer holds. */
enum { ROUNDS = 4, LAST_ROUNDS = 64 };

static int udp_open(struct listener *l, const char **error_r)
{
	struct sock_opts o = {
		.bind = &l->conf.addr,
		.interface = l->conf.interface,
		.reuse_port = l->share_port || l->conf.reuse_port,
		.pktinfo = addr_is_any(&l->conf.addr),
		.recv_buffer = l->recv_buffer,
		.send_buffer = l->send_buffer,
	};
	int fd = sock_udp(l->conf.addr.family, &o);

	if (fd < 0)
		*error_r = strerror(-fd);
	return fd;
}

/* A query that waits keeps its front: its socket must be there when the answer comes. */
static void udp_waits(struct client *c)
{
	struct front *f = c->front;

	f->users++;
}

static void udp_leave(struct client *c)
{
	if (query_of(c)->parked)
		front_release(c->front);
}

static void udp_answer(struct client *c, const uint8_t *msg, size_t len)
{
	struct front *f = c->front;
	bool from = f->any && c->local.family && !c->inner;

	if (f->fd >= 0) {
		f->responses++;
		dgram_send(f->lane->out, f->fd, c->inner ? &c->peer : &c->remote, from ? &c->local : NULL,
			c->ifindex, msg, len);
	}
	udp_leave(c);
}

static void udp_drop(struct client *c, enum reason why)
{
	(void)why;
	udp_leave(c);
}

static const struct client_ops udp_client = {udp_answer, udp_drop, udp_answer, udp_waits};

/* unwrap takes the PROXY header off; 0, or -EBADMSG. */
static int unwrap(struct front *f, struct client *c, struct dgram *d)
{
	struct proxy x;
	ssize_t n = proxy_parse(&x, d->msg, d->len, core_conf(&f->lane->core)->set.proxy_max);

	if (n <= 0)
		return -EBADMSG;
	d->msg += n;
	d->len -= (size_t)n;
	c->peer = c->remote;
	if (!x.local) {
		c->remote = x.source;
		c->local = x.destination;
	}
	c->inner = true;
	return 0;
}

static void one(struct front *f, struct dgram *d)
{
	struct core *core = &f->lane->core;
	const struct netset *proxies = core_conf(core)->proxy_acl;
	struct client *c = query_client(core);

	f->queries++;
	if (d->from.port == 0 || d->from.family == 0) {
		stat_reason(&f->lane->counters, REASON_QUERY_NO_RETURN);
		return;
	}
	if (atomic_load_explicit(&f->listener->muted, memory_order_relaxed)) {
		stat_reason(&f->lane->counters, REASON_MUTED);
		return;
	}
	if (unlikely(d->truncated)) {
		stat_reason(&f->lane->counters, REASON_QUERY_TOO_LARGE);
		return;
	}
	c->ops = &udp_client;
	c->front = f;
	c->conn = NULL;
	c->remote = d->from;
	c->local = f->local;
	if (d->to.family) {
		c->local = d->to;
		c->local.port = f->local.port;
	}
	c->ifindex = d->ifindex;
	c->proto = PROTO_UDP;
	c->stream = c->inner = c->pad = false;
	if (netset_size(proxies) && f->listener->enable_proxy && netset_match(proxies, &d->from) &&
		unwrap(f, c, d) < 0) {
		stat_reason(&f->lane->counters, REASON_PROXY_HEADER);
		return;
	}
	query_start(core, c, d->msg, d->len);
}

/* run takes up to |rounds| batches. */
static void run(struct front *f, unsigned rounds)
{
	struct lane *lane = f->lane;

	for (unsigned round = 0; round < rounds; round++) {
		int n = dgram_read(lane->in, f->fd, true);

		if (n <= 0)
			break;
		for (int i = 0; i < n; i++) {
			struct dgram d;

			dgram_get(lane->in, (unsigned)i, &d);
			one(f, &d);
		}
		dgram_flush(lane->out);
		if ((unsigned)n < dgram_batch(lane->in))
			break;
	}
}

static void udp_ready(struct io *io, short what)
{
	(void)what;
	run(container_of(io, struct front, io), ROUNDS);
}

static int udp_start(struct front *f)
{
	io_init(&f->io, &f->lane->loop, f->fd, udp_ready);
	return io_want(&f->io, IO_READ);
}

/* udp_stop runs what has come already and reads no more; the socket goes with the last query that waits, whose answer
 * leaves through it. */
static void udp_stop(struct front *f)
{
	sock_hush(f->fd, f->local.family);
	if (!f->lane->loop.stop)
		run(f, LAST_ROUNDS);
	io_stop(&f->io);
}

const struct front_ops front_udp = {"UDP", PROTO_UDP, true, udp_open, udp_start, udp_stop, NULL};
