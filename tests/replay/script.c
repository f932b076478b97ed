/* script.c: a replay script: lines of words; indented lines belong to the statement above; config and reload take
 * whole lines up to "end". */
#include "replay.h"
#include <stdio.h>
#include <stdlib.h>

static void *more(void *p, size_t n, size_t size)
{
	p = realloc(p, n * size);
	if (!p)
		abort();
	return p;
}

static char *slurp(const char *path)
{
	FILE *f = fopen(path, "r");
	char *p = NULL;
	size_t len = 0, n;

	if (!f)
		return NULL;
	do {
		p = more(p, len + 4096 + 1, 1);
		n = fread(p + len, 1, 4096, f);
		len += n;
	} while (n > 0);
	fclose(f);
	p[len] = 0;
	return p;
}

/* words cuts |s| in place; a word in double quotes may hold blanks; '#' at the start of a word ends the line. */
static void words(struct line *l, char *s, unsigned number)
{
	*l = (struct line){.number = number};
	for (;;) {
		char *end;

		s += strspn(s, " \t");
		l->word = more(l->word, l->n + 1, sizeof(char *));
		l->word[l->n] = NULL;
		if (!*s || *s == '#')
			return;
		if (*s == '"') {
			end = strchr(++s, '"');
			end = end ? end : s + strlen(s);
		} else {
			end = s + strcspn(s, " \t");
		}
		l->word[l->n++] = s;
		s = end;
		if (*s)
			*s++ = 0;
	}
}

static bool takes_text(const struct statement *st)
{
	return strcmp(st->head.word[0], "config") == 0 || strcmp(st->head.word[0], "reload") == 0;
}

/* next_line cuts the line at |*at| off. */
static char *next_line(char **at)
{
	char *line = *at, *end = strchr(line, '\n');

	if (!*line)
		return NULL;
	if (end)
		*end++ = 0;
	else
		end = line + strlen(line);
	*at = end;
	return line;
}

/* text_block finds the line "end", joins the lines before it again and returns them. */
static char *text_block(char **at, unsigned *number)
{
	char *text = *at, *line, *was = NULL;

	while ((line = next_line(at))) {
		++*number;
		if (strcmp(line, "end") == 0) {
			if (was)
				was[strlen(was)] = '\n';
			*line = 0;
			return text == line ? line : text;
		}
		if (was)
			was[strlen(was)] = '\n';
		was = line;
	}
	return NULL;
}

bool script_read(struct script *s, const char *path)
{
	char *at, *line;
	unsigned number = 0;

	*s = (struct script){.path = path, .bytes = slurp(path)};
	if (!s->bytes) {
		printf("%s: %s\n", path, strerror(errno));
		return false;
	}
	for (at = s->bytes; (line = next_line(&at));) {
		bool indented = *line == '\t' || *line == ' ';
		struct statement *st;
		struct line l;

		words(&l, line, ++number);
		if (l.n == 0) {
			free(l.word);
			continue;
		}
		if (indented && s->n) {
			st = &s->v[s->n - 1];
			st->more = more(st->more, st->nmore + 1, sizeof(*st->more));
			st->more[st->nmore++] = l;
			continue;
		}
		s->v = more(s->v, s->n + 1, sizeof(*s->v));
		st = &s->v[s->n++];
		*st = (struct statement){.head = l};
		if (takes_text(st) && !(st->text = text_block(&at, &number))) {
			printf("%s:%u: %s without \"end\"\n", path, l.number, l.word[0]);
			return false;
		}
	}
	return true;
}

void script_free(struct script *s)
{
	for (size_t i = 0; i < s->n; i++) {
		for (size_t k = 0; k < s->v[i].nmore; k++)
			free(s->v[i].more[k].word);
		free(s->v[i].more);
		free(s->v[i].head.word);
	}
	free(s->v);
	free(s->bytes);
	*s = (struct script){0};
}
