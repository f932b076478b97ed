/* words_listener.c: getBind(): listeners as objects, while the file is read as it defines them, later as they are. */
#include "lua_priv.h"

#define WORD(name) \
	static int name(lua_State *L, const struct word *w UNUSED, const struct arg *argv UNUSED, size_t argc UNUSED)
#define METHOD(name) static int name(lua_State *L, void *self, const struct arg *argv UNUSED, size_t argc UNUSED)

static const char OBJ_BIND[] = "ClientState";
struct bind_ref {
	unsigned index;
};

/* ---- while the file is read: the order in which the daemon will open them ---- */
static bool nth_address(const struct bind_conf *b, unsigned n, struct addr *addr_r)
{
	*addr_r = b->addr;
	return n == 0 || (n <= b->more.n && addr_parse(addr_r, b->more.v[n - 1], b->addr.port) == 0);
}

static int planned(const struct conf *c, unsigned index, struct bind_info *info_r)
{
	static const char *const types[PROTO_COUNT] = {[PROTO_UDP] = "UDP", [PROTO_TCP] = "TCP",
		[PROTO_DOT] = "TCP (DNS over TLS)", [PROTO_DOH] = "TCP (DNS over HTTPS)"};

	for (size_t i = 0; i < c->nbinds; i++) {
		const struct bind_conf *b = &c->binds[i];
		unsigned each = 1 + (unsigned)b->more.n, n = b->proto == PROTO_UDP ? 2 * each : each;

		if (index >= n) {
			index -= n;
			continue;
		}
		*info_r = (struct bind_info){.proto = index >= each ? PROTO_TCP : b->proto, .tls = b->tls.certs.n > 0};
		info_r->type = types[info_r->proto] ? types[info_r->proto] : "";
		return nth_address(b, index % each, &info_r->addr) ? 0 : -ENOENT;
	}
	return -ENOENT;
}

static int info_of(lua_State *L, unsigned index, const bool *mute, struct bind_info *info_r)
{
	const struct host *h = lua_self(L)->host;

	if (!lua_self(L)->loaded)
		return planned(lua_conf(L), index, info_r);
	return h->bind ? h->bind(h->ctx, index, mute, info_r) : -ENOENT;
}

static struct bind_info info(lua_State *L, void *self)
{
	struct bind_info i;

	if (info_of(L, ((const struct bind_ref *)self)->index, NULL, &i) < 0)
		lua_fail(L, NULL, "there is no such listener any more");
	return i;
}

METHOD(to_string)
{
	const struct bind_info i = info(L, self);
	char buf[ADDR_TEXT];

	lua_pushstring(L, addr_print(&i.addr, true, buf));
	return 1;
}

METHOD(get_type)
{
	lua_pushstring(L, info(L, self).type);
	return 1;
}

METHOD(get_provider)
{
	lua_pushstring(L, info(L, self).tls ? "openssl" : "");
	return 1;
}

METHOD(no_filter)
{
	(void)self;
	return lua_fail(L, NULL, "not supported yet");
}

static int get_muted(lua_State *L, void *self)
{
	lua_pushboolean(L, info(L, self).muted);
	return 1;
}

static void set_muted(lua_State *L, void *self, const struct arg *value)
{
	bool mute = arg_bool(value, false);
	struct bind_info i;

	if (value->kind != ARG_BOOL)
		lua_fail(L, NULL, "expected true or false, got %s", arg_kind_name(value));
	if (!lua_self(L)->loaded)
		lua_fail(L, NULL, "can be changed only while the program runs");
	if (info_of(L, ((const struct bind_ref *)self)->index, &mute, &i) < 0)
		lua_fail(L, NULL, "there is no such listener any more");
}

static int show(lua_State *L, void *self)
{
	return to_string(L, self, NULL, 0);
}

static const struct method methods[] = {
	{"toString", "", to_string},
	{"getType", "", get_type},
	{"getConfiguredTLSProvider", "", get_provider},
	{"getRequestedTLSProvider", "", get_provider},
	{"getEffectiveTLSProvider", "", get_provider},
	{"attachFilter", "filter:any?", no_filter},
	{"detachFilter", "", no_filter},
	{NULL, NULL, NULL},
};
static const struct attribute attributes[] = {{"muted", get_muted, set_muted}, {NULL, NULL, NULL}};
const struct class class_bind = {
	.type = OBJ_BIND,
	.shown = "ClientState",
	.methods = methods,
	.attributes = attributes,
	.free = mem_free,
	.tostring = show,
};

WORD(get_bind)
{
	struct bind_ref ref = {.index = argv[0].n < UINT32_MAX ? (unsigned)argv[0].n : UINT32_MAX};
	struct bind_info i;

	if (info_of(L, ref.index, NULL, &i) < 0) {
		lua_note(L, w->name, "there is no listener %u", ref.index);
		lua_pushnil(L);
		return 1;
	}
	lua_push_obj(L, &class_bind, mem_dup(&ref, sizeof(ref)));
	return 1;
}

WORD(bind_count)
{
	struct bind_info i;
	unsigned n = 0;

	while (info_of(L, n, NULL, &i) == 0)
		n++;
	lua_pushinteger(L, (lua_Integer)n);
	return 1;
}

const struct word listener_words[] = {
	{"getBind", "index:uint", get_bind,
		DOC("A listener by its number, from 0, as showBinds() counts; a Do53 address is two: UDP and TCP."),
		DOC("addLocal(\"127.0.0.1:5300\") getBind(0)")},
	{"getBindCount", "", bind_count, DOC("How many listeners there are."), DOC("getBindCount()")},
	{.name = NULL},
};
