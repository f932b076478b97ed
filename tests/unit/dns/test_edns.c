/* test_edns.c: the OPT record, its options, client subnets, extended errors. */
#include <sys/socket.h>

#include "wire.h"

int test_edns(void);

#define WWW	"03'www'03'com'00"
#define QUERY	"1234 0120 0001 0000 0000 0000" WWW "0001 0001"
#define QUERY1	"1234 0120 0001 0000 0000 0001" WWW "0001 0001"
#define OPT0	"00 0029 04d0 00 00 8000 0000"
#define COOKIE	"000a 0008 0102030405060708"
#define ECS	"0008 0007 0001 18 00 c00002"
#define A_RR	"c00c 0001 0001 0000003c 0004 c0000201"
#define ANSWER1 "1234 8180 0001 0001 0000 0001" WWW "0001 0001" A_RR

static void found(void **state)
{
	static const struct {
		const char *msg;
		int rc;
		bool present;
		uint32_t at, len;
	} cases[] = {
		{QUERY, 0, false, 0, 0},
		{QUERY1 OPT0, 0, true, 25, 11},
		{QUERY1 OPT0 "ffff", 0, true, 25, 11}, /* trailing bytes */
		{QUERY1 "00 0029 04d0 00 00 8000 000c" COOKIE, 0, true, 25, 23},
		{ANSWER1 OPT0, 0, true, 41, 11},
		{"1234 8180 0001 0000 0000 0003" WWW "0001 0001" A_RR OPT0 A_RR, 0, true, 41, 11},
		{"1234 0120 0000 0000 0000 0001" OPT0, 0, true, 12, 11},
		{QUERY1 A_RR, 0, false, 0, 0},
		{"1234 0120 0001 0000 0000 0002" WWW "0001 0001" OPT0 OPT0, -EBADMSG, false, 0, 0},
		{"1234 0120 0001 0000 0001 0000" WWW "0001 0001" OPT0, -EBADMSG, false, 0,
			0}, /* wrong section */
		{QUERY1 "01'a'" OPT0, -EBADMSG, false, 0, 0}, /* not at the root */
		{QUERY1 "c014 0029 04d0 00 00 8000 0000", -EBADMSG, false, 0, 0},
		{QUERY1, -EBADMSG, false, 0, 0},
		{QUERY1 "00 0029 04d0 00 00 8000 00", -EBADMSG, false, 0, 0},
		{QUERY1 "00 0029 04d0 00 00 8000 0001", -EBADMSG, false, 0, 0},
		{"1234 0120 0001 0000 0000 0001 40'www'00 0001 0001" OPT0, -EBADMSG, false, 0, 0},
		{"1234 0120 0001 0000 0000 0001 3f'www'00 0001 0001" OPT0, -EBADMSG, false, 0, 0},
		{"", -EBADMSG, false, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		struct wire w = wire(cases[i].msg);
		uint8_t *m = tight(&w, w.len);
		struct edns e;

		assert_int_equal(edns_find(&e, m, w.len), cases[i].rc);
		assert_int_equal(e.present, cases[i].present);
		assert_int_equal(e.at, cases[i].at);
		assert_int_equal(e.len, cases[i].len);
		free(m);
	}
}

static void fields(void **state)
{
	struct wire w = wire(QUERY1 "00 0029 1234 ab cd 8765 000c" COOKIE);
	struct edns e;

	(void)state;
	assert_int_equal(edns_find(&e, w.b, w.len), 0);
	assert_int_equal(e.payload, 0x1234);
	assert_int_equal(e.ext_rcode, 0xab);
	assert_int_equal(e.version, 0xcd);
	assert_int_equal(e.flags, 0x8765);
	assert_int_equal(e.opts_at, 36);
	assert_int_equal(e.opts_len, 12);
}

/* A question of the greatest length, and one byte more, before the OPT. */
static void long_name(void **state)
{
	struct wire w = wire("1234 0120 0001 0000 0000 0001");
	struct wire tail = wire("00 0001 0001" OPT0);
	struct edns e;

	(void)state;
	for (size_t i = 12; i < 12 + 254; i += 2) {
		w.b[i] = 1;
		w.b[i + 1] = 'a';
	}
	memcpy(w.b + 12 + 254, tail.b, tail.len);
	assert_int_equal(edns_find(&e, w.b, 12 + 254 + tail.len), 0);
	assert_int_equal(e.at, 12 + 255 + 4);
	w.b[12] = 2;
	memmove(w.b + 15, w.b + 14, 252 + tail.len);
	assert_int_equal(edns_find(&e, w.b, 13 + 254 + tail.len), -EBADMSG);
}

static void options_walked(void **state)
{
	static const struct {
		const char *opts;
		unsigned codes[4], n;
	} cases[] = {
		{"", {0}, 0},
		{COOKIE ECS, {EDNS_COOKIE, EDNS_ECS}, 2},
		{ECS COOKIE "000c 0000", {EDNS_ECS, EDNS_COOKIE, EDNS_PADDING}, 3},
		{COOKIE "000c 00", {EDNS_COOKIE}, 1}, /* half a head */
		{COOKIE "000c 0002 00", {EDNS_COOKIE}, 1}, /* data too short */
		{"000a ffff 00", {0}, 0},
	};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		struct wire opts = wire(cases[i].opts), w = wire(QUERY1 OPT0);
		size_t pos = 0, at, len;
		unsigned code, n = 0;
		struct edns e;
		uint8_t *m;

		memcpy(w.b + w.len, opts.b, opts.len);
		put16(w.b + w.len - 2, (unsigned)opts.len);
		w.len += opts.len;
		m = tight(&w, w.len);
		assert_int_equal(edns_find(&e, m, w.len), 0);
		while (edns_next(&e, m, &pos, &code, &at, &len)) {
			assert_true(at + len <= w.len);
			assert_true(n < cases[i].n);
			assert_int_equal(code, cases[i].codes[n++]);
		}
		assert_int_equal(n, cases[i].n);
		assert_int_equal(edns_option(&e, m, EDNS_NSID, &at, &len), false);
		free(m);
	}
}

static void option_found(void **state)
{
	struct wire w = wire(QUERY1 "00 0029 04d0 00 00 0000 0017" COOKIE ECS);
	struct edns none = {0}, e;
	size_t at, len;

	(void)state;
	assert_int_equal(edns_find(&e, w.b, w.len), 0);
	assert_true(edns_option(&e, w.b, EDNS_ECS, &at, &len));
	assert_int_equal(at, 52);
	assert_int_equal(len, 7);
	assert_true(edns_option(&e, w.b, EDNS_COOKIE, &at, &len));
	assert_int_equal(at, 40);
	assert_int_equal(len, 8);
	assert_false(edns_option(&e, w.b, EDNS_PADDING, &at, &len));
	assert_false(edns_option(&none, w.b, EDNS_ECS, &at, &len));
}

static void added(void **state)
{
	struct wire w = wire(QUERY "abcd"); /* trailing bytes give way */
	size_t len = w.len;

	(void)state;
	assert_int_equal(edns_add(w.b, &len, 25 + 10, 1232, 0, 0), -ENOBUFS);
	assert_int_equal(len, w.len);
	assert_int_equal(edns_add(w.b, &len, 25 + 11, 1232, EDNS_DO, 1), 0);
	wire_is(w.b, len, QUERY1 "00 0029 04d0 01 00 8000 0000");
	assert_int_equal(edns_add(w.b, &len, sizeof(w.b), 1232, 0, 0), -EBADMSG);
	len = 5;
	assert_int_equal(edns_add(w.b, &len, sizeof(w.b), 1232, 0, 0), -EBADMSG);
}

#define THREE "1234 8180 0001 0000 0000 0003" WWW "0001 0001"

static void removed(void **state)
{
	static const struct {
		const char *in, *out;
		int rc;
	} cases[] = {
		{QUERY, QUERY, 0},
		{QUERY1 OPT0 "ffff", QUERY, 0},
		{ANSWER1 "00 0029 04d0 00 00 8000 000c" COOKIE,
			"1234 8180 0001 0001 0000 0000" WWW "0001 0001" A_RR, 0},
		/* first of three, the others point before it */
		{THREE OPT0 A_RR A_RR, "1234 8180 0001 0000 0000 0002" WWW "0001 0001" A_RR A_RR,
			0},
		/* those behind point at each other: corrected, in owners and in data */
		{THREE OPT0
			"02'ab'00 0001 0001 0000003c 0004 c0000201 c024 0005 0001 0000003c 0004 01'x'c024",
			"1234 8180 0001 0000 0000 0002" WWW
			"0001 0001 02'ab'00 0001 0001 0000003c 0004 c0000201 c019 0005 0001 0000003c 0004 01'x'c019",
			0},
		/* a pointer into the OPT itself */
		{"1234 8180 0001 0000 0000 0002" WWW "0001 0001" OPT0
		 "c019 0001 0001 0000003c 0004 c0000201",
			NULL, -EBADMSG},
		/* data that cannot be a name */
		{"1234 8180 0001 0000 0000 0002" WWW "0001 0001" OPT0
		 "c00c 0005 0001 0000003c 0002 05'a'",
			NULL, -EBADMSG},
		{QUERY1, NULL, -EBADMSG},
	};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		struct wire w = wire(cases[i].in);
		uint8_t *m = tight(&w, w.len);
		size_t len = w.len;

		assert_int_equal(edns_remove(m, &len), cases[i].rc);
		wire_is(m, len, cases[i].out != NULL ? cases[i].out : cases[i].in);
		free(m);
	}
}

static void option_set(void **state)
{
	static const uint8_t data[3] = {0xaa, 0xbb, 0xcc};
	static const struct {
		const char *in, *out;
		unsigned code;
		bool replace;
		int rc;
	} cases[] = {
		{QUERY, QUERY1 "00 0029 0200 00 00 0000 0007 000f 0003 aabbcc", EDNS_EDE, false, 0},
		{QUERY1 OPT0, QUERY1 "00 0029 04d0 00 00 8000 0007 000f 0003 aabbcc", EDNS_EDE,
			true, 0},
		{QUERY1 "00 0029 04d0 00 00 0000 0017" COOKIE ECS,
			QUERY1 "00 0029 04d0 00 00 0000 001e" COOKIE ECS "000a 0003 aabbcc",
			EDNS_COOKIE, false, 0},
		{QUERY1 "00 0029 04d0 00 00 0000 0017" COOKIE ECS,
			QUERY1 "00 0029 04d0 00 00 0000 0012" ECS "000a 0003 aabbcc", EDNS_COOKIE,
			true, 0},
		{QUERY1 "00 0029 04d0 00 00 0000 0022" ECS COOKIE ECS,
			QUERY1 "00 0029 04d0 00 00 0000 0013" COOKIE "0008 0003 aabbcc", EDNS_ECS,
			true, 0},
		/* the OPT in the middle: what follows moves and its pointers with it */
		{THREE OPT0
			"02'ab'00 0001 0001 0000003c 0004 c0000201 c024 0005 0001 0000003c 0002 c024",
			THREE
			"00 0029 04d0 00 00 8000 0007 000f 0003 aabbcc"
			"02'ab'00 0001 0001 0000003c 0004 c0000201 c02b 0005 0001 0000003c 0002 c02b",
			EDNS_EDE, false, 0},
		{THREE "00 0029 04d0 00 00 8000 000c" COOKIE
		       "02'ab'00 0001 0001 0000003c 0004 c0000201 c030 0005 0001 0000003c 0002 c030",
			THREE
			"00 0029 04d0 00 00 8000 0007 000a 0003 aabbcc"
			"02'ab'00 0001 0001 0000003c 0004 c0000201 c02b 0005 0001 0000003c 0002 c02b",
			EDNS_COOKIE, true, 0},
		{QUERY1 "00 0029 04d0 00 00 0000 0004 000a 0005", NULL, EDNS_EDE, false, -EBADMSG},
		{QUERY1, NULL, EDNS_EDE, false, -EBADMSG},
	};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		const char *want = cases[i].out != NULL ? cases[i].out : cases[i].in;
		struct wire w = wire(cases[i].in), out = wire(want);
		size_t len = w.len;

		if (cases[i].rc == 0 && out.len > w.len) { /* one byte short: nothing changes */
			assert_int_equal(edns_set_option(w.b, &len, out.len - 1, 512, cases[i].code,
						 data, 3, cases[i].replace),
				-ENOBUFS);
			wire_is(w.b, len, cases[i].in);
		}
		assert_int_equal(edns_set_option(w.b, &len, out.len, 512, cases[i].code, data, 3,
					 cases[i].replace),
			cases[i].rc);
		wire_is(w.b, len, want);
	}
}

/* A pointer that could not name its target any more stops a growing option. */
static void option_pushes_pointer(void **state)
{
	static uint8_t msg[20000];
	struct wire w = wire(THREE OPT0 "00 0010 0001 00000000 3f00");
	struct wire last = wire("01'a'00 0001 0001 0000003c 0004 c0000201");
	size_t at = w.len + 0x3f00, len, i;

	(void)state;
	dns_set_count(w.b, SECTION_ADDITIONAL, 4);
	memcpy(msg, w.b, w.len);
	memcpy(msg + at, last.b, last.len);
	len = at + last.len;
	put16(msg + len, 0xc000 | (unsigned)at);
	memcpy(msg + len + 2, last.b + 3, last.len - 3);
	len += last.len - 1;
	assert_int_equal(msg_end(msg, len), len);
	i = 0x3fff - at; /* so far may the target move */
	assert_int_equal(
		edns_set_option(msg, &len, sizeof(msg), 0, 65001, NULL, i - 3, false), -EBADMSG);
	assert_int_equal(msg_end(msg, len), len);
	assert_int_equal(edns_set_option(msg, &len, sizeof(msg), 0, 65001, NULL, i - 4, false), 0);
	assert_int_equal(msg_end(msg, len), len);
	assert_int_equal(get16(msg + at + i + last.len), 0xffff);
}

static void option_removed(void **state)
{
	static const struct {
		const char *in, *out;
		unsigned code;
		int rc;
	} cases[] = {
		{QUERY, QUERY, EDNS_ECS, 0},
		{QUERY1 OPT0, QUERY1 OPT0, EDNS_ECS, 0},
		{QUERY1 "00 0029 04d0 00 00 0000 000b" ECS, QUERY1 "00 0029 04d0 00 00 0000 0000",
			EDNS_ECS, 0},
		{QUERY1 "00 0029 04d0 00 00 0000 0022" ECS COOKIE ECS,
			QUERY1 "00 0029 04d0 00 00 0000 000c" COOKIE, EDNS_ECS, 0},
		{QUERY1 "00 0029 04d0 00 00 0000 0004 0008 0005", NULL, EDNS_ECS, -EBADMSG},
		/* a pointer into the option */
		{"1234 8180 0001 0000 0000 0002" WWW "0001 0001 00 0029 04d0 00 00 8000 000b" ECS
		 "c028 0001 0001 0000003c 0000",
			NULL, EDNS_ECS, -EBADMSG},
		{THREE "00 0029 04d0 00 00 8000 000b" ECS A_RR A_RR,
			THREE "00 0029 04d0 00 00 8000 0000" A_RR A_RR, EDNS_ECS, 0},
	};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		struct wire w = wire(cases[i].in);
		uint8_t *m = tight(&w, w.len);
		size_t len = w.len;

		assert_int_equal(edns_remove_option(m, &len, cases[i].code), cases[i].rc);
		wire_is(m, len, cases[i].out != NULL ? cases[i].out : cases[i].in);
		free(m);
	}
}

static void option_too_long(void **state)
{
	static uint8_t msg[70000];
	struct wire w = wire(QUERY);
	size_t len = w.len;

	(void)state;
	memcpy(msg, w.b, w.len);
	assert_int_equal(
		edns_set_option(msg, &len, sizeof(msg), 512, 9, NULL, 65536, false), -ENOBUFS);
	assert_int_equal(
		edns_set_option(msg, &len, sizeof(msg), 512, 9, NULL, 65535 - 25 - 14, false),
		-ENOBUFS);
	assert_int_equal(len, w.len);
	assert_int_equal(
		edns_set_option(msg, &len, sizeof(msg), 512, 9, NULL, 65535 - 25 - 15, false), 0);
	assert_int_equal(len, 65535);
	assert_int_equal(
		edns_set_option(msg, &len, sizeof(msg), 512, 10, NULL, 0, false), -ENOBUFS);
	assert_int_equal(edns_set_option(msg, &len, sizeof(msg), 512, 9, NULL, 0, true), 0);
	assert_int_equal(len, 25 + 15);
}

static void ecs(void **state)
{
	static const struct {
		int family;
		const char *ip;
		unsigned bits;
		const char *data;
	} cases[] = {
		{AF_INET, "c00002ff", 24, "0001 18 00 c00002"},
		{AF_INET, "c00002ff", 32, "0001 20 00 c00002ff"},
		{AF_INET, "c00002ff", 99, "0001 20 00 c00002ff"},
		{AF_INET, "c00002ff", 25, "0001 19 00 c0000280"},
		{AF_INET, "c00002ff", 0, "0001 00 00"},
		{AF_INET6, "20010db8ffffffffffffffffffffffff", 56, "0002 38 00 20010db8ffffff"},
		{AF_INET6, "20010db8ffffffffffffffffffffffff", 57, "0002 39 00 20010db8ffffff80"},
		{AF_INET6, "20010db8ffffffffffffffffffffffff", 128,
			"0002 80 00 20010db8ffffffffffffffffffffffff"},
	};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		struct addr a = {.family = (uint16_t)cases[i].family};
		struct wire ip = wire(cases[i].ip);
		struct netmask source;
		uint8_t out[ECS_MAX];
		unsigned scope;
		size_t len;

		memcpy(a.ip, ip.b, ip.len);
		len = ecs_build(out, &a, cases[i].bits);
		wire_is(out, len, cases[i].data);
		assert_int_equal(ecs_parse(out, len, &source, &scope), 0);
		assert_int_equal(source.net.family, cases[i].family);
		assert_int_equal(source.bits, out[2]);
		assert_memory_equal(source.net.ip, out + 4, len - 4);
		assert_int_equal(scope, 0);
	}
	assert_int_equal(ecs_build((uint8_t[ECS_MAX]){0}, &(struct addr){0}, 24), 0);
}

static void ecs_read(void **state)
{
	static const struct {
		const char *data;
		int rc;
		unsigned scope;
	} cases[] = {
		{"0001 18 10 c00002", 0, 16},
		{"0001 14 20 c000ff", 0, 32}, /* bits behind the prefix are cleared */
		{"0000 00 00", 0, 0},
		{"0000 08 00 0a", -EBADMSG, 0},
		{"0003 08 00 0a", -EBADMSG, 0},
		{"0001 21 00 c000020101", -EBADMSG, 0},
		{"0001 18 21 c00002", -EBADMSG, 0},
		{"0001 18 00 c000", -EBADMSG, 0},
		{"0001 18 00 c0000200", -EBADMSG, 0},
		{"0002 81 00 20010db8ffffffffffffffffffffffffff", -EBADMSG, 0},
		{"0001 00", -EBADMSG, 0},
		{"", -EBADMSG, 0},
	};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		struct wire w = wire(cases[i].data);
		uint8_t *m = tight(&w, w.len);
		struct netmask source;
		unsigned scope = 0;

		assert_int_equal(ecs_parse(m, w.len, &source, &scope), cases[i].rc);
		assert_int_equal(scope, cases[i].scope);
		if (i == 1)
			assert_memory_equal(source.net.ip, "\xc0\0\xf0\0", 4);
		free(m);
	}
}

static void ede(void **state)
{
	uint8_t out[32];

	(void)state;
	wire_is(out, ede_build(out, sizeof(out), 15, ""), "000f");
	wire_is(out, ede_build(out, sizeof(out), 15, "blocked"), "000f 'blocked'");
	wire_is(out, ede_build(out, 5, 15, "blocked"), "000f 'blo'");
	wire_is(out,
		ede_build(out, 5, 15,
			"bl\xc3\xb6"
			"d"),
		"000f 'bl'"); /* no half letter */
	wire_is(out,
		ede_build(out, 6, 15,
			"bl\xc3\xb6"
			"d"),
		"000f 'bl' c3b6");
	wire_is(out, ede_build(out, 2, 15, "blocked"), "000f");
	assert_int_equal(ede_build(out, 1, 15, "blocked"), 0);
}

int test_edns(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(found),
		cmocka_unit_test(fields),
		cmocka_unit_test(long_name),
		cmocka_unit_test(options_walked),
		cmocka_unit_test(option_found),
		cmocka_unit_test(added),
		cmocka_unit_test(removed),
		cmocka_unit_test(option_set),
		cmocka_unit_test(option_pushes_pointer),
		cmocka_unit_test(option_removed),
		cmocka_unit_test(option_too_long),
		cmocka_unit_test(ecs),
		cmocka_unit_test(ecs_read),
		cmocka_unit_test(ede),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
