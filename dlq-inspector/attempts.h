// SPDX-License-Identifier: Apache-2.0
// attempts: an sf-trail header read back (common/trail.h writes it).
#ifndef DLQ_INSPECTOR_ATTEMPTS_H
#define DLQ_INSPECTOR_ATTEMPTS_H

#include "common/json.h"
#include "common/trail.h"

struct attempts { // all zero is an empty one; reusable, keeps its memory
    struct json_doc doc;
    struct buf scratch; // owned; decoded strings of the entry read last
    uint32_t next;      // token of the next entry
    bool ok;            // the trail is a JSON list
};

// Starts over with another trail (borrowed). An absent or broken one has no entries.
void attempts_open(struct attempts *a, struct slice trail);
void attempts_clear(struct attempts *a);

// The next entry, or false at the end. *omitted is how many attempts were left out at this place (then entry is all
// zero), else 0. Slices are valid until the next call.
bool attempts_next(struct attempts *a, struct trail_entry *entry, int64_t *omitted);

// The last attempt, or false when there is none.
bool attempts_last(struct attempts *a, struct trail_entry *entry);

#endif
