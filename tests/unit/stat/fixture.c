/* fixture.c: see fixture.h. */
#include "fixture.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

void say(struct ring *ring, const struct said *s)
{
	struct addr client, backend;
	struct name name;

	assert_int_equal(name_from_text(&name, s->name, strlen(s->name)), 0);
	assert_int_equal(
		addr_parse(&client, s->client == NULL ? "192.0.2.1:4242" : s->client, 0), 0);
	if (s->backend != NULL)
		assert_int_equal(addr_parse(&backend, s->backend, 53), 0);
	ring_put(ring, s->when_ms, &client, s->backend == NULL ? NULL : &backend, s->usec,
		name.wire, name.len, s->qtype == 0 ? QTYPE_A : s->qtype, s->size, s->flags,
		s->ancount, s->proto);
}
