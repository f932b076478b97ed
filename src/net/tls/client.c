/* client.c: TLS towards backends: whom a client trusts, its connections and the sessions they bring.
 *
 * Clients that want the same of the library share a context, which takes 10 kB.  All that makes one backend differ from
 * another (name, address, authorities, pins, protocols) stays here, and each connection is told of it when it begins. */
#include "tls_priv.h"
#include "hash.h"
#include "text.h"
#include <arpa/inet.h>
#include <openssl/x509v3.h>

enum { NAME_MAX_LEN = 253, LABEL_MAX_LEN = 63, ALPN_WIRE = 256, CERTS_MAX_BYTES = 48 << 10, PINS_MAX = 64 };

struct tls_client {
	_Atomic unsigned refs;
	uint32_t size;                   /* with all that is behind it */
	bool alpn_required, ktls;
	bool sni;                        /* |name| is sent */
	uint8_t ip_len, ip[16];          /* the address that the certificate must have, 0: none */
	SSL_CTX *ctx;                    /* of all clients with the same settings */
	struct ca_store *ca;             /* NULL: nothing is validated */
	const char *const *alpn;
	struct tls_verify verify;
	uint64_t trust;                  /* hash of all that makes us trust a peer */
	void (*session)(void *ctx, struct tls_session *);
	char *name;                      /* subjectName without the dot at its end */
	uint8_t pins[][32];              /* and then |alpn| and |name| */
};

/* read_ip: the length of the address |s| in bytes, 0 when it is none. */
static uint8_t read_ip(uint8_t ip[16], const char *s)
{
	return inet_pton(AF_INET, s, ip) == 1 ? 4 : inet_pton(AF_INET6, s, ip) == 1 ? 16 : 0;
}

/* ---- names ---- */

/* A name that begins with a dot would match every name below it, an empty one anything. */
static int take_name(struct tls_client *c, const char *name, const char **error_r)
{
	size_t len = strlen(name), label = 0;

	if (len > 1 && name[len - 1] == '.')
		len--;
	if (len > NAME_MAX_LEN)
		return error_set(error_r, "subjectName %.40s…: a name has at most %d bytes", name, NAME_MAX_LEN);
	for (size_t i = 0; i < len; i++) {
		label = name[i] == '.' ? 0 : label + 1;
		if ((label == 0 && (i == 0 || name[i - 1] == '.')) || label > LABEL_MAX_LEN || name[i] <= ' ' ||
			name[i] == 0x7f)
			return error_set(error_r, "subjectName %s: not a host name", name);
	}
	memcpy(c->name, name, len);
	c->name[len] = '\0';
	c->ip_len = read_ip(c->ip, c->name);
	c->sni = len > 0 && c->ip_len == 0;
	return 0;
}

/* take_addr: an address as name is overruled by another one. */
static int take_addr(struct tls_client *c, const struct tls_client_conf *conf, const char **error_r)
{
	if (conf->addr && *conf->addr && (c->ip_len = read_ip(c->ip, conf->addr)) == 0)
		return error_set(error_r, "subjectAddr %s: not an IP address", conf->addr);
	if (conf->validate && !c->name[0] && c->ip_len == 0)
		return error_set(error_r, "validateCertificates needs a subjectName or a subjectAddr");
	return 0;
}

/* ---- sessions ---- */

/* remember: the library gives its reference away when this returns 1. */
static int remember(SSL *ssl, SSL_SESSION *s)
{
	struct tls *t = tls_now();
	struct tls_client *c = t->client;
	struct tls_session *session;

	(void)ssl;
	t->swollen = t->shaken; /* one that came behind the handshake (TLS 1.3) */
	if (!c->session || !SSL_SESSION_is_resumable(s))
		return 0;
	session = tls_session_new(s, c->trust);
	if (session)
		c->session(t->user, session);
	return 0;
}

/* set_trust: a session is only resumed by a client that would have trusted its server for the same reasons. */
static void set_trust(struct tls_client *c, const struct tls_client_conf *conf)
{
	const char *const words[] = {c->name, conf->addr ? conf->addr : "", conf->ca_store ? conf->ca_store : ""};
	uint64_t h = hash_bytes(c->pins, c->verify.npins * sizeof(c->pins[0]));

	for (size_t i = 0; i < LEN(words); i++)
		h = hash_mix(h, hash_bytes(words[i], strlen(words[i])), i);
	c->trust = hash_mix(h, conf->validate, conf->ignore_dates);
}

/* ---- making one ---- */

static int take_alpn(struct tls_client *c, const struct tls_client_conf *conf, const char **error_r)
{
	uint8_t wire[ALPN_WIRE];

	if (!conf->alpn || !conf->alpn[0])
		return 0;
	if (tls_alpn_wire(conf->alpn, wire, sizeof(wire)) < 0)
		return error_set(error_r, "ALPN: a word is empty or too long");
	c->alpn = tls_list_put(c->pins[c->verify.npins], conf->alpn);
	c->alpn_required = conf->alpn_required;
	return 0;
}

/* set_ctx: what holds for every client.  Nobody is trusted unless a connection says whom. */
static void set_ctx(SSL_CTX *ctx)
{
	tls_verify_ctx(ctx);
	SSL_CTX_set_max_cert_list(ctx, CERTS_MAX_BYTES);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(ctx, remember);
}

static int fill(struct tls_client *c, const struct tls_client_conf *conf, const char **error_r)
{
	const struct tls_common common = {.ciphers = conf->ciphers, .ciphers13 = conf->ciphers13,
		.curves = conf->curves, .key_log = conf->key_log, .min_version = TLS_V_12,
		.release_buffers = conf->release_buffers, .renegotiation = conf->renegotiation, .ktls = conf->ktls};
	int err = take_name(c, conf->name ? conf->name : "", error_r);

	if (err == 0)
		err = take_addr(c, conf, error_r);
	if (err == 0 && !(c->ctx = tls_ctx_get(&common, set_ctx, error_r)))
		err = -EINVAL;
	if (err == 0)
		err = take_alpn(c, conf, error_r);
	if (err == 0 && conf->validate && !(c->ca = tls_ca_get(conf->ca_store, error_r)))
		err = -EINVAL;
	if (err < 0)
		return err;
	c->verify.validate = conf->validate;
	c->verify.ignore_dates = conf->ignore_dates;
	c->session = conf->session;
	c->ktls = conf->ktls;
	set_trust(c, conf);
	return 0;
}

struct tls_client *tls_client_new(const struct tls_client_conf *conf, const char **error_r)
{
	size_t pins = conf->npins * sizeof(((struct tls_client *)NULL)->pins[0]);
	size_t alpn = conf->alpn ? tls_list_size(conf->alpn) : 0, size;
	struct tls_client *c;
	int err;

	tls_start();
	if (conf->npins > PINS_MAX) {
		error_set(error_r, "at most %d certificates can be pinned", PINS_MAX);
		return NULL;
	}
	size = sizeof(*c) + pins + alpn + (conf->name ? strlen(conf->name) : 0) + 1;
	c = mem_keep(size);
	if (!c) {
		error_set(error_r, "memory is out");
		return NULL;
	}
	atomic_init(&c->refs, 1);
	c->size = (uint32_t)size;
	if (pins)
		memcpy(c->pins, conf->pins, pins);
	c->verify.pins = (const uint8_t (*)[32])c->pins;
	c->verify.npins = conf->npins;
	c->name = (char *)c->pins + pins + alpn;
	err = fill(c, conf, error_r);
	tls_queue_clear();
	if (err < 0)
		tls_client_free(&c);
	return c;
}

struct tls_client *tls_client_ref(struct tls_client *c)
{
	atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
	return c;
}

void tls_client_free(struct tls_client **c_r)
{
	struct tls_client *c = *c_r;

	*c_r = NULL;
	if (!c || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) != 1)
		return;
	tls_ctx_put(&c->ctx);
	tls_ca_put(&c->ca);
	mem_unkeep(c, c->size);
}

/* ---- a connection ---- */

const struct tls_verify *tls_client_verify(const struct tls *t)
{
	return &t->client->verify;
}

void tls_client_wanted(const struct tls *t, struct text *out)
{
	const struct tls_client *c = t->client;
	char ip[INET6_ADDRSTRLEN];

	if (c->sni)
		text_addf(out, "'%s'", c->name);
	if (c->ip_len && inet_ntop(c->ip_len == 4 ? AF_INET : AF_INET6, c->ip, ip, sizeof(ip)))
		text_addf(out, "%s%s", c->sni ? " and " : "", ip);
}

/* set_trusted: whom this connection trusts; a name and an address must both fit where both are given. */
static bool set_trusted(const struct tls_client *c, SSL *ssl)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
	bool validate = c->verify.validate;

	SSL_set_verify(ssl, validate || c->verify.npins > 0 ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
	if (!validate)
		return true;
	X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return (!c->sni || X509_VERIFY_PARAM_set1_host(param, c->name, 0)) &&
		(c->ip_len == 0 || X509_VERIFY_PARAM_set1_ip(param, c->ip, c->ip_len)) &&
		SSL_set1_verify_cert_store(ssl, tls_ca_x509(c->ca));
}

static bool set_words(const struct tls_client *c, SSL *ssl)
{
	uint8_t wire[ALPN_WIRE];
	ssize_t len = c->alpn ? tls_alpn_wire(c->alpn, wire, sizeof(wire)) : 0;

	must(len >= 0);
	return (!c->sni || SSL_set_tlsext_host_name(ssl, c->name)) &&
		(len == 0 || SSL_set_alpn_protos(ssl, wire, (unsigned)len) == 0);
}

struct tls *tls_connect(struct tls_client *c, int fd, struct tls_session *session, void *ctx)
{
	struct tls *t = tls_conn_new(fd);
	SSL *ssl = t ? SSL_new(c->ctx) : NULL;
	SSL_SESSION *old = session && ssl ? tls_session_load(session, c->trust) : NULL;

	if (!ssl || !set_trusted(c, ssl) || !set_words(c, ssl))
		goto fail;
	SSL_set_connect_state(ssl);
	if (old) /* one that does not please is not offered */
		(void)SSL_set_session(ssl, old);
	SSL_SESSION_free(old);
	old = NULL;
	t->client = tls_client_ref(c);
	t->user = ctx;
	if (tls_conn_attach(t, ssl, c->ktls) == 0) {
		tls_queue_clear();
		return t;
	}
	ssl = NULL; /* freed */
fail:
	SSL_SESSION_free(old);
	SSL_free(ssl);
	if (t)
		tls_end(&t, false);
	tls_queue_clear();
	return NULL;
}

/* forget_chain gives back what is known of the peer's certificates, now that they are trusted: some 5 kB for each of
 * them.  The lists are the connection's own; the leaf stays with the session, but its key has done its work. */
static void forget_chain(SSL *ssl)
{
	STACK_OF(X509) *lists[] = {SSL_get_peer_cert_chain(ssl), SSL_get0_verified_chain(ssl)};
	X509 *cert, *leaf = SSL_get0_peer_certificate(ssl);
	EVP_PKEY *key = leaf ? X509_get0_pubkey(leaf) : NULL;

	for (size_t i = 0; i < LEN(lists); i++)
		while (lists[i] && (cert = sk_X509_pop(lists[i])) != NULL)
			X509_free(cert);
	if (key)
		tls_key_empty(key);
}

int tls_client_shaken(struct tls *t)
{
	const struct tls_client *c = t->client;
	const unsigned char *p = NULL;
	unsigned len = 0;

	forget_chain(t->ssl);
	SSL_get0_alpn_selected(t->ssl, &p, &len);
	if (len > 0 && c->alpn)
		t->alpn = tls_alpn_find(c->alpn, p, len);
	if (t->alpn || !c->alpn_required)
		return 0;
	tls_set_fail(t, TLS_FAIL_ALPN, "the server chose none of the offered protocols (ALPN)");
	return -EPROTO;
}

const char *tls_client_failed(const struct tls *t)
{
	if (t->said && t->fail == TLS_FAIL_NONE) /* verify.c knew more */
		return t->said;
	return t->client->verify.validate || t->client->verify.npins > 0
		? tls_verify_sentence(SSL_get_verify_result(t->ssl))
		: NULL;
}
