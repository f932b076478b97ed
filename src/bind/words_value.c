/* words_value.c: the words that make values: names, addresses, sets, limits, service parameters. */
#include "value.h"

/* ---- QPSLimiter ---- */
static const char OBJ_BUCKET[] = "QPSLimiter";

static int bucket_check(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	const struct host *host = lua_self(L)->host;

	(void)argv;
	(void)argc;
	lua_pushboolean(L, bucket_take(self, host->now_ms(host->ctx)));
	return 1;
}

static const struct method bucket_methods[] = {
	{"check", "", bucket_check},
	{NULL, NULL, NULL},
};
const struct class class_bucket = {
	.type = OBJ_BUCKET,
	.shown = "QPSLimiter",
	.methods = bucket_methods,
	.free = mem_free,
};

static int new_bucket(lua_State *L, const struct word *w, const struct arg *argv, size_t argc)
{
	struct token_bucket *b = mem_zalloc(sizeof(*b));

	(void)w;
	(void)argc;
	if (b)
		bucket_init(b, argv[0].n, arg_num(&argv[1], argv[0].n));
	lua_push_obj(L, &class_bucket, b);
	return 1;
}

/* ---- SVCRecordParameters: opaque here, see rule.h ---- */
static void free_svc(void *self)
{
	struct svc *svc = self;

	svc_free(&svc);
}

const struct class class_svc = {
	.type = OBJ_SVC,
	.shown = "SVCRecordParameters",
	.free = free_svc,
};

static int new_svc(lua_State *L, const struct word *w, const struct arg *argv, size_t argc)
{
	const char *error = "out of memory";
	struct svc *svc;

	(void)argc;
	if (argv[0].n > UINT16_MAX)
		return lua_fail(L, w->name, "priority: expected 0 to 65535");
	svc = svc_new((unsigned)argv[0].n, argv[1].o.p, &argv[2], &error);
	if (!svc)
		return lua_fail(L, w->name, "%s", error);
	lua_push_obj(L, &class_svc, svc);
	return 1;
}

const struct word value_words[] = {
	{"newDNSName", "name:str", value_new_name, DOC("Makes a domain name from text."), DOC("newDNSName(\"example.org\")")},
	{"newDNSNameFromRaw", "bytes:str", value_new_name_raw, DOC("Makes a domain name from its wire form."),
		DOC("newDNSNameFromRaw(\"\\3org\\0\")")},
	{"newDNSNameSet", "", value_new_nameset, DOC("Makes an empty set of exact names."), DOC("newDNSNameSet()")},
	{"newSuffixMatchNode", "", value_new_suffixset, DOC("Makes an empty set of names and all below them."),
		DOC("newSuffixMatchNode()")},
	{"newNMG", "", value_new_netset, DOC("Makes an empty set of netmasks; the longest match decides."),
		DOC("newNMG()")},
	{"newNetmask", "netmask:any? bits:uint?", value_new_netmask, DOC("Makes a netmask from text or an address."),
		DOC("newNetmask(\"192.0.2.0/24\")")},
	{"newCA", "address:str", value_new_addr, DOC("Makes an address, with a port if the text has one."),
		DOC("newCA(\"192.0.2.1:53\")")},
	{"newCAFromRaw", "bytes:str port:uint?", value_new_addr_raw, DOC("Makes an address from 4 or 16 bytes."),
		DOC("newCAFromRaw(\"\\192\\0\\2\\1\", 53)")},
	{"newQPSLimiter", "rate:uint burst:uint?", new_bucket,
		DOC("Makes a token bucket; check() is true while under the rate."), DOC("newQPSLimiter(100, 200)")},
	{"newSVCRecordParameters", "priority:uint target:name parameters:opts?", new_svc,
		DOC("Makes one SVCB or HTTPS record for SpoofSVCAction()."),
		DOC("newSVCRecordParameters(1, \"dot.example.\", {alpn={\"dot\"}, port=853})")},
	{.name = NULL},
};
