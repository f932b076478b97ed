/* cache.c: the packet cache's hot side: birth, look-up, insert.
 *
 * A slice that is full evicts what ends next (cache_life.c), so new answers always find room; dnsdist
 * would refuse them until its cleaner comes by. */
#include "cache_priv.h"
#include "log.h"
#include "mem.h"
#include <sched.h>

enum {
	SHARDS = 20, /* unless told, and one for each SHARD_ENTRIES */
	SHARD_ENTRIES = 500,
	SLICE_BYTES_MIN = 16384, /* a byte budget smaller than this per slice means fewer slices */
	REFRESH_WAIT_S = 5, /* a refresh that brought nothing is asked for again after this */
	LOCK_SPINS = 64,
	LOCK_YIELDS = 4,
};

static struct slice *slice_of(struct cache *cache, uint64_t hash)
{
	return &cache->slice[(hash >> 32) * cache->options.shards >> 32];
}

/* refresh_due: is it time to ask again for this popular entry, and has nobody done so just now? */
static bool refresh_due(struct entry *e, uint64_t now_ms)
{
	uint64_t end_ms = entry_end_ms(e);

	if (e->hits < 2 || end_ms <= now_ms || (end_ms - now_ms) * 10 > (uint64_t)e->life_s * 1000)
		return false;
	if (e->refresh_s != 0 && now_s(now_ms) - (e->refresh_s - 1) < REFRESH_WAIT_S)
		return false;
	e->refresh_s = now_s(now_ms) + 1;
	return true;
}

static void age_ttls(const struct entry *e, uint8_t *out, uint64_t age_ms)
{
	const uint16_t *at = entry_ttls(e);
	uint32_t age_s = age_ms / 1000 < UINT32_MAX ? (uint32_t)(age_ms / 1000) : UINT32_MAX;

	if (age_s == 0)
		return;
	for (unsigned i = 0; i < e->ttls; i++) {
		uint32_t ttl = get32(out + at[i]);

		put32(out + at[i], ttl > age_s ? ttl - age_s : 0);
	}
}

static void set_ttls(const struct entry *e, uint8_t *out, uint32_t ttl_s)
{
	const uint16_t *at = entry_ttls(e);

	for (unsigned i = 0; i < e->ttls; i++)
		put32(out + at[i], ttl_s);
}

/* get_locked is cache_get() with the lock held. */
static ssize_t get_locked(const struct cache *cache, struct slice *s, const struct cache_key *key,
	const uint8_t *query_name, uint8_t *out, size_t cap, uint64_t now_ms, unsigned stale_s,
	unsigned *hit_r)
{
	struct entry *e = slice_find(s, key->hash);
	uint64_t end_ms;

	if (e == NULL) {
		s->stats.misses++;
		return 0;
	}
	if (!entry_matches(e, key)) {
		s->stats.lookup_collisions++;
		s->stats.misses++;
		return 0;
	}
	end_ms = entry_end_ms(e);
	if (end_ms <= now_ms && end_ms + (uint64_t)stale_s * 1000 <= now_ms) {
		s->stats.misses++;
		return 0;
	}
	if (e->len > cap) {
		s->stats.misses++;
		return -ENOBUFS;
	}
	copy_short(out, entry_packet(e), e->len);
	copy_short(out + DNS_HEADER, query_name, e->name_len);
	s->stats.hits++;
	if (end_ms <= now_ms) {
		s->stats.stale_hits++;
		*hit_r = CACHE_STALE;
		set_ttls(e, out, cache->options.stale_ttl_s);
	} else if (!cache->options.dont_age && now_ms > e->added_ms) {
		age_ttls(e, out,
			now_ms - e->added_ms); /* workers' clocks differ by a turn of the loop */
	}
	if (cache->options.prefetch) {
		if (refresh_due(e, now_ms)) {
			s->stats.refreshes++;
			*hit_r |= CACHE_REFRESH;
		}
		if (e->hits < 2)
			e->hits++;
	}
	return e->len;
}

/* entry_new makes the entry outside of any lock. */
static struct entry *entry_new(const struct cache_key *key, const uint8_t *msg, size_t len,
	const struct answer_facts *facts, uint64_t now_ms)
{
	bool subnet = key->ecs.net.family != 0;
	struct entry *e =
		mem_alloc(sizeof(*e) + 2u * facts->ttls + len + (subnet ? ENTRY_SUBNET : 0));
	uint8_t *packet;

	if (e == NULL)
		return NULL;
	*e = (struct entry){.hash = key->hash,
		.added_ms = now_ms,
		.life_s = facts->ttl_s,
		.len = (uint16_t)len,
		.ttls = facts->ttls,
		.flags = key->flags,
		.name_len = key->question->len,
		.dnssec_ok = key->dnssec_ok,
		.over_tcp = key->over_tcp,
		.subnet = subnet};
	answer_ttls(msg, len, entry_ttls(e), e->ttls);
	packet = entry_packet(e);
	memcpy(packet, msg, len);
	memcpy(packet + DNS_HEADER, key->question->lower, key->question->len);
	if (subnet) {
		put16(packet + len, addr_len(&key->ecs.net) << 8 | key->ecs.bits);
		memcpy(packet + len + 2, key->ecs.net.ip, sizeof(key->ecs.net.ip));
	}
	return e;
}

/* may_replace: does the old entry make room for the new one? */
static bool may_replace(struct slice *s, const struct entry *old, const struct entry *new,
	const struct cache_key *key, uint64_t now_ms)
{
	if (entry_end_ms(old) <= now_ms)
		return true;
	if (!entry_matches(old, key)) {
		s->stats.insert_collisions++;
		return false;
	}
	/* A refresh that failed must not cost us the answer we still have. */
	if (answer_failure(entry_packet(new)) && !answer_failure(entry_packet(old)))
		return false;
	return entry_end_ms(old) <= entry_end_ms(new);
}

/* make_room evicts until |cost| more bytes and one more entry fit. */
static bool make_room(const struct cache *cache, struct slice *s, size_t cost, struct entry **dead)
{
	/* The first table comes with the first entry. */
	while (s->count >= cache->slice_entries ||
		s->bytes + cost + (s->buckets == 0 ? slice_first_cost() : 0) > cache->slice_bytes) {
		struct link *l = life_first(&s->life);
		struct entry *e;

		if (l == NULL)
			return false;
		e = container_of(l, struct entry, life);
		slice_remove(s, e);
		e->next = *dead;
		*dead = e;
		s->stats.evictions++;
	}
	return true;
}

/* put_locked links the new entry; what is to be freed goes to |dead|. */
static int put_locked(const struct cache *cache, struct slice *s, const struct cache_key *key,
	struct entry *new, uint64_t now_ms, struct entry **dead)
{
	struct entry *old = slice_find(s, key->hash);
	size_t cost = entry_cost(entry_size(new));
	int rc = 0;

	*dead = NULL;
	life_advance(&s->life, now_s(now_ms));
	if (cost + slice_first_cost() > cache->slice_bytes)
		goto out;
	if (old != NULL && !may_replace(s, old, new, key, now_ms))
		goto out;
	if (old != NULL) {
		slice_remove(s, old);
		old->next = NULL;
		*dead = old;
	}
	if (!make_room(cache, s, cost, dead))
		goto out;
	rc = slice_add(s, new, cache->slice_bytes - cost);
	if (rc == 0)
		return 1;
out:
	new->next = *dead;
	*dead = new;
	return rc;
}

void cache_lock_slow(struct slice *s)
{
	while (atomic_exchange_explicit(&s->lock, true, memory_order_acquire))
		sched_yield();
}

bool cache_lock_soon_slow(struct slice *s)
{
	for (int i = 0; i < LOCK_SPINS + LOCK_YIELDS; i++) {
		if (!atomic_load_explicit(&s->lock, memory_order_relaxed) &&
			!atomic_exchange_explicit(&s->lock, true, memory_order_acquire))
			return true;
		if (i >= LOCK_SPINS)
			sched_yield();
	}
	return false;
}

/* A shard is a lock and 2 kB: unless told, a small cache has few. */
static uint32_t shards_settle(const struct cache_options *o)
{
	uint32_t fit = o->max_entries / SHARD_ENTRIES, n = o->shards ? o->shards : fit < SHARDS ? fit + (fit == 0) : SHARDS;

	if (n > o->max_entries) {
		n = o->max_entries;
		log_warn(CACHE,
			"The number of shards (%u) of a packet cache is higher than its entries: using %u",
			(unsigned)o->shards, (unsigned)n);
	}
	if (o->max_bytes != 0 && n > o->max_bytes / SLICE_BYTES_MIN) {
		n = o->max_bytes / SLICE_BYTES_MIN;
		if (o->shards)
			log_warn(CACHE, "maxBytes is too small for %u shards of a packet cache: using %u",
				(unsigned)o->shards, (unsigned)n);
	}
	return n;
}

struct cache *cache_new(const struct cache_options *options, const char **error_r)
{
	struct cache *cache;
	size_t fixed;
	uint32_t shards;

	if (options->max_entries == 0) {
		error_set(error_r, "a packet cache needs room for at least one entry");
		return NULL;
	}
	if (options->max_bytes != 0 && options->max_bytes < SLICE_BYTES_MIN) {
		error_set(error_r, "maxBytes: expected at least %d, got %u", SLICE_BYTES_MIN,
			(unsigned)options->max_bytes);
		return NULL;
	}
	shards = shards_settle(options);
	fixed = sizeof(*cache) + shards * sizeof(cache->slice[0]);
	cache = mem_zalloc(fixed);
	if (cache == NULL) {
		error_set(error_r, "out of memory for a packet cache");
		return NULL;
	}
	cache->refs = 1;
	cache->options = *options;
	cache->options.shards = shards;
	options_settle(&cache->options);
	cache->slice_entries = options->max_entries / shards;
	cache->slice_bytes =
		options->max_bytes == 0 ? SIZE_MAX : (options->max_bytes - fixed) / shards;
	for (uint32_t i = 0; i < shards; i++)
		life_init(&cache->slice[i].life);
	return cache;
}

struct cache *cache_ref(struct cache *cache)
{
	__atomic_add_fetch(&cache->refs, 1, __ATOMIC_RELAXED);
	return cache;
}

static bool entry_any(void *ctx UNUSED, struct entry *e UNUSED)
{
	return true;
}

void cache_free(struct cache **cache_p)
{
	struct cache *cache = *cache_p;

	*cache_p = NULL;
	if (cache == NULL || __atomic_sub_fetch(&cache->refs, 1, __ATOMIC_ACQ_REL) != 0)
		return;
	for (uint32_t i = 0; i < cache->options.shards; i++)
		slice_each(&cache->slice[i], entry_any, NULL);
	if (cache->successor != NULL)
		cache_free(&cache->successor);
	mem_free(cache);
}

void cache_replace(struct cache *new, struct cache *running)
{
	must(new != running && new->successor == NULL && running->successor == NULL);
	__atomic_store_n(&new->successor, cache_ref(running), __ATOMIC_RELEASE);
}

struct cache *cache_now(struct cache *cache)
{
	struct cache *next = __atomic_load_n(&cache->successor, __ATOMIC_ACQUIRE);

	return next != NULL ? next : cache;
}

const struct cache_options *cache_options(const struct cache *cache)
{
	return &cache->options;
}

ssize_t cache_get(struct cache *cache, const struct cache_key *key, const uint8_t *query_name,
	uint8_t *out, size_t cap, uint64_t now_ms, unsigned stale_s, unsigned *hit_r)
{
	struct slice *s = slice_of(cache, key->hash);
	uint32_t seed = 0;
	ssize_t len;

	*hit_r = 0;
	if (!cache_lock_soon(s)) {
		__atomic_add_fetch(&cache->deferred_lookups, 1, __ATOMIC_RELAXED);
		*hit_r = CACHE_DEFERRED;
		return 0;
	}
	len = get_locked(cache, s, key, query_name, out, cap, now_ms, stale_s, hit_r);
	if (cache->options.shuffle)
		seed = s->shuffle = s->shuffle * 1664525u + 1013904223u;
	cache_unlock(s);
	if (len > 0 && cache->options.shuffle)
		answer_shuffle(out, (size_t)len, seed);
	return len;
}

int cache_put(struct cache *cache, const struct cache_key *key, const uint8_t *msg, size_t len,
	uint64_t now_ms, int64_t temp_failure_ttl)
{
	struct slice *s = slice_of(cache, key->hash);
	struct answer_facts facts;
	struct entry *new, *dead;
	int rc;

	if (!answer_judge(&facts, &cache->options, key, msg, len, temp_failure_ttl)) {
		if (facts.too_short) {
			cache_lock(s);
			s->stats.ttl_too_shorts++;
			cache_unlock(s);
		}
		return 0;
	}
	new = entry_new(key, msg, len, &facts, now_ms);
	if (new == NULL)
		return -ENOMEM;
	if (!cache->options.deferrable_insert) {
		cache_lock(s);
	} else if (!cache_lock_soon(s)) {
		__atomic_add_fetch(&cache->deferred_inserts, 1, __ATOMIC_RELAXED);
		mem_free(new);
		return 0;
	}
	rc = put_locked(cache, s, key, new, now_ms, &dead);
	cache_unlock(s);
	while (dead != NULL) {
		struct entry *next = dead->next;

		mem_free(dead);
		dead = next;
	}
	return rc;
}
