/* http_without_doh.c: no selectors and actions for HTTP: tbl/absent.def names them. */
#include "rule.h"

const struct selector_row doh_selector_rows[] = {{.word = NULL}};
const struct action_row doh_action_rows[] = {{.word = NULL}};
