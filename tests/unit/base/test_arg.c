/* test_arg.c: lenient readers of values from the configuration. */
#include "arg.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define STR(text) {.kind = ARG_STR, .s = {text, sizeof(text) - 1}}
#define NUM(x)    {.kind = ARG_NUM, .n = (x)}
#define BOOL(x)   {.kind = ARG_BOOL, .b = (x)}

static const struct arg nil = {.kind = ARG_NIL}, table = {.kind = ARG_TABLE};

static void numbers(void **state UNUSED)
{
	static const struct {
		struct arg a;
		double want; /* 77: the default */
	} t[] = {
		{NUM(1.5), 1.5}, {STR("12"), 12}, {STR("-0.5"), -0.5}, {STR("many"), 77}, {STR(""), 77},
		{STR("1\0002"), 77},
		{BOOL(true), 77}, {{.kind = ARG_NIL}, 77}, {{.kind = ARG_TABLE}, 77},
	};
	for (size_t i = 0; i < LEN(t); i++)
		assert_true(arg_num(&t[i].a, 77) == t[i].want);
	assert_true(arg_num(NULL, 77) == 77);
}

static void booleans(void **state UNUSED)
{
	static const struct {
		struct arg a;
		int want; /* -1: the default, whichever */
	} t[] = {
		{BOOL(true), 1}, {BOOL(false), 0}, {NUM(1), 1}, {NUM(0), 0}, {NUM(2), -1}, {NUM(0.5), -1},
		{NUM(-1), -1},
		{STR("true"), 1}, {STR("false"), 0}, {STR("yes"), 1}, {STR("no"), 0}, {STR("maybe"), -1}, {STR(""), -1},
		{STR("TRUE"), -1}, {{.kind = ARG_NIL}, -1}, {{.kind = ARG_TABLE}, -1},
	};
	for (size_t i = 0; i < LEN(t); i++) {
		assert_int_equal(arg_bool(&t[i].a, true), t[i].want < 0 ? 1 : t[i].want);
		assert_int_equal(arg_bool(&t[i].a, false), t[i].want < 0 ? 0 : t[i].want);
	}
	assert_true(arg_bool(NULL, true));
}

static void strings(void **state UNUSED)
{
	static const struct arg text = STR("text"), whole = NUM(53), part = NUM(0.25), yes = BOOL(true);
	assert_ptr_equal(arg_str(&text, NULL), text.s.p);
	const char *a = arg_str(&whole, NULL), *b = arg_str(&part, NULL);
	assert_string_equal(a, "53");
	assert_string_equal(b, "0.25");
	assert_string_equal(arg_str(&nil, "d"), "d");
	assert_string_equal(arg_str(&yes, "d"), "d");
	assert_null(arg_str(NULL, NULL));
}

static void objects(void **state UNUSED)
{
	int thing;
	struct arg a = {.kind = ARG_OBJ, .o = {OBJ_SERVER, &thing}};
	assert_ptr_equal(arg_obj(&a, OBJ_SERVER), &thing);
	assert_null(arg_obj(&a, OBJ_POOL));
	assert_null(arg_obj(&nil, OBJ_SERVER));
	assert_null(arg_obj(NULL, OBJ_SERVER));
}

static void tables(void **state UNUSED)
{
	static const struct arg_pair pairs[] = {{"a", NUM(1)}, {"b", {.kind = ARG_NIL}}, {"c", STR("x")}};
	struct arg t = {.kind = ARG_TABLE, .t = {.pair = pairs, .pairs = LEN(pairs)}};
	assert_ptr_equal(arg_get(&t, "a"), &pairs[0].value);
	assert_ptr_equal(arg_get(&t, "c"), &pairs[2].value);
	assert_null(arg_get(&t, "b"));
	assert_null(arg_get(&t, "d"));
	assert_null(arg_get(&table, "a"));
	assert_null(arg_get(&nil, "a"));
	assert_false(arg_given(&nil));
	assert_true(arg_given(&t));
}

static void names_of_kinds(void **state UNUSED)
{
	static const struct {
		struct arg a;
		const char *want;
	} t[] = {
		{NUM(1), "a number"}, {STR("1"), "a string"}, {BOOL(true), "a boolean"}, {{.kind = ARG_NIL}, "nil"},
		{{.kind = ARG_TABLE}, "a table"}, {{.kind = ARG_OBJ, .o = {OBJ_ACTION, NULL}}, "an action"},
	};
	for (size_t i = 0; i < LEN(t); i++)
		assert_string_equal(arg_kind_name(&t[i].a), t[i].want);
	assert_string_equal(arg_kind_name(NULL), "nil");
}

int test_arg(void);
int test_arg(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers),
		cmocka_unit_test(booleans),
		cmocka_unit_test(strings),
		cmocka_unit_test(objects),
		cmocka_unit_test(tables),
		cmocka_unit_test(names_of_kinds),
	};
	return cmocka_run_group_tests_name("arg", tests, NULL, NULL);
}
