/* test_answer.c: what the other tests do not reach: truncation on both sides, default options, broken messages. */
#include "fixture.h"

int test_answer(void);

static void a_query_becomes_a_truncated_answer(void **state)
{
	struct fix f;

	(void)state;
	fix_query(&f, "example.org", QTYPE_A, DNS_RD | DNS_AD);
	assert_int_equal(edns_add(f.msg, &f.dq.len, f.dq.cap, 4096, EDNS_DO, 0), 0);
	assert_int_equal(dq_answer_truncated(&f.dq), 0);
	assert_int_equal(dns_flags(f.msg), DNS_QR | DNS_TC | DNS_RD | DNS_RA);
	assert_int_equal(f.dq.len, 29);
}

static void an_answer_is_truncated_and_keeps_its_opt(void **state)
{
	struct fix f;

	(void)state;
	fix_response(&f, "example.org");
	assert_int_equal(edns_add(f.msg, &f.dq.len, f.dq.cap, 1232, EDNS_DO, 0), 0);
	assert_int_equal(dq_answer_truncated(&f.dq), 0);
	assert_true(dns_flags(f.msg) & DNS_TC);
	assert_int_equal(dns_count(f.msg, SECTION_ANSWER), 0);
	assert_int_equal(dns_count(f.msg, SECTION_AUTHORITY), 0);
	assert_true(dq_edns(&f.dq)->present);
}

static void without_options_the_defaults_hold(void **state)
{
	struct addr addr;
	struct fix f;

	(void)state;
	fix_addr(&addr, "192.0.2.1");
	fix_query(&f, "example.org", QTYPE_A, DNS_AD);
	assert_int_equal(dq_answer_addrs(&f.dq, &addr, 1, NULL), 0);
	assert_int_equal(dns_flags(f.msg), DNS_QR);
	assert_int_equal(get32(f.msg + f.dq.len - 10), 60);
	assert_int_equal(dq_answer_addrs(&f.dq, NULL, 0, NULL), 0);
	assert_int_equal(dns_count(f.msg, SECTION_ANSWER), 0);
	assert_int_equal(dq_answer_rcode(&f.dq, 16 + RCODE_REFUSED, NULL), 0);
	assert_int_equal(f.dq.ext_rcode, 1);
	assert_int_equal(dq_answer_addrs(&f.dq, &addr, 1, NULL), 0);
	assert_int_equal(f.dq.ext_rcode, 0);
}

static void a_query_without_its_question_is_an_error(void **state)
{
	struct fix f;

	(void)state;
	fix_query(&f, "example.org", QTYPE_A, DNS_RD);
	f.dq.len = DNS_HEADER + 3;
	assert_int_not_equal(dq_answer_rcode(&f.dq, RCODE_REFUSED, NULL), 0);
	assert_int_not_equal(dq_answer_truncated(&f.dq), 0);
	assert_int_not_equal(dq_answer_addrs(&f.dq, NULL, 0, NULL), 0);
}

static void raw_data_that_is_no_string_is_an_error(void **state)
{
	const struct arg list = LIST(STR("\1a"), NUM(1));
	struct fix f;

	(void)state;
	fix_query(&f, "example.org", QTYPE_TXT, DNS_RD);
	assert_int_equal(dq_answer_raw(&f.dq, &list, 0, NULL), -EINVAL);
}

int test_answer(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_query_becomes_a_truncated_answer),
		cmocka_unit_test(an_answer_is_truncated_and_keeps_its_opt),
		cmocka_unit_test(without_options_the_defaults_hold),
		cmocka_unit_test(a_query_without_its_question_is_an_error),
		cmocka_unit_test(raw_data_that_is_no_string_is_an_error),
	};

	return cmocka_run_group_tests_name("rule/answer", tests, NULL, NULL);
}
