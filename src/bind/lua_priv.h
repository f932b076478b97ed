/* lua_priv.h: what the files of bind/ share: the state, words, objects, arguments. */
#ifndef BIND_LUA_PRIV_H
#define BIND_LUA_PRIV_H

#include "bind.h"
#include "mem.h"
#include "hash.h"
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <pthread.h>

/* Names of Lua 5.0 that the headers of 5.1 still carry as macros. */
#undef lua_ref
#undef lua_unref

/* One Lua state and what belongs to it.  Entered under |lock| (recursive).
 * The lua_State lives as long as a configuration holds it (|confs|): rows reach it only through queries, and each of
 * those holds its configuration; so a Lua global that holds a row that holds a function is no cycle.  The struct
 * itself lives as long as anything points here (|refs|).  L is NULL once the state is closed: who frees a
 * function then has nothing to unref in the registry. */
struct lua_kept; /* what the state frees when it is closed: policies, functions of servers */
struct lua {
	uint32_t magic;
	_Atomic uint32_t refs;   /* configurations and rows that hold the struct */
	_Atomic uint32_t confs;  /* configurations that hold the state */
	lua_State *L;            /* NULL: closed */
	pthread_mutex_t lock;
	const struct host *host;
	struct conf *draft;      /* being built, or the copy being edited while running; NULL between */
	bool loaded;             /* the file has been read: words act on the running configuration */
	bool draft_dirty;        /* publish it when the call ends */
	struct text *out;        /* where console words print; NULL: to the log */
	struct rng rng;
	unsigned held;           /* Lua functions that rows keep: 0 after loading closes the state */
	uint64_t rules_made;
	void *callbacks;         /* lua_function.c: maintenance, exit, state-change functions */
	void (*callbacks_free)(struct lua *); /* called just before the state is closed; set by who sets |callbacks| */
	struct lua_kept *kept;
	struct conf *seen;       /* what lua_conf() lent, until the outermost lua_leave() */
	unsigned depth;          /* of lua_enter() */
	bool including;          /* inside includeDirectory() */
	struct text log_out;     /* lua_out() when there is no console */
};
enum { LUA_MAGIC = 0x6c756121 };

/* unwind_with_frames.c: errors can be thrown across our frames; before the first state.  Any thread. */
void lua_frames_known(void);

/* lua.c */
struct lua *lua_self(lua_State *);            /* from the registry; never NULL inside a word */
struct lua *lua_ref(struct lua *);
void lua_unref(struct lua **);                /* frees the struct with the last reference */
/* lua_keep: |free| is called with |p| just before the state is closed.  0 or -ENOMEM. */
int lua_keep(struct lua *, void *p, void (*free)(void *)) WUNUSED;
void lua_enter(struct lua *);                 /* lock */
void lua_leave(struct lua *);                 /* publish a dirty draft, unlock */
/* The configuration that a word changes: the draft; while running, a copy of the current one is made first. */
struct conf *lua_draft(lua_State *);          /* raises a Lua error when memory is out */
/* The configuration to read from: the draft if there is one, else the running one (borrowed until lua_leave). */
const struct conf *lua_conf(lua_State *);
/* lua_fail raises "FILE:LINE: WORD: sentence" (file and line of the user's code). Does not return.
 * |word| NULL: the method or attribute at work. */
int lua_fail(lua_State *, const char *word, const char *fmt, ...) PRINTF(3, 4);
int lua_no_memory(lua_State *, const char *word); /* the same with "out of memory" */
void lua_warn_at(lua_State *, const char *word, const char *fmt, ...) PRINTF(3, 4); /* to the log, with file:line */
struct text *lua_out(lua_State *);            /* console output; text is logged line by line when there is no console */
void lua_flush_out(struct lua *);             /* logs what lua_out() holds when there is no console */
/* lua_note says what went wrong without failing, as dnsdist's console words do: to the console, else as a warning. */
void lua_note(lua_State *, const char *word, const char *fmt, ...) PRINTF(3, 4);
struct lua_here { /* for fields_apply(): whom to name */
	lua_State *L;
	const char *word;
};
/* lua_unknown_option warns: an unknown key is no error, as in dnsdist.  |near|: what may be meant, or NULL. */
void lua_unknown_option(void *here, const char *key, const char *near);
/* lua_unknown_of: the same for a word that reads its table by hand; |names| it knows, "one\0two\0". */
void lua_unknown_of(lua_State *, const char *word, const char *key, const char *names);
/* lua_check_keys does that for each key of |table| (if it is one) that is not among |names|. */
void lua_check_keys(lua_State *, const char *word, const struct arg *table, const char *names);
/* lua_note_undefined: from now on the last global that is read and not there is kept for hints. */
void lua_note_undefined(lua_State *);
/* lua_where appends "FILE:LINE: " of the user's code that runs now, or nothing. */
void lua_where(lua_State *, struct text *);
char *lua_where_dup(lua_State *, const char *word); /* "FILE:LINE: WORD", for mem_free(); NULL: memory is out */
void lua_error_path(lua_State *, const char *path); /* the message at the top names |path| in full */
int lua_traced(lua_State *);                  /* message handler for lua_pcall: exactly one FILE:LINE prefix */
/* lua_only_at_start raises an error when the file has been read. */
void lua_only_at_start(lua_State *, const char *word);
struct arena *lua_arena(lua_State *);         /* pushes a userdata that frees the arena when it dies */

/* ---- words: one row each.  A row is registered as a global function; its arguments are checked by |spec| (see
 * rule.h selector_row for the types; more here: server pool cache policy) before |call| runs.
 * call: argv has one struct arg per parameter of the spec (ARG_NIL when optional and absent); returns the number
 * of values it pushed.  Raises errors by lua_fail(). ---- */
struct word {
	const char *name, *spec;
	int (*call)(lua_State *, const struct word *, const struct arg *argv, size_t argc);
	DOC_MEMBER doc;
	DOC_MEMBER example;
};
extern const struct word config_words[], server_words[], pool_words[], cache_words[], rule_words[], stat_words[],
	value_words[], function_words[], misc_words[], policy_words[], net_words[],
	access_words[], log_words[], top_words[], listener_words[], tls_words[], doh_words[]; /* name NULL at the end of each */
extern const struct word *const lua_words[]; /* all of them, NULL at the end */
void lua_register_words(lua_State *, const struct word *);
void lua_register_word(lua_State *, const struct word *);
void lua_register_chains(lua_State *);   /* the families of words of the rule chains: words_rule.c */
void lua_register_rows(lua_State *);     /* selectors and actions: lua_rows.c */
void lua_register_settings(lua_State *); /* words_config.c */
void lua_register_policies(lua_State *); /* words_policy.c */
void lua_register_absent(lua_State *);   /* after all others: words that nobody defined */
void lua_each_row(void (*fn)(void *, const char *word, const char *spec, const char *doc, const char *example), void *);
void lua_each_setting(void (*fn)(void *, const char *word, const char *spec, const char *doc, const char *example),
	void *);
void lua_each_chain_word(void (*fn)(void *, const char *word, const char *spec, const char *doc, const char *example),
	void *); /* what it hands out stays */
/* One row per word that this build lacks. */
enum absent { ABSENT_ERROR, ABSENT_IGNORE, ABSENT_SILENT };
struct absent_row {
	const char *name, *feature; /* feature "": not supported yet */
	enum absent how;
};
/* absent_next reads the next row; |*at| NULL: the first.  False after the last. */
bool absent_next(const char **at, struct absent_row *row_r);

/* ---- objects: userdata with a type (OBJ_… of arg.h or a name of ours), methods and attributes ---- */
struct method {
	const char *name, *spec; /* spec: without the object itself */
	int (*call)(lua_State *, void *self, const struct arg *argv, size_t argc);
};
struct attribute { /* obj.name, and obj.name = value when |set| */
	const char *name;
	int (*get)(lua_State *, void *self);                       /* pushes one value */
	void (*set)(lua_State *, void *self, const struct arg *value);
};
enum { LUA_METHOD_WORD = lua_upvalueindex(4) }; /* in a method: "DNSName:isPartOf" */
struct class {
	const char *type;                 /* compared by pointer */
	const char *shown;                /* name in messages: "DNSName" */
	const struct method *methods;     /* name NULL at the end */
	const struct attribute *attributes; /* or NULL */
	void (*free)(void *self);         /* when the userdata dies; NULL: nothing */
	int (*tostring)(lua_State *, void *self);
	bool (*equal)(const void *, const void *); /* or NULL: same pointer */
	bool (*less)(const void *, const void *);  /* or NULL */
	const struct method *more;        /* methods shared with another class, or NULL */
	void *(*now)(void *self);         /* what a reload put in its place, or NULL: never anything */
	void *(*self)(lua_State *, void *self); /* what methods and attributes get for it, or NULL: the object; may raise */
};
void lua_class(lua_State *, const struct class *);             /* registers the metatable, once per state */
void lua_push_obj(lua_State *, const struct class *, void *p); /* the userdata owns |p| by class->free */
void *lua_to_obj(lua_State *, int index, const char *type);    /* NULL when it is something else */
const char *lua_obj_type(lua_State *, int index, void **p_r);  /* type name or NULL */
const char *lua_obj_shown(lua_State *, int index); /* the class's name in messages, or NULL */
/* lua_obj_dead marks a borrowed object (dq, dr) as no longer usable: later uses raise an error. */
void lua_obj_dead(lua_State *, int index);

/* Payloads: struct name, nameset, suffixset, netset, netmask, addr, selector, action, cache, server, policy, dq, rule … as in
 * arg.h; class_pool: char * (the name).  lua_push_obj(NULL) raises "out of memory". */
extern const char OBJ_RULE[]; /* struct rule */
extern const struct class class_name, class_nameset, class_suffixset, class_netset, class_netmask, class_addr,
	class_selector, class_action, class_cache, class_server, class_pool, class_policy, class_dq, class_dr, class_rule,
	class_header, class_bucket, class_svc, class_bind;
extern const struct class *const tls_classes[], *const doh_classes[]; /* those of features; NULL at the end */

/* ---- arguments: lua_arg.c ---- */
/* lua_args converts the Lua arguments of the running call by |spec| to |argv| (LUA_ARGS_MAX of them); returns how many
 * parameters |spec| has; memory is from the arena; errors name |word|, position, what was given and what is expected.
 * What argv holds per type: see rule.h; and func: OBJ_FUNCTION with p NULL: take it with lua_func_new(L, i), i = 1 for
 * the first argument of a word, 2 for the first of a method.  Functions inside tables: OBJ_FUNCTION with a struct
 * lua_func that the state owns.  server: OBJ_SERVER (an index or UUID is looked up); policy: OBJ_POLICY (struct policy);
 * pool: OBJ_POOL (its name, char *).  Objects made from strings (selectors, sets) take the argument's place on the
 * Lua stack, so that they live as long as the call. */
enum { LUA_ARGS_MAX = 16 };
/* lua_args_need tells whether |spec| can take memory; without, the arena may be NULL. */
bool lua_args_need(const char *spec);
size_t lua_args_count(const char *spec);
size_t lua_args(lua_State *, const char *word, const char *spec, int first, struct arg argv[LUA_ARGS_MAX],
	struct arena *);
/* lua_value converts any Lua value (tables deeply, to depth 8) to an arg. */
void lua_value(lua_State *, int index, struct arg *, struct arena *, const char *word);
void lua_push_arg(lua_State *, const struct arg *);

/* ---- functions: lua_function.c ---- */
/* A Lua function kept by a row.  Holds the state. */
struct lua_func {
	uint32_t magic;
	struct lua *lua;
	int ref; /* in the registry */
	char *where; /* "file:line" of its definition */
};
struct lua_func *lua_func_new(lua_State *, int index); /* raises an error when memory is out */
void lua_func_free(struct lua_func **);
/* lua_func_keep: the state owns it: for functions whose users (servers, policies) borrow them.  Raises an error. */
struct lua_func *lua_func_keep(lua_State *, int index);
/* lua_func_push enters the state and pushes the function; the caller calls lua_pcall and lua_leave(). */
lua_State *lua_func_push(const struct lua_func *);

/* A run-time error in a Lua row: logged (limited), with its file and line.  Pops the message. */
void lua_row_error(lua_State *, const char *word);
/* lua_functions_loaded: the file has been read; the global function maintenance() counts in l->held.  lua.c calls it
 * before it decides whether to close the state. */
void lua_functions_loaded(struct lua *);
void lua_register_constants(lua_State *); /* constants.c: DNSAction, DNSQType …; lua.c calls it with the others */

/* ---- the message under work: lua_message.c ----
 * One userdata per state and kind (dq, dr), pointed at the query for one call.  lua_message_prepare() makes them (may
 * raise; at configuration time: lua_func_new() does it); lua_message_push() allocates nothing and cannot fail.
 * lua_message_done() makes what the user kept of them unusable. */
struct lua_message;
void lua_message_prepare(lua_State *);
void lua_message_push(lua_State *, struct dq *);
void lua_message_done(lua_State *);

/* The numbers of DNSAction and DNSResponseAction: constants.c names them, lua_function.c acts on them. */
enum lua_action {
#define ACTION(id, num) LUA_ACTION_##id = num,
#include "lua_action.def"
#undef ACTION
};
enum lua_response_action {
#define RESPONSE_ACTION(id, num) LUA_RESPONSE_ACTION_##id = num,
#include "lua_action.def"
#undef RESPONSE_ACTION
};

#endif
