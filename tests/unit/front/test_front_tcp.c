/* test_front_tcp.c: connections of clients: framing, pipelining, order, half-closed and broken ones, PROXY headers. */
#include "front_help.h"

int test_front_tcp(void);

static uint8_t msg[DNS_MAX];

static size_t ask(int fd, uint16_t id)
{
	uint8_t q[512];
	size_t len = make_query(q, id, "www.example", QTYPE_A);

	write_frame(fd, q, len);
	return len;
}

/* The bytes of |n| queries with ids from |first| on. */
static size_t frames(uint8_t *out, unsigned n, uint16_t first)
{
	size_t at = 0;

	for (unsigned i = 0; i < n; i++) {
		size_t len = make_query(out + at + 2, (uint16_t)(first + i), "www.example", QTYPE_A);

		put16(out + at, (unsigned)len);
		at += len + 2;
	}
	return at;
}

static void answers_pipelined(void **state)
{
	struct bench *t = bench_new(new_conf(), false);
	int fd = other_connect(SOCK_STREAM, t->tcp_port);
	uint8_t out[8192];
	size_t len = frames(out, 150, 1); /* more than are read on with at once */

	(void)state;
	assert_int_equal(send(fd, out, len, 0), len);
	for (unsigned i = 0; i < 150; i++) {
		assert_true(read_frame(&t->w, fd, msg) > 0);
		assert_int_equal(dns_id(msg), i + 1);
		assert_int_equal(dns_rcode(msg), RCODE_SERVFAIL);
	}
	assert_int_equal(t->w.lane.conns, 1);
	close(fd);
	UNTIL(&t->w, t->w.lane.conns == 0);
	assert_int_equal(reasons(&t->w, REASON_CONN_CLOSED), 1);
	assert_int_equal(atomic_load(&t->tcp->accepted), 1);
	assert_int_equal(atomic_load(&t->tcp->conns), 0);
	assert_int_equal(atomic_load(&t->tcp->conns_max), 1);
	bench_stop(t);
}

static void in_pieces(void **state)
{
	struct bench *t = bench_new(new_conf(), false);
	int fd = other_connect(SOCK_STREAM, t->tcp_port);
	uint8_t out[1024];
	size_t len = frames(out, 3, 1);

	(void)state;
	for (size_t i = 0; i < len; i++) {
		assert_int_equal(send(fd, out + i, 1, MSG_NOSIGNAL), 1);
		UNTIL(&t->w, !is_closed(fd));
	}
	for (unsigned i = 0; i < 3; i++) {
		assert_true(read_frame(&t->w, fd, msg) > 0);
		assert_int_equal(dns_id(msg), i + 1);
	}
	close(fd);
	bench_stop(t);
}

/* Answers go out as they come, not as they were asked for. */
static void out_of_order(void **state)
{
	struct bench *t = bench_new(new_conf(), true);
	int fd = other_connect(SOCK_STREAM, t->tcp_port);

	(void)state;
	for (uint16_t i = 0; i < 3; i++)
		ask(fd, i);
	UNTIL(&t->w, held.n == 3);
	for (unsigned i = 3; i-- > 0;) {
		answer_held(i, 0);
		assert_true(read_frame(&t->w, fd, msg) > 0);
		assert_int_equal(dns_id(msg), i);
	}
	ask(fd, 9);
	UNTIL(&t->w, held.n == 4);
	answer_held(3, 65000);
	assert_true(read_frame(&t->w, fd, msg) > 64000);
	close(fd);
	bench_stop(t);
}

/* maxInFlight of the listener: the rest stays unread. */
static void in_flight(void **state)
{
	static struct bench t;
	struct bind_conf b = at("127.0.0.1");
	int fd;

	(void)state;
	b.max_in_flight = 2;
	bench_start(&t, new_conf(), &b, true);
	fd = other_connect(SOCK_STREAM, t.tcp_port);
	for (uint16_t i = 0; i < 5; i++)
		ask(fd, i);
	UNTIL(&t.w, held.n == 2);
	for (unsigned i = 0; i < 5; i++) {
		unsigned before = held.n;

		world_turn(&t.w);
		assert_int_equal(held.n, before);
		answer_held(i, 0);
		assert_true(read_frame(&t.w, fd, msg) > 0);
		assert_int_equal(dns_id(msg), i);
		UNTIL(&t.w, held.n == (before < 5 ? before + 1 : 5));
	}
	close(fd);
	bench_stop(&t);
}

/* A client that has said all it wants still hears its answers; then its connection is closed. */
static void half_closed(void **state)
{
	struct bench *t = bench_new(new_conf(), true);
	int fd = other_connect(SOCK_STREAM, t->tcp_port);

	(void)state;
	ask(fd, 1);
	ask(fd, 2);
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	UNTIL(&t->w, held.n == 2);
	answer_held(0, 0);
	assert_true(read_frame(&t->w, fd, msg) > 0);
	assert_false(is_closed(fd));
	answer_held(1, 0);
	assert_true(read_frame(&t->w, fd, msg) > 0);
	UNTIL(&t->w, is_closed(fd));
	close(fd);
	bench_stop(t);
}

static void leaves(void **state)
{
	struct bench *t = bench_new(new_conf(), true);
	int fd = other_connect(SOCK_STREAM, t->tcp_port);
	struct linger now = {1, 0};

	(void)state;
	ask(fd, 1);
	ask(fd, 2);
	UNTIL(&t->w, held.n == 2);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
	close(fd); /* with a reset */
	UNTIL(&t->w, t->w.lane.conns == 0);
	assert_int_equal(reasons(&t->w, REASON_CONN_RESET), 1);
	assert_int_equal(reasons(&t->w, REASON_CLIENT_GONE), 2);
	answer_held(1, 0); /* the queries finish alone */
	world_pass(&t->w, 40000);
	assert_int_equal(t->w.lane.core.parked, 0);
	bench_stop(t);
}

static void bad_length(void **state)
{
	struct bench *t = bench_new(new_conf(), false);
	int fd = other_connect(SOCK_STREAM, t->tcp_port);
	uint8_t out[64];
	size_t len = frames(out, 1, 1);

	(void)state;
	put16(out + len, 11);
	assert_int_equal(send(fd, out, len + 2, 0), len + 2);
	UNTIL(&t->w, reasons(&t->w, REASON_CONN_BAD_LENGTH) == 1);
	UNTIL(&t->w, t->w.lane.conns == 0);
	close(fd);
	bench_stop(t);
}

static struct conf *with_proxy(unsigned max)
{
	struct conf *c = new_conf();

	assert_int_equal(netset_add_text(c->proxy_acl, "127.0.0.0/8"), 0);
	set_number(c, "setProxyProtocolMaximumPayloadSize", max);
	return c;
}

static void proxy(void **state)
{
	struct conf *c = with_proxy(32);
	struct bench *t;
	uint8_t out[512];
	size_t len = proxy_head(out, "203.0.113.9", 20, true);
	int fd;

	(void)state;
	set_number(c, "setMaxTCPReadIOsPerQuery", 0);
	t = bench_new(c, true);
	fd = other_connect(SOCK_STREAM, t->tcp_port);
	len += frames(out + len, 2, 1);
	for (size_t i = 0; i < len; i++) {
		assert_int_equal(send(fd, out + i, 1, MSG_NOSIGNAL), 1);
		world_turn(&t->w);
	}
	UNTIL(&t->w, held.n == 2);
	for (unsigned i = 0; i < 2; i++) {
		assert_true(held.q[i]->client.inner);
		assert_int_equal(held.q[i]->client.remote.ip[0], 203);
		assert_int_equal(held.q[i]->client.peer.ip[0], 127);
		answer_held(i, 0);
		assert_true(read_frame(&t->w, fd, msg) > 0);
	}
	close(fd);
	bench_stop(t);
}

static void proxy_refused(void **state)
{
	struct bench *t = bench_new(with_proxy(32), true);
	uint8_t out[512];
	size_t len = proxy_head(out, "203.0.113.9", 21, true);
	int fd = other_connect(SOCK_STREAM, t->tcp_port), bare = other_connect(SOCK_STREAM, t->tcp_port);

	(void)state;
	assert_int_equal(send(fd, out, len, 0), len);
	UNTIL(&t->w, is_closed(fd));
	ask(bare, 1);
	UNTIL(&t->w, reasons(&t->w, REASON_PROXY_HEADER) == 2);
	UNTIL(&t->w, t->w.lane.conns == 0);
	assert_int_equal(held.n, 0);
	close(fd);
	close(bare);
	bench_stop(t);
}

/* Whatever allocation fails: the query is answered or its connection closed. */
static void no_memory(void **state)
{
	(void)state;
	for (unsigned long n = 1; n < 12; n++) {
		struct bench *t = bench_new(new_conf(), true);
		int fd = other_connect(SOCK_STREAM, t->tcp_port);
		uint8_t out[64];
		size_t len = frames(out, 1, 1);

		mem_fail_at(n);
		assert_int_equal(send(fd, out, 5, MSG_NOSIGNAL), 5);
		UNTIL(&t->w, is_closed(fd) || t->w.lane.conns);
		(void)!send(fd, out + 5, len - 5, MSG_NOSIGNAL);
		UNTIL(&t->w, is_readable(fd) || held.n);
		if (held.n && held.q[0])
			answer_held(0, 100);
		UNTIL(&t->w, is_readable(fd));
		mem_fail_at(0);
		close(fd);
		UNTIL(&t->w, t->w.lane.conns == 0);
		bench_stop(t);
	}
}

/* The end of the lane closes what is open; waiting queries end. */
static void lane_ends(void **state)
{
	struct bench *t = bench_new(new_conf(), true);
	int a = other_connect(SOCK_STREAM, t->tcp_port), b = other_connect(SOCK_STREAM, t->tcp_port);

	(void)state;
	ask(a, 1);
	UNTIL(&t->w, held.n == 1 && t->w.lane.conns == 2);
	bench_stop(t);
	assert_true(is_closed(a));
	assert_true(is_closed(b));
	close(a);
	close(b);
}

int test_front_tcp(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(answers_pipelined), cmocka_unit_test(in_pieces),
		cmocka_unit_test(out_of_order), cmocka_unit_test(in_flight), cmocka_unit_test(half_closed),
		cmocka_unit_test(leaves), cmocka_unit_test(bad_length), cmocka_unit_test(proxy),
		cmocka_unit_test(proxy_refused), cmocka_unit_test(no_memory), cmocka_unit_test(lane_ends)};

	return cmocka_run_group_tests_name("front_tcp", tests, NULL, NULL);
}
