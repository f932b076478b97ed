/* lane.h: what the edges of one worker share: its core, its loop, its batches; and the doors' common lists.
 *
 * A lane belongs to one worker.  daemon/ makes it; fronts and backs of that worker hang on it. */
#ifndef SHREWD_LANE_H
#define SHREWD_LANE_H

#include "log.h"
#include "net.h"
#include "query.h"

enum { LANE_MAGIC = 0x6c616e65, LANE_SCRATCH = 65536 + 2 };

struct back_slot { /* one per server, by server->index */
	struct back *udp, *stream;
};

struct lane {
	uint32_t magic;
	unsigned index;          /* of the worker */
	struct core core;
	struct counters counters;
	struct loop loop;
	struct mailbox mailbox;
	struct dgram_in *in;
	struct dgram_out *out;
	uint64_t refused;        /* of dgram_errors(out): counted already */
	uint8_t *scratch;        /* LANE_SCRATCH bytes: what a stream socket just gave */
	struct front *fronts;    /* open on this worker */
	struct conn *dirty;      /* connections with something to write at the end of the turn */
	struct conn *idle_first, *idle_last; /* client connections by last activity, oldest first */
	unsigned conns, links;   /* how many from clients, to backends; other workers read them */
	struct slab conn_slab;   /* the connections themselves */
	struct holders *holders; /* which of them hold memory back; NULL: none */
	int fd_max;              /* client connections leave the descriptors from here on to backends; 0: no such rule */
	struct back_slot *backs;
	size_t nbacks;
	uint64_t backs_swept_ms; /* when unused transports were last looked for */
	struct up *dirty_up;     /* connections to backends with something to write */
	/* home: the lane that talks to |server| for this one (layouts that place backends on workers of their own) */
	struct lane *(*home)(struct lane *, const struct server *, bool stream);
	struct clients *clients; /* per-client limits, shared by all workers */
	struct log_site log_accept;
};

/* lane_init: batches of |batch| datagrams; 0 or -ENOMEM, -errno.  lane_done frees it, after lane_close() of every lane. */
int lane_init(struct lane *, unsigned index, unsigned batch, unsigned parked_max, const struct edge_ops *,
	struct clients *) WUNUSED;
/* lane_close: nothing is read, waiting queries end, connections close; letters may still be posted to it. */
void lane_close(struct lane *) NONNULL;
void lane_done(struct lane *) NONNULL;
void lane_flush(struct lane *) NONNULL; /* end of a turn: what is queued leaves */
static inline struct lane *lane_of(struct core *core)
{
	return container_of(core, struct lane, core);
}

#endif
