// SPDX-License-Identifier: Apache-2.0
// lines: JSON lines from a file or standard input, each bounded.
#ifndef PRODUCER_LINES_H
#define PRODUCER_LINES_H

#include "common/buf.h"
#include "common/err.h"

#include <stdio.h>

struct lines {
    FILE *in;        // owned unless it is standard input
    size_t max_len;
    int64_t total_bytes; // of a regular file; -1 = cannot be known
    int64_t bytes;       // read so far
    int64_t number;      // of the line last returned, from 1
    char *line;      // owned
    size_t cap;
};

enum lines_result { LINES_END, LINES_LINE, LINES_TOO_LONG, LINES_ERROR };

// path NULL or "-": standard input.
MUST_CHECK bool lines_open(struct lines *l, const char *path, size_t max_len, struct err *e);
// The next line that is not blank, without its line end; borrowed until the next call. TOO_LONG: skipped to its end.
enum lines_result lines_next(struct lines *l, struct slice *line);
void lines_close(struct lines *l);

#endif
