/* test_daemon.c: the process: workers by layout, the second's work, reloads, the end. */
#include "daemon_help.h"
#include <fcntl.h>
#include <unistd.h>

int test_daemon(void);

/* What the next configuration says. */
static struct says {
	const char *layout;
	unsigned batch, workers, clean_s, percent, ring;
	bool rings;
	struct cache *cache;
} says;

static void fill(struct conf *c)
{
	set_text(c, "setWorkerLayout_", says.layout ? says.layout : "collapsed");
	if (says.batch)
		set_number(c, "setUDPMultipleMessagesVectorSize", says.batch);
	set_number(c, "setWorkerCount_", says.workers);
	if (says.clean_s)
		set_number(c, "setCacheCleaningDelay", says.clean_s);
	if (says.percent)
		set_number(c, "setCacheCleaningPercentage", says.percent);
	set_number(c, "setRingEntries_", says.ring);
	set_switch(c, "setRingQueries_", says.rings);
	set_switch(c, "setRingResponses_", says.rings);
	if (says.cache)
		c->pools[0]->cache = cache_ref(says.cache);
	listen_at(c, "127.0.0.1:0");
}

/* setUDPMultipleMessagesVectorSize(): above 1 it says how many datagrams are read at once. */
static void batches(void **state)
{
	static const struct {
		const char *layout;
		unsigned asked, want;
	} rows[] = {{"collapsed", 0, 16}, {"sharded", 0, 64}, {"collapsed", 1, 16}, {"collapsed", 7, 7},
		{"sharded", 200, 200}, {"split", 0, 64}};

	(void)state;
	for (size_t i = 0; i < LEN(rows); i++) {
		struct daemon *d;

		says = (struct says){.layout = rows[i].layout, .batch = rows[i].asked, .workers = 2};
		d = start(fill, NULL);
		for (unsigned w = 0; w < d->nworkers; w++)
			assert_int_equal(dgram_batch(d->workers[w].lane.in), rows[i].want);
		daemon_free(&d);
	}
}

static void rings(void **state)
{
	struct daemon *d;
	struct rings r;

	(void)state;
	says = (struct says){.layout = "sharded", .workers = 2, .ring = 101, .rings = true};
	d = start(fill, NULL);
	d->host.rings(d, &r);
	assert_int_equal(r.n, 2);
	assert_true(r.query[0] && r.query[1] && r.response[0] && r.response[1]);
	daemon_free(&d);
	says.rings = false;
	d = start(fill, NULL);
	d->host.rings(d, &r);
	assert_false(r.query[0] || r.response[1]);
	daemon_free(&d);
}

static void no_layout(void **state)
{
	const char *error;

	(void)state;
	says = (struct says){.layout = "heap"};
	assert_null(start(fill, &error));
	assert_non_null(strstr(error, "heap"));
}

static void put_answers(struct cache *cache, unsigned n, uint64_t now_ms)
{
	for (unsigned i = 0; i < n; i++) {
		uint8_t msg[512];
		char name[32];
		struct question q;
		struct edns none = {0};
		struct cache_key key;
		size_t len;

		snprintf(name, sizeof(name), "w%u.example", i);
		len = make_query(msg, 0, name, QTYPE_A);
		assert_int_equal(question_parse(&q, msg, len), 0);
		assert_int_equal(cache_key_make(&key, cache_options(cache), msg, len, &q, &none, false), 0);
		dns_set_flags(msg, DNS_QR | DNS_RD | DNS_RA);
		assert_int_equal(msg_add_rr(msg, &len, sizeof(msg), SECTION_ANSWER, QTYPE_A, CLASS_IN, 1, "abcd", 4), 0);
		assert_int_equal(cache_put(cache, &key, msg, len, now_ms, -1), 1);
	}
	assert_int_equal(cache_size(cache), n);
}

static struct cache *new_cache(void)
{
	struct cache_options o = {0};
	const char *error = "";
	struct cache *cache;

	assert_int_equal(field_defaults(cache_fields, cache_field_count, &o), 0);
	o.max_entries = 100;
	o.shards = 1;
	cache = cache_new(&o, &error);
	if (!cache)
		fail_msg("%s", error);
	return cache;
}

/* setCacheCleaningDelay(): how often; setCacheCleaningPercentage(): how much of it. */
static void cleaning(void **state)
{
	struct cache *cache = new_cache();
	struct daemon *d;

	(void)state;
	says = (struct says){.clean_s = 10, .percent = 40, .cache = cache};
	d = start(fill, NULL);
	turn(d);
	put_answers(cache, 100, loop_ms(&d->workers[0].lane.loop));
	pass(d, 9000);
	assert_int_equal(cache_size(cache), 100); /* they ended long ago, nobody has looked */
	assert_true(lang.maintenances >= 6);
	pass(d, 2500);
	assert_int_equal(cache_size(cache), 60);
	pass(d, 8000);
	assert_int_equal(cache_size(cache), 60);
	daemon_free(&d);
	cache_expunge(cache, 0);
	says.percent = 100;
	d = start(fill, NULL);
	turn(d);
	put_answers(cache, 100, loop_ms(&d->workers[0].lane.loop));
	pass(d, 11500);
	assert_int_equal(cache_size(cache), 0);
	daemon_free(&d);
	cache_free(&cache);
}

static uint64_t own(const struct daemon *d, enum counter id)
{
	return __atomic_load_n(&d->own.v[id], __ATOMIC_RELAXED);
}

/* A reload that fails is counted and changes nothing; one that works is the running configuration. */
static void reloads(void **state)
{
	struct daemon *d;
	struct conf *before, *after;
	uint64_t until = 0;
	int was = log_options.fd;

	(void)state;
	says = (struct says){0};
	d = start(fill, NULL);
	turn(d);
	before = d->host.current(d);
	log_options.fd = -1;
	lang.fail = "fake.conf:1: no";
	daemon_reload(d);
	while (own(d, COUNTER_RELOAD_ERRORS) == 0 && real_time_left(&until))
		turn(d);
	assert_int_equal(own(d, COUNTER_RELOAD_ERRORS), 1);
	after = d->host.current(d);
	assert_ptr_equal(before, after);
	conf_free(&after);
	while (d->reloading && real_time_left(&until))
		turn(d);
	lang.fail = NULL;
	daemon_reload(d);
	while (own(d, COUNTER_RELOADS) == 0 && real_time_left(&until))
		turn(d);
	assert_int_equal(own(d, COUNTER_RELOADS), 1);
	after = d->host.current(d);
	assert_ptr_not_equal(before, after);
	turn(d);
	assert_ptr_equal(core_conf(&d->workers[0].lane.core), after);
	conf_free(&after);
	conf_free(&before);
	daemon_free(&d);
	log_options.fd = was;
}

static void check(void **state)
{
	const char *error = "";

	(void)state;
	says = (struct says){0};
	memset(&lang, 0, sizeof(lang));
	lang.fill = fill;
	assert_int_equal(daemon_check(&no_options, "fake.conf", &language, &error), 0);
	lang.fail = "fake.conf:7: expected something else";
	assert_true(daemon_check(&no_options, "fake.conf", &language, &error) < 0);
	assert_string_equal(error, lang.fail);
}

/* Told to stop, the workers leave their loops and the language hears of it, in every layout. */
static void ends(void **state)
{
	static const char *const layouts[] = {"collapsed", "sharded", "split"};
	int was = log_options.fd;

	(void)state;
	log_options.fd = -1;
	for (size_t i = 0; i < LEN(layouts); i++) {
		struct daemon *d;

		says = (struct says){.layout = layouts[i], .workers = 2};
		d = start(fill, NULL);
		d->host.shutdown(d);
		assert_int_equal(daemon_run(d), 0);
		assert_int_equal(lang.exits, 1);
		for (unsigned w = 0; w < d->nworkers; w++)
			assert_int_equal(fronts(d, w), 0);
		daemon_free(&d);
	}
	log_options.fd = was;
}

static void pass_in_steps(struct daemon *d, unsigned steps)
{
	while (steps--)
		pass(d, 10);
}

/* Whoever has nothing to do waits for those whose queries may be answered on its worker. */
static void leave_together(void **state)
{
	(void)state;
	for (unsigned busy = 0; busy < 2; busy++) {
		struct worker *w, *other;
		struct daemon *d;

		says = (struct says){.layout = "sharded", .workers = 2};
		d = start(fill, NULL);
		assert_int_equal(d->nworkers, 2);
		d->workers[1].started = true;
		w = &d->workers[busy];
		other = &d->workers[1 - busy];
		w->lane.core.parked++;
		post_stop(w);
		post_stop(other);
		pass_in_steps(d, 20);
		assert_true(other->drained);
		assert_false(other->lane.loop.stop || w->lane.loop.stop);
		w->lane.core.parked--;
		pass_in_steps(d, 5);
		assert_true(w->lane.loop.stop && other->lane.loop.stop);
		d->workers[1].started = false;
		daemon_free(&d);
	}
}

/* What a worker that has gone is told is freed. */
static void told_too_late(void **state)
{
	struct server *s = make_server("192.0.2.1", "");
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct daemon *d;
	struct worker gone = {0};

	(void)state;
	says = (struct says){.layout = "collapsed", .workers = 1};
	d = start(fill, NULL);
	gone.lane.mailbox.fd = -1;
	assert_int_equal(post_front(&gone, d->plan->listeners[0], fd), -EPIPE);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	assert_int_equal(post_reconnect(&gone, s), -EPIPE);
	assert_int_equal(atomic_load(&s->refs), 1);
	assert_int_equal(post_conf(&gone, conf_ref(d->conf)), -EPIPE);
	daemon_free(&d);
	server_free(&s);
}

int test_daemon(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(batches), cmocka_unit_test(rings),
		cmocka_unit_test(no_layout), cmocka_unit_test(cleaning), cmocka_unit_test(reloads),
		cmocka_unit_test(check), cmocka_unit_test(ends),
		cmocka_unit_test(leave_together), cmocka_unit_test(told_too_late)};

	return cmocka_run_group_tests_name("daemon", tests, NULL, NULL);
}
