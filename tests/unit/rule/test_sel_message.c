/* test_sel_message.c: selectors on the question's type, the header, EDNS, the size and the records. */
#include "fixture.h"

int test_sel_message(void);

enum variant { PLAIN, WITH_EDNS, WITH_OPTION, RESPONSE, TRAILING, BROKEN };

static void build(struct fix *f, enum variant v)
{
	if (v == RESPONSE) {
		fix_response(f, "example.org");
		dns_set_flags(f->msg, dns_flags(f->msg) | RCODE_REFUSED);
		assert_int_equal(edns_add(f->msg, &f->dq.len, f->dq.cap, 1232, 0, 1), 0);
		return;
	}
	fix_query(f, "example.org", QTYPE_A, DNS_RD);
	if (v == WITH_EDNS)
		assert_int_equal(edns_add(f->msg, &f->dq.len, f->dq.cap, 4096, EDNS_DO, 0), 0);
	if (v == WITH_OPTION)
		assert_int_equal(edns_set_option(f->msg, &f->dq.len, f->dq.cap, 4096, EDNS_COOKIE, "12345678", 8,
			true), 0);
	if (v == TRAILING)
		f->dq.len += 3;
	if (v == BROKEN)
		dns_set_count(f->msg, SECTION_ANSWER, 2);
}

static const struct {
	const char *word;
	struct arg argv[ARGS];
	enum variant variant;
	bool yes;
	const char *text;
} cases[] = {
	{"AllRule", {NIL}, PLAIN, true, "All"},
	{"QTypeRule", {NUM(QTYPE_A)}, PLAIN, true, "qtype==A"},
	{"QTypeRule", {NUM(QTYPE_ANY)}, PLAIN, false, "qtype==ANY"},
	{"QTypeRule", {NUM(65280)}, PLAIN, false, "qtype==TYPE65280"},
	{"QClassRule", {NUM(CLASS_IN)}, PLAIN, true, "qclass==1"},
	{"QClassRule", {NUM(CLASS_CHAOS)}, PLAIN, false, "qclass==3"},
	{"OpcodeRule", {NUM(OPCODE_QUERY)}, PLAIN, true, "opcode==0"},
	{"OpcodeRule", {NUM(OPCODE_NOTIFY)}, PLAIN, false, "opcode==4"},
	{"RDRule", {NIL}, PLAIN, true, "rd==1"},
	{"DNSSECRule", {NIL}, PLAIN, false, "DNSSEC"},
	{"DNSSECRule", {NIL}, WITH_EDNS, true, "DNSSEC"},
	{"DNSSECRule", {NIL}, WITH_OPTION, false, "DNSSEC"},
	{"RCodeRule", {NUM(RCODE_REFUSED)}, RESPONSE, true, "rcode==Query Refused"},
	{"RCodeRule", {NUM(RCODE_NOERROR)}, RESPONSE, false, "rcode==No Error"},
	{"ERCodeRule", {NUM(16 + RCODE_REFUSED)}, RESPONSE, true, NULL},
	{"ERCodeRule", {NUM(RCODE_REFUSED)}, RESPONSE, false, NULL},
	{"ERCodeRule", {NUM(RCODE_NOERROR)}, PLAIN, true, "ercode==No Error"},
	{"EDNSOptionRule", {NUM(EDNS_COOKIE)}, WITH_OPTION, true, "ednsoption==10"},
	{"EDNSOptionRule", {NUM(EDNS_ECS)}, WITH_OPTION, false, NULL},
	{"EDNSOptionRule", {NUM(EDNS_COOKIE)}, PLAIN, false, NULL},
	{"EDNSVersionRule", {NUM(0)}, WITH_EDNS, false, "ednsversion>0"},
	{"EDNSVersionRule", {NUM(0)}, PLAIN, false, NULL},
	{"PayloadSizeRule", {STR("equal"), NUM(29)}, PLAIN, true, "payload size == 29"},
	{"PayloadSizeRule", {STR("equal"), NUM(30)}, PLAIN, false, NULL},
	{"PayloadSizeRule", {STR("greater"), NUM(28)}, PLAIN, true, "payload size > 28"},
	{"PayloadSizeRule", {STR("greater"), NUM(29)}, PLAIN, false, NULL},
	{"PayloadSizeRule", {STR("greaterOrEqual"), NUM(29)}, PLAIN, true, NULL},
	{"PayloadSizeRule", {STR("greaterOrEqual"), NUM(30)}, PLAIN, false, NULL},
	{"PayloadSizeRule", {STR("smaller"), NUM(30)}, PLAIN, true, NULL},
	{"PayloadSizeRule", {STR("smaller"), NUM(29)}, PLAIN, false, NULL},
	{"PayloadSizeRule", {STR("smallerOrEqual"), NUM(29)}, PLAIN, true, "payload size <= 29"},
	{"PayloadSizeRule", {STR("smallerOrEqual"), NUM(28)}, PLAIN, false, NULL},
	{"RecordsCountRule", {NUM(SECTION_ANSWER), NUM(2), NUM(2)}, RESPONSE, true, "2 <= records in AN <= 2"},
	{"RecordsCountRule", {NUM(SECTION_ANSWER), NUM(3), NUM(9)}, RESPONSE, false, NULL},
	{"RecordsCountRule", {NUM(SECTION_ANSWER), NUM(0), NUM(1)}, RESPONSE, false, NULL},
	{"RecordsCountRule", {NUM(SECTION_QUESTION), NUM(1), NUM(1)}, PLAIN, true, NULL},
	{"RecordsTypeCountRule", {NUM(SECTION_ANSWER), NUM(QTYPE_TXT), NUM(1), NUM(1)}, RESPONSE, true,
		"1 <= TXT records in AN <= 1"},
	{"RecordsTypeCountRule", {NUM(SECTION_ANSWER), NUM(QTYPE_NS), NUM(1), NUM(1)}, RESPONSE, false, NULL},
	{"RecordsTypeCountRule", {NUM(SECTION_AUTHORITY), NUM(QTYPE_NS), NUM(1), NUM(1)}, RESPONSE, true, NULL},
	{"RecordsTypeCountRule", {NUM(SECTION_ADDITIONAL), NUM(QTYPE_OPT), NUM(1), NUM(1)}, RESPONSE, true, NULL},
	{"RecordsTypeCountRule", {NUM(SECTION_QUESTION), NUM(QTYPE_A), NUM(1), NUM(1)}, PLAIN, true, NULL},
	{"RecordsTypeCountRule", {NUM(SECTION_QUESTION), NUM(QTYPE_NS), NUM(0), NUM(0)}, PLAIN, true, NULL},
	{"RecordsTypeCountRule", {NUM(SECTION_ANSWER), NUM(QTYPE_A), NUM(0), NUM(0)}, BROKEN, true, NULL},
	{"TrailingDataRule", {NIL}, PLAIN, false, "trailing data"},
	{"TrailingDataRule", {NIL}, TRAILING, true, NULL},
	{"TrailingDataRule", {NIL}, WITH_OPTION, false, NULL},
	{"TrailingDataRule", {NIL}, BROKEN, false, NULL},
};

static void all_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		struct fix f;

		build(&f, cases[i].variant);
		if (match_once(&f, cases[i].word, cases[i].argv) != cases[i].yes)
			fail_msg("case %zu: %s", i, cases[i].word);
		if (cases[i].text)
			assert_selector_text(cases[i].word, cases[i].argv, cases[i].text);
		assert_selector_bears_no_memory(cases[i].word, cases[i].argv);
	}
}

static void flags(void **state)
{
	const struct arg none[ARGS] = {NIL};
	struct fix f;

	(void)state;
	fix_query(&f, "example.org", QTYPE_A, DNS_CD);
	assert_false(match_once(&f, "RDRule", none));
	assert_true(match_once(&f, "DNSSECRule", none));
	fix_query(&f, "example.org", QTYPE_A, DNS_AD);
	assert_false(match_once(&f, "DNSSECRule", none));
	fix_query(&f, "example.org", QTYPE_A, OPCODE_UPDATE << 11);
	assert_true(match_once(&f, "OpcodeRule", (const struct arg[ARGS]){NUM(OPCODE_UPDATE)}));
}

static void a_newer_edns_version(void **state)
{
	struct fix f;

	(void)state;
	build(&f, WITH_EDNS);
	f.msg[f.dq.len - 5] = 1; /* VERSION, before the flags and the length */
	dq_changed(&f.dq);
	assert_int_equal(dq_edns(&f.dq)->version, 1);
	assert_true(match_once(&f, "EDNSVersionRule", (const struct arg[ARGS]){NUM(0)}));
	assert_false(match_once(&f, "EDNSVersionRule", (const struct arg[ARGS]){NUM(1)}));
}

static void wrong_arguments_are_named(void **state)
{
	static const struct {
		const char *word;
		struct arg argv[ARGS];
		const char *error;
	} wrong[] = {
		{"QTypeRule", {NUM(65536)}, "type: expected a whole number from 0 to 65535, got 65536"},
		{"RCodeRule", {NUM(16)}, "rcode: expected a whole number from 0 to 15, got 16"},
		{"ERCodeRule", {NUM(4096)}, "rcode: expected a whole number from 0 to 4095, got 4096"},
		{"OpcodeRule", {NUM(16)}, "value: expected a whole number from 0 to 15, got 16"},
		{"PayloadSizeRule", {STR("bigger"), NUM(1)},
			"expected \"equal\", \"greater\", \"greaterOrEqual\", \"smaller\" or \"smallerOrEqual\", got 'bigger'"},
		{"RecordsCountRule", {NUM(4), NUM(0), NUM(1)},
			"section: expected a whole number from 0 to 3, got 4"},
		{"RecordsTypeCountRule", {NUM(1), STR("many"), NUM(0), NUM(1)},
			"type: expected a whole number from 0 to 65535, got a string"},
	};

	(void)state;
	for (size_t i = 0; i < LEN(wrong); i++) {
		const char *error = NULL;

		assert_null(try_selector(wrong[i].word, wrong[i].argv, &error));
		assert_string_equal(error, wrong[i].error);
	}
}

int test_sel_message(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_cases),
		cmocka_unit_test(flags),
		cmocka_unit_test(a_newer_edns_version),
		cmocka_unit_test(wrong_arguments_are_named),
	};

	return cmocka_run_group_tests_name("rule/sel_message", tests, NULL, NULL);
}
