/* sel_sni_without_tls.c: no selectors for TLS: tbl/absent.def names them. */
#include "rule.h"

const struct selector_row tls_selector_rows[] = {{.word = NULL}};
