/* message_edit.c: what dq and dr change in a message: header, content, options, name, TTLs; answers of our own. */
#include "message.h"
#include <stdalign.h>
#include <stdio.h>

static int fail_edit(lua_State *L, int err)
{
	return lua_fail(L, NULL, "%s",
		err == -ENOMEM           ? "out of memory"
			: err == -ENOBUFS ? "the message would be too long"
					  : "the message is malformed");
}

/* Only flags and rcode are written back: id and counts belong to the message. */
int message_set_header(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	struct dq *dq = self;
	const struct header *h = lua_to_obj(L, 2, class_header.type);

	(void)argc;
	if (!h)
		return lua_fail(L, NULL, "expected a DNSHeader, got %s", arg_kind_name(&argv[0]));
	dns_set_flags(dq->msg, dns_flags(h->of ? lua_message_header(L, h->of) : h->bytes));
	return 0;
}

/* ---- the question of a query that was changed ---- */
struct renamed {
	struct question question;
	uint8_t name[NAME_WIRE];
};

int message_adopt_question(struct dq *dq)
{
	enum { RENAMES_MAX = 8 };
	char key[] = {MESSAGE_OWN_TAG, 'q', '0', 0}, room[sizeof(struct renamed) + alignof(struct renamed)] = {0};
	struct renamed new, *kept;
	int err = question_parse(&new.question, dq->msg, dq->len);

	if (err < 0)
		return err;
	/* The question before this one stays: a cache key may point at it. */
	while (dq_tag(dq, key) && key[2] < '0' + RENAMES_MAX)
		key[2]++;
	if (key[2] == '0' + RENAMES_MAX)
		return -ENOBUFS;
	err = dq_set_tag(dq, key, room, sizeof(room));
	if (err < 0)
		return err;
	kept = (void *)(((uintptr_t)dq_tag(dq, key)->value + alignof(struct renamed) - 1) &
			~(uintptr_t)(alignof(struct renamed) - 1));
	memcpy(&kept->question, &new.question, offsetof(struct question, lower) + new.question.len);
	memcpy(kept->name, dq->msg + DNS_HEADER, new.question.len);
	dq->question = &kept->question;
	dq->ask_name = kept->name;
	return 0;
}

/* The new content of a query must be a message with a question; it may be an answer (QR=1) too. */
int message_set_content(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	struct dq *dq = self;
	const uint8_t *new = (const uint8_t *)argv[0].s.p;
	size_t len = argv[0].s.len;
	uint16_t id = dns_id(dq->msg);
	struct question q;
	int err = 0;

	(void)argc;
	if (len < DNS_HEADER)
		return lua_fail(L, NULL, "a message has at least %d bytes, got %zu", DNS_HEADER, len);
	if (len > message_room(dq))
		return lua_fail(L, NULL, "the message would be too long");
	if (!dq->is_response && (dns_count(new, SECTION_QUESTION) == 0 || question_parse(&q, new, len) < 0))
		return lua_fail(L, NULL, "the new content of a query has no question");
	memcpy(dq->msg, new, len);
	put16(dq->msg, id);
	dq->len = len;
	dq_changed(dq);
	if (!dq->is_response && !(dns_flags(new) & DNS_QR) &&
		(q.qtype != dq->question->qtype || q.qclass != dq->question->qclass ||
			!question_same(dq->question, dq->msg, dq->len)))
		err = message_adopt_question(dq);
	return err < 0 ? fail_edit(L, err) : 0;
}

int message_set_trailing(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	struct dq *dq = self;
	ssize_t end = msg_end(dq->msg, dq->len);
	bool ok = end >= 0 && argv[0].s.len + (size_t)end <= message_room(dq);

	(void)argc;
	if (ok) {
		memcpy(dq->msg + end, argv[0].s.p, argv[0].s.len);
		dq->len = (size_t)end + argv[0].s.len;
		dq_changed(dq);
	}
	lua_pushboolean(L, ok);
	return 1;
}

int message_set_option(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	enum { OWN_PAYLOAD = 1232 };
	struct dq *dq = self;
	unsigned payload = dq->payload_size ? dq->payload_size : OWN_PAYLOAD;
	int err;

	(void)argc;
	if (argv[0].n > UINT16_MAX || argv[1].s.len > UINT16_MAX)
		return lua_fail(L, NULL, "code and length are at most 65535");
	err = edns_set_option(dq->msg, &dq->len, dq->cap, payload, (unsigned)argv[0].n, argv[1].s.p, argv[1].s.len,
		true);
	dq_changed(dq);
	return err < 0 ? fail_edit(L, err) : 0;
}

int message_change_name(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	struct dq *dq = self;
	const struct name *to = argv[0].o.p;
	int err = dq->is_response ? -EBADMSG : msg_replace_name(dq->msg, &dq->len, dq->cap, to);

	(void)argc;
	if (err == -EBADMSG)
		err = msg_rename(dq->msg, &dq->len, dq->cap, to);
	dq_changed(dq);
	if (err == 0 && !dq->is_response)
		err = message_adopt_question(dq);
	if (err < 0)
		return fail_edit(L, err);
	/* The cache's key holds the question that was asked for: another name must not be stored under it. */
	if (dq->is_response && !name_same(to->wire, dq->question->lower))
		dq->skip_cache = true;
	return 0;
}

/* ---- editTTLs ---- */
struct ttl_edit {
	lua_State *L;
	bool failed; /* the error is on the stack */
};

static uint32_t edit_ttl(void *ctx, enum section section, unsigned klass, unsigned type, uint32_t ttl)
{
	struct ttl_edit *e = ctx;
	lua_State *L = e->L;
	double new;

	if (e->failed)
		return ttl;
	lua_pushvalue(L, 2);
	lua_pushinteger(L, section);
	lua_pushinteger(L, (lua_Integer)klass);
	lua_pushinteger(L, (lua_Integer)type);
	lua_pushnumber(L, ttl);
	if (lua_pcall(L, 4, 1, 0) != 0) {
		e->failed = true;
		return ttl;
	}
	new = lua_isnumber(L, -1) ? lua_tonumber(L, -1) : -1;
	lua_pop(L, 1);
	/* RFC 2181 8: at most 2^31 - 1. */
	return new >= 0 && new <= INT32_MAX ? (uint32_t)new : ttl;
}

int message_edit_ttls(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	struct dq *dq = self;
	struct ttl_edit edit = {L, false};
	int err;

	(void)argv;
	(void)argc;
	luaL_checkstack(L, 6, "out of memory");
	err = msg_edit_ttls(dq->msg, dq->len, edit_ttl, &edit);
	if (edit.failed)
		return lua_error(L);
	return err < 0 ? fail_edit(L, err) : 0;
}

/* ---- answers of our own ---- */
static const struct answer_opts default_opts = {-1, -1, -1, 60};

static uint32_t to_u32(lua_State *L, double n)
{
	if (n > UINT32_MAX)
		lua_fail(L, NULL, "expected at most 4294967295, got %.0f", n);
	return (uint32_t)n;
}

int message_set_negative(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	struct dq *dq = self;

	for (size_t i = 2; i < argc; i++)
		if (argv[i].kind == ARG_NUM)
			(void)to_u32(L, argv[i].n);
	struct soa soa = {
		.zone = *(const struct name *)argv[1].o.p,
		.ttl = (uint32_t)argv[2].n,
		.mname = *(const struct name *)argv[3].o.p,
		.rname = *(const struct name *)argv[4].o.p,
		.serial = (uint32_t)argv[5].n,
		.refresh = (uint32_t)argv[6].n,
		.retry = (uint32_t)argv[7].n,
		.expire = (uint32_t)argv[8].n,
		.minimum = (uint32_t)argv[9].n,
	};
	int err = dq_answer_negative(dq, argv[0].b, &soa, &default_opts);

	if (err < 0)
		return fail_edit(L, err);
	lua_pushboolean(L, true);
	return 1;
}

static int spoof_addrs(struct dq *dq, const struct arg *v, size_t n, const struct answer_opts *opts)
{
	unsigned qtype = dq->question->qtype;
	struct addr *list = mem_alloc(n * sizeof(*list));
	bool fits = false;
	int err = 0;

	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		const struct addr *a = arg_obj(&v[i], OBJ_ADDR);

		if (!a) {
			mem_free(list);
			return -EINVAL;
		}
		list[i] = *a;
		fits = fits || qtype == QTYPE_ANY || qtype == (a->family == AF_INET ? QTYPE_A : QTYPE_AAAA);
	}
	/* As SpoofAction(): a question that none of the addresses fits is left alone. */
	if (fits)
		err = dq_answer_addrs(dq, list, n, opts);
	mem_free(list);
	return err;
}

/* spoof(address or raw rdata, or a list of one of them [, type for ANY [, ttl]]) */
int message_spoof(lua_State *L, void *self, const struct arg *argv, size_t argc)
{
	struct dq *dq = self;
	const bool is_list = argv[0].kind == ARG_TABLE;
	const struct arg *v = is_list ? argv[0].t.v : &argv[0];
	const size_t n = is_list ? argv[0].t.n : 1;
	const struct arg list = {.kind = ARG_TABLE, .t = {v, n, NULL, 0}};
	struct answer_opts opts = default_opts;
	int err = -EINVAL;

	(void)argc;
	opts.ttl = to_u32(L, arg_num(&argv[2], opts.ttl));
	if (n > 0 && v[0].kind == ARG_OBJ)
		err = spoof_addrs(dq, v, n, &opts);
	else if (n > 0 && v[0].kind == ARG_STR)
		err = dq_answer_raw(dq, &list, (unsigned)arg_num(&argv[1], 0), &opts);
	if (err == -EINVAL)
		return lua_fail(L, NULL, "expected an address, a string of raw rdata, or a list of one kind");
	return err < 0 ? fail_edit(L, err) : 0;
}
