/* constants.c: the tables of numbers that configurations name: DNSAction, DNSQType, DNSRCode and their kin. */
#include "dns.h"
#include "lua_priv.h"

struct constant {
	const char *name;
	int value;
};

static const struct constant actions[] = {
#define ACTION(id, num) {#id, num},
#include "lua_action.def"
#undef ACTION
	{NULL, 0},
};

static const struct constant response_actions[] = {
#define RESPONSE_ACTION(id, num) {#id, num},
#include "lua_action.def"
#undef RESPONSE_ACTION
	{NULL, 0},
};

static const struct constant classes[] = {
	{"IN", CLASS_IN}, {"CHAOS", CLASS_CHAOS}, {"NONE", CLASS_NONE}, {"ANY", CLASS_ANY}, {NULL, 0}};

static const struct constant opcodes[] = {{"Query", OPCODE_QUERY}, {"IQuery", OPCODE_IQUERY},
	{"Status", OPCODE_STATUS}, {"Notify", OPCODE_NOTIFY}, {"Update", OPCODE_UPDATE}, {NULL, 0}};

static const struct constant types[] = {
#define QTYPE(id, num) {#id, num},
#include "tbl/qtype.def"
#undef QTYPE
	{NULL, 0},
};

static const struct constant rcodes[] = {
#define RCODE(id, num, text) {#id, num},
#include "tbl/rcode.def"
#undef RCODE
	{NULL, 0},
};

static const struct constant sections[] = {{"Question", SECTION_QUESTION}, {"Answer", SECTION_ANSWER},
	{"Authority", SECTION_AUTHORITY}, {"Additional", SECTION_ADDITIONAL}, {NULL, 0}};

static const struct constant options[] = {
#define EDNSOPT(id, num) {#id, num},
#include "tbl/ednsopt.def"
#undef EDNSOPT
	{NULL, 0},
};

static const struct constant exchanges[] = {{"VERSION1", 1}, {"VERSION2", 2}, {NULL, 0}};

/* |dnsdist| is the spelling of old configurations (dnsdist.REFUSED, dnsdist.A): types and rcodes in one table. */
static const struct {
	const char *table;
	const struct constant *rows;
} tables[] = {
	{"DNSAction", actions},
	{"DNSResponseAction", response_actions},
	{"DNSClass", classes},
	{"DNSOpcode", opcodes},
	{"DNSQType", types},
	{"DNSRCode", rcodes},
	{"DNSSection", sections},
	{"EDNSOptionCode", options},
	{"DNSCryptExchangeVersion", exchanges},
	{"dnsdist", types},
	{"dnsdist", rcodes},
};

void lua_register_constants(lua_State *L)
{
	for (size_t i = 0; i < LEN(tables); i++) {
		lua_getglobal(L, tables[i].table);
		if (!lua_istable(L, -1)) {
			lua_pop(L, 1);
			lua_newtable(L);
			lua_pushvalue(L, -1);
			lua_setglobal(L, tables[i].table);
		}
		for (const struct constant *c = tables[i].rows; c->name; c++) {
			lua_pushinteger(L, c->value);
			lua_setfield(L, -2, c->name);
		}
		lua_pop(L, 1);
	}
}
