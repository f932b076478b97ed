/* message_rename.h: another name for the question of a message that uses compression.  Pure, without Lua. */
#ifndef BIND_MESSAGE_RENAME_H
#define BIND_MESSAGE_RENAME_H

#include "dns.h"

/* message_rename puts |to| in place of the question's name and of every owner equal to it.  Names are written anew:
 * the message may become longer.  0, or -ENOBUFS, -ENOMEM, -EBADMSG; then |msg| is as it was. */
int message_rename(uint8_t *msg, size_t *len, size_t cap, const struct name *to) WUNUSED NONNULL;

#endif
