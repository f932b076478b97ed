/* frontend_with_tls.c: what the words of DoT and of DoH share.
 *
 * A frontend object edits the configuration while the file is read, and asks the daemon while it runs. */
#include "frontend.h"
#include "tls.h"

#define METHOD(name) static int name(lua_State *L, void *self, const struct arg *argv UNUSED, size_t argc UNUSED)

/* ---- TLSCertificate ---- */
static const char OBJ_CERT[] = "TLSCertificate";
struct cert {
	char *path, *key, *password;
};

static const struct field cert_fields[] = {
	{.name = "key", .type = FIELD_STR, .offset = offsetof(struct cert, key), .absent = ""},
	{.name = "password", .type = FIELD_STR, .offset = offsetof(struct cert, password), .absent = ""},
	{.name = "path", .type = FIELD_STR, .offset = offsetof(struct cert, path), .absent = ""},
};

static void cert_free(void *self)
{
	fields_free(cert_fields, LEN(cert_fields), self);
	mem_free(self);
}

const struct class class_cert = {.type = OBJ_CERT, .shown = "TLSCertificate", .free = cert_free};

int frontend_new_cert(lua_State *L, const struct word *w, const struct arg *argv, size_t argc UNUSED)
{
	struct lua_here here = {L, w->name};
	const char *error = "out of memory";
	struct cert *c = mem_zalloc(sizeof(*c));

	if (!c || field_defaults(cert_fields, LEN(cert_fields), c) < 0) {
		mem_free(c);
		return lua_no_memory(L, w->name);
	}
	lua_push_obj(L, &class_cert, c);
	if (field_set(&cert_fields[2], c, &argv[0], &error) < 0 ||
		fields_apply(cert_fields, 2, c, &argv[1], lua_unknown_option, &here, &error) < 0)
		return lua_fail(L, w->name, "%s", error);
	return 1;
}

/* ---- lists of certificates ---- */
static const struct field tls_lists[] = {
	{.name = "certs", .type = FIELD_LIST, .offset = offsetof(struct bind_tls, certs)},
	{.name = "keys", .type = FIELD_LIST, .offset = offsetof(struct bind_tls, keys)},
	{.name = "passwords", .type = FIELD_LIST, .offset = offsetof(struct bind_tls, passwords)},
};

int frontend_list_add(struct field_list *l, const char *s, size_t len)
{
	char **v;

	if (memchr(s, 0, len))
		return -EINVAL;
	v = mem_resize(l->v, (l->n + 1) * sizeof(*v));
	if (!v)
		return -ENOMEM;
	l->v = v;
	v[l->n] = mem_strdup(s);
	if (!v[l->n])
		return -ENOMEM;
	l->n++;
	return 0;
}

static size_t list_of(const struct arg *a, const struct arg **v_r)
{
	*v_r = a->kind == ARG_TABLE ? a->t.v : a;
	return a->kind == ARG_TABLE ? a->t.n : arg_given(a);
}

bool frontend_given(const struct arg *certs)
{
	const struct arg *v;

	return list_of(certs, &v) > 0 && !(certs->kind == ARG_STR && certs->s.len == 0);
}

static int add_one(struct bind_tls *t, const char *cert, const char *key, const char *password, const char **error_r)
{
	if (frontend_list_add(&t->certs, cert, strlen(cert)) < 0 || frontend_list_add(&t->keys, key, strlen(key)) < 0 ||
		frontend_list_add(&t->passwords, password, strlen(password)) < 0)
		return error_set(error_r, "out of memory");
	return 0;
}

static int path_of(const struct arg *a, const char *what, const char **path_r, const char **error_r)
{
	if (a->kind != ARG_STR || strlen(a->s.p) != a->s.len || a->s.len == 0)
		return error_set(error_r, "%s: got %s, expected a file%s", what,
			a->kind == ARG_STR ? "a name that cannot be one" : arg_kind_name(a),
			*what == 'c' ? " or what newTLSCertificate() returns" : "");
	*path_r = a->s.p;
	return 0;
}

/* What the program itself made has its key with it. */
static bool is_own(const struct arg *cert)
{
	return cert->kind == ARG_STR && strcmp(cert->s.p, TLS_SELF_SIGNED) == 0;
}

static int no_key(const char *cert, size_t nkeys, const char **error_r)
{
	struct text_near near = {.word = cert};

	text_near_try(&near, TLS_SELF_SIGNED);
	return error_set(error_r, "keys: got %zu, expected one for each certificate: '%.80s' has none%s", nkeys, cert,
		near.best ? ": did you mean '" TLS_SELF_SIGNED "'?" : "");
}

int frontend_certs(struct bind_tls *t, const struct arg *certs, const struct arg *keys, const char **error_r)
{
	const struct arg *cert, *key;
	size_t n = list_of(certs, &cert), nkeys = list_of(keys, &key), used = 0;

	if (n == 0)
		return error_set(error_r, "certificates: got none, expected a file or a list of files");
	for (size_t i = 0; i < n; i++) {
		const struct cert *obj = arg_obj(&cert[i], OBJ_CERT);
		const char *path = "", *key_path = TLS_SELF_SIGNED;

		if (obj) {
			if (add_one(t, obj->path, obj->key, obj->password, error_r) < 0)
				return -EINVAL;
			continue;
		}
		if (path_of(&cert[i], "certificates", &path, error_r) < 0)
			return -EINVAL;
		used++;
		if (used > nkeys && !is_own(&cert[i]))
			return no_key(path, nkeys, error_r);
		if (used <= nkeys && !is_own(&cert[i]) && path_of(&key[used - 1], "keys", &key_path, error_r) < 0)
			return -EINVAL;
		if (add_one(t, path, key_path, "", error_r) < 0)
			return -EINVAL;
	}
	if (used && used < nkeys)
		return error_set(error_r, "keys: got %zu for %zu certificates", nkeys, used);
	return 0;
}

/* ---- a new listener ---- */
static int apply_one(lua_State *L, const struct word *w, const struct frontend_kind *k, struct bind_conf *b,
	const struct arg_pair *pair, const char **error_r)
{
	bool doh = k->proto == PROTO_DOH;
	const struct field *f = field_find(bind_fields, bind_field_count, pair->key);
	int rc;

	if (!f)
		f = field_find(tls_bind_fields, tls_bind_field_count, pair->key);
	if (!f && doh)
		f = field_find(doh_bind_fields, doh_bind_field_count, pair->key);
	if (f)
		return field_set(f, b, &pair->value, error_r);
	rc = k->more ? k->more(b, pair, error_r) : 0;
	if (rc == 0) {
		struct lua_here here = {L, w->name};
		struct text_near near = {.word = pair->key};

		fields_near(bind_fields, bind_field_count, &near);
		fields_near(tls_bind_fields, tls_bind_field_count, &near);
		if (doh) {
			fields_near(doh_bind_fields, doh_bind_field_count, &near);
			text_near_try(&near, "customResponseHeaders");
		}
		lua_unknown_option(&here, pair->key, near.best);
	}
	return rc < 0 ? rc : 0;
}

static int apply(lua_State *L, const struct word *w, const struct frontend_kind *k, struct bind_conf *b,
	const struct arg *table, const char **error_r)
{
	int rc = 0;

	if (arg_given(table) && table->kind != ARG_TABLE) {
		lua_warn_at(L, w->name, "options: expected a table: ignored");
		return 0;
	}
	for (size_t i = 0; arg_given(table) && i < table->t.pairs && rc == 0; i++)
		rc = arg_given(&table->t.pair[i].value) ? apply_one(L, w, k, b, &table->t.pair[i], error_r) : 0;
	if (b->tls.ticket_file[0] && !arg_get(table, "ticketsKeysRotationDelay"))
		b->tls.ticket_rotation_s = 0; /* who brings keys changes them, too */
	return rc == 0 ? bind_conf_check(b, error_r) : rc;
}

int frontend_add(lua_State *L, const struct word *w, const struct frontend_kind *k, const struct arg *argv, size_t argc)
{
	const char *error = "out of memory";
	struct bind_conf b;
	int rc;

	lua_only_at_start(L, w->name);
	lua_draft(L);
	if (bind_conf_defaults(&b) < 0)
		return lua_no_memory(L, w->name);
	b.proto = k->proto;
	b.addr = *(const struct addr *)argv[0].o.p;
	rc = k->fill(&b, argv, &error);
	if (is_own(&argv[1]) && frontend_given(&argv[2]) && !is_own(&argv[2]))
		lua_warn_at(L, w->name, "keys: ignored: '%s' has its own", TLS_SELF_SIGNED);
	if (rc == 0)
		rc = apply(L, w, k, &b, &argv[argc - 1], &error);
	b.where = lua_where_dup(L, w->name);
	if (rc == 0 && !b.where)
		rc = error_set(&error, "out of memory");
	if (rc == 0 && (strcmp(b.tls.min_version, "tls1.0") == 0 || strcmp(b.tls.min_version, "tls1.1") == 0))
		lua_warn_at(L, w->name, "minTLSVersion: %s is too old: tls1.2 is the least here", b.tls.min_version);
	if (rc == 0 && conf_add_bind(lua_self(L)->draft, &b, false) < 0)
		rc = error_set(&error, "out of memory");
	bind_conf_free(&b);
	return rc < 0 ? lua_fail(L, w->name, "%s", error) : 0;
}

/* ---- frontends by number ---- */
static struct bind_conf *nth(struct conf *c, uint8_t proto, unsigned index)
{
	for (size_t i = 0; i < c->nbinds; i++)
		if (c->binds[i].proto == proto && index-- == 0)
			return &c->binds[i];
	return NULL;
}

unsigned frontend_count(lua_State *L, uint8_t proto)
{
	const struct lua *l = lua_self(L);
	const struct host *h = l->host;
	const struct conf *c;
	unsigned n = 0;

	if (l->loaded && h->frontends)
		return h->frontends(h->ctx, proto);
	c = lua_conf(L);
	for (size_t i = 0; i < c->nbinds; i++)
		n += c->binds[i].proto == proto;
	return n;
}

int frontend_push_count(lua_State *L, uint8_t proto)
{
	lua_pushinteger(L, (lua_Integer)frontend_count(L, proto));
	return 1;
}

int frontend_push(lua_State *L, const struct word *w, const struct frontend_kind *k, const struct arg *index)
{
	struct frontend f = {.proto = k->proto};
	unsigned n = frontend_count(L, k->proto);

	if (!(index->n < n)) {
		lua_note(L, w->name, "there is no frontend %.0f: %s%u", index->n, n ? "the last is " : "there are ", n ? n - 1 : 0);
		lua_pushnil(L);
		return 1;
	}
	f.index = (unsigned)index->n;
	lua_push_obj(L, k->class, mem_dup(&f, sizeof(f)));
	return 1;
}

struct bind_conf *frontend_bind(lua_State *L, const struct frontend *f, const char *word)
{
	struct bind_conf *b;

	if (lua_self(L)->loaded)
		return NULL;
	b = nth(lua_draft(L), f->proto, f->index);
	if (!b)
		lua_fail(L, word, "there is no such frontend any more");
	return b;
}

static int ask(lua_State *L, const struct frontend *f, const struct frontend_edit *e, const char **error_r)
{
	const struct host *h = lua_self(L)->host;
	int rc;

	if (!h->frontend_edit)
		return error_set(error_r, "nothing runs here");
	rc = h->frontend_edit(h->ctx, f->proto, (int)f->index, e, error_r);
	return rc == -ENOENT ? error_set(error_r, "there is no such frontend any more") : rc;
}

int frontend_change(lua_State *L, const struct frontend *f, const char *word, const struct frontend_edit *e)
{
	const char *error = "";

	return ask(L, f, e, &error) < 0 ? lua_fail(L, word, "%s", error) : 0;
}

int frontend_show(lua_State *L, uint8_t proto, unsigned what)
{
	const struct host *h = lua_self(L)->host;

	if (lua_self(L)->loaded && h->show_frontends)
		h->show_frontends(h->ctx, proto, (enum show_what)what, lua_out(L));
	return 0;
}

/* ---- methods ---- */
METHOD(get_address)
{
	const struct frontend *f = self;
	const struct bind_conf *b = nth((struct conf *)(uintptr_t)lua_conf(L), f->proto, f->index);
	char buf[ADDR_TEXT];

	lua_pushstring(L, b ? addr_print(&b->addr, true, buf) : "");
	return 1;
}

METHOD(load_certs)
{
	static const char word[] = "loadNewCertificatesAndKeys";
	struct bind_conf *b = frontend_bind(L, self, word);
	struct frontend_edit e = {.verb = FRONTEND_CERTS};
	struct bind_tls t = {.tickets = false};
	const char *error = "";
	int rc = frontend_certs(&t, &argv[0], &argv[1], &error);

	if (rc == 0 && b) {
		fields_free(tls_lists, LEN(tls_lists), &b->tls);
		b->tls.certs = t.certs;
		b->tls.keys = t.keys;
		b->tls.passwords = t.passwords;
		return 0;
	}
	e.certs = &t;
	if (rc == 0)
		rc = ask(L, self, &e, &error);
	fields_free(tls_lists, LEN(tls_lists), &t);
	return rc < 0 ? lua_fail(L, word, "%s", error) : 0;
}

METHOD(reload_certs)
{
	const struct frontend_edit e = {.verb = FRONTEND_RELOAD};

	if (frontend_bind(L, self, "reloadCertificates")) /* they are read when the file has been */
		return 0;
	return frontend_change(L, self, "reloadCertificates", &e);
}

METHOD(load_ticket_file)
{
	static const char word[] = "loadTicketsKeys";
	const struct frontend_edit e = {.verb = FRONTEND_TICKET_FILE, .path = argv[0].s.p};
	struct bind_conf *b = frontend_bind(L, self, word);
	const char *error = "";

	if (!b)
		return frontend_change(L, self, word, &e);
	if (field_set(field_find(tls_bind_fields, tls_bind_field_count, "ticketKeyFile"), b, &argv[0], &error) < 0)
		return lua_fail(L, word, "%s", error);
	return 0;
}

METHOD(load_ticket_key)
{
	const struct frontend_edit e = {.verb = FRONTEND_TICKET_KEY, .key = (const uint8_t *)argv[0].s.p,
		.key_len = argv[0].s.len};

	if (!frontend_bind(L, self, "loadTicketsKey"))
		return frontend_change(L, self, "loadTicketsKey", &e);
	lua_warn_at(L, "loadTicketsKey", "has an effect only while the program runs: use ticketKeyFile");
	return 0;
}

METHOD(rotate_ticket_key)
{
	const struct frontend_edit e = {.verb = FRONTEND_ROTATE};

	if (frontend_bind(L, self, "rotateTicketsKey")) /* it will begin with a fresh one */
		return 0;
	return frontend_change(L, self, "rotateTicketsKey", &e);
}

const struct method frontend_methods[] = {
	{"getAddressAndPort", "", get_address},
	{"loadNewCertificatesAndKeys", "certs:any keys:any?", load_certs},
	{"reloadCertificates", "", reload_certs},
	{"loadTicketsKeys", "file:str", load_ticket_file},
	{"loadTicketsKey", "key:str", load_ticket_key},
	{"rotateTicketsKey", "", rotate_ticket_key},
	{NULL, NULL, NULL},
};
