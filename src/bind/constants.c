/* constants.c: the tables of numbers that configurations name: DNSAction, DNSQType, DNSRCode and their kin. */
#include "dns.h"
#include "lua_priv.h"
#include "text.h"

/* Names one behind the other, and a byte each for the number. */
static const char action_names[] =
#define ACTION(id, num) #id "\0"
#include "lua_action.def"
#undef ACTION
	;
static const uint8_t action_numbers[] = {
#define ACTION(id, num) num,
#include "lua_action.def"
#undef ACTION
};
static const char response_action_names[] =
#define RESPONSE_ACTION(id, num) #id "\0"
#include "lua_action.def"
#undef RESPONSE_ACTION
	;
static const uint8_t response_action_numbers[] = {
#define RESPONSE_ACTION(id, num) num,
#include "lua_action.def"
#undef RESPONSE_ACTION
};
static const char option_names[] =
#define EDNSOPT(id, num) #id "\0"
#include "tbl/ednsopt.def"
#undef EDNSOPT
	;
static const uint8_t option_numbers[] = {
#define EDNSOPT(id, num) num,
#include "tbl/ednsopt.def"
#undef EDNSOPT
};
static const uint8_t class_numbers[] = {CLASS_IN, CLASS_CHAOS, CLASS_NONE, CLASS_ANY};
static const uint8_t opcode_numbers[] = {OPCODE_QUERY, OPCODE_IQUERY, OPCODE_STATUS, OPCODE_NOTIFY, OPCODE_UPDATE};
static const uint8_t section_numbers[] = {SECTION_QUESTION, SECTION_ANSWER, SECTION_AUTHORITY, SECTION_ADDITIONAL};
static const uint8_t exchange_numbers[] = {1, 2};

#define TABLE(table, names, numbers) {table, names, numbers, LEN(numbers)}
static const struct {
	const char *table, *names;
	const uint8_t *numbers;
	size_t n;
} tables[] = {
	TABLE("DNSAction", action_names, action_numbers),
	TABLE("DNSResponseAction", response_action_names, response_action_numbers),
	TABLE("DNSClass", "IN\0CHAOS\0NONE\0ANY", class_numbers),
	TABLE("DNSOpcode", "Query\0IQuery\0Status\0Notify\0Update", opcode_numbers),
	TABLE("DNSSection", "Question\0Answer\0Authority\0Additional", section_numbers),
	TABLE("EDNSOptionCode", option_names, option_numbers),
	TABLE("DNSCryptExchangeVersion", "VERSION1\0VERSION2", exchange_numbers),
};

static void set_number(lua_State *L, const char *name, unsigned number)
{
	lua_pushinteger(L, (lua_Integer)number);
	lua_setfield(L, -2, name);
}

/* Pushes the global table |name|, made when it is not there. */
static void push_table(lua_State *L, const char *name)
{
	lua_getglobal(L, name);
	if (lua_istable(L, -1))
		return;
	lua_pop(L, 1);
	lua_newtable(L);
	lua_pushvalue(L, -1);
	lua_setglobal(L, name);
}

static void add_rows(lua_State *L, const char *table, const char *(*row)(size_t i, unsigned *num_r))
{
	const char *name;
	unsigned number;

	push_table(L, table);
	for (size_t i = 0; (name = row(i, &number)) != NULL; i++)
		set_number(L, name, number);
	lua_pop(L, 1);
}

void lua_register_constants(lua_State *L)
{
	for (size_t i = 0; i < LEN(tables); i++) {
		push_table(L, tables[i].table);
		for (size_t k = 0; k < tables[i].n; k++)
			set_number(L, text_nth(tables[i].names, k), tables[i].numbers[k]);
		lua_pop(L, 1);
	}
	add_rows(L, "DNSQType", qtype_row);
	add_rows(L, "DNSRCode", rcode_row);
	/* the spelling of old configurations (dnsdist.REFUSED, dnsdist.A): types and rcodes in one table */
	add_rows(L, "dnsdist", qtype_row);
	add_rows(L, "dnsdist", rcode_row);
}
