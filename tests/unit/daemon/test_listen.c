/* test_listen.c: listening sockets of configurations: opened on their workers, kept over a reload, closed, refused. */
#include "daemon_help.h"

int test_listen(void);

static char where[64]; /* an address that is free */

static void find_free(void)
{
	int udp, tcp, err;

	do { /* by both protocols */
		struct sockaddr_in a;

		tcp = other_listen();
		a = loopback(port_of(tcp));
		udp = socket(AF_INET, SOCK_DGRAM, 0);
		err = bind(udp, (struct sockaddr *)&a, sizeof(a));
		snprintf(where, sizeof(where), "127.0.0.1:%u", port_of(tcp));
		close(tcp);
		close(udp);
	} while (err);
}

static void collapsed(struct conf *c)
{
	set_text(c, "setWorkerLayout_", "collapsed");
	listen_at(c, where);
}

static void both_protocols(void **state)
{
	struct daemon *d;
	struct text out = {0};

	(void)state;
	find_free();
	d = start(collapsed, NULL);
	turn(d);
	assert_int_equal(fronts(d, 0), 0); /* open, but nobody reads yet */
	serve_now(d);
	turn(d);
	assert_int_equal(d->nworkers, 1);
	assert_int_equal(d->nlisteners, 2);
	assert_int_equal(fronts(d, 0), 2);
	assert_ptr_equal(d->listeners[0]->ops, &front_udp);
	assert_ptr_equal(d->listeners[1]->ops, &front_tcp);
	assert_false(d->listeners[0]->share_port);
	listen_show(d, &out);
	assert_non_null(strstr(text_str(&out), where));
	assert_non_null(strstr(text_str(&out), "TCP"));
	text_free(&out);
	daemon_free(&d);
}

static void more_fill(struct conf *c)
{
	struct bind_conf b = {.proto = PROTO_UDP};
	char **v = mem_alloc(2 * sizeof(char *));

	collapsed(c);
	v[0] = mem_strdup("127.0.0.2:0");
	v[1] = mem_strdup("[::1]:0");
	b.more = (struct field_list){v, 2};
	assert_int_equal(addr_parse(&b.addr, "127.0.0.3:0", 0), 0);
	assert_int_equal(conf_add_bind(c, &b, false), 0);
}

static void more_addresses(void **state)
{
	struct daemon *d;

	(void)state;
	find_free();
	d = start(more_fill, NULL);
	serve_now(d);
	turn(d);
	assert_int_equal(d->nlisteners, 8);
	assert_int_equal(fronts(d, 0), 8);
	assert_int_equal(d->listeners[4]->conf.addr.family, AF_INET6);
	daemon_free(&d);
}

static void bad_more_fill(struct conf *c)
{
	more_fill(c);
	strcpy(c->binds[1].more.v[1], "there");
}

static void taken(void **state)
{
	struct daemon *d;
	const char *error;
	int tcp = other_listen();
	char want[128];

	(void)state;
	snprintf(where, sizeof(where), "127.0.0.1:%u", port_of(tcp));
	d = start(collapsed, &error);
	assert_null(d);
	snprintf(want, sizeof(want), "cannot listen on %s (TCP): Address already in use", where);
	assert_string_equal(error, want);
	close(tcp);
	d = start(bad_more_fill, &error);
	assert_null(d);
	assert_string_equal(error, "additionalAddresses: expected an address, got 'there'");
}

static void other_place(struct conf *c)
{
	collapsed(c);
	listen_at(c, "127.0.0.4:0");
}

static void only_other(struct conf *c)
{
	set_text(c, "setWorkerLayout_", "collapsed");
	listen_at(c, "127.0.0.4:0");
}

static void not_mine(struct conf *c)
{
	listen_at(c, "127.0.0.5:0");
	listen_at(c, "192.0.2.1:5353");
}

/* Lua code on a worker may replace a configuration before its listeners are renewed by it. */
static void replaced_meanwhile(void **state)
{
	struct listen_plan *plan = mem_alloc(sizeof(*plan));
	const char *error = "";
	struct conf *c = new_conf();
	struct daemon *d;

	(void)state;
	find_free();
	d = start(collapsed, NULL);
	serve_now(d);
	turn(d);
	collapsed(c);
	for (size_t i = 0; i < c->nbinds; i++) {
		mem_free(c->binds[i].where);
		c->binds[i].where = mem_strdup("fake.conf:1: setLocal");
		c->binds[i].listen_queue = 7; /* which is only said */
	}
	assert_int_equal(conf_freeze(c, &error), 0);
	assert_int_equal(listen_open(d, c, plan, &error), 0);
	conf_free(&c);
	d->plan = plan;
	serve_now(d);
	turn(d);
	assert_int_equal(d->nlisteners, 2);
	daemon_free(&d);
}

/* A reload keeps the sockets that are the same, opens new ones, closes others; one that fails changes nothing. */
static void reload(void **state)
{
	struct daemon *d;
	struct listener *kept[2];
	struct front *front;
	const char *error = "";

	(void)state;
	find_free();
	d = start(collapsed, NULL);
	serve_now(d);
	turn(d);
	memcpy(kept, d->listeners, sizeof(kept));
	front = d->workers[0].lane.fronts;
	assert_true(install_conf(d, other_place, &error));
	assert_int_equal(d->nlisteners, 4);
	assert_int_equal(fronts(d, 0), 4);
	for (int i = 0; i < 2; i++)
		assert_true(d->listeners[i] == kept[0] || d->listeners[i] == kept[1]);
	for (struct front *f = d->workers[0].lane.fronts; f; f = f->next)
		if (f == front)
			front = NULL;
	assert_null(front); /* it was found */
	assert_false(install_conf(d, not_mine, &error));
	assert_non_null(strstr(error, "cannot listen on 192.0.2.1:5353"));
	turn(d);
	assert_int_equal(d->nlisteners, 4);
	assert_int_equal(fronts(d, 0), 4);
	assert_true(install_conf(d, only_other, &error));
	assert_int_equal(fronts(d, 0), 2);
	daemon_free(&d);
}

/* A reload before the first checks are done finds its sockets too. */
static void early_reload(void **state)
{
	struct daemon *d;
	const char *error = "";

	(void)state;
	find_free();
	d = start(collapsed, NULL);
	if (!install_conf(d, other_place, &error))
		fail_msg("%s", error);
	assert_int_equal(fronts(d, 0), 4);
	daemon_free(&d);
}

static void sharded_fill(struct conf *c)
{
	set_text(c, "setWorkerLayout_", "sharded");
	set_number(c, "setWorkerCount_", 3);
	listen_at(c, where);
}

static void sharded(void **state)
{
	struct daemon *d;
	const char *error = "";

	(void)state;
	find_free();
	d = start(sharded_fill, NULL);
	serve_now(d);
	turn(d);
	assert_int_equal(d->nworkers, 3);
	assert_true(d->listeners[0]->share_port && d->listeners[1]->share_port);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(fronts(d, i), 2);
	assert_true(install_conf(d, only_other, &error)); /* the layout stays as it began */
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(fronts(d, i), 2);
	daemon_free(&d);
}

static void split_fill(struct conf *c)
{
	set_text(c, "setWorkerLayout_", "split");
	listen_at(c, where);
}

static void split(void **state)
{
	struct daemon *d;

	(void)state;
	find_free();
	d = start(split_fill, NULL);
	serve_now(d);
	turn(d);
	assert_int_equal(d->nworkers, 3);
	assert_int_equal(fronts(d, 0), 1);
	assert_ptr_equal(d->workers[0].lane.fronts->ops, &front_udp);
	assert_int_equal(fronts(d, 1), 1);
	assert_ptr_equal(d->workers[1].lane.fronts->ops, &front_tcp);
	assert_int_equal(fronts(d, 2), 0);
	daemon_free(&d);
}

static void many_fill(struct conf *c)
{
	set_text(c, "setWorkerLayout_", "collapsed");
	for (int i = 0; i < LISTENERS_MAX / 2 + 1; i++)
		listen_at(c, "127.0.0.1:0");
}

static void too_many(void **state)
{
	const char *error;

	(void)state;
	assert_null(start(many_fill, &error));
	assert_string_equal(error, "more than 256 listening sockets");
}

int test_listen(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(both_protocols), cmocka_unit_test(more_addresses),
		cmocka_unit_test(taken), cmocka_unit_test(reload), cmocka_unit_test(replaced_meanwhile), cmocka_unit_test(early_reload),
		cmocka_unit_test(sharded), cmocka_unit_test(split),
		cmocka_unit_test(too_many)};

	return cmocka_run_group_tests_name("listen", tests, NULL, NULL);
}
