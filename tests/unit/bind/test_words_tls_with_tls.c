/* test_words_tls_with_tls.c: DoT listeners, certificates, session tickets from Lua. */
#include "frontend_help.h"

int test_words_tls_with_tls(void);

static void listeners(void **state)
{
	struct frontends h;
	const struct bind_conf *b;

	(void)state;
	frontends_init(&h);
	if (!load(&h.f,
		    "addTLSLocal('192.0.2.1', 'a.pem', 'a.key')\n"
		    "addTLSLocal('[2001:db8::1]:8853', {'a.pem', 'b.pem'}, {'a.key', 'b.key'}, {minTLSVersion='tls1.3', "
		    "ciphersTLS13='x', ecdheCurves={'X25519', 'P-256'}, ticketsKeysRotationDelay=60, numberOfTicketsKeys=2, "
		    "sessionTickets=false, numberOfStoredSessions=0, sessionTimeout=30, ocspResponses='a.ocsp', "
		    "keyLogFile='log', releaseBuffers=false, ktls=true, proxyProtocolOutsideTLS=true, maxInFlight=100, "
		    "ignoreTLSConfigurationErrors=true, padResponses=true, provider='gnutls', additionalAddresses={'[::1]'}, "
		    "preferServerCiphers=false, reusePort=true, tlsAsyncMode=true, readAhead=false, ticketKeyFile='t', "
		    "enableRenegotiation=true, ciphers='y', idleTimeout=9})\n"
		    "addTLSLocal('192.0.2.2', newTLSCertificate('c.p12', {password='p'}))\n"
		    "addTLSLocal('192.0.2.3', {newTLSCertificate('d.pem', {key='d.key'}), 'e.pem'}, 'e.key')\n"
		    "addTLSLocal('192.0.2.4', 'self-signed')\n"
		    "addTLSLocal('192.0.2.5', 'a.pem', 'a.key', {ticketKeyFile='t'})"))
		fail_msg("%s", h.f.error);
	assert_int_equal(h.f.running->nbinds, 6);
	b = h.f.running->binds;
	assert_int_equal(b->proto, PROTO_DOT);
	assert_int_equal(b->addr.port, 853);
	assert_string_equal(joined(&b->tls.certs), "a.pem");
	assert_string_equal(joined(&b->tls.keys), "a.key");
	assert_string_equal(b->tls.passwords.v[0], "");
	assert_true(b->tls.tickets);
	b++;
	assert_int_equal(b->addr.port, 8853);
	assert_string_equal(joined(&b->tls.certs), "a.pem,b.pem");
	assert_string_equal(joined(&b->tls.keys), "a.key,b.key");
	assert_string_equal(b->tls.min_version, "tls1.3");
	assert_string_equal(joined(&b->tls.curves), "X25519,P-256");
	assert_string_equal(joined(&b->tls.ocsp), "a.ocsp");
	assert_string_equal(joined(&b->more), "[::1]");
	assert_string_equal(b->tls.ticket_file, "t");
	assert_int_equal(b->tls.ticket_rotation_s, 60);
	assert_int_equal(b->tls.ticket_keys, 2);
	assert_int_equal(b->tls.session_timeout_s, 30);
	assert_int_equal(b->max_in_flight, 100);
	assert_true(b->tls.pad && b->tls.ktls && b->tls.proxy_outside && b->tls.ignore_errors && b->tls.renegotiation);
	assert_false(b->tls.tickets || b->tls.release_buffers || b->tls.prefer_server || b->tls.stored_sessions);
	assert_int_equal(b->doh.idle_s, 30); /* an option of DoH: a warning here */
	b++;
	assert_string_equal(joined(&b->tls.certs), "c.p12");
	assert_string_equal(joined(&b->tls.keys), "");
	assert_string_equal(joined(&b->tls.passwords), "p");
	b++;
	assert_string_equal(joined(&b->tls.certs), "d.pem,e.pem");
	assert_string_equal(joined(&b->tls.keys), "d.key,e.key");
	b++;
	assert_string_equal(joined(&b->tls.keys), "self-signed");
	assert_int_equal(b->tls.ticket_rotation_s, 43200);
	b++;
	assert_int_equal(b->tls.ticket_rotation_s, 0); /* keys from a file are not rotated */
	frontends_done(&h);
}

static void wrong(void **state)
{
	static const struct refused cases[] = {
		{"addTLSLocal('192.0.2.1')", "t.conf:1: addTLSLocal: argument 2 (certs): got nothing"},
		{"addTLSLocal('here', 'a', 'b')", "argument 1 (address): got 'here', expected an IP address"},
		{"addTLSLocal('192.0.2.1', 'a.pem')", "keys: got 0, expected one for each certificate: 'a.pem' has none"},
		{"addTLSLocal('192.0.2.1', 'selfsigned')", "'selfsigned' has none: did you mean 'self-signed'?"},
		{"addTLSLocal('192.0.2.1', {'a', 'b'}, {'c'})", "keys: got 1, expected one for each certificate: 'b' has none"},
		{"addTLSLocal('192.0.2.1', {'a'}, {'b', 'c'})", "keys: got 2 for 1 certificates"},
		{"addTLSLocal('192.0.2.1', {}, {})", "certificates: got none"},
		{"addTLSLocal('192.0.2.1', '', '')", "certificates: got a name that cannot be one, expected a file or what"},
		{"addTLSLocal('192.0.2.1', 5, 'a')", "certificates: got a number, expected a file"},
		{"addTLSLocal('192.0.2.1', 'a', newDNSName('x'))", "keys: got"},
		{"addTLSLocal('192.0.2.1', 'a', 'b', {minTLSVersion='1.2'})", "minTLSVersion: expected 'tls1.0'"},
		{"addTLSLocal('192.0.2.1', 'a', 'b', {numberOfTicketsKeys='many'})", "numberOfTicketsKeys: expected"},
		{"addTLSLocal('192.0.2.1', 'a', 'b', {ocspResponses={'x', 'y'}})", "ocspResponses: 2 files for 1 certificates"},
		{"addTLSLocal('192.0.2.1', 'a', 'b', {additionalAddresses='there'})", "additionalAddresses: expected an address"},
		{"newTLSCertificate()", "argument 1 (file): got nothing"},
		{"newTLSCertificate('a', {key=true})", "key: expected a string"},
		{"generateOCSPResponse('a', 'b', 'c', 'd', 4000, 0)", "expected at most 3650 days"},
		{"loadTLSProvider('no-such-provider')", "loadTLSProvider: "},
		{"setTicketsKeyAddedHook('f')", "got 'f', expected a function"},
		{"local f = getTLSFrontend(0) f:x()", "nil value"},
	};

	(void)state;
	all_refused(cases, LEN(cases));
}

/* While the file is read the words edit what it says. */
static void draft(void **state)
{
	struct frontends h;

	(void)state;
	frontends_init(&h);
	if (!load(&h.f, "addTLSLocal('192.0.2.1', 'a.pem', 'a.key') addTLSLocal('192.0.2.2', 'b.pem', 'b.key')\n"
			"assert(getTLSFrontendCount() == 2 and getTLSFrontend(2) == nil)\n"
			"local f = getTLSContext(1)\n"
			"assert(f:getAddressAndPort() == '192.0.2.2:853')\n"
			"f:loadNewCertificatesAndKeys({'c.pem', 'd.pem'}, {'c.key', 'd.key'})\n"
			"f:loadTicketsKeys('tickets') f:reloadCertificates() f:rotateTicketsKey() f:loadTicketsKey('x')\n"
			"assert(not pcall(function() f:loadNewCertificatesAndKeys('e.pem') end))\n"
			"reloadAllCertificates() loadTicketsKey('x') showTLSFrontends() showTLSErrorCounters()"))
		fail_msg("%s", h.f.error);
	assert_string_equal(h.log, "");
	assert_string_equal(joined(&h.f.running->binds[0].tls.certs), "a.pem");
	assert_string_equal(joined(&h.f.running->binds[1].tls.certs), "c.pem,d.pem");
	assert_string_equal(joined(&h.f.running->binds[1].tls.keys), "c.key,d.key");
	assert_string_equal(h.f.running->binds[1].tls.ticket_file, "tickets");
	frontends_done(&h);
}

static void running(void **state)
{
	struct frontends h;

	(void)state;
	frontends_init(&h);
	assert_true(load(&h.f, "addTLSLocal('192.0.2.1', 'a.pem', 'a.key') addTLSLocal('192.0.2.2', 'b.pem', 'b.key')"));
	assert_string_equal(runs(&h.f, "getTLSFrontendCount()"), "2\n");
	assert_string_equal(runs(&h.f, "getTLSFrontend(1):getAddressAndPort()"), "192.0.2.2:853\n");
	asks(&h, "getTLSFrontend(1):loadNewCertificatesAndKeys('c.pem', 'c.key')", "dot 1 certs 1 c.pem c.key; ");
	asks(&h, "getTLSFrontend(0):reloadCertificates()", "dot 0 reload; ");
	asks(&h, "getTLSFrontend(0):loadTicketsKeys('f')", "dot 0 file f; ");
	asks(&h, "getTLSFrontend(0):loadTicketsKey(string.rep('\\0', 80))", "dot 0 key 80; ");
	asks(&h, "getTLSFrontend(0):rotateTicketsKey()", "dot 0 rotate; ");
	asks(&h, "reloadAllCertificates()", "dot -1 reload; doh -1 reload; ");
	asks(&h, "loadTicketsKey(string.rep('k', 80))", "dot -1 key 80; doh -1 key 80; ");
	assert_string_equal(runs(&h.f, "showTLSFrontends()"), "dot 0\n");
	assert_string_equal(runs(&h.f, "showTLSContexts()"), "dot 0\n");
	assert_string_equal(runs(&h.f, "showTLSErrorCounters()"), "dot 2\ndoh 2\n");
	assert_string_equal(runs(&h.f, "getOutgoingTLSSessionCacheSize()"), "0\n");
	assert_non_null(strstr(runs(&h.f, "getTLSFrontend(2)"), "there is no frontend 2: the last is 1"));
	h.answer = -EINVAL;
	assert_false(run(&h.f, "getTLSFrontend(0):loadNewCertificatesAndKeys('c.pem', 'c.key')"));
	assert_non_null(strstr(h.f.error, "loadNewCertificatesAndKeys: cert.pem: not good"));
	assert_false(run(&h.f, "reloadAllCertificates()"));
	assert_non_null(strstr(h.f.error, "reloadAllCertificates: cert.pem: not good"));
	h.answer = -ENOENT;
	assert_false(run(&h.f, "getTLSFrontend(0):rotateTicketsKey()"));
	assert_non_null(strstr(h.f.error, "no such frontend any more"));
	assert_true(run(&h.f, "reloadAllCertificates()")); /* there are none */
	assert_false(run(&h.f, "addTLSLocal('192.0.2.3', 'a', 'b')"));
	frontends_done(&h);
}

/* The hook of the configuration that runs is called, with bytes as they are. */
static void ticket_hook(void **state)
{
	struct frontends h;

	(void)state;
	frontends_init(&h);
	assert_true(load(&h.f, "setTicketsKeyAddedHook(function() error('replaced') end)\n"
			       "setTicketsKeyAddedHook(function(key, len) seen = (seen or '') .. key .. len end)"));
	assert_non_null(h.hook);
	h.hook(h.hook_ctx, (const uint8_t *)"a\0b", 3);
	assert_string_equal(runs(&h.f, "seen == 'a\\0b3'"), "true\n");
	assert_true(load(&h.f, "")); /* a reload without one */
	h.hook(h.hook_ctx, (const uint8_t *)"a\0b", 3);
	assert_string_equal(runs(&h.f, "seen == nil"), "true\n");
	assert_true(load(&h.f, "setTicketsKeyAddedHook(function() error('mine') end)"));
	h.hook(h.hook_ctx, (const uint8_t *)"a", 1); /* logged */
	frontends_done(&h);
}

static void memory_runs_out(void **state)
{
	(void)state;
	load_without_memory("addTLSLocal('192.0.2.1', {'a', newTLSCertificate('b', {key='c'})}, 'a', {ciphers='x', "
			    "ecdheCurves={'y', 'z'}})");
}

int test_words_tls_with_tls(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(listeners), cmocka_unit_test(wrong), cmocka_unit_test(draft),
		cmocka_unit_test(running), cmocka_unit_test(ticket_hook), cmocka_unit_test(memory_runs_out)};

	return cmocka_run_group_tests_name("bind/words_tls", tests, NULL, NULL);
}
