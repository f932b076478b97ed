/* test_core.c: a configuration is read, queries run through rules, cache and backends, it is replaced, and more run,
 * with every allocation failing once: what fails is refused or dropped, the rest goes on. */
#include "fail_help.h"

#include "../unit/front/front_help.h"
#include "bind.h"

static const char config[] =
	"setServFailWhenNoServer(true)\n"
	"newServer{address='127.0.0.1:9', name='one', healthCheckMode='up', useClientSubnet=true, weight=3}\n"
	"newServer{address='127.0.0.1:10', name='two', healthCheckMode='up', pool={'p', 'q'}}\n"
	"setServerPolicy(chashed)\n"
	"setPoolServerPolicyLua('mine', function(servers, dq) return 1 end, 'q')\n"
	"getPool(''):setCache(newPacketCache(100, {parseECS=true, prefetch=true, numberOfShards=2}))\n"
	"getPool('p'):setCache(newPacketCache(100))\n"
	"addAction('drop.example', DropAction())\n"
	"addAction('spoof.example', SpoofAction({'192.0.2.1', '2001:db8::1', '192.0.2.2'}, {ttl=5}))\n"
	"addAction('cname.example', SpoofCNAMEAction('where.example'))\n"
	"addAction(AndRule{QNameSuffixRule('no.example'), NotRule(QTypeRule(DNSQType.TXT))}, RCodeAction(DNSRCode.REFUSED))\n"
	"addAction('ede.example', SetExtendedDNSErrorAction(15, 'not here'))\n"
	"addAction('tag.example', SetTagAction('a', 'b'))\n"
	"addAction(TagRule('a'), PoolAction('p'))\n"
	"addAction(MaxQPSIPRule(1000), DropAction())\n"
	"addAction('lua.example', LuaAction(function(dq) dq:setTag('l', 'x') return DNSAction.Pool, 'q' end))\n"
	"addAction('slow.example', DelayAction(20))\n"
	"addAction(NetmaskGroupRule('10.9.0.0/16'), TCAction())\n"
	"addResponseAction('tag.example', SetMaxReturnedTTLResponseAction(10))\n"
	"addResponseAction(AllRule(), LuaResponseAction(function(dr) return DNSResponseAction.None end))\n"
	"addCacheHitResponseAction('hit.example', AllowResponseAction())\n";

struct asker {
	const char *name;
	unsigned qtype;
	bool stream, edns;
};
static const struct asker askers[] = {
	{"www.example", QTYPE_A, false, false},
	{"www.example", QTYPE_A, true, true},
	{"drop.example", QTYPE_A, false, false},
	{"spoof.example", QTYPE_A, false, true},
	{"spoof.example", QTYPE_AAAA, true, false},
	{"cname.example", QTYPE_A, false, false},
	{"x.no.example", QTYPE_A, false, true},
	{"ede.example", QTYPE_A, false, true},
	{"tag.example", QTYPE_A, false, false},
	{"lua.example", QTYPE_A, false, true},
	{"slow.example", QTYPE_A, false, false},
	{"zone.example", QTYPE_AXFR, true, false},
};

static struct world w;
static struct host host;
static unsigned began, done;

static void told_answer(struct client *c, const uint8_t *msg, size_t len)
{
	(void)c;
	(void)msg;
	assert_true(len >= DNS_HEADER);
	done++;
}

static void told_drop(struct client *c, enum reason why)
{
	(void)c;
	(void)why;
	done++;
}

static void told_part(struct client *c, const uint8_t *msg, size_t len)
{
	(void)c;
	(void)msg;
	(void)len;
}

static void asks(const struct asker *a)
{
	static const struct client_ops ops = {told_answer, told_drop, told_part, NULL};
	struct client c = {.ops = &ops, .stream = a->stream, .proto = a->stream ? PROTO_TCP : PROTO_UDP};
	uint8_t msg[512];
	size_t len = make_query(msg, (uint16_t)began, a->name, a->qtype);

	assert_int_equal(addr_parse(&c.remote, "127.0.0.1", 4000), 0);
	c.local = c.remote;
	if (a->edns)
		assert_int_equal(edns_add(msg, &len, sizeof(msg), 1232, EDNS_DO, 0), 0);
	began++;
	query_start(&w.lane.core, &c, msg, len);
}

/* answer_all: every query at a backend is answered, the third of them is lost. */
static void answer_all(void)
{
	for (unsigned i = 0; i < held.n; i++) {
		struct query *q = held.q[i];

		if (!q)
			continue;
		if (i % 3 == 2) {
			held.q[i] = NULL;
			query_lost(q, REASON_CONNECTION_LOST);
		} else {
			answer_held(i, 100);
		}
	}
	held.n = 0;
}

static void traffic(void)
{
	for (unsigned round = 0; round < 2; round++) {
		for (size_t i = 0; i < LEN(askers); i++)
			asks(&askers[i]);
		for (unsigned tries = 0; tries < 4 && held.n; tries++)
			answer_all();
		world_pass(&w, 100);
	}
}

static const char *said; /* the last refusal */

/* load reads the configuration and makes it the running one; false: it was refused, and said why. */
static bool load(const struct conf *old)
{
	const char *error = "";
	struct conf *c = bind_load("fail.conf", config, &host, &error);

	if (c && ((old && conf_inherit(c, old) < 0) || conf_freeze(c, &error) < 0)) {
		error = error[0] ? error : "inherit";
		conf_free(&c);
	}
	if (!c) {
		assert_true(error[0] != 0);
		said = error;
		return false;
	}
	return core_set_conf(&w.lane.core, c) == 0;
}

static unsigned long cycle(unsigned long n)
{
	unsigned long made;
	struct conf *old;
	bool ok;

	memset(&held, 0, sizeof(held));
	began = done = 0;
	world_start(&w, new_conf());
	w.edge.back = holder_get;
	made = mem_calls();
	mem_fail_at(n);
	ok = load(NULL);
	traffic();
	old = conf_ref(w.lane.core.hold->conf);
	ok &= load(old);
	conf_free(&old);
	traffic();
	mem_fail_at(0);
	made = mem_calls() - made;
	world_pass(&w, 40000);
	answer_all();
	if (done != began)
		fail_msg("allocation %lu failed: %u queries, %u ended", n, began, done);
	if (n == 0 && !ok)
		fail_msg("%s", said);
	world_stop(&w);
	return made;
}

static void every_one(void **state)
{
	(void)state;
	every_allocation(cycle);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(every_one)};

	return cmocka_run_group_tests_name("fail.core", tests, quiet, NULL);
}
