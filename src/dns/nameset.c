/* nameset.c: sets of names, exact and by suffix, over base's map.
 *
 * Both keep lower-case wire names as keys.  The suffix set also counts its members by number of
 * labels: a look-up hashes only those suffixes of a name whose label count occurs in the set. */
#include "dns_priv.h"
#include "map.h"
#include "mem.h"

struct nameset {
	struct map *map;
};

struct suffixset {
	struct map *map;
	size_t by_labels[NAME_LABELS + 1];
};

static size_t lower_name(uint8_t out[NAME_WIRE], const struct name *n)
{
	lower_copy(out, n->wire, n->len);
	return n->len;
}

/* A key's value only has to be something; the map itself will do. */
static int map_add(struct map *map, const uint8_t *key, size_t len)
{
	return map_set(map, key, len, map, NULL);
}

static int map_add_all(struct map *to, const struct map *from)
{
	const void *key;
	size_t pos = 0, len;
	void *value;
	int rc = 0;

	while (rc == 0 && map_next(from, &pos, &key, &len, &value))
		rc = map_add(to, key, len);
	return rc;
}

static bool map_next_name(const struct map *map, size_t *pos, const uint8_t **wire_r)
{
	const void *key;
	size_t len;
	void *value;

	if (!map_next(map, pos, &key, &len, &value))
		return false;
	*wire_r = key;
	return true;
}

struct nameset *nameset_new(void)
{
	struct nameset *s = mem_zalloc(sizeof(*s));

	if (s == NULL)
		return NULL;
	s->map = map_new();
	if (s->map == NULL)
		nameset_free(&s);
	return s;
}

struct nameset *nameset_copy(const struct nameset *from)
{
	struct nameset *s = nameset_new();

	if (s != NULL && map_add_all(s->map, from->map) != 0)
		nameset_free(&s);
	return s;
}

void nameset_free(struct nameset **s)
{
	if (*s == NULL)
		return;
	if ((*s)->map != NULL)
		map_free(&(*s)->map);
	mem_free(*s);
	*s = NULL;
}

int nameset_add(struct nameset *s, const struct name *n)
{
	uint8_t key[NAME_WIRE];
	size_t len = lower_name(key, n);

	return map_add(s->map, key, len);
}

bool nameset_del(struct nameset *s, const struct name *n)
{
	uint8_t key[NAME_WIRE];
	size_t len = lower_name(key, n);

	return map_del(s->map, key, len) != NULL;
}

bool nameset_has(const struct nameset *s, const uint8_t *lower, size_t len)
{
	return map_get(s->map, lower, len) != NULL;
}

size_t nameset_size(const struct nameset *s)
{
	return map_count(s->map);
}

bool nameset_next(const struct nameset *s, size_t *pos, const uint8_t **wire_r)
{
	return map_next_name(s->map, pos, wire_r);
}

struct suffixset *suffixset_new(void)
{
	struct suffixset *s = mem_zalloc(sizeof(*s));

	if (s == NULL)
		return NULL;
	s->map = map_new();
	if (s->map == NULL)
		suffixset_free(&s);
	return s;
}

struct suffixset *suffixset_copy(const struct suffixset *from)
{
	struct suffixset *s = suffixset_new();

	if (s == NULL)
		return NULL;
	memcpy(s->by_labels, from->by_labels, sizeof(s->by_labels));
	if (map_add_all(s->map, from->map) != 0)
		suffixset_free(&s);
	return s;
}

void suffixset_free(struct suffixset **s)
{
	if (*s == NULL)
		return;
	if ((*s)->map != NULL)
		map_free(&(*s)->map);
	mem_free(*s);
	*s = NULL;
}

int suffixset_add(struct suffixset *s, const struct name *n)
{
	uint8_t key[NAME_WIRE];
	size_t len = lower_name(key, n);
	size_t before = map_count(s->map);
	int rc = map_add(s->map, key, len);

	if (rc == 0 && map_count(s->map) != before)
		s->by_labels[n->labels]++;
	return rc;
}

bool suffixset_del(struct suffixset *s, const struct name *n)
{
	uint8_t key[NAME_WIRE];
	size_t len = lower_name(key, n);

	if (map_del(s->map, key, len) == NULL)
		return false;
	s->by_labels[n->labels]--;
	return true;
}

int suffixset_match(const struct suffixset *s, const uint8_t *lower, size_t len)
{
	unsigned labels;
	size_t at = 0;

	if (map_count(s->map) == 0)
		return -1;
	for (labels = name_labels(lower);; labels--) {
		if (s->by_labels[labels] != 0 && map_get(s->map, lower + at, len - at) != NULL)
			return (int)at;
		if (labels == 0)
			return -1;
		at += lower[at] + 1U;
	}
}

size_t suffixset_size(const struct suffixset *s)
{
	return map_count(s->map);
}

bool suffixset_next(const struct suffixset *s, size_t *pos, const uint8_t **wire_r)
{
	return map_next_name(s->map, pos, wire_r);
}
