/* tls_without_tls.c: a build without TLS: wires are plain, and whoever asks for more is told so. */
#include "tls_wire.h"

static int absent(const char **error_r)
{
	error_set(error_r, "not in this build (FEATURE_TLS)");
	return -ENOTSUP;
}

/* ---- a wire never has a struct tls ---- */
ssize_t tls_read(struct tls *t, uint8_t *buf, size_t cap, bool *writes_r)
{
	(void)t;
	(void)buf;
	(void)cap;
	(void)writes_r;
	return -ENOTSUP;
}

ssize_t tls_write(struct tls *t, const uint8_t *p, size_t len, bool *writes_r)
{
	(void)t;
	(void)p;
	(void)len;
	(void)writes_r;
	return -ENOTSUP;
}

int tls_shake(struct tls *t, bool *writes_r)
{
	(void)t;
	(void)writes_r;
	return -ENOTSUP;
}

void tls_gather(struct tls *t)
{
	(void)t;
}

int tls_release(struct tls *t)
{
	(void)t;
	return 0;
}

size_t tls_held(const struct tls *t)
{
	(void)t;
	return 0;
}

bool tls_greets(const struct tls *t)
{
	(void)t;
	return false;
}

bool tls_shaken(const struct tls *t)
{
	(void)t;
	return true;
}

bool tls_pending(const struct tls *t)
{
	(void)t;
	return false;
}

bool tls_is_client(const struct tls *t)
{
	(void)t;
	return false;
}

void tls_end(struct tls **t, bool bye)
{
	(void)bye;
	*t = NULL;
}

/* ---- what is known of one ---- */
const char *tls_fail_name(enum tls_fail f)
{
	(void)f;
	return "";
}

void tls_info(const struct tls *t, struct tls_info *out)
{
	(void)t;
	*out = (struct tls_info){.sni = "", .alpn = "", .cipher = ""};
}

enum tls_fail tls_failure(const struct tls *t)
{
	(void)t;
	return TLS_FAIL_NONE;
}

const char *tls_error(const struct tls *t)
{
	(void)t;
	return "";
}

/* ---- server ---- */
struct tls_server *tls_server_new(const struct tls_server_conf *c, const char **error_r)
{
	(void)c;
	absent(error_r);
	return NULL;
}

void tls_server_where(struct tls_server *s, const char *where)
{
	(void)s;
	(void)where;
}

struct tls_server *tls_server_ref(struct tls_server *s)
{
	return s;
}

void tls_server_free(struct tls_server **s)
{
	*s = NULL;
}

int tls_server_load(struct tls_server *s, const struct tls_cert *certs, size_t n, const char **error_r)
{
	(void)s;
	(void)certs;
	(void)n;
	return absent(error_r);
}

int tls_server_ticket_key(struct tls_server *s, const uint8_t *key, size_t len, const char **error_r)
{
	(void)s;
	(void)key;
	(void)len;
	return absent(error_r);
}

int tls_server_ticket_file(struct tls_server *s, const char *path, const char **error_r)
{
	(void)s;
	(void)path;
	return absent(error_r);
}

int tls_server_rotate(struct tls_server *s)
{
	(void)s;
	return -ENOTSUP;
}

void tls_server_inherit(struct tls_server *s, struct tls_server *old, bool tickets)
{
	(void)tickets;
	(void)s;
	(void)old;
}

bool tls_server_tick(struct tls_server *s, uint64_t now_ms, uint8_t key_r[TLS_TICKET_KEY])
{
	(void)s;
	(void)now_ms;
	(void)key_r;
	return false;
}

struct tls_stats *tls_server_stats(struct tls_server *s)
{
	static struct tls_stats none;

	(void)s;
	return &none;
}

size_t tls_server_certs(const struct tls_server *s)
{
	(void)s;
	return 0;
}

struct tls *tls_accept(struct tls_server *s, int fd)
{
	(void)s;
	(void)fd;
	return NULL;
}

/* ---- client ---- */
struct tls_client *tls_client_new(const struct tls_client_conf *c, const char **error_r)
{
	(void)c;
	absent(error_r);
	return NULL;
}

struct tls_client *tls_client_ref(struct tls_client *c)
{
	return c;
}

void tls_client_free(struct tls_client **c)
{
	*c = NULL;
}

struct tls *tls_connect(struct tls_client *c, int fd, struct tls_session *session, void *ctx)
{
	(void)c;
	(void)fd;
	(void)session;
	(void)ctx;
	return NULL;
}

void tls_session_free(struct tls_session **s)
{
	*s = NULL;
}

bool tls_session_once(const struct tls_session *s)
{
	(void)s;
	return true;
}

uint64_t tls_session_end_s(const struct tls_session *s)
{
	(void)s;
	return 0;
}

bool tls_clock_wrong(uint64_t wall_s)
{
	(void)wall_s;
	return false;
}

/* ---- certificates, staples, providers ---- */
int tls_self_signed(const char *names, char print_r[96], const char **error_r)
{
	(void)names;
	print_r[0] = 0;
	return absent(error_r);
}

int tls_ocsp_make(const char *cert, const char *ca_cert, const char *ca_key, const char *out, unsigned days, unsigned minutes,
	const char **error_r)
{
	(void)cert;
	(void)ca_cert;
	(void)ca_key;
	(void)out;
	(void)days;
	(void)minutes;
	return absent(error_r);
}

int tls_load_provider(const char *name, const char **error_r)
{
	(void)name;
	return absent(error_r);
}

int tls_load_engine(const char *name, const char *default_string, const char **error_r)
{
	(void)name;
	(void)default_string;
	return absent(error_r);
}
