/* test_health_query.c: the probe's bytes and the judgement of its answer. */
#include "health.h"
#include "make.h"

int test_health_query(void);

static size_t probe(const struct server *s, uint8_t out[512])
{
	struct name name;
	ssize_t len;

	assert_int_equal(name_from_text(&name, "a.Example", 9), 0);
	len = health_query(s, out, 512, 0x1234, &name, 28, 1);
	assert_int_equal(len, DNS_HEADER + 11 + 4);
	return (size_t)len;
}

static void bytes(void **state)
{
	static const uint8_t expect[] = "\x12\x34\x01\x00\x00\x01\0\0\0\0\0\0\x01"
									"a\x07"
									"Example\0\0\x1c\0\x01";
	struct server *s = make_server("192.0.2.1", ""), *cd = make_server("192.0.2.1", "setCD=true");
	uint8_t out[512];
	struct name name;

	(void)state;
	assert_int_equal(probe(s, out), sizeof expect - 1);
	assert_memory_equal(out, expect, sizeof expect - 1);
	probe(cd, out);
	assert_int_equal(dns_flags(out), DNS_RD | DNS_CD);
	assert_int_equal(name_from_text(&name, "a.example", 9), 0);
	assert_int_equal(health_query(s, out, DNS_HEADER + 14, 1, &name, 1, 1), -ENOBUFS);
	assert_int_equal(health_query(s, out, DNS_HEADER + 15, 1, &name, 1, 1), DNS_HEADER + 15);
	server_free(&s);
	server_free(&cd);
}

enum count { NOTHING, PARSE, MISMATCH, INVALID };

static void answers(void **state)
{
	static const struct {
		const char *what;
		int at, byte; /* the change to a good answer; at < 0: none */
		int cut;      /* bytes cut off its end */
		bool must_resolve, ok;
		enum count count;
	} cases[] = {
		{"good", -1, 0, 0, false, true, NOTHING},
		{"good, must resolve", -1, 0, 0, true, true, NOTHING},
		{"id", 0, 0xff, 0, false, false, MISMATCH},
		{"a query", 2, 0x01, 0, false, false, INVALID},
		{"servfail", 3, 2, 0, false, false, INVALID},
		{"nxdomain", 3, 3, 0, false, true, NOTHING},
		{"nxdomain, must resolve", 3, 3, 0, true, false, INVALID},
		{"refused", 3, 5, 0, false, true, NOTHING},
		{"refused, must resolve", 3, 5, 0, true, false, INVALID},
		{"notimp, must resolve", 3, 4, 0, true, true, NOTHING},
		{"case of the name", 13, 'A', 0, false, true, NOTHING},
		{"other name", 13, 'b', 0, false, false, MISMATCH},
		{"other type", 24, 1, 0, false, false, MISMATCH},
		{"other class", 26, 3, 0, false, false, MISMATCH},
		{"no question", 5, 0, 0, false, false, PARSE},
		{"two questions", 5, 2, 0, false, false, PARSE},
		{"cut question", -1, 0, 1, false, false, PARSE},
		{"header only", -1, 0, 15, false, false, PARSE},
		{"cut header", -1, 0, 16, false, false, PARSE},
		{"nothing", -1, 0, 27, false, false, PARSE},
	};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		struct server *s = make_server("192.0.2.1", cases[i].must_resolve ? "mustResolve=true" : "");
		uint8_t query[512], reply[512];
		size_t len = probe(s, query);

		memcpy(reply, query, len);
		reply[2] |= 0x80;
		if (cases[i].at >= 0)
			reply[cases[i].at] = (uint8_t)cases[i].byte;
		if (health_answer_ok(s, query, len, reply, len - (size_t)cases[i].cut) != cases[i].ok ||
			atomic_load(&s->check_parse) != (cases[i].count == PARSE) ||
			atomic_load(&s->check_mismatch) != (cases[i].count == MISMATCH) ||
			atomic_load(&s->check_invalid) != (cases[i].count == INVALID))
			fail_msg("%s", cases[i].what);
		server_free(&s);
	}
}

int test_health_query(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(bytes), cmocka_unit_test(answers)};

	return cmocka_run_group_tests_name("health_query", tests, NULL, NULL);
}
