// SPDX-License-Identifier: Apache-2.0
// batch: replaying or discarding a selection of letters, one after the other at a given pace.
#ifndef DLQ_INSPECTOR_BATCH_H
#define DLQ_INSPECTOR_BATCH_H

#include "dlq-inspector/closing.h"
#include "dlq-inspector/groups.h"
#include "dlq-inspector/letters.h"
#include "dlq-inspector/replaying.h"
#include "dlq-inspector/session.h"

struct batch_terms {
    enum mark_action action;
    const char *reason;         // why; not needed for a dry run
    int64_t rate;               // a second; 0 = as fast as it goes
    int64_t limit;              // 0 = none
    bool dry_run;
    struct replay_terms replay; // replays only; now_ms, by and reason are filled in
};

struct batch { // what happened; filled by batch_run
    int64_t started;                 // dry run: would be
    int64_t lanes[JOB_BULK + 1];     // replays: of those started
    int64_t refused[REFUSAL_COUNT];
    int64_t unknown;                 // of those started: may have been accepted before
    struct letters_counts letters;
    struct closing_counts closing;
    struct groups groups;            // dry run: reason, domain, what would happen
    bool interrupted;
    struct err error; // kind ERR_NONE: none
};

// Runs to the end of the snapshot, the limit, or SIGINT/SIGTERM (what is under way is finished then). Refusals are
// told on standard error, the first few of each kind, or all when ids were given.
void batch_run(struct batch *b, const struct session *s, const struct filter *f, const struct batch_terms *terms);
void batch_clear(struct batch *b);

int64_t batch_refused(const struct batch *b); // all of them
int batch_status(const struct batch *b);      // exit status
// The summary, as text or JSON.
void batch_report(struct batch *b, const struct session *s, const struct batch_terms *terms, struct buf *out);

#endif
