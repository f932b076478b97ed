/* sel_message.c: selectors that look at the question's type, the header and EDNS: one number against another. */
#include "rule_priv.h"
#include <stdio.h>

/* Most of these compare one number, kept here. */
struct sel_number {
	struct selector base;
	uint32_t value;
};

static uint32_t value_of(const struct selector *s)
{
	return ((const struct sel_number *)(const void *)s)->value;
}

static struct selector *make_number(uint32_t value, bool (*match)(struct selector *, struct dq *),
	const char *before, const char *shown, const char **error_r)
{
	struct sel_number *s =
		selector_make(sizeof(*s), match, NULL, error_r, "%s%s", before, shown);

	if (!s)
		return NULL;
	s->value = value;
	return &s->base;
}

static struct selector *make_plain(const struct arg *a, uint32_t max,
	bool (*match)(struct selector *, struct dq *), const char *before, const char **error_r)
{
	uint32_t value;
	char shown[16];

	if (!rule_u32(a, "value", max, 0, &value, error_r))
		return NULL;
	snprintf(shown, sizeof(shown), "%lu", (unsigned long)value);
	return make_number(value, match, before, shown, error_r);
}

/* ---- the question ---- */

static bool match_qtype(struct selector *s, struct dq *dq)
{
	return dq->question->qtype == value_of(s);
}

struct selector *sel_qtype(const struct arg *argv, size_t argc UNUSED, const char **error_r)
{
	uint16_t type;
	char buf[16];

	if (!rule_u16(&argv[0], "type", 0, &type, error_r))
		return NULL;
	return make_number(type, match_qtype, "qtype==", qtype_text(type, buf), error_r);
}

static bool match_qclass(struct selector *s, struct dq *dq)
{
	return dq->question->qclass == value_of(s);
}

struct selector *sel_qclass(const struct arg *argv, size_t argc UNUSED, const char **error_r)
{
	return make_plain(&argv[0], 65535, match_qclass, "qclass==", error_r);
}

/* ---- the header ---- */

static bool match_opcode(struct selector *s, struct dq *dq)
{
	return dns_opcode(dq->msg) == value_of(s);
}

struct selector *sel_opcode(const struct arg *argv, size_t argc UNUSED, const char **error_r)
{
	return make_plain(&argv[0], 15, match_opcode, "opcode==", error_r);
}

static bool match_rd(struct selector *s UNUSED, struct dq *dq)
{
	return dns_flags(dq->msg) & DNS_RD;
}

struct selector *sel_rd(const struct arg *argv UNUSED, size_t argc UNUSED, const char **error_r)
{
	return selector_make(sizeof(struct selector), match_rd, NULL, error_r, "rd==1");
}

static bool match_rcode(struct selector *s, struct dq *dq)
{
	return dns_rcode(dq->msg) == value_of(s);
}

struct selector *sel_rcode(const struct arg *argv, size_t argc UNUSED, const char **error_r)
{
	uint32_t rcode;
	char buf[16];

	if (!rule_u32(&argv[0], "rcode", 15, 0, &rcode, error_r))
		return NULL;
	return make_number(rcode, match_rcode, "rcode==", rcode_text(rcode, buf), error_r);
}

/* ---- EDNS ---- */

static bool match_dnssec(struct selector *s UNUSED, struct dq *dq)
{
	return (dns_flags(dq->msg) & DNS_CD) || (dq_edns(dq)->flags & EDNS_DO);
}

struct selector *sel_dnssec(const struct arg *argv UNUSED, size_t argc UNUSED, const char **error_r)
{
	return selector_make(sizeof(struct selector), match_dnssec, NULL, error_r, "DNSSEC");
}

static bool match_ercode(struct selector *s, struct dq *dq)
{
	const struct edns *edns = dq_edns(dq);

	return ((edns->present ? edns->ext_rcode : 0u) << 4 | dns_rcode(dq->msg)) == value_of(s);
}

struct selector *sel_ercode(const struct arg *argv, size_t argc UNUSED, const char **error_r)
{
	uint32_t rcode;
	char buf[16];

	if (!rule_u32(&argv[0], "rcode", 4095, 0, &rcode, error_r))
		return NULL;
	return make_number(rcode, match_ercode, "ercode==", rcode_text(rcode, buf), error_r);
}

static bool match_edns_option(struct selector *s, struct dq *dq)
{
	const struct edns *edns = dq_edns(dq);
	size_t at, len;

	return edns->present && edns_option(edns, dq->msg, value_of(s), &at, &len);
}

struct selector *sel_edns_option(const struct arg *argv, size_t argc UNUSED, const char **error_r)
{
	return make_plain(&argv[0], 65535, match_edns_option, "ednsoption==", error_r);
}

static bool match_edns_version(struct selector *s, struct dq *dq)
{
	const struct edns *edns = dq_edns(dq);

	return edns->present && edns->version > value_of(s);
}

struct selector *sel_edns_version(const struct arg *argv, size_t argc UNUSED, const char **error_r)
{
	return make_plain(&argv[0], 255, match_edns_version, "ednsversion>", error_r);
}
