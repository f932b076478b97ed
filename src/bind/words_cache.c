/* words_cache.c: newPacketCache() and what a cache object can do. */
#include "lua_priv.h"
#include <fcntl.h>
#include <unistd.h>

#define METHOD(name) \
	static int name(lua_State *L, void *self, const struct arg *argv UNUSED, size_t argc UNUSED)

/* The options that followed maxEntries before there was a table. */
static int apply_positions(struct cache_options *o, const struct arg *argv, const char **error_r)
{
	static const char *const keys[] = {"maxEntries", "maxTTL", "minTTL", "temporaryFailureTTL",
		"staleTTL", "dontAge", "numberOfShards", "deferrableInsertLock", "maxNegativeTTL",
		"parseECS"};
	int rc = 0;

	for (size_t i = 0; i < LEN(keys) && rc == 0; i++) {
		if (arg_given(&argv[i]) && argv[i].kind != ARG_TABLE)
			rc = field_set(field_find(cache_fields, cache_field_count, keys[i]), o,
				&argv[i], error_r);
	}
	return rc;
}

static int new_cache(lua_State *L, const struct word *w, const struct arg *argv, size_t argc UNUSED)
{
	struct lua_here here = {L, w->name};
	const char *error = "out of memory";
	struct cache_options o = {.max_entries = 0};
	struct cache *c;
	int rc = field_defaults(cache_fields, cache_field_count, &o);

	if (rc == 0)
		rc = apply_positions(&o, argv, &error);
	if (rc == 0 && argv[1].kind == ARG_TABLE)
		rc = fields_apply(cache_fields, cache_field_count, &o, &argv[1], lua_unknown_option,
			&here, &error);
	if (rc < 0)
		return lua_fail(L, w->name, "%s", error);
	c = cache_new(&o, &error);
	if (!c)
		return lua_fail(L, w->name, "%s", error);
	lua_push_obj(L, &class_cache, c);
	return 1;
}

const struct word cache_words[] = {
	{"newPacketCache",
		"maxEntries:uint options:any? minTTL:any? temporaryFailureTTL:any? staleTTL:any? dontAge:any? "
		"numberOfShards:any? deferrableInsertLock:any? maxNegativeTTL:any? parseECS:any?",
		new_cache,
		DOC("A cache for this many answers; give it to pools by getPool(name):setCache(cache)."),
		DOC("getPool(\"\"):setCache(newPacketCache(1000, {maxTTL=3600, staleTTL=30}))")},
	{.name = NULL},
};

/* ---- methods ---- */

static uint64_t now_ms(lua_State *L)
{
	const struct host *h = lua_self(L)->host;

	return h->now_ms ? h->now_ms(h->ctx) : 0;
}

METHOD(purge_expired)
{
	lua_pushnumber(L, (lua_Number)cache_purge(self, (size_t)argv[0].n, now_ms(L)));
	return 1;
}

METHOD(expunge)
{
	lua_pushnumber(L, (lua_Number)cache_expunge(self, (size_t)argv[0].n));
	return 1;
}

/* A name, or a list of names and strings that are. */
static size_t expunge_one(
	lua_State *L, struct cache *c, const struct arg *a, unsigned qtype, bool suffix)
{
	const struct name *obj = arg_obj(a, OBJ_NAME);
	struct name n;

	if (!obj && (a->kind != ARG_STR || name_from_text(&n, a->s.p, a->s.len) < 0))
		lua_fail(L, NULL,
			"argument 1 (names): got %s, expected a domain name or a list of them",
			arg_str(a, arg_kind_name(a)));
	return cache_expunge_name(c, obj ? obj : &n, qtype, suffix);
}

METHOD(expunge_name)
{
	unsigned qtype = arg_given(&argv[1]) ? (unsigned)argv[1].n : QTYPE_ANY;
	bool suffix = arg_given(&argv[2]) && argv[2].b;
	size_t n = 0;

	if (argv[0].kind == ARG_TABLE) {
		for (size_t i = 0; i < argv[0].t.n; i++)
			n += expunge_one(L, self, &argv[0].t.v[i], qtype, suffix);
	} else {
		n = expunge_one(L, self, &argv[0], qtype, suffix);
	}
	lua_pushnumber(L, (lua_Number)n);
	return 1;
}

METHOD(dump)
{
	int fd = open(argv[0].s.p, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640), rc;

	if (fd < 0)
		return lua_fail(L, NULL, "%s: %s", argv[0].s.p, strerror(errno));
	rc = cache_dump(self, fd, arg_given(&argv[1]) && argv[1].b, now_ms(L));
	close(fd);
	if (rc < 0)
		return lua_fail(L, NULL, "%s: %s", argv[0].s.p, strerror(-rc));
	text_addf(lua_out(L), "Dumped %d records\n", rc);
	return 0;
}

METHOD(get_stats)
{
	struct cache_stats s;

	cache_stats(self, &s);
	lua_newtable(L);
#define STAT(key, value) (lua_pushnumber(L, (lua_Number)(value)), lua_setfield(L, -2, key))
	STAT("entries", cache_size(self));
	STAT("maxEntries", cache_options(self)->max_entries);
	STAT("hits", s.hits);
	STAT("misses", s.misses);
	STAT("deferredInserts", s.deferred_inserts);
	STAT("deferredLookups", s.deferred_lookups);
	STAT("lookupCollisions", s.lookup_collisions);
	STAT("insertCollisions", s.insert_collisions);
	STAT("ttlTooShorts", s.ttl_too_shorts);
	STAT("cleanupCount", s.cleanups);
	STAT("evictions", s.evictions);
	STAT("refreshes", s.refreshes);
	STAT("staleHits", s.stale_hits);
#undef STAT
	return 1;
}

METHOD(print_stats)
{
	cache_print_stats(self, lua_out(L));
	return 0;
}

METHOD(is_full)
{
	lua_pushboolean(L, cache_size(self) >= cache_options(self)->max_entries);
	return 1;
}

static int cache_tostring(lua_State *L, void *self)
{
	lua_pushfstring(L, "%d/%d", (int)cache_size(self), (int)cache_options(self)->max_entries);
	return 1;
}

METHOD(to_string)
{
	return cache_tostring(L, self);
}

/* Results come by callback in the middle of a search: they are gathered in a text, NUL-separated, then pushed. */
static void gather_addr(void *out, const struct addr *a)
{
	text_add_bytes(out, a, sizeof(*a));
}

static void gather_name(void *out, const uint8_t *wire)
{
	text_add_bytes(out, wire, name_len(wire));
}

METHOD(addresses_of)
{
	struct text found = {NULL, 0, 0, false};
	struct addr *v;
	size_t n;

	cache_addresses(self, argv[0].o.p, gather_addr, &found);
	n = found.len / sizeof(*v);
	v = lua_newuserdata(L, n * sizeof(*v) + 1); /* Lua frees it, whatever happens below */
	if (n)
		memcpy(v, found.p, n * sizeof(*v));
	text_free(&found);
	lua_createtable(L, (int)n, 0);
	for (size_t i = 0; i < n; i++) {
		lua_push_obj(L, &class_addr, mem_dup(&v[i], sizeof(v[i])));
		lua_rawseti(L, -2, (int)i + 1);
	}
	return 1;
}

METHOD(names_of)
{
	struct text found = {NULL, 0, 0, false};
	struct name *n;
	uint8_t *wire;
	size_t len;
	int i = 0;

	cache_domains(self, argv[0].o.p, gather_name, &found);
	len = found.len;
	wire = lua_newuserdata(L, len + 1);
	if (len)
		memcpy(wire, found.p, len);
	text_free(&found);
	lua_newtable(L);
	for (size_t at = 0; at < len; at += name_len(wire + at)) {
		n = mem_zalloc(sizeof(*n));
		if (n) {
			n->len = (uint8_t)name_len(wire + at);
			n->labels = (uint8_t)name_labels(wire + at);
			memcpy(n->wire, wire + at, n->len);
		}
		lua_push_obj(L, &class_name, n);
		lua_rawseti(L, -2, ++i);
	}
	return 1;
}

static const struct method methods[] = {
	{"purgeExpired", "count:uint", purge_expired},
	{"expunge", "count:uint", expunge},
	{"expungeByName", "names:any qtype:qtype? suffixMatch:bool?", expunge_name},
	{"dump", "file:str rawResponse:bool?", dump},
	{"getStats", "", get_stats},
	{"printStats", "", print_stats},
	{"isFull", "", is_full},
	{"toString", "", to_string},
	{"getAddressListByDomain", "name:name", addresses_of},
	{"getDomainListByAddress", "address:addr", names_of},
	{NULL, NULL, NULL},
};

static void free_cache(void *self)
{
	struct cache *c = self;

	cache_free(&c);
}

static void *running_cache(void *self)
{
	return cache_now(self);
}

const struct class class_cache = {.type = OBJ_CACHE,
	.shown = "PacketCache",
	.methods = methods,
	.free = free_cache,
	.now = running_cache,
	.tostring = cache_tostring};
