/* test_addr.c: addresses and netmasks: text, sockaddr, comparing. */
#include "addr.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <net/if.h>
#include <netinet/in.h>

static struct addr ip(const char *text)
{
	struct addr a;
	assert_int_equal(addr_parse(&a, text, 0), 0);
	return a;
}

static struct netmask mask(const char *text)
{
	struct netmask m;
	assert_int_equal(netmask_parse(&m, text), 0);
	return m;
}

static void addresses_that_parse(void **state UNUSED)
{
	static const struct {
		const char *in, *out; /* with the port; the default is 53 */
	} t[] = {
		{"192.0.2.1", "192.0.2.1:53"}, {"192.0.2.1:5300", "192.0.2.1:5300"}, {"0.0.0.0:0", "0.0.0.0:0"},
		{"127.0.0.1:65535", "127.0.0.1:65535"}, {"::", "[::]:53"}, {"::1", "[::1]:53"},
		{"::1:5053", "[::1:5053]:53"}, {"[::1]", "[::1]:53"}, {"[::1]:5053", "[::1]:5053"},
		{"2001:DB8::A", "[2001:db8::a]:53"}, {"::ffff:192.0.2.1", "[::ffff:192.0.2.1]:53"},
		{"[fe80::1%2]:853", "[fe80::1%2]:853"}, {"fe80::1%2", "[fe80::1%2]:53"},
		{"1:2:3:4:5:6:7:8", "[1:2:3:4:5:6:7:8]:53"}, {"1:0:0:2:0:0:0:3", "[1:0:0:2::3]:53"},
		{"1:0:0:2:3:0:0:4", "[1::2:3:0:0:4]:53"}, {"1:0:2:3:4:5:6:7", "[1:0:2:3:4:5:6:7]:53"},
		{"0:1:2:3:4:5:6:0", "[0:1:2:3:4:5:6:0]:53"}, {"1:2:3:4:5:6:0:0", "[1:2:3:4:5:6::]:53"},
		{"1::", "[1::]:53"},
		{"::ffff:0:1", "[::ffff:0.0.0.1]:53"}, {"::1.2.3.4", "[::102:304]:53"}, {"0:0:1::", "[0:0:1::]:53"},
	};
	for (size_t i = 0; i < LEN(t); i++) {
		struct addr a, again;
		char buf[ADDR_TEXT], bare[ADDR_TEXT];
		memset(&a, 0xaa, sizeof(a));
		assert_int_equal(addr_parse(&a, t[i].in, 53), 0);
		assert_string_equal(addr_print(&a, true, buf), t[i].out);
		assert_int_equal(addr_parse(&again, buf, 1), 0);
		assert_memory_equal(&again, &a, sizeof(a));
		assert_int_equal(addr_parse(&again, addr_print(&a, false, bare), a.port), 0);
		assert_true(addr_same(&again, &a));
		assert_null(strchr(bare, '['));
	}
}

static void addresses_that_do_not(void **state UNUSED)
{
	static const char *const t[] = {"", " ", "1.2.3", "1.2.3.4.5", "1.2.3.4:", ":53", ":", "::1::2", "1.2.3.256",
		"1.2.3.04", "01.2.3.4", " 1.2.3.4", "1.2.3.4 ", "1.2.3.4:65536", "1.2.3.4:-1", "1.2.3.4:5x",
		"1.2.3.4: 5",
		"1.2.3.4:99999999999999999999", "[::1]:99999", "[::1]:", "[::1", "[::1]x", "[]", "[]:53", "[", "]",
		"[1.2.3.4]:53", "[[::1]]:53", "::1]", "fe80::1%", "fe80::1%no-such-if0", "fe80::1%0", "%2", "[%2]:1",
		"fe80::1%1%2", "fe80::1%99999999999", "fe80::1%an-interface-name-that-is-far-too-long", "1.2.3.4%2",
		"localhost", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "12345::", "g::",
		"0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000",
		"11111111111111111111111111111111111111111111111111111111111111111111111111:53"};
	for (size_t i = 0; i < LEN(t); i++) {
		struct addr a = {.family = 77};
		if (addr_parse(&a, t[i], 53) != -EINVAL)
			fail_msg("accepted '%s'", t[i]);
		assert_int_equal(a.family, 77);
	}
}

static void scope_by_name(void **state UNUSED)
{
	unsigned lo = if_nametoindex("lo");
	if (lo == 0)
		skip();
	struct addr a = ip("fe80::1%lo"), b = ip("[fe80::1%lo]:53");
	assert_true(a.scope == lo && b.scope == lo && b.port == 53);
	assert_true(addr_same_ip(&a, &b) && !addr_same(&a, &b));
}

static void printing_none(void **state UNUSED)
{
	char buf[ADDR_TEXT];
	struct addr a = {0};
	assert_string_equal(addr_print(&a, true, buf), "none");
	assert_int_equal(addr_len(&a), 0);
	a = ip("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255"); /* the longest */
	a.scope = UINT32_MAX;
	a.port = 65535;
	assert_string_equal(addr_print(&a, true, buf), "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%4294967295]:65535");
}

static void to_sockaddr_and_back(void **state UNUSED)
{
	static const char *const t[] = {"192.0.2.1:53", "[2001:db8::1]:853", "[fe80::1%7]:65535", "0.0.0.0:0"};
	for (size_t i = 0; i < LEN(t); i++) {
		struct addr a = ip(t[i]), b;
		struct sockaddr_storage ss;
		socklen_t len = addr_to_sockaddr(&a, &ss);
		assert_int_equal(len, a.family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6));
		assert_int_equal(ss.ss_family, a.family);
		addr_from_sockaddr(&b, (struct sockaddr *)&ss);
		assert_memory_equal(&a, &b, sizeof(a));
	}
	struct sockaddr_in in;
	struct sockaddr_storage ss;
	struct addr a = ip("1.2.3.4:258"), none = {0};
	addr_to_sockaddr(&a, &ss);
	memcpy(&in, &ss, sizeof(in));
	assert_memory_equal(&in.sin_port, "\1\2", 2);
	assert_memory_equal(&in.sin_addr, "\1\2\3\4", 4);
	assert_int_equal(addr_to_sockaddr(&none, &ss), 0);
	assert_int_equal(ss.ss_family, AF_UNSPEC);
	ss.ss_family = AF_UNIX;
	addr_from_sockaddr(&a, (struct sockaddr *)&ss);
	assert_int_equal(a.family, 0);
}

static void order(void **state UNUSED)
{
	static const char *const sorted[] = {"0.0.0.0", "1.2.3.4", "1.2.3.4:1", "1.2.3.4:2", "200.0.0.1", "::", "::1",
		"[::1]:5", "2001:db8::", "fe80::1%1", "fe80::1%2", "ffff::"};
	for (int i = 0; i < (int)LEN(sorted); i++) {
		for (int k = 0; k < (int)LEN(sorted); k++) {
			struct addr a = ip(sorted[i]), b = ip(sorted[k]);
			assert_int_equal(addr_compare(&a, &b), i < k ? -1 : i > k);
			assert_int_equal(addr_same(&a, &b), i == k);
		}
	}
}

static void masking(void **state UNUSED)
{
	static const struct {
		const char *in;
		unsigned bits;
		const char *out;
	} t[] = {
		{"192.0.2.255", 32, "192.0.2.255"}, {"192.0.2.255", 200, "192.0.2.255"},
		{"192.0.2.255", 31, "192.0.2.254"},
		{"192.0.2.255", 24, "192.0.2.0"}, {"192.0.2.255", 1, "128.0.0.0"}, {"192.0.2.255", 0, "0.0.0.0"},
		{"ffff:ffff:ffff::ffff", 128, "ffff:ffff:ffff::ffff"}, {"ffff:ffff:ffff::ffff", 33, "ffff:ffff:8000::"},
		{"ffff:ffff:ffff::ffff", 127, "ffff:ffff:ffff::fffe"}, {"ffff::", 0, "::"},
	};
	for (size_t i = 0; i < LEN(t); i++) {
		struct addr a = ip(t[i].in);
		char buf[ADDR_TEXT];
		addr_mask(&a, t[i].bits);
		assert_string_equal(addr_print(&a, false, buf), t[i].out);
	}
}

static void special_addresses(void **state UNUSED)
{
	struct addr a = ip("0.0.0.0"), b = ip("::"), c = ip("::ffff:192.0.2.7"), d = ip("::1"), none = {0};
	assert_true(addr_is_any(&a) && addr_is_any(&b));
	assert_false(addr_is_any(&c) || addr_is_any(&d) || addr_is_any(&none));
	assert_true(addr_is_mapped(&c));
	assert_false(addr_is_mapped(&a) || addr_is_mapped(&b) || addr_is_mapped(&d));
	struct addr v4 = ip("192.0.2.7");
	addr_unmap(&c);
	assert_memory_equal(&c, &v4, sizeof(c));
	addr_unmap(&d);
	assert_int_equal(d.family, AF_INET6);
}

static void netmasks_that_parse(void **state UNUSED)
{
	static const struct {
		const char *in, *out;
	} t[] = {
		{"192.0.2.1", "192.0.2.1/32"}, {"192.0.2.1/24", "192.0.2.1/24"}, {"0.0.0.0/0", "0.0.0.0/0"},
		{"::/0", "::/0"}, {"::1", "::1/128"}, {"2001:db8::/32", "2001:db8::/32"},
		{"fe80::%3/10", "fe80::%3/10"},
	};
	for (size_t i = 0; i < LEN(t); i++) {
		struct netmask m = mask(t[i].in);
		char buf[ADDR_TEXT];
		assert_string_equal(netmask_print(&m, buf), t[i].out);
	}
}

static void netmasks_that_do_not(void **state UNUSED)
{
	static const char *const t[] = {"", "/", "/8", "1.2.3.4/", "1.2.3.4/33", "1.2.3.4/-1", "1.2.3.4/8/8",
		"1.2.3.4/ 8",
		"1.2.3.4/8 ", "::/129", "::/", "1.2.3/8", "1.2.3.4:53/8", "[::1]/128", "10/8",
		"1.2.3.4/99999999999999999999",
		"1.2.3.4/255.0.0.0", "!1.2.3.4"};
	for (size_t i = 0; i < LEN(t); i++) {
		struct netmask m;
		if (netmask_parse(&m, t[i]) != -EINVAL)
			fail_msg("accepted '%s'", t[i]);
	}
}

static void netmask_matching(void **state UNUSED)
{
	static const struct {
		const char *mask, *addr;
		bool match;
	} t[] = {
		{"192.0.2.0/24", "192.0.2.255", true}, {"192.0.2.0/24", "192.0.3.0", false},
		{"192.0.2.77/24", "192.0.2.1", true}, {"192.0.2.0/25", "192.0.2.127", true},
		{"192.0.2.0/25", "192.0.2.128", false}, {"192.0.2.1", "192.0.2.1:53", true},
		{"192.0.2.1", "192.0.2.0", false}, {"0.0.0.0/0", "1.2.3.4", true}, {"0.0.0.0/0", "::1", false},
		{"0.0.0.0/0", "::ffff:1.2.3.4", true}, {"192.0.2.0/24", "::ffff:192.0.2.9", true},
		{"192.0.2.0/24", "::ffff:192.0.3.9", false}, {"::/0", "1.2.3.4", false},
		{"::/0", "::ffff:1.2.3.4", true},
		{"128.0.0.0/1", "127.255.255.255", false}, {"2001:db8::/33", "2001:db8:7fff::1", true},
		{"2001:db8::/33", "2001:db8:8000::1", false}, {"::1", "::1", true}, {"::1", "::2", false},
	};
	for (size_t i = 0; i < LEN(t); i++) {
		struct netmask m = mask(t[i].mask);
		struct addr a = ip(t[i].addr);
		if (netmask_match(&m, &a) != t[i].match)
			fail_msg("%s and %s", t[i].mask, t[i].addr);
	}
	struct netmask m = mask("0.0.0.0/0");
	struct addr none = {0};
	assert_false(netmask_match(&m, &none));
	m.net.family = 0;
	assert_false(netmask_match(&m, &none));
}

int test_addr(void);
int test_addr(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_that_parse),
		cmocka_unit_test(addresses_that_do_not),
		cmocka_unit_test(scope_by_name),
		cmocka_unit_test(printing_none),
		cmocka_unit_test(to_sockaddr_and_back),
		cmocka_unit_test(order),
		cmocka_unit_test(masking),
		cmocka_unit_test(special_addresses),
		cmocka_unit_test(netmasks_that_parse),
		cmocka_unit_test(netmasks_that_do_not),
		cmocka_unit_test(netmask_matching),
	};
	return cmocka_run_group_tests_name("addr", tests, NULL, NULL);
}
