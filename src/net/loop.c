/* loop.c: the event loop of one worker, and letters from other workers.
 *
 * A turn: the kernel wakes us; the clock is read once; begin(), every ready io, due timers, end(). */
#include "net.h"
#include "mem.h"
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

static uint64_t clock_us(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000u;
}

static void read_clock(struct loop *l)
{
	uint64_t now = clock_us(CLOCK_MONOTONIC);

	/* the wall clock moves with the monotonic one and is looked at again once a second */
	if (now / 1000000u != l->now_us / 1000000u || l->wall_ms == 0)
		l->wall_ms = clock_us(CLOCK_REALTIME) / 1000u;
	else
		l->wall_ms += now / 1000u - l->now_ms;
	loop_set_time(l, now);
}

void loop_turn(struct loop *l)
{
	if (l->fresh)
		return;
	l->fresh = true;
	read_clock(l);
	if (l->begin)
		l->begin(l->ctx);
}

static void timer_off(evutil_socket_t fd, short what, void *ctx)
{
	struct loop *l = ctx;

	(void)fd;
	(void)what;
	l->timer_ms = 0;
}

/* ---- libevent's memory: what it remembers of a descriptor, for good, is small and made in the middle of a connection's
 * pieces: see mem_keep().  Its length stands before each piece; small ones have nothing that needs more alignment. ---- */
enum { SMALL = 64 };

static size_t head_of(size_t size)
{
	return size <= SMALL ? sizeof(uint64_t) : sizeof(max_align_t);
}

static void *lib_alloc(size_t size)
{
	size_t head = head_of(size);
	uint8_t *p = size > SIZE_MAX - head ? NULL : size <= SMALL ? mem_keep(head + size) : mem_alloc(head + size);

	if (!p)
		return NULL;
	memcpy(p + head - sizeof(size), &size, sizeof(size));
	return p + head;
}

static size_t size_of(const void *piece)
{
	size_t size;

	memcpy(&size, (const uint8_t *)piece - sizeof(size), sizeof(size));
	return size;
}

static void lib_free(void *piece)
{
	size_t size = piece ? size_of(piece) : 0, head = head_of(size);

	if (piece && size <= SMALL)
		mem_unkeep((uint8_t *)piece - head, head + size);
	else if (piece)
		mem_free((uint8_t *)piece - head);
}

static void *lib_resize(void *piece, size_t size)
{
	size_t had = piece ? size_of(piece) : 0;
	void *fresh = lib_alloc(size);

	if (fresh && piece) {
		memcpy(fresh, piece, had < size ? had : size);
		lib_free(piece);
	}
	return fresh;
}

static void set_memory(void)
{
	event_set_mem_functions(lib_alloc, lib_resize, lib_free);
}

static struct event_base *base_new(void)
{
	struct event_config *cfg = event_config_new();
	struct event_base *base;

	if (!cfg)
		return NULL;
	event_config_set_flag(cfg, EVENT_BASE_FLAG_NOLOCK);
	event_config_set_flag(cfg, EVENT_BASE_FLAG_NO_CACHE_TIME);
	base = event_base_new_with_config(cfg);
	event_config_free(cfg);
	return base;
}

int loop_init(struct loop *l)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, set_memory);
	memset(l, 0, sizeof(*l));
	l->base = base_new();
	if (!l->base)
		return -ENOMEM;
	read_clock(l);
	wheel_init(&l->wheel, loop_ms(l));
	event_assign(&l->timer, l->base, -1, 0, timer_off, l);
	return 0;
}

void loop_done(struct loop *l)
{
	if (!l->base)
		return;
	event_del(&l->timer);
	event_base_free(l->base);
	l->base = NULL;
}

/* set_timer makes the kernel wake us for the wheel's next deadline, unless it does so early enough already. */
static void set_timer(struct loop *l)
{
	int64_t wait = wheel_next(&l->wheel, loop_ms(l));
	uint64_t at;
	struct timeval tv;

	if (wait < 0)
		return;
	at = loop_ms(l) + (uint64_t)wait;
	if (l->timer_ms && l->timer_ms <= at)
		return;
	tv.tv_sec = (time_t)((uint64_t)wait / 1000);
	tv.tv_usec = (suseconds_t)((uint64_t)wait % 1000 * 1000);
	if (event_add(&l->timer, &tv) == 0)
		l->timer_ms = at;
}

static void io_ready(evutil_socket_t fd, short what, void *ctx)
{
	struct io *io = ctx;

	(void)fd;
	loop_turn(io->loop);
	io->ready(io, what);
}

/* ---- libevent forgets no descriptor that it once waited for: when a crowd has left, those that stay move to a base of
 * their own.  Stand-ins are added to it first: what takes memory and may fail is done before anything is changed. ---- */
enum { CROWD = 64, LEFT = 8 };

struct move {
	struct io *io;
	struct event stand_in;
};
struct moves {
	struct move *v;
	unsigned n, cap;
};

static int note_io(const struct event_base *base, const struct event *ev, void *ctx)
{
	struct moves *m = ctx;

	(void)base;
	if (event_get_callback(ev) == io_ready && m->n < m->cap)
		m->v[m->n++].io = event_get_callback_arg(ev);
	return 0;
}

/* stand_in adds stand-ins to |base|: how many; fewer than there are: it failed. */
static unsigned stand_in(struct moves *m, struct event_base *base)
{
	unsigned n = 0;

	for (; n < m->n; n++) {
		struct move *v = &m->v[n];

		event_assign(&v->stand_in, base, io_fd(v->io), (short)(v->io->what | EV_PERSIST), io_ready, v->io);
		if (event_add(&v->stand_in, NULL) < 0)
			break;
	}
	return n;
}

static void move_io(struct move *v, struct event_base *base)
{
	struct io *io = v->io;

	event_del(&io->ev);
	event_assign(&io->ev, base, io_fd(io), (short)(io->what | EV_PERSIST), io_ready, io);
	must(event_add(&io->ev, NULL) == 0); /* beside its stand-in it needs nothing new */
	event_del(&v->stand_in);
}

static void renew(struct loop *l)
{
	struct moves m = {.v = mem_alloc(l->waits * sizeof(m.v[0])), .cap = l->waits};
	struct event_base *base = m.v ? base_new() : NULL;
	unsigned n = 0;

	l->waits_most = l->waits; /* if it fails: when the next crowd has left */
	if (base) {
		event_base_foreach_event(l->base, note_io, &m);
		must(m.n == l->waits);
		n = stand_in(&m, base);
	}
	if (base && n == m.n) {
		struct event_base *old = l->base;

		for (unsigned i = 0; i < n; i++)
			move_io(&m.v[i], base);
		event_del(&l->timer);
		event_assign(&l->timer, base, -1, 0, timer_off, l);
		l->timer_ms = 0;
		l->base = base;
		base = old;
	} else {
		while (n > 0)
			event_del(&m.v[--n].stand_in);
	}
	if (base)
		event_base_free(base);
	mem_free(m.v);
}

void loop_run(struct loop *l)
{
	while (!l->stop) {
		if (unlikely(l->waits_most >= CROWD && l->waits <= l->waits_most / LEFT) &&
			event_base_get_num_events(l->base, EVENT_BASE_COUNT_ACTIVE) == 0) /* those would be lost */
			renew(l);
		set_timer(l);
		l->fresh = false;
		event_base_loop(l->base, EVLOOP_ONCE);
		loop_turn(l);
		wheel_run(&l->wheel, loop_ms(l));
		if (l->end)
			l->end(l->ctx);
	}
}

/* wait_for: 0 stops waiting; 0 or -ENOMEM. */
static int wait_for(struct io *io, short what)
{
	struct loop *l = io->loop;

	if (io->what) {
		event_del(&io->ev);
		l->waits--;
	}
	io->what = 0;
	if (what == 0)
		return 0;
	event_assign(&io->ev, l->base, io_fd(io), (short)(what | EV_PERSIST), io_ready, io);
	if (event_add(&io->ev, NULL) < 0)
		return -ENOMEM;
	io->what = what;
	if (++l->waits > l->waits_most)
		l->waits_most = l->waits;
	return 0;
}

void io_init(struct io *io, struct loop *l, int fd, void (*ready)(struct io *, short what))
{
	io->loop = l;
	io->ready = ready;
	io->what = 0;
	event_assign(&io->ev, l->base, fd, EV_PERSIST, io_ready, io);
}

int io_want(struct io *io, short what)
{
	return io->what == what ? 0 : wait_for(io, what);
}

void io_stop(struct io *io)
{
	(void)!wait_for(io, 0);
}

/* ---- mailbox ---- */
static void open_all(struct mailbox *m, void *owner)
{
	struct letter *l, *next, *first = NULL;

	l = atomic_exchange_explicit(&m->head, NULL, memory_order_acquire);
	for (; l; l = next) { /* newest first becomes oldest first */
		next = l->next;
		l->next = first;
		first = l;
	}
	for (l = first; l; l = next) {
		next = l->next;
		atomic_fetch_sub_explicit(&m->count, 1, memory_order_relaxed);
		atomic_fetch_sub_explicit(&m->bytes, l->bytes, memory_order_relaxed);
		l->open(l, owner);
	}
}

static void mailbox_open(struct io *io, short what)
{
	struct mailbox *m = container_of(io, struct mailbox, io);
	uint64_t n;

	(void)what;
	if (read(m->fd, &n, sizeof(n)) < 0 && errno != EAGAIN)
		return;
	open_all(m, m->owner);
}

int mailbox_init(struct mailbox *m, struct loop *l, void *owner)
{
	atomic_init(&m->head, NULL);
	atomic_init(&m->count, 0);
	atomic_init(&m->bytes, 0);
	m->owner = owner;
	m->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (m->fd < 0)
		return -errno;
	io_init(&m->io, l, m->fd, mailbox_open);
	return io_want(&m->io, IO_READ);
}

void mailbox_done(struct mailbox *m)
{
	if (m->fd < 0)
		return;
	open_all(m, NULL);
	io_stop(&m->io);
	close(m->fd);
	m->fd = -1;
}

int mailbox_post(struct mailbox *m, struct letter *l, unsigned cap)
{
	struct letter *head = atomic_load_explicit(&m->head, memory_order_relaxed);
	uint64_t one = 1;

	if (m->fd < 0)
		return -EPIPE;
	if (cap == 0)
		l->bytes = 0;
	else if (atomic_load_explicit(&m->count, memory_order_relaxed) >= cap ||
		 atomic_load_explicit(&m->bytes, memory_order_relaxed) >= MAILBOX_BYTES_MAX)
		return -EAGAIN;
	atomic_fetch_add_explicit(&m->count, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&m->bytes, l->bytes, memory_order_relaxed);
	do
		l->next = head;
	while (!atomic_compare_exchange_weak_explicit(
		&m->head, &head, l, memory_order_release, memory_order_relaxed));
	if (head == NULL && write(m->fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
		return 0; /* an eventfd that is full wakes its reader anyway */
	return 0;
}
