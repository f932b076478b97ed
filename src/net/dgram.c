/* dgram.c: datagrams in batches: one recvmmsg per wake-up, one sendmmsg per socket.
 *
 * One batch of each direction per worker, shared by all its sockets: a turn reads, runs what it read, and sends. */
#include "net.h"
#include "mem.h"
#include <netinet/in.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103 /* linux/udp.h, not in every libc */
#endif

/* A run: datagrams of one length, shorter than RUN_LEN, that the kernel takes as one. */
enum { RUN_LEN = 512, RUN_MAX = 64 };
enum { CONTROL = CMSG_SPACE(sizeof(struct in6_pktinfo)), OUT_BYTES = 128 << 10 };

union sock {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

/* What the header of a datagram points at; the headers themselves stand in a row for the kernel. */
struct slot {
	struct iovec iov;
	union sock peer;
	int fd; /* out: where it goes */
	_Alignas(struct cmsghdr) uint8_t control[CONTROL];
};

struct dgram_in {
	unsigned batch, dirty; /* dirty: headers that the kernel wrote to */
	bool pktinfo, from;
	uint8_t *bytes;        /* batch × DGRAM_MAX; pages are touched as datagrams come */
	struct mmsghdr *hdr;
	struct slot *slot;
};

static bool slots_new(struct slot **slot, struct mmsghdr **hdr, unsigned n)
{
	*slot = mem_zalloc(n * sizeof(**slot));
	*hdr = mem_zalloc(n * sizeof(**hdr));
	for (unsigned i = 0; *slot && *hdr && i < n; i++) {
		(*hdr)[i].msg_hdr.msg_iov = &(*slot)[i].iov;
		(*hdr)[i].msg_hdr.msg_iovlen = 1;
	}
	return *slot && *hdr;
}

struct dgram_in *dgram_in_new(unsigned batch, bool pktinfo)
{
	struct dgram_in *in = mem_zalloc(sizeof(*in));

	if (!in)
		return NULL;
	in->batch = in->dirty = batch;
	in->pktinfo = pktinfo;
	in->bytes = mem_alloc((size_t)batch * DGRAM_MAX);
	if (!slots_new(&in->slot, &in->hdr, batch) || !in->bytes) {
		dgram_in_free(&in);
		return NULL;
	}
	for (unsigned i = 0; i < batch; i++)
		in->slot[i].iov = (struct iovec){in->bytes + (size_t)i * DGRAM_MAX, DGRAM_MAX};
	return in;
}

void dgram_in_free(struct dgram_in **p)
{
	struct dgram_in *in = *p;

	*p = NULL;
	if (!in)
		return;
	mem_free(in->bytes);
	mem_free(in->hdr);
	mem_free(in->slot);
	mem_free(in);
}

unsigned dgram_batch(const struct dgram_in *in)
{
	return in->batch;
}

/* rearm puts back what the kernel changes: lengths of names and control data. */
static void rearm(struct dgram_in *in, bool want_from)
{
	if (want_from != in->from) {
		in->from = want_from;
		in->dirty = in->batch;
	}
	for (unsigned i = 0; i < in->dirty; i++) {
		struct msghdr *h = &in->hdr[i].msg_hdr;

		h->msg_name = want_from ? &in->slot[i].peer : NULL;
		h->msg_namelen = want_from ? sizeof(in->slot[i].peer) : 0;
		h->msg_control = want_from && in->pktinfo ? in->slot[i].control : NULL;
		h->msg_controllen = want_from && in->pktinfo ? CONTROL : 0;
	}
	in->dirty = 0;
}

int dgram_read(struct dgram_in *in, int fd, bool want_from)
{
	int n;

	rearm(in, want_from);
	do
		n = recvmmsg(fd, in->hdr, in->batch, MSG_DONTWAIT, NULL);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	in->dirty = (unsigned)n;
	return n;
}

static void read_control(struct msghdr *h, struct dgram *d)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			struct in_pktinfo info;

			memcpy(&info, CMSG_DATA(c), sizeof(info));
			d->to.family = AF_INET;
			memcpy(d->to.ip, &info.ipi_addr, 4);
			d->ifindex = (uint32_t)info.ipi_ifindex;
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			struct in6_pktinfo info;

			memcpy(&info, CMSG_DATA(c), sizeof(info));
			d->to.family = AF_INET6;
			memcpy(d->to.ip, &info.ipi6_addr, 16);
			d->ifindex = info.ipi6_ifindex;
		}
	}
}

static inline void read_peer(struct addr *from, const union sock *s)
{
	if (s->sa.sa_family == AF_INET) {
		*from = (struct addr){.family = AF_INET, .port = get16((const uint8_t *)&s->in.sin_port)};
		memcpy(from->ip, &s->in.sin_addr, 4);
	} else {
		addr_from_sockaddr(from, &s->sa);
	}
}

void dgram_get(struct dgram_in *in, unsigned i, struct dgram *d)
{
	struct mmsghdr *m = &in->hdr[i];
	const struct slot *slot = &in->slot[i];

	d->msg = slot->iov.iov_base;
	d->len = m->msg_len;
	d->truncated = m->msg_hdr.msg_flags & MSG_TRUNC;
	d->ifindex = 0;
	d->to.family = 0;
	if (!in->from)
		return;
	read_peer(&d->from, &slot->peer);
	if (in->pktinfo && m->msg_hdr.msg_controllen) {
		memset(&d->to, 0, sizeof(d->to));
		read_control(&m->msg_hdr, d);
	}
}

/* ---- out ---- */
struct dgram_out {
	unsigned batch, n;
	bool mixed; /* more than one socket is queued */
	size_t used;
	uint64_t errors;
	uint8_t *bytes;
	struct mmsghdr *hdr, *sorted;
	struct slot *slot;
	struct iovec *run; /* what the runs of |sorted| consist of */
	enum { RUNS_UNKNOWN, RUNS_YES, RUNS_NO } runs; /* does the kernel take them? */
};

struct dgram_out *dgram_out_new(unsigned batch)
{
	struct dgram_out *o = mem_zalloc(sizeof(*o));

	if (!o)
		return NULL;
	o->batch = batch;
	o->bytes = mem_alloc(OUT_BYTES);
	o->sorted = mem_zalloc(batch * sizeof(*o->sorted));
	o->run = mem_zalloc(batch * sizeof(*o->run));
	if (!slots_new(&o->slot, &o->hdr, batch) || !o->bytes || !o->sorted || !o->run)
		dgram_out_free(&o);
	return o;
}

void dgram_out_free(struct dgram_out **p)
{
	struct dgram_out *o = *p;

	*p = NULL;
	if (!o)
		return;
	mem_free(o->bytes);
	mem_free(o->hdr);
	mem_free(o->sorted);
	mem_free(o->slot);
	mem_free(o->run);
	mem_free(o);
}

uint64_t dgram_errors(const struct dgram_out *o)
{
	return o->errors;
}

/* write_control says from which address and interface the datagram leaves.  Not inline: few sockets need it. */
static __attribute__((noinline)) size_t write_control(uint8_t *control, const struct addr *local, uint32_t ifindex)
{
	struct cmsghdr *c = (struct cmsghdr *)(void *)control;

	memset(control, 0, CONTROL);
	if (local->family == AF_INET6) {
		struct in6_pktinfo info = {.ipi6_ifindex = ifindex};

		memcpy(&info.ipi6_addr, local->ip, 16);
		c->cmsg_level = IPPROTO_IPV6;
		c->cmsg_type = IPV6_PKTINFO;
		c->cmsg_len = CMSG_LEN(sizeof(info));
		memcpy(CMSG_DATA(c), &info, sizeof(info));
		return CMSG_SPACE(sizeof(info));
	}
	struct in_pktinfo info = {.ipi_ifindex = 0};

	memcpy(&info.ipi_spec_dst, local->ip, 4);
	c->cmsg_level = IPPROTO_IP;
	c->cmsg_type = IP_PKTINFO;
	c->cmsg_len = CMSG_LEN(sizeof(info));
	memcpy(CMSG_DATA(c), &info, sizeof(info));
	return CMSG_SPACE(sizeof(info));
}

static socklen_t write_peer(union sock *s, const struct addr *to)
{
	if (to->family == AF_INET6) {
		s->in6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_scope_id = to->scope};
		put16((uint8_t *)&s->in6.sin6_port, to->port);
		memcpy(&s->in6.sin6_addr, to->ip, 16);
		return sizeof(s->in6);
	}
	s->in = (struct sockaddr_in){.sin_family = AF_INET};
	put16((uint8_t *)&s->in.sin_port, to->port);
	memcpy(&s->in.sin_addr, to->ip, 4);
	return sizeof(s->in);
}

uint8_t *dgram_room(struct dgram_out *o, int fd, const struct addr *to, const struct addr *local, uint32_t ifindex,
	size_t len)
{
	struct slot *slot;
	struct msghdr *h;

	must(len <= OUT_BYTES);
	if (o->n == o->batch || o->used + len > OUT_BYTES)
		dgram_flush(o);
	slot = &o->slot[o->n];
	h = &o->hdr[o->n++].msg_hdr;
	slot->fd = fd;
	o->mixed |= o->slot[0].fd != fd;
	slot->iov = (struct iovec){o->bytes + o->used, len};
	o->used += len;
	h->msg_name = to ? &slot->peer : NULL;
	h->msg_namelen = to ? write_peer(&slot->peer, to) : 0;
	h->msg_control = local ? slot->control : NULL;
	h->msg_controllen = local ? write_control(slot->control, local, ifindex) : 0;
	return slot->iov.iov_base;
}

void dgram_send(struct dgram_out *o, int fd, const struct addr *to, const struct addr *local, uint32_t ifindex,
	const uint8_t *msg, size_t len)
{
	copy_short(dgram_room(o, fd, to, local, ifindex, len), msg, len);
}

/* ---- runs ----
 * Datagrams of one length on a connected socket leave as one, which the kernel cuts up as late as it can: the way down
 * its stack is gone once for all of them.  Answers to clients are left alone: nearly each has a destination of its own. */
static bool runs_known(struct dgram_out *o, int fd)
{
	int size;
	socklen_t len = sizeof(size);

	if (o->runs == RUNS_UNKNOWN) /* kernels before 4.18 would send the run as one long datagram */
		o->runs = getsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &size, &len) == 0 ? RUNS_YES : RUNS_NO;
	return o->runs == RUNS_YES;
}

static bool may_run(size_t len)
{
	return len > 0 && len < RUN_LEN;
}

/* run_add: the second datagram says how long each is, where those to clients say whence they leave. */
static void run_add(struct msghdr *h, struct iovec *datagram)
{
	uint8_t *control = container_of(datagram, struct slot, iov)->control;
	struct cmsghdr *c = (struct cmsghdr *)(void *)control;
	uint16_t size = (uint16_t)datagram->iov_len;

	h->msg_iov[h->msg_iovlen++] = *datagram;
	if (h->msg_iovlen != 2)
		return;
	memset(control, 0, CMSG_SPACE(sizeof(size)));
	c->cmsg_level = IPPROTO_UDP;
	c->cmsg_type = UDP_SEGMENT;
	c->cmsg_len = CMSG_LEN(sizeof(size));
	memcpy(CMSG_DATA(c), &size, sizeof(size));
	h->msg_control = control;
	h->msg_controllen = CMSG_SPACE(sizeof(size));
}

/* make_runs turns the first |n| of |sorted|, all of one connected socket, into fewer, in place; how many. */
static unsigned make_runs(struct dgram_out *o, unsigned n)
{
	uint16_t left[RUN_LEN] = {0}; /* datagrams of that length to come */
	uint16_t run[RUN_LEN];        /* where the run of that length stands */
	struct iovec *room = o->run;
	unsigned made = 0;

	for (unsigned i = 0; i < n; i++) {
		size_t len = o->sorted[i].msg_hdr.msg_iov->iov_len;

		if (may_run(len)) {
			left[len]++;
			run[len] = UINT16_MAX;
		}
	}
	for (unsigned i = 0; i < n; i++) {
		struct iovec *datagram = o->sorted[i].msg_hdr.msg_iov;
		size_t len = datagram->iov_len;
		struct msghdr *h;

		if (!may_run(len)) {
			o->sorted[made++] = o->sorted[i];
			continue;
		}
		if (run[len] == UINT16_MAX || o->sorted[run[len]].msg_hdr.msg_iovlen == RUN_MAX) {
			h = &o->sorted[made].msg_hdr;
			*h = o->sorted[i].msg_hdr;
			h->msg_iov = room;
			h->msg_iovlen = 0;
			room += left[len] < RUN_MAX ? left[len] : RUN_MAX;
			run[len] = (uint16_t)made++;
		}
		left[len]--;
		run_add(&o->sorted[run[len]].msg_hdr, datagram);
	}
	return made;
}

static void send_all(struct dgram_out *o, int fd, struct mmsghdr *m, unsigned n);

/* send_singly sends what the kernel refused as a run, and makes none any more if that was the reason. */
static void send_singly(struct dgram_out *o, int fd, const struct msghdr *run, int err)
{
	if (err == EINVAL || err == EIO)
		o->runs = RUNS_NO;
	for (size_t i = 0; i < (size_t)run->msg_iovlen; i++) { /* an int in musl */
		struct mmsghdr one = {.msg_hdr = {.msg_iov = &run->msg_iov[i], .msg_iovlen = 1}};

		send_all(o, fd, &one, 1);
	}
}

/* send_all sends |n| datagrams on one socket; one that the kernel refuses is skipped and counted. */
static void send_all(struct dgram_out *o, int fd, struct mmsghdr *m, unsigned n)
{
	unsigned at = 0, again = 0;

	while (at < n) {
		int sent = sendmmsg(fd, m + at, n - at, MSG_DONTWAIT);

		if (sent > 0) {
			at += (unsigned)sent;
			again = 0;
		} else if (errno == EINTR || (errno == ECONNREFUSED && again++ == 0)) {
			continue; /* the error was about an earlier datagram */
		} else {
			if (m[at].msg_hdr.msg_iovlen > 1)
				send_singly(o, fd, &m[at].msg_hdr, errno);
			else
				o->errors++;
			at++;
			again = 0;
		}
	}
}

/* send_sorted sends socket by socket. */
static void send_sorted(struct dgram_out *o)
{
	unsigned left = o->n;

	while (left) {
		int fd = -1;
		unsigned n = 0;

		for (unsigned i = 0; i < o->n; i++) {
			if (o->slot[i].fd < 0 || (fd >= 0 && o->slot[i].fd != fd))
				continue;
			fd = o->slot[i].fd;
			o->slot[i].fd = -1;
			o->sorted[n++] = o->hdr[i];
		}
		left -= n;
		if (n > 1 && !o->sorted[0].msg_hdr.msg_name && runs_known(o, fd))
			n = make_runs(o, n);
		send_all(o, fd, o->sorted, n);
	}
}

void dgram_flush(struct dgram_out *o)
{
	if (o->n == 0)
		return;
	if (o->mixed || !o->hdr[0].msg_hdr.msg_name)
		send_sorted(o);
	else
		send_all(o, o->slot[0].fd, o->hdr, o->n);
	o->n = 0;
	o->used = 0;
	o->mixed = false;
}

void dgram_forget(struct dgram_out *o, int fd)
{
	(void)fd;
	dgram_flush(o);
}
