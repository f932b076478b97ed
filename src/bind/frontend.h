/* frontend.h: what the words of DoT and of DoH share: certificates, options of encrypted listeners, frontend objects. */
#ifndef BIND_FRONTEND_H
#define BIND_FRONTEND_H

#include "lua_priv.h"

/* The payload of TLSFrontend and DOHFrontend: by number, so that a reload does not leave them hanging. */
struct frontend {
	uint8_t proto;
	unsigned index;
};
extern const struct method frontend_methods[]; /* those that both have */

extern const struct class class_cert; /* TLSCertificate */
int frontend_new_cert(lua_State *, const struct word *, const struct arg *argv, size_t argc); /* newTLSCertificate() */

/* frontend_list_add: a copy of |s|; 0, -EINVAL (it holds a NUL byte) or -ENOMEM. */
int frontend_list_add(struct field_list *, const char *s, size_t len) WUNUSED NONNULL;
/* frontend_certs fills |tls|'s lists from what a word was given: paths or newTLSCertificate() objects, one or a list.
 * 0 or -EINVAL with a sentence; the lists may then be half full. */
int frontend_certs(struct bind_tls *tls, const struct arg *certs, const struct arg *keys, const char **error_r) WUNUSED;
bool frontend_given(const struct arg *certs); /* not nil, "" or {} */

/* A kind of encrypted listeners. */
struct frontend_kind {
	uint8_t proto;
	const struct class *class;
	/* fill: what the word's arguments behind the address say; 0 or -EINVAL with a sentence. */
	int (*fill)(struct bind_conf *, const struct arg *argv, const char **error_r);
	/* more: an option that no table has: 1 taken, 0 unknown, -EINVAL.  NULL: there is none. */
	int (*more)(struct bind_conf *, const struct arg_pair *, const char **error_r);
};
/* The words of every kind: a new listener (the first argument is its address, the last its options), one by its number,
 * how many there are. */
int frontend_add(lua_State *, const struct word *, const struct frontend_kind *, const struct arg *argv, size_t argc);
int frontend_push(lua_State *, const struct word *, const struct frontend_kind *, const struct arg *index);
int frontend_push_count(lua_State *, uint8_t proto);
unsigned frontend_count(lua_State *, uint8_t proto);
/* frontend_bind: the listener in the file that is being read; NULL while running.  Raises an error when it is gone. */
struct bind_conf *frontend_bind(lua_State *, const struct frontend *, const char *word);
struct frontend_edit;
int frontend_change(lua_State *, const struct frontend *, const char *word, const struct frontend_edit *); /* while running */
int frontend_show(lua_State *, uint8_t proto, unsigned what); /* enum show_what */

#endif
