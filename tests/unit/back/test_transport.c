/* test_transport.c: a transport on fake connections and a clock set by hand: its queue, ids, tries, limits; every order
 * of closing and answering. */
#include "fake_up.h"

int test_transport(void);

static struct world w;

static void begin(const char *options)
{
	fake_start(&w, new_conf(), options);
}

static void finish(void)
{
	stop(&w);
	assert_int_equal(fakes_left(), 0);
}

static void one_connection(void **state)
{
	(void)state;
	begin("");
	ask_many(&w, 0, 100);
	assert_int_equal(nfakes, 1);
	assert_int_equal(fakes[0].sent, 0); /* nothing waits for the handshake but the queue */
	pass(&w, 40);
	fake_opens(0);
	assert_int_equal(fakes[0].sent, 100);
	for (unsigned i = 0; i < 100; i++) {
		assert_int_equal(fakes[0].id[i], i); /* small ids, in order */
		fake_says(0, 99 - i);
	}
	assert_int_equal(ended, 100);
	for (unsigned i = 0; i < 100; i++)
		assert_true(told[i].ended && !told[i].dropped && told[i].rcode == RCODE_NOERROR);
	ask_many(&w, 100, 1);
	assert_int_equal(fakes[0].id[100], 0);
	fake_says(0, 100);
	assert_int_equal(nfakes, 1);
	assert_int_equal(count(&server->tcp_new_connections), 1);
	assert_int_equal(count(&server->tcp_reused_connections), 100);
	assert_string_equal((*back_slot(&w.lane, server, true))->ops->name, "TCP");
	finish();
}

static void kinds(void **state)
{
	static const struct {
		const char *options, *name;
	} cases[] = {{"tls=openssl", "DoT"}, {"tls=openssl dohPath=/dns-query", "DoH"}, {"", "TCP"}};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		begin(cases[i].options);
		assert_string_equal((*back_slot(&w.lane, server, true))->ops->name, cases[i].name);
		finish();
	}
}

static void forwarded(void **state)
{
	(void)state;
	begin("tls=openssl dohPath=/dns-query addXForwardedHeaders=true");
	ask_many(&w, 7, 1); /* the port is the id */
	fake_opens(0);
	assert_int_equal(fakes[0].fields, 3);
	assert_string_equal(fakes[0].field[0], "x-forwarded-for: 127.0.0.1");
	assert_string_equal(fakes[0].field[1], "x-forwarded-port: 7");
	assert_string_equal(fakes[0].field[2], "x-forwarded-proto: http");
	fake_says(0, 0);
	finish();
}

static void wrong_replies(void **state)
{
	(void)state;
	begin("");
	ask_many(&w, 1, 2);
	fake_opens(0);
	fakes[0].id[0] = 900; /* nobody's */
	fake_says(0, 0);
	assert_int_equal(reasons(&w, REASON_REPLY_UNASKED), 1);
	fakes[0].id[0] = 0;
	fakes[0].msg[0][DNS_HEADER + 1] ^= 2; /* another name */
	fake_says(0, 0);
	assert_int_equal(reasons(&w, REASON_REPLY_QUESTION), 1);
	assert_int_equal(count(&server->noncompliant), 2);
	assert_int_equal(ended, 0);
	fakes[0].msg[0][DNS_HEADER + 1] ^= 2;
	fake_says(0, 0);
	fake_says(0, 1);
	assert_int_equal(ended, 2);
	fake_says(0, 1); /* twice */
	assert_int_equal(reasons(&w, REASON_REPLY_UNASKED), 2);
	finish();
}

/* The queue has an end: the client hears of it at once. */
static void queue_full(void **state)
{
	(void)state;
	begin("");
	w.lane.core.parked_max = 6000;
	ask_quietly(&w, 4096);
	assert_int_equal(quiet_answers, 0);
	ask_many(&w, 10, 1);
	assert_int_equal(ended, 1);
	assert_int_equal(told[10].rcode, RCODE_SERVFAIL);
	assert_true(reasons(&w, REASON_IDS_EXHAUSTED) >= 1);
	finish();
	assert_int_equal(quiet_drops, 4096);
}

/* More connections only where the peer or the configuration limits what is in flight. */
static void more_connections(void **state)
{
	(void)state;
	begin("maxInFlight=2");
	ask_many(&w, 0, 5);
	assert_int_equal(nfakes, 3);
	for (unsigned i = 0; i < 3; i++)
		fake_opens(i);
	assert_int_equal(fakes[0].sent + fakes[1].sent + fakes[2].sent, 5);
	assert_true(fakes[0].sent <= 2 && fakes[1].sent <= 2 && fakes[2].sent <= 2);
	finish();

	begin(""); /* a peer that takes 3 streams: what is more waits a moment for room */
	ask_many(&w, 0, 2);
	fakes[0].room = 3;
	fake_opens(0);
	ask_many(&w, 2, 3);
	assert_int_equal(fakes[0].sent, 3);
	assert_int_equal(nfakes, 1);
	fake_says(0, 0);
	assert_int_equal(fakes[0].sent, 4);
	pass(&w, 150);
	fakes[0].up.heard_ms = fake_now();
	assert_int_equal(nfakes, 2); /* and then takes another */
	fake_opens(1);
	assert_int_equal(fakes[1].sent, 1);
	finish();
}

static void most_connections(void **state)
{
	(void)state;
	begin("maxInFlight=1 maxConcurrentTCPConnections=2");
	ask_many(&w, 0, 4);
	assert_int_equal(nfakes, 2);
	assert_true(count(&server->tcp_too_many) > 0);
	fake_opens(0);
	fake_opens(1);
	fake_says(0, 0);
	assert_int_equal(fakes[0].sent, 2); /* room for the next */
	fake_says(1, 0);
	fake_says(0, 1);
	fake_says(1, 1);
	assert_int_equal(ended, 4);
	assert_int_equal(nfakes, 2);
	assert_int_equal(atomic_load(&server->connections), 2);
	finish();
}

/* Ids run out on a connection: the rest waits for one, and nothing blocks. */
static void ids_used_up(void **state)
{
	enum { HELD = 1500 };

	(void)state;
	begin("maxInFlight=65535 tcpRecvTimeout=100");
	w.lane.core.parked_max = 4000;
	ask_quietly(&w, HELD);
	fake_opens(0);
	assert_int_equal(fakes[0].sent, HELD);
	for (unsigned i = 0; i < HELD; i++)
		assert_int_equal(fakes[0].id[i], i);
	finish();
}

/* A connection that dies gives its queries to the next: so often as retries say, and no more. */
static void tries(void **state)
{
	static const unsigned times[] = {1, 2, 3, 5};

	(void)state;
	for (size_t k = 0; k < LEN(times); k++) {
		char options[32];
		unsigned at = 0;

		snprintf(options, sizeof(options), "retries=%u", times[k]);
		begin(options);
		ask_many(&w, 1, 1);
		for (unsigned i = 0; i < times[k]; i++) {
			assert_int_equal(reasons(&w, REASON_CONNECTION_LOST), 0);
			if (at == nfakes)
				pass(&w, 160); /* paced after the first */
			assert_int_equal(nfakes, at + 1);
			fake_opens(at);
			assert_int_equal(fakes[at].sent, 1);
			fake_dies(at++, REASON_CONN_RESET);
		}
		assert_int_equal(reasons(&w, REASON_CONNECTION_LOST), 1);
		assert_int_equal(count(&server->tcp_died_reading), times[k]);
		finish();
	}
}

static void first_retry_at_once(void **state)
{
	(void)state;
	begin("");
	ask_many(&w, 1, 1);
	fake_opens(0);
	fake_dies(0, REASON_CONN_CLOSED);
	assert_int_equal(nfakes, 2); /* at once */
	fake_opens(1);
	fake_dies(1, REASON_CONN_CLOSED);
	assert_int_equal(nfakes, 2);
	pass(&w, 100);
	assert_int_equal(nfakes, 2);
	pass(&w, 100);
	assert_int_equal(nfakes, 3);
	fake_opens(2);
	fake_says(2, 0);
	assert_int_equal(told[1].rcode, RCODE_NOERROR);
	finish();
}

/* "closes after each answer": nobody pays for the others, and soon each connection gets one query. */
static void closes_after_answer(void **state)
{
	unsigned next = 0, deaths;

	(void)state;
	begin("");
	for (unsigned n = 0; n < 40; n++) {
		ask_many(&w, n * 4, 4);
		for (unsigned guard = 0; ended < (n + 1) * 4; guard++) {
			assert_true(guard < 100);
			for (unsigned i = next; i < nfakes; i++) {
				if (fakes[i].closed)
					continue;
				if (!fakes[i].open)
					fake_opens(i);
				if (fakes[i].closed || fakes[i].sent == 0)
					continue;
				fake_says(i, 0);
				if (!fakes[i].closed)
					fake_dies(i, REASON_CONN_CLOSED);
			}
			pass(&w, 24);
		}
		while (next < nfakes && fakes[next].closed)
			next++;
	}
	for (unsigned i = 0; i < 160; i++)
		assert_true(told[i].ended && !told[i].dropped && told[i].rcode == RCODE_NOERROR);
	deaths = (unsigned)count(&server->tcp_died_reading);
	assert_true(deaths < 20); /* of 160 connections: the others had one query each */
	assert_int_equal(reasons(&w, REASON_CONNECTION_LOST), 0);
	finish();
}

/* A peer that was restarted after two answers does not mean it: later connections take more again. */
static void learns_upward(void **state)
{
	(void)state;
	begin("");
	ask_many(&w, 0, 3);
	fake_opens(0);
	fake_says(0, 0);
	fake_says(0, 1);
	fake_dies(0, REASON_CONN_RESET);
	fake_opens(1);
	fake_says(1, 0);
	ask_many(&w, 3, 1);
	fake_says(1, 1);
	ask_many(&w, 4, 1); /* 1 has had its two: another for now */
	assert_int_equal(nfakes, 3);
	fake_opens(2);
	fake_says(2, 0);
	pass(&w, 600);
	ask_many(&w, 5, 3);
	assert_int_equal(nfakes, 3);
	assert_int_equal(fakes[1].sent + fakes[2].sent, 6);
	finish();
}

static void refusals(void **state)
{
	(void)state;
	begin("retries=3");
	ask_many(&w, 1, 2);
	fake_opens(0);
	fake_refuses(0, 0, REASON_REPLY_NOT_ANSWER, false); /* the core hears of it, and may ask again */
	assert_int_equal(reasons(&w, REASON_REPLY_NOT_ANSWER), 1);
	assert_true(told[1].ended || fakes[0].sent == 3);
	fakes[0].room = 0;
	fake_refuses(0, 1, REASON_CONN_CLOSED, true); /* GOAWAY: again, on another connection */
	assert_int_equal(nfakes, 2);
	fake_opens(1);
	assert_int_equal(fakes[1].sent, 1);
	if (!told[1].ended)
		fake_says(0, 2);
	assert_true(fakes[0].closed);
	fake_says(1, 0);
	assert_int_equal(ended, 2);
	finish();

	begin("retries=3");
	ask_many(&w, 1, 1);
	for (unsigned i = 0; i < 11; i++) { /* it is no try; but it is not for ever */
		assert_int_equal(nfakes, i + 1);
		fake_opens(i);
		assert_int_equal(fakes[i].sent, 1);
		fake_refuses(i, 0, REASON_REPLY_NOT_ANSWER, true);
		assert_true(fakes[i].closed);
		assert_int_equal(reasons(&w, REASON_REPLY_NOT_ANSWER), 0);
	}
	fake_opens(11);
	fake_refuses(11, 0, REASON_REPLY_NOT_ANSWER, true);
	assert_int_equal(reasons(&w, REASON_REPLY_NOT_ANSWER), 1);
	finish();
}

/* Deadlines are the core's: a query ends wherever it is. */
static void deadlines(void **state)
{
	(void)state;
	begin("tcpRecvTimeout=2");
	ask_many(&w, 1, 1); /* in the queue */
	pass(&w, 2100);
	assert_int_equal(ended, 1);
	finish();

	begin("tcpRecvTimeout=2");
	ask_many(&w, 1, 2);
	fake_opens(0);
	fake_says(0, 1);
	pass(&w, 2100); /* on a connection, raced and moved meanwhile or not */
	assert_int_equal(ended, 2);
	finish();

	begin("tcpRecvTimeout=1");
	ask_many(&w, 1, 1);
	fake_opens(0);
	for (unsigned i = 0; i < 13; i++) { /* answers to others: the connection is well */
		ask_many(&w, 10 + i, 1);
		pass(&w, 80);
		fake_says(0, 1 + i);
	}
	assert_true(told[1].ended);
	assert_int_equal(fakes[0].forgets, 1);
	assert_int_equal(nfakes, 1);
	assert_int_equal(count(&server->tcp_read_timeouts), 1);
	fake_says(0, 0); /* late: it was asked for once */
	assert_int_equal(reasons(&w, REASON_REPLY_UNASKED), 0);
	finish();
}

static void idle(void **state)
{
	struct conf *c = new_conf();

	(void)state;
	begin("");
	ask_many(&w, 1, 1);
	fake_opens(0);
	fake_says(0, 0);
	pass(&w, 15000);
	ask_many(&w, 2, 1);
	fake_says(0, 1);
	pass(&w, 19000);
	assert_false(fakes[0].closed);
	pass(&w, 1100);
	assert_true(fakes[0].closed);
	assert_int_equal(reasons(&w, REASON_CONN_IDLE), 1);
	finish();

	set_number(c, "setTCPDownstreamMaxIdleTime", 0);
	fake_start(&w, c, "");
	ask_many(&w, 1, 2);
	fake_opens(0);
	fake_says(0, 0);
	assert_false(fakes[0].closed);
	fake_says(0, 1);
	assert_true(fakes[0].closed);
	finish();

	c = new_conf();
	set_number(c, "setMaxIdleTCPConnectionsPerDownstream", 1);
	set_number(c, "setMaxCachedTCPConnectionsPerDownstream", 1);
	fake_start(&w, c, "maxInFlight=1");
	ask_many(&w, 1, 3);
	for (unsigned i = 0; i < 3; i++)
		fake_opens(i);
	for (unsigned i = 0; i < 3; i++)
		fake_says(i, 0);
	assert_int_equal(fakes_left(), 1);
	finish();
}

static void kept_warm(void **state)
{
	(void)state;
	begin("keepWarm=120");
	ask_many(&w, 1, 1);
	fake_opens(0);
	fake_says(0, 0);
	pass(&w, 60000);
	assert_false(fakes[0].closed);
	fake_dies(0, REASON_CONN_CLOSED);
	pass(&w, 100);
	assert_int_equal(nfakes, 2); /* opened again though nobody asks */
	fake_opens(1);
	pass(&w, 50000);
	assert_false(fakes[1].closed);
	ask_many(&w, 2, 1);
	fake_says(1, 0);
	pass(&w, 119000);
	assert_false(fakes[1].closed);
	pass(&w, 2000);
	assert_true(fakes[1].closed);
	pass(&w, 60000);
	assert_int_equal(nfakes, 2);
	finish();
}

/* A PROXY header speaks for one client; a transfer has a connection of its own. */
static void alone(void **state)
{
	(void)state;
	begin("useProxyProtocol=true");
	ask_many(&w, 1, 2);
	assert_int_equal(nfakes, 2);
	fake_opens(1);
	fake_opens(0);
	assert_int_equal(fakes[0].sent, 1);
	assert_int_equal(fakes[1].sent, 1);
	assert_true(fakes[0].head > PROXY_HEADER);
	fake_says(0, 0);
	assert_true(fakes[0].closed);
	fake_says(1, 0);
	assert_int_equal(ended, 2);
	finish();

	begin("");
	ask_many(&w, 1, 1);
	fake_opens(0);
	ask(&w, 2, QTYPE_AXFR, true);
	assert_int_equal(nfakes, 2);
	ask_many(&w, 3, 1);
	fake_opens(1);
	assert_int_equal(fakes[0].sent, 2);
	assert_int_equal(fakes[1].sent, 1);
	fake_dies(1, REASON_CONN_RESET); /* nothing of it was delivered: again */
	fake_opens(2);
	fake_says(2, 0);
	assert_true(told[2].ended && !told[2].dropped);
	assert_true(fakes[2].closed);
	fake_says(0, 0);
	fake_says(0, 1);
	finish();
}

static void sends_fail(void **state)
{
	(void)state;
	begin("");
	ask_many(&w, 1, 1);
	fake_send_error = -ENOMEM;
	fake_opens(0);
	assert_int_equal(ended, 0);
	fake_send_error = 0;
	pass(&w, 72); /* the clock tries again */
	assert_int_equal(fakes[0].sent, 1);
	fake_send_error = -EPIPE; /* it takes no more, and nobody has said so yet */
	ask_many(&w, 2, 1);
	fake_send_error = 0;
	assert_int_equal(nfakes, 2);
	fake_opens(1);
	fake_says(1, 0);
	fake_says(0, 0);
	assert_true(fakes[0].closed);
	assert_int_equal(ended, 2);
	finish();
}

static void counted_and_reset(void **state)
{
	(void)state;
	begin("");
	assert_int_equal(w.lane.links, 0);
	ask_many(&w, 1, 1);
	assert_int_equal(w.lane.links, 1);
	fake_opens(0);
	assert_int_equal(back_sessions(), 0);
	back_reconnect(&w.lane, server);
	ask_many(&w, 2, 1);
	assert_int_equal(nfakes, 2);
	assert_int_equal(w.lane.links, 2);
	fake_opens(1);
	fake_says(0, 0); /* what is under way there is still heard */
	assert_true(fakes[0].closed);
	assert_int_equal(w.lane.links, 1);
	fake_says(1, 0);
	assert_int_equal(ended, 2);
	finish();
}

static void no_memory(void **state)
{
	(void)state;
	for (unsigned long n = 1; n < 12; n++) {
		begin("tcpRecvTimeout=2");
		mem_fail_at(n);
		ask_many(&w, 1, 1);
		for (unsigned i = 0; i < 40 && !ended; i++) {
			pass(&w, 64);
			for (unsigned k = 0; k < nfakes; k++)
				if (!fakes[k].closed && !fakes[k].open)
					fake_opens(k);
		}
		mem_fail_at(0);
		assert_int_equal(ended, 1);
		finish();
	}
}

/* ---- every order of close and answer: three queries, each step one of: answer the oldest, answer the youngest, die,
 * refuse, pass time; nothing is lost, nothing ends twice ---- */
static void play(unsigned game)
{
	begin("tcpRecvTimeout=100 retries=60");
	ask_many(&w, 0, 3);
	for (unsigned step = 0; step < 5; step++, game /= 5) {
		unsigned i = nfakes - 1;

		if (!fakes[i].closed && !fakes[i].open)
			fake_opens(i);
		if (fakes[i].closed || fakes[i].sent == 0 || ended == 3)
			break;
		switch (game % 5) {
		case 0:
			fake_says(i, 0);
			break;
		case 1:
			fake_says(i, fakes[i].sent - 1);
			break;
		case 2:
			fake_dies(i, REASON_CONN_RESET);
			break;
		case 3:
			fake_refuses(i, fakes[i].sent - 1, REASON_CONN_CLOSED, true);
			break;
		default:
			pass(&w, 160);
		}
	}
	for (unsigned guard = 0; ended < 3 && guard < 40; guard++) {
		pass(&w, 80);
		for (unsigned i = 0; i < nfakes; i++) {
			if (!fakes[i].closed && !fakes[i].open)
				fake_opens(i);
			for (unsigned n = 0; n < fakes[i].sent && !fakes[i].closed; n++)
				fake_says(i, n);
		}
	}
	assert_int_equal(ended, 3);
	for (unsigned i = 0; i < 3; i++)
		assert_true(told[i].rcode == RCODE_NOERROR && !told[i].dropped);
	finish();
}

static void every_order(void **state)
{
	(void)state;
	for (unsigned game = 0; game < 5 * 5 * 5 * 5 * 5; game += 3)
		play(game);
}

int test_transport(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(one_connection), cmocka_unit_test(kinds),
		cmocka_unit_test(forwarded), cmocka_unit_test(wrong_replies), cmocka_unit_test(queue_full),
		cmocka_unit_test(more_connections), cmocka_unit_test(most_connections), cmocka_unit_test(ids_used_up),
		cmocka_unit_test(tries), cmocka_unit_test(first_retry_at_once), cmocka_unit_test(closes_after_answer),
		cmocka_unit_test(learns_upward), cmocka_unit_test(refusals), cmocka_unit_test(deadlines),
		cmocka_unit_test(idle), cmocka_unit_test(kept_warm), cmocka_unit_test(alone),
		cmocka_unit_test(sends_fail), cmocka_unit_test(counted_and_reset), cmocka_unit_test(no_memory),
		cmocka_unit_test(every_order)};

	return cmocka_run_group_tests_name("transport", tests, NULL, NULL);
}
