// SPDX-License-Identifier: Apache-2.0
// publisher: see publisher.h.
//
// The worker never trusts a publisher, but a publisher that validates saves its user a dead letter: the same
// job_parse runs here. The record carries no key, so that librdkafka fills batches partition by partition; nothing
// downstream reads a key for identity. Back-pressure is a bound on what is under way, in jobs and bytes: FULL is an
// answer, not an error, and the caller polls.
#include "producer/publisher.h"

#include "common/alloc.h"
#include "common/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { UNDER_WAY_MAX = 50000, UNDER_WAY_BYTES = 64 << 20, IDENTITY_MAX = 420 };

struct pending { // one job that was handed over
    struct publisher *publisher;
    sendfleet_callback cb;
    void *arg;
    const char *topic; // borrowed from the configuration
    size_t bytes;
    struct pending *next;         // free list
    char identity[IDENTITY_MAX];  // id NUL key NUL
};

struct publisher {
    const struct config *config;
    struct broker_producer *producer;
    struct job job; // scratch
    struct pending *spare;
    size_t count, bytes;
    int called; // callbacks since the last poll began
};

static bool check_topics(const struct config *c, struct err *e)
{
    const struct topics *t = &c->topics;
    const char *names[] = { t->fixed[TOPIC_MAIN], t->fixed[TOPIC_MAIN_CRITICAL], t->fixed[TOPIC_MAIN_BULK] };
    enum { COUNT = sizeof names / sizeof names[0] };
    struct broker_topic_state states[COUNT];
    struct broker_admin *admin = NULL;
    if (!broker_admin_new(&admin, c, e))
        return false;
    bool ok = broker_admin_describe(admin, names, COUNT, states, e);
    for (int i = 0; ok && i < COUNT; i++)
        if (states[i].partitions == 0)
            ok = err_set(e, ERR_CONFIG, "topic %s does not exist: create it with \"sendfleet-producer topics\"", names[i]);
    broker_admin_free(admin);
    return ok;
}

bool publisher_open(struct publisher **p, const struct config *config, struct err *e)
{
    if (!check_topics(config, e))
        return false;
    struct publisher *new = xcalloc(1, sizeof *new);
    new->config = config;
    if (!broker_producer_new(&new->producer, config, BROKER_PUBLISH, e)) {
        free(new);
        return false;
    }
    *p = new;
    return true;
}

static struct pending *acquire(struct publisher *p)
{
    struct pending *item = p->spare;
    if (item == NULL)
        return xmalloc(sizeof *item);
    p->spare = item->next;
    return item;
}

static void release(struct pending *item)
{
    struct publisher *p = item->publisher;
    p->count--;
    p->bytes -= item->bytes;
    item->next = p->spare;
    p->spare = item;
}

static void keep_identity(struct pending *item, const struct job *job)
{
    size_t id_len = job->id.ptr != NULL ? job->id.len : 0;
    size_t key_len = job->idempotency_key.len;
    if (id_len > 140)
        id_len = 140;
    if (key_len > IDENTITY_MAX - id_len - 2)
        key_len = IDENTITY_MAX - id_len - 2;
    if (id_len > 0)
        memcpy(item->identity, job->id.ptr, id_len);
    item->identity[id_len] = '\0';
    memcpy(item->identity + id_len + 1, job->idempotency_key.ptr, key_len);
    item->identity[id_len + 1 + key_len] = '\0';
}

static void on_receipt(void *arg, const struct broker_receipt *receipt)
{
    struct pending *item = arg;
    char made_id[TOPIC_NAME_SIZE + 40];
    const char *id = item->identity;
    if (id[0] == '\0' && receipt->ok) {
        snprintf(made_id, sizeof made_id, "%s-%" PRId32 "-%" PRId64, item->topic, receipt->partition, receipt->offset);
        id = made_id;
    }
    struct sendfleet_result result = {
        .status = receipt->ok ? SENDFLEET_PUBLISHED : SENDFLEET_FAILED,
        .id = id,
        .idempotency_key = item->identity + strlen(item->identity) + 1,
        .topic = item->topic,
        .partition = receipt->ok ? receipt->partition : -1,
        .offset = receipt->ok ? receipt->offset : -1,
        .error = receipt->ok ? NULL : receipt->err->text,
    };
    item->publisher->called++;
    sendfleet_callback cb = item->cb;
    void *cb_arg = item->arg;
    cb(cb_arg, &result);
    release(item);
}

static enum sendfleet_status refuse(struct publisher *p, const struct err *e, sendfleet_callback cb, void *arg)
{
    (void)p;
    struct sendfleet_result result = { .status = SENDFLEET_REFUSED, .id = "", .idempotency_key = "", .topic = "",
                                       .partition = -1, .offset = -1, .error = e->text };
    cb(arg, &result);
    return SENDFLEET_REFUSED;
}

enum sendfleet_status publisher_offer(struct publisher *p, struct slice value, sendfleet_callback cb, void *arg)
{
    struct err e;
    if (p->count >= UNDER_WAY_MAX || p->bytes >= UNDER_WAY_BYTES)
        return SENDFLEET_FULL;
    if (!job_parse(&p->job, value.ptr, value.len, (size_t)p->config->max_job_bytes, &e))
        return refuse(p, &e, cb, arg);
    struct pending *item = acquire(p);
    *item = (struct pending){ .publisher = p, .cb = cb, .arg = arg, .bytes = value.len,
                              .topic = topics_lane(&p->config->topics, p->job.priority) };
    keep_identity(item, &p->job);
    p->count++;
    p->bytes += item->bytes;
    struct broker_message m = { .topic = item->topic, .partition = -1, .value = value };
    if (broker_produce(p->producer, &m, on_receipt, item, &e))
        return SENDFLEET_PUBLISHED;
    release(item);
    return e.kind == ERR_TRANSIENT ? SENDFLEET_FULL : refuse(p, &e, cb, arg);
}

int publisher_poll(struct publisher *p, int timeout_ms)
{
    p->called = 0;
    if (timeout_ms > 0)
        broker_producer_wait(p->producer, timeout_ms);
    else
        broker_producer_poll(p->producer);
    return p->called;
}

size_t publisher_flush(struct publisher *p, int timeout_ms)
{
    int64_t until_ms = clock_mono_ms() + timeout_ms;
    while (p->count > 0) {
        int64_t left_ms = until_ms - clock_mono_ms();
        if (left_ms <= 0)
            break;
        publisher_poll(p, left_ms < 100 ? (int)left_ms : 100);
    }
    return p->count;
}

size_t publisher_pending(const struct publisher *p)
{
    return p->count;
}

void publisher_close(struct publisher *p, int timeout_ms)
{
    if (p == NULL)
        return;
    publisher_flush(p, timeout_ms);
    broker_producer_free(p->producer, 0); // what is left gets its receipt here
    while (p->spare != NULL) {
        struct pending *item = p->spare;
        p->spare = item->next;
        free(item);
    }
    job_clear(&p->job);
    free(p);
}
