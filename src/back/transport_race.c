/* transport_race.c: how a transport never gets stuck: it looks at links that wait, races new ones against the silent,
 * hunts for a path that works, and gives back what could be answered elsewhere. */
#include "transport.h"

enum { WANTED_MS = 2000, SLOW_HUNT_MS = 1500, REFUSED_HUNT_MS = 1000, GIVE_MS = 400 };

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static bool keeps_warm(const struct transport *t, uint64_t now)
{
	return now - t->wanted_ms < 1000ull * t->base.server->conf.keep_warm_s;
}

static bool searches(const struct transport *t, uint64_t now)
{
	return t->suspect && now - t->wanted_ms < 1000ull * SEARCH_S;
}

static bool over_tls(const struct transport *t)
{
	return t->base.server->conf.tls && t->base.server->conf.tls[0];
}

/* ---- marks ---- */
static void mark(struct transport *t, bool suspect)
{
	t->suspect = suspect;
	if (server_streams(t->base.server)) /* one asked over UDP may do well without TCP */
		server_suspect(t->base.server, suspect);
}

/* well says that a backend answers again, where its troubles were said. */
static void well(struct transport *t)
{
	struct server *s = t->base.server;
	unsigned more;

	if (!log_paced_end(&s->trouble, &more))
		return;
	if (more)
		log_info(BACK, "backend %s answers again, after %u more failures", server_name(s), more);
	else
		log_info(BACK, "backend %s answers again", server_name(s));
}

void transport_alive(struct transport *t, bool answered)
{
	if (answered) {
		well(t);
		t->fails = 0;
		t->mute_ms = MUTE_MS;
	} else if (t->mute && !over_tls(t)) {
		return; /* the kernel of a stopped process accepts connections, too */
	}
	t->mute = false;
	t->trouble_ms = 0;
	t->open_err = 0;
	t->why = REASON_NONE;
	if (t->suspect)
		mark(t, false);
}

void link_suspect(struct link *l, bool mute, uint64_t since_ms)
{
	struct transport *t = l->t;

	l->suspect = true;
	l->mute = mute;
	l->suspect_ms = transport_now(t);
	t->mute = t->mute || mute;
	t->tried_ms = 0; /* race at once */
	if (t->trouble_ms == 0)
		t->trouble_ms = since_ms;
	t->ops->knock(l->up);
}

/* ---- looking at links ---- */
static unsigned deaf_ms(const struct link *l)
{
	uint64_t usual = later(3ull * l->t->reply_us / 1000, l->shake_ms < 3 * DEAF_MS ? l->shake_ms : 3 * DEAF_MS);

	return (unsigned)sooner(later(usual, DEAF_MS), DEAF_MAX_MS);
}

/* mute_ms: hearing nothing for so long is no matter of being slow, as its replies usually are. */
static uint64_t mute_ms(const struct transport *t)
{
	return sooner(later(t->mute_ms, 2ull * t->reply_us / 1000), MUTE_MAX_MS);
}

/* look_alone: where the link's one query gets no answer it is asked again on a new one.  A path that is dead has no use
 * for this one any more; a process that says nothing may yet answer: the more often it was asked, the longer it may take. */
static void look_alone(struct link *l, unsigned owed, uint64_t quiet)
{
	const struct query *q = l->map.first;

	if (owed > deaf_ms(l)) {
		transport_requeue(l, 1);
		link_close(l, REASON_CONN_SILENT);
	} else if (!q->xfr && quiet >= mute_ms(l->t) * (q->was_slot ? 3 : 1)) {
		link_leave(l);
		link_rest(l); /* when it was not the first that it left */
	}
}

static void look_idle(struct link *l, uint64_t now)
{
	struct transport *t = l->t;

	if (l->moved || now - l->rest_ms < 1000ull * transport_idle_s(t))
		return;
	if (link_healthy(l) && keeps_warm(t, now)) {
		unsigned healthy = 0;

		for (const struct link *o = t->links; o; o = o->next)
			healthy += link_healthy(o);
		if (healthy == 1)
			return;
	}
	link_close(l, REASON_CONN_IDLE);
}

static void look_waiting(struct link *l, uint64_t now)
{
	struct transport *t = l->t;
	uint64_t idle_ms = 1000ull * transport_idle_s(t), quiet = now - later(l->up->heard_ms, l->busy_ms);
	const struct query *q = l->map.first;
	unsigned owed;

	if (idle_ms && quiet >= idle_ms) {
		transport_requeue(l, TRY);
		link_close(l, REASON_CONN_SILENT);
		return;
	}
	if (l->suspect || (l->alone && q->soas))
		return;
	owed = t->ops->silent_ms(l->up);
	if (l->alone)
		look_alone(l, owed, quiet);
	else if (owed > deaf_ms(l))
		link_suspect(l, false, now - owed);
	else if (quiet >= mute_ms(t))
		link_suspect(l, true, now);
}

static void look(struct link *l, uint64_t now)
{
	struct transport *t = l->t;

	if (!l->open) {
		struct way *w = transport_way(t, &l->up->to);

		if (now - l->born_ms < 1000ull * t->base.server->conf.connect_timeout_s)
			return;
		atomic_fetch_add_explicit(&t->base.server->tcp_connect_timeouts, 1, memory_order_relaxed);
		if (w)
			w->bad = true;
		t->why = REASON_CONNECT_FAILED;
		link_close(l, REASON_CONNECT_FAILED);
		return;
	}
	if (l->suspect && l->up->heard_ms > l->suspect_ms) {
		l->suspect = l->mute = false;
		transport_alive(t, false);
	}
	if (l->map.count)
		look_waiting(l, now);
	else
		look_idle(l, now);
}

/* ---- hunting ---- */
static unsigned links_for(const struct transport *t, unsigned queries)
{
	unsigned per = t->base.server->conf.max_in_flight, quota = transport_quota(t);

	if (quota && (per == 0 || quota < per))
		per = quota;
	return (queries - 1) / per + 1;
}

/* demand: how many attempts the shared queue wants to be under way.  Where an open link takes no more for now, another
 * is worth its handshake when more wait than are out, or wait long. */
static unsigned demand(const struct transport *t, uint64_t now, bool *urgent_r)
{
	bool healthy = transport_healthy(t);
	unsigned out = 0;

	*urgent_r = true;
	for (const struct link *l = t->links; l; l = l->next)
		if (!l->alone && (l->suspect || link_healthy(l)))
			out += l->map.count;
	if (t->shared.n && transport_scarce(t))
		return links_for(t, t->shared.n);
	if (t->shared.n && healthy)
		return t->shared.n > out || now - t->shared.first->sent_us / 1000 >= TICK_MS;
	if (t->shared.n || (out && !healthy))
		return 1;
	*urgent_r = false;
	return !healthy && (keeps_warm(t, now) || searches(t, now));
}

static unsigned pace_ms(const struct transport *t, uint64_t now, bool urgent)
{
	if (t->why == REASON_BACKEND_CERTIFICATE)
		return REFUSED_HUNT_MS; /* handshakes are dear, and it will hardly have another soon */
	return urgent || now - t->wanted_ms < WANTED_MS ? HUNT_MS : SLOW_HUNT_MS;
}

/* too_slow: what is under way has not come through in time: the next attempt goes to another address. */
static void too_slow(struct transport *t, uint64_t now)
{
	for (struct link *l = t->links; l; l = l->next) {
		struct way *w = !l->open && now - l->born_ms >= HUNT_MS ? transport_way(t, &l->up->to) : NULL;

		if (w)
			w->bad = true;
	}
}

static void hunt_for(struct transport *t, bool alone, unsigned want, bool urgent)
{
	uint64_t now = transport_now(t), pace = pace_ms(t, now, urgent);
	unsigned attempts = transport_attempts(t, alone);
	bool due = now - t->tried_ms >= pace;

	if (want == 0 || (!due && (!urgent || t->why == REASON_BACKEND_CERTIFICATE)))
		return;
	if (attempts && due && (alone || !transport_healthy(t))) {
		too_slow(t, now);
		if (attempts >= ATTEMPTS + want - 1 && transport_evict(t, alone))
			attempts--;
		attempts += transport_open(t, alone, true);
	}
	while (attempts < want && transport_open(t, alone, attempts == 0))
		attempts++;
}

void transport_hunt(struct transport *t)
{
	bool urgent;
	unsigned want = demand(t, transport_now(t), &urgent);

	hunt_for(t, false, want, urgent);
	hunt_for(t, true, t->alone.n, true);
}

/* ---- giving back ---- */
bool back_elsewhere(const struct query *q)
{
	for (size_t i = 0; q->pool && !q->relay && i < q->pool->n; i++) {
		const struct server *s = q->pool->servers[i];
		uint32_t state = atomic_load_explicit(&s->state, memory_order_relaxed);

		if (s != q->dq.backend && (state & (SERVER_UP | SERVER_SUSPECT)) == SERVER_UP)
			return true;
	}
	return false;
}

static enum reason reason_of(const struct transport *t)
{
	switch (-t->open_err) {
	case ENETUNREACH: case EHOSTUNREACH: case ENETDOWN: case EADDRNOTAVAIL: case ENODEV: case EACCES: case EPERM:
		return REASON_NO_ROUTE;
	case EDESTADDRREQ:
		return REASON_NO_ADDRESS;
	case EPROTO:
		return REASON_BACKEND_CERTIFICATE;
	case 0:
		if (t->why == REASON_NONE)
			return REASON_BACKEND_SILENT;
		return t->why == REASON_BACKEND_CERTIFICATE ? t->why : REASON_CONNECT_FAILED;
	default:
		return REASON_CONNECT_FAILED;
	}
}

int transport_hopeless(const struct transport *t, const struct query *q)
{
	if (t->open_err == 0 || transport_healthy(t) || transport_attempts(t, false) || transport_attempts(t, true))
		return 0;
	switch (reason_of(t)) {
	case REASON_NO_ROUTE:
		return -ENETUNREACH;
	case REASON_NO_ADDRESS: /* its address may come before the deadline */
		return t->base.server->is_name && !back_elsewhere(q) ? 0 : -EADDRNOTAVAIL;
	default:
		return t->open_err;
	}
}

/* goes: is |q| better off with the core?  It may come right back, so not more often than once a second, but where
 * somebody else is known to be there. */
static bool goes(const struct query *q, enum reason why)
{
	uint64_t waited_ms = (q->core->now_us - q->sent_us) / 1000;

	if (q->soas)
		return false;
	if (why == REASON_NO_ROUTE || why == REASON_BACKEND_CERTIFICATE)
		return true;
	if (q->relay) /* what it was told; its own worker may know of others by now */
		return q->others || (waited_ms >= BOUNCE_MS && !q->sole);
	return back_elsewhere(q) && (q->tries <= QUICK_TRIES || waited_ms >= GIVE_MS);
}

static void collect_queue(struct transport *t, struct queue *k, enum reason why)
{
	for (struct query *q = k->first, *next; q; q = next) {
		next = q->back_next;
		if (!goes(q, why))
			continue;
		queue_del(k, q);
		queue_push(&t->leaving, q);
	}
}

static void collect_link(struct link *l, enum reason why)
{
	struct transport *t = l->t;

	for (struct query *q = l->map.first, *next; q && l->suspect; q = next) {
		next = q->back_next;
		if (!goes(q, why))
			continue;
		link_give_up(l, q);
		queue_push(&t->leaving, q);
	}
}

/* refused: no attempt is under way, and none of the addresses let us in. */
static bool refused(const struct transport *t)
{
	unsigned bad = 0;

	for (unsigned i = 0; i < t->ways; i++)
		bad += t->way[i].bad;
	return t->ways && bad == t->ways && !transport_attempts(t, false) && !transport_attempts(t, true);
}

void transport_judge(struct transport *t)
{
	uint64_t now = transport_now(t);
	bool none = t->open_err && !transport_attempts(t, false);
	enum reason why = reason_of(t);

	if (transport_healthy(t) || (t->trouble_ms == 0 && !none))
		return;
	if (t->trouble_ms == 0)
		t->trouble_ms = now;
	if (!none && !refused(t) && now - t->trouble_ms < TROUBLE_MS)
		return;
	mark(t, true);
	collect_queue(t, &t->shared, why);
	collect_queue(t, &t->alone, why);
	for (struct link *l = t->links; l; l = l->next)
		collect_link(l, why);
	transport_lose(t, why);
}

/* ---- the clock ---- */
/* soon_deaf_ms: when to look at a link with queries again: where an acknowledgement is owed, as soon as it is for too
 * long. */
static unsigned soon_deaf_ms(const struct link *l)
{
	unsigned deaf = deaf_ms(l), owed = l->suspect ? 0 : l->t->ops->silent_ms(l->up);

	return owed && owed <= deaf && deaf - owed < TICK_MS ? deaf - owed + 1 : TICK_MS;
}

static uint64_t link_next_ms(const struct link *l, uint64_t now)
{
	const struct transport *t = l->t;

	if (!l->open)
		return l->born_ms + 1000ull * t->base.server->conf.connect_timeout_s;
	if (l->map.count)
		return now + soon_deaf_ms(l);
	if (l->moved)
		return now + TICK_MS; /* it is idle when they are answered elsewhere */
	return later(l->rest_ms + 1000ull * transport_idle_s(t), t->wanted_ms + 1000ull * t->base.server->conf.keep_warm_s);
}

static uint64_t next_ms(const struct transport *t, uint64_t now)
{
	uint64_t at = UINT64_MAX;
	bool urgent;

	if (t->leaving.n)
		return now + 1;
	if (demand(t, now, &urgent) || t->alone.n) {
		unsigned pace = pace_ms(t, now, urgent || t->alone.n);

		/* one that is due and has not begun cannot: no address, no room */
		at = t->tried_ms + pace > now ? t->tried_ms + pace : now + pace;
	}
	if (t->shared.n || t->alone.n)
		at = sooner(at, now + TICK_MS);
	if (t->suspect)
		at = sooner(at, t->wanted_ms + 1000ull * SEARCH_S);
	for (const struct link *l = t->links; l; l = l->next)
		at = sooner(at, link_next_ms(l, now));
	return at;
}

void transport_rearm(struct transport *t)
{
	uint64_t now = transport_now(t), at;

	if (wheel_armed(&t->clock) && t->clock.at_ms <= now + TICK_MS)
		return;
	at = next_ms(t, now);
	if (at != UINT64_MAX && (!wheel_armed(&t->clock) || at < t->clock.at_ms))
		wheel_arm(&t->lane->loop.wheel, &t->clock, later(at, now + 1));
}

void transport_clock(struct wheel_node *node, uint64_t now_ms)
{
	struct transport *t = container_of(node, struct transport, clock);

	MAGIC_CHECK(t, TRANSPORT_MAGIC);
	for (struct link *l = t->links, *next; l; l = next) {
		next = l->next;
		look(l, now_ms);
	}
	if (t->suspect && !searches(t, now_ms)) { /* the next query may find out */
		mark(t, false);
		t->trouble_ms = 0;
	}
	transport_drop_attempts(t);
	transport_pump(t);
	transport_lose(t, REASON_CONNECTION_LOST);
	transport_judge(t);
	transport_rearm(t);
}

/* ---- the network changed ---- */
void back_stream_network(struct back *b, const struct addr *have, size_t n)
{
	struct transport *t = transport_of(b);

	for (struct link *l = t->links, *next; l; l = next) {
		next = l->next;
		if (!back_here(&l->up->local, have, n)) {
			transport_requeue(l, 0);
			link_close(l, REASON_CONN_ADDRESS);
		} else if (l->open && l->map.count && !l->alone && !l->suspect) {
			link_suspect(l, false, transport_now(t));
		} else if (l->open && l->map.count == 0) {
			l->doubt = true;
			t->ops->knock(l->up);
		}
	}
	for (unsigned i = 0; i < t->ways; i++)
		t->way[i].bad = false;
	t->open_err = 0;
	t->tried_ms = 0;
	transport_pump(t);
	transport_lose(t, REASON_CONNECTION_LOST);
	transport_judge(t);
}
