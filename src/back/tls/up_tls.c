/* up_tls.c: the TLS side of a backend, made of what newServer() was told, and the way of its tickets to their cache. */
#include "text.h"
#include "up_priv.h"

enum { PIN = 32, PINS_MAX = 64 };

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_pin(uint8_t out[PIN], const char *hex)
{
	if (strlen(hex) != PIN * 2)
		return false;
	for (size_t i = 0; i < PIN; i++) {
		int high = hex_digit(hex[2 * i]), low = hex_digit(hex[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		out[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

static int read_pins(const struct server *s, uint8_t (*out)[PIN], const char **error_r)
{
	const struct field_list *l = &s->conf.pins;

	if (l->n > PINS_MAX)
		return error_set(error_r, "backend %s: certificatePins: at most %d", server_name(s), PINS_MAX);
	for (size_t i = 0; i < l->n; i++)
		if (!read_pin(out[i], l->v[i]))
			return error_set(error_r, "backend %s: certificatePins: expected 64 hexadecimal digits, got '%s'",
				server_name(s), l->v[i]);
	return 0;
}

static void join_curves(const struct field_list *l, struct text *out)
{
	for (size_t i = 0; i < l->n; i++) {
		if (i)
			text_add(out, ":");
		text_add(out, l->v[i]);
	}
}

struct tls_client *up_tls(const struct server *s, struct session_cache *sessions, const char **error_r)
{
	static const char *const dot[] = {"dot", NULL}, *const doh[] = {"h2", NULL};
	const struct server_conf *c = &s->conf;
	bool is_doh = server_proto(s) == PROTO_DOH;
	struct tls_client *client = NULL;
	uint8_t pins[PINS_MAX][PIN];
	struct text curves = {0};
	const char *error = "out of memory";

	if (read_pins(s, pins, error_r) < 0)
		return NULL;
	join_curves(&c->curves, &curves);
	if (!curves.failed)
		client = tls_client_new(
			&(struct tls_client_conf){
				.name = c->subject_name,
				.addr = c->subject_addr,
				.ca_store = c->ca_store,
				.ciphers = c->ciphers,
				.ciphers13 = c->ciphers13,
				.curves = text_str(&curves),
				.key_log = c->key_log,
				.validate = c->validate,
				.release_buffers = c->release_buffers,
				.renegotiation = c->renegotiation,
				.ktls = c->ktls,
				.ignore_dates = c->ignore_dates,
				.pins = (const uint8_t(*)[PIN])pins,
				.npins = c->pins.n,
				.alpn = is_doh ? doh : dot,
				.alpn_required = is_doh,
				.session = sessions ? up_conn_ticket : NULL,
			},
			&error);
	text_free(&curves);
	if (!client)
		error_set(error_r, "backend %s: %s", server_name(s), error);
	return client;
}

void up_conn_ticket(void *ctx, struct tls_session *session)
{
	struct up_conn *c = ctx;

	if (c->sessions)
		session_cache_put(c->sessions, session, c->lane->loop.wall_ms / 1000);
	else
		tls_session_free(&session);
}
