/* test_h2_server_with_doh.c: requests put together, answers, limits, floods and broken rules, by frames made by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "h2_help.h"
#include "mem.h"

int test_h2_server_with_doh(void);

static struct wire in;
static struct bytes out;
static struct http_server *server;
static struct http_request *asked[400];
static unsigned requests, gone, answer_at_once;
static uint8_t body[65535];

static void on_request(void *ctx, struct http_request *r)
{
	struct http_reply reply = {.status = 200, .content_type = "application/dns-message", .max_age_s = 60, .body = body,
		.body_len = 100};

	assert_ptr_equal(ctx, &in);
	assert_null(r->user);
	asked[requests++ % LEN(asked)] = r;
	if (answer_at_once)
		assert_int_equal(http_answer(server, r, &reply), 0);
}

static void on_gone(void *ctx, struct http_request *r)
{
	assert_ptr_equal(ctx, &in);
	assert_non_null(r);
	gone++;
}

static const struct http_server_ops ops = {on_request, on_gone};

static void start(bool keep_fields)
{
	requests = gone = answer_at_once = 0;
	in.len = 0;
	server = http_server_new(&ops, &in, keep_fields, false);
	assert_non_null(server);
	put(&in, PREFACE, 24);
	put_frame(&in, SETTINGS, 0, 0, NULL, 0);
}

static ssize_t turn(const uint8_t *p, size_t len)
{
	http_server_turn(server);
	return http_server_feed(server, p, len);
}

static ssize_t feed(void)
{
	return feed_all(&in, turn);
}

static void drain(void)
{
	bytes_free(&out);
	assert_int_equal(http_server_drain(server, &out, SIZE_MAX), 0);
}

static void stop(void)
{
	http_server_free(&server);
	assert_null(server);
	bytes_free(&out);
}

static void answer(struct http_request *r, size_t len)
{
	struct http_reply reply = {.status = 200, .max_age_s = -1, .body = body, .body_len = len};

	assert_int_equal(http_answer(server, r, &reply), 0);
}

/* The connection says the scheme, whatever the client and its headers say. */
static void schemes(void **state)
{
	static const char *const said[] = {"https", "http", "x"};

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		start(true);
		if (i % 2)
			http_server_clear(server);
		put_headers(&in, 1, END_STREAM, (const char *const[]){":method", "GET", ":scheme", said[i / 2], ":authority", "a",
			":path", "/", "x-forwarded-proto", "https", NULL});
		assert_int_equal(http_server_feed(server, in.p, in.len), in.len);
		assert_int_equal(requests, 1);
		assert_string_equal(asked[0]->envelope.scheme, i % 2 ? "http" : "https");
		stop();
	}
}

static void get_byte_by_byte(void **state)
{
	static const char *const get[] = {":method", "GET", ":scheme", "https", ":authority", "dns.example", ":path",
		"/dns-query?dns=AAAA&x=1", "accept", "a/b", "x-forwarded-for", "192.0.2.1", "x-odd", "", "x-forwarded-for",
		"192.0.2.2", NULL};
	struct http_request *r;

	(void)state;
	start(true);
	put_headers(&in, 1, END_STREAM, get);
	for (size_t i = 0; i < in.len; i++) {
		assert_int_equal(requests, 0);
		assert_int_equal(http_server_feed(server, in.p + i, 1), 1);
		if (i > 24 + 9 + 9 + 3)
			assert_int_equal(http_server_open(server), 1);
		assert_int_equal(http_server_half(server), i >= 24 + 9 + 8 && i + 1 < in.len);
		assert_int_equal(http_server_memory(server) > 0, i >= 24 + 9 + 8 && i + 1 < in.len);
	}
	assert_int_equal(requests, 1);
	r = asked[0];
	assert_int_equal(r->method, HTTP_GET);
	assert_int_equal(r->version, 2);
	assert_int_equal(r->stream, 1);
	assert_string_equal(r->envelope.path, "/dns-query");
	assert_string_equal(r->envelope.query, "dns=AAAA&x=1");
	assert_string_equal(r->envelope.host, "dns.example");
	assert_string_equal(r->envelope.scheme, "https");
	assert_string_equal(r->envelope.sni, "");
	assert_string_equal(r->accept, "a/b");
	assert_string_equal(r->content_type, "");
	assert_string_equal(r->forwarded_for, "192.0.2.2");
	assert_int_equal(r->body_len, 0);
	assert_int_equal(r->envelope.nfields, 4);
	assert_string_equal(r->envelope.fields[1].name, "x-forwarded-for");
	assert_string_equal(r->envelope.fields[1].value, "192.0.2.1");
	assert_string_equal(r->envelope.fields[2].value, "");
	assert_string_equal(r->envelope.fields[3].value, "192.0.2.2");
	answer(r, 3);
	drain();
	assert_non_null(frame_of(&out, SETTINGS, 0, 0));
	assert_non_null(frame_of(&out, HEADERS, 1, 0));
	assert_int_equal(frame_of(&out, HEADERS, 1, 0)[4] & END_STREAM, 0);
	assert_int_equal(frame_of(&out, DATA, 1, 0)[2], 3);
	assert_int_equal(frame_of(&out, DATA, 1, 0)[4] & END_STREAM, END_STREAM);
	assert_int_equal(http_server_open(server), 0);
	stop();
	assert_int_equal(gone, 0);
}

static void post_in_pieces(void **state)
{
	(void)state;
	start(false);
	for (size_t i = 0; i < sizeof(body); i++)
		body[i] = (uint8_t)(i * 7);
	put_post(&in, 1);
	put_post(&in, 3);
	for (size_t at = 0; at < 60000; at += 10000) {
		put_frame(&in, DATA, 0, 1, body + at, 10000);
		put_frame(&in, DATA, 0, 3, body, 1);
	}
	assert_true(feed() > 0);
	assert_int_equal(requests, 0);
	assert_int_equal(http_server_open(server), 2);
	put_frame(&in, DATA, END_STREAM, 1, body + 60000, 5535);
	put_frame(&in, DATA, END_STREAM, 3, NULL, 0);
	assert_true(feed() > 0);
	assert_int_equal(requests, 2);
	assert_int_equal(asked[0]->body_len, 65535);
	assert_memory_equal(asked[0]->body, body, 65535);
	assert_int_equal(asked[1]->body_len, 6);
	assert_int_equal(asked[0]->method, HTTP_POST);
	assert_int_equal(asked[0]->envelope.nfields, 0);
	assert_string_equal(asked[0]->content_type, "application/dns-message");
	assert_false(http_server_half(server));
	assert_in_range(http_server_memory(server), 65536, 2 * 65536); /* a large one counts until it is answered */
	drain();
	assert_non_null(frame_of(&out, WINDOW_UPDATE, 0, 0)); /* or the next body would not come */
	answer(asked[0], 3);
	assert_int_equal(http_server_memory(server), 0);
	stop();
	assert_int_equal(gone, 1);
}

static void body_too_large(void **state)
{
	(void)state;
	start(false);
	put_post(&in, 1);
	for (int i = 0; i < 5; i++)
		put_frame(&in, DATA, 0, 1, body, 13107);
	assert_true(feed() > 0);
	drain();
	assert_null(frame_of(&out, HEADERS, 1, 0));
	put_frame(&in, DATA, 0, 1, body, 1);
	put_frame(&in, DATA, END_STREAM, 1, body, 1);
	put_get(&in, 3);
	assert_true(feed() > 0);
	assert_int_equal(requests, 1);
	assert_int_equal(http_server_open(server), 1);
	assert_int_equal(http_server_memory(server), 0);
	drain();
	assert_non_null(frame_of(&out, HEADERS, 1, 0));
	assert_non_null(memmem(out.p, out.len, "\x08\x03" "413", 5)); /* :status as a literal */
	stop();
	assert_int_equal(gone, 1);
}

/* Many requests that never end: what they hold is bounded, and others are served. */
static void never_finished(void **state)
{
	(void)state;
	start(false);
	assert_true(feed() > 0);
	for (uint32_t i = 0; i < 99; i++) {
		put_post(&in, 1 + 2 * i);
		put_frame(&in, DATA, 0, 1 + 2 * i, body, 10000);
		assert_true(feed() >= 0);
		assert_in_range(http_server_memory(server), 1, 256 * 1024);
		drain();
	}
	assert_true(http_server_half(server));
	assert_in_range(http_server_open(server), 10, 30);
	put_get(&in, 1001);
	assert_true(feed() > 0);
	stop();
	assert_int_equal(requests, gone);
}

static void reset_and_gone(void **state)
{
	(void)state;
	start(false);
	put_get(&in, 1);
	put_get(&in, 3);
	put_post(&in, 5);
	put_u32(&in, RST_STREAM, 1, CANCEL);
	put_u32(&in, RST_STREAM, 5, CANCEL);
	assert_true(feed() > 0);
	assert_int_equal(requests, 2);
	assert_int_equal(gone, 1);
	assert_int_equal(http_server_open(server), 1);
	assert_false(http_server_half(server));
	http_server_goaway(server);
	assert_true(http_server_ended(server));
	put_get(&in, 7);
	assert_true(feed() > 0);
	assert_int_equal(requests, 2);
	drain();
	assert_int_equal(goaway_code(&out), 0);
	answer(asked[1], 10);
	drain();
	assert_non_null(frame_of(&out, DATA, 3, 0));
	stop();
	assert_int_equal(gone, 1);
}

/* Each is sent again and again: the connection ends with -EOVERFLOW after a while, not at once, with a GOAWAY. */
static void put_flood(int which, uint32_t i)
{
	static const uint8_t zeros[16384];
	uint32_t stream = 1 + 2 * i;

	switch (which) {
	case 0:
		put_frame(&in, PING, 0, 0, zeros, 8);
		break;
	case 1:
		put_setting(&in, 4, 65535);
		break;
	case 2:
		put_frame(&in, PRIORITY, 0, 1, zeros, 5);
		break;
	case 3:
		put_u32(&in, WINDOW_UPDATE, 0, 1);
		break;
	case 4:
		if (i == 0)
			put_post(&in, 1);
		put_frame(&in, DATA, 0, 1, NULL, 0);
		break;
	case 5:
		put_frame(&in, i ? CONTINUATION : HEADERS, 0, 1, NULL, 0);
		break;
	case 6: /* CVE-2023-44487 */
		put_get(&in, stream);
		put_u32(&in, RST_STREAM, stream, CANCEL);
		break;
	case 7:
		put_frame(&in, UNKNOWN, 0, 0, zeros, 1);
		break;
	case 8: /* CVE-2025-8671: the server is made to reset */
		put_get(&in, stream);
		put_u32(&in, WINDOW_UPDATE, stream, 0);
		break;
	case 9:
		put_get(&in, stream);
		put_u32(&in, WINDOW_UPDATE, stream, 0x7fffffff);
		break;
	case 10: /* a malformed request each time */
		put_headers(&in, stream, END_STREAM, (const char *const[]){":method", "GET", NULL});
		break;
	case 11: /* padding only */
		if (i == 0)
			put_post(&in, 1);
		put_frame(&in, DATA, PADDED, 1, "\x04\0\0\0", 5);
		break;
	case 12: /* contents for a stream that was answered long ago */
		if (i == 0)
			put_get(&in, 1);
		if (i % 20 == 0)
			put_u32(&in, WINDOW_UPDATE, 0, 1);
		put_frame(&in, DATA, 0, 1, zeros, 1);
		break;
	default:
		put_frame(&in, PING, ACK, 0, zeros, 8);
	}
}

static void floods(void **state)
{
	(void)state;
	for (int which = 0; which < 14; which++) {
		ssize_t rv = 0;
		uint32_t i = 0;

		start(false);
		for (; rv >= 0 && i < 2000; i++) {
			answer_at_once = which == 12;
			put_flood(which, i);
			rv = feed();
			drain();
		}
		if ((which == 12 || which == 8) && rv == -EPROTO)
			rv = -EOVERFLOW; /* the library may take it for a broken rule */
		if (rv != -EOVERFLOW)
			fail_msg("flood %d: %zd after %u", which, rv, i);
		if (which < 12 && i < 40 && which != 5 && which != 8)
			fail_msg("flood %d: already after %u", which, i);
		if (goaway_code(&out) <= 0)
			fail_msg("flood %d: GOAWAY %d", which, (int)goaway_code(&out));
		assert_true(http_server_ended(server));
		assert_true(http_server_feed(server, in.p, 1) < 0);
		stop();
		assert_int_equal(gone, which == 12 ? 0 : requests);
	}
}

/* A client that is served may send other things for ever. */
static void served_ones_may(void **state)
{
	(void)state;
	start(false);
	answer_at_once = 1;
	for (uint32_t i = 0; i < 3000; i++) {
		put_get(&in, 1 + 2 * i);
		put_u32(&in, WINDOW_UPDATE, 0, 100);
		put_frame(&in, PING, 0, 0, body, 8);
		put_frame(&in, 16, 0, 0, "\0\0\0\1u=1", 7);
		if (i % 8 == 7) {
			assert_true(feed() > 0);
			drain();
		}
	}
	assert_int_equal(requests, 3000);
	assert_false(http_server_ended(server));
	stop();
}

static void large_heads(void **state)
{
	static const uint8_t grow[] = {0x3f, 0xe1, 0x1f};
	uint8_t p[20000];
	size_t n;

	(void)state;
	for (int which = 0; which < 4; which++) {
		ssize_t rv;

		start(true);
		if (which == 0) { /* many fields of one byte each */
			memset(p, 0x90, 100);
			put_frame(&in, HEADERS, END_STREAM | END_HEADERS, 1, p, 100);
		} else if (which == 1) { /* many bytes */
			for (n = 0; n < 16000; n += 130) {
				p[n] = 0;
				p[n + 1] = 1;
				p[n + 2] = 'x';
				p[n + 3] = 126;
				memset(p + n + 4, 'y', 126);
			}
			put_frame(&in, HEADERS, END_STREAM, 1, p, n);
			put_frame(&in, CONTINUATION, END_HEADERS, 1, p, n);
		} else if (which == 2) { /* one byte for a field of 4000 */
			memcpy(p, grow, 3);
			memcpy(p + 3, "\x40\1a\x7f\xa1\x1e", 6);
			memset(p + 9, 'b', 4000);
			memset(p + 4009, 0xbe, 10000);
			put_frame(&in, HEADERS, END_STREAM | END_HEADERS, 1, p, 14009);
		} else { /* the same for a request that is refused: the limit of the bytes on the wire */
			put_u32(&in, WINDOW_UPDATE, 0, 1);
			put_headers(&in, 1, END_STREAM, (const char *const[]){"A", "x", NULL});
			put_frame(&in, HEADERS, END_STREAM, 3, "\x82\0\1A\1x", 6);
			memset(p, 0x82, 16000);
			put_frame(&in, CONTINUATION, 0, 3, p, 16000);
			put_frame(&in, CONTINUATION, 0, 3, p, 16000);
		}
		rv = feed();
		if (rv != -EOVERFLOW)
			fail_msg("head %d: %zd", which, rv);
		drain();
		assert_int_equal(goaway_code(&out), ENHANCE_YOUR_CALM);
		stop();
		assert_int_equal(requests, 0);
	}
}

static void broken_rules(void **state)
{
	(void)state;
	for (int which = 0; which < 7; which++) {
		ssize_t rv;

		start(false);
		switch (which) {
		case 0:
			put_frame(&in, DATA, 0, 0, body, 1);
			break;
		case 1:
			put_get(&in, 2);
			break;
		case 2:
			put_frame(&in, PING, 0, 0, body, 16385);
			break;
		case 3:
			put_frame(&in, HEADERS, END_STREAM, 1, "\x82", 1);
			put_frame(&in, PING, 0, 0, body, 8);
			break;
		case 4:
			put_frame(&in, HEADERS, END_STREAM | END_HEADERS, 1, "\xff\xff\xff\xff\xff\xff", 6);
			break;
		case 5:
			put_frame(&in, PUSH_PROMISE, END_HEADERS, 1, body, 8);
			break;
		default:
			put_setting(&in, 4, 0x80000000);
		}
		rv = feed();
		drain();
		if (rv != -EPROTO || goaway_code(&out) <= 0 || !http_server_ended(server))
			fail_msg("rule %d: %zd, GOAWAY %d", which, rv, (int)goaway_code(&out));
		stop();
	}
	server = http_server_new(&ops, &in, false, false);
	assert_int_equal(http_server_feed(server, (const uint8_t *)"\x16\x03\x01", 3), -EPROTO);
	assert_int_equal(http_server_feed(server, (const uint8_t *)PREFACE, 24), -EPROTO);
	stop();
}

/* The peer lets nothing through: answers wait, up to a limit, then requests are refused. */
static void window_zero(void **state)
{
	uint32_t i;

	(void)state;
	start(false);
	put_setting(&in, 4, 0);
	assert_int_equal(http_server_kept(server), 0);
	for (i = 0; i < 4; i++) {
		put_get(&in, 1 + 2 * i);
		assert_true(feed() > 0);
		drain();
		if (i < 3)
			answer(asked[i], 60000);
	}
	assert_int_equal(requests, 3);
	assert_int_equal(reset_code(&out, 7), REFUSED_STREAM);
	assert_int_equal(http_server_queued(server), 180000);
	assert_in_range(http_server_kept(server), 180000, 190000); /* with what the streams cost */
	drain();
	assert_null(frame_of(&out, DATA, 1, 0));
	put_u32(&in, WINDOW_UPDATE, 1, 60000);
	put_get(&in, 13);
	assert_true(feed() > 0);
	drain();
	assert_non_null(frame_of(&out, DATA, 1, 0));
	assert_in_range(http_server_kept(server), 120000, 127000);
	put_get(&in, 15);
	assert_true(feed() > 0);
	assert_int_equal(requests, 4);
	put_u32(&in, RST_STREAM, 3, CANCEL); /* an answer that waits is thrown away, nobody is told */
	assert_true(feed() > 0);
	assert_int_equal(gone, 0);
	stop();
	assert_int_equal(gone, 1);
}

/* One turn does so much and no more; the rest is taken later.  What leaves at a time is bounded, too. */
static void work_and_room(void **state)
{
	size_t at = 0;
	ssize_t n;
	int turns = 0;

	(void)state;
	start(false);
	for (uint32_t i = 0; i < 100; i++)
		put_get(&in, 1 + 2 * i);
	n = http_server_feed(server, in.p, in.len);
	assert_in_range(n, 1, in.len - 1);
	at = (size_t)n;
	assert_int_equal(http_server_feed(server, in.p + at, in.len - at), 0);
	for (; at < in.len; turns++, at += (size_t)n) {
		http_server_turn(server);
		n = http_server_feed(server, in.p + at, in.len - at);
		assert_in_range(n, 1, in.len - at);
	}
	assert_int_equal(requests, 100);
	assert_in_range(turns, 1, 5);
	for (unsigned i = 0; i < 100; i++)
		answer(asked[i], 600);
	bytes_free(&out);
	assert_int_equal(http_server_drain(server, &out, 5000), 0);
	assert_in_range(out.len, 5000, 5700);
	assert_int_equal(http_server_drain(server, &out, 5000), 0);
	assert_in_range(out.len, 5000, 5700);
	drain();
	assert_in_range(out.len, 50000, 70000);
	stop();
}

/* The hundred and first stream at a time is refused. */
static void too_many_streams(void **state)
{
	(void)state;
	start(false);
	for (uint32_t i = 0; i <= HTTP_STREAMS; i++)
		put_post(&in, 1 + 2 * i);
	assert_true(feed() > 0);
	drain();
	assert_int_equal(http_server_open(server), HTTP_STREAMS);
	assert_int_equal(reset_code(&out, 1 + 2 * HTTP_STREAMS), REFUSED_STREAM);
	stop();
}

static void answers(void **state)
{
	static struct http_field many[40];
	struct http_reply reply = {.status = 302, .content_type = "text/plain", .max_age_s = 5, .location = "/other",
		.fields = many, .nfields = LEN(many), .server = "me", .body = body, .body_len = 10};

	(void)state;
	for (size_t i = 0; i < LEN(many); i++)
		many[i] = (struct http_field){"X-Mixed", "Value"};
	start(false);
	put_headers(&in, 1, END_STREAM, (const char *const[]){":method", "HEAD", ":scheme", "https", ":path", "/", ":authority",
		"a", NULL});
	put_headers(&in, 3, END_STREAM, (const char *const[]){":method", "PATCH", ":scheme", "https", ":path", "/", "host", "b",
		NULL});
	assert_true(feed() > 0);
	assert_int_equal(requests, 2);
	assert_int_equal(asked[0]->method, HTTP_HEAD);
	assert_int_equal(asked[1]->method, HTTP_OTHER);
	assert_string_equal(asked[1]->envelope.host, "b");
	assert_int_equal(http_answer(server, asked[0], &reply), 0);
	assert_int_equal(http_answer(server, asked[1], &reply), 0);
	drain();
	assert_int_equal(frame_of(&out, HEADERS, 1, 0)[4] & END_STREAM, END_STREAM);
	assert_null(frame_of(&out, DATA, 1, 0));
	assert_non_null(frame_of(&out, DATA, 3, 0));
	stop();
}

/* Before and after: an idle connection gives back what it does not need, and sessions that share do not disturb
 * each other. */
static void two_connections(void **state)
{
	struct http_server *first;

	(void)state;
	start(false);
	put_get(&in, 1);
	assert_true(feed() > 0);
	first = server;
	start(false);
	put_get(&in, 1);
	assert_true(feed() > 0);
	answer(asked[0], 7);
	bytes_free(&out);
	assert_int_equal(http_server_drain(server, &out, 1), 0);
	assert_int_equal(http_server_drain(first, &out, 1), 0);
	http_server_free(&first);
	assert_int_equal(gone, 1);
	drain();
	assert_int_equal(frame_of(&out, DATA, 1, 0)[2], 7);
	put_get(&in, 3);
	assert_true(feed() > 0);
	answer(asked[1], 8);
	drain();
	assert_int_equal(frame_of(&out, DATA, 3, 0)[2], 8);
	stop();
}

static void no_memory(void **state)
{
	(void)state;
	for (unsigned long n = 1, failed = 1; failed; n++) {
		struct http_reply reply = {.status = 200, .max_age_s = 1, .body = body, .body_len = 3000};

		requests = gone = 0;
		failed = 0;
		in.len = 0;
		put(&in, PREFACE, 24);
		put_setting(&in, 4, 70000);
		put_get(&in, 1);
		put_post(&in, 3);
		put_frame(&in, DATA, END_STREAM, 3, body, 2000);
		bytes_free(&out);
		mem_fail_at(n);
		server = http_server_new(&ops, &in, true, false);
		if (!server) {
			failed = 1;
			continue;
		}
		if (http_server_feed(server, in.p, in.len) < 0)
			failed = 1;
		else if (requests < 2)
			failed = 1; /* that one was reset */
		for (unsigned i = 0; i < requests; i++)
			if (http_answer(server, asked[i], &reply) < 0)
				failed = 1;
		if (http_server_drain(server, &out, SIZE_MAX) < 0)
			failed = 1;
		mem_fail_at(0);
		if (!failed)
			assert_int_equal(requests, 2);
		assert_in_range(n, 1, 1000);
		stop();
	}
}

int test_h2_server_with_doh(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(schemes),
		cmocka_unit_test(get_byte_by_byte),
		cmocka_unit_test(post_in_pieces),
		cmocka_unit_test(body_too_large),
		cmocka_unit_test(never_finished),
		cmocka_unit_test(reset_and_gone),
		cmocka_unit_test(floods),
		cmocka_unit_test(served_ones_may),
		cmocka_unit_test(large_heads),
		cmocka_unit_test(broken_rules),
		cmocka_unit_test(window_zero),
		cmocka_unit_test(work_and_room),
		cmocka_unit_test(too_many_streams),
		cmocka_unit_test(answers),
		cmocka_unit_test(two_connections),
		cmocka_unit_test(no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
