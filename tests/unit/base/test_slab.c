/* test_slab.c: crowds of items come and go; their pages go with them. */
#include "mem.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum { ITEM = 500, CROWD = 3000 };

static void crowd_of(size_t size)
{
	static uint8_t *item[CROWD];
	struct slab s;

	slab_init(&s, size);
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < CROWD; i++) {
			item[i] = slab_get(&s);
			assert_non_null(item[i]);
			assert_int_equal((uintptr_t)item[i] % sizeof(uint64_t), 0);
			for (unsigned k = 0; k < size; k += 97)
				assert_int_equal(item[i][k], 0);
			memset(item[i], (int)(i & 0xff), size);
		}
		for (unsigned i = 0; i < CROWD; i += 2) { /* every second one leaves and another comes */
			assert_int_equal(item[i][size - 1], i & 0xff);
			slab_put(&s, item[i]);
		}
		for (unsigned i = 0; i < CROWD; i += 2) {
			item[i] = slab_get(&s);
			assert_int_equal(item[i][size - 1], 0);
		}
		for (unsigned i = 1; i < CROWD; i += 2)
			assert_int_equal(item[i][size - 1], i & 0xff);
		for (unsigned i = 0; i < CROWD; i++)
			slab_put(&s, item[(i * 7) % CROWD]);
		assert_null(s.open);
	}
}

static void a_crowd(void **state UNUSED)
{
	static const size_t sizes[] = {1, 24, 64, 65, ITEM};

	for (size_t i = 0; i < LEN(sizes); i++)
		crowd_of(sizes[i]);
}

static void no_memory(void **state UNUSED)
{
	struct slab s;
	void *p;

	slab_init(&s, ITEM);
	mem_fail_at(1);
	assert_null(slab_get(&s));
	mem_fail_at(0);
	p = slab_get(&s);
	assert_non_null(p);
	slab_put(&s, p);
	assert_null(s.open);
}

int test_slab(void);
int test_slab(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_crowd),
		cmocka_unit_test(no_memory),
	};
	return cmocka_run_group_tests_name("slab", tests, NULL, NULL);
}
