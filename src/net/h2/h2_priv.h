/* h2_priv.h: private to src/net/h2: what server and client share of a session, a request while it is put together. */
#ifndef SHREWD_H2_PRIV_H
#define SHREWD_H2_PRIV_H

#include "http.h"
#include "mem.h"
#include <nghttp2/nghttp2.h>

/* ---- session.c: nghttp2 with our memory, and limits on what a peer makes us do ---- */
enum { FRAME_HEAD = 9 };
struct h2_shared;
struct h2_making;
struct h2_piece;
struct h2 {
	nghttp2_session *session;
	struct h2_shared *shared;    /* what the sessions of a thread share */
	struct h2_piece *pieces;     /* all memory of the session */
	struct h2_making *making;    /* inside nghttp2_session_*_new3() */
	uint8_t *table, *table_at;   /* its own table of streams, NULL: it reads the empty one; where that stands */
	bool borrows;                /* it writes its frames to the buffer of its thread */
	uint8_t have, head[FRAME_HEAD]; /* the head of the next frame, as far as it has come */
	uint32_t left;               /* bytes of the frame's payload that are still to come */
	uint32_t block;              /* bytes of the header block on the wire */
	uint32_t fields, field_bytes; /* of the header block, unpacked */
	int32_t work;                /* what may still be done in this turn */
	int32_t credit;              /* frames that the peer may still send without any use */
	int error;                   /* -E…: the session has ended with it */
	size_t expected;             /* frames in the library's queue, as far as we know */
	struct bytes early;          /* made before it was asked for */
	bool single;                 /* h2_send() stops behind the end of an answer */
};
struct h2_kind {
	bool server;
	size_t table; /* bytes of the header table of what we send, at most */
	const nghttp2_settings_entry *settings;
	size_t nsettings;
	nghttp2_on_begin_headers_callback begin;
	nghttp2_on_header_callback header;
	nghttp2_on_data_chunk_recv_callback data;
	nghttp2_on_frame_recv_callback frame;
	nghttp2_on_stream_close_callback close;
	nghttp2_on_frame_not_send_callback not_sent; /* may be NULL */
};
/* Callbacks get the struct h2 as their user data. */
int h2_open(struct h2 *, const struct h2_kind *) WUNUSED NONNULL; /* 0 or -ENOMEM; |*h| was zeroed */
void h2_close(struct h2 *) NONNULL;
void h2_turn(struct h2 *) NONNULL;
ssize_t h2_recv(struct h2 *, const uint8_t *p, size_t len) WUNUSED NONNULL; /* as http_server_feed() */
int h2_send(struct h2 *, struct bytes *out, size_t max) WUNUSED NONNULL;
void h2_fields(struct h2 *) NONNULL; /* a header block begins */
void h2_rest(struct h2 *) NONNULL;   /* there are no streams: gives back what an idle session does not need */
int h2_field(struct h2 *, size_t name_len, size_t value_len) WUNUSED NONNULL; /* counts one; not 0: return it */
void h2_useful(struct h2 *, int frames) NONNULL; /* so many more may come without use */
void h2_reset(struct h2 *, int32_t stream, uint32_t code) NONNULL;
int h2_break(struct h2 *, int error) NONNULL;    /* ends the session; what a callback returns then */
nghttp2_nv h2_nv(const char *name, const char *value, size_t value_len, bool keep_value) NONNULL;
size_t h2_number(char *to, uint64_t n) NONNULL; /* in decimal, without a NUL: at most 20 bytes */

/* ---- request.c: a request in one block, which grows while it comes ---- */
struct asked {
	struct http_request r;       /* what the owner sees; pointers are set when it is whole */
	struct asked *next, **link;  /* of the connection's open requests */
	bool whole, answered;
	uint32_t path, query, host, type, accept, forwarded; /* places in text[], 0: none, which is "" */
	uint32_t fields, nfields, fields_end, array; /* name, NUL, value, NUL …, and room for the pointers to them */
	uint32_t body, body_len;
	uint32_t used, cap;          /* of text[] */
	uint32_t sent, out_len;      /* of the answer's body */
	uint32_t cost;               /* of the answer, in |kept| of the connection */
	uint8_t *out;                /* which is here: text[], or a block of its own */
	uint8_t text[];
};
/* STREAM_COST: what the library has of a stream, and its answer's fields, about. */
enum { STREAM_COST = 1024, TEXT_FIRST = 192 };
#define ASKED_SMALL (sizeof(struct asked) + STREAM_COST + TEXT_FIRST) /* what each has at least */
struct http_server;
struct asked *asked_new(struct http_server *, uint32_t stream, unsigned version) WUNUSED NONNULL;
void asked_free(struct http_server *, struct asked *) NONNULL;
size_t asked_size(const struct asked *) NONNULL; /* with its stream */
size_t asked_held(const struct asked *) NONNULL; /* what of it is in |held|: of a whole one, only what is large */
/* These may move the request.  0, -ENOMEM, -ENOBUFS: the connection holds too much, -EINVAL: a NUL, or the wrong order. */
int asked_method(struct http_server *, struct asked **, const uint8_t *p, size_t len) WUNUSED NONNULL;
int asked_target(struct http_server *, struct asked **, const uint8_t *p, size_t len) WUNUSED NONNULL;
int asked_host(struct http_server *, struct asked **, const uint8_t *p, size_t len) WUNUSED NONNULL;
int asked_field(struct http_server *, struct asked **, const uint8_t *name, size_t name_len, const uint8_t *value,
	size_t value_len) WUNUSED NONNULL; /* the name in lower case */
int asked_head_done(struct http_server *, struct asked **) WUNUSED NONNULL;
int asked_body(struct http_server *, struct asked **, const uint8_t *p, size_t len) WUNUSED NONNULL; /* or -EMSGSIZE */
void asked_whole(struct http_server *, struct asked *) NONNULL; /* gives it to the owner */
/* asked_out makes room for the answer's body, 0 or -ENOMEM; asked_put copies it there. */
int asked_out(struct asked *, size_t len) WUNUSED NONNULL;
void asked_put(struct asked *, const uint8_t *body, size_t len) NONNULL;

/* ---- server.c ---- */
struct h1;
struct http_server {
	const struct http_server_ops *ops;
	void *ctx;
	void (*refuses)(void *ctx, unsigned version, struct http_reply *);
	bool keep_fields, http1, ended;
	bool clear;              /* the connection is not encrypted */
	bool leaving;            /* our GOAWAY is on its way: no new requests */
	bool cut;                /* requests were answered before their end: their streams are not wanted any more */
	uint8_t mode;            /* enum in server.c */
	uint8_t matched;         /* bytes of the preface so far */
	uint32_t open, half;     /* requests without an answer; of those, not whole */
	size_t held;             /* bytes of those that are not whole, or large */
	size_t queued;           /* bytes of answers that have not left */
	size_t kept;             /* what those answers cost */
	struct asked *asks;      /* all requests that are open or whose answer is on its way */
	struct asked *current;   /* whose header block is read */
	struct h1 *h1;
	struct h2 h2;
};
unsigned reply_status(const struct http_reply *) NONNULL;
bool reply_bare(const struct http_reply *) NONNULL;
void server_refuses(struct http_server *, unsigned version, struct http_reply *) NONNULL; /* tells the owner */

/* ---- http1.c ---- */
struct h1 *h1_new(void) WUNUSED;
void h1_free(struct http_server *) NONNULL;
ssize_t h1_feed(struct http_server *, const uint8_t *p, size_t len) WUNUSED NONNULL;
int h1_answer(struct http_server *, struct asked *, const struct http_reply *) WUNUSED NONNULL;
int h1_drain(struct http_server *, struct bytes *out) WUNUSED NONNULL;
int h1_refuse(struct http_server *, unsigned status) WUNUSED NONNULL; /* answers by itself, and ends */
void h1_goaway(struct http_server *) NONNULL;
bool h1_half(const struct h1 *) NONNULL;
size_t h1_memory(const struct h1 *) NONNULL;
bool h1_waits(const struct h1 *) NONNULL;
size_t h1_kept(const struct h1 *) NONNULL; /* bytes of answers */

#endif
