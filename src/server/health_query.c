/* health_query.c: the probe's bytes, and whether its answer is a good one. */
#include "health.h"
#include "server_priv.h"

static bool wrong(_Atomic uint64_t *counter)
{
	atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
	return false;
}

static bool rcode_ok(const struct server *s, unsigned rcode)
{
	if (rcode == RCODE_SERVFAIL)
		return false;
	return !s->conf.must_resolve || (rcode != RCODE_NXDOMAIN && rcode != RCODE_REFUSED);
}

ssize_t health_query(const struct server *s, uint8_t *out, size_t cap, uint16_t id,
	const struct name *name, unsigned qtype, unsigned qclass)
{
	size_t len = DNS_HEADER + (size_t)name->len + 4;

	if (cap < len)
		return -ENOBUFS;
	memset(out, 0, DNS_HEADER);
	put16(out, id);
	dns_set_flags(out, DNS_RD | (s->conf.set_cd ? DNS_CD : 0));
	dns_set_count(out, SECTION_QUESTION, 1);
	memcpy(out + DNS_HEADER, name->wire, name->len);
	put16(out + len - 4, qtype);
	put16(out + len - 2, qclass);
	return (ssize_t)len;
}

bool health_answer_ok(
	struct server *s, const uint8_t *query, size_t query_len, const uint8_t *reply, size_t len)
{
	struct question asked, answered;

	must(question_parse(&asked, query, query_len) == 0);
	if (len < DNS_HEADER)
		return wrong(&s->check_parse);
	if (dns_id(reply) != dns_id(query))
		return wrong(&s->check_mismatch);
	if (!(dns_flags(reply) & DNS_QR) || !rcode_ok(s, dns_rcode(reply)))
		return wrong(&s->check_invalid);
	if (dns_count(reply, SECTION_QUESTION) != 1 || question_parse(&answered, reply, len) != 0)
		return wrong(&s->check_parse);
	if (!question_same(&asked, reply, len))
		return wrong(&s->check_mismatch);
	return true;
}
