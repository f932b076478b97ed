/* daemon_priv.h: what the files of daemon/ share. */
#ifndef DAEMON_PRIV_H
#define DAEMON_PRIV_H

#include "worker.h"
#include <pthread.h>

enum { DAEMON_MAGIC = 0x6461656d, LISTENERS_MAX = 256, DRAIN_MS = 2000 };

struct tide {
	size_t low;           /* the least of the heap that was free since pages were given back */
	size_t left, used;    /* at the last look */
	size_t pages;         /* resident after pages were given back */
	uint64_t look_ms;
	unsigned trims;       /* to come when things have come to rest */
	bool trimming;        /* workers were told; pages go at the next tick */
};

struct listen_plan;
struct worker {
	struct lane lane; /* first: edges find their worker by it */
	struct daemon *daemon;
	pthread_t thread;
	bool started;
	bool stopping;
	struct letter stop;        /* in the mailbox once |told_to_stop| */
	_Atomic bool told_to_stop;
	_Atomic bool drained; /* no query waits here any more */
	struct wheel_node drain;
	uint64_t drain_until_ms;
};

struct daemon {
	uint32_t magic;
	const struct options *options;
	const char *config;
	const struct language *language;
	struct places places;
	struct host host;
	struct clients *clients;
	unsigned nworkers;           /* made so far, in the end places.workers */
	int fds;                     /* descriptors allowed */
	struct worker *workers;
	pthread_mutex_t admin;       /* one configuration change at a time */
	pthread_mutex_t lock;        /* |conf| below */
	struct conf *conf;           /* the running one */
	struct settings started;     /* those that the process began with; all zero before */
	struct listener *listeners[LISTENERS_MAX];
	unsigned listener_number[LISTENERS_MAX]; /* among the frontends of its protocol */
	unsigned nlisteners;
	void (*key_hook)(void *ctx, const uint8_t *key, size_t len); /* a session ticket key was made */
	void *key_hook_ctx;
	struct probes *probes;
	uint64_t started_ms;
	int signal_fd;
	struct io signal_io;
	struct wheel_node tick;      /* maintenance, once a second */
	struct tide tide;            /* when to give memory back */
	uint64_t clean_ms, sweep_ms; /* last cache cleaning */
	_Atomic bool reloading, reload_again, stop, hurry;
	struct listen_plan *plan;    /* opened, not read yet: until backends had their first check */
	_Atomic bool serving;        /* fronts read */
	struct wheel_node serve;
	uint64_t serve_at_ms;        /* at the latest */
	struct resolver *resolver;   /* resolve.c: worker 0's */
	struct asker *asker;         /* resolve_system.c: under |lock| */
	struct watch *netlink;       /* netlink.c: worker 0's */
	pthread_t reloader;
	bool reloader_started;
	/* views for bind/ */
	struct ring **query_rings, **reply_rings;
	struct counters own;              /* of the thread that reads configurations */
	const struct counters **counters; /* of each worker, then |own| */
};

/* listen.c */
/* listen_open makes the listeners of a configuration: those that are the same are kept; others get sockets, |fds| of which
 * are filled per worker.  0, or -EINVAL with |*error_r| and nothing changed. */
struct listen_plan {
	struct conf *conf; /* a reference: Lua code may have put another one in place when the plan goes to work */
	struct listener *listeners[LISTENERS_MAX];
	bool fresh[LISTENERS_MAX];
	const struct bind_conf *bind[LISTENERS_MAX]; /* of |conf| */
	int *fds[LISTENERS_MAX]; /* per worker, -1: none */
	unsigned number[LISTENERS_MAX];
	unsigned n;
};
int listen_open(struct daemon *, struct conf *, struct listen_plan *, const char **error_r) WUNUSED;
void listen_cancel(struct daemon *, struct listen_plan *);
void listen_apply(struct daemon *, struct listen_plan *); /* starts fresh fronts, stops those not in the plan */
void listen_serve(struct daemon *); /* d->plan goes to work */
void listen_show(struct daemon *, struct text *);
int listen_check(const struct conf *, const char **error_r) WUNUSED; /* do certificates and keys load? */

/* frontend.c: encrypted frontends while they run */
void frontend_host(struct daemon *); /* fills its part of d->host */
void frontend_tick(struct daemon *, uint64_t now_ms); /* ticket keys change with time; about once a second */

/* say.c: lines of the log */
void say_listening(const struct listener *);
int backends_check(const struct conf *, const char **error_r) WUNUSED; /* do CA stores and ciphers load? 0 or -EINVAL */
void say_backends(const struct conf *); /* at start: tells now what would be said at the first query; the others work all the same */
void say_pools(const struct conf *); /* warns of rules that send queries to a pool without servers: a misspelt name */
void say_late_settings(const struct settings *started, const struct settings *file); /* what a reload cannot change */
void say_late_options(const struct listener *, const struct bind_conf *file);

/* post.c */
int post_conf(struct worker *, struct conf *); /* takes over the reference */
int post_front(struct worker *, struct listener *, int fd); /* takes over |fd|; -1: stop it */
int post_reconnect(struct worker *, struct server *);
void post_sweep(struct worker *);
void post_trim(struct worker *); /* its thread's share, before mem_trim() */
void post_stop(struct worker *); /* needs no memory */
/* resolve.c: backends given by host name; worker 0 */
void resolve_tick(struct daemon *, const struct conf *, uint64_t now_ms); /* once before the loop runs, then once a second */
/* resolve_settled: every such backend has had its first answer, and a moment for its first check. */
bool resolve_settled(const struct daemon *, uint64_t now_ms);
void resolve_kick(struct daemon *); /* the network changed: who has no address is looked up at once */
void resolve_stop(struct daemon *);
/* daemon_resolve is host.resolve: getAddressInfo(); |daemon| is a struct daemon.  When the daemon ends before there is an
 * answer, |done| hears of no address.  Any thread. */
int daemon_resolve(void *daemon, const char *name, void (*done)(void *done_ctx, const struct addr *, unsigned n),
	void *done_ctx);
/* netlink.c: links, addresses and routes that change; worker 0 */
void netlink_start(struct daemon *); /* where there is no netlink this is only said */
void netlink_stop(struct daemon *);
/* reload.c */
struct conf *daemon_load(struct daemon *, const char **error_r); /* file and command line, not frozen */
int daemon_install(struct daemon *, struct conf *, const char **error_r); /* frozen; taken over; publishes it */
void daemon_reload(struct daemon *);
void reload_end(struct daemon *); /* waits for a reload that is under way */
void daemon_host(struct daemon *); /* fills d->host */
/* tick.c */
void tick_start(struct daemon *);
void dump_stats(struct daemon *);

#endif
