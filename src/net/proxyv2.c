/* proxyv2.c: the PROXY protocol, version 2 (HAProxy's specification of it, 2020): parse and build. */
#include "net.h"

static const uint8_t signature[12] = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};
enum { COMMAND_LOCAL = 0, COMMAND_PROXY = 1, FAMILY_INET = 1, FAMILY_INET6 = 2, STREAM = 1, DGRAM = 2 };

static int parse_tlvs(struct proxy *x, const uint8_t *p, size_t len)
{
	while (len > 0) {
		size_t n;

		if (len < 3 || len - 3 < (n = get16(p + 1)) || x->tlvs == PROXY_TLVS)
			return -EBADMSG;
		x->tlv[x->tlvs++] = (struct proxy_tlv){p[0], (uint16_t)n, p + 3};
		p += 3 + n;
		len -= 3 + n;
	}
	return 0;
}

static void take_addrs(struct proxy *x, const uint8_t *p, uint16_t family, size_t n)
{
	x->source.family = x->destination.family = family;
	memcpy(x->source.ip, p, n);
	memcpy(x->destination.ip, p + n, n);
	x->source.port = get16(p + 2 * n);
	x->destination.port = get16(p + 2 * n + 2);
}

ssize_t proxy_parse(struct proxy *x, const uint8_t *p, size_t len, size_t max)
{
	size_t payload, addrs = 0;

	memset(x, 0, sizeof(*x));
	if (memcmp(p, signature, len < sizeof(signature) ? len : sizeof(signature)) != 0)
		return -EBADMSG;
	if (len < PROXY_HEADER)
		return 0;
	payload = get16(p + 14);
	if (p[12] >> 4 != 2 || (p[12] & 15) > COMMAND_PROXY || payload > max)
		return -EBADMSG;
	if (len - PROXY_HEADER < payload)
		return 0;
	x->local = (p[12] & 15) == COMMAND_LOCAL;
	if (x->local)
		return (ssize_t)(PROXY_HEADER + payload);
	if ((p[13] & 15) != STREAM && (p[13] & 15) != DGRAM)
		return -EBADMSG;
	x->stream = (p[13] & 15) == STREAM;
	if (p[13] >> 4 == FAMILY_INET && payload >= 12) {
		take_addrs(x, p + PROXY_HEADER, AF_INET, 4);
		addrs = 12;
	} else if (p[13] >> 4 == FAMILY_INET6 && payload >= 36) {
		take_addrs(x, p + PROXY_HEADER, AF_INET6, 16);
		addrs = 36;
	} else {
		return -EBADMSG;
	}
	if (parse_tlvs(x, p + PROXY_HEADER + addrs, payload - addrs) < 0)
		return -EBADMSG;
	return (ssize_t)(PROXY_HEADER + payload);
}

ssize_t proxy_build(const struct proxy *x, uint8_t *out, size_t cap)
{
	/* both addresses are written in one family: IPv4 only when both are */
	bool v4 = x->source.family == AF_INET && x->destination.family == AF_INET;
	size_t n = v4 ? 4 : 16, need = PROXY_HEADER + 2 * n + 4, at = PROXY_HEADER;
	const struct addr *const pair[2] = {&x->source, &x->destination};

	for (unsigned i = 0; i < x->tlvs; i++)
		need += 3u + x->tlv[i].len;
	if (x->local)
		need = PROXY_HEADER;
	if (need > cap || need - PROXY_HEADER > UINT16_MAX)
		return -ENOBUFS;
	memcpy(out, signature, sizeof(signature));
	out[12] = (uint8_t)(2 << 4 | (x->local ? COMMAND_LOCAL : COMMAND_PROXY));
	out[13] = x->local ? 0 : (uint8_t)((v4 ? FAMILY_INET : FAMILY_INET6) << 4 | (x->stream ? STREAM : DGRAM));
	put16(out + 14, (unsigned)(need - PROXY_HEADER));
	if (x->local)
		return PROXY_HEADER;
	for (unsigned i = 0; i < 2; i++) {
		memset(out + at, 0, n);
		if (!v4 && pair[i]->family == AF_INET) { /* ::ffff:a.b.c.d */
			out[at + 10] = out[at + 11] = 0xff;
			memcpy(out + at + 12, pair[i]->ip, 4);
		} else {
			memcpy(out + at, pair[i]->ip, n);
		}
		at += n;
	}
	put16(out + at, x->source.port);
	put16(out + at + 2, x->destination.port);
	at += 4;
	for (unsigned i = 0; i < x->tlvs; i++) {
		out[at] = x->tlv[i].type;
		put16(out + at + 1, x->tlv[i].len);
		memcpy(out + at + 3, x->tlv[i].data, x->tlv[i].len);
		at += 3u + x->tlv[i].len;
	}
	return (ssize_t)at;
}
