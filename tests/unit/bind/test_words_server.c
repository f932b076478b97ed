/* test_words_server.c: backends, policies, pools and caches from Lua. */
#include "health.h"
#include "load.h"

static void servers(void **state)
{
	struct fake f;
	struct server *s;

	(void)state;
	fake_init(&f, true);
	assert_true(load(&f,
		"a = newServer{address='192.0.2.1:5353', name='one', weight='10', order=2, pool={'x', 'y'}, "
		"id='6f1e7a0e-0000-4000-8000-000000000001', unknownKey=1, healthCheckMode='up'} "
		"b = newServer('2001:db8::1', 50) assert(newServer('not an address') == nil) "
		"a.name = 'uno'"));
	assert_int_equal(f.running->nservers, 2);
	s = f.running->servers[0];
	assert_string_equal(s->conf.name, "uno");
	assert_int_equal(s->weight, 10);
	assert_int_equal(conf_pool(f.running, "y")->n, 1);
	assert_int_equal(f.running->pools[0]->n, 1);
	assert_true(f.running->servers[1]->conf.qps == 50);

	assert_string_equal(runs(&f, "getServers()"), "uno (192.0.2.1:5353)\n[2001:db8::1]:53\n");
	assert_string_equal(
		runs(&f, "getServer('6f1e7a0e-0000-4000-8000-000000000001') == a"), "true\n");
	assert_string_equal(runs(&f, "a:getName(), a:getNameWithAddr(), a:getID(), a.address"),
		"uno\nuno (192.0.2.1:5353)\n6f1e7a0e-0000-4000-8000-000000000001\n192.0.2.1:5353\n");
	assert_string_equal(
		runs(&f, "a:isUp(), a.upStatus, a:getHealthCheckMode()"), "true\ntrue\nup\n");
	assert_string_equal(
		runs(&f,
			"a:getOutstanding() + a:getDrops() + a:getQueries() + a:getLatency() + a.latency"),
		"0\n");
	runs(&f, "a:setDown()");
	assert_string_equal(runs(&f, "a:isUp(), a:getHealthCheckMode(), a:canAcceptQueries()"),
		"false\ndown\nfalse\n");
	runs(&f, "a:setUp()");
	assert_string_equal(runs(&f, "a:isUp(), a:canAcceptQueries()"), "true\ntrue\n");
	runs(&f, "a:setLazyAuto(true)");
	assert_string_equal(runs(&f, "a:isUp(), a:getHealthCheckMode()"), "true\nlazy\n");
	runs(&f, "a:setDown() a:setAuto(true)"); /* back to the mode before */
	assert_string_equal(runs(&f, "a:isUp(), a:getHealthCheckMode()"), "true\nlazy\n");
	runs(&f, "a:setActiveAuto(false)");
	assert_string_equal(runs(&f, "a:isUp(), a:getHealthCheckMode()"), "false\nactive\n");
	runs(&f, "a.upStatus = true a.weight = 30 a.order = 9 a:setQPS(5)");
	assert_string_equal(runs(&f, "a.upStatus, a.weight, a.order, a.qps"), "true\n30\n9\n5\n");
	runs(&f,
		"a:setHealthCheckParams{maxCheckFailures=4, rise='5', checkTimeout=300, checkInterval=6, odd=1}");
	assert_int_equal(health_params(s).max_check_failures, 4);
	assert_int_equal(health_params(s).rise, 5);
	assert_int_equal(health_params(s).check_timeout_ms, 300);
	assert_int_equal(health_params(s).check_interval_s, 6);
	assert_int_equal(s->conf.rise, 1); /* what the file said stays */
	runs(&f, "a:addPool('z') a:rmPool('x')");
	assert_int_equal(conf_pool(f.running, "z")->n, 1);
	assert_int_equal(conf_pool(f.running, "x")->n, 0);
	assert_non_null(strstr(runs(&f, "a:rmPool('x')"), "not in the pool 'x'"));
	assert_non_null(strstr(
		runs(&f, "showServers{showUUIDs=true}"), "6f1e7a0e-0000-4000-8000-000000000001"));
	runs(&f, "rmServer(b)");
	assert_int_equal(f.running->nservers, 1);
	assert_non_null(strstr(runs(&f, "rmServer(b)"), "no such server"));
	runs(&f, "rmServer(0)");
	assert_int_equal(f.running->nservers, 0);
	fake_done(&f);
}

static void wrong_servers(void **state)
{
	static const struct {
		const char *text, *error;
	} cases[] = {
		{"newServer()", "newServer: argument 1 (server): got nothing"},
		{"newServer(true)", "got a boolean, expected an address or a table"},
		{"newServer{name='x'}", "the table has no 'address'"},
		{"newServer{adress='192.0.2.1'}", "the table has no 'address': did you mean that by 'adress'?"},
		{"newServer{address='192.0.2.1', weight='many'}",
			"newServer: weight: expected a whole number"},
		{"newServer{address='192.0.2.1', checkName='a..b'}", "newServer: checkName: "},
		{"newServer{address='192.0.2.1', checkFunction='f'}",
			"checkFunction: expected a function"},
		{"newServer{address='192.0.2.1', tls='openssl'}", "newServer: tls: "}, /* no name, or not in this build */
		{"newServer{address='192.0.2.1', dohPath='/dns-query'}", "newServer: dohPath: needs tls"},
		{"newServer{address='192.0.2.1', keepWarm='long'}", "keepWarm: expected a whole number"},
		{"newServer('192.0.2.1').weight = 0",
			"weight: expected a whole number from 1, got 0"},
		{"newServer('192.0.2.1').order = 'x'", "order: expected a whole number"},
		{"newServer('192.0.2.1'):setHealthCheckParams{rise=-1}", "rise: expected"},
		{"newServer('192.0.2.1'):setHealthCheckResponseValidator(5)",
			"got 5, expected a function"},
		{"getServer(0)", "getServer: argument 1 (server): got 0"},
	};
	struct fake f;

	(void)state;
	fake_init(&f, false);
	for (size_t i = 0; i < LEN(cases); i++) {
		if (load(&f, cases[i].text) || !strstr(f.error, cases[i].error))
			fail_msg("%s: got \"%s\"", cases[i].text, f.error);
	}
	f.host.keep = true;
	assert_true(load(&f, "newServer('192.0.2.1')"));
	assert_false(run(&f, "getServer(0).name = 'late'"));
	fake_done(&f);
}

static const struct server *chosen(struct fake *f, const char *pool_name)
{
	const struct pool *pool = conf_pool(f->running, pool_name);
	struct question q = {.qtype = QTYPE_A, .qclass = CLASS_IN, .len = 1};
	uint8_t msg[64] = {0};
	struct dq dq = {.msg = msg,
		.len = 17,
		.cap = sizeof(msg),
		.question = &q,
		.ask_name = q.lower,
		.conf = f->running};
	struct choose ch = {.dq = &dq};
	const struct policy *p = pool->policy ? pool->policy : f->running->policy;

	return p->choose(p, pool, &ch);
}

static void policy_objects(void **state)
{
	static const struct {
		const char *body;
		int server; /* index in the configuration, -1: none */
	} cases[] = {
		{"return 1", 0},
		{"return 2", 1},
		{"return '2'", 1},
		{"return 3", -1},
		{"return 0", -1},
		{"return nil", -1},
		{"return servers[2]", 1},
		{"return getServer(2)", 2},
		{"return #servers", 1},
		{"return dq.qtype == DNSQType.A and 2 or 1", 1},
		{"error('broken')", -1},
		{"keep = dq return 1", 0},
	};
	char text[400];
	struct fake f;

	(void)state;
	fake_init(&f, true);
	for (size_t i = 0; i < LEN(cases); i++) {
		snprintf(text, sizeof(text),
			"for i, p in ipairs{'', '', 'other'} do newServer{address='192.0.2.'..i, pool=p} end "
			"setServerPolicyLua('mine', function(servers, dq) %s end)",
			cases[i].body);
		assert_true(load(&f, text));
		assert_true(f.running->policy->is_lua);
		assert_string_equal(f.running->policy->name, "mine");
		if (chosen(&f, "") !=
			(cases[i].server < 0 ? NULL : f.running->servers[cases[i].server]))
			fail_msg("%s: wrong server", cases[i].body);
	}
	assert_false(run(&f, "local x = keep.qtype")); /* the query is over */
	runs(&f, "setServerPolicy(firstAvailable)");
	assert_string_equal(runs(&f, "showServerPolicy()"), "firstAvailable\n");
	runs(&f,
		"setPoolServerPolicy(roundrobin, 'other') setPoolServerPolicyLua('p2', function() return 1 end, 'new')");
	assert_string_equal(
		runs(&f,
			"showPoolServerPolicy('other') showPoolServerPolicy('new') showPoolServerPolicy('')"),
		"roundrobin\np2\nfirstAvailable\n");
	assert_non_null(
		strstr(runs(&f, "showPoolServerPolicy('none')"), "there is no pool 'none'"));
	runs(&f, "p = newServerPolicy('p3', function() return 2 end) setServerPolicy(p)");
	assert_string_equal(
		runs(&f, "p, p.name, p.isLua, p.isFFI, p.isPerThread, p.policy(), p:toString()"),
		"p3\np3\ntrue\nfalse\nfalse\n2\np3\n");
	assert_string_equal(runs(&f, "wrandom.isLua, wrandom.policy"), "false\n");
	fake_done(&f);
}

/* What a function of the data path changes is published when it ends; its query keeps what it began with. */
static void a_policy_may_change_the_configuration(void **state)
{
	struct conf *held;
	struct fake f;

	(void)state;
	fake_init(&f, false);
	assert_true(load(&f,
		"newServer('192.0.2.1') setServerPolicyLua('p', function() setUDPTimeout(9) return 1 end)"));
	held = conf_ref(f.running);
	assert_ptr_equal(chosen(&f, ""), held->servers[0]);
	assert_int_equal(f.published, 1);
	assert_int_equal(held->set.udp_timeout_s, 2);
	assert_int_equal(f.running->set.udp_timeout_s, 9);
	conf_free(&held);
	fake_done(&f);
}

static void pools_and_caches(void **state)
{
	struct fake f;

	(void)state;
	fake_init(&f, true);
	assert_true(load(&f,
		"pc = newPacketCache(100, {maxTTL=20, numberOfShards=2, staleTTL='5', odd=1}) "
		"getPool(''):setCache(pc) getPool('p'):setCache(pc) "
		"old = newPacketCache(200, 86400, 1, 61, 62, true, 3, false, 600, true)"));
	assert_ptr_equal(f.running->pools[0]->cache, conf_pool(f.running, "p")->cache);
	assert_int_equal(cache_options(f.running->pools[0]->cache)->max_ttl_s, 20);
	assert_int_equal(cache_options(f.running->pools[0]->cache)->stale_ttl_s, 5);
	assert_string_equal(
		runs(&f, "getPool('p'):getCache() == pc, pc, pc:isFull()"), "true\n0/100\nfalse\n");
	assert_string_equal(runs(&f, "old:getStats().maxEntries, old:getStats().hits"), "200\n0\n");
	assert_non_null(strstr(runs(&f, "pc:printStats()"), "100"));
	assert_string_equal(
		runs(&f,
			"pc:purgeExpired(0), pc:expunge(0), pc:expungeByName('a.', DNSQType.A, true)"),
		"0\n0\n0\n");
	assert_string_equal(runs(&f, "pc:expungeByName{'a.', newDNSName('b.')}"), "0\n");
	assert_false(run(&f, "pc:expungeByName(5)"));
	assert_string_equal(runs(&f, "pc:getAddressListByDomain('a.')"), "");
	assert_string_equal(runs(&f, "pc:getDomainListByAddress('192.0.2.1')"), "");
	unlink("/tmp/shrewd-test-dump");
	assert_string_equal(runs(&f, "pc:dump('/tmp/shrewd-test-dump')"), "Dumped 0 records\n");
	assert_false(
		run(&f, "pc:dump('/tmp/shrewd-test-dump')")); /* never over a file that is there */
	unlink("/tmp/shrewd-test-dump");

	runs(&f, "getPool('q')");
	assert_string_equal(runs(&f, "getPoolNames()"), "\np\nq\n");
	runs(&f, "q = getPool('q') q:setECS(true) q:setZeroScope(true) getPool('p'):unsetCache()");
	assert_string_equal(
		runs(&f, "q:getECS(), q:getZeroScope(), getPool('p'):getCache(), q:toString()"),
		"true\ntrue\nq\n");
	assert_true(conf_pool(f.running, "q")->use_ecs);
	assert_null(conf_pool(f.running, "p")->cache);
	runs(&f, "newServer{address='192.0.2.7', pool='q'}");
	assert_string_equal(runs(&f, "getPoolServers('q')"), "192.0.2.7:53\n");
	assert_non_null(strstr(runs(&f, "showPools()"), "192.0.2.7"));
	assert_false(run(&f, "newPacketCache(0)"));
	assert_false(run(&f, "newPacketCache(10, {maximumEntrySize=1})"));
	assert_non_null(strstr(f.error, "maximumEntrySize: expected"));
	fake_done(&f);
}

/* Variables of a file that is read again mean the servers and caches that go on running. */
static void variables_after_a_reload(void **state)
{
	static const char text[] = "a = newServer('192.0.2.1') pc = newPacketCache(100) getPool(''):setCache(pc)";
	struct server *running;
	struct cache *cache;
	struct conf *new;
	struct fake f;

	(void)state;
	fake_init(&f, true);
	assert_true(load(&f, text));
	running = f.running->servers[0];
	cache = f.running->pools[0]->cache;
	new = bind_load("t.conf", text, &f.host, &f.error);
	assert_non_null(new);
	assert_int_equal(conf_inherit(new, f.running), 0);
	assert_int_equal(conf_freeze(new, &f.error), 0);
	conf_free(&f.running);
	f.running = new;
	assert_ptr_equal(new->servers[0], running);
	assert_ptr_equal(new->pools[0]->cache, cache);
	assert_string_equal(runs(&f, "a == getServer(0), pc == getPool(''):getCache()"), "true\ntrue\n");
	runs(&f, "a:setDown() a.weight = 7 a:setHealthCheckParams{rise=9} getPool('p'):setCache(pc) a:addPool('p')");
	assert_string_equal(server_status(running), "DOWN");
	assert_int_equal(running->weight, 7);
	assert_int_equal(health_params(running).rise, 9);
	assert_ptr_equal(conf_pool(f.running, "p")->cache, cache);
	assert_ptr_equal(conf_pool(f.running, "p")->servers[0], running);
	runs(&f, "rmServer(a)");
	assert_int_equal(f.running->nservers, 0);
	fake_done(&f);
}

int test_words_server(void);
int test_words_server(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(servers),
		cmocka_unit_test(wrong_servers),
		cmocka_unit_test(policy_objects),
		cmocka_unit_test(a_policy_may_change_the_configuration),
		cmocka_unit_test(pools_and_caches),
		cmocka_unit_test(variables_after_a_reload),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
