/* test_h2_request_with_doh.c: what a request refuses while it is put together, whatever the codecs before it let through. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "h2/h2_priv.h"

int test_h2_request_with_doh(void);

static unsigned requests;

static void on_request(void *ctx, struct http_request *r)
{
	requests++;
	(void)ctx;
	assert_int_equal(r->envelope.nfields, 2);
	assert_string_equal(r->envelope.fields[0].name, "x-a");
	assert_string_equal(r->envelope.fields[0].value, "1");
	assert_string_equal(r->envelope.fields[1].name, "x-b");
	assert_string_equal(r->envelope.fields[1].value, "");
}

static const struct http_server_ops ops = {.request = on_request};

static int field(struct http_server *s, struct asked **a, const char *name, const char *value, size_t len)
{
	return asked_field(s, a, (const uint8_t *)name, strlen(name), (const uint8_t *)value, len);
}

static struct asked *begin(struct http_server *s)
{
	struct asked *a;

	*s = (struct http_server){.ops = &ops, .keep_fields = true};
	a = asked_new(s, 0, 1);
	assert_non_null(a);
	assert_int_equal(asked_target(s, &a, (const uint8_t *)"/x", 2), 0);
	assert_int_equal(field(s, &a, "x-a", "1", 1), 0);
	return a;
}

static void end(struct http_server *s, struct asked *a)
{
	assert_int_equal(field(s, &a, "x-b", "", 0), 0);
	assert_int_equal(asked_head_done(s, &a), 0);
	requests = 0;
	asked_whole(s, a);
	assert_int_equal(requests, 1);
	asked_free(s, a);
	assert_null(s->asks);
}

/* A NUL would end a text early, and what follows it would pass for another. */
static void zeros(void **state)
{
	struct http_server s;
	struct asked *a = begin(&s);

	(void)state;
	assert_int_equal(field(&s, &a, "x-evil", "a\0b", 3), -EINVAL);
	assert_int_equal(asked_field(&s, &a, (const uint8_t *)"x\0y", 3, (const uint8_t *)"1", 1), -EINVAL);
	assert_int_equal(asked_host(&s, &a, (const uint8_t *)"\0", 1), -EINVAL);
	assert_int_equal(asked_target(&s, &a, (const uint8_t *)"/\0", 2), -EINVAL);
	asked_free(&s, a);
	end(&s, begin(&s));
}

/* What stands between two fields would pass for one. */
static void between(void **state)
{
	struct http_server s;
	struct asked *a = begin(&s);

	(void)state;
	assert_int_equal(asked_host(&s, &a, (const uint8_t *)"host", 4), 0);
	assert_int_equal(field(&s, &a, "x-b", "2", 1), -EINVAL);
	asked_free(&s, a);
	a = begin(&s); /* behind them nothing is wrong with it */
	assert_int_equal(field(&s, &a, "x-b", "", 0), 0);
	assert_int_equal(asked_host(&s, &a, (const uint8_t *)"host", 4), 0);
	assert_int_equal(asked_head_done(&s, &a), 0);
	requests = 0;
	asked_whole(&s, a);
	assert_int_equal(requests, 1);
	asked_free(&s, a);
}

int test_h2_request_with_doh(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(zeros), cmocka_unit_test(between)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
