/* lua_error.c: where the user's code is, sentences about it, and what console words print. */
#include "log.h"
#include "lua_priv.h"
#include <ctype.h>
#include <stdio.h>

/* Full name of the chunk: short_src would cut long paths. */
static const char *chunk_name(const lua_Debug *ar)
{
	return ar->source[0] == '@' || ar->source[0] == '=' ? ar->source + 1 : ar->short_src;
}

/* Pushes "FILE:LINE: " of the innermost Lua function, "" when there is none. */
static const char *push_where(lua_State *L)
{
	lua_Debug ar;

	for (int level = 0; lua_getstack(L, level, &ar); level++) {
		if (lua_getinfo(L, "Sl", &ar) && ar.currentline > 0)
			return lua_pushfstring(L, "%s:%d: ", chunk_name(&ar), ar.currentline);
	}
	return lua_pushfstring(L, "%s", "");
}

void lua_where(lua_State *L, struct text *out)
{
	text_add(out, push_where(L));
	lua_pop(L, 1);
}

char *lua_where_dup(lua_State *L, const char *word)
{
	const char *where = push_where(L);
	size_t len = strlen(where), n = strlen(word) + 1;
	char *both = mem_alloc(len + n);

	if (both) {
		memcpy(both, where, len);
		memcpy(both + len, word, n);
	}
	lua_pop(L, 1);
	return both;
}

int lua_fail(lua_State *L, const char *word, const char *fmt, ...)
{
	char sentence[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(sentence, sizeof(sentence), fmt, ap);
	va_end(ap);
	luaL_checkstack(L, 3, "out of memory");
	if (!word)
		word = lua_tostring(L, LUA_METHOD_WORD);
	if (!word) /* an attribute: obj.key = value */
		word = lua_tostring(L, 2);
	lua_pushfstring(L, "%s%s: %s", push_where(L), word, sentence);
	return lua_error(L);
}

int lua_no_memory(lua_State *L, const char *word)
{
	return lua_fail(L, word, "out of memory");
}

void lua_warn_at(lua_State *L, const char *word, const char *fmt, ...)
{
	char sentence[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(sentence, sizeof(sentence), fmt, ap);
	va_end(ap);
	log_warn(SETUP, "%s%s: %s", push_where(L), word, sentence);
	lua_pop(L, 1);
}

void lua_note(lua_State *L, const char *word, const char *fmt, ...)
{
	char sentence[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(sentence, sizeof(sentence), fmt, ap);
	va_end(ap);
	if (lua_self(L)->out)
		text_addf(lua_self(L)->out, "%s: %s\n", word, sentence);
	else
		lua_warn_at(L, word, "%s", sentence);
}

void lua_unknown_option(void *ctx, const char *key, const char *near)
{
	const struct lua_here *here = ctx;

	if (near)
		lua_warn_at(here->L, here->word, "unknown option '%.80s' ignored: did you mean '%s'?", key, near);
	else
		lua_warn_at(here->L, here->word, "unknown option '%.80s' ignored", key);
}

void lua_unknown_of(lua_State *L, const char *word, const char *key, const char *names)
{
	struct lua_here here = {L, word};
	struct text_near near = {.word = key};

	for (; *names; names += strlen(names) + 1)
		text_near_try(&near, names);
	lua_unknown_option(&here, key, near.best);
}

void lua_check_keys(lua_State *L, const char *word, const struct arg *table, const char *names)
{
	const char *name;

	for (size_t i = 0; table->kind == ARG_TABLE && i < table->t.pairs; i++) {
		for (name = names; *name && strcmp(name, table->t.pair[i].key) != 0;)
			name += strlen(name) + 1;
		if (!*name)
			lua_unknown_of(L, word, table->t.pair[i].key, names);
	}
}

/* ---- words that are nearly right ---- */

static const char undefined[] = "undefined", undefined_line[] = "undefined line"; /* in the registry */

static int line_now(lua_State *L)
{
	lua_Debug ar;

	for (int level = 0; lua_getstack(L, level, &ar); level++)
		if (lua_getinfo(L, "l", &ar) && ar.currentline > 0)
			return ar.currentline;
	return 0;
}

/* The __index of the table of globals. */
static int note_undefined(lua_State *L)
{
	lua_settop(L, 2);
	if (lua_self(L)->loaded)
		return 0;
	lua_setfield(L, LUA_REGISTRYINDEX, undefined);
	lua_pushinteger(L, line_now(L));
	lua_setfield(L, LUA_REGISTRYINDEX, undefined_line);
	return 0;
}

/* Was it read where the call is that failed?  Its arguments stand on the same line or below. */
static bool undefined_here(lua_State *L)
{
	bool here;

	lua_getfield(L, LUA_REGISTRYINDEX, undefined_line);
	here = lua_tointeger(L, -1) >= line_now(L);
	lua_pop(L, 1);
	return here;
}

void lua_note_undefined(lua_State *L)
{
	if (!TEXT_HINTS)
		return;
	lua_newtable(L);
	lua_pushcfunction(L, note_undefined);
	lua_setfield(L, -2, "__index");
	lua_setmetatable(L, LUA_GLOBALSINDEX);
}

/* Pushes the global that is not there and that |msg| comes from: it was called, or it was an argument; else nil. */
static void push_suspect(lua_State *L, const char *msg)
{
	static const char call[] = "attempt to call global '";
	const char *at = strstr(msg, call);

	if (at)
		lua_pushlstring(L, at + sizeof(call) - 1, strcspn(at + sizeof(call) - 1, "'"));
	else if (strstr(msg, "got nothing, expected ") && undefined_here(L))
		lua_getfield(L, LUA_REGISTRYINDEX, undefined);
	else
		lua_pushnil(L);
}

/* hint adds to the message at the top, when it is about a word that is not there, the one that may be meant; not to the
 * errors that queries cause. */
static void hint(lua_State *L)
{
	struct text_near near = {.word = NULL};
	const char *msg = lua_tostring(L, -1);

	if (!TEXT_HINTS || lua_self(L)->loaded)
		return;
	push_suspect(L, msg);
	if (lua_type(L, -1) == LUA_TSTRING) {
		near.word = lua_tostring(L, -1);
		for (lua_pushnil(L); lua_next(L, LUA_GLOBALSINDEX); lua_pop(L, 1))
			if (lua_type(L, -2) == LUA_TSTRING)
				text_near_try(&near, lua_tostring(L, -2));
	}
	if (near.best && strstr(msg, near.word))
		lua_pushfstring(L, "%s: did you mean '%s'?", msg, near.best);
	else if (near.best)
		lua_pushfstring(L, "%s: '%s' is not defined: did you mean '%s'?", msg, near.word, near.best);
	else
		lua_pushvalue(L, -2);
	lua_replace(L, -3);
	lua_pop(L, 1);
}

/* Does the message begin with FILE:LINE: ? */
static bool has_prefix(const char *s)
{
	const char *colon = strncmp(s, "[string \"", 9) == 0 ? strstr(s, "\"]:") : strchr(s, ':');

	if (!colon || colon == s)
		return false;
	if (*colon == '"')
		colon += 2;
	if (!isdigit((unsigned char)colon[1]))
		return false;
	for (colon++; isdigit((unsigned char)*colon); colon++)
		;
	return colon[0] == ':' && colon[1] == ' ';
}

/* Lua shortens a long path to "...its end": pushes the message at the top with |path| in full instead. */
static void restore_path(lua_State *L, const char *path)
{
	const char *msg = lua_tostring(L, -1), *colon = msg ? strchr(msg, ':') : NULL;
	size_t shown = colon ? (size_t)(colon - msg) : 0, len = strlen(path);

	if (shown < 4 || memcmp(msg, "...", 3) != 0 || shown - 3 > len ||
		memcmp(msg + 3, path + len - (shown - 3), shown - 3) != 0)
		return;
	lua_pushfstring(L, "%s%s", path, colon);
	lua_replace(L, -2);
}

void lua_error_path(lua_State *L, const char *path)
{
	if (lua_type(L, -1) == LUA_TSTRING)
		restore_path(L, path);
}

int lua_traced(lua_State *L)
{
	lua_Debug ar;

	if (lua_type(L, -1) != LUA_TSTRING) {
		if (luaL_callmeta(L, -1, "__tostring") && lua_type(L, -1) == LUA_TSTRING)
			lua_replace(L, -2);
		else
			lua_pushfstring(L, "the error is a %s", luaL_typename(L, -1));
	}
	hint(L);
	for (int level = 1; lua_getstack(L, level, &ar); level++) {
		if (lua_getinfo(L, "S", &ar) && ar.source[0] == '@')
			restore_path(L, ar.source + 1);
	}
	if (!has_prefix(lua_tostring(L, -1))) {
		const char *message = lua_tostring(L, -1);

		lua_pushfstring(L, "%s%s", push_where(L), message);
	}
	return 1;
}

void lua_only_at_start(lua_State *L, const char *word)
{
	if (lua_self(L)->loaded)
		lua_fail(L, word, "only possible in the configuration file, not while running");
}

struct text *lua_out(lua_State *L)
{
	struct lua *l = lua_self(L);

	return l->out ? l->out : &l->log_out;
}

void lua_flush_out(struct lua *l)
{
	log_lines(TAG_LUA, l->log_out.p);
	text_free(&l->log_out);
}
