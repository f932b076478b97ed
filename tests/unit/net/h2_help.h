/* h2_help.h: frames of HTTP/2 made by hand, and a look at those that come back. */
#ifndef H2_HELP_H
#define H2_HELP_H

#include "http.h"
#include <stdlib.h>

enum { DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION, UNKNOWN };
enum { END_STREAM = 1, ACK = 1, END_HEADERS = 4, PADDED = 8 };
enum { PROTOCOL_ERROR = 1, REFUSED_STREAM = 7, CANCEL = 8, ENHANCE_YOUR_CALM = 11 };
#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

/* what is to be fed */
struct wire {
	size_t len;
	uint8_t p[400000];
};

static inline void put(struct wire *w, const void *p, size_t len)
{
	must(w->len + len <= sizeof(w->p));
	if (len)
		memcpy(w->p + w->len, p, len);
	w->len += len;
}

static inline void put_frame(struct wire *w, unsigned type, unsigned flags, uint32_t stream, const void *p, size_t len)
{
	uint8_t head[9];

	put32(head, (uint32_t)(len << 8 | type));
	head[4] = (uint8_t)flags;
	put32(head + 5, stream);
	put(w, head, 9);
	put(w, p, len);
}

static inline void put_u32(struct wire *w, unsigned type, uint32_t stream, uint32_t value)
{
	uint8_t p[4];

	put32(p, value);
	put_frame(w, type, 0, stream, p, 4);
}

static inline void put_setting(struct wire *w, unsigned id, uint32_t value)
{
	uint8_t p[6];

	put16(p, id);
	put32(p + 2, value);
	put_frame(w, SETTINGS, 0, 0, p, 6);
}

/* feed_all hands all of |w| to |feed|, as many turns as it takes: what it said last */
static inline ssize_t feed_all(struct wire *w, ssize_t (*feed)(const uint8_t *p, size_t len))
{
	ssize_t n = 0;

	for (size_t at = 0; at < w->len; at += (size_t)n) {
		n = feed(w->p + at, w->len - at);
		if (n < 0)
			break;
		must(n >= 1 && (size_t)n <= w->len - at);
	}
	w->len = 0;
	return n;
}

/* a header block: names and values in turn, none of them in a table, up to 126 bytes each */
static inline size_t block(uint8_t *p, const char *const *fields)
{
	size_t n = 0;

	for (; fields[0]; fields += 2) {
		p[n++] = 0;
		for (int i = 0; i < 2; i++) {
			size_t len = strlen(fields[i]);

			must(len < 127);
			p[n++] = (uint8_t)len;
			memcpy(p + n, fields[i], len);
			n += len;
		}
	}
	return n;
}

static inline void put_headers(struct wire *w, uint32_t stream, unsigned flags, const char *const *fields)
{
	uint8_t p[16384];

	put_frame(w, HEADERS, flags | END_HEADERS, stream, p, block(p, fields));
}

static inline void put_get(struct wire *w, uint32_t stream)
{
	static const char *const get[] = {":method", "GET", ":scheme", "https", ":authority", "dns.example", ":path",
		"/dns-query?dns=AAAA", "accept", "application/dns-message", NULL};

	put_headers(w, stream, END_STREAM, get);
}

static inline void put_post(struct wire *w, uint32_t stream)
{
	static const char *const post[] = {":method", "POST", ":scheme", "https", ":authority", "dns.example", ":path",
		"/dns-query", "content-type", "application/dns-message", NULL};

	put_headers(w, stream, 0, post);
}

/* frame_of finds the |nth| frame of a type on a stream in what was sent; NULL none.  Preface and frames must be whole. */
static inline const uint8_t *frame_of(const struct bytes *b, unsigned type, uint32_t stream, unsigned nth)
{
	size_t at = 0;

	if (b->len >= 24 && memcmp(b->p + b->at, PREFACE, 24) == 0)
		at = 24;
	while (at < b->len) {
		const uint8_t *f = b->p + b->at + at;

		must(b->len - at >= 9 && b->len - at - 9 >= get32(f) >> 8);
		if (f[3] == type && get32(f + 5) == stream && nth-- == 0)
			return f;
		at += 9 + (get32(f) >> 8);
	}
	return NULL;
}

/* The error code of the GOAWAY that was sent, -1 none. */
static inline int64_t goaway_code(const struct bytes *b)
{
	const uint8_t *f = frame_of(b, GOAWAY, 0, 0);

	return f ? (int64_t)get32(f + 13) : -1;
}

static inline int64_t reset_code(const struct bytes *b, uint32_t stream)
{
	const uint8_t *f = frame_of(b, RST_STREAM, stream, 0);

	return f ? (int64_t)get32(f + 9) : -1;
}

#endif
