/* test_daemon.c: the whole daemon in this process: start, queries over UDP and TCP, a reload, stop, with every allocation
 * failing once. */
#include "fail_help.h"

#include "../unit/daemon/daemon_help.h"
#include "bind.h"

static uint16_t back_port, front_port;
static int back_udp, back_tcp;

/* The file: two backends, one of them checked; a cache; a rule in Lua. */
static struct conf *load(const char *path, const char *text, const struct host *host, const char **error_r)
{
	char config[1024];

	(void)path;
	(void)text;
	snprintf(config, sizeof(config),
		"setWorkerLayout('collapsed') setRingBuffersSize(100) setMaxTCPConnectionsPerClient(5)\n"
		"setLocal('127.0.0.1:%u')\n"
		"newServer{address='127.0.0.1:%u', name='a', healthCheckMode='up', sockets=2, udpTimeout=1, tcpRecvTimeout=1}\n"
		"newServer{address='127.0.0.1:%u', name='b', pool='p', checkTimeout=500}\n"
		"getPool(''):setCache(newPacketCache(100))\n"
		"addAction('lua.example', LuaAction(function(dq) return DNSAction.Refused end))\n",
		front_port, back_port, back_port);
	return bind_load("fail.conf", config, host, error_r);
}

static struct language real;

static unsigned long dry; /* in every turn the |dry|th allocation fails */

static void step(struct daemon *d)
{
	if (dry)
		mem_fail_at(dry);
	turn(d);
}

/* serve_backend answers whatever has come to the backend. */
static void serve_backend(struct daemon *d)
{
	static uint8_t msg[DNS_MAX + 2];
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	ssize_t n;
	int fd;

	while ((n = recvfrom(back_udp, msg, sizeof(msg), MSG_DONTWAIT, (struct sockaddr *)&from, &len)) >= DNS_HEADER) {
		dns_set_flags(msg, DNS_QR | DNS_RD | DNS_RA);
		(void)!sendto(back_udp, msg, (size_t)n, 0, (struct sockaddr *)&from, sizeof(from));
	}
	while ((fd = accept(back_tcp, NULL, NULL)) >= 0) {
		step(d);
		n = recv(fd, msg, sizeof(msg), MSG_DONTWAIT);
		if (n > DNS_HEADER + 2) {
			dns_set_flags(msg + 2, DNS_QR | DNS_RD | DNS_RA);
			(void)!send(fd, msg, (size_t)n, MSG_NOSIGNAL);
			step(d);
		}
		close(fd);
	}
}

/* port_at: where the daemon listens, 0: a failure left it without. */
static uint16_t port_at(const struct daemon *d, const struct front_ops *ops)
{
	const struct front *f = d->workers[0].lane.fronts;

	while (f && f->ops != ops)
		f = f->next;
	return f ? port_of(f->fd) : 0;
}

static void traffic(struct daemon *d)
{
	static const char *const names[] = {"www.example", "www.example", "lua.example"};
	uint8_t msg[512];
	struct sockaddr_in to = loopback(port_at(d, &front_tcp));
	int udp = other_udp(), tcp = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	(void)!connect(tcp, (struct sockaddr *)&to, sizeof(to));
	to = loopback(port_at(d, &front_udp));
	(void)!connect(udp, (struct sockaddr *)&to, sizeof(to));
	for (size_t i = 0; i < LEN(names); i++) {
		uint8_t frame[514];
		size_t len = make_query(msg, (uint16_t)i, names[i], QTYPE_A);

		(void)!send(udp, msg, len, MSG_NOSIGNAL);
		put16(frame, (unsigned)len);
		memcpy(frame + 2, msg, len);
		frame[2 + DNS_HEADER + 1] = 'x'; /* not in the cache */
		step(d);
		(void)!send(tcp, frame, len + 2, MSG_NOSIGNAL);
		for (int k = 0; k < 3; k++) {
			step(d);
			serve_backend(d);
		}
	}
	step(d);
	close(udp);
	close(tcp);
	pass(d, 500);
}

static void reload(struct daemon *d)
{
	const char *error = "";
	struct conf *c = daemon_load(d, &error);

	if (c && (conf_inherit(c, d->conf) < 0 || conf_freeze(c, &error) < 0))
		conf_free(&c);
	if (c)
		(void)daemon_install(d, c, &error);
	turn(d);
}

static unsigned long cycle(unsigned long n)
{
	const char *error = "";
	unsigned long made = mem_calls();
	struct daemon *d;
	uint64_t until;

	mem_fail_at(n);
	d = daemon_new(&no_options, "fail.conf", &real, &error);
	if (!d && (n == 0 || !error[0]))
		fail_msg("allocation %lu failed: no start: '%s'", n, error);
	if (d) {
		turn(d);
		serve_now(d);
		turn(d);
		traffic(d);
		reload(d);
		traffic(d);
		d->host.shutdown(d);
		turn(d);
	}
	mem_fail_at(0);
	made = mem_calls() - made;
	if (d) {
		until = 4000;
		while (d->workers[0].lane.core.parked && until) {
			pass(d, 250);
			until -= 250;
		}
		assert_int_equal(d->workers[0].lane.core.parked, 0);
		assert_true(n || d->workers[0].lane.counters.v[COUNTER_RESPONSES] == 12);
	}
	daemon_free(&d);
	return made;
}

static void every_one(void **state)
{
	(void)state;
	every_allocation(cycle);
}

/* Memory stays short for a while; when there is enough again, all is well again. */
static void drought(void **state)
{
	const char *error = "";
	struct daemon *d = daemon_new(&no_options, "fail.conf", &real, &error);

	(void)state;
	if (!d)
		fail_msg("%s", error);
	serve_now(d);
	turn(d);
	for (dry = 1; dry < 20; dry++) {
		traffic(d);
		mem_fail_at(dry);
		reload(d);
		traffic(d);
	}
	dry = 0;
	mem_fail_at(0);
	reload(d);
	pass(d, 5000);
	assert_int_equal(d->workers[0].lane.core.parked, 0);
	memset(&d->workers[0].lane.counters, 0, sizeof(d->workers[0].lane.counters));
	traffic(d);
	assert_int_equal(d->workers[0].lane.counters.v[COUNTER_RESPONSES], 6);
	daemon_free(&d);
}

static int setup(void **state)
{
	struct sockaddr_in a;
	int fd;

	for (unsigned tries = 0;; tries++) { /* a port that is free for UDP may be somebody's for TCP */
		back_udp = other_udp();
		back_port = port_of(back_udp);
		back_tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		a = loopback(back_port);
		if (bind(back_tcp, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(back_tcp, 64) == 0)
			break;
		close(back_udp);
		close(back_tcp);
		if (tries == 20)
			return -1;
	}
	fd = other_udp(); /* a port that is free now */
	front_port = port_of(fd);
	close(fd);
	real = bind_language;
	real.load = load;
	return quiet(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(every_one), cmocka_unit_test(drought)};

	return cmocka_run_group_tests_name("fail.daemon", tests, setup, NULL);
}
