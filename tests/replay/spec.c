/* spec.c: what a statement says of a message: one row per word, and the lines of records. */
#include "replay.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

bool spec_hex(const char *s, uint8_t *out, size_t cap, size_t *len_r)
{
	size_t n = 0;

	if (strcmp(s, "-") == 0)
		s = "";
	for (; s[0] && s[1]; s += 2) {
		char two[3] = {s[0], s[1], 0}, *end;

		if (n == cap)
			return false;
		out[n++] = (uint8_t)strtoul(two, &end, 16);
		if (*end)
			return false;
	}
	*len_r = n;
	return !*s;
}

bool spec_type(const char *word, unsigned *type_r)
{
	int type = qtype_from_text(word);

	*type_r = (unsigned)type;
	return type >= 0;
}

static bool number(const char *s, int *out_r)
{
	uint64_t v;

	if (text_u64(s, &v) < 0 || v > 65535)
		return false;
	*out_r = (int)v;
	return true;
}

static bool flag_words(const char *s, int *flags_r)
{
	static const struct {
		const char *word;
		int bit;
	} rows[] = {{"qr", DNS_QR}, {"aa", DNS_AA}, {"tc", DNS_TC}, {"rd", DNS_RD}, {"ra", DNS_RA}, {"z", DNS_Z},
		{"ad", DNS_AD}, {"cd", DNS_CD}, {"none", 0}};

	*flags_r = 0;
	while (*s) {
		size_t n = strcspn(s, ","), i;

		for (i = 0; i < LEN(rows) && (strlen(rows[i].word) != n || memcmp(rows[i].word, s, n) != 0);)
			i++;
		if (i == LEN(rows))
			return false;
		*flags_r |= rows[i].bit;
		s += n + (s[n] == ',');
	}
	return true;
}

/* ---- one function per word: |v| are the words after it ---- */
static bool add_option(struct spec *s, unsigned code, const void *data, size_t len, bool absent)
{
	struct option *o = &s->option[s->options];

	if (s->options == SPEC_OPTIONS || len > sizeof(o->data))
		return false;
	o->code = (uint16_t)code;
	o->absent = absent;
	o->len = len;
	if (len)
		memcpy(o->data, data, len);
	s->options++;
	return true;
}

static bool say_option(struct spec *s, char **v)
{
	uint8_t data[512];
	size_t len;
	int code;

	return number(v[0], &code) && spec_hex(v[1], data, sizeof(data), &len) &&
	       add_option(s, (unsigned)code, data, len, false);
}

static bool say_nooption(struct spec *s, char **v)
{
	int code;

	return number(v[0], &code) && add_option(s, (unsigned)code, NULL, 0, true);
}

/* RFC 7871 6: family, source prefix, scope prefix, the bytes of the prefix. */
static bool ecs_option(struct spec *s, const char *mask, int scope)
{
	struct netmask m;
	uint8_t data[20] = {0};

	if (netmask_parse(&m, mask) < 0)
		return false;
	addr_mask(&m.net, m.bits);
	data[1] = m.net.family == AF_INET6 ? 2 : 1;
	data[2] = m.bits;
	data[3] = (uint8_t)scope;
	memcpy(data + 4, m.net.ip, (m.bits + 7u) / 8);
	return add_option(s, 8, data, 4 + (m.bits + 7u) / 8, false);
}

static bool say_ecs(struct spec *s, char **v)
{
	return ecs_option(s, v[0], 0);
}

static bool say_scope(struct spec *s, char **v)
{
	int scope;

	if (!s->options || s->option[s->options - 1].code != 8 || !number(v[0], &scope))
		return false;
	s->option[s->options - 1].data[3] = (uint8_t)scope;
	return true;
}

static bool say_noecs(struct spec *s, char **v)
{
	(void)v;
	return add_option(s, 8, NULL, 0, true);
}

static bool say_ede(struct spec *s, char **v)
{
	uint8_t data[512];
	int code;

	if (!number(v[0], &code) || strlen(v[1]) > sizeof(data) - 2)
		return false;
	put16(data, (unsigned)code);
	memcpy(data + 2, v[1], strlen(v[1]));
	return add_option(s, 15, data, 2 + strlen(v[1]), false);
}

static bool say_noede(struct spec *s, char **v)
{
	(void)v;
	return add_option(s, 15, NULL, 0, true);
}

static bool say_question(struct spec *s, char **v)
{
	s->question = true;
	return name_from_text(&s->qname, v[0], strlen(v[0])) == 0 && spec_type(v[1], &s->qtype);
}

static bool say_class(struct spec *s, char **v)
{
	int n;

	if (strcmp(v[0], "CH") == 0)
		s->qclass = CLASS_CHAOS;
	else if (number(v[0], &n))
		s->qclass = (unsigned)n;
	else
		return false;
	return true;
}

static bool bytes(const char *hex, uint8_t **p, size_t *len_r)
{
	free(*p);
	*p = malloc(DNS_MAX);
	if (!*p)
		abort();
	return spec_hex(hex, *p, DNS_MAX, len_r);
}

static bool say_raw(struct spec *s, char **v)
{
	return bytes(v[0], &s->raw, &s->raw_len);
}

static bool say_trailing(struct spec *s, char **v)
{
	return bytes(v[0], &s->trailing, &s->trailing_len);
}

static bool say_header(struct spec *s, char **v)
{
	if (s->headers == SPEC_HEADERS)
		return false;
	s->header[s->headers].name = v[0];
	s->header[s->headers++].value = v[1];
	return true;
}

static bool say_rcode(struct spec *s, char **v)
{
	s->rcode = rcode_from_text(v[0]);
	return s->rcode >= 0;
}

static bool say_flags(struct spec *s, char **v)
{
	return flag_words(v[0], &s->flags);
}

/* Words with a number, a switch or a string go straight into a member. */
static const struct {
	const char *word;
	unsigned args;
	bool (*say)(struct spec *, char **);
	size_t number, flag, string, set; /* 1 + offset; |set| takes |value| */
	int value;
} rows[] = {
#define AT(m) (1 + offsetof(struct spec, m))
	{"option", 2, say_option, 0, 0, 0, 0, 0},
	{"nooption", 1, say_nooption, 0, 0, 0, 0, 0},
	{"ecs", 1, say_ecs, 0, 0, 0, 0, 0},
	{"scope", 1, say_scope, 0, 0, 0, 0, 0},
	{"noecs", 0, say_noecs, 0, 0, 0, 0, 0},
	{"ede", 2, say_ede, 0, 0, 0, 0, 0},
	{"noede", 0, say_noede, 0, 0, 0, 0, 0},
	{"question", 2, say_question, 0, 0, 0, 0, 0},
	{"class", 1, say_class, 0, 0, 0, 0, 0},
	{"raw", 1, say_raw, 0, 0, 0, 0, 0},
	{"trailing", 1, say_trailing, 0, 0, 0, 0, 0},
	{"rcode", 1, say_rcode, 0, 0, 0, 0, 0},
	{"flags", 1, say_flags, 0, 0, 0, 0, 0},
	{"id", 1, NULL, AT(id), 0, 0, 0, 0},
	{"opcode", 1, NULL, AT(opcode), 0, 0, 0, 0},
	{"qdcount", 1, NULL, AT(qdcount), 0, 0, 0, 0},
	{"edns", 1, NULL, AT(edns), 0, 0, 0, 0},
	{"noedns", 0, NULL, 0, 0, 0, AT(edns), 0},
	{"version", 1, NULL, AT(version), 0, 0, 0, 0},
	{"ext", 1, NULL, AT(ext), 0, 0, 0, 0},
	{"do", 0, NULL, 0, 0, 0, AT(edns_do), 1},
	{"nodo", 0, NULL, 0, 0, 0, AT(edns_do), 0},
	{"size", 1, NULL, AT(size), 0, 0, 0, 0},
	{"maxsize", 1, NULL, AT(max_size), 0, 0, 0, 0},
	{"noquestion", 0, NULL, 0, AT(no_question), 0, 0, 0},
	{"unordered", 0, NULL, 0, AT(unordered), 0, 0, 0},
	{"compress", 0, NULL, 0, AT(compress), 0, 0, 0},
	{"to", 1, NULL, 0, 0, AT(to), 0, 0},
	{"as", 1, NULL, 0, 0, AT(as), 0, 0},
	{"from", 1, NULL, 0, 0, AT(from), 0, 0},
	{"local", 1, NULL, 0, 0, AT(local), 0, 0},
	{"proto", 1, NULL, 0, 0, AT(proto), 0, 0},
	{"over", 1, NULL, 0, 0, AT(over), 0, 0},
	{"sni", 1, NULL, 0, 0, AT(sni), 0, 0},
	{"http", 1, NULL, 0, 0, AT(http), 0, 0},
	{"host", 1, NULL, 0, 0, AT(host), 0, 0},
	{"header", 2, say_header, 0, 0, 0, 0, 0},
	{"status", 1, NULL, AT(status), 0, 0, 0, 0},
	{"body", 1, NULL, 0, 0, AT(body), 0, 0},
	{"ctype", 1, NULL, 0, 0, AT(ctype), 0, 0},
#undef AT
};

/* ---- records: section owner ttl type rdata… ---- */
static bool put_name(struct record *r, const char *text)
{
	struct name n;

	if (name_from_text(&n, text, strlen(text)) < 0 || r->len + n.len > SPEC_RDATA)
		return false;
	memcpy(r->rdata + r->len, n.wire, n.len);
	r->len += n.len;
	return true;
}

static bool put_number(struct record *r, const char *text, size_t size)
{
	uint64_t v;

	if (text_u64(text, &v) < 0)
		return false;
	if (size == 2)
		put16(r->rdata + r->len, (unsigned)v);
	else
		put32(r->rdata + r->len, (uint32_t)v);
	r->len += size;
	return true;
}

/* A string, or *N: N bytes in strings of at most 255. */
static bool put_string(struct record *r, const char *text)
{
	size_t n = text[0] == '*' ? strtoul(text + 1, NULL, 10) : strlen(text);

	do {
		size_t part = n > 255 ? 255 : n;

		if (r->len + 1 + part > SPEC_RDATA)
			return false;
		r->rdata[r->len++] = (uint8_t)part;
		if (text[0] == '*')
			memset(r->rdata + r->len, 'x', part);
		else
			memcpy(r->rdata + r->len, text, part);
		r->len += part;
		n -= part;
	} while (n);
	return true;
}

static bool rdata(struct record *r, char **v, size_t n)
{
	size_t i = 0;

	if (n > 1 && strcmp(v[0], "\\#") == 0)
		return spec_hex(v[1], r->rdata, SPEC_RDATA, &r->len) && n == 2;
	switch (r->type) {
	case QTYPE_A:
		r->len = 4;
		return n == 1 && inet_pton(AF_INET, v[0], r->rdata) == 1;
	case QTYPE_AAAA:
		r->len = 16;
		return n == 1 && inet_pton(AF_INET6, v[0], r->rdata) == 1;
	case QTYPE_CNAME:
	case QTYPE_NS:
	case QTYPE_PTR:
	case QTYPE_DNAME:
		return n == 1 && put_name(r, v[0]);
	case QTYPE_MX:
		return n == 2 && put_number(r, v[0], 2) && put_name(r, v[1]);
	case QTYPE_SOA:
		if (n != 7 || !put_name(r, v[0]) || !put_name(r, v[1]))
			return false;
		for (i = 2; i < n; i++)
			if (!put_number(r, v[i], 4))
				return false;
		return true;
	case QTYPE_TXT:
		for (; i < n; i++)
			if (!put_string(r, v[i]))
				return false;
		return n > 0;
	default:
		return false;
	}
}

static bool record(struct spec *s, enum section section, char **v, size_t n)
{
	struct record *r;
	unsigned type;
	uint64_t ttl = 0;

	if (n < 4 || !spec_type(v[2], &type) || (strcmp(v[1], "*") != 0 && text_u64(v[1], &ttl) < 0))
		return false;
	r = realloc(s->record, (s->records + 1) * sizeof(*r));
	if (!r)
		abort();
	s->record = r;
	r += s->records++;
	*r = (struct record){.section = section, .type = (uint16_t)type, .klass = CLASS_IN, .ttl = (uint32_t)ttl,
		.any_ttl = strcmp(v[1], "*") == 0};
	return name_from_text(&r->owner, v[0], strlen(v[0])) == 0 && rdata(r, v + 3, n - 3);
}

/* word takes the word at |v| and its arguments; how many, 0: cannot. */
static size_t word(struct spec *s, char **v, size_t n)
{
	for (size_t i = 0; i < LEN(rows); i++) {
		char *base = (char *)s - 1;
		bool ok = true;

		if (strcmp(rows[i].word, v[0]) != 0)
			continue;
		if (n < 1u + rows[i].args)
			return 0;
		if (rows[i].say)
			ok = rows[i].say(s, v + 1);
		else if (rows[i].number)
			ok = number(v[1], (int *)(void *)(base + rows[i].number));
		else if (rows[i].flag)
			*(bool *)(base + rows[i].flag) = true;
		else if (rows[i].string)
			*(const char **)(void *)(base + rows[i].string) = v[1];
		else
			*(int *)(void *)(base + rows[i].set) = rows[i].value;
		return ok ? 1u + rows[i].args : 0;
	}
	return 0;
}

static bool all_words(struct spec *s, const struct line *l, size_t first, char error[256])
{
	static const char *const sections[] = {"question:", "answer", "authority", "additional"};
	size_t step;

	for (size_t k = SECTION_ANSWER; first == 0 && k <= SECTION_ADDITIONAL; k++) {
		if (strcmp(l->word[0], sections[k]) == 0) {
			if (record(s, (enum section)k, l->word + 1, l->n - 1))
				return true;
			snprintf(error, 256, "expected: section owner ttl type rdata");
			return false;
		}
	}
	for (size_t i = first; i < l->n; i += step) {
		step = word(s, l->word + i, l->n - i);
		if (step == 0) {
			snprintf(error, 256, "cannot read from \"%s\"", l->word[i]);
			return false;
		}
	}
	return true;
}

bool spec_read(struct spec *s, const struct statement *st, size_t first, char error[256])
{
	*s = (struct spec){.id = -1, .flags = -1, .rcode = -1, .opcode = -1, .qdcount = -1, .edns = -1, .version = -1,
		.edns_do = -1, .ext = -1, .size = -1, .max_size = -1, .status = -1};
	if (!all_words(s, &st->head, first, error))
		return false;
	for (size_t i = 0; i < st->nmore; i++)
		if (!all_words(s, &st->more[i], 0, error))
			return false;
	return true;
}

void spec_free(struct spec *s)
{
	free(s->record);
	free(s->raw);
	free(s->trailing);
}
