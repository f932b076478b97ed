/* resolve.h: what the files share that find out addresses: names of backends, the system's resolver, the network. */
#ifndef DAEMON_RESOLVE_H
#define DAEMON_RESOLVE_H

#include "daemon_priv.h"

/* ---- resolve_query.c: a small stub resolver on a lane's loop ---- */
enum { STUB_SERVERS = 8, STUB_ADDRS = 16 };
struct stub_server {
	struct addr to, source; /* source: family 0: any */
	char interface[32];
};
struct stub_answer {
	bool known; /* somebody answered, though perhaps that there is no address */
	unsigned n;
	uint32_t ttl_s;
	struct addr v[STUB_ADDRS]; /* port 0 */
};
struct stub;
/* stub_ask asks the servers in turn for A and AAAA of |name|; |done| is called once, later; the stub is gone
 * then.  NULL: memory is out. */
struct stub *stub_ask(struct lane *, const struct name *, const struct stub_server *, unsigned n,
	void (*done)(void *ctx, const struct stub_answer *), void *ctx) WUNUSED;
void stub_cancel(struct stub **) NONNULL; /* |done| is not called */

/* ---- resolve_system.c: getaddrinfo() on a thread of its own ---- */
/* asker_ask: |done| is called once, on worker 0; when the daemon ends with no address.  |cap|: most that wait, 0: no
 * limit.  0, -EAGAIN, -ENOMEM, -EPIPE (it has ended).  Any thread; may be called before there are workers. */
int asker_ask(struct daemon *, const char *host, unsigned cap, void (*done)(void *ctx, const struct addr *, unsigned n),
	void *ctx) WUNUSED;
void asker_start(struct daemon *); /* there are workers: the thread may begin; harmless when it has */
void asker_stop(struct daemon *);

/* ---- resolve_use.c ---- */
/* addrs_usable copies those that can be used, with the backend's port: not ours (a loop, which is logged unless it was
 * |*said| before), nobody's or everybody's.  How many. */
unsigned addrs_usable(const struct server *, const struct conf *, const struct addr *, unsigned n,
	struct addr out[STUB_ADDRS], bool *said);
/* addrs_sort moves those to the end to which there is no way from here; how many others there are.  At most STUB_ADDRS. */
unsigned addrs_sort(const struct server *, struct addr *, unsigned n);

/* ---- netlink.c ---- */
/* machine_addrs: the addresses of this machine, ports 0; how many, or -errno.  Freed by the caller. */
ssize_t machine_addrs(struct addr **v_r) WUNUSED NONNULL;

/* A watch tells |changed| when links, addresses, or routes to somebody of ours have changed; what it cannot do now
 * (false) it is told again a second later. */
struct watch {
	bool (*changed)(void *ctx, const struct addr *have, size_t n);
	bool (*leads_to)(void *ctx, const struct netmask *); /* is somebody of ours behind that route? */
	void *ctx;
	/* its own */
	int fd;
	struct io io;
	struct wheel_node quiet;
	uint64_t looked_ms;
	uint64_t print;  /* of links and addresses as last seen */
	bool anyway;     /* tell, whether or not |print| is another one */
	bool tentative;  /* an IPv6 address is there that cannot be used yet */
};
int watch_start(struct watch *, struct loop *) WUNUSED NONNULL; /* its first three are set; 0 or -errno */
void watch_stop(struct watch *) NONNULL;

#endif
