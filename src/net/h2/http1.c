/* http1.c: a little of HTTP/1.1 (RFC 9112): one request after the other, whole bodies, answers with their length. */
#include "h2_priv.h"
#include "text.h"

/* OUT_MAX: bytes of answers that wait; above it no request is read.
 * CHUNK_LINES_MAX: bytes of chunk extensions and trailers, on top of what the sizes need. */
enum { OUT_MAX = 32 * 1024, LINE_WORK = 4, CHUNK_LINE = 16, CHUNK_LINES_MAX = HTTP_HEADER_MAX };
enum h1_state { H1_REQUEST, H1_FIELDS, H1_BODY, H1_CHUNK, H1_CHUNK_BODY, H1_CHUNK_END, H1_TRAILERS, H1_BUSY, H1_END };
struct h1 {
	struct bytes line; /* the part of a line that has come */
	struct bytes out;
	struct asked *asked; /* the request that is read, or waits for its answer */
	enum h1_state state;
	uint32_t head, fields; /* bytes and fields of the head; later bytes of chunk lines that carry nothing */
	uint32_t left;         /* of the body, of the chunk */
	bool close, minor0, length, chunked, expects;
	bool host, named; /* the request says for whom it is; with a field of its own */
};

static bool is_token(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr("!#$%&'*+-.^_`|~", c));
}

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
}

static bool same(const uint8_t *p, size_t len, const char *word)
{
	size_t i = 0;

	while (i < len && word[i] && lower(p[i]) == (uint8_t)word[i])
		i++;
	return i == len && !word[i];
}

/* Is |word| in a list with commas? */
static bool lists(const uint8_t *p, size_t len, const char *word)
{
	const uint8_t *end = p + len;

	while (p < end) {
		const uint8_t *comma = memchr(p, ',', (size_t)(end - p)), *last = comma ? comma : end;

		while (p < last && (*p == ' ' || *p == '\t'))
			p++;
		while (last > p && (last[-1] == ' ' || last[-1] == '\t'))
			last--;
		if (same(p, (size_t)(last - p), word))
			return true;
		p = comma ? comma + 1 : end;
	}
	return false;
}

/* For human eyes alone (RFC 9112 4): may be empty. */
static const char *reason(unsigned status)
{
	static const struct {
		unsigned status;
		const char *text;
	} reasons[] = {
		{200, "OK"}, {204, "No Content"}, {301, "Moved Permanently"}, {302, "Found"}, {303, "See Other"},
		{307, "Temporary Redirect"}, {308, "Permanent Redirect"}, {400, "Bad Request"}, {403, "Forbidden"},
		{404, "Not Found"}, {405, "Method Not Allowed"}, {413, "Content Too Large"},
		{415, "Unsupported Media Type"}, {429, "Too Many Requests"}, {431, "Request Header Fields Too Large"},
		{500, "Internal Server Error"}, {501, "Not Implemented"}, {502, "Bad Gateway"},
		{503, "Service Unavailable"}, {504, "Gateway Timeout"}, {505, "HTTP Version Not Supported"},
	};

	for (size_t i = 0; TEXT_HINTS && i < LEN(reasons); i++)
		if (reasons[i].status == status)
			return reasons[i].text;
	return "";
}

/* ---- answers */

static int write_answer(struct h1 *h, const struct http_reply *reply, bool head_only)
{
	struct text t = {0};
	int rv = -ENOMEM;

	text_addf(&t, "HTTP/1.1 %u %s\r\n", reply_status(reply), reason(reply_status(reply)));
	if (!reply_bare(reply))
		text_addf(&t, "content-length: %zu\r\n", reply->body_len);
	if (reply->content_type)
		text_addf(&t, "content-type: %s\r\n", reply->content_type);
	if (reply->max_age_s >= 0)
		text_addf(&t, "cache-control: max-age=%lld\r\n", (long long)reply->max_age_s);
	if (reply->server)
		text_addf(&t, "server: %s\r\n", reply->server);
	if (reply->location)
		text_addf(&t, "location: %s\r\n", reply->location);
	for (size_t i = 0; i < reply->nfields; i++)
		text_addf(&t, "%s: %s\r\n", reply->fields[i].name, reply->fields[i].value);
	text_add(&t, h->close ? "connection: close\r\n\r\n" : "\r\n");
	if (!head_only && reply->body_len)
		text_add_bytes(&t, reply->body, reply->body_len);
	if (!t.failed)
		rv = bytes_add(&h->out, t.p, t.len);
	text_free(&t);
	return rv;
}

static void next_request(struct http_server *s)
{
	struct h1 *h = s->h1;

	h->state = h->close ? H1_END : H1_REQUEST;
	s->ended = s->ended || h->close;
	h->head = h->fields = h->left = 0;
	h->minor0 = h->length = h->chunked = h->expects = h->host = h->named = false;
}

int h1_answer(struct http_server *s, struct asked *a, const struct http_reply *reply)
{
	int rv = write_answer(s->h1, reply, a->r.method == HTTP_HEAD);

	if (rv < 0)
		return rv;
	s->h1->asked = NULL;
	asked_free(s, a);
	next_request(s);
	return 0;
}

int h1_refuse(struct http_server *s, unsigned status)
{
	static const char says[] = "This server speaks DNS over HTTPS with HTTP/2 only (RFC 8484, section 5.2).\n"
				   HINT("Use a client that can do HTTP/2, for example: curl --http2 or kdig +https\n");
	struct http_reply reply = {.status = status, .max_age_s = -1};
	struct h1 *h = s->h1;

	if (status == 505) {
		reply.content_type = "text/plain; charset=utf-8";
		reply.body = (const uint8_t *)says;
		reply.body_len = sizeof(says) - 1;
	}
	server_refuses(s, 1, &reply);
	h->close = true;
	if (h->asked)
		asked_free(s, h->asked);
	h->asked = NULL;
	bytes_free(&h->line);
	next_request(s);
	return write_answer(h, &reply, false);
}

/* ---- lines of a head */

static int request_line(struct http_server *s, const uint8_t *p, size_t len)
{
	static const char version[] = "HTTP/1.";
	struct h1 *h = s->h1;
	const uint8_t *space = memchr(p, ' ', len), *target, *end = p + len;
	int rv;

	if (len == 0)
		return 0; /* RFC 9112 2.2 */
	if (!space || space == p)
		return 400;
	for (const uint8_t *m = p; m < space; m++)
		if (!is_token(*m))
			return 400;
	target = space + 1;
	space = memchr(target, ' ', (size_t)(end - target));
	if (!space || space == target || end - space != 9 || memcmp(space + 1, "HTTP/", 5) != 0)
		return 400;
	if (memcmp(space + 1, version, sizeof(version) - 1) != 0 || (end[-1] != '0' && end[-1] != '1'))
		return 505;
	h->minor0 = end[-1] == '0';
	h->close = h->close || h->minor0;
	h->asked = asked_new(s, 0, 1);
	if (!h->asked)
		return -ENOMEM;
	rv = asked_method(s, &h->asked, p, (size_t)(target - 1 - p));
	/* the absolute form: its host counts more than the field (RFC 9112 3.2.2) */
	for (size_t n = 7; rv == 0 && n <= 8 && *target != '/'; n++) {
		const uint8_t *host = target + n, *slash;

		if ((size_t)(space - target) <= n || !same(target, n, n == 7 ? "http://" : "https://"))
			continue;
		slash = memchr(host, '/', (size_t)(space - host));
		rv = asked_host(s, &h->asked, host, (size_t)((slash ? slash : space) - host));
		target = slash ? slash : (const uint8_t *)"/ ";
		space = slash ? space : target + 1;
		h->host = true;
	}
	if (rv == 0 && *target != '/' && !(h->asked->r.method == HTTP_OTHER && space - target == 1 && *target == '*'))
		return 400;
	if (rv == 0)
		rv = asked_target(s, &h->asked, target, (size_t)(space - target));
	h->state = H1_FIELDS;
	return rv;
}

static int length_field(struct h1 *h, const uint8_t *p, size_t len)
{
	uint32_t n = 0;

	if (len == 0 || h->length)
		return 400;
	for (size_t i = 0; i < len; i++) {
		if (p[i] < '0' || p[i] > '9')
			return 400;
		n = n > HTTP_BODY_MAX ? n : n * 10 + p[i] - '0';
	}
	h->length = true;
	h->left = n;
	return n > HTTP_BODY_MAX ? 413 : 0;
}

static int field_line(struct http_server *s, uint8_t *p, size_t len)
{
	struct h1 *h = s->h1;
	uint8_t *colon = memchr(p, ':', len), *value, *end = p + len;
	size_t name_len, value_len;
	int rv = 0;

	if (!colon || colon == p)
		return 400;
	for (uint8_t *c = p; c < colon; c++) {
		if (!is_token(*c))
			return 400; /* a folded line, too */
		*c = lower(*c);
	}
	for (value = colon + 1; value < end && (*value == ' ' || *value == '\t'); value++)
		;
	while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	name_len = (size_t)(colon - p);
	value_len = (size_t)(end - value);
	if (++h->fields > HTTP_FIELDS_MAX)
		return 431;
	if (same(p, name_len, "content-length"))
		rv = length_field(h, value, value_len);
	else if (same(p, name_len, "transfer-encoding")) {
		rv = h->chunked || h->minor0 ? 400 : same(value, value_len, "chunked") ? 0 : 501;
		h->chunked = true;
	} else if (same(p, name_len, "connection"))
		h->close = h->close || lists(value, value_len, "close");
	else if (same(p, name_len, "expect"))
		h->expects = lists(value, value_len, "100-continue");
	else if (same(p, name_len, "host")) {
		rv = h->named ? 400 : 0; /* RFC 9112 3.2 */
		h->host = h->named = true;
	}
	return rv ? rv : asked_field(s, &h->asked, p, name_len, value, value_len);
}

static void whole(struct http_server *s)
{
	struct h1 *h = s->h1;

	h->state = H1_BUSY;
	bytes_free(&h->line);
	asked_whole(s, h->asked); /* may be answered before it returns */
}

static int head_done(struct http_server *s)
{
	static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
	struct h1 *h = s->h1;
	int rv;

	if ((h->chunked && h->length) || (!h->host && !h->minor0))
		return 400;
	rv = asked_head_done(s, &h->asked);
	if (rv < 0)
		return rv;
	h->head = 0;
	if (h->expects && !h->minor0 && (h->chunked || h->left))
		rv = bytes_add(&h->out, go_on, sizeof(go_on) - 1);
	if (h->chunked)
		h->state = H1_CHUNK;
	else if (h->left)
		h->state = H1_BODY;
	else
		whole(s);
	return rv;
}

static int chunk_line(struct h1 *h, const uint8_t *p, size_t len)
{
	size_t i = 0;
	uint32_t n = 0;

	for (; i < len && p[i] != ';' && p[i] != ' ' && p[i] != '\t'; i++) {
		uint8_t c = lower(p[i]);

		if ((c < '0' || c > '9') && (c < 'a' || c > 'f'))
			return 400;
		if (n > HTTP_BODY_MAX)
			return 413;
		n = n * 16 + (uint32_t)(c <= '9' ? c - '0' : c - 'a' + 10);
	}
	if (i == 0)
		return 400;
	if (n > HTTP_BODY_MAX)
		return 413;
	h->left = n;
	h->state = n ? H1_CHUNK_BODY : H1_TRAILERS;
	return 0;
}

/* A line, without its end.  0, -E…, or the status of an answer that refuses it. */
static int take_line(struct http_server *s, uint8_t *p, size_t len)
{
	struct h1 *h = s->h1;

	for (size_t i = 0; i < len; i++)
		if ((p[i] < ' ' && p[i] != '\t') || p[i] == 0x7f)
			return 400;
	switch (h->state) {
	case H1_REQUEST:
		return request_line(s, p, len);
	case H1_FIELDS:
		return len ? field_line(s, p, len) : head_done(s);
	case H1_CHUNK:
		return chunk_line(h, p, len);
	case H1_CHUNK_END:
		h->state = H1_CHUNK;
		return len ? 400 : 0;
	default:
		if (len == 0)
			whole(s);
		return 0;
	}
}

/* What a line counts towards the caps: of a chunk's own lines only what is more than a size needs. */
static bool line_fits(struct h1 *h, size_t len)
{
	if (h->state == H1_CHUNK || h->state == H1_CHUNK_END)
		len = len > CHUNK_LINE ? len - CHUNK_LINE : 0;
	return h->head + len <= (h->state == H1_REQUEST || h->state == H1_FIELDS ? (size_t)HTTP_HEADER_MAX
										  : (size_t)CHUNK_LINES_MAX);
}

/* Takes bytes up to the end of a line.  Returns how many; a status to refuse with goes to |*status_r|. */
static size_t feed_line(struct http_server *s, const uint8_t *p, size_t len, int *status_r)
{
	struct h1 *h = s->h1;
	const uint8_t *end = memchr(p, '\n', len);
	size_t n = end ? (size_t)(end - p) + 1 : len;

	if (!line_fits(h, h->line.len + n)) {
		*status_r = 431;
		return n;
	}
	*status_r = bytes_add(&h->line, p, n);
	if (*status_r < 0 || !end)
		return n;
	s->h2.work -= LINE_WORK + (int32_t)h->line.len / 32;
	if (h->state != H1_CHUNK && h->state != H1_CHUNK_END)
		h->head += (uint32_t)h->line.len;
	else if (h->line.len > CHUNK_LINE)
		h->head += (uint32_t)h->line.len - CHUNK_LINE;
	if (h->line.len < 2 || h->line.p[h->line.at + h->line.len - 2] != '\r') {
		*status_r = 400;
		return n;
	}
	*status_r = take_line(s, h->line.p + h->line.at, h->line.len - 2);
	bytes_drop(&h->line, h->line.len); /* empty already when the request was whole */
	return n;
}

static size_t feed_body(struct http_server *s, const uint8_t *p, size_t len, int *status_r)
{
	struct h1 *h = s->h1;
	int rv;

	if (len > h->left)
		len = h->left;
	rv = asked_body(s, &h->asked, p, len);
	*status_r = rv == -EMSGSIZE ? 413 : rv;
	h->left -= (uint32_t)len;
	if (rv < 0 || h->left)
		return len;
	if (h->state == H1_CHUNK_BODY)
		h->state = H1_CHUNK_END;
	else
		whole(s);
	return len;
}

ssize_t h1_feed(struct http_server *s, const uint8_t *p, size_t len)
{
	struct h1 *h = s->h1;
	size_t at = 0;

	while (at < len && h->state != H1_BUSY && s->h2.work > 0 && h->out.len < OUT_MAX) {
		int rv = 0;

		if (h->state == H1_END)
			return (ssize_t)len; /* thrown away */
		if (h->state == H1_BODY || h->state == H1_CHUNK_BODY)
			at += feed_body(s, p + at, len - at, &rv);
		else
			at += feed_line(s, p + at, len - at, &rv);
		if (rv == -ENOBUFS || rv == -EINVAL)
			rv = rv == -EINVAL ? 400 : 413;
		if (rv > 0)
			rv = h1_refuse(s, (unsigned)rv);
		if (rv < 0)
			return rv;
	}
	return (ssize_t)at;
}

int h1_drain(struct http_server *s, struct bytes *out)
{
	struct h1 *h = s->h1;

	if (h->out.len == 0)
		return 0;
	if (bytes_add(out, h->out.p + h->out.at, h->out.len) < 0)
		return -ENOMEM;
	bytes_free(&h->out);
	return 0;
}

struct h1 *h1_new(void)
{
	return mem_zalloc(sizeof(struct h1));
}

void h1_free(struct http_server *s)
{
	if (!s->h1)
		return;
	bytes_free(&s->h1->line);
	bytes_free(&s->h1->out);
	mem_free(s->h1);
	s->h1 = NULL;
}

/* A request that has begun is still answered. */
void h1_goaway(struct http_server *s)
{
	s->h1->close = true;
	if (!h1_half(s->h1) && s->h1->state != H1_BUSY)
		next_request(s);
}

bool h1_half(const struct h1 *h)
{
	return h->state != H1_BUSY && h->state != H1_END && (h->state != H1_REQUEST || h->line.len > 0);
}

size_t h1_memory(const struct h1 *h)
{
	return h->line.cap;
}

size_t h1_kept(const struct h1 *h)
{
	return h->out.cap;
}

bool h1_waits(const struct h1 *h)
{
	return h->state == H1_BUSY;
}
