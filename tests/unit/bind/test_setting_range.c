/* test_setting_range.c: every setting as a word of the language: its smallest and largest value are stored, what lies
 * beyond, or is of another kind, is refused by name. */
#include "load.h"

int test_setting_range(void);

enum { CODE = 8192 };

static bool is_word(const struct field *f)
{
	return f->name[strlen(f->name) - 1] != '_';
}

static bool is_number(const struct field *f)
{
	return f->type == FIELD_U32 || f->type == FIELD_DOUBLE;
}

static double stored(const struct fake *f, const struct field *row)
{
	const char *at = (const char *)&f->running->set + row->offset;
	uint32_t u;
	double d;

	if (row->type == FIELD_DOUBLE) {
		memcpy(&d, at, sizeof(d));
		return d;
	}
	memcpy(&u, at, sizeof(u));
	return u;
}

static void refused(struct fake *f, const char *word, const char *value)
{
	char code[256];

	snprintf(code, sizeof(code), "%s(%s)", word, value);
	if (load(f, code))
		fail_msg("%s: accepted", code);
	if (!strstr(f->error, word))
		fail_msg("%s: the error does not name it: %s", code, f->error);
}

static void all_numbers(struct fake *f, bool largest)
{
	static char code[CODE];
	size_t n = 0;

	for (size_t i = 0; i < setting_field_count; i++) {
		const struct field *row = &setting_fields[i];

		if (is_word(row) && is_number(row))
			n += (size_t)snprintf(code + n, sizeof(code) - n, "%s(%u) ", row->name,
				largest ? row->max : row->min);
		assert_true(n < sizeof(code));
	}
	if (!load(f, code))
		fail_msg("%s", f->error);
	for (size_t i = 0; i < setting_field_count; i++) {
		const struct field *row = &setting_fields[i];

		if (is_word(row) && is_number(row) && stored(f, row) != (largest ? row->max : row->min))
			fail_msg("%s: stored %f", row->name, stored(f, row));
	}
}

static void smallest(void **state)
{
	all_numbers(*state, false);
}

static void largest(void **state)
{
	all_numbers(*state, true);
}

static void beyond(void **state)
{
	char value[64];

	for (size_t i = 0; i < setting_field_count; i++) {
		const struct field *row = &setting_fields[i];

		if (!is_word(row) || !is_number(row))
			continue;
		snprintf(value, sizeof(value), "%.0f", (double)row->min - 1);
		refused(*state, row->name, value);
		snprintf(value, sizeof(value), "%.0f", (double)row->max + 1);
		refused(*state, row->name, value);
	}
}

static void switches(void **state)
{
	struct fake *f = *state;
	char code[128];

	for (size_t i = 0; i < setting_field_count; i++) {
		const struct field *row = &setting_fields[i];

		if (!is_word(row) || row->type != FIELD_BOOL)
			continue;
		for (int on = 0; on < 2; on++) {
			bool got;

			snprintf(code, sizeof(code), "%s(%s)", row->name, on ? "true" : "false");
			if (!load(f, code))
				fail_msg("%s: %s", code, f->error);
			memcpy(&got, (const char *)&f->running->set + row->offset, sizeof(got));
			assert_int_equal(got, on);
		}
	}
}

static void other_kinds(void **state)
{
	for (size_t i = 0; i < setting_field_count; i++) {
		const struct field *row = &setting_fields[i];

		if (!is_word(row))
			continue;
		refused(*state, row->name, "{}");
		refused(*state, row->name, "nil");
		if (is_number(row))
			refused(*state, row->name, "'many'");
	}
}

/* Two words, one setting. */
static void two_names(void **state)
{
	struct fake *f = *state;

	assert_true(load(f, "setMaxCachedTCPConnectionsPerDownstream(3)"));
	assert_int_equal(f->running->set.tcp_idle_backend, 3);
	assert_true(load(f, "setMaxIdleTCPConnectionsPerDownstream(4)"));
	assert_int_equal(f->running->set.tcp_idle_backend, 4);
	assert_true(load(f, "setMaxCachedTCPConnectionsPerDownstream(3) setMaxIdleTCPConnectionsPerDownstream(4)"));
	assert_int_equal(f->running->set.tcp_idle_backend, 4);
}

/* None wanted is not the same as nothing said. */
static void none_or_unsaid(void **state)
{
	struct fake *f = *state;

	assert_true(load(f, ""));
	assert_false(f->running->set.doh_threads_said);
	assert_true(load(f, "setOutgoingDoHWorkerThreads(0)"));
	assert_true(f->running->set.doh_threads_said && f->running->set.doh_threads == 0);
	assert_true(load(f, "setOutgoingDoHWorkerThreads(20)"));
	assert_true(f->running->set.doh_threads_said && f->running->set.doh_threads == 20);
	assert_false(load(f, "setOutgoingDoHWorkerThreads(-1)"));
	assert_non_null(strstr(f->error, "setOutgoingDoHWorkerThreads: expected a whole number from 0 to 4096, got -1"));
}

/* Words of protocols and tools that are not there, or of how another program works inside: they are taken, so that a
 * configuration runs unchanged. */
static void accepted(void **state)
{
	static const char *const codes[] = {"setTCPDownstreamCleanupInterval(30)", "setTCPUseSinglePipe(true)",
		"setMaxTLSNewSessionRatePerClient(10)", "setMaxTLSResumedSessionRatePerClient(10)",
		"setConsoleConnectionsLogging(false)", "setDynBlocksPurgeInterval(120)", "setMaxTCPClientThreads(20)",
		"setTCPInternalPipeBufferSize(65536)", "setMaxTCPQueuedConnections(100)"};
	struct fake *f = *state;

	for (size_t i = 0; i < LEN(codes); i++)
		if (!load(f, codes[i]))
			fail_msg("%s: %s", codes[i], f->error);
	assert_int_equal(f->running->nbinds, 1);
}

static int setup(void **state)
{
	static struct fake f;

	fake_init(&f, false);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	fake_done(*state);
	return 0;
}

int test_setting_range(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(smallest), cmocka_unit_test(largest),
		cmocka_unit_test(beyond), cmocka_unit_test(switches), cmocka_unit_test(other_kinds),
		cmocka_unit_test(two_names), cmocka_unit_test(none_or_unsaid), cmocka_unit_test(accepted)};

	return cmocka_run_group_tests_name("setting_range", tests, setup, teardown);
}
