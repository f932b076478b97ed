/* addr.h: addresses, netmasks and sets of netmasks.  Values in host order; sockaddr only at the border. */
#ifndef SHREWD_ADDR_H
#define SHREWD_ADDR_H

#include "base.h"
#include <sys/socket.h>

enum { ADDR_TEXT = 96 }; /* bytes that hold any printed address or netmask, with port, scope and NUL */

struct addr {
	uint16_t family; /* AF_INET, AF_INET6, or 0 for none */
	uint16_t port;   /* host order */
	uint32_t scope;  /* IPv6 scope id, else 0 */
	uint8_t ip[16];  /* network order; for IPv4 the first 4, the rest zero */
};
_Static_assert(sizeof(struct addr) == 24, "an address is 24 bytes");

HOT unsigned addr_len(const struct addr *a) /* bytes of |ip| in use */
{
	return a->family == AF_INET6 ? 16 : a->family == AF_INET ? 4 : 0;
}

/* addr_parse reads "ip", "ip:port", "[ip6]:port", "ip6", "ip6%scope" (an unbracketed v6 is never split at
 * its last colon).  |port| is the default.  0 or -EINVAL. */
int addr_parse(struct addr *, const char *text, uint16_t port) WUNUSED NONNULL;
/* addr_print writes "192.0.2.1" or with the port "192.0.2.1:53", "[2001:db8::1]:53".  Returns |buf|. */
const char *addr_print(const struct addr *, bool with_port, char buf[ADDR_TEXT]) NONNULL;
void addr_from_sockaddr(struct addr *, const struct sockaddr *) NONNULL; /* family 0 if unknown */
socklen_t addr_to_sockaddr(const struct addr *, struct sockaddr_storage *) NONNULL;
bool addr_same_ip(const struct addr *, const struct addr *) NONNULL;
bool addr_same(const struct addr *, const struct addr *) NONNULL; /* ip, port and scope */
int addr_compare(const struct addr *, const struct addr *) NONNULL; /* family, ip, port: for sorting */
void addr_mask(struct addr *, unsigned bits) NONNULL; /* clears the bits after the first |bits| */
bool addr_is_any(const struct addr *) NONNULL;
bool addr_is_mapped(const struct addr *) NONNULL; /* ::ffff:a.b.c.d */
void addr_unmap(struct addr *) NONNULL;           /* to plain IPv4 where addr_is_mapped() */

struct netmask {
	struct addr net; /* host bits kept as written; addr_mask(net, bits) for the network */
	uint8_t bits;
};
int netmask_parse(struct netmask *, const char *text) WUNUSED NONNULL; /* a bare address is /32, /128 */
bool netmask_match(const struct netmask *, const struct addr *) NONNULL;
const char *netmask_print(const struct netmask *, char buf[ADDR_TEXT]) NONNULL;

/* ---- netset: a set of netmasks; the longest match decides, and may say no ("!10.0.0.0/8") ---- */
struct netset;
struct netset *netset_new(void) WUNUSED;
struct netset *netset_copy(const struct netset *) WUNUSED NONNULL;
void netset_free(struct netset **) NONNULL;
int netset_add(struct netset *, const struct netmask *, bool positive) WUNUSED NONNULL;
/* netset_add_text: a netmask, an address, or either with '!' in front.  0, -EINVAL or -ENOMEM. */
int netset_add_text(struct netset *, const char *text) WUNUSED NONNULL;
bool netset_remove(struct netset *, const struct netmask *) NONNULL; /* was it there? */
bool netset_match(const struct netset *, const struct addr *) NONNULL;
size_t netset_size(const struct netset *) NONNULL;
void netset_clear(struct netset *) NONNULL;
/* netset_each calls |fn| for every mask in order of address until it returns false. */
void netset_each(const struct netset *, bool (*fn)(void *, const struct netmask *, bool positive),
	void *);

#endif
