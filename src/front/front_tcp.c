/* front_tcp.c: plain DNS over TCP, and what DoT has of it: two bytes of length before each message, pipelined queries,
 * answers out of order. */
#include "conn.h"

enum { OUT_END = 16 << 20 }; /* a transfer that is read so much slower than it comes is given up */

static void dns16_part(struct client *q, const uint8_t *msg, size_t len)
{
	struct conn *c = q->conn;

	MAGIC_CHECK(c, CONN_MAGIC);
	c->front->responses++;
	if (c->out.len > OUT_END)
		conn_kill(c, REASON_CONN_WRITE_TIMEOUT);
	else if (bytes_add_frame(&c->out, msg, len) < 0)
		conn_kill(c, REASON_CONN_OUT_OF_MEMORY);
	conn_dirty(c);
}

static void dns16_answer(struct client *q, const uint8_t *msg, size_t len)
{
	dns16_part(q, msg, conn_pad(q, msg, len));
	conn_leave(q);
}

static void dns16_transfer(struct client *q, const uint8_t *msg, size_t len)
{
	struct conn *c = q->conn;

	c->transfer = true;
	dns16_part(q, msg, len);
}

static void dns16_drop(struct client *q, enum reason why)
{
	(void)why;
	conn_leave(q);
	conn_dirty(q->conn);
}

static const struct client_ops dns16_client = {dns16_answer, dns16_drop, dns16_transfer, conn_waits};

static size_t dns16_feed(struct conn *c, const uint8_t *p, size_t len)
{
	size_t used = 0;

	while (conn_may_take(c) && !(c->eof && c->queries)) {
		const uint8_t *msg;
		size_t n;
		int got = frame_next(p + used, len - used, &msg, &n);

		if (got < 0)
			conn_kill(c, REASON_CONN_BAD_LENGTH);
		if (got <= 0)
			break;
		used += n + 2;
		conn_query(c, &dns16_client, conn_remote(c), c->envelope, NULL, msg, n);
		if (conn_last(c))
			c->eof = true; /* this one is still answered */
	}
	return used;
}

const struct conn_ops conn_dns16 = {.feed = dns16_feed};

const struct front_ops front_tcp = {"TCP", PROTO_TCP, false, accept_open, accept_start, accept_stop, &conn_dns16};
