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

static void value_at(
	lua_State *L, int index, struct arg *out, struct arena *a, const char *word, int depth);

static void *value_memory(lua_State *L, struct arena *a, size_t size, const char *word)
{
	void *p = arena_alloc(a, size);

	if (!p)
		lua_no_memory(L, word);
	return p;
}

/* Is the key at the top's table part of its list 1 … n? */
static bool in_list(lua_State *L, int key, size_t n)
{
	double k = lua_type(L, key) == LUA_TNUMBER ? lua_tonumber(L, key) : 0;

	return k >= 1 && k <= (double)n && k == floor(k);
}

static const char *key_text(lua_State *L, int key, struct arena *a, const char *word)
{
	char buf[32];
	char *p;

	if (lua_type(L, key) == LUA_TSTRING)
		return lua_tostring(L, key); /* the table keeps it */
	if (lua_type(L, key) != LUA_TNUMBER)
		lua_fail(L, word, "a table key is a %s, expected a name or a number",
			luaL_typename(L, key));
	snprintf(buf, sizeof(buf), "%.14g", lua_tonumber(L, key));
	p = value_memory(L, a, strlen(buf) + 1, word);
	return strcpy(p, buf);
}

static void table_at(
	lua_State *L, int index, struct arg *out, struct arena *a, const char *word, int depth)
{
	size_t n = lua_objlen(L, index), pairs = 0, at = 0;
	struct arg *v = value_memory(L, a, (n + 1) * sizeof(*v), word);
	struct arg_pair *pair;

	for (size_t i = 0; i < n; i++, lua_pop(L, 1)) {
		lua_rawgeti(L, index, (int)i + 1);
		value_at(L, lua_gettop(L), &v[i], a, word, depth);
	}
	for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1))
		pairs += !in_list(L, lua_gettop(L) - 1, n);
	pair = value_memory(L, a, (pairs + 1) * sizeof(*pair), word);
	for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
		int key = lua_gettop(L) - 1;

		if (in_list(L, key, n) || at == pairs)
			continue;
		pair[at].key = key_text(L, key, a, word);
		value_at(L, key + 1, &pair[at++].value, a, word, depth);
	}
	qsort(pair, at, sizeof(*pair), by_key);
	*out = (struct arg){.kind = ARG_TABLE, .t = {.v = v, .n = n, .pair = pair, .pairs = at}};
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
static void value_at(
	lua_State *L, int index, struct arg *out, struct arena *a, const char *word, int depth)
{
	const char *type;
	void *p;

	luaL_checkstack(L, 8, "out of memory");
	switch (lua_type(L, index)) {
	case LUA_TBOOLEAN:
		*out = (struct arg){.kind = ARG_BOOL, .b = lua_toboolean(L, index)};
		return;
	case LUA_TNUMBER:
		*out = (struct arg){.kind = ARG_NUM, .n = lua_tonumber(L, index)};
		return;
	case LUA_TSTRING:
		*out = (struct arg){.kind = ARG_STR};
		out->s.p = lua_tolstring(L, index, &out->s.len);
		return;
	case LUA_TTABLE:
		if (depth >= VALUE_DEPTH)
			lua_fail(L, word, "tables inside tables go deeper than %d", VALUE_DEPTH);
		table_at(L, index, out, a, word, depth + 1);
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
		lua_fail(L, word, "got %s that cannot be used here", type ? type : "a userdata");
		return;
	default:
		*out = (struct arg){.kind = ARG_NIL};
	}
}

void lua_value(lua_State *L, int index, struct arg *out, struct arena *a, const char *word)
{
	value_at(L, index < 0 && index > LUA_REGISTRYINDEX ? lua_gettop(L) + index + 1 : index, out,
		a, word, 0);
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
