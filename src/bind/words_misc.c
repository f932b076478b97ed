/* words_misc.c: the console's output, time, what the process is doing. */
#include "lua_priv.h"
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define WORD(name) \
	static int name(lua_State *L, const struct word *w UNUSED, const struct arg *argv UNUSED, \
		size_t argc UNUSED)

WORD(show)
{
	text_add_bytes(lua_out(L), argv[0].s.p, argv[0].s.len);
	if (!argv[0].s.len || argv[0].s.p[argv[0].s.len - 1] != '\n')
		text_add(lua_out(L), "\n");
	return 0;
}

WORD(stop)
{
	const struct host *h = lua_self(L)->host;

	if (h->shutdown && !h->check_only && !h->client)
		h->shutdown(h->ctx);
	return 0;
}

WORD(in_client)
{
	lua_pushboolean(L, lua_self(L)->host->client);
	return 1;
}

WORD(in_check)
{
	lua_pushboolean(L, lua_self(L)->host->check_only);
	return 1;
}

WORD(current_time)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	lua_createtable(L, 0, 2);
	lua_pushnumber(L, (lua_Number)t.tv_sec);
	lua_setfield(L, -2, "tv_sec");
	lua_pushnumber(L, (lua_Number)t.tv_nsec);
	lua_setfield(L, -2, "tv_nsec");
	return 1;
}

WORD(server_id)
{
	const char *id = lua_conf(L)->set.server_id;
	char host[256] = "";

	if (!id || !*id) {
		if (gethostname(host, sizeof(host) - 1) < 0)
			host[0] = 0;
		id = host;
	}
	lua_pushstring(L, id);
	return 1;
}

#ifdef NO_DOCS /* the names of all functions */
WORD(help)
{
	for (lua_pushnil(L); lua_next(L, LUA_GLOBALSINDEX); lua_pop(L, 1))
		if (lua_isfunction(L, -1) && lua_type(L, -2) == LUA_TSTRING)
			text_addf(lua_out(L), "%s\n", lua_tostring(L, -2));
	return 0;
}
#else
static void help_word(
	void *ctx, const char *word, const char *spec, const char *doc, const char *example UNUSED)
{
	text_addf(ctx, "%s(%s)%s%s\n", word, spec, doc ? "  " : "", doc ? doc : "");
}

WORD(help)
{
	bind_words(help_word, lua_out(L));
	return 0;
}
#endif

const struct word misc_words[] = {
	{"show", "text:str", show, DOC("Prints on the console."), DOC("show(\"text\")")},
	{"shutdown", "", stop, DOC("Stops the daemon."), DOC("if false then shutdown() end")},
	{"inClientStartup", "", in_client, DOC("Is the file read for the console client?"),
		DOC("inClientStartup()")},
	{"inConfigCheck", "", in_check, DOC("Is the file only checked?"), DOC("inConfigCheck()")},
	{"getCurrentTime", "", current_time, DOC("Wall clock: a table with tv_sec and tv_nsec."),
		DOC("getCurrentTime()")},
	{"getServerID", "", server_id, DOC("What setServerID() set, else the host's name."),
		DOC("getServerID()")},
	{"help", "", help, DOC("Prints all words."), DOC("help()")},
	{.name = NULL},
};
