/* test_tls_ticket_with_tls.c: keys of session tickets: which of them open, when they change, where they come from. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "tls_caller.h"

int test_tls_ticket_with_tls(void);

/* comes: whether a client is resumed by |s| with the session it has; it gets a new one. */
static bool comes(struct tls_server *s, int version)
{
	SSL_CTX *ctx = caller_new(version);
	struct call c;
	bool resumed;

	assert_true(call_open(&c, s, ctx, caller_session));
	assert_int_equal(call_shake(&c), 0);
	assert_int_equal(call_talk(&c), 0);
	resumed = SSL_session_reused(c.peer) == 1;
	if (version == TLS1_2_VERSION) { /* a ticket that replaces another is not announced */
		caller_forget();
		caller_session = SSL_get1_session(c.peer);
	}
	call_close(&c);
	SSL_CTX_free(ctx);
	return resumed;
}

static void rotation(void **state)
{
	static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

	(void)state;
	for (size_t i = 0; i < LEN(versions); i++) {
		struct tls_server *s = serve(serving());
		struct tls_stats *st = tls_server_stats(s);

		caller_forget();
		assert_false(comes(s, versions[i]));
		assert_true(comes(s, versions[i]));
		assert_int_equal(st->inactive_ticket_key, 0);
		assert_int_equal(tls_server_rotate(s), 0);
		assert_true(comes(s, versions[i])); /* the old key still opens, and the ticket is replaced */
		assert_int_equal(st->inactive_ticket_key, 1);
		assert_true(comes(s, versions[i]));
		assert_int_equal(st->inactive_ticket_key, 1);
		for (int k = 0; k < 3; k++) /* three keys are kept */
			assert_int_equal(tls_server_rotate(s), 0);
		assert_int_equal(st->unknown_ticket_key, 0);
		assert_false(comes(s, versions[i]));
		assert_int_equal(st->unknown_ticket_key, 1);
		assert_int_equal(st->full, 2);
		assert_int_equal(st->resumed, 3);
		tls_server_free(&s);
	}
}

static void certificates_change(void **state)
{
	struct tls_server *s = serve(serving());
	const char *error = "";

	(void)state;
	caller_forget();
	assert_false(comes(s, TLS1_3_VERSION));
	assert_int_equal(tls_server_load(s, NULL, 0, &error), 0);
	assert_true(comes(s, TLS1_3_VERSION));
	tls_server_free(&s);
}

static void write_keys(const char *file, unsigned from, unsigned n, size_t cut)
{
	FILE *f = fopen(made_path(file), "w");
	uint8_t key[TLS_TICKET_KEY];

	assert_non_null(f);
	for (unsigned i = 0; i < n; i++) {
		memset(key, (int)(from + i), sizeof(key));
		assert_int_equal(fwrite(key, 1, sizeof(key) - cut, f), sizeof(key) - cut);
	}
	assert_int_equal(fclose(f), 0);
}

/* Two servers with the same keys take each other's tickets. */
/* A server that takes the place of another opens its tickets, if both have some; its own age goes on. */
static void inherited(void **state)
{
	struct tls_server *a = serve(serving()), *b = serve(serving()), *c;
	struct tls_server_conf without = serving();

	(void)state;
	without.tickets = false;
	c = serve(without);
	caller_forget();
	assert_false(comes(a, TLS1_3_VERSION));
	assert_int_equal(tls_server_rotate(a), 0);
	tls_server_inherit(c, a, true);
	tls_server_inherit(b, c, true);
	tls_server_inherit(b, a, true);
	tls_server_free(&a);
	assert_true(comes(b, TLS1_3_VERSION));
	assert_int_equal(tls_server_stats(b)->inactive_ticket_key, 1);
	assert_true(comes(b, TLS1_3_VERSION));
	assert_int_equal(tls_server_stats(b)->inactive_ticket_key, 1);
	assert_false(comes(c, TLS1_3_VERSION));
	tls_server_free(&b);
	tls_server_free(&c);
}

/* counted_on: connections that outlive their server count for the one in its place. */
static void counted_on(void **state)
{
	struct tls_server *a = serve(serving()), *b = serve(serving());
	SSL_CTX *ctx = caller_new(TLS1_3_VERSION);
	struct call c;

	(void)state;
	caller_forget();
	assert_false(comes(a, TLS1_3_VERSION));
	caller_forget();
	assert_true(call_open(&c, a, ctx, NULL));
	tls_server_inherit(b, a, false);
	assert_int_equal(tls_server_stats(b)->full, 1);
	tls_server_free(&a);
	assert_int_equal(call_shake(&c), 0);
	assert_int_equal(tls_server_stats(b)->full, 2);
	assert_int_equal(tls_server_stats(b)->unknown_ticket_key, 0);
	call_close(&c);
	assert_false(comes(b, TLS1_3_VERSION));
	assert_int_equal(tls_server_stats(b)->full, 3);
	caller_forget();
	SSL_CTX_free(ctx);
	tls_server_free(&b);
}

static void files(void **state)
{
	struct tls_server_conf conf = serving();
	uint8_t two[TLS_TICKET_KEY];
	struct tls_server *s, *other;
	const char *error = "";

	(void)state;
	caller_forget();
	write_keys("keys", 1, 2, 0);
	write_keys("more", 3, 3, 0);
	write_keys("short", 1, 1, 1);
	write_keys("empty", 1, 0, 0);
	conf.ticket_file = made_path("keys");
	s = serve(conf);
	other = serve(serving());
	assert_false(comes(s, TLS1_3_VERSION));
	memset(two, 2, sizeof(two)); /* the last of a file is the newest */
	assert_int_equal(tls_server_ticket_key(other, two, sizeof(two), &error), 0);
	assert_true(comes(other, TLS1_3_VERSION));
	assert_int_equal(tls_server_stats(other)->inactive_ticket_key, 0);
	assert_int_equal(tls_server_ticket_file(s, made_path("more"), &error), 0); /* three come, the first two go */
	assert_false(comes(s, TLS1_3_VERSION));
	assert_int_equal(tls_server_stats(s)->unknown_ticket_key, 1);

	assert_int_equal(tls_server_ticket_key(other, two, 79, &error), -EINVAL);
	assert_string_equal(error, "a ticket key has 80 bytes, not 79");
	assert_int_equal(tls_server_ticket_file(s, made_path("short"), &error), -EINVAL);
	assert_non_null(strstr(error, "short: 79 bytes: a ticket key has 80"));
	assert_int_equal(tls_server_ticket_file(s, made_path("empty"), &error), -EINVAL);
	assert_int_equal(tls_server_ticket_file(s, made_path("none"), &error), -EINVAL);
	assert_non_null(strstr(error, "none: No such file or directory"));
	conf.ticket_file = made_path("none");
	assert_null(tls_server_new(&conf, &error));
	tls_server_free(&s);
	tls_server_free(&other);
}

static void by_age(void **state)
{
	struct tls_server_conf conf = serving();
	uint8_t key[TLS_TICKET_KEY] = {0}, none[TLS_TICKET_KEY] = {0};
	struct tls_server *s;

	(void)state;
	conf.ticket_rotation_s = 100;
	s = serve(conf);
	assert_false(tls_server_tick(s, 5000000, key));
	assert_false(tls_server_tick(s, 5099999, key));
	assert_memory_equal(key, none, sizeof(key));
	assert_true(tls_server_tick(s, 5100000, key));
	assert_memory_not_equal(key, none, sizeof(key));
	assert_false(tls_server_tick(s, 5100001, key));
	assert_int_equal(tls_server_rotate(s), 0); /* by hand: the age begins anew */
	assert_false(tls_server_tick(s, 5190000, key));
	assert_false(tls_server_tick(s, 5280000, key));
	assert_true(tls_server_tick(s, 5290000, key));
	tls_server_free(&s);
	conf.ticket_rotation_s = 0;
	s = serve(conf);
	assert_false(tls_server_tick(s, 1000, key));
	assert_false(tls_server_tick(s, UINT64_MAX / 2, key));
	tls_server_free(&s);
}

/* Without tickets TLS 1.2 may be resumed by sessions that are kept, and by nothing when none are. */
static void no_tickets(void **state)
{
	static const struct {
		uint32_t stored;
		int version;
		bool resumed;
	} cases[] = {
		{0, TLS1_2_VERSION, false},
		{0, TLS1_3_VERSION, false},
		{10, TLS1_2_VERSION, true},
		{10, TLS1_3_VERSION, true},
	};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		struct tls_server_conf conf = serving();
		struct tls_server *s;

		conf.tickets = false;
		conf.stored_sessions = cases[i].stored;
		s = serve(conf);
		caller_forget();
		assert_false(comes(s, cases[i].version));
		if (comes(s, cases[i].version) != cases[i].resumed)
			fail_msg("case %zu", i);
		tls_server_free(&s);
	}
}

static void memory_is_out(void **state)
{
	struct tls_ring *r;

	(void)state;
	mem_fail_at(1);
	r = tls_ring_new(5);
	mem_fail_at(0);
	assert_null(r);
	r = tls_ring_new(0);
	assert_non_null(r);
	tls_ring_free(&r);
	assert_null(r);
}

int test_tls_ticket_with_tls(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rotation),
		cmocka_unit_test(certificates_change),
		cmocka_unit_test(inherited),
		cmocka_unit_test(counted_on),
		cmocka_unit_test(files),
		cmocka_unit_test(by_age),
		cmocka_unit_test(no_tickets),
		cmocka_unit_test(memory_is_out),
	};

	return cmocka_run_group_tests(tests, caller_set_up, caller_tear_down);
}
