// SPDX-License-Identifier: Apache-2.0
// broker_reader: reads given ranges of partitions from their low end to their high end, without a group, and ends.
//
// The high end is a snapshot: what is written while we read is not ours. Offsets have gaps (compaction, transaction
// markers), so a range is over when a record at or above high comes, when the last one below it came, or when the
// partition ends. A few partitions are open at a time, sharing a bounded prefetch, so a dead-letter topic of any
// width is read in the same memory. What retention deleted meanwhile is skipped.
//
// librdkafka before 2.2 looks at a full queue again only after a second, which holds a scan to one prefetch a second.
// Any request to the partition's leader wakes its thread, which then looks at once: 60 MB/s become 350.
#include "common/broker_internal.h"

#include "common/alloc.h"
#include "common/clock.h"
#include "common/log.h"

#include <stdlib.h>
#include <string.h>

enum { OPEN_MAX = 8, SLICE_MS = 200, WAKE_MS = 50 };

struct range {
    rd_kafka_topic_t *topic; // borrowed from the reader's list
    const char *name;        // interned
    int32_t partition;
    int64_t low, high;
    bool open;
};

struct broker_reader {
    struct broker_client client; // first: librdkafka's opaque
    rd_kafka_queue_t *queue;     // all open partitions
    struct broker_names names;
    rd_kafka_topic_t **topics; // owned, parallel to names
    struct range *ranges;
    int count;
    int next;  // the first range not opened yet
    int open;  // ranges being read
    bool started; // a record came: everything is connected
    int last;  // the range of the last record: the next one is likely of the same
};

static const struct broker_setting DEFAULTS[] = {
    { .key = "isolation.level", .value = "read_committed" },
    { .key = "fetch.queue.backoff.ms", .value = "10", .optional = true }, // librdkafka 2.2
};

static const struct broker_setting FIXED[] = {
    { .key = "enable.auto.commit", .value = "false" },
    { .key = "enable.auto.offset.store", .value = "false" },
    { .key = "auto.offset.reset", .value = "earliest" },
    { .key = "allow.auto.create.topics", .value = "false" },
    { .key = "enable.partition.eof", .value = "true" },
    { .key = "fetch.wait.max.ms", .value = "50" },
    { .key = "queued.min.messages", .value = "100000" },
    { .key = "queued.max.messages.kbytes", .value = "65536" }, // of all, as they share a queue
};

static rd_kafka_topic_t *topic_of(struct broker_reader *r, const char *name)
{
    size_t known = r->names.count;
    for (size_t i = 0; i < known; i++)
        if (strcmp(r->names.list[i], name) == 0)
            return r->topics[i];
    rd_kafka_topic_t *topic = rd_kafka_topic_new(r->client.rk, name, NULL);
    if (topic == NULL)
        return NULL;
    broker_names_intern(&r->names, name);
    r->topics = xrealloc(r->topics, r->names.count * sizeof *r->topics);
    r->topics[known] = topic;
    return topic;
}

static bool take_ranges(struct broker_reader *r, const struct broker_range *ranges, int count, struct err *e)
{
    r->ranges = xcalloc((size_t)count, sizeof *r->ranges);
    for (int i = 0; i < count; i++) {
        if (ranges[i].low >= ranges[i].high)
            continue;
        rd_kafka_topic_t *topic = topic_of(r, ranges[i].topic);
        if (topic == NULL)
            return err_set(e, ERR_CONFIG, "broker: \"%s\" is not a topic name Kafka allows", ranges[i].topic);
        r->ranges[r->count++] = (struct range){
            .topic = topic,
            .name = broker_names_intern(&r->names, ranges[i].topic),
            .partition = ranges[i].partition,
            .low = ranges[i].low,
            .high = ranges[i].high,
        };
    }
    return true;
}

static bool open_ranges(struct broker_reader *r, struct err *e)
{
    while (r->open < OPEN_MAX && r->next < r->count) {
        struct range *range = &r->ranges[r->next];
        if (rd_kafka_consume_start_queue(range->topic, range->partition, range->low, r->queue) != 0)
            return err_set(e, broker_err_kind(rd_kafka_last_error()), "broker: read topic=%s partition=%d: %s",
                           range->name, (int)range->partition, rd_kafka_err2str(rd_kafka_last_error()));
        range->open = true;
        r->open++;
        r->next++;
    }
    return true;
}

static void close_range(struct broker_reader *r, struct range *range)
{
    rd_kafka_consume_stop(range->topic, range->partition);
    range->open = false;
    r->open--;
}

bool broker_reader_new(struct broker_reader **out, const struct config *c, const struct broker_range *ranges,
                       int count, struct err *e)
{
    struct broker_reader *r = xcalloc(1, sizeof *r);
    struct broker_conf conf;
    broker_conf_init(&conf, e);
    broker_conf_apply(&conf, DEFAULTS, sizeof DEFAULTS / sizeof DEFAULTS[0]);
    broker_conf_pairs(&conf, c);
    broker_conf_apply(&conf, FIXED, sizeof FIXED / sizeof FIXED[0]);
    if (!broker_client_open(&r->client, "reader", RD_KAFKA_CONSUMER, &conf)) {
        free(r);
        return false;
    }
    r->queue = rd_kafka_queue_new(r->client.rk);
    if (!take_ranges(r, ranges, count, e) || !open_ranges(r, e)) {
        broker_reader_free(r);
        return false;
    }
    *out = r;
    return true;
}

static struct range *range_of(struct broker_reader *r, const rd_kafka_message_t *m)
{
    if (m->rkt == NULL)
        return NULL;
    const char *name = rd_kafka_topic_name(m->rkt);
    for (int i = 0; i < r->count; i++) {
        int at = (r->last + i) % r->count;
        struct range *range = &r->ranges[at];
        if (range->partition == m->partition && strcmp(range->name, name) == 0) {
            r->last = at;
            return range;
        }
    }
    return NULL;
}

// A record of ours, or NULL when the message only moved the state on.
static struct record *take(struct broker_reader *r, struct range *range, const rd_kafka_message_t *m)
{
    if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF || m->offset >= range->high) {
        close_range(r, range);
        return NULL;
    }
    struct record *record = broker_record_copy(m, range->name);
    r->started = true;
    if (m->offset == range->high - 1)
        close_range(r, range);
    return record;
}

// 1: *record; 0: nothing for the caller; -1: this will not get better.
static int serve(struct broker_reader *r, const rd_kafka_message_t *m, struct record **record, struct err *e)
{
    struct range *range = range_of(r, m);
    if (m->err == RD_KAFKA_RESP_ERR_NO_ERROR || m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        if (range == NULL || !range->open) // came in while the range was being closed
            return 0;
        *record = take(r, range, m);
        return *record != NULL;
    }
    enum err_kind kind = broker_err_kind(m->err);
    const char *name = range != NULL ? range->name : "-";
    if (kind != ERR_CONFIG && kind != ERR_FATAL) {
        log_debug("broker", "reader topic=%s error=\"%s\"", name, rd_kafka_message_errstr(m));
        return 0;
    }
    err_set(e, kind, "broker: read topic=%s partition=%d: %s", name, (int)m->partition, rd_kafka_message_errstr(m));
    return -1;
}

static int give_up(const struct broker_reader *r, int64_t timeout_ms, struct err *e)
{
    err_set(e, ERR_UNAVAILABLE, "broker: %s: nothing read for %lld ms, %d partitions left%s%s", r->client.address,
            (long long)timeout_ms, r->open + r->count - r->next, r->client.reason[0] != '\0' ? ": " : "",
            r->client.reason);
    return -1;
}

// The queue ran dry while there is more to read.
static void wake_fetchers(struct broker_reader *r)
{
    int64_t low, high; // of no interest
    for (int i = 0; r->started && i < r->next; i++)
        if (r->ranges[i].open)
            (void)rd_kafka_query_watermark_offsets(r->client.rk, r->ranges[i].name, r->ranges[i].partition, &low, &high,
                                                   WAKE_MS);
}

int broker_reader_next(struct broker_reader *r, int64_t timeout_ms, struct record **record, struct err *e)
{
    int64_t deadline_ms = 0; // the clock is asked only when there is nothing at hand
    for (;;) {
        if (!open_ranges(r, e))
            return -1;
        if (r->open == 0)
            return 0;
        rd_kafka_message_t *m = rd_kafka_consume_queue(r->queue, deadline_ms == 0 ? 0 : SLICE_MS);
        if (m != NULL) {
            deadline_ms = 0; // something moves
            int got = serve(r, m, record, e);
            rd_kafka_message_destroy(m);
            if (got != 0)
                return got;
            continue;
        }
        rd_kafka_poll(r->client.rk, 0); // connection errors
        broker_client_check(&r->client);
        int64_t now_ms = clock_mono_ms();
        if (deadline_ms == 0) {
            deadline_ms = now_ms + timeout_ms;
            wake_fetchers(r);
        } else if (now_ms >= deadline_ms) {
            return give_up(r, timeout_ms, e);
        }
    }
}

void broker_reader_free(struct broker_reader *r)
{
    if (r == NULL)
        return;
    for (int i = 0; i < r->count; i++)
        if (r->ranges[i].open)
            close_range(r, &r->ranges[i]);
    rd_kafka_queue_destroy(r->queue);
    for (size_t i = 0; i < r->names.count; i++)
        rd_kafka_topic_destroy(r->topics[i]);
    rd_kafka_destroy(r->client.rk);
    broker_names_clear(&r->names);
    free(r->topics);
    free(r->ranges);
    free(r);
}
