/* fuzz_frame.c: cuts arbitrary bytes into messages, at once and as they might come in pieces: both must agree. */
#include "dns.h"
#include "net.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST = 1024 };

/* frames notes the lengths of the messages in |data|; how many, and |*used_r| bytes of it; -1 at the end: malformed. */
static unsigned frames(const uint8_t *data, size_t size, size_t *len, size_t *used_r, int *end_r)
{
	const uint8_t *msg;
	unsigned n = 0;

	*used_r = 0;
	while ((*end_r = frame_next(data + *used_r, size - *used_r, &msg, &len[n])) == 1) {
		must(msg == data + *used_r + 2 && len[n] >= DNS_HEADER && msg + len[n] <= data + size);
		*used_r += 2 + len[n];
		if (++n == MOST)
			break;
	}
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t whole[MOST], used, at = 0, step = size ? data[0] % 29 + 1u : 1;
	struct bytes in = {0}, out = {0};
	int end, now = 0;
	unsigned n, seen = 0;

	n = frames(data, size, whole, &used, &end);
	while (at < size && now >= 0 && seen < n) {
		size_t part = size - at < step ? size - at : step, len;
		const uint8_t *msg;

		must(bytes_add(&in, data + at, part) == 0);
		at += part;
		while (seen < n && (now = frame_next(in.p + in.at, in.len, &msg, &len)) == 1) {
			must(len == whole[seen++]);
			must(bytes_add_frame(&out, msg, len) == 0);
			bytes_drop(&in, 2 + len);
		}
		step = step % 251 + 13;
	}
	must(seen == n);
	/* what was framed again is what came in */
	must(out.len == used && (used == 0 || memcmp(out.p + out.at, data, used) == 0));
	bytes_free(&in);
	bytes_free(&out);
	return 0;
}
