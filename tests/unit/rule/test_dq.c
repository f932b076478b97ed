/* test_dq.c: EDNS on demand, tags, extended errors. */
#include "fixture.h"

int test_dq(void);

static void edns_is_parsed_once(void **state)
{
	struct fix f;

	(void)state;
	fix_query(&f, "example.org", QTYPE_A, DNS_RD);
	assert_false(dq_edns(&f.dq)->present);
	assert_true(f.dq.edns_known);
	assert_int_equal(edns_add(f.msg, &f.dq.len, f.dq.cap, 4096, EDNS_DO, 0), 0);
	assert_false(dq_edns(&f.dq)->present); /* nobody said that it changed */
	dq_changed(&f.dq);
	assert_true(dq_edns(&f.dq)->present);
	assert_int_equal(dq_edns(&f.dq)->payload, 4096);
}

static void edns_of_a_malformed_message_is_absent(void **state)
{
	struct fix f;

	(void)state;
	fix_query(&f, "example.org", QTYPE_A, DNS_RD);
	dns_set_count(f.msg, SECTION_ADDITIONAL, 1); /* which is not there */
	assert_false(dq_edns(&f.dq)->present);
}

static void tags_are_set_replaced_and_unset(void **state)
{
	struct fix f;

	(void)state;
	fix_query(&f, "example.org", QTYPE_A, DNS_RD);
	assert_null(dq_tag(&f.dq, "a"));
	assert_int_equal(dq_set_tag(&f.dq, "a", "1", 1), 0);
	assert_int_equal(dq_set_tag(&f.dq, "b", "x\0y", 3), 0);
	assert_int_equal(dq_set_tag(&f.dq, "c", "", 0), 0);
	assert_int_equal(dq_set_tag(&f.dq, "a", "longer than before", 18), 0);
	assert_string_equal(dq_tag(&f.dq, "a")->value, "longer than before");
	assert_int_equal(dq_tag(&f.dq, "b")->value_len, 3);
	assert_memory_equal(dq_tag(&f.dq, "b")->value, "x\0y\0", 4);
	dq_unset_tag(&f.dq, "b");
	assert_null(dq_tag(&f.dq, "b"));
	assert_non_null(dq_tag(&f.dq, "c"));
	dq_unset_tag(&f.dq, "never set");
	/* A tag may be set to what another holds, or itself. */
	assert_int_equal(dq_set_tag(&f.dq, "a", dq_tag(&f.dq, "a")->value, 6), 0);
	assert_string_equal(dq_tag(&f.dq, "a")->value, "longer");
	dq_free_marks(&f.dq);
	assert_null(f.dq.tags);
}

static void a_tag_survives_a_failed_replacement(void **state)
{
	struct fix f;

	(void)state;
	fix_query(&f, "example.org", QTYPE_A, DNS_RD);
	assert_int_equal(dq_set_tag(&f.dq, "a", "1", 1), 0);
	mem_fail_at(1);
	assert_int_equal(dq_set_tag(&f.dq, "a", "2", 1), -ENOMEM);
	mem_fail_at(0);
	assert_string_equal(dq_tag(&f.dq, "a")->value, "1");
	dq_free_marks(&f.dq);
}

static void extended_errors_are_added_up_to_the_limit(void **state)
{
	struct fix f;

	(void)state;
	fix_query(&f, "example.org", QTYPE_A, DNS_RD);
	for (unsigned i = 0; i < DQ_EDE_MAX; i++)
		assert_int_equal(dq_add_ede(&f.dq, i, "x", false), 0);
	assert_int_equal(dq_add_ede(&f.dq, 9, "y", false), -ENOBUFS);
	assert_int_equal(f.dq.edes, DQ_EDE_MAX);
	assert_int_equal(f.dq.ede[3].code, 3);
	mem_fail_at(1);
	assert_int_equal(dq_add_ede(&f.dq, 9, "y", true), -ENOMEM);
	mem_fail_at(0);
	assert_int_equal(f.dq.edes, DQ_EDE_MAX);
	assert_int_equal(dq_add_ede(&f.dq, 9, "y", true), 0);
	assert_int_equal(f.dq.edes, 1);
	assert_int_equal(f.dq.ede[0].code, 9);
	assert_string_equal(f.dq.ede[0].text, "y");
	dq_free_marks(&f.dq);
	assert_int_equal(f.dq.edes, 0);
}

int test_dq(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(edns_is_parsed_once),
		cmocka_unit_test(edns_of_a_malformed_message_is_absent),
		cmocka_unit_test(tags_are_set_replaced_and_unset),
		cmocka_unit_test(a_tag_survives_a_failed_replacement),
		cmocka_unit_test(extended_errors_are_added_up_to_the_limit),
	};

	return cmocka_run_group_tests_name("rule/dq", tests, NULL, NULL);
}
