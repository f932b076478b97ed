/* test_conf_show.c: the tables of showServers() and showPools(). */
#include "../server/make.h"
#include "conf.h"
#include "text.h"

int test_conf_show(void);

static struct conf *example(void)
{
	const char *error = "";
	struct conf *c = conf_new(&error);
	struct server *a = make_server("192.0.2.1", "name=one qps=20"), *b = make_server("2001:db8::2", "pool=p weight=7");

	assert_non_null(c);
	assert_int_equal(conf_add_server(c, a), 0);
	assert_int_equal(conf_add_server(c, b), 0);
	assert_int_equal(conf_pool_add(c, "q", b), 0);
	conf_pool(c, "p")->policy = policy_find("wrandom");
	server_rates(a, 1000);
	atomic_store(&a->queries, 30);
	atomic_store(&a->drops, 2);
	atomic_store(&a->latency_us, 1500);
	atomic_store(&b->queries, 4);
	atomic_store(&b->outstanding, 3);
	server_rates(a, 2000);
	server_set_up(a);
	return c;
}

/* The words of the |nth| line, joined by one space. */
static const char *words(const char *text, unsigned nth, char out[512])
{
	size_t n = 0;

	while (nth-- > 0) {
		text = strchr(text, '\n');
		assert_non_null(text);
		text++;
	}
	for (; *text != '\n' && *text != '\0' && n < 510; text++) {
		if (*text != ' ')
			out[n++] = *text;
		else if (n > 0 && out[n - 1] != ' ')
			out[n++] = ' ';
	}
	while (n > 0 && out[n - 1] == ' ')
		n--;
	out[n] = '\0';
	return out;
}

static void servers(void **state)
{
	struct conf *c = example();
	struct text t = {0};
	char line[512];

	(void)state;
	conf_show_servers(c, &t, false);
	assert_string_equal(words(text_str(&t), 0, line),
		"# Name Address State Qps Qlim Ord Wt Queries Drops Drate Lat TCP Outstanding Pools");
	assert_string_equal(words(text_str(&t), 1, line), "0 one 192.0.2.1:53 UP 30.0 20 1 1 30 2 2.0 1.5 0.0 0");
	assert_string_equal(words(text_str(&t), 2, line), "1 [2001:db8::2]:53 down 0.0 0 1 7 4 0 0.0 0.0 0.0 3 p q");
	assert_string_equal(words(text_str(&t), 3, line), "All 30.0 34 2 3");
	assert_string_equal(words(text_str(&t), 4, line), "");
	text_free(&t);
	conf_free(&c);
}

/* Every column ends, or begins, where its title does. */
static void columns(void **state)
{
	struct conf *c = example();
	struct text t = {0};
	const char *second, *last;
	size_t state_at, outstanding_end;

	(void)state;
	conf_show_servers(c, &t, false);
	second = strchr(text_str(&t), '\n') + 1;
	last = strstr(text_str(&t), "All");
	state_at = (size_t)(strstr(t.p, "State") - t.p);
	outstanding_end = (size_t)(strstr(t.p, "Outstanding") - t.p) + strlen("Outstanding");
	assert_int_equal(strncmp(second + state_at, "UP", 2), 0);
	assert_int_equal(second[outstanding_end - 1], '0');
	assert_int_equal(last[outstanding_end - 1], '3');
	text_free(&t);
	conf_free(&c);
}

static void uuids(void **state)
{
	struct conf *c = example();
	struct text t = {0};
	char line[512];

	(void)state;
	conf_show_servers(c, &t, true);
	assert_int_equal(strncmp(words(text_str(&t), 0, line), "# UUID Name Address", 19), 0);
	assert_int_equal(strncmp(words(text_str(&t), 1, line) + 2, c->servers[0]->id, 36), 0);
	text_free(&t);
	conf_free(&c);
}

static void pools(void **state)
{
	struct conf *c = example();
	struct cache_options o;
	struct text t = {0};
	const char *error = "";
	char line[512];

	(void)state;
	memset(&o, 0, sizeof o);
	assert_int_equal(field_defaults(cache_fields, cache_field_count, &o), 0);
	o.max_entries = 5000;
	conf_pool(c, "p")->cache = cache_new(&o, &error);
	assert_non_null(conf_pool(c, "p")->cache);
	conf_show_pools(c, &t);
	assert_string_equal(words(text_str(&t), 0, line), "Name Cache ServerPolicy Servers");
	assert_string_equal(words(text_str(&t), 1, line), "leastOutstanding one");
	assert_string_equal(words(text_str(&t), 2, line), "p 0/5000 wrandom [2001:db8::2]:53");
	assert_string_equal(words(text_str(&t), 3, line), "q leastOutstanding [2001:db8::2]:53");
	text_free(&t);
	conf_free(&c);
}

static void memory_out(void **state)
{
	struct conf *c = example();
	struct text t = {0};

	(void)state;
	mem_fail_at(1);
	conf_show_servers(c, &t, false);
	mem_fail_at(0);
	assert_true(t.failed);
	text_free(&t);
	conf_free(&c);
}

int test_conf_show(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(servers), cmocka_unit_test(columns), cmocka_unit_test(uuids),
		cmocka_unit_test(pools), cmocka_unit_test(memory_out)};

	return cmocka_run_group_tests_name("conf_show", tests, NULL, NULL);
}
