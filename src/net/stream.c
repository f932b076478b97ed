/* stream.c: DNS messages in a byte stream: two bytes of length, then the message (RFC 1035 4.2.2). */
#include "dns.h"
#include "mem.h"
#include "net.h"

int frame_next(const uint8_t *p, size_t len, const uint8_t **msg_r, size_t *msg_len_r)
{
	size_t n;

	if (len < 2)
		return 0;
	n = get16(p);
	if (n < DNS_HEADER)
		return -EBADMSG;
	if (len - 2 < n)
		return 0;
	*msg_r = p + 2;
	*msg_len_r = n;
	return 1;
}

enum { BYTES_MAX = 1 << 30 };

static int grow(struct bytes *b, size_t more)
{
	size_t cap = b->cap ? b->cap : 512;
	uint8_t *p;

	if (more > BYTES_MAX - b->len)
		return -ENOMEM;
	if (b->at && b->at + b->len + more > b->cap) {
		memmove(b->p, b->p + b->at, b->len);
		b->at = 0;
	}
	while (cap < b->len + more)
		cap *= 2;
	if (cap == b->cap && b->at + b->len + more <= cap)
		return 0;
	p = mem_resize(b->p, cap);
	if (!p)
		return -ENOMEM;
	b->p = p;
	b->cap = (uint32_t)cap;
	return 0;
}

int bytes_add(struct bytes *b, const void *p, size_t len)
{
	if (len == 0)
		return 0;
	if (b->at + b->len + len > b->cap && grow(b, len) < 0)
		return -ENOMEM;
	memcpy(b->p + b->at + b->len, p, len);
	b->len += (uint32_t)len;
	return 0;
}

int bytes_add_frame(struct bytes *b, const uint8_t *msg, size_t len)
{
	must(len <= DNS_MAX);
	if (b->at + b->len + len + 2 > b->cap && grow(b, len + 2) < 0)
		return -ENOMEM;
	put16(b->p + b->at + b->len, (unsigned)len);
	memcpy(b->p + b->at + b->len + 2, msg, len);
	b->len += (uint32_t)len + 2;
	return 0;
}

void bytes_drop(struct bytes *b, size_t n)
{
	must(n <= b->len);
	b->at += (uint32_t)n;
	b->len -= (uint32_t)n;
	if (b->len == 0)
		b->at = 0;
}

void bytes_free(struct bytes *b)
{
	mem_free(b->p);
	*b = (struct bytes){0};
}
