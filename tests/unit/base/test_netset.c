/* test_netset.c: sets of netmasks against a plain list searched for the longest match. */
#include "addr.h"
#include "hash.h"
#include "mem.h"
#include "text.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static struct addr ip(const char *text)
{
	struct addr a;
	assert_int_equal(addr_parse(&a, text, 0), 0);
	return a;
}

static struct netset *set_of(const char *const *masks)
{
	struct netset *s = netset_new();
	assert_non_null(s);
	for (; *masks != NULL; masks++)
		assert_int_equal(netset_add_text(s, *masks), 0);
	return s;
}

static void the_longest_match_decides(void **state UNUSED)
{
	static const char *const masks[] = {"10.0.0.0/8", "!10.1.0.0/16", "10.1.2.3", "192.168.0.0/16",
		"fe80::/10", "::1",
		"!2001:db8::/32", "2001::/16", NULL};
	static const struct {
		const char *addr;
		bool match;
	} t[] = {
		{"10.0.0.0", true}, {"10.255.255.255", true}, {"11.0.0.0", false}, {"9.255.255.255", false},
		{"10.1.0.0", false}, {"10.1.255.255", false}, {"10.1.2.3", true}, {"10.1.2.4", false},
		{"10.2.0.0", true},
		{"192.168.7.7", true}, {"192.169.0.0", false}, {"::ffff:10.0.0.1", true}, {"::ffff:10.1.0.1", false},
		{"::ffff:9.0.0.1", false}, {"fe80::1", true}, {"febf::", true}, {"fec0::", false}, {"::1", true},
		{"::2", false},
		{"::", false}, {"2001:db8::1", false}, {"2001:db7::1", true}, {"2002::", false},
	};
	struct netset *s = set_of(masks);
	assert_int_equal(netset_size(s), 8);
	for (size_t i = 0; i < LEN(t); i++) {
		struct addr a = ip(t[i].addr);
		if (netset_match(s, &a) != t[i].match)
			fail_msg("%s", t[i].addr);
	}
	struct addr none = {0};
	assert_false(netset_match(s, &none));
	netset_free(&s);
	assert_null(s);
	netset_free(&s);
}

static void everything_and_nothing(void **state UNUSED)
{
	static const char *const all[] = {"0.0.0.0/0", "::/0", NULL}, *const but[] = {"!0.0.0.0/0", "::/0", NULL};
	struct addr v4 = ip("1.2.3.4"), v6 = ip("::5"), mapped = ip("::ffff:1.2.3.4");
	struct netset *s = netset_new();
	assert_false(netset_match(s, &v4) || netset_match(s, &v6));
	netset_free(&s);
	s = set_of(all);
	assert_true(netset_match(s, &v4) && netset_match(s, &v6) && netset_match(s, &mapped));
	netset_clear(s);
	assert_int_equal(netset_size(s), 0);
	assert_false(netset_match(s, &v4) || netset_match(s, &v6));
	assert_int_equal(netset_add_text(s, "::/0"), 0);
	assert_true(!netset_match(s, &v4) && netset_match(s, &mapped)); /* no IPv4 mask has a word to say */
	netset_free(&s);
	s = set_of(but);
	assert_true(!netset_match(s, &v4) && !netset_match(s, &mapped) && netset_match(s, &v6));
	netset_free(&s);
}

static void garbage_is_refused(void **state UNUSED)
{
	static const char *const t[] = {"", "!", "!!1.2.3.4", "1.2.3.4/33", "nonsense", "1.2.3.4:53"};
	struct netset *s = netset_new();
	struct netmask m = {.net = ip("1.2.3.4"), .bits = 33};
	for (size_t i = 0; i < LEN(t); i++)
		assert_int_equal(netset_add_text(s, t[i]), -EINVAL);
	assert_int_equal(netset_add(s, &m, true), -EINVAL);
	m.net.family = 0;
	assert_int_equal(netset_add(s, &m, true), -EINVAL);
	assert_false(netset_remove(s, &m));
	assert_int_equal(netset_size(s), 0);
	netset_free(&s);
}

static bool list_mask(void *ctx, const struct netmask *m, bool positive)
{
	char buf[ADDR_TEXT];
	text_addf(ctx, "%s%s ", positive ? "" : "!", netmask_print(m, buf));
	return strcmp(buf, "10.1.2.3/32") != 0;
}

static void listing(void **state UNUSED)
{
	static const char *const masks[] = {"fe80::1/10", "192.168.1.1/16", "!10.128.0.0/9", "10.0.0.0/8",
		"0.0.0.0/0", NULL};
	struct netset *s = set_of(masks);
	struct text t = {0};
	netset_each(s, list_mask, &t);
	assert_string_equal(text_str(&t), "0.0.0.0/0 10.0.0.0/8 !10.128.0.0/9 192.168.0.0/16 fe80::/10 ");
	text_clear(&t);
	assert_int_equal(netset_add_text(s, "10.1.2.3"), 0);
	netset_each(s, list_mask, &t); /* ends where it is told to */
	assert_string_equal(text_str(&t), "0.0.0.0/0 10.0.0.0/8 10.1.2.3/32 ");
	text_free(&t);
	netset_free(&s);
}

static bool same_network(const struct netmask *a, const struct netmask *b)
{
	return a->bits == b->bits && netmask_match(a, &b->net);
}

/* Masks that nest and lie close together, in either family. */
static struct netmask some_mask(struct rng *r)
{
	struct netmask m;
	memset(&m, 0, sizeof(m));
	m.net.family = rng_below(r, 2) == 0 ? AF_INET : AF_INET6;
	m.bits = (uint8_t)rng_below(r, addr_len(&m.net) * 8 + 1);
	for (unsigned i = 0; i < addr_len(&m.net); i++)
		m.net.ip[i] = rng_below(r, 3) == 0 ? (uint8_t)(1u << rng_below(r, 8)) : 0;
	return m;
}

static void same_as_a_list(void **state UNUSED)
{
	enum { N = 64 };
	static struct {
		struct netmask mask;
		bool positive, there;
	} list[N];
	struct netset *s = netset_new();
	struct rng r;
	size_t size = 0;
	rng_seed(&r, 5);
	for (unsigned step = 0; step < 6000; step++) {
		struct netmask m = some_mask(&r);
		unsigned at = N, k;
		for (k = 0; k < N; k++)
			if (list[k].there && same_network(&list[k].mask, &m))
				at = k;
		if (at == N && rng_below(&r, 2) == 0) /* remove one that is there more often than not */
			at = rng_below(&r, N);
		if (at < N && list[at].there && rng_below(&r, 2) == 0) {
			assert_true(netset_remove(s, &list[at].mask));
			assert_false(netset_remove(s, &list[at].mask));
			list[at].there = false;
			size--;
		} else if (at < N && (!list[at].there || same_network(&list[at].mask, &m))) {
			for (k = 0; k < N; k++)
				if (list[k].there && same_network(&list[k].mask, &m))
					at = k;
			size += !list[at].there;
			list[at].mask = m;
			list[at].positive = rng_below(&r, 3) != 0;
			list[at].there = true;
			assert_int_equal(netset_add(s, &m, list[at].positive), 0);
		}
		assert_int_equal(netset_size(s), size);
		m = some_mask(&r);
		int best = -1;
		for (k = 0; k < N; k++)
			if (list[k].there && netmask_match(&list[k].mask, &m.net) &&
				(best < 0 || list[k].mask.bits > list[best].mask.bits))
				best = (int)k;
		if (!addr_is_mapped(&m.net))
			assert_int_equal(netset_match(s, &m.net), best >= 0 && list[best].positive);
	}
	assert_true(size > 10);
	for (unsigned k = 0; k < N; k++)
		if (list[k].there)
			assert_true(netset_remove(s, &list[k].mask));
	assert_int_equal(netset_size(s), 0);
	netset_free(&s);
}

static void coming_and_going_does_not_grow(void **state UNUSED)
{
	static const char *const masks[] = {"10.0.0.0/8", "10.64.0.0/16", "192.168.0.0/16", NULL};
	struct netset *s = set_of(masks);
	struct netmask m = {.net = ip("0.0.0.0"), .bits = 32};
	struct rng r;
	rng_seed(&r, 9);
	unsigned long before = mem_calls();
	for (unsigned i = 0; i < 2000; i++) {
		put32(m.net.ip, rng_u32(&r));
		assert_int_equal(netset_add(s, &m, true), 0);
		assert_true(netset_remove(s, &m));
	}
	assert_true(mem_calls() - before <= 1);
	assert_int_equal(netset_size(s), 3);
	netset_free(&s);
}

static void copies_are_apart(void **state UNUSED)
{
	static const char *const masks[] = {"10.0.0.0/8", "172.16.0.0/12", "fe80::/10", NULL};
	struct netset *s = set_of(masks), *c = netset_copy(s);
	struct addr in = ip("10.1.1.1"), new = ip("192.0.2.1");
	assert_int_equal(netset_size(c), 3);
	netset_clear(s);
	assert_int_equal(netset_add_text(c, "192.0.2.0/24"), 0);
	assert_true(netset_match(c, &in) && netset_match(c, &new));
	assert_false(netset_match(s, &in) || netset_match(s, &new));
	netset_free(&s);
	netset_free(&c);
}

static void no_memory_changes_nothing(void **state UNUSED)
{
	static const char *const masks[] = {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16",
		"100.64.0.0/10",
		"fe80::/10", "fc00::/7", "::1", "2001:db8::1"};
	for (unsigned at = 1; at < 8; at++) {
		struct netset *s = netset_new();
		unsigned added = 0;
		mem_fail_at(at);
		for (size_t i = 0; i < LEN(masks); i++) {
			int rc = netset_add_text(s, masks[i]);
			assert_true(rc == 0 || rc == -ENOMEM);
			added += rc == 0;
		}
		mem_fail_at(0);
		assert_int_equal(netset_size(s), added);
		assert_true(added >= LEN(masks) - 1);
		assert_true(at > 4 || added == LEN(masks) - 1);
		for (size_t i = 0; i < LEN(masks); i++)
			assert_int_equal(netset_add_text(s, masks[i]), 0);
		assert_int_equal(netset_size(s), LEN(masks));
		for (unsigned n = 1; n <= 3; n++) {
			mem_fail_at(n);
			assert_null(netset_copy(s));
		}
		mem_fail_at(0);
		netset_free(&s);
	}
	mem_fail_at(1);
	assert_null(netset_new());
}

int test_netset(void);
int test_netset(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_longest_match_decides),
		cmocka_unit_test(everything_and_nothing),
		cmocka_unit_test(garbage_is_refused),
		cmocka_unit_test(listing),
		cmocka_unit_test(same_as_a_list),
		cmocka_unit_test(coming_and_going_does_not_grow),
		cmocka_unit_test(copies_are_apart),
		cmocka_unit_test(no_memory_changes_nothing),
	};
	return cmocka_run_group_tests_name("netset", tests, NULL, NULL);
}
