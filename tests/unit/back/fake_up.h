/* fake_up.h: connections to backends that the test holds in its hands: it says when they open, answer, fall silent, die. */
#ifndef TEST_FAKE_UP_H
#define TEST_FAKE_UP_H

#include "back_help.h"

#include "back_priv.h"
#include "up.h"

enum { FAKES = 512, FAKE_OUT = 2048, FAKE_MSG = 64 };

static struct fake {
	struct up up;
	bool open, closed;      /* closed: by its owner, or dead */
	bool by_owner;
	unsigned room, silent, knocks, forgets, sent;
	size_t head, fields;
	char field[3][64];
	uint16_t id[FAKE_OUT];  /* of what was sent, in order */
	uint8_t msg[FAKE_OUT][FAKE_MSG];
	size_t len[FAKE_OUT];
} fakes[FAKES];
static unsigned nfakes;
static int fake_errors[SERVER_ADDRS + 1]; /* what open says, by the last byte of the address; [0]: to all */
static int fake_send_error;
static struct world *fake_world;
static unsigned quiet_answers, quiet_drops; /* of ask_quietly() */

static UNUSED uint64_t fake_now(void)
{
	return loop_ms(&fake_world->lane.loop);
}

static UNUSED struct fake *fake_of(const struct up *u)
{
	return container_of((struct up *)(uintptr_t)u, struct fake, up);
}

static const struct up_ops fake_ops;

static UNUSED int fake_open(const struct up_plan *plan, struct up **up_r)
{
	struct fake *f = &fakes[nfakes];
	unsigned last = plan->to->ip[3];
	int err = fake_errors[0] ? fake_errors[0] : last <= SERVER_ADDRS && last > 0 ? fake_errors[last] : 0;

	assert_true(nfakes < FAKES);
	assert_null(plan->tls);
	if (err < 0 && plan->to->ip[0] != 127)
		return err;
	if (fake_errors[0])
		return fake_errors[0];
	nfakes++;
	memset(f, 0, offsetof(struct fake, id));
	f->room = 65535;
	f->up = (struct up){.ops = &fake_ops, .events = plan->events, .owner = plan->owner, .to = *plan->to, .born_ms = fake_now()};
	*up_r = &f->up;
	return 0;
}

static UNUSED int fake_send(struct up *u, uint16_t id, const uint8_t *head, size_t head_len, const uint8_t *msg, size_t len,
	const struct http_field *fields, size_t nfields)
{
	struct fake *f = fake_of(u);
	unsigned n = f->sent % FAKE_OUT;

	(void)head;
	assert_true(f->open && !f->closed);
	if (fake_send_error)
		return fake_send_error;
	assert_true(f->room > 0);
	assert_true(len <= FAKE_MSG);
	f->room--;
	f->head = head_len;
	f->fields = nfields;
	for (size_t i = 0; i < nfields; i++)
		snprintf(f->field[i], sizeof(f->field[i]), "%s: %s", fields[i].name, fields[i].value);
	f->id[n] = id;
	memcpy(f->msg[n], msg, len);
	put16(f->msg[n], id);
	f->len[n] = len;
	f->sent++;
	u->queries++;
	return 0;
}

static UNUSED void fake_forget(struct up *u, uint16_t id)
{
	(void)id;
	assert_false(fake_of(u)->closed);
	fake_of(u)->forgets++;
	fake_of(u)->room++;
}

static UNUSED unsigned fake_room(const struct up *u)
{
	assert_false(fake_of(u)->closed);
	return fake_of(u)->open ? fake_of(u)->room : 0;
}

static UNUSED unsigned fake_silent(const struct up *u)
{
	return fake_of(u)->silent;
}

static UNUSED void fake_knock(struct up *u)
{
	fake_of(u)->knocks++;
}

static UNUSED void fake_close(struct up *u)
{
	assert_false(fake_of(u)->closed);
	fake_of(u)->closed = fake_of(u)->by_owner = true;
}

static const struct up_ops fake_ops = {fake_open, fake_send, fake_forget, fake_room, fake_silent, fake_knock, fake_close};

/* ---- what the test makes them do ---- */
static UNUSED void fake_opens(unsigned i)
{
	struct fake *f = &fakes[i];

	assert_true(i < nfakes && !f->closed && !f->open);
	f->open = true;
	f->up.opened_ms = fake_now();
	assert_int_equal(addr_parse(&f->up.local, "192.0.2.77", 4000), 0);
	f->up.events->opened(&f->up);
}

/* fake_says: a reply to the |n|th query that it was sent. */
static UNUSED void fake_says(unsigned i, unsigned n)
{
	struct fake *f = &fakes[i];
	uint8_t msg[FAKE_MSG];

	assert_true(f->open && !f->closed && n < f->sent);
	memcpy(msg, f->msg[n], f->len[n]);
	dns_set_flags(msg, DNS_QR | DNS_RD | DNS_RA);
	f->room++;
	f->up.heard_ms = fake_now();
	f->up.events->reply(&f->up, f->id[n], msg, f->len[n]);
}

/* fake_says_last: to the last one, which is forgotten: for backends that go on for long. */
static UNUSED void fake_says_last(unsigned i)
{
	struct fake *f = &fakes[i];
	unsigned n = f->sent - 1;
	uint8_t msg[FAKE_MSG];

	assert_true(f->open && !f->closed && f->sent > 0);
	memcpy(msg, f->msg[n], f->len[n]);
	dns_set_flags(msg, DNS_QR | DNS_RD | DNS_RA);
	f->room++;
	f->sent--;
	f->up.heard_ms = fake_now();
	f->up.events->reply(&f->up, f->id[n], msg, f->len[n]);
}

static UNUSED void fake_dies(unsigned i, enum reason why)
{
	assert_true(i < nfakes && !fakes[i].closed);
	fakes[i].closed = true;
	fakes[i].up.events->closed(&fakes[i].up, why);
}

static UNUSED void fake_refuses(unsigned i, unsigned n, enum reason why, bool unseen)
{
	fakes[i].room++;
	fakes[i].up.events->refused(&fakes[i].up, fakes[i].id[n], why, unseen);
}

static UNUSED unsigned fakes_left(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < nfakes; i++)
		n += !fakes[i].closed;
	return n;
}

/* ---- a world whose server is reached over fakes; time in small steps ---- */
static UNUSED void fakes_forget(struct world *w)
{
	fake_world = w;
	nfakes = quiet_answers = quiet_drops = 0;
	fake_send_error = 0;
	memset(fake_errors, 0, sizeof(fake_errors));
}

static UNUSED void fake_way(struct world *w, struct server *s)
{
	struct back *b = back_stream_new(&w->lane, s, &fake_ops);

	assert_non_null(b);
	*back_slot(&w->lane, s, true) = b;
}

static UNUSED void fake_start(struct world *w, struct conf *c, const char *options)
{
	char all[256];

	fakes_forget(w);
	snprintf(all, sizeof(all), "tcpOnly=true %s", options);
	start_with(w, c, 853, all);
	loop_set_time(&w->lane.loop, (w->lane.loop.now_us + 10000000) / 8000 * 8000); /* no time is 0 */
	core_set_time(&w->lane.core, w->lane.loop.now_us, w->lane.loop.wall_ms);
	wheel_run(&w->lane.loop.wheel, loop_ms(&w->lane.loop));
	fake_way(w, server);
}

static UNUSED void pass(struct world *w, unsigned ms)
{
	struct loop *l = &w->lane.loop;

	for (unsigned i = 0; i < ms / 8; i++) {
		loop_set_time(l, l->now_us + 8000);
		l->wall_ms += 8;
		core_set_time(&w->lane.core, l->now_us, l->wall_ms);
		wheel_run(&l->wheel, loop_ms(l));
	}
}

static UNUSED void ask_many(struct world *w, unsigned first, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		ask(w, (uint16_t)(first + i), QTYPE_A, true);
}

/* ask_quietly: many more than |told| has room for. */
static UNUSED void quiet_answer(struct client *c, const uint8_t *msg, size_t len)
{
	(void)c;
	(void)msg;
	(void)len;
	quiet_answers++;
}

static UNUSED void quiet_drop(struct client *c, enum reason why)
{
	(void)c;
	(void)why;
	quiet_drops++;
}

static UNUSED void ask_quietly(struct world *w, unsigned n)
{
	static const struct client_ops ops = {quiet_answer, quiet_drop, quiet_answer, NULL};
	struct client c = {.ops = &ops, .stream = true, .proto = PROTO_TCP};
	uint8_t msg[512];
	size_t len = make_query(msg, 1, "www.example", QTYPE_A);

	assert_int_equal(addr_parse(&c.remote, "127.0.0.1", 1), 0);
	assert_int_equal(addr_parse(&c.local, "127.0.0.1", 53), 0);
	while (n--)
		query_start(&w->lane.core, &c, msg, len);
}

static UNUSED bool suspect_now(const struct server *s)
{
	return atomic_load(&s->state) & SERVER_SUSPECT;
}

/* fake_start_two: as fake_start(), with a second server in the pool, which is returned. */
static UNUSED struct server *fake_start_two(struct world *w, const char *options)
{
	struct conf *c = new_conf();
	struct server *second = make_up("192.0.2.9:853", "tcpOnly=true order=2");

	assert_int_equal(conf_add_server(c, server_ref(second)), 0);
	fake_start(w, c, options);
	fake_way(w, second);
	return second;
}

#endif
