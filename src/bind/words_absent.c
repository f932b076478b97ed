/* words_absent.c: words of the language that this build lacks: they fail by name, or are accepted where they change
 * nothing for clients. */
#include "log.h"
#include "lua_priv.h"

const struct absent_row absent_rows[] = {
#define ABSENT(word, feature, how) {#word, feature, ABSENT_##how},
#include "tbl/absent.def"
#undef ABSENT
	{NULL, NULL, ABSENT_ERROR},
};

static int absent_call(lua_State *L)
{
	const struct absent_row *row = lua_touserdata(L, lua_upvalueindex(1));

	if (row->how == ABSENT_SILENT)
		return 0;
	if (row->how == ABSENT_IGNORE) {
		lua_warn_at(L, row->name, "not supported yet, ignored");
		return 0;
	}
	if (row->feature[0])
		return lua_fail(L, row->name, "not in this build (%s)", row->feature);
	return lua_fail(L, row->name, "not supported yet");
}

void lua_register_absent(lua_State *L)
{
	for (const struct absent_row *r = absent_rows; r->name; r++) {
		lua_getglobal(L, r->name);
		if (lua_isnil(L, -1)) {
			lua_pushlightuserdata(L, (void *)(uintptr_t)r);
			lua_pushcclosure(L, absent_call, 1);
			lua_setglobal(L, r->name);
		}
		lua_pop(L, 1);
	}
}
