/* ring.c: the last queries or responses of one worker, in slots of 96 bytes.
 *
 * A name that does not fit its slot goes on in the slots that follow, round the end where need be.  The
 * writer never waits: while a reader copies, entries are left out and counted. */
#include "stat.h"
#include "mem.h"
#include <sched.h>

enum { SLOT_NAME = 35, SLOT = 96, SLOTS_PER_ENTRY = 4 };

struct slot {
	uint64_t when_ms;
	uint32_t usec;
	uint16_t qtype, size, flags, ancount, client_port, backend_port;
	uint8_t client[16], backend[16];
	uint8_t client_family, backend_family; /* AF_INET, AF_INET6 or 0 */
	uint8_t proto, name_len, more; /* |more|: slots that follow with the rest of the name */
	uint8_t name[SLOT_NAME];
};
_Static_assert(sizeof(struct slot) == SLOT, "a ring entry is 96 bytes");
_Static_assert(AF_INET <= UINT8_MAX && AF_INET6 <= UINT8_MAX, "a family fits a byte");
_Static_assert(SLOT_NAME + (SLOTS_PER_ENTRY - 1) * SLOT >= NAME_WIRE, "a name fits four slots");

struct ring {
	uint32_t slots;
	uint32_t head; /* next to be written */
	uint32_t tail; /* oldest entry */
	uint32_t used; /* slots from tail to head */
	uint32_t count; /* entries; read without the lock */
	uint32_t skipped;
	bool responses;
	bool busy; /* the lock */
	struct slot slot[];
};

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

/* name_spill writes what is left of a name to the slots after |at|; out of the way of the common case. */
static __attribute__((noinline)) void name_spill(
	struct ring *r, uint32_t at, const uint8_t *name, size_t len)
{
	while (len > 0) {
		size_t n = len < SLOT ? len : SLOT;

		at = slot_after(r, at, 1);
		memcpy(&r->slot[at], name, n);
		name += n;
		len -= n;
	}
}

static void slot_addrs(struct slot *s, const struct addr *client, const struct addr *backend)
{
	s->client_family = s->backend_family = 0;
	if (client != NULL) {
		s->client_family = (uint8_t)client->family;
		s->client_port = client->port;
		memcpy(s->client, client->ip, sizeof(s->client));
	}
	if (backend != NULL) {
		s->backend_family = (uint8_t)backend->family;
		s->backend_port = backend->port;
		memcpy(s->backend, backend->ip, sizeof(s->backend));
	}
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
static void entry_read(struct ring_entry *e, const struct slot *at, bool responses)
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
	memcpy(e->name, at->name, at->name_len < SLOT_NAME ? at->name_len : SLOT_NAME);
	if (at->name_len > SLOT_NAME)
		memcpy(e->name + SLOT_NAME, at + 1, (size_t)at->name_len - SLOT_NAME);
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

void ring_put(struct ring *r, uint64_t when_ms, const struct addr *client,
	const struct addr *backend, uint32_t usec, const uint8_t *name, size_t name_len,
	uint16_t qtype, uint16_t size, uint16_t flags, uint16_t ancount, uint8_t proto)
{
	struct slot *s;
	uint32_t more = 0;

	if (r == NULL)
		return;
	if (__atomic_exchange_n(&r->busy, true, __ATOMIC_ACQUIRE)) {
		r->skipped++;
		return;
	}
	must(name_len <= NAME_WIRE);
	if (unlikely(name_len > SLOT_NAME))
		more = (uint32_t)(name_len - SLOT_NAME + SLOT - 1) / SLOT;
	while (r->used + 1 + more > r->slots)
		ring_forget(r);
	s = &r->slot[r->head];
	s->when_ms = when_ms;
	s->usec = usec;
	s->qtype = qtype;
	s->size = size;
	s->flags = flags;
	s->ancount = ancount;
	s->proto = proto;
	s->name_len = (uint8_t)name_len;
	s->more = (uint8_t)more;
	slot_addrs(s, client, backend);
	if (likely(more == 0)) {
		memcpy(s->name, name, name_len);
	} else {
		memcpy(s->name, name, SLOT_NAME);
		name_spill(r, r->head, name + SLOT_NAME, name_len - SLOT_NAME);
	}
	r->head = slot_after(r, r->head, 1 + more);
	r->used += 1 + more;
	__atomic_store_n(&r->count, r->count + 1, __ATOMIC_RELAXED);
	__atomic_store_n(&r->busy, false, __ATOMIC_RELEASE);
}

int ring_each(struct ring *r, bool (*fn)(void *, const struct ring_entry *), void *ctx)
{
	struct slot *copy = mem_alloc(r->slots * sizeof(*copy));
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
