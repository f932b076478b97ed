/* probe_help.h: health checks whose hooks leave everything as it is configured. */
#ifndef TEST_PROBE_HELP_H
#define TEST_PROBE_HELP_H

#include "health.h"
#include "tls_help.h"

static struct probes *probes;

static bool as_configured(void *ctx, const struct server *s, struct name *name, unsigned *qtype, unsigned *qclass)
{
	(void)ctx;
	(void)s;
	(void)name;
	(void)qtype;
	(void)qclass;
	return false;
}

static bool as_usual(void *ctx, const struct server *s, const uint8_t *m, size_t len, bool *ok_r)
{
	(void)ctx;
	(void)s;
	(void)m;
	(void)len;
	(void)ok_r;
	return false;
}

static void changed(void *ctx, struct server *s, bool up)
{
	(void)ctx;
	(void)s;
	(void)up;
}

static UNUSED void probes_begin(const char *options, const char *const *alpn)
{
	static const struct probe_hooks hooks = {NULL, as_configured, as_usual, changed};

	begin(options);
	server_set_auto(server, HEALTH_ACTIVE, 0); /* down until a check says otherwise */
	tls_serve(alpn);
	probes = probes_new(&w.lane, &hooks);
	assert_non_null(probes);
	assert_int_equal(probes_set(probes, &server, 1, true), 0);
}

/* probe_comes waits for the next check to connect. */
static UNUSED void probe_comes(struct tls_server *tls)
{
	for (int i = 0; i < 80 && !someone_waits(listener); i++)
		world_pass(&w, 25);
	peer_accepts(&w, &peer, listener, tls);
}

static UNUSED void probes_finish(void)
{
	probes_free(&probes);
	tls_finish();
}

#endif
