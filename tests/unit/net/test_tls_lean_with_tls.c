/* test_tls_lean_with_tls.c: TLS 1.3 connections without the library's state: keys that change, records of all sizes, a
 * kernel that takes no more, ends of all kinds, records that must not be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "tls_caller.h"

int test_tls_lean_with_tls(void);

static struct tls_server *server;
static const char *const suites[] = {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"};

static int set_up(void **state)
{
	if (caller_set_up(state) < 0)
		return -1;
	server = serve(serving());
	return 0;
}

static int tear_down(void **state)
{
	tls_server_free(&server);
	return caller_tear_down(state);
}

static SSL_CTX *caller(size_t suite)
{
	SSL_CTX *ctx = caller_new(TLS1_3_VERSION);

	assert_int_equal(SSL_CTX_set_ciphersuites(ctx, suites[suite]), 1);
	return ctx;
}

static void connect_by(struct call *c, SSL_CTX *ctx)
{
	assert_true(call_open(c, server, ctx, NULL));
	assert_int_equal(call_shake(c), 0);
	assert_null(c->wire.tls->ssl); /* gone */
}

static void key_updates(void **state)
{
	(void)state;
	for (size_t i = 0; i < LEN(suites); i++) {
		SSL_CTX *ctx = caller(i);
		struct call c;

		connect_by(&c, ctx);
		for (int k = 0; k < 6; k++) {
			assert_int_equal(call_talk(&c), 0);
			assert_int_equal(SSL_key_update(c.peer, k % 2 ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED), 1);
			if (k > 3) /* two of them before anything else */
				assert_int_equal(SSL_do_handshake(c.peer), 1);
			if (k > 3)
				assert_int_equal(SSL_key_update(c.peer, SSL_KEY_UPDATE_REQUESTED), 1);
		}
		assert_int_equal(call_talk(&c), 0);
		assert_int_equal(call_talk(&c), 0);
		call_close(&c);
		SSL_CTX_free(ctx);
	}
}

static void too_many_key_updates(void **state)
{
	SSL_CTX *ctx = caller(0);
	uint8_t buf[8];
	struct call c;
	int i;

	(void)state;
	connect_by(&c, ctx);
	for (i = 0; i < 100; i++) {
		assert_int_equal(SSL_key_update(c.peer, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
		assert_int_equal(SSL_do_handshake(c.peer), 1);
		if (wire_read(&c.wire, buf, sizeof(buf)) != -EAGAIN)
			break;
	}
	assert_true(i > 10 && i < 50);
	assert_int_equal(wire_read(&c.wire, buf, sizeof(buf)), -EPROTO);
	assert_string_equal(tls_error(c.wire.tls), "too many records without data");
	call_close(&c);
	SSL_CTX_free(ctx);
}

/* Many pieces in, read with all kinds of room. */
static void pieces_in(void **state)
{
	static const size_t caps[] = {1, 2, 7, 100, 4096, 65536};
	static const size_t pieces[] = {1, 2, 300, 16384, 5, 16383, 4000, 16384, 16384, 1, 9000};

	(void)state;
	for (size_t i = 0; i < LEN(caps) * LEN(suites); i++) {
		SSL_CTX *ctx = caller(i % LEN(suites));
		static uint8_t out[16384], in[65536];
		size_t cap = caps[i / LEN(suites)], sum = 0, got = 0;
		uint32_t next = 0, seen = 0;
		struct call c;
		ssize_t n;

		if (i % 2)
			SSL_CTX_set_block_padding(ctx, 512);
		connect_by(&c, ctx);
		for (size_t k = 0; k < LEN(pieces); k++) {
			for (size_t b = 0; b < pieces[k]; b++)
				out[b] = (uint8_t)(next++ * 7 % 251);
			assert_int_equal(SSL_write(c.peer, out, (int)pieces[k]), pieces[k]);
			sum += pieces[k];
			if (sum < 60000 && k + 1 < LEN(pieces)) /* several pile up */
				continue;
			do {
				n = wire_read(&c.wire, in, cap);
				if (n == -EAGAIN && !wire_more(&c.wire))
					break;
				if (n <= 0)
					fail_msg("cap %zu: %zd %s", cap, n, tls_error(c.wire.tls));
				for (ssize_t b = 0; b < n; b++)
					if (in[b] != (uint8_t)(seen++ * 7 % 251))
						fail_msg("byte %u", seen - 1);
				got += (size_t)n;
			} while (true);
			assert_int_equal(got, sum);
		}
		call_close(&c);
		SSL_CTX_free(ctx);
	}
}

/* Records that came together leave with one read where there is room for them. */
static void one_read(void **state)
{
	SSL_CTX *ctx = caller(1);
	uint8_t buf[4096];
	struct call c;

	(void)state;
	connect_by(&c, ctx);
	for (int i = 0; i < 20; i++)
		assert_int_equal(SSL_write(c.peer, "0123456789", 10), 10);
	assert_int_equal(wire_read(&c.wire, buf, sizeof(buf)), 200);
	assert_false(wire_more(&c.wire));
	for (int i = 0; i < 3; i++)
		assert_int_equal(SSL_write(c.peer, "0123456789", 10), 10);
	assert_int_equal(wire_read(&c.wire, buf, 15), 15);
	assert_true(wire_more(&c.wire));
	assert_int_equal(wire_read(&c.wire, buf, 5), 5);
	assert_true(wire_more(&c.wire));
	assert_int_equal(wire_read(&c.wire, buf, 15), 10);
	assert_false(wire_more(&c.wire));
	assert_int_equal(wire_read(&c.wire, buf, 15), -EAGAIN);
	call_close(&c);
	SSL_CTX_free(ctx);
}

/* A peer that does not read: writes stop, what was refused is offered again and all arrives in order. */
static void slow_reader(void **state)
{
	(void)state;
	for (size_t i = 0; i < LEN(suites); i++) {
		static uint8_t out[50000], in[20000];
		size_t total = 3000000, sent = 0, seen = 0;
		SSL_CTX *ctx = caller(i);
		unsigned blocked = 0;
		struct call c;

		connect_by(&c, ctx);
		while (seen < total) {
			ssize_t n = 0;

			while (sent < total && n >= 0) {
				size_t len = total - sent < sizeof(out) ? total - sent : sizeof(out);

				for (size_t b = 0; b < len; b++)
					out[b] = (uint8_t)((sent + b) % 253);
				n = wire_write(&c.wire, out, len);
				sent += n > 0 ? (size_t)n : 0;
			}
			assert_true(n > 0 || n == -EAGAIN || sent == total);
			if (n == -EAGAIN) {
				blocked++;
				assert_true(c.wire.blocked);
				assert_int_equal(wire_want(&c.wire, true, true), 0);
				assert_int_equal(c.wire.io.what, IO_READ | IO_WRITE);
			}
			for (int k = 0, r; k < 5 && (r = SSL_read(c.peer, in, sizeof(in))) > 0; k++)
				for (int b = 0; b < r; b++)
					if (in[b] != (uint8_t)(seen++ % 253))
						fail_msg("byte %zu", seen - 1);
		}
		assert_true(blocked > 3);
		assert_int_equal(sent, seen);
		assert_int_equal(call_talk(&c), 0);
		call_close(&c);
		SSL_CTX_free(ctx);
	}
}

static void ends(void **state)
{
	SSL_CTX *ctx = caller(0);
	uint8_t buf[32];
	struct call c;

	(void)state;
	/* the peer says good-bye and still listens */
	connect_by(&c, ctx);
	assert_int_equal(SSL_write(c.peer, "last", 4), 4);
	assert_int_equal(SSL_shutdown(c.peer), 0);
	assert_int_equal(wire_read(&c.wire, buf, sizeof(buf)), 4);
	assert_int_equal(wire_read(&c.wire, buf, sizeof(buf)), 0);
	assert_int_equal(wire_read(&c.wire, buf, sizeof(buf)), 0);
	assert_int_equal(wire_write(&c.wire, (const uint8_t *)"answer", 6), 6);
	assert_int_equal(SSL_read(c.peer, buf, sizeof(buf)), 6);
	call_close(&c);
	/* it leaves without a word, its last record still counts */
	connect_by(&c, ctx);
	assert_int_equal(SSL_write(c.peer, "last", 4), 4);
	assert_int_equal(shutdown(c.fd, SHUT_WR), 0);
	assert_int_equal(wire_read(&c.wire, buf, 2), 2);
	assert_int_equal(wire_read(&c.wire, buf, 2), 2);
	assert_int_equal(wire_read(&c.wire, buf, 2), 0);
	call_close(&c);
	/* in the middle of a record */
	connect_by(&c, ctx);
	assert_int_equal(write(c.fd, "\x17\3\3\0\x40xxxx", 9), 9);
	assert_int_equal(shutdown(c.fd, SHUT_WR), 0);
	assert_int_equal(wire_read(&c.wire, buf, sizeof(buf)), -EAGAIN);
	assert_int_equal(wire_read(&c.wire, buf, sizeof(buf)), 0);
	call_close(&c);
	/* we leave */
	connect_by(&c, ctx);
	wire_close(&c.wire, false);
	c.open = false;
	assert_int_equal(SSL_read(c.peer, buf, sizeof(buf)), 0);
	assert_int_equal(SSL_get_error(c.peer, 0), SSL_ERROR_ZERO_RETURN);
	call_close(&c);
	connect_by(&c, ctx);
	wire_close(&c.wire, true);
	c.open = false;
	assert_true(SSL_read(c.peer, buf, sizeof(buf)) <= 0);
	assert_int_equal(SSL_get_shutdown(c.peer) & SSL_RECEIVED_SHUTDOWN, 0);
	call_close(&c);
	/* nobody is there any more */
	connect_by(&c, ctx);
	SSL_free(c.peer);
	c.peer = NULL;
	close(c.fd);
	c.fd = -1;
	assert_int_equal(wire_write(&c.wire, buf, 10), -EPIPE);
	assert_int_equal(wire_write(&c.wire, buf, 10), -ECONNRESET);
	call_close(&c);
	SSL_CTX_free(ctx);
}

/* The first query, and even the end, may come with the end of the handshake. */
static void all_at_once(void **state)
{
	(void)state;
	for (size_t i = 0; i < 8; i++) {
		SSL_CTX *ctx = caller(i % LEN(suites));
		uint8_t buf[32];
		struct call c;

		assert_true(call_open(&c, server, ctx, NULL));
		assert_int_equal(SSL_do_handshake(c.peer), -1);
		assert_int_equal(wire_read(&c.wire, buf, sizeof(buf)), -EAGAIN);
		assert_int_equal(SSL_do_handshake(c.peer), 1);
		assert_int_equal(SSL_write(c.peer, "query", 5), 5);
		assert_int_equal(SSL_write(c.peer, "again", 5), 5);
		if (i & 1)
			assert_int_equal(SSL_shutdown(c.peer), 0);
		if (i & 2)
			assert_int_equal(shutdown(c.fd, SHUT_WR), 0);
		if (i & 4)
			assert_int_equal(wire_shake(&c.wire), 0);
		assert_int_equal(wire_more(&c.wire), (i & 4) != 0); /* the kernel will not announce it */
		assert_int_equal(wire_read(&c.wire, buf, sizeof(buf)), 10);
		assert_memory_equal(buf, "queryagain", 10);
		assert_int_equal(wire_read(&c.wire, buf, sizeof(buf)), i & 3 ? 0 : -EAGAIN);
		call_close(&c);
		SSL_CTX_free(ctx);
	}
}

static void bad_records(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		const char *error;
		int alert;
	} cases[] = {
		{"\x17\3\3\0\x20""0123456789abcdef0123456789abcdef", 37, "bad record: decryption failed", 20},
		{"\x17\3\3\0\x10""0123456789abcdef", 21, "bad record: decryption failed", 20},
		{"\x17\3\3\0\0", 5, "bad record: decryption failed", 20},
		{"\x14\3\3\0\1\1", 6, "unexpected record", 10},
		{"\x15\3\3\0\2\1\0", 7, "unexpected record", 10},
		{"\x16\3\3\0\5\x18\0\0\1\0", 10, "unexpected record", 10},
		{"\x17\3\3\xff\xff", 5, "bad record: too long", 22},
		{"GET /", 5, "unexpected record", 10},
		{"x", 1, "unexpected record", 10},
	};
	SSL_CTX *ctx = caller(1);
	uint8_t buf[32];
	struct call c;

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		connect_by(&c, ctx);
		assert_int_equal(call_talk(&c), 0);
		assert_int_equal(SSL_write(c.peer, "good", 4), 4);
		assert_int_equal(write(c.fd, cases[i].bytes, cases[i].len), cases[i].len);
		assert_int_equal(wire_read(&c.wire, buf, sizeof(buf)), 4);
		assert_int_equal(wire_read(&c.wire, buf, sizeof(buf)), -EPROTO);
		if (strcmp(tls_error(c.wire.tls), cases[i].error) != 0)
			fail_msg("case %zu: %s", i, tls_error(c.wire.tls));
		assert_int_equal(wire_write(&c.wire, buf, 1), -EPROTO);
		assert_true(SSL_read(c.peer, buf, sizeof(buf)) <= 0);
		assert_int_equal(ERR_GET_REASON(ERR_peek_error()), SSL_AD_REASON_OFFSET + cases[i].alert);
		call_close(&c);
	}
	SSL_CTX_free(ctx);
}

/* A record of the longest length that is never whole takes no more than it brought. */
static void longest_record(void **state)
{
	static uint8_t big[5 + 16384 + 256] = {0x17, 3, 3, 0x41, 0};
	SSL_CTX *ctx = caller(1);
	uint8_t buf[32];
	struct call c;

	(void)state;
	connect_by(&c, ctx);
	assert_int_equal(write(c.fd, big, sizeof(big) - 1), sizeof(big) - 1);
	assert_int_equal(wire_read(&c.wire, buf, sizeof(buf)), -EAGAIN);
	assert_int_equal(c.wire.tls->part_len, sizeof(big) - 1);
	assert_int_equal(write(c.fd, big, 1), 1);
	assert_int_equal(wire_read(&c.wire, buf, sizeof(buf)), -EPROTO);
	assert_string_equal(tls_error(c.wire.tls), "bad record: decryption failed");
	call_close(&c);
	SSL_CTX_free(ctx);
}

/* A client that agreed on short records with us gets short records: the library stays. */
static void short_records(void **state)
{
	SSL_CTX *ctx = caller(1);
	static uint8_t out[3000], in[3000];
	struct call c;

	(void)state;
	SSL_CTX_set_tlsext_max_fragment_length(ctx, TLSEXT_max_fragment_length_512);
	assert_true(call_open(&c, server, ctx, NULL));
	assert_int_equal(call_shake(&c), 0);
	assert_non_null(c.wire.tls->ssl);
	for (size_t sent = 0; sent < sizeof(out);) {
		ssize_t n = wire_write(&c.wire, out + sent, sizeof(out) - sent);

		assert_int_equal(n, sizeof(out) - sent < 512 ? sizeof(out) - sent : 512);
		assert_int_equal(SSL_read(c.peer, in, sizeof(in)), n);
		sent += (size_t)n;
	}
	assert_int_equal(call_talk(&c), 0);
	call_close(&c);
	SSL_CTX_free(ctx);
}

static int everything(SSL_CTX *ctx)
{
	static uint8_t block[40000];
	uint8_t small[10];
	struct call c;
	ssize_t n = -ENOMEM, rc = 0;

	if (call_open(&c, server, ctx, NULL) && call_shake(&c) == 0) {
		assert_int_equal(SSL_write(c.peer, block, 5000), 5000);
		assert_int_equal(SSL_key_update(c.peer, SSL_KEY_UPDATE_REQUESTED), 1);
		assert_int_equal(SSL_write(c.peer, block, 5000), 5000);
		assert_int_equal(write(c.fd, "\x17\3\3", 3), 3);
		while ((n = wire_read(&c.wire, small, sizeof(small))) > 0)
			;
		while (n == -EAGAIN && (rc = wire_write(&c.wire, block, sizeof(block))) > 0)
			;
	}
	call_close(&c);
	return n == -EAGAIN && rc == -EAGAIN ? 0 : -1;
}

static void memory_is_out(void **state)
{
	unsigned bad = 0, n;

	(void)state;
	for (n = 1; n < 200; n++) {
		SSL_CTX *ctx = caller(n % LEN(suites));
		unsigned long before = mem_calls();

		mem_fail_at(n);
		bad += everything(ctx) < 0;
		mem_fail_at(0);
		SSL_CTX_free(ctx);
		if (mem_calls() - before < n)
			break;
	}
	assert_true(n > 8 && n < 200);
	assert_true(bad > 5);
}

int test_tls_lean_with_tls(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(key_updates),
		cmocka_unit_test(too_many_key_updates),
		cmocka_unit_test(pieces_in),
		cmocka_unit_test(one_read),
		cmocka_unit_test(slow_reader),
		cmocka_unit_test(ends),
		cmocka_unit_test(all_at_once),
		cmocka_unit_test(bad_records),
		cmocka_unit_test(longest_record),
		cmocka_unit_test(short_records),
		cmocka_unit_test(memory_is_out),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
