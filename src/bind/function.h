/* function.h: what lua_function.c (functions, callbacks) and function_row.c (rules made of functions) share. */
#ifndef BIND_FUNCTION_H
#define BIND_FUNCTION_H

#include "lua_priv.h"
#include "log.h"
#include "rule.h"

enum callback_kind { CALLBACK_MAINTENANCE, CALLBACK_EXIT, CALLBACK_SERVER_STATE, CALLBACK_KINDS };

/* What a state keeps for its functions: l->callbacks. */
struct lua_calls {
	struct log_site errors; /* one limit for all errors of Lua rows */
	struct {
		struct lua_func **v;
		size_t n;
	} list[CALLBACK_KINDS];
};
/* calls_add takes over |f|; 0 or -ENOMEM (then |f| is still the caller's). */
int calls_add(struct lua *, enum callback_kind, struct lua_func *f) WUNUSED;
/* row_log logs what a function did wrong, limited, with where it is defined.  The state is entered. */
void row_log(const struct lua_func *, const char *word, const char *fmt, ...) PRINTF(3, 4);

#endif
