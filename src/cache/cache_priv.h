/* cache_priv.h: the inside of the packet cache: entries, slices, and the order in which entries end. */
#ifndef SHREWD_CACHE_PRIV_H
#define SHREWD_CACHE_PRIV_H

#include "cache.h"
#include <stdatomic.h>

/* ---- life: entries in coarse order of their end ----
 * A wheel of LIFE_LEVELS × LIFE_SLOTS lists.  A slot of level n covers 8^n seconds; an entry goes to the
 * finest level whose 16 slots reach its end and stays there, so nothing is ever moved but whole lists that
 * time has passed.  The order is exact below 16 seconds, and beyond that off by at most one slot. */
enum { LIFE_LEVELS = 7, LIFE_SLOTS = 16, LIFE_SHIFT = 3 };
struct link {
	struct link *next, *prev;
};
struct life {
	uint32_t now_s;
	uint16_t busy[LIFE_LEVELS]; /* bit n is clear: slot n is empty */
	struct link over; /* what slots held when time passed them */
	struct link slot[LIFE_LEVELS][LIFE_SLOTS];
};
void life_init(struct life *) NONNULL;
void life_add(struct life *, struct link *, uint32_t end_s) NONNULL;
void life_del(struct link *) NONNULL;
void life_advance(struct life *, uint32_t now_s) NONNULL; /* the past is ignored */
struct link *life_first(struct life *) NONNULL; /* the one nearest to its end, NULL: none */
/* life_due takes out all that ended by now, and some that did not yet, and hands each to |fn|, which frees it
 * or adds it again (then nearer to its place). */
void life_due(struct life *, void (*fn)(void *, struct link *), void *);

/* ---- entry: what is kept of an answer ----
 * Behind the struct: |ttls| offsets of TTLs in the packet, the packet, and the subnet where there is one.
 * The packet's question is in lower case, so that it serves as the name to compare with. */
enum { ENTRY_SUBNET = 18 }; /* family, bits, 16 bytes of address */
struct entry {
	struct entry *next; /* of the same bucket */
	struct link life;
	uint64_t hash;
	uint64_t added_ms;
	uint32_t life_s;
	uint32_t refresh_s; /* second in which a refresh was asked for, plus one; 0: never */
	uint16_t len, ttls;
	uint16_t flags; /* of the query */
	uint8_t name_len;
	uint8_t dnssec_ok : 1, over_tcp : 1, subnet : 1, hits : 2;
};
_Static_assert(sizeof(struct entry) <= 64, "an entry costs at most 64 bytes over its packet");

static inline uint16_t *entry_ttls(const struct entry *e)
{
	return (uint16_t *)(uintptr_t)(e + 1);
}

static inline uint8_t *entry_packet(const struct entry *e)
{
	return (uint8_t *)(entry_ttls(e) + e->ttls);
}

static inline uint64_t entry_end_ms(const struct entry *e)
{
	return e->added_ms + (uint64_t)e->life_s * 1000;
}

static inline uint32_t entry_end_s(const struct entry *e)
{
	return (uint32_t)((entry_end_ms(e) + 999) / 1000);
}

static inline unsigned entry_qtype(const struct entry *e)
{
	return get16(entry_packet(e) + DNS_HEADER + e->name_len);
}

size_t entry_cost(size_t size); /* bytes that an allocation takes from the heap */
size_t entry_size(const struct entry *) NONNULL;
bool entry_subnet_matches(const struct entry *, const struct netmask *) NONNULL; /* of an entry that has one */

/* same_bytes: memcmp() for names, which are short: eight at a time, the last eight overlapping. */
static inline bool same_bytes(const uint8_t *a, const uint8_t *b, size_t len)
{
	uint64_t x, y, differ = 0;

	if (len < 8)
		return memcmp(a, b, len) == 0;
	for (size_t i = 0; i + 8 < len; i += 8) {
		memcpy(&x, a + i, 8);
		memcpy(&y, b + i, 8);
		differ |= x ^ y;
	}
	memcpy(&x, a + len - 8, 8);
	memcpy(&y, b + len - 8, 8);
	return (differ | (x ^ y)) == 0;
}

static inline bool entry_matches(const struct entry *e, const struct cache_key *key)
{
	const struct question *q = key->question;
	const uint8_t *name = entry_packet(e) + DNS_HEADER;

	return e->flags == key->flags && e->dnssec_ok == key->dnssec_ok && e->over_tcp == key->over_tcp &&
	       e->name_len == q->len && same_bytes(name, q->lower, q->len) && get16(name + q->len) == q->qtype &&
	       get16(name + q->len + 2) == q->qclass &&
	       (e->subnet ? entry_subnet_matches(e, &key->ecs) : key->ecs.net.family == 0);
}

/* ---- slice: one lock and what it guards ----
 * The table grows and shrinks by one bucket at a time (linear hashing), so no insert pays for a rebuild. */
struct slice {
	atomic_bool lock; /* held for a look-up or an insert; readers of the whole slice make others defer */
	struct entry **bucket;
	uint32_t buckets, mask, cap; /* in use; the power of two at or above, less one; allocated */
	uint32_t count;
	size_t bytes;
	uint32_t shuffle;
	struct cache_stats stats; /* without deferred_…, which are counted without the lock */
	struct life life;
};
size_t slice_first_cost(void); /* bytes of a slice's smallest table */
static inline uint32_t bucket_of(const struct slice *s, uint64_t hash)
{
	uint32_t i = (uint32_t)hash & s->mask;

	return i < s->buckets ? i : i & s->mask >> 1;
}

static inline struct entry *slice_find(const struct slice *s, uint64_t hash)
{
	struct entry *e = s->count ? s->bucket[bucket_of(s, hash)] : NULL;

	while (e && e->hash != hash)
		e = e->next;
	return e;
}
/* slice_add takes the entry, 0 or -ENOMEM; its hash must not be there.  |max_bytes| bounds the table. */
int slice_add(struct slice *, struct entry *, size_t max_bytes) WUNUSED NONNULL;
void slice_remove(struct slice *, struct entry *) NONNULL; /* does not free it */
/* slice_each removes and frees the entries for which |fn| returns true. */
void slice_each(struct slice *, bool (*fn)(void *, struct entry *), void *);

struct cache {
	unsigned refs;
	struct cache *successor; /* atomic; holds a reference */
	struct cache_options options;
	uint32_t slice_entries; /* most entries and bytes in a slice */
	size_t slice_bytes;
	uint64_t deferred_lookups, deferred_inserts, cleanups; /* atomic */
	struct slice slice[];
};

static inline uint32_t now_s(uint64_t now_ms)
{
	return (uint32_t)(now_ms / 1000);
}

/* cache_lock waits for the slice; cache_lock_soon gives up after a while. */
void cache_lock_slow(struct slice *) NONNULL;
bool cache_lock_soon_slow(struct slice *) WUNUSED NONNULL;
static inline void cache_lock(struct slice *s)
{
	if (atomic_exchange_explicit(&s->lock, true, memory_order_acquire))
		cache_lock_slow(s);
}
WUNUSED static inline bool cache_lock_soon(struct slice *s)
{
	return !atomic_exchange_explicit(&s->lock, true, memory_order_acquire) || cache_lock_soon_slow(s);
}
static inline void cache_unlock(struct slice *s)
{
	atomic_store_explicit(&s->lock, false, memory_order_release);
}

/* options_settle puts the lists of options in order: cookies, ranks out of range. */
void options_settle(struct cache_options *) NONNULL;

/* What cache_put learns from an answer. */
struct answer_facts {
	uint32_t ttl_s; /* lifetime */
	uint16_t ttls; /* records whose TTL ages */
	bool too_short; /* not stored because of minTTL */
};
/* answer_judge: does the answer belong in the cache, and for how long? */
bool answer_judge(struct answer_facts *, const struct cache_options *, const struct cache_key *,
	const uint8_t *msg, size_t len, int64_t temp_failure_ttl) WUNUSED NONNULL;
void answer_ttls(const uint8_t *msg, size_t len, uint16_t *at, size_t n) NONNULL;
/* answer_shuffle permutes the addresses of each run of A or AAAA records. */
void answer_shuffle(uint8_t *msg, size_t len, uint32_t seed) NONNULL;
/* answer_failure: does the answer tell of a temporary failure? */
bool answer_failure(const uint8_t *msg) NONNULL;

#endif
