/* up_priv.h: what the kinds of ups share: a connection with its socket, bytes both ways, its place among the dirty.
 *
 * A kind is a framing: two bytes of length (up_stream.c) or HTTP/2 (doh/up_doh.c).  up.c moves the bytes. */
#ifndef BACK_UP_PRIV_H
#define BACK_UP_PRIV_H

#include "up.h"

struct up_conn;
struct up_kind {
	size_t size;                      /* of the struct that begins with a struct up_conn */
	int (*begin)(struct up_conn *);   /* opened: 0 or -ENOMEM; NULL: nothing to do */
	/* feed takes all of |len| bytes, or keeps what must wait in |in| and sets |again| */
	void (*feed)(struct up_conn *, const uint8_t *p, size_t len);
	int (*drain)(struct up_conn *);   /* moves what wants to leave to |out|: 0 or -ENOMEM; NULL: it is there already */
	void (*ping)(struct up_conn *);   /* NULL: there is no such thing */
	void (*end)(struct up_conn *);    /* frees what is its own; NULL: nothing is */
};

enum { UP_MAGIC = 0x75702121, UP_OUT_MAX = 256 << 10, UP_DRAIN = 64 << 10 };
struct up_conn {
	struct up up; /* what owners hold */
	uint32_t magic;
	uint8_t dead;            /* enum reason: ends at the end of this turn */
	bool check;              /* a health check's: nothing is logged or counted */
	bool connected, knocked;
	bool dirty, busy;        /* busy: one of its events may be under way */
	bool orphan;             /* its owner closed it: no more events */
	bool again;              /* there is work that the kernel will not announce */
	int err;                 /* what the kernel said when it died, or 0 */
	const struct up_kind *kind;
	struct lane *lane;
	struct server *server;   /* the owner keeps it */
	struct session_cache *sessions;
	struct wire wire;
	struct bytes in, out;
	struct wheel_node timer; /* a blocked write, half a message */
	uint64_t blocked_ms, half_ms; /* since when, 0: not */
	uint64_t owed_ms, wrote_ms;   /* the first and the last write since the peer was heard, 0: none */
	struct up_conn *dirty_next;
};

static inline struct up_conn *conn_of(const struct up *u)
{
	struct up_conn *c = (struct up_conn *)(uintptr_t)u;

	MAGIC_CHECK(c, UP_MAGIC);
	return c;
}
static inline uint64_t up_conn_now(const struct up_conn *c)
{
	return loop_ms(&c->lane->loop);
}

int up_conn_open(const struct up_plan *, const struct up_ops *, const struct up_kind *, struct up **up_r) WUNUSED NONNULL;
/* up_conn_takes: may a query be sent now?  0, -EAGAIN or -EPIPE. */
int up_conn_takes(const struct up_conn *) WUNUSED NONNULL;
/* up_conn_head queues the PROXY header, once in a connection's life; 0 or -ENOMEM. */
int up_conn_head(struct up_conn *, const uint8_t *head, size_t len) WUNUSED;
void up_conn_dirty(struct up_conn *) NONNULL;              /* it has something to write or to end with */
void up_conn_kill(struct up_conn *, enum reason) NONNULL;  /* ends at the end of this turn */
/* those of struct up_ops that all kinds share */
unsigned up_conn_silent_ms(const struct up *);
void up_conn_knock(struct up *);
void up_conn_close(struct up *);

/* up_tls.c: the |session| of struct tls_client_conf; |ctx| is the struct up_conn. */
void up_conn_ticket(void *ctx, struct tls_session *);

#endif
