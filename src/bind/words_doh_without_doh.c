/* words_doh_without_doh.c: no words for DoH: tbl/absent.def names them. */
#include "lua_priv.h"

const struct word doh_words[] = {{.name = NULL}};
const struct class *const doh_classes[] = {NULL};
