/* test_server_addr.c: where backends are: ports by protocol, devices, and the addresses of host names. */
#include "make.h"
#include <pthread.h>

int test_server_addr(void);

static void ports(void **state)
{
	static const struct {
		const char *given, *options, *kept, *subject;
	} cases[] = {
		{"192.0.2.1", "", "192.0.2.1:53", ""},
		{"192.0.2.1", "tcpOnly=true", "192.0.2.1:53", ""},
		{"192.0.2.1", "tls=openssl", "192.0.2.1:853", ""},
		{"192.0.2.1", "tls=openssl dohPath=/dns-query", "192.0.2.1:443", ""},
		{"192.0.2.1", "dohPath=/dns-query", "192.0.2.1:53", ""}, /* refused elsewhere */
		{"192.0.2.1:8853", "tls=openssl", "192.0.2.1:8853", ""},
		{"2001:db8::1", "tls=openssl", "[2001:db8::1]:853", ""},
		{"[2001:db8::1]:8853", "tls=openssl", "[2001:db8::1]:8853", ""},
		{"dns.example", "", "dns.example:53", ""},
		{"dns.example", "tls=openssl", "dns.example:853", "dns.example"},
		{"dns.example.", "tls=openssl", "dns.example.:853", "dns.example"},
		{"dns.example:8443", "tls=openssl dohPath=/q", "dns.example:8443", "dns.example"},
		{"dns.example", "tls=openssl subjectName=x.example", "dns.example:853", "x.example"},
		{"dns.example", "tls=openssl subjectAddr=192.0.2.1", "dns.example:853", ""},
	};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		struct server *s = make_server(cases[i].given, cases[i].options);

		assert_string_equal(s->conf.address, cases[i].kept);
		assert_string_equal(s->conf.subject_name, cases[i].subject);
		server_free(&s);
	}
}

static void devices(void **state)
{
	static const struct {
		const char *given, *options, *kept, *source;
	} cases[] = {
		{"192.0.2.1%eth0", "", "192.0.2.1:53", "eth0"},
		{"192.0.2.1%eth0:5353", "", "192.0.2.1:5353", "eth0"},
		{"192.0.2.1%eth0", "tls=openssl", "192.0.2.1:853", "eth0"},
		{"fe80::1%7", "", "[fe80::1%7]:53", ""},
		{"[fe80::1%7]:5353", "", "[fe80::1%7]:5353", ""},
		{"192.0.2.1%", "", NULL, NULL},
		{"192.0.2.1%:53", "", NULL, NULL},
		{"192.0.2%eth0", "", NULL, NULL},
		{"192.0.2.1%eth0", "source=eth1", NULL, NULL}, /* two of them */
		{"192.0.2.1:53%eth0", "", NULL, NULL},
	};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		struct server_conf c;
		struct server *s;
		struct rng rng;
		const char *error = "";

		rng_seed(&rng, 1);
		assert_int_equal(make_conf(&c, cases[i].given, cases[i].options, &error), 0);
		s = server_new(&c, &rng, &error);
		if (!cases[i].kept) {
			assert_null(s);
			assert_int_equal(strncmp(error, "address: expected", 17), 0);
			continue;
		}
		if (!s)
			fail_msg("%s: %s", cases[i].given, error);
		assert_string_equal(s->conf.address, cases[i].kept);
		assert_string_equal(s->conf.source, cases[i].source);
		server_free(&s);
	}
}

/* ---- lists, written as words ---- */
static unsigned read_list(const char *words, struct addr *v)
{
	char copy[1024], *save = NULL;
	unsigned n = 0;

	snprintf(copy, sizeof(copy), "%s", words);
	for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save))
		assert_int_equal(addr_parse(&v[n++], w, 0), 0);
	return n;
}

static void set(struct server *s, const char *words)
{
	struct addr v[32];
	unsigned n = read_list(words, v);

	server_set_addrs(s, v, n);
}

static void good(struct server *s, const char *word)
{
	struct addr a;

	assert_int_equal(read_list(word, &a), 1);
	server_addr_good(s, &a);
}

static void is(const struct server *s, const char *words)
{
	struct addr v[SERVER_ADDRS], buf;
	unsigned n = server_addrs(s, v);
	char have[1024] = "", text[ADDR_TEXT];

	for (unsigned i = 0; i < n; i++) {
		strcat(have, i ? " " : "");
		strcat(have, addr_print(&v[i], false, text));
		assert_int_equal(v[i].port, 5300);
	}
	assert_string_equal(have, words);
	if (n)
		assert_true(addr_same(server_addr(s, &buf), &v[0]));
	else
		assert_int_equal(server_addr(s, &buf)->family, 0);
	assert_int_equal(server_addr(s, &buf)->port, 5300);
}

static void orders(void **state)
{
	static const struct {
		const char *given, *want;
	} cases[] = {
		{"192.0.2.1", "192.0.2.1"},
		{"192.0.2.1 192.0.2.2 2001:db8::1", "192.0.2.1 2001:db8::1 192.0.2.2"},
		{"2001:db8::1 2001:db8::2 192.0.2.1 192.0.2.2", "2001:db8::1 192.0.2.1 2001:db8::2 192.0.2.2"},
		{"192.0.2.1 192.0.2.1 192.0.2.2 192.0.2.1", "192.0.2.1 192.0.2.2"},
		{"192.0.2.1 192.0.2.2 192.0.2.3 192.0.2.4 192.0.2.5 192.0.2.6 192.0.2.7 192.0.2.8 192.0.2.9 2001:db8::1",
			"192.0.2.1 2001:db8::1 192.0.2.2 192.0.2.3 192.0.2.4 192.0.2.5 192.0.2.6 192.0.2.7"},
		{"192.0.2.1 192.0.2.2 192.0.2.3 192.0.2.4 192.0.2.5 192.0.2.6 192.0.2.7 192.0.2.8 192.0.2.9 192.0.2.10 "
		 "192.0.2.11 192.0.2.12 192.0.2.13 192.0.2.14 192.0.2.15 192.0.2.16 192.0.2.17 2001:db8::1",
			"192.0.2.1 192.0.2.2 192.0.2.3 192.0.2.4 192.0.2.5 192.0.2.6 192.0.2.7 192.0.2.8"},
	};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		struct server *s = make_server("dns.example:5300", "");

		is(s, "");
		set(s, cases[i].given);
		is(s, cases[i].want);
		server_free(&s);
	}
}

static void good_ones(void **state)
{
	struct server *s = make_server("dns.example:5300", "");

	(void)state;
	set(s, "192.0.2.1 192.0.2.2 2001:db8::1 2001:db8::2");
	is(s, "192.0.2.1 2001:db8::1 192.0.2.2 2001:db8::2");
	good(s, "192.0.2.2");
	is(s, "192.0.2.2 2001:db8::1 192.0.2.1 2001:db8::2");
	good(s, "2001:db8::2");
	is(s, "2001:db8::2 192.0.2.2 2001:db8::1 192.0.2.1");
	good(s, "192.0.2.77"); /* nobody knows it */
	is(s, "2001:db8::2 192.0.2.2 2001:db8::1 192.0.2.1");
	set(s, "192.0.2.1 2001:db8::2 192.0.2.3"); /* the good one stays first */
	is(s, "2001:db8::2 192.0.2.1 192.0.2.3");
	set(s, "192.0.2.1 192.0.2.3"); /* it went */
	is(s, "192.0.2.1 192.0.2.3");
	set(s, "192.0.2.3 192.0.2.1"); /* none is known to be good: as given */
	is(s, "192.0.2.3 192.0.2.1");
	set(s, ""); /* nothing: they stay */
	is(s, "192.0.2.3 192.0.2.1");
	server_free(&s);
}

static void turns(void **state)
{
	struct server *s = make_server("dns.example:5300", "");

	(void)state;
	assert_false(server_turn_addr(s));
	set(s, "192.0.2.1");
	assert_false(server_turn_addr(s));
	set(s, "192.0.2.1 2001:db8::1 192.0.2.2");
	good(s, "192.0.2.1");
	assert_true(server_turn_addr(s));
	is(s, "2001:db8::1 192.0.2.2 192.0.2.1");
	assert_true(server_turn_addr(s));
	is(s, "192.0.2.2 192.0.2.1 2001:db8::1");
	assert_true(server_turn_addr(s));
	is(s, "192.0.2.1 2001:db8::1 192.0.2.2");
	server_free(&s);
}

static void literals(void **state)
{
	struct server *s = make_server("192.0.2.1:5300", "");
	struct addr a;

	(void)state;
	is(s, "192.0.2.1");
	assert_int_equal(addr_parse(&a, "192.0.2.2", 0), 0);
	server_addr_good(s, &a);
	is(s, "192.0.2.1");
	assert_false(server_turn_addr(s));
	server_set_addr(s, &a);
	is(s, "192.0.2.2");
	server_free(&s);
}

/* ---- others read while it moves: they see whole addresses of one list ---- */
static _Atomic bool stop;

static void *reader(void *arg)
{
	struct server *s = arg;
	unsigned long seen = 0;

	while (!stop) {
		struct addr v[SERVER_ADDRS], buf;
		unsigned n = server_addrs(s, v);

		if (n != 2 && n != 3)
			return arg;
		for (unsigned i = 0; i < n; i++)
			for (unsigned k = 1; k < addr_len(&v[i]); k++)
				if (v[i].ip[k] != v[i].ip[0])
					return arg;
		if (server_addr(s, &buf)->ip[0] != buf.ip[3] || buf.port != 5300)
			return arg;
		server_addr_good(s, &v[seen++ % n]);
	}
	return NULL;
}

static void threads(void **state)
{
	static const char *const lists[] = {"1.1.1.1 2.2.2.2", "303:303:303:303:303:303:303:303 4.4.4.4 1.1.1.1"};
	struct server *s = make_server("dns.example:5300", "");
	pthread_t t[3];

	(void)state;
	stop = false;
	set(s, lists[0]);
	for (size_t i = 0; i < LEN(t); i++)
		assert_int_equal(pthread_create(&t[i], NULL, reader, s), 0);
	for (unsigned i = 0; i < 2000; i++) {
		set(s, lists[i & 1]);
		(void)server_turn_addr(s);
	}
	stop = true;
	for (size_t i = 0; i < LEN(t); i++) {
		void *failed;

		pthread_join(t[i], &failed);
		assert_null(failed);
	}
	server_free(&s);
}

int test_server_addr(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(ports), cmocka_unit_test(devices), cmocka_unit_test(orders),
		cmocka_unit_test(good_ones), cmocka_unit_test(turns), cmocka_unit_test(literals), cmocka_unit_test(threads)};

	return cmocka_run_group_tests_name("server_addr", tests, NULL, NULL);
}
