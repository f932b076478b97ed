/* front.c: fronts: listeners at work on a worker: what all protocols towards clients share. */
#include "front.h"
#include <unistd.h>

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
