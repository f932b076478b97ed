/* client.c: connections that each ask one query, one after another, for the benchmarks.
 *   client WAY IP PORT COUNT NAMES FIRST [resume] [hold]
 * WAY: tcp, dot, doh, or line: text over TLS, which 'openssl s_server -rev' sends back.  NAMES: how many names take turns,
 * from number FIRST on.
 * resume: each connection offers the last ticket.  hold: all stay open until the standard input ends.
 * Prints what came of it: 'answered N resumed N last-1 N …', the last byte of the answers counted. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { PATIENCE_S = 10, BUF = 1 << 16, H2_HEAD = 9 };

struct conn {
	int fd;
	SSL *ssl;
};
static SSL_SESSION *ticket;
static uint8_t in[BUF];

static int keep_ticket(SSL *ssl, SSL_SESSION *session)
{
	(void)ssl;
	SSL_SESSION_free(ticket);
	ticket = session;
	return 1;
}

static bool put(struct conn *c, const void *p, size_t len)
{
	return c->ssl ? SSL_write(c->ssl, p, (int)len) == (int)len : send(c->fd, p, len, MSG_NOSIGNAL) == (ssize_t)len;
}

static bool get(struct conn *c, uint8_t *p, size_t len)
{
	for (size_t have = 0; have < len;) {
		long n = c->ssl ? SSL_read(c->ssl, p + have, (int)(len - have)) : recv(c->fd, p + have, len - have, 0);

		if (n <= 0)
			return false;
		have += (size_t)n;
	}
	return true;
}

/* The query for the |i|th name at |p|; returns its length. */
static size_t question(uint8_t *p, unsigned i)
{
	static const uint8_t head[] = {0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0}, tail[] = "\5bench\4test\0\0\1\0\1";
	size_t at = sizeof(head);
	int n;

	memcpy(p, head, sizeof(head));
	n = sprintf((char *)p + at + 1, "n%u", i);
	p[at] = (uint8_t)n;
	at += (size_t)n + 1;
	memcpy(p + at, tail, sizeof(tail) - 1);
	return at + sizeof(tail) - 1;
}

/* ask_line() and its siblings: the last byte of the answer, -1 when there is none. */
static int ask_line(struct conn *c)
{
	static const char line[] = "twenty-nine bytes of a query\n";

	return put(c, line, sizeof(line) - 1) && get(c, in, sizeof(line) - 1) ? in[sizeof(line) - 2] : -1;
}

static int ask_stream(struct conn *c, unsigned i)
{
	uint8_t q[64];
	size_t len = question(q + 2, i);

	q[0] = 0;
	q[1] = (uint8_t)len;
	if (!put(c, q, len + 2) || !get(c, in, 2))
		return -1;
	len = (size_t)in[0] << 8 | in[1];
	return len > 12 && get(c, in, len) && (in[3] & 15) == 0 && in[7] ? in[len - 1] : -1;
}

static uint8_t *frame(uint8_t *p, size_t len, uint8_t type, uint8_t flags, uint8_t stream)
{
	const uint8_t head[H2_HEAD] = {0, (uint8_t)(len >> 8), (uint8_t)len, type, flags, 0, 0, 0, stream};

	memcpy(p, head, sizeof(head));
	return p + sizeof(head);
}

/* Preface, SETTINGS, HEADERS of a POST (RFC 7541: without the table), DATA. */
static size_t request(uint8_t *p, unsigned i)
{
	static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		fields[] = "\x83\x87\x04\x0a/dns-query\x01\x09localhost\x0f\x10\x17" "application/dns-message";
	uint8_t *at = p, q[64];
	size_t len = question(q, i);

	memcpy(at, preface, sizeof(preface) - 1);
	at = frame(at + sizeof(preface) - 1, 0, 4, 0, 0);
	at = frame(at, sizeof(fields) - 1, 1, 4, 1);
	memcpy(at, fields, sizeof(fields) - 1);
	at = frame(at + sizeof(fields) - 1, len, 0, 1, 1);
	memcpy(at, q, len);
	return (size_t)(at - p) + len;
}

static int ask_h2(struct conn *c, unsigned i)
{
	uint8_t out[256], head[H2_HEAD];
	int last = -1;

	if (!put(c, out, request(out, i)))
		return -1;
	for (;;) {
		size_t len;

		if (!get(c, head, sizeof(head)))
			return -1;
		len = (size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2];
		if (len > sizeof(in) || !get(c, in, len))
			return -1;
		if (head[3] == 4 && !(head[4] & 1) && !put(c, out, (size_t)(frame(out, 0, 4, 1, 0) - out)))
			return -1;
		if (head[3] == 3 || head[3] == 7) /* RST_STREAM, GOAWAY */
			return -1;
		if (head[3] == 0 && head[8] == 1 && len > 12)
			last = (in[3] & 15) == 0 && in[7] ? in[len - 1] : -1;
		if (head[3] <= 1 && head[8] == 1 && head[4] & 1)
			return last;
	}
}

static bool conn_open(struct conn *c, const struct sockaddr_in *to, SSL_CTX *ctx, bool resume)
{
	struct timeval patience = {PATIENCE_S, 0};
	int one = 1;

	c->ssl = NULL;
	c->fd = socket(AF_INET, SOCK_STREAM, 0);
	if (c->fd < 0)
		return false;
	setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(c->fd, (const struct sockaddr *)to, sizeof(*to)))
		return false;
	if (!ctx)
		return true;
	c->ssl = SSL_new(ctx);
	if (!c->ssl || !SSL_set_fd(c->ssl, c->fd))
		return false;
	if (resume && ticket) { /* a copy: the library offers each only once, and not every server sends a new one */
		SSL_SESSION *copy = SSL_SESSION_dup(ticket);

		SSL_set_session(c->ssl, copy);
		SSL_SESSION_free(copy);
	}
	return SSL_connect(c->ssl) == 1;
}

static void conn_close(struct conn *c)
{
	if (c->ssl)
		SSL_shutdown(c->ssl);
	SSL_free(c->ssl);
	if (c->fd >= 0)
		close(c->fd);
}

static SSL_CTX *context(bool h2)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	if (!ctx || !SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION))
		return NULL;
	if (h2)
		SSL_CTX_set_alpn_protos(ctx, (const uint8_t *)"\2h2", 3);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(ctx, keep_ticket);
	return ctx;
}

static int usage(void)
{
	fprintf(stderr, "usage: client tcp|dot|doh|line IP PORT COUNT NAMES FIRST [resume] [hold]\n");
	return 2;
}

int main(int argc, char **argv)
{
	struct rlimit files;
	struct sockaddr_in to = {.sin_family = AF_INET};
	unsigned count, names, first, answered = 0, resumed = 0, last[256] = {0};
	bool resume = false, hold = false;
	struct conn *conns;
	SSL_CTX *ctx = NULL;
	const char *way;

	if (argc < 7 || inet_pton(AF_INET, argv[2], &to.sin_addr) != 1)
		return usage();
	way = argv[1];
	to.sin_port = htons((uint16_t)atoi(argv[3]));
	count = (unsigned)atoi(argv[4]);
	names = (unsigned)atoi(argv[5]);
	first = (unsigned)atoi(argv[6]);
	for (int i = 7; i < argc; i++) {
		resume = resume || strcmp(argv[i], "resume") == 0;
		hold = hold || strcmp(argv[i], "hold") == 0;
	}
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	conns = calloc(count, sizeof(*conns));
	if (!conns || !names || (strcmp(way, "tcp") != 0 && !(ctx = context(strcmp(way, "doh") == 0))))
		return usage();
	for (unsigned i = 0; i < count; i++) {
		struct conn *c = &conns[i];
		int got = -1;

		if (conn_open(c, &to, ctx, resume))
			got = *way == 'l' ? ask_line(c)
				: strcmp(way, "doh") == 0 ? ask_h2(c, first + i % names)
				: ask_stream(c, first + i % names);
		if (got < 0) {
			perror("connection without an answer");
			ERR_print_errors_fp(stderr);
		} else {
			answered++;
			last[got]++;
		}
		resumed += c->ssl && SSL_session_reused(c->ssl);
		if (!hold)
			conn_close(c);
	}
	printf("answered %u resumed %u", answered, resumed);
	for (unsigned i = 0; i < 256; i++) {
		if (last[i])
			printf(" last-%u %u", i, last[i]);
	}
	printf("\n");
	fflush(stdout);
	while (hold && getchar() != EOF)
		;
	for (unsigned i = 0; hold && i < count; i++)
		conn_close(&conns[i]);
	return answered == count ? 0 : 1;
}
