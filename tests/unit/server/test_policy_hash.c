/* test_policy_hash.c: whashed and chashed: shares, stability, what moves when a server leaves. */
#include "make.h"

int test_policy_hash(void);

enum { SERVERS = 4, NAMES = 4000 };
static struct server *servers[SERVERS];
static struct pool pool;

static int setup(void **state)
{
	(void)state;
	for (int i = 0; i < SERVERS; i++) {
		char options[80];

		snprintf(options, sizeof options, "weight=1000 id=00000000-0000-4000-8000-00000000000%d", i);
		servers[i] = make_up("192.0.2.1", options);
	}
	pool = (struct pool){.servers = servers, .n = SERVERS};
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (int i = 0; i < SERVERS; i++)
		server_free(&servers[i]);
	return 0;
}

static struct server *ask(const char *policy, unsigned nth, uint32_t seed, double factor)
{
	const struct policy *p = policy_find(policy);
	uint8_t name[6] = {4, 'a' + nth % 10, 'a' + nth / 10 % 10, 'a' + nth / 100 % 10, 'a' + nth / 1000 % 10, 0};
	struct choose c = {.lower = name, .lower_len = 6, .perturbation = seed, .weighted_factor = factor,
		.hash_factor = factor};

	return p->choose(p, &pool, &c);
}

static void counts(const char *policy, uint32_t seed, unsigned got[SERVERS])
{
	memset(got, 0, SERVERS * sizeof *got);
	for (unsigned i = 0; i < NAMES; i++) {
		struct server *s = ask(policy, i, seed, 0);

		for (int k = 0; k < SERVERS; k++)
			got[k] += servers[k] == s;
	}
}

static void shares(void **state)
{
	static const char *const policy[] = {"whashed", "chashed"};
	unsigned got[SERVERS];

	(void)state;
	for (size_t i = 0; i < LEN(policy); i++) {
		counts(policy[i], 7, got);
		for (int k = 0; k < SERVERS; k++)
			assert_in_range(got[k], NAMES / SERVERS * 8 / 10, NAMES / SERVERS * 12 / 10);
		assert_int_equal(server_set_weight(servers[0], 5000), 0);
		counts(policy[i], 7, got);
		assert_in_range(got[0], NAMES * 5 / 8 * 9 / 10, NAMES * 5 / 8 * 11 / 10);
		assert_int_equal(server_set_weight(servers[0], 100), 0);
		counts(policy[i], 7, got);
		assert_in_range(got[0], NAMES / 31 / 2, NAMES / 31 * 2);
		assert_int_equal(server_set_weight(servers[0], 1000), 0);
	}
}

static void stable(void **state)
{
	static const char *const policy[] = {"whashed", "chashed"};

	(void)state;
	for (size_t i = 0; i < LEN(policy); i++) {
		struct server *before[NAMES];
		unsigned moved = 0;

		for (unsigned k = 0; k < NAMES; k++)
			before[k] = ask(policy[i], k, 7, 0);
		for (unsigned k = 0; k < NAMES; k++) {
			assert_ptr_equal(ask(policy[i], k, 7, 0), before[k]);
			moved += ask(policy[i], k, 8, 0) != before[k];
		}
		assert_in_range(moved, NAMES / 2, NAMES); /* another seed is another mapping */
	}
}

/* Fixed points, so that a change of the hash or of its byte order is seen: it would move names in every farm. */
static void known(void **state)
{
	static const char expect[] = "23000012302002230222" /* whashed */ "33131322002310231022" /* chashed */;
	char got[41] = "";

	(void)state;
	for (unsigned i = 0; i < 40; i++) {
		struct server *s = ask(i < 20 ? "whashed" : "chashed", i % 20 * 37, 12345, 0);

		for (int k = 0; k < SERVERS; k++)
			if (servers[k] == s)
				got[i] = (char)('0' + k);
	}
	assert_string_equal(got, expect);
}

static void only_its_names_move(void **state)
{
	struct server *before[NAMES];

	(void)state;
	for (unsigned k = 0; k < NAMES; k++)
		before[k] = ask("chashed", k, 7, 0);
	server_set_down(servers[2]);
	for (unsigned k = 0; k < NAMES; k++) {
		struct server *now = ask("chashed", k, 7, 0);

		assert_ptr_not_equal(now, servers[2]);
		assert_true(now == before[k] || before[k] == servers[2]);
	}
	server_set_up(servers[2]);
}

static void bounded(void **state)
{
	(void)state;
	for (int k = 0; k < SERVERS; k++)
		atomic_store(&servers[k]->outstanding, k == 1 ? 40 : 10);
	for (unsigned i = 0; i < 500; i++) {
		assert_ptr_not_equal(ask("chashed", i, 7, 1.5), servers[1]);
		assert_non_null(ask("chashed", i, 7, 1));
	}
	for (int k = 0; k < SERVERS; k++)
		atomic_store(&servers[k]->outstanding, 0);
}

static void weights(void **state)
{
	struct server *s = make_up("192.0.2.1", "");

	(void)state;
	assert_int_equal(server_set_weight(s, 0), -EINVAL);
	assert_int_equal(server_set_weight(s, 2147483647), 0); /* more points than are made */
	assert_int_equal(atomic_load(&s->weight), 2147483647);
	assert_int_equal(server_set_weight(s, 3), 0);
	mem_fail_at(1);
	assert_int_equal(server_set_weight(s, 5), -ENOMEM);
	mem_fail_at(0);
	assert_int_equal(atomic_load(&s->weight), 3);
	server_free(&s);
	s = make_up("192.0.2.1", "");
	mem_fail_at(2);
	assert_int_equal(server_set_weight(s, 50), -ENOMEM);
	mem_fail_at(0);
	assert_int_equal(atomic_load(&s->weight), 1);
	server_free(&s);
}

int test_policy_hash(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(shares), cmocka_unit_test(stable), cmocka_unit_test(known),
		cmocka_unit_test(only_its_names_move), cmocka_unit_test(bounded), cmocka_unit_test(weights)};

	return cmocka_run_group_tests_name("policy_hash", tests, setup, teardown);
}
