// SPDX-License-Identifier: Apache-2.0
// intake: see intake.h.
//
// Nothing is read that cannot be started: every partition has a queue of its own (broker.h), and a queue that is not
// read is the back-pressure. Per turn: first what is due on the belts, then the main lanes, critical before normal
// before bulk, partitions of a lane (or belts) in turn, a different one first each time.
//
// A partition the group wants back is drained: nothing new is started, attempts may end until the drain deadline,
// then the final frontier is stored and the partition released. What is still running settles without its offset;
// the next owner reads the record again and finds the claim.
#include "worker/intake.h"

#include "common/alloc.h"
#include "common/clock.h"
#include "common/log.h"
#include "worker/census.h"

#include <inttypes.h>

enum { MAIN_PREFETCH = 1 << 20, RETRY_PREFETCH = 128 << 10, FETCH_WAIT_MAIN_MS = 50, FETCH_WAIT_RETRY_MS = 20 };
enum { REVOKE_DRAIN_MS = 500 }; // while a revoke is answered the client delivers nothing at all

bool intake_window_has_room(const struct intake *in, const struct source *s)
{
    return tracker_window(&s->tracker) < (size_t)in->config->worker.window_records &&
           s->tracker.bytes < (size_t)in->config->worker.window_bytes;
}

uint64_t intake_track(struct source *s, const struct record *r)
{
    s->outstanding++;
    return tracker_add(&s->tracker, r->offset, r->bytes);
}

// ---- assignment --------------------------------------------------------------------------------------------------

static enum lane lane_of(const struct intake *in, const char *topic)
{
    const struct topics *t = &in->config->topics;
    if (strcmp(topic, t->fixed[TOPIC_MAIN_CRITICAL]) == 0)
        return LANE_CRITICAL;
    if (strcmp(topic, t->fixed[TOPIC_MAIN_BULK]) == 0)
        return LANE_BULK;
    return LANE_NORMAL;
}

static void link_source(struct source **list, struct source *s)
{
    while (*list != NULL)
        list = &(*list)->next;
    s->next = NULL;
    *list = s;
}

// Somebody else is the first to be asked in the next turn: when slots come free one by one, the first takes them all.
static void rotate(struct source **list)
{
    struct source *first = *list;
    if (first == NULL || first->next == NULL)
        return;
    *list = first->next;
    link_source(list, first);
}

static void unlink_source(struct intake *in, struct source *s)
{
    struct source **list = s->lane == LANE_RETRY ? &in->belts : &in->mains;
    while (*list != s)
        list = &(*list)->next;
    *list = s->next;
}

static void on_assigned(void *arg, struct broker_partition *p)
{
    struct intake *in = arg;
    const char *topic = broker_partition_topic(p);
    int tier = topics_tier_of(&in->config->topics, topic);
    struct source *s = source_new(p, tier >= 0 ? LANE_RETRY : lane_of(in, topic), tier);
    broker_partition_set_owner(p, s);
    link_source(tier >= 0 ? &in->belts : &in->mains, s);
    log_info("intake", "assigned topic=%s partition=%" PRId32, topic, s->id);
    in->dirty = true;
}

static void set_lag(struct intake *in, const struct source *s, int64_t records)
{
    char id[16];
    snprintf(id, sizeof id, "%" PRId32, s->id);
    metric_set(metric_child(in->meters->offset_lag, (const char *[]){ s->topic, id }), (double)records);
}

static void let_go(struct intake *in, struct source *s, bool lost)
{
    if (s->lane != LANE_RETRY)
        set_lag(in, s, 0); // another worker tells it from now on
    belts_drop(in, s);
    unlink_source(in, s);
    source_release(s, lost);
}

static void on_revoked(void *arg, struct broker_partition *p)
{
    struct intake *in = arg;
    struct source *s = broker_partition_owner(p);
    s->state = SOURCE_DRAINING;
    deliveries_leave_source(in->deliveries, s);
    s->drain_until_ms = loop_now_ms(in->loop) + (in->closing ? 0 : REVOKE_DRAIN_MS);
    belts_drop(in, s);
    in->dirty = true;
}

static void on_lost(void *arg, struct broker_partition *p)
{
    struct intake *in = arg;
    deliveries_leave_source(in->deliveries, broker_partition_owner(p));
    let_go(in, broker_partition_owner(p), true);
}

static void release_drained(struct intake *in, struct source *list)
{
    int64_t now_ms = loop_now_ms(in->loop);
    for (struct source *s = list, *next; s != NULL; s = next) {
        next = s->next;
        if (s->state == SOURCE_DRAINING && (s->outstanding == 0 || now_ms >= s->drain_until_ms))
            let_go(in, s, false);
    }
}

// ---- the main lanes ------------------------------------------------------------------------------------------------

static bool take_one(struct intake *in, struct source *s)
{
    if (s->state != SOURCE_OPEN || !s->maybe_more || !intake_window_has_room(in, s))
        return false;
    if (!budget_has_room(&in->deliveries->budget, s->lane))
        return false;
    struct record *r = broker_partition_next(s->partition);
    if (r == NULL) {
        s->maybe_more = false;
        return false;
    }
    deliveries_take(in->deliveries, r, s, intake_track(s, r));
    return true;
}

// One record from each partition of the lane in turn, until none gives one.
static void take_lane(struct intake *in, enum lane lane)
{
    bool any = true;
    while (any && budget_has_room(&in->deliveries->budget, lane)) {
        any = false;
        for (struct source *s = in->mains; s != NULL; s = s->next)
            if (s->lane == lane)
                any |= take_one(in, s);
    }
}

void intake_turn(struct intake *in)
{
    if (!in->dirty)
        return;
    in->dirty = false;
    release_drained(in, in->mains);
    release_drained(in, in->belts);
    if (!in->open)
        return;
    rotate(&in->belts);
    rotate(&in->mains);
    belts_turn(in);
    take_lane(in, LANE_CRITICAL);
    take_lane(in, LANE_NORMAL);
    take_lane(in, LANE_BULK);
}

// ---- waking up -----------------------------------------------------------------------------------------------------

static void wake_list(struct source *list)
{
    for (struct source *s = list; s != NULL; s = s->next)
        s->maybe_more = true;
}

static void on_main_readable(void *arg, int fd, int what)
{
    struct intake *in = arg;
    (void)fd;
    (void)what;
    broker_consumer_poll(in->main);
    wake_list(in->mains);
    in->dirty = true;
}

static void on_retry_readable(void *arg, int fd, int what)
{
    struct intake *in = arg;
    (void)fd;
    (void)what;
    broker_consumer_poll(in->retry);
    wake_list(in->belts);
    in->next_due_ms = 0;
    in->dirty = true;
}

static void on_wake(void *arg)
{
    intake_poke(arg);
}

void intake_poke(struct intake *in)
{
    in->dirty = true;
}

void intake_set_open(struct intake *in, bool open)
{
    if (in->open != open)
        log_info("intake", "%s", open ? "open" : "closed: nothing new is started");
    in->open = open;
    in->dirty = true;
}

void intake_poll(struct intake *in)
{
    broker_consumer_poll(in->main);
    broker_consumer_poll(in->retry);
    wake_list(in->mains);
    wake_list(in->belts);
    in->next_due_ms = 0;
    in->dirty = true;
}

// ---- life ----------------------------------------------------------------------------------------------------------

static bool join(struct intake *in, const struct broker_consumer_options *o, struct broker_consumer **consumer,
                 struct err *e)
{
    struct broker_consumer_events events = {
        .on_assigned = on_assigned, .on_revoked = on_revoked, .on_lost = on_lost, .arg = in
    };
    return broker_consumer_new(consumer, in->config, o, &events, e);
}

static bool join_main(struct intake *in, struct err *e)
{
    const struct topics *t = &in->config->topics;
    const char *topics[] = { t->fixed[TOPIC_MAIN], t->fixed[TOPIC_MAIN_CRITICAL], t->fixed[TOPIC_MAIN_BULK] };
    struct broker_consumer_options o = { .group = t->main_group, .topics = topics, .topic_count = 3,
                                         .prefetch_bytes = MAIN_PREFETCH, .fetch_wait_ms = FETCH_WAIT_MAIN_MS,
                                         .idle_topic = t->fixed[TOPIC_DLQ_LOG] };
    return join(in, &o, &in->main, e);
}

static bool join_retry(struct intake *in, struct err *e)
{
    const struct topics *t = &in->config->topics;
    const char *topics[TIERS_MAX];
    for (int i = 0; i < t->tiers.count; i++)
        topics[i] = t->retry[i];
    struct broker_consumer_options o = { .group = t->retry_group, .topics = topics, .topic_count = t->tiers.count,
                                         .prefetch_bytes = RETRY_PREFETCH, .fetch_wait_ms = FETCH_WAIT_RETRY_MS,
                                         .idle_topic = t->fixed[TOPIC_DLQ_LOG] };
    return join(in, &o, &in->retry, e);
}

bool intake_open(struct intake *in, const struct config *c, struct loop *loop, struct deliveries *d, struct post *post,
                 struct err *e)
{
    *in = (struct intake){ .config = c, .loop = loop, .deliveries = d, .post = post, .meters = d->meters };
    if (!join_main(in, e) || !join_retry(in, e))
        return false;
    in->main_watch = loop_watch_new(loop, broker_consumer_fd(in->main), LOOP_READ, on_main_readable, in);
    in->retry_watch = loop_watch_new(loop, broker_consumer_fd(in->retry), LOOP_READ, on_retry_readable, in);
    in->wake = loop_timer_new(loop, on_wake, in);
    return true;
}

void intake_close_begin(struct intake *in)
{
    in->closing = true;
    in->open = false;
    broker_consumer_close(in->main);
    broker_consumer_close(in->retry);
}

bool intake_closed(const struct intake *in)
{
    return broker_consumer_closed(in->main) && broker_consumer_closed(in->retry);
}

void intake_clear(struct intake *in)
{
    loop_watch_free(in->main_watch);
    loop_watch_free(in->retry_watch);
    loop_timer_free(in->wake);
    while (in->mains != NULL)
        let_go(in, in->mains, true);
    while (in->belts != NULL)
        let_go(in, in->belts, true);
    belts_clear(in); // hops hold sources that are gone
    broker_consumer_free(in->main);
    broker_consumer_free(in->retry);
}

// Records of a partition that are not finished: from its frontier (or unread head) to its end.
static int64_t waiting_in(const struct source *s, int64_t high)
{
    int64_t next = s->tracker.frontier;
    if (tracker_window(&s->tracker) == 0 && s->head != NULL)
        next = s->head->offset;
    return high < 0 || next < 0 || next > high ? 0 : high - next;
}

static void measure_belts(struct intake *in, struct census *census)
{
    int64_t waiting[TIERS_MAX] = { 0 };
    for (struct source *s = in->belts; s != NULL; s = s->next)
        waiting[s->tier] += waiting_in(s, census_high(census, s->topic, s->id));
    for (int i = 0; i < in->config->tiers.count; i++)
        meter_set1(in->meters->retry_waiting, in->config->tiers.list[i].name, (double)waiting[i]);
}

void intake_measure(struct intake *in, struct census *census)
{
    measure_belts(in, census);
    for (struct source *s = in->mains; s != NULL; s = s->next) {
        int64_t all = waiting_in(s, census_high(census, s->topic, s->id)), window = (int64_t)tracker_window(&s->tracker);
        set_lag(in, s, all > window ? all : window); // the census is a few seconds old
    }
    metric_set(in->meters->dueheap_bytes, (double)in->heap.bytes);
}

const char *intake_fatal(const struct intake *in)
{
    const char *fatal = broker_consumer_fatal(in->main);
    return fatal != NULL ? fatal : broker_consumer_fatal(in->retry);
}
