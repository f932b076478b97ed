/* secure_help.h: encrypted fronts under test, and clients of theirs: a TLS wire of its own on the world's lane. */
#ifndef TEST_SECURE_HELP_H
#define TEST_SECURE_HELP_H

#include "front_help.h"
#include "tls.h"
#include <fcntl.h>

struct secure {
	struct bench *t;
	struct bind_conf b;
	struct listener *l;
	uint16_t port;
};

static UNUSED void never_ready(struct io *io, short what)
{
	(void)io;
	(void)what;
}

/* own_cert makes the certificate that all listeners here use. */
static UNUSED void own_cert(void)
{
	static bool made;
	char print[96];
	const char *error = "";

	if (!made && tls_self_signed("dns.test,127.0.0.1", print, &error) < 0)
		fail_msg("%s", error);
	made = true;
}

static UNUSED struct bind_conf secure_bind(uint8_t proto)
{
	struct bind_conf b;

	own_cert();
	assert_int_equal(bind_conf_defaults(&b), 0);
	b.proto = proto;
	assert_int_equal(addr_parse(&b.addr, "127.0.0.1", 0), 0);
	assert_int_equal(field_list_add(&b.tls.certs, TLS_SELF_SIGNED), 0);
	if (proto == PROTO_DOH)
		assert_int_equal(field_list_add(&b.doh.paths, "/dns-query"), 0);
	return b;
}

/* secure_start takes |c| and |b| over. */
static UNUSED void secure_start(struct secure *s, const struct front_ops *ops, struct conf *c, struct bind_conf b, bool hold)
{
	memset(s, 0, sizeof(*s));
	s->t = bench_new(c, hold);
	s->b = b;
	s->l = at_work(&s->t->w, ops, &s->b, &s->port);
}

static UNUSED void secure_stop(struct secure *s)
{
	listener_free(&s->l);
	bind_conf_free(&s->b);
	bench_stop(s->t);
}

/* ---- clients ---- */
struct peer {
	struct world *w;
	struct tls_client *tls; /* NULL: plain */
	struct wire wire;
	bool closed;
	int error;
	struct bytes in;
};

static struct tls_session *last_session;

static UNUSED void got_session(void *ctx, struct tls_session *session)
{
	(void)ctx;
	if (last_session)
		tls_session_free(&last_session);
	last_session = session;
}

static UNUSED void forget_session(void)
{
	if (last_session)
		tls_session_free(&last_session);
}

/* peer_on puts a client on |fd|; |name|: the server name it gives, NULL none; |alpn| NULL: none. */
static UNUSED void peer_on(struct peer *p, struct world *w, int fd, const char *name, const char *const *alpn)
{
	struct tls_client_conf conf = {.name = name, .alpn = alpn, .session = got_session};
	const char *error = "";
	struct tls *tls;

	memset(p, 0, sizeof(*p));
	p->w = w;
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	p->tls = tls_client_new(&conf, &error);
	if (!p->tls)
		fail_msg("%s", error);
	tls = tls_connect(p->tls, fd, last_session, NULL);
	assert_non_null(tls);
	wire_init(&p->wire, &w->lane.loop, fd, tls, never_ready);
}

static UNUSED void peer_come(struct peer *p, struct secure *s, const char *name, const char *const *alpn)
{
	peer_on(p, &s->t->w, other_connect(SOCK_STREAM, s->port), name, alpn);
}

static UNUSED void peer_plain(struct peer *p, struct secure *s)
{
	int fd = other_connect(SOCK_STREAM, s->port);

	memset(p, 0, sizeof(*p));
	p->w = &s->t->w;
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	wire_init(&p->wire, &p->w->lane.loop, fd, NULL, never_ready);
}

/* peer_pull moves what has come to p->in; false when the other side has closed or failed. */
static UNUSED bool peer_pull(struct peer *p)
{
	uint8_t buf[20000];
	ssize_t n;

	while ((n = wire_read(&p->wire, buf, sizeof(buf))) > 0)
		assert_int_equal(bytes_add(&p->in, buf, (size_t)n), 0);
	if (n != -EAGAIN) {
		p->closed = true;
		p->error = (int)-n;
	}
	return !p->closed;
}

static UNUSED void peer_shake(struct peer *p)
{
	UNTIL(p->w, wire_shake(&p->wire) == 0);
}

static UNUSED void peer_push(struct peer *p, const uint8_t *out, size_t len)
{
	size_t at = 0;

	UNTIL(p->w, ({
		ssize_t n = wire_write(&p->wire, out + at, len - at);
		assert_true(n > 0 || n == -EAGAIN);
		at += n > 0 ? (size_t)n : 0;
		at == len;
	}));
}

static UNUSED void peer_end(struct peer *p)
{
	wire_close(&p->wire, p->closed);
	if (p->tls)
		tls_client_free(&p->tls);
	bytes_free(&p->in);
}

/* ---- DNS messages with two bytes of length ---- */
static UNUSED void peer_ask(struct peer *p, const uint8_t *msg, size_t len)
{
	uint8_t out[DNS_MAX + 2];

	put16(out, (unsigned)len);
	memcpy(out + 2, msg, len);
	peer_push(p, out, len + 2);
}

static UNUSED void peer_query(struct peer *p, uint16_t id)
{
	uint8_t msg[512];

	peer_ask(p, msg, make_query(msg, id, "www.example", QTYPE_A));
}

/* peer_hear: the next message; its length, 0 when the other side closed. */
static UNUSED size_t peer_hear(struct peer *p, uint8_t *msg)
{
	size_t n;

	UNTIL(p->w, !peer_pull(p) || (p->in.len >= 2 && p->in.len >= 2u + get16(p->in.p + p->in.at)));
	if (p->in.len < 2 || p->in.len < 2u + get16(p->in.p + p->in.at))
		return 0;
	n = get16(p->in.p + p->in.at);
	memcpy(msg, p->in.p + p->in.at + 2, n);
	bytes_drop(&p->in, n + 2);
	return n;
}

static UNUSED bool peer_is_closed(struct peer *p)
{
	return p->closed || !peer_pull(p);
}

#endif
