/* frontend.c: encrypted frontends while they run: what the language asks of them, and their ticket keys. */
#include "daemon_priv.h"
#include "tls.h"

/* chosen: is listener |i| frontend |index| (-1: any) of |proto|? */
static bool chosen(const struct daemon *d, unsigned i, uint8_t proto, int index)
{
	return d->listeners[i]->ops->proto == proto && (index < 0 || d->listener_number[i] == (unsigned)index);
}

static unsigned count(void *ctx, uint8_t proto)
{
	struct daemon *d = ctx;
	unsigned n = 0;

	pthread_mutex_lock(&d->lock);
	for (unsigned i = 0; i < d->nlisteners; i++)
		if (chosen(d, i, proto, -1) && d->listener_number[i] >= n)
			n = d->listener_number[i] + 1;
	pthread_mutex_unlock(&d->lock);
	return n;
}

static int edit_tls(struct tls_server *tls, const struct frontend_edit *e, const char **error_r)
{
	switch (e->verb) {
	case FRONTEND_TICKET_KEY:
		return tls_server_ticket_key(tls, e->key, e->key_len, error_r);
	case FRONTEND_TICKET_FILE:
		return tls_server_ticket_file(tls, e->path, error_r);
	case FRONTEND_ROTATE:
		return tls_server_rotate(tls) < 0 ? error_set(error_r, "out of memory") : 0;
	default:
		return 0;
	}
}

static int edit_one(struct listener *l, const struct frontend_edit *e, const char **error_r)
{
	struct tls_server *tls;
	int err;

	if (e->verb == FRONTEND_MAP)
		return listener_map(l, e->map) < 0 ? error_set(error_r, "out of memory") : 0;
	tls = listener_tls(l);
	if (!tls)
		return 0; /* plain HTTP has nothing to edit */
	if (e->verb == FRONTEND_RELOAD || e->verb == FRONTEND_CERTS)
		err = listener_certs(l, e->verb == FRONTEND_CERTS ? e->certs : NULL, error_r);
	else
		err = edit_tls(tls, e, error_r);
	tls_server_free(&tls);
	return err;
}

/* edit works on all listeners that are meant, also when one fails. */
static int edit(void *ctx, uint8_t proto, int index, const struct frontend_edit *e, const char **error_r)
{
	struct daemon *d = ctx;
	struct listener *found[LISTENERS_MAX];
	unsigned n = 0;
	int err = 0;

	pthread_mutex_lock(&d->lock);
	for (unsigned i = 0; i < d->nlisteners; i++)
		if (chosen(d, i, proto, index))
			found[n++] = listener_ref(d->listeners[i]);
	pthread_mutex_unlock(&d->lock);
	for (unsigned i = 0; i < n; i++) {
		if (edit_one(found[i], e, error_r) < 0)
			err = -EINVAL;
		listener_free(&found[i]);
	}
	return n || index < 0 ? err : -ENOENT;
}

/* ---- tables for the console ---- */
static unsigned long long load(const _Atomic uint64_t *v)
{
	return (unsigned long long)atomic_load_explicit(v, memory_order_relaxed);
}

static void show_tls(struct text *out, struct tls_stats *s, size_t certs)
{
	text_addf(out, " %-6zu %-10llu %-10llu %-10llu %-10llu", certs, s ? load(&s->full) : 0, s ? load(&s->resumed) : 0,
		s ? load(&s->version[TLS_V_12]) : 0, s ? load(&s->version[TLS_V_13]) : 0);
}

static void show_http(struct text *out, const struct listener *l)
{
	text_addf(out, " %-10llu %-10llu %-10llu %-10llu %-10llu %-10llu", load(&l->http_connects), load(&l->http_get),
		load(&l->http_post), load(&l->http_bad), load(&l->http_valid), load(&l->http_error));
}

static void show_codes(struct text *out, const struct listener *l)
{
	for (unsigned i = 0; i < HTTP_CODES; i++) {
		unsigned long long n = 0;

		for (unsigned v = 0; v < LEN(l->http_status); v++)
			n += load(&l->http_status[v][i]);
		text_addf(out, " %-10llu", n);
	}
}

static void show_fails(struct text *out, struct tls_stats *s)
{
	for (unsigned f = 1; f < TLS_FAILS; f++)
		text_addf(out, " %-*llu", (int)strlen(tls_fail_name(f)), s ? load(&s->fail[f]) : 0);
}

static void show_head(struct text *out, uint8_t proto, enum show_what what)
{
	text_add(out, "#   Address                                 ");
	if (what == SHOW_CODES)
		text_add(out, " 200        400        403        500        502        Others");
	else if (what == SHOW_TLS_ERRORS)
		for (unsigned f = 1; f < TLS_FAILS; f++)
			text_addf(out, " %s", tls_fail_name(f));
	else
		text_add(out, " Certs  Full       Resumed    TLS 1.2    TLS 1.3   ");
	if (what == SHOW_FRONTENDS && proto == PROTO_DOH)
		text_add(out, " HTTP       GET        POST       Bad        Valid      Errors");
	text_add(out, "\n");
}

static void show(void *ctx, uint8_t proto, enum show_what what, struct text *out)
{
	struct daemon *d = ctx;

	show_head(out, proto, what);
	pthread_mutex_lock(&d->lock);
	for (unsigned i = 0; i < d->nlisteners; i++) {
		struct listener *l = d->listeners[i];
		struct tls_server *tls;
		struct tls_stats *s;
		char text[ADDR_TEXT];

		if (!chosen(d, i, proto, -1))
			continue;
		tls = listener_tls(l);
		s = tls ? tls_server_stats(tls) : NULL;
		text_addf(out, "%-3u %-40s", d->listener_number[i], addr_print(&l->conf.addr, true, text));
		if (what == SHOW_CODES)
			show_codes(out, l);
		else if (what == SHOW_TLS_ERRORS)
			show_fails(out, s);
		else
			show_tls(out, s, tls ? tls_server_certs(tls) : 0);
		if (what == SHOW_FRONTENDS && proto == PROTO_DOH)
			show_http(out, l);
		text_add(out, "\n");
		if (tls)
			tls_server_free(&tls);
	}
	pthread_mutex_unlock(&d->lock);
}

static void key_hook(void *ctx, void (*fn)(void *fn_ctx, const uint8_t *key, size_t len), void *fn_ctx)
{
	struct daemon *d = ctx;

	pthread_mutex_lock(&d->lock);
	d->key_hook = fn;
	d->key_hook_ctx = fn_ctx;
	pthread_mutex_unlock(&d->lock);
}

static int bind_info(void *ctx, unsigned index, const bool *mute, struct bind_info *out)
{
	struct daemon *d = ctx;
	struct listener *l;
	int err = -ENOENT;

	pthread_mutex_lock(&d->lock);
	if (index < d->nlisteners) {
		l = d->listeners[index];
		if (mute)
			atomic_store_explicit(&l->muted, *mute, memory_order_relaxed);
		*out = (struct bind_info){.addr = l->conf.addr, .type = l->ops->name, .proto = l->ops->proto,
			.tls = l->conf.tls.certs.n > 0, .muted = atomic_load_explicit(&l->muted, memory_order_relaxed)};
		err = 0;
	}
	pthread_mutex_unlock(&d->lock);
	return err;
}

static size_t tls_sessions(void *ctx)
{
	(void)ctx;
	return back_sessions();
}

void frontend_tick(struct daemon *d, uint64_t now_ms)
{
	struct tls_server *found[LISTENERS_MAX];
	unsigned n = 0;
	void (*hook)(void *, const uint8_t *, size_t);
	void *hook_ctx;

	pthread_mutex_lock(&d->lock);
	for (unsigned i = 0; i < d->nlisteners; i++)
		if ((found[n] = listener_tls(d->listeners[i])) != NULL)
			n++;
	hook = d->key_hook;
	hook_ctx = d->key_hook_ctx;
	pthread_mutex_unlock(&d->lock);
	for (unsigned i = 0; i < n; i++) {
		uint8_t key[TLS_TICKET_KEY];

		if (tls_server_tick(found[i], now_ms, key) && hook)
			hook(hook_ctx, key, sizeof(key));
		tls_server_free(&found[i]);
	}
}

void frontend_host(struct daemon *d)
{
	d->host.frontends = count;
	d->host.frontend_edit = edit;
	d->host.show_frontends = show;
	d->host.ticket_key_hook = key_hook;
	d->host.bind = bind_info;
	d->host.tls_sessions = tls_sessions;
}
