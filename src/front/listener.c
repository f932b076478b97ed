/* listener.c: listeners: one address and protocol of the configuration, with its certificates and options, which may
 * change while it works. */
#include "conn.h"
#include "hash.h"
#include <sched.h>

/* ---- the small lock: held for a few instructions only ---- */
static void listener_lock(struct listener *l)
{
	while (atomic_flag_test_and_set_explicit(&l->site_lock, memory_order_acquire))
		sched_yield();
}

static void listener_unlock(struct listener *l)
{
	atomic_flag_clear_explicit(&l->site_lock, memory_order_release);
}

struct tls_server *listener_tls(struct listener *l)
{
	struct tls_server *s;

	listener_lock(l);
	s = atomic_load_explicit(&l->tls, memory_order_relaxed);
	if (s)
		(void)tls_server_ref(s);
	listener_unlock(l);
	return s;
}

/* ---- TLS ---- */
static uint64_t print_text(uint64_t print, const char *s)
{
	return hash_mix(print, hash_bytes(s ? s : "", s ? strlen(s) : 0), 1);
}

static uint64_t print_field(uint64_t print, const struct field *f, const void *object)
{
	const void *at = (const char *)object + f->offset;
	const struct field_list *list = at;

	switch (f->type) {
	case FIELD_BOOL:
		return hash_mix(print, *(const bool *)at, 2);
	case FIELD_U32:
		return hash_mix(print, *(const uint32_t *)at, 3);
	case FIELD_STR:
		return print_text(print, *(char *const *)at);
	case FIELD_LIST:
		for (size_t i = 0; i < list->n; i++)
			print = print_text(print, list->v[i]);
		return hash_mix(print, list->n, 4);
	default:
		return print;
	}
}

/* print_of tells whether the TLS options of two binds differ. */
static uint64_t print_of(const struct bind_conf *b)
{
	const struct field_list *lists[] = {&b->tls.certs, &b->tls.keys, &b->tls.passwords};
	uint64_t print = hash_bytes("", 0);

	for (size_t i = 0; i < tls_bind_field_count; i++)
		print = print_field(print, &tls_bind_fields[i], b);
	for (size_t i = 0; i < LEN(lists); i++) {
		for (size_t k = 0; k < lists[i]->n; k++)
			print = print_text(print, lists[i]->v[k]);
		print = hash_mix(print, lists[i]->n, 5);
	}
	return print;
}

/* ticket_print_of: the same for the options that say where ticket keys come from; 0: keys that are not to be passed on. */
static uint64_t ticket_print_of(const struct bind_tls *t)
{
	uint64_t print = hash_mix(hash_mix(hash_bytes("", 0), t->ticket_rotation_s, 6), t->ticket_keys, 7);

	return !t->tickets || (t->ticket_file && t->ticket_file[0]) ? 0 : print | 1;
}

static int version_of(const char *s, enum tls_version *version_r, const char **error_r)
{
	static const struct {
		const char *name;
		enum tls_version version;
	} names[] = {{"", TLS_V_12}, {"tls1.0", TLS_V_10}, {"tls1.1", TLS_V_11}, {"tls1.2", TLS_V_12}, {"tls1.3", TLS_V_13}};

	for (size_t i = 0; i < LEN(names); i++)
		if (strcmp(s ? s : "", names[i].name) == 0) {
			*version_r = names[i].version;
			return 0;
		}
	return error_set(error_r, "minTLSVersion: expected tls1.2 or tls1.3, got '%.40s'", s);
}

static const char *nth(const struct field_list *l, size_t i)
{
	return i < l->n && l->v[i][0] ? l->v[i] : NULL;
}

/* certs_of: the list that net/ takes, to be freed by the caller; NULL with a sentence. */
static struct tls_cert *certs_of(const struct bind_tls *t, const char **error_r)
{
	struct tls_cert *certs;

	if (t->keys.n && t->keys.n != t->certs.n) {
		error_set(error_r, "%zu certificates and %zu keys: expected a key for each certificate", t->certs.n, t->keys.n);
		return NULL;
	}
	certs = mem_zalloc((t->certs.n + 1) * sizeof(*certs));
	if (!certs)
		error_set(error_r, "out of memory");
	for (size_t i = 0; certs && i < t->certs.n; i++)
		certs[i] = (struct tls_cert){t->certs.v[i], nth(&t->keys, i), nth(&t->passwords, i), nth(&t->ocsp, i)};
	return certs;
}

static struct tls_server *make_server(const struct bind_conf *b, const char **error_r)
{
	static const char *const dot[] = {"dot", NULL}, *const http[] = {"h2", "http/1.1", NULL};
	const struct bind_tls *t = &b->tls;
	struct tls_server_conf conf = {
		.where = b->where,
		.ncerts = t->certs.n,
		.ciphers = t->ciphers,
		.ciphers13 = t->ciphers13,
		.ticket_file = t->ticket_file && t->ticket_file[0] ? t->ticket_file : NULL,
		.key_log = t->key_log && t->key_log[0] ? t->key_log : NULL,
		.tickets = t->tickets,
		.prefer_server = t->prefer_server,
		.release_buffers = t->release_buffers,
		.renegotiation = t->renegotiation,
		.ktls = t->ktls,
		.ignore_errors = t->ignore_errors,
		.ticket_rotation_s = t->ticket_rotation_s,
		.ticket_keys = t->ticket_keys,
		.stored_sessions = t->stored_sessions,
		.session_timeout_s = t->session_timeout_s,
		.alpn = b->proto == PROTO_DOH ? http : dot,
		.alpn_required = b->proto == PROTO_DOH,
	};
	struct tls_server *s = NULL;
	struct tls_cert *certs;
	struct text curves = {0};

	if (version_of(t->min_version, &conf.min_version, error_r) < 0)
		return NULL;
	certs = certs_of(t, error_r);
	if (!certs)
		return NULL;
	for (size_t i = 0; i < t->curves.n; i++)
		text_addf(&curves, "%s%s", i ? ":" : "", t->curves.v[i]);
	conf.certs = certs;
	conf.curves = text_str(&curves);
	if (curves.failed)
		error_set(error_r, "out of memory");
	else
		s = tls_server_new(&conf, error_r);
	text_free(&curves);
	mem_free(certs);
	return s;
}

static void set_tls(struct listener *l, struct tls_server *s)
{
	struct tls_server *old;

	listener_lock(l);
	old = atomic_exchange_explicit(&l->tls, s, memory_order_relaxed);
	listener_unlock(l);
	if (old)
		tls_server_free(&old);
}

/* encrypted: DoH without certificates is plain HTTP, for a reverse proxy before us. */
static bool encrypted(const struct listener *l, const struct bind_conf *b)
{
	return l->ops->proto == PROTO_DOT || (l->ops->proto == PROTO_DOH && b->tls.certs.n);
}

/* read_again: the options are as they were, what their files say may not be.  A file that is wrong keeps no other out; the
 * first error is told. */
static int read_again(struct listener *l, const struct bind_tls *t, const char **error_r)
{
	int err = listener_certs(l, t, error_r), keys = 0;

	if (t->ticket_file && t->ticket_file[0])
		keys = tls_server_ticket_file(l->tls, t->ticket_file, err < 0 ? NULL : error_r);
	return err < 0 ? err : keys;
}

/* update_tls makes what the TLS options ask for, as far as it is not there. */
static int update_tls(struct listener *l, const struct bind_conf *b, const char **error_r)
{
	uint64_t print = print_of(b), tickets = ticket_print_of(&b->tls);
	struct tls_server *s = NULL;

	if (l->tls && b->where)
		tls_server_where(l->tls, b->where);
	if (l->tls_print == print && (l->tls != NULL) == encrypted(l, b))
		return l->tls ? read_again(l, &b->tls, error_r) : 0;
	if (encrypted(l, b)) {
		s = make_server(b, error_r);
		if (!s)
			return -EINVAL;
	}
	if (s && l->tls)
		tls_server_inherit(s, l->tls, tickets && tickets == l->ticket_print);
	set_tls(l, s);
	l->tls_print = print;
	l->ticket_print = tickets;
	return 0;
}

int listener_certs(struct listener *l, const struct bind_tls *t, const char **error_r)
{
	struct tls_server *s = listener_tls(l);
	struct tls_cert *certs = NULL;
	int err;

	if (!s)
		return error_set(error_r, "this frontend has no certificates");
	if (t)
		certs = certs_of(t, error_r);
	err = t && !certs ? -EINVAL : tls_server_load(s, certs, t ? t->certs.n : 0, error_r);
	mem_free(certs);
	tls_server_free(&s);
	return err;
}

/* ---- what a DoH frontend serves ---- */
static int set_site(struct listener *l, const struct bind_doh *d)
{
	struct doh_site *s = site_new(d), *old;

	if (!s)
		return -ENOMEM;
	listener_lock(l);
	old = atomic_exchange_explicit(&l->site, s, memory_order_relaxed);
	listener_unlock(l);
	atomic_store_explicit(&l->late_acl, d->trust_forwarded || !d->early_acl, memory_order_relaxed);
	site_free(&old);
	return 0;
}

struct doh_site *listener_site(struct listener *l)
{
	struct doh_site *s;

	listener_lock(l);
	s = atomic_load_explicit(&l->site, memory_order_relaxed);
	if (s)
		(void)site_ref(s);
	listener_unlock(l);
	return s;
}

int listener_map(struct listener *l, struct doh_map *map)
{
	struct doh_site *now;
	struct bind_doh d;
	int err;

	now = listener_site(l);
	if (!now)
		return 0;
	d = now->conf.doh;
	d.map = map;
	err = set_site(l, &d);
	site_free(&now);
	return err;
}

/* ---- life ---- */
struct listener *listener_new(const struct front_ops *ops, const struct bind_conf *conf, const char **error_r)
{
	struct listener *l = mem_zalloc(sizeof(*l));

	if (!l || bind_conf_copy(&l->conf, conf) < 0) {
		mem_free(l);
		error_set(error_r, "out of memory");
		return NULL;
	}
	l->magic = LISTENER_MAGIC;
	atomic_init(&l->refs, 1);
	atomic_flag_clear(&l->site_lock);
	l->ops = ops;
	if (listener_update(l, conf, error_r) < 0)
		listener_free(&l);
	return l;
}

struct listener *listener_ref(struct listener *l)
{
	atomic_fetch_add_explicit(&l->refs, 1, memory_order_relaxed);
	return l;
}

void listener_free(struct listener **p)
{
	struct listener *l = *p;
	struct tls_server *tls;
	struct doh_site *site;

	*p = NULL;
	if (!l || atomic_fetch_sub_explicit(&l->refs, 1, memory_order_acq_rel) != 1)
		return;
	tls = atomic_load(&l->tls);
	site = atomic_load(&l->site);
	if (tls)
		tls_server_free(&tls);
	site_free(&site);
	bind_conf_free(&l->conf);
	mem_free(l);
}

static bool same_text(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "") == 0;
}

bool listener_same(const struct listener *l, const struct front_ops *ops, const struct bind_conf *b)
{
	const struct bind_conf *a = &l->conf;

	return l->ops == ops && addr_same(&a->addr, &b->addr) && a->reuse_port == b->reuse_port &&
	       same_text(a->interface, b->interface);
}

int listener_update(struct listener *l, const struct bind_conf *b, const char **error_r)
{
	atomic_store_explicit(&l->max_in_flight, b->max_in_flight, memory_order_relaxed);
	atomic_store_explicit(&l->max_connections, b->max_connections, memory_order_relaxed);
	atomic_store_explicit(&l->enable_proxy, b->enable_proxy, memory_order_relaxed);
	atomic_store_explicit(&l->proxy_outside, b->tls.proxy_outside, memory_order_relaxed);
	atomic_store_explicit(&l->pad, b->tls.pad, memory_order_relaxed);
	if (l->ops->proto == PROTO_DOH && set_site(l, &b->doh) < 0)
		return error_set(error_r, "out of memory");
	return update_tls(l, b, error_r);
}
