/* transport_link.c: the connections of a transport: to which address, how many, which one goes when there are too many. */
#include "transport.h"

enum { TLS_AGAIN_MS = 10000, WAY_FORGIVEN_MS = 5000, REPLACE_MS = 1000, NO_ROUTE_MS = 16 };

/* ---- addresses ---- */
struct way *transport_way(struct transport *t, const struct addr *to)
{
	for (unsigned i = 0; i < t->ways; i++)
		if (addr_same(&t->way[i].to, to))
			return &t->way[i];
	return NULL;
}

void transport_ways_free(struct transport *t)
{
	mem_unkeep(t->way, t->ways * sizeof(t->way[0]));
	t->way = NULL;
	t->ways = 0;
}

/* ways_update takes the server's addresses of now, in its order; what is known of each stays.  0 or -ENOMEM. */
static int ways_update(struct transport *t)
{
	struct addr now[SERVER_ADDRS];
	struct way fresh[SERVER_ADDRS];
	unsigned n = server_addrs(t->base.server, now);

	for (unsigned i = 0; i < n; i++) {
		const struct way *w = transport_way(t, &now[i]);

		fresh[i] = w ? *w : (struct way){.to = now[i]};
	}
	if (n != t->ways) {
		struct way *way = n ? mem_keep(n * sizeof(*way)) : NULL;

		if (n && !way)
			return -ENOMEM;
		transport_ways_free(t);
		t->way = way;
		t->ways = n;
	}
	if (n)
		memcpy(t->way, fresh, n * sizeof(fresh[0]));
	return 0;
}

/* way_pick: the first one that is not known to be bad; else the one that was left alone longest. */
static struct way *way_pick(struct transport *t, uint64_t now)
{
	struct way *oldest = NULL;

	for (unsigned i = 0; i < t->ways; i++) {
		struct way *w = &t->way[i];

		if (!w->bad || now - w->tried_ms >= WAY_FORGIVEN_MS)
			return w;
		if (now - w->tried_ms >= WAY_MS && (!oldest || w->tried_ms < oldest->tried_ms))
			oldest = w;
	}
	return oldest;
}

/* ---- TLS, made at first use ---- */
static int tls_ready(struct transport *t, uint64_t now)
{
	const struct server_conf *conf = &t->base.server->conf;
	const struct settings *set = &core_conf(&t->lane->core)->set;
	const char *error = "out of memory";

	if (t->bare || t->tls || !conf->tls || !conf->tls[0])
		return 0;
	if (t->tls_failed_ms && now - t->tls_failed_ms < TLS_AGAIN_MS)
		return -EPROTO;
	if (!t->sessions)
		t->sessions = session_cache_new(set->tls_tickets, set->tls_tickets_valid_s);
	if (!t->sessions)
		return -ENOMEM;
	t->tls = up_tls(t->base.server, t->sessions, &error);
	if (t->tls)
		return 0;
	t->tls_failed_ms = now;
	log_paced(&t->base.server->trouble, now, LOG_WARN_, TAG_BACK, "%s", error);
	return -EPROTO;
}

/* ---- what links are like ---- */
bool link_used(const struct link *l)
{
	unsigned quota = transport_quota(l->t);

	return quota && l->sent >= quota;
}

bool link_healthy(const struct link *l)
{
	return l->open && !l->alone && !l->drain && !l->suspect && !link_used(l);
}

bool transport_healthy(const struct transport *t)
{
	for (const struct link *l = t->links; l; l = l->next)
		if (link_healthy(l))
			return true;
	return false;
}

unsigned transport_attempts(const struct transport *t, bool alone)
{
	unsigned n = 0;

	for (const struct link *l = t->links; l; l = l->next)
		n += !l->open && l->alone == alone;
	return n;
}

/* ---- the end of links ---- */
void link_take_out(struct link *l, enum reason why)
{
	struct transport *t = l->t;
	struct link **p = &t->links;

	while (*p != l) {
		must(*p);
		p = &(*p)->next;
	}
	*p = l->next;
	while (l->moved_first)
		link_unremember(l, l->moved_first);
	t->n--;
	atomic_fetch_sub_explicit(&t->base.server->connections, 1, memory_order_relaxed);
	__atomic_store_n(&t->lane->links, t->lane->links - 1, __ATOMIC_RELAXED);
	stat_reason(&t->lane->counters, why);
}

void link_close(struct link *l, enum reason why)
{
	must(l->map.count == 0);
	link_take_out(l, why);
	query_map_free(&l->map);
	l->t->ops->close(l->up); /* put off when its event is under way; calls nothing any more */
	l->magic = 0;
	mem_free(l);
}

void transport_drop_attempts(struct transport *t)
{
	for (struct link *l = t->links, *next; l; l = next) {
		next = l->next;
		if (!l->open && (l->alone ? t->alone.n == 0 : t->shared.n == 0 && transport_healthy(t)))
			link_close(l, REASON_CONN_RACED);
	}
}

unsigned transport_idle_s(const struct transport *t)
{
	const struct settings *set = &core_conf(&t->lane->core)->set;

	return server_proto(t->base.server) == PROTO_DOH ? set->doh_backend_idle_s : set->tcp_backend_idle_s;
}

static unsigned idle_most(const struct transport *t)
{
	const struct settings *set = &core_conf(&t->lane->core)->set;

	return server_proto(t->base.server) == PROTO_DOH ? set->doh_idle_backend : set->tcp_idle_backend;
}

void link_rest(struct link *l)
{
	const struct transport *t = l->t;
	unsigned idle = 0, most = idle_most(t);

	if (!l->open || !link_empty(l) || l->busy)
		return;
	if (most == 0 && t->base.server->conf.keep_warm_s)
		most = 1; /* or it would be opened again at once */
	for (const struct link *o = t->links; o; o = o->next)
		idle += o->open && link_empty(o);
	if (l->drain || l->alone || idle > most ||
		(transport_idle_s(t) == 0 && t->base.server->conf.keep_warm_s == 0))
		link_close(l, REASON_CONN_IDLE);
}

/* ---- room for one more ---- */
static bool has_room(const struct transport *t, bool alone)
{
	unsigned max = t->base.server->conf.max_connections;
	unsigned most = alone || transport_scarce(t) ? LINKS_SMALL_MAX : LINKS_MAX;

	return t->n < most && (max == 0 || atomic_load_explicit(&t->base.server->connections, memory_order_relaxed) < max);
}

/* worth: how gladly a link goes; 0: it stays.  Of equals the oldest, which is last in the list. */
static unsigned worth_closing(const struct link *l, unsigned attempts, bool first, uint64_t now)
{
	if (l->busy)
		return 0;
	if (l->open && l->map.count == 0 && (l->drain || l->suspect || link_used(l) || l->alone || l->t->alone.n))
		return l->moved ? 1 : 4;
	if (!l->open && attempts > 1 && !first)
		return 3; /* the first one has its whole time */
	if (!l->open && attempts == 1 && now - l->born_ms >= REPLACE_MS)
		return 2;
	return l->suspect && !l->mute && now - l->suspect_ms >= HUNT_MS;
}

bool transport_evict(struct transport *t, bool alone)
{
	uint64_t now = transport_now(t);
	unsigned attempts = transport_attempts(t, alone), seen = 0, best = 0;
	struct link *out = NULL;

	for (struct link *l = t->links; l; l = l->next) {
		unsigned worth;

		if (!l->open && l->alone != alone)
			continue;
		seen += !l->open;
		worth = worth_closing(l, attempts, seen == attempts, now);
		if (worth && worth >= best) {
			best = worth;
			out = l;
		}
	}
	if (!out)
		return false;
	transport_requeue(out, 0);
	link_close(out, out->open ? REASON_CONN_EVICTED : REASON_CONN_RACED);
	return true;
}

/* ---- opening ---- */
static void count_new(struct lane *lane, struct server *s)
{
	uint64_t n = atomic_fetch_add_explicit(&s->connections, 1, memory_order_relaxed) + 1;

	__atomic_store_n(&lane->links, lane->links + 1, __ATOMIC_RELAXED);
	atomic_fetch_add_explicit(&s->tcp_new_connections, 1, memory_order_relaxed);
	if (n > atomic_load_explicit(&s->tcp_max_connections, memory_order_relaxed))
		atomic_store_explicit(&s->tcp_max_connections, n, memory_order_relaxed);
}

static int link_open(struct transport *t, const struct way *w, bool alone)
{
	struct link *l = mem_zalloc(sizeof(*l));
	bool lent = true;
	struct tls_session *session = l && t->tls ? session_cache_take(t->sessions, t->lane->loop.wall_ms / 1000, &lent) : NULL;
	struct up_plan plan = {.lane = t->lane, .server = t->base.server, .to = &w->to, .tls = t->tls, .session = session,
		.sessions = t->sessions, .events = &link_events, .owner = l};
	int err = l ? t->ops->open(&plan, &l->up) : -ENOMEM;

	if (session && !lent)
		tls_session_free(&session);
	if (err < 0) {
		mem_free(l);
		return err;
	}
	l->magic = LINK_MAGIC;
	l->t = t;
	l->alone = alone;
	l->born_ms = transport_now(t);
	l->next = t->links;
	t->links = l;
	t->n++;
	count_new(t->lane, t->base.server);
	return 0;
}

/* is_local: does |err| say something of this machine, whatever the address? */
static bool is_local(int err)
{
	return err == -ENOMEM || err == -EMFILE || err == -ENFILE || err == -ENOBUFS || err == -EPROTONOSUPPORT;
}

static int open_any(struct transport *t, bool alone, uint64_t now)
{
	struct way *w;
	int err;

	err = ways_update(t);
	if (err == 0 && t->ways == 0)
		err = -EDESTADDRREQ;
	if (err == 0)
		err = tls_ready(t, now);
	if (err < 0)
		return err;
	err = -EINPROGRESS; /* each address was tried a moment ago */
	while ((w = way_pick(t, now))) {
		w->tried_ms = t->tried_ms = now;
		err = link_open(t, w, alone);
		if (err == 0)
			return 0;
		w->bad = true;
		if (is_local(err))
			break;
		w->tried_ms = now - WAY_MS + NO_ROUTE_MS; /* it costs one system call to ask again */
	}
	return err;
}

bool transport_open(struct transport *t, bool alone, bool force)
{
	uint64_t now = transport_now(t);
	int err;

	if (!has_room(t, alone) && (!force || !transport_evict(t, alone) || !has_room(t, alone))) {
		if (t->n == 0)
			t->open_err = -EAGAIN; /* other workers have them all */
		return false;
	}
	err = open_any(t, alone, now);
	if (err == -EINPROGRESS)
		return false;
	t->open_err = err;
	if (err == 0 && t->trouble_ms == 0 && !transport_healthy(t))
		t->trouble_ms = now;
	return err == 0;
}

/* ---- looking at a transport from outside ---- */
uint64_t back_stream_unused_ms(const struct back *b)
{
	const struct transport *t = (const struct transport *)(const void *)b; /* base is its first member */

	if (t->shared.n || t->alone.n || t->leaving.n || t->losing)
		return 0;
	for (const struct link *l = t->links; l; l = l->next)
		if (l->map.count)
			return 0;
	return transport_now(t) - t->wanted_ms;
}
