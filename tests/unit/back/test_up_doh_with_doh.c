/* test_up_doh_with_doh.c: connections to backends over DoH: what is posted, and all that an HTTP server can say to it. */
#include "http.h"
#include "probe_help.h"

int test_up_doh_with_doh(void);

enum { REQUESTS = 16 };
#define DOH "tls=openssl dohPath=/dns-query validateCertificates=false subjectName=backend.example"

static uint8_t body[DNS_MAX];
static struct http_server *http;
static struct http_request *requests[REQUESTS];
static unsigned nrequests, gone;

/* ---- the server ---- */
static void on_request(void *ctx, struct http_request *r)
{
	(void)ctx;
	assert_true(nrequests < REQUESTS);
	requests[nrequests++] = r;
}

static void on_gone(void *ctx, struct http_request *r)
{
	(void)ctx;
	(void)r;
	gone++;
}

/* serve moves what has come and what is to leave. */
static bool serve(void)
{
	struct bytes out = {0};

	peer_reads(&peer, 0);
	while (peer.in.len) {
		ssize_t n = http_server_feed(http, peer.in.p + peer.in.at, peer.in.len);

		assert_true(n >= 0);
		bytes_drop(&peer.in, (size_t)n);
		http_server_turn(http);
	}
	assert_int_equal(http_server_drain(http, &out, SIZE_MAX), 0);
	if (out.len)
		peer_writes(&w, &peer, out.p + out.at, out.len);
	bytes_free(&out);
	return true;
}

/* doh_opened: a connection stands, in the clear, with an HTTP server at its other end. */
static void doh_opened(const char *options)
{
	static const struct http_server_ops ops = {on_request, on_gone};

	nrequests = gone = 0;
	opened(options);
	http = http_server_new(&ops, NULL, true, false);
	assert_non_null(http);
}

static void doh_finish(void)
{
	if (http)
		http_server_free(&http);
	peer_ends(&peer, false);
	tls_finish();
}

static void answer(struct http_request *r, unsigned status, const char *type, size_t len)
{
	struct http_reply reply = {.status = status, .content_type = type, .max_age_s = -1, .body = body, .body_len = len};

	assert_int_equal(http_answer(http, r, &reply), 0);
}

static void asks_and_hears(void **state)
{
	static const struct http_field fields[] = {{"x-forwarded-for", "192.0.2.1"}, {"x-forwarded-proto", "dns"}};
	uint8_t query[512];
	size_t len = make_query(query, 4711, "one.example", QTYPE_A);
	bool seen = false;

	(void)state;
	doh_opened(DOH);
	assert_true(owner.up->ops->room(owner.up) > 1);
	assert_int_equal(owner.up->ops->send(owner.up, 4711, NULL, 0, query, len, fields, 2), 0);
	assert_int_equal(send_query(4712, "two.example"), 0);
	UNTIL(&w, serve() && nrequests == 2);
	assert_int_equal(requests[0]->method, HTTP_POST);
	assert_string_equal(requests[0]->envelope.path, "/dns-query");
	assert_string_equal(requests[0]->content_type, "application/dns-message");
	assert_int_equal(strncmp(requests[0]->envelope.host, "backend.example:", 16), 0); /* not the usual port */
	assert_int_equal(requests[0]->body_len, len);
	assert_int_equal(dns_id(requests[0]->body), 0);
	assert_memory_equal(requests[0]->body + 2, query + 2, len - 2);
	for (size_t i = 0; i < requests[0]->envelope.nfields; i++)
		seen = seen || (!strcmp(requests[0]->envelope.fields[i].name, "x-forwarded-for") &&
				!strcmp(requests[0]->envelope.fields[i].value, "192.0.2.1"));
	assert_true(seen);
	memset(body, 0, sizeof(body));
	body[2] = 0x80;
	answer(requests[1], 200, "application/dns-message", 40);
	UNTIL(&w, serve() && owner.replies == 1);
	assert_int_equal(owner.id, 4712);
	assert_int_equal(owner.len, 40);
	answer(requests[0], 200, "Application/DNS-Message; charset=x", DNS_MAX);
	UNTIL(&w, serve() && owner.replies == 2);
	assert_int_equal(owner.id, 4711);
	assert_int_equal(owner.len, DNS_MAX);
	assert_int_equal(owner.up->queries, 2);
	assert_int_equal(owner.refused, 0);
	assert_null(conn_of(owner.up)->in.p);
	assert_null(conn_of(owner.up)->out.p);
	doh_finish();
}

/* What is no answer refuses its query alone. */
static void no_answers(void **state)
{
	static const struct {
		unsigned status;
		const char *type;
		size_t len;
		enum reason why;
	} cases[] = {
		{404, NULL, 0, REASON_REPLY_HTTP_STATUS},
		{503, "text/html", 500, REASON_REPLY_HTTP_STATUS},
		{302, "application/dns-message", 40, REASON_REPLY_HTTP_STATUS},
		{204, NULL, 0, REASON_REPLY_HTTP_STATUS},
		{200, "text/html", 500, REASON_REPLY_HTTP_TYPE}, /* a captive portal */
		{200, NULL, 40, REASON_REPLY_HTTP_TYPE},
		{200, "application/dns-messages", 40, REASON_REPLY_HTTP_TYPE},
		{200, "application/dns-message", 11, REASON_REPLY_SHORT},
		{200, "application/dns-message", 0, REASON_REPLY_SHORT},
	};

	(void)state;
	doh_opened(DOH);
	for (unsigned i = 0; i < LEN(cases); i++) {
		assert_int_equal(send_query((uint16_t)(100 + i), "one.example"), 0);
		UNTIL(&w, serve() && nrequests == i + 1);
		answer(requests[i], cases[i].status, cases[i].type, cases[i].len);
		UNTIL(&w, serve() && owner.refused == i + 1);
		assert_int_equal(owner.id, 100 + i);
		assert_int_equal(owner.why, cases[i].why);
		assert_false(owner.unseen);
	}
	assert_int_equal(owner.replies, 0);
	assert_int_equal(owner.closed, 0);
	doh_finish();
}

static void goaway(void **state)
{
	(void)state;
	doh_opened(DOH);
	assert_int_equal(send_query(1, "one.example"), 0);
	UNTIL(&w, serve() && nrequests == 1);
	http_server_goaway(http);
	UNTIL(&w, serve() && owner.up->ops->room(owner.up) == 0);
	assert_int_equal(owner.ended, 1);
	assert_int_equal(send_query(2, "two.example"), -EPIPE);
	answer(requests[0], 200, "application/dns-message", 12);
	UNTIL(&w, serve() && owner.replies == 1); /* what it took it answers */
	assert_int_equal(owner.closed, 0);
	assert_int_equal(owner.ended, 1); /* told once */
	doh_finish();
}

/* frame writes an HTTP/2 frame (RFC 9113 4.1) as no good server would. */
static void frame(unsigned type, unsigned flags, uint32_t stream, const void *payload, size_t len)
{
	uint8_t out[64] = {0, 0, (uint8_t)len, (uint8_t)type, (uint8_t)flags};

	put32(out + 5, stream);
	memcpy(out + 9, payload, len);
	peer_writes(&w, &peer, out, 9 + len);
}

static void resets(void **state)
{
	static const struct {
		uint8_t code;
		bool unseen;
	} cases[] = {{7, true}, {8, false}, {2, false}}; /* REFUSED_STREAM, CANCEL, INTERNAL_ERROR */

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		const uint8_t code[4] = {0, 0, 0, cases[i].code};

		doh_opened(DOH);
		assert_int_equal(send_query(9, "one.example"), 0);
		UNTIL(&w, serve() && nrequests == 1);
		frame(3, 0, 1, code, 4);
		UNTIL(&w, owner.refused == 1);
		assert_int_equal(owner.id, 9);
		assert_int_equal(owner.why, REASON_REPLY_HTTP_RESET);
		assert_int_equal(owner.unseen, cases[i].unseen);
		assert_int_equal(owner.closed, 0);
		doh_finish();
	}
	/* GOAWAY: the last stream it looked at is none */
	doh_opened(DOH);
	assert_int_equal(send_query(9, "one.example"), 0);
	UNTIL(&w, serve() && nrequests == 1);
	frame(7, 0, 0, "\0\0\0\0\0\0\0\0", 8);
	UNTIL(&w, owner.refused == 1);
	assert_true(owner.unseen);
	assert_int_equal(owner.up->ops->room(owner.up), 0);
	doh_finish();
}

static void forgotten(void **state)
{
	(void)state;
	doh_opened(DOH);
	assert_int_equal(send_query(1, "one.example"), 0);
	assert_int_equal(send_query(2, "two.example"), 0);
	UNTIL(&w, serve() && nrequests == 2);
	owner.up->ops->forget(owner.up, 1);
	owner.up->ops->forget(owner.up, 77);
	UNTIL(&w, serve() && gone == 1); /* the server is told */
	answer(requests[1], 200, "application/dns-message", 12);
	UNTIL(&w, serve() && owner.replies == 1);
	assert_int_equal(owner.id, 2);
	assert_int_equal(owner.refused, 0);
	doh_finish();
}

static void proxy_header(void **state)
{
	uint8_t query[64];
	size_t len = make_query(query, 3, "one.example", QTYPE_A);

	(void)state;
	doh_opened(DOH " useProxyProtocol=true");
	for (int i = 0; i < 5; i++)
		world_turn(&w);
	assert_false(peer_reads(&peer, 1)); /* nothing may come before it */
	for (int i = 0; i < 2; i++)
		assert_int_equal(owner.up->ops->send(owner.up, (uint16_t)i, (const uint8_t *)"HEAD", 4, query, len, NULL, 0), 0);
	UNTIL(&w, peer_reads(&peer, 30));
	assert_memory_equal(peer.in.p, "HEADPRI * HTTP/2.0\r\n", 20);
	bytes_drop(&peer.in, 4);
	UNTIL(&w, serve() && nrequests == 2);
	doh_finish();
}

static void knocks(void **state)
{
	(void)state;
	doh_opened(DOH);
	UNTIL(&w, serve() && owner.up->heard_ms > 0);
	for (int i = 0; i < 5; i++)
		world_turn(&w);
	serve();
	assert_false(peer_reads(&peer, 1));
	for (int i = 0; i < 3; i++)
		owner.up->ops->knock(owner.up);
	assert_true(conn_of(owner.up)->knocked);
	UNTIL(&w, peer_reads(&peer, 17));
	assert_int_equal(peer.in.len, 17); /* one PING */
	assert_int_equal(peer.in.p[peer.in.at + 3], 6);
	UNTIL(&w, serve() && !conn_of(owner.up)->knocked);
	doh_finish();
}

/* Who is there speaks another HTTP, or none. */
static void no_http2(void **state)
{
	static const char *const said[] = {"HTTP/1.1 302 Found\r\nLocation: http://portal/\r\n\r\n",
		"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", "\377\377\377\377\377\377\377\377\377\377\377\377\377"};

	(void)state;
	for (size_t i = 0; i < LEN(said); i++) {
		doh_opened(DOH);
		assert_int_equal(send_query(1, "one.example"), 0);
		peer_writes(&w, &peer, said[i], i == 1 ? 16 : strlen(said[i]));
		UNTIL(&w, owner.closed == 1);
		assert_int_equal(owner.why, REASON_CONN_HTTP_BACKEND);
		doh_finish();
	}
}

/* A flood costs nothing but the connection. */
static void flood(void **state)
{
	static uint8_t pings[17 * 1000];

	(void)state;
	doh_opened(DOH);
	UNTIL(&w, serve() && owner.up->heard_ms > 0);
	for (size_t i = 0; i < sizeof(pings); i += 17) {
		pings[i + 2] = 8;
		pings[i + 3] = 6;
	}
	peer_writes(&w, &peer, pings, sizeof(pings));
	UNTIL(&w, owner.closed == 1);
	assert_int_equal(owner.why, REASON_CONN_HTTP_BACKEND);
	doh_finish();
}

static void over_tls(void **state)
{
	static const char *const h2[] = {"h2", NULL}, *const others[] = {"http/1.1", NULL};
	static const struct http_server_ops ops = {on_request, on_gone};

	(void)state;
	nrequests = gone = 0;
	tls_begin(DOH, h2);
	tls_shakes(NULL);
	assert_int_equal(owner.opened, 1);
	http = http_server_new(&ops, NULL, false, false);
	assert_int_equal(send_query(5, "one.example"), 0);
	UNTIL(&w, serve() && nrequests == 1);
	answer(requests[0], 200, "application/dns-message", 12);
	UNTIL(&w, serve() && owner.replies == 1);
	assert_int_equal(owner.id, 5);
	doh_finish();
	/* h2 must be chosen */
	tls_begin(DOH, others);
	tls_shakes(NULL);
	assert_int_equal(owner.opened, 0);
	assert_int_equal(owner.why, REASON_CONN_TLS_BACKEND);
	peer_ends(&peer, true);
	tls_finish();
}

/* Health checks of such a backend go the same way. */
static void probe(void **state)
{
	static const char *const h2[] = {"h2", NULL};
	static const struct http_server_ops ops = {on_request, on_gone};
	static const struct {
		unsigned status;
		size_t len;
		bool up;
		unsigned invalid, parse;
	} cases[] = {{200, 0, true, 0, 0}, {503, 0, false, 1, 0}, {200, 0, true, 1, 0}, {200, 5, false, 1, 1}};

	(void)state;
	probes_begin(DOH " maxCheckFailures=1 checkTimeout=5000", h2);
	for (size_t i = 0; i < LEN(cases); i++) {
		size_t len;

		nrequests = gone = 0;
		probe_comes(tls_server);
		UNTIL(&w, wire_shake(&peer.wire) == 0);
		http = http_server_new(&ops, NULL, false, false);
		UNTIL(&w, serve() && nrequests == 1);
		len = requests[0]->body_len;
		memcpy(body, requests[0]->body, len);
		make_reply(body);
		answer(requests[0], cases[i].status, "application/dns-message", cases[i].len ? cases[i].len : len);
		UNTIL(&w, serve() && health_next_ms(server) != UINT64_MAX);
		assert_int_equal(server_up(server), cases[i].up);
		assert_int_equal(count(&server->check_invalid), cases[i].invalid);
		assert_int_equal(count(&server->check_parse), cases[i].parse);
		http_server_free(&http);
		peer_ends(&peer, false);
	}
	probes_finish();
}

static void no_memory(void **state)
{
	(void)state;
	for (unsigned long n = 1; n < 12; n++) {
		int err;

		doh_opened(DOH);
		mem_fail_at(n);
		err = send_query(1, "one.example");
		assert_true(err == 0 || err == -ENOMEM);
		mem_fail_at(0);
		UNTIL(&w, serve() && (nrequests == (err == 0) || owner.refused || owner.closed));
		if (owner.up && err == 0) { /* a reply that there is no room for */
			answer(requests[0], 200, "application/dns-message", 5000);
			assert_true(serve());
			mem_fail_at(n);
			UNTIL(&w, owner.replies || owner.refused || owner.closed);
			mem_fail_at(0);
		}
		doh_finish();
	}
}

int test_up_doh_with_doh(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(asks_and_hears), cmocka_unit_test(no_answers),
		cmocka_unit_test(goaway), cmocka_unit_test(resets), cmocka_unit_test(forgotten),
		cmocka_unit_test(proxy_header), cmocka_unit_test(knocks), cmocka_unit_test(no_http2),
		cmocka_unit_test(flood), cmocka_unit_test(over_tls), cmocka_unit_test(probe),
		cmocka_unit_test(no_memory)};
	int was = log_options.fd, failed;

	log_options.fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	failed = cmocka_run_group_tests_name("up_doh", tests, NULL, NULL);
	close(log_options.fd);
	log_options.fd = was;
	return failed;
}
