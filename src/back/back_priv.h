/* back_priv.h: what the files of back/ share: the map of queries in flight by id. */
#ifndef BACK_PRIV_H
#define BACK_PRIV_H

#include "back.h"

/* A query map: queries in flight on one socket or connection, by their id towards the backend. */
struct query_map {
	struct query **bucket;  /* |mask| + 1 chains, NULL until first used */
	uint32_t mask, count;
	uint32_t floor;         /* add_next: ids below may still get a late reply */
	struct query *first, *last; /* all of them; by id when add_next numbered them */
};
enum { QUERY_IDS = 65536 };
/* query_map_add_random: a random free id; query_map_add_next: one above the largest that is out or was given up, or,
 * when there is none, any free one.  0, -EAGAIN when |cap| (at most QUERY_IDS) are out, -ENOMEM.  The id is q->back_id. */
int query_map_add_random(struct query_map *, struct query *, uint32_t cap, struct rng *) WUNUSED NONNULL;
int query_map_add_next(struct query_map *, struct query *, uint32_t cap) WUNUSED NONNULL;
struct query *query_map_find(const struct query_map *, uint16_t id) NONNULL;
void query_map_del(struct query_map *, struct query *) NONNULL;
/* query_map_give_up: as del, but its reply may still come, so that add_next is to leave its id alone; query_map_put_back
 * takes one in again that was given up, under that id. */
void query_map_give_up(struct query_map *, struct query *) NONNULL;
void query_map_put_back(struct query_map *, struct query *, uint16_t id) NONNULL;
void query_map_free(struct query_map *) NONNULL; /* must be empty */

/* proxy_header writes the PROXY header of a query's client; its length. */
size_t back_proxy_header(const struct query *, uint8_t out[PROXY_HEADER + 36]) NONNULL;

extern const struct back_ops back_udp_ops, back_remote_ops;
struct back **back_slot(struct lane *, const struct server *, bool stream) NONNULL; /* NULL: memory is out */
struct back *back_remote_new(struct lane *, struct server *, struct lane *home, bool stream) WUNUSED NONNULL;
void back_remote_close(struct back *) NONNULL;
void back_udp_close(struct back *) NONNULL; /* frees it; queries in flight are lost */
void back_udp_reset(struct back *) NONNULL; /* new sockets from now on */
void back_udp_network(struct back *, const struct addr *have, size_t n); /* as back_network_changed() */
/* back_elsewhere: would another server of |q|'s pool take it now?  False for other workers' queries: not known here. */
bool back_elsewhere(const struct query *) NONNULL;
enum { QUICK_TRIES = 2 }; /* so often a query goes elsewhere as soon as its backend is in trouble */

/* back_here: is |local| an address that this machine has (or none, or a loopback one)? */
bool back_here(const struct addr *local, const struct addr *have, size_t n);

/* ---- transport.c and its sisters ---- */
bool back_is_stream(const struct back *) NONNULL;
void back_stream_close(struct back *) NONNULL;
void back_stream_reset(struct back *) NONNULL; /* what is under way is heard; new queries take new connections */
void back_stream_network(struct back *, const struct addr *have, size_t n); /* as back_network_changed() */
uint64_t back_stream_unused_ms(const struct back *) NONNULL; /* since its last query; 0 while some wait */

#endif
