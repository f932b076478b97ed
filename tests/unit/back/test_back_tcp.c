/* test_back_tcp.c: queries over TCP: one connection for many, another when it is full, dead or not to be shared. */
#include "back_help.h"

int test_back_tcp(void);

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
	for (int i = 0; i < 5; i++)
		serves(&w, fd[i / 2]);
	UNTIL(&w, ended == 5);
	for (int i = 0; i < 3; i++)
		close(fd[i]);
	finish();
}

static void max_connections(void **state)
{
	int fd;

	(void)state;
	begin(new_conf(), "maxInFlight=1 maxConcurrentTCPConnections=1 retries=3");
	ask(&w, 1, QTYPE_A, true);
	ask(&w, 2, QTYPE_A, true); /* no room: SERVFAIL when all tries are used up */
	assert_int_equal(ended, 1);
	assert_int_equal(told[2].rcode, RCODE_SERVFAIL);
	assert_int_equal(count(&server->tcp_too_many), 3);
	fd = accepts(&w, remote);
	serves(&w, fd);
	UNTIL(&w, ended == 2);
	close(fd);
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
	assert_int_equal(reasons(&w, REASON_CONNECTION_LOST), 2);
	close(fd);
	finish();
}

/* As often as the backend's retries say, and no more. */
static void dies_again(void **state)
{
	static const int times[] = {1, 2, 5};

	(void)state;
	for (size_t k = 0; k < LEN(times); k++) {
		char options[32];

		snprintf(options, sizeof(options), "retries=%d", times[k]);
		begin(new_conf(), options);
		ask(&w, 1, QTYPE_A, true);
		for (int i = 0; i < times[k]; i++) {
			int fd = accepts(&w, remote);

			assert_int_equal(ended, 0);
			assert_true(read_frame(&w, fd, msg) > 0);
			close(fd);
		}
		UNTIL(&w, ended == 1);
		assert_int_equal(told[1].rcode, RCODE_SERVFAIL);
		assert_false(someone_waits(remote));
		finish();
	}
}

static void refused(void **state)
{
	(void)state;
	begin(new_conf(), "");
	close(remote);
	remote = other_listen();
	ask(&w, 1, QTYPE_A, true);
	UNTIL(&w, ended == 1);
	assert_int_equal(told[1].rcode, RCODE_SERVFAIL);
	assert_int_equal(reasons(&w, REASON_CONNECTION_LOST), 0);
	assert_true(reasons(&w, REASON_CONNECT_FAILED) >= 3);
	assert_int_equal(atomic_load(&server->connections), 0);
	finish();
}

/* tcpConnectTimeout: the connection is not there in time; the queries go on. */
static void slow_connect(void **state)
{
	struct loop *l = &w.lane.loop;

	(void)state;
	begin(new_conf(), "tcpConnectTimeout=3 tcpRecvTimeout=100");
	ask(&w, 1, QTYPE_A, true);
	back_flush_all(&w.lane);
	l->now_us += 3100 * 1000; /* before the kernel is asked */
	core_set_time(&w.lane.core, l->now_us, l->wall_ms);
	wheel_run(&l->wheel, loop_ms(l));
	l->end(l->ctx);
	assert_int_equal(count(&server->tcp_connect_timeouts), 1);
	assert_int_equal(reasons(&w, REASON_CONNECT_FAILED), 2); /* the connection's, and the query's */
	close(accepts(&w, remote)); /* that one */
	close(accepts(&w, remote)); /* and its next try */
	world_turn(&w);
	finish();
}

static void idle_close(void **state)
{
	struct conf *c = new_conf();
	int fd;

	(void)state;
	set_number(c, "setTCPDownstreamMaxIdleTime", 5);
	begin(c, "");
	ask(&w, 1, QTYPE_A, true);
	fd = accepts(&w, remote);
	serves(&w, fd);
	UNTIL(&w, ended == 1);
	world_pass(&w, 4500);
	assert_false(is_closed(fd));
	ask(&w, 2, QTYPE_A, true);
	serves(&w, fd);
	UNTIL(&w, ended == 2);
	world_pass(&w, 4500);
	assert_false(is_closed(fd));
	world_pass(&w, 1000);
	UNTIL(&w, is_closed(fd));
	assert_int_equal(reasons(&w, REASON_CONN_IDLE), 1);
	close(fd);
	finish();
}

static void never_idle(void **state)
{
	struct conf *c = new_conf();
	int fd;

	(void)state;
	set_number(c, "setTCPDownstreamMaxIdleTime", 0);
	begin(c, "");
	ask(&w, 1, QTYPE_A, true);
	fd = accepts(&w, remote);
	serves(&w, fd);
	UNTIL(&w, ended == 1);
	UNTIL(&w, is_closed(fd));
	close(fd);
	finish();
}

/* setMaxCachedTCPConnectionsPerDownstream(): of those with nothing to do only so many are kept. */
static void most_idle(void **state)
{
	struct conf *c = new_conf();
	int fd[3], open = 0;

	(void)state;
	set_number(c, "setMaxCachedTCPConnectionsPerDownstream", 2);
	begin(c, "maxInFlight=1");
	for (uint16_t i = 0; i < 3; i++)
		ask(&w, i, QTYPE_A, true);
	for (int i = 0; i < 3; i++)
		fd[i] = accepts(&w, remote);
	for (int i = 0; i < 3; i++)
		serves(&w, fd[i]);
	UNTIL(&w, ended == 3 && atomic_load(&server->connections) == 2);
	for (int i = 0; i < 3; i++) {
		open += !is_closed(fd[i]);
		close(fd[i]);
	}
	assert_int_equal(open, 2);
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

/* One deadline that passes: the connection takes no more and goes when it is empty. */
static void dead_path(void **state)
{
	int fd, other;

	(void)state;
	begin(new_conf(), "tcpRecvTimeout=5");
	ask(&w, 1, QTYPE_A, true);
	fd = accepts(&w, remote);
	world_pass(&w, 3000);
	ask(&w, 2, QTYPE_A, true);
	world_pass(&w, 2500);
	assert_true(told[1].ended && !told[2].ended);
	assert_int_equal(count(&server->tcp_read_timeouts), 1);
	assert_false(someone_waits(remote));
	ask(&w, 3, QTYPE_A, true);
	other = accepts(&w, remote);
	serves(&w, other);
	UNTIL(&w, told[3].ended);
	while (!told[2].ended)
		serves(&w, fd), world_turn(&w);
	UNTIL(&w, atomic_load(&server->connections) == 1);
	close(fd);
	close(other);
	finish();
}

static void reconnect(void **state)
{
	int fd, other;

	(void)state;
	begin(new_conf(), "");
	ask(&w, 1, QTYPE_A, true);
	fd = accepts(&w, remote);
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

static void shown(void **state)
{
	struct text out = {0};
	int fd;

	(void)state;
	begin(new_conf(), "name=far");
	ask(&w, 1, QTYPE_A, true);
	fd = accepts(&w, remote);
	UNTIL(&w, (text_clear(&out), back_show_tcp(&w.lane, &out), strstr(text_str(&out), "connected, 1")));
	assert_string_equal(text_str(&out), "far: connected, 1 in flight, 1 queries\n");
	text_free(&out);
	close(fd);
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

int test_back_tcp(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(reuse), cmocka_unit_test(tcp_only),
		cmocka_unit_test(pipelining), cmocka_unit_test(max_in_flight), cmocka_unit_test(max_connections),
		cmocka_unit_test(dies), cmocka_unit_test(dies_again), cmocka_unit_test(refused),
		cmocka_unit_test(slow_connect), cmocka_unit_test(idle_close), cmocka_unit_test(never_idle),
		cmocka_unit_test(most_idle), cmocka_unit_test(transfer), cmocka_unit_test(proxy_header),
		cmocka_unit_test(wrong_replies), cmocka_unit_test(dead_path), cmocka_unit_test(reconnect),
		cmocka_unit_test(shown), cmocka_unit_test(no_memory)};

	return cmocka_run_group_tests_name("back_tcp", tests, NULL, NULL);
}
