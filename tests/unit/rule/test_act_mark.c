/* test_act_mark.c: actions that mark or edit and go on. */
#include "fixture.h"

int test_act_mark(void);

/* Every row that marks goes on, prints as expected and bears a failed allocation. */
static void they_all_go_on(void **state)
{
	static const struct {
		const char *word;
		struct arg argv[ARGS];
		const char *text;
	} cases[] = {
		{"SetTagAction", {STR("a"), STR("b")}, "set tag 'a' to value 'b'"},
		{"UnsetTagAction", {STR("a")}, "unset tag 'a'"},
		{"SetSkipCacheAction", {NIL}, "skip cache"},
		{"SetMaxReturnedTTLAction", {NUM(60)}, "cap the TTL of the returned answer to 60"},
		{"SetTempFailureCacheTTLAction", {NUM(5)}, "set tempfailure cache ttl to 5"},
		{"SetNoRecurseAction", {NIL}, "set rd=0"},
		{"SetDisableValidationAction", {NIL}, "set cd=1"},
		{"SetDisableECSAction", {NIL}, "disable ECS"},
		{"SetECSAction", {STR("192.0.2.0/24")}, "set ECS to 192.0.2.0/24"},
		{"SetECSAction", {STR("192.0.2.0/24"), STR("2001:db8::/48")}, "set ECS to 192.0.2.0/24 / 2001:db8::/48"},
		{"SetECSOverrideAction", {BOOL(true)}, "override ECS"},
		{"SetECSOverrideAction", {BOOL(false)}, "do not override ECS"},
		{"SetECSPrefixLengthAction", {NUM(24), NUM(56)}, "set ECS prefix length to 24, 56"},
		{"SetEDNSOptionAction", {NUM(65001), STR("data")}, "add EDNS Option (code=65001)"},
		{"SetExtendedDNSErrorAction", {NUM(15)}, "set EDNS Extended DNS Error to 15"},
		{"SetExtendedDNSErrorAction", {NUM(15), STR("no")}, "set EDNS Extended DNS Error to 15: \"no\""},
		{"SetMacAddrAction", {NUM(65001)}, "add EDNS MAC (code=65001)"},
	};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		struct fix f;

		fix_query(&f, "example.org", QTYPE_A, DNS_RD);
		assert_int_equal(run_once(&f, cases[i].word, cases[i].argv), ACT_NEXT);
		assert_action_text(cases[i].word, cases[i].argv, cases[i].text);
		assert_action_bears_no_memory(cases[i].word, cases[i].argv);
		dq_free_marks(&f.dq);
	}
}

static void marks(void **state)
{
	struct fix f;
	struct dq *dq = &f.dq;

	(void)state;
	fix_query(&f, "example.org", QTYPE_A, DNS_RD);
	dq->use_ecs = true;
	(void)run_once(&f, "SetSkipCacheAction", (const struct arg[ARGS]){NIL});
	assert_true(dq->skip_cache);
	(void)run_once(&f, "SetMaxReturnedTTLAction", (const struct arg[ARGS]){NUM(60)});
	assert_int_equal(dq->max_returned_ttl, 60);
	(void)run_once(&f, "SetTempFailureCacheTTLAction", (const struct arg[ARGS]){NUM(5)});
	assert_int_equal(dq->temp_failure_ttl, 5);
	(void)run_once(&f, "SetDisableECSAction", (const struct arg[ARGS]){NIL});
	assert_true(dq->no_ecs);
	assert_false(dq->use_ecs);
	(void)run_once(&f, "SetECSOverrideAction", (const struct arg[ARGS]){BOOL(true)});
	assert_true(dq->ecs_override);
	(void)run_once(&f, "SetECSOverrideAction", (const struct arg[ARGS]){BOOL(false)});
	assert_false(dq->ecs_override);
	(void)run_once(&f, "SetECSPrefixLengthAction", (const struct arg[ARGS]){NUM(20), NUM(50)});
	assert_int_equal(dq->ecs_bits4, 20);
	assert_int_equal(dq->ecs_bits6, 50);
	(void)run_once(&f, "SetECSAction", (const struct arg[ARGS]){STR("192.0.2.0/24")});
	assert_int_equal(dq->ecs4.bits, 24);
	assert_int_equal(dq->ecs6.net.family, AF_INET); /* one for both */
	(void)run_once(&f, "SetECSAction", (const struct arg[ARGS]){STR("192.0.2.0/24"), STR("2001:db8::/48")});
	assert_int_equal(dq->ecs6.net.family, AF_INET6);
	assert_int_equal(dq->ecs6.bits, 48);
}

static void tags(void **state)
{
	struct fix f;

	(void)state;
	fix_query(&f, "example.org", QTYPE_A, DNS_RD);
	(void)run_once(&f, "SetTagAction", (const struct arg[ARGS]){STR("a"), STR("x\0y")});
	assert_int_equal(dq_tag(&f.dq, "a")->value_len, 3); /* outlives the action */
	(void)run_once(&f, "UnsetTagAction", (const struct arg[ARGS]){STR("a")});
	assert_null(dq_tag(&f.dq, "a"));
	dq_free_marks(&f.dq);
}

static void a_tag_without_memory_is_an_error(void **state)
{
	struct action *a = make_action("SetTagAction", (const struct arg[ARGS]){STR("a"), STR("b")});
	struct fix f;

	(void)state;
	fix_query(&f, "example.org", QTYPE_A, DNS_RD);
	mem_fail_at(1);
	assert_int_equal(a->run(a, &f.dq), ACT_ERROR);
	mem_fail_at(0);
	action_free(&a);
}

static void header_flags(void **state)
{
	struct fix f;

	(void)state;
	fix_query(&f, "example.org", QTYPE_A, DNS_RD | DNS_AD);
	f.dq.edns_known = true;
	(void)run_once(&f, "SetNoRecurseAction", (const struct arg[ARGS]){NIL});
	assert_int_equal(dns_flags(f.msg), DNS_AD);
	assert_false(f.dq.edns_known);
	(void)run_once(&f, "SetDisableValidationAction", (const struct arg[ARGS]){NIL});
	assert_int_equal(dns_flags(f.msg), DNS_AD | DNS_CD);
}

static void edns_options(void **state)
{
	const struct arg argv[ARGS] = {NUM(65001), STR("data")};
	size_t at, len;
	struct fix f;

	(void)state;
	fix_query(&f, "example.org", QTYPE_A, DNS_RD);
	(void)run_once(&f, "SetEDNSOptionAction", argv);
	assert_true(edns_option(dq_edns(&f.dq), f.msg, 65001, &at, &len));
	assert_int_equal(len, 4);
	assert_memory_equal(f.msg + at, "data", 4);
	assert_int_equal(dq_edns(&f.dq)->payload, DNS_UDP_MIN); /* what the client can take */
	(void)run_once(&f, "SetEDNSOptionAction", (const struct arg[ARGS]){NUM(65001), STR("new")});
	assert_true(edns_option(dq_edns(&f.dq), f.msg, 65001, &at, &len));
	assert_int_equal(len, 3);
	/* Over a stream there is no such limit. */
	fix_query(&f, "example.org", QTYPE_A, DNS_RD);
	f.dq.proto = PROTO_TCP;
	(void)run_once(&f, "SetEDNSOptionAction", argv);
	assert_int_equal(dq_edns(&f.dq)->payload, 1232);
	/* No room: it goes on as it is. */
	fix_query(&f, "example.org", QTYPE_A, DNS_RD);
	f.dq.cap = f.dq.len + 5;
	assert_int_equal(run_once(&f, "SetEDNSOptionAction", argv), ACT_NEXT);
	assert_int_equal(f.dq.len, 29);
}

static void extended_errors(void **state)
{
	struct fix f;

	(void)state;
	fix_query(&f, "example.org", QTYPE_A, DNS_RD);
	(void)run_once(&f, "SetExtendedDNSErrorAction", (const struct arg[ARGS]){NUM(15), STR("blocked")});
	(void)run_once(&f, "SetExtendedDNSErrorAction", (const struct arg[ARGS]){NUM(17), NIL, BOOL(false)});
	assert_int_equal(f.dq.edes, 2);
	assert_int_equal(f.dq.ede[0].code, 15);
	assert_string_equal(f.dq.ede[0].text, "blocked");
	assert_string_equal(f.dq.ede[1].text, "");
	(void)run_once(&f, "SetExtendedDNSErrorAction", (const struct arg[ARGS]){NUM(18)});
	assert_int_equal(f.dq.edes, 1);
	assert_int_equal(f.dq.ede[0].code, 18);
	dq_free_marks(&f.dq);
}

static void wrong_arguments_are_named(void **state)
{
	static const struct {
		const char *word;
		struct arg argv[ARGS];
		const char *error;
	} cases[] = {
		{"SetTagAction", {STR("a"), NIL}, "value: expected a string, got nil"},
		{"UnsetTagAction", {NUM(1)}, "tag: expected a string, got a number"},
		{"SetMaxReturnedTTLAction", {NUM(-1)}, "max: expected a whole number from 0 to 4294967295, got -1"},
		{"SetECSAction", {STR("192.0.2.0/33")}, "expected a netmask, got '192.0.2.0/33'"},
		{"SetECSAction", {NUM(1)}, "netmask: expected a netmask, got a number"},
		{"SetECSPrefixLengthAction", {NUM(33), NUM(1)}, "v4: expected a whole number from 0 to 32, got 33"},
		{"SetECSPrefixLengthAction", {NUM(3), NUM(129)}, "v6: expected a whole number from 0 to 128, got 129"},
		{"SetEDNSOptionAction", {NUM(65536), STR("")}, "code: expected a whole number from 0 to 65535, got 65536"},
		{"SetEDNSOptionAction", {NUM(1), NIL}, "data: expected a string, got nil"},
		{"SetExtendedDNSErrorAction", {NUM(65536)},
			"code: expected a whole number from 0 to 65535, got 65536"},
		{"SetMacAddrAction", {NUM(65536)}, "code: expected a whole number from 0 to 65535, got 65536"},
	};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		const char *error = NULL;

		assert_null(try_action(cases[i].word, cases[i].argv, &error));
		assert_string_equal(error, cases[i].error);
	}
}

int test_act_mark(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(they_all_go_on),
		cmocka_unit_test(marks),
		cmocka_unit_test(tags),
		cmocka_unit_test(a_tag_without_memory_is_an_error),
		cmocka_unit_test(header_flags),
		cmocka_unit_test(edns_options),
		cmocka_unit_test(extended_errors),
		cmocka_unit_test(wrong_arguments_are_named),
	};

	return cmocka_run_group_tests_name("rule/act_mark", tests, NULL, NULL);
}
