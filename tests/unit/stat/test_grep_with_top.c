/* test_grep_with_top.c: grepq() and showResponseLatency(). */
#include "fixture.h"
#include "mem.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

int test_grep_with_top(void);

static struct ring *query[2], *response[2];
static struct rings rings = {query, response, 2, 20000};

static int rings_make(void **state UNUSED)
{
	static const struct said asked[] = {
		{.name = "www.example.org", .when_ms = 10000, .flags = DNS_RD, .proto = PROTO_UDP},
		{.name = "example.com",
			.client = "[2001:db8::1]:5",
			.when_ms = 11000,
			.proto = PROTO_DOT},
		{.name = "example.com", .client = "192.0.2.200:99", .when_ms = 12000},
	};
	static const struct said said[] = {
		{.name = "www.example.org",
			.when_ms = 10000,
			.usec = 1500,
			.flags = 0x8580,
			.ancount = 1,
			.backend = "192.0.2.53"},
		{.name = "example.com",
			.when_ms = 13000,
			.usec = 250000,
			.flags = 0x8383,
			.qtype = QTYPE_AAAA},
		{.name = "lost.example.net",
			.when_ms = 14000,
			.usec = UINT32_MAX,
			.backend = "192.0.2.53"},
	};

	for (unsigned i = 0; i < 2; i++) {
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

static const struct {
	const char *pattern[3];
	unsigned limit;
	unsigned lines; /* without the head */
} cases[] = {
	{{NULL}, 10, 6},
	{{NULL}, 4, 4},
	{{"example.org"}, 10, 2},
	{{"EXAMPLE.com."}, 10, 3},
	{{"ample.com"}, 10, 0},
	{{"."}, 10, 6},
	{{"192.0.2.0/25"}, 10, 4},
	{{"192.0.2.200"}, 10, 1},
	{{"2001:db8::/32"}, 10, 1},
	{{"100ms"}, 10, 2},
	{{">100ms"}, 10, 2},
	{{"<100ms"}, 10, 1},
	{{"1.5ms"}, 10, 3},
	{{"192.0.2.1", "example.com"}, 10, 1},
	{{"192.0.2.1", "example.com", "1000ms"}, 10, 0},
	{{"example.org"}, 0, 0},
};

static unsigned lines(const struct text *t)
{
	unsigned n = 0;

	for (const char *p = text_str(t); *p != '\0'; p++)
		n += *p == '\n';
	return n;
}

static void patterns(void **state UNUSED)
{
	for (size_t i = 0; i < LEN(cases); i++) {
		struct text out = {0};
		const char *error = NULL;
		size_t n = 0;

		while (n < 3 && cases[i].pattern[n] != NULL)
			n++;
		assert_int_equal(
			ring_grep(&out, &rings, cases[i].pattern, n, cases[i].limit, &error), 0);
		if (lines(&out) != cases[i].lines + 1)
			fail_msg("%s: %s", cases[i].pattern[0], text_str(&out));
		text_free(&out);
	}
}

static void bad_patterns(void **state UNUSED)
{
	static const char *const bad[] = {"", ">100", "<x", "a..b", "192.0.2.0/99", ">ms"};

	for (size_t i = 0; i < LEN(bad); i++) {
		struct text out = {0};
		const char *error = NULL;

		assert_int_equal(ring_grep(&out, &rings, &bad[i], 1, 10, &error), -EINVAL);
		assert_non_null(strstr(error, bad[i]));
		assert_int_equal(out.len, 0);
	}
}

static void table(void **state UNUSED)
{
	static const char *const none[1];
	struct text out = {0};
	const char *error = NULL;

	assert_int_equal(ring_grep(&out, &rings, none, 0, 10, &error), 0);
	assert_string_equal(text_str(&out),
		"Time     Client                      Protocol        Server                  "
		"Name                              Type    Lat.    TC RD AA Rcode\n"
		"-10.0    192.0.2.1:4242              Do53 UDP                                "
		"www.example.org.                  A                  RD    Question\n"
		"-10.0    192.0.2.1:4242              Do53 UDP        192.0.2.53:53           "
		"www.example.org.                  A       1.5        RD AA No Error. 1 answer\n"
		"-9.0     [2001:db8::1]:5             DNS over TLS                            "
		"example.com.                      A                        Question\n"
		"-8.0     192.0.2.200:99              Do53 UDP                                "
		"example.com.                      A                        Question\n"
		"-7.0     192.0.2.1:4242              Do53 UDP                                "
		"example.com.                      AAAA    250.0   TC RD    Non-Existent domain. 0 answers\n"
		"-6.0     192.0.2.1:4242              Do53 UDP        192.0.2.53:53           "
		"lost.example.net.                 A       T.O              Timeout\n");
	text_clear(&out);
	assert_int_equal(ring_grep(&out, &rings, none, 0, 1, &error), 0);
	assert_non_null(strstr(text_str(&out), "\n-6.0 ")); /* the newest */
	text_free(&out);
}

static void picture(void **state UNUSED)
{
	struct rings none = {query, response, 0, 0};
	struct text out = {0};

	for (unsigned i = 0; i < 19; i++)
		say(response[0], &(struct said){.name = "a.test", .usec = 350});
	response_histogram(&out, &rings);
	assert_non_null(strstr(text_str(&out), "Average response latency: "));
	assert_non_null(strstr(text_str(&out), "Timeouts: "));
	assert_non_null(
		strstr(text_str(&out), "<     0.40  ******************************************"));
	assert_non_null(strstr(text_str(&out), "<   409.60  ***"));
	assert_non_null(strstr(text_str(&out), "<     0.80  \n"));
	assert_null(strstr(text_str(&out), "<     0.20"));
	text_clear(&out);
	response_histogram(&out, &none);
	assert_string_equal(text_str(&out), "Average response latency: 0.00 ms\n");
	text_free(&out);
}

static void out_of_memory(void **state UNUSED)
{
	static const char *const none[1];

	for (unsigned n = 1; n < 20; n++) {
		struct text out = {0};
		const char *error = NULL;
		unsigned long before = mem_calls();
		int rc;

		mem_fail_at(n);
		rc = ring_grep(&out, &rings, none, 0, 10, &error);
		mem_fail_at(0);
		if (mem_calls() - before < n) {
			assert_int_equal(rc, 0);
			assert_false(out.failed);
			text_free(&out);
			return;
		}
		assert_true(out.failed);
		text_free(&out);
	}
	fail_msg("it never came to an end");
}

int test_grep_with_top(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(patterns),
		cmocka_unit_test(bad_patterns),
		cmocka_unit_test(table),
		cmocka_unit_test(out_of_memory),
		cmocka_unit_test(picture),
	};

	return cmocka_run_group_tests(tests, rings_make, rings_drop);
}
