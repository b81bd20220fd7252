// SPDX-License-Identifier: Apache-2.0
// lines: see lines.h. A line longer than a job may be is skipped without being kept, so an endless line cannot fill
// the memory.
#include "producer/lines.h"

#include "common/alloc.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

bool lines_open(struct lines *l, const char *path, size_t max_len, struct err *e)
{
    *l = (struct lines){ .max_len = max_len, .total_bytes = -1, .in = stdin };
    if (path != NULL && strcmp(path, "-") != 0) {
        l->in = fopen(path, "r");
        if (l->in == NULL)
            return err_set(e, ERR_USAGE, "cannot read %s: %s", path, strerror(errno));
    }
    struct stat st;
    if (fstat(fileno(l->in), &st) == 0 && S_ISREG(st.st_mode))
        l->total_bytes = st.st_size;
    l->cap = 4096;
    l->line = xmalloc(l->cap);
    return true;
}

static void append(struct lines *l, size_t len, int c)
{
    if (len >= l->cap) {
        l->cap *= 2;
        l->line = xrealloc(l->line, l->cap);
    }
    l->line[len] = (char)c;
}

// Reads one line; *len is its full length, of which at most max_len + 1 bytes are kept.
static bool read_line(struct lines *l, size_t *len)
{
    int c;
    *len = 0;
    while ((c = getc_unlocked(l->in)) != EOF) {
        l->bytes++;
        if (c == '\n')
            break;
        if (*len <= l->max_len)
            append(l, *len, c);
        (*len)++;
    }
    if (c == EOF && *len == 0)
        return false;
    l->number++;
    return true;
}

static bool is_blank(const struct lines *l, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (l->line[i] != ' ' && l->line[i] != '\t' && l->line[i] != '\r')
            return false;
    return true;
}

enum lines_result lines_next(struct lines *l, struct slice *line)
{
    size_t len;
    while (read_line(l, &len)) {
        if (len > l->max_len)
            return LINES_TOO_LONG;
        if (is_blank(l, len))
            continue;
        if (l->line[len - 1] == '\r')
            len--;
        *line = (struct slice){ l->line, len };
        return LINES_LINE;
    }
    return ferror(l->in) ? LINES_ERROR : LINES_END;
}

void lines_close(struct lines *l)
{
    if (l->in != NULL && l->in != stdin)
        fclose(l->in);
    free(l->line);
    *l = (struct lines){ 0 };
}
