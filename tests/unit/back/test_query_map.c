/* test_query_map.c: ids towards a backend: next above the largest, gaps, random ones, none left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "back_priv.h"

int test_query_map(void);

/* Queries without a core: the map touches only their back_… members. */
static struct query *some(size_t n)
{
	struct query *v = calloc(n, sizeof(*v));

	assert_non_null(v);
	return v;
}

static void add_next(struct query_map *m, struct query *q, uint16_t id)
{
	assert_int_equal(query_map_add_next(m, q, QUERY_IDS), 0);
	assert_int_equal(q->back_id, id);
	assert_ptr_equal(query_map_find(m, id), q);
}

static void next_is_one_above_the_largest(void **state)
{
	struct query_map m = {0};
	struct query *q = some(5);

	(void)state;
	assert_null(query_map_find(&m, 0));
	for (uint16_t i = 0; i < 4; i++)
		add_next(&m, &q[i], i);
	query_map_del(&m, &q[1]);
	assert_null(query_map_find(&m, 1));
	add_next(&m, &q[1], 4); /* not into the gap */
	query_map_del(&m, &q[1]);
	query_map_del(&m, &q[3]);
	add_next(&m, &q[4], 3); /* the largest left: small ids again */
	assert_int_equal(m.count, 3);
	query_map_del(&m, &q[0]);
	query_map_del(&m, &q[2]);
	query_map_del(&m, &q[4]);
	add_next(&m, &q[0], 0);
	query_map_del(&m, &q[0]);
	query_map_free(&m);
	free(q);
}

static void a_list_in_order(const struct query_map *m, size_t n)
{
	const struct query *last = NULL;
	size_t seen = 0;

	for (const struct query *q = m->first; q; q = q->back_next) {
		assert_ptr_equal(q->back_prev, last);
		assert_true(!last || last->back_id < q->back_id);
		last = q;
		seen++;
	}
	assert_ptr_equal(m->last, last);
	assert_int_equal(seen, n);
}

static void the_last_id_is_taken(void **state)
{
	struct query_map m = {0};
	struct query *q = some(QUERY_IDS + 1);

	(void)state;
	for (unsigned i = 0; i < QUERY_IDS; i++)
		assert_int_equal(query_map_add_next(&m, &q[i], QUERY_IDS), 0);
	assert_int_equal(q[QUERY_IDS - 1].back_id, 65535);
	assert_int_equal(query_map_add_next(&m, &q[QUERY_IDS], QUERY_IDS), -EAGAIN);
	/* the first gap is found */
	query_map_del(&m, &q[300]);
	query_map_del(&m, &q[9]);
	add_next(&m, &q[QUERY_IDS], 9);
	add_next(&m, &q[9], 300);
	a_list_in_order(&m, QUERY_IDS);
	query_map_del(&m, query_map_find(&m, 0));
	add_next(&m, &q[0], 0);
	a_list_in_order(&m, QUERY_IDS);
	while (m.first)
		query_map_del(&m, m.first);
	query_map_free(&m);
	free(q);
}

static void no_more_than_the_cap(void **state)
{
	struct query_map m = {0};
	struct query *q = some(4);
	struct rng rng;

	(void)state;
	rng_seed(&rng, 3);
	assert_int_equal(query_map_add_next(&m, &q[0], 2), 0);
	assert_int_equal(query_map_add_random(&m, &q[1], 2, &rng), 0);
	assert_int_equal(query_map_add_next(&m, &q[2], 2), -EAGAIN);
	assert_int_equal(query_map_add_random(&m, &q[2], 2, &rng), -EAGAIN);
	assert_int_equal(query_map_add_next(&m, &q[2], 0), -EAGAIN);
	query_map_del(&m, &q[0]);
	query_map_del(&m, &q[1]);
	query_map_free(&m);
	free(q);
}

static void random_ids_never_meet(void **state)
{
	struct query_map m = {0};
	struct query *q = some(QUERY_IDS + 1);
	unsigned in_a_row = 0;
	struct rng rng;

	(void)state;
	rng_seed(&rng, 5);
	for (unsigned i = 0; i < QUERY_IDS; i++) {
		assert_int_equal(query_map_add_random(&m, &q[i], QUERY_IDS, &rng), 0);
		if (i && i < 1000)
			in_a_row += q[i].back_id == (uint16_t)(q[i - 1].back_id + 1);
	}
	assert_true(in_a_row < 5);
	assert_int_equal(m.count, QUERY_IDS);
	for (unsigned i = 0; i < QUERY_IDS; i++)
		assert_ptr_equal(query_map_find(&m, q[i].back_id), &q[i]);
	assert_int_equal(query_map_add_random(&m, &q[QUERY_IDS], QUERY_IDS, &rng), -EAGAIN);
	/* one is left: it is found, however unlikely the draws */
	query_map_del(&m, &q[777]);
	assert_int_equal(query_map_add_random(&m, &q[QUERY_IDS], QUERY_IDS, &rng), 0);
	assert_int_equal(q[QUERY_IDS].back_id, q[777].back_id);
	assert_ptr_equal(m.first, &q[0]); /* in order of age */
	assert_ptr_equal(m.last, &q[QUERY_IDS]);
	while (m.first)
		query_map_del(&m, m.first);
	query_map_free(&m);
	free(q);
}

static void maps_bear_no_memory(void **state)
{
	struct query_map m = {0};
	struct query *q = some(200);
	struct rng rng;

	(void)state;
	rng_seed(&rng, 5);
	mem_fail_at(1);
	assert_int_equal(query_map_add_next(&m, &q[0], QUERY_IDS), -ENOMEM);
	mem_fail_at(1);
	assert_int_equal(query_map_add_random(&m, &q[0], QUERY_IDS, &rng), -ENOMEM);
	mem_fail_at(0);
	/* a map that cannot grow has longer chains */
	for (unsigned i = 0; i < 200; i++) {
		mem_fail_at(i ? 1 : 0);
		assert_int_equal(query_map_add_next(&m, &q[i], QUERY_IDS), 0);
	}
	mem_fail_at(0);
	for (unsigned i = 0; i < 200; i++)
		assert_ptr_equal(query_map_find(&m, (uint16_t)i), &q[i]);
	while (m.last)
		query_map_del(&m, m.last);
	assert_int_equal(m.count, 0);
	query_map_free(&m);
	free(q);
}

int test_query_map(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(next_is_one_above_the_largest),
		cmocka_unit_test(the_last_id_is_taken),
		cmocka_unit_test(no_more_than_the_cap),
		cmocka_unit_test(random_ids_never_meet),
		cmocka_unit_test(maps_bear_no_memory),
	};

	return cmocka_run_group_tests_name("back/query_map", tests, NULL, NULL);
}
