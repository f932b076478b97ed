/* get.c: the DNS message in a DoH GET: RFC 8484 4.1, base64url of RFC 4648 section 5.  Pure. */
#include "http.h"
#include "text.h"

/* The value of the first parameter named "dns", NULL: none. */
static const char *find_dns(const char *query, size_t len, size_t *len_r)
{
	const char *end = query + len;

	while (query < end) {
		const char *next = memchr(query, '&', (size_t)(end - query)), *last = next ? next : end;

		if (last - query >= 3 && memcmp(query, "dns", 3) == 0 && (last - query == 3 || query[3] == '=')) {
			query += last - query == 3 ? 3 : 4;
			*len_r = (size_t)(last - query);
			return query;
		}
		query = next ? next + 1 : end;
	}
	return NULL;
}

/* RFC 8484 wants no padding; some clients send it, or send it escaped. */
static size_t without_padding(const char *p, size_t len)
{
	for (int i = 0; i < 2; i++) {
		if (len >= 1 && p[len - 1] == '=')
			len--;
		else if (len >= 3 && p[len - 3] == '%' && p[len - 2] == '3' && (p[len - 1] | 0x20) == 'd')
			len -= 3;
	}
	return len;
}

ssize_t http_get_dns(const char *query, size_t len, uint8_t *out, size_t cap)
{
	size_t n;
	unsigned rest; /* not asked to be zero */
	const char *p = find_dns(query, len, &n);

	if (!p)
		return -ENOENT;
	n = without_padding(p, n);
	return n ? text_base64url(p, n, out, cap, &rest) : -EBADMSG;
}
