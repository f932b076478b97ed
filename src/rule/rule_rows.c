/* rule_rows.c: the rows of tbl/selector.def, tbl/action.def and tbl/response_action.def as arrays. */
#include "rule_priv.h"

#define SELECTOR(word, spec, make, doc, example) {#word, spec, make, DOC(doc), DOC(example)},
const struct selector_row selector_rows[] = {
#include "tbl/selector.def"
	{.word = NULL},
};
#undef SELECTOR

#define ACTION(word, spec, make, doc, example) {#word, spec, make, DOC(doc), DOC(example)},
const struct action_row action_rows[] = {
#include "tbl/action.def"
	{.word = NULL},
};
const struct action_row response_action_rows[] = {
#include "tbl/response_action.def"
	{.word = NULL},
};
#undef ACTION
