/* worker.h: threads and what runs on them, the process: options, privileges, signals, reload. */
#ifndef SHREWD_WORKER_H
#define SHREWD_WORKER_H

#include "back.h"
#include "conf.h"
#include "front.h"
#include "host.h"
#include "lane.h"

/* ---- options.c: the command line (inventory 2.33) ---- */
enum { OPTION_LIST = 64 };
struct options {
	const char *config;          /* -C, else found */
	const char *uid, *gid;
	const char *local[OPTION_LIST], *acl[OPTION_LIST], *backend[OPTION_LIST];
	unsigned locals, acls, backends;
	bool check, supervised, verbose, version, help, no_syslog, timestamps, plain_log, json_log;
	const char *unsupported;     /* -c or -e was given */
	const char *self_signed;     /* names and addresses of a certificate of our own */
};
int options_parse(struct options *, int argc, char **argv) WUNUSED; /* 0 or -EINVAL, said on standard error */
void options_help(void);
void options_version(void);
/* options_find_config: -C, or the first of the usual places that exists; NULL when there is none. */
const char *options_find_config(const struct options *) NONNULL;
/* options_self_signed makes that certificate and says its fingerprint; 0, also when none is asked for. */
int options_self_signed(const struct options *, const char **error_r) WUNUSED NONNULL;
/* options_apply lets the command line win over the file. */
int options_apply(const struct options *, struct conf *, const char **error_r) WUNUSED NONNULL;

/* ---- role.c: which worker does what ---- */
/* ROLE_STREAM: TCP, DoT and DoH of clients, backends over TCP and DoT.  ROLE_CONTROL: health checks, console, clean-up. */
enum role { ROLE_UDP_IN, ROLE_STREAM, ROLE_BACK_UDP, ROLE_BACK_DOH, ROLE_CONTROL };
struct layout;
struct places { /* decided at start */
	const struct layout *layout;
	unsigned workers;
	unsigned doh; /* how many have backends over DoH: of their own, the last ones (split); the first of all (sharded) */
};
const struct layout *layout_find(const char *name) NONNULL; /* NULL when there is none of that name */
const struct layout *layout_default(void);                  /* by CPUs and memory */
const char *layout_name(const struct layout *) NONNULL;
/* layout_place: as the words, the CPUs and the backends of the first configuration want it. */
struct places layout_place(const struct layout *, const struct conf *) NONNULL;
bool layout_has(const struct places *, enum role, unsigned worker) NONNULL;
/* layout_home: the worker that does |role| towards server number |index| for |worker|. */
unsigned layout_home(const struct places *, enum role role, unsigned worker, uint32_t index) NONNULL;
const char *layout_job(const struct places *, unsigned worker) NONNULL; /* "udp", "doh" …; "worker": it does everything */
bool layout_parts(const struct layout *) NONNULL; /* may a backend live on another worker than a query? */
bool layout_small(const struct layout *) NONNULL; /* small batches, for little memory */

/* ---- daemon.c: the process ---- */
struct daemon;
/* daemon_new makes workers and opens every socket of |conf| (frozen; taken over). NULL with |*error_r|. */
struct daemon *daemon_new(const struct options *, const char *config, const struct language *, const char **error_r) WUNUSED;
/* daemon_check reads the configuration only; 0 or -EINVAL. */
int daemon_check(const struct options *, const char *config, const struct language *, const char **error_r) WUNUSED;
/* daemon_run runs until it is told to stop; the calling thread is worker 0. */
int daemon_run(struct daemon *) WUNUSED NONNULL;
void daemon_free(struct daemon **) NONNULL;

/* ---- process.c: users and files ---- */
int process_limits(void);               /* as many descriptors as allowed; how many these are */
int process_drop(const struct options *, const struct conf *, const char **error_r) WUNUSED NONNULL;
int process_signals(void) WUNUSED;      /* blocks what daemon_run reads; a signalfd or -errno */

/* caps_with_cap.c, caps_without_cap.c: keep the capabilities that |keep| names, and binding of low ports. */
int caps_keep(const struct field_list *keep, bool low_ports, const char **error_r) WUNUSED NONNULL;
int caps_before_drop(void) WUNUSED; /* so that they survive the change of user */
/* notify_with_systemd.c, notify_without_systemd.c */
void notify_ready(void);
void notify_stopping(void);

#endif
