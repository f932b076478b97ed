/* request.c: a request while it is put together: one block, texts one behind the other, then the body. */
#include "h2_priv.h"

/* HELD_MAX: bytes that all requests of a connection may take which are not whole, or wait for their answer and are LARGE:
 * what waits is bounded by the size of its message, and this is all the rest. */
enum { TEXT_MAX = HTTP_BODY_MAX + 4 * HTTP_HEADER_MAX, HELD_MAX = 256 * 1024, LARGE = 4096 };

size_t asked_size(const struct asked *a)
{
	return sizeof(*a) + STREAM_COST + a->cap;
}

size_t asked_held(const struct asked *a)
{
	return a->whole && a->cap <= LARGE ? 0 : asked_size(a);
}

struct asked *asked_new(struct http_server *s, uint32_t stream, unsigned version)
{
	struct asked *a;

	if (s->held + ASKED_SMALL > HELD_MAX)
		return NULL;
	a = mem_alloc(sizeof(*a) + TEXT_FIRST);
	if (!a)
		return NULL;
	memset(a, 0, sizeof(*a));
	a->r.stream = stream;
	a->r.version = (uint8_t)version;
	a->r.method = HTTP_OTHER;
	a->r.keep_fields = s->keep_fields;
	a->cap = TEXT_FIRST;
	a->text[a->used++] = '\0';
	a->next = s->asks;
	a->link = &s->asks;
	if (a->next)
		a->next->link = &a->next;
	s->asks = a;
	s->open++;
	s->half++;
	s->held += asked_size(a);
	return a;
}

void asked_free(struct http_server *s, struct asked *a)
{
	*a->link = a->next;
	if (a->next)
		a->next->link = a->link;
	if (!a->answered) {
		s->open--;
		s->half -= !a->whole;
		s->held -= asked_held(a);
	}
	s->queued -= a->out_len - a->sent;
	s->kept -= a->cost;
	if (a->out != a->text)
		mem_free(a->out);
	mem_free(a);
}

/* Makes room for |more| bytes: doubles, and moves the request. */
static int asked_room(struct http_server *s, struct asked **ar, size_t more)
{
	struct asked *a = *ar;
	size_t cap = a->cap;

	if (likely(a->used + more <= cap))
		return 0;
	if (a->used + more > TEXT_MAX)
		return -ENOBUFS;
	while (cap < a->used + more)
		cap *= 2;
	if (s->held + cap - a->cap > HELD_MAX)
		return -ENOBUFS;
	a = mem_resize(a, sizeof(*a) + cap);
	if (!a)
		return -ENOMEM;
	s->held += cap - a->cap;
	a->cap = (uint32_t)cap;
	*a->link = a;
	if (a->next)
		a->next->link = &a->next;
	if (a->r.version == 2)
		(void)nghttp2_session_set_stream_user_data(s->h2.session, (int32_t)a->r.stream, a);
	*ar = a;
	return 0;
}

/* asked_text keeps a text, which ends at its NUL: it has none itself. */
static int asked_text(struct http_server *s, struct asked **ar, const uint8_t *p, size_t len, uint32_t *at_r)
{
	int rv = len && memchr(p, '\0', len) ? -EINVAL : asked_room(s, ar, len + 1);
	struct asked *a = *ar;

	if (rv < 0)
		return rv;
	*at_r = a->used;
	memcpy(a->text + a->used, p, len);
	a->used += (uint32_t)len;
	a->text[a->used++] = '\0';
	return 0;
}

int asked_method(struct http_server *s, struct asked **ar, const uint8_t *p, size_t len)
{
	(void)s;
	if (len == 3 && memcmp(p, "GET", 3) == 0)
		(*ar)->r.method = HTTP_GET;
	else if (len == 4 && memcmp(p, "POST", 4) == 0)
		(*ar)->r.method = HTTP_POST;
	else if (len == 4 && memcmp(p, "HEAD", 4) == 0)
		(*ar)->r.method = HTTP_HEAD;
	return 0;
}

int asked_target(struct http_server *s, struct asked **ar, const uint8_t *p, size_t len)
{
	uint32_t at;
	uint8_t *mark;
	int rv = asked_text(s, ar, p, len, &at);

	if (rv < 0)
		return rv;
	(*ar)->path = at;
	mark = memchr((*ar)->text + at, '?', len);
	if (mark) {
		*mark = '\0';
		(*ar)->query = (uint32_t)(mark + 1 - (*ar)->text);
	}
	return 0;
}

int asked_host(struct http_server *s, struct asked **ar, const uint8_t *p, size_t len)
{
	uint32_t at;
	int rv = asked_text(s, ar, p, len, &at);

	if (rv == 0)
		(*ar)->host = at;
	return rv;
}

static bool is_name(const uint8_t *name, size_t len, const char *wanted, size_t wanted_len)
{
	return len == wanted_len && memcmp(name, wanted, len) == 0;
}

int asked_field(struct http_server *s, struct asked **ar, const uint8_t *name, size_t name_len, const uint8_t *value,
	size_t value_len)
{
#define IS(wanted) is_name(name, name_len, wanted, sizeof(wanted) - 1)
	size_t place = IS("content-type")    ? offsetof(struct asked, type)
		       : IS("accept")          ? offsetof(struct asked, accept)
		       : IS("x-forwarded-for") ? offsetof(struct asked, forwarded)
		       : IS("host") && !(*ar)->host ? offsetof(struct asked, host)
						    : 0;
#undef IS
	uint32_t at, name_at = 0;
	int rv;

	if (!place && !s->keep_fields)
		return 0;
	if (s->keep_fields) {
		if ((*ar)->nfields && (*ar)->used != (*ar)->fields_end)
			return -EINVAL; /* what belongs before all fields came between them */
		rv = asked_text(s, ar, name, name_len, &name_at);
		if (rv < 0)
			return rv;
	}
	rv = asked_text(s, ar, value, value_len, &at);
	if (rv < 0)
		return rv;
	if (name_at) {
		if ((*ar)->nfields++ == 0)
			(*ar)->fields = name_at;
		(*ar)->fields_end = (*ar)->used;
	}
	if (place)
		memcpy((uint8_t *)*ar + place, &at, sizeof(at));
	return 0;
}

int asked_head_done(struct http_server *s, struct asked **ar)
{
	struct asked *a = *ar;

	if (a->nfields) {
		size_t align = _Alignof(struct http_field);
		size_t skip = (align - (offsetof(struct asked, text) + a->used) % align) % align;
		size_t size = a->nfields * sizeof(struct http_field);
		int rv = asked_room(s, ar, skip + size);

		if (rv < 0)
			return rv;
		a = *ar;
		a->array = a->used + (uint32_t)skip;
		a->used = a->array + (uint32_t)size;
	}
	a->body = a->used;
	return 0;
}

int asked_body(struct http_server *s, struct asked **ar, const uint8_t *p, size_t len)
{
	int rv;

	if ((*ar)->body_len + len > HTTP_BODY_MAX)
		return -EMSGSIZE;
	rv = asked_room(s, ar, len);
	if (rv < 0)
		return rv;
	memcpy((*ar)->text + (*ar)->used, p, len);
	(*ar)->used += (uint32_t)len;
	(*ar)->body_len += (uint32_t)len;
	return 0;
}

static const char *text_at(const struct asked *a, uint32_t at)
{
	return (const char *)a->text + at;
}

/* Fields were written name, NUL, value, NUL, with nothing in between: asked_field() sees to that. */
static void point_fields(struct asked *a)
{
	struct http_field *f = (struct http_field *)(void *)(a->text + a->array);
	const char *p = text_at(a, a->fields);

	for (uint32_t i = 0; i < a->nfields; i++) {
		f[i].name = p;
		p += strlen(p) + 1;
		f[i].value = p;
		p += strlen(p) + 1;
	}
	must(p == text_at(a, a->fields_end));
	a->r.envelope.fields = f;
	a->r.envelope.nfields = a->nfields;
}

void asked_whole(struct http_server *s, struct asked *a)
{
	s->held -= asked_held(a);
	a->whole = true;
	s->held += asked_held(a);
	s->half--;
	a->r.envelope.sni = "";
	a->r.envelope.path = text_at(a, a->path);
	a->r.envelope.query = text_at(a, a->query);
	a->r.envelope.host = text_at(a, a->host);
	a->r.envelope.scheme = s->clear ? "http" : "https";
	a->r.content_type = text_at(a, a->type);
	a->r.accept = text_at(a, a->accept);
	a->r.forwarded_for = text_at(a, a->forwarded);
	a->r.body = a->text + a->body;
	a->r.body_len = a->body_len;
	if (a->nfields)
		point_fields(a);
	s->ops->request(s->ctx, &a->r);
}

int asked_out(struct asked *a, size_t len)
{
	if (len <= a->cap)
		a->out = a->text; /* the question is not looked at any more */
	else
		a->out = mem_alloc(len);
	return a->out ? 0 : -ENOMEM;
}

void asked_put(struct asked *a, const uint8_t *body, size_t len)
{
	memmove(a->out, body, len);
	a->out_len = (uint32_t)len;
}
