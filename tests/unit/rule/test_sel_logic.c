/* test_sel_logic.c: combinations of selectors, chance, rules from strings. */
#include "fixture.h"
#include <strings.h>

int test_sel_logic(void);

static const struct arg none[ARGS];

/* A list of AllRule ('1') and NotRule(AllRule) ('0'). */
static size_t build(const char *bits, struct arg out[8])
{
	size_t n = 0;

	for (; bits[n]; n++) {
		struct selector *all = make_selector("AllRule", none);
		const struct arg argv[ARGS] = {OBJ(OBJ_SELECTOR, all)};

		if (bits[n] == '0') {
			out[n] = (struct arg)OBJ(OBJ_SELECTOR, make_selector("NotRule", argv));
			selector_free(&all);
		} else {
			out[n] = (struct arg)OBJ(OBJ_SELECTOR, all);
		}
	}
	return n;
}

static void drop(struct arg *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct selector *s = v[i].o.p;

		selector_free(&s);
	}
}

static void combinations(void **state)
{
	static const struct {
		const char *bits;
		bool and, or;
	} cases[] = {{"", true, false}, {"0", false, false}, {"1", true, true}, {"10", false, true},
		{"01", false, true}, {"111", true, true}, {"000", false, false}};
	struct fix f;

	(void)state;
	fix_query(&f, "example.org", QTYPE_A, DNS_RD);
	for (size_t i = 0; i < LEN(cases); i++) {
		struct arg v[8], argv[ARGS] = {NIL};
		size_t n = build(cases[i].bits, v);

		argv[0] = (struct arg){.kind = ARG_TABLE, .t = {v, n, NULL, 0}};
		assert_int_equal(match_once(&f, "AndRule", argv), cases[i].and);
		assert_int_equal(match_once(&f, "OrRule", argv), cases[i].or);
		drop(v, n);
	}
}

/* "Both consume a token at each evaluation": what is behind a short circuit is not evaluated. */
static void evaluation_is_from_left_to_right(void **state)
{
	const struct arg one[ARGS] = {NUM(1)};
	struct selector *rate = make_selector("MaxQPSRule", one);
	struct arg v[8];
	struct selector *s;
	struct fix f;

	(void)state;
	fix_query(&f, "example.org", QTYPE_A, DNS_RD);
	(void)build("0", v);
	v[1] = (struct arg)OBJ(OBJ_SELECTOR, rate);
	s = make_selector("AndRule", (const struct arg[ARGS]){{.kind = ARG_TABLE, .t = {v, 2, NULL, 0}}});
	assert_false(s->match(s, &f.dq));
	assert_true(rate->match(rate, &f.dq));  /* its token was still there */
	assert_false(rate->match(rate, &f.dq));
	selector_free(&s);
	drop(v, 2);
}

static void texts(void **state)
{
	struct arg v[8], argv[ARGS] = {NIL};

	(void)state;
	assert_int_equal(build("10", v), 2);
	argv[0] = (struct arg){.kind = ARG_TABLE, .t = {v, 2, NULL, 0}};
	assert_selector_text("AndRule", argv, "(All) && (!(All))");
	assert_selector_text("OrRule", argv, "(All) || (!(All))");
	assert_selector_text("ProbaRule", (const struct arg[ARGS]){NUM(0.25)}, "match with prob. 0.25");
	assert_selector_bears_no_memory("AndRule", argv);
	drop(v, 2);
}

static void wrong_arguments_are_named(void **state)
{
	const struct {
		const char *word;
		struct arg argv[ARGS];
		const char *error;
	} cases[] = {
		{"AndRule", {LIST(NUM(1))}, "expected a rule, got a number"},
		{"NotRule", {NIL}, "expected a rule, got nil"},
		{"ProbaRule", {NUM(1.5)}, "expected a probability from 0 to 1"},
		{"ProbaRule", {NUM(-1)}, "expected a probability from 0 to 1"},
	};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		const char *error = NULL;

		assert_null(try_selector(cases[i].word, cases[i].argv, &error));
		assert_string_equal(error, cases[i].error);
	}
}

static void chance(void **state)
{
	struct selector *half = make_selector("ProbaRule", (const struct arg[ARGS]){NUM(0.5)});
	unsigned yes = 0;
	struct fix f;

	(void)state;
	fix_query(&f, "example.org", QTYPE_A, DNS_RD);
	for (unsigned i = 0; i < 1000; i++)
		yes += half->match(half, &f.dq);
	assert_in_range(yes, 400, 600);
	selector_free(&half);
	for (unsigned i = 0; i < 100; i++) {
		assert_true(match_once(&f, "ProbaRule", (const struct arg[ARGS]){NUM(1)}));
		assert_false(match_once(&f, "ProbaRule", (const struct arg[ARGS]){NUM(0)}));
	}
}

static void rules_from_strings(void **state)
{
	struct name name = fix_name("Example.ORG");
	struct netmask mask;
	const struct {
		struct arg list;
		bool yes;
		const char *text;
	} cases[] = {
		{STR("example.org"), true, "qname in example.org."},
		{STR("org."), true, "qname in org."},
		{STR("192.0.2.0/24"), true, "Src: 192.0.2.0/24"},
		{STR("192.0.2.8"), false, "Src: 192.0.2.8/32"},
		{LIST(STR("example.com"), STR("www.example.org")), true, NULL},
		{LIST(STR("10.0.0.0/8"), STR("www.example.org")), false, "Src: 10.0.0.0/8"},
		{LIST(STR("2001:db8::/32"), STR("192.0.2.7")), true, NULL},
		{LIST(STR("!192.0.2.7"), STR("192.0.2.0/24")), false, NULL},
		{LIST(STR("!192.0.2.8"), STR("192.0.2.0/24")), true, NULL},
		{OBJ(OBJ_NAME, &name), true, "qname in Example.ORG."},
		{OBJ(OBJ_NETMASK, &mask), true, "Src: 192.0.2.0/25"},
	};
	struct fix f;

	(void)state;
	assert_int_equal(netmask_parse(&mask, "192.0.2.0/25"), 0);
	fix_query(&f, "www.Example.org", QTYPE_A, DNS_RD);
	for (size_t i = 0; i < LEN(cases); i++) {
		const char *error = NULL;
		struct selector *s = selector_from_strings(&cases[i].list, &error);

		if (!s)
			fail_msg("case %zu: %s", i, error);
		assert_int_equal(s->match(s, &f.dq), cases[i].yes);
		if (cases[i].text && strcasecmp(s->text, cases[i].text) != 0)
			fail_msg("'%s' is not '%s'", s->text, cases[i].text);
		selector_free(&s);
	}
}

static void sets_make_rules_too(void **state)
{
	struct netset *masks = netset_new();
	struct suffixset *names = suffixset_new();
	struct arg a = OBJ(OBJ_NETSET, masks), b = OBJ(OBJ_SUFFIXSET, names);
	const char *error;
	struct selector *s;
	struct fix f;

	(void)state;
	fix_query(&f, "example.org", QTYPE_A, DNS_RD);
	assert_int_equal(netset_add_text(masks, "192.0.2.0/24"), 0);
	assert_int_equal(suffixset_add(names, &(struct name){1, 0, {0}}), 0);
	s = selector_from_strings(&a, &error);
	assert_non_null(s);
	netset_free(&masks); /* the rule has its own copy */
	assert_true(s->match(s, &f.dq));
	selector_free(&s);
	s = selector_from_strings(&b, &error);
	assert_non_null(s);
	suffixset_free(&names);
	assert_true(s->match(s, &f.dq));
	selector_free(&s);
}

static void strings_that_make_no_rule(void **state)
{
	const struct {
		struct arg list;
		const char *error;
	} cases[] = {
		{NIL, "expected a name, a netmask or a list of them, got nil"},
		{{.kind = ARG_TABLE}, "expected a name, a netmask or a list of them, got an empty table"},
		{STR("a..b"), "expected a name or a netmask, got 'a..b'"},
		{LIST(STR("example.org"), BOOL(true)), "expected a name or a netmask, got a boolean"},
	};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		const char *error = NULL;

		assert_null(selector_from_strings(&cases[i].list, &error));
		assert_string_equal(error, cases[i].error);
	}
}

static void rules_from_strings_bear_no_memory(void **state)
{
	const struct arg lists[] = {LIST(STR("example.org"), STR("b")), LIST(STR("10.0.0.0/8"), STR("::1"))};

	(void)state;
	for (size_t i = 0; i < LEN(lists); i++) {
		struct selector *s = NULL;

		for (unsigned long n = 1; !s; n++) {
			const char *error = NULL;

			mem_fail_at(n);
			s = selector_from_strings(&lists[i], &error);
			mem_fail_at(0);
			if (!s)
				assert_string_equal(error, "out of memory");
		}
		selector_free(&s);
	}
}

int test_sel_logic(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(combinations),
		cmocka_unit_test(evaluation_is_from_left_to_right),
		cmocka_unit_test(texts),
		cmocka_unit_test(wrong_arguments_are_named),
		cmocka_unit_test(chance),
		cmocka_unit_test(rules_from_strings),
		cmocka_unit_test(sets_make_rules_too),
		cmocka_unit_test(strings_that_make_no_rule),
		cmocka_unit_test(rules_from_strings_bear_no_memory),
	};

	return cmocka_run_group_tests_name("rule/sel_logic", tests, NULL, NULL);
}
