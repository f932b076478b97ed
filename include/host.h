/* host.h: the seam between the daemon and the configuration language: neither includes the other.
 *
 * main.c hands the daemon a struct language; the daemon hands the language a struct host. */
#ifndef SHREWD_HOST_H
#define SHREWD_HOST_H

#include "conf.h"
#include "stat.h"
#include "text.h"

enum show_what { SHOW_FRONTENDS, SHOW_CODES, SHOW_TLS_ERRORS };
enum frontend_verb { FRONTEND_RELOAD, FRONTEND_CERTS, FRONTEND_TICKET_KEY, FRONTEND_TICKET_FILE, FRONTEND_ROTATE,
	FRONTEND_MAP };
struct frontend_edit {
	enum frontend_verb verb;
	const struct bind_tls *certs; /* FRONTEND_CERTS: its first lists */
	const uint8_t *key;           /* FRONTEND_TICKET_KEY */
	size_t key_len;
	const char *path;             /* FRONTEND_TICKET_FILE */
	struct doh_map *map;          /* FRONTEND_MAP: a reference is taken */
};

/* A listener as getBind() shows it: an address and a protocol, in the order of showBinds(). */
struct bind_info {
	struct addr addr;
	const char *type; /* static; as showBinds() prints it */
	uint8_t proto;
	bool tls, muted;
};

/* What running code can ask of the daemon.  All may be called with the Lua lock held, on any worker. */
struct host {
	void *ctx;
	bool check_only;                                        /* --check-config: no side effects */
	bool client;                                            /* -e, -c */
	bool keep;                                              /* keep the Lua state: there is a console */
	const char *version;                                    /* what showVersion() prints; may be NULL */
	struct conf *(*current)(void *ctx);                     /* a reference to the running one; NULL at start */
	int (*publish)(void *ctx, struct conf *, const char **error_r); /* takes over the frozen |conf| */
	void (*rings)(void *ctx, struct rings *);               /* valid until the process ends */
	size_t (*counters)(void *ctx, const struct counters *const **of_r); /* of all workers; returns how many */
	uint64_t (*started_ms)(void *ctx);
	uint64_t (*now_ms)(void *ctx);
	void (*show_binds)(void *ctx, struct text *);
	void (*show_tcp)(void *ctx, struct text *);
	void (*shutdown)(void *ctx);
	/* encrypted frontends, numbered by protocol (PROTO_DOT, PROTO_DOH) in order of definition, while running */
	unsigned (*frontends)(void *ctx, uint8_t proto);
	void (*show_frontends)(void *ctx, uint8_t proto, enum show_what, struct text *);
	/* frontend_edit: |index| -1: all of them.  0, -ENOENT: no such frontend, -EINVAL with |*error_r| */
	int (*frontend_edit)(void *ctx, uint8_t proto, int index, const struct frontend_edit *, const char **error_r);
	void (*ticket_key_hook)(void *ctx, void (*fn)(void *fn_ctx, const uint8_t *key, size_t len), void *fn_ctx);
	/* bind: listener number |index|; |mute| not NULL: mutes it, or no longer.  0 or -ENOENT */
	int (*bind)(void *ctx, unsigned index, const bool *mute, struct bind_info *info_r);
	size_t (*tls_sessions)(void *ctx); /* kept to resume with, of all backends; about */
	/* resolve: getAddressInfo(): |done| is called once, on worker 0; 0 or -E… (then it is not) */
	int (*resolve)(void *ctx, const char *name, void (*done)(void *done_ctx, const struct addr *, unsigned n), void *done_ctx);
};

/* What the daemon asks of the language; documented in bind.h. */
struct language {
	struct conf *(*load)(const char *path, const char *text, const struct host *, const char **error_r);
	void (*maintenance)(struct conf *);
	void (*exit)(struct conf *);
	bool (*health_question)(const struct server *, struct name *, unsigned *qtype, unsigned *qclass);
	bool (*health_validate)(const struct server *, const uint8_t *msg, size_t len, bool *ok_r);
	void (*server_changed)(struct conf *, const struct server *, bool up);
};

#endif
