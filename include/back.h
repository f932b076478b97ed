/* back.h: edges towards backends, and the probes of their health. */
#ifndef SHREWD_BACK_H
#define SHREWD_BACK_H

#include "lane.h"

/* back_udp, back_stream: the way of this lane to |server|, made at first use; NULL when memory or descriptors are out.
 * back_get is the edge_ops.back of lanes whose backs are their own. */
struct back *back_get(struct core *, struct server *, bool stream) NONNULL;
/* back_get_home is the edge_ops.back of lanes whose backends may live on other workers (lane->home tells): the query
 * is posted there and its reply posted back; nobody touches another worker's memory. */
struct back *back_get_home(struct core *, struct server *, bool stream) NONNULL;
struct back *back_udp_new(struct lane *, struct server *) WUNUSED NONNULL;
/* back_stream_new: queries to |server| over TCP, DoT or DoH; |ops| makes the connections, NULL: as the server says. */
struct up_ops;
struct back *back_stream_new(struct lane *, struct server *, const struct up_ops *ops) WUNUSED;
/* back_close: on its worker: queries in flight are lost, sockets closed, the reference to the server dropped. */
void back_close(struct lane *, struct back **) NONNULL;
/* back_check: can its TLS side be made (CA store, ciphers)?  0, or -EINVAL with a sentence.  Any thread. */
int back_check(const struct server *, const char **error_r) WUNUSED;
void back_close_server(struct lane *, struct server *) NONNULL; /* both ways of it */
void back_reconnect(struct lane *, struct server *) NONNULL; /* new sockets at the next query (reconnectOnUp, new address) */
/* back_sweep closes the ways to servers that |conf| no longer has and that nobody waits for. */
void back_sweep(struct lane *, const struct conf *) NONNULL;
void back_flush_all(struct lane *) NONNULL; /* writes what stream backs have queued */
size_t back_sessions(void); /* TLS sessions kept to resume with (getOutgoingTLSSessionCacheSize) */
/* back_network_changed: links or addresses changed; |have|: the addresses this machine has now.  Connections from an
 * address that went are closed and their queries sent again on new ones at once; the others have to prove themselves. */
void back_network_changed(struct lane *, const struct addr *have, size_t n);

/* ---- probe.c: health checks; worker 0 ---- */
struct probes;
struct probe_hooks {
	void *ctx;
	/* the question of a server with a check function; false: the configured one */
	bool (*question)(void *ctx, const struct server *, struct name *, unsigned *qtype, unsigned *qclass);
	bool (*validate)(void *ctx, const struct server *, const uint8_t *msg, size_t len, bool *ok_r);
	void (*changed)(void *ctx, struct server *, bool up); /* the server's state changed */
};
struct probes *probes_new(struct lane *, const struct probe_hooks *) WUNUSED NONNULL;
void probes_free(struct probes **) NONNULL;
/* probes_set: these servers are checked from now on (references are taken). 0 or -ENOMEM. */
int probes_set(struct probes *, struct server *const *, size_t n, bool verbose) WUNUSED;
void probes_hurry(struct probes *) NONNULL; /* those that are down are checked at once: the network changed */
bool probes_settled(const struct probes *) NONNULL; /* every backend that is checked has had its first check */

/* sock_opts of a backend: its source address, interface, DSCP. */
void back_sock_opts(const struct server *, struct sock_opts *, struct addr *source_r, char interface[32]) NONNULL;

#endif
