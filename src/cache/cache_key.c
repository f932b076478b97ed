/* cache_key.c: what makes two queries the same to the cache. */
#include "cache_priv.h"
#include "hash.h"

/* A plain query fills a fraction of the buffer and is hashed in one go; long ones are hashed in pieces, each
 * beginning with the hash of what came before. */
struct mix {
	size_t n;
	uint8_t buf[256];
};

static void mix_long(struct mix *m, const uint8_t *from, size_t len)
{
	while (len > sizeof(m->buf) - m->n) {
		size_t room = sizeof(m->buf) - m->n;
		uint64_t hash;

		memcpy(m->buf + m->n, from, room);
		from += room;
		len -= room;
		hash = hash_bytes(m->buf, sizeof(m->buf));
		memcpy(m->buf, &hash, sizeof(hash));
		m->n = sizeof(hash);
	}
	memcpy(m->buf + m->n, from, len);
	m->n += len;
}

static inline void mix_add(struct mix *m, const uint8_t *p, size_t len)
{
	if (len != 0)
		mix_long(m, p, len);
}

static bool option_skipped(const struct cache_options *o, unsigned code)
{
	for (unsigned i = 0; i < o->skip_options; i++)
		if (o->skip_option[i] == code)
			return true;
	return false;
}

/* payload_rank: the first rank that is not below the payload, or the payload itself. */
static unsigned payload_rank(const struct cache_options *o, unsigned payload)
{
	for (unsigned i = 0; i < o->payload_ranks; i++)
		if (o->payload_rank[i] >= payload)
			return o->payload_rank[i];
	return payload;
}

/* opt_fixed writes the part of the OPT record that all have in common; its bytes. */
static size_t opt_fixed(uint8_t out[8], const struct cache_options *o, const struct edns *edns)
{
	put16(out, payload_rank(o, edns->payload));
	out[2] = edns->ext_rcode;
	out[3] = edns->version;
	put16(out + 4, edns->flags);
	put16(out + 6, edns->opts_len);
	return 8;
}

/* mix_options adds the options; of those to be skipped only code and length. */
static void mix_options(struct mix *m, const struct cache_options *o, const uint8_t *p, size_t len)
{
	while (len >= 4 && get16(p + 2) <= len - 4) {
		size_t n = 4u + get16(p + 2);

		mix_add(m, p, option_skipped(o, get16(p)) ? 4 : n);
		p += n;
		len -= n;
	}
	mix_add(m, p, len); /* malformed: as it is */
}

/* key_ecs: a subnet that cannot be read distinguishes by its bytes alone.  Out of the way of plain queries. */
static __attribute__((noinline)) void key_ecs(struct cache_key *key, const uint8_t *msg, const struct edns *edns)
{
	size_t at, len;
	unsigned scope;

	if (edns_option(edns, msg, EDNS_ECS, &at, &len) &&
		ecs_parse(msg + at, len, &key->ecs, &scope) == 0)
		addr_mask(&key->ecs.net, key->ecs.bits);
	else
		key->ecs.net.family = 0;
}

/* key_long hashes header, question and all that follows it. */
static uint64_t key_long(const struct cache_options *o, const uint8_t *msg, size_t len, const struct question *q,
	const struct edns *edns, bool over_tcp)
{
	struct mix m;
	uint8_t *p = m.buf;
	size_t rest = q->end;
	bool sole_opt = edns->present && dns_count(msg, SECTION_ADDITIONAL) == 1 && edns->at >= rest;

	/* The count of questions is one; the hash stands for the lower-case name. */
	memcpy(p, msg + 2, 2);
	memcpy(p + 2, msg + 6, 6);
	memcpy(p + 8, &q->hash, sizeof(q->hash));
	put16(p + 16, q->qtype);
	put16(p + 18, q->qclass);
	p[20] = (uint8_t)(over_tcp | sole_opt << 1);
	m.n = 21;
	if (sole_opt) {
		m.n += opt_fixed(p + m.n, o, edns);
		mix_add(&m, msg + rest, edns->at - rest);
		mix_options(&m, o, msg + edns->opts_at, edns->opts_len);
		rest = edns->at + edns->len;
	}
	mix_add(&m, msg + rest, len - rest);
	return hash_bytes(m.buf, m.n);
}

/* key_bare: the same for a query that ends with its question. */
static uint64_t key_bare(const uint8_t *msg, const struct question *q, bool over_tcp)
{
	uint64_t counts = (uint64_t)get16(msg + 6) << 32 | get32(msg + 8);

	return hash_mix(q->hash, counts,
		(uint64_t)get16(msg + 2) << 48 | (uint64_t)q->qtype << 32 | (uint64_t)q->qclass << 16 | over_tcp);
}

int cache_key_make(struct cache_key *key, const struct cache_options *o, const uint8_t *msg,
	size_t len, const struct question *q, const struct edns *edns, bool over_tcp)
{
	if (len < DNS_HEADER || q->end > len || dns_opcode(msg) != OPCODE_QUERY)
		return -EBADMSG;
	if (dns_count(msg, SECTION_QUESTION) != 1)
		return -EBADMSG;
	key->question = q;
	key->flags = dns_flags(msg);
	key->dnssec_ok = edns->present && (edns->flags & EDNS_DO) != 0;
	key->over_tcp = over_tcp;
	key->ecs.net.family = 0;
	if (o->parse_ecs && edns->present)
		key_ecs(key, msg, edns);
	key->hash = len == q->end ? key_bare(msg, q, over_tcp) : key_long(o, msg, len, q, edns, over_tcp);
	return 0;
}
