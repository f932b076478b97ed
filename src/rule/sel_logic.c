/* sel_logic.c: selectors made of selectors, chance, and what makeRule() makes of strings. */
#include "rule_priv.h"
#include "log.h"

static bool match_all(struct selector *s UNUSED, struct dq *dq UNUSED)
{
	return true;
}

struct selector *sel_all(const struct arg *argv UNUSED, size_t argc UNUSED, const char **error_r)
{
	return selector_make(sizeof(struct selector), match_all, NULL, error_r, "All");
}

/* ---- AndRule, OrRule, NotRule ---- */

struct sel_list {
	struct selector base;
	size_t n;
	struct selector *v[];
};

static void free_list(struct selector *s)
{
	struct sel_list *list = (struct sel_list *)s;

	for (size_t i = 0; i < list->n; i++)
		selector_free(&list->v[i]);
}

static bool match_and(struct selector *s, struct dq *dq)
{
	const struct sel_list *list = (const struct sel_list *)s;

	for (size_t i = 0; i < list->n; i++) {
		if (!list->v[i]->match(list->v[i], dq))
			return false;
	}
	return true;
}

static bool match_or(struct selector *s, struct dq *dq)
{
	const struct sel_list *list = (const struct sel_list *)s;

	for (size_t i = 0; i < list->n; i++) {
		if (list->v[i]->match(list->v[i], dq))
			return true;
	}
	return false;
}

static bool match_not(struct selector *s, struct dq *dq)
{
	const struct sel_list *list = (const struct sel_list *)s;

	return !list->v[0]->match(list->v[0], dq);
}

static struct selector *make_list(const struct arg *arg,
	bool (*match)(struct selector *, struct dq *), const char *before, const char *between,
	const char **error_r)
{
	const struct arg *v;
	size_t n = rule_list(arg, &v);
	struct sel_list *list;
	struct text t = {0};

	for (size_t i = 0; i < n; i++) {
		const struct selector *part = arg_obj(&v[i], OBJ_SELECTOR);

		if (!part) {
			text_free(&t);
			error_set(error_r, "expected a rule, got %s", arg_kind_name(&v[i]));
			return NULL;
		}
		text_addf(&t, "%s%s(%s)", i ? between : "", before, part->text);
	}
	list = t.failed ? rule_no_memory(error_r)
			: selector_make(sizeof(*list) + n * sizeof(list->v[0]), match, free_list,
				  error_r, "%s", text_str(&t));
	text_free(&t);
	if (!list)
		return NULL;
	for (; list->n < n; list->n++)
		list->v[list->n] = selector_ref(arg_obj(&v[list->n], OBJ_SELECTOR));
	return &list->base;
}

struct selector *sel_and(const struct arg *argv, size_t argc UNUSED, const char **error_r)
{
	return make_list(&argv[0], match_and, "", " && ", error_r);
}

struct selector *sel_or(const struct arg *argv, size_t argc UNUSED, const char **error_r)
{
	return make_list(&argv[0], match_or, "", " || ", error_r);
}

struct selector *sel_not(const struct arg *argv, size_t argc UNUSED, const char **error_r)
{
	if (!arg_obj(&argv[0], OBJ_SELECTOR)) {
		error_set(error_r, "expected a rule, got %s", arg_kind_name(&argv[0]));
		return NULL;
	}
	return make_list(&argv[0], match_not, "!", "", error_r);
}

/* ---- ProbaRule ---- */

struct sel_proba {
	struct selector base;
	double p;
};

static bool match_proba(struct selector *s, struct dq *dq)
{
	return rng_unit(dq->rng) < ((const struct sel_proba *)s)->p;
}

struct selector *sel_proba(const struct arg *argv, size_t argc UNUSED, const char **error_r)
{
	double p = arg_num(&argv[0], -1);
	struct sel_proba *s;

	if (!(p >= 0 && p <= 1)) {
		error_set(error_r, "expected a probability from 0 to 1");
		return NULL;
	}
	s = selector_make(sizeof(*s), match_proba, NULL, error_r, "match with prob. %g", p);
	if (!s)
		return NULL;
	s->p = p;
	return &s->base;
}

/* ---- makeRule ---- */

static int add_mask(struct netset *set, const struct arg *a)
{
	const struct netmask *mask = arg_obj(a, OBJ_NETMASK);

	if (mask)
		return netset_add(set, mask, true);
	return a->kind == ARG_STR ? netset_add_text(set, a->s.p) : -EINVAL;
}

static struct selector *make_masks(const struct arg *v, size_t n, const char **error_r)
{
	struct netset *set = netset_new();
	struct arg argv[3] = {{.kind = ARG_OBJ, .o = {OBJ_NETSET, set}}};
	struct selector *s = NULL;
	int rc = set ? 0 : -ENOMEM;

	for (size_t i = 0; i < n && rc != -ENOMEM; i++) {
		rc = add_mask(set, &v[i]);
		/* As in dnsdist the first element decides; a name among netmasks is lost, but not in silence. */
		if (rc == -EINVAL)
			log_warn(SETUP,
				"rule: '%s' is not a netmask like the first element and is left out",
				arg_str(&v[i], arg_kind_name(&v[i])));
	}
	if (rc == -ENOMEM)
		rule_no_memory(error_r);
	else
		s = sel_netmasks(argv, LEN(argv), error_r);
	if (set)
		netset_free(&set);
	return s;
}

static int add_suffix(struct suffixset *set, const struct arg *a, const char **error_r)
{
	const struct name *obj = arg_obj(a, OBJ_NAME);
	struct name name;

	if (obj)
		return suffixset_add(set, obj);
	if (a->kind != ARG_STR)
		return error_set(error_r, "expected a name or a netmask, got %s", arg_kind_name(a));
	if (name_from_text(&name, a->s.p, a->s.len))
		return error_set(error_r, "expected a name or a netmask, got '%s'", a->s.p);
	return suffixset_add(set, &name);
}

static struct selector *make_suffixes(const struct arg *v, size_t n, const char **error_r)
{
	struct suffixset *set = suffixset_new();
	struct arg argv[2] = {{.kind = ARG_OBJ, .o = {OBJ_SUFFIXSET, set}}};
	struct selector *s = NULL;
	int rc = set ? 0 : -ENOMEM;

	for (size_t i = 0; i < n && !rc; i++)
		rc = add_suffix(set, &v[i], error_r);
	if (rc == -ENOMEM)
		rule_no_memory(error_r);
	else if (!rc)
		s = sel_suffixes(argv, LEN(argv), error_r);
	if (set)
		suffixset_free(&set);
	return s;
}

struct selector *selector_from_strings(const struct arg *list, const char **error_r)
{
	const struct arg *v;
	size_t n = rule_list(list, &v);
	struct netmask mask;
	const char *first = n ? arg_str(&v[0], "") : "";

	if (n == 0) {
		error_set(error_r, "expected a name, a netmask or a list of them, got %s",
			list->kind == ARG_TABLE ? "an empty table" : arg_kind_name(list));
		return NULL;
	}
	if (arg_obj(&v[0], OBJ_NETSET))
		return sel_netmasks((const struct arg[3]){v[0]}, 3, error_r);
	if (arg_obj(&v[0], OBJ_SUFFIXSET))
		return sel_suffixes((const struct arg[2]){v[0]}, 2, error_r);
	if (arg_obj(&v[0], OBJ_NETMASK) ||
		!netmask_parse(&mask, first[0] == '!' ? first + 1 : first))
		return make_masks(v, n, error_r);
	return make_suffixes(v, n, error_r);
}
