/* fuzz_proxy.c: reads PROXY headers; one that is whole can be built again and says the same. */
#include "net.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void same_again(const struct proxy *x)
{
	static uint8_t out[PROXY_HEADER + 65535];
	struct proxy y;
	ssize_t n = proxy_build(x, out, sizeof(out));

	must(n >= PROXY_HEADER);
	must(proxy_build(x, out, (size_t)n - 1) == -ENOBUFS);
	must(proxy_parse(&y, out, (size_t)n, 65535) == n);
	must(y.local == x->local);
	if (x->local)
		return;
	must(y.stream == x->stream && y.tlvs == x->tlvs);
	must(addr_same(&x->source, &y.source) && addr_same(&x->destination, &y.destination));
	for (unsigned i = 0; i < x->tlvs; i++) {
		must(x->tlv[i].type == y.tlv[i].type && x->tlv[i].len == y.tlv[i].len);
		must(x->tlv[i].len == 0 || memcmp(x->tlv[i].data, y.tlv[i].data, x->tlv[i].len) == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *p = malloc(size + 1);
	struct proxy x;
	ssize_t n;

	if (!p)
		abort();
	memcpy(p, data, size); /* just this long, so that reading past it is seen */
	n = proxy_parse(&x, p, size, 65535);
	must(n <= (ssize_t)size && (n == 0 || n == -EBADMSG || n >= PROXY_HEADER));
	if (n > 0) {
		struct proxy y;

		/* every part of it asks for more, and a limit below its payload refuses it */
		for (ssize_t i = 0; i < n; i += i < 64 ? 1 : 97)
			must(proxy_parse(&y, p, (size_t)i, 65535) == 0);
		if (n > PROXY_HEADER)
			must(proxy_parse(&y, p, (size_t)n, (size_t)n - PROXY_HEADER - 1) == -EBADMSG);
		must(proxy_parse(&x, p, (size_t)n, 65535) == n);
		same_again(&x);
	}
	free(p);
	return 0;
}
