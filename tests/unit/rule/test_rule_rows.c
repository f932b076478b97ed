/* test_rule_rows.c: the tables themselves: names unique, signatures well-formed, nothing undocumented. */
#include "fixture.h"

int test_rule_rows(void);

static void assert_spec(const char *word, const char *spec)
{
	static const char *const types[] = {"any", "bool", "num", "int", "uint", "str", "func", "table", "opts", "name",
		"suffixes", "nameset", "masks", "addr", "addrs", "strs", "qtype", "qtypes", "qclass", "rcode", "opcode",
		"rule", "rules", "action", "svc"};
	bool optional = false;
	size_t params = 0;

	while (*spec) {
		size_t name = strcspn(spec, ": "), type;
		bool known = false;

		if (name == 0 || spec[name] != ':')
			fail_msg("%s: bad signature at '%s'", word, spec);
		spec += name + 1;
		type = strcspn(spec, " ");
		if (spec[type - 1] == '?')
			optional = true;
		else if (optional)
			fail_msg("%s: a required parameter after an optional one", word);
		for (size_t i = 0; i < LEN(types); i++)
			known |= strlen(types[i]) == type - (spec[type - 1] == '?') &&
				strncmp(types[i], spec, strlen(types[i])) == 0;
		if (!known)
			fail_msg("%s: unknown type at '%s'", word, spec);
		spec += type + (spec[type] == ' ');
		params++;
	}
	assert_true(params < ARGS);
}

static void assert_row(const char *word, const char *spec, const char *doc, const char *example)
{
	size_t len = strlen(word);

	assert_spec(word, spec);
	if (!doc)
		return;
	assert_int_equal(doc[strlen(doc) - 1], '.');
	if (strncmp(example, word, len) != 0 || example[len] != '(' || example[strlen(example) - 1] != ')')
		fail_msg("%s: its example does not make one", word);
}

static void rows_of_features(void **state)
{
	(void)state;
	for (const struct selector_row *r = tls_selector_rows; r->word; r++)
		assert_row(r->word, r->spec, r->doc, r->example);
	for (const struct selector_row *r = doh_selector_rows; r->word; r++)
		assert_row(r->word, r->spec, r->doc, r->example);
	for (const struct action_row *r = doh_action_rows; r->word; r++)
		assert_row(r->word, r->spec, r->doc, r->example);
}

static void rows(void **state)
{
	(void)state;
	for (const struct selector_row *r = selector_rows; r->word; r++) {
		assert_row(r->word, r->spec, r->doc, r->example);
		for (const struct selector_row *o = r + 1; o->word; o++)
			assert_string_not_equal(r->word, o->word);
	}
	for (const struct action_row *r = action_rows; r->word; r++) {
		assert_row(r->word, r->spec, r->doc, r->example);
		assert_null(strstr(r->word, "Response"));
		for (const struct action_row *o = r + 1; o->word; o++)
			assert_string_not_equal(r->word, o->word);
	}
	for (const struct action_row *r = response_action_rows; r->word; r++) {
		assert_row(r->word, r->spec, r->doc, r->example);
		assert_non_null(strstr(r->word, "ResponseAction"));
		for (const struct action_row *o = r + 1; o->word; o++)
			assert_string_not_equal(r->word, o->word);
	}
}

int test_rule_rows(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows),
		cmocka_unit_test(rows_of_features),
	};

	return cmocka_run_group_tests_name("rule/rows", tests, NULL, NULL);
}
