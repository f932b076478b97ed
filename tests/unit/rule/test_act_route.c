/* test_act_route.c: actions that say where a query goes. */
#include "fixture.h"

int test_act_route(void);

static void what_each_returns(void **state)
{
	static const struct {
		const char *word;
		struct arg argv[ARGS];
		enum act act;
		const char *text;
	} cases[] = {
		{"AllowAction", {NIL}, ACT_ALLOW, "allow"},
		{"DropAction", {NIL}, ACT_DROP, "drop"},
		{"NoneAction", {NIL}, ACT_NEXT, "no op"},
		{"PoolAction", {STR("x")}, ACT_POOL, "to pool x"},
		{"PoolAction", {STR("x"), BOOL(false)}, ACT_NEXT, "to pool x without stopping"},
		{"RCodeAction", {NUM(5)}, ACT_RCODE, "set rcode 5"},
		{"ERCodeAction", {NUM(16)}, ACT_RCODE, "set ercode 16"},
		{"TCAction", {NIL}, ACT_TRUNCATE, "tc=1 answer"},
		{"DelayAction", {NUM(100)}, ACT_NEXT, "delay by 100 ms"},
		{"QPSAction", {NUM(10)}, ACT_NEXT, "qps limit to 10"},
		{"QPSPoolAction", {NUM(10), STR("x")}, ACT_POOL, "max 10 to pool x"},
	};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		struct action *a = make_action(cases[i].word, cases[i].argv);
		struct fix f;

		fix_query(&f, "example.org", QTYPE_A, DNS_RD);
		assert_int_equal(a->run(a, &f.dq), cases[i].act);
		assert_string_equal(a->text, cases[i].text);
		assert_false(a->for_response);
		action_free(&a);
		assert_action_bears_no_memory(cases[i].word, cases[i].argv);
	}
}

static void pools(void **state)
{
	struct action *a = make_action("PoolAction", (const struct arg[ARGS]){STR("abuse"), BOOL(false)});
	struct action *b = make_action("QPSPoolAction", (const struct arg[ARGS]){NUM(1), STR("fast")});
	struct action *c = make_action("QPSAction", (const struct arg[ARGS]){NUM(1)});
	struct fix f;

	(void)state;
	fix_query(&f, "example.org", QTYPE_A, DNS_RD);
	assert_int_equal(a->run(a, &f.dq), ACT_NEXT);
	assert_string_equal(f.dq.pool, "abuse");
	assert_int_equal(b->run(b, &f.dq), ACT_POOL);
	assert_string_equal(f.dq.pool, "fast");
	f.dq.pool = "";
	assert_int_equal(b->run(b, &f.dq), ACT_NEXT); /* above the rate */
	assert_string_equal(f.dq.pool, "");
	assert_int_equal(c->run(c, &f.dq), ACT_NEXT);
	assert_int_equal(c->run(c, &f.dq), ACT_DROP);
	f.dq.now_ms += 1000;
	assert_int_equal(c->run(c, &f.dq), ACT_NEXT);
	action_free(&a);
	action_free(&b);
	action_free(&c);
}

static void what_only_datagrams_get(void **state)
{
	struct fix f;

	(void)state;
	fix_query(&f, "example.org", QTYPE_A, DNS_RD);
	assert_int_equal(run_once(&f, "DelayAction", (const struct arg[ARGS]){NUM(7)}), ACT_NEXT);
	assert_int_equal(f.dq.delay_ms, 7);
	assert_int_equal(run_once(&f, "TCAction", (const struct arg[ARGS]){NIL}), ACT_TRUNCATE);
	assert_int_equal(dns_flags(f.msg), DNS_QR | DNS_TC | DNS_RD | DNS_RA);
	fix_query(&f, "example.org", QTYPE_A, DNS_RD);
	f.dq.proto = PROTO_DOT;
	assert_int_equal(run_once(&f, "DelayAction", (const struct arg[ARGS]){NUM(7)}), ACT_NEXT);
	assert_int_equal(f.dq.delay_ms, 0);
	assert_int_equal(run_once(&f, "TCAction", (const struct arg[ARGS]){NIL}), ACT_NEXT);
	assert_int_equal(dns_flags(f.msg), DNS_RD);
}

static void continue_hides_what_the_action_says(void **state)
{
	struct action *drop = make_action("DropAction", (const struct arg[ARGS]){NIL});
	struct action *pool = make_action("PoolAction", (const struct arg[ARGS]){STR("x")});
	struct action *allow_response = make_action("AllowResponseAction", (const struct arg[ARGS]){NIL});
	const struct arg d[ARGS] = {OBJ(OBJ_ACTION, drop)}, p[ARGS] = {OBJ(OBJ_ACTION, pool)};
	const struct arg r[ARGS] = {OBJ(OBJ_ACTION, allow_response)}, none[ARGS] = {NIL};
	const char *error = NULL;
	struct action *a;
	struct fix f;

	(void)state;
	fix_query(&f, "example.org", QTYPE_A, DNS_RD);
	assert_int_equal(run_once(&f, "ContinueAction", d), ACT_NEXT);
	a = make_action("ContinueAction", p);
	action_free(&pool);
	assert_int_equal(a->run(a, &f.dq), ACT_NEXT);
	assert_string_equal(f.dq.pool, "x");
	assert_string_equal(a->text, "continue after: to pool x");
	action_free(&a);
	assert_action_bears_no_memory("ContinueAction", d);
	assert_null(try_action("ContinueAction", r, &error));
	assert_string_equal(error, "expected an action for queries, got one for answers");
	assert_null(try_action("ContinueAction", none, &error));
	assert_string_equal(error, "expected an action for queries, got nil");
	action_free(&drop);
	action_free(&allow_response);
}

static void rcodes_and_their_flags(void **state)
{
	static const struct {
		const char *word;
		struct arg argv[ARGS];
		unsigned asked, flags, ext;
	} cases[] = {
		{"RCodeAction", {NUM(5)}, DNS_RD, DNS_QR | DNS_RD | DNS_RA | 5, 0},
		{"RCodeAction", {NUM(3)}, DNS_AD, DNS_QR | 3, 0},
		{"ERCodeAction", {NUM(16 * 3 + 7)}, 0, DNS_QR | 7, 3},
	};
	const struct arg opts[ARGS] = {NUM(0), NAMED({"aa", BOOL(true)}, {"ad", BOOL(true)}, {"ra", BOOL(false)},
		{"unknown", BOOL(true)})};
	struct fix f;

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		fix_query(&f, "example.org", QTYPE_A, cases[i].asked);
		assert_int_equal(edns_add(f.msg, &f.dq.len, f.dq.cap, 4096, EDNS_DO, 0), 0);
		assert_int_equal(run_once(&f, cases[i].word, cases[i].argv), ACT_RCODE);
		assert_int_equal(dns_flags(f.msg), cases[i].flags);
		assert_int_equal(f.dq.ext_rcode, cases[i].ext);
		assert_int_equal(f.dq.len, 29);
		assert_int_equal(dns_count(f.msg, SECTION_ADDITIONAL), 0);
		assert_false(dq_edns(&f.dq)->present);
	}
	fix_query(&f, "example.org", QTYPE_A, DNS_RD);
	assert_int_equal(run_once(&f, "RCodeAction", opts), ACT_RCODE);
	assert_int_equal(dns_flags(f.msg), DNS_QR | DNS_AA | DNS_AD | DNS_RD);
}

static void wrong_arguments_are_named(void **state)
{
	static const struct {
		const char *word;
		struct arg argv[ARGS];
		const char *error;
	} cases[] = {
		{"RCodeAction", {NUM(16)}, "rcode: expected a whole number from 0 to 15, got 16"},
		{"RCodeAction", {NUM(5), STR("x")}, "options: expected a table, got a string"},
		{"ERCodeAction", {NUM(4096)}, "rcode: expected a whole number from 0 to 4095, got 4096"},
		{"PoolAction", {NIL}, "pool: expected a string, got nil"},
		{"QPSAction", {NUM(-1)}, "maxqps: expected a whole number from 0 to 4294967295, got -1"},
		{"QPSPoolAction", {NUM(1), NIL}, "pool: expected a string, got nil"},
		{"DelayAction", {NUM(0.5)}, "milliseconds: expected a whole number from 0 to 2147483647, got 0.5"},
	};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		const char *error = NULL;

		assert_null(try_action(cases[i].word, cases[i].argv, &error));
		assert_string_equal(error, cases[i].error);
	}
}

int test_act_route(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_each_returns),
		cmocka_unit_test(pools),
		cmocka_unit_test(what_only_datagrams_get),
		cmocka_unit_test(continue_hides_what_the_action_says),
		cmocka_unit_test(rcodes_and_their_flags),
		cmocka_unit_test(wrong_arguments_are_named),
	};

	return cmocka_run_group_tests_name("rule/act_route", tests, NULL, NULL);
}
