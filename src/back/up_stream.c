/* up_stream.c: ups over TCP and DoT (RFC 7858): messages with two bytes of length before each (RFC 1035 4.2.2). */
#include "up_priv.h"

enum { ROOM = 65535 };

static void hand_over(struct up_conn *c, const uint8_t *msg, size_t len)
{
	c->half_ms = 0;
	c->up.events->reply(&c->up, dns_id(msg), msg, len);
}

/* feed_whole hands over the whole messages at |p|; bytes used. */
static size_t feed_whole(struct up_conn *c, const uint8_t *p, size_t len)
{
	size_t used = 0;

	while (!c->dead) {
		const uint8_t *msg;
		size_t n;
		int got = frame_next(p + used, len - used, &msg, &n);

		if (got < 0)
			up_conn_kill(c, REASON_REPLY_SHORT);
		if (got <= 0)
			break;
		used += n + 2;
		hand_over(c, msg, n);
	}
	return used;
}

/* feed_half: |in| holds the beginning of a message; it gets no more than what the message lacks.  Bytes used. */
static size_t feed_half(struct up_conn *c, const uint8_t *p, size_t len)
{
	size_t want, n, used = 0;

	if (c->in.len == 1) {
		if (bytes_add(&c->in, p, 1) < 0) {
			up_conn_kill(c, REASON_CONN_OUT_OF_MEMORY);
			return 0;
		}
		used = 1;
	}
	want = get16(c->in.p + c->in.at) + 2u;
	n = want > c->in.len ? want - c->in.len : 0;
	if (n > len - used)
		n = len - used;
	if (bytes_add(&c->in, p + used, n) < 0) {
		up_conn_kill(c, REASON_CONN_OUT_OF_MEMORY);
		return used;
	}
	bytes_drop(&c->in, feed_whole(c, c->in.p + c->in.at, c->in.len));
	if (c->in.len == 0)
		bytes_free(&c->in);
	return used + n;
}

static void stream_feed(struct up_conn *c, const uint8_t *p, size_t len)
{
	size_t used = 0;

	if (len && c->in.len)
		used = feed_half(c, p, len);
	if (c->in.len == 0 && used < len) {
		used += feed_whole(c, p + used, len - used);
		if (!c->dead && bytes_add(&c->in, p + used, len - used) < 0)
			up_conn_kill(c, REASON_CONN_OUT_OF_MEMORY);
	}
	if (c->in.len == 0)
		c->half_ms = 0;
	else if (c->half_ms == 0)
		c->half_ms = up_conn_now(c);
	must(c->in.len <= DNS_MAX + 2);
}

static const struct up_kind stream_kind = {.size = sizeof(struct up_conn), .feed = stream_feed};

static int stream_open(const struct up_plan *plan, struct up **up_r)
{
	return up_conn_open(plan, &up_stream_ops, &stream_kind, up_r);
}

static int stream_send(struct up *u, uint16_t id, const uint8_t *head, size_t head_len, const uint8_t *msg, size_t len,
	const struct http_field *fields, size_t nfields)
{
	struct up_conn *c = conn_of(u);
	int err = up_conn_takes(c);
	size_t before = c->out.len;

	(void)fields;
	(void)nfields;
	if (err == 0)
		err = up_conn_head(c, head, head_len);
	if (err == 0)
		err = bytes_add_frame(&c->out, msg, len);
	if (err < 0) {
		c->out.len = before;
		return err;
	}
	put16(c->out.p + c->out.at + c->out.len - len, id);
	u->queries++;
	up_conn_dirty(c);
	return 0;
}

/* stream_forget: a late reply is one that nobody waits for: the owner's map knows. */
static void stream_forget(struct up *u, uint16_t id)
{
	(void)u;
	(void)id;
}

static unsigned stream_room(const struct up *u)
{
	return up_conn_takes(conn_of(u)) == 0 ? ROOM : 0;
}

const struct up_ops up_stream_ops = {stream_open, stream_send, stream_forget, stream_room, up_conn_silent_ms,
	up_conn_knock, up_conn_close};
