/* role.c: the one table that places roles on workers. */
#include "worker.h"
#include <sys/sysinfo.h>
#include <unistd.h>

enum { SPLIT_UDP = 0, SPLIT_STREAM = 1, SPLIT_BACKS = 2, SPLIT_BACKS_MAX = 14, WORKERS_MAX = 64, SMALL_MB = 256 };

struct layout {
	const char *name;
	bool small;
	bool spread; /* every worker does everything */
	bool split;
};

static const struct layout layouts[] = {
	/* name       small  spread split */
	{"collapsed", true,  false, false}, /* every role on worker 0: one thread, one loop: routers */
	{"sharded",   false, true,  false}, /* ingress, streams and responders on each: datacenters */
	{"split",     false, false, true},  /* UDP in | streams | one for each backend's responder */
};

const struct layout *layout_find(const char *name)
{
	for (size_t i = 0; i < LEN(layouts); i++)
		if (strcmp(layouts[i].name, name) == 0)
			return &layouts[i];
	return NULL;
}

const struct layout *layout_default(void)
{
#ifdef MINI_LAYOUT
	return &layouts[0];
#else
	struct sysinfo info;
	bool little = sysinfo(&info) == 0 && (uint64_t)info.totalram * info.mem_unit >> 20 < SMALL_MB;

	return sysconf(_SC_NPROCESSORS_ONLN) > 1 && !little ? &layouts[1] : &layouts[0];
#endif
}

const char *layout_name(const struct layout *l)
{
	return l->name;
}

bool layout_places(const struct layout *l)
{
	return l->split || l->spread;
}

bool layout_small(const struct layout *l)
{
	return l->small;
}

unsigned layout_workers(const struct layout *l, unsigned asked, unsigned most, size_t servers)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	if (l->split)
		return SPLIT_BACKS + (unsigned)(servers > SPLIT_BACKS_MAX ? SPLIT_BACKS_MAX : servers ? servers : 1);
	if (!l->spread)
		return 1;
	if (asked == 0) {
		asked = cpus > 0 ? (unsigned)cpus : 1;
		asked = most && asked > most ? most : asked;
	}
	return asked > WORKERS_MAX ? WORKERS_MAX : asked;
}

bool layout_has(const struct layout *l, enum role role, unsigned worker)
{
	switch (role) {
	case ROLE_CONTROL:
		return worker == 0;
	case ROLE_UDP_IN:
		return l->spread || worker == SPLIT_UDP;
	case ROLE_STREAM:
		return l->spread || worker == (l->split ? SPLIT_STREAM : 0);
	case ROLE_BACK_UDP:
		return l->spread || (l->split ? worker >= SPLIT_BACKS : worker == 0);
	}
	return false;
}

unsigned layout_home(const struct layout *l, unsigned worker, unsigned workers, uint32_t index, bool stream)
{
	if (l->spread && stream)
		return index % workers; /* one connection, not one for each worker */
	if (!l->split)
		return worker;
	return stream ? SPLIT_STREAM : SPLIT_BACKS + index % (workers - SPLIT_BACKS);
}
