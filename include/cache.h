/* cache.h: the packet cache: whole answers by question, flags and EDNS.
 *
 * A cache is a set of slices, each with its lock, its hash and its byte budget; one cache may serve several
 * pools and all workers.  Answers are copied out under the lock, no pointer escapes.  When a slice is full
 * the entry closest to its end is evicted (dnsdist refuses the new one). */
#ifndef SHREWD_CACHE_H
#define SHREWD_CACHE_H

#include "arg.h"
#include "dns.h"
#include "text.h"

struct cache_options { /* defaults and ranges: cache_fields[] */
	uint32_t max_entries, max_ttl_s, min_ttl_s, max_negative_ttl_s, temp_failure_ttl_s, stale_ttl_s,
		truncated_ttl_s, shards, max_entry_size;
	uint32_t max_bytes; /* own: whole cache, with overhead; 0: no limit but max_entries */
	bool dont_age, keep_stale_data, deferrable_insert, parse_ecs, cookie_hashing, shuffle;
	bool prefetch; /* own: ask for a refresh in the last tenth of a popular entry's life */
	uint16_t skip_option[32]; /* EDNS options whose content is not hashed; default 10, 12 */
	uint8_t skip_options;
	bool skip_options_given; /* false: the default list */
	uint16_t payload_rank[16]; /* ascending */
	uint8_t payload_ranks;
};
extern const struct field cache_fields[]; /* newPacketCache's table */
extern const size_t cache_field_count;

struct cache;
struct cache *cache_new(const struct cache_options *, const char **error_r) WUNUSED; /* one reference */
struct cache *cache_ref(struct cache *) NONNULL;                                     /* any thread */
void cache_free(struct cache **) NONNULL;                                            /* drops one */
const struct cache_options *cache_options(const struct cache *) NONNULL;
/* cache_replace: |running| takes the place of |new|, which nobody has used yet; cache_now() of it is |running| from then
 * on: objects of the language (variables of a file that was read again) go through it.  Borrowed from its argument. */
void cache_replace(struct cache *new, struct cache *running) NONNULL;
struct cache *cache_now(struct cache *) NONNULL;

/* What identifies an answer.  Borrows |question|. */
struct cache_key {
	uint64_t hash;
	const struct question *question;
	uint16_t flags;      /* second header word of the query */
	bool dnssec_ok;
	bool over_tcp;       /* will the backend be asked over a stream? */
	struct netmask ecs;  /* with parse_ecs; family 0: none */
};
/* cache_key_make hashes header bytes 2–11, question, and all after it (inventory 5.3).  |edns| is that of
 * |msg|.  0, or -EBADMSG for a message that cannot be cached.  Pure. */
int cache_key_make(struct cache_key *, const struct cache_options *, const uint8_t *msg, size_t len,
	const struct question *, const struct edns *, bool over_tcp) WUNUSED NONNULL;

enum cache_hit { CACHE_STALE = 1, CACHE_REFRESH = 2, CACHE_DEFERRED = 4 };
/* cache_get copies the answer stored under |key| to |out|.
 * |cap|: bytes at |out|.  |now_ms|: monotonic.  |stale_s|: seconds past expiry still allowed, 0 = none.
 * TTLs in the copy are aged (unless dontAge), a stale copy shows staleTTL; the name has the case of the key's
 * question as it stands in |query_name| (wire, as asked); the id is left for the caller to set.
 * |*hit_r|: CACHE_STALE; CACHE_REFRESH: this caller, and no other, should refresh the entry.
 * Returns the length in bytes, 0 when absent (|*hit_r| CACHE_DEFERRED: the lock was busy), or -ENOBUFS when
 * |cap| is too small.  Takes one lock; allocates nothing.  Any thread. */
ssize_t cache_get(struct cache *, const struct cache_key *, const uint8_t *query_name, uint8_t *out, size_t cap,
	uint64_t now_ms, unsigned stale_s, unsigned *hit_r) WUNUSED NONNULL;

/* cache_put stores the answer |msg|; its lifetime follows inventory 5.3.  |temp_failure_ttl|: override for
 * SERVFAIL and REFUSED, -1: the cache's.  Returns 1 when stored, 0 when it does not belong in the cache or a
 * lock was busy, -ENOMEM.  Any thread. */
int cache_put(struct cache *, const struct cache_key *, const uint8_t *msg, size_t len, uint64_t now_ms,
	int64_t temp_failure_ttl) WUNUSED NONNULL;

/* Maintenance and inspection; any thread, slice by slice. */
size_t cache_purge(struct cache *, size_t down_to, uint64_t now_ms) NONNULL; /* expired only */
size_t cache_clean(struct cache *, uint64_t now_ms, unsigned percent, unsigned keep_s) NONNULL; /* the cleaner */
size_t cache_expunge(struct cache *, size_t down_to) NONNULL;
size_t cache_expunge_name(struct cache *, const struct name *, unsigned qtype, bool suffix) NONNULL; /* ANY: all */
size_t cache_size(struct cache *) NONNULL;
size_t cache_bytes(struct cache *) NONNULL;
int cache_dump(struct cache *, int fd, bool raw, uint64_t now_ms) WUNUSED NONNULL; /* lines written or -E… */
struct cache_stats {
	uint64_t hits, misses, deferred_lookups, deferred_inserts, lookup_collisions, insert_collisions,
		ttl_too_shorts, cleanups, evictions, refreshes, stale_hits;
};
void cache_stats(struct cache *, struct cache_stats *) NONNULL;
void cache_print_stats(struct cache *, struct text *) NONNULL; /* printStats() */
/* cache_addresses / cache_domains: linear searches; call |fn| for each. */
void cache_addresses(struct cache *, const struct name *, void (*fn)(void *, const struct addr *), void *) NONNULL;
void cache_domains(struct cache *, const struct addr *, void (*fn)(void *, const uint8_t *wire), void *) NONNULL;

#endif
