// SPDX-License-Identifier: Apache-2.0
// trail: the list of a job's attempts that travels in sf-trail: first and last ones, 16 KiB at most.
#ifndef COMMON_TRAIL_H
#define COMMON_TRAIL_H

#include "common/err.h"
#include "common/failure.h"

enum { TRAIL_TEXT_MAX = 300, TRAIL_MAX = 16 * 1024 };

struct trail_entry { // slices: absent = ptr NULL or len 0
    int64_t at_ms;
    uint32_t generation, try_no;
    struct slice worker, transport, phase, enhanced, text, rule;
    int code; // SMTP or HTTP; 0 = none
    enum failure_class class;
};

// One entry as a JSON object; text is cut to TRAIL_TEXT_MAX bytes at a character boundary and control characters
// become spaces:
//   {"at":1763…,"gen":0,"try":2,"worker":"w1","transport":"smtp","phase":"rcpt","code":450,"enhanced":"4.2.2",
//    "class":"mailbox_busy","rule":"smtp-4xx","text":"…"}
void trail_format(const struct trail_entry *entry, struct buf *out);

// True when an attempt of this generation that is in the trail ended so.
bool trail_has(struct slice trail, uint32_t generation, enum failure_class class);

// Appends one formatted entry to a trail (an absent or broken trail counts as empty) and writes the new one to out.
// When it would pass TRAIL_MAX, entries between the first and the last ones are left out and their number stands in
// {"omitted":n} after the first entry.
void trail_append(struct slice trail, struct slice entry, struct buf *out);

#endif
