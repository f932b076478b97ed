/* lua_arg.h: what lua_arg.c (plain types, lists, signatures) and lua_arg_obj.c (names, sets, selectors) share. */
#ifndef BIND_LUA_ARG_H
#define BIND_LUA_ARG_H

#include "lua_priv.h"
#include <strings.h>

/* One argument being converted. */
struct call {
	lua_State *L;
	const char *word, *name;
	size_t name_len;
	const struct arg_type *type;
	struct arena *arena;
	int position; /* as the user counts */
	size_t entry; /* inside a list, from 1; 0: not in a list */
};
/* Fills |out| or raises an error.  May put an object in the place of |index|. */
typedef void arg_convert(struct call *, int index, struct arg *out);
struct arg_type {
	const char *name, *expected;
	arg_convert *convert;
	bool memory; /* may take from the arena */
};
int arg_bad(struct call *, int index); /* raises "got …, expected …" */
void *arg_memory(struct call *, size_t);
void arg_is_obj(struct arg *out, const char *type, void *p);
bool arg_take_obj(struct call *, int index, const char *type, struct arg *out);
void arg_push_obj(lua_State *, const struct arg *);
arg_convert arg_to_name, arg_to_suffixes, arg_to_nameset, arg_to_masks, arg_to_rule;

#endif
