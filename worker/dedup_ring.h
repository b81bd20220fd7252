// SPDX-License-Identifier: Apache-2.0
// dedup_ring: the records this worker wrote last, to be written again if Redis forgets them.
#ifndef WORKER_DEDUP_RING_H
#define WORKER_DEDUP_RING_H

#include "common/buf.h"

struct dedup_ring { // all zero is empty
    char *bytes;    // owned
    size_t cap, head, len;
};

// Remembers a pair and forgets what is older than keep_ms. Old ones stay until something newer comes: after a
// quiet hour the last marks are still there, and writing them again does no harm.
void dedup_ring_add(struct dedup_ring *r, struct slice key, struct slice value, int64_t now_ms,
                    int64_t keep_ms);

// Every pair, oldest first. key and value are valid during the call.
void dedup_ring_each(const struct dedup_ring *r, void (*see)(void *arg, struct slice key, struct slice value),
                     void *arg);

void dedup_ring_clear(struct dedup_ring *r);

#endif
