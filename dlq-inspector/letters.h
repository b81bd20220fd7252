// SPDX-License-Identifier: Apache-2.0
// letters: the dead-letter topic as a list of letters: copies folded, closed ones known, filtered.
#ifndef DLQ_INSPECTOR_LETTERS_H
#define DLQ_INSPECTOR_LETTERS_H

#include "dlq-inspector/filter.h"
#include "dlq-inspector/marks.h"
#include "dlq-inspector/scan.h"

struct letters_counts {
    int64_t read;    // records
    int64_t copies;  // filed again after a crash
    int64_t closed;  // matched, but replayed or discarded already
    int64_t matched; // handed out
};

struct letters { // all zero before letters_open
    struct scan scan;
    struct marks marks;
    struct hashmap seen;
    const struct filter *filter; // borrowed
    bool closed_too;             // hand out closed letters as well
    struct letter letter;
    struct record *record; // of letter; owned unless taken
    struct letters_counts counts;
};

// The snapshot is taken now. filter is borrowed until letters_close.
MUST_CHECK bool letters_open(struct letters *s, const struct config *c, const struct filter *filter, bool closed_too,
                             struct err *e);
// 1: *letter is valid until the next call; 0: the end; -1: failed.
int letters_next(struct letters *s, struct letter **letter, struct err *e);
// The record of the letter handed out last becomes the caller's; its topic stays valid until letters_close.
struct record *letters_take(struct letters *s);
void letters_close(struct letters *s);

// Reads the whole log of marks as it stands now.
MUST_CHECK bool letters_read_marks(struct marks *m, const struct config *c, struct err *e);

// True when this record is to be handed out; s->letter is then read from it. What letters_next asks for each one.
bool letters_admit(struct letters *s, const struct record *r);

#endif
