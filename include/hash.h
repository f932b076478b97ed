/* hash.h: keyed hashing and random numbers. */
#ifndef SHREWD_HASH_H
#define SHREWD_HASH_H

#include "base.h"

/* hash_sip13: SipHash-1-3 of |len| bytes under a 16-byte key (Aumasson and Bernstein). */
uint64_t hash_sip13(const uint8_t key[16], const void *data, size_t len) NONNULL;
/* hash_bytes: a faster keyed hash under the process's secret key, drawn at first use: equal within one process only.
 * Any thread. */
uint64_t hash_bytes(const void *data, size_t len) NONNULL;
/* hash_mix folds two words into |hash|, which must come from hash_bytes(): what is secret stays secret. */
static inline uint64_t hash_mix(uint64_t hash, uint64_t a, uint64_t b)
{
	uint64_t x = hash ^ a, y = b ^ UINT64_C(0x9e3779b97f4a7c15) ^ (hash << 32 | hash >> 32);
#ifdef __SIZEOF_INT128__
	unsigned __int128 product = (unsigned __int128)x * y;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
#else
	uint64_t pair[2] = {x, y};

	return hash_bytes(pair, sizeof(pair));
#endif
}
void hash_set_key(const uint8_t key[16]) NONNULL; /* for tests; before any thread starts */

/* rng: unpredictable numbers, drawn from the kernel in batches.  One per worker; not shared.
 * rng_seed() makes it a repeatable sequence for tests. */
struct rng {
	uint8_t pool[256];
	unsigned left;
	uint64_t test_state; /* not 0: repeatable */
};
void rng_init(struct rng *) NONNULL;
void rng_seed(struct rng *, uint64_t seed) NONNULL;
uint32_t rng_u32(struct rng *) NONNULL;
uint32_t rng_below(struct rng *, uint32_t n) NONNULL; /* 0 … n-1 without bias; 0 when n is 0 */
double rng_unit(struct rng *) NONNULL;                /* 0 ≤ x < 1 */
void rng_bytes(struct rng *, void *out, size_t len) NONNULL;
void rng_uuid(struct rng *, char out[37]) NONNULL; /* version 4, lower case */

#endif
