/* cache_list.c: the packet cache's slow side: cleaning, purging, dumps, counters, searches. */
#include "cache_priv.h"
#include "map.h"
#include "mem.h"
#include <stdlib.h>
#include <unistd.h>

enum { DUMP_CHUNK = 64 * 1024 }; /* text collected before it is written */

size_t cache_size(struct cache *cache)
{
	size_t n = 0;

	for (uint32_t i = 0; i < cache->options.shards; i++) {
		cache_lock(&cache->slice[i]);
		n += cache->slice[i].count;
		cache_unlock(&cache->slice[i]);
	}
	return n;
}

size_t cache_bytes(struct cache *cache)
{
	size_t n = entry_cost(sizeof(*cache) + cache->options.shards * sizeof(cache->slice[0]));

	for (uint32_t i = 0; i < cache->options.shards; i++) {
		cache_lock(&cache->slice[i]);
		n += cache->slice[i].bytes;
		cache_unlock(&cache->slice[i]);
	}
	return n;
}

struct clean {
	struct slice *slice;
	uint64_t now_ms, keep_ms;
	size_t left; /* to be removed at most */
	size_t removed;
};

static void clean_link(void *ctx, struct link *link)
{
	struct clean *c = ctx;
	struct entry *e = container_of(link, struct entry, life);

	if (c->left == 0 || entry_end_ms(e) + c->keep_ms > c->now_ms) {
		life_add(&c->slice->life, link, entry_end_s(e));
		return;
	}
	slice_remove(c->slice, e);
	mem_free(e);
	c->left--;
	c->removed++;
}

/* clean removes what ended |keep_s| ago until |down_to| entries are left. */
static size_t clean(struct cache *cache, size_t down_to, uint64_t now_ms, uint64_t keep_s)
{
	size_t size = cache_size(cache);
	struct clean c = {.now_ms = now_ms,
		.keep_ms = keep_s * 1000,
		.left = size > down_to ? size - down_to : 0};

	__atomic_add_fetch(&cache->cleanups, 1, __ATOMIC_RELAXED);
	for (uint32_t i = 0; i < cache->options.shards && c.left != 0; i++) {
		c.slice = &cache->slice[i];
		cache_lock(c.slice);
		life_advance(&c.slice->life, now_s(now_ms));
		life_due(&c.slice->life, clean_link, &c);
		cache_unlock(c.slice);
	}
	return c.removed;
}

size_t cache_purge(struct cache *cache, size_t down_to, uint64_t now_ms)
{
	return clean(cache, down_to, now_ms, 0);
}

size_t cache_clean(struct cache *cache, uint64_t now_ms, unsigned percent, unsigned keep_s)
{
	uint64_t down_to =
		(uint64_t)cache->options.max_entries * (percent < 100 ? 100 - percent : 0) / 100;

	return clean(cache, (size_t)down_to, now_ms, keep_s);
}

static bool expunge_one(void *ctx, struct entry *e UNUSED)
{
	size_t *left = ctx;

	return *left != 0 && (*left)-- != 0;
}

size_t cache_expunge(struct cache *cache, size_t down_to)
{
	size_t size = cache_size(cache), left = size > down_to ? size - down_to : 0, all = left;

	for (uint32_t i = 0; i < cache->options.shards && left != 0; i++) {
		cache_lock(&cache->slice[i]);
		slice_each(&cache->slice[i], expunge_one, &left);
		cache_unlock(&cache->slice[i]);
	}
	mem_trim();
	return all - left;
}

struct expunge_name {
	const struct name *name;
	unsigned qtype;
	bool suffix;
	size_t removed;
};

static bool expunge_match(void *ctx, struct entry *e)
{
	struct expunge_name *x = ctx;
	const uint8_t *name = entry_packet(e) + DNS_HEADER;

	if (x->qtype != QTYPE_ANY && x->qtype != entry_qtype(e))
		return false;
	if (x->suffix ? !name_under(name, x->name->wire) : !name_same(name, x->name->wire))
		return false;
	x->removed++;
	return true;
}

size_t cache_expunge_name(struct cache *cache, const struct name *name, unsigned qtype, bool suffix)
{
	struct expunge_name x = {.name = name, .qtype = qtype, .suffix = suffix};

	for (uint32_t i = 0; i < cache->options.shards; i++) {
		cache_lock(&cache->slice[i]);
		slice_each(&cache->slice[i], expunge_match, &x);
		cache_unlock(&cache->slice[i]);
	}
	return x.removed;
}

void cache_stats(struct cache *cache, struct cache_stats *sum)
{
	*sum = (struct cache_stats){
		.deferred_lookups = __atomic_load_n(&cache->deferred_lookups, __ATOMIC_RELAXED),
		.deferred_inserts = __atomic_load_n(&cache->deferred_inserts, __ATOMIC_RELAXED),
		.cleanups = __atomic_load_n(&cache->cleanups, __ATOMIC_RELAXED)};
	for (uint32_t i = 0; i < cache->options.shards; i++) {
		struct slice *s = &cache->slice[i];

		cache_lock(s);
		sum->hits += s->stats.hits;
		sum->misses += s->stats.misses;
		sum->lookup_collisions += s->stats.lookup_collisions;
		sum->insert_collisions += s->stats.insert_collisions;
		sum->ttl_too_shorts += s->stats.ttl_too_shorts;
		sum->evictions += s->stats.evictions;
		sum->refreshes += s->stats.refreshes;
		sum->stale_hits += s->stats.stale_hits;
		cache_unlock(s);
	}
}

void cache_print_stats(struct cache *cache, struct text *out)
{
	struct cache_stats n;

	cache_stats(cache, &n);
	text_addf(
		out, "Entries: %zu/%u\n", cache_size(cache), (unsigned)cache->options.max_entries);
	text_addf(out, "Hits: %llu\n", (unsigned long long)n.hits);
	text_addf(out, "Misses: %llu\n", (unsigned long long)n.misses);
	text_addf(out, "Deferred inserts: %llu\n", (unsigned long long)n.deferred_inserts);
	text_addf(out, "Deferred lookups: %llu\n", (unsigned long long)n.deferred_lookups);
	text_addf(out, "Lookup Collisions: %llu\n", (unsigned long long)n.lookup_collisions);
	text_addf(out, "Insert Collisions: %llu\n", (unsigned long long)n.insert_collisions);
	text_addf(out, "TTL Too Shorts: %llu\n", (unsigned long long)n.ttl_too_shorts);
	text_addf(out, "Cleanup Count: %llu\n", (unsigned long long)n.cleanups);
	text_addf(out, "Evictions: %llu\n", (unsigned long long)n.evictions);
	text_addf(out, "Refreshes: %llu\n", (unsigned long long)n.refreshes);
	text_addf(out, "Stale hits: %llu\n", (unsigned long long)n.stale_hits);
	text_addf(out, "Bytes: %zu\n", cache_bytes(cache));
}

/* ---- dump ---- */

struct dump {
	struct text text;
	uint64_t now_ms;
	bool raw;
	int lines;
};

static void dump_base64(struct text *out, const uint8_t *p, size_t len)
{
	static const char digit[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < len; i += 3) {
		size_t n = len - i < 3 ? len - i : 3;
		unsigned v = (unsigned)p[i] << 16 | (n > 1 ? (unsigned)p[i + 1] << 8 : 0) |
			     (n > 2 ? p[i + 2] : 0);
		char four[4] = {
			digit[v >> 18], digit[v >> 12 & 63], digit[v >> 6 & 63], digit[v & 63]};

		memset(four + 1 + n, '=', 3 - n);
		text_add_bytes(out, four, sizeof(four));
	}
}

static void dump_entry(struct dump *d, const struct entry *e)
{
	const uint8_t *packet = entry_packet(e);
	uint64_t end_ms = entry_end_ms(e), now_ms = d->now_ms;
	long ttl_s = end_ms >= now_ms ? (long)((end_ms - now_ms) / 1000) : -(long)((now_ms - end_ms) / 1000);
	long ago_s = now_ms > e->added_ms ? (long)((now_ms - e->added_ms) / 1000) : 0;
	char name[NAME_TEXT], type[16];

	name_to_text(packet + DNS_HEADER, true, name);
	text_addf(&d->text,
		"%s %ld %s ; rcode %u, key %016llx, length %u, received over %s, added %ld s ago",
		name, ttl_s, qtype_text(entry_qtype(e), type), dns_rcode(packet),
		(unsigned long long)e->hash, (unsigned)e->len, e->over_tcp ? "TCP" : "UDP",
		ago_s);
	if (d->raw) {
		text_add(&d->text, ", ");
		dump_base64(&d->text, packet, e->len);
	}
	text_add(&d->text, "\n");
	d->lines++;
}

static int dump_write(struct dump *d, int fd)
{
	size_t done = 0;

	if (d->text.failed)
		return -ENOMEM;
	while (done < d->text.len) {
		ssize_t n = write(fd, d->text.p + done, d->text.len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		done += (size_t)n;
	}
	text_clear(&d->text);
	return 0;
}

/* dump_slice writes between two looks at the slice; what moves meanwhile may be missed or seen twice. */
static int dump_slice(struct dump *d, struct slice *s, int fd)
{
	uint32_t i = 0;
	bool more = true;
	int rc = 0;

	while (more && rc == 0) {
		cache_lock(s);
		while (i < s->buckets && d->text.len < DUMP_CHUNK && !d->text.failed) {
			for (const struct entry *e = s->bucket[i]; e != NULL; e = e->next)
				dump_entry(d, e);
			i++;
		}
		more = i < s->buckets;
		cache_unlock(s);
		rc = dump_write(d, fd);
	}
	return rc;
}

int cache_dump(struct cache *cache, int fd, bool raw, uint64_t now_ms)
{
	struct dump d = {.now_ms = now_ms, .raw = raw};
	int rc = 0;

	text_addf(&d.text, "; packet cache of %u shards, at most %u entries\n;\n",
		(unsigned)cache->options.shards, (unsigned)cache->options.max_entries);
	for (uint32_t i = 0; i < cache->options.shards && rc == 0; i++)
		rc = dump_slice(&d, &cache->slice[i], fd);
	if (rc == 0) {
		text_addf(&d.text, ";\n; %d entries\n", d.lines);
		rc = dump_write(&d, fd);
	}
	text_free(&d.text);
	return rc < 0 ? rc : d.lines;
}

/* ---- searches: collected under the locks, handed out after ---- */

struct search {
	const struct name *name;
	const struct addr *addr;
	struct text found; /* struct addr after struct addr */
	struct map *names;
};

/* address_of: the address in a record of type A or AAAA. */
static bool address_of(struct addr *a, const uint8_t *msg, const struct rr *rr)
{
	memset(a, 0, sizeof(*a));
	if (rr->section != SECTION_ANSWER || rr->klass != CLASS_IN)
		return false;
	if (rr->type == QTYPE_A && rr->rdlen == 4)
		a->family = AF_INET;
	else if (rr->type == QTYPE_AAAA && rr->rdlen == 16)
		a->family = AF_INET6;
	else
		return false;
	memcpy(a->ip, msg + rr->rdata_at, rr->rdlen);
	return true;
}

static bool search_entry(void *ctx, struct entry *e)
{
	struct search *x = ctx;
	const uint8_t *packet = entry_packet(e), *name = packet + DNS_HEADER;
	struct walk walk;
	struct rr rr;
	struct addr a;

	if (x->name != NULL && !name_same(name, x->name->wire))
		return false;
	if (walk_start(&walk, packet, e->len) != 0)
		return false;
	while (walk_next(&walk, &rr) == 1) {
		if (!address_of(&a, packet, &rr))
			continue;
		if (x->name != NULL)
			text_add_bytes(&x->found, &a, sizeof(a));
		else if (addr_same_ip(&a, x->addr) &&
			 map_set(x->names, name, e->name_len, x, NULL) != 0)
			return false; /* out of memory: the list is shorter */
	}
	return false;
}

static void search(struct cache *cache, struct search *x)
{
	for (uint32_t i = 0; i < cache->options.shards; i++) {
		cache_lock(&cache->slice[i]);
		slice_each(&cache->slice[i], search_entry, x);
		cache_unlock(&cache->slice[i]);
	}
}

static int by_address(const void *a, const void *b)
{
	return addr_compare(a, b);
}

void cache_addresses(struct cache *cache, const struct name *name,
	void (*fn)(void *, const struct addr *), void *ctx)
{
	struct search x = {.name = name};
	struct addr a, last = {0};

	search(cache, &x);
	if (x.found.len != 0)
		qsort(x.found.p, x.found.len / sizeof(a), sizeof(a), by_address);
	for (size_t at = 0; at + sizeof(a) <= x.found.len; at += sizeof(a)) {
		memcpy(&a, x.found.p + at, sizeof(a));
		if (!addr_same_ip(&a, &last))
			fn(ctx, &a);
		last = a;
	}
	text_free(&x.found);
}

void cache_domains(struct cache *cache, const struct addr *addr,
	void (*fn)(void *, const uint8_t *wire), void *ctx)
{
	struct search x = {.addr = addr, .names = map_new()};
	const void *key;
	size_t pos = 0, len;
	void *value;

	if (x.names == NULL)
		return;
	search(cache, &x);
	while (map_next(x.names, &pos, &key, &len, &value))
		fn(ctx, key);
	map_free(&x.names);
}
