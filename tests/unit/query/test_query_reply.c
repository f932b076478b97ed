/* test_query_reply.c: replies that fit and those that do not, losses, deadlines, the end of a transfer. */
#include "fixture.h"

int test_query_reply(void);

static void replies_must_fit(void **state)
{
	static const struct {
		unsigned flags, questions;
		const char *name;
		uint16_t qtype;
		bool fits;
	} cases[] = {
		{DNS_QR, 1, "\3www\7example", QTYPE_A, true},
		{DNS_QR, 1, "\3WwW\7eXample", QTYPE_A, true},
		{DNS_QR, 1, "\3ww2\7example", QTYPE_A, false},
		{DNS_QR, 1, "\3www\7example", QTYPE_AAAA, false},
		{0, 1, "\3www\7example", QTYPE_A, false},
		{DNS_QR, 0, "", 0, false},
		{DNS_QR | RCODE_NXDOMAIN, 0, "", 0, false},
		{DNS_QR | RCODE_SERVFAIL, 0, "", 0, true},
		{DNS_QR | RCODE_FORMERR, 0, "", 0, true},
		{RCODE_SERVFAIL, 0, "", 0, false},
	};
	struct fix f;
	unsigned misfits = 0;

	(void)state;
	fix_start(&f, false, NULL);
	fix_ask(&f, "www.example", false);
	for (size_t i = 0; i < LEN(cases); i++) {
		uint8_t m[64] = {0};
		size_t n = strlen(cases[i].name) + 1, len = DNS_HEADER;

		dns_set_flags(m, cases[i].flags);
		dns_set_count(m, SECTION_QUESTION, cases[i].questions);
		if (cases[i].questions) {
			memcpy(m + len, cases[i].name, n);
			put16(m + len + n, cases[i].qtype);
			put16(m + len + n + 2, CLASS_IN);
			len += n + 4;
		}
		assert_int_equal(query_matches(f.sent[0], m, len), cases[i].fits);
		misfits += !cases[i].fits;
	}
	assert_false(query_matches(f.sent[0], (const uint8_t *)"\0\0\200\0\0\0\0\0\0\0\0", DNS_HEADER - 1));
	assert_int_equal(f.server->noncompliant, misfits + 1);
	assert_int_equal(f.counters.v[COUNTER_NONCOMPLIANT_RESPONSES], misfits + 1);
	fix_reply(&f, 0, 60);
	fix_done(&f);
}

/* Lost at once over a stream: its transport has tried, and there is nobody else.  Lost after a while: again. */
static void a_lost_query_is_asked_again(void **state)
{
	struct fix f;

	(void)state;
	fix_start(&f, false, NULL);
	fix_ask(&f, "www.example", true);
	for (unsigned i = 0; i < 5; i++) {
		struct query *q = f.sent[0];

		assert_int_equal(f.nsent, 1);
		assert_int_equal(f.answers, 0);
		f.nsent = 0;
		core_set_time(&f.core, f.core.now_us + (i < 4 ? 600000 : 10000), 0);
		query_lost(q, REASON_CONNECTION_LOST);
	}
	assert_int_equal(f.answers, 1);
	assert_int_equal(dns_rcode(f.answer), RCODE_SERVFAIL);
	assert_int_equal(f.server->outstanding, 0);
	assert_int_equal(f.core.parked, 0);
	fix_done(&f);
}

static void no_way_out(void **state)
{
	struct fix f;

	(void)state;
	fix_start(&f, false, NULL);
	f.send_error = -EAGAIN;
	fix_ask(&f, "www.example", false);
	assert_int_equal(f.drops, 1);
	assert_int_equal(f.counters.reason[REASON_IDS_EXHAUSTED], 3);
	f.send_error = 0;
	f.no_back = true;
	fix_ask(&f, "www.example", true);
	assert_int_equal(f.answers, 1);
	assert_int_equal(f.counters.reason[REASON_SEND_ERROR], 3);
	assert_int_equal(f.server->send_errors, 6);
	assert_int_equal(f.server->outstanding, 0);
	fix_done(&f);
}

static unsigned relay_drops, relay_parts;
static enum reason relay_why;

static void relay_answer(struct client *c, const uint8_t *msg, size_t len)
{
	(void)c;
	(void)msg;
	(void)len;
}

static void relay_drop(struct client *c, enum reason why)
{
	(void)c;
	relay_drops++;
	relay_why = why;
}

static void relay_part(struct client *c, const uint8_t *msg, size_t len)
{
	(void)c;
	(void)msg;
	(void)len;
	relay_parts++;
}

/* What is carried for another worker: lives no longer than a datagram's client waits, as long as parts of a transfer
 * come, and is counted by that worker. */
static void relays(void **state)
{
	static const struct client_ops ops = {relay_answer, relay_drop, relay_part, NULL};
	struct client c = {.ops = &ops, .proto = PROTO_UDP};
	uint8_t m[64];
	struct query *q;
	struct fix f;
	size_t len;

	(void)state;
	fix_start(&f, false, NULL);
	fix_ask(&f, "www.example", false);
	len = f.sent[0]->ask_len;
	memcpy(m, f.sent[0]->ask, len);
	fix_reply(&f, 0, 60);
	relay_drops = relay_parts = 0;
	assert_non_null(query_relay(&f.core, &c, f.server, true, m, len));
	fix_pass(&f, 4900);
	assert_int_equal(relay_drops, 0);
	fix_pass(&f, 100);
	assert_int_equal(relay_drops, 1);
	assert_int_equal(relay_why, REASON_TIMEOUT);

	c.stream = true;
	c.proto = PROTO_TCP;
	put16(m + len - 4, QTYPE_AXFR);
	q = query_relay(&f.core, &c, f.server, true, m, len);
	assert_non_null(q);
	for (unsigned i = 0; i < 5; i++) {
		fix_pass(&f, 20000);
		assert_int_equal(relay_drops, 1);
		query_part(q, m, len);
	}
	assert_int_equal(relay_parts, 5);
	fix_pass(&f, 31000);
	assert_int_equal(relay_drops, 2);

	f.send_error = -ENETUNREACH;
	assert_null(query_relay(&f.core, &c, f.server, false, m, len));
	assert_int_equal(relay_drops, 3);
	assert_int_equal(relay_why, REASON_NO_ROUTE);
	assert_int_equal(f.counters.reason[REASON_NO_ROUTE], 0);
	assert_int_equal(f.counters.reason[REASON_TIMEOUT], 0);
	assert_int_equal(f.core.parked, 0);
	fix_done(&f);
}

static void a_deadline_passes(void **state)
{
	struct fix f;

	(void)state;
	fix_start(&f, false, NULL);
	fix_ask(&f, "www.example", false);
	fix_pass(&f, 1900);
	assert_int_equal(f.drops, 0);
	fix_pass(&f, 200);
	assert_int_equal(f.drops, 1);
	assert_int_equal(f.nsent, 0);
	assert_int_equal(f.server->drops, 1);
	assert_int_equal(f.server->outstanding, 0);
	/* an answer in time stops the clock */
	fix_ask(&f, "www.example", false);
	fix_pass(&f, 1000);
	fix_reply(&f, 0, 60);
	fix_pass(&f, 3000);
	assert_int_equal(f.drops, 1);
	assert_int_equal(f.answers, 1);
	fix_done(&f);
}

static void put_soa(uint8_t *m, size_t *len, uint32_t serial)
{
	uint8_t rdata[22] = {0};

	put32(rdata + 2, serial);
	assert_int_equal(
		msg_add_rr(m, len, 512, SECTION_ANSWER, QTYPE_SOA, CLASS_IN, 60, rdata, sizeof(rdata)), 0);
}

static void put_a(uint8_t *m, size_t *len)
{
	assert_int_equal(msg_add_rr(m, len, 512, SECTION_ANSWER, QTYPE_A, CLASS_IN, 60, "\1\2\3\4", 4), 0);
}

/* Records of one message as letters: S the zone's serial, s the old one, a any other. */
static bool last_of(struct query *q, const char *records, unsigned rcode)
{
	uint8_t m[512];
	size_t len = q->ask_len;

	memcpy(m, q->ask, len);
	assert_int_equal(msg_make_answer(m, &len, rcode), 0);
	for (; *records; records++) {
		if (*records == 'a')
			put_a(m, &len);
		else
			put_soa(m, &len, *records == 'S' ? 7 : 6);
	}
	return query_is_last(q, m, len);
}

static void transfers_end(void **state)
{
	static const struct {
		uint16_t qtype;
		unsigned rcode;
		const char *messages[4]; /* the last one ends it */
	} cases[] = {
		{QTYPE_AXFR, 0, {"SaaS"}},
		{QTYPE_AXFR, 0, {"Sa", "aaa", "aS"}},
		{QTYPE_AXFR, 0, {"S", "a", "a", "S"}},
		{QTYPE_AXFR, 0, {"SS"}},
		{QTYPE_AXFR, RCODE_REFUSED, {""}},
		{QTYPE_AXFR, 0, {""}},
		{QTYPE_AXFR, 0, {"a"}},
		{QTYPE_IXFR, 0, {"S"}},
		{QTYPE_IXFR, 0, {"SsaSaS"}},
		{QTYPE_IXFR, 0, {"Ss", "a", "Sa", "S"}},
		{QTYPE_IXFR, 0, {"Sa", "aa", "S"}},
	};
	struct fix f;

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		fix_start(&f, false, NULL);
		fix_ask(&f, "example", true);
		f.sent[0]->xfr = true;
		f.sent[0]->dq.question->qtype = cases[i].qtype;
		for (size_t k = 0; k < LEN(cases[i].messages) && cases[i].messages[k]; k++) {
			bool end = k + 1 == LEN(cases[i].messages) || !cases[i].messages[k + 1];

			if (last_of(f.sent[0], cases[i].messages[k], cases[i].rcode) != end)
				fail_msg("case %zu, message %zu", i, k);
		}
		fix_done(&f);
	}
}

int test_query_reply(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(replies_must_fit),
		cmocka_unit_test(a_lost_query_is_asked_again),
		cmocka_unit_test(no_way_out),
		cmocka_unit_test(relays),
		cmocka_unit_test(a_deadline_passes),
		cmocka_unit_test(transfers_end),
	};

	return cmocka_run_group_tests_name("query/query_reply", tests, NULL, NULL);
}
