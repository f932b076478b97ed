/* words_top_without_top.c: no words that show the rings: tbl/absent.def names them. */
#include "lua_priv.h"

const struct word top_words[] = {{.name = NULL}};
