/* act_mac.c: SetMacAddrAction: the client's hardware address as an EDNS option. */
#include "arp.h"
#include "mem.h"
#include "rule_priv.h"
#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

struct neighbour {
	uint8_t ip[4], mac[MAC_LEN];
};

struct arp {
	pthread_mutex_t lock;
	const char *path;
	bool read;
	uint64_t read_ms;
	struct neighbour *v; /* sorted by address */
	size_t n;
};

bool arp_parse(const char *line, uint8_t ip[4], uint8_t mac[MAC_LEN])
{
	/* IP address, hardware type, flags, hardware address, mask, device */
	char text[16];
	unsigned type, flags, m[MAC_LEN];

	if (sscanf(line, "%15s 0x%x 0x%x %2x:%2x:%2x:%2x:%2x:%2x", text, &type, &flags, &m[0],
		    &m[1], &m[2], &m[3], &m[4], &m[5]) != 9)
		return false;
	/* Ethernet, and complete (ATF_COM). */
	if (type != 1 || !(flags & 2) || inet_pton(AF_INET, text, ip) != 1)
		return false;
	for (unsigned i = 0; i < MAC_LEN; i++)
		mac[i] = (uint8_t)m[i];
	return true;
}

static int by_ip(const void *a, const void *b)
{
	return memcmp(((const struct neighbour *)a)->ip, ((const struct neighbour *)b)->ip, 4);
}

static void append(struct arp *arp, const struct neighbour *one)
{
	/* Room is made in powers of two. */
	if ((arp->n & (arp->n - 1)) == 0) {
		struct neighbour *v = mem_resize(arp->v, (arp->n ? 2 * arp->n : 1) * sizeof(*v));

		if (!v)
			return;
		arp->v = v;
	}
	arp->v[arp->n++] = *one;
}

static void read_table(struct arp *arp, uint64_t now_ms)
{
	FILE *file = fopen(arp->path, "re");
	struct neighbour one;
	char line[256];

	arp->read = true;
	arp->read_ms = now_ms;
	arp->n = 0;
	mem_free(arp->v);
	arp->v = NULL;
	if (!file)
		return;
	while (arp->n < ARP_ENTRIES_MAX && fgets(line, sizeof(line), file)) {
		if (arp_parse(line, one.ip, one.mac))
			append(arp, &one);
	}
	fclose(file);
	if (arp->n > 1)
		qsort(arp->v, arp->n, sizeof(*arp->v), by_ip);
}

static const struct neighbour *look_up(const struct arp *arp, const struct addr *addr)
{
	struct neighbour key;

	memcpy(key.ip, addr->ip, 4);
	return arp->n ? bsearch(&key, arp->v, arp->n, sizeof(*arp->v), by_ip) : NULL;
}

bool arp_find(struct arp *arp, const struct addr *addr, uint64_t now_ms, uint8_t mac[MAC_LEN])
{
	const struct neighbour *found;

	if (addr->family != AF_INET)
		return false;
	pthread_mutex_lock(&arp->lock);
	if (!arp->read || now_ms - arp->read_ms >= ARP_FRESH_MS)
		read_table(arp, now_ms);
	found = look_up(arp, addr);
	if (!found && now_ms - arp->read_ms >= ARP_RETRY_MS) {
		read_table(arp, now_ms);
		found = look_up(arp, addr);
	}
	if (found)
		memcpy(mac, found->mac, MAC_LEN);
	pthread_mutex_unlock(&arp->lock);
	return found;
}

struct arp *arp_new(const char *path)
{
	struct arp *arp = mem_zalloc(sizeof(*arp));

	if (!arp)
		return NULL;
	pthread_mutex_init(&arp->lock, NULL);
	arp->path = path;
	return arp;
}

void arp_free(struct arp **ap)
{
	struct arp *arp = *ap;

	*ap = NULL;
	if (!arp)
		return;
	pthread_mutex_destroy(&arp->lock);
	mem_free(arp->v);
	mem_free(arp);
}

/* ---- SetMacAddrAction ---- */

struct act_mac {
	struct action base;
	struct arp *arp;
	uint16_t code;
};

static enum act run_mac(struct action *a, struct dq *dq)
{
	const struct act_mac *me = (const struct act_mac *)a;
	uint8_t mac[MAC_LEN];

	if (!arp_find(me->arp, dq->remote, dq->now_ms, mac))
		return ACT_NEXT;
	/* Malformed or too large: it goes on as it is. */
	(void)!edns_set_option(
		dq->msg, &dq->len, dq->cap, dq_opt_payload(dq), me->code, mac, sizeof(mac), true);
	dq_changed(dq);
	return ACT_NEXT;
}

static void free_mac(struct action *a)
{
	arp_free(&((struct act_mac *)a)->arp);
}

struct action *act_mac(const struct arg *argv, size_t argc UNUSED, const char **error_r)
{
	struct act_mac *a;
	struct action *base;
	uint16_t code;

	if (!rule_u16(&argv[0], "code", 0, &code, error_r))
		return NULL;
	a = action_make(sizeof(*a), run_mac, free_mac, error_r, "add EDNS MAC (code=%u)", code);
	if (!a)
		return NULL;
	base = &a->base;
	a->code = code;
	a->arp = arp_new("/proc/net/arp");
	if (!a->arp) {
		action_free(&base);
		return rule_no_memory(error_r);
	}
	return base;
}
