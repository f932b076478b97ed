/* test_dot_with_tls.c: DoT on a real lane: handshakes that end and that do not, names, resumption, PROXY headers inside
 * and outside, padding, rates, certificates that change. */
#include "conn.h"
#include "secure_help.h"

int test_dot_with_tls(void);

static uint8_t msg[DNS_MAX];

static struct secure *start(struct conf *c, bool hold)
{
	static struct secure s;

	secure_start(&s, &front_dot, c, secure_bind(PROTO_DOT), hold);
	return &s;
}

static struct tls_stats *stats(struct secure *s)
{
	return tls_server_stats(s->l->tls);
}

static void answers(void **state)
{
	static const char *const dot[] = {"dot", NULL};
	struct secure *s = start(new_conf(), true);
	struct peer p;
	uint8_t out[256];
	size_t len = 0;

	(void)state;
	peer_come(&p, s, "dns.test", dot);
	peer_shake(&p);
	for (uint16_t i = 0; i < 3; i++) { /* in one record */
		size_t n = make_query(out + len + 2, i, "www.example", QTYPE_A);

		put16(out + len, (unsigned)n);
		len += n + 2;
	}
	peer_push(&p, out, len);
	UNTIL(&s->t->w, held.n == 3);
	for (unsigned i = 3; i-- > 0;) {
		assert_int_equal(held.q[i]->client.proto, PROTO_DOT);
		assert_true(held.q[i]->client.stream);
		assert_string_equal(held.q[i]->client.envelope->sni, "dns.test");
		assert_null(held.q[i]->client.envelope->path);
		answer_held(i, i == 1 ? 60000 : 0); /* many records */
		assert_true(peer_hear(&p, msg) > (i == 1 ? 60000 : 0));
		assert_int_equal(dns_id(msg), i);
	}
	assert_int_equal(atomic_load(&stats(s)->version[TLS_V_13]), 3);
	assert_int_equal(atomic_load(&stats(s)->full), 1);
	peer_end(&p);
	UNTIL(&s->t->w, s->t->w.lane.conns == 0);
	assert_int_equal(reasons(&s->t->w, REASON_CONN_CLOSED), 1);
	secure_stop(s);
}

static void resumes(void **state)
{
	struct secure *s = start(new_conf(), false);
	struct peer p;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		peer_come(&p, s, NULL, NULL);
		peer_query(&p, (uint16_t)i);
		assert_true(peer_hear(&p, msg) > 0);
		assert_int_equal(dns_id(msg), i);
		peer_end(&p);
	}
	assert_int_equal(atomic_load(&stats(s)->full), 1);
	assert_int_equal(atomic_load(&stats(s)->resumed), 1);
	forget_session();
	secure_stop(s);
}

/* No server name, no envelope; other ALPN than "dot" is none of our business. */
static void nameless(void **state)
{
	static const char *const other[] = {"foo", NULL};
	struct secure *s = start(new_conf(), true);
	struct peer p;

	(void)state;
	peer_come(&p, s, NULL, other);
	peer_query(&p, 1);
	UNTIL(&s->t->w, held.n == 1);
	assert_null(held.q[0]->client.envelope);
	answer_held(0, 0);
	assert_true(peer_hear(&p, msg) > 0);
	peer_end(&p);
	forget_session();
	secure_stop(s);
}

static void half_shaken(void **state)
{
	static const uint8_t beginning[] = {22, 3, 1, 1, 0, 1, 0};
	struct conf *c = new_conf();
	struct secure *s;
	int silent, half;

	(void)state;
	set_number(c, "setTCPRecvTimeout", 3);
	s = start(c, false);
	silent = other_connect(SOCK_STREAM, s->port);
	half = other_connect(SOCK_STREAM, s->port);
	UNTIL(&s->t->w, s->t->w.lane.conns == 2);
	for (unsigned i = 0; i < sizeof(beginning); i++) { /* drips */
		assert_int_equal(send(half, beginning + i, 1, MSG_NOSIGNAL), 1);
		world_turn(&s->t->w);
		world_pass(&s->t->w, 400);
	}
	assert_int_equal(s->t->w.lane.conns, 2);
	world_pass(&s->t->w, 500);
	assert_int_equal(s->t->w.lane.conns, 0);
	assert_int_equal(reasons(&s->t->w, REASON_CONN_TLS_SLOW), 2);
	assert_int_equal(atomic_load(&s->l->client_timeouts), 2);
	close(silent);
	close(half);
	secure_stop(s);
}

static void greet(struct peer *p, struct secure *s)
{
	peer_come(p, s, NULL, NULL);
	assert_int_equal(wire_shake(&p->wire), -EAGAIN); /* says hello, and no more */
}

/* Handshakes that wait for their clients: a crowd may, as long as round trips take; when it waits longer the oldest go. */
static void stuck(void **state)
{
	enum { OLD = 60, YOUNG = 15, COST = 44 << 10, LONG_MS = 1500 };
	struct conf *c = new_conf();
	struct peer p[OLD + YOUNG];
	struct secure *s;
	struct clients *all;
	unsigned conns;

	(void)state;
	set_number(c, "setTCPRecvTimeout", 100);
	s = start(c, false);
	all = s->t->w.lane.clients;
	for (unsigned i = 0; i < OLD; i++)
		greet(&p[i], s);
	UNTIL(&s->t->w, clients_hold(all, HOLD_SHAKE, 0, 0) == OLD * COST);
	world_pass(&s->t->w, LONG_MS);
	assert_int_equal(s->t->w.lane.conns, OLD); /* nobody else comes: there is no need */
	for (unsigned i = 0; i < YOUNG; i++) {
		greet(&p[OLD + i], s);
		UNTIL(&s->t->w, atomic_load(&s->l->accepted) == OLD + i + 1);
		world_pass(&s->t->w, 10);
	}
	UNTIL(&s->t->w, clients_hold(all, HOLD_SHAKE, 0, 0) <= (1 << 20) + 26 * 4096);
	conns = s->t->w.lane.conns;
	assert_in_range(conns, 24, 26);
	assert_int_equal(reasons(&s->t->w, REASON_CONN_SHAKES), OLD + YOUNG - conns);
	for (unsigned i = 0; i < YOUNG; i++)
		peer_shake(&p[OLD + i]);
	UNTIL(&s->t->w, !peer_pull(&p[0]));
	UNTIL(&s->t->w, clients_hold(all, HOLD_SHAKE, 0, 0) == (conns - YOUNG) * COST);
	for (unsigned i = 0; i < OLD + YOUNG; i++)
		peer_end(&p[i]);
	UNTIL(&s->t->w, s->t->w.lane.conns == 0);
	assert_int_equal(clients_hold(all, HOLD_SHAKE, 0, 0), 0);
	assert_null(s->t->w.lane.holders);
	forget_session();
	secure_stop(s);
}

static void not_tls(void **state)
{
	struct secure *s = start(new_conf(), false);
	int fd = other_connect(SOCK_STREAM, s->port);

	(void)state;
	write_frame(fd, msg, make_query(msg, 1, "www.example", QTYPE_A));
	UNTIL(&s->t->w, is_readable(fd));
	UNTIL(&s->t->w, reasons(&s->t->w, REASON_CONN_TLS) == 1);
	assert_int_equal(s->t->w.lane.conns, 0);
	close(fd);
	secure_stop(s);
}

/* One byte a second inside a record: neither a message nor a sign of life. */
static void drips(void **state)
{
	struct conf *c = new_conf();
	struct secure *s;
	struct peer p;

	(void)state;
	set_number(c, "setTCPRecvTimeout", 2);
	s = start(c, false);
	peer_come(&p, s, NULL, NULL);
	peer_query(&p, 1);
	assert_true(peer_hear(&p, msg) > 0);
	for (unsigned i = 0; i < 4 && s->t->w.lane.conns; i++) {
		(void)!send(io_fd(&p.wire.io), &"\x17\x03\x03\x00\x40"[i], 1, MSG_NOSIGNAL);
		world_turn(&s->t->w);
		world_pass(&s->t->w, 1000);
	}
	assert_int_equal(s->t->w.lane.conns, 0);
	assert_int_equal(reasons(&s->t->w, REASON_CONN_IDLE), 1);
	p.closed = true;
	peer_end(&p);
	forget_session();
	secure_stop(s);
}

/* ---- PROXY headers ---- */
static void proxy(bool out_of_it)
{
	struct conf *c = new_conf();
	struct bind_conf b = secure_bind(PROTO_DOT);
	static struct secure s;
	uint8_t head[512];
	size_t len = proxy_head(head, "203.0.113.9", 20, true), q;
	struct peer p;

	assert_int_equal(netset_add_text(c->proxy_acl, "127.0.0.0/8"), 0);
	b.tls.proxy_outside = out_of_it;
	secure_start(&s, &front_dot, c, b, true);
	if (out_of_it) {
		int fd = other_connect(SOCK_STREAM, s.port);

		for (size_t i = 0; i < len; i++) {
			assert_int_equal(send(fd, head + i, 1, MSG_NOSIGNAL), 1);
			world_turn(&s.t->w);
		}
		peer_on(&p, &s.t->w, fd, "dns.test", NULL);
		len = 0;
	} else {
		peer_come(&p, &s, "dns.test", NULL);
	}
	peer_shake(&p);
	q = make_query(head + len + 2, 7, "www.example", QTYPE_A);
	put16(head + len, (unsigned)q);
	peer_push(&p, head, len + q + 2);
	UNTIL(&s.t->w, held.n == 1);
	assert_true(held.q[0]->client.inner);
	assert_int_equal(held.q[0]->client.remote.ip[0], 203);
	assert_int_equal(held.q[0]->client.peer.ip[0], 127);
	answer_held(0, 0);
	assert_int_equal(peer_hear(&p, msg), q);
	peer_end(&p);
	forget_session();
	secure_stop(&s);
}

static void proxy_inside(void **state)
{
	(void)state;
	proxy(false);
}

static void proxy_outside(void **state)
{
	(void)state;
	proxy(true);
}

static void proxy_missing(void **state)
{
	struct conf *c = new_conf();
	struct bind_conf b = secure_bind(PROTO_DOT);
	static struct secure s;
	struct peer p;

	(void)state;
	assert_int_equal(netset_add_text(c->proxy_acl, "127.0.0.0/8"), 0);
	b.tls.proxy_outside = true;
	secure_start(&s, &front_dot, c, b, true);
	peer_come(&p, &s, NULL, NULL);
	UNTIL(&s.t->w, wire_shake(&p.wire) < 0 && reasons(&s.t->w, REASON_PROXY_HEADER) == 1);
	assert_int_equal(s.t->w.lane.conns, 0);
	p.closed = true;
	peer_end(&p);
	secure_stop(&s);
}

/* ---- padding ---- */
static size_t padded_query(uint8_t *q, bool edns, bool padding)
{
	size_t len = make_query(q, 1, "www.example", QTYPE_A);

	if (edns)
		assert_int_equal(edns_add(q, &len, 512, 1232, 0, 0), 0);
	if (padding)
		assert_int_equal(edns_set_option(q, &len, 512, 1232, EDNS_PADDING, NULL, 30, true), 0);
	return len;
}

static void pads(void **state)
{
	static const struct {
		bool edns, padding, option, padded;
	} cases[] = {{false, false, false, false}, {true, false, false, false}, {true, true, false, true},
		{true, false, true, true}, {false, false, true, false}};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		struct bind_conf b = secure_bind(PROTO_DOT);
		static struct secure s;
		struct peer p;
		uint8_t q[512];
		size_t len = padded_query(q, cases[i].edns, cases[i].padding), got;

		b.tls.pad = cases[i].option;
		secure_start(&s, &front_dot, new_conf(), b, false); /* SERVFAIL with an OPT */
		peer_come(&p, &s, NULL, NULL);
		for (unsigned round = 0; round < 2; round++) {
			peer_ask(&p, q, len);
			got = peer_hear(&p, msg);
			assert_true(got > 0);
			if ((got == 468) != cases[i].padded)
				fail_msg("case %zu: %zu bytes", i, got);
		}
		peer_end(&p);
		forget_session();
		secure_stop(&s);
	}
}

/* ---- rates ---- */
static void rates(const char *word, bool resume)
{
	struct conf *c = new_conf();
	struct secure *s;
	struct peer p;

	set_number(c, word, 1);
	set_number(c, "setTCPConnectionRateInterval", 1);
	set_number(c, "setBanDurationForExceedingTCPTLSRate", 100);
	s = start(c, false);
	for (unsigned i = 0; i < (resume ? 61u : 60u); i++) {
		peer_come(&p, s, NULL, NULL);
		peer_query(&p, 1);
		assert_true(peer_hear(&p, msg) > 0);
		peer_end(&p);
		if (!resume)
			forget_session();
	}
	peer_come(&p, s, NULL, NULL);
	UNTIL(&s->t->w, wire_shake(&p.wire) <= 0 && reasons(&s->t->w, REASON_CONN_TLS_RATE) == 1);
	UNTIL(&s->t->w, s->t->w.lane.conns == 0);
	p.closed = true;
	peer_end(&p);
	peer_come(&p, s, NULL, NULL);
	UNTIL(&s->t->w, reasons(&s->t->w, REASON_CONN_BANNED) == 1);
	p.closed = true;
	peer_end(&p);
	forget_session();
	secure_stop(s);
}

static void rate_full(void **state)
{
	(void)state;
	rates("setMaxTLSNewSessionRatePerClient", false);
}

static void rate_resumed(void **state)
{
	(void)state;
	rates("setMaxTLSResumedSessionRatePerClient", true);
}

/* Handshakes of clients behind a trusted proxy: who makes too many is turned away, where its address comes before TLS; no
 * other one, and never the proxy. */
static void rates_of_proxied(void **state)
{
	(void)state;
	for (int outside = 0; outside < 2; outside++) {
		struct conf *c = new_conf();
		struct bind_conf b = secure_bind(PROTO_DOT);
		static struct secure s;
		uint8_t head[512];

		assert_int_equal(netset_add_text(c->proxy_acl, "127.0.0.0/8"), 0);
		set_number(c, "setMaxTLSNewSessionRatePerClient", 1);
		set_number(c, "setTCPConnectionRateInterval", 1);
		set_number(c, "setBanDurationForExceedingTCPTLSRate", 100);
		b.tls.proxy_outside = outside;
		secure_start(&s, &front_dot, c, b, false);
		for (unsigned i = 0; i < 62; i++) {
			size_t len = proxy_head(head, i < 61 ? "203.0.113.9" : "203.0.113.10", 0, true);
			int fd = other_connect(SOCK_STREAM, s.port);
			bool refused = outside && i == 60;
			struct peer p;

			if (outside)
				assert_int_equal(send(fd, head, len, MSG_NOSIGNAL), len);
			peer_on(&p, &s.t->w, fd, NULL, NULL);
			peer_shake(&p);
			if (!outside)
				peer_push(&p, head, len);
			if (!refused) {
				peer_query(&p, 1);
				assert_true(peer_hear(&p, msg) > 0);
			}
			UNTIL(&s.t->w, reasons(&s.t->w, REASON_CONN_TLS_RATE) == (outside && i >= 60));
			peer_end(&p);
			UNTIL(&s.t->w, s.t->w.lane.conns == 0);
			forget_session();
		}
		assert_int_equal(reasons(&s.t->w, REASON_CONN_BANNED), 0);
		secure_stop(&s);
	}
}

/* ---- options that change ---- */
/* The file of ticket keys is read again with the certificates. */
static void ticket_file_again(void **state)
{
	struct bind_conf b = secure_bind(PROTO_DOT);
	char path[] = "/tmp/ticketsXXXXXX";
	uint8_t keys[TLS_TICKET_KEY] = {1};
	int fd = mkstemp(path);
	const char *error = "";
	static struct secure s;

	(void)state;
	assert_int_equal(write(fd, keys, sizeof(keys)), sizeof(keys));
	mem_free(b.tls.ticket_file);
	b.tls.ticket_file = mem_strdup(path);
	secure_start(&s, &front_dot, new_conf(), b, false);
	assert_int_equal(listener_update(s.l, &s.b, &error), 0);
	assert_int_equal(ftruncate(fd, 1), 0);
	assert_int_equal(listener_update(s.l, &s.b, &error), -EINVAL);
	assert_non_null(strstr(error, path));
	close(fd);
	unlink(path);
	secure_stop(&s);
}

static void updates(void **state)
{
	struct secure *s = start(new_conf(), false);
	struct tls_server *before = s->l->tls;
	const char *error = "";
	struct bind_conf b = secure_bind(PROTO_DOT);
	struct peer p, old;

	(void)state;
	peer_come(&old, s, NULL, NULL);
	peer_query(&old, 1);
	assert_true(peer_hear(&old, msg) > 0);
	forget_session();
	assert_int_equal(listener_update(s->l, &b, &error), 0);
	assert_ptr_equal(s->l->tls, before); /* nothing differs */
	mem_free(b.tls.certs.v[0]);
	b.tls.certs.v[0] = mem_strdup("/nonexistent.pem");
	assert_int_equal(listener_update(s->l, &b, &error), -EINVAL);
	assert_non_null(strstr(error, "/nonexistent.pem"));
	assert_ptr_equal(s->l->tls, before);
	assert_int_equal(listener_certs(s->l, &b.tls, &error), -EINVAL);
	assert_non_null(strstr(error, "/nonexistent.pem"));
	assert_int_equal(field_list_add(&b.tls.keys, "a"), 0);
	assert_int_equal(field_list_add(&b.tls.keys, "b"), 0);
	assert_int_equal(listener_certs(s->l, &b.tls, &error), -EINVAL);
	bind_conf_free(&b);
	assert_int_equal(listener_certs(s->l, NULL, &error), 0);
	b = secure_bind(PROTO_DOT);
	mem_free(b.tls.min_version);
	b.tls.min_version = mem_strdup("tls1.9");
	assert_int_equal(listener_update(s->l, &b, &error), -EINVAL);
	assert_non_null(strstr(error, "tls1.9"));
	mem_free(b.tls.min_version);
	b.tls.min_version = mem_strdup("tls1.3");
	assert_int_equal(listener_update(s->l, &b, &error), 0);
	assert_ptr_not_equal(s->l->tls, before);
	assert_int_equal(atomic_load(&stats(s)->full), 1); /* counting goes on */
	peer_query(&old, 2); /* who is here stays */
	assert_true(peer_hear(&old, msg) > 0);
	assert_int_equal(atomic_load(&stats(s)->version[TLS_V_13]), 2); /* and counts */
	peer_come(&p, s, NULL, NULL);
	peer_query(&p, 3);
	assert_true(peer_hear(&p, msg) > 0);
	assert_int_equal(atomic_load(&stats(s)->full), 2);
	peer_end(&p);
	peer_end(&old);
	forget_session();
	bind_conf_free(&b);
	secure_stop(s);
}

static void refused_at_start(void **state)
{
	static const char *const certs[] = {"/nonexistent.pem", "/dev/null"};
	const char *error = "";

	(void)state;
	for (size_t i = 0; i < LEN(certs); i++) {
		struct bind_conf b = secure_bind(PROTO_DOT);

		mem_free(b.tls.certs.v[0]);
		b.tls.certs.v[0] = mem_strdup(certs[i]);
		assert_null(listener_new(&front_dot, &b, &error));
		assert_non_null(strstr(error, certs[i]));
		bind_conf_free(&b);
	}
}

/* Whatever allocation fails: the query is answered or its connection closed, and nothing is lost. */
static void no_memory(void **state)
{
	(void)state;
	for (unsigned long n = 1; n < 16; n++) {
		struct secure *s = start(new_conf(), false);
		struct peer p;
		int fd = other_connect(SOCK_STREAM, s->port);

		peer_on(&p, &s->t->w, fd, "dns.test", NULL);
		mem_fail_at(n);
		for (unsigned i = 0; i < 2000 && wire_shake(&p.wire) == -EAGAIN; i++) {
			world_turn(&s->t->w);
			usleep(50);
		}
		if (wire_shake(&p.wire) == 0) {
			uint8_t q[64];
			size_t len = make_query(q + 2, 1, "www.example", QTYPE_A);

			put16(q, (unsigned)len);
			(void)!wire_write(&p.wire, q, len + 2);
			for (unsigned i = 0; i < 2000 && wire_read(&p.wire, msg, sizeof(msg)) == -EAGAIN; i++) {
				world_turn(&s->t->w);
				usleep(50);
			}
		}
		mem_fail_at(0);
		p.closed = true;
		peer_end(&p);
		forget_session();
		UNTIL(&s->t->w, s->t->w.lane.conns == 0);
		secure_stop(s);
	}
}

int test_dot_with_tls(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(answers), cmocka_unit_test(resumes), cmocka_unit_test(nameless),
		cmocka_unit_test(half_shaken), cmocka_unit_test(stuck), cmocka_unit_test(not_tls), cmocka_unit_test(drips),
		cmocka_unit_test(proxy_inside), cmocka_unit_test(proxy_outside), cmocka_unit_test(proxy_missing),
		cmocka_unit_test(pads), cmocka_unit_test(rate_full), cmocka_unit_test(rate_resumed),
		cmocka_unit_test(rates_of_proxied), cmocka_unit_test(ticket_file_again), cmocka_unit_test(updates),
		cmocka_unit_test(refused_at_start), cmocka_unit_test(no_memory)};

	return cmocka_run_group_tests_name("dot_with_tls", tests, NULL, NULL);
}
