/* conn.h: a client's connection, private to front/. */
#ifndef FRONT_CONN_H
#define FRONT_CONN_H

#include "front.h"

enum { CONN_MAGIC = 0x636f6e6e };

struct conn {
	uint32_t magic;
	bool eof;        /* the client sends no more */
	bool dirty;      /* on lane->dirty */
	bool blocked;    /* the kernel takes no more bytes for now */
	bool proxied;    /* the PROXY header was read, or none is expected */
	bool inner;
	uint8_t dead;    /* enum reason: close at the end of the turn */
	struct io io;
	struct lane *lane;
	struct front *front;
	struct who *who; /* the client as one that is counted, or NULL */
	struct addr remote, local, peer;
	struct bytes in, out;
	struct client *waiting; /* queries in flight */
	unsigned pending, queries, reads;
	struct wheel_node timer;
	uint64_t born_ms, last_ms, message_ms, blocked_ms; /* message_ms: since when a message is incomplete, 0 none */
	struct conn *idle_next, *idle_prev, *dirty_next;
};

/* conn_new takes |fd| and |who|; NULL: memory is out and both are still the caller's. */
struct conn *conn_new(struct front *, int fd, const struct addr *peer, struct who *who) WUNUSED;
void conn_free(struct conn *, enum reason); /* not while it is marked dirty */

#endif
