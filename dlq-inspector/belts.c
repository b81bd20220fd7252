// SPDX-License-Identifier: Apache-2.0
// belts: see belts.h. What is on a belt is what its group has not committed. A worker commits the lowest unfinished
// offset every now and then, so a job that left a moment ago may still be counted; never the other way round: what is
// not counted is not waiting. A belt is first in, first out, so the first record of each partition tells its oldest.
#include "dlq-inspector/belts.h"

#include "common/envelope.h"

int64_t belts_start(const struct broker_range *r)
{
    int64_t start = r->committed > r->low ? r->committed : r->low; // retention may have passed the commit
    return start < r->high ? start : r->high;
}

void belts_count(struct belts *b, const struct broker_range *r)
{
    int tier = topics_tier_of(b->topics, r->topic);
    if (tier >= 0)
        b->list[tier].waiting += r->high - belts_start(r);
}

void belts_head(struct belts *b, const struct record *r, int64_t now_ms)
{
    struct envelope env;
    int tier = topics_tier_of(b->topics, r->topic);
    if (tier < 0)
        return;
    struct belt *belt = &b->list[tier];
    if (belt->oldest_ms == 0 || r->timestamp_ms < belt->oldest_ms)
        belt->oldest_ms = r->timestamp_ms;
    int64_t overdue_ms = now_ms - (r->timestamp_ms + b->topics->tiers.list[tier].length_ms);
    if (overdue_ms > belt->overdue_ms)
        belt->overdue_ms = overdue_ms;
    if (!envelope_read(&env, r->headers, r->header_count, NULL) || env.due_ms == 0)
        return;
    if (belt->next_due_ms == 0 || env.due_ms < belt->next_due_ms)
        belt->next_due_ms = env.due_ms;
}

int64_t belts_waiting(const struct belts *b)
{
    int64_t n = 0;
    for (int i = 0; i < b->topics->tiers.count; i++)
        n += b->list[i].waiting;
    return n;
}
