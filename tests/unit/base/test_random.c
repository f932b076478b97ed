/* test_random.c: the repeatable sequence, ranges, and that the kernel's numbers differ. */
#include "hash.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void the_test_sequence_is_splitmix64(void **state UNUSED)
{
	static const uint64_t want[] = {UINT64_C(0x910a2dec89025cc1), UINT64_C(0xbeeb8da1658eec67),
		UINT64_C(0xf893a2eefb32555e), UINT64_C(0x71c18690ee42c90b)};
	struct rng r;
	uint8_t b[32];
	rng_seed(&r, 1);
	for (size_t i = 0; i < LEN(want); i++)
		assert_true(rng_u32(&r) == want[i] >> 32);
	rng_seed(&r, 1);
	rng_bytes(&r, b, sizeof(b));
	for (size_t i = 0; i < sizeof(b); i++)
		assert_int_equal(b[i], want[i / 8] >> (8 * (i % 8)) & 0xff);
	rng_seed(&r, 0);
	assert_true(r.test_state != 0);
}

static void below_stays_below_and_is_even(void **state UNUSED)
{
	static const uint32_t limits[] = {1, 2, 3, 7, 1000, 0x80000001u, UINT32_MAX};
	struct rng r;
	unsigned seen[7] = {0};
	rng_seed(&r, 42);
	assert_true(rng_below(&r, 0) == 0);
	for (size_t i = 0; i < LEN(limits); i++)
		for (unsigned k = 0; k < 200; k++)
			assert_true(rng_below(&r, limits[i]) < limits[i]);
	for (unsigned k = 0; k < 7000; k++)
		seen[rng_below(&r, 7)]++;
	for (size_t i = 0; i < LEN(seen); i++)
		assert_in_range(seen[i], 850, 1150);
	seen[0] = 0;
	for (unsigned k = 0; k < 3000; k++) /* three quarters of 2^32: without care each third would come twice */
		seen[0] += rng_below(&r, 0xc0000000u) % 3 == 0;
	assert_in_range(seen[0], 900, 1100);
}

static void unit_covers_zero_to_one(void **state UNUSED)
{
	struct rng r;
	double sum = 0, low = 1, high = 0;
	rng_seed(&r, 7);
	for (unsigned i = 0; i < 4000; i++) {
		double x = rng_unit(&r);
		assert_true(x >= 0 && x < 1);
		low = x < low ? x : low;
		high = x > high ? x : high;
		sum += x;
	}
	assert_true(low < 0.01 && high > 0.99);
	assert_true(sum / 4000 > 0.47 && sum / 4000 < 0.53);
}

static void kernel_numbers(void **state UNUSED)
{
	struct rng r, s;
	uint8_t big[1000], pair[2][16];
	unsigned ones = 0;
	rng_init(&r);
	rng_init(&s);
	rng_bytes(&r, pair[0], 16);
	rng_bytes(&s, pair[1], 16);
	assert_memory_not_equal(pair[0], pair[1], 16);
	for (unsigned i = 0; i < r.left; i += 16) /* nothing comes twice out of the pool */
		assert_memory_not_equal(pair[0], r.pool + i, 16);
	memset(big, 0, sizeof(big));
	rng_bytes(&r, big, sizeof(big));
	for (size_t i = 0; i < sizeof(big); i++)
		ones += (unsigned)__builtin_popcount(big[i]);
	assert_in_range(ones, 3600, 4400);
	for (unsigned i = 0; i < 1000; i++) { /* across many refills, at odd lengths */
		rng_bytes(&r, big, i % 13);
		assert_true(rng_below(&r, 10) < 10 && rng_unit(&r) < 1);
	}
	rng_bytes(&r, big, 0);
}

static void uuids_have_the_right_shape(void **state UNUSED)
{
	struct rng r;
	char a[37], b[37];
	rng_init(&r);
	for (unsigned n = 0; n < 64; n++) {
		rng_uuid(&r, a);
		assert_int_equal(strlen(a), 36);
		for (unsigned i = 0; i < 36; i++) {
			bool dash = i == 8 || i == 13 || i == 18 || i == 23;
			assert_non_null(strchr(dash ? "-" : "0123456789abcdef", a[i]));
		}
		assert_int_equal(a[14], '4');
		assert_non_null(strchr("89ab", a[19]));
	}
	rng_uuid(&r, b);
	assert_string_not_equal(a, b);
}

int test_random(void);
int test_random(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_test_sequence_is_splitmix64),
		cmocka_unit_test(below_stays_below_and_is_even),
		cmocka_unit_test(unit_covers_zero_to_one),
		cmocka_unit_test(kernel_numbers),
		cmocka_unit_test(uuids_have_the_right_shape),
	};
	return cmocka_run_group_tests_name("random", tests, NULL, NULL);
}
