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

/* frontend_add adds the listener that |b| (taken over: empty afterwards) describes, after |options|; |doh|: those of
 * DoH are known, too.  |more| (may be NULL) takes an option that no table has: 1 taken, 0 unknown, -EINVAL. */
int frontend_add(lua_State *, const struct word *, struct bind_conf *b, const struct arg *options, bool doh,
	int (*more)(struct bind_conf *, const struct arg_pair *, const char **error_r));

unsigned frontend_count(lua_State *, uint8_t proto);
int frontend_push(lua_State *, const struct word *, const struct class *, uint8_t proto, const struct arg *index);
/* frontend_bind: the listener in the file that is being read; NULL while running.  Raises an error when it is gone. */
struct bind_conf *frontend_bind(lua_State *, const struct frontend *, const char *word);
struct frontend_edit;
int frontend_change(lua_State *, const struct frontend *, const char *word, const struct frontend_edit *); /* while running */
int frontend_show(lua_State *, uint8_t proto, unsigned what); /* enum show_what */

#endif
