/* test_cache_answer.c: which answers are kept, how long, and what a hit may shuffle. */
#include "cache_priv.h"
#include "fixture.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

int test_cache_answer(void);

enum { RECORDS_MAX = 3 };
static const struct {
	const char *what;
	struct ask ask;
	unsigned rcode, flags;
	int64_t a[RECORDS_MAX]; /* TTLs of A records, 0: none, -1: a TTL of zero */
	uint32_t soa; /* TTL of a SOA in the authority section */
	uint32_t max_ttl, min_ttl, max_negative, truncated; /* 0: the default */
	int64_t temp_failure; /* 0: not overridden, -2: overridden with 0 */
	int64_t life; /* 0: not kept, -1: too short */
} cases[] = {
	{"one record", {.name = "a.test"}, .a = {300}, .life = 300},
	{"the smallest TTL", {.name = "a.test"}, .a = {300, 20, 50}, .life = 20},
	{"authority counts", {.name = "a.test", .qtype = QTYPE_SOA}, .a = {300}, .soa = 30,
		.life = 30},
	{"maxTTL", {.name = "a.test"}, .a = {300}, .max_ttl = 100, .life = 100},
	{"minTTL", {.name = "a.test"}, .a = {300}, .min_ttl = 301, .life = -1},
	{"at minTTL", {.name = "a.test"}, .a = {300}, .min_ttl = 300, .life = 300},
	{"zero TTL", {.name = "a.test"}, .a = {-1}, .life = -1},
	{"TTL with the top bit", {.name = "a.test"}, .a = {0x80000000}, .life = -1},
	{"no TTL at all", {.name = "a.test"}, .life = 0},
	{"NXDOMAIN", {.name = "a.test"}, .rcode = RCODE_NXDOMAIN, .soa = 7200, .life = 3600},
	{"short NXDOMAIN", {.name = "a.test"}, .rcode = RCODE_NXDOMAIN, .soa = 60, .life = 60},
	{"NODATA", {.name = "a.test"}, .soa = 7200, .max_negative = 100, .life = 100},
	{"negative within maxTTL", {.name = "a.test"}, .soa = 7200, .max_ttl = 50, .life = 50},
	{"positive beyond maxNegativeTTL", {.name = "a.test"}, .a = {7200}, .life = 7200},
	{"SERVFAIL", {.name = "a.test"}, .rcode = RCODE_SERVFAIL, .life = 60},
	{"REFUSED", {.name = "a.test"}, .rcode = RCODE_REFUSED, .a = {5}, .life = 60},
	{"SERVFAIL overridden", {.name = "a.test"}, .rcode = RCODE_SERVFAIL, .temp_failure = 9,
		.life = 9},
	{"SERVFAIL not kept", {.name = "a.test"}, .rcode = RCODE_SERVFAIL, .temp_failure = -2,
		.life = 0},
	{"truncated", {.name = "a.test"}, .flags = DNS_TC, .life = 0},
	{"truncated with records", {.name = "a.test"}, .flags = DNS_TC, .a = {300}, .life = 0},
	{"truncated, kept", {.name = "a.test"}, .flags = DNS_TC, .truncated = 5, .life = 5},
	{"truncated with records, kept", {.name = "a.test"}, .flags = DNS_TC, .a = {3},
		.truncated = 5, .life = 3},
	{"AXFR", {.name = "a.test", .qtype = QTYPE_AXFR, .over_tcp = true}, .a = {300}, .life = 0},
	{"IXFR", {.name = "a.test", .qtype = QTYPE_IXFR, .over_tcp = true}, .a = {300}, .life = 0},
};

static void lifetimes(void **state UNUSED)
{
	static struct asked a;

	for (size_t i = 0; i < LEN(cases); i++) {
		struct cache_options o = options_default(1);
		struct answer_facts facts;
		uint8_t msg[512];
		size_t len, n = 0;
		bool kept;

		ask(&a, &o, &cases[i].ask);
		answer_begin(msg, &len, &a, cases[i].rcode);
		dns_set_flags(msg, dns_flags(msg) | cases[i].flags);
		for (; n < RECORDS_MAX && cases[i].a[n] != 0; n++)
			answer_a(msg, &len, cases[i].a[n] < 0 ? 0 : (uint32_t)cases[i].a[n],
				(unsigned)n);
		if (cases[i].soa != 0) {
			answer_soa(msg, &len, cases[i].soa);
			n++;
		}
		assert_int_equal(edns_add(msg, &len, sizeof(msg), 1232, 0, 0),
			0); /* its "TTL" never counts */
		if (cases[i].max_ttl != 0)
			o.max_ttl_s = cases[i].max_ttl;
		if (cases[i].max_negative != 0)
			o.max_negative_ttl_s = cases[i].max_negative;
		o.min_ttl_s = cases[i].min_ttl;
		o.truncated_ttl_s = cases[i].truncated;
		kept = answer_judge(&facts, &o, &a.key, msg, len,
			cases[i].temp_failure == 0  ? -1
			: cases[i].temp_failure < 0 ? 0
						    : cases[i].temp_failure);
		if (kept != (cases[i].life > 0) || facts.too_short != (cases[i].life < 0) ||
			(kept && (facts.ttl_s != cases[i].life || facts.ttls != n)))
			fail_msg("%s: kept %d, %u s, %u TTLs", cases[i].what, kept,
				(unsigned)facts.ttl_s, facts.ttls);
	}
}

static void sizes(void **state UNUSED)
{
	static const struct {
		size_t size;
		uint32_t max;
		bool over_tcp, kept;
	} size_cases[] = {
		{4096, 4096, false, true},
		{4097, 4096, false, false},
		{4097, 65535, false, false}, /* no datagram is that large */
		{4097, 65535, true, true},
		{4097, 4096, true, false},
		{65535, 65535, true, true},
		{600, 512, false, false},
	};
	static uint8_t msg[DNS_MAX], data[DNS_MAX];
	static struct asked a;

	for (size_t i = 0; i < LEN(size_cases); i++) {
		struct cache_options o = options_default(1);
		struct answer_facts facts;
		size_t len;

		o.max_entry_size = size_cases[i].max;
		ask(&a, &o, &(struct ask){.name = "a.test", .over_tcp = size_cases[i].over_tcp});
		answer_begin(msg, &len, &a, RCODE_NOERROR);
		assert_int_equal(msg_add_rr(msg, &len, sizeof(msg), SECTION_ANSWER, QTYPE_NULL,
					 CLASS_IN, 60, data, size_cases[i].size - len - 12),
			0);
		assert_int_equal(len, size_cases[i].size);
		assert_int_equal(
			answer_judge(&facts, &o, &a.key, msg, len, -1), size_cases[i].kept);
	}
}

static void malformed(void **state UNUSED)
{
	struct cache_options o = options_default(1);
	struct answer_facts facts;
	static struct asked a, b;
	uint8_t msg[512];
	size_t len;

	ask(&a, &o, &(struct ask){.name = "a.test"});
	ask(&b, &o, &(struct ask){.name = "b.test"});
	answer_begin(msg, &len, &a, RCODE_NOERROR);
	answer_a(msg, &len, 60, 1);
	assert_true(answer_judge(&facts, &o, &a.key, msg, len, -1));
	for (size_t n = 0; n < len; n++) {
		uint8_t *cut = test_malloc(n == 0 ? 1 : n); /* exactly as long, for the sanitizer */

		memcpy(cut, msg, n);
		assert_false(answer_judge(&facts, &o, &a.key, cut, n, -1));
		test_free(cut);
	}
	assert_false(answer_judge(&facts, &o, &b.key, msg, len, -1)); /* another question */
	dns_set_count(msg, SECTION_QUESTION, 0);
	assert_false(answer_judge(&facts, &o, &a.key, msg, len, -1));
}

static void shuffle(void **state UNUSED)
{
	enum { N = 8 };
	struct cache_options o = options_default(1);
	static struct asked a;
	uint8_t msg[512], copy[512], cname[] = {1, 'x', 0};
	unsigned seen[N + 1] = {0}, at_first[N + 1] = {0};
	size_t len;

	ask(&a, &o, &(struct ask){.name = "a.test"});
	answer_begin(msg, &len, &a, RCODE_NOERROR);
	assert_int_equal(msg_add_rr(msg, &len, sizeof(msg), SECTION_ANSWER, QTYPE_CNAME, CLASS_IN,
				 60, cname, 3),
		0);
	for (unsigned i = 1; i <= N; i++)
		answer_a(msg, &len, 60, i);
	for (uint32_t seed = 0; seed < 800; seed++) {
		memcpy(copy, msg, len);
		answer_shuffle(copy, len, seed * 2654435761u);
		assert_memory_equal(copy, msg, a.question.end + 15u); /* the CNAME stays */
		for (unsigned i = 0; i < N; i++)
			seen[copy[len - 1 - 16 * i]]++;
		at_first[copy[len - 1 - 16 * (N - 1)]]++;
	}
	for (unsigned i = 1; i <= N; i++) {
		assert_int_equal(seen[i], 800); /* nothing lost, nothing doubled */
		assert_in_range(at_first[i], 50, 150);
	}
}

static void shuffle_leaves_what_differs(void **state UNUSED)
{
	struct cache_options o = options_default(1);
	static struct asked a;
	static const uint8_t owner[] = {1, 'x', 0};
	uint8_t msg[512], copy[512];
	size_t len;

	ask(&a, &o, &(struct ask){.name = "a.test"});
	answer_begin(msg, &len, &a, RCODE_NOERROR);
	answer_a(msg, &len, 60, 1);
	assert_int_equal(msg_add_rr_name(msg, &len, sizeof(msg), SECTION_ANSWER, owner, QTYPE_A,
				 CLASS_IN, 60, "\x0a\x00\x00\x01", 4),
		0);
	for (uint32_t seed = 0; seed < 20; seed++) {
		memcpy(copy, msg, len);
		answer_shuffle(copy, len, seed);
		assert_memory_equal(copy, msg, len);
	}
}

int test_cache_answer(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(lifetimes),
		cmocka_unit_test(sizes),
		cmocka_unit_test(malformed),
		cmocka_unit_test(shuffle),
		cmocka_unit_test(shuffle_leaves_what_differs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
