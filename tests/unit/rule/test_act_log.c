/* test_act_log.c: lines and records that LogAction writes, to files and to the log. */
#include "fixture.h"
#include "log.h"
#include <stdlib.h>
#include <unistd.h>

int test_act_log(void);

static char path[] = "/tmp/shrewd-test-log-XXXXXX";

static int make_file(void **state)
{
	int fd;

	(void)state;
	strcpy(path + sizeof(path) - 7, "XXXXXX");
	fd = mkstemp(path);
	if (fd < 0 || write(fd, "old\n", 4) != 4)
		return -1;
	return close(fd);
}

static int remove_file(void **state)
{
	(void)state;
	return unlink(path);
}

static size_t content(char *out, size_t cap)
{
	FILE *file = fopen(path, "re");
	size_t n;

	assert_non_null(file);
	n = fread(out, 1, cap - 1, file);
	out[n] = '\0';
	fclose(file);
	return n;
}

static void assert_content(const char *expected)
{
	char buf[2048];

	(void)content(buf, sizeof(buf));
	assert_string_equal(buf, expected);
}

static struct arg file_arg(void)
{
	return (struct arg){.kind = ARG_STR, .s = {path, strlen(path)}};
}

static const char line[] = "Packet from 192.0.2.7:4000 for WWW.example.org. AAAA with id 4660\n";

static void a_line_for_each_query(void **state)
{
	const struct arg argv[ARGS] = {file_arg(), BOOL(false), BOOL(false), BOOL(false)};
	struct action *a = make_action("LogAction", argv);
	char twice[256];
	struct fix f;

	(void)state;
	assert_content("old\n"); /* until the first line */
	fix_query(&f, "WWW.example.org", QTYPE_AAAA, DNS_RD);
	assert_int_equal(a->run(a, &f.dq), ACT_NEXT);
	assert_content(line);
	assert_int_equal(a->run(a, &f.dq), ACT_NEXT);
	snprintf(twice, sizeof(twice), "%s%s", line, line);
	assert_content(twice);
	action_free(&a);
	assert_content(twice);
}

static void appended_and_buffered(void **state)
{
	const struct arg argv[ARGS] = {file_arg(), BOOL(false), BOOL(true), BOOL(true)};
	struct action *a = make_action("LogAction", argv);
	char both[256];
	struct fix f;

	(void)state;
	fix_query(&f, "WWW.example.org", QTYPE_AAAA, DNS_RD);
	assert_int_equal(a->run(a, &f.dq), ACT_NEXT);
	assert_content("old\n");
	action_free(&a);
	snprintf(both, sizeof(both), "old\n%s", line);
	assert_content(both);
}

static void with_the_time(void **state)
{
	const struct arg argv[ARGS] = {file_arg(), BOOL(false), BOOL(false), BOOL(false), BOOL(true), BOOL(true)};
	char buf[256];
	long long s;
	int us, at = 0;
	struct fix f;

	(void)state;
	fix_query(&f, "WWW.example.org", QTYPE_AAAA, DNS_RD);
	(void)run_once(&f, "LogAction", argv);
	(void)content(buf, sizeof(buf));
	assert_int_equal(sscanf(buf, "[%lld.%6d] %n", &s, &us, &at), 2);
	assert_true(s > 1600000000);
	assert_string_equal(buf + at, line);
}

static void binary_records(void **state)
{
	static const uint8_t expected[] = "\0\x26" "\x12\x34\1\0\0\1\0\0\0\0\0\0" "\3WWW\7example\3org\0" "\0\x1c"
					  "\4\xc0\0\2\7" "\x0f\xa0";
	struct arg argv[ARGS] = {file_arg()};
	char buf[256];
	struct fix f;

	(void)state;
	fix_query(&f, "WWW.example.org", QTYPE_AAAA, DNS_RD);
	(void)run_once(&f, "LogAction", argv);
	assert_int_equal(content(buf, sizeof(buf)), sizeof(expected) - 1);
	assert_memory_equal(buf, expected, sizeof(expected) - 1);
	/* With the time and an IPv6 address. */
	argv[5] = (struct arg)BOOL(true);
	fix_addr(&f.remote, "[2001:db8::7]:4000");
	(void)run_once(&f, "LogAction", argv);
	assert_int_equal(content(buf, sizeof(buf)), sizeof(expected) - 1 + 12 + 8);
	assert_int_equal(buf[1], 0x26 + 12 + 8);
	assert_true(get32((uint8_t *)buf + 2) > 1600000000);
	assert_int_equal(buf[10], 0x12);
}

static void answers(void **state)
{
	const struct arg argv[ARGS] = {file_arg(), BOOL(false), BOOL(false)};
	struct action *a = make_action("LogResponseAction", argv);
	struct fix f;

	(void)state;
	assert_true(a->for_response);
	action_free(&a);
	fix_response(&f, "example.org");
	dns_set_flags(f.msg, dns_flags(f.msg) | RCODE_REFUSED);
	(void)run_once(&f, "LogResponseAction", argv);
	assert_content("Answer to 192.0.2.7:4000 for example.org. A (Query Refused) with id 4660\n");
}

static void the_longest_name_fits(void **state)
{
	const struct arg argv[ARGS] = {file_arg(), BOOL(false), BOOL(false)};
	char buf[2048];
	struct fix f;
	uint8_t *at;

	(void)state;
	fix_query(&f, ".", QTYPE_AAAA, DNS_RD);
	/* 63 + 63 + 63 + 61 bytes that are printed as \255 */
	at = f.ask_name;
	memset(at, 255, NAME_WIRE);
	at[0] = at[64] = at[128] = 63;
	at[192] = 61;
	at[254] = 0;
	(void)run_once(&f, "LogAction", argv);
	assert_true(content(buf, sizeof(buf)) > 1000);
	assert_non_null(strstr(buf, "\\255. AAAA with id 4660\n"));
}

static void without_a_file_to_the_log(void **state)
{
	const struct arg quiet[ARGS] = {STR("")}, always[ARGS] = {STR(""), BOOL(true), NIL, NIL, BOOL(false)};
	struct log_options saved = log_options;
	FILE *to = tmpfile();
	char buf[512];
	struct fix f;
	size_t n;

	(void)state;
	assert_non_null(to);
	log_options = (struct log_options){.fd = fileno(to), .verbose_fd = -1};
	fix_query(&f, "WWW.example.org", QTYPE_AAAA, DNS_RD);
	(void)run_once(&f, "LogAction", quiet);
	assert_int_equal(lseek(fileno(to), 0, SEEK_END), 0);
	(void)run_once(&f, "LogAction", always);
	log_options = saved;
	rewind(to);
	n = fread(buf, 1, sizeof(buf) - 1, to);
	buf[n] = '\0';
	assert_string_equal(buf, line);
	fclose(to);
}

static void a_file_that_cannot_be_opened(void **state)
{
	const char *error = NULL;

	(void)state;
	assert_null(try_action("LogAction", (const struct arg[ARGS]){STR("/nonexistent/dir/log")}, &error));
	assert_string_equal(error, "cannot open '/nonexistent/dir/log': No such file or directory");
	assert_null(try_action("LogResponseAction", (const struct arg[ARGS]){STR("/nonexistent/dir/log")}, &error));
}

static void a_full_disk_is_survived(void **state)
{
	const struct arg argv[ARGS] = {STR("/dev/full"), BOOL(false), BOOL(true), BOOL(false)};
	struct log_options saved = log_options;
	struct fix f;

	(void)state;
	if (access("/dev/full", W_OK))
		skip();
	log_options.fd = -1;
	fix_query(&f, "example.org", QTYPE_A, DNS_RD);
	assert_int_equal(run_once(&f, "LogAction", argv), ACT_NEXT);
	log_options = saved;
}

static void memory_may_be_out(void **state)
{
	const struct arg argv[ARGS] = {file_arg()};

	(void)state;
	assert_action_bears_no_memory("LogAction", argv);
	assert_action_bears_no_memory("LogResponseAction", argv);
	assert_content("old\n");
}

int test_act_log(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_line_for_each_query, make_file, remove_file),
		cmocka_unit_test_setup_teardown(appended_and_buffered, make_file, remove_file),
		cmocka_unit_test_setup_teardown(with_the_time, make_file, remove_file),
		cmocka_unit_test_setup_teardown(binary_records, make_file, remove_file),
		cmocka_unit_test_setup_teardown(answers, make_file, remove_file),
		cmocka_unit_test_setup_teardown(the_longest_name_fits, make_file, remove_file),
		cmocka_unit_test(without_a_file_to_the_log),
		cmocka_unit_test(a_file_that_cannot_be_opened),
		cmocka_unit_test(a_full_disk_is_survived),
		cmocka_unit_test_setup_teardown(memory_may_be_out, make_file, remove_file),
	};

	return cmocka_run_group_tests_name("rule/act_log", tests, NULL, NULL);
}
