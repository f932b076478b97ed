/* ocsp_with_ocsp.c: OCSP responses (RFC 6960): staples are looked at, and made for certificates of one's own authority. */
#include "tls_priv.h"
#include "text.h"
#include <fcntl.h>
#include <openssl/ocsp.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DAYS_MAX = 36500, MINUTES_MAX = DAYS_MAX * 1440 };

struct party {
	X509 *cert, *ca;
	EVP_PKEY *ca_key;
};

static int read_party(struct party *p, const char *cert, const char *ca, const char *key, const char **error_r)
{
	p->cert = tls_cert_read(cert, error_r);
	p->ca = p->cert ? tls_cert_read(ca, error_r) : NULL;
	p->ca_key = p->ca ? tls_key_read(key, NULL, error_r) : NULL;
	if (!p->ca_key)
		return -EINVAL;
	if (X509_check_private_key(p->ca, p->ca_key) != 1)
		return error_set(error_r, "%s: does not fit the key %s", ca, key);
	if (X509_check_issued(p->ca, p->cert) != X509_V_OK)
		return error_set(error_r, "%s: was not issued by %s", cert, ca);
	return 0;
}

static void free_party(struct party *p)
{
	X509_free(p->cert);
	X509_free(p->ca);
	EVP_PKEY_free(p->ca_key);
}

/* Ed25519 and its kind hash by themselves. */
static const EVP_MD *digest_for(EVP_PKEY *key)
{
	char name[32];

	return EVP_PKEY_get_default_digest_name(key, name, sizeof(name)) == 2 && strcmp(name, "UNDEF") == 0
		? NULL
		: EVP_sha256();
}

static bool fill(OCSP_BASICRESP *basic, const struct party *p, long seconds)
{
	time_t now = (time_t)tls_now_s();
	ASN1_TIME *from = ASN1_TIME_adj(NULL, now, 0, 0), *until = ASN1_TIME_adj(NULL, now, 0, seconds);
	OCSP_CERTID *id = OCSP_cert_to_id(NULL, p->cert, p->ca); /* SHA-1, as every client understands */
	bool ok = from && until && id &&
		OCSP_basic_add1_status(basic, id, V_OCSP_CERTSTATUS_GOOD, OCSP_REVOKED_STATUS_NOSTATUS, NULL, from,
			until) &&
		OCSP_basic_sign(basic, p->ca, p->ca_key, digest_for(p->ca_key), NULL, OCSP_NOCERTS) == 1;

	OCSP_CERTID_free(id);
	ASN1_TIME_free(from);
	ASN1_TIME_free(until);
	return ok;
}

/* The DER bytes (OPENSSL_free()), NULL on failure. */
static unsigned char *respond(const struct party *p, long seconds, int *len_r)
{
	OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
	OCSP_RESPONSE *response = NULL;
	unsigned char *der = NULL;

	if (basic && fill(basic, p, seconds))
		response = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
	*len_r = response ? i2d_OCSP_RESPONSE(response, &der) : -1;
	OCSP_RESPONSE_free(response);
	OCSP_BASICRESP_free(basic);
	return *len_r > 0 ? der : NULL;
}

/* A server that reads the file meanwhile sees the old one or the new one, never half of one. */
static int replace_file(const char *path, const unsigned char *p, size_t len, const char **error_r)
{
	struct text fresh = {0};
	int fd, err = 0;

	text_addf(&fresh, "%s.%ld", path, (long)getpid());
	if (fresh.failed) {
		text_free(&fresh);
		return error_set(error_r, "%s: memory is out", path);
	}
	fd = open(text_str(&fresh), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0) {
		err = -errno;
	} else {
		ssize_t n = write(fd, p, len);

		if (n != (ssize_t)len)
			err = n < 0 ? -errno : -ENOSPC;
		if (close(fd) < 0 && err == 0)
			err = -errno;
		if (err == 0 && rename(text_str(&fresh), path) < 0)
			err = -errno;
		if (err < 0)
			(void)unlink(text_str(&fresh));
	}
	text_free(&fresh);
	return err < 0 ? error_set(error_r, "%s: %s", path, strerror(-err)) : 0;
}

int tls_ocsp_make(const char *cert, const char *ca_cert, const char *ca_key, const char *out, unsigned days,
	unsigned minutes, const char **error_r)
{
	struct party p = {0};
	unsigned char *der = NULL;
	int len, err;

	if (days > DAYS_MAX || minutes > MINUTES_MAX || days + minutes == 0)
		return error_set(error_r, "an OCSP response is valid for between one minute and %d days", DAYS_MAX);
	tls_start();
	err = read_party(&p, cert, ca_cert, ca_key, error_r);
	if (err == 0) {
		der = respond(&p, (long)days * 86400 + (long)minutes * 60, &len);
		err = der ? replace_file(out, der, (size_t)len, error_r)
			  : error_set(error_r, "%s: an OCSP response cannot be signed with the key %s", cert, ca_key);
	}
	OPENSSL_free(der);
	free_party(&p);
	tls_queue_clear();
	return err;
}

/* is_for: the staple is a successful answer about this certificate. */
static bool is_for(OCSP_RESPONSE *r, X509 *cert, X509 *issuer)
{
	OCSP_BASICRESP *basic = OCSP_response_get1_basic(r);
	OCSP_CERTID *id = NULL;
	ASN1_INTEGER *serial = NULL;
	bool found = false;

	for (int i = 0; basic && !found && i < OCSP_resp_count(basic); i++) {
		const OCSP_CERTID *have = OCSP_SINGLERESP_get0_id(OCSP_resp_get0(basic, i));
		ASN1_OBJECT *md = NULL;

		/* The getter's own argument is not const although it changes nothing. */
		if (!OCSP_id_get0_info(NULL, &md, NULL, &serial, (OCSP_CERTID *)(uintptr_t)have))
			continue;
		found = ASN1_INTEGER_cmp(serial, X509_get0_serialNumber(cert)) == 0;
		if (!found || !issuer)
			continue;
		id = OCSP_cert_to_id(EVP_get_digestbyobj(md), cert, issuer);
		found = id && OCSP_id_cmp(id, have) == 0;
		OCSP_CERTID_free(id);
	}
	OCSP_BASICRESP_free(basic);
	return found;
}

int tls_ocsp_check(const uint8_t *der, size_t len, X509 *cert, X509 *issuer, const char *path, const char **error_r)
{
	OCSP_RESPONSE *r = d2i_OCSP_RESPONSE(NULL, &der, (long)len);
	int rc = 0;

	if (!r)
		rc = error_set(error_r, "%s: not an OCSP response (DER)", path);
	else if (OCSP_response_status(r) != OCSP_RESPONSE_STATUS_SUCCESSFUL)
		rc = error_set(error_r, "%s: an OCSP response that tells an error", path);
	else if (!is_for(r, cert, issuer))
		rc = error_set(error_r, "%s: not about this certificate", path);
	OCSP_RESPONSE_free(r);
	tls_queue_clear();
	return rc;
}
