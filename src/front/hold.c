/* hold.c: what connections hold back between turns, and who goes when all of them together hold too much.
 *
 * A client that does not read its answers, or does not end its messages, makes us keep them.  Each connection is bounded
 * and has deadlines, but clients may be many: so the bytes of all are summed, and above a limit the connection that holds
 * most ends at once.  Idle ones hold nothing.  Zone transfers are as long as they are: they have a sum of their own. */
#include "conn.h"

/* HELD_MAX: bytes that connections may hold back together, and EACH more for each that is open.  SMALL: less than that
 * of unfinished messages is not counted: it costs less than the connection, and many good clients have it; many small
 * requests at once are counted when they are HALF_MS old.  TRANSFERS_MAX: bytes that connections with a transfer may hold
 * back together. */
enum { HELD_MAX = 256 << 10, EACH = 512, SMALL = 4096, HALF_MS = 20, TRANSFERS_MAX = 32 << 20 };

static size_t holds(struct conn *c)
{
	const struct conn_ops *ops = conn_ops_of(c);
	size_t in = c->in.cap + wire_held(&c->wire), out = 0, small = 0;

	if (c->codec && ops->holds)
		ops->holds(c, &in, &small, &out);
	if (small > SMALL && c->message_ms) {
		if (loop_ms(&c->lane->loop) >= c->message_ms + HALF_MS)
			in += small;
		else
			conn_look(c, c->message_ms + HALF_MS);
	}
	return (in > SMALL && !c->rest && !c->full ? in : 0) + (c->blocked || c->kept ? c->out.cap + out : 0);
}

static size_t limit_of(const struct conn *c)
{
	return c->transfer ? TRANSFERS_MAX : HELD_MAX + (size_t)c->lane->conns * EACH;
}

/* end_fullest ends the connection of this worker that holds most. */
static void end_fullest(const struct lane *lane, bool transfer)
{
	struct conn *most = NULL;

	for (struct conn *c = lane->idle_first; c; c = c->idle_next)
		if (c->transfer == transfer && c->dead == REASON_NONE && c->held > (most ? most->held : 0))
			most = c;
	if (!most)
		return;
	hold_end(most); /* it is as good as given back */
	conn_kill(most, REASON_CONN_HOLDS);
}

void hold_look(struct conn *c)
{
	bool transfer = c->transfer && (c->pending || c->out.len);
	size_t now = holds(c), before = c->held;
	size_t sum;

	if (transfer != c->transfer) {
		hold_end(c);
		c->transfer = transfer;
		before = 0;
	}
	if (likely(now == before))
		return;
	sum = clients_hold(c->lane->clients, c->transfer, before, now);
	c->held = (uint32_t)now;
	if (now > before && sum > limit_of(c))
		end_fullest(c->lane, c->transfer);
}

void hold_transfer(struct conn *c)
{
	if (c->transfer)
		return;
	hold_end(c);
	c->transfer = true;
}

void hold_end(struct conn *c)
{
	clients_hold(c->lane->clients, c->transfer, c->held, 0);
	c->held = 0;
}
