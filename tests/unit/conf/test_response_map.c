/* test_response_map.c: static answers of DoH listeners, chosen by the path. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "conf.h"
#include "mem.h"

int test_response_map(void);

static char *names[] = {(char[]){"x-one"}}, *values[] = {(char[]){"1"}};
static struct doh_entry rows[] = {
	{.regex = (char[]){"^/$"}, .status = 307, .content = (char[]){"https://www.example.org/"}},
	{.regex = (char[]){"^/help"}, .status = 200, .content = (char[]){"help"}, .names = {names, 1}, .values = {values, 1}},
	{.regex = (char[]){"e"}, .status = 404, .content = (char[]){""}},
};

static void first_match_wins(void **state)
{
	static const struct {
		const char *path;
		unsigned status; /* 0: none */
	} cases[] = {{"/", 307}, {"/help", 200}, {"/HELP/me", 200}, {"/else", 404}, {"/a", 0}, {"", 0}};
	struct doh_map *m = doh_map_new(), *other;
	const char *error = "";

	(void)state;
	assert_non_null(m);
	assert_null(doh_map_find(m, "/"));
	for (size_t i = 0; i < LEN(rows); i++)
		assert_int_equal(doh_map_add(m, &rows[i], &error), 0);
	other = doh_map_ref(m);
	doh_map_free(&m);
	assert_null(m);
	for (size_t i = 0; i < LEN(cases); i++) {
		const struct doh_entry *e = doh_map_find(other, cases[i].path);

		if ((e ? e->status : 0) != cases[i].status)
			fail_msg("%s: %u", cases[i].path, e ? e->status : 0);
	}
	assert_string_equal(doh_map_find(other, "/help")->values.v[0], "1");
	assert_string_equal(doh_map_nth(other, 2)->regex, "e");
	assert_null(doh_map_nth(other, 3));
	doh_map_free(&other);
}

static void bad_expressions(void **state)
{
	struct doh_entry bad = {.regex = (char[]){"(["}, .status = 200, .content = (char[]){""}};
	struct doh_map *m = doh_map_new();
	const char *error = "";

	(void)state;
	assert_int_equal(doh_map_add(m, &bad, &error), -EINVAL);
	assert_int_equal(strncmp(error, "'([': ", 6), 0);
	assert_null(doh_map_nth(m, 0));
	doh_map_free(&m);
}

static void memory_runs_out(void **state)
{
	(void)state;
	for (unsigned long n = 1;; n++) {
		const char *error = "";
		struct doh_map *m;
		int rc = -EINVAL;

		mem_fail_at(n);
		m = doh_map_new();
		if (m)
			rc = doh_map_add(m, &rows[1], &error);
		mem_fail_at(0);
		if (m && rc < 0)
			assert_string_equal(error, "out of memory");
		if (m)
			doh_map_free(&m);
		if (rc == 0)
			break;
	}
}

int test_response_map(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(first_match_wins), cmocka_unit_test(bad_expressions),
		cmocka_unit_test(memory_runs_out)};

	return cmocka_run_group_tests_name("response_map", tests, NULL, NULL);
}
