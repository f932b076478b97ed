/* server.c: the server's side of http.h: HTTP/2 by nghttp2; what does not begin as HTTP/2 goes to http1.c. */
#include "h2_priv.h"

/* QUEUE_MAX: what answers may cost that wait for the peer's windows; above it new requests are refused (the client may
 * try again).  QUEUE_LIMIT: bytes of answers above which one more is thrown away with its stream.
 * ANSWER_CREDIT: what an answer adds to the frames that the peer may send without use: window updates, resets.
 * NV_LOCAL: fields of an answer that need no memory.  HEADER_TABLE: room for what a client repeats with each request. */
enum { QUEUE_MAX = 128 * 1024, QUEUE_LIMIT = 1024 * 1024, ANSWER_CREDIT = 8, NV_FIXED = 6, NV_LOCAL = 24,
	HEADER_TABLE = 1024 };
enum { MODE_NEW, MODE_H2, MODE_H1, MODE_DEAF };

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
enum { PREFACE_LEN = sizeof(preface) - 1 };

static struct http_server *server_of(void *user)
{
	return container_of((struct h2 *)user, struct http_server, h2);
}

static struct asked *stream_asked(struct http_server *s, int32_t stream)
{
	return nghttp2_session_get_stream_user_data(s->h2.session, stream);
}

/* ---- answers */

static ssize_t read_answer(nghttp2_session *session, int32_t stream, uint8_t *buf, size_t len, uint32_t *flags,
	nghttp2_data_source *source, void *user)
{
	struct http_server *s = server_of(user);
	struct asked *a = source->ptr;
	size_t left = a->out_len - a->sent;

	(void)session;
	(void)stream;
	if (len > left)
		len = left;
	memcpy(buf, a->out + a->sent, len);
	a->sent += (uint32_t)len;
	s->queued -= len;
	if (len == left)
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	return (ssize_t)len;
}

unsigned reply_status(const struct http_reply *reply)
{
	return reply->status >= 200 && reply->status < 600 ? reply->status : 500;
}

/* reply_bare: an answer that has no body and so no length either (RFC 9110 8.6). */
bool reply_bare(const struct http_reply *reply)
{
	return reply->status == 204 || reply->status == 304;
}

static size_t answer_fields(const struct http_reply *reply, nghttp2_nv *nv, char number[64])
{
	size_t n = 0;

	nv[n++] = h2_nv(":status", number, h2_number(number, reply_status(reply)), false);
	if (reply->content_type)
		nv[n++] = h2_nv("content-type", reply->content_type, strlen(reply->content_type), false);
	number += 4;
	if (!reply_bare(reply))
		nv[n++] = h2_nv("content-length", number, h2_number(number, reply->body_len), false);
	number += 20;
	if (reply->max_age_s >= 0) {
		memcpy(number, "max-age=", 8);
		nv[n++] = h2_nv("cache-control", number, 8 + h2_number(number + 8, (uint64_t)reply->max_age_s), false);
	}
	if (reply->server)
		nv[n++] = h2_nv("server", reply->server, strlen(reply->server), false);
	if (reply->location)
		nv[n++] = h2_nv("location", reply->location, strlen(reply->location), false);
	must(n <= NV_FIXED);
	for (size_t i = 0; i < reply->nfields; i++) {
		const struct http_field *f = &reply->fields[i];

		nv[n] = h2_nv(f->name, f->value, strlen(f->value), false);
		nv[n++].flags = NGHTTP2_NV_FLAG_NONE; /* the library copies names, in lower case */
	}
	return n;
}

static int submit_answer(struct http_server *s, struct asked *a, const struct http_reply *reply, bool body)
{
	nghttp2_nv local[NV_LOCAL], *nv = local;
	nghttp2_data_provider data = {.source.ptr = a, .read_callback = read_answer};
	char number[64];
	int rv;

	if (reply->nfields > NV_LOCAL - NV_FIXED)
		nv = mem_alloc((reply->nfields + NV_FIXED) * sizeof(*nv));
	if (!nv)
		return -ENOMEM;
	rv = nghttp2_submit_response(s->h2.session, (int32_t)a->r.stream, nv, answer_fields(reply, nv, number),
		body ? &data : NULL);
	if (nv != local)
		mem_free(nv);
	if (rv != 0) {
		h2_break(&s->h2, -ENOMEM);
		return -ENOMEM;
	}
	s->h2.expected++;
	return 0;
}

void server_refuses(struct http_server *s, unsigned version, struct http_reply *reply)
{
	if (s->refuses)
		s->refuses(s->ctx, version, reply);
}

static void close_question(struct http_server *s, struct asked *a)
{
	s->half -= !a->whole;
	s->held -= asked_held(a);
	a->answered = true;
	s->open--;
}

static int h2_answer(struct http_server *s, struct asked *a, const struct http_reply *reply)
{
	bool body = reply->body_len > 0 && a->r.method != HTTP_HEAD;
	int rv;

	if (s->h2.error == -ENOMEM)
		return -ENOMEM;
	if (s->queued > QUEUE_LIMIT) {
		close_question(s, a);
		h2_reset(&s->h2, (int32_t)a->r.stream, NGHTTP2_ENHANCE_YOUR_CALM);
		return 0;
	}
	rv = body ? asked_out(a, reply->body_len) : 0;
	if (rv == 0)
		rv = submit_answer(s, a, reply, body);
	if (rv < 0) {
		if (a->out != a->text)
			mem_free(a->out);
		a->out = NULL;
		return rv;
	}
	close_question(s, a);
	a->cost = (uint32_t)(asked_size(a) + (body && a->out != a->text ? reply->body_len : 0));
	s->kept += a->cost;
	if (body) {
		asked_put(a, reply->body, reply->body_len);
		s->queued += reply->body_len;
	}
	return 0;
}

static void too_large(struct http_server *s, struct asked *a)
{
	struct http_reply reply = {.status = 413, .max_age_s = -1};

	server_refuses(s, 2, &reply);
	if (h2_answer(s, a, &reply) < 0)
		h2_break(&s->h2, -ENOMEM);
	s->cut = true;
}

/* Streams whose answer left before the request had ended (RFC 9113 8.1).  Not at once: a reset overtakes answers. */
static void cut_streams(struct http_server *s)
{
	s->cut = false;
	for (struct asked *a = s->asks; a; a = a->next)
		if (a->answered && !a->whole)
			h2_reset(&s->h2, (int32_t)a->r.stream, NGHTTP2_NO_ERROR);
}

/* A request that is not whole is given up; |rv|: why. */
static void discard(struct http_server *s, struct asked *a, int32_t stream, int rv)
{
	(void)nghttp2_session_set_stream_user_data(s->h2.session, stream, NULL);
	if (s->current == a)
		s->current = NULL;
	asked_free(s, a);
	h2_reset(&s->h2, stream, rv == -EINVAL ? NGHTTP2_PROTOCOL_ERROR : NGHTTP2_ENHANCE_YOUR_CALM);
}

/* ---- what nghttp2 calls */

static int on_begin(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
	struct http_server *s = server_of(user);

	h2_fields(&s->h2);
	s->current = NULL;
	if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
		return 0;
	if (s->kept <= QUEUE_MAX && !s->leaving)
		s->current = asked_new(s, (uint32_t)frame->hd.stream_id, 2);
	if (!s->current)
		h2_reset(&s->h2, frame->hd.stream_id, NGHTTP2_REFUSED_STREAM);
	else
		(void)nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, s->current);
	return 0;
}

static int take_header(struct http_server *s, const uint8_t *name, size_t name_len, const uint8_t *value,
	size_t value_len)
{
	if (name_len == 0 || name[0] != ':')
		return asked_field(s, &s->current, name, name_len, value, value_len);
	switch (name_len > 1 ? name[1] : 0) {
	case 'm':
		return asked_method(s, &s->current, value, value_len);
	case 'p':
		return name_len == 5 ? asked_target(s, &s->current, value, value_len) : 0;
	case 'a':
		return asked_host(s, &s->current, value, value_len);
	default: /* a scheme: the connection says which */
		return 0;
	}
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_len,
	const uint8_t *value, size_t value_len, uint8_t flags, void *user)
{
	struct http_server *s = server_of(user);
	int rv = h2_field(&s->h2, name_len, value_len);

	(void)session;
	(void)flags;
	if (rv != 0 || !s->current)
		return rv;
	rv = take_header(s, name, name_len, value, value_len);
	if (rv < 0)
		discard(s, s->current, frame->hd.stream_id, rv);
	return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *p, size_t len, void *user)
{
	struct http_server *s = server_of(user);
	struct asked *a = stream_asked(s, stream);
	int rv;

	(void)session;
	(void)flags;
	if (!a || a->answered)
		return 0;
	rv = asked_body(s, &a, p, len);
	if (rv == -EMSGSIZE)
		too_large(s, a);
	else if (rv < 0)
		discard(s, a, stream, rv);
	return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
	struct http_server *s = server_of(user);
	struct asked *a = s->current;

	(void)session;
	if (frame->hd.type == NGHTTP2_GOAWAY)
		s->ended = true;
	if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
		return 0;
	s->current = NULL;
	if (frame->hd.type == NGHTTP2_DATA || frame->headers.cat != NGHTTP2_HCAT_REQUEST) {
		a = stream_asked(s, frame->hd.stream_id);
	} else if (a) {
		int rv = asked_head_done(s, &a);

		if (rv < 0) {
			discard(s, a, frame->hd.stream_id, rv);
			return 0;
		}
	}
	if (!a || a->answered || a->whole)
		return 0;
	if (frame->hd.type == NGHTTP2_DATA && frame->hd.length > frame->data.padlen)
		h2_useful(&s->h2, 1);
	if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
		asked_whole(s, a);
	return 0;
}

static int on_close(nghttp2_session *session, int32_t stream, uint32_t code, void *user)
{
	struct http_server *s = server_of(user);
	struct asked *a = stream_asked(s, stream);

	(void)code;
	if (!a)
		return 0;
	if (s->current == a)
		s->current = NULL;
	(void)nghttp2_session_set_stream_user_data(session, stream, NULL);
	if (a->whole && !a->answered)
		s->ops->gone(s->ctx, &a->r);
	asked_free(s, a);
	return 0;
}

/* A small header table for requests, none for answers: memory per connection counts, and so does that one byte of a
 * request can stand for a field as long as the table.  0x9: no priorities as in RFC 7540; a library that does not know it sends it
 * all the same. */
static int start_h2(struct http_server *s)
{
	static const nghttp2_settings_entry settings[] = {
		{NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, HEADER_TABLE},
		{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, HTTP_STREAMS},
		{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, HTTP_BODY_MAX},
		{NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, HTTP_HEADER_MAX},
		{9, 1},
	};
	static const struct h2_kind kind = {.server = true, .settings = settings, .nsettings = LEN(settings),
		.begin = on_begin, .header = on_header, .data = on_data, .frame = on_frame, .close = on_close};
	int rv = h2_open(&s->h2, &kind);

	if (rv == 0 && nghttp2_session_mem_recv(s->h2.session, (const uint8_t *)preface, PREFACE_LEN) != PREFACE_LEN) {
		h2_close(&s->h2);
		rv = -ENOMEM;
	}
	return rv;
}

/* ---- before it is known what the peer speaks */

static int start_h1(struct http_server *s, uint8_t next)
{
	uint8_t first = s->matched ? (uint8_t)preface[0] : next;
	ssize_t rv;

	if (first < 'A' || first > 'Z')
		return -EPROTO; /* not even HTTP */
	s->h1 = h1_new();
	if (!s->h1)
		return -ENOMEM;
	s->mode = MODE_H1;
	if (!s->http1)
		return h1_refuse(s, 505);
	rv = h1_feed(s, (const uint8_t *)preface, s->matched);
	return rv < 0 ? (int)rv : 0;
}

/* Reads the preface: the number of bytes that were part of it. */
static ssize_t feed_new(struct http_server *s, const uint8_t *p, size_t len)
{
	size_t n = 0;
	int rv = 0;

	while (n < len && s->matched < PREFACE_LEN && p[n] == (uint8_t)preface[s->matched]) {
		s->matched++;
		n++;
	}
	if (s->matched == PREFACE_LEN) {
		rv = start_h2(s);
		s->mode = MODE_H2;
	} else if (n < len) {
		rv = start_h1(s, p[n]);
	}
	if (rv < 0) {
		s->mode = MODE_DEAF;
		s->h2.error = rv;
	}
	return rv < 0 ? rv : (ssize_t)n;
}

/* ---- the door */

struct http_server *http_server_new(const struct http_server_ops *ops, void *ctx, bool keep_fields, bool http1)
{
	struct http_server *s = mem_zalloc(sizeof(*s));

	if (!s)
		return NULL;
	s->ops = ops;
	s->ctx = ctx;
	s->keep_fields = keep_fields;
	s->http1 = http1;
	s->mode = MODE_NEW;
	h2_turn(&s->h2);
	return s;
}

void http_server_refuses(struct http_server *s, void (*tell)(void *ctx, unsigned version, struct http_reply *))
{
	s->refuses = tell;
}

void http_server_free(struct http_server **sr)
{
	struct http_server *s = *sr;

	*sr = NULL;
	if (!s)
		return;
	if (s->mode == MODE_H2)
		h2_close(&s->h2); /* calls nothing */
	while (s->asks) {
		struct asked *a = s->asks;

		if (a->whole && !a->answered)
			s->ops->gone(s->ctx, &a->r);
		asked_free(s, a);
	}
	h1_free(s);
	mem_free(s);
}

ssize_t http_server_feed(struct http_server *s, const uint8_t *p, size_t len)
{
	ssize_t taken = 0, rv = 0;

	if (s->mode == MODE_NEW) {
		taken = feed_new(s, p, len);
		if (taken < 0)
			s->ended = true;
		if (taken < 0 || (size_t)taken == len)
			return taken;
		p += taken;
		len -= (size_t)taken;
	}
	if (s->mode == MODE_H2)
		rv = h2_recv(&s->h2, p, len);
	else if (s->mode == MODE_H1)
		rv = h1_feed(s, p, len);
	else
		rv = s->h2.error;
	if (rv < 0)
		s->ended = true;
	return rv < 0 ? rv : taken + rv;
}

void http_server_turn(struct http_server *s)
{
	h2_turn(&s->h2);
}

static bool one_line(const char *s)
{
	while (s && *s && ((uint8_t)*s >= ' ' || *s == '\t') && *s != 0x7f)
		s++;
	return !s || !*s;
}

/* sound: no value brings fields of its own along (RFC 9110 5.5): a redirect may be made of what a client said. */
static bool sound(const struct http_reply *reply)
{
	bool ok = one_line(reply->content_type) && one_line(reply->location) && one_line(reply->server);

	for (size_t i = 0; ok && i < reply->nfields; i++)
		ok = one_line(reply->fields[i].name) && one_line(reply->fields[i].value);
	return ok;
}

int http_answer(struct http_server *s, struct http_request *r, const struct http_reply *reply)
{
	static const struct http_reply unsound = {.status = 500, .max_age_s = -1};
	struct asked *a = container_of(r, struct asked, r);
	struct http_reply bare;
	int rv;

	must(a->whole && !a->answered);
	must(reply->body_len <= INT32_MAX);
	if (unlikely(!sound(reply)))
		reply = &unsound;
	if (unlikely(reply_bare(reply))) {
		bare = *reply;
		bare.body_len = 0;
		reply = &bare;
	}
	rv = s->mode == MODE_H1 ? h1_answer(s, a, reply) : h2_answer(s, a, reply);
	if (rv == 0)
		h2_useful(&s->h2, ANSWER_CREDIT);
	return rv;
}

int http_server_drain(struct http_server *s, struct bytes *out, size_t max)
{
	if (s->mode == MODE_H2) {
		int rv = h2_send(&s->h2, out, max);

		if (rv == 0 && s->cut && out->len < max) {
			cut_streams(s);
			rv = h2_send(&s->h2, out, max);
		}
		if (!s->asks)
			h2_rest(&s->h2);
		return rv;
	}
	return s->mode == MODE_H1 ? h1_drain(s, out) : 0;
}

void http_server_clear(struct http_server *s)
{
	s->clear = true;
}

void http_server_single(struct http_server *s)
{
	s->h2.single = true;
}

unsigned http_server_open(const struct http_server *s)
{
	return s->open;
}

bool http_server_ended(const struct http_server *s)
{
	return s->ended || s->h2.error;
}

void http_server_goaway(struct http_server *s)
{
	if (s->ended || s->h2.error)
		return;
	if (s->mode == MODE_H1) {
		h1_goaway(s);
		return;
	}
	s->ended = s->leaving = true;
	if (s->mode == MODE_NEW) {
		s->mode = MODE_DEAF;
		s->h2.error = -EPROTO; /* whatever still comes is not read */
		return;
	}
	if (nghttp2_submit_goaway(s->h2.session, NGHTTP2_FLAG_NONE,
			nghttp2_session_get_last_proc_stream_id(s->h2.session), NGHTTP2_NO_ERROR, NULL, 0) == 0)
		s->h2.expected++;
}

bool http_server_half(const struct http_server *s)
{
	return s->half > 0 || (s->mode == MODE_H1 && h1_half(s->h1));
}

size_t http_server_memory(const struct http_server *s)
{
	return s->held + (s->mode == MODE_H1 ? h1_memory(s->h1) : 0);
}

size_t http_server_large(const struct http_server *s)
{
	return s->held - s->half * ASKED_SMALL;
}

size_t http_server_kept(const struct http_server *s)
{
	return s->kept + (s->mode == MODE_H1 ? h1_kept(s->h1) : 0);
}

size_t http_server_queued(const struct http_server *s)
{
	return s->queued;
}

bool http_server_waits(const struct http_server *s)
{
	return s->mode == MODE_H1 && h1_waits(s->h1);
}
