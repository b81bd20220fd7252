// SPDX-License-Identifier: Apache-2.0
// tracker: which offset of a partition may be committed, when records finish in any order.
#ifndef WORKER_TRACKER_H
#define WORKER_TRACKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tracker_entry {
    int64_t offset;
    uint32_t bytes;
    bool done;
};

struct tracker { // all zero is an empty one
    struct tracker_entry *ring; // owned; cap is a power of two
    size_t cap;
    uint64_t first; // sequence number of the lowest unfinished record
    uint64_t next;  // sequence number of the next record to come
    int64_t frontier; // next offset to read after a restart; -1 = nothing came yet
    size_t bytes;   // of received but not finished records … and those behind them
};

void tracker_clear(struct tracker *t);

// A record was received, in the order of the partition. Returns its sequence number.
uint64_t tracker_add(struct tracker *t, int64_t offset, size_t bytes);

// It is finished. True when the frontier moved.
bool tracker_finish(struct tracker *t, uint64_t seq);

// Received, not yet behind the frontier.
size_t tracker_window(const struct tracker *t);

#endif
