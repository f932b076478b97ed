/* socket.c: sockets with the options that fronts and backs ask for. */
#include "net.h"
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#ifndef TCP_FASTOPEN_KEY
#define TCP_FASTOPEN_KEY 33
#endif

enum { BUFFER_MAX = 4 << 20 };

static int set(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) < 0 ? -errno : 0;
}

static void buffer(int fd, int name, int force, uint32_t bytes)
{
	uint32_t want = bytes ? bytes : BUFFER_MAX;
	int have = 0;
	socklen_t len = sizeof(have);

	if (set(fd, SOL_SOCKET, name, (int)want) == 0 && getsockopt(fd, SOL_SOCKET, name, &have, &len) == 0 &&
		(uint32_t)have / 2 >= want)
		return;
	(void)set(fd, SOL_SOCKET, force, (int)want); /* works with CAP_NET_ADMIN only */
}

void sock_buffers(int fd, uint32_t recv_bytes, uint32_t send_bytes)
{
	buffer(fd, SO_RCVBUF, SO_RCVBUFFORCE, recv_bytes);
	buffer(fd, SO_SNDBUF, SO_SNDBUFFORCE, send_bytes);
}

/* options sets what must be set before bind(). */
static int options(int fd, int family, const struct sock_opts *o)
{
	int err = 0;

	if (o->listener)
		err = set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (err == 0 && family == AF_INET6)
		err = set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	if (err == 0 && o->reuse_port)
		err = set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
	if (err == 0 && o->interface && o->interface[0] &&
		setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, o->interface, (socklen_t)strlen(o->interface)) < 0)
		err = -errno;
	if (err == 0 && o->pktinfo)
		err = family == AF_INET6 ? set(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1)
					 : set(fd, IPPROTO_IP, IP_PKTINFO, 1);
	if (err == 0 && o->dscp)
		err = family == AF_INET6 ? set(fd, IPPROTO_IPV6, IPV6_TCLASS, (int)(o->dscp << 2))
					 : set(fd, IPPROTO_IP, IP_TOS, (int)(o->dscp << 2));
	if (err == 0 && o->no_port && o->bind && family == AF_INET)
		err = set(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
	return err;
}

static int open_socket(int family, int type, const struct sock_opts *o)
{
	int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int err;

	if (fd < 0)
		return -errno;
	err = options(fd, family, o);
	if (err == 0 && o->bind && o->bind->family) {
		struct sockaddr_storage ss;
		socklen_t len = addr_to_sockaddr(o->bind, &ss);

		if (bind(fd, (struct sockaddr *)&ss, len) < 0)
			err = -errno;
	}
	if (err == 0)
		return fd;
	close(fd);
	return err;
}

int sock_udp(int family, const struct sock_opts *o)
{
	int fd = open_socket(family, SOCK_DGRAM, o);

	if (fd < 0)
		return fd;
	sock_buffers(fd, o->recv_buffer, o->send_buffer);
	/* answers larger than the path are fragmented, never refused, and path discovery is left alone */
	if (family == AF_INET)
		(void)set(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT);
	return fd;
}

int sock_listen(const struct addr *a, const struct sock_opts *o)
{
	struct sock_opts with = *o;
	int fd;

	with.bind = a;
	with.listener = true;
	fd = open_socket(a->family, SOCK_STREAM, &with);
	if (fd < 0)
		return fd;
	if (o->fast_open_queue)
		(void)set(fd, IPPROTO_TCP, TCP_FASTOPEN, (int)o->fast_open_queue);
	if (o->fast_open_queue && o->fast_open_key)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_KEY, o->fast_open_key, 16);
	(void)set(fd, IPPROTO_TCP, TCP_NODELAY, 1); /* inherited by what it accepts */
	if (listen(fd, o->backlog ? (int)o->backlog : SOMAXCONN) < 0) {
		int err = -errno;

		close(fd);
		return err;
	}
	return fd;
}

int sock_connect(const struct addr *to, const struct sock_opts *o)
{
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sockaddr(to, &ss);
	int fd = open_socket(to->family, SOCK_STREAM, o);

	if (fd < 0)
		return fd;
	(void)set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	if (o->fast_open)
		(void)set(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1);
	if (connect(fd, (struct sockaddr *)&ss, len) < 0 && errno != EINPROGRESS) {
		int err = -errno;

		close(fd);
		return err;
	}
	return fd;
}

int sock_error(int fd)
{
	int err = 0;
	socklen_t len = sizeof(err);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0)
		return -errno;
	return -err;
}

void sock_hush(int fd, int family)
{
	struct addr nobody = {.family = (uint16_t)family, .port = 9};
	struct sockaddr_storage ss;
	socklen_t len;

	nobody.ip[family == AF_INET ? 0 : 15] = family == AF_INET ? 127 : 1;
	nobody.ip[3] = family == AF_INET;
	len = addr_to_sockaddr(&nobody, &ss);
	(void)!connect(fd, (struct sockaddr *)&ss, len); /* where it fails, datagrams go unread for a while */
}

void sock_ack_now(int fd)
{
	(void)set(fd, IPPROTO_TCP, TCP_QUICKACK, 1);
}

void sock_local(int fd, struct addr *a)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	a->family = 0;
	if (getsockname(fd, (struct sockaddr *)&ss, &len) == 0)
		addr_from_sockaddr(a, (struct sockaddr *)&ss);
}
