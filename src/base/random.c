/* random.c: random numbers from the kernel in batches, and a repeatable sequence for tests. */
#include "hash.h"
#include "entropy.h"
#include <fcntl.h>
#include <sys/random.h>
#include <unistd.h>

/* For kernels older than getrandom(2). */
static bool fill_from_device(uint8_t *out, size_t len)
{
	int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	while (len > 0) {
		ssize_t n = read(fd, out, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		out += n;
		len -= (size_t)n;
	}
	close(fd);
	return len == 0;
}

void entropy_fill(void *out, size_t len)
{
	uint8_t *p = out;
	while (len > 0) {
		ssize_t n = getrandom(p, len, 0);
		if (n > 0) {
			p += n;
			len -= (size_t)n;
		} else if (n == 0 || errno != EINTR) {
			break;
		}
	}
	bool random_bytes_are_available = len == 0 || fill_from_device(p, len);
	must(random_bytes_are_available);
}

/* splitmix64 (Steele, Lea, Flood). */
static uint64_t test_next(struct rng *r)
{
	r->test_state += UINT64_C(0x9e3779b97f4a7c15);
	if (r->test_state == 0) /* 0 would mean: not repeatable */
		r->test_state = UINT64_C(0x9e3779b97f4a7c15);
	uint64_t z = r->test_state;
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* The same bytes on every machine: numbers leave test_next() low byte first. */
static void test_bytes(struct rng *r, uint8_t *out, size_t len)
{
	uint64_t v = 0;
	for (size_t i = 0; i < len; i++, v >>= 8) {
		if (i % 8 == 0)
			v = test_next(r);
		out[i] = (uint8_t)v;
	}
}

static uint64_t rng_u64(struct rng *r)
{
	uint64_t v;
	if (r->test_state != 0)
		return test_next(r);
	rng_bytes(r, &v, sizeof(v));
	return v;
}

void rng_init(struct rng *r)
{
	memset(r, 0, sizeof(*r));
}

void rng_seed(struct rng *r, uint64_t seed)
{
	rng_init(r);
	r->test_state = seed != 0 ? seed : 1;
}

void rng_bytes(struct rng *r, void *out, size_t len)
{
	if (r->test_state != 0) {
		test_bytes(r, out, len);
		return;
	}
	if (len > sizeof(r->pool)) {
		entropy_fill(out, len);
		return;
	}
	if (r->left < len) {
		entropy_fill(r->pool, sizeof(r->pool));
		r->left = sizeof(r->pool);
	}
	r->left -= (unsigned)len;
	memcpy(out, r->pool + r->left, len);
	memset(r->pool + r->left, 0, len); /* what was given away is kept nowhere */
}

uint32_t rng_u32(struct rng *r)
{
	uint32_t v;
	if (r->test_state != 0)
		return (uint32_t)(test_next(r) >> 32);
	rng_bytes(r, &v, sizeof(v));
	return v;
}

/* Lemire's method: the high half of a product; the few low halves that would favour some are
 * drawn anew. */
uint32_t rng_below(struct rng *r, uint32_t n)
{
	if (n == 0)
		return 0;
	uint64_t product = (uint64_t)rng_u32(r) * n;
	if ((uint32_t)product < n) {
		uint32_t uneven = -n % n; /* 2^32 mod n */
		while ((uint32_t)product < uneven)
			product = (uint64_t)rng_u32(r) * n;
	}
	return (uint32_t)(product >> 32);
}

double rng_unit(struct rng *r)
{
	return (double)(rng_u64(r) >> 11) * 0x1p-53; /* the 53 bits that a double holds */
}

void rng_uuid(struct rng *r, char out[37])
{
	static const char hex[] = "0123456789abcdef";
	uint8_t b[16];
	rng_bytes(r, b, sizeof(b));
	b[6] = (uint8_t)((b[6] & 0x0f) | 0x40); /* RFC 9562 5.4 */
	b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
	for (unsigned i = 0; i < sizeof(b); i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*out++ = '-';
		*out++ = hex[b[i] >> 4];
		*out++ = hex[b[i] & 15];
	}
	*out = '\0';
}
