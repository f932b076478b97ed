/* test_bucket.c: token buckets: burst, refill, time that stands still or goes back. */
#include "make.h"

int test_bucket(void);

static void burst_then_rate(void **state)
{
	struct token_bucket b;

	(void)state;
	bucket_init(&b, 10, 3);
	for (int i = 0; i < 3; i++)
		assert_true(bucket_take(&b, 1000));
	assert_false(bucket_take(&b, 1000));
	assert_false(bucket_take(&b, 1099));
	assert_true(bucket_take(&b, 1100));
	assert_false(bucket_take(&b, 1150));
	assert_true(bucket_take(&b, 1200));
}

static void never_more_than_burst(void **state)
{
	struct token_bucket b;
	int taken = 0;

	(void)state;
	bucket_init(&b, 100, 5);
	while (bucket_take(&b, 1000000))
		taken++;
	assert_int_equal(taken, 5);
}

static void peek_takes_nothing(void **state)
{
	struct token_bucket b;

	(void)state;
	bucket_init(&b, 1, 1);
	for (int i = 0; i < 5; i++)
		assert_true(bucket_peek(&b, 500));
	assert_true(bucket_take(&b, 500));
	assert_false(bucket_peek(&b, 500));
	assert_true(bucket_peek(&b, 1500));
}

static void time_goes_back(void **state)
{
	struct token_bucket b;

	(void)state;
	bucket_init(&b, 1, 1);
	assert_true(bucket_take(&b, 5000));
	assert_false(bucket_take(&b, 1000));
	assert_false(bucket_take(&b, 5999));
	assert_true(bucket_take(&b, 6000));
}

static void no_rate_no_tokens(void **state)
{
	struct token_bucket b;

	(void)state;
	bucket_init(&b, 0, 0);
	assert_false(bucket_take(&b, 1000));
	assert_false(bucket_peek(&b, 100000));
}

int test_bucket(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(burst_then_rate), cmocka_unit_test(never_more_than_burst),
		cmocka_unit_test(peek_takes_nothing), cmocka_unit_test(time_goes_back), cmocka_unit_test(no_rate_no_tokens)};

	return cmocka_run_group_tests_name("bucket", tests, NULL, NULL);
}
