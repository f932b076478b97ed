/* site.c: what a DoH frontend serves: paths, headers, response map, as an object that never changes. */
#include "conn.h"

static const struct http_field allow = {"allow", "GET, POST"};

/* fields_of makes the list of custom headers; "allow" comes behind them. */
static int fields_of(struct doh_site *s)
{
	const struct bind_doh *d = &s->conf.doh;
	size_t n = d->header_names.n < d->header_values.n ? d->header_names.n : d->header_values.n;

	s->fields = mem_alloc((n + 1) * sizeof(*s->fields));
	if (!s->fields)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		for (char *p = d->header_names.v[i]; *p; p++)
			*p = (char)(*p >= 'A' && *p <= 'Z' ? *p + ('a' - 'A') : *p);
		s->fields[i] = (struct http_field){d->header_names.v[i], d->header_values.v[i]};
	}
	s->fields[n] = allow;
	s->nfields = n;
	return 0;
}

struct doh_site *site_new(const struct bind_doh *d)
{
	struct doh_site *s = mem_zalloc(sizeof(*s));
	struct bind_conf from = {.proto = PROTO_DOH, .doh = *d};

	if (!s)
		return NULL;
	if (bind_conf_copy(&s->conf, &from) < 0) {
		mem_free(s);
		return NULL;
	}
	atomic_init(&s->refs, 1);
	if (fields_of(s) < 0)
		site_free(&s);
	return s;
}

struct doh_site *site_ref(struct doh_site *s)
{
	atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
	return s;
}

void site_free(struct doh_site **p)
{
	struct doh_site *s = *p;

	*p = NULL;
	if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
		return;
	bind_conf_free(&s->conf);
	mem_free(s->fields);
	mem_free(s);
}
