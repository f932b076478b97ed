/* test_lua.c: the life of a Lua state, files and lines in errors, running code. */
#include "load.h"
#include "../../../src/bind/lua_priv.h"
#include <sys/stat.h>

static void errors_name_file_and_line(void **state)
{
	static const struct {
		const char *text, *error;
	} cases[] = {
		{"\n\nfoo(", "t.conf:3: "},
		{"\nnoSuchWord()", "t.conf:2: attempt to call global 'noSuchWord' (a nil value)"},
		{"error('mine')", "t.conf:1: mine"},
		{"error('mine', 0)", "t.conf:1: mine"},
		{"\nlocal e = error\ne({})", "t.conf:3: the error is a table"},
		{"setUDPTimeout('x')",
			"t.conf:1: setUDPTimeout: expected a whole number from 1 to 65535 s, got 'x'"},
		{"dofile('/nonexistent.lua')", "t.conf:1: cannot open /nonexistent.lua"},
		{"\npcall(error, 'caught')\naddAction(3)",
			"t.conf:3: addAction: argument 1 (rule): got 3"},
		{"require('nonexistentmodule')", "t.conf:1: module 'nonexistentmodule' not found"},
	};
	struct fake f;

	(void)state;
	fake_init(&f, false);
	for (size_t i = 0; i < LEN(cases); i++) {
		assert_false(load(&f, cases[i].text));
		if (strncmp(f.error, cases[i].error, strlen(cases[i].error)) != 0)
			fail_msg("%s: got \"%s\"", cases[i].text, f.error);
		assert_null(strstr(f.error + strlen("t.conf:1: "), "t.conf:")); /* one prefix */
	}
	fake_done(&f);
}

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void files_and_directories(void **state)
{
	char dir[] = "/tmp/shrewd-test-XXXXXX", deep[160], path[256], text[512];
	struct conf *c;
	struct fake f;

	(void)state;
	fake_init(&f, false);
	assert_non_null(mkdtemp(dir));
	snprintf(deep, sizeof(deep), "%s/%0100d", dir, 7); /* Lua would shorten this path */
	assert_int_equal(mkdir(deep, 0700), 0);
	snprintf(path, sizeof(path), "%s/b.conf", deep);
	write_file(path, "order = order .. 'b'");
	snprintf(path, sizeof(path), "%s/a.conf", deep);
	write_file(path, "order = order .. 'a'");
	snprintf(path, sizeof(path), "%s/.hidden.conf", deep);
	write_file(path, "error('hidden')");
	snprintf(path, sizeof(path), "%s/other.txt", deep);
	write_file(path, "error('not .conf')");
	snprintf(text, sizeof(text), "order = '' includeDirectory('%s') assert(order == 'ab')",
		deep);
	assert_true(load(&f, text));

	snprintf(path, sizeof(path), "%s/c.conf", deep);
	write_file(path, "\n\nerror('here')");
	assert_false(load(&f, text));
	snprintf(text, sizeof(text), "%s:3: here", path);
	assert_string_equal(f.error, text);
	c = bind_load(path, NULL, &f.host, &f.error);
	assert_null(c);
	assert_string_equal(f.error, text);
	write_file(path, "\nx x");
	assert_null(bind_load(path, NULL, &f.host, &f.error));
	assert_int_equal(strncmp(f.error, path, strlen(path)), 0);
	snprintf(text, sizeof(text), "order = '' includeDirectory('%s')", deep);
	write_file(path, text);
	assert_false(load(&f, text));
	assert_non_null(strstr(f.error, "an included file cannot include a directory"));
	assert_false(load(&f, "includeDirectory('/nonexistent')"));
	assert_non_null(strstr(f.error, "t.conf:1: includeDirectory: /nonexistent: No such file"));
	snprintf(text, sizeof(text), "rm -r %s", dir);
	assert_int_equal(system(text), 0);
	assert_null(bind_load("/nonexistent.conf", NULL, &f.host, &f.error));
	assert_non_null(strstr(f.error, "/nonexistent.conf"));
	fake_done(&f);
}

static void state_is_closed_when_nothing_needs_it(void **state)
{
	static const struct {
		const char *text;
		bool lua;
	} cases[] = {
		{"", false},
		{"newServer('192.0.2.1') addAction(AllRule(), DropAction())", false},
		{"x = LuaAction(function(dq) return DNSAction.None end) addAction(AllRule(), x)",
			true},
		{"LuaAction(function(dq) return DNSAction.None end)",
			false}, /* garbage by the end */
		{"addAction(AllRule(), LuaAction(function(dq) return DNSAction.None end))", true},
		{"setServerPolicyLua('p', function(servers, dq) return 1 end)", true},
		{"newServer{address='192.0.2.1', checkFunction=function(n, t, c, dh) return n, t, c end}",
			true},
		{"function maintenance() end", true},
	};
	struct fake f;

	(void)state;
	fake_init(&f, false);
	for (size_t i = 0; i < LEN(cases); i++) {
		if (!load(&f, cases[i].text))
			fail_msg("%s: %s", cases[i].text, f.error);
		if (bind_has_lua(f.running) != cases[i].lua)
			fail_msg("%s: state %s", cases[i].text, cases[i].lua ? "closed" : "open");
	}
	assert_true(load(&f, ""));
	text_clear(&f.out);
	assert_int_equal(bind_run(f.running, "1", &f.out, &f.error), -ENOENT);
	f.host.keep = true;
	assert_true(load(&f, ""));
	assert_string_equal(runs(&f, "1 + 1"), "2\n");
	fake_done(&f);
}

static void code_is_expression_then_statement(void **state)
{
	static const struct {
		const char *code, *out;
	} cases[] = {
		{"'a', 2, true", "a\n2\ntrue\n"},
		{"nil", ""},
		{"y = 5", ""},
		{"y", "5\n"},
		{"show('line')", "line\n"},
		{"{'x', 'y'}", "x\ny\n"},
		{"{b=2, a='one'}", "a\tone\nb\t2\n"},
		{"{newCA('192.0.2.1')}", "192.0.2.1\n"},
		{"newDNSName('www.example.org')", "www.example.org.\n"},
		{"showVersion()", "shrewd 1\n"},
	};
	struct fake f;

	(void)state;
	fake_init(&f, true);
	assert_true(load(&f, ""));
	for (size_t i = 0; i < LEN(cases); i++)
		assert_string_equal(runs(&f, cases[i].code), cases[i].out);
	assert_false(run(&f, "x x"));
	assert_non_null(strstr(f.error, "console:1: "));
	assert_false(run(&f, "error('bad')"));
	assert_non_null(strstr(f.error, "bad"));
	runs(&f, "shutdown()");
	assert_int_equal(f.stopped, 1);
	fake_done(&f);
}

static void changes_are_published_once_and_whole(void **state)
{
	const struct conf *before;
	struct fake f;

	(void)state;
	fake_init(&f, true);
	assert_true(load(&f, "addAction(AllRule(), DropAction())"));
	before = f.running;
	runs(&f, "showRules()");
	assert_ptr_equal(f.running, before);
	runs(&f, "clearRules() setUDPTimeout(7) newServer('192.0.2.9')");
	assert_int_equal(f.published, 1);
	assert_int_equal(f.running->chain[CHAIN_QUERY].n, 0);
	assert_int_equal(f.running->set.udp_timeout_s, 7);
	assert_int_equal(f.running->nservers, 1);
	assert_false(run(&f, "setUDPTimeout(9) error('late')")); /* nothing of it stays */
	assert_int_equal(f.published, 1);
	assert_int_equal(f.running->set.udp_timeout_s, 7);
	f.host.publish = NULL;
	assert_false(run(&f, "setUDPTimeout(9)"));
	assert_non_null(strstr(f.error, "cannot be changed"));
	fake_done(&f);
}

/* A Lua global that holds an action that holds a function is no cycle that keeps the state. */
static void cycles_do_not_keep_the_state(void **state)
{
	struct fake f;
	struct lua *l;

	(void)state;
	fake_init(&f, true);
	assert_true(load(&f,
		"a = LuaAction(function(dq) return 0 end) addAction(AllRule(), a) me = getRule(0)"));
	l = lua_ref(f.running->lua);
	assert_int_equal(l->confs, 1);
	runs(&f, "setUDPTimeout(7)"); /* two configurations, one state */
	assert_int_equal(l->confs, 1);
	conf_free(&f.running);
	assert_null(l->L);
	assert_int_equal(l->refs, 1);
	lua_unref(&l);
	fake_done(&f);
}

static void words_print_to_the_log_without_console(void **state)
{
	struct fake f;
	int fd[2];
	char buf[1024];
	ssize_t n;

	(void)state;
	fake_init(&f, false);
	assert_int_equal(pipe(fd), 0);
	close(log_options.fd);
	log_options.fd = fd[1];
	assert_true(load(&f, "show('one\\ntwo')"));
	n = read(fd[0], buf, sizeof(buf) - 1);
	assert_true(n > 0);
	buf[n] = 0;
	assert_non_null(strstr(buf, "one"));
	assert_non_null(strstr(buf, "two"));
	close(fd[0]);
	fake_done(&f);
}

static void every_allocation_may_fail(void **state)
{
	static const char text[] =
		"setLocal('127.0.0.1', {interface='lo'}) setACL({'192.0.2.0/24', '2001:db8::/32'}) "
		"newServer{address='192.0.2.1', name='n', pool={'a', 'b'}} addCapabilitiesToRetain({'CAP_A', 'CAP_B'}) "
		"getPool('a'):setCache(newPacketCache(10, {numberOfShards=1})) setServerID('id') "
		"addAction({'a.', 'b.'}, PoolAction('a'), {name='r'}) addAction(QNameSuffixRule({'c.', 'd.'}), DropAction()) "
		"setServerPolicyLua('p', function(servers, dq) return 1 end) "
		"addAction(AndRule({RDRule(), '10.0.0.0/8'}), LuaAction(function(dq) return 0 end))";
	unsigned long before, calls;
	struct fake f;

	(void)state;
	fake_init(&f, false);
	before = mem_calls();
	assert_true(load(&f, text));
	calls = mem_calls() - before;
	for (unsigned long i = 1; i <= calls; i++) {
		mem_fail_at(i);
		if (!load(&f, text))
			assert_non_null(strstr(f.error, "memory"));
		mem_fail_at(0);
	}
	for (unsigned long i = 1; i <= 80; i++) {
		assert_true(load(&f, text));
		mem_fail_at(i);
		run(&f, "addAction('e.', DropAction()) newServer('192.0.2.2') getPool('z'):setECS(true) addACL('192.0.2.1')");
		mem_fail_at(0);
	}
	fake_done(&f);
}

int test_lua(void);
int test_lua(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(errors_name_file_and_line),
		cmocka_unit_test(files_and_directories),
		cmocka_unit_test(state_is_closed_when_nothing_needs_it),
		cmocka_unit_test(code_is_expression_then_statement),
		cmocka_unit_test(changes_are_published_once_and_whole),
		cmocka_unit_test(cycles_do_not_keep_the_state),
		cmocka_unit_test(words_print_to_the_log_without_console),
		cmocka_unit_test(every_allocation_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
