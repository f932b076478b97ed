/* value_name.c: DNSName, DNSNameSet and SuffixMatchNode as the configuration language sees them. */
#include "value.h"

/* ---- DNSName ---- */
void value_push_wire(lua_State *L, const uint8_t *wire, size_t len)
{
	struct name *n = mem_zalloc(sizeof(*n));

	if (n) {
		must(len >= 1 && len <= NAME_WIRE);
		memcpy(n->wire, wire, len);
		n->len = (uint8_t)len;
		n->labels = (uint8_t)name_labels(wire);
	}
	lua_push_obj(L, &class_name, n);
}

void value_push_name(lua_State *L, const struct name *n)
{
	value_push_wire(L, n->wire, n->len);
}

void value_push_wire_text(lua_State *L, const uint8_t *wire, bool final_dot)
{
	char text[NAME_TEXT];
	size_t len = name_to_text(wire, final_dot, text);

	lua_pushlstring(L, text, len);
}

static size_t lower_of(const struct name *n, uint8_t lower[NAME_WIRE])
{
	memcpy(lower, n->wire, n->len);
	name_lower(lower, n->len);
	return n->len;
}

static int name_chop(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	struct name *n = self;
	unsigned cut = n->wire[0] + 1u;

	(void)argv;
	(void)argc;
	if (n->len > 1) {
		memmove(n->wire, n->wire + cut, n->len - cut);
		n->len = (uint8_t)(n->len - cut);
		n->labels--;
		lua_pushboolean(L, true);
	} else {
		lua_pushboolean(L, false);
	}
	return 1;
}

static int name_count(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	const struct name *n = self;

	(void)argv;
	(void)argc;
	lua_pushinteger(L, n->labels);
	return 1;
}

static int name_part_of(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	const struct name *n = self, *of = argv[0].o.p;

	(void)argc;
	lua_pushboolean(L, name_under(n->wire, of->wire));
	return 1;
}

/* makeRelative() of a name that is not below the other gives nil. */
static int name_relative(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	const struct name *n = self, *to = argv[0].o.p;
	struct name out;

	(void)argc;
	if (!name_under(n->wire, to->wire)) {
		lua_pushnil(L);
		return 1;
	}
	out.len = (uint8_t)(n->len - to->len + 1);
	memcpy(out.wire, n->wire, out.len - 1u);
	out.wire[out.len - 1] = 0;
	value_push_name(L, &out);
	return 1;
}

static int name_wire(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	const struct name *n = self;

	(void)argv;
	(void)argc;
	lua_pushlstring(L, (const char *)n->wire, n->len);
	return 1;
}

static int name_show(lua_State *L, void *self)
{
	value_push_wire_text(L, ((const struct name *)self)->wire, true);
	return 1;
}

static int name_string(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	(void)argv;
	(void)argc;
	return name_show(L, self);
}

static int name_string_no_dot(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	(void)argv;
	(void)argc;
	value_push_wire_text(L, ((const struct name *)self)->wire, false);
	return 1;
}

static int name_length(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	(void)argv;
	(void)argc;
	lua_pushinteger(L, ((const struct name *)self)->len);
	return 1;
}

static int push_joined(lua_State *L, const struct name *first, const struct name *rest, const char *word)
{
	struct name out;

	if (first->len + rest->len - 1 > NAME_WIRE)
		return lua_fail(L, word, "the name would be longer than %d bytes", NAME_WIRE);
	out.len = (uint8_t)(first->len + rest->len - 1);
	memcpy(out.wire, first->wire, first->len - 1u);
	memcpy(out.wire + first->len - 1, rest->wire, rest->len);
	value_push_name(L, &out);
	return 1;
}

static int name_append(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	(void)argc;
	return push_joined(L, self, argv[0].o.p, "DNSName:append");
}

static int name_prepend(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	(void)argc;
	return push_joined(L, argv[0].o.p, self, "DNSName:prepend");
}

/* hash() is the same in every process, so that scripts can spread names by it: a fixed key, 32 bits. */
static int name_hash(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	static const uint8_t key[16];
	uint8_t lower[NAME_WIRE];
	size_t len = lower_of(self, lower);

	(void)argv;
	(void)argc;
	lua_pushnumber(L, (double)(hash_sip13(key, lower, len) & UINT32_MAX));
	return 1;
}

static bool name_equal(const void *a, const void *b)
{
	return name_same(((const struct name *)a)->wire, ((const struct name *)b)->wire);
}

static bool name_less(const void *a, const void *b)
{
	return name_compare(((const struct name *)a)->wire, ((const struct name *)b)->wire) < 0;
}

static const struct method name_methods[] = {
	{"chopOff", "", name_chop},
	{"countLabels", "", name_count},
	{"isPartOf", "name:name", name_part_of},
	{"makeRelative", "name:name", name_relative},
	{"toDNSString", "", name_wire},
	{"toString", "", name_string},
	{"tostring", "", name_string},
	{"toStringNoDot", "", name_string_no_dot},
	{"wirelength", "", name_length},
	{"append", "labels:name", name_append},
	{"prepend", "labels:name", name_prepend},
	{"hash", "", name_hash},
	{NULL, NULL, NULL},
};
const struct class class_name = {
	.type = OBJ_NAME,
	.shown = "DNSName",
	.methods = name_methods,
	.free = mem_free,
	.tostring = name_show,
	.equal = name_equal,
	.less = name_less,
};

int value_new_name(lua_State *L, const struct word *w, const struct arg *argv, size_t argc)
{
	struct name n;

	(void)argc;
	if (name_from_text(&n, argv[0].s.p, argv[0].s.len) < 0)
		return lua_fail(L, w->name, "'%s' is not a domain name", argv[0].s.p);
	value_push_name(L, &n);
	return 1;
}

int value_new_name_raw(lua_State *L, const struct word *w, const struct arg *argv, size_t argc)
{
	const uint8_t *wire = (const uint8_t *)argv[0].s.p;
	ssize_t len = name_check(wire, argv[0].s.len);

	(void)argc;
	if (len < 0)
		return lua_fail(L, w->name, "the bytes are not an uncompressed domain name");
	value_push_wire(L, wire, (size_t)len);
	return 1;
}

/* ---- DNSNameSet ---- */
static int set_add(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	(void)argc;
	if (nameset_add(self, argv[0].o.p) < 0)
		return lua_fail(L, NULL, "out of memory");
	return 0;
}

static int set_check(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	uint8_t lower[NAME_WIRE];
	size_t len = lower_of(argv[0].o.p, lower);

	(void)argc;
	lua_pushboolean(L, nameset_has(self, lower, len));
	return 1;
}

static int set_clear(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	const uint8_t *wire;
	struct name n;

	(void)L;
	(void)argv;
	(void)argc;
	for (size_t pos = 0; nameset_next(self, &pos, &wire);) {
		n.len = (uint8_t)name_len(wire);
		n.labels = (uint8_t)name_labels(wire);
		memcpy(n.wire, wire, n.len);
		nameset_del(self, &n);
	}
	return 0;
}

static int set_delete(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	(void)argc;
	lua_pushboolean(L, nameset_del(self, argv[0].o.p));
	return 1;
}

static int set_empty(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	(void)argv;
	(void)argc;
	lua_pushboolean(L, nameset_size(self) == 0);
	return 1;
}

static int set_size(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	(void)argv;
	(void)argc;
	lua_pushnumber(L, (double)nameset_size(self));
	return 1;
}

/* push_names joins what |next| walks over as "a., b.". */
static int push_names(lua_State *L, bool (*next)(const void *, size_t *, const uint8_t **), const void *set)
{
	const uint8_t *wire;
	char text[NAME_TEXT];
	luaL_Buffer b;
	bool first = true;

	luaL_buffinit(L, &b);
	for (size_t pos = 0; next(set, &pos, &wire); first = false) {
		if (!first)
			luaL_addstring(&b, ", ");
		name_to_text(wire, true, text);
		luaL_addstring(&b, text);
	}
	luaL_pushresult(&b);
	return 1;
}

static bool set_next(const void *set, size_t *pos, const uint8_t **wire_r)
{
	return nameset_next(set, pos, wire_r);
}

static int set_show(lua_State *L, void *self)
{
	return push_names(L, set_next, self);
}

static int set_string(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	(void)argv;
	(void)argc;
	return set_show(L, self);
}

static void set_free(void *self)
{
	struct nameset *s = self;

	nameset_free(&s);
}

static const struct method set_methods[] = {
	{"add", "name:name", set_add},
	{"check", "name:name", set_check},
	{"clear", "", set_clear},
	{"delete", "name:name", set_delete},
	{"empty", "", set_empty},
	{"size", "", set_size},
	{"toString", "", set_string},
	{"tostring", "", set_string},
	{NULL, NULL, NULL},
};
const struct class class_nameset = {
	.type = OBJ_NAMESET,
	.shown = "DNSNameSet",
	.methods = set_methods,
	.free = set_free,
	.tostring = set_show,
};

int value_new_nameset(lua_State *L, const struct word *w, const struct arg *argv, size_t argc)
{
	(void)w;
	(void)argv;
	(void)argc;
	lua_push_obj(L, &class_nameset, nameset_new());
	return 1;
}

/* ---- SuffixMatchNode ---- */
/* each_suffix applies |fn| to the names of |from|, a set made from the argument; false when it failed. */
static bool each_suffix(const struct suffixset *from, bool (*fn)(struct suffixset *, const struct name *),
	struct suffixset *to)
{
	const uint8_t *wire;
	struct name n;

	for (size_t pos = 0; suffixset_next(from, &pos, &wire);) {
		n.len = (uint8_t)name_len(wire);
		n.labels = (uint8_t)name_labels(wire);
		memcpy(n.wire, wire, n.len);
		if (!fn(to, &n))
			return false;
	}
	return true;
}

static bool suffix_add_one(struct suffixset *s, const struct name *n)
{
	return suffixset_add(s, n) == 0;
}

static bool suffix_del_one(struct suffixset *s, const struct name *n)
{
	suffixset_del(s, n);
	return true;
}

static int suffix_add(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	(void)argc;
	if (argv[0].o.p != self && !each_suffix(argv[0].o.p, suffix_add_one, self))
		return lua_fail(L, NULL, "out of memory");
	return 0;
}

static int suffix_remove(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	(void)L;
	(void)argc;
	/* Removing a set from itself: the walk allows deleting the entry it stands on. */
	each_suffix(argv[0].o.p, suffix_del_one, self);
	return 0;
}

static int suffix_check(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	uint8_t lower[NAME_WIRE];
	size_t len = lower_of(argv[0].o.p, lower);

	(void)argc;
	lua_pushboolean(L, suffixset_match(self, lower, len) >= 0);
	return 1;
}

static int suffix_best(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	uint8_t lower[NAME_WIRE];
	size_t len = lower_of(argv[0].o.p, lower);
	int at = suffixset_match(self, lower, len);

	(void)argc;
	if (at < 0)
		lua_pushnil(L);
	else
		value_push_wire(L, lower + at, len - (size_t)at);
	return 1;
}

static bool suffix_next(const void *set, size_t *pos, const uint8_t **wire_r)
{
	return suffixset_next(set, pos, wire_r);
}

static int suffix_show(lua_State *L, void *self)
{
	return push_names(L, suffix_next, self);
}

static void suffix_free(void *self)
{
	struct suffixset *s = self;

	suffixset_free(&s);
}

static const struct method suffix_methods[] = {
	{"add", "names:suffixes", suffix_add},
	{"check", "name:name", suffix_check},
	{"getBestMatch", "name:name", suffix_best},
	{"remove", "names:suffixes", suffix_remove},
	{NULL, NULL, NULL},
};
const struct class class_suffixset = {
	.type = OBJ_SUFFIXSET,
	.shown = "SuffixMatchNode",
	.methods = suffix_methods,
	.free = suffix_free,
	.tostring = suffix_show,
};

int value_new_suffixset(lua_State *L, const struct word *w, const struct arg *argv, size_t argc)
{
	(void)w;
	(void)argv;
	(void)argc;
	lua_push_obj(L, &class_suffixset, suffixset_new());
	return 1;
}
