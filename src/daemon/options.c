/* options.c: the command line. */
#include "worker.h"
#include "log.h"
#include "registry.h"
#include "tls.h"
#include <getopt.h>
#include <stdio.h>
#include <unistd.h>

enum { OPT_CHECK = 256, OPT_SUPERVISED, OPT_NO_SYSLOG, OPT_TIMESTAMPS, OPT_STRUCTURED, OPT_BACKEND, OPT_SELF_SIGNED };

static const struct option longs[] = {
	{"acl", required_argument, NULL, 'a'},
	{"check-config", no_argument, NULL, OPT_CHECK},
	{"client", optional_argument, NULL, 'c'},
	{"config", required_argument, NULL, 'C'},
	{"disable-syslog", no_argument, NULL, OPT_NO_SYSLOG},
	{"execute", required_argument, NULL, 'e'},
	{"gid", required_argument, NULL, 'g'},
	{"help", no_argument, NULL, 'h'},
	{"local", required_argument, NULL, 'l'},
	{"log-timestamps", no_argument, NULL, OPT_TIMESTAMPS},
	{"self-signed", required_argument, NULL, OPT_SELF_SIGNED},
	{"setkey", required_argument, NULL, 'k'},
	{"structured-logging", required_argument, NULL, OPT_STRUCTURED},
	{"structured-logging-backend", required_argument, NULL, OPT_BACKEND},
	{"supervised", no_argument, NULL, OPT_SUPERVISED},
	{"uid", required_argument, NULL, 'u'},
	{"verbose", no_argument, NULL, 'v'},
	{"version", no_argument, NULL, 'V'},
	{NULL, 0, NULL, 0},
};

static const char help[] =
#ifdef NO_DOCS
	"Usage: shrewd [-C|--config FILE] [--check-config] [-l|--local ADDRESS] [-a|--acl NETMASK] [-u|--uid USER]\n"
	"[-g|--gid GROUP] [-v|--verbose] [--disable-syslog] [--log-timestamps] [--structured-logging true|false]\n"
	"[--structured-logging-backend default|json] [--self-signed NAME[,ADDRESS...]] [-V|--version] [-h|--help] [BACKEND...]\n";
#else
	"Usage: shrewd [OPTION...] [BACKEND...]\n"
	"A DNS proxy: takes queries, applies rules, answers from its cache or from backends.\n"
	"\n"
	"  -C, --config FILE        the configuration, in dnsdist's language\n"
	"      --check-config       read it, say whether it is right, exit\n"
	"  -l, --local ADDRESS      listen here (UDP and TCP) in place of the file's addresses; repeatable\n"
	"  -a, --acl NETMASK        who may ask, in place of the file's ACL; repeatable\n"
	"  -u, --uid USER           become this user once sockets are open\n"
	"  -g, --gid GROUP          become this group\n"
	"      --supervised         run in the foreground without a prompt (always so)\n"
	"  -v, --verbose            log more\n"
	"      --disable-syslog     log to standard output only\n"
	"      --log-timestamps     begin plain log lines with the time\n"
	"      --structured-logging true|false   key=\"value\" log lines (default true)\n"
	"      --structured-logging-backend NAME  default or json\n"
	"      --self-signed NAME[,ADDRESS...]  make a certificate for these, in memory; the file calls it 'self-signed'.\n"
	"                           Without DoT and DoH in the file, both are served beside its first address\n"
	"  -V, --version            version and features\n"
	"  -h, --help               this text\n"
	"  -c, --client; -e, --execute COMMAND   need the console: not supported yet\n"
	"\n"
	"BACKEND: addresses of servers that are added to those of the file.\n"
	"Signals: TERM and INT end it (up to 2 s for answers under way), HUP reads the configuration again,\n"
	"USR1 writes all counters to the log.\n";
#endif

void options_help(void)
{
	dprintf(STDOUT_FILENO, "%s", help);
}

static void print_features(const char *title, bool on)
{
	dprintf(STDOUT_FILENO, "\n%s features:", title);
	for (const struct feature *f = registry_features; f->name; f++)
		if (f->on == on)
			dprintf(STDOUT_FILENO, " %s", f->name + strlen("FEATURE_"));
}

void options_version(void)
{
	dprintf(STDOUT_FILENO, "shrewd %s", registry_version);
	print_features("Enabled", true);
	print_features("Disabled", false);
	dprintf(STDOUT_FILENO, "\n");
}

static int add(const char **list, unsigned *n, const char *what, const char *value)
{
	if (*n == OPTION_LIST) {
		dprintf(STDERR_FILENO, "shrewd: more than %d times %s\n", OPTION_LIST, what);
		return -EINVAL;
	}
	list[(*n)++] = value;
	return 0;
}

/* choose tells whether an option says |yes|; 0 or -EINVAL when it says neither that nor |no|. */
static int choose(const char *option, const char *yes, const char *no, bool *chosen_r)
{
	*chosen_r = strcmp(optarg, yes) == 0;
	if (*chosen_r || strcmp(optarg, no) == 0)
		return 0;
	dprintf(STDERR_FILENO, "shrewd: %s: expected %s or %s, got '%s'\n", option, no, yes, optarg);
	return -EINVAL;
}

/* Options that are kept as they are: their value, or that they were given. */
static const struct {
	uint16_t opt, offset;
} kept[] = {
	{'C', offsetof(struct options, config)},
	{'u', offsetof(struct options, uid)},
	{'g', offsetof(struct options, gid)},
	{OPT_SELF_SIGNED, offsetof(struct options, self_signed)},
	{'v', offsetof(struct options, verbose)},
	{'V', offsetof(struct options, version)},
	{'h', offsetof(struct options, help)},
	{OPT_CHECK, offsetof(struct options, check)},
	{OPT_SUPERVISED, offsetof(struct options, supervised)},
	{OPT_NO_SYSLOG, offsetof(struct options, no_syslog)},
	{OPT_TIMESTAMPS, offsetof(struct options, timestamps)},
};

static int take(struct options *o, int opt)
{
	for (size_t i = 0; i < LEN(kept); i++) {
		void *at = (char *)o + kept[i].offset;

		if (opt != kept[i].opt)
			continue;
		if (optarg)
			*(const char **)at = optarg;
		else
			*(bool *)at = true;
		return 0;
	}
	switch (opt) {
	case 'a':
		return add(o->acl, &o->acls, "--acl", optarg);
	case 'l':
		return add(o->local, &o->locals, "--local", optarg);
	case 'c':
		o->unsupported = "--client";
		return 0;
	case 'e':
		o->unsupported = "--execute";
		return 0;
	case 'k':
		return 0;
	case OPT_STRUCTURED:
		return choose("--structured-logging", "false", "true", &o->plain_log);
	case OPT_BACKEND:
		return choose("--structured-logging-backend", "json", "default", &o->json_log);
	default:
		dprintf(STDERR_FILENO, "Try 'shrewd --help'.\n");
		return -EINVAL;
	}
}

int options_parse(struct options *o, int argc, char **argv)
{
	int opt, err;

	memset(o, 0, sizeof(*o));
	/* musl leaves optarg as it was where a short option has none */
	while (optarg = NULL, (opt = getopt_long(argc, argv, "a:c::C:e:g:hk:l:u:vV", longs, NULL)) != -1) {
		err = take(o, opt);
		if (err < 0)
			return err;
	}
	for (; optind < argc; optind++) {
		err = add(o->backend, &o->backends, "a backend", argv[optind]);
		if (err < 0)
			return err;
	}
	return 0;
}

const char *options_find_config(const struct options *o)
{
	const char *const usual[] = {registry_config, "/etc/shrewd/shrewd.conf", "/etc/dnsdist/dnsdist.conf",
		"/etc/dnsdist.conf"};

	if (o->config)
		return o->config;
	for (size_t i = 0; i < LEN(usual); i++)
		if (access(usual[i], F_OK) == 0)
			return usual[i];
	return NULL;
}

static int apply_locals(const struct options *o, struct conf *c, const char **error_r)
{
	for (unsigned i = 0; i < o->locals; i++) {
		struct bind_conf b;

		if (bind_conf_defaults(&b) < 0)
			return error_set(error_r, "out of memory");
		b.proto = PROTO_UDP;
		if (addr_parse(&b.addr, o->local[i], 53) < 0) {
			bind_conf_free(&b);
			return error_set(error_r, "--local: expected an address" HINT(" such as 127.0.0.1:53") ", got '%s'",
				o->local[i]);
		}
		if (conf_add_bind(c, &b, i == 0) < 0) {
			bind_conf_free(&b);
			return error_set(error_r, "out of memory");
		}
	}
	return 0;
}

static int apply_backends(const struct options *o, struct conf *c, const char **error_r)
{
	struct rng rng;

	rng_init(&rng);
	for (unsigned i = 0; i < o->backends; i++) {
		struct server *s;
		struct addr literal;

		struct arg_pair address = {"address",
			{.kind = ARG_STR, .s = {o->backend[i], strlen(o->backend[i])}}};
		struct arg given = {.kind = ARG_TABLE, .t = {.pair = &address, .pairs = 1}};

		if (addr_parse(&literal, o->backend[i], 53) < 0 && !strpbrk(o->backend[i], ".:") &&
			strcmp(o->backend[i], "localhost") != 0) /* a word, more likely an option without its dashes */
			return error_set(error_r, "expected a backend" HINT(" such as 192.0.2.1:53 or dns.example:53") ", got '%s'",
				o->backend[i]);
		s = server_of(&given, NULL, NULL, &rng, error_r);
		if (!s)
			return -EINVAL;
		if (conf_add_server(c, s) < 0) {
			server_free(&s);
			return error_set(error_r, "out of memory");
		}
	}
	return 0;
}

/* add_encrypted serves |proto| at |port| of the first plain address, with our own certificate. */
static int add_encrypted(struct conf *c, uint8_t proto, uint16_t port, const char **error_r)
{
	const struct bind_conf *first = c->nbinds ? &c->binds[0] : NULL;
	struct bind_conf b;
	bool full;

	if (bind_conf_defaults(&b) < 0)
		return error_set(error_r, "out of memory");
	b.proto = proto;
	if (first)
		b.addr = first->addr;
	else
		must(addr_parse(&b.addr, "127.0.0.1", 0) == 0);
	b.addr.port = port;
	full = field_list_add(&b.tls.certs, TLS_SELF_SIGNED) < 0 || field_list_add(&b.tls.keys, TLS_SELF_SIGNED) < 0 ||
	       (proto == PROTO_DOH && field_list_add(&b.doh.paths, "/dns-query") < 0) || conf_add_bind(c, &b, false) < 0;
	if (!full)
		return 0;
	bind_conf_free(&b);
	return error_set(error_r, "out of memory");
}

static int apply_self_signed(const struct options *o, struct conf *c, const char **error_r)
{
	if (!o->self_signed)
		return 0;
	for (size_t i = 0; i < c->nbinds; i++)
		if (c->binds[i].proto != PROTO_UDP)
			return 0; /* the file has its own */
	if (add_encrypted(c, PROTO_DOT, 853, error_r) < 0)
		return -EINVAL;
	return add_encrypted(c, PROTO_DOH, 443, error_r);
}

int options_self_signed(const struct options *o, const char **error_r)
{
	const char *why = "";
	char print[96];

	if (!o->self_signed)
		return 0;
	if (tls_self_signed(o->self_signed, print, &why) < 0)
		return error_set(error_r, "--self-signed: %s", why);
	if (!o->check) /* which makes one that nobody will see again */
		log_info(SETUP, "self-signed certificate for %s, SHA-256 fingerprint %s", o->self_signed, print);
	return 0;
}

int options_apply(const struct options *o, struct conf *c, const char **error_r)
{
	if (o->acls)
		netset_clear(c->acl);
	for (unsigned i = 0; i < o->acls; i++)
		if (netset_add_text(c->acl, o->acl[i]) < 0)
			return error_set(error_r, "--acl: expected a netmask" HINT(" such as 192.0.2.0/24") ", got '%s'", o->acl[i]);
	if (apply_locals(o, c, error_r) < 0)
		return -EINVAL;
	if (apply_self_signed(o, c, error_r) < 0)
		return -EINVAL;
	return apply_backends(o, c, error_r);
}
