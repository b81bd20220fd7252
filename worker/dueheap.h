// SPDX-License-Identifier: Apache-2.0
// dueheap: records that came off the last belt with less than the shortest belt's length to go.
#ifndef WORKER_DUEHEAP_H
#define WORKER_DUEHEAP_H

#include "common/record.h"

#include <stdint.h>

struct source;

struct dueheap_item {
    int64_t due_ms; // broker time
    struct record *record; // owned by the heap while it is in it
    struct source *source;
    uint64_t seq;
};

struct dueheap { // all zero is an empty one
    struct dueheap_item *items; // owned
    size_t count, cap;
    size_t bytes; // of the records
};

void dueheap_clear(struct dueheap *h); // frees the records too
void dueheap_push(struct dueheap *h, const struct dueheap_item *item);
const struct dueheap_item *dueheap_top(const struct dueheap *h); // NULL when empty
struct dueheap_item dueheap_pop(struct dueheap *h);             // not when empty
// Takes out and frees every record of a source (its partition is being given back).
void dueheap_drop(struct dueheap *h, const struct source *source);

#endif
