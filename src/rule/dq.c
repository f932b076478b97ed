/* dq.c: what selectors and actions do to a query under work: EDNS on demand, tags, extended errors. */
#include "rule_priv.h"

const struct edns *dq_edns_read(struct dq *dq)
{
	/* A message that cannot be parsed has no OPT that anybody could act on. */
	if (edns_find(&dq->edns, dq->msg, dq->len))
		memset(&dq->edns, 0, sizeof(dq->edns));
	dq->edns_known = true;
	return &dq->edns;
}

static struct tag **find_tag(struct tag **at, const char *key)
{
	while (*at && strcmp((*at)->key, key) != 0)
		at = &(*at)->next;
	return at;
}

int dq_set_tag(struct dq *dq, const char *key, const char *value, size_t len)
{
	size_t key_size = strlen(key) + 1;
	struct tag *tag = mem_alloc(sizeof(*tag) + key_size + len + 1);
	struct tag **at, *old;

	if (!tag)
		return -ENOMEM;
	memcpy(tag->key, key, key_size);
	tag->value = tag->key + key_size;
	memcpy(tag->value, value, len);
	tag->value[len] = '\0';
	tag->value_len = len;
	at = find_tag(&dq->tags, key);
	old = *at;
	tag->next = old ? old->next : NULL;
	*at = tag;
	mem_free(old);
	return 0;
}

const struct tag *dq_tag(const struct dq *dq, const char *key)
{
	const struct tag *tag = dq->tags;

	while (tag && strcmp(tag->key, key) != 0)
		tag = tag->next;
	return tag;
}

void dq_unset_tag(struct dq *dq, const char *key)
{
	struct tag **at = find_tag(&dq->tags, key), *old = *at;

	if (!old)
		return;
	*at = old->next;
	mem_free(old);
}

static void free_edes(struct dq *dq)
{
	while (dq->edes > 0) {
		dq->edes--;
		mem_free(dq->ede[dq->edes].text);
		dq->ede[dq->edes].text = NULL;
	}
}

int dq_add_ede(struct dq *dq, unsigned code, const char *text, bool clear)
{
	char *copy = mem_strdup(text);

	if (!copy)
		return -ENOMEM;
	if (clear)
		free_edes(dq);
	if (dq->edes == DQ_EDE_MAX) {
		mem_free(copy);
		return -ENOBUFS;
	}
	dq->ede[dq->edes].code = (uint16_t)code;
	dq->ede[dq->edes].text = copy;
	dq->edes++;
	return 0;
}

int dq_set_http(struct dq *dq, unsigned status, const char *body, size_t len, const char *type)
{
	size_t type_len = type ? strlen(type) : 0;
	struct http_says *h = mem_alloc(sizeof(*h) + len + type_len + 1);

	if (!h)
		return -ENOMEM;
	h->status = (uint16_t)status;
	h->len = len;
	if (len)
		memcpy(h->body, body, len);
	memcpy(h->body + len, type ? type : "", type_len + 1);
	h->type = (const char *)h->body + len;
	mem_free(dq->http);
	dq->http = h;
	return 0;
}

void dq_free_marks(struct dq *dq)
{
	struct tag *next;

	for (struct tag *tag = dq->tags; tag; tag = next) {
		next = tag->next;
		mem_free(tag);
	}
	dq->tags = NULL;
	free_edes(dq);
	mem_free(dq->http);
	dq->http = NULL;
}
