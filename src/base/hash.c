/* hash.c: keyed hashing: SipHash-1-3, and folded multiplication for the data path. */
#include "hash.h"
#include "entropy.h"
#include <pthread.h>
#include <stdatomic.h>

struct sip {
	uint64_t v0, v1, v2, v3;
};

static pthread_mutex_t key_lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_bool key_ready;
static uint8_t process_key[16];

static inline uint64_t load_le64(const uint8_t *p)
{
	uint64_t v;
	memcpy(&v, p, sizeof(v));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	v = __builtin_bswap64(v);
#endif
	return v;
}

static inline uint64_t rotl(uint64_t x, unsigned n)
{
	return x << n | x >> (64 - n);
}

static inline void sip_round(struct sip *s)
{
	s->v0 += s->v1;
	s->v1 = rotl(s->v1, 13) ^ s->v0;
	s->v0 = rotl(s->v0, 32);
	s->v2 += s->v3;
	s->v3 = rotl(s->v3, 16) ^ s->v2;
	s->v0 += s->v3;
	s->v3 = rotl(s->v3, 21) ^ s->v0;
	s->v2 += s->v1;
	s->v1 = rotl(s->v1, 17) ^ s->v2;
	s->v2 = rotl(s->v2, 32);
}

static inline void sip_word(struct sip *s, uint64_t m)
{
	s->v3 ^= m;
	sip_round(s);
	s->v0 ^= m;
}

uint64_t hash_sip13(const uint8_t key[16], const void *data, size_t len)
{
	const uint8_t *p = data;
	uint64_t k0 = load_le64(key), k1 = load_le64(key + 8);
	struct sip s = {
		k0 ^ UINT64_C(0x736f6d6570736575),
		k1 ^ UINT64_C(0x646f72616e646f6d),
		k0 ^ UINT64_C(0x6c7967656e657261),
		k1 ^ UINT64_C(0x7465646279746573),
	};
	uint8_t last[8] = {[7] = (uint8_t)len};
	for (; len >= 8; len -= 8, p += 8)
		sip_word(&s, load_le64(p));
	memcpy(last, p, len);
	sip_word(&s, load_le64(last));
	s.v2 ^= 0xff;
	sip_round(&s);
	sip_round(&s);
	sip_round(&s);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

#ifdef __SIZEOF_INT128__
/* Where one instruction multiplies 64 by 64 bits, two of them hash a name: each step multiplies data masked by the
 * secret and folds the product's halves.  Without the secret nobody can aim at a bucket. */
static inline uint64_t fold(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t load_short(const uint8_t *p, size_t len) /* 1 … 3 bytes */
{
	return (uint64_t)p[0] << 16 | (uint64_t)p[len >> 1] << 8 | p[len - 1];
}

static inline uint64_t load_le32(const uint8_t *p)
{
	return (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 | (uint64_t)p[3] << 24;
}

static uint64_t hash_fast(const uint8_t key[16], const void *data, size_t len)
{
	const uint8_t *p = data, *end = p + len;
	uint64_t k0 = load_le64(key), k1 = load_le64(key + 8) ^ UINT64_C(0x8ebc6af09c88c6e3);
	uint64_t state = k0, a = 0, b = 0;

	if (len >= 16) { /* the last sixteen bytes may overlap those before */
		for (; end - p > 16; p += 16)
			state = fold(load_le64(p) ^ k1, load_le64(p + 8) ^ state);
		a = load_le64(end - 16);
		b = load_le64(end - 8);
	} else if (len >= 8) {
		a = load_le64(p);
		b = load_le64(end - 8);
	} else if (len >= 4) {
		a = load_le32(p);
		b = load_le32(end - 4);
	} else if (len > 0) {
		a = load_short(p, len);
	}
	return fold(fold(a ^ k1, b ^ state), k0 ^ (uint64_t)len ^ UINT64_C(0xd1342543de82ef95));
}
#else
#define hash_fast hash_sip13
#endif

static void key_draw(void)
{
	pthread_mutex_lock(&key_lock);
	if (!atomic_load_explicit(&key_ready, memory_order_relaxed)) {
		entropy_fill(process_key, sizeof(process_key));
		atomic_store_explicit(&key_ready, true, memory_order_release);
	}
	pthread_mutex_unlock(&key_lock);
}

uint64_t hash_bytes(const void *data, size_t len)
{
	if (unlikely(!atomic_load_explicit(&key_ready, memory_order_acquire)))
		key_draw();
	return hash_fast(process_key, data, len);
}

void hash_set_key(const uint8_t key[16])
{
	pthread_mutex_lock(&key_lock);
	memcpy(process_key, key, sizeof(process_key));
	atomic_store_explicit(&key_ready, true, memory_order_release);
	pthread_mutex_unlock(&key_lock);
}
