/* wire.h: messages for tests, written as hex and 'text': "0001 03'www'07'example'00". */
#ifndef TEST_DNS_WIRE_H
#define TEST_DNS_WIRE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dns.h"

struct wire {
	size_t len;
	uint8_t b[4096];
};

static inline unsigned wire_digit(char c)
{
	return c <= '9' ? (unsigned)(c - '0') : (unsigned)((c | 0x20) - 'a' + 10);
}

static inline struct wire wire(const char *spec)
{
	struct wire w = {0};

	while (*spec != '\0') {
		if (*spec == ' ') {
			spec++;
		} else if (*spec == '\'') {
			for (spec++; *spec != '\''; spec++)
				w.b[w.len++] = (uint8_t)*spec;
			spec++;
		} else {
			w.b[w.len++] = (uint8_t)(wire_digit(spec[0]) << 4 | wire_digit(spec[1]));
			spec += 2;
		}
	}
	return w;
}

/* wire_is fails the test unless |msg| is exactly what |spec| says. */
static inline void wire_is(const uint8_t *msg, size_t len, const char *spec)
{
	struct wire w = wire(spec);

	assert_int_equal(len, w.len);
	assert_memory_equal(msg, w.b, len);
}

/* tight copies to a block of exactly |len| bytes, so that a sanitizer sees one read too many. */
static inline uint8_t *tight(const struct wire *w, size_t len)
{
	uint8_t *p = malloc(len ? len : 1);

	assert_non_null(p);
	memcpy(p, w->b, len);
	return p;
}

static inline struct name name_of(const char *text)
{
	struct name n;

	assert_int_equal(name_from_text(&n, text, strlen(text)), 0);
	return n;
}

#endif
