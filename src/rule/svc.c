/* svc.c: one SVCB or HTTPS record (RFC 9460) from the table of newSVCRecordParameters(). */
#include "rule_priv.h"
#include "log.h"

enum {
	KEY_MANDATORY,
	KEY_ALPN,
	KEY_NO_DEFAULT_ALPN,
	KEY_PORT,
	KEY_IPV4HINT,
	KEY_ECH,
	KEY_IPV6HINT,
	KEY_INVALID = 65535,
	RDATA_MAX = 4096,
	PARAMS_MAX = 64
};

static const char *const key_names[] = {
	"mandatory", "alpn", "no-default-alpn", "port", "ipv4hint", "ech", "ipv6hint"};

struct draft {
	struct svcb_param params[PARAMS_MAX];
	size_t n;
	uint8_t data[RDATA_MAX];
	size_t used;
	size_t start; /* of the parameter being written */
	bool full;
};

static void put(struct draft *d, const void *p, size_t len)
{
	if (len > sizeof(d->data) - d->used) {
		d->full = true;
		return;
	}
	memcpy(d->data + d->used, p, len);
	d->used += len;
}

static void finish(struct draft *d, unsigned key)
{
	if (d->n == LEN(d->params)) {
		d->full = true;
		return;
	}
	d->params[d->n++] = (struct svcb_param){
		(uint16_t)key, (uint16_t)(d->used - d->start), d->data + d->start};
	d->start = d->used;
}

/* A key by its name, by "keyNNN" or by number; -1 when it is none. */
static int key_from_arg(const struct arg *a)
{
	uint64_t number;

	if (a->kind == ARG_STR) {
		for (size_t i = 0; i < LEN(key_names); i++) {
			if (strcmp(a->s.p, key_names[i]) == 0)
				return (int)i;
		}
		if (strncmp(a->s.p, "key", 3) == 0 && !text_u64(a->s.p + 3, &number) &&
			number < KEY_INVALID)
			return (int)number;
		return -1;
	}
	return arg_num(a, -1) >= 0 && arg_num(a, -1) < KEY_INVALID ? (int)arg_num(a, -1) : -1;
}

/* Each of these takes the value of one option. */
static bool add_mandatory(struct draft *d, const struct arg *a, const char **error_r)
{
	const struct arg *v;
	size_t n = rule_list(a, &v);
	uint16_t keys[PARAMS_MAX];

	if (n > LEN(keys)) {
		*error_r = "mandatory: too many keys";
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		int key = key_from_arg(&v[i]);
		size_t at = i;

		if (key <= 0) {
			error_set(error_r,
				"mandatory: expected keys" HINT(" such as \"port\" or \"key65280\"") ", got %s",
				v[i].kind == ARG_STR ? v[i].s.p : arg_kind_name(&v[i]));
			return false;
		}
		/* In ascending order, RFC 9460 8. */
		for (; at > 0 && keys[at - 1] > key; at--)
			keys[at] = keys[at - 1];
		keys[at] = (uint16_t)key;
	}
	for (size_t i = 0; i < n; i++) {
		uint8_t wire[2];

		put16(wire, keys[i]);
		put(d, wire, 2);
	}
	if (n)
		finish(d, KEY_MANDATORY);
	return true;
}

static bool add_alpn(struct draft *d, const struct arg *a, const char **error_r)
{
	const struct arg *v;
	size_t n = rule_list(a, &v);

	for (size_t i = 0; i < n; i++) {
		uint8_t len;

		if (v[i].kind != ARG_STR || v[i].s.len == 0 || v[i].s.len > 255) {
			error_set(error_r, "alpn: expected protocol names, got %s",
				arg_kind_name(&v[i]));
			return false;
		}
		len = (uint8_t)v[i].s.len;
		put(d, &len, 1);
		put(d, v[i].s.p, len);
	}
	if (n)
		finish(d, KEY_ALPN);
	return true;
}

static bool add_no_default_alpn(struct draft *d, const struct arg *a, const char **error_r UNUSED)
{
	if (arg_bool(a, false))
		finish(d, KEY_NO_DEFAULT_ALPN);
	return true;
}

static bool add_port(struct draft *d, const struct arg *a, const char **error_r)
{
	uint8_t wire[2];
	uint16_t port;

	if (!rule_u16(a, "port", 0, &port, error_r))
		return false;
	put16(wire, port);
	put(d, wire, 2);
	finish(d, KEY_PORT);
	return true;
}

static bool add_ech(struct draft *d, const struct arg *a, const char **error_r)
{
	const char *p;
	size_t len;

	if (!rule_str(a, "ech", &p, &len, error_r))
		return false;
	put(d, p, len);
	if (len)
		finish(d, KEY_ECH);
	return true;
}

static bool add_hints(
	struct draft *d, const struct arg *a, uint16_t family, unsigned key, const char **error_r)
{
	const struct arg *v;
	size_t n = rule_list(a, &v);

	for (size_t i = 0; i < n; i++) {
		struct addr addr;

		if (!rule_addr(&v[i], &addr, error_r))
			return false;
		if (addr.family != family) {
			error_set(error_r, "%s: an address of the other family", key_names[key]);
			return false;
		}
		put(d, addr.ip, addr_len(&addr));
	}
	if (n)
		finish(d, key);
	return true;
}

static bool add_ipv4hint(struct draft *d, const struct arg *a, const char **error_r)
{
	return add_hints(d, a, AF_INET, KEY_IPV4HINT, error_r);
}

static bool add_ipv6hint(struct draft *d, const struct arg *a, const char **error_r)
{
	return add_hints(d, a, AF_INET6, KEY_IPV6HINT, error_r);
}

static const struct {
	const char *name;
	bool (*add)(struct draft *, const struct arg *, const char **error_r);
} options[] = {
	{"mandatory", add_mandatory},
	{"alpn", add_alpn},
	{"noDefaultAlpn", add_no_default_alpn},
	{"port", add_port},
	{"ech", add_ech},
	{"ipv4hint", add_ipv4hint},
	{"ipv6hint", add_ipv6hint},
};

static bool add_option(struct draft *d, const struct arg_pair *pair, const char **error_r)
{
	uint64_t number;

	for (size_t i = 0; i < LEN(options); i++) {
		if (strcmp(pair->key, options[i].name) == 0)
			return options[i].add(d, &pair->value, error_r);
	}
	if (strncmp(pair->key, "key", 3) == 0 && !text_u64(pair->key + 3, &number) &&
		number < KEY_INVALID) {
		const char *p;
		size_t len;

		if (!rule_str(&pair->value, pair->key, &p, &len, error_r))
			return false;
		put(d, p, len);
		finish(d, (unsigned)number);
		return true;
	}
	log_warn(SETUP, "SVC: unknown option '%s' ignored", pair->key);
	return true;
}

/* Where the value of |key| stands in |rdata|, which svcb_build() has written. */
static const uint8_t *param_in(const struct svc *svc, unsigned key, uint16_t *len_r)
{
	size_t at = 2u + svc->target.len;

	while (at + 4 <= svc->rdlen) {
		unsigned len = get16(svc->rdata + at + 2);

		if (get16(svc->rdata + at) == key) {
			*len_r = (uint16_t)len;
			return svc->rdata + at + 4;
		}
		at += 4u + len;
	}
	*len_r = 0;
	return NULL;
}

static void set_hints(struct svc *svc)
{
	svc->hint4 = param_in(svc, KEY_IPV4HINT, &svc->hints4);
	svc->hint6 = param_in(svc, KEY_IPV6HINT, &svc->hints6);
	svc->hints4 /= 4;
	svc->hints6 /= 16;
}

static struct svc *build(
	struct draft *d, unsigned priority, const struct name *target, const char **error_r)
{
	uint8_t rdata[RDATA_MAX];
	/* Alias mode has no parameters, RFC 9460 2.4.2. */
	ssize_t len = d->full ? -ENOBUFS
			      : svcb_build(rdata, sizeof(rdata), priority, target, d->params,
					priority ? d->n : 0);
	struct svc *svc;

	if (len < 0) {
		*error_r = len == -ENOBUFS ? "the record is too large"
					   : "the parameters contradict each other";
		return NULL;
	}
	svc = mem_alloc(sizeof(*svc) + (size_t)len);
	if (!svc)
		return rule_no_memory(error_r);
	svc->target = *target;
	svc->rdlen = (uint16_t)len;
	memcpy(svc->rdata, rdata, (size_t)len);
	set_hints(svc);
	return svc;
}

struct svc *svc_new(
	unsigned priority, const struct name *target, const struct arg *opts, const char **error_r)
{
	struct draft *d;
	struct svc *svc = NULL;
	bool ok = true;

	if (priority > 65535) {
		*error_r = "priority: expected a whole number from 0 to 65535";
		return NULL;
	}
	d = mem_zalloc(sizeof(*d));
	if (!d)
		return rule_no_memory(error_r);
	if (opts && opts->kind == ARG_TABLE) {
		for (size_t i = 0; i < opts->t.pairs && ok; i++)
			ok = add_option(d, &opts->t.pair[i], error_r);
	}
	if (ok)
		svc = build(d, priority, target, error_r);
	mem_free(d);
	return svc;
}

struct svc *svc_copy(const struct svc *from)
{
	struct svc *svc = mem_dup(from, sizeof(*from) + from->rdlen);

	if (svc)
		set_hints(svc);
	return svc;
}

void svc_free(struct svc **svc)
{
	mem_free(*svc);
	*svc = NULL;
}
