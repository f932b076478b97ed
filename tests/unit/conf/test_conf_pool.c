/* test_conf_pool.c: membership of pools, and what a new configuration takes over. */
#include "health.h"
#include "../server/make.h"
#include "conf.h"

int test_conf_pool(void);

static struct conf *fresh(void)
{
	const char *error = "";
	struct conf *c = conf_new(&error);

	assert_non_null(c);
	return c;
}

static struct server *add(struct conf *c, const char *address, const char *options)
{
	struct server *s = make_server(address, options);

	assert_int_equal(conf_add_server(c, s), 0);
	return s;
}

static struct cache *cache(uint32_t entries)
{
	struct cache_options o;
	struct cache *c;
	const char *error = "";

	memset(&o, 0, sizeof o);
	assert_int_equal(field_defaults(cache_fields, cache_field_count, &o), 0);
	o.max_entries = entries;
	c = cache_new(&o, &error);
	if (c == NULL)
		fail_msg("%s", error);
	return c;
}

static void set_cache(struct conf *c, const char *pool, struct cache *of)
{
	struct pool *p = conf_pool_make(c, pool);

	assert_non_null(p);
	p->cache = cache_ref(of);
}

static void pools_appear(void **state)
{
	struct conf *c = fresh();
	struct server *s = add(c, "192.0.2.1", ""), *t = add(c, "192.0.2.2", "pool=p");

	(void)state;
	assert_int_equal(c->nservers, 2);
	assert_int_equal(c->npools, 2);
	assert_ptr_equal(c->pools[0]->servers[0], s);
	assert_int_equal(c->pools[0]->n, 1);
	assert_ptr_equal(conf_pool(c, "p")->servers[0], t);
	assert_null(conf_pool(c, "q"));
	assert_ptr_equal(conf_pool_make(c, "p"), conf_pool(c, "p"));
	assert_int_equal(conf_pool_add(c, "q", s), 0);
	assert_int_equal(conf_pool_add(c, "q", s), 0); /* once is enough */
	assert_int_equal(conf_pool(c, "q")->n, 1);
	assert_int_equal(atomic_load(&s->refs), 3);
	assert_int_equal(conf_pool_remove(c, "q", t), -ENOENT);
	assert_int_equal(conf_pool_remove(c, "r", s), -ENOENT);
	assert_int_equal(conf_pool_remove(c, "q", s), 0);
	assert_int_equal(conf_pool(c, "q")->n, 0);
	assert_int_equal(conf_remove_server(c, t), 0);
	assert_int_equal(conf_pool(c, "p")->n, 0);
	assert_int_equal(c->nservers, 1);
	assert_int_equal(conf_remove_server(c, t), -ENOENT);
	conf_free(&c);
}

static void sorted(void **state)
{
	struct conf *c = fresh();
	struct server *a = add(c, "192.0.2.1", "order=5"), *b = add(c, "192.0.2.2", "order=2");
	struct server *d = add(c, "192.0.2.3", "order=2");
	const char *error = "";

	(void)state;
	assert_ptr_equal(c->pools[0]->servers[0], b);
	assert_ptr_equal(c->pools[0]->servers[1], d);
	assert_ptr_equal(c->pools[0]->servers[2], a);
	atomic_store(&a->order, 1);
	assert_int_equal(conf_freeze(c, &error), 0);
	assert_ptr_equal(c->pools[0]->servers[0], a);
	assert_ptr_equal(c->servers[0], a); /* the list stays in order of definition */
	conf_free(&c);
}

static void several_pools(void **state)
{
	static const struct arg names[] = {{.kind = ARG_STR, .s = {"", 0}}, {.kind = ARG_STR, .s = {"x", 1}}};
	struct arg list = {.kind = ARG_TABLE, .t = {.v = names, .n = 2}};
	struct conf *c = fresh();
	struct server_conf sc;
	struct server *s;
	struct rng rng;
	const char *error = "";

	(void)state;
	rng_seed(&rng, 1);
	assert_int_equal(make_conf(&sc, "192.0.2.1", "", &error), 0);
	assert_int_equal(field_set(field_find(server_fields, server_field_count, "pool"), &sc, &list, &error), 0);
	s = server_new(&sc, &rng, &error);
	assert_int_equal(conf_add_server(c, s), 0);
	assert_ptr_equal(conf_pool(c, "")->servers[0], s);
	assert_ptr_equal(conf_pool(c, "x")->servers[0], s);
	conf_free(&c);
}

static void memory_out(void **state)
{
	bool done = false;

	(void)state;
	for (unsigned long n = 1; !done; n++) {
		struct conf *c = fresh();
		struct server *s = make_server("192.0.2.1", "pool=p");

		mem_fail_at(n);
		done = conf_add_server(c, s) == 0;
		mem_fail_at(0);
		if (!done) {
			assert_int_equal(c->nservers, 0);
			for (size_t i = 0; i < c->npools; i++)
				assert_int_equal(c->pools[i]->n, 0);
			assert_int_equal(atomic_load(&s->refs), 1);
			server_free(&s);
		}
		conf_free(&c);
		assert_in_range(n, 1, 10);
	}
}

static void servers_stay(void **state)
{
	struct conf *old = fresh(), *new = fresh();
	struct server *a = add(old, "192.0.2.1", "pool=p weight=2"), *b = add(old, "192.0.2.2", "");
	struct server *twin = add(old, "192.0.2.1", "pool=p weight=2");
	struct server *b2 = add(new, "192.0.2.2", ""), *a2 = add(new, "192.0.2.1", "pool=p weight=2");
	struct server *other = add(new, "192.0.2.3", "");
	const char *error = "";

	(void)state;
	server_ref(a2); /* as a variable of the new file */
	atomic_store(&a->queries, 77);
	server_set_up(a);
	server_set_auto(a, HEALTH_ACTIVE, -1);
	assert_int_equal(server_set_weight(a2, 9), 0); /* the file says so after newServer() */
	atomic_store(&a2->order, 4);
	server_set_qps(a2, 3);
	server_set_down(b); /* by hand */
	assert_int_equal(conf_freeze(old, &error), 0);
	assert_int_equal(conf_inherit(new, old), 0);
	assert_true(new->serial > old->serial);
	assert_ptr_equal(new->servers[0], b);
	assert_ptr_equal(new->servers[1], a);
	assert_ptr_equal(new->servers[2], other);
	assert_ptr_equal(conf_pool(new, "p")->servers[0], a);
	assert_int_equal(conf_pool(new, "p")->n, 1);
	assert_ptr_equal(conf_pool(new, "")->servers[0], b);
	assert_ptr_equal(conf_pool(new, "")->servers[1], other);
	assert_int_equal(atomic_load(&a->weight), 2); /* until nothing can refuse the new one */
	assert_int_equal(atomic_load(&a->order), 1);
	assert_int_equal(conf_freeze(new, &error), 0);
	conf_settle(new);
	assert_int_equal(atomic_load(&a->weight), 9);
	assert_int_equal(atomic_load(&a->order), 4);
	assert_true(a->qps.rate == 3 && atomic_load(&a->qps_limited));
	assert_string_equal(server_status(a), "up");
	assert_string_equal(server_status(b), "DOWN");
	assert_ptr_equal(server_now(a2), a);
	assert_ptr_equal(server_now(other), other);
	assert_int_equal(atomic_load(&twin->refs), 2);
	(void)b2; /* is gone */
	conf_free(&old);
	assert_int_equal(atomic_load(&a->queries), 77);
	conf_free(&new);
	assert_int_equal(atomic_load(&a->refs), 1);
	server_free(&a2);
}

static void twins_stay_two(void **state)
{
	struct conf *old = fresh(), *new = fresh();
	struct server *a = add(old, "192.0.2.1", ""), *b = add(old, "192.0.2.1", "");

	(void)state;
	add(new, "192.0.2.1", "");
	add(new, "192.0.2.1", "");
	add(new, "192.0.2.1", "");
	assert_int_equal(conf_inherit(new, old), 0);
	assert_ptr_equal(new->servers[0], a);
	assert_ptr_equal(new->servers[1], b);
	assert_ptr_not_equal(new->servers[2], a);
	assert_ptr_not_equal(new->servers[2], b);
	assert_int_equal(conf_pool(new, "")->n, 3);
	conf_free(&old);
	conf_free(&new);
}

static void modes_of_the_file(void **state)
{
	struct conf *old = fresh(), *new = fresh();
	struct server *a = add(old, "192.0.2.1", ""), *b = add(old, "192.0.2.2", ""), *d = add(old, "192.0.2.3", "");
	struct health_params p = health_params(a);

	(void)state;
	server_set_down(add(new, "192.0.2.1", ""));
	server_set_up(add(new, "192.0.2.2", ""));
	server_set_auto(add(new, "192.0.2.3", ""), HEALTH_LAZY, -1);
	p.rise = 5;
	health_set_params(new->servers[2], &p);
	assert_int_equal(conf_inherit(new, old), 0);
	assert_string_not_equal(server_status(a), "DOWN");
	conf_settle(new);
	assert_string_equal(server_status(a), "DOWN");
	assert_string_equal(server_status(b), "UP");
	assert_int_equal(server_health_mode(d), HEALTH_LAZY);
	assert_int_equal(health_params(d).rise, 5);
	conf_free(&old);
	conf_free(&new);
}

static void refused_changes_nothing(void **state)
{
	struct conf *old = fresh(), *new = fresh();
	struct server *a = add(old, "192.0.2.1", ""), *a2 = add(new, "192.0.2.1", "");

	(void)state;
	assert_int_equal(server_set_weight(a2, 9), 0);
	server_set_down(a2);
	assert_int_equal(conf_inherit(new, old), 0);
	conf_free(&new);
	assert_int_equal(atomic_load(&a->weight), 1);
	assert_string_not_equal(server_status(a), "DOWN");
	assert_int_equal(atomic_load(&a->refs), 2);
	conf_free(&old);
}

static void caches_stay(void **state)
{
	struct conf *old = fresh(), *new = fresh();
	struct cache *shared = cache(1000), *alone = cache(1000), *small = cache(10);
	struct cache *shared2 = cache(1000), *alone2 = cache(1000), *small2 = cache(11), *extra2 = cache(1000);

	(void)state;
	set_cache(old, "a", shared);
	set_cache(old, "b", shared);
	set_cache(old, "c", alone);
	set_cache(old, "d", small);
	set_cache(new, "a", shared2);
	set_cache(new, "new", shared2);
	set_cache(new, "b", extra2); /* no longer shares with a */
	set_cache(new, "c", alone2);
	set_cache(new, "d", small2); /* another size */
	assert_int_equal(conf_inherit(new, old), 0);
	assert_ptr_equal(conf_pool(new, "a")->cache, shared);
	assert_ptr_equal(conf_pool(new, "new")->cache, shared);
	assert_ptr_equal(conf_pool(new, "b")->cache, extra2);
	assert_ptr_equal(conf_pool(new, "c")->cache, alone);
	assert_ptr_equal(conf_pool(new, "d")->cache, small2);
	conf_free(&old);
	conf_free(&new);
	cache_free(&shared);
	cache_free(&alone);
	cache_free(&small);
	cache_free(&shared2);
	cache_free(&alone2);
	cache_free(&small2);
	cache_free(&extra2);
}

/* The only holders of the new caches are the pools: nothing may be read after it was replaced. */
static void caches_of_pools_only(void **state)
{
	struct conf *old = fresh(), *new = fresh();
	struct cache *running = cache(1000), *c = cache(1000);

	(void)state;
	set_cache(old, "b", running);
	set_cache(new, "a", c);
	set_cache(new, "b", c);
	set_cache(new, "c", c);
	cache_free(&c);
	assert_int_equal(conf_inherit(new, old), 0);
	assert_ptr_equal(conf_pool(new, "a")->cache, running);
	assert_ptr_equal(conf_pool(new, "b")->cache, running);
	assert_ptr_equal(conf_pool(new, "c")->cache, running);
	conf_free(&old);
	conf_free(&new);
	cache_free(&running);
}

static void inherit_without_memory(void **state)
{
	struct conf *old = fresh(), *new = fresh();

	(void)state;
	add(old, "192.0.2.1", "");
	add(new, "192.0.2.1", "");
	for (unsigned long n = 1; n <= 2; n++) {
		mem_fail_at(n);
		assert_int_equal(conf_inherit(new, old), -ENOMEM);
		mem_fail_at(0);
	}
	assert_int_equal(conf_inherit(new, old), 0);
	assert_ptr_equal(new->servers[0], old->servers[0]);
	conf_free(&new);
	new = fresh();
	conf_free(&old);
	old = fresh();
	assert_int_equal(conf_inherit(new, old), 0); /* nothing to take over */
	conf_free(&new);
	conf_free(&old);
}

int test_conf_pool(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(pools_appear), cmocka_unit_test(sorted),
		cmocka_unit_test(several_pools), cmocka_unit_test(memory_out), cmocka_unit_test(servers_stay),
		cmocka_unit_test(twins_stay_two), cmocka_unit_test(modes_of_the_file), cmocka_unit_test(refused_changes_nothing),
		cmocka_unit_test(caches_stay),
		cmocka_unit_test(caches_of_pools_only), cmocka_unit_test(inherit_without_memory)};

	return cmocka_run_group_tests_name("conf_pool", tests, NULL, NULL);
}
