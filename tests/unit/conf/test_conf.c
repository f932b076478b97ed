/* test_conf.c: configurations as a whole: defaults, checks, binds, copies. */
#include "../server/make.h"
#include "conf.h"

int test_conf(void);

static struct conf *fresh(void)
{
	const char *error = "";
	struct conf *c = conf_new(&error);

	if (c == NULL)
		fail_msg("%s", error);
	return c;
}

static bool allows(const struct netset *acl, const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(&a, text, 0), 0);
	return netset_match(acl, &a);
}

static void defaults(void **state)
{
	static const char *const in[] = {"127.0.0.1", "10.1.2.3", "100.64.0.1", "169.254.1.1", "192.168.1.1", "172.16.0.1",
		"172.31.255.255", "::1", "fd00::1", "fe80::1"};
	static const char *const out[] = {"192.0.2.1", "100.63.255.255", "172.32.0.1", "2001:db8::1", "::2", "11.0.0.1"};
	struct conf *c = fresh();

	(void)state;
	for (size_t i = 0; i < LEN(in); i++)
		assert_true(allows(c->acl, in[i]));
	for (size_t i = 0; i < LEN(out); i++)
		assert_false(allows(c->acl, out[i]));
	assert_true(allows(c->console_acl, "127.0.0.1"));
	assert_false(allows(c->console_acl, "10.1.2.3"));
	assert_int_equal(netset_size(c->proxy_acl), 0);
	assert_ptr_equal(c->policy, &policy_least_outstanding);
	assert_int_equal(c->npools, 1);
	assert_string_equal(c->pools[0]->name, "");
	assert_int_equal(c->nbinds, 0);
	assert_int_equal(c->set.udp_timeout_s, 2);
	conf_free(&c);
	assert_null(c);
}

static void default_bind(void **state)
{
	struct conf *c = fresh();
	char buf[ADDR_TEXT];
	const char *error = "";

	(void)state;
	assert_int_equal(conf_freeze(c, &error), 0);
	assert_true(c->frozen);
	assert_int_equal(c->nbinds, 1);
	assert_string_equal(addr_print(&c->binds[0].addr, true, buf), "127.0.0.1:53");
	assert_int_equal(c->binds[0].proto, PROTO_UDP);
	assert_true(c->binds[0].enable_proxy);
	conf_free(&c);
}

static void add_bind(struct conf *c, unsigned proto, const char *address, const char *interface, bool replace)
{
	struct bind_conf b = {.proto = (uint8_t)proto};

	assert_int_equal(field_defaults(bind_fields, bind_field_count, &b), 0);
	mem_free(b.interface);
	b.interface = mem_strdup(interface);
	assert_int_equal(addr_parse(&b.addr, address, 53), 0);
	assert_int_equal(conf_add_bind(c, &b, replace), 0);
	assert_null(b.interface);
}

static void binds(void **state)
{
	struct conf *c = fresh();
	struct bind_conf b = {.proto = PROTO_UDP};
	const char *error = "";

	(void)state;
	add_bind(c, PROTO_UDP, "127.0.0.1", "a", false);
	add_bind(c, PROTO_DOT, "127.0.0.1:853", "b", false);
	add_bind(c, PROTO_UDP, "127.0.0.2", "c", false);
	assert_int_equal(c->nbinds, 3);
	add_bind(c, PROTO_UDP, "127.0.0.3", "d", true);
	assert_int_equal(c->nbinds, 2);
	assert_string_equal(c->binds[0].interface, "b");
	assert_string_equal(c->binds[1].interface, "d");
	mem_fail_at(1);
	assert_int_equal(conf_add_bind(c, &b, true), -ENOMEM);
	mem_fail_at(0);
	assert_int_equal(c->nbinds, 2);
	assert_int_equal(conf_freeze(c, &error), 0);
	assert_int_equal(c->nbinds, 2);
	conf_free(&c);
}

static void checks(void **state)
{
	static const struct {
		double weighted, hash;
		const char *key, *more, *error; /* error NULL: fine */
	} cases[] = {
		{0, 0, "", NULL, NULL},
		{1, 1.25, "", NULL, NULL},
		{0.5, 0, "", NULL, "setWeightedBalancingFactor: "},
		{0, 0.99, "", NULL, "setConsistentHashingBalancingFactor: "},
		{0, 0, "01234567-89abcdef-01234567-89ABCDEF", NULL, NULL},
		{0, 0, "01234567-89abcdef-01234567-89ABCDE", NULL, "setTCPFastOpenKey: "},
		{0, 0, "01234567-89abcdef-01234567-89ABCDEF0", NULL, "setTCPFastOpenKey: "},
		{0, 0, "01234567x89abcdef-01234567-89ABCDEF", NULL, "setTCPFastOpenKey: "},
		{0, 0, "x1234567-89abcdef-01234567-89ABCDEF", NULL, "setTCPFastOpenKey: "},
		{0, 0, "x", NULL, "setTCPFastOpenKey: "},
		{0, 0, "", "192.0.2.1", NULL},
		{0, 0, "", "nowhere", "additionalAddresses: "},
	};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		struct conf *c = fresh();
		const char *error = "";

		c->set.weighted_factor = cases[i].weighted;
		c->set.hash_factor = cases[i].hash;
		mem_free(c->set.tcp_fast_open_key);
		c->set.tcp_fast_open_key = mem_strdup(cases[i].key);
		add_bind(c, PROTO_UDP, "127.0.0.1", "", false);
		if (cases[i].more != NULL) {
			c->binds[0].more.v = mem_zalloc(sizeof(char *));
			c->binds[0].more.v[0] = mem_strdup(cases[i].more);
			c->binds[0].more.n = 1;
		}
		assert_int_equal(conf_freeze(c, &error), cases[i].error == NULL ? 0 : -EINVAL);
		assert_int_equal(c->frozen, cases[i].error == NULL);
		if (cases[i].error != NULL && strncmp(error, cases[i].error, strlen(cases[i].error)) != 0)
			fail_msg("'%s'", error);
		conf_free(&c);
	}
}

static int held;
static void retain(void *lua)
{
	(void)lua;
	held++;
}
static void release(void *lua)
{
	(void)lua;
	held--;
}

/* A configuration with something of everything, for copies. */
static struct conf *full(void)
{
	struct conf *c = fresh();
	struct server *s = make_server("192.0.2.1", "pool=p name=s");

	assert_int_equal(conf_add_server(c, s), 0);
	add_bind(c, PROTO_UDP, "127.0.0.5:5300", "lo", false);
	c->binds[0].more.v = mem_zalloc(sizeof(char *));
	c->binds[0].more.v[0] = mem_strdup("127.0.0.6");
	c->binds[0].more.n = 1;
	c->capabilities.v = mem_zalloc(sizeof(char *));
	c->capabilities.v[0] = mem_strdup("CAP_NET_RAW");
	c->capabilities.n = 1;
	c->set.udp_timeout_s = 9;
	c->policy = policy_find("chashed");
	conf_pool(c, "p")->policy = policy_find("wrandom");
	conf_pool(c, "p")->use_ecs = true;
	held = 1;
	c->lua = &held;
	c->lua_retain = retain;
	c->lua_release = release;
	return c;
}

static void copies(void **state)
{
	struct conf *c = full(), *copy;
	const char *error = "";

	(void)state;
	assert_int_equal(conf_freeze(c, &error), 0);
	copy = conf_copy(c);
	assert_non_null(copy);
	assert_false(copy->frozen);
	assert_true(copy->serial > c->serial);
	assert_int_equal(copy->set.udp_timeout_s, 9);
	assert_ptr_equal(copy->policy, policy_find("chashed"));
	assert_int_equal(copy->nservers, 1);
	assert_ptr_equal(copy->servers[0], c->servers[0]);
	assert_int_equal(copy->npools, 2);
	assert_ptr_not_equal(conf_pool(copy, "p"), conf_pool(c, "p"));
	assert_ptr_equal(conf_pool(copy, "p")->servers[0], c->servers[0]);
	assert_ptr_equal(conf_pool(copy, "p")->policy, policy_find("wrandom"));
	assert_true(conf_pool(copy, "p")->use_ecs);
	assert_int_equal(copy->nbinds, 1);
	assert_string_equal(copy->binds[0].interface, "lo");
	assert_string_equal(copy->binds[0].more.v[0], "127.0.0.6");
	assert_int_equal(copy->binds[0].addr.port, 5300);
	assert_string_equal(copy->capabilities.v[0], "CAP_NET_RAW");
	assert_true(allows(copy->acl, "10.0.0.1"));
	assert_int_equal(held, 2);
	assert_ptr_equal(copy->lua, &held);
	/* the copy is edited: the old one stays */
	assert_int_equal(conf_remove_server(copy, c->servers[0]), 0);
	netset_clear(copy->acl);
	assert_int_equal(conf_pool(c, "p")->n, 1);
	assert_true(allows(c->acl, "10.0.0.1"));
	assert_int_equal(conf_freeze(copy, &error), 0);
	conf_free(&copy);
	assert_int_equal(held, 1);
	assert_int_equal(atomic_load(&c->servers[0]->refs), 2);
	c->lua_retain = NULL; /* a state that cannot be shared stays with the first */
	copy = conf_copy(c);
	assert_null(copy->lua);
	conf_free(&copy);
	conf_free(&c);
	assert_int_equal(held, 0);
}

static void references(void **state)
{
	struct conf *c = full(), *again = conf_ref(c);

	(void)state;
	conf_free(&c);
	assert_int_equal(held, 1);
	assert_int_equal(again->nservers, 1);
	conf_free(&again);
	assert_int_equal(held, 0);
	conf_free(&again);
}

static void memory_out(void **state)
{
	struct conf *c = full(), *copy = NULL, *new = NULL;
	unsigned long n;

	(void)state;
	for (n = 1; copy == NULL; n++) {
		mem_fail_at(n);
		copy = conf_copy(c);
		mem_fail_at(0);
		assert_int_equal(held, copy != NULL ? 2 : 1);
		assert_in_range(n, 1, 200);
	}
	assert_true(n > 10);
	conf_free(&copy);
	conf_free(&c);
	for (n = 1; new == NULL; n++) {
		const char *error = NULL;

		mem_fail_at(n);
		new = conf_new(&error);
		mem_fail_at(0);
		assert_true(new != NULL || strcmp(error, "out of memory") == 0);
		assert_in_range(n, 1, 200);
	}
	assert_true(n > 10);
	mem_fail_at(1);
	{
		const char *error = "";

		assert_int_not_equal(conf_freeze(new, &error), 0);
		assert_string_equal(error, "out of memory");
		mem_fail_at(0);
		assert_int_equal(new->nbinds, 0);
		assert_int_equal(conf_freeze(new, &error), 0);
	}
	conf_free(&new);
}

int test_conf(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(defaults), cmocka_unit_test(default_bind),
		cmocka_unit_test(binds), cmocka_unit_test(checks), cmocka_unit_test(copies), cmocka_unit_test(references),
		cmocka_unit_test(memory_out)};

	return cmocka_run_group_tests_name("conf", tests, NULL, NULL);
}
