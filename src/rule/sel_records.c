/* sel_records.c: selectors that look at the message's size, its records, and what follows them. */
#include "rule_priv.h"

/* ---- PayloadSizeRule ---- */

enum compare { EQUAL, GREATER, GREATER_OR_EQUAL, SMALLER, SMALLER_OR_EQUAL };
static const struct {
	const char *word, *shown;
} compares[] = {
	[EQUAL] = {"equal", "=="},
	[GREATER] = {"greater", ">"},
	[GREATER_OR_EQUAL] = {"greaterOrEqual", ">="},
	[SMALLER] = {"smaller", "<"},
	[SMALLER_OR_EQUAL] = {"smallerOrEqual", "<="},
};

struct sel_size {
	struct selector base;
	enum compare how;
	uint32_t size;
};

static bool match_size(struct selector *s, struct dq *dq)
{
	const struct sel_size *me = (const struct sel_size *)s;

	switch (me->how) {
	case EQUAL:
		return dq->len == me->size;
	case GREATER:
		return dq->len > me->size;
	case GREATER_OR_EQUAL:
		return dq->len >= me->size;
	case SMALLER:
		return dq->len < me->size;
	default:
		return dq->len <= me->size;
	}
}

struct selector *sel_payload_size(const struct arg *argv, size_t argc UNUSED, const char **error_r)
{
	const char *word = arg_str(&argv[0], "");
	struct sel_size *s;
	uint32_t size;
	size_t how = 0;

	while (how < LEN(compares) && strcmp(word, compares[how].word) != 0)
		how++;
	if (how == LEN(compares)) {
		error_set(error_r,
			"expected \"equal\", \"greater\", \"greaterOrEqual\", \"smaller\" or "
			"\"smallerOrEqual\", got '%s'",
			word);
		return NULL;
	}
	if (!rule_u32(&argv[1], "size", 65535, 0, &size, error_r))
		return NULL;
	s = selector_make(sizeof(*s), match_size, NULL, error_r, "payload size %s %lu",
		compares[how].shown, (unsigned long)size);
	if (!s)
		return NULL;
	s->how = (enum compare)how;
	s->size = size;
	return &s->base;
}

/* ---- RecordsCountRule, RecordsTypeCountRule ---- */

static const char *const section_names[] = {"QD", "AN", "NS", "AR"};

struct sel_count {
	struct selector base;
	enum section section;
	uint16_t type;
	uint32_t min, max;
};

static bool match_count(struct selector *s, struct dq *dq)
{
	const struct sel_count *me = (const struct sel_count *)s;
	unsigned n = dns_count(dq->msg, me->section);

	return n >= me->min && n <= me->max;
}

static unsigned count_type(const struct dq *dq, enum section section, unsigned type)
{
	struct walk walk;
	struct rr rr;
	unsigned n = 0;

	if (dns_count(dq->msg, section) == 0)
		return 0;
	if (section == SECTION_QUESTION)
		return dq->question->qtype == type;
	if (walk_start(&walk, dq->msg, dq->len))
		return 0;
	while (walk_next(&walk, &rr) > 0)
		n += rr.section == section && rr.type == type;
	return n;
}

static bool match_type_count(struct selector *s, struct dq *dq)
{
	const struct sel_count *me = (const struct sel_count *)s;
	unsigned n = count_type(dq, me->section, me->type);

	return n >= me->min && n <= me->max;
}

struct selector *sel_records_count(const struct arg *argv, size_t argc UNUSED, const char **error_r)
{
	struct sel_count *s;
	uint32_t section, min, max;

	if (!rule_u32(&argv[0], "section", SECTION_ADDITIONAL, 0, &section, error_r) ||
		!rule_u32(&argv[1], "min", UINT32_MAX, 0, &min, error_r) ||
		!rule_u32(&argv[2], "max", UINT32_MAX, 0, &max, error_r))
		return NULL;
	s = selector_make(sizeof(*s), match_count, NULL, error_r, "%lu <= records in %s <= %lu",
		(unsigned long)min, section_names[section], (unsigned long)max);
	if (!s)
		return NULL;
	s->section = (enum section)section;
	s->min = min;
	s->max = max;
	return &s->base;
}

struct selector *sel_records_type_count(
	const struct arg *argv, size_t argc UNUSED, const char **error_r)
{
	struct sel_count *s;
	uint32_t section, min, max;
	uint16_t type;
	char buf[16];

	if (!rule_u32(&argv[0], "section", SECTION_ADDITIONAL, 0, &section, error_r) ||
		!rule_u16(&argv[1], "type", 0, &type, error_r) ||
		!rule_u32(&argv[2], "min", UINT32_MAX, 0, &min, error_r) ||
		!rule_u32(&argv[3], "max", UINT32_MAX, 0, &max, error_r))
		return NULL;
	s = selector_make(sizeof(*s), match_type_count, NULL, error_r,
		"%lu <= %s records in %s <= %lu", (unsigned long)min, qtype_text(type, buf),
		section_names[section], (unsigned long)max);
	if (!s)
		return NULL;
	s->section = (enum section)section;
	s->type = type;
	s->min = min;
	s->max = max;
	return &s->base;
}

/* ---- TrailingDataRule ---- */

static bool match_trailing(struct selector *s UNUSED, struct dq *dq)
{
	ssize_t end = msg_end(dq->msg, dq->len);

	return end >= 0 && (size_t)end < dq->len;
}

struct selector *sel_trailing_data(
	const struct arg *argv UNUSED, size_t argc UNUSED, const char **error_r)
{
	return selector_make(
		sizeof(struct selector), match_trailing, NULL, error_r, "trailing data");
}
