/* test_words_absent.c: every word of the language is there: it works as its example says, or fails by name. */
#include "load.h"
#include "../../../src/bind/lua_priv.h"

static void find_word(
	void *ctx, const char *word, const char *spec, const char *doc, const char *example)
{
	const char **name = ctx;

	(void)spec;
	(void)doc;
	(void)example;
	if (*name && strcmp(*name, word) == 0)
		*name = NULL;
}

static bool is_word(const char *name)
{
	bind_words(find_word, &name);
	return !name;
}

static void every_absent_word_has_its_way(void **state)
{
	char code[200], expected[200];
	const char *at = NULL;
	struct absent_row r;
	struct fake f;

	(void)state;
	fake_init(&f, true);
	assert_true(load(&f, ""));
	while (absent_next(&at, &r)) {
		bool ok;

		if (r.feature[0] && is_word(r.name)) /* this build has it */
			continue;
		snprintf(code, sizeof(code), "local x = %s('a', {}, 1)", r.name);
		ok = run(&f, code);
		if (ok != (r.how != ABSENT_ERROR))
			fail_msg("%s: %s", r.name, ok ? "no error" : f.error);
		if (r.how != ABSENT_ERROR)
			continue;
		if (r.feature[0])
			snprintf(expected, sizeof(expected),
				"console:1: %s: not in this build (%s)", r.name, r.feature);
		else
			snprintf(expected, sizeof(expected), "console:1: %s: not supported yet",
				r.name);
		assert_string_equal(
			f.error, expected); /* or the word exists and must leave the table */
	}
	fake_done(&f);
}

static void no_word_is_both(void **state)
{
	const char *at = NULL, *then;
	struct absent_row r, s;

	(void)state;
	while (absent_next(&at, &r)) {
		/* those of a feature are there when it is */
		if (!r.feature[0] && is_word(r.name))
			fail_msg("%s is in absent.def and exists", r.name);
		for (then = at; absent_next(&then, &s);)
			assert_string_not_equal(r.name, s.name);
	}
	assert_true(is_word("addAction"));
	assert_true(is_word("setUDPTimeout"));
}

static void run_example(
	void *ctx, const char *word, const char *spec, const char *doc, const char *example)
{
	struct fake *f = ctx;

	if (!doc || !*doc || !example || !*example)
		fail_msg("%s has no sentence or no example", word);
	if (!strstr(example, word))
		fail_msg("the example of %s does not use it: %s", word, example);
	if (doc && strcmp(doc, "Not supported yet.") ==
			   0) { /* it says so itself: then it fails by name */
		assert_false(load(f, example));
		assert_non_null(strstr(f->error, "not supported yet"));
		return;
	}
	if (!load(f, example))
		fail_msg("example of %s: %s", word, f->error);
	lua_args_need(spec); /* names only types that are there */
}

static void every_example_runs(void **state)
{
	struct log_options before = log_options;
	struct fake f;

	(void)state;
	fake_init(&f, false);
	bind_words(run_example, &f);
	if (log_options.verbose_fd > 2)
		close(log_options.verbose_fd);
	before.fd = log_options.fd;
	log_options = before;
	fake_done(&f);
}

static void management_words_let_a_file_run(void **state)
{
	struct fake f;

	(void)state;
	fake_init(&f, false);
	assert_true(load(&f,
		"controlSocket('127.0.0.1:5199') setKey('x') webserver('127.0.0.1:8083') "
		"setWebserverConfig({password=hashPassword('p'), apiKey='k', acl='127.0.0.1'}) "
		"carbonServer('192.0.2.1') snmpAgent(true) setAPIWritable(true, '/tmp') setQueryCount(true) "
		"setOutgoingDoHWorkerThreads(1) setSecurityPollSuffix('') newServer('192.0.2.1')"));
	assert_int_equal(f.running->nservers, 1);
	assert_false(load(&f, "addDOQLocal('0.0.0.0', 'cert', 'key')"));
	assert_string_equal(f.error, "t.conf:1: addDOQLocal: not in this build (FEATURE_DOQ)");
	fake_done(&f);
}

int test_words_absent(void);
int test_words_absent(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_absent_word_has_its_way),
		cmocka_unit_test(no_word_is_both),
		cmocka_unit_test(every_example_runs),
		cmocka_unit_test(management_words_let_a_file_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
