/* health.h: is a backend alive: the logic, on booleans and times.  Worker 0 only, but health_outcome(): any worker. */
#ifndef SHREWD_HEALTH_H
#define SHREWD_HEALTH_H

#include "server.h"

void server_set_up(struct server *) NONNULL;   /* forced */
void server_set_down(struct server *) NONNULL; /* forced */
/* server_set_auto: back to checks.  HEALTH_ACTIVE or HEALTH_LAZY choose; any other value keeps the automatic mode it
 * had before.  status: 1, 0, -1 keep. */
void server_set_auto(struct server *, enum health_mode, int status) NONNULL;
enum health_mode server_health_mode(const struct server *) NONNULL;
const char *health_mode_name(enum health_mode);
/* health_due: should a probe be sent now?  Marks it as under way. */
bool health_due(struct server *, uint64_t now_ms) NONNULL;
/* health_next_ms: when to ask again; UINT64_MAX: never, or not before health_result() was called.  In the lazy mode an
 * outcome on any worker may bring it forward: ask at least once a second. */
uint64_t health_next_ms(const struct server *) NONNULL;
void health_hurry(struct server *, uint64_t now_ms) NONNULL; /* the next check is due now */
/* health_result enters a probe's end; returns true when the server's state changed. */
bool health_result(struct server *, bool ok, uint64_t now_ms) NONNULL;
/* health_decided: has a check, or somebody, said whether it is up?  Any thread. */
bool health_decided(const struct server *) NONNULL;
void health_give_up(struct server *) NONNULL; /* the probe under way ends without a result */
/* health_outcome enters a real query's end for the lazy mode; |failed|: no answer came, in time or at all. */
void health_outcome(struct server *, bool failed, bool servfail, uint64_t now_ms) NONNULL;
/* What setHealthCheckParams() may change; begins as in |conf|.  Probes take their timeout from here. */
struct health_params {
	uint32_t max_check_failures, rise, check_timeout_ms, check_interval_s;
};
struct health_params health_params(const struct server *) NONNULL;
void health_set_params(struct server *, const struct health_params *) NONNULL;
/* health_query writes the probe; length, or -ENOBUFS.  |name|, |qtype|, |qclass| as configured or as its check
 * function said. */
ssize_t health_query(const struct server *, uint8_t *out, size_t cap, uint16_t id, const struct name *, unsigned qtype,
	unsigned qclass) WUNUSED NONNULL;
/* health_answer_ok: is |reply| a good answer to |query|?  Counts what is wrong with it. */
bool health_answer_ok(struct server *, const uint8_t *query, size_t query_len, const uint8_t *reply, size_t len) NONNULL;

#endif
