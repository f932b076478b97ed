/* test_hold.c: what connections hold back together: clients that read nothing, or end no message. */
#include "conn.h"
#include "front_help.h"

int test_hold(void);

enum { MANY = 12, MESSAGE = 60000 };

static struct conf *patient(void)
{
	struct conf *c = new_conf();

	set_number(c, "setTCPSendTimeout", 100);
	set_number(c, "setTCPRecvTimeout", 100);
	return c;
}

static int come_deaf(struct bench *t)
{
	int fd = other_connect(SOCK_STREAM, t->tcp_port), small = 4096;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	return fd;
}

static size_t sum(struct bench *t, enum hold_kind kind)
{
	return clients_hold(t->w.lane.clients, kind, 0, 0);
}

static uint64_t ended(struct bench *t)
{
	return reasons(&t->w, REASON_CONN_HOLDS);
}

/* One that asks for large answers and does not read goes; one that is idle, and one with little to read, stay. */
static void unread(void **state)
{
	struct bench *t = bench_new(patient(), true);
	int deaf = come_deaf(t), idle = other_connect(SOCK_STREAM, t->tcp_port);

	(void)state;
	UNTIL(&t->w, t->w.lane.conns == 2);
	for (unsigned i = 0; i < 100; i++) {
		uint8_t q[512];

		write_frame(deaf, q, make_query(q, (uint16_t)i, "www.example", QTYPE_A));
	}
	for (unsigned done = 0, quiet = 0; quiet < 200 && ended(t) == 0; quiet++) {
		for (; done < held.n && ended(t) == 0; done++, quiet = 0) {
			if (held.q[done])
				answer_held(done, MESSAGE);
			world_turn(&t->w);
		}
		world_turn(&t->w);
		usleep(200);
	}
	assert_int_equal(ended(t), 1);
	assert_int_equal(t->w.lane.conns, 1);
	assert_int_equal(sum(t, HOLD_MESSAGE), 0);
	close(deaf);
	close(idle);
	UNTIL(&t->w, t->w.lane.conns == 0);
	bench_stop(t);
}

/* Messages that do not end: the fullest connections go, so many that the rest is within the limit. */
static void unended(void **state)
{
	struct bench *t = bench_new(patient(), true);
	static uint8_t half[MESSAGE];
	int fd[MANY], little = other_connect(SOCK_STREAM, t->tcp_port);

	(void)state;
	put16(half, 65535);
	assert_int_equal(send(little, half, 100, MSG_NOSIGNAL), 100);
	for (unsigned i = 0; i < MANY; i++) {
		fd[i] = other_connect(SOCK_STREAM, t->tcp_port);
		for (size_t at = 0; at < sizeof(half);) {
			ssize_t n = send(fd[i], half + at, sizeof(half) - at, MSG_NOSIGNAL | MSG_DONTWAIT);

			world_turn(&t->w);
			if (n < 0 && errno != EAGAIN)
				break;
			at += n > 0 ? (size_t)n : 0;
		}
		UNTIL(&t->w, t->w.lane.conns + ended(t) == i + 2);
		world_pass(&t->w, 10);
		assert_in_range(sum(t, HOLD_MESSAGE), 1, 400 << 10);
	}
	assert_in_range(ended(t), 1, MANY - 2);
	assert_int_equal(sum(t, HOLD_TRANSFER), 0);
	for (unsigned i = 0; i < MANY; i++)
		close(fd[i]);
	UNTIL(&t->w, t->w.lane.conns == 1); /* the small one was not to blame */
	assert_int_equal(sum(t, HOLD_MESSAGE), 0); /* and is not counted */
	close(little);
	UNTIL(&t->w, t->w.lane.conns == 0);
	assert_int_equal(sum(t, HOLD_MESSAGE), 0);
	bench_stop(t);
}

/* A transfer that comes faster than it is read is kept apart and not cut off. */
static void transfer(void **state)
{
	struct bench *t = bench_new(patient(), true);
	static uint8_t part[MESSAGE];
	struct conn *c;
	struct client *q;
	int fd = come_deaf(t);
	uint8_t ask[512];

	(void)state;
	write_frame(fd, ask, make_query(ask, 1, "www.example", QTYPE_A));
	UNTIL(&t->w, held.n == 1);
	c = t->w.lane.idle_first;
	q = c->waiting;
	for (unsigned i = 0; i < 120; i++) {
		q->ops->part(q, part, sizeof(part));
		world_turn(&t->w);
	}
	assert_int_equal(ended(t), 0);
	assert_true(c->transfer && c->blocked);
	assert_int_equal(sum(t, HOLD_MESSAGE), 0);
	assert_true(sum(t, HOLD_TRANSFER) > 1 << 20);
	close(fd);
	UNTIL(&t->w, t->w.lane.conns == 0);
	assert_int_equal(sum(t, HOLD_TRANSFER), 0);
	bench_stop(t);
}

/* A worker that has little of what is too much together leaves it to the one that has most. */
static void elsewhere(void **state)
{
	struct bench *t = bench_new(patient(), true);
	static uint8_t half[MESSAGE];
	int fd = other_connect(SOCK_STREAM, t->tcp_port);

	(void)state;
	put16(half, 65535);
	clients_hold(t->w.lane.clients, HOLD_MESSAGE, 0, 1 << 20);
	UNTIL(&t->w, t->w.lane.conns == 1);
	assert_int_equal(send(fd, half, 20000, MSG_NOSIGNAL), 20000);
	UNTIL(&t->w, sum(t, HOLD_MESSAGE) >= (1 << 20) + 20000);
	assert_int_equal(ended(t), 0);
	clients_hold(t->w.lane.clients, HOLD_MESSAGE, 1 << 20, 0);
	close(fd);
	UNTIL(&t->w, t->w.lane.conns == 0);
	assert_int_equal(sum(t, HOLD_MESSAGE), 0);
	assert_null(t->w.lane.holders);
	bench_stop(t);
}

int test_hold(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(unread), cmocka_unit_test(unended), cmocka_unit_test(transfer),
		cmocka_unit_test(elsewhere)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
