/* rule_arg.c: reading the arguments of selectors and actions, with the sentences for wrong ones. */
#include "rule_priv.h"

static bool wrong(const char **error_r, const char *what, const char *expected, const struct arg *a)
{
	error_set(error_r, "%s: expected %s, got %s", what, expected, arg_kind_name(a));
	return false;
}

bool rule_u32(const struct arg *a, const char *what, uint32_t max, uint32_t absent, uint32_t *out_r,
	const char **error_r)
{
	double v = absent;

	if (arg_given(a))
		v = a->kind == ARG_NUM || a->kind == ARG_STR ? arg_num(a, -1) : -1;
	if (!(v >= 0 && v <= max) || (double)(uint32_t)v != v) {
		error_set(error_r, "%s: expected a whole number from 0 to %lu, got %s", what,
			(unsigned long)max, a->kind == ARG_NUM ? arg_str(a, "") : arg_kind_name(a));
		return false;
	}
	*out_r = (uint32_t)v;
	return true;
}

bool rule_u16(const struct arg *a, const char *what, uint32_t absent, uint16_t *out_r,
	const char **error_r)
{
	uint32_t v;

	if (!rule_u32(a, what, 65535, absent, &v, error_r))
		return false;
	*out_r = (uint16_t)v;
	return true;
}

bool rule_str(const struct arg *a, const char *what, const char **p_r, size_t *len_r,
	const char **error_r)
{
	if (a->kind != ARG_STR)
		return wrong(error_r, what, "a string", a);
	*p_r = a->s.p;
	*len_r = a->s.len;
	return true;
}

bool rule_addr(const struct arg *a, struct addr *out, const char **error_r)
{
	const struct addr *obj = arg_obj(a, OBJ_ADDR);

	if (obj) {
		*out = *obj;
		return true;
	}
	if (a->kind != ARG_STR)
		return wrong(error_r, "address", "an IP address", a);
	if (addr_parse(out, a->s.p, 0)) {
		error_set(error_r, "expected an IP address, got '%s'", a->s.p);
		return false;
	}
	return true;
}

bool rule_mask(const struct arg *a, struct netmask *out, const char **error_r)
{
	const struct netmask *obj = arg_obj(a, OBJ_NETMASK);

	if (obj) {
		*out = *obj;
		return true;
	}
	if (a->kind != ARG_STR)
		return wrong(error_r, "netmask", "a netmask", a);
	if (netmask_parse(out, a->s.p)) {
		error_set(error_r, "expected a netmask, got '%s'", a->s.p);
		return false;
	}
	return true;
}

bool rule_qtypes(const struct arg *list, uint16_t *out, size_t n, const char **error_r)
{
	const struct arg *v;
	size_t have = rule_list(list, &v);

	must(have == n);
	for (size_t i = 0; i < n; i++) {
		if (!rule_u16(&v[i], "type", 0, &out[i], error_r))
			return false;
	}
	return true;
}

size_t rule_list(const struct arg *a, const struct arg **v_r)
{
	if (a->kind == ARG_TABLE) {
		*v_r = a->t.v;
		return a->t.n;
	}
	*v_r = a;
	return arg_given(a) ? 1 : 0;
}

const struct arg *rule_opt(const struct arg *opts, const char *key)
{
	return opts->kind == ARG_TABLE ? arg_get(opts, key) : NULL;
}

static int8_t flag(const struct arg *opts, const char *key)
{
	const struct arg *a = rule_opt(opts, key);

	return (int8_t)(a ? arg_bool(a, false) : -1);
}

bool rule_answer_opts(const struct arg *opts, struct answer_opts *out, const char **error_r)
{
	const struct arg *ttl = rule_opt(opts, "ttl");

	if (arg_given(opts) && opts->kind != ARG_TABLE)
		return wrong(error_r, "options", "a table", opts);
	*out = (struct answer_opts){flag(opts, "aa"), flag(opts, "ad"), flag(opts, "ra"), 60};
	return !ttl || rule_u32(ttl, "ttl", INT32_MAX, 60, &out->ttl, error_r);
}
