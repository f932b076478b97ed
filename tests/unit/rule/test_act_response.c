/* test_act_response.c: actions on answers. */
#include "fixture.h"

int test_act_response(void);

static void what_each_returns(void **state)
{
	const struct {
		const char *word;
		struct arg argv[ARGS];
		enum act act;
		const char *text;
	} cases[] = {
		{"AllowResponseAction", {NIL}, ACT_ALLOW, "allow"},
		{"DropResponseAction", {NIL}, ACT_DROP, "drop"},
		{"DelayResponseAction", {NUM(5)}, ACT_NEXT, "delay by 5 ms"},
		{"TCResponseAction", {NIL}, ACT_TRUNCATE, "tc=1 answer"},
		{"ClearRecordTypesResponseAction", {NUM(QTYPE_TXT)}, ACT_NEXT, "clear record types"},
		{"ClearRecordTypesResponseAction", {LIST(NUM(QTYPE_TXT), NUM(QTYPE_A))}, ACT_NEXT, NULL},
		{"LimitTTLResponseAction", {NUM(60), NUM(300)}, ACT_NEXT, "limit ttl (60 <= ttl <= 300)"},
		{"LimitTTLResponseAction", {NUM(60), NUM(300), LIST(NUM(QTYPE_A))}, ACT_NEXT, NULL},
		{"LimitTTLResponseAction", {NIL}, ACT_NEXT, "limit ttl"},
		{"SetMinTTLResponseAction", {NUM(60)}, ACT_NEXT, "limit ttl (60 <= ttl)"},
		{"SetMaxTTLResponseAction", {NUM(60)}, ACT_NEXT, "limit ttl (ttl <= 60)"},
		{"SetReducedTTLResponseAction", {NUM(50)}, ACT_NEXT, "reduce ttl to 50 percent of its value"},
		{"SetMaxReturnedTTLResponseAction", {NUM(60)}, ACT_NEXT, NULL},
		{"SetSkipCacheResponseAction", {NIL}, ACT_NEXT, "skip cache"},
		{"SetTagResponseAction", {STR("a"), STR("b")}, ACT_NEXT, NULL},
		{"UnsetTagResponseAction", {STR("a")}, ACT_NEXT, NULL},
		{"SetExtendedDNSErrorResponseAction", {NUM(1)}, ACT_NEXT, NULL},
		{"SetEDNSOptionResponseAction", {NUM(65001), STR("x")}, ACT_NEXT, NULL},
	};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		struct action *a = make_action(cases[i].word, cases[i].argv);
		struct fix f;

		fix_response(&f, "example.org");
		assert_true(a->for_response);
		assert_int_equal(a->run(a, &f.dq), cases[i].act);
		if (cases[i].text)
			assert_string_equal(a->text, cases[i].text);
		action_free(&a);
		dq_free_marks(&f.dq);
		assert_action_bears_no_memory(cases[i].word, cases[i].argv);
	}
}

/* The TTLs of fix_response()'s records (A 300, TXT 60, NS 3600) after the action. */
static void ttls(void **state)
{
	const struct {
		const char *word;
		struct arg argv[ARGS];
		uint32_t a, txt, ns;
	} cases[] = {
		{"LimitTTLResponseAction", {NUM(100), NUM(1000)}, 300, 100, 1000},
		{"LimitTTLResponseAction", {NUM(100), NUM(1000), LIST(NUM(QTYPE_NS))}, 300, 60, 1000},
		{"LimitTTLResponseAction", {NUM(400)}, 400, 400, 3600},
		{"SetMinTTLResponseAction", {NUM(100)}, 300, 100, 3600},
		{"SetMaxTTLResponseAction", {NUM(100)}, 100, 60, 100},
		{"SetReducedTTLResponseAction", {NUM(50)}, 150, 30, 1800},
		{"SetReducedTTLResponseAction", {NUM(0)}, 0, 0, 0},
		{"SetReducedTTLResponseAction", {NUM(100)}, 300, 60, 3600},
		{"SetMaxReturnedTTLResponseAction", {NUM(1)}, 300, 60, 3600}, /* not in the message itself */
	};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		uint32_t expected[] = {cases[i].a, cases[i].txt, cases[i].ns};
		struct walk walk;
		struct rr rr;
		struct fix f;

		fix_response(&f, "example.org");
		assert_int_equal(run_once(&f, cases[i].word, cases[i].argv), ACT_NEXT);
		assert_int_equal(walk_start(&walk, f.msg, f.dq.len), 0);
		for (size_t k = 0; k < LEN(expected); k++) {
			assert_int_equal(walk_next(&walk, &rr), 1);
			assert_int_equal(rr.ttl, expected[k]);
		}
	}
}

static void types_are_cleared(void **state)
{
	struct fix f;

	(void)state;
	fix_response(&f, "example.org");
	(void)run_once(&f, "ClearRecordTypesResponseAction",
		(const struct arg[ARGS]){LIST(NUM(QTYPE_TXT), NUM(QTYPE_NS), NUM(QTYPE_AAAA))});
	assert_int_equal(dns_count(f.msg, SECTION_ANSWER), 1);
	assert_int_equal(dns_count(f.msg, SECTION_AUTHORITY), 0);
	assert_int_equal(msg_end(f.msg, f.dq.len), f.dq.len);
	(void)run_once(&f, "ClearRecordTypesResponseAction", (const struct arg[ARGS]){{.kind = ARG_TABLE}});
	assert_int_equal(dns_count(f.msg, SECTION_ANSWER), 1);
}

static void a_broken_answer_is_passed_on(void **state)
{
	static const struct {
		const char *word;
		struct arg argv[ARGS];
	} cases[] = {
		{"LimitTTLResponseAction", {NUM(1), NUM(2)}},
		{"SetReducedTTLResponseAction", {NUM(50)}},
		{"ClearRecordTypesResponseAction", {NUM(QTYPE_A)}},
		{"SetEDNSOptionResponseAction", {NUM(65001), STR("x")}},
	};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		struct fix f;

		fix_response(&f, "example.org");
		f.dq.had_edns = true;
		f.dq.len -= 1;
		assert_int_equal(run_once(&f, cases[i].word, cases[i].argv), ACT_NEXT);
	}
}

static void an_option_only_for_clients_with_edns(void **state)
{
	const struct arg argv[ARGS] = {NUM(65001), STR("x")};
	size_t at, len;
	struct fix f;

	(void)state;
	fix_response(&f, "example.org");
	(void)run_once(&f, "SetEDNSOptionResponseAction", argv);
	assert_false(dq_edns(&f.dq)->present);
	f.dq.had_edns = true;
	(void)run_once(&f, "SetEDNSOptionResponseAction", argv);
	assert_true(edns_option(dq_edns(&f.dq), f.msg, 65001, &at, &len));
	assert_int_equal(dq_edns(&f.dq)->payload, 1232);
}

static void streams_are_not_truncated_or_delayed(void **state)
{
	struct fix f;

	(void)state;
	fix_response(&f, "example.org");
	f.dq.proto = PROTO_TCP;
	assert_int_equal(run_once(&f, "TCResponseAction", (const struct arg[ARGS]){NIL}), ACT_NEXT);
	assert_int_equal(dns_count(f.msg, SECTION_ANSWER), 2);
	(void)run_once(&f, "DelayResponseAction", (const struct arg[ARGS]){NUM(5)});
	assert_int_equal(f.dq.delay_ms, 0);
}

static void wrong_arguments_are_named(void **state)
{
	const struct {
		const char *word;
		struct arg argv[ARGS];
		const char *error;
	} cases[] = {
		{"LimitTTLResponseAction", {NUM(2), NUM(1)}, "min: greater than max"},
		{"LimitTTLResponseAction", {NUM(1), NUM(2), LIST(NUM(65536))},
			"type: expected a whole number from 0 to 65535, got 65536"},
		{"SetReducedTTLResponseAction", {NUM(101)},
			"percentage: expected a whole number from 0 to 100, got 101"},
		{"SetMinTTLResponseAction", {BOOL(true)},
			"min: expected a whole number from 0 to 4294967295, got a boolean"},
	};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		const char *error = NULL;

		assert_null(try_action(cases[i].word, cases[i].argv, &error));
		assert_string_equal(error, cases[i].error);
	}
}

int test_act_response(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_each_returns),
		cmocka_unit_test(ttls),
		cmocka_unit_test(types_are_cleared),
		cmocka_unit_test(a_broken_answer_is_passed_on),
		cmocka_unit_test(an_option_only_for_clients_with_edns),
		cmocka_unit_test(streams_are_not_truncated_or_delayed),
		cmocka_unit_test(wrong_arguments_are_named),
	};

	return cmocka_run_group_tests_name("rule/act_response", tests, NULL, NULL);
}
