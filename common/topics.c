// SPDX-License-Identifier: Apache-2.0
// topics: every topic name is made here, and nowhere else.
//
// Names are <prefix>.<role> and <prefix>.retry.<tier>. What a topic has to look like follows from its role: belts
// and journals are stamped by the broker (LogAppendTime; a belt is only first in, first out by the broker's own
// clock), everything but main takes records 64 KiB larger than main does, because a job gathers headers on its way.
#include "common/topics.h"

#include "common/config.h"

#include <stdio.h>
#include <string.h>

enum { PREFIX_MAX = 64, HEADERS_ROOM_BYTES = 64 * 1024 };

static const char *const ROLE_NAMES[TOPIC_FIXED_COUNT] = {
    [TOPIC_MAIN] = "main",
    [TOPIC_MAIN_CRITICAL] = "main.critical",
    [TOPIC_MAIN_BULK] = "main.bulk",
    [TOPIC_DLQ] = "dlq",
    [TOPIC_REVIEW] = "review",
    [TOPIC_EVENTS] = "events",
    [TOPIC_FEEDBACK] = "feedback",
    [TOPIC_DLQ_LOG] = "dlq.log",
};

static bool check_prefix(const char *prefix, struct err *e)
{
    size_t len = strlen(prefix);
    size_t good = strspn(prefix, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");
    if (len >= 1 && len <= PREFIX_MAX && good == len)
        return true;
    return err_set(e, ERR_CONFIG, "prefix: \"%.80s\" is not 1 to %d letters, digits, dots, underscores or dashes", prefix,
                   PREFIX_MAX);
}

bool topics_init(struct topics *t, const char *prefix, const struct tiers *tiers, struct err *e)
{
    if (!check_prefix(prefix, e))
        return false;
    struct topics made = { .tiers = *tiers };
    for (int i = 0; i < TOPIC_FIXED_COUNT; i++)
        snprintf(made.fixed[i], TOPIC_NAME_SIZE, "%s.%s", prefix, ROLE_NAMES[i]);
    for (int i = 0; i < tiers->count; i++)
        snprintf(made.retry[i], TOPIC_NAME_SIZE, "%s.retry.%s", prefix, tiers->list[i].name);
    snprintf(made.main_group, TOPIC_NAME_SIZE, "%s.main", prefix);
    snprintf(made.retry_group, TOPIC_NAME_SIZE, "%s.retry", prefix);
    *t = made;
    return true;
}

const char *topics_lane(const struct topics *t, enum job_priority priority)
{
    switch (priority) {
    case JOB_CRITICAL:
        return t->fixed[TOPIC_MAIN_CRITICAL];
    case JOB_BULK:
        return t->fixed[TOPIC_MAIN_BULK];
    case JOB_NORMAL:
        break;
    }
    return t->fixed[TOPIC_MAIN];
}

int topics_tier_of(const struct topics *t, const char *topic)
{
    for (int i = 0; i < t->tiers.count; i++)
        if (strcmp(t->retry[i], topic) == 0)
            return i;
    return -1;
}

static struct topic_plan plan_fixed(const struct topics *t, const struct config *c, enum topic_role role)
{
    struct topic_plan plan = {
        .name = t->fixed[role],
        .partitions = c->layout.partitions_other,
        .replication = c->layout.replication,
        .max_message_bytes = c->max_job_bytes + 2 * (int64_t)HEADERS_ROOM_BYTES,
    };
    switch (role) {
    case TOPIC_MAIN:
    case TOPIC_MAIN_CRITICAL:
    case TOPIC_MAIN_BULK:
        plan.partitions = c->layout.partitions_main;
        plan.retention_ms = c->layout.retention_main_ms;
        plan.max_message_bytes = c->max_job_bytes + HEADERS_ROOM_BYTES;
        break;
    case TOPIC_DLQ:
    case TOPIC_REVIEW:
        plan.retention_ms = c->layout.retention_dlq_ms;
        break;
    case TOPIC_EVENTS:
    case TOPIC_FEEDBACK:
        plan.retention_ms = c->layout.retention_events_ms;
        plan.log_append_time = true;
        break;
    case TOPIC_DLQ_LOG:
        plan.retention_ms = -1;
        plan.compacted = true;
        break;
    case TOPIC_FIXED_COUNT:
        break;
    }
    return plan;
}

int topics_plan(const struct topics *t, const struct config *c, struct topic_plan *out)
{
    int count = 0;
    for (int role = 0; role < TOPIC_FIXED_COUNT; role++)
        out[count++] = plan_fixed(t, c, (enum topic_role)role);
    for (int i = 0; i < t->tiers.count; i++)
        out[count++] = (struct topic_plan){
            .name = t->retry[i],
            .partitions = c->layout.partitions_retry,
            .replication = c->layout.replication,
            .retention_ms = t->tiers.list[i].length_ms + c->layout.retention_retry_extra_ms,
            .max_message_bytes = c->max_job_bytes + 2 * (int64_t)HEADERS_ROOM_BYTES,
            .log_append_time = true,
        };
    return count;
}
