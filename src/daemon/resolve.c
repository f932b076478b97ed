/* resolve.c: backends given by host name: asked of the system's resolver on a thread of its own, again and again.
 *
 * The thread lives only while there is such a backend.  A name that resolves keeps its last good address when a later
 * try fails; until the first one succeeds its backend takes no queries. */
#include "daemon_priv.h"
#include <netdb.h>
#include <time.h>
#include <unistd.h>

enum { AGAIN_MS = 60000, SOON_MS = 2000, STACK = 256 << 10 };

/* One name under way: made by worker 0, filled by the thread, given back by a letter. */
struct task {
	struct letter letter;
	struct task *next;
	struct server *server; /* a reference */
	struct addr addr;      /* family 0: not found */
};

struct due { /* when to ask again, by server */
	struct server *server; /* only compared */
	uint64_t at_ms;
	bool busy;
};

struct resolver {
	struct daemon *daemon;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct task *first, **last;
	bool stop;
	struct due *due; /* worker 0 only */
	size_t n;
};

/* host_of cuts the port off "name:port". */
static void host_of(const char *address, char *out, size_t cap)
{
	const char *colon = strrchr(address, ':');
	size_t n = colon ? (size_t)(colon - address) : strlen(address);

	n = n < cap ? n : cap - 1;
	memcpy(out, address, n);
	out[n] = 0;
}

static void look_up(struct task *t)
{
	struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_DGRAM}, *list = NULL;
	char host[NAME_TEXT];

	host_of(t->server->conf.address, host, sizeof(host));
	if (getaddrinfo(host, NULL, &hints, &list) == 0 && list)
		addr_from_sockaddr(&t->addr, list->ai_addr);
	if (list)
		freeaddrinfo(list);
	t->addr.port = 0;
}

static struct due *due_of(struct resolver *r, const struct server *s)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->due[i].server == s)
			return &r->due[i];
	return NULL;
}

static void use_answer(struct daemon *d, const struct task *t, uint64_t now_ms)
{
	struct due *due = d->resolver ? due_of(d->resolver, t->server) : NULL;
	struct addr buf, was = *server_addr(t->server, &buf);
	char text[ADDR_TEXT];

	if (due) {
		due->busy = false;
		due->at_ms = now_ms + (t->addr.family ? AGAIN_MS : SOON_MS);
	}
	if (t->addr.family && !addr_same_ip(&was, &t->addr)) {
		server_set_addr(t->server, &t->addr);
		log_info(BACK, "backend %s is at %s", server_name(t->server), addr_print(&t->addr, false, text));
		for (unsigned i = 0; i < d->nworkers; i++)
			(void)post_reconnect(&d->workers[i], t->server);
	} else if (!t->addr.family && !was.family) {
		log_warn(BACK, "backend %s: its name does not resolve yet", server_name(t->server));
	}
}

/* answered runs on worker 0. */
static void answered(struct letter *l, void *owner)
{
	struct task *t = container_of(l, struct task, letter);
	struct lane *lane = owner;

	if (lane)
		use_answer(container_of(lane, struct worker, lane)->daemon, t, loop_ms(&lane->loop));
	server_free(&t->server);
	mem_free(t);
}

static void *resolver_main(void *arg)
{
	struct resolver *r = arg;

	pthread_mutex_lock(&r->lock);
	while (!r->stop) {
		struct task *t = r->first;

		if (!t) {
			pthread_cond_wait(&r->more, &r->lock);
			continue;
		}
		r->first = t->next;
		if (!r->first)
			r->last = &r->first;
		pthread_mutex_unlock(&r->lock);
		look_up(t);
		t->letter.open = answered;
		(void)mailbox_post(&r->daemon->workers[0].lane.mailbox, &t->letter, 0);
		pthread_mutex_lock(&r->lock);
	}
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

static struct resolver *resolver_new(struct daemon *d)
{
	struct resolver *r = mem_zalloc(sizeof(*r));
	pthread_attr_t attr;
	int err;

	if (!r)
		return NULL;
	r->daemon = d;
	r->last = &r->first;
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->more, NULL);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK);
	err = pthread_create(&r->thread, &attr, resolver_main, r);
	pthread_attr_destroy(&attr);
	if (err == 0)
		return r;
	mem_free(r);
	return NULL;
}

void resolve_stop(struct daemon *d)
{
	struct resolver *r = d->resolver;
	struct timespec until;

	if (!r)
		return;
	pthread_mutex_lock(&r->lock);
	r->stop = true;
	pthread_cond_signal(&r->more);
	pthread_mutex_unlock(&r->lock);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 1;
	if (pthread_timedjoin_np(r->thread, NULL, &until) != 0)
		_exit(0); /* the system's resolver hangs: nothing is left to do but this, and it cannot be called off */
	while (r->first) {
		struct task *t = r->first;

		r->first = t->next;
		server_free(&t->server);
		mem_free(t);
	}
	d->resolver = NULL;
	mem_free(r->due);
	mem_free(r);
}

static void ask(struct resolver *r, struct server *s, struct due *due)
{
	struct task *t = mem_zalloc(sizeof(*t));

	if (!t)
		return;
	t->server = server_ref(s);
	due->busy = true;
	pthread_mutex_lock(&r->lock);
	*r->last = t;
	r->last = &t->next;
	pthread_cond_signal(&r->more);
	pthread_mutex_unlock(&r->lock);
}

/* list_names makes |r->due| the host names of |c|, keeping what is known of them; -ENOMEM. */
static int list_names(struct resolver *r, const struct conf *c, size_t n)
{
	struct due *due = mem_zalloc(n * sizeof(*due));
	size_t at = 0;

	if (!due)
		return -ENOMEM;
	for (size_t i = 0; i < c->nservers; i++) {
		struct due *was = due_of(r, c->servers[i]);

		if (!c->servers[i]->is_name)
			continue;
		if (was)
			due[at] = *was;
		due[at++].server = c->servers[i];
	}
	mem_free(r->due);
	r->due = due;
	r->n = at;
	return 0;
}

void resolve_tick(struct daemon *d, const struct conf *c, uint64_t now_ms)
{
	size_t names = 0;

	for (size_t i = 0; i < c->nservers; i++)
		names += c->servers[i]->is_name;
	if (names == 0)
		return;
	if (!d->resolver)
		d->resolver = resolver_new(d);
	if (!d->resolver || list_names(d->resolver, c, names) < 0)
		return;
	for (size_t i = 0; i < d->resolver->n; i++)
		if (!d->resolver->due[i].busy && d->resolver->due[i].at_ms <= now_ms)
			ask(d->resolver, d->resolver->due[i].server, &d->resolver->due[i]);
}
