/* lua_value.c: any Lua value to struct arg and back, tables deeply. */
#include "lua_arg.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { VALUE_DEPTH = 8 };

static int by_key(const void *a, const void *b)
{
	const struct arg_pair *x = a, *y = b;

	return strcmp(x->key, y->key);
}

struct reader {
	lua_State *L;
	struct arena *arena;
	const char *word;
	int depth;
};

static void value_at(struct reader *, int index, struct arg *out);

static void *value_memory(struct reader *r, size_t size)
{
	void *p = arena_alloc(r->arena, size);

	if (!p)
		lua_no_memory(r->L, r->word);
	return p;
}

/* Is the key at the top's table part of its list 1 … n? */
static bool in_list(lua_State *L, int key, size_t n)
{
	double k = lua_type(L, key) == LUA_TNUMBER ? lua_tonumber(L, key) : 0;

	return k >= 1 && k <= (double)n && k == floor(k);
}

static const char *key_text(struct reader *r, int key)
{
	lua_State *L = r->L;
	char buf[32];
	size_t size;

	if (lua_type(L, key) == LUA_TSTRING)
		return lua_tostring(L, key); /* the table keeps it */
	if (lua_type(L, key) != LUA_TNUMBER)
		lua_fail(L, r->word, "a table key is a %s, expected a name or a number", luaL_typename(L, key));
	size = (size_t)snprintf(buf, sizeof(buf), "%.14g", lua_tonumber(L, key)) + 1;
	return memcpy(value_memory(r, size), buf, size);
}

static void table_at(struct reader *r, int index, struct arg *out)
{
	lua_State *L = r->L;
	size_t n = lua_objlen(L, index), pairs = 0, at = 0;
	struct arg *v = value_memory(r, (n + 1) * sizeof(*v));
	struct arg_pair *pair;

	if (r->depth++ >= VALUE_DEPTH)
		lua_fail(L, r->word, "tables inside tables go deeper than %d", VALUE_DEPTH);
	for (size_t i = 0; i < n; i++, lua_pop(L, 1)) {
		lua_rawgeti(L, index, (int)i + 1);
		value_at(r, lua_gettop(L), &v[i]);
	}
	for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1))
		pairs += !in_list(L, lua_gettop(L) - 1, n);
	pair = value_memory(r, (pairs + 1) * sizeof(*pair));
	for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
		int key = lua_gettop(L) - 1;

		if (in_list(L, key, n) || at == pairs)
			continue;
		pair[at].key = key_text(r, key);
		value_at(r, key + 1, &pair[at++].value);
	}
	qsort(pair, at, sizeof(*pair), by_key);
	r->depth--;
	out->kind = ARG_TABLE;
	out->t.v = v;
	out->t.n = n;
	out->t.pair = pair;
	out->t.pairs = at;
}

static void free_kept_func(void *p)
{
	struct lua_func *f = p;

	lua_func_free(&f);
}

struct lua_func *lua_func_keep(lua_State *L, int index)
{
	struct lua_func *f = lua_func_new(L, index);

	if (f && lua_keep(lua_self(L), f, free_kept_func) < 0)
		lua_func_free(&f);
	if (!f)
		luaL_error(L, "out of memory");
	return f;
}

/* A string that may be the copy of a number: the number itself is left alone (lua_next reads it again). */
static void value_at(struct reader *r, int index, struct arg *out)
{
	lua_State *L = r->L;
	const char *type;
	void *p;

	luaL_checkstack(L, 8, "out of memory");
	switch (lua_type(L, index)) {
	case LUA_TBOOLEAN:
		out->kind = ARG_BOOL;
		out->b = lua_toboolean(L, index);
		return;
	case LUA_TNUMBER:
		out->kind = ARG_NUM;
		out->n = lua_tonumber(L, index);
		return;
	case LUA_TSTRING:
		out->kind = ARG_STR;
		out->s.p = lua_tolstring(L, index, &out->s.len);
		return;
	case LUA_TTABLE:
		table_at(r, index, out);
		return;
	case LUA_TFUNCTION:
		arg_is_obj(out, OBJ_FUNCTION, lua_func_keep(L, index));
		return;
	case LUA_TUSERDATA:
		type = lua_obj_type(L, index, &p);
		if (type && p) {
			arg_is_obj(out, type, p);
			return;
		}
		lua_fail(L, r->word, "got %s that cannot be used here", type ? type : "a userdata");
		return;
	default:
		out->kind = ARG_NIL;
	}
}

void lua_value(lua_State *L, int index, struct arg *out, struct arena *a, const char *word)
{
	struct reader r = {L, a, word, 0};

	value_at(&r, index < 0 && index > LUA_REGISTRYINDEX ? lua_gettop(L) + index + 1 : index, out);
}

void lua_push_arg(lua_State *L, const struct arg *a)
{
	luaL_checkstack(L, 4, "out of memory");
	switch (a->kind) {
	case ARG_NIL:
		lua_pushnil(L);
		return;
	case ARG_BOOL:
		lua_pushboolean(L, a->b);
		return;
	case ARG_NUM:
		lua_pushnumber(L, a->n);
		return;
	case ARG_STR:
		lua_pushlstring(L, a->s.p, a->s.len);
		return;
	case ARG_OBJ:
		arg_push_obj(L, a);
		return;
	case ARG_TABLE:
		lua_createtable(L, (int)a->t.n, (int)a->t.pairs);
		for (size_t i = 0; i < a->t.n; i++) {
			lua_push_arg(L, &a->t.v[i]);
			lua_rawseti(L, -2, (int)i + 1);
		}
		for (size_t i = 0; i < a->t.pairs; i++) {
			lua_push_arg(L, &a->t.pair[i].value);
			lua_setfield(L, -2, a->t.pair[i].key);
		}
	}
}
