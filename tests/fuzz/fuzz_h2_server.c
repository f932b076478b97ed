/* fuzz_h2_server.c: the server's side of HTTP: any bytes in any pieces, answers now, later or never.
 * First byte: bit 0 HTTP/1.1 too, bit 1 fields are kept, bit 2 the preface of HTTP/2 comes first, bits 3 to 5 how large
 * the pieces are, bits 6 and 7 when answers come. */
#include "http.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct http_server *server;
static struct http_request *open_ones[4096];
static unsigned opened, mode;

static void answer(struct http_request *r)
{
	static uint8_t body[3000];
	static const struct http_field field = {"x-a", "b"};
	struct http_reply reply = {.status = r->method == HTTP_GET ? 200 : 400, .content_type = "a/b", .max_age_s = 1,
		.fields = &field, .nfields = 1, .body = body, .body_len = mode & 1 ? sizeof(body) : 0};

	if (http_answer(server, r, &reply) < 0)
		abort();
}

static void on_request(void *ctx, struct http_request *r)
{
	size_t all = 0;

	(void)ctx;
	/* whatever is there can be read */
	all += strlen(r->envelope.path) + strlen(r->envelope.query) + strlen(r->envelope.host) + strlen(r->envelope.scheme);
	all += strlen(r->content_type) + strlen(r->accept) + strlen(r->forwarded_for);
	for (size_t i = 0; i < r->envelope.nfields; i++)
		all += strlen(r->envelope.fields[i].name) + strlen(r->envelope.fields[i].value);
	for (size_t i = 0; i < r->body_len; i++)
		all += r->body[i];
	must(r->body_len <= HTTP_BODY_MAX && r->envelope.nfields <= HTTP_FIELDS_MAX && all < SIZE_MAX);
	if (mode < 2) {
		answer(r);
		return;
	}
	must(opened < LEN(open_ones));
	open_ones[opened++] = r;
}

static void on_gone(void *ctx, struct http_request *r)
{
	unsigned i = 0;

	(void)ctx;
	while (i < opened && open_ones[i] != r)
		i++;
	must(i < opened);
	open_ones[i] = open_ones[--opened];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct http_server_ops ops = {on_request, on_gone};
	struct bytes out = {0};
	unsigned how = size ? data[0] : 0;
	size_t piece = (size_t)1 << 2 * (how >> 3 & 7);
	ssize_t n = 0;

	opened = 0;
	mode = how >> 6;
	server = http_server_new(&ops, NULL, how & 2, how & 1);
	if (!server)
		abort();
	if (how & 4)
		must(http_server_feed(server, (const uint8_t *)"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24) == 24);
	for (size_t at = size ? 1 : 0; at < size; at += (size_t)n) {
		http_server_turn(server);
		n = http_server_feed(server, data + at, size - at < piece ? size - at : piece);
		must(n <= (ssize_t)(size - at));
		if (http_server_drain(server, &out, 1000) < 0)
			abort();
		bytes_drop(&out, out.len);
		if (opened && mode == 2)
			answer(open_ones[--opened]);
		if (n < 0 || (n == 0 && !opened))
			break;
		must(http_server_open(server) >= opened);
		must(http_server_memory(server) <= 256 * 1024 + 2 * HTTP_HEADER_MAX);
		if (n == 0)
			answer(open_ones[--opened]);
	}
	must(n >= 0 || http_server_ended(server));
	http_server_goaway(server);
	if (http_server_drain(server, &out, SIZE_MAX) < 0)
		abort();
	http_server_free(&server);
	must(opened == 0);
	bytes_free(&out);
	return 0;
}
