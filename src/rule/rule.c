/* rule.c: selectors, actions and rules as objects: made, shared by reference, freed. */
#include "rule_priv.h"
#include <stdio.h>

void *rule_no_memory(const char **error_r)
{
	*error_r = "out of memory";
	return NULL;
}

static char *PRINTF(1, 0) vtext(const char *fmt, va_list ap)
{
	struct text t = {0};
	char *copy;

	text_vaddf(&t, fmt, ap);
	copy = t.failed ? NULL : mem_strdup(text_str(&t));
	text_free(&t);
	return copy;
}

void *selector_make(size_t size, bool (*match)(struct selector *, struct dq *),
	void (*destroy)(struct selector *), const char **error_r, const char *fmt, ...)
{
	struct selector *s = mem_zalloc(size);
	va_list ap;

	if (!s)
		return rule_no_memory(error_r);
	va_start(ap, fmt);
	s->text = vtext(fmt, ap);
	va_end(ap);
	if (!s->text) {
		mem_free(s);
		return rule_no_memory(error_r);
	}
	atomic_init(&s->refs, 1);
	s->match = match;
	s->free = destroy;
	return s;
}

void *action_make(size_t size, enum act (*run)(struct action *, struct dq *),
	void (*destroy)(struct action *), const char **error_r, const char *fmt, ...)
{
	struct action *a = mem_zalloc(size);
	va_list ap;

	if (!a)
		return rule_no_memory(error_r);
	va_start(ap, fmt);
	a->text = vtext(fmt, ap);
	va_end(ap);
	if (!a->text) {
		mem_free(a);
		return rule_no_memory(error_r);
	}
	atomic_init(&a->refs, 1);
	a->run = run;
	a->free = destroy;
	return a;
}

/* The last reference must see what the others did: release on every drop, acquire on the last. */
static bool drop_ref(_Atomic uint32_t *refs)
{
	uint32_t before = atomic_fetch_sub_explicit(refs, 1, memory_order_acq_rel);

	must(before > 0);
	return before == 1;
}

struct selector *selector_ref(struct selector *s)
{
	atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
	return s;
}

void selector_free(struct selector **sp)
{
	struct selector *s = *sp;

	*sp = NULL;
	if (!s || !drop_ref(&s->refs))
		return;
	if (s->free)
		s->free(s);
	mem_free(s->text);
	mem_free(s);
}

struct action *action_ref(struct action *a)
{
	atomic_fetch_add_explicit(&a->refs, 1, memory_order_relaxed);
	return a;
}

void action_free(struct action **ap)
{
	struct action *a = *ap;

	*ap = NULL;
	if (!a || !drop_ref(&a->refs))
		return;
	if (a->free)
		a->free(a);
	mem_free(a->text);
	mem_free(a);
}

struct rule *rule_new(
	struct selector *s, struct action *a, const char *name, const char *uuid, struct rng *rng)
{
	/* Order of creation is a property of the process, not of one configuration. */
	static _Atomic uint32_t made;
	struct rule *r = mem_zalloc(sizeof(*r));

	if (!r)
		return NULL;
	r->name = mem_strdup(name ? name : "");
	if (!r->name) {
		mem_free(r);
		return NULL;
	}
	atomic_init(&r->refs, 1);
	atomic_init(&r->matches, 0);
	if (uuid)
		snprintf(r->uuid, sizeof(r->uuid), "%s", uuid);
	else
		rng_uuid(rng, r->uuid);
	r->created = atomic_fetch_add_explicit(&made, 1, memory_order_relaxed);
	r->selector = selector_ref(s);
	r->action = action_ref(a);
	return r;
}

struct rule *rule_ref(struct rule *r)
{
	atomic_fetch_add_explicit(&r->refs, 1, memory_order_relaxed);
	return r;
}

void rule_free(struct rule **rp)
{
	struct rule *r = *rp;

	*rp = NULL;
	if (!r || !drop_ref(&r->refs))
		return;
	selector_free(&r->selector);
	action_free(&r->action);
	mem_free(r->name);
	mem_free(r);
}
