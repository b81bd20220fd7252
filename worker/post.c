// SPDX-License-Identifier: Apache-2.0
// post: see post.h.
//
// Two producers, because they want opposite things: a retry must be on its belt within a millisecond or two, events
// are many and want large batches. Both are idempotent and wait for the broker without limit: a job's offset is not
// finished before its record and its event are acknowledged, so an outage of Kafka makes jobs wait and loses none.
//
// A parcel belongs to its sender and must live until its callback; that saves an allocation per record.
#include "worker/post.h"

#include "common/clock.h"
#include "common/log.h"

enum { COMPLAIN_EVERY_MS = 10000 };

bool post_open(struct post *p, const struct config *c, struct err *e)
{
    *p = (struct post){ .topics = &c->topics };
    if (broker_producer_new(&p->settle, c, BROKER_SETTLE, e) && broker_producer_new(&p->journal, c, BROKER_JOURNAL, e))
        return true;
    post_close(p, 0);
    return false;
}

void post_close(struct post *p, int64_t timeout_ms)
{
    if (p->settle != NULL)
        broker_producer_free(p->settle, timeout_ms);
    if (p->journal != NULL)
        broker_producer_free(p->journal, timeout_ms);
    buf_clear(&p->event);
    *p = (struct post){ 0 };
}

static void complain(struct post *p, const char *text)
{
    int64_t now_ms = clock_mono_ms();
    if (p->complained_ms != 0 && now_ms - p->complained_ms < COMPLAIN_EVERY_MS)
        return;
    p->complained_ms = now_ms;
    log_error("post", "refused, will be filed again error=\"%s\"", text);
}

// A broker that does not stamp (the mock broker) keeps the publisher's time: then our own clock is the belts' clock.
static void learn_time(struct post *p, const struct broker_receipt *receipt)
{
    int64_t stamped_ms = receipt->timestamp_ms > 0 ? receipt->timestamp_ms : clock_wall_ms();
    brokerclock_sample(&p->clock, stamped_ms, clock_mono_ms());
}

static void on_receipt(void *arg, const struct broker_receipt *receipt)
{
    struct parcel *parcel = arg;
    if (!receipt->ok) {
        complain(parcel->post, receipt->err->text);
        parcel->too_large = receipt->err->kind == ERR_INPUT;
    } else if (parcel->stamped) {
        learn_time(parcel->post, receipt);
    }
    parcel->cb(parcel->arg, receipt->ok);
}

static bool produce(struct post *p, struct broker_producer *producer, const struct broker_message *m,
                    struct parcel *parcel)
{
    struct err e;
    parcel->post = p;
    if (broker_produce(producer, m, on_receipt, parcel, &e))
        return true;
    if (e.kind != ERR_TRANSIENT)
        complain(p, e.text);
    parcel->too_large = e.kind == ERR_INPUT;
    return false;
}

bool post_record(struct post *p, const struct broker_message *m, struct parcel *parcel)
{
    parcel->stamped = topics_tier_of(p->topics, m->topic) >= 0;
    return produce(p, p->settle, m, parcel);
}

bool post_event(struct post *p, const struct event *ev, struct parcel *parcel)
{
    buf_reset(&p->event);
    event_format(ev, &p->event);
    struct broker_message m = { .topic = p->topics->fixed[TOPIC_EVENTS],
                                .partition = -1,
                                .key = ev->job,
                                .value = buf_slice(&p->event) };
    parcel->stamped = true;
    return produce(p, p->journal, &m, parcel);
}

void post_poll(struct post *p)
{
    broker_producer_poll(p->settle);
    broker_producer_poll(p->journal);
}

const char *post_fatal(const struct post *p)
{
    const char *fatal = broker_producer_fatal(p->settle);
    return fatal != NULL ? fatal : broker_producer_fatal(p->journal);
}
