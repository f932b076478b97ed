/* test_words_doh_with_doh.c: DoH listeners and static answers from Lua. */
#include "frontend_help.h"

int test_words_doh_with_doh(void);

static void listeners(void **state)
{
	struct frontends h;
	const struct bind_conf *b;

	(void)state;
	frontends_init(&h);
	if (!load(&h.f, "addDOHLocal('192.0.2.1', 'a.pem', 'a.key')\n"
			"addDOHLocal('127.0.0.1')\n"
			"addDOHLocal('127.0.0.1:8053', nil, nil, {'/dns', '/dns-query'}, {idleTimeout=10, serverTokens='x', "
			"customResponseHeaders={['X-Foo']='bar', ['link']='<https://example.org/>; rel=\"x\"'}, "
			"sendCacheControlHeaders=false, keepIncomingHeaders=true, trustForwardedForHeader=true, "
			"earlyACLDrop=false, exactPathMatching=false, http1=true, internalPipeBufferSize=0, library='h2o', "
			"reusePort=true, minTLSVersion='tls1.1', noSuchOption=1})\n"
			"addDOHLocal('127.0.0.1:8054', '', '', '/x')\n"
			"addDOHLocal('127.0.0.1:8055', {}, {}, {}, {})"))
		fail_msg("%s", h.f.error);
	assert_int_equal(h.f.running->nbinds, 5);
	b = h.f.running->binds;
	assert_int_equal(b->proto, PROTO_DOH);
	assert_int_equal(b->addr.port, 443);
	assert_string_equal(joined(&b->tls.certs), "a.pem");
	assert_string_equal(joined(&b->doh.paths), "/dns-query");
	assert_true(b->doh.exact && b->doh.cache_control && b->doh.early_acl);
	b++;
	assert_int_equal(b->addr.port, 80);
	assert_int_equal(b->tls.certs.n, 0);
	assert_string_equal(joined(&b->doh.paths), "/dns-query");
	b++;
	assert_int_equal(b->addr.port, 8053);
	assert_string_equal(joined(&b->doh.paths), "/dns,/dns-query");
	assert_string_equal(joined(&b->doh.header_names), "x-foo,link");
	assert_string_equal(joined(&b->doh.header_values), "bar,<https://example.org/>; rel=\"x\"");
	assert_string_equal(b->doh.server, "x");
	assert_int_equal(b->doh.idle_s, 10);
	assert_true(b->doh.keep_fields && b->doh.trust_forwarded && b->doh.http1 && b->reuse_port);
	assert_false(b->doh.exact || b->doh.cache_control || b->doh.early_acl);
	b++;
	assert_string_equal(joined(&b->doh.paths), "/x");
	assert_int_equal(b->tls.certs.n, 0);
	b++;
	assert_string_equal(joined(&b->doh.paths), "/dns-query");
	frontends_done(&h);
}

static void wrong(void **state)
{
	static const struct refused cases[] = {
		{"addDOHLocal()", "t.conf:1: addDOHLocal: argument 1 (address): got nothing"},
		{"addDOHLocal('127.0.0.1', 'a.pem')", "keys: got 0"},
		{"addDOHLocal('127.0.0.1', nil, nil, 'dns')", "urls: expected a path such as '/dns-query', got 'dns'"},
		{"addDOHLocal('127.0.0.1', nil, nil, {'/', true})", "urls: expected a string or a list of strings"},
		{"addDOHLocal('127.0.0.1', nil, nil, '/', {customResponseHeaders='x'})",
			"customResponseHeaders: expected a table such as"},
		{"addDOHLocal('127.0.0.1', nil, nil, '/', {customResponseHeaders={'x'}})", "got a list"},
		{"addDOHLocal('127.0.0.1', nil, nil, '/', {customResponseHeaders={['a b']='x'}})", "'a b' is no header"},
		{"addDOHLocal('127.0.0.1', nil, nil, '/', {customResponseHeaders={['']='x'}})", "'' is no header"},
		{"addDOHLocal('127.0.0.1', nil, nil, '/', {customResponseHeaders={a='x\\r\\ny: z'}})", "'a' is no header"},
		{"addDOHLocal('127.0.0.1', nil, nil, '/', {customResponseHeaders={a={}}})", "'a' is no header"},
		{"addDOHLocal('127.0.0.1', nil, nil, '/', {customResponseHeaders={a='x\\0y'}})", "'a' is no header"},
		{"addDOHLocal('127.0.0.1', nil, nil, '/', {idleTimeout=-1})", "idleTimeout: expected"},
		{"newDOHResponseMapEntry('([', 200, '')", "newDOHResponseMapEntry: '([': "},
		{"newDOHResponseMapEntry('/', 99, '')", "argument 2 (status): got 99, expected 200 to 599"},
		{"newDOHResponseMapEntry('/', 200, 'a\\0b')", "without NUL bytes"},
		{"newDOHResponseMapEntry('/', 200, '', 'x')", "headers: expected a table such as"},
		{"addDOHLocal('127.0.0.1') getDOHFrontend(0):setResponsesMap({1})", "entry 1: got a number, expected what"},
	};

	(void)state;
	all_refused(cases, LEN(cases));
}

static void pages(void **state)
{
	struct frontends h;
	const struct doh_entry *e;

	(void)state;
	frontends_init(&h);
	if (!load(&h.f, "addTLSLocal('192.0.2.1', 'a.pem', 'a.key') addDOHLocal('192.0.2.1', 'a.pem', 'a.key')\n"
			"assert(getDOHFrontendCount() == 1 and getDOHFrontend(1) == nil)\n"
			"local f = getDOHFrontend(0)\n"
			"assert(f:getAddressAndPort() == '192.0.2.1:443')\n"
			"f:setResponsesMap({newDOHResponseMapEntry('^/$', 307, 'https://x/'), "
			"newDOHResponseMapEntry('^/doc', 200, 'text', {['Content-Type']='text/plain'})})\n"
			"f:loadNewCertificatesAndKeys('b.pem', 'b.key') showDOHFrontends() showDOHResponseCodes()"))
		fail_msg("%s", h.f.error);
	assert_string_equal(h.log, "");
	assert_string_equal(joined(&h.f.running->binds[1].tls.certs), "b.pem");
	e = doh_map_find(h.f.running->binds[1].doh.map, "/");
	assert_int_equal(e->status, 307);
	assert_string_equal(e->content, "https://x/");
	e = doh_map_find(h.f.running->binds[1].doh.map, "/docs");
	assert_string_equal(joined(&e->names), "content-type");
	assert_string_equal(joined(&e->values), "text/plain");
	/* while running */
	asks(&h, "getDOHFrontend(0):setResponsesMap({newDOHResponseMapEntry('z', 404, 'gone')})", "doh 0 map; ");
	assert_int_equal(doh_map_find(h.map, "/z")->status, 404);
	asks(&h, "getDOHFrontend(0):setResponsesMap({})", "doh 0 map; ");
	assert_null(doh_map_find(h.map, "/z"));
	asks(&h, "getDOHFrontend(0):setResponsesMap(newDOHResponseMapEntry('y', 200, ''))", "doh 0 map; ");
	assert_non_null(doh_map_find(h.map, "/y"));
	asks(&h, "getDOHFrontend(0):reloadCertificates()", "doh 0 reload; ");
	assert_string_equal(runs(&h.f, "getDOHFrontendCount()"), "1\n");
	assert_string_equal(runs(&h.f, "showDOHFrontends()"), "doh 0\n");
	assert_string_equal(runs(&h.f, "showDOHResponseCodes()"), "doh 1\n");
	frontends_done(&h);
}

static void memory_runs_out(void **state)
{
	(void)state;
	load_without_memory("addDOHLocal('192.0.2.1', 'a', 'b', {'/x'}, {customResponseHeaders={a='b', c='d'}}) "
			    "getDOHFrontend(0):setResponsesMap({newDOHResponseMapEntry('^/$', 200, 'x', {e='f'})})");
}

int test_words_doh_with_doh(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(listeners), cmocka_unit_test(wrong), cmocka_unit_test(pages),
		cmocka_unit_test(memory_runs_out)};

	return cmocka_run_group_tests_name("bind/words_doh", tests, NULL, NULL);
}
