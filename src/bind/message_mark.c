/* message_mark.c: what dq and dr hang on a query: tags, extended errors, restarts; and what is not there yet. */
#include "message.h"
#include <stdio.h>

#define IGNORE_ARGS (void)argv, (void)argc

int message_get_tag(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	const struct tag *tag = dq_tag(self, argv[0].s.p);

	(void)argc;
	if (tag)
		lua_pushlstring(L, tag->value, tag->value_len);
	else
		lua_pushstring(L, "");
	return 1;
}

int message_set_tag(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	struct dq *dq = self;

	(void)argc;
	if (argv[0].s.p[0] == MESSAGE_OWN_TAG)
		return lua_fail(L, NULL, "the tag's name may not begin with a control character");
	if (dq_set_tag(dq, argv[0].s.p, argv[1].s.p, argv[1].s.len) < 0)
		return lua_fail(L, NULL, "out of memory");
	return 0;
}

int message_unset_tag(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	struct dq *dq = self;

	(void)L;
	(void)argc;
	if (argv[0].s.p[0] != MESSAGE_OWN_TAG)
		dq_unset_tag(dq, argv[0].s.p);
	return 0;
}

int message_get_tags(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	const struct dq *dq = self;

	IGNORE_ARGS;
	lua_newtable(L);
	for (const struct tag *tag = dq->tags; tag; tag = tag->next) {
		if (tag->key[0] == MESSAGE_OWN_TAG)
			continue;
		lua_pushlstring(L, tag->value, tag->value_len);
		lua_setfield(L, -2, tag->key);
	}
	return 1;
}

int message_set_tags(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	struct dq *dq = self;

	(void)argc;
	for (size_t i = 0; i < argv[0].t.pairs; i++) {
		const struct arg_pair *pair = &argv[0].t.pair[i];
		const struct arg *v = &pair->value;
		char number[32];
		int n;

		if (pair->key[0] == MESSAGE_OWN_TAG)
			continue;
		if (v->kind == ARG_STR) {
			n = dq_set_tag(dq, pair->key, v->s.p, v->s.len);
		} else if (v->kind == ARG_NUM) {
			n = snprintf(number, sizeof(number), "%.14g", v->n);
			n = dq_set_tag(dq, pair->key, number, (size_t)n);
		} else {
			return lua_fail(L, NULL, "%s: expected a string, got %s", pair->key,
				arg_kind_name(v));
		}
		if (n < 0)
			return lua_fail(L, NULL, "out of memory");
	}
	return 0;
}

int message_set_ede(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	struct dq *dq = self;
	int err;

	(void)argc;
	if (argv[0].n > UINT16_MAX)
		return lua_fail(L, NULL, "code: expected 0 to 65535");
	err = dq_add_ede(dq, (unsigned)argv[0].n, arg_str(&argv[1], ""), arg_bool(&argv[2], true));
	if (err == -ENOMEM)
		return lua_fail(L, NULL, "out of memory");
	if (err < 0)
		return lua_fail(L, NULL, "a query takes at most %d of them", DQ_EDE_MAX);
	return 0;
}

int message_set_restartable(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	struct dq *dq = self;

	(void)L;
	IGNORE_ARGS;
	dq->restartable = true;
	return 0;
}

int message_restart(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	struct dq *dq = self;

	IGNORE_ARGS;
	if (!dq->restartable)
		return lua_fail(L, NULL, "the query was not made restartable: call dq:setRestartable() in a rule");
	dq->restart = true;
	return 0;
}

/* The page goes out in place of the answer that the rule makes; for clients that did not come over HTTP nothing is said. */
int message_set_http(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	struct dq *dq = self;

	(void)argc;
	if (argv[0].n < 200 || argv[0].n > 599)
		return lua_fail(L, NULL, "status: got %.0f, expected 200 to 599", argv[0].n);
	if (strpbrk(arg_str(&argv[2], ""), "\r\n"))
		return lua_fail(L, NULL, "contentType: expected one line");
	if (!dq->envelope || !dq->envelope->path)
		return 0;
	if (dq_set_http(dq, (unsigned)argv[0].n, argv[1].s.p, argv[1].s.len, arg_str(&argv[2], "")) < 0)
		return lua_fail(L, NULL, "out of memory");
	return 0;
}

/* Not there yet. */
int message_absent(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	(void)self;
	IGNORE_ARGS;
	return lua_fail(L, NULL, "not supported yet");
}
