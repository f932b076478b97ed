/* test_http_with_doh.c: HTTPPathRule, HTTPPathRegexRule, HTTPHeaderRule, HTTPStatusAction. */
#include "fixture.h"

int test_http_with_doh(void);

static const struct http_field fields[] = {{"user-agent", "curl/8.1"}, {"x-team", "red"}, {"x-team", "blue"}};
static const struct envelope request = {.sni = "", .path = "/dns-query", .query = "dns=AAAA", .host = "dns.example",
	.scheme = "https", .fields = fields, .nfields = 3};
static const struct envelope bare = {.sni = "dns.example"}; /* DNS over TLS */

static void selectors(void **state)
{
	static const struct {
		const char *word;
		struct arg argv[2];
		bool match;
	} cases[] = {
		{"HTTPPathRule", {STR("/dns-query")}, true},
		{"HTTPPathRule", {STR("/dns-query?dns=AAAA")}, false},
		{"HTTPPathRule", {STR("/DNS-QUERY")}, false},
		{"HTTPPathRule", {STR("/dns")}, false},
		{"HTTPPathRegexRule", {STR("^/dns-")}, true},
		{"HTTPPathRegexRule", {STR("QUERY$")}, true},
		{"HTTPPathRegexRule", {STR("^/dns$")}, false},
		{"HTTPPathRegexRule", {STR("dns=")}, false},
		{"HTTPHeaderRule", {STR("user-agent"), STR("^curl/")}, true},
		{"HTTPHeaderRule", {STR("User-Agent"), STR("^CURL/[0-9.]+$")}, true},
		{"HTTPHeaderRule", {STR("user-agent"), STR("wget")}, false},
		{"HTTPHeaderRule", {STR("x-team"), STR("^blue$")}, true}, /* any of several */
		{"HTTPHeaderRule", {STR("x-none"), STR("")}, false},
	};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		struct arg argv[ARGS] = {cases[i].argv[0], cases[i].argv[1]};
		struct fix f;

		fix_query(&f, "www.example.org", QTYPE_A, DNS_RD);
		f.dq.envelope = &request;
		if (match_once(&f, cases[i].word, argv) != cases[i].match)
			fail_msg("%s: case %zu", cases[i].word, i);
		f.dq.envelope = &bare;
		assert_false(match_once(&f, cases[i].word, argv));
		f.dq.envelope = NULL;
		assert_false(match_once(&f, cases[i].word, argv));
	}
}

static void selectors_are_made(void **state)
{
	const struct arg path[ARGS] = {STR("/dns")}, header[ARGS] = {STR("x-team"), STR("blue")};
	const struct arg bad[ARGS] = {STR("(["), STR("([")}, wrong[ARGS] = {NIL};
	const char *error = "";

	(void)state;
	assert_selector_text("HTTPPathRule", path, "HTTP path == /dns");
	assert_selector_text("HTTPPathRegexRule", path, "HTTP path =~ /dns");
	assert_selector_text("HTTPHeaderRule", header, "HTTP header x-team =~ blue");
	assert_selector_bears_no_memory("HTTPPathRule", path);
	assert_selector_bears_no_memory("HTTPPathRegexRule", path);
	assert_selector_bears_no_memory("HTTPHeaderRule", header);
	assert_null(try_selector("HTTPPathRegexRule", bad, &error));
	assert_int_equal(strncmp(error, "'([': ", 6), 0);
	error = "";
	assert_null(try_selector("HTTPHeaderRule", bad, &error));
	assert_int_equal(strncmp(error, "'([': ", 6), 0);
	assert_null(try_selector("HTTPPathRule", wrong, &error));
	assert_string_equal(error, "path: expected a string, got nil");
}

static void status(void **state)
{
	const struct arg argv[ARGS] = {NUM(403), STR("go \0away"), STR("text/plain"), NAMED({"ra", BOOL(true)})};
	struct fix f;

	(void)state;
	fix_query(&f, "www.example.org", QTYPE_A, DNS_RD);
	f.dq.envelope = &request;
	assert_int_equal(run_once(&f, "HTTPStatusAction", argv), ACT_ANSWER);
	assert_int_equal(f.dq.http->status, 403);
	assert_int_equal(f.dq.http->len, 8);
	assert_memory_equal(f.dq.http->body, "go \0away", 8);
	assert_string_equal(f.dq.http->type, "text/plain");
	assert_true(dns_flags(f.msg) & DNS_QR);
	assert_true(dns_flags(f.msg) & DNS_RA);
	assert_int_equal(dns_rcode(f.msg), RCODE_REFUSED);
	dq_free_marks(&f.dq);
	assert_null(f.dq.http);
}

/* Those that did not come over HTTP are not answered. */
static void others_go_on(void **state)
{
	const struct arg argv[ARGS] = {NUM(307), STR("https://example.org/")};
	const struct envelope *const none[] = {NULL, &bare};
	struct fix f;

	(void)state;
	for (size_t i = 0; i < LEN(none); i++) {
		fix_query(&f, "www.example.org", QTYPE_A, DNS_RD);
		f.dq.envelope = none[i];
		assert_int_equal(run_once(&f, "HTTPStatusAction", argv), ACT_NEXT);
		assert_null(f.dq.http);
		assert_false(dns_flags(f.msg) & DNS_QR);
	}
}

static void actions_are_made(void **state)
{
	static const struct {
		struct arg argv[ARGS];
		const char *error;
	} cases[] = {
		{{NUM(199), STR("")}, "status: expected a whole number from 200 to 599, got 199"},
		{{NUM(600), STR("")}, "status: expected a whole number from 0 to 599, got 600"},
		{{NUM(200), NIL}, "body: expected a string, got nil"},
		{{NUM(200), STR(""), STR("a\r\nb")}, "contentType: expected one line"},
		{{NUM(200), STR(""), STR(""), NUM(1)}, "options: expected a table, got a number"},
	};
	const struct arg good[ARGS] = {NUM(200), STR("ok")};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		const char *error = "";

		assert_null(try_action("HTTPStatusAction", cases[i].argv, &error));
		assert_string_equal(error, cases[i].error);
	}
	assert_action_text("HTTPStatusAction", good, "return HTTP status of 200");
	assert_action_bears_no_memory("HTTPStatusAction", good);
}

/* When the page cannot be kept the query fails; it is not forwarded. */
static void page_without_memory(void **state)
{
	const struct arg argv[ARGS] = {NUM(200), STR("ok")};
	struct action *a = make_action("HTTPStatusAction", argv);
	struct fix f;

	(void)state;
	fix_query(&f, "www.example.org", QTYPE_A, DNS_RD);
	f.dq.envelope = &request;
	mem_fail_at(1);
	assert_int_equal(a->run(a, &f.dq), ACT_ERROR);
	mem_fail_at(0);
	assert_null(f.dq.http);
	action_free(&a);
}

int test_http_with_doh(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(selectors), cmocka_unit_test(selectors_are_made),
		cmocka_unit_test(status), cmocka_unit_test(others_go_on), cmocka_unit_test(actions_are_made),
		cmocka_unit_test(page_without_memory)};

	return cmocka_run_group_tests_name("rule/http", tests, NULL, NULL);
}
