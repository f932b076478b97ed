/* test_chain.c: evaluation, editing and printing of chains; references. */
#include "fixture.h"

int test_chain(void);

static const struct arg none[ARGS];

static struct rule *make_rule(const char *selector, const struct arg *sargv, const char *action,
	const struct arg *aargv, const char *name, const char *uuid)
{
	struct selector *s = make_selector(selector, sargv);
	struct action *a = make_action(action, aargv);
	struct rng rng;
	struct rule *r;

	rng_seed(&rng, 7);
	r = rule_new(s, a, name, uuid, &rng);
	assert_non_null(r);
	assert_int_equal(atomic_load(&s->refs), 2);
	selector_free(&s);
	action_free(&a);
	return r;
}

static void add(struct chain *c, const char *selector, const struct arg *sargv, const char *action,
	const struct arg *aargv, const char *name)
{
	char uuid[37];

	snprintf(uuid, sizeof(uuid), "00000000-0000-4000-8000-%012zx", c->n);
	assert_int_equal(chain_add(c, make_rule(selector, sargv, action, aargv, name, uuid)), 0);
}

static uint64_t matches(const struct chain *c, size_t i)
{
	return atomic_load(&c->v[i]->matches);
}

static void the_first_final_action_wins(void **state)
{
	const struct arg a_only[ARGS] = {NUM(QTYPE_A)}, pool[ARGS] = {STR("x")}, tag[ARGS] = {STR("t"), STR("1")};
	struct chain c = {0};
	struct fix f;

	(void)state;
	fix_query(&f, "example.org", QTYPE_A, DNS_RD);
	assert_int_equal(chain_run(&c, &f.dq), ACT_NEXT);
	add(&c, "AllRule", none, "SetTagAction", tag, "");
	add(&c, "QTypeRule", (const struct arg[ARGS]){NUM(QTYPE_TXT)}, "DropAction", none, "");
	add(&c, "QTypeRule", a_only, "PoolAction", pool, "");
	add(&c, "AllRule", none, "DropAction", none, "");
	assert_int_equal(chain_run(&c, &f.dq), ACT_POOL);
	assert_string_equal(f.dq.pool, "x");
	assert_non_null(dq_tag(&f.dq, "t"));
	assert_int_equal(matches(&c, 0), 1);
	assert_int_equal(matches(&c, 1), 0);
	assert_int_equal(matches(&c, 2), 1);
	assert_int_equal(matches(&c, 3), 0);
	dq_free_marks(&f.dq);
	chain_clear(&c);
	assert_int_equal(c.n, 0);
}

static void fill(struct chain *c, const char *names)
{
	for (const char *n = names; *n; n++)
		add(c, "AllRule", none, "NoneAction", none, (const char[2]){*n, 0});
}

static void assert_order(const struct chain *c, const char *names)
{
	assert_int_equal(c->n, strlen(names));
	for (size_t i = 0; i < c->n; i++)
		assert_int_equal(c->v[i]->name[0], names[i]);
}

static void rules_move(void **state)
{
	static const struct {
		size_t from, to;
		int rc;
		const char *order;
	} cases[] = {
		{4, 0, 0, "eabcd"},
		{0, 5, 0, "bcdea"},
		{0, 2, 0, "bacde"}, /* in front of c */
		{3, 1, 0, "adbce"},
		{2, 2, 0, "abcde"},
		{2, 3, 0, "abcde"},
		{0, 6, -ENOENT, "abcde"},
		{5, 0, -ENOENT, "abcde"},
	};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		struct chain c = {0};

		fill(&c, "abcde");
		assert_int_equal(chain_move(&c, cases[i].from, cases[i].to), cases[i].rc);
		assert_order(&c, cases[i].order);
		chain_clear(&c);
	}
}

static void rules_are_found_and_removed(void **state)
{
	struct chain c = {0};

	(void)state;
	fill(&c, "abcde");
	assert_int_equal(chain_find(&c, "c"), 2);
	assert_int_equal(chain_find(&c, "00000000-0000-4000-8000-000000000003"), 3);
	assert_int_equal(chain_find(&c, "z"), -ENOENT);
	assert_int_equal(chain_find(&c, ""), -ENOENT);
	assert_int_equal(chain_remove(&c, 5), -ENOENT);
	assert_int_equal(chain_remove(&c, 4), 0);
	assert_int_equal(chain_remove(&c, 0), 0);
	assert_order(&c, "bcd");
	fill(&c, "xyz");
	assert_order(&c, "bcdxyz");
	chain_clear(&c);
}

static void a_copy_shares_rules(void **state)
{
	struct chain c = {0}, copy = {0};
	struct fix f;

	(void)state;
	fill(&c, "abc");
	assert_int_equal(chain_copy(&copy, &c), 0);
	assert_ptr_equal(copy.v[1], c.v[1]);
	assert_int_equal(atomic_load(&c.v[1]->refs), 2);
	chain_clear(&c);
	fix_query(&f, "example.org", QTYPE_A, DNS_RD);
	assert_int_equal(chain_run(&copy, &f.dq), ACT_NEXT);
	assert_int_equal(matches(&copy, 2), 1);
	for (unsigned long n = 1; n <= 3; n++) {
		mem_fail_at(n);
		assert_int_equal(chain_copy(&c, &copy), -ENOMEM);
		mem_fail_at(0);
		assert_int_equal(c.n, 0);
	}
	chain_clear(&copy);
}

static void a_rule_without_uuid_gets_one(void **state)
{
	struct rule *r = make_rule("AllRule", none, "NoneAction", none, NULL, NULL);
	struct rule *s = make_rule("AllRule", none, "NoneAction", none, "n", NULL), *same = rule_ref(s);

	(void)state;
	assert_int_equal(strlen(r->uuid), 36);
	assert_string_equal(r->name, "");
	assert_true(s->created > r->created);
	rule_free(&r);
	rule_free(&s);
	assert_string_equal(same->name, "n");
	rule_free(&same);
	rule_free(&same);
}

static void making_a_rule_bears_no_memory(void **state)
{
	struct selector *s = make_selector("AllRule", none);
	struct action *a = make_action("NoneAction", none);
	struct rng rng;

	(void)state;
	rng_seed(&rng, 1);
	for (unsigned long n = 1; n <= 2; n++) {
		mem_fail_at(n);
		assert_null(rule_new(s, a, "x", NULL, &rng));
		mem_fail_at(0);
	}
	assert_int_equal(atomic_load(&s->refs), 1);
	selector_free(&s);
	action_free(&a);
}

static void chains_are_shown(void **state)
{
	struct name n = fix_name("example.org");
	struct arg argv[ARGS] = {OBJ(OBJ_NAME, &n)};
	struct chain c = {0};
	struct text t = {0};

	(void)state;
	add(&c, "AllRule", none, "DropAction", none, "first");
	add(&c, "QNameRule", argv, "AllowAction", none, "");
	atomic_store(&c.v[1]->matches, 12);
	chain_show(&t, &c, false, -1, 0);
	assert_string_equal(text_str(&t),
		"#   Name                             Matches Rule                                                     Action\n"
		"0   first                                  0 All                                                      drop\n"
		"1                                         12 qname==example.org.                                      allow\n");
	text_clear(&t);
	chain_show(&t, &c, true, 7, 1);
	assert_string_equal(text_str(&t),
		"#   UUID                                   Name                             Matches "
		"Rule                                                     Action\n"
		"0   00000000-0000-4000-8000-000000000001                                         12 "
		"qname==                                                  allow\n");
	text_clear(&t);
	mem_fail_at(1);
	chain_show(&t, &c, false, -1, 5);
	mem_fail_at(0);
	assert_true(t.failed);
	text_free(&t);
	chain_clear(&c);
}

int test_chain(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_final_action_wins),
		cmocka_unit_test(rules_move),
		cmocka_unit_test(rules_are_found_and_removed),
		cmocka_unit_test(a_copy_shares_rules),
		cmocka_unit_test(a_rule_without_uuid_gets_one),
		cmocka_unit_test(making_a_rule_bears_no_memory),
		cmocka_unit_test(chains_are_shown),
	};

	return cmocka_run_group_tests_name("rule/chain", tests, NULL, NULL);
}
