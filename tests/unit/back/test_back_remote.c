/* test_back_remote.c: a backend that lives on another worker: queries travel there and replies back, by letters. */
#include "back_help.h"

int test_back_remote(void);

static struct world w;       /* the query's worker */
static struct world far;     /* the backend's home; no configuration of its own is looked at */
static int remote;
static uint8_t msg[DNS_MAX];

static struct lane *home(struct lane *lane, const struct server *s, bool stream)
{
	(void)lane;
	(void)s;
	(void)stream;
	return &far.lane;
}

static void begin(bool stream, const char *options)
{
	remote = stream ? other_listen() : other_udp();
	start_with(&w, new_conf(), port_of(remote), options);
	w.edge.back = back_get_home;
	w.lane.home = home;
	world_start(&far, new_conf());
}

static void finish(void)
{
	world_stop(&w);
	world_stop(&far);
	assert_int_equal(atomic_load(&server->outstanding), 0);
	assert_int_equal(atomic_load(&server->refs), 1); /* no letter kept it */
	server_free(&server);
	close(remote);
}

static int other_tcp_at(uint16_t port)
{
	struct sockaddr_in a = loopback(port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1;

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(fd, 64), 0);
	return fd;
}

static bool turns(struct world *a)
{
	world_turn(&far);
	world_turn(a);
	return true;
}

static void udp(void **state)
{
	struct sockaddr_in from;
	socklen_t flen = sizeof(from);
	ssize_t n;

	(void)state;
	begin(false, "");
	ask(&w, 1, QTYPE_A, false);
	assert_int_equal(atomic_load(&server->outstanding), 1);
	UNTIL(&far, is_readable(remote));
	n = recvfrom(remote, msg, sizeof(msg), 0, (struct sockaddr *)&from, &flen);
	make_reply(msg);
	assert_int_equal(sendto(remote, msg, (size_t)n, 0, (struct sockaddr *)&from, sizeof(from)), n);
	UNTIL(&w, turns(&w) && ended == 1);
	assert_int_equal(told[1].rcode, RCODE_NOERROR);
	assert_int_equal(count(&server->queries), 1);
	assert_int_equal(count(&server->responses), 1);
	finish();
}

static void tcp(void **state)
{
	int fd;

	(void)state;
	begin(true, "");
	for (uint16_t i = 0; i < 20; i++)
		ask(&w, i, QTYPE_A, true);
	fd = accepts(&far, remote);
	for (uint16_t i = 0; i < 20; i++)
		serves(&far, fd);
	UNTIL(&w, turns(&w) && ended == 20);
	assert_int_equal(count(&server->tcp_new_connections), 1);
	close(fd);
	finish();
}

/* The connection is lost at home: tried again there, as often as the backend's retries say; then the query's own
 * worker hears of it. */
static void lost(void **state)
{
	unsigned seen = 0;

	(void)state;
	begin(true, "retries=2");
	ask(&w, 1, QTYPE_A, true);
	while (!ended) {
		int fd = accepts(&far, remote);

		UNTIL(&far, is_readable(fd) || is_closed(fd));
		close(fd);
		assert_true(++seen < 20);
		for (int i = 0; i < 40; i++) { /* paced: 8 ms each */
			world_pass(&far, 8);
			turns(&w);
		}
	}
	assert_int_equal(told[1].rcode, RCODE_SERVFAIL);
	assert_true(seen >= 2 && reasons(&w, REASON_CONNECTION_LOST) >= 1);
	finish();
}

/* Nobody answers at home: as nobody else is there it waits until its deadline. */
static void silent(void **state)
{
	int fd;

	(void)state;
	begin(true, "tcpRecvTimeout=5");
	close(remote);
	remote = other_listen();
	ask(&w, 1, QTYPE_A, true);
	for (int i = 0; i < 300; i++) {
		world_pass(&far, 8);
		turns(&w);
	}
	assert_int_equal(ended, 0);
	assert_true(reasons(&far, REASON_CONNECT_FAILED) > 5);
	close(remote);
	remote = other_tcp_at(server->addr.port);
	while ((fd = accept(remote, NULL, NULL)) < 0) {
		world_pass(&far, 8);
		turns(&w);
	}
	serves(&far, fd);
	UNTIL(&w, turns(&w) && ended == 1);
	assert_int_equal(told[1].rcode, RCODE_NOERROR);
	close(fd);
	finish();
}

/* The query ended before its reply came back. */
static void too_late(void **state)
{
	struct sockaddr_in from;
	socklen_t flen = sizeof(from);
	ssize_t n;

	(void)state;
	begin(false, "udpTimeout=1");
	ask(&w, 1, QTYPE_A, false);
	UNTIL(&far, is_readable(remote));
	n = recvfrom(remote, msg, sizeof(msg), 0, (struct sockaddr *)&from, &flen);
	world_pass(&w, 1500);
	assert_true(told[1].dropped);
	make_reply(msg);
	assert_int_equal(sendto(remote, msg, (size_t)n, 0, (struct sockaddr *)&from, sizeof(from)), n);
	UNTIL(&far, far.lane.core.parked == 0);
	world_turn(&w);
	assert_int_equal(ended, 1);
	finish();
}

/* Either worker may end first, with queries on the way there, at home, and on the way back. */
static void ends_under_way(void **state)
{
	(void)state;
	for (int far_first = 0; far_first < 2; far_first++) {
		begin(false, "");
		ask(&w, 1, QTYPE_A, false);
		UNTIL(&far, is_readable(remote));
		ask(&w, 2, QTYPE_A, false);
		if (far_first) {
			world_stop(&far);
			world_stop(&w);
		} else {
			world_stop(&w);
			world_stop(&far);
		}
		assert_int_equal(ended, 2);
		assert_int_equal(atomic_load(&server->refs), 1);
		server_free(&server);
		close(remote);
	}
}

static void no_memory(void **state)
{
	(void)state;
	for (unsigned long n = 1; n < 16; n++) {
		begin(false, "udpTimeout=1");
		mem_fail_at(n);
		ask(&w, 1, QTYPE_A, false);
		turns(&w);
		turns(&w);
		world_pass(&w, 5000);
		mem_fail_at(0);
		world_pass(&far, 5000);
		assert_int_equal(ended, 1);
		finish();
	}
}

/* A backend that needs four seconds: the only one of its pool, it is asked on three connections at home, and answers on
 * the first. */
static void slow(void **state)
{
	int fd[3];
	size_t len;

	(void)state;
	begin(true, "");
	ask(&w, 1, QTYPE_A, true);
	for (unsigned i = 0; i < LEN(fd); i++) {
		while ((fd[i] = accept(remote, NULL, NULL)) < 0) {
			world_pass(&far, 8);
			turns(&w);
		}
		UNTIL(&far, is_readable(fd[i]));
	}
	for (unsigned i = 0; i < 100; i++) {
		world_pass(&far, 8);
		turns(&w);
	}
	len = read_frame(&far, fd[0], msg);
	make_reply(msg);
	write_frame(fd[0], msg, len);
	UNTIL(&w, turns(&w) && ended == 1);
	assert_int_equal(told[1].rcode, RCODE_NOERROR);
	for (unsigned i = 0; i < LEN(fd); i++)
		close(fd[i]);
	finish();
}

int test_back_remote(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(udp), cmocka_unit_test(tcp), cmocka_unit_test(lost), cmocka_unit_test(silent), cmocka_unit_test(slow),
		cmocka_unit_test(too_late), cmocka_unit_test(ends_under_way), cmocka_unit_test(no_memory)};

	return cmocka_run_group_tests_name("back_remote", tests, NULL, NULL);
}
