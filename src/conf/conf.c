/* conf.c: the life of a configuration: made with defaults or as a copy, checked, given back. */
#include "conf_priv.h"
#include "mem.h"
#include "text.h"

HOT_KEPT(conf_pool);

static const char *const acl_default[] = {"127.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10",
	"169.254.0.0/16", "192.168.0.0/16", "172.16.0.0/12", "::1/128", "fc00::/7", "fe80::/10"};
static const char *const console_acl_default[] = {"127.0.0.0/8", "::1/128"};

static const struct field capabilities_field = {.name = "addCapabilitiesToRetain",
	.type = FIELD_LIST,
	.offset = offsetof(struct conf, capabilities)};

static struct netset *netset_of(const char *const *masks, size_t n)
{
	struct netset *set = netset_new();

	for (size_t i = 0; i < n && set != NULL; i++)
		if (netset_add_text(set, masks[i]) != 0)
			netset_free(&set);
	return set;
}

static struct conf *conf_blank(void)
{
	struct conf *c = mem_zalloc(sizeof *c);

	if (c == NULL)
		return NULL;
	atomic_init(&c->refs, 1);
	c->serial = 1;
	c->policy = &policy_least_outstanding;
	return c;
}

static int fill_defaults(struct conf *c)
{
	if (field_defaults(setting_fields, setting_field_count, &c->set) != 0)
		return -ENOMEM;
	c->acl = netset_of(acl_default, LEN(acl_default));
	c->console_acl = netset_of(console_acl_default, LEN(console_acl_default));
	c->proxy_acl = netset_new();
	if (c->acl == NULL || c->console_acl == NULL || c->proxy_acl == NULL)
		return -ENOMEM;
	return conf_pool_make(c, "") != NULL ? 0 : -ENOMEM;
}

static void binds_clear(struct conf *c)
{
	for (size_t i = 0; i < c->nbinds; i++)
		bind_conf_free(&c->binds[i]);
	mem_free(c->binds);
	c->binds = NULL;
	c->nbinds = 0;
}

static int binds_copy(struct conf *to, const struct conf *from)
{
	if (from->nbinds == 0)
		return 0;
	to->binds = mem_zalloc(from->nbinds * sizeof *to->binds);
	if (to->binds == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < from->nbinds; i++) {
		if (bind_conf_copy(&to->binds[i], &from->binds[i]) != 0)
			return -ENOMEM;
		to->nbinds++;
	}
	return 0;
}

static int chains_copy(struct conf *to, const struct conf *from)
{
	for (size_t i = 0; i < CHAIN_COUNT; i++)
		if (chain_copy(&to->chain[i], &from->chain[i]) != 0)
			return -ENOMEM;
	return 0;
}

static int copy_into(struct conf *to, const struct conf *from)
{
	if (fields_copy(setting_fields, setting_field_count, &to->set, &from->set) != 0 ||
		fields_copy(&capabilities_field, 1, to, from) != 0)
		return -ENOMEM;
	to->acl = netset_copy(from->acl);
	to->proxy_acl = netset_copy(from->proxy_acl);
	to->console_acl = netset_copy(from->console_acl);
	if (to->acl == NULL || to->proxy_acl == NULL || to->console_acl == NULL)
		return -ENOMEM;
	if (binds_copy(to, from) != 0 || pools_copy(to, from) != 0)
		return -ENOMEM;
	return chains_copy(to, from);
}

/* The Lua state goes last: rules, policies and servers may hold functions of it. */
static void conf_destroy(struct conf *c)
{
	for (size_t i = 0; i < CHAIN_COUNT; i++)
		chain_clear(&c->chain[i]);
	pools_free(c);
	binds_clear(c);
	fields_free(&capabilities_field, 1, c);
	fields_free(setting_fields, setting_field_count, &c->set);
	netset_free(&c->acl);
	netset_free(&c->proxy_acl);
	netset_free(&c->console_acl);
	if (c->lua != NULL && c->lua_release != NULL)
		c->lua_release(c->lua);
	mem_free(c);
}

/* ---- checks of the whole ---- */
static int check_factor(const char *word, double factor, const char **error_r)
{
	if (factor == 0 || factor >= 1)
		return 0;
	return error_set(error_r, "%s: expected 0 or a number from 1 up, got %g", word, factor);
}

/* Four groups of eight hexadecimal digits, joined by '-'. */
static int check_fast_open_key(const char *key, const char **error_r)
{
	if (key == NULL || *key == '\0' || text_like(key, "xxxxxxxx-xxxxxxxx-xxxxxxxx-xxxxxxxx"))
		return 0;
	return error_set(error_r,
		"setTCPFastOpenKey: expected four groups of eight hexadecimal digits joined by '-'");
}

static int check(const struct conf *c, const char **error_r)
{
	if (check_factor("setWeightedBalancingFactor", c->set.weighted_factor, error_r) != 0 ||
		check_factor("setConsistentHashingBalancingFactor", c->set.hash_factor, error_r))
		return -EINVAL;
	if (check_fast_open_key(c->set.tcp_fast_open_key, error_r) != 0)
		return -EINVAL;
	for (size_t i = 0; i < c->nbinds; i++)
		if (bind_conf_check(&c->binds[i], error_r) != 0)
			return -EINVAL;
	return 0;
}

static int add_default_bind(struct conf *c)
{
	struct bind_conf b;

	if (bind_conf_defaults(&b) != 0)
		return -ENOMEM;
	b.proto = PROTO_UDP;
	must(addr_parse(&b.addr, "127.0.0.1:53", 53) == 0);
	if (conf_add_bind(c, &b, false) != 0) {
		bind_conf_free(&b);
		return -ENOMEM;
	}
	return 0;
}

struct conf *conf_new(const char **error_r)
{
	struct conf *c = conf_blank();

	if (c != NULL && fill_defaults(c) != 0)
		conf_free(&c);
	if (c == NULL)
		error_set(error_r, "out of memory");
	return c;
}

struct conf *conf_copy(const struct conf *from)
{
	struct conf *c = conf_blank();

	if (c == NULL)
		return NULL;
	if (copy_into(c, from) != 0) {
		conf_free(&c);
		return NULL;
	}
	c->serial = from->serial + 1;
	c->policy = from->policy;
	if (from->lua != NULL && from->lua_retain != NULL) {
		from->lua_retain(from->lua);
		c->lua = from->lua;
		c->lua_retain = from->lua_retain;
		c->lua_release = from->lua_release;
	}
	return c;
}

struct conf *conf_ref(struct conf *c)
{
	atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
	return c;
}

void conf_free(struct conf **cp)
{
	struct conf *c = *cp;

	*cp = NULL;
	if (c != NULL && atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) == 1)
		conf_destroy(c);
}

static bool wants_ecs(const struct pool *p)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->servers[i]->conf.use_ecs)
			return true;
	return p->use_ecs;
}

int conf_freeze(struct conf *c, const char **error_r)
{
	must(!c->frozen);
	if (check(c, error_r) != 0)
		return -EINVAL;
	if (c->nbinds == 0 && add_default_bind(c) != 0)
		return error_set(error_r, "out of memory");
	for (size_t i = 0; i < c->npools; i++) {
		pool_sort(c->pools[i]);
		c->pools[i]->wants_ecs = wants_ecs(c->pools[i]);
	}
	c->frozen = true;
	return 0;
}

static void drop_do53(struct conf *c)
{
	size_t kept = 0;

	for (size_t i = 0; i < c->nbinds; i++) {
		if (c->binds[i].proto == PROTO_UDP || c->binds[i].proto == PROTO_TCP)
			bind_conf_free(&c->binds[i]);
		else
			c->binds[kept++] = c->binds[i];
	}
	c->nbinds = kept;
}

int conf_add_bind(struct conf *c, struct bind_conf *b, bool replace)
{
	struct bind_conf *binds = mem_resize(c->binds, (c->nbinds + 1) * sizeof *binds);

	must(!c->frozen);
	if (binds == NULL)
		return -ENOMEM;
	c->binds = binds;
	if (replace)
		drop_do53(c);
	c->binds[c->nbinds++] = *b;
	*b = (struct bind_conf){.proto = b->proto, .addr = b->addr}; /* what it owned is the configuration's now */
	return 0;
}
