/* resolve_system.c: the system's resolver, which blocks: asked on a thread of its own, one name after the other.
 *
 * For getAddressInfo(), and for backends by host name where nobody else can be asked.  The thread lives from the first
 * look-up on. */
#include "resolve.h"
#include <netdb.h>
#include <time.h>
#include <unistd.h>

enum { STACK = 256 << 10, FOUND_MAX = 16, WAITING_MAX = 64 };

/* One name under way: filled by the thread, given back by a letter. */
struct lookup {
	struct letter letter;
	struct lookup *next;
	void (*done)(void *ctx, const struct addr *, unsigned n);
	void *ctx;
	unsigned n;
	struct addr v[FOUND_MAX];
	char host[];
};

struct asker {
	struct daemon *daemon;
	pthread_t thread;
	pthread_mutex_t lock; /* all below */
	pthread_cond_t more;
	struct lookup *first, **last;
	unsigned waiting;
	bool running, stop;
};

/* In the place of one that was stopped: refuses. */
static struct asker ended = {.lock = PTHREAD_MUTEX_INITIALIZER, .stop = true};

static void look_up(struct lookup *t)
{
	struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_DGRAM}, *list = NULL;

	if (getaddrinfo(t->host, NULL, &hints, &list) != 0)
		return;
	for (const struct addrinfo *a = list; a && t->n < FOUND_MAX; a = a->ai_next) {
		addr_from_sockaddr(&t->v[t->n], a->ai_addr);
		t->v[t->n].port = 0;
		t->n += t->v[t->n].family != 0;
	}
	freeaddrinfo(list);
}

/* looked_up runs on worker 0; at the end of the daemon nobody should begin anything with what was found. */
static void looked_up(struct letter *l, void *owner)
{
	struct lookup *t = container_of(l, struct lookup, letter);

	t->done(t->ctx, t->v, owner ? t->n : 0);
	mem_free(t);
}

static void *asker_main(void *arg)
{
	struct asker *a = arg;

	pthread_mutex_lock(&a->lock);
	while (!a->stop) {
		struct lookup *t = a->first;

		if (!t) {
			pthread_cond_wait(&a->more, &a->lock);
			continue;
		}
		a->first = t->next;
		a->waiting--;
		if (!a->first)
			a->last = &a->first;
		pthread_mutex_unlock(&a->lock);
		look_up(t);
		t->letter.open = looked_up;
		(void)mailbox_post(&a->daemon->workers[0].lane.mailbox, &t->letter, 0);
		pthread_mutex_lock(&a->lock);
	}
	pthread_mutex_unlock(&a->lock);
	return NULL;
}

/* asker_of: the one of this daemon; |make|: made when there is none. */
static struct asker *asker_of(struct daemon *d, bool make)
{
	struct asker *a;

	pthread_mutex_lock(&d->lock);
	if (!d->asker && make) {
		a = mem_zalloc(sizeof(*a));
		if (a) {
			a->daemon = d;
			a->last = &a->first;
			pthread_mutex_init(&a->lock, NULL);
			pthread_cond_init(&a->more, NULL);
		}
		d->asker = a;
	}
	a = d->asker;
	pthread_mutex_unlock(&d->lock);
	return a;
}

int asker_ask(struct daemon *d, const char *host, unsigned cap, void (*done)(void *ctx, const struct addr *, unsigned n),
	void *ctx)
{
	struct asker *a = asker_of(d, true);
	size_t len = strlen(host) + 1;
	struct lookup *t;
	int err = 0;

	if (!a)
		return -ENOMEM;
	t = mem_zalloc(sizeof(*t) + len);
	if (!t)
		return -ENOMEM;
	t->done = done;
	t->ctx = ctx;
	memcpy(t->host, host, len);
	pthread_mutex_lock(&a->lock);
	if (a->stop) {
		err = -EPIPE;
	} else if (cap && a->waiting >= cap) {
		err = -EAGAIN;
	} else {
		*a->last = t;
		a->last = &t->next;
		a->waiting++;
		pthread_cond_signal(&a->more);
	}
	pthread_mutex_unlock(&a->lock);
	if (err < 0)
		mem_free(t);
	return err;
}

int daemon_resolve(void *daemon, const char *name, void (*done)(void *done_ctx, const struct addr *, unsigned n),
	void *done_ctx)
{
	return asker_ask(daemon, name, WAITING_MAX, done, done_ctx);
}

void asker_start(struct daemon *d)
{
	struct asker *a = asker_of(d, false);
	pthread_attr_t attr;

	if (!a || a->running || a == &ended)
		return;
	pthread_mutex_lock(&a->lock);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK);
	a->running = pthread_create(&a->thread, &attr, asker_main, a) == 0; /* else at the next call */
	pthread_attr_destroy(&attr);
	pthread_mutex_unlock(&a->lock);
}

void asker_stop(struct daemon *d)
{
	struct asker *a = asker_of(d, false);
	struct timespec until;

	if (!a || a == &ended)
		return;
	pthread_mutex_lock(&a->lock);
	a->stop = true;
	pthread_cond_signal(&a->more);
	pthread_mutex_unlock(&a->lock);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 1;
	if (a->running && pthread_timedjoin_np(a->thread, NULL, &until) != 0)
		_exit(0); /* the system's resolver hangs: nothing is left to do but this, and it cannot be called off */
	while (a->first) {
		struct lookup *t = a->first;

		a->first = t->next;
		t->done(t->ctx, t->v, 0);
		mem_free(t);
	}
	pthread_mutex_lock(&d->lock);
	d->asker = &ended;
	pthread_mutex_unlock(&d->lock);
	pthread_cond_destroy(&a->more);
	pthread_mutex_destroy(&a->lock);
	mem_free(a);
}
