/* up_doh_without_doh.c: a build without DoH: such a backend cannot be reached. */
#include "up_priv.h"

static int doh_open(const struct up_plan *plan, struct up **up_r)
{
	(void)plan;
	(void)up_r;
	return -EPROTONOSUPPORT;
}

const struct up_ops up_doh_ops = {.open = doh_open};
