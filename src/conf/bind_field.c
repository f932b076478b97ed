/* bind_field.c: the options of a listening address: one row each, with dnsdist's names and defaults.  Options of
 * encrypted listeners are unknown here, as in dnsdist: a warning. */
#include "conf.h"
#include "text.h"

#define AT(member) offsetof(struct bind_conf, member)

static int no_xsk(void *object, const struct arg *a, const char **error_r)
{
	(void)object;
	(void)a;
	return error_set(error_r, "xskSocket: not supported: there is no AF_XDP in this program");
}

const struct field bind_fields[] = {
	{.name = "reusePort", .type = FIELD_BOOL, .offset = AT(reuse_port), .absent = "false",
		.doc = DOC("Several sockets may listen on the same address and share the load.")},
	{.name = "tcpFastOpenQueueSize", .type = FIELD_U32, .offset = AT(fast_open), .min = 0, .max = 65535, .absent = "0",
		.doc = DOC("Pending TCP Fast Open connections; 0: off.")},
	{.name = "tcpListenQueueSize", .type = FIELD_U32, .offset = AT(listen_queue), .min = 0, .max = 2147483647,
		.absent = "0", .doc = DOC("Connections that wait to be accepted; 0: as many as the system allows.")},
	{.name = "interface", .type = FIELD_STR, .offset = AT(interface), .absent = "",
		.doc = DOC("Take only what comes in by this network interface.")},
	{.name = "cpus", .type = FIELD_ACCEPT,
		.doc = DOC("Accepted and ignored: setWorkerLayout() decides on threads.")},
	{.name = "maxInFlight", .type = FIELD_U32, .offset = AT(max_in_flight), .min = 0, .max = 65535, .absent = "0",
		.doc = DOC("Queries of one connection that are worked on at once; 0: one after the other.")},
	{.name = "maxConcurrentTCPConnections", .type = FIELD_U32, .offset = AT(max_connections), .min = 0,
		.max = UINT32_MAX, .absent = "0", .doc = DOC("Most connections to this address; 0: no limit.")},
	{.name = "enableProxyProtocol", .type = FIELD_BOOL, .offset = AT(enable_proxy), .absent = "true",
		.doc = DOC("Sources in the PROXY ACL begin with a PROXY header here.")},
	{.name = "additionalAddresses", .type = FIELD_LIST, .offset = AT(more),
		.doc = DOC("Further addresses of the same kind.")},
	{.name = "padResponses", .type = FIELD_ACCEPT, .doc = DOC("Has a meaning on encrypted listeners only.")},
	{.name = "xskSocket", .type = FIELD_OBJ, .custom = no_xsk, .doc = DOC("Not supported.")},
};
const size_t bind_field_count = LEN(bind_fields);

void bind_conf_free(struct bind_conf *b)
{
	fields_free(bind_fields, bind_field_count, b);
}
