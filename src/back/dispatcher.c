/* dispatcher.c: the table of one worker's ways to its backends: made at first use, found by the server's number.
 *
 * A server has one source address or interface, so a way is told by its server alone.  A transport, and the TLS sessions
 * that it keeps, goes when nobody has used it for five minutes and another is used. */
#include "back_priv.h"
#include "up.h"
#include <net/if.h>

enum { UNUSED_MS = 5 * 60 * 1000, LOOK_MS = 10 * 1000 };

static int make_slots(struct lane *lane, size_t n)
{
	struct back_slot *p;

	if (n <= lane->nbacks)
		return 0;
	n = (n + 7) & ~(size_t)7;
	p = mem_resize(lane->backs, n * sizeof(*p));
	if (!p)
		return -ENOMEM;
	memset(p + lane->nbacks, 0, (n - lane->nbacks) * sizeof(*p));
	lane->backs = p;
	lane->nbacks = n;
	return 0;
}

struct back **back_slot(struct lane *lane, const struct server *server, bool stream)
{
	struct back **slot;

	if (make_slots(lane, server->index + 1u) < 0)
		return NULL;
	slot = stream ? &lane->backs[server->index].stream : &lane->backs[server->index].udp;
	must(!*slot || (*slot)->server == server); /* a way holds its server, and so its number */
	return slot;
}

/* drop_unused: about every ten seconds, when a transport is used. */
static void drop_unused(struct lane *lane, const struct back *used)
{
	uint64_t now = loop_ms(&lane->loop);

	if (now - lane->backs_swept_ms < LOOK_MS)
		return;
	lane->backs_swept_ms = now;
	for (size_t i = 0; i < lane->nbacks; i++) {
		struct back *b = lane->backs[i].stream;

		if (b && b != used && back_is_stream(b) && back_stream_unused_ms(b) >= UNUSED_MS &&
			back_stream_unused_ms(b) >= 1000ull * b->server->conf.keep_warm_s)
			back_close(lane, &lane->backs[i].stream);
	}
}

struct back *back_get(struct core *core, struct server *server, bool stream)
{
	struct lane *lane = lane_of(core);
	struct back **slot = back_slot(lane, server, stream);

	if (slot && !*slot)
		*slot = stream ? back_stream_new(lane, server, NULL) : back_udp_new(lane, server);
	if (stream && slot)
		drop_unused(lane, *slot);
	return slot ? *slot : NULL;
}

struct back *back_get_home(struct core *core, struct server *server, bool stream)
{
	struct lane *lane = lane_of(core), *home = lane->home(lane, server, stream);
	struct back **slot;

	if (home == lane)
		return back_get(core, server, stream);
	slot = back_slot(lane, server, stream);
	if (slot && !*slot)
		*slot = back_remote_new(lane, server, home, stream);
	return slot ? *slot : NULL;
}

void back_close(struct lane *lane, struct back **p)
{
	struct back *b = *p;

	(void)lane;
	*p = NULL;
	if (!b)
		return;
	if (b->ops == &back_udp_ops)
		back_udp_close(b);
	else if (back_is_stream(b))
		back_stream_close(b);
	else
		back_remote_close(b);
}

static struct back_slot *slot_of(struct lane *lane, const struct server *s)
{
	return s->index < lane->nbacks ? &lane->backs[s->index] : NULL;
}

void back_close_server(struct lane *lane, struct server *s)
{
	struct server *held = server_ref(s); /* the ways may be the last that hold it */
	struct back_slot *slot = slot_of(lane, s);

	if (slot && slot->udp && slot->udp->server == s)
		back_close(lane, &slot->udp);
	slot = slot_of(lane, s); /* what was lost may have made the table grow */
	if (slot && slot->stream && slot->stream->server == s)
		back_close(lane, &slot->stream);
	server_free(&held);
}

int back_check(const struct server *s, const char **error_r)
{
	struct tls_client *c;

	if (!s->conf.tls || !s->conf.tls[0])
		return 0;
	c = up_tls(s, NULL, error_r);
	if (!c)
		return s->where ? error_set(error_r, "%s: %s", s->where, *error_r) : -EINVAL;
	tls_client_free(&c);
	return 0;
}

void back_reconnect(struct lane *lane, struct server *s)
{
	struct back_slot *slot = slot_of(lane, s);

	if (slot && slot->udp && slot->udp->server == s && slot->udp->ops == &back_udp_ops)
		back_udp_reset(slot->udp);
	if (slot && slot->stream && slot->stream->server == s && back_is_stream(slot->stream))
		back_stream_reset(slot->stream);
}

void back_flush_all(struct lane *lane)
{
	up_flush_all(lane);
}

bool back_here(const struct addr *local, const struct addr *have, size_t n)
{
	if (local->family == 0 || (local->family == AF_INET && local->ip[0] == 127))
		return true;
	for (size_t i = 0; i < n; i++)
		if (addr_same_ip(local, &have[i]))
			return true;
	return false;
}

void back_network_changed(struct lane *lane, const struct addr *have, size_t n)
{
	for (size_t i = 0; i < lane->nbacks; i++) { /* read anew each time: the core may add ways meanwhile */
		if (lane->backs[i].udp && lane->backs[i].udp->ops == &back_udp_ops)
			back_udp_network(lane->backs[i].udp, have, n);
		if (lane->backs[i].stream && back_is_stream(lane->backs[i].stream))
			back_stream_network(lane->backs[i].stream, have, n);
	}
}

/* conf.source: an address, an interface, or address@interface. */
void back_sock_opts(const struct server *s, struct sock_opts *o, struct addr *source, char interface[32])
{
	const char *text = s->conf.source, *at = text ? strchr(text, '@') : NULL;
	char address[ADDR_TEXT];

	*o = (struct sock_opts){.no_port = s->conf.bind_no_port, .dscp = s->conf.dscp,
		.fast_open = s->conf.tcp_fast_open};
	memset(interface, 0, 32);
	if (!text || !text[0])
		return;
	if (at && (size_t)(at - text) < sizeof(address)) {
		memcpy(address, text, (size_t)(at - text));
		address[at - text] = 0;
		memcpy(interface, at + 1, strnlen(at + 1, 31));
	} else {
		strncpy(address, text, sizeof(address) - 1);
		address[sizeof(address) - 1] = 0;
	}
	interface[31] = 0;
	if (addr_parse(source, address, 0) == 0)
		o->bind = source;
	else if (!at)
		memcpy(interface, address, strnlen(address, 31) + 1);
	if (interface[0])
		o->interface = interface;
}

void back_sweep(struct lane *lane, const struct conf *conf)
{
	for (size_t i = 0; i < lane->nbacks; i++) {
		struct back *any = lane->backs[i].udp ? lane->backs[i].udp : lane->backs[i].stream;
		bool used = false;

		for (size_t k = 0; any && k < conf->nservers && !used; k++)
			used = conf->servers[k] == any->server;
		if (any && !used && atomic_load_explicit(&any->server->outstanding, memory_order_relaxed) == 0)
			back_close_server(lane, any->server);
	}
}

size_t back_proxy_header(const struct query *q, uint8_t out[PROXY_HEADER + 36])
{
	struct proxy x = {.stream = q->client.stream, .source = q->client.remote, .destination = q->client.local};
	ssize_t n = proxy_build(&x, out, PROXY_HEADER + 36);

	must(n > 0);
	return (size_t)n;
}
