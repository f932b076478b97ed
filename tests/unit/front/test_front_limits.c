/* test_front_limits.c: what clients may not do: settings that bound connections, one test each. */
#include "conn.h"
#include "front_help.h"

int test_front_limits(void);

static uint8_t msg[DNS_MAX];

static void ask(int fd, uint16_t id)
{
	uint8_t q[512];

	write_frame(fd, q, make_query(q, id, "www.example", QTYPE_A));
}

static void asks(struct bench *t, int fd, uint16_t id)
{
	ask(fd, id);
	assert_true(read_frame(&t->w, fd, msg) > 0);
	assert_int_equal(dns_id(msg), id);
}

static int come(struct bench *t)
{
	unsigned before = t->w.lane.conns;
	int fd = other_connect(SOCK_STREAM, t->tcp_port);

	UNTIL(&t->w, t->w.lane.conns == before + 1);
	return fd;
}

static void turned_away(struct bench *t, enum reason why)
{
	uint64_t before = reasons(&t->w, why);
	int fd = other_connect(SOCK_STREAM, t->tcp_port);

	UNTIL(&t->w, reasons(&t->w, why) == before + 1);
	UNTIL(&t->w, is_closed(fd));
	close(fd);
}

static void acl(void **state)
{
	struct conf *c = new_conf();
	struct bench *t;

	(void)state;
	netset_clear(c->acl);
	t = bench_new(c, false);
	turned_away(t, REASON_CONN_ACL);
	bench_stop(t);
}

static void per_client(void **state)
{
	struct conf *c = new_conf();
	struct bench *t;
	int a, b;

	(void)state;
	set_number(c, "setMaxTCPConnectionsPerClient", 2);
	t = bench_new(c, false);
	a = come(t);
	b = come(t);
	turned_away(t, REASON_CONN_PER_CLIENT);
	close(a);
	UNTIL(&t->w, t->w.lane.conns == 1);
	a = come(t);
	asks(t, a, 1);
	close(a);
	close(b);
	bench_stop(t);
}

static void rate(void **state)
{
	struct conf *c = new_conf();
	struct bench *t;

	(void)state;
	set_number(c, "setMaxTCPConnectionRatePerClient", 1);
	set_number(c, "setTCPConnectionRateInterval", 1);
	set_number(c, "setBanDurationForExceedingTCPTLSRate", 100);
	t = bench_new(c, false);
	for (int i = 0; i < 60; i++) {
		close(come(t));
		UNTIL(&t->w, t->w.lane.conns == 0);
	}
	turned_away(t, REASON_CONN_RATE);
	world_pass(&t->w, 99000);
	turned_away(t, REASON_CONN_BANNED);
	world_pass(&t->w, 1000);
	close(come(t));
	bench_stop(t);
}

/* maxConcurrentTCPConnections: the connection that was silent longest makes room, unless it has a query under way. */
static void per_frontend(void **state)
{
	static struct bench t;
	struct bind_conf b = at("127.0.0.1");
	struct conf *c = new_conf();
	int one, two, three;

	(void)state;
	b.max_connections = 2;
	set_number(c, "setTCPConnectionsOverloadThreshold", 100);
	bench_start(&t, c, &b, true);
	one = come(&t);
	world_pass(&t.w, 50);
	two = come(&t);
	turned_away(&t, REASON_CONN_PER_FRONTEND); /* nobody was silent long enough */
	world_pass(&t.w, 150);
	three = other_connect(SOCK_STREAM, t.tcp_port);
	UNTIL(&t.w, reasons(&t.w, REASON_CONN_EVICTED) == 1);
	UNTIL(&t.w, is_closed(one));
	assert_false(is_closed(two));
	assert_int_equal(t.w.lane.conns, 2);
	ask(two, 1);
	ask(three, 2);
	UNTIL(&t.w, held.n == 2);
	world_pass(&t.w, 150);
	turned_away(&t, REASON_CONN_PER_FRONTEND);
	close(one);
	close(two);
	close(three);
	bench_stop(&t);
}

static void queries(void **state)
{
	struct conf *c = new_conf();
	struct bench *t;
	int fd;

	(void)state;
	set_number(c, "setMaxTCPQueriesPerConnection", 2);
	t = bench_new(c, false);
	fd = come(t);
	asks(t, fd, 1);
	assert_false(is_closed(fd));
	asks(t, fd, 2);
	UNTIL(&t->w, is_closed(fd));
	assert_int_equal(reasons(&t->w, REASON_CONN_QUERIES), 1);
	close(fd);
	bench_stop(t);
}

static void duration(void **state)
{
	struct conf *c = new_conf();
	struct bench *t;
	int fd;

	(void)state;
	set_number(c, "setMaxTCPConnectionDuration", 5);
	set_number(c, "setTCPRecvTimeout", 3);
	t = bench_new(c, false);
	fd = come(t);
	for (uint16_t i = 0; i < 4; i++) { /* never idle for long */
		world_pass(&t->w, 1200);
		asks(t, fd, i);
	}
	world_pass(&t->w, 1000);
	UNTIL(&t->w, is_closed(fd));
	assert_int_equal(reasons(&t->w, REASON_CONN_DURATION), 1);
	close(fd);
	bench_stop(t);
}

static void idle(void **state)
{
	struct conf *c = new_conf();
	struct bench *t;
	int fd;

	(void)state;
	set_number(c, "setTCPRecvTimeout", 3);
	t = bench_new(c, true);
	fd = come(t);
	world_pass(&t->w, 2500);
	ask(fd, 1);
	UNTIL(&t->w, held.n == 1);
	world_pass(&t->w, 8000); /* it waits for us, who give the query up after 10 s */
	assert_false(is_closed(fd));
	answer_held(0, 0);
	assert_true(read_frame(&t->w, fd, msg) > 0);
	world_pass(&t->w, 2500);
	assert_false(is_closed(fd));
	world_pass(&t->w, 1000);
	UNTIL(&t->w, is_closed(fd));
	assert_int_equal(reasons(&t->w, REASON_CONN_IDLE), 1);
	assert_int_equal(atomic_load(&t->tcp->client_timeouts), 1);
	close(fd);
	bench_stop(t);
}

static void slow_message(void **state)
{
	struct conf *c = new_conf();
	struct bench *t;
	int fd;

	(void)state;
	set_number(c, "setTCPRecvTimeout", 3);
	t = bench_new(c, false);
	fd = come(t);
	for (unsigned i = 0; i < 3; i++) { /* drips, but the message does not end */
		assert_int_equal(send(fd, "\0\100a", i ? 1 : 2, MSG_NOSIGNAL), i ? 1 : 2);
		UNTIL(&t->w, t->w.lane.idle_first->last_ms == loop_ms(&t->w.lane.loop));
		world_pass(&t->w, 1100);
	}
	UNTIL(&t->w, is_closed(fd));
	assert_int_equal(reasons(&t->w, REASON_CONN_READ_TIMEOUT), 1);
	close(fd);
	bench_stop(t);
}

/* A client that asks for much and reads nothing. */
static void slow_reader(void **state)
{
	struct conf *c = new_conf();
	struct bench *t;
	int fd, small = 4096;

	(void)state;
	set_number(c, "setTCPSendTimeout", 4);
	set_number(c, "setTCPRecvTimeout", 100);
	t = bench_new(c, true);
	fd = come(t);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	for (unsigned i = 0; i < 200; i++)
		ask(fd, (uint16_t)i);
	for (unsigned done = 0, quiet = 0; done < 200 && quiet < 100 && !t->w.lane.idle_first->blocked; quiet++) {
		if (done < held.n) {
			answer_held(done++, 60000);
			quiet = 0;
		}
		world_turn(&t->w);
		usleep(200);
	}
	assert_true(held.n < 200); /* what is unsent is bounded */
	world_pass(&t->w, 3500);
	assert_int_equal(t->w.lane.conns, 1);
	world_pass(&t->w, 1000);
	assert_int_equal(t->w.lane.conns, 0);
	assert_int_equal(reasons(&t->w, REASON_CONN_WRITE_TIMEOUT), 1);
	close(fd);
	bench_stop(t);
}

static void reads(void **state)
{
	struct conf *c = new_conf();
	struct bench *t;
	uint8_t q[512];
	int fd;

	(void)state;
	set_number(c, "setMaxTCPReadIOsPerQuery", 5);
	set_number(c, "setBanDurationForExceedingMaxReadIOsPerQuery", 30);
	t = bench_new(c, false);
	make_query(q + 2, 1, "www.example", QTYPE_A);
	put16(q, 29);
	fd = come(t);
	for (unsigned i = 0; i < 6; i++) {
		assert_int_equal(send(fd, q + i, 1, MSG_NOSIGNAL), 1);
		UNTIL(&t->w, i == 5 || t->w.lane.idle_first->reads == i + 1);
	}
	UNTIL(&t->w, is_closed(fd));
	assert_int_equal(reasons(&t->w, REASON_CONN_TOO_MANY_READS), 1);
	close(fd);
	turned_away(t, REASON_CONN_BANNED);
	world_pass(&t->w, 31000);
	fd = come(t);
	asks(t, fd, 1);
	close(fd);
	bench_stop(t);
}

/* Who drips behind a trusted proxy loses the connection; the proxy is not banned for it, and the others behind it. */
static void reads_of_proxied(void **state)
{
	struct conf *c = new_conf();
	struct bench *t;
	uint8_t head[512];
	size_t len = proxy_head(head, "203.0.113.7", 0, true);
	int fd;

	(void)state;
	assert_int_equal(netset_add_text(c->proxy_acl, "127.0.0.0/8"), 0);
	set_number(c, "setMaxTCPReadIOsPerQuery", 5);
	set_number(c, "setBanDurationForExceedingMaxReadIOsPerQuery", 30);
	t = bench_new(c, false);
	fd = come(t);
	assert_int_equal(send(fd, head, len, MSG_NOSIGNAL), len);
	UNTIL(&t->w, t->w.lane.idle_first->reads == 1);
	for (unsigned i = 2; i <= 6; i++) {
		assert_int_equal(send(fd, "\1", 1, MSG_NOSIGNAL), 1);
		UNTIL(&t->w, i == 6 || t->w.lane.idle_first->reads == i);
	}
	UNTIL(&t->w, is_closed(fd));
	assert_int_equal(reasons(&t->w, REASON_CONN_TOO_MANY_READS), 1);
	close(fd);
	fd = come(t);
	assert_int_equal(send(fd, head, len, MSG_NOSIGNAL), len);
	asks(t, fd, 1);
	assert_int_equal(reasons(&t->w, REASON_CONN_BANNED), 0);
	close(fd);
	bench_stop(t);
}

/* Above the threshold each connection gets one query and little time. */
static void overload(void **state)
{
	static struct bench t;
	struct bind_conf b = at("127.0.0.1");
	struct conf *c = new_conf();
	int one, two, three;

	(void)state;
	b.max_connections = 10;
	set_number(c, "setTCPConnectionsOverloadThreshold", 20);
	set_number(c, "setTCPRecvTimeout", 10);
	bench_start(&t, c, &b, false);
	one = come(&t);
	two = come(&t);
	asks(&t, one, 1);
	asks(&t, one, 2);
	three = come(&t);
	asks(&t, one, 3);
	UNTIL(&t.w, is_closed(one));
	one = come(&t);
	world_pass(&t.w, 11000);
	UNTIL(&t.w, t.w.lane.conns == 0);
	close(one);
	close(two);
	close(three);
	bench_stop(&t);
}

int test_front_limits(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(acl), cmocka_unit_test(per_client), cmocka_unit_test(rate),
		cmocka_unit_test(per_frontend), cmocka_unit_test(queries), cmocka_unit_test(duration),
		cmocka_unit_test(idle), cmocka_unit_test(slow_message), cmocka_unit_test(slow_reader),
		cmocka_unit_test(reads), cmocka_unit_test(reads_of_proxied), cmocka_unit_test(overload)};

	return cmocka_run_group_tests_name("front_limits", tests, NULL, NULL);
}
