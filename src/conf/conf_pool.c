/* conf_pool.c: which servers are in which pools, and what a new configuration takes over from the running one. */
#include "conf_priv.h"
#include "health.h"
#include "log.h"
#include "mem.h"

/* ---- lists of servers; each entry holds a reference ---- */
static ssize_t list_find(struct server *const *v, size_t n, const struct server *s)
{
	for (size_t i = 0; i < n; i++)
		if (v[i] == s)
			return (ssize_t)i;
	return -ENOENT;
}

static int list_room(struct server ***v, size_t n)
{
	struct server **more = mem_resize(*v, (n + 1) * sizeof *more);

	if (more == NULL)
		return -ENOMEM;
	*v = more;
	return 0;
}

static void list_remove(struct server **v, size_t *n, size_t at)
{
	server_free(&v[at]);
	memmove(v + at, v + at + 1, (*n - at - 1) * sizeof(struct server *));
	--*n;
}

static struct server **list_copy(struct server *const *v, size_t n)
{
	struct server **copy = mem_dup(v, n * sizeof(struct server *));

	for (size_t i = 0; i < n && copy != NULL; i++)
		server_ref(copy[i]);
	return copy;
}

static void list_free(struct server ***v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		server_free(&(*v)[i]);
	mem_free(*v);
	*v = NULL;
}

/* ---- pools ---- */
static void pool_free(struct pool **pp)
{
	struct pool *p = *pp;

	*pp = NULL;
	if (p == NULL)
		return;
	list_free(&p->servers, p->n);
	cache_free(&p->cache);
	mem_free(p->name);
	mem_free(p);
}

static int pool_add(struct pool *p, struct server *s)
{
	if (list_find(p->servers, p->n, s) >= 0)
		return 0;
	if (list_room(&p->servers, p->n) != 0)
		return -ENOMEM;
	p->servers[p->n++] = server_ref(s);
	pool_sort(p);
	return 0;
}

static bool pool_remove(struct pool *p, const struct server *s)
{
	ssize_t at = list_find(p->servers, p->n, s);

	if (at < 0)
		return false;
	list_remove(p->servers, &p->n, (size_t)at);
	return true;
}

static int pool_copy(struct conf *to, const struct pool *from)
{
	struct pool *p = conf_pool_make(to, from->name);

	if (p == NULL)
		return -ENOMEM;
	if (from->n > 0) {
		p->servers = list_copy(from->servers, from->n);
		if (p->servers == NULL)
			return -ENOMEM;
		p->n = from->n;
	}
	p->policy = from->policy;
	p->cache = from->cache != NULL ? cache_ref(from->cache) : NULL;
	p->use_ecs = from->use_ecs;
	p->zero_scope = from->zero_scope;
	return 0;
}

int pools_copy(struct conf *to, const struct conf *from)
{
	if (from->nservers > 0) {
		to->servers = list_copy(from->servers, from->nservers);
		if (to->servers == NULL)
			return -ENOMEM;
		to->nservers = from->nservers;
	}
	for (size_t i = 0; i < from->npools; i++)
		if (pool_copy(to, from->pools[i]) != 0)
			return -ENOMEM;
	return 0;
}

static void heirs_free(struct conf *c)
{
	list_free(&c->heirs, c->nheirs);
	c->nheirs = 0;
}

void pools_free(struct conf *c)
{
	for (size_t i = 0; i < c->npools; i++)
		pool_free(&c->pools[i]);
	mem_free(c->pools);
	c->pools = NULL;
	c->npools = 0;
	list_free(&c->servers, c->nservers);
	c->nservers = 0;
	heirs_free(c);
}

struct pool *conf_pool_named(const struct conf *c, const char *name)
{
	for (size_t i = 0; i < c->npools; i++)
		if (strcmp(c->pools[i]->name, name) == 0)
			return c->pools[i];
	return NULL;
}

struct pool *conf_pool_make(struct conf *c, const char *name)
{
	struct pool *p = conf_pool(c, name), **pools;

	if (p != NULL)
		return p;
	must(!c->frozen);
	pools = mem_resize(c->pools, (c->npools + 1) * sizeof(struct pool *));
	if (pools == NULL)
		return NULL;
	c->pools = pools;
	p = mem_zalloc(sizeof *p);
	if (p == NULL)
		return NULL;
	p->name = mem_strdup(name);
	if (p->name == NULL) {
		mem_free(p);
		return NULL;
	}
	p->zero_scope = true; /* answers for everyone are shared, unless the pool or a server says no */
	c->pools[c->npools++] = p;
	return p;
}

/* ---- membership ---- */
int conf_pool_add(struct conf *c, const char *pool, struct server *s)
{
	struct pool *p = conf_pool_make(c, pool);

	must(!c->frozen);
	return p != NULL ? pool_add(p, s) : -ENOMEM;
}

int conf_pool_remove(struct conf *c, const char *pool, const struct server *s)
{
	struct pool *p = conf_pool(c, pool);

	must(!c->frozen);
	return p != NULL && pool_remove(p, s) ? 0 : -ENOENT;
}

int conf_add_server(struct conf *c, struct server *s)
{
	const struct field_list *names = &s->conf.pools;
	int rc = 0;

	must(!c->frozen);
	if (list_room(&c->servers, c->nservers) != 0)
		return -ENOMEM;
	if (names->n == 0)
		rc = conf_pool_add(c, "", s);
	for (size_t i = 0; i < names->n && rc == 0; i++)
		rc = conf_pool_add(c, names->v[i], s);
	if (rc != 0) {
		for (size_t i = 0; i < c->npools; i++)
			pool_remove(c->pools[i], s);
		return rc;
	}
	c->servers[c->nservers++] = s;
	return 0;
}

int conf_remove_server(struct conf *c, const struct server *s)
{
	ssize_t at = list_find(c->servers, c->nservers, s);

	must(!c->frozen);
	if (at < 0)
		return -ENOENT;
	for (size_t i = 0; i < c->npools; i++)
		pool_remove(c->pools[i], s);
	list_remove(c->servers, &c->nservers, (size_t)at);
	return 0;
}

/* ---- from the running configuration ---- */

/* What the new file says of a server beyond its definition (.weight, .order, setQPS() …) holds for the running one as
 * well.  Its mode of checks only if the file changed it: else a server that was set down by hand would come up by a
 * reload for another reason. */
static void carry_over(struct server *running, const struct server *new)
{
	struct health_params params = health_params(new);
	enum health_mode mode = server_health_mode(new);

	if (server_set_weight(running, peek(&new->weight)) != 0)
		log_warn(SETUP, "out of memory: server %s keeps its weight", running->conf.name);
	poke(&running->order, peek(&new->order));
	if (server_qps(new) != server_qps(running))
		server_set_qps(running, server_qps(new));
	health_set_params(running, &params);
	if (mode == new->conf.health_mode)
		return;
	if (mode == HEALTH_UP)
		server_set_up(running);
	else if (mode == HEALTH_DOWN)
		server_set_down(running);
	else if (mode != server_health_mode(running))
		server_set_auto(running, mode, -1);
}

static void put_in_place(
	struct server **v, size_t n, const struct server *of, struct server *running)
{
	ssize_t at = list_find(v, n, of);

	if (at < 0)
		return;
	server_free(&v[at]);
	v[at] = server_ref(running);
}

static void inherit_server(struct conf *c, size_t nth, struct server *running)
{
	struct server *new = c->servers[nth];

	atomic_store_explicit(&new->successor, server_ref(running), memory_order_release);
	c->heirs[c->nheirs++] = server_ref(new); /* conf_settle() asks it */
	put_in_place(c->servers, c->nservers, new, running);
	for (size_t i = 0; i < c->npools; i++)
		put_in_place(c->pools[i]->servers, c->pools[i]->n, new, running);
}

static int inherit_servers(struct conf *c, const struct conf *old)
{
	bool *taken;

	if (old->nservers == 0 || c->nservers == 0)
		return 0;
	taken = mem_zalloc(old->nservers * sizeof *taken);
	c->heirs = taken != NULL ? mem_zalloc(c->nservers * sizeof(struct server *)) : NULL;
	if (c->heirs == NULL) {
		mem_free(taken);
		return -ENOMEM;
	}
	for (size_t i = 0; i < c->nservers; i++) {
		for (size_t j = 0; j < old->nservers; j++) {
			if (taken[j] || !server_same(c->servers[i], old->servers[j]))
				continue;
			taken[j] = true;
			inherit_server(c, i, old->servers[j]);
			break;
		}
	}
	mem_free(taken);
	return 0;
}

static bool same_options(const struct cache_options *a, const struct cache_options *b)
{
	return a->max_entries == b->max_entries && a->max_ttl_s == b->max_ttl_s &&
	       a->min_ttl_s == b->min_ttl_s && a->max_negative_ttl_s == b->max_negative_ttl_s &&
	       a->temp_failure_ttl_s == b->temp_failure_ttl_s && a->stale_ttl_s == b->stale_ttl_s &&
	       a->truncated_ttl_s == b->truncated_ttl_s && a->shards == b->shards &&
	       a->max_entry_size == b->max_entry_size && a->max_bytes == b->max_bytes &&
	       a->dont_age == b->dont_age && a->keep_stale_data == b->keep_stale_data &&
	       a->deferrable_insert == b->deferrable_insert && a->parse_ecs == b->parse_ecs &&
	       a->cookie_hashing == b->cookie_hashing && a->shuffle == b->shuffle &&
	       a->prefetch == b->prefetch && a->skip_options == b->skip_options &&
	       a->payload_ranks == b->payload_ranks &&
	       memcmp(a->skip_option, b->skip_option, a->skip_options * sizeof a->skip_option[0]) ==
		       0 &&
	       memcmp(a->payload_rank, b->payload_rank,
		       a->payload_ranks * sizeof a->payload_rank[0]) == 0;
}

static bool uses_cache(const struct conf *c, const struct cache *cache)
{
	for (size_t i = 0; i < c->npools; i++)
		if (c->pools[i]->cache == cache)
			return true;
	return false;
}

/* One running cache takes the place of one new one, in all its pools: those that share go on sharing, and two that
 * are apart now stay apart. */
static void inherit_caches(struct conf *c, const struct conf *old)
{
	for (size_t i = 0; i < c->npools; i++) {
		struct cache *new = c->pools[i]->cache;
		const struct pool *before = conf_pool(old, c->pools[i]->name);
		struct cache *running = before != NULL ? before->cache : NULL;

		if (new == NULL || running == NULL || uses_cache(c, running) ||
			!same_options(cache_options(new), cache_options(running)))
			continue;
		cache_ref(new); /* until it is out of all pools */
		cache_replace(new, running);
		for (size_t j = 0; j < c->npools; j++) {
			if (c->pools[j]->cache != new)
				continue;
			cache_free(&c->pools[j]->cache);
			c->pools[j]->cache = cache_ref(running);
		}
		cache_free(&new);
	}
}

int conf_inherit(struct conf *new, const struct conf *old)
{
	must(!new->frozen);
	if (inherit_servers(new, old) != 0)
		return -ENOMEM;
	inherit_caches(new, old);
	new->serial = old->serial + 1;
	return 0;
}

void conf_settle(struct conf *c)
{
	for (size_t i = 0; i < c->nheirs; i++) {
		const struct server *new = c->heirs[i];

		carry_over(atomic_load(&new->successor), new);
	}
	if (c->nheirs > 0)
		for (size_t i = 0; i < c->npools; i++)
			pool_sort(c->pools[i]);
	heirs_free(c);
}
