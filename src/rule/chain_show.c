/* chain_show.c: a chain as a table for people: showRules(), topRules(). */
#include "rule_priv.h"
#include <inttypes.h>
#include <stdlib.h>

struct ranked {
	const struct rule *rule;
	uint64_t matches; /* read once: it grows while we sort */
};

static int most_matched_first(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	if (x->matches != y->matches)
		return x->matches > y->matches ? -1 : 1;
	return x->rule->created < y->rule->created ? -1 : x->rule->created > y->rule->created;
}

static void header(struct text *out, bool uuids)
{
	text_addf(out, "%-3s ", "#");
	if (uuids)
		text_addf(out, "%-38s ", "UUID");
	text_addf(out, "%-30s %9s %-56s %s\n", "Name", "Matches", "Rule", "Action");
}

static void line(struct text *out, const struct rule *r, size_t number, bool uuids, int width)
{
	const char *shown = r->selector->text;
	size_t len = strlen(shown);

	if (width >= 0 && len > (size_t)width)
		len = (size_t)width;
	text_addf(out, "%-3zu ", number);
	if (uuids)
		text_addf(out, "%-38s ", r->uuid);
	text_addf(out, "%-30s %9" PRIu64 " ", r->name,
		atomic_load_explicit(&r->matches, memory_order_relaxed));
	text_add_bytes(out, shown, len);
	text_addf(out, "%*s %s\n", len < 56 ? (int)(56 - len) : 0, "", r->action->text);
}

static void show_top(
	struct text *out, const struct chain *chain, bool uuids, int width, unsigned top)
{
	struct ranked *v = mem_alloc(chain->n * sizeof(*v));

	if (!v) {
		out->failed = true;
		return;
	}
	for (size_t i = 0; i < chain->n; i++) {
		v[i].rule = chain->v[i];
		v[i].matches = atomic_load_explicit(&chain->v[i]->matches, memory_order_relaxed);
	}
	qsort(v, chain->n, sizeof(*v), most_matched_first);
	for (size_t i = 0; i < chain->n && i < top; i++)
		line(out, v[i].rule, i, uuids, width);
	mem_free(v);
}

void chain_show(struct text *out, const struct chain *chain, bool uuids, int width, unsigned top)
{
	header(out, uuids);
	if (top > 0 && chain->n > 0) {
		show_top(out, chain, uuids, width, top);
		return;
	}
	for (size_t i = 0; i < chain->n; i++)
		line(out, chain->v[i], i, uuids, width);
}
