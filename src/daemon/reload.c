/* reload.c: configurations read, installed and replaced while running.
 *
 * A reload runs on a thread of its own, so that no query waits for a large file; only the finished configuration is
 * handed to the workers. */
#include "daemon_priv.h"
#include "registry.h"
#include <time.h>

struct conf *daemon_load(struct daemon *d, const char **error_r)
{
	struct conf *c = d->config ? d->language->load(d->config, NULL, &d->host, error_r) : conf_new(error_r);

	if (c && options_apply(d->options, c, error_r) < 0)
		conf_free(&c);
	return c;
}

/* swap makes |c| the running configuration and tells every worker; the lock is held, so that all of them get
 * configurations in one order.  The old one is to be freed without it. */
static struct conf *swap(struct daemon *d, struct conf *c)
{
	struct conf *old = d->conf;

	if (old)
		c->serial = old->serial + 1; /* a change may have come between while a reload read its file */
	for (unsigned i = 0; i < d->nworkers; i++)
		if (post_conf(&d->workers[i], conf_ref(c)) < 0)
			log_warn(WORKER, "out of memory: a worker keeps the old configuration");
	d->conf = c;
	return old;
}

static void install(struct daemon *d, struct conf *c)
{
	struct conf *old;

	pthread_mutex_lock(&d->lock);
	old = swap(d, c);
	pthread_mutex_unlock(&d->lock);
	conf_free(&old);
}

/* current: a reference; Lua code on any worker may put another configuration in place at any time. */
static struct conf *current(struct daemon *d)
{
	struct conf *c;

	pthread_mutex_lock(&d->lock);
	c = d->conf ? conf_ref(d->conf) : NULL;
	pthread_mutex_unlock(&d->lock);
	return c;
}

/* install_first gives the workers, none of which runs yet, their first configuration: without one they cannot be. */
static int install_first(struct daemon *d, struct conf *c, const char **error_r)
{
	for (unsigned i = 0; i < d->nworkers; i++)
		if (core_set_conf(&d->workers[i].lane.core, conf_ref(c)) < 0)
			return error_set(error_r, "worker %u: out of memory", i);
	if (probes_set(d->probes, c->servers, c->nservers, c->set.verbose_health) < 0)
		return error_set(error_r, "health checks: out of memory");
	if (fields_copy(setting_fields, setting_field_count, &d->started, &c->set) < 0)
		return error_set(error_r, "out of memory");
	d->conf = c;
	return 0;
}

int daemon_install(struct daemon *d, struct conf *c, const char **error_r)
{
	struct listen_plan *plan = mem_alloc(sizeof(*plan));
	struct conf *running = current(d);
	bool first = !running;
	int err;

	conf_free(&running);
	if (d->plan)
		listen_serve(d); /* the first one still waited for its checks: its sockets may be wanted again */
	err = plan ? listen_open(d, c, plan, error_r) : error_set(error_r, "out of memory");
	if (err == 0 && first) {
		err = install_first(d, c, error_r);
		if (err < 0)
			listen_cancel(d, plan);
	} else if (err == 0) {
		conf_settle(c);
		install(d, c);
	}
	if (err < 0) {
		conf_free(&c);
		mem_free(plan);
		return err;
	}
	d->plan = plan;
	if (d->serving)
		listen_serve(d);
	return 0;
}

static int read_file(struct daemon *d, const char **error_r)
{
	struct conf *c = daemon_load(d, error_r), *old = c ? current(d) : NULL;
	int err;

	if (!c)
		return -EINVAL;
	if (backends_check(c, error_r) < 0) { /* before those that stay take the place of their like */
		conf_free(&old);
		conf_free(&c);
		return -EINVAL;
	}
	err = old ? conf_inherit(c, old) : 0;
	conf_free(&old);
	if (err < 0)
		error_set(error_r, "out of memory");
	else
		err = conf_freeze(c, error_r);
	if (err < 0) {
		conf_free(&c);
		return err;
	}
	err = daemon_install(d, c, error_r);
	c = err == 0 ? current(d) : NULL;
	if (c) {
		say_pools(c);
		say_late_settings(&d->started, &c->set);
	}
	conf_free(&c);
	return err;
}

static int reload(struct daemon *d, const char **error_r)
{
	const struct log_options was = log_now(); /* these words work while the file is read */
	int err = read_file(d, error_r);

	if (err < 0)
		log_restore(&was);
	return err;
}

static void *reload_thread(void *arg)
{
	struct daemon *d = arg;
	const char *error = "";

	do {
		d->reload_again = false;
		pthread_mutex_lock(&d->admin);
		if (reload(d, &error) < 0) {
			stat_inc(&d->own, COUNTER_RELOAD_ERRORS);
			log_error(SETUP, "%s; the old configuration stays", error);
		} else {
			stat_inc(&d->own, COUNTER_RELOADS);
			log_info(SETUP, "configuration %s loaded", d->config ? d->config : "");
		}
		pthread_mutex_unlock(&d->admin);
		mem_trim();
		d->reloading = false;
		/* a signal that came before this line is ours, unless a new thread has taken it already */
	} while (d->reload_again && !d->stop && !atomic_exchange(&d->reloading, true));
	return NULL;
}

void reload_end(struct daemon *d)
{
	if (d->reloader_started)
		pthread_join(d->reloader, NULL);
	d->reloader_started = false;
}

void daemon_reload(struct daemon *d)
{
	pthread_attr_t attr;

	if (d->stop)
		return;
	d->reload_again = true;
	if (atomic_exchange(&d->reloading, true))
		return; /* the running one begins anew when it is done */
	reload_end(d);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 1 << 20);
	d->reloader_started = pthread_create(&d->reloader, &attr, reload_thread, d) == 0;
	pthread_attr_destroy(&attr);
	if (!d->reloader_started) {
		d->reloading = false;
		log_error(SETUP, "no thread for the reload; the old configuration stays");
	}
}

/* ---- what Lua code may ask, on any worker ---- */
static uint64_t clock_ms(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * 1000u + (uint64_t)ts.tv_nsec / 1000000u;
}

static struct conf *host_current(void *ctx)
{
	return current(ctx);
}

static int host_publish(void *ctx, struct conf *c, const char **error_r)
{
	struct daemon *d = ctx;
	struct conf *old = c;
	bool late;

	pthread_mutex_lock(&d->lock);
	late = d->conf && c->serial != d->conf->serial + 1;
	if (!late)
		old = swap(d, c);
	pthread_mutex_unlock(&d->lock);
	conf_free(&old);
	if (late) /* made from a configuration that a reload has replaced meanwhile */
		return error_set(error_r, "the running configuration is another one by now");
	return 0;
}

static void host_rings(void *ctx, struct rings *r)
{
	struct daemon *d = ctx;

	r->query = d->query_rings;
	r->response = d->reply_rings;
	r->n = d->nworkers;
	r->now_ms = clock_ms(CLOCK_REALTIME);
}

static size_t host_counters(void *ctx, const struct counters *const **of_r)
{
	struct daemon *d = ctx;

	*of_r = d->counters;
	return d->counters ? d->nworkers + 1u : 0;
}

static uint64_t host_started(void *ctx)
{
	return ((struct daemon *)ctx)->started_ms;
}

static uint64_t host_now(void *ctx)
{
	(void)ctx;
	return clock_ms(CLOCK_MONOTONIC);
}

static void host_binds(void *ctx, struct text *out)
{
	listen_show(ctx, out);
}

static void host_tcp(void *ctx, struct text *out)
{
	struct daemon *d = ctx;

	for (unsigned i = 0; i < d->nworkers; i++)
		text_addf(out, "%s %u: %u clients connected, %u connections to backends, %u queries waiting\n",
			layout_job(&d->places, i), i, __atomic_load_n(&d->workers[i].lane.conns, __ATOMIC_RELAXED),
			__atomic_load_n(&d->workers[i].lane.links, __ATOMIC_RELAXED),
			__atomic_load_n(&d->workers[i].lane.core.parked, __ATOMIC_RELAXED));
}

static void host_shutdown(void *ctx)
{
	struct daemon *d = ctx;

	d->stop = true;
	for (unsigned i = 0; i < d->nworkers; i++)
		post_stop(&d->workers[i]);
}

void daemon_host(struct daemon *d)
{
	d->host.ctx = d;
	d->host.version = registry_version;
	d->host.current = host_current;
	d->host.publish = host_publish;
	d->host.rings = host_rings;
	d->host.counters = host_counters;
	d->host.started_ms = host_started;
	d->host.now_ms = host_now;
	d->host.show_binds = host_binds;
	d->host.show_tcp = host_tcp;
	d->host.shutdown = host_shutdown;
	d->host.resolve = daemon_resolve;
	frontend_host(d);
}
