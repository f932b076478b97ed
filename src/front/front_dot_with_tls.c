/* front_dot_with_tls.c: DNS over TLS (RFC 7858): the messages of TCP on an encrypted wire. */
#include "conn.h"

const struct front_ops front_dot = {"DoT", PROTO_DOT, false, accept_open, accept_start, accept_stop, &conn_dns16};
