/* test_setting.c: the rows of setting.def: every default is stored, words are unique, which are for the start only. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "conf.h"

int test_setting(void);

static struct settings set;

static int setup(void **state)
{
	(void)state;
	return field_defaults(setting_fields, setting_field_count, &set);
}

static int teardown(void **state)
{
	(void)state;
	fields_free(setting_fields, setting_field_count, &set);
	return 0;
}

static void defaults(void **state)
{
	(void)state;
	assert_int_equal(set.tcp_recv_timeout_s, 2);
	assert_int_equal(set.tcp_threads, 0);
	assert_int_equal(set.udp_outstanding, 65535);
	assert_int_equal(set.payload_self, 1232);
	assert_int_equal(set.ecs_bits4, 24);
	assert_int_equal(set.ecs_bits6, 56);
	assert_int_equal(set.ring_entries, 10000);
	assert_true(set.udp_random_sockets && set.udp_random_ids && set.edns_self && set.console_log);
	assert_false(set.servfail_no_server || set.fixup_case || set.tc_retry);
	assert_true(set.weighted_factor == 0 && set.hash_factor == 0);
	assert_true(set.layout == NULL || *set.layout == '\0');
}

static const struct field *row(const char *word)
{
	const struct field *f = field_find(setting_fields, setting_field_count, word);

	if (f == NULL)
		fail_msg("%s is not there", word);
	return f;
}

static void words(void **state)
{
	(void)state;
	for (size_t i = 0; i < setting_field_count; i++)
		assert_ptr_equal(row(setting_fields[i].name), &setting_fields[i]);
	assert_int_equal(row("setUDPTimeout")->type, FIELD_U32);
	assert_int_equal(row("setServFailWhenNoServer")->type, FIELD_BOOL);
	assert_int_equal(row("setWeightedBalancingFactor")->type, FIELD_DOUBLE);
	assert_int_equal(row("setServerID")->type, FIELD_STR);
	assert_string_equal(row("setUDPTimeout")->unit, "s");
}

static void values(void **state)
{
	struct arg n = {.kind = ARG_NUM, .n = 7}, zero = {.kind = ARG_NUM, .n = 0};
	struct arg text = {.kind = ARG_STR, .s = {"here", 4}}, big = {.kind = ARG_NUM, .n = 4294967295.0};
	const char *error = "";

	(void)state;
	assert_int_equal(field_set(row("setUDPTimeout"), &set, &n, &error), 0);
	assert_int_equal(set.udp_timeout_s, 7);
	assert_int_equal(field_set(row("setUDPTimeout"), &set, &zero, &error), -EINVAL);
	assert_non_null(strstr(error, "setUDPTimeout: "));
	assert_int_equal(field_set(row("setWHashedPerturbation"), &set, &big, &error), 0);
	assert_true(set.perturbation == UINT32_MAX);
	assert_int_equal(field_set(row("setServerID"), &set, &text, &error), 0);
	assert_string_equal(set.server_id, "here");
}

static void at_start(void **state)
{
	static const struct {
		const char *word;
		bool start;
	} cases[] = {{"setUDPTimeout", false}, {"setMaxTCPClientThreads", true}, {"setServFailWhenNoServer", false},
		{"setTCPFastOpenKey", true}, {"setRingEntries_", true}, {"setRingSampling_", false},
		{"setRandomizedIdsOverUDP", true}, {"setWeightedBalancingFactor", false}};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++)
		assert_int_equal(setting_only_at_start((size_t)(row(cases[i].word) - setting_fields)), cases[i].start);
}

static void remember(void *ctx, const char *word)
{
	char *said = ctx;

	assert_true(word[strlen(word) - 1] != '_'); /* what users write */
	strcat(said, word);
	strcat(said, " ");
}

static void changed_at_start(void **state)
{
	struct settings now;
	char said[2048] = "";

	(void)state;
	assert_int_equal(fields_copy(setting_fields, setting_field_count, &now, &set), 0);
	settings_differ(&set, &now, remember, said);
	assert_string_equal(said, "");
	now.udp_timeout_s = 9;
	now.tcp_pipe_size = 7; /* means nothing */
	settings_differ(&set, &now, remember, said);
	assert_string_equal(said, "");
	now.tcp_threads = 3;
	now.ring_queries = now.ring_responses = false;
	now.udp_recv_buffer = 7;
	now.workers = 2;
	settings_differ(&set, &now, remember, said);
	assert_string_equal(said, "setMaxTCPClientThreads setUDPSocketBufferSizes setRingBuffersOptions setWorkerLayout ");
	for (size_t i = 0; i < setting_field_count; i++) { /* every row that counts only at start is called by a word */
		*said = 0;
		fields_free(setting_fields, setting_field_count, &now);
		assert_int_equal(fields_copy(setting_fields, setting_field_count, &now, &set), 0);
		if (!setting_only_at_start(i) || (setting_fields[i].type != FIELD_U32 && setting_fields[i].type != FIELD_BOOL))
			continue;
		*((uint8_t *)&now + setting_fields[i].offset) ^= 1;
		settings_differ(&set, &now, remember, said);
		assert_int_equal(*said == 0, strcmp(setting_fields[i].name, "setTCPInternalPipeBufferSize") == 0 ||
			strcmp(setting_fields[i].name, "setTCPUseSinglePipe") == 0);
	}
	fields_free(setting_fields, setting_field_count, &now);
}

int test_setting(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(defaults), cmocka_unit_test(words), cmocka_unit_test(values),
		cmocka_unit_test(at_start), cmocka_unit_test(changed_at_start)};

	return cmocka_run_group_tests_name("setting", tests, setup, teardown);
}
