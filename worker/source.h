// SPDX-License-Identifier: Apache-2.0
// source: one partition this worker reads, from assignment until everything that came out of it is finished.
#ifndef WORKER_SOURCE_H
#define WORKER_SOURCE_H

#include "common/broker.h"
#include "worker/tracker.h"

enum lane { LANE_CRITICAL, LANE_NORMAL, LANE_BULK, LANE_RETRY, LANE_COUNT };
const char *lane_name(enum lane l); // "critical", …

enum source_state {
    SOURCE_OPEN,     // ours, being read
    SOURCE_DRAINING, // the group wants it back: nothing new is started
    SOURCE_GONE,     // given back or lost; what is still under way settles without an offset
};
// OPEN -> DRAINING -> GONE, or OPEN -> GONE (session lost).

struct source {
    enum source_state state;
    struct broker_partition *partition; // NULL when GONE
    const char *topic;
    int32_t id;
    enum lane lane;
    int tier;              // belts: index into tiers; -1 for main topics
    struct tracker tracker;
    size_t outstanding;    // records taken and not finished
    struct record *head;   // belts: the next record, read but not started (not in the tracker); owned
    bool maybe_more;       // the queue was not seen empty since the last wake-up
    int64_t drain_until_ms; // monotonic, while DRAINING
    struct source *next;   // in the list of the intake
};

struct source *source_new(struct broker_partition *p, enum lane lane, int tier);

// A record of this source is finished (its offset may be committed). Frees the source when it is gone and this was
// the last.
void source_finish(struct source *s, uint64_t seq);

// A record of this source is left unfinished: whoever reads the partition next reads it again.
void source_abandon(struct source *s);

// Gives the partition back (final frontier first) or, when lost, forgets it. Frees the source when nothing of it is
// under way.
void source_release(struct source *s, bool lost);

#endif
