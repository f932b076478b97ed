/* test_mem.c: the allocation hook, arenas and free-lists. */
#include "mem.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void the_nth_allocation_fails_once(void **state UNUSED)
{
	mem_fail_at(2);
	void *a = mem_alloc(1), *b = mem_alloc(1), *c = mem_alloc(1);
	assert_non_null(a);
	assert_null(b);
	assert_non_null(c);
	mem_fail_at(1);
	assert_null(mem_resize(a, 100));
	mem_fail_at(1);
	mem_fail_at(0);
	a = mem_resize(a, 100);
	assert_non_null(a);
	mem_free(a);
	mem_free(c);
	mem_free(NULL);
}

static void every_way_to_allocate_counts(void **state UNUSED)
{
	unsigned long before = mem_calls();
	char *p[] = {mem_alloc(0), mem_zalloc(8), mem_dup("ab", 2), mem_strdup("text"), mem_strndup("text", 2),
		mem_strndup("ab", 9), mem_resize(NULL, 4)};
	assert_true(mem_calls() - before == LEN(p));
	for (size_t i = 0; i < LEN(p); i++)
		assert_non_null(p[i]);
	for (size_t i = 0; i < 8; i++)
		assert_int_equal(p[1][i], 0);
	assert_memory_equal(p[2], "ab", 2);
	assert_string_equal(p[3], "text");
	assert_string_equal(p[4], "te");
	assert_string_equal(p[5], "ab");
	for (size_t i = 0; i < LEN(p); i++)
		mem_free(p[i]);
	for (size_t i = 0; i < 4; i++) {
		mem_fail_at(1);
		assert_null(i == 0 ? mem_zalloc(8) : i == 1 ? mem_dup("ab", 2) : i == 2 ? (void *)mem_strdup("a")
			: (void *)mem_strndup("a", 1));
	}
	mem_trim();
}

/* What is given back to the heap is slack, where the C library tells. */
static void slack(void **state UNUSED)
{
	enum { PIECES = 100, SIZE = 2000 };
	void *piece[PIECES], *last;
	size_t free_before, free_after, used_before, used_after;
	bool told;

	for (unsigned i = 0; i < PIECES; i++)
		piece[i] = mem_alloc(SIZE);
	last = mem_alloc(SIZE);
	told = mem_slack(&free_before, &used_before);

	for (unsigned i = 0; i < PIECES; i++)
		mem_free(piece[i]);
	assert_int_equal(mem_slack(&free_after, &used_after), told);
	mem_free(last);
	if (!told) {
		assert_int_equal(free_after + used_after, 0);
		return;
	}
	assert_true(used_after + PIECES * SIZE / 2 < used_before);
	assert_true(free_after > free_before + PIECES * SIZE / 2);
}

/* Small pieces that the C library keeps at hand for a thread count as in use, until it is tidied. */
static void thread_cache(void **state UNUSED)
{
	enum { KINDS = 60, EACH = 7 };
	void *piece[KINDS][EACH];
	size_t left, used, left_after, used_after;
	bool told;

	mem_trim_thread();
	for (unsigned i = 0; i < KINDS; i++)
		for (unsigned k = 0; k < EACH; k++)
			piece[i][k] = mem_alloc(16 * (i + 1));
	for (unsigned i = 0; i < KINDS; i++)
		for (unsigned k = 0; k < EACH; k++)
			mem_free(piece[i][k]);
	told = mem_slack(&left, &used);
	mem_trim_thread();
	assert_int_equal(mem_slack(&left_after, &used_after), told);
	if (told)
		assert_true(used_after + (100 << 10) <= used);
	mem_trim();
}

static void arena_pieces_are_aligned_and_apart(void **state UNUSED)
{
	struct arena a;
	uint8_t *piece[300];
	size_t total = 0;
	arena_init(&a, 64);
	for (size_t i = 0; i < LEN(piece); i++) {
		size_t size = i % 50 == 49 ? 5000 : i % 40;
		piece[i] = arena_alloc(&a, size);
		assert_non_null(piece[i]);
		assert_int_equal((uintptr_t)piece[i] % _Alignof(max_align_t), 0);
		memset(piece[i], (int)(i & 0xff), size);
		total += size;
	}
	assert_true(a.used >= total);
	for (size_t i = 0; i < LEN(piece); i++)
		for (size_t k = 0; k < (i % 50 == 49 ? 5000 : i % 40); k++)
			assert_int_equal(piece[i][k], i & 0xff);
	arena_free(&a);
	assert_true(a.used == 0);
	char *s = arena_strdup(&a, "again");
	assert_string_equal(s, "again");
	uint8_t *z = arena_zalloc(&a, 100), *d = arena_dup(&a, "xyz", 3);
	assert_memory_equal(d, "xyz", 3);
	for (size_t i = 0; i < 100; i++)
		assert_int_equal(z[i], 0);
	arena_free(&a);
}

static void arena_takes_few_blocks(void **state UNUSED)
{
#ifndef ARENA_EMULATE
	struct arena a;
	unsigned long before = mem_calls();
	arena_init(&a, 1024);
	for (size_t i = 0; i < 64; i++)
		assert_non_null(arena_alloc(&a, 16));
	assert_true(mem_calls() - before == 1);
	assert_non_null(arena_alloc(&a, 4096)); /* its own block: the next small one still fits behind it */
	assert_non_null(arena_alloc(&a, 16));
	assert_non_null(arena_alloc(&a, 16));
	assert_true(mem_calls() - before == 3);
	arena_free(&a);
#endif
}

static void arena_survives_a_failed_allocation(void **state UNUSED)
{
	struct arena a;
	arena_init(&a, 64);
	mem_fail_at(1);
	assert_null(arena_alloc(&a, 10));
	mem_fail_at(1);
	assert_null(arena_zalloc(&a, 1000));
	assert_null(arena_alloc(&a, SIZE_MAX));
	assert_null(arena_alloc(&a, SIZE_MAX - 40));
	mem_fail_at(1);
	assert_null(arena_strdup(&a, "text"));
	assert_non_null(arena_alloc(&a, 10));
	arena_free(&a);
}

static void freelist_keeps_some_blocks(void **state UNUSED)
{
	struct freelist f;
	void *p[4];
	freelist_init(&f, 1, 2);
	for (size_t i = 0; i < LEN(p); i++)
		assert_non_null(p[i] = freelist_get(&f));
	for (size_t i = 0; i < LEN(p); i++)
		freelist_put(&f, p[i]);
#ifndef ARENA_EMULATE
	assert_int_equal(f.idle, 2);
	unsigned long before = mem_calls();
	void *a = freelist_get(&f), *b = freelist_get(&f);
	assert_true(a == p[1] && b == p[0]);
	assert_true(mem_calls() == before);
	freelist_put(&f, a);
	freelist_put(&f, b);
#endif
	freelist_clear(&f);
	assert_int_equal(f.idle, 0);
	mem_fail_at(1);
	assert_null(freelist_get(&f));
}

int test_mem(void);
int test_mem(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_nth_allocation_fails_once),
		cmocka_unit_test(every_way_to_allocate_counts),
		cmocka_unit_test(slack), cmocka_unit_test(thread_cache),
		cmocka_unit_test(arena_pieces_are_aligned_and_apart),
		cmocka_unit_test(arena_takes_few_blocks),
		cmocka_unit_test(arena_survives_a_failed_allocation),
		cmocka_unit_test(freelist_keeps_some_blocks),
	};
	return cmocka_run_group_tests_name("mem", tests, NULL, NULL);
}
