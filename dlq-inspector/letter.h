// SPDX-License-Identifier: Apache-2.0
// letter: one record of the dead-letter topic, understood as far as anybody asks.
//
// letter_read looks at headers only. The trail and the value are read when a filter or an output first wants them
// (letter_last, letter_job): most letters of a scan are passed over before that.
#ifndef DLQ_INSPECTOR_LETTER_H
#define DLQ_INSPECTOR_LETTER_H

#include "common/envelope.h"
#include "dlq-inspector/attempts.h"

enum { LETTER_ORIGIN_SIZE = 160, LETTER_KEY_SIZE = ENVELOPE_ID_SIZE + LETTER_ORIGIN_SIZE };

struct mark;

struct letter_job { // what is read of the value; absent: ptr NULL
    struct slice to, domain, route, priority;
};

struct letter { // all zero is an empty one; reusable
    const struct record *record; // borrowed
    struct envelope env;
    struct err broken;    // kind != ERR_NONE: why the headers could not be read (env is then all zero)
    struct slice reason;  // machine word ("permanent"); "invalid" when there is none to read
    struct slice detail;  // what follows it; absent: ptr NULL
    char id[LETTER_KEY_SIZE];  // the job's; topic-partition-offset of the letter when it came without one
    char key[LETTER_KEY_SIZE]; // "<id>/<generation>": the identity of the letter
    const struct mark *mark; // borrowed: what became of it; NULL = open

    // Read on demand, through the functions below.
    bool last_read, has_last, job_read;
    struct trail_entry last;
    struct letter_job job;
    struct attempts attempts; // owned
    struct json_doc doc;      // owned; the value
    struct buf scratch;       // owned
};

// Borrows the record until the next letter_read or letter_clear.
void letter_read(struct letter *l, const struct record *r);
void letter_clear(struct letter *l);

// The last attempt of the trail, NULL when there is none. Borrowed until the next letter_read.
const struct trail_entry *letter_last(struct letter *l);
const struct letter_job *letter_job(struct letter *l);

// Code and text of the last attempt; the detail of the reason stands in when no attempt was made. May be absent.
int letter_code(struct letter *l);
struct slice letter_text(struct letter *l);

// "critical", "normal" or "bulk": sf-lane, else the value's priority, else normal.
struct slice letter_lane(struct letter *l);

// Writes "<topic>-<partition>-<offset>" of the record. Returns out.
char *letter_origin(const struct record *r, char out[LETTER_ORIGIN_SIZE]);

#endif
