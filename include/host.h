/* host.h: the seam between the daemon and the configuration language: neither includes the other.
 *
 * main.c hands the daemon a struct language; the daemon hands the language a struct host. */
#ifndef SHREWD_HOST_H
#define SHREWD_HOST_H

#include "conf.h"
#include "stat.h"
#include "text.h"

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
