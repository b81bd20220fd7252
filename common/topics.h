// SPDX-License-Identifier: Apache-2.0
// topics: names of every topic and group of a fleet, and what each topic has to look like.
#ifndef COMMON_TOPICS_H
#define COMMON_TOPICS_H

#include "common/tiers.h"
#include "common/job.h"

struct config;

enum { TOPIC_NAME_SIZE = 128 };

enum topic_role {
    TOPIC_MAIN, TOPIC_MAIN_CRITICAL, TOPIC_MAIN_BULK,
    TOPIC_DLQ, TOPIC_REVIEW, TOPIC_EVENTS, TOPIC_FEEDBACK, TOPIC_DLQ_LOG,
    TOPIC_FIXED_COUNT
};

struct topics {
    char fixed[TOPIC_FIXED_COUNT][TOPIC_NAME_SIZE];
    char retry[TIERS_MAX][TOPIC_NAME_SIZE]; // by tier
    char main_group[TOPIC_NAME_SIZE];       // <prefix>.main
    char retry_group[TOPIC_NAME_SIZE];      // <prefix>.retry
    struct tiers tiers;
};

// prefix: letters, digits, "._-", 1-64 characters.
MUST_CHECK bool topics_init(struct topics *t, const char *prefix, const struct tiers *tiers, struct err *e);

// The main topic of a lane.
const char *topics_lane(const struct topics *t, enum job_priority priority);

// Index of the tier whose belt this topic is, or -1.
int topics_tier_of(const struct topics *t, const char *topic);

struct topic_plan { // one topic as it must exist
    const char *name; // borrowed from struct topics
    int partitions;
    int replication;
    int64_t retention_ms; // -1: kept for ever (compacted)
    int64_t max_message_bytes;
    bool compacted;       // cleanup.policy=compact
    bool log_append_time; // message.timestamp.type=LogAppendTime
};

// All topics of a fleet with the settings of this configuration; out has room for TOPIC_FIXED_COUNT + TIERS_MAX.
// Returns how many. The promises between the numbers (retention > belt length, dedup.life >= …) are checked by
// config_check_promises.
int topics_plan(const struct topics *t, const struct config *c, struct topic_plan *out);

#endif
