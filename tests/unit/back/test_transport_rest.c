/* test_transport_rest.c: what a transport does with connections that are left at rest or in doubt: queries that leave
 * early, replies that fit nothing, no idle connections wanted, silence noticed in time, nothing to be done for now. */
#include "fake_up.h"
#include "transport.h"

int test_transport_rest(void);

static struct world w;

static void begin(struct conf *c, const char *options)
{
	fake_start(&w, c, options);
}

static void finish(void)
{
	stop(&w);
	assert_int_equal(fakes_left(), 0);
}

/* A request over HTTP has one response: where that is the answer to something else, nothing more will come. */
static void doh_says_wrong(void **state)
{
	(void)state;
	begin(new_conf(), "tls=openssl dohPath=/dns-query");
	ask_many(&w, 1, 2);
	fake_opens(0);
	fakes[0].msg[0][DNS_HEADER + 1] ^= 1;
	fake_says(0, 0);
	assert_int_equal(ended, 1);
	assert_int_equal(told[1].rcode, RCODE_SERVFAIL);
	assert_int_equal(reasons(&w, REASON_REPLY_QUESTION), 1);
	fake_says(0, 1);
	assert_int_equal(ended, 2);
	finish();

	begin(new_conf(), ""); /* over TCP the right one may follow */
	ask_many(&w, 1, 1);
	fake_opens(0);
	fakes[0].msg[0][DNS_HEADER + 1] ^= 1;
	fake_says(0, 0);
	assert_int_equal(ended, 0);
	fakes[0].msg[0][DNS_HEADER + 1] ^= 1;
	fake_says(0, 0);
	assert_int_equal(ended, 1);
	finish();
}

static void ignore(struct client *c, const uint8_t *msg, size_t len)
{
	(void)c;
	(void)msg;
	(void)len;
}

static void ignore_drop(struct client *c, enum reason why)
{
	(void)c;
	(void)why;
}

/* A query that another backend answered first says nothing against the connection it was out on. */
static void forgotten(void **state)
{
	static const struct client_ops ops = {ignore, ignore_drop, ignore, NULL};
	struct client c = {.ops = &ops, .stream = true, .proto = PROTO_TCP};
	uint8_t msg[512];
	size_t len = make_query(msg, 1, "www.example", QTYPE_A);
	struct query *relay;

	(void)state;
	begin(new_conf(), "");
	relay = query_relay(&w.lane.core, &c, server, true, msg, len);
	assert_non_null(relay);
	fake_opens(0);
	pass(&w, 80);
	query_forget(relay);
	assert_false(fakes[0].closed);
	assert_int_equal(count(&server->tcp_read_timeouts), 0);
	fake_says(0, 0); /* late */
	assert_int_equal(reasons(&w, REASON_REPLY_UNASKED), 0);
	ask_many(&w, 1, 1);
	fake_says(0, 1);
	assert_int_equal(ended, 1);
	assert_int_equal(nfakes, 1);
	finish();
}

static void warm_without_idle(void **state)
{
	struct conf *c = new_conf();

	(void)state;
	c->set.tcp_idle_backend = 0;
	begin(c, "keepWarm=60");
	ask_many(&w, 1, 1);
	fake_opens(0);
	fake_says(0, 0);
	pass(&w, 20000);
	assert_int_equal(nfakes, 1);
	assert_false(fakes[0].closed);
	pass(&w, 50000);
	assert_true(fakes[0].closed);
	assert_int_equal(nfakes, 1);
	finish();
}

/* Silence is noticed when it is too long, not at the next of a few looks a second. */
static void deaf_in_time(void **state)
{
	(void)state;
	begin(new_conf(), "");
	ask_many(&w, 1, 1);
	fake_opens(0);
	fake_says(0, 0);
	ask_many(&w, 2, 1);
	fakes[0].silent = 165;
	pass(&w, 72);
	assert_int_equal(nfakes, 1);
	fakes[0].silent = 181;
	pass(&w, 24);
	assert_int_equal(nfakes, 2);
	fake_opens(1);
	fake_says(1, 0);
	assert_int_equal(ended, 2);
	finish();
}

/* A connection that takes no more queries (GOAWAY): idle it goes at once, and keepWarm opens another; else it stays until
 * the last answer. */
static void goes_away(void **state)
{
	struct conf *c = new_conf();
	struct server *second = make_up("192.0.2.9:853", "tcpOnly=true order=2");

	(void)state;
	begin(new_conf(), "keepWarm=60");
	ask_many(&w, 1, 1);
	fake_opens(0);
	fake_says(0, 0);
	fakes[0].room = 0;
	fakes[0].up.events->ended(&fakes[0].up);
	assert_true(fakes[0].closed);
	pass(&w, 208);
	assert_int_equal(nfakes, 2);
	fake_opens(1);
	ask_many(&w, 2, 2);
	fakes[1].room = 0;
	fakes[1].up.events->ended(&fakes[1].up);
	assert_false(fakes[1].closed);
	fake_says(1, 0);
	fake_says(1, 1);
	assert_true(fakes[1].closed);
	finish();

	assert_int_equal(conf_add_server(c, server_ref(second)), 0); /* and its listener is gone: another backend is there */
	begin(c, "");
	fake_way(&w, second);
	ask_many(&w, 1, 2);
	fake_opens(0);
	fakes[0].room = 0;
	fakes[0].up.events->ended(&fakes[0].up);
	ask_many(&w, 3, 1);
	for (unsigned i = 1; i < nfakes && i < 10; i++)
		if (fakes[i].up.to.ip[3] == 9)
			fake_opens(i);
		else
			fake_dies(i, REASON_CONNECT_FAILED);
	for (unsigned i = 1; i < nfakes; i++)
		if (fakes[i].open && fakes[i].sent)
			fake_says(i, 0);
	assert_int_equal(ended, 1);
	assert_int_equal(told[3].rcode, RCODE_NOERROR);
	finish();
	server_free(&second);
}

/* What a transport gives back may tidy up: it is not unused. */
static void tidied_meanwhile(void **state)
{
	struct conf *c = new_conf();
	struct server *second = make_up("192.0.2.9:853", "tcpOnly=true order=2");

	(void)state;
	assert_int_equal(conf_add_server(c, server_ref(second)), 0);
	begin(c, "retries=1 tcpRecvTimeout=1000");
	fake_way(&w, second);
	server_suspect(second, true);
	ask_many(&w, 1, 2);
	server_suspect(second, false);
	fake_opens(0);
	for (unsigned i = 0; i < 620; i++) { /* more than five minutes */
		fakes[0].up.heard_ms = fake_now();
		pass(&w, 496);
	}
	fake_dies(0, REASON_CONN_RESET);
	for (unsigned i = 0; i < 10; i++) {
		pass(&w, 96);
		for (unsigned k = 1; k < nfakes; k++) {
			if (!fakes[k].closed && !fakes[k].open)
				fake_opens(k);
			for (unsigned n = 0; n < fakes[k].sent && !fakes[k].closed; n++)
				fake_says(k, n);
		}
	}
	assert_int_equal(ended, 2);
	finish();
	server_free(&second);
}

/* looks counts how often the clock wakes the transport in a second. */
static unsigned looks(void)
{
	struct transport *t = transport_of(*back_slot(&w.lane, server, true));
	unsigned n = 0;

	for (unsigned ms = 0; ms < 1000; ms += 8) {
		uint64_t at_ms = t->clock.at_ms;

		pass(&w, 8);
		n += t->clock.at_ms != at_ms;
	}
	return n;
}

/* Where no attempt can begin it is not asked again and again. */
static void patient(void **state)
{
	struct conf *c = new_conf();

	(void)state;
	fakes_forget(&w);
	server = make_up("dns.example:853", "tcpOnly=true"); /* no address yet, nor later */
	assert_int_equal(conf_add_server(c, server_ref(server)), 0);
	world_start(&w, c);
	loop_set_time(&w.lane.loop, w.lane.loop.now_us + 10000000);
	core_set_time(&w.lane.core, w.lane.loop.now_us, w.lane.loop.wall_ms);
	fake_way(&w, server);
	ask_quietly(&w, 1);
	pass(&w, 80);
	assert_in_range(looks(), 5, 20);
	pass(&w, 11000); /* the query has ended, the search goes on */
	assert_true(suspect_now(server));
	assert_true(looks() < 8);
	finish();

	begin(new_conf(), "maxConcurrentTCPConnections=1 maxInFlight=1");
	ask_many(&w, 1, 2);
	fake_opens(0);
	fakes[0].up.heard_ms = fake_now();
	assert_in_range(looks(), 5, 20);
	finish();
}

/* What was before a new address says nothing about it. */
static void new_address(void **state)
{
	const struct transport *t;

	(void)state;
	begin(new_conf(), "");
	fake_errors[0] = -ECONNREFUSED;
	ask_many(&w, 1, 1);
	pass(&w, 1000);
	fake_errors[0] = 0;
	t = transport_of(*back_slot(&w.lane, server, true));
	assert_true(t->trouble_ms != 0);
	assert_true(t->trouble_ms < fake_now());
	back_reconnect(&w.lane, server);
	assert_true(t->trouble_ms == 0 || t->trouble_ms == fake_now());
	finish();
}

int test_transport_rest(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(doh_says_wrong), cmocka_unit_test(forgotten),
		cmocka_unit_test(warm_without_idle), cmocka_unit_test(deaf_in_time),
		cmocka_unit_test(goes_away), cmocka_unit_test(tidied_meanwhile), cmocka_unit_test(patient),
		cmocka_unit_test(new_address)};

	return cmocka_run_group_tests_name("transport_rest", tests, NULL, NULL);
}
