/* lua_arg_obj.c: arguments that are objects or what objects are made of: names, sets of names and masks, selectors. */
#include "lua_arg.h"
#include <stdio.h>

/* A name, or text that is one; NULL when it is neither. */
static const struct name *name_at(struct call *c, int i)
{
	const struct name *obj;
	struct arg taken;
	struct name *n;
	const char *s;
	size_t len;

	if (arg_take_obj(c, i, OBJ_NAME, &taken)) {
		obj = taken.o.p;
		return obj;
	}
	if (lua_type(c->L, i) != LUA_TSTRING)
		return NULL;
	s = lua_tolstring(c->L, i, &len);
	n = arg_memory(c, sizeof(*n));
	return name_from_text(n, s, len) == 0 ? n : NULL;
}

void arg_to_name(struct call *c, int i, struct arg *out)
{
	const struct name *n = name_at(c, i);

	if (!n)
		arg_bad(c, i);
	arg_is_obj(out, OBJ_NAME, (void *)(uintptr_t)n);
}

/* Calls |add| for the value at |index|, or for each entry when it is a table. */
static void each_entry(
	struct call *c, int index, void *set, void (*add)(struct call *, int, void *set))
{
	size_t n = lua_istable(c->L, index) ? lua_objlen(c->L, index) : 0;
	int at = lua_gettop(c->L) + 1;

	if (!lua_istable(c->L, index)) {
		add(c, index, set);
		return;
	}
	if (n == 0 && (lua_pushnil(c->L), lua_next(c->L, index)))
		arg_bad(c, index);
	for (size_t i = 1; i <= n; i++) {
		c->entry = i;
		lua_rawgeti(c->L, index, (int)i);
		add(c, at, set);
		lua_settop(c->L, at - 1);
	}
	c->entry = 0;
}

/* A fresh set that becomes the argument: first on the stack, so that an error frees it. */
static void *fresh_set(struct call *c, int index, const struct class *class, void *set,
	struct arg *out, void (*add)(struct call *, int, void *))
{
	lua_push_obj(c->L, class, set);
	each_entry(c, index, set, add);
	lua_replace(c->L, index);
	arg_is_obj(out, class->type, set);
	return set;
}

static void check_memory(struct call *c, int rc)
{
	if (rc < 0)
		lua_fail(c->L, c->word, "out of memory");
}

static void add_suffix(struct call *c, int i, void *set)
{
	const struct name *n = name_at(c, i);

	if (!n)
		arg_bad(c, i);
	else
		check_memory(c, suffixset_add(set, n));
}

void arg_to_suffixes(struct call *c, int i, struct arg *out)
{
	if (!arg_take_obj(c, i, OBJ_SUFFIXSET, out))
		fresh_set(c, i, &class_suffixset, suffixset_new(), out, add_suffix);
}

static void add_name(struct call *c, int i, void *set)
{
	const struct name *n = name_at(c, i);

	if (!n)
		arg_bad(c, i);
	else
		check_memory(c, nameset_add(set, n));
}

void arg_to_nameset(struct call *c, int i, struct arg *out)
{
	if (!arg_take_obj(c, i, OBJ_NAMESET, out))
		fresh_set(c, i, &class_nameset, nameset_new(), out, add_name);
}

static bool copy_mask(void *to, const struct netmask *m, bool positive)
{
	return netset_add(to, m, positive) == 0;
}

static void add_mask(struct call *c, int i, void *set)
{
	struct netmask *m = lua_to_obj(c->L, i, OBJ_NETMASK);
	struct addr *a = lua_to_obj(c->L, i, OBJ_ADDR);
	struct netset *other = lua_to_obj(c->L, i, OBJ_NETSET);
	int rc;

	if (m) {
		rc = netset_add(set, m, true);
		if (rc == -EINVAL) /* newNetmask() without an address */
			arg_bad(c, i);
		check_memory(c, rc);
	} else if (a) {
		struct netmask one = {.net = *a, .bits = (uint8_t)(8 * addr_len(a))};

		check_memory(c, netset_add(set, &one, true));
	} else if (other) {
		netset_each(other, copy_mask, set);
	} else {
		rc = lua_type(c->L, i) == LUA_TSTRING ? netset_add_text(set, lua_tostring(c->L, i))
						      : -EINVAL;
		if (rc == -EINVAL)
			arg_bad(c, i);
		check_memory(c, rc);
	}
}

void arg_to_masks(struct call *c, int i, struct arg *out)
{
	if (!arg_take_obj(c, i, OBJ_NETSET, out))
		fresh_set(c, i, &class_netset, netset_new(), out, add_mask);
}

/* ---- selectors: an object, or strings that become one ---- */

static void to_text(struct call *c, int i, struct arg *out)
{
	const struct name *n = lua_to_obj(c->L, i, OBJ_NAME);
	char *text;

	*out = (struct arg){.kind = ARG_STR};
	if (n) {
		text = arg_memory(c, NAME_TEXT);
		out->s.len = name_to_text(n->wire, true, text);
		out->s.p = text;
		return;
	}
	if (lua_type(c->L, i) != LUA_TSTRING)
		arg_bad(c, i);
	out->s.p = lua_tolstring(c->L, i, &out->s.len);
}

/* The strings stay alive: the table or the value is still on the stack. */
static struct arg text_list(struct call *c, int index)
{
	bool one = !lua_istable(c->L, index);
	size_t n = one ? 1 : lua_objlen(c->L, index), outer = c->entry;
	struct arg *v = arg_memory(c, (n + 1) * sizeof(*v));

	if (n == 0)
		arg_bad(c, index);
	for (size_t i = 0; i < n && !one; i++, lua_pop(c->L, 1)) {
		lua_rawgeti(c->L, index, (int)i + 1);
		c->entry = i + 1;
		to_text(c, lua_gettop(c->L), &v[i]);
	}
	c->entry = outer;
	if (one)
		to_text(c, index, &v[0]);
	return (struct arg){.kind = ARG_TABLE, .t = {.v = v, .n = n}};
}

void arg_to_rule(struct call *c, int i, struct arg *out)
{
	const char *error = "out of memory";
	struct selector *s;
	struct arg list;

	if (arg_take_obj(c, i, OBJ_SELECTOR, out))
		return;
	list = text_list(c, i);
	s = selector_from_strings(&list, &error);
	if (!s)
		lua_fail(c->L, c->word, "argument %d (%.*s): %s", c->position, (int)c->name_len,
			c->name, error);
	lua_push_obj(c->L, &class_selector, s);
	lua_replace(c->L, i);
	arg_is_obj(out, OBJ_SELECTOR, s);
}

/* ---- the way back ---- */

void arg_push_obj(lua_State *L, const struct arg *a)
{
	const char *type = a->o.type;

	if (type == OBJ_NAME)
		lua_push_obj(L, &class_name, mem_dup(a->o.p, sizeof(struct name)));
	else if (type == OBJ_ADDR)
		lua_push_obj(L, &class_addr, mem_dup(a->o.p, sizeof(struct addr)));
	else if (type == OBJ_NETMASK)
		lua_push_obj(L, &class_netmask, mem_dup(a->o.p, sizeof(struct netmask)));
	else if (type == OBJ_SELECTOR)
		lua_push_obj(L, &class_selector, selector_ref(a->o.p));
	else if (type == OBJ_ACTION)
		lua_push_obj(L, &class_action, action_ref(a->o.p));
	else if (type == OBJ_CACHE)
		lua_push_obj(L, &class_cache, cache_ref(a->o.p));
	else if (type == OBJ_SERVER)
		lua_push_obj(L, &class_server, server_ref(a->o.p));
	else
		lua_pushnil(L);
}
