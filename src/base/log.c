/* log.c: log lines: the message is formatted once, escaped for its form, and written with one
 * write. */
#include "log.h"
#include "hash.h"
#include <pthread.h>
#include <stdio.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

enum {
	MESSAGE_MAX = 2048,
	TAIL_MAX = 256, /* room kept for what follows the message */
	LINE_MAX_ = MESSAGE_MAX + TAIL_MAX,
	LIMIT_MS = 1000,
	PACE_MS = 60000,
};

enum log_form { FORM_PLAIN, FORM_LOGFMT, FORM_JSON };

struct log_line {
	size_t len;
	char p[LINE_MAX_];
};

struct log_options log_options = {
	.structured = true,
	.facility = LOG_DAEMON,
	.prefix = "prio",
	.time_format = "numeric",
	.fd = STDERR_FILENO,
	.verbose_fd = -1,
};

static const char *const tag_name[] = {
#define LOGTAG(id, name, doc) [TAG_##id] = name,
#include "tbl/logtag.def"
#undef LOGTAG
};

static _Atomic unsigned complaints;
/* One lock for the few words of all sites and paces. */
static pthread_mutex_t sites_lock = PTHREAD_MUTEX_INITIALIZER;

static const char *level_name(enum log_level level)
{
	switch (level) {
	case LOG_ERR_:
		return "Error";
	case LOG_WARN_:
		return "Warning";
	case LOG_NOTE_:
		return "Notice";
	case LOG_INFO_:
		return "Info";
	case LOG_DEBUG_:
		break;
	}
	return "Debug";
}

/* Adds all of |s| or nothing; never fills the last |reserve| bytes. */
static bool line_add(struct log_line *l, const char *s, size_t len, size_t reserve)
{
	if (len + reserve > sizeof(l->p) - l->len)
		return false;
	memcpy(l->p + l->len, s, len);
	l->len += len;
	return true;
}

static void line_str(struct log_line *l, const char *s)
{
	(void)line_add(l, s, strlen(s), 1); /* 1: the newline */
}

/* The length of the UTF-8 character at |s| (NUL-terminated) that may be shown as it is, or 0. */
static size_t shown_len(const char *s)
{
	const uint8_t *p = (const uint8_t *)s;
	if (p[0] >= 0x20 && p[0] < 0x7f)
		return 1;
	size_t n = 0;
	if (p[0] >= 0xc2 && p[0] < 0xf5)
		n = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if (n == 2 && p[0] == 0xc2 && p[1] < 0xa0) /* control characters U+0080 … U+009F */
		return 0;
	if (n == 3 && ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] >= 0xa0)))
		return 0; /* overlong, surrogate */
	if (n == 4 && ((p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] >= 0x90)))
		return 0;
	return n;
}

/* One character of the message as it stands in the line; returns how many bytes of |s| it was. */
static size_t escape_one(const char *s, enum log_form form, char out[8], size_t *len_r)
{
	static const char hex[] = "0123456789abcdef";
	uint8_t c = (uint8_t)*s;
	size_t n = shown_len(s);
	*len_r = 2;
	out[0] = '\\';
	if (c == '\n' || c == '\r' || c == '\t') {
		out[1] = c == '\n' ? 'n' : c == '\r' ? 'r' : 't';
	} else if (n == 1 && form != FORM_PLAIN && (c == '"' || c == '\\')) {
		out[1] = (char)c;
	} else if (n != 0) {
		memcpy(out, s, n);
		*len_r = n;
		return n;
	} else if (form == FORM_JSON) {
		memcpy(out, "\\u00", 4);
		out[4] = hex[c >> 4];
		out[5] = hex[c & 15];
		*len_r = 6;
	} else {
		out[1] = 'x';
		out[2] = hex[c >> 4];
		out[3] = hex[c & 15];
		*len_r = 4;
	}
	return 1;
}

/* Adds |s| escaped; ends at a whole character where the line is full. */
static void line_escaped(struct log_line *l, const char *s, enum log_form form, size_t reserve)
{
	while (*s != '\0') {
		char out[8];
		size_t len;
		s += escape_one(s, form, out, &len);
		if (!line_add(l, out, len, reserve))
			return;
	}
}

static void line_field(struct log_line *l, const char *key, const char *value, enum log_form form)
{
	bool json = form == FORM_JSON;
	line_str(l, json ? ", \"" : " ");
	line_escaped(l, key, form, 1);
	line_str(l, json ? "\": \"" : "=\"");
	line_escaped(l, value, form, 1);
	line_str(l, "\"");
}

enum time_form { TIME_NUMERIC, TIME_ISO8601, TIME_SYSLOG };

static void time_print(enum time_form form, const struct timespec *now, char *out, size_t cap)
{
	struct tm tm;
	size_t len = 0;
	if (form == TIME_ISO8601 && localtime_r(&now->tv_sec, &tm) != NULL)
		len = strftime(out, cap, "%Y-%m-%dT%H:%M:%S%z", &tm);
	else if (form == TIME_SYSLOG && localtime_r(&now->tv_sec, &tm) != NULL)
		len = strftime(out, cap, "%b %d %H:%M:%S", &tm);
	if (len == 0)
		snprintf(out, cap, "%lld.%03ld", (long long)now->tv_sec, now->tv_nsec / 1000000);
}

static void line_structured(struct log_line *l, enum log_level level, enum logtag tag,
	const char *msg, const struct timespec *now)
{
	enum log_form form = log_options.json ? FORM_JSON : FORM_LOGFMT;
	const char *time_format = log_options.time_format, *prefix = log_options.prefix;
	char ts[48];
	bool iso = time_format != NULL && strcmp(time_format, "ISO8601") == 0;
	time_print(iso ? TIME_ISO8601 : TIME_NUMERIC, now, ts, sizeof(ts));
	line_str(l, form == FORM_JSON ? "{\"msg\": \"" : "msg=\"");
	line_escaped(l, msg, form, TAIL_MAX);
	line_str(l, "\"");
	line_field(l, "subsystem", tag_name[tag], form);
	line_field(l, "level", "0", form);
	line_field(l, prefix != NULL ? prefix : "prio", level_name(level), form);
	line_field(l, "ts", ts, form);
	if (form == FORM_JSON)
		line_str(l, "}");
}

/* Returns the length of the time in front. */
static size_t line_plain(struct log_line *l, const char *msg, const struct timespec *now)
{
	size_t stamp = 0;
	if (log_options.timestamps) {
		char ts[48];
		time_print(TIME_SYSLOG, now, ts, sizeof(ts));
		line_str(l, ts);
		line_str(l, " ");
		stamp = l->len;
	}
	line_escaped(l, msg, FORM_PLAIN, 1);
	return stamp;
}

static void line_write(const struct log_line *l, enum log_level level)
{
	bool aside = level == LOG_DEBUG_ && log_options.verbose_fd >= 0;
	int fd = aside ? log_options.verbose_fd : log_options.fd;
	ssize_t n;
	if (fd < 0)
		return;
	do {
		n = write(fd, l->p, l->len);
	} while (n < 0 && errno == EINTR);
}

static void log_message(enum log_level level, enum logtag tag, unsigned skipped, const char *fmt,
	va_list ap) PRINTF(4, 0);
static void log_message(enum log_level level, enum logtag tag, unsigned skipped, const char *fmt,
	va_list ap)
{
	char msg[MESSAGE_MAX];
	struct log_line line;
	struct timespec now;
	size_t stamp = 0;
	int saved = errno; /* callers report an error and then return it */
	if (level <= LOG_WARN_)
		atomic_fetch_add_explicit(&complaints, 1, memory_order_relaxed);
	if (vsnprintf(msg, sizeof(msg) - 64, fmt, ap) < 0)
		msg[0] = '\0';
	size_t len = strlen(msg);
	while (len > 0 && msg[len - 1] == '\n')
		msg[--len] = '\0';
	if (skipped != 0)
		snprintf(msg + len, sizeof(msg) - len, " (%u similar lines left out)", skipped);
	clock_gettime(CLOCK_REALTIME, &now);
	line.len = 0;
	if (log_options.structured)
		line_structured(&line, level, tag, msg, &now);
	else
		stamp = line_plain(&line, msg, &now);
	if (log_options.syslog) /* it adds its own time */
		syslog((int)level | log_options.facility, "%.*s", (int)(line.len - stamp),
			line.p + stamp);
	line.p[line.len++] = '\n';
	line_write(&line, level);
	errno = saved;
}

void log_at(enum log_level level, enum logtag tag, const char *fmt, ...)
{
	va_list ap;
	if (level == LOG_DEBUG_ && !log_options.verbose)
		return;
	va_start(ap, fmt);
	log_message(level, tag, 0, fmt, ap);
	va_end(ap);
}

struct log_options log_now(void)
{
	const struct log_options *o = &log_options;

	return (struct log_options){.structured = o->structured, .json = o->json, .verbose = o->verbose,
		.facility = o->facility, .prefix = o->prefix, .time_format = o->time_format};
}

void log_restore(const struct log_options *was)
{
	struct log_options *o = &log_options;

	o->structured = was->structured;
	o->json = was->json;
	o->verbose = was->verbose;
	o->facility = was->facility;
	o->prefix = was->prefix;
	o->time_format = was->time_format;
}

void log_lines(enum logtag tag, char *text)
{
	for (char *end; text && *text; text = end) {
		end = text + strcspn(text, "\n");
		if (*end)
			*end++ = '\0';
		log_at(LOG_INFO_, tag, "%s", text);
	}
}

void log_limited(struct log_site *site, uint64_t now_ms, enum log_level level, enum logtag tag,
	const char *fmt, ...)
{
	va_list ap;
	if (level == LOG_DEBUG_ && !log_options.verbose)
		return;
	pthread_mutex_lock(&sites_lock);
	bool write_it = site->last_ms == 0 || now_ms >= site->last_ms + LIMIT_MS;
	unsigned skipped = write_it ? site->skipped : 0;
	site->skipped = write_it ? 0 : site->skipped + 1;
	if (write_it)
		site->last_ms = now_ms != 0 ? now_ms : 1;
	pthread_mutex_unlock(&sites_lock);
	if (!write_it)
		return;
	va_start(ap, fmt);
	log_message(level, tag, skipped, fmt, ap);
	va_end(ap);
}

/* pace_take: is this line, known by its hash, to be written? */
static bool pace_take(struct log_pace *p, uint64_t now_ms, uint32_t hash)
{
	if (p->since_ms == 0 || now_ms >= p->since_ms + PACE_MS) {
		p->since_ms = now_ms != 0 ? now_ms : 1;
		p->lines = 0;
	}
	for (unsigned i = 0; i < p->lines; i++)
		if (p->said[i] == hash)
			return false;
	if (p->lines == LOG_PACED_LINES)
		return false;
	p->said[p->lines++] = hash;
	return true;
}

void log_paced(struct log_pace *p, uint64_t now_ms, enum log_level level, enum logtag tag, const char *fmt, ...)
{
	char text[MESSAGE_MAX];
	va_list ap;
	va_start(ap, fmt);
	int len = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	pthread_mutex_lock(&sites_lock);
	bool write_it = pace_take(p, now_ms, (uint32_t)hash_bytes(text, len < 0 ? 0 : strlen(text)) | 1);
	unsigned left_out = p->left_out;
	p->left_out = write_it ? 0 : left_out + 1;
	if (write_it)
		atomic_store_explicit(&p->lasts, true, memory_order_relaxed);
	pthread_mutex_unlock(&sites_lock);
	if (!write_it)
		return;
	va_start(ap, fmt);
	log_message(level, tag, left_out, fmt, ap);
	va_end(ap);
}

void log_paced_over(struct log_pace *p, unsigned *left_out_r)
{
	pthread_mutex_lock(&sites_lock);
	*left_out_r = p->left_out;
	p->left_out = 0;
	memset(p->said, 0, sizeof(p->said)); /* to be said again, when it comes back */
	atomic_store_explicit(&p->lasts, false, memory_order_relaxed);
	pthread_mutex_unlock(&sites_lock);
}

unsigned log_complaints(void)
{
	return atomic_load_explicit(&complaints, memory_order_relaxed);
}
