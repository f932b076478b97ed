/* cache_slice.c: the table of one slice and the entries in it.  All under the slice's lock. */
#include "cache_priv.h"
#include "mem.h"

enum { TABLE_MIN = 16 };

static bool table_resize(struct slice *s, uint32_t cap)
{
	struct entry **bucket = mem_resize(s->bucket, cap * sizeof(*bucket));

	if (bucket == NULL)
		return false;
	if (s->cap != 0)
		s->bytes -= entry_cost(s->cap * sizeof(*bucket));
	s->bytes += entry_cost(cap * sizeof(*bucket));
	s->bucket = bucket;
	s->cap = cap;
	return true;
}

static bool table_room(struct slice *s, size_t max_bytes)
{
	uint32_t cap = s->cap + s->cap / 2 + TABLE_MIN;
	size_t old = s->cap == 0 ? 0 : entry_cost(s->cap * sizeof(void *));

	if (s->buckets < s->cap)
		return true;
	if (s->bytes - old + entry_cost(cap * sizeof(void *)) > max_bytes)
		return false;
	return table_resize(s, cap);
}

/* bucket_split adds one bucket, which takes its share from the one that had it before. */
static void bucket_split(struct slice *s)
{
	uint32_t n = s->buckets++;
	struct entry **from, **to = &s->bucket[n];

	*to = NULL;
	if (n == 0)
		return;
	if (n > s->mask)
		s->mask = s->mask << 1 | 1;
	from = &s->bucket[n & s->mask >> 1];
	while (*from != NULL) {
		struct entry *e = *from;

		if (((uint32_t)e->hash & s->mask) != n) {
			from = &e->next;
			continue;
		}
		*from = e->next;
		*to = e;
		to = &e->next;
		*to = NULL;
	}
}

/* bucket_merge drops the last bucket, whose entries go back where bucket_split() found them. */
static void bucket_merge(struct slice *s)
{
	uint32_t n = --s->buckets;
	struct entry **end = &s->bucket[n & s->mask >> 1];

	while (*end != NULL)
		end = &(*end)->next;
	*end = s->bucket[n];
	if (n == (s->mask >> 1) + 1)
		s->mask >>= 1;
}

/* table_shrink follows the removal of |removed| entries. */
static void table_shrink(struct slice *s, uint64_t removed)
{
	if (s->count == 0) {
		if (s->cap != 0)
			s->bytes -= entry_cost(s->cap * sizeof(*s->bucket));
		mem_free(s->bucket);
		s->bucket = NULL;
		s->buckets = s->mask = s->cap = 0;
		return;
	}
	/* Two for one: a removal takes away the need for two buckets. */
	for (uint64_t i = 0; i < 2 * removed && s->buckets > TABLE_MIN && s->count < s->buckets / 2;
		i++)
		bucket_merge(s);
	while (s->cap > 4 * TABLE_MIN && s->buckets < s->cap / 4)
		if (!table_resize(s, s->cap / 2))
			break; /* the larger block will do */
}

size_t entry_cost(size_t size)
{
	size_t cost = (size + sizeof(size_t) + 15) & ~(size_t)15;

	return cost < 32 ? 32 : cost;
}

size_t entry_size(const struct entry *e)
{
	return sizeof(*e) + 2u * e->ttls + e->len + (e->subnet ? ENTRY_SUBNET : 0);
}

/* entry_unlink takes the entry that |*at| points to out of everything but the size of the table. */
static void entry_unlink(struct slice *s, struct entry **at)
{
	struct entry *e = *at;

	*at = e->next;
	life_del(&e->life);
	s->count--;
	s->bytes -= entry_cost(entry_size(e));
}

bool entry_subnet_matches(const struct entry *e, const struct netmask *ecs)
{
	const uint8_t *p = entry_packet(e) + e->len;

	return get16(p) == (unsigned)(addr_len(&ecs->net) << 8 | ecs->bits) &&
	       memcmp(p + 2, ecs->net.ip, sizeof(ecs->net.ip)) == 0;
}

size_t slice_first_cost(void)
{
	return entry_cost(TABLE_MIN * sizeof(struct entry *));
}

int slice_add(struct slice *s, struct entry *e, size_t max_bytes)
{
	uint32_t i;

	if (s->count >= s->buckets && table_room(s, max_bytes))
		bucket_split(s);
	if (s->buckets == 0)
		return -ENOMEM;
	i = bucket_of(s, e->hash);
	e->next = s->bucket[i];
	s->bucket[i] = e;
	s->count++;
	s->bytes += entry_cost(entry_size(e));
	life_add(&s->life, &e->life, entry_end_s(e));
	return 0;
}

void slice_remove(struct slice *s, struct entry *e)
{
	struct entry **at = &s->bucket[bucket_of(s, e->hash)];

	while (*at != e) {
		must(*at != NULL);
		at = &(*at)->next;
	}
	entry_unlink(s, at);
	table_shrink(s, 1);
}

void slice_each(struct slice *s, bool (*fn)(void *, struct entry *), void *ctx)
{
	uint32_t before = s->count;

	for (uint32_t i = 0; i < s->buckets; i++) {
		struct entry **at = &s->bucket[i];

		while (*at != NULL) {
			struct entry *e = *at;

			if (fn(ctx, e)) {
				entry_unlink(s, at);
				mem_free(e);
			} else {
				at = &e->next;
			}
		}
	}
	if (s->count != before)
		table_shrink(s, before - s->count);
}
