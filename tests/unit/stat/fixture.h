/* fixture.h: rings with a few entries for the tests of statistics. */
#ifndef STAT_FIXTURE_H
#define STAT_FIXTURE_H

#include "stat.h"

struct said { /* one entry; zero is a plain query for A from 192.0.2.1 */
	const char *name, *client, *backend;
	uint64_t when_ms;
	uint32_t usec;
	uint16_t qtype, size, flags, ancount;
	uint8_t proto;
};
void say(struct ring *, const struct said *);

#endif
