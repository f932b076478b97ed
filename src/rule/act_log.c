/* act_log.c: LogAction and LogResponseAction: a line, or a binary record, for each query or answer.
 *
 * Lines go to a file or, without one, to the program's log.  The file is opened when the configuration is read, so a
 * wrong path is an error there, and emptied (unless |append|) only by the first line: a configuration that is merely
 * checked, or a reload that is refused, leaves it alone.  It is closed with the last reference to the action, so a
 * reload after the file was renamed starts a new one. */
#include "log.h"
#include "rule_priv.h"
#include <pthread.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum {
	LINE_MAX_BYTES = NAME_TEXT + 2 * ADDR_TEXT + 128,
	RECORD_MAX = 2 + 8 + DNS_HEADER + NAME_WIRE + 2 + 1 + 16 + 2,
};

struct act_log {
	struct action base;
	FILE *file; /* NULL: the program's log */
	pthread_mutex_t lock;
	bool binary, buffered, verbose_only, timestamp;
	bool empty_first;
	struct log_site site;
};

/* The wall clock is for human eyes only; nothing is decided by it. */
static struct timespec wall_clock(void)
{
	struct timespec now = {0};

	clock_gettime(CLOCK_REALTIME, &now);
	return now;
}

static size_t write_line(char out[LINE_MAX_BYTES], const struct act_log *me, const struct dq *dq)
{
	char name[NAME_TEXT], peer[ADDR_TEXT], type[16], rcode[16], stamp[48] = "";
	struct timespec now;
	int n;

	name_to_text(dq->ask_name ? dq->ask_name : dq->question->lower, true, name);
	addr_print(dq->remote, true, peer);
	if (me->timestamp) {
		now = wall_clock();
		snprintf(stamp, sizeof(stamp), "[%lld.%06ld] ", (long long)now.tv_sec,
			(long)now.tv_nsec / 1000);
	}
	if (me->base.for_response)
		n = snprintf(out, LINE_MAX_BYTES, "%sAnswer to %s for %s %s (%s) with id %u", stamp,
			peer, name, qtype_text(dq->question->qtype, type),
			rcode_text(dns_rcode(dq->msg), rcode), dns_id(dq->msg));
	else
		n = snprintf(out, LINE_MAX_BYTES, "%sPacket from %s for %s %s with id %u", stamp,
			peer, name, qtype_text(dq->question->qtype, type), dns_id(dq->msg));
	must(n > 0 && n < LINE_MAX_BYTES - 1);
	return (size_t)n;
}

/* Numbers in network order: length of the rest (2), [seconds (4), microseconds (4),] header (12), name, type (2),
 * length of the address (1), address, port (2). */
static size_t write_record(uint8_t out[RECORD_MAX], const struct act_log *me, const struct dq *dq)
{
	const struct question *q = dq->question;
	unsigned ip = addr_len(dq->remote);
	size_t at = 2;

	if (me->timestamp) {
		struct timespec now = wall_clock();

		put32(out + at, (uint32_t)now.tv_sec);
		put32(out + at + 4, (uint32_t)(now.tv_nsec / 1000));
		at += 8;
	}
	memcpy(out + at, dq->msg, DNS_HEADER);
	at += DNS_HEADER;
	memcpy(out + at, dq->ask_name ? dq->ask_name : q->lower, q->len);
	at += q->len;
	put16(out + at, q->qtype);
	out[at + 2] = (uint8_t)ip;
	memcpy(out + at + 3, dq->remote->ip, ip);
	put16(out + at + 3 + ip, dq->remote->port);
	at += 5u + ip;
	put16(out, (unsigned)(at - 2));
	return at;
}

static void store(struct act_log *me, const struct dq *dq, const void *p, size_t len)
{
	bool failed;

	pthread_mutex_lock(&me->lock);
	failed = me->empty_first && ftruncate(fileno(me->file), 0) != 0;
	me->empty_first = false;
	failed |= fwrite(p, 1, len, me->file) != len;
	if (!me->buffered)
		failed |= fflush(me->file) != 0;
	if (failed) {
		log_limited(&me->site, dq->now_ms, LOG_WARN_, TAG_RULE,
			"LogAction: cannot write: %s", strerror(errno));
	}
	pthread_mutex_unlock(&me->lock);
}

static enum act run_log(struct action *a, struct dq *dq)
{
	struct act_log *me = (struct act_log *)a;
	uint8_t record[RECORD_MAX];
	char line[LINE_MAX_BYTES];
	size_t len;

	if (me->file && me->binary) {
		store(me, dq, record, write_record(record, me, dq));
		return ACT_NEXT;
	}
	if (!me->file && me->verbose_only && !log_options.verbose)
		return ACT_NEXT;
	len = write_line(line, me, dq);
	if (me->file) {
		line[len++] = '\n';
		store(me, dq, line, len);
	} else {
		log_info(RULE, "%s", line);
	}
	return ACT_NEXT;
}

static void free_log(struct action *a)
{
	struct act_log *me = (struct act_log *)a;

	if (me->file)
		fclose(me->file);
	pthread_mutex_destroy(&me->lock);
}

static struct action *make_log(const char *path, bool append, const char **error_r)
{
	struct act_log *a = action_make(
		sizeof(*a), run_log, free_log, error_r, *path ? "log to %s" : "log", path);
	struct action *base;

	if (!a)
		return NULL;
	base = &a->base;
	pthread_mutex_init(&a->lock, NULL);
	a->empty_first = !append;
	if (!*path)
		return base;
	a->file = fopen(path, "ae"); /* appending keeps the lines of the old and the new configuration apart */
	if (!a->file) {
		error_set(error_r, "cannot open '%s': %s", path, strerror(errno));
		action_free(&base);
	}
	return base;
}

struct action *act_log(const struct arg *argv, size_t argc UNUSED, const char **error_r)
{
	struct action *base = make_log(arg_str(&argv[0], ""), arg_bool(&argv[2], false), error_r);
	struct act_log *a = (struct act_log *)base;

	if (!base)
		return NULL;
	a->binary = arg_bool(&argv[1], true);
	a->buffered = arg_bool(&argv[3], true);
	a->verbose_only = arg_bool(&argv[4], true);
	a->timestamp = arg_bool(&argv[5], false);
	return base;
}

struct action *act_log_response(const struct arg *argv, size_t argc UNUSED, const char **error_r)
{
	struct action *base = make_log(arg_str(&argv[0], ""), arg_bool(&argv[1], false), error_r);
	struct act_log *a = (struct act_log *)base;

	if (!base)
		return NULL;
	base->for_response = true;
	a->buffered = arg_bool(&argv[2], true);
	a->verbose_only = arg_bool(&argv[3], true);
	a->timestamp = arg_bool(&argv[4], false);
	return base;
}
