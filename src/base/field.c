/* field.c: the table engine: rows that say where an option lives in an object and what it may
 * be.
 *
 * Rows of one type with one offset are names for one member: the first of them gives its
 * default, and strings and lists are copied and freed once.  A range of 0 … 0 means: whatever
 * the type holds. */
#include "arg.h"
#include "arg_read.h"
#include "mem.h"
#include "text.h"
#include <math.h>
#include <stdio.h>

enum { GIVEN_TEXT = 96 };

static void *field_at(const struct field *f, void *object)
{
	return (char *)object + f->offset;
}

static const void *field_in(const struct field *f, const void *object)
{
	return (const char *)object + f->offset;
}

static bool field_stores(const struct field *f)
{
	return f->type <= FIELD_LIST;
}

static bool field_is_alias(const struct field *fields, size_t i)
{
	for (size_t j = 0; j < i; j++)
		if (fields[j].type == fields[i].type && fields[j].offset == fields[i].offset)
			return true;
	return false;
}

void field_list_free(struct field_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		mem_free(l->v[i]);
	mem_free(l->v);
	l->v = NULL;
	l->n = 0;
}

int field_list_add(struct field_list *l, const char *text)
{
	char **v = mem_resize(l->v, (l->n + 1) * sizeof(*v)), *copy;

	if (!v)
		return -ENOMEM;
	l->v = v;
	copy = mem_strdup(text);
	if (!copy)
		return -ENOMEM;
	l->v[l->n++] = copy;
	return 0;
}

static int list_copy(struct field_list *to, const struct field_list *from)
{
	struct field_list l = {NULL, 0};
	if (from->n != 0 && (l.v = mem_zalloc(from->n * sizeof(*l.v))) == NULL)
		return -ENOMEM;
	for (; l.n < from->n; l.n++) {
		l.v[l.n] = mem_strdup(from->v[l.n]);
		if (l.v[l.n] == NULL) {
			field_list_free(&l);
			return -ENOMEM;
		}
	}
	*to = l;
	return 0;
}

/* ---- error sentences ---- */

/* What was given, as the user would recognise it. */
static const char *given(const struct arg *a, char buf[GIVEN_TEXT])
{
	char num[ARG_NUM_TEXT];
	switch (a->kind) {
	case ARG_BOOL:
		return a->b ? "true" : "false";
	case ARG_NUM:
		snprintf(buf, GIVEN_TEXT, "%s", arg_print_num(a->n, num));
		return buf;
	case ARG_STR:
		snprintf(buf, GIVEN_TEXT, "'%.80s%s", a->s.p, strlen(a->s.p) > 80 ? "…'" : "'");
		return buf;
	default:
		return arg_kind_name(a);
	}
}

static int expected(const struct field *f, const char *what, const struct arg *a,
	const char **error_r)
{
	char buf[GIVEN_TEXT];
	return error_set(error_r, "%s: expected %s, got %s", f->name, what, given(a, buf));
}

static int expected_number(const struct field *f, const char *what, double min, double max,
	const struct arg *a, const char **error_r)
{
	char low[ARG_NUM_TEXT], high[ARG_NUM_TEXT], text[192];
	const char *given_unit = DOC_TEXT(f->unit), *unit = given_unit != NULL ? given_unit : "";
	arg_print_num(min, low);
	arg_print_num(max, high);
	if (isinf(max))
		snprintf(text, sizeof(text), "%s%s%s", what, *unit != '\0' ? " in " : "", unit);
	else
		snprintf(text, sizeof(text), "%s from %s to %s%s%s", what, low, high,
			*unit != '\0' ? " " : "", unit);
	return expected(f, text, a, error_r);
}

static int out_of_memory(const struct field *f, const char **error_r)
{
	error_set(error_r, "%s: out of memory", f->name);
	return -ENOMEM;
}

/* ---- one setter per type ---- */

static int set_bool(const struct field *f, void *object, const struct arg *a, const char **error_r)
{
	bool v;
	if (!arg_read_bool(a, &v))
		return expected(f, "true or false", a, error_r);
	memcpy(field_at(f, object), &v, sizeof(v));
	return 0;
}

static int set_u32(const struct field *f, void *object, const struct arg *a, const char **error_r)
{
	bool ranged = f->min != 0 || f->max != 0;
	double v, min = f->min, max = ranged ? (double)f->max : (double)UINT32_MAX;
	if (!arg_read_num(a, &v) || !(v >= min && v <= max) || v != floor(v))
		return expected_number(f, "a whole number", min, max, a, error_r);
	uint32_t u = (uint32_t)v;
	memcpy(field_at(f, object), &u, sizeof(u));
	return 0;
}

static int set_double(const struct field *f, void *object, const struct arg *a,
	const char **error_r)
{
	bool ranged = f->min != 0 || f->max != 0;
	double v, min = ranged ? (double)f->min : -(double)INFINITY, max = ranged ? (double)f->max : (double)INFINITY;
	if (!arg_read_num(a, &v) || !isfinite(v) || !(v >= min && v <= max))
		return expected_number(f, "a number", min, max, a, error_r);
	memcpy(field_at(f, object), &v, sizeof(v));
	return 0;
}

/* Is it a string, or a number standing for one, that a C string can hold? */
static bool is_text(const struct arg *a)
{
	return a->kind == ARG_NUM || (a->kind == ARG_STR && strlen(a->s.p) == a->s.len);
}

static char *text_copy(const struct arg *a) /* NULL: memory is out */
{
	char num[ARG_NUM_TEXT];
	return mem_strdup(a->kind == ARG_NUM ? arg_print_num(a->n, num) : a->s.p);
}

static int set_str(const struct field *f, void *object, const struct arg *a, const char **error_r)
{
	char **place = field_at(f, object);
	if (a->kind == ARG_STR && !is_text(a))
		return expected(f, "a string without NUL bytes", a, error_r);
	if (!is_text(a))
		return expected(f, "a string", a, error_r);
	char *copy = text_copy(a);
	if (copy == NULL)
		return out_of_memory(f, error_r);
	mem_free(*place);
	*place = copy;
	return 0;
}

static int set_list(const struct field *f, void *object, const struct arg *a, const char **error_r)
{
	static const char what[] = "a string or a list of strings";
	struct field_list *place = field_at(f, object), fresh = {NULL, 0};
	const struct arg *v = a;
	size_t n = 1;
	if (a->kind == ARG_TABLE && a->t.pairs == 0) {
		v = a->t.v;
		n = a->t.n;
	} else if (a->kind == ARG_TABLE) {
		return error_set(error_r, "%s: expected %s, got a table with the key '%.80s'",
			f->name, what, a->t.pair[0].key);
	}
	for (size_t i = 0; i < n; i++)
		if (!is_text(&v[i]))
			return expected(f, what, &v[i], error_r);
	if (n != 0 && (fresh.v = mem_zalloc(n * sizeof(*fresh.v))) == NULL)
		return out_of_memory(f, error_r);
	for (; fresh.n < n; fresh.n++) {
		fresh.v[fresh.n] = text_copy(&v[fresh.n]);
		if (fresh.v[fresh.n] == NULL) {
			field_list_free(&fresh);
			return out_of_memory(f, error_r);
		}
	}
	field_list_free(place);
	*place = fresh;
	return 0;
}

static int refuse_absent(const struct field *f, const char **error_r)
{
	if (f->min == 1) /* only worth a warning, which fields_apply() gives */
		return 0;
	const char *doc = DOC_TEXT(f->doc);
	return error_set(error_r, "%s: not supported yet%s%s", f->name, doc != NULL ? ". " : "",
		doc != NULL ? doc : "");
}

/* ---- defaults ---- */

static void default_value(const struct field *f, struct arg *a)
{
	static const struct arg zero = {.kind = ARG_NUM, .n = 0};
	*a = zero;
	if (f->absent != NULL) {
		a->kind = ARG_STR;
		a->s.p = f->absent;
		a->s.len = strlen(f->absent);
	}
}

/* A default may lie outside the range (0 for "not set"), so the range is not asked. */
static int set_default(const struct field *f, void *object)
{
	const char *error;
	struct field open = *f;
	struct arg a;
	default_value(f, &a);
	if (f->absent == NULL && (f->type == FIELD_STR || f->type == FIELD_LIST))
		return 0;
	open.min = open.max = 0;
	int rc = field_set(&open, object, &a, &error);
	must(rc == 0 || rc == -ENOMEM);
	return rc;
}

static void field_null(const struct field *f, void *object)
{
	if (f->type == FIELD_STR)
		memset(field_at(f, object), 0, sizeof(char *));
	else if (f->type == FIELD_LIST)
		memset(field_at(f, object), 0, sizeof(struct field_list));
}

static int field_copy(const struct field *f, void *to, const void *from)
{
	switch (f->type) {
	case FIELD_BOOL:
		memcpy(field_at(f, to), field_in(f, from), sizeof(bool));
		return 0;
	case FIELD_U32:
		memcpy(field_at(f, to), field_in(f, from), sizeof(uint32_t));
		return 0;
	case FIELD_DOUBLE:
		memcpy(field_at(f, to), field_in(f, from), sizeof(double));
		return 0;
	case FIELD_STR: {
		const char *const *s = field_in(f, from);
		char **place = field_at(f, to);
		*place = *s != NULL ? mem_strdup(*s) : NULL;
		return *place == NULL && *s != NULL ? -ENOMEM : 0;
	}
	case FIELD_LIST:
		return list_copy(field_at(f, to), field_in(f, from));
	default:
		return 0;
	}
}

static bool same_text(const char *a, const char *b)
{
	return strcmp(a != NULL ? a : "", b != NULL ? b : "") == 0;
}

static bool same_list(const struct field_list *a, const struct field_list *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (!same_text(a->v[i], b->v[i]))
			return false;
	return true;
}

bool field_same(const struct field *f, const void *a, const void *b)
{
	const void *x = field_in(f, a), *y = field_in(f, b);
	switch (f->type) {
	case FIELD_BOOL:
		return *(const bool *)x == *(const bool *)y;
	case FIELD_U32:
		return *(const uint32_t *)x == *(const uint32_t *)y;
	case FIELD_DOUBLE:
		return *(const double *)x == *(const double *)y;
	case FIELD_STR:
		return same_text(*(char *const *)x, *(char *const *)y);
	case FIELD_LIST:
		return same_list(x, y);
	default:
		return true;
	}
}

const struct field *field_find(const struct field *fields, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(fields[i].name, name) == 0)
			return &fields[i];
	return NULL;
}

int field_set(const struct field *f, void *object, const struct arg *a, const char **error_r)
{
	switch (f->type) {
	case FIELD_BOOL:
		return set_bool(f, object, a, error_r);
	case FIELD_U32:
		return set_u32(f, object, a, error_r);
	case FIELD_DOUBLE:
		return set_double(f, object, a, error_r);
	case FIELD_STR:
		return set_str(f, object, a, error_r);
	case FIELD_LIST:
		return set_list(f, object, a, error_r);
	case FIELD_OBJ:
		return f->custom(object, a, error_r);
	case FIELD_ACCEPT:
		return 0;
	case FIELD_ABSENT:
		return refuse_absent(f, error_r);
	}
	return -EINVAL;
}

int field_defaults(const struct field *fields, size_t n, void *object)
{
	for (size_t i = 0; i < n; i++)
		field_null(&fields[i], object);
	for (size_t i = 0; i < n; i++) {
		if (!field_stores(&fields[i]) || field_is_alias(fields, i))
			continue;
		if (set_default(&fields[i], object) < 0) {
			fields_free(fields, n, object);
			return -ENOMEM;
		}
	}
	return 0;
}

void fields_near(const struct field *fields, size_t n, struct text_near *near)
{
	for (size_t i = 0; i < n; i++)
		text_near_try(near, fields[i].name);
}

int fields_apply(const struct field *fields, size_t n, void *object, const struct arg *table,
	void (*unknown)(void *ctx, const char *key, const char *near), void *ctx, const char **error_r)
{
	if (table == NULL || !arg_given(table))
		return 0;
	if (table->kind != ARG_TABLE)
		return error_set(error_r, "expected a table of options, got %s",
			arg_kind_name(table));
	for (size_t i = 0; i < table->t.pairs; i++) {
		const struct arg_pair *p = &table->t.pair[i];
		const struct field *f = field_find(fields, n, p->key);
		if (!arg_given(&p->value))
			continue;
		if (f == NULL || (f->type == FIELD_ABSENT && f->min == 1)) {
			struct text_near near = {.word = p->key};
			if (f == NULL)
				fields_near(fields, n, &near);
			if (unknown != NULL)
				unknown(ctx, p->key, near.best);
			continue;
		}
		int rc = field_set(f, object, &p->value, error_r);
		if (rc < 0)
			return rc;
	}
	return 0;
}

void fields_free(const struct field *fields, size_t n, void *object)
{
	for (size_t i = 0; i < n; i++) {
		if (fields[i].type == FIELD_LIST) {
			field_list_free(field_at(&fields[i], object));
		} else if (fields[i].type == FIELD_STR) {
			char **place = field_at(&fields[i], object);
			mem_free(*place);
			*place = NULL;
		}
	}
}

int fields_copy(const struct field *fields, size_t n, void *to, const void *from)
{
	for (size_t i = 0; i < n; i++)
		field_null(&fields[i], to);
	for (size_t i = 0; i < n; i++) {
		if (!field_is_alias(fields, i) && field_copy(&fields[i], to, from) < 0) {
			fields_free(fields, n, to);
			return -ENOMEM;
		}
	}
	return 0;
}
