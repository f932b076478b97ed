/* test_svcb.c: data of service bindings; the wire forms of RFC 9460 appendix D. */
#include "wire.h"

int test_svcb(void);

struct param {
	unsigned key;
	const char *data;
};

static void built(void **state)
{
	static const struct {
		unsigned priority;
		const char *target;
		struct param params[3];
		size_t n;
		const char *out;
	} cases[] = {
		{0, "foo.example.com", {{0}}, 0, "0000 03'foo'07'example'03'com'00"},
		{1, ".", {{0}}, 0, "0001 00"},
		{16, "foo.example.com", {{3, "0035"}}, 1,
			"0010 03'foo'07'example'03'com'00 0003 0002 0035"},
		{16, "foo.example.org", {{4, "c0000201"}, {1, "02'h2'05'h3-19'"}, {0, "00010004"}},
			3,
			"0010 03'foo'07'example'03'org'00 0000 0004 00010004 0001 0009 02'h2'05'h3-19'"
			"0004 0004 c0000201"},
		{65535, ".", {{7, "'/dns-query{?dns}'"}, {2, ""}}, 2,
			"ffff 00 0002 0000 0007 0010 '/dns-query{?dns}'"},
	};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		struct wire data[3], want = wire(cases[i].out);
		struct name target = name_of(cases[i].target);
		struct svcb_param params[3];
		uint8_t out[128];
		ssize_t len;

		for (size_t j = 0; j < cases[i].n; j++) {
			data[j] = wire(cases[i].params[j].data);
			params[j].key = (uint16_t)cases[i].params[j].key;
			params[j].len = (uint16_t)data[j].len;
			params[j].data = data[j].len ? data[j].b : NULL;
		}
		for (size_t cap = 0; cap < want.len; cap++) {
			assert_int_equal(svcb_build(out, cap, cases[i].priority, &target, params,
						 cases[i].n),
				-ENOBUFS);
		}
		len = svcb_build(out, want.len, cases[i].priority, &target, params, cases[i].n);
		assert_true(len > 0);
		wire_is(out, (size_t)len, cases[i].out);
	}
}

static void refused(void **state)
{
	struct svcb_param twice[] = {
		{3, 2, (const uint8_t *)"\0\65"}, {1, 0, NULL}, {3, 2, (const uint8_t *)"\0\65"}};
	struct name root = name_of(".");
	uint8_t out[128];

	(void)state;
	assert_int_equal(svcb_build(out, sizeof(out), 1, &root, twice, 3), -EINVAL);
	assert_int_equal(svcb_build(out, 100000, 1, &root, twice, 1), 7);
	assert_int_equal(svcb_build(out, sizeof(out), 65536, &root, twice, 1), -EINVAL);
}

int test_svcb(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(built),
		cmocka_unit_test(refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
