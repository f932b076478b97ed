/* test_health.c: the state machine of health checks, told by short scripts.
 *
 * A script is a row of steps: at a time, a probe ends well (+) or badly (-), or real queries time out (t), get a
 * SERVFAIL (s) or an answer (a); after each step server_status() and the lazy state are compared. */
#include "health.h"
#include "make.h"

int test_health(void);

enum lazy { LAZY_HEALTHY, LAZY_POTENTIAL, LAZY_FAILED };
struct step {
	unsigned at_ds; /* tenths of a second */
	char what;      /* + - t s a, or ' ' for nothing */
	unsigned times;
	bool due;       /* before: is a probe due?  (asked for + and - and ' ') */
	const char *status;
	enum lazy lazy;
};

/* Real queries alone decide on a healthy server, checks on the others. */
static enum lazy lazy_of(const struct server *s)
{
	if (server_health_mode(s) != HEALTH_LAZY || health_next_ms(s) == UINT64_MAX)
		return LAZY_HEALTHY;
	return server_up(s) ? LAZY_POTENTIAL : LAZY_FAILED;
}

static void play(const char *options, const struct step *steps, size_t n)
{
	struct server *s = make_server("192.0.2.1", options);

	for (size_t i = 0; i < n; i++) {
		const struct step *p = &steps[i];
		uint64_t now_ms = 1000000 + p->at_ds * 100;

		for (unsigned k = 0; k < p->times; k++) {
			const char *before = server_status(s);
			bool changed;

			if (strchr("tsa", p->what) != NULL) {
				health_outcome(s, p->what == 't', p->what == 's', now_ms);
				continue;
			}
			if (health_due(s, now_ms) != p->due)
				fail_msg("step %zu of '%s': due is wrong", i, options);
			if (p->what == ' ')
				continue;
			assert_false(health_due(s, now_ms)); /* it is under way */
			assert_true(health_next_ms(s) == UINT64_MAX);
			changed = health_result(s, p->what == '+', now_ms);
			assert_int_equal(changed, strcmp(before, server_status(s)) != 0);
		}
		if (strcmp(server_status(s), p->status) != 0 || lazy_of(s) != p->lazy)
			fail_msg("step %zu of '%s': is %s, %d", i, options, server_status(s), (int)lazy_of(s));
	}
	server_free(&s);
}
#define PLAY(options, ...) \
	do { \
		static const struct step steps[] = {__VA_ARGS__}; \
		play(options, steps, LEN(steps)); \
	} while (0)

static void active(void **state)
{
	(void)state;
	PLAY("", {0, ' ', 0, true, "down", 0}, {0, '+', 1, true, "up", 0}, {9, ' ', 1, false, "up", 0},
		{10, '-', 1, true, "down", 0}, {20, '+', 1, true, "up", 0});
}

static void first_result_decides(void **state)
{
	(void)state;
	PLAY("rise=3 maxCheckFailures=3", {0, '+', 1, true, "up", 0}, {10, '-', 1, true, "up", 0},
		{20, '-', 1, true, "up", 0}, {30, '-', 1, true, "down", 0}, {40, '+', 1, true, "down", 0},
		{50, '+', 1, true, "down", 0}, {60, '+', 1, true, "up", 0});
	PLAY("rise=2 maxCheckFailures=3", {0, '-', 1, true, "down", 0}, {10, '+', 1, true, "down", 0},
		{20, '+', 1, true, "up", 0});
}

static void only_in_a_row(void **state)
{
	(void)state;
	PLAY("rise=2 maxCheckFailures=2", {0, '+', 1, true, "up", 0}, {10, '-', 1, true, "up", 0},
		{20, '+', 1, true, "up", 0}, {30, '-', 1, true, "up", 0}, {40, '-', 1, true, "down", 0},
		{50, '+', 1, true, "down", 0}, {60, '-', 1, true, "down", 0}, {70, '+', 1, true, "down", 0},
		{80, '+', 1, true, "up", 0});
}

static void interval(void **state)
{
	struct server *s = make_server("192.0.2.1", "checkInterval=7");

	(void)state;
	assert_true(health_next_ms(s) <= 5000);
	assert_true(health_due(s, 5000));
	health_result(s, true, 5900);
	assert_true(health_next_ms(s) == 12000);
	assert_false(health_due(s, 11999));
	assert_true(health_due(s, 12000));
	assert_int_equal(atomic_load(&s->check_failures), 0);
	health_result(s, false, 13000);
	assert_int_equal(atomic_load(&s->check_failures), 1);
	server_free(&s);
}

static void modes_without_checks(void **state)
{
	(void)state;
	PLAY("healthCheckMode=up", {0, ' ', 1, false, "UP", 0}, {0, 't', 200, false, "UP", 0}, {99, ' ', 1, false, "UP", 0});
	PLAY("healthCheckMode=down", {0, ' ', 1, false, "DOWN", 0}, {99, ' ', 1, false, "DOWN", 0});
}

static void lazy_threshold(void **state)
{
	(void)state;
	/* 20 % of at least 10 */
	PLAY("healthCheckMode=lazy lazyHealthCheckMinSampleCount=10", {0, ' ', 1, false, "up", LAZY_HEALTHY},
		{0, 't', 9, false, "up", LAZY_HEALTHY}, {0, 't', 1, false, "up", LAZY_POTENTIAL});
	PLAY("healthCheckMode=lazy lazyHealthCheckMinSampleCount=10", {0, 'a', 41, false, "up", LAZY_HEALTHY},
		{0, 't', 10, false, "up", LAZY_HEALTHY}, {0, 's', 1, false, "up", LAZY_POTENTIAL});
	PLAY("healthCheckMode=lazy", {0, 't', 1, false, "up", LAZY_POTENTIAL});
	PLAY("healthCheckMode=lazy lazyHealthCheckMode=TimeoutOnly", {0, 's', 500, false, "up", LAZY_HEALTHY},
		{0, 't', 19, false, "up", LAZY_HEALTHY}, {0, 't', 1, false, "up", LAZY_POTENTIAL});
}

static void lazy_sample_is_circular(void **state)
{
	(void)state;
	/* of the last 10: failures that are older than that do not count */
	PLAY("healthCheckMode=lazy lazyHealthCheckSampleSize=10 lazyHealthCheckMinSampleCount=10 lazyHealthCheckThreshold=50",
		{0, 't', 4, false, "up", 0}, {0, 'a', 10, false, "up", 0}, {0, 't', 4, false, "up", 0},
		{0, 'a', 6, false, "up", 0}, {0, 't', 4, false, "up", 0}, {0, 't', 1, false, "up", LAZY_POTENTIAL});
}

static void lazy_recovers_from_suspicion(void **state)
{
	(void)state;
	PLAY("healthCheckMode=lazy rise=2 maxCheckFailures=2", {0, 't', 1, false, "up", LAZY_POTENTIAL},
		{0, '-', 1, true, "up", LAZY_POTENTIAL}, {9, ' ', 1, false, "up", LAZY_POTENTIAL},
		{10, '+', 1, true, "up", LAZY_POTENTIAL}, {20, '-', 1, true, "up", LAZY_POTENTIAL},
		{30, '+', 1, true, "up", LAZY_POTENTIAL}, {40, '+', 1, true, "up", LAZY_HEALTHY},
		{50, ' ', 1, false, "up", LAZY_HEALTHY}, {60, 'a', 1, false, "up", LAZY_HEALTHY}, /* a new sample */
		{60, 't', 1, false, "up", LAZY_POTENTIAL});
}

static void lazy_fails(void **state)
{
	(void)state;
	PLAY("healthCheckMode=lazy maxCheckFailures=2 rise=2 lazyHealthCheckFailedInterval=5",
		{0, 't', 1, false, "up", LAZY_POTENTIAL}, {0, '-', 1, true, "up", LAZY_POTENTIAL},
		{10, '-', 1, true, "down", LAZY_FAILED}, {59, ' ', 1, false, "down", LAZY_FAILED},
		{60, '-', 1, true, "down", LAZY_FAILED}, {109, ' ', 1, false, "down", LAZY_FAILED},
		{110, '+', 1, true, "down", LAZY_FAILED}, {120, '-', 1, true, "down", LAZY_FAILED},
		{169, ' ', 1, false, "down", LAZY_FAILED}, {170, '+', 1, true, "down", LAZY_FAILED},
		{179, ' ', 1, false, "down", LAZY_FAILED}, {180, '+', 1, true, "up", LAZY_HEALTHY},
		{999, ' ', 1, false, "up", LAZY_HEALTHY});
}

static void lazy_backs_off(void **state)
{
	(void)state;
	PLAY("healthCheckMode=lazy lazyHealthCheckFailedInterval=2 lazyHealthCheckUseExponentialBackOff=true "
		"lazyHealthCheckMaxBackOff=7",
		{0, 't', 1, false, "up", LAZY_POTENTIAL}, {0, '-', 1, true, "down", LAZY_FAILED},
		{19, ' ', 1, false, "down", LAZY_FAILED}, {20, '-', 1, true, "down", LAZY_FAILED},
		{59, ' ', 1, false, "down", LAZY_FAILED}, {60, '-', 1, true, "down", LAZY_FAILED},
		{129, ' ', 1, false, "down", LAZY_FAILED}, {130, '-', 1, true, "down", LAZY_FAILED}, /* 7 s, not 8 */
		{199, ' ', 1, false, "down", LAZY_FAILED}, {200, '+', 1, true, "up", LAZY_HEALTHY},
		{200, 't', 1, false, "up", LAZY_POTENTIAL}, {200, '-', 1, true, "down", LAZY_FAILED},
		{219, ' ', 1, false, "down", LAZY_FAILED}, {220, '-', 1, true, "down", LAZY_FAILED}); /* from 2 s again */
}

/* A backend that is down but answers: its check comes soon, not after each answer. */
static void answers_while_down(void **state)
{
	struct server *s = make_server("192.0.2.1", "checkInterval=10");
	unsigned checks = 0;

	(void)state;
	assert_true(health_due(s, 1000));
	health_result(s, false, 1010);
	for (uint64_t now_ms = 1020; now_ms < 6020; now_ms += 10) {
		health_outcome(s, false, false, now_ms);
		if (!health_due(s, now_ms))
			continue;
		checks++;
		health_outcome(s, false, false, now_ms); /* while it is under way */
		health_result(s, false, now_ms + 5);
	}
	assert_in_range(checks, 4, 5); /* one a second, as the first is answered */
	server_free(&s);
}

static void forced(void **state)
{
	struct server *s = make_server("192.0.2.1", "healthCheckMode=lazy");

	(void)state;
	server_set_down(s);
	assert_string_equal(server_status(s), "DOWN");
	assert_string_equal(health_mode_name(server_health_mode(s)), "down");
	health_outcome(s, true, false, 1000);
	assert_true(health_next_ms(s) == UINT64_MAX);
	server_set_up(s);
	assert_string_equal(server_status(s), "UP");
	assert_true(server_up(s));
	assert_int_equal(server_health_mode(s), HEALTH_UP);
	server_set_auto(s, HEALTH_UP, -1); /* no mode named: lazy as before */
	assert_string_equal(server_status(s), "up");
	assert_string_equal(health_mode_name(server_health_mode(s)), "lazy");
	server_set_auto(s, HEALTH_UP, 0); /* lazy and down: it must be probed to come up */
	assert_string_equal(server_status(s), "down");
	assert_true(health_due(s, 1000));
	assert_true(health_result(s, true, 1000));
	assert_string_equal(server_status(s), "up");
	server_set_auto(s, HEALTH_ACTIVE, -1);
	assert_string_equal(health_mode_name(server_health_mode(s)), "active");
	assert_true(health_due(s, 1001));
	server_set_down(s); /* while the probe is under way */
	assert_false(health_result(s, true, 1002));
	assert_string_equal(server_status(s), "DOWN");
	server_set_auto(s, HEALTH_DOWN, 1);
	assert_string_equal(server_status(s), "up");
	assert_int_equal(server_health_mode(s), HEALTH_ACTIVE);
	server_free(&s);
}

static void status_counts_as_decided(void **state)
{
	struct server *s = make_server("192.0.2.1", "rise=2");

	(void)state;
	server_set_auto(s, HEALTH_DOWN, 0);
	assert_true(health_due(s, 1000));
	assert_false(health_result(s, true, 1000));
	assert_true(health_due(s, 2000));
	assert_true(health_result(s, true, 2000));
	server_free(&s);
}

static void params(void **state)
{
	struct server *s = make_server("192.0.2.1", "");
	struct health_params p = health_params(s);

	(void)state;
	assert_int_equal(p.check_timeout_ms, 1000);
	assert_true(health_due(s, 1000) && health_result(s, true, 1000));
	p.max_check_failures = 2;
	p.check_interval_s = 5;
	health_set_params(s, &p);
	assert_true(health_due(s, 2000));
	assert_false(health_result(s, false, 2000));
	assert_false(health_due(s, 6999));
	assert_true(health_due(s, 7000));
	assert_true(health_result(s, false, 7000));
	assert_int_equal(health_params(s).check_interval_s, 5);
	server_free(&s);
}

static void hurry(void **state)
{
	struct server *s = make_server("192.0.2.1", "checkInterval=10");

	(void)state;
	assert_true(health_due(s, 1000) && !health_result(s, false, 1000));
	assert_false(health_due(s, 2000));
	health_hurry(s, 2000);
	assert_int_equal(health_next_ms(s), 2000);
	assert_true(health_due(s, 2000));
	health_hurry(s, 2001); /* while one is under way: there is another one after it */
	assert_false(health_due(s, 2001));
	assert_true(health_result(s, true, 2002));
	assert_true(health_due(s, 2002));
	server_free(&s);
	s = make_server("192.0.2.1", "healthCheckMode=lazy");
	health_hurry(s, 2000); /* healthy: there is to be none */
	assert_false(health_due(s, 2000));
	server_free(&s);
}

int test_health(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(active), cmocka_unit_test(first_result_decides),
		cmocka_unit_test(only_in_a_row), cmocka_unit_test(interval), cmocka_unit_test(modes_without_checks),
		cmocka_unit_test(lazy_threshold), cmocka_unit_test(lazy_sample_is_circular),
		cmocka_unit_test(lazy_recovers_from_suspicion), cmocka_unit_test(lazy_fails),
		cmocka_unit_test(lazy_backs_off), cmocka_unit_test(answers_while_down), cmocka_unit_test(forced), cmocka_unit_test(status_counts_as_decided),
		cmocka_unit_test(params), cmocka_unit_test(hurry)};

	return cmocka_run_group_tests_name("health", tests, NULL, NULL);
}
