// SPDX-License-Identifier: Apache-2.0
// progress: one line on a terminal that says how far a run is.
#ifndef PRODUCER_PROGRESS_H
#define PRODUCER_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct progress {
    bool shown; // false: nothing is ever written
    int64_t started_ms, drawn_ms; // monotonic
};

struct progress_counts {
    int64_t published, refused, failed;
    size_t under_way;
    int64_t bytes, total_bytes; // read, of; total -1 = cannot be known
};

// Draws it over the line before, at most five times a second.
void progress_draw(struct progress *p, FILE *out, int64_t now_ms, const struct progress_counts *c);
// The same without these limits, and ends the line.
void progress_finish(struct progress *p, FILE *out, int64_t now_ms, const struct progress_counts *c);

#endif
