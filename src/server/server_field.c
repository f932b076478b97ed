/* server_field.c: the keys of newServer's table: one row each, with dnsdist's names and defaults. */
#include "registry.h"
#include "server.h"
#include "text.h"
#include <strings.h>

#define AT(member) offsetof(struct server_conf, member)
#define U32(word, member, min_, max_, absent_, unit_, text) \
	{.name = word, .type = FIELD_U32, .offset = AT(member), .min = min_, .max = max_, .absent = absent_, .unit = DOC(unit_), \
		.doc = DOC(text)}
#define STR(word, member, absent_, text) \
	{.name = word, .type = FIELD_STR, .offset = AT(member), .absent = absent_, .doc = DOC(text)}
#define BOOL(word, member, absent_, text) \
	{.name = word, .type = FIELD_BOOL, .offset = AT(member), .absent = absent_, .doc = DOC(text)}
#define CUSTOM(word, fn, text) {.name = word, .type = FIELD_OBJ, .custom = fn, .doc = DOC(text)}
#define IGNORED(word, text) {.name = word, .type = FIELD_ACCEPT, .doc = DOC(text)}

/* A word out of a few: its number, or -EINVAL. */
static int one_of(const struct arg *a, const char *const *words, size_t n)
{
	const char *s = a->kind == ARG_STR ? a->s.p : "";

	for (size_t i = 0; i < n; i++)
		if (strcasecmp(s, words[i]) == 0)
			return (int)i;
	return -EINVAL;
}

static const char *given(const struct arg *a)
{
	return a->kind == ARG_STR ? a->s.p : arg_kind_name(a);
}

static int set_health_mode(void *object, const struct arg *a, const char **error_r)
{
	static const char *const words[] = {"auto", "active", "lazy", "up", "down"};
	static const enum health_mode modes[] = {HEALTH_ACTIVE, HEALTH_ACTIVE, HEALTH_LAZY, HEALTH_UP, HEALTH_DOWN};
	int i = one_of(a, words, LEN(words));

	if (i < 0)
		return error_set(error_r, "healthCheckMode: expected 'auto', 'lazy', 'up' or 'down', got '%.80s'", given(a));
	((struct server_conf *)object)->health_mode = modes[i];
	return 0;
}

static int set_lazy_mode(void *object, const struct arg *a, const char **error_r)
{
	static const char *const words[] = {"TimeoutOrServFail", "TimeoutOnly"};
	static const enum lazy_mode modes[] = {LAZY_TIMEOUT_OR_SERVFAIL, LAZY_TIMEOUT_ONLY};
	int i = one_of(a, words, LEN(words));

	if (i < 0)
		return error_set(error_r, "lazyHealthCheckMode: expected 'TimeoutOrServFail' or 'TimeoutOnly', got '%.80s'",
			given(a));
	((struct server_conf *)object)->lazy_mode = modes[i];
	return 0;
}

static int set_function(const struct lua_func **to, const char *word, const struct arg *a, const char **error_r)
{
	const struct lua_func *f = arg_obj(a, OBJ_FUNCTION);

	if (f == NULL)
		return error_set(error_r, "%s: expected a function, got %s", word, arg_kind_name(a));
	*to = f;
	return 0;
}

static int set_check_function(void *object, const struct arg *a, const char **error_r)
{
	return set_function(&((struct server_conf *)object)->check_function, "checkFunction", a, error_r);
}

static int set_validator(void *object, const struct arg *a, const char **error_r)
{
	return set_function(&((struct server_conf *)object)->validator, "healthCheckResponseValidator", a, error_r);
}

/* ---- what this program cannot do yet: switched off is fine, switched on is refused by name ---- */
static int no_upgrade(void *object, const struct arg *a, const char **error_r)
{
	(void)object;
	if (!arg_bool(a, false))
		return 0;
	return error_set(error_r, "autoUpgrade: not supported yet");
}

static int no_xsk(void *object, const struct arg *a, const char **error_r)
{
	(void)object;
	if (a->kind == ARG_TABLE && a->t.n == 0 && a->t.pairs == 0)
		return 0;
	return error_set(error_r, "xskSockets: not supported" HINT(": there is no AF_XDP in this program"));
}

const struct field server_fields[] = {
	STR("address", address, NULL, "Address or host name, with an optional port (53)."),
	STR("id", id, "", "A UUID that stays the same across restarts; whashed and chashed depend on it. Default: random."),
	STR("name", name, "", "Label in tables and metrics."),
	{.name = "qps", .type = FIELD_DOUBLE, .offset = AT(qps), .min = 0, .max = UINT32_MAX, .absent = "0",
		.unit = DOC("per second"), .doc = DOC("Most queries that firstAvailable sends to it; 0: no limit.")},
	U32("order", order, 0, 2147483647, "1", "", "Place in its pools: lower ones first."),
	U32("weight", weight, 1, 2147483647, "1", "", "Share of the queries under wrandom, whashed and chashed."),
	{.name = "pool", .type = FIELD_LIST, .offset = AT(pools),
		.doc = DOC("Pools it belongs to, one or a list. Default: the default pool.")},
	U32("retries", retries, 1, 65535, "3", "", "How often a query is sent over TCP, on a new connection when one breaks, before it is given up (dnsdist: 5)."),
	U32("tcpConnectTimeout", connect_timeout_s, 1, 65535, "5", "s", "Longest wait for a connection."),
	U32("tcpSendTimeout", send_timeout_s, 1, 65535, "30", "s", "Longest wait for the backend to read a query."),
	U32("tcpRecvTimeout", recv_timeout_s, 1, 65535, "30", "s", "Longest wait for an answer by TCP."),
	BOOL("tcpFastOpen", tcp_fast_open, "false", "Connect with TCP Fast Open."),
	U32("udpTimeout", udp_timeout_s, 0, 65535, "0", "s", "Longest wait for an answer by UDP; 0: as setUDPTimeout()."),
	BOOL("ipBindAddrNoPort", bind_no_port, "true", "With a source address, let the kernel choose the port late."),
	STR("source", source, "", "Source address, interface, or address@interface."),
	U32("sockets", sockets, 1, 65535, "1", "", "UDP sockets, that is source ports, to it; at most 64 are opened."),
	IGNORED("cpus", "Accepted and ignored: setWorkerLayout() decides on threads."),
	BOOL("disableZeroScope", disable_zero_scope, "false", "No zero-scope look-ups in the cache for this backend."),
	BOOL("useClientSubnet", use_ecs, "false", "Add the client subnet to its queries."),
	BOOL("useProxyProtocol", use_proxy, "false", "Begin its queries with a PROXY header."),
	BOOL("reconnectOnUp", reconnect_on_up, "false", "Open new UDP sockets when it comes up."),
	U32("maxInFlight", max_in_flight, 0, 65535, "0", "",
		"Queries at once on one TCP connection; 0: as many as the connection takes, answers in any order."),
	U32("maxConcurrentTCPConnections", max_connections, 0, UINT32_MAX, "0", "",
		"Most TCP connections to it; 0: no limit."),
	U32("maxUDPOutstanding", max_udp_outstanding, 0, 65536, "0", "",
		"Most UDP queries in flight, for each worker; 0: as setMaxUDPOutstanding()."),
	U32("maxOutstandingQueries", max_outstanding, 0, UINT32_MAX, "0", "",
		"With this many outstanding queries policies pass it over; 0: no limit."),
	BOOL("tcpOnly", tcp_only, "false", "Ask it by TCP only."),
	U32("dscp", dscp, 0, 63, "0", "", "DSCP mark of its packets."),

	STR("checkName", check_name, "a.root-servers.net.", "Name that health checks ask for."),
	STR("checkType", check_type, "A", "Type that health checks ask for."),
	U32("checkClass", check_class, 1, 65535, "1", "", "Class that health checks ask for."),
	CUSTOM("checkFunction", set_check_function, "Function that returns name, type and class of each health check."),
	CUSTOM("healthCheckResponseValidator", set_validator, "Function that judges the answer of a health check."),
	CUSTOM("healthCheckMode", set_health_mode, "auto (active checks), lazy, up or down."),
	U32("checkInterval", check_interval_s, 1, 86400, "1", "s", "Time between active checks."),
	U32("checkTimeout", check_timeout_ms, 1, 3600000, "1000", "ms", "Longest wait for the answer of a check."),
	BOOL("checkTCP", check_tcp, "false", "Check by TCP."),
	BOOL("setCD", set_cd, "false", "Set CD in checks."),
	BOOL("mustResolve", must_resolve, "false", "NXDOMAIN and REFUSED are failures too; SERVFAIL always is."),
	U32("maxCheckFailures", max_check_failures, 1, 65535, "1", "", "Failures in a row before it is down."),
	U32("rise", rise, 1, 65535, "1", "", "Successes in a row before it is up."),
	U32("lazyHealthCheckSampleSize", lazy_sample_size, 1, 65535, "100", "", "Last real queries that are looked at."),
	U32("lazyHealthCheckMinSampleCount", lazy_min_samples, 1, 65535, "1", "", "Least number of them."),
	U32("lazyHealthCheckThreshold", lazy_threshold_percent, 1, 100, "20", "%", "Share of failures that starts checks."),
	CUSTOM("lazyHealthCheckMode", set_lazy_mode, "What is a failure: TimeoutOrServFail or TimeoutOnly."),
	U32("lazyHealthCheckFailedInterval", lazy_failed_interval_s, 1, 86400, "30", "s", "Time between checks while failed."),
	BOOL("lazyHealthCheckUseExponentialBackOff", lazy_backoff, "false", "Double that time at each failed check."),
	U32("lazyHealthCheckMaxBackOff", lazy_max_backoff_s, 1, 604800, "3600", "s", "Longest such time."),

	STR("tls", tls, "", "Ask it over TLS: 'openssl' (any word but an empty one means the same)."),
	STR("dohPath", doh_path, "", "With tls: ask it over HTTP/2 (DoH) at this path."),
	STR("subjectName", subject_name, "", "With tls: name in the handshake, and in its certificate."),
	STR("subjectAddr", subject_addr, "", "With tls: address in its certificate."),
	BOOL("validateCertificates", validate, "true", "With tls: check its certificate; needs subjectName or subjectAddr."),
	STR("caStore", ca_store, "", "With tls: file or directory of trusted certificates; empty: the system's."),
	STR("ciphers", ciphers, "", "With tls: ciphers of TLS 1.2, as OpenSSL names them."),
	STR("ciphersTLS13", ciphers13, "", "With tls: cipher suites of TLS 1.3."),
	STR("ciphers13", ciphers13, "", "The same as ciphersTLS13."),
	{.name = "ecdheCurves", .type = FIELD_LIST, .offset = AT(curves), .doc = DOC("With tls: groups of the key exchange.")},
	STR("keyLogFile", key_log, "", "With tls: file that gets the secrets of each connection, for debugging."),
	BOOL("enableRenegotiation", renegotiation, "false", "With tls: it may renegotiate (TLS 1.2)."),
	BOOL("releaseBuffers", release_buffers, "true", "With tls: idle connections give their buffers back."),
	BOOL("ktls", ktls, "false", "With tls: let the kernel encrypt, where it can."),
	BOOL("addXForwardedHeaders", x_forwarded, "false", "With dohPath: tell it the client in X-Forwarded-For, -Port and -Proto."),
	BOOL("proxyProtocolAdvertiseTLS", advertise_tls, "false", "The PROXY header says that the client came over TLS."),
	U32("keepWarm", keep_warm_s, 0, 86400, "0", "s", "Own: keep one connection to it open this long after the last query; true: 900, 0: no longer than others."),
	BOOL("ignoreDatesUntilClockSet", ignore_dates, "false", "Own, with tls: do not look at dates in certificates while the clock is earlier than this program."),
	{.name = "bootstrap", .type = FIELD_LIST, .offset = AT(bootstrap),
		.doc = DOC("Own: addresses of plain resolvers that are asked for its host name; without: the plain backends, else the system.")},
	{.name = "certificatePins", .type = FIELD_LIST, .offset = AT(pins),
		.doc = DOC("Own, with tls: SHA-256 (hexadecimal) of the signed part of a certificate in its chain; one of them must be there.")},
	CUSTOM("autoUpgrade", no_upgrade, "Not supported yet, unless false."),
	CUSTOM("xskSockets", no_xsk, "Not supported, unless empty."),
	IGNORED("autoUpgradeInterval", "Has a meaning with autoUpgrade only."),
	IGNORED("autoUpgradeKeep", "Has a meaning with autoUpgrade only."),
	IGNORED("autoUpgradePool", "Has a meaning with autoUpgrade only."),
	IGNORED("autoUpgradeDoHKey", "Has a meaning with autoUpgrade only."),
	IGNORED("lazyHealthCheckWhenUpgraded", "Has a meaning with autoUpgrade only."),
	IGNORED("MACAddr", "Has a meaning with xskSockets only."),
};
const size_t server_field_count = LEN(server_fields);

/* ---- what the keys say of each other ---- */
static bool is_set(const char *s)
{
	return s && s[0];
}

static int need(const char *key, const char *feature, const char **error_r)
{
	for (const struct feature *f = registry_features; f->name; f++)
		if (strcmp(f->name, feature) == 0 && f->on)
			return 0;
	return error_set(error_r, "%s: not in this build (%s)", key, feature);
}

/* A SHA-256 fingerprint: 64 digits. */
static const char pin_form[] = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";

static int check_lists(const struct server_conf *c, const char **error_r)
{
	struct addr a;

	for (size_t i = 0; i < c->bootstrap.n; i++)
		if (addr_parse(&a, c->bootstrap.v[i], 53) < 0)
			return error_set(error_r, "bootstrap: expected an address, got '%.80s'", c->bootstrap.v[i]);
	for (size_t i = 0; i < c->pins.n; i++)
		if (!text_like(c->pins.v[i], pin_form))
			return error_set(error_r, "certificatePins: expected 64 hexadecimal digits, got '%.80s'", c->pins.v[i]);
	return 0;
}

int server_conf_check(const struct server_conf *c, const char **error_r)
{
	struct addr a;

	if (check_lists(c, error_r) < 0)
		return -EINVAL;
	if (is_set(c->doh_path) && !is_set(c->tls))
		return error_set(error_r, "dohPath: needs tls='openssl', too");
	if (!is_set(c->tls))
		return 0;
	if (need("tls", "FEATURE_TLS", error_r) < 0 ||
		(is_set(c->doh_path) && need("dohPath", "FEATURE_DOH", error_r) < 0))
		return -EINVAL;
	if (is_set(c->doh_path) && c->doh_path[0] != '/')
		return error_set(error_r, "dohPath: expected a path" HINT(" such as '/dns-query'") ", got '%.80s'", c->doh_path);
	if (is_set(c->subject_addr) && addr_parse(&a, c->subject_addr, 0) < 0)
		return error_set(error_r, "subjectAddr: expected an address, got '%.80s'", c->subject_addr);
	if (c->validate && !is_set(c->subject_name) && !is_set(c->subject_addr))
		return error_set(error_r, "tls: its certificate cannot be checked without subjectName or subjectAddr"
					  HINT(": give one, or validateCertificates=false"));
	return 0;
}
