/* words_absent.c: words of the language that this build lacks: they fail by name, or are accepted where they change
 * nothing for clients.
 *
 * There are many and each is one line to say, so they are kept as one text: per word a byte for the feature, a byte for
 * what using it does, the name, a NUL. */
#include "log.h"
#include "lua_priv.h"

/* The first byte: a place in |features|. */
#define AS_NONE	    "\0"
#define AS_DNSCRYPT "\1"
#define AS_DOH	    "\2"
#define AS_DOH3	    "\3"
#define AS_DOQ	    "\4"
#define AS_TLS	    "\5"
#define AS_RE2	    "\6"
#define AS_TOP	    "\7"
static const char *const features[] = {"", "FEATURE_DNSCRYPT", "FEATURE_DOH", "FEATURE_DOH3", "FEATURE_DOQ",
	"FEATURE_TLS", "FEATURE_RE2", "FEATURE_TOP"};

/* The second byte. */
#define AS_ERROR  "\0"
#define AS_IGNORE "\1"
#define AS_SILENT "\2"
_Static_assert(ABSENT_ERROR == 0 && ABSENT_IGNORE == 1 && ABSENT_SILENT == 2, "as the second byte says");

enum { HEAD = 2 };
static const char absent_text[] =
#define ABSENT(word, feature, how) AS_##feature AS_##how #word "\0"
#include <absent_here.def> /* CMake makes it: tbl/absent.def without the words of features that this build has */
#undef ABSENT
	;

static struct absent_row row_at(const char *at)
{
	return (struct absent_row){at + HEAD, features[(unsigned char)at[0]], (enum absent)at[1]};
}

bool absent_next(const char **at, struct absent_row *row_r)
{
	*at = *at ? *at + HEAD + strlen(*at + HEAD) + 1 : absent_text;
	if (*at >= absent_text + sizeof(absent_text) - 1)
		return false;
	*row_r = row_at(*at);
	return true;
}

static int absent_call(lua_State *L)
{
	const struct absent_row row = row_at(lua_touserdata(L, lua_upvalueindex(1)));

	if (row.how == ABSENT_SILENT)
		return 0;
	if (row.how == ABSENT_IGNORE) {
		lua_warn_at(L, row.name, "not supported yet, ignored");
		return 0;
	}
	if (row.feature[0])
		return lua_fail(L, row.name, "not in this build (%s)", row.feature);
	return lua_fail(L, row.name, "not supported yet");
}

void lua_register_absent(lua_State *L)
{
	const char *at = NULL;
	struct absent_row row;

	while (absent_next(&at, &row)) {
		lua_getglobal(L, row.name);
		if (lua_isnil(L, -1)) {
			lua_pushlightuserdata(L, (void *)(uintptr_t)at);
			lua_pushcclosure(L, absent_call, 1);
			lua_setglobal(L, row.name);
		}
		lua_pop(L, 1);
	}
}
