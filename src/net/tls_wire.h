/* tls_wire.h: what wire.c needs of a TLS connection; tls/conn.c has it, tls_without_tls.c says that there is none.
 *
 * tls_read, tls_write and tls_shake return as the functions of a wire do; |*writes_r| tells that the kernel must take
 * bytes before the call can go on. */
#ifndef SHREWD_TLS_WIRE_H
#define SHREWD_TLS_WIRE_H

#include "tls.h"

ssize_t tls_read(struct tls *, uint8_t *buf, size_t cap, bool *writes_r) WUNUSED NONNULL;
ssize_t tls_write(struct tls *, const uint8_t *p, size_t len, bool *writes_r) WUNUSED NONNULL;
int tls_shake(struct tls *, bool *writes_r) WUNUSED NONNULL;
void tls_gather(struct tls *) NONNULL;
int tls_release(struct tls *) WUNUSED NONNULL;
bool tls_shaken(const struct tls *) NONNULL;
bool tls_pending(const struct tls *) NONNULL;
size_t tls_held(const struct tls *) NONNULL;
bool tls_greets(const struct tls *) NONNULL;
bool tls_is_client(const struct tls *) NONNULL;
/* tls_end: |bye|: tell the peer first.  Does not close the descriptor. */
void tls_end(struct tls **, bool bye) NONNULL;

#endif
