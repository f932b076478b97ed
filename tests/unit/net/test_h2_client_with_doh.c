/* test_h2_client_with_doh.c: questions and replies, against our server and against frames made by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "h2_help.h"
#include "mem.h"

int test_h2_client_with_doh(void);

static struct wire in;
static struct bytes out;
static struct http_client *client;
static struct http_server *server;
static unsigned replies, losses, last_status;
static uint32_t last_user;
static int last_lost;
static char last_type[100];
static uint8_t last_body[65535];
static size_t last_len;
static uint8_t body[70000];

static void on_reply(void *ctx, uint32_t user, unsigned status, const char *type, const uint8_t *p, size_t len)
{
	assert_ptr_equal(ctx, &in);
	replies++;
	last_user = user;
	last_status = status;
	snprintf(last_type, sizeof(last_type), "%s", type);
	memcpy(last_body, p, len);
	last_len = len;
}

static void on_lost(void *ctx, uint32_t user, enum http_lost how)
{
	assert_ptr_equal(ctx, &in);
	losses++;
	last_user = user;
	last_lost = (int)how;
}

static const struct http_client_ops ops = {on_reply, on_lost};

static ssize_t turn(const uint8_t *p, size_t len)
{
	return http_client_feed(client, p, len);
}

static ssize_t feed(void)
{
	return feed_all(&in, turn);
}

static void drain(void)
{
	bytes_free(&out);
	assert_int_equal(http_client_drain(client, &out, SIZE_MAX), 0);
}

static int ask(uint32_t user)
{
	return http_client_ask(client, user, body, 30, NULL, 0);
}

static void start(void)
{
	replies = losses = 0;
	last_status = 0;
	last_lost = -1;
	in.len = 0;
	client = http_client_new(&ops, &in, "dns.example", "/dns-query");
	assert_non_null(client);
	put_frame(&in, SETTINGS, 0, 0, NULL, 0);
	assert_true(feed() > 0);
	drain();
	assert_non_null(frame_of(&out, SETTINGS, 0, 0));
}

static void stop(void)
{
	http_client_free(&client);
	assert_null(client);
	bytes_free(&out);
}

static void put_reply(uint32_t stream, unsigned flags, const char *status, const char *length)
{
	put_headers(&in, stream, flags, (const char *const[]){":status", status, "content-type", "a/b",
		length ? "content-length" : NULL, length, NULL});
}

/* ---- against our server: it answers with the question, backwards when |later| */
static struct http_request *waiting[300];
static unsigned waits;
static bool later;

static void echo(struct http_request *r)
{
	struct http_reply reply = {.status = 200, .content_type = "application/dns-message", .max_age_s = 0, .body = r->body,
		.body_len = r->body_len};

	assert_int_equal(r->method, HTTP_POST);
	assert_string_equal(r->envelope.host, "dns.example");
	assert_string_equal(r->envelope.path, "/dns-query");
	assert_string_equal(r->envelope.scheme, "https");
	assert_string_equal(r->accept, "application/dns-message");
	assert_string_equal(r->content_type, "application/dns-message");
	assert_string_equal(r->forwarded_for, "192.0.2.1");
	assert_int_equal(http_answer(server, r, &reply), 0);
}

static void on_request(void *ctx, struct http_request *r)
{
	(void)ctx;
	if (later)
		waiting[waits++] = r;
	else
		echo(r);
}

static void on_gone(void *ctx, struct http_request *r)
{
	(void)ctx;
	for (unsigned i = 0; i < waits; i++)
		if (waiting[i] == r)
			waiting[i] = waiting[--waits];
}

static const struct http_server_ops server_ops = {on_request, on_gone};

static bool move(size_t piece)
{
	bool moved = false;

	bytes_free(&out);
	assert_int_equal(http_client_drain(client, &out, SIZE_MAX), 0);
	for (size_t at = 0; at < out.len; moved = true) {
		ssize_t n;

		http_server_turn(server);
		n = http_server_feed(server, out.p + at, out.len - at < piece ? out.len - at : piece);
		assert_true(n > 0);
		at += (size_t)n;
	}
	bytes_free(&out);
	assert_int_equal(http_server_drain(server, &out, SIZE_MAX), 0);
	for (size_t at = 0; at < out.len; moved = true) {
		ssize_t n = http_client_feed(client, out.p + at, out.len - at < piece ? out.len - at : piece);

		assert_true(n > 0);
		at += (size_t)n;
	}
	return moved;
}

static void both_sides(void **state)
{
	static const struct http_field from = {"x-forwarded-for", "192.0.2.1"};
	static const size_t sizes[] = {0, 1, 12, 100, 600, 5000, 16384, 16385, 65535};

	(void)state;
	for (size_t i = 0; i < sizeof(body); i++)
		body[i] = (uint8_t)(i * 11 + i / 256);
	for (size_t piece = 1; piece < 100000; piece *= 99) {
		start();
		later = false;
		waits = 0;
		server = http_server_new(&server_ops, NULL, true, false);
		http_client_free(&client); /* this one has seen settings from nowhere */
		client = http_client_new(&ops, &in, "dns.example", "/dns-query");
		for (size_t i = 0; i < LEN(sizes); i++) {
			assert_int_equal(http_client_ask(client, 1000 + (uint32_t)i, body, sizes[i], &from, 1), 0);
			while (move(piece))
				;
			assert_int_equal(replies, i + 1);
			assert_int_equal(last_user, 1000 + i);
			assert_int_equal(last_status, 200);
			assert_int_equal(last_len, sizes[i]);
			assert_memory_equal(last_body, body, sizes[i]);
			assert_string_equal(last_type, "application/dns-message");
		}
		later = true;
		for (uint32_t i = 0; i < 100; i++)
			assert_int_equal(http_client_ask(client, i, body, 50, &from, 1), 0);
		assert_int_equal(http_client_room(client), 0);
		assert_int_equal(ask(7), -EAGAIN);
		while (move(piece))
			;
		assert_int_equal(waits, 100);
		http_client_forget(client, 20);
		http_client_forget(client, 20);
		http_client_forget(client, 12345);
		while (move(piece))
			;
		assert_int_equal(waits, 99);
		http_server_goaway(server);
		while (waits)
			echo(waiting[--waits]);
		while (move(piece))
			;
		assert_int_equal(replies, LEN(sizes) + 99);
		assert_int_equal(losses, 0);
		assert_int_equal(http_server_open(server), 0);
		assert_true(http_client_ended(client));
		http_server_free(&server);
		stop();
	}
}

static void statuses(void **state)
{
	(void)state;
	start();
	for (uint32_t i = 0; i < 6; i++)
		assert_int_equal(ask(i), 0);
	drain();
	put_reply(1, 0, "103", NULL); /* early hints, then the reply, then trailers */
	put_reply(1, 0, "200", "5");
	put_frame(&in, DATA, 0, 1, body, 2);
	put_frame(&in, DATA, 0, 1, body + 2, 3);
	put_headers(&in, 1, END_STREAM, (const char *const[]){"content-type", "c/d", NULL});
	assert_true(feed() > 0);
	assert_int_equal(replies, 1);
	assert_int_equal(last_status, 200);
	assert_int_equal(last_len, 5);
	assert_string_equal(last_type, "a/b");
	put_headers(&in, 3, 0, (const char *const[]){":status", "200", "content-type",
		"text/html; charset=utf-8; and=a-very-long-parameter-that-nobody-needs-to-see-in-full", NULL});
	put_frame(&in, DATA, END_STREAM, 3, "<html>", 6);
	assert_true(feed() > 0);
	assert_int_equal(last_user, 1);
	assert_memory_equal(last_type, "text/html; charset=utf-8", 24);
	assert_in_range(strlen(last_type), 24, 64);
	put_reply(5, END_STREAM, "503", NULL);
	assert_true(feed() > 0);
	assert_int_equal(last_status, 503);
	assert_int_equal(last_len, 0);
	assert_int_equal(losses, 0);
	/* the length lies: too short, too long */
	put_reply(7, 0, "200", "5");
	put_frame(&in, DATA, END_STREAM, 7, body, 4);
	put_reply(9, 0, "200", "5");
	put_frame(&in, DATA, END_STREAM, 9, body, 6);
	assert_true(feed() > 0);
	drain();
	assert_int_equal(replies, 3);
	assert_int_equal(losses, 2);
	assert_int_equal(last_lost, HTTP_LOST_RESET);
	put_frame(&in, DATA, END_STREAM, 11, body, 6); /* without a head */
	(void)feed();
	assert_int_equal(replies, 3);
	stop();
}

/* The peer answers before it has read the question, which its window stops. */
static void early_reply(void **state)
{
	(void)state;
	start();
	put_setting(&in, 4, 10);
	assert_true(feed() > 0);
	assert_int_equal(ask(1), 0);
	drain();
	put_reply(1, END_STREAM, "413", NULL);
	assert_true(feed() > 0);
	assert_int_equal(replies, 1);
	assert_int_equal(last_status, 413);
	drain();
	assert_int_equal(reset_code(&out, 1), CANCEL);
	put_u32(&in, WINDOW_UPDATE, 1, 10000);
	assert_true(feed() > 0);
	drain();
	assert_int_equal(http_client_room(client), 256);
	assert_int_equal(ask(2), 0);
	stop();
}

static void lost_ones(void **state)
{
	(void)state;
	start();
	for (uint32_t i = 0; i < 6; i++)
		assert_int_equal(ask(i), 0);
	drain();
	put_u32(&in, RST_STREAM, 1, REFUSED_STREAM);
	assert_true(feed() > 0);
	assert_int_equal(last_user, 0);
	assert_int_equal(last_lost, HTTP_LOST_REFUSED);
	put_u32(&in, RST_STREAM, 3, CANCEL);
	assert_true(feed() > 0);
	assert_int_equal(last_user, 1);
	assert_int_equal(last_lost, HTTP_LOST_RESET);
	put_reply(5, 0, "200", NULL);
	put_u32(&in, RST_STREAM, 5, 0);
	assert_true(feed() > 0);
	assert_int_equal(last_user, 2);
	assert_int_equal(last_lost, HTTP_LOST_RESET);
	http_client_forget(client, 3);
	put_reply(7, 0, "200", NULL);
	put_frame(&in, DATA, END_STREAM, 7, body, 3);
	assert_true(feed() > 0);
	drain();
	/* what is not sent yet when the GOAWAY comes was not looked at either */
	assert_int_equal(ask(6), 0);
	http_client_forget(client, 6);
	assert_int_equal(ask(7), 0);
	put_frame(&in, GOAWAY, 0, 0, "\0\0\0\x09\0\0\0\0", 8);
	assert_true(feed() > 0);
	assert_int_equal(losses, 4);
	assert_int_equal(last_user, 5);
	assert_int_equal(last_lost, HTTP_LOST_GOAWAY);
	drain();
	assert_int_equal(losses, 5);
	assert_int_equal(last_user, 7);
	assert_int_equal(last_lost, HTTP_LOST_GOAWAY);
	assert_true(http_client_ended(client));
	assert_int_equal(http_client_room(client), 0);
	assert_int_equal(ask(8), -EPIPE);
	assert_int_equal(replies, 0);
	put_reply(9, 0, "200", NULL);
	put_frame(&in, DATA, END_STREAM, 9, body, 3);
	assert_true(feed() > 0);
	assert_int_equal(replies, 1);
	assert_int_equal(last_user, 4);
	stop();
}

static void reply_too_large(void **state)
{
	(void)state;
	start();
	assert_int_equal(ask(1), 0);
	assert_int_equal(ask(2), 0);
	drain();
	put_reply(1, 0, "200", NULL);
	for (int i = 0; i < 5; i++) {
		put_frame(&in, DATA, 0, 1, body, 13107);
		assert_true(feed() > 0);
		drain();
	}
	assert_int_equal(losses, 0);
	put_frame(&in, DATA, 0, 1, body, 1);
	put_frame(&in, DATA, END_STREAM, 1, body, 1);
	put_reply(3, END_STREAM, "200", NULL);
	assert_true(feed() > 0);
	assert_int_equal(losses, 1);
	assert_int_equal(last_lost, HTTP_LOST_TOO_LARGE);
	assert_int_equal(replies, 1);
	stop();
}

static void room(void **state)
{
	(void)state;
	start();
	assert_int_equal(http_client_room(client), 256);
	put_setting(&in, 3, 2);
	assert_true(feed() > 0);
	assert_int_equal(http_client_room(client), 2);
	assert_int_equal(ask(1), 0);
	assert_int_equal(ask(2), 0);
	assert_int_equal(ask(3), -EAGAIN);
	http_client_forget(client, 1);
	drain();
	assert_int_equal(http_client_room(client), 1);
	put_setting(&in, 3, 0);
	assert_true(feed() > 0);
	assert_int_equal(http_client_room(client), 0);
	assert_false(http_client_ended(client));
	assert_int_equal(http_client_ping(client), 0);
	drain();
	assert_non_null(frame_of(&out, PING, 0, 0));
	stop();
}

static void floods(void **state)
{
	(void)state;
	for (int which = 0; which < 7; which++) {
		ssize_t rv = 0;
		unsigned i = 0;

		start();
		assert_int_equal(ask(1), 0);
		for (; rv >= 0 && i < 2000; i++) {
			drain();
			if (which == 0)
				put_frame(&in, PING, 0, 0, body, 8);
			else if (which == 1)
				put_setting(&in, 4, 65535);
			else if (which == 2)
				put_reply(1, 0, "103", NULL);
			else if (which == 3 && i == 0)
				put_reply(1, 0, "200", NULL);
			else if (which == 3)
				put_frame(&in, DATA, 0, 1, NULL, 0);
			else if (which == 4)
				put_u32(&in, WINDOW_UPDATE, 1, 1);
			else if (which == 5)
				put_frame(&in, UNKNOWN, 0, 0, NULL, 0);
			else
				put_frame(&in, HEADERS, END_HEADERS, 1, memset(in.p + 1000, 0x90, 100), 100);
			rv = feed();
		}
		if (rv != -EOVERFLOW)
			fail_msg("flood %d: %zd after %u", which, rv, i);
		drain();
		assert_int_equal(goaway_code(&out), ENHANCE_YOUR_CALM);
		assert_true(http_client_ended(client));
		assert_int_equal(ask(2), -EPIPE);
		http_client_forget(client, 1);
		stop();
	}
	start();
	put_frame(&in, PUSH_PROMISE, END_HEADERS, 1, body, 8);
	assert_int_equal(feed(), -EPROTO);
	drain();
	assert_true(goaway_code(&out) > 0);
	stop();
	start();
	in.len = 0;
	put(&in, "HTTP/1.1 400 Bad Request\r\n\r\n", 28);
	assert_int_equal(feed(), -EPROTO);
	stop();
}

static void no_memory(void **state)
{
	(void)state;
	for (unsigned long n = 1, failed = 1; failed; n++) {
		replies = losses = 0;
		failed = 0;
		in.len = 0;
		put_frame(&in, SETTINGS, 0, 0, NULL, 0);
		put_reply(1, 0, "200", NULL);
		put_frame(&in, DATA, END_STREAM, 1, body, 3000);
		bytes_free(&out);
		mem_fail_at(n);
		client = http_client_new(&ops, &in, "dns.example", "/dns-query");
		if (!client) {
			failed = 1;
			continue;
		}
		if (ask(1) < 0 || ask(2) < 0 || http_client_drain(client, &out, SIZE_MAX) < 0 || http_client_ping(client) < 0)
			failed = 1;
		else if (http_client_feed(client, in.p, in.len) < 0 || losses)
			failed = 1;
		http_client_forget(client, 2);
		if (http_client_drain(client, &out, SIZE_MAX) < 0)
			failed = 1;
		mem_fail_at(0);
		if (!failed)
			assert_int_equal(replies, 1);
		assert_in_range(n, 1, 1000);
		stop();
	}
}

/* A loss may open a connection while a frame of another stands where all sessions write theirs. */
static struct http_client *another;

static void on_lost_again(void *ctx, uint32_t user, enum http_lost how)
{
	static const struct http_client_ops none = {0};

	on_lost(ctx, user, how);
	another = http_client_new(&none, &in, "dns.example", "/");
	assert_non_null(another);
	assert_int_equal(http_client_ask(another, 1, body, 30, NULL, 0), 0);
}

static void opened_within(void **state)
{
	static const struct http_client_ops again = {on_reply, on_lost_again};
	struct bytes other = {0};

	(void)state;
	start();
	stop();
	losses = 0;
	client = http_client_new(&again, &in, "dns.example", "/dns-query");
	assert_non_null(client);
	assert_int_equal(ask(7), 0);
	drain();
	put_frame(&in, SETTINGS, 0, 0, NULL, 0);
	put_headers(&in, 1, 0, (const char *const[]){":status", "200", "BAD", "x", NULL});
	assert_true(feed() > 0);
	drain(); /* our reset ends the stream */
	assert_int_equal(losses, 1);
	assert_int_equal(last_lost, HTTP_LOST_RESET);
	assert_non_null(frame_of(&out, SETTINGS, 0, 0));
	assert_int_equal(reset_code(&out, 1), PROTOCOL_ERROR);
	assert_int_equal(http_client_drain(another, &other, SIZE_MAX), 0);
	assert_memory_equal(other.p, PREFACE, 24);
	assert_non_null(frame_of(&other, DATA, 1, 0));
	bytes_free(&other);
	http_client_free(&another);
	stop();
}

/* Each request leaves whole before the next begins, and one that nobody waits for any more does not leave at all. */
static void one_after_the_other(void **state)
{
	char value[400];
	const struct http_field fields[] = {{"x-forwarded-for", "192.0.2.1"}, {"x-long", value}};
	uint32_t half = 0, whole = 0;

	(void)state;
	memset(value, 'v', sizeof(value) - 1);
	value[sizeof(value) - 1] = 0;
	start();
	for (uint32_t user = 1; user <= 5; user++)
		assert_int_equal(http_client_ask(client, user, body, 30, fields, user == 2 ? 2 : 0), 0);
	http_client_forget(client, 1);
	http_client_forget(client, 5);
	http_client_forget(client, 4);
	assert_int_equal(ask(6), 0);
	drain();
	for (size_t at = 0; at < out.len; at += 9 + (get32(out.p + at) >> 8)) {
		uint32_t stream = get32(out.p + at + 5);

		if (out.p[at + 3] == HEADERS) {
			assert_int_equal(half, 0);
			half = stream;
		} else if (out.p[at + 3] == DATA) {
			assert_int_equal(half, stream);
			half = 0;
			whole++;
		}
		assert_int_not_equal(out.p[at + 3], RST_STREAM);
	}
	assert_int_equal(half, 0);
	assert_int_equal(whole, 3);
	for (uint32_t stream = 1; stream <= 5; stream += 2)
		put_headers(&in, stream, END_STREAM, (const char *const[]){":status", "404", NULL});
	assert_true(feed() > 0);
	assert_int_equal(replies, 3);
	assert_int_equal(last_user, 6);
	assert_int_equal(losses, 0);
	stop();
}

int test_h2_client_with_doh(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_sides),
		cmocka_unit_test(statuses),
		cmocka_unit_test(early_reply),
		cmocka_unit_test(lost_ones),
		cmocka_unit_test(reply_too_large),
		cmocka_unit_test(room),
		cmocka_unit_test(floods),
		cmocka_unit_test(no_memory),
		cmocka_unit_test(one_after_the_other),
		cmocka_unit_test(opened_within),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
