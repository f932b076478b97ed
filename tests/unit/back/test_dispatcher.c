/* test_dispatcher.c: the table of ways to backends, and one home for the connections of many workers. */
#include "fake_up.h"
#include <pthread.h>

int test_dispatcher(void);

static struct world w;

/* ---- one worker ---- */
static void made_once(void **state)
{
	struct back *udp, *stream;

	(void)state;
	fake_start(&w, new_conf(), "");
	stream = back_get(&w.lane.core, server, true);
	udp = back_get(&w.lane.core, server, false);
	assert_non_null(stream);
	assert_non_null(udp);
	assert_ptr_not_equal(stream, udp);
	assert_ptr_equal(back_get(&w.lane.core, server, true), stream);
	assert_ptr_equal(back_get(&w.lane.core, server, false), udp);
	assert_true(back_is_stream(stream));
	assert_false(back_is_stream(udp));
	back_close_server(&w.lane, server);
	assert_null(*back_slot(&w.lane, server, true));
	assert_null(*back_slot(&w.lane, server, false));
	stop(&w);
}

/* A transport that nobody used for five minutes goes when another is used. */
static void unused(void **state)
{
	struct server *other = make_up("192.0.2.9:853", "tcpOnly=true"), *warm = make_up("192.0.2.10:853",
		"tcpOnly=true keepWarm=3600");

	(void)state;
	fake_start(&w, new_conf(), "");
	fake_way(&w, other);
	fake_way(&w, warm);
	ask_many(&w, 1, 1);
	fake_opens(0);
	fake_says(0, 0);
	pass(&w, 4 * 60 * 1000);
	(void)back_get(&w.lane.core, other, true);
	ask_many(&w, 2, 1);
	fake_opens(1);
	fake_says(1, 0);
	pass(&w, 2 * 60 * 1000);
	(void)back_get(&w.lane.core, server, true);
	assert_null(*back_slot(&w.lane, other, true));
	assert_non_null(*back_slot(&w.lane, server, true));
	assert_non_null(*back_slot(&w.lane, warm, true));
	pass(&w, 10 * 60 * 1000);
	(void)back_get(&w.lane.core, server, true); /* itself is used, so it stays */
	assert_non_null(*back_slot(&w.lane, server, true));
	stop(&w);
	server_free(&other);
	server_free(&warm);
}

static void swept(void **state)
{
	struct server *gone = make_up("192.0.2.9:853", "tcpOnly=true");

	(void)state;
	fake_start(&w, new_conf(), "");
	fake_way(&w, gone);
	back_sweep(&w.lane, w.conf);
	assert_null(*back_slot(&w.lane, gone, true));
	assert_non_null(*back_slot(&w.lane, server, true));
	stop(&w);
	assert_int_equal(atomic_load(&gone->refs), 1);
	server_free(&gone);
}

/* Closed with queries in its queue and out on a connection: each ends, once. */
static void closed_while_waiting(void **state)
{
	(void)state;
	fake_start(&w, new_conf(), "tcpRecvTimeout=1");
	ask_many(&w, 1, 3);
	fake_opens(0);
	fake_says(0, 0);
	fakes[0].room = 0;
	ask_many(&w, 4, 2);
	w.edge.back = back_get;
	back_close(&w.lane, back_slot(&w.lane, server, true));
	assert_true(fakes[0].closed);
	back_close(&w.lane, back_slot(&w.lane, server, true)); /* they may have made another */
	pass(&w, 3000);
	core_done(&w.lane.core);
	assert_int_equal(ended, 5);
	stop(&w);
}

static void no_memory(void **state)
{
	(void)state;
	fake_start(&w, new_conf(), "");
	back_close_server(&w.lane, server);
	for (unsigned long n = 1; n < 4; n++) {
		struct back *b;

		mem_fail_at(n);
		b = back_get(&w.lane.core, server, true);
		mem_fail_at(0);
		assert_true(b || n == 1);
	}
	stop(&w);
}

/* ---- four workers, one of them the home of the backend's only connection; their loops run, each in its thread ---- */
enum { WORKERS = 4, EACH = 500, WINDOW = 32 };

static struct crowd {
	struct world w;
	pthread_t thread;
	struct wheel_node start;
	unsigned asked, answered, failed;
	bool done;
} crowd[WORKERS];
static _Atomic unsigned crowd_done;

static struct lane *home_of(struct lane *lane, const struct server *s, bool stream)
{
	(void)lane;
	(void)s;
	(void)stream;
	return &crowd[0].w.lane;
}

static void crowd_ask(struct crowd *c);

static void crowd_over(struct crowd *c)
{
	if (c->answered + c->failed < EACH || c->done)
		return;
	c->done = true;
	atomic_fetch_add(&crowd_done, 1);
}

static void crowd_answer(struct client *cl, const uint8_t *msg, size_t len)
{
	struct crowd *c = cl->front;

	(void)len;
	c->answered += dns_rcode(msg) == RCODE_NOERROR && dns_id(msg) == cl->remote.port;
	c->failed += dns_rcode(msg) != RCODE_NOERROR || dns_id(msg) != cl->remote.port;
	crowd_ask(c);
	crowd_over(c);
}

static void crowd_drop(struct client *cl, enum reason why)
{
	struct crowd *c = cl->front;

	(void)why;
	if (!c->w.lane.loop.stop)
		c->failed++;
	crowd_over(c);
}

static void crowd_ask(struct crowd *c)
{
	static const struct client_ops ops = {crowd_answer, crowd_drop, crowd_answer, NULL};
	struct client cl = {.ops = &ops, .stream = true, .proto = PROTO_TCP, .front = c};
	uint8_t query[512];
	char name[64];
	size_t len;

	if (c->asked == EACH)
		return;
	snprintf(name, sizeof(name), "q%u.w%u.example", c->asked, c->w.lane.index);
	len = make_query(query, (uint16_t)c->asked, name, QTYPE_A);
	assert_int_equal(addr_parse(&cl.remote, "127.0.0.1", (uint16_t)c->asked), 0);
	assert_int_equal(addr_parse(&cl.local, "127.0.0.1", 53), 0);
	c->asked++;
	query_start(&c->w.lane.core, &cl, query, len);
}

static void crowd_tick(struct wheel_node *node, uint64_t now_ms)
{
	struct crowd *c = container_of(node, struct crowd, start);

	while (c->asked < WINDOW)
		crowd_ask(c);
	if (atomic_load(&crowd_done) == WORKERS)
		c->w.lane.loop.stop = true;
	wheel_arm(&c->w.lane.loop.wheel, node, now_ms + 8);
}

static void *crowd_run(void *arg)
{
	struct crowd *c = arg;

	c->start.fire = crowd_tick;
	wheel_arm(&c->w.lane.loop.wheel, &c->start, loop_ms(&c->w.lane.loop) + 1);
	loop_run(&c->w.lane.loop);
	return NULL;
}

/* What the fake backend does, on the home's thread: opens, answers in reverse, dies with every hundredth answer. */
static struct wheel_node far_clock;
static unsigned far_answers;

static void far_tick(struct wheel_node *node, uint64_t now_ms)
{
	for (unsigned i = 0; i < nfakes; i++) {
		struct fake *f = &fakes[i];

		if (!f->closed && !f->open)
			fake_opens(i);
		while (!f->closed && f->sent) {
			fake_says_last(i);
			if (!f->closed && ++far_answers % 100 == 0)
				fake_dies(i, REASON_CONN_RESET);
		}
	}
	wheel_arm(&crowd[0].w.lane.loop.wheel, node, now_ms + 8);
}

static void four_workers(void **state)
{
	struct conf *c = new_conf();

	(void)state;
	memset(crowd, 0, sizeof(crowd));
	far_answers = 0;
	atomic_store(&crowd_done, 0);
	server = make_up("127.0.0.1:853", "tcpOnly=true tcpRecvTimeout=20");
	fakes_forget(&crowd[0].w);
	for (unsigned i = 0; i < WORKERS; i++) {
		struct world *x = &crowd[i].w;

		c = i ? new_conf() : c;
		assert_int_equal(conf_add_server(c, server_ref(server)), 0);
		world_start(x, c);
		x->lane.index = i;
		x->lane.home = home_of;
		x->edge.back = back_get_home;
	}
	fake_way(&crowd[0].w, server);
	far_clock.fire = far_tick;
	wheel_arm(&crowd[0].w.lane.loop.wheel, &far_clock, loop_ms(&crowd[0].w.lane.loop) + 8);
	for (unsigned i = 0; i < WORKERS; i++)
		assert_int_equal(pthread_create(&crowd[i].thread, NULL, crowd_run, &crowd[i]), 0);
	for (unsigned i = 0; i < WORKERS; i++)
		assert_int_equal(pthread_join(crowd[i].thread, NULL), 0);
	wheel_disarm(&crowd[0].w.lane.loop.wheel, &far_clock);
	for (unsigned i = 0; i < WORKERS; i++) {
		assert_int_equal(crowd[i].answered, EACH);
		assert_int_equal(crowd[i].failed, 0);
	}
	assert_true(nfakes >= 10); /* it died so often, and nobody noticed */
	for (unsigned i = WORKERS; i-- > 0;) {
		wheel_disarm(&crowd[i].w.lane.loop.wheel, &crowd[i].start);
		world_stop(&crowd[i].w);
	}
	assert_int_equal(atomic_load(&server->outstanding), 0);
	assert_int_equal(atomic_load(&server->connections), 0);
	assert_int_equal(atomic_load(&server->refs), 1);
	server_free(&server);
}

int test_dispatcher(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(made_once), cmocka_unit_test(unused), cmocka_unit_test(swept),
		cmocka_unit_test(closed_while_waiting), cmocka_unit_test(no_memory), cmocka_unit_test(four_workers)};

	return cmocka_run_group_tests_name("dispatcher", tests, NULL, NULL);
}
