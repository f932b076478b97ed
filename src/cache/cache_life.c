/* cache_life.c: the wheel that tells which entries end first. */
#include "cache_priv.h"

static void list_init(struct link *l)
{
	l->next = l->prev = l;
}

static bool list_empty(const struct link *l)
{
	return l->next == l;
}

static void list_add_tail(struct link *list, struct link *l)
{
	l->prev = list->prev;
	l->next = list;
	list->prev->next = l;
	list->prev = l;
}

/* list_splice moves all of |from| to the end of |to|. */
static void list_splice(struct link *to, struct link *from)
{
	if (list_empty(from))
		return;
	from->next->prev = to->prev;
	to->prev->next = from->next;
	from->prev->next = to;
	to->prev = from->prev;
	list_init(from);
}

void life_init(struct life *l)
{
	memset(l, 0, sizeof(*l));
	list_init(&l->over);
	for (unsigned level = 0; level < LIFE_LEVELS; level++)
		for (unsigned i = 0; i < LIFE_SLOTS; i++)
			list_init(&l->slot[level][i]);
}

void life_add(struct life *l, struct link *link, uint32_t end_s)
{
	unsigned level = 0;
	uint32_t n = end_s, base = l->now_s;

	if (end_s <= l->now_s) {
		list_add_tail(&l->over, link);
		return;
	}
	while (n - base >= LIFE_SLOTS && level < LIFE_LEVELS - 1) {
		level++;
		n = end_s >> level * LIFE_SHIFT;
		base = l->now_s >> level * LIFE_SHIFT;
	}
	if (n - base >=
		LIFE_SLOTS) /* beyond the wheel: life_due() finds it too early and adds it again */
		n = base + LIFE_SLOTS - 1;
	n %= LIFE_SLOTS;
	l->busy[level] |= (uint16_t)(1u << n);
	list_add_tail(&l->slot[level][n], link);
}

void life_del(struct link *link)
{
	link->next->prev = link->prev;
	link->prev->next = link->next;
}

void life_advance(struct life *l, uint32_t now_s)
{
	if (now_s <= l->now_s)
		return;
	for (unsigned level = 0; level < LIFE_LEVELS; level++) {
		uint32_t from = l->now_s >> level * LIFE_SHIFT, to = now_s >> level * LIFE_SHIFT;
		uint32_t passed = to - from < LIFE_SLOTS ? to - from : LIFE_SLOTS;

		for (uint32_t i = 0; i < passed && l->busy[level] != 0; i++) {
			unsigned n = (from + i) % LIFE_SLOTS;

			list_splice(&l->over, &l->slot[level][n]);
			l->busy[level] &= (uint16_t) ~(1u << n);
		}
	}
	l->now_s = now_s;
}

struct link *life_first(struct life *l)
{
	struct link *best = NULL;
	uint64_t best_s = UINT64_MAX;

	if (!list_empty(&l->over))
		return l->over.next;
	for (unsigned level = 0; level < LIFE_LEVELS; level++) {
		uint64_t base = l->now_s >> level * LIFE_SHIFT;

		for (unsigned i = 0; i < LIFE_SLOTS && l->busy[level] != 0; i++) {
			unsigned n = (unsigned)((base + i) % LIFE_SLOTS);
			uint64_t end_s = (base + i + 1) << level * LIFE_SHIFT;

			if ((l->busy[level] & 1u << n) == 0)
				continue;
			if (list_empty(&l->slot[level][n])) {
				l->busy[level] &= (uint16_t) ~(1u << n);
				continue;
			}
			if (end_s < best_s) {
				best_s = end_s;
				best = l->slot[level][n].next;
			}
			break;
		}
	}
	return best;
}

void life_due(struct life *l, void (*fn)(void *, struct link *), void *ctx)
{
	struct link todo;

	/* Taken out first: a link that |fn| adds again must not be met twice. */
	list_init(&todo);
	list_splice(&todo, &l->over);
	for (unsigned level = 0; level < LIFE_LEVELS; level++)
		list_splice(&todo, &l->slot[level][(l->now_s >> level * LIFE_SHIFT) % LIFE_SLOTS]);
	while (!list_empty(&todo)) {
		struct link *link = todo.next;

		life_del(link);
		list_init(link);
		fn(ctx, link);
	}
}
