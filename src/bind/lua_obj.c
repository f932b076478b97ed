/* lua_obj.c: objects: userdata with a class; methods with checked arguments, attributes, tostring, ==, <.
 *
 * The metatable of a class is kept in the registry under the class's address.  Its __index looks a key up in one Lua
 * table: a function there is a method, a light userdata is a row of |attributes|. */
#include "lua_priv.h"

static const char object_mark; /* its address tells our userdata from others */

struct object {
	const void *mark;
	const struct class *class;
	void *p; /* NULL: dead */
};

/* What the object stands for now. */
static void *payload(const struct object *o)
{
	return o->p && o->class->now ? o->class->now(o->p) : o->p;
}

/* What its methods and attributes work on. */
static void *self_of(lua_State *L, const struct object *o)
{
	return o->class->self ? o->class->self(L, o->p) : payload(o);
}

static struct object *object_at(lua_State *L, int index)
{
	struct object *o = lua_touserdata(L, index);

	if (!o || lua_islightuserdata(L, index) || lua_objlen(L, index) != sizeof(*o) ||
		o->mark != &object_mark)
		return NULL;
	return o;
}

/* The living object at |index|, of |class| when that is not NULL. */
static struct object *object_alive(
	lua_State *L, int index, const struct class *class, const char *word)
{
	struct object *o = object_at(L, index);

	if (!o || (class && o->class != class))
		lua_fail(L, word, "must be called with a colon on a %s, got %s",
			class ? class->shown : "object",
			o ? o->class->shown : luaL_typename(L, index));
	if (!o->p)
		lua_fail(L, word,
			"this %s is no longer valid: it may only be used during the call that got it",
			o->class->shown);
	return o;
}

static int method_call(lua_State *L)
{
	const struct method *m = lua_touserdata(L, lua_upvalueindex(1));
	const struct class *class = lua_touserdata(L, lua_upvalueindex(2));
	const char *word = lua_tostring(L, LUA_METHOD_WORD);
	struct object *o = object_alive(L, 1, class, word);
	struct arg argv[LUA_ARGS_MAX];
	struct arena *arena = NULL;
	size_t argc;
	int pushed;

	lua_settop(L, 1 + (int)lua_tointeger(L, lua_upvalueindex(5)));
	if (lua_toboolean(L, lua_upvalueindex(3)))
		arena = lua_arena(L);
	argc = lua_args(L, word, m->spec, 2, argv, arena);
	pushed = m->call(L, self_of(L, o), argv, argc);
	if (arena)
		arena_free(arena);
	return pushed;
}

static int object_index(lua_State *L)
{
	const struct class *class = lua_touserdata(L, lua_upvalueindex(2));
	const struct attribute *a;
	struct object *o;

	lua_pushvalue(L, 2);
	lua_rawget(L, lua_upvalueindex(1));
	if (lua_isfunction(L, -1))
		return 1;
	a = lua_touserdata(L, -1);
	if (!a)
		return lua_fail(L, class->shown, "has no method or attribute '%s'",
			lua_isstring(L, 2) ? lua_tostring(L, 2) : luaL_typename(L, 2));
	o = object_alive(L, 1, class, class->shown);
	return a->get(L, self_of(L, o));
}

static int object_newindex(lua_State *L)
{
	const struct class *class = lua_touserdata(L, lua_upvalueindex(2));
	const char *key = lua_isstring(L, 2) ? lua_tostring(L, 2) : luaL_typename(L, 2);
	const struct attribute *a;
	struct arena *arena;
	struct object *o;
	struct arg value;

	lua_pushvalue(L, 2);
	lua_rawget(L, lua_upvalueindex(1));
	a = lua_isfunction(L, -1) ? NULL : lua_touserdata(L, -1);
	if (!a)
		return lua_fail(L, class->shown, "has no attribute '%s'", key);
	if (!a->set)
		return lua_fail(L, class->shown, "attribute '%s' cannot be changed", key);
	o = object_alive(L, 1, class, class->shown);
	arena = lua_arena(L);
	lua_value(L, 3, &value, arena, a->name);
	a->set(L, self_of(L, o), &value);
	arena_free(arena);
	return 0;
}

static int object_gc(lua_State *L)
{
	struct object *o = object_at(L, 1);

	if (o && o->p && o->class->free)
		o->class->free(o->p);
	if (o)
		o->p = NULL;
	return 0;
}

static int object_tostring(lua_State *L)
{
	struct object *o = object_at(L, 1);

	if (!o)
		return luaL_error(L, "not an object");
	if (o->p && o->class->tostring)
		return o->class->tostring(L, payload(o));
	lua_pushfstring(L, "%s%s", o->p ? "" : "dead ", o->class->shown);
	return 1;
}

static int object_eq(lua_State *L)
{
	const struct object *a = object_at(L, 1), *b = object_at(L, 2);
	bool same = a && b && a->class == b->class;

	if (same)
		same = payload(a) == payload(b) ||
		       (a->p && b->p && a->class->equal && a->class->equal(a->p, b->p));
	lua_pushboolean(L, same);
	return 1;
}

static int object_lt(lua_State *L)
{
	const struct object *a = object_at(L, 1), *b = object_at(L, 2);

	if (!a || !b || a->class != b->class || !a->p || !b->p)
		return luaL_error(L, "only living objects of one type can be compared");
	lua_pushboolean(L, a->class->less(a->p, b->p));
	return 1;
}

/* Adds methods to the table at the top. */
static void add_methods(lua_State *L, const struct class *class, const struct method *m)
{
	for (; m && m->name; m++) {
		lua_pushlightuserdata(L, (void *)(uintptr_t)m);
		lua_pushlightuserdata(L, (void *)(uintptr_t) class);
		lua_pushboolean(L, lua_args_need(m->spec));
		lua_pushfstring(L, "%s:%s", class->shown, m->name);
		lua_pushinteger(L, (lua_Integer)lua_args_count(m->spec));
		lua_pushcclosure(L, method_call, 5);
		lua_setfield(L, -2, m->name);
	}
}

/* Leaves the table of methods and attributes at the top. */
static void push_members(lua_State *L, const struct class *class)
{
	lua_newtable(L);
	add_methods(L, class, class->methods);
	add_methods(L, class, class->more);
	for (const struct attribute *a = class->attributes; a && a->name; a++) {
		lua_pushlightuserdata(L, (void *)(uintptr_t)a);
		lua_setfield(L, -2, a->name);
	}
}

/* Sets a metamethod that knows members and class. */
static void set_meta(
	lua_State *L, const char *name, lua_CFunction fn, int members, const struct class *class)
{
	lua_pushvalue(L, members);
	lua_pushlightuserdata(L, (void *)(uintptr_t) class);
	lua_pushcclosure(L, fn, 2);
	lua_setfield(L, members - 1, name);
}

void lua_class(lua_State *L, const struct class *class)
{
	int members;

	lua_pushlightuserdata(L, (void *)(uintptr_t) class);
	lua_newtable(L);
	push_members(L, class);
	members = lua_gettop(L);
	set_meta(L, "__index", object_index, members, class);
	set_meta(L, "__newindex", object_newindex, members, class);
	set_meta(L, "__gc", object_gc, members, class);
	set_meta(L, "__tostring", object_tostring, members, class);
	set_meta(L, "__eq", object_eq, members, class);
	if (class->less)
		set_meta(L, "__lt", object_lt, members, class);
	lua_pop(L, 1);
	lua_pushboolean(L, false);
	lua_setfield(L, -2, "__metatable"); /* for getmetatable(): metamethods are not for calling by hand */
	lua_rawset(L, LUA_REGISTRYINDEX);
}

void lua_push_obj(lua_State *L, const struct class *class, void *p)
{
	struct object *o;

	if (!p)
		luaL_error(L, "out of memory");
	luaL_checkstack(L, 3, "out of memory");
	o = lua_newuserdata(L, sizeof(*o));
	*o = (struct object){.mark = &object_mark, .class = class, .p = p};
	lua_pushlightuserdata(L, (void *)(uintptr_t) class);
	lua_rawget(L, LUA_REGISTRYINDEX);
	must(lua_istable(L, -1));
	lua_setmetatable(L, -2);
}

void *lua_to_obj(lua_State *L, int index, const char *type)
{
	const struct object *o = object_at(L, index);

	return o && o->class->type == type ? payload(o) : NULL;
}

const char *lua_obj_type(lua_State *L, int index, void **p_r)
{
	const struct object *o = object_at(L, index);

	if (p_r)
		*p_r = o ? payload(o) : NULL;
	return o ? o->class->type : NULL;
}

const char *lua_obj_shown(lua_State *L, int index)
{
	const struct object *o = object_at(L, index);

	return o ? o->class->shown : NULL;
}

void lua_obj_dead(lua_State *L, int index)
{
	struct object *o = object_at(L, index);

	if (o)
		o->p = NULL;
}
