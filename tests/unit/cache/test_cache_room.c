/* test_cache_room.c: eviction, budgets, tables that grow, memory that is out, threads. */
#include "cache_priv.h"
#include "fixture.h"
#include <pthread.h>
#include "mem.h"
#include <stdio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

int test_cache_room(void);

static void ask_n(struct asked *a, const struct cache *cache, unsigned n)
{
	char name[32];

	snprintf(name, sizeof(name), "n%u.example.org", n);
	ask(a, cache_options(cache), &(struct ask){.name = name});
}

static void eviction(void **state UNUSED)
{
	struct cache_options o = options_default(10);
	struct cache *cache;
	struct cache_stats n;
	static struct asked a;

	o.shards = 1;
	cache = cache_with(&o);
	for (unsigned i = 0; i < 10; i++) {
		ask_n(&a, cache, i);
		assert_int_equal(put_a(cache, &a, i == 3 ? 10 : 1000 + i, 0), 1);
	}
	ask_n(&a, cache, 10);
	assert_int_equal(put_a(cache, &a, 1000, 0), 1);
	assert_int_equal(cache_size(cache), 10);
	for (unsigned i = 0; i <= 10; i++) {
		ask_n(&a, cache, i);
		assert_int_equal(get_ttl(cache, &a, 0, 0, NULL) == -1000, i == 3);
	}
	cache_stats(cache, &n);
	assert_int_equal(n.evictions, 1);
	cache_free(&cache);
}

static void byte_budget(void **state UNUSED)
{
	struct cache_options o = options_default(1000000);
	struct cache *cache;
	struct cache_stats n;
	static struct asked a;
	static uint8_t msg[8192], data[8000];
	size_t len;

	o.max_bytes = 100000;
	o.shards = 4;
	o.max_entry_size = 8192;
	cache = cache_with(&o);
	for (unsigned i = 0; i < 5000; i++) {
		size_t want = i % 3 == 0 ? 4000 : i % 20;

		ask_n(&a, cache, i);
		answer_begin(msg, &len, &a, RCODE_NOERROR);
		assert_int_equal(msg_add_rr(msg, &len, sizeof(msg), SECTION_ANSWER, QTYPE_TXT,
					 CLASS_IN, 60 + i, data, want),
			0);
		assert_int_equal(cache_put(cache, &a.key, msg, len, i * 10, -1), 1);
		assert_true(cache_bytes(cache) <= 100000);
	}
	cache_stats(cache, &n);
	assert_true(n.evictions > 4000);
	assert_int_equal(cache_size(cache) + n.evictions, 5000);
	assert_true(cache_bytes(cache) > 60000);
	cache_expunge(cache, 0);
	assert_int_equal(cache_bytes(cache), entry_cost(sizeof(*cache) + 4 * sizeof(struct slice)));
	cache_free(&cache);
}

static void entry_larger_than_a_slice(void **state UNUSED)
{
	struct cache_options o = options_default(1000);
	struct cache *cache;
	static struct asked a, b;
	static uint8_t msg[DNS_MAX], data[30000];
	size_t len;

	o.max_bytes = 20000;
	o.max_entry_size = DNS_MAX;
	cache = cache_with(&o);
	assert_int_equal(cache_options(cache)->shards, 1);
	ask(&a, cache_options(cache), &(struct ask){.name = "example.org", .over_tcp = true});
	ask(&b, cache_options(cache), &(struct ask){.name = "example.com"});
	assert_int_equal(put_a(cache, &b, 60, 0), 1);
	answer_begin(msg, &len, &a, RCODE_NOERROR);
	assert_int_equal(msg_add_rr(msg, &len, sizeof(msg), SECTION_ANSWER, QTYPE_NULL, CLASS_IN,
				 60, data, sizeof(data)),
		0);
	assert_int_equal(cache_put(cache, &a.key, msg, len, 0, -1), 0);
	assert_int_equal(get_ttl(cache, &b, 0, 0, NULL), 60); /* nobody was evicted for nothing */
	cache_free(&cache);
}

static void small_and_many(void **state UNUSED)
{
	enum { N = 20000 };
	struct cache_options o = options_default(N * 2);
	struct cache *cache = cache_with(&o);
	size_t before = cache_bytes(cache), ended = 0;
	static struct asked a;

	assert_true(before < 65536);
	for (unsigned i = 0; i < N; i++) {
		ask_n(&a, cache, i);
		assert_int_equal(put_a(cache, &a, 60 + i % 3600, 0), 1);
	}
	assert_int_equal(cache_size(cache), N);
	assert_true(cache_bytes(cache) - before < N * 200ul);
	for (unsigned i = 0; i < N; i++) {
		ask_n(&a, cache, i);
		assert_int_equal(get_ttl(cache, &a, 0, 0, NULL), 60 + i % 3600);
	}
	for (unsigned i = 0; i < N; i++)
		ended += 60 + i % 3600 <= 1860;
	assert_int_equal(cache_purge(cache, 0, 1860000), ended);
	for (unsigned i = 0; i < N; i++) {
		ask_n(&a, cache, i);
		assert_int_equal(
			get_ttl(cache, &a, 1860000, 0, NULL) != -1000, 60 + i % 3600 > 1860);
	}
	cache_free(&cache);
}

static unsigned longest_chain(const struct slice *s)
{
	unsigned most = 0;

	for (uint32_t i = 0; i < s->buckets; i++) {
		unsigned n = 0;

		for (const struct entry *e = s->bucket[i]; e != NULL; e = e->next)
			n++;
		most = n > most ? n : most;
	}
	return most;
}

static void the_table_follows_its_entries(void **state UNUSED)
{
	struct cache_options o = options_default(5000);
	struct cache *cache;
	struct slice *s;
	static struct asked a;

	o.shards = 1;
	cache = cache_with(&o);
	s = &cache->slice[0];
	for (unsigned i = 0; i < 5000; i++) {
		ask_n(&a, cache, i);
		assert_int_equal(put_a(cache, &a, 60, 0), 1);
		assert_true(s->buckets >= s->count && s->buckets <= s->cap);
	}
	assert_in_range(longest_chain(s), 2, 12);
	for (size_t left = 4500; left > 0; left -= 500) {
		assert_int_equal(cache_expunge(cache, left), 500);
		assert_in_range(s->buckets, left, 2 * left + 1);
		assert_true(s->cap < 4 * s->buckets + 64);
		assert_in_range(longest_chain(s), 1, 12);
	}
	cache_expunge(cache, 0);
	assert_null(s->bucket);
	assert_int_equal(s->bytes, 0);
	cache_free(&cache);
}

static void out_of_memory(void **state UNUSED)
{
	struct cache_options o = options_default(100);
	const char *error = NULL;
	struct cache *cache;
	static struct asked a;

	mem_fail_at(1);
	assert_null(cache_new(&o, &error));
	mem_fail_at(0);
	assert_non_null(error);
	cache = cache_with(&o);
	ask(&a, cache_options(cache), &(struct ask){.name = "example.org"});
	for (unsigned n = 1; n <= 2; n++) { /* the entry, the first table */
		mem_fail_at(n);
		assert_int_equal(put_a(cache, &a, 60, 0), -ENOMEM);
		mem_fail_at(0);
		assert_int_equal(cache_size(cache), 0);
	}
	assert_int_equal(put_a(cache, &a, 60, 0), 1);
	cache_free(&cache);
}

static void a_hit_allocates_nothing(void **state UNUSED)
{
	struct cache_options o = options_default(100);
	struct cache *cache;
	static struct asked a;
	unsigned long calls;

	o.shuffle = o.prefetch = true;
	cache = cache_with(&o);
	ask(&a, cache_options(cache), &(struct ask){.name = "example.org"});
	assert_int_equal(put_a(cache, &a, 60, 0), 1);
	calls = mem_calls();
	assert_int_equal(get_ttl(cache, &a, 5000, 0, NULL), 55);
	assert_int_equal(mem_calls(), calls);
	cache_free(&cache);
}

static void a_table_that_cannot_grow(void **state UNUSED)
{
	struct cache_options o = options_default(1000);
	struct cache *cache;
	static struct asked a;

	o.shards = 1;
	cache = cache_with(&o);
	for (unsigned i = 0; i < 200; i++) {
		ask_n(&a, cache, i);
		mem_fail_at(i == 0 ? 0 : 2); /* the first after the entry: the table */
		assert_int_equal(put_a(cache, &a, 60, 0), 1);
	}
	mem_fail_at(0);
	for (unsigned i = 0; i < 200; i++) {
		ask_n(&a, cache, i);
		assert_int_equal(get_ttl(cache, &a, 0, 0, NULL), 60);
	}
	cache_free(&cache);
}

struct crew {
	struct cache *cache;
	unsigned seed, wrong;
};

static void *crew_run(void *arg)
{
	struct crew *c = arg;
	struct asked a;
	unsigned hit;
	uint8_t out[512];

	for (unsigned i = 0; i < 3000; i++) {
		unsigned n = (c->seed * 7919 + i * 31) % 400;
		uint64_t now_ms = i * 20;
		ssize_t len;

		ask_n(&a, c->cache, n);
		len = cache_get(
			c->cache, &a.key, a.msg + DNS_HEADER, out, sizeof(out), now_ms, 0, &hit);
		if (len > 0)
			c->wrong += !question_same(&a.question, out, (size_t)len);
		else if (put_a(c->cache, &a, 1 + n % 30, now_ms) < 0)
			c->wrong++;
		if (i % 500 == 499)
			cache_clean(c->cache, now_ms, 100, 0);
		if (i % 1000 == 999)
			cache_expunge(c->cache, 50);
	}
	return NULL;
}

static void four_threads(void **state UNUSED)
{
	struct cache_options o = options_default(200);
	struct crew crew[4];
	pthread_t thread[4];
	struct cache_stats n;
	struct cache *cache;

	o.shards = 4;
	o.prefetch = o.shuffle = true;
	cache = cache_with(&o);
	for (unsigned i = 0; i < 4; i++) {
		crew[i] = (struct crew){cache, i, 0};
		assert_int_equal(pthread_create(&thread[i], NULL, crew_run, &crew[i]), 0);
	}
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(pthread_join(thread[i], NULL), 0);
		assert_int_equal(crew[i].wrong, 0);
	}
	cache_stats(cache, &n);
	assert_int_equal(n.hits + n.misses + n.deferred_lookups, 4 * 3000);
	assert_true(cache_size(cache) <= 200);
	cache_free(&cache);
}

int test_cache_room(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(eviction),
		cmocka_unit_test(byte_budget),
		cmocka_unit_test(entry_larger_than_a_slice),
		cmocka_unit_test(small_and_many),
		cmocka_unit_test(the_table_follows_its_entries),
		cmocka_unit_test(out_of_memory),
		cmocka_unit_test(a_hit_allocates_nothing),
		cmocka_unit_test(a_table_that_cannot_grow),
		cmocka_unit_test(four_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
