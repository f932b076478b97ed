/* test_query_state.c: waiting and ending: blocks, the cap, configurations that are replaced, delayed answers. */
#include "fixture.h"

int test_query_state(void);

static void parking_copies_what_is_asked(void **state)
{
	struct fix f;
	struct query *q;

	(void)state;
	fix_start(&f, false, NULL);
	fix_ask(&f, "WWW.example.org", false);
	assert_int_equal(f.core.parked, 1);
	q = f.sent[0];
	assert_true(q->parked && q->waiting);
	assert_ptr_equal(f.waits, &q->client);
	assert_int_equal(q->ask_len, f.query_len);
	assert_memory_equal(q->ask + 2, f.query + 2, f.query_len - 2);
	assert_memory_equal(q->dq.question->lower, "\3www\7example\3org", 17);
	assert_memory_equal(q->dq.ask_name, "\3WWW\7example\3org", 17);
	/* the scratch place is free for the next one */
	fix_ask(&f, "other.example", false);
	assert_memory_equal(q->dq.question->lower, "\3www\7example\3org", 17);
	assert_int_equal(f.core.parked, 2);
	fix_reply(&f, 1, 60);
	assert_memory_equal(f.answer + DNS_HEADER, "\5other\7example", 15);
	fix_reply(&f, 0, 60);
	assert_memory_equal(f.answer + DNS_HEADER, "\3WWW\7example\3org", 17);
	assert_int_equal(f.core.parked, 0);
	fix_done(&f);
}

static void no_more_wait_than_the_cap(void **state)
{
	struct fix f;

	(void)state;
	fix_start(&f, false, NULL);
	f.core.parked_max = 2;
	fix_ask(&f, "one.example", false);
	fix_ask(&f, "two.example", false);
	fix_ask(&f, "three.example", false);
	assert_int_equal(f.drops, 1);
	assert_int_equal(f.core.parked, 2);
	fix_ask(&f, "four.example", true);
	assert_int_equal(f.answers, 1);
	assert_int_equal(dns_rcode(f.answer), RCODE_SERVFAIL);
	assert_int_equal(f.counters.reason[REASON_TOO_MANY_WAITING], 2);
	fix_reply(&f, 0, 60);
	fix_ask(&f, "five.example", false);
	assert_int_equal(f.nsent, 2);
	fix_reply(&f, 0, 60);
	fix_reply(&f, 0, 60);
	fix_done(&f);
}

static void stopping_tells_every_client(void **state)
{
	struct fix f;
	struct server *s;

	(void)state;
	fix_start(&f, false, NULL);
	s = server_ref(f.server);
	fix_ask(&f, "one.example", false);
	fix_ask(&f, "two.example", true);
	assert_int_equal(s->outstanding, 2);
	fix_done(&f);
	assert_int_equal(f.drops, 2);
	assert_int_equal(f.why, REASON_SHUTDOWN);
	assert_int_equal(s->outstanding, 0);
	server_free(&s);
}

static void delays(struct conf *c)
{
	const struct arg argv[] = {NUM(100)};

	fix_rule(c, CHAIN_QUERY, "DelayAction", argv);
}

static void answers_may_be_delayed(void **state)
{
	struct fix f;

	(void)state;
	fix_start(&f, true, delays);
	fix_ask(&f, "www.example", false);
	fix_reply(&f, 0, 60);
	assert_int_equal(f.answers, 0);
	assert_int_equal(f.core.parked, 1);
	fix_pass(&f, 80);
	assert_int_equal(f.answers, 0);
	fix_pass(&f, 40);
	assert_int_equal(f.answers, 1);
	/* a hit is parked for its delay */
	fix_ask(&f, "www.example", false);
	assert_int_equal(f.answers, 1);
	assert_int_equal(f.core.parked, 1);
	fix_pass(&f, 120);
	assert_int_equal(f.answers, 2);
	/* no memory for that: the client hears nothing */
	mem_fail_at(1);
	fix_ask(&f, "www.example", false);
	mem_fail_at(0);
	assert_int_equal(f.drops, 1);
	assert_int_equal(f.why, REASON_OUT_OF_MEMORY);
	/* streams keep their order: no delay */
	fix_ask(&f, "tcp.example", true);
	fix_reply(&f, 0, 60);
	assert_int_equal(f.answers, 3);
	/* stopping while one is delayed */
	fix_ask(&f, "www.example", false);
	fix_done(&f);
	assert_int_equal(f.drops, 2);
}

static void a_delayed_orphan_ends_quietly(void **state)
{
	struct fix f;

	(void)state;
	fix_start(&f, false, delays);
	fix_ask(&f, "www.example", false);
	fix_reply(&f, 0, 60);
	query_orphan(f.waits);
	fix_pass(&f, 120);
	assert_int_equal(f.answers + f.drops, 0);
	assert_int_equal(f.core.parked, 0);
	fix_done(&f);
}

static void configurations_live_as_long_as_their_queries(void **state)
{
	struct fix f;
	struct conf *old, *last;

	(void)state;
	fix_start(&f, false, NULL);
	old = conf_ref(f.core.hold->conf);
	fix_ask(&f, "one.example", false);
	assert_int_equal(core_set_conf(&f.core, fix_conf(&f, false, NULL)), 0);
	assert_int_equal(old->refs, 2);
	fix_ask(&f, "two.example", false);
	fix_reply(&f, 0, 60);
	assert_int_equal(old->refs, 1);
	conf_free(&old);
	/* no memory for the new one: the old one stays */
	last = f.core.hold->conf;
	old = fix_conf(&f, false, NULL);
	mem_fail_at(1);
	assert_int_equal(core_set_conf(&f.core, old), -ENOMEM);
	assert_ptr_equal(core_conf(&f.core), last);
	fix_reply(&f, 0, 60);
	fix_done(&f);
}

static void cores_bear_no_memory(void **state)
{
	struct counters counters;
	struct edge_ops edge = {0};
	struct wheel wheel;
	struct core core;

	(void)state;
	wheel_init(&wheel, 0);
	for (unsigned n = 1; n <= 2; n++) {
		mem_fail_at(n);
		assert_int_equal(core_init(&core, &wheel, &counters, &edge, 10), -ENOMEM);
	}
	mem_fail_at(0);
	assert_int_equal(core_init(&core, &wheel, &counters, &edge, 10), 0);
	core_done(&core);
}

int test_query_state(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parking_copies_what_is_asked),
		cmocka_unit_test(no_more_wait_than_the_cap),
		cmocka_unit_test(stopping_tells_every_client),
		cmocka_unit_test(answers_may_be_delayed),
		cmocka_unit_test(a_delayed_orphan_ends_quietly),
		cmocka_unit_test(configurations_live_as_long_as_their_queries),
		cmocka_unit_test(cores_bear_no_memory),
	};

	return cmocka_run_group_tests_name("query/query_state", tests, NULL, NULL);
}
