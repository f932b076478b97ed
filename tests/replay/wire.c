/* wire.c: a message from what a statement says of it.  Written apart from src/dns: bytes by hand. */
#include "replay.h"
#include <stdio.h>
#include <stdlib.h>

static void put(struct message *m, const void *p, size_t len)
{
	if (m->len + len > sizeof(m->p)) {
		printf("a message of more than %zu bytes\n", sizeof(m->p));
		exit(2);
	}
	if (len)
		memcpy(m->p + m->len, p, len);
	m->len += len;
}

static void put_16(struct message *m, unsigned v)
{
	uint8_t b[2] = {(uint8_t)(v >> 8), (uint8_t)v};

	put(m, b, 2);
}

static void put_32(struct message *m, uint32_t v)
{
	put_16(m, v >> 16);
	put_16(m, v & 0xffff);
}

static void header(struct message *m, unsigned id, unsigned flags, unsigned questions)
{
	m->len = 0;
	put_16(m, id);
	put_16(m, flags);
	put_16(m, questions);
	put_16(m, 0);
	put_16(m, 0);
	put_16(m, 0);
}

static void bump(struct message *m, enum section s)
{
	size_t at = 4 + 2 * (size_t)s;
	unsigned n = (unsigned)(m->p[at] << 8 | m->p[at + 1]) + 1;

	m->p[at] = (uint8_t)(n >> 8);
	m->p[at + 1] = (uint8_t)n;
}

static void records(struct message *m, const struct spec *s)
{
	size_t question = m->len > DNS_HEADER ? m->len - DNS_HEADER - 4 : 0;

	for (int section = SECTION_ANSWER; section <= SECTION_ADDITIONAL; section++) {
		for (size_t i = 0; i < s->records; i++) {
			const struct record *r = &s->record[i];

			if ((int)r->section != section)
				continue;
			if (s->compress && r->owner.len == question &&
				memcmp(r->owner.wire, m->p + DNS_HEADER, question) == 0)
				put_16(m, 0xc000 | DNS_HEADER);
			else
				put(m, r->owner.wire, r->owner.len);
			put_16(m, r->type);
			put_16(m, r->klass);
			put_32(m, r->ttl);
			put_16(m, (unsigned)r->len);
			put(m, r->rdata, r->len);
			bump(m, r->section);
		}
	}
}

static void opt(struct message *m, const struct spec *s)
{
	size_t len_at;

	if (s->edns <= 0 && s->options == 0)
		return;
	put(m, "", 1);
	put_16(m, QTYPE_OPT);
	put_16(m, s->edns > 0 ? (unsigned)s->edns : 1232);
	put_16(m, (unsigned)((s->ext > 0 ? s->ext : 0) << 8 | (s->version > 0 ? s->version : 0)));
	put_16(m, s->edns_do == 1 ? EDNS_DO : 0);
	len_at = m->len;
	put_16(m, 0);
	for (size_t i = 0; i < s->options; i++) {
		put_16(m, s->option[i].code);
		put_16(m, (unsigned)s->option[i].len);
		put(m, s->option[i].data, s->option[i].len);
	}
	put16(m->p + len_at, (unsigned)(m->len - len_at - 2));
	bump(m, SECTION_ADDITIONAL);
}

static void rest(struct message *m, const struct spec *s)
{
	records(m, s);
	opt(m, s);
	put(m, s->trailing, s->trailing_len);
}

static void raw(struct message *m, const struct spec *s)
{
	m->len = 0;
	put(m, s->raw, s->raw_len);
}

void wire_query(struct message *m, const struct spec *s)
{
	unsigned questions = s->qdcount >= 0 ? (unsigned)s->qdcount : 1;

	if (s->raw) {
		raw(m, s);
		return;
	}
	header(m, s->id >= 0 ? (unsigned)s->id : 4242,
		(s->flags >= 0 ? (unsigned)s->flags : (unsigned)DNS_RD) | (s->opcode > 0 ? (unsigned)s->opcode << 11 : 0),
		questions);
	for (unsigned i = 0; i < questions && s->question; i++) {
		put(m, s->qname.wire, s->qname.len);
		put_16(m, s->qtype);
		put_16(m, s->qclass ? s->qclass : CLASS_IN);
	}
	rest(m, s);
}

void wire_reply(struct message *m, const struct spec *s, const struct message *asked)
{
	unsigned was = dns_flags(asked->p), flags;
	struct question q;

	if (s->raw) {
		raw(m, s);
		if (m->len >= 2 && s->id < 0)
			memcpy(m->p, asked->p, 2);
		return;
	}
	flags = s->flags >= 0 ? (unsigned)s->flags : DNS_QR | DNS_RA | (was & (DNS_RD | DNS_CD));
	header(m, s->id >= 0 ? (unsigned)s->id : dns_id(asked->p),
		flags | (was & DNS_OPCODE) | (s->rcode > 0 ? (unsigned)s->rcode & 15 : 0), !s->no_question);
	if (s->question) {
		put(m, s->qname.wire, s->qname.len);
		put_16(m, s->qtype);
		put_16(m, s->qclass ? s->qclass : CLASS_IN);
	} else if (!s->no_question && question_parse(&q, asked->p, asked->len) == 0) {
		put(m, asked->p + DNS_HEADER, (size_t)q.end - DNS_HEADER);
	}
	rest(m, s);
}
