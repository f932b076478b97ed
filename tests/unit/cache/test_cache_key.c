/* test_cache_key.c: which queries share an entry. */
#include "fixture.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

int test_cache_key(void);

static const uint8_t cookie_a[8] = {1, 2, 3, 4, 5, 6, 7, 8}, cookie_b[8] = {8, 7, 6, 5, 4, 3, 2, 1};
static const uint8_t nsid_a[2] = {1, 1}, nsid_b[2] = {1, 2};
static const uint8_t ecs_a[7] = {0, 1, 24, 0, 192, 0, 2}, ecs_b[7] = {0, 1, 24, 0, 192, 0, 3};

enum { PLAIN, COOKIES, RANKS, SKIP_NSID, ECS };
static const struct {
	const char *what;
	struct ask a, b;
	int options;
	bool same;
} cases[] = {
	{"identical", {.name = "example.org"}, {.name = "example.org"}, PLAIN, true},
	{"case of the name", {.name = "example.org"}, {.name = "ExAmPLE.org"}, PLAIN, true},
	{"name", {.name = "example.org"}, {.name = "example.com"}, PLAIN, false},
	{"type", {.name = "example.org"}, {.name = "example.org", .qtype = QTYPE_AAAA}, PLAIN,
		false},
	{"CD", {.name = "example.org"}, {.name = "example.org", .flags = DNS_CD}, PLAIN, false},
	{"AD", {.name = "example.org"}, {.name = "example.org", .flags = DNS_AD}, PLAIN, false},
	{"stream", {.name = "example.org"}, {.name = "example.org", .over_tcp = true}, PLAIN,
		false},
	{"EDNS or not", {.name = "example.org"}, {.name = "example.org", .payload = 1232}, PLAIN,
		false},
	{"DO", {.name = "example.org", .payload = 1232},
		{.name = "example.org", .payload = 1232, .dnssec_ok = true}, PLAIN, false},
	{"payload", {.name = "example.org", .payload = 1232},
		{.name = "example.org", .payload = 4096}, PLAIN, false},
	{"payload of one rank", {.name = "example.org", .payload = 1000},
		{.name = "example.org", .payload = 1232}, RANKS, true},
	{"payload above all ranks", {.name = "example.org", .payload = 5000},
		{.name = "example.org", .payload = 5001}, RANKS, false},
	{"payloads of two ranks", {.name = "example.org", .payload = 1232},
		{.name = "example.org", .payload = 1300}, RANKS, false},
	{"cookies",
		{.name = "example.org",
			.payload = 1232,
			.option_code = EDNS_COOKIE,
			.option = cookie_a,
			.option_len = 8},
		{.name = "example.org",
			.payload = 1232,
			.option_code = EDNS_COOKIE,
			.option = cookie_b,
			.option_len = 8},
		PLAIN, true},
	{"cookies of two lengths",
		{.name = "example.org",
			.payload = 1232,
			.option_code = EDNS_COOKIE,
			.option = cookie_a,
			.option_len = 8},
		{.name = "example.org",
			.payload = 1232,
			.option_code = EDNS_COOKIE,
			.option = cookie_b,
			.option_len = 7},
		PLAIN, false},
	{"cookies that count",
		{.name = "example.org",
			.payload = 1232,
			.option_code = EDNS_COOKIE,
			.option = cookie_a,
			.option_len = 8},
		{.name = "example.org",
			.payload = 1232,
			.option_code = EDNS_COOKIE,
			.option = cookie_b,
			.option_len = 8},
		COOKIES, false},
	{"padding",
		{.name = "example.org",
			.payload = 1232,
			.option_code = EDNS_PADDING,
			.option = cookie_a,
			.option_len = 8},
		{.name = "example.org",
			.payload = 1232,
			.option_code = EDNS_PADDING,
			.option = cookie_b,
			.option_len = 8},
		PLAIN, true},
	{"another option",
		{.name = "example.org",
			.payload = 1232,
			.option_code = EDNS_NSID,
			.option = nsid_a,
			.option_len = 2},
		{.name = "example.org",
			.payload = 1232,
			.option_code = EDNS_NSID,
			.option = nsid_b,
			.option_len = 2},
		PLAIN, false},
	{"a skipped option",
		{.name = "example.org",
			.payload = 1232,
			.option_code = EDNS_NSID,
			.option = nsid_a,
			.option_len = 2},
		{.name = "example.org",
			.payload = 1232,
			.option_code = EDNS_NSID,
			.option = nsid_b,
			.option_len = 2},
		SKIP_NSID, true},
	{"cookies stay skipped",
		{.name = "example.org",
			.payload = 1232,
			.option_code = EDNS_COOKIE,
			.option = cookie_a,
			.option_len = 8},
		{.name = "example.org",
			.payload = 1232,
			.option_code = EDNS_COOKIE,
			.option = cookie_b,
			.option_len = 8},
		SKIP_NSID, true},
	{"padding no longer skipped",
		{.name = "example.org",
			.payload = 1232,
			.option_code = EDNS_PADDING,
			.option = cookie_a,
			.option_len = 8},
		{.name = "example.org",
			.payload = 1232,
			.option_code = EDNS_PADDING,
			.option = cookie_b,
			.option_len = 8},
		SKIP_NSID, false},
	{"subnets",
		{.name = "example.org",
			.payload = 1232,
			.option_code = EDNS_ECS,
			.option = ecs_a,
			.option_len = 7},
		{.name = "example.org",
			.payload = 1232,
			.option_code = EDNS_ECS,
			.option = ecs_b,
			.option_len = 7},
		ECS, false},
};

static struct cache *cache_for(int kind)
{
	struct cache_options o = options_default(100);

	o.cookie_hashing = kind == COOKIES;
	o.parse_ecs = kind == ECS;
	if (kind == RANKS) {
		static const uint16_t ranks[] = {
			4096, 100, 1232, 65000}; /* two of them out of range */

		memcpy(o.payload_rank, ranks, sizeof(ranks));
		o.payload_ranks = LEN(ranks);
	}
	if (kind == SKIP_NSID) {
		o.skip_option[0] = EDNS_NSID;
		o.skip_options = 1;
		o.skip_options_given = true;
	}
	return cache_with(&o);
}

static void keys(void **state UNUSED)
{
	static struct asked a, b;

	for (size_t i = 0; i < LEN(cases); i++) {
		struct cache *cache = cache_for(cases[i].options);

		ask(&a, cache_options(cache), &cases[i].a);
		ask(&b, cache_options(cache), &cases[i].b);
		if ((a.key.hash == b.key.hash) != cases[i].same)
			fail_msg("%s: expected %s hash", cases[i].what,
				cases[i].same ? "the same" : "another");
		cache_free(&cache);
	}
}

static void key_ignores_the_id(void **state UNUSED)
{
	struct cache_options o = options_default(1);
	static struct asked a;
	uint64_t hash;

	ask(&a, &o, &(struct ask){.name = "example.org"});
	hash = a.key.hash;
	put16(a.msg, 0x4321);
	assert_int_equal(cache_key_make(&a.key, &o, a.msg, a.len, &a.question, &a.edns, false), 0);
	assert_true(a.key.hash == hash);
}

static void key_of_a_class(void **state UNUSED)
{
	struct cache_options o = options_default(1);
	static struct asked a;
	uint64_t hash;

	ask(&a, &o, &(struct ask){.name = "example.org"});
	hash = a.key.hash;
	a.msg[a.question.end - 1] = CLASS_CHAOS;
	assert_int_equal(question_parse(&a.question, a.msg, a.len), 0);
	assert_int_equal(cache_key_make(&a.key, &o, a.msg, a.len, &a.question, &a.edns, false), 0);
	assert_true(a.key.hash != hash);
}

static void key_fields(void **state UNUSED)
{
	struct cache_options o = options_default(1);
	static struct asked a;

	o.parse_ecs = true;
	ask(&a, &o,
		&(struct ask){.name = "example.org",
			.flags = DNS_CD,
			.payload = 1232,
			.dnssec_ok = true,
			.over_tcp = true,
			.option_code = EDNS_ECS,
			.option = ecs_a,
			.option_len = 7});
	assert_int_equal(a.key.flags, DNS_RD | DNS_CD);
	assert_true(a.key.dnssec_ok && a.key.over_tcp);
	assert_int_equal(a.key.ecs.net.family, AF_INET);
	assert_int_equal(a.key.ecs.bits, 24);
	assert_int_equal(a.key.ecs.net.ip[2], 2);
}

static void key_of_a_long_message(void **state UNUSED)
{
	struct cache_options o = options_default(1);
	static uint8_t long_a[700], long_b[700];
	static struct asked a, b;

	long_b[650] = 1;
	ask(&a, &o,
		&(struct ask){.name = "example.org",
			.payload = 1232,
			.option_code = 65001,
			.option = long_a,
			.option_len = sizeof(long_a)});
	ask(&b, &o,
		&(struct ask){.name = "example.org",
			.payload = 1232,
			.option_code = 65001,
			.option = long_b,
			.option_len = sizeof(long_b)});
	assert_true(a.key.hash != b.key.hash);
	ask(&b, &o,
		&(struct ask){.name = "example.org",
			.payload = 1232,
			.option_code = 65001,
			.option = long_a,
			.option_len = sizeof(long_a)});
	assert_true(a.key.hash == b.key.hash);
}

static void key_refusals(void **state UNUSED)
{
	struct cache_options o = options_default(1);
	static struct asked a;

	ask(&a, &o, &(struct ask){.name = "example.org"});
	assert_int_equal(
		cache_key_make(&a.key, &o, a.msg, a.question.end - 1u, &a.question, &a.edns, false),
		-EBADMSG);
	dns_set_flags(a.msg, OPCODE_NOTIFY << 11);
	assert_int_equal(
		cache_key_make(&a.key, &o, a.msg, a.len, &a.question, &a.edns, false), -EBADMSG);
	dns_set_flags(a.msg, 0);
	dns_set_count(a.msg, SECTION_QUESTION, 2);
	assert_int_equal(
		cache_key_make(&a.key, &o, a.msg, a.len, &a.question, &a.edns, false), -EBADMSG);
}

static void bytes_behind_the_question_count(void **state UNUSED)
{
	struct cache_options o = options_default(1);
	static struct asked a;
	uint64_t hash;

	ask(&a, &o, &(struct ask){.name = "example.org", .payload = 1232});
	hash = a.key.hash;
	a.msg[a.len] = 7;
	assert_int_equal(
		cache_key_make(&a.key, &o, a.msg, a.len + 1, &a.question, &a.edns, false), 0);
	assert_true(a.key.hash != hash);
}

int test_cache_key(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys),
		cmocka_unit_test(key_ignores_the_id),
		cmocka_unit_test(key_of_a_class),
		cmocka_unit_test(key_fields),
		cmocka_unit_test(key_of_a_long_message),
		cmocka_unit_test(key_refusals),
		cmocka_unit_test(bytes_behind_the_question_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
