/* check.c: a message as text, and what differs from what a statement says of it. */
#include "replay.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- a message as text ---- */
static void show_hex(struct text *t, const uint8_t *p, size_t n)
{
	if (n == 0)
		text_add(t, "-");
	for (size_t i = 0; i < n; i++)
		text_addf(t, "%02x", p[i]);
}

static void show_flags(struct text *t, unsigned flags)
{
	static const char *const word[] = {"qr", NULL, NULL, NULL, NULL, "aa", "tc", "rd", "ra", "z", "ad", "cd"};
	const char *between = "";

	for (unsigned i = 0; i < LEN(word); i++) {
		if (word[i] && flags & 0x8000u >> i) {
			text_addf(t, "%s%s", between, word[i]);
			between = ",";
		}
	}
	if (!*between)
		text_add(t, "none");
}

static void show_name(struct text *t, const uint8_t *wire)
{
	char name[NAME_TEXT];

	name_to_text(wire, true, name);
	text_add(t, name);
}

/* plain copies rdata with the names in it uncompressed; false: malformed or too long. */
static bool plain(struct record *out, const uint8_t *msg, size_t len, const struct rr *rr)
{
	static const struct {
		uint16_t type;
		uint8_t before, names;
	} rows[] = {{QTYPE_CNAME, 0, 1}, {QTYPE_NS, 0, 1}, {QTYPE_PTR, 0, 1}, {QTYPE_DNAME, 0, 1}, {QTYPE_MX, 2, 1},
		{QTYPE_SOA, 0, 2}};
	size_t at = rr->rdata_at, end = rr->end, names = 0, before = 0;

	for (size_t i = 0; i < LEN(rows); i++) {
		if (rows[i].type == rr->type) {
			before = rows[i].before;
			names = rows[i].names;
		}
	}
	out->len = 0;
	if (end - at > SPEC_RDATA - 2 * NAME_WIRE || before > end - at)
		return false;
	memcpy(out->rdata, msg + at, before);
	out->len = before;
	for (at += before; names; names--) {
		struct name n;
		ssize_t next = name_from_msg(&n, msg, len, at);

		if (next < 0 || (size_t)next > end)
			return false;
		memcpy(out->rdata + out->len, n.wire, n.len);
		out->len += n.len;
		at = (size_t)next;
	}
	memcpy(out->rdata + out->len, msg + at, end - at);
	out->len += end - at;
	return true;
}

static void show_rdata(struct text *t, const struct record *r)
{
	char buf[INET6_ADDRSTRLEN];

	switch (r->type) {
	case QTYPE_A:
	case QTYPE_AAAA:
		if (r->len == (r->type == QTYPE_A ? 4u : 16u)) {
			text_add(t, inet_ntop(r->type == QTYPE_A ? AF_INET : AF_INET6, r->rdata, buf, sizeof(buf)));
			return;
		}
		break;
	case QTYPE_CNAME:
	case QTYPE_NS:
	case QTYPE_PTR:
	case QTYPE_DNAME:
		if (name_check(r->rdata, r->len) == (ssize_t)r->len) {
			show_name(t, r->rdata);
			return;
		}
		break;
	default:
		break;
	}
	text_add(t, "\\# ");
	show_hex(t, r->rdata, r->len);
}

static bool take_record(struct record *r, const uint8_t *msg, size_t len, const struct rr *rr)
{
	*r = (struct record){.section = rr->section, .type = rr->type, .klass = rr->klass, .ttl = rr->ttl};
	return name_from_msg(&r->owner, msg, len, rr->name_at) >= 0 && plain(r, msg, len, rr);
}

static void show_record(struct text *t, const struct record *r)
{
	static const char *const sections[] = {"question", "answer", "authority", "additional"};
	char type[16];

	text_addf(t, "\t%s ", sections[r->section]);
	show_name(t, r->owner.wire);
	if (r->any_ttl)
		text_add(t, " *");
	else
		text_addf(t, " %u", r->ttl);
	text_addf(t, " %s ", qtype_text(r->type, type));
	show_rdata(t, r);
	text_add(t, "\n");
}

static void show_edns(struct text *t, const uint8_t *msg, const struct edns *e)
{
	size_t pos = 0, at, n;
	unsigned code;

	text_addf(t, "\tedns %u%s", e->payload, e->flags & EDNS_DO ? " do" : "");
	if (e->version)
		text_addf(t, " version %u", e->version);
	if (e->ext_rcode)
		text_addf(t, " ext %u", e->ext_rcode);
	while (edns_next(e, msg, &pos, &code, &at, &n)) {
		text_addf(t, " option %u ", code);
		show_hex(t, msg + at, n);
	}
	text_add(t, "\n");
}

char *message_show(const uint8_t *msg, size_t len)
{
	struct text t = {0};
	struct question q;
	struct edns e;
	struct walk w;
	struct rr rr;
	char buf[16];

	if (len < DNS_HEADER) {
		text_add(&t, "\traw ");
		show_hex(&t, msg, len);
		return t.p;
	}
	text_addf(&t, "\tid %u rcode %u flags ", dns_id(msg), dns_rcode(msg));
	show_flags(&t, dns_flags(msg));
	if (dns_opcode(msg))
		text_addf(&t, " opcode %u", dns_opcode(msg));
	text_addf(&t, " (%zu bytes)\n", len);
	if (dns_count(msg, SECTION_QUESTION) && question_parse(&q, msg, len) == 0) {
		text_add(&t, "\tquestion ");
		show_name(&t, msg + DNS_HEADER);
		text_addf(&t, " %s\n", qtype_text(q.qtype, buf));
	}
	if (walk_start(&w, msg, len) == 0) {
		while (walk_next(&w, &rr) == 1) {
			struct record r;

			if (rr.type != QTYPE_OPT && take_record(&r, msg, len, &rr))
				show_record(&t, &r);
		}
	}
	if (edns_find(&e, msg, len) == 0 && e.present)
		show_edns(&t, msg, &e);
	else if (msg_end(msg, len) < 0)
		text_add(&t, "\t(malformed)\n");
	return t.p;
}

/* ---- the comparison; the sentence stays until the next one ---- */
static char sentence[512];

static const char *differs(const char *fmt, ...) PRINTF(1, 2);

static const char *differs(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(sentence, sizeof(sentence), fmt, ap);
	va_end(ap);
	return sentence;
}

static const char *check_header(const struct spec *s, const uint8_t *msg)
{
	unsigned flags = dns_flags(msg) & ~(unsigned)(DNS_OPCODE | DNS_RCODE);
	int rcode = s->rcode >= 0 ? s->rcode & 15 : RCODE_NOERROR;
	char buf[2][16];

	if (s->id >= 0 && dns_id(msg) != s->id)
		return differs("id %d expected, got %u", s->id, dns_id(msg));
	if ((int)dns_rcode(msg) != rcode)
		return differs("rcode %s expected, got %s", rcode_text((unsigned)rcode, buf[0]),
			rcode_text(dns_rcode(msg), buf[1]));
	if (s->opcode >= 0 && (int)dns_opcode(msg) != s->opcode)
		return differs("opcode %d expected, got %u", s->opcode, dns_opcode(msg));
	if (s->flags >= 0 && (unsigned)s->flags != flags) {
		struct text want = {0}, got = {0};

		show_flags(&want, (unsigned)s->flags);
		show_flags(&got, flags);
		differs("flags %s expected, got %s", text_str(&want), text_str(&got));
		text_free(&want);
		text_free(&got);
		return sentence;
	}
	return NULL;
}

static const char *check_question(const struct spec *s, const uint8_t *msg, size_t len, const struct message *asked)
{
	unsigned n = dns_count(msg, SECTION_QUESTION);
	struct question q, was;

	if (s->no_question || s->qdcount == 0)
		return n ? differs("no question expected, got %u", n) : NULL;
	if (s->question) {
		if (question_parse(&q, msg, len) < 0 || q.len != s->qname.len ||
			memcmp(msg + DNS_HEADER, s->qname.wire, q.len) != 0 || q.qtype != s->qtype)
			return differs("another question expected");
		return NULL;
	}
	if (!asked || asked->len < DNS_HEADER || dns_count(asked->p, SECTION_QUESTION) == 0)
		return NULL;
	if (n != 1)
		return differs("1 question expected, got %u", n);
	if (question_parse(&q, msg, len) < 0 || question_parse(&was, asked->p, asked->len) < 0 || q.end != was.end ||
		memcmp(msg + DNS_HEADER, asked->p + DNS_HEADER, q.end - DNS_HEADER) != 0)
		return differs("the question is not the one that was asked, byte by byte");
	return NULL;
}

static const char *check_edns(const struct spec *s, const uint8_t *msg, size_t len)
{
	struct edns e;

	if (edns_find(&e, msg, len) < 0)
		return differs("malformed");
	if (s->edns == 0 && e.present)
		return differs("no EDNS expected");
	if (s->edns > 0 && (!e.present || e.payload != s->edns))
		return differs("edns %d expected, got %d", s->edns, e.present ? e.payload : 0);
	if (s->edns_do >= 0 && !!(e.flags & EDNS_DO) != s->edns_do)
		return differs("DO %d expected", s->edns_do);
	if (s->version >= 0 && e.version != s->version)
		return differs("EDNS version %d expected, got %u", s->version, e.version);
	if (s->ext >= 0 && e.ext_rcode != s->ext)
		return differs("extended rcode %d expected, got %u", s->ext, e.ext_rcode);
	for (size_t i = 0; i < s->options; i++) {
		const struct option *o = &s->option[i];
		size_t pos = 0, at, n;
		unsigned code;
		bool there = false, same = false;

		while (e.present && edns_next(&e, msg, &pos, &code, &at, &n)) {
			there |= code == o->code;
			same |= code == o->code && n == o->len && (n == 0 || memcmp(msg + at, o->data, n) == 0);
		}
		if (o->absent && there)
			return differs("no option %u expected", o->code);
		if (!o->absent && !same)
			return differs("option %u with other data expected%s", o->code, there ? "" : ", there is none");
	}
	return NULL;
}

static bool same_record(const struct record *want, const struct record *got)
{
	return want->section == got->section && want->type == got->type && want->klass == got->klass &&
	       (want->any_ttl || want->ttl == got->ttl) && want->owner.len == got->owner.len &&
	       memcmp(want->owner.wire, got->owner.wire, got->owner.len) == 0 && want->len == got->len &&
	       memcmp(want->rdata, got->rdata, got->len) == 0;
}

/* find looks for |got| among the expected ones not |used| yet; the next in order unless they may come in any. */
static ssize_t find(const struct spec *s, const bool *used, const struct record *got)
{
	for (size_t i = 0; i < s->records; i++) {
		if (used[i])
			continue;
		if (same_record(&s->record[i], got))
			return (ssize_t)i;
		if (!s->unordered)
			break;
	}
	return -1;
}

static const char *check_records(const struct spec *s, const uint8_t *msg, size_t len)
{
	bool used[512] = {0};
	struct text t = {0};
	struct walk w;
	struct rr rr;
	size_t i;

	if (walk_start(&w, msg, len) < 0 || s->records > LEN(used))
		return differs("malformed");
	while (walk_next(&w, &rr) == 1) {
		struct record r;
		ssize_t at;

		if (rr.type == QTYPE_OPT)
			continue;
		at = take_record(&r, msg, len, &rr) ? find(s, used, &r) : -1;
		if (at < 0) {
			show_record(&t, &r);
			differs("record not expected here:%s", text_str(&t));
			text_free(&t);
			return sentence;
		}
		used[at] = true;
	}
	for (i = 0; i < s->records && used[i];)
		i++;
	if (i == s->records)
		return NULL;
	show_record(&t, &s->record[i]);
	differs("record expected:%s", text_str(&t));
	text_free(&t);
	return sentence;
}

const char *message_check(const struct spec *s, const uint8_t *msg, size_t len, const struct message *asked)
{
	const char *what = NULL;

	if (s->size >= 0 && len != (size_t)s->size)
		return differs("%d bytes expected, got %zu", s->size, len);
	if (s->max_size >= 0 && len > (size_t)s->max_size)
		return differs("at most %d bytes expected, got %zu", s->max_size, len);
	if (s->raw) {
		if (s->raw_len != len || (len > 2 && memcmp(s->raw + 2, msg + 2, len - 2) != 0))
			return differs("other bytes expected");
		return NULL;
	}
	if (len < DNS_HEADER)
		return differs("a whole header expected");
	if (!what)
		what = check_header(s, msg);
	if (!what)
		what = check_question(s, msg, len, asked);
	if (!what)
		what = check_edns(s, msg, len);
	if (!what)
		what = check_records(s, msg, len);
	if (!what && s->trailing &&
		(len < s->trailing_len || memcmp(msg + len - s->trailing_len, s->trailing, s->trailing_len) != 0))
		what = differs("trailing bytes expected");
	return what;
}
