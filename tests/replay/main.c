/* main.c: replay [-v] file.replay… | directory…: runs scripts; exits 1 when one fails. */
#include "replay.h"
#include "log.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static unsigned passed, failed;

static void run_file(const char *path)
{
	struct script s;
	bool ok = script_read(&s, path) && run_script(&s);

	printf("%s %s\n", ok ? "PASS" : "FAIL", path);
	fflush(stdout);
	ok ? passed++ : failed++;
	script_free(&s);
}

static int is_script(const struct dirent *d)
{
	size_t n = strlen(d->d_name);

	return n > 7 && strcmp(d->d_name + n - 7, ".replay") == 0;
}

static void run_directory(const char *path)
{
	struct dirent **v;
	int n = scandir(path, &v, is_script, alphasort);

	for (int i = 0; i < n; i++) {
		char file[4096];

		if (snprintf(file, sizeof(file), "%s/%s", path, v[i]->d_name) < (int)sizeof(file))
			run_file(file);
		free(v[i]);
	}
	if (n >= 0)
		free(v);
}

int main(int argc, char **argv)
{
	struct stat st;
	int first = argc > 1 && strcmp(argv[1], "-v") == 0 ? 2 : 1;

	log_options.fd = first == 2 ? 2 : -1; /* -v: what the core logs, too */
	for (int i = first; i < argc; i++) {
		if (stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode))
			run_directory(argv[i]);
		else
			run_file(argv[i]);
	}
	printf("%u passed, %u failed\n", passed, failed);
	return failed || !passed;
}
