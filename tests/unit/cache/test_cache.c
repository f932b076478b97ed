/* test_cache.c: look-up, insert, ageing, staleness, replacement, refresh. */
#include "cache_priv.h"
#include "fixture.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

int test_cache(void);

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
	assert_int_equal(
		get_ttl(cache, &a, 500, 0, NULL), 60); /* another worker's clock, a bit behind */
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
	assert_int_equal(
		cache_get(cache, &a.key, a.msg + DNS_HEADER, out, len - 1, 0, 0, &hit), -ENOBUFS);
	assert_int_equal(
		cache_get(cache, &a.key, a.msg + DNS_HEADER, out, len, 0, 0, &hit), (ssize_t)len);
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

	ask(&a, cache_options(cache),
		&(struct ask){.name = "example.org", .payload = 1232, .dnssec_ok = true});
	answer_begin(msg, &len, &a, RCODE_NOERROR);
	answer_a(msg, &len, 60, 1);
	answer_a(msg, &len, 5, 2);
	assert_int_equal(edns_add(msg, &len, sizeof(msg), 1232, EDNS_DO, 0), 0);
	assert_int_equal(cache_put(cache, &a.key, msg, len, 0, -1), 1);
	assert_int_equal(
		cache_get(cache, &a.key, a.msg + DNS_HEADER, out, sizeof(out), 4000, 0, &hit),
		(ssize_t)len);
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
	assert_int_equal(put_rcode(cache, &a, RCODE_SERVFAIL, 5000),
		0); /* it ends later, and is a failure */
	assert_int_equal(get_ttl(cache, &a, 5000, 0, NULL), 56);
	assert_int_equal(
		put_rcode(cache, &a, RCODE_SERVFAIL, 61000), 1); /* the old one has ended */
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
	static const struct ask others[] = {{.name = "example.com"},
		{.name = "example.org", .qtype = QTYPE_AAAA},
		{.name = "example.org", .flags = DNS_CD}, {.name = "example.org", .over_tcp = true},
		{.name = "example.org", .payload = 1232, .dnssec_ok = true},
		{.name = "sub.example.org"}};
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
	static const uint8_t v4[7] = {0, 1, 24, 0, 192, 0, 2},
			     v6[11] = {0, 2, 56, 0, 0x20, 1, 0xd, 0xb8};
	struct cache_options o = options_default(100);
	struct cache *cache;
	static struct asked a, b;

	o.parse_ecs = true;
	cache = cache_with(&o);
	ask(&a, cache_options(cache),
		&(struct ask){.name = "example.org",
			.payload = 1232,
			.option_code = EDNS_ECS,
			.option = v4,
			.option_len = sizeof(v4)});
	ask(&b, cache_options(cache),
		&(struct ask){.name = "example.org",
			.payload = 1232,
			.option_code = EDNS_ECS,
			.option = v6,
			.option_len = sizeof(v6)});
	assert_int_equal(put_a(cache, &a, 60, 0), 1);
	assert_int_equal(put_a(cache, &b, 70, 0), 1);
	assert_int_equal(get_ttl(cache, &a, 0, 0, NULL), 60);
	assert_int_equal(get_ttl(cache, &b, 0, 0, NULL), 70);
	b.key.hash = a.key.hash;
	assert_int_equal(get_ttl(cache, &b, 0, 0, NULL), -1000);
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
	o.shards = 20;
	cache = cache_with(&o);
	assert_int_equal(cache_options(cache)->shards, 5);
	cache_free(&cache);
}

static void shards_unless_told(void **state UNUSED)
{
	static const struct {
		uint32_t entries, bytes, shards;
	} cases[] = {{1, 0, 1}, {499, 0, 1}, {500, 0, 1}, {1000, 0, 2}, {9999, 0, 19}, {10000, 0, 20}, {1000000, 0, 20},
		{10000, 65536, 4}};

	for (size_t i = 0; i < LEN(cases); i++) {
		struct cache_options o = options_default(cases[i].entries);
		struct cache *cache;

		o.max_bytes = cases[i].bytes;
		cache = cache_with(&o);
		assert_int_equal(cache_options(cache)->shards, cases[i].shards);
		cache_free(&cache);
	}
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
		cmocka_unit_test(refresh),
		cmocka_unit_test(busy_slice),
		cmocka_unit_test(too_short_is_counted),
		cmocka_unit_test(refused_options),
		cmocka_unit_test(shards_unless_told),
		cmocka_unit_test(references),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
