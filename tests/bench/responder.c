/* responder.c: a DNS server that costs next to nothing, so that what is measured is the proxy before it.
 * Answers every query, over UDP and TCP on one port, with one A record of TTL 3600.
 *   cc -O2 -o responder responder.c && ./responder 127.0.0.1 5310 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BATCH = 64, QUERY_MAX = 4096, CONN_MAX = 65536, CONN_BUF = 8192, HEADER = 12, BACKLOG = 1024 };

static const uint8_t record[] = {0xc0, HEADER, 0, 1, 0, 1, 0, 0, 0x0e, 0x10, 0, 4, 192, 0, 2, 1};

struct conn {
	size_t have;
	uint8_t in[CONN_BUF];
};
static struct conn *conns[CONN_MAX]; /* by descriptor */
static int epoll_fd, udp_fd, tcp_fd;

/* Turns the query at |msg| into its answer in place; returns its length, 0 when it is no query. */
static size_t answer(uint8_t *msg, size_t len, size_t cap)
{
	size_t at = HEADER;

	if (len < HEADER + 5 || msg[2] & 0x80)
		return 0;
	while (at < len && msg[at])
		at += msg[at] + 1u;
	at += 5; /* the root label, type, class */
	if (at > len || at + sizeof(record) > cap)
		return 0;
	msg[2] = 0x80 | (msg[2] & 0x79); /* QR; opcode and RD as asked */
	msg[3] = 0x80;                   /* RA */
	msg[6] = 0;
	msg[7] = 1;
	memset(msg + 8, 0, 4);
	memcpy(msg + at, record, sizeof(record));
	return at + sizeof(record);
}

static void watch(int fd)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.fd = fd};

	epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &ev);
}

static void conn_close(int fd)
{
	free(conns[fd]);
	conns[fd] = NULL;
	close(fd);
}

static void conn_accept(void)
{
	int one = 1, fd = accept4(tcp_fd, NULL, NULL, SOCK_NONBLOCK);

	if (fd < 0)
		return;
	if (fd >= CONN_MAX || !(conns[fd] = calloc(1, sizeof(**conns)))) {
		close(fd);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	watch(fd);
}

/* Answers the whole messages in |c|'s buffer to |out|; returns how much of |out| was used. */
static size_t conn_answer(struct conn *c, uint8_t *out, size_t cap)
{
	size_t at = 0, used = 0;

	while (c->have - at >= 2) {
		size_t len = (size_t)c->in[at] << 8 | c->in[at + 1], n;

		if (c->have - at < len + 2 || used + 2 + len + sizeof(record) > cap)
			break;
		memcpy(out + used + 2, c->in + at + 2, len);
		n = answer(out + used + 2, len, cap - used - 2);
		if (n) {
			out[used] = (uint8_t)(n >> 8);
			out[used + 1] = (uint8_t)n;
			used += n + 2;
		}
		at += len + 2;
	}
	memmove(c->in, c->in + at, c->have - at);
	c->have -= at;
	return used;
}

static void conn_serve(int fd)
{
	static uint8_t out[1 << 16];
	struct conn *c = conns[fd];
	ssize_t n = read(fd, c->in + c->have, sizeof(c->in) - c->have);
	size_t len;

	if (n <= 0) {
		if (n == 0 || (errno != EAGAIN && errno != EINTR))
			conn_close(fd);
		return;
	}
	c->have += (size_t)n;
	len = conn_answer(c, out, sizeof(out));
	for (size_t sent = 0; sent < len;) {
		n = write(fd, out + sent, len - sent);
		if (n < 0 && errno != EAGAIN) {
			conn_close(fd);
			return;
		}
		if (n > 0)
			sent += (size_t)n;
	}
}

static void udp_send(struct mmsghdr *out, unsigned count)
{
	while (count) {
		int n = sendmmsg(udp_fd, out, count, 0);

		if (n < 0 && errno == EAGAIN)
			continue;
		if (n <= 0)
			return;
		out += n;
		count -= (unsigned)n;
	}
}

static void udp_serve(void)
{
	static uint8_t bufs[BATCH][QUERY_MAX];
	static struct sockaddr_storage peers[BATCH];
	static struct iovec iov[BATCH];
	static struct mmsghdr in[BATCH], out[BATCH];
	unsigned answers = 0;
	int got;

	for (int i = 0; i < BATCH; i++) {
		iov[i] = (struct iovec){bufs[i], QUERY_MAX};
		in[i].msg_hdr = (struct msghdr){.msg_name = &peers[i], .msg_namelen = sizeof(peers[i]),
			.msg_iov = &iov[i], .msg_iovlen = 1};
	}
	got = recvmmsg(udp_fd, in, BATCH, 0, NULL);
	for (int i = 0; i < got; i++) {
		size_t len = answer(bufs[i], in[i].msg_len, QUERY_MAX);

		if (!len)
			continue;
		iov[i].iov_len = len;
		out[answers++] = in[i];
	}
	udp_send(out, answers);
}

static int open_sockets(const char *ip, unsigned port)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	int one = 1, bytes = 8 << 20;

	if (inet_pton(AF_INET, ip, &sa.sin_addr) != 1) {
		errno = EINVAL;
		return -1;
	}
	epoll_fd = epoll_create1(0);
	udp_fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	tcp_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (epoll_fd < 0 || udp_fd < 0 || tcp_fd < 0)
		return -1;
	setsockopt(udp_fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	setsockopt(tcp_fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(udp_fd, (struct sockaddr *)&sa, sizeof(sa)) || bind(tcp_fd, (struct sockaddr *)&sa, sizeof(sa)))
		return -1;
	return listen(tcp_fd, BACKLOG);
}

int main(int argc, char **argv)
{
	struct epoll_event ready[BATCH];

	if (open_sockets(argc > 1 ? argv[1] : "127.0.0.1", argc > 2 ? (unsigned)atoi(argv[2]) : 5310)) {
		perror("responder");
		return 1;
	}
	watch(udp_fd);
	watch(tcp_fd);
	for (;;) {
		int n = epoll_wait(epoll_fd, ready, BATCH, -1);

		for (int i = 0; i < n; i++) {
			int fd = ready[i].data.fd;

			if (fd == tcp_fd)
				conn_accept();
			else if (fd == udp_fd)
				udp_serve();
			else if (conns[fd])
				conn_serve(fd);
		}
	}
}
