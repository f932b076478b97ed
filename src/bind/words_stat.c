/* words_stat.c: counters as the console shows them. */
#include "lua_priv.h"

#define WORD(name) \
	static int name(lua_State *L, const struct word *w UNUSED, const struct arg *argv UNUSED, \
		size_t argc UNUSED)

static const struct host *host_of(lua_State *L)
{
	return lua_self(L)->host;
}

/* ---- counters ---- */

static size_t counters_of(lua_State *L, const struct counters *const **of_r)
{
	static const struct counters *const none[1];
	const struct host *h = host_of(L);
	size_t n = h->counters ? h->counters(h->ctx, of_r) : 0;

	if (!n) /* while the file is read there are none yet */
		*of_r = none;
	return n;
}

static void read_system(lua_State *L, struct stat_system *sys)
{
	const struct host *h = host_of(L);

	stat_system_read(
		sys, h->started_ms ? h->started_ms(h->ctx) : 0, h->now_ms ? h->now_ms(h->ctx) : 0);
}

WORD(dump_stats)
{
	const struct counters *const *of;
	size_t n = counters_of(L, &of);
	struct stat_system sys;

	read_system(L, &sys);
	stat_dump(lua_out(L), of, n, &sys);
	return 0;
}

WORD(get_counters)
{
	const struct counters *const *of;
	size_t n = counters_of(L, &of);
	struct stat_system sys;

	read_system(L, &sys);
	lua_createtable(L, 0, COUNTER_COUNT);
	for (size_t i = 0; i < COUNTER_COUNT; i++) {
		enum counter id = (enum counter)i;

		lua_pushnumber(L, stat_value(of, n, id) + (counter_kind(id) == COMPUTED ? sys.v[i] : 0));
		lua_setfield(L, -2, counter_name(id));
	}
	return 1;
}

WORD(show_binds)
{
	const struct host *h = host_of(L);

	if (h->show_binds)
		h->show_binds(h->ctx, lua_out(L));
	return 0;
}

WORD(show_tcp)
{
	const struct host *h = host_of(L);

	if (h->show_tcp)
		h->show_tcp(h->ctx, lua_out(L));
	return 0;
}

WORD(show_version)
{
	text_addf(lua_out(L), "%s\n", host_of(L)->version ? host_of(L)->version : "shrewd");
	return 0;
}

const struct word stat_words[] = {
	{"dumpStats", "", dump_stats, DOC("Prints all counters."), DOC("dumpStats()")},
	{"getStatisticsCounters", "", get_counters, DOC("All counters, as a table."),
		DOC("getStatisticsCounters()")},
	{"showBinds", "", show_binds, DOC("Prints the listeners."), DOC("showBinds()")},
	{"showTCPStats", "", show_tcp, DOC("Prints for each worker: clients connected, connections to backends, queries that wait."),
		DOC("showTCPStats()")},
	{"showVersion", "", show_version, DOC("Prints the version."), DOC("showVersion()")},
	{.name = NULL},
};
