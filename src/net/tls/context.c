/* context.c: what both directions set in a context: versions, ciphers, options, key log; application protocols. */
#include "log.h"
#include "text.h"
#include "tls_priv.h"
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

/* No strings of errors, no openssl.cnf: it would be the only thing that makes two machines behave differently.
 * No clean-up at exit: other threads may still be at work. */
static void start(void)
{
	OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CRYPTO_STRINGS | OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, NULL);
	OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_SSL_STRINGS | OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
}

void tls_start(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, start);
}

/* ---- key log: one file per path, kept open for good: it is for debugging ---- */
struct key_log {
	struct key_log *next;
	int fd;
	char path[];
};
static struct key_log *key_logs;
static pthread_mutex_t key_logs_lock = PTHREAD_MUTEX_INITIALIZER;

static struct key_log *key_log_find(const char *path)
{
	struct key_log *k = key_logs;

	while (k && strcmp(k->path, path) != 0)
		k = k->next;
	return k;
}

static struct key_log *key_log_open(const char *path, const char **error_r)
{
	size_t len = strlen(path) + 1;
	struct key_log *k = mem_alloc(sizeof(*k) + len);

	if (!k) {
		error_set(error_r, "%s: memory is out", path);
		return NULL;
	}
	memcpy(k->path, path, len);
	k->fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (k->fd < 0) {
		error_set(error_r, "keyLogFile: %s: %s", path, strerror(errno));
		mem_free(k);
		return NULL;
	}
	k->next = key_logs;
	key_logs = k;
	return k;
}

static void key_line(const SSL *ssl, const char *line)
{
	const struct key_log *k = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	char buf[512];
	int n;

	if (!k)
		return;
	n = snprintf(buf, sizeof(buf), "%s\n", line);
	if (n > 0 && (size_t)n < sizeof(buf) && write(k->fd, buf, (size_t)n) < 0)
		tls_queue_clear(); /* a full disk stops no connection */
}

static int set_key_log(SSL_CTX *ctx, const char *path, const char **error_r)
{
	struct key_log *k;

	pthread_mutex_lock(&key_logs_lock);
	k = key_log_find(path);
	if (!k)
		k = key_log_open(path, error_r);
	pthread_mutex_unlock(&key_logs_lock);
	if (!k)
		return -EINVAL;
	SSL_CTX_set_app_data(ctx, k);
	return 0;
}

/* ---- contexts ---- */
static void set_versions(SSL_CTX *ctx, enum tls_version min)
{
	static atomic_flag said = ATOMIC_FLAG_INIT;

	if ((min == TLS_V_10 || min == TLS_V_11) && !atomic_flag_test_and_set(&said))
		log_warn(SETUP, "TLS 1.0 and 1.1 are not spoken (RFC 8996): the minimum is TLS 1.2");
	SSL_CTX_set_min_proto_version(ctx, min == TLS_V_13 ? TLS1_3_VERSION : TLS1_2_VERSION);
}

static void set_options(SSL_CTX *ctx, bool server, const struct tls_common *c)
{
	uint64_t options = SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF;
	long mode = SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_NO_AUTO_CHAIN;

	if (!c->renegotiation)
		options |= SSL_OP_NO_RENEGOTIATION;
	else if (server)
		options |= SSL_OP_ALLOW_CLIENT_RENEGOTIATION;
#ifdef SSL_OP_ENABLE_KTLS
	if (c->ktls)
		options |= SSL_OP_ENABLE_KTLS;
#endif
	if (c->release_buffers)
		mode |= SSL_MODE_RELEASE_BUFFERS;
	SSL_CTX_set_options(ctx, options);
	SSL_CTX_set_mode(ctx, mode);
	SSL_CTX_set_read_ahead(ctx, !c->ktls); /* several records with one read */
}

static int set_words(SSL_CTX *ctx, const struct tls_common *c, const char **error_r)
{
	if (c->ciphers && c->ciphers[0] && SSL_CTX_set_cipher_list(ctx, c->ciphers) != 1)
		return error_set(error_r, "ciphers: nothing of \"%s\" is known", c->ciphers);
	if (c->ciphers13 && c->ciphers13[0] && SSL_CTX_set_ciphersuites(ctx, c->ciphers13) != 1)
		return error_set(error_r, "ciphersTLS13: \"%s\" is not known", c->ciphers13);
	/* SSL_CTX_set1_groups_list() is a macro that casts a const away */
	if (c->curves && c->curves[0] && SSL_CTX_ctrl(ctx, SSL_CTRL_SET_GROUPS_LIST, 0, (void *)(uintptr_t)c->curves) != 1)
		return error_set(error_r, "curves: \"%s\" is not known", c->curves);
	if (c->key_log && c->key_log[0])
		return set_key_log(ctx, c->key_log, error_r);
	return 0;
}

SSL_CTX *tls_ctx_new(bool server, const struct tls_common *c, const char **error_r)
{
	SSL_CTX *ctx;

	tls_start();
	ctx = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
	if (!ctx) {
		error_set(error_r, "TLS: %s", tls_queue_sentence());
		tls_queue_clear();
		return NULL;
	}
	set_versions(ctx, c->min_version);
	set_options(ctx, server, c);
	if (c->key_log && c->key_log[0])
		SSL_CTX_set_keylog_callback(ctx, key_line);
	if (set_words(ctx, c, error_r) < 0) {
		SSL_CTX_free(ctx);
		ctx = NULL;
	}
	tls_queue_clear();
	return ctx;
}

/* ---- shared by all clients that want the same of the library ---- */
struct shared {
	struct shared *next;
	SSL_CTX *ctx;
	unsigned refs;
	char key[]; /* all that tls_ctx_new() looks at */
};
static struct shared *shared;
static pthread_mutex_t shared_lock = PTHREAD_MUTEX_INITIALIZER;

static void key_of(const struct tls_common *c, struct text *t)
{
	const char *const words[] = {c->ciphers, c->ciphers13, c->curves, c->key_log};

	for (size_t i = 0; i < LEN(words); i++)
		text_addf(t, "%zu %s ", words[i] ? strlen(words[i]) : 0, words[i] ? words[i] : "");
	text_addf(t, "%u %u %u %u", c->min_version, c->release_buffers, c->renegotiation, c->ktls);
}

static struct shared *shared_make(const char *key, const struct tls_common *c, void (*set)(SSL_CTX *),
	const char **error_r)
{
	size_t len = strlen(key) + 1;
	struct shared *s = mem_alloc(sizeof(*s) + len);

	if (!s) {
		error_set(error_r, "memory is out");
		return NULL;
	}
	s->ctx = tls_ctx_new(false, c, error_r);
	if (!s->ctx) {
		mem_free(s);
		return NULL;
	}
	set(s->ctx);
	memcpy(s->key, key, len);
	s->refs = 0;
	s->next = shared;
	shared = s;
	return s;
}

SSL_CTX *tls_ctx_get(const struct tls_common *c, void (*set)(SSL_CTX *), const char **error_r)
{
	struct text key = {0};
	struct shared *s;

	key_of(c, &key);
	if (key.failed) {
		text_free(&key);
		error_set(error_r, "memory is out");
		return NULL;
	}
	pthread_mutex_lock(&shared_lock);
	for (s = shared; s && strcmp(s->key, text_str(&key)) != 0;)
		s = s->next;
	if (!s)
		s = shared_make(text_str(&key), c, set, error_r);
	if (s)
		s->refs++;
	pthread_mutex_unlock(&shared_lock);
	text_free(&key);
	return s ? s->ctx : NULL;
}

void tls_ctx_put(SSL_CTX **ctx_r)
{
	struct shared **at = &shared, *s;

	if (!*ctx_r)
		return;
	pthread_mutex_lock(&shared_lock);
	while ((*at)->ctx != *ctx_r)
		at = &(*at)->next;
	s = *at;
	if (--s->refs == 0)
		*at = s->next;
	else
		s = NULL;
	pthread_mutex_unlock(&shared_lock);
	*ctx_r = NULL;
	if (!s)
		return;
	SSL_CTX_free(s->ctx);
	mem_free(s);
}

/* ---- application protocols (RFC 7301) ---- */
static size_t list_len(const char *const *list)
{
	size_t n = 0;

	while (list[n])
		n++;
	return n;
}

size_t tls_list_size(const char *const *list)
{
	size_t n = list_len(list), bytes = (n + 1) * sizeof(*list);

	for (size_t i = 0; i < n; i++)
		bytes += strlen(list[i]) + 1;
	return bytes;
}

const char *const *tls_list_put(void *at, const char *const *list)
{
	size_t n = list_len(list);
	const char **copy = at;
	char *p = (char *)(copy + n + 1);

	for (size_t i = 0; i < n; i++) {
		size_t len = strlen(list[i]) + 1;

		copy[i] = memcpy(p, list[i], len);
		p += len;
	}
	copy[n] = NULL;
	return copy;
}

/* EVP_PKEY_set_type() is documented to free what the key holds before it sets the type; that it does only this from now
 * on, for whom the library itself has references to, is how it is up to 3.5, not a promise: later ones keep their keys. */
void tls_key_empty(EVP_PKEY *key)
{
	if (OpenSSL_version_num() < 0x30600000UL)
		EVP_PKEY_set_type(key, EVP_PKEY_HMAC);
}

const char *const *tls_list_copy(const char *const *list)
{
	void *p = mem_alloc(tls_list_size(list));

	return p ? tls_list_put(p, list) : NULL;
}

ssize_t tls_alpn_wire(const char *const *list, uint8_t *out, size_t cap)
{
	size_t at = 0;

	for (; *list; list++) {
		size_t len = strlen(*list);

		if (len == 0 || len > 255 || len + 1 > cap - at)
			return -EINVAL;
		out[at] = (uint8_t)len;
		memcpy(out + at + 1, *list, len);
		at += len + 1;
	}
	return (ssize_t)at;
}

const char *tls_alpn_find(const char *const *list, const uint8_t *p, size_t len)
{
	for (; *list; list++)
		if (strlen(*list) == len && memcmp(*list, p, len) == 0)
			return *list;
	return NULL;
}
