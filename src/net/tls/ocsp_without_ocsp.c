/* ocsp_without_ocsp.c: a build without OCSP: no staples. */
#include "tls_priv.h"
#include "text.h"

static int missing(const char **error_r)
{
	return error_set(error_r, "OCSP: not in this build (FEATURE_OCSP)");
}

int tls_ocsp_make(const char *cert UNUSED, const char *ca_cert UNUSED, const char *ca_key UNUSED, const char *out UNUSED,
	unsigned days UNUSED, unsigned minutes UNUSED, const char **error_r)
{
	return missing(error_r);
}

int tls_ocsp_check(const uint8_t *der UNUSED, size_t len UNUSED, X509 *cert UNUSED, X509 *issuer UNUSED,
	const char *path UNUSED, const char **error_r)
{
	return missing(error_r);
}
