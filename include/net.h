/* net.h: codecs and sockets without knowledge of queries: the loop, datagrams in batches, framed streams, PROXY v2.
 *
 * Everything here belongs to one worker, but mailbox_post(). */
#ifndef SHREWD_NET_H
#define SHREWD_NET_H

#include "addr.h"
#include "base.h"
#include "map.h"
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdatomic.h>
#include <sys/socket.h>

/* ---- loop.c: one per worker ---- */
struct loop {
	struct event_base *base;
	uint64_t now_us, now_ms, wall_ms; /* monotonic: loop_set_time(); wall clock */
	struct wheel wheel;
	struct event timer;
	uint64_t timer_ms;        /* when |timer| goes off, 0: not armed */
	bool stop;
	/* each turn: |begin| after the kernel woke us, |end| when all events of the turn are done */
	void (*begin)(void *ctx);
	void (*end)(void *ctx);
	void *ctx;
	bool fresh; /* the time was read in this turn */
	unsigned waits, waits_most; /* ios that wait for something: now, and at most since |base| was made */
};
int loop_init(struct loop *) WUNUSED NONNULL; /* 0 or -ENOMEM */
void loop_done(struct loop *) NONNULL;
void loop_run(struct loop *) NONNULL; /* until loop->stop */
void loop_turn(struct loop *) NONNULL; /* reads the clock, calls begin: done by io before each first callback */
static inline void loop_set_time(struct loop *l, uint64_t now_us)
{
	l->now_us = now_us;
	l->now_ms = now_us / 1000;
}
static inline uint64_t loop_ms(const struct loop *l)
{
	return l->now_ms;
}

/* An io waits for a file descriptor to be ready. */
enum { IO_READ = EV_READ, IO_WRITE = EV_WRITE };
struct io {
	struct event ev;
	struct loop *loop;
	void (*ready)(struct io *, short what);
	short what;
};
void io_init(struct io *, struct loop *, int fd, void (*ready)(struct io *, short what)) NONNULL;
int io_want(struct io *, short what) WUNUSED NONNULL; /* IO_READ | IO_WRITE or 0; 0 or -ENOMEM */
void io_stop(struct io *) NONNULL;                   /* want nothing; does not close */
static inline int io_fd(const struct io *io)
{
	return io->ev.ev_fd;
}

/* mailbox: messages from other workers, in order. */
enum { MAILBOX_BYTES_MAX = 32 << 20 };
struct letter {
	struct letter *next;
	uint32_t bytes; /* what it holds, for MAILBOX_BYTES_MAX: set by who posts with a cap */
	void (*open)(struct letter *, void *owner); /* on the owner's worker; frees the letter; owner NULL: only that */
};
struct mailbox {
	_Atomic(struct letter *) head; /* newest first */
	_Atomic unsigned count;
	_Atomic uint32_t bytes;
	int fd; /* eventfd */
	struct io io;
	void *owner;
};
int mailbox_init(struct mailbox *, struct loop *, void *owner) WUNUSED NONNULL;
void mailbox_done(struct mailbox *) NONNULL; /* letters that are left are thrown away; nobody may post any more */
/* mailbox_post: 0, -EAGAIN when |cap| letters or MAILBOX_BYTES_MAX wait (0: no cap), -EPIPE when its owner has ended; then the letter is
 * still the caller's.  Any thread. */
int mailbox_post(struct mailbox *, struct letter *, unsigned cap) NONNULL;

/* ---- socket.c: sockets with options; all return a descriptor or -errno ---- */
struct sock_opts {
	const struct addr *bind;   /* local address, NULL any */
	const char *interface;     /* SO_BINDTODEVICE, NULL none */
	bool reuse_port, listener, no_port, fast_open, pktinfo;
	const uint8_t *fast_open_key; /* 16 bytes, NULL: the kernel's */
	uint32_t backlog, fast_open_queue, recv_buffer, send_buffer, dscp;
};
int sock_udp(int family, const struct sock_opts *) WUNUSED NONNULL;
int sock_listen(const struct addr *, const struct sock_opts *) WUNUSED NONNULL;
int sock_connect(const struct addr *to, const struct sock_opts *) WUNUSED NONNULL; /* in progress */
int sock_error(int fd);                       /* SO_ERROR: 0 or -errno */
void sock_local(int fd, struct addr *) NONNULL;
void sock_ack_now(int fd); /* TCP: what has come is acknowledged at once: who waits for that sends on */
/* sock_hush ties a UDP socket to a peer that says nothing: it gets no more datagrams and can still send. */
void sock_hush(int fd, int family);
void sock_buffers(int fd, uint32_t recv_bytes, uint32_t send_bytes); /* 0: as large as allowed, up to 4 MB */

/* ---- dgram.c: batches; one of each per worker, shared by all its sockets ---- */
enum { DGRAM_MAX = 4096 };
struct dgram {
	uint8_t *msg;
	size_t len;
	struct addr from, to; /* to: local address, from packet info; family 0 when not asked for */
	uint32_t ifindex;
	bool truncated;       /* longer than DGRAM_MAX */
};
struct dgram_in;
struct dgram_in *dgram_in_new(unsigned batch, bool pktinfo) WUNUSED;
void dgram_in_free(struct dgram_in **) NONNULL;
/* dgram_read reads a batch: number of datagrams, or -errno (-EAGAIN: none left). */
int dgram_read(struct dgram_in *, int fd, bool want_from) NONNULL;
void dgram_get(struct dgram_in *, unsigned i, struct dgram *out) NONNULL; /* i below what dgram_read said */
unsigned dgram_batch(const struct dgram_in *) NONNULL;

struct dgram_out;
struct dgram_out *dgram_out_new(unsigned batch) WUNUSED;
void dgram_out_free(struct dgram_out **) NONNULL;
/* dgram_send queues a datagram (copied); |to| NULL: the socket is connected; |local|: answer from this address, NULL
 * any.  Flushes first when full. */
void dgram_send(struct dgram_out *, int fd, const struct addr *to, const struct addr *local, uint32_t ifindex,
	const uint8_t *msg, size_t len);
/* dgram_room queues a datagram of |len| bytes, to be filled by the caller before the next call. */
uint8_t *dgram_room(struct dgram_out *, int fd, const struct addr *to, const struct addr *local, uint32_t ifindex,
	size_t len);
void dgram_flush(struct dgram_out *) NONNULL;
void dgram_forget(struct dgram_out *, int fd) NONNULL; /* before closing |fd|: flushes */
uint64_t dgram_errors(const struct dgram_out *) NONNULL; /* datagrams that could not be sent */

/* ---- stream.c: two-byte length framing (RFC 1035 4.2.2) over a byte stream ---- */
/* frame_next: the first whole message in |p|: 1 and its place, 0 when more bytes are needed, -EBADMSG for a length
 * below a DNS header.  Pure. */
int frame_next(const uint8_t *p, size_t len, const uint8_t **msg_r, size_t *msg_len_r) WUNUSED NONNULL;
/* A queue of bytes: grows, gives its memory back when empty. */
struct bytes {
	uint8_t *p;
	uint32_t at, len, cap; /* |len| bytes from p + at; up to 1 GB */
};
int bytes_add(struct bytes *, const void *p, size_t len) WUNUSED; /* 0 or -ENOMEM */
int bytes_add_frame(struct bytes *, const uint8_t *msg, size_t len) WUNUSED NONNULL;
void bytes_drop(struct bytes *, size_t n) NONNULL; /* from the front */
void bytes_free(struct bytes *) NONNULL;

/* ---- proxyv2.c: the PROXY protocol, version 2 ---- */
struct proxy_tlv {
	uint8_t type;
	uint16_t len;
	const uint8_t *data;
};
enum { PROXY_HEADER = 16, PROXY_TLVS = 16 };
struct proxy {
	bool local;       /* LOCAL command: no addresses */
	bool stream;
	struct addr source, destination;
	struct proxy_tlv tlv[PROXY_TLVS];
	unsigned tlvs;
};
/* proxy_parse: bytes used (> 0), 0 when more are needed, -EBADMSG.  |max|: largest payload after the fixed part.
 * TLV data points into |p|. */
ssize_t proxy_parse(struct proxy *, const uint8_t *p, size_t len, size_t max) WUNUSED NONNULL;
ssize_t proxy_build(const struct proxy *, uint8_t *out, size_t cap) WUNUSED NONNULL; /* length or -ENOBUFS */

#endif
