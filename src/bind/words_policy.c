/* words_policy.c: policies as Lua objects, and policies that are Lua functions. */
#include "log.h"
#include "lua_priv.h"

#define WORD(name) \
	static int name(lua_State *L, const struct word *w UNUSED, const struct arg *argv UNUSED, \
		size_t argc UNUSED)

/* ---- a policy that is a function of the user's: owned by its state ---- */

struct lua_policy {
	struct policy policy;
	struct lua_func *func;
	char name[];
};

static bool member(const struct pool *pool, const struct choose *ch, const struct server *s)
{
	const struct conf *c = ch->dq ? ch->dq->conf : NULL;

	for (size_t i = 0; i < pool->n; i++) {
		if (pool->servers[i] == s)
			return true;
	}
	for (size_t i = 0; c && i < c->nservers; i++) {
		if (c->servers[i] == s)
			return true;
	}
	return false;
}

/* What the function returned: an index from 1, a server, or nil for none. */
static struct server *result(lua_State *L, const struct pool *pool, const struct choose *ch)
{
	struct server *s = lua_to_obj(L, -1, OBJ_SERVER);
	double n = lua_isnumber(L, -1) ? lua_tonumber(L, -1) : 0;

	if (s)
		return member(pool, ch, s) ? s : NULL;
	return n >= 1 && n <= (double)pool->n ? pool->servers[(size_t)n - 1] : NULL;
}

struct policy_call { /* what policy_protected() needs and gives */
	const struct lua_policy *policy;
	const struct pool *pool;
	const struct choose *choose;
	struct server *server;
};

static int policy_protected(lua_State *L)
{
	struct policy_call *call = lua_touserdata(L, 1);

	lua_pushcfunction(L, lua_traced);
	lua_rawgeti(L, LUA_REGISTRYINDEX, call->policy->func->ref);
	lua_createtable(L, (int)call->pool->n, 0);
	for (size_t i = 0; i < call->pool->n; i++) {
		lua_push_obj(L, &class_server, server_ref(call->pool->servers[i]));
		lua_rawseti(L, -2, (int)i + 1);
	}
	if (call->choose->dq)
		lua_message_push(L, (struct dq *)(uintptr_t)call->choose->dq);
	else
		lua_pushnil(L);
	if (lua_pcall(L, 2, 1, 2) != 0)
		return lua_error(L);
	call->server = result(L, call->pool, call->choose);
	return 0;
}

static struct server *policy_choose(
	const struct policy *p, const struct pool *pool, const struct choose *ch)
{
	struct policy_call call = {.policy = p->arg, .pool = pool, .choose = ch};
	lua_State *L = lua_func_push(call.policy->func);

	if (!L)
		return NULL;
	lua_pop(L, 1); /* policy_protected() fetches it where errors are caught */
	if (lua_cpcall(L, policy_protected, &call) != 0)
		lua_row_error(L, p->name);
	if (ch->dq)
		lua_message_done(L);
	lua_leave(lua_self(L));
	return call.server;
}

static void free_policy(void *p)
{
	struct lua_policy *policy = p;

	lua_func_free(&policy->func);
	mem_free(policy);
}

/* The function is the Lua argument |index|. */
static const struct policy *make_policy(lua_State *L, const char *word, const char *name, int index)
{
	struct lua_func *f = lua_func_new(L, index);
	size_t len = strlen(name);
	struct lua_policy *p = mem_zalloc(sizeof(*p) + len + 1);

	if (!p) {
		lua_func_free(&f);
		lua_no_memory(L, word);
		return NULL;
	}
	memcpy(p->name, name, len);
	p->func = f;
	p->policy =
		(struct policy){.name = p->name, .is_lua = true, .choose = policy_choose, .arg = p};
	if (lua_keep(lua_self(L), p, free_policy) < 0) {
		free_policy(p);
		lua_no_memory(L, word);
	}
	return &p->policy;
}

static void push_policy(lua_State *L, const struct policy *p)
{
	lua_push_obj(L, &class_policy, (void *)(uintptr_t)p);
}

/* ---- words ---- */

static void set_pool_policy(
	lua_State *L, const char *word, const char *pool_name, const struct policy *p)
{
	struct pool *pool = conf_pool_make(lua_draft(L), pool_name);

	if (!pool)
		lua_no_memory(L, word);
	else
		pool->policy = p;
}

WORD(set_policy)
{
	lua_draft(L)->policy = argv[0].o.p;
	return 0;
}

WORD(set_policy_lua)
{
	const struct policy *p = make_policy(L, w->name, argv[0].s.p, 2);

	lua_draft(L)->policy = p;
	return 0;
}

WORD(new_policy)
{
	push_policy(L, make_policy(L, w->name, argv[0].s.p, 2));
	return 1;
}

WORD(show_policy)
{
	text_addf(lua_out(L), "%s\n", lua_conf(L)->policy->name);
	return 0;
}

WORD(pool_policy)
{
	set_pool_policy(L, w->name, argv[1].s.p, argv[0].o.p);
	return 0;
}

WORD(pool_policy_lua)
{
	set_pool_policy(L, w->name, argv[2].s.p, make_policy(L, w->name, argv[0].s.p, 2));
	return 0;
}

WORD(show_pool_policy)
{
	const struct conf *c = lua_conf(L);
	const struct pool *pool = conf_pool(c, argv[0].s.p);

	if (!pool)
		lua_note(L, w->name, "there is no pool '%s'", argv[0].s.p);
	else
		text_addf(lua_out(L), "%s\n", pool->policy ? pool->policy->name : c->policy->name);
	return 0;
}

const struct word policy_words[] = {
	{"setServerPolicy", "policy:policy", set_policy,
		DOC("How a backend is chosen in pools without a policy of their own."),
		DOC("setServerPolicy(firstAvailable)")},
	{"setServerPolicyLua", "name:str function:func", set_policy_lua,
		DOC("The same by a function(servers, dq) that returns an index from 1, a server or nil."),
		DOC("setServerPolicyLua(\"first\", function(servers, dq) return 1 end)")},
	{"newServerPolicy", "name:str function:func", new_policy,
		DOC("A policy object of a function(servers, dq)."),
		DOC("setServerPolicy(newServerPolicy(\"first\", function(servers, dq) return 1 end))")},
	{"showServerPolicy", "", show_policy, DOC("Prints the policy's name."),
		DOC("showServerPolicy()")},
	{"setPoolServerPolicy", "policy:policy pool:str", pool_policy,
		DOC("How a backend of this pool is chosen."),
		DOC("setPoolServerPolicy(roundrobin, \"\")")},
	{"setPoolServerPolicyLua", "name:str function:func pool:str", pool_policy_lua,
		DOC("The same by a function."),
		DOC("setPoolServerPolicyLua(\"first\", function(servers, dq) return 1 end, \"\")")},
	{"showPoolServerPolicy", "pool:str", show_pool_policy,
		DOC("Prints the name of a pool's policy."), DOC("showPoolServerPolicy(\"\")")},
	{.name = NULL},
};

void lua_register_policies(lua_State *L)
{
	for (size_t i = 0; policies[i]; i++) {
		push_policy(L, policies[i]);
		lua_setglobal(L, policies[i]->name);
	}
}

/* ---- the object ---- */

static int get_name(lua_State *L, void *self)
{
	const struct policy *p = self;

	lua_pushstring(L, p->name);
	return 1;
}

static int to_string(lua_State *L, void *self, const struct arg *argv UNUSED, size_t argc UNUSED)
{
	return get_name(L, self);
}

static int get_is_lua(lua_State *L, void *self)
{
	const struct policy *p = self;

	lua_pushboolean(L, p->is_lua);
	return 1;
}

static int get_false(lua_State *L, void *self UNUSED)
{
	lua_pushboolean(L, false);
	return 1;
}

/* The user's function; nil for a built-in one. */
static int get_function(lua_State *L, void *self)
{
	const struct policy *p = self;
	const struct lua_policy *mine = p->arg;

	if (p->is_lua)
		lua_rawgeti(L, LUA_REGISTRYINDEX, mine->func->ref);
	else
		lua_pushnil(L);
	return 1;
}

static const struct method methods[] = {{"toString", "", to_string}, {NULL, NULL, NULL}};
static const struct attribute attributes[] = {
	{"name", get_name, NULL},
	{"policy", get_function, NULL},
	{"isLua", get_is_lua, NULL},
	{"isFFI", get_false, NULL},
	{"isPerThread", get_false, NULL},
	{NULL, NULL, NULL},
};
const struct class class_policy = {.type = OBJ_POLICY,
	.shown = "ServerPolicy",
	.methods = methods,
	.attributes = attributes,
	.tostring = get_name};
