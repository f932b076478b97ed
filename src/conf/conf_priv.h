/* conf_priv.h: what the files of conf/ share. */
#ifndef CONF_CONF_PRIV_H
#define CONF_CONF_PRIV_H

#include "conf.h"

/* conf_pool.c */
int pools_copy(struct conf *to, const struct conf *from) WUNUSED NONNULL; /* 0 or -ENOMEM: free |to| */
void pools_free(struct conf *) NONNULL;

#endif
