// SPDX-License-Identifier: Apache-2.0
// groups: counts by several words ("permanent" x "example.com" x "smtp"), bounded.
#ifndef DLQ_INSPECTOR_GROUPS_H
#define DLQ_INSPECTOR_GROUPS_H

#include "dlq-inspector/hashmap.h"

enum { GROUPS_FIELDS_MAX = 4, GROUPS_MAX = 10000 };

struct group {
    char *fields[GROUPS_FIELDS_MAX]; // owned
    int64_t count;
    int64_t oldest_ms;             // earliest time given; 0 = none
    int64_t first_due_ms, last_due_ms; // 0 = none
};

struct groups { // zero but for the two numbers
    int fields;      // how many words make a group
    int open_field;  // the one with unbounded many values (domain): "other" beyond GROUPS_MAX groups
    struct hashmap index;
    struct group *list;
    size_t count, cap;
};

// The group of these words (absent ones count as "-"), made when it is new. Valid until the next call.
struct group *groups_at(struct groups *g, const struct slice *fields);
// Counts one more; at_ms and due_ms: 0 = unknown.
void group_count(struct group *group, int64_t at_ms, int64_t due_ms);
// Largest first; ties by name. groups_at must not be called afterwards.
void groups_sort(struct groups *g);
void groups_clear(struct groups *g);

#endif
