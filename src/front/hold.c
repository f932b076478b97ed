/* hold.c: what connections hold back between turns, and who goes when all of them together hold too much.
 *
 * A client that does not read its answers, does not end its messages or its handshake makes us keep them.  Each connection
 * is bounded and has deadlines, but clients may be many: so the bytes of all workers' are summed, and above a limit those
 * that hold most end at once, of handshakes the oldest.  Idle ones hold nothing.  Zone transfers are as long as they are,
 * and handshakes come in crowds when a network is back: they have sums of their own.
 *
 * Who holds anything is in a table of its worker, in lists by about how much: nobody is searched for. */
#include "conn.h"

/* HELD_MAX: bytes that connections may hold back together, and EACH more for each that is open.  SMALL: less than that
 * of unfinished messages is not counted: it costs less than the connection, and many good clients have it; many small
 * requests at once have a sum of their own, up to YOUNG_MAX, until they are HALF_MS old.  TRANSFERS_MAX: bytes that connections with a transfer may hold
 * back together.
 * SHAKE: what the library has of a handshake that waits for its client.  SHAKES_MAX: bytes of those together, and
 * SHAKES_CALM when the oldest of them waits for STUCK_MS: round trips are shorter; SHAKES_EACH more for each open one. */
enum { HELD_MAX = 160 << 10, EACH = 512, SMALL = 4096, HALF_MS = 20, YOUNG_MAX = 512 << 10, TRANSFERS_MAX = 32 << 20 };
enum { SHAKE = 44 << 10, SHAKES_MAX = 16 << 20, SHAKES_CALM = 1 << 20, SHAKES_EACH = 4096, STUCK_MS = 1000 };

/* ENDS: connections ended in one turn because of one.  SIZES: lists of a kind, by the number of bits. */
enum { ENDS = 4, SIZES = 33, FIRST = 16 };

struct holder {
	struct conn *conn;
	uint32_t next, prev; /* places in the table, 0: none; next: of a free one, too */
	uint32_t bytes;
	uint8_t kind, size;
};

struct holders { /* of a worker; NULL: nobody holds anything */
	size_t sum[HOLDS];
	uint32_t first[HOLDS][SIZES], last[HOLDS][SIZES];
	uint32_t used, cap, free;
	struct holder v[]; /* v[0] is nobody's */
};

/* ---- the table ---- */
static int grow(struct lane *lane)
{
	struct holders *h = lane->holders;
	uint32_t cap = h ? 2 * h->cap : FIRST;
	struct holders *grown = mem_resize(h, sizeof(*h) + cap * sizeof(h->v[0]));

	if (!grown)
		return -ENOMEM;
	if (!h)
		memset(grown, 0, sizeof(*grown));
	for (uint32_t i = h ? grown->cap : 1; i < cap; i++) {
		grown->v[i] = (struct holder){.next = grown->free};
		grown->free = i;
	}
	grown->cap = cap;
	lane->holders = grown;
	return 0;
}

static void unlink_holder(struct holders *h, const struct holder *v)
{
	*(v->prev ? &h->v[v->prev].next : &h->first[v->kind][v->size]) = v->next;
	*(v->next ? &h->v[v->next].prev : &h->last[v->kind][v->size]) = v->prev;
	h->sum[v->kind] -= v->bytes;
}

static void link_holder(struct holders *h, uint32_t i, enum hold_kind kind, uint32_t bytes)
{
	struct holder *v = &h->v[i];

	v->kind = (uint8_t)kind;
	v->bytes = bytes;
	v->size = kind == HOLD_SHAKE ? 0 : (uint8_t)(32 - __builtin_clz(bytes));
	v->next = 0;
	v->prev = h->last[kind][v->size];
	*(v->prev ? &h->v[v->prev].next : &h->first[kind][v->size]) = i;
	h->last[kind][v->size] = i;
	h->sum[kind] += bytes;
}

/* hold notes that |c| holds |bytes|, which are not 0; the sum of all, or -ENOMEM. */
static ssize_t hold(struct conn *c, enum hold_kind kind, uint32_t bytes)
{
	struct lane *lane = c->lane;
	struct holders *h = lane->holders;
	size_t before = 0;

	if (!c->held) {
		if ((!h || !h->free) && grow(lane) < 0)
			return -ENOMEM;
		h = lane->holders;
		c->held = h->free;
		h->free = h->v[c->held].next;
		h->v[c->held].conn = c;
		h->used++;
	} else {
		const struct holder *v = &h->v[c->held];

		unlink_holder(h, v);
		if (v->kind == kind)
			before = v->bytes;
		else
			(void)clients_hold(lane->clients, v->kind, v->bytes, 0);
	}
	link_holder(h, c->held, kind, bytes);
	return (ssize_t)clients_hold(lane->clients, kind, before, bytes);
}

void hold_end(struct conn *c)
{
	struct holders *h = c->lane->holders;
	struct holder *v;

	if (!c->held)
		return;
	v = &h->v[c->held];
	unlink_holder(h, v);
	(void)clients_hold(c->lane->clients, v->kind, v->bytes, 0);
	*v = (struct holder){.next = h->free};
	h->free = c->held;
	c->held = 0;
	if (--h->used == 0) {
		mem_free(h);
		c->lane->holders = NULL;
	}
}

/* ---- who goes ---- */
/* fullest: one that holds most, or half of that; of handshakes, the oldest. */
static struct conn *fullest(const struct holders *h, enum hold_kind kind)
{
	for (unsigned size = SIZES; h && size-- > 0;)
		if (h->first[kind][size])
			return h->v[h->first[kind][size]].conn;
	return NULL;
}

static size_t limit_of(const struct lane *lane, enum hold_kind kind)
{
	const struct conn *oldest;

	switch (kind) {
	case HOLD_TRANSFER:
		return TRANSFERS_MAX;
	case HOLD_YOUNG:
		return YOUNG_MAX + (size_t)lane->conns * EACH;
	case HOLD_SHAKE:
		oldest = fullest(lane->holders, kind);
		return (oldest && loop_ms(&lane->loop) >= oldest->born_ms + STUCK_MS ? SHAKES_CALM : SHAKES_MAX) +
		       (size_t)lane->conns * SHAKES_EACH;
	default:
		return HELD_MAX + (size_t)lane->conns * EACH;
	}
}

/* relieve ends connections of this worker until all together hold no more than they may.  A worker that has less than half
 * of that leaves it to those that have more, up to eight times as much: workers may be many. */
static void relieve(struct lane *lane, enum hold_kind kind, size_t sum)
{
	for (unsigned n = 0; n < ENDS; n++) {
		struct conn *c = fullest(lane->holders, kind);
		size_t limit = limit_of(lane, kind);

		if (!c || sum <= limit || (sum <= 8 * limit && lane->holders->sum[kind] <= limit / 2))
			return;
		hold_end(c); /* it is as good as given back */
		if (c->dead == REASON_NONE)
			conn_kill(c, kind == HOLD_SHAKE ? REASON_CONN_SHAKES : REASON_CONN_HOLDS);
		sum = clients_hold(lane->clients, kind, 0, 0);
	}
}

/* ---- what one holds ---- */
static size_t holds(struct conn *c, enum hold_kind *kind)
{
	const struct conn_ops *ops = conn_ops_of(c);
	size_t in = 0, out = 0, small = 0;

	if (c->codec && ops->holds)
		ops->holds(c, &in, &small, &out);
	if (!c->rest && !c->full) /* else it is we who let it wait */
		in += c->in.cap + wire_held(&c->wire);
	if (small > SMALL && c->message_ms) {
		in += small;
		if (loop_ms(&c->lane->loop) < c->message_ms + HALF_MS) {
			*kind = HOLD_YOUNG;
			conn_look(c, c->message_ms + HALF_MS);
		}
	}
	return (in > SMALL ? in : 0) + (c->blocked || c->kept ? c->out.cap + out : 0);
}

void hold_look(struct conn *c)
{
	const struct holder *v = c->held ? &c->lane->holders->v[c->held] : NULL;
	enum hold_kind kind;
	size_t now;
	ssize_t sum;
	bool grows;

	c->transfer = c->transfer && (c->pending || c->out.len);
	if (unlikely(c->shaking) && wire_greets(&c->wire)) {
		kind = HOLD_SHAKE;
		now = SHAKE;
	} else {
		kind = c->transfer ? HOLD_TRANSFER : HOLD_MESSAGE;
		now = holds(c, &kind);
	}
	if (likely(now == (v ? v->bytes : 0) && (!v || v->kind == kind)))
		return;
	if (now == 0) {
		hold_end(c);
		return;
	}
	grows = !v || v->kind != kind || now > v->bytes;
	sum = hold(c, kind, (uint32_t)now);
	if (sum < 0)
		conn_kill(c, REASON_CONN_OUT_OF_MEMORY);
	else if (grows)
		relieve(c->lane, kind, (size_t)sum);
}
