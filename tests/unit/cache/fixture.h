/* fixture.h: queries, answers and caches for the tests of the packet cache. */
#ifndef CACHE_FIXTURE_H
#define CACHE_FIXTURE_H

#include "cache.h"

struct ask { /* what a query looks like; zero: a plain one for A with RD */
	const char *name;
	uint16_t qtype; /* 0: A */
	uint16_t flags; /* added to RD */
	uint16_t payload; /* 0: no EDNS */
	bool dnssec_ok, over_tcp;
	const void *option; /* data of one EDNS option */
	size_t option_len;
	uint16_t option_code;
};
struct asked {
	uint8_t msg[1024];
	size_t len;
	struct question question;
	struct edns edns;
	struct cache_key key;
};
/* ask makes the query and its key. */
void ask(struct asked *, const struct cache_options *, const struct ask *);

/* answer_begin copies header and question into |msg|; answer_a adds an A record 192.0.2.|last|. */
void answer_begin(uint8_t *msg, size_t *len, const struct asked *, unsigned rcode);
void answer_a(uint8_t *msg, size_t *len, uint32_t ttl, unsigned last);
void answer_soa(uint8_t *msg, size_t *len, uint32_t ttl);

struct cache_options options_default(uint32_t max_entries);
struct cache *cache_with(const struct cache_options *);
/* put_a stores an answer with one A record of |ttl| for the query; what cache_put() returns. */
int put_a(struct cache *, const struct asked *, uint32_t ttl, uint64_t now_ms);
int put_rcode(struct cache *, const struct asked *, unsigned rcode, uint64_t now_ms);
/* get_ttl looks up and returns the TTL of the first record, or the negative result; -1000: absent. */
int64_t get_ttl(
	struct cache *, const struct asked *, uint64_t now_ms, unsigned stale_s, unsigned *hit_r);

#endif
