/* words_net.c: what the system knows of its network: resolvers, interfaces, neighbours. */
#include "value.h"
#include <ifaddrs.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <net/if.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define WORD(name) \
	static int name(lua_State *L, const struct word *w UNUSED, const struct arg *argv UNUSED, \
		size_t argc UNUSED)

/* Lines of |found| become a list of strings; |found| is freed first, so that nothing leaks when Lua runs out. */
static int push_lines(lua_State *L, struct text *found)
{
	char *copy = lua_newuserdata(L, found->len + 1), *end;
	int i = 0;

	memcpy(copy, text_str(found), found->len + 1);
	text_free(found);
	lua_newtable(L);
	for (char *line = copy; *line; line = end + 1) {
		end = strchr(line, '\n');
		lua_pushlstring(L, line, (size_t)(end - line));
		lua_rawseti(L, -2, ++i);
	}
	return 1;
}

WORD(get_resolvers)
{
	struct text found = {NULL, 0, 0, false};
	FILE *f = fopen(argv[0].s.p, "re");
	char line[512], addr[128];
	struct addr parsed;

	if (!f) {
		lua_note(L, w->name, "%s: %s", argv[0].s.p, strerror(errno));
		lua_newtable(L);
		return 1;
	}
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, " nameserver %127s", addr) == 1 &&
			addr_parse(&parsed, addr, 53) == 0)
			text_addf(&found, "%s\n", addr);
	}
	fclose(f);
	return push_lines(L, &found);
}

/* Has the line been added already? */
static bool has_line(const struct text *t, const char *line)
{
	size_t len = strlen(line);

	for (const char *p = text_str(t); (p = strstr(p, line)); p++) {
		if ((p == t->p || p[-1] == '\n') && p[len] == '\n')
			return true;
	}
	return false;
}

/* Adds a line for each interface address: |add| prints it. */
static int each_address(lua_State *L, const struct word *w, const char *only,
	void (*add)(struct text *, const struct ifaddrs *))
{
	struct text found = {NULL, 0, 0, false};
	struct ifaddrs *list;

	if (getifaddrs(&list) < 0)
		return lua_fail(L, w->name, "%s", strerror(errno));
	for (const struct ifaddrs *i = list; i; i = i->ifa_next) {
		if (!only || strcmp(i->ifa_name, only) == 0)
			add(&found, i);
	}
	freeifaddrs(list);
	return push_lines(L, &found);
}

static void add_interface(struct text *found, const struct ifaddrs *i)
{
	if (!has_line(found, i->ifa_name))
		text_addf(found, "%s\n", i->ifa_name);
}

static void add_address(struct text *found, const struct ifaddrs *i)
{
	char buf[ADDR_TEXT];
	struct addr a;

	if (!i->ifa_addr)
		return;
	addr_from_sockaddr(&a, i->ifa_addr);
	if (a.family)
		text_addf(found, "%s\n", addr_print(&a, false, buf));
}

static unsigned bits_of(const struct sockaddr *mask, unsigned family)
{
	struct addr a;
	unsigned bits = 0;
	struct sockaddr_storage copy = {.ss_family = 0};

	memcpy(&copy, mask,
		family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in));
	copy.ss_family = (sa_family_t)family; /* not always set in masks */
	addr_from_sockaddr(&a, (struct sockaddr *)&copy);
	for (unsigned i = 0; i < addr_len(&a); i++)
		for (uint8_t rest = a.ip[i]; rest; rest = (uint8_t)(rest << 1))
			bits++;
	return bits;
}

static void add_range(struct text *found, const struct ifaddrs *i)
{
	char buf[ADDR_TEXT];
	struct netmask m;

	if (!i->ifa_addr || !i->ifa_netmask)
		return;
	addr_from_sockaddr(&m.net, i->ifa_addr);
	if (!m.net.family)
		return;
	m.net.port = 0;
	m.net.scope = 0;
	m.bits = (uint8_t)bits_of(i->ifa_netmask, m.net.family);
	text_addf(found, "%s\n", netmask_print(&m, buf));
}

WORD(interfaces)
{
	return each_address(L, w, NULL, add_interface);
}

WORD(addresses)
{
	return each_address(L, w, argv[0].s.p, add_address);
}

WORD(ranges)
{
	return each_address(L, w, argv[0].s.p, add_range);
}

/* ---- neighbours ---- */

/* Takes the link-layer address of |a| from one netlink message; true when it was there. */
static bool take_neighbour(struct nlmsghdr *h, const struct addr *a, uint8_t mac[6])
{
	struct ndmsg *nd = NLMSG_DATA(h);
	struct rtattr *attr = (void *)((char *)nd + NLMSG_ALIGN(sizeof(*nd)));
	int left = (int)h->nlmsg_len - (int)NLMSG_LENGTH(sizeof(*nd));
	const void *link = NULL;
	bool same = false;

	for (; RTA_OK(attr, left); attr = RTA_NEXT(attr, left)) {
		if (attr->rta_type == NDA_DST && RTA_PAYLOAD(attr) == addr_len(a))
			same = memcmp(RTA_DATA(attr), a->ip, addr_len(a)) == 0;
		else if (attr->rta_type == NDA_LLADDR && RTA_PAYLOAD(attr) == 6)
			link = RTA_DATA(attr);
	}
	if (!same || !link)
		return false;
	memcpy(mac, link, 6);
	return true;
}

/* Reads the kernel's table of neighbours (RFC 3549) to its end. */
static bool find_neighbour(int fd, const struct addr *a, uint8_t mac[6])
{
	_Alignas(struct nlmsghdr) char buf[8192];
	bool found = false;

	for (;;) {
		ssize_t got = recv(fd, buf, sizeof(buf), 0);
		unsigned left = (unsigned)got;

		if (got <= 0)
			return found;
		for (struct nlmsghdr *h = (void *)buf; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
			if (h->nlmsg_type == NLMSG_DONE || h->nlmsg_type == NLMSG_ERROR)
				return found;
			if (h->nlmsg_type == RTM_NEWNEIGH && !found)
				found = take_neighbour(h, a, mac);
		}
	}
}

static bool neighbour(const struct addr *a, uint8_t mac[6])
{
	struct {
		struct nlmsghdr h;
		struct ndmsg nd;
	} ask = {.h = {.nlmsg_len = sizeof(ask),
			 .nlmsg_type = RTM_GETNEIGH,
			 .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
		.nd = {.ndm_family = (unsigned char)a->family}};
	struct timeval limit = {.tv_sec = 1};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	bool found = false;

	if (fd < 0)
		return false;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (send(fd, &ask, sizeof(ask), 0) == (ssize_t)sizeof(ask))
		found = find_neighbour(fd, a, mac);
	close(fd);
	return found;
}

WORD(mac_address)
{
	uint8_t mac[6];

	if (neighbour(argv[0].o.p, mac))
		lua_pushlstring(L, (const char *)mac, sizeof(mac));
	else
		lua_pushstring(L, "");
	return 1;
}

/* ---- names ---- */

struct lookup {
	struct lua_func *f;
	const struct addr *found;
	unsigned n;
	char name[];
};

/* Protected: callback(name, {addresses}). */
static int call_back(lua_State *L)
{
	const struct lookup *l = lua_touserdata(L, 1);

	lua_rawgeti(L, LUA_REGISTRYINDEX, l->f->ref);
	lua_pushstring(L, l->name);
	lua_createtable(L, (int)l->n, 0);
	for (unsigned i = 0; i < l->n; i++) {
		value_push_addr(L, &l->found[i]);
		lua_rawseti(L, -2, (int)i + 1);
	}
	lua_call(L, 2, 0);
	return 0;
}

static void resolved(void *ctx, const struct addr *found, unsigned n)
{
	struct lookup *l = ctx;
	lua_State *L = lua_func_push(l->f);

	if (L) { /* else a reload closed its state */
		lua_pop(L, 1);
		l->found = found;
		l->n = n;
		if (lua_cpcall(L, call_back, l) != 0)
			lua_row_error(L, "getAddressInfo");
		lua_leave(l->f->lua);
	}
	lua_func_free(&l->f);
	mem_free(l);
}

WORD(address_info)
{
	const struct host *h = lua_self(L)->host;
	struct lua_func *f;
	struct lookup *l;
	struct name name;

	if (name_from_text(&name, argv[0].s.p, argv[0].s.len) < 0)
		return lua_fail(L, w->name, "argument 1 (name): got '%.80s', expected a host name", argv[0].s.p);
	if (h->check_only || h->client || !h->resolve)
		return 0;
	f = lua_func_new(L, 2);
	l = mem_zalloc(sizeof(*l) + argv[0].s.len + 1);
	if (!l) {
		lua_func_free(&f);
		return lua_no_memory(L, w->name);
	}
	l->f = f;
	memcpy(l->name, argv[0].s.p, argv[0].s.len);
	if (h->resolve(h->ctx, l->name, resolved, l) < 0) {
		lua_func_free(&l->f);
		mem_free(l);
		lua_note(L, w->name, "%s cannot be resolved now", argv[0].s.p);
	}
	return 0;
}

const struct word net_words[] = {
	{"getResolvers", "file:str", get_resolvers,
		DOC("The addresses in a resolv.conf, as a list."),
		DOC("getResolvers(\"/dev/null\")")},
	{"getListOfNetworkInterfaces", "", interfaces,
		DOC("The names of network interfaces, as a list."),
		DOC("getListOfNetworkInterfaces()")},
	{"getListOfAddressesOfNetworkInterface", "interface:str", addresses,
		DOC("The addresses of an interface, as a list."),
		DOC("getListOfAddressesOfNetworkInterface(\"lo\")")},
	{"getListOfRangesOfNetworkInterface", "interface:str", ranges,
		DOC("The netmasks of an interface, as a list."),
		DOC("getListOfRangesOfNetworkInterface(\"lo\")")},
	{"getAddressInfo", "name:str callback:func", address_info,
		DOC("Asks for the addresses of a host; when they are there the function is called with its name and a list of them, empty when there are none."),
		DOC("getAddressInfo(\"resolver.example\", function(name, addresses) end)")},
	{"getMACAddress", "address:addr", mac_address,
		DOC("The six bytes of a neighbour's MAC address, or \"\"."),
		DOC("getMACAddress(\"192.0.2.1\")")},
	{.name = NULL},
};
