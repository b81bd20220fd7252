// SPDX-License-Identifier: Apache-2.0
// steps: the events of one job, read back, folded and put in order.
#ifndef DLQ_INSPECTOR_STEPS_H
#define DLQ_INSPECTOR_STEPS_H

#include "common/event.h"
#include "common/topics.h"

struct step { // one event
    struct record *record; // owned
    struct event ev;       // borrows from record and scratch
    struct slice id;       // of the event
    char source_topic[TOPIC_NAME_SIZE]; // instead of ev.source_topic, which would not survive being moved
    struct buf scratch;    // owned; decoded strings
    int copies;            // filed again after a crash, besides this one
};

struct steps { // all zero is empty
    struct step *list; // owned
    size_t count, cap;
};

// Takes the record over. An event whose id is there already is folded; what is not an event of this job is dropped.
void steps_add_take(struct steps *s, struct slice job, struct record *r);
// In order of time; equal times by epoch, then by place in the topic.
void steps_sort(struct steps *s);
void steps_clear(struct steps *s);

// What a step says besides its name: "retry on 30s: 450 4.2.2 mailbox full", addresses masked unless reveal.
void step_describe(const struct step *s, bool reveal, struct buf *out);

// Where the job is now, in one sentence, from its last step.
void steps_where(const struct steps *s, int64_t now_ms, bool reveal, struct buf *out);

#endif
