/* system.c: values that come from the process and from /proc.  What is not there stays zero. */
#include "stat.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

enum { FILE_MAX = 32768 };

/* file_read: the beginning of a file as text; false when it cannot be read. */
static bool file_read(const char *path, char buf[FILE_MAX])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	ssize_t n = 1;

	if (fd < 0)
		return false;
	while (n > 0 && len < FILE_MAX - 1) {
		n = read(fd, buf + len, FILE_MAX - 1 - len);
		if (n > 0)
			len += (size_t)n;
	}
	close(fd);
	buf[len] = '\0';
	return n >= 0;
}

/* field_n: the |n|th word of a line from 0, or NULL when the line is shorter. */
static const char *field_n(const char *line, unsigned n)
{
	while (true) {
		line += strspn(line, " \t");
		if (*line == '\n' || *line == '\0')
			return NULL;
		if (n-- == 0)
			return line;
		line += strcspn(line, " \t\n");
	}
}

static double number_n(const char *line, unsigned n)
{
	const char *word = field_n(line, n);

	return word == NULL ? 0 : strtod(word, NULL);
}

static const char *line_starting(const char *text, const char *with)
{
	size_t len = strlen(with);

	while (text != NULL && strncmp(text, with, len) != 0) {
		text = strchr(text, '\n');
		if (text != NULL)
			text++;
	}
	return text;
}

/* paired_value: files with a line of names and, under it, a line of values, both with |head| in front. */
static double paired_value(const char *text, const char *head, const char *name)
{
	const char *names = line_starting(text, head), *values, *word;
	size_t len = strlen(name);

	if (names == NULL || (values = strchr(names, '\n')) == NULL)
		return 0;
	for (unsigned i = 1; (word = field_n(names, i)) != NULL; i++)
		if (strcspn(word, " \t\n") == len && memcmp(word, name, len) == 0)
			return number_n(values + 1, i);
	return 0;
}

static const struct {
	const char *name; /* in /proc/net/snmp under "Udp:" and in snmp6 behind "Udp6" */
	enum counter v4, v6;
} udp[] = {
	{"InErrors", COUNTER_UDP_IN_ERRORS, COUNTER_UDP6_IN_ERRORS},
	{"NoPorts", COUNTER_UDP_NOPORT_ERRORS, COUNTER_UDP6_NOPORT_ERRORS},
	{"RcvbufErrors", COUNTER_UDP_RECVBUF_ERRORS, COUNTER_UDP6_RECVBUF_ERRORS},
	{"SndbufErrors", COUNTER_UDP_SNDBUF_ERRORS, COUNTER_UDP6_SNDBUF_ERRORS},
	{"InCsumErrors", COUNTER_UDP_IN_CSUM_ERRORS, COUNTER_UDP6_IN_CSUM_ERRORS},
};

static void read_network(struct stat_system *s, char buf[FILE_MAX])
{
	if (file_read("/proc/net/snmp", buf))
		for (unsigned i = 0; i < LEN(udp); i++)
			s->v[udp[i].v4] = paired_value(buf, "Udp:", udp[i].name);
	if (file_read("/proc/net/snmp6", buf)) {
		for (unsigned i = 0; i < LEN(udp); i++) {
			char name[32];
			const char *line;

			snprintf(name, sizeof(name), "Udp6%s ", udp[i].name);
			line = line_starting(buf, name);
			if (line != NULL)
				s->v[udp[i].v6] = number_n(line, 1);
		}
	}
	if (file_read("/proc/net/netstat", buf))
		s->v[COUNTER_TCP_LISTEN_OVERFLOWS] =
			paired_value(buf, "TcpExt:", "ListenOverflows");
}

static void read_memory(struct stat_system *s, char buf[FILE_MAX])
{
	const char *line;

	if (file_read("/proc/self/statm", buf))
		s->v[COUNTER_REAL_MEMORY_USAGE] = number_n(buf, 1) * (double)sysconf(_SC_PAGESIZE);
	if (file_read("/proc/self/smaps_rollup", buf) &&
		(line = line_starting(buf, "Pss:")) != NULL)
		s->v[COUNTER_SPECIAL_MEMORY_USAGE] = number_n(line, 1) * 1024;
}

static double count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	const struct dirent *d;
	unsigned n = 0;

	if (dir == NULL)
		return 0;
	while ((d = readdir(dir)) != NULL)
		n += d->d_name[0] != '.';
	closedir(dir);
	return n - 1; /* without the one that looks */
}

static double milliseconds(const struct timeval *tv)
{
	return (double)tv->tv_sec * 1000 + (double)((long)tv->tv_usec / 1000);
}

void stat_system_read(struct stat_system *s, uint64_t started_ms, uint64_t now_ms)
{
	char buf[FILE_MAX];
	struct rusage usage;

	memset(s, 0, sizeof(*s));
	s->v[COUNTER_UPTIME] = now_ms > started_ms ? (double)((now_ms - started_ms) / 1000) : 0;
	if (getrusage(RUSAGE_SELF, &usage) == 0) {
		s->v[COUNTER_CPU_USER_MSEC] = milliseconds(&usage.ru_utime);
		s->v[COUNTER_CPU_SYS_MSEC] = milliseconds(&usage.ru_stime);
	}
	s->v[COUNTER_FD_USAGE] = count_fds();
	read_memory(s, buf);
	read_network(s, buf);
	if (file_read("/proc/stat", buf)) {
		const char *line = line_starting(buf, "cpu ");

		if (line != NULL) {
			s->v[COUNTER_CPU_IOWAIT] = number_n(line, 5);
			s->v[COUNTER_CPU_STEAL] = number_n(line, 8);
		}
	}
}
