/* probe.c: health checks: one question on a fresh socket, over UDP, TCP, DoT or DoH; what the answer means is server/'s.
 *
 * Worker 0.  One node per server holds its next check; a check under way holds its deadline, which covers connecting,
 * handshake and answer. */
#include "health.h"
#include "up.h"
#include <unistd.h>

enum { PROBE_MAGIC = 0x70726f62, QUERY_MAX = 512, SESSIONS = 2, SESSION_S = 3600 };

struct probe {
	uint32_t magic;
	struct probes *all;
	struct server *server;
	struct wheel_node timer; /* next look, or the deadline of the check under way */
	struct io io;
	int fd;                  /* of a check by UDP, -1: none is under way */
	struct up *up;           /* of a check over a stream, NULL: none is under way */
	struct tls_client *tls;  /* made at the first check of such a server */
	struct session_cache *sessions;
	bool known;              /* the first check has ended */
	uint16_t len;
	uint8_t query[QUERY_MAX];
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
	if (p->up)
		p->up->ops->close(p->up);
	p->up = NULL;
	if (p->fd < 0)
		return;
	io_stop(&p->io);
	close(p->fd);
	p->fd = -1;
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
	bool first = !p->known, changed, up;

	p->known = true;
	if (!ok && p->all->verbose)
		log_info(HEALTH, "health check of %s failed: %s", server_name(s), why);
	changed = health_result(s, ok, now_of(p));
	up = server_up(s);
	if (changed || (first && !up)) {
		char text[ADDR_TEXT];
		struct addr buf;
		bool named = strcmp(addr_print(server_addr(s, &buf), true, text), server_name(s)) != 0;

		log_warn(HEALTH, "backend %s%s%s%s is %s%s%s", server_name(s), named ? " (" : "", named ? text : "",
			named ? ")" : "", up ? "up" : "down", up ? "" : ": ", up ? "" : why);
	}
	stop(p); /* |why| may be its connection's */
	if (changed)
		p->all->hooks.changed(p->all->hooks.ctx, s, up);
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
		ok = health_answer_ok(p->server, p->query, p->len, msg, len);
	finish(p, ok, "bad answer");
}

/* self_header: a backend that wants PROXY headers gets one that says: from me, for nobody else. */
static size_t self_header(const struct probe *p, uint8_t out[PROXY_HEADER])
{
	const struct proxy self = {.local = true};
	ssize_t n = p->server->conf.use_proxy ? proxy_build(&self, out, PROXY_HEADER) : 0;

	must(n >= 0);
	return (size_t)n;
}

/* ---- by UDP ---- */
static int send_query(const struct probe *p)
{
	uint8_t out[PROXY_HEADER + QUERY_MAX];
	size_t n = self_header(p, out);
	ssize_t sent;

	memcpy(out + n, p->query, p->len);
	n += p->len;
	sent = send(p->fd, out, n, MSG_NOSIGNAL);
	return sent == (ssize_t)n ? 0 : sent < 0 ? -errno : -EPIPE;
}

static void probe_ready(struct io *io, short what)
{
	struct probe *p = container_of(io, struct probe, io);
	uint8_t *buf = p->all->lane->scratch;
	ssize_t n;

	(void)what;
	MAGIC_CHECK(p, PROBE_MAGIC);
	n = recv(p->fd, buf, LANE_SCRATCH, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0)
		failed(p, strerror(errno));
	else
		heard(p, buf, (size_t)n);
}

static int open_udp(struct probe *p, const struct addr *to)
{
	struct sock_opts o;
	struct addr source;
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sockaddr(to, &ss);
	char interface[32];
	int err;

	back_sock_opts(p->server, &o, &source, interface);
	p->fd = sock_udp(to->family, &o);
	if (p->fd < 0)
		return p->fd;
	io_init(&p->io, &p->all->lane->loop, p->fd, probe_ready);
	if (connect(p->fd, (struct sockaddr *)&ss, len) < 0)
		return -errno;
	err = send_query(p);
	return err < 0 ? err : io_want(&p->io, IO_READ);
}

/* ---- over a stream: a connection of its own, as those of queries are made ---- */
static struct probe *owner_of(const struct up *u)
{
	struct probe *p = u->owner;

	MAGIC_CHECK(p, PROBE_MAGIC);
	must(p->up == u);
	return p;
}

static void up_opened(struct up *u)
{
	struct probe *p = owner_of(u);
	uint8_t head[PROXY_HEADER];
	size_t n = self_header(p, head);
	int err = u->ops->send(u, dns_id(p->query), n ? head : NULL, n, p->query, p->len, NULL, 0);

	if (err < 0)
		failed(p, strerror(-err));
}

static void up_reply(struct up *u, uint16_t id, const uint8_t *msg, size_t len)
{
	(void)id;
	heard(owner_of(u), msg, len);
}

/* bad: something came that is no answer: too short for DNS, or an HTTP error. */
static void bad(struct probe *p, enum reason why)
{
	_Atomic uint64_t *counter = why == REASON_REPLY_SHORT ? &p->server->check_parse : &p->server->check_invalid;

	atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
	finish(p, false, reason_text(why));
}

static void up_refused(struct up *u, uint16_t id, enum reason why, bool unseen)
{
	struct probe *p = owner_of(u);

	(void)id;
	if (unseen || why == REASON_REPLY_HTTP_RESET)
		failed(p, reason_text(why));
	else
		bad(p, why);
}

static void up_closed(struct up *u, enum reason why)
{
	struct probe *p = owner_of(u);

	p->up = NULL; /* gone when we return */
	if (why == REASON_REPLY_SHORT)
		bad(p, why);
	else
		failed(p, u->why ? u->why : reason_text(why));
}

static void up_ended(struct up *u)
{
	(void)u; /* there is but one query */
}

static int make_tls(struct probe *p, const char **error_r)
{
	if (!p->sessions)
		p->sessions = session_cache_new(SESSIONS, SESSION_S);
	if (!p->sessions)
		return -ENOMEM;
	p->tls = up_tls(p->server, p->sessions, error_r);
	return p->tls ? 0 : -EINVAL;
}

static int open_up(struct probe *p, const struct addr *to, const char **error_r)
{
	static const struct up_events events = {up_opened, up_reply, up_refused, up_closed, up_ended};
	struct lane *lane = p->all->lane;
	struct up_plan plan = {.lane = lane, .server = p->server, .to = to, .check = true, .events = &events, .owner = p};
	bool encrypted = p->server->conf.tls && p->server->conf.tls[0], lent = false;
	int err = encrypted && !p->tls ? make_tls(p, error_r) : 0;

	if (err < 0)
		return err;
	if (encrypted) {
		plan.tls = p->tls;
		plan.sessions = p->sessions;
		plan.session = session_cache_take(p->sessions, lane->loop.wall_ms / 1000, &lent);
	}
	err = up_ops_of(p->server)->open(&plan, &p->up);
	if (plan.session && !lent)
		tls_session_free(&plan.session);
	return err;
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
	n = health_query(p->server, p->query, QUERY_MAX, (uint16_t)rng_u32(&p->all->lane->core.rng), &name, qtype,
		qclass);
	if (n < 0)
		return (int)n;
	p->len = (uint16_t)n;
	return 0;
}

static int open_probe(struct probe *p, const char **error_r)
{
	struct addr buf;
	const struct addr *to = server_addr(p->server, &buf);

	if (to->family == 0)
		return error_set(error_r, "its name is not resolved yet");
	return p->server->conf.check_tcp || server_streams(p->server) ? open_up(p, to, error_r) : open_udp(p, to);
}

static void look(struct wheel_node *node, uint64_t now_ms)
{
	struct probe *p = container_of(node, struct probe, timer);
	const char *error = NULL;
	int err;

	if (!health_due(p->server, now_ms)) {
		sleep_on(p);
		return;
	}
	p->timer.fire = too_late;
	wheel_arm(&p->all->lane->loop.wheel, &p->timer, now_ms + health_params(p->server).check_timeout_ms);
	err = write_query(p);
	if (err == 0)
		err = open_probe(p, &error);
	if (err < 0)
		failed(p, error ? error : strerror(-err));
}

static void probe_free(struct probe *p)
{
	if (p->timer.fire == too_late) /* a check is under way: others may check this server later */
		health_give_up(p->server);
	stop(p);
	wheel_disarm(&p->all->lane->loop.wheel, &p->timer);
	tls_client_free(&p->tls);
	if (p->sessions)
		session_cache_free(&p->sessions);
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

void probes_hurry(struct probes *all)
{
	uint64_t now_ms = loop_ms(&all->lane->loop);

	for (size_t i = 0; i < all->n; i++) {
		struct probe *p = all->v[i];

		if (server_up(p->server) || p->timer.fire != look)
			continue; /* fine, or a check is under way */
		health_hurry(p->server, now_ms);
		wheel_arm(&all->lane->loop.wheel, &p->timer, now_ms);
	}
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
