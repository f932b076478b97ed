/* rrtext.c: names of types, rcodes and opcodes, from the rows in tbl/. */
#include "dns.h"
#include <stdio.h>
#include <strings.h>

struct mnemonic {
	const char *word;
	uint16_t num;
};

static const struct mnemonic qtypes[] = {
#define QTYPE(id, num) {#id, num},
#include "tbl/qtype.def"
#undef QTYPE
};

static const struct mnemonic rcodes[] = {
#define RCODE(id, num, text) {#id, num},
#include "tbl/rcode.def"
#undef RCODE
};

static const struct mnemonic rcode_texts[] = {
#define RCODE(id, num, text) {text, num},
#include "tbl/rcode.def"
#undef RCODE
};

enum { RCODE_MAX = 4095 }; /* 12 bits, RFC 6891 6.1.3 */

static const char *word_of(const struct mnemonic *m, size_t n, unsigned num)
{
	for (size_t i = 0; i < n; i++) {
		if (m[i].num == num)
			return m[i].word;
	}
	return NULL;
}

static int number_of(const struct mnemonic *m, size_t n, const char *word)
{
	for (size_t i = 0; i < n; i++) {
		if (strcasecmp(m[i].word, word) == 0)
			return m[i].num;
	}
	return -EINVAL;
}

/* decimal reads digits and nothing else, up to |max|. */
static int decimal(const char *text, int max)
{
	int v = 0;

	if (*text == '\0')
		return -EINVAL;
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9')
			return -EINVAL;
		v = v * 10 + (*text - '0');
		if (v > max)
			return -EINVAL;
	}
	return v;
}

const char *qtype_text(unsigned type, char buf[16])
{
	const char *word = word_of(qtypes, LEN(qtypes), type);

	if (word != NULL)
		return word;
	snprintf(buf, 16, "TYPE%u", type & UINT16_MAX);
	return buf;
}

int qtype_from_text(const char *text)
{
	int num = number_of(qtypes, LEN(qtypes), text);

	if (num >= 0)
		return num;
	return decimal(strncasecmp(text, "TYPE", 4) == 0 ? text + 4 : text, UINT16_MAX);
}

const char *rcode_text(unsigned rcode, char buf[16])
{
	const char *text = word_of(rcode_texts, LEN(rcode_texts), rcode);

	if (text != NULL)
		return text;
	snprintf(buf, 16, "Err#%u", rcode);
	return buf;
}

int rcode_from_text(const char *text)
{
	int num = number_of(rcodes, LEN(rcodes), text);

	return num >= 0 ? num : decimal(text, RCODE_MAX);
}

const char *opcode_text(unsigned opcode)
{
	static const char *const words[] = {"Query", "IQuery", "Status", "3", "Notify", "Update",
		"6", "7", "8", "9", "10", "11", "12", "13", "14", "15"};

	return words[opcode & 15];
}
