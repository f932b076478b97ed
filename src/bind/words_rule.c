/* words_rule.c: the rule chains: one family of ten words for each row of tbl/chain.def. */
#include "lua_priv.h"
#include "text.h"
#include <stdio.h>
#include <stdlib.h>

#define WORD(name) \
	static int name(lua_State *L, const struct word *w UNUSED, const struct arg *argv UNUSED, \
		size_t argc UNUSED)

/* A word of a chain's family; its name is put together when the first state is made. */
struct chain_word {
	struct word word; /* first: a word of the family is one of these */
	enum chain_id chain;
	char name[40];
};

/* The chain whose family the word is in. */
static enum chain_id chain_of(const struct word *w)
{
	return ((const struct chain_word *)(const void *)w)->chain;
}

static bool takes_response_actions(enum chain_id id)
{
	return id != CHAIN_QUERY && id != CHAIN_CACHE_MISS;
}

static const struct chain *see(lua_State *L, const struct word *w)
{
	return &lua_conf(L)->chain[chain_of(w)];
}

static struct chain *edit(lua_State *L, const struct word *w)
{
	return &lua_draft(L)->chain[chain_of(w)];
}

static void check(lua_State *L, const struct word *w, int rc)
{
	if (rc < 0)
		lua_fail(L, w->name, "%s", rc == -ENOMEM ? "out of memory" : "no such rule");
}

static void push_rule(lua_State *L, struct rule *r)
{
	lua_push_obj(L, &class_rule, rule_ref(r));
}

/* ---- adding ---- */

/* Pushes a rule object of selector, action and {uuid, name}. */
static struct rule *make_rule(lua_State *L, const struct word *w, const struct arg *argv)
{
	const char *name = "", *uuid = NULL;
	struct rule *r;

	for (size_t i = 0; argv[2].kind == ARG_TABLE && i < argv[2].t.pairs; i++) {
		const struct arg_pair *p = &argv[2].t.pair[i];

		if (strcmp(p->key, "name") == 0)
			name = arg_str(&p->value, "");
		else if (strcmp(p->key, "uuid") == 0)
			uuid = arg_str(&p->value, "");
		else
			lua_unknown_of(L, w->name, p->key, HINT("name\0uuid\0"));
	}
	if (uuid && *uuid && !text_like(uuid, "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"))
		lua_fail(L, w->name, "uuid: got '%.60s', expected a UUID", uuid);
	r = rule_new(
		argv[0].o.p, argv[1].o.p, name, uuid && *uuid ? uuid : NULL, &lua_self(L)->rng);
	lua_push_obj(L, &class_rule, r);
	return r;
}

static void check_kind(lua_State *L, const struct word *w, const struct action *a, bool response)
{
	if (a->for_response != response)
		lua_fail(L, w->name, "got %s, which is for %s, expected an action for %s", a->text,
			response ? "queries" : "answers", response ? "answers" : "queries");
}

static void append(lua_State *L, const struct word *w, struct chain *chain, struct rule *r)
{
	if (chain_add(chain, rule_ref(r)) < 0)
		lua_no_memory(L, w->name);
}

WORD(add)
{
	struct chain *chain = edit(L, w);
	struct rule *r;

	check_kind(L, w, argv[1].o.p, takes_response_actions(chain_of(w)));
	r = make_rule(L, w, argv);
	append(L, w, chain, r);
	lua_self(L)->rules_made++;
	return 0;
}

WORD(new_rule)
{
	make_rule(L, w, argv);
	return 1;
}

WORD(set_all)
{
	struct chain *chain = edit(L, w);
	struct rule *r;

	for (size_t i = 0; i < argv[0].t.n; i++) {
		r = arg_obj(&argv[0].t.v[i], OBJ_RULE);
		if (!r)
			return lua_fail(L, w->name,
				"argument 1 (rules): entry %zu: got %s, expected newRuleAction()",
				i + 1, arg_kind_name(&argv[0].t.v[i]));
		check_kind(L, w, r->action, takes_response_actions(chain_of(w)));
	}
	chain_clear(chain);
	for (size_t i = 0; i < argv[0].t.n; i++)
		append(L, w, chain, arg_obj(&argv[0].t.v[i], OBJ_RULE));
	return 0;
}

/* ---- finding, moving, removing ---- */

/* By index from 0, UUID or name; -ENOENT. */
static ssize_t find(const struct chain *chain, const struct arg *key)
{
	ssize_t at = key->kind == ARG_STR ? chain_find(chain, key->s.p) : -ENOENT;
	double n = arg_num(key, -1);

	if (at < 0 && n >= 0 && n < (double)chain->n && n == (double)(size_t)n)
		at = (ssize_t)n;
	return at;
}

WORD(rm)
{
	ssize_t at = find(see(L, w), &argv[0]);

	if (at < 0)
		lua_note(L, w->name, "no rule '%s'", arg_str(&argv[0], arg_kind_name(&argv[0])));
	else
		check(L, w, chain_remove(edit(L, w), (size_t)at));
	return 0;
}

WORD(clear)
{
	chain_clear(edit(L, w));
	return 0;
}

WORD(mv)
{
	size_t n = see(L, w)->n;

	if (argv[0].n >= (double)n || argv[1].n > (double)n)
		lua_note(L, w->name, "there are %zu rules, counted from 0", n);
	else
		check(L, w, chain_move(edit(L, w), (size_t)argv[0].n, (size_t)argv[1].n));
	return 0;
}

WORD(mv_to_top)
{
	struct chain *chain = edit(L, w);

	if (chain->n)
		check(L, w, chain_move(chain, chain->n - 1, 0));
	return 0;
}

WORD(get)
{
	const struct chain *chain = see(L, w);
	ssize_t at = find(chain, &argv[0]);

	if (at < 0)
		lua_pushnil(L);
	else
		push_rule(L, chain->v[at]);
	return 1;
}

/* ---- showing ---- */

static void show_chain(
	lua_State *L, const struct chain *chain, const struct arg *opts, unsigned top)
{
	const struct arg *uuids = opts->kind == ARG_TABLE ? arg_get(opts, "showUUIDs") : NULL;
	const struct arg *width =
		opts->kind == ARG_TABLE ? arg_get(opts, "truncateRuleWidth") : NULL;

	chain_show(lua_out(L), chain, arg_bool(uuids, false), (int)arg_num(width, -1), top);
}

static unsigned top_of(const struct arg *a)
{
	return arg_given(a) ? (a->n < 1000000 ? (unsigned)a->n : 1000000) : 10;
}

WORD(show)
{
	show_chain(L, see(L, w), &argv[0], 0);
	return 0;
}

WORD(top)
{
	unsigned n = top_of(&argv[0]);

	if (n)
		show_chain(L, see(L, w), &argv[1], n);
	return 0;
}

struct ranked {
	struct rule *rule;
	uint64_t matches; /* read once: it grows while we sort */
};

static int by_matches(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	return x->matches < y->matches ? 1 : x->matches > y->matches ? -1 : 0;
}

static int push_top(lua_State *L, const struct chain *chain, unsigned n)
{
	struct ranked *v = lua_newuserdata(L, (chain->n + 1) * sizeof(*v));

	for (size_t i = 0; i < chain->n; i++) {
		v[i].rule = chain->v[i];
		v[i].matches = atomic_load_explicit(&chain->v[i]->matches, memory_order_relaxed);
	}
	qsort(v, chain->n, sizeof(*v), by_matches);
	lua_newtable(L);
	for (size_t i = 0; i < chain->n && i < n; i++) {
		push_rule(L, v[i].rule);
		lua_rawseti(L, -2, (int)i + 1);
	}
	return 1;
}

WORD(get_top)
{
	return push_top(L, see(L, w), top_of(&argv[0]));
}

WORD(get_top_self)
{
	return push_top(L, &lua_conf(L)->chain[CHAIN_SELF_ANSWERED], top_of(&argv[0]));
}

static int push_action(
	lua_State *L, const struct word *w, enum chain_id id, const struct arg *index)
{
	const struct chain *chain = &lua_conf(L)->chain[id];
	ssize_t at = find(chain, index);

	if (at < 0)
		return lua_fail(L, w->name, "there are %zu rules, counted from 0", chain->n);
	lua_push_obj(L, &class_action, action_ref(chain->v[at]->action));
	return 1;
}

WORD(get_action)
{
	return push_action(L, w, CHAIN_QUERY, &argv[0]);
}

WORD(get_miss_action)
{
	return push_action(L, w, CHAIN_CACHE_MISS, &argv[0]);
}

WORD(make_selector)
{
	lua_push_obj(L, &class_selector, selector_ref(argv[0].o.p));
	return 1;
}

/* ---- the families ---- */

static const char chain_words[] =
#define CHAIN(id, word, list) word "\0"
#include "tbl/chain.def"
#undef CHAIN
	;

/* In names, sentences and examples: % is the chain's word, # its list, @ an action that it takes. */
static const struct word family[] = {
	{"add%Action", "rule:rule action:action options:opts?", add, DOC("Adds a rule to the #; options: name, uuid."),
		DOC("add%Action(AllRule(), @, {name=\"one\"})")},
	{"show%Rules", "options:opts?", show, DOC("Prints the #; options: showUUIDs, truncateRuleWidth."),
		DOC("show%Rules({showUUIDs=true})")},
	{"rm%Rule", "rule:any", rm, DOC("Removes one of the # by index from 0, UUID or name."),
		DOC("add%Action(AllRule(), @) rm%Rule(0)")},
	{"clear%Rules", "", clear, DOC("Removes all #."), DOC("clear%Rules()")},
	{"mv%Rule", "from:uint to:uint", mv, DOC("Moves one of the # before another."),
		DOC("add%Action(AllRule(), @) mv%Rule(0, 1)")},
	{"mv%RuleToTop", "", mv_to_top, DOC("Moves the last of the # to the front."), DOC("mv%RuleToTop()")},
	{"get%Rule", "rule:any", get, DOC("One of the # by index from 0, UUID or name."), DOC("get%Rule(0)")},
	{"getTop%Rules", "top:uint?", get_top, DOC("The most matched of the #, as a list."), DOC("getTop%Rules(10)")},
	{"top%Rules", "top:uint? options:opts?", top, DOC("Prints the most matched of the #."), DOC("top%Rules(10)")},
	{"set%Rules", "rules:table", set_all, DOC("Replaces all # by a list of newRuleAction()."),
		DOC("set%Rules({newRuleAction(AllRule(), @)})")},
};
static struct chain_word chain_word[CHAIN_COUNT][LEN(family)];

static void name_word(char *out, const char *pattern, const char *word)
{
	size_t at = strcspn(pattern, "%"), len = strlen(word);

	memcpy(out, pattern, at);
	memcpy(out + at, word, len);
	memcpy(out + at + len, pattern + at + 1, strlen(pattern + at)); /* with its NUL */
}

static void name_families(void)
{
	for (unsigned id = 0; id < CHAIN_COUNT; id++) {
		for (size_t i = 0; i < LEN(family); i++) {
			struct chain_word *w = &chain_word[id][i];

			name_word(w->name, family[i].name, text_nth(chain_words, id));
			memcpy(&w->word, &family[i], sizeof(w->word));
			w->word.name = w->name;
			w->chain = (enum chain_id)id;
		}
	}
}

static void families_known(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, name_families);
}

void lua_register_chains(lua_State *L)
{
	families_known();
	for (unsigned id = 0; id < CHAIN_COUNT; id++)
		for (size_t i = 0; i < LEN(family); i++)
			lua_register_word(L, &chain_word[id][i].word);
}

const struct word rule_words[] = {
	{"makeRule", "rule:rule", make_selector,
		DOC("A selector of netmasks or names, as rules take them in its place."),
		DOC("makeRule({\"192.0.2.0/24\", \"2001:db8::/32\"})")},
	{"newRuleAction", "rule:rule action:action options:opts?", new_rule,
		DOC("A selector and an action for setRules() and its sisters; options: name, uuid."),
		DOC("newRuleAction(AllRule(), DropAction(), {name=\"all\"})")},
	{"getAction", "rule:any", get_action, DOC("The action of one of the rules."),
		DOC("addAction(AllRule(), AllowAction()) getAction(0)")},
	{"getCacheMissAction", "rule:any", get_miss_action,
		DOC("The action of one of the cache-miss rules."),
		DOC("addCacheMissAction(AllRule(), AllowAction()) getCacheMissAction(0)")},
	{"getTopSelfAnsweredRules", "top:uint?", get_top_self,
		DOC("Another name of getTopSelfAnsweredResponseRules()."),
		DOC("getTopSelfAnsweredRules(10)")},
	{.name = NULL},
};

#ifndef NO_DOCS
static const char *const chain_lists[] = {
#define CHAIN(id, word, list) list,
#include "tbl/chain.def"
#undef CHAIN
};

/* Puts what stands for %, # and @ into a sentence or an example. */
static void fill(char *out, size_t cap, const char *pattern, enum chain_id id)
{
	size_t n = 0;

	for (; *pattern && n < cap; pattern++) {
		const char *with = *pattern == '%'   ? text_nth(chain_words, id)
				   : *pattern == '#' ? chain_lists[id]
				   : *pattern != '@' ? NULL
				   : takes_response_actions(id) ? "AllowResponseAction()"
								: "AllowAction()";

		n += (size_t)(with ? snprintf(out + n, cap - n, "%s", with) : snprintf(out + n, cap - n, "%c", *pattern));
	}
	must(n < cap);
}
#endif

void lua_each_chain_word(void (*fn)(void *, const char *word, const char *spec, const char *doc, const char *example),
	void *ctx)
{
	families_known();
	for (unsigned id = 0; id < CHAIN_COUNT; id++) {
		for (size_t i = 0; i < LEN(family); i++) {
			const char *doc = NULL, *example = NULL;
#ifndef NO_DOCS
			static char text[CHAIN_COUNT][LEN(family)][2][112];

			fill(text[id][i][0], sizeof(text[id][i][0]), family[i].doc, (enum chain_id)id);
			fill(text[id][i][1], sizeof(text[id][i][1]), family[i].example, (enum chain_id)id);
			doc = text[id][i][0];
			example = text[id][i][1];
#endif
			fn(ctx, chain_word[id][i].name, family[i].spec, doc, example);
		}
	}
}
