/* stamp.c: DNS stamps: everything one must know of a resolver in one word of text: "sdns://" and base64url.
 *
 * Inside: a byte for the protocol, eight of informal properties, then strings with their length in front.  Lists are
 * such strings, too; the top bit of a length says that another one follows. */
#include "server_priv.h"
#include "text.h"

enum { STAMP_MAX = 2048, PROPERTIES = 8, PIN = 32, MORE = 0x80 };

struct reader {
	const uint8_t *p;
	size_t left;
};

/* next_string takes the next one; true in |*more_r|: its list goes on. */
static bool next_string(struct reader *r, bool list, const uint8_t **p_r, size_t *len_r, bool *more_r)
{
	size_t len;

	if (r->left == 0)
		return false;
	*more_r = list && (*r->p & MORE);
	len = list ? *r->p & ~(size_t)MORE : *r->p;
	if (len > r->left - 1)
		return false;
	*p_r = r->p + 1;
	*len_r = len;
	r->p += 1 + len;
	r->left -= 1 + len;
	return true;
}

/* next_text: visible ASCII. */
static bool next_text(struct reader *r, bool list, char out[STAMP_TEXT], bool *more_r)
{
	const uint8_t *p;
	size_t len;

	if (!next_string(r, list, &p, &len, more_r))
		return false;
	for (size_t i = 0; i < len; i++)
		if (p[i] <= ' ' || p[i] > '~')
			return false;
	memcpy(out, p, len);
	out[len] = 0;
	return true;
}

static bool port_of(const char *text, uint16_t *port_r)
{
	uint64_t port;

	if (text_u64(text, &port) < 0 || port == 0 || port > UINT16_MAX)
		return false;
	*port_r = (uint16_t)port;
	return true;
}

/* next_addr: an address, with or without a port, or only a port, or nothing. */
static bool next_addr(struct reader *r, struct stamp *s)
{
	char text[STAMP_TEXT];
	bool more;

	if (!next_text(r, false, text, &more))
		return false;
	if (text[0] == 0)
		return true;
	if (text[0] == ':')
		return port_of(text + 1, &s->addr.port);
	return addr_parse(&s->addr, text, 0) == 0;
}

/* next_pins: an empty one says that there is none. */
static bool next_pins(struct reader *r, struct stamp *s)
{
	const uint8_t *p;
	size_t len;
	bool more;

	do {
		if (!next_string(r, true, &p, &len, &more) || (len != 0 && (len != PIN || s->pins == STAMP_LIST)))
			return false;
		if (len)
			memcpy(s->pin[s->pins++], p, PIN);
	} while (more);
	return true;
}

/* next_host: a name or an address, with or without a port, which wins over that of the address. */
static bool next_host(struct reader *r, struct stamp *s)
{
	struct addr literal;
	char *colon;
	bool more;

	if (!next_text(r, false, s->host, &more))
		return false;
	if (addr_parse(&literal, s->host, s->addr.port) == 0) {
		char text[ADDR_TEXT];

		if (s->addr.family == 0)
			s->addr = literal;
		s->addr.port = literal.port;
		addr_print(&literal, false, text);
		memcpy(s->host, text, strlen(text) + 1);
		return true;
	}
	colon = strchr(s->host, ':');
	if (colon && !port_of(colon + 1, &s->addr.port))
		return false;
	if (colon)
		*colon = 0;
	return is_host_name(s->host, strlen(s->host));
}

static bool next_path(struct reader *r, struct stamp *s)
{
	bool more;

	return next_text(r, false, s->path, &more) && s->path[0] == '/';
}

/* Those that are left out of a long list are not missed. */
static bool next_bootstraps(struct reader *r, struct stamp *s)
{
	char text[STAMP_TEXT];
	struct addr a;
	bool more;

	if (r->left == 0)
		return true; /* the list may be absent */
	do {
		if (!next_text(r, true, text, &more) || (text[0] && addr_parse(&a, text, 53) < 0))
			return false;
		if (text[0] && s->bootstraps < STAMP_LIST)
			s->bootstrap[s->bootstraps++] = a;
	} while (more);
	return true;
}

static bool read_stamp(struct reader *r, struct stamp *s)
{
	if (r->left < PROPERTIES)
		return false;
	r->p += PROPERTIES;
	r->left -= PROPERTIES;
	if (!next_addr(r, s))
		return false;
	if (s->kind == STAMP_PLAIN)
		return s->addr.family != 0 && r->left == 0;
	return next_pins(r, s) && next_host(r, s) && (s->kind != STAMP_DOH || next_path(r, s)) &&
	       next_bootstraps(r, s) && r->left == 0;
}

/* unsupported: what a stamp of another kind is for; NULL: nobody knows. */
static const char *unsupported(uint8_t kind)
{
	switch (kind) {
	case 0x01:
		return "DNSCrypt backends";
	case 0x04:
		return "DoQ backends";
	case 0x05:
		return "Oblivious DoH targets";
	case 0x81:
		return "DNSCrypt relays";
	case 0x85:
		return "Oblivious DoH relays";
	default:
		return NULL;
	}
}

int stamp_parse(struct stamp *s, const char *text, const char **error_r)
{
	uint8_t bytes[STAMP_MAX];
	struct reader r = {.p = bytes};
	unsigned rest = 0; /* must be zero: a stamp has one form */
	ssize_t n = strncmp(text, "sdns://", 7) == 0 ? text_base64url(text + 7, strlen(text + 7), bytes, sizeof(bytes), &rest) : -1;
	uint8_t kind;

	memset(s, 0, sizeof(*s));
	if (n <= 0 || rest)
		return error_set(error_r, "not a DNS stamp (sdns:// and base64url without padding): '%.80s'", text);
	kind = bytes[0];
	if (TEXT_HINTS && unsupported(kind))
		return error_set(error_r, "%s are not supported yet", unsupported(kind));
	if (kind != STAMP_PLAIN && kind != STAMP_DOH && kind != STAMP_DOT)
		return error_set(error_r, "a DNS stamp of an unknown kind (0x%02x)", kind);
	s->kind = (enum stamp_kind)kind;
	r.p++;
	r.left = (size_t)n - 1;
	return read_stamp(&r, s) ? 0 : error_set(error_r, "a malformed DNS stamp: '%.80s'", text);
}
