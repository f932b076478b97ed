/* probe.c: health checks: one question on a fresh socket, over UDP or TCP; what the answer means is server/'s.
 *
 * Worker 0.  One node per server holds its next check; a check under way holds its deadline. */
#include "back.h"
#include <unistd.h>

enum { PROBE_MAGIC = 0x70726f62, QUERY_MAX = 512 };

struct probe {
	uint32_t magic;
	struct probes *all;
	struct server *server;
	struct wheel_node timer; /* next look, or the deadline of the check under way */
	struct io io;
	int fd;                  /* -1: no check under way */
	bool stream;
	bool known;              /* the first check has ended */
	uint16_t len;            /* of the query, without the frame */
	uint8_t query[2 + QUERY_MAX];
	struct bytes in;
};

struct probes {
	struct lane *lane;
	struct probe_hooks hooks;
	struct probe **v;
	size_t n;
	bool verbose;
};

static void look(struct wheel_node *node, uint64_t now_ms);

static uint64_t now_of(const struct probe *p)
{
	return loop_ms(&p->all->lane->loop);
}

static void stop(struct probe *p)
{
	if (p->fd < 0)
		return;
	io_stop(&p->io);
	close(p->fd);
	p->fd = -1;
	bytes_free(&p->in);
}

static void sleep_on(struct probe *p)
{
	uint64_t at = health_next_ms(p->server), now = now_of(p);

	p->timer.fire = look;
	if (at == UINT64_MAX || at > now + 1000)
		at = now + 1000; /* modes may be changed by hand, lazy states by traffic */
	wheel_arm(&p->all->lane->loop.wheel, &p->timer, at > now ? at : now + 1);
}

static void finish(struct probe *p, bool ok, const char *why)
{
	struct server *s = p->server;
	bool changed;

	stop(p);
	p->known = true;
	if (!ok && p->all->verbose)
		log_info(HEALTH, "health check of %s failed: %s", server_name(s), why);
	changed = health_result(s, ok, now_of(p));
	if (changed) {
		char text[ADDR_TEXT];
		struct addr buf;
		bool up = server_up(s);

		log_warn(HEALTH, "backend %s (%s) is %s", server_name(s), addr_print(server_addr(s, &buf), true, text),
			up ? "up" : "down");
		p->all->hooks.changed(p->all->hooks.ctx, s, up);
	}
	sleep_on(p);
}

static void too_late(struct wheel_node *node, uint64_t now_ms)
{
	struct probe *p = container_of(node, struct probe, timer);

	(void)now_ms;
	atomic_fetch_add_explicit(&p->server->check_timeout, 1, memory_order_relaxed);
	finish(p, false, "no answer in time");
}

static void failed(struct probe *p, const char *why)
{
	atomic_fetch_add_explicit(&p->server->check_network, 1, memory_order_relaxed);
	finish(p, false, why);
}

/* heard judges a whole answer. */
static void heard(struct probe *p, const uint8_t *msg, size_t len)
{
	bool ok;

	if (!p->all->hooks.validate(p->all->hooks.ctx, p->server, msg, len, &ok))
		ok = health_answer_ok(p->server, p->query + 2, p->len, msg, len);
	finish(p, ok, "bad answer");
}

static void heard_stream(struct probe *p, const uint8_t *bytes, size_t n)
{
	const uint8_t *msg;
	size_t len;
	int got;

	if (bytes_add(&p->in, bytes, n) < 0) {
		failed(p, "out of memory");
		return;
	}
	got = frame_next(p->in.p + p->in.at, p->in.len, &msg, &len);
	if (got < 0)
		failed(p, "bad length");
	else if (got > 0)
		heard(p, msg, len);
}

/* send_query: a backend that wants PROXY headers gets one that says: from me, for nobody else. */
static int send_query(const struct probe *p)
{
	const struct proxy self = {.local = true};
	uint8_t out[PROXY_HEADER + 2 + QUERY_MAX];
	size_t frame = p->stream ? 0 : 2;
	ssize_t n = p->server->conf.use_proxy ? proxy_build(&self, out, sizeof(out)) : 0, sent;

	must(n >= 0);
	memcpy(out + n, p->query + frame, p->len + 2u - frame);
	n += p->len + 2 - (ssize_t)frame;
	sent = send(p->fd, out, (size_t)n, MSG_NOSIGNAL);
	return sent == n ? 0 : sent < 0 ? -errno : -EPIPE;
}

static void probe_ready(struct io *io, short what)
{
	struct probe *p = container_of(io, struct probe, io);
	uint8_t *buf = p->all->lane->scratch;
	ssize_t n;
	int err;

	MAGIC_CHECK(p, PROBE_MAGIC);
	if (what & IO_WRITE) {
		err = sock_error(p->fd);
		if (err == 0)
			err = send_query(p);
		if (err == 0)
			err = io_want(&p->io, IO_READ);
		if (err < 0)
			failed(p, strerror(-err));
		return;
	}
	n = recv(p->fd, buf, LANE_SCRATCH, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0 || (n == 0 && p->stream))
		failed(p, n < 0 ? strerror(errno) : "connection closed");
	else if (p->stream)
		heard_stream(p, buf, (size_t)n);
	else
		heard(p, buf, (size_t)n);
}

/* write_query asks the check function, if there is one, for the question. */
static int write_query(struct probe *p)
{
	const struct server_conf *c = &p->server->conf;
	const char *text = c->check_name && c->check_name[0] ? c->check_name : "a.root-servers.net.";
	struct name name;
	unsigned qclass = c->check_class;
	int type = qtype_from_text(c->check_type ? c->check_type : "A");
	unsigned qtype = type < 0 ? QTYPE_A : (unsigned)type;
	ssize_t n;

	if (name_from_text(&name, text, strlen(text)) < 0)
		return -EINVAL;
	p->all->hooks.question(p->all->hooks.ctx, p->server, &name, &qtype, &qclass);
	n = health_query(p->server, p->query + 2, QUERY_MAX, (uint16_t)rng_u32(&p->all->lane->core.rng), &name, qtype,
		qclass);
	if (n < 0)
		return (int)n;
	p->len = (uint16_t)n;
	put16(p->query, p->len);
	return 0;
}

static int open_probe(struct probe *p)
{
	struct server *s = p->server;
	struct sock_opts o;
	struct addr source;
	struct sockaddr_storage ss;
	struct addr buf;
	const struct addr *to = server_addr(s, &buf);
	socklen_t len = addr_to_sockaddr(to, &ss);
	char interface[32];
	int err;

	if (to->family == 0)
		return -EADDRNOTAVAIL;
	back_sock_opts(s, &o, &source, interface);
	o.fast_open = false;
	p->stream = s->conf.check_tcp || s->conf.tcp_only;
	if (p->stream) {
		p->fd = sock_connect(to, &o);
	} else {
		p->fd = sock_udp(to->family, &o);
		if (p->fd >= 0 && connect(p->fd, (struct sockaddr *)&ss, len) < 0) {
			err = -errno;
			close(p->fd);
			p->fd = -1;
			return err;
		}
	}
	if (p->fd < 0)
		return p->fd;
	io_init(&p->io, &p->all->lane->loop, p->fd, probe_ready);
	err = p->stream ? 0 : send_query(p);
	if (err < 0)
		return err;
	return io_want(&p->io, p->stream ? IO_WRITE : IO_READ);
}

static void look(struct wheel_node *node, uint64_t now_ms)
{
	struct probe *p = container_of(node, struct probe, timer);
	int err;

	if (!health_due(p->server, now_ms)) {
		sleep_on(p);
		return;
	}
	p->timer.fire = too_late;
	wheel_arm(&p->all->lane->loop.wheel, &p->timer, now_ms + health_params(p->server).check_timeout_ms);
	err = write_query(p);
	if (err == 0)
		err = open_probe(p);
	if (err < 0)
		failed(p, strerror(-err));
}

static void probe_free(struct probe *p)
{
	stop(p);
	wheel_disarm(&p->all->lane->loop.wheel, &p->timer);
	server_free(&p->server);
	p->magic = 0;
	mem_free(p);
}

struct probes *probes_new(struct lane *lane, const struct probe_hooks *hooks)
{
	struct probes *all = mem_zalloc(sizeof(*all));

	if (!all)
		return NULL;
	all->lane = lane;
	all->hooks = *hooks;
	return all;
}

void probes_free(struct probes **p)
{
	struct probes *all = *p;

	*p = NULL;
	if (!all)
		return;
	for (size_t i = 0; i < all->n; i++)
		probe_free(all->v[i]);
	mem_free(all->v);
	mem_free(all);
}

bool probes_settled(const struct probes *all)
{
	for (size_t i = 0; i < all->n; i++)
		if (!all->v[i]->known && health_next_ms(all->v[i]->server) != UINT64_MAX &&
			server_health_mode(all->v[i]->server) == HEALTH_ACTIVE)
			return false;
	return true;
}

static struct probe *take(struct probes *all, const struct server *s)
{
	for (size_t i = 0; i < all->n; i++)
		if (all->v[i] && all->v[i]->server == s) {
			struct probe *p = all->v[i];

			all->v[i] = NULL;
			return p;
		}
	return NULL;
}

static struct probe *probe_new(struct probes *all, struct server *s)
{
	struct probe *p = mem_zalloc(sizeof(*p));

	if (!p)
		return NULL;
	p->magic = PROBE_MAGIC;
	p->all = all;
	p->server = server_ref(s);
	p->fd = -1;
	p->timer.fire = look;
	wheel_arm(&all->lane->loop.wheel, &p->timer, loop_ms(&all->lane->loop));
	return p;
}

int probes_set(struct probes *all, struct server *const *servers, size_t n, bool verbose)
{
	struct probe **v = mem_zalloc((n ? n : 1) * sizeof(struct probe *));
	int err = 0;

	if (!v)
		return -ENOMEM;
	all->verbose = verbose;
	for (size_t i = 0; i < n; i++) {
		v[i] = take(all, servers[i]);
		if (!v[i])
			v[i] = probe_new(all, servers[i]);
		if (!v[i]) {
			err = -ENOMEM;
			n = i;
		}
	}
	for (size_t i = 0; i < all->n; i++)
		if (all->v[i])
			probe_free(all->v[i]);
	mem_free(all->v);
	all->v = v;
	all->n = n;
	return err;
}
