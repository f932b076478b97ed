/* netset.c: a set of netmasks: one path-compressed binary trie per family.
 *
 * Nodes of a family lie in one array and point at each other by index, so a copy is one memcpy
 * and a node of IPv4 is 16 bytes.  Node 0 is the root with the empty prefix; index 0 as a child
 * means none. */
#include "addr.h"
#include "mem.h"

enum { KEY_WORDS_MAX = 4 };
enum verdict { VERDICT_NONE, VERDICT_YES, VERDICT_NO };

struct node {
	uint32_t child[2]; /* by the first bit after the prefix; free nodes link through [0] */
	uint8_t bits;      /* length of the prefix */
	uint8_t verdict;   /* VERDICT_NONE: a fork that is no mask of the set */
	uint32_t key[];    /* the prefix, first bit highest, zero after |bits| */
};

struct trie {
	uint8_t *mem;
	uint32_t used, cap; /* nodes */
	uint32_t free, nfree;
	uint32_t masks;
	uint8_t words; /* of a key: 1 or 4 */
};

struct netset {
	struct trie v4, v6;
};

static inline size_t node_size(unsigned words)
{
	return sizeof(struct node) + words * sizeof(uint32_t);
}

static inline struct node *trie_node(const struct trie *t, unsigned words, uint32_t i)
{
	return (struct node *)(void *)(t->mem + i * node_size(words));
}

static struct node *node_at(const struct trie *t, uint32_t i)
{
	return trie_node(t, t->words, i);
}

static inline unsigned key_bit(const uint32_t *key, unsigned i)
{
	return key[i / 32] >> (31 - i % 32) & 1;
}

static void key_load(uint32_t *key, const uint8_t *ip, unsigned words)
{
	for (unsigned i = 0; i < words; i++)
		key[i] = get32(ip + 4 * i);
}

static void key_mask(uint32_t *key, unsigned words, unsigned bits)
{
	for (unsigned i = 0; i < words; i++, bits = bits > 32 ? bits - 32 : 0)
		if (bits < 32)
			key[i] &= bits == 0 ? 0 : ~(UINT32_MAX >> bits);
}

static inline bool key_begins(const uint32_t *key, const uint32_t *prefix, unsigned bits)
{
	for (; bits >= 32; bits -= 32)
		if (*key++ != *prefix++)
			return false;
	return bits == 0 || (*key ^ *prefix) >> (32 - bits) == 0;
}

/* How many of the first |max| bits are the same. */
static unsigned key_common(const uint32_t *a, const uint32_t *b, unsigned max)
{
	for (unsigned i = 0; i < max; i += 32) {
		uint32_t diff = a[i / 32] ^ b[i / 32];
		if (diff != 0) {
			unsigned n = i + (unsigned)__builtin_clz(diff);
			return n < max ? n : max;
		}
	}
	return max;
}

/* Room for |n| nodes more, and the root. */
static int trie_reserve(struct trie *t, uint32_t n)
{
	uint32_t need = t->used + n + 1 - t->nfree;
	if (n > t->nfree && need > t->cap) {
		uint32_t cap = t->cap != 0 ? t->cap : 4;
		while (cap < need && cap <= UINT32_MAX / 2)
			cap *= 2;
		if (cap < need || cap > SIZE_MAX / node_size(KEY_WORDS_MAX))
			return -ENOMEM;
		uint8_t *mem = mem_resize(t->mem, cap * node_size(t->words));
		if (mem == NULL)
			return -ENOMEM;
		t->mem = mem;
		t->cap = cap;
	}
	if (t->used == 0) {
		memset(t->mem, 0, node_size(t->words));
		t->used = 1;
	}
	return 0;
}

/* After trie_reserve(): cannot fail and moves no node. */
static uint32_t node_new(struct trie *t, const uint32_t *key, unsigned bits, enum verdict verdict)
{
	uint32_t i = t->free;
	if (t->nfree != 0) {
		t->free = node_at(t, i)->child[0];
		t->nfree--;
	} else {
		i = t->used++;
	}
	struct node *n = node_at(t, i);
	n->child[0] = n->child[1] = 0;
	n->bits = (uint8_t)bits;
	n->verdict = (uint8_t)verdict;
	memcpy(n->key, key, t->words * sizeof(*key));
	key_mask(n->key, t->words, bits);
	return i;
}

static void node_drop(struct trie *t, uint32_t i)
{
	node_at(t, i)->child[0] = t->free;
	t->free = i;
	t->nfree++;
}

static void node_link(struct trie *t, uint32_t parent, uint32_t child)
{
	struct node *n = node_at(t, parent);
	n->child[key_bit(node_at(t, child)->key, n->bits)] = child;
}

static int trie_add(struct trie *t, const uint32_t *key, unsigned bits, enum verdict verdict)
{
	if (trie_reserve(t, 2) < 0)
		return -ENOMEM;
	for (uint32_t at = 0;;) {
		struct node *n = node_at(t, at);
		if (n->bits == bits) {
			t->masks += n->verdict == VERDICT_NONE;
			n->verdict = (uint8_t)verdict;
			return 0;
		}
		uint32_t next = n->child[key_bit(key, n->bits)];
		unsigned end = 0, common = 0;
		if (next != 0) {
			end = node_at(t, next)->bits;
			common = key_common(node_at(t, next)->key, key, end < bits ? end : bits);
		}
		if (next != 0 && common == end) {
			at = next;
			continue;
		}
		t->masks++;
		if (next != 0 && common < bits) {
			uint32_t fork = node_new(t, key, common, VERDICT_NONE);
			node_link(t, at, fork);
			node_link(t, fork, next);
			at = fork;
			next = 0;
		}
		uint32_t leaf = node_new(t, key, bits, verdict);
		node_link(t, at, leaf);
		if (next != 0)
			node_link(t, leaf, next);
		return 0;
	}
}

/* A node that is no mask and does not fork is taken out of the path below |parent|; was it? */
static bool node_prune(struct trie *t, uint32_t parent, uint32_t i)
{
	struct node *n = node_at(t, i);
	if (i == 0 || n->verdict != VERDICT_NONE || (n->child[0] != 0 && n->child[1] != 0))
		return false;
	struct node *p = node_at(t, parent);
	p->child[p->child[1] == i] = n->child[0] != 0 ? n->child[0] : n->child[1];
	node_drop(t, i);
	return true;
}

static bool trie_remove(struct trie *t, const uint32_t *key, unsigned bits)
{
	uint32_t above = 0, parent = 0, at = 0;
	if (t->masks == 0)
		return false;
	struct node *n = node_at(t, 0);
	while (n->bits < bits) {
		uint32_t next = n->child[key_bit(key, n->bits)];
		if (next == 0)
			return false;
		above = parent;
		parent = at;
		at = next;
		n = node_at(t, at);
	}
	if (n->bits != bits || n->verdict == VERDICT_NONE || !key_begins(key, n->key, bits))
		return false;
	n->verdict = VERDICT_NONE;
	t->masks--;
	if (node_prune(t, parent, at))
		node_prune(t, above, parent);
	return true;
}

/* Inlined with a constant |words|, so that IPv4 compares one word per node. */
static inline __attribute__((always_inline)) enum verdict trie_find(const struct trie *t,
	unsigned words, const uint32_t *key)
{
	unsigned verdict = VERDICT_NONE;
	if (t->masks == 0)
		return VERDICT_NONE;
	for (const struct node *n = trie_node(t, words, 0);;) {
		if (n->verdict != VERDICT_NONE)
			verdict = n->verdict;
		if (n->bits == words * 32)
			break;
		uint32_t next = n->child[key_bit(key, n->bits)];
		if (next == 0)
			break;
		n = trie_node(t, words, next);
		if (!key_begins(key, n->key, n->bits))
			break;
	}
	return (enum verdict)verdict;
}

struct walk {
	const struct trie *trie;
	bool (*fn)(void *, const struct netmask *, bool positive);
	void *ctx;
};

/* A prefix comes before what lies in it; at most 129 calls deep. */
static bool trie_walk(const struct walk *w, uint32_t at)
{
	const struct node *n = node_at(w->trie, at);
	if (n->verdict != VERDICT_NONE) {
		struct netmask m;
		memset(&m, 0, sizeof(m));
		m.net.family = w->trie->words == 1 ? AF_INET : AF_INET6;
		m.bits = n->bits;
		for (unsigned i = 0; i < w->trie->words; i++)
			put32(m.net.ip + 4 * i, n->key[i]);
		if (!w->fn(w->ctx, &m, n->verdict == VERDICT_YES))
			return false;
	}
	for (unsigned i = 0; i < 2; i++)
		if (n->child[i] != 0 && !trie_walk(w, n->child[i]))
			return false;
	return true;
}

static int trie_copy(struct trie *to, const struct trie *from)
{
	*to = *from;
	to->cap = from->used;
	to->mem = NULL;
	if (from->used == 0)
		return 0;
	to->mem = mem_dup(from->mem, from->used * node_size(from->words));
	return to->mem != NULL ? 0 : -ENOMEM;
}

static void trie_clear(struct trie *t, unsigned words)
{
	mem_free(t->mem);
	memset(t, 0, sizeof(*t));
	t->words = (uint8_t)words;
}

/* The trie for a netmask and its key; NULL when the netmask is none. */
static struct trie *mask_trie(struct netset *s, const struct netmask *m, uint32_t *key)
{
	struct trie *t = m->net.family == AF_INET ? &s->v4 : &s->v6;
	if (addr_len(&m->net) == 0 || m->bits > t->words * 32)
		return NULL;
	key_load(key, m->net.ip, t->words);
	return t;
}

struct netset *netset_new(void)
{
	struct netset *s = mem_zalloc(sizeof(*s));
	if (s != NULL) {
		s->v4.words = 1;
		s->v6.words = KEY_WORDS_MAX;
	}
	return s;
}

struct netset *netset_copy(const struct netset *from)
{
	struct netset *s = netset_new();
	if (s != NULL && (trie_copy(&s->v4, &from->v4) < 0 || trie_copy(&s->v6, &from->v6) < 0))
		netset_free(&s);
	return s;
}

void netset_free(struct netset **sp)
{
	struct netset *s = *sp;
	*sp = NULL;
	if (s != NULL) {
		netset_clear(s);
		mem_free(s);
	}
}

int netset_add(struct netset *s, const struct netmask *m, bool positive)
{
	uint32_t key[KEY_WORDS_MAX];
	struct trie *t = mask_trie(s, m, key);
	if (t == NULL)
		return -EINVAL;
	return trie_add(t, key, m->bits, positive ? VERDICT_YES : VERDICT_NO);
}

int netset_add_text(struct netset *s, const char *text)
{
	struct netmask m;
	bool positive = *text != '!';
	int rc = netmask_parse(&m, positive ? text : text + 1);
	return rc < 0 ? rc : netset_add(s, &m, positive);
}

bool netset_remove(struct netset *s, const struct netmask *m)
{
	uint32_t key[KEY_WORDS_MAX];
	struct trie *t = mask_trie(s, m, key);
	return t != NULL && trie_remove(t, key, m->bits);
}

bool netset_match(const struct netset *s, const struct addr *a)
{
	uint32_t key[KEY_WORDS_MAX];
	enum verdict v = VERDICT_NONE;
	if (a->family == AF_INET) {
		key[0] = get32(a->ip);
		return trie_find(&s->v4, 1, key) == VERDICT_YES;
	}
	if (a->family != AF_INET6)
		return false;
	key_load(key, a->ip, KEY_WORDS_MAX);
	if (addr_is_mapped(a)) /* a client of a socket for both families is an IPv4 client first */
		v = trie_find(&s->v4, 1, key + 3);
	if (v == VERDICT_NONE)
		v = trie_find(&s->v6, KEY_WORDS_MAX, key);
	return v == VERDICT_YES;
}

size_t netset_size(const struct netset *s)
{
	return (size_t)s->v4.masks + s->v6.masks;
}

void netset_clear(struct netset *s)
{
	trie_clear(&s->v4, 1);
	trie_clear(&s->v6, KEY_WORDS_MAX);
}

void netset_each(const struct netset *s, bool (*fn)(void *, const struct netmask *, bool positive),
	void *ctx)
{
	const struct walk v4 = {&s->v4, fn, ctx}, v6 = {&s->v6, fn, ctx};
	if (s->v4.masks != 0 && !trie_walk(&v4, 0))
		return;
	if (s->v6.masks != 0)
		(void)trie_walk(&v6, 0);
}
