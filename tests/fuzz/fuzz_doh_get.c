/* fuzz_doh_get.c: the DNS message in a query string; one that is found does not depend on the room for it. */
#include "http.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *out = malloc(size + 1), *exact;
	ssize_t n;

	if (!out)
		abort();
	n = http_get_dns((const char *)data, size, out, size);
	must(n == -ENOENT || n == -EBADMSG || (n > 0 && (size_t)n <= size / 4 * 3));
	if (n > 0) {
		exact = malloc((size_t)n);
		if (!exact)
			abort();
		must(http_get_dns((const char *)data, size, exact, (size_t)n) == n);
		must(memcmp(exact, out, (size_t)n) == 0);
		must(http_get_dns((const char *)data, size, exact, (size_t)n - 1) == -EMSGSIZE);
		free(exact);
	}
	free(out);
	return 0;
}
