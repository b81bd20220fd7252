// SPDX-License-Identifier: Apache-2.0
// replaying: may this letter be sent again, and what would the record look like?
#ifndef DLQ_INSPECTOR_REPLAYING_H
#define DLQ_INSPECTOR_REPLAYING_H

#include "common/job.h"
#include "dlq-inspector/letter.h"

struct replay_terms {
    int64_t now_ms;
    const char *by, *reason; // the operator, and why
    int64_t extend_ms;       // new life; 0 = the job's own max age, or the default
    int64_t max_age_ms;      // the default
    int64_t window_ms;       // dedup.replay_window
    int64_t max_job_bytes;
    bool unknown_too; // letters whose mail may have gone out
    bool old_too;     // letters older than the window
};

enum refusal {
    REFUSAL_NONE,
    REFUSAL_CLOSED,   // replayed or discarded already
    REFUSAL_INVALID,  // not a job
    REFUSAL_CONFLICT, // its key belongs to other content
    REFUSAL_UNKNOWN,  // may have been accepted, and nobody said to take that risk
    REFUSAL_NEVER,    // the job forbids it
    REFUSAL_APPROVAL, // the job asks for an approval it does not have
    REFUSAL_EXPIRED,  // its own deadline has passed
    REFUSAL_OLD,      // the dedup record may be gone
    REFUSAL_COUNT
};
const char *refusal_name(enum refusal r); // "already_closed", "invalid", …

struct verdict {
    enum refusal refusal;
    char text[256]; // why it is refused, for a person
    enum job_priority lane;
    int64_t expires_ms;
};

// job: scratch, parsed from the letter's value.
void replaying_judge(struct letter *l, struct job *job, const struct replay_terms *terms, struct verdict *v);

// The headers of the new record: the next generation, the first try, everything else of the failed attempt gone but
// the trail. Foreign headers travel along.
void replaying_headers(const struct letter *l, const struct replay_terms *terms, const struct verdict *v,
                       struct headers *out);

#endif
