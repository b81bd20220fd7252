// SPDX-License-Identifier: Apache-2.0
// progress: see progress.h. The bar needs a known size, so a pipe gets the counts alone. The line stays below 100
// columns: a terminal that has to wrap it would scroll instead of drawing over it.
#include "producer/progress.h"

#include <inttypes.h>

enum { EVERY_MS = 200, BAR_WIDTH = 24 };

static void put_bar(FILE *out, const struct progress_counts *c)
{
    if (c->total_bytes <= 0)
        return;
    int64_t bytes = c->bytes < c->total_bytes ? c->bytes : c->total_bytes; // the file may have grown
    int filled = (int)(bytes * BAR_WIDTH / c->total_bytes);
    fputc('[', out);
    for (int i = 0; i < BAR_WIDTH; i++)
        fputc(i < filled ? '#' : '.', out);
    fprintf(out, "] %3d %%  ", (int)(bytes * 100 / c->total_bytes));
}

static void draw(struct progress *p, FILE *out, int64_t now_ms, const struct progress_counts *c)
{
    int64_t elapsed_ms = now_ms > p->started_ms ? now_ms - p->started_ms : 1;
    fputs("\r\033[K", out);
    put_bar(out, c);
    fprintf(out, "%" PRId64 " published", c->published);
    if (c->refused > 0)
        fprintf(out, ", %" PRId64 " refused", c->refused);
    if (c->failed > 0)
        fprintf(out, ", %" PRId64 " failed", c->failed);
    if (c->under_way > 0)
        fprintf(out, ", %zu under way", c->under_way);
    fprintf(out, "  %" PRId64 "/s", c->published * 1000 / elapsed_ms);
    p->drawn_ms = now_ms;
}

void progress_draw(struct progress *p, FILE *out, int64_t now_ms, const struct progress_counts *c)
{
    if (!p->shown || now_ms - p->drawn_ms < EVERY_MS)
        return;
    draw(p, out, now_ms, c);
    fflush(out);
}

void progress_finish(struct progress *p, FILE *out, int64_t now_ms, const struct progress_counts *c)
{
    if (!p->shown)
        return;
    draw(p, out, now_ms, c);
    fputc('\n', out);
    fflush(out);
}
