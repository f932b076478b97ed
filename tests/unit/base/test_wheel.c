/* test_wheel.c: deadlines against a plain array, jumps of time, and what a fire() may do. */
#include "map.h"
#include "hash.h"
#include "mem.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

struct timer {
	struct wheel_node node;
	uint64_t fired_ms; /* 0: not yet */
	unsigned fired;
	struct wheel *wheel;
	struct timer *other;
	uint64_t again_ms;
};

static struct timer *timer_of(struct wheel_node *n)
{
	return container_of(n, struct timer, node);
}

static void note(struct wheel_node *n, uint64_t now_ms)
{
	assert_false(wheel_armed(n));
	timer_of(n)->fired_ms = now_ms;
	timer_of(n)->fired++;
}

static uint64_t due_ms(uint64_t at_ms)
{
	return (at_ms + WHEEL_TICK_MS - 1) / WHEEL_TICK_MS * WHEEL_TICK_MS;
}

static void fires_at_its_deadline(void **state UNUSED)
{
	static const uint64_t deadlines[] = {1001, 1007, 1008, 1009, 1016, 2000, 9191, 9192, 9200, 20000, 50000000};
	struct wheel w;
	for (size_t i = 0; i < LEN(deadlines); i++) {
		struct timer t = {.node.fire = note};
		wheel_init(&w, 1000);
		assert_true(wheel_next(&w, 1000) == -1);
		wheel_arm(&w, &t.node, deadlines[i]);
		assert_true(wheel_armed(&t.node));
		assert_int_equal(w.count, 1);
		uint64_t now = 1000;
		for (unsigned turns = 0; t.fired == 0; turns++) {
			int64_t wait = wheel_next(&w, now);
			assert_true(wait >= 0 && wait <= (WHEEL_SLOTS + 1) * WHEEL_TICK_MS);
			assert_true(turns < 7000);
			now += (uint64_t)wait;
			assert_true(now <= due_ms(deadlines[i]));
			if (wait > 0)
				assert_int_equal(wheel_run(&w, now - 1), 0);
			wheel_run(&w, now);
		}
		assert_true(t.fired_ms == due_ms(deadlines[i]));
		assert_int_equal(w.count, 0);
		assert_true(wheel_next(&w, now) == -1);
	}
}

static void same_as_an_array(void **state UNUSED)
{
	enum { N = 200 };
	static struct wheel w;
	static struct timer t[N];
	uint64_t want[N] = {0}, now = 123457;
	struct rng r;
	rng_seed(&r, 11);
	memset(t, 0, sizeof(t));
	wheel_init(&w, now);
	for (unsigned step = 0; step < 4000; step++) {
		unsigned i = rng_below(&r, N);
		t[i].node.fire = note;
		if (rng_below(&r, 4) == 0) {
			wheel_disarm(&w, &t[i].node);
			want[i] = 0;
		} else {
			uint64_t at = now + rng_below(&r, rng_below(&r, 3) == 0 ? 60000 : 300);
			uint64_t next = (now / WHEEL_TICK_MS + 1) * WHEEL_TICK_MS;
			wheel_arm(&w, &t[i].node, at);
			want[i] = due_ms(at) > next ? due_ms(at) : next;
		}
		int64_t wait = wheel_next(&w, now);
		size_t armed = 0, due = 0;
		now += rng_below(&r, rng_below(&r, 100) == 0 ? 40000 : 12);
		for (i = 0; i < N; i++) {
			armed += want[i] != 0;
			if (want[i] != 0)
				assert_true(wait >= 0 && (uint64_t)wait <= want[i]);
			due += want[i] != 0 && want[i] <= now;
			t[i].fired_ms = 0;
		}
		assert_int_equal(w.count, armed);
		assert_int_equal(wheel_run(&w, now), due);
		for (i = 0; i < N; i++) {
			bool is_due = want[i] != 0 && want[i] <= now;
			assert_true(t[i].fired_ms == (is_due ? now : 0));
			if (is_due)
				want[i] = 0;
			assert_int_equal(wheel_armed(&t[i].node), want[i] != 0);
		}
	}
}

static void a_jump_of_hours_fires_all_in_one_turn(void **state UNUSED)
{
	struct wheel w;
	struct timer t[3] = {{.node.fire = note}, {.node.fire = note}, {.node.fire = note}};
	wheel_init(&w, 0);
	wheel_arm(&w, &t[0].node, 10);
	wheel_arm(&w, &t[1].node, 3600000);
	wheel_arm(&w, &t[2].node, UINT64_C(1) << 50);
	assert_int_equal(wheel_run(&w, UINT64_C(1) << 45), 2); /* would never end tick by tick */
	assert_true(wheel_armed(&t[2].node));
	assert_int_equal(wheel_run(&w, 5), 0); /* time that goes back does nothing */
	assert_int_equal(wheel_run(&w, UINT64_C(1) << 51), 1);
	for (uint64_t tick = 1; tick <= WHEEL_SLOTS + 1; tick++) { /* each slot of a jump of about a turn */
		wheel_init(&w, 0);
		wheel_arm(&w, &t[0].node, tick * WHEEL_TICK_MS);
		assert_int_equal(wheel_run(&w, (tick - 1) * WHEEL_TICK_MS), 0);
		wheel_disarm(&w, &t[0].node);
		wheel_init(&w, 0);
		wheel_arm(&w, &t[0].node, tick * WHEEL_TICK_MS);
		assert_int_equal(wheel_run(&w, tick * WHEEL_TICK_MS), 1);
	}
}

static void past_and_endless_deadlines(void **state UNUSED)
{
	struct wheel w;
	struct timer t = {.node.fire = note}, never = {.node.fire = note};
	wheel_init(&w, 5000);
	wheel_arm(&w, &t.node, 10);
	wheel_arm(&w, &never.node, UINT64_MAX);
	assert_true(wheel_next(&w, 5000) == WHEEL_TICK_MS);
	assert_true(wheel_next(&w, 5007) == 1);
	assert_true(wheel_next(&w, 5008) == 0);
	assert_true(wheel_next(&w, 9000) == 0);
	assert_int_equal(wheel_run(&w, 5000 + WHEEL_TICK_MS), 1);
	assert_int_equal(wheel_run(&w, UINT64_C(1) << 60), 0);
	wheel_disarm(&w, &never.node);
	wheel_disarm(&w, &never.node);
	assert_int_equal(w.count, 0);
}

static void fire_again(struct wheel_node *n, uint64_t now_ms)
{
	struct timer *t = timer_of(n);
	t->fired++;
	wheel_arm(t->wheel, n, now_ms + t->again_ms);
}

static void a_node_may_arm_itself(void **state UNUSED)
{
	static const uint64_t again[] = {0, 1, 8, WHEEL_SLOTS * WHEEL_TICK_MS, 2 * WHEEL_SLOTS * WHEEL_TICK_MS};
	for (size_t i = 0; i < LEN(again); i++) {
		struct wheel w;
		struct timer t = {.node.fire = fire_again, .wheel = &w, .again_ms = again[i]};
		wheel_init(&w, 0);
		wheel_arm(&w, &t.node, 8);
		for (unsigned n = 1; n < 5; n++) {
			assert_int_equal(wheel_run(&w, n * 100000), 1); /* once per run, even with no delay */
			assert_int_equal(t.fired, n);
			assert_int_equal(w.count, 1);
		}
	}
}

static void fire_and_free_both(struct wheel_node *n, uint64_t now_ms UNUSED)
{
	struct timer *t = timer_of(n);
	if (t->other != NULL) {
		wheel_disarm(t->wheel, &t->other->node);
		mem_free(t->other);
	}
	mem_free(t);
}

static void a_fire_may_free_itself_and_others(void **state UNUSED)
{
	static const uint64_t first[] = {8, 8, 8}, second[] = {8, 16, 8 + WHEEL_SLOTS * WHEEL_TICK_MS};
	for (size_t i = 0; i < LEN(first); i++) {
		struct wheel w;
		struct timer *a = mem_zalloc(sizeof(*a)), *b = mem_zalloc(sizeof(*b)), last = {.node.fire = note};
		a->node.fire = b->node.fire = fire_and_free_both;
		a->wheel = &w;
		a->other = b;
		wheel_init(&w, 0);
		wheel_arm(&w, &a->node, first[i]);
		wheel_arm(&w, &b->node, second[i]);
		wheel_arm(&w, &last.node, 8);
		assert_int_equal(wheel_run(&w, 100), 2);
		assert_int_equal(last.fired, 1);
		assert_int_equal(w.count, 0);
		assert_true(wheel_next(&w, 100) == -1);
	}
}

static void fire_and_move(struct wheel_node *n, uint64_t now_ms)
{
	struct timer *t = timer_of(n);
	t->fired++;
	wheel_arm(t->wheel, &t->other->node, now_ms + 8);
}

static void a_fire_may_postpone_one_that_is_due(void **state UNUSED)
{
	struct wheel w;
	struct timer b = {.node.fire = note}, a = {.node.fire = fire_and_move, .wheel = &w, .other = &b};
	wheel_init(&w, 0);
	wheel_arm(&w, &a.node, 8);
	wheel_arm(&w, &b.node, 8);
	assert_int_equal(wheel_run(&w, 8), 1);
	assert_true(wheel_armed(&b.node) && b.fired == 0);
	assert_int_equal(wheel_run(&w, 16), 1);
	assert_int_equal(b.fired, 1);
}

int test_wheel(void);
int test_wheel(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fires_at_its_deadline),
		cmocka_unit_test(same_as_an_array),
		cmocka_unit_test(a_jump_of_hours_fires_all_in_one_turn),
		cmocka_unit_test(past_and_endless_deadlines),
		cmocka_unit_test(a_node_may_arm_itself),
		cmocka_unit_test(a_fire_may_free_itself_and_others),
		cmocka_unit_test(a_fire_may_postpone_one_that_is_due),
	};
	return cmocka_run_group_tests_name("wheel", tests, NULL, NULL);
}
