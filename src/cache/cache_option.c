/* cache_option.c: the options of newPacketCache(). */
#include "cache_priv.h"

/* numbers_take reads one number or a list of numbers up to 65535; the count or -EINVAL. */
static int numbers_take(
	uint16_t *out, size_t cap, const struct arg *a, const char *name, const char **error_r)
{
	const struct arg *v = a->kind == ARG_TABLE ? a->t.v : a;
	size_t n = a->kind == ARG_TABLE ? a->t.n : 1;

	if (n > cap)
		return error_set(
			error_r, "%s: expected at most %zu numbers, got %zu", name, cap, n);
	for (size_t i = 0; i < n; i++) {
		double x = arg_num(&v[i], -1);

		if (!(x >= 0 && x <= UINT16_MAX) || x != (double)(uint16_t)x)
			return error_set(
				error_r, "%s: expected whole numbers from 0 to 65535", name);
		out[i] = (uint16_t)x;
	}
	return (int)n;
}

static int set_skip_options(void *object, const struct arg *a, const char **error_r)
{
	struct cache_options *o = object;
	uint16_t v[LEN(o->skip_option) - 1]; /* one stays free for the cookie */
	int n = numbers_take(v, LEN(v), a, "skipOptions", error_r);

	if (n < 0)
		return n;
	memcpy(o->skip_option, v, (size_t)n * sizeof(v[0]));
	o->skip_options = (uint8_t)n;
	o->skip_options_given = true;
	return 0;
}

static int set_payload_ranks(void *object, const struct arg *a, const char **error_r)
{
	struct cache_options *o = object;
	uint16_t v[LEN(o->payload_rank)];
	int n = numbers_take(v, LEN(v), a, "payloadRanks", error_r);

	if (n < 0)
		return n;
	memcpy(o->payload_rank, v, (size_t)n * sizeof(v[0]));
	o->payload_ranks = (uint8_t)n;
	return 0;
}

static void skip_option_del(struct cache_options *o, uint16_t code)
{
	unsigned n = 0;

	for (unsigned i = 0; i < o->skip_options; i++)
		if (o->skip_option[i] != code)
			o->skip_option[n++] = o->skip_option[i];
	o->skip_options = (uint8_t)n;
}

void options_settle(struct cache_options *o)
{
	unsigned n = 0;

	if (!o->skip_options_given) {
		o->skip_option[0] = EDNS_PADDING;
		o->skip_options = 1;
	}
	skip_option_del(o, EDNS_COOKIE);
	if (!o->cookie_hashing)
		o->skip_option[o->skip_options++] = EDNS_COOKIE;
	/* Ranks that no answer of ours could fill are left out; the rest is sorted by insertion. */
	for (unsigned i = 0; i < o->payload_ranks; i++) {
		uint16_t rank = o->payload_rank[i];
		unsigned j = n;

		if (rank < DNS_UDP_MIN || rank > o->max_entry_size)
			continue;
		for (; j > 0 && o->payload_rank[j - 1] > rank; j--)
			o->payload_rank[j] = o->payload_rank[j - 1];
		o->payload_rank[j] = rank;
		n++;
	}
	o->payload_ranks = (uint8_t)n;
}

#define AT(m) offsetof(struct cache_options, m)
#define U32(word, member, min_, max_, absent_, unit_, text) \
	{.name = word, .type = FIELD_U32, .offset = AT(member), .min = min_, .max = max_, .absent = absent_, \
		.unit = DOC(unit_), .doc = DOC(text)}
#define BOOL(word, member, absent_, text) \
	{.name = word, .type = FIELD_BOOL, .offset = AT(member), .absent = absent_, .doc = DOC(text)}
#define CUSTOM(word, fn, text) {.name = word, .type = FIELD_OBJ, .custom = fn, .doc = DOC(text)}
const struct field cache_fields[] = {
	U32("maxEntries", max_entries, 1, UINT32_MAX, "10000", "",
		"most answers kept; shared out evenly over the shards"),
	U32("maxTTL", max_ttl_s, 0, UINT32_MAX, "86400", "s",
		"longest life of an entry; does not change the TTL shown"),
	U32("minTTL", min_ttl_s, 0, UINT32_MAX, "0", "s",
		"answers with a smaller TTL are not kept"),
	U32("maxNegativeTTL", max_negative_ttl_s, 0, UINT32_MAX, "3600", "s",
		"longest life of NXDOMAIN and NODATA answers"),
	U32("temporaryFailureTTL", temp_failure_ttl_s, 0, UINT32_MAX, "60", "s",
		"life of SERVFAIL and REFUSED answers, 0: not kept"),
	U32("staleTTL", stale_ttl_s, 0, UINT32_MAX, "60", "s", "TTL shown in stale answers"),
	U32("truncatedTTL", truncated_ttl_s, 0, UINT32_MAX, "0", "s",
		"longest life of truncated answers, 0: not kept"),
	BOOL("dontAge", dont_age, "false", "show TTLs as they came"),
	BOOL("keepStaleData", keep_stale_data, "false",
		"do not clean while all backends of a pool with this cache are down"),
	U32("numberOfShards", shards, 0, 65536, "0", "",
		"parts with a lock of their own; 0: one for every 500 entries, at most 20"),
	BOOL("deferrableInsertLock", deferrable_insert, "true",
		"skip the insert when the lock is busy"),
	BOOL("parseECS", parse_ecs, "false", "keep entries per client subnet"),
	BOOL("cookieHashing", cookie_hashing, "false",
		"clients with different cookies do not share entries"),
	CUSTOM("skipOptions", set_skip_options,
		"EDNS options whose content does not distinguish entries, default 10 and 12"),
	U32("maximumEntrySize", max_entry_size, DNS_UDP_MIN, DNS_MAX, "4096", "bytes",
		"largest answer kept; over 4096 only those that came over a stream"),
	CUSTOM("payloadRanks", set_payload_ranks,
		"classes of UDP payload sizes whose clients share entries"),
	BOOL("shuffle", shuffle, "false", "shuffle A and AAAA records on every hit"),
	U32("maxBytes", max_bytes, 0, UINT32_MAX, "0", "bytes",
		"most memory of the whole cache, 0: no limit but maxEntries"),
	BOOL("prefetch", prefetch, "false",
		"ask again for popular entries in the last tenth of their life"),
};
#undef AT
#undef U32
#undef BOOL
#undef CUSTOM
const size_t cache_field_count = LEN(cache_fields);
