/* test_words_rule.c: the words of all eight chains. */
#include "load.h"

static const struct {
	const char *word;
	bool response;
} chains[] = {
#define CHAIN(id, word, list) {word, CHAIN_##id != CHAIN_QUERY && CHAIN_##id != CHAIN_CACHE_MISS},
#include "tbl/chain.def"
#undef CHAIN
};

/* Replaces each '@' by the chain's word and '#' by an action it takes. */
static const char *in_chain(const char *pattern, size_t id)
{
	static struct text t;

	text_free(&t);
	for (const char *p = pattern; *p; p++) {
		if (*p == '@')
			text_add(&t, chains[id].word);
		else if (*p == '#')
			text_add(&t,
				chains[id].response ? "AllowResponseAction()" : "AllowAction()");
		else
			text_add_bytes(&t, p, 1);
	}
	return text_str(&t);
}

/* The names of a chain's rules, in order. */
static void order_is(struct fake *f, size_t id, const char *expected)
{
	const struct chain *chain = &f->running->chain[id];
	char names[32] = "";

	for (size_t i = 0; i < chain->n; i++)
		strcat(names, chain->v[i]->name);
	assert_string_equal(names, expected);
}

static void every_chain(void **state)
{
	struct fake f;

	(void)state;
	fake_init(&f, true);
	for (size_t id = 0; id < CHAIN_COUNT; id++) {
		assert_true(load(&f,
			in_chain(
				"for n in ('abcd'):gmatch('.') do add@Action(AllRule(), #, {name=n}) end",
				id)));
		order_is(&f, id, "abcd");
		for (size_t other = 0; other < CHAIN_COUNT; other++)
			assert_int_equal(f.running->chain[other].n, other == id ? 4 : 0);
		runs(&f, in_chain("mv@RuleToTop()", id));
		order_is(&f, id, "dabc");
		runs(&f, in_chain("mv@Rule(0, 4)", id));
		order_is(&f, id, "abcd");
		assert_non_null(
			strstr(runs(&f, in_chain("mv@Rule(4, 0)", id)), "there are 4 rules"));
		runs(&f, in_chain("rm@Rule(0)", id));
		order_is(&f, id, "bcd");
		runs(&f, in_chain("rm@Rule('c')", id));
		order_is(&f, id, "bd");
		runs(&f, in_chain("rm@Rule(get@Rule('d').uuid)", id));
		order_is(&f, id, "b");
		assert_non_null(
			strstr(runs(&f, in_chain("rm@Rule('zz') rm@Rule(9)", id)), "no rule 'zz'"));
		assert_non_null(strstr(runs(&f, in_chain("show@Rules{showUUIDs=true}", id)),
			f.running->chain[id].v[0]->uuid));
		runs(&f,
			in_chain(
				"set@Rules{newRuleAction(AllRule(), #, {name='x'}), newRuleAction('a.', #, {name='y'})}",
				id));
		order_is(&f, id, "xy");
		f.running->chain[id].v[1]->matches = 5;
		assert_string_equal(
			runs(&f,
				in_chain(
					"get@Rule(1):getMatches(), get@Rule(1):getSelector():getMatches()",
					id)),
			"5\n5\n");
		assert_string_equal(runs(&f, in_chain("get@Rule(7)", id)), "");
		assert_string_equal(
			runs(&f, in_chain("getTop@Rules(1)[1].name, getTop@Rules(1)[2]", id)),
			"y\n");
		assert_non_null(strstr(runs(&f, in_chain("top@Rules(1)", id)), "y"));
		runs(&f, in_chain("clear@Rules()", id));
		order_is(&f, id, "");
		runs(&f, in_chain("mv@RuleToTop()", id));
	}
	in_chain("", 0);
	fake_done(&f);
}

static void most_matched(void **state)
{
	struct fake f;

	(void)state;
	fake_init(&f, true);
	assert_true(load(&f,
		"for n in ('abc'):gmatch('.') do addAction(AllRule(), NoneAction(), {name=n}) end"));
	f.running->chain[CHAIN_QUERY].v[1]->matches = 9;
	f.running->chain[CHAIN_QUERY].v[2]->matches = 3;
	assert_string_equal(
		runs(&f, "for _, r in ipairs(getTopRules(2)) do show(r.name .. r.matches) end"),
		"b9\nc3\n");
	fake_done(&f);
}

static void options_and_kinds(void **state)
{
	static const struct {
		const char *code, *error;
	} cases[] = {
		{"addAction(AllRule(), AllowResponseAction())", "expected an action for queries"},
		{"addResponseAction(AllRule(), AllowAction())", "expected an action for answers"},
		{"setRules{newRuleAction(AllRule(), AllowResponseAction())}",
			"expected an action for queries"},
		{"setRules{5}", "entry 1: got a number, expected newRuleAction()"},
		{"addAction(AllRule(), DropAction(), {uuid='x'})",
			"uuid: got 'x', expected a UUID"},
		{"addAction(AllRule())", "argument 2 (action): got nothing"},
		{"getAction(0)", "there are 0 rules"},
	};
	struct fake f;

	(void)state;
	fake_init(&f, true);
	assert_true(load(&f, ""));
	for (size_t i = 0; i < LEN(cases); i++) {
		if (run(&f, cases[i].code) || !strstr(f.error, cases[i].error))
			fail_msg("%s: got \"%s\"", cases[i].code, f.error);
	}
	assert_true(load(&f,
		"addAction({'192.0.2.0/24'}, DropAction(), "
		"{uuid='6f1e7a0e-0000-4000-8000-00000000000a', name='n', odd=1}) addCacheMissAction('a.', TCAction())"));
	assert_string_equal(
		f.running->chain[CHAIN_QUERY].v[0]->uuid, "6f1e7a0e-0000-4000-8000-00000000000a");
	assert_string_equal(
		runs(&f,
			"getAction(0) ~= nil and tostring(getAction('n')) == tostring(DropAction())"),
		"true\n");
	assert_string_equal(runs(&f, "getCacheMissAction(0):getStats()"), "");
	assert_string_equal(runs(&f, "getAction(0):printStats()"), "");
	assert_string_equal(
		runs(&f,
			"tostring(makeRule('192.0.2.0/24')) == getRule(0):getSelector():toString()"),
		"true\n");
	fake_done(&f);
}

int test_words_rule(void);
int test_words_rule(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_chain),
		cmocka_unit_test(most_matched),
		cmocka_unit_test(options_and_kinds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
