// SPDX-License-Identifier: Apache-2.0
// event: one step of one job, a JSON record on <prefix>.events, keyed by job id so that a job's timeline lies in one
// partition in order.
//
// "accepted" means that the next hop took custody, never more. The event id is derived from what happened (job id,
// epoch, type), so that the same step filed twice after a crash folds into one.
#ifndef COMMON_EVENT_H
#define COMMON_EVENT_H

#include "common/envelope.h"

enum event_type {
    EVENT_ACCEPTED,  // the next hop took custody
    EVENT_WAITING,   // on a belt until due; wait says why, class/code/… of the attempt that led there
    EVENT_UNKNOWN,   // completely written, no verdict
    EVENT_DEAD,      // letter filed; reason
    EVENT_DUPLICATE, // dropped: duplicate_of names the job that owns the key
    EVENT_REVIEW,    // waits for a person
    EVENT_REPLAYED,  // an operator sent the letter back to main
    EVENT_DISCARDED, // an operator closed the letter
    EVENT_WORKER,    // a worker started or stopped (key: worker id)
    EVENT_TYPE_COUNT
};

const char *event_name(enum event_type t); // "accepted", "waiting", …
bool event_parse_name(struct slice name, enum event_type *t);

struct event { // slices borrowed; absent (ptr NULL) and zero members are left out
    enum event_type type;
    int64_t at_ms;
    struct slice job, worker, route, transport;
    struct epoch epoch;
    uint32_t attempt;
    const char *source_topic; // the record that led here, and when the broker or publisher stamped it
    int32_t source_partition;
    int64_t source_offset, source_ms;
    int64_t first_seen_ms;
    enum wait_kind wait;
    int64_t due_ms;
    struct slice tier;
    enum failure_class class;
    int code;
    struct slice phase, enhanced, rule, text; // of the attempt
    struct slice reason, detail;              // why it is dead, who replayed it and why
    struct slice provider_id, duplicate_of;
    int64_t attempt_us; // how long the attempt took; 0 = none
    int64_t lateness_ms; // start of the attempt minus due; -1 = not a retry
    bool unfenced, refiled;
};

void event_format(const struct event *ev, struct buf *out);

#endif
