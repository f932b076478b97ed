/* make.h: servers for tests, from options written as "key=value key=value". */
#ifndef TEST_SERVER_MAKE_H
#define TEST_SERVER_MAKE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "mem.h"
#include "health.h"
#include "server.h"

/* make_conf fills |conf| as newServer{address=…, key=value …} does; 0 or -E… with a sentence. */
static inline int make_conf(struct server_conf *conf, const char *address, const char *options, const char **error_r)
{
	char words[512];
	struct arg_pair pairs[16];
	struct arg table = {.kind = ARG_TABLE};
	size_t n = 0;

	memset(conf, 0, sizeof *conf);
	snprintf(words, sizeof words, "%s", options);
	if (field_defaults(server_fields, server_field_count, conf) != 0)
		return -ENOMEM;
	if (address != NULL)
		pairs[n++] = (struct arg_pair){"address", {.kind = ARG_STR, .s = {address, strlen(address)}}};
	for (char *w = strtok(words, " "); w != NULL; w = strtok(NULL, " ")) {
		char *value = strchr(w, '=');

		*value++ = '\0';
		pairs[n++] = (struct arg_pair){w, {.kind = ARG_STR, .s = {value, strlen(value)}}};
	}
	table.t.pair = pairs;
	table.t.pairs = n;
	return fields_apply(server_fields, server_field_count, conf, &table, NULL, NULL, error_r);
}

static inline struct server *make_server(const char *address, const char *options)
{
	struct server_conf conf;
	struct server *s;
	struct rng rng;
	const char *error = "";

	rng_seed(&rng, 7 + strlen(options));
	if (make_conf(&conf, address, options, &error) != 0)
		fail_msg("%s: %s", options, error);
	s = server_new(&conf, &rng, &error);
	if (s == NULL)
		fail_msg("%s: %s", address, error);
	return s;
}

/* A server that is up from the start and is not checked. */
static inline struct server *make_up(const char *address, const char *options)
{
	struct server *s = make_server(address, options);

	server_set_up(s);
	return s;
}

#endif
