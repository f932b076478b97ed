/* act_response.c: actions on answers: those that only answers have, and those shared with queries. */
#include "rule_priv.h"
#include <stdio.h>

static struct action *for_response(struct action *a)
{
	if (a)
		a->for_response = true;
	return a;
}

#define SHARED(name) \
	struct action *name##_response(const struct arg *argv, size_t argc, const char **error_r) \
	{ \
		return for_response(name(argv, argc, error_r)); \
	}
SHARED(act_allow)
SHARED(act_drop)
SHARED(act_delay)
SHARED(act_truncate)
SHARED(act_set_tag)
SHARED(act_unset_tag)
SHARED(act_skip_cache)
SHARED(act_max_returned_ttl)
SHARED(act_edns_option)
SHARED(act_ede)
#undef SHARED

/* ---- ClearRecordTypesResponseAction, LimitTTLResponseAction and its two halves ---- */

struct act_types {
	struct action base;
	uint32_t min, max;
	size_t n;
	uint16_t types[];
};

/* Of the edits below: an answer that cannot be parsed is passed on as it came. */
static enum act edited(struct dq *dq, int rc UNUSED)
{
	dq_changed(dq);
	return ACT_NEXT;
}

static enum act run_clear_types(struct action *a, struct dq *dq)
{
	const struct act_types *me = (const struct act_types *)a;

	return me->n ? edited(dq, msg_remove_types(dq->msg, &dq->len, me->types, me->n)) : ACT_NEXT;
}

static enum act run_limit_ttl(struct action *a, struct dq *dq)
{
	const struct act_types *me = (const struct act_types *)a;

	return edited(dq, msg_limit_ttls(dq->msg, dq->len, me->min, me->max, me->types, me->n));
}

static struct action *make_types(const struct arg *types, uint32_t min, uint32_t max,
	enum act (*run)(struct action *, struct dq *), const char *text, const char **error_r)
{
	const struct arg *v;
	size_t n = types ? rule_list(types, &v) : 0;
	struct act_types *a =
		action_make(sizeof(*a) + n * sizeof(a->types[0]), run, NULL, error_r, "%s", text);
	struct action *base;

	if (!a)
		return NULL;
	base = for_response(&a->base);
	a->min = min;
	a->max = max;
	a->n = n;
	if (n && !rule_qtypes(types, a->types, n, error_r)) {
		action_free(&base);
		return NULL;
	}
	return base;
}

struct action *act_clear_types(const struct arg *argv, size_t argc UNUSED, const char **error_r)
{
	return make_types(&argv[0], 0, 0, run_clear_types, "clear record types", error_r);
}

static struct action *make_limit(
	const struct arg *types, uint32_t min, uint32_t max, const char **error_r)
{
	char text[64] = "limit ttl";

	if (min > max) {
		error_set(error_r, "min: greater than max");
		return NULL;
	}
	if (min > 0 && max < UINT32_MAX)
		snprintf(text, sizeof(text), "limit ttl (%lu <= ttl <= %lu)", (unsigned long)min,
			(unsigned long)max);
	else if (max < UINT32_MAX)
		snprintf(text, sizeof(text), "limit ttl (ttl <= %lu)", (unsigned long)max);
	else if (min > 0)
		snprintf(text, sizeof(text), "limit ttl (%lu <= ttl)", (unsigned long)min);
	return make_types(types, min, max, run_limit_ttl, text, error_r);
}

struct action *act_limit_ttl(const struct arg *argv, size_t argc UNUSED, const char **error_r)
{
	uint32_t min, max;

	if (!rule_u32(&argv[0], "min", UINT32_MAX, 0, &min, error_r) ||
		!rule_u32(&argv[1], "max", UINT32_MAX, UINT32_MAX, &max, error_r))
		return NULL;
	return make_limit(&argv[2], min, max, error_r);
}

struct action *act_min_ttl(const struct arg *argv, size_t argc UNUSED, const char **error_r)
{
	uint32_t min;

	if (!rule_u32(&argv[0], "min", UINT32_MAX, 0, &min, error_r))
		return NULL;
	return make_limit(NULL, min, UINT32_MAX, error_r);
}

struct action *act_max_ttl(const struct arg *argv, size_t argc UNUSED, const char **error_r)
{
	uint32_t max;

	if (!rule_u32(&argv[0], "max", UINT32_MAX, 0, &max, error_r))
		return NULL;
	return make_limit(NULL, 0, max, error_r);
}

/* ---- SetReducedTTLResponseAction ---- */

struct act_percent {
	struct action base;
	uint32_t percent;
};

static uint32_t reduce(void *percent, enum section s UNUSED, unsigned klass UNUSED,
	unsigned type UNUSED, uint32_t ttl)
{
	return (uint32_t)((uint64_t)ttl * *(const uint32_t *)percent / 100);
}

static enum act run_reduce_ttl(struct action *a, struct dq *dq)
{
	return edited(
		dq, msg_edit_ttls(dq->msg, dq->len, reduce, &((struct act_percent *)a)->percent));
}

struct action *act_reduce_ttl(const struct arg *argv, size_t argc UNUSED, const char **error_r)
{
	struct act_percent *a;
	uint32_t percent;

	if (!rule_u32(&argv[0], "percentage", 100, 0, &percent, error_r))
		return NULL;
	a = action_make(sizeof(*a), run_reduce_ttl, NULL, error_r,
		"reduce ttl to %lu percent of its value", (unsigned long)percent);
	if (!a)
		return NULL;
	a->percent = percent;
	return for_response(&a->base);
}
