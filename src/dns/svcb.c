/* svcb.c: the data of SVCB and HTTPS records (RFC 9460 2.2). */
#include "dns.h"

static void params_sort(struct svcb_param *p, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		struct svcb_param key = p[i];
		size_t j = i;

		for (; j > 0 && p[j - 1].key > key.key; j--)
			p[j] = p[j - 1];
		p[j] = key;
	}
}

ssize_t svcb_build(uint8_t *out, size_t cap, unsigned priority, const struct name *target,
	struct svcb_param *params, size_t n)
{
	size_t at = 2U + target->len;

	if (priority > UINT16_MAX)
		return -EINVAL;
	if (cap > UINT16_MAX)
		cap = UINT16_MAX;
	if (at > cap)
		return -ENOBUFS;
	put16(out, priority);
	memcpy(out + 2, target->wire, target->len);
	params_sort(params, n);
	for (size_t i = 0; i < n; i++) {
		if (i > 0 && params[i].key == params[i - 1].key)
			return -EINVAL;
		if (cap - at < 4U + params[i].len)
			return -ENOBUFS;
		put16(out + at, params[i].key);
		put16(out + at + 2, params[i].len);
		if (params[i].len > 0)
			memcpy(out + at + 4, params[i].data, params[i].len);
		at += 4U + params[i].len;
	}
	return (ssize_t)at;
}
