/* test_sel_client.c: selectors on addresses, ports, protocols, tags, pools and rates. */
#include "fixture.h"

int test_sel_client(void);

static void netmasks(void **state)
{
	struct netset *set = netset_new();
	const struct arg source[ARGS] = {OBJ(OBJ_NETSET, set)};
	const struct arg destination[ARGS] = {OBJ(OBJ_NETSET, set), BOOL(false)};
	const struct arg quiet[ARGS] = {OBJ(OBJ_NETSET, set), BOOL(true), BOOL(true)};
	struct fix f;

	(void)state;
	assert_int_equal(netset_add_text(set, "192.0.2.0/24"), 0);
	fix_query(&f, "example.org", QTYPE_A, DNS_RD);
	assert_true(match_once(&f, "NetmaskGroupRule", source));
	assert_false(match_once(&f, "NetmaskGroupRule", destination));
	fix_addr(&f.remote, "198.51.100.9");
	fix_addr(&f.local, "192.0.2.53");
	assert_false(match_once(&f, "NetmaskGroupRule", source));
	assert_true(match_once(&f, "NetmaskGroupRule", destination));
	assert_selector_text("NetmaskGroupRule", source, "Src: 192.0.2.0/24");
	assert_selector_text("NetmaskGroupRule", destination, "Dst: 192.0.2.0/24");
	assert_selector_text("NetmaskGroupRule", quiet, "Src: in-group");
	assert_selector_bears_no_memory("NetmaskGroupRule", source);
	netset_free(&set);
}

static void long_sets_are_cut_in_the_text(void **state)
{
	struct netset *set = netset_new();
	struct selector *s;
	struct netmask mask = {.net = {.family = AF_INET}, .bits = 24};

	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		mask.net.ip[0] = 10;
		mask.net.ip[2] = (uint8_t)i;
		assert_int_equal(netset_add(set, &mask, i != 0), 0);
	}
	s = make_selector("NetmaskGroupRule", (const struct arg[ARGS]){OBJ(OBJ_NETSET, set)});
	assert_non_null(strstr(s->text, "Src: !10.0.0.0/24, 10.0.1.0/24, "));
	assert_non_null(strstr(s->text, ", and 68 more"));
	selector_free(&s);
	netset_free(&set);
}

static void ports_and_protocols(void **state)
{
	static const struct {
		const char *word;
		struct arg argv[ARGS];
		enum proto proto;
		bool yes;
		const char *text;
	} cases[] = {
		{"DSTPortRule", {NUM(53)}, PROTO_UDP, true, "dst port==53"},
		{"DSTPortRule", {NUM(5353)}, PROTO_UDP, false, NULL},
		{"TCPRule", {BOOL(true)}, PROTO_UDP, false, "TCP"},
		{"TCPRule", {BOOL(true)}, PROTO_TCP, true, NULL},
		{"TCPRule", {BOOL(true)}, PROTO_DOT, true, NULL},
		{"TCPRule", {BOOL(false)}, PROTO_UDP, true, "UDP"},
		{"TCPRule", {BOOL(false)}, PROTO_DOH, false, NULL},
		{"TCPRule", {BOOL(false)}, PROTO_DNSCRYPT_UDP, true, NULL},
		{"IncomingProtocolRule", {STR("do53-udp")}, PROTO_UDP, true, "incoming protocol==do53-udp"},
		{"IncomingProtocolRule", {STR("do53-udp")}, PROTO_TCP, false, NULL},
		{"IncomingProtocolRule", {STR("DoUDP")}, PROTO_UDP, true, "incoming protocol==DoUDP"},
		{"IncomingProtocolRule", {STR("DNSCryptTCP")}, PROTO_DNSCRYPT_UDP, false, NULL},
		{"IncomingProtocolRule", {STR("DoH3")}, PROTO_DOH3, true, NULL},
		{"IncomingProtocolRule", {STR("dnscrypt")}, PROTO_DNSCRYPT_UDP, true, NULL},
		{"IncomingProtocolRule", {STR("dnscrypt")}, PROTO_DNSCRYPT_TCP, true, NULL},
		{"IncomingProtocolRule", {STR("doh3")}, PROTO_DOH3, true, NULL},
		{"IncomingProtocolRule", {STR("doh")}, PROTO_DOH3, false, NULL},
	};
	const char *error = NULL;
	struct fix f;

	(void)state;
	fix_query(&f, "example.org", QTYPE_A, DNS_RD);
	for (size_t i = 0; i < LEN(cases); i++) {
		f.dq.proto = cases[i].proto;
		assert_int_equal(match_once(&f, cases[i].word, cases[i].argv), cases[i].yes);
		if (cases[i].text)
			assert_selector_text(cases[i].word, cases[i].argv, cases[i].text);
		assert_selector_bears_no_memory(cases[i].word, cases[i].argv);
	}
	assert_null(try_selector("IncomingProtocolRule", (const struct arg[ARGS]){STR("udp")}, &error));
	assert_non_null(strstr(error, "expected one of \"DoUDP\", \"DoTCP\""));
	assert_non_null(strstr(error, "got 'udp'"));
}

static void tags(void **state)
{
	static const struct {
		struct arg argv[ARGS];
		bool yes;
		const char *text;
	} cases[] = {
		{{STR("a")}, true, "tag 'a' is set"},
		{{STR("a"), STR("one")}, true, "tag 'a' is set to 'one'"},
		{{STR("a"), STR("on")}, false, NULL},
		{{STR("a"), STR("")}, false, NULL},
		{{STR("b")}, false, NULL},
		{{STR("empty"), STR("")}, true, NULL},
		{{STR("bytes"), STR("x\0y")}, true, NULL},
		{{STR("bytes"), STR("x\0z")}, false, NULL},
	};
	struct fix f;

	(void)state;
	fix_query(&f, "example.org", QTYPE_A, DNS_RD);
	assert_false(match_once(&f, "TagRule", cases[0].argv));
	assert_int_equal(dq_set_tag(&f.dq, "a", "one", 3), 0);
	assert_int_equal(dq_set_tag(&f.dq, "empty", "", 0), 0);
	assert_int_equal(dq_set_tag(&f.dq, "bytes", "x\0y", 3), 0);
	for (size_t i = 0; i < LEN(cases); i++) {
		assert_int_equal(match_once(&f, "TagRule", cases[i].argv), cases[i].yes);
		if (cases[i].text)
			assert_selector_text("TagRule", cases[i].argv, cases[i].text);
	}
	assert_selector_bears_no_memory("TagRule", cases[1].argv);
	dq_free_marks(&f.dq);
}

static void pools(void **state)
{
	static struct server up, down;
	struct server *servers[] = {&up, &down};
	struct pool first = {.name = (char[]){""}}, second = {.name = (char[]){"x"}, .servers = servers, .n = 2};
	struct pool *list[] = {&first, &second};
	struct conf conf = {.pools = list, .npools = 2};
	const struct arg available[ARGS] = {STR("x")}, empty[ARGS] = {STR("")}, unknown[ARGS] = {STR("y"), NUM(0)};
	const struct arg three[ARGS] = {STR("x"), NUM(3)}, two[ARGS] = {STR("x"), NUM(2)};
	struct fix f;

	(void)state;
	fix_query(&f, "example.org", QTYPE_A, DNS_RD);
	f.dq.conf = &conf;
	up.magic = down.magic = SERVER_MAGIC;
	assert_false(match_once(&f, "PoolAvailableRule", available));
	atomic_store(&up.state, SERVER_UP);
	assert_true(match_once(&f, "PoolAvailableRule", available));
	assert_false(match_once(&f, "PoolAvailableRule", empty));
	assert_false(match_once(&f, "PoolAvailableRule", unknown));
	atomic_store(&up.outstanding, 2);
	atomic_store(&down.outstanding, 1);
	assert_false(match_once(&f, "PoolOutstandingRule", three));
	assert_true(match_once(&f, "PoolOutstandingRule", two));
	assert_false(match_once(&f, "PoolOutstandingRule", unknown));
	assert_selector_text("PoolAvailableRule", available, "pool 'x' is available");
	assert_selector_text("PoolOutstandingRule", three, "pool 'x' outstanding > 3");
	assert_selector_bears_no_memory("PoolAvailableRule", available);
	assert_selector_bears_no_memory("PoolOutstandingRule", three);
}

static void rates(void **state)
{
	const struct arg two[ARGS] = {NUM(2)}, subnet[ARGS] = {NUM(2), NUM(24), NUM(48), NUM(4)};
	struct selector *total = make_selector("MaxQPSRule", two), *each = make_selector("MaxQPSIPRule", two);
	struct fix f;

	(void)state;
	fix_query(&f, "example.org", QTYPE_A, DNS_RD);
	/* One is true while under the limit, the other when above. */
	assert_true(total->match(total, &f.dq));
	assert_true(total->match(total, &f.dq));
	assert_false(total->match(total, &f.dq));
	f.dq.now_ms += 500;
	assert_true(total->match(total, &f.dq));
	assert_false(each->match(each, &f.dq));
	assert_false(each->match(each, &f.dq));
	assert_true(each->match(each, &f.dq));
	fix_addr(&f.remote, "192.0.2.8");
	assert_false(each->match(each, &f.dq));
	selector_free(&total);
	selector_free(&each);
	assert_selector_text("MaxQPSRule", two, "Max 2 qps");
	assert_selector_text("MaxQPSIPRule", two, "IP (/32, /64) match for QPS over 2 burst 2");
	assert_selector_text("MaxQPSIPRule", subnet, "IP (/24, /48) match for QPS over 2 burst 4");
	assert_selector_bears_no_memory("MaxQPSRule", two);
	assert_selector_bears_no_memory("MaxQPSIPRule", two);
}

static void wrong_arguments_are_named(void **state)
{
	static const struct {
		const char *word;
		struct arg argv[ARGS];
		const char *error;
	} cases[] = {
		{"NetmaskGroupRule", {BOOL(true)},
			"expected a netmask, a list of netmasks or a NetmaskGroup, got a boolean"},
		{"DSTPortRule", {NUM(70000)}, "port: expected a whole number from 0 to 65535, got 70000"},
		{"TagRule", {NIL}, "tag: expected a string, got nil"},
		{"TagRule", {STR("a"), BOOL(true)}, "value: expected a string, got a boolean"},
		{"PoolAvailableRule", {NIL}, "pool: expected a string, got nil"},
		{"MaxQPSIPRule", {NUM(1), NUM(33)}, "v4Mask: expected a whole number from 0 to 32, got 33"},
	};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		const char *error = NULL;

		assert_null(try_selector(cases[i].word, cases[i].argv, &error));
		assert_string_equal(error, cases[i].error);
	}
}

int test_sel_client(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(netmasks),
		cmocka_unit_test(long_sets_are_cut_in_the_text),
		cmocka_unit_test(ports_and_protocols),
		cmocka_unit_test(tags),
		cmocka_unit_test(pools),
		cmocka_unit_test(rates),
		cmocka_unit_test(wrong_arguments_are_named),
	};

	return cmocka_run_group_tests_name("rule/sel_client", tests, NULL, NULL);
}
