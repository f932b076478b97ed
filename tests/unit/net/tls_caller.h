/* tls_caller.h: for tests of the server side: a client of plain OpenSSL and our server, over a pair of sockets, in one
 * thread. */
#ifndef TEST_TLS_CALLER_H
#define TEST_TLS_CALLER_H

#include "tls_made.h"
#include "net.h"
#include <openssl/err.h>
#include <signal.h>
#include <sys/socket.h>

static UNUSED struct loop loop;
static UNUSED SSL_SESSION *caller_session; /* the last that came */

static UNUSED int caller_keep(SSL *ssl, SSL_SESSION *s)
{
	(void)ssl;
	SSL_SESSION_free(caller_session);
	caller_session = s;
	return 1;
}

static UNUSED void caller_forget(void)
{
	SSL_SESSION_free(caller_session);
	caller_session = NULL;
}

static UNUSED SSL_CTX *caller_new(int max_version)
{
	SSL_CTX *ctx;

	tls_start();
	ctx = SSL_CTX_new(TLS_client_method());
	assert_non_null(ctx);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
	SSL_CTX_set_max_proto_version(ctx, max_version);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(ctx, caller_keep);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	return ctx;
}

/* SSL_CTX_set1_groups_list() and its sisters are macros that cast a const away. */
static UNUSED void caller_list(SSL_CTX *ctx, int which, const char *list)
{
	assert_int_equal(SSL_CTX_ctrl(ctx, which, 0, (void *)(uintptr_t)list), 1);
}

static UNUSED void call_name(SSL *ssl, const char *name)
{
	assert_int_equal(SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, (void *)(uintptr_t)name), 1);
}

struct call {
	struct wire wire;
	SSL *peer;
	int fd; /* the peer's */
	bool open;
};

static UNUSED void call_nothing(struct io *io, short what)
{
	(void)io;
	(void)what;
}

/* call_open: false when our side has no memory for it. */
static UNUSED bool call_open(struct call *c, struct tls_server *s, SSL_CTX *ctx, SSL_SESSION *session)
{
	struct tls *t;
	int fd[2];

	*c = (struct call){.fd = -1};
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd), 0);
	c->fd = fd[1];
	if (ctx) {
		c->peer = SSL_new(ctx);
		assert_int_equal(SSL_set_fd(c->peer, fd[1]), 1);
		SSL_set_connect_state(c->peer);
		if (session)
			assert_int_equal(SSL_set_session(c->peer, session), 1);
	}
	t = tls_accept(s, fd[0]);
	if (!t) {
		close(fd[0]);
		return false;
	}
	wire_init(&c->wire, &loop, fd[0], t, call_nothing);
	c->open = true;
	return true;
}

static UNUSED void call_close(struct call *c)
{
	if (c->open)
		wire_close(&c->wire, false);
	if (c->peer)
		SSL_shutdown(c->peer);
	SSL_free(c->peer);
	if (c->fd >= 0)
		close(c->fd);
	ERR_clear_error();
}

/* call_shake: the handshake of both sides; what ours says at last. */
static UNUSED int call_shake(struct call *c)
{
	int rc = -EAGAIN;

	for (unsigned i = 0; i < 20; i++) {
		int peer = SSL_do_handshake(c->peer);

		rc = wire_shake(&c->wire);
		if ((rc < 0 && rc != -EAGAIN) || (rc == 0 && peer == 1))
			return rc;
	}
	return rc;
}

/* call_talk: a word there and back; tickets come with the answer.  0, or what our side says. */
static UNUSED int call_talk(struct call *c)
{
	uint8_t buf[16];
	ssize_t n;

	assert_int_equal(SSL_write(c->peer, "ask", 3), 3);
	n = wire_read(&c->wire, buf, sizeof(buf));
	if (n != 3)
		return n < 0 ? (int)n : -EBADMSG;
	assert_memory_equal(buf, "ask", 3);
	n = wire_write(&c->wire, (const uint8_t *)"answer", 6);
	if (n != 6)
		return n < 0 ? (int)n : -EBADMSG;
	assert_int_equal(SSL_read(c->peer, buf, sizeof(buf)), 6);
	assert_memory_equal(buf, "answer", 6);
	return 0;
}

/* cn_of: the common name of the certificate that the client got. */
static UNUSED const char *cn_of(SSL *ssl)
{
	static char cn[64];
	X509 *x = SSL_get0_peer_certificate(ssl);

	X509_NAME_get_text_by_NID(X509_get_subject_name(x), NID_commonName, cn, sizeof(cn));
	return cn;
}

/* ---- certificates that all tests of the server use ---- */
enum { A, A_RSA, B, W, CERTS };
static UNUSED struct made made[CERTS];

static UNUSED void made_rsa(struct made *m, const struct made *like)
{
	m->key = EVP_RSA_gen(2048);
	assert_non_null(m->key);
	m->cert = X509_dup(like->cert);
	X509_set_pubkey(m->cert, m->key);
	ASN1_INTEGER_set(X509_get_serialNumber(m->cert), 777);
	assert_true(X509_sign(m->cert, m->key, EVP_sha256()) > 0);
}

static UNUSED int caller_set_up(void **state)
{
	static const char *const names[CERTS] = {"a", "a-rsa", "b", "w"};

	signal(SIGPIPE, SIG_IGN);
	tls_start();
	if (made_set_up(state) < 0 || loop_init(&loop) < 0)
		return -1;
	made_new(&made[A], &(struct made_spec){"a", "DNS:a.test,DNS:also-a.test", NULL, 0, 0, false});
	made_rsa(&made[A_RSA], &made[A]);
	made_new(&made[B], &(struct made_spec){"b.test", NULL, NULL, 0, 0, false});
	made_new(&made[W], &(struct made_spec){"w", "DNS:*.w.test,DNS:x.a.test", NULL, 0, 0, false});
	for (int i = 0; i < CERTS; i++) {
		char file[32];

		(void)snprintf(file, sizeof(file), "%s.pem", names[i]);
		made_write(file, "w", made[i].cert, NULL);
		(void)snprintf(file, sizeof(file), "%s.key", names[i]);
		made_write(file, "w", NULL, made[i].key);
	}
	return 0;
}

static UNUSED int caller_tear_down(void **state)
{
	for (int i = 0; i < CERTS; i++)
		made_free(&made[i]);
	caller_forget();
	loop_done(&loop);
	return made_tear_down(state);
}

/* serving: options that tests vary; the certificate of a. */
static UNUSED struct tls_server_conf serving(void)
{
	static char cert[128], key[128];
	static struct tls_cert one;

	(void)snprintf(cert, sizeof(cert), "%s", made_path("a.pem"));
	(void)snprintf(key, sizeof(key), "%s", made_path("a.key"));
	one = (struct tls_cert){.cert = cert, .key = key};
	return (struct tls_server_conf){.certs = &one, .ncerts = 1, .tickets = true, .prefer_server = true,
		.release_buffers = true, .ticket_keys = 3, .min_version = TLS_V_12};
}

static UNUSED struct tls_server *serve(struct tls_server_conf conf)
{
	const char *error = "";
	struct tls_server *s = tls_server_new(&conf, &error);

	if (!s)
		fail_msg("%s", error);
	return s;
}

#endif
