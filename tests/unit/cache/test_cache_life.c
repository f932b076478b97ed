/* test_cache_life.c: the wheel of ends. */
#include "cache_priv.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

int test_cache_life(void);

struct thing {
	struct link link;
	uint32_t end_s;
	bool gone;
};

static struct thing *first(struct life *l)
{
	struct link *link = life_first(l);

	return link == NULL ? NULL : container_of(link, struct thing, link);
}

static void near_ends_in_exact_order(void **state UNUSED)
{
	struct thing t[15];
	struct life l;

	life_init(&l);
	life_advance(&l, 1000);
	assert_null(life_first(&l));
	for (unsigned i = 0; i < LEN(t); i++) {
		t[i].end_s = 1001 + i * 7 % 15;
		life_add(&l, &t[i].link, t[i].end_s);
	}
	for (uint32_t s = 1001; s < 1016; s++) {
		struct thing *x = first(&l);

		assert_int_equal(x->end_s, s);
		life_del(&x->link);
	}
	assert_null(life_first(&l));
}

static void far_ends_in_coarse_order(void **state UNUSED)
{
	static const uint32_t ends[] = {86400 * 30, 20, 86400, 5, 3600, 300, 60, 86400 * 7, 1800};
	struct thing t[LEN(ends)];
	struct life l;
	uint32_t last = 0;

	life_init(&l);
	for (unsigned i = 0; i < LEN(ends); i++) {
		t[i].end_s = ends[i];
		life_add(&l, &t[i].link, ends[i]);
	}
	for (unsigned i = 0; i < LEN(ends); i++) {
		struct thing *x = first(&l);

		assert_true(x->end_s > last);
		last = x->end_s;
		life_del(&x->link);
	}
	assert_null(life_first(&l));
}

static void time_passes(void **state UNUSED)
{
	struct thing a = {.end_s = 100}, b = {.end_s = 5000}, c = {.end_s = 110};
	struct life l;

	life_init(&l);
	life_add(&l, &a.link, a.end_s);
	life_add(&l, &b.link, b.end_s);
	life_advance(&l, 109);
	life_advance(&l, 50); /* backwards: nothing */
	assert_int_equal(l.now_s, 109);
	life_add(&l, &c.link, c.end_s);
	assert_ptr_equal(first(&l), &a); /* past its end */
	life_del(&a.link);
	life_add(&l, &a.link, 109);
	assert_ptr_equal(l.over.next, &a.link); /* just ended */
	life_del(&a.link);
	assert_ptr_equal(first(&l), &c);
	life_del(&c.link);
	assert_ptr_equal(first(&l), &b);
	life_advance(&l, 4000000000u);
	assert_ptr_equal(first(&l), &b);
}

static struct life *due_life;
static unsigned due_kept, due_gone;

static void due(void *ctx, struct link *link)
{
	struct thing *t = container_of(link, struct thing, link);
	uint32_t now = *(uint32_t *)ctx;

	if (t->end_s > now) {
		due_kept++;
		life_add(due_life, link, t->end_s);
	} else {
		due_gone++;
		t->gone = true;
	}
}

static void all_that_ended_is_due(void **state UNUSED)
{
	static struct thing t[2000];
	struct life l;
	uint32_t now = 0;

	life_init(&l);
	for (unsigned i = 0; i < LEN(t); i++) {
		t[i] = (struct thing){.end_s = 1 + i * i % 400000};
		life_add(&l, &t[i].link, t[i].end_s);
	}
	due_life = &l;
	due_gone = 0;
	for (; now < 400000; now += 1 + now / 3) {
		life_advance(&l, now);
		life_due(&l, due, &now);
		for (unsigned i = 0; i < LEN(t); i++)
			assert_int_equal(t[i].gone, t[i].end_s <= now);
	}
	now = 400000;
	life_advance(&l, now);
	life_due(&l, due, &now);
	assert_int_equal(due_gone, LEN(t));
	assert_null(life_first(&l));
}

static void beyond_the_wheel(void **state UNUSED)
{
	struct thing t = {.end_s = 3000000000u};
	uint32_t now = 2999999999u;
	struct life l;

	life_init(&l);
	life_add(&l, &t.link, t.end_s);
	due_life = &l;
	due_kept = due_gone = 0;
	life_advance(&l, now); /* the slot it was squeezed into is long past */
	life_due(&l, due, &now);
	assert_int_equal(due_kept, 1);
	now++;
	life_advance(&l, now);
	life_due(&l, due, &now);
	assert_int_equal(due_gone, 1);
}

int test_cache_life(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(near_ends_in_exact_order),
		cmocka_unit_test(far_ends_in_coarse_order),
		cmocka_unit_test(time_passes),
		cmocka_unit_test(all_that_ended_is_due),
		cmocka_unit_test(beyond_the_wheel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
