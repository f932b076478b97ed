/* test_probe.c: health checks on sockets: what is asked, when, over what, and what becomes of the answer. */
#include "health.h"
#include "back_help.h"
#include <fcntl.h>

int test_probe(void);

static struct world w;
static struct probes *probes;
static uint8_t msg[DNS_MAX];
static struct hooks {
	unsigned changes;
	bool up, asks, judges, verdict;
} hooks;

static bool question(void *ctx, const struct server *s, struct name *name, unsigned *qtype, unsigned *qclass)
{
	struct hooks *h = ctx;

	(void)s;
	if (!h->asks)
		return false;
	assert_int_equal(name_from_text(name, "check.example", 13), 0);
	*qtype = QTYPE_TXT;
	*qclass = CLASS_CHAOS;
	return true;
}

static bool validate(void *ctx, const struct server *s, const uint8_t *m, size_t len, bool *ok_r)
{
	struct hooks *h = ctx;

	(void)s;
	(void)m;
	(void)len;
	*ok_r = h->verdict;
	return h->judges;
}

static void changed(void *ctx, struct server *s, bool up)
{
	struct hooks *h = ctx;

	(void)s;
	h->changes++;
	h->up = up;
}

/* begin: a server at |port| that is checked; nothing has been asked yet. */
static void begin(uint16_t port, const char *options, bool verbose)
{
	const struct probe_hooks to = {&hooks, question, validate, changed};
	char address[32];

	hooks = (struct hooks){0};
	snprintf(address, sizeof(address), "127.0.0.1:%u", port);
	server = make_server(address, options);
	world_start(&w, new_conf());
	probes = probes_new(&w.lane, &to);
	assert_non_null(probes);
	assert_int_equal(probes_set(probes, &server, 1, verbose), 0);
}

static void finish(void)
{
	probes_free(&probes);
	assert_null(probes);
	world_stop(&w);
	server_free(&server);
}

/* asked waits for the next check; it comes when its time does. */
static size_t asked(int fd, struct sockaddr_in *from)
{
	socklen_t len = sizeof(*from);
	ssize_t n;

	for (int i = 0; i < 80 && !is_readable(fd); i++)
		world_pass(&w, 25);
	UNTIL(&w, is_readable(fd));
	n = recvfrom(fd, msg, sizeof(msg), 0, (struct sockaddr *)from, &len);
	assert_true(n > 0);
	return (size_t)n;
}

/* answered: the next check gets |rcode|. */
static void answered(int fd, unsigned rcode)
{
	struct sockaddr_in from;
	size_t len = asked(fd, &from);
	uint64_t at = health_next_ms(server);

	dns_set_flags(msg, DNS_QR | DNS_RD | DNS_RA | rcode);
	assert_int_equal(sendto(fd, msg, len, 0, (struct sockaddr *)&from, sizeof(from)), len);
	assert_true(at == UINT64_MAX); /* under way */
	UNTIL(&w, health_next_ms(server) != UINT64_MAX);
}

static void comes_up_and_goes_down(void **state)
{
	int fd = other_udp();
	struct sockaddr_in from;
	struct question q;
	char text[NAME_TEXT];
	size_t len;

	(void)state;
	begin(port_of(fd), "checkInterval=1 maxCheckFailures=2 rise=2 checkTimeout=500 checkName=probe.example", false);
	assert_false(server_up(server));
	len = asked(fd, &from);
	assert_int_equal(question_parse(&q, msg, len), 0);
	name_to_text(q.lower, false, text);
	assert_string_equal(text, "probe.example");
	assert_int_equal(q.qtype, QTYPE_A);
	make_reply(msg);
	assert_int_equal(sendto(fd, msg, len, 0, (struct sockaddr *)&from, sizeof(from)), len);
	UNTIL(&w, server_up(server)); /* the first answer decides */
	assert_int_equal(hooks.changes, 1);
	assert_true(hooks.up);
	answered(fd, RCODE_SERVFAIL);
	assert_true(server_up(server));
	answered(fd, RCODE_SERVFAIL);
	assert_false(server_up(server));
	assert_int_equal(hooks.changes, 2);
	assert_false(hooks.up);
	answered(fd, RCODE_NOERROR);
	assert_false(server_up(server));
	answered(fd, RCODE_NOERROR);
	assert_true(server_up(server));
	assert_int_equal(count(&server->check_failures), 2);
	close(fd);
	finish();
}

static void no_answer(void **state)
{
	int fd = other_udp();
	struct sockaddr_in from;

	(void)state;
	begin(port_of(fd), "checkTimeout=700 maxCheckFailures=1", false);
	asked(fd, &from);
	assert_int_equal(count(&server->check_timeout), 0);
	world_pass(&w, 800);
	assert_int_equal(count(&server->check_timeout), 1);
	assert_false(server_up(server));
	assert_int_equal(hooks.changes, 0); /* it was not up before */
	close(fd);
	finish();
}

static void nobody_there(void **state)
{
	int fd = other_udp(), tcp = other_listen();
	uint16_t udp_port = port_of(fd), tcp_port = port_of(tcp);

	(void)state;
	close(fd);
	close(tcp);
	begin(udp_port, "maxCheckFailures=1 checkTimeout=10000", false);
	world_pass(&w, 1100);
	UNTIL(&w, count(&server->check_network) > 0);
	assert_false(server_up(server));
	finish();
	begin(tcp_port, "maxCheckFailures=1 checkTimeout=10000 checkTCP=true", false);
	world_pass(&w, 1100);
	UNTIL(&w, count(&server->check_network) > 0);
	assert_false(server_up(server));
	finish();
}

static void over_tcp(void **state)
{
	int listener = other_listen(), fd;
	size_t len;

	(void)state;
	begin(port_of(listener), "checkTCP=true maxCheckFailures=1 checkTimeout=5000", false);
	world_pass(&w, 250);
	fd = accepts(&w, listener);
	len = read_frame(&w, fd, msg);
	assert_true(len > 0);
	make_reply(msg);
	assert_int_equal(send(fd, (uint8_t[]){0, (uint8_t)len, msg[0]}, 3, MSG_NOSIGNAL), 3);
	world_turn(&w);
	assert_int_equal(send(fd, msg + 1, len - 1, MSG_NOSIGNAL), len - 1);
	UNTIL(&w, server_up(server));
	UNTIL(&w, is_closed(fd));
	close(fd);
	world_pass(&w, 1100);
	fd = accepts(&w, listener);
	close(fd); /* without an answer */
	UNTIL(&w, !server_up(server));
	world_pass(&w, 1100);
	fd = accepts(&w, listener);
	write_frame(fd, msg, 3); /* not a message */
	UNTIL(&w, count(&server->check_parse) == 1);
	close(fd);
	close(listener);
	finish();
}

/* A backend that wants PROXY headers gets one without addresses. */
static void proxy_header(void **state)
{
	int fd = other_udp(), c;
	struct sockaddr_in from;
	struct proxy x;

	(void)state;
	begin(port_of(fd), "useProxyProtocol=true", false);
	asked(fd, &from);
	assert_int_equal(proxy_parse(&x, msg, sizeof(msg), 512), PROXY_HEADER);
	assert_true(x.local);
	close(fd);
	finish();
	fd = other_listen();
	begin(port_of(fd), "useProxyProtocol=true checkTCP=true checkTimeout=5000", false);
	world_pass(&w, 250);
	c = accepts(&w, fd);
	UNTIL(&w, recv(c, msg, sizeof(msg), MSG_PEEK | MSG_DONTWAIT) > PROXY_HEADER);
	assert_int_equal(proxy_parse(&x, msg, PROXY_HEADER, 512), PROXY_HEADER);
	assert_true(x.local);
	assert_int_equal(recv(c, msg, PROXY_HEADER, 0), PROXY_HEADER);
	assert_true(read_frame(&w, c, msg) > DNS_HEADER); /* the query comes right behind it */
	close(c);
	close(fd);
	finish();
}

static void functions(void **state)
{
	int fd = other_udp();
	struct sockaddr_in from;
	struct question q;
	size_t len;

	(void)state;
	begin(port_of(fd), "maxCheckFailures=1", false);
	hooks.asks = hooks.judges = hooks.verdict = true;
	len = asked(fd, &from);
	assert_int_equal(question_parse(&q, msg, len), 0);
	assert_int_equal(q.qtype, QTYPE_TXT);
	assert_int_equal(q.qclass, CLASS_CHAOS);
	assert_int_equal(sendto(fd, "anything", 8, 0, (struct sockaddr *)&from, sizeof(from)), 8);
	UNTIL(&w, server_up(server));
	hooks.verdict = false;
	answered(fd, RCODE_NOERROR);
	assert_false(server_up(server));
	close(fd);
	finish();
}

/* setVerboseHealthChecks(): why a check failed is logged. */
static void verbose(void **state)
{
	(void)state;
	for (int on = 0; on < 2; on++) {
		struct conf *c = new_conf();
		int fd = other_udp(), log[2], was = log_options.fd;
		char said[512];
		struct sockaddr_in from;
		ssize_t n;

		set_switch(c, "setVerboseHealthChecks", on);
		assert_int_equal(pipe2(log, O_NONBLOCK | O_CLOEXEC), 0);
		begin(port_of(fd), "checkTimeout=500 name=far", c->set.verbose_health);
		asked(fd, &from);
		log_options.fd = log[1];
		world_pass(&w, 600);
		log_options.fd = was;
		n = read(log[0], said, sizeof(said) - 1);
		said[n > 0 ? n : 0] = 0;
		assert_int_equal(strstr(said, "health check of far failed: no answer in time") != NULL, on);
		close(log[0]);
		close(log[1]);
		close(fd);
		finish();
		conf_free(&c);
	}
}

/* Servers come and go with configurations; those that stay keep their check. */
static void sets(void **state)
{
	int fd = other_udp(), second = other_udp();
	char address[32];
	struct server *both[2];
	struct sockaddr_in from;

	(void)state;
	begin(port_of(fd), "checkTimeout=3000 name=first", false);
	asked(fd, &from);
	snprintf(address, sizeof(address), "127.0.0.1:%u", port_of(second));
	both[0] = server;
	both[1] = make_server(address, "name=second");
	assert_int_equal(probes_set(probes, both, 2, false), 0);
	asked(second, &from);
	assert_false(is_readable(fd)); /* its check is still under way */
	mem_fail_at(1);
	assert_int_equal(probes_set(probes, both, 1, false), -ENOMEM);
	mem_fail_at(0);
	assert_int_equal(probes_set(probes, both + 1, 1, false), 0);
	assert_int_equal(atomic_load(&server->refs), 1);
	assert_int_equal(probes_set(probes, NULL, 0, false), 0);
	assert_int_equal(atomic_load(&both[1]->refs), 1);
	/* what does not fit is not checked */
	mem_fail_at(3);
	assert_int_equal(probes_set(probes, both, 2, false), -ENOMEM);
	mem_fail_at(0);
	assert_int_equal(atomic_load(&both[0]->refs), 2);
	assert_int_equal(atomic_load(&both[1]->refs), 1);
	/* and later it is, though its check was under way */
	assert_int_equal(probes_set(probes, both, 2, false), 0);
	asked(second, &from);
	mem_fail_at(1);
	assert_int_equal(probes_set(probes, both + 1, 1, false), -ENOMEM);
	mem_fail_at(0);
	assert_int_equal(probes_set(probes, both, 1, false), 0);
	assert_int_equal(probes_set(probes, both, 2, false), 0);
	world_pass(&w, 1100);
	asked(second, &from);
	assert_int_equal(probes_set(probes, both, 1, false), 0);
	server_free(&both[1]);
	close(fd);
	close(second);
	finish();
}

int test_probe(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(comes_up_and_goes_down), cmocka_unit_test(no_answer),
		cmocka_unit_test(nobody_there), cmocka_unit_test(over_tcp), cmocka_unit_test(proxy_header),
		cmocka_unit_test(functions), cmocka_unit_test(verbose), cmocka_unit_test(sets)};
	int was = log_options.fd, failed;

	log_options.fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	failed = cmocka_run_group_tests_name("probe", tests, NULL, NULL);
	close(log_options.fd);
	log_options.fd = was;
	return failed;
}
