// SPDX-License-Identifier: Apache-2.0
// attempt: a claimed job at the next hop, and what came of it.
//
// The transport reports, classify names, policy decides; here the three are put together, and what they said is kept
// for the event, the trail and the letter. An attempt that was cut before anything was written leaves no trace: its
// claim is given back.
#include "worker/delivery.h"

#include "common/clock.h"
#include "common/trail.h"
#include "worker/policy.h"

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

static void note_in_trail(struct delivery *d, const struct verdict *v)
{
    struct trail_entry entry = {
        .worker = slice_of(d->all->worker),
        .phase = slice_of(phase_name(d->report.phase)),
        .enhanced = slice_of(d->report.enhanced),
        .text = slice_of(d->report.text),
        .rule = slice_of(v->rule),
        .code = d->report.code,
        .class = v->class,
    };
    delivery_note(d, &entry);
}

static void count_attempt(struct delivery *d, const struct verdict *v)
{
    struct meters *m = d->all->meters;
    const char *provider = d->route->config->transport;
    meter_count2(m->attempts, provider, failure_name(v->class));
    meter_observe1(m->attempt_seconds, provider, (double)d->report.attempt_us / 1e6);
    if (v->generic)
        meter_count1(m->unclassified, provider);
    if (v->class == FAILURE_UNKNOWN)
        meter_count1(m->unknown, phase_name(d->report.phase));
    if (v->class == FAILURE_NONE)
        meter_observe1(m->end_to_end, d->route->config->name,
                       (double)(deliveries_now_ms(d->all) - d->env.first_seen_ms) / 1e3);
}

static void on_attempt_done(struct attempt *a, const struct outcome *o)
{
    struct delivery *d = a->owner;
    delivery_leave_destination(d, o->begun_us > 0 ? clock_mono_us() - o->begun_us : -1);
    if (d->aborting && o->result == ATTEMPT_FAILED && o->phase <= PHASE_CONNECT) { // nothing was begun
        settle_release(d);
        return;
    }
    struct verdict v = classify(d->route->config->transport, o, d->route->config->idempotent);
    write_report(d, o, &v);
    count_attempt(d, &v);
    if (!d->aborting) { // our own haste says nothing about the route
        d->probe = false;
        route_learn(d->all->routes, d->route, v.class, deliveries_now_ms(d->all));
    }
    struct policy_case c = delivery_policy_case(d);
    d->ending = (struct ending){ 0 };
    if (v.class != FAILURE_NONE) // an accepted job leaves no record that would carry a trail
        note_in_trail(d, &v);
    policy_after_attempt(&c, &v, o, &d->ending);
    settle_verdict(d);
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

void attempt_start(struct delivery *d)
{
    delivery_enter(d, DELIVERY_SENDING);
    note_lateness(d);
    d->begun_ms = loop_now_ms(d->all->loop);
    d->renewed_ms = d->asked_ms;
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
    d->route->ops->start(d->route->transport, &d->attempt);
}
