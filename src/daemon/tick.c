/* tick.c: what worker 0 does once a second: Lua's maintenance, cache cleaning, rates, tidying. */
#include "daemon_priv.h"

/* SLACK: bytes of heap that may lie free; and SLACK_SHARE of what is in use: memory that is needed again soon. */
enum { TICK_MS = 1000, TRIM_MS = 2000, SWEEP_MS = 10000, SLACK = 16 << 10, SLACK_SHARE = 32 };

/* seen: was this cache cleaned already for an earlier pool? */
static bool seen(const struct conf *c, size_t upto)
{
	for (size_t i = 0; i < upto; i++)
		if (c->pools[i]->cache == c->pools[upto]->cache)
			return true;
	return false;
}

static void clean_caches(const struct conf *c, uint64_t now_ms)
{
	for (size_t i = 0; i < c->npools; i++) {
		const struct pool *p = c->pools[i];
		unsigned keep_s = c->set.stale_s;

		if (!p->cache || seen(c, i))
			continue;
		if (cache_options(p->cache)->keep_stale_data && p->n && !pool_available(p))
			continue; /* all its servers are down: nothing is removed */
		cache_clean(p->cache, now_ms, c->set.cache_clean_percent, keep_s);
	}
}

/* trim gives memory back when much more of it is free than before: a crowd of clients has left, or a cache was emptied.
 * Pieces of free pages cannot be given back: they count as |slack| until they are used again. */
static void trim(struct daemon *d, uint64_t now_ms)
{
	size_t left, used;

	if (now_ms - d->trim_ms < TRIM_MS || !mem_slack(&left, &used))
		return;
	d->trim_ms = now_ms;
	if (left < d->slack)
		d->slack = left;
	if (left - d->slack <= SLACK + used / SLACK_SHARE)
		return;
	mem_trim();
	if (mem_slack(&left, &used))
		d->slack = left;
}

static void tick(struct wheel_node *node, uint64_t now_ms)
{
	struct daemon *d = container_of(node, struct daemon, tick);
	struct lane *lane = &d->workers[0].lane;
	struct conf *c = d->host.current(d);

	wheel_arm(&lane->loop.wheel, node, now_ms + TICK_MS);
	d->language->maintenance(c);
	for (size_t i = 0; i < c->nservers; i++)
		server_rates(c->servers[i], now_ms);
	resolve_tick(d, c, now_ms);
	frontend_tick(d, now_ms);
	trim(d, now_ms);
	if (now_ms - d->clean_ms >= 1000ull * c->set.cache_clean_s) {
		d->clean_ms = now_ms;
		clean_caches(c, now_ms);
	}
	if (now_ms - d->sweep_ms >= SWEEP_MS) {
		d->sweep_ms = now_ms;
		clients_clean(d->clients, now_ms);
		for (unsigned i = 0; i < d->nworkers; i++)
			post_sweep(&d->workers[i]);
	}
	conf_free(&c);
}

void tick_start(struct daemon *d)
{
	struct lane *lane = &d->workers[0].lane;

	d->clean_ms = d->sweep_ms = d->trim_ms = loop_ms(&lane->loop);
	d->tick.fire = tick;
	wheel_arm(&lane->loop.wheel, &d->tick, loop_ms(&lane->loop) + TICK_MS);
}

void dump_stats(struct daemon *d)
{
	struct stat_system *sys = mem_zalloc(sizeof(*sys));
	struct text out = {0};
	char *save = NULL;

	if (!sys)
		return;
	stat_system_read(sys, d->started_ms, loop_ms(&d->workers[0].lane.loop));
	stat_dump(&out, d->counters, d->nworkers + 1u, sys);
	for (char *line = out.p ? strtok_r(out.p, "\n", &save) : NULL; line; line = strtok_r(NULL, "\n", &save))
		log_info(STAT, "%s", line);
	text_free(&out);
	mem_free(sys);
}
