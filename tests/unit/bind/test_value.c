/* test_value.c: names, sets, netmasks, addresses, headers, constants as scripts see them. */
#include "query_help.h"

int test_value(void);

/* Each line is a condition that has to hold. */
static const char *const truths[] = {
	/* DNSName */
	"newDNSName('www.Example.org'):toString() == 'www.Example.org.'",
	"tostring(newDNSName('a.')) == 'a.'",
	"newDNSName('.'):toString() == '.'",
	"newDNSName('www.example.org'):toStringNoDot() == 'www.example.org'",
	"newDNSName('www.example.org'):countLabels() == 3 and newDNSName('.'):countLabels() == 0",
	"newDNSName('www.example.org'):wirelength() == 17 and newDNSName('.'):wirelength() == 1",
	"newDNSName('WWW.example.org') == newDNSName('www.EXAMPLE.org.')",
	"newDNSName('a.org') ~= newDNSName('b.org')",
	"newDNSName('a.org') < newDNSName('b.org') and not (newDNSName('b.org') < newDNSName('a.org'))",
	"newDNSName('www.Example.org'):isPartOf(newDNSName('example.ORG'))",
	"newDNSName('www.example.org'):isPartOf('org') and not newDNSName('org'):isPartOf('www.org')",
	"not newDNSName('wwwexample.org'):isPartOf('example.org')",
	"newDNSName('www.example.org'):makeRelative(newDNSName('org')):toString() == 'www.example.'",
	"newDNSName('org'):makeRelative('org'):toString() == '.'",
	"newDNSName('www.example.org'):makeRelative('net') == nil",
	"newDNSName('a.b'):toDNSString() == '\\1a\\1b\\0'",
	"newDNSNameFromRaw('\\1a\\1b\\0rest') == newDNSName('a.b')",
	"newDNSName('a.b'):append('c.d'):toString() == 'a.b.c.d.'",
	"newDNSName('a.b'):prepend(newDNSName('c')):toString() == 'c.a.b.'",
	"newDNSName('A.b'):hash() == newDNSName('a.B'):hash() and newDNSName('a.b'):hash() ~= newDNSName('b.a'):hash()",
	"(function() local n, k = newDNSName('a.b.c'), 0; while n:chopOff() do k = k + 1 end; "
	"return k == 3 and n:toString() == '.' and n:countLabels() == 0 end)()",
	"(function() local n = newDNSName('a.b'); n:append('c'); return n == newDNSName('a.b') end)()",
	/* DNSNameSet */
	"(function() local s = newDNSNameSet(); s:add('Example.org'); s:add(newDNSName('a.')); "
	"return s:check('example.ORG') and not s:check('www.example.org') and s:size() == 2 and not s:empty() end)()",
	"(function() local s = newDNSNameSet(); s:add('a'); return s:delete('A') and not s:delete('A') and s:empty() end)()",
	"(function() local s = newDNSNameSet(); for i = 1, 50 do s:add('n' .. i) end; s:clear(); return s:size() == 0 end)()",
	"(function() local s = newDNSNameSet(); s:add('a.b'); return s:toString() == 'a.b.' and tostring(s) == 'a.b.' end)()",
	/* SuffixMatchNode */
	"(function() local s = newSuffixMatchNode(); s:add({'example.org', 'net'}); s:add(newDNSName('x.y')); "
	"return s:check('www.EXAMPLE.org') and s:check('net') and s:check('a.x.y') and not s:check('org') end)()",
	"(function() local s = newSuffixMatchNode(); s:add('org'); s:add('example.org'); "
	"return s:getBestMatch('a.b.example.org') == newDNSName('example.org') and s:getBestMatch('a.net') == nil end)()",
	"(function() local s = newSuffixMatchNode(); s:add({'a', 'b', 'c'}); s:remove({'a', 'C'}); "
	"return not s:check('a') and s:check('b') and not s:check('c') end)()",
	"(function() local s = newSuffixMatchNode(); s:add({'a', 'b'}); s:add(s); s:remove(s); return not s:check('a') end)()",
	/* NetmaskGroup */
	"(function() local g = newNMG(); g:addMask('192.0.2.0/24'); g:addMask({'2001:db8::/32', '!192.0.2.128/25'}); "
	"return g:match(newCA('192.0.2.1')) and not g:match(newCA('192.0.2.200')) and g:match('2001:db8::1') and "
	"not g:match('198.51.100.1') and g:size() == 3 end)()",
	"(function() local g, h = newNMG(), newNMG(); h:addMask('192.0.2.0/24'); g:addNMG(h); g:addMask(newNetmask('::/0')); "
	"return g:size() == 2 and g:match('192.0.2.1') and g:match('::1') end)()",
	"(function() local g = newNMG(); g:addMasks({[newCA('192.0.2.1')] = 5, [newCA('2001:db8::1')] = 9}); "
	"return g:size() == 2 and g:match('192.0.2.1') and not g:match('192.0.2.2') and g:match('2001:db8::1') end)()",
	"(function() local g = newNMG(); g:addMasks({'192.0.2.0/24', ['198.51.100.0/24'] = true}); "
	"return g:size() == 2 and g:match('192.0.2.9') and g:match('198.51.100.9') end)()",
	"(function() local g = newNMG(); g:addMask('192.0.2.0/24'); g:clear(); return g:size() == 0 end)()",
	"(function() local g = newNMG(); g:addMask('192.0.2.0/24'); g:addNMG(g); "
	"return tostring(g) == 'NetmaskGroup: 192.0.2.0/24' end)()",
	/* Netmask */
	"newNetmask('192.0.2.5/24'):getBits() == 24 and newNetmask('192.0.2.5'):getBits() == 32",
	"newNetmask('192.0.2.5/24'):getMaskedNetwork():toString() == '192.0.2.0'",
	"newNetmask('192.0.2.5/24'):getNetwork():toString() == '192.0.2.5'",
	"newNetmask('192.0.2.0/24'):match('192.0.2.77') and not newNetmask('192.0.2.0/24'):match(newCA('192.0.3.1'))",
	"newNetmask('192.0.2.0/24'):isIPv4() and newNetmask('::/0'):isIPv6() and not newNetmask('::/0'):isIPv4()",
	"newNetmask('192.0.2.0/24'):toString() == '192.0.2.0/24' and tostring(newNetmask('::1')) == '::1/128'",
	"newNetmask():empty() and not newNetmask('::1'):empty() and newNetmask():getNetwork() == nil",
	"newNetmask(newCA('192.0.2.1:53'), 16):toString() == '192.0.2.1/16'",
	"newNetmask('192.0.2.0/24') == newNetmask('192.0.2.0/24') and newNetmask('::/1') ~= newNetmask('::/2')",
	/* ComboAddress */
	"newCA('192.0.2.1'):toString() == '192.0.2.1' and newCA('192.0.2.1'):getPort() == 0",
	"newCA('192.0.2.1:5300'):tostringWithPort() == '192.0.2.1:5300' and newCA('192.0.2.1:5300'):getPort() == 5300",
	"newCA('[2001:db8::1]:53'):toStringWithPort() == '[2001:db8::1]:53'",
	"tostring(newCA('[2001:db8::1]:53')) == '2001:db8::1'",
	"newCA('192.0.2.1'):isIPv4() and newCA('::1'):isIPv6() and not newCA('::1'):isIPv4()",
	"newCA('192.0.2.1') == newCA('192.0.2.1') and newCA('192.0.2.1') ~= newCA('192.0.2.2')",
	"newCA('192.0.2.1') < newCA('192.0.2.2')",
	"(function() local a = newCA('192.0.2.77'); a:truncate(24); return a:toString() == '192.0.2.0' end)()",
	"newCA('::ffff:192.0.2.1'):isMappedIPv4() and newCA('::ffff:192.0.2.1'):mapToIPv4():toString() == '192.0.2.1'",
	"newCA('192.0.2.1'):getRaw() == '\\192\\0\\2\\1' and #newCA('::1'):getRaw() == 16",
	"newCAFromRaw('\\192\\0\\2\\1', 53):toStringWithPort() == '192.0.2.1:53'",
	"newCAFromRaw(newCA('2001:db8::5'):getRaw()):toString() == '2001:db8::5'",
	"newCA('192.0.2.1'):toStringReversed() == '1.2.0.192'",
	"newCA('2001:db8::1'):toStringReversed() == '1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2'",
	"newCA('fe80::1%5'):toStringNoInterface() == 'fe80::1'",
	/* constants */
	"DNSAction.Drop ~= nil and DNSAction.Spoof ~= DNSAction.SpoofRaw and DNSResponseAction.None ~= nil",
	"DNSQType.A == 1 and DNSQType.HTTPS == 65 and DNSQType.ANY == 255 and DNSQType.NULL == 10",
	"DNSRCode.NXDOMAIN == 3 and DNSRCode.BADVERS == 16 and DNSRCode.NOTZONE == 10",
	"DNSClass.IN == 1 and DNSClass.CHAOS == 3 and DNSClass.ANY == 255",
	"DNSOpcode.Query == 0 and DNSOpcode.Update == 5",
	"DNSSection.Question == 0 and DNSSection.Additional == 3",
	"EDNSOptionCode.ECS == 8 and EDNSOptionCode.KEYTAG == 14",
	"DNSCryptExchangeVersion.VERSION2 == 2",
	"dnsdist.REFUSED == DNSRCode.REFUSED and dnsdist.AAAA == DNSQType.AAAA",
	/* limits */
	"(function() local l = newQPSLimiter(2, 2); return l:check() and l:check() and not l:check() end)()",
	"newSVCRecordParameters(1, 'dot.example.', {alpn = {'dot'}, port = 853}) ~= nil",
};

static void holds(void **state)
{
	(void)state;
	for (size_t i = 0; i < LEN(truths); i++) {
		char text[1024];
		struct conf *c;

		snprintf(text, sizeof(text), "if not (%s) then error(\"wrong: truth %zu\") end", truths[i], i);
		c = help_load(text);
		assert_false(bind_has_lua(c)); /* nothing is kept: the state is closed */
		conf_free(&c);
	}
}

static void refuses(void **state)
{
	static const struct {
		const char *text, *what;
	} cases[] = {
		{"newDNSName('a..b')", "test.conf:1: newDNSName"},
		{"newDNSName({})", "newDNSName"},
		{"newDNSNameFromRaw('\\5abc')", "newDNSNameFromRaw"},
		{"newDNSNameFromRaw('')", "newDNSNameFromRaw"},
		{"newDNSName(('a'):rep(63) .. ('.' .. ('b'):rep(63)):rep(2)):append(('c'):rep(63) .. '.c')", "DNSName:append"},
		{"newDNSName('a'):isPartOf()", "isPartOf"},
		{"newDNSName('a'):nothing()", "nothing"},
		{"newDNSName('a').countLabels()", "colon"},
		{"newDNSNameSet():add('a..b')", "add"},
		{"newSuffixMatchNode():add(5)", "add"},
		{"newNMG():addMask('192.0.2.0/33')", "addMask"},
		{"newNMG():addMasks(5)", "table"},
		{"newNMG():addMasks({true})", "addMasks"},
		{"newNMG():addNMG('192.0.2.0/24')", "addNMG"},
		{"newNMG():match('nobody')", "match"},
		{"newNetmask('192.0.2.1/40')", "newNetmask"},
		{"newNetmask(true)", "newNetmask"},
		{"newNetmask(newCA('192.0.2.1'), 33)", "newNetmask"},
		{"newCA('192.0.2')", "newCA"},
		{"newCAFromRaw('abc')", "newCAFromRaw"},
		{"newCAFromRaw('abcd', 70000)", "newCAFromRaw"},
		{"newCA('192.0.2.1'):truncate(33)", "truncate"},
		{"newCA('192.0.2.1'):mapToIPv4()", "mapToIPv4"},
		{"newCA('192.0.2.1'):ipencrypt('k')", "ipencrypt: not supported"},
		{"newQPSLimiter(-1)", "newQPSLimiter"},
		{"newSVCRecordParameters(70000, 'a.')", "priority"},
		{"newSVCRecordParameters(1, 'a.', {port = 'x'})", "newSVCRecordParameters"},
		{"return newCA('192.0.2.1') < newDNSName('a')", "compare"},
	};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++)
		help_refused(cases[i].text, cases[i].what);
}

/* Memory that runs out is an error of the script or of the load, never more. */
static void without_memory(void **state)
{
	(void)state;
	help_starve("local s = newSuffixMatchNode(); s:add({'a', 'b'}); local g = newNMG(); "
		    "g:addMask({'192.0.2.0/24', '::/0'}); local n = newDNSNameSet(); n:add('x'); "
		    "local c = newCA('::1'); local d = newDNSName('y'):append('z'); "
		    "newSVCRecordParameters(1, 'a.', {port = 53}); newQPSLimiter(1)");
}

int test_value(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(holds),
		cmocka_unit_test(refuses),
		cmocka_unit_test(without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
