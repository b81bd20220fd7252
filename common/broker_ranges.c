// SPDX-License-Identifier: Apache-2.0
// broker_ranges: how far topics are written, and how far a group has read them.
//
// Three requests a broker for any number of partitions: ListOffsets accepts "earliest" and "latest" in place of a
// time and librdkafka passes them on (70 partitions: 5 ms; asked for one by one 40-60 ms). A partition that has just
// been created or lost its leader is asked for again until the time is up.
#include "common/broker_internal.h"

#include "common/alloc.h"
#include "common/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool list_partitions(struct broker_admin *a, const char *const *topics, int topic_count,
                            struct broker_range **out, int *count, struct err *e)
{
    const struct rd_kafka_metadata *metadata = NULL;
    if (!broker_admin_metadata(a, &metadata, e))
        return false;
    struct broker_range *ranges = NULL;
    int n = 0;
    bool ok = true;
    for (int i = 0; ok && i < topic_count; i++) {
        const struct rd_kafka_metadata_topic *topic = broker_admin_find(metadata, topics[i]);
        if (topic == NULL || topic->partition_cnt == 0) {
            ok = err_set(e, ERR_CONFIG, "broker: topic %s does not exist: create it with `sendfleet-producer topics`",
                         topics[i]);
            break;
        }
        ranges = xrealloc(ranges, (size_t)(n + topic->partition_cnt) * sizeof *ranges);
        for (int k = 0; k < topic->partition_cnt; k++, n++) {
            ranges[n] = (struct broker_range){ .partition = topic->partitions[k].id, .committed = -1 };
            snprintf(ranges[n].topic, sizeof ranges[n].topic, "%s", topics[i]);
        }
    }
    rd_kafka_metadata_destroy(metadata);
    if (!ok) {
        free(ranges);
        return false;
    }
    *out = ranges;
    *count = n;
    return true;
}

static rd_kafka_topic_partition_list_t *to_list(const struct broker_range *ranges, int count, int64_t offset)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(count);
    for (int i = 0; i < count; i++)
        rd_kafka_topic_partition_list_add(list, ranges[i].topic, ranges[i].partition)->offset = offset;
    return list;
}

// librdkafka sorts lists as it likes.
static const rd_kafka_topic_partition_t *find(const rd_kafka_topic_partition_list_t *list, const struct broker_range *r)
{
    return rd_kafka_topic_partition_list_find(list, r->topic, r->partition);
}

static rd_kafka_resp_err_t first_error(const rd_kafka_topic_partition_list_t *list)
{
    for (int i = 0; i < list->cnt; i++)
        if (list->elems[i].err != RD_KAFKA_RESP_ERR_NO_ERROR || list->elems[i].offset < 0)
            return list->elems[i].err != RD_KAFKA_RESP_ERR_NO_ERROR ? list->elems[i].err
                                                                    : RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE;
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

// which: RD_KAFKA_OFFSET_BEGINNING or RD_KAFKA_OFFSET_END, the same numbers in Kafka's protocol.
static bool list_offsets(struct broker_admin *a, struct broker_range *ranges, int count, int64_t which,
                         struct err *e)
{
    int64_t deadline_ms = clock_mono_ms() + BROKER_ADMIN_REQUEST_MS;
    for (;;) {
        rd_kafka_topic_partition_list_t *list = to_list(ranges, count, which);
        rd_kafka_resp_err_t code = rd_kafka_offsets_for_times(a->client.rk, list, BROKER_ADMIN_REQUEST_MS);
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
            code = first_error(list);
        for (int i = 0; code == RD_KAFKA_RESP_ERR_NO_ERROR && i < count; i++) {
            int64_t offset = find(list, &ranges[i])->offset;
            *(which == RD_KAFKA_OFFSET_BEGINNING ? &ranges[i].low : &ranges[i].high) = offset;
        }
        rd_kafka_topic_partition_list_destroy(list);
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
            return true;
        if (clock_mono_ms() >= deadline_ms)
            return err_set(e, ERR_UNAVAILABLE, "broker: %s: offsets of topic=%s…: %s", a->client.address,
                           ranges[0].topic, rd_kafka_err2str(code));
        broker_admin_pause();
    }
}

static bool read_committed(const rd_kafka_event_t *event, struct broker_range *ranges, int count, const char *group,
                           struct err *e)
{
    size_t groups = 0;
    const rd_kafka_group_result_t **list = rd_kafka_ListConsumerGroupOffsets_result_groups(
        rd_kafka_event_ListConsumerGroupOffsets_result((rd_kafka_event_t *)(uintptr_t)event), &groups);
    if (groups == 0)
        return true;
    const rd_kafka_error_t *error = rd_kafka_group_result_error(list[0]);
    if (error != NULL)
        return err_set(e, broker_err_kind(rd_kafka_error_code(error)), "broker: offsets of group=%s: %s", group,
                       rd_kafka_error_string(error));
    const rd_kafka_topic_partition_list_t *parts = rd_kafka_group_result_partitions(list[0]);
    for (int i = 0; parts != NULL && i < count; i++) {
        const rd_kafka_topic_partition_t *part = find(parts, &ranges[i]);
        if (part != NULL && part->offset >= 0)
            ranges[i].committed = part->offset;
    }
    return true;
}

static bool list_committed(struct broker_admin *a, struct broker_range *ranges, int count, const char *group,
                           struct err *e)
{
    rd_kafka_topic_partition_list_t *parts = to_list(ranges, count, RD_KAFKA_OFFSET_INVALID);
    rd_kafka_ListConsumerGroupOffsets_t *request = rd_kafka_ListConsumerGroupOffsets_new(group, parts);
    rd_kafka_topic_partition_list_destroy(parts);
    rd_kafka_AdminOptions_t *options = broker_admin_options(a, RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS);
    rd_kafka_ListConsumerGroupOffsets(a->client.rk, &request, 1, options, a->queue);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_ListConsumerGroupOffsets_destroy(request);
    rd_kafka_event_t *event = NULL;
    if (!broker_admin_result(a, "offsets of a group", &event, e))
        return false;
    bool ok = read_committed(event, ranges, count, group, e);
    rd_kafka_event_destroy(event);
    return ok;
}

bool broker_admin_ranges(struct broker_admin *a, const char *const *topics, int topic_count, const char *group,
                         struct broker_range **out, int *count, struct err *e)
{
    struct broker_range *ranges = NULL;
    int n = 0;
    if (!list_partitions(a, topics, topic_count, &ranges, &n, e))
        return false;
    // the low end first: were it read last, retention could have moved it past high
    bool ok = n == 0 || (list_offsets(a, ranges, n, RD_KAFKA_OFFSET_BEGINNING, e) &&
                         list_offsets(a, ranges, n, RD_KAFKA_OFFSET_END, e) &&
                         (group == NULL || list_committed(a, ranges, n, group, e)));
    if (!ok) {
        free(ranges);
        return false;
    }
    *out = ranges;
    *count = n;
    return true;
}
