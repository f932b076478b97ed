/* resolve_query.c: a small stub resolver: A and AAAA of one name, asked of a few servers in turn over UDP.
 *
 * Each try is a socket of its own, so that its port is a new one, connected, so that it hears nobody else; both questions
 * go out on it with ids of their own.  A truncated answer counts for what is in it. */
#include "resolve.h"
#include <unistd.h>

enum { TRY_MS = 1000, OTHER_MS = 100, READS = 16, REPLY_MAX = 4096, CNAMES = 16, TTL_NONE = 60 };

enum { ASK_A, ASK_AAAA, ASKS };
static const uint16_t ask_type[ASKS] = {QTYPE_A, QTYPE_AAAA};

struct stub {
	struct lane *lane;
	struct name name;
	struct stub_server servers[STUB_SERVERS];
	unsigned nservers, tries;
	void (*done)(void *ctx, const struct stub_answer *);
	void *ctx;
	int fd; /* -1: none */
	struct io io;
	struct wheel_node timer;
	uint16_t id[ASKS];
	bool answered[ASKS]; /* by anybody */
	bool heard[ASKS];    /* by the server of this try, perhaps that it will not answer */
	bool has_ttl;
	struct stub_answer answer;
};

static void close_try(struct stub *q)
{
	wheel_disarm(&q->lane->loop.wheel, &q->timer);
	if (q->fd < 0)
		return;
	io_stop(&q->io);
	close(q->fd);
	q->fd = -1;
}

static void finish(struct stub *q)
{
	close_try(q);
	if (!q->has_ttl)
		q->answer.ttl_s = TTL_NONE;
	q->done(q->ctx, &q->answer);
	mem_free(q);
}

/* ---- what a reply says ---- */
static void note_ttl(struct stub *q, uint32_t ttl_s)
{
	if (ttl_s > INT32_MAX)
		ttl_s = 0; /* RFC 2181, 8 */
	if (!q->has_ttl || ttl_s < q->answer.ttl_s)
		q->answer.ttl_s = ttl_s;
	q->has_ttl = true;
}

static void add(struct stub *q, const uint8_t *rdata, unsigned type)
{
	struct addr *a = &q->answer.v[q->answer.n];

	if (q->answer.n == STUB_ADDRS)
		return;
	memset(a, 0, sizeof(*a));
	a->family = type == QTYPE_A ? AF_INET : AF_INET6;
	memcpy(a->ip, rdata, addr_len(a));
	q->answer.n++;
}

/* collect takes the addresses of |owner| and puts its alias in its place; 1: it has one, 0, or -EBADMSG. */
static int collect(struct stub *q, const uint8_t *msg, size_t len, unsigned type, struct name *owner)
{
	struct name name, next;
	struct walk w;
	struct rr rr;
	bool alias = false;
	int rc;

	if (walk_start(&w, msg, len) < 0)
		return -EBADMSG;
	while ((rc = walk_next(&w, &rr)) > 0 && rr.section == SECTION_ANSWER) {
		if (rr.klass != CLASS_IN || (rr.type != type && rr.type != QTYPE_CNAME))
			continue;
		if (name_from_msg(&name, msg, len, rr.name_at) < 0)
			return -EBADMSG;
		if (!name_same(name.wire, owner->wire))
			continue;
		if (rr.type == type && rr.rdlen == (type == QTYPE_A ? 4 : 16))
			add(q, msg + rr.rdata_at, type);
		else if (rr.type == QTYPE_CNAME && name_from_msg(&next, msg, len, rr.rdata_at) > 0)
			alias = true;
		else
			continue;
		note_ttl(q, rr.ttl);
	}
	if (alias)
		*owner = next;
	return rc < 0 ? rc : alias;
}

/* asked: which question does this reply answer?  -1: none of ours that is still open. */
static int asked(const struct stub *q, const uint8_t *msg, size_t len)
{
	struct name name;
	ssize_t at;

	if (len < DNS_HEADER || !(dns_flags(msg) & DNS_QR) || dns_opcode(msg) != OPCODE_QUERY ||
		dns_count(msg, SECTION_QUESTION) != 1)
		return -1;
	at = name_from_msg(&name, msg, len, DNS_HEADER);
	if (at < 0 || (size_t)at + 4 > len || !name_same(name.wire, q->name.wire) || get16(msg + at + 2) != CLASS_IN)
		return -1;
	for (int i = 0; i < ASKS; i++)
		if (!q->heard[i] && !q->answered[i] && dns_id(msg) == q->id[i] && get16(msg + at) == ask_type[i])
			return i;
	return -1;
}

static void read_reply(struct stub *q, const uint8_t *msg, size_t len, int i)
{
	struct name owner = q->name;
	unsigned had = q->answer.n;
	int rc = 1;

	q->heard[i] = true;
	if (dns_rcode(msg) != RCODE_NOERROR && dns_rcode(msg) != RCODE_NXDOMAIN)
		return;
	for (unsigned n = 0; n < CNAMES && rc > 0; n++)
		rc = collect(q, msg, len, ask_type[i], &owner);
	if (rc < 0 && !(dns_flags(msg) & DNS_TC))
		q->answer.n = had;
	else
		q->answered[i] = q->answer.known = true;
}

/* ---- tries ---- */
static void next_try(struct stub *q);

static void too_late(struct wheel_node *node, uint64_t now_ms)
{
	(void)now_ms;
	next_try(container_of(node, struct stub, timer));
}

static bool all(const struct stub *q, const bool *of)
{
	return (of[ASK_A] || q->answered[ASK_A]) && (of[ASK_AAAA] || q->answered[ASK_AAAA]);
}

static void stub_ready(struct io *io, short what)
{
	struct stub *q = container_of(io, struct stub, io);
	uint8_t *buf = q->lane->scratch;

	(void)what;
	for (unsigned n = 0; n < READS; n++) {
		ssize_t len = recv(q->fd, buf, REPLY_MAX, 0);
		int i;

		if (len < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (len < 0) {
			next_try(q); /* nobody is there */
			return;
		}
		i = asked(q, buf, (size_t)len);
		if (i < 0)
			continue;
		read_reply(q, buf, (size_t)len, i);
		if (all(q, q->heard)) {
			next_try(q); /* it said all that it will */
			return;
		}
		if (q->answer.n) /* the other one should be there soon, too */
			wheel_arm(&q->lane->loop.wheel, &q->timer, loop_ms(&q->lane->loop) + OTHER_MS);
	}
}

static int send_question(struct stub *q, int i)
{
	uint8_t msg[DNS_HEADER + NAME_WIRE + 4] = {0};
	size_t len = DNS_HEADER;

	q->id[i] = (uint16_t)rng_u32(&q->lane->core.rng);
	put16(msg, q->id[i]);
	dns_set_flags(msg, DNS_RD);
	dns_set_count(msg, SECTION_QUESTION, 1);
	memcpy(msg + len, q->name.wire, q->name.len);
	len += q->name.len;
	put16(msg + len, ask_type[i]);
	put16(msg + len + 2, CLASS_IN);
	return send(q->fd, msg, len + 4, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static int open_try(struct stub *q, const struct stub_server *s)
{
	const struct sock_opts o = {.bind = s->source.family ? &s->source : NULL, .no_port = true,
		.interface = s->interface[0] ? s->interface : NULL};
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sockaddr(&s->to, &ss);
	int err = 0;

	q->fd = sock_udp(s->to.family, &o);
	if (q->fd < 0)
		return q->fd;
	io_init(&q->io, &q->lane->loop, q->fd, stub_ready);
	if (connect(q->fd, (struct sockaddr *)&ss, len) < 0)
		return -errno;
	for (int i = 0; i < ASKS && err == 0; i++) {
		q->heard[i] = false;
		if (!q->answered[i])
			err = send_question(q, i);
	}
	return err < 0 ? err : io_want(&q->io, IO_READ);
}

/* next_try: every server once, a single one twice; addresses of one family are enough. */
static void next_try(struct stub *q)
{
	unsigned most = q->nservers < 2 ? 2 : q->nservers;

	close_try(q);
	while (q->answer.n == 0 && !(q->answered[ASK_A] && q->answered[ASK_AAAA]) && q->tries < most) {
		if (open_try(q, &q->servers[q->tries++ % q->nservers]) == 0) {
			wheel_arm(&q->lane->loop.wheel, &q->timer, loop_ms(&q->lane->loop) + TRY_MS);
			return;
		}
		close_try(q);
	}
	finish(q);
}

struct stub *stub_ask(struct lane *lane, const struct name *name, const struct stub_server *servers, unsigned n,
	void (*done)(void *ctx, const struct stub_answer *), void *ctx)
{
	struct stub *q = mem_zalloc(sizeof(*q));

	must(n > 0 && n <= STUB_SERVERS);
	if (!q)
		return NULL;
	q->lane = lane;
	q->name = *name;
	memcpy(q->servers, servers, n * sizeof(servers[0]));
	q->nservers = n;
	q->done = done;
	q->ctx = ctx;
	q->fd = -1;
	q->timer.fire = too_late;
	wheel_arm(&lane->loop.wheel, &q->timer, loop_ms(&lane->loop));
	return q;
}

void stub_cancel(struct stub **p)
{
	struct stub *q = *p;

	*p = NULL;
	if (!q)
		return;
	close_try(q);
	mem_free(q);
}
