/* query_help.h: configurations from text, and queries to run their chains on. */
#ifndef TEST_BIND_QUERY_HELP_H
#define TEST_BIND_QUERY_HELP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "bind.h"
#include "mem.h"
#include "log.h"

static uint64_t help_now_ms = 1000;

static inline uint64_t help_clock(void *ctx)
{
	(void)ctx;
	return help_now_ms;
}

static const struct host help_host = {.now_ms = help_clock};

/* help_load fails the test when |text| is refused. */
static inline struct conf *help_load(const char *text)
{
	const char *error = "";
	struct conf *c = bind_load("test.conf", text, &help_host, &error);

	if (!c)
		fail_msg("%s", error);
	return c;
}

/* help_starve loads |text| with each allocation failing in turn. */
static inline void help_starve(const char *text)
{
	unsigned long calls = mem_calls();
	struct conf *c = help_load(text);

	calls = mem_calls() - calls;
	conf_free(&c);
	for (unsigned long n = 1; n <= calls; n++) {
		const char *error = NULL;

		mem_fail_at(n);
		c = bind_load("test.conf", text, &help_host, &error);
		mem_fail_at(0);
		if (c)
			conf_free(&c);
		else
			assert_non_null(error);
	}
}

/* help_refused fails the test unless |text| is refused with a sentence that has |what| in it. */
static inline void help_refused(const char *text, const char *what)
{
	const char *error = "";
	struct conf *c = bind_load("test.conf", text, &help_host, &error);

	if (c) {
		conf_free(&c);
		fail_msg("accepted: %s", text);
	}
	if (!strstr(error, what))
		fail_msg("%s: \"%s\" has no \"%s\"", text, error, what);
}

/* One query for "www.Example.org" with room to grow. */
struct help_query {
	uint8_t msg[4096], ask_name[NAME_WIRE + 1];
	struct question question;
	struct addr remote, local;
	struct rng rng;
	struct counters counters;
	struct dq dq;
};

static inline void help_query(struct help_query *q, const struct conf *conf, unsigned qtype, bool edns)
{
	static const uint8_t head[] = {0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0};
	struct name n;
	size_t len = sizeof(head);

	memset(q, 0, sizeof(*q));
	memcpy(q->msg, head, sizeof(head));
	assert_int_equal(name_from_text(&n, "www.Example.org", 15), 0);
	memcpy(q->msg + len, n.wire, n.len);
	len += n.len;
	put16(q->msg + len, qtype);
	put16(q->msg + len + 2, CLASS_IN);
	len += 4;
	if (edns)
		assert_int_equal(edns_add(q->msg, &len, sizeof(q->msg), 1232, EDNS_DO, 0), 0);
	assert_int_equal(question_parse(&q->question, q->msg, len), 0);
	memcpy(q->ask_name, n.wire, n.len);
	assert_int_equal(addr_parse(&q->remote, "192.0.2.7:4711", 0), 0);
	assert_int_equal(addr_parse(&q->local, "127.0.0.1:53", 0), 0);
	rng_seed(&q->rng, 7);
	q->dq = (struct dq){.msg = q->msg, .len = len, .cap = sizeof(q->msg), .question = &q->question,
		.ask_name = q->ask_name, .remote = &q->remote, .local = &q->local, .now_ms = 1000, .now_us = 1000000,
		.born_us = 999000, .rng = &q->rng, .conf = conf, .counters = &q->counters, .proto = PROTO_UDP,
		.pool = "", .max_returned_ttl = UINT32_MAX, .temp_failure_ttl = -1, .payload_size = 1232,
		.use_ecs = true, .ecs_bits4 = 24, .ecs_bits6 = 56, .had_edns = edns};
}

/* help_reply makes it the answer: two A records at the question's name, a CNAME in the additional section. */
static inline void help_reply(struct help_query *q)
{
	static const uint8_t to[] = {3, 'c', 'd', 'n', 0xc0, 0x10};
	uint8_t ip[4] = {192, 0, 2, 1};

	assert_int_equal(msg_make_answer(q->dq.msg, &q->dq.len, 0), 0);
	assert_int_equal(msg_add_rr(q->dq.msg, &q->dq.len, q->dq.cap, SECTION_ANSWER, QTYPE_A, CLASS_IN, 300, ip, 4), 0);
	ip[3] = 2;
	assert_int_equal(msg_add_rr(q->dq.msg, &q->dq.len, q->dq.cap, SECTION_ANSWER, QTYPE_A, CLASS_IN, 30, ip, 4), 0);
	assert_int_equal(msg_add_rr(q->dq.msg, &q->dq.len, q->dq.cap, SECTION_ADDITIONAL, QTYPE_CNAME, CLASS_IN, 60, to,
				 sizeof(to)),
		0);
	q->dq.is_response = true;
	dq_changed(&q->dq);
}

/* help_quiet sends log lines nowhere and returns what to give to help_loud(). */
static inline int help_quiet(void)
{
	int fd = log_options.fd;

	log_options.fd = -1;
	return fd;
}

static inline void help_loud(int fd)
{
	log_options.fd = fd;
}

#endif
