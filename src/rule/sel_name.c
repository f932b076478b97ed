/* sel_name.c: selectors that look at the question's name. */
#include "rule_priv.h"
#include <regex.h>

enum { SHOWN_MAX = 32 }; /* names of a set that the text lists; a block list may hold a million */

/* ---- QNameRule ---- */

struct sel_qname {
	struct selector base;
	uint64_t hash;
	uint8_t len;
	uint8_t lower[];
};

static bool match_qname(struct selector *s, struct dq *dq)
{
	const struct sel_qname *me = (const struct sel_qname *)s;
	const struct question *q = dq->question;

	return q->hash == me->hash && q->len == me->len &&
	       memcmp(q->lower, me->lower, me->len) == 0;
}

struct selector *sel_qname(const struct arg *argv, size_t argc UNUSED, const char **error_r)
{
	const struct name *name = arg_obj(&argv[0], OBJ_NAME);
	struct sel_qname *s;
	char text[NAME_TEXT];

	if (!name) {
		error_set(error_r, "expected a name, got %s", arg_kind_name(&argv[0]));
		return NULL;
	}
	name_to_text(name->wire, true, text);
	s = selector_make(sizeof(*s) + name->len, match_qname, NULL, error_r, "qname==%s", text);
	if (!s)
		return NULL;
	s->len = name->len;
	memcpy(s->lower, name->wire, name->len);
	name_lower(s->lower, s->len);
	s->hash = hash_bytes(s->lower, s->len);
	return &s->base;
}

/* ---- QNameSetRule ---- */

struct sel_nameset {
	struct selector base;
	struct nameset *set;
};

static bool match_nameset(struct selector *s, struct dq *dq)
{
	return nameset_has(
		((const struct sel_nameset *)s)->set, dq->question->lower, dq->question->len);
}

static void free_nameset(struct selector *s)
{
	nameset_free(&((struct sel_nameset *)s)->set);
}

struct selector *sel_nameset(const struct arg *argv, size_t argc UNUSED, const char **error_r)
{
	const struct nameset *set = arg_obj(&argv[0], OBJ_NAMESET);
	struct sel_nameset *s;
	struct selector *base;

	if (!set) {
		error_set(error_r, "expected a DNSNameSet, got %s", arg_kind_name(&argv[0]));
		return NULL;
	}
	s = selector_make(sizeof(*s), match_nameset, free_nameset, error_r,
		"qname in DNSNameSet(%zu FQDNs)", nameset_size(set));
	if (!s)
		return NULL;
	base = &s->base;
	s->set = nameset_copy(set);
	if (!s->set) {
		selector_free(&base);
		return rule_no_memory(error_r);
	}
	return base;
}

/* ---- QNameSuffixRule, SuffixMatchNodeRule ---- */

enum { FEW = 8 };
struct sel_suffixes {
	struct selector base;
	struct suffixset *set;
	/* Most rules have one name or two: then comparing the end of the question with each is much cheaper than
	 * hashing every suffix of the question.  Lower-case wire names in a row; NULL when there are more than FEW. */
	uint8_t *few;
	size_t few_len;
};

static bool ends_like_one(const struct sel_suffixes *me, const struct question *q)
{
	const uint8_t *end = me->few + me->few_len;

	for (const uint8_t *p = me->few; p < end; p += 1 + p[0]) {
		const uint8_t *tail;

		if (q->len < p[0])
			continue;
		tail = q->lower + (q->len - p[0]);
		if (tail[0] == p[1] && memcmp(tail, p + 1, p[0]) == 0)
			return true;
	}
	return false;
}

static bool match_suffixes(struct selector *s, struct dq *dq)
{
	const struct sel_suffixes *me = (const struct sel_suffixes *)s;
	const struct question *q = dq->question;

	/* What ends like one may still do so in the middle of a label: the set decides. */
	if (me->few && !ends_like_one(me, q))
		return false;
	return suffixset_match(me->set, q->lower, q->len) >= 0;
}

static void free_suffixes(struct selector *s)
{
	struct sel_suffixes *me = (struct sel_suffixes *)s;

	suffixset_free(&me->set);
	mem_free(me->few);
}

static bool list_few(struct sel_suffixes *me)
{
	const uint8_t *wire;
	size_t pos = 0;

	if (suffixset_size(me->set) > FEW)
		return true;
	while (suffixset_next(me->set, &pos, &wire)) {
		unsigned len = name_len(wire);
		uint8_t *few = mem_resize(me->few, me->few_len + 1 + len);

		if (!few)
			return false;
		me->few = few;
		few[me->few_len] = (uint8_t)len;
		memcpy(few + me->few_len + 1, wire, len);
		name_lower(few + me->few_len + 1, len);
		me->few_len += 1 + len;
	}
	return true;
}

static void show_suffixes(struct text *out, const struct suffixset *set)
{
	const uint8_t *wire;
	size_t pos = 0, n = 0;
	char text[NAME_TEXT];

	for (; n < SHOWN_MAX && suffixset_next(set, &pos, &wire); n++) {
		name_to_text(wire, true, text);
		text_addf(out, "%s%s", n ? ", " : "", text);
	}
	if (suffixset_size(set) > n)
		text_addf(out, ", and %zu more", suffixset_size(set) - n);
}

struct selector *sel_suffixes(const struct arg *argv, size_t argc UNUSED, const char **error_r)
{
	const struct suffixset *set = arg_obj(&argv[0], OBJ_SUFFIXSET);
	struct sel_suffixes *s;
	struct selector *base;
	struct text t = {0};

	if (!set) {
		error_set(error_r, "expected a name, a list of names or a SuffixMatchNode, got %s",
			arg_kind_name(&argv[0]));
		return NULL;
	}
	if (arg_bool(&argv[1], false))
		text_add(&t, "in-set");
	else
		show_suffixes(&t, set);
	s = t.failed ? rule_no_memory(error_r)
		     : selector_make(sizeof(*s), match_suffixes, free_suffixes, error_r,
			       "qname in %s", text_str(&t));
	text_free(&t);
	if (!s)
		return NULL;
	base = &s->base;
	s->set = suffixset_copy(set);
	if (!s->set || !list_few(s)) {
		selector_free(&base);
		return rule_no_memory(error_r);
	}
	return base;
}

/* ---- RegexRule ---- */

struct sel_regex {
	struct selector base;
	bool compiled;
	regex_t regex;
};

static bool match_regex(struct selector *s, struct dq *dq)
{
	char text[NAME_TEXT];

	name_to_text(dq->question->lower, false, text);
	return regexec(&((const struct sel_regex *)s)->regex, text, 0, NULL, 0) == 0;
}

static void free_regex(struct selector *s)
{
	struct sel_regex *me = (struct sel_regex *)s;

	if (me->compiled)
		regfree(&me->regex);
}

struct selector *sel_regex(const struct arg *argv, size_t argc UNUSED, const char **error_r)
{
	const char *pattern = arg_str(&argv[0], "");
	struct sel_regex *s =
		selector_make(sizeof(*s), match_regex, free_regex, error_r, "Regex: %s", pattern);
	struct selector *base;
	char why[128];
	int rc;

	if (!s)
		return NULL;
	rc = regcomp(&s->regex, pattern, REG_EXTENDED | REG_ICASE | REG_NOSUB);
	if (rc) {
		regerror(rc, &s->regex, why, sizeof(why));
		error_set(error_r, "expected a POSIX extended regular expression, got '%s': %s",
			pattern, why);
		base = &s->base;
		selector_free(&base);
		return NULL;
	}
	s->compiled = true;
	return &s->base;
}

/* ---- QNameLabelsCountRule, QNameWireLengthRule: true outside of the interval ---- */

struct sel_outside {
	struct selector base;
	uint32_t min, max;
};

static bool match_labels(struct selector *s, struct dq *dq)
{
	const struct sel_outside *me = (const struct sel_outside *)s;

	return dq->question->labels < me->min || dq->question->labels > me->max;
}

static bool match_wire_length(struct selector *s, struct dq *dq)
{
	const struct sel_outside *me = (const struct sel_outside *)s;

	return dq->question->len < me->min || dq->question->len > me->max;
}

static struct selector *make_outside(const struct arg *argv,
	bool (*match)(struct selector *, struct dq *), const char *what, const char **error_r)
{
	struct sel_outside *s;
	uint32_t min, max;

	if (!rule_u32(&argv[0], "min", UINT32_MAX, 0, &min, error_r) ||
		!rule_u32(&argv[1], "max", UINT32_MAX, 0, &max, error_r))
		return NULL;
	s = selector_make(sizeof(*s), match, NULL, error_r, "%s < %lu || %s > %lu", what,
		(unsigned long)min, what, (unsigned long)max);
	if (!s)
		return NULL;
	s->min = min;
	s->max = max;
	return &s->base;
}

struct selector *sel_labels(const struct arg *argv, size_t argc UNUSED, const char **error_r)
{
	return make_outside(argv, match_labels, "labels count", error_r);
}

struct selector *sel_wire_length(const struct arg *argv, size_t argc UNUSED, const char **error_r)
{
	return make_outside(argv, match_wire_length, "wire length", error_r);
}
