// SPDX-License-Identifier: Apache-2.0
// source: see source.h.
//
// An attempt outlives its assignment: when the group takes a partition away while records of it are under way, they
// settle all the same, only the offset is no longer ours. So a source lives until its last record is finished, and
// the tracker refuses to store anything once the partition is gone.
#include "worker/source.h"

#include "common/alloc.h"
#include "common/log.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

static const char *const LANES[LANE_COUNT] = {
    [LANE_CRITICAL] = "critical", [LANE_NORMAL] = "normal", [LANE_BULK] = "bulk", [LANE_RETRY] = "retry"
};

const char *lane_name(enum lane l)
{
    return LANES[l];
}

struct source *source_new(struct broker_partition *p, enum lane lane, int tier)
{
    struct source *s = xcalloc(1, sizeof *s);
    s->partition = p;
    s->topic = broker_partition_topic(p);
    s->id = broker_partition_id(p);
    s->lane = lane;
    s->tier = tier;
    s->tracker.frontier = -1;
    s->maybe_more = true;
    return s;
}

static void free_when_over(struct source *s)
{
    if (s->state != SOURCE_GONE || s->outstanding > 0)
        return;
    record_free(s->head);
    tracker_clear(&s->tracker);
    free(s);
}

void source_finish(struct source *s, uint64_t seq)
{
    assert(s->outstanding > 0);
    s->outstanding--;
    if (tracker_finish(&s->tracker, seq) && s->partition != NULL)
        broker_partition_store(s->partition, s->tracker.frontier);
    free_when_over(s);
}

void source_abandon(struct source *s)
{
    assert(s->outstanding > 0);
    s->outstanding--;
    free_when_over(s);
}

void source_release(struct source *s, bool lost)
{
    assert(s->state != SOURCE_GONE);
    log_info("intake", "%s topic=%s partition=%" PRId32 " unfinished=%zu frontier=%" PRId64,
             lost ? "lost" : "released", s->topic, s->id, s->outstanding, s->tracker.frontier);
    struct broker_partition *p = s->partition;
    s->state = SOURCE_GONE;
    s->partition = NULL;
    record_free(s->head);
    s->head = NULL;
    if (!lost) {
        if (s->tracker.frontier >= 0)
            broker_partition_store(p, s->tracker.frontier);
        broker_partition_release(p);
    }
    free_when_over(s);
}
