/* grep_with_top.c: searching the rings, and the picture of their latencies. */
#include "stat.h"
#include "mem.h"
#include <stdio.h>
#include <stdlib.h>

enum { PATTERNS_MAX = 16 };

struct pattern {
	enum { PATTERN_MASK, PATTERN_NAME, PATTERN_SLOWER, PATTERN_FASTER } kind;
	struct netmask mask;
	struct name name;
	double ms;
};

/* Per ring the last |limit| matches are kept, in a circle. */
struct grep {
	const struct pattern *pattern;
	size_t patterns;
	struct ring_entry *hit;
	size_t base, limit; /* this ring's part of |hit| */
	size_t n; /* matches seen in this ring */
};

/* pattern_latency reads "100ms", ">100ms", "<100ms". */
static bool pattern_latency(struct pattern *p, const char *text)
{
	char number[32];
	size_t len;

	p->kind = text[0] == '<' ? PATTERN_FASTER : PATTERN_SLOWER;
	if (text[0] == '<' || text[0] == '>')
		text++;
	len = strlen(text);
	if (len < 3 || len - 2 >= sizeof(number) || strcmp(text + len - 2, "ms") != 0)
		return false;
	memcpy(number, text, len - 2);
	number[len - 2] = '\0';
	return text_double(number, &p->ms) == 0;
}

static int pattern_parse(struct pattern *p, const char *text, const char **error_r)
{
	if (pattern_latency(p, text))
		return 0;
	if (netmask_parse(&p->mask, text) == 0) {
		p->kind = PATTERN_MASK;
		return 0;
	}
	/* Digits, dots and slashes alone are an address gone wrong. */
	if (text[0] != '<' && text[0] != '>' &&
		(strcmp(text, ".") == 0 || text[strspn(text, "0123456789./:")] != '\0') &&
		name_from_text(&p->name, text, strlen(text)) == 0) {
		p->kind = PATTERN_NAME;
		return 0;
	}
	return error_set(error_r,
		"expected a netmask, a domain name or a latency such as '100ms', got '%s'", text);
}

static bool pattern_matches(const struct pattern *p, const struct ring_entry *e)
{
	switch (p->kind) {
	case PATTERN_MASK:
		return netmask_match(&p->mask, &e->client);
	case PATTERN_NAME:
		return e->name_len != 0 && name_under(e->name, p->name.wire);
	case PATTERN_SLOWER:
		return e->is_response && (double)e->usec / 1000 >= p->ms;
	case PATTERN_FASTER:
		return e->is_response && (double)e->usec / 1000 <= p->ms;
	}
	return false;
}

static bool grep_entry(void *ctx, const struct ring_entry *e)
{
	struct grep *g = ctx;

	for (size_t i = 0; i < g->patterns; i++)
		if (!pattern_matches(&g->pattern[i], e))
			return true;
	g->hit[g->base + g->n++ % g->limit] = *e;
	return true;
}

static int by_time(const void *a, const void *b)
{
	const struct ring_entry *x = a, *y = b;

	if (x->when_ms != y->when_ms)
		return x->when_ms < y->when_ms ? -1 : 1;
	return x->is_response - y->is_response; /* the question first */
}

static void cell(struct text *out, size_t *column, size_t width, const char *s)
{
	text_add(out, s);
	*column += width;
	text_pad(out, *column);
}

static void grep_head(struct text *out)
{
	static const struct {
		const char *name;
		uint8_t width;
	} head[] = {{"Time", 9}, {"Client", 28}, {"Protocol", 16}, {"Server", 24}, {"Name", 34},
		{"Type", 8}, {"Lat.", 8}, {"TC", 3}, {"RD", 3}, {"AA", 3}};
	size_t column = 0;

	for (size_t i = 0; i < LEN(head); i++)
		cell(out, &column, head[i].width, head[i].name);
	text_add(out, "Rcode\n");
}

static void grep_rcode(struct text *out, const struct ring_entry *e)
{
	char buf[16];

	if (!e->is_response)
		text_add(out, "Question");
	else if (e->usec == UINT32_MAX)
		text_add(out, "Timeout");
	else
		text_addf(out, "%s. %u answer%s", rcode_text(e->flags & DNS_RCODE, buf),
			(unsigned)e->ancount, e->ancount == 1 ? "" : "s");
	text_add(out, "\n");
}

static void grep_line(struct text *out, const struct ring_entry *e, uint64_t now_ms)
{
	char buf[NAME_TEXT];
	size_t column = 0;

	snprintf(buf, sizeof(buf), "%.1f", -((double)now_ms - (double)e->when_ms) / 1000);
	cell(out, &column, 9, buf);
	cell(out, &column, 28, e->client.family == 0 ? "" : addr_print(&e->client, true, buf));
	cell(out, &column, 16, e->proto < PROTO_COUNT ? proto_shown(e->proto) : "");
	cell(out, &column, 24, e->backend.family == 0 ? "" : addr_print(&e->backend, true, buf));
	buf[0] = '\0';
	if (e->name_len != 0)
		name_to_text(e->name, true, buf);
	cell(out, &column, 34, buf);
	cell(out, &column, 8, qtype_text(e->qtype, buf));
	if (!e->is_response)
		buf[0] = '\0';
	else if (e->usec == UINT32_MAX)
		strcpy(buf, "T.O");
	else
		snprintf(buf, sizeof(buf), "%.1f", (double)e->usec / 1000);
	cell(out, &column, 8, buf);
	cell(out, &column, 3, e->flags & DNS_TC ? "TC" : "");
	cell(out, &column, 3, e->flags & DNS_RD ? "RD" : "");
	cell(out, &column, 3, e->flags & DNS_AA ? "AA" : "");
	grep_rcode(out, e);
}

/* most_hits: how many entries a search can bring at most, per ring no more than |limit|. */
static size_t most_hits(const struct rings *r, size_t limit)
{
	size_t sum = 0;

	for (size_t i = 0; i < 2 * r->n; i++) {
		const struct ring *ring = i < r->n ? r->query[i] : r->response[i - r->n];
		size_t n = ring == NULL ? 0 : ring_count(ring);

		sum += n < limit ? n : limit;
	}
	return sum;
}

static int grep_rings(
	struct grep *g, const struct rings *r, size_t cap, unsigned limit, size_t *n_r)
{
	size_t n = 0;

	for (size_t i = 0; i < 2 * r->n && n < cap; i++) {
		struct ring *ring = i < r->n ? r->query[i] : r->response[i - r->n];

		g->base = n;
		g->n = 0;
		/* Rings fill while we search: never more than there is room for. */
		g->limit = cap - n < limit ? cap - n : limit;
		if (ring != NULL && ring_each(ring, grep_entry, g) != 0)
			return -ENOMEM;
		n += g->n < g->limit ? g->n : g->limit;
	}
	*n_r = n;
	return 0;
}

int ring_grep(struct text *out, const struct rings *r, const char *const *patterns, size_t n,
	unsigned limit, const char **error_r)
{
	struct pattern pattern[PATTERNS_MAX];
	struct grep g = {.pattern = pattern, .patterns = n};
	size_t cap = most_hits(r, limit), hits = 0;

	if (n > PATTERNS_MAX)
		return error_set(error_r, "at most %d patterns", PATTERNS_MAX);
	for (size_t i = 0; i < n; i++)
		if (pattern_parse(&pattern[i], patterns[i], error_r) != 0)
			return -EINVAL;
	grep_head(out);
	if (cap == 0)
		return 0;
	g.hit = mem_alloc(cap * sizeof(*g.hit));
	if (g.hit == NULL || grep_rings(&g, r, cap, limit, &hits) != 0) {
		mem_free(g.hit);
		out->failed = true;
		error_set(error_r, "out of memory");
		return -ENOMEM;
	}
	qsort(g.hit, hits, sizeof(*g.hit), by_time);
	for (size_t i = hits > limit ? hits - limit : 0; i < hits; i++)
		grep_line(out, &g.hit[i], r->now_ms);
	mem_free(g.hit);
	return 0;
}

/* ---- picture ---- */

enum {
	BARS = 17,
	BAR_WIDTH = 60
}; /* each bar is twice as slow as the one before; the last has no end */
static const double FIRST_BAR_MS = 0.1;

struct latencies {
	uint64_t bar[BARS], n, timeouts;
	double sum_ms;
};

static bool latency_entry(void *ctx, const struct ring_entry *e)
{
	struct latencies *l = ctx;
	double ms = (double)e->usec / 1000, end = FIRST_BAR_MS;
	unsigned i = 0;

	if (e->usec == UINT32_MAX) {
		l->timeouts++;
		return true;
	}
	for (; i < BARS - 1 && ms >= end; i++)
		end *= 2;
	l->bar[i]++;
	l->n++;
	l->sum_ms += ms;
	return true;
}

/* bar_add draws whole columns as '*', a begun one as ':' or '.'. */
static void bar_add(struct text *out, uint64_t value, uint64_t most)
{
	uint64_t thirds = most == 0 ? 0 : (value * BAR_WIDTH * 3 + most - 1) / most;

	for (uint64_t i = 0; i < thirds / 3; i++)
		text_add(out, "*");
	text_add(out, thirds % 3 == 2 ? ":\n" : thirds % 3 == 1 ? ".\n" : "\n");
}

void response_histogram(struct text *out, const struct rings *r)
{
	struct latencies l = {0};
	unsigned first = 0, last = BARS - 1;
	uint64_t most = 0;

	for (size_t i = 0; i < r->n; i++)
		if (r->response[i] != NULL && ring_each(r->response[i], latency_entry, &l) != 0)
			out->failed = true;
	text_addf(
		out, "Average response latency: %.2f ms\n", l.n == 0 ? 0 : l.sum_ms / (double)l.n);
	if (l.timeouts != 0)
		text_addf(out, "Timeouts: %llu\n", (unsigned long long)l.timeouts);
	if (l.n == 0)
		return;
	while (l.bar[first] == 0)
		first++;
	while (l.bar[last] == 0)
		last--;
	for (unsigned i = first; i <= last; i++)
		if (l.bar[i] > most)
			most = l.bar[i];
	text_add(out, "      ms\n");
	for (unsigned i = first; i <= last; i++) {
		double end = FIRST_BAR_MS * (double)(1u << i);

		text_addf(out, "%s%9.2f  ", i < BARS - 1 ? "<" : ">", i < BARS - 1 ? end : end / 2);
		bar_add(out, l.bar[i], most);
	}
}
