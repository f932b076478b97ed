/* test_msg.c: questions and records. */
#include "hash.h"
#include "wire.h"

int test_msg(void);

#define WWW  "03'www'07'example'03'com'00"
#define ONE  "1234 0100 0001 0000 0000 0000"
#define LONG "3f'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'"

static void question_good(void **state)
{
	struct wire w = wire(ONE "03'WwW'07'eXample'03'COM'00 001c 0001 ff");
	struct wire lower = wire(WWW);
	struct question q;

	(void)state;
	assert_int_equal(question_parse(&q, w.b, w.len), 0);
	assert_int_equal(q.qtype, QTYPE_AAAA);
	assert_int_equal(q.qclass, CLASS_IN);
	assert_int_equal(q.end, w.len - 1);
	assert_int_equal(q.len, 17);
	assert_int_equal(q.labels, 3);
	assert_memory_equal(q.lower, lower.b, 17);
	assert_true(q.hash == hash_bytes(lower.b, 17));
}

static void question_every_length(void **state)
{
	struct wire w = wire(ONE);
	struct question q;

	(void)state;
	for (size_t n = 1; n <= NAME_WIRE; n++) { /* n = 2: no such name */
		size_t at = 12, left = n - 1;

		while (left > 1) {
			size_t take = left - 1 > 63 ? 63 : left - 1;

			if (left - 1 - take == 1) /* a label needs two bytes */
				take--;
			w.b[at] = (uint8_t)take;
			memset(w.b + at + 1, 'Q', take);
			at += take + 1;
			left -= take + 1;
		}
		if (left != 0)
			continue;
		memcpy(w.b + at, "\0\0\1\0\1", 5);
		w.len = at + 5;
		for (size_t cut = 0; cut < w.len; cut++) {
			uint8_t *m = tight(&w, cut);

			assert_int_equal(question_parse(&q, m, cut), -EBADMSG);
			free(m);
		}
		uint8_t *m = tight(&w, w.len);

		assert_int_equal(question_parse(&q, m, w.len), 0);
		assert_int_equal(q.len, n);
		assert_int_equal(name_check(q.lower, q.len), n);
		assert_int_equal(q.labels, name_labels(q.lower));
		assert_null(memchr(q.lower, 'Q', q.len));
		assert_true(question_same(&q, m, w.len));
		free(m);
	}
}

static void question_bad(void **state)
{
	static const char *const cases[] = {
		"1234 0100 0000 0000 0000 0000" WWW "0001 0001", /* none */
		ONE "c00c 0001 0001",
		ONE "03'www'c00c 0001 0001",
		ONE "40'www' 00 0001 0001",
		ONE "80 00 0001 0001",
		ONE WWW "0001 00",
		ONE LONG LONG LONG LONG "00 0001 0001",
		ONE LONG LONG LONG
		"3e'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' 00 0001 0001",
	};
	struct question q;

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		struct wire w = wire(cases[i]);
		uint8_t *m = tight(&w, w.len);

		assert_int_equal(question_parse(&q, m, w.len), -EBADMSG);
		free(m);
	}
}

static void question_compared(void **state)
{
	static const struct {
		const char *msg;
		bool same;
	} cases[] = {
		{ONE WWW "0001 0001", true},
		{"ffff 8180 0001 0001 0000 0000 03'wWw'07'exAmple'03'cOm'00 0001 0001 c00c", true},
		{"1234 0100 0000 0000 0000 0000" WWW "0001 0001", false},
		{ONE WWW "0001 0003", false},
		{ONE WWW "001c 0001", false},
		{ONE WWW "0001 00", false},
		{ONE "03'wwx'07'example'03'com'00 0001 0001", false},
		{ONE "03'www'07'example'03'con'00 0001 0001", false},
		{ONE "03'www'07'example'03'com'01 0001 0001", false},
		{ONE "03'www'07'example'c0 0001 0001 0001", false},
		{ONE "00 0001 0001", false},
	};
	struct wire w = wire(ONE "03'WWW'07'example'03'com'00 0001 0001");
	struct question q;

	(void)state;
	assert_int_equal(question_parse(&q, w.b, w.len), 0);
	for (size_t i = 0; i < LEN(cases); i++) {
		struct wire other = wire(cases[i].msg);
		uint8_t *m = tight(&other, other.len);

		assert_int_equal(question_same(&q, m, other.len), cases[i].same);
		free(m);
	}
}

#define FULL \
	"1234 8180 0001 0002 0001 0002" WWW "0001 0001" \
	"c00c 0005 0001 00000e10 0006 03'cdn'c010" \
	"c02d 0001 0001 0000003c 0004 c0000201" \
	"c010 0002 0001 00015180 0005 02'ns'c010" \
	"c04d 0001 0001 00015180 0004 c0000202" \
	"00 0029 04d0 00 00 8000 0000"

static void walk_records(void **state)
{
	static const struct {
		enum section section;
		unsigned type, ttl, rdlen;
	} want[] = {
		{SECTION_ANSWER, QTYPE_CNAME, 3600, 6},
		{SECTION_ANSWER, QTYPE_A, 60, 4},
		{SECTION_AUTHORITY, QTYPE_NS, 86400, 5},
		{SECTION_ADDITIONAL, QTYPE_A, 86400, 4},
		{SECTION_ADDITIONAL, QTYPE_OPT, 0x8000, 0},
	};
	struct wire w = wire(FULL);
	uint32_t at = 33;
	struct walk walk;
	struct rr rr;

	(void)state;
	assert_int_equal(walk_start(&walk, w.b, w.len), 0);
	for (size_t i = 0; i < LEN(want); i++) {
		assert_int_equal(walk_next(&walk, &rr), 1);
		assert_int_equal(rr.section, want[i].section);
		assert_int_equal(rr.type, want[i].type);
		assert_int_equal(rr.ttl, want[i].ttl);
		assert_int_equal(rr.rdlen, want[i].rdlen);
		assert_int_equal(rr.name_at, at);
		assert_int_equal(rr.rdata_at, rr.ttl_at + 6);
		assert_int_equal(rr.end, rr.rdata_at + rr.rdlen);
		at = rr.end;
	}
	assert_int_equal(walk_next(&walk, &rr), 0);
	assert_int_equal(walk_next(&walk, &rr), 0);
	assert_int_equal(msg_end(w.b, w.len), w.len);
	assert_int_equal(msg_end(w.b, w.len + 7), w.len);
}

static void cut_anywhere(void **state)
{
	struct wire w = wire(FULL);

	(void)state;
	for (size_t n = 0; n < w.len; n++) {
		uint8_t *m = tight(&w, n);

		assert_int_equal(msg_end(m, n), -EBADMSG);
		free(m);
	}
}

static void no_question(void **state)
{
	struct wire w = wire("0000 8000 0000 0000 0000 0000");
	struct walk walk;
	struct rr rr;

	(void)state;
	assert_int_equal(walk_start(&walk, w.b, w.len), 0);
	assert_int_equal(walk_next(&walk, &rr), 0);
	assert_int_equal(msg_end(w.b, w.len), 12);
	dns_set_count(w.b, SECTION_AUTHORITY, 65535);
	assert_int_equal(msg_end(w.b, w.len), -EBADMSG);
}

static void header_words(void **state)
{
	struct wire w = wire("1234 a983 0001 0002 0003 0004");

	(void)state;
	assert_int_equal(dns_id(w.b), 0x1234);
	assert_int_equal(dns_opcode(w.b), OPCODE_UPDATE);
	assert_int_equal(dns_rcode(w.b), RCODE_NXDOMAIN);
	assert_int_equal(dns_count(w.b, SECTION_QUESTION), 1);
	assert_int_equal(dns_count(w.b, SECTION_ADDITIONAL), 4);
	dns_set_flags(w.b, DNS_QR | DNS_RD);
	dns_set_count(w.b, SECTION_AUTHORITY, 0x0102);
	wire_is(w.b, w.len, "1234 8100 0001 0002 0102 0004");
}

int test_msg(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(question_good),
		cmocka_unit_test(question_every_length),
		cmocka_unit_test(question_bad),
		cmocka_unit_test(question_compared),
		cmocka_unit_test(walk_records),
		cmocka_unit_test(cut_anywhere),
		cmocka_unit_test(no_question),
		cmocka_unit_test(header_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
