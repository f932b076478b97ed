/* value.h: what the files of value types (names, addresses, headers) share. */
#ifndef BIND_VALUE_H
#define BIND_VALUE_H

#include "lua_priv.h"

/* These push copies; they raise an error when memory is out. */
void value_push_wire(lua_State *, const uint8_t *wire, size_t len); /* a well-formed wire name, as a DNSName */
void value_push_name(lua_State *, const struct name *);
void value_push_wire_text(lua_State *, const uint8_t *wire, bool final_dot); /* as a string */
void value_push_addr(lua_State *, const struct addr *); /* nil when |addr| has no family */

/* DNSHeader: a copy of the twelve bytes (|of| NULL), or a view of the message under work (dq.dh). */
struct header {
	struct lua_message *of;
	uint8_t bytes[DNS_HEADER];
};
void value_push_header(lua_State *, const uint8_t bytes[DNS_HEADER], struct lua_message *of);
uint8_t *lua_message_header(lua_State *, struct lua_message *); /* raises an error when the query is over */

/* The words; their rows are in words_value.c. */
#define VALUE_WORD(fn) int fn(lua_State *, const struct word *, const struct arg *argv, size_t argc)
VALUE_WORD(value_new_name);
VALUE_WORD(value_new_name_raw);
VALUE_WORD(value_new_nameset);
VALUE_WORD(value_new_suffixset);
VALUE_WORD(value_new_netset);
VALUE_WORD(value_new_netmask);
VALUE_WORD(value_new_addr);
VALUE_WORD(value_new_addr_raw);
#undef VALUE_WORD

#endif
