/* test_tls_cert_with_tls.c: certificates, keys and staples in files and what may be wrong with them; options; the key log;
 * loading while connections live. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "tls_caller.h"
#include <openssl/pkcs12.h>
#include "log.h"
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>

int test_tls_cert_with_tls(void);

/* ---- files ---- */
static void write_p12(const char *file, const char *password, X509 *cert, EVP_PKEY *key)
{
	PKCS12 *p12 = PKCS12_create(password, "x", key, cert, NULL, 0, 0, 0, 0, 0);
	FILE *f = fopen(made_path(file), "w");

	assert_non_null(p12);
	assert_int_equal(i2d_PKCS12_fp(f, p12), 1);
	fclose(f);
	PKCS12_free(p12);
}

static void make_bad_files(void)
{
	FILE *f;
	struct made small;

	made_text("text", "w", "nothing\n");
	made_text("empty", "w", "");
	made_text("cut.pem", "w", "-----BEGIN CERTIFICATE-----\nMIIB\n");
	made_text("noise.pem", "w", "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n");
	made_text("noise.key", "w", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
	write_p12("a.p12", "secret", made[A].cert, made[A].key);
	write_p12("nopass.p12", "", made[A].cert, made[A].key);
	f = fopen(made_path("locked.key"), "w");
	assert_int_equal(PEM_write_PKCS8PrivateKey(f, made[A].key, EVP_aes_128_cbc(), NULL, 0, NULL,
		(void *)(uintptr_t)"secret"), 1);
	fclose(f);
	small.key = EVP_RSA_gen(1024);
	small.cert = X509_dup(made[A].cert);
	X509_set_pubkey(small.cert, small.key);
	X509_sign(small.cert, small.key, EVP_sha256());
	made_write("small.pem", "w", small.cert, NULL);
	made_write("small.key", "w", NULL, small.key);
	made_free(&small);
	/* a chain, and key and chain in one file */
	made_write("all.pem", "w", made[A].cert, made[A].key);
	made_write("all.pem", "a", made[B].cert, NULL);
}

static void files(void **state)
{
	static const struct {
		const char *cert, *key, *password, *error; /* NULL: fine; %C and %K are the two paths */
	} cases[] = {
		{"a.pem", "a.key", NULL, NULL},
		{"all.pem", "all.pem", NULL, NULL},
		{"a.p12", NULL, "secret", NULL},
		{"a.p12", "", "secret", NULL},
		{"nopass.p12", NULL, NULL, NULL},
		{"a.pem", "locked.key", "secret", NULL},
		{"none.pem", "a.key", NULL, "%C: No such file or directory"},
		{"a.pem", "none.key", NULL, "%K: No such file or directory"},
		{"a.pem", "b.key", NULL, "%K: does not fit %C"},
		{"a.pem", "a-rsa.key", NULL, "%K: does not fit %C"},
		{"text", "a.key", NULL, "%C: no certificate in it (PEM)"},
		{"empty", "a.key", NULL, "%C: no certificate in it (PEM)"},
		{"a.key", "a.key", NULL, "%C: no certificate in it (PEM)"},
		{"cut.pem", "a.key", NULL, "%C: certificate: damaged (end line)"},
		{"noise.pem", "a.key", NULL, "%C: certificate: damaged (base64)"},
		{"a.pem", "text", NULL, "%K: no private key in it (PEM)"},
		{"a.pem", "a.pem", NULL, "%K: no private key in it (PEM)"},
		{"a.pem", "noise.key", NULL, "%K: private key: damaged, or of an unknown kind"},
		{"a.pem", "locked.key", NULL, "%K: the private key needs a password"},
		{"a.pem", "locked.key", "wrong", "%K: wrong password"},
		{"a.pem", NULL, NULL, "%C: no key file is given and it is not PKCS#12"},
		{"a.p12", NULL, "wrong", "%C: wrong password"},
		{"a.p12", NULL, NULL, "%C: wrong password"},
		{"small.pem", "small.key", NULL, "%C: key too small"},
		{".", "a.key", NULL, "%C: not a file of at most 1048576 bytes"},
	};

	(void)state;
	make_bad_files();
	for (size_t i = 0; i < LEN(cases); i++) {
		char cert[128], key[128] = "", want[400] = "";
		const char *error = "";
		struct tls_server_conf conf = serving();
		struct tls_cert one = {.cert = cert, .key = cases[i].key && cases[i].key[0] ? key : cases[i].key,
			.password = cases[i].password};
		struct tls_server *s;

		(void)snprintf(cert, sizeof(cert), "%s/%s", made_folder, cases[i].cert);
		if (cases[i].key)
			(void)snprintf(key, sizeof(key), "%s/%s", made_folder, cases[i].key);
		for (const char *p = cases[i].error ? cases[i].error : ""; *p; p++) {
			size_t at = strlen(want);

			if (*p == '%')
				(void)snprintf(want + at, sizeof(want) - at, "%s", *++p == 'C' ? cert : key);
			else
				want[at] = *p;
		}
		conf.certs = &one;
		s = tls_server_new(&conf, &error);
		if (!s != !!cases[i].error || strncmp(error, want, strlen(want)) != 0)
			fail_msg("case %zu: '%s'", i, error);
		if (s)
			tls_server_free(&s);
		if (!cases[i].error)
			continue;
		conf.ignore_errors = true;
		s = serve(conf);
		assert_int_equal(tls_server_certs(s), 0);
		assert_null(tls_accept(s, -1));
		tls_server_free(&s);
	}
}

/* Certificates out of their time are used, and the log says so with the place in the configuration. */
static void dates(void **state)
{
	static const struct {
		long from_s, until_s;
		uint64_t now_s; /* 0: MADE_NOW_S */
		const char *said;
	} cases[] = {
		{-86400, -60, 0, "expired on "},
		{86400, 172800, 0, "is not valid before "},
		{86400, 172800, 1000, ""}, /* the clock is not set */
		{-86400, 86400, 0, ""},
	};
	struct log_options kept = log_options;
	int p[2];

	(void)state;
	assert_int_equal(pipe2(p, O_NONBLOCK), 0);
	log_options = (struct log_options){.fd = p[1]};
	for (size_t i = 0; i < LEN(cases); i++) {
		struct tls_server_conf conf = serving();
		struct tls_cert one;
		char cert[128], key[128], said[600] = "", want[300];
		struct made m;
		struct tls_server *s;

		made_new(&m, &(struct made_spec){"d", "DNS:d.test", NULL, cases[i].from_s, cases[i].until_s, false});
		made_write("d.pem", "w", m.cert, NULL);
		made_write("d.key", "w", NULL, m.key);
		(void)snprintf(cert, sizeof(cert), "%s", made_path("d.pem"));
		(void)snprintf(key, sizeof(key), "%s", made_path("d.key"));
		(void)snprintf(want, sizeof(want), "x.conf:7: addTLSLocal: %s: the certificate %s", cert, cases[i].said);
		one = (struct tls_cert){.cert = cert, .key = key};
		conf.certs = &one;
		conf.where = "x.conf:7: addTLSLocal";
		tls_test_now_s = cases[i].now_s ? cases[i].now_s : MADE_NOW_S;
		s = serve(conf);
		assert_int_equal(tls_server_certs(s), 1);
		(void)!read(p[0], said, sizeof(said) - 1);
		if (cases[i].said[0] ? strncmp(said, want, strlen(want)) != 0 : said[0])
			fail_msg("case %zu: '%s'", i, said);
		tls_server_free(&s);
		made_free(&m);
	}
	tls_test_now_s = 0;
	log_options = kept;
	close(p[0]);
	close(p[1]);
}

static void options(void **state)
{
	static const struct {
		const char *ciphers, *ciphers13, *curves, *key_log, *error;
	} cases[] = {
		{"nonsense", NULL, NULL, NULL, "ciphers: nothing of \"nonsense\" is known"},
		{NULL, "nonsense", NULL, NULL, "ciphersTLS13: \"nonsense\" is not known"},
		{NULL, NULL, "P-256:nonsense", NULL, "curves: \"P-256:nonsense\" is not known"},
		{NULL, NULL, NULL, "/nonsense/keys", "keyLogFile: /nonsense/keys: No such file or directory"},
		{"", "", "", "", NULL},
		{"ECDHE-ECDSA-AES128-GCM-SHA256", "TLS_AES_128_GCM_SHA256", "P-256:P-384", NULL, NULL},
	};
	const char *error = "";
	struct tls_server_conf conf = serving();

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		struct tls_server *s;

		error = "";
		conf.ciphers = cases[i].ciphers;
		conf.ciphers13 = cases[i].ciphers13;
		conf.curves = cases[i].curves;
		conf.key_log = cases[i].key_log;
		s = tls_server_new(&conf, &error);
		if (!s != !!cases[i].error || strcmp(error, cases[i].error ? cases[i].error : "") != 0)
			fail_msg("case %zu: '%s'", i, error);
		if (s)
			tls_server_free(&s);
	}
	conf = serving();
	conf.ncerts = 0;
	assert_null(tls_server_new(&conf, &error));
	assert_string_equal(error, "no certificate is given");
}

static void key_log(void **state)
{
	struct tls_server_conf conf = serving();
	SSL_CTX *ctx = caller_new(TLS1_3_VERSION);
	struct tls_server *s;
	struct stat st;
	struct call c;
	char *text;
	size_t len;

	(void)state;
	conf.key_log = made_path("keys.log");
	s = serve(conf);
	assert_true(call_open(&c, s, ctx, NULL));
	assert_int_equal(call_shake(&c), 0);
	assert_int_equal(call_talk(&c), 0);
	call_close(&c);
	assert_int_equal(stat(made_path("keys.log"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	text = (char *)tls_file_read(made_path("keys.log"), 100000, &len, NULL);
	assert_non_null(text);
	assert_non_null(strstr(text, "\nCLIENT_TRAFFIC_SECRET_0 "));
	assert_int_equal(text[len - 1], '\n');
	mem_free(text);
	SSL_CTX_free(ctx);
	tls_server_free(&s);
}

/* A load that fails leaves everything as it was; one that works leaves old connections alone. */
static void reload(void **state)
{
	struct tls_server *s = serve(serving());
	SSL_CTX *ctx = caller_new(TLS1_2_VERSION);
	char cert[128], key[128];
	const struct tls_cert b = {.cert = cert, .key = key};
	const char *error = "";
	struct call old, c;

	(void)state;
	assert_true(call_open(&old, s, ctx, NULL));
	assert_int_equal(call_shake(&old), 0);
	(void)snprintf(cert, sizeof(cert), "%s", made_path("b.pem"));
	(void)snprintf(key, sizeof(key), "%s", made_path("a.key"));
	assert_int_equal(tls_server_load(s, &b, 1, &error), -EINVAL);
	assert_non_null(strstr(error, "a.key: does not fit"));
	for (int i = 0; i < 3; i++) {
		assert_true(call_open(&c, s, ctx, NULL));
		assert_int_equal(call_shake(&c), 0);
		assert_int_equal(call_talk(&c), 0);
		assert_string_equal(cn_of(c.peer), i == 0 ? "a" : "b.test");
		call_close(&c);
		(void)snprintf(key, sizeof(key), "%s", made_path("b.key"));
		/* then the same files once more */
		assert_int_equal(tls_server_load(s, i == 0 ? &b : NULL, i == 0, &error), 0);
	}
	assert_int_equal(call_talk(&old), 0);
	call_close(&old);
	SSL_CTX_free(ctx);
	tls_server_free(&s);
}

/* ---- threads ---- */
/* comes: handshakes and talks with the server that all share; how often it failed. */
static void *comes(void *arg)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	struct tls_server *s = arg;
	uintptr_t failed = 0;
	uint8_t buf[8];

	for (int i = 0; i < 12; i++) {
		int fd[2], done = 0;
		SSL *peer = SSL_new(ctx);
		struct wire w;

		failed += socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd) != 0;
		wire_init(&w, &loop, fd[0], tls_accept(s, fd[0]), call_nothing); /* the loop is not used */
		SSL_set_fd(peer, fd[1]);
		SSL_set_connect_state(peer);
		for (int k = 0; k < 10 && !done; k++) {
			done = SSL_do_handshake(peer) == 1;
			done = wire_shake(&w) == 0 && done;
		}
		failed += !done || SSL_write(peer, "word", 4) != 4 || wire_read(&w, buf, sizeof(buf)) != 4;
		wire_close(&w, false);
		SSL_free(peer);
		close(fd[1]);
	}
	SSL_CTX_free(ctx);
	return (void *)failed;
}

static void threads(void **state)
{
	struct tls_server *s = serve(serving());
	const char *error = "";
	pthread_t thread[3];

	(void)state;
	for (size_t i = 0; i < LEN(thread); i++)
		assert_int_equal(pthread_create(&thread[i], NULL, comes, s), 0);
	for (int i = 0; i < 10; i++) {
		assert_int_equal(tls_server_load(s, NULL, 0, &error), 0);
		assert_int_equal(tls_server_rotate(s), 0);
	}
	for (size_t i = 0; i < LEN(thread); i++) {
		void *failed;

		assert_int_equal(pthread_join(thread[i], &failed), 0);
		assert_null(failed);
	}
	assert_int_equal(tls_server_stats(s)->full, 12 * LEN(thread));
	tls_server_free(&s);
}

/* ---- staples ---- */
static int got_staple;

static int staple_came(SSL *ssl, void *arg)
{
	const uint8_t *p;

	(void)arg;
	got_staple = (int)SSL_get_tlsext_status_ocsp_resp(ssl, &p);
	return 1;
}

/* staple_of: the length of the staple that a client gets, 0: none. */
static int staple_of(struct tls_server *s, int version, bool asks)
{
	SSL_CTX *ctx = caller_new(version);
	struct call c;

	got_staple = 0;
	SSL_CTX_set_tlsext_status_cb(ctx, staple_came);
	assert_true(call_open(&c, s, ctx, NULL));
	if (asks)
		SSL_set_tlsext_status_type(c.peer, TLSEXT_STATUSTYPE_ocsp);
	assert_int_equal(call_shake(&c), 0);
	assert_int_equal(call_talk(&c), 0);
	call_close(&c);
	SSL_CTX_free(ctx);
	return got_staple > 0 ? got_staple : 0;
}

/* New certificates that bring no staples get those that the old ones had, as far as they fit. */
static void kept_staples(void **state)
{
	char a[128], a_key[128], b[128], b_key[128], der[128];
	struct tls_cert with = {a, a_key, NULL, der}, same = {a, a_key, NULL, NULL}, other = {b, b_key, NULL, ""};
	struct tls_cert two[] = {same, other};
	struct tls_server_conf conf = serving();
	const char *error = "";
	struct tls_server *s;

	(void)state;
	(void)snprintf(a, sizeof(a), "%s", made_path("a.pem"));
	(void)snprintf(a_key, sizeof(a_key), "%s", made_path("a.key"));
	(void)snprintf(b, sizeof(b), "%s", made_path("b.pem"));
	(void)snprintf(b_key, sizeof(b_key), "%s", made_path("b.key"));
	(void)snprintf(der, sizeof(der), "%s", made_path("kept.ocsp"));
	assert_int_equal(tls_ocsp_make(a, a, a_key, der, 1, 0, &error), 0);
	conf.certs = &with;
	s = serve(conf);
	assert_true(staple_of(s, TLS1_3_VERSION, true) > 0);
	assert_int_equal(tls_server_load(s, &same, 1, &error), 0);
	assert_true(staple_of(s, TLS1_3_VERSION, true) > 0);
	assert_int_equal(tls_server_load(s, &other, 1, &error), 0);
	assert_int_equal(staple_of(s, TLS1_3_VERSION, true), 0);
	assert_int_equal(tls_server_load(s, NULL, 0, &error), 0); /* once more the same */
	assert_int_equal(staple_of(s, TLS1_3_VERSION, true), 0);
	assert_int_equal(tls_ocsp_make(b, b, b_key, der, 1, 0, &error), 0);
	assert_int_equal(tls_server_load(s, NULL, 0, &error), 0); /* now the file is about this one */
	assert_true(staple_of(s, TLS1_3_VERSION, true) > 0);
	assert_int_equal(tls_server_load(s, &with, 1, &error), -EINVAL); /* one that is named has to fit */
	assert_non_null(strstr(error, "kept.ocsp: not about this certificate"));
	assert_true(staple_of(s, TLS1_3_VERSION, true) > 0);
	assert_int_equal(tls_server_load(s, two, 2, &error), 0);
	assert_int_equal(staple_of(s, TLS1_3_VERSION, true), 0);
	tls_server_free(&s);
}

static void staples(void **state)
{
	struct tls_server_conf conf = serving();
	struct tls_cert one = conf.certs[0];
	char cert[128], key[128], der[128];
	const char *error = "";
	struct tls_server *s;
	struct stat st;

	(void)state;
	(void)snprintf(cert, sizeof(cert), "%s", made_path("a.pem"));
	(void)snprintf(key, sizeof(key), "%s", made_path("a.key"));
	(void)snprintf(der, sizeof(der), "%s", made_path("a.ocsp"));
	assert_int_equal(tls_ocsp_make(cert, cert, key, der, 1, 0, &error), 0);
	assert_int_equal(stat(der, &st), 0);
	one.ocsp = der;
	conf.certs = &one;
	s = serve(conf);
	for (int i = 0; i < 4; i++)
		assert_int_equal(staple_of(s, i % 2 ? TLS1_2_VERSION : TLS1_3_VERSION, i < 2), i < 2 ? st.st_size : 0);
	tls_server_free(&s);
	(void)snprintf(cert, sizeof(cert), "%s", made_path("b.pem"));
	(void)snprintf(key, sizeof(key), "%s", made_path("b.key"));
	one.cert = cert;
	one.key = key;
	assert_null(tls_server_new(&conf, &error));
	assert_non_null(strstr(error, "a.ocsp: not about this certificate"));
	one.ocsp = made_path("a.pem");
	assert_null(tls_server_new(&conf, &error));
	assert_non_null(strstr(error, "a.pem: not an OCSP response (DER)"));
	one.ocsp = made_path("none.ocsp");
	assert_null(tls_server_new(&conf, &error));
	assert_non_null(strstr(error, "none.ocsp: No such file"));
}

int test_tls_cert_with_tls(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files),
		cmocka_unit_test(dates),
		cmocka_unit_test(options),
		cmocka_unit_test(key_log),
		cmocka_unit_test(reload),
		cmocka_unit_test(threads),
		cmocka_unit_test(staples),
		cmocka_unit_test(kept_staples),
	};

	return cmocka_run_group_tests(tests, caller_set_up, caller_tear_down);
}
