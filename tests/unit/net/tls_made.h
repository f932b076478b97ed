/* tls_made.h: certificates made while a test runs, in a folder of their own. */
#ifndef TEST_TLS_MADE_H
#define TEST_TLS_MADE_H

#include <ftw.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <unistd.h>

#include "tls_priv.h"

/* What a certificate says.  Times are seconds from |MADE_NOW_S|. */
#define MADE_NOW_S (tls_built_s() + 30 * 86400)
struct made {
	X509 *cert;
	EVP_PKEY *key;
};
struct made_spec {
	const char *cn, *san;      /* "DNS:a.test,IP:192.0.2.1", NULL none */
	const struct made *issuer; /* NULL: self-signed */
	long from_s, until_s;      /* both 0: a day ago, in a year */
	bool authority;
};

static UNUSED void made_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *e;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	assert_non_null(e);
	assert_int_equal(X509_add_ext(cert, e, -1), 1);
	X509_EXTENSION_free(e);
}

static UNUSED void made_new(struct made *m, const struct made_spec *spec)
{
	const struct made *issuer = spec->issuer ? spec->issuer : m;
	static long serial;
	bool usual = spec->from_s == 0 && spec->until_s == 0;
	time_t from = (time_t)MADE_NOW_S + (usual ? -86400 : spec->from_s);
	time_t until = (time_t)MADE_NOW_S + (usual ? 365 * 86400 : spec->until_s);
	X509_NAME *name;

	m->key = EVP_EC_gen("P-256");
	m->cert = X509_new();
	assert_non_null(m->key);
	assert_non_null(m->cert);
	X509_set_version(m->cert, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(m->cert), ++serial);
	assert_non_null(X509_time_adj_ex(X509_getm_notBefore(m->cert), 0, 0, &from));
	assert_non_null(X509_time_adj_ex(X509_getm_notAfter(m->cert), 0, 0, &until));
	name = X509_get_subject_name(m->cert);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)spec->cn, -1, -1, 0);
	X509_set_issuer_name(m->cert, X509_get_subject_name(issuer->cert));
	X509_set_pubkey(m->cert, m->key);
	made_extension(m->cert, NULL, NID_basic_constraints, spec->authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
	made_extension(m->cert, NULL, NID_subject_key_identifier, "hash");
	made_extension(m->cert, issuer->cert, NID_authority_key_identifier, "keyid:always");
	if (spec->san)
		made_extension(m->cert, NULL, NID_subject_alt_name, spec->san);
	assert_true(X509_sign(m->cert, issuer->key, EVP_sha256()) > 0);
}

static UNUSED void made_free(struct made *m)
{
	X509_free(m->cert);
	EVP_PKEY_free(m->key);
	*m = (struct made){0};
}

/* ---- files ---- */
static UNUSED char made_folder[64];

static UNUSED const char *made_path(const char *file)
{
	static char paths[4][128];
	static unsigned next;
	char *path = paths[next++ % 4];

	(void)snprintf(path, sizeof(paths[0]), "%s/%s", made_folder, file);
	return path;
}

static UNUSED int made_set_up(void **state)
{
	(void)state;
	strcpy(made_folder, "/tmp/shrewd-tls-XXXXXX");
	return mkdtemp(made_folder) ? 0 : -1;
}

static UNUSED int made_unlink(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static UNUSED int made_tear_down(void **state)
{
	(void)state;
	return nftw(made_folder, made_unlink, 8, FTW_DEPTH | FTW_PHYS);
}

static UNUSED void made_text(const char *file, const char *mode, const char *text)
{
	FILE *f = fopen(made_path(file), mode);

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static UNUSED void made_write(const char *file, const char *mode, X509 *cert, EVP_PKEY *key)
{
	FILE *f = fopen(made_path(file), mode);

	assert_non_null(f);
	if (cert)
		assert_int_equal(PEM_write_X509(f, cert), 1);
	if (key)
		assert_int_equal(PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL), 1);
	assert_int_equal(fclose(f), 0);
}

#endif
