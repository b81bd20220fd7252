// SPDX-License-Identifier: Apache-2.0
// classify: from what a transport saw to the class that decides a job's path. All of it is data: an ordered table of
// rules, the first that matches wins, its id is recorded with the attempt.
#ifndef WORKER_CLASSIFY_H
#define WORKER_CLASSIFY_H

#include "common/failure.h"
#include "worker/transport/transport.h"

#include <stdio.h>

struct verdict {
    enum failure_class class; // FAILURE_NONE: accepted
    const char *rule;         // id of the rule, static
    int64_t retry_after_ms;   // the wait that was asked for; -1 = none
    bool suppress;            // proof that this mailbox is dead
};

// provider: "smtp", "http" or a provider's name. idempotent: the receiver honours idempotency keys.
struct verdict classify(const char *provider, const struct outcome *o, bool idempotent);

// What the worker does with a class: "retry", "wait", "dead", "dead_suppress", "pause_route", "unknown", "accept".
const char *verdict_action(const struct verdict *v);

// sendfleet-worker classify: JSONL in, JSONL out. Returns the exit status.
int classify_stream(FILE *in, FILE *out);

#endif
