/* act_mark.c: actions that mark a query or edit its header and EDNS, and then let the next rule have it.
 * Some of them serve answers as well: act_response.c. */
#include "rule_priv.h"

/* Many marks are one number; the struct keeps it. */
struct act_number {
	struct action base;
	uint32_t value;
};

static uint32_t value_of(const struct action *a)
{
	return ((const struct act_number *)(const void *)a)->value;
}

static struct action *make_number(const struct arg *arg, const char *what, uint32_t max,
	enum act (*run)(struct action *, struct dq *), const char *before, const char **error_r)
{
	struct act_number *a;
	uint32_t value;

	if (!rule_u32(arg, what, max, 0, &value, error_r))
		return NULL;
	a = action_make(sizeof(*a), run, NULL, error_r, "%s %lu", before, (unsigned long)value);
	if (!a)
		return NULL;
	a->value = value;
	return &a->base;
}

/* ---- SetTagAction, UnsetTagAction ---- */

struct act_tag {
	struct action base;
	size_t value_len;
	const char *value; /* in |name|, behind the name */
	char name[];
};

static enum act run_set_tag(struct action *a, struct dq *dq)
{
	const struct act_tag *me = (const struct act_tag *)a;

	return dq_set_tag(dq, me->name, me->value, me->value_len) ? ACT_ERROR : ACT_NEXT;
}

static enum act run_unset_tag(struct action *a, struct dq *dq)
{
	dq_unset_tag(dq, ((const struct act_tag *)a)->name);
	return ACT_NEXT;
}

struct action *act_set_tag(const struct arg *argv, size_t argc UNUSED, const char **error_r)
{
	const char *name, *value;
	size_t name_len, value_len;
	struct act_tag *a;

	if (!rule_str(&argv[0], "tag", &name, &name_len, error_r) ||
		!rule_str(&argv[1], "value", &value, &value_len, error_r))
		return NULL;
	a = action_make(sizeof(*a) + name_len + value_len + 2, run_set_tag, NULL, error_r,
		"set tag '%s' to value '%s'", name, value);
	if (!a)
		return NULL;
	memcpy(a->name, name, name_len);
	a->value = memcpy(a->name + name_len + 1, value, value_len);
	a->value_len = value_len;
	return &a->base;
}

struct action *act_unset_tag(const struct arg *argv, size_t argc UNUSED, const char **error_r)
{
	const char *name;
	struct act_tag *a;
	size_t len;

	if (!rule_str(&argv[0], "tag", &name, &len, error_r))
		return NULL;
	a = action_make(sizeof(*a) + len + 1, run_unset_tag, NULL, error_r, "unset tag '%s'", name);
	if (!a)
		return NULL;
	memcpy(a->name, name, len);
	return &a->base;
}

/* ---- the cache and TTLs ---- */

static enum act run_skip_cache(struct action *a UNUSED, struct dq *dq)
{
	dq->skip_cache = true;
	return ACT_NEXT;
}

struct action *act_skip_cache(
	const struct arg *argv UNUSED, size_t argc UNUSED, const char **error_r)
{
	return action_make(sizeof(struct action), run_skip_cache, NULL, error_r, "skip cache");
}

static enum act run_max_returned_ttl(struct action *a, struct dq *dq)
{
	dq->max_returned_ttl = value_of(a);
	return ACT_NEXT;
}

struct action *act_max_returned_ttl(
	const struct arg *argv, size_t argc UNUSED, const char **error_r)
{
	return make_number(&argv[0], "max", UINT32_MAX, run_max_returned_ttl,
		"cap the TTL of the returned answer to", error_r);
}

static enum act run_temp_failure_ttl(struct action *a, struct dq *dq)
{
	dq->temp_failure_ttl = value_of(a);
	return ACT_NEXT;
}

struct action *act_temp_failure_ttl(
	const struct arg *argv, size_t argc UNUSED, const char **error_r)
{
	return make_number(&argv[0], "ttl", UINT32_MAX, run_temp_failure_ttl,
		"set tempfailure cache ttl to", error_r);
}

/* ---- the header ---- */

static enum act run_no_recurse(struct action *a UNUSED, struct dq *dq)
{
	dns_set_flags(dq->msg, dns_flags(dq->msg) & ~(unsigned)DNS_RD);
	dq_changed(dq);
	return ACT_NEXT;
}

struct action *act_no_recurse(
	const struct arg *argv UNUSED, size_t argc UNUSED, const char **error_r)
{
	return action_make(sizeof(struct action), run_no_recurse, NULL, error_r, "set rd=0");
}

static enum act run_no_validation(struct action *a UNUSED, struct dq *dq)
{
	dns_set_flags(dq->msg, dns_flags(dq->msg) | DNS_CD);
	dq_changed(dq);
	return ACT_NEXT;
}

struct action *act_no_validation(
	const struct arg *argv UNUSED, size_t argc UNUSED, const char **error_r)
{
	return action_make(sizeof(struct action), run_no_validation, NULL, error_r, "set cd=1");
}

/* ---- client subnet ---- */

static enum act run_no_ecs(struct action *a UNUSED, struct dq *dq)
{
	dq->use_ecs = false;
	dq->no_ecs = true;
	return ACT_NEXT;
}

struct action *act_no_ecs(const struct arg *argv UNUSED, size_t argc UNUSED, const char **error_r)
{
	return action_make(sizeof(struct action), run_no_ecs, NULL, error_r, "disable ECS");
}

struct act_ecs {
	struct action base;
	struct netmask for4, for6;
};

static enum act run_ecs(struct action *a, struct dq *dq)
{
	const struct act_ecs *me = (const struct act_ecs *)a;

	dq->ecs4 = me->for4;
	dq->ecs6 = me->for6;
	return ACT_NEXT;
}

struct action *act_ecs(const struct arg *argv, size_t argc UNUSED, const char **error_r)
{
	struct netmask first, second;
	struct act_ecs *a;
	char one[ADDR_TEXT], two[ADDR_TEXT];

	if (!rule_mask(&argv[0], &first, error_r))
		return NULL;
	/* One netmask serves clients of both families. */
	second = first;
	if (arg_given(&argv[1]) && !rule_mask(&argv[1], &second, error_r))
		return NULL;
	netmask_print(&first, one);
	netmask_print(&second, two);
	a = action_make(sizeof(*a), run_ecs, NULL, error_r,
		arg_given(&argv[1]) ? "set ECS to %s / %s" : "set ECS to %s", one, two);
	if (!a)
		return NULL;
	a->for4 = first;
	a->for6 = second;
	return &a->base;
}

static enum act run_ecs_override(struct action *a, struct dq *dq)
{
	dq->ecs_override = value_of(a);
	return ACT_NEXT;
}

struct action *act_ecs_override(const struct arg *argv, size_t argc UNUSED, const char **error_r)
{
	bool on = arg_bool(&argv[0], true);
	struct act_number *a = action_make(
		sizeof(*a), run_ecs_override, NULL, error_r, "%soverride ECS", on ? "" : "do not ");

	if (!a)
		return NULL;
	a->value = on;
	return &a->base;
}

struct act_ecs_bits {
	struct action base;
	uint8_t bits4, bits6;
};

static enum act run_ecs_bits(struct action *a, struct dq *dq)
{
	const struct act_ecs_bits *me = (const struct act_ecs_bits *)a;

	dq->ecs_bits4 = me->bits4;
	dq->ecs_bits6 = me->bits6;
	return ACT_NEXT;
}

struct action *act_ecs_bits(const struct arg *argv, size_t argc UNUSED, const char **error_r)
{
	struct act_ecs_bits *a;
	uint32_t bits4, bits6;

	if (!rule_u32(&argv[0], "v4", 32, 0, &bits4, error_r) ||
		!rule_u32(&argv[1], "v6", 128, 0, &bits6, error_r))
		return NULL;
	a = action_make(sizeof(*a), run_ecs_bits, NULL, error_r, "set ECS prefix length to %u, %u",
		(unsigned)bits4, (unsigned)bits6);
	if (!a)
		return NULL;
	a->bits4 = (uint8_t)bits4;
	a->bits6 = (uint8_t)bits6;
	return &a->base;
}

/* ---- SetEDNSOptionAction ---- */

struct act_edns_option {
	struct action base;
	uint16_t code;
	size_t len;
	uint8_t data[];
};

static enum act run_edns_option(struct action *a, struct dq *dq)
{
	const struct act_edns_option *me = (const struct act_edns_option *)a;

	/* No OPT in an answer to a client that sent none, RFC 6891 7. */
	if (dq->is_response && !dq->had_edns)
		return ACT_NEXT;
	/* Malformed or too large: it goes on as it is. */
	(void)!edns_set_option(
		dq->msg, &dq->len, dq->cap, dq_opt_payload(dq), me->code, me->data, me->len, true);
	dq_changed(dq);
	return ACT_NEXT;
}

struct action *act_edns_option(const struct arg *argv, size_t argc UNUSED, const char **error_r)
{
	struct act_edns_option *a;
	const char *data;
	uint16_t code;
	size_t len;

	if (!rule_u16(&argv[0], "code", 0, &code, error_r) ||
		!rule_str(&argv[1], "data", &data, &len, error_r))
		return NULL;
	if (len > 65000) {
		error_set(error_r, "data: longer than 65000 bytes");
		return NULL;
	}
	a = action_make(sizeof(*a) + len, run_edns_option, NULL, error_r,
		"add EDNS Option (code=%u)", code);
	if (!a)
		return NULL;
	a->code = code;
	a->len = len;
	memcpy(a->data, data, len);
	return &a->base;
}

/* ---- SetExtendedDNSErrorAction ---- */

struct act_ede {
	struct action base;
	uint16_t code;
	bool clear;
	char text[];
};

static enum act run_ede(struct action *a, struct dq *dq)
{
	const struct act_ede *me = (const struct act_ede *)a;

	/* An answer without its explanation is still an answer. */
	(void)!dq_add_ede(dq, me->code, me->text, me->clear);
	return ACT_NEXT;
}

struct action *act_ede(const struct arg *argv, size_t argc UNUSED, const char **error_r)
{
	const char *text = arg_str(&argv[1], "");
	struct act_ede *a;
	uint16_t code;

	if (!rule_u16(&argv[0], "code", 0, &code, error_r))
		return NULL;
	a = action_make(sizeof(*a) + strlen(text) + 1, run_ede, NULL, error_r,
		"set EDNS Extended DNS Error to %u%s%s%s", code, *text ? ": \"" : "", text,
		*text ? "\"" : "");
	if (!a)
		return NULL;
	a->code = code;
	a->clear = arg_bool(&argv[2], true);
	memcpy(a->text, text, strlen(text)); /* zeroed before */
	return &a->base;
}
