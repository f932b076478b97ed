/* edns.c: finding, reading and changing the OPT record and its options. */
#include "dns_priv.h"

/* edns_fill reads the OPT at |at|, whose owner is the root; true when it is whole. */
static bool edns_fill(struct edns *e, const uint8_t *msg, size_t len, size_t at)
{
	const uint8_t *p = msg + at;

	if (at + OPT_FIXED > len || at + OPT_FIXED + get16(p + 9) > len)
		return false;
	e->present = true;
	e->payload = get16(p + 3);
	e->ext_rcode = p[5];
	e->version = p[6];
	e->flags = get16(p + 7);
	e->at = (uint32_t)at;
	e->opts_at = (uint32_t)at + OPT_FIXED;
	e->opts_len = get16(p + 9);
	e->len = OPT_FIXED + e->opts_len;
	return true;
}

/* edns_quick: the shape of nearly every query: one question, then the OPT, nothing else.  False
 * also for whatever is not right, so that edns_scan() looks closer. */
static bool edns_quick(struct edns *e, const uint8_t *msg, size_t len)
{
	size_t i = DNS_HEADER;
	unsigned c;

	if (len < DNS_HEADER + 5 + OPT_FIXED || get32(msg + 4) != 0x00010000 || get32(msg + 8) != 1)
		return false;
	while ((c = msg[i]) != 0) {
		i += c + 1;
		if (c > LABEL_MAX || i >= len)
			return false;
	}
	i += 5;
	if (i > DNS_HEADER + NAME_WIRE + 4 || i + OPT_FIXED > len)
		return false;
	return msg[i] == 0 && get16(msg + i + 1) == QTYPE_OPT && edns_fill(e, msg, len, i);
}

int edns_scan(struct edns *e, size_t *end_r, const uint8_t *msg, size_t len)
{
	struct walk w;
	struct rr rr;
	int rc;

	if (likely(edns_quick(e, msg, len))) {
		*end_r = e->at + e->len;
		return 0;
	}
	memset(e, 0, sizeof(*e));
	rc = walk_start(&w, msg, len);
	while (rc == 0 && (rc = walk_next(&w, &rr)) > 0) {
		rc = 0;
		if (rr.type != QTYPE_OPT)
			continue;
		if (e->present || rr.section != SECTION_ADDITIONAL || msg[rr.name_at] != 0 ||
			!edns_fill(e, msg, len, rr.name_at))
			rc = -EBADMSG;
	}
	if (rc == 0)
		*end_r = w.at;
	else
		memset(e, 0, sizeof(*e));
	return rc;
}

int edns_find(struct edns *e, const uint8_t *msg, size_t len)
{
	size_t end;

	return edns_scan(e, &end, msg, len);
}

bool edns_next(const struct edns *e, const uint8_t *msg, size_t *pos, unsigned *code_r,
	size_t *at_r, size_t *len_r)
{
	const uint8_t *p;

	if (!e->present || *pos + 4 > e->opts_len)
		return false;
	p = msg + e->opts_at + *pos;
	if (*pos + 4 + get16(p + 2) > e->opts_len)
		return false;
	*code_r = get16(p);
	*len_r = get16(p + 2);
	*at_r = e->opts_at + *pos + 4;
	*pos += 4 + *len_r;
	return true;
}

bool edns_option(
	const struct edns *e, const uint8_t *msg, unsigned code, size_t *at_r, size_t *len_r)
{
	size_t pos = 0;
	unsigned found;

	while (edns_next(e, msg, &pos, &found, at_r, len_r)) {
		if (found == code)
			return true;
	}
	return false;
}

static void opt_write(uint8_t *p, unsigned payload, unsigned flags, unsigned ext_rcode)
{
	p[0] = 0;
	put16(p + 1, QTYPE_OPT);
	put16(p + 3, payload);
	p[5] = (uint8_t)ext_rcode;
	p[6] = 0;
	put16(p + 7, flags);
	put16(p + 9, 0);
}

static void option_write(uint8_t *p, unsigned code, const void *data, size_t len)
{
	put16(p, code);
	put16(p + 2, (unsigned)len);
	if (data != NULL)
		memcpy(p + 4, data, len);
	else
		memset(p + 4, 0, len);
}

/* opt_append puts a bare OPT at |end|, which becomes |*len|; |more| bytes must still fit behind
 * it. */
static int opt_append(
	uint8_t *msg, size_t *len, size_t end, size_t cap, size_t more, uint16_t payload)
{
	unsigned count = dns_count(msg, SECTION_ADDITIONAL);

	if (count == UINT16_MAX || end + OPT_FIXED + more > cap || end + OPT_FIXED + more > DNS_MAX)
		return -ENOBUFS;
	opt_write(msg + end, payload, 0, 0);
	dns_set_count(msg, SECTION_ADDITIONAL, count + 1);
	*len = end + OPT_FIXED;
	return 0;
}

int edns_add(
	uint8_t *msg, size_t *len, size_t cap, unsigned payload, unsigned flags, unsigned ext_rcode)
{
	struct edns e;
	size_t end;
	int rc = edns_scan(&e, &end, msg, *len);

	if (rc == 0 && e.present)
		rc = -EBADMSG;
	if (rc == 0)
		rc = opt_append(msg, len, end, cap, 0, (uint16_t)payload);
	if (rc == 0)
		opt_write(msg + end, payload, flags, ext_rcode);
	return rc;
}

int edns_remove(uint8_t *msg, size_t *len)
{
	struct edns e;
	size_t end;
	int rc = edns_scan(&e, &end, msg, *len);

	if (rc != 0 || !e.present)
		return rc;
	rc = msg_shift_check(msg, end, e.at, e.at + e.len, -(ssize_t)e.len);
	if (rc != 0)
		return rc;
	msg_shift(msg, end, e.at + e.len, -(ssize_t)e.len);
	dns_set_count(msg, SECTION_ADDITIONAL, dns_count(msg, SECTION_ADDITIONAL) - 1U);
	*len = end - e.len;
	return 0;
}

/* options_size: bytes of all options of |code| with their heads; -EBADMSG when the options are
 * malformed. */
static ssize_t options_size(const struct edns *e, const uint8_t *msg, unsigned code)
{
	size_t pos = 0, at, len, size = 0;
	unsigned found;

	while (edns_next(e, msg, &pos, &found, &at, &len)) {
		if (found == code)
			size += 4 + len;
	}
	return pos == e->opts_len ? (ssize_t)size : -EBADMSG;
}

/* options_compact moves the options that are not of |code| together; the bytes behind them are
 * stale. */
static void options_compact(const struct edns *e, uint8_t *msg, unsigned code)
{
	uint8_t *to = msg + e->opts_at;
	size_t pos = 0, at, len;
	unsigned found;

	while (edns_next(e, msg, &pos, &found, &at, &len)) {
		if (found == code)
			continue;
		memmove(to, msg + at - 4, 4 + len);
		to += 4 + len;
	}
}

/* options_resize makes |more| bytes of room at the end of the options after removing those of
 * |code|, of |less| bytes.  The message's records then end at the returned offset.  All or
 * nothing. */
static ssize_t options_resize(uint8_t *msg, const struct edns *e, size_t end, size_t cap,
	unsigned code, size_t less, size_t more)
{
	ssize_t delta = (ssize_t)more - (ssize_t)less;
	size_t opts_end = e->opts_at + e->opts_len;
	size_t size = e->opts_len - less + more, total = end - less + more;
	int rc;

	if (size > UINT16_MAX || total > DNS_MAX || (delta > 0 && total > cap))
		return -ENOBUFS;
	rc = msg_shift_check(msg, end, e->opts_at, opts_end, delta);
	if (rc != 0)
		return rc;
	if (less > 0)
		options_compact(e, msg, code);
	msg_shift(msg, end, opts_end, delta);
	put16(msg + e->opts_at - 2, (unsigned)size);
	return (ssize_t)total;
}

int edns_set_option(uint8_t *msg, size_t *len, size_t cap, unsigned payload, unsigned code,
	const void *data, size_t data_len, bool replace)
{
	struct edns e;
	size_t end;
	ssize_t less, total;
	int rc = edns_scan(&e, &end, msg, *len);

	if (rc != 0)
		return rc;
	if (data_len > UINT16_MAX - 4)
		return -ENOBUFS;
	if (!e.present) {
		rc = opt_append(msg, len, end, cap, 4 + data_len, (uint16_t)payload);
		if (rc != 0)
			return rc;
		put16(msg + end + 9, (unsigned)(4 + data_len));
		option_write(msg + *len, code, data, data_len);
		*len += 4 + data_len;
		return 0;
	}
	less = options_size(&e, msg, code);
	if (less < 0)
		return (int)less;
	if (!replace)
		less = 0;
	total = options_resize(msg, &e, end, cap, code, (size_t)less, 4 + data_len);
	if (total < 0)
		return (int)total;
	option_write(msg + e.opts_at + e.opts_len - (size_t)less, code, data, data_len);
	*len = (size_t)total;
	return 0;
}

int edns_remove_option(uint8_t *msg, size_t *len, unsigned code)
{
	struct edns e;
	size_t end;
	ssize_t less, total;
	int rc = edns_scan(&e, &end, msg, *len);

	if (rc != 0 || !e.present)
		return rc;
	less = options_size(&e, msg, code);
	if (less <= 0)
		return (int)less;
	total = options_resize(msg, &e, end, *len, code, (size_t)less, 0);
	if (total < 0)
		return (int)total;
	*len = (size_t)total;
	return 0;
}

size_t ecs_build(uint8_t out[ECS_MAX], const struct addr *addr, unsigned bits)
{
	struct addr net = *addr;
	unsigned max = addr_len(addr) * 8, bytes;

	if (max == 0)
		return 0;
	if (bits > max)
		bits = max;
	bytes = (bits + 7) / 8;
	addr_mask(&net, bits);
	put16(out, addr->family == AF_INET ? 1 : 2);
	out[2] = (uint8_t)bits;
	out[3] = 0;
	memcpy(out + 4, net.ip, bytes);
	return 4 + bytes;
}

/* Family 0 with no address is what some clients send to ask for no subnet at all (RFC 7871
 * 7.1.2). */
int ecs_parse(const uint8_t *data, size_t len, struct netmask *source_r, unsigned *scope_r)
{
	unsigned family, bits, bytes, max;

	if (len < 4)
		return -EBADMSG;
	family = get16(data);
	bits = data[2];
	bytes = (bits + 7) / 8;
	memset(source_r, 0, sizeof(*source_r));
	if (family > 2)
		return -EBADMSG;
	source_r->net.family = family == 1 ? AF_INET : family == 2 ? AF_INET6 : 0;
	max = addr_len(&source_r->net) * 8;
	if (bits > max || data[3] > max || len != 4 + bytes)
		return -EBADMSG;
	memcpy(source_r->net.ip, data + 4, bytes);
	addr_mask(&source_r->net, bits);
	source_r->bits = (uint8_t)bits;
	*scope_r = data[3];
	return 0;
}

size_t ede_build(uint8_t *out, size_t cap, unsigned code, const char *text)
{
	size_t n = strlen(text);

	if (cap < 2)
		return 0;
	if (n > cap - 2) {
		n = cap - 2;
		while (n > 0 && ((uint8_t)text[n] & 0xc0) == 0x80) /* no half character (UTF-8) */
			n--;
	}
	put16(out, code);
	memcpy(out + 2, text, n);
	return 2 + n;
}
