/* fixture.h: a core with one server and a cache, a client that counts, a backend that remembers; time by hand. */
#ifndef TEST_QUERY_FIXTURE_H
#define TEST_QUERY_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "query.h"

enum { SENT_MAX = 8 };
struct fix {
	struct core core;
	struct wheel wheel;
	struct counters counters;
	struct edge_ops edge;
	struct back back;
	struct server *server;
	struct query *sent[SENT_MAX]; /* what the backend has, oldest first */
	size_t nsent;
	int send_error;
	bool no_back;
	struct client *waits;         /* the last client whose query was parked */
	unsigned answers, drops;
	enum reason why;
	uint8_t answer[4096];
	size_t answer_len;
	uint8_t query[512], reply[4096];
	size_t query_len, reply_len;
};

/* fix_start: the rules of |chain| may be added by |rules| before the configuration is frozen. */
void fix_start(struct fix *, bool cache, void (*rules)(struct conf *));
void fix_done(struct fix *);
struct conf *fix_conf(struct fix *, bool cache, void (*rules)(struct conf *));
void fix_ask(struct fix *, const char *name, bool stream);
void fix_reply(struct fix *, size_t which, uint32_t ttl); /* one A record */
void fix_pass(struct fix *, uint64_t ms);
/* fix_rule adds a rule for every query: the action |word| with |argv|. */
void fix_rule(struct conf *, enum chain_id, const char *word, const struct arg *argv);
/* the three members of struct arg by kind */
#define STR(x) {.kind = ARG_STR, .s = {x, sizeof(x) - 1}}
#define NUM(x) {.kind = ARG_NUM, .n = (x)}

#endif
