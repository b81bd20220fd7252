// SPDX-License-Identifier: Apache-2.0
// filing: what a delivery's ending looks like in Kafka.
//
//   ending     record                                    event
//   WAIT       same key and bytes, on a belt             waiting | unknown
//   LETTER     same key and bytes, on .dlq               dead
//   REVIEW     same key and bytes, on .review            review
//   ACCEPTED   -                                         accepted
//   DROP       -                                         duplicate (when there is something to say)
//
// The job's value is never touched; delivery state travels in headers. Everything is built in scratch memory of the
// event loop's one thread and handed to librdkafka, which copies it.
#include "worker/delivery.h"

#include "common/clock.h"
#include "common/digest.h"
#include "common/trail.h"

#include <inttypes.h>
#include <stdio.h>

static void answered(struct delivery *d)
{
    if (--d->acks_due == 0)
        delivery_filed(d);
}

static void on_record_receipt(void *arg, bool acknowledged)
{
    struct delivery *d = arg;
    d->record_filed = acknowledged;
    answered(d);
}

static void on_event_receipt(void *arg, bool acknowledged)
{
    struct delivery *d = arg;
    d->event_filed = acknowledged;
    answered(d);
}

static void on_carry_receipt(void *arg, bool acknowledged)
{
    delivery_carried(arg, acknowledged);
}

static struct parcel parcel_for(struct delivery *d, post_cb cb)
{
    return (struct parcel){ .cb = cb, .arg = d };
}

// ---- headers -----------------------------------------------------------------------------------------------------

static void describe_origin(const struct delivery *d, char *out, size_t size)
{
    const struct record *r = d->record;
    snprintf(out, size, "%s-%" PRId32 "-%" PRId64, r->topic, r->partition, r->offset);
}

// The envelope that goes on, with the strings it borrows kept in the caller's storage.
struct onward {
    struct envelope env;
    char origin[TOPIC_NAME_SIZE + 40];
};

static void prepare(struct delivery *d, struct onward *o)
{
    o->env = d->env;
    if (o->env.origin.ptr == NULL) {
        describe_origin(d, o->origin, sizeof o->origin);
        o->env.origin = slice_of(o->origin);
    }
    if (o->env.lane.ptr == NULL)
        o->env.lane = slice_of(job_priority_name(d->job.priority));
    if (o->env.rcpt[0] == '\0' && d->job.to.spec.ptr != NULL && d->ending.class != FAILURE_INVALID)
        digest_short(d->job.to.spec, o->env.rcpt);
}

static void apply_ending(struct delivery *d, struct onward *o)
{
    const struct ending *end = &d->ending;
    struct deliveries *all = d->all;
    o->env.attempt = end->attempt;
    o->env.class = end->class;
    o->env.code = end->code;
    if (end->entry[0] != '\0') {
        buf_reset(&all->trail);
        trail_append(d->env.trail, slice_of(end->entry), &all->trail);
        o->env.trail = buf_slice(&all->trail);
    }
    if (end->kind == ENDING_WAIT) {
        o->env.wait = end->wait;
        o->env.due_ms = end->due_ms;
        o->env.epoch.try_no += end->continues ? 1 : 0;
        return;
    }
    o->env.wait = WAIT_NONE;
    o->env.due_ms = 0;
    o->env.reason = slice_of(end->reason);
    if (d->report.response.len > 0)
        o->env.response = buf_slice(&d->report.response);
}

static struct broker_message message(struct delivery *d, const char *topic)
{
    const struct record *r = d->record;
    return (struct broker_message){
        .topic = topic,
        .partition = -1,
        .key = r->has_key ? r->key : (struct slice){ NULL, 0 },
        .value = r->has_value && !d->bare ? r->value : (struct slice){ NULL, 0 },
        .headers = &d->all->headers,
    };
}

static int belt_for(const struct deliveries *all, int64_t due_ms)
{
    return tiers_pick(&all->config->tiers, due_ms - deliveries_now_ms(all));
}

static bool post(struct delivery *d, const struct envelope *env, const char *topic, struct parcel *parcel)
{
    headers_reset(&d->all->headers);
    envelope_write(env, &d->all->headers);
    struct broker_message m = message(d, topic);
    return post_record(d->all->post, &m, parcel);
}

// A record larger than anything of ours may be (other limits on its topic, or packed small) must not hold up its
// partition for ever: it becomes a letter that says where its bytes lie.
static void leave_out_what_is_too_large(struct delivery *d)
{
    bool may_be = d->record->bytes > (size_t)d->all->config->max_job_bytes; // or it only shared a batch with one that was
    if (d->bare || !may_be || !d->record_parcel.too_large || d->ending.kind != ENDING_LETTER)
        return;
    d->bare = true;
    char origin[TOPIC_NAME_SIZE + 40], rest[ENDING_REASON_MAX / 2];
    describe_origin(d, origin, sizeof origin);
    snprintf(rest, sizeof rest, "%s", d->ending.reason);
    snprintf(d->ending.reason, sizeof d->ending.reason, "%s; %zu bytes are too large for a letter and stay at %s", rest,
             d->record->value.len, origin);
}

static bool file_record(struct delivery *d)
{
    leave_out_what_is_too_large(d);
    struct onward o;
    prepare(d, &o);
    apply_ending(d, &o);
    const struct topics *topics = d->all->post->topics;
    const char *topic = topics->fixed[d->ending.kind == ENDING_REVIEW ? TOPIC_REVIEW : TOPIC_DLQ];
    if (d->ending.kind == ENDING_WAIT) {
        int tier = belt_for(d->all, d->ending.due_ms);
        topic = topics->retry[tier];
        meter_count1(d->all->meters->belt_hops, d->all->config->tiers.list[tier].name);
    }
    d->record_parcel = parcel_for(d, on_record_receipt);
    return post(d, &o.env, topic, &d->record_parcel);
}

// ---- events ------------------------------------------------------------------------------------------------------

static bool event_type_of(const struct delivery *d, enum event_type *type)
{
    switch (d->ending.kind) {
    case ENDING_ACCEPTED:
        *type = EVENT_ACCEPTED;
        return true;
    case ENDING_WAIT:
        *type = d->ending.wait == WAIT_UNKNOWN ? EVENT_UNKNOWN : EVENT_WAITING;
        return true;
    case ENDING_LETTER:
        *type = EVENT_DEAD;
        return true;
    case ENDING_REVIEW:
        *type = EVENT_REVIEW;
        return true;
    case ENDING_DROP:
        *type = EVENT_DUPLICATE;
        return d->duplicate_of.ptr != NULL;
    }
    return false;
}

static void describe_attempt(const struct delivery *d, struct event *ev)
{
    const struct delivery_report *r = &d->report;
    if (r->provider_id[0] != '\0')
        ev->provider_id = slice_of(r->provider_id);
    ev->lateness_ms = r->lateness_ms;
    if (!r->made)
        return;
    ev->transport = slice_of(d->route->config->transport);
    ev->phase = slice_of(phase_name(r->phase));
    ev->rule = slice_of(r->rule);
    ev->code = r->code;
    ev->attempt_us = r->attempt_us;
    if (r->enhanced[0] != '\0')
        ev->enhanced = slice_of(r->enhanced);
    if (d->ending.kind != ENDING_ACCEPTED)
        ev->text = slice_of(r->text);
}

static bool file_event(struct delivery *d)
{
    enum event_type type;
    if (!event_type_of(d, &type))
        return false;
    const struct ending *end = &d->ending;
    struct event ev = {
        .type = type,
        .at_ms = deliveries_now_ms(d->all),
        .job = slice_of(d->env.id),
        .worker = slice_of(d->all->worker),
        .epoch = d->env.epoch,
        .attempt = end->attempt,
        .source_topic = d->record->topic,
        .source_partition = d->record->partition,
        .source_offset = d->record->offset,
        .source_ms = d->record->timestamp_ms,
        .first_seen_ms = d->env.first_seen_ms,
        .class = end->class,
        .code = end->code,
        .duplicate_of = d->duplicate_of,
        .unfenced = d->unfenced,
        .refiled = d->refiled,
    };
    if (d->route != NULL)
        ev.route = slice_of(d->route->config->name);
    if (end->kind == ENDING_WAIT) {
        ev.wait = end->wait;
        ev.due_ms = end->due_ms;
        ev.tier = slice_of(d->all->config->tiers.list[belt_for(d->all, end->due_ms)].name);
    }
    if (end->kind != ENDING_ACCEPTED && end->reason[0] != '\0')
        ev.reason = slice_of(end->reason);
    describe_attempt(d, &ev);
    d->event_parcel = parcel_for(d, on_event_receipt);
    return post_event(d->all->post, &ev, &d->event_parcel);
}

// ---- filing ------------------------------------------------------------------------------------------------------

static bool wants_record(const struct delivery *d)
{
    return d->ending.kind != ENDING_ACCEPTED && d->ending.kind != ENDING_DROP && !d->record_filed;
}

static bool wants_event(const struct delivery *d)
{
    enum event_type ignored;
    return event_type_of(d, &ignored) && !d->event_filed;
}

void delivery_file(struct delivery *d)
{
    d->acks_due = 0;
    if (wants_record(d) && file_record(d))
        d->acks_due++;
    if (wants_event(d) && file_event(d))
        d->acks_due++;
}

bool delivery_is_filed(const struct delivery *d)
{
    return !wants_record(d) && !wants_event(d);
}

bool delivery_file_carry(struct delivery *d)
{
    struct onward o;
    prepare(d, &o);
    o.env.wait = WAIT_CARRY;
    o.env.due_ms = deliveries_now_ms(d->all) + d->all->config->worker.lease_ms;
    d->carry_parcel = parcel_for(d, on_carry_receipt);
    return post(d, &o.env, d->all->post->topics->retry[belt_for(d->all, o.env.due_ms)], &d->carry_parcel);
}
