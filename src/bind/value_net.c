/* value_net.c: ComboAddress, Netmask and NetmaskGroup as the configuration language sees them. */
#include "value.h"
#include <stdio.h>

/* ---- ComboAddress ---- */
void value_push_addr(lua_State *L, const struct addr *a)
{
	if (a && a->family)
		lua_push_obj(L, &class_addr, mem_dup(a, sizeof(*a)));
	else
		lua_pushnil(L);
}

static int addr_show(lua_State *L, void *self)
{
	char buf[ADDR_TEXT];

	lua_pushstring(L, addr_print(self, false, buf));
	return 1;
}

static int addr_string(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	(void)argv;
	(void)argc;
	return addr_show(L, self);
}

static int addr_string_port(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	char buf[ADDR_TEXT];

	(void)argv;
	(void)argc;
	lua_pushstring(L, addr_print(self, true, buf));
	return 1;
}

static int addr_string_no_interface(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	struct addr a = *(const struct addr *)self;

	(void)argv;
	(void)argc;
	a.scope = 0;
	return addr_show(L, &a);
}

/* toStringReversed(): as in names below in-addr.arpa and ip6.arpa (RFC 1035 3.5, RFC 3596 2.5), without those. */
static int addr_string_reversed(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	const struct addr *a = self;
	char out[65];
	size_t n = 0;

	(void)argv;
	(void)argc;
	if (a->family == AF_INET)
		n = (size_t)snprintf(out, sizeof(out), "%u.%u.%u.%u.", a->ip[3], a->ip[2], a->ip[1], a->ip[0]);
	for (int i = 15; a->family == AF_INET6 && i >= 0; i--) {
		out[n++] = "0123456789abcdef"[a->ip[i] & 15];
		out[n++] = '.';
		out[n++] = "0123456789abcdef"[a->ip[i] >> 4];
		out[n++] = '.';
	}
	lua_pushlstring(L, out, n ? n - 1 : 0);
	return 1;
}

static int addr_port(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	(void)argv;
	(void)argc;
	lua_pushinteger(L, ((const struct addr *)self)->port);
	return 1;
}

static int addr_v4(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	(void)argv;
	(void)argc;
	lua_pushboolean(L, ((const struct addr *)self)->family == AF_INET);
	return 1;
}

static int addr_v6(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	(void)argv;
	(void)argc;
	lua_pushboolean(L, ((const struct addr *)self)->family == AF_INET6);
	return 1;
}

static int addr_truncate(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	struct addr *a = self;

	(void)argc;
	if (argv[0].n > addr_len(a) * 8)
		return lua_fail(L, NULL, "%.0f bits are more than the address has", argv[0].n);
	addr_mask(a, (unsigned)argv[0].n);
	return 0;
}

static int addr_mapped(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	(void)argv;
	(void)argc;
	lua_pushboolean(L, addr_is_mapped(self));
	return 1;
}

static int addr_map4(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	struct addr a = *(const struct addr *)self;

	(void)argv;
	(void)argc;
	if (!addr_is_mapped(&a))
		return lua_fail(L, NULL, "the address is not an IPv4-mapped IPv6 address");
	addr_unmap(&a);
	value_push_addr(L, &a);
	return 1;
}

static int addr_raw(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	const struct addr *a = self;

	(void)argv;
	(void)argc;
	lua_pushlstring(L, (const char *)a->ip, addr_len(a));
	return 1;
}

static int addr_encrypt(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	(void)self;
	(void)argv;
	(void)argc;
	return lua_fail(L, NULL, "not supported yet");
}

static int addr_decrypt(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	(void)self;
	(void)argv;
	(void)argc;
	return lua_fail(L, NULL, "not supported yet");
}

static bool addr_equal(const void *a, const void *b)
{
	return addr_same(a, b);
}

static bool addr_less(const void *a, const void *b)
{
	return addr_compare(a, b) < 0;
}

static const struct method addr_methods[] = {
	{"tostring", "", addr_string},
	{"toString", "", addr_string},
	{"tostringWithPort", "", addr_string_port},
	{"toStringWithPort", "", addr_string_port},
	{"toStringReversed", "", addr_string_reversed},
	{"toStringNoInterface", "", addr_string_no_interface},
	{"getPort", "", addr_port},
	{"isIPv4", "", addr_v4},
	{"isIPv6", "", addr_v6},
	{"truncate", "bits:uint", addr_truncate},
	{"isMappedIPv4", "", addr_mapped},
	{"mapToIPv4", "", addr_map4},
	{"getRaw", "", addr_raw},
	{"ipencrypt", "key:str", addr_encrypt},
	{"ipdecrypt", "key:str", addr_decrypt},
	{NULL, NULL, NULL},
};
const struct class class_addr = {
	.type = OBJ_ADDR,
	.shown = "ComboAddress",
	.methods = addr_methods,
	.free = mem_free,
	.tostring = addr_show,
	.equal = addr_equal,
	.less = addr_less,
};

int value_new_addr(lua_State *L, const struct word *w, const struct arg *argv, size_t argc)
{
	struct addr a;

	(void)argc;
	if (addr_parse(&a, argv[0].s.p, 0) < 0)
		return lua_fail(L, w->name, "'%s' is not an address", argv[0].s.p);
	value_push_addr(L, &a);
	return 1;
}

int value_new_addr_raw(lua_State *L, const struct word *w, const struct arg *argv, size_t argc)
{
	struct addr a = {.port = (uint16_t)arg_num(&argv[1], 0)};

	(void)argc;
	if (arg_num(&argv[1], 0) > UINT16_MAX)
		return lua_fail(L, w->name, "port: expected 0 to 65535");
	if (argv[0].s.len != 4 && argv[0].s.len != 16)
		return lua_fail(L, w->name, "expected 4 or 16 bytes, got %zu", argv[0].s.len);
	a.family = argv[0].s.len == 4 ? AF_INET : AF_INET6;
	memcpy(a.ip, argv[0].s.p, argv[0].s.len);
	value_push_addr(L, &a);
	return 1;
}

/* ---- Netmask ---- */
static int mask_bits(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	(void)argv;
	(void)argc;
	lua_pushinteger(L, ((const struct netmask *)self)->bits);
	return 1;
}

static int mask_masked(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	const struct netmask *m = self;
	struct addr a = m->net;

	(void)argv;
	(void)argc;
	if (a.family)
		addr_mask(&a, m->bits);
	value_push_addr(L, &a);
	return 1;
}

static int mask_network(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	(void)argv;
	(void)argc;
	value_push_addr(L, &((const struct netmask *)self)->net);
	return 1;
}

static int mask_empty(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	(void)argv;
	(void)argc;
	lua_pushboolean(L, ((const struct netmask *)self)->net.family == 0);
	return 1;
}

static int mask_v4(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	(void)argv;
	(void)argc;
	lua_pushboolean(L, ((const struct netmask *)self)->net.family == AF_INET);
	return 1;
}

static int mask_v6(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	(void)argv;
	(void)argc;
	lua_pushboolean(L, ((const struct netmask *)self)->net.family == AF_INET6);
	return 1;
}

static int mask_match(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	(void)argc;
	lua_pushboolean(L, netmask_match(self, argv[0].o.p));
	return 1;
}

static int mask_show(lua_State *L, void *self)
{
	char buf[ADDR_TEXT];

	lua_pushstring(L, ((const struct netmask *)self)->net.family ? netmask_print(self, buf) : "");
	return 1;
}

static int mask_string(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	(void)argv;
	(void)argc;
	return mask_show(L, self);
}

static bool mask_equal(const void *a, const void *b)
{
	const struct netmask *x = a, *y = b;

	return x->bits == y->bits && addr_same_ip(&x->net, &y->net);
}

static const struct method mask_methods[] = {
	{"getBits", "", mask_bits},
	{"getMaskedNetwork", "", mask_masked},
	{"getNetwork", "", mask_network},
	{"empty", "", mask_empty},
	{"isIPv4", "", mask_v4},
	{"isIPv6", "", mask_v6},
	{"match", "address:addr", mask_match},
	{"toString", "", mask_string},
	{"tostring", "", mask_string},
	{NULL, NULL, NULL},
};
const struct class class_netmask = {
	.type = OBJ_NETMASK,
	.shown = "Netmask",
	.methods = mask_methods,
	.free = mem_free,
	.tostring = mask_show,
	.equal = mask_equal,
};

/* newNetmask("192.0.2.0/24"), newNetmask(address [, bits]); without arguments an empty one. */
int value_new_netmask(lua_State *L, const struct word *w, const struct arg *argv, size_t argc)
{
	struct netmask m = {0};
	const struct addr *a = arg_obj(&argv[0], OBJ_ADDR);

	(void)argc;
	if (a) {
		m.net = *a;
		m.net.port = 0;
		m.bits = (uint8_t)(addr_len(a) * 8);
	} else if (argv[0].kind == ARG_STR) {
		if (netmask_parse(&m, argv[0].s.p) < 0)
			return lua_fail(L, w->name, "'%s' is not a netmask", argv[0].s.p);
	} else if (arg_given(&argv[0])) {
		return lua_fail(L, w->name, "expected a netmask or an address, got %s", arg_kind_name(&argv[0]));
	}
	if (arg_given(&argv[1])) {
		if (argv[1].n > addr_len(&m.net) * 8)
			return lua_fail(L, w->name, "%.0f bits are more than the address has", argv[1].n);
		m.bits = (uint8_t)argv[1].n;
	}
	lua_push_obj(L, &class_netmask, mem_dup(&m, sizeof(m)));
	return 1;
}

/* ---- NetmaskGroup ---- */
struct merge {
	struct netset *to;
	bool failed;
};

static bool merge_one(void *ctx, const struct netmask *m, bool positive)
{
	struct merge *merge = ctx;

	merge->failed = netset_add(merge->to, m, positive) < 0;
	return !merge->failed;
}

static int merge_sets(lua_State *L, struct netset *to, const struct netset *from, const char *word)
{
	struct merge merge = {to, false};

	if (to != from)
		netset_each(from, merge_one, &merge);
	return merge.failed ? lua_no_memory(L, word) : 0;
}

static int net_add(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	(void)argc;
	return merge_sets(L, self, argv[0].o.p, "NetmaskGroup:addMask");
}

static int net_add_group(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	const struct netset *from = arg_obj(&argv[0], OBJ_NETSET);

	(void)argc;
	if (!from)
		return lua_fail(L, NULL, "expected a NetmaskGroup, got %s", arg_kind_name(&argv[0]));
	return merge_sets(L, self, from, "NetmaskGroup:addNMG");
}

/* add_value adds the address or netmask at the top of the stack; false when it is none. */
static bool add_value(lua_State *L, struct netset *to)
{
	struct netmask m = {0};
	const struct addr *a = lua_to_obj(L, -1, OBJ_ADDR);
	const struct netmask *mask = lua_to_obj(L, -1, OBJ_NETMASK);
	int err;

	if (a) {
		m.net = *a;
		m.bits = (uint8_t)(addr_len(a) * 8);
	} else if (mask) {
		m = *mask;
	}
	if (m.net.family)
		err = netset_add(to, &m, true);
	else if (lua_type(L, -1) == LUA_TSTRING)
		err = netset_add_text(to, lua_tostring(L, -1));
	else
		err = -EINVAL;
	if (err == -ENOMEM)
		lua_fail(L, NULL, "out of memory");
	return err == 0;
}

/* addMasks() takes a table whose keys are addresses, as exceedQRate() and its kin return them; a list of netmasks
 * is fine too. */
static int net_add_masks(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	(void)argv;
	(void)argc;
	luaL_checktype(L, 2, LUA_TTABLE);
	for (lua_pushnil(L); lua_next(L, 2); lua_pop(L, 1)) {
		bool listed = lua_type(L, -2) == LUA_TNUMBER;
		bool ok;

		lua_pushvalue(L, listed ? -1 : -2);
		ok = add_value(L, self);
		lua_pop(L, 1);
		if (!ok)
			return lua_fail(L, NULL, "expected a table of addresses or netmasks");
	}
	return 0;
}

static int net_match(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	(void)argc;
	lua_pushboolean(L, netset_match(self, argv[0].o.p));
	return 1;
}

static int net_clear(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	(void)L;
	(void)argv;
	(void)argc;
	netset_clear(self);
	return 0;
}

static int net_size(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	(void)argv;
	(void)argc;
	lua_pushnumber(L, (double)netset_size(self));
	return 1;
}

static bool show_one(void *ctx, const struct netmask *m, bool positive)
{
	luaL_Buffer *b = ctx;
	char buf[ADDR_TEXT];

	luaL_addstring(b, positive ? " " : " !");
	luaL_addstring(b, netmask_print(m, buf));
	return true;
}

static int net_show(lua_State *L, void *self)
{
	luaL_Buffer b;

	luaL_buffinit(L, &b);
	luaL_addstring(&b, "NetmaskGroup:");
	netset_each(self, show_one, &b);
	luaL_pushresult(&b);
	return 1;
}

static void net_free(void *self)
{
	struct netset *s = self;

	netset_free(&s);
}

static const struct method net_methods[] = {
	{"addMask", "masks:masks", net_add},
	{"addMasks", "masks:raw", net_add_masks},
	{"addNMG", "group:any", net_add_group},
	{"match", "address:addr", net_match},
	{"clear", "", net_clear},
	{"size", "", net_size},
	{NULL, NULL, NULL},
};
const struct class class_netset = {
	.type = OBJ_NETSET,
	.shown = "NetmaskGroup",
	.methods = net_methods,
	.free = net_free,
	.tostring = net_show,
};

int value_new_netset(lua_State *L, const struct word *w, const struct arg *argv, size_t argc)
{
	(void)w;
	(void)argv;
	(void)argc;
	lua_push_obj(L, &class_netset, netset_new());
	return 1;
}
