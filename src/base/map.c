/* map.c: byte strings to pointers: open addressing, linear probing, keys inline where they are
 * short. */
#include "map.h"
#include "hash.h"
#include "mem.h"

enum { KEY_INLINE = 24, MAP_FIRST = 8, SLOT_EMPTY = 0, SLOT_DELETED = 1, HASH_FIRST = 2 };

struct map_slot {
	uint32_t hash; /* SLOT_EMPTY, SLOT_DELETED, or the key's */
	uint32_t len;
	void *value;
	union {
		uint8_t small[KEY_INLINE];
		uint8_t *big; /* when |len| > KEY_INLINE */
	} key;
};

struct map {
	struct map_slot *slot; /* NULL until the first entry */
	size_t cap;            /* a power of two, or 0 */
	size_t count;
	size_t taken; /* entries and deleted slots: what a probe has to pass */
};

static uint32_t key_hash(const void *key, size_t len)
{
	uint32_t h = (uint32_t)hash_bytes(key, len);
	return h >= HASH_FIRST ? h : h + HASH_FIRST;
}

static const uint8_t *slot_key(const struct map_slot *s)
{
	return s->len <= KEY_INLINE ? s->key.small : s->key.big;
}

/* The slot of the key, or NULL.  At least one slot is always empty, so the probe ends. */
static struct map_slot *slot_find(const struct map *m, const void *key, size_t len, uint32_t hash)
{
	if (m->count == 0)
		return NULL;
	for (size_t i = hash & (m->cap - 1);; i = (i + 1) & (m->cap - 1)) {
		struct map_slot *s = &m->slot[i];
		if (s->hash == SLOT_EMPTY)
			return NULL;
		if (s->hash == hash && s->len == len && memcmp(slot_key(s), key, len) == 0)
			return s;
	}
}

static struct map_slot *slot_vacant(struct map_slot *slot, size_t cap, uint32_t hash)
{
	size_t i = hash & (cap - 1);
	while (slot[i].hash >= HASH_FIRST)
		i = (i + 1) & (cap - 1);
	return &slot[i];
}

/* Room for one entry more: at most three quarters of the slots are taken.  The new table is
 * sized by what lives, so one that is full of deleted slots shrinks. */
static int map_reserve(struct map *m)
{
	if (m->taken + 1 <= m->cap / 4 * 3)
		return 0;
	size_t cap = MAP_FIRST;
	while (m->count + 1 > cap / 2) {
		if (cap > SIZE_MAX / 4 / sizeof(struct map_slot))
			return -ENOMEM;
		cap *= 2;
	}
	struct map_slot *slot = mem_zalloc(cap * sizeof(*slot));
	if (slot == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < m->cap; i++)
		if (m->slot[i].hash >= HASH_FIRST)
			*slot_vacant(slot, cap, m->slot[i].hash) = m->slot[i];
	mem_free(m->slot);
	m->slot = slot;
	m->cap = cap;
	m->taken = m->count;
	return 0;
}

struct map *map_new(void)
{
	return mem_zalloc(sizeof(struct map));
}

void map_free(struct map **mp)
{
	struct map *m = *mp;
	*mp = NULL;
	if (m == NULL)
		return;
	for (size_t i = 0; i < m->cap; i++)
		if (m->slot[i].hash >= HASH_FIRST && m->slot[i].len > KEY_INLINE)
			mem_free(m->slot[i].key.big);
	mem_free(m->slot);
	mem_free(m);
}

void *map_get(const struct map *m, const void *key, size_t len)
{
	if (m->count == 0)
		return NULL;
	const struct map_slot *s = slot_find(m, key, len, key_hash(key, len));
	return s != NULL ? s->value : NULL;
}

int map_set(struct map *m, const void *key, size_t len, void *value, void **old_r)
{
	uint32_t hash = key_hash(key, len);
	struct map_slot *s = slot_find(m, key, len, hash);
	if (old_r != NULL)
		*old_r = s != NULL ? s->value : NULL;
	if (s != NULL) {
		s->value = value;
		return 0;
	}
	if (len > UINT32_MAX || map_reserve(m) < 0)
		return -ENOMEM;
	uint8_t *big = NULL;
	if (len > KEY_INLINE && (big = mem_dup(key, len)) == NULL)
		return -ENOMEM;
	s = slot_vacant(m->slot, m->cap, hash);
	if (s->hash == SLOT_EMPTY)
		m->taken++;
	s->hash = hash;
	s->len = (uint32_t)len;
	s->value = value;
	if (big != NULL)
		s->key.big = big;
	else
		memcpy(s->key.small, key, len);
	m->count++;
	return 0;
}

void *map_del(struct map *m, const void *key, size_t len)
{
	if (m->count == 0)
		return NULL;
	struct map_slot *s = slot_find(m, key, len, key_hash(key, len));
	if (s == NULL)
		return NULL;
	void *value = s->value;
	if (s->len > KEY_INLINE)
		mem_free(s->key.big);
	s->hash = SLOT_DELETED;
	m->count--;
	/* Deleted slots that end a run of probes are empty again; nothing moves, so walking goes
	 * on. */
	size_t i = (size_t)(s - m->slot);
	if (m->slot[(i + 1) & (m->cap - 1)].hash == SLOT_EMPTY) {
		for (; m->slot[i].hash == SLOT_DELETED; i = (i - 1) & (m->cap - 1)) {
			m->slot[i].hash = SLOT_EMPTY;
			m->taken--;
		}
	}
	return value;
}

size_t map_count(const struct map *m)
{
	return m->count;
}

bool map_next(const struct map *m, size_t *pos, const void **key_r, size_t *len_r, void **value_r)
{
	while (*pos < m->cap) {
		const struct map_slot *s = &m->slot[(*pos)++];
		if (s->hash < HASH_FIRST)
			continue;
		if (key_r != NULL)
			*key_r = slot_key(s);
		if (len_r != NULL)
			*len_r = s->len;
		if (value_r != NULL)
			*value_r = s->value;
		return true;
	}
	return false;
}
