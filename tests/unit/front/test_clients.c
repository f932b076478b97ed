/* test_clients.c: limits per client: connections at once, rates, bans; masks; what is forgotten, and when. */
#include "../lane_help.h"

int test_clients(void);

enum { MINUTE = 60000, T0 = 1000000, CAP = 100000 };

struct table {
	struct clients *clients;
	struct conf *conf;
};

static struct addr address(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(&a, text, 4000), 0);
	return a;
}

static enum reason enter(struct table *t, const char *text, uint64_t now_ms, struct who **who_r)
{
	struct addr a = address(text);

	return clients_enter(t->clients, &t->conf->set, &a, now_ms, who_r);
}

/* enters: does a new connection of |text| end in |want|?  It leaves at once. */
static void enters(struct table *t, const char *text, uint64_t now_ms, enum reason want)
{
	struct who *who;
	enum reason got = enter(t, text, now_ms, &who);

	if (got != want)
		fail_msg("%s: %s, expected %s", text, reason_text(got), reason_text(want));
	assert_true(want == REASON_NONE || !who);
	clients_leave(t->clients, &who);
	assert_null(who);
}

static void no_limit(void **state)
{
	struct table *t = *state;
	struct who *who = (struct who *)(void *)t;
	unsigned long calls = mem_calls();

	for (int i = 0; i < 100; i++) {
		assert_int_equal(enter(t, "192.0.2.1", T0, &who), REASON_NONE);
		assert_null(who);
		clients_leave(t->clients, &who);
	}
	assert_int_equal(mem_calls(), calls); /* nothing is remembered */
}

static void per_client(void **state)
{
	struct table *t = *state;
	struct who *a, *b, *other;

	set_number(t->conf, "setMaxTCPConnectionsPerClient", 2);
	assert_int_equal(enter(t, "192.0.2.1:1000", T0, &a), REASON_NONE);
	assert_int_equal(enter(t, "192.0.2.1:2000", T0, &b), REASON_NONE);
	enters(t, "192.0.2.1:3000", T0, REASON_CONN_PER_CLIENT);
	assert_int_equal(enter(t, "192.0.2.2:1000", T0, &other), REASON_NONE);
	clients_leave(t->clients, &a);
	enters(t, "192.0.2.1:3000", T0, REASON_NONE);
	clients_leave(t->clients, &b);
	clients_leave(t->clients, &other);
	enters(t, "192.0.2.1:3000", T0, REASON_NONE);
}

static void masks(void **state)
{
	static const struct {
		const char *word;
		unsigned bits;
		const char *first, *same, *different;
	} rows[] = {
		{"setTCPConnectionsMaskV4", 24, "192.0.2.1:1", "192.0.2.200:2", "192.0.3.1:1"},
		{"setTCPConnectionsMaskV4", 0, "192.0.2.1:1", "203.0.113.1:1", "[2001:db8::1]:1"},
		{"setTCPConnectionsMaskV4", 31, "192.0.2.2:1", "192.0.2.3:2", "192.0.2.4:1"},
		{"setTCPConnectionsMaskV6", 64, "[2001:db8::1]:1", "[2001:db8::ffff:1]:2", "[2001:db8:0:1::1]:1"},
		{"setTCPConnectionsMaskV6", 128, "[2001:db8::1]:1", "[2001:db8::1]:2", "[2001:db8::2]:1"},
		{"setTCPConnectionsMaskV4Port", 4, "192.0.2.1:4096", "192.0.2.1:8191", "192.0.2.1:8192"},
		{"setTCPConnectionsMaskV4Port", 16, "192.0.2.1:4096", "192.0.2.1:4096", "192.0.2.1:4097"},
		{"setTCPConnectionsMaskV4Port", 0, "192.0.2.1:4096", "192.0.2.1:8192", "192.0.2.2:4096"},
	};
	struct table *t = *state;

	set_number(t->conf, "setMaxTCPConnectionsPerClient", 1);
	for (size_t i = 0; i < LEN(rows); i++) {
		const struct field *f = field_find(setting_fields, setting_field_count, rows[i].word);
		struct who *who;

		set_number(t->conf, rows[i].word, rows[i].bits);
		assert_int_equal(enter(t, rows[i].first, T0, &who), REASON_NONE);
		enters(t, rows[i].same, T0, REASON_CONN_PER_CLIENT);
		enters(t, rows[i].different, T0, REASON_NONE);
		clients_leave(t->clients, &who);
		set_number(t->conf, rows[i].word, strtod(f->absent, NULL));
	}
	/* the port tells clients of one address apart, not those of a network */
	set_number(t->conf, "setTCPConnectionsMaskV4Port", 16);
	set_number(t->conf, "setTCPConnectionsMaskV4", 24);
	struct who *who;

	assert_int_equal(enter(t, "192.0.2.1:1", T0, &who), REASON_NONE);
	enters(t, "192.0.2.1:2", T0, REASON_CONN_PER_CLIENT);
	clients_leave(t->clients, &who);
}

/* A rate is per second, averaged over the interval: that many may come at once. */
static void rate(void **state)
{
	struct table *t = *state;

	set_number(t->conf, "setMaxTCPConnectionRatePerClient", 1);
	set_number(t->conf, "setTCPConnectionRateInterval", 2);
	set_number(t->conf, "setBanDurationForExceedingTCPTLSRate", 10);
	for (int i = 0; i < 120; i++)
		enters(t, "192.0.2.1", T0 + 10, REASON_NONE);
	enters(t, "192.0.2.1", T0 + 20, REASON_CONN_RATE);
	enters(t, "192.0.2.2", T0 + 20, REASON_NONE);
	enters(t, "192.0.2.1", T0 + 20 + 9999, REASON_CONN_BANNED);
	enters(t, "192.0.2.1", T0 + 20 + 10000, REASON_CONN_RATE); /* the interval is not over */
	enters(t, "192.0.2.1", T0 + 10 + 2 * MINUTE, REASON_NONE);
}

static void rate_without_ban(void **state)
{
	struct table *t = *state;

	set_number(t->conf, "setMaxTCPConnectionRatePerClient", 1);
	set_number(t->conf, "setTCPConnectionRateInterval", 1);
	set_number(t->conf, "setBanDurationForExceedingTCPTLSRate", 0);
	for (int i = 0; i < 60; i++)
		enters(t, "192.0.2.1", T0, REASON_NONE);
	enters(t, "192.0.2.1", T0, REASON_CONN_RATE);
	enters(t, "192.0.2.1", T0, REASON_CONN_RATE);
	enters(t, "192.0.2.1", T0 + MINUTE, REASON_NONE);
}

static void ban(void **state)
{
	struct table *t = *state;
	struct addr a = address("192.0.2.1:1");
	struct who *who;

	assert_int_equal(enter(t, "192.0.2.1:5", T0, &who), REASON_NONE);
	clients_ban(t->clients, &t->conf->set, &a, T0 + 60000);
	clients_ban(t->clients, &t->conf->set, &a, T0 + 61000);
	enters(t, "192.0.2.1:2", T0, REASON_CONN_BANNED);
	enters(t, "192.0.2.2:2", T0, REASON_NONE);
	clients_clean(t->clients, T0 + 60500);
	enters(t, "192.0.2.1:2", T0 + 60999, REASON_CONN_BANNED);
	enters(t, "192.0.2.1:2", T0 + 61000, REASON_NONE);
	clients_leave(t->clients, &who);
	clients_clean(t->clients, T0 + 61000);
	enters(t, "192.0.2.1:2", T0 + 1, REASON_NONE); /* forgotten */
}

/* Of a client that is gone only the rate is remembered, for an hour. */
static void expiry(void **state)
{
	struct table *t = *state;

	set_number(t->conf, "setMaxTCPConnectionRatePerClient", 1);
	set_number(t->conf, "setTCPConnectionRateInterval", 60);
	for (int i = 0; i < 3600; i++)
		enters(t, "192.0.2.1", T0, REASON_NONE);
	clients_clean(t->clients, T0 + 60 * MINUTE - 1);
	enters(t, "192.0.2.1", T0 + 60 * MINUTE - 1, REASON_CONN_RATE);
	clients_clean(t->clients, T0 + 61 * MINUTE);
	enters(t, "192.0.2.1", T0 + 61 * MINUTE, REASON_NONE);
}

/* A connection is counted where it came in, whatever a reload changes meanwhile. */
static void settings_change(void **state)
{
	struct table *t = *state;
	struct who *one, *two, *free_one;

	assert_int_equal(enter(t, "192.0.2.1:1", T0, &free_one), REASON_NONE); /* no limit yet */
	set_number(t->conf, "setMaxTCPConnectionsPerClient", 2);
	assert_int_equal(enter(t, "192.0.2.1:1", T0, &one), REASON_NONE);
	assert_int_equal(enter(t, "192.0.2.1:2", T0, &two), REASON_NONE);
	clients_leave(t->clients, &free_one);
	enters(t, "192.0.2.1:3", T0, REASON_CONN_PER_CLIENT);
	set_number(t->conf, "setMaxTCPConnectionsPerClient", 0);
	clients_leave(t->clients, &one);
	set_number(t->conf, "setTCPConnectionsMaskV4", 8);
	clients_leave(t->clients, &two);
	set_number(t->conf, "setTCPConnectionsMaskV4", 32);
	set_number(t->conf, "setMaxTCPConnectionsPerClient", 2);
	assert_int_equal(enter(t, "192.0.2.1:1", T0, &one), REASON_NONE);
	assert_int_equal(enter(t, "192.0.2.1:2", T0, &two), REASON_NONE);
	clients_leave(t->clients, &one);
	clients_leave(t->clients, &two);
}

/* Only so many clients are remembered; the others are not limited. */
static void cap(void **state)
{
	static struct who *who[CAP];
	struct table *t = *state;
	struct addr a = address("10.0.0.0");
	struct who *late;

	set_number(t->conf, "setMaxTCPConnectionsPerClient", 1);
	for (uint32_t i = 0; i < CAP; i++) {
		put32(a.ip, 0x0a000000 + i);
		assert_int_equal(clients_enter(t->clients, &t->conf->set, &a, T0, &who[i]), REASON_NONE);
		assert_non_null(who[i]);
	}
	enters(t, "10.0.0.5", T0, REASON_CONN_PER_CLIENT);
	assert_int_equal(enter(t, "192.0.2.1", T0, &late), REASON_NONE);
	assert_null(late);
	for (uint32_t i = 0; i < CAP; i++)
		clients_leave(t->clients, &who[i]);
	assert_int_equal(enter(t, "192.0.2.1", T0, &late), REASON_NONE);
	assert_non_null(late);
	clients_leave(t->clients, &late);
}

/* Without memory a client is not limited, and nothing leaks. */
static void no_memory(void **state)
{
	struct table *t = *state;
	struct addr a = address("192.0.2.1");
	struct clients *none;

	set_number(t->conf, "setMaxTCPConnectionsPerClient", 1);
	for (unsigned long n = 1; n < 4; n++) {
		mem_fail_at(n);
		enters(t, "192.0.2.1", T0, REASON_NONE);
		mem_fail_at(n);
		clients_ban(t->clients, &t->conf->set, &a, T0);
		mem_fail_at(0);
	}
	for (unsigned long n = 1; n < 3; n++) {
		mem_fail_at(n);
		none = clients_new();
		mem_fail_at(0);
		assert_null(none);
	}
	clients_free(&none);
}

static int setup(void **state)
{
	static struct table t;

	t.clients = clients_new();
	t.conf = new_conf();
	*state = &t;
	return t.clients ? 0 : -1;
}

static int teardown(void **state)
{
	struct table *t = *state;

	clients_free(&t->clients);
	conf_free(&t->conf);
	return 0;
}

/* Handshakes of both kinds count apart; what is too fast is banned. */
static void handshakes(void **state)
{
	struct table *t = *state;
	struct addr a = address("192.0.2.1"), other = address("192.0.2.2");
	const struct settings *set = &t->conf->set;
	unsigned long calls = mem_calls();

	assert_int_equal(clients_shake(t->clients, set, &a, false, T0), REASON_NONE);
	assert_int_equal(mem_calls(), calls); /* no limit, nothing remembered */
	set_number(t->conf, "setMaxTLSNewSessionRatePerClient", 1);
	set_number(t->conf, "setMaxTLSResumedSessionRatePerClient", 2);
	set_number(t->conf, "setTCPConnectionRateInterval", 1);
	set_number(t->conf, "setBanDurationForExceedingTCPTLSRate", 10);
	for (unsigned i = 0; i < 60; i++)
		assert_int_equal(clients_shake(t->clients, set, &a, false, T0 + i), REASON_NONE);
	for (unsigned i = 0; i < 120; i++)
		assert_int_equal(clients_shake(t->clients, set, &a, true, T0 + i), REASON_NONE);
	enters(t, "192.0.2.1", T0 + 200, REASON_NONE);
	assert_int_equal(clients_shake(t->clients, set, &a, false, T0 + 200), REASON_CONN_TLS_RATE);
	enters(t, "192.0.2.1", T0 + 200, REASON_CONN_BANNED);
	assert_int_equal(clients_shake(t->clients, set, &other, false, T0 + 200), REASON_NONE);
	enters(t, "192.0.2.1", T0 + 10200, REASON_NONE);
	assert_int_equal(clients_shake(t->clients, set, &a, true, T0 + 10200), REASON_CONN_TLS_RATE);
	assert_int_equal(clients_shake(t->clients, set, &a, true, T0 + MINUTE), REASON_NONE); /* a new window */
	clients_clean(t->clients, T0 + 100 * MINUTE);
	mem_fail_at(1);
	assert_int_equal(clients_shake(t->clients, set, &a, false, T0 + 100 * MINUTE), REASON_NONE); /* not counted */
	mem_fail_at(0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int test_clients(void)
{
	const struct CMUnitTest tests[] = {TEST(no_limit), TEST(per_client), TEST(masks), TEST(rate),
		TEST(rate_without_ban), TEST(ban), TEST(expiry), TEST(settings_change), TEST(cap), TEST(no_memory),
		TEST(handshakes)};

	return cmocka_run_group_tests_name("clients", tests, NULL, NULL);
}
