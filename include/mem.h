/* mem.h: all memory of the program: the allocation hook, arenas, free-lists.
 *
 * Every allocation goes through mem_alloc() and its sisters, so that tests can fail the nth one and count
 * them.  All return NULL when memory is out; the caller turns that into -ENOMEM, a drop reason or a
 * configuration error.  Any thread. */
#ifndef SHREWD_MEM_H
#define SHREWD_MEM_H

#include "base.h"

void *mem_alloc(size_t size) WUNUSED;
void *mem_zalloc(size_t size) WUNUSED;            /* zeroed */
void *mem_resize(void *p, size_t size) WUNUSED;   /* on NULL the old block is still there */
void *mem_dup(const void *p, size_t size) WUNUSED;
char *mem_strdup(const char *s) WUNUSED;
char *mem_strndup(const char *s, size_t len) WUNUSED;
void mem_free(void *p); /* NULL is fine */

/* For tests.  mem_fail_at(n): the nth allocation of this thread from now on fails (1 = the next), once;
 * 0 switches it off.  mem_calls(): allocations made by this thread so far. */
void mem_fail_at(unsigned long n);
unsigned long mem_calls(void);

/* mem_trim gives free heap pages back to the system where the C library can, after mem_trim_thread() for this thread.
 * mem_trim_thread: what the C library keeps at hand for the calling thread alone counts as free again.  mem_slack: bytes of
 * the heap that are free, and how many are in use; false where the C library does not say. */
void mem_trim(void);
void mem_trim_thread(void);
bool mem_slack(size_t *free_r, size_t *used_r) WUNUSED NONNULL;

/* ---- arena: many small pieces, freed in one call ----
 * With -DARENA_EMULATE each piece is an allocation of its own, so that ASan sees overruns. */
struct arena_block;
struct arena {
	struct arena_block *head;
	size_t block; /* bytes of payload of the next block */
	size_t used;  /* bytes handed out */
};
void arena_init(struct arena *, size_t block) NONNULL;
void *arena_alloc(struct arena *, size_t size) WUNUSED NONNULL; /* aligned for any type, not zeroed */
void *arena_zalloc(struct arena *, size_t size) WUNUSED NONNULL;
void *arena_dup(struct arena *, const void *p, size_t size) WUNUSED;
char *arena_strdup(struct arena *, const char *s) WUNUSED NONNULL;
void arena_free(struct arena *) NONNULL; /* frees all pieces; the arena may be used again */

/* ---- free-list: blocks of one size, kept for reuse ----
 * Single thread.  Keeps at most |keep| idle blocks; the rest goes back to the heap. */
struct freelist {
	void *head;
	size_t size;
	unsigned idle, keep;
};
void freelist_init(struct freelist *, size_t size, unsigned keep) NONNULL;
void *freelist_get(struct freelist *) WUNUSED NONNULL; /* not zeroed; NULL when memory is out */
void freelist_put(struct freelist *, void *p) NONNULL;
void freelist_clear(struct freelist *) NONNULL;

/* ---- slab: items of one size, a page of them at a time ----
 * Single thread.  Items of a kind that comes in crowds live together and apart from everything else, so that their
 * pages are free again when the crowd has left.  Items are aligned for pointers and 64-bit numbers.  With -DARENA_EMULATE
 * each item is an allocation of its own. */
struct slab_page;
struct slab {
	struct slab_page *open; /* pages with room */
	uint32_t size, per_page;
};
void slab_init(struct slab *, size_t size) NONNULL;
void *slab_get(struct slab *) WUNUSED NONNULL; /* zeroed; NULL when memory is out */
void slab_put(struct slab *, void *item) NONNULL; /* a page goes back with its last item */

/* ---- kept together: small things that outlive what is made around them ----
 * mem_keep: zeroed, aligned as items of a slab are; NULL when memory is out.  mem_unkeep gives it back, with the same
 * |size|; NULL is fine.  Any thread. */
void *mem_keep(size_t size) WUNUSED;
void mem_unkeep(void *p, size_t size);

#endif
