/* words_tls_without_tls.c: no words for TLS: tbl/absent.def names them. */
#include "lua_priv.h"

const struct word tls_words[] = {{.name = NULL}};
const struct class *const tls_classes[] = {NULL};
