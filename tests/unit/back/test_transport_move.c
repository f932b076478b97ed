/* test_transport_move.c: queries that leave a silent connection: its late answers count, on fake connections. */
#include "fake_up.h"
#include "transport.h"

int test_transport_move(void);

static struct world w;
static struct server *second;

static void begin(const char *options)
{
	fake_start(&w, new_conf(), options);
}

static void begin_two(const char *options)
{
	second = fake_start_two(&w, options);
}

static void finish(void)
{
	stop(&w);
	assert_int_equal(fakes_left(), 0);
	if (second)
		server_free(&second);
}

/* until the |n|th connection is there, which then opens */
static void next_opens(unsigned n)
{
	for (unsigned i = 0; i < 1000 && nfakes <= n; i++)
		pass(&w, 8);
	assert_int_equal(nfakes, n + 1);
	fake_opens(n);
}

/* A backend that needs four seconds for all: asked on three connections, it answers on the first. */
static void several_moves(void **state)
{
	(void)state;
	begin("");
	ask_many(&w, 1, 3);
	fake_opens(0);
	next_opens(1);
	assert_int_equal(fakes[1].sent, 3);
	next_opens(2);
	assert_int_equal(fakes[2].sent, 3);
	assert_int_equal(fakes[0].forgets, 0); /* over DoH its streams stay */
	assert_int_equal(fakes[1].forgets, 3);
	fake_says(0, 1);
	assert_true(told[2].ended && !told[2].dropped);
	assert_int_equal(fakes[2].forgets, 1);
	assert_false(fakes[0].closed);
	ask_many(&w, 4, 1); /* under another id than the one that was given up */
	assert_int_equal(fakes[2].sent, 4);
	assert_int_equal(fakes[2].id[3], 3);
	fake_says(2, 1); /* the one given up: no surprise, and nobody's */
	assert_int_equal(ended, 1);
	fake_says(0, 2);
	fake_says(0, 0);
	assert_int_equal(ended, 3);
	fake_says(2, 3);
	assert_int_equal(ended, 4);
	assert_int_equal(reasons(&w, REASON_REPLY_UNASKED), 0);
	finish();
}

/* Each connection dies unseen when it has been idle: that a query had to move says nothing of how fast the backend is,
 * and the next death is noticed as soon as the first. */
static void learns_no_detour(void **state)
{
	unsigned first_ms = 0;

	(void)state;
	begin("");
	ask_many(&w, 1, 1);
	fake_opens(0);
	pass(&w, 16);
	fake_says(0, 0);
	for (unsigned n = 0; n < 12; n++) {
		unsigned ms = 0;

		ask_many(&w, n + 2, 1);
		for (; nfakes <= n + 1 && ms < 6000; ms += 8) {
			pass(&w, 8);
			fakes[n].silent = ms + 8;
		}
		assert_int_equal(nfakes, n + 2);
		first_ms = n ? first_ms : ms;
		assert_in_range(ms, 1, first_ms + 32);
		pass(&w, 16);
		fake_opens(n + 1);
		pass(&w, 16);
		fake_says(n + 1, 0);
		pass(&w, 64);
	}
	finish();
}

/* The answer comes on the first connection while the query waits for one that is not open yet. */
static void still_waiting(void **state)
{
	(void)state;
	begin("useProxyProtocol=true");
	ask_many(&w, 1, 1);
	fake_opens(0);
	pass(&w, 1080);
	assert_int_equal(nfakes, 2);
	assert_false(fakes[0].closed);
	fake_says(0, 0);
	assert_int_equal(ended, 1);
	assert_true(fakes[1].closed);
	finish();
}

/* Connections of one query: a slow backend is not asked again each second, and its first answer counts. */
static void alone(void **state)
{
	(void)state;
	begin("useProxyProtocol=true");
	ask_many(&w, 1, 1);
	fake_opens(0);
	next_opens(1);
	assert_int_equal(fakes[1].sent, 1);
	pass(&w, 2400);
	assert_int_equal(nfakes, 2);
	fake_says(0, 0);
	assert_int_equal(ended, 1);
	pass(&w, 8);
	assert_int_equal(fakes_left(), 0);
	ask_many(&w, 2, 1); /* it is known to be slow now */
	fake_opens(2);
	pass(&w, 3000);
	assert_int_equal(nfakes, 3);
	fake_says(2, 0);
	finish();

	begin("useProxyProtocol=true"); /* the second one answers: the first goes */
	ask_many(&w, 1, 1);
	fake_opens(0);
	next_opens(1);
	fake_says(1, 0);
	assert_int_equal(ended, 1);
	assert_int_equal(fakes_left(), 0);
	finish();

	begin("useProxyProtocol=true"); /* the third: the second is given up, the first may still answer */
	ask_many(&w, 1, 1);
	fake_opens(0);
	next_opens(1);
	next_opens(2);
	assert_true(fakes[1].closed);
	assert_false(fakes[0].closed);
	fake_says(2, 0);
	assert_int_equal(ended, 1);
	assert_int_equal(fakes_left(), 0);
	finish();
}

/* What the query left dies, or it ends: nothing is left behind, and later answers are nobody's. */
static void ends(void **state)
{
	(void)state;
	begin("");
	ask_many(&w, 1, 2);
	fake_opens(0);
	next_opens(1);
	fake_dies(0, REASON_CONN_RESET);
	assert_int_equal(ended, 0);
	fake_says(1, 0);
	fake_says(1, 1);
	assert_int_equal(ended, 2);
	finish();

	begin(""); /* the new one dies: asked again on the old one, which has spoken, and answered under either id */
	ask_many(&w, 1, 3);
	fake_opens(0);
	next_opens(1);
	fake_says(0, 0);
	fake_dies(1, REASON_CONN_RESET);
	assert_int_equal(fakes[0].sent, 5);
	assert_int_equal(fakes[0].id[3], 3);
	fake_says(0, 1);
	fake_says(0, 4);
	assert_int_equal(ended, 3);
	fake_says(0, 3);
	fake_says(0, 2);
	assert_int_equal(reasons(&w, REASON_REPLY_UNASKED), 0);
	finish();

	begin("tcpRecvTimeout=2"); /* the deadline */
	ask_many(&w, 1, 1);
	fake_opens(0);
	next_opens(1);
	pass(&w, 1000);
	assert_int_equal(ended, 1);
	assert_int_equal(fakes[0].forgets, 1);
	assert_true(fakes[1].closed); /* nothing was heard there */
	fake_says(0, 0);
	assert_int_equal(reasons(&w, REASON_REPLY_UNASKED), 0);
	finish();

	begin("tls=openssl dohPath=/dns-query"); /* refused where it was */
	ask_many(&w, 1, 2);
	fake_opens(0);
	next_opens(1);
	fake_refuses(0, 0, REASON_REPLY_HTTP_STATUS, false);
	fakes[0].msg[1][DNS_HEADER + 1] ^= 2; /* and for another name */
	fake_says(0, 1);
	assert_int_equal(ended, 0);
	fake_says(1, 0);
	assert_true(fakes[0].closed);
	assert_int_equal(fakes[0].forgets, 0);
	fake_says(1, 1);
	assert_int_equal(ended, 2);
	finish();
}

/* It goes to another backend: the first is not listened to any more. */
static void elsewhere(void **state)
{
	unsigned n;

	(void)state;
	begin_two("");
	ask_many(&w, 1, 1);
	fake_opens(0);
	next_opens(1);
	for (n = 0; n < 400 && !suspect_now(server); n++)
		pass(&w, 8);
	assert_true(suspect_now(server));
	assert_int_equal(fakes[0].forgets, 1);
	for (n = 2; n < nfakes && (fakes[n].closed || fakes[n].up.to.ip[3] != 9); n++)
		;
	fake_opens(n);
	fake_says(0, 0);
	assert_int_equal(ended, 0);
	fake_says(n, 0);
	assert_int_equal(ended, 1);
	finish();
}

/* A transfer that was asked for twice goes on where its first part comes. */
static void transfer(void **state)
{
	static const uint8_t soa[] = {0xc0, 12, 0, 6, 0, 1, 0, 0, 0, 60, 0, 22, 0, 0, 0, 0, 0, 7};
	uint8_t msg[128];
	size_t len;

	(void)state;
	begin("");
	ask(&w, 1, QTYPE_AXFR, true);
	fake_opens(0);
	len = fakes[0].len[0];
	memcpy(msg, fakes[0].msg[0], len);
	make_reply(msg);
	dns_set_count(msg, SECTION_ANSWER, 1);
	memcpy(msg + len, soa, sizeof(soa));
	memset(msg + len + sizeof(soa), 0, 16);
	len += sizeof(soa) + 16;
	link_leave(fakes[0].up.owner); /* nothing makes transfers move today but a connection's end */
	pass(&w, 72);
	next_opens(1);
	assert_int_equal(fakes[1].sent, 1);
	fakes[0].up.events->reply(&fakes[0].up, 0, msg, len);
	assert_int_equal(told[1].parts, 1);
	assert_true(fakes[1].closed);
	fakes[0].up.events->reply(&fakes[0].up, 0, msg, len);
	assert_int_equal(ended, 1);
	finish();
}

/* one_remembered: of two queries that moved the first is answered; the second one came back under another id, 2. */
static struct link *one_remembered(void)
{
	struct link *l;

	begin("");
	ask_many(&w, 1, 2);
	fake_opens(0);
	l = fakes[0].up.owner;
	next_opens(1);
	assert_int_equal(l->moved, 2);
	assert_null(link_moved(l, 2));
	fake_says(0, 0); /* well again */
	fake_dies(1, REASON_CONN_RESET);
	assert_int_equal(fakes[0].id[2], 2);
	return l;
}

/* All ids have been used: one that is remembered is given to another query, and forgotten before. */
static void ids_run_out(void **state)
{
	struct link *l = one_remembered();

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(l->moved, 1);
		assert_int_equal(fakes[0].forgets, 0);
		l->map.floor = QUERY_IDS;
		ask_many(&w, 3 + i, 1);
		assert_int_equal(fakes[0].id[3 + i], i);
	}
	assert_int_equal(l->moved, 0);
	assert_int_equal(fakes[0].forgets, 1);
	for (unsigned i = 2; i < 5; i++)
		fake_says(0, i);
	assert_int_equal(ended, 4);
	finish();
}

/* A small id is remembered after a larger one: both are found. */
static void ids_out_of_order(void **state)
{
	struct link *l = one_remembered();

	(void)state;
	l->map.floor = QUERY_IDS;
	ask_many(&w, 3, 1);
	assert_int_equal(fakes[0].id[3], 0);
	link_leave(l);
	assert_int_equal(l->moved, 2);
	assert_null(link_moved(l, 2));
	fake_says(0, 1);
	assert_int_equal(ended, 2);
	fake_says(0, 3);
	assert_int_equal(ended, 3);
	finish();
}

int test_transport_move(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(several_moves), cmocka_unit_test(learns_no_detour), cmocka_unit_test(still_waiting),
		cmocka_unit_test(alone), cmocka_unit_test(ends), cmocka_unit_test(elsewhere), cmocka_unit_test(transfer),
		cmocka_unit_test(ids_run_out), cmocka_unit_test(ids_out_of_order)};

	return cmocka_run_group_tests_name("transport_move", tests, NULL, NULL);
}
