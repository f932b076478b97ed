/* test_words_listener.c: getBind(), getAddressInfo(), setHedging(), keepWarm: words that work in every build. */
#include "load.h"

int test_words_listener(void);

static bool muted[2];

static int fake_bind(void *ctx, unsigned index, const bool *mute, struct bind_info *info_r)
{
	(void)ctx;
	if (index > 1)
		return -ENOENT;
	if (mute)
		muted[index] = *mute;
	*info_r = (struct bind_info){.type = index ? "TCP (DNS over TLS)" : "UDP", .proto = index ? PROTO_DOT : PROTO_UDP,
		.tls = index == 1, .muted = muted[index]};
	return addr_parse(&info_r->addr, index ? "192.0.2.1:853" : "[::1]:53", 0);
}

static void while_reading(void **state)
{
	struct fake f;

	(void)state;
	fake_init(&f, false);
	if (!load(&f, "assert(getBindCount() == 0 and getBind(0) == nil)\n"
		      "addLocal('127.0.0.1:5300', {additionalAddresses={'[::1]:5301'}}) addLocal('127.0.0.2:53')\n"
		      "assert(getBindCount() == 6 and getBind(6) == nil)\n"
		      "local seen = {}\n"
		      "for i = 0, 5 do local b = getBind(i) seen[#seen + 1] = b:getType() .. ' ' .. b:toString() end\n"
		      "local all = table.concat(seen, ', ')\n"
		      "assert(all == 'UDP 127.0.0.1:5300, UDP [::1]:5301, TCP 127.0.0.1:5300, TCP [::1]:5301, "
		      "UDP 127.0.0.2:53, TCP 127.0.0.2:53', all)\n"
		      "local b = getBind(0)\n"
		      "assert(b.muted == false and b:getEffectiveTLSProvider() == '' and tostring(b) == '127.0.0.1:5300')"))
		fail_msg("%s", f.error);
	assert_false(load(&f, "addLocal('127.0.0.1:5300') getBind(0).muted = true"));
	assert_non_null(strstr(f.error, "only while the program runs"));
	fake_done(&f);
}

static void while_running(void **state)
{
	struct fake f;

	(void)state;
	fake_init(&f, true);
	f.host.bind = fake_bind;
	muted[0] = muted[1] = false;
	assert_true(load(&f, ""));
	assert_string_equal(runs(&f, "getBindCount()"), "2\n");
	assert_string_equal(runs(&f, "getBind(1):getType()"), "TCP (DNS over TLS)\n");
	assert_string_equal(runs(&f, "getBind(1):toString()"), "192.0.2.1:853\n");
	assert_string_equal(runs(&f, "getBind(1):getConfiguredTLSProvider()"), "openssl\n");
	assert_string_equal(runs(&f, "getBind(1):getRequestedTLSProvider()"), "openssl\n");
	runs(&f, "getBind(1).muted = true");
	assert_true(muted[1] && !muted[0]);
	assert_string_equal(runs(&f, "getBind(1).muted"), "true\n");
	assert_false(run(&f, "getBind(0).muted = 1"));
	assert_non_null(strstr(f.error, "muted: expected true or false"));
	assert_false(run(&f, "getBind(0):attachFilter(1)"));
	assert_non_null(strstr(f.error, "Filter: not supported yet"));
	assert_non_null(strstr(runs(&f, "getBind(7)"), "there is no listener 7"));
	fake_done(&f);
}

/* ---- getAddressInfo ---- */
static struct {
	char name[64];
	void (*done)(void *, const struct addr *, unsigned);
	void *ctx;
	int answer;
} asked;

static int fake_resolve(void *ctx, const char *name, void (*done)(void *, const struct addr *, unsigned), void *done_ctx)
{
	(void)ctx;
	snprintf(asked.name, sizeof(asked.name), "%s", name);
	asked.done = done;
	asked.ctx = done_ctx;
	return asked.answer;
}

static void addresses(void **state)
{
	struct addr found[2];
	struct fake f;

	(void)state;
	fake_init(&f, false);
	f.host.resolve = fake_resolve;
	asked.answer = 0;
	assert_int_equal(addr_parse(&found[0], "192.0.2.1", 0) | addr_parse(&found[1], "2001:db8::1", 0), 0);
	assert_true(load(&f, "getAddressInfo('dns.example.', function(name, ips)\n"
			     "for _, ip in ipairs(ips) do newServer({address=ip:toString(), name=name}) end end)"));
	assert_string_equal(asked.name, "dns.example.");
	assert_true(bind_has_lua(f.running)); /* the function waits */
	asked.done(asked.ctx, found, 2);
	assert_int_equal(f.published, 1);
	assert_int_equal(f.running->nservers, 2);
	assert_string_equal(server_name(f.running->servers[0]), "dns.example.");
	/* none found; an error in the function; not possible now */
	assert_true(load(&f, "getAddressInfo('x', function(name, ips) assert(#ips == 0) newServer('192.0.2.9') end)"));
	asked.done(asked.ctx, NULL, 0);
	assert_int_equal(f.running->nservers, 1);
	assert_true(load(&f, "getAddressInfo('x', function() error('mine') end)"));
	asked.done(asked.ctx, NULL, 0);
	asked.answer = -ENOMEM;
	assert_true(load(&f, "getAddressInfo('x', function() end)"));
	asked.answer = 0;
	/* the configuration is gone when the answer comes */
	assert_true(load(&f, "getAddressInfo('x', function() newServer('192.0.2.9') end)"));
	conf_free(&f.running);
	asked.done(asked.ctx, found, 1);
	assert_null(f.running);
	asked.name[0] = 0;
	f.host.check_only = true;
	assert_true(load(&f, "getAddressInfo('x', function() end)"));
	assert_string_equal(asked.name, "");
	assert_false(load(&f, "getAddressInfo('a..b', function() end)"));
	assert_non_null(strstr(f.error, "expected a host name"));
	fake_done(&f);
}

static void own_words(void **state)
{
	struct fake f;

	(void)state;
	fake_init(&f, true);
	assert_true(load(&f, "newServer{address='192.0.2.1', keepWarm=true} newServer{address='192.0.2.2', keepWarm=30} "
			     "newServer{address='192.0.2.3', keepWarm=false} newServer('192.0.2.4')"));
	assert_int_equal(f.running->servers[0]->conf.keep_warm_s, 900);
	assert_int_equal(f.running->servers[1]->conf.keep_warm_s, 30);
	assert_int_equal(f.running->servers[2]->conf.keep_warm_s, 0);
	assert_int_equal(f.running->servers[3]->conf.keep_warm_s, 0);
	assert_int_equal(f.running->set.hedge_delay_ms, 0);
	assert_int_equal(f.running->set.hedge_percent, 10);
	runs(&f, "setHedging({delay=300, percent=5, other=1})");
	assert_int_equal(f.running->set.hedge_delay_ms, 300);
	assert_int_equal(f.running->set.hedge_percent, 5);
	assert_false(run(&f, "setHedging({percent=101})"));
	assert_non_null(strstr(f.error, "percent: expected a whole number"));
	assert_false(run(&f, "setHedging(5)"));
	assert_int_equal(f.running->set.hedge_percent, 5);
	fake_done(&f);
}

int test_words_listener(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(while_reading), cmocka_unit_test(while_running),
		cmocka_unit_test(addresses), cmocka_unit_test(own_words)};

	return cmocka_run_group_tests_name("bind/words_listener", tests, NULL, NULL);
}
