/* fuzz_stamp.c: DNS stamps out of arbitrary text, and out of arbitrary bytes that are encoded first; a backend is made
 * of what was read. */
#include "mem.h"
#include "server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BYTES_MAX = 1500, PREFIX = 7 };

static void check(const struct stamp *s)
{
	must(s->kind == STAMP_PLAIN || s->kind == STAMP_DOT || s->kind == STAMP_DOH);
	must(s->pins <= STAMP_LIST && s->bootstraps <= STAMP_LIST);
	must(strlen(s->host) < STAMP_TEXT && strlen(s->path) < STAMP_TEXT);
	must((s->kind == STAMP_PLAIN) == (s->host[0] == 0));
	must((s->kind == STAMP_DOH) == (s->path[0] == '/'));
	must(s->addr.family != 0 || s->host[0] != 0);
	for (unsigned i = 0; i < s->bootstraps; i++)
		must(addr_len(&s->bootstrap[i]) != 0);
}

static void use(const char *text)
{
	struct server_conf conf = {0};
	const char *error = NULL;
	struct server *server;
	struct stamp s;
	struct rng rng;
	int err = stamp_parse(&s, text, &error);

	must((err == 0) == (error == NULL));
	if (err == 0)
		check(&s);
	rng_seed(&rng, 1);
	if (field_defaults(server_fields, server_field_count, &conf) < 0)
		return;
	conf.address = mem_strdup(text);
	server = server_new(&conf, &rng, &error);
	must(err < 0 || server != NULL);
	if (server && err == 0)
		must(server_streams(server) == (s.kind != STAMP_PLAIN));
	server_free(&server);
}

static void encode(char *out, const uint8_t *p, size_t n)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	unsigned have = 0;
	uint32_t bits = 0;

	for (size_t i = 0; i < n; i++) {
		bits = bits << 8 | p[i];
		for (have += 8; have >= 6; have -= 6)
			*out++ = digits[bits >> (have - 6) & 63];
	}
	if (have)
		*out++ = digits[bits << (6 - have) & 63];
	*out = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[PREFIX + BYTES_MAX * 2];

	if (size > BYTES_MAX)
		return 0;
	memcpy(text, "sdns://", PREFIX);
	encode(text + PREFIX, data, size);
	use(text);
	memcpy(text, data, size);
	text[size] = 0;
	use(text);
	return 0;
}
