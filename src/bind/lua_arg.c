/* lua_arg.c: arguments: Lua values to struct arg by the type that a word's signature gives, with checks.
 *
 * Nothing here leaks when a conversion raises an error: memory is the arena's, objects made on the way are
 * userdata on the Lua stack. */
#include "lua_arg.h"
#include <math.h>
#include <stdio.h>

/* ---- what was given ---- */

static const char *given(lua_State *L, int index, char *buf, size_t cap)
{
	const char *shown = lua_obj_shown(L, index);

	switch (lua_type(L, index)) {
	case LUA_TSTRING:
		snprintf(buf, cap, "'%.60s%s", lua_tostring(L, index),
			lua_objlen(L, index) > 60 ? "…'" : "'");
		return buf;
	case LUA_TNUMBER:
		snprintf(buf, cap, "%.14g", lua_tonumber(L, index));
		return buf;
	case LUA_TBOOLEAN:
		return lua_toboolean(L, index) ? "true" : "false";
	case LUA_TNONE:
	case LUA_TNIL:
		return "nothing";
	default:
		snprintf(buf, cap, "a %s", shown ? shown : luaL_typename(L, index));
		return buf;
	}
}

int arg_bad(struct call *c, int index)
{
	char buf[96], entry[32] = "";

	if (c->entry)
		snprintf(entry, sizeof(entry), "entry %zu: ", c->entry);
	return lua_fail(c->L, c->word, "argument %d (%.*s): %sgot %s, expected %s", c->position,
		(int)c->name_len, c->name, entry, given(c->L, index, buf, sizeof(buf)),
		c->type->expected);
}

void *arg_memory(struct call *c, size_t size)
{
	void *p = c->arena ? arena_alloc(c->arena, size) : NULL;

	if (!p)
		lua_fail(c->L, c->word, "out of memory");
	return p;
}

/* ---- plain types ---- */

static void to_any(struct call *c, int i, struct arg *out)
{
	lua_value(c->L, i, out, c->arena, c->word);
}

/* Left on the Lua stack for the word to read: tables whose keys are objects. */
static void to_raw(struct call *c, int i, struct arg *out)
{
	(void)c;
	(void)i;
	out->kind = ARG_NIL;
}

static void to_bool(struct call *c, int i, struct arg *out)
{
	if (!lua_isboolean(c->L, i))
		arg_bad(c, i);
	out->kind = ARG_BOOL;
	out->b = lua_toboolean(c->L, i);
}

static void to_num(struct call *c, int i, struct arg *out)
{
	if (!lua_isnumber(c->L, i) || !isfinite(lua_tonumber(c->L, i)))
		arg_bad(c, i);
	out->kind = ARG_NUM;
	out->n = lua_tonumber(c->L, i);
}

static void to_int(struct call *c, int i, struct arg *out)
{
	to_num(c, i, out);
	if (out->n != floor(out->n) || fabs(out->n) > 9007199254740992.0)
		arg_bad(c, i);
}

static void to_uint(struct call *c, int i, struct arg *out)
{
	to_int(c, i, out);
	if (out->n < 0)
		arg_bad(c, i);
}

static void to_str(struct call *c, int i, struct arg *out)
{
	out->kind = ARG_STR;
	if (!lua_isstring(c->L, i))
		arg_bad(c, i);
	out->s.p = lua_tolstring(c->L, i, &out->s.len);
}

static void to_func(struct call *c, int i, struct arg *out)
{
	if (!lua_isfunction(c->L, i))
		arg_bad(c, i);
	arg_is_obj(out, OBJ_FUNCTION, NULL);
}

static void to_table(struct call *c, int i, struct arg *out)
{
	if (!lua_istable(c->L, i))
		arg_bad(c, i);
	to_any(c, i, out);
}

/* ---- numbers with names ---- */

struct named {
	const char *name;
	int value;
};

/* A number to |max|, or what |from_text| knows. */
static void to_code(struct call *c, int i, struct arg *out, int max, int (*from_text)(const char *))
{
	double n = -1;

	if (lua_type(c->L, i) == LUA_TSTRING && from_text(lua_tostring(c->L, i)) >= 0)
		n = from_text(lua_tostring(c->L, i));
	else if (lua_isnumber(c->L, i))
		n = lua_tonumber(c->L, i);
	if (!(n >= 0 && n <= max) || n != floor(n))
		arg_bad(c, i);
	out->kind = ARG_NUM;
	out->n = n;
}

static int from_names(const struct named *v, size_t n, const char *s)
{
	for (size_t i = 0; i < n; i++) {
		if (strcasecmp(v[i].name, s) == 0)
			return v[i].value;
	}
	return -EINVAL;
}

static int class_from_text(const char *s)
{
	static const struct named v[] = {{"IN", CLASS_IN}, {"CH", CLASS_CHAOS},
		{"CHAOS", CLASS_CHAOS}, {"NONE", CLASS_NONE}, {"ANY", CLASS_ANY}};

	return from_names(v, LEN(v), s);
}

static int opcode_from_text(const char *s)
{
	static const struct named v[] = {{"Query", OPCODE_QUERY}, {"IQuery", OPCODE_IQUERY},
		{"Status", OPCODE_STATUS}, {"Notify", OPCODE_NOTIFY}, {"Update", OPCODE_UPDATE}};

	return from_names(v, LEN(v), s);
}

static int type_from_text(const char *s)
{
	return qtype_from_text(s);
}

static int code_from_text(const char *s)
{
	return rcode_from_text(s);
}

static void to_qtype(struct call *c, int i, struct arg *out)
{
	to_code(c, i, out, 65535, type_from_text);
}

static void to_qclass(struct call *c, int i, struct arg *out)
{
	to_code(c, i, out, 65535, class_from_text);
}

static void to_rcode(struct call *c, int i, struct arg *out)
{
	to_code(c, i, out, 4095, code_from_text);
}

static void to_opcode(struct call *c, int i, struct arg *out)
{
	to_code(c, i, out, 15, opcode_from_text);
}

/* ---- objects ---- */

void arg_is_obj(struct arg *out, const char *type, void *p)
{
	out->kind = ARG_OBJ;
	out->o.type = type;
	out->o.p = p;
}

/* An object of |type| as it is; false when it is something else. */
bool arg_take_obj(struct call *c, int i, const char *type, struct arg *out)
{
	void *p;

	if (lua_obj_type(c->L, i, &p) != type)
		return false;
	if (!p)
		lua_fail(c->L, c->word, "argument %d (%.*s): the %s is no longer valid",
			c->position, (int)c->name_len, c->name, lua_obj_shown(c->L, i));
	arg_is_obj(out, type, p);
	return true;
}

static void to_addr(struct call *c, int i, struct arg *out)
{
	struct addr *a;

	if (arg_take_obj(c, i, OBJ_ADDR, out))
		return;
	a = arg_memory(c, sizeof(*a));
	if (lua_type(c->L, i) != LUA_TSTRING || addr_parse(a, lua_tostring(c->L, i), 0) < 0)
		arg_bad(c, i);
	arg_is_obj(out, OBJ_ADDR, a);
}

static void to_action(struct call *c, int i, struct arg *out)
{
	if (!arg_take_obj(c, i, OBJ_ACTION, out))
		arg_bad(c, i);
}

static void to_cache(struct call *c, int i, struct arg *out)
{
	if (!arg_take_obj(c, i, OBJ_CACHE, out))
		arg_bad(c, i);
}

static void to_pool(struct call *c, int i, struct arg *out)
{
	if (arg_take_obj(c, i, OBJ_POOL, out))
		return;
	if (lua_type(c->L, i) != LUA_TSTRING)
		arg_bad(c, i);
	arg_is_obj(out, OBJ_POOL, (void *)(uintptr_t)lua_tostring(c->L, i));
}

static void to_policy(struct call *c, int i, struct arg *out)
{
	const struct policy *p;

	if (arg_take_obj(c, i, OBJ_POLICY, out))
		return;
	p = lua_type(c->L, i) == LUA_TSTRING ? policy_find(lua_tostring(c->L, i)) : NULL;
	if (!p)
		arg_bad(c, i);
	arg_is_obj(out, OBJ_POLICY, (void *)(uintptr_t)p);
}

static void to_server(struct call *c, int i, struct arg *out)
{
	const struct conf *conf;
	double n;

	if (arg_take_obj(c, i, OBJ_SERVER, out))
		return;
	conf = lua_conf(c->L);
	if (lua_type(c->L, i) == LUA_TSTRING) {
		for (size_t k = 0; k < conf->nservers; k++) {
			if (strcmp(conf->servers[k]->id, lua_tostring(c->L, i)) == 0) {
				arg_is_obj(out, OBJ_SERVER, conf->servers[k]);
				return;
			}
		}
	}
	n = lua_isnumber(c->L, i) ? lua_tonumber(c->L, i) : -1;
	if (!(n >= 0 && n < (double)conf->nservers))
		arg_bad(c, i);
	arg_is_obj(out, OBJ_SERVER, conf->servers[(size_t)n]);
}

/* ---- lists: one value or a table of them ---- */

/* Converts by |each|; the elements, which |each| may have replaced by objects, live in a new table that takes the
 * argument's place. */
static void to_list(struct call *c, int index, struct arg *out, arg_convert *each)
{
	bool one = !lua_istable(c->L, index);
	size_t n = one ? 1 : lua_objlen(c->L, index);
	struct arg *v = arg_memory(c, (n + 1) * sizeof(*v));
	int at;

	if (!one && n == 0 && (lua_pushnil(c->L), lua_next(c->L, index)))
		arg_bad(c, index); /* names but no list */
	lua_createtable(c->L, (int)n, 0);
	at = lua_gettop(c->L) + 1;
	luaL_checkstack(c->L, 8, "out of memory");
	for (size_t i = 0; i < n; i++) {
		c->entry = one ? 0 : i + 1;
		if (one)
			lua_pushvalue(c->L, index);
		else
			lua_rawgeti(c->L, index, (int)i + 1);
		each(c, at, &v[i]);
		lua_settop(c->L, at);
		lua_rawseti(c->L, at - 1, (int)i + 1);
	}
	c->entry = 0;
	lua_replace(c->L, index);
	*out = (struct arg){.kind = ARG_TABLE, .t = {.v = v, .n = n}};
}

static void to_strs(struct call *c, int i, struct arg *out)
{
	to_list(c, i, out, to_str);
}

static void to_addrs(struct call *c, int i, struct arg *out)
{
	to_list(c, i, out, to_addr);
}

static void to_qtypes(struct call *c, int i, struct arg *out)
{
	to_list(c, i, out, to_qtype);
}

static void to_rules(struct call *c, int i, struct arg *out)
{
	to_list(c, i, out, arg_to_rule);
}

static void to_svc_one(struct call *c, int i, struct arg *out)
{
	if (!arg_take_obj(c, i, OBJ_SVC, out))
		arg_bad(c, i);
}

static void to_svc(struct call *c, int i, struct arg *out)
{
	to_list(c, i, out, to_svc_one);
}

/* ---- signatures ---- */

static const struct arg_type types[] = {
	/* the frequent ones first */
	{"str", "a string", to_str, false},
	{"num", "a number", to_num, false},
	{"uint", "a whole number from 0", to_uint, false},
	{"int", "a whole number", to_int, false},
	{"bool", "true or false", to_bool, false},
	{"any", "a value", to_any, true},
	{"raw", "a value", to_raw, false},
	{"func", "a function", to_func, false},
	{"opts", "a table of options", to_table, true},
	{"table", "a table", to_table, true},
	{"name", "a domain name", arg_to_name, true},
	{"suffixes", "domain names or a SuffixMatchNode", arg_to_suffixes, true},
	{"nameset", "domain names or a DNSNameSet", arg_to_nameset, true},
	{"masks", "netmasks" HINT(" such as 192.0.2.0/24") " or a NetmaskGroup", arg_to_masks, true},
	{"addr", "an IP address", to_addr, true},
	{"addrs", "IP addresses", to_addrs, true},
	{"strs", "a string or a list of strings", to_strs, true},
	{"qtype", "a DNS type" HINT(" such as A, AAAA") " or a number", to_qtype, false},
	{"qtypes", "DNS types" HINT(" such as A, AAAA") " or numbers", to_qtypes, true},
	{"qclass", "a DNS class" HINT(" such as IN, CHAOS") " or a number", to_qclass, false},
	{"rcode", "a response code" HINT(" such as DNSRCode.REFUSED") " or a number", to_rcode, false},
	{"opcode", "an opcode" HINT(" such as DNSOpcode.Notify") " or a number", to_opcode, false},
	{"rule", "a selector" HINT(" such as AllRule()") ", a netmask or a domain name", arg_to_rule, true},
	{"rules", "a list of selectors", to_rules, true},
	{"action", "an action" HINT(" such as DropAction()"), to_action, false},
	{"svc", "what newSVCRecordParameters() returns, or a list of it", to_svc, true},
	{"server", "a server, its index or its UUID", to_server, false},
	{"pool", "a pool or its name", to_pool, false},
	{"cache", "what newPacketCache() returns", to_cache, false},
	{"policy", "a policy" HINT(" such as firstAvailable"), to_policy, false},
};

struct param {
	const char *name;
	size_t name_len;
	const struct arg_type *type;
	bool optional;
};

/* Reads one "name:type" at |*s|; false at the end. */
static bool next_param(const char **s, struct param *p)
{
	const char *colon, *end;
	size_t len;

	*s += strspn(*s, " ");
	if (!**s)
		return false;
	end = *s + strcspn(*s, " ");
	colon = memchr(*s, ':', (size_t)(end - *s));
	must(colon);
	*p = (struct param){.name = *s, .name_len = (size_t)(colon - *s)};
	if (p->name[p->name_len - 1] == '?') {
		p->name_len--;
		p->optional = true;
	}
	len = (size_t)(end - colon - 1);
	if (colon[len] == '?') {
		len--;
		p->optional = true;
	}
	for (size_t i = 0; i < LEN(types) && !p->type; i++) {
		if (strncmp(types[i].name, colon + 1, len) == 0 && !types[i].name[len])
			p->type = &types[i];
	}
	must(p->type); /* a signature of ours names a type that is not there */
	*s = end;
	return true;
}

bool lua_args_need(const char *spec)
{
	struct param p;

	while (next_param(&spec, &p)) {
		if (p.type->memory)
			return true;
	}
	return false;
}

size_t lua_args_count(const char *spec)
{
	struct param p;
	size_t n = 0;

	while (next_param(&spec, &p))
		n++;
	return n;
}

size_t lua_args(lua_State *L, const char *word, const char *spec, int first,
	struct arg argv[LUA_ARGS_MAX], struct arena *arena)
{
	struct param p;
	size_t n = 0;

	luaL_checkstack(L, 16, "out of memory");
	for (; next_param(&spec, &p); n++) {
		struct call c = {L, word, p.name, p.name_len, p.type, arena, (int)n + 1, 0};
		int index = first + (int)n;

		must(n < LUA_ARGS_MAX);
		if (!lua_isnoneornil(L, index))
			p.type->convert(&c, index, &argv[n]);
		else if (p.optional)
			argv[n].kind = ARG_NIL;
		else
			arg_bad(&c, index);
	}
	return n;
}
