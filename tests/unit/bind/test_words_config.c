/* test_words_config.c: settings, listeners, access lists and log words end in the configuration. */
#include "load.h"
#include <syslog.h>

static void settings(void **state)
{
	struct fake f;
	const struct settings *s;

	(void)state;
	fake_init(&f, true);
	assert_true(load(&f,
		"setTCPRecvTimeout(7) setMaxUDPOutstanding('100') setServFailWhenNoServer(true) "
		"setWeightedBalancingFactor(1.5) setServerID('here') setRingBuffersSize(300, 1) "
		"setRingBuffersOptions{recordResponses=false, samplingRate=10, lockRetries=3} "
		"setUDPSocketBufferSizes(1000, 2000) setWHashedPertubation(77) "
		"setWorkerLayout('sharded', 3) setMaxIdleTCPConnectionsPerDownstream(4) "
		"setSecurityPollSuffix('') setSecurityPollInterval(0) setRingBuffersLockRetries(5)"));
	s = &f.running->set;
	assert_int_equal(s->tcp_recv_timeout_s, 7);
	assert_int_equal(s->udp_outstanding, 100);
	assert_true(s->servfail_no_server);
	assert_true(s->weighted_factor == 1.5);
	assert_string_equal(s->server_id, "here");
	assert_int_equal(s->ring_entries, 300);
	assert_true(s->ring_queries);
	assert_false(s->ring_responses);
	assert_int_equal(s->ring_sampling, 10);
	assert_int_equal(s->udp_recv_buffer, 1000);
	assert_int_equal(s->udp_send_buffer, 2000);
	assert_int_equal(s->perturbation, 77);
	assert_string_equal(s->layout, "sharded");
	assert_int_equal(s->workers, 3);
	assert_int_equal(s->tcp_idle_backend, 4);
	assert_string_equal(runs(&f, "getServerID()"), "here\n");
	assert_string_equal(runs(&f, "getRingBuffersSamplingRate()"), "10\n");
	runs(&f, "setRingBuffersOptions{samplingRate=0}");
	assert_int_equal(f.running->set.ring_sampling, 0);
	fake_done(&f);
}

static void wrong_values(void **state)
{
	static const struct {
		const char *text, *error;
	} cases[] = {
		{"setUDPTimeout()", "t.conf:1: setUDPTimeout: argument 1 (value): got nothing"},
		{"setUDPTimeout(0)",
			"setUDPTimeout: expected a whole number from 1 to 65535 s, got 0"},
		{"setServFailWhenNoServer('maybe')",
			"setServFailWhenNoServer: expected true or false, got 'maybe'"},
		{"setServerID({})", "setServerID: expected a string, got a table"},
		{"setWorkerLayout('round')", "got 'round', expected collapsed, sharded or split"},
		{"setWorkerLayout('split', 1000)", "setWorkerLayout: "},
		{"setRingBuffersSize(-1)", "argument 1 (entries): got -1"},
		{"setRingBuffersOptions{samplingRate='x'}", "samplingRate: "},
		{"setSyslogFacility('local9')", "got 'local9', expected a syslog facility"},
		{"setSyslogFacility(24)", "got '24'"},
		{"setStructuredLogging(true, {timeFormat='roman'})",
			"got 'roman', expected numeric or ISO8601"},
		{"setLocal('1.2.3')",
			"setLocal: argument 1 (address): got '1.2.3', expected an IP address"},
		{"addLocal('::1', {tcpListenQueueSize='many'})", "tcpListenQueueSize: expected"},
		{"setACL({'10.0.0.0/8', 'all'})", "setACL: argument 1 (masks): entry 2: got 'all'"},
		{"setACLFromFile('/nonexistent')", "/nonexistent: No such file"},
	};
	struct fake f;

	(void)state;
	fake_init(&f, false);
	for (size_t i = 0; i < LEN(cases); i++) {
		assert_false(load(&f, cases[i].text));
		if (!strstr(f.error, cases[i].error))
			fail_msg("%s: got \"%s\"", cases[i].text, f.error);
	}
	fake_done(&f);
}

static void only_at_start(void **state)
{
	static const char *const codes[] = {"setMaxUDPOutstanding(5)", "setLocal('::1')",
		"addLocal('::1')", "includeDirectory('/dev')", "setRingBuffersSize(5)",
		"setUDPSocketBufferSizes(1, 1)", "setWorkerLayout('split')",
		"addCapabilitiesToRetain('CAP_X')", "setRingBuffersOptions{recordQueries=false}",
		"setVerboseLogDestination('/dev/null')"};
	struct fake f;

	(void)state;
	fake_init(&f, true);
	assert_true(load(&f, ""));
	for (size_t i = 0; i < LEN(codes); i++) {
		assert_false(run(&f, codes[i]));
		if (!strstr(f.error, "only possible in the configuration file"))
			fail_msg("%s: got \"%s\"", codes[i], f.error);
	}
	runs(&f, "setUDPTimeout(3)");
	assert_int_equal(f.running->set.udp_timeout_s, 3);
	fake_done(&f);
}

static void listeners(void **state)
{
	char buf[ADDR_TEXT];
	struct fake f;

	(void)state;
	fake_init(&f, false);
	assert_true(load(&f,
		"addLocal('192.0.2.1') setLocal('127.0.0.1:5300', {reusePort=true, doTCP=true}) "
		"addLocal('::1', {interface='lo', additionalAddresses={'192.0.2.2'}}) addLocal(newCA('[::2]:54'))"));
	assert_int_equal(f.running->nbinds, 3);
	assert_string_equal(addr_print(&f.running->binds[0].addr, true, buf), "127.0.0.1:5300");
	assert_true(f.running->binds[0].reuse_port);
	assert_string_equal(addr_print(&f.running->binds[1].addr, true, buf), "[::1]:53");
	assert_string_equal(f.running->binds[1].interface, "lo");
	assert_int_equal(f.running->binds[1].more.n, 1);
	assert_string_equal(addr_print(&f.running->binds[2].addr, true, buf), "[::2]:54");
	assert_true(load(&f, ""));
	assert_string_equal(addr_print(&f.running->binds[0].addr, true, buf), "127.0.0.1:53");
	fake_done(&f);
}

static void access_lists(void **state)
{
	char path[] = "/tmp/shrewd-test-XXXXXX", text[200];
	int fd = mkstemp(path);
	struct fake f;

	(void)state;
	assert_true(fd >= 0);
	fake_init(&f, true);
	assert_true(
		load(&f, "setACL({'192.0.2.0/24', '!192.0.2.7'}) setProxyProtocolACL('10.0.0.1') "
			 "setConsoleACL('127.0.0.1') addConsoleACL({'::1'})"));
	assert_string_equal(runs(&f, "showACL()"), "192.0.2.0/24\n!192.0.2.7/32\n");
	assert_string_equal(runs(&f, "showConsoleACL()"), "127.0.0.1/32\n::1/128\n");
	assert_int_equal(netset_size(f.running->proxy_acl), 1);
	runs(&f, "addACL('2001:db8::/32') rmACL('192.0.2.0/24')");
	assert_string_equal(runs(&f, "showACL()"), "!192.0.2.7/32\n2001:db8::/32\n");
	assert_string_equal(
		runs(&f, "rmACL('192.0.2.0/24')"), "rmACL: no such netmask in the list\n");
	dprintf(fd, "# clients\n\n 10.1.0.0/16 # here\n10.2.0.0/16\n");
	snprintf(text, sizeof(text), "setACLFromFile('%s')", path);
	runs(&f, text);
	assert_string_equal(runs(&f, "showACL()"), "10.1.0.0/16\n10.2.0.0/16\n");
	dprintf(fd, "nonsense\n");
	assert_false(run(&f, text));
	assert_non_null(strstr(f.error, ":5: expected a netmask, got 'nonsense'"));
	close(fd);
	unlink(path);
	fake_done(&f);
}

static void log_words(void **state)
{
	struct log_options before = log_options;
	struct fake f;

	(void)state;
	fake_init(&f, false);
	assert_true(load(&f,
		"setVerbose(true) assert(getVerbose()) setSyslogFacility('LOG_LOCAL3') "
		"setStructuredLogging(true, {levelPrefix='level', timeFormat='ISO8601', backend='json', odd=1}) "
		"infolog('a') warnlog('b') errlog('c') vinfolog('d')"));
	assert_true(log_options.verbose);
	assert_int_equal(log_options.facility, LOG_LOCAL3);
	assert_true(log_options.json);
	assert_string_equal(log_options.prefix, "level");
	assert_string_equal(log_options.time_format, "ISO8601");
	before.fd = log_options.fd;
	log_options = before;
	f.host.check_only = true; /* a check has no side effects */
	assert_true(load(&f,
		"assert(inConfigCheck() and not inClientStartup()) setVerbose(true) setSyslogFacility(17) "
		"setStructuredLogging(false) setVerboseLogDestination('/nonexistent/x') shutdown()"));
	assert_memory_equal(&before, &log_options, sizeof(before));
	assert_int_equal(f.stopped, 0);
	fake_done(&f);
}

static void system_words(void **state)
{
	char path[] = "/tmp/shrewd-test-XXXXXX", text[200];
	int fd = mkstemp(path);
	struct fake f;

	(void)state;
	assert_true(fd >= 0);
	fake_init(&f, true);
	assert_true(load(&f, ""));
	dprintf(fd,
		"; x\nnameserver 192.0.2.1\nsearch example\n nameserver 2001:db8::1\nnameserver bad\n");
	snprintf(text, sizeof(text), "getResolvers('%s')", path);
	assert_string_equal(runs(&f, text), "192.0.2.1\n2001:db8::1\n");
	assert_non_null(strstr(runs(&f, "getResolvers('/nonexistent')"), "No such file"));
	assert_string_equal(runs(&f, "#getListOfNetworkInterfaces() > 0"), "true\n");
	assert_string_equal(runs(&f, "getListOfAddressesOfNetworkInterface('nonexistent0')"), "");
	assert_string_equal(runs(&f, "getMACAddress('192.0.2.222')"), "");
	assert_string_equal(runs(&f, "getCurrentTime().tv_sec > 1500000000"), "true\n");
	assert_non_null(
		strstr(runs(&f, "help()"), "addAction(rule:rule action:action options:opts?)"));
	close(fd);
	unlink(path);
	fake_done(&f);
}

int test_words_config(void);
int test_words_config(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(settings),
		cmocka_unit_test(wrong_values),
		cmocka_unit_test(only_at_start),
		cmocka_unit_test(listeners),
		cmocka_unit_test(access_lists),
		cmocka_unit_test(log_words),
		cmocka_unit_test(system_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
