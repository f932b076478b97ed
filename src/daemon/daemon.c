/* daemon.c: the process from its first socket to its last answer. */
#include "daemon_priv.h"
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/sysinfo.h>
#include <time.h>
#include <unistd.h>

enum { STACK = 256 << 10, BATCH = 64, BATCH_SMALL = 16, PARKED_MB_SHARE = 16, FD_RESERVE = 64,
	FIRST_CHECK_MS = 1500 };

static uint64_t monotonic_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000u + (uint64_t)ts.tv_nsec / 1000000u;
}

/* parked_max: waiting queries may take a sixteenth of the memory. */
static unsigned parked_max(unsigned workers)
{
	struct sysinfo info;
	uint64_t bytes = 64 << 20;

	if (sysinfo(&info) == 0)
		bytes = (uint64_t)info.totalram * info.mem_unit / PARKED_MB_SHARE;
	bytes /= workers * QUERY_BLOCK;
	return bytes > 1000000 ? 1000000 : bytes < 1000 ? 1000 : (unsigned)bytes;
}

/* Where a backend lives decides the way to it. */
static const struct edge_ops edge_own = {back_get}, edge_home = {back_get_home};

static struct lane *home_of(struct lane *lane, const struct server *s, bool stream)
{
	struct daemon *d = container_of(lane, struct worker, lane)->daemon;
	enum role role = !stream ? ROLE_BACK_UDP : server_proto(s) == PROTO_DOH ? ROLE_BACK_DOH : ROLE_STREAM;

	return &d->workers[layout_home(&d->places, role, lane->index, s->index)].lane;
}

static int make_rings(struct worker *w, const struct settings *set, unsigned workers)
{
	struct core *core = &w->lane.core;
	size_t entries = ring_kept ? (set->ring_entries + workers - 1) / workers : 0;

	if (set->ring_queries && entries && !(core->query_ring = ring_new(entries, false)))
		return -ENOMEM;
	if (set->ring_responses && entries && !(core->reply_ring = ring_new(entries, true)))
		return -ENOMEM;
	return 0;
}

static int make_workers(struct daemon *d, const struct conf *c, const char **error_r)
{
	unsigned n = d->places.workers, waiting = parked_max(n);
	unsigned batch = layout_small(d->places.layout) ? BATCH_SMALL : BATCH;

	if (c->set.udp_batch > 1)
		batch = c->set.udp_batch;
	d->workers = mem_zalloc(n * sizeof(*d->workers));
	d->query_rings = mem_zalloc(n * sizeof(struct ring *));
	d->reply_rings = mem_zalloc(n * sizeof(struct ring *));
	d->counters = mem_zalloc((n + 1) * sizeof(struct counters *));
	if (!d->workers || !d->query_rings || !d->reply_rings || !d->counters)
		return error_set(error_r, "out of memory");
	for (unsigned i = 0; i < n; i++) {
		struct worker *w = &d->workers[i];
		int err;

		w->daemon = d;
		d->nworkers = i + 1;
		err = lane_init(&w->lane, i, batch, waiting, layout_parts(d->places.layout) && n > 1 ? &edge_home : &edge_own,
			d->clients);
		w->lane.home = home_of;
		w->lane.fd_max = d->fds - (d->fds > 8 * FD_RESERVE ? FD_RESERVE : d->fds / 8);
		if (err == 0)
			err = make_rings(w, &c->set, n);
		if (err < 0)
			return error_set(error_r, "worker %u: %s", i, strerror(-err));
		d->query_rings[i] = w->lane.core.query_ring;
		d->reply_rings[i] = w->lane.core.reply_ring;
		d->counters[i] = &w->lane.counters;
	}
	d->counters[n] = &d->own;
	return 0;
}

/* ---- health checks call back here ---- */
static bool ask_question(void *ctx, const struct server *s, struct name *name, unsigned *qtype, unsigned *qclass)
{
	struct daemon *d = ctx;

	return d->language->health_question(s, name, qtype, qclass);
}

static bool validate(void *ctx, const struct server *s, const uint8_t *msg, size_t len, bool *ok_r)
{
	struct daemon *d = ctx;

	return d->language->health_validate(s, msg, len, ok_r);
}

static void changed(void *ctx, struct server *s, bool up)
{
	struct daemon *d = ctx;
	struct conf *c = d->host.current(d);

	if (up && s->conf.reconnect_on_up)
		for (unsigned i = 0; i < d->nworkers; i++)
			(void)post_reconnect(&d->workers[i], s);
	d->language->server_changed(c, s, up);
	conf_free(&c);
}

/* ---- signals ---- */
static void signal_ready(struct io *io, short what)
{
	struct daemon *d = container_of(io, struct daemon, signal_io);
	struct signalfd_siginfo info;

	(void)what;
	while (read(d->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		switch (info.ssi_signo) {
		case SIGHUP:
			daemon_reload(d);
			break;
		case SIGUSR1:
			dump_stats(d);
			break;
		default:
			d->hurry = d->stop; /* asked twice: at once */
			notify_stopping();
			d->host.shutdown(d);
			break;
		}
	}
}

/* ---- start ---- */
static struct daemon *daemon_alloc(const struct options *o, const char *config, const struct language *language)
{
	struct daemon *d = mem_zalloc(sizeof(*d));

	if (!d)
		return NULL;
	d->magic = DAEMON_MAGIC;
	d->options = o;
	d->config = config;
	d->language = language;
	d->signal_fd = -1;
	d->started_ms = monotonic_ms();
	pthread_mutex_init(&d->admin, NULL);
	pthread_mutex_init(&d->lock, NULL);
	daemon_host(d);
	d->clients = clients_new();
	if (!d->clients)
		daemon_free(&d);
	return d;
}

int daemon_check(const struct options *o, const char *config, const struct language *language, const char **error_r)
{
	struct daemon *d = daemon_alloc(o, config, language);
	struct conf *c;
	int err;

	if (!d)
		return error_set(error_r, "out of memory");
	d->host.check_only = true;
	c = options_self_signed(o, error_r) == 0 ? daemon_load(d, error_r) : NULL;
	err = c ? conf_freeze(c, error_r) : -EINVAL;
	if (err == 0)
		err = listen_check(c, error_r);
	if (err == 0)
		say_pools(c);
	if (c)
		conf_free(&c);
	daemon_free(&d);
	return err;
}

static int choose_layout(struct daemon *d, const struct conf *c, const char **error_r)
{
	const struct layout *l = c->set.layout && c->set.layout[0] ? layout_find(c->set.layout) : layout_default();

	if (!l)
		return error_set(error_r, "setWorkerLayout: no layout '%s'", c->set.layout);
	d->places = layout_place(l, c);
	return 0;
}

static int start_control(struct daemon *d, const char **error_r)
{
	const struct probe_hooks hooks = {d, ask_question, validate, changed};

	d->probes = probes_new(&d->workers[0].lane, &hooks);
	if (!d->probes)
		return error_set(error_r, "out of memory");
	d->signal_fd = process_signals();
	if (d->signal_fd < 0)
		return error_set(error_r, "signals: %s", strerror(-d->signal_fd));
	io_init(&d->signal_io, &d->workers[0].lane.loop, d->signal_fd, signal_ready);
	if (io_want(&d->signal_io, IO_READ) < 0)
		return error_set(error_r, "out of memory");
	tick_start(d);
	return 0;
}

struct daemon *daemon_new(const struct options *o, const char *config, const struct language *language,
	const char **error_r)
{
	struct daemon *d = daemon_alloc(o, config, language);
	struct conf *c;

	if (!d) {
		error_set(error_r, "out of memory");
		return NULL;
	}
	d->fds = process_limits();
	c = options_self_signed(o, error_r) == 0 ? daemon_load(d, error_r) : NULL;
	if (!c || conf_freeze(c, error_r) < 0 || choose_layout(d, c, error_r) < 0 ||
		make_workers(d, c, error_r) < 0 || start_control(d, error_r) < 0) {
		if (c)
			conf_free(&c);
		daemon_free(&d);
		return NULL;
	}
	say_backends(c);
	say_pools(c);
	if (daemon_install(d, c, error_r) < 0 || process_drop(o, d->conf, error_r) < 0)
		daemon_free(&d);
	return d;
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;
	char name[16];

	snprintf(name, sizeof(name), "shrewd/%s%u", layout_job(&w->daemon->places, w->lane.index), w->lane.index);
	(void)pthread_setname_np(pthread_self(), name); /* for top -H */
	loop_run(&w->lane.loop);
	return NULL;
}

static int start_threads(struct daemon *d)
{
	pthread_attr_t attr;
	int err = 0;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK);
	for (unsigned i = 1; i < d->nworkers && err == 0; i++) {
		err = -pthread_create(&d->workers[i].thread, &attr, worker_main, &d->workers[i]);
		d->workers[i].started = err == 0;
	}
	pthread_attr_destroy(&attr);
	return err;
}

/* serve lets the fronts read once every backend has had its first check: until then clients' queries wait in their
 * sockets, and none is lost for want of a server. */
static void serve(struct wheel_node *node, uint64_t now_ms)
{
	struct daemon *d = container_of(node, struct daemon, serve);

	if (!(probes_settled(d->probes) && resolve_settled(d, now_ms)) && now_ms < d->serve_at_ms) {
		wheel_arm(&d->workers[0].lane.loop.wheel, node, now_ms + 1);
		return;
	}
	pthread_mutex_lock(&d->admin);
	if (d->plan)
		listen_serve(d);
	pthread_mutex_unlock(&d->admin);
	log_info(WORKER, "ready: layout %s, %u worker%s", layout_name(d->places.layout), d->nworkers,
		d->nworkers == 1 ? "" : "s");
	notify_ready();
}

int daemon_run(struct daemon *d)
{
	int err = start_threads(d);

	if (err < 0) {
		log_error(WORKER, "no thread: %s", strerror(-err));
		d->host.shutdown(d);
	} else {
		d->serve.fire = serve;
		d->serve_at_ms = loop_ms(&d->workers[0].lane.loop) + FIRST_CHECK_MS;
		wheel_arm(&d->workers[0].lane.loop.wheel, &d->serve, 0);
	}
	netlink_start(d);
	resolve_tick(d, d->conf, loop_ms(&d->workers[0].lane.loop));
	loop_run(&d->workers[0].lane.loop);
	for (unsigned i = 1; i < d->nworkers; i++)
		if (d->workers[i].started)
			pthread_join(d->workers[i].thread, NULL);
	reload_end(d);
	if (d->conf)
		d->language->exit(d->conf);
	return err;
}

void daemon_free(struct daemon **p)
{
	struct daemon *d = *p;

	*p = NULL;
	if (!d)
		return;
	reload_end(d);
	netlink_stop(d);
	resolve_stop(d);
	if (d->plan) {
		listen_cancel(d, d->plan);
		mem_free(d->plan);
	}
	if (d->probes)
		probes_free(&d->probes);
	if (d->signal_fd >= 0) {
		io_stop(&d->signal_io);
		close(d->signal_fd);
	}
	for (unsigned i = 0; i < d->nworkers; i++)
		lane_close(&d->workers[i].lane);
	for (unsigned i = 0; i < d->nworkers; i++)
		lane_done(&d->workers[i].lane);
	for (unsigned i = 0; i < d->nlisteners; i++)
		listener_free(&d->listeners[i]);
	if (d->conf)
		conf_free(&d->conf);
	fields_free(setting_fields, setting_field_count, &d->started);
	clients_free(&d->clients);
	mem_free(d->workers);
	mem_free(d->query_rings);
	mem_free(d->reply_rings);
	mem_free(d->counters);
	pthread_mutex_destroy(&d->admin);
	pthread_mutex_destroy(&d->lock);
	mem_free(d);
}
