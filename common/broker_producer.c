// SPDX-License-Identifier: Apache-2.0
// broker_producer: records out, one receipt for each.
//
// All kinds are idempotent with acks=all, so a receipt that says ok means the broker has the record once. They
// differ in patience and batching: a publisher gives up after delivery.timeout.ms, a worker never does (its offset
// waits for the receipt anyway). What can go wrong: the queue is full while brokers are away (ERR_TRANSIENT, the
// caller stops taking work); a topic is missing (librdkafka would look again only after minutes, so we nudge it);
// the client declares itself broken (fatal, every receipt says so and the process has to be restarted).
//
// The names of the topics a kind writes to are announced at the start: librdkafka 2.0 delays the first record to a
// topic it has not met by up to a second.
#include "common/broker_internal.h"

#include "common/alloc.h"
#include "common/clock.h"
#include "common/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct ticket { // travels with a record and finds its way back with the receipt
    broker_receipt_cb cb;
    void *arg;
    struct ticket *next; // while free
};

enum { SLAB_TICKETS = 256, TOPICS_MAX = TOPIC_FIXED_COUNT + TIERS_MAX, RECORD_EXTRA_BYTES = 128 * 1024,
       LETTER_EXTRA_BYTES = 16 * 1024 * 1024, BATCH_BYTES = 900000,
       BATCH_LEAST_BYTES = 60000 };

struct slab {
    struct slab *next;
    struct ticket tickets[SLAB_TICKETS];
};

struct broker_producer {
    struct broker_client client; // first: librdkafka's opaque
    rd_kafka_queue_t *queue;
    int event_fd;
    rd_kafka_topic_t **topics; // owned; every topic met so far
    size_t topic_count;
    struct ticket *free_tickets;
    struct slab *slabs; // owned
    size_t pending;     // receipts still to come
    int receipts;       // of the poll under way
    int64_t nudged_ms;  // monotonic, when missing topics were last asked for
};

static const struct broker_setting PUBLISH_DEFAULTS[] = {
    { .key = "linger.ms", .value = "5" },
    { .key = "delivery.timeout.ms", .value = "120000" },
    { .key = "compression.type", .value = "lz4" },
    { .key = "queue.buffering.max.kbytes", .value = "131072" },
    { .key = "topic.metadata.propagation.max.ms", .value = "10000" }, // until a missing topic is said to be missing
};

static const struct broker_setting WORKER_DEFAULTS[] = {
    { .key = "compression.type", .value = "lz4" },
    { .key = "queue.buffering.max.kbytes", .value = "65536" },
    { .key = "queue.buffering.max.messages", .value = "500000" },
};

static const struct broker_setting FIXED[] = {
    { .key = "enable.idempotence", .value = "true" },
    { .key = "acks", .value = "all" },
    { .key = "partitioner", .value = "murmur2_random" },
    { .key = "allow.auto.create.topics", .value = "false" },
};

static const char *const ROLES[] = {
    [BROKER_PUBLISH] = "publish",
    [BROKER_SETTLE] = "settle",
    [BROKER_JOURNAL] = "journal",
};

static struct ticket *take_ticket(struct broker_producer *p)
{
    if (p->free_tickets == NULL) {
        struct slab *slab = xcalloc(1, sizeof *slab);
        slab->next = p->slabs;
        p->slabs = slab;
        for (size_t i = 0; i < SLAB_TICKETS; i++) {
            slab->tickets[i].next = p->free_tickets;
            p->free_tickets = &slab->tickets[i];
        }
    }
    struct ticket *t = p->free_tickets;
    p->free_tickets = t->next;
    return t;
}

static void give_ticket(struct broker_producer *p, struct ticket *t)
{
    t->next = p->free_tickets;
    p->free_tickets = t;
}

static const char *undelivered(const struct broker_producer *p, const rd_kafka_message_t *m)
{
    if (rd_kafka_message_status(m) == RD_KAFKA_MSG_STATUS_POSSIBLY_PERSISTED)
        return " (it may have been written all the same)";
    return p->client.lost ? " (no broker is connected)" : "";
}

static int64_t written_ms(const rd_kafka_message_t *m)
{
    const int64_t year_2001_ms = 1000000000000;
    rd_kafka_timestamp_type_t type;
    int64_t at_ms = rd_kafka_message_timestamp(m, &type);
    return at_ms >= year_2001_ms ? at_ms : -1; // librdkafka's mock broker appends everything at 1234
}

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
    (void)rk;
    struct broker_producer *p = opaque;
    struct ticket done = *(struct ticket *)m->_private;
    give_ticket(p, m->_private); // before the callback: it may produce
    p->pending--;
    p->receipts++;

    struct err e = { 0 };
    struct broker_receipt receipt = {
        .ok = m->err == RD_KAFKA_RESP_ERR_NO_ERROR,
        .partition = m->partition,
        .offset = m->offset,
        .timestamp_ms = written_ms(m),
    };
    if (!receipt.ok) {
        err_set(&e, broker_err_kind(m->err), "broker: produce topic=%s: %s%s", rd_kafka_topic_name(m->rkt),
                rd_kafka_err2str(m->err), undelivered(p, m));
        receipt.err = &e;
    }
    done.cb(done.arg, &receipt);
}

// Librdkafka's handle of a topic; few topics, so the list is walked.
static rd_kafka_topic_t *topic_of(struct broker_producer *p, const char *name)
{
    for (size_t i = 0; i < p->topic_count; i++)
        if (strcmp(rd_kafka_topic_name(p->topics[i]), name) == 0)
            return p->topics[i];
    rd_kafka_topic_t *topic = rd_kafka_topic_new(p->client.rk, name, NULL);
    if (topic == NULL) // a name Kafka does not allow
        return NULL;
    p->topics = xrealloc(p->topics, (p->topic_count + 1) * sizeof *p->topics);
    p->topics[p->topic_count++] = topic;
    return topic;
}

static void announce_topics(struct broker_producer *p, const struct config *c, enum broker_producer_kind kind)
{
    static const enum topic_role PUBLISHED[] = { TOPIC_MAIN, TOPIC_MAIN_CRITICAL, TOPIC_MAIN_BULK };
    static const enum topic_role SETTLED[] = { TOPIC_DLQ, TOPIC_REVIEW };
    if (c->topics.fixed[TOPIC_MAIN][0] == '\0') // a configuration without a fleet (tests)
        return;
    if (kind == BROKER_JOURNAL)
        topic_of(p, c->topics.fixed[TOPIC_EVENTS]);
    for (size_t i = 0; kind == BROKER_PUBLISH && i < sizeof PUBLISHED / sizeof PUBLISHED[0]; i++)
        topic_of(p, c->topics.fixed[PUBLISHED[i]]);
    for (size_t i = 0; kind == BROKER_SETTLE && i < sizeof SETTLED / sizeof SETTLED[0]; i++)
        topic_of(p, c->topics.fixed[SETTLED[i]]);
    for (int i = 0; kind == BROKER_SETTLE && i < c->topics.tiers.count; i++)
        topic_of(p, c->topics.retry[i]);
}

static void configure(struct broker_conf *b, const struct config *c, enum broker_producer_kind kind)
{
    bool publish = kind == BROKER_PUBLISH;
    if (publish)
        broker_conf_apply(b, PUBLISH_DEFAULTS, sizeof PUBLISH_DEFAULTS / sizeof PUBLISH_DEFAULTS[0]);
    else
        broker_conf_apply(b, WORKER_DEFAULTS, sizeof WORKER_DEFAULTS / sizeof WORKER_DEFAULTS[0]);
    // a batch counts as one record against the topics' limits, which follow the largest job
    broker_conf_number(b, "batch.size", c->max_job_bytes < BATCH_BYTES ? c->max_job_bytes + BATCH_LEAST_BYTES : BATCH_BYTES);
    broker_conf_pairs(b, c);
    broker_conf_apply(b, FIXED, sizeof FIXED / sizeof FIXED[0]);
    // a worker also carries what was never a job to the dead letters; the topic's own limit decides
    broker_conf_number(b, "message.max.bytes", c->max_job_bytes + (publish ? RECORD_EXTRA_BYTES : LETTER_EXTRA_BYTES));
    if (kind == BROKER_SETTLE) {
        broker_conf_number(b, "linger.ms", 1);
        // whoever reads a belt gets whole batches, from each of its partitions, and may have to hold them for hours
        broker_conf_number(b, "batch.size", BATCH_LEAST_BYTES);
    }
    if (kind == BROKER_JOURNAL) {
        broker_conf_number(b, "linger.ms", c->worker.events_linger_ms);
        // records without a key stay on one partition for a batch's time, or batches would be a few records each
        broker_conf_number(b, "sticky.partitioning.linger.ms", c->worker.events_linger_ms);
    }
    if (!publish)
        broker_conf_number(b, "delivery.timeout.ms", 0); // without limit
    rd_kafka_conf_set_dr_msg_cb(b->rk, on_delivery);
}

bool broker_producer_new(struct broker_producer **out, const struct config *c, enum broker_producer_kind kind,
                         struct err *e)
{
    int fd = -1;
    if (!broker_eventfd(&fd, e))
        return false;
    struct broker_producer *p = xcalloc(1, sizeof *p);
    struct broker_conf conf;
    broker_conf_init(&conf, e);
    configure(&conf, c, kind);
    if (!broker_client_open(&p->client, ROLES[kind], RD_KAFKA_PRODUCER, &conf)) {
        close(fd);
        free(p);
        return false;
    }
    p->event_fd = fd;
    p->queue = rd_kafka_queue_get_main(p->client.rk);
    broker_eventfd_watch(fd, p->queue);
    announce_topics(p, c, kind);
    *out = p;
    return true;
}

void broker_producer_free(struct broker_producer *p, int64_t timeout_ms)
{
    enum { PURGE_MS = 1000 };
    if (p == NULL)
        return;
    rd_kafka_flush(p->client.rk, timeout_ms > 0 ? (int)timeout_ms : 0);
    if (p->pending > 0) {
        log_warn("broker", "dropping role=%s records=%zu", p->client.role, p->pending);
        rd_kafka_purge(p->client.rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        rd_kafka_flush(p->client.rk, PURGE_MS); // their receipts
    }
    broker_eventfd_unwatch(p->queue);
    rd_kafka_queue_destroy(p->queue);
    for (size_t i = 0; i < p->topic_count; i++)
        rd_kafka_topic_destroy(p->topics[i]);
    rd_kafka_destroy(p->client.rk);
    close(p->event_fd);
    while (p->slabs != NULL) {
        struct slab *slab = p->slabs;
        p->slabs = slab->next;
        free(slab);
    }
    free(p->topics);
    free(p);
}

int broker_producer_fd(const struct broker_producer *p)
{
    return p->event_fd;
}

int broker_producer_poll(struct broker_producer *p)
{
    broker_eventfd_drain(p->event_fd); // first: what comes later has to wake us again
    p->receipts = 0;
    rd_kafka_poll(p->client.rk, 0);
    broker_client_check(&p->client);
    return p->receipts;
}

int broker_producer_wait(struct broker_producer *p, int64_t timeout_ms)
{
    int64_t deadline_ms = clock_mono_ms() + timeout_ms;
    broker_producer_poll(p);
    while (p->receipts == 0) {
        int64_t left_ms = deadline_ms - clock_mono_ms();
        if (left_ms <= 0)
            break;
        rd_kafka_poll(p->client.rk, left_ms < CLOCK_SECOND_MS ? (int)left_ms : CLOCK_SECOND_MS);
        broker_client_check(&p->client);
    }
    return p->receipts;
}

size_t broker_producer_pending(const struct broker_producer *p)
{
    return p->pending;
}

const char *broker_producer_fatal(const struct broker_producer *p)
{
    return p->client.fatal[0] != '\0' ? p->client.fatal : NULL;
}

static rd_kafka_headers_t *copy_headers(const struct headers *h)
{
    if (h == NULL || h->count == 0)
        return NULL;
    rd_kafka_headers_t *copy = rd_kafka_headers_new(h->count);
    for (size_t i = 0; i < h->count; i++) {
        struct header one = headers_at(h, i);
        rd_kafka_header_add(copy, one.name.ptr, (ssize_t)one.name.len, one.value.ptr, (ssize_t)one.value.len);
    }
    return copy;
}

// Asks the brokers for topics that were missing, at most once a second and without waiting for the answer.
static void nudge(struct broker_producer *p, rd_kafka_topic_t *topic)
{
    int64_t now_ms = clock_mono_ms();
    if (now_ms - p->nudged_ms < CLOCK_SECOND_MS)
        return;
    p->nudged_ms = now_ms;
    const struct rd_kafka_metadata *metadata = NULL;
    if (rd_kafka_metadata(p->client.rk, 0, topic, &metadata, 1) == RD_KAFKA_RESP_ERR_NO_ERROR)
        rd_kafka_metadata_destroy(metadata);
}

static bool refuse(struct broker_producer *p, rd_kafka_topic_t *topic, const struct broker_message *m,
                   rd_kafka_resp_err_t code, struct err *e)
{
    switch (code) {
    case RD_KAFKA_RESP_ERR__QUEUE_FULL:
        return err_set(e, ERR_TRANSIENT, "broker: produce topic=%s: the local queue is full", m->topic);
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
        nudge(p, topic);
        return err_set(e, ERR_CONFIG, "broker: topic %s does not exist: create it with `sendfleet-producer topics`",
                       m->topic);
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
        nudge(p, topic);
        return err_set(e, ERR_CONFIG, "broker: topic %s has no partition %d", m->topic, (int)m->partition);
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
        return err_set(e, ERR_INPUT, "broker: produce topic=%s: %zu bytes are too large for one record", m->topic,
                       m->value.len);
    default:
        return err_set(e, broker_err_kind(code), "broker: produce topic=%s: %s", m->topic, rd_kafka_err2str(code));
    }
}

bool broker_produce(struct broker_producer *p, const struct broker_message *m, broker_receipt_cb cb, void *arg,
                    struct err *e)
{
    rd_kafka_topic_t *topic = topic_of(p, m->topic);
    if (topic == NULL)
        return err_set(e, ERR_CONFIG, "broker: \"%s\" is not a topic name Kafka allows", m->topic);
    struct ticket *t = take_ticket(p);
    *t = (struct ticket){ .cb = cb, .arg = arg };
    rd_kafka_headers_t *headers = copy_headers(m->headers);
    rd_kafka_resp_err_t code = rd_kafka_producev(
        p->client.rk, RD_KAFKA_V_RKT(topic), RD_KAFKA_V_PARTITION(m->partition),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_KEY(m->key.ptr, m->key.len),
        RD_KAFKA_V_VALUE((void *)(uintptr_t)m->value.ptr, m->value.len), RD_KAFKA_V_TIMESTAMP(m->timestamp_ms),
        RD_KAFKA_V_OPAQUE(t), RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        p->pending++;
        return true;
    }
    if (headers != NULL)
        rd_kafka_headers_destroy(headers); // librdkafka takes them on success only
    give_ticket(p, t);
    return refuse(p, topic, m, code, e);
}
