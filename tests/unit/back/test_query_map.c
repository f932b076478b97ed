/* test_query_map.c: ids towards a backend: random ones, counted ones, gaps, and none left. */
#include "back_help.h"
#include "back_priv.h"

int test_query_map(void);

static struct query *queries;

static int setup(void **state)
{
	(void)state;
	queries = mem_zalloc(QUERY_IDS * sizeof(*queries));
	return queries ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	mem_free(queries);
	return 0;
}

static void empty(struct query_map *m)
{
	while (m->first)
		query_map_del(m, m->first);
	assert_null(m->last);
	assert_int_equal(m->count, 0);
	query_map_free(m);
	assert_null(m->bucket);
}

static void counted(void **state)
{
	struct query_map m = {0};

	(void)state;
	assert_null(query_map_find(&m, 0));
	for (unsigned i = 0; i < 1000; i++) {
		assert_int_equal(query_map_add_next(&m, &queries[i], QUERY_IDS), 0);
		assert_int_equal(queries[i].back_id, i);
	}
	for (unsigned i = 0; i < 1000; i++)
		assert_ptr_equal(query_map_find(&m, (uint16_t)i), &queries[i]);
	assert_null(query_map_find(&m, 1000));
	query_map_del(&m, &queries[999]);
	query_map_del(&m, &queries[500]);
	assert_null(query_map_find(&m, 500));
	assert_int_equal(query_map_add_next(&m, &queries[500], QUERY_IDS), 0);
	assert_int_equal(queries[500].back_id, 999); /* one above the largest, not the gap */
	empty(&m);
}

/* All ids out: -EAGAIN; with the largest taken the first gap is used, wherever it is. */
static void all_ids(void **state)
{
	static const uint16_t gaps[] = {0, 1, 77, 65534, 65535, 30000};
	struct query_map m = {0};
	struct query extra = {0};
	struct rng rng;

	(void)state;
	rng_seed(&rng, 1);
	for (unsigned i = 0; i < QUERY_IDS; i++)
		assert_int_equal(query_map_add_next(&m, &queries[i], QUERY_IDS), 0);
	assert_int_equal(query_map_add_next(&m, &extra, QUERY_IDS), -EAGAIN);
	assert_int_equal(query_map_add_random(&m, &extra, QUERY_IDS, &rng), -EAGAIN);
	for (size_t i = 0; i < LEN(gaps); i++) {
		struct query *q = query_map_find(&m, gaps[i]);

		query_map_del(&m, q);
		assert_int_equal(query_map_add_next(&m, q, QUERY_IDS), 0);
		assert_int_equal(q->back_id, gaps[i]);
	}
	empty(&m);
	/* random ids find the last free one too */
	for (unsigned i = 0; i < QUERY_IDS; i++)
		assert_int_equal(query_map_add_random(&m, &queries[i], QUERY_IDS, &rng), 0);
	for (size_t i = 0; i < LEN(gaps); i++) {
		struct query *q = query_map_find(&m, gaps[i]);

		query_map_del(&m, q);
		assert_int_equal(query_map_add_random(&m, q, QUERY_IDS, &rng), 0);
		assert_int_equal(q->back_id, gaps[i]);
	}
	empty(&m);
}

static void random_ids(void **state)
{
	struct query_map m = {0};
	struct rng rng;
	unsigned in_order = 0;

	(void)state;
	rng_seed(&rng, 3);
	for (unsigned i = 0; i < 5000; i++) {
		assert_int_equal(query_map_add_random(&m, &queries[i], 5000, &rng), 0);
		in_order += i && queries[i].back_id == (uint16_t)(queries[i - 1].back_id + 1);
	}
	assert_true(in_order < 10);
	assert_int_equal(query_map_add_random(&m, &queries[5000], 5000, &rng), -EAGAIN);
	for (unsigned i = 0; i < 5000; i++)
		assert_ptr_equal(query_map_find(&m, queries[i].back_id), &queries[i]);
	assert_ptr_equal(m.first, &queries[0]); /* in order of age */
	empty(&m);
}

/* Ids of queries that were given up are not used again before all others were. */
static void given_up(void **state)
{
	struct query_map m = {0};

	(void)state;
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(query_map_add_next(&m, &queries[i], QUERY_IDS), 0);
	query_map_give_up(&m, &queries[9]);
	query_map_give_up(&m, &queries[3]);
	assert_null(query_map_find(&m, 9));
	assert_int_equal(query_map_add_next(&m, &queries[9], QUERY_IDS), 0);
	assert_int_equal(queries[9].back_id, 10);
	query_map_put_back(&m, &queries[3], 3); /* answered after all */
	assert_ptr_equal(query_map_find(&m, 3), &queries[3]);
	while (m.first)
		query_map_del(&m, m.first);
	assert_int_equal(query_map_add_next(&m, &queries[0], QUERY_IDS), 0);
	assert_int_equal(queries[0].back_id, 10); /* nor when nothing is out */
	for (unsigned id = 11; id < QUERY_IDS; id++) {
		assert_int_equal(query_map_add_next(&m, &queries[id], QUERY_IDS), 0);
		assert_int_equal(queries[id].back_id, id);
	}
	assert_int_equal(query_map_add_next(&m, &queries[1], QUERY_IDS), 0);
	assert_int_equal(queries[1].back_id, 0);
	query_map_give_up(&m, &queries[1]); /* while the largest is still out */
	assert_int_equal(query_map_add_next(&m, &queries[1], QUERY_IDS), 0);
	assert_int_equal(queries[1].back_id, 1);
	empty(&m);
}

/* setRandomizedIdsOverUDP(false) by a reload: those that are out have random ids. */
static void from_random_to_next(void **state)
{
	struct query_map m = {0};
	struct rng rng;

	(void)state;
	rng_seed(&rng, 5);
	for (unsigned i = 0; i < 40000; i++)
		assert_int_equal(query_map_add_random(&m, &queries[i], QUERY_IDS, &rng), 0);
	for (unsigned i = 40000; i < QUERY_IDS; i++)
		assert_int_equal(query_map_add_next(&m, &queries[i], QUERY_IDS), 0);
	for (unsigned i = 0; i < QUERY_IDS; i++)
		assert_ptr_equal(query_map_find(&m, queries[i].back_id), &queries[i]); /* each its own */
	empty(&m);
}

static void no_memory(void **state)
{
	struct query_map m = {0};

	(void)state;
	mem_fail_at(1);
	assert_int_equal(query_map_add_next(&m, &queries[0], QUERY_IDS), -ENOMEM);
	for (unsigned i = 0; i < 1000; i++) {
		mem_fail_at(i ? 1 : 0); /* a table that cannot grow has longer chains */
		assert_int_equal(query_map_add_next(&m, &queries[i], QUERY_IDS), 0);
	}
	mem_fail_at(0);
	for (unsigned i = 0; i < 1000; i++)
		assert_ptr_equal(query_map_find(&m, (uint16_t)i), &queries[i]);
	empty(&m);
}

int test_query_map(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(counted), cmocka_unit_test(all_ids),
		cmocka_unit_test(random_ids), cmocka_unit_test(given_up), cmocka_unit_test(from_random_to_next),
		cmocka_unit_test(no_memory)};

	return cmocka_run_group_tests_name("query_map", tests, setup, teardown);
}
