/* test_svc.c: tables of newSVCRecordParameters() to rdata. */
#include "fixture.h"
#include "rule_priv.h"

int test_svc(void);

static void assert_rdata(const struct svc *svc, const char *hex)
{
	struct text t = {0};

	for (unsigned i = 0; i < svc->rdlen; i++)
		text_addf(&t, "%02x", svc->rdata[i]);
	assert_string_equal(text_str(&t), hex);
	text_free(&t);
}

static void parameters(void **state)
{
	const struct {
		unsigned priority;
		struct arg opts;
		const char *hex;
	} cases[] = {
		{1, NIL, "000100"},
		{1, NAMED({"port", NUM(853)}), "000100" "000300020355"},
		{1, NAMED({"alpn", LIST(STR("h2"), STR("h3"))}), "000100" "00010006026832026833"},
		{1, NAMED({"alpn", STR("dot")}), "000100" "0001000403646f74"},
		{1, NAMED({"alpn", STR("h2")}, {"noDefaultAlpn", BOOL(true)}), "000100" "00010003026832" "00020000"},
		{1, NAMED({"noDefaultAlpn", BOOL(false)}), "000100"},
		{1, NAMED({"ech", STR("\1\2")}), "000100" "000500020102"},
		{1, NAMED({"key7", STR("/dns-query{?dns}")}), "000100" "00070010" "2f646e732d71756572797b3f646e737d"},
		{1, NAMED({"mandatory", LIST(STR("port"), STR("alpn"))}, {"alpn", STR("h2")}, {"port", NUM(1)}),
			"000100" "0000000400010003" "00010003026832" "000300020001"},
		{1, NAMED({"key65280", STR("")}, {"ipv4hint", STR("192.0.2.1")}), "000100" "00040004c0000201" "ff000000"},
		{0, NAMED({"port", NUM(853)}), "000000"}, /* an alias has no parameters */
		{1, NAMED({"unknown", STR("x")}), "000100"},
	};
	struct name root = fix_name(".");

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		const char *error = NULL;
		struct svc *svc = svc_new(cases[i].priority, &root, &cases[i].opts, &error), *copy;

		if (!svc)
			fail_msg("case %zu: %s", i, error);
		assert_rdata(svc, cases[i].hex);
		copy = svc_copy(svc);
		assert_non_null(copy);
		assert_int_equal(copy->hints4, svc->hints4);
		svc_free(&svc);
		assert_null(svc);
		assert_rdata(copy, cases[i].hex);
		svc_free(&copy);
	}
}

static void hints_are_found_again(void **state)
{
	struct name target = fix_name("a.example");
	const struct arg opts = NAMED({"ipv4hint", LIST(STR("192.0.2.1"), STR("192.0.2.2"))},
		{"ipv6hint", LIST(STR("2001:db8::1"))});
	const char *error = NULL;
	struct svc *svc = svc_new(1, &target, &opts, &error);

	(void)state;
	assert_non_null(svc);
	assert_int_equal(svc->hints4, 2);
	assert_int_equal(svc->hints6, 1);
	assert_memory_equal(svc->hint4, "\xc0\0\2\1\xc0\0\2\2", 8);
	assert_int_equal(svc->hint6[15], 1);
	svc_free(&svc);
}

static void wrong_parameters_are_named(void **state)
{
	static char big[5000];
	const struct {
		unsigned priority;
		struct arg opts;
		const char *error;
	} cases[] = {
		{65536, NIL, "priority: expected a whole number from 0 to 65535"},
		{1, NAMED({"port", NUM(65536)}), "port: expected a whole number from 0 to 65535, got 65536"},
		{1, NAMED({"alpn", STR("")}), "alpn: expected protocol names, got a string"},
		{1, NAMED({"ipv4hint", STR("::1")}), "ipv4hint: an address of the other family"},
		{1, NAMED({"ipv6hint", STR("x")}), "expected an IP address, got 'x'"},
		{1, NAMED({"mandatory", STR("speed")}),
			"mandatory: expected keys such as \"port\" or \"key65280\", got speed"},
		{1, NAMED({"ech", NUM(1)}), "ech: expected a string, got a number"},
		{1, NAMED({"key700", {.kind = ARG_STR, .s = {big, sizeof(big) - 1}}}), "the record is too large"},
		{1, NAMED({"key3", STR("ab")}, {"port", NUM(1)}), "the parameters contradict each other"},
	};
	struct name root = fix_name(".");

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		const char *error = NULL;

		assert_null(svc_new(cases[i].priority, &root, &cases[i].opts, &error));
		assert_string_equal(error, cases[i].error);
	}
}

static void memory_may_be_out(void **state)
{
	struct name root = fix_name(".");
	const char *error = NULL;
	struct svc *svc;

	(void)state;
	for (unsigned long n = 1; n <= 2; n++) {
		mem_fail_at(n);
		assert_null(svc_new(1, &root, NULL, &error));
		mem_fail_at(0);
		assert_string_equal(error, "out of memory");
	}
	svc = svc_new(1, &root, NULL, &error);
	assert_non_null(svc);
	mem_fail_at(1);
	assert_null(svc_copy(svc));
	mem_fail_at(0);
	svc_free(&svc);
}

int test_svc(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parameters),
		cmocka_unit_test(hints_are_found_again),
		cmocka_unit_test(wrong_parameters_are_named),
		cmocka_unit_test(memory_may_be_out),
	};

	return cmocka_run_group_tests_name("rule/svc", tests, NULL, NULL);
}
