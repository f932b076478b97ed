/* test_ca_store_with_tls.c: whom we trust: bundles, folders, the system's; configurations that are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "tls_peer.h"
#include <sys/stat.h>

int test_ca_store_with_tls(void);

/* ---- stores ---- */
static void bundle_of_many(const char *file, int right)
{
	made_text(file, "w", "# a comment\n");
	made_write(file, "a", made[SELF].cert, made[SELF].key); /* a key is skipped */
	made_text(file, "a", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
	made_write(file, "a", made[OTHER_ROOT].cert, NULL); /* same subject, other key */
	if (right >= 0)
		made_write(file, "a", made[right].cert, NULL);
	if (right >= 0) /* twice the same: the store keeps one of them */
		made_write(file, "a", made[right].cert, NULL);
	made_write(file, "a", made[WILD].cert, NULL);
}

static void found_at_once(const char *file, int cert)
{
	const char *error = "";
	struct ca_store *ca = tls_ca_get(made_path(file), &error);
	X509_STORE_CTX *sc = X509_STORE_CTX_new();
	X509_OBJECT *found = X509_OBJECT_new();

	assert_non_null(ca);
	assert_int_equal(X509_STORE_CTX_init(sc, tls_ca_x509(ca), NULL, NULL), 1);
	assert_int_equal(X509_STORE_CTX_get_by_subject(sc, X509_LU_X509, X509_get_subject_name(made[cert].cert), found), 1);
	assert_int_equal(X509_NAME_cmp(X509_get_subject_name(X509_OBJECT_get0_X509(found)),
		X509_get_subject_name(made[cert].cert)), 0);
	X509_OBJECT_free(found);
	X509_STORE_CTX_free(sc);
	tls_ca_put(&ca);
}

static void stores(void **state)
{
	struct tls_client *c, *same;
	char hashed[128];

	(void)state;
	/* a bundle; one that is replaced is read anew, by those who have it open, too */
	bundle_of_many("bundle.pem", ROOT);
	found_at_once("bundle.pem", ROOT);
	c = client((struct tls_client_conf){.name = "dns.test", .validate = true, .ca_store = made_path("bundle.pem")});
	same = client((struct tls_client_conf){.name = "second.test", .validate = true, .ca_store = made_path("bundle.pem")});
	expect(c, GOOD, -1, NULL, "bundle");
	expect(same, GOOD, -1, NULL, "the same bundle");
	expect(c, BY_OTHER, -1, NULL, "another of the bundle");
	tls_client_free(&same);
	tls_client_free(&c);
	made_write("moved.pem", "w", made[SELF].cert, NULL);
	c = client((struct tls_client_conf){.name = "dns.test", .validate = true, .ca_store = made_path("moved.pem")});
	expect(c, GOOD, -1, "unable to get local issuer certificate", "before");
	bundle_of_many("moved.pem", ROOT);
	expect(c, GOOD, -1, NULL, "after");
	tls_client_free(&c);
	/* a folder without hashed names */
	assert_int_equal(mkdir(made_path("plain"), 0700), 0);
	made_text("plain/readme", "w", "none here\n");
	made_write("plain/root.crt", "w", made[ROOT].cert, NULL);
	c = client((struct tls_client_conf){.name = "dns.test", .validate = true, .ca_store = made_path("plain")});
	expect(c, GOOD, -1, NULL, "folder");
	tls_client_free(&c);
	/* and with them */
	assert_int_equal(mkdir(made_path("hashed"), 0700), 0);
	(void)snprintf(hashed, sizeof(hashed), "hashed/%08lx.0", X509_subject_name_hash(made[ROOT].cert));
	made_write(hashed, "w", made[ROOT].cert, NULL);
	c = client((struct tls_client_conf){.name = "dns.test", .validate = true, .ca_store = made_path("hashed")});
	expect(c, GOOD, -1, NULL, "hashed folder");
	expect(c, SELF, -1, "self-signed certificate", "hashed folder");
	tls_client_free(&c);
}

static void systems_store(void **state)
{
	struct tls_client_conf conf = {.name = "dns.test", .validate = true, .ca_store = ""};
	const char *error = "";
	struct tls_client *c;
	struct ca_store *a, *b;
	char hashed[128];

	(void)state;
	(void)mkdir(made_path("dir"), 0700);
	(void)snprintf(hashed, sizeof(hashed), "dir/%08lx.0", X509_subject_name_hash(made[SELF].cert));
	made_write(hashed, "w", made[SELF].cert, NULL);
	setenv(X509_get_default_cert_file_env(), made_path("ca.pem"), 1);
	setenv(X509_get_default_cert_dir_env(), made_path("dir"), 1);
	c = client(conf);
	expect(c, GOOD, -1, NULL, "of the bundle");
	expect(c, SELF, -1, NULL, "of the folder");
	expect(c, BY_OTHER, OTHER_ROOT, "self-signed certificate in certificate chain", "of neither");
	tls_client_free(&c);
	unsetenv(X509_get_default_cert_file_env());
	unsetenv(X509_get_default_cert_dir_env());
	/* whatever this machine has: found, or a sentence that names the places */
	c = tls_client_new(&conf, &error);
	if (c)
		expect(c, GOOD, -1, "unable to get local issuer certificate", "not of the system's");
	else
		assert_non_null(strstr(error, "no CA store was found to validate certificates with: set caStore"));
	tls_client_free(&c);
	/* one for all */
	a = tls_ca_get(made_path("ca.pem"), &error);
	b = tls_ca_get(made_path("ca.pem"), &error);
	assert_non_null(a);
	assert_ptr_equal(a, b);
	tls_ca_put(&b);
	assert_non_null(tls_ca_x509(a));
	tls_ca_put(&a);
	assert_null(a);
}

/* ---- wrong configurations ---- */
static void refused_configurations(void **state)
{
	static const char *const empty_word[] = {"", NULL};
	static const struct {
		struct tls_client_conf conf;
		const char *error;
	} cases[] = {
		{{.validate = true}, "validateCertificates needs a subjectName or a subjectAddr"},
		{{.name = "", .addr = "", .validate = true}, "validateCertificates needs a subjectName or a subjectAddr"},
		{{.name = ".test", .validate = true}, "subjectName .test: not a host name"},
		{{.name = "a..test", .validate = true}, "subjectName a..test: not a host name"},
		{{.name = "a b", .validate = true}, "subjectName a b: not a host name"},
		{{.name = ".", .validate = true}, "subjectName .: not a host name"},
		{{.name = "a.test", .addr = "192.0.2", .validate = true}, "subjectAddr 192.0.2: not an IP address"},
		{{.name = "a.test", .validate = true, .ca_store = "/nonexistent/ca.pem"},
			"CA store /nonexistent/ca.pem: No such file or directory"},
		{{.name = "a.test", .validate = true, .ca_store = "/dev/null"},
			"CA store /dev/null: no certificate could be read from it"},
		{{.name = "a.test", .ciphers = "no-such-cipher"}, "no-such-cipher"},
		{{.name = "a.test", .ciphers13 = "no-such-cipher"}, "no-such-cipher"},
		{{.name = "a.test", .curves = "no-such-curve"}, "no-such-curve"},
		{{.name = "a.test", .alpn = empty_word}, "ALPN: a word is empty or too long"},
		{{.name = "a.test", .npins = 65}, "at most 64 certificates can be pinned"},
	};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		const char *error = "";

		assert_null(tls_client_new(&cases[i].conf, &error));
		if (!strstr(error, cases[i].error))
			fail_msg("%zu: %s", i, error);
	}
	assert_int_equal(mkdir(made_path("empty"), 0700), 0);
	{
		struct tls_client_conf conf = {.name = "a.test", .validate = true, .ca_store = made_path("empty")};
		const char *error = "";

		assert_null(tls_client_new(&conf, &error));
		assert_non_null(strstr(error, "no certificate could be read from it"));
	}
}

int test_ca_store_with_tls(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stores),
		cmocka_unit_test(systems_store),
		cmocka_unit_test(refused_configurations),
	};
	return cmocka_run_group_tests(tests, peer_set_up, peer_tear_down);
}
