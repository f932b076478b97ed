/* act_spoof.c: actions that answer with data of the configuration. */
#include "rule_priv.h"

enum { SHOWN_MAX = 32 }; /* addresses that the text lists */

static bool class_answered(const struct dq *dq)
{
	return dq->question->qclass == CLASS_IN || dq->question->qclass == CLASS_ANY;
}

static enum act answered(int rc)
{
	return rc ? ACT_ERROR : ACT_ANSWER;
}

/* ---- SpoofAction ---- */

struct act_addrs {
	struct action base;
	struct answer_opts opts;
	size_t n;
	struct addr v[];
};

static bool has_type(const struct act_addrs *me, unsigned qtype)
{
	for (size_t i = 0; i < me->n; i++)
		if (qtype == (me->v[i].family == AF_INET ? QTYPE_A : QTYPE_AAAA))
			return true;
	return false;
}

static enum act run_addrs(struct action *a, struct dq *dq)
{
	const struct act_addrs *me = (const struct act_addrs *)a;
	unsigned qtype = dq->question->qtype;

	/* A type that no address is of goes on to the next rule, as in dnsdist. */
	if (!class_answered(dq) || (qtype != QTYPE_ANY && !has_type(me, qtype)))
		return ACT_NEXT;
	return answered(dq_answer_addrs(dq, me->v, me->n, &me->opts));
}

static void show_addrs(struct text *out, const struct addr *v, size_t n)
{
	char buf[ADDR_TEXT];

	text_add(out, "spoof in");
	for (size_t i = 0; i < n && i < SHOWN_MAX; i++)
		text_addf(out, " %s", addr_print(&v[i], false, buf));
	if (n > SHOWN_MAX)
		text_addf(out, " and %zu more", n - SHOWN_MAX);
}

static struct action *make_addrs(
	const struct addr *v, size_t n, const struct answer_opts *opts, const char **error_r)
{
	struct act_addrs *a;
	struct text t = {0};

	show_addrs(&t, v, n);
	a = t.failed ? rule_no_memory(error_r)
		     : action_make(sizeof(*a) + n * sizeof(*v), run_addrs, NULL, error_r, "%s",
			       text_str(&t));
	text_free(&t);
	if (!a)
		return NULL;
	a->opts = *opts;
	a->n = n;
	memcpy(a->v, v, n * sizeof(*v));
	return &a->base;
}

struct action *act_spoof(const struct arg *argv, size_t argc UNUSED, const char **error_r)
{
	/* The old form is SpoofAction("192.0.2.1", "2001:db8::1"). */
	const struct arg *second =
		argv[1].kind == ARG_STR || argv[1].kind == ARG_OBJ ? &argv[1] : NULL;
	static const struct arg no_opts = {.kind = ARG_NIL};
	struct action *a = NULL;
	struct answer_opts opts;
	const struct arg *v;
	size_t n = rule_list(&argv[0], &v), all = n + (second ? 1 : 0);
	struct addr *addrs;
	bool ok;

	if (!rule_answer_opts(second ? &no_opts : &argv[1], &opts, error_r))
		return NULL;
	if (all == 0) {
		error_set(error_r, "expected an address or a list of addresses, got none");
		return NULL;
	}
	addrs = mem_alloc(all * sizeof(*addrs));
	if (!addrs)
		return rule_no_memory(error_r);
	ok = !second || rule_addr(second, &addrs[n], error_r);
	for (size_t i = 0; i < n && ok; i++)
		ok = rule_addr(&v[i], &addrs[i], error_r);
	if (ok)
		a = make_addrs(addrs, all, &opts, error_r);
	mem_free(addrs);
	return a;
}

/* ---- SpoofCNAMEAction ---- */

struct act_cname {
	struct action base;
	struct answer_opts opts;
	struct name target;
};

static enum act run_cname(struct action *a, struct dq *dq)
{
	const struct act_cname *me = (const struct act_cname *)a;

	return answered(dq_answer_cname(dq, &me->target, &me->opts));
}

struct action *act_spoof_cname(const struct arg *argv, size_t argc UNUSED, const char **error_r)
{
	const struct name *target = arg_obj(&argv[0], OBJ_NAME);
	struct answer_opts opts;
	struct act_cname *a;
	char text[NAME_TEXT];

	if (!target) {
		error_set(error_r, "expected a name, got %s", arg_kind_name(&argv[0]));
		return NULL;
	}
	if (!rule_answer_opts(&argv[1], &opts, error_r))
		return NULL;
	name_to_text(target->wire, true, text);
	a = action_make(sizeof(*a), run_cname, NULL, error_r, "spoof in %s", text);
	if (!a)
		return NULL;
	a->opts = opts;
	a->target = *target;
	return &a->base;
}

/* ---- SpoofRawAction, SpoofPacketAction ---- */

struct act_raw {
	struct action base;
	struct answer_opts opts;
	uint16_t type_for_any;
	size_t n;
	struct arg *v; /* strings inside |bytes| */
	uint8_t *bytes;
};

static enum act run_raw(struct action *a, struct dq *dq)
{
	const struct act_raw *me = (const struct act_raw *)a;
	const struct arg list = {.kind = ARG_TABLE, .t = {me->v, me->n, NULL, 0}};

	return answered(dq_answer_raw(dq, &list, me->type_for_any, &me->opts));
}

static void free_raw(struct action *a)
{
	struct act_raw *me = (struct act_raw *)a;

	mem_free(me->v);
	mem_free(me->bytes);
}

/* Copies the strings; their sum of lengths is |total|. */
static bool copy_strings(struct act_raw *a, const struct arg *v, size_t n, size_t total)
{
	uint8_t *to = mem_alloc(total + 1);

	a->bytes = to;
	a->v = mem_alloc((n ? n : 1) * sizeof(*a->v));
	if (!a->bytes || !a->v)
		return false;
	for (; a->n < n; a->n++) {
		const struct arg *from = &v[a->n];

		memcpy(to, from->s.p, from->s.len);
		a->v[a->n] = (struct arg){.kind = ARG_STR, .s = {(const char *)to, from->s.len}};
		to += from->s.len;
	}
	return true;
}

struct action *act_spoof_raw(const struct arg *argv, size_t argc UNUSED, const char **error_r)
{
	const struct arg *type = rule_opt(&argv[1], "typeForAny"), *v;
	size_t n = rule_list(&argv[0], &v), total = 0;
	struct answer_opts opts;
	struct act_raw *a;
	struct action *base;
	uint16_t type_for_any = QTYPE_ANY;

	for (size_t i = 0; i < n; i++) {
		const char *p;
		size_t len;

		if (!rule_str(&v[i], "rdata", &p, &len, error_r))
			return NULL;
		if (len > 65535) {
			error_set(error_r, "rdata: longer than 65535 bytes");
			return NULL;
		}
		total += len;
	}
	if ((type && !rule_u16(type, "typeForAny", QTYPE_ANY, &type_for_any, error_r)) ||
		!rule_answer_opts(&argv[1], &opts, error_r))
		return NULL;
	a = action_make(sizeof(*a), run_raw, free_raw, error_r,
		"spoof in %zu raw record%s of %zu bytes", n, n == 1 ? "" : "s", total);
	if (!a)
		return NULL;
	base = &a->base;
	a->opts = opts;
	a->type_for_any = type_for_any;
	if (!copy_strings(a, v, n, total)) {
		action_free(&base);
		return rule_no_memory(error_r);
	}
	return base;
}

struct act_packet {
	struct action base;
	size_t len;
	uint8_t bytes[];
};

static enum act run_packet(struct action *a, struct dq *dq)
{
	const struct act_packet *me = (const struct act_packet *)a;

	if (me->len > dq->cap)
		return ACT_ERROR;
	/* All but the id. */
	memcpy(dq->msg + 2, me->bytes + 2, me->len - 2);
	dq->len = me->len;
	dq_changed(dq);
	return ACT_ANSWER;
}

struct action *act_spoof_packet(const struct arg *argv, size_t argc UNUSED, const char **error_r)
{
	struct act_packet *a;
	const char *bytes;
	size_t have;
	uint32_t len;

	if (!rule_str(&argv[0], "packet", &bytes, &have, error_r) ||
		!rule_u32(&argv[1], "length", DNS_MAX, (uint32_t)have, &len, error_r))
		return NULL;
	if (len > have || len < DNS_HEADER) {
		error_set(error_r, "length: expected from 12 to the packet's %zu bytes", have);
		return NULL;
	}
	a = action_make(sizeof(*a) + len, run_packet, NULL, error_r,
		"spoof in a packet of %lu bytes", (unsigned long)len);
	if (!a)
		return NULL;
	a->len = len;
	memcpy(a->bytes, bytes, len);
	return &a->base;
}

/* ---- SpoofSVCAction ---- */

struct act_svc {
	struct action base;
	struct answer_opts opts;
	size_t n;
	struct svc *v[];
};

static enum act run_svc(struct action *a, struct dq *dq)
{
	const struct act_svc *me = (const struct act_svc *)a;
	unsigned qtype = dq->question->qtype;

	if ((qtype != QTYPE_SVCB && qtype != QTYPE_HTTPS && qtype != QTYPE_ANY) ||
		!class_answered(dq))
		return ACT_NEXT;
	return answered(dq_answer_svc(dq, (const struct svc *const *)me->v, me->n, &me->opts));
}

static void free_svcs(struct action *a)
{
	struct act_svc *me = (struct act_svc *)a;

	for (size_t i = 0; i < me->n; i++)
		svc_free(&me->v[i]);
}

struct action *act_spoof_svc(const struct arg *argv, size_t argc UNUSED, const char **error_r)
{
	struct answer_opts opts;
	const struct arg *v;
	size_t n = rule_list(&argv[0], &v);
	struct act_svc *a;
	struct action *base;

	for (size_t i = 0; i < n; i++) {
		if (!arg_obj(&v[i], OBJ_SVC)) {
			error_set(error_r, "expected newSVCRecordParameters(…), got %s",
				arg_kind_name(&v[i]));
			return NULL;
		}
	}
	if (!rule_answer_opts(&argv[1], &opts, error_r))
		return NULL;
	a = action_make(sizeof(*a) + n * sizeof(a->v[0]), run_svc, free_svcs, error_r,
		"spoof in %zu SVC record%s", n, n == 1 ? "" : "s");
	if (!a)
		return NULL;
	base = &a->base;
	a->opts = opts;
	for (; a->n < n; a->n++) {
		a->v[a->n] = svc_copy(arg_obj(&v[a->n], OBJ_SVC));
		if (!a->v[a->n]) {
			action_free(&base);
			return rule_no_memory(error_r);
		}
	}
	return base;
}

/* ---- NegativeAndSOAAction ---- */

struct act_negative {
	struct action base;
	struct answer_opts opts;
	bool nxd;
	struct soa soa;
};

static enum act run_negative(struct action *a, struct dq *dq)
{
	const struct act_negative *me = (const struct act_negative *)a;

	return answered(dq_answer_negative(dq, me->nxd, &me->soa, &me->opts));
}

static bool read_soa(const struct arg *argv, struct soa *soa, const char **error_r)
{
	struct {
		const char *what;
		struct name *to;
		size_t at;
	} names[] = {{"zone", &soa->zone, 1}, {"mname", &soa->mname, 3}, {"rname", &soa->rname, 4}};
	struct {
		const char *what;
		uint32_t *to;
		size_t at;
	} numbers[] = {{"ttl", &soa->ttl, 2}, {"serial", &soa->serial, 5},
		{"refresh", &soa->refresh, 6}, {"retry", &soa->retry, 7},
		{"expire", &soa->expire, 8}, {"minimum", &soa->minimum, 9}};

	for (size_t i = 0; i < LEN(names); i++) {
		const struct name *name = arg_obj(&argv[names[i].at], OBJ_NAME);

		if (!name) {
			error_set(error_r, "%s: expected a name, got %s", names[i].what,
				arg_kind_name(&argv[names[i].at]));
			return false;
		}
		*names[i].to = *name;
	}
	for (size_t i = 0; i < LEN(numbers); i++) {
		if (!rule_u32(&argv[numbers[i].at], numbers[i].what, UINT32_MAX, 0, numbers[i].to,
			    error_r))
			return false;
	}
	return true;
}

struct action *act_negative(const struct arg *argv, size_t argc UNUSED, const char **error_r)
{
	const struct arg *in_authority = rule_opt(&argv[10], "soaInAuthoritySection");
	bool nxd = arg_bool(&argv[0], false);
	struct answer_opts opts;
	struct act_negative *a;
	struct soa soa;

	if (!read_soa(argv, &soa, error_r) || !rule_answer_opts(&argv[10], &opts, error_r))
		return NULL;
	soa.in_authority = in_authority && arg_bool(in_authority, false);
	a = action_make(
		sizeof(*a), run_negative, NULL, error_r, "%s with SOA", nxd ? "NXD" : "NODATA");
	if (!a)
		return NULL;
	a->opts = opts;
	a->nxd = nxd;
	a->soa = soa;
	return &a->base;
}
