/* cert.c: certificates and keys from files; every sentence names the file and what is wrong with it. */
#include "tls_priv.h"
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <sys/stat.h>
#include <unistd.h>

static int read_all(int fd, uint8_t *p, size_t len)
{
	size_t at = 0;

	while (at < len) {
		ssize_t n = read(fd, p + at, len - at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EIO;
		at += (size_t)n;
	}
	return 0;
}

static uint8_t *slurp(int fd, const char *path, size_t max, size_t *len_r, const char **error_r)
{
	struct stat st;
	uint8_t *p;
	int rc;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size < 0 || (uint64_t)st.st_size > max) {
		error_set(error_r, "%s: not a file of at most %zu bytes", path, max);
		return NULL;
	}
	p = mem_alloc((size_t)st.st_size + 1);
	if (!p) {
		error_set(error_r, "%s: memory is out", path);
		return NULL;
	}
	rc = read_all(fd, p, (size_t)st.st_size);
	if (rc < 0) {
		error_set(error_r, "%s: %s", path, strerror(-rc));
		mem_free(p);
		return NULL;
	}
	p[st.st_size] = 0;
	*len_r = (size_t)st.st_size;
	return p;
}

uint8_t *tls_file_read(const char *path, size_t max, size_t *len_r, const char **error_r)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	uint8_t *p;

	if (fd < 0) {
		error_set(error_r, "%s: %s", path, strerror(errno));
		return NULL;
	}
	p = slurp(fd, path, max, len_r, error_r);
	close(fd);
	return p;
}

/* ---- PEM ---- */
/* A file in memory; the BIO reads from |bytes|, which may hold a key. */
struct file {
	uint8_t *bytes;
	size_t len;
	BIO *bio;
};

static int file_open(struct file *f, const char *path, const char **error_r)
{
	tls_start();
	f->bytes = tls_file_read(path, TLS_FILE_MAX, &f->len, error_r);
	if (!f->bytes)
		return -EINVAL;
	f->bio = BIO_new_mem_buf(f->bytes, (int)f->len);
	if (f->bio)
		return 0;
	mem_free(f->bytes);
	return error_set(error_r, "%s: memory is out", path);
}

static void file_close(struct file *f)
{
	BIO_free(f->bio);
	OPENSSL_cleanse(f->bytes, f->len);
	mem_free(f->bytes);
	tls_queue_clear();
}

/* The password comes from the configuration; nobody is asked. */
static int password_of(char *buf, int cap, int writing, void *password)
{
	size_t len = password ? strlen(password) : 0;

	(void)writing;
	if (len == 0 || len > (size_t)cap)
		return -1;
	memcpy(buf, password, len);
	return (int)len;
}

static int bad_cert(const char *path, const char **error_r)
{
	unsigned long e = ERR_peek_error();

	if (ERR_GET_LIB(e) == ERR_LIB_PEM && ERR_GET_REASON(e) == PEM_R_NO_START_LINE)
		return error_set(error_r, "%s: no certificate in it (PEM)", path);
	return error_set(error_r, "%s: certificate: %s", path, tls_queue_sentence());
}

/* at_the_end: the queue holds nothing but "no more of them". */
static bool at_the_end(void)
{
	unsigned long e = ERR_peek_last_error();

	return ERR_GET_LIB(e) == ERR_LIB_PEM && ERR_GET_REASON(e) == PEM_R_NO_START_LINE;
}

static int read_chain(BIO *bio, const char *path, struct tls_chain *out, const char **error_r)
{
	X509 *more;

	out->cert = PEM_read_bio_X509_AUX(bio, NULL, password_of, NULL);
	if (!out->cert)
		return bad_cert(path, error_r);
	out->more = sk_X509_new_null();
	if (!out->more)
		return error_set(error_r, "%s: memory is out", path);
	while ((more = PEM_read_bio_X509(bio, NULL, password_of, NULL)) != NULL) {
		if (sk_X509_push(out->more, more) == 0) {
			X509_free(more);
			return error_set(error_r, "%s: memory is out", path);
		}
	}
	return at_the_end() ? 0 : bad_cert(path, error_r);
}

X509 *tls_cert_read(const char *path, const char **error_r)
{
	struct file f;
	X509 *x;

	if (file_open(&f, path, error_r) < 0)
		return NULL;
	x = PEM_read_bio_X509_AUX(f.bio, NULL, password_of, NULL);
	if (!x)
		bad_cert(path, error_r);
	file_close(&f);
	return x;
}

static void bad_key(const char *path, const char *password, const uint8_t *text, const char **error_r)
{
	const char *s = (const char *)text;

	if (!strstr(s, "PRIVATE KEY-----"))
		error_set(error_r, "%s: no private key in it (PEM)", path);
	else if (!strstr(s, "ENCRYPTED"))
		error_set(error_r, "%s: private key: %s", path, tls_queue_sentence());
	else if (!password || !password[0])
		error_set(error_r, "%s: the private key needs a password", path);
	else
		error_set(error_r, "%s: wrong password", path);
}

EVP_PKEY *tls_key_read(const char *path, const char *password, const char **error_r)
{
	char *pass = mem_strdup(password ? password : "");
	EVP_PKEY *key = NULL;
	struct file f;

	if (!pass)
		error_set(error_r, "%s: memory is out", path);
	else if (file_open(&f, path, error_r) == 0) {
		key = PEM_read_bio_PrivateKey(f.bio, NULL, password_of, pass);
		if (!key)
			bad_key(path, password, f.bytes, error_r);
		file_close(&f);
	}
	if (pass)
		OPENSSL_cleanse(pass, strlen(pass));
	mem_free(pass);
	return key;
}

/* ---- the three kinds ---- */
static int load_pem(struct tls_chain *out, const struct tls_cert *c, const char **error_r)
{
	struct file f;
	int rc = file_open(&f, c->cert, error_r);

	if (rc < 0)
		return rc;
	rc = read_chain(f.bio, c->cert, out, error_r);
	file_close(&f);
	if (rc < 0)
		return rc;
	out->key = tls_key_read(c->key, c->password, error_r);
	return out->key ? 0 : -EINVAL;
}

static int bad_p12(const char *path, const char **error_r)
{
	unsigned long e = ERR_peek_error(), last = ERR_peek_last_error();

	if (ERR_GET_REASON(e) == PKCS12_R_MAC_VERIFY_FAILURE || ERR_GET_REASON(last) == PKCS12_R_MAC_VERIFY_FAILURE)
		return error_set(error_r, "%s: wrong password", path);
	if (ERR_GET_REASON(e) == ERR_R_UNSUPPORTED || ERR_GET_LIB(e) == ERR_LIB_EVP)
		return error_set(error_r, "%s: encrypted in an old way: loadTLSProvider(\"legacy\") may help", path);
	return error_set(error_r, "%s: PKCS#12: %s", path, tls_queue_sentence());
}

static int load_p12(struct tls_chain *out, const struct tls_cert *c, const char **error_r)
{
	struct file f;
	PKCS12 *p12;
	int rc = file_open(&f, c->cert, error_r);

	if (rc < 0)
		return rc;
	p12 = d2i_PKCS12_bio(f.bio, NULL);
	if (!p12)
		rc = error_set(error_r, "%s: no key file is given and it is not PKCS#12", c->cert);
	else if (PKCS12_parse(p12, c->password ? c->password : "", &out->key, &out->cert, &out->more) != 1)
		rc = bad_p12(c->cert, error_r);
	else if (!out->cert || !out->key)
		rc = error_set(error_r, "%s: no %s in it", c->cert, out->cert ? "private key" : "certificate");
	PKCS12_free(p12);
	file_close(&f);
	return rc;
}

static int load_own(struct tls_chain *out, const char **error_r)
{
	EVP_PKEY *key = tls_own_key();
	X509 *cert = tls_own_cert();

	if (!key || !cert)
		return error_set(error_r, "%s: there is none: start with --self-signed", TLS_SELF_SIGNED);
	EVP_PKEY_up_ref(key);
	X509_up_ref(cert);
	out->key = key;
	out->cert = cert;
	return 0;
}

void tls_chain_free(struct tls_chain *c)
{
	X509_free(c->cert);
	sk_X509_pop_free(c->more, X509_free);
	EVP_PKEY_free(c->key);
	*c = (struct tls_chain){0};
}

int tls_chain_load(struct tls_chain *out, const struct tls_cert *c, const char **error_r)
{
	bool pem = c->key && c->key[0];
	int rc;

	*out = (struct tls_chain){0};
	tls_start();
	if (strcmp(c->cert, TLS_SELF_SIGNED) == 0)
		rc = load_own(out, error_r);
	else
		rc = pem ? load_pem(out, c, error_r) : load_p12(out, c, error_r);
	if (rc == 0 && X509_check_private_key(out->cert, out->key) != 1)
		rc = error_set(error_r, pem ? "%s: does not fit %s" : "%s: its key does not fit its certificate",
			pem ? c->key : c->cert, c->cert);
	tls_queue_clear();
	if (rc < 0)
		tls_chain_free(out);
	return rc;
}
