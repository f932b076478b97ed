/* conf_show.c: showPools() and showServers(): tables for people, as wide as what is in them. */
#include "conf.h"
#include "text.h"
#include <stdio.h>

/* ---- servers ---- */
struct server_table {
	const struct conf *conf;
	struct text *out;
	bool uuids;
	int name_width, address_width;
	double qps; /* sums */
	uint64_t queries, drops, outstanding;
};

static void widen(int *width, const char *s)
{
	size_t len = s != NULL ? strlen(s) : 0;

	if (len > (size_t)*width && len < 100)
		*width = (int)len;
}

/* The columns up to the state. */
static void row_begin(struct server_table *t, const char *nth, const char *uuid, const char *name,
	const char *address, const char *state)
{
	text_addf(t->out, "%-3s ", nth);
	if (t->uuids)
		text_addf(t->out, "%-36s ", uuid);
	text_addf(t->out, "%-*s %-*s %-5s ", t->name_width, name, t->address_width, address, state);
}

static void add_pools_of(struct text *out, const struct conf *c, const struct server *s)
{
	for (size_t i = 0; i < c->npools; i++) {
		const struct pool *p = c->pools[i];

		for (size_t j = 0; j < p->n; j++)
			if (p->servers[j] == s && *p->name != '\0')
				text_addf(out, " %s", p->name);
	}
}

static void show_server(struct server_table *t, size_t nth)
{
	const struct server *s = t->conf->servers[nth];
	uint64_t queries = peek(&s->queries), drops = peek(&s->drops);
	uint32_t outstanding = peek(&s->outstanding);
	double qps = peek(&s->rate.queries10) / 10.0;
	char number[24];

	snprintf(number, sizeof number, "%zu", nth);
	row_begin(t, number, s->id, s->conf.name != NULL ? s->conf.name : "", s->conf.address,
		server_status(s));
	text_addf(t->out, "%8.1f %7g %4u %4u ", qps, server_qps(s), peek(&s->order),
		peek(&s->weight));
	text_addf(t->out, "%10llu %9llu ", (unsigned long long)queries, (unsigned long long)drops);
	text_addf(t->out, "%7.1f %7.1f %7.1f %11u", peek(&s->rate.drops10) / 10.0,
		peek(&s->latency_us) / 1000.0, peek(&s->tcp_latency_us) / 1000.0,
		outstanding);
	add_pools_of(t->out, t->conf, s);
	text_add(t->out, "\n");
	t->qps += qps;
	t->queries += queries;
	t->drops += drops;
	t->outstanding += outstanding;
}

void conf_show_servers(const struct conf *c, struct text *out, bool uuids)
{
	struct server_table t = {
		.conf = c, .out = out, .uuids = uuids, .name_width = 4, .address_width = 7};

	for (size_t i = 0; i < c->nservers; i++) {
		widen(&t.name_width, c->servers[i]->conf.name);
		widen(&t.address_width, c->servers[i]->conf.address);
	}
	row_begin(&t, "#", "UUID", "Name", "Address", "State");
	text_addf(out, "%8s %7s %4s %4s %10s %9s %7s %7s %7s %11s %s\n", "Qps", "Qlim", "Ord", "Wt",
		"Queries", "Drops", "Drate", "Lat", "TCP", "Outstanding", "Pools");
	for (size_t i = 0; i < c->nservers; i++)
		show_server(&t, i);
	row_begin(&t, "All", "", "", "", "");
	text_addf(out, "%8.1f %7s %4s %4s %10llu %9llu %7s %7s %7s %11llu\n", t.qps, "", "", "",
		(unsigned long long)t.queries, (unsigned long long)t.drops, "", "", "",
		(unsigned long long)t.outstanding);
}

/* ---- pools ---- */
static void show_pool(const struct conf *c, const struct pool *p, int name_width, struct text *out)
{
	const struct policy *policy = p->policy != NULL ? p->policy : c->policy;
	char cache[48] = "";

	if (p->cache != NULL)
		snprintf(cache, sizeof cache, "%zu/%u", cache_size(p->cache),
			cache_options(p->cache)->max_entries);
	text_addf(out, "%-*s %-20s %-20s", name_width, p->name, cache, policy->name);
	for (size_t i = 0; i < p->n; i++)
		text_addf(out, "%s%s", i == 0 ? " " : ", ", server_name(p->servers[i]));
	text_add(out, "\n");
}

void conf_show_pools(const struct conf *c, struct text *out)
{
	int width = 4;

	for (size_t i = 0; i < c->npools; i++)
		widen(&width, c->pools[i]->name);
	text_addf(out, "%-*s %-20s %-20s %s\n", width, "Name", "Cache", "ServerPolicy", "Servers");
	for (size_t i = 0; i < c->npools; i++)
		show_pool(c, c->pools[i], width, out);
}
