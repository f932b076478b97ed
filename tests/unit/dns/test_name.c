/* test_name.c: names as wire and as text. */
#include "wire.h"

int test_name(void);

#define L10 "aaaaaaaaaa"
#define L61 L10 L10 L10 L10 L10 L10 "a"
#define L62 L61 "a"
#define L63 L62 "a"

static void text_good(void **state)
{
	static const struct {
		const char *in, *out;
		unsigned len, labels;
	} cases[] = {
		{".", ".", 1, 0},
		{"com", "com.", 5, 1},
		{"com.", "com.", 5, 1},
		{"WwW.Example.com", "WwW.Example.com.", 17, 3},
		{"a\\.b.c", "a\\.b.c.", 7, 2},
		{"a\\\\b", "a\\\\b.", 5, 1},
		{"a\\066c", "aBc.", 5, 1},
		{"\\000\\255\\032", "\\000\\255\\032.", 5, 1},
		{"a b", "a\\032b.", 5, 1},
		{"\\*", "*.", 3, 1},
		{"_dns.resolver.arpa", "_dns.resolver.arpa.", 20, 3},
		{L63 ".x", L63 ".x.", 67, 2},
		{L63 "." L63 "." L63 "." L61, L63 "." L63 "." L63 "." L61 ".", 255, 4},
	};
	char text[NAME_TEXT];
	struct name n;

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		assert_int_equal(name_from_text(&n, cases[i].in, strlen(cases[i].in)), 0);
		assert_int_equal(n.len, cases[i].len);
		assert_int_equal(n.labels, cases[i].labels);
		assert_int_equal(name_check(n.wire, n.len), n.len);
		assert_int_equal(name_len(n.wire), n.len);
		assert_int_equal(name_labels(n.wire), n.labels);
		assert_int_equal(name_to_text(n.wire, true, text), strlen(cases[i].out));
		assert_string_equal(text, cases[i].out);
	}
}

static void text_bad(void **state)
{
	static const char *const cases[] = {"", "..", ".a", "a..", "a..b", "a\\", "a\\2", "a\\25",
		"a\\256", "a\\2x5", L63 "a", L63 "." L63 "." L63 "." L62,
		L63 "." L63 "." L63 "." L61 ".a"};
	struct name n;

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++)
		assert_int_equal(name_from_text(&n, cases[i], strlen(cases[i])), -EINVAL);
}

/* The longest text: every byte escaped. */
static void text_longest(void **state)
{
	uint8_t wire[NAME_WIRE] = {0};
	char text[NAME_TEXT];
	struct name n;
	size_t len;

	(void)state;
	wire[0] = wire[64] = wire[128] = 63;
	wire[192] = 61;
	assert_int_equal(name_check(wire, sizeof(wire)), 255);
	len = name_to_text(wire, true, text);
	assert_int_equal(len, 250 * 4 + 4);
	assert_int_equal(name_from_text(&n, text, len), 0);
	assert_memory_equal(n.wire, wire, 255);
	memset(wire, 1, 254);
	assert_int_equal(name_labels(wire), NAME_LABELS);
	len = name_to_text(wire, false, text);
	assert_int_equal(len, 127 * 5 - 1);
	assert_int_equal(name_from_text(&n, text, len), 0);
	assert_int_equal(n.labels, NAME_LABELS);
}

static void final_dot(void **state)
{
	char text[NAME_TEXT];

	(void)state;
	assert_int_equal(name_to_text((const uint8_t *)"\3com", false, text), 3);
	assert_string_equal(text, "com");
	assert_int_equal(name_to_text((const uint8_t *)"", false, text), 1);
	assert_string_equal(text, ".");
}

static void check_bad(void **state)
{
	static const char *const cases[] = {
		"", "03'com'", "03'co'", "40 00", "80 00", "c0 00", "01"};
	struct wire w;

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		w = wire(cases[i]);
		assert_int_equal(name_check(w.b, w.len), -EBADMSG);
	}
	memset(w.b, 1, 256);
	w.b[256] = 0;
	assert_int_equal(name_check(w.b, 257), -EBADMSG);
}

#define HEAD "0000 0000 0000 0000 0000 0000"

static void from_msg(void **state)
{
	static const struct {
		const char *msg;
		size_t at;
		const char *text; /* NULL: malformed */
		ssize_t end, skip; /* after the name */
	} cases[] = {
		{HEAD "00", 12, ".", 13, 13}, {HEAD "03'Com'00", 12, "Com.", 17, 17},
		{HEAD "03'com'00 03'www'c00c", 17, "www.com.", 23, 23},
		{HEAD "03'com'00 c00c", 17, "com.", 19, 19},
		{HEAD "03'com'00 c00c 01'a'c011", 19, "a.com.", 23, 23},
		{HEAD "03'com'00 c010", 17, ".", 19, 19}, {HEAD "", 12, NULL, 0, -EBADMSG},
		{HEAD "03'com'", 12, NULL, 0, -EBADMSG}, {HEAD "c0", 12, NULL, 0, -EBADMSG},
		{HEAD "c00c", 12, NULL, 0, -EBADMSG}, /* itself */
		{HEAD "01'a'c00c", 12, NULL, 0, -EBADMSG}, /* own label: a loop */
		{HEAD "c00e 00", 12, NULL, 0, -EBADMSG}, /* forwards */
		{HEAD "c000", 12, NULL, 0, -EBADMSG}, /* the header */
		{HEAD "40 00", 12, NULL, 0, -EBADMSG}, /* label types that are gone */
		{HEAD "80 00", 12, NULL, 0, -EBADMSG},
		{HEAD "01'a'c010 01'b'c00c", 16, NULL, 0, 20}, /* two that point at each other */
	};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		struct wire w = wire(cases[i].msg);
		uint8_t *m = tight(&w, w.len);
		char text[NAME_TEXT];
		struct name n;
		ssize_t end = name_from_msg(&n, m, w.len, cases[i].at);

		assert_int_equal(name_skip(m, w.len, cases[i].at), cases[i].skip);
		if (cases[i].text == NULL) {
			assert_int_equal(end, -EBADMSG);
		} else {
			assert_int_equal(end, cases[i].end);
			name_to_text(n.wire, true, text);
			assert_string_equal(text, cases[i].text);
			assert_int_equal(n.len, name_len(n.wire));
			assert_int_equal(n.labels, name_labels(n.wire));
		}
		free(m);
	}
}

/* Labels that each lead to the ones before: the expanded name is cut at 255 bytes. */
static void label_bomb(void **state)
{
	struct wire w = wire(HEAD "00");
	struct name n;
	size_t prev = 12, at = 13;

	(void)state;
	for (unsigned i = 0; i < 127; i++) {
		w.b[at] = 1;
		w.b[at + 1] = 'x';
		put16(w.b + at + 2, 0xc000 | (unsigned)prev);
		prev = at;
		at += 4;
	}
	assert_int_equal(name_from_msg(&n, w.b, at, prev), at);
	assert_int_equal(n.len, 255);
	assert_int_equal(n.labels, 127);
	put16(w.b + at, 0x0178);
	put16(w.b + at + 2, 0xc000 | (unsigned)prev);
	assert_int_equal(name_from_msg(&n, w.b, at + 4, at), -EBADMSG);
}

/* Bare pointers add no length; their number is bounded all the same. */
static void pointer_chain(void **state)
{
	struct wire w = wire(HEAD "00 00");
	struct name n;

	(void)state;
	put16(w.b + 14, 0xc00c);
	for (size_t i = 16; i < 1000; i += 2)
		put16(w.b + i, 0xc000 | (unsigned)(i - 2));
	assert_int_equal(name_from_msg(&n, w.b, 1000, 14 + 2 * 126), 16 + 2 * 126);
	assert_int_equal(name_from_msg(&n, w.b, 1000, 998), -EBADMSG);
}

static void lower_all_bytes(void **state)
{
	uint8_t in[256], want[256], buf[256];

	(void)state;
	for (unsigned i = 0; i < 256; i++) {
		in[i] = (uint8_t)i;
		want[i] = (uint8_t)(i >= 'A' && i <= 'Z' ? i + 32 : i);
	}
	for (size_t from = 0; from < 256; from += 7) { /* all lengths and alignments */
		for (size_t len = 0; from + len <= 256; len++) {
			memcpy(buf, in, 256);
			name_lower(buf + from, len);
			assert_memory_equal(buf, in, from);
			assert_memory_equal(buf + from, want + from, len);
			assert_memory_equal(buf + from + len, in + from + len, 256 - from - len);
		}
	}
}

static void same(void **state)
{
	static const struct {
		const char *a, *b;
		bool same;
	} cases[] = {
		{".", ".", true},
		{"a", "A", true},
		{"a", "b", false},
		{"a", ".", false},
		{"a.b", "a\\.b", false},
		{"example.com", "EXAMPLE.cOm", true},
		{"example.com", "example.con", false},
		{"\\064", "`", false}, /* 0x40 and 0x60 are no letters */
		{"\\091", "{", false},
		{"\\193", "\\225", false}, /* 0xc1, 0xe1: only ASCII */
		{"www.longer-name.example.com", "WWW.longer-NAME.example.com", true},
		{"www.longer-name.example.com", "www.longer-name.example.org", false},
	};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		struct name a = name_of(cases[i].a), b = name_of(cases[i].b);

		assert_int_equal(name_same(a.wire, b.wire), cases[i].same);
		assert_int_equal(name_same(b.wire, a.wire), cases[i].same);
	}
}

/* The list of RFC 4034 section 6.1, and some more; each is smaller than the next. */
static void canonical_order(void **state)
{
	static const char *const order[] = {".", "example", "a.example", "yljkjljk.a.example",
		"Z.a.example", "zABC.a.EXAMPLE", "z.example", "\\001.z.example", "*.z.example",
		"\\200.z.example", "examplf"};

	(void)state;
	for (size_t i = 0; i < LEN(order); i++) {
		struct name a = name_of(order[i]);

		for (size_t j = 0; j < LEN(order); j++) {
			struct name b = name_of(order[j]);
			int d = name_compare(a.wire, b.wire);

			assert_int_equal((d > 0) - (d < 0), (i > j) - (i < j));
		}
	}
	assert_int_equal(name_compare(name_of("A.b").wire, name_of("a.B").wire), 0);
}

static void under(void **state)
{
	static const struct {
		const char *name, *suffix;
		bool under;
	} cases[] = {
		{"a.b.c", ".", true},
		{".", ".", true},
		{".", "c", false},
		{"a.b.c", "C", true},
		{"a.b.c", "a.B.c", true},
		{"a.b.c", "b.c", true},
		{"a.b.c", "x.a.b.c", false},
		{"ab.c", "b.c", false},
		{"a\\.b.c", "b.c", false},
		{"a.b.c", "a.c", false},
	};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		assert_int_equal(
			name_under(name_of(cases[i].name).wire, name_of(cases[i].suffix).wire),
			cases[i].under);
	}
}

int test_name(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_good),
		cmocka_unit_test(text_bad),
		cmocka_unit_test(text_longest),
		cmocka_unit_test(final_dot),
		cmocka_unit_test(check_bad),
		cmocka_unit_test(from_msg),
		cmocka_unit_test(label_bomb),
		cmocka_unit_test(pointer_chain),
		cmocka_unit_test(lower_all_bytes),
		cmocka_unit_test(same),
		cmocka_unit_test(canonical_order),
		cmocka_unit_test(under),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
