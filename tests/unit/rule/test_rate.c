/* test_rate.c: rates per subnet: the limit, refilling, subnets, and that memory stays bounded. */
#include "fixture.h"
#include "rate.h"

int test_rate(void);

static const struct rate_limits base_limits = {.qps = 10, .burst = 10, .mask4 = 32, .mask6 = 64, .expiration_s = 300,
	.cleanup_s = 60, .shards = 10, .max = 65536};

static struct rate *make(struct rate_limits l)
{
	struct rate *r = rate_new(&l);

	assert_non_null(r);
	return r;
}

/* How many of |n| queries at |now_ms| are within the rate. */
static unsigned within(struct rate *r, const char *from, unsigned n, uint64_t now_ms)
{
	struct addr a;
	unsigned ok = 0;

	fix_addr(&a, from);
	for (unsigned i = 0; i < n; i++)
		ok += !rate_exceeded(r, &a, now_ms);
	return ok;
}

static void burst_then_rate(void **state)
{
	struct rate_limits l = base_limits;
	struct rate *r;

	(void)state;
	l.burst = 20;
	r = make(l);
	assert_int_equal(within(r, "192.0.2.1", 100, 1000), 20);
	assert_int_equal(within(r, "192.0.2.1", 100, 1099), 0); /* a token takes 100 ms */
	assert_int_equal(within(r, "192.0.2.1", 100, 1100), 1);
	assert_int_equal(within(r, "192.0.2.1", 100, 2100), 10);
	assert_int_equal(within(r, "192.0.2.1", 100, 100000), 20); /* never more than the burst */
	rate_free(&r);
	assert_null(r);
}

static void subnets_count_as_one(void **state)
{
	struct rate_limits l = base_limits;
	struct rate *r;

	(void)state;
	l.mask4 = 24;
	r = make(l);
	assert_int_equal(within(r, "192.0.2.1", 10, 1000), 10);
	assert_int_equal(within(r, "192.0.2.99", 10, 1000), 0);
	assert_int_equal(within(r, "192.0.3.1", 10, 1000), 10);
	assert_int_equal(within(r, "2001:db8::1", 10, 1000), 10);
	assert_int_equal(within(r, "2001:db8::ffff:1", 10, 1000), 0);
	assert_int_equal(within(r, "2001:db8:0:1::1", 10, 1000), 10);
	/* An IPv4 address and the IPv6 one with the same bits are two clients. */
	assert_int_equal(within(r, "c000:0200::", 10, 1000), 10);
	rate_free(&r);
}

static void zero_allows_nothing(void **state)
{
	struct rate_limits l = base_limits;
	struct rate *r;

	(void)state;
	l.qps = 0;
	r = make(l);
	assert_int_equal(within(r, "192.0.2.1", 5, 1000), 0);
	rate_free(&r);
	l.qps = 10;
	l.burst = 0;
	r = make(l);
	assert_int_equal(within(r, "192.0.2.1", 5, 1000), 0);
	assert_int_equal(within(r, "192.0.2.1", 5, 9000), 0);
	rate_free(&r);
}

static void an_absent_subnet_is_forgotten(void **state)
{
	struct rate_limits l = base_limits;
	struct rate *r;

	(void)state;
	l.qps = 1;
	l.burst = 1000;
	l.expiration_s = 100;
	r = make(l);
	assert_int_equal(within(r, "192.0.2.1", 2000, 1000), 1000);
	assert_int_equal(within(r, "192.0.2.1", 2000, 101000), 100);
	assert_int_equal(within(r, "192.0.2.1", 2000, 202000), 1000);
	rate_free(&r);
}

static void flood(struct rate *r, uint32_t n, uint64_t now_ms)
{
	struct addr a = {.family = AF_INET};

	for (uint32_t i = 0; i < n; i++) {
		put32(a.ip, 0x0a000000u + i);
		(void)rate_exceeded(r, &a, now_ms);
	}
}

static void forged_sources_do_not_grow_memory_or_free_the_guilty(void **state)
{
	struct rate_limits l = base_limits;
	struct rate *r;

	(void)state;
	l.max = 2048;
	l.qps = 5;
	l.burst = 5;
	r = make(l);
	assert_int_equal(rate_slots(r), 0);
	assert_int_equal(within(r, "192.0.2.1", 10, 1000), 5);
	flood(r, 20000, 1000);
	assert_true(rate_slots(r) <= 2048);
	assert_true(rate_slots(r) > 0);
	assert_int_equal(within(r, "192.0.2.1", 10, 1000), 0); /* still remembered */
	/* After a while the memory goes back. */
	(void)within(r, "192.0.2.1", 1, 1000);
	flood(r, 100, 200000);
	assert_true(rate_slots(r) < 512);
	rate_free(&r);
}

static void the_table_grows_and_keeps_every_bucket(void **state)
{
	struct rate *r = make(base_limits);

	(void)state;
	for (unsigned pass = 0; pass < 11; pass++)
		flood(r, 3000, 1000);
	for (unsigned i = 0; i < 3000; i += 7) {
		struct addr a = {.family = AF_INET};

		put32(a.ip, 0x0a000000u + i);
		assert_true(rate_exceeded(r, &a, 1000));
	}
	rate_free(&r);
}

static void memory_may_be_out(void **state)
{
	struct rate_limits l = base_limits;
	struct rate *r;

	(void)state;
	mem_fail_at(1);
	assert_null(rate_new(&l));
	l.shards = 1;
	r = make(l);
	mem_fail_at(1);
	assert_int_equal(within(r, "192.0.2.1", 1, 1000), 1); /* no table yet: let through */
	mem_fail_at(0);
	assert_int_equal(within(r, "192.0.2.1", 20, 1000), 10);
	/* No memory to grow: the table serves on. */
	for (unsigned i = 0; i < 100; i++) {
		mem_fail_at(1);
		flood(r, 100, 1000);
		mem_fail_at(0);
	}
	rate_free(&r);
}

int test_rate(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(burst_then_rate),
		cmocka_unit_test(subnets_count_as_one),
		cmocka_unit_test(zero_allows_nothing),
		cmocka_unit_test(an_absent_subnet_is_forgotten),
		cmocka_unit_test(forged_sources_do_not_grow_memory_or_free_the_guilty),
		cmocka_unit_test(the_table_grows_and_keeps_every_bucket),
		cmocka_unit_test(memory_may_be_out),
	};

	return cmocka_run_group_tests_name("rule/rate", tests, NULL, NULL);
}
