/* words_pool.c: pools.  A pool object is its name: the pool itself belongs to each configuration. */
#include "lua_priv.h"

#define WORD(name) \
	static int name(lua_State *L, const struct word *w UNUSED, const struct arg *argv UNUSED, \
		size_t argc UNUSED)
#define METHOD(name) \
	static int name(lua_State *L, void *self, const struct arg *argv UNUSED, size_t argc UNUSED)

/* For changes; makes the pool when it is gone. */
static struct pool *edit_pool(lua_State *L, const char *name)
{
	struct pool *pool = conf_pool_make(lua_draft(L), name);

	if (!pool)
		luaL_error(L, "out of memory");
	return pool;
}

static const struct pool *see_pool(lua_State *L, const char *name)
{
	return conf_pool(lua_conf(L), name);
}

WORD(get_pool)
{
	if (!see_pool(L, argv[0].s.p))
		edit_pool(L, argv[0].s.p);
	lua_push_obj(L, &class_pool, mem_strdup(argv[0].s.p));
	return 1;
}

WORD(get_pool_servers)
{
	const struct pool *pool = see_pool(L, argv[0].s.p);

	lua_newtable(L);
	for (size_t i = 0; pool && i < pool->n; i++) {
		lua_push_obj(L, &class_server, server_ref(pool->servers[i]));
		lua_rawseti(L, -2, (int)i + 1);
	}
	return 1;
}

WORD(get_pool_names)
{
	const struct conf *c = lua_conf(L);

	lua_newtable(L);
	for (size_t i = 0; i < c->npools; i++) {
		lua_pushstring(L, c->pools[i]->name);
		lua_rawseti(L, -2, (int)i + 1);
	}
	return 1;
}

WORD(show_pools)
{
	conf_show_pools(lua_conf(L), lua_out(L));
	return 0;
}

const struct word pool_words[] = {
	{"getPool", "name:str", get_pool, DOC("A pool by name; made when there is none."),
		DOC("getPool(\"abuse\")")},
	{"getPoolServers", "name:str", get_pool_servers, DOC("The backends of a pool, as a list."),
		DOC("getPoolServers(\"\")")},
	{"getPoolNames", "", get_pool_names, DOC("The names of all pools, as a list."),
		DOC("getPoolNames()")},
	{"showPools", "", show_pools, DOC("Prints the pools."), DOC("showPools()")},
	{.name = NULL},
};

/* ---- the object ---- */

METHOD(set_cache)
{
	struct pool *pool = edit_pool(L, self);

	if (pool->cache)
		cache_free(&pool->cache);
	pool->cache = cache_ref(argv[0].o.p);
	return 0;
}

METHOD(unset_cache)
{
	struct pool *pool = edit_pool(L, self);

	if (pool->cache)
		cache_free(&pool->cache);
	return 0;
}

METHOD(get_cache)
{
	const struct pool *pool = see_pool(L, self);

	if (pool && pool->cache)
		lua_push_obj(L, &class_cache, cache_ref(pool->cache));
	else
		lua_pushnil(L);
	return 1;
}

METHOD(set_ecs)
{
	edit_pool(L, self)->use_ecs = argv[0].b;
	return 0;
}

METHOD(get_ecs)
{
	const struct pool *pool = see_pool(L, self);

	lua_pushboolean(L, pool && pool->use_ecs);
	return 1;
}

METHOD(set_zero_scope)
{
	edit_pool(L, self)->zero_scope = argv[0].b;
	return 0;
}

METHOD(get_zero_scope)
{
	const struct pool *pool = see_pool(L, self);

	lua_pushboolean(L, pool && pool->zero_scope);
	return 1;
}

static int pool_tostring(lua_State *L, void *self)
{
	lua_pushstring(L, self);
	return 1;
}

METHOD(to_string)
{
	return pool_tostring(L, self);
}

static bool same_name(const void *a, const void *b)
{
	return strcmp(a, b) == 0;
}

static const struct method methods[] = {
	{"setCache", "cache:cache", set_cache},
	{"unsetCache", "", unset_cache},
	{"getCache", "", get_cache},
	{"setECS", "on:bool", set_ecs},
	{"getECS", "", get_ecs},
	{"setZeroScope", "on:bool", set_zero_scope},
	{"getZeroScope", "", get_zero_scope},
	{"toString", "", to_string},
	{NULL, NULL, NULL},
};

const struct class class_pool = {
	.type = OBJ_POOL,
	.shown = "ServerPool",
	.methods = methods,
	.free = mem_free,
	.tostring = pool_tostring,
	.equal = same_name,
};
