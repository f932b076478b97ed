/* log.h: log lines.  Each has a level and a tag (row of tbl/logtag.def, printed as the subsystem).
 *
 * Structured (the default, logfmt):  msg="…" subsystem="setup" level="0" prio="Info" ts="1700000000.123"
 * Plain: the message alone.  Lines go to standard error and, unless switched off, to syslog.
 * Any thread; a line is one write. */
#ifndef SHREWD_LOG_H
#define SHREWD_LOG_H

#include "base.h"
#include <stdarg.h>
#include <stdatomic.h>

enum log_level { LOG_ERR_ = 3, LOG_WARN_ = 4, LOG_NOTE_ = 5, LOG_INFO_ = 6, LOG_DEBUG_ = 7 }; /* as syslog */

enum logtag {
#define LOGTAG(id, name, doc) TAG_##id,
#include "tbl/logtag.def"
#undef LOGTAG
	TAG_COUNT
};

struct log_options {
	_Atomic bool structured;           /* default true */
	_Atomic bool json;                 /* one JSON object a line, with structured */
	bool syslog;                       /* default false until the daemon says so */
	bool timestamps;                   /* plain lines begin with the time */
	_Atomic bool verbose;              /* debug lines are written */
	_Atomic int facility;              /* syslog facility, LOG_DAEMON */
	_Atomic(const char *) prefix;      /* key of the priority, "prio" */
	_Atomic(const char *) time_format; /* "numeric" or "ISO8601" */
	int fd;                            /* where lines go, default 2 */
	_Atomic int verbose_fd;            /* where debug lines go, -1: as the others */
};
extern struct log_options log_options; /* set at the start, and by words at any time where atomic */

/* log_now, and log_restore of it: takes back what words of a configuration that is not used have set (but a verbose file). */
struct log_options log_now(void);
void log_restore(const struct log_options *was) NONNULL;
/* log_lines: each line of |text|, which is changed, is one; NULL is fine. */
void log_lines(enum logtag, char *text);
void log_at(enum log_level, enum logtag, const char *fmt, ...) PRINTF(3, 4);
#define log_error(tag, ...) log_at(LOG_ERR_, TAG_##tag, __VA_ARGS__)
#define log_warn(tag, ...)  log_at(LOG_WARN_, TAG_##tag, __VA_ARGS__)
#define log_info(tag, ...)  log_at(LOG_INFO_, TAG_##tag, __VA_ARGS__)
#ifdef NO_VERBOSE
#define log_debug(tag, ...) ((void)0)
#else
#define log_debug(tag, ...) \
	(atomic_load_explicit(&log_options.verbose, memory_order_relaxed) ? log_at(LOG_DEBUG_, TAG_##tag, __VA_ARGS__) \
									  : (void)0)
#endif

/* log_limited is for lines that a peer can cause: at most one per second and site; the next line that gets
 * through says how many were left out.  |site| is a static struct of the caller. */
struct log_site {
	uint64_t last_ms;
	unsigned skipped;
};
void log_limited(struct log_site *, uint64_t now_ms, enum log_level, enum logtag, const char *fmt, ...)
	PRINTF(5, 6);

/* log_paced is for a state that lasts, such as a backend that refuses: its first line is written, and so are those that say
 * something new, LOG_PACED_LINES a minute at most; after a minute a line says how many were left out.  A pace is zero at
 * first, and may be used by any thread.  log_paced_end: the state is over; true when that is worth a line, |*left_out_r|:
 * how many were left out since the last one. */
enum { LOG_PACED_LINES = 4 };
struct log_pace {
	uint64_t since_ms;               /* this minute's first line, 0: none yet */
	uint32_t said[LOG_PACED_LINES];  /* hashes of this minute's lines, 0: forgotten */
	unsigned lines, left_out;
	_Atomic bool lasts;
};
void log_paced(struct log_pace *, uint64_t now_ms, enum log_level, enum logtag, const char *fmt, ...) PRINTF(5, 6);
void log_paced_over(struct log_pace *, unsigned *left_out_r) NONNULL;
static inline bool log_paced_end(struct log_pace *p, unsigned *left_out_r)
{
	if (likely(!atomic_load_explicit(&p->lasts, memory_order_relaxed)))
		return false;
	log_paced_over(p, left_out_r);
	return true;
}

unsigned log_complaints(void); /* warnings and errors so far */

#endif
