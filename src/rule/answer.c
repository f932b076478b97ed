/* answer.c: answers that rules make: the query becomes its own answer, in place. */
#include "rule_priv.h"

enum { SOA_RDATA_MAX = 2 * NAME_WIRE + 20, OWN_PAYLOAD = 1232, TTL_DEFAULT = 60 };

/* Every answer starts here: records and OPT gone, flags as the options say. */
static int begin(struct dq *dq, unsigned rcode, const struct answer_opts *opts)
{
	int rc = msg_make_answer(dq->msg, &dq->len, rcode & DNS_RCODE);
	unsigned flags;

	dq_changed(dq);
	if (rc)
		return rc;
	dq->ext_rcode = (uint8_t)(rcode >> 4);
	if (!opts)
		return 0;
	flags = dns_flags(dq->msg);
	if (opts->aa >= 0)
		flags = opts->aa ? flags | DNS_AA : flags & ~(unsigned)DNS_AA;
	if (opts->ad >= 0)
		flags = opts->ad ? flags | DNS_AD : flags & ~(unsigned)DNS_AD;
	if (opts->ra >= 0)
		flags = opts->ra ? flags | DNS_RA : flags & ~(unsigned)DNS_RA;
	dns_set_flags(dq->msg, flags);
	return 0;
}

static uint32_t answer_ttl(const struct answer_opts *opts)
{
	return opts ? opts->ttl : TTL_DEFAULT;
}

/* Records have a class of their own: ANY is only for questions. */
static unsigned answer_class(const struct dq *dq)
{
	return dq->question->qclass == CLASS_ANY ? CLASS_IN : dq->question->qclass;
}

static int add(
	struct dq *dq, unsigned type, const void *rdata, size_t len, const struct answer_opts *opts)
{
	return msg_add_rr(dq->msg, &dq->len, dq->cap, SECTION_ANSWER, type, answer_class(dq),
		answer_ttl(opts), rdata, len);
}

unsigned dq_opt_payload(const struct dq *dq)
{
	/* A datagram client without EDNS takes no more than 512 bytes: asking for more helps nobody. */
	if (!dq->is_response && !proto_stream(dq->proto))
		return DNS_UDP_MIN;
	return dq->payload_size ? dq->payload_size : OWN_PAYLOAD;
}

int dq_answer_rcode(struct dq *dq, unsigned rcode, const struct answer_opts *opts)
{
	return begin(dq, rcode, opts);
}

int dq_answer_addrs(
	struct dq *dq, const struct addr *addrs, size_t n, const struct answer_opts *opts)
{
	unsigned qtype = dq->question->qtype;
	int rc = begin(dq, RCODE_NOERROR, opts);
	enum { WINDOW = 64 }; /* shuffled this many at a time: nothing is allocated */

	for (size_t from = 0; from < n && !rc; from += WINDOW) {
		uint8_t order[WINDOW];
		unsigned left = n - from < WINDOW ? (unsigned)(n - from) : WINDOW;

		for (unsigned i = 0; i < left; i++)
			order[i] = (uint8_t)i;
		while (left > 0 && !rc) {
			unsigned pick = rng_below(dq->rng, left);
			const struct addr *a = &addrs[from + order[pick]];
			unsigned type = a->family == AF_INET ? QTYPE_A : QTYPE_AAAA;

			order[pick] = order[--left];
			if (qtype == type || qtype == QTYPE_ANY)
				rc = add(dq, type, a->ip, addr_len(a), opts);
		}
	}
	return rc;
}

int dq_answer_cname(struct dq *dq, const struct name *target, const struct answer_opts *opts)
{
	int rc = begin(dq, RCODE_NOERROR, opts);

	return rc ? rc : add(dq, QTYPE_CNAME, target->wire, target->len, opts);
}

int dq_answer_raw(struct dq *dq, const struct arg *list, unsigned type_for_any,
	const struct answer_opts *opts)
{
	unsigned type = dq->question->qtype;
	const struct arg *v;
	size_t n = rule_list(list, &v);
	int rc = begin(dq, RCODE_NOERROR, opts);

	if (type == QTYPE_ANY && type_for_any)
		type = type_for_any;
	for (size_t i = 0; i < n && !rc; i++)
		rc = v[i].kind == ARG_STR ? add(dq, type, v[i].s.p, v[i].s.len, opts) : -EINVAL;
	return rc;
}

static int add_hints(struct dq *dq, const struct svc *svc, const struct answer_opts *opts)
{
	/* The hints belong to the target; "." stands for the owner itself (RFC 9460 2.5). */
	const uint8_t *owner = svc->target.len > 1 ? svc->target.wire : dq->question->lower;
	int rc = 0;

	for (unsigned i = 0; i < svc->hints4 && !rc; i++)
		rc = msg_add_rr_name(dq->msg, &dq->len, dq->cap, SECTION_ADDITIONAL, owner, QTYPE_A,
			answer_class(dq), answer_ttl(opts), svc->hint4 + 4 * i, 4);
	for (unsigned i = 0; i < svc->hints6 && !rc; i++)
		rc = msg_add_rr_name(dq->msg, &dq->len, dq->cap, SECTION_ADDITIONAL, owner,
			QTYPE_AAAA, answer_class(dq), answer_ttl(opts), svc->hint6 + 16 * i, 16);
	return rc;
}

int dq_answer_svc(
	struct dq *dq, const struct svc *const *svc, size_t n, const struct answer_opts *opts)
{
	unsigned type = dq->question->qtype == QTYPE_HTTPS ? QTYPE_HTTPS : QTYPE_SVCB;
	int rc = begin(dq, RCODE_NOERROR, opts);

	for (size_t i = 0; i < n && !rc; i++)
		rc = add(dq, type, svc[i]->rdata, svc[i]->rdlen, opts);
	for (size_t i = 0; i < n && !rc; i++)
		rc = add_hints(dq, svc[i], opts);
	return rc;
}

int dq_answer_truncated(struct dq *dq)
{
	int rc;

	if (dq->is_response) {
		rc = msg_truncate(dq->msg, &dq->len);
		dq_changed(dq);
		return rc;
	}
	rc = begin(dq, RCODE_NOERROR, NULL);
	if (!rc)
		dns_set_flags(dq->msg, dns_flags(dq->msg) | DNS_TC);
	return rc;
}

static size_t soa_rdata(uint8_t out[SOA_RDATA_MAX], const struct soa *soa)
{
	const uint32_t times[] = {soa->serial, soa->refresh, soa->retry, soa->expire, soa->minimum};
	size_t at = soa->mname.len;

	memcpy(out, soa->mname.wire, soa->mname.len);
	memcpy(out + at, soa->rname.wire, soa->rname.len);
	at += soa->rname.len;
	for (size_t i = 0; i < LEN(times); i++, at += 4)
		put32(out + at, times[i]);
	return at;
}

int dq_answer_negative(
	struct dq *dq, bool nxd, const struct soa *soa, const struct answer_opts *opts)
{
	uint8_t rdata[SOA_RDATA_MAX];
	size_t len = soa_rdata(rdata, soa);
	int rc = begin(dq, nxd ? RCODE_NXDOMAIN : RCODE_NOERROR, opts);

	if (rc)
		return rc;
	return msg_add_rr_name(dq->msg, &dq->len, dq->cap,
		soa->in_authority ? SECTION_AUTHORITY : SECTION_ADDITIONAL, soa->zone.wire,
		QTYPE_SOA, answer_class(dq), soa->ttl, rdata, len);
}
