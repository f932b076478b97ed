/* fail.c: what went wrong, in sentences and in classes.
 *
 * The library's own strings are not loaded (68 kB): a table of what happens in practice stands for them, and a number for
 * the rest. */
#include "tls_priv.h"
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/x509.h>
#include <stdio.h>

static const char *const names[TLS_FAILS] = {
	[TLS_FAIL_NONE] = "none",
	[TLS_FAIL_DH_KEY_TOO_SMALL] = "dhKeyTooSmall",
	[TLS_FAIL_INAPPROPRIATE_FALLBACK] = "inappropriateFallBack",
	[TLS_FAIL_NO_SHARED_CIPHER] = "noSharedCipher",
	[TLS_FAIL_UNKNOWN_CIPHER_TYPE] = "unknownCipherType",
	[TLS_FAIL_UNKNOWN_KEY_EXCHANGE_TYPE] = "unknownKeyExchangeType",
	[TLS_FAIL_UNKNOWN_PROTOCOL] = "unknownProtocol",
	[TLS_FAIL_UNSUPPORTED_EC] = "unsupportedEC",
	[TLS_FAIL_UNSUPPORTED_PROTOCOL] = "unsupportedProtocol",
	[TLS_FAIL_CERTIFICATE] = "certificate",
	[TLS_FAIL_ALPN] = "applicationProtocol",
	[TLS_FAIL_OTHER] = "other",
};

static const struct known {
	uint16_t lib, reason;
	uint8_t fail;
	const char *sentence;
} known[] = {
#define S(reason, fail, sentence) {ERR_LIB_SSL, SSL_R_##reason, TLS_FAIL_##fail, sentence}
	S(DH_KEY_TOO_SMALL, DH_KEY_TOO_SMALL, "Diffie-Hellman key too small"),
	S(INAPPROPRIATE_FALLBACK, INAPPROPRIATE_FALLBACK, "inappropriate fallback to an older version"),
	S(TLSV1_ALERT_INAPPROPRIATE_FALLBACK, INAPPROPRIATE_FALLBACK, "the peer refuses: inappropriate fallback"),
	S(NO_SHARED_CIPHER, NO_SHARED_CIPHER, "no shared cipher"),
	S(NO_CIPHERS_AVAILABLE, NO_SHARED_CIPHER, "no ciphers available"),
	S(NO_SUITABLE_SIGNATURE_ALGORITHM, NO_SHARED_CIPHER, "no signature algorithm suits peer and key"),
	S(NO_SHARED_SIGNATURE_ALGORITHMS, NO_SHARED_CIPHER, "no shared signature algorithm"),
	S(UNKNOWN_CIPHER_TYPE, UNKNOWN_CIPHER_TYPE, "unknown cipher type"),
	S(UNKNOWN_KEY_EXCHANGE_TYPE, UNKNOWN_KEY_EXCHANGE_TYPE, "unknown key exchange type"),
	S(UNKNOWN_PROTOCOL, UNKNOWN_PROTOCOL, "unknown protocol"),
	S(UNSUPPORTED_ELLIPTIC_CURVE, UNSUPPORTED_EC, "unsupported elliptic curve"),
	S(WRONG_CURVE, UNSUPPORTED_EC, "wrong curve"),
	S(NO_SUITABLE_GROUPS, UNSUPPORTED_EC, "no shared curve"),
	S(NO_SUITABLE_KEY_SHARE, UNSUPPORTED_EC, "no shared curve"),
	S(UNSUPPORTED_PROTOCOL, UNSUPPORTED_PROTOCOL, "unsupported TLS version"),
	S(VERSION_TOO_LOW, UNSUPPORTED_PROTOCOL, "TLS version too low"),
	S(TLSV1_ALERT_PROTOCOL_VERSION, UNSUPPORTED_PROTOCOL, "the peer refuses: TLS version"),
	S(NO_PROTOCOLS_AVAILABLE, UNSUPPORTED_PROTOCOL, "no TLS version is left"),
	S(CERTIFICATE_VERIFY_FAILED, CERTIFICATE, "certificate verify failed"),
	S(PEER_DID_NOT_RETURN_A_CERTIFICATE, CERTIFICATE, "the peer has no certificate"),
	S(TLSV1_ALERT_UNKNOWN_CA, CERTIFICATE, "the peer refuses: unknown certificate authority"),
	S(SSLV3_ALERT_BAD_CERTIFICATE, CERTIFICATE, "the peer refuses: bad certificate"),
	S(SSLV3_ALERT_UNSUPPORTED_CERTIFICATE, CERTIFICATE, "the peer refuses: unsupported certificate"),
	S(SSLV3_ALERT_CERTIFICATE_REVOKED, CERTIFICATE, "the peer refuses: certificate revoked"),
	S(SSLV3_ALERT_CERTIFICATE_EXPIRED, CERTIFICATE, "the peer refuses: certificate has expired"),
	S(SSLV3_ALERT_CERTIFICATE_UNKNOWN, CERTIFICATE, "the peer refuses: certificate unknown"),
	S(TLSV1_BAD_CERTIFICATE_STATUS_RESPONSE, CERTIFICATE, "the peer refuses: bad OCSP staple"),
	S(TLSV13_ALERT_CERTIFICATE_REQUIRED, CERTIFICATE, "the peer wants a certificate of ours"),
	S(NO_APPLICATION_PROTOCOL, ALPN, "no shared application protocol (ALPN)"),
	S(TLSV1_ALERT_NO_APPLICATION_PROTOCOL, ALPN, "the peer refuses: no shared application protocol (ALPN)"),
	S(SSLV3_ALERT_HANDSHAKE_FAILURE, OTHER, "the peer refuses: handshake failure"),
	S(TLSV1_ALERT_INSUFFICIENT_SECURITY, OTHER, "the peer refuses: insufficient security"),
	S(TLSV1_UNRECOGNIZED_NAME, OTHER, "the peer refuses: unrecognized name"),
	S(SSLV3_ALERT_UNEXPECTED_MESSAGE, OTHER, "the peer refuses: unexpected message"),
	S(SSLV3_ALERT_ILLEGAL_PARAMETER, OTHER, "the peer refuses: illegal parameter"),
	S(SSLV3_ALERT_BAD_RECORD_MAC, OTHER, "the peer refuses: bad record"),
	S(TLSV1_ALERT_DECODE_ERROR, OTHER, "the peer refuses: decode error"),
	S(TLSV1_ALERT_DECRYPT_ERROR, OTHER, "the peer refuses: decrypt error"),
	S(TLSV1_ALERT_INTERNAL_ERROR, OTHER, "the peer has an internal error"),
	S(TLSV1_ALERT_USER_CANCELLED, OTHER, "the peer gave up"),
	S(TLSV1_ALERT_ACCESS_DENIED, OTHER, "the peer refuses: access denied"),
	S(UNEXPECTED_EOF_WHILE_READING, OTHER, "closed during the handshake"),
	S(WRONG_VERSION_NUMBER, OTHER, "not TLS: wrong version number"),
	S(HTTP_REQUEST, OTHER, "not TLS: an HTTP request"),
	S(HTTPS_PROXY_REQUEST, OTHER, "not TLS: a proxy request"),
	S(BAD_RECORD_TYPE, OTHER, "not TLS: bad record type"),
	S(UNEXPECTED_MESSAGE, OTHER, "unexpected message"),
	S(UNEXPECTED_RECORD, OTHER, "unexpected record"),
	S(DECRYPTION_FAILED_OR_BAD_RECORD_MAC, OTHER, "bad record: decryption failed"),
	S(BAD_PACKET_LENGTH, OTHER, "bad record: length"),
	S(ENCRYPTED_LENGTH_TOO_LONG, OTHER, "bad record: too long"),
	S(DATA_LENGTH_TOO_LONG, OTHER, "bad record: too long"),
	S(PACKET_LENGTH_TOO_LONG, OTHER, "bad record: too long"),
	S(LENGTH_MISMATCH, OTHER, "bad message: length"),
	S(LENGTH_TOO_SHORT, OTHER, "bad message: too short"),
	S(EXCESSIVE_MESSAGE_SIZE, OTHER, "bad message: too long"),
	S(DIGEST_CHECK_FAILED, OTHER, "bad handshake: digest"),
	S(BAD_SIGNATURE, OTHER, "bad handshake: signature"),
	S(BAD_EXTENSION, OTHER, "bad handshake: extension"),
	S(BINDER_DOES_NOT_VERIFY, OTHER, "bad handshake: ticket"),
	S(NO_RENEGOTIATION, OTHER, "renegotiation refused"),
	S(TOO_MANY_WARN_ALERTS, OTHER, "too many warnings"),
	S(TOO_MANY_KEY_UPDATES, OTHER, "too many key updates"),
	S(NO_CERTIFICATE_SET, OTHER, "no certificate"),
	S(EE_KEY_TOO_SMALL, CERTIFICATE, "key too small"),
	S(CA_KEY_TOO_SMALL, CERTIFICATE, "key of the authority too small"),
	S(CA_MD_TOO_WEAK, CERTIFICATE, "signed with a digest that is too weak"),
	S(UNKNOWN_CERTIFICATE_TYPE, CERTIFICATE, "unknown type of key"),
	S(NO_CIPHER_MATCH, OTHER, "no known cipher in the list"),
#undef S
	{ERR_LIB_X509, X509_R_KEY_VALUES_MISMATCH, TLS_FAIL_CERTIFICATE, "key does not fit"},
	{ERR_LIB_X509, X509_R_KEY_TYPE_MISMATCH, TLS_FAIL_CERTIFICATE, "key does not fit"},
	{ERR_LIB_PEM, PEM_R_NO_START_LINE, TLS_FAIL_OTHER, "nothing of the kind in it (PEM)"},
	{ERR_LIB_PEM, PEM_R_BAD_BASE64_DECODE, TLS_FAIL_OTHER, "damaged (base64)"},
	{ERR_LIB_PEM, PEM_R_BAD_END_LINE, TLS_FAIL_OTHER, "damaged (end line)"},
	{ERR_LIB_PEM, PEM_R_BAD_PASSWORD_READ, TLS_FAIL_OTHER, "needs a password"},
	{ERR_LIB_PEM, PEM_R_BAD_DECRYPT, TLS_FAIL_OTHER, "wrong password"},
	{ERR_LIB_EVP, EVP_R_BAD_DECRYPT, TLS_FAIL_OTHER, "wrong password"},
	{ERR_LIB_EVP, EVP_R_UNSUPPORTED_ALGORITHM, TLS_FAIL_OTHER, "an algorithm that the library does not have"},
	{ERR_LIB_PKCS12, PKCS12_R_MAC_VERIFY_FAILURE, TLS_FAIL_OTHER, "wrong password"},
	{ERR_LIB_PKCS12, PKCS12_R_PKCS12_CIPHERFINAL_ERROR, TLS_FAIL_OTHER, "wrong password"},
};

const char *tls_fail_name(enum tls_fail f)
{
	return f < TLS_FAILS ? names[f] : "other";
}

static const struct known *find(unsigned long e)
{
	for (size_t i = 0; i < LEN(known); i++)
		if (known[i].lib == ERR_GET_LIB(e) && known[i].reason == ERR_GET_REASON(e))
			return &known[i];
	return NULL;
}

static bool memory_is_out(unsigned long e)
{
	return !ERR_SYSTEM_ERROR(e) && ERR_GET_REASON(e) == ERR_R_MALLOC_FAILURE;
}

enum tls_fail tls_queue_fail(void)
{
	const struct known *k = find(ERR_peek_error());

	return k ? k->fail : TLS_FAIL_OTHER;
}

const char *tls_queue_sentence(void)
{
	static _Thread_local char number[32];
	unsigned long e = ERR_peek_error();
	const struct known *k = find(e);

	if (k)
		return k->sentence;
	if (e == 0)
		return "failed";
	if (ERR_SYSTEM_ERROR(e))
		return strerror(ERR_GET_REASON(e));
	if (memory_is_out(e))
		return "memory is out";
	if (ERR_GET_LIB(e) == ERR_LIB_ASN1 || ERR_GET_LIB(e) == ERR_LIB_OSSL_DECODER)
		return "damaged, or of an unknown kind";
	snprintf(number, sizeof(number), "error 0x%08lx", e);
	return number;
}

void tls_queue_clear(void)
{
	if (ERR_peek_error())
		ERR_clear_error();
}

void tls_set_fail(struct tls *t, enum tls_fail f, const char *sentence)
{
	t->broken = true;
	if (t->fail != TLS_FAIL_NONE)
		return;
	t->fail = (uint8_t)f;
	if (!t->said)
		t->said = mem_strdup(sentence);
}

enum tls_fail tls_failure(const struct tls *t)
{
	return t->fail;
}

const char *tls_error(const struct tls *t)
{
	if (t->fail == TLS_FAIL_NONE)
		return "";
	return t->said ? t->said : "memory is out";
}
