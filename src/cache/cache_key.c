/* cache_key.c: what makes two queries the same to the cache. */
#include "cache_priv.h"
#include "hash.h"

/* A plain query fills a fraction of the buffer and is hashed in one go; long ones are hashed in pieces, each
 * beginning with the hash of what came before. */
struct mix {
	size_t n;
	uint8_t buf[256];
};

static void mix_add(struct mix *m, const void *p, size_t len)
{
	const uint8_t *from = p;

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

/* mix_opt adds the OPT record; of options to be skipped only code and length. */
static void mix_opt(struct mix *m, const struct cache_options *o, const uint8_t *msg, const struct edns *edns)
{
	const uint8_t *p = msg + edns->opts_at, *end = p + edns->opts_len;
	uint8_t fixed[6];

	put16(fixed, payload_rank(o, edns->payload));
	fixed[2] = edns->ext_rcode;
	fixed[3] = edns->version;
	put16(fixed + 4, edns->flags);
	mix_add(m, fixed, sizeof(fixed));
	while (end - p >= 4 && get16(p + 2) <= end - p - 4) {
		size_t data = get16(p + 2);

		mix_add(m, p, option_skipped(o, get16(p)) ? 4 : 4 + data);
		p += 4 + data;
	}
	mix_add(m, p, (size_t)(end - p)); /* malformed: as it is */
}

/* key_ecs: a subnet that cannot be read distinguishes by its bytes alone. */
static void key_ecs(struct cache_key *key, const uint8_t *msg, const struct edns *edns)
{
	size_t at, len;
	unsigned scope;

	if (edns_option(edns, msg, EDNS_ECS, &at, &len) && ecs_parse(msg + at, len, &key->ecs, &scope) == 0)
		addr_mask(&key->ecs.net, key->ecs.bits);
	else
		key->ecs.net.family = 0;
}

int cache_key_make(struct cache_key *key, const struct cache_options *o, const uint8_t *msg, size_t len,
	const struct question *q, const struct edns *edns, bool over_tcp)
{
	struct mix m;
	uint8_t *p = m.buf;
	size_t rest = q->end;

	if (len < DNS_HEADER || rest > len || dns_opcode(msg) != OPCODE_QUERY)
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
	memcpy(p, msg + 2, DNS_HEADER - 2);
	memcpy(p + 10, &q->hash, sizeof(q->hash)); /* stands for the lower-case name */
	put16(p + 18, q->qtype);
	put16(p + 20, q->qclass);
	put16(p + 22, over_tcp);
	m.n = 24;
	if (dns_count(msg, SECTION_ADDITIONAL) == 1 && edns->present && edns->at >= rest) {
		mix_add(&m, msg + rest, edns->at - rest);
		mix_opt(&m, o, msg, edns);
		rest = edns->at + edns->len;
	}
	mix_add(&m, msg + rest, len - rest);
	key->hash = hash_bytes(m.buf, m.n);
	return 0;
}
