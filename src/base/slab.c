/* slab.c: items of one size, a page of them at a time. */
#include "mem.h"

#include <stddef.h>

/* A page of small items is smaller: there are still many of them in it, and one that stays holds less. */
enum { PAGE = 64 << 10, SMALL = 64, SMALL_PAGE = 16 << 10 };

struct slab_page {
	struct slab_page *next, *prev; /* among the pages with room */
	struct slab_item *free;        /* items given back */
	uint32_t used, fresh;          /* items given out; items from here on were never given out */
	uint64_t items[];
};

struct slab_item {
	union {
		struct slab_page *page;
		uint64_t align;
	};
	union {
		struct slab_item *next; /* while it is free */
		uint64_t payload[1];
	};
};

void slab_init(struct slab *s, size_t size)
{
	size_t words = (size + sizeof(uint64_t) - 1) / sizeof(uint64_t);

	words = words ? words : 1;
	*s = (struct slab){.size = (uint32_t)(offsetof(struct slab_item, payload) + words * sizeof(uint64_t))};
	s->per_page = (uint32_t)(((size <= SMALL ? SMALL_PAGE : PAGE) - sizeof(struct slab_page)) / s->size);
	must(s->per_page > 0);
}

#ifdef ARENA_EMULATE
void *slab_get(struct slab *s)
{
	return mem_zalloc(s->size);
}

void slab_put(struct slab *s, void *item)
{
	(void)s;
	mem_free(item);
}
#else
static void open_add(struct slab *s, struct slab_page *p)
{
	p->prev = NULL;
	p->next = s->open;
	if (p->next)
		p->next->prev = p;
	s->open = p;
}

static void open_del(struct slab *s, struct slab_page *p)
{
	if (p->next)
		p->next->prev = p->prev;
	*(p->prev ? &p->prev->next : &s->open) = p->next;
}

static struct slab_page *page_new(struct slab *s)
{
	struct slab_page *p = mem_alloc(sizeof(*p) + (size_t)s->per_page * s->size);

	if (!p)
		return NULL;
	*p = (struct slab_page){0};
	open_add(s, p);
	return p;
}

void *slab_get(struct slab *s)
{
	struct slab_page *p = s->open ? s->open : page_new(s);
	struct slab_item *item;

	if (!p)
		return NULL;
	item = p->free;
	if (item)
		p->free = item->next;
	else
		item = (struct slab_item *)(void *)((char *)p->items + (size_t)p->fresh++ * s->size);
	item->page = p;
	if (++p->used == s->per_page)
		open_del(s, p);
	return memset(item->payload, 0, s->size - offsetof(struct slab_item, payload));
}

void slab_put(struct slab *s, void *payload)
{
	struct slab_item *item = container_of(payload, struct slab_item, payload);
	struct slab_page *p = item->page;

	if (p->used-- == s->per_page)
		open_add(s, p);
	if (p->used == 0) {
		open_del(s, p);
		mem_free(p);
		return;
	}
	item->next = p->free;
	p->free = item;
}
#endif
