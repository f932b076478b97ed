/* bind.h: the configuration language: a Lua file becomes a struct conf; Lua functions become rows.
 *
 * This is the only room that includes lua.h.  One lua state per configuration that holds Lua functions; it is
 * entered under its mutex.  Words are rows (tbl/word.def, selector_rows, action_rows, setting_fields);
 * a word of the language that this build lacks is a row too and fails by name. */
#ifndef SHREWD_BIND_H
#define SHREWD_BIND_H

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

/* bind_load runs the file |path| (or |text| when it is not NULL) in a fresh state and returns the configuration,
 * not frozen; NULL with a sentence that names file and line.  |host| must outlive it.  When nothing in it needs
 * Lua any more the state is closed before returning. Worker 0 or before workers start. */
struct conf *bind_load(const char *path, const char *text, const struct host *, const char **error_r) WUNUSED;
/* bind_run runs a piece of code in the state of |conf| as the console does (expression first, then statement),
 * appending what it prints to |out|.  -EINVAL with |*error_r|; -ENOENT when the state is closed. */
int bind_run(struct conf *, const char *code, struct text *out, const char **error_r) WUNUSED;
bool bind_has_lua(const struct conf *) NONNULL;
/* bind_maintenance calls maintenance() and its callbacks; about once a second, worker 0. */
void bind_maintenance(struct conf *) NONNULL;
void bind_exit(struct conf *) NONNULL; /* addExitCallback() functions */
/* bind_health asks a server's check function for the probe's question; true when it gave one. */
bool bind_health_question(const struct server *, struct name *, unsigned *qtype, unsigned *qclass) NONNULL;
bool bind_health_validate(const struct server *, const uint8_t *msg, size_t len, bool *ok_r) NONNULL;
void bind_server_changed(struct conf *, const struct server *, bool up) NONNULL; /* addServerStateChangeCallback */
/* bind_features prints names of what is compiled in, as --version does. */
void bind_words(void (*fn)(void *, const char *word, const char *spec, const char *doc, const char *example), void *);

#endif
