/* test_message.c: dq and dr: what scripts read from a message and do to it. */
#include "query_help.h"

int test_message(void);

/* Runs |body|, which is to return true, as a LuaRule on the query or reply |q|. */
static bool body_true(struct help_query *q, const char *body, bool response)
{
	char text[2048];
	enum act act;
	struct conf *c;

	snprintf(text, sizeof(text),
		"newServer({address='192.0.2.53', pool='other'})\n%s(LuaRule(function(d) %s end), %s())",
		response ? "addResponseAction" : "addAction", body, response ? "DropResponseAction" : "DropAction");
	c = help_load(text);
	q->dq.conf = c;
	act = chain_run(&c->chain[response ? CHAIN_RESPONSE : CHAIN_QUERY], &q->dq);
	q->dq.conf = NULL;
	if (q->dq.pool[0])
		q->dq.pool = "other"; /* the configuration's own text goes with it */
	conf_free(&c);
	return act == ACT_DROP;
}

static const char *const query_truths[] = {
	"return d.qname:toString() == 'www.Example.org.' and d.qname == newDNSName('www.example.org')",
	"return d.qtype == DNSQType.A and d.qclass == DNSClass.IN and d.opcode == DNSOpcode.Query",
	"return d.remoteaddr:toStringWithPort() == '192.0.2.7:4711' and d.localaddr:getPort() == 53",
	"return d.tcp == false and d.rcode == 0 and d.len == #d:getContent() and d.size >= d.len",
	"d.rcode = DNSRCode.REFUSED; return d.rcode == 5",
	"d.rcode = 16; return d.rcode == 0",
	"d.len = d.len + 2; return d:getContent():sub(-2) == '\\0\\0' and d:getTrailingData() == '\\0\\0'",
	"return d.pool == '' and (function() d.pool = 'other'; return d.pool == 'other' end)()",
	"return not d.skipCache and (function() d.skipCache = true; return d.skipCache end)()",
	"d.useECS = false; local off = d.useECS; d.useECS = true; return off == false and d.useECS",
	"d.ecsOverride = true; d.ecsPrefixLength = 16; return d.ecsOverride and d.ecsPrefixLength == 16",
	"local was = d.tempFailureTTL; d.tempFailureTTL = 7; return was == nil and d.tempFailureTTL == 7",
	"d.deviceID = 'a\\0b'; d.deviceName = 'n'; d.requestorID = 'r'; return d.deviceID == 'a\\0b' and "
	"d.deviceName == 'n' and d.requestorID == 'r' and next(d:getTagArray()) == nil",
	/* header */
	"local h = d:getHeader(); return h:getRD() and not h:getTC() and h:getID() == 0x1234",
	"local h = d:getHeader(); h:setRD(false); h:setCD(true); local before = d:getHeader():getRD(); d:setHeader(h); "
	"return before and not d:getHeader():getRD() and d:getHeader():getCD()",
	"d.dh:setRD(false); d.dh:setAD(true); return not d:getHeader():getRD() and d.dh:getAD() and not d.dh:getAA()",
	"local other = d.dh; other:setRA(true); d:setHeader(d.dh); return d:getHeader():getRA()",
	/* content */
	"local c = d:getContent(); d:setContent('\\9\\9' .. c:sub(3)); return d:getContent() == c",
	"local c = d:getContent(); d:setContent(c:sub(1, 13) .. 'xyz' .. c:sub(17)); "
	"return d.qname == newDNSName('xyz.example.org') and d:getHeader():getID() == 0x1234",
	"return d:getTrailingData() == '' and d:setTrailingData('rest') and d:getTrailingData() == 'rest'",
	"d:setTrailingData('long one'); return d:setTrailingData('') and d:getTrailingData() == ''",
	"return not d:setTrailingData(('x'):rep(5000))",
	/* EDNS */
	"return not d:getDO() and next(d:getEDNSOptions()) == nil",
	"d:setEDNSOption(10, '12345678'); d:setEDNSOption(10, 'abc'); local o = d:getEDNSOptions()[EDNSOptionCode.COOKIE]; "
	"return o:count() == 1 and o:getValues()[1] == 'abc'",
	/* marks */
	"d:setTag('k', 'v\\0w'); return d:getTag('k') == 'v\\0w' and d:getTag('none') == ''",
	"d:setTag('k', 'v'); d:unsetTag('k'); return d:getTag('k') == ''",
	"d:setTagArray({a = '1', b = 2}); local t = d:getTagArray(); return t.a == '1' and t.b == '2' and t.c == nil",
	"d:setExtendedDNSError(15, 'blocked'); d:setExtendedDNSError(16, 'x', false); return true",
	/* where and when */
	"return d:getElapsedUs() == 1000 and d:getProtocol() == 'Do53 UDP' and d:getIncomingInterface() == ''",
	"local t = d:getQueryTime(); return t.tv_sec > 1000000000 and t.tv_nsec < 1000000000",
	"return d:getHTTPPath() == '' and next(d:getHTTPHeaders()) == nil and d:getServerNameIndication() == '' and "
	"next(d:getProxyProtocolValues()) == nil and d:getTraceID() == nil",
	/* names */
	"d:changeName(newDNSName('A.longer.name.example.net')); "
	"return d.qname:toString() == 'A.longer.name.example.net.' and d.qtype == DNSQType.A",
	"for i = 1, 5 do d:changeName('n' .. i .. '.net') end; return d.qname == newDNSName('n5.net') and "
	"next(d:getTagArray()) == nil",
	/* errors are the script's, and name what it did */
	"local ok, e = pcall(function() d.pool = 'nowhere' end); return not ok and e:find('nowhere') ~= nil",
	"local ok, e = pcall(function() d.rcode = 5000 end); return not ok and e:find('rcode: expected') ~= nil",
	"local ok, e = pcall(function() d.len = 4 end); return not ok and e:find('12 bytes') ~= nil",
	"local ok, e = pcall(function() d.len = 1e9 end); return not ok",
	"local ok, e = pcall(function() d.len = 0/0 end); return not ok",
	"local ok, e = pcall(function() d.ecsPrefixLength = 33 end); return not ok",
	"local ok, e = pcall(function() d.qname = 'x' end); return not ok and e:find('qname') ~= nil",
	"local ok, e = pcall(function() d:setContent('short') end); return not ok and e:find('12 bytes') ~= nil",
	"local ok, e = pcall(function() d:setContent(('\\0'):rep(12)) end); return not ok and e:find('question') ~= nil",
	"local ok, e = pcall(function() d:setContent(('\\0'):rep(5000)) end); return not ok and e:find('long') ~= nil",
	"local ok, e = pcall(function() d:setEDNSOption(10, ('x'):rep(5000)) end); return not ok and e:find('long') ~= nil",
	"local ok, e = pcall(function() d:setEDNSOption(70000, '') end); return not ok",
	"local ok, e = pcall(function() d:setHeader(5) end); return not ok and e:find('DNSHeader') ~= nil",
	"local ok, e = pcall(function() d:setExtendedDNSError(70000) end); return not ok",
	"local ok, e = pcall(function() for i = 1, 9 do d:setExtendedDNSError(i, '', false) end end); return not ok",
	"local ok, e = pcall(function() for i = 1, 50 do d:changeName('n' .. i) end end); return not ok",
	"local ok, e = pcall(function() d:setTag('\\1q0', 'x') end); return not ok",
	"local ok, e = pcall(function() d:setTagArray({a = {}}) end); return not ok and e:find('a:') ~= nil",
	"local ok, e = pcall(function() d:suspend(1, 2, 3) end); "
	"return not ok and e:find('DNSQuestion:suspend: not supported yet') ~= nil",
	"local ok, e = pcall(function() d:sendTrap('x') end); return not ok and e:find('DNSQuestion:sendTrap') ~= nil",
	"d:setHTTPResponse(200, ''); return d:getHTTPScheme() == ''", /* not over HTTP: nothing happens */
	"local ok, e = pcall(function() d:setHTTPResponse(99, '') end); return not ok and e:find('setHTTPResponse') ~= nil",
	"local ok, e = pcall(function() d:setHTTPResponse(200, '', 'a\\nb') end); return not ok and e:find('one line') ~= nil",
	"local ok, e = pcall(function() d:setMetaKey('k', {}) end); return not ok and e:find('setMetaKey') ~= nil",
	"local ok, e = pcall(function() d:spoof({}) end); return not ok and e:find('DNSQuestion:spoof') ~= nil",
	"local ok, e = pcall(function() d:spoof({newCA('::1'), 'x'}) end); return not ok",
	"local ok, e = pcall(function() d:restart() end); return not ok",
};

static void query_holds(void **state)
{
	(void)state;
	for (size_t i = 0; i < LEN(query_truths); i++) {
		struct help_query q;

		help_query(&q, NULL, QTYPE_A, false);
		if (!body_true(&q, query_truths[i], false))
			fail_msg("%s", query_truths[i]);
		assert_true(q.dq.len <= q.dq.cap);
		assert_int_equal(dns_id(q.msg), 0x1234);
		dq_free_marks(&q.dq);
	}
}

static void over_http(void **state)
{
	static const struct http_field fields[] = {{"user-agent", "curl/8"}, {"accept", "a"}, {"accept", "b"}};
	static const struct envelope e = {.sni = "dns.example", .path = "/dns-query", .query = "dns=AAAA",
		.host = "dns.example:8443", .scheme = "https", .fields = fields, .nfields = LEN(fields)};
	struct help_query q;

	(void)state;
	help_query(&q, NULL, QTYPE_A, false);
	q.dq.envelope = &e;
	q.dq.proto = PROTO_DOH;
	assert_true(body_true(&q, "return d:getHTTPPath() == '/dns-query' and d:getHTTPQueryString() == '?dns=AAAA' and "
				  "d:getHTTPHost() == 'dns.example:8443' and d:getHTTPScheme() == 'https' and "
				  "d:getServerNameIndication() == 'dns.example' and d:getProtocol() == 'DNS over HTTPS'", false));
	assert_true(body_true(&q, "local h = d:getHTTPHeaders(); return h['user-agent'] == 'curl/8' and h.accept == 'b'", false));
	assert_true(body_true(&q, "d:setHTTPResponse(302, 'https://x/'); d:setHTTPResponse(200, 'a\\0b', 'text/x'); return true",
		false));
	assert_int_equal(q.dq.http->status, 200);
	assert_int_equal(q.dq.http->len, 3);
	assert_string_equal(q.dq.http->type, "text/x");
	dq_free_marks(&q.dq);
	assert_null(q.dq.http);
}

static void query_edns(void **state)
{
	struct help_query q;

	(void)state;
	help_query(&q, NULL, QTYPE_A, true);
	assert_true(body_true(&q, "return d:getDO()", false));
	assert_true(body_true(&q, "d:setEDNSOption(3, 'id'); local o = d:getEDNSOptions(); "
				  "return o[3]:count() == 1 and o[10] == nil and d:getDO()", false));
	assert_int_equal(edns_set_option(q.msg, &q.dq.len, q.dq.cap, 512, 3, "two", 3, false), 0);
	dq_changed(&q.dq);
	assert_true(body_true(&q, "local o = d:getEDNSOptions()[3]; "
				  "return o:count() == 2 and table.concat(o:getValues(), ',') == 'id,two'", false));
	dq_free_marks(&q.dq);
}

/* A changed name is the query's question from then on, and outlives the script. */
static void change_question(void **state)
{
	struct help_query q;
	struct name n;

	(void)state;
	help_query(&q, NULL, QTYPE_A, true);
	assert_true(body_true(&q, "d:changeName('A.Rather.Long.Name.example.net'); return true", false));
	assert_int_equal(name_from_text(&n, "a.rather.long.name.example.net", 30), 0);
	assert_int_equal(q.dq.question->len, n.len);
	assert_memory_equal(q.dq.question->lower, n.wire, n.len);
	assert_true(name_same(q.dq.ask_name, n.wire));
	assert_memory_equal(q.dq.ask_name, q.msg + DNS_HEADER, n.len); /* the case as given */
	assert_true(question_same(q.dq.question, q.msg, q.dq.len));
	assert_true(dq_edns(&q.dq)->present);
	assert_true(q.question.len != n.len); /* the core's own is left alone */
	dq_free_marks(&q.dq);
}

static void marks(void **state)
{
	struct help_query q;

	(void)state;
	help_query(&q, NULL, QTYPE_A, false);
	assert_true(body_true(&q, "d:setExtendedDNSError(15, 'one'); d:setExtendedDNSError(16, 'two', false); "
				  "d:setRestartable(); d.pool = 'other'; return true", false));
	assert_int_equal(q.dq.edes, 2);
	assert_int_equal(q.dq.ede[1].code, 16);
	assert_string_equal(q.dq.ede[0].text, "one");
	assert_true(q.dq.restartable);
	assert_string_equal(q.dq.pool, "other");
	dq_free_marks(&q.dq);
}

static const char *const reply_truths[] = {
	"return d.qname:toString() == 'www.Example.org.' and d.qtype == DNSQType.A and d.rcode == 0",
	"return d:getSelectedBackend() == nil and d:getStaleCacheHit() == false and d:getRestartCount() == 0",
	"local seen = {}; d:editTTLs(function(section, class, type, ttl) seen[#seen + 1] = section .. class .. type .. ttl; "
	"return ttl end); return table.concat(seen, ',') == '111300,11130,31560'",
	"local n = 0; d:editTTLs(function(s, c, t, ttl) return 5 end); d:editTTLs(function(s, c, t, ttl) n = n + ttl; "
	"return ttl end); return n == 15",
	"d:editTTLs(function() return -1 end); d:editTTLs(function() return 'x' end); d:editTTLs(function() return 1e12 end); "
	"local n = 0; d:editTTLs(function(s, c, t, ttl) n = n + ttl end); return n == 390",
	"local ok, e = pcall(function() d:editTTLs(function() error('mine') end) end); "
	"return not ok and e:find('mine') ~= nil",
	"local ok, e = pcall(function() d:restart() end); return not ok and e:find('setRestartable') ~= nil",
	"d:changeName('other.example'); return d.skipCache and d.qname == newDNSName('www.example.org')",
	"d:changeName('WWW.example.ORG'); return not d.skipCache",
	"local kept = d.dh; kept:setTC(true); return d:getHeader():getTC()",
};

static void reply_holds(void **state)
{
	(void)state;
	for (size_t i = 0; i < LEN(reply_truths); i++) {
		struct help_query q;

		help_query(&q, NULL, QTYPE_A, false);
		help_reply(&q);
		if (!body_true(&q, reply_truths[i], true))
			fail_msg("%s", reply_truths[i]);
		assert_true(msg_end(q.msg, q.dq.len) == (ssize_t)q.dq.len);
		dq_free_marks(&q.dq);
	}
}

static void restart(void **state)
{
	struct help_query q;

	(void)state;
	help_query(&q, NULL, QTYPE_A, false);
	help_reply(&q);
	q.dq.restartable = true;
	assert_true(body_true(&q, "d:restart(); return true", true));
	assert_true(q.dq.restart);
}

static void backend(void **state)
{
	struct help_query q;
	struct conf *c = help_load("newServer({address='192.0.2.53', name='one'})\n"
				   "addResponseAction(LuaRule(function(dr) return dr:getSelectedBackend():getName() == 'one' end), "
				   "DropResponseAction())");

	(void)state;
	help_query(&q, c, QTYPE_A, false);
	help_reply(&q);
	q.dq.backend = c->servers[0];
	assert_int_equal(chain_run(&c->chain[CHAIN_RESPONSE], &q.dq), ACT_DROP);
	conf_free(&c);
}

/* dq, dr and views of them are dead after the call, and again alive in the next one without memory faults. */
static void kept_objects_are_dead(void **state)
{
	struct help_query q;
	struct text out = {0};
	const char *error = "";
	struct conf *c = help_load("addAction(LuaRule(function(dq) kept = dq; header = dq.dh; name = dq.qname; "
				   "tags = dq:getTagArray(); return false end), DropAction())");

	(void)state;
	assert_true(bind_has_lua(c));
	help_query(&q, c, QTYPE_A, false);
	assert_int_equal(chain_run(&c->chain[CHAIN_QUERY], &q.dq), ACT_NEXT);
	q.dq.msg = NULL; /* whoever looks falls over */
	assert_int_equal(bind_run(c, "return kept.qname", &out, &error), -EINVAL);
	assert_non_null(strstr(error, "no longer valid"));
	assert_int_equal(bind_run(c, "kept:setTag('a', 'b')", &out, &error), -EINVAL);
	assert_int_equal(bind_run(c, "kept.pool = 'x'", &out, &error), -EINVAL);
	assert_int_equal(bind_run(c, "header:setRD(true)", &out, &error), -EINVAL);
	assert_non_null(strstr(error, "no longer valid"));
	assert_int_equal(bind_run(c, "return name:toString()", &out, &error), 0);
	assert_string_equal(text_str(&out), "www.Example.org.\n");
	text_free(&out);
	conf_free(&c);
}

int test_message(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(query_holds),
		cmocka_unit_test(over_http),
		cmocka_unit_test(query_edns),
		cmocka_unit_test(change_question),
		cmocka_unit_test(marks),
		cmocka_unit_test(reply_holds),
		cmocka_unit_test(restart),
		cmocka_unit_test(backend),
		cmocka_unit_test(kept_objects_are_dead),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
