// SPDX-License-Identifier: Apache-2.0
// policy: all decisions about what becomes of a job, in one place and pure: no clock, no I/O, no randomness of its
// own. Transports report, classify names, policy decides, delivery carries out.
#ifndef WORKER_POLICY_H
#define WORKER_POLICY_H

#include "common/config.h"
#include "worker/classify.h"
#include "worker/ending.h"

struct policy_case {
    const struct config *config;
    const struct route_config *route; // NULL when the job's route is not configured
    const struct job *job;
    const struct envelope *env;
    int64_t now_ms;           // broker time
    double random01;          // uniform in [0, 1)
    int64_t route_until_ms;   // class route: when the route's pause ends
    const char *worker;       // whose attempt it was
};

// When this job is over (broker time): sf-expires, or what the job and the configuration say.
int64_t policy_deadline_ms(const struct policy_case *c);

// Before an attempt: FAILURE_NONE, or why the job must not be sent (expired, unknown that is held); *end is then
// the letter to file. review: *end is an ENDING_REVIEW and the class is FAILURE_NONE.
enum failure_class policy_gate(const struct policy_case *c, struct ending *end);

// After an attempt. end->entry is the caller's to fill before.
void policy_after_attempt(const struct policy_case *c, const struct verdict *v, const struct outcome *o,
                          struct ending *end);

// The claim of this very epoch outlived its lease: its worker died or lost touch while it may have been sending.
void policy_after_dead_claim(const struct policy_case *c, const char *dead_worker, struct ending *end);

#endif
