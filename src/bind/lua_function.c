/* lua_function.c: Lua functions that outlive the call that gave them: how they are kept and called, and those that
 * the daemon calls by itself: maintenance(), exit and state-change callbacks, health checks. */
#include "function.h"
#include "message.h"
#include <stdarg.h>
#include <stdio.h>

/* ---- what a state keeps ---- */
static void calls_free(struct lua *l)
{
	struct lua_calls *calls = l->callbacks;

	for (size_t k = 0; k < CALLBACK_KINDS; k++) {
		for (size_t i = 0; i < calls->list[k].n; i++)
			lua_func_free(&calls->list[k].v[i]);
		mem_free(calls->list[k].v);
	}
	l->callbacks = NULL;
	mem_free(calls);
}

static struct lua_calls *calls_of(lua_State *L)
{
	struct lua *l = lua_self(L);

	if (!l->callbacks) {
		l->callbacks = mem_zalloc(sizeof(struct lua_calls));
		if (!l->callbacks)
			luaL_error(L, "out of memory");
		l->callbacks_free = calls_free;
	}
	return l->callbacks;
}

int calls_add(struct lua *l, enum callback_kind kind, struct lua_func *f)
{
	struct lua_calls *calls = l->callbacks;
	struct lua_func **v = mem_resize(calls->list[kind].v, (calls->list[kind].n + 1) * sizeof(struct lua_func *));

	if (!v)
		return -ENOMEM;
	v[calls->list[kind].n++] = f;
	calls->list[kind].v = v;
	return 0;
}

void calls_forget(struct lua *l, enum callback_kind kind)
{
	struct lua_calls *calls = l->callbacks;

	while (calls && calls->list[kind].n)
		lua_func_free(&calls->list[kind].v[--calls->list[kind].n]);
}

/* ---- errors ---- */
static void log_row(struct lua *l, const char *word, const char *where, const char *what)
{
	uint64_t now_ms = l->host->now_ms ? l->host->now_ms(l->host->ctx) : 0;
	struct lua_calls *calls = l->callbacks;

	if (!calls)
		log_error(LUA, "%s%s: %s", word, where, what);
	else
		log_limited(&calls->errors, now_ms, LOG_ERR_, TAG_LUA, "%s%s: %s", word, where, what);
}

void row_log(const struct lua_func *f, const char *word, const char *fmt, ...)
{
	char what[512], where[160];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	snprintf(where, sizeof(where), " (%s)", f->where);
	log_row(f->lua, word, where, what);
}

/* The message has its file and line from Lua; one that is not a string has none and is not converted (that could
 * raise an error itself). */
void lua_row_error(lua_State *L, const char *word)
{
	const char *message = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "an error that is not a string";

	log_row(lua_self(L), word, "", message);
	lua_pop(L, 1);
}

/* ---- functions ---- */
static char *where_of(lua_State *L, int index)
{
	char text[LUA_IDSIZE + 16];
	lua_Debug ar;

	lua_pushvalue(L, index);
	lua_getinfo(L, ">S", &ar);
	if (ar.linedefined > 0)
		snprintf(text, sizeof(text), "%s:%d", ar.short_src, ar.linedefined);
	else
		snprintf(text, sizeof(text), "%s", ar.short_src);
	return mem_strdup(text);
}

struct lua_func *lua_func_new(lua_State *L, int index)
{
	struct lua *l = lua_self(L);
	struct lua_func *f;
	int ref;

	luaL_checktype(L, index, LUA_TFUNCTION);
	calls_of(L);
	lua_message_prepare(L);
	lua_pushvalue(L, index);
	ref = luaL_ref(L, LUA_REGISTRYINDEX);
	f = mem_zalloc(sizeof(*f));
	if (f)
		f->where = where_of(L, index);
	if (!f || !f->where) {
		mem_free(f);
		luaL_unref(L, LUA_REGISTRYINDEX, ref);
		luaL_error(L, "out of memory");
		return NULL;
	}
	f->magic = LUA_MAGIC;
	f->ref = ref;
	f->lua = lua_ref(l);
	l->held++;
	return f;
}

void lua_func_free(struct lua_func **fp)
{
	struct lua_func *f = *fp;
	struct lua *l;

	*fp = NULL;
	if (!f)
		return;
	MAGIC_CHECK(f, LUA_MAGIC);
	l = f->lua;
	lua_enter(l);
	if (l->L)
		luaL_unref(l->L, LUA_REGISTRYINDEX, f->ref);
	l->held--;
	lua_leave(l);
	f->magic = 0;
	mem_free(f->where);
	mem_free(f);
	lua_unref(&l);
}

lua_State *lua_func_push(const struct lua_func *f)
{
	MAGIC_CHECK(f, LUA_MAGIC);
	lua_enter(f->lua);
	if (!f->lua->L) { /* the state was closed: only functions that outlive their configuration get here */
		lua_leave(f->lua);
		return NULL;
	}
	lua_rawgeti(f->lua->L, LUA_REGISTRYINDEX, f->ref);
	return f->lua->L;
}

/* ---- what the daemon calls ---- */
void lua_functions_loaded(struct lua *l)
{
	lua_getfield(l->L, LUA_GLOBALSINDEX, "maintenance");
	if (lua_isfunction(l->L, -1))
		l->held++;
	lua_pop(l->L, 1);
	calls_of(l->L);
}

struct callback {
	enum callback_kind kind;
	const struct server *server;
	bool up;
	const uint8_t *key; /* of session tickets */
	size_t key_len;
};

static int push_arguments(lua_State *L, const struct callback *c)
{
	if (c->server) {
		lua_pushstring(L, server_name(c->server));
		lua_pushboolean(L, c->up);
	} else if (c->key) {
		lua_pushlstring(L, (const char *)c->key, c->key_len);
		lua_pushinteger(L, (lua_Integer)c->key_len);
	}
	return c->server || c->key ? 2 : 0;
}

/* Calls each function of a kind; an error of one does not keep the others from being called. */
static int run_callbacks(lua_State *L)
{
	const struct callback *c = lua_touserdata(L, 1);
	struct lua *l = lua_self(L);
	struct lua_calls *calls = l->callbacks;

	for (size_t i = 0; calls && i < calls->list[c->kind].n; i++) {
		lua_rawgeti(L, LUA_REGISTRYINDEX, calls->list[c->kind].v[i]->ref);
		if (lua_pcall(L, push_arguments(L, c), 0, 0) != 0)
			lua_row_error(L, "callback");
	}
	return 0;
}

static int run_maintenance(lua_State *L)
{
	lua_getfield(L, LUA_GLOBALSINDEX, "maintenance");
	if (lua_isfunction(L, -1) && lua_pcall(L, 0, 0, 0) != 0)
		lua_row_error(L, "maintenance");
	return 0;
}

static void run(struct conf *conf, lua_CFunction fn, struct callback *c)
{
	struct lua *l = conf->lua;

	if (!l)
		return;
	MAGIC_CHECK(l, LUA_MAGIC);
	lua_enter(l);
	if (lua_cpcall(l->L, fn, c) != 0)
		lua_row_error(l->L, "callback");
	lua_leave(l);
}

void bind_maintenance(struct conf *conf)
{
	struct callback c = {.kind = CALLBACK_MAINTENANCE};

	run(conf, run_maintenance, &c);
	run(conf, run_callbacks, &c);
}

void bind_exit(struct conf *conf)
{
	struct callback c = {.kind = CALLBACK_EXIT};

	run(conf, run_callbacks, &c);
}

void bind_server_changed(struct conf *conf, const struct server *s, bool up)
{
	struct callback c = {.kind = CALLBACK_SERVER_STATE, .server = s, .up = up};

	run(conf, run_callbacks, &c);
}

void function_ticket_key(void *ctx, const uint8_t *key, size_t len)
{
	const struct host *h = ctx;
	struct callback c = {.kind = CALLBACK_TICKET_KEY, .key = key, .key_len = len};
	struct conf *now = h->current ? h->current(h->ctx) : NULL;

	if (now) {
		run(now, run_callbacks, &c);
		conf_free(&now);
	}
}

/* ---- health checks ---- */
struct question_call {
	const struct server *server;
	const struct lua_func *f;
	struct name *name;
	unsigned *qtype, *qclass;
};

static int code_result(lua_State *L, int index, const char *what)
{
	double n = lua_isnumber(L, index) ? lua_tonumber(L, index) : -1;

	if (!(n >= 0 && n <= UINT16_MAX))
		return luaL_error(L, "returned a %s as %s, expected a number", luaL_typename(L, index), what);
	return (int)n;
}

/* The question as configured goes in; a header goes along because the language says so, changes to it are lost. */
static int ask_question(lua_State *L)
{
	const struct question_call *c = lua_touserdata(L, 1);
	const struct server_conf *conf = &c->server->conf;
	static const uint8_t header[DNS_HEADER] = {0, 0, DNS_RD >> 8, 0, 0, 1};
	const struct name *n;
	struct name name;
	int qtype = qtype_from_text(conf->check_type);
	unsigned got_type, got_class;

	if (name_from_text(&name, conf->check_name, strlen(conf->check_name)) < 0)
		return luaL_error(L, "checkName is not a name");
	lua_rawgeti(L, LUA_REGISTRYINDEX, c->f->ref);
	value_push_name(L, &name);
	lua_pushinteger(L, qtype < 0 ? QTYPE_A : qtype);
	lua_pushinteger(L, (lua_Integer)conf->check_class);
	value_push_header(L, header, NULL);
	lua_call(L, 4, 3);
	n = lua_to_obj(L, -3, OBJ_NAME);
	if (n)
		name = *n;
	else if (lua_type(L, -3) != LUA_TSTRING || name_from_text(&name, lua_tostring(L, -3), lua_objlen(L, -3)) < 0)
		return luaL_error(L, "returned a %s as the name, expected a DNSName", luaL_typename(L, -3));
	got_type = (unsigned)code_result(L, -2, "the type");
	got_class = (unsigned)code_result(L, -1, "the class");
	*c->name = name;
	*c->qtype = got_type;
	*c->qclass = got_class;
	return 0;
}

bool bind_health_question(const struct server *s, struct name *name, unsigned *qtype, unsigned *qclass)
{
	const struct lua_func *f = s->conf.check_function;
	struct question_call c = {s, f, name, qtype, qclass};
	lua_State *L = f ? lua_func_push(f) : NULL;
	bool ok;

	if (!L)
		return false;
	lua_pop(L, 1);
	ok = lua_cpcall(L, ask_question, &c) == 0;
	if (!ok)
		lua_row_error(L, "checkFunction");
	lua_leave(f->lua);
	return ok;
}

/* The reply is shown to the validator as a DNSResponse. */
static bool ask_validator(const struct lua_func *f, struct dq *dq, bool *ok_r)
{
	lua_State *L = lua_func_push(f);
	bool said;

	if (!L)
		return false;
	lua_message_push(L, dq);
	said = lua_pcall(L, 1, 1, 0) == 0;
	if (said) {
		*ok_r = lua_toboolean(L, -1);
		lua_pop(L, 1);
	} else {
		lua_row_error(L, "healthCheckResponseValidator");
	}
	lua_message_done(L);
	lua_leave(f->lua);
	return said;
}

bool bind_health_validate(const struct server *s, const uint8_t *msg, size_t len, bool *ok_r)
{
	const struct lua_func *f = __atomic_load_n(&s->conf.validator, __ATOMIC_ACQUIRE);
	struct question question;
	struct dq dq = {.len = len, .cap = len, .question = &question, .remote = &s->addr, .pool = "",
		.is_response = true, .temp_failure_ttl = -1};
	bool said = false;

	if (!f || len < DNS_HEADER || question_parse(&question, msg, len) < 0)
		return false;
	dq.msg = mem_dup(msg, len);
	if (dq.msg)
		said = ask_validator(f, &dq, ok_r);
	dq_free_marks(&dq);
	mem_free(dq.msg);
	return said;
}
