/* message_read.c: what dq and dr tell about a query: content, EDNS options, times, where it came from. */
#include "message.h"
#include <time.h>

#define IGNORE_ARGS (void)argv, (void)argc

int message_get_header(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	const struct dq *dq = self;

	IGNORE_ARGS;
	value_push_header(L, dq->msg, NULL);
	return 1;
}

int message_get_content(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	const struct dq *dq = self;

	IGNORE_ARGS;
	lua_pushlstring(L, (const char *)dq->msg, dq->len);
	return 1;
}

int message_get_do(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	const struct edns *edns = dq_edns(self);

	IGNORE_ARGS;
	lua_pushboolean(L, edns->present && (edns->flags & EDNS_DO));
	return 1;
}

/* ---- EDNSOptionView: the values of one option, copied: two bytes of length, then the value, again and again ---- */
static const char OBJ_OPTION[] = "EDNSOptionView";
struct option {
	uint8_t *bytes;
	size_t len, cap, count;
};

static void option_free(void *self)
{
	struct option *o = self;

	mem_free(o->bytes);
	mem_free(o);
}

static int option_count(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	IGNORE_ARGS;
	lua_pushinteger(L, (lua_Integer)((const struct option *)self)->count);
	return 1;
}

static int option_values(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	const struct option *o = self;
	size_t at = 0;

	IGNORE_ARGS;
	lua_createtable(L, (int)o->count, 0);
	for (int i = 1; at < o->len; i++) {
		size_t len = get16(o->bytes + at);

		lua_pushlstring(L, (const char *)o->bytes + at + 2, len);
		lua_rawseti(L, -2, i);
		at += 2 + len;
	}
	return 1;
}

static const struct method option_methods[] = {
	{"count", "", option_count},
	{"getValues", "", option_values},
	{NULL, NULL, NULL},
};
const struct class class_option = {
	.type = OBJ_OPTION,
	.shown = "EDNSOptionView",
	.methods = option_methods,
	.free = option_free,
};

static int option_add(struct option *o, const uint8_t *value, size_t len)
{
	if (o->len + 2 + len > o->cap) {
		size_t cap = (o->len + 2 + len) * 2;
		uint8_t *p = mem_resize(o->bytes, cap);

		if (!p)
			return -ENOMEM;
		o->bytes = p;
		o->cap = cap;
	}
	put16(o->bytes + o->len, (unsigned)len);
	memcpy(o->bytes + o->len + 2, value, len);
	o->len += 2 + len;
	o->count++;
	return 0;
}

/* A table of views by option code. */
int message_get_options(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	struct dq *dq = self;
	const struct edns *edns = dq_edns(dq);
	size_t pos = 0, at, len;
	unsigned code;

	IGNORE_ARGS;
	lua_newtable(L);
	while (edns->present && edns_next(edns, dq->msg, &pos, &code, &at, &len)) {
		lua_rawgeti(L, -1, (int)code);
		if (lua_isnil(L, -1)) {
			lua_pop(L, 1);
			lua_push_obj(L, &class_option, mem_zalloc(sizeof(struct option)));
			lua_pushvalue(L, -1);
			lua_rawseti(L, -3, (int)code);
		}
		if (option_add(lua_to_obj(L, -1, OBJ_OPTION), dq->msg + at, len) < 0)
			return lua_fail(L, NULL, "out of memory");
		lua_pop(L, 1);
	}
	return 1;
}

int message_get_elapsed(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	const struct dq *dq = self;

	IGNORE_ARGS;
	lua_pushnumber(L, dq->now_us > dq->born_us ? (double)(dq->now_us - dq->born_us) : 0);
	return 1;
}

int message_get_interface(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	(void)self;
	IGNORE_ARGS;
	lua_pushstring(L, ""); /* sockets are not asked for the interface of each datagram */
	return 1;
}

int message_get_protocol(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	const struct dq *dq = self;

	IGNORE_ARGS;
	lua_pushstring(L, proto_shown(dq->proto));
	return 1;
}

/* getQueryTime() is wall-clock time; the core only keeps the monotonic one, so the age is taken off now. */
int message_get_time(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	const struct dq *dq = self;
	uint64_t age_us = dq->now_us > dq->born_us ? dq->now_us - dq->born_us : 0;
	struct timespec ts;
	uint64_t us;

	IGNORE_ARGS;
	clock_gettime(CLOCK_REALTIME, &ts);
	us = (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000 - age_us;
	lua_createtable(L, 0, 2);
	lua_pushnumber(L, (double)(us / 1000000));
	lua_setfield(L, -2, "tv_sec");
	lua_pushnumber(L, (double)(us % 1000000 * 1000));
	lua_setfield(L, -2, "tv_nsec");
	return 1;
}

int message_get_trailing(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	const struct dq *dq = self;
	ssize_t end = msg_end(dq->msg, dq->len);

	IGNORE_ARGS;
	if (end < 0)
		lua_pushstring(L, "");
	else
		lua_pushlstring(L, (const char *)dq->msg + end, dq->len - (size_t)end);
	return 1;
}

/* ---- what came with the message: "" where there is none ---- */
static const struct envelope *envelope_of(const struct dq *dq)
{
	static const struct envelope none = {.nfields = 0};

	return dq->envelope ? dq->envelope : &none;
}

static int push_text(lua_State *L, const char *s)
{
	lua_pushstring(L, s ? s : "");
	return 1;
}

int message_get_sni(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	IGNORE_ARGS;
	return push_text(L, envelope_of(self)->sni);
}

/* A table by name; of several fields of one name the last. */
int message_get_http_headers(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	const struct envelope *e = envelope_of(self);

	IGNORE_ARGS;
	lua_createtable(L, 0, (int)e->nfields);
	for (size_t i = 0; i < e->nfields; i++) {
		lua_pushstring(L, e->fields[i].value);
		lua_setfield(L, -2, e->fields[i].name);
	}
	return 1;
}

int message_get_http_host(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	IGNORE_ARGS;
	return push_text(L, envelope_of(self)->host);
}

int message_get_http_path(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	IGNORE_ARGS;
	return push_text(L, envelope_of(self)->path);
}

/* With its '?', as in dnsdist. */
int message_get_http_query(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	const char *query = envelope_of(self)->query;

	IGNORE_ARGS;
	if (query && *query)
		lua_pushfstring(L, "?%s", query);
	else
		lua_pushstring(L, "");
	return 1;
}

int message_get_http_scheme(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	IGNORE_ARGS;
	return push_text(L, envelope_of(self)->scheme);
}

/* What only exists for transports and features that carry it: PROXY, tracing. */
int message_empty_table(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	(void)self;
	IGNORE_ARGS;
	lua_newtable(L);
	return 1;
}

int message_nothing(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	(void)self;
	IGNORE_ARGS;
	lua_pushnil(L);
	return 1;
}

int message_get_backend(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	const struct dq *dq = self;

	IGNORE_ARGS;
	if (dq->backend)
		lua_push_obj(L, &class_server, server_ref(dq->backend));
	else
		lua_pushnil(L);
	return 1;
}

int message_get_stale(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	const struct dq *dq = self;

	IGNORE_ARGS;
	lua_pushboolean(L, dq->stale_hit);
	return 1;
}

int message_get_restarts(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	const struct dq *dq = self;

	IGNORE_ARGS;
	lua_pushinteger(L, dq->restarts);
	return 1;
}
