/* test_top_with_top.c: top lists over several workers' rings. */
#include "fixture.h"
#include "mem.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

int test_top_with_top(void);

static struct ring *query[3], *response[3];
static struct rings rings = {query, response, 3, 1000000};

static int rings_make(void **state UNUSED)
{
	static const struct said asked[] = {
		{.name = "www.example.org", .size = 100},
		{.name = "WWW.example.org", .size = 100},
		{.name = "mail.example.org", .size = 100},
		{.name = "example.com", .client = "[2001:db8::1]:5", .size = 1000},
		{.name = ".", .client = "192.0.2.7:1", .size = 50},
	};
	static const struct said said[] = {
		{.name = "www.example.org", .usec = 900, .size = 200, .flags = 0x8180},
		{.name = "slow.example.org", .usec = 600000, .size = 200, .flags = 0x8180},
		{.name = "nx.example.com", .usec = 2000000, .size = 200, .flags = 0x8183},
		{.name = "nx.example.com", .usec = 100, .size = 200, .flags = 0x8183},
		{.name = "lost.example.net", .usec = UINT32_MAX},
	};

	for (unsigned i = 0; i < 2; i++) { /* the third worker has no rings */
		query[i] = ring_new(20, false);
		response[i] = ring_new(20, true);
	}
	for (size_t i = 0; i < LEN(asked); i++)
		say(query[i % 2], &asked[i]);
	for (size_t i = 0; i < LEN(said); i++)
		say(response[i % 2], &said[i]);
	return 0;
}

static int rings_drop(void **state UNUSED)
{
	for (unsigned i = 0; i < 2; i++) {
		ring_free(&query[i]);
		ring_free(&response[i]);
	}
	return 0;
}

static void expect(struct text *out, const char *text)
{
	assert_false(out->failed);
	assert_string_equal(text_str(out), text);
	text_free(out);
}

static void queries(void **state UNUSED)
{
	struct text out = {0};

	top_queries(&out, &rings, 2, 0);
	expect(&out, "   1  www.example.org.                                2  40.0%\n"
		     "   2  .                                               1  20.0%\n"
		     "      Rest                                            2  40.0%\n");
	top_queries(&out, &rings, 10, 2);
	expect(&out, "   1  example.org.                                    3  60.0%\n"
		     "   2  .                                               1  20.0%\n"
		     "   3  example.com.                                    1  20.0%\n"
		     "      Rest                                            0   0.0%\n");
	top_queries(&out, &rings, 1, 1);
	expect(&out, "   1  org.                                            3  60.0%\n"
		     "      Rest                                            2  40.0%\n");
}

static void clients(void **state UNUSED)
{
	struct text out = {0};

	top_clients(&out, &rings, 10);
	expect(&out, "   1  192.0.2.1                                       3  60.0%\n"
		     "   2  2001:db8::1                                     1  20.0%\n"
		     "   3  192.0.2.7                                       1  20.0%\n"
		     "      Rest                                            0   0.0%\n");
	top_bandwidth(&out, &rings, 1);
	expect(&out, "   1  192.0.2.1                                    1100  51.2%\n"
		     "      Rest                                         1050  48.8%\n");
}

static void responses(void **state UNUSED)
{
	struct text out = {0};

	top_responses(&out, &rings, 10, RCODE_NXDOMAIN, 0);
	expect(&out, "   1  nx.example.com.                                 2 100.0%\n"
		     "      Rest                                            0   0.0%\n");
	top_responses(&out, &rings, 10, RCODE_NOERROR, 0); /* a timeout has no rcode */
	expect(&out, "   1  www.example.org.                                1  50.0%\n"
		     "   2  slow.example.org.                               1  50.0%\n"
		     "      Rest                                            0   0.0%\n");
	top_slow(&out, &rings, 10, 500, 0);
	expect(&out, "   1  nx.example.com.                                 1  50.0%\n"
		     "   2  slow.example.org.                               1  50.0%\n"
		     "      Rest                                            0   0.0%\n");
	top_timeouts(&out, &rings, 10, 1);
	expect(&out, "   1  net.                                            1 100.0%\n"
		     "      Rest                                            0   0.0%\n");
}

static void nothing_to_show(void **state UNUSED)
{
	struct rings none = {query, response, 0, 0};
	struct text out = {0};

	top_queries(&out, &none, 10, 0);
	expect(&out, "      Rest                                            0   0.0%\n");
}

static void many_names(void **state UNUSED)
{
	struct ring *big[1] = {ring_new(2000, false)};
	struct rings one = {big, big, 1, 0};
	struct text out = {0};
	char name[8] = "aaa.x";

	for (unsigned i = 0; i < 1000; i++) {
		name[0] = (char)('a' + i % 26);
		name[1] = (char)('a' + i / 26 % 26);
		name[2] = (char)('a' + i / 676);
		say(big[0], &(struct said){.name = name});
	}
	say(big[0], &(struct said){.name = name});
	top_queries(&out, &one, 1, 0);
	expect(&out, "   1  lmb.x.                                          2   0.2%\n"
		     "      Rest                                          999  99.8%\n");
	ring_free(&big[0]);
}

static void out_of_memory(void **state UNUSED)
{
	for (unsigned n = 1; n < 30; n++) {
		struct text out = {0};
		unsigned long before = mem_calls();

		mem_fail_at(n);
		top_queries(&out, &rings, 10, 0);
		mem_fail_at(0);
		if (mem_calls() - before < n) {
			assert_false(out.failed);
			text_free(&out);
			return;
		}
		assert_true(out.failed);
		text_free(&out);
	}
	fail_msg("it never came to an end");
}

int test_top_with_top(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(queries),
		cmocka_unit_test(clients),
		cmocka_unit_test(responses),
		cmocka_unit_test(nothing_to_show),
		cmocka_unit_test(many_names),
		cmocka_unit_test(out_of_memory),
	};

	return cmocka_run_group_tests(tests, rings_make, rings_drop);
}
