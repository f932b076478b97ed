/* envelope.h: what came with a DNS message: the TLS name, the HTTP request.  Kept by the edge as long as its client is
 * there; read by rules, the language and edges. */
#ifndef SHREWD_ENVELOPE_H
#define SHREWD_ENVELOPE_H

#include "base.h"

struct http_field {
	const char *name, *value; /* names in lower case, NUL-terminated, as are values */
};
struct envelope {
	const char *sni;                 /* "" none */
	const char *path, *query, *host, *scheme; /* NULL: not HTTP; scheme: the connection's, whatever the client says */
	const struct http_field *fields; /* only where the frontend keeps them (keepIncomingHeaders) */
	size_t nfields;
};

/* An HTTP answer that a rule chose in place of a DNS message: HTTPStatusAction, dq:setHTTPResponse(). */
struct http_says {
	uint16_t status;
	const char *type; /* content type, "" none; inside this block */
	size_t len;
	uint8_t body[];
};

#endif
