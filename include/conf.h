/* conf.h: a configuration: built, checked, then never changed.
 *
 * bind/ fills a fresh struct conf by the words of the file; conf_freeze() checks it as a whole; daemon/ swaps it
 * in.  Queries hold the one they began with.  A change while running copies the current one (conf_copy: shared
 * servers, caches, rules by reference), edits the copy, freezes and swaps it. */
#ifndef SHREWD_CONF_H
#define SHREWD_CONF_H

#include "addr.h"
#include "map.h"
#include "rule.h"
#include "server.h"

/* One member per row of tbl/setting.def. */
struct settings {
#define SETTING_U32(word, field, min, max, absent, unit, start, doc)  uint32_t field;
#define SETTING_BOOL(word, field, absent, start, doc)                 bool field;
#define SETTING_NUM(word, field, min, max, absent, unit, start, doc)  double field;
#define SETTING_STR(word, field, absent, start, doc)                  char *field;
#include "tbl/setting.def"
#undef SETTING_U32
#undef SETTING_BOOL
#undef SETTING_NUM
#undef SETTING_STR
};
/* The same rows as fields: name = the Lua word, object = struct settings. */
extern const struct field setting_fields[];
extern const size_t setting_field_count;
bool setting_only_at_start(size_t index); /* refused while running */
/* settings_differ calls |fn| with the words whose settings count only at start and are not the same in |a| and |b|. */
void settings_differ(const struct settings *a, const struct settings *b, void (*fn)(void *ctx, const char *word), void *ctx);

/* Encrypted listeners.  certs[i] goes with keys[i]; an empty key: certs[i] is PKCS#12, opened with passwords[i]. */
struct bind_tls {
	struct field_list certs, keys, passwords, ocsp;
	char *ciphers, *ciphers13, *min_version, *ticket_file, *key_log;
	struct field_list curves;
	uint32_t ticket_rotation_s, ticket_keys, stored_sessions, session_timeout_s;
	bool tickets, prefer_server, release_buffers, renegotiation, ktls, proxy_outside, ignore_errors, pad;
};
struct doh_map; /* what getDOHFrontend():setResponsesMap() was given: response_map.c */
struct bind_doh {
	struct field_list paths, header_names, header_values; /* custom response headers */
	char *server;            /* Server header, "" none */
	uint32_t idle_s;
	bool cache_control, keep_fields, trust_forwarded, early_acl, exact, http1;
	struct doh_map *map;     /* a reference; NULL none */
};

/* One listening address; a Do53 entry means UDP and TCP. */
struct bind_conf {
	uint8_t proto; /* PROTO_UDP for Do53 */
	struct addr addr;
	char *where; /* "FILE:LINE: WORD" of its definition, for messages; NULL: not from a file */
	/* options: bind_fields[] */
	bool reuse_port, enable_proxy;
	uint32_t fast_open, listen_queue, max_in_flight, max_connections;
	char *interface;
	struct field_list more; /* additionalAddresses */
	struct bind_tls tls;    /* options: tls_bind_fields[] */
	struct bind_doh doh;    /* options: doh_bind_fields[] */
};
extern const struct field bind_fields[], tls_bind_fields[], doh_bind_fields[]; /* of struct bind_conf */
extern const size_t bind_field_count, tls_bind_field_count, doh_bind_field_count;
void bind_conf_free(struct bind_conf *) NONNULL;
int bind_conf_defaults(struct bind_conf *) WUNUSED NONNULL; /* |*b| need not be set; 0, or -ENOMEM with nothing held */
/* bind_conf_copy: strings and lists duplicated, the map by reference; 0, or -ENOMEM with nothing held. */
int bind_conf_copy(struct bind_conf *to, const struct bind_conf *from) WUNUSED NONNULL;

/* bind_conf_check: does what options say of each other make sense?  conf_freeze() asks it, too.  0 or -EINVAL. */
int bind_conf_check(const struct bind_conf *, const char **error_r) WUNUSED NONNULL;

/* response_map.c: static answers of a DoH frontend: the first entry whose expression matches the path. */
struct doh_entry {
	char *regex;
	unsigned status;
	char *content;           /* body, or the target of a redirect (3xx) */
	struct field_list names, values; /* more headers */
};
struct doh_map *doh_map_new(void) WUNUSED;
struct doh_map *doh_map_ref(struct doh_map *) NONNULL;
void doh_map_free(struct doh_map **) NONNULL;
int doh_map_add(struct doh_map *, const struct doh_entry *, const char **error_r) WUNUSED; /* copies; before it is shared */
const struct doh_entry *doh_map_nth(const struct doh_map *, size_t i) NONNULL; /* NULL: there are no more */
const struct doh_entry *doh_map_find(const struct doh_map *, const char *path) NONNULL; /* any thread */

struct conf {
	_Atomic uint32_t refs;
	bool frozen;
	uint64_t serial;         /* counts configurations of this process */
	struct settings set;
	struct netset *acl, *proxy_acl, *console_acl;
	struct bind_conf *binds;
	size_t nbinds;
	struct server **servers; /* in order of definition */
	size_t nservers;
	struct server **heirs;   /* between conf_inherit() and conf_settle(): those whose place a running one took */
	size_t nheirs;
	struct pool **pools;     /* pools[0] is the default pool "" */
	size_t npools;
	struct chain chain[CHAIN_COUNT];
	const struct policy *policy;
	struct field_list capabilities; /* to retain */
	void *lua;               /* bind/'s: what keeps Lua functions of this configuration alive; NULL: none */
	void (*lua_release)(void *);
	void (*lua_retain)(void *); /* another hold, for conf_copy(); NULL: copies begin without |lua| */
};

struct conf *conf_new(const char **error_r) WUNUSED; /* defaults: ACL of private ranges, leastOutstanding */
struct conf *conf_copy(const struct conf *) WUNUSED NONNULL; /* not frozen; NULL when memory is out */
struct conf *conf_ref(struct conf *) NONNULL;                /* any thread */
void conf_free(struct conf **) NONNULL;                      /* drops one reference */
/* conf_freeze checks what spans several words, sorts pools, adds 127.0.0.1:53 when there is no bind.  0 or -EINVAL
 * with a sentence. */
int conf_freeze(struct conf *, const char **error_r) WUNUSED NONNULL;
/* conf_inherit takes over from the running |old| the servers (and through them health and connections) and
 * caches that are defined the same in |new|, before it is frozen.  The running ones are not changed by it: |new| may
 * still be refused. */
int conf_inherit(struct conf *new, const struct conf *old) WUNUSED NONNULL;
/* conf_settle tells the servers taken over what |new| says beyond their definition (weight, order, QPS, checks): when
 * nothing can refuse |new| any more, before any other thread sees it. */
void conf_settle(struct conf *new) NONNULL;

struct pool *conf_pool_named(const struct conf *, const char *name) NONNULL;
/* conf_pool: NULL when there is none.  The default pool is the first, and what most queries ask for. */
HOT struct pool *conf_pool(const struct conf *c, const char *name)
{
	return name[0] == 0 && c->npools ? c->pools[0] : conf_pool_named(c, name);
}
struct pool *conf_pool_make(struct conf *, const char *name) WUNUSED NONNULL; /* NULL: memory is out */
/* conf_add_server: to the list and to the pools it names; takes the reference.  On -ENOMEM nothing changed and the
 * reference is still the caller's. */
int conf_add_server(struct conf *, struct server *) WUNUSED NONNULL;
int conf_remove_server(struct conf *, const struct server *) WUNUSED NONNULL; /* 0, -ENOENT, -ENOMEM */
int conf_pool_add(struct conf *, const char *pool, struct server *) WUNUSED NONNULL; /* its own reference; 0, -ENOMEM */
int conf_pool_remove(struct conf *, const char *pool, const struct server *) WUNUSED NONNULL; /* 0, -ENOENT */
/* conf_add_bind copies |b| (taking over its strings, which are then NULL in |b|); |replace|: all Do53 binds go first
 * (setLocal).  On -ENOMEM nothing changed. */
int conf_add_bind(struct conf *, struct bind_conf *b, bool replace) WUNUSED NONNULL;
void conf_show_pools(const struct conf *, struct text *) NONNULL;
void conf_show_servers(const struct conf *, struct text *, bool uuids) NONNULL;

#endif
