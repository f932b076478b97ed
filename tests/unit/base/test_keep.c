/* test_keep.c: small things of any size, from any thread. */
#include "mem.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum { CROWD = 500, SIZES = 1100 };

static size_t size_of(unsigned i)
{
	return i * 37 % SIZES; /* 0 and larger than what is kept together among them */
}

static bool holds(const uint8_t *p, size_t len, uint8_t byte)
{
	for (size_t i = 0; i < len; i++)
		if (p[i] != byte)
			return false;
	return true;
}

static void *come_and_go(void *ok)
{
	uint8_t *item[CROWD];

	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < CROWD; i++) {
			item[i] = mem_keep(size_of(i));
			if (!item[i] || !holds(item[i], size_of(i), 0))
				return NULL;
			memset(item[i], (int)(i & 0xff), size_of(i));
		}
		for (unsigned k = 0; k < CROWD; k++) {
			unsigned i = k * 7 % CROWD;

			if (!holds(item[i], size_of(i), (uint8_t)i))
				return NULL;
			mem_unkeep(item[i], size_of(i));
		}
	}
	return ok;
}

static void every_size(void **state UNUSED)
{
	int ok;

	assert_ptr_equal(come_and_go(&ok), &ok);
	mem_unkeep(NULL, 10);
	mem_unkeep(NULL, SIZES * 2);
}

static void every_thread(void **state UNUSED)
{
	pthread_t thread[3];
	void *got;
	int ok;

	for (size_t i = 0; i < LEN(thread); i++)
		assert_int_equal(pthread_create(&thread[i], NULL, come_and_go, &ok), 0);
	for (size_t i = 0; i < LEN(thread); i++) {
		pthread_join(thread[i], &got);
		assert_ptr_equal(got, &ok);
	}
}

/* Two that were made one after the other lie side by side, whatever was made in between. */
static void together(void **state UNUSED)
{
#ifndef ARENA_EMULATE
	char *a = mem_keep(100), *between = mem_alloc(100), *b = mem_keep(100);
	ptrdiff_t apart = b - a;

	assert_true(apart > -300 && apart < 300);
	mem_unkeep(a, 100);
	mem_unkeep(b, 100);
	mem_free(between);
#endif
}

static void no_memory(void **state UNUSED)
{
	static const size_t sizes[] = {1, 700, 5000};

	for (size_t i = 0; i < LEN(sizes); i++) {
		void *p;

		mem_fail_at(1);
		assert_null(mem_keep(sizes[i]));
		mem_fail_at(0);
		p = mem_keep(sizes[i]);
		assert_non_null(p);
		mem_unkeep(p, sizes[i]);
	}
}

int test_keep(void);
int test_keep(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_size),
		cmocka_unit_test(every_thread),
		cmocka_unit_test(together),
		cmocka_unit_test(no_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
