/* test_up_stream.c: connections to backends over TCP: what is sent when, what comes back in pieces, how they die. */
#include "up_help.h"
#include <sys/ioctl.h>

int test_up_stream(void);

static uint8_t msg[DNS_MAX];

static void asks_and_hears(void **state)
{
	uint64_t born;

	(void)state;
	begin("");
	born = loop_ms(&w.lane.loop);
	assert_int_equal(open_up(NULL, NULL, NULL), 0);
	assert_int_equal(owner.opened, 0); /* no event from within open */
	assert_int_equal(owner.up->ops->room(owner.up), 0);
	assert_int_equal(send_query(1, "early.example"), -EAGAIN);
	assert_int_equal(owner.up->local.family, 0);
	peer_accepts(&w, &peer, listener, NULL);
	UNTIL(&w, owner.opened == 1);
	assert_int_equal(owner.up->born_ms, born);
	assert_true(owner.up->opened_ms >= born);
	assert_int_equal(owner.up->local.family, AF_INET);
	assert_true(owner.up->ops->room(owner.up) > 1000);
	assert_int_equal(send_query(7, "one.example"), 0);
	assert_int_equal(send_query(9, "two.example"), 0);
	assert_false(peer_reads(&peer, 1)); /* nothing leaves before the turn ends */
	world_turn(&w);
	UNTIL(&w, peer_reads(&peer, 2 * 31));
	peer_gets(&w, &peer, msg);
	assert_int_equal(dns_id(msg), 7);
	peer_gets(&w, &peer, msg);
	assert_int_equal(dns_id(msg), 9);
	peer_frame(&w, &peer, 9, 40);
	UNTIL(&w, owner.replies == 1);
	assert_int_equal(owner.id, 9);
	assert_int_equal(owner.len, 40);
	assert_true(owner.up->heard_ms > 0);
	peer_frame(&w, &peer, 7, 12);
	peer_frame(&w, &peer, 7, 12); /* twice is not for the up to judge */
	UNTIL(&w, owner.replies == 3);
	assert_int_equal(owner.up->queries, 2);
	assert_false(owner.up->resumed);
	peer_ends(&peer, false);
	finish();
}

/* One write for the queries of a turn: they come in one segment. */
static void one_write(void **state)
{
	int n = 0;

	(void)state;
	opened("");
	for (uint16_t i = 0; i < 20; i++)
		assert_int_equal(send_query(i, "one.example"), 0);
	mem_fail_at(0);
	world_turn(&w);
	UNTIL(&w, is_readable(io_fd(&peer.wire.io)));
	assert_int_equal(ioctl(io_fd(&peer.wire.io), FIONREAD, &n), 0);
	assert_int_equal(n, 20 * 31);
	peer_ends(&peer, false);
	finish();
}

static void pieces(void **state)
{
	static const size_t sizes[] = {12, 13, 300, 16000, DNS_MAX};
	static uint8_t frame[2 * (DNS_MAX + 2)];

	(void)state;
	opened("");
	/* one byte at a time */
	memset(frame, 0, sizeof(frame));
	put16(frame, 20);
	put16(frame + 2, 77);
	for (size_t i = 0; i < 22; i++) {
		assert_int_equal(owner.replies, 0);
		peer_writes(&w, &peer, frame + i, 1);
		UNTIL(&w, conn_of(owner.up)->in.len == (i + 1) % 22);
	}
	assert_int_equal(owner.replies, 1);
	assert_int_equal(owner.id, 77);
	assert_null(conn_of(owner.up)->in.p); /* an idle connection keeps no buffer */
	/* cut in two anywhere near the borders, a second message behind */
	for (size_t s = 0; s < LEN(sizes); s++)
		for (size_t k = 1; k < 5; k++) {
			size_t len = sizes[s] + 2, cut = k % 2 ? k : len - k;
			unsigned had = owner.replies;

			put16(frame, (unsigned)sizes[s]);
			put16(frame + 2, (unsigned)(s + k));
			frame[len] = 0;
			frame[len + 1] = 12;
			put16(frame + len + 2, 5000);
			peer_writes(&w, &peer, frame, cut);
			UNTIL(&w, conn_of(owner.up)->in.len == cut);
			peer_writes(&w, &peer, frame + cut, len + 14 - cut);
			UNTIL(&w, owner.replies == had + 2);
			assert_int_equal(owner.id, 5000);
			assert_int_equal(conn_of(owner.up)->in.len, 0);
			memset(frame, 0, sizeof(frame));
		}
	peer_ends(&peer, false);
	finish();
}

/* A backend that sends a megabyte nobody asked for costs no more than a message. */
static void megabyte(void **state)
{
	(void)state;
	opened("");
	for (int i = 0; i < 40; i++) {
		peer_frame(&w, &peer, (uint16_t)i, 30000);
		assert_true(conn_of(owner.up)->in.cap <= 2 * (DNS_MAX + 2));
	}
	UNTIL(&w, owner.replies == 40);
	assert_null(conn_of(owner.up)->in.p);
	peer_ends(&peer, false);
	finish();
}

static void too_short(void **state)
{
	(void)state;
	opened("");
	assert_int_equal(send_query(1, "one.example"), 0);
	peer_writes(&w, &peer, "\0\13xxxxxxxxxxx", 13);
	UNTIL(&w, owner.closed == 1);
	assert_int_equal(owner.why, REASON_REPLY_SHORT);
	assert_int_equal(owner.replies, 0);
	assert_null(owner.up);
	UNTIL(&w, peer_reads(&peer, SIZE_MAX) && peer.ended);
	peer_ends(&peer, false);
	finish();
}

static void peer_leaves(void **state)
{
	static const struct linger now = {1, 0};

	(void)state;
	opened("");
	assert_int_equal(send_query(1, "one.example"), 0);
	peer_gets(&w, &peer, msg);
	peer_frame(&w, &peer, 1, 20);
	peer_ends(&peer, false);
	UNTIL(&w, owner.closed == 1);
	assert_int_equal(owner.replies, 1); /* what came before the end is heard */
	assert_int_equal(owner.why, REASON_CONN_CLOSED);
	assert_string_equal(owner.said, "");
	finish();
	opened("");
	assert_int_equal(setsockopt(io_fd(&peer.wire.io), SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
	peer_ends(&peer, true);
	UNTIL(&w, owner.closed == 1);
	assert_int_equal(owner.why, REASON_CONN_RESET);
	assert_string_equal(owner.said, strerror(ECONNRESET));
	finish();
}

static void nobody_listens(void **state)
{
	int fd = other_listen(), err;
	uint16_t port = port_of(fd);

	(void)state;
	close(fd);
	begin_at(port, "");
	err = open_up(NULL, NULL, NULL);
	if (err == 0) {
		UNTIL(&w, owner.closed == 1);
		assert_int_equal(owner.why, REASON_CONNECT_FAILED);
		assert_string_equal(owner.said, strerror(ECONNREFUSED));
	} else {
		assert_int_equal(err, -ECONNREFUSED);
	}
	assert_int_equal(owner.opened, 0);
	finish();
	/* no address yet */
	begin_at(port, "");
	server->addr.family = 0;
	assert_int_equal(open_up(NULL, NULL, NULL), -EADDRNOTAVAIL);
	finish();
}

static void proxy_header(void **state)
{
	uint8_t query[64];
	size_t len = make_query(query, 3, "one.example", QTYPE_A);

	(void)state;
	opened("useProxyProtocol=true");
	for (int i = 0; i < 2; i++)
		assert_int_equal(owner.up->ops->send(owner.up, 3, (const uint8_t *)"HEAD", 4, query, len, NULL, 0), 0);
	UNTIL(&w, peer_reads(&peer, 4 + 2 * (len + 2)));
	assert_memory_equal(peer.in.p, "HEAD", 4);
	bytes_drop(&peer.in, 4);
	assert_int_equal(peer_gets(&w, &peer, msg), len);
	assert_int_equal(peer_gets(&w, &peer, msg), len); /* and once only */
	peer_ends(&peer, false);
	finish();
}

/* A backend that does not read: what waits is bounded, and it is left after tcpSendTimeout. */
static void blocked(void **state)
{
	unsigned sent = 0;

	(void)state;
	opened("tcpSendTimeout=3");
	memset(msg, 0, sizeof(msg));
	while (sent < 1000 && owner.up->ops->room(owner.up)) {
		assert_int_equal(owner.up->ops->send(owner.up, 1, NULL, 0, msg, sizeof(msg), NULL, 0), 0);
		world_turn(&w);
		sent++;
	}
	assert_true(sent > 3 && sent < 1000);
	assert_int_equal(send_query(1, "one.example"), -EAGAIN);
	assert_true(conn_of(owner.up)->out.cap <= 1 << 20);
	world_pass(&w, 2500);
	assert_int_equal(owner.closed, 0);
	usleep(20000);
	assert_true(owner.up->ops->silent_ms(owner.up) >= 10);
	/* it reads a little: another while */
	while (conn_of(owner.up)->out.len >= UP_OUT_MAX) {
		peer_reads(&peer, SIZE_MAX);
		world_turn(&w);
	}
	assert_true(owner.up->ops->room(owner.up) > 0);
	while (owner.up->ops->room(owner.up)) {
		assert_int_equal(owner.up->ops->send(owner.up, 1, NULL, 0, msg, sizeof(msg), NULL, 0), 0);
		world_turn(&w);
	}
	world_pass(&w, 2500);
	assert_int_equal(owner.closed, 0);
	world_pass(&w, 1000);
	assert_int_equal(owner.closed, 1);
	assert_int_equal(owner.why, REASON_CONN_WRITE_TIMEOUT);
	assert_int_equal(count(&server->tcp_write_timeouts), 1);
	peer_ends(&peer, false);
	finish();
}

/* Half a message that never becomes whole. */
static void half(void **state)
{
	(void)state;
	opened("tcpRecvTimeout=2");
	world_pass(&w, 10000); /* silence alone is for the owner to judge */
	assert_int_equal(owner.closed, 0);
	peer_writes(&w, &peer, "\0\40xxxx", 6);
	UNTIL(&w, conn_of(owner.up)->in.len == 6);
	world_pass(&w, 1500);
	peer_writes(&w, &peer, "x", 1);
	UNTIL(&w, conn_of(owner.up)->in.len == 7);
	assert_int_equal(owner.closed, 0);
	world_pass(&w, 600);
	assert_int_equal(owner.closed, 1);
	assert_int_equal(owner.why, REASON_CONN_READ_TIMEOUT);
	assert_int_equal(count(&server->tcp_read_timeouts), 1);
	peer_ends(&peer, false);
	finish();
}

static void owner_closes(void **state)
{
	(void)state;
	opened("");
	owner.close_on_reply = true;
	peer_frame(&w, &peer, 1, 12);
	peer_frame(&w, &peer, 2, 12);
	UNTIL(&w, owner.replies == 1);
	UNTIL(&w, peer_reads(&peer, SIZE_MAX) && peer.ended);
	assert_int_equal(owner.replies, 1); /* no more events */
	assert_int_equal(owner.closed, 0);
	peer_ends(&peer, false);
	finish();
	/* asking from within an event */
	opened("");
	owner.ask_on_reply = true;
	peer_frame(&w, &peer, 1, 12);
	peer_gets(&w, &peer, msg);
	assert_int_equal(dns_id(msg), 2);
	peer_ends(&peer, false);
	finish();
}

/* Several in one lane, closed in any order while they have something to write. */
static void several(void **state)
{
	struct up *v[3];

	(void)state;
	for (int order = 0; order < 6; order++) {
		begin("");
		for (int i = 0; i < 3; i++) {
			assert_int_equal(open_up(NULL, NULL, NULL), 0);
			v[i] = owner.up;
		}
		owner.up = NULL;
		for (int i = 0, left = order; i < 3; left /= 3 - i, i++) {
			int k = left % (3 - i);

			for (int j = 0; j < 3; j++)
				if (v[j] && k-- == 0) {
					v[j]->ops->close(v[j]);
					v[j] = NULL;
					break;
				}
		}
		assert_null(w.lane.dirty_up);
		finish();
	}
}

static int option(int name)
{
	int value = -1;
	socklen_t len = sizeof(value);

	assert_int_equal(getsockopt(io_fd(&conn_of(owner.up)->wire.io), IPPROTO_TCP, name, &value, &len), 0);
	return value;
}

static void signs_of_life(void **state)
{
	int on = 0;
	socklen_t len = sizeof(on);

	(void)state;
	opened("");
	assert_int_equal(getsockopt(io_fd(&conn_of(owner.up)->wire.io), SOL_SOCKET, SO_KEEPALIVE, &on, &len), 0);
	assert_int_equal(on, 1);
	assert_int_equal(option(TCP_KEEPIDLE), 10);
	assert_int_equal(option(TCP_NODELAY), 1);
	assert_int_equal(option(TCP_USER_TIMEOUT), 0);
	assert_int_equal(owner.up->ops->silent_ms(owner.up), 0); /* nothing is owed */
	owner.up->ops->knock(owner.up);
	assert_int_equal(option(TCP_KEEPIDLE), 1);
	assert_int_equal(option(TCP_USER_TIMEOUT), 2000);
	peer_frame(&w, &peer, 1, 12);
	UNTIL(&w, owner.replies == 1);
	assert_int_equal(option(TCP_KEEPIDLE), 10);
	assert_int_equal(option(TCP_USER_TIMEOUT), 0);
	/* acknowledged by the peer's kernel: it owes nothing, however long the answer takes */
	assert_int_equal(send_query(1, "one.example"), 0);
	world_turn(&w);
	UNTIL(&w, peer_reads(&peer, 31));
	world_pass(&w, 5000);
	assert_int_equal(owner.up->ops->silent_ms(owner.up), 0);
	peer_ends(&peer, false);
	finish();
}

/* A connection that is not made yet is silent since it was asked for. */
static void never_opens(void **state)
{
	(void)state;
	begin("");
	assert_int_equal(open_up(NULL, NULL, NULL), 0);
	loop_set_time(&w.lane.loop, w.lane.loop.now_us + 700 * 1000);
	assert_int_equal(owner.up->ops->silent_ms(owner.up), 700);
	finish();
}

static void no_memory(void **state)
{
	(void)state;
	for (unsigned long n = 1; n < 10; n++) {
		int err;

		begin("");
		mem_fail_at(n);
		err = open_up(NULL, NULL, NULL);
		if (err < 0) {
			assert_int_equal(err, -ENOMEM);
			finish();
			continue;
		}
		mem_fail_at(0);
		peer_accepts(&w, &peer, listener, NULL);
		UNTIL(&w, owner.opened == 1);
		mem_fail_at(n);
		err = send_query(1, "one.example");
		assert_true(err == 0 || err == -ENOMEM);
		mem_fail_at(0);
		assert_int_equal(send_query(2, "one.example"), 0);
		peer_gets(&w, &peer, msg);
		assert_int_equal(dns_id(msg), err == 0 ? 1 : 2);
		peer_writes(&w, &peer, "\0\40x", 3);
		mem_fail_at(n);
		UNTIL(&w, owner.closed || conn_of(owner.up)->in.len);
		mem_fail_at(0);
		if (owner.closed)
			assert_int_equal(owner.why, REASON_CONN_OUT_OF_MEMORY);
		peer_ends(&peer, false);
		finish();
	}
}

int test_up_stream(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(asks_and_hears), cmocka_unit_test(one_write),
		cmocka_unit_test(pieces), cmocka_unit_test(megabyte), cmocka_unit_test(too_short),
		cmocka_unit_test(peer_leaves), cmocka_unit_test(nobody_listens), cmocka_unit_test(proxy_header),
		cmocka_unit_test(blocked), cmocka_unit_test(half), cmocka_unit_test(owner_closes),
		cmocka_unit_test(several), cmocka_unit_test(signs_of_life), cmocka_unit_test(never_opens),
		cmocka_unit_test(no_memory)};
	int was = log_options.fd, failed;

	log_options.fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	failed = cmocka_run_group_tests_name("up_stream", tests, NULL, NULL);
	close(log_options.fd);
	log_options.fd = was;
	return failed;
}
