/* entropy.h: private to base: bytes from the kernel's random generator. */
#ifndef SHREWD_BASE_ENTROPY_H
#define SHREWD_BASE_ENTROPY_H

#include "base.h"

/* entropy_fill writes |len| unpredictable bytes; the program ends when the kernel has none to
 * give. */
void entropy_fill(void *out, size_t len) NONNULL;

#endif
