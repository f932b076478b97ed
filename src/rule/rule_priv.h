/* rule_priv.h: what the files of rule/ share: making objects, reading arguments, the makers of all rows. */
#ifndef RULE_PRIV_H
#define RULE_PRIV_H

#include "mem.h"
#include "rule.h"
#include "text.h"

/* rule.c: objects.  The printf-like text becomes the object's |text|.  |size| covers the row's own struct, which
 * begins with struct selector or struct action and is zeroed.  |destroy| (may be NULL) must bear members that were
 * never set.  NULL with "out of memory". */
void *selector_make(size_t size, bool (*match)(struct selector *, struct dq *),
	void (*destroy)(struct selector *), const char **error_r, const char *fmt, ...)
	PRINTF(5, 6);
void *action_make(size_t size, enum act (*run)(struct action *, struct dq *),
	void (*destroy)(struct action *), const char **error_r, const char *fmt, ...) PRINTF(5, 6);
void *rule_no_memory(const char **error_r); /* sets the sentence, returns NULL */

/* rule_arg.c: arguments.  All return false with a sentence at |*error_r|. */
bool rule_u32(const struct arg *, const char *what, uint32_t max, uint32_t absent, uint32_t *out_r,
	const char **error_r);
bool rule_u16(const struct arg *, const char *what, uint32_t absent, uint16_t *out_r,
	const char **error_r);
bool rule_str(const struct arg *, const char *what, const char **p_r, size_t *len_r,
	const char **error_r);
bool rule_addr(const struct arg *, struct addr *, const char **error_r); /* OBJ_ADDR or text */
bool rule_mask(
	const struct arg *, struct netmask *, const char **error_r); /* OBJ_NETMASK or text */
bool rule_qtypes(const struct arg *, uint16_t *out, size_t n,
	const char **error_r); /* the list's elements */
bool rule_answer_opts(const struct arg *opts, struct answer_opts *, const char **error_r);
/* rule_list: the elements of a list; a single value is a list of one, nil an empty one. */
size_t rule_list(const struct arg *, const struct arg **v_r) NONNULL;
const struct arg *rule_opt(
	const struct arg *opts, const char *key) NONNULL; /* NULL when absent or no table */

/* answer.c */
unsigned dq_opt_payload(const struct dq *) NONNULL; /* size in an OPT that we add to |msg| */
struct svc {
	struct name target;
	const uint8_t *hint4, *hint6; /* inside |rdata|: addresses in a row */
	uint16_t hints4, hints6, rdlen;
	uint8_t rdata[];
};

/* The makers, one per row. */
#define SELECTOR(word, spec, make, doc, example) \
	struct selector *make(const struct arg *argv, size_t argc, const char **error_r);
#include "tbl/selector.def"
#undef SELECTOR
#define ACTION(word, spec, make, doc, example) \
	struct action *make(const struct arg *argv, size_t argc, const char **error_r);
#include "tbl/action.def"
#include "tbl/response_action.def"
#undef ACTION

#endif
