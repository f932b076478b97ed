/* response_map.c: static answers of a DoH frontend: pages and redirects chosen by the path. */
#include "conf.h"
#include "mem.h"
#include "text.h"
#include <regex.h>

struct entry {
	struct doh_entry row;
	regex_t regex;
};

struct doh_map {
	_Atomic uint32_t refs;
	struct entry *v;
	size_t n;
};

static const struct field entry_fields[] = {
	{.name = "regex", .type = FIELD_STR, .offset = offsetof(struct doh_entry, regex)},
	{.name = "content", .type = FIELD_STR, .offset = offsetof(struct doh_entry, content)},
	{.name = "names", .type = FIELD_LIST, .offset = offsetof(struct doh_entry, names)},
	{.name = "values", .type = FIELD_LIST, .offset = offsetof(struct doh_entry, values)},
};

struct doh_map *doh_map_new(void)
{
	struct doh_map *m = mem_zalloc(sizeof(*m));

	if (m)
		atomic_init(&m->refs, 1);
	return m;
}

struct doh_map *doh_map_ref(struct doh_map *m)
{
	atomic_fetch_add_explicit(&m->refs, 1, memory_order_relaxed);
	return m;
}

void doh_map_free(struct doh_map **p)
{
	struct doh_map *m = *p;

	*p = NULL;
	if (!m || atomic_fetch_sub_explicit(&m->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (size_t i = 0; i < m->n; i++) {
		regfree(&m->v[i].regex);
		fields_free(entry_fields, LEN(entry_fields), &m->v[i].row);
	}
	mem_free(m->v);
	mem_free(m);
}

int doh_map_add(struct doh_map *m, const struct doh_entry *row, const char **error_r)
{
	struct entry *v = mem_resize(m->v, (m->n + 1) * sizeof(*v)), *e;
	int err;

	if (!v)
		return error_set(error_r, "out of memory");
	m->v = v;
	e = &v[m->n];
	*e = (struct entry){.row = {.status = row->status}};
	err = regcomp(&e->regex, row->regex, REG_EXTENDED | REG_ICASE | REG_NOSUB);
	if (err) {
		char why[128];

		regerror(err, &e->regex, why, sizeof(why));
		return error_set(error_r, "'%.80s': %s", row->regex, why);
	}
	if (fields_copy(entry_fields, LEN(entry_fields), &e->row, row) < 0) {
		fields_free(entry_fields, LEN(entry_fields), &e->row);
		regfree(&e->regex);
		return error_set(error_r, "out of memory");
	}
	m->n++;
	return 0;
}

const struct doh_entry *doh_map_nth(const struct doh_map *m, size_t i)
{
	return i < m->n ? &m->v[i].row : NULL;
}

const struct doh_entry *doh_map_find(const struct doh_map *m, const char *path)
{
	for (size_t i = 0; i < m->n; i++)
		if (regexec(&m->v[i].regex, path, 0, NULL, 0) == 0)
			return &m->v[i].row;
	return NULL;
}
