/* edge.h: what the core needs of an edge: the way home for an answer, and the way out to a backend.
 *
 * The core calls these; front/ and back/ implement them.  Nothing here says how bytes travel. */
#ifndef SHREWD_EDGE_H
#define SHREWD_EDGE_H

#include "addr.h"
#include "envelope.h"
#include "server.h"
#include "stat.h"

struct client;
struct core;
struct query;

/* The way home.  The core calls exactly one of answer and drop, once per query.  |q| is the query that ends. */
struct client_ops {
	void (*answer)(struct client *, const uint8_t *msg, size_t len); /* copies what it keeps */
	void (*drop)(struct client *, enum reason);
	/* part: one of several messages of a zone transfer; more follow, answer() or drop() ends it */
	void (*part)(struct client *, const uint8_t *msg, size_t len);
	/* waits: the query now lives beyond the call that started it; |c| is its lasting copy.  NULL: nothing to do */
	void (*waits)(struct client *c);
};

/* Who asked.  A value: the core copies it when a query has to wait. */
struct client {
	const struct client_ops *ops;
	void *front;             /* the edge's own: listening socket */
	void *conn;              /* the edge's own: connection, or NULL */
	void *stream_user;       /* the edge's own: one of several requests of |conn| */
	const struct envelope *envelope; /* NULL: nothing but the message; the edge keeps it until the query ends or is orphaned */
	struct client *next, *prev; /* the edge's own list of waiting clients of |conn| */
	struct addr remote, local;
	struct addr peer;        /* with |inner|: where the PROXY is, and answers go */
	uint32_t ifindex;        /* interface the query came in on, 0 unknown */
	uint8_t proto;           /* enum proto */
	bool stream;             /* answers may be as long as DNS_MAX */
	bool inner;              /* |remote| was told by a PROXY header of the trusted |peer| */
	bool pad;                /* the edge's own: its answer is to be padded (RFC 8467) */
};

/* The way out: carries queries to one server.  Replies come up by query_reply() and query_lost(). */
struct back;
struct back_ops {
	const char *name;
	/* send: 0 and the query waits; -EAGAIN: no room (ids, connections); other -E…: broken */
	int (*send)(struct back *, struct query *);
	void (*cancel)(struct back *, struct query *); /* forget it; its reply will be ignored */
};
struct back {
	const struct back_ops *ops;
	struct server *server;
};

/* What a worker offers its core. */
struct edge_ops {
	/* back: the way to |server|, over a stream or not; NULL when there is none (memory, descriptors) */
	struct back *(*back)(struct core *, struct server *, bool stream);
};

#endif
