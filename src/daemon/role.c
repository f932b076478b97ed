/* role.c: the one table that places roles on workers. */
#include "worker.h"
#include <sys/sysinfo.h>
#include <unistd.h>

enum { SPLIT_UDP = 0, SPLIT_STREAM = 1, SPLIT_BACKS = 2, SPLIT_BACKS_MAX = 14, SPLIT_DOH_MAX = 14,
	WORKERS_MAX = 64, SMALL_MB = 256 };

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
	{"split",     false, false, true},  /* UDP in | streams | one for each backend's responder | DoH backends */
};

static unsigned least(size_t a, unsigned b)
{
	return a < b ? (unsigned)a : b;
}

/* sharded_workers: as setWorkerLayout() says, else one for each CPU, but no more than setMaxTCPClientThreads(). */
static unsigned sharded_workers(const struct settings *set)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned n = cpus > 0 ? (unsigned)cpus : 1;

	if (set->tcp_threads)
		n = least(set->tcp_threads, n);
	return least(set->workers ? set->workers : n, WORKERS_MAX);
}

static bool has_doh(const struct conf *c)
{
	for (size_t i = 0; i < c->nservers; i++)
		if (server_proto(c->servers[i]) == PROTO_DOH)
			return true;
	return false;
}

/* split_does: UDP in | streams | UDP responders | DoH backends, who live with the other streams where they have none. */
static bool split_does(const struct places *p, enum role role, unsigned worker)
{
	unsigned first_doh = p->workers - p->doh;

	switch (role) {
	case ROLE_CONTROL:
	case ROLE_UDP_IN:
		return worker == SPLIT_UDP;
	case ROLE_STREAM:
		return worker == SPLIT_STREAM;
	case ROLE_BACK_UDP:
		return worker >= SPLIT_BACKS && worker < first_doh;
	case ROLE_BACK_DOH:
		return p->doh ? worker >= first_doh : worker == SPLIT_STREAM;
	}
	return false;
}

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

bool layout_parts(const struct layout *l)
{
	return l->split || l->spread;
}

bool layout_small(const struct layout *l)
{
	return l->small;
}

struct places layout_place(const struct layout *l, const struct conf *c)
{
	const struct settings *set = &c->set;
	struct places p = {.layout = l, .workers = 1, .doh = 1};

	if (l->split) {
		p.doh = set->doh_threads_said ? least(set->doh_threads, SPLIT_DOH_MAX) : has_doh(c);
		p.workers = SPLIT_BACKS + least(c->nservers ? c->nservers : 1, SPLIT_BACKS_MAX) + p.doh;
	} else if (l->spread) {
		p.workers = sharded_workers(set);
		p.doh = least(set->doh_threads ? set->doh_threads : p.workers, p.workers);
	}
	return p;
}

bool layout_has(const struct places *p, enum role role, unsigned worker)
{
	if (p->layout->split)
		return split_does(p, role, worker);
	return worker == 0 || (p->layout->spread && role != ROLE_CONTROL && (role != ROLE_BACK_DOH || worker < p->doh));
}

unsigned layout_home(const struct places *p, enum role role, unsigned worker, uint32_t index)
{
	if (p->layout->split && role == ROLE_BACK_UDP)
		return SPLIT_BACKS + index % (p->workers - p->doh - SPLIT_BACKS);
	if (p->layout->split)
		return role == ROLE_BACK_DOH && p->doh ? p->workers - p->doh + index % p->doh : SPLIT_STREAM;
	if (role == ROLE_BACK_UDP)
		return worker;
	return index % (role == ROLE_BACK_DOH ? p->doh : p->workers); /* one connection, not one for each worker */
}

const char *layout_job(const struct places *p, unsigned worker)
{
	static const char *const jobs[] = {[ROLE_UDP_IN] = "udp", [ROLE_STREAM] = "stream", [ROLE_BACK_UDP] = "back",
		[ROLE_BACK_DOH] = "doh"};

	for (unsigned i = 0; p->layout->split && i < LEN(jobs); i++)
		if (layout_has(p, (enum role)i, worker))
			return jobs[i];
	return "worker";
}
