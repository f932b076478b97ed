/* ticket.c: the ring of keys that session tickets are encrypted with (RFC 5077 4).
 *
 * The newest encrypts, all decrypt; a ticket of an older one, and every ticket of TLS 1.3 (to be used once), is replaced
 * by a new one.  A key is 16 bytes of name, 32 for AES-256-CBC, 32 for HMAC-SHA256: files of other servers fit. */
#include "tls_priv.h"
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <pthread.h>

enum { NAME = 16, AES = 32, MAC = 32, RING_MAX = 1024 };
_Static_assert(NAME + AES + MAC == TLS_TICKET_KEY, "a key has three parts");

struct tls_ring {
	pthread_mutex_t lock;
	EVP_CIPHER *cipher;
	unsigned n, cap;
	uint8_t key[][TLS_TICKET_KEY]; /* newest first */
};

struct tls_ring *tls_ring_new(unsigned keys)
{
	unsigned cap = keys == 0 ? 1 : keys > RING_MAX ? RING_MAX : keys;
	struct tls_ring *r = mem_zalloc(sizeof(*r) + (size_t)cap * TLS_TICKET_KEY);

	if (!r)
		return NULL;
	tls_start();
	r->cap = cap;
	r->cipher = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
	if (!r->cipher) {
		tls_queue_clear();
		mem_free(r);
		return NULL;
	}
	pthread_mutex_init(&r->lock, NULL);
	return r;
}

void tls_ring_free(struct tls_ring **ring)
{
	struct tls_ring *r = *ring;

	*ring = NULL;
	if (!r)
		return;
	EVP_CIPHER_free(r->cipher);
	pthread_mutex_destroy(&r->lock);
	OPENSSL_cleanse(r->key, (size_t)r->cap * TLS_TICKET_KEY);
	mem_free(r);
}

/* A key that is there already becomes the newest. */
void tls_ring_add(struct tls_ring *r, const uint8_t key[TLS_TICKET_KEY])
{
	unsigned at;

	pthread_mutex_lock(&r->lock);
	for (at = 0; at < r->n && memcmp(r->key[at], key, TLS_TICKET_KEY) != 0; at++)
		;
	if (at == r->n && r->n < r->cap)
		r->n++;
	else if (at == r->n)
		at--;
	memmove(r->key + 1, r->key, (size_t)at * TLS_TICKET_KEY);
	memcpy(r->key, key, TLS_TICKET_KEY);
	pthread_mutex_unlock(&r->lock);
}

void tls_ring_copy(struct tls_ring *r, struct tls_ring *old)
{
	pthread_mutex_lock(&old->lock);
	pthread_mutex_lock(&r->lock);
	r->n = old->n < r->cap ? old->n : r->cap;
	memcpy(r->key, old->key, (size_t)r->n * TLS_TICKET_KEY);
	pthread_mutex_unlock(&r->lock);
	pthread_mutex_unlock(&old->lock);
}

int tls_ring_rotate(struct tls_ring *r, uint8_t key_r[TLS_TICKET_KEY])
{
	uint8_t key[TLS_TICKET_KEY];
	int rc = RAND_priv_bytes(key, sizeof(key)) == 1 ? 0 : -EIO;

	if (rc == 0)
		tls_ring_add(r, key);
	if (rc == 0 && key_r)
		memcpy(key_r, key, sizeof(key));
	OPENSSL_cleanse(key, sizeof(key));
	tls_queue_clear();
	return rc;
}

int tls_ring_load(struct tls_ring *r, const char *path, const char **error_r)
{
	size_t len;
	uint8_t *p = tls_file_read(path, (size_t)RING_MAX * TLS_TICKET_KEY, &len, error_r);
	int rc = 0;

	if (!p)
		return -EINVAL;
	if (len == 0 || len % TLS_TICKET_KEY != 0)
		rc = error_set(error_r, "%s: %zu bytes: a ticket key has %u", path, len, TLS_TICKET_KEY);
	for (size_t at = 0; rc == 0 && at < len; at += TLS_TICKET_KEY)
		tls_ring_add(r, p + at);
	OPENSSL_cleanse(p, len);
	mem_free(p);
	return rc;
}

/* ---- the library asks ---- */
/* take copies a key: the newest, or the one with |name|.  Its age in the ring, or -ENOENT. */
static int take(struct tls_ring *r, const uint8_t *name, uint8_t key_r[TLS_TICKET_KEY])
{
	int found = -ENOENT;

	pthread_mutex_lock(&r->lock);
	for (unsigned i = 0; i < r->n && found < 0; i++)
		if (!name || memcmp(r->key[i], name, NAME) == 0)
			found = (int)i;
	if (found >= 0)
		memcpy(key_r, r->key[found], TLS_TICKET_KEY);
	pthread_mutex_unlock(&r->lock);
	return found;
}

static bool init(const EVP_CIPHER *c, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, const uint8_t *key, const uint8_t *iv,
	int encrypt)
{
	char sha256[] = "SHA256";
	OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, sha256, 0), OSSL_PARAM_END};

	return EVP_CipherInit_ex2(cipher, c, key + NAME, iv, encrypt, NULL) == 1 &&
	       EVP_MAC_init(mac, key + NAME + AES, MAC, params) == 1;
}

/* Returns as SSL_CTX_set_tlsext_ticket_key_evp_cb(3) says: -1 error, 0 no ticket, 1 fine, 2 fine and make a new one. */
static int ticket(SSL *ssl, uint8_t name[16], uint8_t *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int encrypt)
{
	struct tls_server *s = tls_now()->server;
	struct tls_ring *r = tls_server_ring(s);
	uint8_t key[TLS_TICKET_KEY];
	int age = take(r, encrypt ? NULL : name, key);
	bool ok;

	if (age < 0) {
		if (!encrypt)
			atomic_fetch_add_explicit(&tls_server_stats(s)->unknown_ticket_key, 1, memory_order_relaxed);
		return 0;
	}
	if (encrypt) {
		memcpy(name, key, NAME);
		if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(r->cipher)) != 1) {
			OPENSSL_cleanse(key, sizeof(key));
			return -1;
		}
	} else if (age > 0) {
		atomic_fetch_add_explicit(&tls_server_stats(s)->inactive_ticket_key, 1, memory_order_relaxed);
	}
	ok = init(r->cipher, cipher, mac, key, iv, encrypt);
	OPENSSL_cleanse(key, sizeof(key));
	if (!ok)
		return -1;
	return !encrypt && (age > 0 || SSL_version(ssl) == TLS1_3_VERSION) ? 2 : 1;
}

void tls_ring_ctx(SSL_CTX *ctx)
{
	SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, ticket);
}
