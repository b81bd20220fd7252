// SPDX-License-Identifier: Apache-2.0
// meters: every metric of the worker, declared in one place. Names and labels are contract (worker/README.md).
#ifndef WORKER_METERS_H
#define WORKER_METERS_H

#include "common/config.h"
#include "common/failure.h"
#include "common/metrics.h"

struct meters {
    struct metrics *registry;
    struct metric_family *jobs;              // outcome, route, class
    struct metric_family *attempts;          // provider, class
    struct metric_family *attempt_seconds;   // provider
    struct metric_family *end_to_end;        // route
    struct metric_family *first_wait;        // lane
    struct metric_family *retry_waiting;     // tier
    struct metric_family *belt_hops;         // tier
    struct metric_family *inflight;          // budget
    struct metric_family *unknown;           // phase
    struct metric_family *unclassified;      // provider
    struct metric_family *dlq;               // reason, priority
    struct metric_family *offset_lag;        // topic, partition
    struct metric_family *dkim_signed;       // algorithm
    struct metric *lateness, *duplicates, *redelivered, *busy_parked, *double_accept, *store_up, *clock_offset;
    struct metric *frontier_age, *dueheap_bytes, *claims_refused, *dkim_failed;
};

void meters_init(struct meters *m);
void meters_clear(struct meters *m);

// Shorthands: one more of the child with these label values.
void meter_count1(struct metric_family *f, const char *a);
void meter_count2(struct metric_family *f, const char *a, const char *b);
void meter_count3(struct metric_family *f, const char *a, const char *b, const char *c);
void meter_observe1(struct metric_family *f, const char *a, double value);
void meter_set1(struct metric_family *f, const char *a, double value);

#endif
