/* top_with_top.c: the top lists over all workers' rings. */
#include "stat.h"
#include "map.h"
#include "mem.h"
#include <stdio.h>
#include <stdlib.h>

/* What is counted: names (|labels| of them) or clients; by entries or by bytes. */
struct tally {
	bool by_client, by_bytes;
	unsigned labels;
	/* which entries: */
	int rcode; /* -1: any */
	uint32_t usec_min; /* latency from here … */
	uint32_t usec_max; /* … to here */
	/* what came out: */
	struct map *map; /* key → 1 + index in |counts| */
	uint64_t *counts;
	size_t n, cap;
	uint64_t total;
	bool failed;
};

struct rank {
	const void *key;
	uint64_t count;
	size_t len;
};

static bool tally_add(struct tally *t, const void *key, size_t len, uint64_t by)
{
	uintptr_t i = (uintptr_t)map_get(t->map, key, len);

	if (i != 0) {
		t->counts[i - 1] += by;
		t->total += by;
		return true;
	}
	if (t->n == t->cap) {
		size_t cap = t->cap == 0 ? 256 : t->cap * 2;
		uint64_t *counts = mem_resize(t->counts, cap * sizeof(*counts));

		if (counts == NULL)
			return false;
		t->counts = counts;
		t->cap = cap;
	}
	if (map_set(t->map, key, len, (void *)(t->n + 1), NULL) != 0)
		return false;
	t->counts[t->n++] = by;
	t->total += by;
	return true;
}

/* last_labels: where the last |labels| labels of a wire name begin; 0: the whole name. */
static const uint8_t *last_labels(const uint8_t *wire, unsigned labels)
{
	unsigned have = name_labels(wire);

	for (; labels != 0 && have > labels; have--)
		wire += 1 + wire[0];
	return wire;
}

static bool tally_entry(void *ctx, const struct ring_entry *e)
{
	struct tally *t = ctx;
	uint8_t lower[NAME_WIRE];
	const uint8_t *name;
	uint64_t by = t->by_bytes ? e->size : 1;

	if (t->rcode >= 0 && (e->usec == UINT32_MAX || (e->flags & DNS_RCODE) != t->rcode))
		return true;
	if (e->usec < t->usec_min || e->usec > t->usec_max)
		return true;
	if (t->by_client) {
		if (e->client.family != 0)
			t->failed = !tally_add(t, e->client.ip, addr_len(&e->client), by);
	} else if (e->name_len != 0) {
		memcpy(lower, e->name, e->name_len);
		name_lower(lower, e->name_len);
		name = last_labels(lower, t->labels);
		t->failed = !tally_add(t, name, e->name_len - (size_t)(name - lower), by);
	}
	return !t->failed;
}

static void tally_rings(struct tally *t, struct ring *const *ring, size_t n)
{
	for (size_t i = 0; i < n && !t->failed; i++)
		if (ring[i] != NULL && ring_each(ring[i], tally_entry, t) != 0)
			t->failed = true;
}

/* Most first; equals in order of their key, so that the list does not jump. */
static int rank_order(const void *a, const void *b)
{
	const struct rank *x = a, *y = b;
	int by_key;

	if (x->count != y->count)
		return x->count < y->count ? 1 : -1;
	by_key = memcmp(x->key, y->key, x->len < y->len ? x->len : y->len);
	return by_key != 0 ? by_key : (x->len > y->len) - (x->len < y->len);
}

static void key_text(const struct tally *t, const struct rank *r, char out[NAME_TEXT])
{
	struct addr a = {0};

	if (!t->by_client) {
		name_to_text(r->key, true, out);
		return;
	}
	a.family = r->len == 16 ? AF_INET6 : AF_INET;
	memcpy(a.ip, r->key, r->len);
	addr_print(&a, false, out);
}

static void line_add(
	struct text *out, const char *rank, const char *what, uint64_t count, uint64_t total)
{
	text_addf(out, "%4s  %-40s %8llu %5.1f%%\n", rank, what, (unsigned long long)count,
		total == 0 ? 0 : (double)count * 100 / (double)total);
}

static void tally_print(const struct tally *t, struct text *out, unsigned top)
{
	struct rank *ranks = mem_alloc(t->n * sizeof(*ranks));
	char what[NAME_TEXT], rank[12];
	uint64_t rest = t->total;
	size_t pos = 0, n = 0;
	void *value;

	if (ranks == NULL) {
		out->failed = true;
		return;
	}
	while (n < t->n && map_next(t->map, &pos, &ranks[n].key, &ranks[n].len, &value)) {
		ranks[n].count = t->counts[(uintptr_t)value - 1];
		n++;
	}
	qsort(ranks, n, sizeof(*ranks), rank_order);
	for (size_t i = 0; i < n && i < top; i++) {
		snprintf(rank, sizeof(rank), "%u", (unsigned)(i + 1));
		key_text(t, &ranks[i], what);
		line_add(out, rank, what, ranks[i].count, t->total);
		rest -= ranks[i].count;
	}
	line_add(out, "", "Rest", rest, t->total);
	mem_free(ranks);
}

/* tally_run counts over one or two kinds of rings and prints; |b| may be NULL. */
static void tally_run(struct tally t, struct text *out, const struct rings *rings,
	struct ring *const *a, struct ring *const *b, unsigned top)
{
	t.map = map_new();
	if (t.map == NULL) {
		out->failed = true;
		return;
	}
	tally_rings(&t, a, rings->n);
	if (b != NULL)
		tally_rings(&t, b, rings->n);
	if (t.failed)
		out->failed = true;
	else
		tally_print(&t, out, top);
	map_free(&t.map);
	mem_free(t.counts);
}

void top_queries(struct text *out, const struct rings *r, unsigned top, unsigned labels)
{
	tally_run((struct tally){.labels = labels, .rcode = -1, .usec_max = UINT32_MAX}, out, r,
		r->query, NULL, top);
}

void top_clients(struct text *out, const struct rings *r, unsigned top)
{
	tally_run((struct tally){.by_client = true, .rcode = -1, .usec_max = UINT32_MAX}, out, r,
		r->query, NULL, top);
}

void top_bandwidth(struct text *out, const struct rings *r, unsigned top)
{
	tally_run(
		(struct tally){
			.by_client = true, .by_bytes = true, .rcode = -1, .usec_max = UINT32_MAX},
		out, r, r->query, r->response, top);
}

void top_responses(
	struct text *out, const struct rings *r, unsigned top, unsigned rcode, unsigned labels)
{
	tally_run((struct tally){.labels = labels, .rcode = (int)rcode, .usec_max = UINT32_MAX},
		out, r, r->response, NULL, top);
}

void top_slow(
	struct text *out, const struct rings *r, unsigned top, unsigned limit_ms, unsigned labels)
{
	uint64_t us = (uint64_t)limit_ms * 1000;

	if (us >= UINT32_MAX)
		us = UINT32_MAX - 1;
	tally_run((struct tally){.labels = labels,
			  .rcode = -1,
			  .usec_min = (uint32_t)us,
			  .usec_max = UINT32_MAX - 1},
		out, r, r->response, NULL, top);
}

void top_timeouts(struct text *out, const struct rings *r, unsigned top, unsigned labels)
{
	tally_run((struct tally){.labels = labels,
			  .rcode = -1,
			  .usec_min = UINT32_MAX,
			  .usec_max = UINT32_MAX},
		out, r, r->response, NULL, top);
}
