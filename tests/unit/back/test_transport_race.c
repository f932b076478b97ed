/* test_transport_race.c: the forwarder that does not get stuck: silent connections, dead paths, addresses that come and
 * go, on fake connections and a clock set by hand. */
#include "fake_up.h"

int test_transport_race(void);

static struct world w;
static struct server *second; /* of the same pool, where there is one */

static void begin(const char *options)
{
	fake_start(&w, new_conf(), options);
}

static void begin_two(const char *options)
{
	second = fake_start_two(&w, options);
}

/* A server with a name; |n| addresses 192.0.2.1, 192.0.2.2 … */
static void give_addresses(unsigned n)
{
	struct addr a[SERVER_ADDRS];

	for (unsigned i = 0; i < n; i++) {
		char text[32];

		snprintf(text, sizeof(text), "192.0.2.%u", i + 1);
		assert_int_equal(addr_parse(&a[i], text, 853), 0);
	}
	server_set_addrs(server, a, n);
}

static void begin_named(unsigned n)
{
	struct conf *c = new_conf();

	memset(told, 0, sizeof(told));
	ended = 0;
	fakes_forget(&w);
	server = make_up("dns.example:853", "tcpOnly=true");
	assert_int_equal(conf_add_server(c, server_ref(server)), 0);
	world_start(&w, c);
	loop_set_time(&w.lane.loop, w.lane.loop.now_us + 10000000);
	core_set_time(&w.lane.core, w.lane.loop.now_us, w.lane.loop.wall_ms);
	fake_way(&w, server);
	if (n)
		give_addresses(n);
}

static void finish(void)
{
	stop(&w);
	assert_int_equal(fakes_left(), 0);
	if (second)
		server_free(&second);
}

static unsigned host(unsigned i)
{
	return fakes[i].up.to.ip[3];
}

/* answers_all: every connection that is there opens and answers what it was sent. */
static void answers_all(void)
{
	for (unsigned i = 0; i < nfakes; i++) {
		if (!fakes[i].closed && !fakes[i].open)
			fake_opens(i);
		for (unsigned n = 0; n < fakes[i].sent && !fakes[i].closed; n++)
			fake_says(i, n);
	}
}

static void begin_silent(unsigned queries)
{
	begin("");
	ask_many(&w, 100, 1);
	pass(&w, 40);
	fake_opens(0);
	pass(&w, 24);
	fake_says(0, 0);
	ask_many(&w, 0, queries);
}

/* An acknowledgement is owed: knock, race, and whoever opens first gets the queries. */
static void deaf(void **state)
{
	(void)state;
	begin_silent(5);
	pass(&w, 80);
	fakes[0].silent = 150;
	pass(&w, 80);
	assert_int_equal(nfakes, 1); /* not yet */
	fakes[0].silent = 260;
	pass(&w, 80);
	assert_int_equal(fakes[0].knocks, 1);
	assert_int_equal(nfakes, 2);
	assert_false(suspect_now(server));
	fake_opens(1);
	assert_int_equal(fakes[1].sent, 5);
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(fakes[0].forgets, i);
		assert_false(fakes[0].closed); /* until the new one has delivered all */
		fake_says(1, i);
	}
	assert_true(fakes[0].closed);
	assert_int_equal(ended, 6);
	finish();
}

static void old_one_is_faster(void **state)
{
	(void)state;
	begin_silent(2);
	fakes[0].silent = 300;
	pass(&w, 80);
	assert_int_equal(nfakes, 2);
	fakes[0].silent = 0;
	fake_says(0, 1);
	assert_true(fakes[1].closed);
	fake_says(0, 2);
	assert_int_equal(ended, 3);
	ask_many(&w, 50, 1);
	assert_int_equal(fakes[0].sent, 4);
	assert_int_equal(nfakes, 2);
	finish();

	begin_silent(2); /* moved, and yet it answers first */
	fakes[0].silent = 300;
	pass(&w, 80);
	fake_opens(1);
	fake_says(0, 1);
	assert_int_equal(ended, 2);
	fake_says(1, 0);
	assert_int_equal(reasons(&w, REASON_REPLY_UNASKED), 0);
	fake_says(1, 1);
	assert_int_equal(ended, 3);
	finish();
}

/* What arrives is a sign of life even if it is no reply (a PING's answer). */
static void heard_again(void **state)
{
	(void)state;
	begin_silent(1);
	pass(&w, 1080);
	assert_int_equal(fakes[0].knocks, 1); /* mute: the kernel acknowledged */
	assert_int_equal(nfakes, 2);
	pass(&w, 16);
	fakes[0].up.heard_ms = fake_now();
	pass(&w, 80);
	assert_true(fakes[1].closed);
	fake_says(0, 1);
	assert_int_equal(ended, 2);
	finish();
}

/* A stopped process: its kernel accepts and acknowledges; only a reply makes the server well again. */
static void mute(void **state)
{
	(void)state;
	begin_two("");
	ask_many(&w, 1, 1);
	fake_opens(0);
	pass(&w, 1080);
	assert_int_equal(nfakes, 2);
	assert_int_equal(fakes[0].knocks, 1);
	fake_opens(1);
	assert_int_equal(fakes[1].sent, 1);
	pass(&w, 1500);
	assert_int_equal(nfakes, 2); /* the next time it takes twice as long */
	pass(&w, 600);
	assert_true(nfakes >= 3);
	pass(&w, 800); /* nothing opens: the other server gets it */
	assert_true(suspect_now(server));
	for (unsigned i = 2; i < nfakes; i++)
		if (!fakes[i].closed && host(i) == 9) {
			fake_opens(i);
			fake_says(i, 0);
		}
	assert_true(told[1].ended && told[1].rcode == RCODE_NOERROR);
	for (unsigned i = 2; i < nfakes; i++)
		if (!fakes[i].closed && !fakes[i].open && host(i) == 1) {
			fake_opens(i);
			break;
		}
	assert_true(suspect_now(server)); /* a connection alone proves nothing */
	finish();
}

/* A dead path: an attempt every 150 to 200 ms, at most six at once, the first has its time; then all is found. */
static void hunting(void **state)
{
	uint64_t was = 0;

	(void)state;
	begin("tcpRecvTimeout=60 tcpConnectTimeout=4");
	ask_many(&w, 1, 3);
	for (unsigned ms = 0; ms < 3900; ms += 8) {
		unsigned before = nfakes;

		pass(&w, 8);
		assert_true(nfakes <= before + 1);
		if (nfakes > before) {
			assert_true(was == 0 || (fake_now() - was >= 150 && fake_now() - was <= 208));
			was = fake_now();
		}
		assert_true(fakes_left() <= 6);
	}
	assert_true(nfakes >= 20);
	assert_false(fakes[0].closed);
	assert_true(fakes[1].closed);
	assert_true(suspect_now(server));
	assert_int_equal(ended, 0);
	pass(&w, 200);
	assert_true(fakes[0].closed); /* tcpConnectTimeout */
	assert_true(count(&server->tcp_connect_timeouts) == 1);
	was = nfakes;
	pass(&w, 208);
	assert_int_equal(nfakes, was + 1); /* the path is back: within so long somebody knocks there */
	fake_opens(nfakes - 1);
	assert_int_equal(fakes_left(), 1);
	assert_int_equal(fakes[nfakes - 1].sent, 3);
	assert_false(suspect_now(server));
	answers_all();
	assert_int_equal(ended, 3);
	finish();
}

/* Nobody asks any more: the search goes on more slowly, for a minute; the mark goes with it. */
static void search_ends(void **state)
{
	unsigned n;

	(void)state;
	begin("tcpRecvTimeout=1");
	ask_many(&w, 1, 1);
	pass(&w, 1100);
	assert_int_equal(ended, 1);
	assert_true(suspect_now(server));
	pass(&w, 3000);
	n = nfakes;
	pass(&w, 20000);
	assert_in_range(nfakes - n, 8, 16);
	assert_true(suspect_now(server));
	pass(&w, 40000);
	assert_false(suspect_now(server));
	n = nfakes;
	pass(&w, 20000);
	assert_int_equal(nfakes, n);
	finish();
}

static void addresses(void **state)
{
	(void)state;
	begin_named(3);
	fake_errors[2] = -ECONNREFUSED;
	ask_many(&w, 1, 1);
	assert_int_equal(nfakes, 1);
	assert_int_equal(host(0), 1);
	fake_dies(0, REASON_CONNECT_FAILED); /* refused: the next one at once, and the one after it */
	assert_int_equal(nfakes, 2);
	assert_int_equal(host(1), 3);
	pass(&w, 208); /* it does not answer: the others have their turn */
	assert_int_equal(nfakes, 3);
	assert_int_equal(host(2), 1);
	fake_opens(1);
	assert_true(fakes[2].closed);
	answers_all();
	assert_int_equal(ended, 1);
	fake_dies(1, REASON_CONN_CLOSED);
	ask_many(&w, 2, 1);
	assert_int_equal(nfakes, 4);
	assert_int_equal(host(3), 3); /* what worked is tried first */
	fake_opens(3);
	answers_all();
	finish();
}

/* One address is not asked more often than every 150 ms, however it fails. */
static void refused(void **state)
{
	unsigned n = 0;

	(void)state;
	begin("tcpRecvTimeout=5");
	ask_many(&w, 1, 2);
	for (unsigned ms = 0; ms < 2000; ms += 8) {
		for (; n < nfakes; n++)
			fake_dies(n, REASON_CONNECT_FAILED);
		pass(&w, 8);
	}
	assert_in_range(nfakes, 9, 14);
	assert_int_equal(ended, 0); /* it may be starting */
	assert_true(suspect_now(server));
	pass(&w, 208);
	fake_opens(nfakes - 1);
	answers_all();
	assert_int_equal(ended, 2);
	assert_false(suspect_now(server));
	finish();
}

/* Killed: its queries are with the other backend at once. */
static void killed(void **state)
{
	(void)state;
	begin_two("");
	ask_many(&w, 1, 1);
	assert_int_equal(host(0), 1);
	fake_opens(0);
	fake_dies(0, REASON_CONN_RESET);
	assert_int_equal(nfakes, 2);
	fake_dies(1, REASON_CONNECT_FAILED);
	assert_int_equal(host(2), 9);
	assert_true(suspect_now(server));
	fake_opens(2);
	ask_many(&w, 2, 5);
	assert_int_equal(fakes[2].sent, 6);
	answers_all();
	assert_int_equal(ended, 6);
	for (unsigned i = 1; i < 7; i++)
		assert_int_equal(told[i].rcode, RCODE_NOERROR);
	finish();
}

/* One of two is blackholed: what waits moves within 600 ms, later queries do not even begin there. */
static void blackholed(void **state)
{
	(void)state;
	begin_two("");
	ask_many(&w, 0, 2);
	fake_opens(0);
	if (nfakes > 1)
		fake_opens(1);
	answers_all();
	ask_many(&w, 2, 1);
	for (unsigned ms = 0; ms < 600; ms += 8) {
		pass(&w, 8);
		fakes[0].silent += 8;
		for (unsigned i = 1; i < nfakes; i++)
			if (!fakes[i].closed && host(i) == 9) {
				if (!fakes[i].open)
					fake_opens(i);
				for (unsigned n = 0; n < fakes[i].sent; n++)
					fake_says(i, n);
			}
	}
	assert_true(told[2].ended && told[2].rcode == RCODE_NOERROR);
	assert_true(suspect_now(server));
	ask_many(&w, 3, 20);
	for (unsigned i = 1; i < nfakes; i++)
		if (!fakes[i].closed && fakes[i].open && host(i) == 9)
			for (unsigned n = 0; n < fakes[i].sent; n++)
				fake_says(i, n);
	assert_int_equal(ended, 23);
	finish();
}

/* Both are: queries stay until their deadline, and whoever comes back first gets them. */
static void both_blackholed(void **state)
{
	(void)state;
	begin_two("tcpRecvTimeout=5");
	ask_many(&w, 0, 10);
	pass(&w, 4000);
	assert_int_equal(ended, 0);
	assert_true(suspect_now(server) && suspect_now(second));
	ask_many(&w, 10, 10);
	pass(&w, 208);
	for (unsigned i = nfakes; i-- > 0;)
		if (!fakes[i].closed && host(i) == 9) {
			fake_opens(i);
			break;
		}
	for (unsigned ms = 0; ms < 80; ms += 8) { /* what waits for the other hears of it */
		pass(&w, 8);
		for (unsigned i = 0; i < nfakes; i++)
			for (unsigned n = 0; n < fakes[i].sent && !fakes[i].closed; n++)
				fake_says(i, n);
	}
	assert_int_equal(ended, 20);
	for (unsigned i = 0; i < 20; i++)
		assert_true(told[i].rcode == RCODE_NOERROR && !told[i].dropped);
	finish();
}

static void no_route(void **state)
{
	(void)state;
	begin("");
	fake_errors[0] = -ENETUNREACH;
	ask_many(&w, 1, 1);
	assert_int_equal(ended, 1); /* at once, not silence */
	assert_int_equal(told[1].rcode, RCODE_SERVFAIL);
	assert_true(reasons(&w, REASON_NO_ROUTE) > 0);
	pass(&w, 80);
	assert_true(suspect_now(server));
	ask_many(&w, 2, 1);
	assert_int_equal(ended, 2);
	fake_errors[0] = 0;
	pass(&w, 208);
	assert_int_equal(nfakes, 1); /* found though nobody asked again */
	fake_opens(0);
	assert_false(suspect_now(server));
	ask_many(&w, 3, 1);
	fake_says(0, 0);
	assert_int_equal(told[3].rcode, RCODE_NOERROR);

	ask_many(&w, 4, 1); /* the route goes while a query is out */
	fakes[0].silent = 300;
	fake_errors[0] = -ENETUNREACH;
	pass(&w, 80);
	assert_true(told[4].ended && told[4].rcode == RCODE_SERVFAIL);
	finish();
}

/* Its name has no address yet: the query waits for one, not longer than its deadline. */
static void unresolved(void **state)
{
	(void)state;
	begin_named(0);
	ask_many(&w, 1, 2);
	assert_int_equal(ended, 0);
	pass(&w, 1000);
	assert_int_equal(nfakes, 0);
	give_addresses(2);
	pass(&w, 72);
	assert_int_equal(nfakes, 1);
	fake_opens(0);
	answers_all();
	assert_int_equal(ended, 2);
	finish();
}

static void bad_certificate(void **state)
{
	unsigned n;

	(void)state;
	begin("tls=openssl");
	ask_many(&w, 1, 1);
	fake_dies(0, REASON_BACKEND_CERTIFICATE);
	assert_true(reasons(&w, REASON_BACKEND_CERTIFICATE) >= 2); /* the connection's, and the query's */
	for (unsigned ms = 0; ms < 3000; ms += 8) {
		pass(&w, 8);
		for (unsigned i = 1; i < nfakes; i++)
			if (!fakes[i].closed)
				fake_dies(i, REASON_BACKEND_CERTIFICATE);
	}
	assert_int_equal(told[1].rcode, RCODE_SERVFAIL);
	n = nfakes;
	assert_true(n < 9); /* handshakes are dear */
	finish();
}

/* The only connection allowed is silent: it makes room. */
static void replaced(void **state)
{
	(void)state;
	begin("maxConcurrentTCPConnections=1");
	ask_many(&w, 1, 2);
	fake_opens(0);
	fakes[0].silent = 300;
	pass(&w, 400);
	assert_true(fakes[0].closed);
	assert_int_equal(nfakes, 2);
	assert_int_equal(fakes_left(), 1);
	fake_opens(1);
	answers_all();
	assert_int_equal(ended, 2);
	finish();

	begin("useProxyProtocol=true"); /* those of one query, too */
	ask_many(&w, 1, 1);
	fake_opens(0);
	fakes[0].silent = 300;
	pass(&w, 80);
	assert_true(fakes[0].closed);
	assert_int_equal(nfakes, 2);
	fake_opens(1);
	answers_all();
	assert_int_equal(ended, 1);
	finish();
}

/* Nothing at all for so long as an idle connection lives: it goes, the queries go again. */
static void silent_for_long(void **state)
{
	struct conf *c = new_conf();

	(void)state;
	set_number(c, "setTCPDownstreamMaxIdleTime", 3);
	fake_start(&w, c, "");
	ask_many(&w, 1, 1);
	fake_opens(0);
	for (unsigned i = 0; i < 5; i++) {
		pass(&w, 640);
		if (nfakes == 2 && !fakes[1].closed && fakes[1].open == false)
			fake_dies(1, REASON_CONNECT_FAILED);
	}
	assert_true(fakes[0].closed);
	pass(&w, 208);
	answers_all();
	assert_true(told[1].ended && told[1].rcode == RCODE_NOERROR);
	finish();
}

static void network_changes(void **state)
{
	struct addr have[2];

	(void)state;
	assert_int_equal(addr_parse(&have[0], "192.0.2.77", 0), 0);
	assert_int_equal(addr_parse(&have[1], "192.0.2.78", 0), 0);
	begin("");
	ask_many(&w, 1, 3);
	fake_opens(0); /* from 192.0.2.77 */
	back_network_changed(&w.lane, &have[1], 1); /* which is gone */
	assert_true(fakes[0].closed);
	assert_int_equal(reasons(&w, REASON_CONN_ADDRESS), 1);
	assert_int_equal(nfakes, 2);
	fake_opens(1);
	assert_int_equal(fakes[1].sent, 3);
	back_network_changed(&w.lane, have, 2); /* something else changed: better be sure */
	assert_false(fakes[1].closed);
	assert_int_equal(fakes[1].knocks, 1);
	assert_int_equal(nfakes, 3);
	answers_all();
	assert_int_equal(ended, 3);
	assert_int_equal(fakes_left(), 1);
	for (unsigned i = 0; i < nfakes; i++)
		fakes[i].knocks = 0;
	back_network_changed(&w.lane, have, 2); /* nobody waits: the next query races */
	assert_int_equal(nfakes, 3);
	ask_many(&w, 4, 1);
	assert_int_equal(nfakes, 4);
	answers_all();
	assert_int_equal(ended, 4);
	finish();
}

/* Paths slower than the hunt are found too: the first attempt has its whole time. */
static void slow_path(void **state)
{
	(void)state;
	begin("");
	ask_many(&w, 1, 1);
	pass(&w, 2400);
	assert_false(fakes[0].closed);
	fake_opens(0);
	assert_int_equal(fakes_left(), 1);
	pass(&w, 800); /* and its slowness is no silence */
	fakes[0].silent = 500;
	pass(&w, 80);
	assert_int_equal(fakes[0].knocks, 0);
	fake_says(0, 0);
	assert_int_equal(ended, 1);
	finish();
}

int test_transport_race(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(deaf), cmocka_unit_test(old_one_is_faster),
		cmocka_unit_test(heard_again), cmocka_unit_test(mute), cmocka_unit_test(hunting),
		cmocka_unit_test(search_ends), cmocka_unit_test(addresses), cmocka_unit_test(refused),
		cmocka_unit_test(killed), cmocka_unit_test(blackholed), cmocka_unit_test(both_blackholed),
		cmocka_unit_test(no_route), cmocka_unit_test(unresolved), cmocka_unit_test(bad_certificate),
		cmocka_unit_test(replaced), cmocka_unit_test(silent_for_long), cmocka_unit_test(network_changes),
		cmocka_unit_test(slow_path)};

	return cmocka_run_group_tests_name("transport_race", tests, NULL, NULL);
}
