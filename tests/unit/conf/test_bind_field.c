/* test_bind_field.c: options of listening addresses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "conf.h"
#include "mem.h"

int test_bind_field(void);

static void defaults(void **state)
{
	struct bind_conf b = {0};

	(void)state;
	assert_int_equal(field_defaults(bind_fields, bind_field_count, &b), 0);
	assert_false(b.reuse_port);
	assert_true(b.enable_proxy);
	assert_int_equal(b.fast_open, 0);
	assert_int_equal(b.listen_queue, 0);
	assert_int_equal(b.max_in_flight, 0);
	assert_int_equal(b.max_connections, 0);
	assert_int_equal(b.more.n, 0);
	bind_conf_free(&b);
}

static int unknown_keys;
static void unknown(void *ctx, const char *key, const char *near)
{
	(void)ctx;
	(void)key;
	(void)near;
	unknown_keys++;
}

static void options(void **state)
{
	static const struct arg list[] = {
		{.kind = ARG_STR, .s = {"192.0.2.1", 9}}, {.kind = ARG_STR, .s = {"[2001:db8::1]:54", 16}}};
	const struct arg_pair pairs[] = {
		{"additionalAddresses", {.kind = ARG_TABLE, .t = {.v = list, .n = 2}}},
		{"cpus", {.kind = ARG_TABLE}},
		{"doTCP", {.kind = ARG_BOOL, .b = true}},
		{"enableProxyProtocol", {.kind = ARG_BOOL, .b = false}},
		{"interface", {.kind = ARG_STR, .s = {"lo", 2}}},
		{"maxConcurrentTCPConnections", {.kind = ARG_NUM, .n = 100}},
		{"minTLSVersion", {.kind = ARG_STR, .s = {"tls1.2", 6}}},
		{"padResponses", {.kind = ARG_BOOL, .b = true}},
		{"reusePort", {.kind = ARG_BOOL, .b = true}},
		{"tcpFastOpenQueueSize", {.kind = ARG_STR, .s = {"64", 2}}},
		{"tcpFastOpenSize", {.kind = ARG_NUM, .n = 64}},
	};
	const struct arg table = {.kind = ARG_TABLE, .t = {.pair = pairs, .pairs = LEN(pairs)}};
	struct bind_conf b = {0};
	const char *error = "";

	(void)state;
	assert_int_equal(field_defaults(bind_fields, bind_field_count, &b), 0);
	assert_int_equal(fields_apply(bind_fields, bind_field_count, &b, &table, unknown, NULL, &error), 0);
	assert_int_equal(unknown_keys, 4); /* doTCP, minTLSVersion, padResponses, tcpFastOpenSize: a warning each */
	assert_true(b.reuse_port);
	assert_false(b.enable_proxy);
	assert_int_equal(b.fast_open, 64);
	assert_int_equal(b.max_connections, 100);
	assert_string_equal(b.interface, "lo");
	assert_int_equal(b.more.n, 2);
	assert_string_equal(b.more.v[1], "[2001:db8::1]:54");
	bind_conf_free(&b);
	assert_null(b.interface);
	assert_int_equal(b.more.n, 0);
}

static void xsk_is_refused(void **state)
{
	struct arg a = {.kind = ARG_TABLE};
	struct bind_conf b = {0};
	const char *error = "";

	(void)state;
	assert_int_equal(field_set(field_find(bind_fields, bind_field_count, "xskSocket"), &b, &a, &error), -EINVAL);
	assert_int_equal(strncmp(error, "xskSocket: not supported", 24), 0);
}

static void encrypted_defaults(void **state)
{
	struct bind_conf b;

	(void)state;
	assert_int_equal(bind_conf_defaults(&b), 0);
	assert_string_equal(b.tls.min_version, "tls1.2");
	assert_string_equal(b.tls.ciphers, "");
	assert_int_equal(b.tls.ticket_rotation_s, 43200);
	assert_int_equal(b.tls.ticket_keys, 5);
	assert_int_equal(b.tls.stored_sessions, 20480);
	assert_int_equal(b.tls.session_timeout_s, 0);
	assert_true(b.tls.tickets && b.tls.prefer_server && b.tls.release_buffers);
	assert_false(b.tls.renegotiation || b.tls.ktls || b.tls.proxy_outside || b.tls.ignore_errors || b.tls.pad);
	assert_int_equal(b.tls.certs.n + b.tls.keys.n + b.tls.ocsp.n + b.tls.curves.n, 0);
	assert_int_equal(b.doh.idle_s, 30);
	assert_true(b.doh.cache_control && b.doh.early_acl && b.doh.exact);
	assert_false(b.doh.keep_fields || b.doh.trust_forwarded || b.doh.http1);
	assert_null(b.doh.map);
	assert_int_equal(bind_conf_check(&b, &(const char *){0}), 0);
	bind_conf_free(&b);
}

/* Sets one option of any of the tables; then what bind_conf_check() says. */
static int check_with(const char *key, const char *value, const char **error_r)
{
	const struct field *f = field_find(bind_fields, bind_field_count, key);
	const struct arg a = {.kind = ARG_STR, .s = {value, strlen(value)}};
	struct bind_conf b;
	int rc;

	if (!f)
		f = field_find(tls_bind_fields, tls_bind_field_count, key);
	if (!f)
		f = field_find(doh_bind_fields, doh_bind_field_count, key);
	assert_non_null(f);
	assert_int_equal(bind_conf_defaults(&b), 0);
	rc = field_set(f, &b, &a, error_r);
	if (rc == 0)
		rc = bind_conf_check(&b, error_r);
	bind_conf_free(&b);
	return rc;
}

static void checks(void **state)
{
	static const struct {
		const char *key, *value, *error;
	} cases[] = {
		{"minTLSVersion", "tls1.0", NULL},
		{"minTLSVersion", "tls1.3", NULL},
		{"minTLSVersion", "1.3", "minTLSVersion: expected 'tls1.0', 'tls1.1', 'tls1.2' or 'tls1.3', got '1.3'"},
		{"minTLSVersion", "", "minTLSVersion: expected 'tls1.0', 'tls1.1', 'tls1.2' or 'tls1.3', got ''"},
		{"additionalAddresses", "192.0.2.1:99", NULL},
		{"additionalAddresses", "here", "additionalAddresses: expected an address, got 'here'"},
		{"ocspResponses", "a.ocsp", "ocspResponses: 1 files for 0 certificates"},
		{"numberOfTicketsKeys", "101", "numberOfTicketsKeys: expected a whole number from 0 to 100, got '101'"},
		{"idleTimeout", "86401", "idleTimeout: expected a whole number from 0 to 86400 s, got '86401'"},
		{"provider", "gnutls", NULL},
		{"library", "h2o", NULL},
		{"internalPipeBufferSize", "0", NULL},
	};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		const char *error = NULL;
		int rc = check_with(cases[i].key, cases[i].value, &error);

		if (rc != (cases[i].error ? -EINVAL : 0) || (cases[i].error && strcmp(error, cases[i].error) != 0))
			fail_msg("%s=%s: %s", cases[i].key, cases[i].value, error ? error : "accepted");
	}
}

static void copies_are_whole(void **state)
{
	const struct arg path = {.kind = ARG_STR, .s = {"/dns", 4}}, curve = {.kind = ARG_STR, .s = {"X25519", 6}};
	struct doh_entry page = {.regex = (char[]){"^/$"}, .status = 200, .content = (char[]){"hello"}};
	struct bind_conf b, c;
	const char *error = "";

	(void)state;
	assert_int_equal(bind_conf_defaults(&b), 0);
	b.proto = PROTO_DOH;
	assert_int_equal(field_set(&(struct field){.name = "urls", .type = FIELD_LIST,
		.offset = offsetof(struct bind_conf, doh.paths)}, &b, &path, &error), 0);
	assert_int_equal(field_set(field_find(tls_bind_fields, tls_bind_field_count, "ecdheCurves"), &b, &curve, &error), 0);
	b.doh.map = doh_map_new();
	assert_non_null(b.doh.map);
	assert_int_equal(doh_map_add(b.doh.map, &page, &error), 0);
	for (unsigned long n = 1;; n++) {
		int rc;

		mem_fail_at(n);
		rc = bind_conf_copy(&c, &b);
		mem_fail_at(0);
		if (rc == 0)
			break;
		assert_int_equal(rc, -ENOMEM);
	}
	bind_conf_free(&b);
	assert_int_equal(c.proto, PROTO_DOH);
	assert_string_equal(c.doh.paths.v[0], "/dns");
	assert_string_equal(c.tls.curves.v[0], "X25519");
	assert_string_equal(doh_map_find(c.doh.map, "/")->content, "hello");
	bind_conf_free(&c);
	for (unsigned long n = 1;; n++) {
		int rc;

		mem_fail_at(n);
		rc = bind_conf_defaults(&b);
		mem_fail_at(0);
		if (rc == 0)
			break;
		assert_int_equal(rc, -ENOMEM);
	}
	bind_conf_free(&b);
}

int test_bind_field(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(defaults), cmocka_unit_test(options),
		cmocka_unit_test(xsk_is_refused), cmocka_unit_test(encrypted_defaults), cmocka_unit_test(checks),
		cmocka_unit_test(copies_are_whole)};

	return cmocka_run_group_tests_name("bind_field", tests, NULL, NULL);
}
