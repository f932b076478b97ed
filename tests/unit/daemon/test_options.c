/* test_options.c: the command line: what is understood, what is refused, and that it wins over the file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "mem.h"
#include "worker.h"

int test_options(void);

/* parse: |line| cut at blanks, with standard error away. */
static int parse(struct options *o, const char *line)
{
	static char words[4096], *argv[300];
	int argc = 0, rc, was, null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	char *save;

	snprintf(words, sizeof(words), "shrewd %s", line);
	for (char *w = strtok_r(words, " ", &save); w; w = strtok_r(NULL, " ", &save))
		argv[argc++] = w;
	argv[argc] = NULL;
	optind = 0; /* begin anew */
	fflush(stderr);
	was = dup(STDERR_FILENO);
	dup2(null, STDERR_FILENO);
	rc = options_parse(o, argc, argv);
	fflush(stderr);
	dup2(was, STDERR_FILENO);
	close(was);
	close(null);
	return rc;
}

static void understood(void **state)
{
	struct options o;

	(void)state;
	assert_int_equal(parse(&o, ""), 0);
	assert_false(o.check || o.verbose || o.version || o.help || o.no_syslog || o.timestamps || o.plain_log || o.json_log);
	assert_null(o.config);
	assert_int_equal(parse(&o, "-C a.conf -l 127.0.0.1:5300 --local [::1] -a 10.0.0.0/8 --acl !10.1.0.0/16 -u nobody "
				   "-g nogroup -v --supervised --disable-syslog --log-timestamps 192.0.2.1 192.0.2.2:54"), 0);
	assert_string_equal(o.config, "a.conf");
	assert_int_equal(o.locals, 2);
	assert_string_equal(o.local[1], "[::1]");
	assert_int_equal(o.acls, 2);
	assert_string_equal(o.acl[1], "!10.1.0.0/16");
	assert_string_equal(o.uid, "nobody");
	assert_string_equal(o.gid, "nogroup");
	assert_true(o.verbose && o.supervised && o.no_syslog && o.timestamps);
	assert_int_equal(o.backends, 2);
	assert_string_equal(o.backend[1], "192.0.2.2:54");
	/* options after backends, long and short */
	assert_int_equal(parse(&o, "192.0.2.1 --check-config --config b.conf"), 0);
	assert_true(o.check);
	assert_string_equal(o.config, "b.conf");
	assert_int_equal(parse(&o, "--structured-logging false --structured-logging-backend json"), 0);
	assert_true(o.plain_log && o.json_log);
	assert_int_equal(parse(&o, "--structured-logging true --structured-logging-backend default -V -h"), 0);
	assert_false(o.plain_log || o.json_log);
	assert_true(o.version && o.help);
}

static void refused(void **state)
{
	static const char *const lines[] = {"-Z", "--no-such-option", "-C", "--structured-logging maybe",
		"--structured-logging-backend xml", "--local", "--check-config=yes"};
	char many[2048] = "";
	struct options o;

	(void)state;
	for (size_t i = 0; i < LEN(lines); i++)
		if (parse(&o, lines[i]) != -EINVAL)
			fail_msg("%s: accepted", lines[i]);
	for (int i = 0; i < OPTION_LIST; i++)
		strcat(many, "-a ::1 ");
	assert_int_equal(parse(&o, many), 0);
	strcat(many, "-a ::1");
	assert_int_equal(parse(&o, many), -EINVAL);
	many[0] = 0;
	for (int i = 0; i <= OPTION_LIST; i++)
		strcat(many, "192.0.2.1 ");
	assert_int_equal(parse(&o, many), -EINVAL);
}

static void console(void **state)
{
	struct options o;

	(void)state;
	assert_int_equal(parse(&o, "-c"), 0);
	assert_string_equal(o.unsupported, "--client");
	assert_int_equal(parse(&o, "-e showServers()"), 0);
	assert_string_equal(o.unsupported, "--execute");
	assert_int_equal(parse(&o, "-k abcd"), 0);
	assert_null(o.unsupported);
}

static void file(void **state)
{
	struct options o;

	(void)state;
	assert_int_equal(parse(&o, "-C no/such/file"), 0);
	assert_string_equal(options_find_config(&o), "no/such/file"); /* whoever opens it says so */
}

static struct conf *conf_of_file(void)
{
	const char *error = "";
	struct conf *c = conf_new(&error);
	struct bind_conf b = {.proto = PROTO_UDP};

	assert_non_null(c);
	assert_int_equal(addr_parse(&b.addr, "192.0.2.53", 53), 0);
	assert_int_equal(conf_add_bind(c, &b, false), 0);
	return c;
}

static bool allows(const struct conf *c, const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(&a, text, 0), 0);
	return netset_match(c->acl, &a);
}

static void wins(void **state)
{
	struct conf *c = conf_of_file();
	struct options o;
	const char *error = "";
	char text[ADDR_TEXT];

	(void)state;
	assert_int_equal(parse(&o, ""), 0);
	assert_int_equal(options_apply(&o, c, &error), 0);
	assert_int_equal(c->nbinds, 1);
	assert_true(allows(c, "127.0.0.1"));
	assert_int_equal(parse(&o, "-l 127.0.0.1 -l [::1]:5300 -a 203.0.113.0/24 -a !203.0.113.7 192.0.2.1 dns.example:54"), 0);
	assert_int_equal(options_apply(&o, c, &error), 0);
	assert_int_equal(c->nbinds, 2);
	assert_string_equal(addr_print(&c->binds[0].addr, true, text), "127.0.0.1:53");
	assert_string_equal(addr_print(&c->binds[1].addr, true, text), "[::1]:5300");
	assert_true(c->binds[0].enable_proxy);
	assert_false(allows(c, "127.0.0.1"));
	assert_true(allows(c, "203.0.113.8"));
	assert_false(allows(c, "203.0.113.7"));
	assert_int_equal(c->nservers, 2);
	assert_string_equal(addr_print(&c->servers[0]->addr, true, text), "192.0.2.1:53");
	assert_true(c->servers[1]->is_name);
	conf_free(&c);
}

static void cannot_apply(void **state)
{
	static const struct {
		const char *line, *error;
	} rows[] = {
		{"-l here", "--local: expected an address such as 127.0.0.1:53, got 'here'"},
		{"-a everyone", "--acl: expected a netmask such as 192.0.2.0/24, got 'everyone'"},
		{"192.0.2.1:70000", "192.0.2.1:70000"},
	};

	(void)state;
	for (size_t i = 0; i < LEN(rows); i++) {
		struct conf *c = conf_of_file();
		struct options o;
		const char *error = "";

		assert_int_equal(parse(&o, rows[i].line), 0);
		assert_true(options_apply(&o, c, &error) < 0);
		if (!strstr(error, rows[i].error))
			fail_msg("%s: %s", rows[i].line, error);
		conf_free(&c);
	}
}

static void no_memory(void **state)
{
	int rc = -1;

	(void)state;
	for (unsigned long n = 1; rc < 0; n++) {
		struct conf *c = conf_of_file();
		struct options o;
		const char *error = "";

		assert_true(n < 200);
		assert_int_equal(parse(&o, "-l 127.0.0.1 -a 203.0.113.0/24 192.0.2.1 dns.example"), 0);
		mem_fail_at(n);
		rc = options_apply(&o, c, &error);
		mem_fail_at(0);
		assert_true(rc == 0 || error[0]);
		conf_free(&c);
	}
}

int test_options(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(understood), cmocka_unit_test(refused),
		cmocka_unit_test(console), cmocka_unit_test(file), cmocka_unit_test(wins),
		cmocka_unit_test(cannot_apply), cmocka_unit_test(no_memory)};

	return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
