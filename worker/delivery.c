// SPDX-License-Identifier: Apache-2.0
// delivery: one record, from being taken to its offset being finished.
//
//   ARRIVED -> FILING                                  invalid, scheduled, route paused, destination full
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
// an outage of Redis or Kafka leaves deliveries standing where they are.
#include "worker/delivery.h"

#include "common/alloc.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/trail.h"
#include "worker/policy.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { TICK_MS = 1000, AGAIN_MS = 1000, UNROUTED_WAIT_MS = 60000 };

#define BIT(state) (1u << (state))
static const unsigned ALLOWED[DELIVERY_STATE_COUNT] = {
    [DELIVERY_FREE] = BIT(DELIVERY_ARRIVED),
    [DELIVERY_ARRIVED] = BIT(DELIVERY_ASKING) | BIT(DELIVERY_FILING),
    [DELIVERY_ASKING] = BIT(DELIVERY_SENDING) | BIT(DELIVERY_VERDICT) | BIT(DELIVERY_FILING) | BIT(DELIVERY_RELEASING) |
                        BIT(DELIVERY_FREE),
    [DELIVERY_SENDING] = BIT(DELIVERY_VERDICT) | BIT(DELIVERY_RELEASING),
    [DELIVERY_VERDICT] = BIT(DELIVERY_FILING) | BIT(DELIVERY_ASKING),
    [DELIVERY_FILING] = BIT(DELIVERY_PROVING) | BIT(DELIVERY_FREE),
    [DELIVERY_PROVING] = BIT(DELIVERY_FREE),
    [DELIVERY_RELEASING] = BIT(DELIVERY_FREE),
};

static void enter(struct delivery *d, enum delivery_state next)
{
    assert((ALLOWED[d->state] & BIT(next)) != 0);
    log_debug("delivery", "id=%s state=%d->%d", d->env.id, d->state, next);
    d->state = next;
}

int64_t deliveries_now_ms(const struct deliveries *d)
{
    return brokerclock_now_ms(&d->post->clock, loop_now_ms(d->loop));
}

static double random01(struct deliveries *d)
{
    d->random ^= d->random << 13; // xorshift64
    d->random ^= d->random >> 7;
    d->random ^= d->random << 17;
    return (double)(d->random >> 11) / (double)(1ull << 53);
}

// ---- coming and going --------------------------------------------------------------------------------------------

static struct delivery *acquire(struct deliveries *all)
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

static void give_back_slot(struct delivery *d)
{
    struct deliveries *all = d->all;
    if (!d->holds_slot)
        return;
    d->holds_slot = false;
    all->budget.inflight--;
    all->budget.by_lane[d->lane]--;
    all->budget.settling++;
    all->on_room(all->on_room_arg);
}

// The end. finished: the record needs no second look (otherwise it is left for whoever reads the partition next).
static void over(struct delivery *d, bool finished)
{
    struct deliveries *all = d->all;
    if (d->carry_due) { // Kafka still holds a parcel of ours
        d->over_once_carried = true;
        d->finished = finished;
        return;
    }
    enter(d, DELIVERY_FREE);
    if (d->probe)
        route_forget_probe(d->route);
    give_back_slot(d);
    all->budget.settling--;
    all->budget.bytes -= (int64_t)d->record->bytes;
    if (d->source != NULL && finished)
        source_finish(d->source, d->seq);
    else if (d->source != NULL)
        source_abandon(d->source);
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

// ---- settle 2: Kafka ---------------------------------------------------------------------------------------------

static void file(struct delivery *d)
{
    d->filing_failed = false;
    d->again_ms = 0;
    if (delivery_file(d)) {
        if (d->acks_due == 0)
            over(d, true);
        return;
    }
    d->again_ms = loop_now_ms(d->all->loop) + AGAIN_MS;
    d->all->waiting_to_file++;
}

static void start_filing(struct delivery *d)
{
    enter(d, DELIVERY_FILING);
    give_back_slot(d);
    file(d);
}

static void on_proven(void *arg, bool taken, struct slice previous)
{
    (void)taken; // refused: a newer epoch is at work already, which proves as much
    (void)previous;
    over(arg, true);
}

void delivery_filed(struct delivery *d, bool acknowledged)
{
    d->filing_failed |= !acknowledged;
    if (--d->acks_due > 0)
        return;
    if (d->filing_failed) { // a second copy of what did get through folds, by epoch or event id
        d->again_ms = loop_now_ms(d->all->loop) + AGAIN_MS;
        d->all->waiting_to_file++;
        return;
    }
    if (d->ending.kind != ENDING_WAIT || !d->ending.continues) {
        over(d, true);
        return;
    }
    enter(d, DELIVERY_PROVING);
    struct epoch continuation = { d->env.epoch.generation, d->env.epoch.try_no + 1 };
    dedup_queued(d->all->dedup, &d->subject, continuation, on_proven, d);
}

// ---- settle 1: Redis ---------------------------------------------------------------------------------------------

static void on_finding(void *arg, const struct dedup_reply *reply);

static void count_outcome(struct delivery *d)
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

static void on_verdict(void *arg, bool taken, struct slice previous)
{
    struct delivery *d = arg;
    struct meters *m = d->all->meters;
    if (d->ending.kind == ENDING_ACCEPTED && previous.len > 0 && !slice_is(previous, d->report.provider_id)) {
        metric_add(m->double_accept, 1);
        log_error("delivery", "accepted twice job=%s key_hash=%s", d->env.id, d->job.key_hash);
    }
    if (taken) {
        count_outcome(d);
        start_filing(d);
        return;
    }
    // What stands in the way may be an end whose event or letter nobody filed, or a claim that rests on our copy.
    metric_add(m->claims_refused, 1);
    d->refused = true;
    enter(d, DELIVERY_ASKING);
    dedup_lookup(d->all->dedup, &d->subject, on_finding, d);
}

static void write_verdict(struct delivery *d)
{
    struct dedup *dedup = d->all->dedup;
    enter(d, DELIVERY_VERDICT);
    give_back_slot(d);
    if (d->ending.kind == ENDING_ACCEPTED) {
        dedup_sent(dedup, &d->subject, slice_of(d->report.provider_id), on_verdict, d);
        return;
    }
    buf_reset(&d->detail);
    ending_format(&d->ending, &d->detail);
    struct slice detail = buf_slice(&d->detail);
    bool of_attempt = d->report.made;
    if (of_attempt && d->ending.class == FAILURE_UNKNOWN)
        dedup_unknown(dedup, &d->subject, detail, on_verdict, d);
    else if (d->ending.kind == ENDING_WAIT)
        dedup_failed(dedup, &d->subject, detail, on_verdict, d);
    else
        dedup_dead(dedup, &d->subject, detail, on_verdict, d);
}

// ---- the attempt -------------------------------------------------------------------------------------------------

static struct policy_case policy_case(struct delivery *d)
{
    return (struct policy_case){
        .config = d->all->config,
        .route = d->route != NULL ? d->route->config : NULL,
        .job = &d->job,
        .env = &d->env,
        .now_ms = deliveries_now_ms(d->all),
        .random01 = random01(d->all),
        .route_until_ms = d->route != NULL ? d->route->paused_until_ms : 0,
        .worker = d->all->worker,
    };
}

static void write_report(struct delivery *d, const struct outcome *o, const struct verdict *v)
{
    struct delivery_report *r = &d->report;
    r->made = true;
    r->phase = o->phase;
    r->code = o->code;
    r->rule = v->rule;
    memcpy(r->enhanced, o->enhanced, sizeof r->enhanced);
    memcpy(r->text, o->text, sizeof r->text);
    memcpy(r->provider_id, o->provider_id, sizeof r->provider_id);
    buf_reset(&r->response);
    buf_put_slice(&r->response, o->response);
    r->attempt_us = o->begun_us > 0 ? clock_mono_us() - o->begun_us : 0;
}

static void write_trail_entry(struct delivery *d, const struct verdict *v)
{
    struct trail_entry entry = {
        .at_ms = deliveries_now_ms(d->all),
        .generation = d->env.epoch.generation,
        .try_no = d->env.epoch.try_no,
        .worker = slice_of(d->all->worker),
        .transport = slice_of(d->route->config->transport),
        .phase = slice_of(phase_name(d->report.phase)),
        .enhanced = slice_of(d->report.enhanced),
        .text = slice_of(d->report.text),
        .rule = slice_of(v->rule),
        .code = d->report.code,
        .class = v->class,
    };
    struct buf line = { 0 };
    trail_format(&entry, &line);
    if (line.len < sizeof d->ending.entry)
        memcpy(d->ending.entry, line.data, line.len + 1);
    buf_clear(&line);
}

static void count_attempt(struct delivery *d, const struct verdict *v)
{
    struct meters *m = d->all->meters;
    const char *provider = d->route->config->transport;
    meter_count2(m->attempts, provider, failure_name(v->class));
    meter_observe1(m->attempt_seconds, provider, (double)d->report.attempt_us / 1e6);
    if (v->class == FAILURE_UNKNOWN)
        meter_count1(m->unknown, phase_name(d->report.phase));
    if (v->class == FAILURE_NONE)
        meter_observe1(m->end_to_end, d->route->config->name,
                       (double)(deliveries_now_ms(d->all) - d->env.first_seen_ms) / 1e3);
}

static void on_released(void *arg, bool taken, struct slice previous)
{
    (void)taken;
    (void)previous;
    over(arg, false);
}

static void release(struct delivery *d)
{
    enter(d, DELIVERY_RELEASING);
    give_back_slot(d);
    dedup_release(d->all->dedup, &d->subject, on_released, d);
}

static void on_attempt_done(struct attempt *a, const struct outcome *o)
{
    struct delivery *d = a->owner;
    destination_end(d->destination, o->begun_us > 0 ? clock_mono_us() - o->begun_us : 0);
    if (d->aborting && o->result == ATTEMPT_FAILED && o->phase <= PHASE_CONNECT) { // nothing was begun
        release(d);
        return;
    }
    d->probe = false;
    struct verdict v = classify(d->route->config->transport, o, d->route->config->idempotent);
    write_report(d, o, &v);
    count_attempt(d, &v);
    route_learn(d->all->routes, d->route, v.class, deliveries_now_ms(d->all));
    struct policy_case c = policy_case(d);
    d->ending = (struct ending){ 0 };
    write_trail_entry(d, &v);
    policy_after_attempt(&c, &v, o, &d->ending);
    write_verdict(d);
}

static void note_lateness(struct delivery *d)
{
    struct meters *m = d->all->meters;
    int64_t now_ms = deliveries_now_ms(d->all);
    bool retried = d->env.wait == WAIT_RETRY || d->env.wait == WAIT_THROTTLED || d->env.wait == WAIT_UNKNOWN;
    if (retried && d->env.due_ms > 0) {
        d->report.lateness_ms = now_ms - d->env.due_ms;
        metric_observe(m->lateness, (double)d->report.lateness_ms / 1e3);
    } else if (d->env.epoch.try_no == 0 && d->env.wait == WAIT_NONE) {
        meter_observe1(m->first_wait, lane_name(d->lane), (double)(now_ms - d->record->timestamp_ms) / 1e3);
    }
}

static void start_attempt(struct delivery *d)
{
    enter(d, DELIVERY_SENDING);
    note_lateness(d);
    d->begun_ms = d->renewed_ms = loop_now_ms(d->all->loop);
    d->attempt = (struct attempt){
        .job = &d->job,
        .job_id = d->env.id,
        .idempotency_key = d->job.idempotency_key,
        .generation = d->env.epoch.generation,
        .number = d->env.epoch.try_no + 1,
        .first_seen_ms = d->env.first_seen_ms,
        .done = on_attempt_done,
        .owner = d,
    };
    destination_begin(d->destination);
    d->route->ops->start(d->route->transport, &d->attempt);
}

// ---- the claim ---------------------------------------------------------------------------------------------------

static void end_as_filed_before(struct delivery *d, const struct dedup_reply *reply)
{
    metric_add(d->all->meters->redelivered, 1);
    d->refiled = true;
    if (reply->finding == DEDUP_SENT) {
        d->ending = (struct ending){ .kind = ENDING_ACCEPTED, .attempt = d->env.attempt };
        snprintf(d->report.provider_id, sizeof d->report.provider_id, "%.*s", (int)reply->detail.len, reply->detail.ptr);
    } else if (!ending_parse(&d->ending, reply->detail)) {
        // Only a claim that outlived its lease has no ending: its detail is the dead worker's name.
        buf_reset(&d->detail);
        buf_put_slice(&d->detail, reply->detail);
        struct policy_case c = policy_case(d);
        policy_after_dead_claim(&c, d->detail.data, &d->ending);
    }
    start_filing(d);
}

static void end_as_dead_claim(struct delivery *d, const struct dedup_reply *reply)
{
    buf_reset(&d->detail);
    buf_put_slice(&d->detail, reply->detail);
    log_warn("delivery", "unknown job=%s claimed_by=%s: it ended while it may have been sending", d->env.id, d->detail.data);
    meter_count1(d->all->meters->unknown, "claimed");
    struct policy_case c = policy_case(d);
    policy_after_dead_claim(&c, d->detail.data, &d->ending);
    count_outcome(d);
    start_filing(d);
}

static void end_as_duplicate(struct delivery *d, const struct dedup_reply *reply)
{
    metric_add(d->all->meters->duplicates, 1);
    buf_reset(&d->detail);
    buf_put_slice(&d->detail, reply->detail);
    d->duplicate_of = buf_slice(&d->detail);
    d->ending = (struct ending){ .kind = ENDING_DROP };
    count_outcome(d);
    start_filing(d);
}

static void end_as_conflict(struct delivery *d)
{
    d->ending = (struct ending){ .kind = ENDING_LETTER, .class = FAILURE_CONFLICT, .attempt = d->env.attempt };
    snprintf(d->ending.reason, sizeof d->ending.reason,
             "conflict: its idempotency key was used before with other content; give it a key of its own and publish it again");
    count_outcome(d);
    start_filing(d);
}

static void end_parked(struct delivery *d, enum wait_kind wait, int64_t due_ms)
{
    d->ending = (struct ending){
        .kind = ENDING_WAIT, .wait = wait, .due_ms = due_ms, .attempt = d->env.attempt, .class = d->env.class, .code = d->env.code
    };
    start_filing(d);
}

static void end_unrouted(struct delivery *d)
{
    d->ending = (struct ending){ .kind = ENDING_WAIT, .wait = WAIT_LIMITED, .attempt = d->env.attempt, .class = FAILURE_ROUTE,
                                 .due_ms = deliveries_now_ms(d->all) + UNROUTED_WAIT_MS };
    snprintf(d->ending.reason, sizeof d->ending.reason, "route \"%.*s\" is not configured on worker %s", (int)d->job.route.len,
             d->job.route.ptr, d->all->worker);
    start_filing(d);
}

static void on_free_to_go(struct delivery *d)
{
    if (d->refused) {
        write_verdict(d);
    } else if (d->all->draining) {
        release(d);
    } else if (d->gate != FAILURE_NONE || d->gate_review) {
        write_verdict(d);
    } else {
        start_attempt(d);
    }
}

static void on_finding(void *arg, const struct dedup_reply *reply)
{
    struct delivery *d = arg;
    switch (reply->finding) {
    case DEDUP_UNAVAILABLE:
        d->unfenced = true;
        on_free_to_go(d);
        break;
    case DEDUP_GO:
        on_free_to_go(d);
        break;
    case DEDUP_CONFLICT:
        end_as_conflict(d);
        break;
    case DEDUP_DUPLICATE:
        end_as_duplicate(d, reply);
        break;
    case DEDUP_STALE:
        metric_add(d->all->meters->redelivered, 1);
        over(d, true);
        break;
    case DEDUP_PARK:
        metric_add(d->all->meters->busy_parked, 1);
        end_parked(d, WAIT_BUSY, deliveries_now_ms(d->all) + reply->wait_ms);
        break;
    case DEDUP_NOW_UNKNOWN:
        end_as_dead_claim(d, reply);
        break;
    case DEDUP_SENT:
    case DEDUP_FAILED:
    case DEDUP_UNKNOWN:
    case DEDUP_DEAD:
        end_as_filed_before(d, reply);
        break;
    }
}

static void ask(struct delivery *d)
{
    struct dedup *dedup = d->all->dedup;
    enter(d, DELIVERY_ASKING);
    d->subject = (struct dedup_subject){
        .key_hash = d->job.key_hash, .fingerprint = d->job.fingerprint, .job_id = d->env.id, .epoch = d->env.epoch
    };
    dedup_token(dedup, d->subject.token);
    if (d->gate != FAILURE_NONE || d->gate_review)
        dedup_lookup(dedup, &d->subject, on_finding, d);
    else
        dedup_claim(dedup, &d->subject, on_finding, d);
}

// ---- arrival -----------------------------------------------------------------------------------------------------

static bool parse(struct delivery *d, struct err *e)
{
    struct record *r = d->record;
    bool readable = envelope_read(&d->env, r->headers, r->header_count, e);
    if (!readable)
        d->env = (struct envelope){ .others = r->headers, .other_count = r->header_count };
    bool valid = readable;
    if (valid && !r->has_value)
        valid = err_set(e, ERR_INPUT, "the record has no value");
    if (valid)
        valid = job_parse(&d->job, r->value.ptr, r->value.len, (size_t)d->all->config->max_job_bytes, e);
    if (valid && d->job.id.ptr != NULL)
        snprintf(d->env.id, sizeof d->env.id, "%.*s", (int)d->job.id.len, d->job.id.ptr);
    if (d->env.id[0] == '\0')
        snprintf(d->env.id, sizeof d->env.id, "%.100s-%" PRId32 "-%" PRId64, r->topic, r->partition, r->offset);
    if (d->env.first_seen_ms == 0)
        d->env.first_seen_ms = deliveries_now_ms(d->all);
    return valid;
}

static void end_as_invalid(struct delivery *d, const struct err *e)
{
    d->ending = (struct ending){ .kind = ENDING_LETTER, .class = FAILURE_INVALID };
    snprintf(d->ending.reason, sizeof d->ending.reason, "invalid: %s", e->text);
    d->job.priority = JOB_NORMAL;
    d->route = NULL;
    count_outcome(d);
    start_filing(d);
}

// The next hop that this job loads: its own url's host, or the route.
static struct slice destination_name(const struct delivery *d)
{
    struct slice url = d->job.url;
    const char *host = url.ptr != NULL ? memmem(url.ptr, url.len, "://", 3) : NULL;
    if (host == NULL)
        return slice_of(d->route->config->name);
    host += 3;
    size_t rest = url.len - (size_t)(host - url.ptr), len = 0;
    while (len < rest && host[len] != '/' && host[len] != '?' && host[len] != '#')
        len++;
    return (struct slice){ host, len };
}

// What can be decided without asking anybody. True: the delivery is on its way to a belt.
static bool waits_outside(struct delivery *d)
{
    int64_t now_ms = deliveries_now_ms(d->all), until_ms = 0;
    if (d->job.not_before_ms > now_ms && d->env.epoch.generation == 0) {
        end_parked(d, WAIT_SCHEDULED, d->job.not_before_ms);
        return true;
    }
    if (d->gate != FAILURE_NONE || d->gate_review)
        return false;
    if (d->route == NULL) {
        end_unrouted(d);
        return true;
    }
    bool alone = d->all->routes->count == 1 && d->job.url.ptr == NULL;
    d->destination = budget_destination(&d->all->budget, destination_name(d), alone);
    if (budget_is_over_share(&d->all->budget, d->destination)) {
        end_parked(d, WAIT_LIMITED, destination_park(d->destination, now_ms));
        return true;
    }
    if (!route_admit(d->route, now_ms, &until_ms)) {
        end_parked(d, WAIT_LIMITED, until_ms + (int64_t)(random01(d->all) * 1000));
        return true;
    }
    d->probe = d->route->probing;
    return false;
}

void deliveries_take(struct deliveries *all, struct record *record, struct source *source, uint64_t seq)
{
    struct delivery *d = acquire(all);
    struct err e;
    d->record = record;
    d->source = source;
    d->seq = seq;
    d->lane = source->lane;
    d->holds_slot = true;
    all->budget.inflight++;
    all->budget.by_lane[d->lane]++;
    all->budget.bytes += (int64_t)record->bytes;
    enter(d, DELIVERY_ARRIVED);
    if (!parse(d, &e)) {
        end_as_invalid(d, &e);
        return;
    }
    d->route = routes_find(all->routes, d->job.route);
    struct policy_case c = policy_case(d);
    d->gate = policy_gate(&c, &d->ending);
    d->gate_review = d->ending.kind == ENDING_REVIEW;
    if (!waits_outside(d))
        ask(d);
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
        over(d, d->finished || acknowledged);
        return;
    }
    if (!acknowledged || d->source == NULL)
        return;
    source_finish(d->source, d->seq);
    d->source = NULL;
}

static void look_after(struct delivery *d, int64_t now_ms)
{
    const struct config *c = d->all->config;
    if (d->again_ms != 0 && now_ms >= d->again_ms) {
        d->all->waiting_to_file--;
        file(d);
        return;
    }
    if (d->state != DELIVERY_SENDING)
        return;
    if (now_ms - d->renewed_ms >= c->worker.renew_ms && !d->unfenced) {
        d->renewed_ms = now_ms;
        dedup_renew(d->all->dedup, &d->subject, on_renewed, d->all);
    }
    if (now_ms - d->begun_ms >= c->worker.carry_after_ms && d->source != NULL && !d->carry_due)
        d->carry_due = delivery_file_carry(d);
}

static void on_tick(void *arg)
{
    struct deliveries *all = arg;
    int64_t now_ms = loop_now_ms(all->loop), oldest_ms = now_ms;
    for (struct delivery *d = all->first, *next; d != NULL; d = next) {
        next = d->next;
        if (d->state == DELIVERY_SENDING && d->source != NULL && d->begun_ms < oldest_ms)
            oldest_ms = d->begun_ms;
        look_after(d, now_ms);
    }
    metric_set(all->meters->frontier_age, (double)(now_ms - oldest_ms) / 1e3);
    loop_timer_in(all->tick, TICK_MS);
}

void deliveries_drain(struct deliveries *all)
{
    all->draining = true;
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
    for (struct delivery *under_way = d->first; under_way != NULL; under_way = under_way->next)
        record_free(under_way->record);
    free_list(d->first);
    free_list(d->spare);
    loop_timer_free(d->tick);
    headers_clear(&d->headers);
    buf_clear(&d->trail);
    budget_clear(&d->budget);
}
