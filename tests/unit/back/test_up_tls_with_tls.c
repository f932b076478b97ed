/* test_up_tls_with_tls.c: connections to backends over DoT: handshakes, sessions, certificates that are refused. */
#include "tls_help.h"

int test_up_tls_with_tls(void);

static uint8_t msg[DNS_MAX];
#define LAX "tls=openssl validateCertificates=false subjectName=backend.example"

static void asks_and_hears(void **state)
{
	(void)state;
	tls_begin(LAX, NULL);
	tls_shakes(NULL);
	assert_int_equal(owner.opened, 1);
	assert_false(owner.up->resumed);
	for (uint16_t i = 1; i <= 3; i++)
		assert_int_equal(send_query(i, "one.example"), 0);
	world_turn(&w);
	UNTIL(&w, peer_reads(&peer, 3 * 31));
	for (uint16_t i = 1; i <= 3; i++) {
		peer_gets(&w, &peer, msg);
		assert_int_equal(dns_id(msg), i);
	}
	peer_frame(&w, &peer, 3, 20);
	peer_frame(&w, &peer, 1, DNS_MAX);
	peer_frame(&w, &peer, 2, 30000);
	UNTIL(&w, owner.replies == 3);
	assert_int_equal(owner.id, 2);
	assert_null(conn_of(owner.up)->in.p);
	assert_null(conn_of(owner.up)->out.p);
	peer_ends(&peer, false);
	UNTIL(&w, owner.closed == 1);
	assert_int_equal(owner.why, REASON_CONN_CLOSED);
	tls_finish();
}

/* The queries of one turn leave in one record: content type, version, length, then all of it. */
static void one_record(void **state)
{
	uint8_t raw[4096];
	ssize_t n;

	(void)state;
	tls_begin(LAX, NULL);
	tls_shakes(NULL);
	world_turn(&w);
	for (uint16_t i = 1; i <= 10; i++)
		assert_int_equal(send_query(i, "one.example"), 0);
	world_turn(&w);
	UNTIL(&w, is_readable(io_fd(&peer.wire.io)));
	n = recv(io_fd(&peer.wire.io), raw, sizeof(raw), MSG_PEEK);
	assert_true(n > 310 && n < 360);
	assert_int_equal(get16(raw + 3) + 5, n);
	peer_ends(&peer, true);
	tls_finish();
}

static void sessions_are_used(void **state)
{
	struct tls_session *s;
	bool lent;

	(void)state;
	tls_begin(LAX, NULL);
	tls_shakes(NULL);
	UNTIL(&w, back_sessions() > 0);
	owner.up->ops->close(owner.up);
	owner.up = NULL;
	peer_ends(&peer, false);
	s = session_cache_take(sessions, w.lane.loop.wall_ms / 1000, &lent);
	assert_non_null(s);
	tls_shakes(s);
	assert_true(owner.up->resumed);
	tls_session_free(&s);
	peer_ends(&peer, false);
	tls_finish();
}

/* Tickets of an up that was given no cache are thrown away. */
static void no_cache(void **state)
{
	(void)state;
	tls_begin(LAX, NULL);
	assert_int_equal(open_up(tls_client, NULL, NULL), 0);
	peer_accepts(&w, &peer, listener, tls_server);
	UNTIL(&w, wire_shake(&peer.wire) == 0 && owner.opened == 1);
	peer_frame(&w, &peer, 1, 20);
	UNTIL(&w, owner.replies == 1);
	assert_int_equal(back_sessions(), 0);
	peer_ends(&peer, false);
	tls_finish();
}

static void certificate(void **state)
{
	(void)state;
	tls_begin("tls=openssl subjectName=backend.example", NULL);
	assert_int_equal(open_up(tls_client, sessions, NULL), 0);
	peer_accepts(&w, &peer, listener, tls_server);
	UNTIL(&w, wire_shake(&peer.wire) <= 0 && owner.closed == 1);
	assert_int_equal(owner.why, REASON_BACKEND_CERTIFICATE);
	assert_true(strlen(owner.said) > 5);
	assert_int_equal(owner.opened, 0);
	peer_ends(&peer, true);
	tls_finish();
}

/* Who is there does not speak TLS, or leaves in the middle of it. */
static void no_tls(void **state)
{
	(void)state;
	tls_begin(LAX, NULL);
	assert_int_equal(open_up(tls_client, sessions, NULL), 0);
	peer_accepts(&w, &peer, listener, NULL);
	peer_writes(&w, &peer, "HTTP/1.1 400 Bad Request\r\n\r\n", 28);
	UNTIL(&w, owner.closed == 1);
	assert_int_equal(owner.why, REASON_CONN_TLS_BACKEND);
	peer_ends(&peer, true);
	assert_int_equal(open_up(tls_client, sessions, NULL), 0);
	peer_accepts(&w, &peer, listener, NULL);
	UNTIL(&w, peer_reads(&peer, 100)); /* its first message */
	assert_int_equal(owner.up->ops->room(owner.up), 0);
	peer_ends(&peer, false);
	UNTIL(&w, owner.closed == 2);
	assert_true(owner.why == REASON_CONN_TLS_BACKEND || owner.why == REASON_CONNECT_FAILED);
	assert_int_equal(owner.opened, 0);
	tls_finish();
}

/* An end without a good-bye is no failure of TLS. */
static void no_goodbye(void **state)
{
	(void)state;
	tls_begin(LAX, NULL);
	tls_shakes(NULL);
	UNTIL(&w, back_sessions() > 0);
	assert_int_equal(shutdown(io_fd(&peer.wire.io), SHUT_RDWR), 0);
	UNTIL(&w, owner.closed == 1);
	assert_true(owner.why == REASON_CONN_CLOSED || owner.why == REASON_CONN_RESET);
	peer_ends(&peer, true);
	tls_finish();
}

static void options(void **state)
{
	static const struct {
		const char *options, *says;
	} cases[] = {
		{LAX " ciphers=nonsense", "ciphers"},
		{LAX " ciphersTLS13=nonsense", "ciphers"},
		{"tls=openssl subjectName=a.example caStore=/nonexistent/ca.pem", "/nonexistent/ca.pem"},
		{LAX " ecdheCurves=nonsense", "urves"},
	};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		const char *error = "";
		struct server *s = make_up("127.0.0.1:853", cases[i].options);

		assert_null(up_tls(s, NULL, &error));
		if (!strstr(error, cases[i].says) || !strstr(error, "127.0.0.1:853"))
			fail_msg("%s", error);
		server_free(&s);
	}
}

static void no_memory(void **state)
{
	(void)state;
	for (unsigned long n = 1; n < 8; n++) {
		int err;

		tls_begin(LAX, NULL);
		mem_fail_at(n);
		err = open_up(tls_client, sessions, NULL);
		mem_fail_at(0);
		if (err == 0) {
			peer_accepts(&w, &peer, listener, tls_server);
			mem_fail_at(n);
			UNTIL(&w, wire_shake(&peer.wire) != -EAGAIN && (owner.opened || owner.closed));
			mem_fail_at(0);
			peer_ends(&peer, true);
		} else {
			assert_int_equal(err, -ENOMEM);
		}
		tls_finish();
	}
}

int test_up_tls_with_tls(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(asks_and_hears), cmocka_unit_test(one_record),
		cmocka_unit_test(sessions_are_used), cmocka_unit_test(no_cache), cmocka_unit_test(certificate),
		cmocka_unit_test(no_tls), cmocka_unit_test(no_goodbye), cmocka_unit_test(options),
		cmocka_unit_test(no_memory)};
	int was = log_options.fd, failed;

	log_options.fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	failed = cmocka_run_group_tests_name("up_tls", tests, NULL, NULL);
	close(log_options.fd);
	log_options.fd = was;
	return failed;
}
