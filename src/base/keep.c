/* keep.c: small things that outlive what is made around them, kept together.
 *
 * What stays when a connection goes (its server's transport, its tickets) would otherwise lie between the pieces of the
 * connection, and keep nearly all of its pages from going back to the system. */
#include "mem.h"

#include <pthread.h>

/* Of the smallest kind there may be an item for every descriptor. */
enum { STEP = 24, KINDS = 43 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct slab kinds[KINDS]; /* STEP bytes, two times STEP … */

static struct slab *kind_of(size_t size)
{
	size_t i = size ? (size - 1) / STEP : 0;

	return i < KINDS ? &kinds[i] : NULL;
}

void *mem_keep(size_t size)
{
	struct slab *s = kind_of(size);
	void *p;

	if (!s)
		return mem_zalloc(size);
	pthread_mutex_lock(&lock);
	if (s->size == 0)
		slab_init(s, (size_t)(s - kinds + 1) * STEP);
	p = slab_get(s);
	pthread_mutex_unlock(&lock);
	return p;
}

void mem_unkeep(void *p, size_t size)
{
	struct slab *s = kind_of(size);

	if (!p || !s) {
		mem_free(p);
		return;
	}
	pthread_mutex_lock(&lock);
	slab_put(s, p);
	pthread_mutex_unlock(&lock);
}
