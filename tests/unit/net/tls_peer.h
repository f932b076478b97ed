/* tls_peer.h: for tests of the client side: certificates of every kind, a server of plain OpenSSL, and a connection
 * between it and us over a pair of sockets, in one thread. */
#ifndef TEST_TLS_PEER_H
#define TEST_TLS_PEER_H

#include "tls_made.h"
#include "net.h"
#include <signal.h>

/* ---- what all tests share: a loop, two authorities, certificates ---- */
enum { ROOT, MIDDLE, OTHER_ROOT, GOOD, BY_MIDDLE, EXPIRED, EARLY, BY_OTHER, WILD, WILD_PART, ADDRESS, SELF, CN_ONLY, MANY, ODD,
	ALL };
static const struct {
	const char *cn, *san;
	int issuer;
	long from_s, until_s;
	bool authority;
} specs[ALL] = {
	[ROOT] = {"root", NULL, ROOT, 0, 0, true},
	[MIDDLE] = {"middle", NULL, ROOT, 0, 0, true},
	[OTHER_ROOT] = {"root", NULL, OTHER_ROOT, 0, 0, true}, /* of the same name, with another key */
	[GOOD] = {"good", "DNS:dns.test,DNS:second.test", ROOT, 0, 0, false},
	[BY_MIDDLE] = {"deep", "DNS:dns.test", MIDDLE, 0, 0, false},
	[EXPIRED] = {"expired", "DNS:dns.test", ROOT, -86400, -60, false},
	[EARLY] = {"early", "DNS:dns.test", ROOT, 86400, 2 * 86400, false},
	[BY_OTHER] = {"by other", "DNS:dns.test", OTHER_ROOT, 0, 0, false},
	[WILD] = {"wild", "DNS:*.wild.test", ROOT, 0, 0, false},
	[WILD_PART] = {"wild", "DNS:d*.wild.test", ROOT, 0, 0, false},
	[ADDRESS] = {"address", "IP:192.0.2.1,IP:2001:db8::1,DNS:dns.test", ROOT, 0, 0, false},
	[SELF] = {"self", "DNS:dns.test", SELF, 0, 0, false},
	[CN_ONLY] = {"dns.test", NULL, ROOT, 0, 0, false},
	[MANY] = {"many", "DNS:a.test,DNS:b.test,DNS:c.test,DNS:d.test,DNS:e.test,IP:192.0.2.9", ROOT, 0, 0, false},
	[ODD] = {"odd", "DNS:a 'b\a" "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc",
		ROOT, 0, 0, false},
};
static UNUSED struct made made[ALL];
static UNUSED struct loop loop;

static UNUSED int peer_set_up(void **state)
{
	signal(SIGPIPE, SIG_IGN); /* the plain OpenSSL server writes to sockets that are closed */
	if (made_set_up(state) < 0 || loop_init(&loop) < 0)
		return -1;
	tls_test_now_s = MADE_NOW_S;
	for (int i = 0; i < ALL; i++)
		made_new(&made[i], &(struct made_spec){specs[i].cn, specs[i].san,
			specs[i].issuer == i ? NULL : &made[specs[i].issuer], specs[i].from_s, specs[i].until_s,
			specs[i].authority});
	made_write("ca.pem", "w", made[ROOT].cert, NULL);
	return 0;
}

static UNUSED int peer_tear_down(void **state)
{
	for (int i = 0; i < ALL; i++)
		made_free(&made[i]);
	loop_done(&loop);
	tls_test_now_s = 0;
	return made_tear_down(state);
}

/* ---- the server: plain OpenSSL ---- */
struct server {
	SSL_CTX *ctx;
	const char *alpn; /* what it chooses; NULL: knows nothing of ALPN */
};

static UNUSED int choose(SSL *ssl, const unsigned char **out, unsigned char *len_r, const unsigned char *in,
	unsigned len, void *arg)
{
	const char *want = arg;

	(void)ssl;
	for (unsigned i = 0; i < len; i += 1u + in[i])
		if (in[i] == strlen(want) && memcmp(in + i + 1, want, in[i]) == 0) {
			*out = in + i + 1;
			*len_r = in[i];
			return SSL_TLSEXT_ERR_OK;
		}
	return SSL_TLSEXT_ERR_NOACK;
}

static UNUSED void server_new(struct server *s, int cert, int more, char *alpn)
{
	s->ctx = SSL_CTX_new(TLS_server_method());
	assert_non_null(s->ctx);
	assert_int_equal(SSL_CTX_use_certificate(s->ctx, made[cert].cert), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(s->ctx, made[cert].key), 1);
	SSL_CTX_set_session_id_context(s->ctx, (const unsigned char *)"t", 1);
	SSL_CTX_set_quiet_shutdown(s->ctx, 1);
	if (more >= 0)
		assert_int_equal(SSL_CTX_add1_chain_cert(s->ctx, made[more].cert), 1);
	if (alpn)
		SSL_CTX_set_alpn_select_cb(s->ctx, choose, alpn);
}

static UNUSED void server_free(struct server *s)
{
	SSL_CTX_free(s->ctx);
}

/* ---- a connection between them ---- */
struct pair {
	struct wire wire;
	SSL *peer;
	int peer_fd;
};

static UNUSED void nothing(struct io *io, short what)
{
	(void)io;
	(void)what;
}

static UNUSED void pair_open(struct pair *p, struct tls_client *c, struct server *s, struct tls_session *session,
	void *ctx)
{
	struct tls *t;
	int fd[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd), 0);
	t = tls_connect(c, fd[0], session, ctx);
	assert_non_null(t);
	wire_init(&p->wire, &loop, fd[0], t, nothing);
	p->peer_fd = fd[1];
	p->peer = NULL;
	if (!s)
		return;
	p->peer = SSL_new(s->ctx);
	assert_int_equal(SSL_set_fd(p->peer, fd[1]), 1);
	SSL_set_accept_state(p->peer);
}

static UNUSED void pair_close(struct pair *p)
{
	wire_close(&p->wire, false);
	if (p->peer) /* quietly: else it takes its end for a fault and forgets the session */
		SSL_shutdown(p->peer);
	SSL_free(p->peer);
	close(p->peer_fd);
}

/* The handshake of both sides: what our side says at last. */
static UNUSED int pair_shake(struct pair *p)
{
	int err = -EAGAIN;

	for (unsigned i = 0; i < 20; i++) {
		err = wire_shake(&p->wire);
		if (err != 0 && err != -EAGAIN)
			return err;
		if (SSL_do_handshake(p->peer) == 1 && err == 0)
			return 0;
	}
	return err;
}

/* A word there and back: tickets come with the answer. */
static UNUSED void pair_talk(struct pair *p)
{
	uint8_t buf[16];
	ssize_t n;

	assert_int_equal(wire_write(&p->wire, (const uint8_t *)"ask", 3), 3);
	assert_int_equal(SSL_read(p->peer, buf, sizeof(buf)), 3);
	assert_int_equal(SSL_write(p->peer, "answer", 6), 6);
	do
		n = wire_read(&p->wire, buf, sizeof(buf));
	while (n == -EAGAIN && wire_more(&p->wire));
	assert_int_equal(n, 6);
	assert_memory_equal(buf, "answer", 6);
}

static UNUSED struct tls_client *client(struct tls_client_conf conf)
{
	const char *error = "";
	struct tls_client *c;

	if (!conf.ca_store)
		conf.ca_store = made_path("ca.pem");
	c = tls_client_new(&conf, &error);
	if (!c)
		fail_msg("%s", error);
	return c;
}

/* handshake with a server that has |cert|: |error|: what we say of it; NULL: it must succeed. */
static UNUSED void expect(struct tls_client *c, int cert, int more, const char *error, const char *what)
{
	struct server s;
	struct pair p;
	int err;

	server_new(&s, cert, more, NULL);
	pair_open(&p, c, &s, NULL, NULL);
	err = pair_shake(&p);
	if (err != (error ? -EPROTO : 0) || strcmp(tls_error(p.wire.tls), error ? error : "") != 0)
		fail_msg("%s: %d '%s'", what, err, tls_error(p.wire.tls));
	assert_int_equal(tls_failure(p.wire.tls), error ? TLS_FAIL_CERTIFICATE : TLS_FAIL_NONE);
	if (!error)
		pair_talk(&p);
	pair_close(&p);
	server_free(&s);
}

/* ---- tickets that came ---- */
struct basket {
	struct tls_session *got[8];
	unsigned count;
};

static UNUSED void take(void *ctx, struct tls_session *s)
{
	struct basket *b = ctx;

	assert_true(b->count < LEN(b->got));
	b->got[b->count++] = s;
}

static UNUSED void basket_empty(struct basket *b)
{
	while (b->count > 0)
		tls_session_free(&b->got[--b->count]);
}

#endif
