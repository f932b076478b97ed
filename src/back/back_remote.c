/* back_remote.c: a backend that lives on another worker: queries are posted to its home, replies posted back.
 *
 * A token (16 bits, random) names the query on its own worker; the home knows only the token.  A reply whose query
 * has gone, or whose token was used again for another question, is ignored like any unasked reply. */
#include "back_priv.h"

enum { REMOTE_MAGIC = 0x72656d6f, LETTERS_MAX = 16384 };

struct back_remote {
	struct back base;
	uint32_t magic;
	bool stream;
	struct lane *lane, *home;
	struct query_map map; /* by token */
};

/* What the home worker keeps of a query under way. */
struct errand {
	struct lane *from;
	struct server *server; /* a reference */
	uint16_t token;
	bool stream;
	bool sole; /* its pool has no other backend */
	bool others; /* one of them is fine */
	bool torn; /* a part of a transfer could not be sent back: the rest is worth nothing */
	bool client_stream; /* of the client: what PROXY headers and X-Forwarded-For say */
	uint8_t client_proto;
	struct addr client, client_local;
};

struct parcel { /* both ways */
	struct letter letter;
	struct errand errand;
	uint8_t reason; /* back: enum reason, REASON_NONE with a message */
	uint32_t len;
	uint8_t msg[];
};

static struct parcel *parcel_new(const struct errand *e, const uint8_t *msg, size_t len)
{
	struct parcel *p = mem_alloc(sizeof(*p) + len);

	if (!p)
		return NULL;
	p->errand = *e;
	p->errand.server = server_ref(e->server);
	p->reason = REASON_NONE;
	p->len = (uint32_t)len;
	p->letter.bytes = (uint32_t)(sizeof(*p) + len);
	memcpy(p->msg, msg, len);
	return p;
}

static void parcel_free(struct parcel *p)
{
	server_free(&p->errand.server);
	mem_free(p);
}

/* ---- at home ---- */
static void came_back(struct letter *, void *owner);

/* send_back: false when it could not: the query's own deadline ends it. */
static bool send_back(const struct errand *e, const uint8_t *msg, size_t len, enum reason why)
{
	struct parcel *p = parcel_new(e, msg, len);

	if (!p)
		return false;
	p->letter.open = came_back;
	p->reason = (uint8_t)why;
	if (mailbox_post(&e->from->mailbox, &p->letter, LETTERS_MAX) == 0)
		return true;
	parcel_free(p);
	return false;
}

static void errand_free(struct errand *e)
{
	server_free(&e->server);
	mem_free(e);
}

/* errand_end is the last that the query's own worker hears of it. */
static void errand_end(struct client *c, const uint8_t *msg, size_t len, enum reason why)
{
	if (!send_back(c->conn, msg, len, why))
		stat_reason(query_of(c)->core->counters, REASON_QUEUE_FULL);
	errand_free(c->conn);
}

static void errand_answer(struct client *c, const uint8_t *msg, size_t len)
{
	const struct errand *e = c->conn;

	errand_end(c, msg, e->torn ? 0 : len, e->torn ? REASON_QUEUE_FULL : REASON_NONE);
}

static void errand_part(struct client *c, const uint8_t *msg, size_t len)
{
	struct errand *e = c->conn;

	e->torn = e->torn || !send_back(e, msg, len, REASON_NONE);
}

static void errand_drop(struct client *c, enum reason why)
{
	static const uint8_t nothing[1];

	if (why == REASON_TIMEOUT) /* the query's own worker has a deadline too */
		errand_free(c->conn);
	else
		errand_end(c, nothing, 0, why);
}

static const struct client_ops errand_client = {errand_answer, errand_drop, errand_part, NULL};

static void came_home(struct letter *l, void *owner)
{
	struct parcel *p = container_of(l, struct parcel, letter);
	struct lane *lane = owner;
	struct errand *e = lane ? mem_dup(&p->errand, sizeof(*e)) : NULL;
	struct client c = {.ops = &errand_client, .conn = e, .stream = p->errand.client_stream,
		.proto = p->errand.client_proto, .remote = p->errand.client, .local = p->errand.client_local};
	struct query *q = NULL;

	if (e) {
		server_ref(e->server);
		q = query_relay(&lane->core, &c, e->server, e->stream, p->msg, p->len);
	}
	if (q) {
		q->sole = p->errand.sole;
		q->others = p->errand.others;
	}
	parcel_free(p);
}

/* ---- back on the query's own worker ---- */
/* post_home hands |q|, which is in the map, to the home worker: 0, or -E… and nothing was sent. */
static int post_home(struct back_remote *r, const struct query *q)
{
	const struct client *c = &q->client;
	struct errand e = {.from = r->lane, .server = r->base.server, .stream = r->stream, .token = q->back_id,
		.sole = q->pool && q->pool->n == 1, .others = q->tries <= QUICK_TRIES && back_elsewhere(q),
		.client_stream = c->stream, .client_proto = c->proto, .client = c->remote, .client_local = c->local};
	struct parcel *p = parcel_new(&e, q->ask, q->ask_len);
	int err;

	if (!p)
		return -ENOMEM;
	p->letter.open = came_home;
	err = mailbox_post(&r->home->mailbox, &p->letter, LETTERS_MAX);
	if (err < 0) {
		parcel_free(p);
		stat_reason(&r->lane->counters, REASON_QUEUE_FULL);
	}
	return err;
}

/* is_silence: home gave the query back because it waited for long, not because it was refused. */
static bool is_silence(unsigned reason)
{
	return reason == REASON_BACKEND_SILENT || reason == REASON_CONNECT_FAILED || reason == REASON_NO_ADDRESS;
}

static void came_back(struct letter *l, void *owner)
{
	struct parcel *p = container_of(l, struct parcel, letter);
	struct lane *lane = owner;
	struct back **slot = lane ? back_slot(lane, p->errand.server, p->errand.stream) : NULL;
	struct back_remote *r = slot && *slot && (*slot)->ops == &back_remote_ops
					? container_of(*slot, struct back_remote, base)
					: NULL;
	struct query *q = r ? query_map_find(&r->map, p->errand.token) : NULL;

	if (q && is_silence(p->reason) && !q->soas && !back_elsewhere(q) && post_home(r, q) == 0) {
		/* nobody else is there: it waits on for its deadline */
	} else if (q && p->reason != REASON_NONE) {
		query_map_del(&r->map, q);
		query_lost(q, (enum reason)p->reason);
	} else if (q && query_matches(q, p->msg, p->len)) {
		if (!query_is_last(q, p->msg, p->len)) {
			query_part(q, p->msg, p->len);
		} else {
			query_map_del(&r->map, q);
			query_reply(q, p->msg, p->len);
		}
	}
	parcel_free(p);
}

/* ---- the back's own ops ---- */
static int remote_send(struct back *b, struct query *q)
{
	struct back_remote *r = container_of(b, struct back_remote, base);
	int err;

	MAGIC_CHECK(r, REMOTE_MAGIC);
	err = query_map_add_random(&r->map, q, QUERY_IDS, &r->lane->core.rng);
	if (err < 0)
		return err;
	err = post_home(r, q);
	if (err < 0)
		query_map_del(&r->map, q);
	return err;
}

static void remote_cancel(struct back *b, struct query *q)
{
	struct back_remote *r = container_of(b, struct back_remote, base);

	MAGIC_CHECK(r, REMOTE_MAGIC);
	query_map_del(&r->map, q);
}

const struct back_ops back_remote_ops = {"remote", remote_send, remote_cancel};

struct back *back_remote_new(struct lane *lane, struct server *server, struct lane *home, bool stream)
{
	struct back_remote *r = mem_zalloc(sizeof(*r));

	if (!r)
		return NULL;
	r->magic = REMOTE_MAGIC;
	r->base.ops = &back_remote_ops;
	r->base.server = server_ref(server);
	r->lane = lane;
	r->home = home;
	r->stream = stream;
	return &r->base;
}

void back_remote_close(struct back *b)
{
	struct back_remote *r = container_of(b, struct back_remote, base);

	MAGIC_CHECK(r, REMOTE_MAGIC);
	while (r->map.first) {
		struct query *q = r->map.first;

		query_map_del(&r->map, q);
		query_lost(q, REASON_CONNECTION_LOST);
	}
	query_map_free(&r->map);
	server_free(&r->base.server);
	r->magic = 0;
	mem_free(r);
}
