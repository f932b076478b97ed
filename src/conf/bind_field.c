/* bind_field.c: the options of a listening address: one row each, with dnsdist's names and defaults. */
#include "conf.h"
#include "text.h"

#define AT(member) offsetof(struct bind_conf, member)

static int no_xsk(void *object, const struct arg *a, const char **error_r)
{
	(void)object;
	(void)a;
	return error_set(error_r, "xskSocket: not supported" HINT(": there is no AF_XDP in this program"));
}

const struct field bind_fields[] = {
	{.name = "reusePort", .type = FIELD_BOOL, .offset = AT(reuse_port), .absent = "false",
		.doc = DOC("Several sockets may listen on the same address and share the load.")},
	{.name = "tcpFastOpenQueueSize", .type = FIELD_U32, .offset = AT(fast_open), .min = 0, .max = 65535, .absent = "0",
		.doc = DOC("Pending TCP Fast Open connections; 0: off.")},
	{.name = "tcpListenQueueSize", .type = FIELD_U32, .offset = AT(listen_queue), .min = 0, .max = 2147483647,
		.absent = "0", .doc = DOC("Connections that wait to be accepted; 0: as many as the system allows.")},
	{.name = "interface", .type = FIELD_STR, .offset = AT(interface), .absent = "",
		.doc = DOC("Take only what comes in by this network interface.")},
	{.name = "cpus", .type = FIELD_ACCEPT,
		.doc = DOC("Accepted and ignored: setWorkerLayout() decides on threads.")},
	{.name = "maxInFlight", .type = FIELD_U32, .offset = AT(max_in_flight), .min = 0, .max = 65535, .absent = "0",
		.doc = DOC("Queries of one connection that are worked on at once; 0: 100.")},
	{.name = "maxConcurrentTCPConnections", .type = FIELD_U32, .offset = AT(max_connections), .min = 0,
		.max = UINT32_MAX, .absent = "0", .doc = DOC("Most connections to this address; 0: no limit.")},
	{.name = "enableProxyProtocol", .type = FIELD_BOOL, .offset = AT(enable_proxy), .absent = "true",
		.doc = DOC("Sources in the PROXY ACL begin with a PROXY header here.")},
	{.name = "additionalAddresses", .type = FIELD_LIST, .offset = AT(more),
		.doc = DOC("Further addresses of the same kind.")},
	{.name = "xskSocket", .type = FIELD_OBJ, .custom = no_xsk, .doc = DOC("Not supported.")},
};
const size_t bind_field_count = LEN(bind_fields);

#define TLS(member) offsetof(struct bind_conf, tls.member)
#define BOOL(word, at, absent_, text) {.name = word, .type = FIELD_BOOL, .offset = at, .absent = absent_, .doc = DOC(text)}
#define U32(word, at, max_, absent_, unit_, text) \
	{.name = word, .type = FIELD_U32, .offset = at, .max = max_, .absent = absent_, .unit = DOC(unit_), .doc = DOC(text)}
#define STR(word, at, absent_, text) {.name = word, .type = FIELD_STR, .offset = at, .absent = absent_, .doc = DOC(text)}
#define LIST(word, at, text) {.name = word, .type = FIELD_LIST, .offset = at, .doc = DOC(text)}
#define IGNORED(word, text) {.name = word, .type = FIELD_ACCEPT, .doc = DOC(text)}

const struct field tls_bind_fields[] = {
	STR("ciphers", TLS(ciphers), "", "Ciphers of TLS 1.2, as OpenSSL names them; empty: the library's."),
	STR("ciphersTLS13", TLS(ciphers13), "", "Cipher suites of TLS 1.3."),
	LIST("ecdheCurves", TLS(curves), "Groups of the key exchange, in order of preference."),
	STR("minTLSVersion", TLS(min_version), "tls1.2", "tls1.2 or tls1.3; older ones are raised to tls1.2."),
	STR("ticketKeyFile", TLS(ticket_file), "", "File of session ticket keys, 80 bytes each; no rotation then, unless its delay is set."),
	U32("ticketsKeysRotationDelay", TLS(ticket_rotation_s), UINT32_MAX, "43200", "s", "Time between new session ticket keys; 0: never."),
	U32("numberOfTicketsKeys", TLS(ticket_keys), 100, "5", "", "How many keys open old tickets."),
	BOOL("sessionTickets", TLS(tickets), "true", "Sessions are resumed by tickets."),
	U32("numberOfStoredSessions", TLS(stored_sessions), 10000000, "20480", "", "TLS 1.2 sessions kept here; 0: none."),
	U32("sessionTimeout", TLS(session_timeout_s), UINT32_MAX, "0", "s", "How long a session can be resumed; 0: the library's."),
	BOOL("preferServerCiphers", TLS(prefer_server), "true", "Our order of ciphers counts."),
	LIST("ocspResponses", TLS(ocsp), "Files with OCSP staples (DER), in the order of the certificates."),
	STR("keyLogFile", TLS(key_log), "", "File that gets the secrets of each connection, for debugging."),
	BOOL("releaseBuffers", TLS(release_buffers), "true", "Idle connections give their buffers back."),
	BOOL("enableRenegotiation", TLS(renegotiation), "false", "Clients may renegotiate (TLS 1.2)."),
	BOOL("ktls", TLS(ktls), "false", "Let the kernel encrypt, where it can."),
	BOOL("proxyProtocolOutsideTLS", TLS(proxy_outside), "false", "The PROXY header comes before the TLS handshake."),
	BOOL("ignoreTLSConfigurationErrors", TLS(ignore_errors), "false", "Start even if no certificate can be loaded."),
	BOOL("padResponses", TLS(pad), "false", "Pad answers to clients that sent EDNS to 468-byte blocks, whether or not they asked."),
	IGNORED("provider", "Accepted and ignored: TLS is OpenSSL's, HTTP/2 nghttp2's."),
	IGNORED("tlsAsyncMode", "Accepted and ignored."),
	IGNORED("readAhead", "Accepted and ignored: it is always on."),
};
const size_t tls_bind_field_count = LEN(tls_bind_fields);

#define DOH(member) offsetof(struct bind_conf, doh.member)
const struct field doh_bind_fields[] = {
	U32("idleTimeout", DOH(idle_s), 86400, "30", "s", "How long a connection without requests is kept."),
	STR("serverTokens", DOH(server), "shrewd", "The Server header; empty: none."),
	BOOL("sendCacheControlHeaders", DOH(cache_control), "true", "Answers carry Cache-Control: max-age with their lowest TTL."),
	BOOL("keepIncomingHeaders", DOH(keep_fields), "false", "Rules and Lua can read all request headers."),
	BOOL("trustForwardedForHeader", DOH(trust_forwarded), "false", "The client is the last address of X-Forwarded-For."),
	BOOL("earlyACLDrop", DOH(early_acl), "true", "The ACL is applied when a client connects; never with trustForwardedForHeader."),
	BOOL("exactPathMatching", DOH(exact), "true", "Paths must be equal; else they are prefixes."),
	BOOL("http1", DOH(http1), "false", "Own: HTTP/1.1 clients get answers, not a page that says to use HTTP/2."),
	IGNORED("internalPipeBufferSize", "Accepted and ignored: there is no pipe."),
	IGNORED("library", "Accepted and ignored: HTTP/2 is nghttp2's."),
};
const size_t doh_bind_field_count = LEN(doh_bind_fields);

/* What words set by other means than options. */
static const struct field other_fields[] = {
	{.name = "where", .type = FIELD_STR, .offset = AT(where)},
	LIST("certs", TLS(certs), ""),
	LIST("keys", TLS(keys), ""),
	LIST("passwords", TLS(passwords), ""),
	LIST("paths", DOH(paths), ""),
	LIST("headers", DOH(header_names), ""),
	LIST("values", DOH(header_values), ""),
};

static const struct {
	const struct field *fields;
	size_t n;
} tables[] = {{bind_fields, LEN(bind_fields)}, {tls_bind_fields, LEN(tls_bind_fields)},
	{doh_bind_fields, LEN(doh_bind_fields)}, {other_fields, LEN(other_fields)}};

static bool is_version(const char *s)
{
	static const char versions[] = "tls1.0\0tls1.1\0tls1.2\0tls1.3";

	for (size_t i = 0; i < 4; i++)
		if (strcmp(s, text_nth(versions, i)) == 0)
			return true;
	return false;
}

int bind_conf_check(const struct bind_conf *b, const char **error_r)
{
	const struct bind_tls *t = &b->tls;
	struct addr addr;

	for (size_t i = 0; i < b->more.n; i++)
		if (addr_parse(&addr, b->more.v[i], b->addr.port) != 0)
			return error_set(error_r, "additionalAddresses: expected an address, got '%.80s'", b->more.v[i]);
	if (t->min_version && !is_version(t->min_version))
		return error_set(error_r, "minTLSVersion: expected 'tls1.0', 'tls1.1', 'tls1.2' or 'tls1.3', got '%.80s'",
			t->min_version);
	if (t->ocsp.n > t->certs.n)
		return error_set(error_r, "ocspResponses: %zu files for %zu certificates", t->ocsp.n, t->certs.n);
	for (size_t i = 0; i < b->doh.paths.n; i++)
		if (b->doh.paths.v[i][0] != '/')
			return error_set(error_r, "urls: expected a path" HINT(" such as '/dns-query'") ", got '%.80s'", b->doh.paths.v[i]);
	return 0;
}

void bind_conf_free(struct bind_conf *b)
{
	for (size_t i = 0; i < LEN(tables); i++)
		fields_free(tables[i].fields, tables[i].n, b);
	doh_map_free(&b->doh.map);
}

int bind_conf_defaults(struct bind_conf *b)
{
	*b = (struct bind_conf){0};
	for (size_t i = 0; i < LEN(tables); i++)
		if (field_defaults(tables[i].fields, tables[i].n, b) < 0) {
			bind_conf_free(b);
			return -ENOMEM;
		}
	return 0;
}

int bind_conf_copy(struct bind_conf *to, const struct bind_conf *from)
{
	*to = (struct bind_conf){.proto = from->proto, .addr = from->addr};
	for (size_t i = 0; i < LEN(tables); i++)
		if (fields_copy(tables[i].fields, tables[i].n, to, from) < 0) {
			bind_conf_free(to);
			return -ENOMEM;
		}
	to->doh.map = from->doh.map ? doh_map_ref(from->doh.map) : NULL;
	return 0;
}
