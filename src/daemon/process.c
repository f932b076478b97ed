/* process.c: limits, signals, users. */
#include "worker.h"
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

int process_limits(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) < 0)
		return INT_MAX;
	r.rlim_cur = r.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &r) < 0 && getrlimit(RLIMIT_NOFILE, &r) < 0)
		return INT_MAX;
	return r.rlim_cur < INT_MAX ? (int)r.rlim_cur : INT_MAX;
}

int process_signals(void)
{
	sigset_t set;
	int fd;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR1);
	if (pthread_sigmask(SIG_BLOCK, &set, NULL) != 0)
		return -EINVAL;
	fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int find_user(const char *text, uid_t *uid_r, gid_t *gid_r, bool *has_gid_r)
{
	struct passwd *p = getpwnam(text);
	uint64_t n;

	*has_gid_r = p != NULL;
	if (p) {
		*uid_r = p->pw_uid;
		*gid_r = p->pw_gid;
		return 0;
	}
	if (text_u64(text, &n) < 0 || n > UINT32_MAX)
		return -EINVAL;
	*uid_r = (uid_t)n;
	return 0;
}

static int find_group(const char *text, gid_t *gid_r)
{
	struct group *g = getgrnam(text);
	uint64_t n;

	if (g)
		*gid_r = g->gr_gid;
	else if (text_u64(text, &n) == 0 && n <= UINT32_MAX)
		*gid_r = (gid_t)n;
	else
		return -EINVAL;
	return 0;
}

static bool low_ports(const struct conf *c)
{
	for (size_t i = 0; i < c->nbinds; i++)
		if (c->binds[i].addr.port < 1024)
			return true;
	return false;
}

int process_drop(const struct options *o, const struct conf *c, const char **error_r)
{
	uid_t uid = getuid();
	gid_t gid = getgid();
	bool group = false, asked = o->uid || o->gid;

	if (o->uid && find_user(o->uid, &uid, &gid, &group) < 0)
		return error_set(error_r, "--uid: no user '%s'", o->uid);
	if (o->gid && find_group(o->gid, &gid) < 0)
		return error_set(error_r, "--gid: no group '%s'", o->gid);
	if (!asked)
		return 0;
	if (geteuid() == 0 && caps_before_drop() < 0)
		return error_set(error_r, "cannot keep capabilities: %s", strerror(errno));
	if (geteuid() == 0 && setgroups(0, NULL) < 0)
		return error_set(error_r, "cannot leave the groups of root: %s", strerror(errno));
	if ((o->gid || group) && setgid(gid) < 0)
		return error_set(error_r, "cannot become group %u: %s", (unsigned)gid, strerror(errno));
	if (o->uid && setuid(uid) < 0)
		return error_set(error_r, "cannot become user %u: %s", (unsigned)uid, strerror(errno));
	return caps_keep(&c->capabilities, low_ports(c), error_r);
}
