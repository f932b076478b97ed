/* lua_message.c: the message under work as Lua sees it: DNSQuestion (dq) and DNSResponse (dr).
 *
 * Each state has one userdata of each; a call points it at its query and takes it back afterwards, so calling a Lua
 * row allocates nothing for it.  Everything read from it is a copy, but dq.dh, which is a view that goes through the
 * same pointer.  What a script keeps beyond its call raises an error. */
#include "message.h"

static const char OBJ_DQ[] = "DNSQuestion", OBJ_DR[] = "DNSResponse";

static void *message_dq(lua_State *L, void *self)
{
	const struct lua_message *m = self;

	if (!m->dq)
		lua_fail(L, m->shown, "is no longer valid: it may only be used during the call that got it");
	return m->dq;
}

uint8_t *lua_message_header(lua_State *L, struct lua_message *m)
{
	const struct dq *dq = message_dq(L, m);

	return dq->msg;
}

/* One userdata per state and kind; the key in the registry is the address of its type's name. */
static struct lua_message *find(lua_State *L, const char *type)
{
	lua_pushlightuserdata(L, (void *)(uintptr_t)type);
	lua_rawget(L, LUA_REGISTRYINDEX);
	return lua_to_obj(L, -1, type);
}

/* ---- attributes ---- */
static int get_qname(lua_State *L, void *self)
{
	const struct dq *dq = self;
	const struct question *q = dq->question;

	value_push_wire(L, dq->ask_name && name_same(dq->ask_name, q->lower) ? dq->ask_name : q->lower, q->len);
	return 1;
}

static int get_qtype(lua_State *L, void *self)
{
	const struct dq *dq = self;

	lua_pushinteger(L, dq->question->qtype);
	return 1;
}

static int get_qclass(lua_State *L, void *self)
{
	const struct dq *dq = self;

	lua_pushinteger(L, dq->question->qclass);
	return 1;
}

static int get_remote(lua_State *L, void *self)
{
	const struct dq *dq = self;

	value_push_addr(L, dq->remote);
	return 1;
}

static int get_local(lua_State *L, void *self)
{
	const struct dq *dq = self;

	value_push_addr(L, dq->local);
	return 1;
}

static int get_tcp(lua_State *L, void *self)
{
	const struct dq *dq = self;

	lua_pushboolean(L, proto_stream(dq->proto));
	return 1;
}

static int get_opcode(lua_State *L, void *self)
{
	const struct dq *dq = self;

	lua_pushinteger(L, (lua_Integer)dns_opcode(dq->msg));
	return 1;
}

static int get_size(lua_State *L, void *self)
{
	const struct dq *dq = self;

	lua_pushinteger(L, (lua_Integer)message_room(dq));
	return 1;
}

static int get_dh(lua_State *L, void *self)
{
	const struct dq *dq = self;
	struct lua_message *of = find(L, dq->is_response ? OBJ_DR : OBJ_DQ);

	value_push_header(L, NULL, of);
	return 1;
}

/* whole takes a number of 0 … |max| from |v|. */
static uint32_t whole(lua_State *L, const struct arg *v, double max)
{
	double n = arg_num(v, -1);

	if (!(n >= 0 && n <= max))
		lua_fail(L, NULL, "expected a number from 0 to %.0f, got %s", max, arg_kind_name(v));
	return (uint32_t)n;
}

static int get_rcode(lua_State *L, void *self)
{
	const struct dq *dq = self;

	lua_pushinteger(L, (lua_Integer)dns_rcode(dq->msg));
	return 1;
}

/* An rcode above 15 has its upper part in the OPT of an answer of our own. */
static void set_rcode(lua_State *L, void *self, const struct arg *v)
{
	struct dq *dq = self;
	uint32_t rcode = whole(L, v, 4095);

	dns_set_flags(dq->msg, (dns_flags(dq->msg) & ~(unsigned)DNS_RCODE) | (rcode & DNS_RCODE));
	dq->ext_rcode = (uint8_t)(rcode >> 4);
}

static int get_len(lua_State *L, void *self)
{
	const struct dq *dq = self;

	lua_pushinteger(L, (lua_Integer)dq->len);
	return 1;
}

static void set_len(lua_State *L, void *self, const struct arg *v)
{
	struct dq *dq = self;
	size_t len = whole(L, v, (double)message_room(dq));

	if (len < DNS_HEADER)
		lua_fail(L, NULL, "a message has at least %d bytes", DNS_HEADER);
	if (len > dq->len)
		memset(dq->msg + dq->len, 0, len - dq->len);
	dq->len = len;
	dq_changed(dq);
}

static int get_pool(lua_State *L, void *self)
{
	const struct dq *dq = self;

	lua_pushstring(L, dq->pool);
	return 1;
}

static void set_pool(lua_State *L, void *self, const struct arg *v)
{
	struct dq *dq = self;
	const char *name = arg_str(v, NULL);
	const struct pool *pool = name && dq->conf ? conf_pool(dq->conf, name) : NULL;

	if (!pool)
		lua_fail(L, NULL, "there is no pool '%s'", name ? name : arg_kind_name(v));
	dq->pool = pool->name;
}

#define FLAG(name, expr, assign)                                                                                       \
	static int get_##name(lua_State *L, void *self)                                                                \
	{                                                                                                              \
		const struct dq *dq = self;                                                             \
		lua_pushboolean(L, expr);                                                                              \
		return 1;                                                                                              \
	}                                                                                                              \
	static void set_##name(lua_State *L, void *self, const struct arg *v)                                          \
	{                                                                                                              \
		struct dq *dq = self;                                                                   \
		bool on = arg_bool(v, false);                                                                          \
		(void)L;                                                                                               \
		assign;                                                                                                \
	}
FLAG(skip_cache, dq->skip_cache, dq->skip_cache = on)
FLAG(use_ecs, dq->use_ecs && !dq->no_ecs, (dq->use_ecs = on, dq->no_ecs = !on))
FLAG(ecs_override, dq->ecs_override, dq->ecs_override = on)

static bool is_v6(const struct dq *dq)
{
	return dq->remote && dq->remote->family == AF_INET6;
}

static int get_ecs_bits(lua_State *L, void *self)
{
	const struct dq *dq = self;

	lua_pushinteger(L, is_v6(dq) ? dq->ecs_bits6 : dq->ecs_bits4);
	return 1;
}

static void set_ecs_bits(lua_State *L, void *self, const struct arg *v)
{
	struct dq *dq = self;

	if (is_v6(dq))
		dq->ecs_bits6 = (uint8_t)whole(L, v, 128);
	else
		dq->ecs_bits4 = (uint8_t)whole(L, v, 32);
}

static int get_failure_ttl(lua_State *L, void *self)
{
	const struct dq *dq = self;

	if (dq->temp_failure_ttl < 0)
		lua_pushnil(L);
	else
		lua_pushnumber(L, (double)dq->temp_failure_ttl);
	return 1;
}

static void set_failure_ttl(lua_State *L, void *self, const struct arg *v)
{
	struct dq *dq = self;

	dq->temp_failure_ttl = whole(L, v, INT32_MAX);
}

/* Who the client is, for exported data: kept as tags of ours, one for each attribute's name. */
static const char *identity_tag(lua_State *L)
{
	return lua_pushfstring(L, "%c%s", MESSAGE_OWN_TAG, lua_tostring(L, 2));
}

static int get_identity(lua_State *L, void *self)
{
	const struct tag *tag = dq_tag(self, identity_tag(L));

	lua_pushlstring(L, tag ? tag->value : "", tag ? tag->value_len : 0);
	return 1;
}

static void set_identity(lua_State *L, void *self, const struct arg *v)
{
	if (v->kind != ARG_STR)
		lua_fail(L, NULL, "expected a string, got %s", arg_kind_name(v));
	if (dq_set_tag(self, identity_tag(L), v->s.p, v->s.len) < 0)
		lua_no_memory(L, NULL);
}

static const struct attribute attributes[] = {
	{"qname", get_qname, NULL},
	{"qtype", get_qtype, NULL},
	{"qclass", get_qclass, NULL},
	{"remoteaddr", get_remote, NULL},
	{"localaddr", get_local, NULL},
	{"tcp", get_tcp, NULL},
	{"opcode", get_opcode, NULL},
	{"rcode", get_rcode, set_rcode},
	{"len", get_len, set_len},
	{"size", get_size, NULL},
	{"dh", get_dh, NULL},
	{"pool", get_pool, set_pool},
	{"skipCache", get_skip_cache, set_skip_cache},
	{"useECS", get_use_ecs, set_use_ecs},
	{"ecsOverride", get_ecs_override, set_ecs_override},
	{"ecsPrefixLength", get_ecs_bits, set_ecs_bits},
	{"tempFailureTTL", get_failure_ttl, set_failure_ttl},
	{"deviceID", get_identity, set_identity},
	{"deviceName", get_identity, set_identity},
	{"requestorID", get_identity, set_identity},
	{NULL, NULL, NULL},
};

/* ---- methods: what both have, then what only one has ---- */
static const struct method common_methods[] = {
	{"getHeader", "", message_get_header},
	{"setHeader", "header:any", message_set_header},
	{"getContent", "", message_get_content},
	{"setContent", "bytes:str", message_set_content},
	{"getDO", "", message_get_do},
	{"getEDNSOptions", "", message_get_options},
	{"setEDNSOption", "code:uint data:str", message_set_option},
	{"getElapsedUs", "", message_get_elapsed},
	{"getIncomingInterface", "", message_get_interface},
	{"getProtocol", "", message_get_protocol},
	{"getQueryTime", "", message_get_time},
	{"getTag", "name:str", message_get_tag},
	{"setTag", "name:str value:str", message_set_tag},
	{"unsetTag", "name:str", message_unset_tag},
	{"getTagArray", "", message_get_tags},
	{"setTagArray", "tags:table", message_set_tags},
	{"getTrailingData", "", message_get_trailing},
	{"setTrailingData", "bytes:str", message_set_trailing},
	{"changeName", "name:name", message_change_name},
	{"setExtendedDNSError", "code:uint text:str? clear:bool?", message_set_ede},
	{"getHTTPHeaders", "", message_get_http_headers},
	{"getHTTPHost", "", message_get_http_host},
	{"getHTTPPath", "", message_get_http_path},
	{"getHTTPQueryString", "", message_get_http_query},
	{"getHTTPScheme", "", message_get_http_scheme},
	{"getServerNameIndication", "", message_get_sni},
	{"getProxyProtocolValues", "", message_empty_table},
	{"getTraceID", "", message_nothing},
	{"getSpanID", "", message_nothing},
	{"setProxyProtocolValues", "values:any", message_absent},
	{"addProxyProtocolValue", "type:any value:any?", message_absent},
	{"sendTrap", "reason:any?", message_absent},
	{"setMetaKey", "key:any values:any?", message_absent},
	{"suspend", "asyncID:any? queryID:any? timeoutMS:any?", message_absent},
	{NULL, NULL, NULL},
};

static const struct method dq_methods[] = {
	{"setHTTPResponse", "status:uint body:str contentType:str?", message_set_http},
	{"setNegativeAndAdditionalSOA",
		"nxd:bool zone:name ttl:uint mname:name rname:name serial:uint refresh:uint retry:uint expire:uint "
		"minimum:uint",
		message_set_negative},
	{"setRestartable", "", message_set_restartable},
	{"spoof", "data:any typeForAny:qtype? ttl:uint?", message_spoof},
	{NULL, NULL, NULL},
};

static const struct method dr_methods[] = {
	{"editTTLs", "function:func", message_edit_ttls},
	{"restart", "", message_restart},
	{"getSelectedBackend", "", message_get_backend},
	{"getStaleCacheHit", "", message_get_stale},
	{"getRestartCount", "", message_get_restarts},
	{NULL, NULL, NULL},
};

const struct class class_dq = {
	.type = OBJ_DQ,
	.shown = "DNSQuestion",
	.methods = dq_methods,
	.attributes = attributes,
	.free = mem_free,
	.more = common_methods,
	.self = message_dq,
};
const struct class class_dr = {
	.type = OBJ_DR,
	.shown = "DNSResponse",
	.methods = dr_methods,
	.attributes = attributes,
	.free = mem_free,
	.more = common_methods,
	.self = message_dq,
};

/* ---- one userdata per state and kind ---- */
static void make(lua_State *L, const struct class *class)
{
	struct lua_message *m = mem_zalloc(sizeof(*m));

	if (m)
		m->shown = class->shown;
	lua_pushlightuserdata(L, (void *)(uintptr_t)class->type);
	lua_push_obj(L, class, m);
	lua_rawset(L, LUA_REGISTRYINDEX);
}

void lua_message_prepare(lua_State *L)
{
	bool there = find(L, OBJ_DR) != NULL; /* the last one made */

	lua_pop(L, 1);
	if (there)
		return;
	lua_class(L, &class_option);
	make(L, &class_dq);
	make(L, &class_dr);
}

void lua_message_push(lua_State *L, struct dq *dq)
{
	struct lua_message *m = find(L, dq->is_response ? OBJ_DR : OBJ_DQ);

	must(m);
	m->dq = dq;
}

void lua_message_done(lua_State *L)
{
	find(L, OBJ_DQ)->dq = NULL;
	find(L, OBJ_DR)->dq = NULL;
	lua_pop(L, 2);
}
