/* test_rrtext.c: names of types, rcodes and opcodes. */
#include "wire.h"

int test_rrtext(void);

static void qtypes(void **state)
{
	static const struct {
		unsigned type;
		const char *text;
	} cases[] = {{1, "A"}, {28, "AAAA"}, {10, "NULL"}, {65, "HTTPS"}, {255, "ANY"},
		{257, "CAA"}, {0, "TYPE0"}, {65280, "TYPE65280"}, {65535, "TYPE65535"}};
	char buf[16];

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		assert_string_equal(qtype_text(cases[i].type, buf), cases[i].text);
		assert_int_equal(qtype_from_text(cases[i].text), cases[i].type);
	}
	for (unsigned type = 0; type <= UINT16_MAX; type += 7)
		assert_int_equal(qtype_from_text(qtype_text(type, buf)), type);
}

static void qtypes_read(void **state)
{
	static const struct {
		const char *text;
		int type;
	} cases[] = {{"aaaa", 28}, {"Https", 65}, {"type1", 1}, {"65", 65}, {"0", 0},
		{"65536", -EINVAL}, {"TYPE65536", -EINVAL}, {"99999999999999999999", -EINVAL},
		{"TYPE", -EINVAL}, {"", -EINVAL}, {"-1", -EINVAL}, {"1 ", -EINVAL},
		{"TYPE1x", -EINVAL}, {"AAAAA", -EINVAL}};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++)
		assert_int_equal(qtype_from_text(cases[i].text), cases[i].type);
}

static void rcodes(void **state)
{
	static const struct {
		const char *word;
		int rcode;
		const char *text;
	} cases[] = {
		{"NOERROR", 0, "No Error"},
		{"servfail", 2, "Server Failure"},
		{"NXDomain", 3, "Non-Existent domain"},
		{"REFUSED", 5, "Query Refused"},
		{"BADVERS", 16, "Bad OPT Version"},
		{"BADSIG", 16, "Bad OPT Version"},
		{"BADCOOKIE", 23, "Bad/missing Server Cookie"},
		{"12", 12, "Err#12"},
		{"4095", 4095, "Err#4095"},
	};
	static const char *const bad[] = {"", "4096", "REFUSE", "-1", "0x1"};
	char buf[16];

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		assert_int_equal(rcode_from_text(cases[i].word), cases[i].rcode);
		assert_string_equal(rcode_text((unsigned)cases[i].rcode, buf), cases[i].text);
	}
	for (size_t i = 0; i < LEN(bad); i++)
		assert_int_equal(rcode_from_text(bad[i]), -EINVAL);
}

static void opcodes(void **state)
{
	(void)state;
	assert_string_equal(opcode_text(OPCODE_QUERY), "Query");
	assert_string_equal(opcode_text(OPCODE_UPDATE), "Update");
	assert_string_equal(opcode_text(3), "3");
	assert_string_equal(opcode_text(15), "15");
}

int test_rrtext(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(qtypes),
		cmocka_unit_test(qtypes_read),
		cmocka_unit_test(rcodes),
		cmocka_unit_test(opcodes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
