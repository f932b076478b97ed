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
	log_options.json = o->json_log;
	log_options.syslog = !o->no_syslog && !o->check;
	log_options.timestamps = o->timestamps;
	log_options.verbose = o->verbose;
}

static int check(const struct options *o, const char *config)
{
	const char *error = "";
	char but[48] = "";
	unsigned n;

	if (daemon_check(o, config, &bind_language, &error) < 0)
		return fail(error);
	n = log_complaints(); /* what dnsdist only warns of, such as a backend with a wrong address, is no failure */
	if (n)
		snprintf(but, sizeof(but), ", with %u warning%s, see above", n, n == 1 ? "" : "s");
	if (o->plain_log)
		dprintf(STDOUT_FILENO, "Configuration '%s' OK!%s\n", config, n ? but + 1 : "");
	else
		log_info(SETUP, "Configuration OK%s", but);
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
		dprintf(STDERR_FILENO, "shrewd: %s needs the console: not supported yet\n", o.unsupported);
		return 1;
	}
	config = options_find_config(&o);
	if (!config && !o.backends)
		return fail("no configuration" HINT(": give one with --config, or backends on the command line"));
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
