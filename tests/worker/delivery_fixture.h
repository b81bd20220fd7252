// SPDX-License-Identifier: Apache-2.0
// delivery_fixture: the worker's core between pretended neighbours. Redis (dedup.h), Kafka (post.h, the partitions of
// broker.h), the clock (loop.h) and the next hop are the test's own: each question is kept until the test answers it,
// in whatever order and as late as it likes. Defined here, they take the place of the library's at link time.
#ifndef TESTS_WORKER_DELIVERY_FIXTURE_H
#define TESTS_WORKER_DELIVERY_FIXTURE_H

#include "common/alloc.h"
#include "worker/delivery.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { QUESTIONS_MAX = 64, POSTED_MAX = 256 };
static const int64_t BROKER_AHEAD_MS = 1700000000000; // broker time minus monotonic

enum question_kind { ASKED_CLAIM, ASKED_LOOKUP, ASKED_RENEW, ASKED_RELEASE, ASKED_SENT, ASKED_FAILED, ASKED_UNKNOWN,
                     ASKED_DEAD, ASKED_QUEUED };

struct question { // to Redis, not answered yet
    enum question_kind kind;
    char token[DEDUP_TOKEN_SIZE];
    struct epoch epoch;
    char detail[DEDUP_DETAIL_MAX];
    dedup_claim_cb claim_cb;
    dedup_mark_cb mark_cb;
    void *arg;
};

struct posted { // to Kafka
    char topic[TOPIC_NAME_SIZE]; // "events" for events
    struct record *record;       // as it was written; NULL for events
    enum event_type event;
    struct event said; // its slices are stale
    struct parcel *parcel; // NULL once answered
};

static struct world {
    int64_t now_ms; // monotonic
    struct config config;
    struct route_config route_config;
    struct route route;
    struct routes routes;
    struct meters meters;
    struct post post;
    struct deliveries all;
    struct source *source;
    struct question questions[QUESTIONS_MAX];
    int asked;
    struct posted posted[POSTED_MAX];
    int posts;
    bool refuse_records, refuse_events;
    size_t largest; // value that Kafka takes; 0 = any
    struct attempt *attempt; // the last one started
    int started;
    int64_t stored; // offset
    int released;   // partitions given back
    int64_t next_offset;
    char token[DEDUP_TOKEN_SIZE];
    int tokens;
} w;

// ---- the clock ---------------------------------------------------------------------------------------------------

int64_t loop_now_ms(const struct loop *l)
{
    (void)l;
    return w.now_ms;
}

struct loop_timer {
    loop_timer_cb cb;
    void *arg;
    int64_t at_ms; // -1 = not armed
    struct loop_timer *next;
};

static struct loop_timer *timers;

struct loop_timer *loop_timer_new(struct loop *l, loop_timer_cb cb, void *arg)
{
    (void)l;
    struct loop_timer *t = xcalloc(1, sizeof *t);
    *t = (struct loop_timer){ cb, arg, -1, timers };
    timers = t;
    return t;
}

void loop_timer_free(struct loop_timer *t)
{
    for (struct loop_timer **at = &timers; *at != NULL; at = &(*at)->next) {
        if (*at == t) {
            *at = t->next;
            break;
        }
    }
    free(t);
}

void loop_timer_in(struct loop_timer *t, int64_t delay_ms)
{
    t->at_ms = w.now_ms + (delay_ms > 0 ? delay_ms : 0);
}

// Lets time pass, timers included.
static inline void pass(int64_t ms)
{
    int64_t until_ms = w.now_ms + ms;
    for (;;) {
        struct loop_timer *first = NULL;
        for (struct loop_timer *t = timers; t != NULL; t = t->next)
            if (t->at_ms >= 0 && t->at_ms <= until_ms && (first == NULL || t->at_ms < first->at_ms))
                first = t;
        if (first == NULL)
            break;
        if (first->at_ms > w.now_ms)
            w.now_ms = first->at_ms;
        first->at_ms = -1;
        first->cb(first->arg);
    }
    w.now_ms = until_ms;
}

static int64_t broker_now_ms(void)
{
    return w.now_ms + BROKER_AHEAD_MS;
}

// ---- Redis -------------------------------------------------------------------------------------------------------

static struct question *ask_redis(enum question_kind kind, const struct dedup_subject *s, void *arg)
{
    assert_true(w.asked < QUESTIONS_MAX);
    struct question *q = &w.questions[w.asked++];
    *q = (struct question){ .kind = kind, .epoch = s->epoch, .arg = arg };
    memcpy(q->token, s->token, sizeof q->token);
    return q;
}

static void mark(enum question_kind kind, const struct dedup_subject *s, struct slice detail, dedup_mark_cb cb, void *arg)
{
    struct question *q = ask_redis(kind, s, arg);
    snprintf(q->detail, sizeof q->detail, "%.*s", (int)detail.len, detail.ptr);
    q->mark_cb = cb;
}

void dedup_token(struct dedup *d, char token[DEDUP_TOKEN_SIZE])
{
    (void)d;
    snprintf(token, DEDUP_TOKEN_SIZE, "%016x", (unsigned)++w.tokens);
}

void dedup_claim(struct dedup *d, const struct dedup_subject *s, dedup_claim_cb cb, void *arg)
{
    (void)d;
    ask_redis(ASKED_CLAIM, s, arg)->claim_cb = cb;
}

void dedup_lookup(struct dedup *d, const struct dedup_subject *s, dedup_claim_cb cb, void *arg)
{
    (void)d;
    ask_redis(ASKED_LOOKUP, s, arg)->claim_cb = cb;
}

void dedup_renew(struct dedup *d, const struct dedup_subject *s, dedup_mark_cb cb, void *arg)
{
    (void)d;
    mark(ASKED_RENEW, s, SLICE(""), cb, arg);
}

void dedup_release(struct dedup *d, const struct dedup_subject *s, dedup_mark_cb cb, void *arg)
{
    (void)d;
    mark(ASKED_RELEASE, s, SLICE(""), cb, arg);
}

void dedup_sent(struct dedup *d, const struct dedup_subject *s, struct slice id, dedup_mark_cb cb, void *arg)
{
    (void)d;
    mark(ASKED_SENT, s, id, cb, arg);
}

void dedup_failed(struct dedup *d, const struct dedup_subject *s, struct slice detail, dedup_mark_cb cb, void *arg)
{
    (void)d;
    mark(ASKED_FAILED, s, detail, cb, arg);
}

void dedup_unknown(struct dedup *d, const struct dedup_subject *s, struct slice detail, dedup_mark_cb cb, void *arg)
{
    (void)d;
    mark(ASKED_UNKNOWN, s, detail, cb, arg);
}

void dedup_dead(struct dedup *d, const struct dedup_subject *s, struct slice detail, dedup_mark_cb cb, void *arg)
{
    (void)d;
    mark(ASKED_DEAD, s, detail, cb, arg);
}

void dedup_queued(struct dedup *d, const struct dedup_subject *s, struct epoch next, dedup_mark_cb cb, void *arg)
{
    (void)d;
    mark(ASKED_QUEUED, s, SLICE(""), cb, arg);
    w.questions[w.asked - 1].epoch = next;
}

// Takes the oldest question, which has to be of this kind.
static struct question answered(enum question_kind kind)
{
    if (w.asked == 0)
        fail_msg("got no question to Redis, want kind %d", kind);
    struct question q = w.questions[0];
    if (q.kind != kind)
        fail_msg("got question %d to Redis, want %d", q.kind, kind);
    memmove(&w.questions[0], &w.questions[1], (size_t)--w.asked * sizeof q);
    return q;
}

static inline void redis_finds(enum question_kind kind, enum dedup_finding finding, const char *detail, int64_t wait_ms)
{
    struct question q = answered(kind);
    struct dedup_reply reply = { .finding = finding, .wait_ms = wait_ms, .detail = slice_of(detail), .epoch = q.epoch };
    q.claim_cb(q.arg, &reply);
}

static inline struct question redis_takes(enum question_kind kind, bool taken)
{
    struct question q = answered(kind);
    q.mark_cb(q.arg, taken, SLICE(""));
    return q;
}

// ---- Kafka -------------------------------------------------------------------------------------------------------

static struct posted *keep_posted(struct parcel *parcel)
{
    assert_true(w.posts < POSTED_MAX);
    struct posted *p = &w.posted[w.posts++];
    *p = (struct posted){ .topic = "events", .parcel = parcel };
    return p;
}

bool post_record(struct post *post, const struct broker_message *m, struct parcel *parcel)
{
    (void)post;
    if (w.refuse_records)
        return false;
    if (w.largest > 0 && m->value.len > w.largest) {
        parcel->too_large = true;
        return false;
    }
    struct posted *p = keep_posted(parcel);
    snprintf(p->topic, sizeof p->topic, "%s", m->topic);
    struct record shape = { .has_key = m->key.ptr != NULL, .key = m->key, .has_value = m->value.ptr != NULL, .value = m->value };
    p->record = record_new(&shape, m->headers->list, m->headers->count);
    return true;
}

bool post_event(struct post *post, const struct event *ev, struct parcel *parcel)
{
    (void)post;
    if (w.refuse_events)
        return false;
    struct posted *p = keep_posted(parcel);
    p->event = ev->type;
    p->said = *ev;
    return true;
}

static inline void kafka_answers(struct posted *p, bool acknowledged)
{
    assert_non_null(p->parcel);
    struct parcel *parcel = p->parcel;
    p->parcel = NULL;
    parcel->cb(parcel->arg, acknowledged);
}

static inline void kafka_acknowledges_all(void)
{
    for (int i = 0; i < w.posts; i++)
        if (w.posted[i].parcel != NULL)
            kafka_answers(&w.posted[i], true);
}

// The last record written to a topic whose name ends so; NULL when there is none.
static inline struct posted *posted_to(const char *suffix)
{
    for (int i = w.posts; i-- > 0;) {
        size_t len = strlen(w.posted[i].topic);
        if (len >= strlen(suffix) && strcmp(w.posted[i].topic + len - strlen(suffix), suffix) == 0)
            return &w.posted[i];
    }
    return NULL;
}

static inline int posted_records(void)
{
    int count = 0;
    for (int i = 0; i < w.posts; i++)
        count += w.posted[i].record != NULL ? 1 : 0;
    return count;
}

static inline const char *header_of(const struct posted *p, const char *name)
{
    static char text[64 * 1024];
    struct slice value = record_header(p->record, name);
    snprintf(text, sizeof text, "%.*s", (int)value.len, value.ptr != NULL ? value.ptr : "");
    return text;
}

struct broker_partition {
    const char *topic;
    void *owner;
    struct record *queue[64];
    int first, count;
};

const char *broker_partition_topic(const struct broker_partition *p)
{
    return p->topic;
}

int32_t broker_partition_id(const struct broker_partition *p)
{
    (void)p;
    return 0;
}

void broker_partition_store(struct broker_partition *p, int64_t offset)
{
    (void)p;
    w.stored = offset;
}

void broker_partition_release(struct broker_partition *p)
{
    (void)p;
    w.released++;
}

// ---- the next hop ------------------------------------------------------------------------------------------------

static void hop_start(struct transport *t, struct attempt *a)
{
    (void)t;
    w.attempt = a;
    w.started++;
}

static inline void attempt_ends(struct attempt *a, enum attempt_result result, enum attempt_phase phase, int code)
{
    struct outcome o = { .result = result, .phase = phase, .code = code, .retry_after_ms = -1, .text = "so it said",
                         .response = SLICE("so it said in full"), .begun_us = 1 };
    if (result == ATTEMPT_ACCEPTED)
        snprintf(o.provider_id, sizeof o.provider_id, "p-1");
    a->done(a, &o);
}

static void hop_abort(struct transport *t, struct attempt *a)
{
    (void)t;
    attempt_ends(a, ATTEMPT_FAILED, PHASE_CONNECT, 0);
}

const char *phase_name(enum attempt_phase p)
{
    static const char *const NAMES[PHASE_COUNT] = { "queued", "resolve", "connect", "tls",  "greeting",
                                                    "mail",   "rcpt",    "data",    "body", "response" };
    return NAMES[p]; // the classifier's rules name all of them
}

const struct transport_ops *transport_find(const char *name)
{
    (void)name;
    return NULL;
}

static const struct transport_ops HOP = { .name = "http", .start = hop_start, .abort = hop_abort };

// ---- life --------------------------------------------------------------------------------------------------------

static void on_room_ignored(void *arg)
{
    (void)arg;
}

static struct broker_partition partition;
static struct topics topics;

static void configure(struct config *c)
{
    struct err e;
    *c = (struct config){ .backoff = { 5000, 2, 14400000, 0.2 }, .backoff_busy = { 30000, 2, 14400000, 0.2 },
                          .throttle_wait_ms = 30000, .route_wait_ms = 30000, .route_wait_cap_ms = 600000,
                          .max_attempts = 3, .max_age_ms = 172800000, .max_job_bytes = 1 << 20 };
    c->worker.id = (char *)(uintptr_t)"w1";
    c->worker.max_inflight = 10;
    c->worker.max_inflight_bytes = 1 << 27;
    c->worker.destination_share = 0.2;
    c->worker.lease_ms = 60000;
    c->worker.renew_ms = 20000;
    c->worker.carry_after_ms = 30000;
    c->worker.due_heap_bytes = 1 << 20;
    c->worker.window_records = 1000;
    c->worker.window_bytes = 1 << 26;
    assert_true(tiers_parse(&c->tiers, "1s,5s,30s,2m,10m,30m,2h", &e));
    assert_true(topics_init(&topics, "t", &c->tiers, &e));
    c->topics = topics;
}

static int world_begins(void **state)
{
    (void)state;
    w = (struct world){ .now_ms = 1000, .stored = -1 };
    configure(&w.config);
    w.route_config = (struct route_config){ .name = (char *)(uintptr_t)"default", .transport = (char *)(uintptr_t)"http",
                                            .idempotency_life_ms = 86400000 };
    w.route = (struct route){ .config = &w.route_config, .ops = &HOP };
    w.routes = (struct routes){ .list = &w.route, .count = 1, .first_pause_ms = 30000, .longest_pause_ms = 600000 };
    w.post.topics = &w.config.topics;
    w.post.clock = (struct brokerclock){ .best = BROKER_AHEAD_MS, .previous = BROKER_AHEAD_MS, .known = true };
    meters_init(&w.meters);
    struct deliveries_env env = { .config = &w.config, .post = &w.post, .routes = &w.routes, .meters = &w.meters,
                                  .worker = "w1", .on_room = on_room_ignored };
    deliveries_init(&w.all, &env);
    partition = (struct broker_partition){ .topic = w.config.topics.fixed[TOPIC_MAIN] };
    w.source = source_new(&partition, LANE_NORMAL, -1);
    return 0;
}

static int world_ends(void **state)
{
    (void)state;
    deliveries_clear(&w.all);
    if (w.source != NULL)
        source_release(w.source, true);
    for (int i = 0; i < w.posts; i++)
        record_free(w.posted[i].record);
    meters_clear(&w.meters);
    return 0;
}

static const char JOB[] = "{\"v\":1,\"id\":\"j1\",\"route\":\"default\",\"from\":\"a@example.com\",\"to\":\"b@example.com\","
                          "\"subject\":\"s\",\"text\":\"t\"}";

// A record of the source; headers end with a NULL name.
static inline struct record *record_with(const char *value, const char *const (*headers)[2])
{
    struct header list[16] = { 0 };
    size_t count = 0;
    for (; headers != NULL && headers[count][0] != NULL; count++)
        list[count] = (struct header){ slice_of(headers[count][0]), slice_of(headers[count][1]) };
    struct record shape = { .topic = w.source->topic, .offset = w.next_offset++, .timestamp_ms = broker_now_ms(),
                            .has_key = true, .key = SLICE("k"), .has_value = value != NULL,
                            .value = value != NULL ? slice_of(value) : (struct slice){ 0 } };
    return record_new(&shape, list, count);
}

static inline void take(struct record *r)
{
    w.source->outstanding++;
    deliveries_take(&w.all, r, w.source, tracker_add(&w.source->tracker, r->offset, r->bytes));
}

// Nothing may be left over: every counter back to where it began, every offset finished.
static inline void expect_all_settled(void)
{
    assert_int_equal(w.all.count, 0);
    assert_int_equal(w.all.budget.inflight, 0);
    assert_int_equal(w.all.budget.settling, 0);
    assert_int_equal(w.all.budget.bytes, 0);
    for (int lane = 0; lane < LANE_COUNT; lane++)
        assert_int_equal(w.all.budget.by_lane[lane], 0);
    assert_int_equal(w.asked, 0);
    assert_int_equal(w.source->outstanding, 0);
    assert_int_equal(tracker_window(&w.source->tracker), 0);
    assert_int_equal(w.stored, w.next_offset);
    for (size_t i = 0; i < BUDGET_DESTINATIONS; i++)
        assert_int_equal(w.all.budget.table[i].inflight, 0);
}

#endif
