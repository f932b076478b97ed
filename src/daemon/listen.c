/* listen.c: the listening sockets of a configuration, and their survival over a reload. */
#include "daemon_priv.h"
#include <stdio.h>
#include <unistd.h>

/* serves: does |ops| speak what |b| asks for?  A Do53 bind means UDP and TCP. */
static bool serves(const struct front_ops *ops, const struct bind_conf *b)
{
	return ops->proto == b->proto || (b->proto == PROTO_UDP && ops->proto == PROTO_TCP);
}

static struct listener *find(struct daemon *d, const struct front_ops *ops, const struct bind_conf *b,
	const struct listen_plan *plan)
{
	for (unsigned i = 0; i < d->nlisteners; i++) {
		bool taken = false;

		for (unsigned k = 0; k < plan->n; k++)
			taken |= plan->listeners[k] == d->listeners[i];
		if (!taken && listener_same(d->listeners[i], ops, b))
			return d->listeners[i];
	}
	return NULL;
}

static enum role role_of(const struct front_ops *ops)
{
	return ops->datagram ? ROLE_UDP_IN : ROLE_STREAM;
}

static unsigned workers_of(const struct daemon *d, enum role role)
{
	unsigned n = 0;

	for (unsigned i = 0; i < d->nworkers; i++)
		n += layout_has(&d->places, role, i);
	return n;
}

/* taken: is somebody else there already?  SO_REUSEPORT would let another program of the same user share our queries. */
static int taken(struct listener *l, const char **why)
{
	int fd;

	if (!l->share_port || l->conf.reuse_port)
		return 0;
	l->share_port = false;
	fd = l->ops->open(l, why);
	l->share_port = true;
	if (fd >= 0)
		close(fd);
	return fd < 0 ? fd : 0;
}

/* open_fds opens one socket for each worker that has the role. */
static int open_fds(struct daemon *d, struct listener *l, int *fds, const char **error_r)
{
	const char *why = "";
	char text[ADDR_TEXT];
	int busy = taken(l, &why);

	for (unsigned i = 0; i < d->nworkers; i++) {
		fds[i] = -1;
		if (!layout_has(&d->places, role_of(l->ops), i))
			continue;
		fds[i] = busy < 0 ? busy : l->ops->open(l, &why);
		if (fds[i] >= 0)
			continue;
		error_set(error_r, "%s%scannot listen on %s (%s): %s", l->conf.where ? l->conf.where : "",
			l->conf.where ? ": " : "", addr_print(&l->conf.addr, true, text), l->ops->name, why);
		for (i++; i < d->nworkers; i++)
			fds[i] = -1;
		return -EINVAL;
	}
	return 0;
}

/* fast_open_key reads "8-8-8-8" hexadecimal digits, as /proc/sys/net/ipv4/tcp_fastopen_key shows them. */
static bool fast_open_key(const char *text, uint8_t key[16])
{
	unsigned word[4];

	if (!text || sscanf(text, "%8x-%8x-%8x-%8x", &word[0], &word[1], &word[2], &word[3]) != 4)
		return false;
	memcpy(key, word, sizeof(word));
	return true;
}

/* name_it says where the user defined the listener that |why| is about. */
static int name_it(const struct front_ops *ops, const struct bind_conf *b, const char *why, const char **error_r)
{
	char text[ADDR_TEXT];

	if (b->where)
		return error_set(error_r, "%s: %s", b->where, why);
	return error_set(error_r, "%s %s: %s", ops->name, addr_print(&b->addr, true, text), why);
}

static struct listener *listener_make(const struct front_ops *ops, const struct bind_conf *b, const char **error_r)
{
	const char *why = "out of memory";
	struct listener *l = listener_new(ops, b, &why);

	if (!l)
		name_it(ops, b, why, error_r);
	return l;
}

/* plan_one: |b| is |of|, or that with another one of its addresses. */
static int plan_one(struct daemon *d, const struct conf *c, const struct front_ops *ops, const struct bind_conf *b,
	const struct bind_conf *of, unsigned number, struct listen_plan *plan, const char **error_r)
{
	struct listener *l = find(d, ops, b, plan);
	unsigned i = plan->n;

	if (i == LISTENERS_MAX)
		return error_set(error_r, "more than %d listening sockets", LISTENERS_MAX);
	plan->fresh[i] = l == NULL;
	plan->bind[i] = of;
	plan->number[i] = number;
	plan->fds[i] = NULL;
	if (l) {
		plan->listeners[plan->n++] = listener_ref(l);
		return 0;
	}
	l = listener_make(ops, b, error_r);
	if (!l)
		return -EINVAL;
	l->recv_buffer = c->set.udp_recv_buffer;
	l->send_buffer = c->set.udp_send_buffer;
	l->has_fast_open_key = fast_open_key(c->set.tcp_fast_open_key, l->fast_open_key);
	l->share_port = workers_of(d, role_of(ops)) > 1;
	plan->listeners[i] = l;
	plan->fds[i] = mem_alloc(d->nworkers * sizeof(int));
	plan->n++;
	if (!plan->fds[i])
		return error_set(error_r, "out of memory");
	return open_fds(d, l, plan->fds[i], error_r);
}

static int plan_bind(struct daemon *d, const struct conf *c, const struct bind_conf *b, unsigned number,
	struct listen_plan *plan, const char **error_r)
{
	for (const struct front_ops *const *ops = registry_fronts; *ops; ops++) {
		int err = serves(*ops, b) ? plan_one(d, c, *ops, b, b, number, plan, error_r) : 0;

		for (size_t m = 0; err == 0 && serves(*ops, b) && m < b->more.n; m++) {
			struct bind_conf other = *b;

			other.more = (struct field_list){0};
			if (addr_parse(&other.addr, b->more.v[m], b->addr.port) < 0)
				return error_set(error_r, "additionalAddresses: expected an address, got '%s'",
					b->more.v[m]);
			err = plan_one(d, c, *ops, &other, b, number, plan, error_r);
		}
		if (err < 0)
			return err;
	}
	return 0;
}

/* number_of counts the binds of the same protocol before |i|: what getTLSFrontend() and others call it. */
static unsigned number_of(const struct conf *c, size_t i)
{
	unsigned n = 0;

	for (size_t k = 0; k < i; k++)
		n += c->binds[k].proto == c->binds[i].proto;
	return n;
}

void listen_cancel(struct daemon *d, struct listen_plan *plan)
{
	for (unsigned i = 0; i < plan->n; i++) {
		for (unsigned w = 0; plan->fds[i] && w < d->nworkers; w++)
			if (plan->fds[i][w] >= 0)
				close(plan->fds[i][w]);
		mem_free(plan->fds[i]);
		listener_free(&plan->listeners[i]);
	}
	plan->n = 0;
	conf_free(&plan->conf);
}

int listen_open(struct daemon *d, struct conf *c, struct listen_plan *plan, const char **error_r)
{
	plan->n = 0;
	plan->conf = conf_ref(c);
	for (size_t i = 0; i < c->nbinds; i++) {
		int err = plan_bind(d, c, &c->binds[i], number_of(c, i), plan, error_r);

		if (err < 0) {
			listen_cancel(d, plan);
			return err;
		}
	}
	return 0;
}

static bool planned(const struct listen_plan *plan, const struct listener *l)
{
	for (unsigned i = 0; i < plan->n; i++)
		if (plan->listeners[i] == l)
			return true;
	return false;
}

/* renew gives a listener that stays the new file's options, and reads its certificates again. */
static void renew(struct listener *l, const struct bind_conf *b)
{
	const char *error = "";

	say_late_options(l, b);
	if (listener_update(l, b, &error) == 0)
		return;
	name_it(l->ops, b, error, &error);
	log_error(FRONT, "%s; the old ones stay", error);
}

void listen_apply(struct daemon *d, struct listen_plan *plan)
{
	int err;

	for (unsigned i = 0; i < plan->n; i++) {
		if (plan->fresh[i])
			say_listening(plan->listeners[i]);
		else
			renew(plan->listeners[i], plan->bind[i]);
		for (unsigned w = 0; plan->fresh[i] && w < d->nworkers; w++)
			if (plan->fds[i][w] >= 0 &&
				(err = post_front(&d->workers[w], plan->listeners[i], plan->fds[i][w])) < 0)
				log_error(FRONT, "%s: a listening socket was closed", strerror(-err));
		mem_free(plan->fds[i]);
		plan->fds[i] = NULL;
	}
	for (unsigned i = 0; i < d->nlisteners; i++) {
		for (unsigned w = 0; !planned(plan, d->listeners[i]) && w < d->nworkers; w++)
			if ((err = post_front(&d->workers[w], d->listeners[i], -1)) < 0 && err != -EPIPE) /* it has ended */
				log_warn(FRONT, "%s: a listening socket stays open", strerror(-err));
	}
	pthread_mutex_lock(&d->lock); /* others may be looking at the list */
	for (unsigned i = 0; i < d->nlisteners; i++)
		listener_free(&d->listeners[i]);
	memcpy(d->listeners, plan->listeners, plan->n * sizeof(plan->listeners[0]));
	memcpy(d->listener_number, plan->number, plan->n * sizeof(plan->number[0]));
	d->nlisteners = plan->n;
	pthread_mutex_unlock(&d->lock);
}

void listen_serve(struct daemon *d)
{
	listen_apply(d, d->plan);
	conf_free(&d->plan->conf);
	mem_free(d->plan);
	d->plan = NULL;
	d->serving = true;
}

void listen_show(struct daemon *d, struct text *out)
{
	pthread_mutex_lock(&d->lock);
	text_add(out, "#   Address                                  Protocol   Queries    Responses  Connections\n");
	for (unsigned i = 0; i < d->nlisteners; i++) {
		const struct listener *l = d->listeners[i];
		char text[ADDR_TEXT];

		text_addf(out, "%-3u %-40s %-10s %-10llu %-10llu %u/%u\n", i, addr_print(&l->conf.addr, true, text),
			l->ops->name, (unsigned long long)atomic_load(&l->queries),
			(unsigned long long)atomic_load(&l->responses), atomic_load(&l->conns),
			atomic_load(&l->max_connections));
	}
	pthread_mutex_unlock(&d->lock);
}

int listen_check(const struct conf *c, const char **error_r)
{
	for (size_t i = 0; i < c->nbinds; i++)
		for (const struct front_ops *const *ops = registry_fronts; *ops; ops++) {
			struct listener *l = serves(*ops, &c->binds[i]) ? listener_make(*ops, &c->binds[i], error_r) : NULL;

			if (!l && serves(*ops, &c->binds[i]))
				return -EINVAL;
			listener_free(&l);
		}
	return backends_check(c, error_r);
}
