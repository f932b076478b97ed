/* session_cache.c: TLS sessions of one backend, newest first: what makes its next handshake short. */
#include "up.h"

struct entry {
	struct tls_session *session;
	uint64_t end_s;
};
struct session_cache {
	unsigned max, n, validity_s;
	struct entry v[]; /* oldest first */
};

/* Of all caches, for those who want to know how many there are. */
static _Atomic size_t kept;

static void forget(struct session_cache *c, unsigned i)
{
	tls_session_free(&c->v[i].session);
	atomic_fetch_sub_explicit(&kept, 1, memory_order_relaxed);
	memmove(&c->v[i], &c->v[i + 1], (c->n - i - 1) * sizeof(c->v[0]));
	c->n--;
}

struct session_cache *session_cache_new(unsigned max, unsigned validity_s)
{
	struct session_cache *c = mem_keep(sizeof(*c) + max * sizeof(c->v[0]));

	if (!c)
		return NULL;
	c->max = max;
	c->validity_s = validity_s;
	return c;
}

void session_cache_free(struct session_cache **p)
{
	struct session_cache *c = *p;

	*p = NULL;
	while (c && c->n)
		forget(c, c->n - 1);
	if (c)
		mem_unkeep(c, sizeof(*c) + c->max * sizeof(c->v[0]));
}

void session_cache_put(struct session_cache *c, struct tls_session *session, uint64_t wall_s)
{
	uint64_t end_s = tls_session_end_s(session), most_s = wall_s + c->validity_s;

	if (c->max == 0 || end_s <= wall_s) {
		tls_session_free(&session);
		return;
	}
	if (c->n == c->max)
		forget(c, 0);
	atomic_fetch_add_explicit(&kept, 1, memory_order_relaxed);
	c->v[c->n++] = (struct entry){session, end_s < most_s ? end_s : most_s};
}

struct tls_session *session_cache_take(struct session_cache *c, uint64_t wall_s, bool *lent_r)
{
	*lent_r = false;
	for (unsigned i = c->n; i-- > 0;)
		if (c->v[i].end_s <= wall_s)
			forget(c, i);
	if (c->n == 0)
		return NULL;
	*lent_r = !tls_session_once(c->v[c->n - 1].session);
	if (!*lent_r) {
		c->n--;
		atomic_fetch_sub_explicit(&kept, 1, memory_order_relaxed);
	}
	return c->v[*lent_r ? c->n - 1 : c->n].session;
}

size_t back_sessions(void)
{
	return atomic_load_explicit(&kept, memory_order_relaxed);
}
