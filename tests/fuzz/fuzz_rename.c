/* fuzz_rename.c: renames the question of arbitrary messages.  What came out parses, has the new name and as many records
 * as before, and stayed within its room; what failed left the message alone.
 * Input: a byte that chooses the name, a byte of room, the message. */
#include "dns.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = {".", "a", "other.name", "www.example.org"};
	struct name to, got;
	size_t len, cap;
	uint8_t *msg;
	int rc;

	if (size < 2)
		return 0;
	must(name_from_text(&to, names[data[0] % LEN(names)], strlen(names[data[0] % LEN(names)])) == 0);
	len = size - 2;
	cap = len + data[1];
	msg = malloc(cap + 1);
	if (!msg)
		abort();
	memcpy(msg, data + 2, len);
	rc = msg_rename(msg, &len, cap, &to);
	must(len <= cap);
	if (rc == 0) {
		must(name_from_msg(&got, msg, len, DNS_HEADER) > 0);
		must(got.len == to.len && memcmp(got.wire, to.wire, to.len) == 0);
		must(msg_end(msg, len) >= 0);
		must(memcmp(msg, data + 2, DNS_HEADER) == 0);
	} else {
		must(len == size - 2 && memcmp(msg, data + 2, len) == 0);
	}
	free(msg);
	return 0;
}
