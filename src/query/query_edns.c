/* query_edns.c: EDNS on the way: the client's subnet goes in (RFC 7871), what the client did not ask for comes out. */
#include "query_priv.h"

bool query_wants_ecs(const struct query *q)
{
	return q->pool && q->pool->wants_ecs && q->dq.use_ecs && !q->dq.no_ecs;
}

bool query_wants_zero_scope(const struct query *q)
{
	if (!q->pool->cache || !cache_options(q->pool->cache)->parse_ecs || !q->pool->zero_scope)
		return false;
	for (size_t i = 0; i < q->pool->n; i++)
		if (q->pool->servers[i]->conf.disable_zero_scope)
			return false;
	return true;
}

/* add_ecs puts the client's subnet into the query; a subnet of the client's own stays unless overridden. */
int query_add_ecs(struct query *q)
{
	struct dq *dq = &q->dq;
	const struct addr *from = &q->client.remote;
	unsigned bits = from->family == AF_INET6 ? dq->ecs_bits6 : dq->ecs_bits4;
	uint8_t data[ECS_MAX];
	size_t at, len, n;
	int err;

	q->had_ecs = edns_option(dq_edns(dq), dq->msg, EDNS_ECS, &at, &len);
	if (q->had_ecs && !dq->ecs_override)
		return 0;
	if (from->family == AF_INET6 && dq->ecs6.net.family) {
		from = &dq->ecs6.net;
		bits = dq->ecs6.bits;
	} else if (dq->ecs4.net.family) {
		from = &dq->ecs4.net;
		bits = dq->ecs4.bits;
	}
	n = ecs_build(data, from, bits);
	q->added_opt = !dq_edns(dq)->present;
	err = edns_set_option(dq->msg, &dq->len, dq->cap, dq->payload_size, EDNS_ECS, data, n, true);
	if (err < 0)
		return err;
	q->added_ecs = true;
	dq_changed(dq);
	return 0;
}

/* read_scope: did the backend say that its answer is good for every subnet? (RFC 7871, scope 0) */
void query_read_scope(struct query *q)
{
	struct dq *dq = &q->dq;
	struct netmask source;
	unsigned scope = 1;
	size_t at, len;

	if (edns_option(dq_edns(dq), dq->msg, EDNS_ECS, &at, &len) &&
		ecs_parse(dq->msg + at, len, &source, &scope) < 0)
		scope = 1;
	q->scope_zero = q->zero_scope && scope == 0;
}

/* strip_edns takes away what the client did not ask for: an OPT (RFC 6891 7), or only the subnet that we added. */
int query_strip_edns(struct query *q)
{
	struct dq *dq = &q->dq;
	int err = 0;

	if (!dq->had_edns && dns_count(dq->msg, SECTION_ADDITIONAL))
		err = edns_remove(dq->msg, &dq->len) < 0 && (q->ask_has_opt || q->added_opt) ? -EBADMSG : 0;
	else if (q->added_ecs && !q->had_ecs)
		err = edns_remove_option(dq->msg, &dq->len, EDNS_ECS);
	dq_changed(dq);
	return err;
}

/* query_drop_own_opt: code that only set QR left the client's OPT in place; the answer gets one of ours. */
void query_drop_own_opt(struct query *q)
{
	struct dq *dq = &q->dq;
	const struct edns *e = dq_edns(dq);

	if (dq->ask_edns.present && e->present && e->at == dq->ask_edns.at && edns_remove(dq->msg, &dq->len) == 0)
		dq_changed(dq);
}
