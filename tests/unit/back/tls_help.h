/* tls_help.h: a TLS server with a certificate of its own, and the client that a backend's options make. */
#ifndef TEST_TLS_HELP_H
#define TEST_TLS_HELP_H

#include "up_help.h"

static struct tls_server *tls_server;
static struct session_cache *sessions;
static struct tls_client *tls_client;

static UNUSED void tls_serve(const char *const *alpn)
{
	const struct tls_cert cert = {.cert = TLS_SELF_SIGNED};
	const struct tls_server_conf conf = {.certs = &cert, .ncerts = 1, .tickets = true, .ticket_keys = 2,
		.ticket_rotation_s = 3600, .session_timeout_s = 7200, .release_buffers = true, .alpn = alpn,
		.alpn_required = alpn != NULL};
	static bool made;
	const char *error = "";
	char print[96];

	if (!made && tls_self_signed("backend.example,127.0.0.1", print, &error) < 0)
		fail_msg("%s", error);
	made = true;
	tls_server = tls_server_new(&conf, &error);
	if (!tls_server)
		fail_msg("%s", error);
}

/* tls_begin: a server that is asked over TLS, and all that its ups need. */
static UNUSED void tls_begin(const char *options, const char *const *alpn)
{
	const char *error = "";

	begin(options);
	tls_serve(alpn);
	sessions = session_cache_new(5, 3600);
	assert_non_null(sessions);
	tls_client = up_tls(server, sessions, &error);
	if (!tls_client)
		fail_msg("%s", error);
}

/* tls_shakes opens an up and shakes hands with it. */
static UNUSED void tls_shakes(struct tls_session *session)
{
	unsigned had = owner.opened;

	assert_int_equal(open_up(tls_client, sessions, session), 0);
	peer_accepts(&w, &peer, listener, tls_server);
	UNTIL(&w, (wire_shake(&peer.wire) == 0 && owner.opened == had + 1) || owner.closed);
}

static UNUSED void tls_finish(void)
{
	finish();
	if (tls_server)
		tls_server_free(&tls_server);
	if (tls_client)
		tls_client_free(&tls_client);
	if (sessions)
		session_cache_free(&sessions);
}

#endif
