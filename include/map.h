/* map.h: a hash map from byte strings to pointers, and the wheel that holds every deadline.
 *
 * The map copies its keys and never owns its values.  Keys are hashed with the process's secret key, so a
 * peer cannot choose collisions.  Single thread or caller's lock. */
#ifndef SHREWD_MAP_H
#define SHREWD_MAP_H

#include "base.h"

struct map;
struct map *map_new(void) WUNUSED;
void map_free(struct map **) NONNULL; /* values are the caller's */
void *map_get(const struct map *, const void *key, size_t len) NONNULL;
/* map_set stores or replaces; 0 or -ENOMEM.  The old value, if any, goes to |old_r| (may be NULL). */
int map_set(struct map *, const void *key, size_t len, void *value, void **old_r) WUNUSED;
void *map_del(struct map *, const void *key, size_t len) NONNULL; /* the value that was there, or NULL */
size_t map_count(const struct map *) NONNULL;
/* map_next walks in no order: start with |*pos| = 0, ends with false.  Deleting the entry just returned
 * is allowed while walking; adding is not. */
bool map_next(const struct map *, size_t *pos, const void **key_r, size_t *len_r, void **value_r);

/* ---- wheel: timers of one worker ----
 * One node per thing that has a deadline; insertion and removal O(1).  A node fires in the first
 * wheel_run() whose |now_ms| is at or past its deadline (rounded up to WHEEL_TICK_MS). */
enum { WHEEL_TICK_MS = 8, WHEEL_SLOTS = 1024, WHEEL_WORD = 8 * sizeof(unsigned long) };
struct wheel_link {
	struct wheel_link *next, *prev;
};
struct wheel_node {
	struct wheel_link link; /* NULL when not armed */
	uint64_t at_ms;
	void (*fire)(struct wheel_node *, uint64_t now_ms); /* the node is disarmed when it is called */
};
struct wheel {
	struct wheel_link slot[WHEEL_SLOTS];
	unsigned long bits[WHEEL_SLOTS / WHEEL_WORD]; /* slots that are not empty */
	uint64_t done_tick;                           /* ticks up to this one have been run */
	size_t count;
};
void wheel_init(struct wheel *, uint64_t now_ms) NONNULL;
/* wheel_arm sets or moves the deadline of |node|; |node->fire| must be set. */
void wheel_arm(struct wheel *, struct wheel_node *node, uint64_t at_ms) NONNULL;
void wheel_disarm(struct wheel *, struct wheel_node *node) NONNULL; /* harmless when not armed */
static inline bool wheel_armed(const struct wheel_node *node)
{
	return node->link.next != NULL;
}
/* wheel_run fires what is due; returns how many fired.  A fire() may arm and disarm any node. */
size_t wheel_run(struct wheel *, uint64_t now_ms) NONNULL;
/* wheel_next returns milliseconds until wheel_run() could have work, or -1 when the wheel is empty.  It may
 * be early by whole turns of the wheel, never late. */
int64_t wheel_next(const struct wheel *, uint64_t now_ms) NONNULL;

#endif
