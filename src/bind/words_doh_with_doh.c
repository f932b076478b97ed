/* words_doh_with_doh.c: DNS over HTTPS: listeners, their paths and headers, static pages. */
#include "frontend.h"
#include <ctype.h>

#define WORD(name) \
	static int name(lua_State *L, const struct word *w UNUSED, const struct arg *argv UNUSED, size_t argc UNUSED)
#define METHOD(name) static int name(lua_State *L, void *self, const struct arg *argv UNUSED, size_t argc UNUSED)

enum { PORT_HTTPS = 443, PORT_HTTP = 80, STATUS_MIN = 200, STATUS_MAX = 599 };

/* ---- headers ---- */

/* A token (RFC 9110 5.6.2) in lower case, as HTTP/2 wants it. */
static int add_header_name(struct field_list *names, const char *key)
{
	char lower[128];
	size_t n = 0;

	for (; key[n] && n < sizeof(lower); n++) {
		if (!isalnum((unsigned char)key[n]) && !strchr("!#$%&'*+-.^_`|~", key[n]))
			return -EINVAL;
		lower[n] = (char)tolower((unsigned char)key[n]);
	}
	return n == 0 || n == sizeof(lower) ? -EINVAL : (lower[n] = 0, frontend_list_add(names, lower, n));
}

/* Adds the pairs of |table| to two lists. */
static int add_headers(struct field_list *names, struct field_list *values, const struct arg *table, const char *what,
	const char **error_r)
{
	if (table->kind != ARG_TABLE || table->t.n)
		return error_set(error_r, "%s: expected a table" HINT(" such as {[\"x-name\"]=\"value\"}") ", got %s", what,
			table->kind == ARG_TABLE ? "a list" : arg_kind_name(table));
	for (size_t i = 0; i < table->t.pairs; i++) {
		const struct arg_pair *p = &table->t.pair[i];
		const char *value = arg_str(&p->value, NULL);
		int rc = value && !strpbrk(value, "\r\n") ? add_header_name(names, p->key) : -EINVAL;

		if (rc == 0)
			rc = frontend_list_add(values, value, p->value.kind == ARG_STR ? p->value.s.len : strlen(value));
		if (rc == -ENOMEM)
			return error_set(error_r, "out of memory");
		if (rc < 0)
			return error_set(error_r, "%s: '%.60s' is no header with a value of one line", what, p->key);
	}
	return 0;
}

static int response_headers(struct bind_conf *b, const struct arg_pair *pair, const char **error_r)
{
	if (strcmp(pair->key, "customResponseHeaders") != 0)
		return 0;
	return add_headers(&b->doh.header_names, &b->doh.header_values, &pair->value, pair->key, error_r) < 0 ? -EINVAL : 1;
}

/* ---- listeners ---- */

static const struct field paths_field = {
	.name = "urls", .type = FIELD_LIST, .offset = offsetof(struct bind_conf, doh.paths)};

static int fill(struct bind_conf *b, const struct arg *argv, const char **error_r)
{
	static const struct arg usual = {.kind = ARG_STR, .s = {"/dns-query", 10}};
	bool encrypted = frontend_given(&argv[1]);
	bool urls = arg_given(&argv[3]) && !(argv[3].kind == ARG_TABLE && argv[3].t.n == 0 && argv[3].t.pairs == 0);

	if (!b->addr.port)
		b->addr.port = encrypted ? PORT_HTTPS : PORT_HTTP;
	if (encrypted && frontend_certs(&b->tls, &argv[1], &argv[2], error_r) < 0)
		return -EINVAL;
	return field_set(&paths_field, b, urls ? &argv[3] : &usual, error_r);
}

/* ---- static pages: an entry is a map of one ---- */

static const char OBJ_ENTRY[] = "DOHResponseMapEntry", OBJ_DOH_FRONTEND[] = "DOHFrontend";

static void entry_free(void *self)
{
	struct doh_map *m = self;

	doh_map_free(&m);
}

static const struct class class_entry = {.type = OBJ_ENTRY, .shown = "DOHResponseMapEntry", .free = entry_free};

static int make_entry(struct doh_map *m, const struct arg *argv, const char **error_r)
{
	struct doh_entry e = {.regex = (char *)(uintptr_t)argv[0].s.p, .content = (char *)(uintptr_t)argv[2].s.p};
	int rc = 0;

	if (argv[1].n < STATUS_MIN || argv[1].n > STATUS_MAX)
		return error_set(error_r, "argument 2 (status): got %.0f, expected %d to %d", argv[1].n, STATUS_MIN, STATUS_MAX);
	if (strlen(argv[2].s.p) != argv[2].s.len)
		return error_set(error_r, "argument 3 (content): expected text without NUL bytes");
	e.status = (unsigned)argv[1].n;
	if (arg_given(&argv[3]))
		rc = add_headers(&e.names, &e.values, &argv[3], "headers", error_r);
	if (rc == 0)
		rc = doh_map_add(m, &e, error_r);
	for (size_t i = 0; i < e.names.n; i++)
		mem_free(e.names.v[i]);
	for (size_t i = 0; i < e.values.n; i++)
		mem_free(e.values.v[i]);
	mem_free(e.names.v);
	mem_free(e.values.v);
	return rc;
}

WORD(new_entry)
{
	struct doh_map *m = doh_map_new();
	const char *error = "";

	lua_push_obj(L, &class_entry, m);
	return make_entry(m, argv, &error) < 0 ? lua_fail(L, w->name, "%s", error) : 1;
}

static int join(struct doh_map *to, const struct arg *list, const char **error_r)
{
	const struct arg *v = list->kind == ARG_TABLE ? list->t.v : list;
	size_t n = list->kind == ARG_TABLE ? list->t.n : 1;

	for (size_t i = 0; i < n; i++) {
		const struct doh_map *m = arg_obj(&v[i], OBJ_ENTRY);

		if (!m)
			return error_set(error_r, "entry %zu: got %s, expected what newDOHResponseMapEntry() returns", i + 1,
				arg_kind_name(&v[i]));
		if (doh_map_add(to, doh_map_nth(m, 0), error_r) < 0)
			return -EINVAL;
	}
	return 0;
}

METHOD(set_map)
{
	static const char word[] = "setResponsesMap";
	struct bind_conf *b = frontend_bind(L, self, word);
	struct frontend_edit e = {.verb = FRONTEND_MAP, .map = doh_map_new()};
	const char *error = "";

	lua_push_obj(L, &class_entry, e.map); /* which frees it */
	if (join(e.map, &argv[0], &error) < 0)
		return lua_fail(L, word, "%s", error);
	if (!b)
		return frontend_change(L, self, word, &e);
	doh_map_free(&b->doh.map);
	b->doh.map = doh_map_ref(e.map);
	return 0;
}

static const struct method doh_methods[] = {{"setResponsesMap", "entries:any", set_map}, {NULL, NULL, NULL}};
static const struct class class_doh_frontend = {.type = OBJ_DOH_FRONTEND, .shown = "DOHFrontend", .methods = doh_methods,
	.more = frontend_methods, .free = mem_free};
const struct class *const doh_classes[] = {&class_doh_frontend, &class_entry, NULL};

/* ---- the words ---- */

static const struct frontend_kind doh = {PROTO_DOH, &class_doh_frontend, fill, response_headers};

WORD(add_doh_local)
{
	return frontend_add(L, w, &doh, argv, argc);
}

WORD(get_frontend)
{
	return frontend_push(L, w, &doh, &argv[0]);
}

WORD(count)
{
	return frontend_push_count(L, PROTO_DOH);
}

WORD(show_frontends)
{
	return frontend_show(L, PROTO_DOH, SHOW_FRONTENDS);
}

WORD(show_codes)
{
	return frontend_show(L, PROTO_DOH, SHOW_CODES);
}

const struct word doh_words[] = {
	{"addDOHLocal", "address:addr certs:any? keys:any? urls:any? options:any?", add_doh_local,
		DOC("Listens for DNS over HTTPS with these certificates and keys (port 443), without any for cleartext HTTP (port 80); urls: the paths, \"/dns-query\" unless given. One option more than the tables say: customResponseHeaders, a table of headers for every answer."),
		DOC("addDOHLocal(\"192.0.2.1\", \"cert.pem\", \"key.pem\", {\"/dns-query\", \"/dns\"}, {customResponseHeaders={[\"x-served-by\"]=\"shrewd\"}})")},
	{"getDOHFrontend", "index:uint", get_frontend, DOC("A DoH listener by its number, from 0."),
		DOC("addDOHLocal(\"127.0.0.1:8053\") getDOHFrontend(0)")},
	{"getDOHFrontendCount", "", count, DOC("How many DoH listeners there are."), DOC("getDOHFrontendCount()")},
	{"showDOHFrontends", "", show_frontends, DOC("Prints the DoH listeners and what came over HTTP."),
		DOC("showDOHFrontends()")},
	{"showDOHResponseCodes", "", show_codes, DOC("Prints how often DoH listeners answered with which HTTP status."),
		DOC("showDOHResponseCodes()")},
	{"newDOHResponseMapEntry", "regex:str status:uint content:str headers:any?", new_entry,
		DOC("A static answer for setResponsesMap(): to paths in which the POSIX extended regular expression is found (case does not matter), this status and content; for 3xx the content is the address to go to."),
		DOC("newDOHResponseMapEntry(\"^/$\", 307, \"https://www.example.org/\")")},
	{.name = NULL},
};
