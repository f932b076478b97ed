/* test_hash.c: SipHash-1-3 against values of an independent implementation (which also gave the published
 * SipHash-2-4 vector), and the process's key. */
#include "hash.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static const struct {
	unsigned len; /* of the message 00 01 02 …; the key is 00 01 … 0f */
	uint64_t hash;
} vectors[] = {
	{0, UINT64_C(0xabac0158050fc4dc)},
	{1, UINT64_C(0xc9f49bf37d57ca93)},
	{2, UINT64_C(0x82cb9b024dc7d44d)},
	{3, UINT64_C(0x8bf80ab8e7ddf7fb)},
	{4, UINT64_C(0xcf75576088d38328)},
	{5, UINT64_C(0xdef9d52f49533b67)},
	{6, UINT64_C(0xc50d2b50c59f22a7)},
	{7, UINT64_C(0xd3927d989bb11140)},
	{8, UINT64_C(0x369095118d299a8e)},
	{9, UINT64_C(0x25a48eb36c063de4)},
	{15, UINT64_C(0xd320d86d2a519956)},
	{16, UINT64_C(0xcc4fdd1a7d908b66)},
	{17, UINT64_C(0x9cf2689063dbd80c)},
	{23, UINT64_C(0x525a0e7fdae6c123)},
	{24, UINT64_C(0xf464aeb267349c8c)},
	{31, UINT64_C(0x2370dd1f8c21d1bc)},
	{32, UINT64_C(0x81157b6c16a7b60d)},
	{63, UINT64_C(0x9d199062b7bbb3a8)},
	{64, UINT64_C(0xf17997ec4b4a6065)},
	{255, UINT64_C(0xf76214e3153c4a15)},
};

static void siphash_vectors(void **state UNUSED)
{
	uint8_t key[16], text[256 + 8], ones[16];
	for (unsigned i = 0; i < 16; i++)
		key[i] = (uint8_t)i;
	for (unsigned i = 0; i < LEN(vectors); i++) {
		for (unsigned shift = 0; shift < 8; shift++) { /* at any alignment */
			for (unsigned k = 0; k < 256; k++)
				text[k + shift] = (uint8_t)k;
			assert_true(hash_sip13(key, text + shift, vectors[i].len) == vectors[i].hash);
		}
	}
	memset(ones, 0xff, sizeof(ones));
	assert_true(hash_sip13(ones, ones, 9) == UINT64_C(0x931d6f275fbb82a9));
}

static void process_key(void **state UNUSED)
{
	static const uint8_t one[16] = {1}, two[16] = {2};
	uint64_t drawn = hash_bytes("name", 4);
	assert_true(drawn == hash_bytes("name", 4));
	assert_true(drawn != hash_bytes("nama", 4));
	hash_set_key(one);
	drawn = hash_bytes("name", 4);
	hash_set_key(two);
	assert_true(hash_bytes("name", 4) != drawn);
	hash_set_key(one);
	assert_true(hash_bytes("name", 4) == drawn);
}

/* Every length has its own hash, and every bit of the data counts. */
static void every_bit(void **state UNUSED)
{
	uint8_t data[80] = {0};
	uint64_t seen[81];

	for (unsigned len = 0; len <= sizeof(data); len++) {
		seen[len] = hash_bytes(data, len);
		for (unsigned i = 0; i < len; i++)
			assert_true(seen[i] != seen[len]);
		for (unsigned bit = 0; bit < len * 8; bit++) {
			data[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_true(hash_bytes(data, len) != seen[len]);
			data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
	}
}

int test_hash(void);
int test_hash(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(siphash_vectors),
		cmocka_unit_test(process_key),
		cmocka_unit_test(every_bit),
	};
	return cmocka_run_group_tests_name("hash", tests, NULL, NULL);
}
