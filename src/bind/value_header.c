/* value_header.c: DNSHeader: a copy of a message's header, or a view of the message under work. */
#include "value.h"

static const char OBJ_HEADER[] = "DNSHeader";

static uint8_t *bytes_of(lua_State *L, struct header *h)
{
	return h->of ? lua_message_header(L, h->of) : h->bytes;
}

static int get_flag(lua_State *L, void *self, unsigned flag)
{
	lua_pushboolean(L, (dns_flags(bytes_of(L, self)) & flag) != 0);
	return 1;
}

static int set_flag(lua_State *L, void *self, const struct arg *argv, unsigned flag)
{
	uint8_t *bytes = bytes_of(L, self);
	unsigned flags = dns_flags(bytes);

	dns_set_flags(bytes, argv[0].b ? flags | flag : flags & ~flag);
	return 0;
}

#define GET(name, flag)                                                                                                \
	static int get_##name(lua_State *L, void *self, const struct arg *argv, size_t argc)                           \
	{                                                                                                              \
		(void)argv;                                                                                            \
		(void)argc;                                                                                            \
		return get_flag(L, self, flag);                                                                        \
	}
#define SET(name, flag)                                                                                                \
	static int set_##name(lua_State *L, void *self, const struct arg *argv, size_t argc)                           \
	{                                                                                                              \
		(void)argc;                                                                                            \
		return set_flag(L, self, argv, flag);                                                                  \
	}
GET(aa, DNS_AA)
GET(ad, DNS_AD)
GET(cd, DNS_CD)
GET(ra, DNS_RA)
GET(rd, DNS_RD)
GET(tc, DNS_TC)
SET(aa, DNS_AA)
SET(ad, DNS_AD)
SET(cd, DNS_CD)
SET(qr, DNS_QR)
SET(ra, DNS_RA)
SET(rd, DNS_RD)
SET(tc, DNS_TC)

static int get_id(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	(void)argv;
	(void)argc;
	lua_pushinteger(L, dns_id(bytes_of(L, self)));
	return 1;
}

static const struct method header_methods[] = {
	{"getAA", "", get_aa},
	{"getAD", "", get_ad},
	{"getCD", "", get_cd},
	{"getID", "", get_id},
	{"getRA", "", get_ra},
	{"getRD", "", get_rd},
	{"getTC", "", get_tc},
	{"setAA", "on:bool", set_aa},
	{"setAD", "on:bool", set_ad},
	{"setCD", "on:bool", set_cd},
	{"setQR", "on:bool", set_qr},
	{"setRA", "on:bool", set_ra},
	{"setRD", "on:bool", set_rd},
	{"setTC", "on:bool", set_tc},
	{NULL, NULL, NULL},
};
const struct class class_header = {
	.type = OBJ_HEADER,
	.shown = "DNSHeader",
	.methods = header_methods,
	.free = mem_free,
};

void value_push_header(lua_State *L, const uint8_t bytes[DNS_HEADER], struct lua_message *of)
{
	struct header *h = mem_zalloc(sizeof(*h));

	if (h) {
		h->of = of;
		if (bytes)
			memcpy(h->bytes, bytes, DNS_HEADER);
	}
	lua_push_obj(L, &class_header, h);
}
