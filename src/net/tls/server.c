/* server.c: the side that has certificates: its options, the set of the day, tickets by age, counters. */
#include "log.h"
#include "server_priv.h"

static struct tls_set *current(struct tls_server *s)
{
	struct tls_set *set;

	pthread_mutex_lock(&s->lock);
	set = s->set;
	atomic_fetch_add_explicit(&set->refs, 1, memory_order_relaxed);
	pthread_mutex_unlock(&s->lock);
	return set;
}

/* ---- called by conn.c ---- */
struct tls_ring *tls_server_ring(struct tls_server *s)
{
	return s->ring;
}

int tls_server_hello(struct tls *t)
{
	struct tls_server *s = t->server;
	SSL *ssl;

	t->set = current(s);
	ssl = SSL_new(t->set->site[0].ctx);
	if (!ssl)
		return -ENOMEM;
	SSL_set_accept_state(ssl);
	return tls_conn_attach(t, ssl, s->common.ktls);
}

bool tls_greets(const struct tls *t)
{
	return t->ssl && !t->shaken;
}

void tls_server_shaken(struct tls *t)
{
	struct tls_stats *st = tls_server_stats(t->server);

	atomic_fetch_add_explicit(t->resumed ? &st->resumed : &st->full, 1, memory_order_relaxed);
	SSL_set_tlsext_status_ocsp_resp(t->ssl, NULL, 0L); /* a copy that has been sent */
}

void tls_server_failed(struct tls *t)
{
	atomic_fetch_add_explicit(&tls_server_stats(t->server)->fail[t->fail], 1, memory_order_relaxed);
}

/* ---- copies of the configuration ---- */
static const char *word(char **at, const char *s)
{
	size_t len = strlen(s ? s : "") + 1;
	char *p = memcpy(*at, s ? s : "", len);

	*at += len;
	return p;
}

static size_t words_len(const char *const *s, size_t n)
{
	size_t len = 0;

	for (size_t i = 0; i < n; i++)
		len += strlen(s[i] ? s[i] : "") + 1;
	return len;
}

/* certs_copy: one allocation; |staples|: whose staples they get: |c|, or others, as many. */
static struct tls_cert *certs_copy(const struct tls_cert *c, const struct tls_cert *staples, size_t n)
{
	size_t len = 0;
	struct tls_cert *copy;
	char *at;

	for (size_t i = 0; i < n; i++)
		len += words_len((const char *const[]){c[i].cert, c[i].key, c[i].password, staples[i].ocsp}, 4);
	copy = mem_alloc(n * sizeof(*copy) + len + 1);
	if (!copy)
		return NULL;
	at = (char *)(copy + n);
	for (size_t i = 0; i < n; i++) {
		copy[i].cert = word(&at, c[i].cert);
		copy[i].key = word(&at, c[i].key);
		copy[i].password = word(&at, c[i].password);
		copy[i].ocsp = word(&at, staples[i].ocsp);
	}
	return copy;
}

static bool copy_words(struct tls_server *s, const struct tls_server_conf *c)
{
	const char *const all[] = {c->ciphers, c->ciphers13, c->curves, c->key_log};
	char *at = s->words = mem_alloc(words_len(all, LEN(all)));

	s->certs = certs_copy(c->certs, c->certs, c->ncerts);
	s->ncerts = c->ncerts;
	if (c->alpn && c->alpn[0])
		s->alpn = tls_list_copy(c->alpn);
	if (!s->words || !s->certs || (c->alpn && c->alpn[0] && !s->alpn))
		return false;
	s->common.ciphers = word(&at, c->ciphers);
	s->common.ciphers13 = word(&at, c->ciphers13);
	s->common.curves = word(&at, c->curves);
	s->common.key_log = word(&at, c->key_log);
	return true;
}

static void copy_numbers(struct tls_server *s, const struct tls_server_conf *c)
{
	s->common.min_version = c->min_version;
	s->common.release_buffers = c->release_buffers;
	s->common.renegotiation = c->renegotiation;
	s->common.ktls = c->ktls;
	s->alpn_required = c->alpn_required;
	s->where = c->where ? mem_strdup(c->where) : NULL; /* without memory it is "TLS" */
	s->tickets = c->tickets;
	s->prefer_server = c->prefer_server;
	s->ignore_errors = c->ignore_errors;
	s->stored_sessions = c->stored_sessions;
	s->session_timeout_s = c->session_timeout_s;
	s->rotation_ms = 1000ull * c->ticket_rotation_s;
}

static int first_keys(struct tls_server *s, const struct tls_server_conf *c, const char **error_r)
{
	s->ring = tls_ring_new(c->ticket_keys);
	if (!s->ring)
		return error_set(error_r, "memory is out");
	if (c->ticket_file && c->ticket_file[0])
		return tls_ring_load(s->ring, c->ticket_file, error_r);
	if (s->tickets && tls_ring_rotate(s->ring, NULL) < 0)
		return error_set(error_r, "no random bytes for a ticket key");
	return 0;
}

static void stats_free(struct shared_stats *st)
{
	if (st && atomic_fetch_sub_explicit(&st->refs, 1, memory_order_acq_rel) == 1)
		mem_free(st);
}

/* ---- public ---- */
struct tls_server *tls_server_new(const struct tls_server_conf *c, const char **error_r)
{
	struct tls_server *s = mem_zalloc(sizeof(*s));

	if (!s) {
		error_set(error_r, "memory is out");
		return NULL;
	}
	tls_start();
	atomic_init(&s->refs, 1);
	pthread_mutex_init(&s->lock, NULL);
	pthread_mutex_init(&s->load_lock, NULL);
	s->stats = mem_zalloc(sizeof(*s->stats));
	if (s->stats)
		atomic_init(&s->stats->refs, 1);
	copy_numbers(s, c);
	if (!s->stats || !copy_words(s, c)) {
		error_set(error_r, "memory is out");
	} else if (c->ncerts == 0 && !c->ignore_errors) {
		error_set(error_r, "no certificate is given");
	} else if (first_keys(s, c, error_r) == 0) {
		s->set = tls_set_load(s, s->certs, s->ncerts, false, error_r);
	}
	if (s->set)
		atomic_init(&s->loaded, s->set->ncerts);
	else
		tls_server_free(&s);
	return s;
}

void tls_server_where(struct tls_server *s, const char *where)
{
	char *copy = mem_strdup(where);

	pthread_mutex_lock(&s->load_lock);
	mem_free(s->where);
	s->where = copy;
	pthread_mutex_unlock(&s->load_lock);
}

struct tls_server *tls_server_ref(struct tls_server *s)
{
	atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
	return s;
}

void tls_server_free(struct tls_server **server)
{
	struct tls_server *s = *server;

	*server = NULL;
	if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
		return;
	tls_set_free(&s->set);
	tls_ring_free(&s->ring);
	pthread_mutex_destroy(&s->lock);
	pthread_mutex_destroy(&s->load_lock);
	mem_free(s->words);
	mem_free(s->where);
	mem_free(s->certs);
	mem_free((void *)(uintptr_t)s->alpn);
	stats_free(s->stats);
	mem_free(s);
}

/* load: |certs| NULL: the same files; otherwise a copy, taken over when it works. */
static int load(struct tls_server *s, struct tls_cert *certs, size_t n, bool kept_staples, const char **error_r)
{
	struct tls_set *old, *set;

	set = certs ? tls_set_load(s, certs, n, kept_staples, error_r)
		    : tls_set_load(s, s->certs, s->ncerts, s->kept_staples, error_r);
	if (!set)
		return -EINVAL;
	if (set->ncerts == 0 && s->loaded > 0) {
		tls_set_free(&set);
		return error_set(error_r, "no certificate could be read: the old ones stay");
	}
	pthread_mutex_lock(&s->lock);
	old = s->set;
	s->set = set;
	atomic_store_explicit(&s->loaded, set->ncerts, memory_order_relaxed);
	pthread_mutex_unlock(&s->lock);
	tls_set_free(&old);
	if (certs) {
		mem_free(s->certs);
		s->certs = certs;
		s->ncerts = n;
		s->kept_staples = kept_staples;
	}
	return 0;
}

static bool stapled(const struct tls_cert *certs, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (certs[i].ocsp && certs[i].ocsp[0])
			return true;
	return false;
}

int tls_server_load(struct tls_server *s, const struct tls_cert *certs, size_t n, const char **error_r)
{
	struct tls_cert *copy = NULL;
	bool kept;
	int rc;

	pthread_mutex_lock(&s->load_lock);
	kept = certs && n == s->ncerts && !stapled(certs, n) && stapled(s->certs, n);
	if (certs)
		copy = certs_copy(certs, kept ? s->certs : certs, n);
	rc = certs && !copy ? error_set(error_r, "memory is out") : load(s, copy, n, kept, error_r);
	if (rc == 0)
		log_info(SETUP, "%s: certificates read again: %zu", s->where ? s->where : "TLS", tls_server_certs(s));
	pthread_mutex_unlock(&s->load_lock);
	if (rc < 0)
		mem_free(copy);
	return rc;
}

/* by_hand: the age of the newest key begins anew. */
static void by_hand(struct tls_server *s)
{
	pthread_mutex_lock(&s->lock);
	s->rotated_ms = 0;
	pthread_mutex_unlock(&s->lock);
}

int tls_server_ticket_key(struct tls_server *s, const uint8_t *key, size_t len, const char **error_r)
{
	if (len != TLS_TICKET_KEY)
		return error_set(error_r, "a ticket key has %u bytes, not %zu", TLS_TICKET_KEY, len);
	tls_ring_add(s->ring, key);
	by_hand(s);
	return 0;
}

int tls_server_ticket_file(struct tls_server *s, const char *path, const char **error_r)
{
	int rc = tls_ring_load(s->ring, path, error_r);

	if (rc == 0)
		by_hand(s);
	return rc;
}

int tls_server_rotate(struct tls_server *s)
{
	int rc = tls_ring_rotate(s->ring, NULL);

	if (rc == 0)
		by_hand(s);
	return rc;
}

void tls_server_inherit(struct tls_server *s, struct tls_server *old, bool tickets)
{
	stats_free(s->stats);
	s->stats = old->stats;
	atomic_fetch_add_explicit(&s->stats->refs, 1, memory_order_relaxed);
	if (!tickets || !s->tickets || !old->tickets)
		return;
	tls_ring_copy(s->ring, old->ring);
	pthread_mutex_lock(&old->lock);
	s->rotated_ms = old->rotated_ms;
	pthread_mutex_unlock(&old->lock);
}

bool tls_server_tick(struct tls_server *s, uint64_t now_ms, uint8_t key_r[TLS_TICKET_KEY])
{
	bool due;

	pthread_mutex_lock(&s->lock);
	due = s->tickets && s->rotation_ms && s->rotated_ms && now_ms - s->rotated_ms >= s->rotation_ms;
	if (due || s->rotated_ms == 0)
		s->rotated_ms = now_ms ? now_ms : 1;
	pthread_mutex_unlock(&s->lock);
	return due && tls_ring_rotate(s->ring, key_r) == 0;
}

struct tls_stats *tls_server_stats(struct tls_server *s)
{
	return &s->stats->v;
}

size_t tls_server_certs(const struct tls_server *s)
{
	return atomic_load_explicit(&s->loaded, memory_order_relaxed);
}

struct tls *tls_accept(struct tls_server *s, int fd)
{
	struct tls *t = tls_server_certs(s) ? tls_conn_new(fd) : NULL;

	if (!t)
		return NULL;
	t->server = tls_server_ref(s);
	/* Kernel TLS wants the library on the socket from the first byte. */
	if (s->common.ktls && tls_server_hello(t) < 0)
		tls_end(&t, false);
	return t;
}
