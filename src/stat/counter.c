/* counter.c: the rows of counters, reasons and protocols, and what is counted into them. */
#include "stat.h"

static const struct {
	const char *name, *word, *shown;
	bool stream;
} protos[PROTO_COUNT] = {
#define PROTO(id, name, word, shown, stream) [PROTO_##id] = {name, word, shown, stream},
#include "tbl/proto.def"
#undef PROTO
};

static const char counter_names[] =
#define COUNTER(id, name, kind, doc) name "\0"
#include "tbl/counter.def"
#undef COUNTER
	;
static const uint8_t counter_kinds[COUNTER_COUNT] = {
#define COUNTER(id, name, kind, doc) [COUNTER_##id] = kind,
#include "tbl/counter.def"
#undef COUNTER
};

enum { COUNTER_NO_COUNTER = COUNTER_COUNT };
static const char reason_texts[] =
#ifdef NO_VERBOSE /* the sentences cost the mini build 1 kB */
#define REASON(id, counter, text) #id "\0"
#else
#define REASON(id, counter, text) text "\0"
#endif
#include "tbl/reason.def"
#undef REASON
	;
static const uint8_t reason_counters[REASON_COUNT] = {
#define REASON(id, counter, text) [REASON_##id] = COUNTER_##counter,
#include "tbl/reason.def"
#undef REASON
};
_Static_assert(COUNTER_COUNT <= UINT8_MAX, "a counter's number fits a byte");

/* LEAST_US: a long run of zeros (answers from the cache) would end in subnormal numbers, and each sum of those costs a
 * hundred times more.  Above 0: this worker has answered. */
static const double LEAST_US = 1e-9;
static const double shares[LATENCY_WINDOWS] = {1.0 / 100, 1.0 / 1000, 1.0 / 10000, 1.0 / 1000000};

/* The averages have one row for all datagrams and one for each kind of stream. */
static const uint8_t average_of[PROTO_COUNT] = {
	[PROTO_UDP] = PROTO_UDP,
	[PROTO_TCP] = PROTO_TCP,
	[PROTO_DNSCRYPT_UDP] = PROTO_UDP,
	[PROTO_DNSCRYPT_TCP] = PROTO_TCP,
	[PROTO_DOT] = PROTO_DOT,
	[PROTO_DOH] = PROTO_DOH,
	[PROTO_DOQ] = PROTO_DOQ,
	[PROTO_DOH3] = PROTO_DOH3,
};

static const struct {
	uint8_t first; /* COUNTER_LATENCY_…_AVG100, the other windows follow */
	uint8_t proto;
} averages[] = {
	{COUNTER_LATENCY_AVG100, PROTO_UDP},
	{COUNTER_LATENCY_TCP_AVG100, PROTO_TCP},
	{COUNTER_LATENCY_DOT_AVG100, PROTO_DOT},
	{COUNTER_LATENCY_DOH_AVG100, PROTO_DOH},
	{COUNTER_LATENCY_DOQ_AVG100, PROTO_DOQ},
	{COUNTER_LATENCY_DOH3_AVG100, PROTO_DOH3},
};
_Static_assert(COUNTER_LATENCY_AVG1000000 == COUNTER_LATENCY_AVG100 + LATENCY_WINDOWS - 1,
	"windows in a row");

static const struct {
	uint64_t below_us;
	enum counter counter;
} histogram[] = {
	{1000, COUNTER_LATENCY0_1},
	{10000, COUNTER_LATENCY1_10},
	{50000, COUNTER_LATENCY10_50},
	{100000, COUNTER_LATENCY50_100},
	{1000000, COUNTER_LATENCY100_1000},
	{UINT64_MAX, COUNTER_LATENCY_SLOW},
};

/* average_value: over the workers that have answered in this protocol, by how much each has answered. */
static double average_value(
	const struct counters *const *of, size_t n, enum proto proto, unsigned window)
{
	double sum = 0, weight = 0;

	for (size_t i = 0; i < n; i++) {
		double w =
			(double)__atomic_load_n(&of[i]->v[COUNTER_LATENCY_COUNT], __ATOMIC_RELAXED);
		double avg;

		__atomic_load(&of[i]->latency_us[proto][window], &avg, __ATOMIC_RELAXED);
		if (avg > 0) {
			sum += w * avg;
			weight += w;
		}
	}
	return weight > 0 ? sum / weight : 0;
}

/* stat_label prints name and value of a counter: averages with a decimal. */
static void stat_label(struct text *out, enum counter id, const struct counters *const *of,
	size_t n, const struct stat_system *system)
{
	double v = stat_value(of, n, id) + (counter_kind(id) == COMPUTED ? system->v[id] : 0);
	const char *name = counter_name(id);

	text_addf(out, "%-38s %15.*f", name, strstr(name, "-avg") != NULL ? 1 : 0, v);
}

const char *proto_name(enum proto p)
{
	return protos[p].name;
}

const char *proto_word(enum proto p)
{
	return protos[p].word;
}

const char *proto_shown(enum proto p)
{
	return protos[p].shown;
}

bool proto_stream(enum proto p)
{
	return protos[p].stream;
}

const char *counter_name(enum counter id)
{
	return text_nth(counter_names, id);
}

enum counter_kind counter_kind(enum counter id)
{
	return (enum counter_kind)counter_kinds[id];
}

const char *reason_text(enum reason r)
{
	return text_nth(reason_texts, r);
}

void stat_reason(struct counters *c, enum reason r)
{
	__atomic_store_n(&c->reason[r], c->reason[r] + 1, __ATOMIC_RELAXED);
	if (reason_counters[r] != COUNTER_NO_COUNTER)
		stat_inc(c, (enum counter)reason_counters[r]);
}

void stat_latency(struct counters *c, enum proto proto, uint64_t us)
{
	double *avg = c->latency_us[average_of[proto]];
	uint64_t rest_us = c->latency_rest_us + us;
	unsigned i = 0;

	while (us >= histogram[i].below_us && histogram[i].counter != COUNTER_LATENCY_SLOW)
		i++;
	stat_inc(c, histogram[i].counter);
	UNROLLED
	for (i = 0; i < LATENCY_WINDOWS; i++) {
		double next = avg[i] + ((double)us - avg[i]) * shares[i];

		if (next < LEAST_US)
			next = LEAST_US;
		__atomic_store(&avg[i], &next, __ATOMIC_RELAXED);
	}
	if (rest_us >= 1000) {
		stat_add(c, COUNTER_LATENCY_SUM, rest_us / 1000);
		rest_us %= 1000;
	}
	c->latency_rest_us = (uint32_t)rest_us;
	stat_inc(c, COUNTER_LATENCY_COUNT);
}

double stat_value(const struct counters *const *of, size_t n, enum counter id)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < LEN(averages); i++)
		if (id >= averages[i].first && id - averages[i].first < LATENCY_WINDOWS)
			return average_value(of, n, averages[i].proto, id - averages[i].first);
	for (size_t i = 0; i < n; i++)
		sum += __atomic_load_n(&of[i]->v[id], __ATOMIC_RELAXED);
	return (double)sum;
}

/* reasons_dump says why queries were dropped and connections closed: a line for each reason that was met. */
static void reasons_dump(struct text *out, const struct counters *const *of, size_t n)
{
	for (unsigned r = REASON_NONE + 1; r < REASON_COUNT; r++) {
		uint64_t sum = 0;

		for (size_t i = 0; i < n; i++)
			sum += __atomic_load_n(&of[i]->reason[r], __ATOMIC_RELAXED);
		if (sum)
			text_addf(out, "reason: %-56s %llu\n", reason_text((enum reason)r), (unsigned long long)sum);
	}
}

void stat_dump(struct text *out, const struct counters *const *of, size_t n,
	const struct stat_system *system)
{
	const unsigned half = (COUNTER_COUNT + 1) / 2;

	for (unsigned i = 0; i < half; i++) {
		stat_label(out, i, of, n, system);
		if (i + half < COUNTER_COUNT) {
			text_add(out, "    ");
			stat_label(out, i + half, of, n, system);
		}
		text_add(out, "\n");
	}
	reasons_dump(out, of, n);
}
