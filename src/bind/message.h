/* message.h: what the files about the message under work (dq, dr) share. */
#ifndef BIND_MESSAGE_H
#define BIND_MESSAGE_H

#include "rule.h"
#include "value.h"

/* What a dq or dr userdata holds: |dq| is NULL outside the call that it was made for. */
struct lua_message {
	struct dq *dq;
	const char *shown; /* "DNSQuestion", "DNSResponse" */
};

/* message_room: how long the message may become; its buffer is larger than a message can be. */
static inline size_t message_room(const struct dq *dq)
{
	return dq->cap < DNS_MAX ? dq->cap : DNS_MAX;
}

/* Tags of ours carry values that have no member in struct dq; users do not see them. */
enum { MESSAGE_OWN_TAG = '\1' };

/* message_adopt_question: the query's message has another question now: dq->question and dq->ask_name follow.  Their
 * memory lives as long as the query's marks.  0, -EBADMSG, -ENOMEM, or -ENOBUFS after too many changes. */
int message_adopt_question(struct dq *) WUNUSED;

extern const struct class class_option; /* EDNSOptionView */

#define METHOD(fn) int fn(lua_State *, void *self, const struct arg *argv, size_t argc)
/* message_read.c */
METHOD(message_get_header);
METHOD(message_get_content);
METHOD(message_get_do);
METHOD(message_get_options);
METHOD(message_get_elapsed);
METHOD(message_get_interface);
METHOD(message_get_protocol);
METHOD(message_get_time);
METHOD(message_get_trailing);
METHOD(message_get_sni);
METHOD(message_get_http_headers);
METHOD(message_get_http_host);
METHOD(message_get_http_path);
METHOD(message_get_http_query);
METHOD(message_get_http_scheme);
METHOD(message_empty_table);
METHOD(message_nothing);
METHOD(message_get_backend);
METHOD(message_get_stale);
METHOD(message_get_restarts);
/* message_mark.c */
METHOD(message_get_tag);
METHOD(message_set_tag);
METHOD(message_unset_tag);
METHOD(message_get_tags);
METHOD(message_set_tags);
METHOD(message_set_ede);
METHOD(message_set_restartable);
METHOD(message_restart);
METHOD(message_absent);
METHOD(message_set_http);
/* message_edit.c */
METHOD(message_set_header);
METHOD(message_set_content);
METHOD(message_set_trailing);
METHOD(message_set_option);
METHOD(message_change_name);
METHOD(message_edit_ttls);
METHOD(message_set_negative);
METHOD(message_spoof);
#undef METHOD

#endif
