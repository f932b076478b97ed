/* test_http1_with_doh.c: HTTP/1.1: requests whole and in pieces, one after the other, refused ones, and the page for clients
 * that should speak HTTP/2. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "http.h"
#include "mem.h"

int test_http1_with_doh(void);

static struct http_server *server;
static struct bytes out;
static unsigned requests, gone;
static struct http_request *waiting;
static bool later;
static char seen[4000];

static void answer(struct http_request *r)
{
	static const struct http_field field = {"x-extra", "1"};
	struct http_reply reply = {.status = 200, .content_type = "a/b", .max_age_s = 9, .fields = &field, .nfields = 1,
		.server = "me", .body = (const uint8_t *)"answer", .body_len = 6};

	assert_int_equal(http_answer(server, r, &reply), 0);
}

static void on_request(void *ctx, struct http_request *r)
{
	size_t n = strlen(seen);

	(void)ctx;
	requests++;
	assert_int_equal(r->version, 1);
	snprintf(seen + n, sizeof(seen) - n, "%u %s?%s %s %s %s %s <%.*s> %zu;", r->method, r->envelope.path, r->envelope.query,
		r->envelope.host, r->content_type, r->accept, r->forwarded_for, (int)r->body_len, (const char *)r->body,
		r->envelope.nfields);
	if (later)
		waiting = r;
	else
		answer(r);
}

static void on_gone(void *ctx, struct http_request *r)
{
	(void)ctx;
	assert_ptr_equal(r, waiting);
	gone++;
}

static const struct http_server_ops ops = {on_request, on_gone};

static void start(bool http1, bool keep)
{
	requests = gone = 0;
	later = false;
	seen[0] = '\0';
	server = http_server_new(&ops, NULL, keep, http1);
	assert_non_null(server);
}

static ssize_t feed(const char *p, size_t len, size_t piece)
{
	ssize_t n = 0;

	for (size_t at = 0; at < len && n >= 0; at += (size_t)n) {
		http_server_turn(server);
		n = http_server_feed(server, (const uint8_t *)p + at, len - at < piece ? len - at : piece);
		assert_true(n != 0 && n <= (ssize_t)(len - at));
	}
	return n;
}

static const char *sent(void)
{
	bytes_free(&out);
	assert_int_equal(http_server_drain(server, &out, SIZE_MAX), 0);
	assert_int_equal(bytes_add(&out, "", 1), 0);
	return (const char *)out.p + out.at;
}

static void stop(void)
{
	http_server_free(&server);
	bytes_free(&out);
}

#define OK    "HTTP/1.1 200 OK\r\n"
#define HOST  "Host: h\r\n"
#define NINE  "123456789"
#define LONG  NINE NINE NINE NINE NINE NINE NINE NINE NINE NINE NINE

static void schemes(void **state)
{
	static const char *const in[] = {"GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-Proto: https\r\n\r\n",
		"GET https://h/ HTTP/1.1\r\nHost: h\r\n\r\n"};

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		start(true, true);
		if (i % 2)
			http_server_clear(server);
		later = true;
		assert_true(feed(in[i / 2], strlen(in[i / 2]), SIZE_MAX) > 0);
		assert_non_null(waiting);
		assert_string_equal(waiting->envelope.scheme, i % 2 ? "http" : "https");
		later = false;
		stop();
	}
}

static void heads(void **state)
{
	static const struct {
		const char *in, *seen, *out;
		bool ended;
	} cases[] = {
		{"GET /a?dns=x HTTP/1.1\r\nHost: h:1\r\nACCEPT:\t a/b \r\nX-Forwarded-For: 1\r\nX-Forwarded-For: 2\r\n\r\n",
			"0 /a?dns=x h:1  a/b 2 <> 4;", OK, false},
		{"HEAD / HTTP/1.1\r\nHost: h\r\n\r\n", "2 /? h    <> 1;", OK, false},
		{"POST / HTTP/1.1\r\nHost: h\r\nContent-Type: t\r\nContent-Length: 3\r\n\r\nabc", "1 /? h t   <abc> 3;", OK, false},
		{"PUT /x HTTP/1.1\r\nHost: h\r\ncontent-length: 0\r\n\r\n", "3 /x? h    <> 2;", OK, false},
		{"GET / HTTP/1.0\r\n\r\n", "0 /?     <> 0;", OK, true},
		{"GET / HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Close\r\n\r\n", "0 /? h    <> 2;", OK, true},
		{"GET https://other/x?y HTTP/1.1\r\nHost: h\r\n\r\n", "0 /x?y other    <> 1;", OK, false},
		{"GET http://other HTTP/1.1\r\nHost: h\r\n\r\n", "0 /? other    <> 1;", OK, false},
		{"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", "3 *? h    <> 1;", OK, false},
		{"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0a;x=y\r\n0123456789\r\n0\r\nT: 1\r\n\r\n",
			"1 /? h    <ab0123456789> 2;", OK, false},
		{"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\na", "1 /? h    <a> 3;",
			"HTTP/1.1 100 Continue\r\n\r\n" OK, false},
		/* refused */
		{"GET / HTTP/1.1\r\n\r\n", "", "HTTP/1.1 400 ", true},
		{"GET / HTTP/1.1\nHost: h\n\n", "", "HTTP/1.1 400 ", true},
		{"GET  / HTTP/1.1\r\n", "", "HTTP/1.1 400 ", true},
		{"GET /\r\n", "", "HTTP/1.1 400 ", true},
		{"GET x HTTP/1.1\r\n", "", "HTTP/1.1 400 ", true},
		{"GET https:/x HTTP/1.1\r\n", "", "HTTP/1.1 400 ", true},
		{"GET * HTTP/1.1\r\n", "", "HTTP/1.1 400 ", true},
		{"G(T / HTTP/1.1\r\n", "", "HTTP/1.1 400 ", true},
		{"GET / HTTP/1.11\r\n", "", "HTTP/1.1 400 ", true},
		{"GET / HTTP/2.0\r\n", "", "HTTP/1.1 505 ", true},
		{"GET / HTTP/1.1\r\nHost : h\r\n", "", "HTTP/1.1 400 ", true},
		{"GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n", "", "HTTP/1.1 400 ", true},
		{"GET https://x/ HTTP/1.1\r\nHost: h\r\nHost: h\r\n", "", "HTTP/1.1 400 ", true},
		{"GET / HTTP/1.1\r\nHost\r\n", "", "HTTP/1.1 400 ", true},
		{"GET / HTTP/1.1\r\nHost: h\r\n folded\r\n", "", "HTTP/1.1 400 ", true},
		{"GET / HTTP/1.1\r\nHost: h\x01\r\n", "", "HTTP/1.1 400 ", true},
		{"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1x\r\n", "", "HTTP/1.1 400 ", true},
		{"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n", "", "HTTP/1.1 400 ", true},
		{"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 1\r\n", "", "HTTP/1.1 400 ", true},
		{"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 65536\r\n", "", "HTTP/1.1 413 ", true},
		{"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999\r\n", "", "HTTP/1.1 413 ", true},
		{"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "", "HTTP/1.1 400 ", true},
		{"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "", "HTTP/1.1 501 ", true},
		{"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", "", "HTTP/1.1 400 ", true},
		{"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n\r\n", "", "HTTP/1.1 400 ", true},
		{"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", "", "HTTP/1.1 400 ", true},
		{"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n10000\r\n", "", "HTTP/1.1 413 ", true},
		{"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffff\r\n", "", "HTTP/1.1 413 ", true},
		{"PRI * HTTP/2.0\r\n\r\nSX\r\n", "", "HTTP/1.1 505 ", true},
	};

	(void)state;
	for (size_t piece = 1; piece < 2000; piece += 1999 / 2)
		for (size_t i = 0; i < LEN(cases); i++) {
			const char *got;

			start(true, true);
			if (feed(cases[i].in, strlen(cases[i].in), piece) < 0)
				fail_msg("%s: not taken", cases[i].in);
			got = sent();
			if (strcmp(seen, cases[i].seen) != 0)
				fail_msg("%s: seen %s", cases[i].in, seen);
			if (strncmp(got, cases[i].out, strlen(cases[i].out)) != 0)
				fail_msg("%s: sent %s", cases[i].in, got);
			if (http_server_ended(server) != cases[i].ended)
				fail_msg("%s: ended %d", cases[i].in, http_server_ended(server));
			assert_int_equal(strstr(got, "connection: close\r\n") != NULL, cases[i].ended);
			assert_int_equal(http_server_open(server), 0);
			assert_false(http_server_half(server));
			assert_int_equal(feed("x", 1, 1), 1); /* after the end it is thrown away */
			stop();
		}
}

static void an_answer(void **state)
{
	static const char get[] = "GET / HTTP/1.1\r\n" HOST "\r\n", head[] = "HEAD / HTTP/1.1\r\n" HOST "\r\n";
	static const char want[] = "content-length: 6\r\ncontent-type: a/b\r\ncache-control: max-age=9\r\nserver: me\r\n"
				   "x-extra: 1\r\n\r\n";

	(void)state;
	start(true, false);
	assert_true(feed(get, sizeof(get) - 1, 1000) > 0);
	assert_string_equal(sent() + sizeof(OK) - 1 + sizeof(want) - 1, "answer");
	assert_int_equal(strncmp((const char *)out.p + sizeof(OK) - 1, want, sizeof(want) - 1), 0);
	assert_true(feed("\r\n", 2, 1) > 0); /* some clients send one too many */
	assert_true(feed(head, sizeof(head) - 1, 1000) > 0);
	assert_string_equal(sent() + sizeof(OK) - 1, want);
	stop();
}

/* What is in a value stays in it; what has no body has no length. */
static void odd_answers(void **state)
{
	static const struct http_field split = {"x-a", "1\r\nx-b: 2"};
	static const struct {
		struct http_reply reply;
		const char *want;
	} cases[] = {
		{{.status = 302, .location = "https://x/\r\nset-cookie: a"},
			"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n"},
		{{.status = 302, .location = "https://x/\ty"},
			"HTTP/1.1 302 Found\r\ncontent-length: 0\r\nlocation: https://x/\ty\r\n\r\n"},
		{{.status = 200, .content_type = "a\x7f"}, "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n"},
		{{.status = 200, .fields = &split, .nfields = 1}, "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n"},
		{{.status = 204, .body = (const uint8_t *)"x", .body_len = 1}, "HTTP/1.1 204 No Content\r\n\r\n"},
	};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		struct http_reply reply = cases[i].reply;

		reply.max_age_s = -1;
		start(true, false);
		later = true;
		assert_true(feed("GET / HTTP/1.1\r\n" HOST "\r\n", 27, 100) > 0);
		assert_int_equal(http_answer(server, waiting, &reply), 0);
		assert_string_equal(sent(), cases[i].want);
		stop();
	}
}

/* Requests sent without waiting are answered one after the other. */
static void pipelined(void **state)
{
	static const char two[] = "GET /1 HTTP/1.1\r\n" HOST "\r\nPOST /2 HTTP/1.1\r\nContent-Length: 2\r\n" HOST "\r\nok";
	ssize_t n, m;

	(void)state;
	start(true, false);
	later = true;
	n = http_server_feed(server, (const uint8_t *)two, sizeof(two) - 1);
	assert_int_equal(n, sizeof("GET /1 HTTP/1.1\r\n" HOST "\r\n") - 1);
	assert_true(http_server_waits(server));
	assert_int_equal(http_server_open(server), 1);
	assert_false(http_server_half(server));
	http_server_turn(server);
	assert_int_equal(http_server_feed(server, (const uint8_t *)two + n, sizeof(two) - 1 - (size_t)n), 0);
	answer(waiting);
	assert_false(http_server_waits(server));
	m = http_server_feed(server, (const uint8_t *)two + n, sizeof(two) - 1 - (size_t)n);
	assert_int_equal(n + m, sizeof(two) - 1);
	http_server_goaway(server); /* this one is still answered */
	assert_false(http_server_ended(server));
	answer(waiting);
	assert_string_equal(seen, "0 /1? h    <> 0;1 /2? h    <ok> 0;");
	assert_non_null(strstr(sent(), "answerHTTP/1.1 200"));
	assert_non_null(strstr((const char *)out.p, "connection: close"));
	assert_true(http_server_ended(server));
	stop();
	assert_int_equal(gone, 0);
	start(true, false);
	later = true;
	assert_true(feed("GET /1 HTTP/1.1\r\n" HOST "\r\n", 28, 1000) > 0);
	assert_int_equal(requests, 1);
	stop();
	assert_int_equal(gone, 1);
	start(true, false);
	assert_true(feed("GET /1 HT", 9, 1000) > 0);
	assert_true(http_server_half(server));
	stop();
	start(true, false);
	assert_true(feed("GET /1 HTTP/1.1\r\n" HOST "\r\n", 28, 1000) > 0);
	http_server_goaway(server);
	assert_true(http_server_ended(server));
	stop();
}

/* Heads and bodies at and above the limits. */
static void limits(void **state)
{
	static char line[20000];
	ssize_t n = 0;

	(void)state;
	for (int which = 0; which < 5; which++) {
		const char *want = "HTTP/1.1 431";

		start(true, which != 2);
		n = feed("POST / HTTP/1.1\r\n" HOST, 26, 1000);
		if (which == 0) { /* one long line, and no end of it */
			memset(line, 'a', sizeof(line));
			n = feed(line, sizeof(line), 700);
		} else if (which == 1) { /* many lines */
			for (int i = 0; i < 300 && !http_server_ended(server); i++)
				n = feed("a: " LONG "\r\n", 3 + sizeof(LONG) - 1 + 2, 1000);
		} else if (which == 2) { /* many short ones */
			for (int i = 0; i < HTTP_FIELDS_MAX - 1; i++)
				n = feed("a:\r\n", 4, 1000);
			assert_false(http_server_ended(server));
			n = feed("a:\r\n", 4, 1000);
		} else { /* many chunks, and more than a body; trailers without end */
			n = feed("Transfer-Encoding: chunked\r\n\r\n", 30, 1000);
			for (int i = 0; i < (which == 3 ? 6553 : 10); i++)
				n = feed("a\r\n0123456789\r\n", 15, 1000);
			assert_in_range(http_server_memory(server), which == 3 ? 65530 : 100, 256 * 1024);
			assert_false(http_server_ended(server));
			if (which == 3) {
				n = feed("6\r\n012345\r\n", 11, 1000);
				want = "HTTP/1.1 413";
			} else {
				n = feed("0\r\n", 3, 1000);
				for (int i = 0; i < 300 && !http_server_ended(server); i++)
					n = feed("a: " LONG "\r\n", 3 + sizeof(LONG) - 1 + 2, 1000);
			}
		}
		assert_true(n > 0);
		assert_true(http_server_ended(server));
		if (strncmp(sent(), want, strlen(want)) != 0)
			fail_msg("limit %d: %s", which, (const char *)out.p);
		assert_int_equal(requests, 0);
		assert_int_equal(http_server_memory(server), 0);
		stop();
	}
}

/* Empty lines, and requests without end, cost a turn's work. */
static void bounded_work(void **state)
{
	static char lines[40000];
	size_t len = 0, at = 0;
	ssize_t n;

	(void)state;
	start(true, false);
	while (len + 28 < sizeof(lines)) {
		memcpy(lines + len, "GET /1 HTTP/1.1\r\n" HOST "\r\n", 28);
		len += 28;
	}
	n = http_server_feed(server, (const uint8_t *)lines, len);
	assert_in_range(n, 1, len - 1);
	assert_int_equal(http_server_feed(server, (const uint8_t *)lines + n, len - (size_t)n), 0);
	for (at = (size_t)n; at < len; at += (size_t)n) {
		assert_in_range(http_server_kept(server), 0, 128 * 1024);
		sent(); /* answers that wait stop it, too */
		http_server_turn(server);
		n = http_server_feed(server, (const uint8_t *)lines + at, len - at);
		assert_true(n > 0);
	}
	assert_int_equal(requests, len / 28);
	stop();
}

static void page(void **state)
{
	(void)state;
	for (size_t piece = 1; piece < 200; piece += 100) {
		start(false, false);
		assert_true(feed("POST / HTTP/1.1\r\n" HOST "\r\n", 27, piece) > 0);
		assert_int_equal(strncmp(sent(), "HTTP/1.1 505 ", 13), 0);
		assert_non_null(strstr((const char *)out.p, "HTTP/2"));
		assert_true(http_server_ended(server));
		assert_int_equal(requests, 0);
		stop();
	}
}

static void no_memory(void **state)
{
	static const char post[] = "POST /2 HTTP/1.1\r\nContent-Length: 2\r\n" HOST "Expect: 100-continue\r\n\r\nok";

	(void)state;
	for (unsigned long n = 1, failed = 1; failed; n++) {
		static const struct http_reply reply = {.status = 200, .max_age_s = -1};

		failed = 0;
		requests = 0;
		later = true;
		seen[0] = '\0';
		mem_fail_at(n);
		server = http_server_new(&ops, NULL, true, true);
		if (!server) {
			failed = 1;
			continue;
		}
		if (http_server_feed(server, (const uint8_t *)post, sizeof(post) - 1) < 0 ||
				http_answer(server, waiting, &reply) < 0 || http_server_drain(server, &out, SIZE_MAX) < 0)
			failed = 1;
		mem_fail_at(0);
		if (!failed)
			assert_int_equal(requests, 1);
		assert_in_range(n, 1, 1000);
		stop();
	}
}

int test_http1_with_doh(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(schemes),
		cmocka_unit_test(heads),
		cmocka_unit_test(an_answer),
		cmocka_unit_test(odd_answers),
		cmocka_unit_test(pipelined),
		cmocka_unit_test(limits),
		cmocka_unit_test(bounded_work),
		cmocka_unit_test(page),
		cmocka_unit_test(no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
