/* ring_with_top.c: the last queries or responses of one worker, in slots of 96 bytes.
 *
 * A name that does not fit its slot goes on in the slots that follow, round the end where need be.  The
 * writer never waits: while a reader copies, entries are left out and counted. */
#include "stat.h"
#include "mem.h"
#include <sched.h>

const bool ring_kept = true;
HOT_KEPT(ring_claim);
HOT_KEPT(ring_put);

enum { SLOT = sizeof(struct ring_slot), SLOTS_PER_ENTRY = 4 };
_Static_assert(SLOT == 96, "a ring entry is 96 bytes");
_Static_assert(AF_INET <= UINT8_MAX && AF_INET6 <= UINT8_MAX, "a family fits a byte");
_Static_assert(RING_NAME + (SLOTS_PER_ENTRY - 1) * SLOT >= NAME_WIRE, "a name fits four slots");

static uint32_t slot_after(const struct ring *r, uint32_t i, uint32_t n)
{
	i += n;
	return i < r->slots ? i : i - r->slots;
}

static void ring_forget(struct ring *r)
{
	uint32_t n = 1u + r->slot[r->tail].more;

	r->tail = slot_after(r, r->tail, n);
	r->used -= n;
	__atomic_store_n(&r->count, r->count - 1, __ATOMIC_RELAXED);
}

static void entry_addr(struct addr *a, unsigned family, const uint8_t ip[16], uint16_t port)
{
	memset(a, 0, sizeof(*a));
	a->family = (uint16_t)family;
	if (family == 0)
		return;
	a->port = port;
	memcpy(a->ip, ip, addr_len(a));
}

/* entry_read unpacks slot |at| of a copy of the ring that begins with its oldest entry. */
static void entry_read(struct ring_entry *e, const struct ring_slot *at, bool responses)
{
	e->when_ms = at->when_ms;
	entry_addr(&e->client, at->client_family, at->client, at->client_port);
	entry_addr(&e->backend, at->backend_family, at->backend, at->backend_port);
	e->usec = at->usec;
	e->qtype = at->qtype;
	e->size = at->size;
	e->flags = at->flags;
	e->ancount = at->ancount;
	e->proto = at->proto;
	e->is_response = responses;
	e->name_len = at->name_len;
	memcpy(e->name, at->name, at->name_len < RING_NAME ? at->name_len : RING_NAME);
	if (at->name_len > RING_NAME)
		memcpy(e->name + RING_NAME, at + 1, (size_t)at->name_len - RING_NAME);
}

struct ring *ring_new(size_t entries, bool responses)
{
	size_t slots = entries < SLOTS_PER_ENTRY ? SLOTS_PER_ENTRY : entries;
	struct ring *r;

	if (entries == 0 || entries > UINT32_MAX / 2 || entries > (SIZE_MAX - sizeof(*r)) / SLOT)
		return NULL;
	r = mem_zalloc(sizeof(*r) + slots * sizeof(r->slot[0]));
	if (r == NULL)
		return NULL;
	r->slots = (uint32_t)slots;
	r->responses = responses;
	return r;
}

void ring_free(struct ring **r)
{
	mem_free(*r);
	*r = NULL;
}

struct ring_slot *ring_claim_slow(struct ring *r, const uint8_t *name, size_t len)
{
	uint32_t more = len > RING_NAME ? (uint32_t)(len - RING_NAME + SLOT - 1) / SLOT : 0, at = r->head;
	struct ring_slot *s = &r->slot[at];

	must(more < SLOTS_PER_ENTRY);
	while (r->used + 1 + more > r->slots)
		ring_forget(r);
	r->head = slot_after(r, at, 1 + more);
	r->used += 1 + more;
	__atomic_store_n(&r->count, r->count + 1, __ATOMIC_RELAXED);
	s->more = (uint8_t)more;
	for (size_t done = RING_NAME; done < len; done += SLOT) {
		at = slot_after(r, at, 1);
		memcpy(&r->slot[at], name + done, len - done < SLOT ? len - done : SLOT);
	}
	return s;
}

int ring_each(struct ring *r, bool (*fn)(void *, const struct ring_entry *), void *ctx)
{
	struct ring_slot *copy = mem_alloc(r->slots * sizeof(*copy));
	uint32_t used, first, at = 0;
	struct ring_entry e;

	if (copy == NULL)
		return -ENOMEM;
	while (__atomic_exchange_n(&r->busy, true, __ATOMIC_ACQUIRE))
		sched_yield();
	used = r->used;
	first = r->slots - r->tail < used ? r->slots - r->tail : used;
	memcpy(copy, r->slot + r->tail, first * sizeof(*copy));
	memcpy(copy + first, r->slot, (used - first) * sizeof(*copy));
	__atomic_store_n(&r->busy, false, __ATOMIC_RELEASE);
	while (at < used) {
		entry_read(&e, &copy[at], r->responses);
		at += 1u + copy[at].more;
		if (!fn(ctx, &e))
			break;
	}
	mem_free(copy);
	return 0;
}

size_t ring_count(const struct ring *r)
{
	return __atomic_load_n(&r->count, __ATOMIC_RELAXED);
}
