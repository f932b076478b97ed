/* query_map.c: ids towards a backend: which query does a reply belong to?
 *
 * Chains in a table that doubles as queries come.  The list |first| … |last| is in order of id for maps that number
 * upwards (streams: small ids, easy to read in a capture), in order of age for maps with random ids (datagrams). */
#include "back_priv.h"

enum { BUCKETS = 8, /* an idle connection has them too */ DRAWS = 5 };

static int make_room(struct query_map *m)
{
	uint32_t want = m->bucket ? (m->mask + 1) * 2 : BUCKETS;
	struct query **fresh;

	if (m->bucket && (m->count <= m->mask || m->mask + 1 >= QUERY_IDS))
		return 0;
	fresh = mem_zalloc(want * sizeof(struct query *));
	if (!fresh)
		return m->bucket ? 0 : -ENOMEM; /* longer chains will do */
	for (struct query *q = m->first; q; q = q->back_next) {
		q->back_chain = fresh[q->back_id & (want - 1)];
		fresh[q->back_id & (want - 1)] = q;
	}
	mem_free(m->bucket);
	m->bucket = fresh;
	m->mask = want - 1;
	return 0;
}

struct query *query_map_find(const struct query_map *m, uint16_t id)
{
	struct query *q = m->bucket ? m->bucket[id & m->mask] : NULL;

	while (q && q->back_id != id)
		q = q->back_chain;
	return q;
}

/* insert puts |q| after |at| in the list, NULL: first. */
static void insert(struct query_map *m, struct query *q, struct query *at, uint16_t id)
{
	struct query **chain = &m->bucket[id & m->mask];

	q->back_id = id;
	q->back_chain = *chain;
	*chain = q;
	q->back_prev = at;
	q->back_next = at ? at->back_next : m->first;
	*(q->back_next ? &q->back_next->back_prev : &m->last) = q;
	*(at ? &at->back_next : &m->first) = q;
	m->count++;
}

int query_map_add_random(struct query_map *m, struct query *q, uint32_t cap, struct rng *rng)
{
	uint32_t id = 0;

	if (m->count >= cap || m->count >= QUERY_IDS)
		return -EAGAIN;
	if (make_room(m) < 0)
		return -ENOMEM;
	for (unsigned i = 0; i < DRAWS; i++) {
		id = rng_u32(rng) & 0xffff;
		if (!query_map_find(m, (uint16_t)id)) {
			insert(m, q, m->last, (uint16_t)id);
			return 0;
		}
	}
	while (query_map_find(m, (uint16_t)id)) /* some id is free: count < QUERY_IDS */
		id = (id + 1) & 0xffff;
	insert(m, q, m->last, (uint16_t)id);
	return 0;
}

/* free_from: the first free id from |id| on; QUERY_IDS: none is. */
static uint32_t free_from(const struct query_map *m, uint32_t id)
{
	while (id < QUERY_IDS && query_map_find(m, (uint16_t)id))
		id++;
	return id;
}

int query_map_add_next(struct query_map *m, struct query *q, uint32_t cap)
{
	uint32_t id = m->last ? m->last->back_id + 1u : 0;

	if (m->count >= cap || m->count >= QUERY_IDS)
		return -EAGAIN;
	if (make_room(m) < 0)
		return -ENOMEM;
	id = free_from(m, id < m->floor ? m->floor : id); /* behind random ones it may be taken */
	if (id < QUERY_IDS) {
		insert(m, q, m->last, (uint16_t)id);
		return 0;
	}
	id = free_from(m, m->floor); /* the first gap */
	if (id == QUERY_IDS) {
		m->floor = 0; /* those given up were so long ago */
		id = free_from(m, 0);
	}
	insert(m, q, id ? query_map_find(m, (uint16_t)(id - 1)) : NULL, (uint16_t)id);
	return 0;
}

void query_map_put_back(struct query_map *m, struct query *q, uint16_t id)
{
	insert(m, q, NULL, id); /* there are buckets: it was here before */
}

void query_map_del(struct query_map *m, struct query *q)
{
	struct query **p = &m->bucket[q->back_id & m->mask];

	while (*p != q) {
		must(*p);
		p = &(*p)->back_chain;
	}
	*p = q->back_chain;
	*(q->back_prev ? &q->back_prev->back_next : &m->first) = q->back_next;
	*(q->back_next ? &q->back_next->back_prev : &m->last) = q->back_prev;
	q->back_next = q->back_prev = q->back_chain = NULL;
	m->count--;
}

void query_map_give_up(struct query_map *m, struct query *q)
{
	query_map_del(m, q);
	if (m->floor <= q->back_id)
		m->floor = q->back_id + 1u;
}

void query_map_free(struct query_map *m)
{
	must(m->count == 0);
	mem_free(m->bucket);
	*m = (struct query_map){0};
}
