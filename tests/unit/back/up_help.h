/* up_help.h: an owner that remembers what its up told it, and the other end of the connection, with TLS or without. */
#ifndef TEST_UP_HELP_H
#define TEST_UP_HELP_H

#include "back_help.h"

#include "tls.h"
#include "up_priv.h"
#include <fcntl.h>

/* ---- the owner ---- */
static struct owner {
	struct up *up; /* NULL: none, or gone */
	unsigned opened, ended, replies, refused, closed;
	bool close_on_reply, ask_on_reply, unseen;
	uint16_t id;
	size_t len;
	enum reason why;
	uint8_t msg[DNS_MAX];
	char said[128];
} owner;

static UNUSED int send_query(uint16_t id, const char *name)
{
	uint8_t query[512];
	size_t len = make_query(query, 0, name, QTYPE_A);

	return owner.up->ops->send(owner.up, id, NULL, 0, query, len, NULL, 0);
}

static void on_opened(struct up *u)
{
	assert_ptr_equal(u, owner.up);
	assert_ptr_equal(u->owner, &owner);
	owner.opened++;
}

static void on_reply(struct up *u, uint16_t id, const uint8_t *msg, size_t len)
{
	assert_ptr_equal(u, owner.up);
	assert_int_equal(id, dns_id(msg));
	owner.replies++;
	owner.id = id;
	owner.len = len;
	memcpy(owner.msg, msg, len);
	if (owner.ask_on_reply)
		assert_int_equal(send_query((uint16_t)(id + 1), "again.example"), 0);
	if (owner.close_on_reply) {
		u->ops->close(u);
		owner.up = NULL;
	}
}

static void on_refused(struct up *u, uint16_t id, enum reason why, bool unseen)
{
	assert_ptr_equal(u, owner.up);
	owner.refused++;
	owner.id = id;
	owner.why = why;
	owner.unseen = unseen;
}

static void on_closed(struct up *u, enum reason why)
{
	assert_ptr_equal(u, owner.up);
	owner.closed++;
	owner.why = why;
	snprintf(owner.said, sizeof(owner.said), "%s", u->why ? u->why : "");
	owner.up = NULL;
}

static void on_ended(struct up *u)
{
	assert_ptr_equal(u, owner.up);
	owner.ended++;
}

static const struct up_events up_events = {on_opened, on_reply, on_refused, on_closed, on_ended};

/* ---- the other end ---- */
static struct peer {
	struct wire wire;
	struct bytes in;
	bool ended;
} peer;

static UNUSED void never(struct io *io, short what)
{
	(void)io;
	(void)what;
	fail(); /* its owner looks by itself */
}

static UNUSED void peer_init(struct world *w, struct peer *p, int fd, struct tls_server *tls)
{
	struct tls *t = NULL;

	assert_int_equal(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK), 0);
	if (tls) {
		t = tls_accept(tls, fd);
		assert_non_null(t);
	}
	memset(p, 0, sizeof(*p));
	wire_init(&p->wire, &w->lane.loop, fd, t, never);
}

static UNUSED void peer_accepts(struct world *w, struct peer *p, int listener, struct tls_server *tls)
{
	peer_init(w, p, accepts(w, listener), tls);
}

/* peer_reads takes what is there; true when |want| bytes or the end are. */
static UNUSED bool peer_reads(struct peer *p, size_t want)
{
	uint8_t buf[16384];
	ssize_t n;

	while (!p->ended && (n = wire_read(&p->wire, buf, sizeof(buf))) != -EAGAIN) {
		if (n > 0)
			assert_int_equal(bytes_add(&p->in, buf, (size_t)n), 0);
		else
			p->ended = true;
	}
	return p->in.len >= want || p->ended;
}

static UNUSED void peer_writes(struct world *w, struct peer *p, const void *bytes, size_t len)
{
	const uint8_t *at = bytes;

	while (len) {
		ssize_t n = wire_write(&p->wire, at, len);

		if (n > 0) {
			at += n;
			len -= (size_t)n;
		} else {
			assert_int_equal(n, -EAGAIN);
			world_turn(w);
		}
	}
}

static UNUSED size_t peer_gets(struct world *w, struct peer *p, uint8_t *msg)
{
	const uint8_t *at;
	size_t len;

	UNTIL(w, peer_reads(p, 2) && (p->ended || frame_next(p->in.p + p->in.at, p->in.len, &at, &len) > 0));
	assert_false(p->ended);
	memcpy(msg, at, len);
	bytes_drop(&p->in, len + 2);
	return len;
}

/* peer_frame writes a message of |len| bytes that answers |id|. */
static UNUSED void peer_frame(struct world *w, struct peer *p, uint16_t id, size_t len)
{
	static uint8_t frame[DNS_MAX + 2];

	memset(frame, 0, sizeof(frame));
	put16(frame, (unsigned)len);
	put16(frame + 2, id);
	put16(frame + 4, DNS_QR);
	peer_writes(w, p, frame, len + 2);
}

static UNUSED void peer_ends(struct peer *p, bool broken)
{
	wire_close(&p->wire, broken);
	bytes_free(&p->in);
}

/* ---- a world with one server and an up to it ---- */
static struct world w;
static int listener = -1;

static UNUSED void begin_at(uint16_t port, const char *options)
{
	char address[32];

	memset(&owner, 0, sizeof(owner));
	snprintf(address, sizeof(address), "127.0.0.1:%u", port);
	server = make_up(address, options);
	world_start(&w, new_conf());
	w.lane.loop.wall_ms = (uint64_t)time(NULL) * 1000;
}

static UNUSED void begin(const char *options)
{
	listener = other_listen();
	begin_at(port_of(listener), options);
}

static UNUSED int open_up(struct tls_client *tls, struct session_cache *sessions, struct tls_session *session)
{
	struct up_plan plan = {.lane = &w.lane, .server = server, .to = &server->addr, .tls = tls, .sessions = sessions,
		.session = session, .events = &up_events, .owner = &owner};

	return up_ops_of(server)->open(&plan, &owner.up);
}

static UNUSED void finish(void)
{
	mem_fail_at(0);
	if (owner.up)
		owner.up->ops->close(owner.up);
	owner.up = NULL;
	assert_null(w.lane.dirty_up);
	world_stop(&w);
	server_free(&server);
	if (listener >= 0)
		close(listener);
	listener = -1;
}

/* opened: a plain connection stands, |peer| is its other end. */
static UNUSED void opened(const char *options)
{
	begin(options);
	assert_int_equal(open_up(NULL, NULL, NULL), 0);
	peer_accepts(&w, &peer, listener, NULL);
	UNTIL(&w, owner.opened == 1);
}

#endif
