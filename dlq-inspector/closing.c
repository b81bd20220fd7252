// SPDX-License-Identifier: Apache-2.0
// closing: see closing.h.
//
//   SENDING --acknowledged--> CLOSING --mark and event acknowledged--> done
//      |                         |
//   refused: failed          refused: unmarked (a discard has no SENDING: failed)
//
// The order matters: a mark before its replay would lose a job when we die in between; a replay before its mark can at
// worst be repeated, in the same epoch, which the workers' dedup record recognises. Receipts arrive inside the
// producer's poll, where its queue may be full, so they only move the letter to a list that is worked off outside.
#include "dlq-inspector/closing.h"

#include "common/alloc.h"
#include "common/broker.h"
#include "common/clock.h"
#include "common/event.h"

#include <stdio.h>
#include <stdlib.h>

enum { IN_FLIGHT_MAX = 2000, QUEUE_FULL_WAIT_MS = 50 };

struct item { // one letter
    struct closing *owner;
    struct item *next; // in owner->ready
    char id[LETTER_KEY_SIZE], key[LETTER_KEY_SIZE];
    uint32_t generation;   // of the letter
    int64_t letter_ms;     // when it died
    struct mark_place letter, record;
    int awaited;           // receipts of mark and event to come
    bool mark_sent, event_sent, broken;
};

struct closing {
    const struct closing_terms *terms; // borrowed
    const struct config *config;       // borrowed
    struct broker_producer *producer;  // owned
    struct item *ready; // acknowledged; mark or event still to be produced
    struct closing_counts counts;
    struct err first;
    struct headers headers; // memory kept
    struct buf value;
};

bool closing_new(struct closing **out, const struct config *config, const struct closing_terms *terms, struct err *e)
{
    struct broker_producer *producer;
    if (!broker_producer_new(&producer, config, BROKER_PUBLISH, e))
        return false;
    struct closing *c = xcalloc(1, sizeof *c);
    *c = (struct closing){ .terms = terms, .config = config, .producer = producer };
    *out = c;
    return true;
}

void closing_free(struct closing *c)
{
    if (c == NULL)
        return;
    broker_producer_free(c->producer, 0); // receipts of what is dropped may still add to the ready list
    for (struct item *item = c->ready, *next; item != NULL; item = next) {
        next = item->next;
        free(item);
    }
    headers_clear(&c->headers);
    buf_clear(&c->value);
    free(c);
}

struct closing_counts closing_counts(const struct closing *c)
{
    return c->counts;
}

const struct err *closing_error(const struct closing *c)
{
    return &c->first;
}

static void note(struct closing *c, const struct err *e)
{
    if (c->first.kind == ERR_NONE && e != NULL)
        c->first = *e;
}

static void finish(struct item *item)
{
    struct closing *c = item->owner;
    c->counts.pending--;
    if (!item->broken)
        c->counts.done++;
    else if (item->record.topic != NULL)
        c->counts.unmarked++;
    else
        c->counts.failed++;
    free(item);
}

static void on_closed(void *arg, const struct broker_receipt *receipt)
{
    struct item *item = arg;
    if (!receipt->ok) {
        item->broken = true;
        note(item->owner, receipt->err);
    }
    // Not before both were offered: the other one is still to be produced otherwise.
    if (--item->awaited == 0 && item->mark_sent && item->event_sent)
        finish(item);
}

static void on_replayed(void *arg, const struct broker_receipt *receipt)
{
    struct item *item = arg;
    struct closing *c = item->owner;
    if (!receipt->ok) {
        note(c, receipt->err);
        c->counts.pending--;
        c->counts.failed++;
        free(item);
        return;
    }
    item->record.partition = receipt->partition;
    item->record.offset = receipt->offset;
    item->next = c->ready;
    c->ready = item;
}

static void format_mark(struct closing *c, const struct item *item)
{
    const struct closing_terms *t = c->terms;
    struct mark mark = { .action = t->action, .at_ms = t->at_ms, .by = t->by, .reason = t->reason };
    mark_format(&mark, &item->letter, &item->record, &c->value);
}

static void format_event(struct closing *c, const struct item *item)
{
    const struct closing_terms *t = c->terms;
    char detail[512];
    bool replayed = t->action == MARK_REPLAYED;
    snprintf(detail, sizeof detail, "by %s: %s", t->by, t->reason);
    struct event ev = {
        .type = replayed ? EVENT_REPLAYED : EVENT_DISCARDED,
        .at_ms = clock_wall_ms(),
        .job = slice_of(item->id),
        .epoch = { .generation = item->generation + (replayed ? 1 : 0) },
        .source_topic = item->letter.topic,
        .source_partition = item->letter.partition,
        .source_offset = item->letter.offset,
        .source_ms = item->letter_ms,
        .detail = slice_of(detail),
        .lateness_ms = -1,
    };
    event_format(&ev, &c->value);
}

// Produces the mark or the event. False: the queue is full, try again later.
static bool offer(struct closing *c, struct item *item, enum topic_role role, bool *sent)
{
    struct err e;
    buf_reset(&c->value);
    if (role == TOPIC_DLQ_LOG)
        format_mark(c, item);
    else
        format_event(c, item);
    struct broker_message m = {
        .topic = c->config->topics.fixed[role],
        .partition = -1,
        .key = slice_of(role == TOPIC_DLQ_LOG ? item->key : item->id),
        .value = buf_slice(&c->value),
    };
    if (broker_produce(c->producer, &m, on_closed, item, &e)) {
        item->awaited++;
    } else if (e.kind == ERR_TRANSIENT) {
        return false;
    } else {
        item->broken = true;
        note(c, &e);
    }
    *sent = true;
    return true;
}

static void work_off(struct closing *c)
{
    while (c->ready != NULL) {
        struct item *item = c->ready;
        if (!item->mark_sent && !offer(c, item, TOPIC_DLQ_LOG, &item->mark_sent))
            return;
        if (!item->event_sent && !offer(c, item, TOPIC_EVENTS, &item->event_sent))
            return;
        c->ready = item->next;
        if (item->awaited == 0) // neither could be produced
            finish(item);
    }
}

void closing_serve(struct closing *c, int64_t timeout_ms)
{
    work_off(c);
    if (timeout_ms > 0)
        broker_producer_wait(c->producer, timeout_ms);
    else
        broker_producer_poll(c->producer);
    work_off(c);
}

void closing_drain(struct closing *c, int64_t timeout_ms)
{
    int64_t end_ms = clock_mono_ms() + timeout_ms;
    while (c->counts.pending > 0 && clock_mono_ms() < end_ms && broker_producer_fatal(c->producer) == NULL)
        closing_serve(c, 100);
}

static struct item *item_new(struct closing *c, const struct letter *l, const char *topic)
{
    struct item *item = xcalloc(1, sizeof *item);
    item->owner = c;
    memcpy(item->id, l->id, sizeof item->id);
    memcpy(item->key, l->key, sizeof item->key);
    item->generation = l->env.epoch.generation;
    item->letter_ms = l->record->timestamp_ms;
    item->letter = (struct mark_place){ c->config->topics.fixed[TOPIC_DLQ], l->record->partition, l->record->offset };
    item->record.topic = topic; // of struct topics, lives as long as the configuration
    return item;
}

static bool produce(struct closing *c, struct item *item, const struct letter *l, const struct headers *headers,
                    struct err *e)
{
    const struct record *r = l->record;
    struct broker_message m = {
        .topic = item->record.topic,
        .partition = -1,
        .key = r->has_key ? r->key : (struct slice){ 0 },
        .value = r->value,
        .headers = headers,
    };
    while (!broker_produce(c->producer, &m, on_replayed, item, e)) {
        if (e->kind != ERR_TRANSIENT)
            return false;
        closing_serve(c, QUEUE_FULL_WAIT_MS);
    }
    return true;
}

bool closing_start(struct closing *c, const struct letter *l, const char *topic, const struct headers *headers,
                   struct err *e)
{
    while (c->counts.pending >= IN_FLIGHT_MAX)
        closing_serve(c, QUEUE_FULL_WAIT_MS);
    const char *fatal = broker_producer_fatal(c->producer);
    if (fatal != NULL)
        return err_set(e, ERR_FATAL, "broker: %s", fatal);
    struct item *item = item_new(c, l, topic);
    c->counts.pending++;
    if (topic == NULL) {
        item->next = c->ready;
        c->ready = item;
    } else if (!produce(c, item, l, headers, e)) {
        c->counts.pending--;
        c->counts.failed++;
        free(item);
        return false;
    }
    closing_serve(c, 0);
    return true;
}
