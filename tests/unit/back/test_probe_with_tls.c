/* test_probe_with_tls.c: health checks over DoT: their own connection, handshake and all, within one deadline. */
#include "probe_help.h"

int test_probe_with_tls(void);

static uint8_t msg[DNS_MAX];
#define LAX "tls=openssl validateCertificates=false subjectName=backend.example maxCheckFailures=1 "

static void comes_up_and_resumes(void **state)
{
	struct tls_info info;

	(void)state;
	probes_begin(LAX "checkTimeout=5000", NULL);
	for (int i = 0; i < 3; i++) {
		size_t len;

		probe_comes(tls_server);
		UNTIL(&w, wire_shake(&peer.wire) == 0);
		tls_info(peer.wire.tls, &info);
		assert_int_equal(info.resumed, i > 0);
		len = peer_gets(&w, &peer, msg);
		make_reply(msg);
		memmove(msg + 2, msg, len);
		put16(msg, (unsigned)len);
		peer_writes(&w, &peer, msg, len + 2);
		UNTIL(&w, health_next_ms(server) != UINT64_MAX);
		assert_true(server_up(server));
		UNTIL(&w, peer_reads(&peer, SIZE_MAX) && peer.ended); /* not kept */
		peer_ends(&peer, false);
	}
	/* checks are no traffic */
	assert_int_equal(atomic_load(&server->connections), 0);
	assert_int_equal(count(&server->tcp_new_connections), 0);
	probes_finish();
}

/* The deadline covers a handshake that never ends. */
static void too_slow(void **state)
{
	(void)state;
	probes_begin(LAX "checkTimeout=700", NULL);
	probe_comes(NULL);
	world_pass(&w, 800);
	assert_int_equal(count(&server->check_timeout), 1);
	assert_int_equal(count(&server->check_network), 0);
	assert_false(server_up(server));
	UNTIL(&w, peer_reads(&peer, SIZE_MAX) && peer.ended);
	peer_ends(&peer, false);
	probes_finish();
}

/* fails runs one check against a peer that |tls| or nothing moves on; what was logged. */
static const char *fails(struct tls_server *tls, const char *says)
{
	static char said[2048];
	int log[2], was = log_options.fd;
	uint64_t before = count(&server->check_network);
	ssize_t n;

	assert_int_equal(pipe2(log, O_NONBLOCK | O_CLOEXEC), 0);
	log_options.fd = log[1];
	probe_comes(tls);
	if (says)
		peer_writes(&w, &peer, says, strlen(says));
	UNTIL(&w, (!tls || wire_shake(&peer.wire) <= 0) && count(&server->check_network) > before);
	log_options.fd = was;
	n = read(log[0], said, sizeof(said) - 1);
	said[n > 0 ? n : 0] = 0;
	close(log[0]);
	close(log[1]);
	peer_ends(&peer, true);
	assert_false(server_up(server));
	return said;
}

static void certificate(void **state)
{
	const char *said;

	(void)state;
	probes_begin("tls=openssl subjectName=backend.example maxCheckFailures=1 checkTimeout=5000", NULL);
	said = fails(tls_server, NULL);
	if (!strstr(said, "failed: ") || !strstr(said, "certificate"))
		fail_msg("%s", said);
	probes_finish();
}

static void no_tls(void **state)
{
	(void)state;
	probes_begin(LAX "checkTimeout=5000", NULL);
	fails(NULL, "220 mail.example ESMTP\r\n");
	probes_finish();
}

/* What cannot be set up says why, each time. */
static void no_client(void **state)
{
	(void)state;
	probes_begin(LAX "ciphers=nonsense", NULL);
	for (int i = 0; i < 80 && count(&server->check_network) < 2; i++)
		world_pass(&w, 50);
	assert_int_equal(count(&server->check_network), 2);
	assert_false(someone_waits(listener));
	probes_finish();
}

int test_probe_with_tls(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(comes_up_and_resumes), cmocka_unit_test(too_slow),
		cmocka_unit_test(certificate), cmocka_unit_test(no_tls), cmocka_unit_test(no_client)};
	int was = log_options.fd, failed;

	log_options.fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	failed = cmocka_run_group_tests_name("probe_tls", tests, NULL, NULL);
	close(log_options.fd);
	log_options.fd = was;
	return failed;
}
