// SPDX-License-Identifier: Apache-2.0
// claim: what the dedup record says about a job, and what follows from each of its answers.
//
// The same answers come to a claim before an attempt, to the look-up of a gate, and to the look-up after a refused
// verdict; "nothing stands in the way" means something else for each of them.
#include "worker/delivery.h"

#include "common/log.h"
#include "worker/policy.h"

#include <stdio.h>

// The claim of this epoch outlived its lease: its worker, and nobody else, knows what became of the attempt.
static void blame(struct delivery *d, struct slice dead_worker)
{
    buf_reset(&d->detail);
    buf_printf(&d->detail, "%.*s", (int)dead_worker.len, dead_worker.ptr);
    struct policy_case c = delivery_policy_case(d);
    policy_after_dead_claim(&c, d->detail.data, &d->ending);
    struct trail_entry attempt = { .worker = buf_slice(&d->detail), .phase = SLICE("claimed"), .class = FAILURE_UNKNOWN,
                                   .text = SLICE("its worker ended while it held the claim") };
    delivery_note(d, &attempt);
}

static void end_as_filed_before(struct delivery *d, const struct dedup_reply *reply)
{
    metric_add(d->all->meters->redelivered, 1);
    d->refiled = true;
    if (reply->finding == DEDUP_SENT) {
        d->ending = (struct ending){ .kind = ENDING_ACCEPTED, .attempt = d->env.attempt };
        d->env.epoch = reply->epoch; // of the attempt that was accepted, so that the event folds with its own
        snprintf(d->report.provider_id, sizeof d->report.provider_id, "%.*s", (int)reply->detail.len, reply->detail.ptr);
    } else if (!ending_parse(&d->ending, reply->detail)) {
        blame(d, reply->detail); // only a claim that outlived its lease has no ending
    }
    settle_filing(d);
}

static void end_as_dead_claim(struct delivery *d, const struct dedup_reply *reply)
{
    log_warn("delivery", "unknown job=%s claimed_by=%.*s: it ended while it may have been sending", d->env.id,
             (int)reply->detail.len, reply->detail.ptr);
    meter_count1(d->all->meters->unknown, "claimed");
    blame(d, reply->detail);
    delivery_count(d);
    settle_filing(d);
}

static void end_as_duplicate(struct delivery *d, const struct dedup_reply *reply)
{
    metric_add(d->all->meters->duplicates, 1);
    buf_reset(&d->detail);
    buf_put_slice(&d->detail, reply->detail);
    d->duplicate_of = buf_slice(&d->detail);
    d->ending = (struct ending){ .kind = ENDING_DROP };
    delivery_count(d);
    settle_filing(d);
}

static void end_as_conflict(struct delivery *d)
{
    d->ending = (struct ending){ .kind = ENDING_LETTER, .class = FAILURE_CONFLICT, .attempt = d->env.attempt };
    snprintf(d->ending.reason, sizeof d->ending.reason,
             "conflict: its idempotency key was used before with other content; give it a key of its own and publish it again");
    delivery_count(d);
    settle_filing(d);
}

void claim_park(struct delivery *d, enum wait_kind wait, int64_t due_ms)
{
    d->ending = (struct ending){
        .kind = ENDING_WAIT, .wait = wait, .due_ms = due_ms, .attempt = d->env.attempt, .class = d->env.class, .code = d->env.code
    };
    settle_filing(d);
}

static void ask(struct delivery *d)
{
    struct dedup *dedup = d->all->dedup;
    d->asked_ms = loop_now_ms(d->all->loop);
    if (d->gate != FAILURE_NONE || d->gate_review)
        dedup_lookup(dedup, &d->subject, claim_found, d);
    else
        dedup_claim(dedup, &d->subject, claim_found, d);
}

// The answer took so long (Redis was away, or this process was stopped) that the lease may be over before it is
// renewed for the first time; somebody else may hold the outcome for unknown already.
static bool is_late(const struct delivery *d)
{
    return !d->unfenced && loop_now_ms(d->all->loop) - d->asked_ms >= d->all->config->worker.renew_ms;
}

static void on_free_to_go(struct delivery *d)
{
    if (d->refused) {
        settle_verdict(d);
    } else if (d->gate != FAILURE_NONE || d->gate_review) {
        settle_verdict(d);
    } else if (d->all->draining) {
        settle_release(d);
    } else if (is_late(d)) {
        arrival_judge(d);
        ask(d); // with the same token: the claim is ours or it is not
    } else {
        attempt_start(d);
    }
}

void claim_found(void *arg, const struct dedup_reply *reply)
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
        delivery_over(d, true);
        break;
    case DEDUP_PARK:
        metric_add(d->all->meters->busy_parked, 1);
        claim_park(d, WAIT_BUSY, deliveries_now_ms(d->all) + reply->wait_ms);
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

void claim_ask(struct delivery *d)
{
    delivery_enter(d, DELIVERY_ASKING);
    d->subject = (struct dedup_subject){
        .key_hash = d->job.key_hash, .fingerprint = d->job.fingerprint, .job_id = d->env.id, .epoch = d->env.epoch
    };
    dedup_token(d->all->dedup, d->subject.token);
    ask(d);
}
