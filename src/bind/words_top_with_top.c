/* words_top_with_top.c: the rings as the console shows them: top lists, search, latencies. */
#include "lua_priv.h"
#include <stdio.h>

#define WORD(name) \
	static int name(lua_State *L, const struct word *w UNUSED, const struct arg *argv UNUSED, \
		size_t argc UNUSED)

static struct rings rings_of(lua_State *L)
{
	const struct host *h = lua_self(L)->host;
	struct rings r = {.n = 0};

	if (h->rings)
		h->rings(h->ctx, &r);
	return r;
}

static unsigned number(const struct arg *a, unsigned absent)
{
	return !arg_given(a) ? absent : a->n < UINT32_MAX ? (unsigned)a->n : UINT32_MAX;
}

WORD(queries)
{
	struct rings r = rings_of(L);

	top_queries(lua_out(L), &r, number(&argv[0], 10), number(&argv[1], 0));
	return 0;
}

WORD(clients)
{
	struct rings r = rings_of(L);

	top_clients(lua_out(L), &r, number(&argv[0], 10));
	return 0;
}

WORD(bandwidth)
{
	struct rings r = rings_of(L);

	top_bandwidth(lua_out(L), &r, number(&argv[0], 10));
	return 0;
}

WORD(responses)
{
	struct rings r = rings_of(L);

	top_responses(
		lua_out(L), &r, number(&argv[0], 10), number(&argv[1], 0), number(&argv[2], 0));
	return 0;
}

WORD(slow)
{
	struct rings r = rings_of(L);

	top_slow(lua_out(L), &r, number(&argv[0], 10), number(&argv[1], 500), number(&argv[2], 0));
	return 0;
}

WORD(timeouts)
{
	struct rings r = rings_of(L);

	top_timeouts(lua_out(L), &r, number(&argv[0], 10), number(&argv[1], 0));
	return 0;
}

WORD(latency)
{
	struct rings r = rings_of(L);

	response_histogram(lua_out(L), &r);
	return 0;
}

/* Runs the search into |found|, whose memory the caller frees before raising any error. */
static int grep(lua_State *L, const struct arg *patterns, unsigned limit, struct text *found,
	const char **error_r)
{
	enum { PATTERNS = 16 };
	const char *p[PATTERNS];
	struct rings r = rings_of(L);

	if (patterns->t.n > PATTERNS)
		return error_set(
			error_r, "expected at most %d patterns, got %zu", PATTERNS, patterns->t.n);
	for (size_t i = 0; i < patterns->t.n; i++)
		p[i] = patterns->t.v[i].s.p;
	return ring_grep(found, &r, p, patterns->t.n, limit, error_r);
}

static int write_file(const char *path, const struct text *t, const char **error_r)
{
	FILE *f = fopen(path, "we");
	bool bad = !f || fwrite(text_str(t), 1, t->len, f) != t->len;

	if (f && fclose(f) != 0)
		bad = true;
	return bad ? error_set(error_r, "%s: %s", path, strerror(errno)) : 0;
}

WORD(grep_queries)
{
	const struct arg *file = argv[2].kind == ARG_TABLE ? arg_get(&argv[2], "outputFile") : NULL;
	struct text found = {NULL, 0, 0, false};
	const char *error = "";
	int rc = grep(L, &argv[0], number(&argv[1], 10), &found, &error);

	if (rc == 0 && file)
		rc = write_file(arg_str(file, ""), &found, &error);
	else if (rc == 0)
		text_add_bytes(lua_out(L), text_str(&found), found.len);
	text_free(&found);
	return rc < 0 ? lua_fail(L, w->name, "%s", error) : 0;
}

const struct word top_words[] = {
	{"topQueries", "top:uint? labels:uint?", queries,
		DOC("Prints the names asked most; labels: only so many labels from the end."),
		DOC("topQueries(20, 2)")},
	{"top", "top:uint? labels:uint?", queries, DOC("An older name of topQueries()."),
		DOC("top(10)")},
	{"topClients", "top:uint?", clients, DOC("Prints the clients that ask most."),
		DOC("topClients(20)")},
	{"topBandwidth", "top:uint?", bandwidth, DOC("Prints the clients that get most bytes."),
		DOC("topBandwidth(20)")},
	{"topResponses", "top:uint? rcode:rcode? labels:uint?", responses,
		DOC("Prints the names answered most with this rcode."),
		DOC("topResponses(20, DNSRCode.SERVFAIL)")},
	{"topSlow", "top:uint? limit:uint? labels:uint?", slow,
		DOC("Prints the names whose answers took longer than so many milliseconds (500)."),
		DOC("topSlow(20, 100)")},
	{"topTimeouts", "top:uint? labels:uint?", timeouts,
		DOC("Prints the names that got no answer in time most often."),
		DOC("topTimeouts(20)")},
	{"grepq", "patterns:strs limit:uint? options:opts?", grep_queries,
		DOC("Prints queries and answers that match all patterns: netmasks, names, \"100ms\"; outputFile: to a file."),
		DOC("grepq({\"192.0.2.0/24\", \"example.org\"}, 20)")},
	{"showResponseLatency", "", latency, DOC("Prints a histogram of latencies."),
		DOC("showResponseLatency()")},
	{.name = NULL},
};
