// SPDX-License-Identifier: Apache-2.0
// table: columns that fit a terminal.
#ifndef DLQ_INSPECTOR_TABLE_H
#define DLQ_INSPECTOR_TABLE_H

#include "common/buf.h"

enum { TABLE_COLUMNS_MAX = 12 };

struct table_column {
    const char *title;
    bool right;   // numbers
    int min;      // may be cut down to this many characters ("…" marks the cut); 0 = never cut
    int drop;     // left out altogether when the table is still too wide, lowest first; 0 = never
};

struct table {
    const struct table_column *columns; // borrowed
    int count;
    char **cells; // owned, row by row
    size_t cell_count, cell_cap;
};

void table_init(struct table *t, const struct table_column *columns, int count);
void table_clear(struct table *t);
// The next cell, left to right, row after row. Copied; control characters become spaces.
void table_cell(struct table *t, struct slice text);
void table_cell_string(struct table *t, const char *text);
void table_cell_int(struct table *t, int64_t value);
// Appends title line and rows; no line is longer than width unless columns that may not be cut need it.
void table_print(const struct table *t, int width, struct buf *out);

#endif
