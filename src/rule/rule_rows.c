/* rule_rows.c: the rows of tbl/selector.def, tbl/action.def and tbl/response_action.def as arrays. */
#include "rule_priv.h"

#ifdef NO_DOCS
#define DOC(s) NULL
#else
#define DOC(s) s
#endif

#define SELECTOR(word, spec, make, doc, example) {#word, spec, DOC(doc), DOC(example), make},
const struct selector_row selector_rows[] = {
#include "tbl/selector.def"
	{NULL, NULL, NULL, NULL, NULL},
};
#undef SELECTOR

#define ACTION(word, spec, make, doc, example) {#word, spec, DOC(doc), DOC(example), make},
const struct action_row action_rows[] = {
#include "tbl/action.def"
	{NULL, NULL, NULL, NULL, NULL},
};
const struct action_row response_action_rows[] = {
#include "tbl/response_action.def"
	{NULL, NULL, NULL, NULL, NULL},
};
#undef ACTION
