/* test_tls_client_with_tls.c: TLS towards servers with every kind of certificate, and towards what is no server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "tls_peer.h"

int test_tls_client_with_tls(void);

/* ---- certificates ---- */
static void certificates(void **state)
{
	static const char expired[] = "certificate has expired", early[] = "certificate is not yet valid",
			  issuer[] = "unable to get local issuer certificate";
#define OTHER_NAME(wanted, has)	   "certificate is for another name: wanted " wanted ", it has " has
#define OTHER_ADDRESS(wanted, has) "certificate is for another address: wanted " wanted ", it has " has
#define TEN			   "cccccccccc"
#define LONG			   TEN TEN TEN TEN TEN TEN TEN "ccccc"
#define ADDRESS_HAS		   "192.0.2.1, 2001:db8::1, 'dns.test'"
	static const struct {
		const char *what;
		int cert, more;
		const char *name, *addr, *error;
		bool lax;
	} cases[] = {
		{"good", GOOD, -1, "dns.test", NULL, NULL, false},
		{"good, upper case, dot", GOOD, -1, "DNS.Test.", NULL, NULL, false},
		{"good, second name", GOOD, -1, "second.test", NULL, NULL, false},
		{"chain", BY_MIDDLE, MIDDLE, "dns.test", NULL, NULL, false},
		{"broken chain", BY_MIDDLE, -1, "dns.test", NULL, issuer, false},
		{"wrong one in the chain", BY_MIDDLE, GOOD, "dns.test", NULL, issuer, false},
		{"expired", EXPIRED, -1, "dns.test", NULL, expired, false},
		{"not yet valid", EARLY, -1, "dns.test", NULL, early, false},
		{"other name", GOOD, -1, "other.test", NULL,
			OTHER_NAME("'other.test'", "'dns.test', 'second.test'"), false},
		{"name below", GOOD, -1, "a.dns.test", NULL,
			OTHER_NAME("'a.dns.test'", "'dns.test', 'second.test'"), false},
		{"name above", GOOD, -1, "test", NULL,
			OTHER_NAME("'test'", "'dns.test', 'second.test'"), false},
		{"authority of the same name", BY_OTHER, -1, "dns.test", NULL, issuer, false},
		{"authority of the same name, sent", BY_OTHER, OTHER_ROOT, "dns.test", NULL,
			"self-signed certificate in certificate chain", false},
		{"self-signed", SELF, -1, "dns.test", NULL, "self-signed certificate", false},
		{"wildcard", WILD, -1, "a.wild.test", NULL, NULL, false},
		{"wildcard, two labels", WILD, -1, "a.b.wild.test", NULL,
			OTHER_NAME("'a.b.wild.test'", "'*.wild.test'"), false},
		{"wildcard, none", WILD, -1, "wild.test", NULL,
			OTHER_NAME("'wild.test'", "'*.wild.test'"), false},
		{"part of a label", WILD_PART, -1, "dns.wild.test", NULL,
			OTHER_NAME("'dns.wild.test'", "'d*.wild.test'"), false},
		{"address", ADDRESS, -1, NULL, "192.0.2.1", NULL, false},
		{"address as name", ADDRESS, -1, "192.0.2.1", NULL, NULL, false},
		{"IPv6 address", ADDRESS, -1, NULL, "2001:db8:0::1", NULL, false},
		{"other address", ADDRESS, -1, NULL, "192.0.2.2",
			OTHER_ADDRESS("192.0.2.2", ADDRESS_HAS), false},
		{"other address as name", ADDRESS, -1, "192.0.2.2", NULL,
			OTHER_ADDRESS("192.0.2.2", ADDRESS_HAS), false},
		{"name and address", ADDRESS, -1, "dns.test", "192.0.2.1", NULL, false},
		{"name and other address", ADDRESS, -1, "dns.test", "192.0.2.2",
			OTHER_ADDRESS("'dns.test' and 192.0.2.2", ADDRESS_HAS), false},
		{"other name and address", ADDRESS, -1, "other.test", "192.0.2.1",
			OTHER_NAME("'other.test' and 192.0.2.1", ADDRESS_HAS), false},
		{"common name without SAN, other", CN_ONLY, -1, "other.test", NULL,
			OTHER_NAME("'other.test'", "no name, only the subject 'dns.test'"), false},
		{"many names", MANY, -1, "dns.test", NULL,
			OTHER_NAME("'dns.test'", "'a.test', 'b.test', 'c.test', 'd.test' and 2 more"), false},
		{"odd name", ODD, -1, "dns.test", NULL, OTHER_NAME("'dns.test'", "'a\\032\\039b\\007" LONG "…'"), false},
		{"common name without SAN", CN_ONLY, -1, "dns.test", NULL, NULL, false},
		{"authority as a server", MIDDLE, -1, "middle", NULL, NULL, false},
		/* validateCertificates=false */
		{"lax expired", EXPIRED, -1, "dns.test", NULL, NULL, true},
		{"lax self-signed", SELF, -1, "other.test", "192.0.2.9", NULL, true},
		{"lax without a name", BY_OTHER, -1, NULL, NULL, NULL, true},
	};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		struct tls_client *c = client((struct tls_client_conf){.name = cases[i].name, .addr = cases[i].addr,
			.validate = !cases[i].lax});

		expect(c, cases[i].cert, cases[i].more, cases[i].error, cases[i].what);
		tls_client_free(&c);
		assert_null(c);
	}
}

static void clock_not_set(void **state)
{
	static const struct {
		uint64_t at_s; /* 0: the usual one */
		int cert;
		bool ignore;
		const char *error;
	} cases[] = {
		{1000, GOOD, false, "certificate is not yet valid"},
		{1000, GOOD, true, NULL},
		{1000, EARLY, true, NULL},
		{1000, EXPIRED, true, NULL},
		{1000, BY_OTHER, true, "unable to get local issuer certificate"}, /* only dates are let pass */
		{0, GOOD, true, NULL},
		{0, EARLY, true, "certificate is not yet valid"}, /* the clock is set */
		{0, EXPIRED, true, "certificate has expired"},
	};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		struct tls_client *c = client((struct tls_client_conf){.name = "dns.test", .validate = true,
			.ignore_dates = cases[i].ignore});

		if (cases[i].at_s)
			tls_test_now_s = cases[i].at_s;
		expect(c, cases[i].cert, -1, cases[i].error, "clock");
		tls_client_free(&c);
		tls_test_now_s = MADE_NOW_S;
	}
	assert_true(tls_clock_wrong(0));
	assert_true(tls_clock_wrong(tls_built_s() - 2 * 86400));
	assert_false(tls_clock_wrong(tls_built_s()));
	assert_false(tls_clock_wrong(UINT32_MAX));
	/* the build day is one: after this was written, and the machine's clock has passed it */
	assert_true(tls_built_s() > 1700000000u);
	assert_int_equal(tls_built_s() % 86400, 0);
}

/* ---- pins ---- */
static void pin(uint8_t hash[32], X509 *cert)
{
	unsigned char *der = NULL;
	int len = i2d_re_X509_tbs(cert, &der);

	assert_true(len > 0);
	assert_int_equal(EVP_Digest(der, (size_t)len, hash, NULL, EVP_sha256(), NULL), 1);
	OPENSSL_free(der);
}

static void pins(void **state)
{
	static const char no[] = "no certificate of the chain is a pinned one";
	static const struct {
		const char *what;
		bool validate;
		int cert, more, pin[2]; /* -1: a hash of nothing */
		const char *error;
	} cases[] = {
		{"own", true, GOOD, -1, {GOOD, -1}, NULL},
		{"own, second pin", true, GOOD, -1, {-1, GOOD}, NULL},
		{"middle", true, BY_MIDDLE, MIDDLE, {MIDDLE, -1}, NULL},
		{"root, which is not sent", true, BY_MIDDLE, MIDDLE, {-1, ROOT}, NULL},
		{"wrong", true, GOOD, -1, {-1, -1}, no},
		{"sent but not in the chain", true, GOOD, MIDDLE, {MIDDLE, -1}, no},
		{"right, but expired", true, EXPIRED, -1, {EXPIRED, -1}, "certificate has expired"},
		{"lax, own", false, SELF, -1, {SELF, -1}, NULL},
		{"lax, middle", false, BY_MIDDLE, MIDDLE, {MIDDLE, -1}, NULL},
		{"lax, wrong", false, SELF, -1, {-1, GOOD}, no},
		{"lax, sent but has signed nothing", false, SELF, MIDDLE, {MIDDLE, -1}, no},
		{"lax, sent, has signed a namesake", false, BY_OTHER, ROOT, {ROOT, -1}, no},
		{"lax, sent, is no authority", false, GOOD, SELF, {SELF, -1}, no},
	};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		uint8_t hashes[2][32] = {{0}};
		struct tls_client *c;

		for (unsigned k = 0; k < 2; k++)
			if (cases[i].pin[k] >= 0)
				pin(hashes[k], made[cases[i].pin[k]].cert);
		c = client((struct tls_client_conf){.name = "dns.test", .validate = cases[i].validate,
			.pins = (const uint8_t (*)[32])hashes, .npins = 2});
		memset(hashes, 0xff, sizeof(hashes)); /* copied */
		expect(c, cases[i].cert, cases[i].more, cases[i].error, cases[i].what);
		tls_client_free(&c);
	}
}

/* ---- ALPN, versions, server name ---- */
static void alpn(void **state)
{
	static const char *const both[] = {"h2", "dot", NULL};
	static char dot[] = "dot", h3[] = "h3";
	static const struct {
		char *server;
		bool required;
		const char *chosen; /* NULL: refused */
	} cases[] = {{dot, true, "dot"}, {dot, false, "dot"}, {h3, false, ""}, {h3, true, NULL}, {NULL, false, ""},
		{NULL, true, NULL}};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		struct tls_client *c = client((struct tls_client_conf){.name = "dns.test", .validate = true,
			.alpn = both, .alpn_required = cases[i].required});
		struct tls_info info;
		struct server s;
		struct pair p;

		server_new(&s, GOOD, -1, cases[i].server);
		pair_open(&p, c, &s, NULL, NULL);
		tls_client_free(&c); /* the connection has its own reference */
		if (cases[i].chosen) {
			assert_int_equal(pair_shake(&p), 0);
			tls_info(p.wire.tls, &info);
			assert_string_equal(info.alpn, cases[i].chosen);
		} else {
			assert_int_equal(pair_shake(&p), -EPROTO);
			assert_int_equal(tls_failure(p.wire.tls), TLS_FAIL_ALPN);
			assert_string_equal(tls_error(p.wire.tls),
				"the server chose none of the offered protocols (ALPN)");
			assert_int_equal(wire_write(&p.wire, (const uint8_t *)"x", 1), -EPROTO);
		}
		pair_close(&p);
		server_free(&s);
	}
}

static void server_names(void **state)
{
	static const struct {
		const char *name, *sent;
	} cases[] = {{"dns.test", "dns.test"}, {"dns.test.", "dns.test"}, {"192.0.2.1", NULL}, {"2001:db8::1", NULL},
		{NULL, NULL}};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		struct tls_client *c = client((struct tls_client_conf){.name = cases[i].name});
		const char *sent;
		struct server s;
		struct pair p;

		server_new(&s, GOOD, -1, NULL);
		pair_open(&p, c, &s, NULL, NULL);
		assert_int_equal(pair_shake(&p), 0);
		sent = SSL_get_servername(p.peer, TLSEXT_NAMETYPE_host_name);
		assert_string_equal(sent ? sent : "", cases[i].sent ? cases[i].sent : "");
		pair_close(&p);
		tls_client_free(&c);
		server_free(&s);
	}
}

static void old_version(void **state)
{
	struct tls_client *c = client((struct tls_client_conf){.name = "dns.test", .validate = true});
	struct server s;
	struct pair p;

	(void)state;
	server_new(&s, GOOD, -1, NULL);
	SSL_CTX_set_security_level(s.ctx, 0);
	SSL_CTX_set_min_proto_version(s.ctx, TLS1_VERSION);
	SSL_CTX_set_max_proto_version(s.ctx, TLS1_1_VERSION);
	pair_open(&p, c, &s, NULL, NULL);
	assert_int_equal(pair_shake(&p), -EPROTO);
	assert_int_equal(tls_failure(p.wire.tls), TLS_FAIL_UNSUPPORTED_PROTOCOL);
	assert_string_not_equal(tls_error(p.wire.tls), "");
	pair_close(&p);
	tls_client_free(&c);
	server_free(&s);
}

/* ---- servers that are none ---- */
static void strange_servers(void **state)
{
	static const char http[] = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n";
	static const uint8_t zeros[300], huge[] = {0x16, 3, 3, 0xff, 0xff, 2, 0, 0xff, 0xff};
	static const uint8_t alert[] = {0x15, 3, 3, 0, 2, 2, 40};
	static const struct {
		const char *what;
		const void *bytes;
		size_t len;
	} cases[] = {
		{"closes", "", 0},
		{"speaks HTTP", http, sizeof(http) - 1},
		{"zeros", zeros, sizeof(zeros)},
		{"record too long", huge, sizeof(huge)},
		{"fatal alert", alert, sizeof(alert)},
		{"half a record", alert, 3},
	};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		struct tls_client *c = client((struct tls_client_conf){.name = "dns.test", .validate = true});
		struct pair p;
		int err = -EAGAIN;

		pair_open(&p, c, NULL, NULL, NULL);
		assert_int_equal(wire_shake(&p.wire), -EAGAIN);
		assert_int_equal(write(p.peer_fd, cases[i].bytes, cases[i].len), cases[i].len);
		shutdown(p.peer_fd, SHUT_WR);
		for (unsigned k = 0; k < 10 && err == -EAGAIN; k++)
			err = wire_shake(&p.wire);
		if (err == 0 || err == -EAGAIN)
			fail_msg("%s: %d", cases[i].what, err);
		if (err == -EPROTO) {
			assert_int_not_equal(tls_failure(p.wire.tls), TLS_FAIL_NONE);
			assert_string_not_equal(tls_error(p.wire.tls), "");
		}
		pair_close(&p);
		tls_client_free(&c);
	}
}

/* A server that goes away after each number of bytes of its flight. */
static void closed_in_mid_handshake(void **state)
{
	struct tls_client *c = client((struct tls_client_conf){.name = "dns.test", .validate = true});
	struct server s;

	(void)state;
	server_new(&s, GOOD, -1, NULL);
	for (size_t cut = 1, len = 2; cut < len; cut += 37) {
		uint8_t flight[4096];
		BIO *out = BIO_new(BIO_s_mem());
		struct pair p;
		int err = -EAGAIN;

		pair_open(&p, c, &s, NULL, NULL);
		SSL_set0_wbio(p.peer, out);
		assert_int_equal(wire_shake(&p.wire), -EAGAIN);
		(void)!SSL_do_handshake(p.peer);
		assert_int_equal(BIO_read_ex(out, flight, sizeof(flight), &len), 1);
		assert_true(len > 400);
		assert_int_equal(write(p.peer_fd, flight, cut), cut);
		shutdown(p.peer_fd, SHUT_RDWR);
		for (unsigned k = 0; k < 10 && err == -EAGAIN; k++)
			err = wire_shake(&p.wire);
		assert_true(err < 0 && err != -EAGAIN);
		pair_close(&p);
	}
	tls_client_free(&c);
	server_free(&s);
}

int test_tls_client_with_tls(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(certificates),
		cmocka_unit_test(clock_not_set),
		cmocka_unit_test(pins),
		cmocka_unit_test(alpn),
		cmocka_unit_test(server_names),
		cmocka_unit_test(old_version),
		cmocka_unit_test(strange_servers),
		cmocka_unit_test(closed_in_mid_handshake),
	};
	return cmocka_run_group_tests(tests, peer_set_up, peer_tear_down);
}
