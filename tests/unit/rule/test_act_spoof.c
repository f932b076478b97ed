/* test_act_spoof.c: answers from the configuration, record by record. */
#include "fixture.h"

int test_act_spoof(void);

/* The records of |f|'s message as text, one line each: "AN A 60 01020304". */
static const char *records(struct fix *f, struct text *t)
{
	static const char *const sections[] = {"QD", "AN", "NS", "AR"};
	struct walk walk;
	struct rr rr;
	char type[16];
	int rc;

	text_clear(t);
	assert_int_equal(walk_start(&walk, f->msg, f->dq.len), 0);
	while ((rc = walk_next(&walk, &rr)) > 0) {
		text_addf(t, "%s %s %u ", sections[rr.section], qtype_text(rr.type, type), (unsigned)rr.ttl);
		for (unsigned i = 0; i < rr.rdlen; i++)
			text_addf(t, "%02x", f->msg[rr.rdata_at + i]);
		text_add(t, "\n");
	}
	assert_int_equal(rc, 0);
	assert_int_equal(msg_end(f->msg, f->dq.len), f->dq.len);
	return text_str(t);
}

static void assert_spoofs(const char *word, const struct arg *argv, unsigned qtype, const char *expected)
{
	struct text t = {0};
	struct fix f;

	fix_query(&f, "www.example.org", qtype, DNS_RD);
	assert_int_equal(edns_add(f.msg, &f.dq.len, f.dq.cap, 4096, EDNS_DO, 0), 0);
	if (!expected) {
		size_t len = f.dq.len;

		assert_int_equal(run_once(&f, word, argv), ACT_NEXT);
		assert_int_equal(f.dq.len, len);
		assert_int_equal(dns_flags(f.msg), DNS_RD);
		return;
	}
	assert_int_equal(run_once(&f, word, argv), ACT_ANSWER);
	assert_string_equal(records(&f, &t), expected);
	assert_int_equal(dns_id(f.msg), 0x1234);
	assert_int_equal(dns_flags(f.msg) & ~DNS_RCODE, DNS_QR | DNS_RD | DNS_RA);
	assert_true(question_same(&f.question, f.msg, f.dq.len));
	text_free(&t);
}

static void addresses(void **state)
{
	const struct arg one[ARGS] = {STR("192.0.2.1")};
	const struct arg list[ARGS] = {LIST(STR("192.0.2.1"), STR("2001:db8::1")), NAMED({"ttl", NUM(5)})};
	const struct arg old[ARGS] = {STR("192.0.2.1"), STR("2001:db8::1")};

	(void)state;
	assert_spoofs("SpoofAction", one, QTYPE_A, "AN A 60 c0000201\n");
	assert_spoofs("SpoofAction", one, QTYPE_AAAA, NULL);
	assert_spoofs("SpoofAction", one, QTYPE_ANY, "AN A 60 c0000201\n");
	assert_spoofs("SpoofAction", one, QTYPE_TXT, NULL);
	assert_spoofs("SpoofAction", list, QTYPE_A, "AN A 5 c0000201\n");
	assert_spoofs("SpoofAction", list, QTYPE_AAAA, "AN AAAA 5 20010db8000000000000000000000001\n");
	assert_spoofs("SpoofAction", old, QTYPE_A, "AN A 60 c0000201\n");
	assert_spoofs("SpoofAction", old, QTYPE_AAAA, "AN AAAA 60 20010db8000000000000000000000001\n");
	assert_action_text("SpoofAction", one, "spoof in 192.0.2.1");
	assert_action_text("SpoofAction", old, "spoof in 192.0.2.1 2001:db8::1");
	assert_action_bears_no_memory("SpoofAction", list);
}

static void only_the_internet_is_spoofed(void **state)
{
	const struct arg one[ARGS] = {STR("192.0.2.1")};
	struct fix f;

	(void)state;
	fix_query(&f, "www.example.org", QTYPE_A, DNS_RD);
	f.question.qclass = CLASS_CHAOS;
	assert_int_equal(run_once(&f, "SpoofAction", one), ACT_NEXT);
	f.question.qclass = CLASS_ANY;
	assert_int_equal(run_once(&f, "SpoofAction", one), ACT_ANSWER);
	assert_int_equal(dns_count(f.msg, SECTION_ANSWER), 1);
	assert_int_equal(get16(f.msg + f.dq.len - 12), CLASS_IN); /* never a record of class ANY */
	/* Raw data is for every class: version.bind. */
	f.question.qclass = CLASS_CHAOS;
	assert_int_equal(run_once(&f, "SpoofRawAction", (const struct arg[ARGS]){STR("\3abc")}), ACT_ANSWER);
	assert_int_equal(get16(f.msg + f.dq.len - 12), CLASS_CHAOS);
}

static void flags_as_asked_for(void **state)
{
	const struct arg argv[ARGS] = {STR("192.0.2.1"), NAMED({"aa", BOOL(true)}, {"ra", BOOL(false)})};
	struct fix f;

	(void)state;
	fix_query(&f, "www.example.org", QTYPE_A, DNS_RD);
	assert_int_equal(run_once(&f, "SpoofAction", argv), ACT_ANSWER);
	assert_int_equal(dns_flags(f.msg), DNS_QR | DNS_AA | DNS_RD);
}

/* Every address comes first once in a while, and none is lost. */
static void addresses_are_shuffled(void **state)
{
	struct arg v[100], argv[ARGS] = {{.kind = ARG_TABLE, .t = {v, LEN(v), NULL, 0}}};
	struct addr addrs[LEN(v)];
	struct action *a;
	bool first[LEN(v)] = {false};
	unsigned firsts = 0;
	struct fix f;

	(void)state;
	for (unsigned i = 0; i < LEN(v); i++) {
		addrs[i] = (struct addr){.family = AF_INET, .ip = {10, 0, 0, (uint8_t)i}};
		v[i] = (struct arg)OBJ(OBJ_ADDR, &addrs[i]);
	}
	a = make_action("SpoofAction", argv);
	for (unsigned round = 0; round < 1000; round++) {
		bool seen[LEN(v)] = {false};
		struct walk walk;
		struct rr rr;
		unsigned n = 0;

		fix_query(&f, "www.example.org", QTYPE_A, DNS_RD);
		rng_seed(&f.rng, round + 1);
		assert_int_equal(a->run(a, &f.dq), ACT_ANSWER);
		assert_int_equal(walk_start(&walk, f.msg, f.dq.len), 0);
		for (; walk_next(&walk, &rr) > 0; n++) {
			unsigned which = f.msg[rr.rdata_at + 3];

			assert_false(seen[which]);
			seen[which] = true;
			firsts += n == 0 && !first[which];
			first[which] |= n == 0;
		}
		assert_int_equal(n, LEN(v));
	}
	assert_true(firsts >= 60); /* of the 64 that are shuffled first */
	action_free(&a);
}

static void no_room_is_an_error(void **state)
{
	const struct arg argv[ARGS] = {STR("192.0.2.1")}, packet[ARGS] = {STR("0123456789abcdef"), NUM(16)};
	struct fix f;

	(void)state;
	fix_query(&f, "www.example.org", QTYPE_A, DNS_RD);
	f.dq.cap = f.dq.len + 15; /* one byte too few */
	assert_int_equal(run_once(&f, "SpoofAction", argv), ACT_ERROR);
	fix_query(&f, "www.example.org", QTYPE_A, DNS_RD);
	f.dq.cap = f.dq.len + 16;
	assert_int_equal(run_once(&f, "SpoofAction", argv), ACT_ANSWER);
	f.dq.cap = 15;
	assert_int_equal(run_once(&f, "SpoofPacketAction", packet), ACT_ERROR);
}

static void canonical_names(void **state)
{
	struct name target = fix_name("a.example");
	const struct arg argv[ARGS] = {OBJ(OBJ_NAME, &target), NAMED({"ttl", NUM(7)})};

	(void)state;
	assert_spoofs("SpoofCNAMEAction", argv, QTYPE_A, "AN CNAME 7 0161076578616d706c6500\n");
	assert_spoofs("SpoofCNAMEAction", argv, QTYPE_MX, "AN CNAME 7 0161076578616d706c6500\n");
	assert_action_text("SpoofCNAMEAction", argv, "spoof in a.example.");
	assert_action_bears_no_memory("SpoofCNAMEAction", argv);
}

static void raw_data(void **state)
{
	const struct arg one[ARGS] = {STR("\3abc")};
	const struct arg two[ARGS] = {LIST(STR("\1a"), STR("\0b")), NAMED({"typeForAny", NUM(QTYPE_TXT)}, {"ttl", NUM(0)})};

	(void)state;
	assert_spoofs("SpoofRawAction", one, QTYPE_TXT, "AN TXT 60 03616263\n");
	assert_spoofs("SpoofRawAction", one, QTYPE_ANY, "AN ANY 60 03616263\n");
	assert_spoofs("SpoofRawAction", two, QTYPE_ANY, "AN TXT 0 0161\nAN TXT 0 0062\n");
	assert_spoofs("SpoofRawAction", two, QTYPE_NULL, "AN NULL 0 0161\nAN NULL 0 0062\n");
	assert_action_text("SpoofRawAction", one, "spoof in 1 raw record of 4 bytes");
	assert_action_bears_no_memory("SpoofRawAction", two);
}

static void whole_packets(void **state)
{
	static const char packet[] = "\xff\xff\x80\x05\0\0\0\0\0\0\0\0rest";
	const struct arg argv[ARGS] = {STR("\xff\xff\x80\x05\0\0\0\0\0\0\0\0rest"), NUM(14)};
	struct fix f;

	(void)state;
	fix_query(&f, "www.example.org", QTYPE_A, DNS_RD);
	assert_int_equal(run_once(&f, "SpoofPacketAction", argv), ACT_ANSWER);
	assert_int_equal(f.dq.len, 14);
	assert_int_equal(dns_id(f.msg), 0x1234);
	assert_memory_equal(f.msg + 2, packet + 2, 12);
	assert_action_bears_no_memory("SpoofPacketAction", argv);
}

static void service_records(void **state)
{
	struct name target = fix_name("t.example"), self = fix_name(".");
	struct arg opts = NAMED({"ipv4hint", LIST(STR("192.0.2.1"), STR("192.0.2.2"))}, {"ipv6hint", STR("2001:db8::1")},
		{"port", NUM(853)});
	const char *error = NULL;
	struct svc *first = svc_new(1, &target, &opts, &error), *second = svc_new(2, &self, NULL, &error);
	const struct arg argv[ARGS] = {LIST(OBJ(OBJ_SVC, first), OBJ(OBJ_SVC, second))};
	const char *expected = "AN SVCB 60 0001017407" "6578616d706c6500" "000300020355" "00040008c0000201c0000202"
			       "0006001020010db8000000000000000000000001\n"
			       "AN SVCB 60 000200\n"
			       "AR A 60 c0000201\nAR A 60 c0000202\nAR AAAA 60 20010db8000000000000000000000001\n";
	char https[512];

	(void)state;
	assert_non_null(first);
	assert_non_null(second);
	assert_spoofs("SpoofSVCAction", argv, QTYPE_SVCB, expected);
	assert_spoofs("SpoofSVCAction", argv, QTYPE_ANY, expected);
	snprintf(https, sizeof(https), "AN HTTPS 60 %.*sAN HTTPS 60 000200%s",
		(int)(strchr(expected, '\n') + 1 - expected - 11), expected + 11, strstr(expected, "\nAR"));
	assert_spoofs("SpoofSVCAction", argv, QTYPE_HTTPS, https);
	assert_spoofs("SpoofSVCAction", argv, QTYPE_A, NULL);
	assert_action_text("SpoofSVCAction", argv, "spoof in 2 SVC records");
	assert_action_bears_no_memory("SpoofSVCAction", argv);
	svc_free(&first);
	svc_free(&second);
}

static void negative_answers(void **state)
{
	struct name zone = fix_name("example.org"), m = fix_name("m"), r = fix_name("r");
	const struct arg argv[ARGS] = {BOOL(true), OBJ(OBJ_NAME, &zone), NUM(60), OBJ(OBJ_NAME, &m), OBJ(OBJ_NAME, &r),
		NUM(1), NUM(2), NUM(3), NUM(4), NUM(5)};
	struct arg other[ARGS] = {BOOL(false)};
	const char *soa = "SOA 60 016d00" "017200" "0000000100000002000000030000000400000005\n";
	char expected[128];
	struct fix f;

	(void)state;
	memcpy(other + 1, argv + 1, 9 * sizeof(*argv));
	other[10] = (struct arg)NAMED({"soaInAuthoritySection", BOOL(true)}, {"aa", BOOL(false)});
	snprintf(expected, sizeof(expected), "AR %s", soa);
	assert_spoofs("NegativeAndSOAAction", argv, QTYPE_A, expected);
	snprintf(expected, sizeof(expected), "NS %s", soa);
	assert_spoofs("NegativeAndSOAAction", other, QTYPE_MX, expected);
	fix_query(&f, "www.example.org", QTYPE_A, DNS_RD);
	assert_int_equal(run_once(&f, "NegativeAndSOAAction", argv), ACT_ANSWER);
	assert_int_equal(dns_rcode(f.msg), RCODE_NXDOMAIN);
	fix_query(&f, "www.example.org", QTYPE_A, DNS_RD);
	assert_int_equal(run_once(&f, "NegativeAndSOAAction", other), ACT_ANSWER);
	assert_int_equal(dns_rcode(f.msg), RCODE_NOERROR);
	assert_action_text("NegativeAndSOAAction", argv, "NXD with SOA");
	assert_action_text("NegativeAndSOAAction", other, "NODATA with SOA");
	assert_action_bears_no_memory("NegativeAndSOAAction", argv);
}

static void wrong_arguments_are_named(void **state)
{
	const struct {
		const char *word;
		struct arg argv[ARGS];
		const char *error;
	} cases[] = {
		{"SpoofAction", {NIL}, "expected an address or a list of addresses, got none"},
		{"SpoofAction", {STR("example.org")}, "expected an IP address, got 'example.org'"},
		{"SpoofAction", {STR("192.0.2.1"), STR("x")}, "expected an IP address, got 'x'"},
		{"SpoofAction", {LIST(NUM(1))}, "address: expected an IP address, got a number"},
		{"SpoofAction", {STR("192.0.2.1"), NAMED({"ttl", NUM(-1)})},
			"ttl: expected a whole number from 0 to 2147483647, got -1"},
		{"SpoofCNAMEAction", {NIL}, "expected a name, got nil"},
		{"SpoofRawAction", {NUM(1)}, "rdata: expected a string, got a number"},
		{"SpoofPacketAction", {STR("0123456789abc"), NUM(14)}, "length: expected from 12 to the packet's 13 bytes"},
		{"SpoofPacketAction", {STR("0123456789abc"), NUM(11)}, "length: expected from 12 to the packet's 13 bytes"},
		{"SpoofSVCAction", {LIST(STR("x"))}, "expected newSVCRecordParameters(…), got a string"},
		{"NegativeAndSOAAction", {BOOL(true)}, "zone: expected a name, got nil"},
	};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		const char *error = NULL;

		assert_null(try_action(cases[i].word, cases[i].argv, &error));
		assert_string_equal(error, cases[i].error);
	}
}

int test_act_spoof(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses),
		cmocka_unit_test(only_the_internet_is_spoofed),
		cmocka_unit_test(flags_as_asked_for),
		cmocka_unit_test(addresses_are_shuffled),
		cmocka_unit_test(no_room_is_an_error),
		cmocka_unit_test(canonical_names),
		cmocka_unit_test(raw_data),
		cmocka_unit_test(whole_packets),
		cmocka_unit_test(service_records),
		cmocka_unit_test(negative_answers),
		cmocka_unit_test(wrong_arguments_are_named),
	};

	return cmocka_run_group_tests_name("rule/act_spoof", tests, NULL, NULL);
}
