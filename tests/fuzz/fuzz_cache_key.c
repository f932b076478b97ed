/* fuzz_cache_key.c: any message as a query, then as the answer to it, through the packet cache. */
#include "cache.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct cache *cache_make(bool parse_ecs)
{
	struct cache_options o = {0};
	const char *error;

	must(field_defaults(cache_fields, cache_field_count, &o) == 0);
	o.max_entries = 64;
	o.max_bytes = 65536;
	o.shards = 1;
	o.parse_ecs = parse_ecs;
	o.shuffle = o.prefetch = true;
	o.truncated_ttl_s = 5;
	return cache_new(&o, &error);
}

static void store_and_find(
	struct cache *cache, const struct cache_key *key, const uint8_t *data, size_t size)
{
	static uint8_t out[DNS_MAX];
	ssize_t len;
	unsigned hit;

	if (cache_put(cache, key, data, size, 1000, -1) != 1)
		return;
	len = cache_get(cache, key, data + DNS_HEADER, out, sizeof(out), 1000, 0, &hit);
	must(len == (ssize_t)size && memcmp(out + 2, data + 2, 10) == 0);
	len = cache_get(cache, key, data + DNS_HEADER, out, sizeof(out), 3000000, 0xffffffff, &hit);
	must(len == (ssize_t)size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct cache *cache[2];
	struct question question;
	struct cache_key key, again;
	struct edns edns;

	if (question_parse(&question, data, size) != 0 || edns_find(&edns, data, size) != 0)
		return 0;
	for (unsigned i = 0; i < LEN(cache); i++) {
		if (cache[i] == NULL && (cache[i] = cache_make(i == 1)) == NULL)
			return 0;
		if (cache_key_make(&key, cache_options(cache[i]), data, size, &question, &edns,
			    i == 1) != 0)
			continue;
		must(cache_key_make(&again, cache_options(cache[i]), data, size, &question, &edns,
			     i == 1) == 0);
		must(key.hash == again.hash);
		store_and_find(cache[i], &key, data, size);
		must(cache_bytes(cache[i]) <= 65536);
		cache_expunge(cache[i], 8);
	}
	return 0;
}
