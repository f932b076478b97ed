/* load.h: what the tests of bind/ share: a host that keeps the published configuration, loading and running text. */
#ifndef TEST_BIND_LOAD_H
#define TEST_BIND_LOAD_H

#include "bind.h"
#include "log.h"
#include "mem.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

struct fake {
	struct host host;
	struct conf *running;
	struct text out; /* of the last run() */
	const char *error;
	unsigned published, stopped;
};

static UNUSED struct conf *fake_current(void *ctx)
{
	struct fake *f = ctx;

	return f->running ? conf_ref(f->running) : NULL;
}

static UNUSED int fake_publish(void *ctx, struct conf *c, const char **error_r)
{
	struct fake *f = ctx;

	(void)error_r;
	assert_true(c->frozen);
	conf_free(&f->running);
	f->running = c;
	f->published++;
	return 0;
}

static UNUSED void fake_shutdown(void *ctx)
{
	struct fake *f = ctx;

	f->stopped++;
}

static UNUSED void fake_init(struct fake *f, bool keep)
{
	*f = (struct fake){.host = {.ctx = f,
				   .keep = keep,
				   .version = "shrewd 1",
				   .current = fake_current,
				   .publish = fake_publish,
				   .shutdown = fake_shutdown}};
	log_options.fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
}

static UNUSED void fake_done(struct fake *f)
{
	if (f->running)
		conf_free(&f->running);
	text_free(&f->out);
	close(log_options.fd);
	log_options.fd = 2;
}

/* Loads |text| as the file "t.conf" and freezes it; f->error when false. */
static UNUSED bool load(struct fake *f, const char *text)
{
	struct conf *c;

	if (f->running)
		conf_free(&f->running);
	f->error = "";
	c = bind_load("t.conf", text, &f->host, &f->error);
	if (!c)
		return false;
	if (conf_freeze(c, &f->error) < 0) {
		conf_free(&c);
		return false;
	}
	f->running = c;
	return true;
}

/* Loads |text| with each allocation failing in turn, until none of them was reached any more. */
static UNUSED void load_without_memory(const char *text)
{
	struct fake f;

	fake_init(&f, false);
	for (unsigned long n = 1;; n++) {
		bool ok;

		mem_fail_at(n);
		ok = load(&f, text);
		mem_fail_at(0);
		if (ok)
			break;
		assert_true(f.error[0]);
	}
	fake_done(&f);
}

/* Runs |code| in what load() loaded. */
static UNUSED bool run(struct fake *f, const char *code)
{
	text_clear(&f->out);
	f->error = "";
	return bind_run(f->running, code, &f->out, &f->error) == 0;
}

/* What |code| prints. */
static UNUSED const char *runs(struct fake *f, const char *code)
{
	if (!run(f, code))
		fail_msg("%s: %s", code, f->error);
	return text_str(&f->out);
}

#endif
