/* arg.c: reading values that came from the configuration. */
#include "arg.h"
#include "arg_read.h"
#include "text.h"
#include <stdio.h>

/* The texts are what error messages say of such an argument. */
const char OBJ_SELECTOR[] = "a selector";
const char OBJ_ACTION[] = "an action";
const char OBJ_NAME[] = "a DNS name";
const char OBJ_NAMESET[] = "a set of DNS names";
const char OBJ_SUFFIXSET[] = "a set of DNS suffixes";
const char OBJ_NETSET[] = "a netmask group";
const char OBJ_NETMASK[] = "a netmask";
const char OBJ_ADDR[] = "an address";
const char OBJ_CACHE[] = "a packet cache";
const char OBJ_SERVER[] = "a server";
const char OBJ_POOL[] = "a pool";
const char OBJ_POLICY[] = "a policy";
const char OBJ_FUNCTION[] = "a function";
const char OBJ_SVC[] = "an SVC parameter";

bool arg_read_num(const struct arg *a, double *out_r)
{
	if (a->kind == ARG_NUM) {
		*out_r = a->n;
		return true;
	}
	return a->kind == ARG_STR && strlen(a->s.p) == a->s.len && text_double(a->s.p, out_r) == 0;
}

bool arg_read_bool(const struct arg *a, bool *out_r)
{
	static const struct {
		const char *word;
		bool value;
	} words[] = {{"true", true}, {"yes", true}, {"1", true}, {"false", false}, {"no", false},
		{"0", false}};
	switch (a->kind) {
	case ARG_BOOL:
		*out_r = a->b;
		return true;
	case ARG_NUM:
		*out_r = a->n > 0;
		return a->n >= 0 && a->n <= 1 && a->n == (int)a->n;
	case ARG_STR:
		for (size_t i = 0; i < LEN(words); i++) {
			if (strcmp(a->s.p, words[i].word) == 0) {
				*out_r = words[i].value;
				return true;
			}
		}
		return false;
	default:
		return false;
	}
}

const char *arg_print_num(double n, char buf[ARG_NUM_TEXT])
{
	snprintf(buf, ARG_NUM_TEXT, "%.14g", n);
	return buf;
}

const struct arg *arg_get(const struct arg *table, const char *key)
{
	if (table->kind != ARG_TABLE)
		return NULL;
	for (size_t i = 0; i < table->t.pairs; i++)
		if (strcmp(table->t.pair[i].key, key) == 0)
			return arg_given(&table->t.pair[i].value) ? &table->t.pair[i].value : NULL;
	return NULL;
}

double arg_num(const struct arg *a, double absent)
{
	double v;
	return a != NULL && arg_read_num(a, &v) ? v : absent;
}

bool arg_bool(const struct arg *a, bool absent)
{
	bool v;
	return a != NULL && arg_read_bool(a, &v) ? v : absent;
}

const char *arg_str(const struct arg *a, const char *absent)
{
	/* The text of a number has no owner: the last few of each thread stay readable. */
	static _Thread_local char ring[8][ARG_NUM_TEXT];
	static _Thread_local unsigned turn;
	if (a != NULL && a->kind == ARG_STR)
		return a->s.p;
	if (a != NULL && a->kind == ARG_NUM)
		return arg_print_num(a->n, ring[turn++ % LEN(ring)]);
	return absent;
}

void *arg_obj(const struct arg *a, const char *type)
{
	return a != NULL && a->kind == ARG_OBJ && a->o.type == type ? a->o.p : NULL;
}

const char *arg_kind_name(const struct arg *a)
{
	switch (a != NULL ? a->kind : ARG_NIL) {
	case ARG_BOOL:
		return "a boolean";
	case ARG_NUM:
		return "a number";
	case ARG_STR:
		return "a string";
	case ARG_TABLE:
		return "a table";
	case ARG_OBJ:
		return a->o.type;
	case ARG_NIL:
		break;
	}
	return "nil";
}
