/* server_addr.c: where a backend is: what the configuration says, and the addresses of a host name, which change while
 * it runs. */
#include "mem.h"
#include "server_priv.h"
#include "text.h"
#include <ctype.h>
#include <sched.h>

HOT_KEPT(server_addr);

enum { PORT_DNS = 53, PORT_DOT = 853, PORT_DOH = 443, HOST_MAX = 253 };

/* The first one is server->addr, too: what those read that want only one. */
struct server_addrs {
	unsigned n;
	bool good; /* the first one worked */
	struct addr v[SERVER_ADDRS];
};

static bool is_set(const char *s)
{
	return s && s[0];
}

/* ---- what is written in the configuration ---- */
/* Labels of letters, digits, '-' and '_'; the last one is not a number, or it would be a mistyped address. */
bool is_host_name(const char *s, size_t len)
{
	bool letters = false;
	size_t label = 0;

	if (len > 0 && s[len - 1] == '.')
		len--;
	if (len == 0 || len > HOST_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c == '.') {
			if (label == 0)
				return false;
			label = 0;
			letters = false;
			continue;
		}
		if (!isalnum(c) && c != '-' && c != '_')
			return false;
		letters |= !isdigit(c);
		if (++label > 63)
			return false;
	}
	return label > 0 && letters;
}

static uint16_t default_port(const struct server_conf *c)
{
	return !is_set(c->tls) ? PORT_DNS : is_set(c->doh_path) ? PORT_DOH : PORT_DOT;
}

static int no_memory(const char **error_r)
{
	error_set(error_r, "address: out of memory");
	return -ENOMEM;
}

static int put(char **place, const char *text)
{
	char *copy = mem_strdup(text);

	if (!copy)
		return -ENOMEM;
	mem_free(*place);
	*place = copy;
	return 0;
}

/* put_missing sets a key that the configuration does not give. */
static int put_missing(char **place, const char *text)
{
	return is_set(*place) || !text[0] ? 0 : put(place, text);
}

/* Splits "name" or "name:port"; the family of s->addr stays 0. */
static int parse_host(struct server *s, const char *text, size_t *len_r)
{
	const char *colon = strchr(text, ':');
	uint64_t port = default_port(&s->conf);

	*len_r = colon != NULL ? (size_t)(colon - text) : strlen(text);
	if (colon != NULL && (text_u64(colon + 1, &port) != 0 || port == 0 || port > UINT16_MAX))
		return -EINVAL;
	if (!is_host_name(text, *len_r))
		return -EINVAL;
	s->addr.port = (uint16_t)port;
	s->is_name = true;
	return 0;
}

/* parse_at_device: "192.0.2.1%eth0" or "192.0.2.1%eth0:53" is "192.0.2.1:53" by way of that interface; 1: it is. */
static int parse_at_device(struct server *s, const char *text)
{
	const char *percent = strchr(text, '%'), *colon = strchr(text, ':');
	const char *end = colon ? colon : text + strlen(text);
	struct text address = {0}, device = {0};
	int err = 0;

	if (!percent || (colon && colon < percent) || percent + 1 == end || is_set(s->conf.source))
		return 0;
	text_add_bytes(&address, text, (size_t)(percent - text));
	text_add(&address, end);
	text_add_bytes(&device, percent + 1, (size_t)(end - percent - 1));
	if (address.failed || device.failed)
		err = -ENOMEM;
	else if (addr_parse(&s->addr, text_str(&address), default_port(&s->conf)) == 0)
		err = put(&s->conf.source, text_str(&device)) < 0 ? -ENOMEM : 1;
	text_free(&address);
	text_free(&device);
	return err;
}

/* A host name over TLS is the name in the certificate, unless the configuration says another. */
static int set_name(struct server *s, const char *host, size_t len)
{
	char name[HOST_MAX + 2];
	struct server_conf *c = &s->conf;

	s->addrs = mem_zalloc(sizeof(*s->addrs));
	if (!s->addrs)
		return -ENOMEM;
	if (!is_set(c->tls) || is_set(c->subject_addr))
		return 0;
	memcpy(name, host, len);
	name[len] = 0;
	if (name[len - 1] == '.')
		name[len - 1] = 0;
	return put_missing(&c->subject_name, name);
}

/* Which part of |s| is wrong, where that can be told. */
static const char *advice(const char *s)
{
	size_t host = *s == '[' ? strcspn(s, "]") + 1 : strcspn(s, ":");
	uint64_t port;

	if (!TEXT_HINTS || host > strlen(s))
		return "";
	if (*s != '[' && s[host] && strchr(s + host + 1, ':'))
		return HINT(": more than one ':', but no IPv6 address");
	if (s[host] == ':' && (text_u64(s + host + 1, &port) < 0 || port == 0 || port > UINT16_MAX))
		return HINT(": the port is no number from 1 to 65535");
	if (host && strspn(s, "0123456789.") >= host)
		return HINT(": that is no IPv4 address");
	return "";
}

static int set_plain(struct server *s, const char **error_r)
{
	const char *given = s->conf.address;
	char buf[ADDR_TEXT];
	struct text out = {0};
	size_t len;
	int at_device = parse_at_device(s, given), err = 0;

	if (at_device < 0)
		return no_memory(error_r);
	if (at_device || addr_parse(&s->addr, given, default_port(&s->conf)) == 0) {
		text_add(&out, addr_print(&s->addr, true, buf));
	} else {
		memset(&s->addr, 0, sizeof s->addr);
		if (parse_host(s, given, &len) != 0)
			return error_set(error_r,
				"address: expected an address or a host name, with or without a port, got '%.80s'%s",
				given, advice(given));
		text_add_bytes(&out, given, len);
		text_addf(&out, ":%u", s->addr.port);
		err = set_name(s, given, len);
	}
	if (out.failed || err < 0) {
		text_free(&out);
		return no_memory(error_r);
	}
	mem_free(s->conf.address);
	s->conf.address = out.p;
	return 0;
}

/* ---- stamps ---- */
static const char *kind_name(enum stamp_kind kind)
{
	return kind == STAMP_PLAIN ? "plain DNS" : kind == STAMP_DOT ? "DoT" : "DoH";
}

/* contradicts: does the configuration ask for another protocol than the stamp? */
static int contradicts(const struct server_conf *c, enum stamp_kind kind, const char **error_r)
{
	const char *key = NULL;

	if (kind == STAMP_PLAIN && is_set(c->tls))
		key = "tls";
	else if (kind != STAMP_DOH && is_set(c->doh_path))
		key = "dohPath";
	return key ? error_set(error_r, "address: the stamp is one for %s, which %s contradicts", kind_name(kind), key) : 0;
}

static int add_pins(struct field_list *to, const struct stamp *stamp)
{
	static const char digits[] = "0123456789abcdef";
	int err = 0;

	for (unsigned i = 0; i < stamp->pins && err == 0; i++) {
		char hex[2 * sizeof(stamp->pin[i]) + 1] = "";

		for (unsigned k = 0; k < sizeof(stamp->pin[i]); k++) {
			hex[2 * k] = digits[stamp->pin[i][k] >> 4];
			hex[2 * k + 1] = digits[stamp->pin[i][k] & 15];
		}
		err = field_list_add(to, hex);
	}
	return err;
}

static int add_bootstraps(struct field_list *to, const struct stamp *stamp)
{
	char buf[ADDR_TEXT];
	int err = 0;

	for (unsigned i = 0; i < stamp->bootstraps && err == 0; i++)
		err = field_list_add(to, addr_print(&stamp->bootstrap[i], true, buf));
	return err;
}

/* write_address: "192.0.2.1:443", "dns.example:443", or without the port where the stamp says none. */
static int write_address(struct server_conf *c, const struct stamp *stamp)
{
	char buf[ADDR_TEXT];
	struct text out = {0};
	int err;

	if (stamp->addr.family) {
		text_add(&out, addr_print(&stamp->addr, stamp->addr.port != 0, buf));
	} else {
		text_add(&out, stamp->host);
		if (stamp->addr.port)
			text_addf(&out, ":%u", stamp->addr.port);
	}
	err = out.failed ? -ENOMEM : put(&c->address, text_str(&out));
	text_free(&out);
	return err;
}

/* set_stamp gives the keys that the stamp knows and the configuration does not. */
static int set_stamp(struct server *s, const char **error_r)
{
	struct server_conf *c = &s->conf;
	const char *error = "";
	struct stamp stamp;
	struct addr literal;
	int err;

	if (stamp_parse(&stamp, c->address, &error) < 0)
		return error_set(error_r, "address: %s", error);
	if (contradicts(c, stamp.kind, error_r) < 0)
		return -EINVAL;
	err = write_address(c, &stamp);
	if (err == 0 && stamp.kind != STAMP_PLAIN)
		err = put_missing(&c->tls, "openssl");
	if (err == 0)
		err = put_missing(&c->doh_path, stamp.path);
	if (err == 0 && !is_set(c->subject_name) && !is_set(c->subject_addr) && stamp.host[0])
		err = put(addr_parse(&literal, stamp.host, 0) == 0 ? &c->subject_addr : &c->subject_name, stamp.host);
	if (err == 0 && c->pins.n == 0)
		err = add_pins(&c->pins, &stamp);
	if (err == 0 && c->bootstrap.n == 0)
		err = add_bootstraps(&c->bootstrap, &stamp);
	return err < 0 ? no_memory(error_r) : 0;
}

int address_set(struct server *s, const char **error_r)
{
	int err;

	if (!is_set(s->conf.address))
		return error_set(error_r, "address: missing");
	err = strncmp(s->conf.address, "sdns://", 7) == 0 ? set_stamp(s, error_r) : 0;
	return err < 0 ? err : set_plain(s, error_r);
}

void address_free(struct server *s)
{
	mem_free(s->addrs);
	s->addrs = NULL;
}

/* ---- while running ---- */
static void addr_lock(struct server *s)
{
	while (atomic_exchange_explicit(&s->addr_busy, 1, memory_order_acquire))
		sched_yield();
}

static void addr_unlock(struct server *s)
{
	atomic_store_explicit(&s->addr_busy, 0, memory_order_release);
}

/* find: the first of the family wanted, else of any; |n|: there is none. */
static unsigned find(const struct addr *v, const bool *taken, unsigned n, unsigned family)
{
	unsigned any = n;

	for (unsigned i = 0; i < n; i++) {
		if (taken[i])
			continue;
		if (v[i].family == family)
			return i;
		if (any == n)
			any = i;
	}
	return any;
}

/* arrange begins with |v[first]|, then families take turns (RFC 8305, 4), each in the order given; how many there are,
 * at most SERVER_ADDRS. */
static unsigned arrange(struct addr out[SERVER_ADDRS], const struct addr *v, unsigned n, unsigned first)
{
	bool taken[2 * SERVER_ADDRS] = {false};
	unsigned at = first, made = 0;

	while (at < n && made < SERVER_ADDRS) {
		taken[at] = true;
		out[made++] = v[at];
		at = find(v, taken, n, v[at].family == AF_INET ? AF_INET6 : AF_INET);
	}
	return made;
}

/* index_of: |n|: it is none of them. */
static unsigned index_of(const struct addr *v, unsigned n, const struct addr *a)
{
	unsigned i = 0;

	while (i < n && !(addr_same_ip(&v[i], a) && v[i].scope == a->scope))
		i++;
	return i;
}

/* be_first puts |v[first]| in front; the lock is held. */
static void be_first(struct server *s, const struct addr *v, unsigned n, unsigned first)
{
	struct addr out[SERVER_ADDRS];

	s->addrs->n = arrange(out, v, n, first);
	memcpy(s->addrs->v, out, s->addrs->n * sizeof(out[0]));
	s->addr = s->addrs->v[0];
}

/* distinct copies those that are addresses, once each, with the configured port where they have none. */
static unsigned distinct(struct addr out[2 * SERVER_ADDRS], const struct addr *v, unsigned n, uint16_t port)
{
	unsigned have = 0;

	for (unsigned i = 0; i < n && have < 2 * SERVER_ADDRS; i++) {
		if (v[i].family == 0 || index_of(out, have, &v[i]) < have)
			continue;
		out[have] = v[i];
		if (out[have].port == 0)
			out[have].port = port;
		have++;
	}
	return have;
}

void server_set_addrs(struct server *s, const struct addr *given, unsigned n)
{
	struct addr v[2 * SERVER_ADDRS];
	struct server_addrs *all = s->addrs;
	unsigned first = 0;

	addr_lock(s);
	n = distinct(v, given, n, s->addr.port);
	if (n && !all) {
		s->addr = v[0];
	} else if (n) {
		if (all->good)
			first = index_of(v, n, &s->addr);
		if (first == n) {
			all->good = false;
			first = 0;
		}
		be_first(s, v, n, first);
	}
	addr_unlock(s);
}

void server_set_addr(struct server *s, const struct addr *addr)
{
	server_set_addrs(s, addr, 1);
}

void server_addr_good(struct server *s, const struct addr *addr)
{
	struct addr v[SERVER_ADDRS];
	unsigned at;

	if (!s->addrs)
		return;
	addr_lock(s);
	at = index_of(s->addrs->v, s->addrs->n, addr);
	if (at < s->addrs->n) {
		s->addrs->good = true;
		memcpy(v, s->addrs->v, sizeof(v));
		if (at > 0)
			be_first(s, v, s->addrs->n, at);
	}
	addr_unlock(s);
}

bool server_turn_addr(struct server *s)
{
	struct server_addrs *all = s->addrs;
	bool turns;

	if (!all)
		return false;
	addr_lock(s);
	turns = all->n > 1;
	if (turns) {
		memmove(all->v, all->v + 1, (all->n - 1) * sizeof(all->v[0]));
		all->v[all->n - 1] = s->addr;
		s->addr = all->v[0];
		all->good = false;
	}
	addr_unlock(s);
	return turns;
}

unsigned server_addrs(const struct server *c, struct addr out[SERVER_ADDRS])
{
	struct server *s = server_mutable(c);
	unsigned n;

	if (!s->addrs) {
		out[0] = s->addr;
		return 1;
	}
	addr_lock(s);
	n = s->addrs->n;
	memcpy(out, s->addrs->v, n * sizeof(out[0]));
	addr_unlock(s);
	return n;
}

const struct addr *server_addr_slow(const struct server *c, struct addr *buf)
{
	struct server *s = server_mutable(c);

	addr_lock(s);
	*buf = s->addr;
	addr_unlock(s);
	return buf;
}
