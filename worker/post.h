// SPDX-License-Identifier: Apache-2.0
// post: what the worker writes to Kafka: records onto belts, letters, events. All of it is acknowledged or filed
// again; nothing is fire and forget.
#ifndef WORKER_POST_H
#define WORKER_POST_H

#include "common/broker.h"
#include "common/event.h"
#include "worker/brokerclock.h"

struct post {
    struct broker_producer *settle;  // owned: retries and letters
    struct broker_producer *journal; // owned: events
    struct brokerclock clock;        // learns from the belts' and events' stamps
    const struct topics *topics;     // borrowed
    struct buf event;                // scratch
    int64_t complained_ms;           // last time a refusal was logged
};

typedef void (*post_cb)(void *arg, bool acknowledged);

MUST_CHECK bool post_open(struct post *p, const struct config *c, struct err *e);
void post_close(struct post *p, int64_t timeout_ms);

// A record to any topic. False: it was not taken (the local queue is full, or the broker refused the topic or size):
// file it again later. True: cb comes exactly once. Everything is borrowed for the call only.
struct parcel {
    post_cb cb;
    void *arg;
    struct post *post; // the rest is post's
    bool stamped;      // the broker stamps this topic's records itself
    bool too_large;    // set when it was refused for its size: filing it as it is again will not help
};
bool post_record(struct post *p, const struct broker_message *m, struct parcel *parcel);
bool post_event(struct post *p, const struct event *ev, struct parcel *parcel);

// Receipts that are there; call when one of the descriptors is readable and once a turn.
void post_poll(struct post *p);
const char *post_fatal(const struct post *p);

#endif
