/* fixture.c: see fixture.h. */
#include "fixture.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

void ask(struct asked *a, const struct cache_options *o, const struct ask *how)
{
	struct name name;

	memset(a, 0, sizeof(*a));
	assert_int_equal(name_from_text(&name, how->name, strlen(how->name)), 0);
	put16(a->msg, 0x1234);
	put16(a->msg + 2, DNS_RD | how->flags);
	put16(a->msg + 4, 1);
	memcpy(a->msg + DNS_HEADER, name.wire, name.len);
	put16(a->msg + DNS_HEADER + name.len, how->qtype == 0 ? QTYPE_A : how->qtype);
	put16(a->msg + DNS_HEADER + name.len + 2, CLASS_IN);
	a->len = DNS_HEADER + name.len + 4u;
	if (how->payload != 0)
		assert_int_equal(edns_add(a->msg, &a->len, sizeof(a->msg), how->payload,
					 how->dnssec_ok ? EDNS_DO : 0, 0),
			0);
	if (how->option_code != 0)
		assert_int_equal(edns_set_option(a->msg, &a->len, sizeof(a->msg), how->payload,
					 how->option_code, how->option, how->option_len, false),
			0);
	assert_int_equal(question_parse(&a->question, a->msg, a->len), 0);
	assert_int_equal(edns_find(&a->edns, a->msg, a->len), 0);
	assert_int_equal(
		cache_key_make(&a->key, o, a->msg, a->len, &a->question, &a->edns, how->over_tcp),
		0);
}

void answer_begin(uint8_t *msg, size_t *len, const struct asked *a, unsigned rcode)
{
	memcpy(msg, a->msg, a->question.end);
	*len = a->question.end;
	dns_set_flags(msg, DNS_QR | DNS_RD | DNS_RA | rcode);
	dns_set_count(msg, SECTION_ADDITIONAL, 0);
}

void answer_a(uint8_t *msg, size_t *len, uint32_t ttl, unsigned last)
{
	uint8_t ip[4] = {192, 0, 2, (uint8_t)last};

	assert_int_equal(
		msg_add_rr(msg, len, DNS_MAX, SECTION_ANSWER, QTYPE_A, CLASS_IN, ttl, ip, 4), 0);
}

void answer_soa(uint8_t *msg, size_t *len, uint32_t ttl)
{
	static const uint8_t soa[22] = {0};

	assert_int_equal(msg_add_rr(msg, len, DNS_MAX, SECTION_AUTHORITY, QTYPE_SOA, CLASS_IN, ttl,
				 soa, sizeof(soa)),
		0);
}

struct cache_options options_default(uint32_t max_entries)
{
	struct cache_options o = {0};

	assert_int_equal(field_defaults(cache_fields, cache_field_count, &o), 0);
	o.max_entries = max_entries;
	if (o.shards > max_entries)
		o.shards = max_entries;
	return o;
}

struct cache *cache_with(const struct cache_options *o)
{
	const char *error = NULL;
	struct cache *cache = cache_new(o, &error);

	assert_non_null(cache);
	return cache;
}

int put_a(struct cache *cache, const struct asked *a, uint32_t ttl, uint64_t now_ms)
{
	uint8_t msg[512];
	size_t len;

	answer_begin(msg, &len, a, RCODE_NOERROR);
	answer_a(msg, &len, ttl, 1);
	return cache_put(cache, &a->key, msg, len, now_ms, -1);
}

int put_rcode(struct cache *cache, const struct asked *a, unsigned rcode, uint64_t now_ms)
{
	uint8_t msg[512];
	size_t len;

	answer_begin(msg, &len, a, rcode);
	return cache_put(cache, &a->key, msg, len, now_ms, -1);
}

int64_t get_ttl(struct cache *cache, const struct asked *a, uint64_t now_ms, unsigned stale_s,
	unsigned *hit_r)
{
	uint8_t out[DNS_UDP_MIN];
	unsigned hit;
	ssize_t len = cache_get(cache, &a->key, a->msg + DNS_HEADER, out, sizeof(out), now_ms,
		stale_s, hit_r == NULL ? &hit : hit_r);
	struct walk walk;
	struct rr rr;

	if (len <= 0)
		return len == 0 ? -1000 : len;
	assert_int_equal(walk_start(&walk, out, (size_t)len), 0);
	return walk_next(&walk, &rr) == 1 ? rr.ttl : 0;
}
