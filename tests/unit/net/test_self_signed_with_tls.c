/* test_self_signed_with_tls.c: certificates, OCSP responses and providers of our own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "tls_made.h"
#include <arpa/inet.h>
#include <openssl/ocsp.h>

int test_self_signed_with_tls(void);

static const GENERAL_NAME *nth_name(const GENERAL_NAMES *names, int i, int type)
{
	const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

	assert_non_null(name);
	assert_int_equal(name->type, type);
	return name;
}

static void has_dns(const GENERAL_NAMES *names, int i, const char *expected)
{
	const ASN1_STRING *s = nth_name(names, i, GEN_DNS)->d.dNSName;

	assert_int_equal(ASN1_STRING_length(s), strlen(expected));
	assert_memory_equal(ASN1_STRING_get0_data(s), expected, strlen(expected));
}

static void has_ip(const GENERAL_NAMES *names, int i, int family, const char *expected)
{
	const ASN1_STRING *s = nth_name(names, i, GEN_IPADD)->d.iPAddress;
	uint8_t ip[16];

	assert_int_equal(inet_pton(family, expected, ip), 1);
	assert_int_equal(ASN1_STRING_length(s), family == AF_INET ? 4 : 16);
	assert_memory_equal(ASN1_STRING_get0_data(s), ip, (size_t)ASN1_STRING_length(s));
}

static void names_and_addresses(void **state)
{
	char print[96], again[96], hash_text[96];
	const char *error = "";
	unsigned char hash[32];
	GENERAL_NAMES *names;
	X509 *cert;
	unsigned len;

	(void)state;
	assert_int_equal(tls_self_signed("dns.home.test, 192.0.2.7,2001:db8::7,*.example.test,", print, &error), 0);
	cert = tls_own_cert();
	assert_non_null(cert);
	assert_int_equal(X509_check_private_key(cert, tls_own_key()), 1);
	assert_true(EVP_PKEY_is_a(tls_own_key(), "EC"));
	assert_int_equal(EVP_PKEY_get_bits(tls_own_key()), 256);
	assert_int_equal(X509_verify(cert, tls_own_key()), 1);
	names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	assert_non_null(names);
	assert_int_equal(sk_GENERAL_NAME_num(names), 4);
	has_dns(names, 0, "dns.home.test");
	has_ip(names, 1, AF_INET, "192.0.2.7");
	has_ip(names, 2, AF_INET6, "2001:db8::7");
	has_dns(names, 3, "*.example.test");
	GENERAL_NAMES_free(names);
	assert_int_equal(X509_check_host(cert, "a.example.test", 0, 0, NULL), 1);
	assert_int_equal(X509_check_purpose(cert, X509_PURPOSE_SSL_SERVER, 0), 1);
	assert_int_equal(X509_check_purpose(cert, X509_PURPOSE_SSL_CLIENT, 0), 0);
	assert_int_equal(X509_check_ca(cert), 0);
	/* the fingerprint is that of the whole certificate */
	assert_int_equal(X509_digest(cert, EVP_sha256(), hash, &len), 1);
	for (unsigned i = 0; i < 32; i++)
		(void)snprintf(hash_text + 3 * i, 4, i < 31 ? "%02X:" : "%02X", hash[i]);
	assert_string_equal(print, hash_text);
	assert_int_equal(strlen(print), 95);
	/* another one takes its place and keeps the key */
	assert_int_equal(tls_self_signed("other.test", again, &error), 0);
	assert_string_not_equal(print, again);
	assert_int_equal(X509_check_private_key(tls_own_cert(), tls_own_key()), 1);
	assert_int_equal(X509_check_host(tls_own_cert(), "other.test", 0, 0, NULL), 1);
}

static void dates(void **state)
{
	/* 0: the program's own build day, by which a router's clock must be set one day */
	const long clock_s[] = {0, 30 * 86400, -20 * 365 * 86400L};
	const char *error = "";
	char print[96];

	(void)state;
	for (size_t i = 0; i < LEN(clock_s); i++) {
		time_t built = (time_t)tls_built_s(), now = built + clock_s[i], good = clock_s[i] > 0 ? now : built;
		time_t late = good + 364 * 86400, end = good + 366 * 86400;

		tls_test_now_s = (uint64_t)now;
		assert_int_equal(tls_self_signed("a.test", print, &error), 0);
		assert_int_equal(X509_cmp_time(X509_get0_notBefore(tls_own_cert()), &now), -1);
		assert_int_equal(X509_cmp_time(X509_get0_notBefore(tls_own_cert()), &good), -1);
		assert_int_equal(X509_cmp_time(X509_get0_notAfter(tls_own_cert()), &late), 1);
		assert_int_equal(X509_cmp_time(X509_get0_notAfter(tls_own_cert()), &end), -1);
	}
	tls_test_now_s = 0;
}

static void wrong_names(void **state)
{
	static const char label_64[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.test";
	static const struct {
		const char *list, *error;
	} cases[] = {
		{"", "expected at least one host name or IP address"},
		{" , ,", "expected at least one host name or IP address"},
		{"a.test,b..test", "expected a host name or an IP address, got 'b..test'"},
		{".a.test", "expected a host name or an IP address, got '.a.test'"},
		{"a.test.", "expected a host name or an IP address, got 'a.test.'"},
		{"hello world", "expected a host name or an IP address, got 'hello world'"},
		{"--check-config", "expected a host name or an IP address, got '--check-config'"},
		{"a-.test", "expected a host name or an IP address, got 'a-.test'"},
		{"a.-test", "expected a host name or an IP address, got 'a.-test'"},
		{"a_b.test", "expected a host name or an IP address, got 'a_b.test'"},
		{"192.0.2.300", "expected a host name or an IP address, got '192.0.2.300'"},
		{"a.test,1234", "expected a host name or an IP address, got '1234'"},
		{"a/b", "expected a host name or an IP address, got 'a/b'"},
		{"*", "expected a host name or an IP address, got '*'"},
		{"a.*.test", "expected a host name or an IP address, got 'a.*.test'"},
		{"2001:db8::1::2", "expected a host name or an IP address, got '2001:db8::1::2'"},
		{"b\xc3\xbc" "cher.test", "expected a host name or an IP address, got 'b\xc3\xbc" "cher.test'"},
	};
	char print[96], many[101 * 4 + 1] = "", text[400];
	const char *error = "";
	X509 *before;

	(void)state;
	assert_int_equal(tls_self_signed("kept.test", print, &error), 0);
	before = tls_own_cert();
	for (size_t i = 0; i < LEN(cases); i++) {
		assert_int_equal(tls_self_signed(cases[i].list, print, &error), -EINVAL);
		assert_string_equal(error, cases[i].error);
		assert_ptr_equal(tls_own_cert(), before);
	}
	assert_int_equal(tls_self_signed(label_64, print, &error), -EINVAL);
	memset(text, 'a', sizeof(text));
	for (size_t i = 63; i < sizeof(text); i += 64)
		text[i] = '.';
	text[300] = '\0';
	assert_int_equal(tls_self_signed(text, print, &error), -EINVAL);
	assert_non_null(strstr(error, "at most 253 bytes"));
	text[253] = '\0'; /* a long name is no subject, but a name */
	assert_int_equal(tls_self_signed(text, print, &error), 0);
	for (unsigned i = 0; i < 101; i++)
		(void)snprintf(many + 4 * i, 5, "n%02x,", i);
	assert_int_equal(tls_self_signed(many, print, &error), -EINVAL);
	assert_string_equal(error, "a certificate is for at most 100 names");
}

/* ---- OCSP ---- */
static OCSP_RESPONSE *read_response(const char *file)
{
	BIO *bio = BIO_new_file(made_path(file), "rb");
	OCSP_RESPONSE *r = bio ? d2i_OCSP_RESPONSE_bio(bio, NULL) : NULL;

	BIO_free(bio);
	assert_non_null(r);
	return r;
}

static void check_response(const struct made *ca, const struct made *leaf, long valid_s)
{
	OCSP_RESPONSE *r = read_response("staple");
	OCSP_BASICRESP *basic = OCSP_response_get1_basic(r);
	OCSP_CERTID *id = OCSP_cert_to_id(NULL, leaf->cert, ca->cert);
	STACK_OF(X509) *trusted = sk_X509_new_null();
	ASN1_GENERALIZEDTIME *from, *until;
	X509_STORE *none = X509_STORE_new();
	int status, reason, days, seconds;

	assert_int_equal(OCSP_response_status(r), OCSP_RESPONSE_STATUS_SUCCESSFUL);
	sk_X509_push(trusted, ca->cert);
	assert_int_equal(OCSP_basic_verify(basic, trusted, none, OCSP_TRUSTOTHER), 1);
	assert_int_equal(OCSP_resp_find_status(basic, id, &status, &reason, NULL, &from, &until), 1);
	assert_int_equal(status, V_OCSP_CERTSTATUS_GOOD);
	assert_int_equal(ASN1_TIME_diff(&days, &seconds, from, until), 1);
	assert_int_equal(days * 86400L + seconds, valid_s);
	sk_X509_free(trusted);
	X509_STORE_free(none);
	OCSP_CERTID_free(id);
	OCSP_BASICRESP_free(basic);
	OCSP_RESPONSE_free(r);
}

static void ocsp(void **state)
{
	static const struct {
		const char *cert, *ca, *key, *out;
		unsigned days, minutes;
		const char *error; /* %s-free end of the sentence */
	} cases[] = {
		{"none.pem", "ca.pem", "ca.key", "staple", 1, 0, "none.pem: No such file or directory"},
		{"leaf.pem", "ca.pem", "leaf.key", "staple", 1, 0, "leaf.key"},
		{"other.pem", "ca.pem", "ca.key", "staple", 1, 0, "ca.pem"},
		{"leaf.pem", "ca.pem", "ca.pem", "staple", 1, 0, ""},
		{"ca.key", "ca.pem", "ca.key", "staple", 1, 0, ""},
		{"leaf.pem", "ca.pem", "ca.key", "no/folder", 1, 0, "no/folder: No such file or directory"},
		{"leaf.pem", "ca.pem", "ca.key", "staple", 0, 0, "between one minute and 36500 days"},
		{"leaf.pem", "ca.pem", "ca.key", "staple", 36501, 0, "between one minute and 36500 days"},
	};
	struct made ca, leaf, other;
	const char *error = "";

	(void)state;
	tls_test_now_s = MADE_NOW_S;
	made_new(&ca, &(struct made_spec){.cn = "authority", .authority = true});
	made_new(&leaf, &(struct made_spec){.cn = "leaf", .issuer = &ca});
	made_new(&other, &(struct made_spec){.cn = "other"});
	made_write("ca.pem", "w", ca.cert, NULL);
	made_write("ca.key", "w", NULL, ca.key);
	made_write("leaf.pem", "w", leaf.cert, NULL);
	made_write("leaf.key", "w", NULL, leaf.key);
	made_write("other.pem", "w", other.cert, NULL);
	for (size_t i = 0; i < LEN(cases); i++) {
		assert_int_equal(tls_ocsp_make(made_path(cases[i].cert), made_path(cases[i].ca),
			made_path(cases[i].key), made_path(cases[i].out), cases[i].days, cases[i].minutes, &error), -EINVAL);
		assert_non_null(strstr(error, cases[i].error));
		assert_int_equal(access(made_path("staple"), F_OK), -1);
	}
	for (unsigned i = 0; i < 2; i++) { /* the second time over the first */
		assert_int_equal(tls_ocsp_make(made_path("leaf.pem"), made_path("ca.pem"), made_path("ca.key"),
			made_path("staple"), 2 * i, 5, &error), 0);
		tls_test_now_s = 0; /* made in the future: verification does not look at the dates */
		check_response(&ca, &leaf, 2L * i * 86400 + 300);
		tls_test_now_s = MADE_NOW_S;
	}
	made_free(&ca);
	made_free(&leaf);
	made_free(&other);
	tls_test_now_s = 0;
}

static void ocsp_of_a_key_that_hashes_itself(void **state)
{
	struct made ca = {.key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), .cert = X509_new()}, leaf;
	const char *error = "";

	(void)state;
	assert_non_null(ca.key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(ca.cert), "CN", MBSTRING_ASC, (const unsigned char *)"ed", -1,
		-1, 0);
	X509_set_issuer_name(ca.cert, X509_get_subject_name(ca.cert));
	X509_set_version(ca.cert, X509_VERSION_3);
	X509_gmtime_adj(X509_getm_notBefore(ca.cert), -60);
	X509_gmtime_adj(X509_getm_notAfter(ca.cert), 86400);
	X509_set_pubkey(ca.cert, ca.key);
	made_extension(ca.cert, NULL, NID_basic_constraints, "critical,CA:TRUE");
	assert_true(X509_sign(ca.cert, ca.key, NULL) > 0);
	leaf.cert = X509_dup(ca.cert);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(leaf.cert), "O", MBSTRING_ASC, (const unsigned char *)"x", -1,
		-1, 0);
	assert_true(X509_sign(leaf.cert, ca.key, NULL) > 0);
	made_write("ed.pem", "w", ca.cert, NULL);
	made_write("ed.key", "w", NULL, ca.key);
	made_write("edleaf.pem", "w", leaf.cert, NULL);
	assert_int_equal(tls_ocsp_make(made_path("edleaf.pem"), made_path("ed.pem"), made_path("ed.key"),
		made_path("staple"), 1, 0, &error), 0);
	check_response(&ca, &leaf, 86400);
	X509_free(leaf.cert);
	made_free(&ca);
}

static void providers(void **state)
{
	const char *error = "";

	(void)state;
	assert_int_equal(tls_load_provider("default", &error), 0);
	assert_int_equal(tls_load_provider("no-such-provider", &error), -EINVAL);
	assert_string_equal(error, "OpenSSL's provider no-such-provider cannot be loaded: is its module installed?");
	assert_int_equal(tls_load_engine("pkcs11", "ALL", &error), -EINVAL);
	assert_string_equal(error, "pkcs11: engines are not supported, use loadTLSProvider()");
}

int test_self_signed_with_tls(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_and_addresses),
		cmocka_unit_test(dates),
		cmocka_unit_test(wrong_names),
		cmocka_unit_test(ocsp),
		cmocka_unit_test(ocsp_of_a_key_that_hashes_itself),
		cmocka_unit_test(providers),
	};
	return cmocka_run_group_tests(tests, made_set_up, made_tear_down);
}
