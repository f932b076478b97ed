/* test_tls_server_with_tls.c: our side of handshakes: versions, names, application protocols, peers that make no sense,
 * memory that is out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "tls_caller.h"
#include <sys/ioctl.h>

int test_tls_server_with_tls(void);

/* ---- handshakes ---- */
static const struct {
	const char *what, *groups, *ciphers, *suites;
	int version;
	bool release_buffers, ktls;
} kinds[] = {
	{"1.3", "P-256", NULL, "TLS_AES_256_GCM_SHA384", TLS1_3_VERSION, true, false},
	{"1.3 aes128", "X25519", NULL, "TLS_AES_128_GCM_SHA256", TLS1_3_VERSION, true, false},
	{"1.3 chacha", "P-256", NULL, "TLS_CHACHA20_POLY1305_SHA256", TLS1_3_VERSION, true, false},
	{"1.3 ccm", "P-256", NULL, "TLS_AES_128_CCM_SHA256", TLS1_3_VERSION, true, false},
	{"1.3, the library to the end", "P-256", NULL, "TLS_AES_256_GCM_SHA384", TLS1_3_VERSION, false, false},
	{"1.2", "P-256", "ECDHE-ECDSA-AES128-GCM-SHA256", NULL, TLS1_2_VERSION, true, false},
	{"1.2 cbc", "P-256", "ECDHE-ECDSA-AES256-SHA384", NULL, TLS1_2_VERSION, true, false},
	{"1.2, for the kernel", "P-256", "ECDHE-ECDSA-AES128-GCM-SHA256", NULL, TLS1_2_VERSION, true, true},
	{"1.3, for the kernel", "P-256", NULL, "TLS_AES_256_GCM_SHA384", TLS1_3_VERSION, true, true},
	{"1.2 buffers", "P-256", "ECDHE-ECDSA-CHACHA20-POLY1305", NULL, TLS1_2_VERSION, false, false},
};

static SSL_CTX *caller_of_kind(size_t i)
{
	SSL_CTX *ctx = caller_new(kinds[i].version);

	caller_list(ctx, SSL_CTRL_SET_GROUPS_LIST, kinds[i].groups);
	if (kinds[i].ciphers)
		assert_int_equal(SSL_CTX_set_cipher_list(ctx, kinds[i].ciphers), 1);
	if (kinds[i].suites)
		assert_int_equal(SSL_CTX_set_ciphersuites(ctx, kinds[i].suites), 1);
	return ctx;
}

static void shake_and_look(size_t i, struct tls_server *s, SSL_CTX *ctx, bool resumed)
{
	struct tls_info info;
	struct call c;

	assert_true(call_open(&c, s, ctx, caller_session));
	assert_false(wire_shaken(&c.wire));
	call_name(c.peer, "Also-A.test");
	if (call_shake(&c) != 0)
		fail_msg("%s: %s", kinds[i].what, tls_error(c.wire.tls));
	assert_true(wire_shaken(&c.wire));
	for (int k = 0; k < 3; k++)
		if (call_talk(&c) != 0)
			fail_msg("%s: talk %d: %s", kinds[i].what, k, tls_error(c.wire.tls));
	tls_info(c.wire.tls, &info);
	assert_int_equal(info.version, kinds[i].version == TLS1_3_VERSION ? TLS_V_13 : TLS_V_12);
	if (info.resumed != resumed || (SSL_session_reused(c.peer) == 1) != resumed)
		fail_msg("%s: resumed %d", kinds[i].what, info.resumed);
	assert_string_equal(info.sni, "Also-A.test");
	assert_string_equal(info.alpn, "");
	assert_string_equal(info.cipher, kinds[i].suites ? kinds[i].suites : kinds[i].ciphers);
	assert_string_equal(tls_error(c.wire.tls), "");
	assert_int_equal(tls_failure(c.wire.tls), TLS_FAIL_NONE);
	call_close(&c);
}

static void handshakes(void **state)
{
	(void)state;
	for (size_t i = 0; i < LEN(kinds); i++) {
		struct tls_server_conf conf = serving();
		SSL_CTX *ctx = caller_of_kind(i);
		struct tls_server *s;

		conf.release_buffers = kinds[i].release_buffers;
		conf.ktls = kinds[i].ktls;
		conf.ciphers13 = "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_CCM_SHA256";
		s = serve(conf);
		caller_forget();
		shake_and_look(i, s, ctx, false);
		shake_and_look(i, s, ctx, true);
		shake_and_look(i, s, ctx, true);
		assert_int_equal(tls_server_stats(s)->full, 1);
		assert_int_equal(tls_server_stats(s)->resumed, 2);
		for (int f = 0; f < TLS_FAILS; f++)
			assert_int_equal(tls_server_stats(s)->fail[f], 0);
		SSL_CTX_free(ctx);
		tls_server_free(&s);
		assert_null(s);
	}
}

/* Bytes that a peer sends one at a time, as a record and as a handshake. */
static void one_byte_at_a_time(void **state)
{
	(void)state;
	for (size_t i = 0; i < LEN(kinds); i++) {
		SSL_CTX *ctx = caller_of_kind(i);
		struct tls_server_conf conf = serving();
		struct tls_server *s;
		BIO *out = BIO_new(BIO_s_mem());
		uint8_t buf[32];
		struct call c;
		ssize_t n = -EAGAIN;
		char byte;

		conf.ciphers13 = kinds[i].suites;
		conf.release_buffers = kinds[i].release_buffers;
		conf.ktls = kinds[i].ktls;
		s = serve(conf);
		assert_true(call_open(&c, s, ctx, NULL));
		SSL_set0_wbio(c.peer, out);
		for (int turn = 0; turn < 6 && n != 5; turn++) {
			if (SSL_do_handshake(c.peer) == 1 && turn < 5) {
				assert_int_equal(SSL_write(c.peer, "query", 5), 5);
				turn = 5;
			}
			while (BIO_read(out, &byte, 1) == 1) {
				assert_int_equal(write(c.fd, &byte, 1), 1);
				n = wire_read(&c.wire, buf, sizeof(buf));
				if (n != -EAGAIN && (n != 5 || memcmp(buf, "query", 5) != 0))
					fail_msg("%s: %zd %s", kinds[i].what, n, tls_error(c.wire.tls));
			}
		}
		assert_int_equal(n, 5);
		call_close(&c);
		SSL_CTX_free(ctx);
		tls_server_free(&s);
	}
}

/* With TLS 1.2 the last word of a resumed handshake is the client's: a query may come with it. */
static void query_with_the_handshake(void **state)
{
	struct tls_server *s = serve(serving());
	SSL_CTX *ctx = caller_new(TLS1_2_VERSION);
	uint8_t buf[32];

	(void)state;
	caller_forget();
	for (int i = 0; i < 3; i++) {
		struct call c;

		assert_true(call_open(&c, s, ctx, caller_session));
		if (i == 0) {
			assert_int_equal(call_shake(&c), 0);
			assert_int_equal(call_talk(&c), 0);
		} else {
			assert_int_equal(SSL_do_handshake(c.peer), -1);
			assert_int_equal(wire_shake(&c.wire), -EAGAIN);
			assert_int_equal(SSL_write(c.peer, "query", 5), 5);
			if (i == 2) {
				assert_int_equal(wire_shake(&c.wire), 0);
				assert_true(wire_more(&c.wire));
			}
			assert_int_equal(wire_read(&c.wire, buf, 2), 2);
			assert_true(wire_more(&c.wire));
			assert_int_equal(wire_read(&c.wire, buf, sizeof(buf)), 3);
			assert_false(wire_more(&c.wire));
		}
		call_close(&c);
	}
	SSL_CTX_free(ctx);
	tls_server_free(&s);
}

/* What ends a connection in one flight with the last bytes is told by the next read, not when the socket says more. */
static void ends_with_data(void **state)
{
	static const uint8_t bad[] = {23, 3, 3, 0, 17, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

	(void)state;
	for (int i = 0; i < 4; i++) {
		struct tls_server *s = serve(serving());
		SSL_CTX *ctx = caller_new(i % 2 ? TLS1_2_VERSION : TLS1_3_VERSION);
		bool bye = i < 2;
		uint8_t buf[64];
		struct call c;

		assert_true(call_open(&c, s, ctx, NULL));
		assert_int_equal(call_shake(&c), 0);
		assert_int_equal(call_talk(&c), 0);
		assert_int_equal(SSL_write(c.peer, "query", 5), 5);
		if (bye)
			assert_int_equal(SSL_shutdown(c.peer), 0);
		else
			assert_int_equal(write(c.fd, bad, sizeof(bad)), sizeof(bad));
		assert_int_equal(wire_read(&c.wire, buf, sizeof(buf)), 5);
		assert_true(wire_more(&c.wire));
		assert_int_equal(wire_read(&c.wire, buf, sizeof(buf)), bye ? 0 : -EPROTO);
		assert_false(wire_more(&c.wire));
		assert_int_equal(wire_write(&c.wire, (const uint8_t *)"answer", 6), bye ? 6 : -EPROTO);
		call_close(&c);
		SSL_CTX_free(ctx);
		tls_server_free(&s);
	}
}

/* Records that bring nothing do not keep a read at work for as long as the peer sends them. */
static void key_updates(void **state)
{
	struct tls_server *s = serve(serving());
	SSL_CTX *ctx = caller_new(TLS1_3_VERSION);
	uint8_t buf[64];
	unsigned reads = 0;
	int left = 0, room = 1 << 20;
	BIO *all = BIO_new(BIO_s_mem());
	struct call c;
	ssize_t n;
	char *p;

	(void)state;
	assert_true(call_open(&c, s, ctx, NULL));
	assert_int_equal(setsockopt(c.fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)), 0);
	assert_int_equal(call_shake(&c), 0);
	assert_int_equal(call_talk(&c), 0);
	SSL_set0_wbio(c.peer, all);
	for (int i = 0; i < 5000; i++) {
		assert_int_equal(SSL_key_update(c.peer, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
		assert_int_equal(SSL_do_handshake(c.peer), 1);
	}
	assert_int_equal(SSL_write(c.peer, "query", 5), 5);
	n = BIO_get_mem_data(all, &p);
	assert_int_equal(write(c.fd, p, (size_t)n), n);
	do {
		n = wire_read(&c.wire, buf, sizeof(buf));
		reads++;
		assert_int_equal(ioctl(io_fd(&c.wire.io), FIONREAD, &left), 0);
	} while (n == -EAGAIN && left > 0 && reads < 100);
	assert_int_equal(n, 5); /* all the same it is read to the end */
	assert_true(reads > 1);
	call_close(&c);
	SSL_CTX_free(ctx);
	tls_server_free(&s);
}

/* What is waited for while the handshake goes on is the handshake's. */
static void waiting(void **state)
{
	struct tls_server *s = serve(serving());
	SSL_CTX *ctx = caller_new(TLS1_3_VERSION);
	struct call c;

	(void)state;
	assert_true(call_open(&c, s, ctx, NULL));
	assert_int_equal(wire_want(&c.wire, false, true), 0);
	assert_int_equal(c.wire.io.what, IO_READ);
	assert_int_equal(wire_write(&c.wire, (const uint8_t *)"x", 1), -EAGAIN);
	assert_false(c.wire.blocked);
	assert_int_equal(call_shake(&c), 0);
	assert_int_equal(wire_want(&c.wire, false, true), 0);
	assert_int_equal(c.wire.io.what, IO_WRITE);
	assert_int_equal(wire_want(&c.wire, true, false), 0);
	assert_int_equal(c.wire.io.what, IO_READ);
	call_close(&c);
	SSL_CTX_free(ctx);
	tls_server_free(&s);
}

/* ---- names and keys ---- */
static void names(void **state)
{
	static const struct {
		const char *sni, *cn;
		bool rsa; /* the client takes RSA only */
	} cases[] = {
		{NULL, "a", false},
		{NULL, "a", true},
		{"a.test", "a", false},
		{"A.TEST", "a", false},
		{"also-a.test", "a", true},
		{"b.test", "b.test", false},
		{"B.test", "b.test", false},
		{"y.w.test", "w", false},
		{"Y.W.Test", "w", false},
		{"w.test", "a", false},
		{"x.y.w.test", "a", false},
		{"x.a.test", "w", false},
		{"unknown.test", "a", false},
		{"test", "a", false},
	};
	static char path[CERTS][2][128];
	struct tls_cert certs[CERTS];
	struct tls_server_conf conf = serving();
	static const char *const files[CERTS] = {"a", "b", "a-rsa", "w"}; /* in this order */
	struct tls_server *s;

	(void)state;
	for (int i = 0; i < CERTS; i++) {
		(void)snprintf(path[i][0], sizeof(path[i][0]), "%s/%s.pem", made_folder, files[i]);
		(void)snprintf(path[i][1], sizeof(path[i][1]), "%s/%s.key", made_folder, files[i]);
		certs[i] = (struct tls_cert){.cert = path[i][0], .key = path[i][1]};
	}
	conf.certs = certs;
	conf.ncerts = CERTS;
	s = serve(conf);
	assert_int_equal(tls_server_certs(s), CERTS);
	for (size_t i = 0; i < LEN(cases) * 2; i++) {
		size_t k = i / 2;
		SSL_CTX *ctx = caller_new(i % 2 ? TLS1_2_VERSION : TLS1_3_VERSION);
		struct tls_info info;
		struct call c;

		if (cases[k].rsa)
			caller_list(ctx, SSL_CTRL_SET_SIGALGS_LIST, "RSA-PSS+SHA256:RSA+SHA256");
		assert_true(call_open(&c, s, ctx, NULL));
		if (cases[k].sni)
			call_name(c.peer, cases[k].sni);
		if (call_shake(&c) != 0 || call_talk(&c) != 0)
			fail_msg("case %zu: %s", k, tls_error(c.wire.tls));
		if (strcmp(cn_of(c.peer), cases[k].cn) != 0)
			fail_msg("case %zu: %s", k, cn_of(c.peer));
		assert_int_equal(EVP_PKEY_get_base_id(X509_get0_pubkey(SSL_get0_peer_certificate(c.peer))),
			cases[k].rsa ? EVP_PKEY_RSA : EVP_PKEY_EC);
		tls_info(c.wire.tls, &info);
		assert_string_equal(info.sni, cases[k].sni ? cases[k].sni : "");
		call_close(&c);
		SSL_CTX_free(ctx);
	}
	tls_server_free(&s);
}

/* ---- application protocols ---- */
static void protocols(void **state)
{
	static const char *const dot[] = {"dot", NULL}, *const web[] = {"h2", "http/1.1", NULL}, *const none[] = {NULL};
	static const struct {
		const char *const *ours;
		bool required;
		const char *theirs; /* as the protocol has it */
		const char *chosen; /* NULL: refused */
	} cases[] = {
		{dot, true, "\3dot", "dot"},
		{dot, true, "\2h2\3dot", "dot"},
		{dot, true, "", ""},
		{dot, true, "\2h2", NULL},
		{dot, true, "\3DOT", NULL},
		{dot, true, "\4dots\2do", NULL},
		{dot, false, "\2h2", ""},
		{web, true, "\10http/1.1\2h2", "h2"},
		{web, true, "\10http/1.1", "http/1.1"},
		{web, true, "\10http/1.0", NULL},
		{none, true, "\3dot", ""},
		{NULL, false, "\3dot", ""},
	};

	(void)state;
	for (size_t i = 0; i < LEN(cases) * 2; i++) {
		size_t k = i / 2;
		struct tls_server_conf conf = serving();
		SSL_CTX *ctx = caller_new(i % 2 ? TLS1_2_VERSION : TLS1_3_VERSION);
		struct tls_server *s;
		struct tls_info info;
		struct call c;
		int rc;

		conf.alpn = cases[k].ours;
		conf.alpn_required = cases[k].required;
		s = serve(conf);
		SSL_CTX_set_alpn_protos(ctx, (const uint8_t *)cases[k].theirs, (unsigned)strlen(cases[k].theirs));
		assert_true(call_open(&c, s, ctx, NULL));
		rc = call_shake(&c);
		if (rc != (cases[k].chosen ? 0 : -EPROTO))
			fail_msg("case %zu: %d %s", k, rc, tls_error(c.wire.tls));
		tls_info(c.wire.tls, &info);
		assert_string_equal(info.alpn, cases[k].chosen ? cases[k].chosen : "");
		if (!cases[k].chosen) {
			assert_int_equal(tls_failure(c.wire.tls), TLS_FAIL_ALPN);
			assert_string_equal(tls_error(c.wire.tls), "no shared application protocol (ALPN)");
			assert_int_equal(tls_server_stats(s)->fail[TLS_FAIL_ALPN], 1);
			assert_int_equal(SSL_do_handshake(c.peer), -1);
			assert_int_equal(ERR_GET_REASON(ERR_peek_error()), SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL);
		}
		call_close(&c);
		SSL_CTX_free(ctx);
		tls_server_free(&s);
	}
}

/* ---- peers that make no sense, or with whom there is no agreement ---- */
static void garbage(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		const char *error;
	} cases[] = {
		{"GET / HTTP/1.1\r\n\r\n", 18, "not TLS: an HTTP request"},
		{"SSH-2.0-OpenSSH\r\n", 17, "not TLS: wrong version number"},
		{"\0\034\x12\x34\1\0\0\1\0\0\0\0\0\0\1a\4test\0\0\1\0\1", 26, "not TLS: "}, /* DNS over TCP */
		{"\x16\3\1\xff\xff\1\0\0\1", 9, "bad record: too long"},
		{"\x16\3\1\0\4\1\0\0\0", 9, "bad message: "},
		{"\x16\3\1\0\5\2\0\0\1\0", 10, "unexpected message"},
		{"\x15\3\1\0\2\2\x28", 7, "unexpected message"},
		{"\x17\3\3\0\4aaaa", 9, ""},
		{"\x16\2\1\0\4aaaa", 9, "not TLS: wrong version number"},
		{"\x16\3\1\0\4", 5, "closed during the handshake"},
		{"\x16", 1, "closed during the handshake"},
	};
	struct tls_server *s = serve(serving());
	uint64_t failed = 0;
	uint8_t buf[32];
	struct call c;

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		assert_true(call_open(&c, s, NULL, NULL));
		assert_int_equal(wire_read(&c.wire, buf, sizeof(buf)), -EAGAIN);
		assert_int_equal(write(c.fd, cases[i].bytes, cases[i].len), cases[i].len);
		(void)shutdown(c.fd, SHUT_WR);
		for (int k = 0; k < 3; k++) { /* the end is the end */
			ssize_t n = wire_read(&c.wire, buf, sizeof(buf));

			if (n != -EPROTO && !(n == -EAGAIN && k == 0))
				fail_msg("case %zu: %zd", i, n);
		}
		if (strncmp(tls_error(c.wire.tls), cases[i].error, strlen(cases[i].error)) != 0)
			fail_msg("case %zu: '%s'", i, tls_error(c.wire.tls));
		assert_int_equal(wire_write(&c.wire, buf, 1), -EPROTO);
		assert_int_equal(wire_shake(&c.wire), -EPROTO);
		assert_false(wire_more(&c.wire));
		call_close(&c);
	}
	for (int f = 0; f < TLS_FAILS; f++)
		failed += tls_server_stats(s)->fail[f];
	assert_int_equal(failed, LEN(cases));
	/* who says nothing has not failed */
	assert_true(call_open(&c, s, NULL, NULL));
	(void)shutdown(c.fd, SHUT_WR);
	assert_int_equal(wire_read(&c.wire, buf, sizeof(buf)), 0);
	assert_int_equal(wire_read(&c.wire, buf, sizeof(buf)), 0);
	call_close(&c);
	tls_server_free(&s);
}

static void no_agreement(void **state)
{
	static const struct {
		int max, min;
		const char *ciphers, *groups;
		enum tls_version ours;
		enum tls_fail fail;
	} cases[] = {
		{TLS1_1_VERSION, TLS1_VERSION, "ALL:@SECLEVEL=0", "P-256", TLS_V_10, TLS_FAIL_UNSUPPORTED_PROTOCOL},
		{TLS1_2_VERSION, 0, NULL, "P-256", TLS_V_13, TLS_FAIL_UNSUPPORTED_PROTOCOL},
		{TLS1_2_VERSION, 0, "ECDHE-RSA-AES128-GCM-SHA256", "P-256", TLS_V_12, TLS_FAIL_NO_SHARED_CIPHER},
		{TLS1_3_VERSION, TLS1_3_VERSION, NULL, "P-521", TLS_V_12, TLS_FAIL_UNSUPPORTED_EC},
	};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		struct tls_server_conf conf = serving();
		SSL_CTX *ctx = caller_new(cases[i].max);
		struct tls_server *s;
		struct call c;
		int rc;

		SSL_CTX_set_min_proto_version(ctx, cases[i].min);
		caller_list(ctx, SSL_CTRL_SET_GROUPS_LIST, cases[i].groups);
		if (cases[i].ciphers)
			assert_int_equal(SSL_CTX_set_cipher_list(ctx, cases[i].ciphers), 1);
		conf.min_version = cases[i].ours;
		conf.curves = "P-256:X25519";
		s = serve(conf);
		assert_true(call_open(&c, s, ctx, NULL));
		rc = call_shake(&c);
		if (rc != -EPROTO || tls_failure(c.wire.tls) != cases[i].fail)
			fail_msg("case %zu: %d %s", i, rc, tls_error(c.wire.tls));
		assert_int_equal(tls_server_stats(s)->fail[cases[i].fail], 1);
		assert_string_not_equal(tls_fail_name(cases[i].fail), "other");
		call_close(&c);
		SSL_CTX_free(ctx);
		tls_server_free(&s);
	}
}

static void renegotiation(void **state)
{
	(void)state;
	for (int allowed = 0; allowed < 2; allowed++) {
		struct tls_server_conf conf = serving();
		SSL_CTX *ctx = caller_new(TLS1_2_VERSION);
		struct tls_server *s;
		struct call c;
		uint8_t buf[8];
		int peer = 0;

		conf.renegotiation = allowed;
		s = serve(conf);
		assert_true(call_open(&c, s, ctx, NULL));
		assert_int_equal(call_shake(&c), 0);
		assert_int_equal(SSL_renegotiate(c.peer), 1);
		for (int i = 0; i < 10 && peer != 1; i++) {
			peer = SSL_do_handshake(c.peer);
			assert_true(wire_read(&c.wire, buf, sizeof(buf)) < 0);
		}
		assert_int_equal(peer == 1, allowed);
		call_close(&c);
		SSL_CTX_free(ctx);
		tls_server_free(&s);
	}
}

/* ---- memory ---- */
static int start_and_talk(SSL_CTX *ctx)
{
	const char *error = "";
	struct tls_server_conf conf = serving();
	struct tls_server *s = tls_server_new(&conf, &error);
	struct call c;
	int rc = -ENOMEM;

	if (!s) {
		assert_string_not_equal(error, "");
		return -ENOMEM;
	}
	if (call_open(&c, s, ctx, NULL)) {
		call_name(c.peer, "a.test");
		rc = call_shake(&c);
		if (rc == 0)
			rc = call_talk(&c);
	}
	call_close(&c);
	if (tls_server_load(s, conf.certs, 1, &error) < 0)
		rc = -ENOMEM;
	tls_server_free(&s);
	return rc;
}

/* One allocation fails: all of it works, or it ends with an error. */
static void memory_is_out(void **state)
{
	unsigned bad = 0, n;

	(void)state;
	for (n = 1; n < 200; n++) {
		SSL_CTX *ctx = caller_new(TLS1_3_VERSION);
		unsigned long before;
		int rc;

		caller_forget();
		before = mem_calls();
		mem_fail_at(n);
		rc = start_and_talk(ctx);
		mem_fail_at(0);
		SSL_CTX_free(ctx);
		bad += rc < 0;
		if (mem_calls() - before < n)
			break;
	}
	assert_true(n > 15 && n < 200);
	assert_true(bad > 10);
}

int test_tls_server_with_tls(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(handshakes),
		cmocka_unit_test(one_byte_at_a_time),
		cmocka_unit_test(query_with_the_handshake),
		cmocka_unit_test(ends_with_data),
		cmocka_unit_test(key_updates),
		cmocka_unit_test(waiting),
		cmocka_unit_test(names),
		cmocka_unit_test(protocols),
		cmocka_unit_test(garbage),
		cmocka_unit_test(no_agreement),
		cmocka_unit_test(renegotiation),
		cmocka_unit_test(memory_is_out),
	};

	return cmocka_run_group_tests(tests, caller_set_up, caller_tear_down);
}
