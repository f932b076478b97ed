/* test_proxyv2.c: PROXY headers: well-formed, cut at every byte, malformed, built and read back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "net.h"

int test_proxyv2(void);

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define V4        "\300\0\2\1\300\0\2\2\x04\xd2\0\x35" /* 192.0.2.1:1234 to 192.0.2.2:53 */

static void headers(void **state)
{
	static const struct {
		const char *what, *bytes;
		size_t len, max;
		ssize_t want;
	} cases[] = {
#define CASE(what, bytes, max, want) {what, bytes, sizeof(bytes) - 1, max, want}
		CASE("UDP over IPv4", SIGNATURE "\x21\x12\0\x0c" V4, 512, 28),
		CASE("bytes after it", SIGNATURE "\x21\x12\0\x0c" V4 "abc", 512, 28),
		CASE("with a TLV", SIGNATURE "\x21\x12\0\x11" V4 "\4\0\2hi", 512, 33),
		CASE("with an empty TLV", SIGNATURE "\x21\x12\0\x0f" V4 "\4\0\0", 512, 31),
		CASE("LOCAL without addresses", SIGNATURE "\x20\0\0\0", 512, 16),
		CASE("LOCAL with something", SIGNATURE "\x20\0\0\3abc", 512, 19),
		CASE("nothing", "", 512, 0),
		CASE("the longest payload", SIGNATURE "\x21\x12\0\x0c" V4, 12, 28),
		CASE("payload too long", SIGNATURE "\x21\x12\0\x0c" V4, 11, -EBADMSG),
		CASE("announced too long", SIGNATURE "\x21\x12\xff\xff", 512, -EBADMSG),
		CASE("another protocol", "GET / HTTP/1.1\r\n", 512, -EBADMSG),
		CASE("a wrong first byte", "G", 512, -EBADMSG),
		CASE("version 1", SIGNATURE "\x11\x12\0\x0c" V4, 512, -EBADMSG),
		CASE("unknown command", SIGNATURE "\x22\x12\0\x0c" V4, 512, -EBADMSG),
		CASE("no transport", SIGNATURE "\x21\x10\0\x0c" V4, 512, -EBADMSG),
		CASE("unix sockets", SIGNATURE "\x21\x32\0\x0c" V4, 512, -EBADMSG),
		CASE("too short for IPv6", SIGNATURE "\x21\x22\0\x0c" V4, 512, -EBADMSG),
		CASE("too short for IPv4", SIGNATURE "\x21\x12\0\x0b\300\0\2\1\300\0\2\2\x04\xd2\0", 512, -EBADMSG),
		CASE("a TLV that is cut", SIGNATURE "\x21\x12\0\x0e" V4 "\4\0", 512, -EBADMSG),
		CASE("a TLV longer than the rest", SIGNATURE "\x21\x12\0\x11" V4 "\4\0\3hi", 512, -EBADMSG),
#undef CASE
	};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		/* a copy of just that length, so that reading past it is seen */
		uint8_t *p = malloc(cases[i].len + 1);
		struct proxy x;
		ssize_t got;

		assert_non_null(p);
		memcpy(p + 1, cases[i].bytes, cases[i].len);
		got = proxy_parse(&x, p + 1, cases[i].len, cases[i].max);
		if (got != cases[i].want)
			fail_msg("%s: %zd", cases[i].what, got);
		if (got == 33) {
			assert_int_equal(x.tlvs, 1);
			assert_int_equal(x.tlv[0].type, 4);
			assert_int_equal(x.tlv[0].len, 2);
			assert_memory_equal(x.tlv[0].data, "hi", 2);
		}
		free(p);
	}
}

static void cut_at_every_byte(void **state)
{
	static const char whole[] = SIGNATURE "\x21\x12\0\x11" V4 "\4\0\2hi";
	struct proxy x;

	(void)state;
	for (size_t n = 0; n < sizeof(whole) - 1; n++)
		assert_int_equal(proxy_parse(&x, (const uint8_t *)whole, n, 512), 0);
	assert_int_equal(proxy_parse(&x, (const uint8_t *)whole, sizeof(whole) - 1, 512), sizeof(whole) - 1);
}

static struct addr address(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(&a, text, 0), 0);
	return a;
}

static void built_and_read_back(void **state)
{
	static const struct {
		const char *source, *destination;
		bool stream;
		unsigned tlvs;
		size_t len;
	} cases[] = {
		{"192.0.2.1:1234", "198.51.100.1:53", false, 0, 28},
		{"192.0.2.1:65535", "198.51.100.1:0", true, 2, 28 + 2 * 8},
		{"[2001:db8::1]:5353", "[2001:db8::2]:53", true, 0, 52},
		{"[2001:db8::1]:5353", "192.0.2.1:53", false, 1, 52 + 8},
	};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		struct proxy x = {.stream = cases[i].stream, .source = address(cases[i].source),
			.destination = address(cases[i].destination), .tlvs = cases[i].tlvs};
		struct proxy y;
		uint8_t out[128];

		for (unsigned k = 0; k < x.tlvs; k++)
			x.tlv[k] = (struct proxy_tlv){(uint8_t)(0xe0 + k), 5, (const uint8_t *)"value"};
		for (size_t cap = 0; cap < cases[i].len; cap++)
			assert_int_equal(proxy_build(&x, out, cap), -ENOBUFS);
		assert_int_equal(proxy_build(&x, out, sizeof(out)), cases[i].len);
		assert_int_equal(proxy_parse(&y, out, cases[i].len, 512), cases[i].len);
		assert_int_equal(y.stream, x.stream);
		assert_false(y.local);
		addr_unmap(&y.destination);
		assert_true(addr_same(&x.source, &y.source));
		assert_true(addr_same(&x.destination, &y.destination));
		assert_int_equal(y.tlvs, x.tlvs);
		for (unsigned k = 0; k < x.tlvs; k++) {
			assert_int_equal(y.tlv[k].type, 0xe0 + k);
			assert_int_equal(y.tlv[k].len, 5);
			assert_memory_equal(y.tlv[k].data, "value", 5);
		}
	}
}

static void local_headers_have_no_addresses(void **state)
{
	struct proxy x = {.local = true}, y;
	uint8_t out[64];

	(void)state;
	assert_int_equal(proxy_build(&x, out, sizeof(out)), PROXY_HEADER);
	assert_int_equal(proxy_parse(&y, out, PROXY_HEADER, 0), PROXY_HEADER);
	assert_true(y.local);
	assert_int_equal(y.source.family, 0);
}

static void no_more_tlvs_than_there_is_room_for(void **state)
{
	for (unsigned n = PROXY_TLVS; n <= PROXY_TLVS + 1; n++) {
		uint8_t p[PROXY_HEADER + 12 + 3 * (PROXY_TLVS + 1)] = {0};
		size_t len = PROXY_HEADER + 12 + 3 * n;
		struct proxy x;

		memcpy(p, SIGNATURE "\x21\x12\0\0" V4, PROXY_HEADER + 12);
		put16(p + 14, (unsigned)(len - PROXY_HEADER));
		assert_int_equal(proxy_parse(&x, p, len, 512), n > PROXY_TLVS ? -EBADMSG : (int)len);
	}
	(void)state;
}

int test_proxyv2(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(headers),
		cmocka_unit_test(cut_at_every_byte),
		cmocka_unit_test(built_and_read_back),
		cmocka_unit_test(local_headers_have_no_addresses),
		cmocka_unit_test(no_more_tlvs_than_there_is_room_for),
	};

	return cmocka_run_group_tests_name("net/proxyv2", tests, NULL, NULL);
}
