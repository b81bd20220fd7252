// SPDX-License-Identifier: Apache-2.0
// delivery: one record, from being taken to its offset being finished.
//
//   ARRIVED -> FILING                                  invalid, scheduled, route paused, destination full
//   ARRIVED -> WAITING -> ASKING | FILING | over       in line for a connection; parked or left when that takes long
//   ARRIVED -> ASKING -> SENDING -> VERDICT -> FILING  an attempt
//                     -> VERDICT -> FILING             a gate (expired, held unknown, approval missing)
//                     -> FILING                        duplicate, busy, or an ending that has to be filed again
//                     -> over                          a newer epoch speaks for the job
//                     -> RELEASING -> over             the worker is being drained
//   VERDICT -> ASKING                                  refused: look what stands there and act on that
//   FILING  -> PROVING -> over                         a retry was filed;   FILING -> over otherwise
//
// "over" finishes the offset. The order (verdict in Redis, acknowledgement by Kafka, `queued`, offset) is what makes
// a crash at any point harmless; tests/explorer walks all of them. A step that fails is done again, never skipped:
// an outage of Redis or Kafka leaves deliveries standing where they are. The steps themselves are arrival.c, claim.c,
// attempt.c and settle.c; here are the states, the list of those under way, and what time does to them.
#include "worker/delivery.h"

#include "common/alloc.h"
#include "common/clock.h"
#include "common/log.h"
#include "worker/line.h"
#include "worker/policy.h"

#include <assert.h>
#include <stdlib.h>

enum { TICK_MS = 1000, LINE_PATIENCE_MS = 1000 };
enum { KEPT_JOB_BYTES = 8 * 1024 }; // what a larger job needed to be parsed is not kept for the next one

#define BIT(state) (1u << (state))
static const unsigned ALLOWED[DELIVERY_STATE_COUNT] = {
    [DELIVERY_FREE] = BIT(DELIVERY_ARRIVED),
    [DELIVERY_ARRIVED] = BIT(DELIVERY_WAITING) | BIT(DELIVERY_ASKING) | BIT(DELIVERY_FILING),
    [DELIVERY_WAITING] = BIT(DELIVERY_ASKING) | BIT(DELIVERY_FILING) | BIT(DELIVERY_FREE),
    [DELIVERY_ASKING] = BIT(DELIVERY_SENDING) | BIT(DELIVERY_VERDICT) | BIT(DELIVERY_FILING) | BIT(DELIVERY_RELEASING) |
                        BIT(DELIVERY_FREE),
    [DELIVERY_SENDING] = BIT(DELIVERY_VERDICT) | BIT(DELIVERY_RELEASING),
    [DELIVERY_VERDICT] = BIT(DELIVERY_FILING) | BIT(DELIVERY_ASKING),
    [DELIVERY_FILING] = BIT(DELIVERY_PROVING) | BIT(DELIVERY_FREE),
    [DELIVERY_PROVING] = BIT(DELIVERY_FREE),
    [DELIVERY_RELEASING] = BIT(DELIVERY_FREE),
};

void delivery_enter(struct delivery *d, enum delivery_state next)
{
    assert((ALLOWED[d->state] & BIT(next)) != 0);
    log_debug("delivery", "id=%s state=%d->%d", d->env.id, d->state, next);
    d->state = next;
}

int64_t deliveries_now_ms(const struct deliveries *d)
{
    return brokerclock_now_ms(&d->post->clock, loop_now_ms(d->loop));
}

double delivery_random01(struct deliveries *d)
{
    d->random ^= d->random << 13; // xorshift64
    d->random ^= d->random >> 7;
    d->random ^= d->random << 17;
    return (double)(d->random >> 11) / (double)(1ull << 53);
}

// ---- coming and going --------------------------------------------------------------------------------------------

struct delivery *delivery_acquire(struct deliveries *all)
{
    struct delivery *d = all->spare;
    if (d != NULL)
        all->spare = d->next;
    else
        d = xcalloc(1, sizeof *d);
    struct job job = d->job; // its memory is worth keeping
    struct buf detail = d->detail, response = d->report.response;
    *d = (struct delivery){ .all = all, .job = job, .detail = detail };
    d->report.response = response;
    d->report.lateness_ms = -1;
    buf_reset(&d->detail);
    buf_reset(&d->report.response);
    d->prev = all->last;
    if (all->last != NULL)
        all->last->next = d;
    else
        all->first = d;
    all->last = d;
    all->count++;
    return d;
}

void delivery_leave_destination(struct delivery *d, int64_t attempt_us)
{
    if (d->holds_destination)
        destination_end(d->destination, attempt_us, loop_now_ms(d->all->loop));
    d->holds_destination = false;
}

void delivery_give_back_slot(struct delivery *d)
{
    struct deliveries *all = d->all;
    if (!d->holds_slot)
        return;
    d->holds_slot = false;
    delivery_leave_destination(d, -1);
    line_leave(d);
    all->budget.inflight--;
    all->budget.by_lane[d->lane]--;
    all->budget.settling++;
    all->budget.settling_bytes += (int64_t)d->record->bytes;
    all->on_room(all->on_room_arg);
}

// The end. finished: the record needs no second look (otherwise it is left for whoever reads the partition next).
void delivery_over(struct delivery *d, bool finished)
{
    struct deliveries *all = d->all;
    if (d->carry_due) { // Kafka still holds a parcel of ours
        d->over_once_carried = true;
        d->finished = finished;
        return;
    }
    delivery_enter(d, DELIVERY_FREE);
    if (d->probe)
        route_forget_probe(d->route);
    delivery_give_back_slot(d);
    all->budget.settling--;
    all->budget.settling_bytes -= (int64_t)d->record->bytes;
    all->budget.bytes -= (int64_t)d->record->bytes;
    if (d->source != NULL && finished)
        source_finish(d->source, d->seq);
    else if (d->source != NULL)
        source_abandon(d->source);
    if (d->record->bytes > KEPT_JOB_BYTES)
        job_clear(&d->job);
    record_free(d->record);
    if (d->prev != NULL)
        d->prev->next = d->next;
    else
        all->first = d->next;
    if (d->next != NULL)
        d->next->prev = d->prev;
    else
        all->last = d->prev;
    d->next = all->spare;
    all->spare = d;
    all->count--;
    all->on_room(all->on_room_arg);
}

// ---- what all steps need ----------------------------------------------------------------------------------------

struct policy_case delivery_policy_case(struct delivery *d)
{
    return (struct policy_case){
        .config = d->all->config,
        .route = d->route != NULL ? d->route->config : NULL,
        .job = &d->job,
        .env = &d->env,
        .now_ms = deliveries_now_ms(d->all),
        .random01 = delivery_random01(d->all),
        .route_until_ms = d->route != NULL ? d->route->paused_until_ms : 0,
        .worker = d->all->worker,
    };
}

void delivery_count(struct delivery *d)
{
    static const char *const outcomes[] = { [ENDING_DROP] = "duplicate", [ENDING_ACCEPTED] = "accepted",
                                            [ENDING_WAIT] = "waiting",   [ENDING_LETTER] = "dead",
                                            [ENDING_REVIEW] = "review" };
    struct meters *m = d->all->meters;
    const char *route = d->route != NULL ? d->route->config->name : "other";
    meter_count3(m->jobs, outcomes[d->ending.kind], route, failure_name(d->ending.class));
    if (d->ending.kind == ENDING_LETTER)
        meter_count2(m->dlq, failure_name(d->ending.class), job_priority_name(d->job.priority));
}

void delivery_note(struct delivery *d, struct trail_entry *attempt)
{
    struct buf line = { 0 };
    attempt->at_ms = deliveries_now_ms(d->all);
    attempt->generation = d->env.epoch.generation;
    attempt->try_no = d->env.epoch.try_no;
    if (d->route != NULL)
        attempt->transport = slice_of(d->route->config->transport);
    trail_format(attempt, &line);
    if (line.len < sizeof d->ending.entry)
        memcpy(d->ending.entry, line.data, line.len + 1);
    buf_clear(&line);
}

// ---- time --------------------------------------------------------------------------------------------------------

static void on_renewed(void *arg, bool taken, struct slice previous)
{
    (void)previous;
    struct deliveries *all = arg; // the delivery may be over by now
    if (!taken)
        metric_add(all->meters->claims_refused, 1);
}

void delivery_carried(struct delivery *d, bool acknowledged)
{
    d->carry_due = false;
    if (d->over_once_carried) {
        delivery_over(d, d->finished || acknowledged);
        return;
    }
    if (!acknowledged || d->source == NULL)
        return;
    source_finish(d->source, d->seq);
    d->source = NULL;
}

static void look_after_waiting(struct delivery *d, int64_t now_ms)
{
    if (now_ms - d->begun_ms < LINE_PATIENCE_MS || !budget_is_over_share(&d->all->budget, d->destination, now_ms))
        return;
    line_remove(d);
    claim_park(d, WAIT_LIMITED, destination_park(d->destination, deliveries_now_ms(d->all)));
}

static void look_after(struct delivery *d, int64_t now_ms)
{
    const struct config *c = d->all->config;
    if (d->again_ms != 0 && now_ms >= d->again_ms) {
        settle_file(d);
        return;
    }
    if (d->state == DELIVERY_WAITING)
        look_after_waiting(d, now_ms);
    if (d->state != DELIVERY_SENDING)
        return;
    if (now_ms - d->renewed_ms >= c->worker.renew_ms && !d->unfenced) {
        d->renewed_ms = now_ms;
        dedup_renew(d->all->dedup, &d->subject, on_renewed, d->all);
    }
    if (now_ms - d->begun_ms >= c->worker.carry_after_ms && d->source != NULL && !d->carry_due)
        d->carry_due = delivery_file_carry(d);
}

// Age of the oldest record that holds an offset back; the list is in the order of arrival.
static double frontier_age_s(const struct deliveries *all, int64_t now_ms)
{
    const struct delivery *d = all->first;
    while (d != NULL && d->source == NULL) // carried over
        d = d->next;
    return d != NULL ? (double)(now_ms - d->taken_ms) / 1e3 : 0;
}

static void on_tick(void *arg)
{
    struct deliveries *all = arg;
    int64_t now_ms = loop_now_ms(all->loop);
    for (struct delivery *d = all->first, *next; d != NULL; d = next) {
        next = d->next;
        look_after(d, now_ms);
    }
    metric_set(all->meters->frontier_age, frontier_age_s(all, now_ms));
    loop_timer_in(all->tick, TICK_MS);
}

// s NULL: of all sources.
static void leave_those_in_line(struct deliveries *all, const struct source *s)
{
    for (struct delivery *d = all->first, *next; d != NULL; d = next) {
        next = d->next;
        if (d->state != DELIVERY_WAITING || (s != NULL && d->source != s))
            continue;
        line_remove(d);
        delivery_over(d, false);
    }
}

void deliveries_leave_source(struct deliveries *all, const struct source *s)
{
    leave_those_in_line(all, s);
}

void deliveries_drain(struct deliveries *all)
{
    all->draining = true;
    leave_those_in_line(all, NULL);
}

void deliveries_cut(struct deliveries *all)
{
    for (struct delivery *d = all->first, *next; d != NULL; d = next) {
        next = d->next;
        if (d->state != DELIVERY_SENDING)
            continue;
        d->aborting = true;
        d->route->ops->abort(d->route->transport, &d->attempt);
    }
}

void deliveries_init(struct deliveries *d, const struct deliveries_env *env)
{
    *d = (struct deliveries){
        .config = env->config, .loop = env->loop, .dedup = env->dedup, .post = env->post, .routes = env->routes,
        .meters = env->meters, .worker = env->worker, .on_room = env->on_room, .on_room_arg = env->on_room_arg,
        .random = ((uint64_t)clock_wall_ms() * 2654435761u ^ (uint64_t)clock_mono_us() << 20) | 1,
    };
    budget_init(&d->budget, env->config);
    d->tick = loop_timer_new(env->loop, on_tick, d);
    loop_timer_in(d->tick, TICK_MS);
}

static void free_list(struct delivery *d)
{
    while (d != NULL) {
        struct delivery *next = d->next;
        job_clear(&d->job);
        buf_clear(&d->detail);
        buf_clear(&d->report.response);
        free(d);
        d = next;
    }
}

void deliveries_clear(struct deliveries *d)
{
    for (struct delivery *under_way = d->first; under_way != NULL; under_way = under_way->next) {
        if (under_way->source != NULL)
            source_abandon(under_way->source);
        record_free(under_way->record);
    }
    free_list(d->first);
    free_list(d->spare);
    loop_timer_free(d->tick);
    headers_clear(&d->headers);
    buf_clear(&d->trail);
    budget_clear(&d->budget);
}
