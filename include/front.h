/* front.h: edges towards clients.  A listener is one address and protocol of the configuration, process-wide; a front
 * is a listener at work on one worker. */
#ifndef SHREWD_FRONT_H
#define SHREWD_FRONT_H

#include "lane.h"

struct front;
struct listener;
/* One static const row per protocol. */
struct front_ops {
	const char *name;                              /* as showBinds() prints it */
	uint8_t proto;
	bool datagram;
	int (*open)(struct listener *, const char **error_r); /* one more socket: descriptor or -errno */
	int (*start)(struct front *);                  /* read from front->fd on this worker; 0 or -E… */
	void (*stop)(struct front *);                  /* stop accepting; queries in flight still answer */
};
extern const struct front_ops front_udp, front_tcp;

struct listener {
	uint32_t magic;
	_Atomic uint32_t refs;
	const struct front_ops *ops;
	struct bind_conf conf; /* never changes; the three options below do, at a reload */
	_Atomic uint32_t max_in_flight, max_connections;
	_Atomic bool enable_proxy;
	uint32_t recv_buffer, send_buffer;
	uint8_t fast_open_key[16];
	bool has_fast_open_key;
	bool share_port;     /* several workers listen: SO_REUSEPORT */
	_Atomic bool muted;
	_Atomic uint64_t queries, responses, accepted, died_reading, died_sending, gave_up, client_timeouts;
	_Atomic uint32_t conns, conns_max;
};
enum { LISTENER_MAGIC = 0x6c69736e, FRONT_MAGIC = 0x66726f6e };

struct front {
	uint32_t magic;
	const struct front_ops *ops;
	struct lane *lane;
	struct listener *listener; /* a reference */
	int fd;
	struct io io;
	struct wheel_node pause;   /* accept rests until then */
	struct addr local;
	bool any;                  /* bound to a wildcard address */
	unsigned queries, responses; /* since the listener's counters were told */
	unsigned users;            /* connections and waiting queries that point here */
	bool stopped;
	struct front *next;
};

struct listener *listener_new(const struct front_ops *, const struct bind_conf *) WUNUSED; /* copies |conf| */
struct listener *listener_ref(struct listener *) NONNULL;
void listener_free(struct listener **) NONNULL;
/* listener_same: is its socket the one that |conf| asks for?  listener_update then takes over the other options. */
bool listener_same(const struct listener *, const struct front_ops *, const struct bind_conf *) NONNULL;
void listener_update(struct listener *, const struct bind_conf *) NONNULL;
/* front_start puts |fd| (taken over) to work on |lane|, on its worker or before it runs.  0 or -E… (|fd| closed). */
int front_start(struct lane *, struct listener *, int fd) WUNUSED NONNULL;
void front_stop(struct lane *, const struct listener *) NONNULL; /* on its worker */
void front_release(struct front *) NONNULL;  /* a user less; frees a stopped front with the last one */
void front_tell_all(struct lane *) NONNULL;   /* the listeners' counters, which all workers share, learn of the turn */
void conn_flush_all(struct lane *) NONNULL;   /* writes what connections have queued */
void conn_close_all(struct lane *) NONNULL;

/* ---- clients.c: limits per client, shared by all workers ---- */
struct clients *clients_new(void) WUNUSED;
void clients_free(struct clients **) NONNULL;
/* clients_enter: may |a| open one more connection?  REASON_NONE, else why not.  |*who_r|: where it was counted, to be
 * given to clients_leave(); NULL when no limit is set.  Any thread. */
struct who;
enum reason clients_enter(struct clients *, const struct settings *, const struct addr *, uint64_t now_ms,
	struct who **who_r) WUNUSED NONNULL;
void clients_leave(struct clients *, struct who **) NONNULL; /* |*who| may be NULL, and is after it */
void clients_ban(struct clients *, const struct settings *, const struct addr *, uint64_t until_ms) NONNULL;
void clients_clean(struct clients *, uint64_t now_ms) NONNULL; /* forgets who is neither here nor banned */

#endif
