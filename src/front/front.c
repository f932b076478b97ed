/* front.c: listeners and fronts: what all protocols towards clients share. */
#include "front.h"
#include <unistd.h>

static int copy_bind(struct bind_conf *to, const struct bind_conf *from)
{
	*to = *from;
	to->interface = NULL;
	to->more = (struct field_list){0};
	if (from->interface) {
		to->interface = mem_strdup(from->interface);
		if (!to->interface)
			return -ENOMEM;
	}
	return 0;
}

struct listener *listener_new(const struct front_ops *ops, const struct bind_conf *conf)
{
	struct listener *l = mem_zalloc(sizeof(*l));

	if (!l)
		return NULL;
	l->magic = LISTENER_MAGIC;
	atomic_init(&l->refs, 1);
	l->ops = ops;
	listener_update(l, conf);
	if (copy_bind(&l->conf, conf) == 0)
		return l;
	mem_free(l);
	return NULL;
}

struct listener *listener_ref(struct listener *l)
{
	atomic_fetch_add_explicit(&l->refs, 1, memory_order_relaxed);
	return l;
}

void listener_free(struct listener **p)
{
	struct listener *l = *p;

	*p = NULL;
	if (!l || atomic_fetch_sub_explicit(&l->refs, 1, memory_order_acq_rel) != 1)
		return;
	bind_conf_free(&l->conf);
	mem_free(l);
}

static bool same_text(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "") == 0;
}

bool listener_same(const struct listener *l, const struct front_ops *ops, const struct bind_conf *b)
{
	const struct bind_conf *a = &l->conf;

	return l->ops == ops && addr_same(&a->addr, &b->addr) && a->reuse_port == b->reuse_port &&
	       same_text(a->interface, b->interface);
}

void listener_update(struct listener *l, const struct bind_conf *b)
{
	atomic_store_explicit(&l->max_in_flight, b->max_in_flight, memory_order_relaxed);
	atomic_store_explicit(&l->max_connections, b->max_connections, memory_order_relaxed);
	atomic_store_explicit(&l->enable_proxy, b->enable_proxy, memory_order_relaxed);
}

int front_start(struct lane *lane, struct listener *l, int fd)
{
	struct front *f = mem_zalloc(sizeof(*f));
	int err;

	if (!f) {
		close(fd);
		return -ENOMEM;
	}
	f->magic = FRONT_MAGIC;
	f->ops = l->ops;
	f->lane = lane;
	f->listener = listener_ref(l);
	f->fd = fd;
	f->local = l->conf.addr;
	f->any = addr_is_any(&f->local);
	err = f->ops->start(f);
	if (err < 0) {
		close(fd);
		listener_free(&f->listener);
		mem_free(f);
		return err;
	}
	f->users = 1;
	f->next = lane->fronts;
	lane->fronts = f;
	return 0;
}

static void tell(struct front *f)
{
	if (f->queries)
		atomic_fetch_add_explicit(&f->listener->queries, f->queries, memory_order_relaxed);
	if (f->responses)
		atomic_fetch_add_explicit(&f->listener->responses, f->responses, memory_order_relaxed);
	f->queries = f->responses = 0;
}

void front_tell_all(struct lane *lane)
{
	for (struct front *f = lane->fronts; f; f = f->next)
		tell(f);
}

void front_release(struct front *f)
{
	must(f->users > 0);
	if (--f->users)
		return;
	tell(f);
	if (f->fd >= 0) {
		dgram_forget(f->lane->out, f->fd);
		close(f->fd);
	}
	listener_free(&f->listener);
	mem_free(f);
}

void front_stop(struct lane *lane, const struct listener *l)
{
	for (struct front **p = &lane->fronts; *p;) {
		struct front *f = *p;

		if (f->listener != l) {
			p = &f->next;
			continue;
		}
		*p = f->next;
		f->stopped = true;
		f->ops->stop(f);
		front_release(f);
	}
}
