/* The network between a forwarder and two upstreams: joins TUN devices of several network namespaces and gives delay,
 * loss, black holes and a stateful firewall that can forget its flows.
 *
 *   relay CLIENT_NS UPSTREAM_NS [UPSTREAM_NS]      descriptors of network namespaces, inherited
 *
 * Makes a device "wan" in each of them.  A packet of the client with destination 10.77.N.x goes to upstream N, a packet
 * of an upstream goes to the client.  Reads commands, a line each, and says "ok" when one is in force:
 *   delay USEC             one way, for packets that come from now on
 *   loss PERCENT           of the packets of each direction
 *   hole N on|off          nothing passes to or from upstream N; 0: all of them
 *   forget                 the firewall's table is emptied: only new TCP connections pass
 *   stats                  passed, lost, in a hole, of forgotten flows
 * It ends with its standard input. */
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { ENDS = 3, PACKET_BYTES = 1600, RING = 4096, FLOWS = 4096, MS_NS = 1000000 };

struct packet {
	uint64_t due_ns;
	int to;
	uint16_t bytes;
	uint8_t data[PACKET_BYTES];
};

struct flow { /* as the client sees it; all zero: free */
	uint32_t client, upstream;
	uint16_t client_port, upstream_port;
};

static int ends[ENDS], end_count; /* TUN devices; 0: the client's */
static bool hole[ENDS];
static unsigned loss_percent;
static uint64_t delay_ns = 10 * MS_NS;
static uint64_t passed, lost, holed, refused;
static struct packet ring[RING];
static unsigned ring_head, ring_count;
static struct flow flows[FLOWS];
static unsigned next_flow;

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* The same sequence each time: xorshift. */
static unsigned dice(void)
{
	static uint32_t x = 2463534242;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	return x % 100;
}

static void fatal(const char *what)
{
	fprintf(stderr, "relay: %s: %s\n", what, strerror(errno));
	exit(errno == EPERM || errno == EACCES || errno == ENOENT || errno == ENODEV ? 77 : 1);
}

static int open_device(const char *namespace_fd)
{
	struct ifreq request;
	int fd;

	if (setns(atoi(namespace_fd), CLONE_NEWNET))
		fatal("setns");
	fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		fatal("/dev/net/tun");
	memset(&request, 0, sizeof(request));
	request.ifr_flags = IFF_TUN | IFF_NO_PI;
	strcpy(request.ifr_name, "wan");
	if (ioctl(fd, TUNSETIFF, &request))
		fatal("TUNSETIFF");
	return fd;
}

/* False: a TCP packet of a flow that the firewall does not know. */
static bool firewall(const uint8_t *p, size_t bytes, bool from_client)
{
	size_t head = (size_t)(p[0] & 15) * 4;
	struct flow f;
	const uint8_t *source = p + 12, *target = p + 16, *tcp = p + head;
	unsigned i;

	if (p[9] != 6)
		return true;
	if (head < 20 || bytes < head + 20)
		return false;
	memset(&f, 0, sizeof(f));
	memcpy(&f.client, from_client ? source : target, 4);
	memcpy(&f.upstream, from_client ? target : source, 4);
	memcpy(&f.client_port, tcp + (from_client ? 0 : 2), 2);
	memcpy(&f.upstream_port, tcp + (from_client ? 2 : 0), 2);
	for (i = 0; i < FLOWS; i++) {
		if (!memcmp(&flows[i], &f, sizeof(f)))
			return true;
	}
	if (!from_client || (tcp[13] & 0x12) != 0x02) /* SYN without ACK */
		return false;
	flows[next_flow] = f;
	next_flow = (next_flow + 1) % FLOWS;
	return true;
}

/* Takes the packet that was read into the free slot, or leaves it there. */
static void judge(struct packet *p, int from)
{
	int upstream = from;

	if (p->bytes < 20 || p->data[0] >> 4 != 4)
		return;
	if (from == 0) {
		upstream = p->data[18];
		if (p->data[16] != 10 || p->data[17] != 77 || upstream < 1 || upstream >= end_count)
			return;
	}
	if (hole[upstream])
		holed++;
	else if (loss_percent && dice() < loss_percent)
		lost++;
	else if (!firewall(p->data, p->bytes, from == 0))
		refused++;
	else {
		p->to = from == 0 ? upstream : 0;
		p->due_ns = now_ns() + delay_ns;
		ring_count++;
		passed++;
	}
}

static void take(int from)
{
	while (ring_count < RING) {
		struct packet *p = &ring[(ring_head + ring_count) % RING];
		ssize_t n = read(ends[from], p->data, sizeof(p->data));

		if (n <= 0)
			return;
		p->bytes = (uint16_t)n;
		judge(p, from);
	}
}

/* Gives what is due; the nanoseconds until the next, -1: none.  The ring is in order, as the delay is one for all. */
static int64_t give(void)
{
	while (ring_count) {
		struct packet *p = &ring[ring_head];
		uint64_t now = now_ns();

		if (p->due_ns > now)
			return (int64_t)(p->due_ns - now);
		/* A device that is down refuses: the packet is gone, as on a link that is down. */
		if (write(ends[p->to], p->data, p->bytes) < 0)
			lost++;
		ring_head = (ring_head + 1) % RING;
		ring_count--;
	}
	return -1;
}

static void command(const char *line)
{
	unsigned number;
	char word[8];
	int i;

	if (sscanf(line, "delay %u", &number) == 1)
		delay_ns = (uint64_t)number * 1000;
	else if (sscanf(line, "loss %u", &number) == 1)
		loss_percent = number;
	else if (sscanf(line, "hole %u %7s", &number, word) == 2) {
		for (i = 1; i < ENDS; i++) {
			if (number == 0 || number == (unsigned)i)
				hole[i] = !strcmp(word, "on");
		}
	} else if (!strcmp(line, "forget"))
		memset(flows, 0, sizeof(flows));
	else if (!strcmp(line, "stats"))
		printf("%llu %llu %llu %llu ", (unsigned long long)passed, (unsigned long long)lost,
		       (unsigned long long)holed, (unsigned long long)refused);
	else
		printf("what? ");
	printf("ok\n");
	fflush(stdout);
}

static void commands(void)
{
	static char text[256];
	static size_t length;
	ssize_t n = read(0, text + length, sizeof(text) - length - 1);
	char *end;

	if (n <= 0)
		exit(0);
	length += (size_t)n;
	text[length] = 0;
	while ((end = strchr(text, '\n'))) {
		*end = 0;
		command(text);
		length -= (size_t)(end + 1 - text);
		memmove(text, end + 1, length + 1);
	}
	if (length == sizeof(text) - 1)
		exit(1);
}

int main(int argc, char **argv)
{
	struct pollfd polled[ENDS + 1];
	int i;

	end_count = argc - 1;
	if (end_count < 2 || end_count > ENDS) {
		fprintf(stderr, "usage: relay CLIENT_NS UPSTREAM_NS [UPSTREAM_NS]\n");
		return 2;
	}
	for (i = 0; i < end_count; i++) {
		ends[i] = open_device(argv[i + 1]);
		polled[i] = (struct pollfd){.fd = ends[i], .events = POLLIN};
	}
	polled[i] = (struct pollfd){.fd = 0, .events = POLLIN};
	printf("ok\n");
	fflush(stdout);
	for (;;) {
		int64_t wait_ns = give();
		struct timespec wait = {wait_ns / 1000000000, wait_ns % 1000000000};

		if (ppoll(polled, (nfds_t)end_count + 1, wait_ns < 0 ? NULL : &wait, NULL) < 0 && errno != EINTR)
			fatal("ppoll");
		for (i = 0; i < end_count; i++) {
			/* A device that is down says POLLERR all the time. */
			if (polled[i].revents & POLLERR)
				usleep(1000);
			if (polled[i].revents & (POLLIN | POLLERR))
				take(i);
		}
		if (polled[end_count].revents)
			commands();
	}
}
