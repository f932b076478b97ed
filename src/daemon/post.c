/* post.c: what the control worker tells the others: a configuration, a socket, the end. */
#include "daemon_priv.h"
#include <unistd.h>

static struct worker *worker_of(void *lane)
{
	return container_of((struct lane *)lane, struct worker, lane);
}

/* post: what |w| cannot be told any more is taken back: opened by nobody, a letter only frees what it holds. */
static int post(struct worker *w, struct letter *l)
{
	int err = mailbox_post(&w->lane.mailbox, l, 0);

	if (err < 0)
		l->open(l, NULL);
	return err;
}

/* ---- a configuration ---- */
struct conf_letter {
	struct letter letter;
	struct conf *conf;
};

static void conf_open(struct letter *l, void *owner)
{
	struct conf_letter *c = container_of(l, struct conf_letter, letter);
	struct worker *w = owner ? worker_of(owner) : NULL;
	struct daemon *d = w ? w->daemon : NULL;

	if (!w) {
		conf_free(&c->conf);
		mem_free(c);
		return;
	}
	if (w->lane.index == 0 && d->probes &&
		probes_set(d->probes, c->conf->servers, c->conf->nservers, c->conf->set.verbose_health) < 0)
		log_warn(HEALTH, "out of memory: not every backend is checked");
	if (core_set_conf(&w->lane.core, c->conf) < 0)
		log_warn(WORKER, "out of memory: a worker keeps the old configuration");
	mem_free(c);
}

int post_conf(struct worker *w, struct conf *conf)
{
	struct conf_letter *c = mem_alloc(sizeof(*c));

	if (!c) {
		conf_free(&conf);
		return -ENOMEM;
	}
	c->letter.open = conf_open;
	c->conf = conf;
	return post(w, &c->letter);
}

/* ---- a listening socket ---- */
struct front_letter {
	struct letter letter;
	struct listener *listener;
	int fd;
};

static void front_open(struct letter *l, void *owner)
{
	struct front_letter *f = container_of(l, struct front_letter, letter);
	struct worker *w = owner ? worker_of(owner) : NULL;

	if (f->fd < 0 && w)
		front_stop(&w->lane, f->listener);
	else if (f->fd >= 0 && (!w || w->stopping))
		close(f->fd);
	else if (w && front_start(&w->lane, f->listener, f->fd) < 0)
		log_error(FRONT, "out of memory: a listening socket was closed");
	listener_free(&f->listener);
	mem_free(f);
}

int post_front(struct worker *w, struct listener *listener, int fd)
{
	struct front_letter *f = mem_alloc(sizeof(*f));

	if (!f) {
		if (fd >= 0)
			close(fd);
		return -ENOMEM;
	}
	f->letter.open = front_open;
	f->listener = listener_ref(listener);
	f->fd = fd;
	return post(w, &f->letter);
}

/* ---- a backend: new sockets, because it came back up or has another address ---- */
struct server_letter {
	struct letter letter;
	struct server *server;
};

static void reconnect_open(struct letter *l, void *owner)
{
	struct server_letter *s = container_of(l, struct server_letter, letter);

	if (owner)
		back_reconnect(owner, s->server);
	server_free(&s->server);
	mem_free(s);
}

int post_reconnect(struct worker *w, struct server *server)
{
	struct server_letter *s = mem_alloc(sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->letter.open = reconnect_open;
	s->server = server_ref(server);
	return post(w, &s->letter);
}

/* ---- tidying: ways to backends that are no longer configured; memory that lies ready for one thread ---- */
static void sweep_open(struct letter *l, void *owner)
{
	struct lane *lane = owner;

	mem_free(l);
	if (lane)
		back_sweep(lane, core_conf(&lane->core));
}

static void trim_open(struct letter *l, void *owner)
{
	struct lane *lane = owner;

	mem_free(l);
	if (lane) {
		core_tidy(&lane->core);
		mem_trim_thread();
	}
}

static void post_tidy(struct worker *w, void (*open)(struct letter *, void *))
{
	struct letter *l = mem_alloc(sizeof(*l));

	if (!l)
		return; /* next time */
	l->open = open;
	(void)post(w, l);
}

void post_sweep(struct worker *w)
{
	post_tidy(w, sweep_open);
}

void post_trim(struct worker *w)
{
	post_tidy(w, trim_open);
}

/* ---- the end: accept nothing, let what is under way finish, then leave the loop ---- */
/* all_drained: nobody leaves before the others: their queries may be answered here, and worker 0 hears a second signal. */
static bool all_drained(const struct daemon *d)
{
	for (unsigned i = 0; i < d->nworkers; i++)
		if ((i == 0 || d->workers[i].started) && !d->workers[i].drained) /* 0 is the thread that began */
			return false;
	return true;
}

static void drained(struct wheel_node *node, uint64_t now_ms)
{
	struct worker *w = container_of(node, struct worker, drain);

	w->drained = w->lane.core.parked == 0;
	if ((w->drained && all_drained(w->daemon)) || now_ms >= w->drain_until_ms || w->daemon->hurry)
		w->lane.loop.stop = true;
	else
		wheel_arm(&w->lane.loop.wheel, node, now_ms + 10);
}

static void stop_open(struct letter *l, void *owner)
{
	struct worker *w = owner ? worker_of(owner) : NULL;
	struct lane *lane = owner;

	(void)l;
	if (!w)
		return;
	w->stopping = true;
	while (lane->fronts)
		front_stop(lane, lane->fronts->listener);
	w->drain.fire = drained;
	w->drain_until_ms = loop_ms(&lane->loop) + DRAIN_MS;
	wheel_arm(&lane->loop.wheel, &w->drain, loop_ms(&lane->loop) + 1);
}

void post_stop(struct worker *w)
{
	if (atomic_exchange(&w->told_to_stop, true))
		return; /* who is in a hurry is seen by drained() */
	w->stop.open = stop_open;
	(void)!mailbox_post(&w->lane.mailbox, &w->stop, 0); /* one that has ended needs none */
}
