/* daemon_help.h: a daemon in this process, with a language that is a C function; its workers turn by hand. */
#ifndef TEST_DAEMON_HELP_H
#define TEST_DAEMON_HELP_H

#include "../lane_help.h"
#include "daemon_priv.h"

/* ---- the language: |fill| is the configuration file ---- */
static struct fake_language {
	void (*fill)(struct conf *);
	const char *fail;
	_Atomic unsigned loads;
	unsigned maintenances, exits;
} lang;

static UNUSED struct conf *lang_load(const char *path, const char *text, const struct host *host, const char **error_r)
{
	struct conf *c;

	(void)path;
	(void)text;
	(void)host;
	lang.loads++;
	if (lang.fail) {
		error_set(error_r, "%s", lang.fail);
		return NULL;
	}
	c = conf_new(error_r);
	if (c && lang.fill)
		lang.fill(c);
	return c;
}

static UNUSED void lang_maintenance(struct conf *c)
{
	(void)c;
	lang.maintenances++;
}

static UNUSED void lang_exit(struct conf *c)
{
	(void)c;
	lang.exits++;
}

static UNUSED bool lang_question(const struct server *s, struct name *name, unsigned *qtype, unsigned *qclass)
{
	(void)s;
	(void)name;
	(void)qtype;
	(void)qclass;
	return false;
}

static UNUSED bool lang_validate(const struct server *s, const uint8_t *msg, size_t len, bool *ok_r)
{
	(void)s;
	(void)msg;
	(void)len;
	(void)ok_r;
	return false;
}

static UNUSED void lang_changed(struct conf *c, const struct server *s, bool up)
{
	(void)c;
	(void)s;
	(void)up;
}

static const struct language language = {lang_load, lang_maintenance, lang_exit, lang_question, lang_validate,
	lang_changed};
static const struct options no_options;

static UNUSED void set_text(struct conf *c, const char *word, const char *text)
{
	const struct arg a = {.kind = ARG_STR, .s = {text, strlen(text)}};

	set_arg(c, word, &a);
}

static UNUSED void listen_at(struct conf *c, const char *text)
{
	struct bind_conf b = {.proto = PROTO_UDP, .enable_proxy = true};

	assert_int_equal(addr_parse(&b.addr, text, 0), 0);
	assert_int_equal(conf_add_bind(c, &b, false), 0);
}

/* start: a daemon whose file is |fill|; |error| when it has none to give. */
static UNUSED struct daemon *start(void (*fill)(struct conf *), const char **error_r)
{
	const char *error = "";
	struct daemon *d;

	memset(&lang, 0, sizeof(lang));
	lang.fill = fill;
	d = daemon_new(&no_options, "fake.conf", &language, &error);
	if (!d && !error_r)
		fail_msg("%s", error);
	if (error_r)
		*error_r = error;
	return d;
}

/* serve lets the fronts read, as a running daemon does once its backends have been checked. */
static UNUSED void serve_now(struct daemon *d)
{
	pthread_mutex_lock(&d->admin);
	listen_serve(d);
	pthread_mutex_unlock(&d->admin);
}

/* ---- turning ---- */
static UNUSED void turn_worker(struct daemon *d, unsigned i)
{
	struct loop *l = &d->workers[i].lane.loop;

	l->fresh = true;
	event_base_loop(l->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
	wheel_run(&l->wheel, loop_ms(l));
	l->end(l->ctx);
}

static UNUSED void turn(struct daemon *d)
{
	for (unsigned round = 0; round < 3; round++)
		for (unsigned i = 0; i < d->nworkers; i++)
			turn_worker(d, i);
}

static UNUSED void pass(struct daemon *d, uint64_t ms)
{
	for (uint64_t step; ms; ms -= step) {
		step = ms > 250 ? 250 : ms;
		for (unsigned i = 0; i < d->nworkers; i++) {
			struct lane *lane = &d->workers[i].lane;

			loop_set_time(&lane->loop, lane->loop.now_us + step * 1000);
			core_set_time(&lane->core, lane->loop.now_us, lane->loop.wall_ms);
		}
		turn(d);
	}
}

static UNUSED unsigned fronts(const struct daemon *d, unsigned worker)
{
	unsigned n = 0;

	for (const struct front *f = d->workers[worker].lane.fronts; f; f = f->next)
		n++;
	return n;
}

/* install gives the daemon the configuration |fill| as a reload does; false with |*error_r|. */
static UNUSED bool install_conf(struct daemon *d, void (*fill)(struct conf *), const char **error_r)
{
	struct conf *c = new_conf();

	fill(c);
	assert_int_equal(conf_inherit(c, d->conf), 0);
	assert_int_equal(conf_freeze(c, error_r), 0);
	if (daemon_install(d, c, error_r) < 0)
		return false;
	turn(d);
	return true;
}

#endif
