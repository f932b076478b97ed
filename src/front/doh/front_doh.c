/* front_doh.c: DNS over HTTPS (RFC 8484): the connection's side: a codec on its wire, answers on their way home. */
#include "doh.h"

const unsigned doh_codes[HTTP_CODES] = {200, 400, 403, 500, 502, 0};

/* RECORD: bytes of the codec that leave at once: a TLS record.  SLICE: what it reads at once, lest many small requests
 * have many large answers in memory; QUEUE: what those may cost before it waits until they have left, where the peer
 * lets them. */
enum { RECORD = 16000, SLICE = 256, QUEUE = 32768 };

/* ---- answers ---- */
static void count_answer(struct listener *l, unsigned version, unsigned status)
{
	unsigned i = 0;

	while (i < HTTP_CODES - 1 && doh_codes[i] != status)
		i++;
	atomic_fetch_add_explicit(&l->http_status[version < LEN(l->http_status) ? version : 0][i], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(status < 300 ? &l->http_valid : status < 400 ? &l->http_redirect : &l->http_error, 1,
		memory_order_relaxed);
}

/* dress adds what all answers carry, and counts it. */
static void dress(struct conn *c, unsigned version, struct http_reply *a)
{
	const struct doh *d = c->codec;
	const struct doh_site *site = d->site;

	if (!a->fields) {
		a->fields = site->fields;
		a->nfields = site->nfields + (a->status == 405);
	}
	if (site->conf.doh.server && site->conf.doh.server[0])
		a->server = site->conf.doh.server;
	count_answer(c->front->listener, version, a->status);
}

void doh_send(struct conn *c, struct http_request *r, struct http_reply *a)
{
	struct doh *d = c->codec;

	dress(c, r->version, a);
	conn_active(c);
	conn_dirty(c);
	if (http_answer(d->http, r, a) < 0)
		conn_kill(c, REASON_CONN_OUT_OF_MEMORY);
}

void doh_send_text(struct conn *c, struct http_request *r, unsigned status, const char *text)
{
	struct http_reply a = {.status = status, .content_type = "text/plain; charset=utf-8", .max_age_s = -1,
		.body = (const uint8_t *)text, .body_len = strlen(text)};

	doh_send(c, r, &a);
}

/* send_chosen: the answer that a rule chose; of a redirect, the body is the place to go to. */
static void send_chosen(struct conn *c, struct http_request *r, const struct http_says *says)
{
	struct http_reply a = {.status = says->status, .content_type = says->type[0] ? says->type : DOH_HTML,
		.max_age_s = -1, .body = says->body, .body_len = says->len};
	char place[DOH_PLACE_MAX];

	if (says->status >= 300 && says->status < 400) {
		if (says->len >= sizeof(place)) {
			doh_send_text(c, r, 500, "redirect too long\n");
			return;
		}
		memcpy(place, says->body, says->len);
		place[says->len] = 0;
		a.location = place;
		a.content_type = NULL;
		a.body_len = 0;
	}
	doh_send(c, r, &a);
}

static void doh_answer(struct client *q, const uint8_t *msg, size_t len)
{
	struct conn *c = q->conn;
	struct http_request *r = q->stream_user;
	const struct http_says *says = query_of(q)->dq.http;
	const struct doh *d = c->codec;

	MAGIC_CHECK(c, CONN_MAGIC);
	c->front->responses++;
	r->user = NULL;
	if (says) {
		send_chosen(c, r, says);
	} else {
		struct http_reply a = {.status = 200, .content_type = DOH_TYPE, .max_age_s = -1, .body = msg};

		if (d->site->conf.doh.cache_control)
			a.max_age_s = msg_min_ttl(msg, len); /* RFC 8484 5.1 */
		a.body_len = conn_pad(q, msg, len);
		doh_send(c, r, &a);
	}
	conn_leave(q);
}

static unsigned status_of(enum reason why)
{
	switch (why) {
	case REASON_ACL:
		return 403;
	case REASON_QUERY_SHORT:
	case REASON_QUERY_IS_ANSWER:
	case REASON_QUERY_TRUNCATED:
	case REASON_QUERY_EMPTY:
	case REASON_QUERY_MALFORMED:
		return 400;
	case REASON_BLOCKED:
	case REASON_RULE_DROP:
	case REASON_RESPONSE_RULE_DROP:
	case REASON_RULE_ERROR:
		return 500;
	case REASON_TOO_MANY_WAITING:
	case REASON_OUT_OF_MEMORY:
	case REASON_SHUTDOWN:
		return 503;
	default: /* something between the backend and us */
		return 502;
	}
}

static void doh_drop(struct client *q, enum reason why)
{
	struct conn *c = q->conn;
	struct http_request *r = q->stream_user;

	MAGIC_CHECK(c, CONN_MAGIC);
	r->user = NULL;
	doh_send_text(c, r, status_of(why), "no answer\n");
	conn_leave(q);
}

static void doh_waits(struct client *q)
{
	struct http_request *r = q->stream_user;

	conn_waits(q);
	r->user = q;
}

/* Transfers are refused before they could have parts. */
const struct client_ops doh_client = {doh_answer, doh_drop, doh_answer, doh_waits};

/* gone: the client reset the stream: its query finishes alone. */
static void on_gone(void *ctx, struct http_request *r)
{
	struct conn *c = ctx;
	struct client *q = r->user;

	(void)c;
	if (!q)
		return;
	r->user = NULL;
	conn_leave(q);
	query_orphan(q);
}

/* refuses: a request that is wrong as HTTP is answered by the codec. */
static void on_refuses(void *ctx, unsigned version, struct http_reply *a)
{
	struct conn *c = ctx;

	atomic_fetch_add_explicit(&c->front->listener->http_bad, 1, memory_order_relaxed);
	stat_reason(&c->lane->counters, REASON_HTTP_REQUEST);
	dress(c, version, a);
}

/* ---- the codec on its connection ---- */
/* doh_look takes the site that requests see from now on. */
void doh_look(struct conn *c)
{
	struct listener *l = c->front->listener;
	struct doh *d = c->codec;

	if (likely(atomic_load_explicit(&l->site, memory_order_relaxed) == d->site))
		return;
	site_free(&d->site);
	d->site = listener_site(l);
}

static struct doh *begin(struct conn *c)
{
	static const struct http_server_ops ops = {doh_request, on_gone};
	struct doh *d = mem_zalloc(sizeof(*d));

	if (!d)
		return NULL;
	c->codec = d;
	doh_look(c);
	d->http = http_server_new(&ops, c, d->site->conf.doh.keep_fields, d->site->conf.doh.http1);
	if (d->http) {
		conn_look(c, c->last_ms + 1000ull * d->site->conf.doh.idle_s);
		(c->wire.tls ? http_server_single : http_server_clear)(d->http);
		http_server_refuses(d->http, on_refuses);
		atomic_fetch_add_explicit(&c->front->listener->http_connects, 1, memory_order_relaxed);
		return d;
	}
	site_free(&d->site);
	mem_free(d);
	c->codec = NULL;
	return NULL;
}

static enum reason reason_of(int err)
{
	return err == -EPROTO ? REASON_CONN_HTTP : err == -EOVERFLOW ? REASON_CONN_FLOOD : REASON_CONN_OUT_OF_MEMORY;
}

static size_t doh_feed(struct conn *c, const uint8_t *p, size_t len)
{
	struct doh *d = c->codec ? c->codec : begin(c);
	size_t used = 0;

	c->full = false;
	if (!d) {
		conn_kill(c, REASON_CONN_OUT_OF_MEMORY);
		return len;
	}
	if (d->turn_us != c->lane->loop.now_us) {
		d->turn_us = c->lane->loop.now_us;
		http_server_turn(d->http);
	}
	while (used < len && c->dead == REASON_NONE && !c->rest && !c->full) {
		size_t slice = len - used < SLICE ? len - used : SLICE;
		ssize_t n = http_server_feed(d->http, p + used, slice);

		if (n < 0) {
			conn_kill(c, reason_of((int)n));
			return len;
		}
		used += (size_t)n;
		if ((size_t)n < slice && http_server_waits(d->http))
			break;
		c->rest = (size_t)n < slice;
		c->full = used < len && !c->kept && http_server_kept(d->http) > QUEUE;
	}
	return used;
}

static int doh_drain(struct conn *c)
{
	struct doh *d = c->codec;

	return d ? http_server_drain(d->http, &c->out, RECORD) : 0;
}

static unsigned doh_state(const struct conn *c)
{
	const struct doh *d = c->codec;

	return (http_server_half(d->http) ? CODEC_HALF : 0) | (http_server_queued(d->http) ? CODEC_KEEPS : 0) |
	       (http_server_ended(d->http) && http_server_open(d->http) == 0 ? CODEC_ENDED : 0) |
	       (http_server_waits(d->http) ? CODEC_WAITS : 0);
}

static uint64_t doh_idle_ms(const struct conn *c)
{
	const struct doh *d = c->codec;

	return 1000ull * (d ? d->site->conf.doh.idle_s : conn_settings(c)->tcp_recv_timeout_s);
}

static void doh_holds(const struct conn *c, size_t *large, size_t *small, size_t *out)
{
	const struct doh *d = c->codec;

	*large += http_server_large(d->http);
	*small += http_server_memory(d->http) - http_server_large(d->http);
	*out += http_server_kept(d->http);
}

/* doh_bye: RFC 9113 6.8: a client knows what was not looked at, and may ask again. */
static void doh_bye(struct conn *c)
{
	const struct doh *d = c->codec;

	http_server_goaway(d->http);
}

static void doh_close(struct conn *c)
{
	struct doh *d = c->codec;

	http_server_free(&d->http); /* says which requests are gone */
	site_free(&d->site);
	mem_free(d);
	c->codec = NULL;
}

static const struct conn_ops conn_http = {doh_feed, doh_drain, doh_state, doh_idle_ms, doh_bye, doh_close,
	doh_holds};

const struct front_ops front_doh = {"DoH", PROTO_DOH, false, accept_open, accept_start, accept_stop, &conn_http};
