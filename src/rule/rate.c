/* rate.c: a rate limit for each client subnet, in bounded memory.
 *
 * One number describes a token bucket: |full_ns|, the time at which it will be full again.  Each token taken moves
 * it 1/qps into the future; a token is there while it is less than (burst - 1)/qps ahead of now.  A bucket whose
 * time has come is full and needs no memory, so a slot of the table is free as soon as |full_ns| is past.
 *
 * A shard is a table of sets of WAYS slots.  A new subnet goes to a free slot of its set; when there is none the
 * table doubles up to its bound, and at the bound the bucket that is full soonest gives way: a flood of forged
 * sources, one query each, pushes out its own kind and not the clients above their rate. */
#include "rate.h"
#include "hash.h"
#include "mem.h"
#include <pthread.h>

enum { WAYS = 8, SHRINK_BELOW = 8 };

struct slot {
	uint64_t hash; /* of the subnet, keyed: stands for it */
	uint64_t full_ns; /* 0: never used */
	uint32_t seen_s;
};

struct shard {
	pthread_mutex_t lock;
	struct slot *slots; /* NULL until the first query */
	size_t sets; /* a power of two */
	uint64_t cleaned_s;
};

struct rate {
	struct rate_limits limits;
	uint64_t token_ns, depth_ns; /* 1/qps, and burst/qps */
	size_t max_sets; /* in one shard */
	unsigned shards;
	struct shard shard[];
};

static bool slot_live(const struct rate *r, const struct slot *s, uint64_t now_ms)
{
	return s->full_ns > now_ms * 1000000 &&
	       (uint32_t)(now_ms / 1000) - s->seen_s <= r->limits.expiration_s;
}

/* The slot to use for |hash|: its own, a free one, or NULL with |*stalest_r| when the set is full. */
static struct slot *find(const struct rate *r, struct slot *slots, size_t sets, uint64_t hash,
	uint64_t now_ms, struct slot **stalest_r)
{
	struct slot *set = slots + (hash & (sets - 1)) * WAYS, *unused = NULL, *stalest = set;

	for (unsigned i = 0; i < WAYS; i++) {
		struct slot *s = &set[i];

		if (s->full_ns && s->hash == hash)
			return s;
		if (!unused && !slot_live(r, s, now_ms))
			unused = s;
		if (s->full_ns < stalest->full_ns)
			stalest = s;
	}
	*stalest_r = stalest;
	return unused;
}

/* Moves the live buckets to a table of |sets|; without memory the old table serves on. */
static bool resize(const struct rate *r, struct shard *sh, size_t sets, uint64_t now_ms)
{
	struct slot *to = mem_zalloc(sets * WAYS * sizeof(*to)), *place, *stalest;

	if (!to)
		return false;
	for (size_t i = 0; i < sh->sets * WAYS; i++) {
		const struct slot *from = &sh->slots[i];

		if (!slot_live(r, from, now_ms))
			continue;
		place = find(r, to, sets, from->hash, now_ms, &stalest);
		if (place)
			*place = *from;
		else if (stalest->full_ns < from->full_ns)
			*stalest = *from;
	}
	mem_free(sh->slots);
	sh->slots = to;
	sh->sets = sets;
	return true;
}

/* Gives memory back after a flood. */
static void cleanup(const struct rate *r, struct shard *sh, uint64_t now_ms)
{
	size_t live = 0, sets = sh->sets;

	sh->cleaned_s = now_ms / 1000;
	for (size_t i = 0; i < sh->sets * WAYS; i++)
		live += slot_live(r, &sh->slots[i], now_ms);
	while (sets > 1 && live * SHRINK_BELOW < sets * WAYS)
		sets /= 2;
	if (sets < sh->sets)
		(void)resize(r, sh, sets, now_ms);
}

static struct slot *place(const struct rate *r, struct shard *sh, uint64_t hash, uint64_t now_ms)
{
	struct slot *s, *stalest;

	if (!sh->slots && !resize(r, sh, 1, now_ms))
		return NULL;
	for (;;) {
		s = find(r, sh->slots, sh->sets, hash, now_ms, &stalest);
		if (s)
			break;
		if (sh->sets >= r->max_sets || !resize(r, sh, 2 * sh->sets, now_ms)) {
			s = stalest;
			break;
		}
	}
	if (s->hash != hash || !slot_live(r, s, now_ms))
		s->full_ns = 0;
	s->hash = hash;
	return s;
}

static uint64_t subnet_hash(const struct rate *r, const struct addr *addr)
{
	struct addr net = *addr;
	uint8_t key[17];

	addr_mask(&net, net.family == AF_INET ? r->limits.mask4 : r->limits.mask6);
	key[0] = (uint8_t)addr_len(&net);
	memcpy(key + 1, net.ip, 16);
	return hash_bytes(key, sizeof(key));
}

static bool take(const struct rate *r, struct slot *s, uint64_t now_ms)
{
	uint64_t now_ns = now_ms * 1000000;
	uint64_t full_ns = s->full_ns > now_ns ? s->full_ns : now_ns;

	s->seen_s = (uint32_t)(now_ms / 1000);
	if (full_ns + r->token_ns - now_ns > r->depth_ns) {
		s->full_ns = full_ns;
		return false;
	}
	s->full_ns = full_ns + r->token_ns;
	return true;
}

bool rate_exceeded(struct rate *r, const struct addr *addr, uint64_t now_ms)
{
	uint64_t hash = subnet_hash(r, addr);
	struct shard *sh = &r->shard[(hash >> 32) % r->shards];
	struct slot *s;
	bool taken;

	if (r->limits.qps == 0)
		return true;
	pthread_mutex_lock(&sh->lock);
	if (r->limits.cleanup_s && now_ms / 1000 - sh->cleaned_s >= r->limits.cleanup_s)
		cleanup(r, sh, now_ms);
	s = place(r, sh, hash, now_ms);
	/* Without memory for a single set nobody is above the rate: answering is the better failure. */
	taken = !s || take(r, s, now_ms);
	pthread_mutex_unlock(&sh->lock);
	return !taken;
}

size_t rate_slots(struct rate *r)
{
	size_t n = 0;

	for (unsigned i = 0; i < r->shards; i++) {
		pthread_mutex_lock(&r->shard[i].lock);
		n += r->shard[i].sets * WAYS;
		pthread_mutex_unlock(&r->shard[i].lock);
	}
	return n;
}

struct rate *rate_new(const struct rate_limits *limits)
{
	unsigned shards = limits->shards ? limits->shards : 1;
	struct rate *r = mem_zalloc(sizeof(*r) + shards * sizeof(struct shard));

	if (!r)
		return NULL;
	r->limits = *limits;
	r->shards = shards;
	r->token_ns = limits->qps ? 1000000000u / limits->qps : 0;
	if (limits->qps && r->token_ns == 0)
		r->token_ns = 1;
	r->depth_ns = r->token_ns * limits->burst;
	r->max_sets = 1;
	while (2 * r->max_sets * WAYS * shards <= limits->max)
		r->max_sets *= 2;
	for (unsigned i = 0; i < shards; i++)
		pthread_mutex_init(&r->shard[i].lock, NULL);
	return r;
}

void rate_free(struct rate **rp)
{
	struct rate *r = *rp;

	*rp = NULL;
	if (!r)
		return;
	for (unsigned i = 0; i < r->shards; i++) {
		pthread_mutex_destroy(&r->shard[i].lock);
		mem_free(r->shard[i].slots);
	}
	mem_free(r);
}
