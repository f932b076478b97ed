/* addr.c: addresses and netmasks: reading, printing, comparing. */
#include "addr.h"
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>

HOT_KEPT(addr_len);

enum { IP_TEXT = 64 }; /* an IPv6 address with a scope, as text */

/* Reads decimal digits and nothing else, at most |max|. */
static int number_parse(const char *s, unsigned max, unsigned *out_r)
{
	unsigned v = 0;
	if (*s == '\0')
		return -EINVAL;
	for (; *s != '\0'; s++) {
		if (*s < '0' || *s > '9' || v > max)
			return -EINVAL;
		v = v * 10 + (unsigned)(*s - '0');
	}
	if (v > max)
		return -EINVAL;
	*out_r = v;
	return 0;
}

static int scope_parse(const char *s, uint32_t *out_r)
{
	unsigned v;
	if (number_parse(s, 0x7fffffff / 10, &v) < 0)
		v = *s != '\0' && strlen(s) < IF_NAMESIZE ? if_nametoindex(s) : 0;
	if (v == 0)
		return -EINVAL;
	*out_r = v;
	return 0;
}

static int ip4_parse(struct addr *a, const char *text)
{
	a->family = AF_INET;
	return inet_pton(AF_INET, text, a->ip) == 1 ? 0 : -EINVAL;
}

static int ip6_parse(struct addr *a, const char *text, size_t len)
{
	char ip[IP_TEXT];
	if (len >= sizeof(ip))
		return -EINVAL;
	memcpy(ip, text, len);
	ip[len] = '\0';
	char *scope = strchr(ip, '%');
	if (scope != NULL) {
		*scope++ = '\0';
		if (scope_parse(scope, &a->scope) < 0)
			return -EINVAL;
	}
	a->family = AF_INET6;
	return inet_pton(AF_INET6, ip, a->ip) == 1 ? 0 : -EINVAL;
}

static int port_parse(const char *text, uint16_t *port_r)
{
	unsigned v;
	if (number_parse(text, 65535, &v) < 0)
		return -EINVAL;
	*port_r = (uint16_t)v;
	return 0;
}

static int ip4_port_parse(struct addr *a, const char *text, const char *colon)
{
	char ip[IP_TEXT];
	size_t len = (size_t)(colon - text);
	if (len >= sizeof(ip) || port_parse(colon + 1, &a->port) < 0)
		return -EINVAL;
	memcpy(ip, text, len);
	ip[len] = '\0';
	return ip4_parse(a, ip);
}

static int bracket_parse(struct addr *a, const char *text)
{
	const char *end = strchr(text, ']');
	if (end == NULL || ip6_parse(a, text, (size_t)(end - text)) < 0)
		return -EINVAL;
	if (end[1] == '\0')
		return 0;
	return end[1] == ':' ? port_parse(end + 2, &a->port) : -EINVAL;
}

int addr_parse(struct addr *out, const char *text, uint16_t port)
{
	struct addr a;
	memset(&a, 0, sizeof(a));
	a.port = port;
	const char *colon = strchr(text, ':');
	int rc;
	if (*text == '[')
		rc = bracket_parse(&a, text + 1);
	else if (colon == NULL)
		rc = ip4_parse(&a, text);
	else if (strchr(colon + 1, ':') == NULL)
		rc = ip4_port_parse(&a, text, colon);
	else
		rc = ip6_parse(&a, text, strlen(text));
	if (rc == 0)
		*out = a;
	return rc;
}

static void ip4_print(const uint8_t *ip, char *out, size_t cap)
{
	snprintf(out, cap, "%u.%u.%u.%u", ip[0], ip[1], ip[2], ip[3]);
}

/* RFC 5952: lower case, the first of the longest runs of two or more zero groups is
 * "::".  inet_ntop() would print ::1:5053 as ::0.1.80.83 on some systems and not on others. */
static void ip6_print(const struct addr *a, char *out, size_t cap)
{
	unsigned run_at = 8, run_len = 1, groups = addr_is_mapped(a) ? 6 : 8;
	size_t n = 0;
	for (unsigned i = 0, len; i < groups; i += len + 1) {
		for (len = 0; i + len < groups && get16(a->ip + 2 * (i + len)) == 0;)
			len++;
		if (len > run_len) {
			run_at = i;
			run_len = len;
		}
	}
	for (unsigned i = 0; i < groups; i++) {
		if (i == run_at) {
			n += (size_t)snprintf(out + n, cap - n, i + run_len == 8 ? "::" : ":");
			i += run_len - 1;
		} else {
			n += (size_t)snprintf(out + n, cap - n, i != 0 ? ":%x" : "%x",
				get16(a->ip + 2 * i));
		}
	}
	if (groups == 6) {
		n += (size_t)snprintf(out + n, cap - n, ":");
		ip4_print(a->ip + 12, out + n, cap - n);
	}
}

const char *addr_print(const struct addr *a, bool with_port, char buf[ADDR_TEXT])
{
	char ip[IP_TEXT] = "none", scope[16] = "", port[8] = "";
	bool v6 = a->family == AF_INET6;
	if (v6)
		ip6_print(a, ip, sizeof(ip));
	else if (a->family == AF_INET)
		ip4_print(a->ip, ip, sizeof(ip));
	else
		with_port = false;
	if (v6 && a->scope != 0)
		snprintf(scope, sizeof(scope), "%%%u", (unsigned)a->scope);
	if (with_port)
		snprintf(port, sizeof(port), ":%u", (unsigned)a->port);
	snprintf(buf, ADDR_TEXT, v6 && with_port ? "[%s%s]%s" : "%s%s%s", ip, scope, port);
	return buf;
}

/* Where things lie in the addresses of sockets, which may be anywhere in memory. */
enum {
	PORT = offsetof(struct sockaddr_in, sin_port),
	IP4 = offsetof(struct sockaddr_in, sin_addr),
	IP6 = offsetof(struct sockaddr_in6, sin6_addr),
	SCOPE = offsetof(struct sockaddr_in6, sin6_scope_id),
};
_Static_assert(PORT == offsetof(struct sockaddr_in6, sin6_port), "the port stands in one place");

void addr_from_sockaddr(struct addr *a, const struct sockaddr *sa)
{
	const uint8_t *p = (const uint8_t *)sa;

	memset(a, 0, sizeof(*a));
	if (sa->sa_family == AF_INET) {
		memcpy(a->ip, p + IP4, 4);
	} else if (sa->sa_family == AF_INET6) {
		memcpy(&a->scope, p + SCOPE, sizeof(a->scope));
		memcpy(a->ip, p + IP6, 16);
	} else {
		return;
	}
	a->family = sa->sa_family;
	a->port = get16(p + PORT);
}

socklen_t addr_to_sockaddr(const struct addr *a, struct sockaddr_storage *ss)
{
	uint8_t *p = (uint8_t *)ss;
	bool v6 = a->family == AF_INET6;
	socklen_t size = v6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);

	if (v6 || a->family == AF_INET) {
		memset(p, 0, size);
		ss->ss_family = a->family;
		put16(p + PORT, a->port);
		memcpy(p + (v6 ? IP6 : IP4), a->ip, v6 ? 16 : 4);
		if (v6)
			memcpy(p + SCOPE, &a->scope, sizeof(a->scope));
		return size;
	}
	memset(ss, 0, sizeof(*ss)); /* family AF_UNSPEC */
	return 0;
}

bool addr_same_ip(const struct addr *a, const struct addr *b)
{
	return a->family == b->family && memcmp(a->ip, b->ip, addr_len(a)) == 0;
}

bool addr_same(const struct addr *a, const struct addr *b)
{
	return a->port == b->port && a->scope == b->scope && addr_same_ip(a, b);
}

int addr_compare(const struct addr *a, const struct addr *b)
{
	unsigned len_a = addr_len(a), len_b = addr_len(b);
	if (len_a != len_b)
		return len_a < len_b ? -1 : 1; /* none, then IPv4, then IPv6 */
	int order = memcmp(a->ip, b->ip, len_a);
	if (order != 0)
		return order < 0 ? -1 : 1;
	if (a->port != b->port)
		return a->port < b->port ? -1 : 1;
	return a->scope < b->scope ? -1 : a->scope > b->scope;
}

void addr_mask(struct addr *a, unsigned bits)
{
	unsigned len = addr_len(a), whole = bits / 8;
	if (whole >= len)
		return;
	a->ip[whole] = (uint8_t)(a->ip[whole] & (0xff00u >> (bits % 8)));
	memset(a->ip + whole + 1, 0, len - whole - 1);
}

bool addr_is_any(const struct addr *a)
{
	static const uint8_t zero[16];
	return a->family != 0 && memcmp(a->ip, zero, addr_len(a)) == 0;
}

bool addr_is_mapped(const struct addr *a)
{
	static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};
	return a->family == AF_INET6 && memcmp(a->ip, prefix, sizeof(prefix)) == 0;
}

void addr_unmap(struct addr *a)
{
	if (!addr_is_mapped(a))
		return;
	memmove(a->ip, a->ip + 12, 4);
	memset(a->ip + 4, 0, 12);
	a->family = AF_INET;
	a->scope = 0;
}

/* ---- netmasks ---- */

int netmask_parse(struct netmask *out, const char *text)
{
	const char *slash = strchr(text, '/');
	size_t len = slash != NULL ? (size_t)(slash - text) : strlen(text);
	char ip[IP_TEXT];
	struct addr a;
	memset(&a, 0, sizeof(a));
	if (len >= sizeof(ip))
		return -EINVAL;
	memcpy(ip, text, len);
	ip[len] = '\0';
	int rc = strchr(ip, ':') != NULL ? ip6_parse(&a, ip, len) : ip4_parse(&a, ip);
	unsigned bits = addr_len(&a) * 8;
	if (rc < 0 || (slash != NULL && number_parse(slash + 1, bits, &bits) < 0))
		return -EINVAL;
	out->net = a;
	out->bits = (uint8_t)bits;
	return 0;
}

bool netmask_match(const struct netmask *m, const struct addr *a)
{
	const uint8_t *ip = a->ip;
	if (a->family != m->net.family) {
		if (m->net.family != AF_INET || !addr_is_mapped(a))
			return false;
		ip += 12;
	}
	unsigned whole = m->bits / 8, rest = m->bits % 8;
	if (m->net.family == 0 || memcmp(ip, m->net.ip, whole) != 0)
		return false;
	return rest == 0 || ((ip[whole] ^ m->net.ip[whole]) & (0xff00u >> rest) & 0xff) == 0;
}

const char *netmask_print(const struct netmask *m, char buf[ADDR_TEXT])
{
	addr_print(&m->net, false, buf);
	size_t len = strlen(buf);
	snprintf(buf + len, ADDR_TEXT - len, "/%u", (unsigned)m->bits);
	return buf;
}
