/* arp.h: hardware addresses of IPv4 neighbours, as the kernel's table has them. */
#ifndef RULE_ARP_H
#define RULE_ARP_H

#include "addr.h"

enum { MAC_LEN = 6 };
/* arp_parse reads one line of /proc/net/arp; false for the heading, incomplete entries and anything else. */
bool arp_parse(const char *line, uint8_t ip[4], uint8_t mac[MAC_LEN]) WUNUSED NONNULL;

/* A copy of the table at |path|, read again when it is ARP_FRESH_MS old, or for an address that is not in it when it
 * is ARP_RETRY_MS old.  Any thread. */
enum { ARP_FRESH_MS = 10000, ARP_RETRY_MS = 1000, ARP_ENTRIES_MAX = 4096 };
struct arp;
struct arp *arp_new(const char *path) WUNUSED NONNULL; /* |path| is borrowed */
void arp_free(struct arp **) NONNULL;
bool arp_find(
	struct arp *, const struct addr *, uint64_t now_ms, uint8_t mac[MAC_LEN]) WUNUSED NONNULL;

#endif
