// SPDX-License-Identifier: Apache-2.0
// lines: see lines.h.
//
// Taking a line and waiting for input are two calls, because the caller has results to hand on while its input is
// silent: a program that writes one job, waits for its result and then writes the next must not wait for ever. A line
// longer than a job may be is dropped as it comes in, so an endless line cannot fill the memory.
#include "producer/lines.h"

#include "common/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK = 256 * 1024, BOM_LEN = 3, AROUND_MAX = BOM_LEN + 1 }; // AROUND: a byte order mark and a '\r'

bool lines_open(struct lines *l, const char *path, size_t max_len, struct err *e)
{
    *l = (struct lines){ .max_len = max_len, .total_bytes = -1, .fd = STDIN_FILENO, .name = "standard input" };
    if (path != NULL && strcmp(path, "-") != 0) {
        l->name = path;
        l->fd = open(path, O_RDONLY | O_CLOEXEC);
        if (l->fd < 0)
            return err_set(e, ERR_USAGE, "cannot read %s: %s", path, strerror(errno));
    }
    struct stat st = { 0 };
    if (fstat(l->fd, &st) != 0 || S_ISDIR(st.st_mode)) {
        err_set(e, ERR_USAGE, "cannot read %s: %s", l->name, S_ISDIR(st.st_mode) ? "it is a directory" : strerror(errno));
        lines_close(l);
        return false;
    }
    if (S_ISREG(st.st_mode))
        l->total_bytes = st.st_size;
    return true;
}

// Takes what stands before the next line end, at the end of the input also the rest.
static bool take_line(struct lines *l, struct slice *line)
{
    if (l->start == l->end)
        return false;
    char *first = l->data + l->start;
    char *newline = memchr(l->data + l->searched, '\n', l->end - l->searched);
    if (newline == NULL && !l->ended) {
        l->searched = l->end;
        return false;
    }
    size_t len = newline != NULL ? (size_t)(newline - first) : l->end - l->start;
    *line = (struct slice){ first, len };
    l->start += len + (newline != NULL);
    l->searched = l->start;
    l->number++;
    return true;
}

static struct slice trim(const struct lines *l, struct slice line)
{
    if (l->number == 1 && line.len >= BOM_LEN && memcmp(line.ptr, "\xEF\xBB\xBF", BOM_LEN) == 0)
        line = (struct slice){ line.ptr + BOM_LEN, line.len - BOM_LEN };
    if (line.len > 0 && line.ptr[line.len - 1] == '\r')
        line.len--;
    return line;
}

static bool is_blank(struct slice line)
{
    for (size_t i = 0; i < line.len; i++)
        if (line.ptr[i] != ' ' && line.ptr[i] != '\t' && line.ptr[i] != '\r')
            return false;
    return true;
}

enum lines_result lines_next(struct lines *l, struct slice *line)
{
    struct slice whole;
    while (take_line(l, &whole)) {
        bool skipped = l->skipping;
        l->skipping = false;
        whole = trim(l, whole);
        if (skipped || whole.len > l->max_len)
            return LINES_TOO_LONG;
        if (is_blank(whole))
            continue;
        *line = whole;
        return LINES_LINE;
    }
    if (l->ended && l->skipping) { // its last bytes were dropped with the rest of it
        l->skipping = false;
        l->number++;
        return LINES_TOO_LONG;
    }
    return l->ended ? LINES_END : LINES_MORE;
}

static void make_room(struct lines *l)
{
    if (l->end - l->start > l->max_len + AROUND_MAX) {
        l->skipping = true;
        l->start = l->end;
    }
    size_t kept = l->end - l->start;
    if (kept > 0 && l->start > 0)
        memmove(l->data, l->data + l->start, kept);
    l->searched = kept; // lines_next found no line end in it
    l->start = 0;
    l->end = kept;
    if (l->cap - l->end < CHUNK) {
        l->cap = 2 * l->end + CHUNK;
        l->data = xrealloc(l->data, l->cap);
    }
}

bool lines_fill(struct lines *l, struct err *e)
{
    make_room(l);
    ssize_t got = read(l->fd, l->data + l->end, l->cap - l->end);
    if (got < 0 && (errno == EINTR || errno == EAGAIN))
        return true;
    if (got < 0)
        return err_set(e, ERR_TRANSIENT, "reading %s failed after line %lld: %s", l->name, (long long)l->number,
                       strerror(errno));
    l->end += (size_t)got;
    l->bytes += got;
    l->ended = got == 0;
    return true;
}

void lines_close(struct lines *l)
{
    if (l->fd > STDIN_FILENO)
        close(l->fd);
    free(l->data);
    *l = (struct lines){ .fd = -1 };
}
