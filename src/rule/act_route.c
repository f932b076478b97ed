/* act_route.c: actions that decide where a query goes: on, away, to a pool, or home with a bare rcode. */
#include "rule_priv.h"
#include <stdio.h>

/* ---- AllowAction, DropAction, NoneAction ---- */

static enum act run_allow(struct action *a UNUSED, struct dq *dq UNUSED)
{
	return ACT_ALLOW;
}

static enum act run_drop(struct action *a UNUSED, struct dq *dq UNUSED)
{
	return ACT_DROP;
}

static enum act run_none(struct action *a UNUSED, struct dq *dq UNUSED)
{
	return ACT_NEXT;
}

struct action *act_allow(const struct arg *argv UNUSED, size_t argc UNUSED, const char **error_r)
{
	return action_make(sizeof(struct action), run_allow, NULL, error_r, "allow");
}

struct action *act_drop(const struct arg *argv UNUSED, size_t argc UNUSED, const char **error_r)
{
	return action_make(sizeof(struct action), run_drop, NULL, error_r, "drop");
}

struct action *act_none(const struct arg *argv UNUSED, size_t argc UNUSED, const char **error_r)
{
	return action_make(sizeof(struct action), run_none, NULL, error_r, "no op");
}

/* ---- ContinueAction ---- */

struct act_continue {
	struct action base;
	struct action *inner;
};

static enum act run_continue(struct action *a, struct dq *dq)
{
	struct action *inner = ((struct act_continue *)a)->inner;

	(void)inner->run(inner, dq);
	return ACT_NEXT;
}

static void free_continue(struct action *a)
{
	action_free(&((struct act_continue *)a)->inner);
}

struct action *act_continue(const struct arg *argv, size_t argc UNUSED, const char **error_r)
{
	struct action *inner = arg_obj(&argv[0], OBJ_ACTION);
	struct act_continue *a;

	if (!inner || inner->for_response) {
		error_set(error_r, "expected an action for queries, got %s",
			inner ? "one for answers" : arg_kind_name(&argv[0]));
		return NULL;
	}
	a = action_make(sizeof(*a), run_continue, free_continue, error_r, "continue after: %s",
		inner->text);
	if (!a)
		return NULL;
	a->inner = action_ref(inner);
	a->base.pool = inner->pool;
	return &a->base;
}

/* ---- PoolAction, QPSAction, QPSPoolAction ---- */

struct act_pool {
	struct action base;
	struct token_bucket bucket;
	bool stop;
	char name[];
};

static enum act run_pool(struct action *a, struct dq *dq)
{
	const struct act_pool *me = (const struct act_pool *)a;

	dq->pool = me->name;
	return me->stop ? ACT_POOL : ACT_NEXT;
}

static enum act run_qps_pool(struct action *a, struct dq *dq)
{
	return bucket_take(&((struct act_pool *)a)->bucket, dq->now_ms) ? run_pool(a, dq)
									: ACT_NEXT;
}

static enum act run_qps(struct action *a, struct dq *dq)
{
	return bucket_take(&((struct act_pool *)a)->bucket, dq->now_ms) ? ACT_NEXT : ACT_DROP;
}

static struct act_pool *make_pool(const struct arg *pool, const struct arg *stop,
	const char *before, enum act (*run)(struct action *, struct dq *), const char **error_r)
{
	bool stops = arg_bool(stop, true);
	struct act_pool *a;
	const char *name;
	size_t len;

	if (!rule_str(pool, "pool", &name, &len, error_r))
		return NULL;
	a = action_make(sizeof(*a) + len + 1, run, NULL, error_r, "%sto pool %s%s", before, name,
		stops ? "" : " without stopping");
	if (!a)
		return NULL;
	memcpy(a->name, name, len);
	a->base.pool = a->name;
	a->stop = stops;
	return a;
}

struct action *act_pool(const struct arg *argv, size_t argc UNUSED, const char **error_r)
{
	struct act_pool *a = make_pool(&argv[0], &argv[1], "", run_pool, error_r);

	return a ? &a->base : NULL;
}

struct action *act_qps_pool(const struct arg *argv, size_t argc UNUSED, const char **error_r)
{
	struct act_pool *a;
	uint32_t qps;
	char before[32];

	if (!rule_u32(&argv[0], "maxqps", UINT32_MAX, 0, &qps, error_r))
		return NULL;
	snprintf(before, sizeof(before), "max %lu ", (unsigned long)qps);
	a = make_pool(&argv[1], &argv[2], before, run_qps_pool, error_r);
	if (!a)
		return NULL;
	bucket_init(&a->bucket, qps, qps);
	return &a->base;
}

struct action *act_qps(const struct arg *argv, size_t argc UNUSED, const char **error_r)
{
	struct act_pool *a;
	uint32_t qps;

	if (!rule_u32(&argv[0], "maxqps", UINT32_MAX, 0, &qps, error_r))
		return NULL;
	a = action_make(
		sizeof(*a) + 1, run_qps, NULL, error_r, "qps limit to %lu", (unsigned long)qps);
	if (!a)
		return NULL;
	bucket_init(&a->bucket, qps, qps);
	return &a->base;
}

/* ---- DelayAction ---- */

struct act_delay {
	struct action base;
	uint32_t ms;
};

static enum act run_delay(struct action *a, struct dq *dq)
{
	/* A stream would hold up the answers behind this one. */
	if (!proto_stream((enum proto)dq->proto))
		dq->delay_ms = ((const struct act_delay *)a)->ms;
	return ACT_NEXT;
}

struct action *act_delay(const struct arg *argv, size_t argc UNUSED, const char **error_r)
{
	struct act_delay *a;
	uint32_t ms;

	if (!rule_u32(&argv[0], "milliseconds", INT32_MAX, 0, &ms, error_r))
		return NULL;
	a = action_make(sizeof(*a), run_delay, NULL, error_r, "delay by %lu ms", (unsigned long)ms);
	if (!a)
		return NULL;
	a->ms = ms;
	return &a->base;
}

/* ---- TCAction ---- */

static enum act run_truncate(struct action *a UNUSED, struct dq *dq)
{
	if (proto_stream((enum proto)dq->proto))
		return ACT_NEXT;
	return dq_answer_truncated(dq) ? ACT_ERROR : ACT_TRUNCATE;
}

struct action *act_truncate(const struct arg *argv UNUSED, size_t argc UNUSED, const char **error_r)
{
	return action_make(sizeof(struct action), run_truncate, NULL, error_r, "tc=1 answer");
}

/* ---- RCodeAction, ERCodeAction ---- */

struct act_rcode {
	struct action base;
	struct answer_opts opts;
	uint32_t rcode;
};

static enum act run_rcode(struct action *a, struct dq *dq)
{
	const struct act_rcode *me = (const struct act_rcode *)a;

	return dq_answer_rcode(dq, me->rcode, &me->opts) ? ACT_ERROR : ACT_RCODE;
}

static struct action *make_rcode(
	const struct arg *argv, uint32_t max, const char *before, const char **error_r)
{
	struct answer_opts opts;
	struct act_rcode *a;
	uint32_t rcode;

	if (!rule_u32(&argv[0], "rcode", max, 0, &rcode, error_r) ||
		!rule_answer_opts(&argv[1], &opts, error_r))
		return NULL;
	a = action_make(
		sizeof(*a), run_rcode, NULL, error_r, "%s %lu", before, (unsigned long)rcode);
	if (!a)
		return NULL;
	a->rcode = rcode;
	a->opts = opts;
	return &a->base;
}

struct action *act_rcode(const struct arg *argv, size_t argc UNUSED, const char **error_r)
{
	return make_rcode(argv, 15, "set rcode", error_r);
}

struct action *act_ercode(const struct arg *argv, size_t argc UNUSED, const char **error_r)
{
	return make_rcode(argv, 4095, "set ercode", error_r);
}
