/* front_help.h: fronts under test: a listener at work on the world's lane, and backends that only hold queries. */
#ifndef TEST_FRONT_HELP_H
#define TEST_FRONT_HELP_H

#include "../lane_help.h"

enum { HELD = 256 };

/* A backend that keeps what it is sent, until the test answers. */
struct holder {
	struct back base;
	struct query *q[HELD];
	unsigned n;
};
static struct holder held;

static UNUSED int holder_send(struct back *b, struct query *q)
{
	(void)b;
	assert_true(held.n < HELD);
	q->back_id = (uint16_t)held.n;
	held.q[held.n++] = q;
	return 0;
}

static UNUSED void holder_cancel(struct back *b, struct query *q)
{
	(void)b;
	held.q[q->back_id] = NULL;
}

static UNUSED struct back *holder_get(struct core *core, struct server *server, bool stream)
{
	static const struct back_ops ops = {"holder", holder_send, holder_cancel};

	(void)core;
	(void)stream;
	held.base.ops = &ops;
	held.base.server = server;
	return &held.base;
}

/* answer_held answers query |i| with |extra| more bytes, which make it as large as wanted. */
static UNUSED void answer_held(unsigned i, size_t extra)
{
	static uint8_t msg[DNS_MAX];
	struct query *q = held.q[i];
	size_t len = q->ask_len, at = 0;

	assert_non_null(q);
	held.q[i] = NULL;
	memcpy(msg, q->ask, len);
	dns_set_flags(msg, DNS_QR | DNS_RD);
	while (extra >= 12 && len + 12 < DNS_MAX) { /* TXT records of the root without data */
		size_t n = extra - 11 > 60000 ? 60000 : extra - 11;

		memset(msg + len, 0, 11);
		put16(msg + len + 1, QTYPE_TXT);
		put16(msg + len + 3, CLASS_IN);
		put16(msg + len + 9, (unsigned)n);
		memset(msg + len + 11, 0, n);
		len += 11 + n;
		extra -= 11 + n;
		at++;
	}
	dns_set_count(msg, SECTION_ANSWER, (unsigned)at);
	query_reply(q, msg, len);
}

/* ---- listeners ---- */
struct bench {
	struct world w;
	struct listener *udp, *tcp;
	uint16_t udp_port, tcp_port;
};

static UNUSED struct listener *at_work(struct world *w, const struct front_ops *ops, const struct bind_conf *b,
	uint16_t *port_r)
{
	const char *error = "";
	struct listener *l = listener_new(ops, b, &error);
	int fd;

	if (!l)
		fail_msg("%s", error);
	fd = ops->open(l, &error);
	if (fd < 0)
		fail_msg("%s", error);
	*port_r = port_of(fd);
	l->conf.addr.port = *port_r;
	assert_int_equal(front_start(&w->lane, l, fd), 0);
	return l;
}

static UNUSED struct bind_conf at(const char *text)
{
	struct bind_conf b = {.proto = PROTO_UDP, .enable_proxy = true};

	assert_int_equal(addr_parse(&b.addr, text, 0), 0);
	return b;
}

/* bench_start: |c| is taken over; it has a backend that holds queries with |hold|, else none: each is answered
 * SERVFAIL. */
static UNUSED void bench_start(struct bench *t, struct conf *c, const struct bind_conf *b, bool hold)
{
	memset(&held, 0, sizeof(held));
	if (hold)
		assert_int_equal(conf_add_server(c, make_up("127.0.0.1:9", "")), 0);
	set_switch(c, "setServFailWhenNoServer", true);
	world_start(&t->w, c);
	t->w.edge.back = holder_get;
	t->udp = at_work(&t->w, &front_udp, b, &t->udp_port);
	t->tcp = at_work(&t->w, &front_tcp, b, &t->tcp_port);
}

static UNUSED void bench_stop(struct bench *t)
{
	listener_free(&t->udp);
	listener_free(&t->tcp);
	world_stop(&t->w);
}

static UNUSED struct bench *bench_new(struct conf *c, bool hold)
{
	static struct bench t;
	struct bind_conf b = at("127.0.0.1");

	bench_start(&t, c, &b, hold);
	return &t;
}

/* A PROXY header of |extra| bytes in a TLV; its length. */
static UNUSED size_t proxy_head(uint8_t *out, const char *source, size_t extra, bool stream)
{
	static const uint8_t nothing[1024];
	struct proxy x = {.stream = stream};
	ssize_t n;

	assert_int_equal(addr_parse(&x.source, source, 1234), 0);
	assert_int_equal(addr_parse(&x.destination, "192.0.2.53", 53), 0);
	if (extra) {
		x.tlv[0] = (struct proxy_tlv){0xe0, (uint16_t)(extra - 3), nothing};
		x.tlvs = 1;
	}
	n = proxy_build(&x, out, 2048);
	assert_true(n > 0);
	return (size_t)n;
}

#endif
