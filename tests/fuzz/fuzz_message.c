/* fuzz_message.c: reads and edits arbitrary messages.  What parsed before an edit must parse
 * after it; an edit that failed must have left the message alone; no edit that only takes away
 * may make it longer. */
#include "dns.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ROOM = 300 };

/* One message in a block of its own size plus |room|, so that a sanitizer sees every step
 * outside. */
struct copy {
	uint8_t *msg;
	size_t len, cap;
};

static struct copy copy_of(const uint8_t *data, size_t size, size_t room)
{
	struct copy c = {malloc(size + room + 1), size, size + room};

	if (c.msg == NULL)
		abort();
	memcpy(c.msg, data, size);
	return c;
}

static size_t records(const uint8_t *msg)
{
	return (size_t)dns_count(msg, SECTION_ANSWER) + dns_count(msg, SECTION_AUTHORITY) +
	       dns_count(msg, SECTION_ADDITIONAL);
}

/* done checks one edit and frees the copy. */
static void done(struct copy *c, int rc, const uint8_t *data, size_t size, size_t most)
{
	if (rc == 0) {
		must(c->len <= most);
		must(msg_end(c->msg, c->len) >= 0);
	} else {
		must(rc == -EBADMSG || rc == -ENOBUFS || rc == -ENOMEM);
		must(c->len == size && memcmp(c->msg, data, size) == 0);
	}
	free(c->msg);
}

static void read_all(const uint8_t *data, size_t size)
{
	ssize_t end = msg_end(data, size);
	size_t n = 0, at = 0;
	struct question q;
	struct walk w;
	struct rr rr;
	int rc;

	if (question_parse(&q, data, size) == 0) {
		must(q.end <= size && q.end == DNS_HEADER + q.len + 4);
		must(name_check(q.lower, q.len) == q.len && name_labels(q.lower) == q.labels);
		must(question_same(&q, data, size));
		must(!question_same(&q, data, q.end - 1U));
	}
	rc = walk_start(&w, data, size);
	while (rc == 0 && (rc = walk_next(&w, &rr)) > 0) {
		rc = 0;
		must(rr.name_at >= at && rr.rdata_at == rr.ttl_at + 6 && rr.end <= size);
		must(rr.end == rr.rdata_at + rr.rdlen && rr.section != SECTION_QUESTION);
		at = rr.end;
		n++;
	}
	must((end >= 0) == (rc == 0));
	if (end >= 0)
		must(n == records(data) && (size_t)end == w.at);
}

static bool listed(unsigned type, const uint16_t *types, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (types[i] == type)
			return true;
	}
	return false;
}

/* name_kept: a name that could be read in the old message is the same in the new one. */
static void name_kept(const struct walk *old, size_t at, const struct walk *new, size_t new_at)
{
	struct name a, b;

	if (name_from_msg(&a, old->msg, old->len, at) < 0)
		return;
	must(name_from_msg(&b, new->msg, new->len, new_at) > 0);
	must(a.len == b.len && memcmp(a.wire, b.wire, a.len) == 0);
}

static void remove_types(const uint8_t *data, size_t size, const uint16_t *types, size_t n)
{
	struct copy c = copy_of(data, size, 0);
	int rc = msg_remove_types(c.msg, &c.len, types, n);
	struct walk old, new;
	struct rr a, b;

	if (rc == 0) {
		must(walk_start(&old, data, size) == 0 && walk_start(&new, c.msg, c.len) == 0);
		while (walk_next(&old, &a) > 0) {
			if (listed(a.type, types, n))
				continue;
			must(walk_next(&new, &b) == 1 && b.type == a.type &&
				b.section == a.section);
			must(b.klass == a.klass && b.ttl == a.ttl);
			name_kept(&old, a.name_at, &new, b.name_at);
			if (a.type == QTYPE_NS && a.rdlen > 0)
				name_kept(&old, a.rdata_at, &new, b.rdata_at);
			if (a.type == QTYPE_SRV && a.rdlen > 6)
				name_kept(&old, a.rdata_at + 6, &new, b.rdata_at + 6);
		}
		must(walk_next(&new, &b) == 0);
	}
	done(&c, rc, data, size, size);
}

static void edit_all(const uint8_t *data, size_t size)
{
	static const uint16_t types[] = {QTYPE_AAAA, QTYPE_CNAME, QTYPE_OPT, QTYPE_NS};
	struct name name;
	struct copy c = copy_of(data, size, 0);
	int rc = msg_make_answer(c.msg, &c.len, RCODE_REFUSED);

	if (rc == 0)
		must(records(c.msg) == 0 && dns_rcode(c.msg) == RCODE_REFUSED &&
			(dns_flags(c.msg) & DNS_QR));
	done(&c, rc, data, size, size);

	c = copy_of(data, size, 0);
	rc = msg_truncate(c.msg, &c.len);
	if (rc == 0)
		must(records(c.msg) <= 1 && (dns_flags(c.msg) & DNS_TC));
	done(&c, rc, data, size, size);

	for (size_t n = 1; n <= LEN(types); n++)
		remove_types(data, size, types, n);

	must(name_from_text(&name, "a.longer.name.than.before.example", 33) == 0);
	c = copy_of(data, size, ROOM);
	rc = msg_replace_name(c.msg, &c.len, c.cap, &name);
	if (rc == 0)
		must(memcmp(c.msg + DNS_HEADER, name.wire, name.len) == 0 &&
			records(c.msg) == records(data));
	done(&c, rc, data, size, size + ROOM);

	c = copy_of(data, size, ROOM);
	rc = msg_pad(c.msg, &c.len, c.cap, 128);
	done(&c, rc, data, size, size + ROOM);
}

/* A TTL edit of a malformed message changes the records before the break, so only success is
 * compared. */
static void edit_ttls(const uint8_t *data, size_t size)
{
	struct copy c = copy_of(data, size, 0);
	int64_t min = msg_min_ttl(data, size);
	int rc = msg_limit_ttls(c.msg, c.len, 10, 100, NULL, 0);

	must((rc == 0) == (msg_end(data, size) >= 0));
	must((rc == 0) == (min >= 0 || min == -ENOENT));
	if (rc == 0) {
		int64_t now = msg_min_ttl(c.msg, c.len);

		must(min < 0 ? now == min : now <= 100); /* a minimum in an SOA record may be below 10 */
	}
	free(c.msg);
}

static void add_records(const uint8_t *data, size_t size)
{
	struct copy c = copy_of(data, size, ROOM);
	int rc = msg_make_answer(c.msg, &c.len, 0);

	if (rc == 0)
		rc = msg_add_rr(
			c.msg, &c.len, c.cap, SECTION_ANSWER, QTYPE_A, CLASS_IN, 60, "\1\2\3\4", 4);
	if (rc == 0) {
		must(msg_end(c.msg, c.len) == (ssize_t)c.len);
		must(edns_add(c.msg, &c.len, c.cap, 1232, 0, 0) == 0);
		must(msg_end(c.msg, c.len) == (ssize_t)c.len && records(c.msg) == 2);
	}
	free(c.msg);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > DNS_MAX)
		return 0;
	read_all(data, size);
	edit_all(data, size);
	edit_ttls(data, size);
	add_records(data, size);
	return 0;
}
