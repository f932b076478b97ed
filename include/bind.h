/* bind.h: the configuration language: a Lua file becomes a struct conf; Lua functions become rows.
 *
 * This is the only room that includes lua.h.  One lua state per configuration that holds Lua functions; it is
 * entered under its mutex.  Words are rows (tbl/word.def, selector_rows, action_rows, setting_fields);
 * a word of the language that this build lacks is a row too and fails by name. */
#ifndef SHREWD_BIND_H
#define SHREWD_BIND_H

#include "host.h"

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
/* The language as daemon/ sees it. */
extern const struct language bind_language;
/* bind_words calls |fn| for every word of the language, in no order; |doc| NULL: absent or without documentation. */
void bind_words(void (*fn)(void *, const char *word, const char *spec, const char *doc, const char *example), void *);

#endif
