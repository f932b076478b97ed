/* test_session_cache_with_tls.c: which TLS session is kept, given and thrown away; real ones, of 1.2 and 1.3. */
#include "back_help.h"
#include "tls.h"
#include "up.h"
#include <fcntl.h>
/* a server of TLS 1.2, which ours cannot be told to be */
#define OBJ_NAME OPENSSL_OBJ_NAME /* another thing of that name */
#include <openssl/ssl.h>
#include <openssl/x509.h>
#undef OBJ_NAME

int test_session_cache_with_tls(void);

static struct loop loop;
static struct tls_client *client;
static struct tls_server *server13;
static SSL_CTX *server12;
static struct tls_session *got;
static uint64_t now_s;

static void keep(void *ctx, struct tls_session *s)
{
	assert_ptr_equal(ctx, &got);
	if (got)
		tls_session_free(&got);
	got = s;
}

/* ---- two servers, one client ---- */
static SSL_CTX *make_old(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();
	X509_NAME *name = X509_get_subject_name(cert);

	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const uint8_t *)"old", -1, -1, 0);
	X509_set_issuer_name(cert, name);
	X509_gmtime_adj(X509_getm_notBefore(cert), 0);
	X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
	X509_set_pubkey(cert, key);
	assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
	assert_int_equal(SSL_CTX_use_certificate(ctx, cert), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(ctx, key), 1);
	SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
	X509_free(cert);
	EVP_PKEY_free(key);
	return ctx;
}

static int setup(void **state)
{
	const struct tls_cert cert = {.cert = TLS_SELF_SIGNED};
	const struct tls_server_conf conf = {.certs = &cert, .ncerts = 1, .tickets = true, .ticket_keys = 2,
		.ticket_rotation_s = 3600, .session_timeout_s = 7200};
	const char *error = "";
	char print[96];

	(void)state;
	assert_int_equal(loop_init(&loop), 0);
	assert_int_equal(tls_self_signed("backend.example", print, &error), 0);
	server13 = tls_server_new(&conf, &error);
	if (!server13)
		fail_msg("%s", error);
	client = tls_client_new(&(struct tls_client_conf){.session = keep}, &error);
	if (!client)
		fail_msg("%s", error);
	server12 = make_old();
	now_s = (uint64_t)time(NULL);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	tls_server_free(&server13);
	tls_client_free(&client);
	SSL_CTX_free(server12);
	loop_done(&loop);
	return 0;
}

static void never(struct io *io, short what)
{
	(void)io;
	(void)what;
	fail(); /* nobody waits */
}

/* make_session: one handshake; the last ticket that came with it. */
static struct tls_session *make_session(bool old)
{
	struct tls_session *s;
	struct wire near, far;
	SSL *ssl = NULL;
	uint8_t byte;
	int fd[2];
	bool sent = false;

	got = NULL;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd), 0);
	wire_init(&near, &loop, fd[0], tls_connect(client, fd[0], NULL, &got), never);
	wire_init(&far, &loop, fd[1], old ? NULL : tls_accept(server13, fd[1]), never);
	if (old) {
		ssl = SSL_new(server12);
		SSL_set_fd(ssl, fd[1]);
		SSL_set_accept_state(ssl);
	}
	for (int i = 0; i < 50; i++) {
		int err = wire_shake(&near);

		assert_true(err == 0 || err == -EAGAIN);
		if (err == 0 && sent && wire_read(&near, &byte, 1) == 1)
			break;
		if (!sent)
			sent = old ? SSL_write(ssl, "x", 1) == 1
				   : wire_shake(&far) == 0 && wire_write(&far, (const uint8_t *)"x", 1) == 1;
	}
	SSL_free(ssl);
	wire_close(&near, true);
	wire_close(&far, true);
	s = got;
	got = NULL;
	assert_non_null(s);
	assert_int_equal(tls_session_once(s), !old);
	return s;
}

static void newest_first(void **state)
{
	struct session_cache *c = session_cache_new(2, 3600);
	struct tls_session *v[3];
	bool lent;

	(void)state;
	assert_non_null(c);
	assert_null(session_cache_take(c, now_s, &lent));
	for (int i = 0; i < 3; i++) {
		v[i] = make_session(false);
		session_cache_put(c, v[i], now_s);
		assert_int_equal(back_sessions(), i < 2 ? i + 1 : 2); /* the oldest went */
	}
	for (int i = 2; i > 0; i--) {
		assert_ptr_equal(session_cache_take(c, now_s, &lent), v[i]);
		assert_false(lent);
		assert_int_equal(back_sessions(), i - 1); /* used once */
		tls_session_free(&v[i]);
	}
	assert_null(session_cache_take(c, now_s, &lent));
	session_cache_put(c, make_session(false), now_s);
	session_cache_free(&c); /* with what is in it */
	assert_null(c);
}

static void lent_ones(void **state)
{
	struct session_cache *c = session_cache_new(5, 3600);
	struct tls_session *old = make_session(true), *new = make_session(false);
	bool lent;

	(void)state;
	session_cache_put(c, old, now_s);
	for (int i = 0; i < 2; i++) {
		assert_ptr_equal(session_cache_take(c, now_s, &lent), old);
		assert_true(lent);
		assert_int_equal(back_sessions(), 1);
	}
	session_cache_put(c, new, now_s);
	assert_ptr_equal(session_cache_take(c, now_s, &lent), new);
	assert_false(lent);
	tls_session_free(&new);
	assert_ptr_equal(session_cache_take(c, now_s, &lent), old);
	assert_true(lent);
	session_cache_free(&c);
}

static void they_end(void **state)
{
	struct session_cache *c = session_cache_new(5, 600);
	struct tls_session *s = make_session(false);
	uint64_t end_s = tls_session_end_s(s);
	bool lent;

	(void)state;
	assert_true(end_s > now_s + 3600);
	session_cache_put(c, s, now_s);
	session_cache_put(c, make_session(false), now_s + 10);
	assert_non_null(s = session_cache_take(c, now_s + 599, &lent));
	tls_session_free(&s);
	assert_int_equal(back_sessions(), 1);
	assert_null(session_cache_take(c, now_s + 600, &lent)); /* the older is too old, the newer was taken */
	assert_int_equal(back_sessions(), 0);
	session_cache_free(&c);
	/* the server's word is shorter than our setting */
	c = session_cache_new(5, UINT32_MAX);
	session_cache_put(c, make_session(false), now_s);
	session_cache_put(c, make_session(true), now_s);
	assert_int_equal(back_sessions(), 2);
	assert_null(session_cache_take(c, now_s + 8 * 86400, &lent));
	assert_int_equal(back_sessions(), 0);
	session_cache_put(c, make_session(false), now_s + 8 * 86400);
	assert_int_equal(back_sessions(), 0);
	session_cache_free(&c);
}

static void none_kept(void **state)
{
	struct session_cache *c = session_cache_new(0, 600);
	bool lent;

	(void)state;
	session_cache_put(c, make_session(false), now_s);
	assert_int_equal(back_sessions(), 0);
	assert_null(session_cache_take(c, now_s, &lent));
	session_cache_free(&c);
	mem_fail_at(1);
	assert_null(session_cache_new(5, 600));
	mem_fail_at(0);
	session_cache_free(&c);
}

int test_session_cache_with_tls(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(newest_first), cmocka_unit_test(lent_ones),
		cmocka_unit_test(they_end), cmocka_unit_test(none_kept)};

	return cmocka_run_group_tests_name("session_cache", tests, setup, teardown);
}
