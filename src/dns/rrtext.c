/* rrtext.c: names of types, rcodes and opcodes, from the rows in tbl/. */
#include "dns.h"
#include "text.h"
#include <stdio.h>
#include <strings.h>

static const char qtype_words[] =
#define QTYPE(id, num) #id "\0"
#include "tbl/qtype.def"
#undef QTYPE
	;
static const uint16_t qtype_nums[] = {
#define QTYPE(id, num) num,
#include "tbl/qtype.def"
#undef QTYPE
};

static const char rcode_words[] =
#define RCODE(id, num, text) #id "\0"
#include "tbl/rcode.def"
#undef RCODE
	;
static const char rcode_texts[] =
#define RCODE(id, num, text) text "\0"
#include "tbl/rcode.def"
#undef RCODE
	;
static const uint16_t rcode_nums[] = {
#define RCODE(id, num, text) num,
#include "tbl/rcode.def"
#undef RCODE
};

enum { RCODE_MAX = 4095 }; /* 12 bits, RFC 6891 6.1.3 */

/* The word of the row with this number; NULL when there is none. */
static const char *word_of(const char *words, const uint16_t *nums, size_t n, unsigned num)
{
	for (size_t i = 0; i < n; i++) {
		if (nums[i] == num)
			return text_nth(words, i);
	}
	return NULL;
}

static int number_of(const char *words, const uint16_t *nums, size_t n, const char *word)
{
	for (size_t i = 0; i < n; i++, words += strlen(words) + 1) {
		if (strcasecmp(words, word) == 0)
			return nums[i];
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
	const char *word = word_of(qtype_words, qtype_nums, LEN(qtype_nums), type);

	if (word != NULL)
		return word;
	snprintf(buf, 16, "TYPE%u", type & UINT16_MAX);
	return buf;
}

int qtype_from_text(const char *text)
{
	int num = number_of(qtype_words, qtype_nums, LEN(qtype_nums), text);

	if (num >= 0)
		return num;
	return decimal(strncasecmp(text, "TYPE", 4) == 0 ? text + 4 : text, UINT16_MAX);
}

const char *rcode_text(unsigned rcode, char buf[16])
{
	const char *text = word_of(rcode_texts, rcode_nums, LEN(rcode_nums), rcode);

	if (text != NULL)
		return text;
	snprintf(buf, 16, "Err#%u", rcode);
	return buf;
}

int rcode_from_text(const char *text)
{
	int num = number_of(rcode_words, rcode_nums, LEN(rcode_nums), text);

	return num >= 0 ? num : decimal(text, RCODE_MAX);
}

const char *opcode_text(unsigned opcode)
{
	return text_nth("Query\0IQuery\0Status\0" "3\0Notify\0Update\0" "6\0" "7\0" "8\0" "9\0" "10\0" "11\0" "12\0" "13\0"
			"14\0" "15", opcode & 15);
}

const char *qtype_row(size_t i, unsigned *num_r)
{
	if (i >= LEN(qtype_nums))
		return NULL;
	*num_r = qtype_nums[i];
	return text_nth(qtype_words, i);
}

const char *rcode_row(size_t i, unsigned *num_r)
{
	if (i >= LEN(rcode_nums))
		return NULL;
	*num_r = rcode_nums[i];
	return text_nth(rcode_words, i);
}
