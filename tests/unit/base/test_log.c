/* test_log.c: the forms of a line, escaping, bounds, and lines that peers can cause. */
#include "log.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <syslog.h>
#include <unistd.h>

static struct log_options kept;
static int pipe_r, pipe_w;
static char line[5000];

static int setup(void **state UNUSED)
{
	int p[2];
	kept = log_options;
	if (pipe(p) < 0)
		return -1;
	pipe_r = p[0];
	pipe_w = p[1];
	fcntl(pipe_r, F_SETFL, O_NONBLOCK);
	log_options.fd = pipe_w;
	return 0;
}

static int teardown(void **state UNUSED)
{
	close(pipe_r);
	close(pipe_w);
	log_options = kept;
	return 0;
}

/* What was logged since the last call, "" for nothing. */
static const char *logged(void)
{
	ssize_t n = read(pipe_r, line, sizeof(line) - 1);
	line[n > 0 ? n : 0] = '\0';
	return line;
}

/* Replaces the digits of the line's time by 'N', so that it can be compared. */
static const char *timeless(const char *mark)
{
	char *p = strstr(line, mark);
	assert_non_null(p);
	for (p += strlen(mark); *p != '\0' && *p != '"'; p++)
		if (*p >= '0' && *p <= '9')
			*p = 'N';
	return line;
}

static void defaults(void **state UNUSED)
{
	assert_true(kept.structured && !kept.json && !kept.syslog && !kept.verbose && !kept.timestamps);
	assert_int_equal(kept.facility, LOG_DAEMON);
	assert_int_equal(kept.fd, 2);
	assert_int_equal(kept.verbose_fd, -1);
	assert_string_equal(kept.prefix, "prio");
}

static void logfmt_lines(void **state UNUSED)
{
	log_info(SETUP, "Configuration %s", "OK");
	logged();
	assert_string_equal(timeless("ts=\""),
		"msg=\"Configuration OK\" subsystem=\"setup\" level=\"0\" prio=\"Info\" ts=\"NNNNNNNNNN.NNN\"\n");
	log_options.prefix = "severity";
	log_options.time_format = "ISO8601";
	log_error(BACK, "no\n");
	logged();
	timeless("ts=\"");
	for (char *p = line; *p != '\0'; p++)
		*p = *p == '-' ? '+' : *p; /* the sign of the time zone */
	assert_string_equal(line,
		"msg=\"no\" subsystem=\"backend\" level=\"0\" severity=\"Error\" ts=\"NNNN+NN+NNTNN:NN:NN+NNNN\"\n");
}

static void names_of_levels(void **state UNUSED)
{
	static const struct {
		enum log_level level;
		const char *want;
	} t[] = {{LOG_ERR_, "prio=\"Error\""}, {LOG_WARN_, "prio=\"Warning\""}, {LOG_NOTE_, "prio=\"Notice\""},
		{LOG_INFO_, "prio=\"Info\""}, {LOG_DEBUG_, "prio=\"Debug\""}};
	log_options.verbose = true;
	for (size_t i = 0; i < LEN(t); i++) {
		log_at(t[i].level, TAG_QUERY, "x");
		assert_non_null(strstr(logged(), t[i].want));
	}
}

#define UTF8 "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80"
static void escaping(void **state UNUSED)
{
	static const struct {
		const char *msg, *plain, *logfmt, *json;
	} t[] = {
		{"a \"b\" \\ c", "a \"b\" \\ c", "a \\\"b\\\" \\\\ c", "a \\\"b\\\" \\\\ c"},
		{"a\nb\tc\rd", "a\\nb\\tc\\rd", "a\\nb\\tc\\rd", "a\\nb\\tc\\rd"},
		{"\x1b[31m\x7f", "\\x1b[31m\\x7f", "\\x1b[31m\\x7f", "\\u001b[31m\\u007f"},
		{UTF8, UTF8, UTF8, UTF8},
		{"\xff\xc3", "\\xff\\xc3", "\\xff\\xc3", "\\u00ff\\u00c3"},
		{"\xc2\x9b", "\\xc2\\x9b", "\\xc2\\x9b", "\\u00c2\\u009b"},
		{"\xc0\xaf\xe0\x80\xaf", "\\xc0\\xaf\\xe0\\x80\\xaf", "\\xc0\\xaf\\xe0\\x80\\xaf",
			"\\u00c0\\u00af\\u00e0\\u0080\\u00af"},
		{"\xed\xa0\x80\xf4\x90\x80\x80", "\\xed\\xa0\\x80\\xf4\\x90\\x80\\x80",
			"\\xed\\xa0\\x80\\xf4\\x90\\x80\\x80",
			"\\u00ed\\u00a0\\u0080\\u00f4\\u0090\\u0080\\u0080"},
		{"end\n\n", "end", "end", "end"},
		{"", "", "", ""},
	};
	for (size_t i = 0; i < LEN(t); i++) {
		char want[300];
		log_options.structured = false;
		log_info(LUA, "%s", t[i].msg);
		snprintf(want, sizeof(want), "%s\n", t[i].plain);
		assert_string_equal(logged(), want);
		log_options.structured = true;
		log_options.json = false;
		log_info(LUA, "%s", t[i].msg);
		snprintf(want, sizeof(want), "msg=\"%s\" subsystem=\"lua\" ", t[i].logfmt);
		assert_memory_equal(logged(), want, strlen(want));
		log_options.json = true;
		log_info(LUA, "%s", t[i].msg);
		snprintf(want, sizeof(want), "{\"msg\": \"%s\", \"subsystem\": \"lua\", \"level\": \"0\", "
			"\"prio\": \"Info\", \"ts\": \"", t[i].json);
		assert_memory_equal(logged(), want, strlen(want));
		assert_string_equal(line + strlen(line) - 3, "\"}\n");
	}
}

static void plain_with_time(void **state UNUSED)
{
	log_options.structured = false;
	log_options.timestamps = true;
	log_warn(FRONT, "careful");
	logged();
	assert_int_equal(strlen(line), 16 + 8);
	assert_true(line[3] == ' ' && line[6] == ' ' && line[9] == ':' && line[12] == ':' && line[15] == ' ');
	assert_string_equal(line + 16, "careful\n");
}

static void long_messages_are_cut(void **state UNUSED)
{
	static const struct {
		const char *escape, *after, *end;
	} forms[] = {{"\\x01", "\n", "\n"}, {"\\x01", "\" subsystem=\"", "\"\n"},
		{"\\u0001", "\", \"subsystem\"", "\"}\n"}};
	static char big[4000];
	for (unsigned form = 0; form < LEN(forms); form++) {
		size_t escape_len = strlen(forms[form].escape);
		log_options.structured = form > 0;
		log_options.json = form == 2;
		for (unsigned odd = 0; odd < 7; odd++) { /* the cut never falls into an escape */
			memset(big, '\x01', sizeof(big) - 1);
			memset(big, 'x', odd);
			log_info(QUERY, "%s", big);
			size_t len = strlen(logged());
			assert_in_range(len, 1900, 2304);
			assert_int_equal(line[len - 1], '\n');
			assert_ptr_equal(strchr(line, '\n'), line + len - 1);
			const char *after = strstr(line, forms[form].after);
			assert_non_null(after);
			assert_memory_equal(after - escape_len, forms[form].escape, escape_len);
			assert_string_equal(line + len - strlen(forms[form].end), forms[form].end);
		}
	}
}

static void debug_lines(void **state UNUSED)
{
	int p[2];
	log_options.structured = false;
	log_debug(QUERY, "hidden");
	log_at(LOG_DEBUG_, TAG_QUERY, "hidden");
	assert_string_equal(logged(), "");
	log_options.verbose = true;
	log_at(LOG_DEBUG_, TAG_QUERY, "shown");
	assert_string_equal(logged(), "shown\n");
	assert_int_equal(pipe(p), 0);
	log_options.verbose_fd = p[1];
	log_at(LOG_DEBUG_, TAG_QUERY, "aside");
	log_info(QUERY, "here");
	assert_string_equal(logged(), "here\n");
	assert_int_equal(read(p[0], line, sizeof(line)), 6);
	assert_memory_equal(line, "aside\n", 6);
	close(p[0]);
	close(p[1]);
}

static void errno_survives(void **state UNUSED)
{
	log_options.fd = 9999;
	errno = EACCES;
	log_info(SETUP, "%d", 1);
	assert_int_equal(errno, EACCES);
	log_options.fd = -1;
	log_info(SETUP, "nowhere");
}

static void syslog_gets_the_line_without_our_time(void **state UNUSED)
{
	int kept_stderr = dup(STDERR_FILENO);
	log_options.fd = -1;
	log_options.syslog = true;
	log_options.structured = false;
	log_options.timestamps = true;
	dup2(pipe_w, STDERR_FILENO);
	openlog("shrewd-test", LOG_PERROR, LOG_DAEMON); /* its copy on standard error is what we read */
	log_info(SETUP, "100%% \"sure\"");
	closelog();
	dup2(kept_stderr, STDERR_FILENO);
	close(kept_stderr);
	assert_string_equal(logged(), "shrewd-test: 100% \"sure\"\n");
}

static void lines_of_peers_are_limited(void **state UNUSED)
{
	static struct log_site site;
	log_options.structured = false;
	for (unsigned i = 0; i < 3; i++)
		log_limited(&site, i, LOG_INFO_, TAG_FRONT, "bad client %u", i);
	assert_string_equal(logged(), "bad client 0\n");
	log_limited(&site, 1000, LOG_INFO_, TAG_FRONT, "late");
	assert_string_equal(logged(), "");
	log_limited(&site, 1001, LOG_INFO_, TAG_FRONT, "later");
	assert_string_equal(logged(), "later (3 similar lines left out)\n");
	log_limited(&site, 5000, LOG_INFO_, TAG_FRONT, "much later");
	assert_string_equal(logged(), "much later\n");
	log_limited(&site, 9000, LOG_DEBUG_, TAG_FRONT, "hidden");
	log_limited(&site, 9001, LOG_INFO_, TAG_FRONT, "seen");
	assert_string_equal(logged(), "seen\n");
}

static void states_that_last_are_paced(void **state UNUSED)
{
	static struct log_pace p;
	unsigned more = 9;
	log_options.structured = false;
	assert_false(log_paced_end(&p, &more));
	for (unsigned i = 0; i < 3; i++)
		log_paced(&p, 1000 * i, LOG_WARN_, TAG_BACK, "%s", "refused");
	assert_string_equal(logged(), "refused\n");
	log_paced(&p, 3000, LOG_WARN_, TAG_BACK, "%s", "timed out"); /* news */
	assert_string_equal(logged(), "timed out (2 similar lines left out)\n");
	for (unsigned i = 4; i < 60; i++) /* in turn, and both are known */
		log_paced(&p, 1000 * i, LOG_WARN_, TAG_BACK, "%s", i % 2 ? "refused" : "timed out");
	assert_string_equal(logged(), "");
	log_paced(&p, 60001, LOG_WARN_, TAG_BACK, "%s", "refused"); /* once a minute */
	assert_string_equal(logged(), "refused (56 similar lines left out)\n");
	log_paced(&p, 60002, LOG_WARN_, TAG_BACK, "%s", "refused");
	assert_true(log_paced_end(&p, &more));
	assert_int_equal(more, 1);
	assert_false(log_paced_end(&p, &more)); /* said once */
	for (unsigned i = 0; i < 9; i++) { /* comes and goes: bounded */
		log_paced(&p, 60003 + i, LOG_WARN_, TAG_BACK, "%s", "refused");
		(void)log_paced_end(&p, &more);
	}
	assert_string_equal(logged(), "refused\nrefused\nrefused\n");
	for (unsigned i = 0; i < 9; i++) /* different each time: bounded */
		log_paced(&p, 200000 + i, LOG_WARN_, TAG_BACK, "%u", i);
	assert_string_equal(logged(), "0 (6 similar lines left out)\n1\n2\n3\n");
}

static void complaints_are_counted(void **state UNUSED)
{
	unsigned before = log_complaints();
	log_options.fd = -1;
	log_info(SETUP, "fine");
	log_debug(SETUP, "fine");
	assert_int_equal(log_complaints(), before);
	log_warn(SETUP, "hm");
	log_error(SETUP, "no");
	assert_int_equal(log_complaints(), before + 2);
}

int test_log(void);
int test_log(void)
{
#define LOG_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		LOG_TEST(defaults),
		LOG_TEST(logfmt_lines),
		LOG_TEST(names_of_levels),
		LOG_TEST(escaping),
		LOG_TEST(plain_with_time),
		LOG_TEST(long_messages_are_cut),
		LOG_TEST(debug_lines),
		LOG_TEST(errno_survives),
		LOG_TEST(syslog_gets_the_line_without_our_time),
		LOG_TEST(lines_of_peers_are_limited),
		LOG_TEST(states_that_last_are_paced),
		LOG_TEST(complaints_are_counted),
	};
	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
