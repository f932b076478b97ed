/* test_bind_field.c: options of listening addresses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "conf.h"

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
static void unknown(void *ctx, const char *key)
{
	(void)ctx;
	(void)key;
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
	assert_int_equal(unknown_keys, 3); /* doTCP, minTLSVersion, tcpFastOpenSize: a warning each */
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

int test_bind_field(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults), cmocka_unit_test(options), cmocka_unit_test(xsk_is_refused)};

	return cmocka_run_group_tests_name("bind_field", tests, NULL, NULL);
}
