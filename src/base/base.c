/* base.c: how the program dies when an invariant of its own is broken. */
#include "base.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

HOT_KEPT(copy_short);

void base_die(const char *file, int line, const char *what)
{
	char text[256];
	int len = snprintf(text, sizeof(text), "broken invariant at %s:%d: %s\n", file, line, what);
	if (len >= (int)sizeof(text))
		len = (int)sizeof(text) - 1;
	/* No stdio and no log: both take locks that this thread may be holding. */
	if (len > 0 && write(STDERR_FILENO, text, (size_t)len) < 0)
		abort();
	abort();
}
