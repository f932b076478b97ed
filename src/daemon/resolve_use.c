/* resolve_use.c: which of the addresses that were found can be used: those of others, and first those to which there is
 * a way. */
#include "resolve.h"
#include <unistd.h>

struct local { /* this machine's addresses, read when they are needed */
	struct addr *v;
	ssize_t n;
	bool read;
};

static bool is_local(struct local *l, const struct addr *a)
{
	if (a->family == AF_INET && a->ip[0] == 127)
		return true;
	if (!l->read)
		l->n = machine_addrs(&l->v);
	l->read = true;
	for (ssize_t i = 0; i < l->n; i++)
		if (addr_same_ip(&l->v[i], a))
			return true;
	return false;
}

static bool meets(const struct addr *bind, const struct addr *a, struct local *l)
{
	return bind->family == a->family && bind->port == a->port &&
	       (addr_same_ip(bind, a) || (addr_is_any(bind) && is_local(l, a)));
}

/* is_ourselves: would a query to |a| come back in? */
static bool is_ourselves(const struct conf *c, const struct addr *a, struct local *l)
{
	struct addr more;

	for (size_t i = 0; i < c->nbinds; i++) {
		const struct bind_conf *b = &c->binds[i];

		if (meets(&b->addr, a, l))
			return true;
		for (size_t k = 0; k < b->more.n; k++)
			if (addr_parse(&more, b->more.v[k], b->addr.port) == 0 && meets(&more, a, l))
				return true;
	}
	return false;
}

/* is_special: nobody in particular: unspecified, multicast, broadcast. */
static bool is_special(const struct addr *a)
{
	return a->family == AF_INET ? a->ip[0] == 0 || a->ip[0] >= 224 : a->ip[0] == 0xff || addr_is_any(a);
}

unsigned addrs_sort(const struct server *s, struct addr *v, unsigned n)
{
	struct addr out[STUB_ADDRS], source;
	struct sock_opts o;
	char interface[32];
	unsigned front = 0, back = n;

	back_sock_opts(s, &o, &source, interface);
	for (unsigned i = 0; i < n; i++) {
		struct sockaddr_storage ss;
		socklen_t len = addr_to_sockaddr(&v[i], &ss);
		int fd = o.bind && source.family != v[i].family ? -1 : sock_udp(v[i].family, &o);

		if (fd >= 0 && connect(fd, (struct sockaddr *)&ss, len) == 0)
			out[front++] = v[i];
		else
			out[--back] = v[i];
		if (fd >= 0)
			close(fd);
	}
	for (unsigned i = front, k = n; i + 1 < k; i++, k--) { /* these were put in backwards */
		struct addr a = out[i];

		out[i] = out[k - 1];
		out[k - 1] = a;
	}
	memcpy(v, out, n * sizeof(out[0]));
	return front;
}

unsigned addrs_usable(const struct server *s, const struct conf *c, const struct addr *v, unsigned n,
	struct addr out[STUB_ADDRS], bool *said)
{
	struct local local = {0};
	char text[ADDR_TEXT];
	unsigned have = 0;
	bool loops = false;
	struct addr buf;
	uint16_t port = server_addr(s, &buf)->port;

	for (unsigned i = 0; i < n && have < STUB_ADDRS; i++) {
		struct addr a = v[i];

		if (addr_is_mapped(&a))
			addr_unmap(&a);
		a.port = port;
		if (is_special(&a))
			continue;
		if (!is_ourselves(c, &a, &local)) {
			out[have++] = a;
			continue;
		}
		loops = true;
		if (!*said)
			log_error(BACK, "backend %s resolves to ourselves (%s): not used", server_name(s),
				addr_print(&a, true, text));
	}
	*said = loops;
	mem_free(local.v);
	return have;
}
