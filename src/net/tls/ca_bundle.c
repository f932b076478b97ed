/* ca_bundle.c: a file of certificates in PEM, of which only those are decoded that a chain needs.
 *
 * Kept for each of them are eight bytes: the hash of its subject and its place in the file. */
#include "tls_priv.h"
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <sys/stat.h>

enum { BUNDLE_CERTS = 4096, BUNDLE_BYTES = 16 << 20 };

struct place {
	uint32_t hash, offset;
};

struct bundle {
	pthread_mutex_t lock;   /* workers that verify at the same time */
	struct tls_stamp stamp; /* of the file that |places| were read from */
	struct place *places;
	size_t count;
	bool read;
	char path[];
};

bool tls_stamp_of(struct tls_stamp *s, const char *path)
{
	struct stat st;

	memset(s, 0, sizeof(*s)); /* compared by its bytes */
	if (stat(path, &st) < 0)
		return false;
	s->dev = st.st_dev;
	s->ino = st.st_ino;
	s->size = st.st_size;
	s->mtime.tv_sec = st.st_mtim.tv_sec;
	s->mtime.tv_nsec = st.st_mtim.tv_nsec;
	return true;
}

/* Errors of looking for a certificate are no errors of the handshake that looks for it. */
static BIO *open_file(const char *path)
{
	BIO *file;

	ERR_set_mark();
	file = BIO_new_file(path, "rb");
	ERR_pop_to_mark();
	return file;
}

/* next_der reads on from where |file| stands: its length and |*der_r| (OPENSSL_free()), 0 at the end.  What is damaged,
 * and what is no certificate, is skipped. */
static long next_der(BIO *file, unsigned char **der_r, long *offset_r)
{
	char no_password[] = "";
	long len, at;
	int ok;

	do {
		at = BIO_tell(file);
		ERR_set_mark();
		ok = PEM_bytes_read_bio(der_r, &len, NULL, PEM_STRING_X509, file, NULL, no_password);
		ERR_pop_to_mark();
		if (ok == 1) {
			*offset_r = at;
			return len;
		}
	} while (BIO_tell(file) > at && !BIO_eof(file));
	return 0;
}

static X509 *next_cert(BIO *file)
{
	unsigned char *der;
	X509 *cert = NULL;
	long len, at;

	while (!cert && (len = next_der(file, &der, &at)) > 0) {
		const unsigned char *p = der;

		ERR_set_mark();
		cert = d2i_X509(NULL, &p, len);
		ERR_pop_to_mark();
		OPENSSL_free(der);
	}
	return cert;
}

/* enter: the body of the element at |*p|, which is of |tag|; |*end_r| moves to its end. */
static bool enter(const unsigned char **p, const unsigned char **end_r, int tag)
{
	int found, class;
	long len;

	if (*p >= *end_r || ASN1_get_object(p, &len, &found, &class, *end_r - *p) & 0x80 || found != tag)
		return false;
	*end_r = *p + len;
	return true;
}

static bool skip(const unsigned char **p, const unsigned char *end)
{
	int tag, class;
	long len;

	if (*p >= end || ASN1_get_object(p, &len, &tag, &class, end - *p) & 0x80)
		return false;
	*p += len;
	return true;
}

/* subject_hash reads the subject alone (RFC 5280 4.1): to decode a whole certificate, with its key, takes ten times as
 * long, and a router has 140 of them. */
static bool subject_hash(const unsigned char *p, long len, uint32_t *hash_r)
{
	const unsigned char *end = p + len;
	X509_NAME *name;
	int ok = 0;

	if (!enter(&p, &end, V_ASN1_SEQUENCE) || !enter(&p, &end, V_ASN1_SEQUENCE))
		return false;
	if (p < end && *p == 0xa0 && !skip(&p, end)) /* version */
		return false;
	for (unsigned i = 0; i < 4; i++) /* serial number, algorithm, issuer, validity */
		if (!skip(&p, end))
			return false;
	ERR_set_mark();
	name = d2i_X509_NAME(NULL, &p, end - p);
	if (name)
		*hash_r = (uint32_t)X509_NAME_hash_ex(name, NULL, NULL, &ok);
	ERR_pop_to_mark();
	X509_NAME_free(name);
	return ok == 1;
}

static int bundle_add(struct bundle *b, const struct place *place)
{
	if (b->count % 64 == 0) { /* grows by 64 at a time */
		struct place *more = mem_resize(b->places, (b->count + 64) * sizeof(*more));

		if (!more)
			return -ENOMEM;
		b->places = more;
	}
	b->places[b->count++] = *place;
	return 0;
}

/* bundle_read makes the table of places anew.  With |b->lock| held.  0, -ENOMEM, -ENOENT: not to be read. */
static int bundle_read(struct bundle *b)
{
	unsigned char *der;
	struct place place;
	BIO *file;
	long len, at;
	int err = 0;

	mem_free(b->places);
	b->places = NULL;
	b->count = 0;
	b->read = tls_stamp_of(&b->stamp, b->path) && b->stamp.size <= BUNDLE_BYTES;
	file = b->read ? open_file(b->path) : NULL;
	if (!file)
		return -ENOENT;
	while (err == 0 && b->count < BUNDLE_CERTS && (len = next_der(file, &der, &at)) > 0) {
		place.offset = (uint32_t)at;
		if (subject_hash(der, len, &place.hash))
			err = bundle_add(b, &place);
		OPENSSL_free(der);
	}
	BIO_free(file);
	return err;
}

/* bundle_load puts the certificates of |name| into |store|. */
static void bundle_load(struct bundle *b, X509_STORE *store, const X509_NAME *name)
{
	uint32_t hash = (uint32_t)X509_NAME_hash_ex(name, NULL, NULL, NULL);
	BIO *file = NULL;

	for (size_t i = 0; i < b->count; i++) {
		X509 *cert;

		if (b->places[i].hash != hash)
			continue;
		if (!file && !(file = open_file(b->path)))
			break;
		if (BIO_seek(file, (long)b->places[i].offset) < 0 || !(cert = next_cert(file)))
			continue;
		/* its extensions are decoded while nobody else sees it; the store takes a reference of its own, or has one
		 * like it */
		if (X509_NAME_cmp(X509_get_subject_name(cert), name) == 0 && X509_check_purpose(cert, -1, 0) == 1)
			X509_STORE_add_cert(store, cert);
		X509_free(cert);
	}
	BIO_free(file);
}

/* in_store: the store's own, which it keeps as long as it lives; another worker may have put it there meanwhile. */
static X509 *in_store(X509_STORE *store, const X509_NAME *name)
{
	X509_OBJECT *found;

	X509_STORE_lock(store);
	found = X509_OBJECT_retrieve_by_subject(X509_STORE_get0_objects(store), X509_LU_X509, name);
	X509_STORE_unlock(store);
	return found ? X509_OBJECT_get0_X509(found) : NULL;
}

static int bundle_find(X509_LOOKUP *lookup, X509_LOOKUP_TYPE type, const X509_NAME *name, X509_OBJECT *found_r)
{
	struct bundle *b = X509_LOOKUP_get_method_data(lookup);
	X509_STORE *store = X509_LOOKUP_get_store(lookup);
	struct tls_stamp now;
	X509 *cert;

	if (type != X509_LU_X509)
		return 0;
	pthread_mutex_lock(&b->lock);
	if (tls_stamp_of(&now, b->path)) {
		/* a new bundle was installed: places have moved */
		if (!b->read || memcmp(&now, &b->stamp, sizeof(now)) != 0)
			(void)!bundle_read(b);
		ERR_set_mark();
		bundle_load(b, store, name);
		ERR_pop_to_mark();
	}
	pthread_mutex_unlock(&b->lock);
	cert = in_store(store, name);
	/* the object borrows the store's reference, as those of OpenSSL's own methods do */
	if (!cert || X509_OBJECT_set1_X509(found_r, cert) != 1)
		return 0;
	X509_free(cert);
	return 1;
}

static void bundle_free(X509_LOOKUP *lookup)
{
	struct bundle *b = X509_LOOKUP_get_method_data(lookup);

	if (!b)
		return;
	pthread_mutex_destroy(&b->lock);
	mem_free(b->places);
	mem_free(b);
}

/* Made once, kept as long as the process: stores that are still in use point to it. */
static X509_LOOKUP_METHOD *bundle_method(void)
{
	static X509_LOOKUP_METHOD *method;

	if (method)
		return method;
	method = X509_LOOKUP_meth_new("bundle");
	if (method && (!X509_LOOKUP_meth_set_get_by_subject(method, bundle_find) ||
			      !X509_LOOKUP_meth_set_free(method, bundle_free))) {
		X509_LOOKUP_meth_free(method);
		method = NULL;
	}
	return method;
}

int tls_bundle_add(X509_STORE *store, const char *path, bool check)
{
	X509_LOOKUP_METHOD *method = bundle_method();
	size_t len = strlen(path) + 1;
	struct bundle *b = mem_zalloc(sizeof(*b) + len);
	X509_LOOKUP *lookup = b && method ? X509_STORE_add_lookup(store, method) : NULL;
	int err;

	if (!lookup || !X509_LOOKUP_set_method_data(lookup, b)) {
		mem_free(b);
		return -ENOMEM;
	}
	memcpy(b->path, path, len);
	pthread_mutex_init(&b->lock, NULL);
	if (!check)
		return 0;
	err = bundle_read(b);
	return err < 0 ? err : b->count == 0 ? -ENOENT : 0;
}

int tls_bundle_load(X509_STORE *store, const char *path, unsigned max, unsigned *count)
{
	BIO *file = open_file(path);
	X509 *cert;
	bool added = true;

	while (file && added && *count < max && (cert = next_cert(file)) != NULL) {
		added = X509_STORE_add_cert(store, cert) == 1;
		X509_free(cert);
		*count += added;
	}
	BIO_free(file);
	return added ? 0 : -ENOMEM;
}
