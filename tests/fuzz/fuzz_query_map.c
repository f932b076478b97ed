/* fuzz_query_map.c: ids come and go in any order: each is given to one query at a time and finds it. */
#include "../../src/back/back_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { QUERIES = 512 };

static void check(const struct query_map *m, const struct query *all, const bool *out)
{
	const struct query *before = NULL;
	uint32_t n = 0;

	for (const struct query *q = m->first; q; q = q->back_next) {
		must(q->back_prev == before && out[q - all]);
		must(query_map_find(m, q->back_id) == q);
		before = q;
		n++;
	}
	must(m->last == before && m->count == n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct query all[QUERIES];
	struct query_map m = {0};
	bool out[QUERIES] = {false};
	struct rng rng;
	bool random = size && data[0] & 1, both = size && data[0] & 2; /* by and by */

	rng_seed(&rng, size);
	memset(all, 0, sizeof(all));
	for (size_t i = 1; i + 1 < size; i += 2) {
		unsigned k = get16(data + i) % QUERIES, cap = data[0] < 128 ? QUERY_IDS : data[0];
		struct query *q = &all[k];
		int err = 0;

		if (out[k] && data[i] & 0x80)
			query_map_give_up(&m, q);
		else if (out[k])
			query_map_del(&m, q);
		else
			err = random && !(both && i > size / 2) ? query_map_add_random(&m, q, cap, &rng) : query_map_add_next(&m, q, cap);
		must(err == 0 || (err == -EAGAIN && m.count >= cap));
		out[k] = !out[k] && err == 0;
		must(!out[k] || query_map_find(&m, q->back_id) == q);
		if (i % 64 == 1)
			check(&m, all, out);
	}
	check(&m, all, out);
	while (m.first)
		query_map_del(&m, m.first);
	query_map_free(&m);
	return 0;
}
