/* up.h: one connection to a backend, private to back/: TCP, DoT or DoH.
 *
 * An up interleaves queries on one connection and hands over what comes back with its id.  It knows no struct query and
 * does not retry.  Transports and probes own ups and get them from a factory, so that tests can put a fake in between. */
#ifndef BACK_UP_H
#define BACK_UP_H

#include "back.h"
#include "tls.h"

struct up;
struct session_cache;
/* An id names a query on its connection: for TCP and DoT it is the DNS id on the wire, for DoH (wire id 0, RFC 8484 4.1)
 * only the stream's name.  The replies handed over carry |id| in their header in both cases. */
struct up_events {
	void (*opened)(struct up *);                  /* connected, handshake done: queries may be sent */
	void (*reply)(struct up *, uint16_t id, const uint8_t *msg, size_t len);
	/* refused: this query gets no answer here, others are fine (HTTP 4xx, 5xx, wrong content type, stream reset).
	 * |unseen|: the backend did not look at it: ask again */
	void (*refused)(struct up *, uint16_t id, enum reason, bool unseen);
	void (*closed)(struct up *, enum reason);     /* the last call; the up is gone when it returns */
	void (*ended)(struct up *);                   /* takes no more queries, ever (GOAWAY); the last may be answered yet */
};

/* What is whose.  An up counts what only it can see: tcp_died_sending, tcp_write_timeouts (tcpSendTimeout: the peer does
 * not read), tcp_read_timeouts (tcpRecvTimeout: a message stays half).  Its owner counts connections (server->connections,
 * tcp_new_connections …, tcp_connect_timeouts) and the reasons of |closed| and |refused|; it also watches the time: an up
 * has no timer for connecting or idling, its owner closes what takes too long. */
struct up_plan {
	struct lane *lane;
	struct server *server;          /* its source, interface, DSCP, PROXY and protocol options */
	const struct addr *to;
	struct tls_client *tls;         /* NULL: plain TCP */
	struct tls_session *session;    /* borrowed; NULL: full handshake */
	struct session_cache *sessions; /* gets its tickets, lives longer than the up; NULL: they are thrown away */
	bool check;                     /* a health check: no log lines */
	const struct up_events *events;
	void *owner;                    /* up->owner */
};

struct up_ops {
	/* open: 0 and |*up_r|, or -errno at once (-ENETUNREACH …).  Events come later, never from within open or send */
	int (*open)(const struct up_plan *, struct up **up_r);
	/* send: |head| (PROXY header, or NULL) goes first; |msg| is copied.  0, -EAGAIN: no room, -EPIPE: takes no more,
	 * -ENOMEM */
	int (*send)(struct up *, uint16_t id, const uint8_t *head, size_t head_len, const uint8_t *msg, size_t len,
		const struct http_field *fields, size_t nfields);
	void (*forget)(struct up *, uint16_t id);     /* no answer is wanted any more */
	unsigned (*room)(const struct up *);          /* queries it takes now: 0 before |opened|, and once it drains */
	/* silent_ms: since when the peer's kernel owes us an acknowledgement, in ms; 0: it owes none (TCP_INFO) */
	unsigned (*silent_ms)(const struct up *);
	/* knock: asks for a sign of life (an HTTP/2 PING, early TCP keep-alive); tightens TCP_USER_TIMEOUT */
	void (*knock)(struct up *);
	/* close: calls no event.  From within one of its own events: put off until that returns, and it calls no other */
	void (*close)(struct up *);
};

struct up { /* the part that owners see; the ups' files add theirs */
	const struct up_ops *ops;
	const struct up_events *events;
	void *owner;
	struct addr to, local;   /* local: family 0 until connected */
	uint64_t born_ms, opened_ms, heard_ms; /* 0: not yet; heard: last bytes of the peer */
	uint64_t queries;
	bool resumed;            /* TLS session */
	const char *why;         /* within closed(): what the kernel or TLS said, NULL: nothing more than the reason */
};

extern const struct up_ops up_stream_ops, up_doh_ops; /* up_doh_ops: its open fails with -EPROTONOSUPPORT without FEATURE_DOH */
const struct up_ops *up_ops_of(const struct server *) NONNULL;
void up_flush_all(struct lane *) NONNULL;  /* writes what ups have queued, and ends those that died in this turn */
/* up_tls makes the TLS side of a server: NULL with a sentence, e.g. no CA store.  |sessions|: NULL: tickets are not even
 * looked at; else the cache that ups of it are given in their plans. */
struct tls_client *up_tls(const struct server *, struct session_cache *sessions, const char **error_r) WUNUSED;

/* ---- session_cache.c: TLS sessions of one backend, newest first ---- */
struct session_cache;
struct session_cache *session_cache_new(unsigned max, unsigned validity_s) WUNUSED; /* max 0: keeps none */
void session_cache_free(struct session_cache **) NONNULL;
void session_cache_put(struct session_cache *, struct tls_session *, uint64_t wall_s) NONNULL; /* takes over; oldest out */
/* session_cache_take: the newest that is still good, NULL none.  A TLS 1.3 ticket leaves the cache (used once) and is the
 * caller's to free; others are lent: |*lent_r|. */
struct tls_session *session_cache_take(struct session_cache *, uint64_t wall_s, bool *lent_r) NONNULL;

#endif
