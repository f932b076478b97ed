/* test_text.c: growing text, numbers from text, error sentences. */
#include "text.h"
#include "mem.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void text_grows(void **state UNUSED)
{
	struct text t = {0};
	assert_string_equal(text_str(&t), "");
	for (unsigned i = 0; i < 1000; i++)
		text_addf(&t, "%u,", i);
	assert_false(t.failed);
	assert_int_equal(t.len, 10 * 2 + 90 * 3 + 900 * 4);
	assert_int_equal(strlen(t.p), t.len);
	assert_string_equal(t.p + t.len - 8, "998,999,");
	text_clear(&t);
	assert_string_equal(text_str(&t), "");
	text_add(&t, "ab");
	text_add_bytes(&t, "c\0d", 3);
	text_add(&t, "");
	assert_int_equal(t.len, 5);
	assert_memory_equal(t.p, "abc\0d", 6);
	text_free(&t);
	assert_null(t.p);
}

static void text_fills_each_size_exactly(void **state UNUSED)
{
	for (size_t n = 60; n < 70; n++) {
		struct text a = {0}, b = {0};
		text_addf(&a, "%*s", (int)n, "x");
		for (size_t i = 0; i < n; i++)
			text_add_bytes(&b, i + 1 < n ? " " : "x", 1);
		assert_string_equal(text_str(&a), text_str(&b));
		assert_true(a.len == n && a.len < a.cap && b.len < b.cap);
		text_free(&a);
		text_free(&b);
	}
}

static void columns(void **state UNUSED)
{
	struct text t = {0};
	text_pad(&t, 3);
	text_add(&t, "a");
	text_pad(&t, 8);
	text_add(&t, "b");
	text_pad(&t, 2);
	text_add(&t, "\nc");
	text_pad(&t, 4);
	text_add(&t, "d");
	assert_string_equal(text_str(&t), "   a    b \nc   d");
	text_free(&t);
}

static void failure_stays(void **state UNUSED)
{
	struct text t = {0};
	text_add(&t, "kept");
	mem_fail_at(1);
	text_addf(&t, "%200s", "");
	assert_true(t.failed);
	assert_string_equal(text_str(&t), "kept");
	text_add(&t, "x");
	text_addf(&t, "%d", 1);
	text_pad(&t, 9);
	assert_string_equal(text_str(&t), "kept");
	text_clear(&t);
	text_add(&t, "fresh");
	assert_false(t.failed);
	assert_string_equal(text_str(&t), "fresh");
	text_free(&t);
	mem_fail_at(1);
	text_pad(&t, 2);
	assert_true(t.failed);
	assert_string_equal(text_str(&t), "");
}

static void whole_numbers(void **state UNUSED)
{
	static const struct {
		const char *s;
		int rc;
		uint64_t v;
	} t[] = {
		{"0", 0, 0}, {"7", 0, 7}, {"0010", 0, 10}, {"18446744073709551615", 0, UINT64_MAX},
		{"18446744073709551616", -EINVAL, 0}, {"99999999999999999999", -EINVAL, 0}, {"", -EINVAL, 0},
		{"-1", -EINVAL, 0}, {"+1", -EINVAL, 0}, {" 1", -EINVAL, 0}, {"1 ", -EINVAL, 0}, {"1.0", -EINVAL, 0},
		{"0x1", -EINVAL, 0}, {"/", -EINVAL, 0}, {":", -EINVAL, 0},
	};
	for (size_t i = 0; i < LEN(t); i++) {
		uint64_t v = 0;
		assert_int_equal(text_u64(t[i].s, &v), t[i].rc);
		assert_true(v == t[i].v);
	}
}

static void real_numbers(void **state UNUSED)
{
	static const struct {
		const char *s;
		int rc;
		double v;
	} t[] = {
		{"0", 0, 0}, {"1.5", 0, 1.5}, {"-2", 0, -2}, {"1e3", 0, 1000}, {".5", 0, 0.5}, {"5.", 0, 5},
		{"", -EINVAL, 0}, {"e", -EINVAL, 0}, {"1e999", -EINVAL, 0}, {"inf", -EINVAL, 0}, {"nan", -EINVAL, 0},
		{"0x10", -EINVAL, 0}, {" 1", -EINVAL, 0}, {"1 ", -EINVAL, 0}, {"1,5", -EINVAL, 0},
		{"1.5.2", -EINVAL, 0},
	};
	for (size_t i = 0; i < LEN(t); i++) {
		double v = 0;
		assert_int_equal(text_double(t[i].s, &v), t[i].rc);
		assert_true(v == t[i].v);
	}
}

static void error_sentences(void **state UNUSED)
{
	const char *error = NULL;
	char longer[3000];
	assert_int_equal(error_set(&error, "port %d: %s", 70000, "too big"), -EINVAL);
	assert_string_equal(error, "port 70000: too big");
	const char *first = error;
	error_set(&error, "%s (twice: %s) in line 3", first, error);
	assert_string_equal(error, "port 70000: too big (twice: port 70000: too big) in line 3");
	memset(longer, 'x', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	error_set(&error, "%s", longer);
	assert_int_equal(strlen(error), 1023);
	assert_string_equal(error + 1019, "x...");
	assert_int_equal(error_set(NULL, "nobody listens"), -EINVAL);
}

static void words_that_are_near(void **state UNUSED)
{
	static const char *const words[] = {"address", "name", "tcpOnly", "caStore", "ciphers", "ciphersTLS13", "order", "ip"};
	static const struct {
		const char *word, *best;
	} t[] = {
		{"adress", "address"}, {"addresss", "address"}, {"adrdess", "address"}, {"tcponly", "tcpOnly"},
		{"castore", "caStore"}, {"caStor", "caStore"}, {"nam", "name"}, {"ciphersTLS", "ciphersTLS13"},
		{"cipher", "ciphers"}, {"ordre", "order"}, {"address", "address"}, {"weight", NULL}, {"ma", NULL}, {"x", NULL},
		{"", NULL}, {"pool", NULL},
		{"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", NULL},
	};
	for (size_t i = 0; i < LEN(t); i++) {
		struct text_near near = {.word = t[i].word};
		for (size_t k = 0; k < LEN(words); k++)
			text_near_try(&near, words[k]);
		if (!t[i].best)
			assert_null(near.best);
		else
			assert_string_equal(near.best, t[i].best);
	}
}

static void forms(void **state UNUSED)
{
	assert_true(text_like("", ""));
	assert_true(text_like("0aF-9", "xxx-x"));
	assert_false(text_like("0aF-", "xxx-x"));
	assert_false(text_like("0aF-99", "xxx-x"));
	assert_false(text_like("0aG-9", "xxx-x"));
	assert_false(text_like("0aF.9", "xxx-x"));
}

static void base64url(void **state UNUSED)
{
	static const struct {
		const char *in;
		ssize_t len;
		const char *out;
		unsigned rest;
	} t[] = {
		{"", 0, "", 0}, {"Zg", 1, "f", 0}, {"Zh", 1, "f", 1}, {"Zm8", 2, "fo", 0}, {"Zm9", 2, "fo", 1}, {"Zm9v", 3, "foo", 0},
		{"Zm9vYmFy", 6, "foobar", 0}, {"-_-_", 3, "\xfb\xff\xbf", 0}, {"Z", -EBADMSG, NULL, 0}, {"Zm9vY", -EBADMSG, NULL, 0},
		{"Zg==", -EBADMSG, NULL, 0}, {"Z+g", -EBADMSG, NULL, 0}, {"Zm9vYmFyZg", -EMSGSIZE, NULL, 0},
	};

	for (size_t i = 0; i < LEN(t); i++) {
		uint8_t out[6];
		unsigned rest = 9;
		ssize_t n = text_base64url(t[i].in, strlen(t[i].in), out, sizeof(out), &rest);

		if (n != t[i].len)
			fail_msg("'%s': %zd, expected %zd", t[i].in, n, t[i].len);
		if (n < 0)
			continue;
		assert_memory_equal(out, t[i].out, (size_t)n);
		assert_int_equal(rest, t[i].rest);
	}
}

int test_text(void);
int test_text(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_grows),
		cmocka_unit_test(text_fills_each_size_exactly),
		cmocka_unit_test(columns),
		cmocka_unit_test(failure_stays),
		cmocka_unit_test(whole_numbers),
		cmocka_unit_test(real_numbers),
		cmocka_unit_test(error_sentences),
		cmocka_unit_test(words_that_are_near),
		cmocka_unit_test(forms),
		cmocka_unit_test(base64url),
	};
	return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
