/* doh.h: private to front/doh: one HTTP connection of a client. */
#ifndef FRONT_DOH_H
#define FRONT_DOH_H

#include "conn.h"
#include "http.h"

#define DOH_TYPE "application/dns-message"
#define DOH_HTML "text/html; charset=utf-8"
enum { DOH_PLACE_MAX = 2048 };

struct doh { /* conn.codec, from the first byte on */
	struct http_server *http;
	struct doh_site *site; /* a reference: what requests see */
	uint64_t turn_us;      /* the turn that |http| has a budget for */
};

/* front_doh.c */
extern const struct client_ops doh_client;
void doh_look(struct conn *) NONNULL; /* the site may have changed */
void doh_send(struct conn *, struct http_request *, struct http_reply *) NONNULL; /* adds what all answers carry */
void doh_send_text(struct conn *, struct http_request *, unsigned status, const char *text) NONNULL;
/* request.c */
void doh_request(void *conn, struct http_request *) NONNULL;

#endif
