/* lua.c: the life of a Lua state: made for one configuration, entered under its lock, closed when nothing needs it. */
#include "log.h"
#include "lua_priv.h"
#include <stdio.h>
#include <stdlib.h>

struct lua_kept {
	struct lua_kept *next;
	void *p;
	void (*free)(void *);
};

static const char self_key; /* its address is the key in the registry */

const struct word *const lua_words[] = {config_words, access_words, log_words, server_words,
	policy_words, pool_words, cache_words, rule_words, stat_words, top_words, value_words, function_words,
	misc_words, net_words, listener_words, tls_words, doh_words, NULL};

static const struct class *const classes[] = {&class_name, &class_nameset, &class_suffixset,
	&class_netset, &class_netmask, &class_addr, &class_selector, &class_action, &class_cache,
	&class_server, &class_pool, &class_policy, &class_dq, &class_dr, &class_rule, &class_header,
	&class_bucket, &class_svc, &class_bind};
static const struct class *const *const more_classes[] = {tls_classes, doh_classes};

/* ---- life ---- */

struct lua *lua_self(lua_State *L)
{
	struct lua *l;

	lua_pushlightuserdata(L, (void *)(uintptr_t)&self_key);
	lua_rawget(L, LUA_REGISTRYINDEX);
	l = lua_touserdata(L, -1);
	lua_pop(L, 1);
	MAGIC_CHECK(l, LUA_MAGIC);
	return l;
}

struct lua *lua_ref(struct lua *l)
{
	atomic_fetch_add_explicit(&l->refs, 1, memory_order_relaxed);
	return l;
}

void lua_unref(struct lua **lp)
{
	struct lua *l = *lp;

	*lp = NULL;
	if (!l)
		return;
	MAGIC_CHECK(l, LUA_MAGIC);
	if (atomic_fetch_sub_explicit(&l->refs, 1, memory_order_acq_rel) != 1)
		return;
	must(!l->L);
	pthread_mutex_destroy(&l->lock);
	text_free(&l->log_out);
	l->magic = 0;
	mem_free(l);
}

int lua_keep(struct lua *l, void *p, void (*free_fn)(void *))
{
	struct lua_kept *k = mem_alloc(sizeof(*k));

	if (!k)
		return -ENOMEM;
	*k = (struct lua_kept){.next = l->kept, .p = p, .free = free_fn};
	l->kept = k;
	return 0;
}

static void close_state(struct lua *l)
{
	pthread_mutex_lock(&l->lock);
	if (l->callbacks_free)
		l->callbacks_free(l);
	while (l->kept) {
		struct lua_kept *k = l->kept;

		l->kept = k->next;
		k->free(k->p);
		mem_free(k);
	}
	lua_close(l->L);
	l->L = NULL;
	pthread_mutex_unlock(&l->lock);
}

/* What struct conf calls when it is freed. */
static void conf_leaves(void *p)
{
	struct lua *l = p;

	MAGIC_CHECK(l, LUA_MAGIC);
	if (atomic_fetch_sub_explicit(&l->confs, 1, memory_order_acq_rel) == 1)
		close_state(l);
	lua_unref(&l);
}

static void conf_retains(void *p)
{
	struct lua *l = lua_ref(p);

	atomic_fetch_add_explicit(&l->confs, 1, memory_order_relaxed);
}

static void conf_joins(struct lua *l, struct conf *c)
{
	c->lua = l;
	c->lua_retain = conf_retains;
	c->lua_release = conf_leaves;
	conf_retains(l);
}

static int panic(lua_State *L)
{
	log_error(LUA, "unprotected error: %s", lua_tostring(L, -1));
	return 0; /* Lua aborts */
}

/* One reference: the caller's.  Nobody holds the lua_State yet. */
static struct lua *lua_make(const struct host *host)
{
	struct lua *l = mem_zalloc(sizeof(*l));
	pthread_mutexattr_t attr;

	if (!l)
		return NULL;
	l->magic = LUA_MAGIC;
	l->refs = 1;
	l->host = host;
	lua_frames_known();
	l->L = luaL_newstate();
	if (!l->L) {
		mem_free(l);
		return NULL;
	}
	lua_atpanic(l->L, panic);
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(&l->lock, &attr);
	pthread_mutexattr_destroy(&attr);
	rng_init(&l->rng);
	return l;
}

/* ---- entering and leaving ---- */

void lua_enter(struct lua *l)
{
	pthread_mutex_lock(&l->lock);
	l->depth++;
}

/* Publishes what the words changed.  0 or -EINVAL. */
static int publish(struct lua *l, const char **error_r)
{
	struct conf *draft = l->draft;
	bool dirty = l->draft_dirty;

	if (!l->loaded || !draft)
		return 0;
	l->draft = NULL;
	l->draft_dirty = false;
	if (l->seen)
		conf_free(&l->seen);
	if (!dirty || !l->host->publish) {
		conf_free(&draft);
		return dirty ? error_set(
				       error_r, "the running configuration cannot be changed here")
			     : 0;
	}
	if (conf_freeze(draft, error_r) < 0) {
		conf_free(&draft);
		return -EINVAL;
	}
	return l->host->publish(l->host->ctx, draft, error_r) < 0 ? -EINVAL : 0;
}

void lua_leave(struct lua *l)
{
	const char *error = "";

	if (l->depth == 1) {
		if (publish(l, &error) < 0)
			log_error(LUA, "a change of the configuration was refused: %s", error);
		if (l->seen)
			conf_free(&l->seen);
		lua_flush_out(l);
	}
	l->depth--;
	pthread_mutex_unlock(&l->lock);
}

static struct conf *seen_conf(lua_State *L)
{
	struct lua *l = lua_self(L);

	if (!l->seen && l->host->current)
		l->seen = l->host->current(l->host->ctx);
	if (!l->seen)
		luaL_error(L, "there is no running configuration");
	return l->seen;
}

struct conf *lua_draft(lua_State *L)
{
	struct lua *l = lua_self(L);

	const struct conf *now;

	if (!l->draft) {
		now = seen_conf(L);
		if (now->lua != l) /* a reload came between */
			luaL_error(L, "the running configuration is another one by now");
		l->draft = conf_copy(now);
		if (!l->draft)
			luaL_error(L, "out of memory");
	}
	l->draft_dirty = true;
	return l->draft;
}

const struct conf *lua_conf(lua_State *L)
{
	struct lua *l = lua_self(L);

	return l->draft ? l->draft : seen_conf(L);
}

/* ---- loading ---- */

static int arena_gc(lua_State *L)
{
	arena_free(lua_touserdata(L, 1));
	return 0;
}

struct arena *lua_arena(lua_State *L)
{
	struct arena *a = lua_newuserdata(L, sizeof(*a));

	arena_init(a, 1024);
	luaL_getmetatable(L, "arena");
	lua_setmetatable(L, -2);
	return a;
}

static void prepare(lua_State *L, struct lua *l)
{
	lua_pushlightuserdata(L, (void *)(uintptr_t)&self_key);
	lua_pushlightuserdata(L, l);
	lua_rawset(L, LUA_REGISTRYINDEX);
	luaL_newmetatable(L, "arena");
	lua_pushcfunction(L, arena_gc);
	lua_setfield(L, -2, "__gc");
	lua_pop(L, 1);
	luaL_openlibs(L);
	for (size_t i = 0; i < LEN(classes); i++)
		lua_class(L, classes[i]);
	for (size_t i = 0; i < LEN(more_classes); i++)
		for (const struct class *const *c = more_classes[i]; *c; c++)
			lua_class(L, *c);
	for (size_t i = 0; lua_words[i]; i++)
		lua_register_words(L, lua_words[i]);
	lua_register_settings(L);
	lua_register_chains(L);
	lua_register_rows(L);
	lua_register_policies(L);
	lua_register_constants(L);
	lua_register_absent(L);
}

struct load {
	struct lua *lua;
	const char *path, *text;
};

static int load_protected(lua_State *L)
{
	struct load *load = lua_touserdata(L, 1);
	int rc;

	prepare(L, load->lua);
	lua_pushcfunction(L, lua_traced);
	if (load->text) {
		lua_pushfstring(L, "@%s", load->path);
		rc = luaL_loadbuffer(L, load->text, strlen(load->text), lua_tostring(L, -1));
		lua_remove(L, -2);
	} else {
		rc = luaL_loadfile(L, load->path);
	}
	lua_note_undefined(L);
	if (rc == 0)
		rc = lua_pcall(L, 0, 0, -2);
	if (rc) {
		lua_error_path(L, load->path);
		return lua_error(L);
	}
	lua_functions_loaded(load->lua);
	lua_gc(L, LUA_GCCOLLECT, 0);
	lua_gc(L, LUA_GCCOLLECT, 0); /* what the first round finalised */
	return 0;
}

/* Closes the state of |c| when nothing in it needs Lua. */
static void let_go(struct conf *c, struct lua *l)
{
	if (l->held || l->host->keep)
		return;
	c->lua = NULL;
	c->lua_retain = NULL;
	c->lua_release = NULL;
	conf_leaves(l);
}

struct conf *bind_load(
	const char *path, const char *text, const struct host *host, const char **error_r)
{
	struct conf *c = conf_new(error_r);
	struct lua *l = c ? lua_make(host) : NULL;
	struct load load = {.lua = l, .path = path, .text = text};
	const char *msg;

	if (!l) {
		if (c) {
			conf_free(&c);
			error_set(error_r, "out of memory");
		}
		return NULL;
	}
	conf_joins(l, c);
	lua_enter(l);
	l->draft = c;
	if (lua_cpcall(l->L, load_protected, &load) != 0) {
		msg = lua_tostring(l->L, -1);
		error_set(error_r, "%s", msg ? msg : "unknown error");
		l->draft = NULL;
		lua_leave(l);
		conf_free(&c);
		lua_unref(&l);
		return NULL;
	}
	l->draft = NULL;
	l->draft_dirty = false;
	l->loaded = true;
	lua_leave(l);
	let_go(c, l);
	lua_unref(&l);
	mem_trim();
	return c;
}

bool bind_has_lua(const struct conf *c)
{
	return c->lua != NULL;
}

/* ---- running code while the daemon runs ---- */

static void print_value(lua_State *L, int index, struct text *out)
{
	if (luaL_callmeta(L, index, "__tostring"))
		lua_replace(L, index < 0 ? index - 1 : index);
	if (lua_isstring(L, index)) {
		size_t len;
		const char *s = lua_tolstring(L, index, &len);

		text_add_bytes(out, s, len);
	} else if (lua_isboolean(L, index)) {
		text_add(out, lua_toboolean(L, index) ? "true" : "false");
	} else {
		text_add(out, luaL_typename(L, index));
	}
}

static int by_key(const void *a, const void *b)
{
	const char *const *x = a, *const *y = b;

	return strcmp(*x, *y);
}

/* The list part one a line, then "key<TAB>value" in order of key. */
static void print_table(lua_State *L, int index, struct text *out)
{
	size_t n = lua_objlen(L, index), keys = 0, cap = 0;
	struct arena *a = lua_arena(L);
	const char **key;

	for (size_t i = 1; i <= n; i++, lua_pop(L, 1)) {
		lua_rawgeti(L, index, (int)i);
		print_value(L, lua_gettop(L), out);
		text_add(out, "\n");
	}
	for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1))
		cap += lua_type(L, -2) == LUA_TSTRING;
	key = arena_alloc(a, cap * sizeof(*key) + 1);
	if (!key)
		luaL_error(L, "out of memory");
	for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
		if (lua_type(L, -2) == LUA_TSTRING && keys < cap)
			key[keys++] = lua_tostring(L, -2);
	}
	qsort(key, keys, sizeof(*key), by_key);
	for (size_t i = 0; i < keys; i++, lua_pop(L, 1)) {
		lua_getfield(L, index, key[i]);
		text_addf(out, "%s\t", key[i]);
		print_value(L, lua_gettop(L), out);
		text_add(out, "\n");
	}
	arena_free(a);
	lua_pop(L, 1);
}

static void print_results(lua_State *L, int first, struct text *out)
{
	for (int i = first, last = lua_gettop(L); i <= last; i++) {
		if (lua_isnil(L, i))
			continue;
		if (lua_istable(L, i)) {
			print_table(L, i, out);
			continue;
		}
		print_value(L, i, out);
		if (out->len && out->p[out->len - 1] != '\n')
			text_add(out, "\n");
	}
}

static int run_protected(lua_State *L)
{
	const char *code = lua_touserdata(L, 1);
	int base;

	lua_pushcfunction(L, lua_traced);
	base = lua_gettop(L);
	lua_pushfstring(L, "return %s", code);
	if (luaL_loadbuffer(L, lua_tostring(L, -1), lua_objlen(L, -1), "=console") != 0) {
		lua_settop(L, base);
		if (luaL_loadbuffer(L, code, strlen(code), "=console") != 0)
			return lua_error(L);
	} else {
		lua_remove(L, -2);
	}
	if (lua_pcall(L, 0, LUA_MULTRET, base) != 0)
		return lua_error(L);
	luaL_checkstack(L, 10, "out of memory");
	print_results(L, base + 1, lua_self(L)->out);
	return 0;
}

int bind_run(struct conf *c, const char *code, struct text *out, const char **error_r)
{
	struct lua *l = c->lua;
	struct text *before;
	int rc = 0;

	if (!l) {
		error_set(error_r, "the configuration holds no Lua code: its state is closed");
		return -ENOENT;
	}
	MAGIC_CHECK(l, LUA_MAGIC);
	lua_ref(l);
	lua_enter(l);
	before = l->out;
	l->out = out;
	if (!l->seen && !l->host->current)
		l->seen = conf_ref(c);
	if (lua_cpcall(l->L, run_protected, (void *)(uintptr_t)code) != 0) {
		const char *msg = lua_tostring(l->L, -1);

		rc = error_set(error_r, "%s", msg ? msg : "unknown error");
		lua_pop(l->L, 1);
		if (l->draft && l->depth == 1) { /* half a change is no change */
			conf_free(&l->draft);
			l->draft_dirty = false;
		}
	} else if (l->depth == 1) {
		rc = publish(l, error_r);
	}
	l->out = before;
	lua_leave(l);
	lua_unref(&l);
	return rc;
}

void bind_words(void (*fn)(void *, const char *word, const char *spec, const char *doc,
			const char *example),
	void *ctx)
{
	for (size_t i = 0; lua_words[i]; i++) {
		for (const struct word *w = lua_words[i]; w->name; w++)
			fn(ctx, w->name, w->spec, DOC_TEXT(w->doc), DOC_TEXT(w->example));
	}
	lua_each_chain_word(fn, ctx);
	lua_each_setting(fn, ctx);
	lua_each_row(fn, ctx);
}

const struct language bind_language = {
	.load = bind_load,
	.maintenance = bind_maintenance,
	.exit = bind_exit,
	.health_question = bind_health_question,
	.health_validate = bind_health_validate,
	.server_changed = bind_server_changed,
};
