/* test_wire.c: plain wires: bytes, the end, a kernel that takes no more, what is waited for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "mem.h"
#include "tls.h"
#include <sys/socket.h>
#include <unistd.h>

int test_wire(void);

static struct loop loop;
static unsigned woken;

static void ready(struct io *io, short what)
{
	(void)what;
	woken++;
	io_stop(io);
	io->loop->stop = true;
}

static int set_up(void **state)
{
	(void)state;
	return loop_init(&loop);
}

static int tear_down(void **state)
{
	(void)state;
	loop_done(&loop);
	return 0;
}

static void open_pair(struct wire *w, int *peer_r)
{
	int fd[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd), 0);
	wire_init(w, &loop, fd[0], NULL, ready);
	*peer_r = fd[1];
}

static void bytes(void **state)
{
	struct wire w;
	uint8_t buf[8];
	int peer;

	(void)state;
	open_pair(&w, &peer);
	assert_int_equal(wire_shake(&w), 0);
	assert_true(wire_shaken(&w));
	assert_int_equal(wire_read(&w, buf, sizeof(buf)), -EAGAIN);
	assert_int_equal(write(peer, "0123456789", 10), 10);
	assert_int_equal(wire_read(&w, buf, sizeof(buf)), 8);
	assert_memory_equal(buf, "01234567", 8);
	assert_false(wire_more(&w));
	assert_int_equal(wire_write(&w, (const uint8_t *)"abc", 3), 3);
	assert_false(w.blocked);
	assert_int_equal(read(peer, buf, sizeof(buf)), 3);
	assert_int_equal(shutdown(peer, SHUT_WR), 0);
	assert_int_equal(wire_read(&w, buf, sizeof(buf)), 2);
	assert_int_equal(wire_read(&w, buf, sizeof(buf)), 0);
	assert_int_equal(wire_write(&w, (const uint8_t *)"half", 4), 4); /* half closed */
	wire_close(&w, false);
	assert_int_equal(read(peer, buf, sizeof(buf)), 4);
	assert_int_equal(read(peer, buf, sizeof(buf)), 0);
	close(peer);
}

static void no_room(void **state)
{
	static uint8_t block[65536];
	struct wire w;
	ssize_t n, sum = 0;
	int peer;

	(void)state;
	open_pair(&w, &peer);
	while ((n = wire_write(&w, block, sizeof(block))) > 0)
		sum += n;
	assert_int_equal(n, -EAGAIN);
	assert_true(w.blocked);
	assert_true(sum > 0);
	while (read(peer, block, sizeof(block)) > 0)
		;
	assert_true(wire_write(&w, block, 10) == 10);
	assert_false(w.blocked);
	close(peer);
	assert_int_equal(wire_write(&w, block, 10), -EPIPE);
	wire_close(&w, true);
}

static void waiting(void **state)
{
	struct wire w;
	int peer;

	(void)state;
	open_pair(&w, &peer);
	assert_int_equal(wire_want(&w, false, true), 0);
	assert_int_equal(w.io.what, IO_WRITE);
	assert_int_equal(wire_want(&w, true, true), 0);
	assert_int_equal(w.io.what, IO_READ | IO_WRITE);
	assert_int_equal(wire_want(&w, false, false), 0);
	assert_int_equal(w.io.what, 0);
	assert_int_equal(wire_want(&w, true, false), 0);
	assert_int_equal(write(peer, "x", 1), 1);
	loop.stop = false;
	loop_run(&loop);
	assert_int_equal(woken, 1);
	wire_close(&w, false);
	close(peer);
}

int test_wire(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes),
		cmocka_unit_test(no_room),
		cmocka_unit_test(waiting),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
