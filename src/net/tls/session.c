/* session.c: TLS sessions to resume with.
 *
 * Kept as bytes (some 500), not as OpenSSL's object, which holds the peer's whole chain decoded (10 kB and more). */
#include "tls_priv.h"

enum { SESSION_MAX = 65536, SESSION_LIFE_S = 2 * 3600, SESSION_LIFE_MAX_S = 7 * 86400 };

struct tls_session {
	uint64_t end_s, trust;
	size_t len;
	bool once;
	uint8_t der[];
};

/* RFC 8446 4.6.1: at most seven days; RFC 5077 3.3: 0 leaves it to the client. */
static uint64_t life_s(const SSL_SESSION *s, bool once)
{
	unsigned long hint = SSL_SESSION_has_ticket(s) ? SSL_SESSION_get_ticket_lifetime_hint(s) : 0;

	if (hint == 0)
		return once ? 0 : SESSION_LIFE_S;
	return hint < SESSION_LIFE_MAX_S ? hint : SESSION_LIFE_MAX_S;
}

/* An element of DER: its length with tag and length, 0 when it does not fit in |len|; |*head_r|: bytes before its
 * body. */
static size_t element(const uint8_t *p, size_t len, size_t *head_r)
{
	const uint8_t *body = p;
	int tag, class;
	long n;

	if (len == 0 || ASN1_get_object(&body, &n, &tag, &class, (long)len) & 0x80)
		return 0;
	*head_r = (size_t)(body - p);
	return *head_r + (size_t)n;
}

/* without_peer takes the peer's certificate, [3], out of the SEQUENCE at |p|: nothing of it is needed to resume, and it
 * is the larger part.  The new length; |len| when there is none or it looks otherwise than we know it. */
static size_t without_peer(uint8_t *p, size_t len)
{
	enum { PEER = 0xa3, SEQUENCE_2 = 4 /* tag, 0x82, two bytes of length */ };
	size_t head, n, at;

	if (element(p, len, &head) != len || head != SEQUENCE_2)
		return len;
	for (at = head; at < len && p[at] != PEER; at += n)
		if ((n = element(p + at, len - at, &head)) == 0)
			return len;
	n = at < len ? element(p + at, len - at, &head) : 0;
	if (n == 0 || len - n - SEQUENCE_2 < 256) /* a shorter one has another kind of length */
		return len;
	memmove(p + at, p + at + n, len - at - n);
	put16(p + 2, (unsigned)(len - n - SEQUENCE_2));
	return len - n;
}

struct tls_session *tls_session_new(SSL_SESSION *s, uint64_t trust)
{
	unsigned char *der = NULL;
	int whole = i2d_SSL_SESSION(s, &der);
	size_t len = whole > 0 && whole <= SESSION_MAX ? without_peer(der, (size_t)whole) : 0;
	struct tls_session *session = len ? mem_keep(sizeof(*session) + len) : NULL;

	if (session) {
		memcpy(session->der, der, len);
		session->len = len;
		session->once = SSL_SESSION_get_protocol_version(s) >= TLS1_3_VERSION;
		session->end_s = tls_now_s() + life_s(s, session->once); /* it came just now */
		session->trust = trust;
	}
	OPENSSL_clear_free(der, whole > 0 ? (size_t)whole : 0);
	return session;
}

SSL_SESSION *tls_session_load(const struct tls_session *session, uint64_t trust)
{
	const uint8_t *at = session->der;

	if (session->trust != trust || session->end_s <= tls_now_s())
		return NULL;
	return d2i_SSL_SESSION(NULL, &at, (long)session->len);
}

void tls_session_free(struct tls_session **session_r)
{
	struct tls_session *s = *session_r;

	*session_r = NULL;
	if (!s)
		return;
	OPENSSL_cleanse(s->der, s->len); /* the secret of past and coming connections */
	mem_unkeep(s, sizeof(*s) + s->len);
}

bool tls_session_once(const struct tls_session *s)
{
	return s->once;
}

uint64_t tls_session_end_s(const struct tls_session *s)
{
	return s->end_s;
}
