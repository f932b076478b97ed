/* arg.h: values that came from the configuration, without knowing Lua, and tables of fields that take them.
 *
 * bind/ turns a Lua call into an array of struct arg by the row's signature; rooms below read them.  All
 * memory of an argument is borrowed: valid until the call that got it returns; objects (kind ARG_OBJ) are
 * borrowed too: a row that keeps one takes its own reference. */
#ifndef SHREWD_ARG_H
#define SHREWD_ARG_H

#include "addr.h"
#include "base.h"

enum arg_kind { ARG_NIL, ARG_BOOL, ARG_NUM, ARG_STR, ARG_TABLE, ARG_OBJ };

struct arg_pair;
struct arg {
	enum arg_kind kind;
	union {
		bool b;
		double n;
		struct {
			const char *p; /* NUL-terminated, may hold NULs inside */
			size_t len;
		} s;
		struct {
			const struct arg *v; /* the list part, 1 … n of Lua */
			size_t n;
			const struct arg_pair *pair; /* the named part, in order of name */
			size_t pairs;
		} t;
		struct {
			const char *type; /* one of the OBJ_… names below, compared by pointer */
			void *p;
		} o;
	};
};
struct arg_pair {
	const char *key;
	struct arg value;
};

/* Types of objects that arguments can be. */
extern const char OBJ_SELECTOR[], OBJ_ACTION[], OBJ_NAME[], OBJ_NAMESET[], OBJ_SUFFIXSET[], OBJ_NETSET[],
	OBJ_NETMASK[], OBJ_ADDR[], OBJ_CACHE[], OBJ_SERVER[], OBJ_POOL[], OBJ_POLICY[], OBJ_FUNCTION[],
	OBJ_SVC[];

/* What a Lua function is outside bind/: something that can be called by the row that understands it. */
struct lua_func;

static inline bool arg_given(const struct arg *a)
{
	return a->kind != ARG_NIL;
}
const struct arg *arg_get(const struct arg *table, const char *key) NONNULL; /* NULL when absent or nil */
/* Readers with a default for an absent key or nil argument; numbers may be strings and the reverse.  The text of
 * a number lives until this thread has asked for eight more. */
double arg_num(const struct arg *a, double absent);
bool arg_bool(const struct arg *a, bool absent);
const char *arg_str(const struct arg *a, const char *absent);
void *arg_obj(const struct arg *a, const char *type); /* NULL when it is something else */
const char *arg_kind_name(const struct arg *a);       /* "a number", "a table", "nil" … for messages */

/* ---- fields: one row per option of a table or per setting word ---- */
enum field_type {
	FIELD_BOOL,    /* bool */
	FIELD_U32,     /* uint32_t within min … max */
	FIELD_DOUBLE,  /* double within min … max */
	FIELD_STR,     /* char *, owned by the object */
	FIELD_LIST,    /* struct field_list of strings: a string or a list of strings */
	FIELD_OBJ,     /* left to field.custom */
	FIELD_ACCEPT,  /* taken and ignored: has no meaning here, see doc */
	FIELD_ABSENT,  /* known, not supported: an error (or, with min = 1, a warning) that says doc */
};
struct field_list {
	char **v;
	size_t n;
};
struct field { /* small: there are many */
	const char *name;
	union {
		const char *absent; /* the default as text, NULL: zero */
		/* for FIELD_OBJ: takes the value into |object|.  0 or -EINVAL with |*error_r|. */
		int (*custom)(void *object, const struct arg *, const char **error_r);
	};
	uint32_t min, max; /* both 0: whatever the type holds */
	uint16_t offset;   /* in the object */
	uint8_t type;      /* enum field_type */
	DOC_MEMBER unit;   /* "ms", "s", "bytes", "" */
	DOC_MEMBER doc;    /* one sentence */
};
int field_list_add(struct field_list *, const char *) WUNUSED NONNULL; /* a copy; 0 or -ENOMEM */
void field_list_free(struct field_list *) NONNULL;
const struct field *field_find(const struct field *, size_t n, const char *name) NONNULL;
/* field_set checks and stores one value.  0, or -EINVAL / -ENOMEM with a sentence at |*error_r| such as
 * "weight: expected a whole number from 1 to 65535, got 'many'". */
int field_set(const struct field *, void *object, const struct arg *, const char **error_r) WUNUSED;
bool field_same(const struct field *, const void *a, const void *b) NONNULL; /* rows that store nothing are always */
/* field_defaults overwrites all fields (an old string is not freed); 0, or -ENOMEM with nothing held. */
int field_defaults(const struct field *, size_t n, void *object) WUNUSED;
/* fields_apply stores every pair of |table|; an unknown key is reported by |unknown| (may be NULL) with the name that it is
 * |near| to, NULL: none, and is not an error, as in dnsdist. */
int fields_apply(const struct field *, size_t n, void *object, const struct arg *table,
	void (*unknown)(void *ctx, const char *key, const char *near), void *ctx, const char **error_r) WUNUSED;
struct text_near;
void fields_near(const struct field *, size_t n, struct text_near *) NONNULL; /* tries all names */
void fields_free(const struct field *, size_t n, void *object) NONNULL; /* strings and lists in it */
/* fields_copy copies the values of all fields, strings and lists duplicated; 0 or -ENOMEM. */
int fields_copy(const struct field *, size_t n, void *to, const void *from) WUNUSED;

#endif
