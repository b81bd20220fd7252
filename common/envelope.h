// SPDX-License-Identifier: Apache-2.0
// envelope: a job's delivery state, carried in the sf-* headers of its record.
//
// All of them are optional on a main topic, so that any Kafka client can publish. Numbers are ASCII decimal,
// times are milliseconds since the epoch. Headers that are not ours travel along untouched.
#ifndef COMMON_ENVELOPE_H
#define COMMON_ENVELOPE_H

#include "common/err.h"
#include "common/failure.h"
#include "common/record.h"

// Why a record is on a belt.
enum wait_kind {
    WAIT_NONE,
    WAIT_RETRY,     // a failed attempt, backoff
    WAIT_THROTTLED, // they asked us to wait
    WAIT_UNKNOWN,   // an outcome that may still be proven
    WAIT_BUSY,      // another worker holds the claim
    WAIT_LIMITED,   // its destination is over its share
    WAIT_SCHEDULED, // not_before
    WAIT_CARRY,     // a copy of an attempt that is still running
    WAIT_KIND_COUNT
};

const char *wait_name(enum wait_kind w); // "retry", …; "none"
bool wait_parse(struct slice name, enum wait_kind *w);

enum {
    ENVELOPE_ID_SIZE = 160,
    ENVELOPE_RCPT_SIZE = 33,
    ENVELOPE_TRAIL_MAX = 16 * 1024,
    ENVELOPE_RESPONSE_MAX = 4 * 1024,
    ENVELOPE_FOREIGN_MAX = 8 * 1024, // headers that are not ours
    ENVELOPE_MAX = 32 * 1024,        // all of them, whatever happens to the job
};

// The epoch of the dedup record: a later generation or, within one, a later try, is newer.
struct epoch {
    uint32_t generation; // sf-generation: rises by one with every replay
    uint32_t try_no;     // sf-try: rises by one with every continuation
};

int epoch_compare(struct epoch a, struct epoch b); // <0, 0, >0

struct envelope {
    char id[ENVELOPE_ID_SIZE]; // sf-id; "" when absent
    struct epoch epoch;
    uint32_t attempt;      // sf-attempt: charged attempts so far
    int64_t due_ms;        // sf-due: not before this, broker time; 0 = none
    int64_t first_seen_ms; // sf-first-seen: when a worker (or a replay) first saw it; 0 = not yet
    int64_t expires_ms;    // sf-expires; 0 = from the job
    enum wait_kind wait;
    enum failure_class class; // sf-class, sf-code: of the last attempt
    int code;
    char rcpt[ENVELOPE_RCPT_SIZE]; // sf-rcpt: hash of the recipient
    // Borrowed; absent: ptr NULL. sf-response: the last full response, on a letter.
    struct slice lane, reason, replay, origin, approval, trail, response, traceparent;
    const struct header *others; // borrowed: the record's headers, for those that are not ours
    size_t other_count;          // all headers of the record; ours are skipped when writing
};

// Reads what is there; everything else becomes zero. False (ERR_INPUT) when one of ours is malformed or the foreign
// ones are over ENVELOPE_FOREIGN_MAX; the text names the header. Borrows from h.
MUST_CHECK bool envelope_read(struct envelope *env, const struct header *h, size_t count, struct err *e);

// Adds every header that has a value, then the foreign ones. What it writes, envelope_read accepts: texts over their
// limit are cut, control characters in them become spaces, foreign headers that pass ENVELOPE_FOREIGN_MAX are left out.
void envelope_write(const struct envelope *env, struct headers *out);

#endif
