// SPDX-License-Identifier: Apache-2.0
// marks: <prefix>.dlq.log, what became of each letter. A letter with a mark is closed.
#ifndef DLQ_INSPECTOR_MARKS_H
#define DLQ_INSPECTOR_MARKS_H

#include "dlq-inspector/hashmap.h"

enum mark_action { MARK_NONE, MARK_REPLAYED, MARK_DISCARDED };
const char *mark_action_name(enum mark_action a); // "replayed", "discarded"

struct mark {
    enum mark_action action; // MARK_NONE: taken back (a tombstone)
    int64_t at_ms;
    const char *by, *reason; // owned by struct marks
    int32_t letter_partition;
    int64_t letter_offset; // where the letter lies (or lay: retention may have passed it); -1 = not said
};

struct marks { // all zero is empty
    struct hashmap index; // letter key -> list
    struct mark *list;
    size_t count, cap;
    struct hashmap texts_index; // text -> texts: thousands of marks share an operator and a reason
    char **texts;
    size_t text_count, text_cap;
};

void marks_clear(struct marks *m);

// One record of the log: the later one wins, an absent value takes the mark back, nonsense is passed over.
void marks_add(struct marks *m, struct slice key, struct slice value);

// What became of the letter, NULL = open.
const struct mark *marks_find(const struct marks *m, const char *key);

// How many marks are of letters in this partition at or after offset low: those that hide a letter still kept.
int64_t marks_count(const struct marks *m, int32_t partition, int64_t low);

struct mark_place { // where a record lies
    const char *topic;
    int32_t partition;
    int64_t offset;
};

// The value of a mark's record. record.topic NULL: nothing was produced (discarded).
void mark_format(const struct mark *mark, const struct mark_place *letter, const struct mark_place *record,
                 struct buf *out);

#endif
