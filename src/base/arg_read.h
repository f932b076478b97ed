/* arg_read.h: private to base: the strict readers behind arg.c's lenient ones, shared with
 * field.c. */
#ifndef SHREWD_BASE_ARG_READ_H
#define SHREWD_BASE_ARG_READ_H

#include "arg.h"

enum { ARG_NUM_TEXT = 32 }; /* bytes that hold any printed number */

/* A number or a string that is one. */
bool arg_read_num(const struct arg *, double *out_r) NONNULL;
/* true, false, 0, 1, "yes" … */
bool arg_read_bool(const struct arg *, bool *out_r) NONNULL;
/* As Lua prints it; returns |buf|. */
const char *arg_print_num(double n, char buf[ARG_NUM_TEXT]) NONNULL;

#endif
