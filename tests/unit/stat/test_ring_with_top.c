/* test_ring_with_top.c: slots, long names, the end of the ring, readers beside the writer. */
#include "fixture.h"
#include "mem.h"
#include <pthread.h>
#include <stdio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

int test_ring_with_top(void);

struct seen {
	struct ring_entry last;
	uint64_t first_ms, last_ms;
	unsigned n, stop_at;
	bool disorder, bad_name;
};

static bool see(void *ctx, const struct ring_entry *e)
{
	struct seen *s = ctx;

	if (s->n++ == 0)
		s->first_ms = e->when_ms;
	else if (e->when_ms != s->last_ms + 1)
		s->disorder = true;
	s->last_ms = e->when_ms;
	s->last = *e;
	if (name_check(e->name, e->name_len) != e->name_len)
		s->bad_name = true;
	return s->n != s->stop_at;
}

/* long_name: |len| wire bytes (3 … 255). */
static size_t long_name(uint8_t *wire, size_t len)
{
	size_t at = 0;

	while (at + 1 < len) {
		size_t label = len - 1 - at - 1;

		if (label > 63)
			label = label == 64 ? 62 : 63;
		wire[at] = (uint8_t)label;
		memset(wire + at + 1, 'a' + (int)(at % 26), label);
		at += 1 + label;
	}
	wire[at] = 0;
	return at + 1;
}

static void an_entry_comes_back(void **state UNUSED)
{
	struct ring *ring = ring_new(100, true);
	struct seen s = {0};
	char buf[NAME_TEXT];

	say(ring, &(struct said){.name = "Example.org",
			  .client = "[2001:db8::1]:5353",
			  .backend = "192.0.2.53",
			  .when_ms = 1700000000123,
			  .usec = 1500,
			  .qtype = QTYPE_MX,
			  .size = 512,
			  .flags = 0x8180,
			  .ancount = 2,
			  .proto = PROTO_DOT});
	assert_int_equal(ring_each(ring, see, &s), 0);
	assert_int_equal(s.n, 1);
	assert_int_equal(ring_count(ring), 1);
	assert_true(s.last.when_ms == 1700000000123 && s.last.usec == 1500 && s.last.is_response);
	assert_int_equal(s.last.qtype, QTYPE_MX);
	assert_int_equal(s.last.size, 512);
	assert_int_equal(s.last.flags, 0x8180);
	assert_int_equal(s.last.ancount, 2);
	assert_int_equal(s.last.proto, PROTO_DOT);
	assert_string_equal(addr_print(&s.last.client, true, buf), "[2001:db8::1]:5353");
	assert_string_equal(addr_print(&s.last.backend, true, buf), "192.0.2.53:53");
	name_to_text(s.last.name, false, buf);
	assert_string_equal(buf, "Example.org");
	ring_free(&ring);
	assert_null(ring);
	ring_free(&ring);
}

static void nothing_given(void **state UNUSED)
{
	struct ring *ring = ring_new(10, false);
	struct seen s = {0};

	ring_put(ring, 1, NULL, NULL, 0, (const uint8_t *)"", 0, 0, 0, 0, 0, 0);
	assert_int_equal(ring_each(ring, see, &s), 0);
	assert_int_equal(s.n, 1);
	assert_int_equal(s.last.client.family, 0);
	assert_int_equal(s.last.backend.family, 0);
	assert_int_equal(s.last.name_len, 0);
	ring_put(NULL, 1, NULL, NULL, 0, (const uint8_t *)"", 0, 0, 0, 0, 0,
		0); /* no ring: nothing */
	ring_free(&ring);
	assert_null(ring_new(0, false));
}

static void long_names(void **state UNUSED)
{
	static const uint16_t lens[] = {1, 3, 36, 37, 60, 132, 133, 200, 228, 229, 255};
	struct ring *ring = ring_new(7, false);
	uint8_t wire[NAME_WIRE];

	for (unsigned round = 0; round < 100; round++) {
		for (size_t i = 0; i < LEN(lens); i++) {
			struct seen s = {0};
			size_t len = long_name(wire, lens[i]);

			assert_int_equal(len, lens[i]);
			ring_put(ring, round * LEN(lens) + i, NULL, NULL, 0, wire, len, 1, 0, 0, 0,
				0);
			assert_int_equal(ring_each(ring, see, &s), 0);
			assert_false(s.disorder || s.bad_name);
			assert_int_equal(s.last.name_len, len);
			assert_memory_equal(s.last.name, wire, len);
			assert_int_equal(s.n, ring_count(ring));
			assert_true(s.n >= 1 && s.n <= 7);
		}
	}
	ring_free(&ring);
}

static void the_oldest_leave(void **state UNUSED)
{
	struct ring *ring = ring_new(5, false);

	for (unsigned i = 1; i <= 23; i++) {
		struct seen s = {0};

		say(ring, &(struct said){.name = "a.test", .when_ms = i});
		assert_int_equal(ring_each(ring, see, &s), 0);
		assert_int_equal(s.n, i < 5 ? i : 5);
		assert_int_equal(s.last_ms, i);
		assert_int_equal(s.first_ms, i < 5 ? 1 : i - 4);
		assert_false(s.disorder);
	}
	ring_free(&ring);
}

static void a_reader_may_stop(void **state UNUSED)
{
	struct ring *ring = ring_new(5, false);
	struct seen s = {.stop_at = 2};

	for (unsigned i = 0; i < 5; i++)
		say(ring, &(struct said){.name = "a.test", .when_ms = i});
	assert_int_equal(ring_each(ring, see, &s), 0);
	assert_int_equal(s.n, 2);
	ring_free(&ring);
}

static void out_of_memory(void **state UNUSED)
{
	struct ring *ring;
	struct seen s = {0};

	mem_fail_at(1);
	assert_null(ring_new(10, false));
	mem_fail_at(0);
	ring = ring_new(10, false);
	mem_fail_at(1);
	assert_int_equal(ring_each(ring, see, &s), -ENOMEM);
	mem_fail_at(0);
	ring_free(&ring);
}

static void *write_much(void *arg)
{
	uint8_t wire[NAME_WIRE];

	for (unsigned i = 0; i < 20000; i++) {
		size_t len = long_name(wire, i % 7 == 0 ? 255 : 20);

		ring_put(arg, i, NULL, NULL, 0, wire, len, 1, 0, 0, 0, 0);
	}
	return NULL;
}

static void readers_beside_the_writer(void **state UNUSED)
{
	struct ring *ring = ring_new(64, false);
	pthread_t writer;
	unsigned reads = 0;

	assert_int_equal(pthread_create(&writer, NULL, write_much, ring), 0);
	for (; reads < 200; reads++) {
		struct seen s = {0};

		assert_int_equal(ring_each(ring, see, &s), 0);
		assert_false(s.bad_name);
		assert_true(ring_count(ring) <= 64);
	}
	assert_int_equal(pthread_join(writer, NULL), 0);
	ring_free(&ring);
}

int test_ring_with_top(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_entry_comes_back),
		cmocka_unit_test(nothing_given),
		cmocka_unit_test(long_names),
		cmocka_unit_test(the_oldest_leave),
		cmocka_unit_test(a_reader_may_stop),
		cmocka_unit_test(out_of_memory),
		cmocka_unit_test(readers_beside_the_writer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
