/* test_dgram.c: datagrams in batches, over sockets on loopback. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "mem.h"
#include "net.h"

int test_dgram(void);

struct ends {
	int fd[2];
	struct addr addr[2];
	struct dgram_in *in;
	struct dgram_out *out;
};

static void open_ends(struct ends *e, const char *address, unsigned batch)
{
	e->in = dgram_in_new(batch, true);
	e->out = dgram_out_new(batch);
	assert_non_null(e->in);
	assert_non_null(e->out);
	assert_int_equal(dgram_batch(e->in), batch);
	for (unsigned i = 0; i < 2; i++) {
		struct sock_opts o = {.bind = &e->addr[i], .pktinfo = true};

		assert_int_equal(addr_parse(&e->addr[i], address, 0), 0);
		e->fd[i] = sock_udp(e->addr[i].family, &o);
		if (e->fd[i] < 0)
			fail_msg("%s: %s", address, strerror(-e->fd[i]));
		sock_local(e->fd[i], &e->addr[i]);
		assert_int_not_equal(e->addr[i].port, 0);
	}
}

static void close_ends(struct ends *e)
{
	for (unsigned i = 0; i < 2; i++) {
		dgram_forget(e->out, e->fd[i]);
		close(e->fd[i]);
	}
	dgram_in_free(&e->in);
	dgram_out_free(&e->out);
	assert_null(e->in);
	assert_null(e->out);
}

static void there_and_back(void **state)
{
	static const char *const addresses[] = {"127.0.0.1:0", "[::1]:0"};

	(void)state;
	for (size_t i = 0; i < LEN(addresses); i++) {
		struct ends e;
		struct dgram d;

		open_ends(&e, addresses[i], 8);
		assert_int_equal(dgram_read(e.in, e.fd[0], true), -EAGAIN);
		dgram_send(e.out, e.fd[1], &e.addr[0], NULL, 0, (const uint8_t *)"there", 5);
		assert_int_equal(dgram_read(e.in, e.fd[0], true), -EAGAIN); /* queued */
		dgram_flush(e.out);
		assert_int_equal(dgram_read(e.in, e.fd[0], true), 1);
		dgram_get(e.in, 0, &d);
		assert_int_equal(d.len, 5);
		assert_memory_equal(d.msg, "there", 5);
		assert_true(addr_same(&d.from, &e.addr[1]));
		assert_true(addr_same_ip(&d.to, &e.addr[0])); /* from packet info */
		assert_false(d.truncated);
		/* back from the address that was asked */
		dgram_send(e.out, e.fd[0], &d.from, &d.to, d.ifindex, (const uint8_t *)"back", 4);
		dgram_flush(e.out);
		assert_int_equal(dgram_read(e.in, e.fd[1], true), 1);
		dgram_get(e.in, 0, &d);
		assert_true(addr_same(&d.from, &e.addr[0]));
		assert_int_equal(dgram_errors(e.out), 0);
		close_ends(&e);
	}
}

static void more_than_a_batch(void **state)
{
	enum { BATCH = 8, MANY = 50 };
	unsigned next = 0;
	struct ends e;
	int n;

	(void)state;
	open_ends(&e, "127.0.0.1:0", BATCH);
	for (unsigned i = 0; i < MANY; i++) {
		uint8_t m[100] = {(uint8_t)i};

		dgram_send(e.out, e.fd[1], &e.addr[0], NULL, 0, m, 1 + i);
	}
	dgram_flush(e.out);
	while ((n = dgram_read(e.in, e.fd[0], next & 8)) > 0) { /* with and without the sender's address */
		assert_true(n <= BATCH);
		for (int i = 0; i < n; i++) {
			struct dgram d;

			dgram_get(e.in, (unsigned)i, &d);
			assert_int_equal(d.len, 1 + next);
			assert_int_equal(d.msg[0], next++);
		}
	}
	assert_int_equal(n, -EAGAIN);
	assert_int_equal(next, MANY);
	close_ends(&e);
}

static void two_sockets_in_one_batch(void **state)
{
	unsigned seen[2] = {0};
	struct ends e;
	int n;

	(void)state;
	open_ends(&e, "127.0.0.1:0", 16);
	for (unsigned i = 0; i < 10; i++) { /* each to itself: the sender tells the socket */
		uint8_t m = (uint8_t)i;

		dgram_send(e.out, e.fd[i % 2], &e.addr[i % 2], NULL, 0, &m, 1);
	}
	dgram_flush(e.out);
	for (unsigned side = 0; side < 2; side++) {
		n = dgram_read(e.in, e.fd[side], true);
		assert_int_equal(n, 5);
		for (int i = 0; i < n; i++) {
			struct dgram d;

			dgram_get(e.in, (unsigned)i, &d);
			assert_true(addr_same(&d.from, &e.addr[side]));
			assert_int_equal(d.msg[0], 2 * seen[side]++ + side); /* in order */
		}
	}
	close_ends(&e);
}

/* Datagrams of a few lengths on a connected socket: all arrive, each as it was, in order within its length; the same when
 * the kernel takes no runs on that socket, and with a socket that sends answers in between. */
static void runs_of_one_length(void **state)
{
	enum { MANY = 150 };
	static const size_t lens[] = {0, 1, 33, 34, 511, 512};

	(void)state;
	for (int refused = 0; refused < 2; refused++) {
		unsigned next[LEN(lens)] = {0}, seen = 0, answers = 0;
		struct sockaddr_storage ss;
		struct ends e;
		int n;

		open_ends(&e, "127.0.0.1:0", 200);
		assert_int_equal(connect(e.fd[1], (struct sockaddr *)&ss, addr_to_sockaddr(&e.addr[0], &ss)), 0);
		/* without checksums there are no runs */
		assert_int_equal(setsockopt(e.fd[1], SOL_SOCKET, SO_NO_CHECK, &refused, sizeof(refused)), 0);
		for (unsigned i = 0; i < MANY; i++) {
			uint8_t m[512] = {(uint8_t)i};

			dgram_send(e.out, e.fd[1], NULL, NULL, 0, m, lens[i < 100 ? 2 : i % LEN(lens)]);
			if (i % 10 == 0)
				dgram_send(e.out, e.fd[0], &e.addr[1], &e.addr[0], 0, m, 33);
		}
		dgram_flush(e.out);
		assert_int_equal(dgram_errors(e.out), 0);
		while ((n = dgram_read(e.in, e.fd[0], true)) > 0) {
			for (int i = 0; i < n; i++) {
				struct dgram d;
				unsigned which = 0;

				dgram_get(e.in, (unsigned)i, &d);
				while (lens[which] != d.len)
					assert_true(++which < LEN(lens));
				assert_true(addr_same(&d.from, &e.addr[1]));
				assert_true(d.len == 0 || next[which] == 0 || d.msg[0] > next[which]);
				next[which] = d.len ? d.msg[0] : 0;
				seen++;
			}
		}
		while ((n = dgram_read(e.in, e.fd[1], true)) > 0)
			answers += (unsigned)n;
		assert_int_equal(seen, MANY);
		assert_int_equal(answers, MANY / 10);
		close_ends(&e);
	}
}

static void long_and_empty(void **state)
{
	static uint8_t m[DGRAM_MAX + 1];
	struct ends e;
	struct dgram d;

	(void)state;
	open_ends(&e, "127.0.0.1:0", 4);
	dgram_send(e.out, e.fd[1], &e.addr[0], NULL, 0, m, DGRAM_MAX);
	dgram_send(e.out, e.fd[1], &e.addr[0], NULL, 0, m, DGRAM_MAX + 1);
	dgram_send(e.out, e.fd[1], &e.addr[0], NULL, 0, m, 0);
	dgram_flush(e.out);
	assert_int_equal(dgram_read(e.in, e.fd[0], true), 3);
	dgram_get(e.in, 0, &d);
	assert_int_equal(d.len, DGRAM_MAX);
	assert_false(d.truncated);
	dgram_get(e.in, 1, &d);
	assert_true(d.truncated);
	dgram_get(e.in, 2, &d);
	assert_int_equal(d.len, 0);
	close_ends(&e);
}

static void what_cannot_be_sent_is_counted(void **state)
{
	struct addr nowhere;
	struct ends e;

	(void)state;
	open_ends(&e, "127.0.0.1:0", 4);
	assert_int_equal(addr_parse(&nowhere, "[::1]:9", 0), 0); /* another family */
	dgram_send(e.out, e.fd[1], &e.addr[0], NULL, 0, (const uint8_t *)"a", 1);
	dgram_send(e.out, e.fd[1], &nowhere, NULL, 0, (const uint8_t *)"b", 1);
	dgram_send(e.out, e.fd[1], &e.addr[0], NULL, 0, (const uint8_t *)"c", 1);
	dgram_flush(e.out);
	assert_int_equal(dgram_errors(e.out), 1);
	assert_int_equal(dgram_read(e.in, e.fd[0], true), 2); /* the others went */
	assert_int_equal(dgram_read(e.in, -1, true), -EBADF);
	close_ends(&e);
}

static void batches_bear_no_memory(void **state)
{
	struct dgram_in *in = NULL;
	struct dgram_out *out = NULL;
	unsigned n;

	(void)state;
	for (n = 1; !in; n++) {
		mem_fail_at(n);
		in = dgram_in_new(4, true);
	}
	assert_true(n > 2);
	dgram_in_free(&in);
	for (n = 1; !out; n++) {
		mem_fail_at(n);
		out = dgram_out_new(4);
	}
	assert_true(n > 2);
	mem_fail_at(0);
	dgram_out_free(&out);
}

int test_dgram(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_and_back),
		cmocka_unit_test(more_than_a_batch),
		cmocka_unit_test(two_sockets_in_one_batch),
		cmocka_unit_test(runs_of_one_length),
		cmocka_unit_test(long_and_empty),
		cmocka_unit_test(what_cannot_be_sent_is_counted),
		cmocka_unit_test(batches_bear_no_memory),
	};

	return cmocka_run_group_tests_name("net/dgram", tests, NULL, NULL);
}
