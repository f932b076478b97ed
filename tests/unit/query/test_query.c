/* test_query.c: what a query costs, and what happens to it when memory is out. */
#include "fixture.h"

int test_query(void);

static void a_cache_hit_allocates_nothing(void **state)
{
	struct fix f;
	unsigned long before;

	(void)state;
	fix_start(&f, true, NULL);
	fix_ask(&f, "www.example.org", false);
	fix_reply(&f, 0, 300);
	assert_int_equal(f.answers, 1);
	before = mem_calls();
	for (unsigned i = 0; i < 100; i++)
		fix_ask(&f, i & 1 ? "WWW.example.ORG" : "www.example.org", false);
	assert_int_equal(mem_calls() - before, 0);
	assert_int_equal(f.answers, 101);
	assert_int_equal(f.counters.v[COUNTER_CACHE_HITS], 100);
	assert_int_equal(f.nsent, 0);
	fix_done(&f);
}

static void own_answers(struct conf *c)
{
	const struct arg argv[] = {NUM(RCODE_REFUSED), {.kind = ARG_NIL}};

	fix_rule(c, CHAIN_QUERY, "RCodeAction", argv);
}

static void an_answer_of_a_rule_allocates_nothing(void **state)
{
	struct fix f;
	unsigned long before;

	(void)state;
	fix_start(&f, true, own_answers);
	before = mem_calls();
	for (unsigned i = 0; i < 100; i++)
		fix_ask(&f, "www.example.org", false);
	assert_int_equal(mem_calls() - before, 0);
	assert_int_equal(f.answers, 100);
	assert_int_equal(dns_rcode(f.answer), RCODE_REFUSED);
	fix_done(&f);
}

/* In builds for sanitizers every block is an allocation of its own. */
static bool blocks_are_kept(void)
{
	struct freelist list;
	unsigned long before;
	void *p;

	freelist_init(&list, 64, 1);
	p = freelist_get(&list);
	assert_non_null(p);
	freelist_put(&list, p);
	before = mem_calls();
	p = freelist_get(&list);
	assert_non_null(p);
	freelist_put(&list, p);
	freelist_clear(&list);
	return mem_calls() == before;
}

static void waiting_blocks_are_used_again(void **state)
{
	unsigned long before, used;
	struct fix f;

	(void)state;
	fix_start(&f, false, NULL);
	fix_ask(&f, "one.example", false);
	fix_reply(&f, 0, 300);
	before = mem_calls();
	for (unsigned i = 0; i < 100; i++) {
		fix_ask(&f, "two.example", false);
		fix_reply(&f, 0, 300);
	}
	used = mem_calls() - before;
	assert_int_equal(used, blocks_are_kept() ? 0 : 100);
	assert_int_equal(f.answers, 101);
	fix_done(&f);
}

static void marks(struct conf *c)
{
	const struct arg tag[] = {STR("key"), STR("a value that is not short")};
	const struct arg error[] = {NUM(15), STR("blocked for a reason"), {.kind = ARG_NIL}};

	fix_rule(c, CHAIN_QUERY, "SetTagAction", tag);
	fix_rule(c, CHAIN_QUERY, "SetExtendedDNSErrorAction", error);
}

/* Forward and reply, with the |n|th allocation failing: the client is told once, nothing leaks (the sanitizer
 * looks) and the next query works. */
static bool one_fails(unsigned long n, bool stream)
{
	struct fix f;
	bool failed;

	fix_start(&f, true, marks);
	mem_fail_at(n);
	fix_ask(&f, "www.example.org", stream);
	if (f.nsent)
		fix_reply(&f, 0, 300);
	failed = f.counters.reason[REASON_TOO_MANY_WAITING] || f.counters.reason[REASON_OUT_OF_MEMORY] ||
		 f.counters.reason[REASON_RULE_ERROR] || cache_size(conf_pool(core_conf(&f.core), "")->cache) == 0;
	mem_fail_at(0);
	assert_int_equal(f.answers + f.drops, 1);
	if (stream)
		assert_int_equal(f.answers, 1);
	assert_int_equal(f.core.parked, 0);
	assert_int_equal(f.server->outstanding, 0);
	fix_ask(&f, "next.example.org", stream);
	assert_int_equal(f.nsent, 1);
	fix_reply(&f, 0, 300);
	assert_int_equal(f.answers + f.drops, 2);
	fix_done(&f);
	return failed;
}

static void every_allocation_may_fail(void **state)
{
	unsigned fails = 0;

	(void)state;
	for (unsigned long n = 1; n <= 12; n++)
		fails += one_fails(n, n & 1) + one_fails(n, !(n & 1));
	assert_true(fails >= 4); /* the test reaches some of them */
	assert_false(one_fails(100, false));
}

static void orphans_are_not_answered_but_cached(void **state)
{
	struct fix f;

	(void)state;
	fix_start(&f, true, NULL);
	fix_ask(&f, "www.example.org", true);
	assert_non_null(f.waits);
	query_orphan(f.waits);
	assert_int_equal(f.counters.reason[REASON_CLIENT_GONE], 1);
	fix_reply(&f, 0, 300);
	assert_int_equal(f.answers + f.drops, 0);
	assert_int_equal(f.core.parked, 0);
	fix_ask(&f, "www.example.org", true);
	assert_int_equal(f.answers, 1);
	fix_done(&f);
}

int test_query(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_cache_hit_allocates_nothing),
		cmocka_unit_test(an_answer_of_a_rule_allocates_nothing),
		cmocka_unit_test(waiting_blocks_are_used_again),
		cmocka_unit_test(every_allocation_may_fail),
		cmocka_unit_test(orphans_are_not_answered_but_cached),
	};

	return cmocka_run_group_tests_name("query/query", tests, NULL, NULL);
}
