/* rename.c: another name for the question of a message that uses compression: written anew, record by record.
 * Names inside rdata are expanded where a type may compress them (RFC 3597 section 4), for what they point at moves. */
#include "dns.h"
#include "mem.h"

/* How names stand in the rdata of types that may use compression: |skip| bytes, |names| names, then the rest. */
static const struct layout {
	uint16_t type;
	uint8_t skip, names;
} layouts[] = {
	{QTYPE_NS, 0, 1}, {QTYPE_MD, 0, 1}, {QTYPE_MF, 0, 1}, {QTYPE_CNAME, 0, 1}, {QTYPE_SOA, 0, 2}, {QTYPE_MB, 0, 1},
	{QTYPE_MG, 0, 1}, {QTYPE_MR, 0, 1}, {QTYPE_PTR, 0, 1}, {QTYPE_MINFO, 0, 2}, {QTYPE_MX, 2, 1}, {QTYPE_RP, 0, 2},
	{QTYPE_AFSDB, 2, 1}, {QTYPE_RT, 2, 1}, {QTYPE_SIG, 18, 1}, {26 /* PX */, 2, 2}, {QTYPE_NXT, 0, 1},
	{QTYPE_SRV, 6, 1}, {QTYPE_KX, 2, 1}, {QTYPE_DNAME, 0, 1},
};

struct writer {
	const uint8_t *msg;
	size_t msg_len;
	uint8_t *out;
	size_t len, cap;
	struct name from, last; /* the question's old name; the last owner written in full */
	size_t last_at;         /* 0: none yet */
};

static int put(struct writer *w, const void *p, size_t len)
{
	if (len > w->cap - w->len)
		return -ENOBUFS;
	memcpy(w->out + w->len, p, len);
	w->len += len;
	return 0;
}

static int put_pointer(struct writer *w, size_t at)
{
	uint8_t p[2];

	put16(p, 0xc000 | (unsigned)at);
	return put(w, p, sizeof(p));
}

static int put_owner(struct writer *w, size_t name_at)
{
	struct name n;

	if (name_from_msg(&n, w->msg, w->msg_len, name_at) < 0)
		return -EBADMSG;
	if (n.len > 1 && name_same(n.wire, w->from.wire))
		return put_pointer(w, DNS_HEADER);
	if (n.len > 1 && w->last_at && name_same(n.wire, w->last.wire))
		return put_pointer(w, w->last_at);
	if (w->len < 0x4000) {
		w->last = n;
		w->last_at = w->len;
	}
	return put(w, n.wire, n.len);
}

static int put_name(struct writer *w, size_t *at, size_t end)
{
	struct name n;
	ssize_t next = name_from_msg(&n, w->msg, w->msg_len, *at);

	if (next < 0 || (size_t)next > end)
		return -EBADMSG;
	*at = (size_t)next;
	return put(w, n.wire, n.len);
}

static int put_rdata(struct writer *w, const struct rr *rr)
{
	size_t at = rr->rdata_at;
	int err = 0;

	for (size_t i = 0; i < LEN(layouts); i++) {
		if (layouts[i].type != rr->type || rr->rdlen == 0)
			continue;
		if (layouts[i].skip > rr->rdlen)
			return -EBADMSG;
		err = put(w, w->msg + at, layouts[i].skip);
		at += layouts[i].skip;
		for (unsigned k = 0; k < layouts[i].names && !err; k++)
			err = put_name(w, &at, rr->end);
		break;
	}
	return err ? err : put(w, w->msg + at, rr->end - at);
}

static int put_record(struct writer *w, const struct rr *rr)
{
	size_t rdlen_at;
	int err = put_owner(w, rr->name_at);

	if (!err) /* type, class, TTL, length */
		err = put(w, w->msg + rr->ttl_at - 4, 10);
	rdlen_at = w->len - 2;
	if (!err)
		err = put_rdata(w, rr);
	if (err)
		return err;
	if (w->len - rdlen_at - 2 > UINT16_MAX)
		return -ENOBUFS;
	put16(w->out + rdlen_at, (unsigned)(w->len - rdlen_at - 2));
	return 0;
}

static int rewrite(struct writer *w, const struct name *to)
{
	ssize_t end = name_from_msg(&w->from, w->msg, w->msg_len, DNS_HEADER);
	struct walk walk;
	struct rr rr;
	int more, err;

	if (dns_count(w->msg, SECTION_QUESTION) != 1 || end < 0 || walk_start(&walk, w->msg, w->msg_len) < 0)
		return -EBADMSG;
	err = put(w, w->msg, DNS_HEADER);
	if (!err)
		err = put(w, to->wire, to->len);
	if (!err)
		err = put(w, w->msg + end, 4);
	while (!err && (more = walk_next(&walk, &rr)) != 0)
		err = more < 0 ? more : put_record(w, &rr);
	end = msg_end(w->msg, w->msg_len);
	if (err || end < 0)
		return err ? err : -EBADMSG;
	return put(w, w->msg + end, w->msg_len - (size_t)end); /* trailing bytes */
}

int msg_rename(uint8_t *msg, size_t *len, size_t cap, const struct name *to)
{
	struct writer w = {.msg = msg, .msg_len = *len, .cap = cap < DNS_MAX ? cap : DNS_MAX};
	int err;

	if (*len < DNS_HEADER)
		return -EBADMSG;
	w.out = mem_alloc(w.cap);
	if (!w.out)
		return -ENOMEM;
	err = rewrite(&w, to);
	if (!err) {
		memcpy(msg, w.out, w.len);
		*len = w.len;
	}
	mem_free(w.out);
	return err;
}
