/* test_resolve.c: backends by host name: asked over UDP of a small server here, watched by TTL, moved, never lost; names
 * that resolve to ourselves or to nobody; the system's resolver on its thread. */
#include "daemon_help.h"
#include "netns.h"
#include "resolve.h"

int test_resolve(void);

/* ---- a server that says what the test wants ---- */
static int dns;              /* its socket */
static unsigned asked;       /* questions it heard */
static uint16_t ask_port;    /* where the last one came from */
static char asked_name[NAME_TEXT];

static struct script {
	const char *a, *aaaa;   /* addresses, apart by blanks; NULL: silent; "!3": that rcode; "": none */
	uint32_t ttl_s;
	const char *alias;      /* the name is an alias of this one */
	bool garbage, wrong_id, wrong_name, cut, truncated;
} script;

static size_t put_name(uint8_t *p, const char *text)
{
	struct name n;

	assert_int_equal(name_from_text(&n, text, strlen(text)), 0);
	memcpy(p, n.wire, n.len);
	return n.len;
}

static size_t put_rr(uint8_t *p, const char *owner, unsigned type, const void *rdata, size_t len)
{
	size_t at = put_name(p, owner);

	put16(p + at, type);
	put16(p + at + 2, CLASS_IN);
	put32(p + at + 4, script.ttl_s);
	put16(p + at + 8, (unsigned)len);
	memcpy(p + at + 10, rdata, len);
	return at + 10 + len;
}

/* write_answer turns the query of |len| bytes into its answer. */
static size_t write_answer(uint8_t *msg, size_t len, unsigned type)
{
	const char *says = type == QTYPE_A ? script.a : script.aaaa;
	char copy[512], *save = NULL;
	unsigned n = 0;

	dns_set_flags(msg, DNS_QR | DNS_RD | DNS_RA | (script.truncated ? DNS_TC : 0));
	if (says[0] == '!') {
		dns_set_flags(msg, DNS_QR | (unsigned)atoi(says + 1));
		return len;
	}
	if (script.alias) {
		uint8_t target[NAME_WIRE];
		size_t at = put_name(target, script.alias);

		len += put_rr(msg + len, asked_name, QTYPE_CNAME, target, at);
		n++;
	}
	snprintf(copy, sizeof(copy), "%s", says);
	for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
		struct addr a;

		assert_int_equal(addr_parse(&a, w, 0), 0);
		len += put_rr(msg + len, script.alias ? script.alias : asked_name, type, a.ip, addr_len(&a));
		n++;
	}
	dns_set_count(msg, SECTION_ANSWER, n);
	return script.cut ? len - 3 : len;
}

static void spoil(uint8_t *msg, size_t len, const struct sockaddr_in *to)
{
	if (script.garbage)
		for (size_t n = 0; n < 40; n += 3)
			assert_true(sendto(dns, "garbagegarbagegarbagegarbagegarbagegarba", n, 0, (const void *)to,
					    sizeof(*to)) >= 0);
	if (script.wrong_id || script.wrong_name) {
		uint8_t copy[2048];

		memcpy(copy, msg, len);
		if (script.wrong_id)
			copy[0] ^= 0x55;
		else
			copy[DNS_HEADER + 1] ^= 1;
		assert_int_equal(sendto(dns, copy, len, 0, (const void *)to, sizeof(*to)), len);
	}
}

static void serve_dns(void)
{
	uint8_t msg[2048];
	struct sockaddr_in from;
	socklen_t from_len = sizeof(from);
	ssize_t n;

	while ((n = recvfrom(dns, msg, sizeof(msg), MSG_DONTWAIT, (struct sockaddr *)&from, &from_len)) > 0) {
		struct question q;
		size_t len;

		assert_int_equal(question_parse(&q, msg, (size_t)n), 0);
		assert_int_equal(dns_flags(msg), DNS_RD);
		assert_int_equal(q.end, n);
		name_to_text(q.lower, false, asked_name);
		asked++;
		ask_port = ntohs(from.sin_port);
		if (!(q.qtype == QTYPE_A ? script.a : script.aaaa))
			continue;
		len = write_answer(msg, (size_t)n, q.qtype);
		spoil(msg, len, &from);
		if (!script.wrong_id && !script.wrong_name)
			assert_int_equal(sendto(dns, msg, len, 0, (struct sockaddr *)&from, from_len), len);
	}
}

/* ---- daemons ---- */
static const char *backend[4], *backend_options[4];
static const char *listening; /* another address to listen on */

static void fill(struct conf *c)
{
	set_text(c, "setWorkerLayout_", "collapsed");
	listen_at(c, "127.0.0.1:0");
	if (listening)
		listen_at(c, listening);
	for (size_t i = 0; i < LEN(backend) && backend[i]; i++)
		assert_int_equal(conf_add_server(c, make_server(backend[i], backend_options[i] ? backend_options[i] : "")),
			0);
}

static char bootstrap[64];

static struct daemon *begin(const char *address)
{
	dns = other_udp();
	asked = 0;
	snprintf(bootstrap, sizeof(bootstrap), "bootstrap=127.0.0.1:%u healthCheckMode=up", port_of(dns));
	backend[0] = address;
	backend_options[0] = bootstrap;
	backend[1] = NULL;
	return start(fill, NULL);
}

static void end(struct daemon **d)
{
	mem_fail_at(0);
	daemon_free(d);
	close(dns);
	memset(&script, 0, sizeof(script));
	memset(backend_options, 0, sizeof(backend_options));
	listening = NULL;
}

static void step(struct daemon *d, uint64_t ms)
{
	serve_dns();
	pass(d, ms);
	serve_dns();
	usleep(200);
	turn(d);
}

/* settle passes |ms| in small steps, so that questions are answered as they come. */
static void settle(struct daemon *d, uint64_t ms)
{
	for (uint64_t at = 0; at < ms; at += 50)
		step(d, 50);
}

static void tick_now(struct daemon *d)
{
	resolve_tick(d, d->conf, loop_ms(&d->workers[0].lane.loop));
}

static const char *addresses(const struct daemon *d)
{
	static char text[1024];
	struct addr v[SERVER_ADDRS];
	unsigned n = server_addrs(d->conf->servers[0], v);
	char buf[ADDR_TEXT];

	text[0] = 0;
	for (unsigned i = 0; i < n; i++) {
		strcat(text, i ? " " : "");
		strcat(text, addr_print(&v[i], true, buf));
	}
	return text;
}

/* ---- */
static void answers(void **state)
{
	static const struct {
		struct script script;
		const char *want;
	} rows[] = {
		{{.a = "127.0.0.7", .aaaa = ""}, "127.0.0.7:5300"},
		{{.a = "127.0.0.7 127.0.0.8 127.0.0.7", .aaaa = ""}, "127.0.0.7:5300 127.0.0.8:5300"},
		{{.a = "127.0.0.7", .aaaa = "", .alias = "other.example"}, "127.0.0.7:5300"},
		{{.a = "127.0.0.7", .aaaa = "!2"}, "127.0.0.7:5300"},  /* one family is enough */
		{{.a = "127.0.0.7", .aaaa = NULL}, "127.0.0.7:5300"},  /* also when the other one is silent */
		{{.a = "127.0.0.7", .aaaa = "", .garbage = true}, "127.0.0.7:5300"},
		{{.a = "127.0.0.7", .aaaa = "", .truncated = true}, "127.0.0.7:5300"},
		{{.a = "0.0.0.0 127.0.0.7 255.255.255.255 224.0.0.1", .aaaa = ":: ff02::1"}, "127.0.0.7:5300"},
		{{.a = "127.0.0.7", .aaaa = "", .wrong_id = true}, ""},
		{{.a = "127.0.0.7", .aaaa = "", .wrong_name = true}, ""},
		{{.a = "127.0.0.7", .aaaa = "127.0.0.7", .cut = true}, ""},
		{{.a = "!3", .aaaa = "!3"}, ""},
		{{.a = "!5", .aaaa = "!5"}, ""},
		{{.a = "", .aaaa = ""}, ""},
		{{.a = "0.0.0.0", .aaaa = "::"}, ""},
		{{.a = NULL, .aaaa = NULL}, ""},
	};

	(void)state;
	for (size_t i = 0; i < LEN(rows); i++) {
		struct daemon *d;

		script = rows[i].script;
		script.ttl_s = 300;
		d = begin("dns.example:5300");
		tick_now(d);
		assert_false(resolve_settled(d, loop_ms(&d->workers[0].lane.loop)));
		settle(d, rows[i].want[0] ? 200 : 2500);
		if (strcmp(addresses(d), rows[i].want) != 0)
			fail_msg("row %zu: %s", i, addresses(d));
		assert_true(resolve_settled(d, loop_ms(&d->workers[0].lane.loop)));
		assert_string_equal(asked_name, "dns.example");
		end(&d);
	}
}

/* Names are asked again when their TTL ends, within its bounds. */
static void refreshed(void **state)
{
	static const struct {
		uint32_t ttl_s, want_s;
	} rows[] = {{0, 10}, {3, 10}, {30, 30}, {300, 300}, {0x80000000u, 10}, {1000000, 86400}};

	(void)state;
	for (size_t i = 0; i < LEN(rows); i++) {
		struct daemon *d;
		unsigned first;

		script = (struct script){.a = "127.0.0.7", .aaaa = "", .ttl_s = rows[i].ttl_s};
		d = begin("dns.example");
		tick_now(d);
		settle(d, 200);
		first = asked;
		assert_int_equal(first, 2);
		if (rows[i].want_s > 300) { /* a day takes too long by the turn */
			struct loop *l = &d->workers[0].lane.loop;

			loop_set_time(l, l->now_us + (rows[i].want_s - 10) * 1000000ull);
		} else {
			pass(d, (rows[i].want_s - 1) * 1000);
		}
		step(d, 500);
		assert_int_equal(asked, first);
		script.a = "127.0.0.8";
		settle(d, rows[i].want_s > 300 ? 10000 : 1000);
		assert_int_equal(asked, first + 2);
		assert_string_equal(addresses(d), "127.0.0.8:53");
		end(&d);
	}
}

/* Without an address a name is asked again soon; each try comes from another port, with other ids. */
static void retried(void **state)
{
	struct daemon *d;
	uint16_t ports[64];
	unsigned n = 0, same = 0;

	(void)state;
	script = (struct script){.a = "!2", .aaaa = "!2"};
	d = begin("dns.example");
	tick_now(d);
	for (unsigned ms = 0; ms < 10000; ms += 50) {
		unsigned before = asked;

		step(d, 50);
		if (asked > before && n < LEN(ports))
			ports[n++] = ask_port;
	}
	/* one server is asked twice in a row; then after 0.25, 0.5, 1, 2, 5 s */
	assert_in_range(asked, 2 * 2 * 5, 2 * 2 * 7);
	for (unsigned i = 1; i < n; i++)
		same += ports[i] == ports[i - 1];
	assert_true(same < n / 2);
	script = (struct script){.a = "127.0.0.7", .aaaa = "", .ttl_s = 60};
	settle(d, 5500);
	assert_string_equal(addresses(d), "127.0.0.7:53");
	end(&d);
}

/* An address that was good stays when the name is gone, and the name is still looked up. */
static void last_good(void **state)
{
	static const char *const gone[] = {"!3", "!2", "", "0.0.0.0"};

	(void)state;
	for (size_t i = 0; i <= LEN(gone); i++) {
		struct daemon *d;

		script = (struct script){.a = "127.0.0.7", .aaaa = "", .ttl_s = 10};
		d = begin("dns.example");
		tick_now(d);
		settle(d, 200);
		script.a = script.aaaa = i < LEN(gone) ? gone[i] : NULL;
		if (script.aaaa && script.aaaa[0] == '0')
			script.aaaa = "::";
		pass(d, 10000);
		settle(d, 3000);
		assert_string_equal(addresses(d), "127.0.0.7:53");
		script.a = "127.0.0.9";
		script.aaaa = "";
		settle(d, 6000);
		assert_string_equal(addresses(d), "127.0.0.9:53");
		end(&d);
	}
}

/* The same set in another order moves nothing. */
static void rotation(void **state)
{
	struct daemon *d;

	(void)state;
	script = (struct script){.a = "127.0.0.7 127.0.0.8", .aaaa = "", .ttl_s = 10};
	d = begin("dns.example");
	tick_now(d);
	settle(d, 200);
	script.a = "127.0.0.8 127.0.0.7";
	pass(d, 10000);
	settle(d, 500);
	assert_int_equal(asked, 4);
	assert_string_equal(addresses(d), "127.0.0.7:53 127.0.0.8:53");
	script.a = "127.0.0.9 127.0.0.8";
	pass(d, 10000);
	settle(d, 500);
	assert_string_equal(addresses(d), "127.0.0.9:53 127.0.0.8:53");
	end(&d);
}

/* A name with more addresses than are kept: others in front at a refresh move nothing while all in use are there. */
static void more_than_are_kept(void **state)
{
	char before[512];
	struct daemon *d;

	(void)state;
	script = (struct script){.aaaa = "", .ttl_s = 10, .a = "127.0.0.1 127.0.0.2 127.0.0.3 127.0.0.4 127.0.0.5 "
		"127.0.0.6 127.0.0.7 127.0.0.8 127.0.0.9 127.0.0.10"};
	d = begin("dns.example");
	tick_now(d);
	settle(d, 200);
	snprintf(before, sizeof(before), "%s", addresses(d));
	assert_non_null(strstr(before, "127.0.0.8:53"));
	assert_null(strstr(before, "127.0.0.9:53"));
	script.a = "127.0.0.9 127.0.0.10 127.0.0.1 127.0.0.2 127.0.0.3 127.0.0.4 127.0.0.5 127.0.0.6 127.0.0.7 127.0.0.8";
	pass(d, 10000);
	settle(d, 500);
	assert_int_equal(asked, 4);
	assert_string_equal(addresses(d), before);
	script.a = "127.0.0.9 127.0.0.10 127.0.0.1 127.0.0.2 127.0.0.3 127.0.0.4 127.0.0.5 127.0.0.6 127.0.0.7";
	pass(d, 10000);
	settle(d, 500);
	assert_non_null(strstr(addresses(d), "127.0.0.9:53"));
	end(&d);
}

/* Where there is no way comes last, and is left when it is lost. */
static void unreachable(void **state)
{
	struct daemon *d;

	(void)state;
	if (!leave_home())
		skip();
	set_flags("lo", IFF_UP | IFF_RUNNING);
	script = (struct script){.a = "192.0.2.1 127.0.0.7 192.0.2.2", .aaaa = "2001:db8::1", .ttl_s = 10};
	d = begin("dns.example");
	tick_now(d);
	settle(d, 200);
	assert_string_equal(addresses(d), "127.0.0.7:53 [2001:db8::1]:53 192.0.2.1:53 192.0.2.2:53");
	end(&d);
	set_address("lo:1", 0xc0000209); /* 192.0.2.9/24 */
	script = (struct script){.a = "192.0.2.1 127.0.0.7", .aaaa = "", .ttl_s = 10};
	d = begin("dns.example");
	tick_now(d);
	settle(d, 200);
	assert_string_equal(addresses(d), "192.0.2.1:53 127.0.0.7:53");
	server_addr_good(d->conf->servers[0], &(struct addr){.family = AF_INET, .ip = {192, 0, 2, 1}});
	set_flags("lo:1", 0);
	pass(d, 10000);
	settle(d, 200);
	assert_string_equal(addresses(d), "127.0.0.7:53 192.0.2.1:53");
	end(&d);
	go_home();
}

static void ourselves(void **state)
{
	static const struct {
		const char *listening, *backend, *a, *aaaa, *want;
	} rows[] = {
		{"127.0.0.1:5399", "dns.example:5399", "127.0.0.1", "", ""},
		{"127.0.0.1:5399", "dns.example:5398", "127.0.0.1", "", "127.0.0.1:5398"},
		{"127.0.0.1:5399", "dns.example:5399", "127.0.0.1 127.0.0.2", "", "127.0.0.2:5399"},
		{"0.0.0.0:5399", "dns.example:5399", "127.3.4.5", "", ""},
		{"0.0.0.0:5399", "dns.example:5399", "127.3.4.5", "::1", "[::1]:5399"}, /* that is another family */
		{"0.0.0.0:5399", "dns.example:5399", "192.0.2.1", "", "192.0.2.1:5399"},
		{"[::1]:5399", "dns.example:5399", "", "::1", ""},
		{"[::]:5399", "dns.example:5399", "", "::1", ""},
		{"127.0.0.1:5399", "dns.example:5399", "", "::ffff:127.0.0.1", ""},
	};

	(void)state;
	for (size_t i = 0; i < LEN(rows); i++) {
		struct daemon *d;

		script = (struct script){.a = rows[i].a, .aaaa = rows[i].aaaa, .ttl_s = 10};
		listening = rows[i].listening;
		d = begin(rows[i].backend);
		tick_now(d);
		settle(d, 1500);
		if (strcmp(addresses(d), rows[i].want) != 0)
			fail_msg("row %zu: %s", i, addresses(d));
		end(&d);
	}
}

/* Without bootstrap servers the plain backends are asked, and not those by name or over TLS. */
static void plain_backends(void **state)
{
	char plain[64];
	struct daemon *d;

	(void)state;
	script = (struct script){.a = "127.0.0.7", .aaaa = "", .ttl_s = 10};
	dns = other_udp();
	snprintf(plain, sizeof(plain), "127.0.0.1:%u", port_of(dns));
	backend[0] = "dns.example";
	backend[1] = "127.0.0.1:9"; /* nobody is there */
	backend[2] = plain;
	backend[3] = NULL;
	backend_options[3] = NULL;
	backend_options[0] = "tls=openssl";
	backend_options[1] = backend_options[2] = "healthCheckMode=up";
	asked = 0;
	d = start(fill, NULL);
	tick_now(d);
	settle(d, 500);
	assert_string_equal(addresses(d), "127.0.0.7:853");
	end(&d);

	dns = other_udp(); /* nor those that want TCP */
	snprintf(plain, sizeof(plain), "127.0.0.1:%u", port_of(dns));
	backend_options[2] = "tcpOnly=true healthCheckMode=up";
	asked = 0;
	d = start(fill, NULL);
	tick_now(d);
	settle(d, 500);
	assert_int_equal(asked, 0);
	end(&d);
}

static void a_server_less(struct conf *c)
{
	set_text(c, "setWorkerLayout_", "collapsed");
	listen_at(c, "127.0.0.1:0");
}

/* Names that go in the middle of a look-up, and the daemon that does. */
static void going(void **state)
{
	struct daemon *d;
	const char *error = "";

	(void)state;
	script = (struct script){.a = NULL};
	d = begin("dns.example");
	tick_now(d);
	step(d, 20);
	assert_true(asked > 0);
	assert_true(install_conf(d, a_server_less, &error));
	tick_now(d);
	settle(d, 2000);
	assert_int_equal(asked, 2);
	end(&d);
	d = begin("dns.example");
	tick_now(d);
	step(d, 20);
	end(&d);
}

static void kicked(void **state)
{
	struct daemon *d;
	unsigned before;

	(void)state;
	script = (struct script){.a = NULL};
	d = begin("dns.example");
	tick_now(d);
	settle(d, 100);
	before = asked;
	script = (struct script){.a = "127.0.0.7", .aaaa = "", .ttl_s = 300};
	resolve_kick(d); /* not after the second that the try under way would take */
	settle(d, 100);
	assert_string_equal(addresses(d), "127.0.0.7:53");
	assert_int_equal(asked, before + 2);
	resolve_kick(d); /* just asked */
	settle(d, 100);
	assert_int_equal(asked, before + 2);
	settle(d, 5000);
	resolve_kick(d);
	settle(d, 100);
	assert_int_equal(asked, before + 4);
	end(&d);
}

/* A backend that is down is tried at its other addresses. */
static void silent(void **state)
{
	struct daemon *d;

	(void)state;
	script = (struct script){.a = "127.0.0.7 127.0.0.8", .aaaa = "", .ttl_s = 3600};
	d = begin("dns.example:9");
	server_set_auto(d->conf->servers[0], HEALTH_LAZY, 0);
	tick_now(d);
	settle(d, 500);
	assert_string_equal(addresses(d), "127.0.0.7:9 127.0.0.8:9");
	settle(d, 3000);
	tick_now(d);
	assert_string_equal(addresses(d), "127.0.0.8:9 127.0.0.7:9");
	tick_now(d);
	assert_string_equal(addresses(d), "127.0.0.8:9 127.0.0.7:9");
	server_set_up(d->conf->servers[0]);
	settle(d, 5000);
	tick_now(d);
	assert_string_equal(addresses(d), "127.0.0.8:9 127.0.0.7:9");
	end(&d);
}

static void memory_out(void **state)
{
	(void)state;
	for (unsigned long n = 1; n < 12; n++) {
		struct daemon *d;

		script = (struct script){.a = "127.0.0.7", .aaaa = "", .ttl_s = 60};
		d = begin("dns.example");
		mem_fail_at(n);
		tick_now(d);
		settle(d, 150);
		mem_fail_at(0);
		for (unsigned i = 0; i < 3; i++) {
			tick_now(d);
			settle(d, 1000);
		}
		assert_string_equal(addresses(d), "127.0.0.7:53");
		end(&d);
	}
}

/* ---- the system ---- */
static struct {
	unsigned calls, n;
	struct addr v[16];
} got;

static void got_it(void *ctx, const struct addr *v, unsigned n)
{
	assert_ptr_equal(ctx, &got);
	got.calls++;
	got.n = n;
	if (n)
		memcpy(got.v, v, (n < 16 ? n : 16) * sizeof(*v));
}

static void wait_calls(struct daemon *d, unsigned calls)
{
	uint64_t until = 0;

	while (got.calls < calls && real_time_left(&until))
		turn(d);
	assert_int_equal(got.calls, calls);
}

static void address_info(void **state)
{
	struct daemon *d = start(a_server_less, NULL);

	(void)state;
	memset(&got, 0, sizeof(got));
	assert_int_equal(daemon_resolve(d, "127.0.0.9", got_it, &got), 0);
	turn(d);
	assert_int_equal(got.calls, 0); /* nobody runs yet */
	tick_now(d);
	wait_calls(d, 1);
	assert_int_equal(got.n, 1);
	assert_int_equal(got.v[0].ip[3], 9);
	assert_int_equal(got.v[0].port, 0);
	assert_int_equal(daemon_resolve(d, "::1", got_it, &got), 0);
	wait_calls(d, 2);
	assert_int_equal(got.v[0].family, AF_INET6);
	assert_int_equal(daemon_resolve(d, "not..a.name", got_it, &got), 0);
	wait_calls(d, 3);
	assert_int_equal(got.n, 0);
	daemon_free(&d);
}

static void address_info_limits(void **state)
{
	struct daemon *d = start(a_server_less, NULL);
	unsigned taken = 0;

	(void)state;
	memset(&got, 0, sizeof(got));
	while (daemon_resolve(d, "127.0.0.9", got_it, &got) == 0)
		taken++;
	assert_int_equal(taken, 64);
	assert_int_equal(daemon_resolve(d, "127.0.0.9", got_it, &got), -EAGAIN);
	for (unsigned long n = 1; n <= 2; n++) {
		struct daemon *other = start(a_server_less, NULL);

		mem_fail_at(n);
		assert_int_equal(daemon_resolve(other, "127.0.0.9", got_it, &got), -ENOMEM);
		mem_fail_at(0);
		daemon_free(&other);
	}
	daemon_free(&d); /* each of them hears of the end */
	assert_int_equal(got.calls, 64);
	assert_int_equal(got.n, 0);
}

/* A backend without anybody else to ask: the system knows "localhost". */
static void by_system(void **state)
{
	struct daemon *d;
	uint64_t until = 0;

	(void)state;
	dns = other_udp();
	backend[0] = "localhost:5300";
	backend[1] = NULL;
	backend_options[0] = "healthCheckMode=up";
	d = start(fill, NULL);
	tick_now(d);
	while (!addresses(d)[0] && real_time_left(&until))
		turn(d);
	assert_non_null(strstr(addresses(d), ":5300"));
	end(&d);
}

int test_resolve(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(answers), cmocka_unit_test(refreshed), cmocka_unit_test(retried),
		cmocka_unit_test(last_good), cmocka_unit_test(rotation), cmocka_unit_test(more_than_are_kept), cmocka_unit_test(unreachable),
		cmocka_unit_test(ourselves), cmocka_unit_test(plain_backends), cmocka_unit_test(going),
		cmocka_unit_test(kicked), cmocka_unit_test(silent), cmocka_unit_test(memory_out),
		cmocka_unit_test(address_info), cmocka_unit_test(address_info_limits), cmocka_unit_test(by_system)};

	return cmocka_run_group_tests_name("resolve", tests, NULL, NULL);
}
