/* text.h: a growing piece of text, and numbers from text. */
#ifndef SHREWD_TEXT_H
#define SHREWD_TEXT_H

#include "base.h"
#include <stdarg.h>

/* A text is zero-initialised; |p| is NUL-terminated or NULL.  Once memory was out, |failed| stays set and
 * later additions do nothing: check it once at the end. */
struct text {
	char *p;
	size_t len, cap;
	bool failed;
};
void text_add(struct text *, const char *s) NONNULL;
void text_add_bytes(struct text *, const void *p, size_t len) NONNULL;
void text_addf(struct text *, const char *fmt, ...) PRINTF(2, 3);
void text_vaddf(struct text *, const char *fmt, va_list) PRINTF(2, 0);
void text_pad(struct text *, size_t column) NONNULL; /* spaces until the line is |column| wide, at least one */
const char *text_str(const struct text *) NONNULL;   /* never NULL */
void text_clear(struct text *) NONNULL;              /* empties, keeps the memory */
void text_free(struct text *) NONNULL;

/* text_nth: the |i|th of strings that are kept one behind the other, each with its NUL: a table without pointers. */
const char *text_nth(const char *strings, size_t i) NONNULL;
/* text_like: does |s| look like |form|, where an x stands for a hexadecimal digit? */
bool text_like(const char *s, const char *form) NONNULL;
/* text_base64url decodes base64url without padding (RFC 4648, 5): how many bytes are at |out| now, -EBADMSG, or -EMSGSIZE:
 * more than |cap|.  |*rest_r|: the bits that are left over. */
ssize_t text_base64url(const char *p, size_t len, uint8_t *out, size_t cap, unsigned *rest_r) WUNUSED NONNULL;
/* text_u64 reads a whole decimal number; 0 or -EINVAL (empty, sign, rest, overflow). */
int text_u64(const char *s, uint64_t *out_r) WUNUSED NONNULL;
int text_double(const char *s, double *out_r) WUNUSED NONNULL;
enum {
#ifdef NO_DOCS
	TEXT_HINTS = 0
#else
	TEXT_HINTS = 1
#endif
};
/* text_near: of the words given one by one, the nearest to |word| in letters added, left out, changed or swapped; for
 * "did you mean".  |best| stays NULL when none is close, and always without TEXT_HINTS.  Zero but for |word| at first;
 * |best| is borrowed. */
struct text_near {
	const char *word, *best;
	unsigned distance;
};
void text_near_try(struct text_near *, const char *candidate) NONNULL;
/* error_set keeps a formatted sentence in a per-thread buffer, points |*error_r| at it, returns -EINVAL. */
int error_set(const char **error_r, const char *fmt, ...) PRINTF(2, 3);

#endif
