/* main.c: runs a fuzz target without libFuzzer: over every file of the directories given, and over mutations of
 * them that are the same in every run, so that CTest on any compiler sees more than the corpus. */
#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX = 1 << 16, MUTATIONS = 200, RANDOM_INPUTS = 500, RANDOM_MAX = 600 };

static uint32_t random_state = 0x9e3779b9;

static uint32_t next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 17;
	random_state ^= random_state << 5;
	return random_state;
}

/* The target gets a block of exactly |size| bytes, so that a sanitizer sees each byte read past the end. */
static bool run(const uint8_t *data, size_t size)
{
	uint8_t *exact = malloc(size ? size : 1);

	if (!exact)
		return false;
	memcpy(exact, data, size);
	LLVMFuzzerTestOneInput(exact, size);
	free(exact);
	return true;
}

/* One to four changes: a bit, a byte, a number at an edge, a cut, a piece repeated. */
static size_t mutate(uint8_t *data, size_t size)
{
	static const uint8_t edges[] = {0, 1, 0x3f, 0x40, 0x7f, 0x80, 0xc0, 0xff};

	for (unsigned n = next_random() % 4 + 1; n && size; n--) {
		size_t at = next_random() % size;
		size_t len = next_random() % 16;

		switch (next_random() % 5) {
		case 0:
			data[at] ^= (uint8_t)(1u << next_random() % 8);
			break;
		case 1:
			data[at] = (uint8_t)next_random();
			break;
		case 2:
			data[at] = edges[next_random() % sizeof(edges)];
			break;
		case 3:
			size = at;
			break;
		default:
			if (at + len <= size && size + len <= INPUT_MAX) {
				memmove(data + at + len, data + at, size - at);
				size += len;
			}
		}
	}
	return size;
}

static bool run_file(const char *path)
{
	static uint8_t seed[INPUT_MAX], work[INPUT_MAX];
	FILE *f = fopen(path, "rb");
	size_t size;
	bool ok;

	if (!f) {
		perror(path);
		return false;
	}
	size = fread(seed, 1, sizeof(seed), f);
	ok = !ferror(f);
	fclose(f);
	random_state = 0x9e3779b9; /* the same mutations in whatever order the directory lists its files */
	ok = ok && run(seed, size);
	for (int i = 0; ok && i < MUTATIONS; i++) {
		memcpy(work, seed, size);
		ok = run(work, mutate(work, size));
	}
	return ok;
}

/* Returns how many files were run, -1 on failure.  A directory that is not there has none. */
static int run_directory(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *e;
	int files = 0;

	while (d && (e = readdir(d)) && files >= 0) {
		char name[4096];

		if (e->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, e->d_name);
		files = run_file(name) ? files + 1 : -1;
	}
	if (d)
		closedir(d);
	return files;
}

int main(int argc, char **argv)
{
	static uint8_t noise[RANDOM_MAX];
	int total = 0;

	for (int i = 1; i < argc; i++) {
		int files = run_directory(argv[i]);

		if (files < 0)
			return 1;
		total += files;
	}
	for (int i = 0; i < RANDOM_INPUTS; i++) {
		size_t size = next_random() % sizeof(noise);

		for (size_t j = 0; j < size; j++)
			noise[j] = (uint8_t)next_random();
		if (!run(noise, size))
			return 1;
	}
	printf("%d corpus files, each with %d mutations, and %d random inputs\n", total, MUTATIONS, RANDOM_INPUTS);
	return 0;
}
