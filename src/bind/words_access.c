/* words_access.c: where we listen, and for whom. */
#include "lua_priv.h"
#include <stdio.h>

#define WORD(name) \
	static int name(lua_State *L, const struct word *w, const struct arg *argv UNUSED, \
		size_t argc UNUSED)

/* ---- listeners ---- */

static int add_bind(lua_State *L, const struct word *w, const struct arg *argv, bool replace)
{
	const char *error = "out of memory";
	struct lua_here here = {L, w->name};
	struct bind_conf b;
	struct conf *draft;
	int rc;

	lua_only_at_start(L, w->name);
	draft = lua_draft(L);
	if (bind_conf_defaults(&b) < 0)
		return lua_no_memory(L, w->name);
	b.proto = PROTO_UDP;
	b.addr = *(const struct addr *)argv[0].o.p;
	if (!b.addr.port)
		b.addr.port = 53;
	if (argv[1].kind == ARG_TABLE)
		rc = fields_apply(bind_fields, bind_field_count, &b, &argv[1], lua_unknown_option,
			&here, &error);
	else
		rc = 0;
	if (arg_given(&argv[1]) && argv[1].kind != ARG_TABLE)
		lua_warn_at(L, w->name, "argument 2 (options): expected a table: ignored");
	b.where = lua_where_dup(L, w->name);
	if (rc == 0 && !b.where)
		rc = -ENOMEM;
	if (rc == 0)
		rc = conf_add_bind(draft, &b, replace);
	bind_conf_free(&b);
	return rc < 0 ? lua_fail(L, w->name, "%s", error) : 0;
}

WORD(set_local)
{
	return add_bind(L, w, argv, true);
}

WORD(add_local)
{
	return add_bind(L, w, argv, false);
}

/* ---- access lists ---- */

static struct netset **acl_of(struct conf *c, const struct word *w)
{
	return strstr(w->name, "Console") ? &c->console_acl
	       : strstr(w->name, "Proxy") ? &c->proxy_acl
					  : &c->acl;
}

static void acl_replace(lua_State *L, const struct word *w, const struct netset *with)
{
	struct netset **acl = acl_of(lua_draft(L), w), *copy = netset_copy(with);

	if (!copy)
		lua_no_memory(L, w->name);
	if (*acl)
		netset_free(acl);
	*acl = copy;
}

WORD(acl_set)
{
	acl_replace(L, w, argv[0].o.p);
	return 0;
}

struct union_ctx {
	struct netset *to;
	bool failed;
};

static bool add_mask(void *ctx, const struct netmask *m, bool positive)
{
	struct union_ctx *u = ctx;

	u->failed = netset_add(u->to, m, positive) < 0;
	return !u->failed;
}

WORD(acl_add)
{
	struct netset **acl = acl_of(lua_draft(L), w);
	struct union_ctx u = {.failed = false};

	if (!*acl)
		*acl = netset_new();
	u.to = *acl;
	if (u.to)
		netset_each(argv[0].o.p, add_mask, &u);
	if (!u.to || u.failed)
		return lua_no_memory(L, w->name);
	return 0;
}

static bool remove_mask(void *from, const struct netmask *m, bool positive UNUSED)
{
	netset_remove(from, m);
	return true;
}

WORD(acl_remove)
{
	struct netset *acl = *acl_of(lua_draft(L), w);
	size_t before = netset_size(acl);

	netset_each(argv[0].o.p, remove_mask, acl);
	if (netset_size(acl) == before)
		lua_note(L, w->name, "no such netmask in the list");
	return 0;
}

static bool show_mask(void *out, const struct netmask *m, bool positive)
{
	char buf[ADDR_TEXT];

	text_addf(out, "%s%s\n", positive ? "" : "!", netmask_print(m, buf));
	return true;
}

WORD(acl_show)
{
	struct netset *const *acl = acl_of((struct conf *)(uintptr_t)lua_conf(L), w);

	if (*acl)
		netset_each(*acl, show_mask, lua_out(L));
	return 0;
}

/* Adds the netmasks of an open file, one a line, '#' begins a comment.  0 or -E… with the |*line_r| at fault. */
static int read_masks(FILE *f, struct netset *set, int *line_r, char line[256])
{
	int rc = 0;

	for (*line_r = 1; rc == 0 && fgets(line, 256, f); *line_r += rc == 0) {
		size_t at = strspn(line, " \t");

		memmove(line, line + at, strlen(line + at) + 1);
		line[strcspn(line, " \t\r\n#")] = 0;
		if (*line)
			rc = netset_add_text(set, line);
	}
	return rc;
}

WORD(acl_from_file)
{
	struct netset *set = netset_new();
	FILE *f;
	char line[256];
	int rc, number;

	lua_push_obj(L, &class_netset, set);
	f = fopen(argv[0].s.p, "re");
	if (!f)
		return lua_fail(L, w->name, "%s: %s", argv[0].s.p, strerror(errno));
	rc = read_masks(f, set, &number, line);
	fclose(f);
	if (rc == -ENOMEM)
		return lua_no_memory(L, w->name);
	if (rc < 0)
		return lua_fail(L, w->name, "%s:%d: expected a netmask, got '%.60s'", argv[0].s.p,
			number, line);
	acl_replace(L, w, set);
	return 0;
}

const struct word access_words[] = {
	{"setLocal", "address:addr options:any?", set_local,
		DOC("Listens here, and on no address added before."),
		DOC("setLocal(\"127.0.0.1:5300\", {reusePort=true})")},
	{"addLocal", "address:addr options:any?", add_local,
		DOC("Listens for UDP and TCP on one more address."),
		DOC("addLocal(\"[::1]:5300\")")},
	{"setACL", "masks:masks", acl_set, DOC("Replaces the list of clients that may ask."),
		DOC("setACL({\"127.0.0.0/8\", \"::1\"})")},
	{"addACL", "masks:masks", acl_add, DOC("Lets these clients ask too."),
		DOC("addACL(\"192.0.2.0/24\")")},
	{"rmACL", "masks:masks", acl_remove, DOC("Takes a netmask from the list of clients."),
		DOC("rmACL(\"10.0.0.0/8\")")},
	{"setACLFromFile", "file:str", acl_from_file,
		DOC("Replaces the list of clients by a file, one netmask a line."),
		DOC("setACLFromFile(\"/dev/null\")")},
	{"showACL", "", acl_show, DOC("Prints the list of clients that may ask."),
		DOC("showACL()")},
	{"setProxyProtocolACL", "masks:masks", acl_set,
		DOC("Peers that put a PROXY header before their queries."),
		DOC("setProxyProtocolACL({\"192.0.2.1\"})")},
	{"setConsoleACL", "masks:masks", acl_set, DOC("Replaces the list of peers of the console."),
		DOC("setConsoleACL(\"127.0.0.1\")")},
	{"addConsoleACL", "masks:masks", acl_add, DOC("Adds to the list of peers of the console."),
		DOC("addConsoleACL(\"192.0.2.1\")")},
	{"showConsoleACL", "", acl_show, DOC("Prints the list of peers of the console."),
		DOC("showConsoleACL()")},
	{.name = NULL},
};
