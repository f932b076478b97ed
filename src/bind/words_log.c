/* words_log.c: log lines and where they go. */
#include "log.h"
#include "lua_priv.h"
#include <fcntl.h>
#include <stdio.h>
#include <strings.h>
#include <syslog.h>
#include <unistd.h>

#define WORD(name) \
	static int name(lua_State *L, const struct word *w UNUSED, const struct arg *argv UNUSED, \
		size_t argc UNUSED)

WORD(info)
{
	(void)L;
	log_info(LUA, "%s", argv[0].s.p);
	return 0;
}

WORD(warning)
{
	(void)L;
	log_warn(LUA, "%s", argv[0].s.p);
	return 0;
}

WORD(err)
{
	(void)L;
	log_error(LUA, "%s", argv[0].s.p);
	return 0;
}

WORD(verbose)
{
	(void)L;
	log_debug(LUA, "%s", argv[0].s.p);
	return 0;
}

static bool no_effects(lua_State *L)
{
	return lua_self(L)->host->check_only || lua_self(L)->host->client;
}

WORD(set_verbose)
{
	(void)w;
	if (!no_effects(L))
		log_options.verbose = argv[0].b;
	return 0;
}

WORD(get_verbose)
{
	(void)w;
	lua_pushboolean(L, log_options.verbose);
	return 1;
}

WORD(verbose_file)
{
	int fd;

	lua_only_at_start(L, w->name);
	if (no_effects(L))
		return 0;
	fd = open(argv[0].s.p, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
	if (fd < 0)
		return lua_fail(L, w->name, "%s: %s", argv[0].s.p, strerror(errno));
	if (log_options.verbose_fd <= 2) {
		log_options.verbose_fd = fd;
		return 0;
	}
	/* A reload: other threads write to the descriptor, so its number must not become something else. */
	dup3(fd, log_options.verbose_fd, O_CLOEXEC);
	close(fd);
	return 0;
}

WORD(syslog_facility)
{
	static const struct {
		const char *name;
		int facility;
	} rows[] = {{"LOCAL0", LOG_LOCAL0}, {"LOCAL1", LOG_LOCAL1}, {"LOCAL2", LOG_LOCAL2},
		{"LOCAL3", LOG_LOCAL3}, {"LOCAL4", LOG_LOCAL4}, {"LOCAL5", LOG_LOCAL5},
		{"LOCAL6", LOG_LOCAL6}, {"LOCAL7", LOG_LOCAL7}, {"KERN", LOG_KERN},
		{"USER", LOG_USER}, {"MAIL", LOG_MAIL}, {"DAEMON", LOG_DAEMON}, {"AUTH", LOG_AUTH},
		{"SYSLOG", LOG_SYSLOG}, {"LPR", LOG_LPR}, {"NEWS", LOG_NEWS}, {"UUCP", LOG_UUCP},
		{"CRON", LOG_CRON}, {"AUTHPRIV", LOG_AUTHPRIV}, {"FTP", LOG_FTP}};
	const char *name = arg_str(&argv[0], "");
	double number = arg_num(&argv[0], -1);
	int facility = number >= 0 && number < 24 ? (int)number << 3 : -1;

	name += strncmp(name, "LOG_", 4) == 0 ? 4 : 0;
	for (size_t i = 0; i < LEN(rows); i++) {
		if (strcasecmp(rows[i].name, name) == 0)
			facility = rows[i].facility;
	}
	if (facility < 0)
		return lua_fail(L, w->name,
			"argument 1 (facility): got '%s', expected a syslog facility" HINT(" such as local0, daemon") " or a number",
			arg_str(&argv[0], arg_kind_name(&argv[0])));
	if (!no_effects(L))
		log_options.facility = facility;
	return 0;
}

/* set_prefix: log lines outlive every Lua state, and are written meanwhile with the one before. */
static void set_prefix(const char *text)
{
	static char prefix[2][32];
	char *next = prefix[log_options.prefix == prefix[0]];

	if (strcmp(log_options.prefix, text) == 0)
		return;
	snprintf(next, sizeof(prefix[0]), "%s", text);
	log_options.prefix = next;
}

WORD(structured_logging)
{
	const struct arg *opts = &argv[1], *value;
	bool empty = opts->kind != ARG_TABLE;

	if (no_effects(L))
		return 0;
	log_options.structured = argv[0].b;
	for (size_t i = 0; !empty && i < opts->t.pairs; i++) {
		const char *key = opts->t.pair[i].key, *text;

		value = &opts->t.pair[i].value;
		text = arg_str(value, "");
		if (strcmp(key, "levelPrefix") == 0) {
			set_prefix(text);
		} else if (strcmp(key, "timeFormat") == 0) {
			if (strcmp(text, "numeric") != 0 && strcmp(text, "ISO8601") != 0)
				return lua_fail(L, w->name,
					"timeFormat: got '%s', expected numeric or ISO8601", text);
			log_options.time_format = *text == 'n' ? "numeric" : "ISO8601";
		} else if (strcmp(key, "backend") == 0) {
			log_options.json = strcmp(text, "json") == 0;
		} else if (strcmp(key, "setInstanceFromServerID") != 0) {
			lua_unknown_of(L, w->name, key, HINT("levelPrefix\0timeFormat\0backend\0setInstanceFromServerID\0"));
		}
	}
	return 0;
}

const struct word log_words[] = {
	{"infolog", "line:str", info, DOC("Writes a line to the log."),
		DOC("infolog(\"started\")")},
	{"warnlog", "line:str", warning, DOC("Writes a warning to the log."),
		DOC("warnlog(\"odd\")")},
	{"errlog", "line:str", err, DOC("Writes an error to the log."), DOC("errlog(\"bad\")")},
	{"vinfolog", "line:str", verbose, DOC("Writes a line to the log when it is verbose."),
		DOC("vinfolog(\"detail\")")},
	{"setVerbose", "on:bool", set_verbose, DOC("Logs single queries."),
		DOC("setVerbose(false)")},
	{"getVerbose", "", get_verbose, DOC("Are single queries logged?"), DOC("getVerbose()")},
	{"setVerboseLogDestination", "file:str", verbose_file,
		DOC("Verbose lines go to this file."),
		DOC("setVerboseLogDestination(\"/dev/null\")")},
	{"setSyslogFacility", "facility:any", syslog_facility,
		DOC("Syslog facility, by name or number."), DOC("setSyslogFacility(\"daemon\")")},
	{"setStructuredLogging", "on:bool options:opts?", structured_logging,
		DOC("key=value log lines; levelPrefix, timeFormat, backend (default, json)."),
		DOC("setStructuredLogging(true, {timeFormat=\"numeric\"})")},
	{.name = NULL},
};
