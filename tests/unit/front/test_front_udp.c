/* test_front_udp.c: datagrams of clients: answers go back to who asked, from where it was asked. */
#include "front_help.h"

int test_front_udp(void);

static size_t ask(int fd, uint16_t id)
{
	uint8_t msg[512];
	size_t len = make_query(msg, id, "www.example", QTYPE_A);

	assert_int_equal(send(fd, msg, len, 0), len);
	return len;
}

static size_t told(struct bench *t, int fd, uint8_t *msg)
{
	ssize_t n;

	UNTIL(&t->w, is_readable(fd));
	n = recv(fd, msg, DNS_MAX, MSG_DONTWAIT);
	assert_true(n > 0);
	return (size_t)n;
}

static void answers(void **state)
{
	struct bench *t = bench_new(new_conf(), false);
	int a = other_connect(SOCK_DGRAM, t->udp_port), b = other_connect(SOCK_DGRAM, t->udp_port);
	static uint8_t msg[DNS_MAX];
	size_t len = ask(a, 1);

	(void)state;
	ask(b, 2);
	assert_int_equal(told(t, b, msg), len);
	assert_int_equal(dns_id(msg), 2);
	assert_int_equal(dns_flags(msg), DNS_QR | DNS_RD | DNS_RA | RCODE_SERVFAIL);
	assert_int_equal(told(t, a, msg), len);
	assert_int_equal(dns_id(msg), 1);
	UNTIL(&t->w, atomic_load(&t->udp->responses) == 2);
	assert_int_equal(atomic_load(&t->udp->queries), 2);
	assert_int_equal(atomic_load(&t->tcp->queries), 0);
	close(a);
	close(b);
	bench_stop(t);
}

/* More than a batch at once: all are answered. */
static void batches(void **state)
{
	struct bench *t = bench_new(new_conf(), false);
	int fd = other_connect(SOCK_DGRAM, t->udp_port);
	static uint8_t msg[DNS_MAX];
	bool seen[100] = {false};

	(void)state;
	for (uint16_t i = 0; i < 100; i++)
		ask(fd, i);
	for (int i = 0; i < 100; i++) {
		told(t, fd, msg);
		assert_true(dns_id(msg) < 100 && !seen[dns_id(msg)]);
		seen[dns_id(msg)] = true;
	}
	close(fd);
	bench_stop(t);
}

static void refused_by_size_and_acl(void **state)
{
	struct conf *c = new_conf();
	struct bench *t;
	static uint8_t big[5000];
	int fd;

	(void)state;
	netset_clear(c->acl);
	assert_int_equal(netset_add_text(c->acl, "192.0.2.0/24"), 0);
	t = bench_new(c, false);
	fd = other_connect(SOCK_DGRAM, t->udp_port);
	ask(fd, 1);
	UNTIL(&t->w, reasons(&t->w, REASON_ACL) == 1);
	assert_int_equal(send(fd, big, sizeof(big), 0), sizeof(big));
	UNTIL(&t->w, reasons(&t->w, REASON_QUERY_TOO_LARGE) == 1);
	assert_false(is_readable(fd));
	close(fd);
	bench_stop(t);
}

static void muted(void **state)
{
	struct bench *t = bench_new(new_conf(), false);
	int fd = other_connect(SOCK_DGRAM, t->udp_port);
	static uint8_t msg[DNS_MAX];

	(void)state;
	atomic_store(&t->udp->muted, true);
	ask(fd, 1);
	for (int i = 0; i < 20; i++) {
		world_turn(&t->w);
		usleep(200);
	}
	assert_int_equal(t->w.lane.counters.v[COUNTER_QUERIES], 0);
	atomic_store(&t->udp->muted, false);
	ask(fd, 2);
	told(t, fd, msg);
	assert_int_equal(dns_id(msg), 2);
	assert_false(is_readable(fd));
	close(fd);
	bench_stop(t);
}

/* On a wildcard address the answer leaves from the address that was asked: a connected client hears no other. */
static void wildcard(void **state)
{
	static struct bench t;
	struct bind_conf b = at("0.0.0.0");
	static uint8_t msg[DNS_MAX];
	struct sockaddr_in to;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	(void)state;
	bench_start(&t, new_conf(), &b, false);
	to = loopback(t.udp_port);
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	ask(fd, 1);
	told(&t, fd, msg);
	assert_int_equal(dns_id(msg), 1);
	close(fd);
	bench_stop(&t);
}

/* A front that stopped has run what had come, and stays until the queries that came in by it have ended. */
static void stops_with_waiting(void **state)
{
	struct bench *t = bench_new(new_conf(), true);
	int fd = other_connect(SOCK_DGRAM, t->udp_port);
	static uint8_t msg[DNS_MAX];

	(void)state;
	ask(fd, 1);
	ask(fd, 2);
	UNTIL(&t->w, held.n == 2);
	answer_held(0, 0);
	world_turn(&t->w);
	told(t, fd, msg);
	assert_int_equal(dns_id(msg), 1);
	ask(fd, 3); /* nobody has looked yet */
	front_stop(&t->w.lane, t->udp);
	assert_int_equal(held.n, 3);
	assert_true(atomic_load(&t->udp->refs) > 1);
	answer_held(1, 0); /* nothing breaks */
	answer_held(2, 0);
	world_turn(&t->w);
	assert_int_equal(atomic_load(&t->udp->refs), 1);
	close(fd);
	bench_stop(t);
}

static struct conf *with_proxy(void)
{
	struct conf *c = new_conf();

	assert_int_equal(netset_add_text(c->proxy_acl, "127.0.0.0/8"), 0);
	return c;
}

/* sends a header of |extra| more bytes, and a query behind it. */
static void ask_through(int fd, uint16_t id, size_t extra)
{
	uint8_t out[4096];
	size_t n = proxy_head(out, "203.0.113.9", extra, false);

	n += make_query(out + n, id, "www.example", QTYPE_A);
	assert_int_equal(send(fd, out, n, 0), n);
}

static void proxy(void **state)
{
	struct conf *c = with_proxy();
	struct bench *t;
	static uint8_t msg[DNS_MAX];
	int fd;

	(void)state;
	set_number(c, "setProxyProtocolMaximumPayloadSize", 32); /* addresses take 12 */
	t = bench_new(c, true);
	fd = other_connect(SOCK_DGRAM, t->udp_port);
	ask_through(fd, 1, 0);
	UNTIL(&t->w, held.n == 1);
	assert_true(held.q[0]->client.inner);
	assert_int_equal(held.q[0]->client.remote.ip[0], 203);
	assert_int_equal(held.q[0]->client.remote.port, 1234);
	assert_int_equal(held.q[0]->client.local.port, 53);
	answer_held(0, 0);
	told(t, fd, msg);
	assert_int_equal(dns_id(msg), 1);
	ask_through(fd, 2, 20);
	UNTIL(&t->w, held.n == 2);
	ask_through(fd, 3, 21);
	UNTIL(&t->w, reasons(&t->w, REASON_PROXY_HEADER) == 1);
	ask(fd, 4); /* without a header */
	UNTIL(&t->w, reasons(&t->w, REASON_PROXY_HEADER) == 2);
	assert_int_equal(held.n, 2);
	answer_held(1, 0);
	told(t, fd, msg);
	assert_int_equal(dns_id(msg), 2);
	close(fd);
	bench_stop(t);
}

static void proxy_not_here(void **state)
{
	static struct bench t;
	struct bind_conf b = at("127.0.0.1");
	static uint8_t msg[DNS_MAX];
	int fd;

	(void)state;
	b.enable_proxy = false;
	bench_start(&t, with_proxy(), &b, false);
	fd = other_connect(SOCK_DGRAM, t.udp_port);
	ask(fd, 1);
	told(&t, fd, msg);
	assert_int_equal(dns_id(msg), 1);
	close(fd);
	bench_stop(&t);
}

int test_front_udp(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(answers), cmocka_unit_test(batches),
		cmocka_unit_test(refused_by_size_and_acl), cmocka_unit_test(muted), cmocka_unit_test(wildcard),
		cmocka_unit_test(stops_with_waiting), cmocka_unit_test(proxy), cmocka_unit_test(proxy_not_here)};

	return cmocka_run_group_tests_name("front_udp", tests, NULL, NULL);
}
