/* test_stamp.c: DNS stamps: a small writer here, the reader of the program, and what a backend makes of them. */
#include "make.h"
#include "text.h"
#include <stdlib.h>

int test_stamp(void);

enum { TEXT_MAX = 4096 };

/* ---- the writer: fields of a stamp as "kind|addr|hash,hash|host|path|bootstrap,bootstrap"; '-' leaves one out ---- */
struct bytes_out {
	uint8_t p[1024];
	size_t n;
};

static void put_string(struct bytes_out *b, const void *p, size_t len, unsigned more)
{
	b->p[b->n++] = (uint8_t)(len | more);
	memcpy(b->p + b->n, p, len);
	b->n += len;
}

static void put_list(struct bytes_out *b, char *list, bool hashes)
{
	char *save = NULL, *w = strtok_r(list, ",", &save), *next;

	if (!w)
		put_string(b, "", 0, 0);
	for (; w; w = next) {
		uint8_t hash[32];

		next = strtok_r(NULL, ",", &save);
		memset(hash, w[0], sizeof(hash));
		if (hashes)
			put_string(b, hash, strlen(w) == 1 ? 32 : strlen(w), next ? 0x80 : 0);
		else
			put_string(b, w, strlen(w), next ? 0x80 : 0);
	}
}

static const char *encode(const struct bytes_out *b)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	static char out[TEXT_MAX];
	size_t n = (size_t)sprintf(out, "sdns://");
	unsigned have = 0;
	uint32_t bits = 0;

	for (size_t i = 0; i < b->n; i++) {
		bits = bits << 8 | b->p[i];
		for (have += 8; have >= 6; have -= 6)
			out[n++] = digits[bits >> (have - 6) & 63];
	}
	if (have)
		out[n++] = digits[bits << (6 - have) & 63];
	out[n] = 0;
	return out;
}

static void fill(struct bytes_out *b, const char *fields)
{
	char copy[512], absent[] = "-", *f[6], *at = copy;

	snprintf(copy, sizeof(copy), "%s", fields);
	for (unsigned i = 0; i < 6; i++) {
		f[i] = at ? at : absent;
		at = at ? strchr(at, '|') : NULL;
		if (at)
			*at++ = 0;
	}
	memset(b, 0, sizeof(*b));
	b->p[b->n++] = (uint8_t)strtoul(f[0], NULL, 16);
	b->n += 8; /* properties */
	if (*f[1] != '-')
		put_string(b, f[1], strlen(f[1]), 0);
	if (*f[2] != '-')
		put_list(b, f[2], true);
	if (*f[3] != '-')
		put_string(b, f[3], strlen(f[3]), 0);
	if (*f[4] != '-')
		put_string(b, f[4], strlen(f[4]), 0);
	if (*f[5] != '-')
		put_list(b, f[5], false);
}

static const char *make(const char *fields)
{
	struct bytes_out b;

	fill(&b, fields);
	return encode(&b);
}

/* ---- the reader ---- */
static void good(void **state)
{
	static const struct {
		const char *fields, *addr, *host, *path;
		unsigned port, pins, bootstraps;
	} cases[] = {
		{"0|192.0.2.1", "192.0.2.1", "", "", 0, 0, 0},
		{"0|192.0.2.1:0", "192.0.2.1", "", "", 0, 0, 0}, /* as if there were none */
		{"0|192.0.2.1:5353", "192.0.2.1", "", "", 5353, 0, 0},
		{"0|[2001:db8::1]", "2001:db8::1", "", "", 0, 0, 0},
		{"0|[2001:db8::1]:5353", "2001:db8::1", "", "", 5353, 0, 0},
		{"2|192.0.2.1||dns.example|/dns-query", "192.0.2.1", "dns.example", "/dns-query", 0, 0, 0},
		{"2|||dns.example|/dns-query", "none", "dns.example", "/dns-query", 0, 0, 0},
		{"2|||dns.example:8443|/q", "none", "dns.example", "/q", 8443, 0, 0},
		{"2|:8443||dns.example|/q", "none", "dns.example", "/q", 8443, 0, 0},
		{"2|192.0.2.1:444||dns.example:8443|/q", "192.0.2.1", "dns.example", "/q", 8443, 0, 0},
		{"2|[2001:db8::1]:444|a|dns.example|/q|192.0.2.9", "2001:db8::1", "dns.example", "/q", 444, 1, 1},
		{"2||a,b,c|dns.example|/q|192.0.2.9,[2001:db8::9]:5353", "none", "dns.example", "/q", 0, 3, 2},
		{"2|||dns.example|/q|", "none", "dns.example", "/q", 0, 0, 0},
		{"2|||192.0.2.5:8443|/q", "192.0.2.5", "192.0.2.5", "/q", 8443, 0, 0},
		{"2|||[2001:db8::5]:8443|/q", "2001:db8::5", "2001:db8::5", "/q", 8443, 0, 0},
		{"2|192.0.2.1||[2001:db8::5]|/q", "192.0.2.1", "2001:db8::5", "/q", 0, 0, 0},
		{"2|||dns.example|/q|1.1.1.1,1.1.1.2,1.1.1.3,1.1.1.4,1.1.1.5,1.1.1.6,1.1.1.7,1.1.1.8,1.1.1.9", "none",
			"dns.example", "/q", 0, 0, 8},
		{"3|192.0.2.1|a|dns.example", "192.0.2.1", "dns.example", "", 0, 1, 0},
		{"3|||dns.example:8853|-|192.0.2.9", "none", "dns.example", "", 8853, 0, 1},
	};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		const char *error = "";
		struct stamp s;
		char buf[ADDR_TEXT];

		if (stamp_parse(&s, make(cases[i].fields), &error) < 0)
			fail_msg("%s: %s", cases[i].fields, error);
		assert_int_equal(s.kind, cases[i].fields[0] - '0');
		assert_string_equal(addr_print(&s.addr, false, buf), cases[i].addr);
		assert_string_equal(s.host, cases[i].host);
		assert_string_equal(s.path, cases[i].path);
		assert_int_equal(s.addr.port, cases[i].port);
		assert_int_equal(s.pins, cases[i].pins);
		assert_int_equal(s.bootstraps, cases[i].bootstraps);
		for (unsigned k = 0; k < s.pins; k++)
			assert_int_equal(s.pin[k][31], 'a' + k);
	}
	{
		const char *error = "";
		struct stamp s;

		assert_int_equal(stamp_parse(&s, make("2|||dns.example|/q|192.0.2.9,[2001:db8::9]:5353"), &error), 0);
		assert_int_equal(s.bootstrap[0].port, 53);
		assert_int_equal(s.bootstrap[1].port, 5353);
	}
}

static void bad(void **state)
{
	static const struct {
		const char *fields, *error;
	} cases[] = {
		{"1|192.0.2.1", "DNSCrypt backends are not supported yet"},
		{"4|192.0.2.1||dns.example", "DoQ backends are not supported yet"},
		{"5|dns.example", "Oblivious DoH targets are not"},
		{"81|192.0.2.1", "DNSCrypt relays are not"},
		{"85|192.0.2.1", "Oblivious DoH relays are not"},
		{"6|192.0.2.1", "a DNS stamp of an unknown kind (0x06)"},
		{"ff|192.0.2.1", "a DNS stamp of an unknown kind (0xff)"},
		{"0|", "a malformed DNS stamp"},
		{"0|-", "a malformed"},
		{"0|dns.example", "a malformed"},
		{"0|192.0.2.1|a", "a malformed"}, /* more than there should be */
		{"2|192.0.2.1||dns.example", "a malformed"},
		{"2|192.0.2.1||dns.example|dns-query", "a malformed"},
		{"2|192.0.2.1||dns.example|", "a malformed"},
		{"2|192.0.2.1|||/q", "a malformed"},
		{"2|192.0.2.1||dns..example|/q", "a malformed"},
		{"2|192.0.2.1||dns example|/q", "a malformed"},
		{"2|192.0.2.1||dns.example:x|/q", "a malformed"},
		{"2|192.0.2.1||dns.example:99999|/q", "a malformed"},
		{"2|192.0.2.1||dns.example|/q a", "a malformed"},
		{"2|192.0.2.1|aa|dns.example|/q", "a malformed"}, /* a hash of 2 bytes */
		{"2|192.0.2.1|a,b,c,d,e,f,g,h,i|dns.example|/q", "a malformed"}, /* nine hashes */
		{"2|192.0.2.1||dns.example|/q|there", "a malformed"},
		{"2|:x||dns.example|/q", "a malformed"},
		{"3|192.0.2.1|a", "a malformed"},
	};
	static const char *const texts[] = {"", "sdns://", "sdns:/AA", "192.0.2.1", "sdns://A", "sdns://AA==", "sdns://AB",
		"sdns://AAB", "sdns://AAAAA", "sdns://A+AA", "sdns://A/AA", "sdns://AAAA AAAA"};
	struct stamp s;

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		const char *error = "";

		if (stamp_parse(&s, make(cases[i].fields), &error) != -EINVAL)
			fail_msg("%s was taken", cases[i].fields);
		if (strncmp(error, cases[i].error, strlen(cases[i].error)) != 0)
			fail_msg("%s: %s", cases[i].fields, error);
	}
	for (size_t i = 0; i < LEN(texts); i++) {
		const char *error = "";

		assert_int_equal(stamp_parse(&s, texts[i], &error), -EINVAL);
		assert_non_null(strstr(error, "not a DNS stamp"));
	}
}

/* Every stamp cut short at any byte is refused; none is read past its end. */
static void cut(void **state)
{
	static const char *const whole[] = {"0|192.0.2.1", "2|192.0.2.1|a,b|dns.example|/dns-query", "3|||dns.example"};

	(void)state;
	for (size_t i = 0; i < LEN(whole); i++) {
		struct bytes_out b;
		size_t all;

		fill(&b, whole[i]);
		all = b.n;
		for (b.n = 0; b.n < all; b.n++) {
			const char *error = "";
			struct stamp s;

			assert_int_equal(stamp_parse(&s, encode(&b), &error), -EINVAL);
		}
	}
	{ /* and one that is too long to be one */
		static char text[TEXT_MAX] = "sdns://";
		const char *error = "";
		struct stamp s;

		memset(text + 7, 'A', sizeof(text) - 8);
		assert_int_equal(stamp_parse(&s, text, &error), -EINVAL);
	}
}

/* ---- what a backend makes of it ---- */
static struct server *new_server(const char *fields, const char *options, const char **error_r)
{
	struct server_conf c;
	struct rng rng;

	rng_seed(&rng, 1);
	assert_int_equal(make_conf(&c, make(fields), options, error_r), 0);
	return server_new(&c, &rng, error_r);
}

static void servers(void **state)
{
	static const struct {
		const char *fields, *options, *address, *tls, *path, *subject, *subject_addr, *pin, *bootstrap;
	} cases[] = {
		{"0|192.0.2.1", "", "192.0.2.1:53", "", "", "", "", NULL, NULL},
		{"3|192.0.2.1||dns.example", "", "192.0.2.1:853", "openssl", "", "dns.example", "", NULL, NULL},
		{"3|||dns.example", "", "dns.example:853", "openssl", "", "dns.example", "", NULL, NULL},
		{"3|||dns.example:8853|-|192.0.2.9", "", "dns.example:8853", "openssl", "", "dns.example", "", NULL,
			"192.0.2.9:53"},
		{"2|[2001:db8::1]||dns.example|/q", "", "[2001:db8::1]:443", "openssl", "/q", "dns.example", "", NULL, NULL},
		{"2|||192.0.2.5|/q", "", "192.0.2.5:443", "openssl", "/q", "", "192.0.2.5", NULL, NULL},
		{"2||a|dns.example|/q|192.0.2.9", "", "dns.example:443", "openssl", "/q", "dns.example", "",
			"6161616161616161616161616161616161616161616161616161616161616161", "192.0.2.9:53"},
		/* what is given wins */
		{"2||a|dns.example|/q|192.0.2.9", "tls=gnutls dohPath=/other subjectName=x.example bootstrap=192.0.2.8",
			"dns.example:443", "gnutls", "/other", "x.example", "",
			"6161616161616161616161616161616161616161616161616161616161616161", "192.0.2.8"},
		{"3|192.0.2.1||dns.example", "subjectAddr=192.0.2.1", "192.0.2.1:853", "openssl", "", "", "192.0.2.1", NULL,
			NULL},
	};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		const char *error = "";
		struct server *s = new_server(cases[i].fields, cases[i].options, &error);

		if (!s)
			fail_msg("%s: %s", cases[i].fields, error);
		assert_string_equal(s->conf.address, cases[i].address);
		assert_string_equal(s->conf.tls, cases[i].tls);
		assert_string_equal(s->conf.doh_path, cases[i].path);
		assert_string_equal(s->conf.subject_name, cases[i].subject);
		assert_string_equal(s->conf.subject_addr, cases[i].subject_addr);
		assert_int_equal(s->conf.pins.n, cases[i].pin != NULL);
		if (cases[i].pin)
			assert_string_equal(s->conf.pins.v[0], cases[i].pin);
		assert_int_equal(s->conf.bootstrap.n, cases[i].bootstrap != NULL);
		if (cases[i].bootstrap)
			assert_string_equal(s->conf.bootstrap.v[0], cases[i].bootstrap);
		assert_int_equal(s->is_name, s->addr.family == 0);
		server_free(&s);
	}
}

static void contradictions(void **state)
{
	static const struct {
		const char *fields, *options, *error;
	} cases[] = {
		{"0|192.0.2.1", "tls=openssl", "address: the stamp is one for plain DNS, which tls contradicts"},
		{"0|192.0.2.1", "dohPath=/x", "address: the stamp is one for plain DNS, which dohPath contradicts"},
		{"3|192.0.2.1||dns.example", "dohPath=/x", "address: the stamp is one for DoT, which dohPath contradicts"},
		{"1|192.0.2.1", "", "address: DNSCrypt backends are not supported yet"},
		{"0|", "", "address: a malformed DNS stamp"},
	};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		const char *error = "";

		assert_null(new_server(cases[i].fields, cases[i].options, &error));
		if (strncmp(error, cases[i].error, strlen(cases[i].error)) != 0)
			fail_msg("%s: %s", cases[i].fields, error);
	}
}

static void memory_out(void **state)
{
	bool made = false;

	(void)state;
	for (unsigned long n = 1; !made; n++) {
		struct server_conf c;
		struct rng rng;
		struct server *s;
		const char *error = "";

		rng_seed(&rng, 1);
		assert_int_equal(make_conf(&c, make("2||a,b|dns.example|/q|192.0.2.9,192.0.2.8"), "", &error), 0);
		mem_fail_at(n);
		s = server_new(&c, &rng, &error);
		mem_fail_at(0);
		made = s != NULL;
		assert_true(made || strstr(error, "out of memory") != NULL);
		server_free(&s);
		assert_in_range(n, 1, 60);
	}
}

int test_stamp(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(good), cmocka_unit_test(bad), cmocka_unit_test(cut),
		cmocka_unit_test(servers), cmocka_unit_test(contradictions), cmocka_unit_test(memory_out)};

	return cmocka_run_group_tests_name("stamp", tests, NULL, NULL);
}
