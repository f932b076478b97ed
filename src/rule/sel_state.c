/* sel_state.c: selectors that look at what is known besides the message: tags, pools, rates. */
#include "conf.h"
#include "rate.h"
#include "rule_priv.h"

enum { SUBNETS_MAX = 65536 }; /* of one MaxQPSIPRule: at most 1.5 MB */

/* ---- TagRule ---- */

struct sel_tag {
	struct selector base;
	bool any; /* whatever its value */
	size_t value_len;
	const char *value; /* in |name|, behind the name */
	char name[];
};

static bool match_tag(struct selector *s, struct dq *dq)
{
	const struct sel_tag *me = (const struct sel_tag *)s;
	const struct tag *tag = dq->tags ? dq_tag(dq, me->name) : NULL;

	return tag && (me->any || (tag->value_len == me->value_len &&
					  !memcmp(tag->value, me->value, me->value_len)));
}

struct selector *sel_tag(const struct arg *argv, size_t argc UNUSED, const char **error_r)
{
	const char *name, *value = "";
	size_t name_len, value_len = 0;
	bool any = !arg_given(&argv[1]);
	struct sel_tag *s;

	if (!rule_str(&argv[0], "tag", &name, &name_len, error_r) ||
		(!any && !rule_str(&argv[1], "value", &value, &value_len, error_r)))
		return NULL;
	s = selector_make(sizeof(*s) + name_len + value_len + 2, match_tag, NULL, error_r,
		"tag '%s' is set%s%s%s", name, any ? "" : " to '", value, any ? "" : "'");
	if (!s)
		return NULL;
	s->any = any;
	s->value_len = value_len;
	s->value = memcpy(s->name + name_len + 1, value, value_len);
	memcpy(s->name, name, name_len);
	return &s->base;
}

/* ---- PoolAvailableRule, PoolOutstandingRule ---- */

struct sel_pool {
	struct selector base;
	uint32_t limit;
	char name[];
};

static bool match_pool_available(struct selector *s, struct dq *dq)
{
	const struct pool *pool = conf_pool(dq->conf, ((const struct sel_pool *)s)->name);

	return pool && pool_available(pool);
}

static bool match_pool_outstanding(struct selector *s, struct dq *dq)
{
	const struct sel_pool *me = (const struct sel_pool *)s;
	const struct pool *pool = conf_pool(dq->conf, me->name);

	return pool && pool_outstanding(pool) > me->limit;
}

struct selector *sel_pool_available(
	const struct arg *argv, size_t argc UNUSED, const char **error_r)
{
	struct sel_pool *s;
	const char *name;
	size_t len;

	if (!rule_str(&argv[0], "pool", &name, &len, error_r))
		return NULL;
	s = selector_make(sizeof(*s) + len + 1, match_pool_available, NULL, error_r,
		"pool '%s' is available", name);
	if (!s)
		return NULL;
	memcpy(s->name, name, len);
	return &s->base;
}

struct selector *sel_pool_outstanding(
	const struct arg *argv, size_t argc UNUSED, const char **error_r)
{
	struct sel_pool *s;
	const char *name;
	size_t len;
	uint32_t limit;

	if (!rule_str(&argv[0], "pool", &name, &len, error_r) ||
		!rule_u32(&argv[1], "limit", UINT32_MAX, 0, &limit, error_r))
		return NULL;
	s = selector_make(sizeof(*s) + len + 1, match_pool_outstanding, NULL, error_r,
		"pool '%s' outstanding > %lu", name, (unsigned long)limit);
	if (!s)
		return NULL;
	s->limit = limit;
	memcpy(s->name, name, len);
	return &s->base;
}

/* ---- MaxQPSRule: true while the rate of all queries is below the limit ---- */

struct sel_qps {
	struct selector base;
	struct token_bucket bucket;
};

static bool match_qps(struct selector *s, struct dq *dq)
{
	return bucket_take(&((struct sel_qps *)s)->bucket, dq->now_ms);
}

struct selector *sel_max_qps(const struct arg *argv, size_t argc UNUSED, const char **error_r)
{
	struct sel_qps *s;
	uint32_t qps, burst;

	if (!rule_u32(&argv[0], "qps", UINT32_MAX, 0, &qps, error_r) ||
		!rule_u32(&argv[1], "burst", UINT32_MAX, qps, &burst, error_r))
		return NULL;
	s = selector_make(sizeof(*s), match_qps, NULL, error_r, "Max %lu qps", (unsigned long)qps);
	if (!s)
		return NULL;
	bucket_init(&s->bucket, qps, burst);
	return &s->base;
}

/* ---- MaxQPSIPRule: true for a client whose subnet is above the limit ---- */

struct sel_qps_ip {
	struct selector base;
	struct rate *rate;
};

static bool match_qps_ip(struct selector *s, struct dq *dq)
{
	return rate_exceeded(((const struct sel_qps_ip *)s)->rate, dq->remote, dq->now_ms);
}

static void free_qps_ip(struct selector *s)
{
	rate_free(&((struct sel_qps_ip *)s)->rate);
}

static bool read_limits(const struct arg *argv, struct rate_limits *l, const char **error_r)
{
	uint32_t mask4, mask6, shards, scan;

	if (!rule_u32(&argv[0], "qps", UINT32_MAX, 0, &l->qps, error_r) ||
		!rule_u32(&argv[1], "v4Mask", 32, 32, &mask4, error_r) ||
		!rule_u32(&argv[2], "v6Mask", 128, 64, &mask6, error_r) ||
		!rule_u32(&argv[3], "burst", UINT32_MAX, l->qps, &l->burst, error_r) ||
		!rule_u32(&argv[4], "expiration", UINT32_MAX, 300, &l->expiration_s, error_r) ||
		!rule_u32(&argv[5], "cleanupDelay", UINT32_MAX, 60, &l->cleanup_s, error_r) ||
		!rule_u32(&argv[6], "scanFraction", UINT32_MAX, 10, &scan, error_r) ||
		!rule_u32(&argv[7], "shards", 1024, 10, &shards, error_r))
		return false;
	/* |scan| has no meaning: a shard is small enough to be looked through at once. */
	l->mask4 = mask4;
	l->mask6 = mask6;
	l->shards = shards;
	l->max = SUBNETS_MAX;
	return true;
}

struct selector *sel_max_qps_ip(const struct arg *argv, size_t argc UNUSED, const char **error_r)
{
	struct rate_limits l;
	struct sel_qps_ip *s;
	struct selector *base;

	if (!read_limits(argv, &l, error_r))
		return NULL;
	s = selector_make(sizeof(*s), match_qps_ip, free_qps_ip, error_r,
		"IP (/%u, /%u) match for QPS over %lu burst %lu", l.mask4, l.mask6,
		(unsigned long)l.qps, (unsigned long)l.burst);
	if (!s)
		return NULL;
	base = &s->base;
	s->rate = rate_new(&l);
	if (!s->rate) {
		selector_free(&base);
		return rule_no_memory(error_r);
	}
	return base;
}
