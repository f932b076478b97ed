/* client.c: the client's side of http.h: DNS messages posted over one HTTP/2 connection.
 *
 * A request is begun when it can leave, and leaves whole before the next is begun: the library would send the heads of
 * all first, and there are servers (Knot Resolver) that refuse a stream while another is half. */
#include "h2_priv.h"

/* STREAMS_MAX: requests at a time, whatever the peer allows.  HELD_MAX: bytes of all requests and replies.
 * REPLY_FIRST: room for a reply at first.  REPLY_CREDIT: what a reply adds to the frames that the peer may send
 * without use.  WINDOW: of the connection, so that no large reply stops the others. */
enum {
	STREAMS_MAX = 256, HELD_MAX = 4 * 1024 * 1024, REPLY_FIRST = 256, REPLY_CREDIT = 8, WINDOW = 1024 * 1024,
	TYPE_MAX = 64, NV_FIXED = 7, NV_LOCAL = 20, HEADER_TABLE = 1024,
};

/* A request and its reply: one block, which grows with the reply. */
struct post {
	struct post *next, **link;
	uint32_t user;
	int32_t stream;
	uint16_t status;
	bool over;  /* nobody waits for it any more */
	bool final; /* the head of the reply is whole; what follows are trailers */
	char type[TYPE_MAX];
	uint32_t asked, sent, got; /* bytes of the request, of those gone, of the reply, which stands behind it */
	uint32_t cap;
	uint32_t nfields; /* "name\0value\0" behind the request, until it is begun */
	uint8_t data[];
};

struct http_client {
	const struct http_client_ops *ops;
	void *ctx;
	struct post *posts;
	struct post *fresh, **fresh_end; /* those not begun, the first that was asked first */
	uint32_t active;
	size_t held;
	bool goaway;
	int32_t last; /* the last stream that the peer looks at, after its GOAWAY */
	const char *host, *path;
	struct h2 h2;
	char text[];
};

static struct http_client *client_of(void *user)
{
	return container_of((struct h2 *)user, struct http_client, h2);
}

static struct post *stream_post(struct http_client *c, int32_t stream)
{
	return nghttp2_session_get_stream_user_data(c->h2.session, stream);
}

static void post_add(struct post **at, struct post *p)
{
	p->next = *at;
	p->link = at;
	if (p->next)
		p->next->link = &p->next;
	*at = p;
}

static void post_take(struct http_client *c, struct post *p)
{
	*p->link = p->next;
	if (p->next)
		p->next->link = p->link;
	if (c->fresh_end == &p->next)
		c->fresh_end = p->link;
}

static void post_free(struct http_client *c, struct post *p)
{
	post_take(c, p);
	c->active--;
	c->held -= sizeof(*p) + p->cap;
	mem_free(p);
}

static void lose(struct http_client *c, struct post *p, enum http_lost how)
{
	if (p->over)
		return;
	p->over = true;
	c->ops->lost(c->ctx, p->user, how);
}

/* Makes room for |more| bytes of reply: 0, -EMSGSIZE or -ENOMEM. */
static int post_room(struct http_client *c, struct post **pr, size_t more)
{
	struct post *p = *pr;
	size_t need = (size_t)p->asked + p->got + more, cap = p->cap;

	if (p->got + more > HTTP_BODY_MAX)
		return -EMSGSIZE;
	if (need <= cap)
		return 0;
	while (cap < need)
		cap *= 2;
	if (c->held + cap - p->cap > HELD_MAX)
		return -EMSGSIZE;
	p = mem_resize(p, sizeof(*p) + cap);
	if (!p)
		return -ENOMEM;
	c->held += cap - p->cap;
	p->cap = (uint32_t)cap;
	*p->link = p;
	if (p->next)
		p->next->link = &p->next;
	(void)nghttp2_session_set_stream_user_data(c->h2.session, p->stream, p);
	*pr = p;
	return 0;
}

static void finish(struct http_client *c, struct post *p)
{
	int32_t stream = p->stream;

	h2_useful(&c->h2, REPLY_CREDIT);
	p->over = true;
	c->ops->reply(c->ctx, p->user, p->status, p->type, p->data + p->asked, p->got);
	/* answered before it has read the question: there is nothing to send any more */
	if (nghttp2_session_get_stream_local_close(c->h2.session, stream) == 0)
		h2_reset(&c->h2, stream, NGHTTP2_CANCEL);
}

/* ---- what nghttp2 calls */

static ssize_t read_question(nghttp2_session *session, int32_t stream, uint8_t *buf, size_t len, uint32_t *flags,
	nghttp2_data_source *source, void *user)
{
	struct post *p = stream_post(client_of(user), stream);
	size_t left;

	(void)session;
	(void)source;
	if (!p)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	left = p->asked - p->sent;
	if (len > left)
		len = left;
	memcpy(buf, p->data + p->sent, len);
	p->sent += (uint32_t)len;
	if (len == left)
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	return (ssize_t)len;
}

static int on_begin(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
	struct http_client *c = client_of(user);
	struct post *p = stream_post(c, frame->hd.stream_id);

	(void)session;
	h2_fields(&c->h2);
	if (p && !p->final)
		p->status = 0;
	return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_len,
	const uint8_t *value, size_t value_len, uint8_t flags, void *user)
{
	struct http_client *c = client_of(user);
	int rv = h2_field(&c->h2, name_len, value_len);
	struct post *p;

	(void)session;
	(void)flags;
	if (rv != 0)
		return rv;
	if (!(name_len == 7 && memcmp(name, ":status", 7) == 0) &&
			!(name_len == 12 && memcmp(name, "content-type", 12) == 0))
		return 0;
	p = stream_post(c, frame->hd.stream_id);
	if (!p || p->final)
		return 0;
	if (name_len == 7) {
		/* three digits, the library has seen to that */
		for (size_t i = 0; i < value_len && i < 3; i++)
			p->status = (uint16_t)(p->status * 10 + (value[i] - '0') % 10);
		return 0;
	}
	if (value_len >= TYPE_MAX)
		value_len = TYPE_MAX - 1;
	memcpy(p->type, value, value_len);
	p->type[value_len] = '\0';
	return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *bytes, size_t len,
	void *user)
{
	struct http_client *c = client_of(user);
	struct post *p = stream_post(c, stream);

	(void)session;
	(void)flags;
	if (!p || p->over)
		return 0;
	if (post_room(c, &p, len) < 0) {
		h2_reset(&c->h2, stream, NGHTTP2_CANCEL);
		lose(c, p, HTTP_LOST_TOO_LARGE);
		return 0;
	}
	memcpy(p->data + p->asked + p->got, bytes, len);
	p->got += (uint32_t)len;
	return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
	struct http_client *c = client_of(user);
	struct post *p;

	(void)session;
	if (frame->hd.type == NGHTTP2_GOAWAY) {
		c->goaway = true;
		c->last = frame->goaway.last_stream_id;
	}
	if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
		return 0;
	p = stream_post(c, frame->hd.stream_id);
	if (!p || p->over)
		return 0;
	if (frame->hd.type == NGHTTP2_HEADERS && !p->final) {
		p->final = p->status >= 200;
		if (!p->final)
			p->type[0] = '\0';
	}
	if (frame->hd.type == NGHTTP2_DATA && frame->hd.length > frame->data.padlen)
		h2_useful(&c->h2, 1);
	if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
		finish(c, p);
	return 0;
}

static int on_close(nghttp2_session *session, int32_t stream, uint32_t code, void *user)
{
	struct http_client *c = client_of(user);
	struct post *p = stream_post(c, stream);

	if (!p)
		return 0;
	(void)nghttp2_session_set_stream_user_data(session, stream, NULL);
	lose(c, p, c->goaway && stream > c->last        ? HTTP_LOST_GOAWAY
		   : code == NGHTTP2_REFUSED_STREAM ? HTTP_LOST_REFUSED
						    : HTTP_LOST_RESET);
	post_free(c, p);
	return 0;
}

/* A request that never left: the peer's GOAWAY came first, or it was forgotten. */
static int on_not_sent(nghttp2_session *session, const nghttp2_frame *frame, int code, void *user)
{
	struct http_client *c = client_of(user);
	struct post *p = frame->hd.type == NGHTTP2_HEADERS ? c->posts : NULL;

	(void)code;
	while (p && p->stream != frame->hd.stream_id)
		p = p->next;
	if (!p)
		return 0;
	(void)nghttp2_session_set_stream_user_data(session, p->stream, NULL);
	lose(c, p, HTTP_LOST_GOAWAY);
	post_free(c, p);
	return 0;
}

/* ---- requests */

static int submit(struct http_client *c, struct post *p)
{
	nghttp2_nv local[NV_LOCAL], *nv = local;
	nghttp2_data_provider data = {.source.ptr = NULL, .read_callback = read_question};
	const char *text = (const char *)p->data + p->asked;
	char length[20];
	size_t n = 0;

	if (p->nfields > NV_LOCAL - NV_FIXED)
		nv = mem_alloc((p->nfields + NV_FIXED) * sizeof(*nv));
	if (!nv)
		return -ENOMEM;
	nv[n++] = h2_nv(":method", "POST", 4, true);
	nv[n++] = h2_nv(":scheme", "https", 5, true);
	nv[n++] = h2_nv(":authority", c->host, strlen(c->host), true);
	nv[n++] = h2_nv(":path", c->path, strlen(c->path), true);
	nv[n++] = h2_nv("accept", "application/dns-message", 23, true);
	nv[n++] = h2_nv("content-type", "application/dns-message", 23, true);
	nv[n++] = h2_nv("content-length", length, h2_number(length, p->asked), false);
	must(n == NV_FIXED);
	for (uint32_t i = 0; i < p->nfields; i++) {
		const char *value = text + strlen(text) + 1;

		/* differs from request to request: not worth a place in the peer's table */
		nv[n] = h2_nv(text, value, strlen(value), false);
		nv[n++].flags = NGHTTP2_NV_FLAG_NO_INDEX;
		text = value + strlen(value) + 1;
	}
	p->stream = nghttp2_submit_request(c->h2.session, NULL, nv, n, p->asked ? &data : NULL, p);
	if (nv != local)
		mem_free(nv);
	if (p->stream > 0)
		c->h2.expected++;
	return p->stream > 0 ? 0 : p->stream == NGHTTP2_ERR_NOMEM ? -ENOMEM : -EPIPE;
}

/* begin_next: 0 or -ENOMEM, after which the session is of no use. */
static int begin_next(struct http_client *c)
{
	struct post *p = c->fresh;
	int rv = submit(c, p);

	post_take(c, p);
	post_add(&c->posts, p);
	if (rv == -ENOMEM) {
		h2_break(&c->h2, rv);
		return rv;
	}
	if (rv < 0) {
		lose(c, p, HTTP_LOST_GOAWAY);
		post_free(c, p);
	}
	return 0;
}

static size_t text_size(const struct http_field *fields, size_t nfields)
{
	size_t n = 0;

	for (size_t i = 0; i < nfields; i++)
		n += strlen(fields[i].name) + strlen(fields[i].value) + 2;
	return n;
}

static void text_copy(char *to, const struct http_field *fields, size_t nfields)
{
	for (size_t i = 0; i < nfields; i++) {
		to = stpcpy(to, fields[i].name) + 1;
		to = stpcpy(to, fields[i].value) + 1;
	}
}

int http_client_ask(struct http_client *c, uint32_t user, const uint8_t *body, size_t len,
	const struct http_field *fields, size_t nfields)
{
	size_t text = text_size(fields, nfields), cap = len + (text > REPLY_FIRST ? text : REPLY_FIRST);
	struct post *p;

	must(len <= HTTP_BODY_MAX);
	if (http_client_ended(c))
		return -EPIPE;
	if (http_client_room(c) == 0 || c->held + sizeof(*p) + cap > HELD_MAX)
		return -EAGAIN;
	p = mem_alloc(sizeof(*p) + cap);
	if (!p)
		return -ENOMEM;
	memset(p, 0, sizeof(*p));
	p->user = user;
	p->asked = (uint32_t)len;
	p->cap = (uint32_t)cap;
	if (len)
		memcpy(p->data, body, len);
	p->nfields = (uint32_t)nfields;
	text_copy((char *)p->data + len, fields, nfields);
	post_add(c->fresh_end, p);
	c->fresh_end = &p->next;
	c->active++;
	c->held += sizeof(*p) + p->cap;
	return 0;
}

void http_client_forget(struct http_client *c, uint32_t user)
{
	struct post *p = c->posts;

	for (struct post *f = c->fresh; f; f = f->next)
		if (f->user == user) {
			post_free(c, f);
			return;
		}
	while (p && (p->over || p->user != user))
		p = p->next;
	if (!p)
		return;
	p->over = true; /* its memory goes with the stream */
	h2_reset(&c->h2, p->stream, NGHTTP2_CANCEL);
}

/* ---- the connection */

struct http_client *http_client_new(const struct http_client_ops *ops, void *ctx, const char *host, const char *path)
{
	static const nghttp2_settings_entry settings[] = {
		{NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, HEADER_TABLE},
		{NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
		{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, HTTP_BODY_MAX},
		{NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, HTTP_HEADER_MAX},
		{9, 1}, /* no priorities as in RFC 7540; a library that does not know it sends it all the same */
	};
	static const struct h2_kind kind = {.server = false, .table = HEADER_TABLE, .settings = settings,
		.nsettings = LEN(settings), .begin = on_begin, .header = on_header, .data = on_data, .frame = on_frame,
		.close = on_close, .not_sent = on_not_sent};
	size_t host_len = strlen(host) + 1, path_len = strlen(path) + 1;
	struct http_client *c = mem_zalloc(sizeof(*c) + host_len + path_len);

	if (!c)
		return NULL;
	c->ops = ops;
	c->ctx = ctx;
	c->fresh_end = &c->fresh;
	c->host = memcpy(c->text, host, host_len);
	c->path = memcpy(c->text + host_len, path, path_len);
	if (h2_open(&c->h2, &kind) < 0) {
		mem_free(c);
		return NULL;
	}
	if (nghttp2_session_set_local_window_size(c->h2.session, NGHTTP2_FLAG_NONE, 0, WINDOW) != 0) {
		http_client_free(&c);
		return NULL;
	}
	c->h2.expected++;
	return c;
}

void http_client_free(struct http_client **cr)
{
	struct http_client *c = *cr;

	*cr = NULL;
	if (!c)
		return;
	h2_close(&c->h2);
	while (c->posts || c->fresh)
		post_free(c, c->posts ? c->posts : c->fresh);
	mem_free(c);
}

ssize_t http_client_feed(struct http_client *c, const uint8_t *p, size_t len)
{
	ssize_t rv;

	h2_turn(&c->h2);
	rv = h2_recv(&c->h2, p, len);
	if (!c->posts && !c->fresh)
		h2_rest(&c->h2);
	return rv;
}

int http_client_drain(struct http_client *c, struct bytes *out, size_t max)
{
	int rv = h2_send(&c->h2, out, max);

	while (rv == 0 && c->fresh && out->len < max) {
		rv = begin_next(c);
		if (rv == 0)
			rv = h2_send(&c->h2, out, max);
	}
	if (!c->posts && !c->fresh)
		h2_rest(&c->h2);
	return rv;
}

unsigned http_client_room(const struct http_client *c)
{
	uint32_t peer = nghttp2_session_get_remote_settings(c->h2.session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);

	if (peer > STREAMS_MAX)
		peer = STREAMS_MAX;
	return http_client_ended(c) || c->active >= peer ? 0 : peer - c->active;
}

bool http_client_ended(const struct http_client *c)
{
	return c->goaway || c->h2.error || !nghttp2_session_check_request_allowed(c->h2.session);
}

int http_client_ping(struct http_client *c)
{
	if (c->h2.error)
		return c->h2.error == -ENOMEM ? -ENOMEM : 0;
	if (nghttp2_submit_ping(c->h2.session, NGHTTP2_FLAG_NONE, NULL) != 0)
		return -ENOMEM;
	c->h2.expected++;
	h2_useful(&c->h2, 1); /* its acknowledgement */
	return 0;
}
