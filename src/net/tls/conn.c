/* conn.c: one connection: records in and out of the library, on a socket that does not block.
 *
 * The library reads and writes through a BIO of ours that all connections of a thread share: which of them is meant
 * stands in |thread|.  It gives the library whole records only.  What has come of an unfinished one is kept here, in
 * just as many bytes, where the library would keep 17 kB; a server makes the library's state, which is larger still,
 * only when a whole first record is there. */
#include "tls_priv.h"
#include <openssl/bio.h>
#include <openssl/err.h>
#include <pthread.h>
#include <sys/socket.h>

/* RECEIVES: reads of the socket in one call.  Records that bring nothing (a flood of KeyUpdate) would keep the library at
 * work for as long as the peer sends; the socket is readable still, and the others have their turn. */
enum { RECORD_HEADER = 5, RECORD_MAX = 16384 + 320, WRITE_MAX = 16384, FIRST_READ = 2048, GATHER_MAX = 32768, RECEIVES = 2 };

static _Thread_local struct {
	struct tls *now;
	BIO *bio;
	int error; /* errno of a call that failed for good */
	unsigned receives; /* in this call */
	const struct tls *gatherer; /* whose records wait in |gathered| for the others of this turn */
	uint8_t *gathered;          /* GATHER_MAX bytes, made when first used */
	size_t gathered_len;
} thread;

struct tls *tls_now(void)
{
	return thread.now;
}

/* ---- bytes in ---- */
/* receive reads the socket once: bytes, 0 at the end, -errno; sets |drained| and |ended|. */
static ssize_t receive(struct tls *t, uint8_t *buf, size_t cap)
{
	ssize_t n;

	do
		n = recv(t->fd, buf, cap, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		n = -errno;
	if (n == -EAGAIN || (n > 0 && (size_t)n < cap))
		t->drained = true;
	if (n == 0)
		t->ended = true;
	return n;
}

/* record: the length of the first record at |p|, 0 when it is not whole; |len| when it is none at all: the library is to
 * see it and to say so. */
static size_t record(const uint8_t *p, size_t len)
{
	size_t body;

	if (len > 0 && (p[0] < SSL3_RT_CHANGE_CIPHER_SPEC || p[0] > SSL3_RT_APPLICATION_DATA))
		return len;
	if (len < RECORD_HEADER)
		return 0;
	body = get16(p + 3);
	if (p[1] != 3 || body > RECORD_MAX)
		return len;
	return len - RECORD_HEADER < body ? 0 : RECORD_HEADER + body;
}

/* records: the length of those at |p| that are whole; |one|: of the first alone. */
static size_t records(const uint8_t *p, size_t len, bool one)
{
	size_t at = 0, n;

	while ((n = record(p + at, len - at)) > 0) {
		at += n;
		if (one)
			break;
	}
	return at;
}

/* keep adds to |part|, before or behind what is there: 0 or -ENOMEM. */
static int keep(struct tls *t, const uint8_t *p, size_t len, bool before)
{
	uint8_t *part = mem_resize(t->part, t->part_len + len);

	if (!part)
		return -ENOMEM;
	if (before)
		memmove(part + len, part, t->part_len);
	memcpy(part + (before ? 0 : t->part_len), p, len);
	t->part = part;
	t->part_len += (uint32_t)len;
	return 0;
}

/* take takes out of |part|: how many bytes. */
static size_t take(struct tls *t, uint8_t *buf, size_t cap)
{
	size_t n = t->part_len < cap ? t->part_len : cap;

	if (n == 0)
		return 0;
	memcpy(buf, t->part, n);
	t->part_len -= (uint32_t)n;
	if (t->part_len) {
		memmove(t->part, t->part + n, t->part_len);
		return n;
	}
	mem_free(t->part);
	t->part = NULL;
	return n;
}

/* ---- the BIO ---- */
static int bio_read(BIO *bio, char *out, int cap)
{
	struct tls *t = thread.now;
	uint8_t *buf = (uint8_t *)out;
	size_t have = take(t, buf, (size_t)cap), given;
	ssize_t n = -EAGAIN; /* there may be something already */

	BIO_clear_retry_flags(bio);
	if (!t->drained && !t->ended && record(buf, have) == 0 && have < (size_t)cap && thread.receives++ < RECEIVES)
		n = receive(t, buf + have, (size_t)cap - have);
	if (n > 0)
		have += (size_t)n;
	/* As long as the handshake goes on, one by one: what follows it may be read without the library. */
	given = records(buf, have, !t->shaken);
	if (given == 0 && have == (size_t)cap)
		given = have; /* longer than any record may be: the library refuses it */
	if (given < have && keep(t, buf + given, have - given, true) < 0) {
		thread.error = ENOMEM;
		return -1;
	}
	if (given > 0)
		return (int)given;
	if (t->ended)
		return 0;
	if (n == -EAGAIN || n > 0)
		BIO_set_retry_read(bio);
	else
		thread.error = (int)-n;
	return -1;
}

/* push gives the kernel what it takes: bytes of |p|, 0 when it takes none for now, -errno. */
static ssize_t push(const struct tls *t, const void *p, size_t len)
{
	ssize_t n;

	do
		n = send(t->fd, p, len, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n >= 0 ? n : errno == EAGAIN ? 0 : -errno;
}

/* push_rest: sealed bytes that the kernel did not take come before all others.  0 when none are left, -EAGAIN, -errno. */
static int push_rest(struct tls *t)
{
	ssize_t n = t->rest_len ? push(t, t->rest, t->rest_len) : 0;

	if (n < 0)
		return (int)n;
	t->rest_len -= (uint32_t)n;
	if (t->rest_len) {
		memmove(t->rest, t->rest + n, t->rest_len);
		return -EAGAIN;
	}
	mem_free(t->rest);
	t->rest = NULL;
	return 0;
}

/* push_gathered sends what was gathered; what the kernel does not take becomes the connection's rest. */
static int push_gathered(struct tls *t)
{
	size_t len = thread.gathered_len;
	ssize_t n = push(t, thread.gathered, len);

	thread.gathered_len = 0;
	if (n < 0 || (size_t)n == len)
		return n < 0 ? (int)n : 0;
	t->rest = mem_dup(thread.gathered + n, len - (size_t)n);
	if (!t->rest)
		return -ENOMEM;
	t->rest_len = (uint32_t)(len - (size_t)n);
	return -EAGAIN;
}

static int bio_write(BIO *bio, const char *p, int len)
{
	struct tls *t = thread.now;
	bool gathers = thread.gatherer == t;
	ssize_t n = push_rest(t);

	BIO_clear_retry_flags(bio);
	if (n == 0 && gathers && thread.gathered_len + (size_t)len > GATHER_MAX)
		n = push_gathered(t);
	if (n == 0 && gathers && len <= GATHER_MAX) {
		memcpy(thread.gathered + thread.gathered_len, p, (size_t)len);
		thread.gathered_len += (size_t)len;
		return len;
	}
	if (n == 0)
		n = push(t, p, (size_t)len);
	if (n > 0)
		return (int)n;
	if (n == 0 || n == -EAGAIN)
		BIO_set_retry_write(bio);
	else
		thread.error = (int)-n;
	return -1;
}

static long bio_ctrl(BIO *bio, int what, long num, void *p)
{
	(void)bio;
	(void)num;
	(void)p;
	if (what == BIO_CTRL_EOF)
		return thread.now && thread.now->ended;
	return what == BIO_CTRL_FLUSH;
}

static BIO_METHOD *method;
static pthread_key_t bio_key;

static void bio_end(void *bio)
{
	mem_free(thread.gathered);
	thread.gathered = NULL;
	BIO_free(bio);
}

static void make_method(void)
{
	tls_start();
	if (pthread_key_create(&bio_key, bio_end) != 0)
		return;
	method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "wire");
	if (!method)
		return;
	BIO_meth_set_read(method, bio_read);
	BIO_meth_set_write(method, bio_write);
	BIO_meth_set_ctrl(method, bio_ctrl);
}

/* thread_bio: this thread's; the connections hold references, so it may end after its thread. */
static BIO *thread_bio(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	if (thread.bio)
		return thread.bio;
	pthread_once(&once, make_method);
	thread.bio = method ? BIO_new(method) : NULL;
	if (!thread.bio)
		return NULL;
	BIO_set_init(thread.bio, 1);
	pthread_setspecific(bio_key, thread.bio);
	return thread.bio;
}

/* ---- a connection ---- */
struct tls *tls_conn_new(int fd)
{
	struct tls *t = mem_zalloc(sizeof(*t));

	if (t)
		t->fd = fd;
	return t;
}

int tls_conn_attach(struct tls *t, SSL *ssl, bool ktls)
{
	BIO *bio = ktls ? BIO_new_socket(t->fd, BIO_NOCLOSE) : thread_bio();

	if (!bio) {
		SSL_free(ssl);
		return -ENOMEM;
	}
	if (!ktls)
		BIO_up_ref(bio);
	SSL_set_bio(ssl, bio, bio);
	t->ssl = ssl;
	return 0;
}

bool tls_is_client(const struct tls *t)
{
	return t->client != NULL;
}

static void enter(struct tls *t)
{
	thread.now = t;
	thread.error = 0;
	thread.receives = 0;
	t->drained = false;
	tls_queue_clear();
}

/* Whoever frees a connection or looks at it outside of a call finds no trace of this one. */
static ssize_t leave(ssize_t rc)
{
	thread.now = NULL;
	tls_queue_clear();
	return rc;
}

static ssize_t broke(struct tls *t)
{
	if (t->fail != TLS_FAIL_NONE)
		return -EPROTO;
	return -ECONNRESET;
}

static void failed(struct tls *t, const char *sentence)
{
	const char *why = t->client ? tls_client_failed(t) : NULL;
	enum tls_fail f = why ? TLS_FAIL_CERTIFICATE : sentence ? TLS_FAIL_OTHER : tls_queue_fail();

	if (!why)
		why = sentence ? sentence : tls_queue_sentence();
	tls_set_fail(t, f, why);
	if (t->server && !t->shaken)
		tls_server_failed(t);
}

/* outcome: why a call of the library did not do all it was to do. */
static ssize_t outcome(struct tls *t, int rc, bool *writes_r)
{
	switch (SSL_get_error(t->ssl, rc)) {
	case SSL_ERROR_WANT_READ:
		return -EAGAIN;
	case SSL_ERROR_WANT_WRITE:
		*writes_r = true;
		return -EAGAIN;
	case SSL_ERROR_ZERO_RETURN:
		t->ended = true;
		if (t->shaken)
			return 0;
		failed(t, "closed during the handshake");
		return -EPROTO;
	case SSL_ERROR_SYSCALL:
		t->broken = true;
		return thread.error ? -thread.error : -ECONNRESET;
	default:
		failed(t, NULL);
		t->broken = true;
		return -EPROTO;
	}
}

/* trim gives back what only the handshake needed and what the library would keep to the end: with TLS 1.3 the two
 * ephemeral keys (each 0.2 kB with X25519, 2 kB with P-256). */
static void trim(struct tls *t)
{
	EVP_PKEY *key;

	if (t->version != TLS_V_13)
		return;
	if (SSL_get_tmp_key(t->ssl, &key) == 1) {
		tls_key_empty(key);
		EVP_PKEY_free(key);
	}
	if (SSL_get_peer_tmp_key(t->ssl, &key) == 1) {
		tls_key_empty(key);
		EVP_PKEY_free(key);
	}
	tls_queue_clear();
}

static enum tls_version version_of(const SSL *ssl)
{
	int v = SSL_version(ssl);

	return v == TLS1_3_VERSION ? TLS_V_13 : v == TLS1_2_VERSION ? TLS_V_12 : TLS_V_UNKNOWN;
}

/* first: a server waits for a whole record before it makes the library's state.  0, or as tls_shake(). */
static ssize_t first(struct tls *t)
{
	uint8_t buf[FIRST_READ];
	ssize_t n;

	while (t->part_len == 0 || record(t->part, t->part_len) == 0) {
		if (t->drained)
			return -EAGAIN;
		n = receive(t, buf, sizeof(buf));
		if (n == 0 && t->part_len)
			failed(t, "closed during the handshake");
		if (n == 0)
			return t->part_len ? -EPROTO : -ECONNRESET;
		if (n < 0)
			return n;
		if (keep(t, buf, (size_t)n, false) < 0)
			return -ENOMEM;
	}
	return tls_server_hello(t);
}

static ssize_t shake(struct tls *t, bool *writes_r)
{
	ssize_t rc = 0;

	if (t->broken)
		return broke(t);
	if (!t->ssl)
		rc = first(t);
	if (rc == 0) {
		int r = SSL_do_handshake(t->ssl);

		if (r != 1)
			rc = outcome(t, r, writes_r);
	}
	if (rc < 0) {
		t->broken = t->broken || rc != -EAGAIN;
		return rc;
	}
	t->version = (uint8_t)version_of(t->ssl);
	t->resumed = SSL_session_reused(t->ssl) == 1;
	if (t->client && tls_client_shaken(t) < 0)
		return -EPROTO;
	if (t->server)
		tls_server_shaken(t);
	trim(t);
	t->shaken = true;
	return 0;
}

int tls_shake(struct tls *t, bool *writes_r)
{
	if (t->shaken)
		return 0;
	enter(t);
	return (int)leave(shake(t, writes_r));
}

static ssize_t read_records(struct tls *t, uint8_t *buf, size_t cap, bool *writes_r)
{
	size_t done = 0, n;
	ssize_t rc;

	t->untold = false;
	if (!t->shaken) {
		rc = shake(t, writes_r);
		if (rc == -ECONNRESET && t->ended && !t->part_len)
			return 0; /* it came, said nothing, and left */
		if (rc < 0)
			return rc;
	}
	while (done < cap) {
		int r;

		if (t->broken)
			return done ? (ssize_t)done : broke(t);
		if (done && t->drained && !SSL_has_pending(t->ssl))
			break;
		r = SSL_read_ex(t->ssl, buf + done, cap - done, &n);
		if (r != 1) {
			rc = outcome(t, r, writes_r);
			t->untold = done && rc != -EAGAIN;
			return done ? (ssize_t)done : rc;
		}
		done += n;
	}
	return (ssize_t)done;
}

ssize_t tls_read(struct tls *t, uint8_t *buf, size_t cap, bool *writes_r)
{
	ssize_t n;

	enter(t);
	n = read_records(t, buf, cap, writes_r);
	if (unlikely(t->swollen) && (SSL_get_mode(t->ssl) & SSL_MODE_RELEASE_BUFFERS)) {
		/* reading released what it had taken, but the 16 kB for writing would stay until the next write */
		SSL_free_buffers(t->ssl);
		t->swollen = false;
	}
	return leave(n);
}

static ssize_t write_record(struct tls *t, const uint8_t *p, size_t len, bool *writes_r)
{
	size_t n;
	ssize_t rc = t->shaken ? 0 : shake(t, writes_r);
	int r;

	if (rc < 0)
		return rc;
	if (t->broken)
		return broke(t);
	must(len >= t->offered); /* what was not taken is offered again */
	if (len == 0)
		return 0;
	r = SSL_write_ex(t->ssl, p, len, &n);
	if (r == 1) {
		t->offered = 0;
		return (ssize_t)n;
	}
	rc = outcome(t, r, writes_r);
	if (rc == -EAGAIN && *writes_r)
		t->offered = (uint32_t)(len < WRITE_MAX ? len : WRITE_MAX);
	return rc == 0 ? -EPIPE : rc;
}

ssize_t tls_write(struct tls *t, const uint8_t *p, size_t len, bool *writes_r)
{
	enter(t);
	return leave(write_record(t, p, len, writes_r));
}

void tls_gather(struct tls *t)
{
	must(thread.gathered_len == 0);
	if (!thread.gathered)
		thread.gathered = mem_alloc(GATHER_MAX);
	if (thread.gathered && t->shaken && thread.bio)
		thread.gatherer = t;
}

int tls_release(struct tls *t)
{
	int rc;

	if (t->broken) {
		thread.gatherer = NULL;
		thread.gathered_len = 0;
		return -ECONNRESET;
	}
	rc = push_rest(t);
	if (rc == 0 && thread.gatherer == t && thread.gathered_len)
		rc = push_gathered(t);
	must(rc != -EAGAIN || thread.gatherer != t || thread.gathered_len == 0 || t->rest_len);
	thread.gatherer = NULL;
	thread.gathered_len = 0;
	t->broken = rc < 0 && rc != -EAGAIN;
	return rc;
}

bool tls_shaken(const struct tls *t)
{
	return t->shaken && !SSL_in_init(t->ssl);
}

size_t tls_held(const struct tls *t)
{
	return t->part_len + t->rest_len + (t->offered ? RECORD_MAX : 0);
}

bool tls_pending(const struct tls *t)
{
	if (t->untold)
		return true;
	if (t->broken)
		return false;
	if (t->part_len && record(t->part, t->part_len) > 0)
		return true;
	return t->ssl && SSL_has_pending(t->ssl);
}

void tls_end(struct tls **conn, bool bye)
{
	struct tls *t = *conn;

	*conn = NULL;
	enter(t);
	if (t->ssl) {
		if (bye && t->shaken && !t->broken && !SSL_in_init(t->ssl))
			SSL_shutdown(t->ssl);
		/* a connection that ends without good-bye is no reason to forget its session */
		SSL_set_shutdown(t->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
		SSL_free(t->ssl);
	}
	leave(0);
	if (t->server) {
		tls_set_free(&t->set);
		tls_server_free(&t->server);
	}
	if (t->client)
		tls_client_free(&t->client);
	mem_free(t->part);
	mem_free(t->rest);
	mem_free(t->said);
	mem_free(t);
}

void tls_info(const struct tls *t, struct tls_info *out)
{
	const char *sni = t->ssl && t->server ? SSL_get_servername(t->ssl, TLSEXT_NAMETYPE_host_name) : NULL;
	const SSL_CIPHER *c = t->ssl ? SSL_get_current_cipher(t->ssl) : NULL;

	out->version = t->version;
	out->resumed = t->resumed;
	out->sni = sni ? sni : "";
	out->alpn = t->alpn ? t->alpn : "";
	out->cipher = c ? SSL_CIPHER_get_name(c) : "";
}
