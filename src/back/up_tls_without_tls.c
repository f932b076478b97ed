/* up_tls_without_tls.c: a build without TLS: a backend that wants it is told why it is never reached. */
#include "up_priv.h"
#include "text.h"

struct tls_client *up_tls(const struct server *s, struct session_cache *sessions, const char **error_r)
{
	(void)sessions;
	error_set(error_r, "backend %s: tls: not in this build (FEATURE_TLS)", server_name(s));
	return NULL;
}
