/* main.c: what the user asked for, then start, run, end. */
#include "worker.h"
#include "bind.h"
#include "log.h"
#include <stdio.h>
#include <unistd.h>

static int fail(const char *error)
{
	log_error(SETUP, "%s", error);
	return 1;
}

static void set_up_log(const struct options *o)
{
	log_options.fd = STDOUT_FILENO;
	log_options.structured = !o->plain_log;
	log_options.json = o->log_backend && strcmp(o->log_backend, "json") == 0;
	log_options.syslog = !o->no_syslog && !o->check;
	log_options.timestamps = o->timestamps;
	log_options.verbose = o->verbose;
}

static int check(const struct options *o, const char *config)
{
	const char *error = "";

	if (daemon_check(o, config, &bind_language, &error) < 0)
		return fail(error);
	if (o->plain_log)
		printf("Configuration '%s' OK!\n", config);
	else
		log_info(SETUP, "Configuration OK");
	return 0;
}

int main(int argc, char **argv)
{
	struct options o;
	struct daemon *d;
	const char *config, *error = "";
	int err;

	if (options_parse(&o, argc, argv) < 0)
		return 1;
	if (o.help || o.version) {
		(o.help ? options_help : options_version)();
		return 0;
	}
	set_up_log(&o);
	if (o.unsupported) {
		fprintf(stderr, "shrewd: %s needs the console: not supported yet\n", o.unsupported);
		return 1;
	}
	config = options_find_config(&o);
	if (!config && !o.backends)
		return fail("no configuration: give one with --config, or backends on the command line");
	if (o.check)
		return check(&o, config ? config : "");
	if (!o.config && config)
		log_info(SETUP, "reading %s", config);
	d = daemon_new(&o, config, &bind_language, &error);
	if (!d)
		return fail(error);
	err = daemon_run(d);
	daemon_free(&d);
	return err < 0 ? 1 : 0;
}
