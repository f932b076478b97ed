/* test_sel_name.c: selectors on the question's name. */
#include "fixture.h"

int test_sel_name(void);

static void exact_names(void **state)
{
	static const struct {
		const char *rule, *asked;
		bool yes;
	} cases[] = {
		{"example.org", "example.org", true},
		{"Example.ORG", "eXAMPLE.org", true},
		{"example.org", "www.example.org", false},
		{"www.example.org", "example.org", false},
		{"example.org", "example.orh", false},
		{".", ".", true},
		{".", "org", false},
	};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		struct name rule = fix_name(cases[i].rule);
		struct nameset *set = nameset_new();
		struct fix f;

		assert_int_equal(nameset_add(set, &rule), 0);
		fix_query(&f, cases[i].asked, QTYPE_A, DNS_RD);
		assert_int_equal(match_once(&f, "QNameRule", (const struct arg[ARGS]){OBJ(OBJ_NAME, &rule)}),
			cases[i].yes);
		assert_int_equal(match_once(&f, "QNameSetRule", (const struct arg[ARGS]){OBJ(OBJ_NAMESET, set)}),
			cases[i].yes);
		nameset_free(&set);
	}
}

static void suffixes(void **state)
{
	static const struct {
		const char *rule, *asked;
		bool yes;
	} cases[] = {
		{"example.org", "example.org", true},
		{"Example.ORG", "a.b.eXAMPLE.org", true},
		{"example.org", "badexample.org", false},
		{"example.org", "org", false},
		{".", "anything.at.all", true},
		{"org", "a\\003org", false}, /* not at the start of a label */
		{"a.very.long.name.in.the.rule", "in.the.rule", false},
	};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		struct name rule = fix_name(cases[i].rule);
		struct suffixset *set = suffixset_new();
		const struct arg argv[ARGS] = {OBJ(OBJ_SUFFIXSET, set)};
		struct fix f;

		assert_int_equal(suffixset_add(set, &rule), 0);
		fix_query(&f, cases[i].asked, QTYPE_A, DNS_RD);
		assert_int_equal(match_once(&f, "QNameSuffixRule", argv), cases[i].yes);
		assert_int_equal(match_once(&f, "SuffixMatchNodeRule", argv), cases[i].yes);
		suffixset_free(&set);
	}
}

static void many_suffixes(void **state)
{
	struct suffixset *set = suffixset_new();
	struct fix yes, no;

	(void)state;
	fix_query(&yes, "www.N0.example", QTYPE_A, DNS_RD);
	fix_query(&no, "www.m0.example", QTYPE_A, DNS_RD);
	/* On both sides of the number that is compared one by one. */
	for (unsigned i = 0; i < 20; i++) {
		const struct arg argv[ARGS] = {OBJ(OBJ_SUFFIXSET, set)};
		struct name name;
		char text[16];

		snprintf(text, sizeof(text), "N%u.Example", i);
		assert_int_equal(match_once(&yes, "QNameSuffixRule", argv), i > 0);
		name = fix_name(text);
		assert_int_equal(suffixset_add(set, &name), 0);
		assert_true(match_once(&yes, "QNameSuffixRule", argv));
		assert_false(match_once(&no, "QNameSuffixRule", argv));
	}
	suffixset_free(&set);
}

static void regular_expressions(void **state)
{
	static const struct {
		struct arg pattern;
		const char *asked;
		bool yes;
	} cases[] = {
		{STR("^ad[0-9]+\\."), "AD7.example.org", true},
		{STR("^ad[0-9]+\\."), "bad7.example.org", false},
		{STR("ample"), "example.org", true},      /* anywhere */
		{STR("ORG$"), "example.org", true},       /* no final dot, no case */
		{STR("org\\.$"), "example.org", false},
		{STR("(foo|bar)\\.example"), "www.bar.example.org", true},
	};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		const struct arg argv[ARGS] = {cases[i].pattern};
		struct fix f;

		fix_query(&f, cases[i].asked, QTYPE_A, DNS_RD);
		assert_int_equal(match_once(&f, "RegexRule", argv), cases[i].yes);
	}
}

static void counts_match_outside(void **state)
{
	static const struct {
		const char *word;
		double min, max;
		const char *asked;
		bool yes;
	} cases[] = {
		{"QNameLabelsCountRule", 2, 3, "org", true},
		{"QNameLabelsCountRule", 2, 3, "a.org", false},
		{"QNameLabelsCountRule", 2, 3, "b.a.org", false},
		{"QNameLabelsCountRule", 2, 3, "c.b.a.org", true},
		{"QNameWireLengthRule", 5, 7, ".", true},
		{"QNameWireLengthRule", 5, 7, "org", false},
		{"QNameWireLengthRule", 5, 7, "a.org", false},
		{"QNameWireLengthRule", 5, 7, "ab.org", true},
	};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		const struct arg argv[ARGS] = {NUM(cases[i].min), NUM(cases[i].max)};
		struct fix f;

		fix_query(&f, cases[i].asked, QTYPE_A, DNS_RD);
		assert_int_equal(match_once(&f, cases[i].word, argv), cases[i].yes);
	}
}

static void texts(void **state)
{
	struct name name = fix_name("example.org");
	struct nameset *names = nameset_new();
	struct suffixset *suffix = suffixset_new();
	struct text t = {0};
	struct selector *s;

	(void)state;
	assert_int_equal(nameset_add(names, &name), 0);
	assert_int_equal(suffixset_add(suffix, &name), 0);
	assert_selector_text("QNameRule", (const struct arg[ARGS]){OBJ(OBJ_NAME, &name)}, "qname==example.org.");
	assert_selector_text("QNameSetRule", (const struct arg[ARGS]){OBJ(OBJ_NAMESET, names)},
		"qname in DNSNameSet(1 FQDNs)");
	assert_selector_text("QNameSuffixRule", (const struct arg[ARGS]){OBJ(OBJ_SUFFIXSET, suffix)},
		"qname in example.org.");
	assert_selector_text("QNameSuffixRule", (const struct arg[ARGS]){OBJ(OBJ_SUFFIXSET, suffix), BOOL(true)},
		"qname in in-set");
	assert_selector_text("RegexRule", (const struct arg[ARGS]){STR("x%sy")}, "Regex: x%sy");
	assert_selector_text("QNameLabelsCountRule", (const struct arg[ARGS]){NUM(1), NUM(5)},
		"labels count < 1 || labels count > 5");
	/* A long list is not printed in full. */
	for (unsigned i = 0; i < 1000; i++) {
		text_clear(&t);
		text_addf(&t, "n%u.example", i);
		name = fix_name(text_str(&t));
		assert_int_equal(suffixset_add(suffix, &name), 0);
	}
	s = make_selector("QNameSuffixRule", (const struct arg[ARGS]){OBJ(OBJ_SUFFIXSET, suffix)});
	assert_non_null(strstr(s->text, ", and 969 more"));
	selector_free(&s);
	text_free(&t);
	nameset_free(&names);
	suffixset_free(&suffix);
}

static void wrong_arguments_are_named(void **state)
{
	static const struct {
		const char *word;
		struct arg argv[ARGS];
		const char *error;
	} cases[] = {
		{"QNameRule", {NUM(1)}, "expected a name, got a number"},
		{"QNameSetRule", {NIL}, "expected a DNSNameSet, got nil"},
		{"QNameSuffixRule", {NIL}, "expected a name, a list of names or a SuffixMatchNode, got nil"},
		{"QNameLabelsCountRule", {NUM(-1), NUM(2)}, "min: expected a whole number from 0 to 4294967295, got -1"},
		{"QNameWireLengthRule", {NUM(1), NUM(2.5)}, "max: expected a whole number from 0 to 4294967295, got 2.5"},
	};
	const char *error = NULL;

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		assert_null(try_selector(cases[i].word, cases[i].argv, &error));
		assert_string_equal(error, cases[i].error);
	}
	assert_null(try_selector("RegexRule", (const struct arg[ARGS]){STR("a(b")}, &error));
	assert_non_null(strstr(error, "expected a POSIX extended regular expression, got 'a(b': "));
}

static void memory_may_be_out(void **state)
{
	struct name name = fix_name("example.org");
	struct nameset *names = nameset_new();
	struct suffixset *suffix = suffixset_new();

	(void)state;
	assert_int_equal(nameset_add(names, &name), 0);
	assert_int_equal(suffixset_add(suffix, &name), 0);
	assert_selector_bears_no_memory("QNameRule", (const struct arg[ARGS]){OBJ(OBJ_NAME, &name)});
	assert_selector_bears_no_memory("QNameSetRule", (const struct arg[ARGS]){OBJ(OBJ_NAMESET, names)});
	assert_selector_bears_no_memory("QNameSuffixRule", (const struct arg[ARGS]){OBJ(OBJ_SUFFIXSET, suffix)});
	assert_selector_bears_no_memory("RegexRule", (const struct arg[ARGS]){STR("x")});
	assert_selector_bears_no_memory("QNameLabelsCountRule", (const struct arg[ARGS]){NUM(1), NUM(2)});
	nameset_free(&names);
	suffixset_free(&suffix);
}

int test_sel_name(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exact_names),
		cmocka_unit_test(suffixes),
		cmocka_unit_test(many_suffixes),
		cmocka_unit_test(regular_expressions),
		cmocka_unit_test(counts_match_outside),
		cmocka_unit_test(texts),
		cmocka_unit_test(wrong_arguments_are_named),
		cmocka_unit_test(memory_may_be_out),
	};

	return cmocka_run_group_tests_name("rule/sel_name", tests, NULL, NULL);
}
