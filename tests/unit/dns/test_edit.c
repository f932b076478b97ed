/* test_edit.c: changes to whole messages. */
#include "mem.h"
#include "wire.h"

int test_edit(void);

#define WWW  "03'www'03'com'00"
#define Q    WWW "0001 0001"
#define OPT0 "00 0029 04d0 01 00 8000 0000"
#define A_RR "c00c 0001 0001 0000003c 0004 c0000201"

static void answers(void **state)
{
	static const struct {
		const char *in;
		unsigned rcode;
		const char *out;
	} cases[] = {
		{"1234 0100 0001 0000 0000 0000" Q, RCODE_NXDOMAIN,
			"1234 8183 0001 0000 0000 0000" Q},
		{"1234 0000 0001 0000 0000 0000" Q, RCODE_NOERROR,
			"1234 8000 0001 0000 0000 0000" Q},
		{"1234 0130 0001 0000 0000 0001" Q OPT0, RCODE_REFUSED,
			"1234 8195 0001 0000 0000 0000" Q},
		{"1234 a6f7 0001 0001 0000 0001" Q A_RR OPT0, RCODE_SERVFAIL,
			"1234 a012 0001 0000 0000 0000" Q},
		{"1234 0100 0000 0000 0000 0000", RCODE_NOTIMP, "1234 8184 0000 0000 0000 0000"},
		{"1234 0100 0001 0005 0000 0000" Q, RCODE_FORMERR,
			"1234 8181 0001 0000 0000 0000" Q},
		{"1234 0100 0001 0000 0000 0000" Q, RCODE_BADCOOKIE,
			"1234 8187 0001 0000 0000 0000" Q},
		{"1234 0100 0001 0000 0000 0000 03'www'", RCODE_REFUSED, NULL},
		{"1234 0100 0001", RCODE_REFUSED, NULL},
	};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		struct wire w = wire(cases[i].in);
		uint8_t *m = tight(&w, w.len);
		size_t len = w.len;

		assert_int_equal(msg_make_answer(m, &len, cases[i].rcode),
			cases[i].out != NULL ? 0 : -EBADMSG);
		wire_is(m, len, cases[i].out != NULL ? cases[i].out : cases[i].in);
		free(m);
	}
}

static void truncated(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{"1234 8580 0001 0002 0000 0000" Q A_RR A_RR, "1234 8780 0001 0000 0000 0000" Q},
		{"1234 8580 0001 0001 0000 0001" Q A_RR OPT0,
			"1234 8780 0001 0000 0000 0001" Q OPT0},
		{"1234 8580 0001 0000 0000 0001" Q OPT0, "1234 8780 0001 0000 0000 0001" Q OPT0},
		{"1234 8580 0001 0000 0000 0002" Q "00 0029 04d0 01 00 8000 0004 000c 0000" A_RR,
			"1234 8780 0001 0000 0000 0001" Q OPT0},
		{"1234 8580 0001 0001 0000 0000" Q, NULL},
		{"1234 8580 0001 0000 0000 0002" Q OPT0 OPT0, NULL},
	};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		struct wire w = wire(cases[i].in);
		uint8_t *m = tight(&w, w.len);
		size_t len = w.len;

		assert_int_equal(msg_truncate(m, &len), cases[i].out != NULL ? 0 : -EBADMSG);
		wire_is(m, len, cases[i].out != NULL ? cases[i].out : cases[i].in);
		free(m);
	}
}

static void records_added(void **state)
{
	struct wire w = wire("1234 8180 0001 0000 0000 0000" Q),
		    none = wire("1234 8180 0000 0000 0000 0000");
	size_t len = w.len, none_len = none.len, before;

	(void)state;
	assert_int_equal(msg_add_rr(w.b, &len, len + 15, SECTION_ANSWER, 1, 1, 60, "\xc0\0\2\1", 4),
		-ENOBUFS);
	assert_int_equal(
		msg_add_rr(w.b, &len, len + 16, SECTION_ANSWER, 1, 1, 60, "\xc0\0\2\1", 4), 0);
	assert_int_equal(msg_add_rr(w.b, &len, sizeof(w.b), SECTION_ANSWER, 65280, 1, 0, "", 0), 0);
	assert_int_equal(msg_add_rr_name(w.b, &len, sizeof(w.b), SECTION_ADDITIONAL,
				 (const uint8_t *)"\2ns", 1, 1, 60, "\xc0\0\2\1", 4),
		0);
	wire_is(w.b, len,
		"1234 8180 0001 0002 0000 0001" Q A_RR "c00c ff00 0001 00000000 0000"
		"02'ns'00 0001 0001 0000003c 0004 c0000201");
	before = len;
	assert_int_equal(
		msg_add_rr(w.b, &len, sizeof(w.b), SECTION_ANSWER, 1, 1, 60, "\xc0\0\2\1", 4),
		-EBADMSG);
	assert_int_equal(
		msg_add_rr(w.b, &len, sizeof(w.b), SECTION_QUESTION, 1, 1, 60, "\xc0\0\2\1", 4),
		-EBADMSG);
	assert_int_equal(
		msg_add_rr(w.b, &len, sizeof(w.b), SECTION_ADDITIONAL, 1, 1, 60, w.b, 65536),
		-ENOBUFS);
	assert_int_equal(
		msg_add_rr(none.b, &none_len, sizeof(w.b), SECTION_ANSWER, 1, 1, 60, "", 1),
		-EBADMSG);
	assert_int_equal(len, before);
	dns_set_count(w.b, SECTION_ADDITIONAL, 65535);
	assert_int_equal(
		msg_add_rr(w.b, &len, sizeof(w.b), SECTION_ADDITIONAL, 1, 1, 60, "", 1), -ENOBUFS);
}

#define TTLS \
	"1234 8180 0001 0002 0001 0002" Q \
	"c00c 0001 0001 0000003c 0000 c00c 001c 0001 00000000 0000" \
	"c00c 0006 0001 ffffffff 0000 c00c 0010 0001 00000e10 0000" OPT0

static uint32_t ttl_halve(
	void *seen, enum section section, unsigned klass, unsigned type, uint32_t ttl)
{
	*(unsigned *)seen =
		*(unsigned *)seen * 100 + section * 10 + (type == QTYPE_SOA) + (klass != CLASS_IN);
	return ttl / 2;
}

static void ttls(void **state)
{
	static const uint16_t types[] = {QTYPE_SOA, QTYPE_TXT};
	struct wire w = wire(TTLS), none = wire("1234 8180 0001 0000 0000 0001" Q OPT0);
	unsigned seen = 0;

	(void)state;
	assert_true(msg_min_ttl(w.b, w.len) == 0);
	assert_int_equal(msg_edit_ttls(w.b, w.len, ttl_halve, &seen), 0);
	assert_int_equal(seen, 10102130);
	wire_is(w.b, w.len,
		"1234 8180 0001 0002 0001 0002" Q
		"c00c 0001 0001 0000001e 0000 c00c 001c 0001 00000000 0000"
		"c00c 0006 0001 7fffffff 0000 c00c 0010 0001 00000708 0000" OPT0);
	assert_int_equal(msg_limit_ttls(w.b, w.len, 0, 300, types, 2), 0);
	wire_is(w.b, w.len,
		"1234 8180 0001 0002 0001 0002" Q
		"c00c 0001 0001 0000001e 0000 c00c 001c 0001 00000000 0000"
		"c00c 0006 0001 0000012c 0000 c00c 0010 0001 0000012c 0000" OPT0);
	assert_int_equal(msg_limit_ttls(w.b, w.len, 25, 100, NULL, 0), 0);
	assert_true(msg_min_ttl(w.b, w.len) == 25);
	wire_is(w.b, w.len,
		"1234 8180 0001 0002 0001 0002" Q
		"c00c 0001 0001 0000001e 0000 c00c 001c 0001 00000019 0000"
		"c00c 0006 0001 00000064 0000 c00c 0010 0001 00000064 0000" OPT0);
	assert_int_equal(msg_limit_ttls(w.b, w.len - 1, 0, 9, NULL, 0), -EBADMSG);
	assert_true(msg_min_ttl(w.b, w.len - 1) == -EBADMSG);
	assert_true(msg_min_ttl(none.b, none.len) == -ENOENT);
}

static void ttl_is_unsigned(void **state)
{
	struct wire w = wire("1234 8180 0001 0001 0000 0000" Q "c00c 0001 0001 ffffffff 0000");

	(void)state;
	assert_true(msg_min_ttl(w.b, w.len) == 0xffffffff);
}

static void ttl_of_nothing(void **state)
{
#define SOA "c00c 0006 0001 00000e10 0016 00 00 00000001 00000002 00000003 00000004 0000003c"
	static const struct {
		const char *msg;
		int64_t ttl;
	} cases[] = {
		{"1234 8183 0001 0000 0001 0000" Q SOA, 60},
		{"1234 8180 0001 0001 0001 0000" Q "c00c 0001 0001 00000e10 0000" SOA, 3600},
		{"1234 8183 0001 0000 0000 0001" Q SOA, 3600},
		{"1234 8183 0001 0000 0001 0000" Q "c00c 0006 0001 00000e10 0002 00 00", 3600},
	};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		struct wire w = wire(cases[i].msg);

		assert_true(msg_min_ttl(w.b, w.len) == cases[i].ttl);
	}
}

/* CNAME at 25 whose target, at 37, owns the rest: the answer of a content network. */
#define CNAME "c00c 0005 0001 0000003c 0008 05'cloud'c010"

static void types_removed(void **state)
{
	static const uint16_t types[] = {QTYPE_AAAA, QTYPE_CNAME, QTYPE_MX};
	static const struct {
		const char *in, *out;
	} cases[] = {
		{"1234 8180 0001 0001 0000 0001" Q A_RR OPT0,
			"1234 8180 0001 0001 0000 0001" Q A_RR OPT0},
		{"1234 8180 0001 0001 0001 0001" Q A_RR
		 "c00c 001c 0001 0000003c 0000 c00c 001c 0001 00000000 0000",
			"1234 8180 0001 0001 0000 0000" Q A_RR},
		/* what pointed into the removed record gets the labels, once */
		{"1234 8180 0001 0003 0000 0000" Q CNAME "c025 0001 0001 0000003c 0004 c0000201"
		 "c025 0001 0001 0000003c 0004 c0000202",
			"1234 8180 0001 0002 0000 0000" Q
			"05'cloud'c010 0001 0001 0000003c 0004 c0000201"
			"c019 0001 0001 0000003c 0004 c0000202"},
		/* data: SOA with both names from the removed record, numbers kept */
		{"1234 8180 0001 0001 0001 0000" Q CNAME
		 "c010 0006 0001 0000003c 001a c025 01'h'c025 00000001 00000002 00000003 00000004 00000005",
			"1234 8180 0001 0000 0001 0000" Q
			"c010 0006 0001 0000003c 0020 05'cloud'c010 01'h'c025"
			"00000001 00000002 00000003 00000004 00000005"},
		/* pointers behind the removed record move */
		{"1234 8180 0001 0001 0000 0003" Q CNAME "02'ab'00 0001 0001 0000003c 0004 c0000201"
		 "c02d 0002 0001 0000003c 0002 c02d c02d ff00 0001 0000003c 0002 c02d",
			"1234 8180 0001 0000 0000 0003" Q
			"02'ab'00 0001 0001 0000003c 0004 c0000201"
			"c019 0002 0001 0000003c 0002 c019 c019 ff00 0001 0000003c 0002 c02d"},
		/* SRV: its target is written in full */
		{"1234 8180 0001 0001 0000 0001" Q CNAME
		 "c00c 0021 0001 0000003c 0008 0001 0002 0035 c010",
			"1234 8180 0001 0000 0000 0001" Q
			"c00c 0021 0001 0000003c 000b 0001 0002 0035 03'com'00"},
		/* trailing bytes go */
		{"1234 8180 0001 0001 0000 0000" Q CNAME "ffff", "1234 8180 0001 0000 0000 0000" Q},
	};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		struct wire w = wire(cases[i].in);
		uint8_t *m = tight(&w, w.len);
		size_t len = w.len;

		assert_int_equal(msg_remove_types(m, &len, types, LEN(types)), 0);
		wire_is(m, len, cases[i].out);
		free(m);
	}
}

/* Names too far out for a pointer are written in full, and nothing points at them. */
static void types_removed_far(void **state)
{
	static const uint16_t types[] = {QTYPE_AAAA};
	static uint8_t msg[20000];
	struct wire head = wire("1234 8180 0001 0004 0000 0000" Q
				"c00c 001c 0001 00000000 0000 c00c 0010 0001 00000000 4000");
	struct wire tail = wire("02'ab'c010 0001 0001 00000000 0000"
				"02'ab'c010 0002 0001 00000000 0002 c00c");
	size_t len = head.len + 0x4000 + tail.len, at = head.len + 0x4000 - 12;

	(void)state;
	memcpy(msg, head.b, head.len);
	memcpy(msg + head.len + 0x4000, tail.b, tail.len);
	assert_int_equal(msg_remove_types(msg, &len, types, 1), 0);
	assert_int_equal(len, at + tail.len);
	assert_memory_equal(msg + at, tail.b, tail.len);
	assert_int_equal(msg_end(msg, len), len);
}

static void types_not_removed(void **state)
{
	static const uint16_t types[] = {QTYPE_AAAA, QTYPE_CNAME};
	static const struct {
		const char *in;
		int rc;
	} cases[] = {
		{"1234 8180 0001 0002 0000 0000" Q CNAME, -EBADMSG},
		/* the kept data is no name */
		{"1234 8180 0001 0002 0000 0000" Q CNAME "c00c 0002 0001 00000000 0001 05",
			-EBADMSG},
		/* the kept owner leads into nothing */
		{"1234 8180 0001 0002 0000 0000" Q "c00c 0005 0001 00000000 0002 7f01"
		 "c025 0001 0001 00000000 0000",
			-EBADMSG},
		/* … to a pointer forwards, to half a pointer, to a label that runs into the owner */
		{"1234 8180 0001 0002 0000 0000" Q "c00c 0005 0001 00000000 0002 c0ff"
		 "c025 0001 0001 00000000 0000",
			-EBADMSG},
		{"1234 8180 0001 0002 0000 0000" Q "c00c 0005 0001 00000000 0002 01c0"
		 "c026 0001 0001 00000000 0000",
			-EBADMSG},
		{"1234 8180 0001 0002 0000 0000" Q "c00c 0005 0001 00000000 0002 03'a'"
		 "c025 0001 0001 00000000 0000",
			-EBADMSG},
		{"1234 8180 0001 0002 0000 0000" Q "c00c 0005 0001 00000000 0002 01'a'"
		 "c025 0001 0001 00000000 0000",
			-EBADMSG},
		/* the DNAME's target in full leaves one byte for the pointer at the end */
		{"1234 8180 0001 0003 0000 0000 0d'aaaaaaaaaaaaa'00 0001 0001"
		 "c00c 001c 0001 00000000 0000 c00c 0027 0001 00000000 0002 c00c"
		 "c00c 0002 0001 00000000 0002 c00c",
			-ENOBUFS},
		/* DNAME targets written in full twice do not fit where one short pointer was removed */
		{"1234 8180 0001 0003 0000 0000 0a'aaaaaaaaaa'00 0001 0001 c00c 001c 0001 00000000 0000"
		 "c00c 0027 0001 00000000 0002 c00c c00c 0027 0001 00000000 0002 c00c",
			-ENOBUFS},
	};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		struct wire w = wire(cases[i].in);
		size_t len = w.len;

		assert_int_equal(msg_remove_types(w.b, &len, types, LEN(types)), cases[i].rc);
		wire_is(w.b, len, cases[i].in);
	}
}

static void types_no_memory(void **state)
{
	static const uint16_t types[] = {QTYPE_A};
	struct wire w = wire("1234 8180 0001 0001 0000 0000" Q A_RR);
	size_t len = w.len;

	(void)state;
	mem_fail_at(1);
	assert_int_equal(msg_remove_types(w.b, &len, types, 1), -ENOMEM);
	mem_fail_at(0);
	wire_is(w.b, len, "1234 8180 0001 0001 0000 0000" Q A_RR);
	assert_int_equal(msg_remove_types(w.b, &len, types, 1), 0);
	wire_is(w.b, len, "1234 8180 0001 0000 0000 0000" Q);
}

static void name_replaced(void **state)
{
	static const struct {
		const char *in, *name, *out;
		int rc;
	} cases[] = {
		{"1234 0100 0001 0000 0000 0001" Q OPT0, "longer.example.org",
			"1234 0100 0001 0000 0000 0001 06'longer'07'example'03'org'00 0001 0001" OPT0,
			0},
		{"1234 0100 0001 0000 0000 0001" Q OPT0, ".",
			"1234 0100 0001 0000 0000 0001 00 0001 0001" OPT0, 0},
		{"1234 0100 0001 0000 0000 0000" Q, "Www.net",
			"1234 0100 0001 0000 0000 0000 03'Www'03'net'00 0001 0001", 0},
		{"1234 0100 0001 0002 0000 0000" Q
		 "01'a'00 0001 0001 00000000 0000 c019 0001 0001 00000000 0000",
			"net",
			"1234 0100 0001 0002 0000 0000 03'net'00 0001 0001"
			"01'a'00 0001 0001 00000000 0000 c015 0001 0001 00000000 0000",
			0},
		{"1234 8180 0001 0001 0000 0000" Q A_RR, "net", NULL, -EBADMSG},
		{"1234 8180 0000 0000 0000 0000", "net", NULL, -EBADMSG},
		{"1234 8180 0001 0000 0000 0000 03'w'", "net", NULL, -EBADMSG},
	};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		const char *want = cases[i].out != NULL ? cases[i].out : cases[i].in;
		struct name n = name_of(cases[i].name);
		struct wire w = wire(cases[i].in), out = wire(want);
		size_t len = w.len;

		if (out.len > w.len) {
			assert_int_equal(msg_replace_name(w.b, &len, out.len - 1, &n), -ENOBUFS);
			wire_is(w.b, len, cases[i].in);
		}
		assert_int_equal(msg_replace_name(w.b, &len, out.len, &n), cases[i].rc);
		wire_is(w.b, len, want);
	}
}

static void padded(void **state)
{
	struct wire w = wire("1234 8180 0001 0001 0000 0001" Q A_RR OPT0);
	struct wire plain = wire("1234 8180 0001 0001 0000 0000" Q A_RR);
	size_t len = w.len, at, option_len;
	struct edns e;

	(void)state;
	assert_int_equal(msg_pad(w.b, &len, sizeof(w.b), 468), 0);
	assert_int_equal(len, 468);
	assert_int_equal(edns_find(&e, w.b, len), 0);
	assert_true(edns_option(&e, w.b, EDNS_PADDING, &at, &option_len));
	assert_int_equal(option_len, 468 - 52 - 4);
	for (size_t i = 0; i < option_len; i++)
		assert_int_equal(w.b[at + i], 0);
	assert_int_equal(msg_pad(w.b, &len, sizeof(w.b), 128), 0); /* the old padding is replaced */
	assert_int_equal(len, 128);
	assert_int_equal(msg_pad(w.b, &len, 100000, 56), 0); /* exactly full: an empty option */
	assert_int_equal(len, 56);
	assert_int_equal(msg_pad(w.b, &len, 100, 468), 0); /* as much as fits */
	assert_int_equal(len, 100);
	assert_int_equal(msg_pad(w.b, &len, 55, 468), -ENOBUFS);
	assert_int_equal(msg_pad(w.b, &len, sizeof(w.b), 0), 0);
	assert_int_equal(len, 100);
	len = plain.len;
	assert_int_equal(msg_pad(plain.b, &len, sizeof(plain.b), 468), 0); /* no OPT, no padding */
	assert_int_equal(len, plain.len);
}

int test_edit(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers),
		cmocka_unit_test(truncated),
		cmocka_unit_test(records_added),
		cmocka_unit_test(ttls),
		cmocka_unit_test(ttl_is_unsigned),
		cmocka_unit_test(ttl_of_nothing),
		cmocka_unit_test(types_removed),
		cmocka_unit_test(types_removed_far),
		cmocka_unit_test(types_not_removed),
		cmocka_unit_test(types_no_memory),
		cmocka_unit_test(name_replaced),
		cmocka_unit_test(padded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
