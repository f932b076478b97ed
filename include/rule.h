/* rule.h: rules: selectors that match a query, actions that act on it, chains that hold both.
 *
 * A struct dq is all that a selector may read and an action may change.  On query chains the message is the query (an
 * action may turn it into the answer); on response chains it is the answer.  Selectors and actions are immutable after make(), shared between configurations by reference,
 * and run on any worker at once: state of theirs (rates, counters) has its own lock or is atomic. */
#ifndef SHREWD_RULE_H
#define SHREWD_RULE_H

#include "arg.h"
#include "dns.h"
#include "envelope.h"
#include "hash.h"
#include "server.h"
#include "stat.h"
#include <stdatomic.h>

enum act {
	ACT_NEXT,     /* go on with the next rule */
	ACT_ALLOW,    /* end of the chain, go on with the query */
	ACT_DROP,     /* say nothing */
	ACT_ANSWER,   /* |msg| has become the answer (spoofed data) */
	ACT_RCODE,    /* |msg| has become an answer that is only an rcode */
	ACT_TRUNCATE, /* datagram clients: |msg| has become a TC=1 answer; stream clients: go on */
	ACT_POOL,     /* dq->pool is set, end of the chain */
	ACT_ERROR,    /* the action failed (a Lua error): SERVFAIL */
};

struct tag {
	struct tag *next;
	size_t value_len;
	char *value;  /* inside the same block, NUL-terminated */
	char key[];
};

enum { DQ_EDE_MAX = 4 };
struct dq {
	/* the message under work; |cap| bytes may be used */
	uint8_t *msg;
	size_t len, cap;
	/* asked: does not change, but dq:changeName() points |question| and |ask_name| at new ones, kept among the tags */
	struct question *question;
	uint8_t *ask_name;        /* the question's wire name in the case the client used */
	const struct addr *remote, *local;
	uint64_t now_ms, now_us;  /* monotonic, when the step began */
	uint64_t born_us;         /* monotonic, when the query came */
	struct rng *rng;
	const struct conf *conf;
	struct counters *counters;
	uint16_t ask_flags;       /* second header word of the query */
	uint8_t proto;            /* enum proto */
	bool is_response;         /* a response chain is running */
	bool had_edns;            /* the query had an OPT */
	bool edns_known;          /* |edns| describes |msg|; see dq_edns() */
	/* route and marks: actions set them */
	const char *pool;         /* name, owned by the action or the configuration; "" default */
	struct tag *tags;
	struct server *backend;   /* response chains: who answered; NULL from cache or rules */
	uint32_t max_returned_ttl; /* UINT32_MAX: none */
	int64_t temp_failure_ttl; /* -1: the cache's */
	uint32_t delay_ms;
	uint32_t payload_size;    /* EDNS size in answers of our own */
	bool skip_cache, use_ecs, ecs_override, no_ecs, restartable, restart, stale_hit, from_cache;
	uint8_t ecs_bits4, ecs_bits6;
	uint8_t ext_rcode; /* rcode >> 4 of an answer of our own: goes to its OPT, if it gets one */
	uint8_t restarts;
	uint8_t edes;
	const struct envelope *envelope; /* what came with it (SNI, HTTP request); NULL */
	struct http_says *http;          /* an HTTP answer instead of a DNS one; see dq_set_http() */
	/* from here on each has a mark above that says whether it is set: not cleared for every query */
	struct edns edns;         /* with |edns_known| */
	struct edns ask_edns;     /* of the query as it came; |present| is always right */
	struct netmask ecs4, ecs6; /* family 0: not set by SetECSAction */
	struct {
		uint16_t code;
		char *text; /* owned by the query: see dq_free_marks() */
	} ede[DQ_EDE_MAX];
};

/* dq.c: helpers for selectors and actions. */
const struct edns *dq_edns_read(struct dq *) NONNULL; /* dq_edns: of |msg|, parsed once; never NULL */
static inline const struct edns *dq_edns(struct dq *d) { return d->edns_known ? &d->edns : dq_edns_read(d); }
static inline void dq_changed(struct dq *d) { d->edns_known = false; } /* |msg| was edited: forget that */
int dq_set_tag(struct dq *, const char *key, const char *value, size_t len) WUNUSED NONNULL;
const struct tag *dq_tag(const struct dq *, const char *key) NONNULL;
void dq_unset_tag(struct dq *, const char *key) NONNULL;
/* dq_add_ede: |clear| removes the others first.  0, -ENOMEM, or -ENOBUFS when there are DQ_EDE_MAX. */
int dq_add_ede(struct dq *, unsigned code, const char *text, bool clear) WUNUSED NONNULL;
int dq_set_http(struct dq *, unsigned status, const char *body, size_t len, const char *type) WUNUSED; /* 0, -ENOMEM */
void dq_free_marks(struct dq *) NONNULL; /* tags, EDE texts, HTTP answer */
/* svc.c: what newSVCRecordParameters() makes (OBJ_SVC): one SVCB or HTTPS record.  |opts| is its table (mandatory,
 * alpn, noDefaultAlpn, port, ech, ipv4hint, ipv6hint, keyNNN) or nil.  NULL with a sentence at |*error_r|. */
struct svc;
struct svc *svc_new(unsigned priority, const struct name *target, const struct arg *opts, const char **error_r) WUNUSED;
struct svc *svc_copy(const struct svc *) WUNUSED NONNULL; /* NULL when memory is out */
void svc_free(struct svc **) NONNULL;
/* Flags of answers that rules make: -1 leaves the default (AA=0, AD=0, RA=RD). */
struct answer_opts {
	int8_t aa, ad, ra;
	uint32_t ttl;
};
/* These turn |msg| into an answer; 0 or -E….  The OPT of our own is added by the core when it leaves. */
int dq_answer_rcode(struct dq *, unsigned rcode, const struct answer_opts *) WUNUSED;
int dq_answer_addrs(struct dq *, const struct addr *, size_t n, const struct answer_opts *) WUNUSED;
int dq_answer_cname(struct dq *, const struct name *, const struct answer_opts *) WUNUSED;
int dq_answer_raw(struct dq *, const struct arg *list, unsigned type_for_any, const struct answer_opts *) WUNUSED;
int dq_answer_svc(struct dq *, const struct svc *const *, size_t n, const struct answer_opts *) WUNUSED;
int dq_answer_truncated(struct dq *) WUNUSED NONNULL;
struct soa {
	struct name zone, mname, rname;
	uint32_t ttl, serial, refresh, retry, expire, minimum;
	bool in_authority;
};
int dq_answer_negative(struct dq *, bool nxd, const struct soa *, const struct answer_opts *) WUNUSED; /* or NODATA */

/* ---- selectors and actions: objects ---- */
struct selector {
	_Atomic uint32_t refs;
	bool (*match)(struct selector *, struct dq *);
	void (*free)(struct selector *); /* what make() added; the struct itself is freed by selector_free() */
	char *text;                      /* as showRules() prints it */
};
struct selector *selector_ref(struct selector *) NONNULL;
void selector_free(struct selector **) NONNULL; /* drops one reference */

struct action {
	_Atomic uint32_t refs;
	enum act (*run)(struct action *, struct dq *);
	void (*free)(struct action *);
	char *text;
	const char *pool;  /* where it sends queries, its own; NULL: nowhere */
	bool for_response; /* which chains take it */
	/* getStats(): calls |fn| for each counter of its own; may be NULL */
	void (*stats)(const struct action *, void (*fn)(void *, const char *name, double value), void *);
};
struct action *action_ref(struct action *) NONNULL;
void action_free(struct action **) NONNULL;

/* One row per selector or action word.  |spec| is the signature for bind/lua_arg: parameters "name:type" with '?'
 * when optional, separated by spaces, e.g. "qps:uint v4Mask:uint?"; types: any bool num int uint str func table opts
 * name suffixes nameset masks addr addrs strs qtype qtypes qclass rcode opcode rule rules action svc.  What make()
 * gets per type: numbers for qtype, qclass, rcode, opcode; OBJ_NAME (struct name) for name; OBJ_SUFFIXSET for suffixes,
 * OBJ_NETSET for masks (borrowed: copy to keep); OBJ_ADDR for addr; ARG_TABLE lists for strs, addrs, qtypes, rules,
 * svc (of OBJ_SVC); OBJ_SELECTOR for rule; ARG_TABLE for opts (its keys are checked by make).  |argv| has one value per
 * parameter, ARG_NIL when absent.  make() returns NULL with |*error_r| "expected …" or -ENOMEM text. */
struct selector_row {
	const char *word, *spec;
	struct selector *(*make)(const struct arg *argv, size_t argc, const char **error_r);
	DOC_MEMBER doc;
	DOC_MEMBER example;
};
struct action_row {
	const char *word, *spec;
	struct action *(*make)(const struct arg *argv, size_t argc, const char **error_r);
	DOC_MEMBER doc;
	DOC_MEMBER example;
};
extern const struct selector_row selector_rows[], tls_selector_rows[], doh_selector_rows[]; /* word NULL at the end */
extern const struct action_row action_rows[], doh_action_rows[]; /* query actions */
extern const struct action_row response_action_rows[];
/* makeRule(): netmasks if the first string is one, else suffixes. */
struct selector *selector_from_strings(const struct arg *list, const char **error_r) WUNUSED;

/* ---- chains ---- */
enum chain_id {
#define CHAIN(id, word, counter) CHAIN_##id,
#include "tbl/chain.def"
#undef CHAIN
	CHAIN_COUNT
};
struct rule {
	_Atomic uint32_t refs;
	_Atomic uint64_t matches;
	struct selector *selector;
	struct action *action;
	char *name;    /* "" when none */
	char uuid[37];
	uint64_t created; /* order of creation, unique */
};
/* rule_new takes references of its own.  |uuid| NULL: a random one.  NULL when memory is out. */
struct rule *rule_new(struct selector *, struct action *, const char *name, const char *uuid, struct rng *) WUNUSED;
struct rule *rule_ref(struct rule *) NONNULL;
void rule_free(struct rule **) NONNULL;

struct chain {
	struct rule **v;
	size_t n;
};
/* chain_run evaluates in order until a rule's action ends the chain; returns that act, else ACT_NEXT. */
enum act chain_evaluate(const struct chain *, struct dq *) NONNULL;
static inline enum act chain_run(const struct chain *c, struct dq *dq) { return c->n ? chain_evaluate(c, dq) : ACT_NEXT; }
/* Editors of a chain that is not in use yet; 0, -ENOMEM or -ENOENT. */
int chain_add(struct chain *, struct rule *) WUNUSED NONNULL; /* takes over the reference */
int chain_copy(struct chain *to, const struct chain *from) WUNUSED NONNULL;
void chain_clear(struct chain *) NONNULL;
ssize_t chain_find(const struct chain *, const char *uuid_or_name) NONNULL; /* index or -ENOENT */
int chain_remove(struct chain *, size_t index) WUNUSED NONNULL;
int chain_move(struct chain *, size_t from, size_t to) WUNUSED NONNULL; /* to = n: the end */
/* chain_show prints showRules(); |top| > 0: the most matched ones only, as topRules(). */
void chain_show(struct text *, const struct chain *, bool uuids, int width, unsigned top) NONNULL;
#endif
