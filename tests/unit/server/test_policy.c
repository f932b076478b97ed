/* test_policy.c: choices by load, order and chance; pools. */
#include "make.h"

int test_policy(void);

enum { MANY = 6 };
struct world {
	struct server *s[MANY];
	struct pool pool;
	struct rng rng;
	uint32_t turn;
	struct choose c;
};

static void world_make(struct world *w, size_t n, const char *const *options)
{
	memset(w, 0, sizeof *w);
	for (size_t i = 0; i < n; i++)
		w->s[i] = make_up("192.0.2.1", options != NULL ? options[i] : "");
	w->pool.servers = w->s;
	w->pool.n = n;
	rng_seed(&w->rng, 42);
	w->c = (struct choose){.now_ms = 1000, .rng = &w->rng, .turn = &w->turn, .lower = (const uint8_t *)"\1a",
		.lower_len = 3};
}

static void world_free(struct world *w)
{
	for (size_t i = 0; i < MANY; i++)
		server_free(&w->s[i]);
}

static struct server *ask(struct world *w, const char *policy)
{
	const struct policy *p = policy_find(policy);

	assert_non_null(p);
	return p->choose(p, &w->pool, &w->c);
}

static void everywhere(void **state)
{
	(void)state;
	for (size_t i = 0; policies[i] != NULL; i++) {
		struct world w;

		assert_ptr_equal(policy_find(policies[i]->name), policies[i]);
		assert_false(policies[i]->is_lua);
		world_make(&w, 3, NULL);
		w.c.roundrobin_fail = true;
		server_set_down(w.s[0]);
		w.s[2]->conf.max_outstanding = 4;
		atomic_store(&w.s[2]->outstanding, 4);
		for (int k = 0; k < 20; k++)
			assert_ptr_equal(ask(&w, policies[i]->name), w.s[1]);
		server_set_down(w.s[1]);
		assert_null(ask(&w, policies[i]->name));
		w.pool.n = 0;
		assert_null(ask(&w, policies[i]->name));
		world_free(&w);
	}
	assert_null(policy_find("LeastOutstanding"));
	assert_null(policy_find(""));
	assert_ptr_equal(policies[0], &policy_least_outstanding);
}

static void least_outstanding(void **state)
{
	static const struct {
		unsigned load[3], order[3], latency[3], expect;
	} cases[] = {
		{{0, 0, 0}, {1, 1, 1}, {0, 0, 0}, 0},
		{{3, 2, 5}, {1, 9, 1}, {1, 9, 1}, 1},
		{{2, 2, 2}, {2, 3, 1}, {1, 1, 9}, 2},
		{{2, 2, 2}, {1, 1, 1}, {30, 20, 10}, 2},
		{{2, 2, 2}, {1, 1, 2}, {30, 20, 10}, 1},
		{{0, 2, 2}, {7, 1, 2}, {30, 20, 10}, 0},
	};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		struct world w;

		world_make(&w, 3, NULL);
		for (size_t k = 0; k < 3; k++) {
			atomic_store(&w.s[k]->outstanding, cases[i].load[k]);
			atomic_store(&w.s[k]->order, cases[i].order[k]);
			atomic_store(&w.s[k]->latency_us, cases[i].latency[k]);
		}
		assert_ptr_equal(ask(&w, "leastOutstanding"), w.s[cases[i].expect]);
		world_free(&w);
	}
}

static void first_available(void **state)
{
	static const char *const options[] = {"qps=2", "qps=1", "order=1"};
	struct world w;

	(void)state;
	world_make(&w, 2, options);
	assert_ptr_equal(ask(&w, "firstAvailable"), w.s[0]);
	assert_ptr_equal(ask(&w, "firstAvailable"), w.s[0]);
	assert_ptr_equal(ask(&w, "firstAvailable"), w.s[1]);
	atomic_store(&w.s[0]->outstanding, 5); /* all above their rate: least outstanding */
	assert_ptr_equal(ask(&w, "firstAvailable"), w.s[1]);
	w.c.now_ms += 500;
	assert_ptr_equal(ask(&w, "firstAvailable"), w.s[0]);
	assert_ptr_equal(ask(&w, "firstAvailable"), w.s[1]);
	world_free(&w);
}

static void roundrobin(void **state)
{
	struct world w;

	(void)state;
	world_make(&w, 4, NULL);
	server_set_down(w.s[1]);
	for (int i = 0; i < 3; i++) {
		assert_ptr_equal(ask(&w, "roundrobin"), w.s[0]);
		assert_ptr_equal(ask(&w, "roundrobin"), w.s[2]);
		assert_ptr_equal(ask(&w, "roundrobin"), w.s[3]);
	}
	for (size_t i = 0; i < 4; i++)
		server_set_down(w.s[i]);
	w.turn = 0;
	assert_ptr_equal(ask(&w, "roundrobin"), w.s[0]);
	assert_ptr_equal(ask(&w, "roundrobin"), w.s[1]);
	w.c.roundrobin_fail = true;
	assert_null(ask(&w, "roundrobin"));
	world_free(&w);
}

static void count(struct world *w, const char *policy, unsigned rounds, unsigned got[MANY])
{
	memset(got, 0, MANY * sizeof *got);
	for (unsigned i = 0; i < rounds; i++) {
		struct server *s = ask(w, policy);

		for (size_t k = 0; k < w->pool.n; k++)
			got[k] += w->s[k] == s;
	}
}

static void wrandom(void **state)
{
	static const char *const options[] = {"weight=1", "weight=3", "weight=6"};
	static const char *const huge[] = {"weight=2000000000", "weight=2000000000", "weight=2000000000"};
	struct world w;
	unsigned got[MANY];

	(void)state;
	world_make(&w, 3, options);
	count(&w, "wrandom", 10000, got);
	assert_in_range(got[0], 850, 1150);
	assert_in_range(got[1], 2800, 3200);
	assert_in_range(got[2], 5800, 6200);
	world_free(&w);
	world_make(&w, 3, huge);
	count(&w, "wrandom", 3000, got);
	for (int i = 0; i < 3; i++)
		assert_in_range(got[i], 850, 1150);
	world_free(&w);
}

/* With a factor a server above its share is passed over: 10 outstanding and the new one, two servers, factor 1.2:
 * at most 6.6 each. */
static void bounded(void **state)
{
	static const char *const policy[] = {"wrandom", "whashed"};
	struct world w;
	unsigned got[MANY];

	(void)state;
	for (size_t i = 0; i < LEN(policy); i++) {
		world_make(&w, 2, NULL);
		w.c.weighted_factor = 1.2;
		atomic_store(&w.s[0]->outstanding, 7);
		atomic_store(&w.s[1]->outstanding, 3);
		count(&w, policy[i], 100, got);
		assert_int_equal(got[1], 100);
		atomic_store(&w.s[0]->outstanding, 3);
		atomic_store(&w.s[1]->outstanding, 7);
		count(&w, policy[i], 100, got);
		assert_int_equal(got[0], 100);
		world_free(&w);
	}
	world_make(&w, 2, NULL);
	w.c.weighted_factor = 1.2;
	atomic_store(&w.s[0]->outstanding, 6);
	atomic_store(&w.s[1]->outstanding, 4);
	count(&w, "wrandom", 100, got);
	assert_in_range(got[0], 25, 75);
	assert_int_equal(server_set_weight(w.s[0], 3), 0); /* its share is then 9.9 */
	atomic_store(&w.s[0]->outstanding, 9);
	atomic_store(&w.s[1]->outstanding, 1);
	count(&w, "wrandom", 100, got);
	assert_in_range(got[0], 60, 90);
	w.c.weighted_factor = 1; /* exactly full but for the new one: some server always is below */
	atomic_store(&w.s[0]->outstanding, 3);
	count(&w, "wrandom", 50, got);
	assert_int_equal(got[0] + got[1], 50);
	world_free(&w);
}

static const struct server *tried_one;
static bool tried(const struct dq *dq, const struct server *s)
{
	(void)dq;
	return s == tried_one || strcmp(s->conf.name, "tried") == 0;
}

static void ordered_wrand_untag(void **state)
{
	static const char *const options[] = {"order=2", "order=1 weight=9", "order=1", "order=3"};
	struct world w;
	unsigned got[MANY];

	(void)state;
	world_make(&w, 4, options);
	count(&w, "orderedWrandUntag", 1000, got);
	assert_in_range(got[1], 850, 950);
	assert_int_equal(got[1] + got[2], 1000);
	w.c.tried = tried;
	tried_one = w.s[1];
	count(&w, "orderedWrandUntag", 10, got);
	assert_int_equal(got[2], 10);
	server_set_down(w.s[2]);
	count(&w, "orderedWrandUntag", 10, got);
	assert_int_equal(got[0], 10);
	server_set_down(w.s[0]);
	tried_one = w.s[3];
	assert_ptr_equal(ask(&w, "orderedWrandUntag"), w.s[1]);
	server_set_down(w.s[1]);
	assert_null(ask(&w, "orderedWrandUntag"));
	world_free(&w);
}

static void pools(void **state)
{
	static const char *const options[] = {"order=2 name=a", "order=1 name=b", "order=2 name=c", "order=1 name=d"};
	static const char expect[] = "bdac";
	struct world w;

	(void)state;
	world_make(&w, 4, options);
	pool_sort(&w.pool);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(w.pool.servers[i]->conf.name[0], expect[i]);
	atomic_store(&w.s[0]->outstanding, 3);
	atomic_store(&w.s[2]->outstanding, 4);
	assert_int_equal(pool_outstanding(&w.pool), 7);
	assert_true(pool_available(&w.pool));
	for (size_t i = 0; i < 4; i++)
		server_set_down(w.s[i]);
	assert_false(pool_available(&w.pool));
	world_free(&w);
}

int test_policy(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(everywhere), cmocka_unit_test(least_outstanding),
		cmocka_unit_test(first_available), cmocka_unit_test(roundrobin), cmocka_unit_test(wrandom),
		cmocka_unit_test(bounded), cmocka_unit_test(ordered_wrand_untag), cmocka_unit_test(pools)};

	return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
