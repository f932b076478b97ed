/* test_http_get_with_doh.c: the DNS message in a query string. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "http.h"

int test_http_get_with_doh(void);

static void query_strings(void **state)
{
	static const struct {
		const char *query, *message;
		ssize_t want;
		size_t cap;
	} cases[] = {
		{"dns=AAECAw", "\0\1\2\3", 4, 64},
		{"dns=AAECAw==", "\0\1\2\3", 4, 64},
		{"dns=AAECAw=", "\0\1\2\3", 4, 64},
		{"dns=AAECAw%3D%3D", "\0\1\2\3", 4, 64},
		{"dns=AAECAw%3d=", "\0\1\2\3", 4, 64},
		{"dns=AAEC", "\0\1\2", 3, 64},
		{"dns=AAE", "\0\1", 2, 64},
		{"dns=_-8", "\xff\xef", 2, 64},
		{"dns=zZ09", "\xcd\x9d\x3d", 3, 64},
		{"x=1&dns=AAEC&y=2", "\0\1\2", 3, 64},
		{"dns=AAEC&dns=____", "\0\1\2", 3, 64},
		{"dnsx=AAEC&dns=AAEC", "\0\1\2", 3, 64},
		{"&&dns=AAEC&", "\0\1\2", 3, 64},
		{"dns=AAEC", "\0\1\2", 3, 3},
		{"dns=AAEC", NULL, -EMSGSIZE, 2},
		{"dns=AAECAw", NULL, -EMSGSIZE, 3},
		{"", NULL, -ENOENT, 64},
		{"dn", NULL, -ENOENT, 64},
		{"x=1", NULL, -ENOENT, 64},
		{"DNS=AAEC", NULL, -ENOENT, 64},
		{"xdns=AAEC", NULL, -ENOENT, 64},
		{"x&=dns=AAEC", NULL, -ENOENT, 64},
		{"dns", NULL, -EBADMSG, 64},
		{"dns=", NULL, -EBADMSG, 64},
		{"dns=&dns=AAEC", NULL, -EBADMSG, 64},
		{"dns==", NULL, -EBADMSG, 64},
		{"dns=%3D", NULL, -EBADMSG, 64},
		{"dns=A", NULL, -EBADMSG, 64},
		{"dns=AAECA", NULL, -EBADMSG, 64},
		{"dns=AA+C", NULL, -EBADMSG, 64},
		{"dns=AA/C", NULL, -EBADMSG, 64},
		{"dns=AA%2BC", NULL, -EBADMSG, 64},
		{"dns=AA=CAw", NULL, -EBADMSG, 64},
		{"dns=AAECAw===", NULL, -EBADMSG, 64},
		{"dns=AA\xc3\xa4", NULL, -EBADMSG, 64},
	};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		size_t len = strlen(cases[i].query);
		char *query = malloc(len + 1); /* just that long, so that reading past it is seen */
		uint8_t *out = malloc(cases[i].cap);
		ssize_t got;

		assert_non_null(query);
		assert_non_null(out);
		memcpy(query + 1, cases[i].query, len);
		got = http_get_dns(query + 1, len, out, cases[i].cap);
		if (got != cases[i].want)
			fail_msg("%s: %zd", cases[i].query, got);
		if (got > 0)
			assert_memory_equal(out, cases[i].message, (size_t)got);
		free(query);
		free(out);
	}
}

/* Each byte in each place comes back. */
static void each_byte(void **state)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

	(void)state;
	for (uint32_t v = 0; v < 1u << 24; v += 257) {
		char query[] = "dns=....";
		uint8_t out[3];

		for (int i = 0; i < 4; i++)
			query[4 + i] = digits[v >> (18 - 6 * i) & 63];
		assert_int_equal(http_get_dns(query, 8, out, sizeof(out)), 3);
		assert_int_equal((uint32_t)out[0] << 16 | (uint32_t)out[1] << 8 | out[2], v);
	}
}

int test_http_get_with_doh(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(query_strings),
		cmocka_unit_test(each_byte),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
