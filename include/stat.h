/* stat.h: counting and remembering: counters, drop reasons, the two rings, and the top lists over them.
 *
 * Counters and rings belong to one worker, its only writer.  Readers on any thread sum or copy. */
#ifndef SHREWD_STAT_H
#define SHREWD_STAT_H

#include "addr.h"
#include "dns.h"
#include "text.h"

enum proto {
#define PROTO(id, name, word, shown, stream) PROTO_##id,
#include "tbl/proto.def"
#undef PROTO
	PROTO_COUNT
};
const char *proto_name(enum proto);  /* "do53-udp", "dot" …, which IncomingProtocolRule takes, too */
const char *proto_word(enum proto);  /* "DoUDP", "DoT" … as IncomingProtocolRule takes */
const char *proto_shown(enum proto); /* "Do53 UDP" … as dq:getProtocol() and showBinds() print */
bool proto_stream(enum proto);

enum counter {
#define COUNTER(id, name, kind, doc) COUNTER_##id,
#include "tbl/counter.def"
#undef COUNTER
	COUNTER_COUNT
};
enum counter_kind { COUNT, GAUGE, COMPUTED }; /* COMPUTED: not kept in |v|, see stat_computed() */
const char *counter_name(enum counter); /* dnsdist's name where it has one */
enum counter_kind counter_kind(enum counter);

/* Why a query was dropped or a connection closed: each row is a sentence and a counter. */
enum reason {
#define REASON(id, counter, text) REASON_##id,
#include "tbl/reason.def"
#undef REASON
	REASON_COUNT
};
const char *reason_text(enum reason);

enum { LATENCY_WINDOWS = 4 }; /* moving averages over 100, 1 000, 10 000 and 1 000 000 answers */
struct counters {
	uint64_t v[COUNTER_COUNT];
	uint64_t reason[REASON_COUNT];
	double latency_us[PROTO_COUNT][LATENCY_WINDOWS];
	uint32_t latency_rest_us; /* what latency-sum does not show yet, below 1 ms */
};
/* Single writer: a plain add that other threads read without tearing where the machine allows it. */
static inline void stat_add(struct counters *c, enum counter id, uint64_t n)
{
	__atomic_store_n(&c->v[id], c->v[id] + n, __ATOMIC_RELAXED);
}
static inline void stat_inc(struct counters *c, enum counter id)
{
	stat_add(c, id, 1);
}
/* stat_reason counts a reason, and the counter of its row. */
void stat_reason(struct counters *, enum reason) NONNULL;
/* stat_latency enters an answer's latency: the histogram, the averages of |proto|, sum and count. */
void stat_latency(struct counters *, enum proto, uint64_t us) NONNULL;
/* stat_value: the value over all |n| workers; averages are weighted by what each worker answered. */
double stat_value(const struct counters *const *of, size_t n, enum counter id) NONNULL;
/* stat_computed: values that come from the process or the system (uptime, memory, CPU, descriptors, /proc
 * network errors): call once, then read. */
struct stat_system {
	double v[COUNTER_COUNT];
};
void stat_system_read(struct stat_system *, uint64_t started_ms, uint64_t now_ms) NONNULL;
/* stat_dump prints all counters as dumpStats() does, in two columns; then each drop reason that was met. */
void stat_dump(struct text *, const struct counters *const *of, size_t n, const struct stat_system *) NONNULL;

/* ---- rings ----
 * Fixed slots of 96 bytes; a long name takes up to four of them. */
struct ring_entry {
	uint64_t when_ms;    /* wall clock */
	struct addr client;
	struct addr backend; /* family 0: from cache, self-answered or dropped */
	uint32_t usec;       /* latency; UINT32_MAX: timed out */
	uint16_t qtype, size, flags; /* flags: second header word */
	uint16_t ancount;
	uint8_t proto;
	bool is_response;
	uint8_t name_len;
	uint8_t name[NAME_WIRE + 1]; /* case as asked */
};
enum { RING_NAME = 35 }; /* bytes of a name in its first slot */
struct ring_slot {
	uint64_t when_ms;
	uint32_t usec;
	uint16_t qtype, size, flags, ancount, client_port, backend_port;
	uint8_t client[16], backend[16];
	uint8_t client_family, backend_family; /* AF_INET, AF_INET6 or 0 */
	uint8_t proto, name_len, more; /* |more|: slots that follow with the rest of the name */
	uint8_t name[RING_NAME];
};
struct ring { /* its owners look at none of this; here for ring_put() */
	uint32_t slots;
	uint32_t head; /* next to be written */
	uint32_t tail; /* oldest entry */
	uint32_t used; /* slots from tail to head */
	uint32_t count; /* entries; read without the lock */
	uint32_t skipped;
	bool responses;
	bool busy; /* the lock */
	struct ring_slot slot[];
};
extern const bool ring_kept; /* false: this build has nobody who reads rings; ring_new() returns NULL */
struct ring *ring_new(size_t entries, bool responses) WUNUSED; /* 0 entries: NULL is returned and fine */
void ring_free(struct ring **) NONNULL;
/* ring_claim_slow: where an entry takes several slots, or takes the place of one that did. */
struct ring_slot *ring_claim_slow(struct ring *, const uint8_t *name, size_t len) NONNULL;
/* ring_claim: the next slot; the oldest entries make room. */
HOT struct ring_slot *ring_claim(struct ring *r, const uint8_t *name, size_t len)
{
	struct ring_slot *s = &r->slot[r->head];
	bool full = r->used == r->slots;

	if (unlikely(len > RING_NAME || (full && s->more)))
		return ring_claim_slow(r, name, len);
	r->head = r->head + 1 < r->slots ? r->head + 1 : 0;
	if (likely(full)) { /* one for one */
		r->tail = r->head;
	} else {
		r->used++;
		__atomic_store_n(&r->count, r->count + 1, __ATOMIC_RELAXED);
	}
	/* of 10 000 slots the next one is in no cache; it is by the next query */
	__builtin_prefetch(&r->slot[r->head], 1);
	__builtin_prefetch(r->slot[r->head].name, 1);
	s->more = 0;
	return s;
}
/* ring_put adds what is given; skipped (and counted in the ring) while a reader copies.  Writer only.  Inline: every
 * query passes here twice. */
HOT void ring_put(struct ring *r, uint64_t when_ms, const struct addr *client, const struct addr *backend,
	uint32_t usec, const uint8_t *name, size_t name_len, uint16_t qtype, uint16_t size, uint16_t flags,
	uint16_t ancount, uint8_t proto)
{
	struct ring_slot *s;

	if (!r || !ring_kept)
		return;
	if (__atomic_exchange_n(&r->busy, true, __ATOMIC_ACQUIRE)) {
		r->skipped++;
		return;
	}
	s = ring_claim(r, name, name_len);
	s->when_ms = when_ms;
	s->usec = usec;
	s->qtype = qtype;
	s->size = size;
	s->flags = flags;
	s->ancount = ancount;
	s->proto = proto;
	s->client_family = s->backend_family = 0;
	if (client) {
		s->client_family = (uint8_t)client->family;
		s->client_port = client->port;
		memcpy(s->client, client->ip, sizeof(s->client));
	}
	if (backend) {
		s->backend_family = (uint8_t)backend->family;
		s->backend_port = backend->port;
		memcpy(s->backend, backend->ip, sizeof(s->backend));
	}
	s->name_len = (uint8_t)name_len;
	copy_short(s->name, name, name_len < RING_NAME ? name_len : RING_NAME);
	__atomic_store_n(&r->busy, false, __ATOMIC_RELEASE);
}
/* ring_each copies the ring, then calls |fn| from the oldest to the newest entry until it returns false.
 * Any thread.  0, or -ENOMEM. */
int ring_each(struct ring *, bool (*fn)(void *, const struct ring_entry *), void *) NONNULL;
size_t ring_count(const struct ring *) NONNULL;

/* ---- top lists: over all workers' rings, as dnsdist's console words print them ---- */
struct rings {
	struct ring **query, **response; /* |n| of each; members may be NULL */
	size_t n;
	uint64_t now_ms; /* wall clock */
};
/* |labels| 0: whole names, else the last that many.  All append a table to |out|. */
void top_queries(struct text *out, const struct rings *, unsigned top, unsigned labels) NONNULL;
void top_clients(struct text *out, const struct rings *, unsigned top) NONNULL;
void top_bandwidth(struct text *out, const struct rings *, unsigned top) NONNULL;
void top_responses(struct text *out, const struct rings *, unsigned top, unsigned rcode, unsigned labels) NONNULL;
void top_slow(struct text *out, const struct rings *, unsigned top, unsigned limit_ms, unsigned labels) NONNULL;
void top_timeouts(struct text *out, const struct rings *, unsigned top, unsigned labels) NONNULL;
/* ring_grep prints entries that match all |patterns| ("192.0.2.0/24", "example.org", "100ms", ">100ms"), newest
 * last, at most |limit|; -EINVAL with |*error_r| for a pattern that is none of them. */
int ring_grep(struct text *out, const struct rings *, const char *const *patterns, size_t n, unsigned limit,
	const char **error_r) WUNUSED;
/* response_histogram prints showResponseLatency()'s picture. */
void response_histogram(struct text *out, const struct rings *) NONNULL;

#endif
