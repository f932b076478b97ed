/* test_counter.c: rows, reasons, latencies, sums, the dump. */
#include "stat.h"
#include <stdio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

int test_counter(void);

static void rows_are_complete(void **state UNUSED)
{
	for (unsigned i = 0; i < COUNTER_COUNT; i++) {
		assert_non_null(counter_name(i));
		for (unsigned j = 0; j < i; j++)
			assert_string_not_equal(counter_name(i), counter_name(j));
	}
	for (unsigned i = 0; i < REASON_COUNT; i++)
		assert_non_null(reason_text(i));
	for (unsigned i = 0; i < PROTO_COUNT; i++) {
		assert_non_null(proto_name(i));
		assert_non_null(proto_shown(i));
	}
	assert_string_equal(counter_name(COUNTER_CACHE_HITS), "cache-hits");
	assert_string_equal(proto_shown(PROTO_DOT), "DNS over TLS");
	assert_string_equal(proto_name(PROTO_UDP), "do53-udp");
	assert_true(proto_stream(PROTO_DOH3) && !proto_stream(PROTO_UDP));
	assert_string_equal(reason_text(REASON_ACL), "source not in the ACL");
}

static void reasons_count_twice(void **state UNUSED)
{
	static struct counters c;

	stat_reason(&c, REASON_ACL);
	stat_reason(&c, REASON_CONN_ACL);
	stat_reason(&c, REASON_CLIENT_GONE);
	assert_int_equal(c.reason[REASON_ACL], 1);
	assert_int_equal(c.reason[REASON_CLIENT_GONE], 1);
	assert_int_equal(c.v[COUNTER_ACL_DROPS], 2);
	for (unsigned i = 0; i < COUNTER_COUNT; i++)
		if (i != COUNTER_ACL_DROPS)
			assert_int_equal(c.v[i], 0);
}

static const struct {
	uint64_t us;
	enum counter counter;
} buckets[] = {
	{0, COUNTER_LATENCY0_1},
	{999, COUNTER_LATENCY0_1},
	{1000, COUNTER_LATENCY1_10},
	{9999, COUNTER_LATENCY1_10},
	{10000, COUNTER_LATENCY10_50},
	{50000, COUNTER_LATENCY50_100},
	{100000, COUNTER_LATENCY100_1000},
	{999999, COUNTER_LATENCY100_1000},
	{1000000, COUNTER_LATENCY_SLOW},
	{UINT64_MAX / 2, COUNTER_LATENCY_SLOW},
};

static void histogram(void **state UNUSED)
{
	for (size_t i = 0; i < LEN(buckets); i++) {
		struct counters c = {0};

		stat_latency(&c, PROTO_UDP, buckets[i].us);
		assert_int_equal(c.v[buckets[i].counter], 1);
		assert_int_equal(c.v[COUNTER_LATENCY_COUNT], 1);
		assert_int_equal(c.v[COUNTER_LATENCY_SUM], buckets[i].us / 1000);
	}
}

static void the_sum_loses_nothing(void **state UNUSED)
{
	static struct counters c;

	for (unsigned i = 0; i < 1000; i++)
		stat_latency(&c, PROTO_UDP, 300);
	assert_int_equal(c.v[COUNTER_LATENCY_SUM], 300);
}

static void averages(void **state UNUSED)
{
	static struct counters a, b, idle;
	const struct counters *all[] = {&a, &b, &idle};
	double udp, tcp;

	for (unsigned i = 0; i < 3000; i++)
		stat_latency(&a, PROTO_UDP, 1000);
	for (unsigned i = 0; i < 1000; i++)
		stat_latency(&b, PROTO_DNSCRYPT_UDP, 5000);
	udp = stat_value(all, 3, COUNTER_LATENCY_AVG100);
	assert_true(udp > 1999 && udp < 2001); /* three parts of 1 000, one of 5 000 */
	assert_true(stat_value(all, 3, COUNTER_LATENCY_AVG1000000) < 20);
	tcp = stat_value(all, 3, COUNTER_LATENCY_TCP_AVG100);
	assert_true(tcp == 0);
	for (unsigned i = 0; i < 1000; i++)
		stat_latency(&idle, PROTO_DOH3, 700);
	tcp = stat_value(all, 3, COUNTER_LATENCY_DOH3_AVG100); /* the others never spoke it */
	assert_true(tcp > 699 && tcp < 701);
}

static void sums(void **state UNUSED)
{
	static struct counters a, b;
	const struct counters *all[] = {&a, &b};

	stat_add(&a, COUNTER_QUERIES, 3);
	stat_inc(&b, COUNTER_QUERIES);
	stat_inc(&b, COUNTER_DYN_BLOCK_NMG_SIZE);
	assert_true(stat_value(all, 2, COUNTER_QUERIES) == 4);
	assert_true(stat_value(all, 1, COUNTER_QUERIES) == 3);
	assert_true(stat_value(all, 2, COUNTER_DYN_BLOCK_NMG_SIZE) == 1);
	assert_true(stat_value(all, 2, COUNTER_UPTIME) == 0);
	assert_true(stat_value(all, 0, COUNTER_QUERIES) == 0);
}

static void dump(void **state UNUSED)
{
	static struct counters a;
	static struct stat_system system;
	const struct counters *all[] = {&a};
	struct text out = {0};
	const char *p;
	size_t width = 0;
	unsigned lines = 0;

	stat_add(&a, COUNTER_QUERIES, 1234567);
	a.latency_us[PROTO_TCP][0] = 12.34;
	a.v[COUNTER_LATENCY_COUNT] = 1;
	system.v[COUNTER_UPTIME] = 77;
	stat_dump(&out, all, 1, &system);
	p = text_str(&out);
	for (unsigned i = 0; i < COUNTER_COUNT; i++)
		assert_non_null(strstr(p, counter_name(i)));
	assert_non_null(strstr(p, "queries                                        1234567"));
	assert_non_null(strstr(p, "latency-tcp-avg100                                12.3"));
	assert_non_null(strstr(p, "uptime                                              77"));
	for (; *p != '\0'; p += strcspn(p, "\n") + 1, lines++) {
		if (lines == 0)
			width = strcspn(p, "\n");
		else if (lines < COUNTER_COUNT / 2)
			assert_int_equal(strcspn(p, "\n"), width);
	}
	assert_int_equal(lines, (COUNTER_COUNT + 1) / 2);
	text_free(&out);
}

int test_counter(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_are_complete),
		cmocka_unit_test(reasons_count_twice),
		cmocka_unit_test(histogram),
		cmocka_unit_test(the_sum_loses_nothing),
		cmocka_unit_test(averages),
		cmocka_unit_test(sums),
		cmocka_unit_test(dump),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
