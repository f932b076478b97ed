/* name.c: domain names in wire form and as text (RFC 1035 3.1, 4.1.4, 5.1; RFC 4343). */
#include "dns_priv.h"

HOT_KEPT(lower_byte);
HOT_KEPT(lower_word);
HOT_KEPT(load_word);
HOT_KEPT(lower_copy);
HOT_KEPT(bytes_same);

ssize_t name_skip(const uint8_t *msg, size_t len, size_t at)
{
	size_t i = at;
	unsigned c;

	while (i < len) {
		c = msg[i];
		if (is_pointer((uint8_t)c)) {
			if (i + 2 > len || pointer_target(msg + i) >= at ||
				pointer_target(msg + i) < DNS_HEADER)
				return -EBADMSG;
			return (ssize_t)(i + 2);
		}
		if (c > LABEL_MAX)
			return -EBADMSG;
		i += c + 1;
		if (i - at > NAME_WIRE)
			return -EBADMSG;
		if (c == 0)
			return (ssize_t)i;
	}
	return -EBADMSG;
}

/* Each pointer must lead before the place where the labels read last began, so the walk ends;
 * the number of pointers is bounded too, for a chain of bare pointers costs time without adding
 * length. */
ssize_t name_from_msg(struct name *n, const uint8_t *msg, size_t len, size_t at)
{
	size_t i = at, low = at, after = 0, out = 0;
	unsigned c, hops = 0, labels = 0;

	while (i < len) {
		c = msg[i];
		if (is_pointer((uint8_t)c)) {
			if (i + 2 > len || ++hops > NAME_LABELS)
				return -EBADMSG;
			if (after == 0)
				after = i + 2;
			i = pointer_target(msg + i);
			if (i >= low || i < DNS_HEADER)
				return -EBADMSG;
			low = i;
			continue;
		}
		if (c > LABEL_MAX || i + 1 + c > len || out + 1 + c > NAME_WIRE)
			return -EBADMSG;
		memcpy(n->wire + out, msg + i, c + 1);
		out += c + 1;
		i += c + 1;
		if (c == 0) {
			n->len = (uint8_t)out;
			n->labels = (uint8_t)labels;
			return (ssize_t)(after ? after : i);
		}
		labels++;
	}
	return -EBADMSG;
}

ssize_t name_check(const uint8_t *wire, size_t len)
{
	size_t i = 0;
	unsigned c;

	if (len > NAME_WIRE)
		len = NAME_WIRE;
	while (i < len) {
		c = wire[i];
		if (c > LABEL_MAX)
			return -EBADMSG;
		i += c + 1;
		if (c == 0)
			return (ssize_t)i;
	}
	return -EBADMSG;
}

/* text_byte reads one byte of a label, escaped or not; returns how many characters it took, 0 on
 * error. */
static size_t text_byte(const char *text, size_t len, uint8_t *byte_r)
{
	unsigned v = 0;

	*byte_r = (uint8_t)text[0];
	if (text[0] != '\\')
		return 1;
	if (len < 2)
		return 0;
	*byte_r = (uint8_t)text[1];
	if (text[1] < '0' || text[1] > '9')
		return 2;
	if (len < 4)
		return 0;
	for (size_t i = 1; i < 4; i++) {
		if (text[i] < '0' || text[i] > '9')
			return 0;
		v = v * 10 + (unsigned)(text[i] - '0');
	}
	*byte_r = (uint8_t)v;
	return v > 255 ? 0 : 4;
}

int name_from_text(struct name *n, const char *text, size_t len)
{
	size_t i = 0, took, head = 0, out = 1;
	unsigned labels = 0;
	uint8_t byte;

	if (len == 1 && text[0] == '.')
		i = len;
	else if (len == 0)
		return -EINVAL;
	while (i < len) {
		if (text[i] == '.') {
			if (out == head + 1)
				return -EINVAL;
			n->wire[head] = (uint8_t)(out - head - 1);
			labels++;
			head = out++;
			i++;
			continue;
		}
		took = text_byte(text + i, len - i, &byte);
		/* two bytes must stay free: this one and the root */
		if (took == 0 || out - head > LABEL_MAX || out + 2 > NAME_WIRE)
			return -EINVAL;
		n->wire[out++] = byte;
		i += took;
	}
	if (out > head + 1) { /* no final dot */
		n->wire[head] = (uint8_t)(out - head - 1);
		labels++;
		head = out++;
	}
	n->wire[head] = 0;
	n->len = (uint8_t)(head + 1);
	n->labels = (uint8_t)labels;
	return 0;
}

static size_t text_put(char *out, uint8_t c)
{
	if (c == '.' || c == '\\') {
		out[0] = '\\';
		out[1] = (char)c;
		return 2;
	}
	if (c > ' ' && c < 0x7f) {
		out[0] = (char)c;
		return 1;
	}
	out[0] = '\\';
	out[1] = (char)('0' + c / 100);
	out[2] = (char)('0' + c / 10 % 10);
	out[3] = (char)('0' + c % 10);
	return 4;
}

size_t name_to_text(const uint8_t *wire, bool final_dot, char out[NAME_TEXT])
{
	size_t n = 0;

	if (wire[0] == 0)
		out[n++] = '.';
	while (wire[0] != 0) {
		for (unsigned i = 1; i <= wire[0]; i++)
			n += text_put(out + n, wire[i]);
		wire += wire[0] + 1;
		if (wire[0] != 0 || final_dot)
			out[n++] = '.';
	}
	out[n] = '\0';
	return n;
}

void name_lower(uint8_t *wire, size_t len)
{
	lower_copy(wire, wire, len);
}

unsigned name_len(const uint8_t *wire)
{
	unsigned i = 0;

	while (wire[i] != 0)
		i += wire[i] + 1U;
	return i + 1;
}

unsigned name_labels(const uint8_t *wire)
{
	unsigned n = 0;

	for (; wire[0] != 0; wire += wire[0] + 1)
		n++;
	return n;
}

bool name_same(const uint8_t *a, const uint8_t *b)
{
	unsigned len = name_len(a);

	return len == name_len(b) && bytes_same(a, b, len);
}

static unsigned label_offsets(const uint8_t *wire, uint8_t at[NAME_LABELS])
{
	unsigned n = 0, i = 0;

	while (wire[i] != 0) {
		at[n++] = (uint8_t)i;
		i += wire[i] + 1U;
	}
	return n;
}

static int label_compare(const uint8_t *a, const uint8_t *b)
{
	unsigned len = a[0] < b[0] ? a[0] : b[0];
	int d;

	for (unsigned i = 1; i <= len; i++) {
		d = lower_byte(a[i]) - lower_byte(b[i]);
		if (d != 0)
			return d;
	}
	return a[0] - b[0];
}

int name_compare(const uint8_t *a, const uint8_t *b)
{
	uint8_t at_a[NAME_LABELS], at_b[NAME_LABELS];
	unsigned na = label_offsets(a, at_a), nb = label_offsets(b, at_b);
	int d;

	while (na > 0 && nb > 0) {
		d = label_compare(a + at_a[--na], b + at_b[--nb]);
		if (d != 0)
			return d;
	}
	return (int)na - (int)nb;
}

bool name_under(const uint8_t *wire, const uint8_t *suffix)
{
	unsigned left = name_len(wire), want = name_len(suffix);

	while (left > want) {
		left -= wire[0] + 1U;
		wire += wire[0] + 1;
	}
	return left == want && bytes_same(wire, suffix, want);
}
