/* test_tls_session_with_tls.c: sessions to resume with; memory that is out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "tls_peer.h"
#include <pthread.h>

int test_tls_session_with_tls(void);

/* one connection; was it resumed? */
static bool resumed(struct tls_client *c, struct server *s, struct tls_session *session, struct basket *b,
	enum tls_version version)
{
	struct tls_info info;
	struct pair p;

	pair_open(&p, c, s, session, b);
	assert_int_equal(pair_shake(&p), 0);
	pair_talk(&p);
	tls_info(p.wire.tls, &info);
	assert_int_equal(info.version, version);
	assert_int_equal(info.resumed, SSL_session_reused(p.peer));
	if (!info.resumed) /* a resumed one of TLS 1.2 has that of its session */
		assert_string_equal(SSL_get_servername(p.peer, TLSEXT_NAMETYPE_host_name), "dns.test");
	pair_close(&p);
	return info.resumed;
}

static void resumption(void **state)
{
	static const struct {
		int proto;
		enum tls_version version;
		uint64_t options;
		uint64_t life_s;
	} cases[] = {
		{TLS1_2_VERSION, TLS_V_12, 0, 600},
		{TLS1_2_VERSION, TLS_V_12, SSL_OP_NO_TICKET, 7200}, /* by session id: the server does not say how long */
		{TLS1_3_VERSION, TLS_V_13, 0, 600},
		{TLS1_3_VERSION, TLS_V_13, SSL_OP_NO_TICKET, 600},
	};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		struct tls_client *c, *lax, *other;
		struct basket b = {.count = 0}, unused = {.count = 0};
		struct server s;

		server_new(&s, GOOD, -1, NULL);
		SSL_CTX_set_min_proto_version(s.ctx, cases[i].proto);
		SSL_CTX_set_max_proto_version(s.ctx, cases[i].proto);
		SSL_CTX_set_options(s.ctx, cases[i].options);
		SSL_CTX_set_timeout(s.ctx, 600);
		c = client((struct tls_client_conf){.name = "dns.test", .validate = true, .session = take});
		lax = client((struct tls_client_conf){.name = "dns.test", .session = take});
		other = client((struct tls_client_conf){.name = "dns.test", .validate = true});
		assert_false(resumed(c, &s, NULL, &b, cases[i].version));
		assert_in_range(b.count, 1, 2);
		assert_int_equal(tls_session_once(b.got[0]), cases[i].version == TLS_V_13);
		assert_int_equal(tls_session_end_s(b.got[0]), MADE_NOW_S + cases[i].life_s);
		assert_true(resumed(c, &s, b.got[0], &unused, cases[i].version));
		basket_empty(&unused);
		/* the same name and authority: as good as the first; without validation: no */
		assert_true(resumed(other, &s, b.got[b.count - 1], NULL, cases[i].version));
		assert_false(resumed(lax, &s, b.got[0], &unused, cases[i].version));
		assert_false(resumed(c, &s, unused.got[0], &b, cases[i].version)); /* nor the other way round */
		basket_empty(&unused);
		/* past its end; a clock that was set must not resume what was not checked by it, either */
		tls_test_now_s = MADE_NOW_S + cases[i].life_s;
		assert_false(resumed(c, &s, b.got[0], &unused, cases[i].version));
		tls_test_now_s = MADE_NOW_S;
		basket_empty(&unused);
		/* a server that has forgotten: a whole handshake */
		server_free(&s);
		server_new(&s, GOOD, -1, NULL);
		SSL_CTX_set_max_proto_version(s.ctx, cases[i].proto);
		assert_false(resumed(c, &s, b.got[0], &unused, cases[i].version));
		basket_empty(&unused);
		basket_empty(&b);
		tls_client_free(&c);
		tls_client_free(&lax);
		tls_client_free(&other);
		server_free(&s);
	}
}

static void no_tickets_asked(void **state)
{
	struct tls_client *c = client((struct tls_client_conf){.name = "dns.test", .validate = true});
	struct server s;

	(void)state;
	server_new(&s, GOOD, -1, NULL);
	assert_false(resumed(c, &s, NULL, NULL, TLS_V_13)); /* no callback: none is called */
	tls_client_free(&c);
	server_free(&s);
}

/* ---- workers at once: one client, one store, connections of each ---- */
struct worker {
	pthread_t thread;
	struct tls_client *client;
	struct tls_session *last;
	SSL_CTX *server;
	unsigned good, resumed;
};

static void worker_take(void *ctx, struct tls_session *s)
{
	struct worker *w = ctx;

	tls_session_free(&w->last);
	w->last = s;
}

static bool worker_connect(struct worker *w)
{
	bool writes, good = false;
	uint8_t buf[8];
	struct tls *t;
	SSL *peer = SSL_new(w->server);
	int fd[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd) < 0)
		return false;
	t = tls_connect(w->client, fd[0], w->last, w);
	SSL_set_fd(peer, fd[1]);
	SSL_set_accept_state(peer);
	for (unsigned i = 0; t && i < 10; i++)
		if (tls_shake(t, &writes) == 0 && SSL_do_handshake(peer) == 1) {
			good = SSL_write(peer, "answer", 6) == 6 && tls_read(t, buf, sizeof(buf), &writes) == 6;
			w->resumed += SSL_session_reused(peer);
			break;
		} else {
			(void)!SSL_do_handshake(peer);
		}
	if (t)
		tls_end(&t, true);
	SSL_free(peer);
	close(fd[0]);
	close(fd[1]);
	return good;
}

static void *work(void *arg)
{
	struct worker *w = arg;

	for (unsigned i = 0; i < 10; i++)
		w->good += worker_connect(w);
	return NULL;
}

static void workers_at_once(void **state)
{
	struct tls_client *c = client((struct tls_client_conf){.name = "dns.test", .validate = true, .session = worker_take});
	struct worker workers[4] = {{.good = 0}};
	struct server s;

	(void)state;
	server_new(&s, BY_MIDDLE, MIDDLE, NULL);
	for (size_t i = 0; i < LEN(workers); i++) {
		workers[i].client = tls_client_ref(c);
		workers[i].server = s.ctx;
		assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
	}
	tls_client_free(&c);
	for (size_t i = 0; i < LEN(workers); i++) {
		pthread_join(workers[i].thread, NULL);
		assert_int_equal(workers[i].good, 10);
		assert_int_equal(workers[i].resumed, 9);
		tls_client_free(&workers[i].client);
		tls_session_free(&workers[i].last);
	}
	server_free(&s);
}

static void no_memory(void **state)
{
	static const char *const words[] = {"dot", NULL};
	struct tls_client_conf conf = {.name = "dns.test", .validate = true, .ca_store = made_path("ca.pem"), .alpn = words,
		.session = take};
	struct basket b = {.count = 0};
	struct tls_client *c = NULL;
	struct tls *t = NULL;
	struct server s;
	const char *error = "";
	unsigned long n;
	int fd[2];

	(void)state;
	for (n = 1; !c && n < 100; n++) {
		mem_fail_at(n);
		c = tls_client_new(&conf, &error);
		mem_fail_at(0);
	}
	assert_in_range(n, 4, 99);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd), 0);
	for (n = 1; !t && n < 100; n++) {
		mem_fail_at(n);
		t = tls_connect(c, fd[0], NULL, NULL);
		mem_fail_at(0);
	}
	assert_in_range(n, 2, 99);
	tls_end(&t, false);
	close(fd[0]);
	close(fd[1]);
	/* a handshake in which the nth allocation fails ends, well or not */
	server_new(&s, GOOD, -1, NULL);
	for (n = 1; n < 12; n++) {
		struct pair p;
		int err;

		pair_open(&p, c, &s, NULL, &b);
		mem_fail_at(n);
		err = pair_shake(&p);
		if (err == 0) {
			uint8_t buf[8];

			(void)!wire_read(&p.wire, buf, sizeof(buf));
		}
		mem_fail_at(0);
		pair_close(&p);
		basket_empty(&b);
	}
	server_free(&s);
	tls_client_free(&c);
}

int test_tls_session_with_tls(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(resumption),
		cmocka_unit_test(no_tickets_asked),
		cmocka_unit_test(workers_at_once),
		cmocka_unit_test(no_memory),
	};
	return cmocka_run_group_tests(tests, peer_set_up, peer_tear_down);
}
