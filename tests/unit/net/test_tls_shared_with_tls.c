/* test_tls_shared_with_tls.c: clients that want the same of the library share its context, and nothing of whom they
 * trust. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "tls_peer.h"
#include <pthread.h>

int test_tls_shared_with_tls(void);

static const char name_error[] = "certificate is for another name: wanted 'other.test', it has 'dns.test', 'second.test'",
		  address_error[] = "certificate is for another address: wanted 192.0.2.2, it has 192.0.2.1, 2001:db8::1, 'dns.test'",
		  issuer_error[] = "unable to get local issuer certificate",
		  pin_error[] = "no certificate of the chain is a pinned one";

static int set_up(void **state)
{
	int err = peer_set_up(state);

	made_write("other.pem", "w", made[OTHER_ROOT].cert, NULL);
	return err;
}

static SSL_CTX *context_of(struct tls_client *c)
{
	struct pair p;
	SSL_CTX *ctx;

	pair_open(&p, c, NULL, NULL, NULL);
	ctx = SSL_get_SSL_CTX(p.wire.tls->ssl);
	pair_close(&p);
	return ctx;
}

/* shake_both: two connections that exist at once, to one server: what each says of its certificate. */
static void shake_both(struct tls_client *c[2], int cert, const char *const error[2], const char *what)
{
	struct server s;
	struct pair p[2];

	server_new(&s, cert, -1, NULL);
	for (unsigned i = 0; i < 2; i++)
		pair_open(&p[i], c[i], &s, NULL, NULL);
	for (unsigned i = 2; i-- > 0;)
		if (pair_shake(&p[i]) != (error[i] ? -EPROTO : 0) ||
			strcmp(tls_error(p[i].wire.tls), error[i] ? error[i] : "") != 0)
			fail_msg("%s, client %u: '%s'", what, i, tls_error(p[i].wire.tls));
	for (unsigned i = 0; i < 2; i++)
		pair_close(&p[i]);
	server_free(&s);
}

static void trust_is_each_clients_own(void **state)
{
	static const uint8_t pin[1][32] = {{1}};
	static const char *const dot[] = {"dot", NULL}, *const h2[] = {"h2", NULL};
	static const struct {
		const char *what;
		struct tls_client_conf conf[2];
		bool other_store; /* of the second */
		int cert;
		const char *error[2];
	} cases[] = {
		{"names", {{.name = "dns.test", .validate = true}, {.name = "other.test", .validate = true}}, false, GOOD,
			{NULL, name_error}},
		{"names, the other way", {{.name = "other.test", .validate = true}, {.name = "dns.test", .validate = true}},
			false, GOOD, {name_error, NULL}},
		{"name and address", {{.name = "dns.test", .validate = true}, {.addr = "192.0.2.2", .validate = true}},
			false, ADDRESS, {NULL, address_error}},
		{"addresses", {{.addr = "192.0.2.2", .validate = true}, {.addr = "2001:db8::1", .validate = true}}, false,
			ADDRESS, {address_error, NULL}},
		{"stores", {{.name = "dns.test", .validate = true}, {.name = "dns.test", .validate = true}}, true, GOOD,
			{NULL, issuer_error}},
		{"stores, the other's certificate", {{.name = "dns.test", .validate = true},
			{.name = "dns.test", .validate = true}}, true, BY_OTHER, {issuer_error, NULL}},
		{"strict and lax", {{.name = "dns.test", .validate = true}, {.name = "dns.test"}}, false, BY_OTHER,
			{issuer_error, NULL}},
		{"lax and strict", {{.name = "dns.test"}, {.name = "dns.test", .validate = true}}, false, BY_OTHER,
			{NULL, issuer_error}},
		{"pinned and not", {{.name = "dns.test", .validate = true, .pins = pin, .npins = 1},
			{.name = "dns.test", .validate = true}}, false, GOOD, {pin_error, NULL}},
		{"pinned and lax", {{.name = "dns.test"}, {.name = "dns.test", .pins = pin, .npins = 1}}, false, SELF,
			{NULL, pin_error}},
		{"protocols", {{.name = "dns.test", .validate = true, .alpn = dot}, {.name = "other.test", .validate = true,
			.alpn = h2}}, false, GOOD, {NULL, name_error}},
	};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		struct tls_client_conf second = cases[i].conf[1];
		struct tls_client *c[2];

		if (cases[i].other_store)
			second.ca_store = made_path("other.pem");
		c[0] = client(cases[i].conf[0]);
		c[1] = client(second);
		assert_ptr_equal(context_of(c[0]), context_of(c[1]));
		shake_both(c, cases[i].cert, cases[i].error, cases[i].what);
		tls_client_free(&c[0]);
		expect(c[1], cases[i].cert, -1, cases[i].error[1], cases[i].what);
		tls_client_free(&c[1]);
	}
}

/* What the library is told of a context keeps clients apart. */
static void settings_are_not_shared(void **state)
{
	const char *log = made_path("keys.log");
	const struct tls_client_conf usual = {.ciphers = "", .curves = NULL}, others[] = {
		{.ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384"},
		{.ciphers13 = "TLS_AES_128_GCM_SHA256"},
		{.curves = "P-256"},
		{.curves = "P-384"},
		{.key_log = log},
		{.release_buffers = true},
		{.renegotiation = true},
		{.ciphers = "1 x", .ciphers13 = NULL}, /* not known: it is refused whoever asked before */
	};
	struct tls_client *first = client(usual), *same = client((struct tls_client_conf){.key_log = ""});
	const char *error = "";

	(void)state;
	assert_ptr_equal(context_of(first), context_of(same));
	for (size_t i = 0; i + 1 < LEN(others); i++) {
		struct tls_client *a = client(others[i]), *b = client(others[i]);

		assert_ptr_equal(context_of(a), context_of(b));
		assert_ptr_not_equal(context_of(a), context_of(first));
		tls_client_free(&a);
		tls_client_free(&b);
	}
	for (unsigned i = 0; i < 2; i++)
		assert_null(tls_client_new(&others[LEN(others) - 1], &error));
	assert_string_equal(error, "ciphers: nothing of \"1 x\" is known");
	tls_client_free(&first);
	assert_non_null(context_of(same));
	tls_client_free(&same);
}

/* A connection keeps what it needs of clients that are gone. */
static void outlives_its_client(void **state)
{
	struct tls_client *c = client((struct tls_client_conf){.name = "dns.test", .validate = true});
	struct server s;
	struct pair p;

	(void)state;
	server_new(&s, GOOD, -1, NULL);
	pair_open(&p, c, &s, NULL, NULL);
	tls_client_free(&c);
	c = client((struct tls_client_conf){.name = "other.test", .validate = true});
	assert_int_equal(pair_shake(&p), 0);
	pair_talk(&p);
	pair_close(&p);
	tls_client_free(&c);
	server_free(&s);
}

/* ---- workers that make and free clients at once ---- */
static void *make_and_free(void *arg)
{
	size_t made_by_us = 0;

	(void)arg;
	for (unsigned i = 0; i < 40; i++) {
		struct tls_client_conf conf = {.name = "dns.test", .curves = i % 2 ? "P-256" : NULL};
		const char *error = "";
		struct tls_client *c = tls_client_new(&conf, &error);
		int fd[2];

		if (!c || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd) < 0)
			break;
		struct tls *t = tls_connect(c, fd[0], NULL, NULL);

		tls_client_free(&c);
		made_by_us += t != NULL;
		if (t)
			tls_end(&t, false);
		close(fd[0]);
		close(fd[1]);
	}
	return (void *)made_by_us;
}

static void workers(void **state)
{
	pthread_t thread[4];
	void *count;

	(void)state;
	for (size_t i = 0; i < LEN(thread); i++)
		assert_int_equal(pthread_create(&thread[i], NULL, make_and_free, NULL), 0);
	for (size_t i = 0; i < LEN(thread); i++) {
		pthread_join(thread[i], &count);
		assert_int_equal((size_t)count, 40);
	}
}

int test_tls_shared_with_tls(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(trust_is_each_clients_own),
		cmocka_unit_test(settings_are_not_shared),
		cmocka_unit_test(outlives_its_client),
		cmocka_unit_test(workers),
	};
	return cmocka_run_group_tests(tests, set_up, peer_tear_down);
}
