/* server_priv.h: the side that has certificates: what set.c and server.c share. */
#ifndef SHREWD_SERVER_PRIV_H
#define SHREWD_SERVER_PRIV_H

#include "tls_priv.h"
#include <pthread.h>

struct staple {
	X509 *cert; /* borrowed of its context */
	uint8_t *der;
	size_t len;
};
struct site {
	SSL_CTX *ctx;
	char *names; /* lower case, sorted, one behind the other, an empty one at the end */
	size_t names_len;
	int types[8]; /* of the keys that it has */
	unsigned ntypes;
};
struct tls_set {
	_Atomic uint32_t refs;
	size_t n, ncerts;
	struct site *site;
	struct staple *staple; /* one per certificate; |der| NULL for those without one */
};
struct shared_stats { /* of servers that took each other's place: connections of older ones count on */
	_Atomic uint32_t refs;
	struct tls_stats v;
};
struct tls_server {
	_Atomic uint32_t refs;
	pthread_mutex_t lock;      /* of |set| and |rotated_ms| */
	pthread_mutex_t load_lock; /* one load at a time; of |certs| */
	struct tls_set *set;
	_Atomic size_t loaded;
	struct tls_cert *certs;
	size_t ncerts;
	char *where;               /* under |load_lock|; NULL: "TLS" */
	struct tls_common common;
	char *words;               /* what |common| points into */
	const char *const *alpn;   /* NULL: none */
	bool alpn_required, tickets, prefer_server, ignore_errors;
	uint32_t stored_sessions, session_timeout_s;
	uint64_t rotation_ms, rotated_ms; /* rotated_ms 0: the age of the newest key begins with the next tick */
	struct tls_ring *ring;
	struct shared_stats *stats;
	bool kept_staples; /* |certs| have those of others before them: one that does not fit is left out */
};

/* tls_set_load reads certificates with the server's options.  NULL with a sentence; with ignore_errors those that cannot
 * be read are left out and logged, with |kept_staples| so are staples. */
struct tls_set *tls_set_load(const struct tls_server *, const struct tls_cert *, size_t n, bool kept_staples,
	const char **error_r) WUNUSED;

#endif
