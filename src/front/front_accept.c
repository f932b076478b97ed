/* front_accept.c: new connections: who may come in, and what happens when descriptors run out. */
#include "conn.h"
#include <sys/socket.h>
#include <unistd.h>

enum { ACCEPT_ROUND = 64, ACCEPT_REST_MS = 250, LOOK_MAX = 256 };

static void rest_over(struct wheel_node *node, uint64_t now_ms)
{
	struct front *f = container_of(node, struct front, pause);

	(void)now_ms;
	if (!f->stopped && io_want(&f->io, IO_READ) < 0)
		wheel_arm(&f->lane->loop.wheel, node, now_ms + ACCEPT_REST_MS);
}

/* oldest_idle: the connection of |l| on this worker that was silent longest; NULL when all are at work.  Looks at the
 * first few only: a crowd at work is no reason to search it. */
static struct conn *oldest_idle(const struct lane *lane, const struct listener *l)
{
	unsigned looked = 0;

	for (struct conn *c = lane->idle_first; c && looked < LOOK_MAX; c = c->idle_next, looked++) {
		if (c->last_ms + 100 >= loop_ms(&lane->loop))
			return NULL;
		if (c->pending == 0 && !c->dirty && (!l || c->front->listener == l))
			return c;
	}
	return NULL;
}

/* no_fd: descriptors are out: the connection that was silent longest goes; without one accepting rests. */
static bool no_fd(struct front *f, int err)
{
	struct lane *lane = f->lane;
	struct conn *oldest = oldest_idle(lane, NULL);

	stat_reason(&lane->counters, REASON_CONN_NO_FD);
	log_limited(&lane->log_accept, loop_ms(&lane->loop), LOG_WARN_, TAG_FRONT, "accept: %s", strerror(err));
	if (oldest) {
		conn_free(oldest, REASON_CONN_EVICTED);
		return true;
	}
	io_stop(&f->io);
	wheel_arm(&lane->loop.wheel, &f->pause, loop_ms(&lane->loop) + ACCEPT_REST_MS);
	return false;
}

/* admit decides whether a new connection may stay. */
static enum reason admit(struct front *f, const struct addr *peer, struct who **who_r)
{
	const struct conf *conf = core_conf(&f->lane->core);
	struct listener *l = f->listener;
	bool proxy = l->enable_proxy && netset_size(conf->proxy_acl) && netset_match(conf->proxy_acl, peer);
	struct conn *oldest;
	enum reason why;

	if (!proxy && !l->late_acl && !netset_match(conf->acl, peer))
		return REASON_CONN_ACL;
	why = clients_enter(f->lane->clients, &conf->set, peer, loop_ms(&f->lane->loop), who_r);
	if (why != REASON_NONE || l->max_connections == 0 || l->conns < l->max_connections)
		return why;
	oldest = oldest_idle(f->lane, l); /* only for one that may stay */
	if (!oldest) {
		clients_leave(f->lane->clients, who_r);
		return REASON_CONN_PER_FRONTEND;
	}
	conn_free(oldest, REASON_CONN_EVICTED);
	return REASON_NONE;
}

static void accept_ready(struct io *io, short what)
{
	struct front *f = container_of(io, struct front, io);

	(void)what;
	for (unsigned i = 0; i < ACCEPT_ROUND; i++) {
		struct sockaddr_storage ss;
		socklen_t len = sizeof(ss);
		int fd = accept4(f->fd, (struct sockaddr *)&ss, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
		struct addr peer;
		struct who *who = NULL;
		enum reason why;

		if (fd < 0) {
			if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
				if (no_fd(f, errno))
					continue;
				return;
			}
			if (errno == EAGAIN)
				return;
			continue; /* this one is gone; the next may be fine */
		}
		addr_from_sockaddr(&peer, (struct sockaddr *)&ss);
		why = admit(f, &peer, &who);
		if (why == REASON_NONE && f->lane->fd_max && fd >= f->lane->fd_max) {
			clients_leave(f->lane->clients, &who); /* descriptors are handed out lowest first: none is left */
			close(fd);
			if (no_fd(f, EMFILE))
				continue; /* the next one gets the descriptor of an idle one */
			return;
		}
		if (why != REASON_NONE) {
			close(fd);
		} else {
			why = conn_new(f, fd, &peer, who);
			if (why == REASON_NONE)
				continue;
			clients_leave(f->lane->clients, &who);
		}
		stat_reason(&f->lane->counters, why);
	}
}

int accept_open(struct listener *l, const char **error_r)
{
	struct sock_opts o = {
		.interface = l->conf.interface,
		.reuse_port = l->share_port || l->conf.reuse_port,
		.backlog = l->conf.listen_queue,
		.fast_open_queue = l->conf.fast_open,
		.fast_open_key = l->has_fast_open_key ? l->fast_open_key : NULL,
	};
	int fd = sock_listen(&l->conf.addr, &o);

	if (fd < 0)
		*error_r = strerror(-fd);
	return fd;
}

int accept_start(struct front *f)
{
	f->pause.fire = rest_over;
	io_init(&f->io, &f->lane->loop, f->fd, accept_ready);
	return io_want(&f->io, IO_READ);
}

void accept_stop(struct front *f)
{
	wheel_disarm(&f->lane->loop.wheel, &f->pause);
	io_stop(&f->io);
	close(f->fd);
	f->fd = -1;
}
