/* test_field.c: the table engine: values, ranges, error sentences, defaults, copies, memory. */
#include "arg.h"
#include "mem.h"
#include "text.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>

#define STR(text) {.kind = ARG_STR, .s = {text, sizeof(text) - 1}}
#define NUM(x)    {.kind = ARG_NUM, .n = (x)}
#define BOOL(x)   {.kind = ARG_BOOL, .b = (x)}
#define NIL       {.kind = ARG_NIL}

struct thing {
	bool flag;
	uint32_t weight, any, port;
	double share, free;
	char *name, *note;
	struct field_list pools;
	int custom;
};

static int take_custom(void *object, const struct arg *a, const char **error_r)
{
	struct thing *t = object;
	if (a->kind != ARG_NUM)
		return error_set(error_r, "custom: refused");
	t->custom = (int)a->n;
	return 0;
}

#define AT(member) offsetof(struct thing, member)
enum { FLAG, WEIGHT, ANY, PORT, SHARE, FREE, NAME, ALIAS, NOTE, POOLS, POOL, CUSTOM, IGNORED, LATER, SOON, COUNT };
static const struct field fields[COUNT] = {
	[FLAG] = {.name = "flag", .type = FIELD_BOOL, .offset = AT(flag), .absent = "true", .doc = "A flag."},
	[WEIGHT] = {.name = "weight", .type = FIELD_U32, .offset = AT(weight), .min = 1, .max = 65535, .absent = "1", .doc = "A weight."},
	[ANY] = {.name = "any", .type = FIELD_U32, .offset = AT(any)},
	[PORT] = {.name = "wait", .type = FIELD_U32, .offset = AT(port), .min = 10, .max = UINT32_MAX, .absent = "0", .unit = "ms"},
	[SHARE] = {.name = "share", .type = FIELD_DOUBLE, .offset = AT(share), .max = 2, .absent = "0.5"},
	[FREE] = {.name = "free", .type = FIELD_DOUBLE, .offset = AT(free), .unit = "s"},
	[NAME] = {.name = "name", .type = FIELD_STR, .offset = AT(name), .absent = "nobody"},
	[ALIAS] = {.name = "alias", .type = FIELD_STR, .offset = AT(name), .absent = "unused"},
	[NOTE] = {.name = "note", .type = FIELD_STR, .offset = AT(note)},
	[POOLS] = {.name = "pools", .type = FIELD_LIST, .offset = AT(pools), .absent = "one"},
	[POOL] = {.name = "pool", .type = FIELD_LIST, .offset = AT(pools)},
	[CUSTOM] = {.name = "custom", .type = FIELD_OBJ, .custom = take_custom},
	[IGNORED] = {.name = "ignored", .type = FIELD_ACCEPT, .doc = "Means nothing here."},
	[LATER] = {.name = "later", .type = FIELD_ABSENT, .doc = "It would do much."},
	[SOON] = {.name = "soon", .type = FIELD_ABSENT, .min = 1},
};

static void done(struct thing *t)
{
	fields_free(fields, COUNT, t);
	assert_null(t->name);
	assert_null(t->pools.v);
	fields_free(fields, COUNT, t);
}

static struct thing fresh(void)
{
	struct thing t;
	memset(&t, 0xee, sizeof(t));
	assert_int_equal(field_defaults(fields, COUNT, &t), 0);
	return t;
}

static void defaults(void **state UNUSED)
{
	struct thing t = fresh();
	assert_true(t.flag && t.weight == 1 && t.any == 0 && t.port == 0 && t.share == 0.5 && t.free == 0);
	assert_string_equal(t.name, "nobody"); /* the first of two names decides */
	assert_null(t.note);
	assert_int_equal(t.pools.n, 1);
	assert_string_equal(t.pools.v[0], "one");
	done(&t);
}

static void finding(void **state UNUSED)
{
	assert_ptr_equal(field_find(fields, COUNT, "share"), &fields[SHARE]);
	assert_null(field_find(fields, COUNT, "Share"));
	assert_null(field_find(fields, SHARE, "share"));
}

static void values_that_are_refused(void **state UNUSED)
{
	static const struct arg_pair key[] = {{"k", NUM(1)}};
	static const struct arg list[] = {STR("ok"), BOOL(true)};
	static const struct {
		int field;
		struct arg a;
		const char *error;
	} t[] = {
		{FLAG, STR("maybe"), "flag: expected true or false, got 'maybe'"},
		{FLAG, NUM(2), "flag: expected true or false, got 2"},
		{FLAG, NIL, "flag: expected true or false, got nil"},
		{WEIGHT, STR("many"), "weight: expected a whole number from 1 to 65535, got 'many'"},
		{WEIGHT, NUM(0), "weight: expected a whole number from 1 to 65535, got 0"},
		{WEIGHT, NUM(65536), "weight: expected a whole number from 1 to 65535, got 65536"},
		{WEIGHT, NUM(1.5), "weight: expected a whole number from 1 to 65535, got 1.5"},
		{WEIGHT, BOOL(true), "weight: expected a whole number from 1 to 65535, got true"},
		{WEIGHT, {.kind = ARG_OBJ, .o = {OBJ_POOL, NULL}},
			"weight: expected a whole number from 1 to 65535, got a pool"},
		{ANY, NUM(-1), "any: expected a whole number from 0 to 4294967295, got -1"},
		{ANY, NUM(4294967296.0), "any: expected a whole number from 0 to 4294967295, got 4294967296"},
		{ANY, NUM(0.0 / 0.0), NULL},
		{PORT, NUM(9), "wait: expected a whole number from 10 to 4294967295 ms, got 9"},
		{SHARE, NUM(2.1), "share: expected a number from 0 to 2, got 2.1"},
		{SHARE, NUM(0.0 / 0.0), NULL},
		{FREE, STR("x"), "free: expected a number in s, got 'x'"},
		{FREE, NUM(1.0 / 0.0), NULL},
		{NAME, BOOL(true), "name: expected a string, got true"},
		{NAME, {.kind = ARG_TABLE}, "name: expected a string, got a table"},
		{NAME, STR("a\0b"), "name: expected a string without NUL bytes, got 'a'"},
		{POOLS, BOOL(false), "pools: expected a string or a list of strings, got false"},
		{POOLS, {.kind = ARG_TABLE, .t = {.v = list, .n = 2}},
			"pools: expected a string or a list of strings, got true"},
		{POOLS, {.kind = ARG_TABLE, .t = {.pair = key, .pairs = 1}},
			"pools: expected a string or a list of strings, got a table with the key 'k'"},
		{CUSTOM, BOOL(true), "custom: refused"},
		{LATER, BOOL(true), "later: not supported yet. It would do much."},
	};
	struct thing o = fresh();
	for (size_t i = 0; i < LEN(t); i++) {
		const char *error = NULL;
		assert_int_equal(field_set(&fields[t[i].field], &o, &t[i].a, &error), -EINVAL);
		assert_non_null(error);
		if (t[i].error != NULL)
			assert_string_equal(error, t[i].error);
	}
	assert_true(o.flag && o.weight == 1 && o.any == 0 && o.port == 0 && o.share == 0.5 && o.free == 0);
	assert_string_equal(o.name, "nobody");
	assert_int_equal(o.pools.n, 1);
	done(&o);
}

static void values_that_are_taken(void **state UNUSED)
{
	static const struct arg list[] = {STR("a"), NUM(5), STR("")};
	static const struct arg_pair pairs[] = {
		{"alias", STR("other")}, {"any", STR("4294967295")}, {"custom", NUM(9)}, {"flag", STR("no")},
		{"free", NUM(-3)}, {"ignored", {.kind = ARG_TABLE}}, {"note", NUM(7)},
		{"pools", {.kind = ARG_TABLE, .t = {.v = list, .n = 3}}}, {"share", STR("1.5")}, {"wait", NUM(10)},
		{"weight", NIL},
	};
	struct arg table = {.kind = ARG_TABLE, .t = {.pair = pairs, .pairs = LEN(pairs)}};
	struct thing t = fresh();
	const char *error = NULL;
	assert_int_equal(fields_apply(fields, COUNT, &t, &table, NULL, NULL, &error), 0);
	assert_null(error);
	assert_true(!t.flag && t.any == UINT32_MAX && t.share == 1.5 && t.free == -3 && t.port == 10 && t.weight == 1);
	assert_string_equal(t.name, "other");
	assert_string_equal(t.note, "7");
	assert_int_equal(t.custom, 9);
	assert_int_equal(t.pools.n, 3);
	assert_string_equal(t.pools.v[0], "a");
	assert_string_equal(t.pools.v[1], "5");
	assert_string_equal(t.pools.v[2], "");
	struct arg empty = {.kind = ARG_TABLE};
	assert_int_equal(field_set(&fields[POOL], &t, &empty, &error), 0);
	assert_int_equal(t.pools.n, 0);
	done(&t);
}

static void remember(void *ctx, const char *key, const char *near)
{
	text_addf(ctx, near ? "%s(%s) " : "%s ", key, near);
}

static void unknown_keys_are_reported(void **state UNUSED)
{
	static const struct arg_pair pairs[] = {
		{"colour", STR("red")}, {"nothing", NIL}, {"soon", BOOL(true)}, {"weight", NUM(3)}, {"wieght", NUM(1)}};
	static const struct arg_pair wrong[] = {{"flag", BOOL(false)}, {"later", NUM(1)}, {"weight", NUM(4)}};
	struct arg table = {.kind = ARG_TABLE, .t = {.pair = pairs, .pairs = LEN(pairs)}}, nil = NIL, five = NUM(5);
	struct thing t = fresh();
	struct text heard = {0};
	const char *error = NULL;
	assert_int_equal(fields_apply(fields, COUNT, &t, &table, remember, &heard, &error), 0);
	assert_string_equal(text_str(&heard), "colour soon wieght(weight) ");
	assert_int_equal(t.weight, 3);
	assert_int_equal(fields_apply(fields, COUNT, &t, &table, NULL, NULL, &error), 0);
	assert_int_equal(fields_apply(fields, COUNT, &t, &nil, NULL, NULL, &error), 0);
	assert_int_equal(fields_apply(fields, COUNT, &t, NULL, NULL, NULL, &error), 0);
	assert_int_equal(fields_apply(fields, COUNT, &t, &five, NULL, NULL, &error), -EINVAL);
	assert_string_equal(error, "expected a table of options, got a number");
	table.t.pair = wrong;
	table.t.pairs = LEN(wrong);
	assert_int_equal(fields_apply(fields, COUNT, &t, &table, NULL, NULL, &error), -EINVAL);
	assert_string_equal(error, "later: not supported yet. It would do much.");
	text_free(&heard);
	done(&t);
}

static void long_strings_are_cut_in_messages(void **state UNUSED)
{
	char big[500];
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	struct arg a = {.kind = ARG_STR, .s = {big, sizeof(big) - 1}};
	struct thing t = fresh();
	const char *error = NULL;
	assert_int_equal(field_set(&fields[WEIGHT], &t, &a, &error), -EINVAL);
	assert_non_null(error);
	assert_true(strlen(error) < 200);
	assert_string_equal(error + strlen(error) - 6, "xx\xe2\x80\xa6'");
	done(&t);
}

static void copies(void **state UNUSED)
{
	struct thing a = fresh(), b;
	struct arg note = STR("noted");
	const char *error;
	assert_int_equal(field_set(&fields[NOTE], &a, &note, &error), 0);
	a.weight = 7;
	a.share = 1.25;
	a.flag = false;
	memset(&b, 0xee, sizeof(b));
	assert_int_equal(fields_copy(fields, COUNT, &b, &a), 0);
	assert_true(b.weight == 7 && b.share == 1.25 && !b.flag);
	assert_string_equal(b.name, "nobody");
	assert_string_equal(b.note, "noted");
	assert_true(b.name != a.name && b.pools.v != a.pools.v);
	done(&a);
	assert_int_equal(b.pools.n, 1);
	assert_string_equal(b.pools.v[0], "one");
	done(&b);
}

static void comparison(void **state UNUSED)
{
	struct arg five = NUM(5), text = STR("else"), off = BOOL(false);
	struct thing a = fresh(), b = fresh();
	const char *error = NULL;
	for (size_t i = 0; i < COUNT; i++)
		assert_true(field_same(&fields[i], &a, &b));
	assert_int_equal(field_set(&fields[WEIGHT], &b, &five, &error), 0);
	assert_int_equal(field_set(&fields[NOTE], &b, &text, &error), 0);
	assert_int_equal(field_set(&fields[POOLS], &b, &text, &error), 0);
	assert_int_equal(field_set(&fields[FLAG], &b, &off, &error), 0);
	b.free = 0.5;
	for (size_t i = 0; i < COUNT; i++)
		assert_int_equal(field_same(&fields[i], &a, &b),
			i != WEIGHT && i != NOTE && i != POOLS && i != POOL && i != FLAG && i != FREE);
	done(&a);
	done(&b);
}

static void no_memory(void **state UNUSED)
{
	static const struct arg list[] = {STR("a"), STR("b")};
	struct arg two = {.kind = ARG_TABLE, .t = {.v = list, .n = 2}}, name = STR("new");
	struct thing t, copy;
	const char *error = NULL;
	for (unsigned at = 1; at <= 3; at++) { /* name, list, its string */
		memset(&t, 0xee, sizeof(t));
		mem_fail_at(at);
		assert_int_equal(field_defaults(fields, COUNT, &t), -ENOMEM);
		assert_true(t.name == NULL && t.note == NULL && t.pools.v == NULL);
	}
	t = fresh();
	for (unsigned at = 1; at <= 3; at++) {
		mem_fail_at(at);
		assert_int_equal(fields_copy(fields, COUNT, &copy, &t), -ENOMEM);
		assert_true(copy.name == NULL && copy.note == NULL && copy.pools.v == NULL);
		mem_fail_at(at);
		assert_int_equal(field_set(&fields[POOLS], &t, &two, &error), -ENOMEM);
		assert_string_equal(error, "pools: out of memory");
	}
	mem_fail_at(1);
	assert_int_equal(field_set(&fields[NAME], &t, &name, &error), -ENOMEM);
	assert_string_equal(t.name, "nobody");
	assert_int_equal(t.pools.n, 1);
	done(&t);
}

int test_field(void);
int test_field(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults),
		cmocka_unit_test(finding),
		cmocka_unit_test(values_that_are_refused),
		cmocka_unit_test(values_that_are_taken),
		cmocka_unit_test(unknown_keys_are_reported),
		cmocka_unit_test(long_strings_are_cut_in_messages),
		cmocka_unit_test(copies),
		cmocka_unit_test(comparison),
		cmocka_unit_test(no_memory),
	};
	return cmocka_run_group_tests_name("field", tests, NULL, NULL);
}
