// SPDX-License-Identifier: Apache-2.0
// tracker: see tracker.h.
//
// The frontier moves over the sequence of records received, not over integers: offsets have gaps (transaction
// markers, compaction). After a crash everything above the frontier is read again, so its owner bounds the window
// (records and bytes) by not reading further. A ring of small entries: finishing is one store, moving the frontier
// touches each entry once.
#include "worker/tracker.h"

#include "common/alloc.h"

#include <assert.h>
#include <stdlib.h>

void tracker_clear(struct tracker *t)
{
    free(t->ring);
    *t = (struct tracker){ 0 };
}

static struct tracker_entry *at(const struct tracker *t, uint64_t seq)
{
    return &t->ring[seq & (t->cap - 1)];
}

static void grow(struct tracker *t)
{
    struct tracker bigger = *t;
    bigger.cap = t->cap > 0 ? t->cap * 2 : 64;
    bigger.ring = xcalloc(bigger.cap, sizeof *bigger.ring);
    for (uint64_t seq = t->first; seq < t->next; seq++)
        *at(&bigger, seq) = *at(t, seq);
    free(t->ring);
    *t = bigger;
}

uint64_t tracker_add(struct tracker *t, int64_t offset, size_t bytes)
{
    if (t->next - t->first == t->cap)
        grow(t);
    if (t->first == t->next)
        t->frontier = offset;
    *at(t, t->next) = (struct tracker_entry){ .offset = offset, .bytes = (uint32_t)bytes };
    t->bytes += bytes;
    return t->next++;
}

bool tracker_finish(struct tracker *t, uint64_t seq)
{
    assert(seq >= t->first && seq < t->next);
    assert(!at(t, seq)->done);
    at(t, seq)->done = true;
    if (seq != t->first)
        return false;
    while (t->first < t->next && at(t, t->first)->done) {
        t->bytes -= at(t, t->first)->bytes;
        t->frontier = at(t, t->first)->offset + 1;
        t->first++;
    }
    if (t->first < t->next)
        t->frontier = at(t, t->first)->offset;
    return true;
}

size_t tracker_window(const struct tracker *t)
{
    return (size_t)(t->next - t->first);
}
