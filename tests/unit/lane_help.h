/* lane_help.h: a lane for tests: real sockets on loopback, time set by hand, settings by their word, a client that
 * remembers what it was told. */
#ifndef TEST_LANE_HELP_H
#define TEST_LANE_HELP_H

#include "server/make.h"

#include "back.h"
#include "front.h"
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE_MS = 5000, LANE_CONNS = 64 };

struct world {
	struct lane lane;
	struct clients *clients;
	struct conf *conf; /* the lane's, borrowed */
	struct edge_ops edge;
};

/* ---- settings ---- */
static UNUSED void set_arg(struct conf *c, const char *word, const struct arg *a)
{
	const struct field *f = field_find(setting_fields, setting_field_count, word);
	const char *error = "";

	if (!f || field_set(f, &c->set, a, &error) < 0)
		fail_msg("%s: %s", word, f ? error : "no such setting");
}

static UNUSED void set_number(struct conf *c, const char *word, double n)
{
	const struct arg a = {.kind = ARG_NUM, .n = n};

	set_arg(c, word, &a);
}

static UNUSED void set_switch(struct conf *c, const char *word, bool on)
{
	const struct arg a = {.kind = ARG_BOOL, .b = on};

	set_arg(c, word, &a);
}

/* ---- a lane with a configuration of its own ---- */
static UNUSED struct conf *new_conf(void)
{
	const char *error = "";
	struct conf *c = conf_new(&error);

	assert_non_null(c);
	return c;
}

static UNUSED void use_conf(struct world *w, struct conf *c)
{
	const char *error = "";

	if (conf_freeze(c, &error) < 0)
		fail_msg("%s", error);
	w->conf = c;
	assert_int_equal(core_set_conf(&w->lane.core, c), 0);
}

static UNUSED void world_start(struct world *w, struct conf *c)
{
	memset(w, 0, sizeof(*w));
	w->clients = clients_new();
	assert_non_null(w->clients);
	w->edge.back = back_get;
	assert_int_equal(lane_init(&w->lane, 0, 16, 1000, &w->edge, w->clients), 0);
	use_conf(w, c);
}

static UNUSED void world_stop(struct world *w)
{
	mem_fail_at(0);
	lane_done(&w->lane);
	clients_free(&w->clients);
}

/* ---- time and turns: the clock moves by world_pass() only ---- */
static UNUSED void world_turn(struct world *w)
{
	struct loop *l = &w->lane.loop;

	l->fresh = true;
	event_base_loop(l->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
	wheel_run(&l->wheel, loop_ms(l));
	l->end(l->ctx);
}

static UNUSED void world_pass(struct world *w, uint64_t ms)
{
	struct loop *l = &w->lane.loop;

	/* in steps: deadlines that set deadlines fire in their order */
	for (uint64_t step; ms; ms -= step) {
		step = ms > 250 ? 250 : ms;
		loop_set_time(l, l->now_us + step * 1000);
		l->wall_ms += step;
		core_set_time(&w->lane.core, l->now_us, l->wall_ms);
		world_turn(w);
	}
}

static UNUSED bool real_time_left(uint64_t *until_ms)
{
	struct timespec ts;
	uint64_t now;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	now = (uint64_t)ts.tv_sec * 1000u + (uint64_t)ts.tv_nsec / 1000000u;
	if (*until_ms == 0)
		*until_ms = now + PATIENCE_MS;
	else
		usleep(500);
	return now < *until_ms;
}

/* UNTIL turns the lane until |cond| holds; what the kernel does takes real time. */
#define UNTIL(w, cond)                                                                                                 \
	do {                                                                                                           \
		uint64_t until_ms_ = 0;                                                                                \
		bool holds_;                                                                                           \
		do {                                                                                                   \
			world_turn(w);                                                                                 \
			holds_ = (cond);                                                                               \
		} while (!holds_ && real_time_left(&until_ms_));                                                       \
		if (!holds_)                                                                                           \
			fail_msg("%s:%d: never: %s", __FILE__, __LINE__, #cond);                                       \
	} while (0)

static UNUSED uint64_t reasons(const struct world *w, enum reason why)
{
	return w->lane.counters.reason[why];
}

/* ---- messages ---- */
static UNUSED size_t make_query(uint8_t *msg, uint16_t id, const char *name, unsigned qtype)
{
	struct name n;

	assert_int_equal(name_from_text(&n, name, strlen(name)), 0);
	memset(msg, 0, DNS_HEADER);
	put16(msg, id);
	dns_set_flags(msg, DNS_RD);
	dns_set_count(msg, SECTION_QUESTION, 1);
	memcpy(msg + DNS_HEADER, n.wire, n.len);
	put16(msg + DNS_HEADER + n.len, qtype);
	put16(msg + DNS_HEADER + n.len + 2, CLASS_IN);
	return DNS_HEADER + n.len + 4u;
}

/* ---- sockets of the other side ---- */
static UNUSED struct sockaddr_in loopback(uint16_t port)
{
	return (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static UNUSED uint16_t port_of(int fd)
{
	struct sockaddr_in a;
	socklen_t len = sizeof(a);

	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	return ntohs(a.sin_port);
}

static UNUSED int other_udp(void)
{
	struct sockaddr_in a = loopback(0);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

static UNUSED int other_listen(void)
{
	struct sockaddr_in a = loopback(0);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(fd, 64), 0);
	return fd;
}

static UNUSED int other_connect(int type, uint16_t port)
{
	struct sockaddr_in a = loopback(port);
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0), on = 1;

	assert_true(fd >= 0);
	if (type == SOCK_STREAM)
		assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

static UNUSED bool is_readable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, 0) > 0;
}

/* is_closed: did the daemon close, with nothing more to read? */
static UNUSED bool is_closed(int fd)
{
	char c;

	return is_readable(fd) && recv(fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) <= 0;
}

static UNUSED void write_frame(int fd, const uint8_t *msg, size_t len)
{
	uint8_t out[DNS_MAX + 2];

	put16(out, (unsigned)len);
	memcpy(out + 2, msg, len);
	assert_int_equal(send(fd, out, len + 2, MSG_NOSIGNAL), len + 2);
}

/* read_frame takes one whole message that is there or on its way, turning the lane; its length, 0 when it closed. */
static UNUSED size_t read_frame(struct world *w, int fd, uint8_t *msg)
{
	uint8_t head[2];
	size_t want = 2, at = 0;
	uint8_t *to = head;

	for (;;) {
		ssize_t n;

		UNTIL(w, is_readable(fd));
		n = recv(fd, to + at, want - at, MSG_DONTWAIT);
		if (n <= 0)
			return 0;
		at += (size_t)n;
		if (at < want)
			continue;
		if (to == msg)
			return want;
		want = get16(head);
		to = msg;
		at = 0;
	}
}

#endif
