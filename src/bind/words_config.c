/* words_config.c: settings, listeners, access lists, included files: what a configuration says about itself. */
#include "log.h"
#include "lua_priv.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <syslog.h>
#include <unistd.h>

#define WORD(name) \
	static int name(lua_State *L, const struct word *w, const struct arg *argv UNUSED, size_t argc UNUSED)

/* ---- settings: one word with one value ---- */

/* The sentence without "name: " in front when that is the word that the user wrote anyway. */
static const char *bare(const char *error, const char *name)
{
	size_t n = strlen(name);

	return strncmp(error, name, n) == 0 && error[n] == ':' ? error + n + 2 : error;
}

static void set_field(lua_State *L, const char *word, const char *name, const struct arg *value)
{
	const struct field *f = field_find(setting_fields, setting_field_count, name);
	const char *error = "";

	must(f);
	if (field_set(f, &lua_draft(L)->set, value, &error) < 0)
		lua_fail(L, word, "%s", bare(error, name));
}

static bool is_word(const struct field *f)
{
	return f->name[strlen(f->name) - 1] != '_';
}

static int setting_call(lua_State *L)
{
	const struct field *f = lua_touserdata(L, lua_upvalueindex(1));
	struct settings *set;
	struct arena *arena;
	struct arg value;

	if (setting_only_at_start((size_t)(f - setting_fields)))
		lua_only_at_start(L, f->name);
	arena = lua_arena(L);
	lua_value(L, 1, &value, arena, f->name);
	if (!arg_given(&value))
		return lua_fail(L, f->name, "argument 1 (value): got nothing, expected a value");
	set_field(L, f->name, f->name, &value);
	arena_free(arena);
	set = &lua_draft(L)->set;
	if (f->offset == offsetof(struct settings, tcp_idle_backend2)) /* two names of one setting */
		set->tcp_idle_backend = set->tcp_idle_backend2;
	else if (f->offset == offsetof(struct settings, tcp_idle_backend))
		set->tcp_idle_backend2 = set->tcp_idle_backend;
	return 0;
}

void lua_register_settings(lua_State *L)
{
	for (size_t i = 0; i < setting_field_count; i++) {
		if (!is_word(&setting_fields[i]))
			continue;
		lua_pushlightuserdata(L, (void *)(uintptr_t)&setting_fields[i]);
		lua_pushcclosure(L, setting_call, 1);
		lua_setglobal(L, setting_fields[i].name);
	}
}

static const char *setting_spec(enum field_type t)
{
	return t == FIELD_BOOL ? "value:bool" : t == FIELD_U32 ? "value:uint" : t == FIELD_DOUBLE ? "value:num" : "value:str";
}

void lua_each_setting(void (*fn)(void *, const char *word, const char *spec, const char *doc, const char *example),
	void *ctx)
{
	char example[160];

	for (size_t i = 0; i < setting_field_count; i++) {
		const struct field *f = &setting_fields[i];
		const char *quote = f->type == FIELD_STR ? "\"" : "";

		if (!is_word(f))
			continue;
		snprintf(example, sizeof(example), "%s(%s%s%s)", f->name, quote, f->absent ? f->absent : "", quote);
		fn(ctx, f->name, setting_spec(f->type), f->doc, f->doc ? example : NULL);
	}
}

WORD(perturbation)
{
	set_field(L, w->name, "setWHashedPerturbation", &argv[0]);
	return 0;
}

WORD(accepted)
{
	(void)L;
	(void)w;
	return 0;
}

WORD(ring_size)
{
	lua_only_at_start(L, w->name);
	set_field(L, w->name, "setRingEntries_", &argv[0]);
	return 0;
}

WORD(ring_options)
{
	static const struct {
		const char *key, *field;
	} rows[] = {{"recordQueries", "setRingQueries_"}, {"recordResponses", "setRingResponses_"},
		{"samplingRate", "setRingSampling_"}, {"lockRetries", NULL}};
	const struct arg *table = &argv[0];
	size_t r;

	for (size_t i = 0; i < table->t.pairs; i++) {
		for (r = 0; r < LEN(rows) && strcmp(rows[r].key, table->t.pair[i].key) != 0; r++)
			;
		if (r == LEN(rows)) {
			lua_warn_at(L, w->name, "unknown option '%s' ignored", table->t.pair[i].key);
			continue;
		}
		if (rows[r].field && strcmp(rows[r].key, "samplingRate") != 0)
			lua_only_at_start(L, w->name);
		if (rows[r].field)
			set_field(L, rows[r].key, rows[r].field, &table->t.pair[i].value);
	}
	return 0;
}

WORD(ring_sampling)
{
	(void)w;
	lua_pushnumber(L, lua_conf(L)->set.ring_sampling);
	return 1;
}

WORD(udp_buffers)
{
	lua_only_at_start(L, w->name);
	set_field(L, w->name, "setUDPSocketRecvBuffer_", &argv[0]);
	set_field(L, w->name, "setUDPSocketSendBuffer_", &argv[1]);
	return 0;
}

WORD(worker_layout)
{
	static const char *const layouts[] = {"collapsed", "sharded", "split"};
	size_t i;

	lua_only_at_start(L, w->name);
	for (i = 0; i < LEN(layouts) && strcmp(layouts[i], argv[0].s.p) != 0; i++)
		;
	if (i == LEN(layouts))
		return lua_fail(L, w->name,
			"argument 1 (layout): got '%s', expected collapsed, sharded or split", argv[0].s.p);
	set_field(L, w->name, "setWorkerLayout_", &argv[0]);
	if (arg_given(&argv[1]))
		set_field(L, w->name, "setWorkerCount_", &argv[1]);
	return 0;
}

WORD(retain)
{
	struct field_list *list = &lua_draft(L)->capabilities;
	char **v;

	lua_only_at_start(L, w->name);
	v = mem_resize(list->v, (list->n + argv[0].t.n + 1) * sizeof(*v));
	if (!v)
		return lua_fail(L, w->name, "out of memory");
	list->v = v;
	for (size_t i = 0; i < argv[0].t.n; i++) {
		v[list->n] = mem_strdup(argv[0].t.v[i].s.p);
		if (!v[list->n])
			return lua_fail(L, w->name, "out of memory");
		list->n++;
	}
	return 0;
}

/* ---- listeners ---- */

struct here { /* for fields_apply(): whom to name */
	lua_State *L;
	const char *word;
};

static void unknown_option(void *ctx, const char *key)
{
	const struct here *here = ctx;

	lua_warn_at(here->L, here->word, "unknown option '%s' ignored", key);
}

static int add_bind(lua_State *L, const struct word *w, const struct arg *argv, bool replace)
{
	const char *error = "out of memory";
	struct here here = {L, w->name};
	struct bind_conf b = {.proto = PROTO_UDP};
	struct conf *draft;
	int rc;

	lua_only_at_start(L, w->name);
	draft = lua_draft(L);
	if (field_defaults(bind_fields, bind_field_count, &b) < 0)
		return lua_fail(L, w->name, "out of memory");
	b.addr = *(const struct addr *)argv[0].o.p;
	if (!b.addr.port)
		b.addr.port = 53;
	if (argv[1].kind == ARG_TABLE)
		rc = fields_apply(bind_fields, bind_field_count, &b, &argv[1], unknown_option, &here, &error);
	else
		rc = 0;
	if (arg_given(&argv[1]) && argv[1].kind != ARG_TABLE)
		lua_warn_at(L, w->name, "argument 2 (options): expected a table: ignored");
	if (rc == 0)
		rc = conf_add_bind(draft, &b, replace);
	bind_conf_free(&b);
	return rc < 0 ? lua_fail(L, w->name, "%s", error) : 0;
}

WORD(set_local)
{
	return add_bind(L, w, argv, true);
}

WORD(add_local)
{
	return add_bind(L, w, argv, false);
}

/* ---- access lists ---- */

static struct netset **acl_of(struct conf *c, const struct word *w)
{
	return strstr(w->name, "Console") ? &c->console_acl : strstr(w->name, "Proxy") ? &c->proxy_acl : &c->acl;
}

static void acl_replace(lua_State *L, const struct word *w, const struct netset *with)
{
	struct netset **acl = acl_of(lua_draft(L), w), *copy = netset_copy(with);

	if (!copy)
		lua_fail(L, w->name, "out of memory");
	if (*acl)
		netset_free(acl);
	*acl = copy;
}

WORD(acl_set)
{
	acl_replace(L, w, argv[0].o.p);
	return 0;
}

struct union_ctx {
	struct netset *to;
	bool failed;
};

static bool add_mask(void *ctx, const struct netmask *m, bool positive)
{
	struct union_ctx *u = ctx;

	u->failed = netset_add(u->to, m, positive) < 0;
	return !u->failed;
}

WORD(acl_add)
{
	struct netset **acl = acl_of(lua_draft(L), w);
	struct union_ctx u = {.failed = false};

	if (!*acl)
		*acl = netset_new();
	u.to = *acl;
	if (u.to)
		netset_each(argv[0].o.p, add_mask, &u);
	if (!u.to || u.failed)
		return lua_fail(L, w->name, "out of memory");
	return 0;
}

static bool remove_mask(void *from, const struct netmask *m, bool positive UNUSED)
{
	netset_remove(from, m);
	return true;
}

WORD(acl_remove)
{
	struct netset *acl = *acl_of(lua_draft(L), w);
	size_t before = netset_size(acl);

	netset_each(argv[0].o.p, remove_mask, acl);
	if (netset_size(acl) == before)
		lua_note(L, w->name, "no such netmask in the list");
	return 0;
}

static bool show_mask(void *out, const struct netmask *m, bool positive)
{
	char buf[ADDR_TEXT];

	text_addf(out, "%s%s\n", positive ? "" : "!", netmask_print(m, buf));
	return true;
}

WORD(acl_show)
{
	struct netset *const *acl = acl_of((struct conf *)(uintptr_t)lua_conf(L), w);

	if (*acl)
		netset_each(*acl, show_mask, lua_out(L));
	return 0;
}

WORD(acl_from_file)
{
	struct netset *set = netset_new();
	FILE *f = set ? fopen(argv[0].s.p, "re") : NULL;
	char line[256];
	int number = 0;

	if (!set)
		return lua_fail(L, w->name, "out of memory");
	lua_push_obj(L, &class_netset, set);
	if (!f)
		return lua_fail(L, w->name, "%s: %s", argv[0].s.p, strerror(errno));
	while (fgets(line, sizeof(line), f)) {
		char *text = line + strspn(line, " \t");

		number++;
		text[strcspn(text, " \t\r\n#")] = 0;
		if (!*text)
			continue;
		if (netset_add_text(set, text) < 0) {
			fclose(f);
			return lua_fail(L, w->name, "%s:%d: expected a netmask, got '%.60s'", argv[0].s.p, number, text);
		}
	}
	fclose(f);
	acl_replace(L, w, set);
	return 0;
}

/* ---- log ---- */

static bool no_effects(lua_State *L)
{
	return lua_self(L)->host->check_only || lua_self(L)->host->client;
}

WORD(set_verbose)
{
	(void)w;
	if (!no_effects(L))
		log_options.verbose = argv[0].b;
	return 0;
}

WORD(get_verbose)
{
	(void)w;
	lua_pushboolean(L, log_options.verbose);
	return 1;
}

WORD(verbose_file)
{
	int fd;

	lua_only_at_start(L, w->name);
	if (no_effects(L))
		return 0;
	fd = open(argv[0].s.p, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
	if (fd < 0)
		return lua_fail(L, w->name, "%s: %s", argv[0].s.p, strerror(errno));
	if (log_options.verbose_fd > 2)
		close(log_options.verbose_fd);
	log_options.verbose_fd = fd;
	return 0;
}

WORD(syslog_facility)
{
	static const struct {
		const char *name;
		int facility;
	} rows[] = {{"LOCAL0", LOG_LOCAL0}, {"LOCAL1", LOG_LOCAL1}, {"LOCAL2", LOG_LOCAL2}, {"LOCAL3", LOG_LOCAL3},
		{"LOCAL4", LOG_LOCAL4}, {"LOCAL5", LOG_LOCAL5}, {"LOCAL6", LOG_LOCAL6}, {"LOCAL7", LOG_LOCAL7},
		{"KERN", LOG_KERN}, {"USER", LOG_USER}, {"MAIL", LOG_MAIL}, {"DAEMON", LOG_DAEMON}, {"AUTH", LOG_AUTH},
		{"SYSLOG", LOG_SYSLOG}, {"LPR", LOG_LPR}, {"NEWS", LOG_NEWS}, {"UUCP", LOG_UUCP}, {"CRON", LOG_CRON},
		{"AUTHPRIV", LOG_AUTHPRIV}, {"FTP", LOG_FTP}};
	const char *name = arg_str(&argv[0], "");
	double number = arg_num(&argv[0], -1);
	int facility = number >= 0 && number < 24 ? (int)number << 3 : -1;

	name += strncmp(name, "LOG_", 4) == 0 ? 4 : 0;
	for (size_t i = 0; i < LEN(rows); i++) {
		if (strcasecmp(rows[i].name, name) == 0)
			facility = rows[i].facility;
	}
	if (facility < 0)
		return lua_fail(L, w->name,
			"argument 1 (facility): got '%s', expected a syslog facility such as local0, daemon or a number",
			arg_str(&argv[0], arg_kind_name(&argv[0])));
	if (!no_effects(L))
		log_options.facility = facility;
	return 0;
}

WORD(structured_logging)
{
	static char prefix[32]; /* log lines outlive every Lua state */
	const struct arg *opts = &argv[1], *value;
	bool empty = opts->kind != ARG_TABLE;

	if (no_effects(L))
		return 0;
	log_options.structured = argv[0].b;
	for (size_t i = 0; !empty && i < opts->t.pairs; i++) {
		const char *key = opts->t.pair[i].key, *text;

		value = &opts->t.pair[i].value;
		text = arg_str(value, "");
		if (strcmp(key, "levelPrefix") == 0) {
			snprintf(prefix, sizeof(prefix), "%s", text);
			log_options.prefix = prefix;
		} else if (strcmp(key, "timeFormat") == 0) {
			if (strcmp(text, "numeric") != 0 && strcmp(text, "ISO8601") != 0)
				return lua_fail(L, w->name, "timeFormat: got '%s', expected numeric or ISO8601", text);
			log_options.time_format = *text == 'n' ? "numeric" : "ISO8601";
		} else if (strcmp(key, "backend") == 0) {
			log_options.json = strcmp(text, "json") == 0;
		} else if (strcmp(key, "setInstanceFromServerID") != 0) {
			lua_warn_at(L, w->name, "unknown option '%s' ignored", key);
		}
	}
	return 0;
}

/* ---- other files ---- */

static int by_name(const void *a, const void *b)
{
	const char *const *x = a, *const *y = b;

	return strcmp(*x, *y);
}

/* The *.conf of |path| that are not hidden, sorted; -errno. */
static ssize_t list_files(const char *path, struct arena *a, char ***names_r)
{
	size_t n = 0, cap = 0, len;
	DIR *dir = opendir(path);
	const struct dirent *e;
	char **names = NULL, **more;

	if (!dir)
		return -errno;
	while ((e = readdir(dir))) {
		len = strlen(e->d_name);
		if (e->d_name[0] == '.' || len < 6 || strcmp(e->d_name + len - 5, ".conf") != 0)
			continue;
		if (n == cap) {
			cap = cap ? 2 * cap : 16;
			more = arena_alloc(a, cap * sizeof(*names));
			if (!more)
				break;
			if (n)
				memcpy(more, names, n * sizeof(*names));
			names = more;
		}
		names[n] = arena_strdup(a, e->d_name);
		if (!names[n])
			break;
		n++;
	}
	closedir(dir);
	if (e)
		return -ENOMEM;
	if (n)
		qsort(names, n, sizeof(*names), by_name);
	*names_r = names;
	return (ssize_t)n;
}

WORD(include_directory)
{
	struct lua *l = lua_self(L);
	struct arena *a = lua_arena(L);
	const char *dir = argv[0].s.p, *slash = argv[0].s.len && dir[argv[0].s.len - 1] == '/' ? "" : "/";
	int handler, rc = 0;
	char **names = NULL;
	ssize_t n;

	lua_only_at_start(L, w->name);
	if (l->including)
		return lua_fail(L, w->name, "an included file cannot include a directory");
	n = list_files(dir, a, &names);
	if (n < 0)
		return lua_fail(L, w->name, "%s: %s", dir, strerror((int)-n));
	lua_pushcfunction(L, lua_traced);
	handler = lua_gettop(L);
	l->including = true;
	for (ssize_t i = 0; i < n && rc == 0; i++) {
		lua_settop(L, handler);
		lua_pushfstring(L, "%s%s%s", dir, slash, names[i]);
		rc = luaL_loadfile(L, lua_tostring(L, -1));
		if (rc != 0)
			lua_error_path(L, lua_tostring(L, -2));
		else
			rc = lua_pcall(L, 0, 0, handler);
	}
	l->including = false;
	return rc == 0 ? 0 : lua_error(L);
}

const struct word config_words[] = {
	{"setLocal", "address:addr options:any?", set_local, DOC("Listens here, and on no address added before."),
		DOC("setLocal(\"127.0.0.1:5300\", {reusePort=true})")},
	{"addLocal", "address:addr options:any?", add_local, DOC("Listens for UDP and TCP on one more address."),
		DOC("addLocal(\"[::1]:5300\")")},
	{"setACL", "masks:masks", acl_set, DOC("Replaces the list of clients that may ask."),
		DOC("setACL({\"127.0.0.0/8\", \"::1\"})")},
	{"addACL", "masks:masks", acl_add, DOC("Lets these clients ask too."), DOC("addACL(\"192.0.2.0/24\")")},
	{"rmACL", "masks:masks", acl_remove, DOC("Takes a netmask from the list of clients."), DOC("rmACL(\"10.0.0.0/8\")")},
	{"setACLFromFile", "file:str", acl_from_file, DOC("Replaces the list of clients by a file, one netmask a line."),
		DOC("setACLFromFile(\"/dev/null\")")},
	{"showACL", "", acl_show, DOC("Prints the list of clients that may ask."), DOC("showACL()")},
	{"setProxyProtocolACL", "masks:masks", acl_set, DOC("Peers that put a PROXY header before their queries."),
		DOC("setProxyProtocolACL({\"192.0.2.1\"})")},
	{"setConsoleACL", "masks:masks", acl_set, DOC("Replaces the list of peers of the console."),
		DOC("setConsoleACL(\"127.0.0.1\")")},
	{"addConsoleACL", "masks:masks", acl_add, DOC("Adds to the list of peers of the console."),
		DOC("addConsoleACL(\"192.0.2.1\")")},
	{"showConsoleACL", "", acl_show, DOC("Prints the list of peers of the console."), DOC("showConsoleACL()")},
	{"includeDirectory", "path:str", include_directory, DOC("Runs the *.conf files of a directory in order of name."),
		DOC("includeDirectory(\"/dev\")")},
	{"addCapabilitiesToRetain", "names:strs", retain, DOC("Linux capabilities to keep after start."),
		DOC("addCapabilitiesToRetain(\"CAP_NET_BIND_SERVICE\")")},
	{"setRingBuffersSize", "entries:uint shards:uint?", ring_size,
		DOC("How many queries and how many answers are remembered; 0: none."), DOC("setRingBuffersSize(1000)")},
	{"setRingBuffersOptions", "options:opts", ring_options, DOC("recordQueries, recordResponses, samplingRate."),
		DOC("setRingBuffersOptions({recordResponses=false})")},
	{"setRingBuffersLockRetries", "retries:uint", accepted, DOC("Accepted for compatibility."),
		DOC("setRingBuffersLockRetries(5)")},
	{"getRingBuffersSamplingRate", "", ring_sampling, DOC("One query in this many is remembered."),
		DOC("getRingBuffersSamplingRate()")},
	{"setUDPSocketBufferSizes", "receive:uint send:uint", udp_buffers, DOC("Bytes of socket buffers; 0: automatic."),
		DOC("setUDPSocketBufferSizes(0, 0)")},
	{"setWHashedPertubation", "seed:uint", perturbation, DOC("Older spelling of setWHashedPerturbation()."),
		DOC("setWHashedPertubation(7)")},
	{"setWorkerLayout", "layout:str workers:uint?", worker_layout,
		DOC("Own: collapsed (one thread), sharded (a thread for each CPU) or split (a thread for each job)."),
		DOC("setWorkerLayout(\"collapsed\")")},
	{"setSecurityPollSuffix", "suffix:str", accepted, DOC("Accepted: there is no security polling."),
		DOC("setSecurityPollSuffix(\"\")")},
	{"setSecurityPollInterval", "seconds:uint", accepted, DOC("Accepted: there is no security polling."),
		DOC("setSecurityPollInterval(3600)")},
	{"setVerbose", "on:bool", set_verbose, DOC("Logs single queries."), DOC("setVerbose(false)")},
	{"getVerbose", "", get_verbose, DOC("Are single queries logged?"), DOC("getVerbose()")},
	{"setVerboseLogDestination", "file:str", verbose_file, DOC("Verbose lines go to this file."),
		DOC("setVerboseLogDestination(\"/dev/null\")")},
	{"setSyslogFacility", "facility:any", syslog_facility, DOC("Syslog facility, by name or number."),
		DOC("setSyslogFacility(\"daemon\")")},
	{"setStructuredLogging", "on:bool options:opts?", structured_logging,
		DOC("key=value log lines; levelPrefix, timeFormat, backend (default, json)."),
		DOC("setStructuredLogging(true, {timeFormat=\"numeric\"})")},
	{NULL, NULL, NULL, NULL, NULL},
};
