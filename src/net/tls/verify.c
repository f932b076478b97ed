/* verify.c: is the peer who it should be: chain, name, dates, pins.
 *
 * The chain is checked by OpenSSL with the names and the store that client.c gave to the connection.  Pins (DNS stamps)
 * are SHA-256 hashes of the signed part of a certificate: one of the chain must have one of them. */
#include "tls_priv.h"
#include "log.h"
#include <arpa/inet.h>
#include <openssl/x509v3.h>
#include <time.h>

/* A chain longer than CHAIN_MAX is nobody's; CLOCK_SLACK_S: for the time zone of the builder. */
enum { CHAIN_MAX = 10, CLOCK_SLACK_S = 86400, SHOWN_NAMES = 4, SHOWN_LEN = 80, NOT_PINNED = X509_V_ERR_APPLICATION_VERIFICATION };

_Atomic uint64_t tls_test_now_s;

uint64_t tls_now_s(void)
{
	uint64_t by_hand = atomic_load_explicit(&tls_test_now_s, memory_order_relaxed);
	struct timespec now;

	if (unlikely(by_hand != 0))
		return by_hand;
	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec > 0 ? (uint64_t)now.tv_sec : 0;
}

/* Days from 1970 to the first of a month, in the Gregorian calendar. */
static uint64_t days_before(unsigned year, unsigned month)
{
	static const uint16_t before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
	unsigned past = year - 1;
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return 365u * (year - 1970) + (past / 4 - past / 100 + past / 400) - (1969 / 4 - 1969 / 100 + 1969 / 400) +
		before[month] + (leap && month > 1);
}

/* __DATE__ is "Nov  2 2026"; where builds are to be repeatable, the compiler takes it from SOURCE_DATE_EPOCH. */
uint64_t tls_built_s(void)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec", built[] = __DATE__;
	unsigned month = 0, day = (built[4] == ' ' ? 0 : (unsigned)(built[4] - '0') * 10) + (unsigned)(built[5] - '0');
	unsigned year = 0;

	while (month < 11 && memcmp(months + 3 * month, built, 3) != 0)
		month++;
	for (unsigned i = 7; i < 11; i++)
		year = year * 10 + (unsigned)(built[i] - '0');
	return (days_before(year, month) + day - 1) * 86400;
}

bool tls_clock_wrong(uint64_t wall_s)
{
	return wall_s + CLOCK_SLACK_S < tls_built_s();
}

/* ---- pins ---- */

/* The signed part as it came, byte for byte: the first element of the outer SEQUENCE (RFC 5280 4.1). */
static bool tbs_hash(X509 *cert, uint8_t hash[32])
{
	unsigned char *der = NULL;
	int len = i2d_X509(cert, &der), tag, class;
	const unsigned char *at = der, *tbs;
	long body;
	bool ok = false;

	if (len > 0 && !(ASN1_get_object(&at, &body, &tag, &class, len) & 0x80)) {
		tbs = at;
		if (!(ASN1_get_object(&at, &body, &tag, &class, len - (at - der)) & 0x80))
			ok = EVP_Digest(tbs, (size_t)(at - tbs + body), hash, NULL, EVP_sha256(), NULL) == 1;
	}
	OPENSSL_free(der);
	return ok;
}

static bool is_pinned(const struct tls_verify *v, X509 *cert)
{
	uint8_t hash[32];

	if (!tbs_hash(cert, hash))
		return false;
	for (size_t i = 0; i < v->npins; i++)
		if (memcmp(v->pins[i], hash, sizeof(hash)) == 0)
			return true;
	return false;
}

/* issuer_of: the certificate of |sent| whose key has signed |cert|, NULL when there is none. */
static X509 *issuer_of(X509 *cert, STACK_OF(X509) *sent)
{
	int n = sk_X509_num(sent);

	for (int i = 0; i < n && i < CHAIN_MAX; i++) {
		X509 *other = sk_X509_value(sent, i);

		if (other != cert && X509_check_issued(other, cert) == X509_V_OK && X509_check_ca(other) > 0 &&
			X509_verify(cert, X509_get0_pubkey(other)) == 1)
			return other;
	}
	return NULL;
}

/* pinned_unvalidated: nobody has built a chain: only a certificate that has signed its way down to the peer's counts,
 * not any that the peer cares to send along. */
static bool pinned_unvalidated(const struct tls_verify *v, X509_STORE_CTX *sc)
{
	X509 *cert = X509_STORE_CTX_get0_cert(sc);

	for (unsigned depth = 0; cert && depth < CHAIN_MAX; depth++) {
		if (is_pinned(v, cert))
			return true;
		cert = issuer_of(cert, X509_STORE_CTX_get0_untrusted(sc));
	}
	return false;
}

static bool pinned_validated(const struct tls_verify *v, X509_STORE_CTX *sc)
{
	STACK_OF(X509) *chain = X509_STORE_CTX_get0_chain(sc);

	for (int i = 0; i < sk_X509_num(chain); i++)
		if (is_pinned(v, sk_X509_value(chain, i)))
			return true;
	return false;
}

/* ---- the check ---- */

/* set_time: the dates are looked at with our clock, or not at all while it is plainly wrong. */
static void set_time(const struct tls_verify *v, X509_STORE_CTX *sc)
{
	static atomic_flag said = ATOMIC_FLAG_INIT;
	X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(sc);
	uint64_t now = tls_now_s();

	if (!v->ignore_dates || !tls_clock_wrong(now)) {
		X509_VERIFY_PARAM_set_time(param, (time_t)now);
		return;
	}
	X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_NO_CHECK_TIME);
	if (!atomic_flag_test_and_set(&said))
		log_warn(BACK, "certificate dates are not checked until the clock is set");
}

/* ---- what to say of a certificate for somebody else ---- */

/* add_shown adds bytes of the peer's as text that cannot harm a log: at most SHOWN_LEN of them. */
static void add_shown(struct text *out, const char *p, int len)
{
	text_add(out, "'");
	for (int i = 0; i < len && i < SHOWN_LEN; i++)
		text_addf(out, p[i] > ' ' && p[i] < 0x7f && p[i] != '\'' && p[i] != '\\' ? "%c" : "\\%03u", (unsigned char)p[i]);
	text_add(out, len > SHOWN_LEN ? "…'" : "'");
}

static void add_shown_ip(struct text *out, const unsigned char *ip, int len)
{
	char text[INET6_ADDRSTRLEN];

	text_add(out, (len == 4 || len == 16) && inet_ntop(len == 4 ? AF_INET : AF_INET6, ip, text, sizeof(text)) ? text : "?");
}

static void add_names(struct text *out, X509 *cert)
{
	GENERAL_NAMES *list = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	const X509_NAME *subject = X509_get_subject_name(cert);
	int cn = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
	unsigned n = 0;

	for (int i = 0; i < sk_GENERAL_NAME_num(list); i++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(list, i);
		const ASN1_STRING *s = g->type == GEN_DNS ? g->d.dNSName : g->type == GEN_IPADD ? g->d.iPAddress : NULL;

		if (!s || n++ >= SHOWN_NAMES)
			continue;
		text_add(out, n > 1 ? ", " : "");
		if (g->type == GEN_DNS)
			add_shown(out, (const char *)ASN1_STRING_get0_data(s), ASN1_STRING_length(s));
		else
			add_shown_ip(out, ASN1_STRING_get0_data(s), ASN1_STRING_length(s));
	}
	if (n > SHOWN_NAMES)
		text_addf(out, " and %u more", n - SHOWN_NAMES);
	if (n == 0 && cn >= 0) {
		const ASN1_STRING *s = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, cn));

		text_add(out, "no name, only the subject ");
		add_shown(out, (const char *)ASN1_STRING_get0_data(s), ASN1_STRING_length(s));
	} else if (n == 0) {
		text_add(out, "no name");
	}
	GENERAL_NAMES_free(list);
}

/* say_names keeps a sentence for tls_client_failed(): afterwards the certificate is out of reach. */
static void say_names(struct tls *t, X509_STORE_CTX *sc)
{
	long error = X509_STORE_CTX_get_error(sc);
	struct text said = {0};

	if (error != X509_V_ERR_HOSTNAME_MISMATCH && error != X509_V_ERR_IP_ADDRESS_MISMATCH)
		return;
	text_addf(&said, "%s: wanted ", tls_verify_sentence(error));
	tls_client_wanted(t, &said);
	text_add(&said, ", it has ");
	add_names(&said, X509_STORE_CTX_get0_cert(sc));
	if (!said.failed && !t->said)
		t->said = mem_strdup(text_str(&said));
	text_free(&said);
}

static int check(X509_STORE_CTX *sc, void *ctx)
{
	const struct tls_verify *v = tls_client_verify(tls_now());
	bool pinned = true;

	(void)ctx;
	if (v->validate) {
		set_time(v, sc);
		if (X509_verify_cert(sc) != 1) {
			say_names(tls_now(), sc);
			return 0;
		}
	}
	if (v->npins > 0)
		pinned = v->validate ? pinned_validated(v, sc) : pinned_unvalidated(v, sc);
	X509_STORE_CTX_set_error(sc, pinned ? X509_V_OK : NOT_PINNED);
	tls_queue_clear();
	return pinned;
}

void tls_verify_ctx(SSL_CTX *ctx)
{
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_verify_depth(ctx, CHAIN_MAX);
	SSL_CTX_set_cert_verify_callback(ctx, check, NULL);
}

const char *tls_verify_sentence(long result)
{
	switch (result) {
	case X509_V_OK:
		return NULL;
	case X509_V_ERR_HOSTNAME_MISMATCH:
		return "certificate is for another name";
	case X509_V_ERR_IP_ADDRESS_MISMATCH:
		return "certificate is for another address";
	case NOT_PINNED:
		return "no certificate of the chain is a pinned one";
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
		return "self-signed certificate";
	default:
		return X509_verify_cert_error_string(result);
	}
}
