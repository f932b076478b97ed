/* policy_hash.c: whashed and chashed: the same name goes to the same server, in every process with the same seed.
 *
 * The name's hash depends on the name in lower case and the seed; the points of a server on chashed's ring on its
 * UUID alone.  So both are equal on all machines whose seed and UUIDs are. */
#include "mem.h"
#include "server_priv.h"
#include <stdlib.h>

static uint64_t name_hash(const struct choose *c)
{
	uint8_t key[16] = {0};

	put32(key, c->perturbation);
	memcpy(key + 4, "shrewd names", 12);
	return hash_sip13(key, c->lower, c->lower_len);
}

static struct server *whashed(
	const struct policy *self, const struct pool *pool, const struct choose *c)
{
	struct eligible e = {.bound = load_bound(pool, c->weighted_factor)};
	uint64_t sum = weight_sum(pool, &e);

	(void)self;
	return sum > 0 ? weight_pick(pool, &e, name_hash(c) % sum) : NULL;
}

/* How far is it on the ring from |hash| to the server's next point? */
static uint32_t distance(const struct server_points *p, uint32_t hash)
{
	uint32_t n = atomic_load_explicit(&p->n, memory_order_acquire), low = 0, high = n;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (atomic_load_explicit(&p->v[mid], memory_order_relaxed) < hash)
			low = mid + 1;
		else
			high = mid;
	}
	return atomic_load_explicit(&p->v[low < n ? low : 0], memory_order_relaxed) - hash;
}

static struct server *nearest(const struct pool *pool, const struct eligible *e, uint32_t hash)
{
	struct server *best = NULL;
	uint32_t best_distance = 0;

	for (size_t i = 0; i < pool->n; i++) {
		struct server *s = pool->servers[i];
		uint32_t d;

		if (!eligible(e, s))
			continue;
		d = distance(atomic_load_explicit(&s->ring_points, memory_order_acquire), hash);
		if (best == NULL || d < best_distance) {
			best = s;
			best_distance = d;
		}
	}
	return best;
}

static struct server *chashed(
	const struct policy *self, const struct pool *pool, const struct choose *c)
{
	struct eligible e = {.bound = load_bound(pool, c->hash_factor)};
	uint32_t hash = (uint32_t)name_hash(c);
	struct server *s = nearest(pool, &e, hash);

	(void)self;
	if (s != NULL || e.bound <= 0)
		return s;
	e.bound = 0; /* loads rose since the bound was computed */
	return nearest(pool, &e, hash);
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* The first |n| of the endless row of points that belongs to |uuid|, sorted. */
static void points_make(const uint8_t uuid[16], uint32_t *out, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		uint8_t nth[4];

		put32(nth, i);
		out[i] = (uint32_t)hash_sip13(uuid, nth, sizeof nth);
	}
	qsort(out, n, sizeof *out, compare);
}

static struct server_points *points_new(uint32_t cap, struct server_points *older)
{
	struct server_points *p = mem_zalloc(sizeof *p + cap * sizeof p->v[0]);

	if (p != NULL) {
		p->cap = cap;
		p->older = older;
	}
	return p;
}

int points_set(struct server *s, uint32_t weight)
{
	uint32_t n = weight < SERVER_POINTS_MAX ? weight : SERVER_POINTS_MAX, before;
	struct server_points *now = atomic_load_explicit(&s->ring_points, memory_order_relaxed),
			     *p = now;
	uint32_t *sorted;

	must(weight > 0);
	sorted = mem_alloc(n * sizeof *sorted);
	if (sorted == NULL)
		return -ENOMEM;
	if (now == NULL || now->cap < n) {
		uint32_t cap = now == NULL ? n : now->cap;

		while (cap < n)
			cap *= 2;
		p = points_new(cap, now);
		if (p == NULL) {
			mem_free(sorted);
			return -ENOMEM;
		}
	}
	points_make(s->uuid, sorted, n);
	before = atomic_load_explicit(&p->n, memory_order_relaxed);
	if (n < before)
		atomic_store_explicit(&p->n, n, memory_order_release);
	for (uint32_t i = 0; i < n; i++)
		atomic_store_explicit(&p->v[i], sorted[i], memory_order_relaxed);
	atomic_store_explicit(&p->n, n, memory_order_release);
	atomic_store_explicit(&s->ring_points, p, memory_order_release);
	mem_free(sorted);
	return 0;
}

void points_free(struct server *s)
{
	struct server_points *p = atomic_load(&s->ring_points);

	while (p != NULL) {
		struct server_points *older = p->older;

		mem_free(p);
		p = older;
	}
	atomic_store(&s->ring_points, NULL);
}

const struct policy policy_whashed = {.name = "whashed", .choose = whashed};
const struct policy policy_chashed = {.name = "chashed", .choose = chashed};
