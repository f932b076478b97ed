/* test_rename.c: another name for the question of a message that uses compression. */
#include "mem.h"
#include "wire.h"

int test_rename(void);

static const uint8_t answer[] = {0x12, 0x34, 0x81, 0x80, 0, 1, 0, 4, 0, 0, 0, 1, /* 12 */
	3, 'w', 'w', 'w', 1, 'a', 0, 0, 1, 0, 1,                                      /* www.a A IN */
	0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 60, 0, 6, 3, 'c', 'd', 'n', 0xc0, 16,          /* CNAME cdn.a */
	0xc0, 35, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1,                        /* cdn.a A */
	0xc0, 35, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 2,                        /* cdn.a A */
	0xc0, 12, 0, 15, 0, 1, 0, 0, 0, 60, 0, 4, 0, 10, 0xc0, 35,                    /* MX 10 cdn.a */
	0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0};                                          /* OPT */
static const uint8_t renamed_answer[] = {0x12, 0x34, 0x81, 0x80, 0, 1, 0, 4, 0, 0, 0, 1, 2, 'n', 'o', 0, 0, 1, 0, 1,
	0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 60, 0, 7, 3, 'c', 'd', 'n', 1, 'a', 0,         /* */
	3, 'c', 'd', 'n', 1, 'a', 0, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1,     /* in full once */
	0xc0, 39, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 2,                        /* */
	0xc0, 12, 0, 15, 0, 1, 0, 0, 0, 60, 0, 9, 0, 10, 3, 'c', 'd', 'n', 1, 'a', 0, /* */
	0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0};

static void renames(void **state)
{
	uint8_t msg[512];
	size_t len = sizeof(answer);
	struct name to;

	(void)state;
	assert_int_equal(name_from_text(&to, "no", 2), 0);
	memcpy(msg, answer, len);
	assert_int_equal(msg_rename(msg, &len, sizeof(msg), &to), 0);
	assert_int_equal(len, sizeof(renamed_answer));
	assert_memory_equal(msg, renamed_answer, len);
	/* one byte too few, then just enough */
	len = sizeof(answer);
	memcpy(msg, answer, len);
	assert_int_equal(msg_rename(msg, &len, sizeof(renamed_answer) - 1, &to), -ENOBUFS);
	assert_int_equal(len, sizeof(answer));
	assert_memory_equal(msg, answer, len);
	assert_int_equal(msg_rename(msg, &len, sizeof(renamed_answer), &to), 0);
	mem_fail_at(1);
	assert_int_equal(msg_rename(msg, &len, sizeof(msg), &to), -ENOMEM);
	mem_fail_at(0);
}

/* Cut anywhere, or with any byte changed: an error or a message no longer than the room, never a fault. */
static void renames_rubbish(void **state)
{
	uint8_t msg[160];
	struct name to;

	(void)state;
	assert_int_equal(name_from_text(&to, "other.name", 10), 0);
	for (size_t cut = 0; cut < sizeof(answer); cut++) {
		size_t len = cut;

		memcpy(msg, answer, cut);
		assert_int_equal(msg_rename(msg, &len, sizeof(msg), &to), -EBADMSG);
	}
	for (size_t at = 0; at < sizeof(answer); at++) {
		for (unsigned v = 0; v < 256; v += 5) {
			size_t len = sizeof(answer);
			int err;

			memcpy(msg, answer, len);
			msg[at] = (uint8_t)v;
			err = msg_rename(msg, &len, sizeof(msg), &to);
			assert_true(err == 0 || err == -EBADMSG || err == -ENOBUFS);
			assert_true(len <= sizeof(msg));
			if (err == 0)
				assert_true(msg_end(msg, len) >= 0);
		}
	}
}

int test_rename(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(renames),
		cmocka_unit_test(renames_rubbish),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
