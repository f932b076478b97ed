/* test_server_field.c: the keys of newServer: defaults, ranges, what is refused by name. */
#include "make.h"

int test_server_field(void);

static void defaults(void **state)
{
	struct server_conf c;
	const char *error = "";

	(void)state;
	assert_int_equal(make_conf(&c, "192.0.2.1", "", &error), 0);
	assert_int_equal(c.order, 1);
	assert_int_equal(c.weight, 1);
	assert_int_equal(c.retries, 3);
	assert_int_equal(c.connect_timeout_s, 5);
	assert_int_equal(c.send_timeout_s, 30);
	assert_int_equal(c.recv_timeout_s, 30);
	assert_int_equal(c.udp_timeout_s, 0);
	assert_int_equal(c.sockets, 1);
	assert_int_equal(c.max_in_flight, 0);
	assert_true(c.qps == 0);
	assert_true(c.bind_no_port);
	assert_false(c.use_proxy || c.use_ecs || c.tcp_only || c.set_cd || c.must_resolve || c.lazy_backoff);
	assert_string_equal(c.check_name, "a.root-servers.net.");
	assert_string_equal(c.check_type, "A");
	assert_int_equal(c.check_class, 1);
	assert_int_equal(c.check_interval_s, 1);
	assert_int_equal(c.check_timeout_ms, 1000);
	assert_int_equal(c.max_check_failures, 1);
	assert_int_equal(c.rise, 1);
	assert_int_equal(c.lazy_sample_size, 100);
	assert_int_equal(c.lazy_min_samples, 1);
	assert_int_equal(c.lazy_threshold_percent, 20);
	assert_int_equal(c.lazy_failed_interval_s, 30);
	assert_int_equal(c.lazy_max_backoff_s, 3600);
	assert_int_equal(c.health_mode, HEALTH_ACTIVE);
	assert_int_equal(c.lazy_mode, LAZY_TIMEOUT_OR_SERVFAIL);
	assert_int_equal(c.pools.n, 0);
	fields_free(server_fields, server_field_count, &c);
}

static void accepted(void **state)
{
	static const char *const cases[] = {"useProxyProtocol=true", "pool=abuse", "sockets=128", "qps=0.5",
		"healthCheckMode=AUTO", "healthCheckMode=lazy lazyHealthCheckMode=TimeoutOnly", "healthCheckMode=up",
		"releaseBuffers=true validateCertificates=true ciphers=x ciphersTLS13=x ciphers13=x", "tls= dohPath=",
		"autoUpgrade=false autoUpgradeKeep=true", "subjectName=example.org caStore=/x", "cpus=1", "MACAddr=x",
		"checkPort=53", "dscp=63", "maxInFlight=1", "tcpOnly=true checkTCP=true"};
	const char *error = "";

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		struct server_conf c;

		if (make_conf(&c, "192.0.2.1", cases[i], &error) != 0)
			fail_msg("%s: %s", cases[i], error);
		fields_free(server_fields, server_field_count, &c);
	}
}

static void refused(void **state)
{
	static const struct {
		const char *options, *error;
	} cases[] = {
		{"autoUpgrade=true", "autoUpgrade: not supported yet"},
		{"xskSockets=x", "xskSockets: not supported"},
		{"healthCheckMode=sometimes", "healthCheckMode: expected 'auto', 'lazy', 'up' or 'down', got 'sometimes'"},
		{"lazyHealthCheckMode=x", "lazyHealthCheckMode: expected 'TimeoutOrServFail'"},
		{"checkFunction=x", "checkFunction: expected a function"},
		{"healthCheckResponseValidator=x", "healthCheckResponseValidator: expected a function"},
		{"weight=0", "weight: expected a whole number from 1"},
		{"weight=many", "weight: expected a whole number"},
		{"dscp=64", "dscp: expected a whole number from 0 to 63"},
		{"sockets=0", "sockets: expected"},
		{"qps=-1", "qps: expected"},
		{"rise=0", "rise: expected"},
		{"maxCheckFailures=0", "maxCheckFailures: expected"},
		{"lazyHealthCheckThreshold=101", "lazyHealthCheckThreshold: expected"},
		{"lazyHealthCheckSampleSize=0", "lazyHealthCheckSampleSize: expected"},
		{"useProxyProtocol=maybe", "useProxyProtocol: expected"},
	};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		const char *error = "";
		struct server_conf c;

		assert_int_equal(make_conf(&c, "192.0.2.1", cases[i].options, &error), -EINVAL);
		if (strncmp(error, cases[i].error, strlen(cases[i].error)) != 0)
			fail_msg("%s: '%s'", cases[i].options, error);
		fields_free(server_fields, server_field_count, &c);
	}
}

static void functions_and_switches(void **state)
{
	const struct field *f = field_find(server_fields, server_field_count, "checkFunction");
	const struct field *v = field_find(server_fields, server_field_count, "healthCheckResponseValidator");
	const struct field *up = field_find(server_fields, server_field_count, "autoUpgrade");
	const struct field *xsk = field_find(server_fields, server_field_count, "xskSockets");
	char x, y;
	struct arg function = {.kind = ARG_OBJ, .o = {OBJ_FUNCTION, &x}}, other = {.kind = ARG_OBJ, .o = {OBJ_FUNCTION, &y}};
	struct arg name = {.kind = ARG_OBJ, .o = {OBJ_NAME, &x}}, no = {.kind = ARG_BOOL, .b = false};
	struct arg yes = {.kind = ARG_BOOL, .b = true}, empty = {.kind = ARG_TABLE};
	struct server_conf c = {0};
	const char *error = "";

	(void)state;
	assert_int_equal(field_set(f, &c, &function, &error), 0);
	assert_int_equal(field_set(v, &c, &other, &error), 0);
	assert_ptr_equal(c.check_function, &x);
	assert_ptr_equal(c.validator, &y);
	assert_int_equal(field_set(f, &c, &name, &error), -EINVAL);
	assert_int_equal(field_set(up, &c, &no, &error), 0);
	assert_int_equal(field_set(up, &c, &yes, &error), -EINVAL);
	assert_int_equal(field_set(xsk, &c, &empty, &error), 0);
}

static void rows_are_unique(void **state)
{
	(void)state;
	for (size_t i = 0; i < server_field_count; i++)
		assert_ptr_equal(field_find(server_fields, server_field_count, server_fields[i].name), &server_fields[i]);
}

int test_server_field(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(defaults), cmocka_unit_test(accepted), cmocka_unit_test(refused),
		cmocka_unit_test(functions_and_switches), cmocka_unit_test(rows_are_unique)};

	return cmocka_run_group_tests_name("server_field", tests, NULL, NULL);
}
