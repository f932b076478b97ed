/* test_stream.c: two bytes of length, then a message; and the queue of bytes behind it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "dns.h"
#include "mem.h"
#include "net.h"

int test_stream(void);

static void frames(void **state)
{
	static const struct {
		size_t given;
		unsigned length;
		int want;
	} cases[] = {
		{0, 12, 0},
		{1, 12, 0},
		{2, 12, 0},
		{13, 12, 0},
		{14, 12, 1},
		{15, 12, 1},
		{2, 0, -EBADMSG},
		{2, 11, -EBADMSG},
		{1, 0, 0},
		{4096, 65535, 0},
		{513, 512, 0},
		{514, 512, 1},
	};
	uint8_t p[4096] = {0};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		const uint8_t *msg = NULL;
		size_t len = 0;

		put16(p, cases[i].length);
		if (frame_next(p, cases[i].given, &msg, &len) != cases[i].want)
			fail_msg("case %zu", i);
		if (cases[i].want == 1) {
			assert_ptr_equal(msg, p + 2);
			assert_int_equal(len, cases[i].length);
		}
	}
}

static void the_longest_frame(void **state)
{
	struct bytes b = {0};
	static uint8_t m[DNS_MAX];
	const uint8_t *msg;
	size_t len;

	(void)state;
	m[DNS_MAX - 1] = 7;
	assert_int_equal(bytes_add_frame(&b, m, DNS_MAX), 0);
	assert_int_equal(b.len, DNS_MAX + 2);
	assert_int_equal(frame_next(b.p + b.at, b.len - 1, &msg, &len), 0);
	assert_int_equal(frame_next(b.p + b.at, b.len, &msg, &len), 1);
	assert_int_equal(len, DNS_MAX);
	assert_int_equal(msg[DNS_MAX - 1], 7);
	bytes_free(&b);
}

/* Numbered bytes go in and come out in pieces of many sizes. */
static void bytes_come_out_in_order(void **state)
{
	struct bytes b = {0};
	uint8_t in = 0, out = 0, piece[97];
	size_t peak = 0;

	(void)state;
	for (unsigned round = 0; round < 3000; round++) {
		size_t n = round * 7 % sizeof(piece), take = round * 5 % 97;

		for (size_t i = 0; i < n; i++)
			piece[i] = in++;
		assert_int_equal(bytes_add(&b, piece, n), 0);
		take = take < b.len ? take : b.len;
		if (round % 11 == 0)
			take = b.len;
		for (size_t i = 0; i < take; i++)
			assert_int_equal(b.p[b.at + i], out++);
		bytes_drop(&b, take);
		peak = b.cap > peak ? b.cap : peak;
	}
	assert_true(peak <= 4096); /* room at the front is used again */
	bytes_drop(&b, b.len);
	assert_int_equal(b.at, 0);
	bytes_free(&b);
	assert_null(b.p);
	assert_int_equal(b.cap, 0);
}

static void several_frames_in_one_queue(void **state)
{
	struct bytes b = {0};
	uint8_t m[300] = {0};
	const uint8_t *msg;
	size_t len;

	(void)state;
	for (unsigned i = 0; i < 50; i++) {
		m[0] = (uint8_t)i;
		assert_int_equal(bytes_add_frame(&b, m, 12 + i * 5), 0);
	}
	for (unsigned i = 0; i < 50; i++) {
		assert_int_equal(frame_next(b.p + b.at, b.len, &msg, &len), 1);
		assert_int_equal(len, 12 + i * 5);
		assert_int_equal(msg[0], i);
		bytes_drop(&b, len + 2);
	}
	assert_int_equal(b.len, 0);
	bytes_free(&b);
}

static void queues_bear_no_memory(void **state)
{
	struct bytes b = {0};
	uint8_t m[600] = {1, 2, 3};

	(void)state;
	mem_fail_at(1);
	assert_int_equal(bytes_add(&b, m, 3), -ENOMEM);
	mem_fail_at(1);
	assert_int_equal(bytes_add_frame(&b, m, 12), -ENOMEM);
	mem_fail_at(0);
	assert_int_equal(b.len, 0);
	assert_int_equal(bytes_add(&b, m, 3), 0);
	mem_fail_at(1);
	assert_int_equal(bytes_add(&b, m, sizeof(m)), -ENOMEM);
	mem_fail_at(1);
	assert_int_equal(bytes_add_frame(&b, m, sizeof(m)), -ENOMEM);
	mem_fail_at(0);
	assert_int_equal(bytes_add(&b, m, (size_t)1 << 30), -ENOMEM); /* more than a queue may hold: it is not looked at */
	assert_int_equal(b.len, 3); /* what was there stays */
	assert_memory_equal(b.p + b.at, m, 3);
	assert_int_equal(bytes_add(&b, NULL, 0), 0);
	bytes_free(&b);
}

int test_stream(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames),
		cmocka_unit_test(the_longest_frame),
		cmocka_unit_test(bytes_come_out_in_order),
		cmocka_unit_test(several_frames_in_one_queue),
		cmocka_unit_test(queues_bear_no_memory),
	};

	return cmocka_run_group_tests_name("net/stream", tests, NULL, NULL);
}
