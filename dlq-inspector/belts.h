// SPDX-License-Identifier: Apache-2.0
// belts: how many jobs wait on which retry tier, from offsets and the first waiting record of each partition.
#ifndef DLQ_INSPECTOR_BELTS_H
#define DLQ_INSPECTOR_BELTS_H

#include "common/broker.h"

struct belt {
    int64_t waiting;
    int64_t oldest_ms;   // when the first waiting record was put on the belt; 0 = none
    int64_t next_due_ms; // earliest sf-due among the first records; 0 = none says
    int64_t overdue_ms;  // how long the first record should have been off already; 0 = it is in time
};

struct belts {
    const struct topics *topics; // borrowed
    struct belt list[TIERS_MAX];
};

// Where reading of a partition has to begin: what its group has not finished. Never beyond high.
int64_t belts_start(const struct broker_range *r);

// Counts a partition of a retry topic; others are passed over.
void belts_count(struct belts *b, const struct broker_range *r);
// Takes the first waiting record of a partition.
void belts_head(struct belts *b, const struct record *r, int64_t now_ms);
int64_t belts_waiting(const struct belts *b);

#endif
