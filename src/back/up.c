/* up.c: the socket side of connections to backends: opening, TLS, bytes in both directions, signs of life, the end.
 *
 * What leaves is written once a turn, so that queries which are ready together share a segment and a TLS record.  What
 * dies is marked and ends in up_flush_all(): no event is called from within open, send or forget. */
#include "up_priv.h"
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { READS = 8, IDLE_S = 10, IDLE_EVERY_S = 3, IDLE_PROBES = 3, KNOCK_S = 1, KNOCK_MS = 2000, QUIET_MS = 100 };
_Static_assert(offsetof(struct up_conn, up) == 0, "owners hold the beginning of a connection");

/* ---- what the kernel knows ---- */
static void set(int fd, int name, int value)
{
	(void)setsockopt(fd, IPPROTO_TCP, name, &value, sizeof(value));
}

/* keep_alive: probes after |idle_s| seconds without a segment; |user_ms|: unacknowledged bytes end it, 0: the kernel's
 * own patience. */
static void keep_alive(int fd, int idle_s, int every_s, int user_ms)
{
	int on = 1;

	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	set(fd, TCP_KEEPINTVL, every_s);
	set(fd, TCP_KEEPCNT, IDLE_PROBES);
	set(fd, TCP_USER_TIMEOUT, user_ms);
	set(fd, TCP_KEEPIDLE, idle_s);
}

/* unacked: bytes that the peer's kernel has not acknowledged, sent or not. */
static bool unacked(int fd)
{
	int n = 0;

	return ioctl(fd, TIOCOUTQ, &n) == 0 && n > 0;
}

static unsigned least(unsigned a, uint64_t b)
{
	return b < a ? (unsigned)b : a;
}

unsigned up_conn_silent_ms(const struct up *u)
{
	const struct up_conn *c = conn_of(u);
	uint64_t now = up_conn_now(c);
	int fd = io_fd(&c->wire.io);
	struct tcp_info info;
	socklen_t len = sizeof(info);
	unsigned ms = UINT32_MAX;

	if (!c->connected)
		return least(ms, now - u->born_ms);
	memset(&info, 0, sizeof(info));
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 &&
		len >= offsetof(struct tcp_info, tcpi_last_ack_recv) + sizeof(info.tcpi_last_ack_recv)) {
		if (info.tcpi_unacked == 0 && !unacked(fd))
			return 0;
		ms = least(info.tcpi_last_ack_recv, info.tcpi_last_data_recv);
	} else if (!unacked(fd)) {
		return 0;
	} else {
		ms = least(ms, now - (u->heard_ms > c->wrote_ms ? u->heard_ms : c->wrote_ms));
	}
	/* after a quiet hour the last acknowledgement is old, but nothing was owed until we wrote */
	return c->owed_ms ? least(ms, now - c->owed_ms) : ms;
}

void up_conn_knock(struct up *u)
{
	struct up_conn *c = conn_of(u);

	if (c->knocked || c->dead)
		return;
	c->knocked = true;
	keep_alive(io_fd(&c->wire.io), KNOCK_S, KNOCK_S, KNOCK_MS);
	if (u->opened_ms && c->kind->ping) {
		c->kind->ping(c);
		up_conn_dirty(c);
	}
}

/* ---- the dirty, the dead ---- */
void up_conn_dirty(struct up_conn *c)
{
	if (c->dirty)
		return;
	c->dirty = true;
	c->dirty_next = c->lane->dirty_up ? conn_of(c->lane->dirty_up) : NULL;
	c->lane->dirty_up = &c->up;
}

static void clean(struct up_conn *c)
{
	struct up_conn *first = c->lane->dirty_up ? conn_of(c->lane->dirty_up) : NULL;

	if (!c->dirty)
		return;
	for (struct up_conn **p = &first; *p; p = &(*p)->dirty_next)
		if (*p == c) {
			*p = c->dirty_next;
			break;
		}
	c->lane->dirty_up = first ? &first->up : NULL;
	c->dirty = false;
}

void up_conn_kill(struct up_conn *c, enum reason why)
{
	if (c->dead == REASON_NONE)
		c->dead = (uint8_t)why;
	up_conn_dirty(c);
}

static void conn_free(struct up_conn *c)
{
	clean(c);
	wheel_disarm(&c->lane->loop.wheel, &c->timer);
	wire_close(&c->wire, !c->up.opened_ms || (c->dead && !c->orphan));
	if (c->kind->end)
		c->kind->end(c);
	bytes_free(&c->in);
	bytes_free(&c->out);
	c->magic = 0;
	mem_free(c);
}

void up_conn_close(struct up *u)
{
	struct up_conn *c = conn_of(u);

	c->orphan = true;
	c->sessions = NULL; /* and its owner, and what is the owner's, may go at once */
	if (c->busy)
		up_conn_kill(c, REASON_SHUTDOWN);
	else
		conn_free(c);
}

static void end(struct up_conn *c)
{
	if (!c->orphan) {
		const char *said = c->wire.tls ? tls_error(c->wire.tls) : "";

		c->up.why = said[0] ? said : c->err ? strerror(-c->err) : NULL;
		c->busy = true;
		c->up.events->closed(&c->up, (enum reason)c->dead);
	}
	conn_free(c);
}

/* failed: the socket or TLS gave up; |doing| for the log. */
static void failed(struct up_conn *c, int err, enum reason why, const char *doing)
{
	bool tls = err == -EPROTO && c->wire.tls;

	if (tls)
		why = tls_failure(c->wire.tls) == TLS_FAIL_CERTIFICATE ? REASON_BACKEND_CERTIFICATE : REASON_CONN_TLS_BACKEND;
	else
		c->err = err;
	up_conn_kill(c, why);
	if (!c->check && (tls || !c->up.opened_ms))
		log_paced(&c->server->trouble, up_conn_now(c), LOG_WARN_, TAG_BACK, "backend %s: %s: %s",
			server_name(c->server), tls ? "TLS" : doing, tls ? tls_error(c->wire.tls) : strerror(-err));
}

/* ---- in ---- */
static void heard(struct up_conn *c)
{
	c->up.heard_ms = up_conn_now(c);
	c->owed_ms = 0;
	if (!c->knocked)
		return;
	c->knocked = false;
	keep_alive(io_fd(&c->wire.io), IDLE_S, IDLE_EVERY_S, 0);
}

static void read_in(struct up_conn *c)
{
	for (unsigned n = 0; !c->dead && !c->again; n++) {
		ssize_t got = n < READS ? wire_read(&c->wire, c->lane->scratch, LANE_SCRATCH) : -EAGAIN;

		if (got == -EAGAIN) {
			c->again = n == READS;
		} else if (got <= 0) {
			failed(c, (int)got, got == 0 ? REASON_CONN_CLOSED : REASON_CONN_RESET, "read");
		} else {
			heard(c);
			c->kind->feed(c, c->lane->scratch, (size_t)got);
			if (wire_more(&c->wire))
				continue;
		}
		break;
	}
}

/* ---- out ---- */
static void write_out(struct up_conn *c)
{
	uint64_t now = up_conn_now(c);

	if (c->owed_ms && now - c->wrote_ms >= QUIET_MS && !unacked(io_fd(&c->wire.io)))
		c->owed_ms = 0; /* all of it was acknowledged, but not answered */
	while (!c->dead) {
		ssize_t n;

		if (c->kind->drain && c->out.len < UP_DRAIN && c->kind->drain(c) < 0) {
			up_conn_kill(c, REASON_CONN_OUT_OF_MEMORY);
			return;
		}
		if (c->out.len == 0) {
			c->blocked_ms = 0;
			bytes_free(&c->out);
			return;
		}
		n = wire_write(&c->wire, c->out.p + c->out.at, c->out.len);
		if (n == -EAGAIN) {
			c->blocked_ms = c->blocked_ms ? c->blocked_ms : now;
			return;
		}
		if (n <= 0) {
			if (!c->check)
				atomic_fetch_add_explicit(&c->server->tcp_died_sending, 1, memory_order_relaxed);
			failed(c, (int)n, REASON_CONN_RESET, "write");
			return;
		}
		bytes_drop(&c->out, (size_t)n);
		c->blocked_ms = 0;
		c->wrote_ms = now;
		c->owed_ms = c->owed_ms ? c->owed_ms : now;
	}
}

/* ---- deadlines: a peer that does not read, a message that stays half ---- */
static uint64_t deadline_of(const struct up_conn *c, bool *writing_r)
{
	uint64_t write = c->blocked_ms ? c->blocked_ms + 1000ull * c->server->conf.send_timeout_s : UINT64_MAX;
	uint64_t read = c->half_ms ? c->half_ms + 1000ull * c->server->conf.recv_timeout_s : UINT64_MAX;

	*writing_r = write <= read;
	return write < read ? write : read;
}

static void too_late(struct wheel_node *node, uint64_t now_ms)
{
	struct up_conn *c = container_of(node, struct up_conn, timer);
	bool writing;

	(void)now_ms;
	(void)deadline_of(c, &writing);
	if (!c->check)
		atomic_fetch_add_explicit(writing ? &c->server->tcp_write_timeouts : &c->server->tcp_read_timeouts, 1,
			memory_order_relaxed);
	up_conn_kill(c, writing ? REASON_CONN_WRITE_TIMEOUT : REASON_CONN_READ_TIMEOUT);
}

static void watch(struct up_conn *c)
{
	bool writing;
	uint64_t at = deadline_of(c, &writing);

	if (at == UINT64_MAX)
		wheel_disarm(&c->lane->loop.wheel, &c->timer);
	else
		wheel_arm(&c->lane->loop.wheel, &c->timer, at);
}

/* ---- the turns of a connection ---- */
static void shake(struct up_conn *c)
{
	int err = wire_shake(&c->wire);

	if (err == -EAGAIN)
		return;
	if (err < 0) {
		failed(c, err, REASON_CONNECT_FAILED, "handshake");
		return;
	}
	if (c->wire.tls) {
		struct tls_info info;

		tls_info(c->wire.tls, &info);
		c->up.resumed = info.resumed;
		c->up.heard_ms = up_conn_now(c);
	}
	c->up.opened_ms = up_conn_now(c);
	if (c->kind->begin && c->kind->begin(c) < 0)
		up_conn_kill(c, REASON_CONN_OUT_OF_MEMORY);
	else
		c->up.events->opened(&c->up);
}

static void connected(struct up_conn *c)
{
	int err = sock_error(io_fd(&c->wire.io));

	if (err < 0) {
		failed(c, err, REASON_CONNECT_FAILED, "connect");
		return;
	}
	c->connected = true;
	sock_local(io_fd(&c->wire.io), &c->up.local);
}

static void ready(struct io *io, short what)
{
	struct up_conn *c = container_of(io, struct up_conn, wire.io);
	bool again = c->again, fresh = false;

	MAGIC_CHECK(c, UP_MAGIC);
	c->busy = true;
	c->again = false;
	if (!c->dead && !c->connected)
		connected(c);
	if (!c->dead && !c->up.opened_ms) {
		shake(c);
		fresh = c->up.opened_ms != 0;
	}
	if (!c->dead && again)
		c->kind->feed(c, NULL, 0);
	if (!c->dead && c->up.opened_ms && (again || fresh || (what & IO_READ) || c->wire.wants_write))
		read_in(c);
	c->busy = false;
	up_conn_dirty(c);
}

static void flush(struct up_conn *c)
{
	c->busy = true; /* a codec may say now that a request is lost */
	if (c->up.opened_ms)
		write_out(c);
	c->busy = false;
	if (!c->dead && wire_want(&c->wire, c->connected, !c->connected || c->out.len) < 0)
		up_conn_kill(c, REASON_CONN_OUT_OF_MEMORY);
	if (c->dead) {
		end(c);
		return;
	}
	watch(c);
	if (c->again)
		event_active(&c->wire.io.ev, IO_READ, 0);
}

void up_flush_all(struct lane *lane)
{
	while (lane->dirty_up) {
		struct up_conn *c = conn_of(lane->dirty_up);

		lane->dirty_up = c->dirty_next ? &c->dirty_next->up : NULL;
		c->dirty = false;
		if (!c->busy) /* else it is dirty again when its event is over */
			flush(c);
	}
}

/* ---- the door ---- */
int up_conn_takes(const struct up_conn *c)
{
	if (c->dead)
		return -EPIPE;
	return c->up.opened_ms == 0 || c->out.len >= UP_OUT_MAX ? -EAGAIN : 0;
}

int up_conn_head(struct up_conn *c, const uint8_t *head, size_t len)
{
	return head && c->up.queries == 0 ? bytes_add(&c->out, head, len) : 0;
}

static int open_socket(const struct up_plan *plan)
{
	struct sock_opts o;
	struct addr source;
	char interface[32];
	int fd;

	if (plan->to->family == 0)
		return -EADDRNOTAVAIL; /* the host name is not resolved yet */
	back_sock_opts(plan->server, &o, &source, interface);
	o.fast_open = o.fast_open && !plan->check;
	fd = sock_connect(plan->to, &o);
	if (fd < 0 && !plan->check)
		log_paced(&plan->server->trouble, loop_ms(&plan->lane->loop), LOG_WARN_, TAG_BACK,
			"backend %s: connect: %s", server_name(plan->server), strerror(-fd));
	if (fd >= 0)
		keep_alive(fd, IDLE_S, IDLE_EVERY_S, 0);
	return fd;
}

int up_conn_open(const struct up_plan *plan, const struct up_ops *ops, const struct up_kind *kind, struct up **up_r)
{
	int fd = open_socket(plan);
	struct up_conn *c;
	struct tls *tls;

	if (fd < 0)
		return fd;
	c = mem_zalloc(kind->size);
	tls = c && plan->tls ? tls_connect(plan->tls, fd, plan->session, c) : NULL;
	if (!c || (plan->tls && !tls)) {
		mem_free(c);
		close(fd);
		return -ENOMEM;
	}
	c->magic = UP_MAGIC;
	c->kind = kind;
	c->lane = plan->lane;
	c->server = plan->server;
	c->sessions = plan->sessions;
	c->check = plan->check;
	c->timer.fire = too_late;
	c->up = (struct up){.ops = ops, .events = plan->events, .owner = plan->owner, .to = *plan->to,
		.born_ms = up_conn_now(c)};
	wire_init(&c->wire, &plan->lane->loop, fd, tls, ready);
	up_conn_dirty(c); /* waits from the end of this turn on */
	*up_r = &c->up;
	return 0;
}

const struct up_ops *up_ops_of(const struct server *s)
{
	return server_proto(s) == PROTO_DOH ? &up_doh_ops : &up_stream_ops;
}
