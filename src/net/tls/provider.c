/* provider.c: OpenSSL 3 providers, for hardware or certified cryptography. */
#include "tls_priv.h"
#include "text.h"
#include <openssl/provider.h>

int tls_load_provider(const char *name, const char **error_r)
{
	/* Once one is loaded by name, OpenSSL no longer loads the default one by itself.  Both stay for the life of
	 * the process. */
	tls_start();
	if (!OSSL_PROVIDER_available(NULL, "default") && !OSSL_PROVIDER_load(NULL, "default")) {
		tls_queue_clear();
		return error_set(error_r, "OpenSSL's default provider cannot be loaded");
	}
	if (OSSL_PROVIDER_available(NULL, name) || OSSL_PROVIDER_load(NULL, name))
		return 0;
	tls_queue_clear();
	return error_set(error_r, "OpenSSL's provider %s cannot be loaded: is its module installed?", name);
}

int tls_load_engine(const char *name, const char *default_string, const char **error_r)
{
	(void)default_string;
	return error_set(error_r, "%s: engines are not supported, use loadTLSProvider()", name);
}
