/* ca_store.c: whom we trust: the certificates of authorities, found where systems keep them.
 *
 * A whole bundle decoded takes about 1 MB, which a router does not have.  So nothing is loaded before a chain needs it:
 * directories with hashed names are looked up by OpenSSL's own method, bundles by ours (ca_bundle.c).  Clients with the
 * same store share it. */
#include "tls_priv.h"
#include "text.h"
#include <dirent.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DIR_CERTS = 256, HASHED_NAME = 10 };

static const char *const system_dirs[] = {"/etc/ssl/certs", "/etc/pki/tls/certs",
	"/etc/pki/ca-trust/extracted/pem/directory-hash"};
static const char *const system_files[] = {"/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/cert.pem",
	"/etc/ssl/ca-bundle", "/etc/ssl/ca-bundle.pem", "/etc/pki/tls/certs/ca-bundle.crt",
	"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem"};

/* ---- directories ---- */

/* Names are "0a1b2c3d.0": the hash of a subject and a number. */
static bool is_hashed(const char *name)
{
	return strspn(name, "0123456789abcdef") == HASHED_NAME - 2 && name[HASHED_NAME - 2] == '.' &&
		name[HASHED_NAME - 1] >= '0' && name[HASHED_NAME - 1] <= '9';
}

static bool dir_is_hashed(const char *path)
{
	DIR *dir = opendir(path);
	const struct dirent *e;
	bool found = false;

	if (!dir)
		return false;
	while (!found && (e = readdir(dir)) != NULL)
		found = is_hashed(e->d_name);
	closedir(dir);
	return found;
}

static int add_hashed_dir(X509_STORE *store, const char *path)
{
	X509_LOOKUP *lookup = X509_STORE_add_lookup(store, X509_LOOKUP_hash_dir());

	return lookup && X509_LOOKUP_add_dir(lookup, path, X509_FILETYPE_PEM) ? 0 : -ENOMEM;
}

/* A directory of the user's without hashed names: a few certificates, which are kept at once. */
static int add_plain_dir(X509_STORE *store, const char *path)
{
	DIR *dir = opendir(path);
	unsigned count = 0;
	const struct dirent *e;
	int err = 0;

	while (dir && err == 0 && (e = readdir(dir)) != NULL) {
		struct text file = {0};

		text_addf(&file, "%s/%s", path, e->d_name);
		if (file.failed)
			err = -ENOMEM;
		else if (e->d_name[0] != '.')
			err = tls_bundle_load(store, text_str(&file), DIR_CERTS, &count);
		text_free(&file);
	}
	if (dir)
		closedir(dir);
	return err < 0 ? err : count ? 0 : -ENOENT;
}

/* ---- which of them ---- */

static int fill_given(X509_STORE *store, const char *path, const char **error_r)
{
	struct stat st;
	int err;

	if (stat(path, &st) < 0)
		return error_set(error_r, "CA store %s: %s", path, strerror(errno));
	if (!S_ISDIR(st.st_mode))
		err = tls_bundle_add(store, path, true);
	else if (dir_is_hashed(path))
		err = add_hashed_dir(store, path);
	else
		err = add_plain_dir(store, path);
	if (err == -ENOENT)
		return error_set(error_r, "CA store %s: no certificate could be read from it", path);
	return err < 0 ? error_set(error_r, "CA store %s: memory is out", path) : 0;
}

static int nowhere(const char **error_r)
{
	struct text t = {0};
	int err;

	for (size_t i = 0; i < LEN(system_dirs); i++)
		text_addf(&t, "%s, ", system_dirs[i]);
	for (size_t i = 0; i < LEN(system_files); i++)
		text_addf(&t, "%s%s", i ? ", " : "", system_files[i]);
	err = error_set(error_r,
		"no CA store was found to validate certificates with: set caStore or install one of %s", text_str(&t));
	text_free(&t);
	return err;
}

/* The variables that OpenSSL knows come first, and then they are all there is. */
static int fill_system(X509_STORE *store, const char **error_r)
{
	const char *dir = secure_getenv(X509_get_default_cert_dir_env());
	const char *file = secure_getenv(X509_get_default_cert_file_env());
	bool told = (dir && *dir) || (file && *file);
	int err = 0;

	for (size_t i = 0; !told && !dir && i < LEN(system_dirs); i++)
		if (dir_is_hashed(system_dirs[i]))
			dir = system_dirs[i];
	for (size_t i = 0; !told && !file && i < LEN(system_files); i++)
		if (access(system_files[i], R_OK) == 0)
			file = system_files[i];
	if (!(dir && *dir) && !(file && *file))
		return nowhere(error_r);
	if (dir && *dir)
		err = add_hashed_dir(store, dir);
	if (err == 0 && file && *file) /* what the directory lacks; read when it is needed */
		err = tls_bundle_add(store, file, false);
	return err < 0 ? error_set(error_r, "CA store: memory is out") : 0;
}

/* ---- shared by all clients with the same one ---- */

struct ca_store {
	struct ca_store *next;
	X509_STORE *store;
	struct tls_stamp stamp; /* a store that was replaced on disk is another store */
	unsigned refs;
	char path[];        /* "": the system's */
};
static pthread_mutex_t stores_lock = PTHREAD_MUTEX_INITIALIZER;
static struct ca_store *stores;

static struct ca_store *find(const char *path, const struct tls_stamp *stamp)
{
	struct ca_store *ca = stores;

	while (ca && (strcmp(ca->path, path) != 0 || memcmp(&ca->stamp, stamp, sizeof(*stamp)) != 0))
		ca = ca->next;
	return ca;
}

static struct ca_store *make(const char *path, const struct tls_stamp *stamp, const char **error_r)
{
	size_t len = strlen(path) + 1;
	struct ca_store *ca = mem_zalloc(sizeof(*ca) + len);
	X509_STORE *store = X509_STORE_new();

	if (!ca || !store) {
		error_set(error_r, "CA store: memory is out");
	} else if ((*path ? fill_given(store, path, error_r) : fill_system(store, error_r)) == 0) {
		memcpy(ca->path, path, len);
		ca->stamp = *stamp;
		ca->store = store;
		ca->next = stores;
		stores = ca;
		return ca;
	}
	X509_STORE_free(store);
	mem_free(ca);
	return NULL;
}

struct ca_store *tls_ca_get(const char *path, const char **error_r)
{
	struct tls_stamp stamp;
	struct ca_store *ca;

	path = path ? path : "";
	(void)!tls_stamp_of(&stamp, *path ? path : system_dirs[0]);
	pthread_mutex_lock(&stores_lock);
	ca = find(path, &stamp);
	if (!ca)
		ca = make(path, &stamp, error_r);
	if (ca)
		ca->refs++;
	pthread_mutex_unlock(&stores_lock);
	return ca;
}

void tls_ca_put(struct ca_store **ca_r)
{
	struct ca_store *ca = *ca_r, **at = &stores;

	*ca_r = NULL;
	if (!ca)
		return;
	pthread_mutex_lock(&stores_lock);
	if (--ca->refs == 0) {
		while (*at != ca)
			at = &(*at)->next;
		*at = ca->next;
	} else {
		ca = NULL;
	}
	pthread_mutex_unlock(&stores_lock);
	if (ca) {
		X509_STORE_free(ca->store);
		mem_free(ca);
	}
}

X509_STORE *tls_ca_x509(const struct ca_store *ca)
{
	return ca->store;
}
