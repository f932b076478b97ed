/* msg.c: the question and the records of a message, and moving records about (RFC 1035 4.1). */
#include "dns_priv.h"
#include "hash.h"

int question_parse(struct question *q, const uint8_t *msg, size_t len)
{
	const size_t max = DNS_HEADER + NAME_WIRE;
	size_t i = DNS_HEADER, n;
	unsigned c, labels = 0;

	if (len <= DNS_HEADER || dns_count(msg, SECTION_QUESTION) == 0)
		return -EBADMSG;
	if (len > max + 4)
		len = max + 4; /* from here on the end of the message also bounds the name */
	while ((c = msg[i]) != 0) {
		i += c + 1;
		if (c > LABEL_MAX || i >= len)
			return -EBADMSG;
		labels++;
	}
	n = ++i - DNS_HEADER;
	if (n > NAME_WIRE || i + 4 > len)
		return -EBADMSG;
	q->len = (uint8_t)n;
	q->labels = (uint8_t)labels;
	q->qtype = get16(msg + i);
	q->qclass = get16(msg + i + 2);
	q->end = (uint16_t)(i + 4);
	lower_copy(q->lower, msg + DNS_HEADER, n);
	q->hash = hash_bytes(q->lower, n);
	return 0;
}

/* Bytes that are the same as those of a well-formed name need no check of their own. */
bool question_same(const struct question *q, const uint8_t *msg, size_t len)
{
	const uint8_t *tail = msg + DNS_HEADER + q->len;

	return len >= q->end && dns_count(msg, SECTION_QUESTION) != 0 && get16(tail) == q->qtype &&
	       get16(tail + 2) == q->qclass && bytes_same(q->lower, msg + DNS_HEADER, q->len);
}

int walk_start(struct walk *w, const uint8_t *msg, size_t len)
{
	ssize_t at = DNS_HEADER;

	if (len < DNS_HEADER)
		return -EBADMSG;
	for (unsigned n = dns_count(msg, SECTION_QUESTION); n > 0; n--) {
		at = name_skip(msg, len, (size_t)at);
		if (at < 0 || (size_t)at + 4 > len)
			return -EBADMSG;
		at += 4;
	}
	w->msg = msg;
	w->len = len;
	w->at = (size_t)at;
	w->left[SECTION_QUESTION] = 0;
	for (unsigned s = SECTION_ANSWER; s <= SECTION_ADDITIONAL; s++)
		w->left[s] = dns_count(msg, s);
	return 0;
}

int walk_next(struct walk *w, struct rr *rr)
{
	unsigned s = SECTION_ANSWER;
	const uint8_t *p;
	ssize_t at;

	while (w->left[s] == 0) {
		if (s++ == SECTION_ADDITIONAL)
			return 0;
	}
	at = name_skip(w->msg, w->len, w->at);
	if (at < 0 || (size_t)at + RR_FIXED > w->len)
		return -EBADMSG;
	p = w->msg + at;
	rr->section = s;
	rr->type = get16(p);
	rr->klass = get16(p + 2);
	rr->ttl = get32(p + 4);
	rr->rdlen = get16(p + 8);
	rr->name_at = (uint32_t)w->at;
	rr->ttl_at = (uint32_t)at + 4;
	rr->rdata_at = (uint32_t)at + RR_FIXED;
	rr->end = rr->rdata_at + rr->rdlen;
	if (rr->end > w->len)
		return -EBADMSG;
	w->at = rr->end;
	w->left[s]--;
	return 1;
}

ssize_t msg_end(const uint8_t *msg, size_t len)
{
	struct walk w;
	struct rr rr;
	int rc;

	if (walk_start(&w, msg, len) != 0)
		return -EBADMSG;
	do
		rc = walk_next(&w, &rr);
	while (rc > 0);
	return rc < 0 ? rc : (ssize_t)w.at;
}

/* Types whose data holds names that may be, or by old software are, compressed.  |skip|: bytes
 * before the first name.  |compress|: RFC 1035 types; the others are written without pointers
 * (RFC 3597 section 4). */
static const struct {
	uint16_t type;
	uint8_t skip, names;
	bool compress;
} name_types[] = {
	{QTYPE_CNAME, 0, 1, true},
	{QTYPE_NS, 0, 1, true},
	{QTYPE_SOA, 0, 2, true},
	{QTYPE_PTR, 0, 1, true},
	{QTYPE_MX, 2, 1, true},
	{QTYPE_SRV, 6, 1, false},
	{QTYPE_DNAME, 0, 1, false},
	{QTYPE_KX, 2, 1, false},
	{QTYPE_RP, 0, 2, false},
	{QTYPE_AFSDB, 2, 1, false},
	{QTYPE_RT, 2, 1, false},
	{QTYPE_MD, 0, 1, true},
	{QTYPE_MF, 0, 1, true},
	{QTYPE_MB, 0, 1, true},
	{QTYPE_MG, 0, 1, true},
	{QTYPE_MR, 0, 1, true},
	{QTYPE_MINFO, 0, 2, true},
};

int rr_names(const uint8_t *msg, const struct rr *rr, size_t at_r[RR_NAMES], bool *compress_r)
{
	size_t i = 0;
	ssize_t at;
	int n = 1;

	at_r[0] = rr->name_at;
	*compress_r = false;
	while (i < LEN(name_types) && name_types[i].type != rr->type)
		i++;
	if (i == LEN(name_types) ||
		rr->rdlen == 0) /* updates have records without data, RFC 2136 2.5 */
		return n;
	*compress_r = name_types[i].compress;
	at = (ssize_t)rr->rdata_at + name_types[i].skip;
	for (; n <= name_types[i].names; n++) {
		at_r[n] = (size_t)at;
		at = name_skip(msg, rr->end, (size_t)at);
		if (at < 0)
			return -EBADMSG;
	}
	return n;
}

/* pointer_at: where the pointer stands that ends the name at |at|, or 0.  The name passed
 * name_skip(). */
static size_t pointer_at(const uint8_t *msg, size_t at)
{
	while (msg[at] != 0 && !is_pointer(msg[at]))
		at += msg[at] + 1U;
	return msg[at] == 0 ? 0 : at;
}

static int pointer_check(unsigned target, size_t at, size_t hole_end, ssize_t delta)
{
	if (target < at)
		return 0;
	if (target < hole_end || (ssize_t)target + delta > POINTER_MAX)
		return -EBADMSG;
	return 0;
}

int msg_shift_check(const uint8_t *msg, size_t end, size_t at, size_t hole_end, ssize_t delta)
{
	size_t names[RR_NAMES], p;
	struct walk w;
	struct rr rr;
	bool compress;
	int rc, n;

	if (hole_end == end)
		return 0;
	rc = walk_start(&w, msg, end);
	while (rc == 0 && (rc = walk_next(&w, &rr)) > 0) {
		rc = 0;
		if (rr.name_at < hole_end)
			continue;
		n = rr_names(msg, &rr, names, &compress);
		if (n < 0)
			return n;
		for (int i = 0; i < n && rc == 0; i++) {
			p = pointer_at(msg, names[i]);
			if (p != 0)
				rc = pointer_check(pointer_target(msg + p), at, hole_end, delta);
		}
	}
	return rc;
}

static void pointer_fix(uint8_t *pointer, size_t hole_end, ssize_t delta)
{
	unsigned target = pointer_target(pointer);

	if (target >= hole_end)
		put16(pointer, POINTER << 8 | (unsigned)((ssize_t)target + delta));
}

void msg_shift(uint8_t *msg, size_t end, size_t hole_end, ssize_t delta)
{
	size_t names[RR_NAMES], p;
	struct walk w;
	struct rr rr;
	bool compress;

	if (hole_end == end || delta == 0)
		return;
	must(walk_start(&w, msg, end) == 0);
	while (walk_next(&w, &rr) > 0) {
		if (rr.name_at < hole_end)
			continue;
		for (int i = 0, n = rr_names(msg, &rr, names, &compress); i < n; i++) {
			p = pointer_at(msg, names[i]);
			if (p != 0)
				pointer_fix(msg + p, hole_end, delta);
		}
	}
	memmove(msg + (ssize_t)hole_end + delta, msg + hole_end, end - hole_end);
}
