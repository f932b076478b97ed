/* test_role.c: the layouts: how many workers, which does what, where a backend lives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

#include "worker.h"

int test_role(void);

static const struct layout *layout(const char *name)
{
	const struct layout *l = layout_find(name);

	if (!l)
		fail_msg("no layout %s", name);
	assert_string_equal(layout_name(l), name);
	return l;
}

static void names(void **state)
{
	(void)state;
	layout("collapsed");
	layout("sharded");
	layout("split");
	assert_null(layout_find("heap"));
	assert_null(layout_find(""));
	assert_null(layout_find("Split"));
	assert_ptr_equal(layout_find(layout_name(layout_default())), layout_default());
	assert_false(layout_parts(layout("collapsed")));
}

/* ---- a configuration with |n| backends, of which |mask| (a bit each) are asked over DoH ---- */
enum { UNSAID = UINT32_MAX, SERVERS_MAX = 1000 };

static struct places place(const char *name, uint32_t asked, uint32_t most, uint32_t doh, size_t n, unsigned mask)
{
	static struct server plain, over_doh;
	static struct server *servers[SERVERS_MAX];
	struct conf c = {.servers = servers, .nservers = n};

	over_doh.conf.tls = (char *)(uintptr_t)"openssl";
	over_doh.conf.doh_path = (char *)(uintptr_t)"/dns-query";
	assert_true(n <= SERVERS_MAX);
	for (size_t i = 0; i < n; i++)
		servers[i] = i < 32 && (mask >> i & 1) ? &over_doh : &plain;
	c.set.workers = asked;
	c.set.tcp_threads = most;
	c.set.doh_threads_said = doh != UNSAID;
	c.set.doh_threads = doh == UNSAID ? 0 : doh;
	return layout_place(layout(name), &c);
}

static void workers(void **state)
{
	unsigned cpus = (unsigned)sysconf(_SC_NPROCESSORS_ONLN), n = cpus > 64 ? 64 : cpus;
	const struct {
		const char *name;
		uint32_t asked, most, doh;
		size_t servers;
		unsigned mask, want, want_doh;
	} rows[] = {
		{"collapsed", 0, 0, UNSAID, 0, 0, 1, 1},
		{"collapsed", 8, 9, 7, 100, 1, 1, 1},
		{"sharded", 0, 0, UNSAID, 0, 0, n, n},
		{"sharded", 1, 0, UNSAID, 5, 1, 1, 1},
		{"sharded", 5, 0, UNSAID, 0, 0, 5, 5},
		{"sharded", 64, 0, UNSAID, 0, 0, 64, 64},
		{"sharded", 256, 0, 0, 0, 0, 64, 64},
		{"sharded", 0, 1, UNSAID, 1, 0, 1, 1}, /* setMaxTCPClientThreads() */
		{"sharded", 3, 1, UNSAID, 1, 0, 3, 3},
		{"sharded", 4, 0, 1, 1, 1, 4, 1}, /* setOutgoingDoHWorkerThreads() */
		{"sharded", 4, 0, 3, 1, 1, 4, 3},
		{"sharded", 4, 0, 4096, 1, 1, 4, 4},
		{"split", 0, 0, UNSAID, 0, 0, 3, 0},
		{"split", 7, 1, UNSAID, 1, 0, 3, 0},
		{"split", 0, 0, UNSAID, 4, 0, 6, 0},
		{"split", 0, 0, UNSAID, 14, 0, 16, 0},
		{"split", 0, 0, UNSAID, 1000, 0, 16, 0},
		{"split", 0, 0, UNSAID, 4, 8, 7, 1}, /* one as soon as there is a backend over DoH */
		{"split", 0, 0, UNSAID, 4, 15, 7, 1},
		{"split", 0, 0, 0, 4, 15, 6, 0},
		{"split", 0, 0, 2, 4, 15, 8, 2},
		{"split", 0, 0, 2, 4, 0, 8, 2}, /* for backends that are added later */
		{"split", 0, 0, 4096, 1000, 1, 30, 14},
	};

	(void)state;
	for (size_t i = 0; i < LEN(rows); i++) {
		struct places p = place(rows[i].name, rows[i].asked, rows[i].most, rows[i].doh, rows[i].servers, rows[i].mask);

		if (p.workers != rows[i].want || p.doh != rows[i].want_doh)
			fail_msg("row %zu: %u workers, %u for DoH", i, p.workers, p.doh);
	}
}

static void roles(void **state)
{
	/* bit n: worker n has the role */
	static const struct {
		const char *name;
		uint32_t asked, doh;
		size_t servers;
		unsigned workers, has[ROLE_CONTROL + 1];
		const char *jobs[6];
	} rows[] = {
		{"collapsed", 0, UNSAID, 2, 1, {1, 1, 1, 1, 1}, {"worker"}},
		{"sharded", 4, UNSAID, 2, 4, {15, 15, 15, 15, 1}, {"worker", "worker", "worker", "worker"}},
		{"sharded", 4, 2, 2, 4, {15, 15, 15, 3, 1}, {"worker", "worker", "worker", "worker"}},
		{"split", 0, 0, 2, 4, {1, 2, 12, 2, 1}, {"udp", "stream", "back", "back"}},
		{"split", 0, UNSAID, 2, 5, {1, 2, 12, 16, 1}, {"udp", "stream", "back", "back", "doh"}},
		{"split", 0, 3, 1, 6, {1, 2, 4, 56, 1}, {"udp", "stream", "back", "doh", "doh", "doh"}},
	};

	(void)state;
	for (size_t i = 0; i < LEN(rows); i++) {
		struct places p = place(rows[i].name, rows[i].asked, 0, rows[i].doh, rows[i].servers, 1);

		assert_int_equal(p.workers, rows[i].workers);
		for (unsigned w = 0; w < p.workers; w++) {
			for (unsigned r = 0; r < LEN(rows[i].has); r++)
				if (layout_has(&p, (enum role)r, w) != (rows[i].has[r] >> w & 1))
					fail_msg("row %zu: worker %u, role %u", i, w, r);
			assert_string_equal(layout_job(&p, w), rows[i].jobs[w]);
		}
	}
}

/* at_home: everybody's way to a backend leads to one worker, which has the role for it. */
static unsigned at_home(const struct places *p, enum role role, uint32_t index)
{
	unsigned home = layout_home(p, role, 0, index);

	for (unsigned w = 0; w < p->workers; w++)
		assert_int_equal(layout_home(p, role, w, index), home);
	assert_true(home < p->workers && layout_has(p, role, home));
	return home;
}

static void split_homes(void **state)
{
	(void)state;
	for (size_t servers = 1; servers < 17; servers++) {
		for (uint32_t doh = 0; doh < 17; doh++) {
			struct places p = place("split", 0, 0, doh, servers, 1);
			unsigned used = 0;

			for (uint32_t index = 0; index < 40; index++) {
				at_home(&p, ROLE_BACK_UDP, index);
				assert_int_equal(at_home(&p, ROLE_STREAM, index), 1);
				used |= 1u << at_home(&p, ROLE_BACK_DOH, index);
			}
			assert_int_equal(__builtin_popcount(used), p.doh ? p.doh : 1);
			assert_true(p.doh == 0 || (used & 3) == 0); /* not those of clients */
			assert_int_equal(used & 2, p.doh ? 0 : 2);
			assert_true(p.workers <= 30);
			if (servers > 1)
				assert_int_not_equal(at_home(&p, ROLE_BACK_UDP, 0), at_home(&p, ROLE_BACK_UDP, 1));
			if (p.doh > 1)
				assert_int_not_equal(at_home(&p, ROLE_BACK_DOH, 0), at_home(&p, ROLE_BACK_DOH, 1));
		}
	}
}

static void other_homes(void **state)
{
	struct places all = place("sharded", 4, 0, UNSAID, 1, 1), two = place("sharded", 4, 0, 2, 1, 1),
		one = place("collapsed", 0, 0, 3, 1, 1);

	(void)state;
	for (uint32_t index = 0; index < 12; index++) {
		assert_int_equal(at_home(&all, ROLE_STREAM, index), index % 4);
		assert_int_equal(at_home(&all, ROLE_BACK_DOH, index), index % 4);
		assert_int_equal(at_home(&two, ROLE_STREAM, index), index % 4);
		assert_int_equal(at_home(&two, ROLE_BACK_DOH, index), index % 2);
		for (unsigned w = 0; w < 4; w++)
			assert_int_equal(layout_home(&two, ROLE_BACK_UDP, w, index), w);
		for (unsigned r = 0; r <= ROLE_CONTROL; r++)
			assert_int_equal(layout_home(&one, (enum role)r, 0, index), 0);
	}
	assert_true(layout_parts(layout("split")));
	assert_true(layout_parts(layout("sharded")));
	assert_true(layout_small(layout("collapsed")));
	assert_false(layout_small(layout("sharded")));
}

int test_role(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names), cmocka_unit_test(workers), cmocka_unit_test(roles),
		cmocka_unit_test(split_homes), cmocka_unit_test(other_homes)};

	return cmocka_run_group_tests_name("role", tests, NULL, NULL);
}
