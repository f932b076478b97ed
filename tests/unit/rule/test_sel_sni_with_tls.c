/* test_sel_sni_with_tls.c: SNIRule. */
#include "fixture.h"

int test_sel_sni_with_tls(void);

static void names(void **state)
{
	static const struct {
		const char *sni; /* NULL: no envelope */
		struct arg name;
		bool match;
	} cases[] = {
		{"dns.example", STR("dns.example"), true},
		{"DNS.Example", STR("dns.eXample"), true},
		{"dns.example", STR("dns.example."), true},
		{"dns.example", STR("example"), false},
		{"a.dns.example", STR("dns.example"), false},
		{"", STR("dns.example"), false},
		{NULL, STR("dns.example"), false},
		{NULL, STR(""), true},
		{"", STR(""), true},
		{"x", STR(""), false},
	};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		const struct envelope e = {.sni = cases[i].sni};
		struct fix f;

		fix_query(&f, "www.example.org", QTYPE_A, DNS_RD);
		f.dq.envelope = cases[i].sni ? &e : NULL;
		if (match_once(&f, "SNIRule", (const struct arg[ARGS]){cases[i].name}) != cases[i].match)
			fail_msg("case %zu", i);
	}
}

static void makes(void **state)
{
	const struct arg name[ARGS] = {STR("dns.example.")}, wrong[ARGS] = {BOOL(true)};
	const char *error = "";

	(void)state;
	assert_selector_text("SNIRule", name, "SNI == dns.example");
	assert_selector_bears_no_memory("SNIRule", name);
	assert_null(try_selector("SNIRule", wrong, &error));
	assert_string_equal(error, "name: expected a string, got a boolean");
}

int test_sel_sni_with_tls(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(names), cmocka_unit_test(makes)};

	return cmocka_run_group_tests_name("rule/sel_sni", tests, NULL, NULL);
}
