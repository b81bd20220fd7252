// SPDX-License-Identifier: Apache-2.0
// ending: what follows from an attempt or a gate, complete enough to be filed again from the dedup record alone.
//
// A worker may die between writing its verdict to Redis and Kafka's acknowledgement of the retry or letter. Whoever
// reads the job again then finds the verdict and files what it says: so the verdict carries its ending along.
#ifndef WORKER_ENDING_H
#define WORKER_ENDING_H

#include "common/envelope.h"

enum { ENDING_REASON_MAX = 320, ENDING_ENTRY_MAX = 1200 };

enum ending_kind {
    ENDING_DROP,     // nothing more to say: another copy or a newer epoch speaks for the job
    ENDING_ACCEPTED, // the next hop has it
    ENDING_WAIT,     // a record on a belt: retry, throttled, unknown, …
    ENDING_LETTER,   // the dead-letter topic
    ENDING_REVIEW,   // waits for a person
};

struct ending {
    enum ending_kind kind;
    enum wait_kind wait;      // WAIT: why
    int64_t due_ms;           // WAIT: broker time
    bool continues;           // WAIT: a new epoch (try + 1); a busy, carried, limited or hop copy keeps its epoch
    uint32_t attempt;         // charged attempts, this one included
    enum failure_class class; // of the attempt, or of the gate
    int code;
    char reason[ENDING_REASON_MAX]; // LETTER, REVIEW: "word" or "word: detail"
    char entry[ENDING_ENTRY_MAX];   // this attempt's line in the trail (JSON); "" = no attempt was made
};

// As the detail of a dedup record: a JSON object of at most DEDUP_DETAIL_MAX bytes.
void ending_format(const struct ending *e, struct buf *out);

// False when it is none (a claim that outlived its lease has no ending).
bool ending_parse(struct ending *e, struct slice detail);

#endif
