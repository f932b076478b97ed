/* resolve.c: backends given by host name: looked up, watched over time, moved when their addresses change.
 *
 * Asked are the backend's bootstrap servers, else the plain backends that have addresses, else the system.  A name that
 * resolved keeps its last good addresses when a later look-up fails; until the first one succeeds its backend takes no
 * queries and is looked up again and again.  Worker 0. */
#include "health.h"
#include "resolve.h"

enum { TTL_MIN_S = 10, TTL_MAX_S = 86400, TTL_SYSTEM_S = 60, KICK_GAP_MS = 5000, TURN_MS = 2000,
	PORT_DNS = 53, SYSTEM_GAP_MS = 1000,
	HOST_TEXT = 256 };
static const uint16_t quick_ms[] = {250, 500, 1000, 2000, 5000};
static const uint16_t slow_s[] = {5, 10, 20, 40, 60};

struct wanted {
	struct server *server; /* a reference */
	char host[HOST_TEXT];
	struct stub *stub;     /* a look-up of our own is under way */
	bool busy;             /* one of the system is */
	bool by_system;        /* the last one was */
	bool answered;         /* the first one has ended */
	bool failing, looping; /* said in the log */
	unsigned fails;        /* in a row */
	uint64_t due_ms, asked_ms;
	uint64_t found_ms;     /* its first address */
	uint64_t turned_ms;
	struct resolver *resolver;
};

struct resolver {
	struct daemon *daemon;
	struct wheel_node timer;
	struct wanted **v;
	size_t n;
};

static struct lane *lane_zero(const struct resolver *r)
{
	return &r->daemon->workers[0].lane;
}

static uint64_t now_of(const struct resolver *r)
{
	return loop_ms(&lane_zero(r)->loop);
}

static bool has_address(const struct wanted *w)
{
	struct addr buf;

	return server_addr(w->server, &buf)->family != 0;
}

/* arm wakes us for the next look-up that is due. */
static void arm(struct resolver *r)
{
	uint64_t at = UINT64_MAX;

	for (size_t i = 0; i < r->n; i++)
		if (!r->v[i]->stub && !r->v[i]->busy && r->v[i]->due_ms < at)
			at = r->v[i]->due_ms;
	if (at != UINT64_MAX)
		wheel_arm(&lane_zero(r)->loop.wheel, &r->timer, at);
}

/* ---- what was found ---- */
static bool among(const struct addr *v, unsigned n, const struct addr *a)
{
	for (unsigned i = 0; i < n; i++)
		if (addr_same_ip(&v[i], a) && v[i].scope == a->scope)
			return true;
	return false;
}

/* moved: is this another set than the one in use?  Of a name with more addresses than we keep some are not in use. */
static bool moved(const struct server *s, const struct addr *v, unsigned n)
{
	struct addr have[SERVER_ADDRS];
	unsigned known = server_addrs(s, have);
	bool other = known == 0;

	for (unsigned i = 0; i < known; i++)
		other |= !among(v, n, &have[i]);
	for (unsigned i = 0; i < n && known < SERVER_ADDRS; i++)
		other |= !among(have, known, &v[i]);
	return other;
}

static void reconnect(struct daemon *d, struct server *s)
{
	for (unsigned i = 0; i < d->nworkers; i++)
		if (post_reconnect(&d->workers[i], s) < 0)
			log_warn(BACK, "out of memory: backend %s keeps its connections", server_name(s));
}

/* use_addresses: ways to an address that is no longer the first one are closed, others stay. */
static void use_addresses(struct wanted *w, struct addr *v, unsigned n)
{
	struct server *s = w->server;
	struct addr buf, was = *server_addr(s, &buf), now;
	unsigned reachable = addrs_sort(s, v, n);
	char text[ADDR_TEXT];

	if (moved(s, v, n))
		server_set_addrs(s, v, n);
	if (reachable && !among(v, reachable, server_addr(s, &buf)))
		server_addr_good(s, &v[0]); /* there is no way to the one that was good */
	now = *server_addr(s, &buf);
	if (addr_same(&was, &now))
		return;
	log_info(BACK, "backend %s is at %s%s", server_name(s), addr_print(&now, false, text),
		n > 1 ? " and elsewhere" : "");
	reconnect(w->resolver->daemon, s);
	if (was.family == 0) {
		w->found_ms = w->turned_ms = now_of(w->resolver);
		probes_hurry(w->resolver->daemon->probes);
	}
}

static uint64_t retry_ms(const struct wanted *w)
{
	unsigned i = w->fails - 1;
	uint64_t ms;

	if (has_address(w))
		return 1000u * slow_s[i < LEN(slow_s) ? i : LEN(slow_s) - 1];
	ms = quick_ms[i < LEN(quick_ms) ? i : LEN(quick_ms) - 1];
	return w->by_system && ms < SYSTEM_GAP_MS ? SYSTEM_GAP_MS : ms;
}

static uint64_t refresh_ms(uint32_t ttl_s)
{
	return 1000ull * (ttl_s < TTL_MIN_S ? TTL_MIN_S : ttl_s > TTL_MAX_S ? TTL_MAX_S : ttl_s);
}

static void found(struct wanted *w, const struct addr *v, unsigned n, uint32_t ttl_s)
{
	struct resolver *r = w->resolver;
	struct conf *c = r->daemon->host.current(r->daemon);
	struct addr use[STUB_ADDRS];
	unsigned have = addrs_usable(w->server, c, v, n, use, &w->looping);

	conf_free(&c);
	w->answered = true;
	if (have) {
		w->fails = 0;
		w->failing = false;
		w->due_ms = now_of(r) + refresh_ms(ttl_s);
		use_addresses(w, use, have);
	} else {
		w->fails++;
		w->due_ms = now_of(r) + retry_ms(w);
		if (!w->failing && !w->looping)
			log_warn(BACK, "backend %s: its name does not resolve%s", server_name(w->server),
				has_address(w) ? "; its last addresses stay" : " yet");
		w->failing = true;
	}
	arm(r);
}

static void stub_done(void *ctx, const struct stub_answer *a)
{
	struct wanted *w = ctx;

	w->stub = NULL;
	found(w, a->v, a->n, a->ttl_s);
}

static struct wanted *wanted_of(const struct resolver *r, const struct server *s)
{
	for (size_t i = 0; r && i < r->n; i++)
		if (r->v[i]->server == s)
			return r->v[i];
	return NULL;
}

/* A look-up of the system outlives what it was for. */
struct by_system {
	struct daemon *daemon;
	struct server *server; /* a reference */
};

static void system_done(void *ctx, const struct addr *v, unsigned n)
{
	struct by_system *b = ctx;
	struct wanted *w = wanted_of(b->daemon->resolver, b->server);

	if (w && w->busy) {
		w->busy = false;
		found(w, v, n, TTL_SYSTEM_S);
	}
	server_free(&b->server);
	mem_free(b);
}

/* ---- whom to ask ---- */
static unsigned add_bootstraps(const struct server *s, struct stub_server out[STUB_SERVERS])
{
	const struct field_list *l = &s->conf.bootstrap;
	unsigned n = 0;

	for (size_t i = 0; i < l->n && n < STUB_SERVERS; i++) {
		out[n] = (struct stub_server){.source.family = 0};
		n += addr_parse(&out[n].to, l->v[i], PORT_DNS) == 0;
	}
	return n;
}

/* add_plain: the backends that speak plain DNS at a known address, those that are up before the others. */
static unsigned add_plain(const struct conf *c, struct stub_server out[STUB_SERVERS])
{
	unsigned n = 0;

	for (int up = 1; up >= 0; up--)
		for (size_t i = 0; i < c->nservers && n < STUB_SERVERS; i++) {
			const struct server *s = c->servers[i];
			struct sock_opts o;
			struct addr source;

			if (s->is_name || server_streams(s) || s->conf.use_proxy || server_up(s) != up)
				continue;
			out[n] = (struct stub_server){.to = s->addr};
			back_sock_opts(s, &o, &source, out[n].interface);
			if (o.bind)
				out[n].source = source;
			n++;
		}
	return n;
}

static bool ask_stub(struct wanted *w, const struct stub_server *servers, unsigned n)
{
	struct name name;

	if (name_from_text(&name, w->host, strlen(w->host)) < 0)
		return false;
	w->stub = stub_ask(lane_zero(w->resolver), &name, servers, n, stub_done, w);
	w->by_system = false;
	return w->stub != NULL;
}

static bool ask_system(struct wanted *w)
{
	struct daemon *d = w->resolver->daemon;
	struct by_system *b = mem_alloc(sizeof(*b));

	if (!b)
		return false;
	b->daemon = d;
	b->server = server_ref(w->server);
	w->by_system = w->busy = true;
	if (asker_ask(d, w->host, 0, system_done, b) < 0) {
		w->busy = false;
		server_free(&b->server);
		mem_free(b);
		return false;
	}
	asker_start(d);
	return true;
}

/* ask: plain backends may know nothing of names like "unbound" that a hosts file or a search list explains: the system
 * is asked for those, and in turn with them while they say nothing. */
static void ask(struct wanted *w, const struct conf *c, uint64_t now_ms)
{
	struct stub_server servers[STUB_SERVERS];
	unsigned n = add_bootstraps(w->server, servers);
	bool asked;

	w->asked_ms = now_ms;
	if (n == 0 && strchr(w->host, '.') && w->fails % 2 == 0)
		n = add_plain(c, servers);
	asked = n ? ask_stub(w, servers, n) : ask_system(w);
	if (!asked)
		w->due_ms = now_ms + SYSTEM_GAP_MS; /* memory is out */
}

/* ---- the list of names ---- */
static void wanted_free(struct wanted *w)
{
	stub_cancel(&w->stub);
	server_free(&w->server);
	mem_free(w);
}

static struct wanted *wanted_new(struct resolver *r, struct server *s)
{
	struct wanted *w = mem_zalloc(sizeof(*w));
	const char *colon = strrchr(s->conf.address, ':');
	size_t len = colon ? (size_t)(colon - s->conf.address) : strlen(s->conf.address);

	if (!w)
		return NULL;
	must(len < sizeof(w->host));
	w->resolver = r;
	w->server = server_ref(s);
	memcpy(w->host, s->conf.address, len);
	return w;
}

static bool is_listed(const struct resolver *r, const struct conf *c)
{
	size_t at = 0;

	for (size_t i = 0; i < c->nservers; i++)
		if (c->servers[i]->is_name && (at == r->n || r->v[at++]->server != c->servers[i]))
			return false;
	return at == r->n;
}

/* list_names makes |r->v| the host names of |c|, keeping what is known of them; -ENOMEM. */
static int list_names(struct resolver *r, const struct conf *c, size_t n)
{
	struct wanted **v = mem_zalloc((n ? n : 1) * sizeof(struct wanted *));
	size_t at = 0;

	if (!v)
		return -ENOMEM;
	for (size_t i = 0; i < c->nservers; i++) {
		if (!c->servers[i]->is_name)
			continue;
		v[at] = wanted_of(r, c->servers[i]);
		if (!v[at])
			v[at] = wanted_new(r, c->servers[i]);
		at += v[at] != NULL; /* else it is tried again in a second */
	}
	for (size_t i = 0; i < r->n; i++) {
		bool kept = false;

		for (size_t k = 0; k < at; k++)
			kept |= v[k] == r->v[i];
		if (!kept)
			wanted_free(r->v[i]);
	}
	mem_free(r->v);
	r->v = v;
	r->n = at;
	return 0;
}

/* turn_silent: a backend that is down may answer at another of its addresses. */
static void turn_silent(struct resolver *r, uint64_t now_ms)
{
	for (size_t i = 0; i < r->n; i++) {
		struct wanted *w = r->v[i];
		struct server *s = w->server;
		struct health_params p = health_params(s);
		uint64_t gap = p.check_timeout_ms + 1000ull * p.check_interval_s;

		if (atomic_load_explicit(&s->state, memory_order_relaxed) & (SERVER_UP | SERVER_FORCED) ||
			now_ms < w->turned_ms + (gap > TURN_MS ? gap : TURN_MS))
			continue;
		w->turned_ms = now_ms;
		if (server_turn_addr(s))
			reconnect(r->daemon, s);
	}
}

static void run(struct resolver *r, const struct conf *c, uint64_t now_ms)
{
	for (size_t i = 0; i < r->n; i++)
		if (!r->v[i]->stub && !r->v[i]->busy && r->v[i]->due_ms <= now_ms)
			ask(r->v[i], c, now_ms);
	arm(r);
}

static void due(struct wheel_node *node, uint64_t now_ms)
{
	struct resolver *r = container_of(node, struct resolver, timer);
	struct conf *c = r->daemon->host.current(r->daemon);

	run(r, c, now_ms);
	conf_free(&c);
}

void resolve_tick(struct daemon *d, const struct conf *c, uint64_t now_ms)
{
	struct resolver *r = d->resolver;
	size_t names = 0;

	asker_start(d);
	for (size_t i = 0; i < c->nservers; i++)
		names += c->servers[i]->is_name;
	if (!r && names == 0)
		return;
	if (!r) {
		r = d->resolver = mem_zalloc(sizeof(*r));
		if (!r)
			return;
		r->daemon = d;
		r->timer.fire = due;
	}
	if (!is_listed(r, c) && list_names(r, c, names) < 0)
		return;
	turn_silent(r, now_ms);
	run(r, c, now_ms);
}

bool resolve_settled(const struct daemon *d, uint64_t now_ms)
{
	for (size_t i = 0; d->resolver && i < d->resolver->n; i++) {
		const struct wanted *w = d->resolver->v[i];
		struct health_params p = health_params(w->server);

		if (!w->answered)
			return false;
		if (has_address(w) && !server_up(w->server) && server_health_mode(w->server) == HEALTH_ACTIVE &&
			now_ms < w->found_ms + p.check_timeout_ms)
			return false;
	}
	return true;
}

void resolve_kick(struct daemon *d)
{
	struct resolver *r = d->resolver;
	uint64_t now_ms = r ? now_of(r) : 0;

	if (!r)
		return;
	for (size_t i = 0; i < r->n; i++) {
		struct wanted *w = r->v[i];

		if (!has_address(w)) {
			stub_cancel(&w->stub);
			w->fails = 0;
			w->due_ms = now_ms;
		} else if (now_ms >= w->asked_ms + KICK_GAP_MS) {
			w->due_ms = now_ms; /* another network may have other answers */
		}
	}
	arm(r);
}

void resolve_stop(struct daemon *d)
{
	struct resolver *r = d->resolver;

	d->resolver = NULL;
	if (r) {
		for (size_t i = 0; i < r->n; i++)
			wanted_free(r->v[i]);
		wheel_disarm(&lane_zero(r)->loop.wheel, &r->timer);
		mem_free(r->v);
		mem_free(r);
	}
	asker_stop(d);
}
