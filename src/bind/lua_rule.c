/* lua_rule.c: rules, selectors and actions as Lua objects. */
#include "lua_priv.h"

#define METHOD(name) \
	static int name(lua_State *L, void *self, const struct arg *argv UNUSED, size_t argc UNUSED)

const char OBJ_RULE[] = "a rule";

/* ---- rules ---- */

METHOD(rule_action)
{
	const struct rule *r = self;

	lua_push_obj(L, &class_action, action_ref(r->action));
	return 1;
}

METHOD(rule_selector)
{
	const struct rule *r = self;

	lua_push_obj(L, &class_selector, selector_ref(r->selector));
	return 1;
}

static int rule_matches(lua_State *L, void *self)
{
	struct rule *r = self;

	lua_pushnumber(L, (lua_Number)atomic_load_explicit(&r->matches, memory_order_relaxed));
	return 1;
}

METHOD(rule_get_matches)
{
	return rule_matches(L, self);
}

static int rule_name(lua_State *L, void *self)
{
	const struct rule *r = self;

	lua_pushstring(L, r->name);
	return 1;
}

static int rule_uuid(lua_State *L, void *self)
{
	const struct rule *r = self;

	lua_pushstring(L, r->uuid);
	return 1;
}

static int rule_tostring(lua_State *L, void *self)
{
	const struct rule *r = self;

	lua_pushfstring(L, "%s -> %s", r->selector->text, r->action->text);
	return 1;
}

METHOD(rule_to_string)
{
	return rule_tostring(L, self);
}

static void free_rule(void *self)
{
	struct rule *r = self;

	rule_free(&r);
}

static const struct method rule_methods[] = {
	{"getAction", "", rule_action},
	{"getSelector", "", rule_selector},
	{"getMatches", "", rule_get_matches},
	{"toString", "", rule_to_string},
	{NULL, NULL, NULL},
};
static const struct attribute rule_attributes[] = {
	{"name", rule_name, NULL},
	{"uuid", rule_uuid, NULL},
	{"matches", rule_matches, NULL},
	{NULL, NULL, NULL},
};
const struct class class_rule = {
	.type = OBJ_RULE,
	.shown = "DNSDistRuleAction",
	.methods = rule_methods,
	.attributes = rule_attributes,
	.free = free_rule,
	.tostring = rule_tostring,
};

/* ---- selectors ---- */

/* Matches are counted by rules: those of all rules with this selector. */
METHOD(selector_matches)
{
	const struct conf *c = lua_conf(L);
	lua_Number n = 0;

	for (size_t id = 0; id < CHAIN_COUNT; id++) {
		for (size_t i = 0; i < c->chain[id].n; i++) {
			struct rule *r = c->chain[id].v[i];

			if (r->selector == self)
				n += (lua_Number)atomic_load_explicit(
					&r->matches, memory_order_relaxed);
		}
	}
	lua_pushnumber(L, n);
	return 1;
}

static int selector_tostring(lua_State *L, void *self)
{
	const struct selector *s = self;

	lua_pushstring(L, s->text);
	return 1;
}

METHOD(selector_to_string)
{
	return selector_tostring(L, self);
}

static void free_selector(void *self)
{
	struct selector *s = self;

	selector_free(&s);
}

static const struct method selector_methods[] = {{"getMatches", "", selector_matches},
	{"toString", "", selector_to_string}, {NULL, NULL, NULL}};
const struct class class_selector = {
	.type = OBJ_SELECTOR,
	.shown = "DNSRule",
	.methods = selector_methods,
	.free = free_selector,
	.tostring = selector_tostring,
};

/* ---- actions ---- */

enum { STATS_MAX = 16 };
struct stats {
	size_t n;
	struct {
		const char *name;
		double value;
	} v[STATS_MAX];
};

static void gather_stat(void *ctx, const char *name, double value)
{
	struct stats *s = ctx;

	if (s->n < STATS_MAX) {
		s->v[s->n].name = name;
		s->v[s->n++].value = value;
	}
}

static struct stats stats_of(const struct action *a)
{
	struct stats s = {.n = 0};

	if (a->stats)
		a->stats(a, gather_stat, &s);
	return s;
}

METHOD(action_get_stats)
{
	struct stats s = stats_of(self);

	lua_newtable(L);
	for (size_t i = 0; i < s.n; i++) {
		lua_pushnumber(L, s.v[i].value);
		lua_setfield(L, -2, s.v[i].name);
	}
	return 1;
}

METHOD(action_print_stats)
{
	struct stats s = stats_of(self);

	for (size_t i = 0; i < s.n; i++)
		text_addf(lua_out(L), "%s\t%.14g\n", s.v[i].name, s.v[i].value);
	return 0;
}

static int action_tostring(lua_State *L, void *self)
{
	const struct action *a = self;

	lua_pushstring(L, a->text);
	return 1;
}

METHOD(action_to_string)
{
	return action_tostring(L, self);
}

static void free_action(void *self)
{
	struct action *a = self;

	action_free(&a);
}

static const struct method action_methods[] = {
	{"getStats", "", action_get_stats},
	{"printStats", "", action_print_stats},
	{"toString", "", action_to_string},
	{NULL, NULL, NULL},
};
const struct class class_action = {
	.type = OBJ_ACTION,
	.shown = "DNSAction",
	.methods = action_methods,
	.free = free_action,
	.tostring = action_tostring,
};
