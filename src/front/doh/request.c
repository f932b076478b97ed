/* request.c: HTTP requests: which are DNS queries, which get a page, which are refused. */
#include "doh.h"
#include <strings.h>

static void refuse(struct conn *c, struct http_request *r, unsigned status, enum reason why, const char *text)
{
	struct listener *l = c->front->listener;

	stat_reason(&c->lane->counters, why);
	atomic_fetch_add_explicit(&l->http_bad, 1, memory_order_relaxed);
	doh_send_text(c, r, status, text);
}

/* ---- where requests are for ---- */
static bool path_known(const struct bind_doh *d, const char *path)
{
	for (size_t i = 0; i < d->paths.n; i++) {
		const char *p = d->paths.v[i];

		if (d->exact ? strcmp(path, p) == 0 : strncmp(path, p, strlen(p)) == 0)
			return true;
	}
	return false;
}

/* send_page: an entry of the response map. */
static void send_page(struct conn *c, struct http_request *r, const struct doh_entry *e)
{
	struct http_field fields[HTTP_FIELDS_MAX];
	struct http_reply a = {.status = e->status, .content_type = DOH_HTML, .max_age_s = -1,
		.body = (const uint8_t *)e->content, .body_len = strlen(e->content)};

	if (e->status >= 300 && e->status < 400) {
		a.location = e->content;
		a.content_type = NULL;
		a.body_len = 0;
	}
	for (size_t i = 0; i < e->names.n && i < e->values.n && i < HTTP_FIELDS_MAX; i++) {
		if (strcasecmp(e->names.v[i], "content-type") == 0)
			a.content_type = NULL; /* it brings its own */
		fields[i] = (struct http_field){e->names.v[i], e->values.v[i]};
		a.fields = fields;
		a.nfields = i + 1;
	}
	doh_send(c, r, &a);
}

/* ---- who asks ---- */
/* forwarded takes the last address of X-Forwarded-For, which the proxy next to us added. */
static void forwarded(const char *list, struct addr *remote)
{
	const char *last = strrchr(list, ',');
	char text[ADDR_TEXT + 2];
	struct addr a;
	size_t n;

	last = last ? last + 1 : list;
	last += strspn(last, " \t");
	n = strcspn(last, " \t");
	if (n == 0 || n >= sizeof(text))
		return;
	memcpy(text, last, n);
	text[n] = 0;
	if (addr_parse(&a, text, 0) == 0)
		*remote = a;
}

static bool acl_allows(const struct conn *c, const struct addr *remote)
{
	const struct conf *conf = core_conf(&c->lane->core);

	return (c->inner && !conf->set.proxy_acl_inner) || netset_match(conf->acl, remote);
}

/* ---- queries ---- */
static bool is_dns(const char *type)
{
	size_t n = strlen(DOH_TYPE);

	return strncasecmp(type, DOH_TYPE, n) == 0 && (type[n] == 0 || type[n] == ';' || type[n] == ' ');
}

static void ask(struct conn *c, struct http_request *r, const struct addr *remote, const uint8_t *msg, size_t len)
{
	struct doh *d = c->codec;

	if (len < DNS_HEADER) {
		refuse(c, r, 400, REASON_QUERY_SHORT, "shorter than a DNS header\n");
		return;
	}
	r->envelope.sni = c->envelope ? c->envelope->sni : "";
	conn_query(c, &doh_client, remote, &r->envelope, r, msg, len); /* |r| may be gone after this */
	if (conn_last(c))
		http_server_goaway(d->http);
}

static void get(struct conn *c, struct http_request *r, const struct addr *remote)
{
	uint8_t msg[HTTP_HEADER_MAX];
	const char *query = r->envelope.query;
	ssize_t n = http_get_dns(query, strlen(query), msg, sizeof(msg));

	if (n < 0)
		refuse(c, r, 400, REASON_HTTP_REQUEST,
			n == -ENOENT ? "no dns= in the query string\n" : "dns= is not base64url of a message\n");
	else
		ask(c, r, remote, msg, (size_t)n);
}

static void serve(struct conn *c, struct http_request *r, const struct addr *remote)
{
	const struct doh *d = c->codec;
	const struct bind_doh *site = &d->site->conf.doh;
	const struct doh_entry *page = site->map ? doh_map_find(site->map, r->envelope.path) : NULL;

	if (page)
		send_page(c, r, page);
	else if (!path_known(site, r->envelope.path))
		refuse(c, r, 404, REASON_HTTP_REQUEST, "not found\n");
	else if (r->method == HTTP_GET)
		get(c, r, remote);
	else if (r->method != HTTP_POST)
		refuse(c, r, 405, REASON_HTTP_REQUEST, "use GET or POST\n");
	else if (!is_dns(r->content_type))
		refuse(c, r, 415, REASON_HTTP_REQUEST, "content-type must be " DOH_TYPE "\n");
	else
		ask(c, r, remote, r->body, r->body_len);
}

static void count_request(struct listener *l, const struct http_request *r)
{
	if (r->method == HTTP_GET || r->method == HTTP_POST)
		atomic_fetch_add_explicit(r->method == HTTP_GET ? &l->http_get : &l->http_post, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&l->http_version[r->version < LEN(l->http_version) ? r->version : 0], 1,
		memory_order_relaxed);
}

void doh_request(void *conn, struct http_request *r)
{
	struct conn *c = conn;
	const struct doh *d = c->codec;
	struct listener *l = c->front->listener;
	struct addr remote = *conn_remote(c);

	c->reads = 0;
	conn_active(c);
	doh_look(c);
	count_request(l, r);
	if (d->site->conf.doh.trust_forwarded)
		forwarded(r->forwarded_for, &remote);
	if ((l->late_acl || c->inner) && !acl_allows(c, &remote)) /* pages, too */
		refuse(c, r, 403, REASON_ACL, "not allowed\n");
	else
		serve(c, r, &remote);
}
