/* policy.c: which server gets the next query: the policies that look at load, order and chance; the pools they
 * look at.  A server that is down or has its most outstanding queries is never chosen, but by roundrobin when all
 * are down.  Other workers change what is read here at any time: a choice may be a little out of date. */
#include "server_priv.h"

static bool ahead(const struct server *s, const struct server *of)
{
	uint32_t a = server_order(s), b = server_order(of);

	if (a != b)
		return a < b;
	return atomic_load_explicit(&s->latency_us, memory_order_relaxed) <
	       atomic_load_explicit(&of->latency_us, memory_order_relaxed);
}

static struct server *least_outstanding(
	const struct policy *self, const struct pool *pool, const struct choose *c)
{
	struct server *best = NULL;
	uint32_t best_load = 0;

	(void)self;
	(void)c;
	for (size_t i = 0; i < pool->n; i++) {
		struct server *s = pool->servers[i];
		uint32_t load = server_load(s);

		if (!server_usable(s))
			continue;
		if (best == NULL || load < best_load || (load == best_load && ahead(s, best))) {
			best = s;
			best_load = load;
		}
	}
	return best;
}

static struct server *first_available(
	const struct policy *self, const struct pool *pool, const struct choose *c)
{
	for (size_t i = 0; i < pool->n; i++)
		if (server_can_accept(pool->servers[i], true, c->now_ms))
			return pool->servers[i];
	return least_outstanding(self, pool, c);
}

static struct server *roundrobin(
	const struct policy *self, const struct pool *pool, const struct choose *c)
{
	size_t usable = 0, nth;

	(void)self;
	for (size_t i = 0; i < pool->n; i++)
		usable += server_usable(pool->servers[i]);
	if (usable == 0 && (c->roundrobin_fail || pool->n == 0))
		return NULL;
	if (usable == 0)
		return pool->servers[(*c->turn)++ % pool->n];
	nth = (*c->turn)++ % usable;
	for (size_t i = 0; i < pool->n; i++)
		if (server_usable(pool->servers[i]) && nth-- == 0)
			return pool->servers[i];
	return least_outstanding(self, pool, c); /* one went down between the two loops */
}

static uint64_t random_below(struct rng *rng, uint64_t n)
{
	if (n <= UINT32_MAX)
		return rng_below(rng, (uint32_t)n);
	return ((uint64_t)rng_u32(rng) << 32 | rng_u32(rng)) % n;
}

static struct server *wrandom(
	const struct policy *self, const struct pool *pool, const struct choose *c)
{
	struct eligible e = {.bound = load_bound(pool, c->weighted_factor)};
	uint64_t sum = weight_sum(pool, &e);

	(void)self;
	if (sum == 0)
		return NULL;
	return weight_pick(pool, &e, random_below(c->rng, sum));
}

/* The lowest order that still has a server which this query was not sent to. */
static bool lowest_order(const struct pool *pool, struct eligible *e)
{
	bool found = false;
	uint32_t lowest = 0;

	for (size_t i = 0; i < pool->n; i++) {
		uint32_t order = server_order(pool->servers[i]);

		if ((!found || order < lowest) && eligible(e, pool->servers[i])) {
			found = true;
			lowest = order;
		}
	}
	e->by_order = true;
	e->order = lowest;
	return found;
}

static struct server *ordered_wrand_untag(
	const struct policy *self, const struct pool *pool, const struct choose *c)
{
	struct eligible e = {.untried = c};
	uint64_t sum;

	(void)self;
	if (!lowest_order(pool, &e))
		return NULL;
	sum = weight_sum(pool, &e);
	if (sum == 0)
		return NULL;
	return weight_pick(pool, &e, random_below(c->rng, sum));
}

bool eligible(const struct eligible *e, const struct server *s)
{
	if (!server_usable(s))
		return false;
	if (e->bound > 0 && server_load(s) >= e->bound * server_weight(s))
		return false;
	if (e->by_order && server_order(s) != e->order)
		return false;
	return e->untried == NULL || e->untried->tried == NULL ||
	       !e->untried->tried(e->untried->dq, s);
}

/* A server may hold its share, by weight, of all outstanding queries and the one at hand, times the factor (consistent
 * hashing with bounded loads: Mirrokni, Thorup, Zadimoghaddam).  With a factor of at least 1 some server is below. */
double load_bound(const struct pool *pool, double factor)
{
	double load = 1, weight = 0;

	if (factor < 1)
		return 0;
	for (size_t i = 0; i < pool->n; i++) {
		if (!server_usable(pool->servers[i]))
			continue;
		load += server_load(pool->servers[i]);
		weight += server_weight(pool->servers[i]);
	}
	return weight > 0 ? factor * load / weight : 0;
}

uint64_t weight_sum(const struct pool *pool, struct eligible *e)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < pool->n; i++)
		if (eligible(e, pool->servers[i]))
			sum += server_weight(pool->servers[i]);
	if (sum > 0 || e->bound <= 0)
		return sum;
	e->bound = 0; /* loads rose since the bound was computed */
	return weight_sum(pool, e);
}

struct server *weight_pick(const struct pool *pool, const struct eligible *e, uint64_t at)
{
	struct server *last = NULL;

	for (size_t i = 0; i < pool->n; i++) {
		uint32_t weight;

		if (!eligible(e, pool->servers[i]))
			continue;
		last = pool->servers[i];
		weight = server_weight(last);
		if (at < weight)
			return last;
		at -= weight;
	}
	return last; /* weights shrank since they were added up */
}

static const struct policy policy_first_available = {
	.name = "firstAvailable", .choose = first_available};
static const struct policy policy_roundrobin = {.name = "roundrobin", .choose = roundrobin};
static const struct policy policy_wrandom = {.name = "wrandom", .choose = wrandom};
static const struct policy policy_ordered_wrand_untag = {
	.name = "orderedWrandUntag", .choose = ordered_wrand_untag};
const struct policy policy_least_outstanding = {
	.name = "leastOutstanding", .choose = least_outstanding};

const struct policy *const policies[] = {
	&policy_least_outstanding,
	&policy_first_available,
	&policy_roundrobin,
	&policy_wrandom,
	&policy_whashed,
	&policy_chashed,
	&policy_ordered_wrand_untag,
	NULL,
};

const struct policy *policy_find(const char *name)
{
	for (size_t i = 0; policies[i] != NULL; i++)
		if (strcmp(policies[i]->name, name) == 0)
			return policies[i];
	return NULL;
}

/* ---- pools ---- */
void pool_sort(struct pool *pool)
{
	for (size_t i = 1; i < pool->n; i++) { /* stable, and mostly sorted already */
		struct server *s = pool->servers[i];
		size_t at = i;

		for (; at > 0 && server_order(pool->servers[at - 1]) > server_order(s); at--)
			pool->servers[at] = pool->servers[at - 1];
		pool->servers[at] = s;
	}
}

struct server *pool_last_resort(const struct pool *pool, uint32_t *turn, const struct dq *dq,
	bool (*tried)(const struct dq *, const struct server *))
{
	struct server *down = NULL;

	for (size_t i = 0; i < pool->n; i++) {
		struct server *s = pool->servers[(*turn + i) % pool->n];
		uint32_t state = atomic_load_explicit(&s->state, memory_order_relaxed);

		if ((state & (SERVER_UP | SERVER_FORCED)) == SERVER_FORCED ||
			(state & (SERVER_UP | SERVER_SUSPECT)) == SERVER_UP || tried(dq, s))
			continue; /* down by hand; or fine, but at a limit of its own */
		if (state & SERVER_UP) {
			++*turn;
			return s;
		}
		down = down ? down : s;
	}
	if (down)
		++*turn;
	return down;
}

bool pool_available(const struct pool *pool)
{
	for (size_t i = 0; i < pool->n; i++)
		if (server_up(pool->servers[i]))
			return true;
	return false;
}

uint32_t pool_outstanding(const struct pool *pool)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < pool->n; i++)
		sum += server_load(pool->servers[i]);
	return sum;
}
