/* test_map.c: the map against a plain array, and its behaviour when memory is out. */
#include "map.h"
#include "hash.h"
#include "mem.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

enum { KEYS = 300 };

static char values[KEYS];

/* Keys of all lengths around the inline limit, and the empty one. */
static size_t make_key(unsigned i, uint8_t *key)
{
	size_t len = i == 0 ? 0 : 4 + i % 40;
	memset(key, 'k', 64);
	if (i != 0)
		put32(key, i);
	return len;
}

static void same_as_an_array(void **state UNUSED)
{
	struct map *m = map_new();
	void *want[KEYS] = {NULL};
	uint8_t key[64];
	struct rng r;
	size_t count = 0;
	rng_seed(&r, 3);
	assert_non_null(m);
	for (unsigned n = 0; n < 20000; n++) {
		unsigned i = rng_below(&r, n < 10000 ? KEYS : 20); /* then it shrinks */
		size_t len = make_key(i, key);
		void *old = NULL;
		switch (rng_below(&r, n < 9000 ? 3 : 2)) {
		case 0:
			assert_ptr_equal(map_del(m, key, len), want[i]);
			count -= want[i] != NULL;
			want[i] = NULL;
			break;
		case 1:
			assert_ptr_equal(map_get(m, key, len), want[i]);
			break;
		default:
			assert_int_equal(map_set(m, key, len, &values[n % KEYS], &old), 0);
			assert_ptr_equal(old, want[i]);
			count += want[i] == NULL;
			want[i] = &values[n % KEYS];
		}
		assert_int_equal(map_count(m), count);
	}
	for (unsigned i = 0; i < KEYS; i++)
		assert_ptr_equal(map_get(m, key, make_key(i, key)), want[i]);
	map_free(&m);
	assert_null(m);
	map_free(&m);
}

static void walking_sees_each_once_and_may_delete(void **state UNUSED)
{
	struct map *m = map_new();
	uint8_t key[64];
	char seen[KEYS] = {0};
	size_t pos = 0, len, n = 0;
	const void *k;
	void *v;
	assert_false(map_next(m, &pos, &k, &len, &v));
	for (unsigned i = 0; i < KEYS; i++)
		assert_int_equal(map_set(m, key, make_key(i, key), &values[i], NULL), 0);
	for (pos = 0; map_next(m, &pos, &k, &len, &v); n++) {
		size_t i = (size_t)((char *)v - values);
		assert_int_equal(len, make_key((unsigned)i, key));
		assert_memory_equal(k, key, len);
		assert_int_equal(seen[i]++, 0);
		if (i % 3 != 0)
			assert_ptr_equal(map_del(m, key, len), v);
	}
	assert_int_equal(n, KEYS);
	assert_int_equal(map_count(m), KEYS / 3);
	for (pos = 0, n = 0; map_next(m, &pos, NULL, NULL, &v); n++)
		assert_int_equal(((char *)v - values) % 3, 0);
	assert_int_equal(n, KEYS / 3);
	map_free(&m);
}

static void coming_and_going_does_not_grow(void **state UNUSED)
{
	struct map *m = map_new();
	uint8_t key[64];
	assert_int_equal(map_set(m, "stays", 5, values, NULL), 0);
	unsigned long before = mem_calls();
	for (unsigned i = 0; i < 10000; i++) {
		put32(key, i);
		assert_int_equal(map_set(m, key, 4, values, NULL), 0);
		assert_non_null(map_del(m, key, 4));
	}
	/* Deleted slots are cleared, or the table is rebuilt now and then. */
	assert_true(mem_calls() - before < 10000 / 20);
	assert_ptr_equal(map_get(m, "stays", 5), values);
	assert_int_equal(map_count(m), 1);
	map_free(&m);
}

static void no_memory_changes_nothing(void **state UNUSED)
{
	uint8_t key[64];
	mem_fail_at(1);
	assert_null(map_new());
	for (unsigned at = 1; at < 60; at++) {
		struct map *m = map_new();
		unsigned failed = KEYS;
		assert_non_null(m);
		mem_fail_at(at);
		for (unsigned i = 1; i < 60; i++) {
			int rc = map_set(m, key, make_key(i, key), &values[i], NULL);
			assert_true(rc == 0 || (rc == -ENOMEM && failed == KEYS));
			if (rc < 0)
				failed = i;
		}
		mem_fail_at(0);
		assert_true(at > 20 || failed != KEYS); /* 19 long keys and some tables */
		assert_int_equal(map_count(m), failed != KEYS ? 58 : 59);
		for (unsigned i = 1; i < 60; i++)
			assert_ptr_equal(map_get(m, key, make_key(i, key)), i == failed ? NULL : &values[i]);
		map_free(&m);
	}
}

static void replacing_needs_no_memory(void **state UNUSED)
{
	struct map *m = map_new();
	void *old;
	assert_int_equal(map_set(m, "a", 1, &values[1], &old), 0);
	assert_null(old);
	mem_fail_at(1);
	assert_int_equal(map_set(m, "a", 1, &values[2], &old), 0);
	mem_fail_at(0);
	assert_ptr_equal(old, &values[1]);
	assert_ptr_equal(map_get(m, "a", 1), &values[2]);
	assert_null(map_get(m, "b", 1));
	assert_null(map_get(m, "", 0));
	map_free(&m);
}

int test_map(void);
int test_map(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_as_an_array),
		cmocka_unit_test(walking_sees_each_once_and_may_delete),
		cmocka_unit_test(coming_and_going_does_not_grow),
		cmocka_unit_test(no_memory_changes_nothing),
		cmocka_unit_test(replacing_needs_no_memory),
	};
	return cmocka_run_group_tests_name("map", tests, NULL, NULL);
}
