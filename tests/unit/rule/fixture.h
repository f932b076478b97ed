/* fixture.h: a query to try selectors and actions on, and their arguments. */
#ifndef RULE_FIXTURE_H
#define RULE_FIXTURE_H

#include "conf.h"
#include "mem.h"
#include "rule.h"
#include "text.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>

/* Arguments as bind/ hands them over. */
#define NIL      {.kind = ARG_NIL}
#define NUM(x)   {.kind = ARG_NUM, .n = (x)}
#define BOOL(x)  {.kind = ARG_BOOL, .b = (x)}
#define STR(x)   {.kind = ARG_STR, .s = {(x), sizeof(x) - 1}}
#define OBJ(t, x) {.kind = ARG_OBJ, .o = {(t), (x)}}
#define LIST(...)                                                                                     \
	{.kind = ARG_TABLE,                                                                           \
		.t = {(const struct arg[]){__VA_ARGS__},                                              \
			sizeof((const struct arg[]){__VA_ARGS__}) / sizeof(struct arg), NULL, 0}}
#define NAMED(...)                                                                                    \
	{.kind = ARG_TABLE,                                                                           \
		.t = {NULL, 0, (const struct arg_pair[]){__VA_ARGS__},                                \
			sizeof((const struct arg_pair[]){__VA_ARGS__}) / sizeof(struct arg_pair)}}
enum { ARGS = 12 };

struct fix {
	uint8_t msg[4096];
	uint8_t ask_name[NAME_WIRE];
	struct question question;
	struct addr remote, local;
	struct rng rng;
	struct counters counters;
	struct dq dq;
};

static inline void fix_addr(struct addr *a, const char *text)
{
	assert_int_equal(addr_parse(a, text, 0), 0);
}

static inline struct name fix_name(const char *text)
{
	struct name name;

	assert_int_equal(name_from_text(&name, text, strlen(text)), 0);
	return name;
}

/* fix_parse: the message in |f->msg| of |len| bytes becomes the one under work. */
static inline void fix_parse(struct fix *f, size_t len)
{
	f->dq.len = len;
	dq_changed(&f->dq);
	assert_int_equal(question_parse(&f->question, f->msg, len), 0);
}

static inline void fix_query(struct fix *f, const char *name, unsigned qtype, unsigned flags)
{
	struct name n = fix_name(name);
	size_t len = DNS_HEADER + n.len;

	memset(f, 0, sizeof(*f));
	put16(f->msg, 0x1234);
	dns_set_flags(f->msg, flags);
	dns_set_count(f->msg, SECTION_QUESTION, 1);
	memcpy(f->msg + DNS_HEADER, n.wire, n.len);
	memcpy(f->ask_name, n.wire, n.len);
	put16(f->msg + len, qtype);
	put16(f->msg + len + 2, CLASS_IN);
	fix_addr(&f->remote, "192.0.2.7:4000");
	fix_addr(&f->local, "198.51.100.1:53");
	rng_seed(&f->rng, 1);
	f->dq = (struct dq){.msg = f->msg, .cap = sizeof(f->msg), .question = &f->question, .ask_name = f->ask_name,
		.remote = &f->remote, .local = &f->local, .now_ms = 1000000, .now_us = 1000000000, .rng = &f->rng,
		.counters = &f->counters, .ask_flags = (uint16_t)flags, .pool = "", .proto = PROTO_UDP,
		.max_returned_ttl = UINT32_MAX, .temp_failure_ttl = -1};
	fix_parse(f, len + 4);
}

/* fix_response: an answer with one record of each type: A 300 s, TXT 60 s, and in the authority section NS 3600 s. */
static inline void fix_response(struct fix *f, const char *name)
{
	static const uint8_t txt[] = {1, 'x'}, ns[] = {0};

	fix_query(f, name, QTYPE_A, DNS_QR | DNS_RD | DNS_RA);
	f->dq.is_response = true;
	assert_int_equal(msg_add_rr(f->msg, &f->dq.len, f->dq.cap, SECTION_ANSWER, QTYPE_A, CLASS_IN, 300, "\1\2\3\4",
		4), 0);
	assert_int_equal(msg_add_rr(f->msg, &f->dq.len, f->dq.cap, SECTION_ANSWER, QTYPE_TXT, CLASS_IN, 60, txt,
		sizeof(txt)), 0);
	assert_int_equal(msg_add_rr(f->msg, &f->dq.len, f->dq.cap, SECTION_AUTHORITY, QTYPE_NS, CLASS_IN, 3600, ns,
		sizeof(ns)), 0);
}

static inline struct selector *try_selector(const char *word, const struct arg *argv, const char **error_r)
{
	const struct selector_row *const tables[] = {selector_rows, tls_selector_rows, doh_selector_rows};

	for (size_t i = 0; i < LEN(tables); i++)
		for (const struct selector_row *row = tables[i]; row->word; row++)
			if (strcmp(row->word, word) == 0)
				return row->make(argv, ARGS, error_r);
	fail_msg("no selector %s", word);
	return NULL;
}

static inline struct action *try_action(const char *word, const struct arg *argv, const char **error_r)
{
	const struct action_row *const tables[] = {action_rows, doh_action_rows, response_action_rows};

	for (size_t i = 0; i < LEN(tables); i++)
		for (const struct action_row *row = tables[i]; row->word; row++)
			if (strcmp(row->word, word) == 0)
				return row->make(argv, ARGS, error_r);
	fail_msg("no action %s", word);
	return NULL;
}

static inline struct selector *make_selector(const char *word, const struct arg *argv)
{
	const char *error = "no reason given";
	struct selector *s = try_selector(word, argv, &error);

	if (!s)
		fail_msg("%s: %s", word, error);
	return s;
}

static inline struct action *make_action(const char *word, const struct arg *argv)
{
	const char *error = "no reason given";
	struct action *a = try_action(word, argv, &error);

	if (!a)
		fail_msg("%s: %s", word, error);
	return a;
}

/* Makes, runs once, frees. */
static inline bool match_once(struct fix *f, const char *word, const struct arg *argv)
{
	struct selector *s = make_selector(word, argv);
	bool yes = s->match(s, &f->dq);

	selector_free(&s);
	assert_null(s);
	return yes;
}

static inline enum act run_once(struct fix *f, const char *word, const struct arg *argv)
{
	struct action *a = make_action(word, argv);
	enum act act = a->run(a, &f->dq);

	action_free(&a);
	assert_null(a);
	return act;
}

static inline void assert_selector_text(const char *word, const struct arg *argv, const char *text)
{
	struct selector *s = make_selector(word, argv);

	assert_string_equal(s->text, text);
	selector_free(&s);
}

static inline void assert_action_text(const char *word, const struct arg *argv, const char *text)
{
	struct action *a = make_action(word, argv);

	assert_string_equal(a->text, text);
	action_free(&a);
}

/* Every allocation of make() fails once: no crash, no leak (seen by the sanitizer), a sentence. */
static inline void assert_selector_bears_no_memory(const char *word, const struct arg *argv)
{
	for (unsigned long n = 1;; n++) {
		const char *error = NULL;
		struct selector *s;

		mem_fail_at(n);
		s = try_selector(word, argv, &error);
		mem_fail_at(0);
		if (s) {
			selector_free(&s);
			assert_true(n > 1);
			return;
		}
		assert_string_equal(error, "out of memory");
	}
}

static inline void assert_action_bears_no_memory(const char *word, const struct arg *argv)
{
	for (unsigned long n = 1;; n++) {
		const char *error = NULL;
		struct action *a;

		mem_fail_at(n);
		a = try_action(word, argv, &error);
		mem_fail_at(0);
		if (a) {
			action_free(&a);
			assert_true(n > 1);
			return;
		}
		assert_string_equal(error, "out of memory");
	}
}

#endif
