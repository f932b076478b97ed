/* fail_help.h: runs a cycle again and again, each time with another allocation failing, until it gets through. */
#ifndef TEST_FAIL_HELP_H
#define TEST_FAIL_HELP_H

#include "../unit/lane_help.h"
#include <fcntl.h>

/* lowest_fd: the next descriptor; when it grows, one was lost. */
static UNUSED int lowest_fd(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	close(fd);
	return fd;
}

/* every_allocation: |cycle| arms mem_fail_at(n) where it wants to, disarms it, and returns how many allocations it
 * made while armed; 0 arms nothing, and all must go well.  Leaks are for the sanitizer to find. */
static UNUSED void every_allocation(unsigned long (*cycle)(unsigned long n))
{
	unsigned long all = cycle(0);
	int fd = lowest_fd();

	assert_true(all > 100);
	for (unsigned long n = 1; n <= all; n++) {
		(void)cycle(n);
		if (lowest_fd() != fd)
			fail_msg("allocation %lu failed: a descriptor was left open", n);
	}
	printf("%lu allocations, each failed once\n", all);
}

/* quiet: log lines of failures are expected. */
static UNUSED int quiet(void **state)
{
	(void)state;
	log_options.fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	log_options.syslog = false;
	return log_options.fd >= 0 ? 0 : -1;
}

#endif
