/* lua_rows.c: words, selectors and actions as Lua functions. */
#include "lua_priv.h"

static const struct selector_row *const selectors[] = {selector_rows, tls_selector_rows, doh_selector_rows};
static const struct action_row *const actions[] = {action_rows, doh_action_rows, response_action_rows};

/* Registers |fn| as the global |name|; it finds |row| and whether |spec| takes memory in its upvalues. */
static void define(
	lua_State *L, const char *name, const void *row, const char *spec, lua_CFunction fn)
{
	lua_pushlightuserdata(L, (void *)(uintptr_t)row);
	lua_pushboolean(L, lua_args_need(spec));
	lua_pushinteger(L, (lua_Integer)lua_args_count(spec));
	lua_pushcclosure(L, fn, 3);
	lua_setglobal(L, name);
}

/* Checks the arguments of the running call; returns the arena to free when they are no longer needed, or NULL. */
static struct arena *take_args(
	lua_State *L, const char *word, const char *spec, struct arg *argv, size_t *argc_r)
{
	int n = (int)lua_tointeger(L, lua_upvalueindex(3));
	struct arena *arena = NULL;

	if (lua_gettop(L) > n && !lua_self(L)->loaded)
		lua_warn_at(
			L, word, "takes %d argument%s: the rest is ignored", n, n == 1 ? "" : "s");
	lua_settop(L, n);
	if (lua_toboolean(L, lua_upvalueindex(2)))
		arena = lua_arena(L);
	*argc_r = lua_args(L, word, spec, 1, argv, arena);
	return arena;
}

static int word_call(lua_State *L)
{
	const struct word *w = lua_touserdata(L, lua_upvalueindex(1));
	struct arg argv[LUA_ARGS_MAX];
	struct arena *arena;
	struct lua *l;
	size_t argc;
	int pushed;

	arena = take_args(L, w->name, w->spec, argv, &argc);
	pushed = w->call(L, w, argv, argc);
	if (arena)
		arena_free(arena);
	l = lua_self(L);
	if (!l->out)
		lua_flush_out(l);
	return pushed;
}

void lua_register_word(lua_State *L, const struct word *w)
{
	define(L, w->name, w, w->spec, word_call);
}

void lua_register_words(lua_State *L, const struct word *words)
{
	for (const struct word *w = words; w->name; w++)
		lua_register_word(L, w);
}

static int selector_call(lua_State *L)
{
	const struct selector_row *row = lua_touserdata(L, lua_upvalueindex(1));
	const char *error = "out of memory";
	struct arg argv[LUA_ARGS_MAX];
	struct selector *s;
	struct arena *arena;
	size_t argc;

	arena = take_args(L, row->word, row->spec, argv, &argc);
	s = row->make(argv, argc, &error);
	if (!s)
		return lua_fail(L, row->word, "%s", error);
	lua_push_obj(L, &class_selector, s);
	if (arena)
		arena_free(arena);
	return 1;
}

/* What the options of an action can be. */
static const char *options_of(const char *word)
{
#define ANSWER "aa\0ad\0ra\0ttl\0"
	return strcmp(word, "SpoofRawAction") == 0	  ? "typeForAny\0" ANSWER
	       : strcmp(word, "NegativeAndSOAAction") == 0 ? "soaInAuthoritySection\0" ANSWER
							   : ANSWER;
#undef ANSWER
}

static int action_call(lua_State *L)
{
	const struct action_row *row = lua_touserdata(L, lua_upvalueindex(1));
	const char *error = "out of memory";
	struct arg argv[LUA_ARGS_MAX];
	struct action *a;
	struct arena *arena;
	size_t argc;

	arena = take_args(L, row->word, row->spec, argv, &argc);
	a = row->make(argv, argc, &error);
	if (!a)
		return lua_fail(L, row->word, "%s", error);
	lua_push_obj(L, &class_action, a);
	if (strstr(row->spec, " options:"))
		lua_check_keys(L, row->word, &argv[argc - 1], options_of(row->word));
	if (arena)
		arena_free(arena);
	return 1;
}

void lua_register_rows(lua_State *L)
{
	for (size_t i = 0; i < LEN(selectors); i++)
		for (const struct selector_row *r = selectors[i]; r->word; r++)
			define(L, r->word, r, r->spec, selector_call);
	for (size_t i = 0; i < LEN(actions); i++)
		for (const struct action_row *r = actions[i]; r->word; r++)
			define(L, r->word, r, r->spec, action_call);
}

void lua_each_row(void (*fn)(void *, const char *word, const char *spec, const char *doc,
			  const char *example),
	void *ctx)
{
	for (size_t i = 0; i < LEN(selectors); i++)
		for (const struct selector_row *r = selectors[i]; r->word; r++)
			fn(ctx, r->word, r->spec, DOC_TEXT(r->doc), DOC_TEXT(r->example));
	for (size_t i = 0; i < LEN(actions); i++)
		for (const struct action_row *r = actions[i]; r->word; r++)
			fn(ctx, r->word, r->spec, DOC_TEXT(r->doc), DOC_TEXT(r->example));
}
