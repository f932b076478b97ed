/* sel_sni_with_tls.c: SNIRule: the name that the client asked for in its TLS handshake. */
#include "rule_priv.h"
#include <strings.h>

struct sel_sni {
	struct selector base;
	char name[];
};

static bool match_sni(struct selector *s, struct dq *dq)
{
	const char *sni = dq->envelope && dq->envelope->sni ? dq->envelope->sni : "";

	return strcasecmp(sni, ((const struct sel_sni *)s)->name) == 0;
}

static struct selector *sel_sni(const struct arg *argv, size_t argc UNUSED, const char **error_r)
{
	struct sel_sni *s;
	const char *name;
	size_t len;

	if (!rule_str(&argv[0], "name", &name, &len, error_r))
		return NULL;
	if (len > 1 && name[len - 1] == '.') /* names in handshakes have no final dot (RFC 6066 3) */
		len--;
	s = selector_make(sizeof(*s) + len + 1, match_sni, NULL, error_r, "SNI == %.*s", (int)len, name);
	if (!s)
		return NULL;
	memcpy(s->name, name, len);
	return &s->base;
}

const struct selector_row tls_selector_rows[] = {
	{"SNIRule", "name:str", sel_sni,
		DOC("Matches queries whose client asked for exactly this name in its TLS handshake, in any case; \"\": for none."),
		DOC("SNIRule(\"kids.dns.example\")")},
	{.word = NULL},
};
