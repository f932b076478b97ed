/* test_cache.c: look-up, insert, ageing, staleness, eviction, budgets, threads. */
#include "cache_priv.h"
#include "fixture.h"
#include "mem.h"
#include <stdio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

int test_cache(void);

static void ask_n(struct asked *a, const struct cache *cache, unsigned n)
{
	char name[32];

	snprintf(name, sizeof(name), "n%u.example.org", n);
	ask(a, cache_options(cache), &(struct ask){.name = name});
}

static void hit_and_miss(void **state UNUSED)
{
	struct cache_options o = options_default(100);
	struct cache *cache = cache_with(&o);
	struct cache_stats n;
	static struct asked a, b;

	ask(&a, cache_options(cache), &(struct ask){.name = "example.org"});
	ask(&b, cache_options(cache), &(struct ask){.name = "example.com"});
	assert_int_equal(get_ttl(cache, &a, 1000, 0, NULL), -1000);
	assert_int_equal(put_a(cache, &a, 60, 1000), 1);
	assert_int_equal(get_ttl(cache, &a, 1000, 0, NULL), 60);
	assert_int_equal(get_ttl(cache, &a, 500, 0, NULL), 60); /* another worker's clock, a bit behind */
	assert_int_equal(get_ttl(cache, &a, 11000, 0, NULL), 50);
	assert_int_equal(get_ttl(cache, &a, 60999, 0, NULL), 1);
	assert_int_equal(get_ttl(cache, &a, 61000, 0, NULL), -1000);
	assert_int_equal(get_ttl(cache, &b, 1000, 0, NULL), -1000);
	cache_stats(cache, &n);
	assert_int_equal(n.hits, 4);
	assert_int_equal(n.misses, 3);
	assert_int_equal(cache_size(cache), 1);
	cache_free(&cache);
	assert_null(cache);
}

static void case_of_the_asker(void **state UNUSED)
{
	struct cache_options o = options_default(100);
	struct cache *cache = cache_with(&o);
	static struct asked a, b;
	uint8_t out[512];
	unsigned hit;
	ssize_t len;

	ask(&a, cache_options(cache), &(struct ask){.name = "Example.Org"});
	ask(&b, cache_options(cache), &(struct ask){.name = "eXAMPLE.oRG"});
	assert_int_equal(put_a(cache, &a, 60, 0), 1);
	len = cache_get(cache, &b.key, b.msg + DNS_HEADER, out, sizeof(out), 0, 0, &hit);
	assert_int_equal(len, b.question.end + 16);
	assert_memory_equal(out + DNS_HEADER, b.msg + DNS_HEADER, b.question.len + 4);
	assert_int_equal(hit, 0);
	cache_free(&cache);
}

static void answer_too_long_for_the_caller(void **state UNUSED)
{
	struct cache_options o = options_default(100);
	struct cache *cache = cache_with(&o);
	static struct asked a;
	uint8_t out[512];
	unsigned hit;
	size_t len;

	ask(&a, cache_options(cache), &(struct ask){.name = "example.org"});
	assert_int_equal(put_a(cache, &a, 60, 0), 1);
	len = a.question.end + 16u;
	assert_int_equal(cache_get(cache, &a.key, a.msg + DNS_HEADER, out, len - 1, 0, 0, &hit), -ENOBUFS);
	assert_int_equal(cache_get(cache, &a.key, a.msg + DNS_HEADER, out, len, 0, 0, &hit), (ssize_t)len);
	cache_free(&cache);
}

static void opt_is_not_aged(void **state UNUSED)
{
	struct cache_options o = options_default(100);
	struct cache *cache = cache_with(&o);
	static struct asked a;
	uint8_t msg[512], out[512];
	struct edns edns;
	unsigned hit;
	size_t len;

	ask(&a, cache_options(cache), &(struct ask){.name = "example.org", .payload = 1232, .dnssec_ok = true});
	answer_begin(msg, &len, &a, RCODE_NOERROR);
	answer_a(msg, &len, 60, 1);
	answer_a(msg, &len, 5, 2);
	assert_int_equal(edns_add(msg, &len, sizeof(msg), 1232, EDNS_DO, 0), 0);
	assert_int_equal(cache_put(cache, &a.key, msg, len, 0, -1), 1);
	assert_int_equal(cache_get(cache, &a.key, a.msg + DNS_HEADER, out, sizeof(out), 4000, 0, &hit), (ssize_t)len);
	assert_int_equal(edns_find(&edns, out, len), 0);
	assert_int_equal(edns.flags, EDNS_DO);
	assert_int_equal(msg_min_ttl(out, len), 1);
	cache_free(&cache);
}

static void shown_ttl_never_below_zero(void **state UNUSED)
{
	struct cache_options o = options_default(100);
	struct cache *cache = cache_with(&o);
	static struct asked a;
	uint8_t msg[512];
	size_t len;

	ask(&a, cache_options(cache), &(struct ask){.name = "example.org"});
	answer_begin(msg, &len, &a, RCODE_SERVFAIL); /* lives for 60 s whatever its records say */
	answer_a(msg, &len, 10, 1);
	assert_int_equal(cache_put(cache, &a.key, msg, len, 0, -1), 1);
	assert_int_equal(get_ttl(cache, &a, 30000, 0, NULL), 0);
	cache_free(&cache);
}

static void max_ttl_is_not_shown(void **state UNUSED)
{
	struct cache_options o = options_default(100);
	struct cache *cache;
	static struct asked a;

	o.max_ttl_s = 10;
	cache = cache_with(&o);
	ask(&a, cache_options(cache), &(struct ask){.name = "example.org"});
	assert_int_equal(put_a(cache, &a, 300, 0), 1);
	assert_int_equal(get_ttl(cache, &a, 9000, 0, NULL), 291);
	assert_int_equal(get_ttl(cache, &a, 10000, 0, NULL), -1000);
	cache_free(&cache);
}

static void dont_age(void **state UNUSED)
{
	struct cache_options o = options_default(100);
	struct cache *cache;
	static struct asked a;

	o.dont_age = true;
	cache = cache_with(&o);
	ask(&a, cache_options(cache), &(struct ask){.name = "example.org"});
	assert_int_equal(put_a(cache, &a, 300, 0), 1);
	assert_int_equal(get_ttl(cache, &a, 299000, 0, NULL), 300);
	assert_int_equal(get_ttl(cache, &a, 300000, 0, NULL), -1000);
	cache_free(&cache);
}

static void stale(void **state UNUSED)
{
	struct cache_options o = options_default(100);
	struct cache *cache;
	struct cache_stats n;
	static struct asked a;
	unsigned hit;

	o.stale_ttl_s = 7;
	cache = cache_with(&o);
	ask(&a, cache_options(cache), &(struct ask){.name = "example.org"});
	assert_int_equal(put_a(cache, &a, 60, 0), 1);
	assert_int_equal(get_ttl(cache, &a, 59000, 100, &hit), 1);
	assert_int_equal(hit, 0);
	assert_int_equal(get_ttl(cache, &a, 60000, 0, &hit), -1000);
	assert_int_equal(get_ttl(cache, &a, 60000, 100, &hit), 7);
	assert_int_equal(hit, CACHE_STALE);
	assert_int_equal(get_ttl(cache, &a, 159999, 100, &hit), 7);
	assert_int_equal(get_ttl(cache, &a, 160000, 100, &hit), -1000);
	cache_stats(cache, &n);
	assert_int_equal(n.stale_hits, 2);
	assert_int_equal(n.hits, 3);
	cache_free(&cache);
}

static void replacement(void **state UNUSED)
{
	struct cache_options o = options_default(100);
	struct cache *cache = cache_with(&o);
	static struct asked a;

	ask(&a, cache_options(cache), &(struct ask){.name = "example.org"});
	assert_int_equal(put_a(cache, &a, 60, 0), 1);
	assert_int_equal(put_a(cache, &a, 30, 0), 0); /* the old one lives longer */
	assert_int_equal(get_ttl(cache, &a, 0, 0, NULL), 60);
	assert_int_equal(put_a(cache, &a, 60, 1000), 1);
	assert_int_equal(get_ttl(cache, &a, 1000, 0, NULL), 60);
	assert_int_equal(put_rcode(cache, &a, RCODE_SERVFAIL, 5000), 0); /* it ends later, and is a failure */
	assert_int_equal(get_ttl(cache, &a, 5000, 0, NULL), 56);
	assert_int_equal(put_rcode(cache, &a, RCODE_SERVFAIL, 61000), 1); /* the old one has ended */
	assert_int_equal(put_a(cache, &a, 100, 62000), 1);
	assert_int_equal(get_ttl(cache, &a, 62000, 0, NULL), 100);
	assert_int_equal(cache_size(cache), 1);
	cache_free(&cache);
}

static void collisions(void **state UNUSED)
{
	struct cache_options o = options_default(100);
	struct cache *cache = cache_with(&o);
	struct cache_stats n;
	static struct asked a, b;

	ask(&a, cache_options(cache), &(struct ask){.name = "example.org"});
	assert_int_equal(put_a(cache, &a, 60, 0), 1);
	static const struct ask others[] = {{.name = "example.com"}, {.name = "example.org", .qtype = QTYPE_AAAA},
		{.name = "example.org", .flags = DNS_CD}, {.name = "example.org", .over_tcp = true},
		{.name = "example.org", .payload = 1232, .dnssec_ok = true}, {.name = "sub.example.org"}};
	for (size_t i = 0; i < LEN(others); i++) {
		ask(&b, cache_options(cache), &others[i]);
		b.key.hash = a.key.hash;
		assert_int_equal(get_ttl(cache, &b, 0, 0, NULL), -1000);
		assert_int_equal(put_a(cache, &b, 600, 0), 0);
	}
	b.key = a.key;
	b.key.ecs = (struct netmask){.net = {.family = AF_INET, .ip = {192, 0, 2, 0}}, .bits = 24};
	assert_int_equal(get_ttl(cache, &b, 0, 0, NULL), -1000);
	cache_stats(cache, &n);
	assert_int_equal(n.lookup_collisions, LEN(others) + 1);
	assert_int_equal(n.insert_collisions, LEN(others));
	assert_int_equal(get_ttl(cache, &a, 0, 0, NULL), 60);
	cache_free(&cache);
}

static void subnets(void **state UNUSED)
{
	static const uint8_t v4[7] = {0, 1, 24, 0, 192, 0, 2}, v6[11] = {0, 2, 56, 0, 0x20, 1, 0xd, 0xb8};
	struct cache_options o = options_default(100);
	struct cache *cache;
	static struct asked a, b;

	o.parse_ecs = true;
	cache = cache_with(&o);
	ask(&a, cache_options(cache), &(struct ask){.name = "example.org", .payload = 1232, .option_code = EDNS_ECS,
		.option = v4, .option_len = sizeof(v4)});
	ask(&b, cache_options(cache), &(struct ask){.name = "example.org", .payload = 1232, .option_code = EDNS_ECS,
		.option = v6, .option_len = sizeof(v6)});
	assert_int_equal(put_a(cache, &a, 60, 0), 1);
	assert_int_equal(put_a(cache, &b, 70, 0), 1);
	assert_int_equal(get_ttl(cache, &a, 0, 0, NULL), 60);
	assert_int_equal(get_ttl(cache, &b, 0, 0, NULL), 70);
	b.key.hash = a.key.hash;
	assert_int_equal(get_ttl(cache, &b, 0, 0, NULL), -1000);
	cache_free(&cache);
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
		assert_int_equal(msg_add_rr(msg, &len, sizeof(msg), SECTION_ANSWER, QTYPE_TXT, CLASS_IN, 60 + i, data,
				want), 0);
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
	assert_int_equal(msg_add_rr(msg, &len, sizeof(msg), SECTION_ANSWER, QTYPE_NULL, CLASS_IN, 60, data,
			sizeof(data)), 0);
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
		assert_int_equal(get_ttl(cache, &a, 1860000, 0, NULL) != -1000, 60 + i % 3600 > 1860);
	}
	cache_free(&cache);
}

static void refresh(void **state UNUSED)
{
	struct cache_options o = options_default(100);
	struct cache *cache;
	static struct asked a;
	unsigned hit;

	o.prefetch = true;
	cache = cache_with(&o);
	ask(&a, cache_options(cache), &(struct ask){.name = "example.org"});
	assert_int_equal(put_a(cache, &a, 100, 0), 1);
	assert_int_equal(get_ttl(cache, &a, 95000, 0, &hit), 5);
	assert_int_equal(hit, 0); /* nobody asked for it before */
	assert_int_equal(get_ttl(cache, &a, 1000, 0, &hit), 99);
	assert_int_equal(get_ttl(cache, &a, 89000, 0, &hit), 11);
	assert_int_equal(hit, 0); /* too early */
	assert_int_equal(get_ttl(cache, &a, 91000, 0, &hit), 9);
	assert_int_equal(hit, CACHE_REFRESH);
	assert_int_equal(get_ttl(cache, &a, 91000, 0, &hit), 9);
	assert_int_equal(hit, 0); /* only one caller */
	assert_int_equal(get_ttl(cache, &a, 95999, 0, &hit), 5);
	assert_int_equal(hit, 0);
	assert_int_equal(get_ttl(cache, &a, 96000, 0, &hit), 4);
	assert_int_equal(hit, CACHE_REFRESH); /* it brought nothing */
	assert_int_equal(put_a(cache, &a, 100, 97000), 1);
	assert_int_equal(get_ttl(cache, &a, 190000, 0, &hit), 7);
	assert_int_equal(hit, 0); /* a new life begins unloved */
	cache_free(&cache);
}

static void busy_slice(void **state UNUSED)
{
	struct cache_options o = options_default(1);
	struct cache *cache = cache_with(&o);
	struct cache_stats n;
	static struct asked a;
	unsigned hit;

	ask(&a, cache_options(cache), &(struct ask){.name = "example.org"});
	cache_lock(&cache->slice[0]);
	assert_int_equal(get_ttl(cache, &a, 0, 0, &hit), -1000);
	assert_int_equal(hit, CACHE_DEFERRED);
	assert_int_equal(put_a(cache, &a, 60, 0), 0);
	cache_unlock(&cache->slice[0]);
	cache_stats(cache, &n);
	assert_int_equal(n.deferred_lookups, 1);
	assert_int_equal(n.deferred_inserts, 1);
	assert_int_equal(n.misses, 0);
	assert_int_equal(put_a(cache, &a, 60, 0), 1);
	cache_free(&cache);
}

static void too_short_is_counted(void **state UNUSED)
{
	struct cache_options o = options_default(10);
	struct cache *cache;
	struct cache_stats n;
	static struct asked a;

	o.min_ttl_s = 10;
	cache = cache_with(&o);
	ask(&a, cache_options(cache), &(struct ask){.name = "example.org"});
	assert_int_equal(put_a(cache, &a, 9, 0), 0);
	cache_stats(cache, &n);
	assert_int_equal(n.ttl_too_shorts, 1);
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

static void refused_options(void **state UNUSED)
{
	struct cache_options o = options_default(100);
	const char *error = NULL;
	struct cache *cache;

	o.max_entries = 0;
	assert_null(cache_new(&o, &error));
	assert_non_null(error);
	o = options_default(100);
	o.max_bytes = 100;
	error = NULL;
	assert_null(cache_new(&o, &error));
	assert_non_null(error);
	o = options_default(100);
	o.max_entries = 5;
	cache = cache_with(&o);
	assert_int_equal(cache_options(cache)->shards, 5);
	cache_free(&cache);
}

static void references(void **state UNUSED)
{
	struct cache_options o = options_default(100);
	struct cache *a = cache_with(&o), *b = cache_ref(a);
	static struct asked q;

	assert_ptr_equal(a, b);
	cache_free(&a);
	ask(&q, cache_options(b), &(struct ask){.name = "example.org"});
	assert_int_equal(put_a(b, &q, 60, 0), 1);
	cache_free(&b);
	cache_free(&b); /* NULL is fine */
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
		len = cache_get(c->cache, &a.key, a.msg + DNS_HEADER, out, sizeof(out), now_ms, 0, &hit);
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

int test_cache(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(hit_and_miss),
		cmocka_unit_test(case_of_the_asker),
		cmocka_unit_test(answer_too_long_for_the_caller),
		cmocka_unit_test(opt_is_not_aged),
		cmocka_unit_test(shown_ttl_never_below_zero),
		cmocka_unit_test(max_ttl_is_not_shown),
		cmocka_unit_test(dont_age),
		cmocka_unit_test(stale),
		cmocka_unit_test(replacement),
		cmocka_unit_test(collisions),
		cmocka_unit_test(subnets),
		cmocka_unit_test(eviction),
		cmocka_unit_test(byte_budget),
		cmocka_unit_test(entry_larger_than_a_slice),
		cmocka_unit_test(small_and_many),
		cmocka_unit_test(refresh),
		cmocka_unit_test(busy_slice),
		cmocka_unit_test(too_short_is_counted),
		cmocka_unit_test(out_of_memory),
		cmocka_unit_test(a_hit_allocates_nothing),
		cmocka_unit_test(a_table_that_cannot_grow),
		cmocka_unit_test(refused_options),
		cmocka_unit_test(references),
		cmocka_unit_test(four_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
