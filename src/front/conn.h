/* conn.h: a client's connection, private to front/: a wire, encrypted or not, and the protocol spoken over it. */
#ifndef FRONT_CONN_H
#define FRONT_CONN_H

#include "front.h"
#include "tls.h"

enum { CONN_MAGIC = 0x636f6e6e, LINGER_MS = 1000 };

/* What a codec that keeps bytes of its own says of them. */
enum {
	CODEC_HALF = 1,  /* a request has begun and is not whole */
	CODEC_KEEPS = 2, /* answers that the peer does not let go yet */
	CODEC_ENDED = 4, /* nothing more comes, and all that came is answered */
	CODEC_WAITS = 8, /* it reads on when an answer was given */
};

/* One static const row per protocol. */
struct conn_ops {
	/* feed runs the whole messages in |p| as far as it may; bytes used.  What is wrong kills the connection; work
	 * that is put off sets |rest| or |full|. */
	size_t (*feed)(struct conn *, const uint8_t *p, size_t len);
	/* Codecs with memory of their own; NULL where messages are framed straight into |out|. */
	int (*drain)(struct conn *);             /* appends a record's worth to |out|; 0 or -ENOMEM */
	unsigned (*state)(const struct conn *);  /* CODEC_… */
	uint64_t (*idle_ms)(const struct conn *);
	void (*bye)(struct conn *);              /* queues last words: we end it, and not because of what the peer did */
	void (*close)(struct conn *);
	/* adds bytes of unfinished requests, large ones and small ones, and of answers */
	void (*holds)(const struct conn *, size_t *large, size_t *small, size_t *out);
};

struct conn {
	uint32_t magic;
	bool eof;        /* the client sends no more */
	bool dirty;      /* on lane->dirty */
	bool blocked;    /* the kernel takes no more bytes for now */
	bool kept;       /* the codec holds answers back */
	bool proxied;    /* the PROXY header was read, or none is expected */
	bool inner;
	bool shaking;    /* TLS is to come or under way */
	bool rest : 1;   /* read on in a later turn */
	bool full : 1;   /* read on when answers have left */
	bool transfer;   /* an answer in parts is under way */
	uint8_t dead;    /* enum reason: close at the end of the turn */
	uint8_t linger;  /* enum reason: why it ends, when its last words have left and what still comes is thrown away */
	uint8_t version; /* enum tls_version */
	struct wire wire;
	struct lane *lane;
	struct front *front;
	struct who *who; /* the client as one that is counted, or NULL */
	struct addr local, peer;
	struct addr *source; /* the client's, from a PROXY header; NULL: it is the peer */
	struct bytes in, out;
	void *codec;                /* the protocol's own, NULL at first */
	struct tls_stats *tls_stats; /* of the server that |wire| holds */
	struct envelope *envelope;  /* NULL: no server name was given */
	struct client *waiting; /* queries in flight */
	unsigned pending, queries, reads;
	uint32_t held;   /* its place in lane->holders, 0: it holds nothing back */
	struct wheel_node timer;
	uint64_t born_ms, last_ms, message_ms, blocked_ms; /* message_ms: since when a message is incomplete, 0 none */
	struct conn *idle_next, *idle_prev, *dirty_next;
};

/* conn_new takes |fd|, which is closed when it fails, and |who| only with REASON_NONE. */
enum reason conn_new(struct front *, int fd, const struct addr *peer, struct who *who) WUNUSED;
void conn_free(struct conn *, enum reason) NONNULL; /* not while it is marked dirty */

/* ---- between conn.c and conn_io.c ---- */
void conn_ready(struct io *, short what) NONNULL;
void conn_look(struct conn *, uint64_t at_ms) NONNULL; /* a deadline at |at_ms| is not to be missed */
void conn_bye(struct conn *) NONNULL; /* last words, as far as they go out now */
enum reason conn_begin_tls(struct conn *) WUNUSED NONNULL; /* puts TLS on its wire, which waits for nothing now */
static inline const struct conn_ops *conn_ops_of(const struct conn *c)
{
	return c->front->ops->conn;
}
static inline const struct addr *conn_remote(const struct conn *c)
{
	return c->source ? c->source : &c->peer;
}
static inline unsigned conn_state(const struct conn *c)
{
	return c->codec ? conn_ops_of(c)->state(c) : 0;
}

/* ---- hold.c ---- */
void hold_look(struct conn *) NONNULL;  /* a turn is over for it: what does it hold back?  May kill connections */
void hold_end(struct conn *) NONNULL;

/* ---- for protocols ---- */
void conn_kill(struct conn *, enum reason) NONNULL; /* at the end of the turn: nobody on the stack loses its connection */
void conn_dirty(struct conn *) NONNULL;   /* to be looked at, at the end of the turn */
void conn_active(struct conn *) NONNULL;  /* something of use happened */
bool conn_may_take(const struct conn *) NONNULL;
/* conn_query starts a query of |c|; |from| its client's address.  conn_last: was it the last one that |c| may ask? */
void conn_query(struct conn *c, const struct client_ops *, const struct addr *from, const struct envelope *,
	void *stream_user, const uint8_t *msg, size_t len);
bool conn_last(const struct conn *) NONNULL;
void conn_waits(struct client *) NONNULL; /* client_ops.waits; conn_leave ends it */
void conn_leave(struct client *) NONNULL;
size_t conn_pad(struct client *, const uint8_t *msg, size_t len) NONNULL; /* pads |msg| where it is, if it is to be */

static inline const struct settings *conn_settings(const struct conn *c)
{
	return &core_conf(&c->lane->core)->set;
}

/* ---- front_accept.c, shared by the rows of all streams ---- */
int accept_open(struct listener *, const char **error_r);
int accept_start(struct front *);
void accept_stop(struct front *);

/* ---- front_tcp.c: two bytes of length, then the message ---- */
extern const struct conn_ops conn_dns16;

/* ---- listener.c ---- */
struct doh_site *listener_site(struct listener *) WUNUSED NONNULL; /* a reference; NULL: none */

/* ---- site.c: what a DoH frontend serves; never changes, shared ---- */
struct doh_site {
	_Atomic uint32_t refs;
	struct bind_conf conf;     /* of it, |doh| */
	struct http_field *fields; /* custom headers, and behind them "allow" for status 405 */
	size_t nfields;
};
struct doh_site *site_new(const struct bind_doh *) WUNUSED NONNULL; /* NULL: memory is out */
struct doh_site *site_ref(struct doh_site *) NONNULL;
void site_free(struct doh_site **) NONNULL;

#endif
