/* clients.c: what one client may do: connections at once, connections and TLS handshakes per second, and bans.
 *
 * Shared by all workers under one lock; looked at only when a connection opens or closes and a limit is set or
 * somebody is banned.  Clients are masked as the settings say; at most CLIENTS_MAX are remembered. */
#include "front.h"
#include <pthread.h>

enum { CLIENTS_MAX = 100000, HOUR_MS = 3600000 };

enum { RATE_CONN, RATE_FULL, RATE_RESUMED, RATES }; /* connections, TLS handshakes of both kinds */

struct who {
	struct addr key;
	uint32_t conns;
	uint32_t n[RATES];          /* in this window */
	uint64_t window_ms[RATES];  /* when it began */
	uint64_t banned_ms;         /* until then */
};

struct clients {
	pthread_mutex_t lock;
	struct map *map;
	_Atomic unsigned bans;  /* entries that may be banned */
	_Atomic size_t held[HOLDS]; /* bytes that connections hold back */
};

struct clients *clients_new(void)
{
	struct clients *t = mem_zalloc(sizeof(*t));

	if (!t)
		return NULL;
	t->map = map_new();
	if (!t->map) {
		mem_free(t);
		return NULL;
	}
	pthread_mutex_init(&t->lock, NULL);
	return t;
}

void clients_free(struct clients **p)
{
	struct clients *t = *p;
	size_t pos = 0, len;
	const void *key;
	void *v;

	*p = NULL;
	if (!t)
		return;
	while (map_next(t->map, &pos, &key, &len, &v))
		mem_free(v);
	map_free(&t->map);
	pthread_mutex_destroy(&t->lock);
	mem_free(t);
}

/* key_of masks the address, and keeps the first bits of the port for clients behind one IPv4 address. */
static struct addr key_of(const struct settings *set, const struct addr *a)
{
	struct addr k = *a;
	unsigned drop = 16 - (set->tcp_mask4_port > 16 ? 16 : set->tcp_mask4_port);

	k.scope = 0;
	k.port = 0;
	if (a->family == AF_INET6) {
		addr_mask(&k, set->tcp_mask6);
	} else {
		addr_mask(&k, set->tcp_mask4);
		if (set->tcp_mask4 == 32 && drop < 16)
			k.port = (uint16_t)(a->port >> drop << drop);
	}
	return k;
}

static bool limited(const struct clients *t, const struct settings *set)
{
	return set->tcp_per_client || set->tcp_rate || atomic_load_explicit(&t->bans, memory_order_relaxed);
}

static struct who *find(struct clients *t, const struct addr *key, bool make)
{
	struct who *w = map_get(t->map, key, sizeof(*key));

	if (w || !make || map_count(t->map) >= CLIENTS_MAX)
		return w;
	w = mem_zalloc(sizeof(*w));
	if (w && map_set(t->map, key, sizeof(*key), w, NULL) < 0) {
		mem_free(w);
		w = NULL;
	}
	if (w)
		w->key = *key;
	return w;
}

/* too_fast counts one more; true, and banned: more of them than |per_s| (0: no limit) over the interval. */
static bool too_fast(struct clients *t, struct who *w, unsigned rate, uint32_t per_s, const struct settings *set,
	uint64_t now_ms)
{
	if (per_s == 0)
		return false;
	if (w->n[rate] == 0 || now_ms - w->window_ms[rate] >= 60000ull * set->tcp_rate_interval_min) {
		w->window_ms[rate] = now_ms;
		w->n[rate] = 0;
	}
	if (++w->n[rate] <= (uint64_t)per_s * 60 * set->tcp_rate_interval_min)
		return false;
	w->banned_ms = now_ms + 1000ull * set->tcp_rate_ban_s;
	atomic_fetch_add_explicit(&t->bans, 1, memory_order_relaxed);
	return true;
}

/* forgettable: neither here nor banned, and no rate was counted that begins later than |since_ms|. */
static bool forgettable(const struct who *w, uint64_t since_ms)
{
	if (w->conns || w->banned_ms)
		return false;
	for (unsigned i = 0; i < RATES; i++)
		if (w->n[i] && w->window_ms[i] >= since_ms)
			return false;
	return true;
}

static enum reason enter(struct clients *t, struct who *w, const struct settings *set, uint64_t now_ms)
{
	if (w->banned_ms > now_ms)
		return REASON_CONN_BANNED;
	if (set->tcp_per_client && w->conns >= set->tcp_per_client)
		return REASON_CONN_PER_CLIENT;
	if (too_fast(t, w, RATE_CONN, set->tcp_rate, set, now_ms))
		return REASON_CONN_RATE;
	w->conns++;
	return REASON_NONE;
}

enum reason clients_enter(struct clients *t, const struct settings *set, const struct addr *a, uint64_t now_ms,
	struct who **who_r)
{
	struct addr key;
	struct who *w;
	enum reason why = REASON_NONE;

	*who_r = NULL;
	if (!limited(t, set))
		return REASON_NONE;
	key = key_of(set, a);
	pthread_mutex_lock(&t->lock);
	w = find(t, &key, set->tcp_per_client || set->tcp_rate);
	if (w) {
		why = enter(t, w, set, now_ms);
		if (why == REASON_NONE)
			*who_r = w; /* lives while its connections do */
	}
	pthread_mutex_unlock(&t->lock);
	return why;
}

void clients_leave(struct clients *t, struct who **p)
{
	struct who *w = *p;

	*p = NULL;
	if (!w)
		return;
	pthread_mutex_lock(&t->lock);
	must(w->conns > 0);
	w->conns--;
	if (forgettable(w, 0)) {
		map_del(t->map, &w->key, sizeof(w->key));
		mem_free(w);
	}
	pthread_mutex_unlock(&t->lock);
}

enum reason clients_shake(struct clients *t, const struct settings *set, const struct addr *a, bool resumed,
	uint64_t now_ms)
{
	uint32_t per_s = resumed ? set->tls_resumed_rate : set->tls_new_rate;
	struct addr key;
	struct who *w;
	bool fast;

	if (per_s == 0)
		return REASON_NONE;
	key = key_of(set, a);
	pthread_mutex_lock(&t->lock);
	w = find(t, &key, true);
	fast = w && too_fast(t, w, resumed ? RATE_RESUMED : RATE_FULL, per_s, set, now_ms);
	pthread_mutex_unlock(&t->lock);
	return fast ? REASON_CONN_TLS_RATE : REASON_NONE;
}

void clients_ban(struct clients *t, const struct settings *set, const struct addr *a, uint64_t until_ms)
{
	struct addr key = key_of(set, a);
	struct who *w;

	pthread_mutex_lock(&t->lock);
	w = find(t, &key, true);
	if (w) {
		if (w->banned_ms == 0)
			atomic_fetch_add_explicit(&t->bans, 1, memory_order_relaxed);
		w->banned_ms = until_ms;
	}
	pthread_mutex_unlock(&t->lock);
}

size_t clients_hold(struct clients *t, enum hold_kind kind, size_t before, size_t now)
{
	return atomic_fetch_add_explicit(&t->held[kind], now - before, memory_order_relaxed) + now - before;
}

void clients_clean(struct clients *t, uint64_t now_ms)
{
	size_t pos = 0, len;
	const void *key;
	void *v;
	unsigned bans = 0;

	pthread_mutex_lock(&t->lock);
	while (map_next(t->map, &pos, &key, &len, &v)) {
		struct who *w = v;

		if (w->banned_ms > now_ms)
			bans++;
		else
			w->banned_ms = 0;
		if (forgettable(w, now_ms > HOUR_MS ? now_ms - HOUR_MS : 0))
			mem_free(map_del(t->map, key, len));
	}
	atomic_store_explicit(&t->bans, bans, memory_order_relaxed);
	pthread_mutex_unlock(&t->lock);
}
