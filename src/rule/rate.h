/* rate.h: a rate limit for each client subnet, in bounded memory. */
#ifndef RULE_RATE_H
#define RULE_RATE_H

#include "addr.h"

struct rate_limits {
	uint32_t qps, burst;
	unsigned mask4, mask6; /* bits of the address that make a subnet */
	uint32_t expiration_s; /* a subnet not seen for so long starts afresh */
	uint32_t cleanup_s; /* how often memory that is no longer needed is looked for; 0: never */
	unsigned shards; /* parts with a lock of their own */
	size_t max; /* most subnets remembered, over all shards */
};
struct rate;
struct rate *rate_new(const struct rate_limits *) WUNUSED NONNULL; /* NULL: memory is out */
void rate_free(struct rate **) NONNULL;
/* rate_exceeded takes a token of the subnet of |addr|; true when there was none.  Any thread. */
bool rate_exceeded(struct rate *, const struct addr *, uint64_t now_ms) NONNULL;
size_t rate_slots(struct rate *) NONNULL; /* room for so many subnets is allocated now */

#endif
