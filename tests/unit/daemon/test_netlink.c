/* test_netlink.c: changes of links, addresses and routes, made in a network namespace of the test's own; where that is
 * not permitted, only what the machine is like now. */
#include "daemon_help.h"
#include "netns.h"
#include "resolve.h"
#include <net/route.h>

int test_netlink(void);

static struct {
	unsigned calls;
	size_t n;
	struct addr have[16];
	bool refuse;
} told;

static bool changed(void *ctx, const struct addr *have, size_t n)
{
	assert_ptr_equal(ctx, &told);
	told.calls++;
	told.n = n;
	if (n)
		memcpy(told.have, have, (n < 16 ? n : 16) * sizeof(*have));
	return !told.refuse;
}

static const char *behind; /* an address of ours */

static bool leads_to(void *ctx, const struct netmask *m)
{
	struct addr a;

	assert_ptr_equal(ctx, &told);
	assert_int_equal(addr_parse(&a, behind, 0), 0);
	return netmask_match(m, &a);
}

/* ---- a network to play with ---- */
static void route(unsigned long what, uint32_t net, uint32_t mask, char *device)
{
	struct sockaddr_in dst = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(net)};
	struct sockaddr_in genmask = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(mask)};
	struct rtentry r;

	memset(&r, 0, sizeof(r));
	memcpy(&r.rt_dst, &dst, sizeof(dst));
	memcpy(&r.rt_genmask, &genmask, sizeof(genmask));
	r.rt_flags = RTF_UP;
	r.rt_dev = device;
	assert_int_equal(ioctl(control, what, &r), 0);
}

static bool has(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(&a, text, 0), 0);
	for (size_t i = 0; i < told.n && i < 16; i++)
		if (addr_same_ip(&told.have[i], &a))
			return true;
	return false;
}

/* after passes more time than events are gathered for; how often it was told of changes. */
static unsigned after(struct world *w)
{
	unsigned before = told.calls;

	world_turn(w);
	world_pass(w, 500);
	return told.calls - before;
}

static void changes(void **state)
{
	struct watch watch = {.changed = changed, .leads_to = leads_to, .ctx = &told};
	char lo[] = "lo";
	struct world w;

	(void)state;
	if (!leave_home())
		skip();
	memset(&told, 0, sizeof(told));
	behind = "192.0.2.77";
	world_start(&w, new_conf());
	world_pass(&w, 1000);
	assert_int_equal(watch_start(&watch, &w.lane.loop), 0);
	assert_int_equal(after(&w), 0);
	set_flags("lo", IFF_UP | IFF_RUNNING);
	assert_int_equal(after(&w), 1);
	assert_true(has("127.0.0.1"));
	set_flags("lo", IFF_UP | IFF_RUNNING); /* as it is */
	assert_int_equal(after(&w), 0);
	set_address("lo:1", 0x0a000001);
	set_address("lo:2", 0xac100002); /* told of both at once */
	assert_int_equal(after(&w), 1);
	assert_true(has("10.0.0.1") && has("172.16.0.2"));
	set_flags("lo:1", 0); /* an alias that goes down goes away */
	assert_int_equal(after(&w), 1);
	assert_false(has("10.0.0.1"));
	assert_true(has("172.16.0.2"));
	route(SIOCADDRT, 0xcb007100, 0xffffff00, lo); /* to somebody else */
	assert_int_equal(after(&w), 0);
	route(SIOCADDRT, 0xc0000200, 0xffffff00, lo);
	assert_int_equal(after(&w), 1);
	route(SIOCDELRT, 0xc0000200, 0xffffff00, lo);
	assert_int_equal(after(&w), 1);
	route(SIOCADDRT, 0, 0, lo); /* the way to everybody */
	assert_int_equal(after(&w), 1);
	told.refuse = true;
	set_flags("lo", 0);
	assert_int_equal(after(&w), 1);
	told.refuse = false;
	world_pass(&w, 1000); /* told again */
	assert_int_equal(told.calls, 8);
	assert_int_equal(after(&w), 0);
	watch_stop(&watch);
	world_stop(&w);
	go_home();
}

/* More events than the socket holds are a change, too; and a storm is no reason to look more than ten times a second. */
static void storm(void **state)
{
	struct watch watch = {.changed = changed, .leads_to = leads_to, .ctx = &told};
	char lo[] = "lo";
	struct world w;
	int small = 1;

	(void)state;
	if (!leave_home())
		skip();
	memset(&told, 0, sizeof(told));
	behind = "192.0.2.77";
	set_flags("lo", IFF_UP | IFF_RUNNING);
	world_start(&w, new_conf());
	world_pass(&w, 1000);
	assert_int_equal(watch_start(&watch, &w.lane.loop), 0);
	assert_int_equal(setsockopt(watch.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
	for (uint32_t i = 0; i < 200; i++)
		route(SIOCADDRT, 0x0b000000 + (i << 8), 0xffffff00, lo);
	assert_int_equal(after(&w), 1); /* though none of them leads to us */
	for (uint32_t i = 0; i < 100; i++) {
		route(i & 1 ? SIOCDELRT : SIOCADDRT, 0xc0000200, 0xffffff00, lo);
		world_turn(&w);
		world_pass(&w, 10);
	}
	assert_in_range(told.calls, 5, 12);
	watch_stop(&watch);
	world_stop(&w);
	go_home();
}

static void two_workers(struct conf *c)
{
	set_text(c, "setWorkerLayout_", "sharded");
	set_number(c, "setWorkerCount_", 2);
	listen_at(c, "0.0.0.0:0");
	assert_int_equal(conf_add_server(c, make_server("dns.example", "healthCheckMode=up")), 0);
	assert_int_equal(conf_add_server(c, make_server("192.0.2.1", "")), 0);
}

/* Each worker hears of it by letter; also one that never reads it. */
static void daemons(void **state)
{
	char lo[] = "lo";
	struct daemon *d;

	(void)state;
	if (!leave_home())
		skip();
	d = start(two_workers, NULL);
	pass(d, 1000);
	mem_fail_at(1);
	netlink_start(d);
	mem_fail_at(0);
	assert_null(d->netlink);
	netlink_stop(d); /* nothing */
	netlink_start(d);
	assert_non_null(d->netlink);
	set_flags("lo", IFF_UP | IFF_RUNNING);
	turn(d);
	pass(d, 500);
	assert_false(d->netlink->anyway);
	mem_fail_at(1); /* one letter is not written */
	assert_false(d->netlink->changed(d, &(struct addr){.family = AF_INET}, 1));
	mem_fail_at(0);
	assert_true(d->netlink->changed(d, &(struct addr){.family = AF_INET}, 1));
	turn(d);
	assert_int_equal(d->workers[1].lane.mailbox.count, 0);
	route(SIOCADDRT, 0, 0, lo); /* a way to 192.0.2.1 */
	turn(d);
	assert_true(d->netlink->anyway);
	netlink_stop(d);
	daemon_free(&d);
	go_home();
}

static void machine(void **state)
{
	struct addr *v;
	ssize_t n = machine_addrs(&v);

	(void)state;
	assert_true(n >= 0);
	for (ssize_t i = 0; i < n; i++) {
		assert_true(addr_len(&v[i]) > 0);
		assert_int_equal(v[i].port, 0);
	}
	mem_free(v);
	mem_fail_at(1);
	assert_int_equal(machine_addrs(&v), -ENOMEM);
	mem_fail_at(0);
}

int test_netlink(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(changes), cmocka_unit_test(storm), cmocka_unit_test(daemons),
		cmocka_unit_test(machine)};

	return cmocka_run_group_tests_name("netlink", tests, NULL, NULL);
}
