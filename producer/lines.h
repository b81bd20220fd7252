// SPDX-License-Identifier: Apache-2.0
// lines: JSON lines from a file or standard input, each bounded.
#ifndef PRODUCER_LINES_H
#define PRODUCER_LINES_H

#include "common/buf.h"
#include "common/err.h"

struct lines {
    int fd;              // owned unless it is standard input; may be polled
    const char *name;    // borrowed: the path, or "standard input"
    size_t max_len;      // of a line, without its line end
    int64_t total_bytes; // of a regular file; -1 = cannot be known
    int64_t bytes;       // read so far
    int64_t number;      // of the line last returned, from 1
    char *data;          // owned; data[start..end) was read and not returned yet
    size_t start, end, cap;
    size_t searched; // data[start..searched) holds no line end
    bool skipping;   // of the current line, too long, the beginning is dropped already
    bool ended;
};

enum lines_result {
    LINES_LINE,
    LINES_TOO_LONG, // the line was dropped; number says which
    LINES_MORE,     // no whole line has been read yet: lines_fill
    LINES_END,
};

// path NULL or "-": standard input. ERR_USAGE when it cannot be read.
MUST_CHECK bool lines_open(struct lines *l, const char *path, size_t max_len, struct err *e);
// The next line that is not blank, without line end (or a byte order mark, in the first); borrowed until lines_fill.
// The last line needs no line end. Never blocks.
enum lines_result lines_next(struct lines *l, struct slice *line);
// Reads on. Blocks while nothing can be read. False: ERR_TRANSIENT, reading failed.
MUST_CHECK bool lines_fill(struct lines *l, struct err *e);
void lines_close(struct lines *l);

#endif
