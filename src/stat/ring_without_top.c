/* ring_without_top.c: without the words that show the rings nothing is remembered: no ring is ever made. */
#include "stat.h"

const bool ring_kept = false;
HOT_KEPT(ring_claim);
HOT_KEPT(ring_put);

struct ring *ring_new(size_t entries, bool responses)
{
	(void)entries;
	(void)responses;
	return NULL;
}

void ring_free(struct ring **r)
{
	must(*r == NULL);
}

struct ring_slot *ring_claim_slow(struct ring *r, const uint8_t *name, size_t len)
{
	(void)name;
	(void)len;
	return r->slot;
}
