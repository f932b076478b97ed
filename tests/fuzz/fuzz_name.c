/* fuzz_name.c: names out of arbitrary messages, wire bytes and text, and what must hold between
 * the forms. */
#include "dns.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A name that was accepted keeps its meaning through text and back, in any case. */
static void check_name(const struct name *n)
{
	char text[NAME_TEXT];
	struct name again, lower = *n;
	size_t len = name_to_text(n->wire, true, text);

	must(len == strlen(text) && len < NAME_TEXT);
	must(name_check(n->wire, n->len) == n->len && name_len(n->wire) == n->len);
	must(name_labels(n->wire) == n->labels && n->labels <= NAME_LABELS);
	must(name_from_text(&again, text, len) == 0);
	must(again.len == n->len && again.labels == n->labels);
	must(memcmp(again.wire, n->wire, n->len) == 0);
	name_lower(lower.wire, lower.len);
	must(name_same(lower.wire, n->wire) && name_compare(lower.wire, n->wire) == 0);
	must(name_under(n->wire, (const uint8_t *)""));
	for (unsigned at = 0; n->wire[at] != 0; at += n->wire[at] + 1U)
		must(name_under(lower.wire, n->wire + at));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct name a, b;
	bool have = false;

	for (size_t at = 0; at < size && at < 2048; at++) {
		ssize_t end = name_from_msg(&a, data, size, at), skip = name_skip(data, size, at);

		if (end < 0)
			continue;
		must(end == skip && (size_t)end <= size && (size_t)end > at);
		check_name(&a);
		if (have) {
			int d = name_compare(a.wire, b.wire);

			must((d == 0) == name_same(a.wire, b.wire));
			must((d < 0) == (name_compare(b.wire, a.wire) > 0));
		}
		b = a;
		have = true;
	}
	if (size > 0 && name_check(data, size) > 0) {
		a.len = (uint8_t)name_len(data);
		a.labels = (uint8_t)name_labels(data);
		memcpy(a.wire, data, a.len);
		check_name(&a);
	}
	if (size > 0 && name_from_text(&a, (const char *)data, size) == 0)
		check_name(&a);
	return 0;
}
