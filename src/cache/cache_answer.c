/* cache_answer.c: what the cache reads from an answer: whether and how long to keep it, where its TTLs are,
 * which addresses can change places.  Pure. */
#include "cache_priv.h"

enum { UDP_ENTRY_MAX = 4096 }; /* larger answers are kept only when they came over a stream */

static bool answer_wanted(
	const struct cache_options *o, const struct cache_key *key, const uint8_t *msg, size_t len)
{
	if (len < DNS_HEADER || len > o->max_entry_size || len > DNS_MAX)
		return false;
	if (!key->over_tcp && len > UDP_ENTRY_MAX)
		return false;
	if (key->question->qtype == QTYPE_AXFR || key->question->qtype == QTYPE_IXFR)
		return false;
	if ((dns_flags(msg) & DNS_TC) != 0 && o->truncated_ttl_s == 0)
		return false;
	return dns_count(msg, SECTION_QUESTION) == 1 && question_same(key->question, msg, len);
}

/* answer_scan: 0 or -EBADMSG; |*min_r| is the smallest TTL, UINT32_MAX without records. */
static int answer_scan(
	const uint8_t *msg, size_t len, uint16_t *ttls_r, uint32_t *min_r, bool *soa_r)
{
	struct walk walk;
	struct rr rr;
	int rc = walk_start(&walk, msg, len);

	*ttls_r = 0;
	*min_r = UINT32_MAX;
	*soa_r = false;
	if (rc != 0)
		return rc;
	while ((rc = walk_next(&walk, &rr)) == 1) {
		if (rr.type == QTYPE_OPT)
			continue;
		++*ttls_r;
		if (rr.ttl > INT32_MAX) /* RFC 2181 section 8: taken as zero */
			rr.ttl = 0;
		if (rr.ttl < *min_r)
			*min_r = rr.ttl;
		if (rr.section == SECTION_AUTHORITY && rr.type == QTYPE_SOA)
			*soa_r = true;
	}
	return rc;
}

static uint32_t smaller(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

bool answer_failure(const uint8_t *msg)
{
	return dns_rcode(msg) == RCODE_SERVFAIL || dns_rcode(msg) == RCODE_REFUSED;
}

bool answer_judge(struct answer_facts *f, const struct cache_options *o,
	const struct cache_key *key, const uint8_t *msg, size_t len, int64_t temp_failure_ttl)
{
	uint32_t min;
	bool soa;

	*f = (struct answer_facts){0};
	if (!answer_wanted(o, key, msg, len) || answer_scan(msg, len, &f->ttls, &min, &soa) != 0)
		return false;
	if (answer_failure(msg)) {
		f->ttl_s = temp_failure_ttl < 0		   ? o->temp_failure_ttl_s
			   : temp_failure_ttl > UINT32_MAX ? UINT32_MAX
							   : (uint32_t)temp_failure_ttl;
		return f->ttl_s != 0;
	}
	if ((dns_flags(msg) & DNS_TC) != 0)
		min = smaller(min, o->truncated_ttl_s);
	if (min == UINT32_MAX)
		return false;
	f->ttl_s = smaller(min, o->max_ttl_s);
	if (dns_rcode(msg) == RCODE_NXDOMAIN || (dns_rcode(msg) == RCODE_NOERROR && soa))
		f->ttl_s = smaller(f->ttl_s, o->max_negative_ttl_s);
	f->too_short = f->ttl_s == 0 || f->ttl_s < o->min_ttl_s;
	return !f->too_short;
}

void answer_ttls(const uint8_t *msg, size_t len, uint16_t *at, size_t n)
{
	struct walk walk;
	struct rr rr;
	size_t i = 0;

	must(walk_start(&walk, msg, len) == 0); /* answer_judge() has walked it */
	while (i < n && walk_next(&walk, &rr) == 1)
		if (rr.type != QTYPE_OPT)
			at[i++] = (uint16_t)rr.ttl_at;
	must(i == n);
}

/* run_shuffle permutes the data of |n| records of |size| bytes each (Fisher and Yates); |step| is the
 * distance from one to the next. */
static void run_shuffle(uint8_t *first, size_t n, size_t size, size_t step, uint32_t *seed)
{
	uint8_t tmp[16];

	for (size_t i = n - 1; i > 0; i--) {
		size_t j;

		*seed = *seed * 1664525u + 1013904223u;
		j = (size_t)((uint64_t)*seed * (i + 1) >> 32);
		memcpy(tmp, first + i * step, size);
		memcpy(first + i * step, first + j * step, size);
		memcpy(first + j * step, tmp, size);
	}
}

static bool same_run(const uint8_t *msg, const struct rr *a, const struct rr *b)
{
	size_t owner = a->ttl_at - a->name_at; /* with type and class */

	return a->rdlen == b->rdlen && owner == b->ttl_at - b->name_at &&
	       memcmp(msg + a->name_at, msg + b->name_at, owner) == 0;
}

static bool is_address(const struct rr *rr)
{
	return (rr->type == QTYPE_A && rr->rdlen == 4) ||
	       (rr->type == QTYPE_AAAA && rr->rdlen == 16);
}

void answer_shuffle(uint8_t *msg, size_t len, uint32_t seed)
{
	struct walk walk;
	struct rr rr, first = {0};
	size_t run = 0;

	if (dns_count(msg, SECTION_ANSWER) < 2 || walk_start(&walk, msg, len) != 0)
		return;
	while (walk_next(&walk, &rr) == 1 && rr.section == SECTION_ANSWER) {
		if (run > 0 && is_address(&rr) && same_run(msg, &first, &rr)) {
			run++;
			continue;
		}
		if (run > 1)
			run_shuffle(msg + first.rdata_at, run, first.rdlen,
				first.end - first.name_at, &seed);
		first = rr;
		run = is_address(&rr) ? 1 : 0;
	}
	if (run > 1)
		run_shuffle(
			msg + first.rdata_at, run, first.rdlen, first.end - first.name_at, &seed);
}
