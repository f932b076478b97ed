/* words_server.c: backends: newServer(), getServer(), showServers() and what a server object can do. */
#include "health.h"
#include "log.h"
#include "lua_priv.h"
#include <stdio.h>

#define WORD(name) \
	static int name(lua_State *L, const struct word *w UNUSED, const struct arg *argv UNUSED, \
		size_t argc UNUSED)
#define METHOD(name) \
	static int name(lua_State *L, void *self, const struct arg *argv UNUSED, size_t argc UNUSED)
#define ATTRIBUTE(name) static int name(lua_State *L, void *self)

static void push_server(lua_State *L, struct server *s)
{
	lua_push_obj(L, &class_server, server_ref(s));
}

/* ---- newServer ---- */

/* A wrong address does not stop the file: it is logged, and newServer() returns nil. */
static bool has(const char *text)
{
	return text && text[0];
}

static int no_server(lua_State *L, const char *word, const char *error)
{
	struct text where = {NULL, 0, 0, false};

	lua_where(L, &where);
	log_error(SETUP, "%s%s: %s: this server is left out", text_str(&where), word, error);
	if (lua_self(L)->out)
		text_addf(lua_self(L)->out, "%s: %s\n", word, error);
	text_free(&where);
	lua_pushnil(L);
	return 1;
}

static int no_address(lua_State *L, const char *word, const struct arg *table)
{
	struct text_near near = {.word = "address"};

	for (size_t i = 0; i < table->t.pairs; i++)
		text_near_try(&near, table->t.pair[i].key);
	if (near.best)
		return lua_fail(L, word, "the table has no 'address': did you mean that by '%s'?", near.best);
	return lua_fail(L, word, "the table has no 'address'");
}

/* keepWarm=true: a quarter of an hour, as long as clients of a house are usually away. */
static void read_warm(const struct arg *given)
{
	enum { WARM_S = 900 };
	struct arg *warm = (struct arg *)(uintptr_t)arg_get(given, "keepWarm"); /* in memory of this call */

	if (warm && warm->kind == ARG_BOOL)
		*warm = (struct arg){.kind = ARG_NUM, .n = warm->b ? WARM_S : 0};
}

WORD(new_server)
{
	struct arg given = argv[0], pair = {.kind = ARG_TABLE};
	struct arg_pair address = {"address", given};
	struct lua_here here = {L, w->name};
	const char *error = "out of memory";
	struct conf *draft = lua_draft(L);
	struct server *s;

	if (given.kind == ARG_STR || given.kind == ARG_NUM) {
		pair.t.pair = &address;
		pair.t.pairs = 1;
		given = pair;
	}
	if (given.kind != ARG_TABLE)
		return lua_fail(L, w->name,
			"argument 1 (server): got %s, expected an address or a table",
			arg_kind_name(&argv[0]));
	if (!arg_get(&given, "address"))
		return no_address(L, w->name, &given);
	read_warm(&given);
	s = server_of(&given, lua_unknown_option, &here, &lua_self(L)->rng, &error);
	if (!s && strncmp(error, "address: expected", 17) == 0)
		return no_server(L, w->name, error);
	if (!s)
		return lua_fail(L, w->name, "%s", error);
	if (arg_given(&argv[1])) {
		s->conf.qps = argv[1].n;
		server_set_qps(s, argv[1].n);
	}
	s->where = lua_where_dup(L, w->name);
	if (!s->where) {
		server_free(&s);
		return lua_no_memory(L, w->name);
	}
	if (!server_streams(s) && (has(s->conf.subject_name) || has(s->conf.subject_addr) || has(s->conf.ca_store)))
		lua_warn_at(L, w->name, "subjectName, subjectAddr and caStore mean nothing without tls='openssl': %s is asked in clear",
			server_name(s));
	push_server(L, s);
	if (conf_add_server(draft, s) < 0) {
		server_free(&s);
		return lua_no_memory(L, w->name);
	}
	return 1;
}

WORD(get_server)
{
	push_server(L, argv[0].o.p);
	return 1;
}

WORD(get_servers)
{
	const struct conf *c = lua_conf(L);

	lua_createtable(L, (int)c->nservers, 0);
	for (size_t i = 0; i < c->nservers; i++) {
		push_server(L, c->servers[i]);
		lua_rawseti(L, -2, (int)i + 1);
	}
	return 1;
}

WORD(remove_server)
{
	if (conf_remove_server(lua_draft(L), argv[0].o.p) < 0)
		lua_note(L, w->name, "no such server");
	return 0;
}

WORD(show_servers)
{
	const struct arg *uuids = arg_given(&argv[0]) ? arg_get(&argv[0], "showUUIDs") : NULL;

	conf_show_servers(lua_conf(L), lua_out(L), arg_bool(uuids, false));
	return 0;
}

const struct word server_words[] = {
	{"newServer", "server:any qps:num?", new_server,
		DOC("Adds a backend; an address or a table of options."),
		DOC("newServer({address=\"192.0.2.53\", name=\"one\", weight=10})")},
	{"getServer", "server:server", get_server,
		DOC("A backend by its index, from 0, or its UUID."),
		DOC("newServer(\"192.0.2.1\") getServer(0)")},
	{"getServers", "", get_servers, DOC("All backends, as a list."), DOC("getServers()")},
	{"rmServer", "server:server", remove_server, DOC("Removes a backend from all pools."),
		DOC("newServer(\"192.0.2.2\") rmServer(0)")},
	{"showServers", "options:opts?", show_servers, DOC("Prints the backends; showUUIDs."),
		DOC("showServers({showUUIDs=true})")},
	{.name = NULL},
};

/* ---- methods ---- */

METHOD(add_pool)
{
	if (conf_pool_add(lua_draft(L), argv[0].s.p, self) < 0)
		return lua_fail(L, NULL, "out of memory");
	return 0;
}

METHOD(remove_pool)
{
	if (conf_pool_remove(lua_draft(L), argv[0].s.p, self) < 0)
		lua_note(L, "rmPool", "the server is not in the pool '%s'", argv[0].s.p);
	return 0;
}

METHOD(set_up)
{
	(void)L;
	server_set_up(self);
	return 0;
}

METHOD(set_down)
{
	(void)L;
	server_set_down(self);
	return 0;
}

static int status_of(const struct arg *a)
{
	return arg_given(a) ? a->b : -1;
}

METHOD(set_auto)
{
	(void)L;
	server_set_auto(self, server_health_mode(self),
		status_of(&argv[0])); /* up, down: the automatic mode before */
	return 0;
}

METHOD(set_active_auto)
{
	(void)L;
	server_set_auto(self, HEALTH_ACTIVE, status_of(&argv[0]));
	return 0;
}

METHOD(set_lazy_auto)
{
	(void)L;
	server_set_auto(self, HEALTH_LAZY, status_of(&argv[0]));
	return 0;
}

/* Ranges are those of newServer()'s rows; the values go where probes look for them. */
METHOD(set_check_params)
{
	static const char keys[][17] = {"maxCheckFailures", "rise", "checkTimeout", "checkInterval"};
	struct health_params params = health_params(self);
	struct lua_here here = {L, "setHealthCheckParams"};
	struct field rows[] = {{.offset = offsetof(struct health_params, max_check_failures)},
		{.offset = offsetof(struct health_params, rise)},
		{.offset = offsetof(struct health_params, check_timeout_ms)},
		{.offset = offsetof(struct health_params, check_interval_s)}};
	const char *error = "";

	for (size_t i = 0; i < LEN(rows); i++) {
		uint16_t offset = rows[i].offset;

		rows[i] = *field_find(server_fields, server_field_count, keys[i]);
		rows[i].offset = offset;
	}
	if (fields_apply(rows, LEN(rows), &params, &argv[0], lua_unknown_option, &here, &error) < 0)
		return lua_fail(L, here.word, "%s", error);
	health_set_params(self, &params);
	return 0;
}

METHOD(set_validator)
{
	struct server *s = self;
	const struct lua_func *f = lua_func_keep(L, 2);

	__atomic_store_n(&s->conf.validator, f, __ATOMIC_RELEASE); /* worker 0 may be about to ask it */
	return 0;
}

METHOD(set_qps)
{
	(void)L;
	server_set_qps(self, argv[0].n);
	return 0;
}

METHOD(is_up)
{
	lua_pushboolean(L, server_up(self));
	return 1;
}

METHOD(get_name)
{
	const struct server *s = self;

	lua_pushstring(L, s->conf.name ? s->conf.name : "");
	return 1;
}

ATTRIBUTE(get_address)
{
	const struct server *s = self;
	char buf[ADDR_TEXT];
	struct addr copy;
	const struct addr *addr = server_addr(s, &copy);

	lua_pushstring(L, addr->family ? addr_print(addr, true, buf) : s->conf.address);
	return 1;
}

ATTRIBUTE(get_name_addr)
{
	const struct server *s = self;

	get_address(L, self);
	if (!s->conf.name || !*s->conf.name)
		return 1;
	lua_pushfstring(L, "%s (%s)", s->conf.name, lua_tostring(L, -1));
	return 1;
}

METHOD(name_with_addr)
{
	return get_name_addr(L, self);
}

METHOD(get_id)
{
	const struct server *s = self;

	lua_pushstring(L, s->id);
	return 1;
}

ATTRIBUTE(latency)
{
	struct server *s = self;
	uint32_t udp = peek(&s->latency_us), tcp = peek(&s->tcp_latency_us);

	lua_pushnumber(L, udp ? udp : tcp);
	return 1;
}

METHOD(get_latency)
{
	return latency(L, self);
}

ATTRIBUTE(outstanding)
{
	struct server *s = self;

	lua_pushnumber(L, peek(&s->outstanding));
	return 1;
}

METHOD(get_outstanding)
{
	return outstanding(L, self);
}

METHOD(get_drops)
{
	struct server *s = self;

	lua_pushnumber(L, (lua_Number)peek(&s->drops));
	return 1;
}

METHOD(get_queries)
{
	struct server *s = self;

	lua_pushnumber(L, (lua_Number)peek(&s->queries));
	return 1;
}

METHOD(get_health_mode)
{
	lua_pushstring(L, health_mode_name(server_health_mode(self)));
	return 1;
}

METHOD(can_accept)
{
	const struct host *h = lua_self(L)->host;
	bool enforce = arg_given(&argv[0]) ? argv[0].b : true;

	lua_pushboolean(L, server_can_accept(self, enforce, h->now_ms ? h->now_ms(h->ctx) : 0));
	return 1;
}

static const struct method methods[] = {
	{"addPool", "pool:str", add_pool},
	{"rmPool", "pool:str", remove_pool},
	{"setUp", "", set_up},
	{"setDown", "", set_down},
	{"setAuto", "status:bool?", set_auto},
	{"setActiveAuto", "status:bool?", set_active_auto},
	{"setLazyAuto", "status:bool?", set_lazy_auto},
	{"setHealthCheckParams", "options:opts", set_check_params},
	{"setHealthCheckResponseValidator", "function:func", set_validator},
	{"setQPS", "limit:num", set_qps},
	{"isUp", "", is_up},
	{"getName", "", get_name},
	{"getNameWithAddr", "", name_with_addr},
	{"toString", "", name_with_addr},
	{"getID", "", get_id},
	{"getLatency", "", get_latency},
	{"getOutstanding", "", get_outstanding},
	{"getDrops", "", get_drops},
	{"getQueries", "", get_queries},
	{"getHealthCheckMode", "", get_health_mode},
	{"canAcceptQueries", "enforceQPS:bool?", can_accept},
	{NULL, NULL, NULL},
};

/* ---- attributes ---- */

ATTRIBUTE(attr_name)
{
	return get_name(L, self, NULL, 0);
}

static void attr_set_name(lua_State *L, void *self, const struct arg *value)
{
	struct server *s = self;
	char *copy;

	lua_only_at_start(L, "name"); /* other threads read it without a lock */
	copy = mem_strdup(arg_str(value, ""));
	if (!copy)
		lua_fail(L, NULL, "out of memory");
	mem_free(s->conf.name);
	s->conf.name = copy;
}

ATTRIBUTE(attr_up)
{
	lua_pushboolean(L, server_up(self));
	return 1;
}

static void attr_set_up(lua_State *L, void *self, const struct arg *value)
{
	const struct arg status = {.kind = ARG_BOOL, .b = arg_bool(value, false)};

	set_auto(L, self, &status, 1);
}

/* A whole number from 1 as the attributes order and weight take it. */
static uint32_t attr_number(lua_State *L, const struct arg *value)
{
	double n = arg_num(value, -1);

	if (!(n >= 1 && n <= 2147483647.0) || n != (double)(uint32_t)n)
		lua_fail(L, NULL, "expected a whole number from 1, got %s",
			arg_str(value, arg_kind_name(value)));
	return (uint32_t)n;
}

ATTRIBUTE(attr_order)
{
	struct server *s = self;

	lua_pushnumber(L, peek(&s->order));
	return 1;
}

static void attr_set_order(lua_State *L, void *self, const struct arg *value)
{
	struct server *s = self;
	uint32_t order = attr_number(L, value);

	lua_draft(L); /* its pools are sorted again */
	poke(&s->order, order);
}

ATTRIBUTE(attr_weight)
{
	struct server *s = self;

	lua_pushnumber(L, peek(&s->weight));
	return 1;
}

static void attr_set_weight(lua_State *L, void *self, const struct arg *value)
{
	if (server_set_weight(self, attr_number(L, value)) < 0)
		lua_fail(L, NULL, "out of memory");
}

ATTRIBUTE(attr_qps)
{
	const struct server *s = self;

	lua_pushnumber(L, server_qps(s));
	return 1;
}

static const struct attribute attributes[] = {
	{"name", attr_name, attr_set_name},
	{"upStatus", attr_up, attr_set_up},
	{"order", attr_order, attr_set_order},
	{"weight", attr_weight, attr_set_weight},
	{"qps", attr_qps, NULL},
	{"outstanding", outstanding, NULL},
	{"latency", latency, NULL},
	{"address", get_address, NULL},
	{NULL, NULL, NULL},
};

static void free_server(void *self)
{
	struct server *s = self;

	server_free(&s);
}

/* A variable of a file that was read again means the server that goes on running. */
static void *running_server(void *self)
{
	return server_now(self);
}

const struct class class_server = {
	.type = OBJ_SERVER,
	.shown = "Server",
	.methods = methods,
	.attributes = attributes,
	.free = free_server,
	.now = running_server,
	.tostring = get_name_addr,
};
