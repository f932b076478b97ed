/* test_doh_with_doh.c: DoH on a real lane: queries both ways, status codes, pages, headers, whose address counts, streams
 * that go, floods, and the limits of a connection. */
#include "conn.h"
#include "http.h"
#include "secure_help.h"

int test_doh_with_doh(void);

static const char *const h2[] = {"h2", NULL};

/* An HTTP/2 client of one frontend. */
struct http_peer {
	struct peer p;
	struct http_client *http;
	unsigned answers, lost, next;
	enum http_lost how;
	struct {
		unsigned status;
		char type[64];
		uint8_t body[70000];
		size_t len;
	} last;
};
static struct http_peer peer;

static void on_reply(void *ctx, uint32_t user, unsigned status, const char *type, const uint8_t *body, size_t len)
{
	struct http_peer *h = ctx;

	(void)user;
	h->answers++;
	h->last.status = status;
	snprintf(h->last.type, sizeof(h->last.type), "%s", type ? type : "");
	assert_true(len <= sizeof(h->last.body));
	memcpy(h->last.body, body, len);
	h->last.len = len;
}

static void on_lost(void *ctx, uint32_t user, enum http_lost how)
{
	struct http_peer *h = ctx;

	(void)user;
	h->lost++;
	h->how = how;
}

static const struct http_client_ops client_ops = {on_reply, on_lost};

static struct http_peer *come(struct secure *s, const char *path)
{
	memset(&peer, 0, sizeof(peer));
	if (s->l->tls)
		peer_come(&peer.p, s, "dns.test", h2);
	else
		peer_plain(&peer.p, s);
	peer.http = http_client_new(&client_ops, &peer, "dns.test", path);
	assert_non_null(peer.http);
	peer_shake(&peer.p);
	return &peer;
}

/* turn moves bytes between the codec and the wire; true while the connection lives. */
static bool turn(struct http_peer *h)
{
	struct bytes out = {0};

	assert_int_equal(http_client_drain(h->http, &out, 1 << 20), 0);
	if (out.len && !h->p.closed)
		peer_push(&h->p, out.p + out.at, out.len);
	bytes_free(&out);
	(void)peer_pull(&h->p);
	if (h->p.in.len) {
		ssize_t n = http_client_feed(h->http, h->p.in.p + h->p.in.at, h->p.in.len);

		if (n > 0)
			bytes_drop(&h->p.in, (size_t)n);
	}
	return !h->p.closed;
}

static void leave(struct http_peer *h)
{
	http_client_free(&h->http);
	peer_end(&h->p);
	forget_session();
}

static uint32_t post(struct http_peer *h, const uint8_t *msg, size_t len, const struct http_field *fields, size_t n)
{
	assert_int_equal(http_client_ask(h->http, ++h->next, msg, len, fields, n), 0);
	return h->next;
}

static uint32_t post_query(struct http_peer *h, const struct http_field *fields, size_t n)
{
	uint8_t msg[512];

	return post(h, msg, make_query(msg, 0, "www.example", QTYPE_A), fields, n);
}

static struct secure *start_with(struct conf *c, struct bind_conf b, bool hold)
{
	static struct secure s;

	secure_start(&s, &front_doh, c, b, hold);
	return &s;
}

static struct secure *start(struct conf *c, bool hold)
{
	return start_with(c, secure_bind(PROTO_DOH), hold);
}

/* plain: no certificates; raw requests of HTTP/1.1 can be sent to it. */
static struct bind_conf plain_bind(void)
{
	struct bind_conf b = secure_bind(PROTO_DOH);

	field_list_free(&b.tls.certs);
	b.doh.http1 = true;
	return b;
}

static void answers(void **state)
{
	struct secure *s = start(new_conf(), true);
	struct http_peer *h = come(s, "/dns-query");

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		post_query(h, NULL, 0);
	UNTIL(&s->t->w, turn(h) && held.n == 3);
	for (unsigned i = 3; i-- > 0;) {
		const struct client *q = &held.q[i]->client;

		assert_int_equal(q->proto, PROTO_DOH);
		assert_true(q->stream);
		assert_string_equal(q->envelope->sni, "dns.test");
		assert_string_equal(q->envelope->path, "/dns-query");
		assert_string_equal(q->envelope->host, "dns.test");
		answer_held(i, i == 1 ? 60000 : 0);
		UNTIL(&s->t->w, turn(h) && h->answers == 3 - i);
		assert_int_equal(h->last.status, 200);
		assert_string_equal(h->last.type, "application/dns-message");
		assert_true(h->last.len > (i == 1 ? 60000 : 0));
	}
	assert_int_equal(atomic_load(&s->l->http_post), 3);
	assert_int_equal(atomic_load(&s->l->http_version[2]), 3);
	assert_int_equal(atomic_load(&s->l->http_status[2][0]), 3);
	assert_int_equal(atomic_load(&s->l->http_valid), 3);
	assert_int_equal(atomic_load(&s->l->http_connects), 1);
	assert_int_equal(atomic_load(&tls_server_stats(s->l->tls)->version[TLS_V_13]), 3);
	leave(h);
	UNTIL(&s->t->w, s->t->w.lane.conns == 0);
	secure_stop(s);
}

/* ---- requests as text, over HTTP/1.1 without TLS ---- */
static char answer[140000];

/* say sends |text| and reads until an answer is whole; its status, 0: closed without one. */
static unsigned say(struct secure *s, const char *text, size_t len)
{
	struct peer p;
	size_t want = 0;
	unsigned status = 0;

	peer_plain(&p, s);
	peer_push(&p, (const uint8_t *)text, len);
	UNTIL(&s->t->w, ({
		bool go_on = peer_pull(&p);
		char *end;

		memset(answer, 0, sizeof(answer));
		if (p.in.len)
			memcpy(answer, p.in.p + p.in.at, p.in.len);
		end = strstr(answer, "\r\n\r\n");
		want = end ? (size_t)(end + 4 - answer) : SIZE_MAX;
		if (end && strstr(answer, "content-length: "))
			want += strtoul(strstr(answer, "content-length: ") + 16, NULL, 10);
		!go_on || p.in.len >= want;
	}));
	(void)!sscanf(answer, "HTTP/1.1 %u", &status);
	peer_end(&p);
	return status;
}

static unsigned say_text(struct secure *s, const char *text)
{
	return say(s, text, strlen(text));
}

#define QUERY "AAABAAABAAAAAAAAA3d3dwdleGFtcGxlA2NvbQAAAQAB" /* RFC 8484 4.1.1 */

static void statuses(void **state)
{
	static const struct {
		const char *request;
		unsigned status;
	} cases[] = {
		{"GET /dns-query?dns=" QUERY " HTTP/1.1\r\nHost: a\r\n\r\n", 200},
		{"GET /dns-query?x=1&dns=" QUERY " HTTP/1.1\r\nHost: a\r\n\r\n", 200},
		{"GET /dns-query HTTP/1.1\r\nHost: a\r\n\r\n", 400},
		{"GET /dns-query?dns= HTTP/1.1\r\nHost: a\r\n\r\n", 400},
		{"GET /dns-query?dns=AAAB HTTP/1.1\r\nHost: a\r\n\r\n", 400},
		{"GET /dns-query?dns=!!!! HTTP/1.1\r\nHost: a\r\n\r\n", 400},
		{"GET /dns-queryx?dns=" QUERY " HTTP/1.1\r\nHost: a\r\n\r\n", 404},
		{"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 404},
		{"HEAD /dns-query?dns=" QUERY " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 405},
		{"PUT /dns-query HTTP/1.1\r\nHost: a\r\n\r\n", 405},
		{"POST /dns-query HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", 415},
		{"POST /dns-query HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: 1\r\n\r\nx", 415},
		{"POST /dns-query HTTP/1.1\r\nHost: a\r\nContent-Type: application/dns-message\r\nContent-Length: 0\r\n\r\n", 400},
		{"POST /dns-query HTTP/1.1\r\nHost: a\r\nContent-Type: Application/DNS-Message\r\nContent-Length: 11\r\n\r\n"
		 "12345678901", 400},
		{"POST /dns-query HTTP/1.1\r\nHost: a\r\nContent-Type: application/dns-message\r\nContent-Length: 65536\r\n\r\n",
		 413},
	};
	struct secure *s = start_with(new_conf(), plain_bind(), false);
	uint64_t counted = 0;

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		unsigned status = say_text(s, cases[i].request);

		if (status != cases[i].status)
			fail_msg("%s: %u", cases[i].request, status);
		if (status == 405)
			assert_non_null(strstr(answer, "\r\nallow: GET, POST\r\n"));
	}
	for (size_t i = 0; i < HTTP_CODES; i++)
		counted += atomic_load(&s->l->http_status[1][i]);
	assert_int_equal(counted, LEN(cases)); /* what the codec answers by itself, too */
	assert_int_equal(atomic_load(&s->l->http_status[1][0]), 2);
	assert_true(atomic_load(&s->l->http_bad) >= 12);
	assert_true(reasons(&s->t->w, REASON_HTTP_REQUEST) >= 8);
	UNTIL(&s->t->w, s->t->w.lane.conns == 0);
	secure_stop(s);
}

static void largest_message(void **state)
{
	static char text[70000];
	struct secure *s = start_with(new_conf(), plain_bind(), true);
	int head = snprintf(text, sizeof(text), "POST /dns-query HTTP/1.1\r\nHost: a\r\nContent-Type: application/dns-message\r\n"
						"Content-Length: 65535\r\n\r\n");
	struct peer p;
	size_t len;

	(void)state;
	memset(text + head, 0, 65535);
	len = make_query((uint8_t *)text + head, 0, "www.example", QTYPE_A);
	dns_set_count((uint8_t *)text + head, SECTION_ADDITIONAL, 1);
	put16((uint8_t *)text + head + len + 1, QTYPE_OPT);
	put16((uint8_t *)text + head + len + 9, (unsigned)(65535 - len - 11));
	put16((uint8_t *)text + head + len + 13, (unsigned)(65535 - len - 15));
	put16((uint8_t *)text + head + len + 11, 65001);
	peer_plain(&p, s);
	peer_push(&p, (uint8_t *)text, (size_t)head + 65535);
	UNTIL(&s->t->w, held.n == 1);
	assert_int_equal(held.q[0]->ask_len, 65535);
	answer_held(0, 0);
	UNTIL(&s->t->w, peer_pull(&p) && p.in.len > 65535);
	peer_end(&p);
	secure_stop(s);
}

/* What becomes of a query decides the status. */
static void dropped(void **state)
{
	struct secure *s = start(new_conf(), true);
	struct http_peer *h = come(s, "/dns-query");
	uint8_t msg[512];
	size_t len = make_query(msg, 0, "www.example", QTYPE_A);

	(void)state;
	post_query(h, NULL, 0);
	UNTIL(&s->t->w, turn(h) && held.n == 1);
	UNTIL(&s->t->w, (world_pass(&s->t->w, 250), reasons(&s->t->w, REASON_TIMEOUT) == 1)); /* nobody answers */
	UNTIL(&s->t->w, turn(h) && h->answers == 1);
	assert_int_equal(h->last.status, 502);
	msg[2] |= 0x80; /* an answer */
	post(h, msg, len, NULL, 0);
	UNTIL(&s->t->w, turn(h) && h->answers == 2);
	assert_int_equal(h->last.status, 400);
	assert_int_equal(atomic_load(&s->l->http_status[2][4]), 1);
	leave(h);
	secure_stop(s);
}

/* A rule chose an HTTP answer. */
static void chosen(void **state)
{
	static const struct {
		unsigned status;
		const char *body, *type;
	} cases[] = {{418, "teapot", "text/x-tea"}, {200, "hello", ""}, {302, "https://example.net/", ""}};
	struct secure *s = start(new_conf(), true);
	struct http_peer *h = come(s, "/dns-query");

	(void)state;
	for (unsigned i = 0; i < LEN(cases); i++) {
		post_query(h, NULL, 0);
		UNTIL(&s->t->w, turn(h) && held.n == i + 1);
		assert_int_equal(dq_set_http(&held.q[i]->dq, cases[i].status, cases[i].body, strlen(cases[i].body),
					 cases[i].type), 0);
		answer_held(i, 0);
		UNTIL(&s->t->w, turn(h) && h->answers == i + 1);
		assert_int_equal(h->last.status, cases[i].status);
		assert_int_equal(h->last.len, cases[i].status == 302 ? 0 : strlen(cases[i].body));
		assert_memory_equal(h->last.body, cases[i].body, h->last.len);
		if (cases[i].type[0])
			assert_string_equal(h->last.type, cases[i].type);
	}
	leave(h);
	secure_stop(s);
}

/* ---- pages and headers ---- */
static void pages(void **state)
{
	struct doh_map *map = doh_map_new();
	struct bind_conf b = plain_bind();
	struct secure *s;
	char home[] = "^/home$", old[] = "^/old", any[] = "hello", there[] = "https://example.net/new", name[] = "X-Own",
	     value[] = "1", type[] = "Content-Type", plain[] = "text/plain";
	char *names[] = {name, type}, *values[] = {value, plain};
	const char *error = "";

	(void)state;
	assert_non_null(map);
	assert_int_equal(doh_map_add(map, &(struct doh_entry){.regex = home, .status = 200, .content = any}, &error), 0);
	assert_int_equal(doh_map_add(map, &(struct doh_entry){.regex = old, .status = 307, .content = there,
					.names = {names, 2}, .values = {values, 2}}, &error), 0);
	assert_int_equal(field_list_add(&b.doh.header_names, "X-Site"), 0);
	assert_int_equal(field_list_add(&b.doh.header_values, "yes"), 0);
	s = start_with(new_conf(), b, false);
	assert_int_equal(say_text(s, "GET /home HTTP/1.1\r\nHost: a\r\n\r\n"), 404);
	assert_int_equal(listener_map(s->l, map), 0);
	doh_map_free(&map);
	assert_int_equal(say_text(s, "GET /home HTTP/1.1\r\nHost: a\r\n\r\n"), 200);
	assert_non_null(strstr(answer, "\r\n\r\nhello"));
	assert_non_null(strstr(answer, "content-type: text/html"));
	assert_non_null(strstr(answer, "x-site: yes\r\n"));
	assert_non_null(strstr(answer, "server: shrewd\r\n"));
	assert_int_equal(say_text(s, "GET /older HTTP/1.1\r\nHost: a\r\n\r\n"), 307);
	assert_non_null(strstr(answer, "location: https://example.net/new\r\n"));
	assert_null(strstr(answer, "text/html"));
	assert_null(strstr(answer, "x-site"));
	assert_int_equal(atomic_load(&s->l->http_redirect), 1);
	assert_int_equal(say_text(s, "GET /dns-query?dns=" QUERY " HTTP/1.1\r\nHost: a\r\n\r\n"), 200);
	assert_non_null(strstr(answer, "x-site: yes\r\n"));
	assert_null(strstr(answer, "cache-control")); /* SERVFAIL has no record */
	secure_stop(s);
}

static void max_age(void **state)
{
	(void)state;
	for (unsigned on = 0; on < 2; on++) {
		struct bind_conf b = plain_bind();
		struct secure *s;
		struct peer p;
		static const char request[] = "GET /dns-query?dns=" QUERY " HTTP/1.1\r\nHost: a\r\n\r\n";
		uint8_t msg[512], ip[4] = {192, 0, 2, 1};
		size_t len;
		struct query *q;

		b.doh.cache_control = on;
		s = start_with(new_conf(), b, true);
		peer_plain(&p, s);
		peer_push(&p, (const uint8_t *)request, sizeof(request) - 1);
		UNTIL(&s->t->w, held.n == 1);
		q = held.q[0];
		held.q[0] = NULL;
		len = q->ask_len;
		memcpy(msg, q->ask, len);
		dns_set_flags(msg, DNS_QR);
		assert_int_equal(msg_add_rr(msg, &len, sizeof(msg), SECTION_ANSWER, QTYPE_A, CLASS_IN, 300, ip, 4), 0);
		assert_int_equal(msg_add_rr(msg, &len, sizeof(msg), SECTION_ANSWER, QTYPE_A, CLASS_IN, 77, ip, 4), 0);
		query_reply(q, msg, len);
		UNTIL(&s->t->w, peer_pull(&p) && p.in.len > len);
		assert_int_equal(bytes_add(&p.in, "", 1), 0);
		assert_int_equal(strstr((char *)p.in.p + p.in.at, "cache-control: max-age=77\r\n") != NULL, on);
		peer_end(&p);
		secure_stop(s);
	}
}

static void prefixes(void **state)
{
	struct bind_conf b = plain_bind();
	struct secure *s;

	(void)state;
	b.doh.exact = false;
	s = start_with(new_conf(), b, false);
	assert_int_equal(say_text(s, "GET /dns-query/x/y?dns=" QUERY " HTTP/1.1\r\nHost: a\r\n\r\n"), 200);
	assert_int_equal(say_text(s, "GET /dns?dns=" QUERY " HTTP/1.1\r\nHost: a\r\n\r\n"), 404);
	secure_stop(s);
}

/* ---- whose address counts ---- */
static void acl(void **state)
{
	static const struct {
		bool trust, early, us, forwarded;
		const char *field;
		unsigned status; /* 0: turned away */
	} cases[] = {
		{false, true, false, false, "", 0},
		{false, false, false, false, "", 403},
		{false, false, true, false, "X-Forwarded-For: 203.0.113.9\r\n", 200}, /* not trusted */
		{true, true, false, true, "X-Forwarded-For: 198.51.100.1, 203.0.113.9\r\n", 200},
		{true, true, false, true, "X-Forwarded-For: 203.0.113.9, 198.51.100.1:99\r\n", 403},
		{true, true, true, false, "X-Forwarded-For: 203.0.113.9\r\n", 403},
		{true, true, true, false, "X-Forwarded-For: unknown\r\n", 200}, /* nothing to use */
		{true, true, false, true, "X-Forwarded-For:203.0.113.9:4711\r\n", 200},
		{true, true, false, false, "", 403},
	};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		struct conf *c = new_conf();
		struct bind_conf b = plain_bind();
		struct secure *s;
		char text[512];
		unsigned status;

		netset_clear(c->acl);
		if (cases[i].us)
			assert_int_equal(netset_add_text(c->acl, "127.0.0.0/8"), 0);
		if (cases[i].forwarded)
			assert_int_equal(netset_add_text(c->acl, "203.0.113.0/24"), 0);
		b.doh.trust_forwarded = cases[i].trust;
		b.doh.early_acl = cases[i].early;
		s = start_with(c, b, false);
		snprintf(text, sizeof(text), "GET /dns-query?dns=" QUERY " HTTP/1.1\r\nHost: a\r\n%s\r\n", cases[i].field);
		if (cases[i].status == 0) {
			int fd = other_connect(SOCK_STREAM, s->port);

			UNTIL(&s->t->w, is_closed(fd));
			close(fd);
			assert_int_equal(reasons(&s->t->w, REASON_CONN_ACL), 1);
		} else {
			status = say_text(s, text);
			if (status != cases[i].status)
				fail_msg("case %zu: %u", i, status);
			assert_int_equal(reasons(&s->t->w, REASON_ACL), status == 403);
		}
		secure_stop(s);
	}
}

/* Pages are not for proxied clients that the ACL shuts out either. */
static void acl_of_proxied(void **state)
{
	static const char request[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

	(void)state;
	for (unsigned apply = 0; apply < 2; apply++) {
		struct conf *c = new_conf();
		struct secure *s;
		uint8_t text[256];
		size_t len = proxy_head(text, "203.0.113.9", 20, true);

		netset_clear(c->acl);
		assert_int_equal(netset_add_text(c->proxy_acl, "127.0.0.0/8"), 0);
		c->set.proxy_acl_inner = apply;
		s = start_with(c, plain_bind(), false);
		memcpy(text + len, request, sizeof(request) - 1);
		assert_int_equal(say(s, (const char *)text, len + sizeof(request) - 1), apply ? 403 : 404);
		secure_stop(s);
	}
}

/* ---- streams and connections that end ---- */
static void reset_stream(void **state)
{
	struct secure *s = start(new_conf(), true);
	struct http_peer *h = come(s, "/dns-query");
	uint32_t first = post_query(h, NULL, 0);

	(void)state;
	post_query(h, NULL, 0);
	UNTIL(&s->t->w, turn(h) && held.n == 2);
	http_client_forget(h->http, first);
	UNTIL(&s->t->w, turn(h) && reasons(&s->t->w, REASON_CLIENT_GONE) == 1);
	answer_held(0, 0); /* nobody hears it */
	answer_held(1, 0);
	UNTIL(&s->t->w, turn(h) && h->answers == 1);
	post_query(h, NULL, 0);
	UNTIL(&s->t->w, turn(h) && held.n == 3);
	leave(h);
	answer_held(2, 0);
	UNTIL(&s->t->w, s->t->w.lane.conns == 0);
	secure_stop(s);
}

static void lane_ends(void **state)
{
	struct secure *s = start(new_conf(), true);
	struct http_peer *h = come(s, "/dns-query");

	(void)state;
	for (unsigned i = 0; i < 5; i++)
		post_query(h, NULL, 0);
	UNTIL(&s->t->w, turn(h) && held.n == 5);
	secure_stop(s);
	http_client_free(&h->http);
	mem_free(h->p.in.p);
	close(io_fd(&h->p.wire.io));
	h->p.wire.io = (struct io){0};
	io_init(&h->p.wire.io, &s->t->w.lane.loop, open("/dev/null", O_RDONLY), never_ready);
	wire_close(&h->p.wire, true);
	tls_client_free(&h->p.tls);
	forget_session();
}

static void most_queries(void **state)
{
	struct conf *c = new_conf();
	struct secure *s;
	struct http_peer *h;

	(void)state;
	set_number(c, "setMaxTCPQueriesPerConnection", 2);
	s = start(c, false);
	h = come(s, "/dns-query");
	for (unsigned i = 0; i < 2; i++)
		post_query(h, NULL, 0);
	UNTIL(&s->t->w, (turn(h), h->answers == 2) && reasons(&s->t->w, REASON_CONN_QUERIES) == 1);
	assert_true(http_client_ended(h->http));
	leave(h);
	secure_stop(s);
}

static void idle(void **state)
{
	struct bind_conf b = secure_bind(PROTO_DOH);
	struct conf *c = new_conf();
	struct secure *s;
	struct http_peer *h;

	(void)state;
	b.doh.idle_s = 1;
	set_number(c, "setTCPRecvTimeout", 2);
	s = start_with(c, b, true);
	h = come(s, "/dns-query");
	post_query(h, NULL, 0);
	UNTIL(&s->t->w, turn(h) && held.n == 1);
	world_pass(&s->t->w, 1800); /* it waits for us */
	assert_int_equal(s->t->w.lane.conns, 1);
	answer_held(0, 0);
	UNTIL(&s->t->w, turn(h) && h->answers == 1);
	for (unsigned i = 0; i < 9; i++) { /* pings are no requests */
		world_pass(&s->t->w, 100);
		assert_int_equal(http_client_ping(h->http), 0);
		UNTIL(&s->t->w, turn(h));
		world_turn(&s->t->w);
	}
	assert_int_equal(s->t->w.lane.conns, 1);
	world_pass(&s->t->w, 150);
	assert_int_equal(reasons(&s->t->w, REASON_CONN_IDLE), 1);
	leave(h);
	secure_stop(s);
}

/* We end a connection, and say so: in time, and with a GOAWAY (RFC 9113 9.1). */
static void ended_by_us(void **state)
{
	static const enum reason why[] = {REASON_CONN_IDLE, REASON_CONN_DURATION, REASON_CONN_EVICTED};

	(void)state;
	for (size_t i = 0; i < LEN(why); i++) {
		struct bind_conf b = secure_bind(PROTO_DOH);
		struct conf *c = new_conf();
		struct secure *s;
		struct http_peer *h;
		int other = -1;

		b.doh.idle_s = why[i] == REASON_CONN_IDLE ? 1 : 30;
		b.max_connections = 1;
		set_number(c, "setTCPConnectionsOverloadThreshold", 100);
		set_number(c, "setTCPRecvTimeout", 20);
		if (why[i] == REASON_CONN_DURATION)
			set_number(c, "setMaxTCPConnectionDuration", 1);
		s = start_with(c, b, false);
		h = come(s, "/dns-query");
		post_query(h, NULL, 0);
		UNTIL(&s->t->w, turn(h) && h->answers == 1);
		assert_false(http_client_ended(h->http));
		world_pass(&s->t->w, 900);
		assert_int_equal(s->t->w.lane.conns, 1);
		if (why[i] == REASON_CONN_EVICTED)
			other = other_connect(SOCK_STREAM, s->port);
		else
			world_pass(&s->t->w, 200);
		UNTIL(&s->t->w, reasons(&s->t->w, why[i]) == 1);
		UNTIL(&s->t->w, !turn(h));
		assert_true(http_client_ended(h->http));
		if (other >= 0)
			close(other);
		leave(h);
		secure_stop(s);
	}
}

/* A body that never ends; a head that never ends. */
static void unfinished(void **state)
{
	static const char *const texts[] = {
		"POST /dns-query HTTP/1.1\r\nHost: a\r\nContent-Type: application/dns-message\r\nContent-Length: 50\r\n\r\nx",
		"GET /dns-query?dns=AAAA HTTP/1.1\r\nHos",
	};

	(void)state;
	for (size_t i = 0; i < LEN(texts); i++) {
		struct conf *c = new_conf();
		struct secure *s;
		struct peer p;

		set_number(c, "setTCPRecvTimeout", 3);
		s = start_with(c, plain_bind(), false);
		peer_plain(&p, s);
		peer_push(&p, (const uint8_t *)texts[i], strlen(texts[i]));
		UNTIL(&s->t->w, s->t->w.lane.conns == 1 && s->t->w.lane.idle_first->codec);
		for (unsigned k = 0; k < 2; k++) {
			world_pass(&s->t->w, 1000);
			peer_push(&p, (const uint8_t *)"x", 1);
			world_turn(&s->t->w);
		}
		assert_int_equal(s->t->w.lane.conns, 1);
		world_pass(&s->t->w, 1100);
		assert_int_equal(reasons(&s->t->w, REASON_CONN_READ_TIMEOUT), 1);
		peer_end(&p);
		secure_stop(s);
	}
}

/* ---- peers that do not play by the rules ---- */
static const uint8_t hello[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0";
enum { HELLO = sizeof(hello) };

/* Many requests that have just begun, on many connections: they may be good ones, but not more of them than a sum of their
 * own allows, and less of them when they are older. */
static void young(void **state)
{
	enum { MANY = 8, EACH = 90, POST = 9 + 6 };
	static uint8_t out[HELLO + POST * EACH];
	struct conf *c = new_conf();
	struct secure *s;
	struct peer p[MANY];
	struct clients *all;
	size_t at = HELLO;
	uint64_t early;

	(void)state;
	set_number(c, "setTCPRecvTimeout", 100);
	s = start_with(c, plain_bind(), false);
	all = s->t->w.lane.clients;
	memcpy(out, hello, HELLO);
	for (unsigned i = 0; i < EACH; i++, at += POST) {
		memcpy(out + at, "\0\0\6\1\4\0\0\0\0\x83\x86\x84\x41\1a", POST);
		out[at + 8] = (uint8_t)(2 * i + 1);
	}
	for (unsigned i = 0; i < MANY; i++) {
		uint64_t had = (uint64_t)s->t->w.lane.conns + reasons(&s->t->w, REASON_CONN_HOLDS);

		peer_plain(&p[i], s);
		peer_push(&p[i], out, at);
		UNTIL(&s->t->w, s->t->w.lane.conns + reasons(&s->t->w, REASON_CONN_HOLDS) == had + 1);
		for (unsigned k = 0; k < 20; k++)
			world_turn(&s->t->w);
	}
	world_pass(&s->t->w, 1);
	assert_in_range(clients_hold(all, HOLD_YOUNG, 0, 0), 256 << 10, (512 + 4) << 10);
	assert_int_equal(clients_hold(all, HOLD_MESSAGE, 0, 0), 0);
	early = reasons(&s->t->w, REASON_CONN_HOLDS);
	assert_in_range(early, 1, MANY - 2);
	world_pass(&s->t->w, 50);
	assert_int_equal(clients_hold(all, HOLD_YOUNG, 0, 0), 0);
	assert_in_range(clients_hold(all, HOLD_MESSAGE, 0, 0), 1, (256 + 4) << 10);
	assert_in_range(reasons(&s->t->w, REASON_CONN_HOLDS), early + 1, MANY - 1);
	for (unsigned i = 0; i < MANY; i++)
		peer_end(&p[i]);
	UNTIL(&s->t->w, s->t->w.lane.conns == 0);
	secure_stop(s);
}

static void flood(void **state)
{
	static uint8_t out[HELLO + 17 * 4000];
	struct secure *s = start_with(new_conf(), plain_bind(), false);
	struct peer p;
	size_t at = HELLO;

	(void)state;
	memcpy(out, hello, HELLO);
	for (unsigned i = 0; i < 4000; i++, at += 17) { /* PING */
		out[at + 2] = 8;
		out[at + 3] = 6;
	}
	peer_plain(&p, s);
	peer_push(&p, out, at);
	UNTIL(&s->t->w, (world_pass(&s->t->w, 10), reasons(&s->t->w, REASON_CONN_FLOOD) == 1));
	UNTIL(&s->t->w, s->t->w.lane.conns == 0);
	peer_end(&p);
	secure_stop(s);
}

static void not_http(void **state)
{
	static const char garbage[] = "\x16\x03\x01\x02\x00";
	struct secure *s = start_with(new_conf(), plain_bind(), false);
	struct peer p;

	(void)state;
	peer_plain(&p, s);
	peer_push(&p, (const uint8_t *)garbage, 5);
	UNTIL(&s->t->w, reasons(&s->t->w, REASON_CONN_HTTP) == 1 && s->t->w.lane.conns == 0);
	peer_end(&p);
	peer_plain(&p, s); /* a frame that the preface does not allow */
	peer_push(&p, hello, HELLO);
	peer_push(&p, (const uint8_t *)"\0\0\1\3\0\0\0\0\1x", 10);
	UNTIL(&s->t->w, reasons(&s->t->w, REASON_CONN_HTTP) == 2 && s->t->w.lane.conns == 0);
	peer_end(&p);
	secure_stop(s);
}

/* window 0: answers cannot leave; the connection does. */
static void no_window(void **state)
{
	/* SETTINGS with INITIAL_WINDOW_SIZE 0, then GET /dns-query?dns=… as stream 1, without compression */
	static const uint8_t settings[] = {0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0};
	static const char path[] = "/dns-query?dns=" QUERY;
	struct conf *c = new_conf();
	struct secure *s;
	struct peer p;
	uint8_t out[256], *o = out;
	size_t n = sizeof(path) - 1;

	(void)state;
	set_number(c, "setTCPSendTimeout", 4);
	set_number(c, "setTCPRecvTimeout", 100);
	s = start_with(c, plain_bind(), false);
	memcpy(o, hello, 24);
	memcpy(o + 24, settings, sizeof(settings));
	o += 24 + sizeof(settings);
	memset(o, 0, 9);
	o[2] = (uint8_t)(n + 7);
	o[3] = 1; /* HEADERS, END_STREAM and END_HEADERS */
	o[4] = 5;
	o[8] = 1;
	o += 9;
	*o++ = 0x82; /* GET */
	*o++ = 0x87; /* https */
	*o++ = 0x04; /* :path, literal */
	*o++ = (uint8_t)n;
	memcpy(o, path, n);
	o += n;
	*o++ = 0x01; /* :authority, literal */
	*o++ = 1;
	*o++ = 'a';
	peer_plain(&p, s);
	peer_push(&p, out, (size_t)(o - out));
	UNTIL(&s->t->w, atomic_load(&s->l->http_status[2][0]) == 1);
	world_pass(&s->t->w, 3500);
	assert_int_equal(s->t->w.lane.conns, 1);
	world_pass(&s->t->w, 1000);
	assert_int_equal(s->t->w.lane.conns, 0);
	assert_int_equal(reasons(&s->t->w, REASON_CONN_WRITE_TIMEOUT), 1);
	peer_end(&p);
	secure_stop(s);
}

static void old_http(void **state)
{
	struct bind_conf b = plain_bind();
	struct secure *s;

	(void)state;
	b.doh.http1 = false;
	s = start_with(new_conf(), b, false);
	assert_int_equal(say_text(s, "GET /dns-query?dns=" QUERY " HTTP/1.1\r\nHost: a\r\n\r\n"), 505);
	UNTIL(&s->t->w, reasons(&s->t->w, REASON_CONN_ENDED) == 1);
	secure_stop(s);
}

static void wrong_alpn(void **state)
{
	static const char *const spdy[] = {"spdy/3", NULL};
	struct secure *s = start(new_conf(), false);
	struct peer p;

	(void)state;
	peer_come(&p, s, NULL, spdy);
	UNTIL(&s->t->w, wire_shake(&p.wire) != 0 && reasons(&s->t->w, REASON_CONN_TLS) == 1);
	p.closed = true;
	peer_end(&p);
	secure_stop(s);
}

/* Whatever allocation fails: the request is answered or its connection closed. */
static void no_memory(void **state)
{
	static const char request[] = "GET /dns-query?dns=" QUERY " HTTP/1.1\r\nHost: a\r\n\r\n";

	(void)state;
	for (unsigned long n = 1; n < 24; n++) {
		struct secure *s = start_with(new_conf(), plain_bind(), true);
		struct peer p;

		peer_plain(&p, s);
		mem_fail_at(n);
		(void)!send(io_fd(&p.wire.io), request, sizeof(request) - 1, MSG_NOSIGNAL);
		UNTIL(&s->t->w, is_readable(io_fd(&p.wire.io)) || held.n);
		if (held.n && held.q[0])
			answer_held(0, 100);
		UNTIL(&s->t->w, is_readable(io_fd(&p.wire.io)));
		mem_fail_at(0);
		peer_end(&p);
		UNTIL(&s->t->w, s->t->w.lane.conns == 0);
		secure_stop(s);
	}
}

int test_doh_with_doh(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(answers), cmocka_unit_test(statuses),
		cmocka_unit_test(largest_message), cmocka_unit_test(dropped), cmocka_unit_test(chosen), cmocka_unit_test(pages),
		cmocka_unit_test(max_age), cmocka_unit_test(prefixes), cmocka_unit_test(acl), cmocka_unit_test(acl_of_proxied), cmocka_unit_test(reset_stream),
		cmocka_unit_test(lane_ends), cmocka_unit_test(most_queries), cmocka_unit_test(idle), cmocka_unit_test(ended_by_us),
		cmocka_unit_test(unfinished), cmocka_unit_test(young), cmocka_unit_test(flood), cmocka_unit_test(not_http), cmocka_unit_test(no_window),
		cmocka_unit_test(old_http), cmocka_unit_test(wrong_alpn), cmocka_unit_test(no_memory)};

	return cmocka_run_group_tests_name("doh_with_doh", tests, NULL, NULL);
}
