/* runner.c: one function per statement, and the table of them.
 *
 * Whatever the core did must be claimed (by answer, drop, part, upstream) before the next statement that acts. */
#include "health.h"
#include "replay.h"
#include <stdio.h>
#include <stdlib.h>

struct run {
	struct world w;
	const struct script *script;
	const struct statement *st;
	unsigned queries;
};

static bool wrong(struct run *r, const char *fmt, ...) PRINTF(2, 3);

static bool wrong(struct run *r, const char *fmt, ...)
{
	va_list ap;

	printf("%s:%u: ", r->script->path, r->st->head.number);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	return false;
}

static const char *arg(const struct run *r, size_t i)
{
	return i < r->st->head.n ? r->st->head.word[i] : NULL;
}

static bool number(const char *s, uint64_t *out_r)
{
	return s && text_u64(s, out_r) == 0;
}

/* ---- names of reasons ---- */
static const char *const reason_names[] = {
#define REASON(id, counter, text) #id,
#include "tbl/reason.def"
#undef REASON
};

static bool reason_find(const char *name, enum reason *reason_r)
{
	for (size_t i = 0; name && i < LEN(reason_names); i++) {
		if (strcmp(reason_names[i], name) == 0) {
			*reason_r = (enum reason)i;
			return true;
		}
	}
	return false;
}

/* ---- what is not claimed yet ---- */
static bool show_wrong(struct run *r, const char *what, const char *who, const struct message *m)
{
	char *text = message_show(m->p, m->len);

	wrong(r, "%s %s:\n%s", what, who, text);
	free(text);
	return false;
}

static bool event_wrong(struct run *r, const char *what, const struct event *e)
{
	if (e->kind == EVENT_DROP)
		return wrong(r, "%s query %s was dropped: %s", what, e->asked->label, reason_names[e->reason]);
	return show_wrong(r, what, e->asked->label, &e->msg);
}

static struct flight *unseen(struct run *r)
{
	struct flight *x = r->w.flights;

	while (x && x->seen)
		x = x->next;
	return x;
}

static bool quiet(struct run *r)
{
	struct flight *x = unseen(r);

	if (r->w.events)
		return event_wrong(r, "nothing expected, but", r->w.events);
	if (x)
		return show_wrong(r, "nothing expected, but sent to", server_name(x->server), &x->msg);
	return true;
}

static void forget_first(struct run *r)
{
	struct event *e = r->w.events;

	r->w.events = e->next;
	if (!r->w.events)
		r->w.last_event = &r->w.events;
	free(e->http);
	free(e);
}

/* ---- configuration ---- */
static bool load(struct run *r, bool reload)
{
	const char *error = world_config(&r->w, r->script->path, r->st->text, reload);
	const char *want = arg(r, 1) && strcmp(arg(r, 1), "refused") == 0 ? arg(r, 2) : NULL;

	if (error && want && strstr(error, want))
		return true;
	if (error)
		return wrong(r, "%s", error);
	return want ? wrong(r, "accepted, but \"%s\" expected", want) : true;
}

static bool do_config(struct run *r)
{
	return load(r, false);
}

static bool do_reload(struct run *r)
{
	return load(r, true);
}

/* run "code": as on the console; more lines: prints "text". */
static bool do_run(struct run *r)
{
	struct conf *c = conf_ref(r->w.core.hold->conf);
	struct text out = {0};
	const char *error = "", *want = arg(r, 2) && strcmp(arg(r, 2), "prints") == 0 ? arg(r, 3) : NULL;
	bool ok = true;

	if (!arg(r, 1) || bind_run(c, arg(r, 1), &out, &error) < 0)
		ok = wrong(r, "%s", error);
	while (out.len && out.p[out.len - 1] == '\n')
		out.p[--out.len] = 0;
	if (ok && want && !strstr(text_str(&out), want))
		ok = wrong(r, "\"%s\" expected, got \"%s\"", want, text_str(&out));
	text_free(&out);
	conf_free(&c);
	return ok;
}

/* ---- clients ---- */
static bool do_query(struct run *r)
{
	struct spec s;
	char error[256], label[32];
	bool named = arg(r, 1) && arg(r, 2) && strcmp(arg(r, 1), "raw") != 0 && strcmp(arg(r, 1), "empty") != 0;
	bool ok = spec_read(&s, r->st, named ? 3 : arg(r, 1) && strcmp(arg(r, 1), "empty") == 0 ? 2 : 1, error);

	if (!ok)
		wrong(r, "%s", error);
	if (ok && named) {
		s.question = true;
		ok = name_from_text(&s.qname, arg(r, 1), strlen(arg(r, 1))) == 0 && spec_type(arg(r, 2), &s.qtype);
		if (!ok)
			wrong(r, "expected: query name type");
	}
	snprintf(label, sizeof(label), "%u", ++r->queries);
	if (ok && !world_ask(&r->w, &s, s.as ? s.as : label))
		ok = wrong(r, "bad address");
	spec_free(&s);
	return ok;
}

/* NULL, or what is wrong with the page in place of the answer. */
static const char *check_page(const struct spec *s, const struct http_says *h)
{
	if (!h)
		return s->status >= 0 || s->body || s->ctype ? "no page in its place:" : NULL;
	if (s->status != h->status)
		return s->status < 0 ? "a page in its place:" : "a page with another status:";
	if (s->body && (strlen(s->body) != h->len || memcmp(s->body, h->body, h->len) != 0))
		return "a page with another body:";
	return s->ctype && strcmp(s->ctype, h->type) != 0 ? "a page of another type:" : NULL;
}

static bool client_message(struct run *r, enum event_kind kind)
{
	struct event *e = r->w.events;
	size_t first = arg(r, 1) && rcode_from_text(arg(r, 1)) >= 0 ? 2 : 1;
	struct spec s;
	char error[256];
	const char *what;
	bool ok = spec_read(&s, r->st, first, error);

	if (!ok)
		return spec_free(&s), wrong(r, "%s", error);
	if (first == 2)
		s.rcode = rcode_from_text(arg(r, 1));
	if (!e) {
		ok = wrong(r, "the client was told nothing");
	} else if (e->kind != kind) {
		ok = event_wrong(r, "something else expected, but", e);
	} else if (s.to && strcmp(s.to, e->asked->label) != 0) {
		ok = event_wrong(r, "another query's answer expected, but", e);
	} else {
		if (s.id < 0 && e->asked->msg.len >= 2)
			s.id = dns_id(e->asked->msg.p);
		what = message_check(&s, e->msg.p, e->msg.len, &e->asked->msg);
		if (!what)
			what = check_page(&s, e->http);
		if (what)
			ok = event_wrong(r, what, e);
		else
			forget_first(r);
	}
	spec_free(&s);
	return ok;
}

static bool do_answer(struct run *r)
{
	return client_message(r, EVENT_ANSWER);
}

static bool do_part(struct run *r)
{
	return client_message(r, EVENT_PART);
}

static bool do_drop(struct run *r)
{
	struct event *e = r->w.events;
	enum reason reason = REASON_NONE;

	if (arg(r, 1) && !reason_find(arg(r, 1), &reason))
		return wrong(r, "%s is no reason", arg(r, 1));
	if (!e)
		return wrong(r, "the client was told nothing");
	if (e->kind != EVENT_DROP || (arg(r, 1) && e->reason != reason))
		return event_wrong(r, "another end expected, but", e);
	forget_first(r);
	return true;
}

static bool do_nothing(struct run *r)
{
	return quiet(r);
}

static bool do_orphan(struct run *r)
{
	struct asked *a = r->w.asked;

	while (a && arg(r, 1) && strcmp(a->label, arg(r, 1)) != 0)
		a = a->next;
	if (!a || !a->client)
		return wrong(r, "no such query waits");
	query_orphan(a->client);
	a->client = NULL;
	return true;
}

/* ---- backends ---- */
static bool do_upstream(struct run *r)
{
	struct flight *x = unseen(r);
	struct server *server = arg(r, 1) ? world_server(&r->w, arg(r, 1)) : NULL;
	bool any = arg(r, 1) && strcmp(arg(r, 1), "any") == 0;
	struct spec s;
	char error[256];
	const char *what;
	bool ok = spec_read(&s, r->st, server || any ? 2 : 1, error);

	if (!ok)
		return spec_free(&s), wrong(r, "%s", error);
	if (!x) {
		ok = r->w.events ? event_wrong(r, "nothing was sent to a backend, but", r->w.events)
				 : wrong(r, "nothing was sent to a backend");
	} else {
		what = message_check(&s, x->msg.p, x->msg.len, x->asked ? &x->asked->msg : NULL);
		if (!what && server && server != x->server)
			what = "sent to another backend:";
		if (!what && s.over && (strcmp(s.over, "tcp") == 0) != x->stream)
			what = x->stream ? "sent over TCP to" : "sent over UDP to";
		if (what)
			ok = show_wrong(r, what, server_name(x->server), &x->msg);
		x->seen = true;
		if (s.as)
			snprintf(x->label, sizeof(x->label), "%s", s.as);
	}
	spec_free(&s);
	return ok;
}

static bool do_reply(struct run *r)
{
	size_t first = arg(r, 1) && rcode_from_text(arg(r, 1)) >= 0 ? 2 : 1;
	struct spec s;
	char error[256];
	struct flight *x;
	struct message m;
	bool ok = spec_read(&s, r->st, first, error);

	if (!ok)
		return spec_free(&s), wrong(r, "%s", error);
	if (first == 2)
		s.rcode = rcode_from_text(arg(r, 1));
	x = world_flight(&r->w, s.to);
	if (x) {
		wire_reply(&m, &s, &x->msg);
		world_reply(&r->w, x, &m);
	} else {
		ok = wrong(r, "no backend has such a query");
	}
	spec_free(&s);
	return ok;
}

/* lost [label] reason */
static bool do_lost(struct run *r)
{
	struct flight *x = world_flight(&r->w, arg(r, 2) ? arg(r, 1) : NULL);
	enum reason reason;

	if (!reason_find(arg(r, arg(r, 2) ? 2 : 1), &reason))
		return wrong(r, "expected: lost [label] reason");
	if (!x)
		return wrong(r, "no backend has such a query");
	world_lost(&r->w, x, reason);
	return true;
}

/* trouble server times busy|error|none: what the next sends run into; none: there is no way to it at all */
static bool do_trouble(struct run *r)
{
	uint64_t times;

	if (!arg(r, 3) || !number(arg(r, 2), &times))
		return wrong(r, "expected: trouble server times busy|error|none");
	snprintf(r->w.trouble.server, sizeof(r->w.trouble.server), "%s", arg(r, 1));
	r->w.trouble.times = (unsigned)times;
	r->w.trouble.error = strcmp(arg(r, 3), "busy") == 0 ? -EAGAIN : strcmp(arg(r, 3), "error") == 0 ? -EIO : 0;
	return true;
}

static bool set_state(struct run *r, uint32_t state)
{
	struct server *s = arg(r, 1) ? world_server(&r->w, arg(r, 1)) : NULL;

	if (!s)
		return wrong(r, "no such server");
	atomic_store(&s->state, state);
	return true;
}

static bool do_up(struct run *r)
{
	return set_state(r, SERVER_UP);
}

/* down: by hand; failed: by its checks */
static bool do_down(struct run *r)
{
	return set_state(r, SERVER_FORCED);
}

static bool do_failed(struct run *r)
{
	return set_state(r, 0);
}

static bool do_suspect(struct run *r)
{
	return set_state(r, SERVER_UP | SERVER_SUSPECT);
}

/* probe server ok|bad: the end of a health check */
static bool do_probe(struct run *r)
{
	struct server *s = arg(r, 1) ? world_server(&r->w, arg(r, 1)) : NULL;

	if (!s || !arg(r, 2))
		return wrong(r, "expected: probe server ok|bad");
	health_result(s, strcmp(arg(r, 2), "ok") == 0, r->w.core.now_ms);
	return true;
}

/* server name what value */
static bool do_server(struct run *r)
{
	struct server *s = arg(r, 1) ? world_server(&r->w, arg(r, 1)) : NULL;
	uint64_t want, got = 0;

	if (!s || !arg(r, 3))
		return wrong(r, "expected: server name what value");
	if (strcmp(arg(r, 2), "status") == 0)
		return strcmp(server_status(s), arg(r, 3)) == 0 || wrong(r, "the server is %s", server_status(s));
	if (strcmp(arg(r, 2), "outstanding") == 0)
		got = s->outstanding;
	else if (strcmp(arg(r, 2), "queries") == 0)
		got = s->queries;
	else if (strcmp(arg(r, 2), "responses") == 0)
		got = s->responses;
	else if (strcmp(arg(r, 2), "drops") == 0)
		got = s->drops;
	else if (strcmp(arg(r, 2), "senderrors") == 0)
		got = s->send_errors;
	else if (strcmp(arg(r, 2), "noncompliant") == 0)
		got = s->noncompliant;
	else
		return wrong(r, "a server has no %s", arg(r, 2));
	return number(arg(r, 3), &want) && want == got ? true : wrong(r, "%s expected, got %llu", arg(r, 3),
								 (unsigned long long)got);
}

/* ---- the rest of the world ---- */
/* time +5.5s: seconds, with ms: milliseconds */
static bool do_time(struct run *r)
{
	char *end;
	double v = arg(r, 1) ? strtod(arg(r, 1), &end) : -1;

	if (v < 0 || (strcmp(end, "s") != 0 && strcmp(end, "ms") != 0))
		return wrong(r, "expected: time +5.5s");
	world_pass(&r->w, (uint64_t)(v * (strcmp(end, "s") == 0 ? 1e6 : 1e3) + 0.5));
	return true;
}

/* counter name value */
static bool do_counter(struct run *r)
{
	uint64_t want;

	for (size_t i = 0; arg(r, 2) && i < COUNTER_COUNT; i++) {
		if (strcmp(counter_name(i), arg(r, 1)) != 0)
			continue;
		if (number(arg(r, 2), &want) && want == r->w.counters.v[i])
			return true;
		return wrong(r, "%s %s expected, got %llu", arg(r, 1), arg(r, 2),
			(unsigned long long)r->w.counters.v[i]);
	}
	return wrong(r, "expected: counter name value");
}

/* reason NAME value */
static bool do_reason(struct run *r)
{
	enum reason reason;
	uint64_t want;

	if (!reason_find(arg(r, 1), &reason) || !number(arg(r, 2), &want))
		return wrong(r, "expected: reason name value");
	return want == r->w.counters.reason[reason] ? true : wrong(r, "%s expected, got %llu", arg(r, 2),
							     (unsigned long long)r->w.counters.reason[reason]);
}

/* cache [pool name] size|atmost|bytes n */
static bool do_cache(struct run *r)
{
	size_t at = arg(r, 1) && strcmp(arg(r, 1), "pool") == 0 ? 3 : 1;
	const struct pool *p = conf_pool(core_conf(&r->w.core), at == 3 ? arg(r, 2) : "");
	uint64_t want, got;
	bool ok;

	if (!p || !p->cache || !number(arg(r, at + 1), &want))
		return wrong(r, "no such pool with a cache");
	got = strcmp(arg(r, at), "bytes") == 0 ? cache_bytes(p->cache) : cache_size(p->cache);
	ok = strcmp(arg(r, at), "size") == 0 ? got == want : got <= want;
	return ok ? true : wrong(r, "%s %s expected, got %llu", arg(r, at), arg(r, at + 1), (unsigned long long)got);
}

/* waiting n: queries that wait.  waiting max n: no more than that from now on */
static bool do_waiting(struct run *r)
{
	uint64_t n;

	if (arg(r, 2) && strcmp(arg(r, 1), "max") == 0 && number(arg(r, 2), &n)) {
		r->w.core.parked_max = (unsigned)n;
		return true;
	}
	if (!number(arg(r, 1), &n))
		return wrong(r, "expected: waiting n");
	return r->w.core.parked == n ? true : wrong(r, "%s expected, got %u", arg(r, 1), r->w.core.parked);
}

/* matches chain index n: how often a rule matched */
static bool do_matches(struct run *r)
{
	static const char *const words[] = {
#define CHAIN(id, word, counter) word,
#include "tbl/chain.def"
#undef CHAIN
	};
	const char *which = arg(r, 1) && strcmp(arg(r, 1), "Query") == 0 ? "" : arg(r, 1);
	uint64_t index, want;

	for (size_t i = 0; which && i < LEN(words); i++) {
		const struct chain *c = &core_conf(&r->w.core)->chain[i];

		if (strcmp(words[i], which) != 0)
			continue;
		if (!number(arg(r, 2), &index) || !number(arg(r, 3), &want) || index >= c->n)
			break;
		return c->v[index]->matches == want ? true : wrong(r, "%s expected, got %llu", arg(r, 3),
								  (unsigned long long)c->v[index]->matches);
	}
	return wrong(r, "expected: matches chain index n");
}

/* fail n: the nth allocation from now on fails */
static bool do_fail(struct run *r)
{
	uint64_t n;

	if (!number(arg(r, 1), &n))
		return wrong(r, "expected: fail n");
	mem_fail_at((unsigned long)n);
	return true;
}

/* fill from to name-with-% ttl: each name is asked for once; backends answer with an A record */
static bool do_fill(struct run *r)
{
	uint64_t from, to, ttl;

	if (!arg(r, 4) || !number(arg(r, 1), &from) || !number(arg(r, 2), &to) || !number(arg(r, 4), &ttl))
		return wrong(r, "expected: fill from to name ttl");
	for (; from <= to; from++) {
		const char *mark = strchr(arg(r, 3), '%');
		struct record rec = {.section = SECTION_ANSWER, .type = QTYPE_A, .klass = CLASS_IN, .ttl = (uint32_t)ttl,
			.len = 4, .rdata = {192, 0, 2, 1}};
		struct spec s = {.id = -1, .flags = -1, .rcode = -1, .opcode = -1, .qdcount = -1, .edns = -1,
			.question = true, .qtype = QTYPE_A};
		struct flight *x;
		struct message m;
		char name[256];

		if (!mark || snprintf(name, sizeof(name), "%.*s%llu%s", (int)(mark - arg(r, 3)), arg(r, 3),
				     (unsigned long long)from, mark + 1) >= (int)sizeof(name))
			return wrong(r, "a name with %% expected");
		if (name_from_text(&s.qname, name, strlen(name)) < 0 || !world_ask(&r->w, &s, name))
			return wrong(r, "bad name %s", name);
		for (x = unseen(r); x; x = unseen(r)) {
			x->seen = true;
			rec.owner = s.qname;
			s.record = &rec;
			s.records = 1;
			wire_reply(&m, &s, &x->msg);
			world_reply(&r->w, x, &m);
		}
		if (!r->w.events || r->w.events->kind != EVENT_ANSWER)
			return wrong(r, "no answer for %s", name);
		forget_first(r);
	}
	return true;
}

static const struct {
	const char *word;
	bool (*run)(struct run *);
	bool acts; /* all that happened before must have been claimed */
} rows[] = {
	{"config", do_config, true},
	{"reload", do_reload, true},
	{"run", do_run, true},
	{"query", do_query, true},
	{"answer", do_answer, false},
	{"part", do_part, false},
	{"drop", do_drop, false},
	{"nothing", do_nothing, false},
	{"orphan", do_orphan, true},
	{"upstream", do_upstream, false},
	{"reply", do_reply, true},
	{"lost", do_lost, true},
	{"trouble", do_trouble, true},
	{"up", do_up, true},
	{"down", do_down, true},
	{"failed", do_failed, true},
	{"suspect", do_suspect, true},
	{"probe", do_probe, true},
	{"server", do_server, false},
	{"time", do_time, true},
	{"counter", do_counter, false},
	{"reason", do_reason, false},
	{"cache", do_cache, false},
	{"waiting", do_waiting, false},
	{"matches", do_matches, false},
	{"fail", do_fail, true},
	{"fill", do_fill, true},
};

static bool run_one(struct run *r)
{
	for (size_t i = 0; i < LEN(rows); i++)
		if (strcmp(rows[i].word, arg(r, 0)) == 0)
			return (!rows[i].acts || quiet(r)) && rows[i].run(r);
	return wrong(r, "no such statement: %s", arg(r, 0));
}

static bool uses(const struct script *s, const char *word)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->v[i].head.word[0], word) == 0)
			return true;
	return false;
}

bool run_script(const struct script *s)
{
	struct run r = {.script = s};
	/* the Lua state stays only where the script needs it, as in a daemon without a console */
	bool ok = world_start(&r.w, uses(s, "run"));

	for (size_t i = 0; ok && i < s->n; i++) {
		r.st = &s->v[i];
		ok = run_one(&r);
	}
	if (ok && s->n)
		ok = quiet(&r);
	mem_fail_at(0);
	world_stop(&r.w);
	return ok;
}
