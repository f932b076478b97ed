/* tick.c: what worker 0 does once a second: Lua's maintenance, cache cleaning, rates, tidying. */
#include "daemon_priv.h"
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* SLACK: bytes of heap that may lie free; and SLACK_SHARE of what is in use: memory that is needed again soon.  STILL: bytes
 * that come and go between two looks when nothing is going on; STILL_PAGES: of the system's that may come then. */
enum { TICK_MS = 1000, LOOK_MS = 2000, SWEEP_MS = 10000, SLACK = 16 << 10, SLACK_SHARE = 32, STILL = 8192, STILL_PAGES = 4 };

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

/* resident: pages of memory that are not of a file; 0: not known. */
static size_t resident(void)
{
	char text[128];
	int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	unsigned long all, shared;

	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	return sscanf(text, "%*u %lu %lu", &all, &shared) == 2 && all > shared ? all - shared : 0;
}

static size_t apart(size_t a, size_t b)
{
	return a > b ? a - b : b - a;
}

/* ebbs: should memory be given back?  When much more of it is free than before: a crowd of clients has left, or a cache
 * was emptied; pieces of free pages cannot be given back, they count as free until they are used again.  And twice
 * when things have come to rest (what a connection leaves between a worker's part and ours goes the second time), and for
 * crowds that came and left between two looks. */
static bool ebbs(struct tide *t)
{
	size_t left, used;
	bool still;

	if (!mem_slack(&left, &used))
		return false;
	still = apart(left, t->left) <= STILL && apart(used, t->used) <= STILL;
	t->left = left;
	t->used = used;
	if (left < t->low)
		t->low = left;
	if (!still) {
		t->trims = 2;
		return left - t->low > SLACK + used / SLACK_SHARE;
	}
	if (t->trims == 0)
		return resident() > t->pages + STILL_PAGES;
	t->trims--;
	return true;
}

/* trim has each worker tidy up, and at the next tick gives back what is free then. */
static void trim(struct daemon *d, uint64_t now_ms)
{
	struct tide *t = &d->tide;

	if (t->trimming) {
		t->trimming = false;
		mem_trim();
		if (mem_slack(&t->left, &t->used))
			t->low = t->left;
		t->pages = resident();
		return;
	}
	if (now_ms - t->look_ms < LOOK_MS)
		return;
	t->look_ms = now_ms;
	t->trimming = ebbs(t);
	if (t->trimming)
		core_tidy(&d->workers[0].lane.core);
	for (unsigned i = 1; t->trimming && i < d->nworkers; i++)
		post_trim(&d->workers[i]);
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

	d->clean_ms = d->sweep_ms = d->tide.look_ms = loop_ms(&lane->loop);
	d->tick.fire = tick;
	wheel_arm(&lane->loop.wheel, &d->tick, loop_ms(&lane->loop) + TICK_MS);
}

void dump_stats(struct daemon *d)
{
	struct stat_system *sys = mem_zalloc(sizeof(*sys));
	struct conf *c = d->host.current(d);
	struct text out = {0};

	if (c) {
		conf_show_servers(c, &out, false);
		conf_free(&c);
	}
	if (sys) {
		stat_system_read(sys, d->started_ms, loop_ms(&d->workers[0].lane.loop));
		stat_dump(&out, d->counters, d->nworkers + 1u, sys);
	}
	log_lines(TAG_STAT, out.p);
	text_free(&out);
	mem_free(sys);
}
