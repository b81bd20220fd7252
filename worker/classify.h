// SPDX-License-Identifier: Apache-2.0
// classify: from what a transport saw to the class that decides a job's path. All of it is data: an ordered
// file of rules (worker/rules/default.rules, built in, or worker.rules), the first that matches wins, its id
// is recorded with the attempt.
#ifndef WORKER_CLASSIFY_H
#define WORKER_CLASSIFY_H

#include "common/failure.h"
#include "worker/transport/transport.h"

#include <stdio.h>

struct verdict {
    enum failure_class class; // FAILURE_NONE: accepted
    const char *rule;         // id of the rule; lives as long as the process
    int64_t retry_after_ms;   // the wait that was asked for; -1 = none
    bool suppress;            // proof that this mailbox is dead
    bool generic;             // no rule knew the text: decided by the code's first digit or less
    char enhanced[12];        // the enhanced code that was trusted; "" = none
};

// Reads the rules: of this file, or (NULL or "") the built-in ones. Without it classify uses the built-in
// ones. False (ERR_CONFIG, file and line): the rules in use stay what they are.
MUST_CHECK bool classify_load(const char *path, struct err *e);
// Reads the same file again and logs what changed. False: as above.
MUST_CHECK bool classify_reload(struct err *e);
void classify_clear(void); // back to none loaded

// provider: the transport's name ("smtp", "mx", "http", "sendgrid" …). idempotent: the receiver honours
// idempotency keys.
struct verdict classify(const char *provider, const struct outcome *o, bool idempotent);

// What the worker does with a class: "retry", "wait", "dead", "dead_suppress", "pause_route", "unknown",
// "accept".
const char *verdict_action(const struct verdict *v);

// sendfleet-worker classify: JSONL in, JSONL out. Returns the exit status.
int classify_stream(FILE *in, FILE *out);

#endif
