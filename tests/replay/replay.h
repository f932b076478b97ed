/* replay.h: what the files of the replay runner share.
 *
 * script.c reads a script into statements; spec.c reads what a statement says of a message; wire.c turns that into
 * bytes; check.c compares a message with it; edge.c is the world around the core: clients, backends, time; runner.c
 * has one function per statement. */
#ifndef REPLAY_H
#define REPLAY_H

#include "bind.h"
#include "dns.h"
#include "mem.h"
#include "query.h"

/* ---- script.c ---- */
struct line {
	unsigned number;
	char **word; /* NULL at the end */
	size_t n;
};
struct statement {
	struct line head;
	struct line *more; /* the indented lines below */
	size_t nmore;
	char *text;        /* of config and reload: the lines up to "end" */
};
struct script {
	const char *path;
	struct statement *v;
	size_t n;
	char *bytes; /* the file; words point into it */
};
/* script_read: false after printing what is wrong. */
bool script_read(struct script *, const char *path);
void script_free(struct script *);

/* ---- spec.c: what a statement says of a message ---- */
enum { SPEC_RDATA = 4096, SPEC_OPTIONS = 16, SPEC_HEADERS = 8 };
struct record {
	enum section section;
	struct name owner;
	uint16_t type, klass;
	bool any_ttl;
	uint32_t ttl;
	size_t len;
	uint8_t rdata[SPEC_RDATA];
};
struct option {
	uint16_t code;
	bool absent;
	size_t len;
	uint8_t data[512];
};
struct spec {
	bool question, no_question; /* given; must not be there */
	struct name qname;
	unsigned qtype, qclass;
	int id, flags, rcode, opcode, qdcount, edns, version, edns_do, ext; /* -1: not said; edns 0: none */
	int size, max_size;
	bool unordered, compress;
	struct option option[SPEC_OPTIONS];
	size_t options;
	struct record *record;
	size_t records;
	uint8_t *raw, *trailing;
	size_t raw_len, trailing_len;
	const char *to, *as, *from, *local, *proto, *over;
	const char *sni, *http, *host;          /* of a query: what its edge knows of it */
	struct http_field header[SPEC_HEADERS];
	size_t headers;
	int status;                             /* of an answer: the page in its place; -1: not said */
	const char *body, *ctype;
};
/* spec_read reads the words from |first| on and the indented lines; false and a sentence in |error|. */
bool spec_read(struct spec *, const struct statement *, size_t first, char error[256]);
void spec_free(struct spec *);
bool spec_type(const char *word, unsigned *type_r);
bool spec_hex(const char *word, uint8_t *out, size_t cap, size_t *len_r);

/* ---- wire.c ---- */
struct message {
	uint8_t p[DNS_MAX];
	size_t len;
};
void wire_query(struct message *, const struct spec *);
/* wire_reply: |asked| is the query it answers: what the spec does not say is taken from there. */
void wire_reply(struct message *, const struct spec *, const struct message *asked);

/* ---- check.c ---- */
/* message_show returns the message as text; free() it. */
char *message_show(const uint8_t *msg, size_t len);
/* message_check: NULL, or a sentence of what differs from the spec.  |asked|: the message whose question it must
 * carry, unless the spec has one; NULL: any. */
const char *message_check(const struct spec *, const uint8_t *msg, size_t len, const struct message *asked);

/* ---- edge.c ---- */
struct asked { /* one query of a client */
	struct asked *next;
	char label[32];
	struct message msg;
	struct client *client; /* while it waits */
	bool ended;
	struct envelope envelope;
	struct http_field header[SPEC_HEADERS];
	char path[256];
};
enum event_kind { EVENT_ANSWER, EVENT_DROP, EVENT_PART };
struct event { /* what a client was told */
	struct event *next;
	enum event_kind kind;
	struct asked *asked;
	enum reason reason;
	struct http_says *http; /* NULL: none */
	struct message msg;
};
struct flight { /* one query on its way to a backend */
	struct flight *next;
	char label[32];
	struct query *q;
	struct asked *asked; /* NULL: a refresh */
	struct server *server;
	struct message msg;
	bool stream, open, seen;
};
struct fake_back {
	struct back base;
	struct fake_back *next;
	struct world *world;
	bool stream;
};
struct trouble { /* what the next sends to a server run into */
	char server[32];
	int error;
	unsigned times;
};
struct world {
	struct core core;
	struct wheel wheel;
	struct counters counters;
	const struct counters *all_counters[1];
	struct edge_ops edge;
	struct host host;
	struct fake_back *backs;
	struct asked *asked;
	struct event *events, **last_event;
	struct flight *flights;
	struct trouble trouble;
	unsigned labels;
	uint16_t next_id;
	bool running;
};
bool world_start(struct world *, bool keep_lua);
void world_stop(struct world *);
/* world_config loads |text|; |reload|: inherits from the running one.  NULL, or what was wrong with it. */
const char *world_config(struct world *, const char *path, const char *text, bool reload);
struct asked *world_ask(struct world *, const struct spec *, const char *label);
void world_reply(struct world *, struct flight *, const struct message *);
void world_lost(struct world *, struct flight *, enum reason);
void world_pass(struct world *, uint64_t us);
struct flight *world_flight(struct world *, const char *label); /* NULL: the last open one seen */
struct server *world_server(const struct world *, const char *name);

/* ---- runner.c ---- */
/* run_script: true when every statement held; prints the first that did not. */
bool run_script(const struct script *);

#endif
