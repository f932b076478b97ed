/* slab.c: items of one size, a page of them at a time. */
#include "mem.h"

#include <stddef.h>

enum { PAGE = 64 << 10 };

struct slab_page {
	struct slab_page *next, *prev; /* among the pages with room */
	struct slab_item *free;        /* items given back */
	uint32_t used, fresh;          /* items given out; items from here on were never given out */
	max_align_t align[];
};

struct slab_item { /* in front of every item */
	struct slab_page *page;
	struct slab_item *next; /* while it is free */
	max_align_t payload[];
};

void slab_init(struct slab *s, size_t size)
{
	*s = (struct slab){.size = (uint32_t)(sizeof(struct slab_item) +
					      ((size + sizeof(max_align_t) - 1) & ~(sizeof(max_align_t) - 1)))};
	s->per_page = (uint32_t)((PAGE - sizeof(struct slab_page)) / s->size);
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
		item = (struct slab_item *)(void *)((char *)p->align + (size_t)p->fresh++ * s->size);
	item->page = p;
	if (++p->used == s->per_page)
		open_del(s, p);
	return memset(item->payload, 0, s->size - sizeof(*item));
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
