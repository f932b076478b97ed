/* http.h: HTTP/2 (RFC 9113, by nghttp2) and a little of HTTP/1.1 as codecs: bytes in, requests or answers out, bytes
 * out.  No sockets, no clock, no nghttp2 type.  One connection each; belongs to one worker.  Callbacks may answer, ask and
 * forget, on this connection and others, and make new ones; they must not feed or drain any, nor free the one that calls
 * them. */
#ifndef SHREWD_HTTP_H
#define SHREWD_HTTP_H

#include "envelope.h"
#include "net.h"

enum { HTTP_BODY_MAX = 65535, HTTP_STREAMS = 100, HTTP_HEADER_MAX = 16384, HTTP_FIELDS_MAX = 64 };
enum http_method { HTTP_GET, HTTP_POST, HTTP_HEAD, HTTP_OTHER };

/* A whole request.  Everything lives until the stream ends: answered, or reset by the peer. */
struct http_request {
	uint32_t stream;          /* its id on the connection */
	enum http_method method;
	uint8_t version;          /* 1 or 2 */
	bool keep_fields;
	struct envelope envelope; /* path without query, query without '?', host, scheme, fields when they are kept */
	const char *content_type, *accept, *forwarded_for; /* "" none; forwarded_for: the last such field */
	const uint8_t *body;
	size_t body_len;
	void *user;               /* the owner's: NULL at first */
};

struct http_reply {
	unsigned status;
	const char *content_type;  /* NULL none */
	int64_t max_age_s;         /* Cache-Control: max-age, -1 none */
	const char *location;      /* NULL none */
	const struct http_field *fields; /* added as they are */
	size_t nfields;
	const char *server;        /* NULL none */
	const uint8_t *body;
	size_t body_len;
};

/* ---- the server's side ---- */
struct http_server_ops {
	/* request: a whole one; http_answer() now or later.  |*r| stays until then, or until gone() */
	void (*request)(void *ctx, struct http_request *r);
	/* gone: the peer reset the stream, or the connection ends: no answer is wanted any more */
	void (*gone)(void *ctx, struct http_request *r);
};
struct http_server;
/* http_server_new: |keep_fields|: requests carry all their fields.  |http1|: "PRI" is not demanded, HTTP/1.1 requests
 * are read too (else they get a page that says what to use, and the connection ends). */
struct http_server *http_server_new(const struct http_server_ops *, void *ctx, bool keep_fields, bool http1) WUNUSED;
/* http_server_refuses: |tell| is called before the codec answers by itself (413, 431, 505 …), and may add fields. */
void http_server_refuses(struct http_server *, void (*tell)(void *ctx, unsigned version, struct http_reply *)) NONNULL;
void http_server_clear(struct http_server *) NONNULL; /* nothing encrypts the connection: its requests are of the scheme http */
void http_server_free(struct http_server **) NONNULL; /* calls gone() for each request that is open */
/* http_server_feed: bytes taken (may be fewer than |len| when work for one turn is done: feed the rest later), or
 * -EPROTO: the peer broke the rules (a GOAWAY is queued), -EOVERFLOW: it floods us, -ENOMEM. */
ssize_t http_server_feed(struct http_server *, const uint8_t *p, size_t len) WUNUSED NONNULL;
/* http_server_turn begins a turn of the loop: the budget of work is full again. */
void http_server_turn(struct http_server *) NONNULL;
/* http_answer copies; 0, -ENOMEM.  A reply with a value of more than one line goes out as an empty 500. */
int http_answer(struct http_server *, struct http_request *, const struct http_reply *) NONNULL;
/* http_server_drain appends what is to be sent to |out|, at most about |max| bytes in it; 0 or -ENOMEM. */
int http_server_drain(struct http_server *, struct bytes *out, size_t max) WUNUSED NONNULL;
/* http_server_single: from now on a drain stops behind the last frame of an answer, so that each has a TLS record of its
 * own: there are clients that read one answer per record (dnsperf). */
void http_server_single(struct http_server *) NONNULL;
unsigned http_server_open(const struct http_server *) NONNULL; /* requests without an answer, whole or not */
bool http_server_ended(const struct http_server *) NONNULL;    /* after GOAWAY or "Connection: close": nothing more comes */
void http_server_goaway(struct http_server *) NONNULL;         /* no new streams; open ones are answered */
bool http_server_half(const struct http_server *) NONNULL;     /* a request has begun and is not whole */
size_t http_server_memory(const struct http_server *) NONNULL; /* bytes that unfinished requests hold, with their streams */
/* http_server_waits: HTTP/1.1 with a request at work: feed takes nothing before its answer; a new turn does not help. */
bool http_server_waits(const struct http_server *) NONNULL;
size_t http_server_large(const struct http_server *) NONNULL;  /* of those, what is more than small requests need */
/* http_server_kept: what answers hold whose last byte has not left, with all that belongs to their streams. */
size_t http_server_kept(const struct http_server *) NONNULL;
size_t http_server_queued(const struct http_server *) NONNULL; /* bytes of answers that the peer's windows keep back */

/* ---- the client's side, HTTP/2 only ---- */
enum http_lost { HTTP_LOST_RESET, HTTP_LOST_REFUSED, HTTP_LOST_GOAWAY, HTTP_LOST_TOO_LARGE, HTTP_LOST_CLOSED };
struct http_client_ops {
	/* reply: a whole one for the request that was given |user|; pointers live until it returns */
	void (*reply)(void *ctx, uint32_t user, unsigned status, const char *content_type, const uint8_t *body, size_t len);
	/* lost: no answer will come.  REFUSED and GOAWAY: the server did not look at it */
	void (*lost)(void *ctx, uint32_t user, enum http_lost);
};
struct http_client;
struct http_client *http_client_new(const struct http_client_ops *, void *ctx, const char *host, const char *path) WUNUSED;
void http_client_free(struct http_client **) NONNULL; /* calls nothing */
/* http_client_ask posts |body| (copied); |fields| (borrowed) are added.  0, -EAGAIN: no stream left for now, -EPIPE: no
 * new streams on this connection, -ENOMEM. */
int http_client_ask(struct http_client *, uint32_t user, const uint8_t *body, size_t len, const struct http_field *fields,
	size_t nfields) WUNUSED;
void http_client_forget(struct http_client *, uint32_t user) NONNULL; /* resets that stream; nothing is called */
ssize_t http_client_feed(struct http_client *, const uint8_t *p, size_t len) WUNUSED NONNULL; /* as the server's; each is a turn */
int http_client_drain(struct http_client *, struct bytes *out, size_t max) WUNUSED NONNULL;
unsigned http_client_room(const struct http_client *) NONNULL; /* requests that may be sent now */
bool http_client_ended(const struct http_client *) NONNULL;    /* GOAWAY came, or ids are used up */
int http_client_ping(struct http_client *) NONNULL;            /* queues a PING; 0, -ENOMEM */

/* ---- get.c: RFC 8484 4.1: "dns=…" in a query string, base64url without padding.  Pure. ---- */
/* http_get_dns: length of the message at |out|, -ENOENT: no dns=, -EBADMSG: not base64url, -EMSGSIZE. */
ssize_t http_get_dns(const char *query, size_t len, uint8_t *out, size_t cap) WUNUSED NONNULL;

#endif
