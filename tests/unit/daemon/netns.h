/* netns.h: a network namespace of the test's own, for its thread. */
#ifndef TEST_NETNS_H
#define TEST_NETNS_H

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>

static int home = -1, control = -1;

/* leave_home: false: not permitted.  Nothing is up there. */
static UNUSED bool leave_home(void)
{
	home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (home < 0 || unshare(CLONE_NEWNET) < 0) {
		if (home >= 0)
			close(home);
		return false;
	}
	control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_true(control >= 0);
	return true;
}

static UNUSED void go_home(void)
{
	close(control);
	assert_int_equal(setns(home, CLONE_NEWNET), 0);
	close(home);
}

static UNUSED struct ifreq request(const char *name)
{
	struct ifreq r;

	memset(&r, 0, sizeof(r));
	strcpy(r.ifr_name, name);
	return r;
}

static UNUSED void set_flags(const char *name, short flags)
{
	struct ifreq r = request(name);

	r.ifr_flags = flags;
	assert_int_equal(ioctl(control, SIOCSIFFLAGS, &r), 0);
}

static UNUSED void set_address(const char *name, uint32_t ip)
{
	struct ifreq r = request(name);
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(ip)};

	memcpy(&r.ifr_addr, &in, sizeof(in));
	assert_int_equal(ioctl(control, SIOCSIFADDR, &r), 0);
}

#endif
