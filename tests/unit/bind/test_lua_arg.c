/* test_lua_arg.c: each type of the signature grammar takes what it should, and says what is wrong with the rest. */
#include "load.h"
#include "../../../src/bind/lua_priv.h"

/* Words of our own, one for each type: they return what they got. */
static int give_back(lua_State *L, const struct word *w, const struct arg *argv, size_t argc)
{
	(void)w;
	assert_true(argc >= 1);
	if (argv[0].kind == ARG_OBJ && argv[0].o.type == OBJ_FUNCTION)
		lua_pushvalue(L, 1);
	else if (argv[0].kind == ARG_OBJ && argv[0].o.type == OBJ_NETSET)
		lua_pushnumber(L, (lua_Number)netset_size(argv[0].o.p));
	else if (argv[0].kind == ARG_OBJ && argv[0].o.type == OBJ_SUFFIXSET)
		lua_pushnumber(L, (lua_Number)suffixset_size(argv[0].o.p));
	else if (argv[0].kind == ARG_OBJ && argv[0].o.type == OBJ_NAMESET)
		lua_pushnumber(L, (lua_Number)nameset_size(argv[0].o.p));
	else if (argv[0].kind == ARG_OBJ && argv[0].o.type == OBJ_POLICY)
		lua_pushstring(L, ((const struct policy *)argv[0].o.p)->name);
	else if (argv[0].kind == ARG_OBJ && argv[0].o.type == OBJ_POOL)
		lua_pushstring(L, argv[0].o.p);
	else
		lua_push_arg(L, &argv[0]);
	return 1;
}

#define TYPE(t) \
	{ \
		"t_" #t, "x:" #t, give_back, NULL, NULL \
	}
static const struct word words[] = {TYPE(any), TYPE(bool), TYPE(num), TYPE(int), TYPE(uint),
	TYPE(str), TYPE(func), TYPE(table), TYPE(opts), TYPE(name), TYPE(suffixes), TYPE(nameset),
	TYPE(masks), TYPE(addr), TYPE(addrs), TYPE(strs), TYPE(qtype), TYPE(qtypes), TYPE(qclass),
	TYPE(rcode), TYPE(opcode), TYPE(rule), TYPE(rules), TYPE(action), TYPE(svc), TYPE(server),
	TYPE(pool), TYPE(cache), TYPE(policy), {"t_maybe", "x:num? y?:str", give_back, NULL, NULL},
	{.name = NULL}};

static void prepare(struct fake *f)
{
	struct lua *l;

	fake_init(f, true);
	assert_true(load(
		f, "newServer{address='192.0.2.1', id='6f1e7a0e-0000-4000-8000-000000000001'}"));
	l = f->running->lua;
	lua_register_words(l->L, words);
}

static void accepted(void **state)
{
	static const struct {
		const char *code, *out;
	} cases[] = {
		{"t_any({1, 'a', k=true})", "1\na\nk\ttrue\n"},
		{"t_bool(true)", "true\n"},
		{"t_num(1.5)", "1.5\n"},
		{"t_num('0.25')", "0.25\n"},
		{"t_int(-3)", "-3\n"},
		{"t_uint('17')", "17\n"},
		{"t_str('x')", "x\n"},
		{"t_str(5)", "5\n"},
		{"t_func(print) == print", "true\n"},
		{"t_table({'v'})", "v\n"},
		{"t_opts({a=1})", "a\t1\n"},
		{"t_name('Example.org')", "Example.org.\n"},
		{"t_name(newDNSName('a.b'))", "a.b.\n"},
		{"t_suffixes('a.')", "1\n"},
		{"t_suffixes({'a.', newDNSName('b.')})", "2\n"},
		{"t_suffixes({})", "0\n"},
		{"t_suffixes(newSuffixMatchNode())", "0\n"},
		{"t_nameset({'a.', 'b.', 'A.'})", "2\n"},
		{"t_masks('192.0.2.0/24')", "1\n"},
		{"t_masks({'192.0.2.0/24', '!192.0.2.1', '2001:db8::/32'})", "3\n"},
		{"t_masks({newCA('192.0.2.1'), newNetmask('10.0.0.0/8')})", "2\n"},
		{"t_masks(newNMG())", "0\n"},
		{"t_addr('2001:db8::1')", "2001:db8::1\n"},
		{"t_addr(newCA('192.0.2.1'))", "192.0.2.1\n"},
		{"t_addrs({'192.0.2.1', '::1'})", "192.0.2.1\n::1\n"},
		{"t_addrs('::1')", "::1\n"},
		{"t_strs('a')", "a\n"},
		{"t_strs({'a', 5})", "a\n5\n"},
		{"t_qtype('aaaa')", "28\n"},
		{"t_qtype(DNSQType.A)", "1\n"},
		{"t_qtype('TYPE65280')", "65280\n"},
		{"t_qtypes({'A', 28})", "1\n28\n"},
		{"t_qclass('CH')", "3\n"},
		{"t_qclass(1)", "1\n"},
		{"t_rcode('REFUSED')", "5\n"},
		{"t_rcode(DNSRCode.SERVFAIL)", "2\n"},
		{"t_opcode('Notify')", "4\n"},
		{"t_opcode(0)", "0\n"},
		{"tostring(t_rule('192.0.2.0/24')):find('192.0.2.0/24', 1, true) ~= nil", "true\n"},
		{"tostring(t_rule({'a.example', newDNSName('b.example')})):find('b.example') ~= nil",
			"true\n"},
		{"#t_rules({'a.', RDRule(), {'b.', 'c.'}})", "3\n"},
		{"tostring(t_action(DropAction())) == tostring(DropAction())", "true\n"},
		{"t_server(0):getID()", "6f1e7a0e-0000-4000-8000-000000000001\n"},
		{"t_server('6f1e7a0e-0000-4000-8000-000000000001') == getServer(0)", "true\n"},
		{"t_pool('p')", "p\n"},
		{"t_pool(getPool('q'))", "q\n"},
		{"t_cache(newPacketCache(10)):isFull()", "false\n"},
		{"t_policy(roundrobin)", "roundrobin\n"},
		{"t_policy('wrandom')", "wrandom\n"},
		{"t_maybe()", ""},
		{"t_maybe(nil, 'y')", ""},
	};
	struct fake f;

	(void)state;
	prepare(&f);
	for (size_t i = 0; i < LEN(cases); i++) {
		if (strcmp(runs(&f, cases[i].code), cases[i].out) != 0)
			fail_msg("%s: got \"%s\"", cases[i].code, text_str(&f.out));
	}
	fake_done(&f);
}

static void refused(void **state)
{
	static const struct {
		const char *code, *error;
	} cases[] = {
		{"t_bool(1)", "got 1, expected true or false"},
		{"t_bool()", "got nothing, expected true or false"},
		{"t_num('x')", "got 'x', expected a number"},
		{"t_num(0/0)", "expected a number"},
		{"t_num(1/0)", "expected a number"},
		{"t_int(1.5)", "got 1.5, expected a whole number"},
		{"t_uint(-1)", "got -1, expected a whole number from 0"},
		{"t_str({})", "got a table, expected a string"},
		{"t_str(nil)", "got nothing, expected a string"},
		{"t_func('print')", "got 'print', expected a function"},
		{"t_opts(1)", "got 1, expected a table of options"},
		{"t_table({{{{{{{{{{}}}}}}}}}})", "deeper than 8"},
		{"t_any({[{}]=1})", "a table key is a table"},
		{"t_name('a..b')", "got 'a..b', expected a domain name"},
		{"t_name(5)", "got 5, expected a domain name"},
		{"t_suffixes({'a.', {}})", "entry 2: got a table, expected domain names"},
		{"t_suffixes({a=1})", "got a table, expected domain names"},
		{"t_nameset(5)", "got 5"},
		{"t_masks('192.0.2.0/33')", "got '192.0.2.0/33', expected netmasks"},
		{"t_masks({'10.0.0.0/8', 'x'})", "entry 2: got 'x'"},
		{"t_addr('192.0.2')", "got '192.0.2', expected an IP address"},
		{"t_addrs({'::1', '::g'})", "entry 2: got '::g'"},
		{"t_strs({'a', {}})", "entry 2: got a table"},
		{"t_qtype('FOO')",
			"argument 1 (x): got 'FOO', expected a DNS type such as A, AAAA or a number"},
		{"t_qtype(65536)", "got 65536"},
		{"t_qtypes({'A', 'FOO'})", "entry 2: got 'FOO'"},
		{"t_qclass('XX')", "got 'XX'"},
		{"t_rcode('WHAT')", "got 'WHAT'"},
		{"t_opcode(16)", "got 16"},
		{"t_rule(5)", "got 5, expected a selector"},
		{"t_rule({})", "got a table, expected a selector"},
		{"t_rule(DropAction())", "got a DNSAction, expected a selector"},
		{"t_rules({RDRule(), 5})", "entry 2: got 5"},
		{"t_action(RDRule())", "got a DNSRule, expected an action"},
		{"t_svc('x')", "got 'x', expected what newSVCRecordParameters() returns"},
		{"t_server(1)", "got 1, expected a server"},
		{"t_server('x')", "got 'x'"},
		{"t_cache(getPool(''))", "got a ServerPool, expected what newPacketCache()"},
		{"t_policy('best')", "got 'best', expected a policy"},
		{"t_str(('x'):rep(500), {})", NULL},
	};
	struct fake f;

	(void)state;
	prepare(&f);
	for (size_t i = 0; i < LEN(cases); i++) {
		if (run(&f, cases[i].code) != !cases[i].error)
			fail_msg("%s: %s", cases[i].code, f.error);
		if (cases[i].error && !strstr(f.error, cases[i].error))
			fail_msg("%s: got \"%s\"", cases[i].code, f.error);
	}
	assert_false(run(&f, "local x = t_qtype('FOO')"));
	assert_string_equal(f.error,
		"console:1: t_qtype: argument 1 (x): got 'FOO', expected a DNS type such as A, AAAA or "
		"a number");
	fake_done(&f);
}

static void objects(void **state)
{
	struct fake f;

	(void)state;
	prepare(&f);
	assert_string_equal(runs(&f, "getServer(0) == getServer(0)"), "true\n");
	assert_string_equal(runs(&f, "getServer(0) == getPool('')"), "false\n");
	assert_string_equal(runs(&f, "getPool('') == getPool('')"), "true\n");
	assert_string_equal(runs(&f, "tostring(getServer(0))"), "192.0.2.1:53\n");
	assert_false(run(&f, "local x = getServer(0).colour"));
	assert_string_equal(f.error, "console:1: Server: has no method or attribute 'colour'");
	assert_false(run(&f, "getServer(0).colour = 'red'"));
	assert_non_null(strstr(f.error, "has no attribute 'colour'"));
	assert_false(run(&f, "getServer(0).address = 'x'"));
	assert_non_null(strstr(f.error, "attribute 'address' cannot be changed"));
	assert_false(run(&f, "local x = getServer(0).isUp()"));
	assert_non_null(strstr(f.error, "console:1: Server:isUp: must be called with a colon"));
	assert_false(run(&f, "local x = getServer(0).isUp(getPool(''))"));
	assert_non_null(strstr(f.error, "on a Server, got ServerPool"));
	assert_false(run(&f, "local x = getServer(0).isUp(io.stdout)"));
	assert_false(run(&f, "local x = getServer(0):addPool({})"));
	assert_non_null(strstr(
		f.error, "Server:addPool: argument 1 (pool): got a table, expected a string"));
	assert_false(run(&f, "local x = getServer(0) < getServer(0)"));
	fake_done(&f);
}

int test_lua_arg(void);
int test_lua_arg(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepted),
		cmocka_unit_test(refused),
		cmocka_unit_test(objects),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
