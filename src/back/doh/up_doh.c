/* up_doh.c: ups over DoH (RFC 8484): each query a POST on one HTTP/2 connection, its DNS id 0 on the wire.
 *
 * What an HTTP server can answer instead of DNS refuses that query alone; the connection stays. */
#include "http.h"
#include "up_priv.h"
#include <strings.h>

enum { HTTPS_PORT = 443, SMALL = 4096 };

struct up_doh {
	struct up_conn conn; /* first */
	struct http_client *http; /* NULL until opened */
	bool ended;               /* and its owner was told */
};
_Static_assert(offsetof(struct up_doh, conn) == 0, "a kind begins with its connection");

static struct up_doh *doh_of(struct up_conn *c)
{
	return container_of(c, struct up_doh, conn);
}

static void refuse(struct up_conn *c, uint16_t id, enum reason why, bool unseen)
{
	if (!c->dead)
		c->up.events->refused(&c->up, id, why, unseen);
}

static void complain(struct up_conn *c, unsigned status, const char *type)
{
	if (!c->check)
		log_paced(&c->server->trouble, up_conn_now(c), LOG_WARN_, TAG_BACK,
			"backend %s: HTTP status %u, content type '%.60s'", server_name(c->server), status, type);
}

static bool is_dns(const char *type)
{
	static const char want[] = "application/dns-message";
	size_t n = sizeof(want) - 1;

	return strncasecmp(type, want, n) == 0 && (type[n] == 0 || strchr("; \t", type[n]));
}

/* hand_over gives the reply its id; the body is not ours to write on. */
static void hand_over(struct up_conn *c, uint16_t id, const uint8_t *body, size_t len)
{
	uint8_t small[SMALL], *msg = len <= SMALL ? small : mem_alloc(len);

	if (!msg) {
		refuse(c, id, REASON_OUT_OF_MEMORY, false);
		return;
	}
	memcpy(msg, body, len);
	put16(msg, id);
	c->up.events->reply(&c->up, id, msg, len);
	if (msg != small)
		mem_free(msg);
}

/* ---- what the codec says ---- */
static void http_reply(void *ctx, uint32_t user, unsigned status, const char *type, const uint8_t *body, size_t len)
{
	struct up_conn *c = ctx;
	enum reason why = REASON_NONE;

	if (c->dead)
		return;
	type = type ? type : "";
	if (status != 200)
		why = REASON_REPLY_HTTP_STATUS;
	else if (!is_dns(type))
		why = REASON_REPLY_HTTP_TYPE;
	else if (len < DNS_HEADER)
		why = REASON_REPLY_SHORT;
	else if (len > DNS_MAX)
		why = REASON_REPLY_TOO_LARGE;
	if (why == REASON_NONE) {
		hand_over(c, (uint16_t)user, body, len);
		return;
	}
	complain(c, status, type);
	refuse(c, (uint16_t)user, why, false);
}

static void http_lost(void *ctx, uint32_t user, enum http_lost what)
{
	refuse(ctx, (uint16_t)user, what == HTTP_LOST_TOO_LARGE ? REASON_REPLY_TOO_LARGE : REASON_REPLY_HTTP_RESET,
		what == HTTP_LOST_REFUSED || what == HTTP_LOST_GOAWAY);
}

/* ---- the kind ---- */

/* authority: the name that the certificate has, else the address; the port where it is not the usual one. */
static const char *authority(const struct up_conn *c, char *out, size_t cap)
{
	const char *name = c->server->conf.subject_name;
	const struct addr *to = &c->up.to;
	char text[ADDR_TEXT];

	if (!name || !name[0])
		return addr_print(to, true, out);
	if (to->port == HTTPS_PORT)
		return name;
	snprintf(text, sizeof(text), ":%u", to->port);
	snprintf(out, cap, "%.253s%s", name, text);
	return out;
}

static int doh_begin(struct up_conn *c)
{
	static const struct http_client_ops ops = {http_reply, http_lost};
	char host[256 + ADDR_TEXT];

	doh_of(c)->http = http_client_new(&ops, c, authority(c, host, sizeof(host)), c->server->conf.doh_path);
	return doh_of(c)->http ? 0 : -ENOMEM;
}

/* take gives the codec |len| bytes; what it has no time for in this turn waits in |in|. */
static void take(struct up_conn *c, const uint8_t *p, size_t len)
{
	ssize_t used = http_client_feed(doh_of(c)->http, p, len);

	if (used < 0) {
		up_conn_kill(c, used == -ENOMEM ? REASON_CONN_OUT_OF_MEMORY : REASON_CONN_HTTP_BACKEND);
		return;
	}
	c->again = (size_t)used < len;
	if (p == c->in.p + c->in.at && c->in.len) {
		bytes_drop(&c->in, (size_t)used);
		if (c->in.len == 0)
			bytes_free(&c->in);
	} else if (bytes_add(&c->in, p + used, len - (size_t)used) < 0) {
		up_conn_kill(c, REASON_CONN_OUT_OF_MEMORY);
	}
	if (!c->dead && !doh_of(c)->ended && http_client_ended(doh_of(c)->http)) {
		doh_of(c)->ended = true;
		c->up.events->ended(&c->up);
	}
}

static void doh_feed(struct up_conn *c, const uint8_t *p, size_t len)
{
	if (c->in.len)
		take(c, c->in.p + c->in.at, c->in.len);
	else if (len)
		take(c, p, len);
}

static int doh_drain(struct up_conn *c)
{
	/* a PROXY header comes before all else, and only with the first query */
	if (c->server->conf.use_proxy && c->up.queries == 0)
		return 0;
	return http_client_drain(doh_of(c)->http, &c->out, UP_DRAIN);
}

static void doh_ping(struct up_conn *c)
{
	(void)http_client_ping(doh_of(c)->http); /* without memory: the kernel asks, too */
}

static void doh_end(struct up_conn *c)
{
	struct up_doh *d = doh_of(c);

	if (d->http)
		http_client_free(&d->http);
}

static const struct up_kind doh_kind = {sizeof(struct up_doh), doh_begin, doh_feed, doh_drain, doh_ping, doh_end};

/* ---- the door ---- */
static int doh_open(const struct up_plan *plan, struct up **up_r)
{
	return up_conn_open(plan, &up_doh_ops, &doh_kind, up_r);
}

static int ask(struct http_client *http, uint16_t id, const uint8_t *msg, size_t len, const struct http_field *fields,
	size_t nfields)
{
	uint8_t small[SMALL], *body = len <= SMALL ? small : mem_alloc(len);
	int err;

	if (!body)
		return -ENOMEM;
	memcpy(body, msg, len);
	put16(body, 0); /* RFC 8484 4.1: friendly to HTTP caches */
	err = http_client_ask(http, id, body, len, fields, nfields);
	if (body != small)
		mem_free(body);
	return err;
}

static int doh_send(struct up *u, uint16_t id, const uint8_t *head, size_t head_len, const uint8_t *msg, size_t len,
	const struct http_field *fields, size_t nfields)
{
	struct up_conn *c = conn_of(u);
	struct up_doh *d = doh_of(c);
	int err = up_conn_takes(c);
	size_t before = c->out.len;

	if (err == 0 && http_client_ended(d->http))
		err = -EPIPE;
	if (err == 0)
		err = up_conn_head(c, head, head_len);
	if (err == 0)
		err = ask(d->http, id, msg, len, fields, nfields);
	if (err < 0) {
		c->out.len = before;
		return err;
	}
	u->queries++;
	up_conn_dirty(c);
	return 0;
}

static void doh_forget(struct up *u, uint16_t id)
{
	struct up_conn *c = conn_of(u);

	if (c->dead || !doh_of(c)->http)
		return;
	http_client_forget(doh_of(c)->http, id);
	up_conn_dirty(c);
}

static unsigned doh_room(const struct up *u)
{
	struct up_conn *c = conn_of(u);

	if (up_conn_takes(c) < 0 || http_client_ended(doh_of(c)->http))
		return 0;
	return http_client_room(doh_of(c)->http);
}

const struct up_ops up_doh_ops = {doh_open, doh_send, doh_forget, doh_room, up_conn_silent_ms, up_conn_knock,
	up_conn_close};
