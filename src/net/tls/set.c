/* set.c: one load of the certificates: which of them is for whom, and their staples.
 *
 * There is an SSL_CTX per group of names, with one certificate of each type of key.  A new load makes a new set;
 * connections hold the one they began with. */
#include "log.h"
#include "server_priv.h"
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <strings.h>

enum { STAPLE_MAX = 64 << 10, TICKETS = 1 };

/* ---- names ---- */
static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* join sorts |n| names into one block, without doubles. */
static char *join(char **names, size_t n, size_t *len_r)
{
	size_t len = 1, at = 0;
	char *block;

	qsort(names, n, sizeof(*names), by_name);
	for (size_t i = 0; i < n; i++)
		len += strlen(names[i]) + 1;
	block = mem_zalloc(len);
	if (!block)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		size_t l = strlen(names[i]) + 1;

		if (i > 0 && strcmp(names[i], names[i - 1]) == 0)
			continue;
		memcpy(block + at, names[i], l);
		at += l;
	}
	*len_r = at + 1;
	return block;
}

static bool add_name(char **names, size_t *n, const ASN1_STRING *s)
{
	int len = ASN1_STRING_length(s);
	char *name = mem_strndup((const char *)ASN1_STRING_get0_data(s), len > 0 ? (size_t)len : 0);

	if (!name)
		return false;
	for (char *p = name; *p; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p - 'A' + 'a');
	names[(*n)++] = name;
	return true;
}

/* collect: the DNS names of a certificate, else its common name. */
static bool collect(X509 *x, const GENERAL_NAMES *list, char **names, size_t *n)
{
	const X509_NAME *subject = X509_get_subject_name(x);
	int at;

	for (int i = 0; i < sk_GENERAL_NAME_num(list); i++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(list, i);

		if (g->type == GEN_DNS && !add_name(names, n, g->d.dNSName))
			return false;
	}
	at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
	if (*n == 0 && at >= 0)
		return add_name(names, n, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
	return true;
}

static char *names_of(X509 *x, size_t *len_r)
{
	GENERAL_NAMES *list = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
	size_t cap = list ? (size_t)sk_GENERAL_NAME_num(list) + 1 : 1, n = 0;
	char **names = mem_alloc(cap * sizeof(*names)), *block = NULL;

	if (names && collect(x, list, names, &n))
		block = join(names, n, len_r);
	for (size_t i = 0; i < n; i++)
		mem_free(names[i]);
	mem_free(names);
	GENERAL_NAMES_free(list);
	return block;
}

/* has_name: |sni| is one of them; |wild|: a wildcard of them stands for it (RFC 6125 6.4.3: the whole left label). */
static bool has_name(const struct site *s, const char *sni, bool wild)
{
	const char *rest = strchr(sni, '.');

	for (const char *p = s->names; *p; p += strlen(p) + 1) {
		if (!wild && strcasecmp(p, sni) == 0)
			return true;
		if (wild && rest && rest != sni && p[0] == '*' && p[1] == '.' && strcasecmp(p + 1, rest) == 0)
			return true;
	}
	return false;
}

static const struct site *site_for(const struct tls_set *set, const char *sni)
{
	for (int wild = 0; sni && wild < 2; wild++)
		for (size_t i = 0; i < set->n; i++)
			if (has_name(&set->site[i], sni, wild))
				return &set->site[i];
	return &set->site[0];
}

/* ---- the library asks ---- */
static int which_name(SSL *ssl, int *alert, void *arg)
{
	const struct tls_set *set = tls_now()->set;
	const struct site *s = site_for(set, SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name));

	(void)alert;
	(void)arg;
	if (SSL_get_SSL_CTX(ssl) != s->ctx && !SSL_set_SSL_CTX(ssl, s->ctx))
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	return SSL_TLSEXT_ERR_OK;
}

/* which_alpn: the first of ours that the client has too. */
static int which_alpn(SSL *ssl, const uint8_t **out, uint8_t *out_len, const uint8_t *in, unsigned len, void *arg)
{
	struct tls *t = tls_now();
	const struct tls_server *s = t->server;

	(void)ssl;
	(void)arg;
	for (const char *const *ours = s->alpn; *ours; ours++) {
		const char *one[] = {*ours, NULL};

		for (unsigned at = 0; at < len; at += in[at] + 1u) {
			if (!tls_alpn_find(one, in + at + 1, in[at]))
				continue;
			t->alpn = *ours;
			*out = in + at + 1;
			*out_len = in[at];
			return SSL_TLSEXT_ERR_OK;
		}
	}
	return s->alpn_required ? SSL_TLSEXT_ERR_ALERT_FATAL : SSL_TLSEXT_ERR_NOACK;
}

static int which_staple(SSL *ssl, void *arg)
{
	const struct tls_set *set = tls_now()->set;
	const X509 *cert = SSL_get_certificate(ssl);

	(void)arg;
	for (size_t i = 0; i < set->ncerts; i++) {
		const struct staple *s = &set->staple[i];
		uint8_t *copy;

		if (s->cert != cert || !s->der)
			continue;
		copy = OPENSSL_memdup(s->der, s->len);
		if (!copy)
			break;
		SSL_set_tlsext_status_ocsp_resp(ssl, copy, (long)s->len);
		return SSL_TLSEXT_ERR_OK;
	}
	return SSL_TLSEXT_ERR_NOACK;
}

/* ---- a set ---- */
void tls_set_free(struct tls_set **set_r)
{
	struct tls_set *set = *set_r;

	*set_r = NULL;
	if (!set || atomic_fetch_sub_explicit(&set->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (size_t i = 0; i < set->n; i++) {
		SSL_CTX_free(set->site[i].ctx);
		mem_free(set->site[i].names);
	}
	for (size_t i = 0; set->staple && i < set->ncerts; i++)
		mem_free(set->staple[i].der);
	mem_free(set->site);
	mem_free(set->staple);
	mem_free(set);
}

static struct tls_set *set_new(size_t n)
{
	struct tls_set *set = mem_zalloc(sizeof(*set));

	if (!set)
		return NULL;
	tls_start();
	atomic_init(&set->refs, 1);
	set->site = mem_zalloc((n + 1) * sizeof(*set->site));
	set->staple = mem_zalloc((n + 1) * sizeof(*set->staple));
	if (!set->site || !set->staple)
		tls_set_free(&set);
	return set;
}

static void set_sessions(const struct tls_server *s, SSL_CTX *ctx)
{
	static const uint8_t id[] = "shrewd";

	SSL_CTX_set_session_id_context(ctx, id, sizeof(id) - 1);
	if (s->session_timeout_s)
		SSL_CTX_set_timeout(ctx, (long)s->session_timeout_s);
	SSL_CTX_set_session_cache_mode(ctx, s->stored_sessions ? SSL_SESS_CACHE_SERVER : SSL_SESS_CACHE_OFF);
	if (s->stored_sessions)
		SSL_CTX_sess_set_cache_size(ctx, (long)s->stored_sessions);
	if (s->tickets)
		tls_ring_ctx(ctx);
	else
		SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
	SSL_CTX_set_num_tickets(ctx, s->tickets || s->stored_sessions ? TICKETS : 0);
}

static SSL_CTX *context(const struct tls_server *s, const char **error_r)
{
	SSL_CTX *ctx = tls_ctx_new(true, &s->common, error_r);

	if (!ctx)
		return NULL;
	set_sessions(s, ctx);
	if (s->prefer_server)
		SSL_CTX_set_options(ctx, SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
	SSL_CTX_set_tlsext_servername_callback(ctx, which_name);
	SSL_CTX_set_tlsext_status_cb(ctx, which_staple);
	if (s->alpn)
		SSL_CTX_set_alpn_select_cb(ctx, which_alpn, NULL);
	return ctx;
}

/* site_of: the one with these names that has no such key yet, or a new one, which takes |names| over. */
static struct site *site_of(struct tls_set *set, char **names, size_t len, int type)
{
	struct site *s;

	for (size_t i = 0; i < set->n; i++) {
		bool has = false;

		s = &set->site[i];
		for (unsigned k = 0; k < s->ntypes; k++)
			has = has || s->types[k] == type;
		if (!has && s->ntypes < LEN(s->types) && s->names_len == len && memcmp(s->names, *names, len) == 0)
			return s;
	}
	s = &set->site[set->n++];
	s->names = *names;
	s->names_len = len;
	*names = NULL;
	return s;
}

static int read_staple(struct staple *to, const char *path, const struct tls_chain *chain, const char **error_r)
{
	X509 *issuer = sk_X509_num(chain->more) > 0 ? sk_X509_value(chain->more, 0) : NULL;

	to->der = tls_file_read(path, STAPLE_MAX, &to->len, error_r);
	return to->der ? tls_ocsp_check(to->der, to->len, chain->cert, issuer, path, error_r) : -EINVAL;
}

static int use_chain(const struct tls_server *s, struct tls_set *set, const struct tls_cert *c,
	const struct tls_chain *chain, const char **error_r)
{
	struct staple *staple = &set->staple[set->ncerts];
	size_t len = 0;
	char *names = names_of(chain->cert, &len);
	int type = EVP_PKEY_get_base_id(chain->key);
	struct site *site;

	if (!names)
		return error_set(error_r, "%s: memory is out", c->cert);
	site = site_of(set, &names, len, type);
	mem_free(names);
	if (!site->ctx)
		site->ctx = context(s, error_r);
	if (!site->ctx) /* a new one, without certificates: the caller takes it away again */
		return -EINVAL;
	if (SSL_CTX_use_cert_and_key(site->ctx, chain->cert, chain->key, chain->more, 1) != 1) {
		error_set(error_r, "%s: %s", c->cert, tls_queue_sentence());
		tls_queue_clear();
		return -EINVAL;
	}
	site->types[site->ntypes++] = type;
	staple->cert = chain->cert;
	set->ncerts++;
	return 0;
}

/* look_at_dates: a certificate out of its time is used all the same, as it may be all there is. */
static void look_at_dates(const struct tls_server *s, const struct tls_cert *c, X509 *x)
{
	const ASN1_TIME *from = X509_get0_notBefore(x), *until = X509_get0_notAfter(x);
	uint64_t now_s = tls_now_s();
	time_t now = (time_t)now_s;
	bool early = X509_cmp_time(from, &now) > 0 && !tls_clock_wrong(now_s);
	struct tm tm;
	char day[32];

	if (!early && X509_cmp_time(until, &now) >= 0)
		return;
	if (!ASN1_TIME_to_tm(early ? from : until, &tm) || !strftime(day, sizeof(day), "%Y-%m-%d %H:%M UTC", &tm))
		day[0] = 0;
	log_warn(SETUP, "%s: %s: the certificate %s %s: clients that look will refuse it", s->where ? s->where : "TLS",
		c->cert, early ? "is not valid before" : "expired on", day);
}

/* drop_staple: a certificate without a staple is better than none. */
static void drop_staple(const struct tls_server *s, struct staple *staple, const char *why)
{
	log_warn(SETUP, "%s: %s; this staple is left out", s->where ? s->where : "TLS", why);
	mem_free(staple->der);
	*staple = (struct staple){0};
}

static int add_cert(const struct tls_server *s, struct tls_set *set, const struct tls_cert *c, bool kept_staple,
	const char **error_r)
{
	struct staple staple = {0};
	struct tls_chain chain;
	int rc = tls_chain_load(&chain, c, error_r);

	if (rc < 0)
		return rc;
	look_at_dates(s, c, chain.cert);
	if (c->ocsp && c->ocsp[0])
		rc = read_staple(&staple, c->ocsp, &chain, error_r);
	if (rc < 0 && kept_staple) {
		drop_staple(s, &staple, error_r ? *error_r : c->ocsp);
		rc = 0;
	}
	if (rc == 0)
		rc = use_chain(s, set, c, &chain, error_r);
	if (rc == 0) {
		set->staple[set->ncerts - 1].der = staple.der;
		set->staple[set->ncerts - 1].len = staple.len;
	} else {
		mem_free(staple.der);
	}
	tls_chain_free(&chain);
	return rc;
}

/* drop_empty takes away a last site that got no certificate. */
static void drop_empty(struct tls_set *set)
{
	struct site *last = set->n ? &set->site[set->n - 1] : NULL;

	if (!last || last->ntypes > 0)
		return;
	SSL_CTX_free(last->ctx);
	mem_free(last->names);
	*last = (struct site){0};
	set->n--;
}

struct tls_set *tls_set_load(const struct tls_server *s, const struct tls_cert *certs, size_t n, bool kept_staples,
	const char **error_r)
{
	struct tls_set *set = set_new(n);

	if (!set) {
		error_set(error_r, "memory is out");
		return NULL;
	}
	for (size_t i = 0; i < n; i++) {
		const char *why = "";

		if (add_cert(s, set, &certs[i], kept_staples, &why) == 0)
			continue;
		if (!s->ignore_errors) {
			if (error_r)
				*error_r = why;
			tls_set_free(&set);
			return NULL;
		}
		log_warn(SETUP, "%s: %s; this certificate is left out", s->where ? s->where : "TLS", why);
		drop_empty(set);
	}
	return set;
}
