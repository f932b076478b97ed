/* test_cache_list.c: cleaning, purging, dumps, counters, searches; and the options. */
#include "cache_priv.h"
#include "fixture.h"
#include "mem.h"
#include <stdio.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

int test_cache_list(void);

static struct cache *filled(unsigned n, uint32_t ttl)
{
	struct cache_options o = options_default(100);
	struct cache *cache;
	static struct asked a;
	char name[32];

	o.shards = 1; /* by chance, one of several could have too many */
	cache = cache_with(&o);
	for (unsigned i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "n%u.example.org", i);
		ask(&a, cache_options(cache), &(struct ask){.name = name});
		assert_int_equal(put_a(cache, &a, ttl + i, 0), 1);
	}
	return cache;
}

static void purge(void **state UNUSED)
{
	struct cache *cache = filled(20, 10); /* ends at 10 … 29 s */
	struct cache_stats n;

	assert_int_equal(cache_purge(cache, 0, 9999), 0);
	assert_int_equal(cache_purge(cache, 0, 10000), 1);
	assert_int_equal(cache_purge(cache, 16, 20000), 3); /* ten more have ended */
	assert_int_equal(cache_purge(cache, 0, 20000), 7);
	assert_int_equal(cache_size(cache), 9);
	assert_int_equal(cache_purge(cache, 0, 100000), 9);
	assert_int_equal(cache_size(cache), 0);
	cache_stats(cache, &n);
	assert_int_equal(n.cleanups, 5);
	cache_free(&cache);
}

static void clean(void **state UNUSED)
{
	struct cache *cache = filled(20, 10);

	assert_int_equal(cache_clean(cache, 20000, 100, 20), 0);
	assert_int_equal(cache_clean(cache, 20000, 100, 5), 6);
	assert_int_equal(cache_clean(cache, 50000, 10, 0), 0); /* only what is above 90 of 100 */
	assert_int_equal(cache_clean(cache, 50000, 95, 0), 9); /* above 5 */
	assert_int_equal(cache_clean(cache, 50000, 200, 0), 5);
	cache_free(&cache);
}

static void expunge(void **state UNUSED)
{
	struct cache *cache = filled(20, 10);

	assert_int_equal(cache_expunge(cache, 30), 0);
	assert_int_equal(cache_expunge(cache, 7), 13);
	assert_int_equal(cache_size(cache), 7);
	assert_int_equal(cache_expunge(cache, 0), 7);
	assert_int_equal(cache_size(cache), 0);
	cache_free(&cache);
}

static void expunge_name(void **state UNUSED)
{
	struct cache *cache = filled(20, 10);
	static struct asked a;
	struct name name;

	ask(&a, cache_options(cache), &(struct ask){.name = "n1.example.org", .qtype = QTYPE_AAAA});
	assert_int_equal(put_a(cache, &a, 60, 0), 1);
	assert_int_equal(name_from_text(&name, "N1.EXAMPLE.org", 14), 0);
	assert_int_equal(cache_expunge_name(cache, &name, QTYPE_AAAA, false), 1);
	assert_int_equal(cache_expunge_name(cache, &name, QTYPE_AAAA, false), 0);
	assert_int_equal(cache_expunge_name(cache, &name, QTYPE_ANY, false), 1);
	assert_int_equal(name_from_text(&name, "Example.org", 11), 0);
	assert_int_equal(cache_expunge_name(cache, &name, QTYPE_ANY, false), 0);
	assert_int_equal(cache_expunge_name(cache, &name, QTYPE_MX, true), 0);
	assert_int_equal(cache_expunge_name(cache, &name, QTYPE_A, true), 19);
	assert_int_equal(cache_size(cache), 0);
	cache_free(&cache);
}

static void dump_read(struct cache *cache, bool raw, char *buf, size_t cap, int lines)
{
	FILE *f = tmpfile();
	size_t n;

	assert_non_null(f);
	assert_int_equal(cache_dump(cache, fileno(f), raw, 15000), lines);
	rewind(f);
	n = fread(buf, 1, cap - 1, f);
	buf[n] = '\0';
	fclose(f);
}

static void dump(void **state UNUSED)
{
	struct cache *cache = filled(1, 10);
	static struct asked a;
	char buf[2048];

	ask(&a, cache_options(cache),
		&(struct ask){.name = "MiXed.test", .qtype = QTYPE_MX, .over_tcp = true});
	assert_int_equal(put_a(cache, &a, 60, 5000), 1);
	dump_read(cache, false, buf, sizeof(buf), 2);
	assert_non_null(strstr(buf, "n0.example.org. -5 A ; rcode 0, key "));
	assert_non_null(strstr(buf, "mixed.test. 50 MX ; rcode 0, key "));
	assert_non_null(strstr(buf, ", length 44, received over TCP, added 10 s ago\n"));
	assert_int_equal(buf[0], ';');
	assert_non_null(strstr(buf, "; 2 entries\n"));
	dump_read(cache, true, buf, sizeof(buf), 2);
	/* 12 34 81 80 00 01 00 01 00 00 00 00 … */
	assert_non_null(strstr(buf, ", EjSBgAABAAEAAAAA"));
	assert_true(cache_dump(cache, -1, false, 0) == -EBADF);
	mem_fail_at(1);
	assert_true(cache_dump(cache, 2, false, 0) == -ENOMEM);
	mem_fail_at(0);
	cache_free(&cache);
}

static void stats(void **state UNUSED)
{
	struct cache *cache = filled(3, 10);
	struct text out = {0};

	cache_print_stats(cache, &out);
	assert_memory_equal(
		text_str(&out), "Entries: 3/100\nHits: 0\nMisses: 0\nDeferred inserts: 0\n", 52);
	assert_non_null(strstr(text_str(&out),
		"\nLookup Collisions: 0\nInsert Collisions: 0\nTTL Too Shorts: 0\n"));
	assert_non_null(
		strstr(text_str(&out), "\nEvictions: 0\nRefreshes: 0\nStale hits: 0\nBytes: "));
	text_free(&out);
	cache_free(&cache);
}

static void got_address(void *ctx, const struct addr *a)
{
	char buf[ADDR_TEXT];

	text_addf(ctx, "%s ", addr_print(a, false, buf));
}

static void got_name(void *ctx, const uint8_t *wire)
{
	char buf[NAME_TEXT];

	name_to_text(wire, true, buf);
	text_addf(ctx, "%s ", buf);
}

static void searches(void **state UNUSED)
{
	struct cache *cache = filled(1, 10);
	static struct asked a;
	struct text out = {0};
	struct name name;
	struct addr addr;
	uint8_t msg[512];
	size_t len;

	for (unsigned flags = 0; flags <= DNS_CD; flags += DNS_CD) { /* the same answer twice */
		ask(&a, cache_options(cache),
			&(struct ask){.name = "two.test", .flags = (uint16_t)flags});
		answer_begin(msg, &len, &a, RCODE_NOERROR);
		answer_a(msg, &len, 60, 9);
		answer_a(msg, &len, 60, 8);
		assert_int_equal(cache_put(cache, &a.key, msg, len, 0, -1), 1);
	}
	assert_int_equal(name_from_text(&name, "TWO.test", 8), 0);
	cache_addresses(cache, &name, got_address, &out);
	assert_string_equal(text_str(&out), "192.0.2.8 192.0.2.9 ");
	text_clear(&out);
	assert_int_equal(addr_parse(&addr, "192.0.2.9", 0), 0);
	cache_domains(cache, &addr, got_name, &out);
	assert_string_equal(text_str(&out), "two.test. ");
	text_clear(&out);
	mem_fail_at(1);
	cache_domains(cache, &addr, got_name, &out);
	mem_fail_at(0);
	assert_string_equal(text_str(&out), "");
	text_free(&out);
	cache_free(&cache);
}

static void option_lists(void **state UNUSED)
{
	struct arg numbers[3] = {
		{.kind = ARG_NUM, .n = 8}, {.kind = ARG_NUM, .n = 15}, {.kind = ARG_NUM, .n = 8}};
	struct arg_pair pairs[] = {
		{"maxTTL", {.kind = ARG_NUM, .n = 77}},
		{"payloadRanks", {.kind = ARG_NUM, .n = 1400}},
		{"skipOptions", {.kind = ARG_TABLE, .t = {.v = numbers, .n = 3}}},
	};
	struct arg table = {.kind = ARG_TABLE, .t = {.pair = pairs, .pairs = LEN(pairs)}};
	struct cache_options o = options_default(10);
	const char *error = NULL;
	struct cache *cache;

	assert_int_equal(
		fields_apply(cache_fields, cache_field_count, &o, &table, NULL, NULL, &error), 0);
	cache = cache_with(&o);
	assert_int_equal(cache_options(cache)->max_ttl_s, 77);
	assert_int_equal(cache_options(cache)->payload_rank[0], 1400);
	assert_int_equal(cache_options(cache)->skip_options, 4);
	assert_int_equal(cache_options(cache)->skip_option[3], EDNS_COOKIE);
	cache_free(&cache);
	numbers[1].n = 65536;
	assert_int_equal(
		fields_apply(cache_fields, cache_field_count, &o, &table, NULL, NULL, &error),
		-EINVAL);
	assert_non_null(error);
	numbers[1] = (struct arg){.kind = ARG_STR, .s = {"many", 4}};
	assert_int_equal(
		fields_apply(cache_fields, cache_field_count, &o, &table, NULL, NULL, &error),
		-EINVAL);
}

static void option_defaults(void **state UNUSED)
{
	struct cache_options o = options_default(10);
	struct cache *cache = cache_with(&o);
	const struct cache_options *d = cache_options(cache);

	assert_int_equal(d->max_ttl_s, 86400);
	assert_int_equal(d->max_negative_ttl_s, 3600);
	assert_int_equal(d->temp_failure_ttl_s, 60);
	assert_int_equal(d->stale_ttl_s, 60);
	assert_int_equal(d->max_entry_size, 4096);
	assert_true(d->deferrable_insert);
	assert_false(d->dont_age || d->keep_stale_data || d->parse_ecs || d->cookie_hashing ||
		     d->shuffle);
	assert_int_equal(d->skip_options, 2);
	cache_free(&cache);
}

int test_cache_list(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(purge),
		cmocka_unit_test(clean),
		cmocka_unit_test(expunge),
		cmocka_unit_test(expunge_name),
		cmocka_unit_test(dump),
		cmocka_unit_test(stats),
		cmocka_unit_test(searches),
		cmocka_unit_test(option_lists),
		cmocka_unit_test(option_defaults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
