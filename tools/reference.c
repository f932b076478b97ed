/* reference.c: writes docs/reference.md from the tables that the program itself runs on, so that the manual cannot
 * say anything else than the code.
 *   reference-writer FILE          writes it
 *   reference-writer --check FILE  exit status 1 when FILE is not what would be written
 *   reference-writer --rows        one line per word: kind, word, "doc", "example", separated by tabs */
#include "bind/lua_priv.h"
#include "cache.h"
#include "registry.h"
#include <stdio.h>
#include <stdlib.h>

enum { WORDS_MAX = 4096 };
struct entry {
	const char *word, *spec, *doc, *example;
};
struct words {
	struct entry v[WORDS_MAX];
	size_t n;
};

static const struct selector_row *const selector_tables[] = {selector_rows, tls_selector_rows, doh_selector_rows};
static const struct action_row *const action_tables[] = {action_rows, doh_action_rows};

static void words_add(void *ctx, const char *word, const char *spec, const char *doc, const char *example)
{
	struct words *w = ctx;

	must(w->n < WORDS_MAX);
	w->v[w->n++] = (struct entry){word, spec, doc, example};
}

static const struct entry *words_find(const struct words *w, const char *word)
{
	for (size_t i = 0; i < w->n; i++)
		if (strcmp(w->v[i].word, word) == 0)
			return &w->v[i];
	return NULL;
}

static int entry_compare(const void *a, const void *b)
{
	return strcmp(((const struct entry *)a)->word, ((const struct entry *)b)->word);
}

/* A word that is registered only to say what it lacks. */
static bool entry_lacking(const struct entry *e)
{
	static const char mark[] = "Not supported yet";

	return e->doc && strncmp(e->doc, mark, sizeof(mark) - 1) == 0;
}

/* "name:str weight:int?" becomes "name, [weight]" with the types below; an unnamed parameter shows its type. */
static void print_signature(FILE *f, const char *word, const char *spec)
{
	bool first = true;

	fprintf(f, "%s(", word);
	for (const char *p = spec ? spec : ""; *p;) {
		size_t len = strcspn(p, " ");
		size_t name = strcspn(p, ": ");
		bool optional = memchr(p, '?', len) != NULL;

		if (name > len)
			name = len;
		while (name && p[name - 1] == '?')
			name--;
		if (len)
			fprintf(f, "%s%s%.*s%s", first ? "" : ", ", optional ? "[" : "", (int)name, p, optional ? "]" : "");
		first = first && !len;
		p += len;
		p += strspn(p, " ");
	}
	fputs(")", f);
}

static void print_entry(FILE *f, const struct entry *e)
{
	fprintf(f, "### %s\n\n`", e->word);
	print_signature(f, e->word, e->spec);
	fputs("`", f);
	if (e->spec && *e->spec)
		fprintf(f, " – parameters: `%s`", e->spec);
	fputs("\n\n", f);
	if (e->doc)
		fprintf(f, "%s\n\n", e->doc);
	if (e->example)
		fprintf(f, "```lua\n%s\n```\n\n", e->example);
}

static void print_words(FILE *f, const char *title, struct words *w)
{
	qsort(w->v, w->n, sizeof(w->v[0]), entry_compare);
	fprintf(f, "## %s\n\n", title);
	for (size_t i = 0; i < w->n; i++)
		if ((!i || strcmp(w->v[i].word, w->v[i - 1].word) != 0) && !entry_lacking(&w->v[i]))
			print_entry(f, &w->v[i]);
}

static const char *field_kind(enum field_type type)
{
	static const char *const kinds[] = {[FIELD_BOOL] = "boolean", [FIELD_U32] = "whole number", [FIELD_DOUBLE] = "number",
		[FIELD_STR] = "string", [FIELD_LIST] = "string or list of strings", [FIELD_OBJ] = "",
		[FIELD_ACCEPT] = "accepted, no effect", [FIELD_ABSENT] = "not supported yet"};

	return kinds[type];
}

static void print_kind(FILE *f, const struct field *d)
{
	bool number = d->type == FIELD_U32 || d->type == FIELD_DOUBLE;

	fputs(field_kind((enum field_type)d->type), f);
	if (number)
		fprintf(f, " from %u to %u", d->min, d->max);
	if (d->unit && *d->unit)
		fprintf(f, " (%s)", d->unit);
	if (d->type != FIELD_OBJ && d->absent && *d->absent)
		fprintf(f, "%sdefault `%s`", *field_kind((enum field_type)d->type) ? ", " : "", d->absent);
}

/* Options of a table: one row each. */
static void print_fields(FILE *f, const char *title, const char *intro, const struct field *d, size_t n)
{
	fprintf(f, "## %s\n\n%s\n\n| key | value | what it does |\n| --- | --- | --- |\n", title, intro);
	for (size_t i = 0; i < n; i++) {
		fprintf(f, "| `%s` | ", d[i].name);
		print_kind(f, &d[i]);
		fprintf(f, " | %s |\n", d[i].doc ? d[i].doc : "");
	}
	fputs("\n", f);
}

/* Rows whose word ends in '_' are set by another word and are not part of the language. */
static bool setting_hidden(const char *word)
{
	return word[strlen(word) - 1] == '_';
}

static void print_settings(FILE *f)
{
	fputs("## Settings\n\nOne word, one value. Those marked *at start* are refused while the program runs.\n\n", f);
	for (size_t i = 0; i < setting_field_count; i++) {
		const struct field *d = &setting_fields[i];
		const char *example = d->absent && *d->absent ? d->absent : d->type == FIELD_STR ? "" : "0";
		const char *quote = d->type == FIELD_STR ? "\"" : "";

		if (setting_hidden(d->name))
			continue;
		fprintf(f, "### %s\n\n`%s(value)` – ", d->name, d->name);
		print_kind(f, d);
		fprintf(f, "%s\n\n%s\n\n", setting_only_at_start(i) ? "; *at start*" : "", d->doc ? d->doc : "");
		fprintf(f, "```lua\n%s(%s%s%s)\n```\n\n", d->name, quote, example, quote);
	}
}

static void print_methods(FILE *f, const struct method *m)
{
	for (; m && m->name; m++) {
		fputs("- `object:", f);
		print_signature(f, m->name, m->spec);
		fputs("`\n", f);
	}
}

static void print_class(FILE *f, const struct class *c)
{
	if (!c->methods && !c->attributes)
		return;
	fprintf(f, "### %s\n\n", c->shown);
	print_methods(f, c->more);
	print_methods(f, c->methods);
	for (const struct attribute *a = c->attributes; a && a->name; a++)
		fprintf(f, "- `object.%s`%s\n", a->name, a->set ? "" : ", read only");
	fputs("\n", f);
}

static void print_objects(FILE *f)
{
	static const struct class *const classes[] = {&class_dq, &class_dr, &class_header, &class_name, &class_nameset,
		&class_suffixset, &class_addr, &class_netmask, &class_netset, &class_server, &class_pool, &class_policy,
		&class_cache, &class_rule, &class_selector, &class_action, &class_bucket, &class_svc, &class_bind};

	fputs("## Objects\n\nWhat functions return and Lua rules get, with methods and attributes.\n\n", f);
	for (size_t i = 0; i < LEN(classes); i++)
		print_class(f, classes[i]);
	for (size_t i = 0; tls_classes[i]; i++)
		print_class(f, tls_classes[i]);
	for (size_t i = 0; doh_classes[i]; i++)
		print_class(f, doh_classes[i]);
}

/* The selectors, actions and response actions of the tables, as words. */
static void collect_rows(struct words *selectors, struct words *actions, struct words *response_actions)
{
	selectors->n = actions->n = response_actions->n = 0;
	for (size_t i = 0; i < LEN(selector_tables); i++)
		for (const struct selector_row *r = selector_tables[i]; r->word; r++)
			words_add(selectors, r->word, r->spec, r->doc, r->example);
	for (size_t i = 0; i < LEN(action_tables); i++)
		for (const struct action_row *r = action_tables[i]; r->word; r++)
			words_add(actions, r->word, r->spec, r->doc, r->example);
	for (const struct action_row *r = response_action_rows; r->word; r++)
		words_add(response_actions, r->word, r->spec, r->doc, r->example);
}

/* What is left of all words when those of the other sections are taken away. */
static void collect_functions(struct words *out, const struct words *all, const struct words *const *known, size_t n)
{
	out->n = 0;
	for (size_t i = 0; i < all->n; i++) {
		const char *word = all->v[i].word;
		bool elsewhere = field_find(setting_fields, setting_field_count, word) != NULL;

		for (size_t j = 0; j < n; j++)
			elsewhere = elsewhere || words_find(known[j], word);
		if (!elsewhere && !setting_hidden(word))
			words_add(out, word, all->v[i].spec, all->v[i].doc, all->v[i].example);
	}
}

static void print_absent(FILE *f, const struct words *all)
{
	static const char *const how[] = {[ABSENT_ERROR] = "an error that says so", [ABSENT_IGNORE] = "a warning, then ignored",
		[ABSENT_SILENT] = "ignored"};
	const char *at = NULL;
	struct absent_row r;

	fputs("## Words that this version lacks\n\nThey are known; using one is what the last column says.\n\n"
	      "| word | needs | using it is |\n| --- | --- | --- |\n", f);
	for (size_t i = 0; i < all->n; i++)
		if (entry_lacking(&all->v[i]))
			fprintf(f, "| `%s` | | %s |\n", all->v[i].word, how[ABSENT_ERROR]);
	while (absent_next(&at, &r))
		if (!words_find(all, r.name))
			fprintf(f, "| `%s` | %s | %s |\n", r.name, r.feature, how[r.how]);
}

static void write_reference(FILE *f)
{
	static struct words all, selectors, actions, response_actions, functions;
	const struct words *const known[] = {&selectors, &actions, &response_actions};

	all.n = 0;
	bind_words(words_add, &all);
	collect_rows(&selectors, &actions, &response_actions);
	collect_functions(&functions, &all, known, LEN(known));
	fputs("# Words of the configuration language\n\n"
	      "Written by `tools/reference` from the tables in the code; do not edit. Parameters in `[…]` may be left out.\n\n"
	      "Sections: settings, functions, options of `newServer`, `newPacketCache` and the listeners, selectors, actions, "
	      "response actions, objects, words that this version lacks.\n\n", f);
	print_settings(f);
	print_words(f, "Functions", &functions);
	print_fields(f, "Options of newServer", "`newServer({address=\"192.0.2.1\", …})`", server_fields, server_field_count);
	print_fields(f, "Options of newPacketCache", "`newPacketCache(maxEntries, {…})`", cache_fields, cache_field_count);
	print_fields(f, "Options of listeners", "`addLocal(address, {…})`", bind_fields, bind_field_count);
	print_fields(f, "More options of encrypted listeners", "`addTLSLocal(address, certs, keys, {…})`, `addDOHLocal(…)`",
		tls_bind_fields, tls_bind_field_count);
	print_fields(f, "More options of DoH listeners", "`addDOHLocal(address, certs, keys, paths, {…})`", doh_bind_fields,
		doh_bind_field_count);
	print_words(f, "Selectors", &selectors);
	print_words(f, "Actions", &actions);
	print_words(f, "Response actions", &response_actions);
	print_objects(f);
	print_absent(f, &all);
}

static void print_row(const char *kind, const char *word, const char *doc, const char *example)
{
	printf("%s\t%s\t%s\t%s\n", kind, word, doc && *doc ? "doc" : "", example && *example ? "example" : "");
}

static void print_rows(void)
{
	static struct words all;

	for (size_t i = 0; i < LEN(selector_tables); i++)
		for (const struct selector_row *r = selector_tables[i]; r->word; r++)
			print_row("selector", r->word, r->doc, r->example);
	for (size_t i = 0; i < LEN(action_tables); i++)
		for (const struct action_row *r = action_tables[i]; r->word; r++)
			print_row("action", r->word, r->doc, r->example);
	for (const struct action_row *r = response_action_rows; r->word; r++)
		print_row("response action", r->word, r->doc, r->example);
	for (size_t i = 0; i < setting_field_count; i++)
		print_row("setting", setting_fields[i].name, setting_fields[i].doc, NULL);
	bind_words(words_add, &all);
	for (size_t i = 0; i < all.n; i++)
		print_row("word", all.v[i].word, all.v[i].doc, all.v[i].example);
}

static int check(const char *path)
{
	char *now = NULL;
	size_t len = 0, at = 0;
	FILE *f = open_memstream(&now, &len), *old = fopen(path, "r");
	int c = EOF;

	if (!f)
		return 1;
	write_reference(f);
	fclose(f);
	if (old) {
		while ((c = getc(old)) != EOF && at < len && (unsigned char)now[at] == c)
			at++;
		fclose(old);
	}
	free(now);
	if (!old || c != EOF || at != len) {
		fprintf(stderr, "%s is not what the tables say: run tools/reference\n", path);
		return 1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	FILE *f;

	if (argc == 2 && strcmp(argv[1], "--rows") == 0) {
		print_rows();
		return 0;
	}
	if (argc == 3 && strcmp(argv[1], "--check") == 0)
		return check(argv[2]);
	if (argc != 2 || argv[1][0] == '-') {
		fputs("usage: reference-writer FILE | --check FILE | --rows\n", stderr);
		return 2;
	}
	f = fopen(argv[1], "w");
	if (!f) {
		perror(argv[1]);
		return 1;
	}
	write_reference(f);
	if (fclose(f) != 0) {
		perror(argv[1]);
		return 1;
	}
	return 0;
}
