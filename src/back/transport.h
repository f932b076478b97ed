/* transport.h: the queries to one backend over streams (TCP, DoT, DoH), private to back/: queue, retry, race.
 *
 * A transport belongs to one lane and speaks to one server.  A link is its view of one connection (an up, see up.h) with
 * the map of the queries that are out on it.  A query that the core hands over is in exactly one place until its end:
 *
 *      send()          pump: a link with room           reply: query_reply()
 *   ──────────▶ queue ────────────────────────▶ link ─────────────────────────▶
 *                 ▲                              │      refused: query_lost()
 *                 └──────────────────────────────┘
 *        the link died, or another opened while it was silent (transport_move.c: its answer still counts)
 *
 * send() never waits for a connection, and no connection waits for a query's deadline: that is the core's alone.
 *
 *   OPENING ──opened──▶ OPEN ──silent──▶ SUSPECT      silent: its kernel owes an acknowledgement for longer than three
 *      │                 ▲ │                │ │       usual replies, or nothing at all was heard for a second while
 *      │ closed          │ │     heard      │ │       queries wait (a stopped process acknowledges too)
 *      ▼                 └─┼────────────────┘ │
 *   next address           │ idle, GOAWAY     │ another link opened first: the queries move there
 *
 * Hunting (transport_race.c): while queries wait and no healthy link is there, an attempt starts every HUNT_MS, over all
 * addresses in turn; the first whose handshake is done wins and the others close.  There is no back-off while somebody
 * asks: a path that comes back is found within HUNT_MS.  One attempt is always left alone until tcpConnectTimeout, for
 * paths that are slower than the hunt.
 *
 * When nothing works for TROUBLE_MS, or every address refuses, the server is marked suspect (policies pass it over) and
 * queries that could go elsewhere are given back to the core.  Any sign of life takes the mark away; so does a minute
 * without success in which nobody asked. */
#ifndef BACK_TRANSPORT_H
#define BACK_TRANSPORT_H

#include "back_priv.h"
#include "up.h"

enum {
	QUEUE_MAGIC = 0x71756575, LINK_MAGIC = 0x6c696e6b, TRANSPORT_MAGIC = 0x74726e73,
	QUEUE_MAX = 4096,     /* queries that wait for a link */
	PIPELINE = 1000,      /* queries in flight on one, where maxInFlight is not set */
	LINKS_MAX = 8,        /* where a link takes many queries */
	LINKS_SMALL_MAX = 64, /* where it takes few */
	ATTEMPTS = 6,         /* at once */
	TICK_MS = 64,         /* how often links with queries are looked at */
	HUNT_MS = 160,        /* between attempts while queries wait */
	WAY_MS = 150,         /* between attempts to one address that failed */
	SEARCH_S = 60,        /* attempts go on so long after the last query */
	DEAF_MS = 180, DEAF_MAX_MS = 2000, /* an acknowledgement that is owed so long makes a link suspect */
	MUTE_MS = 1000, MUTE_MAX_MS = 8000, /* and so does hearing nothing at all */
	TROUBLE_MS = 500,     /* without a link that works: the server is suspect */
	BOUNCE_MS = 1000,     /* between two losses of a query that may come right back */
	TRY = 4,              /* what a try weighs in query.back_tries, see transport_died() */
	TRIES_MAX = 60,
};

struct queue {
	uint32_t magic; /* q->back_slot points here or to a link */
	unsigned n;
	struct query *first, *last;
};

struct way { /* one address of the server */
	struct addr to;
	uint64_t tried_ms;
	bool bad; /* the last attempt failed, or was too slow to wait for */
};

struct link {
	uint32_t magic;
	bool open;
	bool alone;    /* for one query: a zone transfer, or a PROXY header speaks for one client */
	bool drain;    /* takes no new queries */
	bool suspect;
	bool mute;     /* with |suspect|: its kernel acknowledges, the process says nothing */
	bool doubt;    /* the network changed under it: the next query does not trust it */
	bool busy;     /* one of its events is under way: nobody closes it */
	struct transport *t;
	struct up *up;
	struct link *next; /* newer ones first */
	struct query_map map;
	struct query *moved_first, *moved_last; /* queries that moved from here and are not answered yet, by was_id */
	unsigned moved;
	uint16_t moved_top;   /* none of theirs is larger */
	unsigned sent, answers;
	unsigned forgotten;   /* queries that left: their replies are no surprise */
	unsigned shake_ms;    /* connecting and handshake */
	uint64_t born_ms, suspect_ms;
	uint64_t busy_ms;     /* queries have been out without a break since */
	uint64_t rest_ms;     /* its last query or reply */
};

struct transport {
	struct back base;
	uint32_t magic;
	bool bare;            /* no TLS of its own: the factory was injected */
	bool suspect;         /* we said so */
	bool losing;          /* the core has one of |leaving| just now, and may tidy up */
	bool mute;            /* and a connection alone proves nothing, a reply does */
	struct lane *lane;
	const struct up_ops *ops;
	struct queue shared, alone;
	struct queue leaving; /* on their way back to the core */
	struct link *links;
	unsigned n;
	struct wheel_node clock;
	struct way *way;
	unsigned ways;
	struct tls_client *tls;
	struct session_cache *sessions;
	uint64_t tls_failed_ms;
	uint64_t wanted_ms;   /* the last query */
	uint64_t tried_ms;    /* the last attempt */
	uint64_t trouble_ms;  /* since when nothing works, 0: it does */
	int open_err;         /* why no attempt could even begin, or 0 */
	enum reason why;      /* why the last attempt failed */
	uint32_t reply_us;    /* smoothed */
	unsigned mute_ms;
	unsigned fails;       /* links in a row that died without an answer */
	/* A peer that closes after so many answers: links take no more queries than that until |quota_until_ms|. */
	unsigned quota, quota_grace_ms;
	uint64_t quota_until_ms;
};

static inline uint64_t transport_now(const struct transport *t)
{
	return loop_ms(&t->lane->loop);
}
static inline bool link_empty(const struct link *l) /* no answer can come in any more */
{
	return l->map.count == 0 && l->moved == 0;
}
static inline unsigned transport_quota(const struct transport *t) /* 0: none now */
{
	return t->quota && transport_now(t) < t->quota_until_ms ? t->quota : 0;
}
static inline bool transport_scarce(const struct transport *t) /* a link takes few queries */
{
	return t->base.server->conf.max_in_flight || transport_quota(t);
}

/* ---- transport.c ---- */
struct transport *transport_of(struct back *) NONNULL;
void queue_push(struct queue *, struct query *) NONNULL;
void queue_del(struct queue *, struct query *) NONNULL;
void transport_wait_first(struct transport *, struct query *) NONNULL; /* at the head of its queue */
/* transport_pump sends what can be sent and starts the connections that are missing; calls nothing of the core. */
void transport_pump(struct transport *) NONNULL;
/* transport_requeue takes all queries off a link, back to the head of their queue.  |weight|: what it counts against
 * their tries; those with none left, and transfers of which parts were delivered, go to |leaving|. */
void transport_requeue(struct link *, unsigned weight) NONNULL;
/* transport_lose ends with the queries in |leaving|: the core may send them here again while it runs. */
void transport_lose(struct transport *, enum reason) NONNULL;

/* ---- transport_move.c ---- */
void link_give_up(struct link *, struct query *) NONNULL; /* off its map: no answer is wanted from here any more */
void link_leave(struct link *) NONNULL;                   /* all queries off it, back to the head of their queue */
struct query *link_moved(const struct link *, uint16_t id) NONNULL; /* the one that left under this id and waits on */
void link_take_back(struct link *, struct query *) NONNULL;  /* it is answered here after all */
void link_unremember(struct link *, struct query *) NONNULL; /* it will not be */
void query_moved_end(struct query *) NONNULL; /* no answer is wanted from where it moved from, if it did; may close that */

/* ---- transport_link.c ---- */
bool link_used(const struct link *) NONNULL;    /* it took as many queries as the peer answers */
bool link_healthy(const struct link *) NONNULL;
bool transport_healthy(const struct transport *) NONNULL; /* some link is */
unsigned transport_attempts(const struct transport *, bool alone) NONNULL;
/* transport_open starts one more connection; |force|: another makes room for it.  False: not now, see |open_err|. */
bool transport_open(struct transport *, bool alone, bool force) NONNULL;
bool transport_evict(struct transport *, bool alone) NONNULL; /* closes the link that is missed least, if there is one */
void transport_drop_attempts(struct transport *) NONNULL; /* those that nobody waits for any more */
struct way *transport_way(struct transport *, const struct addr *) NONNULL; /* NULL: an address it has no more */
void transport_ways_free(struct transport *) NONNULL;
void link_take_out(struct link *, enum reason) NONNULL; /* off the list and out of the counts */
void link_close(struct link *, enum reason) NONNULL; /* no query is on it; frees it */
void link_rest(struct link *) NONNULL;               /* it may have become idle: closes it where it should */
unsigned transport_idle_s(const struct transport *) NONNULL;

/* ---- transport_race.c ---- */
extern const struct up_events link_events; /* transport.c */
void transport_hunt(struct transport *) NONNULL;
void transport_rearm(struct transport *) NONNULL;
void transport_alive(struct transport *, bool answered) NONNULL;
void link_suspect(struct link *, bool mute, uint64_t since_ms) NONNULL;
/* transport_judge marks the server and gives queries back to the core, when nothing works. */
void transport_judge(struct transport *) NONNULL;
void transport_clock(struct wheel_node *, uint64_t now_ms) NONNULL;
int transport_hopeless(const struct transport *, const struct query *) NONNULL; /* -E… that the core should hear at once */

#endif
