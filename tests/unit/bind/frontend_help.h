/* frontend_help.h: a daemon that remembers what running code asked of its frontends. */
#ifndef TEST_BIND_FRONTEND_HELP_H
#define TEST_BIND_FRONTEND_HELP_H

#include "load.h"

struct frontends {
	struct fake f;
	char log[512]; /* "dot 0 reload; " … */
	int answer;    /* of the next edits */
	struct doh_map *map;
	void (*hook)(void *, const uint8_t *, size_t);
	void *hook_ctx;
};

static UNUSED unsigned help_frontends(void *ctx, uint8_t proto)
{
	(void)ctx;
	return proto == PROTO_DOT ? 2 : 1;
}

static UNUSED void help_show(void *ctx, uint8_t proto, enum show_what what, struct text *out)
{
	(void)ctx;
	text_addf(out, "%s %d\n", proto_name((enum proto)proto), (int)what);
}

static UNUSED int help_edit(void *ctx, uint8_t proto, int index, const struct frontend_edit *e, const char **error_r)
{
	static const char *const verbs[] = {"reload", "certs", "key", "file", "rotate", "map"};
	struct frontends *h = ctx;
	size_t at = strlen(h->log);

	snprintf(h->log + at, sizeof(h->log) - at, "%s %d %s", proto_name((enum proto)proto), index, verbs[e->verb]);
	at = strlen(h->log);
	if (e->verb == FRONTEND_CERTS)
		snprintf(h->log + at, sizeof(h->log) - at, " %zu %s %s", e->certs->certs.n, e->certs->certs.v[0],
			e->certs->keys.v[0]);
	if (e->verb == FRONTEND_TICKET_KEY)
		snprintf(h->log + at, sizeof(h->log) - at, " %zu", e->key_len);
	if (e->verb == FRONTEND_TICKET_FILE)
		snprintf(h->log + at, sizeof(h->log) - at, " %s", e->path);
	strncat(h->log, "; ", sizeof(h->log) - strlen(h->log) - 1);
	if (h->answer == -EINVAL)
		return error_set(error_r, "cert.pem: not good");
	if (h->answer == 0 && e->verb == FRONTEND_MAP) {
		if (h->map)
			doh_map_free(&h->map);
		h->map = doh_map_ref(e->map);
	}
	return h->answer;
}

static UNUSED void help_hook(void *ctx, void (*fn)(void *, const uint8_t *, size_t), void *fn_ctx)
{
	struct frontends *h = ctx;

	h->hook = fn;
	h->hook_ctx = fn_ctx;
}

static UNUSED struct conf *help_current(void *ctx)
{
	return fake_current(&((struct frontends *)ctx)->f);
}

static UNUSED int help_publish(void *ctx, struct conf *c, const char **error_r)
{
	return fake_publish(&((struct frontends *)ctx)->f, c, error_r);
}

static UNUSED void frontends_init(struct frontends *h)
{
	memset(h, 0, sizeof(*h));
	fake_init(&h->f, true);
	h->f.host.ctx = h;
	h->f.host.current = help_current;
	h->f.host.publish = help_publish;
	h->f.host.shutdown = NULL;
	h->f.host.frontends = help_frontends;
	h->f.host.show_frontends = help_show;
	h->f.host.frontend_edit = help_edit;
	h->f.host.ticket_key_hook = help_hook;
}

static UNUSED void frontends_done(struct frontends *h)
{
	if (h->map)
		doh_map_free(&h->map);
	fake_done(&h->f);
}

/* Runs |code| and compares what was asked of the frontends. */
static UNUSED void asks(struct frontends *h, const char *code, const char *log)
{
	h->log[0] = 0;
	if (!run(&h->f, code))
		fail_msg("%s: %s", code, h->f.error);
	assert_string_equal(h->log, log);
}

/* Each |text| is refused with a sentence that has |error| in it. */
struct refused {
	const char *text, *error;
};
static UNUSED void all_refused(const struct refused *v, size_t n)
{
	struct fake f;

	fake_init(&f, false);
	for (size_t i = 0; i < n; i++)
		if (load(&f, v[i].text) || !strstr(f.error, v[i].error))
			fail_msg("%s: got \"%s\"", v[i].text, f.error);
	fake_done(&f);
}

/* The list as "a,b". */
static UNUSED const char *joined(const struct field_list *l)
{
	static char buf[256];

	buf[0] = 0;
	for (size_t i = 0; i < l->n; i++)
		snprintf(buf + strlen(buf), sizeof(buf) - strlen(buf), "%s%s", i ? "," : "", l->v[i]);
	return buf;
}

#endif
