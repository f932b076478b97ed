/* fixture.c: see fixture.h. */
#include "fixture.h"
#include "../server/make.h"

static struct fix *fix_of(struct client *c)
{
	return c->conn;
}

static void on_answer(struct client *c, const uint8_t *msg, size_t len)
{
	struct fix *f = fix_of(c);

	assert_true(len <= sizeof(f->answer));
	memcpy(f->answer, msg, len);
	f->answer_len = len;
	f->answers++;
	f->waits = NULL;
}

static void on_drop(struct client *c, enum reason why)
{
	struct fix *f = fix_of(c);

	f->why = why;
	f->drops++;
	f->waits = NULL;
}

static void on_waits(struct client *c)
{
	fix_of(c)->waits = c;
}

static const struct client_ops client_ops = {on_answer, on_drop, NULL, on_waits};

static int send_it(struct back *b, struct query *q)
{
	struct fix *f = container_of(b, struct fix, back);

	if (f->send_error)
		return f->send_error;
	assert_true(f->nsent < SENT_MAX);
	f->sent[f->nsent++] = q;
	return 0;
}

static void forget(struct fix *f, size_t which)
{
	memmove(f->sent + which, f->sent + which + 1, (f->nsent - which - 1) * sizeof(f->sent[0]));
	f->nsent--;
}

static void cancel_it(struct back *b, struct query *q)
{
	struct fix *f = container_of(b, struct fix, back);

	for (size_t i = 0; i < f->nsent; i++)
		if (f->sent[i] == q)
			forget(f, i--);
}

static const struct back_ops back_ops = {"fake", send_it, cancel_it};

static struct back *get_back(struct core *core, struct server *s, bool stream)
{
	struct fix *f = container_of(core, struct fix, core);

	(void)stream;
	f->back.server = s;
	return f->no_back ? NULL : &f->back;
}

void fix_rule(struct conf *c, enum chain_id chain, const char *word, const struct arg *argv)
{
	const struct action_row *row = chain == CHAIN_QUERY ? action_rows : response_action_rows;
	const char *error = "";
	struct selector *all;
	struct action *action;
	struct rule *rule;

	while (row->word && strcmp(row->word, word) != 0)
		row++;
	assert_non_null(row->word);
	assert_string_equal(selector_rows[0].word, "AllRule");
	all = selector_rows[0].make(NULL, 0, &error);
	action = row->make(argv, 0, &error);
	assert_non_null(all);
	assert_non_null(action);
	rule = rule_new(all, action, "", "11111111-2222-3333-4444-555555555555", NULL);
	assert_non_null(rule);
	assert_int_equal(chain_add(&c->chain[chain], rule), 0);
	selector_free(&all);
	action_free(&action);
}

struct conf *fix_conf(struct fix *f, bool cache, void (*rules)(struct conf *))
{
	const char *error = "";
	struct conf *c = conf_new(&error);
	struct cache_options o = {0};

	assert_non_null(c);
	f->server = make_up("192.0.2.53:53", "name=a");
	assert_int_equal(conf_add_server(c, f->server), 0);
	if (cache) {
		assert_int_equal(field_defaults(cache_fields, cache_field_count, &o), 0);
		o.shards = 1;
		conf_pool(c, "")->cache = cache_new(&o, &error);
		assert_non_null(conf_pool(c, "")->cache);
	}
	if (rules)
		rules(c);
	assert_int_equal(conf_freeze(c, &error), 0);
	return c;
}

void fix_start(struct fix *f, bool cache, void (*rules)(struct conf *))
{
	memset(f, 0, sizeof(*f));
	f->edge.back = get_back;
	f->back.ops = &back_ops;
	wheel_init(&f->wheel, 1000000);
	assert_int_equal(core_init(&f->core, &f->wheel, &f->counters, &f->edge, 100), 0);
	core_set_time(&f->core, 1000000000, 1700000000000);
	rng_seed(&f->core.rng, 1);
	assert_int_equal(core_set_conf(&f->core, fix_conf(f, cache, rules)), 0);
}

void fix_done(struct fix *f)
{
	core_done(&f->core);
	assert_int_equal(f->nsent, 0); /* what waited was cancelled */
}

void fix_ask(struct fix *f, const char *name, bool stream)
{
	struct client c = {.ops = &client_ops, .conn = f, .proto = stream ? PROTO_TCP : PROTO_UDP, .stream = stream};
	struct name n;

	assert_int_equal(addr_parse(&c.remote, "127.0.0.1:4000", 0), 0);
	assert_int_equal(addr_parse(&c.local, "127.0.0.1:53", 0), 0);
	assert_int_equal(name_from_text(&n, name, strlen(name)), 0);
	memset(f->query, 0, DNS_HEADER);
	put16(f->query, 0x1234);
	dns_set_flags(f->query, DNS_RD);
	dns_set_count(f->query, SECTION_QUESTION, 1);
	memcpy(f->query + DNS_HEADER, n.wire, n.len);
	put16(f->query + DNS_HEADER + n.len, QTYPE_A);
	put16(f->query + DNS_HEADER + n.len + 2, CLASS_IN);
	f->query_len = DNS_HEADER + n.len + 4u;
	query_start(&f->core, &c, f->query, f->query_len);
}

void fix_reply(struct fix *f, size_t which, uint32_t ttl)
{
	static const uint8_t ip[4] = {192, 0, 2, 1};
	struct query *q = f->sent[which];

	assert_true(which < f->nsent);
	memcpy(f->reply, q->ask, q->ask_len);
	f->reply_len = q->ask_len;
	assert_int_equal(msg_make_answer(f->reply, &f->reply_len, RCODE_NOERROR), 0);
	assert_int_equal(msg_add_rr(f->reply, &f->reply_len, sizeof(f->reply), SECTION_ANSWER, QTYPE_A, CLASS_IN, ttl,
				 ip, sizeof(ip)),
		0);
	assert_true(query_matches(q, f->reply, f->reply_len));
	forget(f, which);
	query_reply(q, f->reply, f->reply_len);
}

void fix_pass(struct fix *f, uint64_t ms)
{
	uint64_t end = f->core.now_us + ms * 1000;

	while (f->core.now_us < end) {
		core_set_time(&f->core, f->core.now_us + WHEEL_TICK_MS * 1000, f->core.wall_ms + WHEEL_TICK_MS);
		wheel_run(&f->wheel, f->core.now_ms);
	}
}
