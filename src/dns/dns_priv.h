/* dns_priv.h: what the files of this room share: letters eight at a time, names inside records,
 * moving the tail of a message. */
#ifndef SHREWD_DNS_PRIV_H
#define SHREWD_DNS_PRIV_H

#include "dns.h"

enum { POINTER = 0xc0, POINTER_MAX = 0x3fff, LABEL_MAX = 63, RR_FIXED = 10, OPT_FIXED = 11 };

HOT uint8_t lower_byte(uint8_t c)
{
	return (uint8_t)(c - 'A') < 26 ? c | 0x20 : c;
}

/* lower_word makes the ASCII capitals among eight bytes small.  Adding to the low seven bits of
 * each byte raises its high bit when the byte is past a bound; no carry leaves a byte, so the
 * byte order is free. */
HOT uint64_t lower_word(uint64_t x)
{
	const uint64_t ones = 0x0101010101010101;
	uint64_t low = x & ones * 0x7f;
	uint64_t from_a = low + ones * (0x80 - 'A');
	uint64_t past_z = low + ones * (0x7f - 'Z');
	uint64_t capital = (from_a ^ past_z) & ~x & ones * 0x80;

	return x | capital >> 2;
}

HOT uint64_t load_word(const uint8_t *p)
{
	uint64_t x;

	memcpy(&x, p, sizeof(x));
	return x;
}

/* lower_copy copies |len| bytes in lower case; reads and writes nothing else.  |out| may be
 * |in|. */
HOT void lower_copy(uint8_t *out, const uint8_t *in, size_t len)
{
	size_t i = 0;
	uint64_t x;

	for (; i + 8 <= len; i += 8) {
		x = lower_word(load_word(in + i));
		memcpy(out + i, &x, sizeof(x));
	}
	if (i < len && len >= 8) { /* the last eight once more: lowering twice does no harm */
		x = lower_word(load_word(in + len - 8));
		memcpy(out + len - 8, &x, sizeof(x));
		return;
	}
	for (; i < len; i++)
		out[i] = lower_byte(in[i]);
}

/* bytes_same compares |len| bytes ignoring the case of ASCII letters. */
HOT bool bytes_same(const uint8_t *a, const uint8_t *b, size_t len)
{
	size_t i = 0;
	uint64_t x, y;

	for (; i + 8 <= len; i += 8) {
		x = load_word(a + i);
		y = load_word(b + i);
		if (x != y && lower_word(x) != lower_word(y))
			return false;
	}
	if (i < len && len >= 8)
		return lower_word(load_word(a + len - 8)) == lower_word(load_word(b + len - 8));
	for (; i < len; i++) {
		if (lower_byte(a[i]) != lower_byte(b[i]))
			return false;
	}
	return true;
}

static inline bool is_pointer(uint8_t c)
{
	return (c & POINTER) == POINTER;
}

static inline unsigned pointer_target(const uint8_t *p)
{
	return get16(p) & POINTER_MAX;
}

/* rr_names finds the names in a record that may hold compression pointers: first the owner, then
 * those in the data of types that RFC 1035 and RFC 3597 section 4 name.  Returns how many, or
 * -EBADMSG.
 * |compress_r|: may the names in the data be written compressed? */
enum { RR_NAMES = 3 };
int rr_names(const uint8_t *msg, const struct rr *, size_t at_r[RR_NAMES],
	bool *compress_r) WUNUSED NONNULL;

/* msg_shift_check: could the records behind the hole [|at|, |hole_end|) move by |delta| bytes?
 * |end| is msg_end().  0, or -EBADMSG where a pointer leads into the hole or would not reach any
 * more.
 * msg_shift then moves all that follows |hole_end| and corrects the pointers in those records. */
int msg_shift_check(
	const uint8_t *msg, size_t end, size_t at, size_t hole_end, ssize_t delta) WUNUSED NONNULL;
void msg_shift(uint8_t *msg, size_t end, size_t hole_end, ssize_t delta) NONNULL;

/* edns_scan is edns_find with the end of the last record in |end_r|. */
int edns_scan(struct edns *, size_t *end_r, const uint8_t *msg, size_t len) WUNUSED NONNULL;

#endif
