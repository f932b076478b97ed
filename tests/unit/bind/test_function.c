/* test_function.c: rules made of Lua functions, callbacks, health check functions. */
#include "query_help.h"
#include <pthread.h>
#include <unistd.h>

int test_function(void);

static enum act run_query(const char *body, struct help_query *q, unsigned qtype, bool stream)
{
	char text[2048];
	struct conf *c;
	enum act act;

	snprintf(text, sizeof(text),
		"newServer({address='192.0.2.53', pool='other'})\naddAction(AllRule(), LuaAction(function(dq) %s end))",
		body);
	c = help_load(text);
	assert_true(bind_has_lua(c));
	help_query(q, c, qtype, false);
	if (stream)
		q->dq.proto = PROTO_TCP;
	act = chain_run(&c->chain[CHAIN_QUERY], &q->dq);
	q->dq.conf = NULL;
	q->dq.pool = strcmp(q->dq.pool, "other") == 0 ? "other" : "";
	conf_free(&c);
	return act;
}

/* What each result does; |rcode| and |answers| are of the message afterwards, -1: it is still the query. */
static const struct {
	const char *body;
	unsigned qtype;
	bool stream;
	enum act act;
	int rcode, answers;
} results[] = {
	{"return DNSAction.Allow", QTYPE_A, false, ACT_ALLOW, -1, 0},
	{"return DNSAction.None", QTYPE_A, false, ACT_NEXT, -1, 0},
	{"return DNSAction.None, 'ignored'", QTYPE_A, false, ACT_NEXT, -1, 0},
	{"return DNSAction.NoOp", QTYPE_A, false, ACT_NEXT, -1, 0},
	{"return DNSAction.SetTag", QTYPE_A, false, ACT_NEXT, -1, 0},
	{"return DNSAction.Drop", QTYPE_A, false, ACT_DROP, -1, 0},
	{"return DNSAction.Drop, '', 'third'", QTYPE_A, false, ACT_DROP, -1, 0},
	{"return DNSAction.Nxdomain, ''", QTYPE_A, false, ACT_RCODE, RCODE_NXDOMAIN, 0},
	{"return DNSAction.Refused", QTYPE_A, false, ACT_RCODE, RCODE_REFUSED, 0},
	{"return DNSAction.ServFail", QTYPE_A, false, ACT_RCODE, RCODE_SERVFAIL, 0},
	{"return DNSAction.Truncate", QTYPE_A, false, ACT_TRUNCATE, RCODE_NOERROR, 0},
	{"return DNSAction.Truncate", QTYPE_A, true, ACT_NEXT, -1, 0},
	{"return DNSAction.HeaderModify", QTYPE_A, false, ACT_ALLOW, -1, 0},
	{"dq.rcode = DNSRCode.NOTIMP; dq.dh:setQR(true); return DNSAction.HeaderModify", QTYPE_A, false, ACT_ANSWER,
		RCODE_NOTIMP, 0},
	{"dq.dh:setQR(true); return DNSAction.None", QTYPE_A, false, ACT_ANSWER, 0, 0},
	{"return DNSAction.Spoof, '192.0.2.1'", QTYPE_A, false, ACT_ANSWER, 0, 1},
	{"return DNSAction.Spoof, '192.0.2.1, 192.0.2.2,2001:db8::1'", QTYPE_A, false, ACT_ANSWER, 0, 2},
	{"return DNSAction.Spoof, '192.0.2.1'", QTYPE_AAAA, false, ACT_ANSWER, 0, 0},
	{"return DNSAction.Spoof, '192.0.2.1 2001:db8::1'", QTYPE_ANY, false, ACT_ANSWER, 0, 2},
	{"return DNSAction.Spoof, 'cname.example.net'", QTYPE_MX, false, ACT_ANSWER, 0, 1},
	{"return DNSAction.SpoofRaw, '\\192\\0\\2\\1'", QTYPE_A, false, ACT_ANSWER, 0, 1},
	{"return DNSAction.SpoofPacket, dq:getContent()", QTYPE_A, false, ACT_ANSWER, 0, 0},
	{"dq:spoof(newCA('192.0.2.1')) return DNSAction.Allow", QTYPE_A, false, ACT_ANSWER, 0, 1},
	{"dq:spoof(newCA('192.0.2.1')) return DNSAction.Allow", QTYPE_TXT, false, ACT_ALLOW, -1, 0},
	{"dq:spoof({newCA('192.0.2.1'), newCA('192.0.2.2')}) return DNSAction.HeaderModify", QTYPE_A, false,
		ACT_ANSWER, 0, 2},
	{"dq:spoof('\\3abc') return DNSAction.None", QTYPE_TXT, false, ACT_ANSWER, 0, 1},
	{"dq:spoof({'\\1a', '\\1b'}, DNSQType.TXT) return DNSAction.None", QTYPE_ANY, false, ACT_ANSWER, 0, 2},
	{"dq:setNegativeAndAdditionalSOA(true, 'zone.', 60, 'm.', 'r.', 1, 2, 3, 4, 5) return DNSAction.Allow", QTYPE_A,
		false, ACT_ANSWER, RCODE_NXDOMAIN, 0},
	/* what is wrong is an error of the rule: SERVFAIL */
	{"return", QTYPE_A, false, ACT_ERROR, -1, 0},
	{"return 'x'", QTYPE_A, false, ACT_ERROR, -1, 0},
	{"return 99", QTYPE_A, false, ACT_ERROR, -1, 0},
	{"return 0/0", QTYPE_A, false, ACT_ERROR, -1, 0},
	{"return -1", QTYPE_A, false, ACT_ERROR, -1, 0},
	{"error('broken')", QTYPE_A, false, ACT_ERROR, -1, 0},
	{"error({})", QTYPE_A, false, ACT_ERROR, -1, 0},
	{"return dq.nothing", QTYPE_A, false, ACT_ERROR, -1, 0},
	{"return DNSAction.Spoof", QTYPE_A, false, ACT_ERROR, -1, 0},
	{"return DNSAction.Spoof, 'a..b'", QTYPE_A, false, ACT_ERROR, -1, 0},
	{"return DNSAction.Spoof, ('x'):rep(300)", QTYPE_A, false, ACT_ERROR, -1, 0},
	{"return DNSAction.SpoofRaw", QTYPE_A, false, ACT_ERROR, -1, 0},
	{"return DNSAction.SpoofPacket, 'short'", QTYPE_A, false, ACT_ERROR, -1, 0},
	{"return DNSAction.SpoofPacket, ('x'):rep(5000)", QTYPE_A, false, ACT_ERROR, -1, 0},
	{"return DNSAction.Pool, 'nowhere'", QTYPE_A, false, ACT_ERROR, -1, 0},
	{"return DNSAction.Pool", QTYPE_A, false, ACT_ERROR, -1, 0},
};

static void query_results(void **state)
{
	int fd = help_quiet();

	(void)state;
	for (size_t i = 0; i < LEN(results); i++) {
		struct help_query q;
		enum act act = run_query(results[i].body, &q, results[i].qtype, results[i].stream);
		bool is_answer = dns_flags(q.msg) & DNS_QR;

		if (act != results[i].act)
			fail_msg("%s: act %d, expected %d", results[i].body, act, results[i].act);
		if (is_answer != (results[i].rcode >= 0) || (is_answer && dns_rcode(q.msg) != (unsigned)results[i].rcode))
			fail_msg("%s: flags %04x", results[i].body, dns_flags(q.msg));
		if (dns_count(q.msg, SECTION_ANSWER) != results[i].answers)
			fail_msg("%s: %d answers", results[i].body, dns_count(q.msg, SECTION_ANSWER));
		assert_int_equal(dns_id(q.msg), 0x1234);
		dq_free_marks(&q.dq);
	}
	help_loud(fd);
}

static void query_effects(void **state)
{
	struct help_query q;

	(void)state;
	assert_int_equal(run_query("return DNSAction.Pool, 'other'", &q, QTYPE_A, false), ACT_POOL);
	assert_string_equal(q.dq.pool, "other");
	assert_int_equal(run_query("return DNSAction.Delay, '250'", &q, QTYPE_A, false), ACT_NEXT);
	assert_int_equal(q.dq.delay_ms, 250);
	assert_int_equal(run_query("return DNSAction.Delay, 70", &q, QTYPE_A, false), ACT_NEXT);
	assert_int_equal(q.dq.delay_ms, 70);
	assert_int_equal(run_query("return DNSAction.NoRecurse", &q, QTYPE_A, false), ACT_ALLOW);
	assert_int_equal(dns_flags(q.msg) & DNS_RD, 0);
}

static void reply_results(void **state)
{
	static const struct {
		const char *body;
		enum act act;
		unsigned rcode;
		uint32_t delay_ms;
	} cases[] = {
		{"return DNSResponseAction.None", ACT_NEXT, 0, 0},
		{"return DNSResponseAction.Allow, ''", ACT_ALLOW, 0, 0},
		{"return DNSResponseAction.HeaderModify", ACT_ALLOW, 0, 0},
		{"dr.rcode = 3; return DNSResponseAction.HeaderModify", ACT_ALLOW, 3, 0},
		{"return DNSResponseAction.Drop", ACT_DROP, 0, 0},
		{"return DNSResponseAction.Delay, '30'", ACT_NEXT, 0, 30},
		{"return DNSResponseAction.ServFail", ACT_ALLOW, RCODE_SERVFAIL, 0},
		{"return DNSResponseAction.Truncate", ACT_TRUNCATE, 0, 0},
		{"error('x')", ACT_ERROR, RCODE_SERVFAIL, 0},
		{"return {}", ACT_ERROR, RCODE_SERVFAIL, 0},
		{"return 50", ACT_ERROR, RCODE_SERVFAIL, 0},
	};
	int fd = help_quiet();

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		struct help_query q;
		char text[512];
		struct conf *c;

		snprintf(text, sizeof(text), "addResponseAction(AllRule(), LuaResponseAction(function(dr) %s end))",
			cases[i].body);
		c = help_load(text);
		help_query(&q, c, QTYPE_A, false);
		help_reply(&q);
		if (chain_run(&c->chain[CHAIN_RESPONSE], &q.dq) != cases[i].act)
			fail_msg("%s", cases[i].body);
		assert_int_equal(dns_rcode(q.msg), cases[i].rcode);
		assert_int_equal(q.dq.delay_ms, cases[i].delay_ms);
		if (cases[i].act != ACT_TRUNCATE)
			assert_int_equal(dns_count(q.msg, SECTION_ANSWER), 2);
		conf_free(&c);
	}
	help_loud(fd);
}

static void rules(void **state)
{
	static const struct {
		const char *body;
		bool match;
	} cases[] = {
		{"return dq.qname:isPartOf('example.org')", true},
		{"return dq.qtype == DNSQType.AAAA", false},
		{"return nil", false},
		{"return 5", true},
		{"error('x')", false},
	};
	int fd = help_quiet();

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		struct help_query q;
		char text[512];
		struct conf *c;

		snprintf(text, sizeof(text), "addAction(AndRule({LuaRule(function(dq) %s end)}), DropAction())",
			cases[i].body);
		c = help_load(text);
		help_query(&q, c, QTYPE_A, false);
		if (chain_run(&c->chain[CHAIN_QUERY], &q.dq) != (cases[i].match ? ACT_DROP : ACT_NEXT))
			fail_msg("%s", cases[i].body);
		conf_free(&c);
	}
	help_loud(fd);
}

/* An error names the file and the line; many in a second are one line. */
static void errors_are_logged(void **state)
{
	struct help_query q;
	struct conf *c = help_load("addAction(AllRule(),\n LuaAction(function(dq)\n  error('went wrong')\n end))");
	int fd = log_options.fd, pipefd[2];
	char text[4096] = "";
	ssize_t n;

	(void)state;
	assert_int_equal(pipe(pipefd), 0);
	log_options.fd = pipefd[1];
	for (int i = 0; i < 50; i++) {
		help_query(&q, c, QTYPE_A, false);
		assert_int_equal(chain_run(&c->chain[CHAIN_QUERY], &q.dq), ACT_ERROR);
	}
	log_options.fd = fd;
	close(pipefd[1]);
	n = read(pipefd[0], text, sizeof(text) - 1);
	close(pipefd[0]);
	assert_true(n > 0);
	assert_non_null(strstr(text, "LuaAction"));
	assert_non_null(strstr(text, "test.conf:3: went wrong"));
	assert_null(strstr(strstr(text, "went wrong") + 1, "went wrong"));
	conf_free(&c);
}

/* A call of a Lua rule takes no memory of ours. */
static void calls_are_cheap(void **state)
{
	struct help_query q;
	unsigned long calls;
	struct conf *c = help_load("addAction(LuaRule(function(dq) return dq.qtype == 28 end), DropAction())\n"
				   "addAction(AllRule(), LuaAction(function(dq) return DNSAction.None end))");

	(void)state;
	help_query(&q, c, QTYPE_A, false);
	assert_int_equal(chain_run(&c->chain[CHAIN_QUERY], &q.dq), ACT_NEXT);
	calls = mem_calls();
	for (int i = 0; i < 100; i++)
		assert_int_equal(chain_run(&c->chain[CHAIN_QUERY], &q.dq), ACT_NEXT);
	assert_int_equal(mem_calls(), calls);
	conf_free(&c);
}

/* Workers share the state: each sees its own query. */
static void *worker(void *arg)
{
	const struct conf *c = arg;

	for (unsigned i = 0; i < 1000; i++) {
		struct help_query q;
		unsigned qtype = i % 2 ? QTYPE_A : QTYPE_TXT;

		help_query(&q, c, qtype, false);
		if (chain_run(&c->chain[CHAIN_QUERY], &q.dq) != (qtype == QTYPE_TXT ? ACT_DROP : ACT_NEXT))
			return arg;
	}
	return NULL;
}

static void many_workers(void **state)
{
	struct conf *c = help_load("addAction(LuaRule(function(dq) return dq.qtype == DNSQType.TXT and "
				   "dq.qname:countLabels() == 3 end), DropAction())");
	pthread_t thread[3];
	void *wrong;

	(void)state;
	for (size_t i = 0; i < LEN(thread); i++)
		assert_int_equal(pthread_create(&thread[i], NULL, worker, c), 0);
	for (size_t i = 0; i < LEN(thread); i++) {
		assert_int_equal(pthread_join(thread[i], &wrong), 0);
		assert_null(wrong);
	}
	conf_free(&c);
}

static void callbacks(void **state)
{
	struct conf *c = help_load("n, last = 0, ''\n"
				   "newServer({address='192.0.2.53', name='one', checkName='a.'})\n"
				   "function maintenance() n = n + 1 error('not the end of it') end\n"
				   "addMaintenanceCallback(function() n = n + 10 end)\n"
				   "addMaintenanceCallback(function() error('neither') end)\n"
				   "addMaintenanceCallback(function() n = n + 100 end, 'named')\n"
				   "addExitCallback(function() n = n + 1000 end)\n"
				   "addServerStateChangeCallback(function(name, up) last = name .. tostring(up) end)");
	struct text out = {0};
	const char *error = "";
	int fd = help_quiet();

	(void)state;
	bind_maintenance(c);
	bind_exit(c);
	bind_server_changed(c, c->servers[0], false);
	help_loud(fd);
	assert_int_equal(bind_run(c, "return n .. last", &out, &error), 0);
	assert_string_equal(text_str(&out), "1111onefalse\n");
	text_free(&out);
	conf_free(&c);
}

static void what_keeps_the_state(void **state)
{
	static const struct {
		const char *text;
		bool kept;
	} cases[] = {
		{"x = 1", false},
		{"local r = LuaRule(function() end)", false}, /* nobody has it */
		{"function maintenance() end", true},
		{"maintenance = 5", false},
		{"addExitCallback(function() end)", true},
		{"addAction(LuaRule(function() end), DropAction())", true},
		{"r = LuaRule(function() end)", true}, /* a later line may use it */
	};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		struct conf *c = help_load(cases[i].text);

		if (bind_has_lua(c) != cases[i].kept)
			fail_msg("%s", cases[i].text);
		bind_maintenance(c);
		bind_exit(c);
		conf_free(&c);
	}
}

static void health(void **state)
{
	struct conf *c = help_load(
		"newServer({address='192.0.2.53', checkName='a.', checkType='AAAA', checkFunction=function(name, type, class, dh)\n"
		" if bad then return 5 end\n"
		" return newDNSName('x' .. name:toString()), type + 1, class end,\n"
		" healthCheckResponseValidator=function(dr) return dr.rcode == 0 and dr.qname == newDNSName('a') end})\n"
		"newServer({address='192.0.2.54', checkName='a.'})");
	uint8_t reply[] = {0, 1, 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0, 1, 'a', 0, 0, 1, 0, 1};
	unsigned qtype = 0, qclass = 0;
	char text[NAME_TEXT];
	struct text out = {0};
	const char *error;
	struct name name;
	bool ok = false;
	int fd;

	(void)state;
	assert_true(bind_health_question(c->servers[0], &name, &qtype, &qclass));
	name_to_text(name.wire, true, text);
	assert_string_equal(text, "xa.");
	assert_int_equal(qtype, 29);
	assert_int_equal(qclass, 1);
	assert_false(bind_health_question(c->servers[1], &name, &qtype, &qclass));
	assert_true(bind_health_validate(c->servers[0], reply, sizeof(reply), &ok));
	assert_true(ok);
	reply[3] |= RCODE_REFUSED;
	assert_true(bind_health_validate(c->servers[0], reply, sizeof(reply), &ok));
	assert_false(ok);
	assert_false(bind_health_validate(c->servers[1], reply, sizeof(reply), &ok));
	assert_false(bind_health_validate(c->servers[0], reply, 13, &ok));
	assert_int_equal(bind_run(c, "bad = true", &out, &error), 0);
	fd = help_quiet();
	assert_false(bind_health_question(c->servers[0], &name, &qtype, &qclass));
	help_loud(fd);
	text_free(&out);
	conf_free(&c);
}

static void refused(void **state)
{
	static const char *const absent[] = {"LuaFFIRule", "LuaFFIAction", "LuaFFIResponseAction", "LuaFFIPerThreadRule",
		"LuaFFIPerThreadAction", "LuaFFIPerThreadResponseAction"};

	(void)state;
	help_refused("LuaAction(5)", "LuaAction");
	help_refused("LuaRule()", "LuaRule");
	help_refused("addMaintenanceCallback('x')", "addMaintenanceCallback");
	for (size_t i = 0; i < LEN(absent); i++) {
		char text[128], what[128];

		snprintf(text, sizeof(text), "%s(function(dq) end)", absent[i]);
		snprintf(what, sizeof(what), "test.conf:1: %s: not supported yet", absent[i]);
		help_refused(text, what);
	}
}

static void without_memory(void **state)
{
	(void)state;
	help_starve("addAction(LuaRule(function() end), LuaAction(function() end)) "
		    "addResponseAction(AllRule(), LuaResponseAction(function() end)) "
		    "addExitCallback(function() end)");
}

/* The same for what runs per query: an error of the rule, the query goes on or is SERVFAIL. */
static void running_without_memory(void **state)
{
	struct conf *c = help_load("addAction(AllRule(), LuaAction(function(dq) dq:setTag('a', 'b') "
				   "dq:changeName('x' .. dq.qname:toString()) dq:setExtendedDNSError(1, 'x') "
				   "local o = dq:setEDNSOption(3, 'x') o = dq:getEDNSOptions()[3]:getValues() "
				   "local a = dq.remoteaddr dq.dh:setRD(false) "
				   "dq:spoof(newCA('192.0.2.1')) return DNSAction.Allow end))");
	int fd = help_quiet();

	(void)state;
	for (unsigned long n = 1; n < 40; n++) {
		struct help_query q;
		enum act act;

		help_query(&q, c, QTYPE_A, false);
		mem_fail_at(n);
		act = chain_run(&c->chain[CHAIN_QUERY], &q.dq);
		mem_fail_at(0);
		assert_true(act == ACT_ERROR || act == ACT_ANSWER);
		assert_true(n < 30 || act == ACT_ANSWER);
		dq_free_marks(&q.dq);
	}
	help_loud(fd);
	conf_free(&c);
}

int test_function(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(query_results),
		cmocka_unit_test(query_effects),
		cmocka_unit_test(reply_results),
		cmocka_unit_test(rules),
		cmocka_unit_test(errors_are_logged),
		cmocka_unit_test(calls_are_cheap),
		cmocka_unit_test(many_workers),
		cmocka_unit_test(callbacks),
		cmocka_unit_test(what_keeps_the_state),
		cmocka_unit_test(health),
		cmocka_unit_test(refused),
		cmocka_unit_test(without_memory),
		cmocka_unit_test(running_without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
