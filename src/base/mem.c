/* mem.c: the allocation hook with its test counters, arenas and free-lists. */
#include "mem.h"
#include <stdlib.h>
#ifdef __GLIBC__
#include <malloc.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>
#endif

enum { ARENA_BLOCK_MAX = 65536, ARENA_ALIGN = _Alignof(max_align_t) };

/* Per thread, so that a test which fails its own nth allocation does not disturb another thread. */
static _Thread_local unsigned long calls, fail_in;

static bool mem_refuse(void)
{
	calls++;
	return unlikely(fail_in != 0) && --fail_in == 0;
}

void *mem_alloc(size_t size)
{
	if (mem_refuse())
		return NULL;
	return malloc(size != 0 ? size : 1); /* NULL must mean: no memory */
}

void *mem_zalloc(size_t size)
{
	if (mem_refuse())
		return NULL;
	return calloc(1, size != 0 ? size : 1);
}

void *mem_resize(void *p, size_t size)
{
	if (mem_refuse())
		return NULL;
	return realloc(p, size != 0 ? size : 1);
}

void *mem_dup(const void *p, size_t size)
{
	void *copy = mem_alloc(size);
	if (copy != NULL && size != 0)
		memcpy(copy, p, size);
	return copy;
}

char *mem_strdup(const char *s)
{
	return mem_dup(s, strlen(s) + 1);
}

char *mem_strndup(const char *s, size_t len)
{
	size_t n = strnlen(s, len);
	char *copy = mem_alloc(n + 1);
	if (copy != NULL) {
		memcpy(copy, s, n);
		copy[n] = '\0';
	}
	return copy;
}

void mem_free(void *p)
{
	free(p);
}

void mem_fail_at(unsigned long n)
{
	fail_in = n;
}

unsigned long mem_calls(void)
{
	return calls;
}

#ifdef __GLIBC__
/* ---- what glibc keeps: of each small size the last pieces that a thread freed, some hundred of them, as if they were in
 * use, each holding a page; and the end of the heap of each thread but the first ---- */
struct cached {
	struct cached *next;
};

static void *free_cached(void *first)
{
	for (struct cached *p = first, *next; p; p = next) {
		next = p->next;
		free(p);
	}
	return NULL;
}

/* end_cached frees them in a thread that ends: what is kept for it goes with it. */
static void end_cached(struct cached *first)
{
	pthread_attr_t attr;
	pthread_t thread;

	if (pthread_attr_init(&attr) != 0) {
		free_cached(first);
		return;
	}
	(void)pthread_attr_setstacksize(&attr, 128 << 10);
	if (pthread_create(&thread, &attr, free_cached, first) == 0)
		pthread_join(thread, NULL);
	else
		free_cached(first);
	pthread_attr_destroy(&attr);
}

/* give_cached takes the calling thread's pieces away from it, and some that are free anyway: not many at a time. */
static void give_cached(void)
{
	enum { SMALLEST = 24, LARGEST = 1032, STEP = 16, KEPT = 7, BATCH = 48 << 10 };
	struct cached *first = NULL;
	size_t bytes = 0;

	for (size_t size = SMALLEST; size <= LARGEST; size += STEP) {
		for (unsigned i = 0; i < KEPT; i++) {
			struct cached *p = malloc(size);

			if (!p)
				break;
			p->next = first;
			first = p;
			bytes += size;
		}
		if (first && (bytes > BATCH || size + STEP > LARGEST)) {
			end_cached(first);
			first = NULL;
			bytes = 0;
		}
	}
}

/* give_end: large pieces that no hole has room for come from the end; what is in them is ours to throw away. */
static void give_end(void)
{
	enum { PIECES = 8, SIZE = 100 << 10 };
	const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	char *p[PIECES];

	for (unsigned i = 0; i < PIECES; i++) {
		p[i] = malloc(SIZE);
		if (p[i]) {
			size_t skip = (page - (uintptr_t)p[i] % page) % page;

			(void)madvise(p[i] + skip, (SIZE - skip) / page * page, MADV_DONTNEED);
		}
	}
	for (unsigned i = PIECES; i-- > 0;)
		free(p[i]);
}
#endif

void mem_trim_thread(void)
{
#ifdef __GLIBC__
	give_cached();
	give_end();
#endif
}

void mem_trim(void)
{
	mem_trim_thread();
#ifdef __GLIBC__
	malloc_trim(0);
#endif
}

bool mem_slack(size_t *free_r, size_t *used_r)
{
	*free_r = *used_r = 0;
#if defined(__GLIBC__) && defined(__GLIBC_PREREQ)
#if __GLIBC_PREREQ(2, 33)
	struct mallinfo2 m = mallinfo2();

	*free_r = m.fordblks;
	*used_r = m.uordblks;
#endif
#endif
	return *used_r > 0;
}

/* ---- arena ---- */

struct arena_block {
	struct arena_block *next;
	size_t used, cap; /* of payload */
	_Alignas(max_align_t) uint8_t data[];
};

static struct arena_block *block_new(size_t cap)
{
	if (cap > PTRDIFF_MAX - sizeof(struct arena_block))
		return NULL;
	struct arena_block *b = mem_alloc(sizeof(*b) + cap);
	if (b != NULL) {
		b->next = NULL;
		b->used = 0;
		b->cap = cap;
	}
	return b;
}

/* A piece that gets a block of its own goes behind the head, whose room stays in use. */
static void *arena_single(struct arena *a, size_t size)
{
	struct arena_block *b = block_new(size);
	if (b == NULL)
		return NULL;
	b->used = size;
	if (a->head != NULL) {
		b->next = a->head->next;
		a->head->next = b;
	} else {
		a->head = b;
	}
	a->used += size;
	return b->data;
}

void arena_init(struct arena *a, size_t block)
{
	a->head = NULL;
	a->block = block;
	a->used = 0;
}

void *arena_alloc(struct arena *a, size_t size)
{
#ifdef ARENA_EMULATE
	return arena_single(a, size);
#endif
	if (size > SIZE_MAX - ARENA_ALIGN)
		return NULL;
	size_t step = (size + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN;
	if (step == 0)
		step = ARENA_ALIGN; /* two pieces never share an address */
	struct arena_block *b = a->head;
	if (b == NULL || b->cap - b->used < step) {
		if (step > a->block / 2)
			return arena_single(a, step);
		b = block_new(a->block);
		if (b == NULL)
			return NULL;
		b->next = a->head;
		a->head = b;
		if (a->block <= ARENA_BLOCK_MAX / 2)
			a->block *= 2;
	}
	void *p = b->data + b->used;
	b->used += step;
	a->used += step;
	return p;
}

void *arena_zalloc(struct arena *a, size_t size)
{
	void *p = arena_alloc(a, size);
	if (p != NULL)
		memset(p, 0, size);
	return p;
}

void *arena_dup(struct arena *a, const void *p, size_t size)
{
	void *copy = arena_alloc(a, size);
	if (copy != NULL && size != 0)
		memcpy(copy, p, size);
	return copy;
}

char *arena_strdup(struct arena *a, const char *s)
{
	return arena_dup(a, s, strlen(s) + 1);
}

void arena_free(struct arena *a)
{
	while (a->head != NULL) {
		struct arena_block *next = a->head->next;
		mem_free(a->head);
		a->head = next;
	}
	a->used = 0;
}

/* ---- free-list: the idle blocks are linked through their first word ---- */

void freelist_init(struct freelist *f, size_t size, unsigned keep)
{
	f->head = NULL;
	f->size = size < sizeof(void *) ? sizeof(void *) : size;
	f->idle = 0;
#ifdef ARENA_EMULATE
	keep = 0; /* ASan sees a block that is used after its return */
#endif
	f->keep = keep;
}

void *freelist_get(struct freelist *f)
{
	void *p = f->head;
	if (p == NULL)
		return mem_alloc(f->size);
	memcpy(&f->head, p, sizeof(f->head));
	f->idle--;
	return p;
}

void freelist_put(struct freelist *f, void *p)
{
	if (f->idle >= f->keep) {
		mem_free(p);
		return;
	}
	memcpy(p, &f->head, sizeof(f->head));
	f->head = p;
	f->idle++;
}

void freelist_clear(struct freelist *f)
{
	while (f->head != NULL) {
		void *p = f->head;
		memcpy(&f->head, p, sizeof(f->head));
		mem_free(p);
	}
	f->idle = 0;
}
