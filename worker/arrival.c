// SPDX-License-Identifier: Apache-2.0
// arrival: a record that was just taken: is it a job, is it to be sent at all, does it have to wait outside?
//
// What is no job becomes a dead letter with its bytes as they are. What has to wait for a reason that this worker can
// see (its time, a paused route, a full destination) goes onto a belt before anything is claimed, so that a claim is
// only ever made with a free slot and after every wait.
#include "worker/delivery.h"

#include "worker/line.h"
#include "worker/policy.h"

#include <inttypes.h>
#include <stdio.h>

enum { UNROUTED_WAIT_MS = 60000 };

// SPDX-License-Identifier: Apache-2.0
static void keep_id(struct delivery *d, struct slice id)
{
    size_t len = id.len < sizeof d->env.id ? id.len : sizeof d->env.id - 1;
    memcpy(d->env.id, id.ptr, len);
    d->env.id[len] = '\0';
}

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
        keep_id(d, d->job.id);
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
    delivery_count(d);
    settle_filing(d);
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

static void end_unrouted(struct delivery *d)
{
    d->ending = (struct ending){ .kind = ENDING_WAIT, .wait = WAIT_LIMITED, .attempt = d->env.attempt, .class = FAILURE_ROUTE,
                                 .due_ms = deliveries_now_ms(d->all) + UNROUTED_WAIT_MS };
    snprintf(d->ending.reason, sizeof d->ending.reason, "route \"%.*s\" is not configured on worker %s", (int)d->job.route.len,
             d->job.route.ptr, d->all->worker);
    settle_filing(d);
}

// A due time that came with the record on a main topic; beyond the deadline there is nothing to wait for.
static int64_t waits_until_ms(struct delivery *d)
{
    struct policy_case c = delivery_policy_case(d);
    int64_t deadline_ms = policy_deadline_ms(&c);
    return d->env.due_ms < deadline_ms ? d->env.due_ms : deadline_ms;
}

// What can be decided without asking anybody. True: the delivery is on its way to a belt.
static bool waits_outside(struct delivery *d)
{
    int64_t now_ms = deliveries_now_ms(d->all), until_ms = 0;
    if (d->job.not_before_ms > now_ms && d->env.epoch.generation == 0) {
        claim_park(d, WAIT_SCHEDULED, d->job.not_before_ms);
        return true;
    }
    if (d->source->tier < 0 && d->env.due_ms > now_ms) { // belts have seen to it already
        claim_park(d, d->env.wait != WAIT_NONE ? d->env.wait : WAIT_SCHEDULED, waits_until_ms(d));
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
    if (budget_is_over_share(&d->all->budget, d->destination, loop_now_ms(d->all->loop))) {
        claim_park(d, WAIT_LIMITED, destination_park(d->destination, now_ms));
        return true;
    }
    if (route_is_paused(d->route, now_ms, &until_ms)) {
        claim_park(d, WAIT_LIMITED, until_ms + (int64_t)(delivery_random01(d->all) * 1000));
        return true;
    }
    d->holds_destination = true;
    destination_begin(d->destination, loop_now_ms(d->all->loop));
    return false;
}

void arrival_judge(struct delivery *d)
{
    struct policy_case c = delivery_policy_case(d);
    d->gate = policy_gate(&c, &d->ending);
    d->gate_review = d->ending.kind == ENDING_REVIEW;
}

void deliveries_take(struct deliveries *all, struct record *record, struct source *source, uint64_t seq)
{
    struct delivery *d = delivery_acquire(all);
    struct err e;
    d->taken_ms = loop_now_ms(all->loop);
    d->record = record;
    d->source = source;
    d->seq = seq;
    d->lane = source->lane;
    d->holds_slot = true;
    all->budget.inflight++;
    all->budget.by_lane[d->lane]++;
    all->budget.bytes += (int64_t)record->bytes;
    delivery_enter(d, DELIVERY_ARRIVED);
    if (!parse(d, &e)) {
        end_as_invalid(d, &e);
        return;
    }
    d->route = routes_find(all->routes, d->job.route);
    arrival_judge(d);
    if (waits_outside(d))
        return;
    if (d->gate != FAILURE_NONE || d->gate_review)
        claim_ask(d);
    else
        line_join(d);
}
