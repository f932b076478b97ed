/* chain.c: lists of rules: evaluation, and edits of lists that are not in use yet. */
#include "rule_priv.h"
#include <strings.h>

enum act chain_evaluate(const struct chain *chain, struct dq *dq)
{
	for (size_t i = 0; i < chain->n; i++) {
		struct rule *r = chain->v[i];
		enum act act;

		if (likely(!r->selector->match(r->selector, dq)))
			continue;
		atomic_fetch_add_explicit(&r->matches, 1, memory_order_relaxed);
		act = r->action->run(r->action, dq);
		if (act != ACT_NEXT)
			return act;
	}
	return ACT_NEXT;
}

int chain_add(struct chain *chain, struct rule *r)
{
	struct rule **v;

	/* Room is made in powers of two, so the count alone tells when it is used up. */
	if ((chain->n & (chain->n - 1)) == 0) {
		v = mem_resize(chain->v, (chain->n ? 2 * chain->n : 1) * sizeof(struct rule *));
		if (!v) {
			rule_free(&r);
			return -ENOMEM;
		}
		chain->v = v;
	}
	chain->v[chain->n++] = r;
	return 0;
}

int chain_copy(struct chain *to, const struct chain *from)
{
	must(to->n == 0);
	for (size_t i = 0; i < from->n; i++) {
		if (chain_add(to, rule_ref(from->v[i]))) {
			chain_clear(to);
			return -ENOMEM;
		}
	}
	return 0;
}

void chain_clear(struct chain *chain)
{
	for (size_t i = 0; i < chain->n; i++)
		rule_free(&chain->v[i]);
	mem_free(chain->v);
	chain->v = NULL;
	chain->n = 0;
}

ssize_t chain_find(const struct chain *chain, const char *uuid_or_name)
{
	for (size_t i = 0; i < chain->n; i++) {
		if (strcasecmp(chain->v[i]->uuid, uuid_or_name) == 0)
			return (ssize_t)i;
	}
	for (size_t i = 0; i < chain->n && *uuid_or_name; i++) {
		if (strcmp(chain->v[i]->name, uuid_or_name) == 0)
			return (ssize_t)i;
	}
	return -ENOENT;
}

int chain_remove(struct chain *chain, size_t index)
{
	if (index >= chain->n)
		return -ENOENT;
	rule_free(&chain->v[index]);
	chain->n--;
	memmove(chain->v + index, chain->v + index + 1, (chain->n - index) * sizeof(struct rule *));
	return 0;
}

int chain_move(struct chain *chain, size_t from, size_t to)
{
	struct rule *r;

	if (from >= chain->n || to > chain->n)
		return -ENOENT;
	r = chain->v[from];
	if (to > from) {
		/* |to| is the rule to stand in front of, counted before the move. */
		memmove(chain->v + from, chain->v + from + 1,
			(to - from - 1) * sizeof(struct rule *));
		chain->v[to - 1] = r;
	} else {
		memmove(chain->v + to + 1, chain->v + to, (from - to) * sizeof(struct rule *));
		chain->v[to] = r;
	}
	return 0;
}
