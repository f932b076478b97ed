/* test_transport_tcp.c: a transport over real connections: one for many queries, another when it is full, dead or not to
 * be shared.  What depends on time is in test_transport.c and test_transport_race.c. */
#include "back_help.h"

int test_transport_tcp(void);

static struct world w;
static int remote; /* the server's listening socket */
static uint8_t msg[DNS_MAX];

static void begin(struct conf *c, const char *options)
{
	remote = other_listen();
	start_with(&w, c, port_of(remote), options);
}

static void finish(void)
{
	stop(&w);
	close(remote);
}

static void reuse(void **state)
{
	int fd;

	(void)state;
	begin(new_conf(), "");
	ask(&w, 1, QTYPE_A, true);
	fd = accepts(&w, remote);
	serves(&w, fd);
	UNTIL(&w, ended == 1);
	for (uint16_t i = 2; i < 10; i++) {
		ask(&w, i, QTYPE_A, true);
		serves(&w, fd);
		UNTIL(&w, ended == i);
		assert_int_equal(told[i].rcode, RCODE_NOERROR);
	}
	assert_int_equal(count(&server->tcp_new_connections), 1);
	assert_int_equal(count(&server->tcp_reused_connections), 8);
	assert_false(someone_waits(remote));
	close(fd);
	finish();
}

/* tcpOnly: datagrams' queries take the stream too. */
static void tcp_only(void **state)
{
	int fd;

	(void)state;
	begin(new_conf(), "tcpOnly=true");
	ask(&w, 1, QTYPE_A, false);
	fd = accepts(&w, remote);
	serves(&w, fd);
	UNTIL(&w, ended == 1);
	close(fd);
	finish();
}

/* Many queries on one connection, answered in another order, in one segment or in bytes. */
static void pipelining(void **state)
{
	static uint8_t replies[64 * 64];
	size_t at = sizeof(replies), len;
	int fd;

	(void)state;
	begin(new_conf(), "");
	for (uint16_t i = 0; i < 50; i++)
		ask(&w, i, QTYPE_A, true);
	fd = accepts(&w, remote);
	for (uint16_t i = 0; i < 50; i++) {
		len = read_frame(&w, fd, msg);
		make_reply(msg);
		at -= len + 2;
		put16(replies + at, (unsigned)len);
		memcpy(replies + at + 2, msg, len);
	}
	for (len = 0; len < 40; len++) { /* a message and a half in bytes */
		assert_int_equal(send(fd, replies + at + len, 1, MSG_NOSIGNAL), 1);
		world_turn(&w);
	}
	UNTIL(&w, ended == 1);
	assert_true(told[49].ended);
	assert_int_equal(send(fd, replies + at + len, sizeof(replies) - at - len, MSG_NOSIGNAL),
		sizeof(replies) - at - len);
	UNTIL(&w, ended == 50);
	assert_int_equal(count(&server->tcp_new_connections), 1);
	close(fd);
	finish();
}

static void max_in_flight(void **state)
{
	int fd[3];

	(void)state;
	begin(new_conf(), "maxInFlight=2");
	for (uint16_t i = 0; i < 5; i++)
		ask(&w, i, QTYPE_A, true);
	for (int i = 0; i < 3; i++)
		fd[i] = accepts(&w, remote);
	assert_int_equal(count(&server->tcp_new_connections), 3);
	assert_int_equal(atomic_load(&server->connections), 3);
	assert_int_equal(count(&server->tcp_max_connections), 3);
	while (ended < 5) {
		world_turn(&w);
		for (int i = 0; i < 3; i++)
			if (is_readable(fd[i]) && !is_closed(fd[i]))
				serves(&w, fd[i]);
	}
	for (int i = 0; i < 3; i++)
		close(fd[i]);
	finish();
}

/* What was under way on a connection that dies is asked again on another. */
static void dies(void **state)
{
	int fd;

	(void)state;
	begin(new_conf(), "");
	ask(&w, 1, QTYPE_A, true);
	ask(&w, 2, QTYPE_A, true);
	fd = accepts(&w, remote);
	assert_true(read_frame(&w, fd, msg) > 0);
	assert_true(read_frame(&w, fd, msg) > 0);
	close(fd);
	fd = accepts(&w, remote);
	serves(&w, fd);
	serves(&w, fd);
	UNTIL(&w, ended == 2);
	assert_int_equal(told[1].rcode, RCODE_NOERROR);
	assert_int_equal(told[2].rcode, RCODE_NOERROR);
	assert_int_equal(count(&server->tcp_died_reading), 1);
	assert_int_equal(reasons(&w, REASON_CONNECTION_LOST), 0); /* the core hears nothing of it */
	close(fd);
	finish();
}

static void put_soa(uint8_t *m, size_t *len, uint32_t serial)
{
	uint8_t soa[22] = {0};

	put32(soa + 2, serial);
	assert_int_equal(msg_add_rr(m, len, DNS_MAX, SECTION_ANSWER, QTYPE_SOA, CLASS_IN, 60, soa, sizeof(soa)), 0);
}

/* A zone transfer has a connection of its own, for all its messages, and closes it. */
static void transfer(void **state)
{
	int fd, other;
	size_t len;

	(void)state;
	begin(new_conf(), "");
	ask(&w, 1, QTYPE_A, true);
	other = accepts(&w, remote);
	serves(&w, other);
	UNTIL(&w, ended == 1);
	ask(&w, 2, QTYPE_AXFR, true);
	fd = accepts(&w, remote);
	ask(&w, 3, QTYPE_A, true);
	serves(&w, other);
	UNTIL(&w, told[3].ended);
	len = read_frame(&w, fd, msg);
	make_reply(msg);
	for (int i = 0; i < 4; i++) {
		size_t n = len;

		dns_set_count(msg, SECTION_ANSWER, 0);
		if (i == 0 || i == 3)
			put_soa(msg, &n, 5);
		else
			assert_int_equal(msg_add_rr(msg, &n, DNS_MAX, SECTION_ANSWER, QTYPE_A, CLASS_IN, 60, "abcd", 4), 0);
		write_frame(fd, msg, n);
		if (i < 3)
			UNTIL(&w, told[2].parts == (unsigned)i + 1);
	}
	UNTIL(&w, told[2].ended);
	UNTIL(&w, is_closed(fd));
	assert_int_equal(count(&server->tcp_new_connections), 2);
	close(fd);
	close(other);
	finish();
}

/* A PROXY header speaks for one client: each query has its own connection. */
static void proxy_header(void **state)
{
	uint8_t head[PROXY_HEADER + 12];
	struct proxy x;
	int fd;

	(void)state;
	begin(new_conf(), "useProxyProtocol=true");
	ask(&w, 1, QTYPE_A, true);
	ask(&w, 2, QTYPE_A, true);
	for (uint16_t i = 1; i < 3; i++) {
		fd = accepts(&w, remote);
		UNTIL(&w, is_readable(fd));
		assert_int_equal(recv(fd, head, sizeof(head), MSG_WAITALL), sizeof(head));
		assert_int_equal(proxy_parse(&x, head, sizeof(head), 512), sizeof(head));
		assert_true(x.stream && (x.source.port == 1 || x.source.port == 2));
		serves(&w, fd);
		UNTIL(&w, ended == i);
		UNTIL(&w, is_closed(fd));
		close(fd);
	}
	assert_int_equal(count(&server->tcp_new_connections), 2);
	finish();
}

static void wrong_replies(void **state)
{
	size_t len;
	int fd;

	(void)state;
	begin(new_conf(), "");
	ask(&w, 1, QTYPE_A, true);
	fd = accepts(&w, remote);
	len = read_frame(&w, fd, msg);
	make_reply(msg);
	put16(msg, dns_id(msg) + 7);
	write_frame(fd, msg, len);
	UNTIL(&w, reasons(&w, REASON_REPLY_UNASKED) == 1);
	put16(msg, dns_id(msg) - 7);
	msg[DNS_HEADER + 1] ^= 2;
	write_frame(fd, msg, len);
	UNTIL(&w, reasons(&w, REASON_REPLY_QUESTION) == 1);
	assert_int_equal(count(&server->noncompliant), 2);
	assert_int_equal(ended, 0);
	write_frame(fd, msg, 5); /* no message at all: the connection goes, the query is asked again */
	UNTIL(&w, is_closed(fd));
	close(fd);
	fd = accepts(&w, remote);
	serves(&w, fd);
	UNTIL(&w, ended == 1);
	assert_int_equal(reasons(&w, REASON_REPLY_SHORT), 1);
	close(fd);
	finish();
}

static void reconnect(void **state)
{
	int fd, other;

	(void)state;
	begin(new_conf(), "");
	ask(&w, 1, QTYPE_A, true);
	fd = accepts(&w, remote);
	UNTIL(&w, is_readable(fd));
	back_reconnect(&w.lane, server);
	ask(&w, 2, QTYPE_A, true);
	other = accepts(&w, remote);
	serves(&w, fd); /* what is under way there is still heard */
	UNTIL(&w, told[1].ended);
	UNTIL(&w, is_closed(fd));
	serves(&w, other);
	UNTIL(&w, told[2].ended);
	close(fd);
	close(other);
	finish();
}

static void no_memory(void **state)
{
	(void)state;
	for (unsigned long n = 1; n < 14; n++) {
		int fd = -1;

		begin(new_conf(), "tcpRecvTimeout=1");
		mem_fail_at(n);
		ask(&w, 1, QTYPE_A, true);
		for (int i = 0; i < 20 && !ended && (fd = accept(remote, NULL, NULL)) < 0; i++)
			world_turn(&w);
		world_pass(&w, 5000);
		mem_fail_at(0);
		assert_int_equal(ended, 1);
		if (fd >= 0)
			close(fd);
		finish();
	}
}

int test_transport_tcp(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(reuse), cmocka_unit_test(tcp_only),
		cmocka_unit_test(pipelining), cmocka_unit_test(max_in_flight), cmocka_unit_test(dies),
		cmocka_unit_test(transfer), cmocka_unit_test(proxy_header), cmocka_unit_test(wrong_replies),
		cmocka_unit_test(reconnect), cmocka_unit_test(no_memory)};

	return cmocka_run_group_tests_name("transport_tcp", tests, NULL, NULL);
}
