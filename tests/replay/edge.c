/* edge.c: the world around the core, without sockets: clients that remember what they were told, backends that
 * remember what they were sent, time that passes when the script says so. */
#include "health.h"
#include "replay.h"
#include "log.h"
#include <stdio.h>
#include <stdlib.h>

static void *make(size_t size)
{
	void *p = calloc(1, size);

	if (!p)
		abort();
	return p;
}

/* keep_page: a copy of the page that goes out in place of an answer. */
static struct http_says *keep_page(const struct http_says *h)
{
	size_t type = h ? strlen(h->type) + 1 : 0;
	struct http_says *copy = h ? make(sizeof(*h) + h->len + type) : NULL;

	if (!h)
		return NULL;
	*copy = *h;
	memcpy(copy->body, h->body, h->len);
	copy->type = memcpy(copy->body + h->len, h->type, type);
	return copy;
}

/* ---- clients: client.conn is the struct world, client.front the struct asked ---- */
static void told(struct client *c, enum event_kind kind, const uint8_t *msg, size_t len, enum reason reason)
{
	struct world *w = c->conn;
	struct event *e = make(sizeof(*e));

	e->kind = kind;
	e->asked = c->front;
	e->reason = reason;
	if (len)
		memcpy(e->msg.p, msg, len);
	e->msg.len = len;
	if (kind == EVENT_ANSWER)
		e->http = keep_page(container_of(c, struct query, client)->dq.http);
	if (kind != EVENT_PART) {
		must(!e->asked->ended); /* exactly one answer or drop */
		e->asked->ended = true;
		e->asked->client = NULL;
	}
	*w->last_event = e;
	w->last_event = &e->next;
}

static void on_answer(struct client *c, const uint8_t *msg, size_t len)
{
	told(c, EVENT_ANSWER, msg, len, REASON_NONE);
}

static void on_drop(struct client *c, enum reason why)
{
	told(c, EVENT_DROP, NULL, 0, why);
}

static void on_part(struct client *c, const uint8_t *msg, size_t len)
{
	told(c, EVENT_PART, msg, len, REASON_NONE);
}

static void on_waits(struct client *c)
{
	((struct asked *)c->front)->client = c;
}

static const struct client_ops client_ops = {on_answer, on_drop, on_part, on_waits};

/* What its edge knows of a query besides the message; false: nothing. */
static bool fill_envelope(struct asked *a, const struct spec *s)
{
	struct envelope *e = &a->envelope;
	char *mark;

	if (!s->sni && !s->http)
		return false;
	e->sni = s->sni ? s->sni : "";
	if (!s->http)
		return true;
	snprintf(a->path, sizeof(a->path), "%s", s->http);
	mark = strchr(a->path, '?');
	if (mark)
		*mark++ = 0;
	e->path = a->path;
	e->query = mark ? mark : "";
	e->host = s->host ? s->host : "";
	e->scheme = "https";
	memcpy(a->header, s->header, sizeof(a->header));
	e->fields = a->header;
	e->nfields = s->headers;
	return true;
}

struct asked *world_ask(struct world *w, const struct spec *s, const char *label)
{
	struct asked *a = make(sizeof(*a));
	struct client c = {.ops = &client_ops, .front = a, .conn = w, .proto = PROTO_UDP};
	const char *proto = s->proto;

	snprintf(a->label, sizeof(a->label), "%s", label);
	a->next = w->asked;
	w->asked = a;
	if (addr_parse(&c.remote, s->from ? s->from : "10.0.0.1:1234", 1234) < 0 ||
		addr_parse(&c.local, s->local ? s->local : "127.0.0.1:53", 53) < 0)
		return NULL;
	if (fill_envelope(a, s)) {
		c.envelope = &a->envelope;
		proto = proto ? proto : s->http ? "doh" : "dot";
	}
	for (unsigned p = 0; proto && p < PROTO_COUNT; p++) {
		const char *name = proto_name((enum proto)p);

		if (strcmp(proto, name) == 0 || (strncmp(name, "do53-", 5) == 0 && strcmp(proto, name + 5) == 0)) {
			c.proto = (uint8_t)p;
			c.stream = proto_stream((enum proto)p);
		}
	}
	wire_query(&a->msg, s);
	query_start(&w->core, &c, a->msg.p, a->msg.len);
	return a;
}

/* ---- backends ---- */
static int fake_send(struct back *b, struct query *q)
{
	struct fake_back *f = container_of(b, struct fake_back, base);
	struct world *w = f->world;
	struct flight *x, **last = &w->flights;

	if (w->trouble.times && strcmp(server_name(b->server), w->trouble.server) == 0) {
		w->trouble.times--;
		return w->trouble.error;
	}
	q->back_id = w->next_id++;
	put16(q->ask, q->back_id);
	x = make(sizeof(*x));
	x->q = q;
	x->asked = q->nobody ? NULL : q->client.front;
	x->server = b->server;
	x->stream = f->stream;
	x->open = true;
	memcpy(x->msg.p, q->ask, q->ask_len);
	x->msg.len = q->ask_len;
	snprintf(x->label, sizeof(x->label), "#%u", ++w->labels);
	while (*last)
		last = &(*last)->next;
	*last = x;
	return 0;
}

static void fake_cancel(struct back *b, struct query *q)
{
	struct world *w = container_of(b, struct fake_back, base)->world;

	for (struct flight *x = w->flights; x; x = x->next)
		if (x->q == q)
			x->open = false;
}

static const struct back_ops fake_ops = {"fake", fake_send, fake_cancel};

static struct back *fake_back(struct core *core, struct server *server, bool stream)
{
	struct world *w = container_of(core, struct world, core);
	struct fake_back *f = w->backs;

	if (w->trouble.times && w->trouble.error == 0 && strcmp(server_name(server), w->trouble.server) == 0) {
		w->trouble.times--;
		return NULL;
	}
	while (f && (f->base.server != server || f->stream != stream))
		f = f->next;
	if (!f) {
		f = make(sizeof(*f));
		f->base.ops = &fake_ops;
		f->base.server = server_ref(server);
		f->stream = stream;
		f->world = w;
		f->next = w->backs;
		w->backs = f;
	}
	return &f->base;
}

struct flight *world_flight(struct world *w, const char *label)
{
	struct flight *found = NULL;

	for (struct flight *x = w->flights; x; x = x->next)
		if (x->open && x->seen && (!label || strcmp(x->label, label) == 0))
			found = x;
	return found;
}

/* As the edges of src/back do: by id, then by question, then perhaps one of several messages. */
void world_reply(struct world *w, struct flight *x, const struct message *m)
{
	struct query *q = NULL;

	for (struct flight *y = w->flights; y && m->len >= DNS_HEADER; y = y->next)
		if (y->open && y->server == x->server && y->stream == x->stream && y->q->back_id == dns_id(m->p)) {
			q = y->q;
			x = y;
		}
	if (!q) {
		stat_reason(&w->counters, m->len < DNS_HEADER ? REASON_REPLY_SHORT : REASON_REPLY_UNASKED);
		return;
	}
	if (!query_matches(q, m->p, m->len))
		return;
	if (x->stream && !query_is_last(q, m->p, m->len)) {
		query_part(q, m->p, m->len);
		return;
	}
	x->open = false;
	query_reply(q, m->p, m->len);
}

void world_lost(struct world *w, struct flight *x, enum reason why)
{
	(void)w;
	x->open = false;
	query_lost(x->q, why);
}

struct server *world_server(const struct world *w, const char *name)
{
	const struct conf *c = core_conf(&w->core);

	for (size_t i = 0; i < c->nservers; i++)
		if (strcmp(server_name(c->servers[i]), name) == 0)
			return c->servers[i];
	return NULL;
}

/* ---- time: in the steps in which a loop would wake up ---- */
void world_pass(struct world *w, uint64_t us)
{
	uint64_t end = w->core.now_us + us;

	while (w->core.now_us < end) {
		int64_t wait = wheel_next(&w->wheel, w->core.now_ms);
		uint64_t next = end;

		if (wait >= 0 && (w->core.now_ms + (uint64_t)wait) * 1000 < end)
			next = (w->core.now_ms + (uint64_t)(wait ? wait : 1)) * 1000;
		next = next < end ? next : end;
		core_set_time(&w->core, next, w->core.wall_ms + (next - w->core.now_us) / 1000);
		wheel_run(&w->wheel, w->core.now_ms);
	}
}

/* ---- the host of the configuration ---- */
static struct conf *host_current(void *ctx)
{
	struct world *w = ctx;

	return w->running ? conf_ref(w->core.hold->conf) : NULL;
}

static int host_publish(void *ctx, struct conf *c, const char **error_r)
{
	struct world *w = ctx;

	(void)error_r;
	return core_set_conf(&w->core, c);
}

static void host_rings(void *ctx, struct rings *r)
{
	struct world *w = ctx;

	r->query = &w->core.query_ring;
	r->response = &w->core.reply_ring;
	r->n = 1;
	r->now_ms = w->core.wall_ms;
}

static size_t host_counters(void *ctx, const struct counters *const **of_r)
{
	*of_r = ((struct world *)ctx)->all_counters;
	return 1;
}

static uint64_t host_now(void *ctx)
{
	return ((struct world *)ctx)->core.now_ms;
}

static uint64_t host_started(void *ctx)
{
	(void)ctx;
	return 0;
}

static void host_text(void *ctx, struct text *out)
{
	(void)ctx;
	(void)out;
}

static void host_shutdown(void *ctx)
{
	(void)ctx;
}

/* first_checks: as if the first probe of every server had been answered. */
static void first_checks(const struct conf *c, uint64_t now_ms)
{
	for (size_t i = 0; i < c->nservers; i++)
		if (health_due(c->servers[i], now_ms))
			health_result(c->servers[i], true, now_ms);
}

const char *world_config(struct world *w, const char *path, const char *text, bool reload)
{
	const char *error = "out of memory";
	struct conf *c = bind_load(path, text, &w->host, &error);

	if (!c)
		return error;
	if ((reload && conf_inherit(c, core_conf(&w->core)) < 0) || conf_freeze(c, &error) < 0) {
		conf_free(&c);
		return error;
	}
	first_checks(c, w->core.now_ms);
	if (core_set_conf(&w->core, c) < 0)
		return error;
	w->running = true;
	return NULL;
}

bool world_start(struct world *w, bool keep_lua)
{
	const char *error;
	struct conf *c;

	memset(w, 0, sizeof(*w));
	w->last_event = &w->events;
	w->next_id = 1000;
	w->edge.back = fake_back;
	w->all_counters[0] = &w->counters;
	w->host = (struct host){.ctx = w, .keep = keep_lua, .version = "shrewd", .current = host_current,
		.publish = host_publish, .rings = host_rings, .counters = host_counters, .started_ms = host_started,
		.now_ms = host_now, .show_binds = host_text, .show_tcp = host_text, .shutdown = host_shutdown};
	wheel_init(&w->wheel, 1000000);
	if (core_init(&w->core, &w->wheel, &w->counters, &w->edge, 1000) < 0)
		return false;
	core_set_time(&w->core, 1000000000, 1700000000000);
	rng_seed(&w->core.rng, 1);
	w->core.perturbation = 1;
	w->core.query_ring = ring_new(1000, false);
	w->core.reply_ring = ring_new(1000, true);
	c = conf_new(&error);
	return c && conf_freeze(c, &error) == 0 && core_set_conf(&w->core, c) == 0;
}

void world_stop(struct world *w)
{
	core_done(&w->core);
	ring_free(&w->core.query_ring);
	ring_free(&w->core.reply_ring);
	for (struct fake_back *f = w->backs, *next; f; f = next) {
		next = f->next;
		server_free(&f->base.server);
		free(f);
	}
	for (struct flight *x = w->flights, *next; x; x = next) {
		next = x->next;
		free(x);
	}
	for (struct event *e = w->events, *next; e; e = next) {
		next = e->next;
		free(e->http);
		free(e);
	}
	for (struct asked *a = w->asked, *next; a; a = next) {
		next = a->next;
		free(a);
	}
}
