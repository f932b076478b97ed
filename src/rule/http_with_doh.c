/* http_with_doh.c: selectors that look at the HTTP request a query came in, and the action that answers with HTTP. */
#include "rule_priv.h"
#include <regex.h>
#include <strings.h>

enum { STATUS_MIN = 200, STATUS_MAX = 599 };

/* The path of the request, or NULL: the query did not come over HTTP. */
static const char *path_of(const struct dq *dq)
{
	return dq->envelope ? dq->envelope->path : NULL;
}

/* ---- HTTPPathRule ---- */

struct sel_path {
	struct selector base;
	char path[];
};

static bool match_path(struct selector *s, struct dq *dq)
{
	const char *path = path_of(dq);

	return path && strcmp(path, ((const struct sel_path *)s)->path) == 0;
}

static struct selector *sel_http_path(const struct arg *argv, size_t argc UNUSED, const char **error_r)
{
	struct sel_path *s;
	const char *path;
	size_t len;

	if (!rule_str(&argv[0], "path", &path, &len, error_r))
		return NULL;
	s = selector_make(sizeof(*s) + len + 1, match_path, NULL, error_r, "HTTP path == %s", path);
	if (!s)
		return NULL;
	memcpy(s->path, path, len);
	return &s->base;
}

/* ---- HTTPPathRegexRule, HTTPHeaderRule ---- */

struct sel_http_regex {
	struct selector base;
	bool compiled;
	regex_t regex;
	char field[]; /* name of the header; "": the path */
};

static bool found(const struct sel_http_regex *s, const char *text)
{
	return regexec(&s->regex, text, 0, NULL, 0) == 0;
}

static bool match_path_regex(struct selector *s, struct dq *dq)
{
	const char *path = path_of(dq);

	return path && found((const struct sel_http_regex *)s, path);
}

static bool match_header(struct selector *s, struct dq *dq)
{
	const struct sel_http_regex *me = (const struct sel_http_regex *)s;
	const struct envelope *e = dq->envelope;

	for (size_t i = 0; e && i < e->nfields; i++) {
		if (strcasecmp(e->fields[i].name, me->field) == 0 && found(me, e->fields[i].value))
			return true;
	}
	return false;
}

static void free_http_regex(struct selector *s)
{
	struct sel_http_regex *me = (struct sel_http_regex *)s;

	if (me->compiled)
		regfree(&me->regex);
}

static struct selector *make_http_regex(bool (*match)(struct selector *, struct dq *), const char *field,
	const char *what, const char *regex, const char **error_r)
{
	size_t len = strlen(field);
	struct sel_http_regex *s = selector_make(sizeof(*s) + len + 1, match, free_http_regex, error_r,
		"HTTP %s%s =~ %s", what, field, regex);
	struct selector *base;
	char why[128];
	int err;

	if (!s)
		return NULL;
	base = &s->base;
	memcpy(s->field, field, len);
	err = regcomp(&s->regex, regex, REG_EXTENDED | REG_ICASE | REG_NOSUB);
	if (err) {
		regerror(err, &s->regex, why, sizeof(why));
		error_set(error_r, "'%.80s': %s", regex, why);
		selector_free(&base);
		return NULL;
	}
	s->compiled = true;
	return base;
}

static struct selector *sel_http_path_regex(const struct arg *argv, size_t argc UNUSED, const char **error_r)
{
	const char *regex;
	size_t len;

	if (!rule_str(&argv[0], "regex", &regex, &len, error_r))
		return NULL;
	return make_http_regex(match_path_regex, "", "path", regex, error_r);
}

static struct selector *sel_http_header(const struct arg *argv, size_t argc UNUSED, const char **error_r)
{
	const char *name, *regex;
	size_t len;

	if (!rule_str(&argv[0], "header", &name, &len, error_r) || !rule_str(&argv[1], "regex", &regex, &len, error_r))
		return NULL;
	return make_http_regex(match_header, name, "header ", regex, error_r);
}

/* ---- HTTPStatusAction ---- */

struct act_http {
	struct action base;
	struct answer_opts opts;
	unsigned status;
	size_t len;
	const char *type; /* in |bytes|, behind the body */
	char bytes[];
};

/* The message becomes an answer without records, so that the query ends; the edge sends the page in its place. */
static enum act run_http_status(struct action *a, struct dq *dq)
{
	const struct act_http *me = (const struct act_http *)a;

	if (!path_of(dq))
		return ACT_NEXT;
	if (dq_set_http(dq, me->status, me->bytes, me->len, me->type) < 0)
		return ACT_ERROR;
	return dq_answer_rcode(dq, RCODE_REFUSED, &me->opts) < 0 ? ACT_ERROR : ACT_ANSWER;
}

static struct action *act_http_status(const struct arg *argv, size_t argc UNUSED, const char **error_r)
{
	const char *body, *type = arg_str(&argv[2], "");
	struct answer_opts opts;
	struct act_http *a;
	uint32_t status;
	size_t len;

	if (!rule_u32(&argv[0], "status", STATUS_MAX, 0, &status, error_r) ||
		!rule_str(&argv[1], "body", &body, &len, error_r) || !rule_answer_opts(&argv[3], &opts, error_r))
		return NULL;
	if (status < STATUS_MIN) {
		error_set(error_r, "status: expected a whole number from %d to %d, got %u", STATUS_MIN, STATUS_MAX, status);
		return NULL;
	}
	if (strpbrk(type, "\r\n")) {
		error_set(error_r, "contentType: expected one line");
		return NULL;
	}
	a = action_make(sizeof(*a) + len + strlen(type) + 1, run_http_status, NULL, error_r,
		"return HTTP status of %u", status);
	if (!a)
		return NULL;
	a->opts = opts;
	a->status = status;
	a->len = len;
	a->type = a->bytes + len;
	memcpy(a->bytes, body, len);
	memcpy(a->bytes + len, type, strlen(type));
	return &a->base;
}

const struct selector_row doh_selector_rows[] = {
	{"HTTPHeaderRule", "header:str regex:str", sel_http_header,
		DOC("Matches queries over HTTP that have this header with a value in which the POSIX extended regular expression is found, in any case; only where the frontend has keepIncomingHeaders."),
		DOC("HTTPHeaderRule(\"user-agent\", \"^curl/\")")},
	{"HTTPPathRule", "path:str", sel_http_path,
		DOC("Matches queries over HTTP to exactly this path; what follows a '?' does not count."),
		DOC("HTTPPathRule(\"/dns-query\")")},
	{"HTTPPathRegexRule", "regex:str", sel_http_path_regex,
		DOC("Matches queries over HTTP in whose path the POSIX extended regular expression is found; case does not matter."),
		DOC("HTTPPathRegexRule(\"^/dns-query/[a-z]+$\")")},
	{.word = NULL},
};

const struct action_row doh_action_rows[] = {
	{"HTTPStatusAction", "status:uint body:str contentType:str? options:opts?", act_http_status,
		DOC("Answers queries over HTTP with this status and body, for 3xx with the body as the address to go to; others go on."),
		DOC("HTTPStatusAction(403, \"not for you\", \"text/plain\")")},
	{.word = NULL},
};
