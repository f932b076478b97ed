/* test_server_keys.c: keys of newServer that must fit each other, and the build. */
#include "make.h"
#include "registry.h"

int test_server_keys(void);

static bool have(const char *feature)
{
	for (const struct feature *f = registry_features; f->name; f++)
		if (strcmp(f->name, feature) == 0)
			return f->on;
	return false;
}

static void keys_fit(void **state)
{
	static const char pin[] = "bootstrap=192.0.2.53 certificatePins="
				  "0123456789abcdefABCDEF0123456789abcdefABCDEF0123456789abcdefABCD";
	static const struct {
		const char *options, *error;
	} cases[] = {
		{"", NULL},
		{"subjectName=x caStore=y", NULL},
		{"tls= dohPath=", NULL},
		{pin, NULL},
		{"dohPath=/dns-query", "dohPath: needs tls='openssl', too"},
		{"bootstrap=resolver", "bootstrap: expected an address, got 'resolver'"},
		{"certificatePins=0123", "certificatePins: expected 64 hexadecimal digits, got '0123'"},
		{"tls=openssl subjectName=dns.example", NULL},
		{"tls=gnutls subjectAddr=192.0.2.1", NULL},
		{"tls=openssl validateCertificates=false", NULL},
		{"tls=openssl", "tls: its certificate cannot be checked without subjectName or subjectAddr: give one, or "
				"validateCertificates=false"},
		{"tls=openssl subjectAddr=here", "subjectAddr: expected an address, got 'here'"},
		{"tls=openssl subjectName=x dohPath=/dns-query keepWarm=60", NULL},
		{"tls=openssl subjectName=x dohPath=dns-query", "dohPath: expected a path such as '/dns-query', got 'dns-query'"},
	};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		const char *error = "", *expected = cases[i].error;
		struct server_conf c;
		int rc;

		assert_int_equal(make_conf(&c, "192.0.2.1", cases[i].options, &error), 0);
		if (c.tls[0] && !have("FEATURE_TLS"))
			expected = "tls: not in this build (FEATURE_TLS)";
		else if (c.tls[0] && c.doh_path[0] && !have("FEATURE_DOH"))
			expected = "dohPath: not in this build (FEATURE_DOH)";
		rc = server_conf_check(&c, &error);
		if (rc != (expected ? -EINVAL : 0) || (expected && strcmp(error, expected) != 0))
			fail_msg("%s: %d %s", cases[i].options, rc, error);
		fields_free(server_fields, server_field_count, &c);
	}
}

int test_server_keys(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(keys_fit)};

	return cmocka_run_group_tests_name("server_keys", tests, NULL, NULL);
}
