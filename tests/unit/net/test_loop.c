/* test_loop.c: a loop that fires timers, reads a pipe and opens letters from another thread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <event2/event.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "mem.h"
#include "net.h"

int test_loop(void);

/* ---- timers ---- */
struct timed {
	struct wheel_node node;
	struct loop *loop;
	unsigned fired;
	uint64_t at_ms;
	bool last;
};

static void fire(struct wheel_node *node, uint64_t now_ms)
{
	struct timed *t = container_of(node, struct timed, node);

	t->fired++;
	t->at_ms = now_ms;
	t->loop->stop = t->last;
}

static void timers_fire_in_time(void **state)
{
	struct loop l;
	struct timed t[3];
	uint64_t start;

	(void)state;
	assert_int_equal(loop_init(&l), 0);
	start = loop_ms(&l);
	for (unsigned i = 0; i < LEN(t); i++) {
		t[i] = (struct timed){.node.fire = fire, .loop = &l, .last = i == 2};
		wheel_arm(&l.wheel, &t[i].node, start + 20 * (i + 1));
	}
	wheel_disarm(&l.wheel, &t[1].node);
	loop_run(&l);
	assert_int_equal(t[0].fired, 1);
	assert_int_equal(t[1].fired, 0);
	assert_int_equal(t[2].fired, 1);
	assert_true(t[0].at_ms >= start + 20);
	assert_true(t[2].at_ms >= start + 60);
	loop_done(&l);
}

/* ---- turns and descriptors ---- */
struct pipes {
	struct loop loop;
	struct io io;
	int fd[2];
	unsigned begins, ends, reads;
	uint64_t begin_us;
};

static void on_begin(void *ctx)
{
	struct pipes *p = ctx;

	assert_int_equal(p->begins, p->ends); /* once for each turn */
	p->begins++;
	assert_true(p->loop.now_us >= p->begin_us);
	assert_true(p->loop.wall_ms > 1600000000000u);
	p->begin_us = p->loop.now_us;
}

static void on_end(void *ctx)
{
	((struct pipes *)ctx)->ends++;
}

static void on_ready(struct io *io, short what)
{
	struct pipes *p = container_of(io, struct pipes, io);
	char c;

	assert_int_equal(p->begins, p->ends + 1);
	assert_true(what & IO_READ);
	assert_int_equal(read(io_fd(io), &c, 1), 1);
	if (++p->reads == 3) {
		io_stop(io);
		p->loop.stop = true;
	} else {
		assert_int_equal(write(p->fd[1], "x", 1), 1);
	}
}

static void turns(void **state)
{
	struct pipes p = {0};

	(void)state;
	assert_int_equal(loop_init(&p.loop), 0);
	p.loop.begin = on_begin;
	p.loop.end = on_end;
	p.loop.ctx = &p;
	assert_int_equal(pipe(p.fd), 0);
	io_init(&p.io, &p.loop, p.fd[0], on_ready);
	assert_int_equal(io_want(&p.io, IO_READ), 0);
	assert_int_equal(io_want(&p.io, IO_READ), 0);
	assert_int_equal(write(p.fd[1], "x", 1), 1);
	loop_run(&p.loop);
	assert_int_equal(p.reads, 3);
	assert_int_equal(p.begins, 3);
	assert_int_equal(p.ends, 3);
	assert_int_equal(io_want(&p.io, 0), 0);
	close(p.fd[0]);
	close(p.fd[1]);
	loop_done(&p.loop);
	loop_done(&p.loop); /* harmless */
}

/* ---- letters ---- */
enum { LETTERS = 20000, WRITERS = 3 };
struct office {
	struct loop loop;
	struct mailbox box;
	unsigned next[WRITERS], opened;
	bool out_of_order;
};
struct note {
	struct letter letter;
	unsigned writer, number;
};
struct writer {
	struct office *office;
	unsigned id;
	pthread_t thread;
};

static void open_note(struct letter *l, void *owner)
{
	struct note *n = container_of(l, struct note, letter);
	struct office *o = owner;

	if (o) {
		o->out_of_order |= o->next[n->writer]++ != n->number;
		o->loop.stop = ++o->opened == LETTERS * WRITERS;
	}
	free(n);
}

static struct note *new_note(unsigned writer, unsigned number)
{
	struct note *n = calloc(1, sizeof(*n));

	if (!n)
		abort();
	n->letter.open = open_note;
	n->writer = writer;
	n->number = number;
	return n;
}

static void *write_letters(void *arg)
{
	struct writer *w = arg;

	for (unsigned i = 0; i < LETTERS; i++)
		if (mailbox_post(&w->office->box, &new_note(w->id, i)->letter, 0) < 0)
			abort();
	return NULL;
}

static void letters_come_in_order(void **state)
{
	struct office o = {0};
	struct writer w[WRITERS];

	(void)state;
	assert_int_equal(loop_init(&o.loop), 0);
	assert_int_equal(mailbox_init(&o.box, &o.loop, &o), 0);
	for (unsigned i = 0; i < WRITERS; i++) {
		w[i] = (struct writer){.office = &o, .id = i};
		assert_int_equal(pthread_create(&w[i].thread, NULL, write_letters, &w[i]), 0);
	}
	loop_run(&o.loop);
	for (unsigned i = 0; i < WRITERS; i++)
		pthread_join(w[i].thread, NULL);
	assert_int_equal(o.opened, LETTERS * WRITERS);
	assert_false(o.out_of_order);
	assert_int_equal(o.box.count, 0);
	mailbox_done(&o.box);
	loop_done(&o.loop);
}

/* ---- a crowd ---- */
enum { MANY = 300, FEW = 20 };
struct crowd {
	struct loop loop;
	struct member {
		struct io io;
		int fd[2];
		unsigned reads;
	} of[MANY];
	struct timed timed;
};

static void member_ready(struct io *io, short what)
{
	struct member *m = container_of(io, struct member, io);
	char c;

	assert_true(what & IO_READ);
	assert_int_equal(read(io_fd(io), &c, 1), 1);
	m->reads++;
}

static void crowd_come(struct crowd *c)
{
	assert_int_equal(loop_init(&c->loop), 0);
	for (unsigned i = 0; i < MANY; i++) {
		struct member *m = &c->of[i];

		assert_int_equal(pipe(m->fd), 0);
		m->reads = 0;
		io_init(&m->io, &c->loop, m->fd[0], member_ready);
		assert_int_equal(io_want(&m->io, IO_READ), 0);
	}
	assert_int_equal(c->loop.waits, MANY);
}

/* crowd_run: the loop for 20 ms, with a byte for each of those that stayed. */
static void crowd_run(struct crowd *c)
{
	for (unsigned i = 0; i < FEW; i++)
		assert_int_equal(write(c->of[i].fd[1], "x", 1), 1);
	c->timed = (struct timed){.node.fire = fire, .loop = &c->loop, .last = true};
	wheel_arm(&c->loop.wheel, &c->timed.node, loop_ms(&c->loop) + 20);
	c->loop.stop = false;
	loop_run(&c->loop);
	assert_int_equal(c->timed.fired, 1);
}

static void crowd_leave(struct crowd *c, unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++) {
		io_stop(&c->of[i].io);
		close(c->of[i].fd[0]);
		close(c->of[i].fd[1]);
	}
}

/* a_crowd_left: its |fail|th allocation fails (0: none); returns how many there were. */
static unsigned long a_crowd_left(unsigned long fail, bool *moved_r)
{
	static struct crowd c;
	struct event_base *base;
	unsigned long calls;

	crowd_come(&c);
	base = c.loop.base;
	crowd_run(&c);
	assert_ptr_equal(c.loop.base, base);
	crowd_leave(&c, FEW, MANY);
	calls = mem_calls();
	mem_fail_at(fail);
	crowd_run(&c);
	mem_fail_at(0);
	calls = mem_calls() - calls;
	*moved_r = c.loop.base != base;
	for (unsigned i = 0; i < FEW; i++)
		assert_int_equal(c.of[i].reads, 2);
	crowd_run(&c);
	assert_int_equal(c.loop.waits, FEW);
	assert_int_equal(c.loop.waits_most, FEW);
	crowd_leave(&c, 0, FEW);
	assert_int_equal(c.loop.waits, 0);
	loop_done(&c.loop);
	return calls;
}

/* Those that stay are woken as before, whether the loop found the memory to forget the others or not. */
static void a_crowd_leaves(void **state)
{
	bool moved;
	unsigned long calls = a_crowd_left(0, &moved);
	unsigned stayed = 0;

	(void)state;
	assert_true(moved);
	for (unsigned long n = 1; n <= calls; n++) {
		(void)a_crowd_left(n, &moved);
		stayed += !moved;
	}
	assert_true(stayed > 0);
}

static unsigned more;

static void more_ready(struct io *io, short what)
{
	(void)io;
	(void)what;
	more++;
}

/* leave_with_more: the crowd is gone at the end of the turn in which one that stays says it has more to do. */
static void leave_with_more(void *ctx)
{
	struct crowd *c = ctx;

	if (c->loop.waits < MANY)
		return;
	crowd_leave(c, FEW, MANY);
	event_active(&c->of[0].io.ev, IO_READ, 0);
}

static void more_to_do_is_not_lost(void **state)
{
	static struct crowd c;
	struct timed first = {.node.fire = fire, .loop = &c.loop};

	(void)state;
	more = 0;
	crowd_come(&c);
	c.of[0].io.ready = more_ready;
	c.loop.ctx = &c;
	c.loop.end = leave_with_more;
	wheel_arm(&c.loop.wheel, &first.node, loop_ms(&c.loop) + 2);
	c.timed = (struct timed){.node.fire = fire, .loop = &c.loop, .last = true};
	wheel_arm(&c.loop.wheel, &c.timed.node, loop_ms(&c.loop) + 100);
	loop_run(&c.loop);
	assert_int_equal(more, 1);
	crowd_leave(&c, 0, FEW);
	loop_done(&c.loop);
}

static void a_full_mailbox_refuses(void **state)
{
	struct office o = {0};
	struct note *refused = new_note(0, 2);

	(void)state;
	assert_int_equal(loop_init(&o.loop), 0);
	assert_int_equal(mailbox_init(&o.box, &o.loop, &o), 0);
	assert_int_equal(mailbox_post(&o.box, &new_note(0, 0)->letter, 2), 0);
	assert_int_equal(mailbox_post(&o.box, &new_note(0, 1)->letter, 2), 0);
	assert_int_equal(mailbox_post(&o.box, &refused->letter, 2), -EAGAIN);
	refused->letter.bytes = MAILBOX_BYTES_MAX; /* the last one that is let in may be as large as it is */
	assert_int_equal(mailbox_post(&o.box, &refused->letter, 4), 0);
	refused = new_note(0, 3);
	assert_int_equal(mailbox_post(&o.box, &refused->letter, 4), -EAGAIN);
	free(refused);
	/* letters that nobody opened are freed with the box */
	mailbox_done(&o.box);
	assert_int_equal(atomic_load(&o.box.bytes), 0);
	mailbox_done(&o.box);
	loop_done(&o.loop);
}

int test_loop(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(timers_fire_in_time),
		cmocka_unit_test(turns),
		cmocka_unit_test(letters_come_in_order),
		cmocka_unit_test(a_crowd_leaves),
		cmocka_unit_test(more_to_do_is_not_lost),
		cmocka_unit_test(a_full_mailbox_refuses),
	};

	return cmocka_run_group_tests_name("net/loop", tests, NULL, NULL);
}
