/* test_transport_rest.c: what a transport does with connections that are left at rest or in doubt: queries that leave
 * early, replies that fit nothing, no idle connections wanted, silence noticed in time. */
#include "fake_up.h"

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

int test_transport_rest(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(doh_says_wrong), cmocka_unit_test(forgotten),
		cmocka_unit_test(warm_without_idle), cmocka_unit_test(deaf_in_time)};

	return cmocka_run_group_tests_name("transport_rest", tests, NULL, NULL);
}
