/* lean.c: TLS 1.3 connections of clients after their handshake, without the library's state.
 *
 * What the library keeps for a connection that only waits is 13 kB; what the protocol needs is two keys, two counters
 * (RFC 8446 5).  So when a handshake is over the traffic secrets are taken out of it (by the key log's callback, the
 * library's door for that), its state is freed, and records are sealed and opened here with the library's ciphers, whose
 * contexts all connections of a thread share.  After its handshake a client may send application data, alerts and
 * KeyUpdate; all else ends the connection. */
#include "tls_priv.h"
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <stdio.h>
#include <sys/socket.h>

enum { HEADER = 5, PLAIN_MAX = 16384, TAG = 16, SEALED_MAX = PLAIN_MAX + 256, KEY_UPDATE = 24, KEY_UPDATE_LEN = 5,
	IDLE_MAX = 32, RECEIVES = 8, CLOSE_NOTIFY = 0, UNEXPECTED_MESSAGE = 10, BAD_RECORD_MAC = 20, RECORD_OVERFLOW = 22,
	USER_CANCELED = 90, SCRATCH = HEADER + PLAIN_MAX + 320 + 64, SECRET_MAX = 48, SUITES = 3 };
#define KEY_RECORDS (1ull << 23) /* RFC 8446 5.5: AES-GCM: at most 2^24.5 records per key */

static const struct suite {
	uint16_t id;
	uint8_t key_len, secret_len;
	const char *cipher, *digest;
} suites[SUITES] = {
	{0x1301, 16, 32, "AES-128-GCM", "SHA256"},
	{0x1302, 32, 48, "AES-256-GCM", "SHA384"},
	{0x1303, 32, 32, "ChaCha20-Poly1305", "SHA256"},
};

struct half {
	uint64_t seq, id; /* |id|: of the key, never used twice */
	uint8_t secret[SECRET_MAX], key[32], iv[12];
};
struct tls_lean {
	struct half in, out;
	char *sni;
	uint8_t *plain; /* opened bytes that the caller had no room for */
	uint8_t *rest;  /* sealed bytes that the kernel did not take */
	uint32_t plain_at, plain_len, rest_len;
	uint8_t suite, idle, secrets, records_out; /* idle: records in a row without data */
	bool on, owes_update, bye; /* bye: the peer said good-bye: nothing that follows counts */
};

/* What a thread needs, made when first used: for each suite and direction a context, and whose key is in it. */
static _Thread_local struct {
	EVP_CIPHER_CTX *cipher[SUITES][2];
	uint64_t holds[SUITES][2];
	EVP_MAC_CTX *mac[SUITES];
	uint8_t *scratch;
} mine;

void tls_lean_thread_end(void)
{
	for (unsigned i = 0; i < SUITES; i++) {
		EVP_CIPHER_CTX_free(mine.cipher[i][0]);
		EVP_CIPHER_CTX_free(mine.cipher[i][1]);
		EVP_MAC_CTX_free(mine.mac[i]);
	}
	mem_free(mine.scratch);
	memset(&mine, 0, sizeof(mine));
}

static uint8_t *scratch(void)
{
	if (!mine.scratch)
		mine.scratch = mem_alloc(SCRATCH);
	return mine.scratch;
}

/* ---- keys ---- */
static EVP_MAC_CTX *mac_of(unsigned suite)
{
	char digest[8];
	OSSL_PARAM params[2];
	EVP_MAC *mac;

	if (mine.mac[suite])
		return mine.mac[suite];
	snprintf(digest, sizeof(digest), "%s", suites[suite].digest); /* the library's argument is not const */
	params[0] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0);
	params[1] = OSSL_PARAM_construct_end();
	mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	mine.mac[suite] = mac ? EVP_MAC_CTX_new(mac) : NULL;
	EVP_MAC_free(mac);
	if (mine.mac[suite] && EVP_MAC_CTX_set_params(mine.mac[suite], params) != 1) {
		EVP_MAC_CTX_free(mine.mac[suite]);
		mine.mac[suite] = NULL;
	}
	return mine.mac[suite];
}

/* expand is HKDF-Expand-Label with an empty context (RFC 8446 7.1), for at most one block of the digest. */
static bool expand(unsigned suite, const uint8_t *secret, const char *label, uint8_t *out, size_t len)
{
	EVP_MAC_CTX *mac = mac_of(suite);
	size_t label_len = strlen(label), n = 0;
	uint8_t info[40], block[EVP_MAX_MD_SIZE];
	bool ok;

	must(label_len <= 16 && len <= suites[suite].secret_len);
	put16(info, (unsigned)len);
	info[2] = (uint8_t)(6 + label_len);
	memcpy(info + 3, "tls13 ", 6);
	memcpy(info + 9, label, label_len);
	info[9 + label_len] = 0;  /* no context */
	info[10 + label_len] = 1; /* the first block of HKDF-Expand (RFC 5869 2.3) */
	ok = mac && EVP_MAC_init(mac, secret, suites[suite].secret_len, NULL) == 1 &&
	     EVP_MAC_update(mac, info, 11 + label_len) == 1 && EVP_MAC_final(mac, block, &n, sizeof(block)) == 1 && n >= len;
	if (ok)
		memcpy(out, block, len);
	OPENSSL_cleanse(block, sizeof(block));
	return ok;
}

static bool derive(unsigned suite, struct half *h)
{
	static _Atomic uint64_t ids;

	h->seq = 0;
	h->id = atomic_fetch_add_explicit(&ids, 1, memory_order_relaxed) + 1;
	return expand(suite, h->secret, "key", h->key, suites[suite].key_len) &&
	       expand(suite, h->secret, "iv", h->iv, sizeof(h->iv));
}

static bool next_keys(unsigned suite, struct half *h)
{
	return expand(suite, h->secret, "traffic upd", h->secret, suites[suite].secret_len) && derive(suite, h);
}

/* ---- one record ---- */
static EVP_CIPHER_CTX *cipher_of(unsigned suite, const struct half *h, int encrypt)
{
	EVP_CIPHER_CTX **c = &mine.cipher[suite][encrypt];
	uint8_t nonce[12];
	EVP_CIPHER *type = NULL;

	if (!*c) {
		*c = EVP_CIPHER_CTX_new();
		type = EVP_CIPHER_fetch(NULL, suites[suite].cipher, NULL);
		if (!*c || !type || EVP_CipherInit_ex2(*c, type, NULL, NULL, encrypt, NULL) != 1) {
			EVP_CIPHER_CTX_free(*c);
			*c = NULL;
		}
		EVP_CIPHER_free(type);
		mine.holds[suite][encrypt] = 0;
	}
	if (!*c)
		return NULL;
	memcpy(nonce, h->iv, 12);
	for (unsigned i = 0; i < 8; i++)
		nonce[11 - i] ^= (uint8_t)(h->seq >> (8 * i));
	if (EVP_CipherInit_ex2(*c, NULL, mine.holds[suite][encrypt] == h->id ? NULL : h->key, nonce, encrypt, NULL) != 1) {
		mine.holds[suite][encrypt] = 0;
		return NULL;
	}
	mine.holds[suite][encrypt] = h->id;
	return *c;
}

/* seal writes the record of |len| bytes and their type to |out|: its length, 0 when the library failed. */
static size_t seal(unsigned suite, struct half *h, uint8_t type, const uint8_t *p, size_t len, uint8_t *out)
{
	EVP_CIPHER_CTX *c = cipher_of(suite, h, 1);
	uint8_t *body = out + HEADER;
	int n = 0;

	out[0] = SSL3_RT_APPLICATION_DATA;
	put16(out + 1, TLS1_2_VERSION);
	put16(out + 3, (unsigned)(len + 1 + TAG));
	if (!c || EVP_EncryptUpdate(c, NULL, &n, out, HEADER) != 1 || EVP_EncryptUpdate(c, body, &n, p, (int)len) != 1 ||
		EVP_EncryptUpdate(c, body + len, &n, &type, 1) != 1 || EVP_EncryptFinal_ex(c, body + len + 1, &n) != 1 ||
		EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, TAG, body + len + 1) != 1)
		return 0;
	h->seq++;
	return HEADER + len + 1 + TAG;
}

/* open_record opens the record of |len| bytes with its header at |p| in place: the alert to be sent, or -1 with what is
 * in it. */
static int open_record(unsigned suite, struct half *h, uint8_t *p, size_t len, uint8_t *type_r, size_t *len_r)
{
	uint8_t *body = p + HEADER;
	size_t n = len - HEADER;
	EVP_CIPHER_CTX *c;
	int out = 0;

	if (p[0] != SSL3_RT_APPLICATION_DATA)
		return UNEXPECTED_MESSAGE;
	if (get16(p + 3) > SEALED_MAX)
		return RECORD_OVERFLOW;
	if (n < TAG + 1)
		return BAD_RECORD_MAC;
	n -= TAG;
	c = cipher_of(suite, h, 0);
	if (!c || EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, TAG, body + n) != 1 ||
		EVP_DecryptUpdate(c, NULL, &out, p, HEADER) != 1 || EVP_DecryptUpdate(c, body, &out, body, (int)n) != 1 ||
		EVP_DecryptFinal_ex(c, body + n, &out) != 1)
		return BAD_RECORD_MAC;
	h->seq++;
	while (n > 0 && body[n - 1] == 0) /* padding */
		n--;
	if (n == 0)
		return UNEXPECTED_MESSAGE;
	if (n > PLAIN_MAX + 1)
		return RECORD_OVERFLOW;
	*type_r = body[n - 1];
	*len_r = n - 1;
	return -1;
}

/* ---- out ---- */
/* push sends |len| sealed bytes; what the kernel does not take is kept.  0, -EAGAIN when some are kept, -errno. */
static ssize_t push(struct tls *t, const uint8_t *p, size_t len)
{
	struct tls_lean *l = t->lean;
	ssize_t n;

	do
		n = send(t->fd, p, len, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno != EAGAIN)
		return -errno;
	n = n < 0 ? 0 : n;
	if ((size_t)n == len)
		return 0;
	l->rest = mem_dup(p + n, len - (size_t)n);
	if (!l->rest)
		return -ENOMEM;
	l->rest_len = (uint32_t)(len - (size_t)n);
	return -EAGAIN;
}

static ssize_t push_rest(struct tls *t)
{
	struct tls_lean *l = t->lean;
	uint8_t *rest = l->rest;
	ssize_t rc;

	if (!rest)
		return 0;
	l->rest = NULL;
	rc = push(t, rest, l->rest_len);
	mem_free(rest);
	return rc;
}

/* seal_update changes our keys: the length of the record that says so; 0 when the library failed: it is still owed. */
static size_t seal_update(struct tls_lean *l, uint8_t *out)
{
	static const uint8_t message[KEY_UPDATE_LEN] = {KEY_UPDATE, 0, 0, 1, 0};
	size_t n = seal(l->suite, &l->out, SSL3_RT_HANDSHAKE, message, sizeof(message), out);

	l->owes_update = n == 0 || !next_keys(l->suite, &l->out);
	return l->owes_update ? 0 : n;
}

static ssize_t lost(struct tls *t, ssize_t rc)
{
	if (rc < 0 && rc != -EAGAIN)
		t->broken = true;
	return rc;
}

ssize_t tls_lean_write(struct tls *t, const uint8_t *p, size_t len, bool *writes_r)
{
	struct tls_lean *l = t->lean;
	size_t n = len < PLAIN_MAX ? len : PLAIN_MAX, update = 0, sealed;
	ssize_t rc = push_rest(t);
	uint8_t *out = scratch();

	must(len >= t->offered); /* what was not taken is offered again */
	if (rc == 0 && t->offered) {
		n = t->offered;
		t->offered = 0;
		return (ssize_t)n;
	}
	if (rc == 0 && len == 0)
		return 0;
	if (rc == 0 && !out)
		rc = -ENOMEM;
	if (rc == 0) {
		if (l->owes_update || l->out.seq >= KEY_RECORDS)
			update = seal_update(l, out);
		sealed = l->owes_update ? 0 : seal(l->suite, &l->out, SSL3_RT_APPLICATION_DATA, p, n, out + update);
		rc = sealed ? push(t, out, update + sealed) : -ENOMEM;
		if (rc == -EAGAIN)
			t->offered = (uint32_t)n;
	}
	*writes_r = rc == -EAGAIN;
	return rc == 0 ? (ssize_t)n : lost(t, rc);
}

static void alert(struct tls *t, uint8_t level, uint8_t what)
{
	const uint8_t message[2] = {level, what};
	uint8_t out[HEADER + sizeof(message) + 1 + TAG];
	size_t n;

	if (t->lean->rest) /* the middle of a record cannot be left */
		return;
	n = seal(t->lean->suite, &t->lean->out, SSL3_RT_ALERT, message, sizeof(message), out);
	if (n)
		(void)push(t, out, n);
}

void tls_lean_bye(struct tls *t)
{
	alert(t, SSL3_AL_WARNING, CLOSE_NOTIFY);
}

static ssize_t refuse(struct tls *t, int what, const char *sentence)
{
	alert(t, SSL3_AL_FATAL, (uint8_t)what);
	tls_set_fail(t, TLS_FAIL_OTHER, sentence);
	return -EPROTO;
}

/* ---- in ---- */
static ssize_t take_alert(struct tls *t, const uint8_t *p, size_t len)
{
	char said[40];

	if (len != 2)
		return refuse(t, UNEXPECTED_MESSAGE, "bad alert");
	if (p[1] == CLOSE_NOTIFY)
		t->ended = t->lean->bye = true;
	if (p[1] == CLOSE_NOTIFY || p[1] == USER_CANCELED)
		return 0;
	snprintf(said, sizeof(said), "the peer refuses: alert %u", p[1]);
	tls_set_fail(t, TLS_FAIL_OTHER, said);
	return -EPROTO;
}

static ssize_t take_update(struct tls *t, const uint8_t *p, size_t len)
{
	static const uint8_t head[4] = {KEY_UPDATE, 0, 0, 1};
	struct tls_lean *l = t->lean;

	if (len != KEY_UPDATE_LEN || memcmp(p, head, sizeof(head)) != 0 || p[4] > 1)
		return refuse(t, UNEXPECTED_MESSAGE, "unexpected message");
	l->owes_update = l->owes_update || p[4] == 1;
	return next_keys(l->suite, &l->in) ? 0 : -ENOMEM;
}

/* give hands opened bytes to the caller; what it has no room for is kept. */
static ssize_t give(struct tls *t, const uint8_t *p, size_t len, uint8_t *buf, size_t cap)
{
	struct tls_lean *l = t->lean;
	size_t n = len < cap ? len : cap;

	memcpy(buf, p, n);
	l->idle = len ? 0 : l->idle;
	if (n == len)
		return (ssize_t)n;
	l->plain = mem_dup(p + n, len - n);
	if (!l->plain)
		return -ENOMEM;
	l->plain_at = 0;
	l->plain_len = (uint32_t)(len - n);
	return (ssize_t)n;
}

static size_t give_plain(struct tls_lean *l, uint8_t *buf, size_t cap)
{
	size_t n = l->plain_len < cap ? l->plain_len : cap;

	if (n == 0)
		return 0;
	memcpy(buf, l->plain + l->plain_at, n);
	l->plain_at += (uint32_t)n;
	l->plain_len -= (uint32_t)n;
	if (l->plain_len == 0) {
		mem_free(l->plain);
		l->plain = NULL;
	}
	return n;
}

/* take_record opens the record at |p|: bytes given, 0 none, or an error. */
static ssize_t take_record(struct tls *t, uint8_t *p, size_t len, uint8_t *buf, size_t cap)
{
	struct tls_lean *l = t->lean;
	uint8_t type;
	size_t n;
	int bad = open_record(l->suite, &l->in, p, len, &type, &n);

	if (bad < 0 && ++l->idle > IDLE_MAX)
		return refuse(t, UNEXPECTED_MESSAGE, "too many records without data");
	if (bad == BAD_RECORD_MAC)
		return refuse(t, bad, "bad record: decryption failed");
	if (bad >= 0)
		return refuse(t, bad, bad == RECORD_OVERFLOW ? "bad record: too long" : "unexpected record");
	if (type == SSL3_RT_APPLICATION_DATA)
		return give(t, p + HEADER, n, buf, cap);
	if (type == SSL3_RT_ALERT)
		return take_alert(t, p + HEADER, n);
	if (type == SSL3_RT_HANDSHAKE)
		return take_update(t, p + HEADER, n);
	return refuse(t, UNEXPECTED_MESSAGE, "unexpected record");
}

/* take_records opens what is whole of |len| bytes at |p| and keeps the rest: bytes given, or an error when none were. */
static ssize_t take_records(struct tls *t, uint8_t *p, size_t len, uint8_t *buf, size_t cap)
{
	size_t done = 0, at = 0, n;
	ssize_t rc = 0;

	while (done < cap && rc >= 0 && !t->lean->bye && (n = tls_record(p + at, len - at)) > 0) {
		if (n < HEADER)
			rc = refuse(t, UNEXPECTED_MESSAGE, "unexpected record");
		else
			rc = take_record(t, p + at, n, buf + done, cap - done);
		at += n;
		done += rc > 0 ? (size_t)rc : 0;
	}
	if (rc >= 0 && at < len && !t->lean->bye && tls_keep_part(t, p + at, len - at) < 0)
		rc = -ENOMEM;
	lost(t, rc);
	return done ? (ssize_t)done : rc;
}

/* fill puts what was kept and, when that is no whole record, what the kernel has to |p|: bytes there, or why it is still
 * none (what has come is kept). */
static ssize_t fill(struct tls *t, uint8_t *p)
{
	size_t have = tls_take_part(t, p, SCRATCH);
	ssize_t n = 0;

	if (tls_record(p, have) > 0)
		return (ssize_t)have;
	if (!t->ended)
		n = t->drained ? -EAGAIN : tls_receive(t, p + have, SCRATCH - have);
	if (n > 0)
		return (ssize_t)have + n;
	if (have && n == -EAGAIN && tls_keep_part(t, p, have) < 0)
		return -ENOMEM;
	return n;
}

/* A peer that sends without end, and nothing of use, is not read to the end: the kernel announces the rest again. */
ssize_t tls_lean_read(struct tls *t, uint8_t *buf, size_t cap)
{
	size_t done = give_plain(t->lean, buf, cap);
	uint8_t *p = scratch();
	ssize_t n = p ? -EAGAIN : -ENOMEM;

	for (unsigned i = 0; p && done < cap && i < RECEIVES; i++) {
		n = fill(t, p);
		if (n <= 0)
			break;
		n = take_records(t, p, (size_t)n, buf + done, cap - done);
		if (n < 0)
			break;
		done += (size_t)n;
		n = -EAGAIN;
	}
	lost(t, n);
	return done ? (ssize_t)done : n;
}

bool tls_lean_pending(const struct tls *t)
{
	return t->lean->plain_len > 0;
}

/* ---- from the library's hands into ours ---- */
static int hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool read_secret(const char *p, uint8_t *out)
{
	size_t n = strlen(p);

	if (n % 2 || n / 2 > SECRET_MAX)
		return false;
	for (size_t i = 0; i < n; i += 2) {
		if (hex(p[i]) < 0 || hex(p[i + 1]) < 0)
			return false;
		out[i / 2] = (uint8_t)(hex(p[i]) << 4 | hex(p[i + 1]));
	}
	return true;
}

/* The lines of a key log: a label, the client's random, a secret. */
void tls_lean_line(struct tls *t, const char *line)
{
	static const char in[] = "CLIENT_TRAFFIC_SECRET_0 ", out[] = "SERVER_TRAFFIC_SECRET_0 ";
	const char *secret = strrchr(line, ' ');
	struct tls_lean *l = t->lean;

	if (!l || !secret)
		return;
	if (strncmp(line, in, sizeof(in) - 1) == 0 && read_secret(secret + 1, l->in.secret))
		l->secrets |= 1;
	if (strncmp(line, out, sizeof(out) - 1) == 0 && read_secret(secret + 1, l->out.secret))
		l->secrets |= 2;
}

/* Records that follow our Finished are sealed with the keys that we go on with: they count. */
static void look(int writes, int version, int type, const void *buf, size_t len, SSL *ssl, void *arg)
{
	struct tls_lean *l = tls_now()->lean;

	(void)version;
	(void)ssl;
	(void)arg;
	if (!writes || !l)
		return;
	if (type == SSL3_RT_HEADER && l->records_out < UINT8_MAX)
		l->records_out++;
	if (type == SSL3_RT_HANDSHAKE && len > 0 && *(const uint8_t *)buf == SSL3_MT_FINISHED)
		l->records_out = 0;
}

int tls_lean_prepare(struct tls *t)
{
	t->lean = mem_zalloc(sizeof(*t->lean));
	if (!t->lean)
		return -ENOMEM;
	SSL_set_msg_callback(t->ssl, look);
	return 0;
}

static bool may_go(const struct tls *t)
{
	const SSL_CIPHER *c = SSL_get_current_cipher(t->ssl);
	struct tls_lean *l = t->lean;

	if (t->version != TLS_V_13 || l->secrets != 3 || l->records_out == UINT8_MAX || !c || SSL_has_pending(t->ssl) ||
		SSL_SESSION_get_max_fragment_length(SSL_get_session(t->ssl)) != TLSEXT_max_fragment_length_DISABLED)
		return false;
	while (l->suite < SUITES && suites[l->suite].id != SSL_CIPHER_get_protocol_id(c))
		l->suite++;
	return l->suite < SUITES && derive(l->suite, &l->in) && derive(l->suite, &l->out);
}

void tls_lean_go(struct tls *t)
{
	const char *sni = SSL_get_servername(t->ssl, TLSEXT_NAMETYPE_host_name);
	struct tls_lean *l = t->lean;

	if (!may_go(t) || (sni && (l->sni = mem_strdup(sni)) == NULL)) {
		SSL_set_msg_callback(t->ssl, NULL);
		tls_lean_free(t);
		return;
	}
	l->out.seq = l->records_out;
	l->on = true;
	t->cipher = SSL_CIPHER_get_name(SSL_get_current_cipher(t->ssl));
	/* no good-bye is sent by this: the session is not to be forgotten */
	SSL_set_shutdown(t->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(t->ssl);
	t->ssl = NULL;
	tls_set_free(&t->set);
}

bool tls_lean_on(const struct tls *t)
{
	return t->lean && t->lean->on;
}

const char *tls_lean_sni(const struct tls *t)
{
	return t->lean->sni;
}

void tls_lean_free(struct tls *t)
{
	struct tls_lean *l = t->lean;

	if (!l)
		return;
	mem_free(l->sni);
	mem_free(l->plain);
	mem_free(l->rest);
	OPENSSL_cleanse(l, sizeof(*l));
	mem_free(l);
	t->lean = NULL;
}
