// SPDX-License-Identifier: Apache-2.0
// publisher: see publisher.h.
//
// The worker never trusts a publisher, but a publisher that validates saves its user a dead letter: the same
// job_parse runs here. The record carries no key, so that librdkafka fills batches partition by partition; nothing
// downstream reads a key for identity. Back-pressure is a bound on what is under way, in jobs and bytes: FULL is an
// answer, not an error, and the caller polls. Whose fault it is decides between REFUSED (the job's: offering it again
// will not help) and FAILED (the brokers' or the set-up's: it may).
#include "producer/publisher.h"

#include "common/alloc.h"
#include "common/clock.h"
#include "common/text.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { UNDER_WAY_MAX = 50000, UNDER_WAY_BYTES = 64 << 20, ID_SIZE = 129, KEY_SIZE = 257 };

struct identity { // what a result calls its job; "" = not known
    char id[ID_SIZE], key[KEY_SIZE];
};

struct pending { // one job that was handed over
    struct publisher *publisher;
    sendfleet_callback cb;
    void *arg;
    const char *topic; // borrowed from the configuration
    size_t bytes;
    struct pending *next; // free list
    struct identity identity;
};

struct publisher {
    const struct config *config;
    struct broker_producer *producer;
    struct job job;      // scratch
    struct json_doc doc; // scratch, of refused jobs
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

static void copy_text(char *to, size_t size, struct slice from)
{
    assert(from.len < size);
    if (from.len > 0)
        memcpy(to, from.ptr, from.len);
    to[from.len] = '\0';
}

static void name_job(struct identity *identity, const struct job *job)
{
    copy_text(identity->id, sizeof identity->id, job->id);
    copy_text(identity->key, sizeof identity->key, job->idempotency_key);
}

static void copy_member(const struct json_doc *doc, const char *name, char *to, size_t size)
{
    struct buf scratch = { 0 };
    uint32_t member = json_member(doc, 0, name);
    if (member != 0 && doc->tokens[member].type == JSON_TYPE_STRING) {
        struct slice text = json_text(doc, member, &scratch);
        if (text.len < size && text_find_control(text) == text.len)
            copy_text(to, size, text);
    }
    buf_clear(&scratch);
}

// A refused job is told by its own names too, where they can be read: its publisher knows those, not line numbers.
static void name_refused(struct publisher *p, struct slice value, struct identity *identity)
{
    struct err ignored;
    *identity = (struct identity){ 0 };
    if (value.len > (size_t)p->config->max_job_bytes || !json_parse(&p->doc, value.ptr, value.len, &ignored) ||
        p->doc.tokens[0].type != JSON_TYPE_OBJECT)
        return;
    copy_member(&p->doc, "id", identity->id, sizeof identity->id);
    copy_member(&p->doc, "idempotency_key", identity->key, sizeof identity->key);
}

static void on_receipt(void *arg, const struct broker_receipt *receipt)
{
    struct pending *item = arg;
    char made_id[TOPIC_NAME_SIZE + 40];
    const char *id = item->identity.id;
    if (id[0] == '\0' && receipt->ok) {
        snprintf(made_id, sizeof made_id, "%s-%" PRId32 "-%" PRId64, item->topic, receipt->partition, receipt->offset);
        id = made_id;
    }
    struct sendfleet_result result = {
        .status = receipt->ok ? SENDFLEET_PUBLISHED : SENDFLEET_FAILED,
        .id = id,
        .idempotency_key = item->identity.key,
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

// A result at once, without the broker.
static enum sendfleet_status answer(enum sendfleet_status status, const struct identity *who, const struct err *e,
                                    sendfleet_callback cb, void *arg)
{
    struct sendfleet_result result = { .status = status, .id = who->id, .idempotency_key = who->key, .topic = "",
                                       .partition = -1, .offset = -1, .error = e->text };
    cb(arg, &result);
    return status;
}

enum sendfleet_status publisher_offer(struct publisher *p, struct slice value, sendfleet_callback cb, void *arg)
{
    struct err e;
    struct identity who;
    if (p->count >= UNDER_WAY_MAX || p->bytes >= UNDER_WAY_BYTES)
        return SENDFLEET_FULL;
    if (!job_parse(&p->job, value.ptr, value.len, (size_t)p->config->max_job_bytes, &e)) {
        name_refused(p, value, &who);
        return answer(SENDFLEET_REFUSED, &who, &e, cb, arg);
    }
    struct pending *item = acquire(p);
    item->publisher = p;
    item->cb = cb;
    item->arg = arg;
    item->bytes = value.len;
    item->topic = topics_lane(&p->config->topics, p->job.priority);
    name_job(&item->identity, &p->job);
    p->count++;
    p->bytes += item->bytes;
    struct broker_message m = { .topic = item->topic, .partition = -1, .value = value };
    if (broker_produce(p->producer, &m, on_receipt, item, &e))
        return SENDFLEET_PUBLISHED;
    who = item->identity;
    release(item);
    if (e.kind == ERR_TRANSIENT)
        return SENDFLEET_FULL;
    return answer(e.kind == ERR_INPUT ? SENDFLEET_REFUSED : SENDFLEET_FAILED, &who, &e, cb, arg);
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

int publisher_fd(const struct publisher *p)
{
    return broker_producer_fd(p->producer);
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
    json_clear(&p->doc);
    free(p);
}
