/* health.c: is a server up?  Decided from the ends of probes and, in the lazy mode, of real queries; on booleans and
 * times only.
 *
 * Active: a probe every interval; the first one decides at once, later max_check_failures failures or |rise|
 * successes in a row.  Lazy: no probes while healthy; when enough of the last real queries failed, one each second
 * (potential failure) until they decide; while failed, one each failed interval, doubled by each failure where that
 * is wanted.  A success while failed that is not yet enough brings the next probe in a second. */
#include "health.h"
#include "mem.h"
#include "server_priv.h"

enum { SECOND_MS = 1000 };
enum lazy_state { LAZY_HEALTHY, LAZY_POTENTIAL, LAZY_FAILED };

struct health {
	atomic_flag lock; /* all below, and changes (not reads) of the server's state word */
	_Atomic enum health_mode mode;
	enum health_mode automatic; /* the last mode with checks */
	struct health_params params;
	bool under_way; /* a probe */
	_Atomic bool decided; /* some result or somebody has said whether it is up */
	uint32_t failures, successes; /* in a row */
	uint64_t next_ms, asked_ms; /* asked: the last probe began */
	enum lazy_state lazy;
	uint64_t backoff_ms;
	uint32_t count, at, bad; /* the circular sample of real queries */
	uint8_t *sample; /* a bit each: 1 is a failure */
};

static void set_state(struct server *s, bool up, bool forced)
{
	atomic_store_explicit(&s->state, (up ? SERVER_UP : 0u) | (forced ? SERVER_FORCED : 0u),
		memory_order_relaxed); /* and suspect no longer */
}

static void clear_row(struct health *h)
{
	h->failures = 0;
	h->successes = 0;
}

static void clear_sample(struct health *h)
{
	h->count = 0;
	h->at = 0;
	h->bad = 0;
}

static void enter_lazy(
	const struct server *s, struct health *h, enum lazy_state state, uint64_t next_ms)
{
	h->lazy = state;
	h->next_ms = next_ms;
	h->backoff_ms = s->conf.lazy_failed_interval_s * (uint64_t)SECOND_MS;
	clear_row(h);
	clear_sample(h);
}

/* Enters one result; true when there are enough of its kind in a row. */
static bool enough(struct health *h, bool ok)
{
	if (ok) {
		h->failures = 0;
		return ++h->successes >= h->params.rise;
	}
	h->successes = 0;
	return ++h->failures >= h->params.max_check_failures;
}

static void result_active(struct server *s, struct health *h, bool ok)
{
	bool turned = enough(h, ok) || !h->decided;

	if (turned && ok != server_up(s))
		set_state(s, ok, false);
}

static void result_failed(struct server *s, struct health *h, bool ok, uint64_t now_ms)
{
	uint64_t cap_ms = s->conf.lazy_max_backoff_s * (uint64_t)SECOND_MS;

	if (enough(h, ok) && ok) {
		enter_lazy(s, h, LAZY_HEALTHY, 0);
		set_state(s, true, false);
	} else if (ok) {
		h->next_ms = now_ms + SECOND_MS;
	} else {
		if (s->conf.lazy_backoff && h->backoff_ms < cap_ms)
			h->backoff_ms = h->backoff_ms * 2 < cap_ms ? h->backoff_ms * 2 : cap_ms;
		h->next_ms = now_ms + h->backoff_ms;
	}
}

static void result_lazy(struct server *s, struct health *h, bool ok, uint64_t now_ms)
{
	if (h->lazy == LAZY_FAILED) {
		result_failed(s, h, ok, now_ms);
	} else if (h->lazy == LAZY_POTENTIAL && enough(h, ok)) {
		enter_lazy(s, h, ok ? LAZY_HEALTHY : LAZY_FAILED, 0);
		h->next_ms = now_ms + h->backoff_ms;
		set_state(s, ok, false);
	}
}

/* Real queries that failed, against the threshold. */
static bool too_many_failed(const struct server *s, const struct health *h)
{
	return h->count >= s->conf.lazy_min_samples &&
	       (uint64_t)h->bad * 100 >= (uint64_t)h->count * s->conf.lazy_threshold_percent;
}

static void enter_sample(struct health *h, uint32_t size, bool bad)
{
	uint8_t *byte = h->sample + h->at / 8, bit = (uint8_t)(1 << h->at % 8);

	if (h->count == size)
		h->bad -= (*byte & bit) != 0;
	else
		h->count++;
	*byte = (uint8_t)(bad ? *byte | bit : *byte & ~bit);
	h->bad += bad;
	h->at = h->at + 1 == size ? 0 : h->at + 1;
}

static void force(struct server *s, bool up)
{
	struct health *h = s->health;

	spin_lock(&h->lock);
	poke(&h->mode, up ? HEALTH_UP : HEALTH_DOWN);
	h->decided = true;
	set_state(s, up, true);
	spin_unlock(&h->lock);
}

static bool probes(const struct health *h)
{
	enum health_mode mode = peek(&h->mode);

	return !h->under_way &&
	       (mode == HEALTH_ACTIVE || (mode == HEALTH_LAZY && h->lazy != LAZY_HEALTHY));
}

int health_new(struct server *s)
{
	const struct server_conf *c = &s->conf;
	struct health *h = mem_zalloc(sizeof *h);

	if (h == NULL)
		return -ENOMEM;
	h->sample = mem_zalloc(c->lazy_sample_size / 8 + 1);
	if (h->sample == NULL) {
		mem_free(h);
		return -ENOMEM;
	}
	atomic_flag_clear_explicit(&h->lock, memory_order_relaxed);
	atomic_init(&h->mode, c->health_mode);
	h->automatic = c->health_mode == HEALTH_LAZY ? HEALTH_LAZY : HEALTH_ACTIVE;
	h->decided = c->health_mode != HEALTH_ACTIVE;
	h->params = (struct health_params){
		c->max_check_failures, c->rise, c->check_timeout_ms, c->check_interval_s};
	enter_lazy(s, h, LAZY_HEALTHY, 0);
	set_state(s, c->health_mode == HEALTH_UP || c->health_mode == HEALTH_LAZY,
		c->health_mode == HEALTH_UP || c->health_mode == HEALTH_DOWN);
	s->health = h;
	return 0;
}

void health_free(struct server *s)
{
	if (s->health == NULL)
		return;
	mem_free(s->health->sample);
	mem_free(s->health);
	s->health = NULL;
}

void server_set_up(struct server *s)
{
	force(s, true);
}

void server_set_down(struct server *s)
{
	force(s, false);
}

void server_set_auto(struct server *s, enum health_mode mode, int status)
{
	struct health *h = s->health;
	bool up;

	spin_lock(&h->lock);
	if (mode == HEALTH_ACTIVE || mode == HEALTH_LAZY)
		h->automatic = mode;
	poke(&h->mode, h->automatic);
	up = status < 0 ? server_up(s) : status > 0;
	if (status >= 0)
		h->decided = true;
	/* down and lazy: only a probe can bring it up again */
	enter_lazy(s, h, up ? LAZY_HEALTHY : LAZY_FAILED, 0);
	set_state(s, up, false);
	spin_unlock(&h->lock);
}

enum health_mode server_health_mode(const struct server *s)
{
	return peek(&s->health->mode);
}

const char *health_mode_name(enum health_mode mode)
{
	static const char *const names[] = {[HEALTH_ACTIVE] = "active",
		[HEALTH_LAZY] = "lazy",
		[HEALTH_UP] = "up",
		[HEALTH_DOWN] = "down"};

	must((size_t)mode < LEN(names));
	return names[mode];
}

bool health_due(struct server *s, uint64_t now_ms)
{
	struct health *h = s->health;
	uint64_t interval_s;
	bool due;

	spin_lock(&h->lock);
	due = probes(h) && now_ms >= h->next_ms;
	if (due) {
		h->under_way = true;
		h->asked_ms = now_ms;
		bool active = server_health_mode(s) == HEALTH_ACTIVE;

		interval_s = active ? h->params.check_interval_s : 1;
		h->next_ms = now_ms + interval_s * SECOND_MS;
	}
	spin_unlock(&h->lock);
	return due;
}

uint64_t health_next_ms(const struct server *s)
{
	struct health *h = s->health;
	uint64_t next_ms;

	spin_lock(&h->lock);
	next_ms = probes(h) ? h->next_ms : UINT64_MAX;
	spin_unlock(&h->lock);
	return next_ms;
}

void health_hurry(struct server *s, uint64_t now_ms)
{
	spin_lock(&s->health->lock);
	if (s->health->next_ms > now_ms)
		s->health->next_ms = now_ms;
	spin_unlock(&s->health->lock);
}

bool health_result(struct server *s, bool ok, uint64_t now_ms)
{
	struct health *h = s->health;
	bool was;

	if (!ok)
		atomic_fetch_add_explicit(&s->check_failures, 1, memory_order_relaxed);
	spin_lock(&h->lock);
	was = server_up(s);
	h->under_way = false;
	switch (server_health_mode(s)) {
	case HEALTH_ACTIVE:
		result_active(s, h, ok);
		break;
	case HEALTH_LAZY:
		result_lazy(s, h, ok, now_ms);
		break;
	case HEALTH_UP:
	case HEALTH_DOWN:
		break; /* forced while the probe was under way */
	}
	h->decided = true;
	spin_unlock(&h->lock);
	return was != server_up(s);
}

void health_give_up(struct server *s)
{
	spin_lock(&s->health->lock);
	s->health->under_way = false;
	spin_unlock(&s->health->lock);
}

void health_outcome(struct server *s, bool failed, bool servfail, uint64_t now_ms)
{
	struct health *h = s->health;
	bool bad = failed || (servfail && s->conf.lazy_mode == LAZY_TIMEOUT_OR_SERVFAIL);
	bool back = !bad && !server_up(s); /* it was asked as the last resort, and answers */

	if (!back && atomic_load_explicit(&h->mode, memory_order_relaxed) != HEALTH_LAZY)
		return;
	spin_lock(&h->lock);
	if (back && !h->under_way && h->next_ms > h->asked_ms + SECOND_MS)
		h->next_ms = h->asked_ms + SECOND_MS; /* a check may say so now, but not one after each answer */
	if (h->lazy == LAZY_HEALTHY) {
		enter_sample(h, s->conf.lazy_sample_size, bad);
		if (too_many_failed(s, h))
			enter_lazy(s, h, LAZY_POTENTIAL, now_ms);
	}
	spin_unlock(&h->lock);
}

bool health_decided(const struct server *s)
{
	return s->health->decided;
}

struct health_params health_params(const struct server *s)
{
	struct health_params params;

	spin_lock(&s->health->lock);
	params = s->health->params;
	spin_unlock(&s->health->lock);
	return params;
}

void health_set_params(struct server *s, const struct health_params *params)
{
	spin_lock(&s->health->lock);
	s->health->params = *params;
	spin_unlock(&s->health->lock);
}
