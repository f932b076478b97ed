/* setting.c: the rows of tbl/setting.def as fields of struct settings. */
#include "conf.h"

#define ROW(type_, word, field, min_, max_, absent_, unit_, text) \
	{.name = #word, .type = type_, .offset = offsetof(struct settings, field), .min = min_, .max = max_, \
		.absent = absent_, .unit = DOC(unit_), .doc = DOC(text)},

const struct field setting_fields[] = {
#define SETTING_U32(word, field, min, max, absent, unit, start, doc) \
	ROW(FIELD_U32, word, field, min, max, absent, unit, doc)
#define SETTING_BOOL(word, field, absent, start, doc) ROW(FIELD_BOOL, word, field, 0, 0, absent, NULL, doc)
#define SETTING_NUM(word, field, min, max, absent, unit, start, doc) \
	ROW(FIELD_DOUBLE, word, field, min, max, absent, unit, doc)
#define SETTING_STR(word, field, absent, start, doc) ROW(FIELD_STR, word, field, 0, 0, absent, NULL, doc)
#include "tbl/setting.def"
#undef SETTING_U32
#undef SETTING_BOOL
#undef SETTING_NUM
#undef SETTING_STR
};
const size_t setting_field_count = LEN(setting_fields);

static const bool only_at_start[] = {
#define SETTING_U32(word, field, min, max, absent, unit, start, doc) start,
#define SETTING_BOOL(word, field, absent, start, doc) start,
#define SETTING_NUM(word, field, min, max, absent, unit, start, doc) start,
#define SETTING_STR(word, field, absent, start, doc) start,
#include "tbl/setting.def"
#undef SETTING_U32
#undef SETTING_BOOL
#undef SETTING_NUM
#undef SETTING_STR
};
_Static_assert(LEN(only_at_start) == LEN(setting_fields), "one row each");

bool setting_only_at_start(size_t index)
{
	must(index < LEN(only_at_start));
	return only_at_start[index];
}

/* word_of: what the user writes to set this row; NULL: nothing that has an effect. */
static const char *word_of(const char *row)
{
	static const struct {
		const char *row, *word;
	} others[] = {{"setUDPSocketRecvBuffer_", "setUDPSocketBufferSizes"},
		{"setUDPSocketSendBuffer_", "setUDPSocketBufferSizes"}, {"setRingEntries_", "setRingBuffersSize"},
		{"setRingQueries_", "setRingBuffersOptions"}, {"setRingResponses_", "setRingBuffersOptions"},
		{"setWorkerLayout_", "setWorkerLayout"}, {"setWorkerCount_", "setWorkerLayout"},
		{"setOutgoingDoHWorkerThreads_", "setOutgoingDoHWorkerThreads"},
		{"setTCPInternalPipeBufferSize", NULL}, {"setTCPUseSinglePipe", NULL}};

	for (size_t i = 0; i < LEN(others); i++)
		if (strcmp(others[i].row, row) == 0)
			return others[i].word;
	return row;
}

void settings_differ(const struct settings *a, const struct settings *b, void (*fn)(void *ctx, const char *word), void *ctx)
{
	const char *before = ""; /* rows of one word stand together */

	for (size_t i = 0; i < LEN(setting_fields); i++) {
		const char *word = only_at_start[i] ? word_of(setting_fields[i].name) : NULL;

		if (!word || field_same(&setting_fields[i], a, b) || strcmp(word, before) == 0)
			continue;
		fn(ctx, word);
		before = word;
	}
}
