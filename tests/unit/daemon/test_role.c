/* test_role.c: the layouts: how many workers, which does what, where a backend lives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

#include "worker.h"

int test_role(void);

static const struct layout *layout(const char *name)
{
	const struct layout *l = layout_find(name);

	if (!l)
		fail_msg("no layout %s", name);
	assert_string_equal(layout_name(l), name);
	return l;
}

static void names(void **state)
{
	(void)state;
	layout("collapsed");
	layout("sharded");
	layout("split");
	assert_null(layout_find("heap"));
	assert_null(layout_find(""));
	assert_null(layout_find("Split"));
	assert_ptr_equal(layout_find(layout_name(layout_default())), layout_default());
	assert_false(layout_places(layout("collapsed")));
}

static void workers(void **state)
{
	unsigned cpus = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
	const struct {
		const char *name;
		unsigned asked;
		size_t servers;
		unsigned want;
	} rows[] = {
		{"collapsed", 0, 0, 1},
		{"collapsed", 8, 100, 1},
		{"sharded", 0, 0, cpus > 64 ? 64 : cpus},
		{"sharded", 1, 5, 1},
		{"sharded", 5, 0, 5},
		{"sharded", 64, 0, 64},
		{"sharded", 256, 0, 64},
		{"split", 0, 0, 3},
		{"split", 7, 1, 3},
		{"split", 0, 4, 6},
		{"split", 0, 14, 16},
		{"split", 0, 1000, 16},
	};

	(void)state;
	for (size_t i = 0; i < LEN(rows); i++)
		if (layout_workers(layout(rows[i].name), rows[i].asked, 0, rows[i].servers) != rows[i].want)
			fail_msg("row %zu: %u workers", i,
				layout_workers(layout(rows[i].name), rows[i].asked, 0, rows[i].servers));
	assert_int_equal(layout_workers(layout("sharded"), 0, 1, 1), 1);
	assert_int_equal(layout_workers(layout("sharded"), 3, 1, 1), 3);
}

static void roles(void **state)
{
	/* bit n: worker n has the role */
	static const struct {
		const char *name;
		unsigned udp, stream, back_udp, control;
	} rows[] = {
		{"collapsed", 1, 1, 1, 1},
		{"sharded", 15, 15, 15, 1},
		{"split", 1, 2, 12, 1},
	};

	(void)state;
	for (size_t i = 0; i < LEN(rows); i++) {
		const struct layout *l = layout(rows[i].name);

		for (unsigned w = 0; w < 4; w++) {
			assert_int_equal(layout_has(l, ROLE_UDP_IN, w), rows[i].udp >> w & 1);
			assert_int_equal(layout_has(l, ROLE_STREAM, w), rows[i].stream >> w & 1);
			assert_int_equal(layout_has(l, ROLE_BACK_UDP, w), rows[i].back_udp >> w & 1);
			assert_int_equal(layout_has(l, ROLE_CONTROL, w), rows[i].control >> w & 1);
		}
	}
}

/* A backend's home is a worker that has the role for it, and the same one for every asker where backs are placed. */
static void homes(void **state)
{
	const struct layout *split = layout("split"), *sharded = layout("sharded");

	(void)state;
	for (unsigned workers_ = 3; workers_ < 17; workers_++) {
		for (uint32_t index = 0; index < 40; index++) {
			unsigned home = layout_home(split, 0, workers_, index, false);

			assert_true(home < workers_ && layout_has(split, ROLE_BACK_UDP, home));
			assert_int_equal(layout_home(split, 1, workers_, index, false), home);
			home = layout_home(split, 0, workers_, index, true);
			assert_true(layout_has(split, ROLE_STREAM, home));
		}
		assert_int_not_equal(layout_home(split, 0, 5, 0, false), layout_home(split, 0, 5, 1, false));
		for (unsigned w = 0; w < workers_; w++) {
			assert_int_equal(layout_home(sharded, w, workers_, 7, false), w);
			assert_int_equal(layout_home(sharded, w, workers_, 7, true), 7 % workers_);
		}
	}
	assert_true(layout_places(split));
	assert_true(layout_places(sharded));
	assert_true(layout_small(layout("collapsed")));
	assert_false(layout_small(sharded));
}

int test_role(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names), cmocka_unit_test(workers), cmocka_unit_test(roles), cmocka_unit_test(homes)};

	return cmocka_run_group_tests_name("role", tests, NULL, NULL);
}
