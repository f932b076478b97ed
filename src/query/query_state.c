/* query_state.c: birth, waiting and death of queries; the core that holds them. */
#include "query_priv.h"

static void nobody_answer(struct client *c, const uint8_t *msg, size_t len)
{
	(void)c;
	(void)msg;
	(void)len;
}

static void nobody_drop(struct client *c, enum reason why)
{
	(void)c;
	(void)why;
}

static const struct client_ops nobody_ops = {nobody_answer, nobody_drop, nobody_answer, NULL};

struct query *query_init(struct core *core, const struct client *client, const uint8_t *msg, size_t len)
{
	struct query *q = &core->scratch;
	uint8_t *dq = (uint8_t *)&q->dq;

	/* From dq to dq.counters all is set below, from dq.edns on before it is read. */
	memset(q, 0, offsetof(struct query, dq));
	memset(dq + offsetof(struct dq, ask_flags), 0, offsetof(struct dq, edns) - offsetof(struct dq, ask_flags));
	q->dq.ask_edns = (struct edns){0}; /* selectors read its flags without asking whether it is there */
	q->dq.ecs4.net.family = q->dq.ecs6.net.family = 0;
	q->back = NULL;
	q->deadline_ms = 0;
	q->hedge = NULL;
	q->timer = (struct wheel_node){0};
	q->magic = QUERY_MAGIC;
	q->core = core;
	if (client != &q->client)
		q->client = *client;
	q->hold = core->hold;
	q->dq.msg = core->work;
	q->dq.len = len;
	q->dq.cap = QUERY_BUF;
	q->dq.question = &core->question;
	q->dq.ask_name = core->ask_name;
	q->dq.remote = &q->client.remote;
	q->dq.local = &q->client.local;
	q->dq.now_ms = core->now_ms;
	q->dq.now_us = q->dq.born_us = core->now_us;
	q->dq.rng = &core->rng;
	q->dq.conf = core->hold->conf;
	q->dq.counters = core->counters;
	q->dq.proto = client->proto;
	q->dq.envelope = client->stream ? client->envelope : NULL; /* datagrams have none, and do not say so */
	q->dq.pool = "";
	q->dq.max_returned_ttl = UINT32_MAX;
	q->dq.temp_failure_ttl = -1;
	q->dq.use_ecs = true;
	copy_short(core->work, msg, len);
	return q;
}

static void all_add(struct query *q)
{
	struct core *core = q->core;

	q->all_prev = NULL;
	q->all_next = core->all;
	if (core->all)
		core->all->all_prev = q;
	core->all = q;
	__atomic_store_n(&core->parked, core->parked + 1, __ATOMIC_RELAXED); /* others may read it */
	core->parked_bytes += q->block_size;
	q->hold->queries++;
}

static void hold_drop(struct hold *h)
{
	if (h->queries || h->current)
		return;
	conf_free(&h->conf);
	mem_free(h);
}

static void all_del(struct query *q)
{
	struct core *core = q->core;

	if (q->all_next)
		q->all_next->all_prev = q->all_prev;
	if (q->all_prev)
		q->all_prev->all_next = q->all_next;
	else
		core->all = q->all_next;
	__atomic_store_n(&core->parked, core->parked - 1, __ATOMIC_RELAXED);
	core->parked_bytes -= q->block_size;
	must(q->hold->queries > 0);
	q->hold->queries--;
	hold_drop(q->hold);
}

/* store_ask keeps the message under work as the one to send, in the block or, when it outgrew it, apart. */
static int store_ask(struct query *q)
{
	if (q->dq.len > q->ask_cap) {
		uint8_t *p = mem_alloc(q->dq.len);

		if (!p)
			return -ENOMEM;
		mem_free(q->late);
		q->late = q->ask = p;
		q->ask_cap = q->dq.len;
	}
	if (q->dq.msg != q->ask)
		memmove(q->ask, q->dq.msg, q->dq.len);
	q->ask_len = q->dq.len;
	return 0;
}

/* copy_out makes the block: the query, its question cut to size, the name as asked, the message. */
static struct query *copy_out(struct query *s, enum reason *why_r)
{
	struct core *core = s->core;
	const struct question *was = s->dq.question;
	size_t question = (offsetof(struct question, lower) + was->len + 1u + 7) & ~(size_t)7;
	size_t name = was->len;
	size_t need = sizeof(*s) + question + name + s->dq.len;
	struct query *q;

	*why_r = REASON_TOO_MANY_WAITING;
	if (core->parked >= core->parked_max || core->parked_bytes + need > (uint64_t)core->parked_max * QUERY_BLOCK)
		return NULL;
	*why_r = REASON_OUT_OF_MEMORY;
	q = need <= QUERY_BLOCK ? freelist_get(&core->blocks) : mem_alloc(need);
	if (!q)
		return NULL;
	*q = *s;
	q->block_size = (uint32_t)(need <= QUERY_BLOCK ? QUERY_BLOCK : need);
	q->parked = true;
	q->dq.question = (struct question *)(void *)(q + 1);
	memcpy(q->dq.question, was, offsetof(struct question, lower) + was->len + 1u);
	q->dq.ask_name = (uint8_t *)(q + 1) + question;
	memcpy(q->dq.ask_name, s->dq.ask_name, name);
	q->ask = q->dq.ask_name + name;
	q->ask_cap = q->block_size - (size_t)(q->ask - (uint8_t *)q);
	memcpy(q->ask, s->dq.msg, s->dq.len);
	q->ask_len = s->dq.len;
	q->dq.remote = &q->client.remote;
	q->dq.local = &q->client.local;
	q->key.question = q->dq.question;
	q->late = NULL;
	q->timer = (struct wheel_node){0};
	all_add(q);
	return q;
}

struct query *query_park(struct query *s, enum reason *why_r)
{
	struct query *q;

	*why_r = REASON_OUT_OF_MEMORY;
	if (s->parked)
		return store_ask(s) < 0 ? NULL : s;
	q = copy_out(s, why_r);
	if (!q)
		return NULL;
	/* the marks (tags, texts) moved with the copy */
	s->dq.tags = NULL;
	s->dq.edes = 0;
	s->dq.http = NULL;
	if (q->client.ops->waits)
		q->client.ops->waits(&q->client);
	return q;
}

struct query *query_clone(struct query *s)
{
	enum reason why;
	struct query *q = copy_out(s, &why);

	if (!q)
		return NULL;
	q->dq.tags = NULL;
	q->dq.edes = 0;
	q->dq.http = NULL;
	q->dq.envelope = NULL;
	q->dq.delay_ms = 0;
	q->client.ops = &nobody_ops;
	q->client.next = q->client.prev = NULL;
	q->nobody = true;
	q->waiting = q->hedged = false;
	q->hedge = NULL;
	q->deadline_ms = 0;
	q->tries = 0;
	q->back = NULL;
	return q;
}

void query_end(struct query *q)
{
	struct core *core = q->core;

	if (q->dq.tags || q->dq.edes || q->dq.http)
		dq_free_marks(&q->dq);
	if (!q->parked)
		return;
	must(!q->waiting && !q->hedge);
	wheel_disarm(core->wheel, &q->timer);
	mem_free(q->late);
	all_del(q);
	q->magic = 0;
	if (q->block_size == QUERY_BLOCK)
		freelist_put(&core->blocks, q);
	else
		mem_free(q);
}

void query_answer(struct query *q)
{
	q->client.ops->answer(&q->client, q->dq.msg, q->dq.len);
	query_end(q);
}

void query_drop(struct query *q, enum reason why)
{
	stat_reason(q->core->counters, why);
	q->client.ops->drop(&q->client, why);
	query_end(q);
}

void query_wait_at(struct query *q, uint64_t at_ms, void (*fire)(struct wheel_node *, uint64_t))
{
	q->timer.fire = fire;
	wheel_arm(q->core->wheel, &q->timer, at_ms);
}

static void delay_over(struct wheel_node *node, uint64_t now_ms)
{
	struct query *q = container_of(node, struct query, timer);

	(void)now_ms;
	q->dq.msg = q->late;
	q->dq.len = q->late_len;
	query_answer(q);
}

void query_delay(struct query *s, uint32_t ms)
{
	size_t len = s->dq.len;
	uint8_t *late = mem_dup(s->dq.msg, len);
	enum reason why = REASON_OUT_OF_MEMORY;
	struct query *q = late && !s->parked ? query_park(s, &why) : s;

	if (!late || !q) {
		mem_free(late);
		query_drop(s, why);
		return;
	}
	mem_free(q->late);
	q->late = late;
	q->late_len = len;
	query_wait_at(q, q->core->now_ms + ms, delay_over);
}

void query_orphan(struct client *c)
{
	struct query *q = query_of(c);

	MAGIC_CHECK(q, QUERY_MAGIC);
	must(q->parked);
	c->ops = &nobody_ops;
	c->conn = NULL;
	c->front = NULL;
	c->envelope = q->dq.envelope = NULL;
	q->nobody = true;
	stat_reason(q->core->counters, REASON_CLIENT_GONE);
}

int core_init(struct core *core, struct wheel *wheel, struct counters *counters, const struct edge_ops *edge,
	unsigned parked_max)
{
	memset(core, 0, sizeof(*core));
	core->wheel = wheel;
	core->counters = counters;
	core->edge = edge;
	core->parked_max = parked_max;
	rng_init(&core->rng);
	core->perturbation = rng_u32(&core->rng);
	core->hedge_credit = HEDGE_CREDIT; /* a few queries need not wait for their share */
	freelist_init(&core->blocks, QUERY_BLOCK, 1024);
	core->work = mem_alloc(QUERY_BUF);
	core->reply = mem_alloc(QUERY_BUF);
	if (core->work && core->reply)
		return 0;
	mem_free(core->work);
	mem_free(core->reply);
	core->work = core->reply = NULL;
	return -ENOMEM;
}

void core_tidy(struct core *core)
{
	freelist_clear(&core->blocks);
}

void core_done(struct core *core)
{
	while (core->all) {
		struct query *q = core->all;

		if (q->waiting) {
			q->back->ops->cancel(q->back, q);
			query_stop_waiting(q);
		}
		query_drop(q, REASON_SHUTDOWN);
	}
	freelist_clear(&core->blocks);
	if (core->hold) {
		core->hold->current = false;
		hold_drop(core->hold);
		core->hold = NULL;
	}
	mem_free(core->work);
	mem_free(core->reply);
	core->work = core->reply = NULL;
}

int core_set_conf(struct core *core, struct conf *conf)
{
	struct hold *h = mem_zalloc(sizeof(*h));
	struct hold *old = core->hold;

	if (!h) {
		conf_free(&conf);
		return -ENOMEM;
	}
	h->conf = conf;
	h->current = true;
	core->hold = h;
	core->acl_client.family = 0;
	if (old) {
		old->current = false;
		hold_drop(old);
	}
	return 0;
}

void core_set_time(struct core *core, uint64_t now_us, uint64_t wall_ms)
{
	core->now_us = now_us;
	core->now_ms = now_us / 1000;
	core->wall_ms = wall_ms;
}
