/* words_config.c: settings, sizes, included files. */
#include "lua_priv.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#define WORD(name) \
	static int name(lua_State *L, const struct word *w, const struct arg *argv UNUSED, \
		size_t argc UNUSED)

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

/* set_option: the same for one key of a word's table. */
static void set_option(lua_State *L, const char *word, const char *key, const char *name, const struct arg *value)
{
	char both[64];

	snprintf(both, sizeof(both), "%s: %s", word, key);
	set_field(L, both, name, value);
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
	if (lua_isnoneornil(L, 1))
		return lua_fail(L, f->name, "argument 1 (value): got nothing, expected a value");
	arena = lua_arena(L);
	lua_value(L, 1, &value, arena, f->name);
	set_field(L, f->name, f->name, &value);
	arena_free(arena);
	set = &lua_draft(L)->set;
	if (f->offset ==
		offsetof(struct settings, tcp_idle_backend2)) /* two names of one setting */
		set->tcp_idle_backend = set->tcp_idle_backend2;
	else if (f->offset == offsetof(struct settings, tcp_idle_backend))
		set->tcp_idle_backend2 = set->tcp_idle_backend;
	else if (f->offset == offsetof(struct settings, doh_threads))
		set->doh_threads_said = true; /* 0 is not the same as nothing */
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
	return t == FIELD_BOOL	   ? "value:bool"
	       : t == FIELD_U32	   ? "value:uint"
	       : t == FIELD_DOUBLE ? "value:num"
				   : "value:str";
}

void lua_each_setting(void (*fn)(void *, const char *word, const char *spec, const char *doc,
			      const char *example),
	void *ctx)
{
	char example[160];

	for (size_t i = 0; i < setting_field_count; i++) {
		const struct field *f = &setting_fields[i];
		const char *quote = f->type == FIELD_STR ? "\"" : "";

		if (!is_word(f))
			continue;
		snprintf(example, sizeof(example), "%s(%s%s%s)", f->name, quote,
			f->absent ? f->absent : "", quote);
		fn(ctx, f->name, setting_spec((enum field_type)f->type), DOC_TEXT(f->doc), DOC_TEXT(f->doc) ? example : NULL);
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
			lua_unknown_of(L, w->name, table->t.pair[i].key,
				HINT("recordQueries\0recordResponses\0samplingRate\0lockRetries\0"));
			continue;
		}
		if (rows[r].field && strcmp(rows[r].key, "samplingRate") != 0)
			lua_only_at_start(L, w->name);
		if (rows[r].field)
			set_option(L, w->name, rows[r].key, rows[r].field, &table->t.pair[i].value);
	}
	return 0;
}

WORD(hedging)
{
	const struct arg *table = &argv[0];

	for (size_t i = 0; i < table->t.pairs; i++) {
		const struct arg_pair *p = &table->t.pair[i];
		const char *field = strcmp(p->key, "delay") == 0     ? "setHedging_delay_"
				    : strcmp(p->key, "percent") == 0 ? "setHedging_percent_"
								     : NULL;

		if (field)
			set_option(L, w->name, p->key, field, &p->value);
		else
			lua_unknown_of(L, w->name, p->key, HINT("delay\0percent\0"));
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
			"argument 1 (layout): got '%s', expected collapsed, sharded or split",
			argv[0].s.p);
	set_field(L, w->name, "setWorkerLayout_", &argv[0]);
	if (arg_given(&argv[1]))
		set_field(L, w->name, "setWorkerCount_", &argv[1]);
	if (arg_num(&argv[1], 1) != 1 && strcmp(argv[0].s.p, "sharded") != 0)
		lua_warn_at(L, w->name, "workers: %.0f is ignored: only sharded counts them", argv[1].n);
	return 0;
}

WORD(retain)
{
	struct field_list *list = &lua_draft(L)->capabilities;
	char **v;

	lua_only_at_start(L, w->name);
	v = mem_resize(list->v, (list->n + argv[0].t.n + 1) * sizeof(*v));
	if (!v)
		return lua_no_memory(L, w->name);
	list->v = v;
	for (size_t i = 0; i < argv[0].t.n; i++) {
		v[list->n] = mem_strdup(argv[0].t.v[i].s.p);
		if (!v[list->n])
			return lua_no_memory(L, w->name);
		list->n++;
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
	const char *dir = argv[0].s.p,
		   *slash = argv[0].s.len && dir[argv[0].s.len - 1] == '/' ? "" : "/";
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
	{"includeDirectory", "path:str", include_directory,
		DOC("Runs the *.conf files of a directory in order of name."),
		DOC("includeDirectory(\"/dev\")")},
	{"addCapabilitiesToRetain", "names:strs", retain,
		DOC("Linux capabilities to keep after start."),
		DOC("addCapabilitiesToRetain(\"CAP_NET_BIND_SERVICE\")")},
	{"setRingBuffersSize", "entries:uint shards:uint?", ring_size,
		DOC("How many queries and how many answers are remembered; 0: none."),
		DOC("setRingBuffersSize(1000)")},
	{"setRingBuffersOptions", "options:opts", ring_options,
		DOC("recordQueries, recordResponses, samplingRate."),
		DOC("setRingBuffersOptions({recordResponses=false})")},
	{"setRingBuffersLockRetries", "retries:uint", accepted, DOC("Accepted for compatibility."),
		DOC("setRingBuffersLockRetries(5)")},
	{"setHedging", "options:opts", hedging,
		DOC("Own: a query that waits for its backend longer than delay (milliseconds, 0: never) is sent to a second one of its pool, too, at most percent (10) of all."),
		DOC("setHedging({delay=300, percent=5})")},
	{"getRingBuffersSamplingRate", "", ring_sampling,
		DOC("One query in this many is remembered."), DOC("getRingBuffersSamplingRate()")},
	{"setUDPSocketBufferSizes", "receive:uint send:uint", udp_buffers,
		DOC("Bytes of socket buffers; 0: automatic."),
		DOC("setUDPSocketBufferSizes(0, 0)")},
	{"setWHashedPertubation", "seed:uint", perturbation,
		DOC("Older spelling of setWHashedPerturbation()."),
		DOC("setWHashedPertubation(7)")},
	{"setWorkerLayout", "layout:str workers:uint?", worker_layout,
		DOC("Own: collapsed (one thread), sharded (a thread for each CPU, or so many workers) or split (a thread for each job)."),
		DOC("setWorkerLayout(\"collapsed\")")},
	{"setSecurityPollSuffix", "suffix:str", accepted,
		DOC("Accepted: there is no security polling."), DOC("setSecurityPollSuffix(\"\")")},
	{"setSecurityPollInterval", "seconds:uint", accepted,
		DOC("Accepted: there is no security polling."),
		DOC("setSecurityPollInterval(3600)")},
	{.name = NULL},
};
