// SPDX-License-Identifier: Apache-2.0
// table: see table.h. Widths come from the contents. When a line is too long, columns that may be cut give way, the
// last of them first (free text stands at the right); what still does not fit loses whole columns. Ids are never cut:
// they are there to be copied. Characters are counted, not bytes; wide and combining ones are taken as one column.
#include "dlq-inspector/table.h"

#include "common/alloc.h"
#include "dlq-inspector/mask.h"

#include <stdlib.h>

enum { GAP = 2 };

void table_init(struct table *t, const struct table_column *columns, int count)
{
    *t = (struct table){ .columns = columns, .count = count };
}

void table_clear(struct table *t)
{
    for (size_t i = 0; i < t->cell_count; i++)
        free(t->cells[i]);
    free(t->cells);
    t->cells = NULL;
    t->cell_count = t->cell_cap = 0;
}

void table_cell(struct table *t, struct slice text)
{
    if (t->cell_count == t->cell_cap) {
        t->cell_cap = t->cell_cap > 0 ? t->cell_cap * 2 : 64;
        t->cells = xrealloc(t->cells, t->cell_cap * sizeof *t->cells);
    }
    struct buf clean = { 0 };
    buf_put(&clean, "", 0);
    mask_plain(&clean, text);
    t->cells[t->cell_count++] = clean.data;
}

void table_cell_string(struct table *t, const char *text)
{
    table_cell(t, slice_of(text));
}

void table_cell_int(struct table *t, int64_t value)
{
    struct buf digits = { 0 };
    buf_put_i64(&digits, value);
    table_cell(t, buf_slice(&digits));
    buf_clear(&digits);
}

static int characters(const char *text)
{
    int n = 0;
    for (const char *p = text; *p != '\0'; p++)
        n += ((unsigned char)*p & 0xc0) != 0x80;
    return n;
}

static int line_width(const int *widths, int count)
{
    int total = 0, shown = 0;
    for (int c = 0; c < count; c++) {
        total += widths[c] > 0 ? widths[c] : 0;
        shown += widths[c] > 0;
    }
    return total + (shown > 1 ? (shown - 1) * GAP : 0);
}

static void natural_widths(const struct table *t, int *widths)
{
    for (int c = 0; c < t->count; c++)
        widths[c] = characters(t->columns[c].title);
    for (size_t i = 0; i < t->cell_count; i++) {
        int c = (int)(i % (size_t)t->count);
        int w = characters(t->cells[i]);
        widths[c] = w > widths[c] ? w : widths[c];
    }
}

static void cut_columns(const struct table *t, int width, int *widths)
{
    for (int c = t->count - 1; c >= 0; c--) {
        int over = line_width(widths, t->count) - width;
        int min = t->columns[c].min;
        if (over <= 0 || min == 0 || widths[c] <= min)
            continue;
        widths[c] = widths[c] - over > min ? widths[c] - over : min;
    }
}

// Returns false when nothing is left to drop.
static bool drop_column(const struct table *t, int *widths)
{
    int victim = -1;
    for (int c = 0; c < t->count; c++)
        if (widths[c] > 0 && t->columns[c].drop > 0 &&
            (victim < 0 || t->columns[c].drop < t->columns[victim].drop))
            victim = c;
    if (victim >= 0)
        widths[victim] = 0;
    return victim >= 0;
}

static void fit(const struct table *t, int width, int *widths)
{
    int natural[TABLE_COLUMNS_MAX];
    natural_widths(t, natural);
    memcpy(widths, natural, sizeof natural);
    cut_columns(t, width, widths);
    while (line_width(widths, t->count) > width && drop_column(t, widths)) {
        for (int c = 0; c < t->count; c++) // what was dropped leaves room for the others
            widths[c] = widths[c] > 0 ? natural[c] : 0;
        cut_columns(t, width, widths);
    }
}

static void put_spaces(struct buf *out, int n)
{
    for (int i = 0; i < n; i++)
        buf_putc(out, ' ');
}

static void put_cut(struct buf *out, const char *text, int width)
{
    if (characters(text) <= width) {
        buf_puts(out, text);
        return;
    }
    const char *p = text;
    for (int n = 0; n < width - 1; n++)
        p += utf8_sequence(p, strlen(p));
    buf_put(out, text, (size_t)(p - text));
    buf_puts(out, "…");
}

static void put_row(const struct table *t, const int *widths, char *const *cells, struct buf *out)
{
    int owed = 0; // spaces not written yet, so that no line ends in them
    for (int c = 0; c < t->count; c++) {
        if (widths[c] == 0)
            continue;
        const char *text = cells != NULL ? cells[c] : t->columns[c].title;
        int len = characters(text) < widths[c] ? characters(text) : widths[c];
        int pad = widths[c] - len;
        if (t->columns[c].right)
            owed += pad;
        if (len > 0) {
            put_spaces(out, owed);
            owed = 0;
            put_cut(out, text, widths[c]);
        }
        owed += (t->columns[c].right ? 0 : pad) + GAP;
    }
    buf_putc(out, '\n');
}

void table_print(const struct table *t, int width, struct buf *out)
{
    int widths[TABLE_COLUMNS_MAX] = { 0 };
    fit(t, width, widths);
    put_row(t, widths, NULL, out);
    for (size_t i = 0; i + (size_t)t->count <= t->cell_count; i += (size_t)t->count)
        put_row(t, widths, t->cells + i, out);
}
