/* test_server.c: birth, comparison and the running numbers of a backend. */
#include "make.h"

int test_server(void);

#define UUID "AA000000-0000-4000-8000-00000000000f"

static void addresses(void **state)
{
	static const struct {
		const char *given, *kept; /* kept NULL: refused */
		unsigned family;
	} cases[] = {
		{"192.0.2.1", "192.0.2.1:53", AF_INET},
		{"192.0.2.1:5300", "192.0.2.1:5300", AF_INET},
		{"[2001:db8::1]:5300", "[2001:db8::1]:5300", AF_INET6},
		{"2001:db8::1", "[2001:db8::1]:53", AF_INET6},
		{"unbound", "unbound:53", 0},
		{"dns-1.example.org:5353", "dns-1.example.org:5353", 0},
		{"example.org.", "example.org.:53", 0},
		{"_dns.example.org", "_dns.example.org:53", 0},
		{"300.1.2.3", NULL, 0},
		{"192.0.2", NULL, 0},
		{"192.0.2.1:99999", NULL, 0},
		{"example.org:0", NULL, 0},
		{"example.org:x", NULL, 0},
		{"example..org", NULL, 0},
		{".", NULL, 0},
		{":53", NULL, 0},
		{"a b", NULL, 0},
		{"", NULL, 0},
		{NULL, NULL, 0},
		/* a label of 64 and one of 63 */
		{"x234567890123456789012345678901234567890123456789012345678901234.org", NULL, 0},
		{"x23456789012345678901234567890123456789012345678901234567890123.org",
			"x23456789012345678901234567890123456789012345678901234567890123.org:53", 0},
	};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		struct server_conf c;
		struct rng rng;
		struct server *s;
		const char *error = NULL;

		rng_seed(&rng, 1);
		assert_int_equal(make_conf(&c, cases[i].given, "", &error), 0);
		s = server_new(&c, &rng, &error);
		assert_null(c.address);
		if (cases[i].kept == NULL) {
			if (s != NULL || strncmp(error, "address: ", 9) != 0)
				fail_msg("'%s' was taken", cases[i].given);
			continue;
		}
		if (s == NULL)
			fail_msg("%s", error);
		assert_string_equal(s->conf.address, cases[i].kept);
		assert_string_equal(server_name(s), cases[i].kept);
		assert_int_equal(s->addr.family, cases[i].family);
		assert_int_equal(s->is_name, cases[i].family == 0);
		server_free(&s);
		assert_null(s);
	}
}

static void name_gets_address(void **state)
{
	struct server *s = make_server("example.org:5300", "name=x");
	struct addr a;

	(void)state;
	assert_string_equal(server_name(s), "x");
	assert_int_equal(addr_parse(&a, "192.0.2.7", 0), 0);
	server_set_addr(s, &a);
	assert_int_equal(s->addr.family, AF_INET);
	assert_int_equal(s->addr.port, 5300);
	server_free(&s);
}

static void ids(void **state)
{
	struct server *given = make_server("192.0.2.1", "id=" UUID), *one = make_server("192.0.2.1", "");
	struct server *two = make_server("192.0.2.1", "order=1");
	static const char *const bad[] = {"id=x", "id=AA000000-0000-4000-8000-00000000000", "id=" UUID "0",
		"id=AA000000-0000-4000-8000-00000000000g", "id=AA0000000000-4000-8000-00000000-000f"};

	(void)state;
	assert_string_equal(given->id, "aa000000-0000-4000-8000-00000000000f");
	assert_int_equal(given->uuid[0], 0xaa);
	assert_int_equal(given->uuid[15], 0x0f);
	assert_int_equal(strlen(one->id), 36);
	assert_string_not_equal(one->id, two->id);
	assert_string_equal(one->conf.id, "");
	server_free(&given);
	server_free(&one);
	server_free(&two);
	for (size_t i = 0; i < LEN(bad); i++) {
		struct server_conf c;
		struct rng rng;
		const char *error = "";

		rng_seed(&rng, 1);
		assert_int_equal(make_conf(&c, "192.0.2.1", bad[i], &error), 0);
		assert_null(server_new(&c, &rng, &error));
		assert_int_equal(strncmp(error, "id: expected a UUID", 19), 0);
	}
}

static void probe_is_checked(void **state)
{
	static const char *const cases[][2] = {{"checkType=NOTYPE", "checkType: "}, {"checkName=a..b", "checkName: "}};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		struct server_conf c;
		struct rng rng;
		const char *error = "";

		rng_seed(&rng, 1);
		assert_int_equal(make_conf(&c, "192.0.2.1", cases[i][0], &error), 0);
		assert_null(server_new(&c, &rng, &error));
		assert_int_equal(strncmp(error, cases[i][1], strlen(cases[i][1])), 0);
	}
}

static void indices_are_reused(void **state)
{
	struct server *s[40];
	uint32_t low, middle;

	(void)state;
	for (size_t i = 0; i < LEN(s); i++)
		s[i] = make_server("192.0.2.1", "");
	low = s[3]->index;
	middle = s[35]->index;
	for (size_t i = 0; i < LEN(s); i++)
		for (size_t j = 0; j < i; j++)
			assert_int_not_equal(s[i]->index, s[j]->index);
	server_free(&s[35]);
	server_free(&s[3]);
	s[3] = make_server("192.0.2.1", "");
	s[35] = make_server("192.0.2.1", "");
	assert_int_equal(s[3]->index, low);
	assert_int_equal(s[35]->index, middle);
	for (size_t i = 0; i < LEN(s); i++)
		server_free(&s[i]);
}

static void same(void **state)
{
	static const struct {
		const char *a, *a_options, *b, *b_options;
		bool same;
	} cases[] = {
		{"192.0.2.1", "", "192.0.2.1:53", "", true},
		{"192.0.2.1", "name=x pool=p rise=3", "192.0.2.1", "rise=3 pool=p name=x", true},
		{"192.0.2.1", "", "192.0.2.2", "", false},
		{"192.0.2.1", "", "192.0.2.1", "name=x", false},
		{"192.0.2.1", "qps=1", "192.0.2.1", "qps=2", false},
		{"192.0.2.1", "weight=1", "192.0.2.1", "weight=2", false},
		{"192.0.2.1", "pool=p", "192.0.2.1", "", false},
		{"192.0.2.1", "pool=p", "192.0.2.1", "pool=q", false},
		{"192.0.2.1", "useClientSubnet=true", "192.0.2.1", "", false},
		{"192.0.2.1", "healthCheckMode=lazy", "192.0.2.1", "", false},
		{"192.0.2.1", "lazyHealthCheckMode=TimeoutOnly", "192.0.2.1", "", false},
		{"192.0.2.1", "id=" UUID, "192.0.2.1", "", false},
		{"192.0.2.1", "id=" UUID, "192.0.2.1", "id=" UUID, true},
		{"192.0.2.1", "ciphers=a", "192.0.2.1", "ciphers=b", false},
		{"192.0.2.1", "tls=openssl", "192.0.2.1:853", "tls=openssl", true},
		{"192.0.2.1:853", "tls=openssl", "192.0.2.1:853", "", false},
		{"192.0.2.1", "tls=openssl dohPath=/a", "192.0.2.1", "tls=openssl dohPath=/b", false},
		{"192.0.2.1", "subjectName=a", "192.0.2.1", "", false},
		{"192.0.2.1", "caStore=a", "192.0.2.1", "caStore=b", false},
		{"192.0.2.1", "validateCertificates=false", "192.0.2.1", "", false},
		{"192.0.2.1", "keepWarm=900", "192.0.2.1", "", false},
		{"192.0.2.1", "ecdheCurves=a", "192.0.2.1", "ecdheCurves=b", false},
		{"192.0.2.1", "certificatePins=a", "192.0.2.1", "", false},
		{"dns.example", "bootstrap=192.0.2.1", "dns.example", "bootstrap=192.0.2.2", false},
		{"dns.example", "tls=openssl", "dns.example", "tls=openssl subjectName=dns.example", true},
	};
	struct server *a, *b;
	char f;

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		a = make_server(cases[i].a, cases[i].a_options);
		b = make_server(cases[i].b, cases[i].b_options);
		if (server_same(a, b) != cases[i].same || server_same(b, a) != cases[i].same)
			fail_msg("case %zu", i);
		server_free(&a);
		server_free(&b);
	}
	a = make_server("192.0.2.1", "");
	b = make_server("192.0.2.1", "");
	b->conf.check_function = (const struct lua_func *)(const void *)&f;
	assert_false(server_same(a, b));
	server_free(&a);
	server_free(&b);
}

static void latency(void **state)
{
	struct server *s = make_server("192.0.2.1", "");

	(void)state;
	server_latency(s, 12800, false);
	assert_int_equal(atomic_load(&s->latency_us), 12800);
	server_latency(s, 25600, false);
	assert_int_equal(atomic_load(&s->latency_us), 12900);
	server_latency(s, 12890, false);
	assert_int_equal(atomic_load(&s->latency_us), 12899);
	for (int i = 0; i < 5000; i++)
		server_latency(s, 100, false);
	assert_int_equal(atomic_load(&s->latency_us), 100);
	for (int i = 0; i < 500; i++)
		server_latency(s, 110, false);
	assert_int_equal(atomic_load(&s->latency_us), 110);
	assert_int_equal(atomic_load(&s->tcp_latency_us), 0);
	server_latency(s, 7, true);
	assert_int_equal(atomic_load(&s->tcp_latency_us), 7);
	server_free(&s);
}

static void can_accept(void **state)
{
	struct server *s = make_server("192.0.2.1", "maxOutstandingQueries=2");

	(void)state;
	assert_false(server_can_accept(s, false, 1000));
	server_set_up(s);
	for (int i = 0; i < 10; i++)
		assert_true(server_can_accept(s, true, 1000));
	atomic_store(&s->outstanding, 1);
	assert_true(server_can_accept(s, true, 1000));
	atomic_store(&s->outstanding, 2);
	assert_false(server_can_accept(s, true, 1000));
	atomic_store(&s->outstanding, 0);
	server_set_qps(s, 2);
	assert_true(server_can_accept(s, true, 1000));
	assert_true(server_can_accept(s, true, 1000));
	assert_false(server_can_accept(s, true, 1000));
	assert_true(server_can_accept(s, false, 1000));
	assert_true(server_can_accept(s, true, 1500));
	server_set_qps(s, 0.5); /* one at once, then one each two seconds */
	assert_true(server_can_accept(s, true, 2000));
	assert_false(server_can_accept(s, true, 3999));
	assert_true(server_can_accept(s, true, 4000));
	server_set_qps(s, 0);
	assert_true(server_can_accept(s, true, 4000));
	assert_true(server_can_accept(s, true, 4000));
	server_free(&s);
}

static void rates(void **state)
{
	struct server *s = make_server("192.0.2.1", "");

	(void)state;
	server_rates(s, 1000);
	atomic_store(&s->queries, 500);
	atomic_store(&s->drops, 5);
	server_rates(s, 3000);
	assert_int_equal(atomic_load(&s->rate.queries10), 2500);
	assert_int_equal(atomic_load(&s->rate.drops10), 25);
	server_rates(s, 3000); /* no time has passed: as before */
	assert_int_equal(atomic_load(&s->rate.queries10), 2500);
	server_rates(s, 4000);
	assert_int_equal(atomic_load(&s->rate.queries10), 0);
	server_free(&s);
}

static void references(void **state)
{
	struct server *s = make_server("192.0.2.1", ""), *again = server_ref(s), *next = make_server("192.0.2.2", "");

	(void)state;
	assert_ptr_equal(server_now(s), s);
	atomic_store(&s->successor, server_ref(next));
	server_free(&s);
	assert_ptr_equal(server_now(again), next);
	server_free(&again); /* drops its hold on |next| */
	assert_int_equal(atomic_load(&next->refs), 1);
	server_free(&next);
	server_free(&next); /* nothing */
}

static void sockets_are_limited(void **state)
{
	struct server *s = make_server("192.0.2.1", "sockets=1000");

	(void)state;
	assert_int_equal(s->conf.sockets, SERVER_SOCKETS_MAX);
	server_free(&s);
}

static void memory_out(void **state)
{
	bool made = false;

	(void)state;
	for (unsigned long n = 1; !made; n++) {
		struct server_conf c;
		struct rng rng;
		struct server *s;
		const char *error = NULL;

		rng_seed(&rng, 1);
		assert_int_equal(make_conf(&c, "192.0.2.1", "name=x pool=p", &error), 0);
		mem_fail_at(n);
		s = server_new(&c, &rng, &error);
		mem_fail_at(0);
		made = s != NULL;
		assert_true(made || strstr(error, "out of memory") != NULL);
		assert_null(c.name);
		server_free(&s);
		assert_in_range(n, 1, 20);
	}
}

int test_server(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(addresses), cmocka_unit_test(name_gets_address),
		cmocka_unit_test(ids), cmocka_unit_test(probe_is_checked), cmocka_unit_test(indices_are_reused),
		cmocka_unit_test(same), cmocka_unit_test(latency), cmocka_unit_test(can_accept), cmocka_unit_test(rates),
		cmocka_unit_test(references), cmocka_unit_test(sockets_are_limited), cmocka_unit_test(memory_out)};

	return cmocka_run_group_tests_name("server", tests, NULL, NULL);
}
