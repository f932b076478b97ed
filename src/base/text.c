/* text.c: a growing piece of text, numbers from text, words that are alike, and error sentences. */
#include "text.h"
#include "mem.h"
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { TEXT_FIRST = 64, ERROR_TEXT = 1024, NEAR_LEN = 64, NEAR_MAX = 3 };

/* Makes room for |more| bytes and the NUL. */
static bool text_reserve(struct text *t, size_t more)
{
	if (t->failed)
		return false;
	if (more < t->cap && t->len < t->cap - more)
		return true;
	size_t cap = t->cap != 0 ? t->cap : TEXT_FIRST;
	while (cap <= SIZE_MAX / 4 && (more >= cap || t->len >= cap - more))
		cap *= 2;
	char *p = cap <= SIZE_MAX / 4 ? mem_resize(t->p, cap) : NULL;
	if (p == NULL) {
		t->failed = true;
		return false;
	}
	t->p = p;
	t->cap = cap;
	return true;
}

const char *text_nth(const char *strings, size_t i)
{
	for (; i > 0; i--)
		strings += strlen(strings) + 1;
	return strings;
}

void text_add_bytes(struct text *t, const void *p, size_t len)
{
	if (!text_reserve(t, len))
		return;
	if (len != 0)
		memcpy(t->p + t->len, p, len);
	t->len += len;
	t->p[t->len] = '\0';
}

void text_add(struct text *t, const char *s)
{
	text_add_bytes(t, s, strlen(s));
}

void text_vaddf(struct text *t, const char *fmt, va_list ap)
{
	va_list again;
	va_copy(again, ap);
	size_t room = t->cap - t->len;
	int len = t->failed ? -1 : vsnprintf(room != 0 ? t->p + t->len : NULL, room, fmt, ap);
	if (len >= 0 && (size_t)len < room) {
		t->len += (size_t)len;
	} else if (len >= 0 && text_reserve(t, (size_t)len)) {
		vsnprintf(t->p + t->len, t->cap - t->len, fmt, again);
		t->len += (size_t)len;
	} else {
		t->failed = true;
		if (t->p != NULL)
			t->p[t->len] = '\0'; /* takes back what the first try wrote */
	}
	va_end(again);
}

void text_addf(struct text *t, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	text_vaddf(t, fmt, ap);
	va_end(ap);
}

void text_pad(struct text *t, size_t column)
{
	size_t width = 0;
	while (width < t->len && t->p[t->len - width - 1] != '\n')
		width++;
	size_t n = column > width ? column - width : 1;
	if (!text_reserve(t, n))
		return;
	memset(t->p + t->len, ' ', n);
	t->len += n;
	t->p[t->len] = '\0';
}

const char *text_str(const struct text *t)
{
	return t->p != NULL ? t->p : "";
}

void text_clear(struct text *t)
{
	t->len = 0;
	t->failed = false;
	if (t->p != NULL)
		t->p[0] = '\0';
}

void text_free(struct text *t)
{
	mem_free(t->p);
	memset(t, 0, sizeof(*t));
}

/* What each character of base64url stands for, 64: nothing. */
static unsigned base64_value(char c)
{
	if (c >= 'a' && c <= 'z')
		return (unsigned)(c - 'a') + 26;
	if (c >= 'A' && c <= 'Z')
		return (unsigned)(c - 'A');
	if (c >= '0' && c <= '9')
		return (unsigned)(c - '0') + 52;
	return c == '-' ? 62 : c == '_' ? 63 : 64;
}

ssize_t text_base64url(const char *p, size_t len, uint8_t *out, size_t cap, unsigned *rest_r)
{
	size_t have = 0;
	uint32_t bits = 0;

	if (len % 4 == 1)
		return -EBADMSG;
	if (len / 4 * 3 + len % 4 * 3 / 4 > cap)
		return -EMSGSIZE;
	for (size_t i = 0; i < len; i++) {
		unsigned v = base64_value(p[i]);

		if (unlikely(v > 63))
			return -EBADMSG;
		bits = bits << 6 | v;
		if (i % 4 != 0)
			out[have++] = (uint8_t)(bits >> (6 - i % 4 * 2));
	}
	*rest_r = bits & ((len % 4 == 2 ? 0xfu : len % 4 == 3 ? 3u : 0u));
	return (ssize_t)have;
}

bool text_like(const char *s, const char *form)
{
	for (; *form; s++, form++)
		if (*form == 'x' ? !isxdigit((unsigned char)*s) : *s != *form)
			return false;
	return !*s;
}

int text_u64(const char *s, uint64_t *out_r)
{
	uint64_t v = 0;
	if (*s == '\0')
		return -EINVAL;
	for (; *s != '\0'; s++) {
		if (*s < '0' || *s > '9')
			return -EINVAL;
		unsigned digit = (unsigned)(*s - '0');
		if (v > (UINT64_MAX - digit) / 10)
			return -EINVAL;
		v = v * 10 + digit;
	}
	*out_r = v;
	return 0;
}

int text_double(const char *s, double *out_r)
{
	/* strtod() would also take spaces, hexadecimal, "inf" and "nan". */
	if (*s == '\0' || s[strspn(s, "0123456789+-.eE")] != '\0')
		return -EINVAL;
	char *end;
	double v = strtod(s, &end);
	if (end == s || *end != '\0' || !isfinite(v))
		return -EINVAL;
	*out_r = v;
	return 0;
}

/* distance counts the edits that make |a| of |b|, upper and lower case alike (optimal string alignment); NEAR_MAX + 1 for
 * words too long to be mistaken for one another. */
static unsigned distance(const char *a, const char *b)
{
	unsigned row[3][NEAR_LEN + 1], *two = row[0], *one = row[1], *now = row[2];
	size_t la = strlen(a), lb = strlen(b);
	if (la > NEAR_LEN || lb > NEAR_LEN)
		return NEAR_MAX + 1;
	for (size_t j = 0; j <= lb; j++)
		one[j] = (unsigned)j;
	for (size_t i = 1; i <= la; i++) {
		now[0] = (unsigned)i;
		for (size_t j = 1; j <= lb; j++) {
			int x = tolower((unsigned char)a[i - 1]), y = tolower((unsigned char)b[j - 1]);
			unsigned best = one[j - 1] + (x != y);
			if (one[j] + 1 < best)
				best = one[j] + 1;
			if (now[j - 1] + 1 < best)
				best = now[j - 1] + 1;
			if (i > 1 && j > 1 && x == tolower((unsigned char)b[j - 2]) &&
				y == tolower((unsigned char)a[i - 2]) && two[j - 2] + 1 < best)
				best = two[j - 2] + 1;
			now[j] = best;
		}
		unsigned *free_row = two;
		two = one;
		one = now;
		now = free_row;
	}
	return one[lb];
}

void text_near_try(struct text_near *n, const char *candidate)
{
	if (!TEXT_HINTS)
		return;
	size_t len = strlen(n->word);
	/* A third of the letters may differ, and NEAR_MAX at most: more is another word. */
	unsigned most = len < 3 ? 0 : len / 3 < NEAR_MAX ? (unsigned)(len / 3) : NEAR_MAX, d = distance(n->word, candidate);
	if (d > most || (n->best != NULL && d >= n->distance))
		return;
	n->best = candidate;
	n->distance = d;
}

int error_set(const char **error_r, const char *fmt, ...)
{
	static _Thread_local char kept[ERROR_TEXT];
	char fresh[ERROR_TEXT]; /* an argument may be the sentence in |kept| */
	va_list ap;
	if (error_r == NULL)
		return -EINVAL;
	va_start(ap, fmt);
	int len = vsnprintf(fresh, sizeof(fresh), fmt, ap);
	va_end(ap);
	if (len < 0)
		fresh[0] = '\0';
	else if ((size_t)len >= sizeof(fresh))
		memcpy(fresh + sizeof(fresh) - 4, "...", 4);
	memcpy(kept, fresh, strlen(fresh) + 1);
	*error_r = kept;
	return -EINVAL;
}
