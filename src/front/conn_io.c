/* conn_io.c: the bytes of connections: PROXY header, TLS handshake, reading, writing once at the end of a turn.
 *
 * A connection owns memory only while bytes of it are under way: reads go to the lane's scratch place, a rest of a
 * message and unsent answers are kept in buffers that go when they are empty. */
#include "conn.h"

/* ROUNDS: reads of one connection in one turn.  READ_MAX: bytes of each, and so what may have to be kept of them.
 * LINGER_READS: of up to LANE_SCRATCH bytes, from a client that sends on although we said good-bye. */
enum { ROUNDS = 4, READ_MAX = 16384, LINGER_READS = 32 };

/* ---- the PROXY header ---- */
/* take_proxy reads it; bytes used, 0 when more are needed or it is wrong. */
static size_t take_proxy(struct conn *c, const uint8_t *p, size_t len)
{
	struct proxy x;
	ssize_t n = proxy_parse(&x, p, len, conn_settings(c)->proxy_max);

	if (n < 0)
		conn_kill(c, REASON_PROXY_HEADER);
	if (n <= 0)
		return 0;
	c->proxied = true;
	c->inner = true;
	if (!x.local) {
		c->source = mem_dup(&x.source, sizeof(x.source));
		c->local = x.destination;
		if (!c->source) {
			conn_kill(c, REASON_CONN_OUT_OF_MEMORY);
			return 0;
		}
	}
	return (size_t)n;
}

/* outside: is a PROXY header to be read before TLS begins? */
static bool outside(const struct conn *c)
{
	return c->shaking && !c->wire.tls;
}

/* proxy_missing: bytes of the header that may be read without touching what belongs to TLS. */
static size_t proxy_missing(const struct conn *c)
{
	const uint8_t *p = c->in.p + c->in.at;

	return c->in.len < PROXY_HEADER ? PROXY_HEADER - c->in.len : PROXY_HEADER + get16(p + 14) - c->in.len;
}

/* ---- TLS ---- */
enum reason conn_begin_tls(struct conn *c)
{
	struct tls_server *s = listener_tls(c->front->listener);
	int fd = io_fd(&c->wire.io);
	struct tls *tls;

	if (!s)
		return REASON_CONN_TLS;
	tls = tls_server_certs(s) ? tls_accept(s, fd) : NULL;
	c->tls_stats = tls_server_stats(s); /* the connection's state keeps the server */
	if (tls)
		wire_init(&c->wire, &c->lane->loop, fd, tls, conn_ready);
	tls_server_free(&s);
	return tls ? REASON_NONE : REASON_CONN_TLS;
}

static void read_outside(struct conn *c, const uint8_t *p, size_t len)
{
	enum reason why = REASON_CONN_OUT_OF_MEMORY;

	if (bytes_add(&c->in, p, len) == 0) {
		if (take_proxy(c, c->in.p + c->in.at, c->in.len) == 0)
			return;
		bytes_free(&c->in);
		io_stop(&c->wire.io);
		why = conn_begin_tls(c);
	}
	if (why != REASON_NONE)
		conn_kill(c, why);
}

/* keep_name copies the server name: the library's goes with a renegotiation. */
static enum reason keep_name(struct conn *c, const char *sni)
{
	size_t len = strlen(sni) + 1;

	c->envelope = mem_zalloc(sizeof(*c->envelope) + len);
	if (!c->envelope)
		return REASON_CONN_OUT_OF_MEMORY;
	c->envelope->sni = memcpy(c->envelope + 1, sni, len);
	return REASON_NONE;
}

/* shaken: the handshake is over; false: and so is the connection. */
static bool shaken(struct conn *c)
{
	struct tls_info info;
	enum reason why;

	tls_info(c->wire.tls, &info);
	c->shaking = false;
	c->version = (uint8_t)info.version;
	conn_active(c);
	why = c->proxied ? clients_shake(c->lane->clients, conn_settings(c), conn_remote(c), info.resumed, c->last_ms)
			 : REASON_NONE; /* by a proxy, for all who are behind it */
	if (why == REASON_NONE && info.sni[0])
		why = keep_name(c, info.sni);
	if (why != REASON_NONE)
		conn_kill(c, why);
	return why == REASON_NONE;
}

/* ---- reading ---- */
static size_t feed(struct conn *c, const uint8_t *p, size_t len)
{
	size_t used = 0;

	if (unlikely(!c->proxied)) {
		used = take_proxy(c, p, len);
		if (used == 0)
			return 0;
	}
	return used + (len > used ? conn_ops_of(c)->feed(c, p + used, len - used) : 0);
}

/* keep stores what feed() left, and notes since when a message is incomplete. */
static void keep(struct conn *c, const uint8_t *p, size_t len)
{
	uint64_t now = loop_ms(&c->lane->loop);

	if (len && bytes_add(&c->in, p, len) < 0)
		conn_kill(c, REASON_CONN_OUT_OF_MEMORY);
	if (c->in.len == 0)
		bytes_free(&c->in);
	if (c->rest)
		conn_look(c, now + 1);
	if (c->rest || c->full || (c->in.len == 0 && !(conn_state(c) & CODEC_HALF)) || !conn_may_take(c)) {
		c->message_ms = 0; /* there is none, or it is us who do not read */
		return;
	}
	c->message_ms = c->message_ms && c->reads > 1 ? c->message_ms : now;
	conn_look(c, c->message_ms + 1000ull * conn_settings(c)->tcp_recv_timeout_s);
}

/* ack_half: what has come will not be answered yet, and a client with Nagle's algorithm sends the rest only when it is
 * acknowledged, which the kernel puts off: half requests, and what HTTP/2 says before the first. */
static void ack_half(const struct conn *c)
{
	if (c->codec && (c->queries == 0 || (conn_state(c) & CODEC_HALF)))
		sock_ack_now(io_fd(&c->wire.io));
}

/* feed_kept runs what was kept; false: that changed nothing. */
static bool feed_kept(struct conn *c)
{
	size_t before = c->in.len;

	if (before == 0)
		return false;
	bytes_drop(&c->in, feed(c, c->in.p + c->in.at, before));
	keep(c, NULL, 0);
	return c->in.len != before;
}

/* count_read: a client that needs many reads for one query drips bytes to hold us.  False: it did. */
static bool count_read(struct conn *c)
{
	const struct settings *set = conn_settings(c);

	c->reads++; /* keep() counts on it, too */
	if (set->tcp_reads_per_query == 0 || c->reads <= set->tcp_reads_per_query)
		return true;
	if (!c->inner) /* bans are for whom we see: the others behind a proxy have done nothing */
		clients_ban(c->lane->clients, set, &c->peer, loop_ms(&c->lane->loop) + 1000ull * set->tcp_reads_ban_s);
	conn_kill(c, REASON_CONN_TOO_MANY_READS);
	return false;
}

/* nothing_read: the end of the stream, or it broke. */
static void nothing_read(struct conn *c, ssize_t n)
{
	c->eof = true;
	if (n == -EPROTO && c->shaking)
		conn_kill(c, REASON_CONN_TLS);
	else if (n == -ENOMEM)
		conn_kill(c, REASON_CONN_OUT_OF_MEMORY);
	else if (n < 0)
		conn_kill(c, REASON_CONN_RESET);
	else if (c->shaking)
		conn_kill(c, REASON_CONN_CLOSED); /* else over() looks whether there is anything left to say */
}

/* readable reads once; false when there was nothing. */
static bool readable(struct conn *c)
{
	uint8_t *p = c->lane->scratch;
	ssize_t n = wire_read(&c->wire, p, unlikely(outside(c)) ? proxy_missing(c) : READ_MAX);
	size_t used;

	if (unlikely(c->shaking) && c->wire.tls && (n >= 0 || n == -EAGAIN)) {
		if (n < 0 && !wire_shaken(&c->wire))
			return false;
		if (wire_shaken(&c->wire) && !shaken(c))
			return false;
	}
	if (n == -EAGAIN) {
		if (c->wire.tls && !c->shaking)
			(void)count_read(c); /* a part of a record, or nothing but TLS */
		return false;
	}
	if (n <= 0) {
		nothing_read(c, n);
		return false;
	}
	if (unlikely(outside(c))) {
		read_outside(c, p, (size_t)n);
		return true;
	}
	if (!conn_ops_of(c)->drain)
		conn_active(c);
	if (!count_read(c))
		return false;
	if (c->in.len) {
		if (bytes_add(&c->in, p, (size_t)n) < 0) {
			conn_kill(c, REASON_CONN_OUT_OF_MEMORY);
			return false;
		}
		(void)feed_kept(c);
	} else {
		used = feed(c, p, (size_t)n);
		keep(c, p + used, (size_t)n - used);
	}
	ack_half(c);
	return true;
}

/* read_on: work that no event of the kernel announces: bytes that were kept, here or by TLS; false: none. */
static bool read_on(struct conn *c, unsigned round)
{
	if (c->rest || !conn_may_take(c))
		return false;
	if (feed_kept(c))
		return true;
	if (c->eof || !wire_more(&c->wire))
		return false;
	if (round < ROUNDS)
		return readable(c);
	c->rest = true;
	conn_look(c, loop_ms(&c->lane->loop) + 1);
	return false;
}

/* ---- writing, once at the end of the turn ---- */
static void wrote_some(struct conn *c)
{
	c->blocked_ms = loop_ms(&c->lane->loop);
}

/* fill gets a codec's next bytes when all before have left. */
static void fill(struct conn *c)
{
	if (c->out.len == 0 && conn_ops_of(c)->drain && conn_ops_of(c)->drain(c) < 0) {
		bytes_free(&c->out);
		conn_kill(c, REASON_CONN_OUT_OF_MEMORY);
	}
}

/* send_all gives the wire what there is: 0, -EAGAIN: it takes no more for now, other -errno: broken. */
static int send_all(struct conn *c)
{
	int rc = 0;

	wire_gather(&c->wire);
	for (fill(c); rc == 0 && c->out.len; fill(c)) {
		ssize_t n = wire_write(&c->wire, c->out.p + c->out.at, c->out.len);

		if (n < 0) {
			rc = (int)n;
			break;
		}
		bytes_drop(&c->out, (size_t)n);
		wrote_some(c);
	}
	if (rc == 0 || rc == -EAGAIN) {
		int last = wire_release(&c->wire);

		return last < 0 ? last : rc;
	}
	(void)!wire_release(&c->wire);
	return rc;
}

static void write_out(struct conn *c)
{
	int rc = send_all(c);
	bool kept;

	if (rc == -EAGAIN) {
		if (!c->blocked)
			wrote_some(c);
		c->blocked = true;
		conn_look(c, c->blocked_ms + 1000ull * conn_settings(c)->tcp_send_timeout_s);
		return;
	}
	if (rc < 0) {
		bytes_free(&c->out);
		conn_kill(c, REASON_CONN_RESET);
		return;
	}
	c->blocked = false;
	if (c->out.cap && !conn_ops_of(c)->drain)
		conn_active(c);
	bytes_free(&c->out);
	kept = conn_state(c) & CODEC_KEEPS;
	if (kept && !c->kept) {
		wrote_some(c);
		conn_look(c, c->blocked_ms + 1000ull * conn_settings(c)->tcp_send_timeout_s);
	}
	c->kept = kept;
}

void conn_bye(struct conn *c)
{
	if (!c->codec || !conn_ops_of(c)->bye || c->blocked || c->linger)
		return;
	conn_ops_of(c)->bye(c);
	write_out(c);
}

/* may_speak: are there last words? */
static bool may_speak(const struct conn *c)
{
	return c->dead == REASON_NONE || c->dead == REASON_CONN_QUERIES || c->dead == REASON_CONN_HTTP ||
	       c->dead == REASON_CONN_FLOOD;
}

/* over: what ends a connection that has nothing left to do. */
static enum reason over(const struct conn *c)
{
	const struct settings *set = conn_settings(c);
	unsigned state = conn_state(c);

	if (c->pending || c->out.len || c->blocked || (state & CODEC_KEEPS && !c->eof))
		return REASON_NONE;
	if (state & CODEC_ENDED)
		return set->tcp_queries && c->queries >= set->tcp_queries ? REASON_CONN_QUERIES : REASON_CONN_ENDED;
	if (!c->eof)
		return REASON_NONE;
	return c->in.len || c->queries < set->tcp_queries || !set->tcp_queries ? REASON_CONN_CLOSED : REASON_CONN_QUERIES;
}

static void want(struct conn *c)
{
	bool more = conn_may_take(c) && !c->eof && !c->rest;

	if (wire_want(&c->wire, more, c->blocked) < 0)
		conn_kill(c, REASON_CONN_OUT_OF_MEMORY);
}

/* linger: to close on bytes that nobody has read is a reset, which may overtake our last words: we say good-bye, and throw
 * away what still comes, until the client has read them and closes, for a while. */
static void linger(struct conn *c)
{
	c->linger = c->dead;
	c->dead = REASON_NONE;
	c->reads = 0;
	wrote_some(c);
	bytes_free(&c->in);
	wire_bye(&c->wire);
	conn_look(c, c->blocked_ms + LINGER_MS);
	if (io_want(&c->wire.io, IO_READ) < 0)
		conn_kill(c, c->linger);
}

static void throw_away(struct conn *c)
{
	ssize_t n = wire_read(&c->wire, c->lane->scratch, LANE_SCRATCH);

	if (n == -EAGAIN || (n > 0 && c->reads++ < LINGER_READS))
		return;
	conn_kill(c, c->linger);
}

/* settle brings a connection to rest after a turn: write, read on from what is kept, close or wait. */
static void settle(struct conn *c)
{
	unsigned round = 0;

	if (c->linger)
		return;
	do {
		if (may_speak(c) && !c->shaking)
			write_out(c);
	} while (read_on(c, round++));
	if (c->dead == REASON_NONE && !c->shaking)
		c->dead = (uint8_t)over(c);
	if (c->dead == REASON_CONN_ENDED && !c->eof)
		linger(c);
	else if (c->dead == REASON_NONE)
		want(c);
}

void conn_flush_all(struct lane *lane)
{
	while (lane->dirty) {
		struct conn *c = lane->dirty;

		lane->dirty = c->dirty_next;
		settle(c); /* still marked: it is not queued twice */
		if (c->dead == REASON_NONE)
			hold_look(c);
		c->dirty = false;
		if (c->dead)
			conn_free(c, c->dead);
	}
}

void conn_close_all(struct lane *lane)
{
	conn_flush_all(lane);
	while (lane->idle_first)
		conn_free(lane->idle_first, REASON_SHUTDOWN);
}

void conn_ready(struct io *io, short what)
{
	struct conn *c = container_of(io, struct conn, wire.io);

	MAGIC_CHECK(c, CONN_MAGIC);
	if (c->linger) {
		throw_away(c);
		return;
	}
	if (what & IO_WRITE)
		c->blocked = false;
	if ((what & IO_READ) || c->shaking || c->wire.wants_write)
		(void)readable(c);
	conn_dirty(c);
}
