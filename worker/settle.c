// SPDX-License-Identifier: Apache-2.0
// settle: what is done about an ending, in the one order that no crash can spoil.
//
//   (1) the verdict to Redis, (2) the record, letter or event acknowledged by Kafka, (3) `queued` to Redis where a
//   record went onto a belt as the job's continuation, (4) the offset
//
// Whoever reads the job again after a crash finds the verdict and files what it says, so a step may happen twice but
// never not at all. What Kafka does not take or acknowledge is filed again a second later; what Redis does not
// answer is the store's to repeat. A refused verdict is looked into: what stands in the way may be an end whose event
// nobody filed, or a claim that rests on our very copy of the record.
#include "worker/delivery.h"

#include "common/log.h"

enum { AGAIN_MS = 1000 };

// ---- 2: Kafka ------------------------------------------------------------------------------------------------

static void on_proven(void *arg, bool taken, struct slice previous)
{
    (void)taken; // refused: a newer epoch is at work already, which proves as much
    (void)previous;
    delivery_over(arg, true);
}

// Nothing is on its way to Kafka. A part that was not taken or not acknowledged is filed again, alone: a second copy
// would fold, by epoch or event id, but one a second for as long as a topic is away would not be a small thing.
void delivery_filed(struct delivery *d)
{
    if (!delivery_is_filed(d)) {
        d->again_ms = loop_now_ms(d->all->loop) + AGAIN_MS;
        return;
    }
    if (d->ending.kind != ENDING_WAIT || !d->ending.continues) {
        delivery_over(d, true);
        return;
    }
    delivery_enter(d, DELIVERY_PROVING);
    struct epoch continuation = { d->env.epoch.generation, d->env.epoch.try_no + 1 };
    dedup_queued(d->all->dedup, &d->subject, continuation, on_proven, d);
}

void settle_file(struct delivery *d)
{
    d->again_ms = 0;
    delivery_file(d);
    if (d->acks_due == 0)
        delivery_filed(d);
}

void settle_filing(struct delivery *d)
{
    delivery_enter(d, DELIVERY_FILING);
    delivery_give_back_slot(d);
    settle_file(d);
}

// ---- 1: Redis ------------------------------------------------------------------------------------------------

static void on_verdict(void *arg, bool taken, struct slice previous)
{
    struct delivery *d = arg;
    struct meters *m = d->all->meters;
    if (d->ending.kind == ENDING_ACCEPTED && previous.len > 0 && !slice_is(previous, d->report.provider_id)) {
        metric_add(m->double_accept, 1);
        log_error("delivery", "accepted twice job=%s key_hash=%s", d->env.id, d->job.key_hash);
    }
    if (taken || d->ending.kind == ENDING_ACCEPTED) { // refused only by an error, and what was accepted stays accepted
        delivery_count(d);
        settle_filing(d);
        return;
    }
    // What stands in the way may be an end whose event or letter nobody filed, or a claim that rests on our copy.
    metric_add(m->claims_refused, 1);
    d->refused = true;
    delivery_enter(d, DELIVERY_ASKING);
    dedup_lookup(d->all->dedup, &d->subject, claim_found, d);
}

void settle_verdict(struct delivery *d)
{
    struct dedup *dedup = d->all->dedup;
    delivery_enter(d, DELIVERY_VERDICT);
    delivery_give_back_slot(d);
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

// ---- giving a claim back -------------------------------------------------------------------------------------

static void on_released(void *arg, bool taken, struct slice previous)
{
    (void)taken;
    (void)previous;
    delivery_over(arg, false);
}

void settle_release(struct delivery *d)
{
    delivery_enter(d, DELIVERY_RELEASING);
    delivery_give_back_slot(d);
    dedup_release(d->all->dedup, &d->subject, on_released, d);
}
