/* fuzz_edns.c: finds, walks, adds, changes and removes OPT and options in arbitrary messages. */
#include "dns.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ROOM = 64 };

static uint8_t *copy_of(const uint8_t *data, size_t size, size_t room)
{
	uint8_t *msg = malloc(size + room + 1);

	if (msg == NULL)
		abort();
	memcpy(msg, data, size);
	return msg;
}

/* options counts the options and those of |code|; -1 when the bytes are malformed. */
static int options(const uint8_t *msg, size_t len, unsigned code, int *all_r)
{
	size_t pos = 0, at, n;
	unsigned found;
	struct edns e;
	int count = 0;

	*all_r = 0;
	must(edns_find(&e, msg, len) == 0);
	while (edns_next(&e, msg, &pos, &found, &at, &n)) {
		must(at >= e.opts_at && at + n <= e.opts_at + e.opts_len);
		count += found == code;
		++*all_r;
	}
	return pos == e.opts_len ? count : -1;
}

static void untouched(const uint8_t *msg, size_t len, const uint8_t *data, size_t size)
{
	must(len == size && memcmp(msg, data, size) == 0);
}

static void set_option(const uint8_t *data, size_t size, unsigned code, bool replace)
{
	uint8_t *msg = copy_of(data, size, ROOM);
	size_t len = size, at, n;
	int all, before = options(data, size, code, &all), now;
	int rc = edns_set_option(msg, &len, size + ROOM, 1232, code, "12345678", 8, replace);
	struct edns e;

	if (rc != 0) {
		untouched(msg, len, data, size);
	} else {
		must(before >= 0 && len <= size + ROOM && msg_end(msg, len) == (ssize_t)len);
		must(options(msg, len, code, &now) == (replace ? 1 : before + 1));
		must(now == all + 1 - (replace ? before : 0));
		must(edns_find(&e, msg, len) == 0 && e.present);
		must(edns_option(&e, msg, code, &at, &n));
		if (replace)
			must(n == 8 && memcmp(msg + at, "12345678", 8) == 0);
	}
	free(msg);
}

static void remove_option(const uint8_t *data, size_t size, unsigned code)
{
	uint8_t *msg = copy_of(data, size, 0);
	size_t len = size;
	int all, now, before = options(data, size, code, &all);
	int rc = edns_remove_option(msg, &len, code);

	if (rc != 0 || before == 0) {
		untouched(msg, len, data, size);
	} else {
		must(len < size && msg_end(msg, len) == (ssize_t)len);
		must(options(msg, len, code, &now) == 0 && now == all - before);
	}
	free(msg);
}

static void add_and_remove(const uint8_t *data, size_t size, bool present)
{
	uint8_t *msg = copy_of(data, size, ROOM);
	size_t len = size;
	struct edns e;
	int rc;

	if (!present) {
		rc = edns_add(msg, &len, size + ROOM, 1232, EDNS_DO, 1);
		must(rc == 0 || rc == -ENOBUFS);
		if (rc == 0)
			must(edns_find(&e, msg, len) == 0 && e.present && e.payload == 1232 &&
				e.flags == EDNS_DO);
	}
	rc = edns_remove(msg, &len);
	if (rc == 0) {
		must(edns_find(&e, msg, len) == 0 && !e.present);
		must(len <= size && msg_end(msg, len) >= 0);
	} else {
		must(present);
		untouched(msg, len, data, size);
	}
	free(msg);
}

static void subnet(const uint8_t *data, size_t size)
{
	struct netmask source, again;
	uint8_t out[ECS_MAX];
	unsigned scope;
	size_t len;

	if (ecs_parse(data, size, &source, &scope) != 0 || source.net.family == 0)
		return;
	len = ecs_build(out, &source.net, source.bits);
	must(len == size && ecs_parse(out, len, &again, &scope) == 0);
	must(again.bits == source.bits && memcmp(again.net.ip, source.net.ip, 16) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const unsigned codes[] = {EDNS_ECS, EDNS_COOKIE, EDNS_PADDING, EDNS_EDE};
	size_t pos = 0, at, len;
	unsigned code;
	struct edns e;

	subnet(data, size);
	if (size > DNS_MAX)
		return 0;
	if (edns_find(&e, data, size) != 0) {
		must(!e.present);
		return 0;
	}
	must(!e.present ||
		(e.at >= DNS_HEADER && e.at + e.len <= size && e.len == 11 + e.opts_len));
	for (size_t i = 0; i < LEN(codes); i++) {
		set_option(data, size, codes[i], true);
		set_option(data, size, codes[i], false);
		remove_option(data, size, codes[i]);
	}
	add_and_remove(data, size, e.present);
	while (edns_next(&e, data, &pos, &code, &at, &len)) {
		if (code == EDNS_ECS)
			subnet(data + at, len);
	}
	return 0;
}
