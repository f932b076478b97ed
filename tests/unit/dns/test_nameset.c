/* test_nameset.c: exact sets and suffix sets. */
#include "mem.h"
#include "wire.h"

int test_nameset(void);

static bool has(const struct nameset *s, const char *text)
{
	struct name n = name_of(text);

	name_lower(n.wire, n.len);
	return nameset_has(s, n.wire, n.len);
}

static int match(const struct suffixset *s, const char *text)
{
	struct name n = name_of(text);

	name_lower(n.wire, n.len);
	return suffixset_match(s, n.wire, n.len);
}

static void put(struct nameset *s, const char *text)
{
	struct name n = name_of(text);

	assert_int_equal(nameset_add(s, &n), 0);
}

static void put_suffix(struct suffixset *s, const char *text)
{
	struct name n = name_of(text);

	assert_int_equal(suffixset_add(s, &n), 0);
}

static void exact(void **state)
{
	struct nameset *s = nameset_new(), *copy;
	struct name n = name_of("a.EXAMPLE");

	(void)state;
	assert_non_null(s);
	assert_false(has(s, "a.example"));
	put(s, "A.example");
	put(s, "a.Example");
	put(s, "b.example");
	assert_int_equal(nameset_size(s), 2);
	assert_true(has(s, "a.example"));
	assert_false(has(s, "x.a.example"));
	assert_false(has(s, "example"));
	copy = nameset_copy(s);
	assert_non_null(copy);
	assert_true(nameset_del(s, &n));
	assert_false(nameset_del(s, &n));
	assert_false(has(s, "a.example"));
	assert_true(has(copy, "a.example"));
	assert_int_equal(nameset_size(copy), 2);
	nameset_free(&s);
	assert_null(s);
	nameset_free(&s);
	nameset_free(&copy);
}

static void walk_names(void **state)
{
	struct nameset *s = nameset_new();
	const uint8_t *wire;
	size_t pos = 0, n = 0;

	(void)state;
	assert_non_null(s);
	put(s, "A.example");
	put(s, "B.example");
	while (nameset_next(s, &pos, &wire)) {
		assert_int_equal(name_len(wire), 11);
		assert_true(wire[1] == 'a' || wire[1] == 'b');
		n++;
	}
	assert_int_equal(n, 2);
	nameset_free(&s);
}

static void suffixes(void **state)
{
	static const struct {
		const char *name;
		int at;
	} cases[] = {
		{"example.com", 0},
		{"EXAMPLE.com", 0},
		{"www.example.com", 4},
		{"a.b.c.deep.www.example.com", 4}, /* the longest member wins */
		{"c.deep.www.example.com", 0},
		{"deep.www.example.com", 9},
		{"com", -1},
		{"anexample.com", -1},
		{"example.com.org", -1},
		{"org", -1},
		{".", -1},
	};
	struct suffixset *s = suffixset_new(), *copy;
	struct name n = name_of("c.deep.www.example.com");
	const uint8_t *wire;
	size_t pos = 0;

	(void)state;
	assert_non_null(s);
	assert_int_equal(match(s, "example.com"), -1);
	put_suffix(s, "Example.com");
	put_suffix(s, "example.com");
	put_suffix(s, "c.deep.www.example.com");
	assert_int_equal(suffixset_size(s), 2);
	for (size_t i = 0; i < LEN(cases); i++)
		assert_int_equal(match(s, cases[i].name), cases[i].at);
	copy = suffixset_copy(s);
	assert_non_null(copy);
	assert_true(suffixset_del(s, &n));
	assert_false(suffixset_del(s, &n));
	assert_int_equal(match(s, "c.deep.www.example.com"), 11);
	assert_int_equal(match(copy, "c.deep.www.example.com"), 0);
	assert_true(suffixset_next(s, &pos, &wire));
	assert_memory_equal(wire, "\7example\3com", 13);
	assert_false(suffixset_next(s, &pos, &wire));
	put_suffix(s, ".");
	assert_int_equal(match(s, "org"), 4);
	assert_int_equal(match(s, "."), 0);
	assert_int_equal(match(s, "www.example.com"), 4);
	suffixset_free(&s);
	suffixset_free(&copy);
	assert_null(copy);
}

/* As many members as labels: the deepest name must find each. */
static void all_depths(void **state)
{
	struct suffixset *s = suffixset_new();
	struct name n = {.len = NAME_WIRE, .labels = NAME_LABELS}, part;

	(void)state;
	assert_non_null(s);
	for (unsigned i = 0; i < NAME_LABELS; i++) {
		n.wire[2 * i] = 1;
		n.wire[2 * i + 1] = 'a';
	}
	n.wire[254] = 0;
	for (unsigned at = 254;; at -= 2) {
		part.len = (uint8_t)(NAME_WIRE - at);
		part.labels = (uint8_t)(NAME_LABELS - at / 2);
		memcpy(part.wire, n.wire + at, part.len);
		assert_int_equal(suffixset_add(s, &part), 0);
		assert_int_equal(suffixset_match(s, n.wire, n.len), at);
		if (at == 0)
			break;
	}
	suffixset_free(&s);
}

/* Whichever allocation fails: an error, nothing lost, nothing half done. */
static void no_memory(void **state)
{
	struct name a = name_of("a.example"), b = name_of("b.example");
	bool failed = true;

	(void)state;
	for (unsigned long i = 1; failed; i++) {
		struct nameset *s, *copy = NULL;
		struct suffixset *x, *copy_x = NULL;

		failed = false;
		mem_fail_at(i);
		s = nameset_new();
		x = suffixset_new();
		if (s != NULL) {
			failed |= nameset_add(s, &a) != 0 || nameset_add(s, &b) != 0;
			copy = nameset_copy(s);
			if (copy != NULL)
				assert_int_equal(nameset_size(copy), nameset_size(s));
		}
		if (x != NULL) {
			failed |= suffixset_add(x, &a) != 0;
			copy_x = suffixset_copy(x);
			if (copy_x != NULL)
				assert_int_equal(suffixset_size(copy_x), suffixset_size(x));
		}
		failed |= s == NULL || x == NULL || copy == NULL || copy_x == NULL;
		mem_fail_at(0);
		nameset_free(&s);
		nameset_free(&copy);
		suffixset_free(&x);
		suffixset_free(&copy_x);
		assert_true(i < 100);
		assert_true(failed || i > 8);
	}
}

int test_nameset(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exact),
		cmocka_unit_test(walk_names),
		cmocka_unit_test(suffixes),
		cmocka_unit_test(all_depths),
		cmocka_unit_test(no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
