/* fuzz_h2_client.c: the client's side of HTTP/2: questions are out, any bytes come back in any pieces.
 * First byte: bits 0 to 2 how large the pieces are, bits 3 to 6 how many questions, bit 7 one is forgotten. */
#include "http.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool told[64];

static void on_reply(void *ctx, uint32_t user, unsigned status, const char *type, const uint8_t *body, size_t len)
{
	size_t all = strlen(type) + status;

	(void)ctx;
	for (size_t i = 0; i < len; i++)
		all += body[i];
	must(user < LEN(told) && !told[user] && len <= HTTP_BODY_MAX && all < SIZE_MAX);
	told[user] = true;
}

static void on_lost(void *ctx, uint32_t user, enum http_lost how)
{
	(void)ctx;
	must(user < LEN(told) && !told[user] && how <= HTTP_LOST_CLOSED);
	told[user] = true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct http_client_ops ops = {on_reply, on_lost};
	static const uint8_t question[40];
	unsigned how = size ? data[0] : 0, questions = how >> 3 & 15;
	size_t piece = (size_t)1 << 2 * (how & 7);
	struct http_client *client = http_client_new(&ops, NULL, "a.example", "/dns-query");
	struct bytes out = {0};
	ssize_t n = 0;

	if (!client)
		abort();
	memset(told, 0, sizeof(told));
	for (uint32_t i = 0; i < questions; i++)
		must(http_client_ask(client, i, question, sizeof(question), NULL, 0) == 0);
	for (size_t at = size ? 1 : 0; at < size; at += (size_t)n) {
		if (http_client_drain(client, &out, SIZE_MAX) < 0)
			abort();
		bytes_drop(&out, out.len);
		n = http_client_feed(client, data + at, size - at < piece ? size - at : piece);
		must(n != 0 && n <= (ssize_t)(size - at));
		if (n < 0)
			break;
		if (how & 0x80 && questions && !told[0]) {
			http_client_forget(client, 0);
			told[0] = true;
		}
		must(http_client_room(client) <= 256);
	}
	must(n >= 0 || http_client_ended(client));
	if (http_client_drain(client, &out, SIZE_MAX) < 0)
		abort();
	http_client_free(&client);
	bytes_free(&out);
	return 0;
}
