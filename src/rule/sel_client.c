/* sel_client.c: selectors that look at who asks and how: addresses, ports, protocols. */
#include "rule_priv.h"
#include <strings.h>

enum { SHOWN_MAX = 32 }; /* netmasks of a set that the text lists */

/* ---- NetmaskGroupRule ---- */

struct sel_netmasks {
	struct selector base;
	struct netset *set;
};

static bool match_source(struct selector *s, struct dq *dq)
{
	return netset_match(((const struct sel_netmasks *)s)->set, dq->remote);
}

static bool match_destination(struct selector *s, struct dq *dq)
{
	return netset_match(((const struct sel_netmasks *)s)->set, dq->local);
}

static void free_netmasks(struct selector *s)
{
	netset_free(&((struct sel_netmasks *)s)->set);
}

struct shown {
	struct text text;
	unsigned n;
};

static bool show_mask(void *ctx, const struct netmask *mask, bool positive)
{
	struct shown *shown = ctx;
	char buf[ADDR_TEXT];

	text_addf(&shown->text, "%s%s%s", shown->n ? ", " : "", positive ? "" : "!",
		netmask_print(mask, buf));
	return ++shown->n < SHOWN_MAX;
}

struct selector *sel_netmasks(const struct arg *argv, size_t argc UNUSED, const char **error_r)
{
	const struct netset *set = arg_obj(&argv[0], OBJ_NETSET);
	bool source = arg_bool(&argv[1], true), quiet = arg_bool(&argv[2], false);
	struct shown shown = {{0}, 0};
	struct sel_netmasks *s;
	struct selector *base;

	if (!set) {
		error_set(error_r,
			"expected a netmask, a list of netmasks or a NetmaskGroup, got %s",
			arg_kind_name(&argv[0]));
		return NULL;
	}
	if (quiet)
		text_add(&shown.text, "in-group");
	else
		netset_each(set, show_mask, &shown);
	if (!quiet && netset_size(set) > shown.n)
		text_addf(&shown.text, ", and %zu more", netset_size(set) - shown.n);
	s = shown.text.failed ? rule_no_memory(error_r)
			      : selector_make(sizeof(*s), source ? match_source : match_destination,
					free_netmasks, error_r, "%s: %s", source ? "Src" : "Dst",
					text_str(&shown.text));
	text_free(&shown.text);
	if (!s)
		return NULL;
	base = &s->base;
	s->set = netset_copy(set);
	if (!s->set) {
		selector_free(&base);
		return rule_no_memory(error_r);
	}
	return base;
}

/* ---- DSTPortRule ---- */

struct sel_port {
	struct selector base;
	uint16_t port;
};

static bool match_port(struct selector *s, struct dq *dq)
{
	return dq->local->port == ((const struct sel_port *)s)->port;
}

struct selector *sel_dst_port(const struct arg *argv, size_t argc UNUSED, const char **error_r)
{
	struct sel_port *s;
	uint16_t port;

	if (!rule_u16(&argv[0], "port", 0, &port, error_r))
		return NULL;
	s = selector_make(sizeof(*s), match_port, NULL, error_r, "dst port==%u", port);
	if (!s)
		return NULL;
	s->port = port;
	return &s->base;
}

/* ---- TCPRule, IncomingProtocolRule: a set of protocols ---- */

struct sel_protos {
	struct selector base;
	uint32_t bits; /* 1 << enum proto */
};
_Static_assert(PROTO_COUNT <= 32, "protocols fit the bit set");

static bool match_protos(struct selector *s, struct dq *dq)
{
	return ((const struct sel_protos *)s)->bits >> dq->proto & 1;
}

static struct selector *make_protos(uint32_t bits, const char *text, const char **error_r)
{
	struct sel_protos *s = selector_make(sizeof(*s), match_protos, NULL, error_r, "%s", text);

	if (!s)
		return NULL;
	s->bits = bits;
	return &s->base;
}

struct selector *sel_tcp(const struct arg *argv, size_t argc UNUSED, const char **error_r)
{
	bool tcp = arg_bool(&argv[0], true);
	uint32_t bits = 0;

	for (unsigned p = 0; p < PROTO_COUNT; p++)
		bits |= (uint32_t)(proto_stream((enum proto)p) == tcp) << p;
	return make_protos(bits, tcp ? "TCP" : "UDP", error_r);
}

struct selector *sel_protocol(const struct arg *argv, size_t argc UNUSED, const char **error_r)
{
	const char *word = arg_str(&argv[0], "");
	struct selector *s = NULL;
	struct text t = {0};
	uint32_t bits = 0;

	for (unsigned p = 0; p < PROTO_COUNT; p++)
		bits |= (uint32_t)(strcasecmp(proto_word((enum proto)p), word) == 0 || strcmp(proto_name((enum proto)p), word) == 0)
			<< p;
	/* "dnscrypt" is one word for both transports. */
	if (strcmp(word, proto_name(PROTO_DNSCRYPT_UDP)) == 0)
		bits |= 1u << PROTO_DNSCRYPT_TCP;
	if (bits == 0) {
		for (unsigned p = 0; p < PROTO_COUNT; p++)
			text_addf(&t, "%s\"%s\"", p ? ", " : "", proto_word((enum proto)p));
		error_set(error_r, "expected one of %s, got '%s'", text_str(&t), word);
	} else {
		text_addf(&t, "incoming protocol==%s", word);
		s = t.failed ? rule_no_memory(error_r) : make_protos(bits, text_str(&t), error_r);
	}
	text_free(&t);
	return s;
}
