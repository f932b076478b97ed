/* self_signed.c: a key and a certificate of our own, kept in memory, for a first try and for closed networks. */
#include "tls_priv.h"
#include "text.h"
#include <arpa/inet.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <pthread.h>

enum { NAMES_MAX = 100, NAME_MAX_LEN = 253, LABEL_MAX_LEN = 63, CN_MAX_LEN = 64, VALID_S = 365 * 86400, SKEW_S = 3600 };

/* The key is made once; a certificate for other names replaces the one before, which is only done before there are
 * connections. */
static pthread_mutex_t own_lock = PTHREAD_MUTEX_INITIALIZER;
static EVP_PKEY *own_key;
static X509 *own_cert;

EVP_PKEY *tls_own_key(void)
{
	EVP_PKEY *key;

	pthread_mutex_lock(&own_lock);
	key = own_cert ? own_key : NULL;
	pthread_mutex_unlock(&own_lock);
	return key;
}

X509 *tls_own_cert(void)
{
	X509 *cert;

	pthread_mutex_lock(&own_lock);
	cert = own_cert;
	pthread_mutex_unlock(&own_lock);
	return cert;
}

/* A host name (RFC 1123 2.1), or a wildcard in place of its first label.  One whose last label is a number is an address
 * that was mistyped. */
static bool is_name(const char *s, size_t len)
{
	size_t label = 0, digits = 0;

	if (len > 2 && s[0] == '*' && s[1] == '.') {
		s += 2;
		len -= 2;
	}
	if (len == 0 || len > NAME_MAX_LEN)
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = (char)(s[i] | 0x20);
		bool digit = s[i] >= '0' && s[i] <= '9', edge = label == 0 || i + 1 == len || s[i + 1] == '.';

		if (s[i] == '.' && label > 0) {
			label = digits = 0;
			continue;
		}
		if (!((c >= 'a' && c <= 'z') || digit || (s[i] == '-' && !edge)) || label == LABEL_MAX_LEN)
			return false;
		label++;
		digits += digit;
	}
	return label > digits;
}

static bool add_san(GENERAL_NAMES *names, int type, const void *p, size_t len)
{
	ASN1_STRING *value = ASN1_STRING_type_new(type == GEN_DNS ? V_ASN1_IA5STRING : V_ASN1_OCTET_STRING);
	GENERAL_NAME *name = GENERAL_NAME_new();

	if (!value || !name || !ASN1_STRING_set(value, p, (int)len)) {
		ASN1_STRING_free(value);
		GENERAL_NAME_free(name);
		return false;
	}
	GENERAL_NAME_set0_value(name, type, value);
	if (sk_GENERAL_NAME_push(names, name) > 0)
		return true;
	GENERAL_NAME_free(name);
	return false;
}

/* add_word adds one name or address; the first one is the subject, too. */
static int add_word(X509 *cert, GENERAL_NAMES *names, const char *word, size_t len, const char **error_r)
{
	char text[NAME_MAX_LEN + 1];
	uint8_t ip[16];
	bool added;

	if (len >= sizeof(text))
		return error_set(error_r, "expected a host name of at most %d bytes, got '%.*s…'", NAME_MAX_LEN, 40, word);
	memcpy(text, word, len);
	text[len] = '\0';
	if (inet_pton(AF_INET, text, ip) == 1)
		added = add_san(names, GEN_IPADD, ip, 4);
	else if (inet_pton(AF_INET6, text, ip) == 1)
		added = add_san(names, GEN_IPADD, ip, 16);
	else if (is_name(text, len))
		added = add_san(names, GEN_DNS, text, len);
	else
		return error_set(error_r, "expected a host name or an IP address, got '%s'", text);
	if (added && sk_GENERAL_NAME_num(names) == 1)
		added = X509_NAME_add_entry_by_NID(X509_get_subject_name(cert), NID_commonName, MBSTRING_UTF8,
			(const unsigned char *)text, (int)(len < CN_MAX_LEN ? len : CN_MAX_LEN), -1, 0);
	return added ? 0 : error_set(error_r, "memory is out");
}

static int add_names(X509 *cert, const char *list, const char **error_r)
{
	GENERAL_NAMES *names = GENERAL_NAMES_new();
	int err = names ? 0 : error_set(error_r, "memory is out");

	for (const char *p = list; err == 0; p++) {
		size_t len, rest;

		p += strspn(p, " ");
		len = rest = strcspn(p, ",");
		while (len > 0 && p[len - 1] == ' ')
			len--;
		if (len > 0 && sk_GENERAL_NAME_num(names) == NAMES_MAX)
			err = error_set(error_r, "a certificate is for at most %d names", NAMES_MAX);
		else if (len > 0)
			err = add_word(cert, names, p, len, error_r);
		p += rest;
		if (*p == '\0')
			break;
	}
	if (err == 0 && sk_GENERAL_NAME_num(names) == 0)
		err = error_set(error_r, "expected at least one host name or IP address");
	if (err == 0 && !X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 0, X509V3_ADD_DEFAULT))
		err = error_set(error_r, "memory is out");
	GENERAL_NAMES_free(names);
	return err;
}

/* add_uses: no authority, signs handshakes, for servers only (RFC 5280 4.2.1). */
static bool add_uses(X509 *cert)
{
	BASIC_CONSTRAINTS *basic = BASIC_CONSTRAINTS_new();
	ASN1_BIT_STRING *usage = ASN1_BIT_STRING_new();
	EXTENDED_KEY_USAGE *extended = EXTENDED_KEY_USAGE_new();
	ASN1_OCTET_STRING *id = ASN1_OCTET_STRING_new();
	ASN1_OBJECT *server = OBJ_nid2obj(NID_server_auth);
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned len;
	bool ok = basic && usage && extended && id && ASN1_BIT_STRING_set_bit(usage, 0, 1) &&
		X509_pubkey_digest(cert, EVP_sha1(), digest, &len) && ASN1_OCTET_STRING_set(id, digest, (int)len) &&
		sk_ASN1_OBJECT_push(extended, server) > 0 &&
		X509_add1_ext_i2d(cert, NID_basic_constraints, basic, 1, X509V3_ADD_DEFAULT) &&
		X509_add1_ext_i2d(cert, NID_key_usage, usage, 1, X509V3_ADD_DEFAULT) &&
		X509_add1_ext_i2d(cert, NID_ext_key_usage, extended, 0, X509V3_ADD_DEFAULT) &&
		X509_add1_ext_i2d(cert, NID_subject_key_identifier, id, 0, X509V3_ADD_DEFAULT);

	BASIC_CONSTRAINTS_free(basic);
	ASN1_BIT_STRING_free(usage);
	EXTENDED_KEY_USAGE_free(extended);
	ASN1_OCTET_STRING_free(id);
	return ok;
}

/* A router's clock may be years back when it starts: its certificate must still be good once the clock is set. */
static bool set_dates(X509 *cert)
{
	uint64_t now_s = tls_now_s(), built_s = tls_built_s();
	time_t from = (time_t)((now_s < built_s ? built_s : now_s) - SKEW_S);
	time_t begin = now_s < built_s ? (time_t)now_s - SKEW_S : from;

	return X509_time_adj_ex(X509_getm_notBefore(cert), 0, 0, &begin) &&
		X509_time_adj_ex(X509_getm_notAfter(cert), 0, VALID_S, &from);
}

static bool set_serial(X509 *cert)
{
	ASN1_INTEGER *serial = X509_get_serialNumber(cert);
	unsigned char random[16];

	if (RAND_bytes(random, sizeof(random)) != 1)
		return false;
	random[0] = (unsigned char)((random[0] & 0x7f) | 0x40); /* positive, of full length */
	return ASN1_STRING_set(serial, random, sizeof(random)) == 1;
}

static int make(const char *names, EVP_PKEY *key, X509 **cert_r, const char **error_r)
{
	X509 *cert = X509_new();
	int err;

	*cert_r = cert;
	if (!cert || !X509_set_version(cert, X509_VERSION_3) || !set_serial(cert) || !set_dates(cert) ||
		!X509_set_pubkey(cert, key) || !add_uses(cert))
		return error_set(error_r, "memory is out");
	err = add_names(cert, names, error_r);
	if (err < 0)
		return err;
	if (!X509_set_issuer_name(cert, X509_get_subject_name(cert)) || X509_sign(cert, key, EVP_sha256()) <= 0)
		return error_set(error_r, "the certificate cannot be signed");
	return 0;
}

static bool print_hash(X509 *cert, char print_r[96])
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned len;

	if (!X509_digest(cert, EVP_sha256(), digest, &len) || len != 32)
		return false;
	for (unsigned i = 0; i < len; i++)
		(void)snprintf(print_r + 3 * i, i + 1 < len ? 4 : 3, i + 1 < len ? "%02X:" : "%02X", digest[i]);
	return true;
}

int tls_self_signed(const char *names, char print_r[96], const char **error_r)
{
	X509 *cert = NULL;
	int err;

	tls_start();
	pthread_mutex_lock(&own_lock);
	if (!own_key)
		own_key = EVP_EC_gen("P-256");
	err = own_key ? make(names, own_key, &cert, error_r) : error_set(error_r, "no P-256 key can be made");
	if (err == 0 && !print_hash(cert, print_r))
		err = error_set(error_r, "no fingerprint can be made");
	if (err == 0) {
		X509 *old = own_cert;

		own_cert = cert;
		cert = old;
	}
	pthread_mutex_unlock(&own_lock);
	X509_free(cert);
	tls_queue_clear();
	return err;
}
