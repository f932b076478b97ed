/* back_help.h: backs under test: a client that remembers how each of its queries ended, and servers that are sockets of
 * the test. */
#ifndef TEST_BACK_HELP_H
#define TEST_BACK_HELP_H

#include "../lane_help.h"

enum { ASKED = 1024 };

/* ---- the client: the id of a query is its number ---- */
static struct told {
	bool ended, dropped;
	unsigned rcode, parts;
	size_t len;
} told[ASKED];
static unsigned ended;

static UNUSED void client_part(struct client *c, const uint8_t *msg, size_t len)
{
	(void)c;
	(void)len;
	told[dns_id(msg)].parts++;
}

static UNUSED void client_answer(struct client *c, const uint8_t *msg, size_t len)
{
	struct told *t = &told[dns_id(msg)];

	(void)c;
	assert_false(t->ended);
	t->ended = true;
	t->rcode = dns_rcode(msg);
	t->len = len;
	ended++;
}

static UNUSED void client_drop(struct client *c, enum reason why)
{
	struct told *t = &told[c->remote.port];

	(void)why;
	assert_false(t->ended);
	t->ended = t->dropped = true;
	ended++;
}

static UNUSED void ask(struct world *w, uint16_t id, unsigned qtype, bool stream)
{
	static const struct client_ops ops = {client_answer, client_drop, client_part, NULL};
	struct client c = {.ops = &ops, .stream = stream, .proto = stream ? PROTO_TCP : PROTO_UDP};
	uint8_t msg[512];
	size_t len = make_query(msg, id, "www.example", qtype);

	assert_int_equal(addr_parse(&c.remote, "127.0.0.1", id), 0); /* the port tells dropped ones apart */
	assert_int_equal(addr_parse(&c.local, "127.0.0.1", 53), 0);
	query_start(&w->lane.core, &c, msg, len);
}

/* ---- a world with one server, at |fd|'s address ---- */
static struct server *server;

static UNUSED void start_with(struct world *w, struct conf *c, uint16_t port, const char *options)
{
	char address[32];

	memset(told, 0, sizeof(told));
	ended = 0;
	snprintf(address, sizeof(address), "127.0.0.1:%u", port);
	server = make_up(address, options);
	assert_int_equal(conf_add_server(c, server_ref(server)), 0);
	world_start(w, c);
}

static UNUSED void stop(struct world *w)
{
	world_stop(w);
	assert_int_equal(atomic_load(&server->outstanding), 0);
	assert_int_equal(atomic_load(&server->connections), 0);
	server_free(&server);
}

static UNUSED uint64_t count(const _Atomic uint64_t *n)
{
	return atomic_load(n);
}

/* make_reply turns the query in |msg| into an empty answer. */
static UNUSED void make_reply(uint8_t *msg)
{
	dns_set_flags(msg, DNS_QR | DNS_RD | DNS_RA);
}

/* ---- the server's side of connections ---- */
static UNUSED int accepts(struct world *w, int listener)
{
	int fd = -1;

	UNTIL(w, (fd = accept(listener, NULL, NULL)) >= 0);
	return fd;
}

static UNUSED bool someone_waits(int listener)
{
	return is_readable(listener);
}

/* serves reads one query of |fd| and answers it; its id. */
static UNUSED uint16_t serves(struct world *w, int fd)
{
	uint8_t msg[DNS_MAX];
	size_t len = read_frame(w, fd, msg);

	assert_true(len > 0);
	make_reply(msg);
	write_frame(fd, msg, len);
	return dns_id(msg);
}

#endif
