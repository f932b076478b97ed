/* words_tls_with_tls.c: DNS over TLS: listeners, certificates, session tickets, and what OpenSSL is told. */
#include "frontend.h"
#include "function.h"
#include "tls.h"
#include <stdio.h>

#define WORD(name) \
	static int name(lua_State *L, const struct word *w UNUSED, const struct arg *argv UNUSED, size_t argc UNUSED)

enum { PORT_DOT = 853 };

static const char OBJ_TLS_FRONTEND[] = "TLSFrontend";
static const struct class class_tls_frontend = {
	.type = OBJ_TLS_FRONTEND, .shown = "TLSFrontend", .methods = frontend_methods, .free = mem_free};
const struct class *const tls_classes[] = {&class_cert, &class_tls_frontend, NULL};

static int fill(struct bind_conf *b, const struct arg *argv, const char **error_r)
{
	if (!b->addr.port)
		b->addr.port = PORT_DOT;
	return frontend_certs(&b->tls, &argv[1], &argv[2], error_r);
}

static const struct frontend_kind dot = {PROTO_DOT, &class_tls_frontend, fill, NULL};

WORD(add_tls_local)
{
	return frontend_add(L, w, &dot, argv, argc);
}

WORD(get_frontend)
{
	return frontend_push(L, w, &dot, &argv[0]);
}

WORD(count)
{
	return frontend_push_count(L, PROTO_DOT);
}

WORD(show_frontends)
{
	return frontend_show(L, PROTO_DOT, SHOW_FRONTENDS);
}

WORD(show_errors)
{
	frontend_show(L, PROTO_DOT, SHOW_TLS_ERRORS);
	return frontend_count(L, PROTO_DOH) ? frontend_show(L, PROTO_DOH, SHOW_TLS_ERRORS) : 0;
}

/* Both kinds are tried; the first failure is told. */
static int change_all(lua_State *L, const struct word *w, const struct frontend_edit *e)
{
	static const uint8_t protos[] = {PROTO_DOT, PROTO_DOH};
	const struct host *h = lua_self(L)->host;
	char first[256] = "";

	if (!lua_self(L)->loaded || !h->frontend_edit)
		return 0;
	for (size_t i = 0; i < LEN(protos); i++) {
		const char *error = "";
		int rc = h->frontend_edit(h->ctx, protos[i], -1, e, &error);

		if (rc < 0 && rc != -ENOENT && !first[0])
			snprintf(first, sizeof(first), "%s", error);
	}
	return first[0] ? lua_fail(L, w->name, "%s", first) : 0;
}

WORD(reload_all)
{
	const struct frontend_edit e = {.verb = FRONTEND_RELOAD};

	return change_all(L, w, &e);
}

WORD(load_key)
{
	const struct frontend_edit e = {.verb = FRONTEND_TICKET_KEY, .key = (const uint8_t *)argv[0].s.p,
		.key_len = argv[0].s.len};

	if (!lua_self(L)->loaded)
		lua_warn_at(L, w->name, "has an effect only while the program runs: use ticketKeyFile");
	return change_all(L, w, &e);
}

/* The host is told once of one function of ours, which asks the running configuration for its own: a reload leaves
 * nothing behind. */
WORD(key_hook)
{
	struct lua *l = lua_self(L);
	const struct host *h = l->host;
	struct lua_func *f = lua_func_new(L, 1);

	calls_forget(l, CALLBACK_TICKET_KEY);
	if (calls_add(l, CALLBACK_TICKET_KEY, f) < 0) {
		lua_func_free(&f);
		return lua_no_memory(L, w->name);
	}
	if (h->ticket_key_hook && !h->check_only && !h->client)
		h->ticket_key_hook(h->ctx, function_ticket_key, (void *)(uintptr_t)h);
	return 0;
}

WORD(make_ocsp)
{
	const struct host *h = lua_self(L)->host;
	const char *error = "";

	if (argv[4].n > 3650 || argv[5].n > 5256000)
		return lua_fail(L, w->name, "expected at most 3650 days and 5256000 minutes");
	if (!h->check_only && !h->client &&
		tls_ocsp_make(argv[0].s.p, argv[1].s.p, argv[2].s.p, argv[3].s.p, (unsigned)argv[4].n, (unsigned)argv[5].n,
			&error) < 0)
		return lua_fail(L, w->name, "%s", error);
	return 0;
}

WORD(load_provider)
{
	const char *error = "";

	return tls_load_provider(argv[0].s.p, &error) < 0 ? lua_fail(L, w->name, "%s", error) : 0;
}

WORD(load_engine)
{
	const char *error = "";

	if (tls_load_engine(argv[0].s.p, arg_str(&argv[1], ""), &error) < 0)
		return lua_fail(L, w->name, "%s", error);
	return 0;
}

WORD(sessions)
{
	const struct host *h = lua_self(L)->host;

	lua_pushnumber(L, h->tls_sessions ? (lua_Number)h->tls_sessions(h->ctx) : 0);
	return 1;
}

const struct word tls_words[] = {
	{"addTLSLocal", "address:addr certs:any keys:any? options:any?", add_tls_local,
		DOC("Listens for DNS over TLS (port 853) with these certificates and keys, each a file or a list of files; certificates from newTLSCertificate() bring their keys."),
		DOC("addTLSLocal(\"192.0.2.1\", \"cert.pem\", \"key.pem\", {minTLSVersion=\"tls1.3\"})")},
	{"newTLSCertificate", "file:str options:opts?", frontend_new_cert,
		DOC("A certificate for addTLSLocal() and addDOHLocal(): PEM with key={file}, or PKCS#12 with password."),
		DOC("newTLSCertificate(\"cert.p12\", {password=\"secret\"})")},
	{"getTLSFrontend", "index:uint", get_frontend, DOC("A DoT listener by its number, from 0."),
		DOC("addTLSLocal(\"192.0.2.1\", \"cert.pem\", \"key.pem\") getTLSFrontend(0)")},
	{"getTLSContext", "index:uint", get_frontend, DOC("The older name of getTLSFrontend()."),
		DOC("addTLSLocal(\"192.0.2.1\", \"cert.pem\", \"key.pem\") getTLSContext(0)")},
	{"getTLSFrontendCount", "", count, DOC("How many DoT listeners there are."), DOC("getTLSFrontendCount()")},
	{"showTLSFrontends", "", show_frontends, DOC("Prints the DoT listeners, their sessions and ticket keys."),
		DOC("showTLSFrontends()")},
	{"showTLSContexts", "", show_frontends, DOC("The older name of showTLSFrontends()."), DOC("showTLSContexts()")},
	{"showTLSErrorCounters", "", show_errors, DOC("Prints why TLS handshakes failed, for each listener."),
		DOC("showTLSErrorCounters()")},
	{"reloadAllCertificates", "", reload_all,
		DOC("Reads the certificates of all listeners again; where that fails the old ones stay."),
		DOC("reloadAllCertificates()")},
	{"loadTicketsKey", "key:str", load_key,
		DOC("Gives all DoT and DoH listeners a session ticket key, 80 bytes, while the program runs."),
		DOC("loadTicketsKey(string.rep(\"k\", 80))")},
	{"setTicketsKeyAddedHook", "function:func", key_hook,
		DOC("Calls the function with each new session ticket key and its length, to share it with other hosts."),
		DOC("setTicketsKeyAddedHook(function(key, length) end)")},
	{"generateOCSPResponse", "cert:str caCert:str caKey:str file:str days:uint minutes:uint", make_ocsp,
		DOC("Writes an OCSP staple for a certificate of one's own authority, valid so long."),
		DOC("if false then generateOCSPResponse(\"cert.pem\", \"ca.pem\", \"ca.key\", \"cert.ocsp\", 7, 0) end")},
	{"loadTLSProvider", "name:str", load_provider, DOC("Loads an OpenSSL provider."),
		DOC("loadTLSProvider(\"default\")")},
	{"loadTLSEngine", "name:str command:str?", load_engine, DOC("Loads an OpenSSL engine, where OpenSSL still has them."),
		DOC("if false then loadTLSEngine(\"rdrand\") end")},
	{"getOutgoingTLSSessionCacheSize", "", sessions,
		DOC("How many TLS sessions are kept to resume with backends."), DOC("getOutgoingTLSSessionCacheSize()")},
	{.name = NULL},
};
