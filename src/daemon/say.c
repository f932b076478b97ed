/* say.c: what the log says of a configuration: its listeners, backends that cannot be asked, pools without servers,
 * settings that a reload does not change. */
#include "daemon_priv.h"
#include "text.h"
#include "tls.h"

/* ---- listeners, and lines to paste where they use our own certificate ---- */
static bool in_list(const struct field_list *l, const char *text)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->v[i], text) == 0)
			return true;
	return false;
}

/* plain_path: the first path that a shell leaves alone, NULL: none does. */
static const char *plain_path(const struct field_list *paths)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/-_.~";

	for (size_t i = 0; i < paths->n; i++)
		if (paths->v[i][strspn(paths->v[i], plain)] == 0)
			return paths->v[i];
	return NULL;
}

/* reach: the address to ask for a listener of all addresses. */
static struct addr reach(const struct listener *l)
{
	struct addr to = l->conf.addr;

	if (addr_is_any(&to))
		must(addr_parse(&to, to.family == AF_INET6 ? "::1" : "127.0.0.1", to.port) == 0);
	return to;
}

static void say_try(const struct listener *l)
{
	/* RFC 8484 4.1: example.com, type A */
	static const char query[] = "AAABAAABAAAAAAAAB2V4YW1wbGUDY29tAAABAAE";
	const struct addr to = reach(l);
	const char *path = plain_path(&l->conf.doh.paths);
	char ip[ADDR_TEXT], full[ADDR_TEXT];

	addr_print(&to, false, ip);
	addr_print(&to, true, full);
	if (l->conf.proto == PROTO_DOT) {
		log_info(FRONT, "try: kdig @%s -p %u +tls example.com", ip, to.port);
	} else if (l->conf.proto == PROTO_DOH && path) {
		log_info(FRONT, "try: kdig @%s -p %u +https=%s example.com", ip, to.port, path);
		log_info(FRONT, "try: curl -ksS -D - -o /dev/null 'https://%s%s?dns=%s'", full, path, query);
	}
}

void say_listening(const struct listener *l)
{
	char text[ADDR_TEXT];

	log_info(FRONT, "listening on %s (%s)", addr_print(&l->conf.addr, true, text), l->ops->name);
	if (TEXT_HINTS && in_list(&l->conf.tls.certs, TLS_SELF_SIGNED))
		say_try(l);
}

/* ---- backends ---- */
int backends_check(const struct conf *c, const char **error_r)
{
	for (size_t i = 0; i < c->nservers; i++)
		if (back_check(c->servers[i], error_r) < 0)
			return -EINVAL;
	return 0;
}

void say_backends(const struct conf *c)
{
	const char *error = "";

	for (size_t i = 0; i < c->nservers; i++)
		if (back_check(c->servers[i], &error) < 0)
			log_error(BACK, "%s", error);
}

/* ---- pools ---- */
void say_pools(const struct conf *c)
{
	for (unsigned id = 0; id < CHAIN_COUNT; id++)
		for (size_t i = 0; i < c->chain[id].n; i++) {
			const struct rule *r = c->chain[id].v[i];
			const char *name = r->action->pool;
			const struct pool *p = name ? conf_pool(c, name) : NULL;

			if (name && (!p || p->n == 0))
				log_warn(SETUP, "rule %s -> %s: that pool has no server", r->selector->text, r->action->text);
		}
}

/* ---- what only a start changes ---- */
static void say_late(void *ctx, const char *word)
{
	const char *where = ctx;

	log_warn(SETUP, "%s%s%s: has changed, which counts from the next start on", where ? where : "", where ? ": " : "", word);
}

void say_late_settings(const struct settings *started, const struct settings *file)
{
	settings_differ(started, file, say_late, NULL);
}

void say_late_options(const struct listener *l, const struct bind_conf *b)
{
	if (l->ops->datagram)
		return;
	if (l->conf.listen_queue != b->listen_queue)
		say_late(b->where, "tcpListenQueueSize");
	if (l->conf.fast_open != b->fast_open)
		say_late(b->where, "tcpFastOpenQueueSize");
}
