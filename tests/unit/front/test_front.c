/* test_front.c: listeners, when they are the same, and their end. */
#include "front_help.h"

int test_front(void);

static struct listener *make(const struct front_ops *ops, const struct bind_conf *b)
{
	const char *error = "";
	struct listener *l = listener_new(ops, b, &error);

	if (!l)
		fail_msg("%s", error);
	return l;
}

static void same(void **state)
{
	const char *error = "";
	char lo[] = "lo", other[] = "eth0", empty[] = "";
	struct bind_conf b = at("127.0.0.1:53"), x;
	struct listener *l = make(&front_udp, &b);

	(void)state;
	assert_true(listener_same(l, &front_udp, &b));
	assert_false(listener_same(l, &front_tcp, &b));
	x = b;
	x.interface = empty; /* none either */
	assert_true(listener_same(l, &front_udp, &x));
	x.interface = lo;
	assert_false(listener_same(l, &front_udp, &x));
#define DIFFERS(change)                                                                                                \
	do {                                                                                                           \
		x = b;                                                                                                 \
		x.change;                                                                                              \
		assert_false(listener_same(l, &front_udp, &x));                                                        \
	} while (0)
	DIFFERS(addr.port = 54);
	DIFFERS(addr.ip[3] = 2);
	DIFFERS(addr.scope = 1);
	DIFFERS(reuse_port = true);
#undef DIFFERS
	x = b; /* these are taken over by the running listener: a reload needs no new socket for them */
	x.enable_proxy = false;
	x.max_in_flight = 5;
	x.max_connections = 6;
	assert_true(listener_same(l, &front_udp, &x));
	assert_true(l->enable_proxy);
	assert_int_equal(listener_update(l, &x, &error), 0);
	assert_false(l->enable_proxy);
	assert_int_equal(l->max_in_flight, 5);
	assert_int_equal(l->max_connections, 6);
	listener_free(&l);
	b.interface = lo;
	l = make(&front_udp, &b);
	assert_true(listener_same(l, &front_udp, &b));
	assert_ptr_not_equal(l->conf.interface, lo);
	b.interface = other;
	assert_false(listener_same(l, &front_udp, &b));
	listener_free(&l);
	assert_null(l);
}

static void listener_memory(void **state)
{
	char lo[] = "lo";
	struct bind_conf b = at("127.0.0.1:53");
	const char *error = "";

	(void)state;
	b.interface = lo;
	for (unsigned long n = 1; n < 3; n++) {
		mem_fail_at(n);
		assert_null(listener_new(&front_tcp, &b, &error));
	}
	mem_fail_at(0);
}

static void cannot_open(void **state)
{
	struct bind_conf b = at("192.0.2.1:5353"); /* not an address of this machine */
	const struct front_ops *const ops[] = {&front_udp, &front_tcp};

	(void)state;
	for (size_t i = 0; i < LEN(ops); i++) {
		struct listener *l = make(ops[i], &b);
		const char *error = "";

		assert_true(ops[i]->open(l, &error) < 0);
		assert_true(error[0] != 0);
		listener_free(&l);
	}
}

static void start_memory(void **state)
{
	struct bench *t = bench_new(new_conf(), false);
	struct bind_conf b = at("127.0.0.1");
	struct listener *l = make(&front_udp, &b);
	const char *error = "";
	int fd = front_udp.open(l, &error);

	(void)state;
	assert_true(fd >= 0);
	mem_fail_at(1);
	assert_int_equal(front_start(&t->w.lane, l, fd), -ENOMEM);
	mem_fail_at(0);
	listener_free(&l);
	bench_stop(t);
}

/* Only the one that is asked stops; its port is free again. */
static void stop(void **state)
{
	struct bench *t = bench_new(new_conf(), false);
	uint8_t msg[512];
	size_t len = make_query(msg, 7, "www.example", QTYPE_A);
	int fd = other_connect(SOCK_STREAM, t->tcp_port), again;
	struct sockaddr_in a = loopback(t->udp_port);

	(void)state;
	UNTIL(&t->w, t->w.lane.conns == 1);
	front_stop(&t->w.lane, t->udp);
	assert_ptr_equal(t->w.lane.fronts->listener, t->tcp);
	assert_null(t->w.lane.fronts->next);
	again = socket(AF_INET, SOCK_DGRAM, 0);
	assert_int_equal(bind(again, (struct sockaddr *)&a, sizeof(a)), 0);
	close(again);
	front_stop(&t->w.lane, t->tcp);
	assert_null(t->w.lane.fronts);
	/* connections stay and are answered */
	write_frame(fd, msg, len);
	assert_int_equal(read_frame(&t->w, fd, msg), len);
	assert_int_equal(dns_rcode(msg), RCODE_SERVFAIL);
	close(fd);
	UNTIL(&t->w, t->w.lane.conns == 0);
	bench_stop(t);
}

int test_front(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(same), cmocka_unit_test(listener_memory),
		cmocka_unit_test(cannot_open), cmocka_unit_test(start_memory), cmocka_unit_test(stop)};

	return cmocka_run_group_tests_name("front", tests, NULL, NULL);
}
