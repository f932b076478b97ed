/* netlink.c: this machine's links, addresses and routes, and the news of their changes.
 *
 * The kernel tells of every change, and of much that changes nothing: events of 20 ms are taken together, then links and
 * addresses are read and compared.  Worker 0. */
#include "resolve.h"
#include <ifaddrs.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <unistd.h>

enum { QUIET_MS = 20, GAP_MS = 100, AGAIN_MS = 1000, READS = 64, EVENT_MAX = 8192 };

/* ---- links and addresses as they are ---- */
static void add_link(const struct ifaddrs *i, uint64_t *print)
{
	struct {
		char name[IF_NAMESIZE];
		uint32_t flags;
	} link = {.flags = i->ifa_flags & (IFF_UP | IFF_RUNNING)};

	memcpy(link.name, i->ifa_name, strnlen(i->ifa_name, sizeof(link.name)));
	*print += hash_bytes(&link, sizeof(link));
}

/* read_machine: |*v_r| the addresses, |*print| a number that is another one when something changed, in whatever order
 * things come; how many, or -errno. */
static ssize_t read_machine(struct addr **v_r, uint64_t *print)
{
	struct ifaddrs *list;
	size_t n = 0, most = 0;

	*v_r = NULL;
	*print = 0;
	if (getifaddrs(&list) < 0)
		return -errno;
	for (const struct ifaddrs *i = list; i; i = i->ifa_next)
		most++;
	*v_r = mem_alloc((most ? most : 1) * sizeof(**v_r));
	for (const struct ifaddrs *i = list; *v_r && i; i = i->ifa_next) {
		struct addr *a = *v_r + n;

		add_link(i, print);
		if (!i->ifa_addr)
			continue;
		addr_from_sockaddr(a, i->ifa_addr);
		if (a->family == 0)
			continue;
		*print += hash_bytes(a, sizeof(*a));
		n++;
	}
	freeifaddrs(list);
	return *v_r ? (ssize_t)n : -ENOMEM;
}

ssize_t machine_addrs(struct addr **v_r)
{
	uint64_t print;

	return read_machine(v_r, &print);
}

/* ---- events ---- */
static void look_soon(struct watch *w, uint64_t wait_ms)
{
	uint64_t now_ms = loop_ms(w->io.loop), at = now_ms + wait_ms;

	if (wheel_armed(&w->quiet))
		return;
	if (at < w->looked_ms + GAP_MS)
		at = w->looked_ms + GAP_MS;
	wheel_arm(&w->io.loop->wheel, &w->quiet, at);
}

static void look(struct wheel_node *node, uint64_t now_ms)
{
	struct watch *w = container_of(node, struct watch, quiet);
	struct addr *v;
	uint64_t print;
	ssize_t n = read_machine(&v, &print);

	w->looked_ms = now_ms;
	if (n >= 0 && (print != w->print || w->anyway)) {
		w->anyway = !w->changed(w->ctx, v, (size_t)n);
		w->print = print;
	}
	if (n < 0 || w->anyway)
		look_soon(w, AGAIN_MS);
	mem_free(v);
}

/* route_event: those to places where we have nobody do not matter: a router may hear of thousands. */
static bool route_event(const struct watch *w, const uint8_t *p, size_t len)
{
	struct netmask m = {.bits = 0};
	struct rtmsg route;
	struct rtattr attr;

	if (len < sizeof(route))
		return false;
	memcpy(&route, p, sizeof(route));
	if (route.rtm_table == RT_TABLE_LOCAL || (route.rtm_flags & RTM_F_CLONED))
		return false;
	m.net.family = route.rtm_family;
	m.bits = route.rtm_dst_len;
	for (size_t at = NLMSG_ALIGN(sizeof(route)); at + sizeof(attr) <= len; at += RTA_ALIGN(attr.rta_len)) {
		memcpy(&attr, p + at, sizeof(attr));
		if (attr.rta_len < sizeof(attr) || attr.rta_len > len - at)
			return false;
		if (attr.rta_type == RTA_DST && addr_len(&m.net) == attr.rta_len - sizeof(attr))
			memcpy(m.net.ip, p + at + sizeof(attr), addr_len(&m.net));
	}
	return m.bits <= 8 * addr_len(&m.net) && addr_len(&m.net) && w->leads_to(w->ctx, &m);
}

/* address_event: an IPv6 address that was there, but could not be used, now can. */
static bool address_event(struct watch *w, const uint8_t *p, size_t len)
{
	struct ifaddrmsg a;
	bool usable;

	if (len < sizeof(a))
		return false;
	memcpy(&a, p, sizeof(a));
	if (a.ifa_family != AF_INET6)
		return false;
	usable = w->tentative && !(a.ifa_flags & IFA_F_TENTATIVE);
	w->tentative = a.ifa_flags & IFA_F_TENTATIVE;
	return usable;
}

static void read_events(struct watch *w, const uint8_t *p, size_t len)
{
	struct nlmsghdr h;

	for (size_t at = 0; at + sizeof(h) <= len; at += NLMSG_ALIGN(h.nlmsg_len)) {
		const uint8_t *body = p + at + NLMSG_HDRLEN;
		size_t n;

		memcpy(&h, p + at, sizeof(h));
		if (h.nlmsg_len < NLMSG_HDRLEN || h.nlmsg_len > len - at) {
			w->anyway = true; /* cut off */
			look_soon(w, QUIET_MS);
			return;
		}
		n = h.nlmsg_len - NLMSG_HDRLEN;
		if (h.nlmsg_type == RTM_NEWROUTE || h.nlmsg_type == RTM_DELROUTE) {
			if (!route_event(w, body, n))
				continue;
			w->anyway = true;
		} else if (h.nlmsg_type == RTM_NEWADDR) {
			w->anyway |= address_event(w, body, n);
		}
		look_soon(w, QUIET_MS);
	}
}

static void watch_ready(struct io *io, short what)
{
	struct watch *w = container_of(io, struct watch, io);
	uint8_t buf[EVENT_MAX];

	(void)what;
	for (unsigned i = 0; i < READS; i++) {
		ssize_t n = recv(w->fd, buf, sizeof(buf), 0);

		if (n > 0) {
			read_events(w, buf, (size_t)n);
		} else if (n < 0 && errno == ENOBUFS) { /* events were lost */
			w->anyway = true;
			look_soon(w, QUIET_MS);
		} else if (n == 0 || errno != EINTR) {
			return;
		}
	}
}

int watch_start(struct watch *w, struct loop *l)
{
	const struct sockaddr_nl groups = {.nl_family = AF_NETLINK,
		.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE |
			     RTMGRP_IPV6_ROUTE};
	struct addr *v = NULL;
	ssize_t n;
	int err;

	w->quiet.fire = look;
	w->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	if (w->fd < 0)
		return -errno;
	io_init(&w->io, l, w->fd, watch_ready);
	err = bind(w->fd, (const struct sockaddr *)&groups, sizeof(groups)) < 0 ? -errno : 0;
	n = err == 0 ? read_machine(&v, &w->print) : 0;
	mem_free(v);
	if (err == 0)
		err = n < 0 ? (int)n : io_want(&w->io, IO_READ);
	if (err < 0)
		watch_stop(w);
	return err;
}

void watch_stop(struct watch *w)
{
	wheel_disarm(&w->io.loop->wheel, &w->quiet);
	io_stop(&w->io);
	close(w->fd);
}

/* ---- whom it concerns ---- */
struct news {
	struct letter letter;
	size_t n;
	struct addr have[];
};

static void news_open(struct letter *l, void *owner)
{
	struct news *news = container_of(l, struct news, letter);

	if (owner)
		back_network_changed(owner, news->have, news->n);
	mem_free(news);
}

static bool tell(struct worker *w, const struct addr *have, size_t n)
{
	struct news *news = mem_alloc(sizeof(*news) + n * sizeof(*have));

	if (!news)
		return false;
	news->letter.open = news_open;
	news->n = n;
	if (n)
		memcpy(news->have, have, n * sizeof(*have));
	if (mailbox_post(&w->lane.mailbox, &news->letter, 0) < 0)
		mem_free(news); /* it has ended */
	return true;
}

static bool changed(void *ctx, const struct addr *have, size_t n)
{
	struct daemon *d = ctx;
	bool all = true;

	log_info(WORKER, "the network changed: %zu addresses", n);
	for (unsigned i = 0; i < d->nworkers; i++)
		all &= tell(&d->workers[i], have, n);
	resolve_kick(d);
	probes_hurry(d->probes);
	return all;
}

static bool leads_to(void *ctx, const struct netmask *m)
{
	struct daemon *d = ctx;
	struct conf *c = d->host.current(d);
	bool found = false;

	for (size_t i = 0; i < c->nservers && !found; i++) {
		struct addr v[SERVER_ADDRS];
		unsigned n = server_addrs(c->servers[i], v);

		for (unsigned k = 0; k < n; k++)
			found |= netmask_match(m, &v[k]);
		found |= n == 0 && m->bits == 0; /* a name without an address: a way to it may be one to its resolver */
	}
	conf_free(&c);
	return found;
}

void netlink_start(struct daemon *d)
{
	struct watch *w = mem_zalloc(sizeof(*w));
	int err = -ENOMEM;

	if (w) {
		w->changed = changed;
		w->leads_to = leads_to;
		w->ctx = d;
		err = watch_start(w, &d->workers[0].lane.loop);
	}
	if (err < 0) {
		log_info(WORKER, "changes of the network are not seen: %s", strerror(-err));
		mem_free(w);
		return;
	}
	d->netlink = w;
}

void netlink_stop(struct daemon *d)
{
	if (!d->netlink)
		return;
	watch_stop(d->netlink);
	mem_free(d->netlink);
	d->netlink = NULL;
}
