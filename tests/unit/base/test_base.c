/* test_base.c: reading and writing network order, and the end on a broken invariant. */
#include "base.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static void bytes_of_the_network(void **state UNUSED)
{
	uint8_t b[4];
	put32(b, 0x80ff01feu);
	assert_int_equal(b[0], 0x80);
	assert_int_equal(b[3], 0xfe);
	assert_true(get32(b) == 0x80ff01feu);
	assert_int_equal(get16(b), 0x80ff);
	put16(b + 2, 0xabcd);
	assert_int_equal(get16(b + 2), 0xabcd);
	assert_int_equal(b[1], 0xff);
}

static void a_broken_invariant_aborts_and_says_where(void **state UNUSED)
{
	int out[2], status;
	char text[300];
	assert_int_equal(pipe(out), 0);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		signal(SIGABRT, SIG_DFL);
		dup2(out[1], STDERR_FILENO);
		base_die("room.c", 42, "a < b");
	}
	close(out[1]);
	ssize_t n = read(out[0], text, sizeof(text) - 1);
	close(out[0]);
	assert_true(n > 0);
	text[n] = '\0';
	assert_string_equal(text, "broken invariant at room.c:42: a < b\n");
	assert_true(waitpid(child, &status, 0) == child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

int test_base(void);
int test_base(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_of_the_network),
		cmocka_unit_test(a_broken_invariant_aborts_and_says_where),
	};
	return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
