/* test_system.c: what the process and the system tell. */
#include "stat.h"
#include <fcntl.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

int test_system(void);

static void process(void **state UNUSED)
{
	static struct stat_system before, after;
	int fd;

	stat_system_read(&before, 1000, 8999);
	assert_true(before.v[COUNTER_UPTIME] == 7);
	assert_true(before.v[COUNTER_REAL_MEMORY_USAGE] > 100000);
	assert_true(before.v[COUNTER_REAL_MEMORY_USAGE] < 1e11);
	assert_true(before.v[COUNTER_CPU_USER_MSEC] + before.v[COUNTER_CPU_SYS_MSEC] < 1e9);
	assert_true(before.v[COUNTER_QUERIES] == 0);
	fd = open("/dev/null", O_RDONLY);
	assert_true(fd >= 0);
	stat_system_read(&after, 9000, 8999); /* clocks may disagree */
	assert_true(after.v[COUNTER_UPTIME] == 0);
	assert_true(after.v[COUNTER_FD_USAGE] == before.v[COUNTER_FD_USAGE] + 1);
	close(fd);
}

int test_system(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
