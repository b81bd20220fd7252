// SPDX-License-Identifier: Apache-2.0
// broker_consumer: a member of a consumer group.
//
// Each partition's queue is detached from librdkafka's common one, so an owner that does not read holds back that
// partition and no other, without pause and resume (which re-download, and in librdkafka 2.0 can rewind). What is
// left on the common queue is rebalances (broker_rebalance.c), errors, and the idle topic.
//
// The idle topic: when every partition a broker thread serves has a full queue, librdkafka before 2.2 sleeps for up
// to a second and does not notice that one was read. One partition that is never full keeps it turning at the pace
// of fetch_wait_ms. Its records, if any come, are dropped here, and its offsets are never stored.
//
// Closing moves rebalances to a queue of their own and goes on through broker_consumer_poll; a member that is freed
// without having closed leaves silently, and the group notices when its session runs out.
#include "common/broker_internal.h"

#include "common/alloc.h"
#include "common/clock.h"
#include "common/log.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    STORE_EVERY_MS = 50, // cheap enough to be forgotten, far below the commit interval
    SAY_AGAIN_MS = 60 * 1000,
    IDLE_PARTITIONS_MAX = 12,
    FETCH_MIN_BYTES = 16 * 1024,
    FETCH_MAX_BYTES = 1024 * 1024,
};

static const struct broker_setting DEFAULTS[] = {
    { .key = "isolation.level", .value = "read_committed" },
    { .key = "fetch.queue.backoff.ms", .value = "10", .optional = true }, // librdkafka 2.2
};

static const struct broker_setting FIXED[] = {
    { .key = "enable.auto.offset.store", .value = "false" },
    { .key = "enable.auto.commit", .value = "true" },
    { .key = "auto.commit.interval.ms", .value = "500" },
    { .key = "auto.offset.reset", .value = "earliest" },
    { .key = "allow.auto.create.topics", .value = "false" },
    { .key = "partition.assignment.strategy", .value = "cooperative-sticky" },
    { .key = "session.timeout.ms", .value = "6000" },
    { .key = "heartbeat.interval.ms", .value = "2000" },
    { .key = "max.poll.interval.ms", .value = "300000" },
    { .key = "enable.partition.eof", .value = "false" },
    { .key = "queued.min.messages", .value = "100000" }, // bytes govern
};

static int64_t clamp(int64_t value, int64_t low, int64_t high)
{
    return value < low ? low : value > high ? high : value;
}

static void configure(struct broker_conf *b, const struct config *config, const struct broker_consumer_options *o)
{
    broker_conf_apply(b, DEFAULTS, sizeof DEFAULTS / sizeof DEFAULTS[0]);
    broker_conf_pairs(b, config);
    broker_conf_apply(b, FIXED, sizeof FIXED / sizeof FIXED[0]);
    broker_conf_apply(b, &(struct broker_setting){ .key = "group.id", .value = o->group }, 1);
    broker_conf_number(b, "fetch.wait.max.ms", o->fetch_wait_ms);
    broker_conf_number(b, "queued.max.messages.kbytes", clamp(o->prefetch_bytes / 1024, 1, 2097151));
    // a fetch may overshoot the limit by its own size, which counts compressed bytes: text is several times that in
    // memory; a larger record still comes, alone
    broker_conf_number(b, "fetch.message.max.bytes", clamp(o->prefetch_bytes / 8, FETCH_MIN_BYTES, FETCH_MAX_BYTES));
    rd_kafka_conf_set_rebalance_cb(b->rk, broker_rebalance);
}

static bool subscribe(struct broker_consumer *c, const struct broker_consumer_options *o, struct err *e)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(o->topic_count);
    for (int i = 0; i < o->topic_count; i++)
        rd_kafka_topic_partition_list_add(list, o->topics[i], RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t code = rd_kafka_subscribe(c->client.rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR ||
           err_set(e, broker_err_kind(code), "broker: subscribe group=%s: %s", o->group, rd_kafka_err2str(code));
}

bool broker_consumer_new(struct broker_consumer **out, const struct config *config,
                         const struct broker_consumer_options *o, const struct broker_consumer_events *events,
                         struct err *e)
{
    int fd = -1;
    if (!broker_eventfd(&fd, e))
        return false;
    struct broker_consumer *c = xcalloc(1, sizeof *c);
    struct broker_conf conf;
    broker_conf_init(&conf, e);
    configure(&conf, config, o);
    if (!broker_client_open(&c->client, "consumer", RD_KAFKA_CONSUMER, &conf)) {
        close(fd);
        free(c);
        return false;
    }
    c->events = *events;
    c->event_fd = fd;
    rd_kafka_poll_set_consumer(c->client.rk);
    c->queue = rd_kafka_queue_get_consumer(c->client.rk);
    broker_eventfd_watch(fd, c->queue);
    if (o->idle_topic != NULL) {
        c->idle_topic = xstrdup(o->idle_topic);
        c->idle_partitions = (int)clamp(config->layout.partitions_other, 1, IDLE_PARTITIONS_MAX);
    }
    if (!subscribe(c, o, e)) {
        broker_consumer_free(c);
        return false;
    }
    *out = c;
    return true;
}

int broker_consumer_fd(const struct broker_consumer *c)
{
    return c->event_fd;
}

void broker_consumer_store(struct broker_consumer *c)
{
    rd_kafka_topic_partition_list_t *list = NULL;
    for (size_t i = 0; i < c->count; i++) {
        struct broker_partition *p = c->list[i];
        if (!p->dirty)
            continue;
        if (list == NULL)
            list = rd_kafka_topic_partition_list_new((int)c->count);
        rd_kafka_topic_partition_list_add(list, p->topic, p->id)->offset = p->stored;
        p->dirty = false;
    }
    if (list == NULL)
        return;
    // a partition that was taken away meanwhile says _STATE: its new owner reads the record again
    rd_kafka_resp_err_t code = rd_kafka_offsets_store(c->client.rk, list);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR && code != RD_KAFKA_RESP_ERR__STATE)
        broker_consumer_say(c, list->elems[0].topic, list->elems[0].partition, code, "offset not stored");
    rd_kafka_topic_partition_list_destroy(list);
}

void broker_consumer_say(struct broker_consumer *c, const char *topic, int32_t id, rd_kafka_resp_err_t code,
                         const char *text)
{
    int64_t now_ms = clock_mono_ms();
    bool again = code == c->said && now_ms - c->said_ms < SAY_AGAIN_MS;
    enum log_level level = again ? LOG_DEBUG : broker_err_kind(code) == ERR_CONFIG ? LOG_ERROR : LOG_WARN;
    if (!again) {
        c->said = code;
        c->said_ms = now_ms;
    }
    log_line(level, "broker", "consumer topic=%s partition=%d error=\"%s\"", topic != NULL ? topic : "-", (int)id,
             text);
}

static bool is_idle_topic(const struct broker_consumer *c, const char *topic)
{
    return c->idle_topic != NULL && topic != NULL && strcmp(c->idle_topic, topic) == 0;
}

// Something on the common queue: an error, or a record of the idle topic.
static void serve_message(struct broker_consumer *c, const rd_kafka_message_t *m)
{
    const char *topic = m->rkt != NULL ? rd_kafka_topic_name(m->rkt) : NULL;
    if (is_idle_topic(c, topic))
        return;
    if (m->err == RD_KAFKA_RESP_ERR_NO_ERROR)
        log_error("broker", "stray topic=%s partition=%d offset=%lld", topic, (int)m->partition,
                  (long long)m->offset);
    else
        broker_consumer_say(c, topic, m->partition, m->err, rd_kafka_message_errstr(m));
}

void broker_consumer_poll(struct broker_consumer *c)
{
    enum { TURN_MAX = 1000 };
    broker_eventfd_drain(c->event_fd); // first: what comes later has to wake us again
    int64_t now_ms = clock_mono_ms();
    if (now_ms - c->stored_ms >= STORE_EVERY_MS) {
        c->stored_ms = now_ms;
        broker_consumer_store(c);
    }
    for (int i = 0; i < TURN_MAX; i++) {
        rd_kafka_message_t *m = c->close_queue != NULL ? rd_kafka_consume_queue(c->close_queue, 0)
                                                       : rd_kafka_consumer_poll(c->client.rk, 0);
        if (m == NULL)
            break;
        serve_message(c, m);
        rd_kafka_message_destroy(m);
    }
    broker_client_check(&c->client);
}

const char *broker_consumer_fatal(const struct broker_consumer *c)
{
    return c->client.fatal[0] != '\0' ? c->client.fatal : NULL;
}

void broker_consumer_close(struct broker_consumer *c)
{
    if (c->close_queue != NULL)
        return;
    c->close_queue = rd_kafka_queue_new(c->client.rk);
    broker_eventfd_watch(c->event_fd, c->close_queue);
    broker_consumer_store(c);
    broker_rebalance_close(c);
    rd_kafka_error_t *error = rd_kafka_consumer_close_queue(c->client.rk, c->close_queue);
    if (error == NULL)
        return;
    log_warn("broker", "close error=\"%s\"", rd_kafka_error_string(error));
    rd_kafka_error_destroy(error);
}

bool broker_consumer_closed(const struct broker_consumer *c)
{
    return c->close_queue != NULL && c->count == 0 && rd_kafka_consumer_closed(c->client.rk) != 0;
}

void broker_consumer_free(struct broker_consumer *c)
{
    if (c == NULL)
        return;
    while (c->count > 0)
        broker_partition_free(c->list[c->count - 1]);
    if (c->leaving != NULL) // a list that is kept holds partitions and delays destroy by half a minute
        rd_kafka_topic_partition_list_destroy(c->leaving);
    if (c->close_queue != NULL) {
        broker_eventfd_unwatch(c->close_queue);
        rd_kafka_queue_destroy(c->close_queue);
    }
    broker_eventfd_unwatch(c->queue);
    rd_kafka_queue_destroy(c->queue);
    rd_kafka_destroy_flags(c->client.rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    close(c->event_fd);
    broker_names_clear(&c->names);
    free(c->idle_topic);
    free(c->list);
    free(c);
}
