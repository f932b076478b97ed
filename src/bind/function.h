/* function.h: what lua_function.c (functions, callbacks) and function_row.c (rules made of functions) share. */
#ifndef BIND_FUNCTION_H
#define BIND_FUNCTION_H

#include "lua_priv.h"
#include "log.h"
#include "rule.h"

enum callback_kind { CALLBACK_MAINTENANCE, CALLBACK_EXIT, CALLBACK_SERVER_STATE, CALLBACK_TICKET_KEY, CALLBACK_KINDS };

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
/* calls_forget frees all functions of a kind.  The state is entered. */
void calls_forget(struct lua *, enum callback_kind);
/* function_ticket_key tells the functions of the configuration that runs of a new session ticket key: for
 * host->ticket_key_hook(), with the host as |ctx|. */
void function_ticket_key(void *ctx, const uint8_t *key, size_t len);
/* row_log logs what a function did wrong, limited, with where it is defined.  The state is entered. */
void row_log(const struct lua_func *, const char *word, const char *fmt, ...) PRINTF(3, 4);

#endif
