/* server.c: backends: birth from a configuration, comparison, the numbers that change while they run. */
#include "mem.h"
#include "server_priv.h"
#include "stat.h"
#include "text.h"
#include <ctype.h>

enum { INDEX_MAX = 16384, LATENCY_WEIGHT = 128 };

/* ---- indices of live servers ----
 * Small numbers are given back and reused, so that workers can index arrays by them.  One table for the process,
 * because servers of an old and a new configuration are alive together; a bit each, changed by compare-and-swap. */
static _Atomic uint32_t index_used[INDEX_MAX / 32];

static int index_get(uint32_t *index_r)
{
	for (uint32_t i = 0; i < INDEX_MAX / 32; i++) {
		uint32_t word = peek(&index_used[i]);

		while (word != UINT32_MAX) {
			unsigned bit = (unsigned)__builtin_ctzl(~word);

			if (atomic_compare_exchange_weak(
				    &index_used[i], &word, word | UINT32_C(1) << bit)) {
				*index_r = i * 32 + bit;
				return 0;
			}
		}
	}
	return -ENOSPC;
}

static void index_put(uint32_t index)
{
	atomic_fetch_and(&index_used[index / 32], ~(UINT32_C(1) << index % 32));
}

/* ---- what is written in the configuration ---- */
static int uuid_parse(uint8_t out[16], const char *s)
{
	static const char digits[] = "0123456789abcdef";
	size_t n = 0;

	for (size_t i = 0; i < 36; i++) {
		const char *d;

		if (i == 8 || i == 13 || i == 18 || i == 23) {
			if (s[i] != '-')
				return -EINVAL;
			continue;
		}
		d = s[i] == '\0' ? NULL : strchr(digits, tolower((unsigned char)s[i]));
		if (d == NULL)
			return -EINVAL;
		out[n / 2] = (uint8_t)(out[n / 2] << 4 | (d - digits));
		n++;
	}
	return s[36] == '\0' ? 0 : -EINVAL;
}

static int set_id(struct server *s, struct rng *rng, const char **error_r)
{
	const char *id = s->conf.id;

	if (id == NULL || *id == '\0') {
		rng_uuid(rng, s->id);
		return uuid_parse(s->uuid, s->id);
	}
	if (uuid_parse(s->uuid, id) != 0)
		return error_set(error_r,
			"id: expected a UUID" HINT(" such as 'be1a4d2e-0a43-4c5f-9b1e-0f6d3a2b1c00'") ", got '%.80s'",
			id);
	for (size_t i = 0; i < 36; i++)
		s->id[i] = (char)tolower((unsigned char)id[i]);
	return 0;
}

static int check_probe(const struct server_conf *c, const char **error_r)
{
	struct name name;

	if (c->check_name != NULL &&
		name_from_text(&name, c->check_name, strlen(c->check_name)) != 0)
		return error_set(error_r, "checkName: expected a name, got '%.80s'", c->check_name);
	if (c->check_type != NULL && qtype_from_text(c->check_type) < 0)
		return error_set(error_r, "checkType: expected a type" HINT(" such as 'A'") ", got '%.80s'",
			c->check_type);
	return 0;
}

/* Everything that can fail in a new server; what is there then is freed by server_destroy(). */
static int build(struct server *s, struct rng *rng, const char **error_r)
{
	if (address_set(s, error_r) != 0 || set_id(s, rng, error_r) != 0 ||
		check_probe(&s->conf, error_r) != 0)
		return -EINVAL;
	if (health_new(s) != 0 || points_set(s, s->conf.weight) != 0)
		return error_set(error_r, "out of memory");
	return 0;
}

static void server_destroy(struct server *s)
{
	struct server *successor = atomic_load_explicit(&s->successor, memory_order_acquire);

	if (successor != NULL)
		server_free(&successor);
	points_free(s);
	health_free(s);
	mem_free(s->where);
	address_free(s);
	fields_free(server_fields, server_field_count, &s->conf);
	index_put(s->index);
	s->magic = 0;
	mem_free(s);
}

struct server *server_new(struct server_conf *conf, struct rng *rng, const char **error_r)
{
	struct server *s = mem_zalloc(sizeof *s);

	if (s == NULL || index_get(&s->index) != 0) {
		error_set(error_r, s == NULL ? "out of memory" : "there are too many servers");
		mem_free(s);
		fields_free(server_fields, server_field_count, conf);
		return NULL;
	}
	s->magic = SERVER_MAGIC;
	s->conf = *conf;
	memset(conf, 0, sizeof *conf);
	if (s->conf.weight == 0)
		s->conf.weight = 1;
	if (s->conf.sockets > SERVER_SOCKETS_MAX)
		s->conf.sockets = SERVER_SOCKETS_MAX;
	atomic_init(&s->refs, 1);
	atomic_init(&s->order, s->conf.order);
	atomic_init(&s->weight, s->conf.weight);
	bucket_init(&s->qps, 0, 0);
	server_set_qps(s, s->conf.qps);
	if (build(s, rng, error_r) != 0) {
		server_destroy(s);
		return NULL;
	}
	return s;
}

struct server *server_of(const struct arg *table, void (*unknown)(void *ctx, const char *key, const char *near), void *ctx,
	struct rng *rng, const char **error_r)
{
	struct server_conf c = {.address = NULL};
	struct server *s;

	if (field_defaults(server_fields, server_field_count, &c) < 0) {
		error_set(error_r, "out of memory");
		return NULL;
	}
	if (fields_apply(server_fields, server_field_count, &c, table, unknown, ctx, error_r) < 0) {
		fields_free(server_fields, server_field_count, &c);
		return NULL;
	}
	s = server_new(&c, rng, error_r);
	if (s && server_conf_check(&s->conf, error_r) < 0) /* an address may be a stamp, which sets keys */
		server_free(&s);
	return s;
}

struct server *server_ref(struct server *s)
{
	MAGIC_CHECK(s, SERVER_MAGIC);
	atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
	return s;
}

void server_free(struct server **sp)
{
	struct server *s = *sp;

	*sp = NULL;
	if (s == NULL)
		return;
	MAGIC_CHECK(s, SERVER_MAGIC);
	if (atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) == 1)
		server_destroy(s);
}

/* ---- comparison ---- */
bool server_same(const struct server *a, const struct server *b)
{
	const struct server_conf *x = &a->conf, *y = &b->conf;

	for (size_t i = 0; i < server_field_count; i++)
		if (!field_same(&server_fields[i], x, y)) /* FIELD_OBJ: below */
			return false;
	return x->health_mode == y->health_mode && x->lazy_mode == y->lazy_mode &&
	       x->check_function == y->check_function && x->validator == y->validator;
}

/* ---- while running ---- */
unsigned server_proto(const struct server *s)
{
	const struct server_conf *c = &s->conf;

	if (c->tls && c->tls[0])
		return c->doh_path && c->doh_path[0] ? PROTO_DOH : PROTO_DOT;
	return c->tcp_only ? PROTO_TCP : PROTO_UDP;
}

void server_suspect(struct server *s, bool suspect)
{
	uint32_t was = atomic_load_explicit(&s->state, memory_order_relaxed);

	if (!!(was & SERVER_SUSPECT) == suspect)
		return;
	if (suspect)
		atomic_fetch_or_explicit(&s->state, SERVER_SUSPECT, memory_order_relaxed);
	else
		atomic_fetch_and_explicit(&s->state, ~(uint32_t)SERVER_SUSPECT, memory_order_relaxed);
}

struct server *server_now(struct server *s)
{
	struct server *next;

	while ((next = atomic_load_explicit(&s->successor, memory_order_acquire)) != NULL)
		s = next;
	return s;
}

int server_set_weight(struct server *s, uint32_t weight)
{
	if (weight == 0)
		return -EINVAL;
	if (points_set(s, weight) != 0)
		return -ENOMEM;
	poke(&s->weight, weight);
	return 0;
}

void server_set_qps(struct server *s, double qps)
{
	bucket_set(&s->qps, qps, qps > 0 && qps < 1 ? 1 : qps);
	poke(&s->qps_limited, qps > 0);
}

double server_qps(const struct server *c)
{
	struct server *s = server_mutable(c);
	double rate;

	spin_lock(&s->qps.lock);
	rate = s->qps.rate;
	spin_unlock(&s->qps.lock);
	return rate;
}

const char *server_status(const struct server *s)
{
	static const char *const words[] = {[0] = "down",
		[SERVER_UP] = "up",
		[SERVER_FORCED] = "DOWN",
		[SERVER_UP | SERVER_FORCED] = "UP"};

	return words[atomic_load_explicit(&s->state, memory_order_relaxed) &
		     (SERVER_UP | SERVER_FORCED)];
}

const char *server_name(const struct server *s)
{
	return s->conf.name != NULL && *s->conf.name != '\0' ? s->conf.name : s->conf.address;
}

/* Moves the average by 1/128 of the difference, and by at least one microsecond so that it arrives.  Answers that
 * two workers enter at the same moment may count as one. */
void server_latency(struct server *s, uint32_t us, bool stream)
{
	_Atomic uint32_t *average = stream ? &s->tcp_latency_us : &s->latency_us;
	uint32_t old = atomic_load_explicit(average, memory_order_relaxed);
	int64_t step = ((int64_t)us - old) / LATENCY_WEIGHT;

	if (step == 0)
		step = (us > old) - (us < old);
	atomic_store_explicit(
		average, old == 0 ? us : (uint32_t)(old + step), memory_order_relaxed);
}

bool server_can_accept(struct server *s, bool enforce_qps, uint64_t now_ms)
{
	if (!server_usable(s))
		return false;
	if (!enforce_qps || !atomic_load_explicit(&s->qps_limited, memory_order_relaxed))
		return true;
	return bucket_take(&s->qps, now_ms);
}

static uint32_t tenths(uint64_t now, uint64_t before, uint64_t elapsed_ms)
{
	return (uint32_t)((now - before) * 10000 / elapsed_ms);
}

void server_rates(struct server *s, uint64_t now_ms)
{
	uint64_t queries = atomic_load_explicit(&s->queries, memory_order_relaxed);
	uint64_t drops = atomic_load_explicit(&s->drops, memory_order_relaxed);
	uint64_t elapsed_ms = now_ms - s->rate.at_ms;

	if (s->rate.at_ms != 0 && now_ms > s->rate.at_ms) {
		poke(&s->rate.queries10, tenths(queries, s->rate.queries, elapsed_ms));
		poke(&s->rate.drops10, tenths(drops, s->rate.drops, elapsed_ms));
	}
	s->rate.queries = queries;
	s->rate.drops = drops;
	s->rate.at_ms = now_ms;
}
