/* edit.c: changes to whole messages: answers from queries, records added and removed, TTLs,
 * padding. */
#include "dns_priv.h"
#include "mem.h"

/* questions_end: offset after the questions. */
static ssize_t questions_end(const uint8_t *msg, size_t len)
{
	struct walk w;

	return walk_start(&w, msg, len) == 0 ? (ssize_t)w.at : -EBADMSG;
}

static void drop_records(uint8_t *msg)
{
	memset(msg + 6, 0, 6);
}

int msg_make_answer(uint8_t *msg, size_t *len, unsigned rcode)
{
	ssize_t end = questions_end(msg, *len);
	unsigned flags;

	if (end < 0)
		return -EBADMSG;
	flags = dns_flags(msg);
	flags = (flags & (DNS_OPCODE | DNS_RD | DNS_CD)) | (flags & DNS_RD ? DNS_RA : 0) | DNS_QR;
	dns_set_flags(msg, flags | (rcode & DNS_RCODE));
	drop_records(msg);
	*len = (size_t)end;
	return 0;
}

int msg_truncate(uint8_t *msg, size_t *len)
{
	ssize_t end = questions_end(msg, *len);
	struct edns e;

	if (end < 0 || edns_find(&e, msg, *len) != 0)
		return -EBADMSG;
	dns_set_flags(msg, dns_flags(msg) | DNS_TC);
	drop_records(msg);
	*len = (size_t)end;
	if (!e.present)
		return 0;
	memmove(msg + end, msg + e.at, OPT_FIXED);
	put16(msg + end + RR_FIXED - 1, 0);
	dns_set_count(msg, SECTION_ADDITIONAL, 1);
	*len += OPT_FIXED;
	return 0;
}

static int add_rr(uint8_t *msg, size_t *len, size_t cap, enum section section, const uint8_t *owner,
	size_t owner_len, unsigned type, unsigned klass, uint32_t ttl, const void *rdata,
	size_t rdlen)
{
	uint8_t *p = msg + *len;
	size_t total;

	if (*len < DNS_HEADER || section < SECTION_ANSWER || section > SECTION_ADDITIONAL)
		return -EBADMSG;
	for (unsigned s = section + 1; s <= SECTION_ADDITIONAL; s++) {
		if (dns_count(msg, s) != 0)
			return -EBADMSG;
	}
	if (rdlen > UINT16_MAX || dns_count(msg, section) == UINT16_MAX)
		return -ENOBUFS;
	total = *len + owner_len + RR_FIXED + rdlen;
	if (total > cap || total > DNS_MAX)
		return -ENOBUFS;
	memcpy(p, owner, owner_len);
	p += owner_len;
	put16(p, type);
	put16(p + 2, klass);
	put32(p + 4, ttl);
	put16(p + 8, (unsigned)rdlen);
	if (rdlen > 0)
		memcpy(p + RR_FIXED, rdata, rdlen);
	dns_set_count(msg, section, dns_count(msg, section) + 1U);
	*len = total;
	return 0;
}

int msg_add_rr(uint8_t *msg, size_t *len, size_t cap, enum section section, unsigned type,
	unsigned klass, uint32_t ttl, const void *rdata, size_t rdlen)
{
	static const uint8_t owner[2] = {POINTER, DNS_HEADER};

	if (*len <= DNS_HEADER || dns_count(msg, SECTION_QUESTION) == 0)
		return -EBADMSG;
	return add_rr(msg, len, cap, section, owner, sizeof(owner), type, klass, ttl, rdata, rdlen);
}

int msg_add_rr_name(uint8_t *msg, size_t *len, size_t cap, enum section section,
	const uint8_t *owner, unsigned type, unsigned klass, uint32_t ttl, const void *rdata,
	size_t rdlen)
{
	return add_rr(
		msg, len, cap, section, owner, name_len(owner), type, klass, ttl, rdata, rdlen);
}

int msg_edit_ttls(uint8_t *msg, size_t len,
	uint32_t (*fn)(void *, enum section, unsigned klass, unsigned type, uint32_t ttl),
	void *arg)
{
	struct walk w;
	struct rr rr;
	int rc = walk_start(&w, msg, len);

	while (rc == 0 && (rc = walk_next(&w, &rr)) > 0) {
		rc = 0;
		if (rr.type != QTYPE_OPT)
			put32(msg + rr.ttl_at, fn(arg, rr.section, rr.klass, rr.type, rr.ttl));
	}
	return rc;
}

static bool type_listed(unsigned type, const uint16_t *types, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (types[i] == type)
			return true;
	}
	return false;
}

struct ttl_limit {
	uint32_t min, max;
	const uint16_t *types;
	size_t n;
};

static uint32_t ttl_limit(
	void *arg, enum section section UNUSED, unsigned klass UNUSED, unsigned type, uint32_t ttl)
{
	const struct ttl_limit *limit = arg;

	if (limit->n != 0 && !type_listed(type, limit->types, limit->n))
		return ttl;
	if (ttl < limit->min)
		ttl = limit->min;
	return ttl > limit->max ? limit->max : ttl;
}

int msg_limit_ttls(
	uint8_t *msg, size_t len, uint32_t min, uint32_t max, const uint16_t *types, size_t n)
{
	struct ttl_limit limit = {min, max, types, n};

	return msg_edit_ttls(msg, len, ttl_limit, &limit);
}

int64_t msg_min_ttl(const uint8_t *msg, size_t len)
{
	enum { SOA_MIN = 22 }; /* two empty names, five numbers: the last one is MINIMUM */
	bool negative = len >= DNS_HEADER && dns_count(msg, SECTION_ANSWER) == 0;
	int64_t min = -ENOENT;
	struct walk w;
	struct rr rr;
	int rc = walk_start(&w, msg, len);

	while (rc == 0 && (rc = walk_next(&w, &rr)) > 0) {
		rc = 0;
		if (rr.type != QTYPE_OPT && (min < 0 || rr.ttl < min))
			min = rr.ttl;
		if (negative && rr.section == SECTION_AUTHORITY && rr.type == QTYPE_SOA && rr.rdlen >= SOA_MIN &&
			get32(msg + rr.end - 4) < min)
			min = get32(msg + rr.end - 4);
	}
	return rc < 0 ? rc : min;
}

/* 
 * ---- removing records ----
 *
 * The kept records are written anew.  |where| remembers for each label of the old message at
 * which offset it stands in the new one, so pointers keep their meaning: a name that pointed
 * into a removed record gets the labels from there, once, and later ones point to the copy.
 * Names in the question stay in place. */
struct rebuild {
	const uint8_t *old;
	size_t old_end, questions; /* |questions|: offset after them */
	uint8_t *new;
	size_t at; /* bytes written */
	uint16_t where[POINTER_MAX + 1];
};

static int rebuild_bytes(struct rebuild *r, size_t from, size_t to)
{
	if (to - from > r->old_end - r->at)
		return -ENOBUFS;
	memcpy(r->new + r->at, r->old + from, to - from);
	r->at += to - from;
	return 0;
}

/* rebuild_known: the new offset of the label at |at| of the old message, or 0.  A name in the
 * questions counts only if it also ends there, for what follows them changes. */
static unsigned rebuild_known(const struct rebuild *r, size_t at)
{
	struct name n;

	if (at > POINTER_MAX)
		return 0;
	if (at < r->questions)
		return name_from_msg(&n, r->old, r->questions, at) > 0 ? (unsigned)at : 0;
	return r->where[at];
}

static int rebuild_pointer(struct rebuild *r, unsigned target)
{
	if (r->old_end - r->at < 2)
		return -ENOBUFS;
	put16(r->new + r->at, POINTER << 8 | target);
	r->at += 2;
	return 0;
}

/* Labels reached by a pointer must end before the labels that the pointer followed, or a name
 * could be found again while it is being written. */
static int rebuild_name(struct rebuild *r, size_t at, bool compress)
{
	size_t limit = r->old_end, low = at, start = r->at;
	unsigned c, known, hops = 0;
	int rc;

	for (;;) {
		if (at >= limit)
			return -EBADMSG;
		c = r->old[at];
		if (is_pointer((uint8_t)c)) {
			if (at + 2 > limit || ++hops > NAME_LABELS)
				return -EBADMSG;
			at = pointer_target(r->old + at);
			if (at >= low || at < DNS_HEADER)
				return -EBADMSG;
			limit = low;
			low = at;
			continue;
		}
		if (c > LABEL_MAX || at + 1 + c > limit || r->at - start + 1 + c > NAME_WIRE)
			return -EBADMSG;
		known = c != 0 && compress ? rebuild_known(r, at) : 0;
		if (known != 0)
			return rebuild_pointer(r, known);
		if (at <= POINTER_MAX && r->at <= POINTER_MAX && r->where[at] == 0)
			r->where[at] = (uint16_t)r->at;
		rc = rebuild_bytes(r, at, at + 1 + c);
		if (rc != 0 || c == 0)
			return rc;
		at += 1 + c;
	}
}

static int rebuild_rr(struct rebuild *r, const struct rr *rr)
{
	size_t names[RR_NAMES], from = rr->rdata_at, rdata_at;
	bool compress;
	int n = rr_names(r->old, rr, names, &compress);
	int rc = n < 0 ? n : rebuild_name(r, names[0], true);

	if (rc == 0)
		rc = rebuild_bytes(r, rr->rdata_at - RR_FIXED, rr->rdata_at);
	rdata_at = r->at;
	for (int i = 1; i < n && rc == 0; i++) {
		rc = rebuild_bytes(r, from, names[i]);
		if (rc == 0)
			rc = rebuild_name(r, names[i], compress);
		from = (size_t)name_skip(r->old, rr->end, names[i]);
	}
	if (rc == 0)
		rc = rebuild_bytes(r, from, rr->end);
	if (rc == 0)
		put16(r->new + rdata_at - 2, (unsigned)(r->at - rdata_at));
	return rc;
}

/* rebuild_without writes header, questions and the records not of |types|. */
static int rebuild_without(struct rebuild *r, struct walk *w, const uint16_t *types, size_t n)
{
	unsigned counts[4] = {0};
	struct rr rr;
	int rc = rebuild_bytes(r, 0, r->questions);

	while (rc == 0 && walk_next(w, &rr) > 0) {
		if (type_listed(rr.type, types, n))
			continue;
		counts[rr.section]++;
		rc = rebuild_rr(r, &rr);
	}
	if (rc != 0)
		return rc;
	for (unsigned s = SECTION_ANSWER; s <= SECTION_ADDITIONAL; s++)
		dns_set_count(r->new, s, counts[s]);
	return 0;
}

int msg_remove_types(uint8_t *msg, size_t *len, const uint16_t *types, size_t n)
{
	bool found = false;
	struct rebuild *r;
	struct walk w;
	struct rr rr;
	size_t end;
	int rc = walk_start(&w, msg, *len);

	while (rc == 0 && (rc = walk_next(&w, &rr)) > 0) {
		rc = 0;
		found |= type_listed(rr.type, types, n);
	}
	if (rc != 0 || !found)
		return rc;
	end = w.at;
	r = mem_zalloc(sizeof(*r) + end);
	if (r == NULL)
		return -ENOMEM;
	must(walk_start(&w, msg, end) == 0);
	r->old = msg;
	r->old_end = end;
	r->questions = w.at;
	r->new = (uint8_t *)(r + 1);
	rc = rebuild_without(r, &w, types, n);
	if (rc == 0) {
		memcpy(msg, r->new, r->at);
		*len = r->at;
	}
	mem_free(r);
	return rc;
}

int msg_replace_name(uint8_t *msg, size_t *len, size_t cap, const struct name *name)
{
	ssize_t end = msg_end(msg, *len), old, delta;
	int rc;

	if (end < 0 || dns_count(msg, SECTION_QUESTION) != 1)
		return -EBADMSG;
	old = name_len(msg + DNS_HEADER); /* no pointer can lead before the first name */
	delta = name->len - old;
	if (delta > 0 && ((size_t)(end + delta) > cap || end + delta > DNS_MAX))
		return -ENOBUFS;
	rc = msg_shift_check(msg, (size_t)end, DNS_HEADER, (size_t)(DNS_HEADER + old), delta);
	if (rc != 0)
		return rc;
	msg_shift(msg, (size_t)end, (size_t)(DNS_HEADER + old), delta);
	memcpy(msg + DNS_HEADER, name->wire, name->len);
	*len = (size_t)(end + delta);
	return 0;
}

/* Where the full padding does not fit, what fits is added (RFC 8467 4.1); without an OPT nothing
 * is. */
int msg_pad(uint8_t *msg, size_t *len, size_t cap, unsigned block)
{
	size_t end, bare, pad, at, option_len, pos = 0;
	unsigned code;
	struct edns e;
	int rc = edns_scan(&e, &end, msg, *len);

	if (rc != 0 || !e.present || block == 0)
		return rc;
	bare = end + 4;
	while (edns_next(&e, msg, &pos, &code, &at, &option_len)) {
		if (code == EDNS_PADDING)
			bare -= 4 + option_len;
	}
	if (cap > DNS_MAX)
		cap = DNS_MAX;
	if (bare > cap)
		return -ENOBUFS;
	pad = (block - bare % block) % block;
	if (pad > cap - bare)
		pad = cap - bare;
	return edns_set_option(msg, len, cap, 0, EDNS_PADDING, NULL, pad, true);
}
