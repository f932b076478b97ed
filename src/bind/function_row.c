/* function_row.c: rules made of Lua functions: LuaRule, LuaAction, LuaResponseAction; and the words of callbacks.
 *
 * Cost of a call: the state's mutex, one table read, one pcall; nothing is allocated for dq.  All workers share the
 * lock: a slow function stalls them all. */
#include "conf.h"
#include "function.h"
#include "message.h"
#include <stdio.h>
#include <stdlib.h>

static const struct answer_opts default_opts = {-1, -1, -1, 60};

struct lua_selector {
	struct selector base;
	struct lua_func *f;
};
struct lua_row {
	struct action base;
	struct lua_func *f;
};

/* ---- what a query function's result does; the second value is at the top of the stack ---- */
static const char *detail(lua_State *L, size_t *len_r)
{
	/* Not a number: converting one would allocate outside of any protection. */
	return lua_type(L, -1) == LUA_TSTRING ? lua_tolstring(L, -1, len_r) : NULL;
}

/* The result as a number of our tables, -1 when it is none. */
static int code_of(lua_State *L)
{
	double n = lua_tonumber(L, -2);

	return n >= 0 && n < 256 && n == (int)n ? (int)n : -1;
}

static enum act answered(int err, enum act act)
{
	return err < 0 ? ACT_ERROR : act;
}

/* An action may have turned the query into an answer by itself (dq:spoof, setQR): then nothing else may send it on. */
static enum act go_on(const struct dq *dq, enum act act)
{
	return dns_flags(dq->msg) & DNS_QR ? ACT_ANSWER : act;
}

enum { SPOOF_MAX = 32 };

/* "192.0.2.1, 192.0.2.2": how many addresses, 0 when some word is none. */
static size_t parse_addrs(const char *s, struct addr out[SPOOF_MAX])
{
	static const char between[] = " ,\t";
	size_t n = 0;

	for (s += strspn(s, between); *s && n < SPOOF_MAX; s += strspn(s, between)) {
		size_t len = strcspn(s, between);
		char word[ADDR_TEXT];

		if (len >= sizeof(word))
			return 0;
		memcpy(word, s, len);
		word[len] = 0;
		if (addr_parse(&out[n++], word, 0) < 0)
			return 0;
		s += len;
	}
	return n;
}

/* Addresses that do not fit the question make an answer without records. */
static enum act act_spoof(lua_State *L, struct dq *dq, const struct lua_func *f)
{
	struct addr list[SPOOF_MAX];
	struct name target;
	size_t len, n;
	const char *s = detail(L, &len);

	if (!s || !len) {
		row_log(f, "LuaAction", "DNSAction.Spoof needs an address or a name as second value");
		return ACT_ERROR;
	}
	n = parse_addrs(s, list);
	if (n)
		return answered(dq_answer_addrs(dq, list, n, &default_opts), ACT_ANSWER);
	if (name_from_text(&target, s, len) < 0) {
		row_log(f, "LuaAction", "DNSAction.Spoof: '%.100s' is neither an address nor a name", s);
		return ACT_ERROR;
	}
	return answered(dq_answer_cname(dq, &target, &default_opts), ACT_ANSWER);
}

static enum act act_spoof_raw(lua_State *L, struct dq *dq, const struct lua_func *f)
{
	size_t len;
	const char *s = detail(L, &len);
	const struct arg one = {.kind = ARG_STR, .s = {s, len}}, list = {.kind = ARG_TABLE, .t = {&one, 1, NULL, 0}};

	if (!s) {
		row_log(f, "LuaAction", "DNSAction.SpoofRaw needs the rdata as second value");
		return ACT_ERROR;
	}
	return answered(dq_answer_raw(dq, &list, 0, &default_opts), ACT_ANSWER);
}

static enum act act_spoof_packet(lua_State *L, struct dq *dq, const struct lua_func *f)
{
	size_t len;
	const char *s = detail(L, &len);
	uint16_t id = dns_id(dq->msg);

	if (!s || len < DNS_HEADER || len > message_room(dq)) {
		row_log(f, "LuaAction", "DNSAction.SpoofPacket needs a whole message as second value");
		return ACT_ERROR;
	}
	memcpy(dq->msg, s, len);
	put16(dq->msg, id);
	dns_set_flags(dq->msg, dns_flags(dq->msg) | DNS_QR);
	dq->len = len;
	dq_changed(dq);
	return ACT_ANSWER;
}

static enum act act_pool(lua_State *L, struct dq *dq, const struct lua_func *f)
{
	size_t len;
	const char *s = detail(L, &len);
	const struct pool *pool = s && dq->conf ? conf_pool(dq->conf, s) : NULL;

	if (!pool) {
		row_log(f, "LuaAction", "DNSAction.Pool: there is no pool '%.100s'", s ? s : "");
		return ACT_ERROR;
	}
	dq->pool = pool->name; /* the configuration's: outlives the query */
	return go_on(dq, ACT_POOL);
}

/* The milliseconds may be a number or text; kept when the second value is neither. */
static void set_delay(lua_State *L, struct dq *dq)
{
	double ms = lua_isnumber(L, -1) ? lua_tonumber(L, -1) : 0;

	if (ms > 0)
		dq->delay_ms = ms < UINT32_MAX ? (uint32_t)ms : UINT32_MAX;
}

static enum act act_truncate(struct dq *dq)
{
	if (proto_stream(dq->proto))
		return ACT_NEXT;
	return answered(dq_answer_truncated(dq), ACT_TRUNCATE);
}

/* The rcode alone is set, as in dnsdist: RA stays 0 and AD as the client sent it. */
static enum act act_rcode(struct dq *dq, unsigned rcode)
{
	const struct answer_opts opts = {.aa = -1, .ad = (dns_flags(dq->msg) & DNS_AD) != 0, .ra = 0};

	return answered(dq_answer_rcode(dq, rcode, &opts), ACT_RCODE);
}

static enum act query_result(lua_State *L, struct dq *dq, const struct lua_func *f)
{
	if (!lua_isnumber(L, -2)) {
		row_log(f, "LuaAction", "returned a %s, expected a DNSAction", luaL_typename(L, -2));
		return ACT_ERROR;
	}
	switch (code_of(L)) {
	case LUA_ACTION_Drop:
		return ACT_DROP;
	case LUA_ACTION_Nxdomain:
		return act_rcode(dq, RCODE_NXDOMAIN);
	case LUA_ACTION_Refused:
		return act_rcode(dq, RCODE_REFUSED);
	case LUA_ACTION_ServFail:
		return act_rcode(dq, RCODE_SERVFAIL);
	case LUA_ACTION_Spoof:
		return act_spoof(L, dq, f);
	case LUA_ACTION_SpoofRaw:
		return act_spoof_raw(L, dq, f);
	case LUA_ACTION_SpoofPacket:
		return act_spoof_packet(L, dq, f);
	case LUA_ACTION_Allow:
	case LUA_ACTION_HeaderModify:
		return go_on(dq, ACT_ALLOW);
	case LUA_ACTION_Pool:
		return act_pool(L, dq, f);
	case LUA_ACTION_Truncate:
		return act_truncate(dq);
	case LUA_ACTION_NoRecurse:
		dns_set_flags(dq->msg, dns_flags(dq->msg) & ~(unsigned)DNS_RD);
		return go_on(dq, ACT_ALLOW);
	case LUA_ACTION_Delay:
		set_delay(L, dq);
		return go_on(dq, ACT_NEXT);
	case LUA_ACTION_None:
	case LUA_ACTION_NoOp:
	case LUA_ACTION_SetTag: /* the tag is set by dq:setTag() */
		return go_on(dq, ACT_NEXT);
	default:
		row_log(f, "LuaAction", "returned %.14g, which is no DNSAction", lua_tonumber(L, -2));
		return ACT_ERROR;
	}
}

/* On answers a failure changes the rcode and leaves the records. */
static enum act reply_servfail(struct dq *dq, enum act act)
{
	dns_set_flags(dq->msg, (dns_flags(dq->msg) & ~(unsigned)DNS_RCODE) | RCODE_SERVFAIL);
	return act;
}

static enum act reply_result(lua_State *L, struct dq *dq, const struct lua_func *f)
{
	if (!lua_isnumber(L, -2)) {
		row_log(f, "LuaResponseAction", "returned a %s, expected a DNSResponseAction", luaL_typename(L, -2));
		return reply_servfail(dq, ACT_ERROR);
	}
	switch (code_of(L)) {
	case LUA_RESPONSE_ACTION_Allow:
	case LUA_RESPONSE_ACTION_HeaderModify:
		return ACT_ALLOW;
	case LUA_RESPONSE_ACTION_Delay:
		set_delay(L, dq);
		return ACT_NEXT;
	case LUA_RESPONSE_ACTION_Drop:
		return ACT_DROP;
	case LUA_RESPONSE_ACTION_ServFail:
		return reply_servfail(dq, ACT_ALLOW);
	case LUA_RESPONSE_ACTION_Truncate:
		return act_truncate(dq);
	case LUA_RESPONSE_ACTION_None:
		return ACT_NEXT;
	default:
		row_log(f, "LuaResponseAction", "returned %.14g, which is no DNSResponseAction", lua_tonumber(L, -2));
		return reply_servfail(dq, ACT_ERROR);
	}
}

/* ---- the rows ---- */
static bool selector_match(struct selector *s, struct dq *dq)
{
	const struct lua_func *f = container_of(s, struct lua_selector, base)->f;
	lua_State *L = lua_func_push(f);
	bool match = false;

	if (!L)
		return false;
	lua_message_push(L, dq);
	if (lua_pcall(L, 1, 1, 0) == 0) {
		match = lua_toboolean(L, -1);
		lua_pop(L, 1);
	} else {
		lua_row_error(L, "LuaRule");
	}
	lua_message_done(L);
	lua_leave(f->lua);
	return match;
}

static enum act run_function(const struct lua_func *f, struct dq *dq, const char *word,
	enum act (*result)(lua_State *, struct dq *, const struct lua_func *))
{
	lua_State *L = lua_func_push(f);
	enum act act = ACT_ERROR;

	if (!L)
		return ACT_ERROR;
	lua_message_push(L, dq);
	if (lua_pcall(L, 1, 2, 0) == 0) {
		act = result(L, dq, f);
		lua_pop(L, 2);
	} else {
		lua_row_error(L, word);
		if (dq->is_response)
			reply_servfail(dq, ACT_ERROR);
	}
	lua_message_done(L);
	lua_leave(f->lua);
	return act;
}

static enum act action_run(struct action *a, struct dq *dq)
{
	return run_function(container_of(a, struct lua_row, base)->f, dq, "LuaAction", query_result);
}

static enum act reply_run(struct action *a, struct dq *dq)
{
	return run_function(container_of(a, struct lua_row, base)->f, dq, "LuaResponseAction", reply_result);
}

static void selector_done(struct selector *s)
{
	lua_func_free(&container_of(s, struct lua_selector, base)->f);
}

static void action_done(struct action *a)
{
	lua_func_free(&container_of(a, struct lua_row, base)->f);
}

/* As showRules() prints it; NULL when memory is out. */
static char *row_text(const struct lua_func *f)
{
	size_t size = strlen(f->where) + sizeof("Lua script ");
	char *text = mem_alloc(size);

	if (text)
		snprintf(text, size, "Lua script %s", f->where);
	return text;
}

static int push_action(lua_State *L, const struct word *w, enum act (*run)(struct action *, struct dq *), bool response)
{
	struct lua_func *f = lua_func_new(L, 1);
	struct lua_row *row = mem_zalloc(sizeof(*row));

	if (row)
		row->base.text = row_text(f);
	if (!row || !row->base.text) {
		mem_free(row);
		lua_func_free(&f);
		return lua_no_memory(L, w->name);
	}
	row->base.refs = 1;
	row->base.run = run;
	row->base.free = action_done;
	row->base.for_response = response;
	row->f = f;
	lua_push_obj(L, &class_action, &row->base);
	return 1;
}

/* ---- words ---- */
static int word_rule(lua_State *L, const struct word *w, const struct arg *argv, size_t argc)
{
	struct lua_func *f = lua_func_new(L, 1);
	struct lua_selector *row = mem_zalloc(sizeof(*row));

	(void)argv;
	(void)argc;
	if (row)
		row->base.text = row_text(f);
	if (!row || !row->base.text) {
		mem_free(row);
		lua_func_free(&f);
		return lua_no_memory(L, w->name);
	}
	row->base.refs = 1;
	row->base.match = selector_match;
	row->base.free = selector_done;
	row->f = f;
	lua_push_obj(L, &class_selector, &row->base);
	return 1;
}

static int word_action(lua_State *L, const struct word *w, const struct arg *argv, size_t argc)
{
	(void)argv;
	(void)argc;
	return push_action(L, w, action_run, false);
}

static int word_response_action(lua_State *L, const struct word *w, const struct arg *argv, size_t argc)
{
	(void)argv;
	(void)argc;
	return push_action(L, w, reply_run, true);
}

static int add_callback(lua_State *L, const struct word *w, enum callback_kind kind)
{
	struct lua_func *f = lua_func_new(L, 1);

	if (calls_add(lua_self(L), kind, f) < 0) {
		lua_func_free(&f);
		return lua_no_memory(L, w->name);
	}
	return 0;
}

static int word_maintenance(lua_State *L, const struct word *w, const struct arg *argv, size_t argc)
{
	(void)argv;
	(void)argc;
	return add_callback(L, w, CALLBACK_MAINTENANCE);
}

static int word_exit(lua_State *L, const struct word *w, const struct arg *argv, size_t argc)
{
	(void)argv;
	(void)argc;
	return add_callback(L, w, CALLBACK_EXIT);
}

static int word_server_state(lua_State *L, const struct word *w, const struct arg *argv, size_t argc)
{
	(void)argv;
	(void)argc;
	return add_callback(L, w, CALLBACK_SERVER_STATE);
}

const struct word function_words[] = {
	{"LuaRule", "function:func", word_rule, DOC("Matches when the function returns true."),
		DOC("LuaRule(function(dq) return dq.qtype == DNSQType.ANY end)")},
	{"LuaAction", "function:func", word_action, DOC("Does what the function returns: a DNSAction and its detail."),
		DOC("LuaAction(function(dq) return DNSAction.Spoof, \"192.0.2.1\" end)")},
	{"LuaResponseAction", "function:func", word_response_action,
		DOC("Does what the function returns: a DNSResponseAction and its detail."),
		DOC("LuaResponseAction(function(dr) return DNSResponseAction.None end)")},
	{"addMaintenanceCallback", "function:func name:str?", word_maintenance,
		DOC("Calls the function about once a second."), DOC("addMaintenanceCallback(function() end)")},
	{"addExitCallback", "function:func", word_exit, DOC("Calls the function when the daemon ends."),
		DOC("addExitCallback(function() end)")},
	{"addServerStateChangeCallback", "function:func", word_server_state,
		DOC("Calls the function with a server's name and whether it is up when that changes."),
		DOC("addServerStateChangeCallback(function(name, up) end)")},
	{.name = NULL},
};
