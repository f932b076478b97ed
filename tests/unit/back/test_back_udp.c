/* test_back_udp.c: queries over UDP: sockets, ids, replies that nobody asked for, new sockets, losses. */
#include "back_help.h"

int test_back_udp(void);

static struct world w;
static int remote; /* the server's socket */

static void begin(struct conf *c, const char *options)
{
	remote = other_udp();
	start_with(&w, c, port_of(remote), options);
}

static void finish(void)
{
	stop(&w);
	close(remote);
}

/* heard takes the next query off the server's socket. */
static size_t heard(uint8_t *msg, struct sockaddr_in *from)
{
	socklen_t len = sizeof(*from);
	ssize_t n;

	UNTIL(&w, is_readable(remote));
	n = recvfrom(remote, msg, DNS_MAX, 0, (struct sockaddr *)from, &len);
	assert_true(n > 0);
	return (size_t)n;
}

static void says(const uint8_t *msg, size_t len, const struct sockaddr_in *to)
{
	assert_int_equal(sendto(remote, msg, len, 0, (const struct sockaddr *)to, sizeof(*to)), len);
}

static void answers(void **state)
{
	static uint8_t msg[DNS_MAX];
	struct sockaddr_in from;
	size_t len;

	(void)state;
	begin(new_conf(), "");
	ask(&w, 1, QTYPE_A, false);
	assert_int_equal(atomic_load(&server->outstanding), 1);
	len = heard(msg, &from);
	make_reply(msg);
	says(msg, len, &from);
	UNTIL(&w, ended == 1);
	assert_int_equal(told[1].rcode, RCODE_NOERROR);
	assert_int_equal(count(&server->responses), 1);
	says(msg, len, &from); /* once more: nobody waits now */
	UNTIL(&w, reasons(&w, REASON_REPLY_UNASKED) == 1);
	assert_int_equal(count(&server->noncompliant), 1);
	finish();
}

/* Of 400 queries each of four sockets carries some, at random; ids are no series. */
static void spread(bool random_sockets, unsigned per_port[4])
{
	static uint8_t msg[DNS_MAX];
	struct conf *c = new_conf();
	uint16_t port[4] = {0};

	set_switch(c, "setRandomizedOutgoingSockets", random_sockets);
	begin(c, "sockets=4");
	memset(per_port, 0, 4 * sizeof(per_port[0]));
	for (uint16_t i = 0; i < 400; i++) {
		struct sockaddr_in from;
		unsigned k = 0;
		size_t len;

		ask(&w, i, QTYPE_A, false);
		len = heard(msg, &from);
		while (k < 4 && port[k] && port[k] != ntohs(from.sin_port))
			k++;
		assert_true(k < 4);
		port[k] = ntohs(from.sin_port);
		per_port[k]++;
		if (!random_sockets)
			assert_int_equal(k, i % 4);
		make_reply(msg);
		says(msg, len, &from);
		UNTIL(&w, ended == i + 1u);
	}
	finish();
}

static void sockets(void **state)
{
	unsigned per_port[4];

	(void)state;
	spread(true, per_port);
	for (int i = 0; i < 4; i++)
		assert_in_range(per_port[i], 60, 140); /* 100, 4.6 deviations wide */
	assert_false(per_port[0] == 100 && per_port[1] == 100 && per_port[2] == 100);
	spread(false, per_port);
	for (int i = 0; i < 4; i++)
		assert_int_equal(per_port[i], 100);
}

static void ids(void **state)
{
	static uint8_t msg[DNS_MAX];
	struct sockaddr_in from;

	(void)state;
	for (int random = 0; random < 2; random++) {
		struct conf *c = new_conf();
		unsigned series = 0;

		set_switch(c, "setRandomizedIdsOverUDP", random);
		begin(c, "");
		for (uint16_t i = 0; i < 50; i++) {
			ask(&w, i, QTYPE_A, false);
			heard(msg, &from);
			series += dns_id(msg) == i;
		}
		if (random)
			assert_true(series < 5);
		else
			assert_int_equal(series, 50);
		finish();
	}
}

/* Replies with another id, another question, from another address, too short, too long: not taken; the right one is. */
static void wrong_replies(void **state)
{
	static uint8_t msg[DNS_MAX], bad[DNS_MAX];
	struct sockaddr_in from;
	size_t len;
	int stranger = other_udp();

	(void)state;
	begin(new_conf(), "");
	ask(&w, 1, QTYPE_A, false);
	len = heard(msg, &from);
	make_reply(msg);
	assert_int_equal(sendto(stranger, msg, len, 0, (struct sockaddr *)&from, sizeof(from)), len);
	memcpy(bad, msg, len);
	put16(bad, dns_id(msg) ^ 1);
	says(bad, len, &from);
	UNTIL(&w, reasons(&w, REASON_REPLY_UNASKED) == 1);
	memcpy(bad, msg, len);
	bad[DNS_HEADER + 1] ^= 2;
	says(bad, len, &from);
	UNTIL(&w, reasons(&w, REASON_REPLY_QUESTION) == 1);
	says(msg, 11, &from);
	UNTIL(&w, reasons(&w, REASON_REPLY_SHORT) == 1);
	memcpy(bad, msg, len);
	says(bad, DGRAM_MAX + 1, &from);
	UNTIL(&w, reasons(&w, REASON_REPLY_TOO_LARGE) == 1);
	assert_int_equal(ended, 0);
	assert_int_equal(count(&server->noncompliant), 3);
	says(msg, len, &from);
	UNTIL(&w, ended == 1);
	assert_int_equal(told[1].rcode, RCODE_NOERROR);
	/* the stranger was not heard at all */
	assert_int_equal(reasons(&w, REASON_REPLY_UNASKED), 1);
	close(stranger);
	finish();
}

static void new_sockets(void **state)
{
	static uint8_t msg[DNS_MAX];
	struct sockaddr_in first, second;
	size_t len;

	(void)state;
	begin(new_conf(), "");
	back_reconnect(&w.lane, server); /* no way to it yet */
	ask(&w, 1, QTYPE_A, false);
	len = heard(msg, &first);
	back_reconnect(&w.lane, server);
	ask(&w, 2, QTYPE_A, false);
	len = heard(msg, &second);
	assert_int_not_equal(first.sin_port, second.sin_port);
	make_reply(msg);
	says(msg, len, &second);
	UNTIL(&w, ended == 1 && told[2].ended);
	world_pass(&w, 3000); /* the reply to the other has no way in; it ends in time */
	assert_true(told[1].dropped);
	finish();
}

static void most_in_flight(void **state)
{
	struct conf *c = new_conf();

	(void)state;
	set_number(c, "setMaxUDPOutstanding", 3);
	begin(c, "");
	for (uint16_t i = 0; i < 4; i++)
		ask(&w, i, QTYPE_A, false);
	assert_true(told[3].dropped);
	assert_int_equal(reasons(&w, REASON_IDS_EXHAUSTED), 3); /* tried three times */
	assert_int_equal(ended, 1);
	finish();
	begin(new_conf(), "maxUDPOutstanding=1");
	ask(&w, 0, QTYPE_A, false);
	ask(&w, 1, QTYPE_A, false);
	assert_true(told[1].dropped && !told[0].ended);
	finish();
}

static void proxy_header(void **state)
{
	static uint8_t msg[DNS_MAX];
	struct sockaddr_in from;
	struct proxy x;
	ssize_t n;
	size_t len;

	(void)state;
	begin(new_conf(), "useProxyProtocol=true");
	ask(&w, 1, QTYPE_A, false);
	len = heard(msg, &from);
	n = proxy_parse(&x, msg, len, 512);
	assert_true(n > 0);
	assert_false(x.local || x.stream);
	assert_int_equal(x.source.port, 1);
	assert_int_equal(x.destination.port, 53);
	make_reply(msg + n);
	says(msg + n, len - (size_t)n, &from);
	UNTIL(&w, ended == 1);
	finish();
}

/* Nobody listens there: the query ends in time, whatever the kernel says. */
static void refused(void **state)
{
	(void)state;
	begin(new_conf(), "udpTimeout=1");
	close(remote);
	remote = other_udp(); /* another port */
	ask(&w, 1, QTYPE_A, false);
	world_pass(&w, 500);
	assert_int_equal(ended, 0);
	ask(&w, 2, QTYPE_A, false);
	world_pass(&w, 2000);
	assert_true(told[1].dropped && told[2].dropped);
	assert_int_equal(reasons(&w, REASON_TIMEOUT), 2);
	finish();
}

/* A way that is closed gives its queries back; the core tries again, and makes a new one. */
static void closed(void **state)
{
	static uint8_t msg[DNS_MAX];
	struct sockaddr_in from;
	size_t len;

	(void)state;
	begin(new_conf(), "");
	ask(&w, 1, QTYPE_A, false);
	heard(msg, &from);
	back_close_server(&w.lane, server);
	len = heard(msg, &from);
	make_reply(msg);
	says(msg, len, &from);
	UNTIL(&w, ended == 1);
	assert_int_equal(reasons(&w, REASON_CONNECTION_LOST), 1);
	/* a configuration that does not have it: nobody waits, the way is closed */
	use_conf(&w, new_conf());
	assert_non_null(w.lane.backs[server->index].udp);
	back_sweep(&w.lane, w.conf);
	assert_null(w.lane.backs[server->index].udp);
	finish();
}

static void no_memory(void **state)
{
	(void)state;
	for (unsigned long n = 1; n < 10; n++) {
		begin(new_conf(), "sockets=2");
		mem_fail_at(n);
		ask(&w, 1, QTYPE_A, false);
		world_pass(&w, 3000);
		mem_fail_at(0);
		assert_true(told[1].dropped);
		finish();
	}
}

int test_back_udp(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(answers), cmocka_unit_test(sockets), cmocka_unit_test(ids),
		cmocka_unit_test(wrong_replies), cmocka_unit_test(new_sockets), cmocka_unit_test(most_in_flight),
		cmocka_unit_test(proxy_header), cmocka_unit_test(refused), cmocka_unit_test(closed),
		cmocka_unit_test(no_memory)};

	return cmocka_run_group_tests_name("back_udp", tests, NULL, NULL);
}
